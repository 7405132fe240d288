#include "crawl/worker_int.h"

#include "schema/avro.h"

#define METADATA_MAX  ((size_t)64 << 20)
#define DEPTH_DEFAULT 10

static const struct kind {
    const char *suffix, *input;
} kinds[] = {
    {"", "org.apache.hudi.hadoop.HoodieParquetInputFormat"}, /* copy on write */
    {"_ro", "org.apache.hudi.hadoop.HoodieParquetInputFormat"},
    {"_rt", "org.apache.hudi.hadoop.realtime.HoodieParquetRealtimeInputFormat"},
};

typedef struct hudi {
    nk_crawl *c;
    nk_str bucket, folder; /* with trailing slash */
    nk_str properties;
    nk_str commit; /* newest completed */
    nk_str commit_time;
    const nk_type *type;
    nk_strs fields;     /* of partitions */
    nk_strs partitions; /* their paths below the table */
} hudi;

/* ---- hoodie.properties ---- */

static nk_str property(const hudi *h, const char *name)
{
    nk_str rest = h->properties, line;
    while (nk_str_split(&rest, '\n', &line)) {
        ptrdiff_t eq = nk_str_chr(line, '=');
        if (eq > 0 && nk_str_is(nk_str_trim(nk_str_sub(line, 0, (size_t)eq)), name))
            return nk_str_trim(nk_str_sub(line, (size_t)eq + 1, line.n));
    }
    return NK_STR_NULL;
}

/* Java writes ':' and '=' of values with a backslash before them. */
static nk_str unescaped(nk_arena *a, nk_str s)
{
    char *out = nk_arena_bytes(a, s.n + 1);
    size_t n = 0;
    if (!out)
        return NK_STR_NULL;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\' && i + 1 < s.n)
            i++;
        out[n++] = s.p[i];
    }
    return nk_str_n(out, n);
}

/* ---- what lies in the table's folder ---- */

static nk_code on_object(void *arg, const nk_s3_object *o)
{
    hudi *h = arg;
    static const nk_str done[] = {{".commit", 7}, {".deltacommit", 12}, {".replacecommit", 14}};
    nk_str rel = nk_str_sub(o->key, h->folder.n, o->key.n);
    nk_str name = nk_str_sub(rel, (size_t)(nk_str_rchr(rel, '/') + 1), rel.n);
    NK_TRY(nk_crawl_stopped(h->c));
    if (nk_str_starts(name, NK_STR(".hoodie_partition_metadata"))) {
        nk_str path = nk_str_sub(rel, 0, rel.n - name.n);
        nk_str *slot = path.n ? nk_strs_add(&h->partitions, h->c->a) : NULL;
        if (slot)
            *slot = nk_str_dup(h->c->a, path);
        return NK_OK;
    }
    if (!nk_str_starts(rel, NK_STR(".hoodie/")) ||
        nk_str_starts(rel, NK_STR(".hoodie/metadata/")) || !o->size)
        return NK_OK;
    for (size_t i = 0; i < NK_COUNTOF(done); i++) {
        if (nk_str_ends(name, done[i]) && nk_str_cmp(name, h->commit_time) > 0) {
            h->commit_time = nk_str_dup(h->c->a, name);
            h->commit = nk_str_dup(h->c->a, o->key);
        }
    }
    return NK_OK;
}

static nk_code read_schema(hudi *h)
{
    static const char *const own[] = {"_hoodie_commit_time", "_hoodie_commit_seqno",
                                      "_hoodie_record_key", "_hoodie_partition_path",
                                      "_hoodie_file_name"};
    nk_crawl *c = h->c;
    nk_str text, schema = NK_STR_NULL;
    nk_json *j;
    if (h->commit.p) {
        NK_TRY(nk_crawl_read(c, h->bucket, h->commit, METADATA_MAX, &text));
        if (nk_json_parse(text, c->a, 0, &j, NULL) == NK_OK)
            schema = nk_json_str(nk_json_get(j, "extraMetadata"), "schema");
    }
    if (!schema.n)
        schema = unescaped(c->a, property(h, "hoodie.table.create.schema"));
    if (!schema.n)
        return nk_fail(c->err, NK_E_PARSE,
                       "The Hudi table's schema stands neither in its newest commit nor in "
                       "hoodie.properties");
    NK_TRY(nk_avro_schema_type(schema, NK_MERGE_CRAWL, c->a, &h->type, c->err));
    if (h->type->kind != NK_T_STRUCT)
        return nk_fail(c->err, NK_E_PARSE, "The Hudi table's schema is no record");
    nk_field *f = NK_NEWN(c->a, nk_field, h->type->nfields + NK_COUNTOF(own));
    size_t n = 0;
    if (!f)
        return nk_fail(c->err, NK_E_NOMEM, "Out of memory");
    for (size_t i = 0; i < NK_COUNTOF(own); i++) {
        if (!nk_type_field(h->type, nk_str_c(own[i])))
            f[n++] = (nk_field){.name = nk_str_c(own[i]), .type = nk_type_scalar(NK_T_STRING)};
    }
    for (size_t i = 0; i < h->type->nfields; i++)
        f[n++] = h->type->fields[i];
    h->type = nk_type_struct(c->a, f, n);
    return h->type ? NK_OK : nk_fail(c->err, NK_E_NOMEM, "Out of memory");
}

/* ---- describing ---- */

static bool partition_field(const hudi *h, nk_str name)
{
    for (size_t i = 0; i < h->fields.n; i++) {
        if (nk_str_ieq(h->fields.v[i], name))
            return true;
    }
    return false;
}

static nk_code put_storage(hudi *h, nk_json_writer *w, const struct kind *k, nk_str path)
{
    nk_crawl *c = h->c;
    nk_field *f = NK_NEWN(c->a, nk_field, h->type->nfields + 1);
    size_t n = 0;
    if (!f)
        return nk_fail(c->err, NK_E_NOMEM, "Out of memory");
    for (size_t i = 0; i < h->type->nfields; i++) {
        if (!partition_field(h, h->type->fields[i].name))
            f[n++] = (nk_field){.name = nk_str_lower(c->a, h->type->fields[i].name),
                                .type = h->type->fields[i].type};
    }
    const nk_type *columns = nk_type_struct(c->a, f, n);
    if (!columns)
        return nk_fail(c->err, NK_E_NOMEM, "Out of memory");
    nk_jw_object(w);
    nk_jw_key(w, NK_STR("Columns"));
    NK_TRY(nk_crawl_put_columns(w, columns, c->err));
    nk_jw_kstr(w, "Location",
               nk_str_printf(c->a, "s3://%.*s/%.*s%.*s", NK_STR_ARG(h->bucket),
                             NK_STR_ARG(h->folder), NK_STR_ARG(path)));
    nk_jw_kcstr(w, "InputFormat", k->input);
    nk_jw_kcstr(w, "OutputFormat", nk_crawl_format_parquet.output);
    nk_jw_key(w, NK_STR("SerdeInfo"));
    nk_jw_object(w);
    nk_jw_kcstr(w, "SerializationLibrary", nk_crawl_format_parquet.serde);
    nk_jw_key(w, NK_STR("Parameters"));
    nk_jw_object(w);
    nk_jw_kcstr(w, "serialization.format", "1");
    if (k->suffix[0])
        nk_jw_kcstr(w, "hoodie.query.as.ro.table",
                    k->suffix[1] == 'r' && k->suffix[2] == 'o' ? "true" : "false");
    nk_jw_object_end(w);
    nk_jw_object_end(w);
    nk_jw_object_end(w);
    return NK_OK;
}

static void put_parameters(hudi *h, nk_json_writer *w)
{
    nk_jw_key(w, NK_STR("Parameters"));
    nk_jw_object(w);
    nk_jw_kcstr(w, "CrawlerSchemaDeserializerVersion", "1.0");
    nk_jw_kcstr(w, "CrawlerSchemaSerializerVersion", "1.0");
    nk_jw_kcstr(w, "classification", "hudi");
    nk_jw_kcstr(w, "spark.sql.sources.provider", "hudi");
    nk_str type = property(h, "hoodie.table.type");
    nk_jw_kstr(w, "hoodie.table.type", type.n ? type : NK_STR("COPY_ON_WRITE"));
    nk_jw_object_end(w);
}

static nk_code send_partitions(hudi *h, const struct kind *k)
{
    nk_crawl *c = h->c;
    nk_buf b;
    nk_code rc = NK_OK;
    nk_buf_init(&b, NK_POOL_FRAME_MAX);
    nk_buf_puts(&b, "{\"event\":\"partitions\",\"inputs\":");
    nk_json_writer w = {.buf = &b};
    nk_jw_array(&w);
    for (size_t i = 0; i < h->partitions.n && rc == NK_OK; i++) {
        nk_str rest = nk_str_sub(h->partitions.v[i], 0, h->partitions.v[i].n - 1), part;
        nk_strs values = {0};
        while (nk_str_split(&rest, '/', &part)) {
            ptrdiff_t eq = nk_str_chr(part, '=');
            nk_str *v = nk_strs_add(&values, c->a);
            if (v)
                *v = eq > 0 ? nk_str_sub(part, (size_t)eq + 1, part.n) : part;
        }
        if (values.n != h->fields.n) {
            nk_crawl_say(c, "WARN", "the Hudi partition %.*s has not %zu parts: it is left out",
                         NK_STR_ARG(h->partitions.v[i]), h->fields.n);
            continue;
        }
        nk_jw_object(&w);
        nk_jw_key(&w, NK_STR("Values"));
        nk_jw_array(&w);
        for (size_t v = 0; v < values.n; v++)
            nk_jw_str(&w, values.v[v]);
        nk_jw_array_end(&w);
        nk_jw_key(&w, NK_STR("StorageDescriptor"));
        rc = put_storage(h, &w, k, h->partitions.v[i]);
        nk_jw_object_end(&w);
    }
    nk_jw_array_end(&w);
    nk_buf_putc(&b, '}');
    if (rc == NK_OK)
        rc = nk_crawl_send(c, &b);
    nk_buf_free(&b);
    return rc;
}

static nk_code send_table(hudi *h, const struct kind *k)
{
    nk_crawl *c = h->c;
    nk_buf b;
    nk_buf_init(&b, NK_POOL_FRAME_MAX);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "Owner", "owner");
    nk_jw_ki64(&w, "Retention", 0);
    nk_jw_kcstr(&w, "TableType", "EXTERNAL_TABLE");
    nk_jw_key(&w, NK_STR("StorageDescriptor"));
    nk_code rc = put_storage(h, &w, k, NK_STR(""));
    nk_jw_key(&w, NK_STR("PartitionKeys"));
    nk_jw_array(&w);
    for (size_t i = 0; i < h->fields.n; i++) {
        nk_jw_object(&w);
        nk_jw_kstr(&w, "Name", nk_str_lower(c->a, h->fields.v[i]));
        nk_jw_kcstr(&w, "Type", "string");
        nk_jw_object_end(&w);
    }
    nk_jw_array_end(&w);
    put_parameters(h, &w);
    nk_jw_object_end(&w);
    nk_str name = property(h, "hoodie.table.name");
    nk_str base = nk_str_printf(c->a, "%.*s%s", NK_STR_ARG(name), k->suffix);
    nk_str why = nk_str_printf(c->a, "a Hudi table by s3://%.*s/%.*s.hoodie/hoodie.properties",
                               NK_STR_ARG(h->bucket), NK_STR_ARG(h->folder));
    if (rc == NK_OK)
        rc = nk_buf_check(&b, c->err);
    if (rc == NK_OK)
        rc = nk_crawl_send_table(c, base, why, h->fields.n ? h->partitions.n : 0, nk_buf_view(&b));
    nk_buf_free(&b);
    c->tables += rc == NK_OK;
    return rc == NK_OK && h->fields.n ? send_partitions(h, k) : rc;
}

static nk_code one_table(hudi *h)
{
    nk_crawl *c = h->c;
    nk_str key = nk_str_printf(c->a, "%.*s.hoodie/hoodie.properties", NK_STR_ARG(h->folder)), field;
    NK_TRY(nk_crawl_read(c, h->bucket, key, METADATA_MAX, &h->properties));
    if (!property(h, "hoodie.table.name").n)
        return nk_fail(c->err, NK_E_PARSE, "hoodie.properties names no table");
    NK_TRY(nk_s3_list(c->s3, h->bucket, h->folder, NK_STR(""), NK_STR(""), on_object, NULL, h,
                      c->err));
    NK_TRY(read_schema(h));
    nk_str rest = property(h, "hoodie.table.partition.fields");
    while (nk_str_split(&rest, ',', &field)) {
        nk_str name = nk_str_trim(field), *slot;
        ptrdiff_t colon = nk_str_chr(name, ':'); /* "field:SIMPLE" */
        if (!name.n)
            continue;
        if (!(slot = nk_strs_add(&h->fields, c->a)))
            return nk_fail(c->err, NK_E_NOMEM, "Out of memory");
        *slot = colon > 0 ? nk_str_sub(name, 0, (size_t)colon) : name;
    }
    if (!nk_str_is(property(h, "hoodie.table.type"), "MERGE_ON_READ"))
        return send_table(h, &kinds[0]);
    NK_TRY(send_table(h, &kinds[1]));
    return send_table(h, &kinds[2]);
}

static nk_code on_folder(nk_crawl *c, nk_str bucket, nk_str folder, const nk_strs *below, bool *is)
{
    nk_str wanted = nk_str_printf(c->a, "%.*s.hoodie/", NK_STR_ARG(folder));
    hudi h = {.c = c, .bucket = bucket, .folder = folder};
    for (size_t i = 0; i < below->n; i++)
        *is |= nk_str_eq(below->v[i], wanted);
    if (!*is)
        return NK_OK;
    return nk_crawl_pass_over(c, one_table(&h), bucket, folder);
}

nk_code nk_target_hudi(nk_crawl *c)
{
    nk_str path = nk_json_str(c->target, "path");
    size_t before = c->tables;
    NK_TRY(nk_crawl_walk(c, path, (int)nk_json_i64(c->target, "depth", DEPTH_DEFAULT), on_folder));
    if (c->tables == before)
        nk_crawl_say(c, "WARN", "%.*s holds no Hudi table", NK_STR_ARG(path));
    return NK_OK;
}
