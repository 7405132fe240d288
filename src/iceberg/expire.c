/* Old snapshots, orphan files, and the end of a table. */
#include "iceberg/maintain_int.h"

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

/* ---- sets of files, by bucket and key ---- */

typedef enum { DATA, MANIFEST, LIST, OTHER } file_kind;
static const char *const kind_names[] = {"data", "manifest", "list", "other"};

typedef struct file_set {
    nk_map kinds;  /* bucket/key → 1 + kind */
    nk_strs paths; /* as they are named */
    nk_strs keys;
} file_set;

static nk_code key_of(nk_ice_task *t, nk_str path, nk_str *key)
{
    nk_s3_uri uri;
    if (nk_s3_uri_parse(path, &uri, NULL) != NK_OK)
        *key = path; /* of another place: nothing of ours */
    else
        *key = nk_str_printf(t->a, "%.*s/%.*s", NK_STR_ARG(uri.bucket), NK_STR_ARG(uri.key));
    return key->p ? NK_OK : nomem(t->err);
}

static nk_code add_file(nk_ice_task *t, file_set *s, nk_str path, file_kind kind, bool *was)
{
    nk_str key;
    if (!path.p)
        return NK_OK;
    NK_TRY(key_of(t, path, &key));
    bool there = nk_map_has(&s->kinds, key);
    if (was)
        *was = there;
    if (there)
        return NK_OK;
    nk_str *p = nk_strs_add(&s->paths, t->a), *k = nk_strs_add(&s->keys, t->a);
    if (!p || !k || nk_map_put(&s->kinds, key, (void *)(uintptr_t)(1 + kind), NULL) != NK_OK)
        return nomem(t->err);
    *p = path;
    *k = key;
    return NK_OK;
}

/* All that a snapshot reaches. A manifest that was seen is not read again. */
static nk_code add_snapshot(nk_ice_task *t, file_set *s, const nk_json *snapshot)
{
    nk_ocf_file list = {0};
    nk_ice_manifests manifests = {0};
    NK_TRY(add_file(t, s, nk_json_str(snapshot, "manifest-list"), LIST, NULL));
    NK_TRY(nk_ice_read_list(t, snapshot, &list, &manifests));
    for (size_t i = 0; i < manifests.n; i++) {
        nk_ice_lives lives = {0};
        bool was;
        NK_TRY(add_file(t, s, manifests.v[i].path, MANIFEST, &was));
        if (was)
            continue;
        if (nk_worker_cancelled(t->w))
            return nk_fail(t->err, NK_E_CANCELLED, "stopped");
        NK_TRY(nk_ice_read_manifest(t, &manifests.v[i], i, &lives));
        for (size_t k = 0; k < lives.n; k++)
            NK_TRY(add_file(t, s, lives.v[k].path, DATA, NULL));
    }
    return NK_OK;
}

static nk_code add_statistics(nk_ice_task *t, file_set *s, const nk_json *root)
{
    static const char *const lists[] = {"statistics", "partition-statistics"};
    for (size_t i = 0; i < NK_COUNTOF(lists); i++)
        NK_ICE_EACH(m, nk_ice_array(root, lists[i]))
        {
            NK_TRY(add_file(t, s, nk_json_str(m, "statistics-path"), OTHER, NULL));
        }
    return NK_OK;
}

static nk_code tell_kind(nk_ice_task *t, const file_set *s, const file_set *but, file_kind kind)
{
    nk_strs paths = {0};
    for (size_t i = 0; i < s->paths.n; i++) {
        if ((uintptr_t)nk_map_get(&s->kinds, s->keys.v[i]) != 1 + (uintptr_t)kind ||
            (but && nk_map_has(&but->kinds, s->keys.v[i])))
            continue;
        nk_str *p = nk_strs_add(&paths, t->a);
        if (!p)
            return nomem(t->err);
        *p = s->paths.v[i];
    }
    return nk_ice_tell(t, "delete", kind_names[kind], paths.v, paths.n);
}

static nk_code tell_files(nk_ice_task *t, const file_set *s, const file_set *but)
{
    for (int k = DATA; k <= OTHER; k++)
        NK_TRY(tell_kind(t, s, but, (file_kind)k));
    return NK_OK;
}

/* ---- retention ---- */

static nk_str property(const nk_ice_task *t, const char *name)
{
    return nk_json_str(nk_ice_object(t->root, "properties"), name);
}

/* The optimizer's setting, else the table's, else what AWS says. */
static int64_t setting(const nk_ice_task *t, const char *config, const char *name, int64_t unit,
                       int64_t otherwise)
{
    int64_t v;
    if (nk_ice_get_i64(t->config, config, &v))
        return v * unit;
    nk_str text = name ? property(t, name) : NK_STR_NULL;
    return text.p && nk_str_i64(text, &v) ? v : otherwise;
}

static const nk_json *snapshot_of(const nk_ice_task *t, int64_t id)
{
    return nk_ice_find(nk_ice_array(t->root, "snapshots"), "snapshot-id", id);
}

NK_LIST(id_list, int64_t);

static bool in_list(const id_list *l, int64_t id)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i] == id)
            return true;
    return false;
}

static nk_code keep_id(nk_ice_task *t, id_list *keep, int64_t id)
{
    if (in_list(keep, id))
        return NK_OK;
    int64_t *x = id_list_add(keep, t->a);
    if (!x)
        return nomem(t->err);
    *x = id;
    return NK_OK;
}

/* A tag keeps its snapshot; a branch its newest so many, and those younger than its age. */
static nk_code keep_ref(nk_ice_task *t, const nk_json *ref, int64_t age_ms, int64_t at_least,
                        id_list *keep)
{
    int64_t id = nk_json_i64(ref, "snapshot-id", -1), n = 0;
    if (nk_str_is(nk_json_str(ref, "type"), "tag"))
        return keep_id(t, keep, id);
    age_ms = nk_json_i64(ref, "max-snapshot-age-ms", age_ms);
    at_least = nk_json_i64(ref, "min-snapshots-to-keep", at_least);
    size_t steps = nk_ice_array(t->root, "snapshots")->count + 1;
    for (const nk_json *s = snapshot_of(t, id); s && steps; steps--) {
        bool young = t->now_ms - nk_json_i64(s, "timestamp-ms", 0) <= age_ms;
        if (n && n >= at_least && !young)
            break;
        NK_TRY(keep_id(t, keep, nk_json_i64(s, "snapshot-id", -1)));
        n++;
        s = snapshot_of(t, nk_json_i64(s, "parent-snapshot-id", -1));
    }
    return NK_OK;
}

/* Snapshots of no branch stay while they are young: a writer may be about to name them. */
static nk_code keep_young(nk_ice_task *t, int64_t age_ms, id_list *keep)
{
    NK_ICE_EACH(s, nk_ice_array(t->root, "snapshots"))
    {
        if (t->now_ms - nk_json_i64(s, "timestamp-ms", 0) <= age_ms)
            NK_TRY(keep_id(t, keep, nk_json_i64(s, "snapshot-id", -1)));
    }
    return NK_OK;
}

/* Branches and tags that are past their own age go; main never does. */
static nk_code old_refs(nk_ice_task *t, id_list *keep, int64_t age_ms, int64_t at_least)
{
    NK_ICE_EACH(ref, nk_ice_object(t->root, "refs"))
    {
        int64_t max, id = nk_json_i64(ref, "snapshot-id", -1);
        const nk_json *s = snapshot_of(t, id);
        if (s && !nk_str_is(ref->key, "main") && nk_ice_get_i64(ref, "max-ref-age-ms", &max) &&
            t->now_ms - nk_json_i64(s, "timestamp-ms", 0) > max) {
            nk_json *u = nk_ice_new(&t->t, NK_JSON_OBJECT);
            nk_ice_kstr(&t->t, u, "action", NK_STR("remove-snapshot-ref"));
            nk_ice_kstr(&t->t, u, "ref-name", ref->key);
            nk_ice_add(&t->t, t->updates, u);
            continue;
        }
        NK_TRY(keep_ref(t, ref, age_ms, at_least, keep));
    }
    return NK_OK;
}

static nk_code clean(nk_ice_task *t, const id_list *keep)
{
    file_set kept = {0}, gone = {0};
    nk_code rc = NK_OK;
    nk_map_init(&kept.kinds);
    nk_map_init(&gone.kinds);
    NK_ICE_EACH(s, nk_ice_array(t->root, "snapshots"))
    {
        bool stays = in_list(keep, nk_json_i64(s, "snapshot-id", -1));
        if (rc == NK_OK)
            rc = add_snapshot(t, stays ? &kept : &gone, s);
    }
    if (rc == NK_OK)
        rc = tell_files(t, &gone, &kept);
    nk_map_free(&kept.kinds);
    nk_map_free(&gone.kinds);
    return rc;
}

nk_code nk_ice_expire(nk_ice_task *t)
{
    int64_t age = setting(t, "snapshotRetentionPeriodInDays", "history.expire.max-snapshot-age-ms",
                          86400000, 5 * (int64_t)86400000),
            at_least = setting(t, "numberOfSnapshotsToRetain",
                               "history.expire.min-snapshots-to-keep", 1, 1);
    id_list keep = {0};
    NK_TRY(old_refs(t, &keep, age, at_least));
    NK_TRY(keep_young(t, age, &keep));
    nk_json *ids = nk_ice_new(&t->t, NK_JSON_ARRAY), *u = nk_ice_new(&t->t, NK_JSON_OBJECT);
    NK_ICE_EACH(s, nk_ice_array(t->root, "snapshots"))
    {
        int64_t id = nk_json_i64(s, "snapshot-id", -1);
        if (!in_list(&keep, id))
            nk_ice_add(&t->t, ids, nk_ice_num(&t->t, id));
    }
    if (t->t.failed)
        return nomem(t->err);
    if (!ids->count)
        return NK_OK;
    t->files = (int64_t)ids->count;
    nk_ice_kstr(&t->t, u, "action", NK_STR("remove-snapshots"));
    nk_ice_set(&t->t, u, NK_STR("snapshot-ids"), ids);
    nk_ice_add(&t->t, t->updates, u);
    return nk_json_bool(t->config, "cleanExpiredFiles", false) ? clean(t, &keep) : NK_OK;
}

/* ---- what the metadata knows ---- */

static nk_code add_all(nk_ice_task *t, file_set *s)
{
    NK_TRY(add_file(t, s, t->location, OTHER, NULL));
    NK_ICE_EACH(m, nk_ice_array(t->root, "metadata-log"))
    {
        NK_TRY(add_file(t, s, nk_json_str(m, "metadata-file"), OTHER, NULL));
    }
    NK_ICE_EACH(m, nk_ice_array(t->root, "snapshots"))
    {
        NK_TRY(add_snapshot(t, s, m));
    }
    return add_statistics(t, s, t->root);
}

nk_code nk_ice_purge(nk_ice_task *t)
{
    file_set s = {0};
    nk_map_init(&s.kinds);
    nk_code rc = add_all(t, &s);
    if (rc == NK_OK)
        rc = tell_files(t, &s, NULL);
    t->files = (int64_t)s.paths.n;
    nk_map_free(&s.kinds);
    return rc;
}

/* ---- orphans ---- */

typedef struct searcher {
    nk_ice_task *t;
    const file_set *known;
    nk_str bucket;
    int64_t before_us;
    nk_strs orphans;
} searcher;

static nk_code look_at(void *arg, const nk_s3_object *o)
{
    searcher *s = arg;
    nk_ice_task *t = s->t;
    nk_str key = nk_str_printf(t->a, "%.*s/%.*s", NK_STR_ARG(s->bucket), NK_STR_ARG(o->key));
    if (!key.p)
        return nomem(t->err);
    if (nk_worker_cancelled(t->w))
        return nk_fail(t->err, NK_E_CANCELLED, "stopped");
    /* Hadoop's catalogues keep this name beside the files */
    if (!o->modified_us || o->modified_us > s->before_us || nk_map_has(&s->known->kinds, key) ||
        nk_str_ends(o->key, NK_STR("/version-hint.text")) || nk_str_ends(o->key, NK_STR("/")))
        return NK_OK;
    nk_str *p = nk_strs_add(&s->orphans, t->a);
    if (!p)
        return nomem(t->err);
    *p = nk_str_printf(t->a, "s3://%.*s", NK_STR_ARG(key));
    return p->p ? NK_OK : nomem(t->err);
}

nk_code nk_ice_orphans(nk_ice_task *t)
{
    file_set known = {0};
    nk_s3_uri uri, own;
    nk_str place = nk_json_str(t->config, "location"), home = nk_json_str(t->root, "location");
    int64_t days = setting(t, "orphanFileRetentionPeriodInDays", NULL, 1, 3);
    place = place.n ? place : home;
    NK_TRY(nk_s3_uri_parse(home, &own, t->err));
    NK_TRY(nk_s3_uri_parse(place, &uri, t->err));
    nk_str within = nk_str_printf(t->a, "%.*s/", NK_STR_ARG(own.key)),
           prefix = nk_str_printf(t->a, "%.*s%s", NK_STR_ARG(uri.key),
                                  uri.key.n && uri.key.p[uri.key.n - 1] == '/' ? "" : "/");
    if (!within.p || !prefix.p)
        return nomem(t->err);
    if (!own.key.n || !nk_str_eq(own.bucket, uri.bucket) || !nk_str_starts(prefix, within))
        return nk_fail(t->err, NK_E_INVALID,
                       "location %.*s does not lie within the table's own, %.*s", NK_STR_ARG(place),
                       NK_STR_ARG(home));
    searcher s = {.t = t,
                  .known = &known,
                  .bucket = uri.bucket,
                  .before_us = (t->now_ms - days * 86400000) * 1000};
    nk_map_init(&known.kinds);
    nk_code rc = add_all(t, &known);
    if (rc == NK_OK)
        rc = nk_s3_list(t->s3, uri.bucket, prefix, NK_STR(""), NK_STR(""), look_at, NULL, &s,
                        t->err);
    if (rc == NK_OK)
        rc = nk_ice_tell(t, "delete", "orphan", s.orphans.v, s.orphans.n);
    t->files = (int64_t)s.orphans.n;
    nk_map_free(&known.kinds);
    return rc;
}
