/* Values between the engine's vectors, Python and JSON. */
#include "ext.h"

#include <datetime.h>
#include <math.h>

static PyObject *decimal_type; /* decimal.Decimal; kept for the life of the process */

int nk_py_values_init(void)
{
    PyDateTime_IMPORT;
    if (!PyDateTimeAPI)
        return -1;
    PyObject *m = PyImport_ImportModule("decimal");
    if (!m)
        return -1;
    decimal_type = PyObject_GetAttrString(m, "Decimal");
    Py_DECREF(m);
    return decimal_type ? 0 : -1;
}

/* ---- vectors into Python ---- */

static PyObject *date_value(int64_t days)
{
    if (days < -719162 || days > 2932896) /* years 1 to 9999, which is all that Python has */
        return PyErr_Format(PyExc_OverflowError,
                            "a date %lld days from 1970 lies outside of Python's years 1 to 9999",
                            (long long)days);
    nk_civil c = nk_civil_from_us(days * 86400000000LL);
    return PyDate_FromDate(c.year, c.month, c.day);
}

static PyObject *timestamp_value(int64_t us)
{
    if (us < -62135596800000000LL || us > 253402300799999999LL)
        return PyErr_Format(
            PyExc_OverflowError,
            "a timestamp %lld microseconds from 1970 lies outside of Python's years 1 to 9999",
            (long long)us);
    nk_civil c = nk_civil_from_us(us);
    return PyDateTime_FromDateAndTime(c.year, c.month, c.day, c.hour, c.minute, c.second, c.usec);
}

static PyObject *decimal_value(const nk_vec *v, size_t i)
{
    __int128 x = nk_vec_decimal(v, i);
    bool minus = x < 0;
    unsigned __int128 u = minus ? -(unsigned __int128)x : (unsigned __int128)x;
    char text[64], *p = text + sizeof(text);
    int scale = v->type->scale, digits = 0;
    *--p = 0;
    do {
        if (digits == scale && scale)
            *--p = '.';
        *--p = (char)('0' + (int)(u % 10));
        u /= 10;
        digits++;
    } while (u || digits <= scale);
    if (minus)
        *--p = '-';
    return PyObject_CallFunction(decimal_type, "s", p);
}

static PyObject *struct_value(const nk_vec *v, const nk_type *t, size_t i)
{
    PyObject *d = PyDict_New();
    for (size_t k = 0; d && k < v->nchildren; k++) {
        nk_str name = v->type->fields[k].name;
        const nk_type *ft = k < t->nfields ? t->fields[k].type : v->type->fields[k].type;
        PyObject *key = PyUnicode_FromStringAndSize(name.p, (Py_ssize_t)name.n);
        PyObject *x = key ? nk_py_value(&v->children[k], ft, i) : NULL;
        if (!x || PyDict_SetItem(d, key, x))
            Py_CLEAR(d);
        Py_XDECREF(key);
        Py_XDECREF(x);
    }
    return d;
}

static PyObject *choice_value(const nk_vec *v, const nk_type *t, size_t i)
{
    for (size_t k = 0; k < v->nchildren && k < t->nfields; k++)
        if (nk_vec_valid(&v->children[k], i))
            return nk_py_value(&v->children[k], t->fields[k].type, i);
    Py_RETURN_NONE;
}

static PyObject *list_value(const nk_vec *v, const nk_type *t, size_t i)
{
    nk_list_entry e = ((const nk_list_entry *)v->data)[i];
    PyObject *l = PyList_New((Py_ssize_t)e.length);
    for (uint64_t k = 0; l && k < e.length; k++) {
        PyObject *x = nk_py_value(v->children, t->elem ? t->elem : v->type->elem, e.offset + k);
        if (x)
            PyList_SET_ITEM(l, (Py_ssize_t)k, x);
        else
            Py_CLEAR(l);
    }
    return l;
}

static PyObject *map_value(const nk_vec *v, const nk_type *t, size_t i)
{
    nk_list_entry e = ((const nk_list_entry *)v->data)[i];
    PyObject *d = PyDict_New();
    for (uint64_t k = 0; d && k < e.length; k++) {
        PyObject *key = nk_py_value(&v->children[0], v->type->key, e.offset + k);
        PyObject *x =
            key ? nk_py_value(&v->children[1], t->elem ? t->elem : v->type->elem, e.offset + k)
                : NULL;
        if (!x || PyDict_SetItem(d, key, x))
            Py_CLEAR(d);
        Py_XDECREF(key);
        Py_XDECREF(x);
    }
    return d;
}

PyObject *nk_py_value(const nk_vec *v, const nk_type *t, size_t i)
{
    nk_str s;
    if (!nk_vec_valid(v, i))
        Py_RETURN_NONE;
    switch (v->type->kind) {
    case NK_T_BOOLEAN:
        return PyBool_FromLong(((const bool *)v->data)[i]);
    case NK_T_BYTE:
        return PyLong_FromLong(((const int8_t *)v->data)[i]);
    case NK_T_SHORT:
        return PyLong_FromLong(((const int16_t *)v->data)[i]);
    case NK_T_INT:
        return PyLong_FromLong(((const int32_t *)v->data)[i]);
    case NK_T_LONG:
        return PyLong_FromLongLong(((const int64_t *)v->data)[i]);
    case NK_T_FLOAT:
        return PyFloat_FromDouble(((const float *)v->data)[i]);
    case NK_T_DOUBLE:
        return PyFloat_FromDouble(((const double *)v->data)[i]);
    case NK_T_DECIMAL:
        return decimal_value(v, i);
    case NK_T_STRING:
    case NK_T_CHAR:
    case NK_T_VARCHAR:
        s = nk_vec_str(v, i);
        return PyUnicode_DecodeUTF8(s.p, (Py_ssize_t)s.n, "replace");
    case NK_T_BINARY:
        s = nk_vec_str(v, i);
        return PyBytes_FromStringAndSize(s.p, (Py_ssize_t)s.n);
    case NK_T_DATE:
        return date_value(((const int32_t *)v->data)[i]);
    case NK_T_TIMESTAMP:
        return timestamp_value(((const int64_t *)v->data)[i]);
    case NK_T_ARRAY:
        return list_value(v, t, i);
    case NK_T_MAP:
        return map_value(v, t, i);
    case NK_T_STRUCT:
    case NK_T_CHOICE:
        return t->kind == NK_T_CHOICE ? choice_value(v, t, i) : struct_value(v, t, i);
    case NK_T_NULL:
        break;
    }
    Py_RETURN_NONE;
}

/* ---- Python into JSON ---- */

static int put_text(PyObject *u, nk_buf *out)
{
    Py_ssize_t n;
    const char *p = PyUnicode_AsUTF8AndSize(u, &n);
    if (!p)
        return -1;
    nk_json_writer w = {.buf = out};
    nk_jw_str(&w, nk_str_n(p, (size_t)n));
    return 0;
}

static int put_str_of(PyObject *value, bool quoted, nk_buf *out)
{
    PyObject *s = PyObject_Str(value);
    if (!s)
        return -1;
    int rc = 0;
    if (quoted) {
        rc = put_text(s, out);
    } else {
        Py_ssize_t n;
        const char *p = PyUnicode_AsUTF8AndSize(s, &n);
        rc = p ? 0 : -1;
        if (p)
            (void)nk_buf_add(out, p, (size_t)n);
    }
    Py_DECREF(s);
    return rc;
}

static void put_double(double d, nk_buf *out)
{
    nk_json_writer w = {.buf = out};
    if (isnan(d))
        (void)nk_buf_puts(out, "NaN");
    else if (isinf(d))
        (void)nk_buf_puts(out, d > 0 ? "Infinity" : "-Infinity");
    else {
        size_t from = out->n;
        nk_jw_f64(&w, d);
        /* 2.0 stays a double: without a mark it would be read back as an integer */
        if (!out->failed && !memchr(out->p + from, '.', out->n - from) &&
            !memchr(out->p + from, 'e', out->n - from))
            (void)nk_buf_puts(out, ".0");
    }
}

static int put_decimal(PyObject *value, const nk_type *hint, nk_buf *out)
{
    PyObject *finite = PyObject_CallMethod(value, "is_finite", NULL);
    int yes = finite ? PyObject_IsTrue(finite) : -1;
    Py_XDECREF(finite);
    if (yes < 0)
        return -1;
    if (!yes) {
        PyErr_Format(PyExc_ValueError, "a record cannot hold the decimal %S", value);
        return -1;
    }
    PyObject *plain = PyObject_CallMethod(value, "__format__", "s", "f"); /* no exponent */
    if (!plain)
        return -1;
    int rc = put_str_of(plain, hint && hint->kind == NK_T_DECIMAL, out);
    Py_DECREF(plain);
    return rc;
}

static int put_key(PyObject *key, nk_buf *out)
{
    if (PyUnicode_Check(key))
        return put_text(key, out);
    if (PyLong_Check(key) || PyFloat_Check(key) || PyDate_Check(key) ||
        PyObject_IsInstance(key, decimal_type) == 1)
        return put_str_of(key, true, out);
    PyErr_Format(PyExc_TypeError, "a record's keys are texts, not %s", Py_TYPE(key)->tp_name);
    return -1;
}

static int put_dict(PyObject *value, const nk_type *hint, nk_buf *out)
{
    PyObject *k, *x;
    Py_ssize_t pos = 0;
    bool first = true;
    (void)nk_buf_putc(out, '{');
    while (PyDict_Next(value, &pos, &k, &x)) {
        const nk_type *h = NULL;
        Py_ssize_t n;
        const char *p = PyUnicode_Check(k) ? PyUnicode_AsUTF8AndSize(k, &n) : NULL;
        if (PyErr_Occurred())
            return -1;
        if (hint && hint->kind == NK_T_STRUCT && p) {
            const nk_field *f = nk_type_field(hint, nk_str_n(p, (size_t)n));
            h = f ? f->type : NULL;
        } else if (hint && hint->kind == NK_T_MAP) {
            h = hint->elem;
        }
        if (!first)
            (void)nk_buf_putc(out, ',');
        first = false;
        if (put_key(k, out))
            return -1;
        (void)nk_buf_putc(out, ':');
        if (nk_py_json(x, h, out))
            return -1;
    }
    (void)nk_buf_putc(out, '}');
    return 0;
}

static int put_list(PyObject *value, const nk_type *hint, nk_buf *out)
{
    PyObject *items = PySequence_Fast(value, "a list");
    if (!items)
        return -1;
    int rc = 0;
    (void)nk_buf_putc(out, '[');
    for (Py_ssize_t i = 0; rc == 0 && i < PySequence_Fast_GET_SIZE(items); i++) {
        if (i)
            (void)nk_buf_putc(out, ',');
        rc = nk_py_json(PySequence_Fast_GET_ITEM(items, i),
                        hint && hint->kind == NK_T_ARRAY ? hint->elem : NULL, out);
    }
    (void)nk_buf_putc(out, ']');
    Py_DECREF(items);
    return rc;
}

static int put_bytes(PyObject *value, nk_buf *out)
{
    Py_buffer view;
    if (PyObject_GetBuffer(value, &view, PyBUF_SIMPLE))
        return -1;
    PyObject *text = PyUnicode_DecodeUTF8(view.buf, view.len, "strict");
    PyBuffer_Release(&view);
    if (!text)
        return -1;
    int rc = put_text(text, out);
    Py_DECREF(text);
    return rc;
}

/* Numpy's scalars and the like: what they are in Python. */
static int put_item(PyObject *value, const nk_type *hint, nk_buf *out)
{
    PyObject *item =
        PyObject_HasAttrString(value, "item") ? PyObject_CallMethod(value, "item", NULL) : NULL;
    if (!item || Py_TYPE(item) == Py_TYPE(value)) {
        Py_XDECREF(item);
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_TypeError, "a record cannot hold a %s", Py_TYPE(value)->tp_name);
        return -1;
    }
    int rc = nk_py_json(item, hint, out);
    Py_DECREF(item);
    return rc;
}

static int put_datetime(PyObject *value, nk_buf *out)
{
    PyObject *utc = value;
    Py_INCREF(utc);
    if (((PyDateTime_DateTime *)value)->hastzinfo) { /* a point in time: kept as such */
        Py_DECREF(utc);
        utc = PyObject_CallMethod(value, "astimezone", "O", PyDateTime_TimeZone_UTC);
        if (!utc)
            return -1;
    }
    (void)nk_buf_printf(out, "\"%04d-%02d-%02d %02d:%02d:%02d.%06d\"", PyDateTime_GET_YEAR(utc),
                        PyDateTime_GET_MONTH(utc), PyDateTime_GET_DAY(utc),
                        PyDateTime_DATE_GET_HOUR(utc), PyDateTime_DATE_GET_MINUTE(utc),
                        PyDateTime_DATE_GET_SECOND(utc), PyDateTime_DATE_GET_MICROSECOND(utc));
    Py_DECREF(utc);
    return 0;
}

int nk_py_json(PyObject *value, const nk_type *hint, nk_buf *out)
{
    int rc = 0;
    if (value == Py_None)
        return (void)nk_buf_puts(out, "null"), 0;
    if (PyBool_Check(value))
        return (void)nk_buf_puts(out, value == Py_True ? "true" : "false"), 0;
    if (PyUnicode_Check(value))
        return put_text(value, out);
    if (PyLong_Check(value)) {
        PyObject *n = PyNumber_Index(value);
        rc = n ? put_str_of(n, false, out) : -1;
        Py_XDECREF(n);
        return rc;
    }
    if (PyFloat_Check(value))
        return put_double(PyFloat_AS_DOUBLE(value), out), 0;
    if (Py_EnterRecursiveCall(" while writing a record"))
        return -1;
    if (PyDict_Check(value))
        rc = put_dict(value, hint, out);
    else if (PyList_Check(value) || PyTuple_Check(value) || PyAnySet_Check(value))
        rc = put_list(value, hint, out);
    else if (PyDateTime_Check(value))
        rc = put_datetime(value, out);
    else if (PyDate_Check(value))
        rc = put_str_of(value, true, out);
    else if (PyBytes_Check(value) || PyByteArray_Check(value))
        rc = put_bytes(value, out);
    else if (PyObject_IsInstance(value, decimal_type) == 1)
        rc = put_decimal(value, hint, out);
    else
        rc = put_item(value, hint, out);
    Py_LeaveRecursiveCall();
    return rc;
}

/* ---- types ---- */

void nk_py_type(const nk_type *t, nk_json_writer *w)
{
    nk_jw_object(w);
    nk_jw_kcstr(w, "type", nk_type_glue_name(t));
    switch (t->kind) {
    case NK_T_STRUCT:
    case NK_T_CHOICE:
        nk_jw_key(w, nk_str_c(t->kind == NK_T_STRUCT ? "fields" : "alternatives"));
        nk_jw_array(w);
        for (size_t i = 0; i < t->nfields; i++) {
            if (t->kind == NK_T_CHOICE) {
                nk_py_type(t->fields[i].type, w);
                continue;
            }
            nk_jw_object(w);
            nk_jw_kstr(w, "name", t->fields[i].name);
            nk_jw_key(w, NK_STR("type"));
            nk_py_type(t->fields[i].type, w);
            nk_jw_object_end(w);
        }
        nk_jw_array_end(w);
        break;
    case NK_T_ARRAY:
    case NK_T_MAP:
        nk_jw_key(w, nk_str_c(t->kind == NK_T_ARRAY ? "element" : "value"));
        nk_py_type(t->elem, w);
        break;
    case NK_T_DECIMAL:
        nk_jw_ki64(w, "precision", t->precision);
        nk_jw_ki64(w, "scale", t->scale);
        break;
    default:
        break;
    }
    nk_jw_object_end(w);
}
