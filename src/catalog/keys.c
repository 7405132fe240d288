/* Partition key values as bytes that sort as their types do. */
#include "catalog/catalog_int.h"

nk_key_class nk_key_class_of(nk_str hive_type, nk_arena *a)
{
    const nk_type *t;
    if (nk_type_parse(hive_type, a, &t, NULL) != NK_OK)
        return NK_KEY_NONE;
    switch (t->kind) {
    case NK_T_BYTE:
    case NK_T_SHORT:
    case NK_T_INT:
    case NK_T_LONG:
        return NK_KEY_INT;
    case NK_T_DECIMAL:
        return NK_KEY_DECIMAL;
    case NK_T_STRING:
    case NK_T_CHAR:
    case NK_T_VARCHAR:
        return NK_KEY_TEXT;
    case NK_T_DATE:
        return NK_KEY_DATE;
    case NK_T_TIMESTAMP:
        return NK_KEY_TIMESTAMP;
    default:
        return NK_KEY_NONE;
    }
}

static void put_be(unsigned char *p, uint64_t v, int n)
{
    for (int i = n - 1; i >= 0; i--, v >>= 8)
        p[i] = (unsigned char)v;
}

static uint64_t flip(int64_t v)
{
    return (uint64_t)v ^ (1ULL << 63);
}

static bool bytes_of(nk_arena *a, const unsigned char *p, size_t n, nk_str *out)
{
    *out = nk_str_dup(a, nk_str_n((const char *)p, n));
    if (out->p)
        return true;
    out->n = SIZE_MAX;
    return false;
}

/* Digits with neither leading nor trailing zeros, and the power of ten they are a fraction of. */
static bool decimal_parts(nk_str s, bool *negative, char *digits, size_t *n, int64_t *exp)
{
    size_t i = 0, int_digits = 0, seen = 0;
    bool point = false;
    int64_t e = 0;
    *n = 0;
    *negative = s.n && s.p[0] == '-';
    if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
        i++;
    for (; i < s.n; i++) {
        char c = s.p[i];
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9')
            break;
        seen++;
        if (!point)
            int_digits++;
        if (*n >= 1024)
            return false;
        digits[(*n)++] = c;
    }
    if (!seen)
        return false;
    if (i < s.n) {
        nk_str power = nk_str_sub(s, i + 1, s.n);
        if (power.n > 1 && power.p[0] == '+' && power.p[1] != '-')
            power = nk_str_sub(power, 1, power.n);
        if ((s.p[i] | 0x20) != 'e' || !nk_str_i64(power, &e))
            return false;
    }
    if (e < -100000 || e > 100000)
        return false;
    size_t lead = 0;
    while (lead < *n && digits[lead] == '0')
        lead++;
    *exp = (int64_t)int_digits - (int64_t)lead + e;
    memmove(digits, digits + lead, *n - lead);
    *n -= lead;
    while (*n && digits[*n - 1] == '0')
        (*n)--;
    return true;
}

/* Sign, exponent, digits; a negative number's exponent and digits are complemented, and closed by
 * 0xff. */
static bool encode_decimal(nk_str text, nk_arena *a, nk_str *out)
{
    char digits[1024];
    unsigned char b[1024 + 8];
    size_t n;
    int64_t exp;
    bool negative;
    if (!decimal_parts(text, &negative, digits, &n, &exp))
        return false;
    if (n == 0) {
        b[0] = 1;
        return bytes_of(a, b, 1, out);
    }
    b[0] = negative ? 0 : 2;
    put_be(b + 1, (uint64_t)(exp + (1LL << 31)), 4);
    memcpy(b + 5, digits, n);
    n += 5;
    for (size_t i = 1; negative && i < n; i++)
        b[i] = (unsigned char)~b[i];
    if (negative)
        b[n++] = 0xff;
    return bytes_of(a, b, n, out);
}

bool nk_key_encode(nk_key_class class, nk_str text, nk_arena *a, nk_str *out)
{
    unsigned char b[10];
    int64_t v;
    int ns;
    *out = NK_STR_NULL;
    switch (class) {
    case NK_KEY_INT: {
        nk_str digits =
            text.n > 1 && text.p[0] == '+' && text.p[1] != '-' ? nk_str_sub(text, 1, text.n) : text;
        if (!nk_str_i64(digits, &v))
            return false;
        put_be(b, flip(v), 8);
        return bytes_of(a, b, 8, out);
    }
    case NK_KEY_DATE:
        if (!nk_date_parse(text, &v))
            return false;
        put_be(b, flip(v), 8);
        return bytes_of(a, b, 8, out);
    case NK_KEY_TIMESTAMP:
        if (!nk_timestamp_parse_ns(text, &v, &ns))
            return false;
        put_be(b, flip(v), 8);
        put_be(b + 8, (uint64_t)ns, 2);
        return bytes_of(a, b, 10, out);
    case NK_KEY_DECIMAL:
        return encode_decimal(text, a, out);
    case NK_KEY_TEXT:
        *out = text;
        return true;
    case NK_KEY_NONE:
        break;
    }
    return false;
}

/* Each value's bytes, NUL as 00 ff, closed by 00 01. */
nk_str nk_vals_pack(const nk_list_str *values, nk_arena *a)
{
    size_t n = 0;
    for (size_t i = 0; i < values->n; i++)
        n += 2 * values->v[i].n + 2;
    char *p = nk_arena_bytes(a, n + 1);
    if (!p)
        return NK_STR_NULL;
    n = 0;
    for (size_t i = 0; i < values->n; i++) {
        for (size_t j = 0; j < values->v[i].n; j++) {
            p[n++] = values->v[i].p[j];
            if (!values->v[i].p[j])
                p[n++] = (char)0xff;
        }
        p[n++] = 0;
        p[n++] = 1;
    }
    p[n] = 0;
    return nk_str_n(p, n);
}

nk_code nk_vals_unpack(nk_str s, nk_arena *a, nk_list_str *out)
{
    size_t n = 0, from = 0, k = 0;
    for (size_t i = 0; i + 1 < s.n; i++)
        if (!s.p[i] && s.p[i + 1] == 1)
            n++, i++;
        else if (!s.p[i])
            i++;
    out->v = NK_NEWN(a, nk_str, n);
    char *text = nk_arena_bytes(a, s.n + 1);
    if (!out->v || !text)
        return NK_E_NOMEM;
    out->n = n;
    out->set = true;
    for (size_t i = 0, w = 0; i + 1 < s.n; i++) {
        if (s.p[i]) {
            text[w++] = s.p[i];
        } else if ((unsigned char)s.p[++i] == 0xff) {
            text[w++] = 0;
        } else {
            out->v[k++] = nk_str_n(text + from, w - from);
            from = w;
        }
    }
    return NK_OK;
}

nk_str nk_keys_pack(const glue_Column_list *cols, nk_arena *a)
{
    nk_buf b;
    nk_buf_init(&b, 1 << 20);
    for (size_t i = 0; i < cols->n; i++) {
        if (i)
            nk_buf_putc(&b, 0x1e);
        nk_buf_str(&b, cols->v[i].Name);
        nk_buf_putc(&b, 0x1f);
        nk_buf_str(&b, cols->v[i].Type.p ? cols->v[i].Type : NK_STR("string"));
    }
    nk_str out = b.failed ? NK_STR_NULL : nk_buf_dup(&b, a);
    nk_buf_free(&b);
    return out;
}

nk_code nk_keys_unpack(nk_str packed, nk_arena *a, nk_part_keys *out)
{
    nk_str rest = packed, piece;
    size_t n = 0;
    *out = (nk_part_keys){0};
    if (!packed.n)
        return NK_OK;
    for (size_t i = 0; i < packed.n; i++)
        n += packed.p[i] == 0x1e;
    out->v = NK_NEWN(a, nk_part_key, n + 1);
    if (!out->v)
        return NK_E_NOMEM;
    while (nk_str_split(&rest, 0x1e, &piece)) {
        nk_part_key *k = &out->v[out->n++];
        ptrdiff_t us = nk_str_chr(piece, 0x1f);
        k->name = nk_str_sub(piece, 0, us < 0 ? piece.n : (size_t)us);
        k->type = us < 0 ? NK_STR("string") : nk_str_sub(piece, (size_t)us + 1, piece.n);
        k->class = nk_key_class_of(k->type, a);
    }
    return NK_OK;
}
