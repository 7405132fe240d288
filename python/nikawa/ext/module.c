/* _nikawa: Session, Node and Error. A session's calls are taken one at a time, whatever thread they
 * come from, and run without Python's lock; row functions take it for each batch. */
#include "ext.h"

#include <pthread.h>
#include <stdatomic.h>

#include "engine/arrow.h"

#define JSON_MAX ((size_t)64 << 20)

static PyObject *error_type; /* _nikawa.Error */

/* Shared by a Session, its Nodes and the streams that go out of it; the last one closes it. */
typedef struct core {
    atomic_int refs;
    pthread_mutex_t lock;
    nk_session *session;
    PyObject
        *raised; /* what a row function raised in the call that runs; owned, with Python's lock */
} core;

typedef struct callable {
    core *core; /* borrowed: the session that calls it is alive */
    PyObject *function;
} callable;

typedef struct py_session {
    PyObject_HEAD core *core;
    PyObject *callables; /* list of capsules: functions live as long as the session */
} py_session;

typedef struct py_node {
    PyObject_HEAD core *core;
    const nk_node *node;
    PyObject *session; /* keeps the callables */
} py_node;

static PyTypeObject session_type, node_type;
static _Thread_local int in_row_function;

static void core_release(core *c)
{
    if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
        return;
    nk_session_close(c->session);
    pthread_mutex_destroy(&c->lock);
    nk_free(c);
}

/* ---- calls into the session ---- */

/* False with an exception set when a row function asks its own session for something: it would wait
 * for itself. */
static bool may_call(void)
{
    if (!in_row_function)
        return true;
    PyErr_SetString(PyExc_RuntimeError,
                    "a row function (Filter, Map) cannot ask frames for rows, counts or "
                    "schemas: collect what it needs before");
    return false;
}

static PyThreadState *enter(core *c)
{
    PyThreadState *ts = PyEval_SaveThread();
    pthread_mutex_lock(&c->lock);
    return ts;
}

static void leave(core *c, PyThreadState *ts)
{
    pthread_mutex_unlock(&c->lock);
    PyEval_RestoreThread(ts);
}

/* The exception of a failed call: the row function's own, else ours with its code and hint. */
static PyObject *raise_error(core *c, const nk_err *err)
{
    if (c && c->raised) {
        PyObject *e = c->raised;
        c->raised = NULL;
        PyErr_SetObject((PyObject *)Py_TYPE(e), e);
        Py_DECREF(e);
        return NULL;
    }
    if (err->code == NK_E_NOMEM && !err->msg[0])
        return PyErr_NoMemory();
    PyObject *text = err->hint[0]
                         ? PyUnicode_FromFormat("%s\n%s", err->msg, err->hint)
                         : PyUnicode_DecodeUTF8(err->msg, (Py_ssize_t)strlen(err->msg), "replace");
    PyObject *e = text ? PyObject_CallOneArg(error_type, text) : NULL;
    PyObject *code = e ? PyUnicode_FromString(nk_code_name(err->code)) : NULL;
    if (code && PyObject_SetAttrString(e, "code", code) == 0)
        PyErr_SetObject(error_type, e);
    Py_XDECREF(text);
    Py_XDECREF(e);
    Py_XDECREF(code);
    return NULL;
}

static PyObject *done(core *c, nk_code rc, const nk_err *err)
{
    if (rc != NK_OK)
        return raise_error(c, err);
    Py_CLEAR(c->raised); /* of an attempt that was made again */
    Py_RETURN_NONE;
}

/* ---- row functions ---- */

/* Keeps the exception for the caller of the session; with Python's lock. */
static nk_code keep_exception(core *c, nk_err *err)
{
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    PyErr_NormalizeException(&type, &value, &tb);
    if (value && tb)
        PyException_SetTraceback(value, tb);
    if (value && !c->raised)
        c->raised = Py_NewRef(value);
    nk_code rc = nk_fail(err, NK_E_CANCELLED, "%s",
                         type ? ((PyTypeObject *)type)->tp_name : "the row function failed");
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(tb);
    return rc;
}

/* Calls the function with the batch as a list of dicts; a list of n results, or NULL. */
static PyObject *call_batch(const callable *f, const nk_vec *row, size_t n)
{
    PyObject *rows = PyList_New((Py_ssize_t)n), *out = NULL;
    for (size_t i = 0; rows && i < n; i++) {
        PyObject *r = nk_py_value(row, row->type, i);
        if (r)
            PyList_SET_ITEM(rows, (Py_ssize_t)i, r);
        else
            Py_CLEAR(rows);
    }
    if (rows)
        out = PyObject_CallOneArg(f->function, rows);
    Py_XDECREF(rows);
    if (out && (!PyList_Check(out) || PyList_GET_SIZE(out) != (Py_ssize_t)n)) {
        PyErr_Format(PyExc_TypeError, "a row function gives a list of %zu results for %zu rows", n,
                     n);
        Py_CLEAR(out);
    }
    return out;
}

static nk_code call_bools(void *arg, const nk_vec *row, size_t n, bool *out, nk_err *err)
{
    callable *f = arg;
    PyGILState_STATE gil = PyGILState_Ensure();
    nk_code rc = NK_OK;
    in_row_function++;
    PyObject *l = call_batch(f, row, n);
    for (size_t i = 0; l && i < n; i++) {
        int yes = PyObject_IsTrue(PyList_GET_ITEM(l, (Py_ssize_t)i));
        if (yes < 0)
            Py_CLEAR(l);
        else
            out[i] = yes;
    }
    if (!l)
        rc = keep_exception(f->core, err);
    Py_XDECREF(l);
    in_row_function--;
    PyGILState_Release(gil);
    return rc;
}

static nk_code call_texts(void *arg, const nk_vec *row, size_t n, nk_texts_out *out, nk_err *err)
{
    callable *f = arg;
    PyGILState_STATE gil = PyGILState_Ensure();
    nk_code rc = NK_OK;
    nk_buf b;
    nk_buf_init(&b, JSON_MAX);
    in_row_function++;
    PyObject *l = call_batch(f, row, n);
    for (size_t i = 0; l && i < n; i++) {
        PyObject *x = PyList_GET_ITEM(l, (Py_ssize_t)i);
        nk_buf_clear(&b);
        if (x != Py_None && nk_py_json(x, row->type, &b))
            Py_CLEAR(l);
        else if (b.failed) {
            PyErr_Format(PyExc_ValueError, "a record is larger than %zu MiB", JSON_MAX >> 20);
            Py_CLEAR(l);
        } else
            nk_texts_out_add(out, x == Py_None ? NK_STR_NULL : nk_buf_view(&b));
    }
    if (!l)
        rc = keep_exception(f->core, err);
    Py_XDECREF(l);
    nk_buf_free(&b);
    in_row_function--;
    PyGILState_Release(gil);
    return rc;
}

/* ---- streams out ---- */

/* The engine's stream, taken under the session's lock; keeps the session alive. */
typedef struct out_stream {
    struct ArrowArrayStream inner;
    core *core;
} out_stream;

/* Whoever reads a stream may hold Python's lock or not. */
static PyThreadState *enter_any(core *c)
{
    PyThreadState *ts = PyGILState_Check() ? PyEval_SaveThread() : NULL;
    pthread_mutex_lock(&c->lock);
    return ts;
}

static void leave_any(core *c, PyThreadState *ts)
{
    pthread_mutex_unlock(&c->lock);
    if (ts)
        PyEval_RestoreThread(ts);
}

static int out_schema(struct ArrowArrayStream *st, struct ArrowSchema *out)
{
    out_stream *s = st->private_data;
    PyThreadState *ts = enter_any(s->core);
    int rc = s->inner.get_schema(&s->inner, out);
    leave_any(s->core, ts);
    return rc;
}

static int out_next(struct ArrowArrayStream *st, struct ArrowArray *out)
{
    out_stream *s = st->private_data;
    PyThreadState *ts = enter_any(s->core);
    int rc = s->inner.get_next(&s->inner, out);
    leave_any(s->core, ts);
    return rc;
}

static const char *out_error(struct ArrowArrayStream *st)
{
    out_stream *s = st->private_data;
    return s->inner.get_last_error(&s->inner);
}

static void out_release(struct ArrowArrayStream *st)
{
    out_stream *s = st->private_data;
    PyThreadState *ts = enter_any(s->core);
    s->inner.release(&s->inner);
    leave_any(s->core, ts);
    core_release(s->core);
    nk_free(s);
    st->release = NULL;
}

static void free_stream(PyObject *capsule)
{
    struct ArrowArrayStream *s = PyCapsule_GetPointer(capsule, "arrow_array_stream");
    if (s && s->release)
        s->release(s);
    nk_free(s);
}

/* What Node.arrow() gives: an object that can be read as a stream, once. */
typedef struct py_rows {
    PyObject_HEAD PyObject *capsule;
} py_rows;

static void rows_dealloc(py_rows *self)
{
    Py_XDECREF(self->capsule);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *rows_stream(py_rows *self, PyObject *args, PyObject *kw)
{
    PyObject *out = self->capsule;
    self->capsule = NULL;
    if (!out)
        PyErr_SetString(PyExc_RuntimeError, "these rows were taken before: ask the node again");
    return out;
}

static PyMethodDef rows_methods[] = {
    {"__arrow_c_stream__", (PyCFunction)(void (*)(void))rows_stream, METH_VARARGS | METH_KEYWORDS,
     "The rows as an Arrow C stream; once."},
    {NULL}};

static PyTypeObject rows_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "_nikawa.Rows",
                                 .tp_basicsize = sizeof(py_rows),
                                 .tp_dealloc = (destructor)rows_dealloc,
                                 .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                 .tp_methods = rows_methods,
                                 .tp_doc = "Rows that leave the engine as Arrow batches."};

/* ---- Node ---- */

static PyObject *node_schema(py_node *self, PyObject *unused)
{
    nk_err err = NK_ERR_INIT;
    const nk_type *t = NULL;
    nk_buf b;
    if (!may_call())
        return NULL;
    nk_buf_init(&b, JSON_MAX);
    PyThreadState *ts = enter(self->core);
    nk_code rc = nk_session_schema(self->core->session, self->node, &t, &err);
    if (rc == NK_OK) {
        nk_json_writer w = {.buf = &b};
        nk_py_type(t, &w);
        rc = nk_buf_check(&b, &err);
    }
    leave(self->core, ts);
    PyObject *ok = done(self->core, rc, &err), *out = NULL;
    if (ok)
        out = PyUnicode_FromStringAndSize(b.p, (Py_ssize_t)b.n);
    Py_XDECREF(ok);
    nk_buf_free(&b);
    return out;
}

static PyObject *node_count(py_node *self, PyObject *unused)
{
    nk_err err = NK_ERR_INIT;
    int64_t n = 0;
    if (!may_call())
        return NULL;
    PyThreadState *ts = enter(self->core);
    nk_code rc = nk_session_count(self->core->session, self->node, &n, &err);
    leave(self->core, ts);
    PyObject *ok = done(self->core, rc, &err);
    if (!ok)
        return NULL;
    Py_DECREF(ok);
    return PyLong_FromLongLong(n);
}

/* One row of a result as a dict; its fields by the plan's type where it has them. */
static PyObject *row_of(const nk_vec *columns, const nk_type *type, const nk_type *plan, size_t i)
{
    nk_vec row = {.type = type, .children = (nk_vec *)columns, .nchildren = type->nfields};
    return nk_py_value(&row, plan && plan->nfields == type->nfields ? plan : type, i);
}

static int add_rows(PyObject *list, nk_result *r, const nk_type *plan, const nk_vec *columns,
                    size_t n)
{
    for (size_t i = 0; i < n; i++) {
        PyObject *row = row_of(columns, nk_result_type(r), plan, i);
        int rc = row ? PyList_Append(list, row) : -1;
        Py_XDECREF(row);
        if (rc)
            return -1;
    }
    return 0;
}

static PyObject *node_fetch(py_node *self, PyObject *arg)
{
    nk_err err = NK_ERR_INIT;
    nk_result *r = NULL;
    const nk_type *plan = NULL;
    const nk_vec *columns;
    size_t n = 0;
    long long limit = arg == Py_None ? -1 : PyLong_AsLongLong(arg);
    if (PyErr_Occurred() || !may_call())
        return NULL;
    PyObject *list = PyList_New(0);
    if (!list)
        return NULL;
    PyThreadState *ts = enter(self->core);
    nk_code rc = nk_session_rows(self->core->session, self->node, limit, &r, &plan, &err);
    while (rc == NK_OK && (rc = nk_result_next(r, &columns, &n, &err)) == NK_OK && n) {
        PyEval_RestoreThread(ts);
        int bad = add_rows(list, r, plan, columns, n);
        ts = PyEval_SaveThread();
        if (bad) {
            rc = NK_E_INVALID;
            break;
        }
    }
    nk_result_close(r);
    leave(self->core, ts);
    if (PyErr_Occurred()) {
        Py_DECREF(list);
        return NULL;
    }
    PyObject *ok = done(self->core, rc, &err);
    Py_XDECREF(ok);
    if (!ok)
        Py_CLEAR(list);
    return list;
}

static PyObject *node_arrow(py_node *self, PyObject *unused)
{
    nk_err err = NK_ERR_INIT;
    if (!may_call())
        return NULL;
    out_stream *s = nk_calloc(1, sizeof(*s));
    struct ArrowArrayStream *st = nk_calloc(1, sizeof(*st));
    py_rows *rows = PyObject_New(py_rows, &rows_type);
    if (rows)
        rows->capsule = NULL;
    if (!s || !st || !rows) {
        nk_free(s);
        nk_free(st);
        Py_XDECREF(rows);
        return PyErr_NoMemory();
    }
    PyThreadState *ts = enter(self->core);
    nk_code rc = nk_session_arrow(self->core->session, self->node, &s->inner, &err);
    leave(self->core, ts);
    PyObject *ok = done(self->core, rc, &err);
    if (!ok) {
        nk_free(s);
        nk_free(st);
        Py_DECREF(rows);
        return NULL;
    }
    Py_DECREF(ok);
    s->core = self->core;
    atomic_fetch_add(&s->core->refs, 1);
    *st = (struct ArrowArrayStream){out_schema, out_next, out_error, out_release, s};
    rows->capsule = PyCapsule_New(st, "arrow_array_stream", free_stream);
    if (!rows->capsule) {
        st->release(st);
        nk_free(st);
        Py_CLEAR(rows);
    }
    return (PyObject *)rows;
}

/* Calls that answer with text: run() and sql(). */
static PyObject *text_of(core *c, nk_code rc, const nk_err *err, nk_buf *b)
{
    PyObject *ok = done(c, rc, err);
    PyObject *out = ok ? PyUnicode_DecodeUTF8(b->p ? b->p : "", (Py_ssize_t)b->n, "replace") : NULL;
    Py_XDECREF(ok);
    nk_buf_free(b);
    return out;
}

static PyObject *node_run(py_node *self, PyObject *unused)
{
    nk_err err = NK_ERR_INIT;
    nk_buf b;
    if (!may_call())
        return NULL;
    nk_buf_init(&b, JSON_MAX);
    PyThreadState *ts = enter(self->core);
    nk_code rc = nk_session_run(self->core->session, self->node, &b, &err);
    if (rc == NK_OK)
        rc = nk_buf_check(&b, &err);
    leave(self->core, ts);
    return text_of(self->core, rc, &err, &b);
}

static PyObject *node_sql(py_node *self, PyObject *args)
{
    nk_err err = NK_ERR_INIT;
    const char *dialect = "duckdb";
    nk_buf b;
    if (!PyArg_ParseTuple(args, "|s:sql", &dialect) || !may_call())
        return NULL;
    nk_buf_init(&b, JSON_MAX);
    PyThreadState *ts = enter(self->core);
    nk_code rc = nk_session_sql(self->core->session, self->node, nk_str_c(dialect), &b, &err);
    if (rc == NK_OK)
        rc = nk_buf_check(&b, &err);
    leave(self->core, ts);
    return text_of(self->core, rc, &err, &b);
}

static void node_dealloc(py_node *self)
{
    core_release(self->core);
    Py_XDECREF(self->session);
    Py_TYPE(self)->tp_free(self);
}

static PyMethodDef node_methods[] = {
    {"schema", (PyCFunction)node_schema, METH_NOARGS,
     "The rows' type as JSON; looks at all data once."},
    {"count", (PyCFunction)node_count, METH_NOARGS, "How many rows there are."},
    {"fetch", (PyCFunction)node_fetch, METH_O, "fetch(limit): rows as a list of dicts; None: all."},
    {"arrow", (PyCFunction)node_arrow, METH_NOARGS,
     "The rows as an object with __arrow_c_stream__."},
    {"run", (PyCFunction)node_run, METH_NOARGS, "Runs a target; what was written, as JSON."},
    {"sql", (PyCFunction)node_sql, METH_VARARGS,
     "sql(dialect='duckdb'): the statement the rows come from."},
    {NULL}};

static PyTypeObject node_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "_nikawa.Node",
                                 .tp_basicsize = sizeof(py_node),
                                 .tp_dealloc = (destructor)node_dealloc,
                                 .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                 .tp_methods = node_methods,
                                 .tp_doc = "A step of the run's plan."};

/* ---- Session ---- */

static PyObject *session_new(PyTypeObject *type, PyObject *args, PyObject *kw)
{
    static char settings_name[] = "settings";
    static char *names[] = {settings_name, NULL};
    nk_err err = NK_ERR_INIT;
    const char *settings = "{}";
    Py_ssize_t n = 2;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|s#:Session", names, &settings, &n))
        return NULL;
    py_session *self = (py_session *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    self->callables = PyList_New(0);
    self->core = self->callables ? nk_calloc(1, sizeof(core)) : NULL;
    if (!self->core) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    atomic_init(&self->core->refs, 1);
    pthread_mutex_init(&self->core->lock, NULL);
    if (nk_session_open(nk_str_n(settings, (size_t)n), &self->core->session, &err) != NK_OK) {
        raise_error(NULL, &err);
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void session_dealloc(py_session *self)
{
    core_release(self->core);
    Py_XDECREF(self->callables);
    Py_TYPE(self)->tp_free(self);
}

/* The nodes of a list, which must be of this session; NULL with an exception set. */
static const nk_node **inputs_of(py_session *self, PyObject *list, size_t *n)
{
    PyObject *items = PySequence_Fast(list, "inputs must be a list of nodes");
    if (!items)
        return NULL;
    *n = (size_t)PySequence_Fast_GET_SIZE(items);
    const nk_node **out = nk_calloc(*n + 1, sizeof(*out));
    if (!out)
        PyErr_NoMemory();
    for (size_t i = 0; out && i < *n; i++) {
        PyObject *x = PySequence_Fast_GET_ITEM(items, (Py_ssize_t)i);
        if (!PyObject_TypeCheck(x, &node_type) || ((py_node *)x)->core != self->core) {
            PyErr_SetString(PyExc_TypeError, "inputs must be nodes of this session");
            nk_free((void *)out);
            out = NULL;
        } else
            out[i] = ((py_node *)x)->node;
    }
    Py_DECREF(items);
    return out;
}

static PyObject *session_node(py_session *self, PyObject *args)
{
    nk_err err = NK_ERR_INIT;
    const char *kind, *name, *options;
    Py_ssize_t nkind, nname, noptions;
    PyObject *list;
    size_t n = 0;
    const nk_node *node = NULL;
    if (!PyArg_ParseTuple(args, "s#s#s#O:node", &kind, &nkind, &name, &nname, &options, &noptions,
                          &list) ||
        !may_call())
        return NULL;
    const nk_node **inputs = inputs_of(self, list, &n);
    if (!inputs)
        return NULL;
    PyThreadState *ts = enter(self->core);
    nk_code rc = nk_plan_node(nk_session_plan(self->core->session), nk_str_n(kind, (size_t)nkind),
                              nk_str_n(name, (size_t)nname), nk_str_n(options, (size_t)noptions),
                              inputs, n, &node, &err);
    leave(self->core, ts);
    nk_free((void *)inputs);
    if (rc != NK_OK)
        return raise_error(self->core, &err);
    py_node *out = PyObject_New(py_node, &node_type);
    if (!out)
        return NULL;
    out->core = self->core;
    atomic_fetch_add(&out->core->refs, 1);
    out->node = node;
    out->session = Py_NewRef(self);
    return (PyObject *)out;
}

static void free_callable(PyObject *capsule)
{
    callable *c = PyCapsule_GetPointer(capsule, "_nikawa.callable");
    if (c)
        Py_DECREF(c->function);
    nk_free(c);
}

static PyObject *session_callable(py_session *self, PyObject *function)
{
    nk_err err = NK_ERR_INIT;
    int64_t number = 0;
    if (!PyCallable_Check(function))
        return PyErr_Format(PyExc_TypeError, "a function is wanted, not %s",
                            Py_TYPE(function)->tp_name);
    callable *c = nk_calloc(1, sizeof(*c));
    if (!c)
        return PyErr_NoMemory();
    *c = (callable){self->core, Py_NewRef(function)};
    PyObject *capsule = PyCapsule_New(c, "_nikawa.callable", free_callable);
    if (!capsule) {
        Py_DECREF(function);
        nk_free(c);
        return NULL;
    }
    int bad = PyList_Append(self->callables, capsule);
    Py_DECREF(capsule);
    if (bad || !may_call())
        return NULL;
    PyThreadState *ts = enter(self->core);
    nk_code rc = nk_session_callable(self->core->session, call_bools, call_texts, c, &number, &err);
    leave(self->core, ts);
    return rc == NK_OK ? PyLong_FromLongLong(number) : raise_error(self->core, &err);
}

static PyObject *session_arrow(py_session *self, PyObject *source)
{
    nk_err err = NK_ERR_INIT;
    int64_t number = 0;
    if (!may_call())
        return NULL;
    PyObject *capsule = PyObject_CallMethod(source, "__arrow_c_stream__", NULL);
    struct ArrowArrayStream *st =
        capsule ? PyCapsule_GetPointer(capsule, "arrow_array_stream") : NULL;
    if (!st) {
        Py_XDECREF(capsule);
        return NULL;
    }
    PyThreadState *ts = enter(self->core);
    nk_code rc = nk_session_arrow_in(self->core->session, st, &number, &err);
    leave(self->core, ts);
    Py_DECREF(capsule);
    return rc == NK_OK ? PyLong_FromLongLong(number) : raise_error(self->core, &err);
}

static PyObject *session_interrupt(py_session *self, PyObject *unused)
{
    nk_session_interrupt(self->core->session);
    Py_RETURN_NONE;
}

static PyMethodDef session_methods[] = {
    {"node", (PyCFunction)session_node, METH_VARARGS,
     "node(kind, name, options, inputs): adds a step to the plan. options: JSON text."},
    {"callable", (PyCFunction)session_callable, METH_O,
     "callable(function): a number for a PyFilter's or PyMap's options. The function takes a list "
     "of dicts and "
     "gives a list as long: truth values, or dicts and None."},
    {"arrow", (PyCFunction)session_arrow, METH_O,
     "arrow(source): a number for an ArrowSource's options. source has __arrow_c_stream__; it is "
     "read when its rows "
     "are first wanted."},
    {"interrupt", (PyCFunction)session_interrupt, METH_NOARGS,
     "Ends what runs, from another thread."},
    {NULL}};

static PyTypeObject session_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "_nikawa.Session",
    .tp_basicsize = sizeof(py_session),
    .tp_new = session_new,
    .tp_dealloc = (destructor)session_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_methods = session_methods,
    .tp_doc = "Session(settings='{}'): one run's plan, engine, lake and catalogue."};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "_nikawa",
                                    .m_doc = "Nikawa's native engine, for the awsglue package.",
                                    .m_size = -1};

PyMODINIT_FUNC PyInit__nikawa(void);
PyMODINIT_FUNC PyInit__nikawa(void)
{
    if (nk_py_values_init() || PyType_Ready(&session_type) || PyType_Ready(&node_type) ||
        PyType_Ready(&rows_type))
        return NULL;
    PyObject *m = PyModule_Create(&module);
    if (!m)
        return NULL;
    error_type = PyErr_NewExceptionWithDoc(
        "_nikawa.Error",
        "What the engine refused or could not do. code: its name, as NK_E_NOT_FOUND.",
        PyExc_RuntimeError, NULL);
    if (!error_type || PyModule_AddObjectRef(m, "Error", error_type) ||
        PyModule_AddObjectRef(m, "Session", (PyObject *)&session_type) ||
        PyModule_AddObjectRef(m, "Node", (PyObject *)&node_type)) {
        Py_DECREF(m);
        return NULL;
    }
    return m;
}
