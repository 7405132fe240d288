/* What is known of a compacted file's columns, from what was known of the files it is made of.
 * Bounds of all inputs bound their rows, whatever was deleted; counts add up when nothing was. */
#include "iceberg/bounds.h"

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

/* ---- values in Iceberg's single-value form ---- */

typedef enum { SIGNED, FLOATING, BIG_ENDIAN, BYTES } form;

static const struct {
    const char *name;
    form form;
    size_t width; /* bytes; 0 = as long as it is */
} forms[] = {
    {"boolean", SIGNED, 1},     {"int", SIGNED, 4},     {"long", SIGNED, 8},
    {"date", SIGNED, 4},        {"time", SIGNED, 8},    {"timestamp", SIGNED, 8},
    {"timestamptz", SIGNED, 8}, {"float", FLOATING, 4}, {"double", FLOATING, 8},
    {"decimal", BIG_ENDIAN, 0}, {"string", BYTES, 0},   {"binary", BYTES, 0},
    {"uuid", BYTES, 0},
};

/* -1: no such type. */
static int form_of(const nk_json *type)
{
    for (size_t i = 0; type && type->kind == NK_JSON_STRING && i < NK_COUNTOF(forms); i++) {
        nk_str name = nk_str_c(forms[i].name);
        if (nk_str_eq(type->text, name) ||
            (forms[i].form == BIG_ENDIAN && nk_str_starts(type->text, NK_STR("decimal("))))
            return (int)i;
    }
    return -1;
}

/* An int that became a long, or a float a double, gets its new width. */
static nk_code widen(nk_arena *a, int f, nk_str *v)
{
    size_t width = forms[f].width;
    if (!width || v->n == width)
        return NK_OK;
    if (width != 8 || v->n != 4)
        return NK_E_INVALID;
    char *p = nk_arena_bytes(a, 8);
    if (!p)
        return NK_E_NOMEM;
    if (forms[f].form == FLOATING) {
        float x;
        memcpy(&x, v->p, sizeof x);
        double y = (double)x;
        memcpy(p, &y, sizeof y);
    } else {
        int32_t x;
        memcpy(&x, v->p, sizeof x);
        int64_t y = x;
        memcpy(p, &y, sizeof y);
    }
    *v = nk_str_n(p, 8);
    return NK_OK;
}

static int compare_big(nk_str x, nk_str y)
{
    size_t n = x.n > y.n ? x.n : y.n;
    for (size_t i = 0; i < n; i++) {
        size_t from_x = n - x.n, from_y = n - y.n;
        int a = i < from_x ? (x.n && x.p[0] < 0 ? 255 : 0) : (unsigned char)x.p[i - from_x],
            b = i < from_y ? (y.n && y.p[0] < 0 ? 255 : 0) : (unsigned char)y.p[i - from_y];
        if (i == 0) { /* the sign is in the first byte */
            a = (signed char)a;
            b = (signed char)b;
        }
        if (a != b)
            return a < b ? -1 : 1;
    }
    return 0;
}

static int64_t signed_of(nk_str v)
{
    uint64_t x = 0;
    for (size_t i = v.n; i-- > 0;)
        x = x << 8 | (unsigned char)v.p[i];
    unsigned shift = v.n < 8 ? 64 - 8 * (unsigned)v.n : 0;
    return v.n ? (int64_t)(x << shift) >> shift : 0;
}

/* 2: cannot be ordered (NaN). */
static int compare(int f, nk_str x, nk_str y)
{
    if (forms[f].form == BYTES)
        return nk_str_cmp(x, y);
    if (forms[f].form == BIG_ENDIAN)
        return compare_big(x, y);
    if (forms[f].form == SIGNED) {
        int64_t a = signed_of(x), b = signed_of(y);
        return a < b ? -1 : a > b;
    }
    double a = 0, b = 0;
    if (forms[f].width == 4) {
        float p, q;
        memcpy(&p, x.p, sizeof p);
        memcpy(&q, y.p, sizeof q);
        a = (double)p;
        b = (double)q;
    } else {
        memcpy(&a, x.p, sizeof a);
        memcpy(&b, y.p, sizeof b);
    }
    return a < b ? -1 : a > b ? 1 : a == b ? 0 : 2;
}

/* ---- merging ---- */

static nk_ocf *value_of(const nk_ocf *list, int64_t key)
{
    for (size_t i = 0; list && i < list->n; i++)
        if (nk_ocf_i64(&list->items[i], "key", INT64_MIN) == key)
            return nk_ocf_get(&list->items[i], "value");
    return NULL;
}

static const nk_ocf *list_of(const nk_ocf *file, const char *name)
{
    const nk_ocf *v = nk_ocf_get(file, name);
    return v && v->type->kind == NK_OCF_ARRAY ? v : NULL;
}

static nk_code merge_value(nk_arena *a, const nk_json *schema, const char *name, int side,
                           int64_t key, nk_ocf *into, const nk_ocf *other, bool *keep)
{
    *keep = false;
    if (!other)
        return NK_OK;
    if (!side) {
        if (into->type->kind == NK_OCF_LONG && other->type->kind == NK_OCF_LONG) {
            into->i += other->i;
            *keep = true;
        }
        return NK_OK;
    }
    int f = form_of(nk_ice_schema_type(schema, key, NULL));
    nk_str x = into->s, y = other->s;
    if (f < 0)
        return NK_OK;
    nk_code rc = widen(a, f, &x);
    if (rc == NK_OK)
        rc = widen(a, f, &y);
    if (rc != NK_OK)
        return rc == NK_E_INVALID ? NK_OK : rc;
    int order = compare(f, x, y);
    if (order == 2)
        return NK_OK;
    into->s = order * side > 0 ? y : x;
    *keep = true;
    return NK_OK;
}

/* side: 1 the smallest, -1 the largest, 0 the sum. A key that some file lacks goes. */
static nk_code merge(nk_arena *a, const nk_json *schema, const nk_ocf *const *files, size_t n,
                     const char *name, int side, nk_ocf *out)
{
    nk_ocf *list = nk_ocf_get(out, name);
    if (!list || list->type->kind != NK_OCF_ARRAY)
        return NK_OK;
    size_t kept = 0;
    for (size_t i = 0; i < list->n; i++) {
        int64_t key = nk_ocf_i64(&list->items[i], "key", INT64_MIN);
        nk_ocf *v = nk_ocf_get(&list->items[i], "value");
        bool keep = v != NULL;
        for (size_t k = 1; k < n && keep; k++)
            NK_TRY(merge_value(a, schema, name, side, key, v,
                               value_of(list_of(files[k], name), key), &keep));
        if (keep && n == 1 && side) { /* alone: only its width may be old */
            int f = form_of(nk_ice_schema_type(schema, key, NULL));
            nk_code rc = f < 0 ? NK_E_INVALID : widen(a, f, &v->s);
            if (rc == NK_E_NOMEM)
                return rc;
            keep = rc == NK_OK;
        }
        if (keep)
            list->items[kept++] = list->items[i];
    }
    list->n = kept;
    return NK_OK;
}

nk_code nk_ice_merge_bounds(nk_arena *a, const nk_json *schema, const nk_ocf *const *files,
                            size_t n, bool counts, nk_ocf *out, nk_err *err)
{
    static const struct {
        const char *name;
        int side;
    } rows[] = {{"value_counts", 0},
                {"null_value_counts", 0},
                {"nan_value_counts", 0},
                {"lower_bounds", 1},
                {"upper_bounds", -1}};
    for (size_t i = 0; i < NK_COUNTOF(rows); i++) {
        if (!rows[i].side && !counts)
            nk_ocf_set_null(out, rows[i].name);
        else if (merge(a, schema, files, n, rows[i].name, rows[i].side, out) != NK_OK)
            return nomem(err);
    }
    return NK_OK;
}
