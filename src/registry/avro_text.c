/* What is made of an Avro definition: its canonical text, a table's columns. */
#include <stdlib.h>

#include "registry/avro_int.h"

enum { COLUMN_MAX = 131072, NEST_MAX = 64 };

typedef struct printer {
    nk_json_writer w;
    bool *printed; /* by type id */
    nk_code rc;
} printer;

typedef struct member {
    const nk_json *j;
    size_t place;
} member;

static int by_key(const void *a, const void *b)
{
    const member *x = a, *y = b;
    int c = nk_str_cmp(x->j->key, y->j->key);
    return c ? c : x->place < y->place ? -1 : 1;
}

static void put_json(printer *p, const nk_json *j);

/* An object's members in order of their names, without those in `skip`; of twins the last. */
static void put_members(printer *p, const nk_json *j, const char *const *skip)
{
    member *v = nk_calloc(j->count + 1, sizeof(*v));
    size_t n = 0;
    if (!v) {
        p->rc = NK_E_NOMEM;
        return;
    }
    for (const nk_json *m = j->first; m; m = m->next) {
        bool wanted = true;
        for (size_t i = 0; skip && skip[i]; i++)
            wanted = wanted && !nk_str_is(m->key, skip[i]);
        if (wanted) {
            v[n] = (member){m, n};
            n++;
        }
    }
    qsort(v, n, sizeof(*v), by_key);
    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n && nk_str_eq(v[i].j->key, v[i + 1].j->key))
            continue;
        nk_jw_key(&p->w, v[i].j->key);
        put_json(p, v[i].j);
    }
    nk_free(v);
}

static void put_json(printer *p, const nk_json *j)
{
    if (j->kind == NK_JSON_OBJECT) {
        nk_jw_object(&p->w);
        put_members(p, j, NULL);
        nk_jw_object_end(&p->w);
    } else if (j->kind == NK_JSON_ARRAY) {
        nk_jw_array(&p->w);
        for (const nk_json *m = j->first; m; m = m->next)
            put_json(p, m);
        nk_jw_array_end(&p->w);
    } else {
        nk_jw_tree(&p->w, j);
    }
}

static void put_type(printer *p, const av_type *t);

static void put_names(printer *p, const char *key, const nk_strs *names, bool empty_too)
{
    if (!names->n && !empty_too)
        return;
    nk_jw_key(&p->w, nk_str_c(key));
    nk_jw_array(&p->w);
    for (size_t i = 0; i < names->n; i++)
        nk_jw_str(&p->w, names->v[i]);
    nk_jw_array_end(&p->w);
}

static void put_fields(printer *p, const av_type *t)
{
    static const char *const known[] = {"name", "type", "doc", "order", "aliases", "default", NULL};
    nk_jw_key(&p->w, NK_STR("fields"));
    nk_jw_array(&p->w);
    for (size_t i = 0; i < t->fields.n; i++) {
        const av_field *f = &t->fields.v[i];
        nk_jw_object(&p->w);
        nk_jw_kstr(&p->w, "name", f->name);
        nk_jw_key(&p->w, NK_STR("type"));
        put_type(p, f->type);
        if (f->value) {
            nk_jw_key(&p->w, NK_STR("default"));
            put_json(p, f->value);
        }
        if (f->doc.p)
            nk_jw_kstr(&p->w, "doc", f->doc);
        if (f->order.p && !nk_str_ieq(f->order, NK_STR("ascending")))
            nk_jw_kcstr(&p->w, "order",
                        nk_str_ieq(f->order, NK_STR("ignore")) ? "ignore" : "descending");
        put_names(p, "aliases", &f->aliases, false);
        put_members(p, f->src, known);
        nk_jw_object_end(&p->w);
    }
    nk_jw_array_end(&p->w);
}

static void put_object(printer *p, const av_type *t)
{
    static const char *const known[] = {"name",  "type",   "namespace", "doc",  "aliases", "fields",
                                        "items", "values", "symbols",   "size", "default", NULL};
    /* attributes that only some kinds have are anybody's elsewhere */
    static const char *const plain[] = {"type", NULL}, *const items[] = {"type", "items", NULL},
                             *const values[] = {"type", "values", NULL};
    const char *const *skip = av_named(t)           ? known
                              : t->kind == AV_ARRAY ? items
                              : t->kind == AV_MAP   ? values
                                                    : plain;
    nk_jw_object(&p->w);
    if (av_named(t)) {
        nk_jw_kstr(&p->w, "name", t->full);
        p->printed[t->id] = true;
    }
    nk_jw_kcstr(&p->w, "type",
                t->kind == AV_RECORD && nk_str_is(nk_json_str(t->src, "type"), "error")
                    ? "error"
                    : av_kind_name(t->kind));
    if (t->kind == AV_RECORD)
        put_fields(p, t);
    if (t->kind == AV_ENUM)
        put_names(p, "symbols", &t->symbols, true);
    if (t->enum_default.p)
        nk_jw_kstr(&p->w, "default", t->enum_default);
    if (t->kind == AV_FIXED)
        nk_jw_ki64(&p->w, "size", t->size);
    if (t->items) {
        nk_jw_key(&p->w, nk_str_c(t->kind == AV_ARRAY ? "items" : "values"));
        put_type(p, t->items);
    }
    if (av_named(t)) {
        if (t->doc.p)
            nk_jw_kstr(&p->w, "doc", t->doc);
        put_names(p, "aliases", &t->aliases, false);
    }
    put_members(p, t->src, skip);
    nk_jw_object_end(&p->w);
}

static void put_type(printer *p, const av_type *t)
{
    if (t->kind == AV_UNION) {
        nk_jw_array(&p->w);
        for (size_t i = 0; i < t->branches.n; i++)
            put_type(p, t->branches.v[i]);
        nk_jw_array_end(&p->w);
    } else if (av_named(t) && (t->foreign || p->printed[t->id])) {
        nk_jw_str(&p->w, t->full);
    } else if (!av_named(t) && !t->items && (!t->src || t->src->count == 1)) {
        nk_jw_cstr(&p->w, av_kind_name(t->kind));
    } else {
        put_object(p, t);
    }
}

nk_code av_canonical(const nk_schema_doc *doc, nk_buf *out, nk_err *err)
{
    printer p = {.w = {.buf = out}, .printed = nk_calloc(doc->all.n, sizeof(bool))};
    if (!p.printed)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    put_type(&p, doc->root);
    nk_free(p.printed);
    if (p.rc != NK_OK)
        return nk_fail(err, p.rc, "out of memory");
    return nk_buf_check(out, err);
}

/* ---- columns ---- */

static nk_code put_hive(const av_type *t, nk_buf *b, unsigned depth, nk_err *err);

static nk_code put_struct(const av_type *t, nk_buf *b, unsigned depth, nk_err *err)
{
    nk_buf_puts(b, "struct<");
    for (size_t i = 0; i < t->fields.n; i++) {
        if (i)
            nk_buf_putc(b, ',');
        nk_buf_str(b, t->fields.v[i].name);
        nk_buf_putc(b, ':');
        NK_TRY(put_hive(t->fields.v[i].type, b, depth + 1, err));
    }
    nk_buf_putc(b, '>');
    return NK_OK;
}

/* A union with null is its other type; one of more is Hive's uniontype. */
static nk_code put_union(const av_type *t, nk_buf *b, unsigned depth, nk_err *err)
{
    size_t n = 0;
    for (size_t i = 0; i < t->branches.n; i++)
        n += t->branches.v[i]->kind != AV_NULL;
    if (!n) {
        nk_buf_puts(b, "string");
        return NK_OK;
    }
    nk_buf_puts(b, n > 1 ? "uniontype<" : "");
    bool comma = false;
    for (size_t i = 0; i < t->branches.n; i++) {
        if (t->branches.v[i]->kind == AV_NULL)
            continue;
        nk_buf_puts(b, comma ? "," : "");
        comma = true;
        NK_TRY(put_hive(t->branches.v[i], b, depth + 1, err));
    }
    nk_buf_puts(b, n > 1 ? ">" : "");
    return NK_OK;
}

static nk_code put_hive(const av_type *t, nk_buf *b, unsigned depth, nk_err *err)
{
    static const char *const plain[] = {
        [AV_NULL] = "string",  [AV_BOOLEAN] = "boolean", [AV_INT] = "int",
        [AV_LONG] = "bigint",  [AV_FLOAT] = "float",     [AV_DOUBLE] = "double",
        [AV_BYTES] = "binary", [AV_STRING] = "string",   [AV_ENUM] = "string",
        [AV_FIXED] = "binary",
    };
    if (depth > NEST_MAX)
        return nk_fail(err, NK_E_INVALID,
                       "The schema is recursive at %.*s, or nests deeper than %d levels: a table's "
                       "columns cannot be.",
                       NK_STR_ARG(av_label(t)), NEST_MAX);
    if (b->failed)
        return nk_fail(err, NK_E_INVALID, "A column's type would be longer than %d bytes.",
                       COLUMN_MAX);
    if (nk_str_is(t->logical, "decimal")) {
        /* Hive counts to 38 digits; wider ones stay bytes */
        if (t->precision <= 38)
            nk_buf_printf(b, "decimal(%lld,%lld)", (long long)t->precision, (long long)t->scale);
        else
            nk_buf_puts(b, "binary");
        return NK_OK;
    }
    if (nk_str_is(t->logical, "date"))
        return nk_buf_puts(b, "date"), NK_OK;
    if (t->logical.p && nk_str_find(t->logical, NK_STR("timestamp")) >= 0)
        return nk_buf_puts(b, "timestamp"), NK_OK;
    switch (t->kind) {
    case AV_RECORD:
        return put_struct(t, b, depth, err);
    case AV_UNION:
        return put_union(t, b, depth, err);
    case AV_ARRAY:
    case AV_MAP:
        nk_buf_puts(b, t->kind == AV_ARRAY ? "array<" : "map<string,");
        NK_TRY(put_hive(t->items, b, depth + 1, err));
        nk_buf_putc(b, '>');
        return NK_OK;
    default:
        nk_buf_puts(b, plain[t->kind]);
        return NK_OK;
    }
}

nk_code av_columns(const nk_schema_doc *doc, nk_arena *a, nk_schema_columns *out, nk_err *err)
{
    const av_type *t = doc->root;
    nk_buf b;
    nk_code rc = NK_OK;
    *out = (nk_schema_columns){0};
    if (t->kind != AV_RECORD)
        return nk_fail(err, NK_E_INVALID, "A table's schema must be a record, not %.*s.",
                       NK_STR_ARG(av_label(t)));
    nk_buf_init(&b, COLUMN_MAX);
    for (size_t i = 0; rc == NK_OK && i < t->fields.n; i++) {
        nk_schema_column *c = nk_schema_columns_add(out, a);
        nk_buf_clear(&b);
        rc = put_hive(t->fields.v[i].type, &b, 0, err);
        if (rc == NK_OK && b.failed)
            rc = nk_fail(err, b.why == NK_E_LIMIT ? NK_E_INVALID : b.why,
                         "A column's type would be longer than %d bytes.", COLUMN_MAX);
        if (rc != NK_OK || !c)
            break;
        c->name = t->fields.v[i].name;
        c->type = nk_buf_dup(&b, a);
        c->comment = t->fields.v[i].doc;
        if (!c->type.p)
            rc = nk_fail(err, NK_E_NOMEM, "out of memory");
    }
    nk_buf_free(&b);
    if (rc == NK_OK && out->n < t->fields.n)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    return rc;
}
