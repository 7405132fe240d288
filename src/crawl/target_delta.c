/* Delta tables: the newest version of the log becomes a table for readers of logs (native), or one
 * of manifests, lists of live files that readers of symlinks follow. */
#include <stdio.h>
#include <stdlib.h>

#include "crawl/delta.h"
#include "crawl/worker_int.h"
#include "lake/hive.h"

#define MANIFEST_MAX ((size_t)1 << 30)
#define HINT_MAX     ((size_t)16 << 20)
#define SCRATCH_KEPT ((size_t)8 << 20)

typedef struct delta {
    nk_crawl *c;
    nk_str bucket, folder; /* with trailing slash */
    nk_str log;            /* its folder */
    nk_delta_log files;
    nk_delta now;           /* the newest version's */
    nk_strs keys;           /* what the catalogue calls partition keys; none of a native table */
    const nk_type *columns; /* the catalogue's */
    nk_str newest;          /* the log's file that made it */
    int64_t newest_ms;
    nk_arena *scratch;
} delta;

static nk_code no_memory(delta *d)
{
    return nk_fail(d->c->err, NK_E_NOMEM, "Out of memory reading a Delta log");
}

/* ---- the log ---- */

static nk_code on_log(void *arg, const nk_s3_object *o)
{
    delta *d = arg;
    nk_delta_log_file f = {.size = o->size,
                           .modified_us = o->modified_us,
                           .name = nk_str_sub(o->key, d->log.n, o->key.n)};
    NK_TRY(nk_crawl_stopped(d->c));
    return nk_delta_log_add(&d->files, d->c->a, &f, d->c->err);
}

static nk_code on_line(void *arg, nk_str line)
{
    delta *d = arg;
    if (nk_arena_used(d->scratch) > SCRATCH_KEPT)
        nk_arena_reset(d->scratch);
    return nk_delta_action(&d->now, line, d->scratch, d->c->err);
}

/* One file of the log, and of a checkpoint its other half. */
static nk_code read_file(delta *d, nk_str key, uint64_t size)
{
    return nk_str_ends(key, NK_STR(".parquet"))
               ? nk_crawl_checkpoint(d->c, d->bucket, key, size, d->now.want_files, on_line, d)
               : nk_crawl_lines(d->c, d->bucket, key, size, on_line, d);
}

static nk_code read_checkpoint(delta *d, const nk_delta_log_file *f, size_t n)
{
    nk_crawl *c = d->c;
    nk_delta_free(&d->now);
    nk_delta_init(&d->now, c->a, d->now.want_files);
    for (size_t i = 0; i < n; i++) {
        d->newest = nk_str_cat(c->a, d->log, f[i].name);
        if (!d->newest.p)
            return no_memory(d);
        NK_TRY(read_file(d, d->newest, f[i].size));
        d->newest_ms = f[i].modified_us / 1000;
    }
    for (size_t i = 0; i < d->now.sidecars.n; i++) {
        nk_s3_info info;
        nk_str key = nk_str_printf(c->a, "%.*s_sidecars/%.*s", NK_STR_ARG(d->log),
                                   NK_STR_ARG(d->now.sidecars.v[i]));
        if (!key.p)
            return no_memory(d);
        NK_TRY(nk_s3_head(c->s3, d->bucket, key, &info, c->err));
        NK_TRY(read_file(d, key, info.size));
    }
    if (!d->now.schema.p)
        return nk_fail(c->err, NK_E_PARSE, "it says no schema");
    return NK_OK;
}

static bool is_of_table(nk_code rc)
{
    return rc == NK_E_PARSE || rc == NK_E_LIMIT || rc == NK_E_NOT_FOUND;
}

/* The newest checkpoint that can be read: *version is its, -1 when there is none. */
static nk_code begin(delta *d, int64_t *version)
{
    const nk_delta_log_file *f;
    size_t n, at = 0;
    *version = -1;
    while (nk_delta_log_checkpoint(&d->files, &at, &f, &n)) {
        nk_code rc = read_checkpoint(d, f, n);
        if (rc == NK_OK)
            *version = f->version;
        if (!is_of_table(rc))
            return rc;
        nk_crawl_say(d->c, "WARN", "the checkpoint s3://%.*s/%.*s%.*s is passed over: %s",
                     NK_STR_ARG(d->bucket), NK_STR_ARG(d->log), NK_STR_ARG(f->name),
                     d->c->err->msg);
    }
    nk_delta_free(&d->now);
    nk_delta_init(&d->now, d->c->a, d->now.want_files);
    return NK_OK;
}

/* What the table's writers say is the newest checkpoint, so that the log need not be listed from
 * its beginning; -1 when they say nothing. */
static nk_code hint(delta *d, int64_t *version)
{
    nk_str text, key = nk_str_cat(d->c->a, d->log, NK_STR("_last_checkpoint"));
    nk_json *j = NULL;
    *version = -1;
    if (!key.p)
        return no_memory(d);
    nk_code rc = nk_crawl_read(d->c, d->bucket, key, HINT_MAX, &text);
    if (is_of_table(rc))
        return NK_OK;
    if (rc == NK_OK && nk_json_parse(text, d->c->a, 0, &j, NULL) == NK_OK)
        *version = nk_json_i64(j, "version", -1);
    return rc;
}

static nk_code list(delta *d, int64_t from, int64_t *version)
{
    nk_str after = from < 0
                       ? NK_STR("")
                       : nk_str_printf(d->c->a, "%.*s%020lld", NK_STR_ARG(d->log), (long long)from);
    nk_delta_log_init(&d->files);
    NK_TRY(nk_s3_list(d->c->s3, d->bucket, d->log, NK_STR("/"), after, on_log, NULL, d, d->c->err));
    return begin(d, version);
}

static nk_code read_log(delta *d)
{
    nk_crawl *c = d->c;
    int64_t from, version;
    const nk_delta_log_file *f;
    NK_TRY(hint(d, &from));
    NK_TRY(list(d, from, &version));
    if (version < 0 && from >= 0)
        NK_TRY(list(d, -1, &version));
    if (d->files.newest < 0)
        return nk_fail(c->err, NK_E_PARSE,
                       "s3://%.*s/%.*s holds no commit: there is no Delta table",
                       NK_STR_ARG(d->bucket), NK_STR_ARG(d->log));
    for (;; version = f->to) {
        NK_TRY(nk_delta_log_step(&d->files, version, &f, c->err));
        if (!f)
            break;
        d->newest = nk_str_cat(c->a, d->log, f->name);
        d->newest_ms = f->modified_us / 1000;
        if (!d->newest.p)
            return no_memory(d);
        NK_TRY(nk_crawl_stopped(c));
        NK_TRY(read_file(d, d->newest, f->size));
    }
    NK_TRY(nk_delta_settle(&d->now, c->err));
    for (size_t i = 0; i < d->now.odd_types.n; i++)
        nk_crawl_say(c, "WARN", "s3://%.*s/%.*s: column %.*s: given as string",
                     NK_STR_ARG(d->bucket), NK_STR_ARG(d->folder),
                     NK_STR_ARG(d->now.odd_types.v[i]));
    if (d->now.not_known.p)
        nk_crawl_say(c, "WARN",
                     "s3://%.*s/%.*s has the feature %.*s, which is not known here: readers of it "
                     "may see more than its log says",
                     NK_STR_ARG(d->bucket), NK_STR_ARG(d->folder), NK_STR_ARG(d->now.not_known));
    return NK_OK;
}

/* ---- manifests: what readers of symlinks follow ---- */

typedef struct manifest {
    nk_str path; /* "k=v/…", as in names of folders */
    nk_str *values;
    nk_strs uris;
} manifest;
NK_LIST(manifest_list, manifest *);

typedef struct manifests {
    nk_map by_path;
    manifest_list list;
} manifests;

static nk_code manifest_of(delta *d, manifests *m, nk_str path, nk_str *values, manifest **out)
{
    nk_arena *a = d->c->a;
    manifest **slot;
    if ((*out = nk_map_get(&m->by_path, path)))
        return NK_OK;
    manifest *one = NK_NEW(a, manifest);
    if (!one || !(one->path = nk_str_dup(a, path)).p ||
        !(one->values = NK_NEWN(a, nk_str, d->now.keys.n + 1)) ||
        !(slot = manifest_list_add(&m->list, a)))
        return no_memory(d);
    for (size_t i = 0; i < d->now.keys.n; i++) {
        one->values[i] = values[i].p ? nk_str_dup(a, values[i]) : NK_HIVE_NULL;
        if (!one->values[i].p)
            return no_memory(d);
    }
    *slot = *out = one;
    return nk_map_put(&m->by_path, one->path, one, NULL) == NK_OK ? NK_OK : no_memory(d);
}

/* Readers of manifests read files as they are: what the log alone knows would be lost. */
static nk_code refuse(delta *d, const char *what)
{
    return nk_fail(d->c->err, NK_E_PARSE,
                   "The Delta table s3://%.*s/%.*s %s: readers of manifests would read it wrongly; "
                   "set CreateNativeDeltaTable, and not WriteManifest",
                   NK_STR_ARG(d->bucket), NK_STR_ARG(d->folder), what);
}

static nk_code add_file(delta *d, manifests *m, const nk_delta_file *f, nk_str *values)
{
    manifest *one;
    nk_str path, *slot;
    if (nk_arena_used(d->scratch) > SCRATCH_KEPT)
        nk_arena_reset(d->scratch);
    NK_TRY(nk_delta_partition(&d->now, f, d->scratch, values, &path, d->c->err));
    NK_TRY(manifest_of(d, m, path, values, &one));
    if (!(slot = nk_strs_add(&one->uris, d->c->a)))
        return no_memory(d);
    return nk_delta_uri(f->path, d->bucket, d->folder, d->c->a, slot, d->c->err);
}

static int by_text(const void *a, const void *b)
{
    return nk_str_cmp(*(const nk_str *)a, *(const nk_str *)b);
}

static int by_path(const void *a, const void *b)
{
    return nk_str_cmp((*(manifest *const *)a)->path, (*(manifest *const *)b)->path);
}

static nk_code make_manifests(delta *d, manifests *m)
{
    nk_map_slot *slot;
    manifest *one;
    nk_str *values = NK_NEWN(d->c->a, nk_str, d->now.keys.n + 1);
    if (!values)
        return no_memory(d);
    if (d->now.mapped)
        return refuse(d, "has other names for its columns in its files (column mapping)");
    if (d->now.not_known.p) {
        nk_str what = nk_str_printf(d->c->a, "has the feature %.*s, which is not known here",
                                    NK_STR_ARG(d->now.not_known));
        return what.p ? refuse(d, what.p) : no_memory(d);
    }
    for (size_t i = 0; nk_map_next(&d->now.files, &i, &slot);) {
        const nk_delta_file *f = slot->value;
        if (f->deletions)
            return refuse(d, "has rows that are deleted in its files (deletion vectors)");
        NK_TRY(add_file(d, m, f, values));
    }
    if (!m->list.n && !d->now.keys.n) /* an empty table is an empty list */
        NK_TRY(manifest_of(d, m, NK_STR(""), values, &one));
    if (m->list.n)
        qsort(m->list.v, m->list.n, sizeof *m->list.v, by_path);
    for (size_t i = 0; i < m->list.n; i++)
        if (m->list.v[i]->uris.n)
            qsort(m->list.v[i]->uris.v, m->list.v[i]->uris.n, sizeof(nk_str), by_text);
    return NK_OK;
}

static nk_code write_one(delta *d, const manifest *one)
{
    nk_buf text;
    nk_str key = nk_str_printf(d->c->a, "%.*s_symlink_format_manifest/%.*smanifest",
                               NK_STR_ARG(d->folder), NK_STR_ARG(one->path));
    if (!key.p)
        return no_memory(d);
    nk_buf_init(&text, MANIFEST_MAX);
    for (size_t i = 0; i < one->uris.n; i++)
        (void)nk_buf_printf(&text, "%.*s\n", NK_STR_ARG(one->uris.v[i]));
    nk_code rc = nk_buf_check(&text, d->c->err);
    if (rc == NK_OK)
        rc = nk_s3_put(d->c->s3, d->bucket, key, nk_buf_view(&text), "text/plain", d->c->err);
    nk_buf_free(&text);
    return rc;
}

typedef struct stale {
    delta *d;
    const manifests *m;
    size_t root; /* bytes of the manifests' folder */
    nk_strs keys;
} stale;

static nk_code on_manifest(void *arg, const nk_s3_object *o)
{
    stale *s = arg;
    nk_str rel = nk_str_sub(o->key, s->root, o->key.n), *slot;
    nk_str folder = nk_str_sub(rel, 0, (size_t)(nk_str_rchr(rel, '/') + 1));
    NK_TRY(nk_crawl_stopped(s->d->c));
    if (!nk_str_is(nk_str_sub(rel, folder.n, rel.n), "manifest") ||
        nk_map_has(&s->m->by_path, folder))
        return NK_OK;
    slot = nk_strs_add(&s->keys, s->d->c->a);
    return slot && (*slot = nk_str_dup(s->d->c->a, o->key)).p ? NK_OK : no_memory(s->d);
}

/* The new ones first, then those of partitions that hold nothing any more are deleted. */
static nk_code write_manifests(delta *d, const manifests *m)
{
    nk_crawl *c = d->c;
    stale s = {.d = d, .m = m};
    for (size_t i = 0; i < m->list.n; i++) {
        NK_TRY(nk_crawl_stopped(c));
        NK_TRY(write_one(d, m->list.v[i]));
    }
    nk_str root = nk_str_printf(c->a, "%.*s_symlink_format_manifest/", NK_STR_ARG(d->folder));
    if (!root.p)
        return no_memory(d);
    s.root = root.n;
    NK_TRY(
        nk_s3_list(c->s3, d->bucket, root, NK_STR(""), NK_STR(""), on_manifest, NULL, &s, c->err));
    return s.keys.n ? nk_s3_delete_keys(c->s3, d->bucket, &s.keys, NULL, c->err) : NK_OK;
}

/* ---- describing ---- */

/* What the table and its partitions have in common: names, and columns of each kind of table. */
static nk_code name_columns(delta *d, bool native)
{
    nk_crawl *c = d->c;
    nk_str clash;
    if (!native)
        NK_TRY(nk_crawl_key_names(d->now.keys.v, d->now.keys.n, c->a, &d->keys, c->err));
    return nk_crawl_columns(d->now.type, false, &d->keys, c->a, &d->columns, &clash, c->err);
}

static nk_code put_storage(delta *d, nk_json_writer *w, bool native, nk_str path, nk_arena *a)
{
    nk_crawl *c = d->c;
    nk_str location =
        nk_str_printf(a, "s3://%.*s/%.*s%s%.*s", NK_STR_ARG(d->bucket), NK_STR_ARG(d->folder),
                      native ? "" : "_symlink_format_manifest/", NK_STR_ARG(path));
    if (!location.p)
        return no_memory(d);
    nk_jw_object(w);
    if (!path.n) { /* a partition has the table's */
        nk_jw_key(w, NK_STR("Columns"));
        NK_TRY(nk_crawl_put_columns(w, d->columns, c->err));
    }
    nk_jw_kstr(w, "Location", location);
    nk_jw_kcstr(w, "InputFormat",
                native ? "org.apache.hadoop.mapred.SequenceFileInputFormat"
                       : "org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat");
    nk_jw_kcstr(w, "OutputFormat",
                native ? "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat"
                       : NK_TEXT_OUTPUT);
    nk_jw_key(w, NK_STR("SerdeInfo"));
    nk_jw_object(w);
    nk_jw_kcstr(w, "SerializationLibrary", native ? NK_LAZY_CSV : nk_crawl_format_parquet.serde);
    nk_jw_key(w, NK_STR("Parameters"));
    nk_jw_object(w);
    nk_jw_kcstr(w, "serialization.format", "1");
    if (native)
        nk_jw_kstr(w, "path", location);
    nk_jw_object_end(w);
    nk_jw_object_end(w);
    nk_jw_object_end(w);
    return NK_OK;
}

/* Spark's own schema, as it keeps it in catalogues: texts of at most so many characters. */
static void put_spark_schema(delta *d, nk_json_writer *w)
{
    enum { PART = 4000 };
    nk_str rest = d->now.schema;
    char key[64], number[24];
    size_t n = 0;
    while (rest.n) {
        size_t cut = rest.n < PART ? rest.n : PART;
        while (cut < rest.n && ((unsigned char)rest.p[cut] & 0xc0) == 0x80)
            cut--; /* between characters */
        snprintf(key, sizeof key, "spark.sql.sources.schema.part.%zu", n++);
        nk_jw_kstr(w, key, nk_str_sub(rest, 0, cut ? cut : rest.n));
        rest = nk_str_sub(rest, cut ? cut : rest.n, rest.n);
    }
    snprintf(number, sizeof number, "%zu", n);
    nk_jw_kcstr(w, "spark.sql.sources.schema.numParts", number);
    for (size_t i = 0; i < d->now.keys.n; i++) {
        snprintf(key, sizeof key, "spark.sql.sources.schema.partCol.%zu", i);
        nk_jw_kstr(w, key, d->now.keys.v[i]);
    }
    snprintf(number, sizeof number, "%zu", d->now.keys.n);
    if (d->now.keys.n)
        nk_jw_kcstr(w, "spark.sql.sources.schema.numPartCols", number);
}

static void put_parameters(delta *d, bool native, nk_json_writer *w)
{
    char number[24];
    nk_jw_key(w, NK_STR("Parameters"));
    nk_jw_object(w);
    nk_jw_kcstr(w, "CrawlerSchemaDeserializerVersion", "1.0");
    nk_jw_kcstr(w, "CrawlerSchemaSerializerVersion", "1.0");
    nk_jw_kcstr(w, "classification", native ? "delta" : "parquet");
    snprintf(number, sizeof number, "%lld", (long long)d->files.newest);
    nk_jw_kcstr(w, "delta.lastUpdateVersion", number);
    snprintf(number, sizeof number, "%lld",
             (long long)(d->now.timestamp ? d->now.timestamp : d->newest_ms));
    nk_jw_kcstr(w, "delta.lastCommitTimestamp", number);
    if (native) {
        nk_jw_kcstr(w, "spark.sql.partitionProvider", "catalog");
        nk_jw_kcstr(w, "spark.sql.sources.provider", "delta");
        nk_jw_kcstr(w, "table_type", "delta");
        put_spark_schema(d, w);
    }
    nk_jw_object_end(w);
}

static nk_code describe(delta *d, bool native, nk_buf *out)
{
    nk_json_writer w = {.buf = out};
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "Owner", "owner");
    nk_jw_ki64(&w, "Retention", 0);
    nk_jw_kcstr(&w, "TableType", "EXTERNAL_TABLE");
    nk_jw_key(&w, NK_STR("StorageDescriptor"));
    NK_TRY(put_storage(d, &w, native, NK_STR(""), d->c->a));
    nk_jw_key(&w, NK_STR("PartitionKeys"));
    nk_jw_array(&w);
    for (size_t i = 0; i < d->keys.n; i++) {
        nk_jw_object(&w);
        nk_jw_kstr(&w, "Name", d->keys.v[i]);
        nk_jw_kcstr(&w, "Type", "string");
        nk_jw_object_end(&w);
    }
    nk_jw_array_end(&w);
    put_parameters(d, native, &w);
    nk_jw_object_end(&w);
    return nk_buf_check(out, d->c->err);
}

typedef struct parts {
    delta *d;
    const manifests *m;
} parts;

static nk_code put_partition(void *arg, size_t i, nk_json_writer *w, nk_arena *scratch)
{
    parts *p = arg;
    const manifest *one = p->m->list.v[i];
    if (!nk_crawl_values_fit(p->d->c, one->values, p->d->keys.n, one->path))
        return NK_OK;
    nk_jw_object(w);
    nk_jw_key(w, NK_STR("Values"));
    nk_jw_array(w);
    for (size_t v = 0; v < p->d->now.keys.n; v++)
        nk_jw_str(w, one->values[v]);
    nk_jw_array_end(w);
    nk_jw_key(w, NK_STR("StorageDescriptor"));
    NK_TRY(put_storage(p->d, w, false, one->path, scratch));
    nk_jw_object_end(w);
    return NK_OK;
}

static nk_code send_table(delta *d, bool native, const manifests *m)
{
    nk_crawl *c = d->c;
    nk_str trimmed = nk_str_sub(d->folder, 0, d->folder.n ? d->folder.n - 1 : 0);
    nk_str base = nk_str_sub(trimmed, (size_t)(nk_str_rchr(trimmed, '/') + 1), trimmed.n);
    nk_str why = nk_str_printf(c->a, "a Delta table by %.*s (version %lld)", NK_STR_ARG(d->newest),
                               (long long)d->files.newest);
    size_t n = !native && d->now.keys.n ? m->list.n : 0;
    parts p = {d, m};
    nk_buf b;
    nk_buf_init(&b, NK_POOL_FRAME_MAX);
    nk_code rc = describe(d, native, &b);
    if (rc == NK_OK)
        rc = nk_crawl_send_table(c, base.n ? base : d->bucket, why, n, nk_buf_view(&b));
    nk_buf_free(&b);
    c->tables += rc == NK_OK;
    return rc == NK_OK ? nk_crawl_send_partitions(c, n, put_partition, &p) : rc;
}

static nk_code one_table(delta *d, bool native, bool write)
{
    manifests m = {0};
    nk_map_init(&m.by_path);
    nk_code rc = read_log(d);
    if (rc == NK_OK)
        rc = name_columns(d, native);
    if (rc == NK_OK && d->now.want_files)
        rc = make_manifests(d, &m);
    if (rc == NK_OK && write)
        rc = write_manifests(d, &m);
    if (rc == NK_OK)
        rc = send_table(d, native, &m);
    nk_map_free(&m.by_path);
    return rc;
}

nk_code nk_target_delta(nk_crawl *c)
{
    bool native = nk_json_bool(c->target, "native", false),
         write = nk_json_bool(c->target, "write_manifest", false);
    nk_s3_uri u;
    delta d = {.c = c};
    NK_TRY(nk_crawl_open_path(c, nk_json_str(c->target, "path"), &u));
    d.bucket = u.bucket;
    d.folder = !u.key.n || nk_str_ends(u.key, NK_STR("/"))
                   ? u.key
                   : nk_str_printf(c->a, "%.*s/", NK_STR_ARG(u.key));
    d.log = nk_str_printf(c->a, "%.*s_delta_log/", NK_STR_ARG(d.folder));
    d.scratch = nk_arena_create(0);
    if (!d.folder.p || !d.log.p || !d.scratch) {
        nk_arena_destroy(d.scratch);
        return no_memory(&d);
    }
    nk_delta_init(&d.now, c->a, write || !native);
    nk_code rc = one_table(&d, native, write);
    nk_delta_free(&d.now);
    nk_arena_destroy(d.scratch);
    return nk_crawl_pass_over(c, rc, d.bucket, d.folder);
}
