/* _nikawa: the native engine's session as Python objects. What lies between its files. */
#ifndef NK_EXT_H
#define NK_EXT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "engine/session.h"

/* Once, at import. -1 with a Python exception set. */
int nk_py_values_init(void);

/* Row i of a vector as a Python object (new reference), NULL with an exception set. t: the plan's
 * type, in which a choice stands where the engine has a struct; the choice's value is given bare.
 * struct: dict; array: list; map: dict; decimal: Decimal; date: date; timestamp: naive datetime in
 * UTC; binary: bytes. */
PyObject *nk_py_value(const nk_vec *v, const nk_type *t, size_t i);

/* A record as the engine's JSON. hint: the type that the record had before, or NULL: a Decimal in a
 * decimal column goes as text, so that no digit is lost. -1 with an exception set. */
int nk_py_json(PyObject *value, const nk_type *hint, nk_buf *out);

/* The type as awsglue reads it: {"type":"struct","fields":[{"name":…,"type":{…}}]}, a choice as
 * {"type":"choice","alternatives":[…]}. */
void nk_py_type(const nk_type *t, nk_json_writer *w);

#endif
