/* Regular expressions of visual filters: Python's, since `re.match` in the script is what they
 * mean. */
#ifndef NK_PLAN_REGEX_H
#define NK_PLAN_REGEX_H

#include "base/base.h"

/* Writes into out (arena) a pattern of RE2's that matches somewhere in a text exactly when Python's
 * re.match of `pattern` does. NK_E_INVALID: Python does not take it either. NK_E_UNSUPPORTED: it
 * does, RE2 has nothing like it (a look-ahead, a back reference, \b …); the message names what. */
nk_code nk_regex_python(nk_str pattern, nk_arena *a, nk_str *out, nk_err *err) NK_MUST;

#endif
