#include <stdlib.h>

#include "crawl/hudi.h"
#include "crawl/worker_int.h"
#include "lake/hive.h"
#include "schema/avro.h"

#define METADATA_MAX  ((size_t)64 << 20)
#define DEPTH_DEFAULT 10
#define ACTIONS_MAX   100       /* looked into for a schema */
#define LOG_HEAD      (4 << 20) /* bytes in which a log's schema stands */
#define PROPERTIES    ".hoodie/hoodie.properties"

static const struct kind {
    const char *suffix, *input;
} kinds[] = {
    {"", "org.apache.hudi.hadoop.HoodieParquetInputFormat"}, /* copy on write */
    {"_ro", "org.apache.hudi.hadoop.HoodieParquetInputFormat"},
    {"_rt", "org.apache.hudi.hadoop.realtime.HoodieParquetRealtimeInputFormat"},
};

typedef struct action { /* or a file of data */
    nk_str instant;
    nk_str key;
    uint64_t size;
} action;
NK_LIST(actions, action);

typedef struct hudi {
    nk_crawl *c;
    nk_str bucket, folder; /* with trailing slash */
    nk_str properties;
    nk_str timeline; /* its folder, below the table */
    actions actions;
    action newest; /* file of data */
    bool newest_is_log;
    action reading;
    nk_str by; /* the file that told of the schema */
    const nk_type *type;
    const nk_type *columns; /* the catalogue's */
    nk_strs keys;           /* what it calls the fields */
    nk_strs fields;         /* of partitions */
    nk_strs partitions;     /* their paths below the table */
} hudi;

static nk_code no_memory(hudi *h)
{
    return nk_fail(h->c->err, NK_E_NOMEM, "Out of memory reading a Hudi table");
}

static nk_str property(const hudi *h, const char *name)
{
    return nk_hudi_property(h->properties, name, h->c->a);
}

/* ---- what lies in the table's folder ---- */

static nk_code on_action(hudi *h, nk_str name, const nk_s3_object *o)
{
    nk_str instant;
    action *slot;
    if (!o->size || !nk_hudi_action(name, &instant))
        return NK_OK;
    if (!(slot = actions_add(&h->actions, h->c->a)))
        return no_memory(h);
    slot->size = o->size;
    slot->key = nk_str_dup(h->c->a, o->key);
    if (!slot->key.p)
        return no_memory(h);
    slot->instant = nk_str_sub(slot->key, o->key.n - name.n, o->key.n - name.n + instant.n);
    return NK_OK;
}

/* Keeps the newest file of data: it tells of the columns when the timeline does not. */
static nk_code on_data(hudi *h, nk_str name, const nk_s3_object *o)
{
    bool log;
    nk_str instant;
    if (!o->size || !nk_hudi_data(name, &log, &instant) ||
        (h->newest.key.p && nk_str_cmp(instant, h->newest.instant) <= 0))
        return NK_OK;
    h->newest = (action){.key = nk_str_dup(h->c->a, o->key), .size = o->size};
    if (!h->newest.key.p)
        return no_memory(h);
    ptrdiff_t at = nk_str_find(name, instant);
    h->newest.instant = nk_str_sub(h->newest.key, o->key.n - name.n + (size_t)at,
                                   o->key.n - name.n + (size_t)at + instant.n);
    h->newest_is_log = log;
    return NK_OK;
}

static nk_code on_object(void *arg, const nk_s3_object *o)
{
    hudi *h = arg;
    nk_str rel = nk_str_sub(o->key, h->folder.n, o->key.n);
    nk_str name = nk_str_sub(rel, (size_t)(nk_str_rchr(rel, '/') + 1), rel.n);
    nk_str in = nk_str_sub(rel, 0, rel.n - name.n), *slot;
    NK_TRY(nk_crawl_stopped(h->c));
    if (nk_str_starts(rel, NK_STR(".hoodie/")))
        return nk_str_eq(in, h->timeline) ? on_action(h, name, o) : NK_OK;
    if (!nk_str_starts(name, NK_STR(".hoodie_partition_metadata")))
        return on_data(h, name, o);
    if (!in.n)
        return NK_OK;
    slot = nk_strs_add(&h->partitions, h->c->a);
    return slot && (*slot = nk_str_dup(h->c->a, in)).p ? NK_OK : no_memory(h);
}

/* ---- its schema ---- */

static nk_code read_bytes(void *arg, uint64_t at, size_t n, nk_buf *out, nk_err *err)
{
    hudi *h = arg;
    NK_TRY(nk_crawl_stopped(h->c));
    return nk_s3_get_range(h->c->s3, h->bucket, h->reading.key, at, n, out, err);
}

static int newest_first(const void *x, const void *y)
{
    return nk_str_cmp(((const action *)y)->instant, ((const action *)x)->instant);
}

/* The newest action that tells of one; not all do (a partition's deletion, say). */
static nk_code schema_of_timeline(hudi *h, nk_str *schema)
{
    nk_crawl *c = h->c;
    if (h->actions.n)
        qsort(h->actions.v, h->actions.n, sizeof *h->actions.v, newest_first);
    for (size_t i = 0; i < h->actions.n && i < ACTIONS_MAX && !schema->n; i++) {
        h->reading = h->actions.v[i];
        nk_input in = {.read = read_bytes, .arg = h, .size = h->reading.size};
        nk_input_init(&in);
        nk_code rc = nk_hudi_action_schema(&in, c->a, schema, c->err);
        nk_input_close(&in);
        if (rc == NK_OK && schema->n)
            h->by = h->reading.key;
        if (rc == NK_E_PARSE || rc == NK_E_LIMIT)
            nk_crawl_say(c, "WARN", "s3://%.*s/%.*s is passed over: %s", NK_STR_ARG(h->bucket),
                         NK_STR_ARG(h->reading.key), c->err->msg);
        else if (rc != NK_OK)
            return rc;
    }
    return NK_OK;
}

static nk_code read_part(void *arg, uint64_t from, uint64_t n, nk_str *out, nk_err *err)
{
    hudi *h = arg;
    nk_buf b;
    nk_buf_init(&b, n + 1);
    nk_code rc = read_bytes(h, from, n, &b, err);
    *out = nk_buf_dup(&b, h->c->a);
    nk_buf_free(&b);
    return rc == NK_OK && !out->p ? no_memory(h) : rc;
}

/* From the newest file of data: a log has a schema in its head, a base file is a schema. */
static nk_code type_of_data(hudi *h, nk_str *schema)
{
    nk_crawl *c = h->c;
    nk_str head;
    if (!h->newest.key.p)
        return NK_OK;
    h->reading = h->newest;
    h->by = h->newest.key;
    if (h->newest_is_log) {
        NK_TRY(read_part(h, 0, LOG_HEAD, &head, c->err));
        return nk_hudi_log_schema(head, schema, c->err);
    }
    nk_finding is = {0};
    nk_sample file = {.size = h->newest.size, .read = read_part, .arg = h};
    const nk_crawl_format *parquet = &nk_crawl_format_parquet;
    NK_TRY(parquet->classify(parquet, NULL, &file, c->a, &is, c->err));
    h->type = is.type;
    return NK_OK;
}

/* Hudi's own columns stand first, whether the schema names them or not. */
static nk_code with_own_columns(hudi *h)
{
    static const char *const own[] = {"_hoodie_commit_time", "_hoodie_commit_seqno",
                                      "_hoodie_record_key", "_hoodie_partition_path",
                                      "_hoodie_file_name"};
    nk_field *f = NK_NEWN(h->c->a, nk_field, h->type->nfields + NK_COUNTOF(own));
    size_t n = 0;
    if (!f)
        return no_memory(h);
    for (size_t i = 0; i < NK_COUNTOF(own); i++)
        f[n++] = (nk_field){.name = nk_str_c(own[i]), .type = nk_type_scalar(NK_T_STRING)};
    for (size_t i = 0; i < h->type->nfields; i++) {
        bool is_own = false;
        for (size_t k = 0; k < NK_COUNTOF(own); k++)
            is_own = is_own || nk_str_is(h->type->fields[i].name, own[k]);
        if (!is_own)
            f[n++] = h->type->fields[i];
    }
    h->type = nk_type_struct(h->c->a, f, n);
    return h->type ? NK_OK : no_memory(h);
}

static nk_code read_schema(hudi *h)
{
    nk_crawl *c = h->c;
    nk_str schema = NK_STR_NULL;
    NK_TRY(schema_of_timeline(h, &schema));
    if (!schema.n) {
        schema = property(h, "hoodie.table.create.schema");
        h->by = nk_str_printf(c->a, "%.*s" PROPERTIES, NK_STR_ARG(h->folder));
    }
    if (!schema.n)
        NK_TRY(type_of_data(h, &schema));
    if (!schema.n && !h->type)
        return nk_fail(c->err, NK_E_PARSE,
                       "The Hudi table's schema stands neither in its timeline nor in "
                       "hoodie.properties, and there is no file of data");
    if (schema.n)
        NK_TRY(nk_avro_schema_type(schema, NK_MERGE_CRAWL, c->a, &h->type, c->err));
    if (h->type->kind != NK_T_STRUCT)
        return nk_fail(c->err, NK_E_PARSE, "The Hudi table's schema is no record");
    return with_own_columns(h);
}

/* ---- describing ---- */

static nk_code put_storage(hudi *h, nk_json_writer *w, const struct kind *k, nk_str path,
                           nk_arena *a)
{
    nk_crawl *c = h->c;
    nk_str location = nk_str_printf(a, "s3://%.*s/%.*s%.*s", NK_STR_ARG(h->bucket),
                                    NK_STR_ARG(h->folder), NK_STR_ARG(path));
    if (!location.p)
        return no_memory(h);
    nk_jw_object(w);
    if (!path.n) { /* a partition has the table's */
        nk_jw_key(w, NK_STR("Columns"));
        NK_TRY(nk_crawl_put_columns(w, h->columns, c->err));
    }
    nk_jw_kstr(w, "Location", location);
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

typedef struct parts {
    hudi *h;
    const struct kind *k;
    nk_str *values;
    bool decode;
} parts;

static nk_code put_partition(void *arg, size_t i, nk_json_writer *w, nk_arena *scratch)
{
    parts *p = arg;
    hudi *h = p->h;
    if (!nk_hudi_partition(&h->fields, h->partitions.v[i], p->decode, scratch, p->values)) {
        nk_crawl_say(h->c, "WARN", "the Hudi partition %.*s has not %zu parts: it is left out",
                     NK_STR_ARG(h->partitions.v[i]), h->fields.n);
        return NK_OK;
    }
    if (!nk_crawl_values_fit(h->c, p->values, h->fields.n, h->partitions.v[i]))
        return NK_OK;
    nk_jw_object(w);
    nk_jw_key(w, NK_STR("Values"));
    nk_jw_array(w);
    for (size_t v = 0; v < h->fields.n; v++)
        nk_jw_str(w, p->values[v].n ? p->values[v] : NK_HIVE_NULL);
    nk_jw_array_end(w);
    nk_jw_key(w, NK_STR("StorageDescriptor"));
    NK_TRY(put_storage(h, w, p->k, h->partitions.v[i], scratch));
    nk_jw_object_end(w);
    return NK_OK;
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
    nk_code rc = put_storage(h, &w, k, NK_STR(""), c->a);
    nk_jw_key(&w, NK_STR("PartitionKeys"));
    nk_jw_array(&w);
    for (size_t i = 0; i < h->fields.n; i++) {
        nk_jw_object(&w);
        nk_jw_kstr(&w, "Name", h->keys.v[i]);
        nk_jw_kcstr(&w, "Type", "string");
        nk_jw_object_end(&w);
    }
    nk_jw_array_end(&w);
    put_parameters(h, &w);
    nk_jw_object_end(&w);
    nk_str name = property(h, "hoodie.table.name");
    nk_str base = nk_str_printf(c->a, "%.*s%s", NK_STR_ARG(name), k->suffix);
    nk_str why = nk_str_printf(c->a, "a Hudi table; its columns by s3://%.*s/%.*s",
                               NK_STR_ARG(h->bucket), NK_STR_ARG(h->by));
    size_t n = h->fields.n ? h->partitions.n : 0;
    parts p = {.h = h, .k = k, .values = NK_NEWN(c->a, nk_str, h->fields.n + 1)};
    p.decode = nk_str_is(property(h, "hoodie.datasource.write.partitionpath.urlencode"), "true");
    if (rc == NK_OK && (!base.p || !why.p || !p.values))
        rc = no_memory(h);
    if (rc == NK_OK)
        rc = nk_buf_check(&b, c->err);
    if (rc == NK_OK)
        rc = nk_crawl_send_table(c, base, why, n, nk_buf_view(&b));
    nk_buf_free(&b);
    c->tables += rc == NK_OK;
    return rc == NK_OK ? nk_crawl_send_partitions(c, n, put_partition, &p) : rc;
}

static nk_code one_table(hudi *h)
{
    nk_crawl *c = h->c;
    nk_str key = nk_str_printf(c->a, "%.*s" PROPERTIES, NK_STR_ARG(h->folder));
    if (!key.p)
        return no_memory(h);
    NK_TRY(nk_crawl_read(c, h->bucket, key, METADATA_MAX, &h->properties));
    if (!property(h, "hoodie.table.name").n)
        return nk_fail(c->err, NK_E_PARSE, "hoodie.properties names no table");
    nk_str path = property(h, "hoodie.timeline.path");
    h->timeline =
        nk_str_is(property(h, "hoodie.timeline.layout.version"), "2")
            ? nk_str_printf(c->a, ".hoodie/%.*s/", NK_STR_ARG(path.n ? path : NK_STR("timeline")))
            : NK_STR(".hoodie/");
    if (!h->timeline.p)
        return no_memory(h);
    NK_TRY(nk_hudi_fields(property(h, "hoodie.table.partition.fields"), c->a, &h->fields, c->err));
    NK_TRY(nk_s3_list(c->s3, h->bucket, h->folder, NK_STR(""), NK_STR(""), on_object, NULL, h,
                      c->err));
    NK_TRY(read_schema(h));
    nk_str clash;
    NK_TRY(nk_crawl_key_names(h->fields.v, h->fields.n, c->a, &h->keys, c->err));
    NK_TRY(nk_crawl_columns(h->type, false, &h->keys, c->a, &h->columns, &clash, c->err));
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
