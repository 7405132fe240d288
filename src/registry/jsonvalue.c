#include "registry/jsonvalue_int.h"

#include <stdlib.h>

/* A decimal: sign, digits without leading or trailing zeros, and the power of ten of the last one.
 * The digits lie in the number's own text with a point among them. */
typedef struct decimal {
    bool neg;
    const char *d; /* first digit that counts */
    size_t span;   /* bytes from d to the last digit that counts, the point included */
    size_t n;      /* digits; 0 is zero */
    int64_t exp;   /* value = digits × 10^exp */
} decimal;

enum { EXP_MAX = 1000000000 }; /* exponents beyond are cut to this: nobody can tell them apart */

static int64_t read_exponent(const char *p, const char *end)
{
    bool neg = false;
    int64_t v = 0;
    if (p < end && (*p == '-' || *p == '+'))
        neg = *p++ == '-';
    for (; p < end && *p >= '0' && *p <= '9'; p++)
        v = v < EXP_MAX ? v * 10 + (*p - '0') : EXP_MAX;
    return neg ? -v : v;
}

static decimal read_decimal(nk_str s)
{
    decimal r = {0};
    const char *p = s.p, *end = s.p + s.n, *mantissa_end;
    if (p < end && *p == '-') {
        r.neg = true;
        p++;
    }
    for (mantissa_end = p; mantissa_end < end && *mantissa_end != 'e' && *mantissa_end != 'E';)
        mantissa_end++;
    const char *point = memchr(p, '.', (size_t)(mantissa_end - p));
    if (mantissa_end < end)
        r.exp = read_exponent(mantissa_end + 1, end);
    const char *last = mantissa_end;
    while (last > p && (last[-1] == '0' || last[-1] == '.')) {
        last--;
        if (*last == '.')
            continue;
        if (!point || last < point)
            r.exp++;
    }
    while (p < last && (*p == '0' || *p == '.'))
        p++;
    r.d = p;
    r.span = (size_t)(last - p);
    bool inside = point && point >= p && point < last;
    r.n = r.span - (inside ? 1 : 0);
    if (r.n == 0)
        return (decimal){0};
    if (point && point < last)
        r.exp -= (int64_t)(last - point - 1);
    return r;
}

static int digit_at(const decimal *x, size_t *i)
{
    if (*i < x->span && x->d[*i] == '.')
        ++*i;
    return *i < x->span ? x->d[(*i)++] - '0' : 0;
}

static int magnitude_cmp(const decimal *a, const decimal *b)
{
    int64_t ta = a->exp + (int64_t)a->n, tb = b->exp + (int64_t)b->n;
    if (a->n == 0 || b->n == 0)
        return (a->n != 0) - (b->n != 0);
    if (ta != tb)
        return ta < tb ? -1 : 1;
    size_t ia = 0, ib = 0, n = a->n > b->n ? a->n : b->n;
    for (size_t k = 0; k < n; k++) {
        int x = digit_at(a, &ia), y = digit_at(b, &ib);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return 0;
}

int jv_num_cmp(nk_str a, nk_str b)
{
    decimal x = read_decimal(a), y = read_decimal(b);
    if (x.neg != y.neg)
        return x.neg ? -1 : 1;
    int c = magnitude_cmp(&x, &y);
    return x.neg ? -c : c;
}

jv_truth jv_multiple(nk_str v, nk_str step)
{
    decimal x = read_decimal(v), d = read_decimal(step);
    if (x.n == 0)
        return JV_YES;
    if (d.n == 0 || d.n > 17)
        return x.n == d.n && magnitude_cmp(&x, &d) == 0 ? JV_YES : JV_UNKNOWN;
    __extension__ typedef unsigned __int128 u128;
    u128 m = 0;
    size_t i = 0;
    for (size_t k = 0; k < d.n; k++)
        m = m * 10 + (unsigned)digit_at(&d, &i);
    int64_t shift = x.exp - d.exp;
    if (shift < -17 || shift > 1000000)
        return shift < 0 && -shift > (int64_t)x.n + 20 ? JV_NO : JV_UNKNOWN;
    for (int64_t k = shift; k < 0; k++)
        m *= 10;
    u128 r = 0;
    i = 0;
    for (size_t k = 0; k < x.n; k++)
        r = (r * 10 + (unsigned)digit_at(&x, &i)) % m;
    for (int64_t k = 0; k < shift && r; k++)
        r = r * 10 % m;
    return r == 0 ? JV_YES : JV_NO;
}

unsigned jv_type(const nk_json *v)
{
    switch (v->kind) {
    case NK_JSON_NULL:
        return JV_NULL;
    case NK_JSON_TRUE:
    case NK_JSON_FALSE:
        return JV_BOOL;
    case NK_JSON_STRING:
        return JV_STRING;
    case NK_JSON_ARRAY:
        return JV_ARRAY;
    case NK_JSON_OBJECT:
        return JV_OBJECT;
    default:
        break;
    }
    decimal x = read_decimal(v->text);
    if (x.exp < 0)
        return JV_FRACTION;
    for (size_t i = 0; i < v->text.n; i++) {
        if (strchr(".eE", v->text.p[i]))
            return JV_IFLOAT;
    }
    return JV_INT;
}

bool jv_equal(const nk_json *a, const nk_json *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case NK_JSON_NUMBER:
        return jv_num_cmp(a->text, b->text) == 0;
    case NK_JSON_STRING:
        return nk_str_eq(a->text, b->text);
    case NK_JSON_ARRAY:
        if (a->count != b->count)
            return false;
        for (const nk_json *x = a->first, *y = b->first; x && y; x = x->next, y = y->next) {
            if (!jv_equal(x, y))
                return false;
        }
        return true;
    case NK_JSON_OBJECT:
        if (a->count != b->count)
            return false;
        /* mostly in the same order: look at the neighbour before searching */
        for (const nk_json *x = a->first, *y = b->first; x; x = x->next, y = y ? y->next : NULL) {
            const nk_json *z = y && nk_str_eq(x->key, y->key) ? y : nk_json_getn(b, x->key);
            if (!z || !jv_equal(x, z))
                return false;
        }
        return true;
    default:
        return true;
    }
}

static uint64_t mix(uint64_t h, uint64_t x)
{
    h ^= x + 0x9e3779b97f4a7c15u + (h << 6) + (h >> 2);
    h *= 0xff51afd7ed558ccdu;
    return h ^ h >> 32;
}

static uint64_t number_hash(nk_str s)
{
    decimal x = read_decimal(s);
    uint64_t h = mix(x.neg ? 3 : 2, (uint64_t)(x.exp + (int64_t)x.n));
    size_t i = 0;
    for (size_t k = 0; k < x.n; k++)
        h = mix(h, (uint64_t)digit_at(&x, &i));
    return h;
}

uint64_t jv_hash(const nk_json *v)
{
    uint64_t h = (uint64_t)v->kind * 0x9e3779b97f4a7c15u;
    switch (v->kind) {
    case NK_JSON_NUMBER:
        return mix(h, number_hash(v->text));
    case NK_JSON_STRING:
        return mix(h, nk_hash64(v->text.p, v->text.n, 7));
    case NK_JSON_ARRAY:
        for (const nk_json *x = v->first; x; x = x->next)
            h = mix(h, jv_hash(x));
        return h;
    case NK_JSON_OBJECT: {
        uint64_t sum = v->count;
        for (const nk_json *x = v->first; x; x = x->next)
            sum += mix(nk_hash64(x->key.p, x->key.n, 11), jv_hash(x));
        return mix(h, sum);
    }
    default:
        return h;
    }
}

static void canonical_number(nk_buf *out, nk_str s)
{
    decimal x = read_decimal(s);
    if (x.n == 0) {
        nk_buf_putc(out, '0');
        return;
    }
    if (x.neg)
        nk_buf_putc(out, '-');
    size_t i = 0;
    int64_t lead = x.exp + (int64_t)x.n; /* digits before the point */
    if (x.exp >= 0 && lead <= 21) {
        for (size_t k = 0; k < x.n; k++)
            nk_buf_putc(out, (char)('0' + digit_at(&x, &i)));
        for (int64_t k = 0; k < x.exp; k++)
            nk_buf_putc(out, '0');
    } else if (x.exp < 0 && lead > -6 && lead <= 21) {
        if (lead <= 0)
            nk_buf_puts(out, "0.");
        for (int64_t k = lead; k < 0; k++)
            nk_buf_putc(out, '0');
        for (size_t k = 0; k < x.n; k++) {
            if (lead > 0 && (int64_t)k == lead)
                nk_buf_putc(out, '.');
            nk_buf_putc(out, (char)('0' + digit_at(&x, &i)));
        }
    } else {
        for (size_t k = 0; k < x.n; k++) {
            if (k == 1)
                nk_buf_putc(out, '.');
            nk_buf_putc(out, (char)('0' + digit_at(&x, &i)));
        }
        nk_buf_printf(out, "e%lld", (long long)lead - 1);
    }
}

static int by_key(const void *a, const void *b)
{
    const nk_json *const *x = a, *const *y = b;
    return nk_str_cmp((*x)->key, (*y)->key);
}

void jv_canonical(nk_buf *out, const nk_json *v)
{
    nk_json_writer w = {.buf = out};
    if (v->kind == NK_JSON_NUMBER) {
        canonical_number(out, v->text);
    } else if (v->kind == NK_JSON_ARRAY) {
        nk_buf_putc(out, '[');
        for (const nk_json *x = v->first; x; x = x->next) {
            if (x != v->first)
                nk_buf_putc(out, ',');
            jv_canonical(out, x);
        }
        nk_buf_putc(out, ']');
    } else if (v->kind == NK_JSON_OBJECT) {
        const nk_json **members = nk_calloc(v->count + 1, sizeof *members);
        size_t n = 0;
        if (!members) {
            nk_buf_fail(out, NK_E_NOMEM);
            return;
        }
        for (const nk_json *x = v->first; x; x = x->next)
            members[n++] = x;
        qsort(members, n, sizeof *members, by_key);
        nk_buf_putc(out, '{');
        for (size_t i = 0; i < n; i++) {
            if (i)
                nk_buf_putc(out, ',');
            w.comma = false;
            nk_jw_str(&w, members[i]->key);
            nk_buf_putc(out, ':');
            jv_canonical(out, members[i]);
        }
        nk_buf_putc(out, '}');
        nk_free(members);
    } else {
        nk_jw_tree(&w, v);
    }
}

nk_json *jv_new(nk_arena *a, nk_json_token kind, nk_str text)
{
    nk_json *v = NK_NEW(a, nk_json);
    if (v) {
        v->kind = kind;
        v->text = text;
    }
    return v;
}

nk_json *jv_int(nk_arena *a, int64_t n)
{
    char *text = nk_arena_printf(a, "%lld", (long long)n);
    return text ? jv_new(a, NK_JSON_NUMBER, nk_str_c(text)) : NULL;
}

nk_json *jv_copy(nk_arena *a, const nk_json *v)
{
    nk_json *c = v ? NK_NEW(a, nk_json) : NULL;
    if (!c)
        return NULL;
    *c = *v;
    c->next = NULL;
    c->key = NK_STR_NULL;
    c->first = c->last = NULL;
    c->count = 0;
    for (const nk_json *x = v->first; x; x = x->next) {
        nk_json *m = NK_NEW(a, nk_json);
        if (!m)
            return NULL;
        *m = *x;
        m->next = NULL;
        jv_append(c, m);
    }
    return c;
}

nk_json *jv_as_floats(nk_arena *a, const nk_json *v)
{
    nk_json *c = NK_NEW(a, nk_json);
    if (!c)
        return NULL;
    *c = *v;
    c->next = c->first = c->last = NULL;
    c->count = 0;
    if (v->kind == NK_JSON_NUMBER && jv_type(v) == JV_INT) {
        c->text = nk_str_cat(a, v->text, NK_STR(".0"));
        if (!c->text.p)
            return NULL;
    }
    for (const nk_json *x = v->first; x; x = x->next) {
        nk_json *m = jv_as_floats(a, x);
        if (!m)
            return NULL;
        jv_append(c, m);
    }
    return c;
}

void jv_append(nk_json *array, nk_json *v)
{
    v->next = NULL;
    if (array->last)
        array->last->next = v;
    else
        array->first = v;
    array->last = v;
    array->count++;
}

bool jv_set_all(nk_arena *a, nk_json *object, const nk_json *from)
{
    for (const nk_json *x = from ? from->first : NULL; x; x = x->next) {
        nk_json *copy = jv_copy(a, x);
        if (!copy || !jv_set(a, object, x->key, copy))
            return false;
    }
    return true;
}

void jv_unset(nk_json *object, nk_str key)
{
    nk_json *kept = object->first;
    object->first = object->last = NULL;
    object->count = 0;
    while (kept) {
        nk_json *next = kept->next;
        if (!nk_str_eq(kept->key, key))
            jv_append(object, kept);
        kept = next;
    }
}

bool jv_set(nk_arena *a, nk_json *object, nk_str key, nk_json *v)
{
    nk_json *m = jv_copy(a, v);
    if (!m)
        return false;
    jv_unset(object, key);
    m->key = key;
    jv_append(object, m);
    return true;
}
