/* Avro's schema resolution on values: what a writer has written as a reader's definition sees it.
 * Names and aliases, defaults, promotions and unions are those of the compatibility check. */
#include "registry/avro_data.h"
#include "registry/avro_int.h"

enum { DEPTH_MAX = 512 };

typedef struct resolver {
    nk_arena *arena;
    nk_err *err;
} resolver;

static nk_code nomem(const resolver *c)
{
    return nk_fail(c->err, NK_E_NOMEM, "no memory for a value");
}

static nk_code misfit(const resolver *c, const av_type *w, const av_type *r)
{
    nk_str from = av_label(w), to = av_label(r);
    return nk_fail(c->err, NK_E_INVALID, "what was written as %.*s cannot be read as %.*s",
                   NK_STR_ARG(from), NK_STR_ARG(to));
}

/* ---- defaults ---- */

static nk_code from_json(const resolver *c, const av_type *t, const nk_json *j, unsigned depth,
                         nk_avro_value *out);

/* Text whose characters are bytes, as defaults of bytes and fixed are written. */
static nk_code latin1(const resolver *c, nk_str s, nk_avro_text *out)
{
    char *p = nk_arena_alloc(c->arena, s.n + 1);
    size_t n = 0;
    if (!p)
        return nomem(c);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char b = (unsigned char)s.p[i];
        if (b >= 0xc2 && b <= 0xc3 && i + 1 < s.n)
            b = (unsigned char)(b << 6 | ((unsigned char)s.p[++i] & 0x3f));
        else if (b >= 0x80)
            return nk_fail(c->err, NK_E_INVALID, "a default of bytes holds more than bytes");
        p[n++] = (char)b;
    }
    *out = (nk_avro_text){p, n};
    return NK_OK;
}

static bool json_fits(const av_type *t, const nk_json *j)
{
    double d;
    switch (t->kind) {
    case AV_NULL:
        return j->kind == NK_JSON_NULL;
    case AV_BOOLEAN:
        return j->kind == NK_JSON_TRUE || j->kind == NK_JSON_FALSE;
    case AV_INT:
    case AV_LONG:
        return j->kind == NK_JSON_NUMBER;
    case AV_FLOAT:
    case AV_DOUBLE:
        return j->kind == NK_JSON_NUMBER ||
               (j->kind == NK_JSON_STRING && av_no_number(j->text, &d));
    case AV_ARRAY:
        return j->kind == NK_JSON_ARRAY;
    case AV_MAP:
    case AV_RECORD:
        return j->kind == NK_JSON_OBJECT;
    default:
        return j->kind == NK_JSON_STRING;
    }
}

static nk_code list_from_json(const resolver *c, const av_type *t, const nk_json *j, unsigned depth,
                              nk_avro_value *out)
{
    size_t n = t->kind == AV_RECORD ? t->fields.n : j->count, i = 0;
    nk_avro_value *v = NK_NEWN(c->arena, nk_avro_value, n + 1);
    nk_avro_text *keys = NK_NEWN(c->arena, nk_avro_text, n + 1);
    if (!v || !keys)
        return nomem(c);
    if (t->kind == AV_RECORD) {
        for (; i < n; i++) {
            const av_field *f = &t->fields.v[i];
            const nk_json *x = nk_json_getn(j, f->name);
            if (!x && !(x = f->value))
                return nk_fail(c->err, NK_E_INVALID, "the default of %.*s lacks the field %.*s",
                               NK_STR_ARG(t->full), NK_STR_ARG(f->name));
            NK_TRY(from_json(c, f->type, x, depth, &v[i]));
        }
    } else {
        for (const nk_json *x = j->first; x; x = x->next, i++) {
            keys[i] = (nk_avro_text){x->key.p, x->key.n};
            NK_TRY(from_json(c, t->items, x, depth, &v[i]));
        }
    }
    out->u.list.v = v;
    out->u.list.n = n;
    out->u.list.keys = t->kind == AV_MAP ? keys : NULL;
    return NK_OK;
}

static nk_code from_json(const resolver *c, const av_type *t, const nk_json *j, unsigned depth,
                         nk_avro_value *out)
{
    if (depth > DEPTH_MAX)
        return nk_fail(c->err, NK_E_LIMIT, "a default nests deeper than %d", DEPTH_MAX);
    if (t->kind == AV_UNION) {
        for (size_t i = 0; i < t->branches.n; i++) {
            if (!json_fits(t->branches.v[i], j))
                continue;
            NK_TRY(from_json(c, t->branches.v[i], j, depth + 1, out));
            out->branch = (int32_t)i;
            return NK_OK;
        }
        return nk_fail(c->err, NK_E_INVALID, "a default fits no branch of its union");
    }
    *out = (nk_avro_value){.kind = (nk_avro_kind)t->kind};
    if (!json_fits(t, j))
        return nk_fail(c->err, NK_E_INVALID, "a default does not fit its type");
    double d = 0;
    bool number = j->kind == NK_JSON_NUMBER && nk_str_f64(j->text, &d);
    switch (t->kind) {
    case AV_NULL:
        return NK_OK;
    case AV_BOOLEAN:
        out->u.b = j->kind == NK_JSON_TRUE;
        return NK_OK;
    case AV_INT:
    case AV_LONG:
        if (!nk_str_i64(j->text, &out->u.i)) /* 1e3 */
            out->u.i = number && d >= -9e18 && d <= 9e18 ? (int64_t)d : 0;
        return NK_OK;
    case AV_FLOAT:
    case AV_DOUBLE:
        if (j->kind == NK_JSON_STRING)
            (void)av_no_number(j->text, &d);
        out->u.d = t->kind == AV_FLOAT ? (float)d : d;
        return NK_OK;
    case AV_STRING:
        out->u.s = (nk_avro_text){j->text.p, j->text.n};
        return NK_OK;
    case AV_ENUM:
        out->u.i = (int64_t)av_symbol_find(t, j->text);
        return out->u.i >= 0 ? NK_OK : nk_fail(c->err, NK_E_INVALID, "a default is no symbol");
    case AV_BYTES:
    case AV_FIXED:
        return latin1(c, j->text, &out->u.s);
    default:
        return list_from_json(c, t, j, depth + 1, out);
    }
}

/* ---- values ---- */

static bool has(const nk_strs *list, nk_str s)
{
    for (size_t i = 0; i < list->n; i++)
        if (nk_str_eq(list->v[i], s))
            return true;
    return false;
}

static bool names_fit(const av_type *w, const av_type *r)
{
    return !av_named(w) || nk_str_eq(w->name, r->name) || has(&r->aliases, w->full);
}

static bool promotes(av_kind w, av_kind r)
{
    return (r == AV_LONG && w == AV_INT) || (r == AV_FLOAT && (w == AV_INT || w == AV_LONG)) ||
           (r == AV_DOUBLE && (w == AV_INT || w == AV_LONG || w == AV_FLOAT)) ||
           (r == AV_BYTES && w == AV_STRING) || (r == AV_STRING && w == AV_BYTES);
}

static nk_code resolve(const resolver *c, const av_type *w, const av_type *r,
                       const nk_avro_value *in, unsigned depth, nk_avro_value *out);

static nk_code into_union(const resolver *c, const av_type *w, const av_type *r,
                          const nk_avro_value *in, unsigned depth, nk_avro_value *out)
{
    for (int promoted = 0; promoted < 2; promoted++)
        for (size_t i = 0; i < r->branches.n; i++) {
            const av_type *b = r->branches.v[i];
            if (promoted ? !promotes(w->kind, b->kind) : w->kind != b->kind || !names_fit(w, b))
                continue;
            NK_TRY(resolve(c, w, b, in, depth, out));
            out->branch = (int32_t)i;
            return NK_OK;
        }
    return misfit(c, w, r);
}

static nk_code promote(const resolver *c, const av_type *w, const av_type *r,
                       const nk_avro_value *in, nk_avro_value *out)
{
    if (!promotes(w->kind, r->kind))
        return misfit(c, w, r);
    *out = *in;
    out->kind = (nk_avro_kind)r->kind;
    if (r->kind == AV_FLOAT)
        out->u.d = (float)in->u.i;
    else if (r->kind == AV_DOUBLE && w->kind != AV_FLOAT)
        out->u.d = (double)in->u.i;
    return r->kind != AV_STRING || nk_utf8_valid(nk_str_n(in->u.s.p, in->u.s.n)) ? NK_OK
                                                                                 : misfit(c, w, r);
}

static nk_code record(const resolver *c, const av_type *w, const av_type *r,
                      const nk_avro_value *in, unsigned depth, nk_avro_value *out)
{
    nk_avro_value *v = NK_NEWN(c->arena, nk_avro_value, r->fields.n + 1);
    if (!v)
        return nomem(c);
    for (size_t i = 0; i < r->fields.n; i++) {
        const av_field *f = &r->fields.v[i];
        size_t from = av_field_find(w, f->name);
        for (size_t k = 0; from == AV_NONE && k < f->aliases.n; k++)
            from = av_field_find(w, f->aliases.v[k]);
        if (from != AV_NONE)
            NK_TRY(resolve(c, w->fields.v[from].type, f->type, &in->u.list.v[from], depth, &v[i]));
        else if (f->value)
            NK_TRY(from_json(c, f->type, f->value, depth, &v[i]));
        else
            return nk_fail(c->err, NK_E_INVALID,
                           "field \"%.*s\" of %.*s was not written and has no default",
                           NK_STR_ARG(f->name), NK_STR_ARG(r->full));
    }
    out->u.list.v = v;
    out->u.list.n = r->fields.n;
    return NK_OK;
}

static nk_code items(const resolver *c, const av_type *w, const av_type *r, const nk_avro_value *in,
                     unsigned depth, nk_avro_value *out)
{
    nk_avro_value *v = NK_NEWN(c->arena, nk_avro_value, in->u.list.n + 1);
    if (!v)
        return nomem(c);
    for (size_t i = 0; i < in->u.list.n; i++)
        NK_TRY(resolve(c, w->items, r->items, &in->u.list.v[i], depth, &v[i]));
    out->u.list.v = v;
    return NK_OK;
}

static nk_code symbol(const resolver *c, const av_type *w, const av_type *r,
                      const nk_avro_value *in, nk_avro_value *out)
{
    nk_str s = w->symbols.v[in->u.i];
    size_t at = av_symbol_find(r, s);
    if (at == AV_NONE && r->enum_default.p)
        at = av_symbol_find(r, r->enum_default);
    if (at == AV_NONE)
        return nk_fail(c->err, NK_E_INVALID, "%.*s has no symbol \"%.*s\"", NK_STR_ARG(r->full),
                       NK_STR_ARG(s));
    out->u.i = (int64_t)at;
    return NK_OK;
}

static nk_code resolve(const resolver *c, const av_type *w, const av_type *r,
                       const nk_avro_value *in, unsigned depth, nk_avro_value *out)
{
    if (++depth > DEPTH_MAX)
        return nk_fail(c->err, NK_E_LIMIT, "a value nests deeper than %d", DEPTH_MAX);
    if (w->kind == AV_UNION)
        w = w->branches.v[in->branch];
    if (r->kind == AV_UNION)
        return into_union(c, w, r, in, depth, out);
    if (w->kind != r->kind)
        return promote(c, w, r, in, out);
    if (!names_fit(w, r) || (w->kind == AV_FIXED && w->size != r->size))
        return misfit(c, w, r);
    *out = *in;
    if (w == r)
        return NK_OK;
    if (w->kind == AV_RECORD)
        return record(c, w, r, in, depth, out);
    if (w->kind == AV_ENUM)
        return symbol(c, w, r, in, out);
    return w->items ? items(c, w, r, in, depth, out) : NK_OK;
}

nk_code nk_avro_resolve(const nk_schema_doc *writer, const nk_schema_doc *reader,
                        const nk_avro_value *in, nk_arena *a, nk_avro_value *out, nk_err *err)
{
    resolver c = {a, err};
    return resolve(&c, writer->root, reader->root, in, 0, out);
}
