/* nk_str: a borrowed run of bytes with a length. Not NUL-terminated unless a comment says so. */
#ifndef NK_STR_H
#define NK_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"

typedef struct nk_str {
    const char *p; /* NULL means absent */
    size_t n;
} nk_str;

#define NK_STR(lit)   ((nk_str){(lit), sizeof(lit) - 1})
#define NK_STR_NULL   ((nk_str){NULL, 0})
#define NK_STR_ARG(s) (int)(s).n, (s).p ? (s).p : "" /* for %.*s */

static inline nk_str nk_str_c(const char *s)
{
    return (nk_str){s, s ? strlen(s) : 0};
}
static inline nk_str nk_str_n(const char *p, size_t n)
{
    return (nk_str){p, n};
}
static inline bool nk_str_eq(nk_str a, nk_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool nk_str_is(nk_str a, const char *lit)
{
    return nk_str_eq(a, nk_str_c(lit));
}
bool nk_str_ieq(nk_str a, nk_str b); /* ASCII case folded */
int nk_str_cmp(nk_str a, nk_str b);  /* byte order, shorter first */
bool nk_str_starts(nk_str s, nk_str prefix);
bool nk_str_ends(nk_str s, nk_str suffix);
/* Index of the first c, or -1. */
ptrdiff_t nk_str_chr(nk_str s, char c);
ptrdiff_t nk_str_rchr(nk_str s, char c);
/* Index of the first occurrence of sub, or -1. */
ptrdiff_t nk_str_find(nk_str s, nk_str sub);
nk_str nk_str_trim(nk_str s); /* ASCII white space */
nk_str nk_str_sub(nk_str s, size_t from, size_t to);
/* Cuts the next piece up to sep off *rest; false when nothing is left. "a,,b" gives "a", "", "b".
 */
bool nk_str_split(nk_str *rest, char sep, nk_str *piece);
/* NUL-terminated copies in the arena; p is NULL when memory is gone. */
nk_str nk_str_dup(nk_arena *a, nk_str s);
nk_str
nk_str_lower(nk_arena *a,
             nk_str s); /* ASCII and, for UTF-8, simple one-to-one Latin/Greek/Cyrillic folding */
nk_str nk_str_printf(nk_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
nk_str nk_str_cat(nk_arena *a, nk_str x, nk_str y);

/* Whole-string numbers; false on anything left over or out of range. */
bool nk_str_i64(nk_str s, int64_t *out);
bool nk_str_u64(nk_str s, uint64_t *out);
bool nk_str_f64(nk_str s,
                double *out); /* accepts what strtod does in the C locale, no hex, no blanks */

/* UTF-8. */
bool nk_utf8_valid(nk_str s);
/* Decodes one code point at p[0..n); returns its length, 0 when invalid. */
size_t nk_utf8_get(const char *p, size_t n, uint32_t *cp);
size_t nk_utf8_put(char out[4], uint32_t cp);
/* Number of code points (invalid bytes count one each). */
size_t nk_utf8_len(nk_str s);
/* Edits (insert, delete, replace a byte, swap two neighbours) from a to b; 40 when either is longer
 * than that. */
size_t nk_str_distance(nk_str a, nk_str b);

#endif
