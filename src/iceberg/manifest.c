/* Manifest lists and manifests, and the worker's entry. */
#include <stdio.h>

#include "iceberg/maintain_int.h"

#define FILE_MAX   ((size_t)1 << 30)
#define TELL_PATHS 1000

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

/* ---- the lake ---- */

nk_code nk_ice_fetch(nk_ice_task *t, nk_str path, nk_str *bytes)
{
    nk_s3_uri uri;
    nk_buf b;
    NK_TRY(nk_s3_uri_parse(path, &uri, t->err));
    nk_buf_init(&b, FILE_MAX);
    nk_code rc = nk_s3_get(t->s3, uri.bucket, uri.key, &b, t->err);
    if (rc == NK_OK) {
        *bytes = nk_buf_dup(&b, t->a);
        rc = bytes->p ? NK_OK : nomem(t->err);
    } else {
        (void)nk_wrap(t->err, "%.*s", NK_STR_ARG(path));
    }
    nk_buf_free(&b);
    return rc;
}

nk_code nk_ice_store(nk_ice_task *t, nk_str path, nk_str bytes)
{
    nk_s3_uri uri;
    NK_TRY(nk_s3_uri_parse(path, &uri, t->err));
    NK_TRY(nk_ice_tell(t, "written", NULL, &path, 1));
    return nk_s3_put(t->s3, uri.bucket, uri.key, bytes, NULL, t->err);
}

nk_code nk_ice_new_path(nk_ice_task *t, const char *prefix, const char *suffix, nk_str *out)
{
    char uuid[37];
    ptrdiff_t slash = nk_str_rchr(t->location, '/');
    NK_TRY(nk_uuid(nk_env_real(), uuid));
    *out = nk_str_printf(t->a, "%.*s/%s%s%s", (int)(slash < 0 ? 0 : slash), t->location.p, prefix,
                         uuid, suffix);
    return out->p ? NK_OK : nomem(t->err);
}

nk_code nk_ice_tell(nk_ice_task *t, const char *event, const char *kind, const nk_str *paths,
                    size_t n)
{
    nk_buf b;
    nk_code rc = NK_OK;
    nk_buf_init(&b, 16 << 20);
    for (size_t from = 0; from < n && rc == NK_OK; from += TELL_PATHS) {
        nk_json_writer w = {.buf = &b};
        nk_buf_clear(&b);
        nk_jw_object(&w);
        nk_jw_kcstr(&w, "event", event);
        if (kind)
            nk_jw_kcstr(&w, "kind", kind);
        nk_jw_key(&w, NK_STR("paths"));
        nk_jw_array(&w);
        for (size_t i = from; i < n && i < from + TELL_PATHS; i++)
            nk_jw_str(&w, paths[i]);
        nk_jw_array_end(&w);
        nk_jw_object_end(&w);
        rc = nk_buf_check(&b, t->err);
        if (rc == NK_OK)
            rc = nk_worker_send(t->w, nk_buf_view(&b), t->err);
    }
    nk_buf_free(&b);
    return rc;
}

/* ---- manifests ---- */

/* Snapshots of version 1 may name their manifests themselves. */
static nk_code inline_list(nk_ice_task *t, const nk_json *snapshot, nk_ice_manifests *out)
{
    NK_ICE_EACH(m, nk_ice_array(snapshot, "manifests"))
    {
        nk_ice_manifest *x = nk_ice_manifests_add(out, t->a);
        if (!x)
            return nomem(t->err);
        x->path = m->text;
        x->first_row = -1;
        x->snapshot = nk_json_i64(snapshot, "snapshot-id", 0);
    }
    return NK_OK;
}

nk_code nk_ice_read_list(nk_ice_task *t, const nk_json *snapshot, nk_ocf_file *list,
                         nk_ice_manifests *out)
{
    nk_str path = nk_json_str(snapshot, "manifest-list"), bytes;
    if (!path.p)
        return inline_list(t, snapshot, out);
    NK_TRY(nk_ice_fetch(t, path, &bytes));
    nk_code rc = nk_ocf_read(bytes, t->a, list, t->err);
    if (rc != NK_OK)
        return nk_wrap(t->err, "%.*s", NK_STR_ARG(path));
    for (size_t i = 0; i < list->records.n; i++) {
        const nk_ocf *r = &list->records.v[i];
        nk_ice_manifest *m = nk_ice_manifests_add(out, t->a);
        if (!m)
            return nomem(t->err);
        *m = (nk_ice_manifest){.path = nk_ocf_str(r, "manifest_path"),
                               .record = r,
                               .content = nk_ocf_i64(r, "content", 0),
                               .spec = nk_ocf_i64(r, "partition_spec_id", 0),
                               .seq = nk_ocf_i64(r, "sequence_number", 0),
                               .snapshot = nk_ocf_i64(r, "added_snapshot_id", 0),
                               .first_row = nk_ocf_i64(r, "first_row_id", -1)};
        if (!m->path.p)
            return nk_fail(t->err, NK_E_PARSE, "%.*s names a manifest without a path",
                           NK_STR_ARG(path));
    }
    return NK_OK;
}

static nk_code group_key(nk_ice_task *t, const nk_ice_manifest *m, const nk_ocf *file, nk_str *out)
{
    const nk_ocf *partition = nk_ocf_get(file, "partition");
    nk_buf b;
    nk_buf_init(&b, 1 << 20);
    (void)nk_buf_printf(&b, "%lld:", (long long)m->spec);
    if (partition)
        nk_ocf_put(&b, partition->type, partition);
    nk_code rc = nk_buf_check(&b, t->err);
    *out = nk_buf_dup(&b, t->a);
    nk_buf_free(&b);
    return rc == NK_OK && !out->p ? nomem(t->err) : rc;
}

/* Files without an id of their own get theirs from the manifest's, one after the other. */
static int64_t first_row_of(const nk_ice_manifest *m, const nk_ocf *file, int64_t *next)
{
    if (m->content != NK_ICE_DATA || m->first_row < 0)
        return -1;
    int64_t own = nk_ocf_i64(file, "first_row_id", -1), given = *next;
    if (own >= 0)
        return own;
    *next += nk_ocf_i64(file, "record_count", 0);
    return given;
}

nk_code nk_ice_read_manifest(nk_ice_task *t, nk_ice_manifest *m, size_t place, nk_ice_lives *out)
{
    nk_str bytes;
    int64_t next_row = m->first_row;
    NK_TRY(nk_ice_fetch(t, m->path, &bytes));
    nk_code rc = nk_ocf_read(bytes, t->a, &m->file, t->err);
    if (rc != NK_OK)
        return nk_wrap(t->err, "%.*s", NK_STR_ARG(m->path));
    for (size_t i = 0; i < m->file.records.n; i++) {
        const nk_ocf *e = &m->file.records.v[i], *file = nk_ocf_get(e, "data_file");
        if (nk_ocf_i64(e, "status", 0) == 2)
            continue;
        nk_ice_live *l = nk_ice_lives_add(out, t->a);
        if (!l)
            return nomem(t->err);
        *l = (nk_ice_live){.manifest = place,
                           .entry = e,
                           .file = file,
                           .content = (int)nk_ocf_i64(file, "content", 0),
                           .spec = m->spec,
                           .seq = nk_ocf_i64(e, "sequence_number", m->seq),
                           .file_seq = nk_ocf_i64(e, "file_sequence_number", m->seq),
                           .snapshot = nk_ocf_i64(e, "snapshot_id", m->snapshot),
                           .bytes = nk_ocf_i64(file, "file_size_in_bytes", 0),
                           .rows = nk_ocf_i64(file, "record_count", 0),
                           .first_row = first_row_of(m, file, &next_row),
                           .path = nk_ocf_str(file, "file_path"),
                           .target = nk_ocf_str(file, "referenced_data_file")};
        if (!l->path.p)
            return nk_fail(t->err, NK_E_PARSE, "%.*s names a file without a path",
                           NK_STR_ARG(m->path));
        NK_TRY(group_key(t, m, file, &l->group));
    }
    return NK_OK;
}

/* ---- the worker ---- */

static nk_code send_result(nk_ice_task *t)
{
    nk_buf b;
    nk_json_writer w = {.buf = &b};
    nk_buf_init(&b, 32 << 20);
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "event", "result");
    nk_jw_ki64(&w, "files", t->files);
    nk_jw_ki64(&w, "bytes", t->bytes);
    nk_jw_key(&w, NK_STR("requirements"));
    nk_jw_tree(&w, t->requirements);
    nk_jw_key(&w, NK_STR("updates"));
    nk_jw_tree(&w, t->updates);
    nk_jw_object_end(&w);
    nk_code rc = nk_buf_check(&b, t->err);
    if (rc == NK_OK)
        rc = nk_worker_send(t->w, nk_buf_view(&b), t->err);
    nk_buf_free(&b);
    return rc;
}

static const struct task {
    const char *name;
    nk_code (*run)(nk_ice_task *t);
} tasks[] = {
    {"compaction", nk_ice_compact},
    {"retention", nk_ice_expire},
    {"orphan_file_deletion", nk_ice_orphans},
    {"purge", nk_ice_purge},
};

/* Main must still point to what we looked at. */
static void require_main(nk_ice_task *t)
{
    const nk_json *main = nk_json_get(nk_ice_object(t->root, "refs"), "main");
    nk_json *r = nk_ice_new(&t->t, NK_JSON_OBJECT), *u = nk_ice_new(&t->t, NK_JSON_OBJECT);
    nk_ice_kstr(&t->t, u, "type", NK_STR("assert-table-uuid"));
    nk_ice_kstr(&t->t, u, "uuid", nk_json_str(t->root, "table-uuid"));
    nk_ice_kstr(&t->t, r, "type", NK_STR("assert-ref-snapshot-id"));
    nk_ice_kstr(&t->t, r, "ref", NK_STR("main"));
    nk_ice_set(&t->t, r, NK_STR("snapshot-id"),
               main ? nk_ice_num(&t->t, nk_json_i64(main, "snapshot-id", -1))
                    : nk_ice_new(&t->t, NK_JSON_NULL));
    nk_ice_add(&t->t, t->requirements, r);
    if (nk_json_str(t->root, "table-uuid").p)
        nk_ice_add(&t->t, t->requirements, u);
}

static nk_code run(nk_ice_task *t, nk_str name)
{
    t->updates = nk_ice_new(&t->t, NK_JSON_ARRAY);
    t->requirements = nk_ice_new(&t->t, NK_JSON_ARRAY);
    require_main(t);
    for (size_t i = 0; i < NK_COUNTOF(tasks); i++) {
        if (!nk_str_is(name, tasks[i].name))
            continue;
        NK_TRY(tasks[i].run(t));
        return t->t.failed ? nomem(t->err) : send_result(t);
    }
    return nk_fail(t->err, NK_E_INVALID, "task %.*s is not known", NK_STR_ARG(name));
}

nk_code nk_iceberg_worker(nk_worker *w, const nk_json *request, nk_arena *arena, nk_err *err)
{
    nk_ice_task t = {.w = w,
                     .a = arena,
                     .request = request,
                     .config = nk_ice_object(request, "config"),
                     .location = nk_json_str(request, "location"),
                     .now_ms = nk_json_i64(request, "now_ms", 0),
                     .t = {.a = arena},
                     .err = err};
    NK_TRY(nk_ice_table_parse(nk_json_str(request, "metadata"), arena, &t.root, err));
    nk_s3_config c = {
        .endpoint = nk_str_dup(arena, nk_json_str(request, "s3_endpoint")).p,
        .region = nk_str_dup(arena, nk_json_str(request, "region")).p,
        .access_key = nk_str_dup(arena, nk_json_str(request, "access_key")).p,
        .secret_key = nk_str_dup(arena, nk_json_str(request, "secret_key")).p,
    };
    NK_TRY(nk_s3_create(&c, &t.s3, err));
    nk_code rc = run(&t, nk_json_str(request, "task"));
    nk_s3_destroy(t.s3);
    return rc;
}
