/* Errors: a code that must be looked at, and a caller-owned explanation. */
#ifndef NK_ERR_H
#define NK_ERR_H

#include <stdarg.h>
#include <stddef.h>

typedef enum {
    NK_OK = 0,
#define NK_ERR(code, aws, status) code,
#include "base/errors.def"
#undef NK_ERR
    NK_CODE_COUNT
} nk_code_value;

/* Every fallible function returns one; the compiler insists that it is looked at (GCC and clang
 * warn per function, so declare such functions with NK_MUST). */
typedef nk_code_value nk_code;
#define NK_MUST __attribute__((warn_unused_result))

#define NK_ERR_MSG_MAX  2048
#define NK_ERR_HINT_MAX 512

/* Owned by the caller, usually on its stack; may be NULL everywhere. */
typedef struct nk_err {
    nk_code code;
    char aws[64]; /* overrides the exception name of the code when not empty */
    char msg[NK_ERR_MSG_MAX];
    char hint[NK_ERR_HINT_MAX]; /* what to do next; may be empty */
} nk_err;

#define NK_ERR_INIT                                                                                \
    {                                                                                              \
        .code = NK_OK                                                                              \
    }

/* Fills err (if not NULL) and returns code, so that `return nk_fail(err, NK_E_…, "…")` reads well.
 */
nk_code nk_fail(nk_err *err, nk_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
nk_code nk_vfail(nk_err *err, nk_code code, const char *fmt, va_list ap);
/* Adds a hint to an error already raised; returns its code. */
nk_code nk_hint(nk_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts "context: " before the message; returns the code. */
nk_code nk_wrap(nk_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* NK_E_FULL for ENOSPC, NK_E_NOMEM for ENOMEM, else NK_E_IO, with strerror. */
nk_code nk_fail_errno(nk_err *err, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The AWS exception name and HTTP status of a code (static). */
const char *nk_code_aws(nk_code code);
int nk_code_status(nk_code code);
/* "NK_E_NOT_FOUND" (static). */
const char *nk_code_name(nk_code code);

/* if (expr fails) return its code. */
#define NK_TRY(expr)                                                                               \
    do {                                                                                           \
        nk_code nk_try_rc_ = (expr);                                                               \
        if (nk_try_rc_ != NK_OK)                                                                   \
            return nk_try_rc_;                                                                     \
    } while (0)
/* if (expr fails) { rc = its code; goto label; } */
#define NK_TRY_GOTO(rc, expr, label)                                                               \
    do {                                                                                           \
        (rc) = (expr);                                                                             \
        if ((rc) != NK_OK)                                                                         \
            goto label;                                                                            \
    } while (0)

#endif
