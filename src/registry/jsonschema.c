/* The JSON Schema row of the table of formats. */
#include <stdio.h>
#include <stdlib.h>

#include "registry/jsonschema_compat_int.h"

const nk_schema_rule js_rules[JSR_COUNT] = {
#define NK_JSR(name, glue, confluent, doc)                                                         \
    {#name, doc, {NK_VERDICT_##glue, NK_VERDICT_##confluent}},
#include "registry/jsonschema_rules.def"
#undef NK_JSR
};

static nk_code json_parse(nk_str text, const nk_schema_ref *refs, size_t n_refs, nk_arena *a,
                          nk_schema_doc **out, nk_err *err)
{
    nk_jsonschema *s;
    NK_TRY(nk_jsonschema_parse(text, refs, n_refs, a, &s, err));
    *out = (nk_schema_doc *)(void *)s;
    return NK_OK;
}

static nk_code json_canonical(const nk_schema_doc *doc, nk_buf *out, nk_err *err)
{
    return nk_jsonschema_canonical((const nk_jsonschema *)(const void *)doc, out, err);
}

/* -- compatibility ----------------------------------------------------------------------------- */

static nk_str show(nk_arena *a, const nk_json *v, size_t max)
{
    nk_buf b;
    nk_buf_init(&b, max);
    nk_jw_tree(&(nk_json_writer){.buf = &b}, v);
    nk_str s = b.failed ? NK_STR_NULL : nk_buf_dup(&b, a);
    nk_buf_free(&b);
    return s;
}

/* Paths are JSON pointers; those into a reference keep its name in front. */
static nk_str pointer(nk_str path)
{
    return path.n && path.p[0] == '#' ? nk_str_sub(path, 1, path.n) : path;
}

static nk_code add_diff(js_prover *p, const js_refusal *x, nk_arena *a, nk_schema_diffs *out,
                        nk_err *err)
{
    nk_schema_diff *d = nk_schema_diffs_add(out, a);
    if (!d)
        return nk_fail(err, NK_E_NOMEM, "no memory for the differences");
    *d = (nk_schema_diff){.rule = &js_rules[x->rule],
                          .writer_path = nk_str_dup(a, pointer(x->writer_path)),
                          .reader_path = nk_str_dup(a, pointer(x->reader_path))};
    const nk_json *k = x->keyword && *x->keyword ? nk_json_get(x->reader->src, x->keyword) : NULL;
    nk_str has = k ? show(a, k, 160) : NK_STR_NULL;
    nk_str doc = nk_str_c(js_rules[x->rule].doc);
    if (doc.n && doc.p[doc.n - 1] == '.')
        doc.n--;
    bool breaks = js_rules[x->rule].verdict[NK_DOOR_GLUE] == NK_VERDICT_BREAKS;
    if (x->sample)
        d->sample = show(a, x->sample, 1 << 20);
    d->message = nk_str_printf(
        a, "%.*s%s%s%s%.*s%s%s", NK_STR_ARG(doc), k ? " (" : "", k ? x->keyword : "",
        has.p ? ": " : "", NK_STR_ARG(has), k ? ")" : "",
        breaks && !d->sample.p ? "; no record that breaks was found, but that there is none could "
                                 "not be proved"
                               : "");
    return d->message.p ? NK_OK : nk_fail(err, NK_E_NOMEM, "no memory for the differences");
}

/* Changes that break nobody, seen side by side from the root through members of one name. */
static nk_code add_fine(const js_node *w, const js_node *r, int depth, nk_arena *a,
                        nk_schema_diffs *out, nk_err *err)
{
    if (depth > 60 || w->ref || r->ref || js_same_text(w->src, r->src))
        return NK_OK;
    for (size_t i = 0; i < r->n_properties + w->n_properties; i++) {
        bool added = i < r->n_properties;
        const js_member *m = added ? &r->properties[i] : &w->properties[i - r->n_properties];
        const js_node *other = added ? w : r;
        const js_member *twin = js_find(other->properties, other->n_properties, m->name);
        if (twin && added)
            NK_TRY(add_fine(twin->node, m->node, depth + 1, a, out, err));
        bool closed = w->additional && w->additional->is_false && w->n_patterns == 0;
        bool open = (!r->additional || r->additional->is_true) && r->n_patterns == 0;
        if (twin || out->n >= NK_SCHEMA_DIFFS_MAX ||
            (added ? !closed || js_has(r->required, r->n_required, m->name) : !open))
            continue;
        nk_schema_diff *d = nk_schema_diffs_add(out, a);
        if (!d)
            return nk_fail(err, NK_E_NOMEM, "no memory for the differences");
        int rule = added ? JSR_OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL
                         : JSR_PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL;
        d->rule = &js_rules[rule];
        d->writer_path = pointer(js_path_of(a, w, "properties", added ? NK_STR_NULL : m->name));
        d->reader_path = pointer(js_path_of(a, r, "properties", added ? m->name : NK_STR_NULL));
        d->message = nk_str_printf(a, "property '%.*s' was %s", NK_STR_ARG(m->name),
                                   added ? "added" : "removed");
    }
    return w->items && r->items ? add_fine(w->items, r->items, depth + 1, a, out, err) : NK_OK;
}

static nk_code json_compare(const nk_schema_doc *writer, const nk_schema_doc *reader, nk_arena *a,
                            nk_schema_diffs *out, nk_err *err)
{
    js_prover p = {.writer = (const nk_jsonschema *)(const void *)writer,
                   .reader = (const nk_jsonschema *)(const void *)reader,
                   .steps = 1000000,
                   .sample_left = 60000,
                   .lowest = SIZE_MAX};
    size_t before = out->n;
    nk_code rc = NK_OK;
    p.a = nk_arena_create(192u << 20);
    nk_map_init(&p.pairs);
    if (!p.a)
        return nk_fail(err, NK_E_NOMEM, "no memory to compare schemas");
    bool ok = js_prove_root(&p);
    if (p.nomem && nk_arena_used(p.a) < (160u << 20))
        rc = nk_fail(err, NK_E_NOMEM, "no memory to compare schemas");
    for (size_t i = 0; rc == NK_OK && i < p.refused.n && out->n < NK_SCHEMA_DIFFS_MAX; i++)
        rc = add_diff(&p, &p.refused.v[i], a, out, err);
    if (rc == NK_OK && !ok && out->n == before) {
        js_refusal x = {.rule = JSR_NOT_PROVABLE,
                        .reader = p.reader->root,
                        .writer_path = NK_STR("#"),
                        .reader_path = NK_STR("#")};
        rc = add_diff(&p, &x, a, out, err);
    }
    if (rc == NK_OK)
        rc = add_fine(p.writer->root, p.reader->root, 0, a, out, err);
    nk_map_free(&p.pairs);
    nk_arena_destroy(p.a);
    return rc;
}

/* -- links ------------------------------------------------------------------------------------- */

typedef struct link_finder {
    nk_arena *a;
    nk_strs ids, links; /* what the text defines, what it points to */
    nk_err *err;
} link_finder;

static nk_code note(link_finder *f, nk_strs *list, nk_str s)
{
    ptrdiff_t hash = nk_str_chr(s, '#');
    if (hash >= 0)
        s.n = (size_t)hash;
    for (size_t i = 0; i < list->n; i++) {
        if (nk_str_eq(list->v[i], s))
            return NK_OK;
    }
    nk_str *slot = s.n ? nk_strs_add(list, f->a) : NULL;
    if (slot)
        *slot = s;
    return slot || !s.n ? NK_OK : nk_fail(f->err, NK_E_NOMEM, "no memory for a schema's links");
}

static nk_code find_links(link_finder *f, const nk_json *v)
{
    for (const nk_json *x = v->first; x; x = x->next) {
        bool data = v->kind == NK_JSON_OBJECT &&
                    (nk_str_is(x->key, "enum") || nk_str_is(x->key, "const") ||
                     nk_str_is(x->key, "default") || nk_str_is(x->key, "examples"));
        if (data)
            continue;
        if (x->kind == NK_JSON_STRING && v->kind == NK_JSON_OBJECT) {
            if (nk_str_is(x->key, "$ref") || nk_str_is(x->key, "$dynamicRef"))
                NK_TRY(note(f, &f->links, x->text));
            if (nk_str_is(x->key, "$id") || nk_str_is(x->key, "id"))
                NK_TRY(note(f, &f->ids, x->text));
        }
        NK_TRY(find_links(f, x));
    }
    return NK_OK;
}

static nk_code json_links(nk_str text, nk_arena *a, nk_strs *out, nk_err *err)
{
    link_finder f = {.a = a, .err = err};
    nk_json *json;
    nk_code rc = nk_json_parse(text, a, 255, &json, err);
    if (rc == NK_E_SERIALIZATION || rc == NK_E_LIMIT) {
        if (err)
            err->code = NK_E_INVALID;
        (void)nk_wrap(err, "invalid JSON Schema");
        return NK_E_INVALID;
    }
    if (rc != NK_OK)
        return rc;
    NK_TRY(find_links(&f, json));
    for (size_t i = 0; i < f.links.n; i++) {
        bool own = false;
        for (size_t k = 0; k < f.ids.n && !own; k++) /* "b.json" is meant by ".../b.json" */
            own = nk_str_ends(f.ids.v[k], f.links.v[i]);
        nk_str *slot = own ? NULL : nk_strs_add(out, a);
        if (!own && !slot)
            return nk_fail(err, NK_E_NOMEM, "no memory for a schema's links");
        if (slot)
            *slot = f.links.v[i];
    }
    return NK_OK;
}

/* -- columns ----------------------------------------------------------------------------------- */

/* Schemas that are being written out: one inside itself cannot be, and becomes a string. */
typedef struct open_node {
    const js_node *node;
    const struct open_node *up;
} open_node;

static void hive_type(const js_node *n, nk_buf *b, const open_node *up);

static void hive_struct(const js_node *n, nk_buf *b, const open_node *up)
{
    nk_buf_puts(b, "struct<");
    size_t i = 0;
    const nk_json *props = nk_json_get(n->src, "properties");
    for (const nk_json *x = props ? props->first : NULL; x; x = x->next, i++) {
        const js_member *m = js_find(n->properties, n->n_properties, x->key);
        if (i)
            nk_buf_putc(b, ',');
        nk_buf_str(b, x->key);
        nk_buf_putc(b, ':');
        if (m)
            hive_type(m->node, b, up);
    }
    nk_buf_putc(b, '>');
}

/* The one alternative that is not null, if there is one. */
static const js_node *sole(const js_node *n)
{
    js_nodes b = n->any_of.n ? n->any_of : n->one_of;
    const js_node *found = NULL;
    for (size_t i = 0; i < b.n; i++) {
        if (b.v[i]->types == JV_NULL)
            continue;
        if (found)
            return NULL;
        found = b.v[i];
    }
    return found;
}

static void hive_type(const js_node *n, nk_buf *b, const open_node *up)
{
    open_node here = {n, up};
    bool inside = false;
    int depth = 0;
    for (int i = 0; i < 20 && n->ref; i++)
        n = n->ref;
    const js_node *only = n->types == JV_ANY ? sole(n) : NULL;
    unsigned t = n->types & ~(unsigned)JV_NULL;
    for (const open_node *o = up; o; o = o->up, depth++)
        inside |= o->node == n;
    here.node = n;
    if (b->failed)
        return;
    if (inside || depth > 60) {
        nk_buf_puts(b, "string");
    } else if (only) {
        hive_type(only, b, &here);
    } else if (t == JV_BOOL) {
        nk_buf_puts(b, "boolean");
    } else if (t && (t & ~(unsigned)(JV_INT | JV_IFLOAT)) == 0) {
        nk_buf_puts(b, "bigint");
    } else if (t == JV_NUMBER) {
        nk_buf_puts(b, "double");
    } else if (t == JV_ARRAY) {
        nk_buf_puts(b, "array<");
        if (n->items)
            hive_type(n->items, b, &here);
        else
            nk_buf_puts(b, "string");
        nk_buf_putc(b, '>');
    } else if (t == JV_OBJECT && n->n_properties) {
        hive_struct(n, b, &here);
    } else if (t == JV_OBJECT) {
        nk_buf_puts(b, "map<string,");
        if (n->additional && !n->additional->is_true && !n->additional->is_false)
            hive_type(n->additional, b, &here);
        else
            nk_buf_puts(b, "string");
        nk_buf_putc(b, '>');
    } else {
        nk_buf_puts(b, "string");
    }
}

static nk_code json_columns(const nk_schema_doc *doc, nk_arena *a, nk_schema_columns *out,
                            nk_err *err)
{
    const js_node *n = ((const nk_jsonschema *)(const void *)doc)->root;
    for (int i = 0; i < 20 && n->ref; i++)
        n = n->ref;
    const nk_json *props = nk_json_get(n->src, "properties");
    if (!props || n->n_properties == 0)
        return nk_fail(err, NK_E_INVALID,
                       "the schema describes no object with properties, so it gives no columns");
    nk_buf b;
    nk_buf_init(&b, 131072);
    nk_code rc = NK_OK;
    for (const nk_json *x = props->first; x && rc == NK_OK; x = x->next) {
        const js_member *m = js_find(n->properties, n->n_properties, x->key);
        nk_schema_column *c = nk_schema_columns_add(out, a);
        nk_buf_clear(&b);
        if (m)
            hive_type(m->node, &b, NULL);
        rc = nk_buf_check(&b, err);
        if (c)
            *c = (nk_schema_column){x->key, nk_buf_dup(&b, a), nk_json_str(x, "description")};
        if (rc == NK_OK && (!c || !c->type.p))
            rc = nk_fail(err, NK_E_NOMEM, "no memory for columns");
    }
    nk_buf_free(&b);
    return rc;
}

const nk_schema_format nk_schema_format_json = {
    .name = {"JSON", 4},
    .rules = js_rules,
    .n_rules = JSR_COUNT,
    .links = json_links,
    .parse = json_parse,
    .canonical = json_canonical,
    .compare = json_compare,
    .columns = json_columns,
};
