#include <stdio.h>

#include "crawl/worker_int.h"

#define METADATA_MAX  ((size_t)64 << 20)
#define DEPTH_DEFAULT 10
#define TYPE_DEPTH    64

/* ---- types ---- */

static nk_code iceberg_type(nk_crawl *c, const nk_json *j, int depth, const nk_type **out);

static const struct {
    const char *name;
    nk_type_kind kind;
} types[] = {
    {"boolean", NK_T_BOOLEAN},
    {"int", NK_T_INT},
    {"long", NK_T_LONG},
    {"float", NK_T_FLOAT},
    {"double", NK_T_DOUBLE},
    {"date", NK_T_DATE},
    {"time", NK_T_STRING},
    {"timestamp", NK_T_TIMESTAMP},
    {"timestamptz", NK_T_TIMESTAMP},
    {"timestamp_ns", NK_T_TIMESTAMP},
    {"timestamptz_ns", NK_T_TIMESTAMP},
    {"string", NK_T_STRING},
    {"uuid", NK_T_STRING},
    {"binary", NK_T_BINARY},
};

static nk_code wrong(nk_crawl *c, const char *what)
{
    return nk_fail(c->err, NK_E_PARSE, "Iceberg metadata: %s", what);
}

static nk_code struct_type(nk_crawl *c, const nk_json *j, int depth, const nk_type **out)
{
    const nk_json *fields = nk_json_get(j, "fields");
    nk_field *f = NK_NEWN(c->a, nk_field, (fields ? fields->count : 0) + 1);
    size_t n = 0;
    if (!f)
        return nk_fail(c->err, NK_E_NOMEM, "Out of memory");
    for (const nk_json *e = fields ? fields->first : NULL; e; e = e->next) {
        f[n].name = nk_json_str(e, "name");
        f[n].comment = nk_json_str(e, "doc");
        if (!f[n].name.n)
            return wrong(c, "a field without a name");
        NK_TRY(iceberg_type(c, nk_json_get(e, "type"), depth + 1, &f[n++].type));
    }
    *out = nk_type_struct(c->a, f, n);
    return *out ? NK_OK : nk_fail(c->err, NK_E_NOMEM, "Out of memory");
}

static nk_code iceberg_type(nk_crawl *c, const nk_json *j, int depth, const nk_type **out)
{
    if (!j || depth > TYPE_DEPTH)
        return wrong(c, j ? "types nested too deep" : "a field without a type");
    if (j->kind == NK_JSON_STRING) {
        for (size_t i = 0; i < NK_COUNTOF(types); i++) {
            if (nk_str_is(j->text, types[i].name)) {
                *out = nk_type_scalar(types[i].kind);
                return NK_OK;
            }
        }
        if (nk_str_starts(j->text, NK_STR("fixed["))) {
            *out = nk_type_scalar(NK_T_BINARY);
            return NK_OK;
        }
        return nk_type_parse(j->text, c->a, out, c->err); /* decimal(p,s) */
    }
    nk_str kind = nk_json_str(j, "type");
    const nk_type *k, *v;
    if (nk_str_is(kind, "struct"))
        return struct_type(c, j, depth, out);
    if (nk_str_is(kind, "list")) {
        NK_TRY(iceberg_type(c, nk_json_get(j, "element"), depth + 1, &v));
        *out = nk_type_array(c->a, v);
    } else if (nk_str_is(kind, "map")) {
        NK_TRY(iceberg_type(c, nk_json_get(j, "key"), depth + 1, &k));
        NK_TRY(iceberg_type(c, nk_json_get(j, "value"), depth + 1, &v));
        *out = nk_type_map(c->a, k, v);
    } else {
        return wrong(c, "a type that is not known");
    }
    return *out ? NK_OK : nk_fail(c->err, NK_E_NOMEM, "Out of memory");
}

/* ---- the newest metadata file ---- */

typedef struct newest {
    nk_crawl *c;
    nk_str key;
    int64_t version, modified_us;
} newest;

/* "00003-uuid.metadata.json" and "v3.gz.metadata.json". */
static nk_code on_metadata(void *arg, const nk_s3_object *o)
{
    newest *n = arg;
    nk_str name = nk_str_sub(o->key, (size_t)(nk_str_rchr(o->key, '/') + 1), o->key.n);
    if (!nk_str_ends(name, NK_STR(".metadata.json")))
        return NK_OK;
    size_t from = name.n && name.p[0] == 'v', to = from;
    while (to < name.n && name.p[to] >= '0' && name.p[to] <= '9')
        to++;
    int64_t version = -1;
    (void)nk_str_i64(nk_str_sub(name, from, to), &version);
    if (n->key.p &&
        (version < n->version || (version == n->version && o->modified_us <= n->modified_us)))
        return NK_OK;
    n->version = version;
    n->modified_us = o->modified_us;
    n->key = nk_str_dup(n->c->a, o->key);
    return n->key.p ? NK_OK : nk_fail(n->c->err, NK_E_NOMEM, "Out of memory");
}

/* ---- the table ---- */

static const nk_json *current_schema(const nk_json *meta)
{
    const nk_json *schemas = nk_json_get(meta, "schemas");
    int64_t id = nk_json_i64(meta, "current-schema-id", 0);
    for (const nk_json *s = schemas ? schemas->first : NULL; s; s = s->next) {
        if (nk_json_i64(s, "schema-id", 0) == id)
            return s;
    }
    return nk_json_get(meta, "schema");
}

static nk_code put_columns(nk_crawl *c, nk_json_writer *w, const nk_json *schema, const nk_type *t)
{
    const nk_json *e = nk_json_get(schema, "fields") ? nk_json_get(schema, "fields")->first : NULL;
    nk_jw_key(w, NK_STR("Columns"));
    nk_jw_array(w);
    for (size_t i = 0; i < t->nfields && e; i++, e = e->next) {
        nk_buf type;
        nk_buf_init(&type, 131072);
        nk_code rc = nk_type_print(t->fields[i].type, true, &type);
        char id[24];
        snprintf(id, sizeof id, "%lld", (long long)nk_json_i64(e, "id", 0));
        nk_jw_object(w);
        nk_jw_kstr(w, "Name", nk_crawl_column_name(c->a, t->fields[i].name));
        nk_jw_kstr(w, "Type", nk_buf_view(&type));
        if (t->fields[i].comment.n)
            nk_jw_kstr(w, "Comment", nk_str_sub(t->fields[i].comment, 0, 255));
        nk_jw_key(w, NK_STR("Parameters"));
        nk_jw_object(w);
        nk_jw_kcstr(w, "iceberg.field.id", id);
        nk_jw_kcstr(w, "iceberg.field.optional",
                    nk_json_bool(e, "required", false) ? "false" : "true");
        nk_jw_kcstr(w, "iceberg.field.current", "true");
        nk_jw_object_end(w);
        nk_jw_object_end(w);
        nk_buf_free(&type);
        if (rc != NK_OK)
            return nk_fail(c->err, NK_E_LIMIT, "A column's type is too long");
    }
    nk_jw_array_end(w);
    return NK_OK;
}

static nk_code describe(nk_crawl *c, nk_str location, nk_str metadata, const nk_json *schema,
                        const nk_type *t, nk_buf *out)
{
    nk_json_writer w = {.buf = out};
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "Owner", "owner");
    nk_jw_ki64(&w, "Retention", 0);
    nk_jw_kcstr(&w, "TableType", "EXTERNAL_TABLE");
    nk_jw_key(&w, NK_STR("StorageDescriptor"));
    nk_jw_object(&w);
    NK_TRY(put_columns(c, &w, schema, t));
    nk_jw_kstr(&w, "Location", location);
    nk_jw_kcstr(&w, "InputFormat", "org.apache.hadoop.mapred.FileInputFormat");
    nk_jw_kcstr(&w, "OutputFormat", "org.apache.hadoop.mapred.FileOutputFormat");
    nk_jw_key(&w, NK_STR("SerdeInfo"));
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "SerializationLibrary", NK_LAZY_CSV);
    nk_jw_object_end(&w);
    nk_jw_object_end(&w);
    nk_jw_key(&w, NK_STR("PartitionKeys"));
    nk_jw_array(&w);
    nk_jw_array_end(&w);
    nk_jw_key(&w, NK_STR("Parameters"));
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "CrawlerSchemaDeserializerVersion", "1.0");
    nk_jw_kcstr(&w, "CrawlerSchemaSerializerVersion", "1.0");
    nk_jw_kcstr(&w, "classification", "iceberg");
    nk_jw_kcstr(&w, "table_type", "ICEBERG");
    nk_jw_kstr(&w, "metadata_location", metadata);
    nk_jw_object_end(&w);
    nk_jw_object_end(&w);
    return nk_buf_check(out, c->err);
}

static nk_code one_table(nk_crawl *c, nk_str bucket, nk_str folder, nk_str key)
{
    nk_str text;
    nk_json *meta;
    const nk_type *t;
    NK_TRY(nk_crawl_read(c, bucket, key, METADATA_MAX, &text));
    nk_err bad = NK_ERR_INIT;
    if (nk_json_parse(text, c->a, 0, &meta, &bad) != NK_OK)
        return nk_fail(c->err, NK_E_PARSE, "Iceberg metadata: %s", bad.msg);
    const nk_json *schema = current_schema(meta);
    if (!schema)
        return wrong(c, "it has no schema");
    NK_TRY(struct_type(c, schema, 0, &t));
    nk_str location = nk_str_printf(c->a, "s3://%.*s/%.*s", NK_STR_ARG(bucket),
                                    NK_STR_ARG(nk_str_sub(folder, 0, folder.n ? folder.n - 1 : 0)));
    nk_str metadata = nk_str_printf(c->a, "s3://%.*s/%.*s", NK_STR_ARG(bucket), NK_STR_ARG(key));
    nk_str why = nk_str_printf(c->a, "an Iceberg table by %.*s", NK_STR_ARG(metadata));
    nk_str base = nk_str_sub(location, (size_t)nk_str_rchr(location, '/') + 1, location.n);
    nk_buf b;
    nk_buf_init(&b, NK_POOL_FRAME_MAX);
    nk_code rc = describe(c, location, metadata, schema, t, &b);
    if (rc == NK_OK)
        rc = nk_crawl_send_table(c, base.n ? base : bucket, why, 0, nk_buf_view(&b));
    nk_buf_free(&b);
    c->tables += rc == NK_OK;
    return rc;
}

static nk_code on_folder(nk_crawl *c, nk_str bucket, nk_str folder, const nk_strs *below, bool *is)
{
    nk_str wanted = nk_str_printf(c->a, "%.*smetadata/", NK_STR_ARG(folder));
    newest n = {.c = c, .version = -1};
    for (size_t i = 0; i < below->n; i++) {
        if (!nk_str_eq(below->v[i], wanted))
            continue;
        NK_TRY(nk_s3_list(c->s3, bucket, wanted, NK_STR("/"), NK_STR(""), on_metadata, NULL, &n,
                          c->err));
    }
    if (!n.key.p)
        return NK_OK;
    *is = true;
    return nk_crawl_pass_over(c, one_table(c, bucket, folder, n.key), bucket, n.key);
}

nk_code nk_target_iceberg(nk_crawl *c)
{
    nk_str path = nk_json_str(c->target, "path");
    size_t before = c->tables;
    NK_TRY(nk_crawl_walk(c, path, (int)nk_json_i64(c->target, "depth", DEPTH_DEFAULT), on_folder));
    if (c->tables == before)
        nk_crawl_say(c, "WARN", "%.*s holds no Iceberg table", NK_STR_ARG(path));
    return NK_OK;
}
