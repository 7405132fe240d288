#include <stdio.h>

#include "crawl/worker_int.h"

#define COMMIT_MAX ((size_t)256 << 20)
#define TYPE_DEPTH 64

typedef struct delta {
    nk_crawl *c;
    nk_str bucket, folder; /* with trailing slash */
    nk_strs commits;       /* keys of the log's JSON files, in order */
    int64_t first, last;   /* versions of the first and the newest commit */
    bool checkpoint;
    const nk_type *type;
    nk_strs keys; /* partition columns */
    nk_map files; /* path → its add action, NULL once removed */
} delta;

static nk_code wrong(delta *d, const char *what)
{
    return nk_fail(d->c->err, NK_E_PARSE, "Delta log: %s", what);
}

static nk_code no_memory(delta *d)
{
    return nk_fail(d->c->err, NK_E_NOMEM, "Out of memory reading a Delta log");
}

/* ---- types: Spark's JSON ---- */

static nk_code delta_type(delta *d, const nk_json *j, int depth, const nk_type **out);

static nk_code struct_type(delta *d, const nk_json *j, int depth, const nk_type **out)
{
    const nk_json *fields = nk_json_get(j, "fields");
    nk_field *f = NK_NEWN(d->c->a, nk_field, (fields ? fields->count : 0) + 1);
    size_t n = 0;
    if (!f)
        return no_memory(d);
    for (const nk_json *e = fields ? fields->first : NULL; e; e = e->next) {
        f[n].name = nk_json_str(e, "name");
        if (!f[n].name.n)
            return wrong(d, "a field without a name");
        NK_TRY(delta_type(d, nk_json_get(e, "type"), depth + 1, &f[n++].type));
    }
    *out = nk_type_struct(d->c->a, f, n);
    return *out ? NK_OK : no_memory(d);
}

static nk_code delta_type(delta *d, const nk_json *j, int depth, const nk_type **out)
{
    nk_arena *a = d->c->a;
    const nk_type *k, *v;
    if (!j || depth > TYPE_DEPTH)
        return wrong(d, j ? "types nested too deep" : "a field without a type");
    if (j->kind == NK_JSON_STRING) /* Hive's names, nearly */
        return nk_type_parse(j->text, a, out, d->c->err);
    nk_str kind = nk_json_str(j, "type");
    if (nk_str_is(kind, "struct"))
        return struct_type(d, j, depth, out);
    if (nk_str_is(kind, "array")) {
        NK_TRY(delta_type(d, nk_json_get(j, "elementType"), depth + 1, &v));
        *out = nk_type_array(a, v);
    } else if (nk_str_is(kind, "map")) {
        NK_TRY(delta_type(d, nk_json_get(j, "keyType"), depth + 1, &k));
        NK_TRY(delta_type(d, nk_json_get(j, "valueType"), depth + 1, &v));
        *out = nk_type_map(a, k, v);
    } else {
        return wrong(d, "a type that is not known");
    }
    return *out ? NK_OK : no_memory(d);
}

/* ---- the log ---- */

static nk_code on_log(void *arg, const nk_s3_object *o)
{
    delta *d = arg;
    nk_str name = nk_str_sub(o->key, (size_t)(nk_str_rchr(o->key, '/') + 1), o->key.n);
    int64_t version;
    NK_TRY(nk_crawl_stopped(d->c));
    if (nk_str_find(name, NK_STR(".checkpoint")) > 0)
        d->checkpoint = true;
    if (name.n != 25 || !nk_str_ends(name, NK_STR(".json")) ||
        !nk_str_i64(nk_str_sub(name, 0, 20), &version))
        return NK_OK;
    nk_str *slot = nk_strs_add(&d->commits, d->c->a);
    if (!slot || !(*slot = nk_str_dup(d->c->a, o->key)).p)
        return no_memory(d);
    if (d->commits.n == 1)
        d->first = version;
    d->last = version;
    return NK_OK;
}

static nk_code metadata(delta *d, const nk_json *m)
{
    nk_json *schema;
    nk_err bad = NK_ERR_INIT;
    nk_str text = nk_json_str(m, "schemaString");
    if (nk_json_parse(text, d->c->a, 0, &schema, &bad) != NK_OK)
        return wrong(d, bad.msg);
    NK_TRY(struct_type(d, schema, 0, &d->type));
    d->keys = (nk_strs){0};
    const nk_json *keys = nk_json_get(m, "partitionColumns");
    for (const nk_json *k = keys ? keys->first : NULL; k; k = k->next) {
        nk_str *slot = nk_strs_add(&d->keys, d->c->a);
        if (!slot)
            return no_memory(d);
        *slot = k->text;
    }
    return NK_OK;
}

static nk_code commit(delta *d, nk_str key)
{
    nk_str text, line;
    NK_TRY(nk_crawl_read(d->c, d->bucket, key, COMMIT_MAX, &text));
    while (nk_str_split(&text, '\n', &line)) {
        nk_json *j;
        nk_err bad = NK_ERR_INIT;
        if (!nk_str_trim(line).n)
            continue;
        if (nk_json_parse(line, d->c->a, 0, &j, &bad) != NK_OK)
            return wrong(d, bad.msg);
        const nk_json *m = nk_json_get(j, "metaData"), *add = nk_json_get(j, "add"),
                      *gone = nk_json_get(j, "remove");
        if (m)
            NK_TRY(metadata(d, m));
        if (add || gone) {
            nk_str path = nk_json_str(add ? add : gone, "path");
            if (nk_map_put(&d->files, path, (void *)(uintptr_t)add, NULL) != NK_OK)
                return no_memory(d);
        }
    }
    return NK_OK;
}

static nk_code read_log(delta *d)
{
    nk_crawl *c = d->c;
    nk_str log = nk_str_printf(c->a, "%.*s_delta_log/", NK_STR_ARG(d->folder));
    NK_TRY(nk_s3_list(c->s3, d->bucket, log, NK_STR("/"), NK_STR(""), on_log, NULL, d, c->err));
    if (!d->commits.n)
        return nk_fail(c->err, NK_E_PARSE,
                       "s3://%.*s/%.*s holds no commit: there is no Delta table",
                       NK_STR_ARG(d->bucket), NK_STR_ARG(log));
    for (size_t i = 0; i < d->commits.n; i++)
        NK_TRY(commit(d, d->commits.v[i]));
    if (!d->type)
        return nk_fail(
            c->err, NK_E_PARSE,
            "The schema of the Delta table s3://%.*s/%.*s stands only in its checkpoints "
            "(Parquet), which are not read yet; a commit that sets the schema helps",
            NK_STR_ARG(d->bucket), NK_STR_ARG(d->folder));
    return NK_OK;
}

/* ---- manifests: what readers of symlinks follow ---- */

/* "k=v/…" of an add action, with trailing slash; values in *values. */
static nk_code partition_path(delta *d, const nk_json *add, nk_strs *values, nk_str *out)
{
    const nk_json *given = nk_json_get(add, "partitionValues");
    nk_buf b;
    nk_buf_init(&b, 64 << 10);
    for (size_t i = 0; i < d->keys.n; i++) {
        nk_str v = nk_json_str(given, nk_str_dup(d->c->a, d->keys.v[i]).p), *slot;
        if (!v.p)
            v = NK_STR("__HIVE_DEFAULT_PARTITION__");
        nk_buf_printf(&b, "%.*s=%.*s/", NK_STR_ARG(d->keys.v[i]), NK_STR_ARG(v));
        if (!(slot = nk_strs_add(values, d->c->a))) {
            nk_buf_free(&b);
            return no_memory(d);
        }
        *slot = v;
    }
    *out = nk_buf_dup(&b, d->c->a);
    nk_buf_free(&b);
    return out->p ? NK_OK : no_memory(d);
}

typedef struct manifest {
    nk_strs values;
    nk_buf text;
} manifest;
NK_LIST(manifest_list, manifest *);

typedef struct manifests {
    nk_map by_path;
    manifest_list list;
    nk_strs paths;
} manifests;

static void free_manifests(manifests *m)
{
    for (size_t i = 0; i < m->list.n; i++)
        nk_buf_free(&m->list.v[i]->text);
    nk_map_free(&m->by_path);
}

static nk_code add_to_manifest(delta *d, manifests *m, nk_str file, const nk_json *add)
{
    nk_strs values = {0};
    nk_str path;
    NK_TRY(partition_path(d, add, &values, &path));
    manifest *one = nk_map_get(&m->by_path, path), **slot;
    if (!one) {
        nk_str *p = nk_strs_add(&m->paths, d->c->a);
        one = NK_NEW(d->c->a, manifest);
        slot = manifest_list_add(&m->list, d->c->a);
        if (!one || !slot || !p || nk_map_put(&m->by_path, path, one, NULL) != NK_OK)
            return no_memory(d);
        nk_buf_init(&one->text, COMMIT_MAX);
        one->values = values;
        *slot = one;
        *p = path;
    }
    nk_buf_printf(&one->text, "s3://%.*s/%.*s%.*s\n", NK_STR_ARG(d->bucket), NK_STR_ARG(d->folder),
                  NK_STR_ARG(file));
    return nk_buf_check(&one->text, d->c->err);
}

static nk_code make_manifests(delta *d, manifests *m)
{
    nk_map_slot *slot;
    if (d->first > 0)
        return nk_fail(d->c->err, NK_E_PARSE,
                       "The log of s3://%.*s/%.*s begins at version %lld: which files are of the "
                       "table stands in a checkpoint, which is not read yet; set "
                       "CreateNativeDeltaTable",
                       NK_STR_ARG(d->bucket), NK_STR_ARG(d->folder), (long long)d->first);
    for (size_t i = 0; nk_map_next(&d->files, &i, &slot);) {
        if (slot->value)
            NK_TRY(add_to_manifest(d, m, slot->key, slot->value));
    }
    return NK_OK;
}

static nk_code write_manifests(delta *d, const manifests *m)
{
    for (size_t i = 0; i < m->list.n; i++) {
        nk_str key = nk_str_printf(d->c->a, "%.*s_symlink_format_manifest/%.*smanifest",
                                   NK_STR_ARG(d->folder), NK_STR_ARG(m->paths.v[i]));
        NK_TRY(nk_s3_put(d->c->s3, d->bucket, key, nk_buf_view(&m->list.v[i]->text), "text/plain",
                         d->c->err));
    }
    return NK_OK;
}

/* ---- describing ---- */

static bool is_key(const delta *d, nk_str name)
{
    for (size_t i = 0; i < d->keys.n; i++) {
        if (nk_str_eq(d->keys.v[i], name))
            return true;
    }
    return false;
}

static nk_code put_storage(delta *d, nk_json_writer *w, bool native, nk_str path)
{
    nk_crawl *c = d->c;
    nk_field *f = NK_NEWN(c->a, nk_field, d->type->nfields + 1);
    size_t n = 0;
    if (!f)
        return no_memory(d);
    for (size_t i = 0; i < d->type->nfields; i++) {
        if (native || !is_key(d, d->type->fields[i].name))
            f[n++] = (nk_field){.name = nk_str_lower(c->a, d->type->fields[i].name),
                                .type = d->type->fields[i].type};
    }
    const nk_type *columns = nk_type_struct(c->a, f, n);
    nk_str location =
        nk_str_printf(c->a, "s3://%.*s/%.*s%s%.*s", NK_STR_ARG(d->bucket), NK_STR_ARG(d->folder),
                      native ? "" : "_symlink_format_manifest/", NK_STR_ARG(path));
    if (!columns || !location.p)
        return no_memory(d);
    nk_jw_object(w);
    nk_jw_key(w, NK_STR("Columns"));
    NK_TRY(nk_crawl_put_columns(w, columns, c->err));
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

static nk_code describe(delta *d, bool native, nk_buf *out)
{
    char version[24];
    nk_json_writer w = {.buf = out};
    snprintf(version, sizeof version, "%lld", (long long)d->last);
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "Owner", "owner");
    nk_jw_ki64(&w, "Retention", 0);
    nk_jw_kcstr(&w, "TableType", "EXTERNAL_TABLE");
    nk_jw_key(&w, NK_STR("StorageDescriptor"));
    NK_TRY(put_storage(d, &w, native, NK_STR("")));
    nk_jw_key(&w, NK_STR("PartitionKeys"));
    nk_jw_array(&w);
    for (size_t i = 0; i < d->keys.n && !native; i++) {
        nk_jw_object(&w);
        nk_jw_kstr(&w, "Name", nk_str_lower(d->c->a, d->keys.v[i]));
        nk_jw_kcstr(&w, "Type", "string");
        nk_jw_object_end(&w);
    }
    nk_jw_array_end(&w);
    nk_jw_key(&w, NK_STR("Parameters"));
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "CrawlerSchemaDeserializerVersion", "1.0");
    nk_jw_kcstr(&w, "CrawlerSchemaSerializerVersion", "1.0");
    nk_jw_kcstr(&w, "classification", native ? "delta" : "parquet");
    nk_jw_kcstr(&w, "delta.lastUpdateVersion", version);
    if (native) {
        nk_jw_kcstr(&w, "spark.sql.sources.provider", "delta");
        nk_jw_kcstr(&w, "table_type", "delta");
    }
    nk_jw_object_end(&w);
    nk_jw_object_end(&w);
    return nk_buf_check(out, d->c->err);
}

static nk_code send_partitions(delta *d, const manifests *m)
{
    nk_buf b;
    nk_buf_init(&b, NK_POOL_FRAME_MAX);
    nk_buf_puts(&b, "{\"event\":\"partitions\",\"inputs\":");
    nk_json_writer w = {.buf = &b};
    nk_code rc = NK_OK;
    nk_jw_array(&w);
    for (size_t i = 0; i < m->list.n && rc == NK_OK; i++) {
        nk_jw_object(&w);
        nk_jw_key(&w, NK_STR("Values"));
        nk_jw_array(&w);
        for (size_t v = 0; v < m->list.v[i]->values.n; v++)
            nk_jw_str(&w, m->list.v[i]->values.v[v]);
        nk_jw_array_end(&w);
        nk_jw_key(&w, NK_STR("StorageDescriptor"));
        rc = put_storage(d, &w, false, m->paths.v[i]);
        nk_jw_object_end(&w);
    }
    nk_jw_array_end(&w);
    nk_buf_putc(&b, '}');
    if (rc == NK_OK)
        rc = nk_crawl_send(d->c, &b);
    nk_buf_free(&b);
    return rc;
}

static nk_code send_table(delta *d, bool native, const manifests *m)
{
    nk_crawl *c = d->c;
    nk_str trimmed = nk_str_sub(d->folder, 0, d->folder.n ? d->folder.n - 1 : 0);
    nk_str base = nk_str_sub(trimmed, (size_t)(nk_str_rchr(trimmed, '/') + 1), trimmed.n);
    nk_str why = nk_str_printf(c->a, "a Delta table by %.*s (version %lld)",
                               NK_STR_ARG(d->commits.v[d->commits.n - 1]), (long long)d->last);
    bool parts = !native && d->keys.n;
    nk_buf b;
    nk_buf_init(&b, NK_POOL_FRAME_MAX);
    nk_code rc = describe(d, native, &b);
    if (rc == NK_OK)
        rc = nk_crawl_send_table(c, base.n ? base : d->bucket, why, parts ? m->list.n : 0,
                                 nk_buf_view(&b));
    nk_buf_free(&b);
    c->tables += rc == NK_OK;
    return rc == NK_OK && parts ? send_partitions(d, m) : rc;
}

nk_code nk_target_delta(nk_crawl *c)
{
    bool native = nk_json_bool(c->target, "native", false),
         write = nk_json_bool(c->target, "write_manifest", false);
    nk_s3_uri u;
    delta d = {.c = c};
    manifests m = {0};
    NK_TRY(nk_crawl_open_path(c, nk_json_str(c->target, "path"), &u));
    d.bucket = u.bucket;
    d.folder = !u.key.n || nk_str_ends(u.key, NK_STR("/"))
                   ? u.key
                   : nk_str_printf(c->a, "%.*s/", NK_STR_ARG(u.key));
    nk_map_init(&d.files);
    nk_map_init(&m.by_path);
    nk_code rc = read_log(&d);
    if (rc == NK_OK && (write || !native))
        rc = make_manifests(&d, &m);
    if (rc == NK_OK && write)
        rc = write_manifests(&d, &m);
    if (rc == NK_OK)
        rc = send_table(&d, native, &m);
    free_manifests(&m);
    nk_map_free(&d.files);
    if (rc != NK_E_PARSE)
        return rc;
    c->unreadable++;
    if (!c->first_problem.p && c->err)
        c->first_problem = nk_str_dup(c->a, nk_str_c(c->err->msg));
    nk_crawl_say(c, "WARN", "%s", c->err ? c->err->msg : "a Delta table cannot be read");
    return NK_OK;
}
