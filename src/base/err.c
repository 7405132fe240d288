#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *aws;
    int status;
} rows[NK_CODE_COUNT] = {
    [NK_OK] = {"NK_OK", "", 200},
#define NK_ERR(code, aws, status) [code] = {#code, aws, status},
#include "base/errors.def"
#undef NK_ERR
};

static int known(nk_code code)
{
    return (unsigned)code < NK_CODE_COUNT;
}

const char *nk_code_aws(nk_code code)
{
    return rows[known(code) ? code : NK_E_INTERNAL].aws;
}

int nk_code_status(nk_code code)
{
    return rows[known(code) ? code : NK_E_INTERNAL].status;
}

const char *nk_code_name(nk_code code)
{
    return rows[known(code) ? code : NK_E_INTERNAL].name;
}

/* A cut message must not end in half a UTF-8 character. */
static void trim_utf8(char *s, size_t max)
{
    size_t n = strlen(s);
    if (n + 1 < max)
        return;
    size_t i = n;
    while (i && ((unsigned char)s[i - 1] & 0xc0) == 0x80)
        i--;
    if (!i)
        return;
    unsigned char lead = (unsigned char)s[i - 1];
    size_t want = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (n - (i - 1) < want)
        s[i - 1] = 0;
}

nk_code nk_vfail(nk_err *err, nk_code code, const char *fmt, va_list ap)
{
    if (!err)
        return code;
    char msg[NK_ERR_MSG_MAX]; /* the arguments may point into err */
    vsnprintf(msg, sizeof msg, fmt, ap);
    trim_utf8(msg, sizeof msg);
    err->code = code;
    err->aws[0] = 0;
    err->hint[0] = 0;
    memcpy(err->msg, msg, strlen(msg) + 1);
    return code;
}

nk_code nk_fail(nk_err *err, nk_code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    nk_vfail(err, code, fmt, ap);
    va_end(ap);
    return code;
}

nk_code nk_hint(nk_err *err, const char *fmt, ...)
{
    if (!err)
        return NK_E_INTERNAL;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->hint, sizeof err->hint, fmt, ap);
    va_end(ap);
    trim_utf8(err->hint, sizeof err->hint);
    return err->code;
}

nk_code nk_wrap(nk_err *err, const char *fmt, ...)
{
    if (!err)
        return NK_E_INTERNAL;
    char context[NK_ERR_MSG_MAX], msg[2 * NK_ERR_MSG_MAX + 4];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(context, sizeof context, fmt, ap);
    va_end(ap);
    snprintf(msg, sizeof msg, "%s: %s", context, err->msg);
    msg[NK_ERR_MSG_MAX - 1] = 0;
    trim_utf8(msg, NK_ERR_MSG_MAX);
    memcpy(err->msg, msg, strlen(msg) + 1);
    return err->code;
}

nk_code nk_fail_errno(nk_err *err, int errnum, const char *fmt, ...)
{
    nk_code code = errnum == ENOSPC || errnum == EDQUOT ? NK_E_FULL
                   : errnum == ENOMEM                   ? NK_E_NOMEM
                                                        : NK_E_IO;
    char msg[NK_ERR_MSG_MAX], why[128];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    return nk_fail(err, code, "%s: %s", msg, strerror_r(errnum, why, sizeof why));
}
