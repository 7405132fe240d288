/* Updates and requirements of the REST specification, one row a kind, on the tree of a table's or a
 * view's metadata. */
#include <stdio.h>

#include "iceberg/meta.h"

#define LAST_ADDED (-1)

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

void nk_ice_edit_begin(nk_ice_edit *e, nk_arena *a, bool view, nk_json *base, int64_t now_ms,
                       nk_str uuid)
{
    *e = (nk_ice_edit){.t = {.a = a},
                       .root = base,
                       .view = view,
                       .created = !base,
                       .now_ms = now_ms,
                       .base_updated_ms = nk_json_i64(base, "last-updated-ms", 0),
                       .last_schema = -1,
                       .last_spec = -1,
                       .last_order = -1,
                       .last_version = -1,
                       .uuid = uuid};
    if (base)
        return;
    static const char *const table_lists[] = {"schemas",    "partition-specs",     "sort-orders",
                                              "snapshots",  "snapshot-log",        "metadata-log",
                                              "statistics", "partition-statistics"};
    static const char *const view_lists[] = {"schemas", "versions", "version-log"};
    e->root = nk_ice_new(&e->t, NK_JSON_OBJECT);
    nk_ice_knum(&e->t, e->root, "format-version", view ? 1 : 2);
    size_t n = view ? NK_COUNTOF(view_lists) : NK_COUNTOF(table_lists);
    for (size_t i = 0; i < n; i++)
        nk_ice_set(&e->t, e->root, nk_str_c(view ? view_lists[i] : table_lists[i]),
                   nk_ice_new(&e->t, NK_JSON_ARRAY));
    nk_ice_set(&e->t, e->root, NK_STR("properties"), nk_ice_new(&e->t, NK_JSON_OBJECT));
    if (view)
        return;
    nk_ice_set(&e->t, e->root, NK_STR("refs"), nk_ice_new(&e->t, NK_JSON_OBJECT));
    nk_ice_knum(&e->t, e->root, "last-sequence-number", 0);
    nk_ice_knum(&e->t, e->root, "last-column-id", 0);
    nk_ice_knum(&e->t, e->root, "last-partition-id", 999);
    nk_ice_knum(&e->t, e->root, "current-snapshot-id", -1);
    nk_ice_knum(&e->t, e->root, "current-schema-id", -1);
    nk_ice_knum(&e->t, e->root, "default-spec-id", -1);
    nk_ice_knum(&e->t, e->root, "default-sort-order-id", -1);
}

/* A tree that memory gave out on looks wrong: that is not the request's fault. */
static nk_code judge(const nk_ice_edit *e, nk_code rc, nk_err *err)
{
    return e->t.failed ? nomem(err) : rc;
}

/* ---- helpers ---- */

static nk_json *list(nk_ice_edit *e, const char *key)
{
    return nk_ice_array(e->root, key);
}

static int64_t number(const nk_ice_edit *e, const char *key)
{
    return nk_json_i64(e->root, key, -1);
}

static void set_number(nk_ice_edit *e, const char *key, int64_t v)
{
    nk_ice_knum(&e->t, e->root, key, v);
    e->changed = true;
}

static int64_t format_of(const nk_ice_edit *e)
{
    return nk_json_i64(e->root, "format-version", 2);
}

static nk_code missing(nk_err *err, const nk_json *u, const char *what)
{
    return nk_ice_fail(err, NK_ICE_BAD_REQUEST, "Cannot parse update %.*s: %s is missing",
                       NK_STR_ARG(nk_json_str(u, "action")), what);
}

static nk_code need_i64(const nk_json *u, const char *key, int64_t *out, nk_err *err)
{
    return nk_ice_get_i64(u, key, out) ? NK_OK : missing(err, u, key);
}

static nk_code need_str(const nk_json *u, const char *key, nk_str *out, nk_err *err)
{
    const nk_json *m = nk_json_get(u, key);
    if (!m || m->kind != NK_JSON_STRING)
        return missing(err, u, key);
    *out = m->text;
    return NK_OK;
}

static nk_code need(const nk_json *u, const char *key, nk_json_token kind, nk_json **out,
                    nk_err *err)
{
    *out = nk_json_get(u, key);
    return *out && (*out)->kind == kind ? NK_OK : missing(err, u, key);
}

static bool id_in(void *arg, const nk_json *m)
{
    const nk_json *ids = arg;
    int64_t id = 0, x;
    if (m->kind != NK_JSON_NUMBER || !nk_str_i64(m->text, &id))
        return false;
    NK_ICE_EACH(i, ids)
    {
        if (i->kind == NK_JSON_NUMBER && nk_str_i64(i->text, &x) && x == id)
            return true;
    }
    return false;
}

typedef struct by_id {
    const char *key;
    nk_json *ids;
} by_id;

static bool element_in(void *arg, const nk_json *m)
{
    by_id *b = arg;
    const nk_json *id = nk_json_get(m, b->key);
    return id && id_in(b->ids, id);
}

static bool was_added(const nk_ice_edit *e, int64_t snapshot)
{
    for (size_t i = 0; i < e->added.n; i++)
        if (e->added.v[i].old == snapshot)
            return true;
    return false;
}

/* ---- the whole ---- */

static nk_code assign_uuid(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    nk_str uuid;
    const char *key = e->view ? "view-uuid" : "table-uuid";
    NK_TRY(need_str(u, "uuid", &uuid, err));
    if (nk_str_eq(uuid, nk_json_str(e->root, key)))
        return NK_OK;
    if (!e->created && nk_json_str(e->root, key).p)
        return nk_ice_fail(err, NK_ICE_BAD_REQUEST, "Cannot reassign uuid");
    nk_ice_kstr(&e->t, e->root, key, uuid);
    e->changed = true;
    return NK_OK;
}

static nk_code upgrade_format(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    int64_t v, now = format_of(e);
    NK_TRY(need_i64(u, "format-version", &v, err));
    if (v > (e->view ? 1 : NK_ICE_FORMAT_MAX) || v < 1)
        return nk_ice_fail(
            err, NK_ICE_BAD_REQUEST,
            "Cannot upgrade %s to unsupported format version: v%lld (supported: v%d)",
            e->view ? "view" : "table", (long long)v, e->view ? 1 : NK_ICE_FORMAT_MAX);
    if (v < now && !(e->created && !list(e, "schemas")->count))
        return nk_ice_fail(err, NK_ICE_BAD_REQUEST, "Cannot downgrade v%lld table to v%lld",
                           (long long)now, (long long)v);
    if (v == now)
        return NK_OK;
    if (v >= 3 && number(e, "next-row-id") < 0)
        nk_ice_knum(&e->t, e->root, "next-row-id", 0);
    set_number(e, "format-version", v);
    return NK_OK;
}

static nk_code set_location(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    nk_str location;
    NK_TRY(need_str(u, "location", &location, err));
    while (location.n && location.p[location.n - 1] == '/')
        location.n--;
    if (!location.n)
        return nk_ice_fail(err, NK_ICE_BAD_REQUEST, "The location must not be empty.");
    if (nk_str_eq(location, nk_json_str(e->root, "location")))
        return NK_OK;
    nk_ice_kstr(&e->t, e->root, "location", location);
    e->changed = true;
    return NK_OK;
}

static nk_code set_properties(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    nk_json *updates, *properties = nk_ice_object(e->root, "properties");
    if (nk_json_get(u, "updates"))
        NK_TRY(need(u, "updates", NK_JSON_OBJECT, &updates, err));
    else /* an older name of the member */
        NK_TRY(need(u, "updated", NK_JSON_OBJECT, &updates, err));
    NK_ICE_EACH(m, updates)
    {
        if (m->kind != NK_JSON_STRING)
            return nk_ice_fail(err, NK_ICE_BAD_REQUEST, "Property %.*s must be a string.",
                               NK_STR_ARG(m->key));
        nk_ice_set(&e->t, properties, m->key, nk_ice_text(&e->t, m->text));
        e->changed = true;
    }
    return NK_OK;
}

static nk_code remove_properties(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    nk_json *removals;
    if (nk_json_get(u, "removals"))
        NK_TRY(need(u, "removals", NK_JSON_ARRAY, &removals, err));
    else
        NK_TRY(need(u, "removed", NK_JSON_ARRAY, &removals, err));
    NK_ICE_EACH(m, removals)
    {
        if (m->kind != NK_JSON_STRING)
            return missing(err, u, "a property's name");
        nk_ice_del(nk_ice_object(e->root, "properties"), m->text);
        e->changed = true;
    }
    return NK_OK;
}

/* ---- schemas ---- */

/* The id of the same schema, else one more than the largest. */
static int64_t schema_id(nk_ice_edit *e, const nk_json *schema, bool *found)
{
    int64_t next = e->view ? 0 : number(e, "current-schema-id");
    next = next < 0 ? 0 : next;
    *found = true;
    NK_ICE_EACH(s, list(e, "schemas"))
    {
        int64_t id = nk_json_i64(s, "schema-id", 0);
        const nk_json *x = nk_json_get(s, "identifier-field-ids"),
                      *y = nk_json_get(schema, "identifier-field-ids");
        bool ids = (x ? x->count : 0) == (y ? y->count : 0) &&
                   (!x || !x->count || nk_ice_same(x, y, NULL));
        if (ids && nk_ice_same(nk_ice_array(s, "fields"), nk_ice_array(schema, "fields"), NULL))
            return id;
        if (id >= next)
            next = id + 1;
    }
    *found = false;
    return next;
}

static nk_code add_schema_tree(nk_ice_edit *e, const nk_json *given, nk_err *err)
{
    int64_t highest, last = number(e, "last-column-id");
    bool found;
    NK_TRY(nk_ice_schema_check(given, e->view ? NK_ICE_FORMAT_MAX : format_of(e), &highest, err));
    int64_t id = schema_id(e, given, &found);
    e->last_schema = id;
    if (!e->view && highest > last)
        set_number(e, "last-column-id", highest);
    if (found)
        return NK_OK;
    nk_json *s = nk_ice_copy(&e->t, given);
    if (s && !nk_json_str(s, "type").p)
        nk_ice_kstr(&e->t, s, "type", NK_STR("struct"));
    nk_ice_knum(&e->t, s, "schema-id", id);
    nk_ice_add(&e->t, list(e, "schemas"), s);
    e->changed = true;
    return NK_OK;
}

static nk_code add_schema(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    nk_json *schema;
    NK_TRY(need(u, "schema", NK_JSON_OBJECT, &schema, err));
    return add_schema_tree(e, schema, err);
}

/* -1 stands for what was added last. */
static nk_code last_added(int64_t *id, int64_t last, const char *what, nk_err *err)
{
    if (*id != LAST_ADDED)
        return NK_OK;
    if (last < 0)
        return nk_ice_fail(err, NK_ICE_VALIDATION, "Cannot set last added %s: no %s has been added",
                           what, what);
    *id = last;
    return NK_OK;
}

static nk_code set_current(nk_ice_edit *e, const char *list_key, const char *id_key,
                           const char *current, const char *what, int64_t id, nk_err *err)
{
    if (number(e, current) == id)
        return NK_OK;
    if (!nk_ice_find(list(e, list_key), id_key, id))
        return nk_ice_fail(err, NK_ICE_BAD_REQUEST, "Cannot set current %s to unknown %s: %lld",
                           what, what, (long long)id);
    set_number(e, current, id);
    return NK_OK;
}

static nk_code set_current_schema(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    int64_t id;
    NK_TRY(need_i64(u, "schema-id", &id, err));
    NK_TRY(last_added(&id, e->last_schema, "schema", err));
    return set_current(e, "schemas", "schema-id", "current-schema-id", "schema", id, err);
}

static nk_code remove_listed(nk_ice_edit *e, const nk_json *u, const char *ids_key,
                             const char *list_key, const char *id_key, const char *current,
                             const char *what, nk_err *err)
{
    by_id b = {.key = id_key};
    nk_json now = {.kind = NK_JSON_NUMBER, .text = nk_json_str(e->root, current)};
    NK_TRY(need(u, ids_key, NK_JSON_ARRAY, &b.ids, err));
    if (id_in(b.ids, &now))
        return nk_ice_fail(err, NK_ICE_BAD_REQUEST, "Cannot remove the %s", what);
    if (nk_ice_drop(list(e, list_key), element_in, &b))
        e->changed = true;
    return NK_OK;
}

static nk_code remove_schemas(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    return remove_listed(e, u, "schema-ids", "schemas", "schema-id", "current-schema-id",
                         "current schema", err);
}

/* What specs and orders are judged by: the current schema, or the newest as long as a new table has
 * none. */
static const nk_json *schema_in_force(nk_ice_edit *e)
{
    const nk_json *schema = nk_ice_current_schema(e->root);
    return schema || !e->created ? schema : list(e, "schemas")->last;
}

/* ---- partition specs ---- */

static bool same_field(const nk_json *x, const nk_json *y)
{
    return nk_json_i64(x, "source-id", -1) == nk_json_i64(y, "source-id", -2) &&
           nk_str_eq(nk_json_str(x, "transform"), nk_json_str(y, "transform"));
}

static bool same_spec(const nk_json *x, const nk_json *y)
{
    const nk_json *a = nk_ice_array(x, "fields"), *b = nk_ice_array(y, "fields");
    a = a ? a->first : NULL;
    b = b ? b->first : NULL;
    for (; a && b; a = a->next, b = b->next)
        if (!same_field(a, b) || !nk_str_eq(nk_json_str(a, "name"), nk_json_str(b, "name")))
            return false;
    return !a && !b;
}

/* The id that an equal field of an earlier spec has; -1 when there is none. */
static int64_t field_id_of(nk_ice_edit *e, const nk_json *field)
{
    NK_ICE_EACH(s, list(e, "partition-specs"))
    {
        NK_ICE_EACH(f, nk_ice_array(s, "fields"))
        {
            if (same_field(f, field))
                return nk_json_i64(f, "field-id", -1);
        }
    }
    return -1;
}

static void number_fields(nk_ice_edit *e, nk_json *spec)
{
    int64_t last = number(e, "last-partition-id"), id;
    NK_ICE_EACH(f, nk_ice_array(spec, "fields"))
    {
        if (!nk_ice_get_i64(f, "field-id", &id)) {
            /* version 1 counts each spec's fields from 1000 on */
            id = format_of(e) == 1 ? -1 : field_id_of(e, f);
            if (id < 0)
                id = ++last;
            nk_ice_knum(&e->t, f, "field-id", id);
        }
        last = id > last ? id : last;
    }
    nk_ice_knum(&e->t, e->root, "last-partition-id", last);
}

static nk_code sequential_ids(nk_ice_edit *e, const nk_json *spec, nk_err *err)
{
    int64_t next = 1000;
    if (format_of(e) > 1)
        return NK_OK;
    NK_ICE_EACH(f, nk_ice_array(spec, "fields"))
    {
        if (nk_json_i64(f, "field-id", -1) != next++)
            return nk_ice_fail(err, NK_ICE_VALIDATION,
                               "Spec does not use sequential IDs that are required in v1");
    }
    return NK_OK;
}

static nk_code add_spec_tree(nk_ice_edit *e, const nk_json *given, nk_err *err)
{
    int64_t next = 0;
    const nk_json *schema = schema_in_force(e);
    if (!schema)
        return nk_ice_fail(err, NK_ICE_VALIDATION,
                           "Attempting to add a partition spec before a schema is added");
    NK_TRY(nk_ice_spec_check(given, schema, err));
    NK_ICE_EACH(s, list(e, "partition-specs"))
    {
        int64_t id = nk_json_i64(s, "spec-id", 0);
        if (same_spec(s, given)) {
            e->last_spec = id;
            return NK_OK;
        }
        next = id >= next ? id + 1 : next;
    }
    nk_json *spec = nk_ice_copy(&e->t, given);
    nk_ice_knum(&e->t, spec, "spec-id", next);
    if (e->t.failed)
        return nomem(err);
    number_fields(e, spec);
    NK_TRY(sequential_ids(e, spec, err));
    nk_ice_add(&e->t, list(e, "partition-specs"), spec);
    e->last_spec = next;
    e->changed = true;
    return NK_OK;
}

static nk_code add_spec(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    nk_json *spec;
    NK_TRY(need(u, "spec", NK_JSON_OBJECT, &spec, err));
    return add_spec_tree(e, spec, err);
}

static nk_code set_default_spec(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    int64_t id;
    NK_TRY(need_i64(u, "spec-id", &id, err));
    NK_TRY(last_added(&id, e->last_spec, "spec", err));
    return set_current(e, "partition-specs", "spec-id", "default-spec-id", "partition spec", id,
                       err);
}

static nk_code remove_specs(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    return remove_listed(e, u, "spec-ids", "partition-specs", "spec-id", "default-spec-id",
                         "default partition spec", err);
}

/* ---- sort orders ---- */

static nk_code add_order_tree(nk_ice_edit *e, const nk_json *given, nk_err *err)
{
    int64_t next = 1;
    const nk_json *schema = schema_in_force(e);
    if (!schema)
        return nk_ice_fail(err, NK_ICE_VALIDATION,
                           "Attempting to add a sort order before a schema is added");
    NK_TRY(nk_ice_order_check(given, schema, err));
    const nk_json *fields = nk_ice_array(given, "fields");
    if (!fields->count)
        next = 0;
    NK_ICE_EACH(o, list(e, "sort-orders"))
    {
        int64_t id = nk_json_i64(o, "order-id", 0);
        if (nk_ice_same(nk_ice_array(o, "fields"), fields, NULL)) {
            e->last_order = id;
            return NK_OK;
        }
        next = fields->count && id >= next ? id + 1 : next;
    }
    nk_json *order = nk_ice_copy(&e->t, given);
    nk_ice_knum(&e->t, order, "order-id", next);
    nk_ice_add(&e->t, list(e, "sort-orders"), order);
    e->last_order = next;
    e->changed = true;
    return NK_OK;
}

static nk_code add_order(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    nk_json *order;
    NK_TRY(need(u, "sort-order", NK_JSON_OBJECT, &order, err));
    return add_order_tree(e, order, err);
}

static nk_code set_default_order(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    int64_t id;
    NK_TRY(need_i64(u, "sort-order-id", &id, err));
    NK_TRY(last_added(&id, e->last_order, "sort order", err));
    return set_current(e, "sort-orders", "order-id", "default-sort-order-id", "sort order", id,
                       err);
}

/* ---- snapshots and refs ---- */

static nk_code row_ids(nk_ice_edit *e, const nk_json *snapshot, nk_err *err)
{
    int64_t first, added, next = number(e, "next-row-id");
    if (format_of(e) < 3)
        return NK_OK;
    if (!nk_ice_get_i64(snapshot, "first-row-id", &first))
        return nk_ice_fail(err, NK_ICE_VALIDATION, "Cannot add a snapshot: first-row-id is null");
    if (!nk_ice_get_i64(snapshot, "added-rows", &added) || added < 0)
        return nk_ice_fail(err, NK_ICE_VALIDATION, "Cannot add a snapshot: added-rows is null");
    next = next < 0 ? 0 : next;
    if (first < next)
        return nk_ice_fail(
            err, NK_ICE_COMMIT_FAILED,
            "Cannot add a snapshot, first-row-id is behind table next-row-id: %lld < %lld",
            (long long)first, (long long)next);
    set_number(e, "next-row-id", next + added);
    return NK_OK;
}

static nk_code add_snapshot(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    nk_json *snapshot;
    int64_t id, parent, seq = 0, last = number(e, "last-sequence-number"), at;
    NK_TRY(need(u, "snapshot", NK_JSON_OBJECT, &snapshot, err));
    NK_TRY(need_i64(snapshot, "snapshot-id", &id, err));
    NK_TRY(need_i64(snapshot, "timestamp-ms", &at, err));
    if (!nk_json_str(snapshot, "manifest-list").p && !nk_ice_array(snapshot, "manifests"))
        return missing(err, u, "manifest-list");
    static const char *const lists[] = {"schemas", "partition-specs", "sort-orders"};
    for (size_t i = 0; i < NK_COUNTOF(lists); i++)
        if (!list(e, lists[i])->count)
            return nk_ice_fail(err, NK_ICE_VALIDATION,
                               "Attempting to add a snapshot before there are %s", lists[i]);
    if (nk_ice_find(list(e, "snapshots"), "snapshot-id", id))
        return nk_ice_fail(err, NK_ICE_VALIDATION, "Snapshot already exists for id: %lld",
                           (long long)id);
    bool has_seq = nk_ice_get_i64(snapshot, "sequence-number", &seq);
    if (format_of(e) > 1) {
        if (!has_seq)
            return missing(err, u, "sequence-number");
        if (seq <= last && nk_ice_get_i64(snapshot, "parent-snapshot-id", &parent))
            return nk_ice_fail(err, NK_ICE_COMMIT_FAILED,
                               "Cannot add snapshot with sequence number %lld older than last "
                               "sequence number %lld",
                               (long long)seq, (long long)last);
    }
    NK_TRY(row_ids(e, snapshot, err));
    if (seq > last)
        set_number(e, "last-sequence-number", seq);
    nk_ice_id *added = nk_ice_ids_add(&e->added, e->t.a);
    if (!added)
        return nomem(err);
    added->old = id;
    added->new = at;
    nk_ice_add(&e->t, list(e, "snapshots"), nk_ice_copy(&e->t, snapshot));
    e->changed = true;
    return NK_OK;
}

/* main moves: what is current and the log of it. */
static nk_code main_moved(nk_ice_edit *e, const nk_json *snapshot, int64_t id, nk_err *err)
{
    nk_json *entry = nk_ice_new(&e->t, NK_JSON_OBJECT);
    nk_str *seen = nk_strs_add(&e->main_ids, e->t.a);
    if (!seen)
        return nomem(err);
    *seen = nk_json_str(snapshot, "snapshot-id");
    set_number(e, "current-snapshot-id", id);
    nk_ice_knum(&e->t, entry, "snapshot-id", id);
    /* going back to an earlier snapshot happens now */
    nk_ice_knum(&e->t, entry, "timestamp-ms",
                was_added(e, id) ? nk_json_i64(snapshot, "timestamp-ms", e->now_ms) : e->now_ms);
    nk_ice_add(&e->t, list(e, "snapshot-log"), entry);
    return NK_OK;
}

static nk_code set_ref(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    static const char *const ages[] = {"min-snapshots-to-keep", "max-snapshot-age-ms",
                                       "max-ref-age-ms"};
    nk_str name, type;
    int64_t id, v;
    NK_TRY(need_str(u, "ref-name", &name, err));
    NK_TRY(need_str(u, "type", &type, err));
    NK_TRY(need_i64(u, "snapshot-id", &id, err));
    bool is_main = nk_str_is(name, "main"), branch = nk_str_ieq(type, NK_STR("branch"));
    if (!branch && !nk_str_ieq(type, NK_STR("tag")))
        return nk_ice_fail(err, NK_ICE_BAD_REQUEST, "Invalid snapshot ref type: %.*s",
                           NK_STR_ARG(type));
    const nk_json *snapshot = nk_ice_find(list(e, "snapshots"), "snapshot-id", id);
    if (!snapshot)
        return nk_ice_fail(err, NK_ICE_VALIDATION, "Cannot set %.*s to unknown snapshot: %lld",
                           NK_STR_ARG(name), (long long)id);
    if (is_main && !branch)
        return nk_ice_fail(err, NK_ICE_VALIDATION, "Cannot set main to a tag, it must be a branch");
    nk_json *ref = nk_ice_new(&e->t, NK_JSON_OBJECT), *refs = nk_ice_object(e->root, "refs");
    nk_ice_knum(&e->t, ref, "snapshot-id", id);
    nk_ice_kstr(&e->t, ref, "type", branch ? NK_STR("branch") : NK_STR("tag"));
    for (size_t i = 0; i < NK_COUNTOF(ages); i++) {
        if (!nk_ice_get_i64(u, ages[i], &v))
            continue;
        if (v <= 0 || (!branch && i < 2))
            return nk_ice_fail(err, NK_ICE_BAD_REQUEST, "Invalid %s of %.*s", ages[i],
                               NK_STR_ARG(name));
        nk_ice_knum(&e->t, ref, ages[i], v);
    }
    if (nk_ice_same(nk_json_getn(refs, name), ref, NULL))
        return NK_OK;
    bool moved = is_main && nk_json_i64(nk_json_getn(refs, name), "snapshot-id", -1) != id;
    nk_ice_set(&e->t, refs, name, ref);
    e->changed = true;
    return moved ? main_moved(e, snapshot, id, err) : NK_OK;
}

static void drop_ref(nk_ice_edit *e, nk_str name)
{
    nk_json *refs = nk_ice_object(e->root, "refs");
    if (!nk_json_getn(refs, name))
        return;
    nk_ice_del(refs, name);
    if (nk_str_is(name, "main"))
        set_number(e, "current-snapshot-id", -1);
    e->changed = true;
}

static nk_code remove_ref(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    nk_str name;
    NK_TRY(need_str(u, "ref-name", &name, err));
    drop_ref(e, name);
    return NK_OK;
}

static nk_code remove_snapshots(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    by_id b = {.key = "snapshot-id"};
    NK_TRY(need(u, "snapshot-ids", NK_JSON_ARRAY, &b.ids, err));
    if (!nk_ice_drop(list(e, "snapshots"), element_in, &b))
        return NK_OK;
    e->changed = e->dropped = true;
    (void)nk_ice_drop(list(e, "statistics"), element_in, &b);
    (void)nk_ice_drop(list(e, "partition-statistics"), element_in, &b);
    nk_json *refs = nk_ice_object(e->root, "refs"), *ref = refs->first;
    while (ref) {
        nk_json *next = ref->next; /* dropping relinks what stays, in order */
        nk_str name = ref->key;
        bool gone = element_in(&b, ref);
        if (gone)
            drop_ref(e, name);
        ref = next;
    }
    return NK_OK;
}

/* ---- statistics ---- */

static nk_code put_statistics(nk_ice_edit *e, const nk_json *u, const char *member,
                              const char *list_key, nk_err *err)
{
    nk_json *file, ids = {.kind = NK_JSON_ARRAY};
    int64_t id;
    NK_TRY(need(u, member, NK_JSON_OBJECT, &file, err));
    NK_TRY(need_i64(file, "snapshot-id", &id, err));
    if (!nk_json_str(file, "statistics-path").p)
        return missing(err, u, "statistics-path");
    nk_ice_add(&e->t, &ids, nk_ice_num(&e->t, id));
    if (e->t.failed)
        return nomem(err);
    by_id b = {.key = "snapshot-id", .ids = &ids};
    (void)nk_ice_drop(list(e, list_key), element_in, &b);
    nk_ice_add(&e->t, list(e, list_key), nk_ice_copy(&e->t, file));
    e->changed = true;
    return NK_OK;
}

static nk_code take_statistics(nk_ice_edit *e, const nk_json *u, const char *list_key, nk_err *err)
{
    nk_json ids = {.kind = NK_JSON_ARRAY};
    int64_t id;
    NK_TRY(need_i64(u, "snapshot-id", &id, err));
    nk_ice_add(&e->t, &ids, nk_ice_num(&e->t, id));
    if (e->t.failed)
        return nomem(err);
    by_id b = {.key = "snapshot-id", .ids = &ids};
    if (nk_ice_drop(list(e, list_key), element_in, &b))
        e->changed = true;
    return NK_OK;
}

static nk_code set_statistics(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    return put_statistics(e, u, "statistics", "statistics", err);
}

static nk_code remove_statistics(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    return take_statistics(e, u, "statistics", err);
}

static nk_code set_partition_statistics(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    return put_statistics(e, u, "partition-statistics", "partition-statistics", err);
}

static nk_code remove_partition_statistics(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    return take_statistics(e, u, "partition-statistics", err);
}

/* ---- encryption keys ---- */

static nk_code needs_v3(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    if (format_of(e) >= 3)
        return NK_OK;
    return nk_ice_fail(err, NK_ICE_VALIDATION,
                       "Update %.*s needs format version 3, this table has %lld: upgrade it first",
                       NK_STR_ARG(nk_json_str(u, "action")), (long long)format_of(e));
}

static bool has_key_id(void *arg, const nk_json *m)
{
    return nk_str_eq(nk_json_str(m, "key-id"), *(nk_str *)arg);
}

static nk_code add_key(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    nk_json *key;
    nk_str id = NK_STR_NULL, metadata;
    NK_TRY(needs_v3(e, u, err));
    NK_TRY(need(u, "encryption-key", NK_JSON_OBJECT, &key, err));
    NK_TRY(need_str(key, "key-id", &id, err));
    NK_TRY(need_str(key, "encrypted-key-metadata", &metadata, err));
    if (!list(e, "encryption-keys"))
        nk_ice_set(&e->t, e->root, NK_STR("encryption-keys"), nk_ice_new(&e->t, NK_JSON_ARRAY));
    NK_ICE_EACH(k, list(e, "encryption-keys"))
    {
        if (has_key_id(&id, k))
            return NK_OK;
    }
    nk_ice_add(&e->t, list(e, "encryption-keys"), nk_ice_copy(&e->t, key));
    e->changed = true;
    return NK_OK;
}

static nk_code remove_key(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    nk_str id = NK_STR_NULL;
    NK_TRY(needs_v3(e, u, err));
    NK_TRY(need_str(u, "key-id", &id, err));
    if (list(e, "encryption-keys") && nk_ice_drop(list(e, "encryption-keys"), has_key_id, &id))
        e->changed = true;
    return NK_OK;
}

/* ---- view versions ---- */

static nk_code check_version(const nk_json *u, const nk_json *v, nk_err *err)
{
    int64_t x;
    NK_TRY(need_i64(v, "version-id", &x, err));
    NK_TRY(need_i64(v, "timestamp-ms", &x, err));
    NK_TRY(need_i64(v, "schema-id", &x, err));
    if (!nk_ice_array(v, "default-namespace"))
        return missing(err, u, "default-namespace");
    const nk_json *r = nk_ice_array(v, "representations");
    if (!r || !r->count)
        return missing(err, u, "representations");
    NK_ICE_EACH(m, r)
    {
        if (!nk_json_str(m, "type").p || !nk_json_str(m, "sql").p || !nk_json_str(m, "dialect").p)
            return missing(err, u, "a representation's type, sql or dialect");
        NK_ICE_EACH(o, r)
        {
            if (o == m)
                break;
            if (nk_str_ieq(nk_json_str(o, "dialect"), nk_json_str(m, "dialect")))
                return nk_ice_fail(err, NK_ICE_BAD_REQUEST,
                                   "Invalid view version: Cannot add multiple queries for dialect "
                                   "%.*s",
                                   NK_STR_ARG(nk_json_str(m, "dialect")));
        }
    }
    return NK_OK;
}

static bool same_version(const nk_json *x, const nk_json *y)
{
    static const char *const members[] = {"summary", "representations", "default-catalog",
                                          "default-namespace", "schema-id"};
    for (size_t i = 0; i < NK_COUNTOF(members); i++)
        if (!nk_ice_same(nk_json_get(x, members[i]), nk_json_get(y, members[i]), NULL))
            return false;
    return true;
}

static nk_code add_version_tree(nk_ice_edit *e, const nk_json *u, const nk_json *given, nk_err *err)
{
    int64_t next = 1, schema;
    NK_TRY(check_version(u, given, err));
    nk_json *v = nk_ice_copy(&e->t, given);
    schema = nk_json_i64(given, "schema-id", 0);
    NK_TRY(last_added(&schema, e->last_schema, "schema", err));
    if (!nk_ice_find(list(e, "schemas"), "schema-id", schema))
        return nk_ice_fail(err, NK_ICE_BAD_REQUEST, "Cannot add version with unknown schema: %lld",
                           (long long)schema);
    nk_ice_knum(&e->t, v, "schema-id", schema);
    if (!v || e->t.failed)
        return nomem(err);
    if (!nk_ice_object(v, "summary"))
        nk_ice_set(&e->t, v, NK_STR("summary"), nk_ice_new(&e->t, NK_JSON_OBJECT));
    NK_ICE_EACH(o, list(e, "versions"))
    {
        int64_t id = nk_json_i64(o, "version-id", 0);
        if (same_version(o, v)) {
            e->last_version = id;
            return NK_OK;
        }
        next = id >= next ? id + 1 : next;
    }
    nk_ice_knum(&e->t, v, "version-id", next);
    nk_ice_add(&e->t, list(e, "versions"), v);
    e->last_version = next;
    e->changed = true;
    return NK_OK;
}

static nk_code add_version(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    nk_json *v;
    NK_TRY(need(u, "view-version", NK_JSON_OBJECT, &v, err));
    return add_version_tree(e, u, v, err);
}

static nk_code set_version_id(nk_ice_edit *e, int64_t id, nk_err *err)
{
    const nk_json *v = nk_ice_find(list(e, "versions"), "version-id", id);
    if (!v)
        return nk_ice_fail(err, NK_ICE_BAD_REQUEST,
                           "Cannot set current version to unknown version: %lld", (long long)id);
    if (number(e, "current-version-id") == id)
        return NK_OK;
    nk_json *entry = nk_ice_new(&e->t, NK_JSON_OBJECT);
    nk_ice_knum(&e->t, entry, "version-id", id);
    nk_ice_knum(&e->t, entry, "timestamp-ms",
                id == e->last_version ? nk_json_i64(v, "timestamp-ms", e->now_ms) : e->now_ms);
    nk_ice_add(&e->t, list(e, "version-log"), entry);
    set_number(e, "current-version-id", id);
    return NK_OK;
}

static nk_code set_version(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    int64_t id;
    NK_TRY(need_i64(u, "view-version-id", &id, err));
    NK_TRY(last_added(&id, e->last_version, "view version", err));
    return set_version_id(e, id, err);
}

/* ---- the tables ---- */

enum { TABLE = 1, VIEW = 2 };

static const struct update {
    const char *action;
    int of;
    nk_code (*run)(nk_ice_edit *e, const nk_json *update, nk_err *err);
} updates[] = {
    {"assign-uuid", TABLE | VIEW, assign_uuid},
    {"upgrade-format-version", TABLE | VIEW, upgrade_format},
    {"add-schema", TABLE | VIEW, add_schema},
    {"set-current-schema", TABLE, set_current_schema},
    {"remove-schemas", TABLE, remove_schemas},
    {"add-spec", TABLE, add_spec},
    {"set-default-spec", TABLE, set_default_spec},
    {"remove-partition-specs", TABLE, remove_specs},
    {"add-sort-order", TABLE, add_order},
    {"set-default-sort-order", TABLE, set_default_order},
    {"add-snapshot", TABLE, add_snapshot},
    {"remove-snapshots", TABLE, remove_snapshots},
    {"set-snapshot-ref", TABLE, set_ref},
    {"remove-snapshot-ref", TABLE, remove_ref},
    {"set-statistics", TABLE, set_statistics},
    {"remove-statistics", TABLE, remove_statistics},
    {"set-partition-statistics", TABLE, set_partition_statistics},
    {"remove-partition-statistics", TABLE, remove_partition_statistics},
    {"set-location", TABLE | VIEW, set_location},
    {"set-properties", TABLE | VIEW, set_properties},
    {"remove-properties", TABLE | VIEW, remove_properties},
    {"add-encryption-key", TABLE, add_key},
    {"remove-encryption-key", TABLE, remove_key},
    {"add-view-version", VIEW, add_version},
    {"set-current-view-version", VIEW, set_version},
};

static nk_code apply_one(nk_ice_edit *e, const nk_json *u, nk_err *err)
{
    nk_str action = nk_json_str(u, "action");
    for (size_t i = 0; action.p && i < NK_COUNTOF(updates); i++) {
        if (nk_str_is(action, updates[i].action) && (updates[i].of & (e->view ? VIEW : TABLE))) {
            return judge(e, updates[i].run(e, u, err), err);
        }
    }
    return nk_ice_fail(err, NK_ICE_BAD_REQUEST, "Cannot convert metadata update action: %.*s",
                       NK_STR_ARG(action));
}

nk_code nk_ice_edit_apply(nk_ice_edit *e, const nk_json *all, nk_err *err)
{
    if (e->t.failed)
        return nomem(err);
    if (nk_json_is_null(all))
        return NK_OK;
    if (all->kind != NK_JSON_ARRAY)
        return nk_ice_fail(err, NK_ICE_BAD_REQUEST, "updates must be a list.");
    NK_ICE_EACH(u, all)
    {
        NK_TRY(apply_one(e, u, err));
    }
    return NK_OK;
}

/* ---- the end of an edit ---- */

/* Log entries of snapshots that main only passed through are dropped; an entry whose snapshot was
 * removed takes the history before it along, so that no gap is read as a time. */
static nk_code correct_log(nk_ice_edit *e, nk_err *err)
{
    nk_json *log = list(e, "snapshot-log"), *m = log->first;
    int64_t current = number(e, "current-snapshot-id");
    if (!e->dropped && !e->main_ids.n)
        return NK_OK;
    *log = (nk_json){.kind = NK_JSON_ARRAY, .key = log->key, .next = log->next};
    while (m) {
        nk_json *next = m->next;
        int64_t id = nk_json_i64(m, "snapshot-id", -1);
        bool known = nk_ice_find(list(e, "snapshots"), "snapshot-id", id);
        if (!known && e->dropped) {
            log->first = log->last = NULL;
            log->count = 0;
        } else if (known && !(was_added(e, id) && id != current)) {
            nk_ice_add(&e->t, log, m);
        }
        m = next;
    }
    if (e->main_ids.n && current >= 0 && nk_json_i64(log->last, "snapshot-id", -1) != current)
        return nk_ice_fail(err, NK_ICE_VALIDATION,
                           "Cannot set invalid snapshot log: latest entry is not the current "
                           "snapshot");
    return NK_OK;
}

static int64_t int_property(const nk_ice_edit *e, const char *key, int64_t otherwise)
{
    int64_t v;
    nk_str text = nk_json_str(nk_ice_object(e->root, "properties"), key);
    return text.p && nk_str_i64(text, &v) ? v : otherwise;
}

static nk_code log_base(nk_ice_edit *e, nk_str base_file, nk_strs *dropped, nk_err *err)
{
    nk_json *log = list(e, "metadata-log"), *entry = nk_ice_new(&e->t, NK_JSON_OBJECT);
    int64_t max = int_property(e, "write.metadata.previous-versions-max", 100);
    nk_ice_knum(&e->t, entry, "timestamp-ms", e->base_updated_ms);
    nk_ice_kstr(&e->t, entry, "metadata-file", base_file);
    nk_ice_add(&e->t, log, entry);
    while (log && (int64_t)log->count > (max < 1 ? 1 : max)) {
        nk_str *s = dropped ? nk_strs_add(dropped, e->t.a) : NULL;
        if (dropped && !s)
            return nomem(err);
        if (s)
            *s = nk_json_str(log->first, "metadata-file");
        log->first = log->first->next;
        log->count--;
    }
    return NK_OK;
}

static nk_code check_table(nk_ice_edit *e, nk_err *err)
{
    const nk_json *schema = nk_ice_current_schema(e->root), *spec = nk_ice_default_spec(e->root),
                  *order = nk_ice_find(list(e, "sort-orders"), "order-id",
                                       number(e, "default-sort-order-id"));
    if (!nk_json_str(e->root, "location").p)
        return nk_ice_fail(err, NK_ICE_BAD_REQUEST, "Invalid table: it has no location.");
    if (!schema || !spec || !order)
        return nk_ice_fail(err, NK_ICE_BAD_REQUEST,
                           "Invalid table: it has no current schema, default partition spec or "
                           "default sort order.");
    NK_TRY(nk_ice_spec_check(spec, schema, err));
    return nk_ice_order_check(order, schema, err);
}

/* Keeps the newest versions of a view, the current one among them. */
static nk_code trim_versions(nk_ice_edit *e, nk_err *err)
{
    nk_json *versions = list(e, "versions"), *log = list(e, "version-log");
    int64_t max = int_property(e, "version.history.num-entries", 10),
            current = number(e, "current-version-id");
    if (!nk_json_str(e->root, "location").p || current < 0)
        return nk_ice_fail(err, NK_ICE_BAD_REQUEST,
                           "Invalid view: it has no location or no current version.");
    max = max < 1 ? 1 : max;
    while ((int64_t)versions->count > max) {
        nk_json ids = {.kind = NK_JSON_ARRAY};
        const nk_json *oldest = versions->first;
        if (nk_json_i64(oldest, "version-id", -1) == current)
            oldest = oldest->next;
        int64_t id = nk_json_i64(oldest, "version-id", -1);
        nk_ice_add(&e->t, &ids, nk_ice_num(&e->t, id));
        if (e->t.failed)
            return nomem(err);
        by_id b = {.key = "version-id", .ids = &ids};
        if (!nk_ice_drop(versions, element_in, &b))
            break;
        (void)nk_ice_drop(log, element_in, &b);
    }
    return NK_OK;
}

static nk_code finish(nk_ice_edit *e, nk_str base_file, nk_strs *dropped, nk_err *err)
{
    const char *uuid = e->view ? "view-uuid" : "table-uuid";
    if (e->t.failed)
        return nomem(err);
    if (!nk_json_str(e->root, uuid).p) {
        nk_ice_kstr(&e->t, e->root, uuid, e->uuid);
        e->changed = true;
    }
    if (e->view) {
        NK_TRY(trim_versions(e, err));
        return e->t.failed ? nomem(err) : NK_OK;
    }
    NK_TRY(check_table(e, err));
    NK_TRY(correct_log(e, err));
    if (e->changed)
        nk_ice_knum(&e->t, e->root, "last-updated-ms", e->now_ms);
    if (e->changed && base_file.p)
        NK_TRY(log_base(e, base_file, dropped, err));
    return e->t.failed ? nomem(err) : NK_OK;
}

nk_code nk_ice_edit_finish(nk_ice_edit *e, nk_str base_file, nk_strs *dropped, nk_err *err)
{
    return judge(e, finish(e, base_file, dropped, err), err);
}

/* ---- making ---- */

/* format-version is a wish of the request's properties, not a property of the table. */
static nk_code take_format(nk_ice_edit *e, const nk_json *properties, nk_err *err)
{
    int64_t v = 2;
    nk_str text = nk_json_str(properties, "format-version");
    if (text.p && (!nk_str_i64(text, &v) || v < 1 || v > NK_ICE_FORMAT_MAX))
        return nk_ice_fail(err, NK_ICE_BAD_REQUEST,
                           "Unsupported format version: v%.*s (supported: v%d)", NK_STR_ARG(text),
                           NK_ICE_FORMAT_MAX);
    set_number(e, "format-version", v);
    if (v >= 3)
        nk_ice_knum(&e->t, e->root, "next-row-id", 0);
    NK_ICE_EACH(m, properties)
    {
        if (nk_str_is(m->key, "format-version"))
            continue;
        if (m->kind != NK_JSON_STRING)
            return nk_ice_fail(err, NK_ICE_BAD_REQUEST, "Property %.*s must be a string.",
                               NK_STR_ARG(m->key));
        nk_ice_set(&e->t, nk_ice_object(e->root, "properties"), m->key,
                   nk_ice_text(&e->t, m->text));
    }
    return NK_OK;
}

/* The fields' source ids follow the schema's new ids. */
static void renumber(nk_ice_edit *e, nk_json *fields, const nk_ice_ids *map)
{
    NK_ICE_EACH(f, fields)
    {
        int64_t id;
        for (size_t i = 0; nk_ice_get_i64(f, "source-id", &id) && i < map->n; i++) {
            if (map->v[i].old == id) {
                nk_ice_knum(&e->t, f, "source-id", map->v[i].new);
                break;
            }
        }
    }
}

static nk_json *empty_fields(nk_ice_edit *e)
{
    nk_json *o = nk_ice_new(&e->t, NK_JSON_OBJECT);
    nk_ice_set(&e->t, o, NK_STR("fields"), nk_ice_new(&e->t, NK_JSON_ARRAY));
    return o;
}

static nk_code create_table(nk_ice_edit *e, const nk_ice_create *c, nk_err *err)
{
    nk_ice_ids map = {0};
    NK_TRY(take_format(e, c->properties, err));
    NK_TRY(nk_ice_schema_check(c->schema, format_of(e), NULL, err));
    nk_json *schema = nk_ice_copy(&e->t, c->schema),
            *spec = nk_json_is_null(c->spec) ? empty_fields(e) : nk_ice_copy(&e->t, c->spec),
            *order = nk_json_is_null(c->order) ? empty_fields(e) : nk_ice_copy(&e->t, c->order);
    if (e->t.failed)
        return nomem(err);
    if (!c->keep_ids) {
        NK_TRY(nk_ice_schema_fresh(&e->t, schema, &map, err));
        renumber(e, nk_ice_array(spec, "fields"), &map);
        renumber(e, nk_ice_array(order, "fields"), &map);
    }
    NK_ICE_EACH(f, nk_ice_array(spec, "fields"))
    {
        nk_ice_del(f, NK_STR("field-id"));
    }
    nk_ice_kstr(&e->t, e->root, "location", c->location);
    NK_TRY(add_schema_tree(e, schema, err));
    set_number(e, "current-schema-id", e->last_schema);
    NK_TRY(add_spec_tree(e, spec, err));
    set_number(e, "default-spec-id", e->last_spec);
    NK_TRY(add_order_tree(e, order, err));
    set_number(e, "default-sort-order-id", e->last_order);
    return nk_ice_edit_finish(e, NK_STR_NULL, NULL, err);
}

nk_code nk_ice_table_create(nk_ice_edit *e, const nk_ice_create *c, nk_err *err)
{
    return judge(e, create_table(e, c, err), err);
}

static nk_code create_view(nk_ice_edit *e, const nk_ice_create *c, nk_err *err)
{
    nk_json u = {.kind = NK_JSON_OBJECT};
    if (e->t.failed)
        return nomem(err);
    NK_ICE_EACH(m, c->properties)
    {
        nk_ice_set(&e->t, nk_ice_object(e->root, "properties"), m->key,
                   nk_ice_text(&e->t, m->text));
    }
    nk_ice_kstr(&e->t, e->root, "location", c->location);
    NK_TRY(add_schema_tree(e, c->schema, err));
    nk_json *v = nk_ice_copy(&e->t, c->view_version);
    nk_ice_knum(&e->t, v, "schema-id", e->last_schema);
    if (e->t.failed)
        return nomem(err);
    NK_TRY(add_version_tree(e, &u, v, err));
    NK_TRY(set_version_id(e, e->last_version, err));
    return nk_ice_edit_finish(e, NK_STR_NULL, NULL, err);
}

nk_code nk_ice_view_create(nk_ice_edit *e, const nk_ice_create *c, nk_err *err)
{
    return judge(e, create_view(e, c, err), err);
}

/* ---- requirements ---- */

static nk_code unmet(nk_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static nk_code unmet(nk_err *err, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return nk_ice_fail(err, NK_ICE_COMMIT_FAILED, "Requirement failed: %s", text);
}

static nk_code must_not_exist(const nk_json *root, const nk_json *r, nk_err *err)
{
    return root ? unmet(err, "table already exists") : NK_OK;
}

static nk_code must_have_uuid(const nk_json *root, const nk_json *r, nk_err *err)
{
    nk_str want = nk_json_str(r, "uuid"), view = nk_json_str(root, "view-uuid"),
           have = view.p ? view : nk_json_str(root, "table-uuid");
    if (nk_str_ieq(want, have))
        return NK_OK;
    return unmet(err, "UUID does not match: expected %.*s != %.*s", NK_STR_ARG(have),
                 NK_STR_ARG(want));
}

static nk_code must_have_ref(const nk_json *root, const nk_json *r, nk_err *err)
{
    nk_str name = nk_json_str(r, "ref");
    int64_t want;
    const nk_json *ref = nk_json_getn(nk_ice_object(root, "refs"), name);
    bool some = nk_ice_get_i64(r, "snapshot-id", &want);
    if (!name.p)
        return nk_ice_fail(err, NK_ICE_BAD_REQUEST, "Cannot parse requirement: ref is missing");
    if (!ref)
        return some ? unmet(err, "branch or tag %.*s is missing, expected %lld", NK_STR_ARG(name),
                            (long long)want)
                    : NK_OK;
    const char *type = nk_str_is(nk_json_str(ref, "type"), "tag") ? "tag" : "branch";
    int64_t have = nk_json_i64(ref, "snapshot-id", -1);
    if (!some)
        return unmet(err, "%s %.*s was created concurrently", type, NK_STR_ARG(name));
    if (have != want)
        return unmet(err, "%s %.*s has changed: expected id %lld != %lld", type, NK_STR_ARG(name),
                     (long long)want, (long long)have);
    return NK_OK;
}

/* A number of the request must be that of the metadata. */
static nk_code must_equal(const nk_json *root, const nk_json *r, const char *asked, const char *key,
                          const char *what, nk_err *err)
{
    int64_t want;
    if (!nk_ice_get_i64(r, asked, &want))
        return nk_ice_fail(err, NK_ICE_BAD_REQUEST, "Cannot parse requirement: %s is missing",
                           asked);
    int64_t have = nk_json_i64(root, key, -1);
    return have == want ? NK_OK
                        : unmet(err, "%s changed: expected id %lld != %lld", what, (long long)want,
                                (long long)have);
}

static nk_code must_last_field(const nk_json *root, const nk_json *r, nk_err *err)
{
    return must_equal(root, r, "last-assigned-field-id", "last-column-id", "last assigned field id",
                      err);
}

static nk_code must_schema(const nk_json *root, const nk_json *r, nk_err *err)
{
    return must_equal(root, r, "current-schema-id", "current-schema-id", "current schema", err);
}

static nk_code must_last_partition(const nk_json *root, const nk_json *r, nk_err *err)
{
    return must_equal(root, r, "last-assigned-partition-id", "last-partition-id",
                      "last assigned partition id", err);
}

static nk_code must_spec(const nk_json *root, const nk_json *r, nk_err *err)
{
    return must_equal(root, r, "default-spec-id", "default-spec-id", "default partition spec", err);
}

static nk_code must_order(const nk_json *root, const nk_json *r, nk_err *err)
{
    return must_equal(root, r, "default-sort-order-id", "default-sort-order-id",
                      "default sort order", err);
}

static const struct requirement {
    const char *type;
    int of;
    nk_code (*check)(const nk_json *root, const nk_json *r, nk_err *err);
} requirements[] = {
    {"assert-create", TABLE, must_not_exist},
    {"assert-table-uuid", TABLE, must_have_uuid},
    {"assert-view-uuid", VIEW, must_have_uuid},
    {"assert-ref-snapshot-id", TABLE, must_have_ref},
    {"assert-last-assigned-field-id", TABLE, must_last_field},
    {"assert-current-schema-id", TABLE, must_schema},
    {"assert-last-assigned-partition-id", TABLE, must_last_partition},
    {"assert-default-spec-id", TABLE, must_spec},
    {"assert-default-sort-order-id", TABLE, must_order},
};

nk_code nk_ice_require(const nk_json *root, bool view, const nk_json *all, nk_err *err)
{
    if (nk_json_is_null(all))
        return NK_OK;
    if (all->kind != NK_JSON_ARRAY)
        return nk_ice_fail(err, NK_ICE_BAD_REQUEST, "requirements must be a list.");
    NK_ICE_EACH(r, all)
    {
        nk_str type = nk_json_str(r, "type");
        const struct requirement *q = NULL;
        for (size_t i = 0; i < NK_COUNTOF(requirements) && !q; i++)
            if (type.p && nk_str_is(type, requirements[i].type) &&
                (requirements[i].of & (view ? VIEW : TABLE)))
                q = &requirements[i];
        if (!q)
            return nk_ice_fail(err, NK_ICE_BAD_REQUEST, "Cannot convert update requirement: %.*s",
                               NK_STR_ARG(type));
        NK_TRY(q->check(root, r, err));
    }
    return NK_OK;
}
