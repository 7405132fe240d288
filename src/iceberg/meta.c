/* Reading metadata of all format versions into one form, and writing it as its version wants. */
#include "iceberg/meta.h"

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

static nk_code bad(nk_err *err, const char *what)
{
    return nk_fail(err, NK_E_PARSE, "This is not Iceberg metadata: %s", what);
}

const nk_json *nk_ice_current_schema(const nk_json *table)
{
    return nk_ice_find(nk_ice_array(table, "schemas"), "schema-id",
                       nk_json_i64(table, "current-schema-id", -1));
}

const nk_json *nk_ice_default_spec(const nk_json *table)
{
    return nk_ice_find(nk_ice_array(table, "partition-specs"), "spec-id",
                       nk_json_i64(table, "default-spec-id", -1));
}

const nk_json *nk_ice_current_snapshot(const nk_json *table)
{
    return nk_ice_find(nk_ice_array(table, "snapshots"), "snapshot-id",
                       nk_json_i64(table, "current-snapshot-id", -1));
}

/* ---- reading ---- */

static void default_list(nk_ice_tree *t, nk_json *root, const char *key)
{
    if (!nk_ice_array(root, key))
        nk_ice_set(t, root, nk_str_c(key), nk_ice_new(t, NK_JSON_ARRAY));
}

static void default_object(nk_ice_tree *t, nk_json *root, const char *key)
{
    if (!nk_ice_object(root, key))
        nk_ice_set(t, root, nk_str_c(key), nk_ice_new(t, NK_JSON_OBJECT));
}

static void default_number(nk_ice_tree *t, nk_json *root, const char *key, int64_t v)
{
    int64_t x;
    if (!nk_ice_get_i64(root, key, &x))
        nk_ice_knum(t, root, key, v);
}

/* Version 1's "schema" and "partition-spec". */
static nk_code schemas_of_v1(nk_ice_tree *t, nk_json *root, nk_err *err)
{
    if (!nk_ice_array(root, "schemas")) {
        nk_json *one = nk_ice_copy(t, nk_ice_object(root, "schema"));
        if (!one)
            return t->failed ? nomem(err) : bad(err, "it has no schema");
        default_number(t, one, "schema-id", 0);
        nk_ice_set(t, root, NK_STR("schemas"), nk_ice_new(t, NK_JSON_ARRAY));
        nk_ice_knum(t, root, "current-schema-id", nk_json_i64(one, "schema-id", 0));
        nk_ice_add(t, nk_ice_array(root, "schemas"), one);
    }
    if (!nk_ice_array(root, "partition-specs")) {
        nk_json *old = nk_ice_array(root, "partition-spec"), *spec;
        if (!old)
            return bad(err, "it has no partition spec");
        nk_ice_set(t, root, NK_STR("partition-specs"), nk_ice_new(t, NK_JSON_ARRAY));
        spec = nk_ice_new(t, NK_JSON_OBJECT);
        nk_ice_knum(t, spec, "spec-id", 0);
        nk_ice_set(t, spec, NK_STR("fields"), nk_ice_copy(t, old));
        nk_ice_add(t, nk_ice_array(root, "partition-specs"), spec);
        nk_ice_knum(t, root, "default-spec-id", 0);
    }
    nk_ice_del(root, NK_STR("schema"));
    nk_ice_del(root, NK_STR("partition-spec"));
    return NK_OK;
}

/* Fields of a spec that have no id get those that version 1 counted for them; *last: the largest.
 */
static void spec_ids(nk_ice_tree *t, nk_json *specs, int64_t *last)
{
    *last = 999;
    NK_ICE_EACH(s, specs)
    {
        int64_t next = 1000, id;
        NK_ICE_EACH(f, nk_ice_array(s, "fields"))
        {
            if (nk_ice_get_i64(f, "field-id", &id))
                next = id < INT32_MAX ? id + 1 : id;
            else
                nk_ice_knum(t, f, "field-id", next++);
            if (next - 1 > *last)
                *last = next - 1;
        }
    }
}

static void default_order(nk_ice_tree *t, nk_json *root)
{
    nk_json *orders = nk_ice_array(root, "sort-orders");
    if (orders && orders->count)
        return;
    nk_json *o = nk_ice_new(t, NK_JSON_OBJECT);
    nk_ice_knum(t, o, "order-id", 0);
    nk_ice_set(t, o, NK_STR("fields"), nk_ice_new(t, NK_JSON_ARRAY));
    default_list(t, root, "sort-orders");
    nk_ice_add(t, nk_ice_array(root, "sort-orders"), o);
    nk_ice_knum(t, root, "default-sort-order-id", 0);
}

static void default_refs(nk_ice_tree *t, nk_json *root)
{
    const nk_json *current = nk_ice_current_snapshot(root);
    default_object(t, root, "refs");
    nk_json *refs = nk_ice_object(root, "refs");
    if (!current) {
        nk_ice_knum(t, root, "current-snapshot-id", -1);
        return;
    }
    if (nk_ice_object(refs, "main"))
        return;
    nk_json *main = nk_ice_new(t, NK_JSON_OBJECT);
    nk_ice_knum(t, main, "snapshot-id", nk_json_i64(current, "snapshot-id", -1));
    nk_ice_kstr(t, main, "type", NK_STR("branch"));
    nk_ice_set(t, refs, NK_STR("main"), main);
}

static nk_code table_form(nk_ice_tree *t, nk_json *root, nk_err *err)
{
    static const char *const lists[] = {"snapshots", "snapshot-log", "metadata-log", "statistics",
                                        "partition-statistics"};
    int64_t format = nk_json_i64(root, "format-version", 0), last;
    if (format < 1 || format > NK_ICE_FORMAT_MAX)
        return nk_fail(err, NK_E_PARSE, "Iceberg's format version %lld is not one of 1 to %d",
                       (long long)format, NK_ICE_FORMAT_MAX);
    if (!nk_json_str(root, "location").p)
        return bad(err, "it has no location");
    if (format > 1 && !nk_json_str(root, "table-uuid").p)
        return bad(err, "it has no table-uuid");
    NK_TRY(schemas_of_v1(t, root, err));
    spec_ids(t, nk_ice_array(root, "partition-specs"), &last);
    default_number(t, root, "default-spec-id", 0);
    default_number(t, root, "last-partition-id", last);
    default_number(t, root, "last-sequence-number", 0);
    default_number(t, root, "last-updated-ms", 0);
    default_order(t, root);
    default_number(t, root, "default-sort-order-id", 0);
    default_object(t, root, "properties");
    for (size_t i = 0; i < NK_COUNTOF(lists); i++)
        default_list(t, root, lists[i]);
    if (format >= 3)
        default_number(t, root, "next-row-id", 0);
    default_refs(t, root);
    if (t->failed)
        return nomem(err);
    if (!nk_ice_current_schema(root))
        return bad(err, "its current schema is not among its schemas");
    if (!nk_ice_array(nk_ice_current_schema(root), "fields"))
        return bad(err, "its current schema has no fields");
    if (!nk_ice_default_spec(root) || !nk_ice_array(nk_ice_default_spec(root), "fields"))
        return bad(err, "its default partition spec is not among its specs");
    default_number(t, root, "last-column-id", 0);
    return t->failed ? nomem(err) : NK_OK;
}

static nk_code read_object(nk_str text, nk_arena *a, nk_json **out, nk_err *err)
{
    nk_err why = NK_ERR_INIT;
    nk_code rc = nk_json_parse(text, a, NK_ICE_DEPTH_MAX, out, &why);
    if (rc == NK_E_NOMEM)
        return nomem(err);
    if (rc != NK_OK)
        return nk_fail(err, NK_E_PARSE, "This is not Iceberg metadata: %s", why.msg);
    return *out && (*out)->kind == NK_JSON_OBJECT ? NK_OK : bad(err, "it is no JSON object");
}

nk_code nk_ice_table_parse(nk_str text, nk_arena *a, nk_json **out, nk_err *err)
{
    nk_ice_tree t = {.a = a};
    NK_TRY(read_object(text, a, out, err));
    return table_form(&t, *out, err);
}

nk_code nk_ice_view_parse(nk_str text, nk_arena *a, nk_json **out, nk_err *err)
{
    nk_ice_tree t = {.a = a};
    NK_TRY(read_object(text, a, out, err));
    nk_json *root = *out;
    if (nk_json_i64(root, "format-version", 0) != 1)
        return bad(err, "a view's format version must be 1");
    if (!nk_json_str(root, "view-uuid").p || !nk_json_str(root, "location").p)
        return bad(err, "a view must have a view-uuid and a location");
    default_object(&t, root, "properties");
    default_list(&t, root, "version-log");
    if (t.failed)
        return nomem(err);
    if (!nk_ice_array(root, "schemas") || !nk_ice_find(nk_ice_array(root, "versions"), "version-id",
                                                       nk_json_i64(root, "current-version-id", -1)))
        return bad(err, "a view's current version is not among its versions");
    return NK_OK;
}

/* ---- writing ---- */

static void drop_when_empty(nk_json *root, const char *key)
{
    const nk_json *m = nk_json_get(root, key);
    if (m && !m->count)
        nk_ice_del(root, nk_str_c(key));
}

/* What readers of version 1 look for. */
static void add_v1(nk_ice_tree *t, nk_json *root)
{
    const nk_json *schema = nk_ice_current_schema(root), *spec = nk_ice_default_spec(root);
    nk_ice_set(t, root, NK_STR("schema"), nk_ice_copy(t, schema));
    nk_ice_set(t, root, NK_STR("partition-spec"), nk_ice_copy(t, nk_ice_array(spec, "fields")));
    nk_ice_del(root, NK_STR("last-sequence-number"));
}

nk_code nk_ice_table_write(nk_ice_tree *t, const nk_json *table, nk_buf *out, nk_err *err)
{
    nk_json *root = nk_ice_new(t, NK_JSON_OBJECT);
    if (!root)
        return nomem(err);
    *root = *table;
    int64_t format = nk_json_i64(table, "format-version", 2);
    /* members are taken out and put in: a list of its own, values shared */
    nk_json *m = table->first;
    root->first = root->last = NULL;
    root->count = 0;
    for (; m; m = m->next) {
        nk_json *c = nk_ice_new(t, m->kind);
        if (!c)
            return nomem(err);
        *c = *m;
        c->next = NULL;
        if (root->last)
            root->last->next = c;
        else
            root->first = c;
        root->last = c;
        root->count++;
    }
    if (format == 1)
        add_v1(t, root);
    if (format >= 3 && nk_json_i64(root, "current-snapshot-id", -1) < 0)
        nk_ice_set(t, root, NK_STR("current-snapshot-id"), nk_ice_new(t, NK_JSON_NULL));
    drop_when_empty(root, "statistics");
    drop_when_empty(root, "partition-statistics");
    if (t->failed)
        return nomem(err);
    nk_jw_tree(&(nk_json_writer){.buf = out}, root);
    return nk_buf_check(out, err);
}
