/* nk_buf: a growable run of bytes whose maximum is declared at the start. A failed append sets
 * `failed` and later appends do nothing, so that a writer may check once at the end. */
#ifndef NK_BUF_H
#define NK_BUF_H

#include "base/str.h"

typedef struct nk_buf {
    char *p; /* owned; NUL-terminated whenever not NULL */
    size_t n;
    size_t cap;
    size_t max;  /* bytes it may ever hold */
    bool failed; /* memory gone or maximum reached: what is in p is cut short */
    nk_code why; /* NK_E_LIMIT or NK_E_NOMEM when failed */
} nk_buf;

void nk_buf_init(nk_buf *b, size_t max);
void nk_buf_free(nk_buf *b);
/* Makes it count as cut (NK_E_LIMIT, NK_E_NOMEM; NK_OK does nothing), because something that should
 * have gone into it was; an earlier reason stays. */
void nk_buf_fail(nk_buf *b, nk_code why);
void nk_buf_clear(nk_buf *b); /* keeps the memory, forgets the failure */
nk_code nk_buf_add(nk_buf *b, const void *p, size_t n);
nk_code nk_buf_str(nk_buf *b, nk_str s);
nk_code nk_buf_puts(nk_buf *b, const char *s);
nk_code nk_buf_putc(nk_buf *b, char c);
nk_code nk_buf_printf(nk_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Room for n more bytes at the end (then set b->n yourself); NULL on failure. */
char *nk_buf_reserve(nk_buf *b, size_t n);
static inline nk_str nk_buf_view(const nk_buf *b)
{
    return (nk_str){b->p ? b->p : "", b->n};
}
/* NK_OK, or NK_E_LIMIT/NK_E_NOMEM with a message when something was cut. */
nk_code nk_buf_check(const nk_buf *b, nk_err *err) NK_MUST;
/* Copy into the arena, NUL-terminated. */
nk_str nk_buf_dup(const nk_buf *b, nk_arena *a);

#endif
