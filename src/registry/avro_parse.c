/* Avro 1.11 definitions: names and namespaces, aliases, defaults, logical types, links. A name must
 * be defined before it is used, as in Avro 1.11. */
#include <math.h>
#include <stdio.h>

#include "registry/avro_int.h"

enum { DEPTH_MAX = 255, DEFAULT_DEPTH_MAX = 100, DEFAULT_STEPS_MAX = 1000000 };

static const char *const kinds[] = {"null",   "boolean", "int",    "long",   "float",
                                    "double", "bytes",   "string", "record", "enum",
                                    "fixed",  "array",   "map",    "union"};

const char *av_kind_name(av_kind k)
{
    return kinds[k];
}

nk_str av_label(const av_type *t)
{
    return av_named(t) ? t->full : nk_str_c(kinds[t->kind]);
}

nk_str av_pointer(nk_arena *a, const av_at *at)
{
    size_t n = 0;
    char number[24];
    for (const av_at *p = at; p; p = p->up)
        n += 1 + (p->key.p ? 2 * p->key.n : 20);
    char *text = nk_arena_bytes(a, n + 1);
    if (!text)
        return NK_STR_NULL;
    size_t end = n;
    for (const av_at *p = at; p; p = p->up) {
        nk_str key = p->key;
        if (!p->up) { /* the root; one of another definition has a name */
            if (key.p) {
                text[--end] = '#';
                end -= key.n;
                memcpy(text + end, key.p, key.n);
            }
            break;
        }
        if (!key.p)
            key = nk_str_n(number, (size_t)snprintf(number, sizeof number, "%zu", p->index));
        for (size_t i = key.n; i-- > 0;) {
            bool escaped = key.p[i] == '~' || key.p[i] == '/';
            text[--end] = escaped ? (key.p[i] == '~' ? '0' : '1') : key.p[i];
            if (escaped)
                text[--end] = '~';
        }
        text[--end] = '/';
    }
    return nk_str_n(text + end, n - end);
}

typedef struct parser {
    nk_arena *arena;
    nk_map names; /* full name -> av_type */
    nk_schema_doc *doc;
    nk_strs *links; /* not NULL: unknown names are collected instead of refused */
    bool foreign;
    bool first_branch; /* of a union, for its default */
    size_t steps;
    nk_err *err;
} parser;

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

static nk_code bad(const parser *p, const av_at *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static nk_code bad(const parser *p, const av_at *at, const char *fmt, ...)
{
    char reason[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(reason, sizeof reason, fmt, ap);
    va_end(ap);
    nk_str where = av_pointer(p->arena, at);
    return nk_fail(p->err, NK_E_INVALID, "at %.*s: %s", where.n ? (int)where.n : 4,
                   where.n ? where.p : "root", reason);
}

static const av_at *below(parser *p, const av_at *up, const char *key, size_t index)
{
    av_at *at = NK_NEW(p->arena, av_at);
    if (at)
        *at = (av_at){up, nk_str_c(key), index};
    return at;
}

/* ---- names ---- */

static bool name_ok(nk_str s)
{
    if (!s.n)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return true;
}

static bool dotted_ok(nk_str s)
{
    nk_str piece;
    bool any = false;
    if (nk_str_ends(s, NK_STR(".")))
        return false;
    while (nk_str_split(&s, '.', &piece)) {
        any = true;
        if (!name_ok(piece))
            return false;
    }
    return any;
}

static nk_str doc_of(const nk_json *j)
{
    return nk_json_get(j, "doc") && nk_json_get(j, "doc")->kind == NK_JSON_STRING
               ? nk_json_str(j, "doc")
               : NK_STR_NULL;
}

/* The full form of a name seen in a namespace. */
static nk_str full_name(nk_arena *a, nk_str name, nk_str space)
{
    if (nk_str_chr(name, '.') >= 0 || !space.n)
        return name;
    return nk_str_printf(a, "%.*s.%.*s", NK_STR_ARG(space), NK_STR_ARG(name));
}

static int primitive(nk_str name)
{
    for (int k = AV_NULL; k <= AV_STRING; k++)
        if (nk_str_is(name, kinds[k]))
            return k;
    return -1;
}

static av_type *new_type(parser *p, av_kind kind, const nk_json *src, const av_at *at)
{
    av_type *t = NK_NEW(p->arena, av_type);
    av_types *all = &p->doc->all;
    if (!t)
        return NULL;
    *t = (av_type){.kind = kind, .src = src, .at = at, .least = AV_NONE, .foreign = p->foreign};
    if (all->n == all->cap) {
        size_t cap = all->cap ? all->cap * 2 : 32;
        av_type **v = NK_NEWN(p->arena, av_type *, cap);
        if (!v)
            return NULL;
        if (all->n)
            memcpy(v, all->v, all->n * sizeof(*v));
        all->v = v;
        all->cap = cap;
    }
    t->id = all->n;
    all->v[all->n++] = t;
    return t;
}

static nk_code unknown_name(parser *p, nk_str full, const av_at *at, av_type **out)
{
    if (!p->links)
        return bad(p, at,
                   "unknown type \"%.*s\": define it before its first use, or register a schema of "
                   "that name",
                   NK_STR_ARG(full));
    nk_str *link = nk_strs_add(p->links, p->arena);
    *out = new_type(p, AV_FIXED, NULL, at);
    if (!*out || !link)
        return nomem(p->err);
    *link = full;
    (*out)->unresolved = true;
    (*out)->full = (*out)->name = full;
    return nk_map_put(&p->names, full, *out, NULL);
}

static nk_code by_name(parser *p, nk_str name, nk_str space, const av_at *at, av_type **out)
{
    int k = primitive(name);
    if (k >= 0) {
        *out = new_type(p, (av_kind)k, NULL, at);
        return *out ? NK_OK : nomem(p->err);
    }
    if (!dotted_ok(name))
        return bad(p, at, "\"%.*s\" is no name of a type", NK_STR_ARG(name));
    nk_str full = full_name(p->arena, name, space);
    if (!full.p)
        return nomem(p->err);
    *out = nk_map_get(&p->names, full);
    if (!*out)
        *out = nk_map_get(&p->names, name);
    return *out ? NK_OK : unknown_name(p, full, at, out);
}

/* ---- attributes ---- */

static nk_code text_member(parser *p, const nk_json *j, const char *key, const av_at *at,
                           nk_str *out)
{
    const nk_json *m = nk_json_get(j, key);
    *out = NK_STR_NULL;
    if (!m)
        return NK_OK;
    if (m->kind != NK_JSON_STRING)
        return bad(p, at, "\"%s\" must be a string", key);
    *out = m->text;
    return NK_OK;
}

static nk_code read_aliases(parser *p, const nk_json *j, nk_str space, bool qualify,
                            const av_at *at, nk_strs *out)
{
    const nk_json *list = nk_json_get(j, "aliases");
    if (!list)
        return NK_OK;
    if (list->kind != NK_JSON_ARRAY)
        return bad(p, at, "\"aliases\" must be a list of names");
    for (const nk_json *m = list->first; m; m = m->next) {
        if (m->kind != NK_JSON_STRING || !(qualify ? dotted_ok(m->text) : name_ok(m->text)))
            return bad(p, at, "\"aliases\" must be a list of names");
        nk_str *s = nk_strs_add(out, p->arena);
        if (!s)
            return nomem(p->err);
        *s = qualify ? full_name(p->arena, m->text, space) : m->text;
        if (!s->p)
            return nomem(p->err);
    }
    return NK_OK;
}

/* Name, namespace, aliases and doc of a named type; puts it among the known. */
static nk_code read_name(parser *p, const nk_json *j, nk_str outer, const av_at *at, av_type *t)
{
    nk_str name, space;
    NK_TRY(text_member(p, j, "name", at, &name));
    NK_TRY(text_member(p, j, "namespace", at, &space));
    t->doc = doc_of(j);
    if (!name.n)
        return bad(p, at, "a %s must have a \"name\"", kinds[t->kind]);
    if (!space.p)
        space = outer;
    ptrdiff_t dot = nk_str_rchr(name, '.');
    if (dot >= 0)
        space = nk_str_sub(name, 0, (size_t)dot);
    t->name = dot >= 0 ? nk_str_sub(name, (size_t)dot + 1, name.n) : name;
    t->space = space.n ? space : NK_STR("");
    if (!name_ok(t->name) || (space.n && !dotted_ok(space)))
        return bad(p, at,
                   "\"%.*s\" is no name: letters, digits and _, not beginning with a digit, in "
                   "parts joined by dots",
                   NK_STR_ARG(space.n ? full_name(p->arena, t->name, space) : name));
    t->full = full_name(p->arena, t->name, t->space);
    if (!t->full.p)
        return nomem(p->err);
    if (primitive(t->full) >= 0)
        return bad(p, at, "\"%.*s\" is a type of Avro's own", NK_STR_ARG(t->full));
    NK_TRY(read_aliases(p, j, t->space, true, at, &t->aliases));
    if (nk_map_has(&p->names, t->full))
        return bad(p, at, "\"%.*s\" is defined twice", NK_STR_ARG(t->full));
    return nk_map_put(&p->names, t->full, t, NULL);
}

/* An open-addressing index over n names; *twice is the first one met again. */
static nk_code index_names(nk_arena *a, const void *first, size_t stride, size_t n,
                           uint32_t **slots, size_t *mask, nk_str *twice)
{
    size_t cap = 8;
    while (cap < n * 2)
        cap *= 2;
    *slots = NK_NEWN(a, uint32_t, cap);
    *mask = cap - 1;
    if (!*slots)
        return NK_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        nk_str name = *(const nk_str *)(const void *)((const char *)first + i * stride);
        size_t at = nk_hash64(name.p, name.n, 0) & *mask;
        for (; (*slots)[at]; at = (at + 1) & *mask) {
            const char *other = (const char *)first + ((*slots)[at] - 1) * stride;
            if (nk_str_eq(*(const nk_str *)(const void *)other, name) && !twice->p)
                *twice = name;
        }
        (*slots)[at] = (uint32_t)i + 1;
    }
    return NK_OK;
}

static size_t find_name(const void *first, size_t stride, const uint32_t *slots, size_t mask,
                        nk_str name)
{
    if (!slots)
        return AV_NONE;
    for (size_t at = nk_hash64(name.p, name.n, 0) & mask; slots[at]; at = (at + 1) & mask) {
        const char *p = (const char *)first + (slots[at] - 1) * stride;
        if (nk_str_eq(*(const nk_str *)(const void *)p, name))
            return slots[at] - 1;
    }
    return AV_NONE;
}

_Static_assert(offsetof(av_field, name) == 0, "index_names reads the name at the beginning");

size_t av_field_find(const av_type *r, nk_str name)
{
    return find_name(r->fields.v, sizeof(av_field), r->index, r->mask, name);
}

size_t av_symbol_find(const av_type *e, nk_str symbol)
{
    return find_name(e->symbols.v, sizeof(nk_str), e->symbol_index, e->symbol_mask, symbol);
}

/* ---- types ---- */

static nk_code read_type(parser *p, const nk_json *j, nk_str space, const av_at *at,
                         av_type **out) NK_MUST;

static nk_code read_field(parser *p, const nk_json *j, nk_str space, const av_at *at, av_field *f)
{
    static const char *const orders[] = {"ascending", "descending", "ignore"};
    if (j->kind != NK_JSON_OBJECT)
        return bad(p, at, "a field must be an object with \"name\" and \"type\"");
    f->src = j;
    f->at = at;
    NK_TRY(text_member(p, j, "name", at, &f->name));
    f->doc = doc_of(j);
    NK_TRY(text_member(p, j, "order", at, &f->order));
    if (!name_ok(f->name))
        return bad(p, at, "\"%.*s\" is no name of a field", NK_STR_ARG(f->name));
    bool known = !f->order.p;
    for (size_t i = 0; i < NK_COUNTOF(orders); i++)
        known = known || nk_str_ieq(f->order, nk_str_c(orders[i]));
    if (!known)
        return bad(p, at, "\"order\" must be ascending, descending or ignore");
    NK_TRY(read_aliases(p, j, NK_STR_NULL, false, at, &f->aliases));
    f->value = nk_json_get(j, "default");
    const nk_json *type = nk_json_get(j, "type");
    if (!type)
        return bad(p, at, "field \"%.*s\" has no \"type\"", NK_STR_ARG(f->name));
    const av_at *inner = below(p, at, "type", 0);
    return inner ? read_type(p, type, space, inner, &f->type) : nomem(p->err);
}

static nk_code read_record(parser *p, const nk_json *j, const av_at *at, av_type *t)
{
    const nk_json *fields = nk_json_get(j, "fields");
    if (!fields || fields->kind != NK_JSON_ARRAY)
        return bad(p, at, "record \"%.*s\" must have a list of \"fields\"", NK_STR_ARG(t->full));
    const av_at *list = below(p, at, "fields", 0);
    size_t i = 0;
    for (const nk_json *m = fields->first; list && m; m = m->next, i++) {
        const av_at *place = below(p, list, NULL, i);
        /* the list may move while a nested type is read */
        av_field f = {0}, *slot;
        if (!place)
            return nomem(p->err);
        NK_TRY(read_field(p, m, t->space, place, &f));
        slot = av_fields_add(&t->fields, p->arena);
        if (!slot)
            return nomem(p->err);
        *slot = f;
    }
    nk_str twice = NK_STR_NULL;
    if (!list || index_names(p->arena, t->fields.v, sizeof(av_field), t->fields.n, &t->index,
                             &t->mask, &twice) != NK_OK)
        return nomem(p->err);
    if (twice.p)
        return bad(p, at, "record \"%.*s\" has two fields \"%.*s\"", NK_STR_ARG(t->full),
                   NK_STR_ARG(twice));
    return NK_OK;
}

static nk_code read_enum(parser *p, const nk_json *j, const av_at *at, av_type *t)
{
    const nk_json *symbols = nk_json_get(j, "symbols");
    if (!symbols || symbols->kind != NK_JSON_ARRAY)
        return bad(p, at, "enum \"%.*s\" must have a list of \"symbols\"", NK_STR_ARG(t->full));
    for (const nk_json *m = symbols->first; m; m = m->next) {
        if (m->kind != NK_JSON_STRING || !name_ok(m->text))
            return bad(p, at, "\"%.*s\" is no symbol of an enum", NK_STR_ARG(m->text));
        nk_str *s = nk_strs_add(&t->symbols, p->arena);
        if (!s)
            return nomem(p->err);
        *s = m->text;
    }
    nk_str twice = NK_STR_NULL;
    if (index_names(p->arena, t->symbols.v, sizeof(nk_str), t->symbols.n, &t->symbol_index,
                    &t->symbol_mask, &twice) != NK_OK)
        return nomem(p->err);
    if (twice.p)
        return bad(p, at, "enum \"%.*s\" has the symbol \"%.*s\" twice", NK_STR_ARG(t->full),
                   NK_STR_ARG(twice));
    NK_TRY(text_member(p, j, "default", at, &t->enum_default));
    if (t->enum_default.p && av_symbol_find(t, t->enum_default) == AV_NONE)
        return bad(p, at, "the default \"%.*s\" is no symbol of enum \"%.*s\"",
                   NK_STR_ARG(t->enum_default), NK_STR_ARG(t->full));
    return NK_OK;
}

static nk_code read_fixed(parser *p, const nk_json *j, const av_at *at, av_type *t)
{
    const nk_json *size = nk_json_get(j, "size");
    if (!size || size->kind != NK_JSON_NUMBER || !nk_str_i64(size->text, &t->size) || t->size < 0 ||
        t->size > INT32_MAX)
        return bad(p, at, "fixed \"%.*s\" must have a \"size\" in bytes", NK_STR_ARG(t->full));
    return NK_OK;
}

static nk_code read_items(parser *p, const nk_json *j, nk_str space, const av_at *at, av_type *t)
{
    const char *key = t->kind == AV_ARRAY ? "items" : "values";
    const nk_json *m = nk_json_get(j, key);
    if (!m)
        return bad(p, at, "a%s must have \"%s\"", t->kind == AV_ARRAY ? "n array" : " map", key);
    const av_at *inner = below(p, at, key, 0);
    return inner ? read_type(p, m, space, inner, &t->items) : nomem(p->err);
}

/* A logical type whose rules are broken is ignored, as the specification wants it. */
static void read_logical(const nk_json *j, av_type *t)
{
    static const struct {
        const char *name;
        unsigned kinds;
        int64_t size; /* of a fixed */
    } table[] = {
        {"uuid", 1u << AV_STRING | 1u << AV_FIXED, 16},
        {"date", 1u << AV_INT, 0},
        {"time-millis", 1u << AV_INT, 0},
        {"time-micros", 1u << AV_LONG, 0},
        {"timestamp-millis", 1u << AV_LONG, 0},
        {"timestamp-micros", 1u << AV_LONG, 0},
        {"local-timestamp-millis", 1u << AV_LONG, 0},
        {"local-timestamp-micros", 1u << AV_LONG, 0},
        {"duration", 1u << AV_FIXED, 12},
    };
    nk_str name = nk_json_str(j, "logicalType");
    for (size_t i = 0; i < NK_COUNTOF(table); i++) {
        bool fits =
            table[i].kinds & 1u << t->kind && (t->kind != AV_FIXED || t->size == table[i].size);
        if (nk_str_is(name, table[i].name) && fits)
            t->logical = name;
    }
    if (!nk_str_is(name, "decimal") || (t->kind != AV_BYTES && t->kind != AV_FIXED))
        return;
    int64_t precision = nk_json_i64(j, "precision", 0), scale = nk_json_i64(j, "scale", 0);
    /* digits that a two's complement number of so many bytes holds */
    double most = t->kind == AV_FIXED ? (8.0 * (double)t->size - 1) * 0.30102999566398120 : 1e9;
    if (precision < 1 || scale < 0 || scale > precision || (double)precision > most)
        return;
    t->logical = name;
    t->precision = precision;
    t->scale = scale;
}

static nk_code read_object(parser *p, const nk_json *j, nk_str space, const av_at *at,
                           av_type **out)
{
    const nk_json *type = nk_json_get(j, "type");
    if (!type)
        return bad(p, at, "no \"type\"");
    if (type->kind != NK_JSON_STRING) { /* that stands in fields alone */
        return bad(p, at, "\"type\" must be the name of a type here, not an object or a list");
    }
    av_kind kind = AV_UNION;
    for (av_kind k = AV_NULL; k < AV_UNION; k++)
        if (nk_str_is(type->text, kinds[k]))
            kind = k;
    if (nk_str_is(type->text, "error"))
        kind = AV_RECORD;
    if (kind == AV_UNION)
        return by_name(p, type->text, space, at, out);
    av_type *t = *out = new_type(p, kind, j, at);
    if (!t)
        return nomem(p->err);
    if (av_named(t))
        NK_TRY(read_name(p, j, space, at, t));
    switch (kind) {
    case AV_RECORD:
        NK_TRY(read_record(p, j, at, t));
        break;
    case AV_ENUM:
        NK_TRY(read_enum(p, j, at, t));
        break;
    case AV_FIXED:
        NK_TRY(read_fixed(p, j, at, t));
        break;
    case AV_ARRAY:
    case AV_MAP:
        NK_TRY(read_items(p, j, space, at, t));
        break;
    default:
        break;
    }
    read_logical(j, t);
    return NK_OK;
}

static nk_code read_union(parser *p, const nk_json *j, nk_str space, const av_at *at, av_type **out)
{
    av_type *t = *out = new_type(p, AV_UNION, j, at);
    nk_map seen;
    nk_code rc = NK_OK;
    size_t i = 0;
    if (!t)
        return nomem(p->err);
    t->branches.v = NK_NEWN(p->arena, av_type *, j->count);
    nk_map_init(&seen);
    for (const nk_json *m = j->first; rc == NK_OK && m; m = m->next, i++) {
        const av_at *place = below(p, at, NULL, i);
        av_type *b = NULL;
        rc = place && t->branches.v ? read_type(p, m, space, place, &b) : nomem(p->err);
        if (rc != NK_OK)
            break;
        if (b->kind == AV_UNION)
            rc = bad(p, place, "a union may not hold a union directly");
        else if (nk_map_has(&seen, av_label(b)))
            rc = bad(p, place, "the union holds \"%.*s\" twice", NK_STR_ARG(av_label(b)));
        else
            rc = nk_map_put(&seen, av_label(b), b, NULL);
        t->branches.v[t->branches.n++] = b;
    }
    nk_map_free(&seen);
    if (rc == NK_OK && !t->branches.n)
        return bad(p, at, "a union must hold at least one type");
    return rc;
}

static nk_code read_type(parser *p, const nk_json *j, nk_str space, const av_at *at, av_type **out)
{
    switch (j->kind) {
    case NK_JSON_STRING:
        return by_name(p, j->text, space, at, out);
    case NK_JSON_ARRAY:
        return read_union(p, j, space, at, out);
    case NK_JSON_OBJECT:
        return read_object(p, j, space, at, out);
    default:
        return bad(p, at, "a type is a name, an object or a list");
    }
}

/* ---- defaults ---- */

static bool latin(nk_str s, size_t *points)
{
    uint32_t cp;
    *points = 0;
    for (size_t i = 0, n; i < s.n; i += n, ++*points) {
        n = nk_utf8_get(s.p + i, s.n - i, &cp);
        if (!n || cp > 0xff)
            return false;
    }
    return true;
}

bool av_no_number(nk_str text, double *out)
{
    *out = nk_str_is(text, "NaN")         ? NAN
           : nk_str_is(text, "Infinity")  ? INFINITY
           : nk_str_is(text, "-Infinity") ? -INFINITY
                                          : 0;
    return *out != 0;
}

static bool default_ok(parser *p, const av_type *t, const nk_json *v, unsigned depth);

static bool record_default_ok(parser *p, const av_type *t, const nk_json *v, unsigned depth)
{
    if (v->kind != NK_JSON_OBJECT)
        return false;
    p->steps += v->count / 64 * t->fields.n; /* members are found by walking */
    for (size_t i = 0; i < t->fields.n; i++) {
        const nk_json *m = nk_json_getn(v, t->fields.v[i].name);
        if (!m)
            m = t->fields.v[i].value;
        if (!m || !default_ok(p, t->fields.v[i].type, m, depth + 1))
            return false;
    }
    return true;
}

static bool items_default_ok(parser *p, const av_type *t, const nk_json *v, unsigned depth)
{
    if (v->kind != (t->kind == AV_ARRAY ? NK_JSON_ARRAY : NK_JSON_OBJECT))
        return false;
    for (const nk_json *m = v->first; m; m = m->next)
        if (!default_ok(p, t->items, m, depth + 1))
            return false;
    return true;
}

static bool default_ok(parser *p, const av_type *t, const nk_json *v, unsigned depth)
{
    int64_t i;
    size_t points;
    double d;
    if (depth > DEFAULT_DEPTH_MAX || ++p->steps > DEFAULT_STEPS_MAX)
        return false;
    switch (t->kind) {
    case AV_NULL:
        return v->kind == NK_JSON_NULL;
    case AV_BOOLEAN:
        return v->kind == NK_JSON_TRUE || v->kind == NK_JSON_FALSE;
    case AV_INT:
        return v->kind == NK_JSON_NUMBER && nk_str_i64(v->text, &i) && i >= INT32_MIN &&
               i <= INT32_MAX;
    case AV_LONG:
        return v->kind == NK_JSON_NUMBER && nk_str_i64(v->text, &i);
    case AV_FLOAT:
    case AV_DOUBLE:
        return v->kind == NK_JSON_NUMBER ||
               (v->kind == NK_JSON_STRING && av_no_number(v->text, &d));
    case AV_STRING:
        return v->kind == NK_JSON_STRING;
    case AV_BYTES:
        return v->kind == NK_JSON_STRING && latin(v->text, &points);
    case AV_FIXED:
        return t->unresolved ||
               (v->kind == NK_JSON_STRING && latin(v->text, &points) && points == (size_t)t->size);
    case AV_ENUM:
        return v->kind == NK_JSON_STRING && av_symbol_find(t, v->text) != AV_NONE;
    case AV_RECORD:
        return record_default_ok(p, t, v, depth);
    case AV_ARRAY:
    case AV_MAP:
        return items_default_ok(p, t, v, depth);
    case AV_UNION:
        for (size_t b = 0; b < t->branches.n && (!b || !p->first_branch); b++)
            if (default_ok(p, t->branches.v[b], v, depth + 1))
                return true;
        return false;
    }
    return false;
}

static nk_code check_defaults(parser *p)
{
    for (size_t i = 0; i < p->doc->all.n; i++) {
        const av_type *t = p->doc->all.v[i];
        for (size_t f = 0; f < t->fields.n; f++) {
            const av_field *x = &t->fields.v[f];
            if (x->value && !default_ok(p, x->type, x->value, 0))
                return bad(p, x->at,
                           "the default of field \"%.*s\" is no value of its type %.*s%s%s",
                           NK_STR_ARG(x->name), NK_STR_ARG(av_label(x->type)),
                           p->first_branch ? ": a union's default belongs to its first branch" : "",
                           p->steps > DEFAULT_STEPS_MAX ? " (or is too large to be checked)" : "");
        }
    }
    return NK_OK;
}

nk_code av_admit(const nk_schema_doc *doc, nk_door door, nk_arena *a, nk_err *err)
{
    parser p = {.arena = a, .doc = (nk_schema_doc *)doc, .first_branch = true, .err = err};
    return door == NK_DOOR_GLUE ? check_defaults(&p) : NK_OK;
}

/* ---- the least value ---- */

static size_t least_of(const av_type *t)
{
    size_t n = 0;
    switch (t->kind) {
    case AV_RECORD:
        for (size_t i = 0; i < t->fields.n; i++) {
            size_t f = t->fields.v[i].type->least;
            if (f == AV_NONE)
                return AV_NONE;
            n = f > n ? f : n;
        }
        return n + 1;
    case AV_UNION:
        n = AV_NONE;
        for (size_t i = 0; i < t->branches.n; i++)
            n = t->branches.v[i]->least < n ? t->branches.v[i]->least : n;
        return n == AV_NONE ? n : n + 1;
    case AV_ENUM:
        return t->symbols.n ? 1 : AV_NONE;
    default:
        return 1;
    }
}

static void measure(const nk_schema_doc *doc)
{
    bool changed = true;
    for (unsigned pass = 0; changed && pass < DEPTH_MAX; pass++) {
        changed = false;
        /* children stand behind their parents in the list */
        for (size_t i = doc->all.n; i-- > 0;) {
            av_type *t = doc->all.v[i];
            if (t->least != AV_NONE)
                continue;
            t->least = least_of(t);
            changed = changed || t->least != AV_NONE;
        }
    }
}

/* ---- whole definitions ---- */

static nk_code read_text(parser *p, nk_str text, nk_str name, av_type **out)
{
    nk_json *j;
    nk_err inner = NK_ERR_INIT;
    if (text.n > NK_SCHEMA_TEXT_MAX)
        return nk_fail(p->err, NK_E_INVALID, "longer than %d bytes", NK_SCHEMA_TEXT_MAX);
    nk_code rc = nk_json_parse(text, p->arena, DEPTH_MAX, &j, &inner);
    if (rc == NK_E_NOMEM)
        return nomem(p->err);
    if (rc != NK_OK)
        return nk_fail(p->err, NK_E_INVALID, "%s", inner.msg);
    av_at *root = NK_NEW(p->arena, av_at);
    if (!root)
        return nomem(p->err);
    root->key = name;
    return read_type(p, j, NK_STR(""), root, out);
}

static nk_code run(parser *p, nk_str text, const nk_schema_ref *refs, size_t n_refs)
{
    av_type *t;
    p->foreign = true;
    for (size_t i = 0; i < n_refs; i++) {
        if (nk_map_has(&p->names, refs[i].name))
            continue; /* an earlier reference brought it along */
        nk_code rc = read_text(p, refs[i].text, refs[i].name, &t);
        if (rc != NK_OK)
            return rc == NK_E_INVALID
                       ? nk_wrap(p->err, "in the reference \"%.*s\"", NK_STR_ARG(refs[i].name))
                       : rc;
    }
    p->foreign = false;
    NK_TRY(read_text(p, text, NK_STR_NULL, &p->doc->root));
    NK_TRY(check_defaults(p));
    measure(p->doc);
    return NK_OK;
}

static nk_code parse(nk_str text, const nk_schema_ref *refs, size_t n_refs, nk_strs *links,
                     nk_arena *a, nk_schema_doc **out, nk_err *err)
{
    parser p = {.arena = a, .links = links, .err = err, .doc = NK_NEW(a, nk_schema_doc)};
    if (!p.doc)
        return nomem(err);
    p.doc->arena = a;
    nk_map_init(&p.names);
    nk_code rc = run(&p, text, refs, n_refs);
    nk_map_free(&p.names);
    *out = p.doc;
    return rc == NK_E_NOMEM ? nomem(err) : rc;
}

nk_code av_links(nk_str text, nk_arena *a, nk_strs *out, nk_err *err)
{
    nk_schema_doc *doc;
    *out = (nk_strs){0};
    return parse(text, NULL, 0, out, a, &doc, err);
}

nk_code av_parse(nk_str text, const nk_schema_ref *refs, size_t n_refs, nk_arena *a,
                 nk_schema_doc **out, nk_err *err)
{
    return parse(text, refs, n_refs, NULL, a, out, err);
}
