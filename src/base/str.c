#include "base/str.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static inline unsigned char fold(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

bool nk_str_ieq(nk_str a, nk_str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++) {
        if (fold((unsigned char)a.p[i]) != fold((unsigned char)b.p[i]))
            return false;
    }
    return true;
}

int nk_str_cmp(nk_str a, nk_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

bool nk_str_starts(nk_str s, nk_str prefix)
{
    return s.n >= prefix.n && nk_str_eq(nk_str_n(s.p, prefix.n), prefix);
}

bool nk_str_ends(nk_str s, nk_str suffix)
{
    return s.n >= suffix.n && nk_str_eq(nk_str_n(s.p + (s.n - suffix.n), suffix.n), suffix);
}

ptrdiff_t nk_str_chr(nk_str s, char c)
{
    const char *p = s.n ? memchr(s.p, c, s.n) : NULL;
    return p ? p - s.p : -1;
}

ptrdiff_t nk_str_rchr(nk_str s, char c)
{
    const char *p = s.n ? memrchr(s.p, c, s.n) : NULL;
    return p ? p - s.p : -1;
}

ptrdiff_t nk_str_find(nk_str s, nk_str sub)
{
    if (!sub.n)
        return 0;
    const char *p = s.n ? memmem(s.p, s.n, sub.p, sub.n) : NULL;
    return p ? p - s.p : -1;
}

static bool blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

nk_str nk_str_trim(nk_str s)
{
    while (s.n && blank(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n && blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

nk_str nk_str_sub(nk_str s, size_t from, size_t to)
{
    if (to > s.n)
        to = s.n;
    if (from > to)
        from = to;
    return nk_str_n(s.p ? s.p + from : s.p, to - from);
}

bool nk_str_split(nk_str *rest, char sep, nk_str *piece)
{
    if (!rest->p)
        return false;
    ptrdiff_t i = nk_str_chr(*rest, sep);
    if (i < 0) {
        *piece = *rest;
        *rest = NK_STR_NULL;
    } else {
        *piece = nk_str_n(rest->p, (size_t)i);
        *rest = nk_str_n(rest->p + i + 1, rest->n - (size_t)i - 1);
    }
    return true;
}

nk_str nk_str_dup(nk_arena *a, nk_str s)
{
    char *p = s.p ? nk_arena_strndup(a, s.p, s.n) : NULL;
    return nk_str_n(p, p ? s.n : 0);
}

nk_str nk_str_cat(nk_arena *a, nk_str x, nk_str y)
{
    char *p = nk_arena_bytes(a, x.n + y.n + 1);
    if (!p)
        return NK_STR_NULL;
    if (x.n)
        memcpy(p, x.p, x.n);
    if (y.n)
        memcpy(p + x.n, y.p, y.n);
    p[x.n + y.n] = 0;
    return nk_str_n(p, x.n + y.n);
}

nk_str nk_str_printf(nk_arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : nk_arena_bytes(a, (size_t)n + 1);
    if (p)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return nk_str_n(p, p ? (size_t)n : 0);
}

/* Ranges whose upper-case letters map one to one onto lower-case ones of the same UTF-8 length.
 * step 1: every letter moves by delta; step 2: only those with the parity of `from`. */
static const struct {
    uint16_t from, to;
    int16_t delta;
    uint8_t step;
} folds[] = {
    {0x00c0, 0x00d6, 32, 1},   {0x00d8, 0x00de, 32, 1}, {0x0100, 0x012e, 1, 2},
    {0x0132, 0x0136, 1, 2},    {0x0139, 0x0147, 1, 2},  {0x014a, 0x0176, 1, 2},
    {0x0178, 0x0178, -121, 1}, {0x0179, 0x017d, 1, 2},  {0x0386, 0x0386, 38, 1},
    {0x0388, 0x038a, 37, 1},   {0x038c, 0x038c, 64, 1}, {0x038e, 0x038f, 63, 1},
    {0x0391, 0x03a1, 32, 1},   {0x03a3, 0x03ab, 32, 1}, {0x0400, 0x040f, 80, 1},
    {0x0410, 0x042f, 32, 1},   {0x0460, 0x0480, 1, 2},  {0x048a, 0x04be, 1, 2},
    {0x04c1, 0x04cd, 1, 2},    {0x04d0, 0x052e, 1, 2},  {0x1e00, 0x1e94, 1, 2},
    {0x1ea0, 0x1efe, 1, 2},
};

static uint32_t lower(uint32_t cp)
{
    for (size_t i = 0; i < sizeof folds / sizeof folds[0] && folds[i].from <= cp; i++) {
        if (cp <= folds[i].to && (cp - folds[i].from) % folds[i].step == 0)
            return cp + (uint32_t)(int32_t)folds[i].delta;
    }
    return cp;
}

nk_str nk_str_lower(nk_arena *a, nk_str s)
{
    nk_str out = nk_str_dup(a, s);
    char *p = (char *)out.p; /* ours: just made */
    for (size_t i = 0; p && i < out.n;) {
        if ((unsigned char)p[i] < 0x80) {
            p[i] = (char)fold((unsigned char)p[i]);
            i++;
            continue;
        }
        uint32_t cp;
        size_t n = nk_utf8_get(p + i, out.n - i, &cp);
        char put[4];
        if (n && nk_utf8_put(put, lower(cp)) == n)
            memcpy(p + i, put, n);
        i += n ? n : 1;
    }
    return out;
}

bool nk_str_u64(nk_str s, uint64_t *out)
{
    if (!s.n)
        return false;
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned d = (unsigned char)s.p[i] - '0';
        if (d > 9 || __builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, d, &v))
            return false;
    }
    *out = v;
    return true;
}

bool nk_str_i64(nk_str s, int64_t *out)
{
    bool neg = s.n && s.p[0] == '-';
    if (s.n && (neg || s.p[0] == '+'))
        s = nk_str_sub(s, 1, s.n);
    uint64_t v;
    if (!nk_str_u64(s, &v) || v > (uint64_t)INT64_MAX + neg)
        return false;
    *out = neg ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

static locale_t c_locale(void)
{
    static locale_t loc;
    locale_t have = __atomic_load_n(&loc, __ATOMIC_ACQUIRE);
    if (have)
        return have;
    locale_t fresh = newlocale(LC_ALL_MASK, "C", NULL), none = NULL;
    if (__atomic_compare_exchange_n(&loc, &none, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return fresh;
    freelocale(fresh);
    return none;
}

bool nk_str_f64(nk_str s, double *out)
{
    char small[128], *text = small;
    if (!s.n || blank(s.p[0]) || memchr(s.p, 0, s.n))
        return false;
    size_t digit = s.p[0] == '-' || s.p[0] == '+';
    if (s.n > digit + 1 && s.p[digit] == '0' && (s.p[digit + 1] | 32) == 'x')
        return false;
    if (s.n >= sizeof small && !(text = nk_malloc(s.n + 1)))
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    char *end;
    double v = strtod_l(text, &end, c_locale());
    bool ok = end == text + s.n;
    if (text != small)
        nk_free(text);
    if (ok)
        *out = v;
    return ok;
}

size_t nk_utf8_get(const char *s, size_t n, uint32_t *cp)
{
    const unsigned char *p = (const unsigned char *)s;
    if (!n)
        return 0;
    if (p[0] < 0x80) {
        *cp = p[0];
        return 1;
    }
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    size_t len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (n < len)
        return 0;
    uint32_t c = p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    /* over-long forms, surrogates, beyond Unicode */
    if ((len == 3 && c < 0x800) || (len == 4 && (c < 0x10000 || c > 0x10ffff)) ||
        (c >= 0xd800 && c < 0xe000))
        return 0;
    *cp = c;
    return len;
}

size_t nk_utf8_put(char out[4], uint32_t cp)
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xe0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}

bool nk_utf8_valid(nk_str s)
{
    size_t i = 0;
    while (i < s.n) {
        uint64_t w;
        if (s.n - i >= 8 && (memcpy(&w, s.p + i, 8), !(w & 0x8080808080808080u))) {
            i += 8;
            continue;
        }
        uint32_t cp;
        size_t n = nk_utf8_get(s.p + i, s.n - i, &cp);
        if (!n)
            return false;
        i += n;
    }
    return true;
}

size_t nk_utf8_len(nk_str s)
{
    size_t len = 0;
    for (size_t i = 0; i < s.n; len++) {
        uint64_t w;
        if (s.n - i >= 8 && (memcpy(&w, s.p + i, 8), !(w & 0x8080808080808080u))) {
            i += 8;
            len += 7;
            continue;
        }
        uint32_t cp;
        size_t n = nk_utf8_get(s.p + i, s.n - i, &cp);
        i += n ? n : 1;
    }
    return len;
}

size_t nk_str_distance(nk_str a, nk_str b)
{
    enum { MAX = 40 };
    size_t d[MAX + 1][MAX + 1], n = a.n, m = b.n;
    if (n > MAX || m > MAX)
        return MAX;
    for (size_t i = 0; i <= n; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= m; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        for (size_t j = 1; j <= m; j++) {
            size_t best = d[i - 1][j - 1] + (a.p[i - 1] != b.p[j - 1]);
            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1] &&
                d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    }
    return d[n][m];
}
