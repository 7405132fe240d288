/* Nodes that change columns: ApplyMapping, SelectFields, DropFields, SplitFields, RenameField,
 * ResolveChoice. */
#include "plan/plan_int.h"

nk_code nk_source_schema(nk_plan *p, const nk_node *n, nk_arena *a, const nk_type **out,
                         nk_err *err)
{
    const nk_scan *s;
    NK_TRY(nk_node_scan(n, &s, err));
    *out = s->type;
    return NK_OK;
}

nk_code nk_source_sql(nk_compile *c, const nk_node *n, nk_buf *out, nk_err *err)
{
    const nk_scan *s;
    NK_TRY(nk_node_scan(n, &s, err));
    if (c->scans)
        c->scans[c->nscans++] = s;
    return c->dialect->scan(c, s, out, err);
}

nk_code nk_same_schema(nk_plan *p, const nk_node *n, nk_arena *a, const nk_type **out, nk_err *err)
{
    return nk_input_schema(n, 0, out, err);
}

nk_code nk_same_sql(nk_compile *c, const nk_node *n, nk_buf *out, nk_err *err)
{
    return nk_buf_printf(out, "SELECT * FROM %.*s", NK_STR_ARG(nk_compile_input(c, n, 0)));
}

/* ---- ApplyMapping ---- */

/* The output as a tree: dotted targets make structs. */
typedef struct out_node out_node;
struct out_node {
    nk_str name;
    const nk_type *type; /* leaves */
    nk_str x;
    out_node *first, *last, *next;
};

static out_node *out_child(nk_arena *a, out_node *parent, nk_str name)
{
    for (out_node *o = parent->first; o; o = o->next)
        if (nk_str_eq(o->name, name))
            return o;
    out_node *o = NK_NEW(a, out_node);
    if (!o)
        return NULL;
    o->name = name;
    if (parent->last)
        parent->last->next = o;
    else
        parent->first = o;
    parent->last = o;
    return o;
}

static nk_code out_columns(nk_compile *c, const out_node *parent, nk_columns *l, nk_err *err)
{
    for (const out_node *o = parent->first; o; o = o->next) {
        if (o->type) {
            NK_TRY(nk_columns_put(l, c->arena, o->name, o->type, o->x, err));
            continue;
        }
        nk_columns inner = {0};
        const nk_type *t;
        NK_TRY(out_columns(c, o, &inner, err));
        NK_TRY(nk_columns_type(&inner, c->arena, &t, err));
        NK_TRY(nk_columns_put(l, c->arena, o->name, t, nk_x_struct(c, NK_STR_NULL, &inner), err));
    }
    return NK_OK;
}

static nk_code mapping_list(nk_compile *c, const nk_node *n, const nk_type *in, const nk_json *list,
                            const nk_path *from_prefix, out_node *root, nk_err *err);

/* FromPath below the parent's, unless it starts with it already. */
static nk_code mapping_from(nk_compile *c, const nk_json *m, const nk_path *prefix, nk_path *out,
                            nk_err *err)
{
    NK_TRY(nk_path_read(nk_json_get(m, "FromPath"), c->arena, out, err));
    bool whole = out->n > prefix->n;
    for (size_t i = 0; whole && i < prefix->n; i++)
        whole = nk_str_eq(out->parts[i], prefix->parts[i]);
    if (whole || !prefix->n)
        return NK_OK;
    nk_path joined = {.parts = NK_NEWN(c->arena, nk_str, prefix->n + out->n),
                      .n = prefix->n + out->n};
    if (!joined.parts)
        return nk_oom(err);
    memcpy(joined.parts, prefix->parts, prefix->n * sizeof(nk_str));
    memcpy(joined.parts + prefix->n, out->parts, out->n * sizeof(nk_str));
    *out = joined;
    return NK_OK;
}

static nk_code mapping_one(nk_compile *c, const nk_node *n, const nk_type *in, const nk_json *m,
                           const nk_path *prefix, out_node *root, nk_err *err)
{
    nk_path from, to;
    const nk_json *children = nk_json_get(m, "Children");
    if (nk_json_bool(m, "Dropped", false))
        return NK_OK;
    NK_TRY(mapping_from(c, m, prefix, &from, err));
    nk_str key = nk_json_str(m, "ToKey");
    if (key.n)
        NK_TRY(nk_path_parse(key, c->arena, &to, err));
    else
        to = from;
    out_node *o = root;
    for (size_t i = 0; o && i < to.n; i++)
        o = out_child(c->arena, o, to.parts[i]);
    if (!o)
        return nk_oom(err);
    if (children && children->count)
        return mapping_list(c, n, in, children, &from, o, err);
    if (o->type || o->first)
        return nk_node_fail(n, err, NK_E_INVALID, "two mappings give the field %s",
                            nk_path_text(c->arena, &to));
    const nk_type *have = nk_path_type(c->arena, in, &from), *want = have;
    nk_str type = nk_json_str(m, "ToType");
    if (!type.n)
        type = nk_json_str(m, "FromType");
    if (type.n) {
        nk_code rc = nk_type_parse(type, c->arena, &want, err);
        if (rc != NK_OK) {
            (void)nk_node_wrap(n, err);
            return rc;
        }
        /* "array", "struct", "map" alone: whatever the source has */
        if (have && have->kind == want->kind &&
            (want->kind == NK_T_STRUCT || want->kind == NK_T_ARRAY || want->kind == NK_T_MAP) &&
            nk_str_chr(type, '<') < 0)
            want = have;
    }
    if (!want)
        want = nk_type_scalar(NK_T_STRING);
    if (!have)
        have = nk_type_scalar(NK_T_NULL);
    nk_str x = have->kind == NK_T_NULL ? NK_STR("NULL") : nk_x_path(c, in, &from, 0, NK_STR_NULL);
    nk_code rc = nk_x_cast(c, x, have, want, &o->x, err);
    if (rc != NK_OK) {
        (void)nk_wrap(err, "field %s", nk_path_text(c->arena, &from));
        (void)nk_node_wrap(n, err);
        return rc;
    }
    o->type = want;
    return NK_OK;
}

static nk_code mapping_list(nk_compile *c, const nk_node *n, const nk_type *in, const nk_json *list,
                            const nk_path *prefix, out_node *root, nk_err *err)
{
    for (const nk_json *m = list ? list->first : NULL; m; m = m->next)
        NK_TRY(mapping_one(c, n, in, m, prefix, root, err));
    return NK_OK;
}

static nk_code mapping_columns(nk_compile *c, const nk_node *n, nk_columns *out, nk_err *err)
{
    const nk_type *in;
    out_node root = {0};
    nk_path none = {0};
    NK_TRY(nk_input_schema(n, 0, &in, err));
    NK_TRY(mapping_list(c, n, in, nk_json_get(n->options, "Mapping"), &none, &root, err));
    return out_columns(c, &root, out, err);
}
NK_COLUMNS_NODE(nk_mapping, mapping_columns)

/* ---- SelectFields, DropFields, SplitFields ---- */

typedef struct path_set {
    nk_path *v;
    size_t n;
    bool keep; /* keep these, else drop these */
} path_set;

static nk_code read_paths(nk_compile *c, const nk_node *n, const nk_json *list, const nk_type *in,
                          path_set *out, nk_err *err)
{
    out->v = NK_NEWN(c->arena, nk_path, (list ? list->count : 0) + 1);
    if (!out->v)
        return nk_oom(err);
    for (const nk_json *j = list ? list->first : NULL; j; j = j->next) {
        NK_TRY(nk_path_read(j, c->arena, &out->v[out->n], err));
        (void)nk_path_type(c->arena, in, &out->v[out->n]);
        out->n++;
    }
    return NK_OK;
}

/* How many leading parts agree. */
static size_t agree(const nk_path *a, const nk_path *b)
{
    size_t i = 0;
    while (i < a->n && i < b->n && nk_str_ieq(a->parts[i], b->parts[i]))
        i++;
    return i;
}

static bool set_hits(const path_set *s, const nk_path *path, bool *below)
{
    bool hit = false;
    *below = false;
    for (size_t i = 0; i < s->n; i++) {
        size_t k = agree(&s->v[i], path);
        hit = hit || k == s->v[i].n;
        *below = *below || (k == path->n && k < s->v[i].n);
    }
    return hit;
}

static nk_code set_field(void *arg, nk_compile *c, const nk_path *path, const nk_field *f, nk_str x,
                         nk_columns *out, bool *done, nk_err *err)
{
    const path_set *s = arg;
    bool below, hit = set_hits(s, path, &below);
    if (hit == s->keep && (hit || !below)) { /* stays whole */
        *done = true;
        return nk_columns_put(out, c->arena, f->name, f->type, x, err);
    }
    *done = hit || !below; /* gone whole, or taken apart */
    return NK_OK;
}

static bool set_inside(void *arg, const nk_path *path, const nk_type *t)
{
    bool below;
    (void)set_hits(arg, path, &below);
    return below;
}

static nk_code fields_columns(nk_compile *c, const nk_node *n, nk_columns *out, nk_err *err)
{
    const nk_type *in;
    path_set s = {.keep = !nk_str_is(nk_str_c(n->kind->name), "DropFields")};
    if (nk_json_i64(n->options, "output", 0) == 1)
        s.keep = false;
    NK_TRY(nk_input_schema(n, 0, &in, err));
    NK_TRY(read_paths(c, n, nk_json_get(n->options, "Paths"), in, &s, err));
    nk_edit e = {&s, set_field, set_inside};
    if (!s.keep)
        return nk_edit_columns(c, &e, in, out, err);
    /* the order is that of the paths for top-level fields, as in Glue's own output of
     * select_fields: the frame's */
    return nk_edit_columns(c, &e, in, out, err);
}
NK_COLUMNS_NODE(nk_fields, fields_columns)

/* ---- RenameField ---- */

typedef struct renaming {
    nk_path from;
    nk_str to;
} renaming;

static nk_code rename_field(void *arg, nk_compile *c, const nk_path *path, const nk_field *f,
                            nk_str x, nk_columns *out, bool *done, nk_err *err)
{
    const renaming *r = arg;
    if (path->n != r->from.n || agree(path, &r->from) != path->n)
        return NK_OK;
    *done = true;
    return nk_columns_put(out, c->arena, r->to, f->type, x, err);
}

static bool rename_inside(void *arg, const nk_path *path, const nk_type *t)
{
    const renaming *r = arg;
    return path->n < r->from.n && agree(path, &r->from) == path->n;
}

static nk_code rename_columns(nk_compile *c, const nk_node *n, nk_columns *out, nk_err *err)
{
    const nk_type *in;
    renaming r;
    nk_path to;
    NK_TRY(nk_input_schema(n, 0, &in, err));
    NK_TRY(nk_path_read(nk_json_get(n->options, "SourcePath"), c->arena, &r.from, err));
    NK_TRY(nk_path_read(nk_json_get(n->options, "TargetPath"), c->arena, &to, err));
    if (!nk_path_type(c->arena, in, &r.from))
        return nk_node_fail(n, err, NK_E_INVALID, "there is no field %s",
                            nk_path_text(c->arena, &r.from));
    if (to.n == r.from.n && to.n > 1 && agree(&to, &r.from) < to.n - 1)
        return nk_node_fail(n, err, NK_E_UNSUPPORTED,
                            "a field can be renamed where it is, not moved to another struct");
    r.to = to.parts[to.n - 1];
    if (to.n == 1 && r.from.n > 1) /* out of its struct, to the top */
        return nk_node_fail(n, err, NK_E_UNSUPPORTED,
                            "a nested field is moved by ApplyMapping, not renamed to the top");
    if (r.from.n == 1 && to.n > 1) { /* a name with dots */
        r.to = nk_str_c(nk_path_text(c->arena, &to));
    }
    nk_edit e = {&r, rename_field, rename_inside};
    return nk_edit_columns(c, &e, in, out, err);
}
NK_COLUMNS_NODE(nk_rename, rename_columns)

/* ---- ResolveChoice ---- */

typedef enum { ACT_CAST, ACT_PROJECT, ACT_COLS, ACT_STRUCT } act;
typedef struct resolving {
    const nk_node *node;
    struct spec {
        nk_path path;
        act act;
        const nk_type *to;
        bool used;
    } * specs;
    size_t n;
    bool all;               /* specs[0] for every choice */
    const nk_type *catalog; /* match_catalog */
} resolving;

static nk_code read_action(nk_compile *c, const nk_node *n, nk_str text, struct spec *s,
                           nk_err *err)
{
    nk_str type = NK_STR_NULL;
    if (nk_str_is(text, "make_cols"))
        s->act = ACT_COLS;
    else if (nk_str_is(text, "make_struct"))
        s->act = ACT_STRUCT;
    else if (nk_str_starts(text, NK_STR("cast:"))) {
        s->act = ACT_CAST;
        type = nk_str_sub(text, 5, text.n);
    } else if (nk_str_starts(text, NK_STR("project:"))) {
        s->act = ACT_PROJECT;
        type = nk_str_sub(text, 8, text.n);
    } else {
        return nk_node_fail(
            n, err, NK_E_INVALID,
            "unknown action \"%.*s\"; there are cast:TYPE, project:TYPE, make_cols, make_struct, "
            "match_catalog",
            NK_STR_ARG(text));
    }
    if (!type.p)
        return NK_OK;
    nk_code rc = nk_type_parse(nk_str_trim(type), c->arena, &s->to, err);
    if (rc != NK_OK)
        (void)nk_node_wrap(n, err);
    return rc;
}

static nk_code resolve_apply(resolving *r, nk_compile *c, const struct spec *s, const nk_path *path,
                             const nk_field *f, nk_str x, nk_columns *out, nk_err *err)
{
    nk_str v;
    nk_code rc;
    switch (s->act) {
    case ACT_CAST:
    case ACT_PROJECT:
        rc = nk_x_cast(c, x, f->type, s->to, &v, err);
        if (rc != NK_OK) {
            (void)nk_wrap(err, "field %s", nk_path_text(c->arena, path));
            (void)nk_node_wrap(r->node, err);
            return rc;
        }
        return nk_columns_put(out, c->arena, f->name, s->to, v, err);
    case ACT_STRUCT: {
        const nk_type *t = nk_type_struct(c->arena, f->type->fields, f->type->nfields);
        return nk_columns_put(out, c->arena, f->name, t, x, err);
    }
    case ACT_COLS:
        for (size_t i = 0; i < f->type->nfields; i++)
            NK_TRY(nk_columns_put(out, c->arena,
                                  nk_x_printf(c, "%.*s_%.*s", NK_STR_ARG(f->name),
                                              NK_STR_ARG(f->type->fields[i].name)),
                                  f->type->fields[i].type,
                                  nk_x_field(c, x, f->type->fields[i].name), err));
        return NK_OK;
    }
    return NK_OK;
}

static bool same_place(const nk_path *a, const nk_path *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        nk_str p = b->parts[i];
        if (nk_str_ends(p, NK_STR("[]")))
            p = nk_str_sub(p, 0, p.n - 2);
        if (!nk_str_ieq(a->parts[i], p))
            return false;
    }
    return true;
}

static nk_code resolve_field(void *arg, nk_compile *c, const nk_path *path, const nk_field *f,
                             nk_str x, nk_columns *out, bool *done, nk_err *err)
{
    resolving *r = arg;
    if (r->catalog) {
        const nk_field *want = path->n == 1 ? nk_field_find(r->catalog, f->name) : NULL;
        if (!want || nk_type_eq(want->type, f->type))
            return NK_OK;
        struct spec s = {.act = ACT_CAST, .to = want->type};
        *done = true;
        return resolve_apply(r, c, &s, path, f, x, out, err);
    }
    for (size_t i = 0; i < r->n; i++) {
        struct spec *s = &r->specs[i];
        bool choice = f->type->kind == NK_T_CHOICE;
        if (r->all ? !choice : !same_place(path, &s->path))
            continue;
        if (!choice && f->type->kind == NK_T_ARRAY && f->type->elem->kind == NK_T_CHOICE)
            continue; /* its elements are asked about next */
        s->used = true;
        if (!choice && (s->act == ACT_COLS || s->act == ACT_STRUCT || s->act == ACT_PROJECT))
            return NK_OK; /* nothing to settle */
        *done = true;
        return resolve_apply(r, c, s, path, f, x, out, err);
    }
    return NK_OK;
}

static bool resolve_inside(void *arg, const nk_path *path, const nk_type *t)
{
    const resolving *r = arg;
    if (r->all)
        return nk_type_has_choice(t);
    if (r->catalog)
        return false;
    for (size_t i = 0; i < r->n; i++) {
        const nk_path *s = &r->specs[i].path;
        if (s->n < path->n)
            continue;
        nk_path head = {s->parts, path->n};
        if (same_place(path, &head) && (s->n > path->n || t->kind == NK_T_ARRAY))
            return true;
    }
    return false;
}

static nk_code catalog_type(nk_compile *c, const nk_node *n, const nk_type **out, nk_err *err)
{
    const nk_json *table;
    nk_plan *p = n->plan;
    if (!p->host.table)
        return nk_node_fail(n, err, NK_E_UNSUPPORTED, "match_catalog needs a server");
    NK_TRY(p->host.table(p->host.arg, nk_json_str(n->options, "Database"),
                         nk_json_str(n->options, "Table"), c->arena, &table, err));
    const nk_json *sd = nk_json_get(table, "StorageDescriptor");
    const nk_json *lists[] = {nk_json_get(sd, "Columns"), nk_json_get(table, "PartitionKeys")};
    nk_columns l = {0};
    for (size_t i = 0; i < 2; i++)
        for (const nk_json *col = lists[i] ? lists[i]->first : NULL; col; col = col->next) {
            const nk_type *t;
            NK_TRY(nk_type_parse(nk_json_str(col, "Type"), c->arena, &t, err));
            NK_TRY(nk_columns_put(&l, c->arena, nk_json_str(col, "Name"), t, NK_STR_NULL, err));
        }
    return nk_columns_type(&l, c->arena, out, err);
}

static nk_code resolve_columns(nk_compile *c, const nk_node *n, nk_columns *out, nk_err *err)
{
    const nk_type *in;
    const nk_json *specs = nk_json_get(n->options, "Specs");
    nk_str choice = nk_json_str(n->options, "Choice");
    resolving r = {.node = n};
    /* what there is to settle is known only when all values have been seen */
    NK_TRY(nk_node_schema(n->inputs[0], n->plan->exact, &in, err));
    r.specs = NK_NEWN(c->arena, struct spec, (specs ? specs->count : 0) + 1);
    if (!r.specs)
        return nk_oom(err);
    if (choice.n && nk_str_is(choice, "match_catalog")) {
        NK_TRY(catalog_type(c, n, &r.catalog, err));
    } else if (choice.n) {
        r.all = true;
        r.n = 1;
        NK_TRY(read_action(c, n, choice, &r.specs[0], err));
    }
    for (const nk_json *j = specs ? specs->first : NULL; j; j = j->next) {
        struct spec *s = &r.specs[r.n++];
        NK_TRY(nk_path_read(nk_json_get(j, "Path"), c->arena, &s->path, err));
        if (!nk_path_type(c->arena, in, &s->path))
            r.n--; /* a path that is not there: nothing to settle */
        else
            NK_TRY(read_action(c, n, nk_json_str(j, "Action"), s, err));
    }
    nk_edit e = {&r, resolve_field, resolve_inside};
    return nk_edit_columns(c, &e, in, out, err);
}
NK_COLUMNS_NODE(nk_resolve, resolve_columns)
