#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

void nk_buf_init(nk_buf *b, size_t max)
{
    *b = (nk_buf){.max = max};
}

void nk_buf_free(nk_buf *b)
{
    nk_free(b->p);
    nk_buf_init(b, b->max);
}

void nk_buf_clear(nk_buf *b)
{
    b->n = 0;
    b->failed = false;
    if (b->p)
        b->p[0] = 0;
}

void nk_buf_fail(nk_buf *b, nk_code why)
{
    if (b->failed || why == NK_OK)
        return;
    b->failed = true;
    b->why = why;
}

/* Grows so that n more bytes and a NUL fit. */
static nk_code grow(nk_buf *b, size_t n)
{
    if (n > b->max - b->n) {
        b->failed = true;
        return b->why = NK_E_LIMIT;
    }
    size_t need = b->n + n + 1, cap = b->cap ? b->cap : 128;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    if (cap > b->max && need <= b->max + 1)
        cap = b->max == SIZE_MAX ? need : b->max + 1;
    char *p = nk_realloc(b->p, cap);
    if (!p) {
        b->failed = true;
        return b->why = NK_E_NOMEM;
    }
    b->p = p;
    b->cap = cap;
    return NK_OK;
}

char *nk_buf_reserve(nk_buf *b, size_t n)
{
    if (b->failed)
        return NULL;
    if (n >= b->cap - b->n || n > b->max - b->n) {
        if (grow(b, n) != NK_OK)
            return NULL;
    }
    return b->p + b->n;
}

nk_code nk_buf_add(nk_buf *b, const void *p, size_t n)
{
    if (b->failed)
        return b->why;
    if (__builtin_expect(n >= b->cap - b->n || n > b->max - b->n, 0)) {
        nk_code rc = grow(b, n);
        if (rc != NK_OK)
            return rc;
    }
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    b->p[b->n] = 0;
    return NK_OK;
}

nk_code nk_buf_str(nk_buf *b, nk_str s)
{
    return nk_buf_add(b, s.p, s.n);
}

nk_code nk_buf_puts(nk_buf *b, const char *s)
{
    return nk_buf_add(b, s, strlen(s));
}

nk_code nk_buf_putc(nk_buf *b, char c)
{
    return nk_buf_add(b, &c, 1);
}

nk_code nk_buf_printf(nk_buf *b, const char *fmt, ...)
{
    va_list ap, again;
    size_t room = b->failed || !b->p ? 0 : b->cap - b->n; /* for most texts it is enough */
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(room ? b->p + b->n : NULL, room, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < room && (size_t)n <= b->max - b->n) {
        b->n += (size_t)n;
        va_end(again);
        return NK_OK;
    }
    if (room)
        b->p[b->n] = 0;
    char *p = n < 0 ? NULL : nk_buf_reserve(b, (size_t)n);
    if (p) {
        vsnprintf(p, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
    return p ? NK_OK : n < 0 ? NK_E_INTERNAL : b->why;
}

nk_code nk_buf_check(const nk_buf *b, nk_err *err)
{
    if (!b->failed)
        return NK_OK;
    if (b->why == NK_E_LIMIT)
        return nk_fail(err, NK_E_LIMIT, "more than %zu bytes", b->max);
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

nk_str nk_buf_dup(const nk_buf *b, nk_arena *a)
{
    return nk_str_dup(a, nk_buf_view(b));
}
