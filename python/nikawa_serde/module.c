/* _nikawa_serde: libnikawa_serde for Python. Values become dicts, lists and scalars; what a logical
 * type means is left to two Python functions. SPDX-License-Identifier: Apache-2.0 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "serde/nikawa_serde.h"

typedef struct {
    PyObject_HEAD nks_serde *serde;
    PyObject *fetch; /* callable(uuid) -> (format, definition, [(name, definition)]), or NULL */
    PyObject *to_raw, *from_raw; /* callable(logical, value, scale, size) */
} Serde;

static PyObject *error_type; /* nikawa_serde.SerdeError(code, message) */

static PyObject *raise(const nks_error *e)
{
    static const char *const names[] = {"ok",      "foreign",   "invalid", "not_found",
                                        "refused", "unreached", "limit",   "no_memory"};
    PyObject *args = Py_BuildValue("(ss)", names[e->code < 8 ? e->code : 2], e->message);
    if (args)
        PyErr_SetObject(error_type, args);
    Py_XDECREF(args);
    return NULL;
}

/* -- Avro values from Python ----------------------------------------------------------------------
 */

typedef struct maker {
    Serde *self;
    PyObject *kept; /* list: objects whose memory the value borrows */
    char *blocks[64];
    size_t n_blocks, used, room;
    int depth;
    bool exact; /* nothing of the object may be lost: among a union's branches another may take all
                 */
} maker;

static void *take(maker *m, size_t n)
{
    n = (n + 15) & ~(size_t)15;
    if (m->n_blocks == 0 || m->room - m->used < n) {
        size_t size = m->room * 2 > n ? m->room * 2 : n;
        if (size < 4096)
            size = 4096;
        if (m->n_blocks == 64 || !(m->blocks[m->n_blocks] = PyMem_Malloc(size))) {
            PyErr_NoMemory();
            return NULL;
        }
        m->n_blocks++;
        m->room = size;
        m->used = 0;
    }
    char *p = m->blocks[m->n_blocks - 1] + m->used;
    m->used += n;
    return p;
}

static int make(maker *m, const nks_avro_type *t, PyObject *o, nk_avro_value *v);

static int unfit(const nks_avro_type *t, PyObject *o)
{
    nk_avro_text text = nks_avro_name(t);
    PyObject *name = PyUnicode_DecodeUTF8(text.p, (Py_ssize_t)text.n, "replace");
    if (name)
        PyErr_Format(PyExc_TypeError, "%.100s does not fit the Avro type %U", Py_TYPE(o)->tp_name,
                     name);
    Py_XDECREF(name);
    return -1;
}

static int keep(maker *m, PyObject *o)
{
    return PyList_Append(m->kept, o);
}

static int make_text(maker *m, const nks_avro_type *t, PyObject *o, nk_avro_value *v)
{
    if (PyUnicode_Check(o) && v->kind == NK_AVRO_STRING) {
        Py_ssize_t n;
        v->u.s.p = PyUnicode_AsUTF8AndSize(o, &n);
        v->u.s.n = (size_t)n;
        return v->u.s.p ? keep(m, o) : -1;
    }
    if (v->kind == NK_AVRO_STRING || !(PyBytes_Check(o) || PyByteArray_Check(o)))
        return unfit(t, o);
    PyObject *bytes = PyBytes_FromObject(o);
    if (!bytes)
        return -1;
    v->u.s.p = PyBytes_AS_STRING(bytes);
    v->u.s.n = (size_t)PyBytes_GET_SIZE(bytes);
    int rc = keep(m, bytes);
    Py_DECREF(bytes);
    return rc;
}

static void missing(const nks_avro_type *t, size_t i)
{
    nk_avro_text text = nks_avro_label(t, i);
    PyObject *name = PyUnicode_DecodeUTF8(text.p, (Py_ssize_t)text.n, "replace");
    if (name)
        PyErr_Format(PyExc_KeyError, "the record has no '%U'", name);
    Py_XDECREF(name);
}

static int make_record(maker *m, const nks_avro_type *t, PyObject *o, nk_avro_value *v)
{
    size_t n = nks_avro_count(t);
    if (!PyDict_Check(o) || (m->exact && (size_t)PyDict_Size(o) != n))
        return unfit(t, o);
    v->u.list.n = n;
    v->u.list.keys = NULL;
    v->u.list.v = take(m, n * sizeof *v);
    if (!v->u.list.v)
        return -1;
    for (size_t i = 0; i < n; i++) {
        nk_avro_text name = nks_avro_label(t, i);
        PyObject *key = PyUnicode_FromStringAndSize(name.p, (Py_ssize_t)name.n);
        PyObject *item = key ? PyDict_GetItemWithError(o, key) : NULL;
        Py_XDECREF(key);
        if (!item && PyErr_Occurred())
            return -1;
        if (!item) {
            /* an absent optional field is null; anything else absent is an error */
            const nks_avro_type *part = nks_avro_part(t, i);
            bool optional = nks_avro_kind(part) == NK_AVRO_UNION && nks_avro_count(part) &&
                            nks_avro_kind(nks_avro_part(part, 0)) == NK_AVRO_NULL;
            if (!optional || m->exact) {
                missing(t, i);
                return -1;
            }
            item = Py_None;
        }
        if (make(m, nks_avro_part(t, i), item, &v->u.list.v[i]) < 0)
            return -1;
    }
    return 0;
}

static int make_list(maker *m, const nks_avro_type *t, PyObject *o, nk_avro_value *v)
{
    PyObject *items = PySequence_Fast(o, "a list is wanted for an Avro array");
    if (!items)
        return -1;
    size_t n = (size_t)PySequence_Fast_GET_SIZE(items);
    v->u.list.n = n;
    v->u.list.keys = NULL;
    v->u.list.v = take(m, n * sizeof *v);
    int rc = v->u.list.v ? keep(m, items) : -1;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = make(m, nks_avro_part(t, 0), PySequence_Fast_GET_ITEM(items, (Py_ssize_t)i),
                  &v->u.list.v[i]);
    Py_DECREF(items);
    return rc;
}

static int make_map(maker *m, const nks_avro_type *t, PyObject *o, nk_avro_value *v)
{
    PyObject *key, *item;
    Py_ssize_t pos = 0, n;
    if (!PyDict_Check(o))
        return unfit(t, o);
    v->u.list.n = 0;
    v->u.list.v = take(m, (size_t)PyDict_Size(o) * sizeof *v);
    v->u.list.keys = take(m, (size_t)PyDict_Size(o) * sizeof *v->u.list.keys);
    if (!v->u.list.v || !v->u.list.keys)
        return -1;
    while (PyDict_Next(o, &pos, &key, &item)) {
        nk_avro_text *k = &v->u.list.keys[v->u.list.n];
        if (!PyUnicode_Check(key))
            return unfit(t, key);
        k->p = PyUnicode_AsUTF8AndSize(key, &n);
        k->n = (size_t)n;
        if (!k->p || keep(m, key) < 0 ||
            make(m, nks_avro_part(t, 0), item, &v->u.list.v[v->u.list.n]) < 0)
            return -1;
        v->u.list.n++;
    }
    return 0;
}

/* One branch of a union; 1 when it does not take the object. */
static int try_branch(maker *m, const nks_avro_type *b, PyObject *name, PyObject *o,
                      nk_avro_value *v)
{
    if (name) {
        nk_avro_text label = nks_avro_name(b);
        Py_ssize_t n;
        const char *p = PyUnicode_AsUTF8AndSize(name, &n);
        if (!p)
            return -1;
        if ((size_t)n != label.n || memcmp(p, label.p, label.n) != 0)
            return 1;
        o = PyTuple_GET_ITEM(o, 1);
    }
    if (make(m, b, o, v) == 0)
        return 0;
    if (name || PyErr_ExceptionMatches(PyExc_MemoryError) ||
        PyErr_ExceptionMatches(PyExc_RecursionError))
        return -1;
    PyErr_Clear();
    return 1;
}

/* The first branch that just fits the object, else the first that takes it; ("full.name", value)
 * names one. */
static int make_union(maker *m, const nks_avro_type *t, PyObject *o, nk_avro_value *v)
{
    PyObject *name =
        PyTuple_Check(o) && PyTuple_GET_SIZE(o) == 2 && PyUnicode_Check(PyTuple_GET_ITEM(o, 0))
            ? PyTuple_GET_ITEM(o, 0)
            : NULL;
    bool within = m->exact;
    for (int pass = 0; pass < (within || name ? 1 : 2); pass++) {
        m->exact = within || (pass == 0 && !name);
        for (size_t i = 0; i < nks_avro_count(t); i++) {
            int rc = try_branch(m, nks_avro_part(t, i), name, o, v);
            if (rc > 0)
                continue;
            m->exact = within;
            v->branch = (int32_t)i;
            return rc;
        }
    }
    m->exact = within;
    return unfit(t, o);
}

static int make_enum(const nks_avro_type *t, PyObject *o, nk_avro_value *v)
{
    Py_ssize_t n;
    const char *p = PyUnicode_Check(o) ? PyUnicode_AsUTF8AndSize(o, &n) : NULL;
    for (size_t i = 0; p && i < nks_avro_count(t); i++) {
        nk_avro_text label = nks_avro_label(t, i);
        if (label.n == (size_t)n && memcmp(label.p, p, label.n) == 0) {
            v->u.i = (int64_t)i;
            return 0;
        }
    }
    return PyErr_Occurred() ? -1 : unfit(t, o);
}

/* Whether a float holds another number. */
static bool is_cut(double d)
{
    float f = (float)d;
    return memcmp(&(double){f}, &d, sizeof d) != 0 && d == d;
}

static int make_plain(maker *m, const nks_avro_type *t, PyObject *o, nk_avro_value *v)
{
    int overflow = 0;
    switch (v->kind) {
    case NK_AVRO_NULL:
        return o == Py_None ? 0 : unfit(t, o);
    case NK_AVRO_BOOLEAN:
        v->u.b = o == Py_True;
        return PyBool_Check(o) ? 0 : unfit(t, o);
    case NK_AVRO_INT:
    case NK_AVRO_LONG:
        if (!PyLong_Check(o) || PyBool_Check(o))
            return unfit(t, o);
        v->u.i = PyLong_AsLongLongAndOverflow(o, &overflow);
        if (overflow || (v->kind == NK_AVRO_INT && (int32_t)v->u.i != v->u.i)) {
            PyErr_SetString(PyExc_OverflowError, "the number is too great for its Avro type");
            return -1;
        }
        return 0;
    case NK_AVRO_FLOAT:
    case NK_AVRO_DOUBLE:
        if (!PyFloat_Check(o) && (!PyLong_Check(o) || PyBool_Check(o)))
            return unfit(t, o);
        v->u.d = PyFloat_AsDouble(o);
        if (v->u.d == -1 && PyErr_Occurred())
            return -1;
        return m->exact && (PyLong_Check(o) || (v->kind == NK_AVRO_FLOAT && is_cut(v->u.d)))
                   ? unfit(t, o)
                   : 0;
    case NK_AVRO_ENUM:
        return make_enum(t, o, v);
    case NK_AVRO_RECORD:
        return make_record(m, t, o, v);
    case NK_AVRO_ARRAY:
        return PyUnicode_Check(o) || PyBytes_Check(o) || PyDict_Check(o) ? unfit(t, o)
                                                                         : make_list(m, t, o, v);
    case NK_AVRO_MAP:
        return make_map(m, t, o, v);
    case NK_AVRO_FIXED:
        if (make_text(m, t, o, v) < 0)
            return -1;
        return v->u.s.n == (size_t)nks_avro_size(t) ? 0 : unfit(t, o);
    default:
        return make_text(m, t, o, v);
    }
}

static int make(maker *m, const nks_avro_type *t, PyObject *o, nk_avro_value *v)
{
    nk_avro_text logical = nks_avro_logical(t);
    v->kind = nks_avro_kind(t);
    v->branch = -1;
    if (Py_EnterRecursiveCall(" in an Avro value"))
        return -1;
    int rc;
    if (v->kind == NK_AVRO_UNION) {
        rc = make_union(m, t, o, v);
    } else if (logical.p) {
        PyObject *raw =
            PyObject_CallFunction(m->self->to_raw, "s#OLL", logical.p, (Py_ssize_t)logical.n, o,
                                  (long long)nks_avro_scale(t), (long long)nks_avro_size(t));
        rc = raw ? keep(m, raw) : -1;
        if (rc == 0)
            rc = make_plain(m, t, raw, v);
        Py_XDECREF(raw);
    } else {
        rc = make_plain(m, t, o, v);
    }
    Py_LeaveRecursiveCall();
    return rc;
}

/* -- and to Python
 * ---------------------------------------------------------------------------------- */

static PyObject *show(Serde *self, const nks_avro_type *t, const nk_avro_value *v);

static PyObject *show_list(Serde *self, const nks_avro_type *t, const nk_avro_value *v)
{
    bool array = v->kind == NK_AVRO_ARRAY, record = v->kind == NK_AVRO_RECORD;
    PyObject *out = array ? PyList_New((Py_ssize_t)v->u.list.n) : PyDict_New();
    for (size_t i = 0; out && i < v->u.list.n; i++) {
        PyObject *item = show(self, nks_avro_part(t, record ? i : 0), &v->u.list.v[i]);
        if (!item) {
            Py_CLEAR(out);
            break;
        }
        if (array) {
            PyList_SET_ITEM(out, (Py_ssize_t)i, item);
            continue;
        }
        nk_avro_text name = record ? nks_avro_label(t, i) : v->u.list.keys[i];
        PyObject *key = PyUnicode_DecodeUTF8(name.p, (Py_ssize_t)name.n, NULL);
        if (!key || PyDict_SetItem(out, key, item) < 0)
            Py_CLEAR(out);
        Py_XDECREF(key);
        Py_DECREF(item);
    }
    return out;
}

static PyObject *show_plain(Serde *self, const nks_avro_type *t, const nk_avro_value *v)
{
    switch (v->kind) {
    case NK_AVRO_NULL:
        Py_RETURN_NONE;
    case NK_AVRO_BOOLEAN:
        return PyBool_FromLong(v->u.b);
    case NK_AVRO_INT:
    case NK_AVRO_LONG:
        return PyLong_FromLongLong(v->u.i);
    case NK_AVRO_FLOAT:
    case NK_AVRO_DOUBLE:
        return PyFloat_FromDouble(v->u.d);
    case NK_AVRO_STRING:
        return PyUnicode_DecodeUTF8(v->u.s.p, (Py_ssize_t)v->u.s.n, NULL);
    case NK_AVRO_BYTES:
    case NK_AVRO_FIXED:
        return PyBytes_FromStringAndSize(v->u.s.p, (Py_ssize_t)v->u.s.n);
    case NK_AVRO_ENUM: {
        nk_avro_text label = nks_avro_label(t, (size_t)v->u.i);
        return PyUnicode_DecodeUTF8(label.p, (Py_ssize_t)label.n, NULL);
    }
    default:
        return show_list(self, t, v);
    }
}

static PyObject *show(Serde *self, const nks_avro_type *t, const nk_avro_value *v)
{
    if (nks_avro_kind(t) == NK_AVRO_UNION)
        t = nks_avro_part(t, (size_t)v->branch);
    nk_avro_text logical = nks_avro_logical(t);
    if (Py_EnterRecursiveCall(" in an Avro value"))
        return NULL;
    PyObject *out = show_plain(self, t, v);
    if (out && logical.p) {
        PyObject *raw = out;
        out = PyObject_CallFunction(self->from_raw, "s#OLL", logical.p, (Py_ssize_t)logical.n, raw,
                                    (long long)nks_avro_scale(t), (long long)nks_avro_size(t));
        Py_DECREF(raw);
    }
    Py_LeaveRecursiveCall();
    return out;
}

/* -- the serde
 * ---------------------------------------------------------------------------------------- */

static const char *const formats[] = {"AVRO", "JSON", "PROTOBUF"};

static int format_of(const char *name, nks_format *out)
{
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, formats[i]) == 0) {
            *out = (nks_format)i;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "the format is AVRO, JSON or PROTOBUF, not '%.50s'", name);
    return -1;
}

/* A definition from (format, definition, [(name, definition)]), which must outlive it. */
static int read_definition(PyObject *o, nks_definition *d)
{
    const char *format;
    PyObject *refs = NULL;
    if (!PyArg_ParseTuple(o, "ss|O!", &format, &d->definition, &PyList_Type, &refs) ||
        format_of(format, &d->format) < 0)
        return -1;
    if (!refs || PyList_GET_SIZE(refs) == 0)
        return 0;
    nks_reference *r = PyMem_Calloc((size_t)PyList_GET_SIZE(refs), sizeof *r);
    if (!r) {
        PyErr_NoMemory();
        return -1;
    }
    d->refs = r;
    d->n_refs = (size_t)PyList_GET_SIZE(refs);
    for (size_t i = 0; i < d->n_refs; i++) {
        if (!PyArg_ParseTuple(PyList_GET_ITEM(refs, (Py_ssize_t)i), "ss", &r[i].name,
                              &r[i].definition)) {
            PyMem_Free(r);
            d->refs = NULL;
            return -1;
        }
    }
    return 0;
}

static nks_code fetch(void *arg, const char *uuid, nks_definition *out, nks_error *err)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *got = PyObject_CallFunction(((Serde *)arg)->fetch, "s", uuid);
    nks_code rc = NKS_OK;
    if (!got || got == Py_None || read_definition(got, out) < 0) {
        rc = got == Py_None ? NKS_NOT_FOUND : NKS_UNREACHED;
        PyObject *type, *value, *trace, *text = NULL;
        PyErr_Fetch(&type, &value, &trace);
        if (value)
            text = PyObject_Str(value);
        const char *why = text ? PyUnicode_AsUTF8(text) : NULL;
        err->code = rc;
        snprintf(err->message, sizeof err->message, "no definition of %s: %s", uuid,
                 why ? why : "the fetch gave none");
        PyErr_Clear();
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(trace);
        Py_XDECREF(text);
        Py_XDECREF(got);
        got = NULL;
    }
    out->mine = got;
    PyGILState_Release(gil);
    return rc;
}

static void fetched(void *arg, nks_definition *d)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    PyMem_Free((void *)(uintptr_t)d->refs);
    Py_XDECREF((PyObject *)d->mine);
    PyGILState_Release(gil);
}

static int serde_init(Serde *self, PyObject *args, PyObject *kw)
{
    nks_config c = {0};
    nks_error err;
    PyObject *fn = Py_None;
    unsigned long long max = 0;
    if (!PyArg_ParseTuple(args, "OO|OzzzzzK", &self->to_raw, &self->from_raw, &fn, &c.endpoint,
                          &c.region, &c.access_key, &c.secret_key, &c.session_token, &max)) {
        self->to_raw = self->from_raw = NULL;
        return -1;
    }
    Py_INCREF(self->to_raw);
    Py_INCREF(self->from_raw);
    c.message_max = (size_t)max;
    if (fn != Py_None) {
        Py_INCREF(fn);
        self->fetch = fn;
        c.fetch = fetch;
        c.done = fetched;
        c.arg = self;
    }
    if (nks_open(&c, &self->serde, &err) != NKS_OK) {
        raise(&err);
        return -1;
    }
    return 0;
}

static void serde_free(Serde *self)
{
    nks_close(self->serde);
    Py_XDECREF(self->fetch);
    Py_XDECREF(self->to_raw);
    Py_XDECREF(self->from_raw);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static const nks_schema *schema_of(Serde *self, const char *id)
{
    const nks_schema *x = NULL;
    nks_error err;
    nks_code rc;
    Py_BEGIN_ALLOW_THREADS rc = nks_schema_by_id(self->serde, id, &x, &err);
    Py_END_ALLOW_THREADS if (rc != NKS_OK) raise(&err);
    return rc == NKS_OK ? x : NULL;
}

static PyObject *serde_schema(Serde *self, PyObject *args)
{
    const char *id;
    size_t n;
    if (!PyArg_ParseTuple(args, "s", &id))
        return NULL;
    const nks_schema *x = schema_of(self, id);
    if (!x)
        return NULL;
    const char *text = nks_schema_definition(x, &n);
    return Py_BuildValue("(sss#)", nks_schema_id(x), formats[nks_schema_format(x)], text,
                         (Py_ssize_t)n);
}

static PyObject *serde_register(Serde *self, PyObject *args)
{
    const char *registry, *schema, *name, *definition, *compatibility;
    nks_format format;
    int auto_register;
    const nks_schema *x;
    nks_error err;
    nks_code rc;
    if (!PyArg_ParseTuple(args, "zssspz", &registry, &schema, &name, &definition, &auto_register,
                          &compatibility) ||
        format_of(name, &format) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS rc =
        nks_schema_by_definition(self->serde, registry, schema, format, definition,
                                 auto_register != 0, compatibility, &x, &err);
    Py_END_ALLOW_THREADS return rc == NKS_OK ? PyUnicode_FromString(nks_schema_id(x)) : raise(&err);
}

static PyObject *serde_add(Serde *self, PyObject *args)
{
    const char *id;
    PyObject *o;
    nks_definition d = {0};
    const nks_schema *x;
    nks_error err;
    if (!PyArg_ParseTuple(args, "sO!", &id, &PyTuple_Type, &o) || read_definition(o, &d) < 0)
        return NULL;
    nks_code rc = nks_schema_add(self->serde, id, &d, &x, &err);
    PyMem_Free((void *)(uintptr_t)d.refs);
    if (rc != NKS_OK)
        return raise(&err);
    Py_RETURN_NONE;
}

static nks_code encode_avro(Serde *self, const nks_schema *x, PyObject *o, nks_compression how,
                            nks_buf *out, nks_error *err)
{
    maker m = {.self = self, .kept = PyList_New(0)};
    nk_avro_value v;
    nks_code rc = NKS_INVALID;
    err->code = NKS_OK; /* a Python exception stands */
    if (m.kept && make(&m, nks_avro_root(x), o, &v) == 0)
        rc = nks_encode_avro(self->serde, x, &v, how, out, err);
    for (size_t i = 0; i < m.n_blocks; i++)
        PyMem_Free(m.blocks[i]);
    Py_XDECREF(m.kept);
    return rc;
}

static PyObject *serde_encode(Serde *self, PyObject *args)
{
    const char *id, *name = NULL;
    PyObject *value;
    int how = 0;
    nks_buf out = {0};
    nks_error err = {0};
    if (!PyArg_ParseTuple(args, "sO|iz", &id, &value, &how, &name))
        return NULL;
    const nks_schema *x = schema_of(self, id);
    if (!x)
        return NULL;
    nks_code rc;
    if (nks_schema_format(x) == NKS_AVRO) {
        rc = encode_avro(self, x, value, (nks_compression)how, &out, &err);
    } else {
        Py_buffer b;
        if (PyObject_GetBuffer(value, &b, PyBUF_SIMPLE) < 0)
            return NULL;
        rc = nks_schema_format(x) == NKS_JSON
                 ? nks_encode_json(self->serde, x, b.buf, (size_t)b.len, (nks_compression)how, &out,
                                   &err)
                 : nks_encode_protobuf(self->serde, x, name, b.buf, (size_t)b.len,
                                       (nks_compression)how, &out, &err);
        PyBuffer_Release(&b);
    }
    PyObject *bytes = NULL;
    if (rc == NKS_OK)
        bytes = PyBytes_FromStringAndSize(out.p, (Py_ssize_t)out.n);
    else if (!PyErr_Occurred())
        raise(&err);
    nks_buf_free(&out);
    return bytes;
}

/* Needs no GIL. reader: the version whose schema an Avro value is read with; NULL: the writer's. */
static nks_code open_value(Serde *self, const Py_buffer *b, const char *reader, nks_buf *scratch,
                           nks_arena *a, nks_message *m, nk_avro_value *v, const nks_schema **as,
                           nks_error *err)
{
    nks_code rc = nks_open_message(self->serde, b->buf, (size_t)b->len, scratch, m, err);
    if (rc != NKS_OK || nks_schema_format(m->schema) != NKS_AVRO)
        return rc;
    *as = m->schema;
    if (!reader)
        return nks_decode_avro(self->serde, b->buf, (size_t)b->len, scratch, a, v, NULL, err);
    rc = nks_schema_by_id(self->serde, reader, as, err);
    return rc == NKS_OK ? nks_decode_avro_as(self->serde, *as, b->buf, (size_t)b->len, scratch, a,
                                             v, NULL, err)
                        : rc;
}

/* (id, format, value, message's name) */
static PyObject *serde_decode(Serde *self, PyObject *args)
{
    Py_buffer b;
    nks_message m;
    nks_error err;
    nks_buf scratch = {0};
    PyObject *out = NULL;
    nk_avro_value v;
    const nks_schema *as = NULL;
    const char *reader = NULL;
    if (!PyArg_ParseTuple(args, "y*|z", &b, &reader))
        return NULL;
    nks_arena *a = nks_arena_new();
    nks_code rc;
    Py_BEGIN_ALLOW_THREADS rc =
        a ? open_value(self, &b, reader, &scratch, a, &m, &v, &as, &err) : NKS_NOMEM;
    Py_END_ALLOW_THREADS if (!a)
    {
        PyErr_NoMemory();
    }
    else if (rc != NKS_OK)
    {
        raise(&err);
    }
    else
    {
        const char *id = nks_schema_id(m.schema), *format = formats[nks_schema_format(m.schema)];
        PyObject *value = nks_schema_format(m.schema) == NKS_AVRO
                              ? show(self, nks_avro_root(as), &v)
                              : PyBytes_FromStringAndSize(m.payload, (Py_ssize_t)m.n);
        if (value)
            out = Py_BuildValue("(ssNs#)", id, format, value, m.name, (Py_ssize_t)m.name_n);
    }
    nks_arena_free(a);
    nks_buf_free(&scratch);
    PyBuffer_Release(&b);
    return out;
}

static PyObject *framed(PyObject *module, PyObject *args)
{
    Py_buffer b;
    if (!PyArg_ParseTuple(args, "y*", &b))
        return NULL;
    bool yes = nks_is_framed(b.buf, (size_t)b.len);
    PyBuffer_Release(&b);
    return PyBool_FromLong(yes);
}

static PyMethodDef serde_methods[] = {
    {"schema", (PyCFunction)serde_schema, METH_VARARGS, "schema(id) -> (id, format, definition)"},
    {"register", (PyCFunction)serde_register, METH_VARARGS,
     "register(registry, schema, format, definition, auto_register, compatibility) -> id"},
    {"add", (PyCFunction)serde_add, METH_VARARGS,
     "add(id, (format, definition, [(name, definition)]))"},
    {"encode", (PyCFunction)serde_encode, METH_VARARGS,
     "encode(id, value, compression=0, message=None) -> bytes"},
    {"decode", (PyCFunction)serde_decode, METH_VARARGS,
     "decode(message, reader=None) -> (id, format, value, message's name)"},
    {NULL, NULL, 0, NULL}};

static PyTypeObject serde_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "_nikawa_serde.Serde",
    .tp_basicsize = sizeof(Serde),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "Messages of a schema registry.",
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)serde_init,
    .tp_dealloc = (destructor)serde_free,
    .tp_methods = serde_methods,
};

static PyMethodDef functions[] = {{"is_framed", framed, METH_VARARGS, "is_framed(bytes) -> bool"},
                                  {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_nikawa_serde", NULL, -1,
                                        functions};

PyMODINIT_FUNC PyInit__nikawa_serde(void);
PyMODINIT_FUNC PyInit__nikawa_serde(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (!module || PyType_Ready(&serde_type) < 0)
        return NULL;
    error_type = PyErr_NewExceptionWithDoc("nikawa_serde.SerdeError",
                                           "args: what kind of failure, and its text.",
                                           PyExc_ValueError, NULL);
    Py_INCREF(&serde_type);
    Py_INCREF(error_type);
    if (PyModule_AddObject(module, "Serde", (PyObject *)&serde_type) < 0 ||
        PyModule_AddObject(module, "SerdeError", error_type) < 0)
        return NULL;
    return module;
}
