/* Script generation: a visual job as an `awsglue` script that a person would have written and that
 * uses only AWS's public names, so that it runs on AWS Glue unchanged. */
#ifndef NK_CODEGEN_H
#define NK_CODEGEN_H

#include "plan/visual.h"

/* The script is Python 3, UTF-8, ends with a newline. */
nk_code nk_codegen_python(const nk_visual *v, nk_arena *a, nk_str *script, nk_err *err) NK_MUST;
/* From the document to the script in one go. */
nk_code nk_codegen_script(nk_str nodes_json, nk_arena *a, nk_str *script, nk_err *err) NK_MUST;

/* A Python string literal. */
void nk_py_str(nk_buf *b, nk_str s);
/* A Python literal of a JSON value. */
void nk_py_json(nk_buf *b, const nk_json *j);
/* Whether s can stand as a Python name. */
bool nk_py_is_name(nk_str s);

#endif
