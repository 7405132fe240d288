#include "engine/cols.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/text.h"

#define TEXTS_MAX  ((size_t)2 << 30) /* bytes of one column in one batch */
#define FEW_FIELDS 16

static nk_code oom(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

static nk_code does_not_fit(const nk_col *c, nk_type_kind kind, nk_err *err)
{
    nk_type t = {.kind = kind};
    return nk_fail(err, NK_E_INVALID, "column %.*s: a value of type %s does not fit %s",
                   NK_STR_ARG(c->name), nk_type_glue_name(&t), nk_type_glue_name(c->type));
}

static size_t width_of(nk_type_kind k)
{
    static const uint8_t widths[] = {[NK_T_NULL] = sizeof(nk_span),
                                     [NK_T_BOOLEAN] = sizeof(bool),
                                     [NK_T_BYTE] = 1,
                                     [NK_T_SHORT] = 2,
                                     [NK_T_INT] = 4,
                                     [NK_T_LONG] = 8,
                                     [NK_T_FLOAT] = 4,
                                     [NK_T_DOUBLE] = 8,
                                     [NK_T_DECIMAL] = 16,
                                     [NK_T_STRING] = sizeof(nk_span),
                                     [NK_T_CHAR] = sizeof(nk_span),
                                     [NK_T_VARCHAR] = sizeof(nk_span),
                                     [NK_T_BINARY] = sizeof(nk_span),
                                     [NK_T_DATE] = 4,
                                     [NK_T_TIMESTAMP] = 8,
                                     [NK_T_ARRAY] = sizeof(nk_span),
                                     [NK_T_MAP] = sizeof(nk_span),
                                     [NK_T_STRUCT] = 0,
                                     [NK_T_CHOICE] = 0};
    return widths[k];
}

/* ---- life ---- */

static int by_name(const void *a, const void *b, void *arg)
{
    const nk_col *kids = arg;
    return nk_str_cmp(kids[*(const size_t *)a].name, kids[*(const size_t *)b].name);
}

static nk_code index_fields(nk_col *c, nk_arena *a, nk_err *err)
{
    if (c->nkids <= FEW_FIELDS)
        return NK_OK;
    c->order = NK_NEWN(a, size_t, c->nkids);
    if (!c->order)
        return oom(err);
    for (size_t i = 0; i < c->nkids; i++)
        c->order[i] = i;
    qsort_r(c->order, c->nkids, sizeof *c->order, by_name, c->kids);
    return NK_OK;
}

static nk_code build(nk_col *c, const nk_type *t, nk_str name, nk_arena *a, nk_err *err)
{
    const nk_type *inner[2] = {t->kind == NK_T_MAP ? t->key : t->elem, t->elem};
    bool fields = t->kind == NK_T_STRUCT || t->kind == NK_T_CHOICE;
    *c = (nk_col){.type = t, .name = name, .wanted = true};
    nk_buf_init(&c->bytes, TEXTS_MAX);
    c->nkids = fields ? t->nfields : t->kind == NK_T_MAP ? 2 : t->kind == NK_T_ARRAY;
    if (!c->nkids)
        return NK_OK;
    c->kids = NK_NEWN(a, nk_col, c->nkids);
    if (!c->kids)
        return oom(err);
    for (size_t i = 0; i < c->nkids; i++)
        NK_TRY(build(&c->kids[i], fields ? t->fields[i].type : inner[i],
                     t->kind == NK_T_STRUCT ? t->fields[i].name : name, a, err));
    return t->kind == NK_T_STRUCT ? index_fields(c, a, err) : NK_OK;
}

/* ---- slots ---- */

static nk_code grow(nk_col *c, nk_err *err)
{
    size_t cap = c->cap ? c->cap * 2 : 64, width = width_of(c->type->kind);
    uint8_t *valid = nk_realloc(c->valid, cap);
    if (!valid)
        return oom(err);
    c->valid = valid;
    if (width) {
        void *data = nk_realloc(c->data, cap * width);
        if (!data)
            return oom(err);
        c->data = data;
    }
    c->cap = cap;
    return NK_OK;
}

/* One more value, null until something is put there. */
static nk_code slot(nk_col *c, nk_err *err)
{
    if (!c->wanted)
        return NK_OK;
    if (c->n == c->cap)
        NK_TRY(grow(c, err));
    c->valid[c->n] = 0;
    if (c->type->kind == NK_T_ARRAY || c->type->kind == NK_T_MAP)
        ((nk_span *)c->data)[c->n] = (nk_span){c->kids[0].n, 0};
    c->n++;
    if (c->type->kind == NK_T_STRUCT || c->type->kind == NK_T_CHOICE)
        for (size_t i = 0; i < c->nkids; i++)
            NK_TRY(slot(&c->kids[i], err));
    return NK_OK;
}

/* ---- emptying ---- */

static void clear(nk_col *c)
{
    c->n = 0;
    nk_buf_clear(&c->bytes);
    for (size_t i = 0; i < c->nkids; i++)
        clear(&c->kids[i]);
}

static void release(nk_col *c)
{
    nk_free(c->valid);
    nk_free(c->data);
    nk_buf_free(&c->bytes);
    for (size_t i = 0; c->kids && i < c->nkids; i++)
        release(&c->kids[i]);
}

void nk_cols_clear(nk_cols *c)
{
    clear(&c->row);
    c->rows = 0;
    (void)slot(&c->row, NULL); /* there is room: it had at least one */
}

void nk_cols_free(nk_cols *c)
{
    release(&c->row);
    nk_arena_destroy(c->arena);
    *c = (nk_cols){0};
}

/* ---- values ---- */

/* The alternative that a value of the kind goes to; NULL when there is none. */
static nk_col *alternative(nk_col *c, nk_type_kind kind)
{
    nk_col *best = NULL;
    for (size_t i = 0; i < c->nkids; i++) {
        nk_col *k = &c->kids[i];
        nk_type_kind is = k->type->kind;
        if (is == kind || (nk_kind_is_text(is) && nk_kind_is_text(kind)))
            return k;
        bool holds = (nk_kind_is_number(is) && nk_kind_is_number(kind) && is > kind &&
                      !(is == NK_T_DECIMAL && (kind == NK_T_DOUBLE || kind == NK_T_FLOAT))) ||
                     (is == NK_T_TIMESTAMP && kind == NK_T_DATE);
        if (holds && !best)
            best = k;
    }
    return best;
}

static nk_code put(nk_sink *s, nk_place *at, const nk_value *v, nk_err *err);

static nk_code put_bytes(nk_col *c, nk_str s, nk_err *err)
{
    size_t from = c->bytes.n;
    if (nk_buf_str(&c->bytes, s) != NK_OK)
        return oom(err);
    ((nk_span *)c->data)[c->n - 1] = (nk_span){from, s.n};
    c->valid[c->n - 1] = 1;
    return NK_OK;
}

/* Half up, as Java's decimals; false when it does not fit the precision. */
static bool rescale(__int128 v, int from, const nk_type *t, __int128 *out)
{
    static const int digits_most = 38;
    bool minus = v < 0;
    unsigned __int128 u = minus ? -(unsigned __int128)v : (unsigned __int128)v, limit = 1;
    unsigned last = 0;
    for (int i = 0; i < t->precision && i < digits_most; i++)
        limit *= 10;
    for (; from > t->scale && (u || last); from--) {
        last = (unsigned)(u % 10);
        u /= 10;
    }
    u += last >= 5;
    for (; from < t->scale && u; from++) {
        if (u > limit)
            return false;
        u *= 10;
    }
    *out = minus ? -(__int128)u : (__int128)u;
    return u < limit;
}

static nk_code put_decimal(nk_col *c, const nk_value *v, nk_err *err)
{
    __int128 *to = &((__int128 *)c->data)[c->n - 1];
    bool whole = v->kind >= NK_T_BYTE && v->kind <= NK_T_LONG;
    if (v->text ? !nk_cell_decimal(v->s, c->type->precision, c->type->scale, to)
                : !(whole || v->kind == NK_T_DECIMAL) ||
                      !rescale(whole ? v->i : v->unscaled, whole ? 0 : v->scale, c->type, to)) {
        if (v->text)
            return NK_OK;
        return nk_fail(err, NK_E_INVALID, "column %.*s: a value does not fit decimal(%d,%d)",
                       NK_STR_ARG(c->name), c->type->precision, c->type->scale);
    }
    c->valid[c->n - 1] = 1;
    return NK_OK;
}

static double decimal_double(__int128 v, int scale)
{
    char text[80];
    unsigned __int128 u = v < 0 ? -(unsigned __int128)v : (unsigned __int128)v;
    size_t n = sizeof text - 20;
    int tail = snprintf(text + n, 20, "e%d", -scale);
    size_t at = n;
    double d = 0;
    do
        text[--at] = (char)('0' + (unsigned)(u % 10));
    while ((u /= 10) && at > 1);
    if (v < 0)
        text[--at] = '-';
    (void)nk_str_f64(nk_str_n(text + at, n - at + (size_t)tail), &d);
    return d;
}

static bool as_double(const nk_value *v, double *out)
{
    if (v->text)
        return nk_cell_double(v->s, out);
    if (v->kind == NK_T_FLOAT || v->kind == NK_T_DOUBLE)
        *out = v->d;
    else if (v->kind == NK_T_DECIMAL)
        *out = decimal_double(v->unscaled, v->scale);
    else
        *out = (double)v->i;
    return nk_kind_is_number(v->kind);
}

static bool put_integer(nk_col *c, const nk_value *v, int64_t min, int64_t max)
{
    int64_t i = v->i;
    if (v->text ? !nk_cell_long(v->s, &i) : v->kind < NK_T_BYTE || v->kind > NK_T_LONG)
        return false;
    if (i < min || i > max)
        return false;
    switch (c->type->kind) {
    case NK_T_BYTE:
        ((int8_t *)c->data)[c->n - 1] = (int8_t)i;
        break;
    case NK_T_SHORT:
        ((int16_t *)c->data)[c->n - 1] = (int16_t)i;
        break;
    case NK_T_INT:
        ((int32_t *)c->data)[c->n - 1] = (int32_t)i;
        break;
    default:
        ((int64_t *)c->data)[c->n - 1] = i;
    }
    return true;
}

static bool put_time(nk_col *c, const nk_value *v)
{
    int32_t days = (int32_t)v->i;
    int64_t us = v->kind == NK_T_DATE ? v->i * 86400000000 : v->i;
    bool day = c->type->kind == NK_T_DATE;
    if (v->text ? !(day ? nk_cell_date(v->s, &days) : nk_cell_timestamp(v->s, &us))
                : v->kind != NK_T_DATE && (day || v->kind != NK_T_TIMESTAMP))
        return false;
    if (day)
        ((int32_t *)c->data)[c->n - 1] = days;
    else
        ((int64_t *)c->data)[c->n - 1] = us;
    return true;
}

static bool put_fixed(nk_col *c, const nk_value *v)
{
    double d;
    switch (c->type->kind) {
    case NK_T_BOOLEAN: {
        bool b = v->i != 0;
        if (v->text ? !nk_cell_bool(v->s, &b) : v->kind != NK_T_BOOLEAN)
            return false;
        ((bool *)c->data)[c->n - 1] = b;
        return true;
    }
    case NK_T_BYTE:
        return put_integer(c, v, INT8_MIN, INT8_MAX);
    case NK_T_SHORT:
        return put_integer(c, v, INT16_MIN, INT16_MAX);
    case NK_T_INT:
        return put_integer(c, v, INT32_MIN, INT32_MAX);
    case NK_T_LONG:
        return put_integer(c, v, INT64_MIN, INT64_MAX);
    case NK_T_FLOAT:
        if (!as_double(v, &d))
            return false;
        ((float *)c->data)[c->n - 1] = (float)d;
        return true;
    case NK_T_DOUBLE:
        return as_double(v, &((double *)c->data)[c->n - 1]);
    case NK_T_DATE:
    case NK_T_TIMESTAMP:
        return put_time(c, v);
    default:
        return false;
    }
}

/* A plain value where a text stands: as Spark shows it. */
static nk_code put_shown(nk_col *c, const nk_value *v, nk_err *err)
{
    char text[64];
    size_t n = 0;
    if (v->kind == NK_T_BOOLEAN)
        n = (size_t)snprintf(text, sizeof text, "%s", v->i ? "true" : "false");
    else if (v->kind >= NK_T_BYTE && v->kind <= NK_T_LONG)
        n = (size_t)snprintf(text, sizeof text, "%lld", (long long)v->i);
    else if (v->kind == NK_T_FLOAT || v->kind == NK_T_DOUBLE)
        n = nk_spark_double_text(v->d, v->kind == NK_T_FLOAT, text, sizeof text);
    else if (v->kind == NK_T_DATE)
        n = nk_spark_date_text(v->i, text, sizeof text);
    else if (v->kind == NK_T_TIMESTAMP)
        n = nk_spark_timestamp_text(v->i, text, sizeof text);
    return n ? put_bytes(c, nk_str_n(text, n), err) : does_not_fit(c, v->kind, err);
}

/* Puts at an array what is no array: one more element. */
static nk_code put_more(nk_col *c, const nk_value *v, nk_sink *s, nk_err *err)
{
    c->valid[c->n - 1] = 1;
    NK_TRY(slot(&c->kids[0], err));
    ((nk_span *)c->data)[c->n - 1].length++;
    return put(s, (nk_place *)&c->kids[0], v, err);
}

static nk_code put_choice(nk_col *c, const nk_value *v, nk_sink *s, nk_err *err)
{
    nk_col *to = alternative(c, v->kind);
    if (!to && v->text)
        to = alternative(c, NK_T_STRING);
    if (!to)
        return v->kind == NK_T_NULL ? NK_OK : does_not_fit(c, v->kind, err);
    c->valid[c->n - 1] = 1;
    return put(s, (nk_place *)to, v, err);
}

static nk_code put(nk_sink *s, nk_place *at, const nk_value *v, nk_err *err)
{
    nk_col *c = (nk_col *)at;
    nk_type_kind is = c->type->kind;
    if (is == NK_T_CHOICE)
        return put_choice(c, v, s, err);
    if (is == NK_T_ARRAY && v->kind != NK_T_ARRAY)
        return v->kind == NK_T_NULL && !v->text ? NK_OK : put_more(c, v, s, err);
    if (v->kind == NK_T_NULL && !v->text)
        return NK_OK;
    if (is == v->kind && (is == NK_T_ARRAY || is == NK_T_MAP || is == NK_T_STRUCT)) {
        c->valid[c->n - 1] = 1;
        if (is != NK_T_STRUCT)
            ((nk_span *)c->data)[c->n - 1] = (nk_span){c->kids[0].n, 0};
        return NK_OK;
    }
    if (nk_kind_is_text(is))
        return v->text || nk_kind_is_text(v->kind) ? put_bytes(c, v->s, err) : put_shown(c, v, err);
    if (is == NK_T_BINARY && !v->text && (v->kind == NK_T_BINARY || nk_kind_is_text(v->kind)))
        return put_bytes(c, v->s, err);
    if (is == NK_T_DECIMAL)
        return put_decimal(c, v, err);
    if (put_fixed(c, v))
        c->valid[c->n - 1] = 1;
    else if (!v->text)
        return does_not_fit(c, v->kind, err);
    return NK_OK;
}

/* ---- places ---- */

/* Below a choice or, of what was put at an array as one more element, the element. */
static nk_col *below(nk_col *c, nk_type_kind kind)
{
    while (c && c->type->kind != kind) {
        if (c->type->kind == NK_T_CHOICE)
            c = alternative(c, kind);
        else if (c->type->kind == NK_T_ARRAY && c->kids[0].n)
            c = &c->kids[0];
        else
            return NULL;
    }
    return c;
}

static nk_col *find(nk_col *c, nk_str name, size_t hint)
{
    if (hint < c->nkids && nk_str_eq(c->kids[hint].name, name))
        return &c->kids[hint];
    if (!c->order) {
        for (size_t i = 0; i < c->nkids; i++)
            if (nk_str_eq(c->kids[i].name, name))
                return &c->kids[i];
        return NULL;
    }
    size_t low = 0, high = c->nkids;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int way = nk_str_cmp(c->kids[c->order[mid]].name, name);
        if (way == 0)
            return &c->kids[c->order[mid]];
        if (way < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static nk_code field(nk_sink *s, nk_place *at, nk_str name, size_t hint, nk_place **out,
                     nk_err *err)
{
    nk_col *c = below((nk_col *)at, NK_T_STRUCT);
    nk_col *f = c ? find(c, name, hint) : NULL;
    *out = f && f->wanted ? (nk_place *)f : NULL;
    return NK_OK;
}

static nk_code elem(nk_sink *s, nk_place *at, nk_place **out, nk_err *err)
{
    nk_col *c = below((nk_col *)at, NK_T_ARRAY);
    *out = NULL;
    if (!c || !c->n)
        return NK_OK;
    NK_TRY(slot(&c->kids[0], err));
    ((nk_span *)c->data)[c->n - 1].length++;
    *out = (nk_place *)&c->kids[0];
    return NK_OK;
}

static nk_code entry(nk_sink *s, nk_place *at, nk_place **key, nk_place **value, nk_err *err)
{
    nk_col *c = below((nk_col *)at, NK_T_MAP);
    *key = *value = NULL;
    if (!c || !c->n)
        return NK_OK;
    NK_TRY(slot(&c->kids[0], err));
    NK_TRY(slot(&c->kids[1], err));
    ((nk_span *)c->data)[c->n - 1].length++;
    *key = (nk_place *)&c->kids[0];
    *value = (nk_place *)&c->kids[1];
    return NK_OK;
}

static nk_code row(nk_sink *s, nk_err *err)
{
    nk_cols *c = (nk_cols *)s;
    c->rows++;
    return slot(&c->row, err);
}

nk_code nk_cols_init(nk_cols *c, const nk_type *type, const bool *wanted, nk_err *err)
{
    *c = (nk_cols){
        .sink = {
            .put = put, .field = field, .elem = elem, .entry = entry, .row = row, .typed = true}};
    c->sink.root = (nk_place *)&c->row;
    c->arena = nk_arena_create(0);
    if (!c->arena)
        return oom(err);
    nk_code rc = build(&c->row, type, NK_STR(""), c->arena, err);
    for (size_t i = 0; rc == NK_OK && wanted && i < c->row.nkids; i++)
        c->row.kids[i].wanted = wanted[i];
    if (rc == NK_OK)
        rc = slot(&c->row, err);
    if (rc != NK_OK)
        nk_cols_free(c);
    return rc;
}
