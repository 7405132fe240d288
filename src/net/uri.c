#include "net/sigv4.h"

static bool unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static int hexval(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

nk_code nk_uri_escape(nk_buf *b, nk_str s, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (unreserved(c) || (keep_slash && c == '/')) {
            NK_TRY(nk_buf_putc(b, (char)c));
        } else {
            char e[3] = {'%', digits[c >> 4], digits[c & 15]};
            NK_TRY(nk_buf_add(b, e, 3));
        }
    }
    return NK_OK;
}

nk_str nk_uri_unescape(nk_arena *a, nk_str s, bool plus)
{
    char *out = nk_arena_bytes(a, s.n + 1);
    if (!out)
        return NK_STR_NULL;
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        int hi, lo;
        if (s.p[i] == '%' && i + 2 < s.n && (hi = hexval((unsigned char)s.p[i + 1])) >= 0 &&
            (lo = hexval((unsigned char)s.p[i + 2])) >= 0) {
            out[n++] = (char)(hi << 4 | lo);
            i += 2;
        } else {
            out[n++] = plus && s.p[i] == '+' ? ' ' : s.p[i];
        }
    }
    out[n] = 0;
    return nk_str_n(out, n);
}
