/* What a crawler writes about a table: columns, SerDe, parameters. */
#include <stdio.h>

#include "crawl/worker_int.h"

enum { NAME_MAX_BYTES = 255 };

nk_str nk_crawl_column_name(nk_arena *a, nk_str raw)
{
    nk_str name = nk_str_lower(a, raw.n ? raw : NK_STR("_"));
    char *p = (char *)(uintptr_t)name.p; /* our own copy */
    size_t n = 0;
    uint32_t cp;
    while (p && n < name.n) {
        size_t len = nk_utf8_get(p + n, name.n - n, &cp);
        if (n + (len ? len : 1) > NAME_MAX_BYTES)
            break;
        if (!len || cp < 0x20 || cp == 0x7f)
            p[n] = '_';
        n += len ? len : 1;
    }
    return nk_str_n(name.p, n);
}

/* A name that none of `taken` has: NAME, NAME_1, …; p NULL when memory is gone. */
static nk_str free_name(const nk_map *taken, nk_str name, nk_arena *a)
{
    nk_str out = name;
    for (size_t i = 1; out.p && nk_map_has(taken, out); i++) {
        char end[24];
        int n = snprintf(end, sizeof end, "_%zu", i);
        size_t keep = name.n + (size_t)n > NAME_MAX_BYTES ? NAME_MAX_BYTES - (size_t)n : name.n;
        while (keep && keep < name.n && ((unsigned char)name.p[keep] & 0xc0) == 0x80)
            keep--; /* between characters */
        out = nk_str_printf(a, "%.*s%s", (int)keep, name.p, end);
    }
    return out;
}

static nk_field a_key; /* what partition keys stand for among columns */

/* Text files are read by position: each column stays one, whatever it is called. Elsewhere keys
 * that differ in case only become one, and of one that is a partition key the folder's value wins.
 */
static nk_code one_column(const nk_field *f, bool by_position, nk_map *at, nk_field *fields,
                          size_t *n, nk_arena *a, nk_str *clash, nk_err *err)
{
    nk_str name = nk_crawl_column_name(a, f->name);
    nk_field *same = nk_map_get(at, name);
    if (same == &a_key) {
        *clash = name;
        if (!by_position)
            return NK_OK;
    }
    if (same && !by_position)
        return nk_type_merge(same->type, f->type, NK_MERGE_CRAWL, a, &same->type, err);
    if (same)
        name = free_name(at, name, a);
    fields[*n] = (nk_field){.name = name, .type = f->type};
    if (!name.p || nk_map_put(at, name, &fields[*n], NULL) != NK_OK)
        return nk_fail(err, NK_E_NOMEM, "Out of memory describing a table");
    ++*n;
    return NK_OK;
}

nk_code nk_crawl_columns(const nk_type *t, bool by_position, const nk_strs *keys, nk_arena *a,
                         const nk_type **out, nk_str *clash, nk_err *err)
{
    nk_field *fields = NK_NEWN(a, nk_field, t->nfields ? t->nfields : 1);
    nk_map at;
    size_t n = 0;
    nk_code rc = fields ? NK_OK : NK_E_NOMEM;
    nk_map_init(&at);
    for (size_t k = 0; k < keys->n && rc == NK_OK; k++)
        rc = nk_map_put(&at, keys->v[k], &a_key, NULL);
    for (size_t i = 0; i < t->nfields && rc == NK_OK; i++)
        rc = one_column(&t->fields[i], by_position, &at, fields, &n, a, clash, err);
    nk_map_free(&at);
    if (rc == NK_OK)
        *out = nk_type_struct(a, fields, n);
    if (rc == NK_E_NOMEM || (rc == NK_OK && !*out))
        return nk_fail(err, NK_E_NOMEM, "Out of memory describing a table");
    return rc;
}

nk_code nk_crawl_key_names(const nk_str *raw, size_t n, nk_arena *a, nk_strs *out, nk_err *err)
{
    nk_map taken;
    nk_code rc = NK_OK;
    nk_map_init(&taken);
    for (size_t i = 0; i < n && rc == NK_OK; i++) {
        nk_str name = free_name(&taken, nk_crawl_column_name(a, raw[i]), a);
        nk_str *slot = name.p ? nk_strs_add(out, a) : NULL;
        if (!slot || nk_map_put(&taken, name, slot, NULL) != NK_OK)
            rc = nk_fail(err, NK_E_NOMEM, "Out of memory describing a table");
        else
            *slot = name;
    }
    nk_map_free(&taken);
    return rc;
}

static void put_number(nk_json_writer *w, const char *key, uint64_t v)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)v);
    nk_jw_kcstr(w, key, text);
}

static void put_parameters(nk_json_writer *w, const nk_facts *f)
{
    nk_jw_object(w);
    nk_jw_kcstr(w, "CrawlerSchemaDeserializerVersion", "1.0");
    nk_jw_kcstr(w, "CrawlerSchemaSerializerVersion", "1.0");
    put_number(w, "averageRecordSize", (uint64_t)(f->record_size + 0.5));
    nk_jw_kstr(w, "classification", f->sample->classification);
    if (f->sample->format->properties)
        f->sample->format->properties(w, f);
    if (f->exclusions.n)
        nk_jw_kstr(w, "exclusions", f->exclusions);
    nk_jw_kcstr(w, "compressionType", f->sample->codec ? f->sample->codec->name : "none");
    put_number(w, "objectCount", f->files);
    put_number(w, "recordCount", f->records);
    put_number(w, "sizeKey", f->bytes);
    nk_jw_kcstr(w, "typeOfData", "file");
    nk_jw_object_end(w);
}

static void put_serde(nk_json_writer *w, const nk_facts *f)
{
    const nk_crawl_format *format = f->sample->format;
    const char *serde = format->serde_of ? format->serde_of(f) : format->serde;
    nk_jw_object(w);
    if (serde)
        nk_jw_kcstr(w, "SerializationLibrary", serde);
    nk_jw_key(w, NK_STR("Parameters"));
    nk_jw_object(w);
    if (format->serde_parameters)
        format->serde_parameters(w, f);
    nk_jw_object_end(w);
    nk_jw_object_end(w);
}

nk_code nk_crawl_put_columns(nk_json_writer *w, const nk_type *t, nk_err *err)
{
    nk_jw_array(w);
    for (size_t i = 0; i < t->nfields; i++) {
        nk_buf type;
        nk_buf_init(&type, 131072); /* the longest type the catalogue takes */
        nk_code rc = nk_type_print(t->fields[i].type, true, &type);
        if (rc == NK_OK) {
            nk_jw_object(w);
            nk_jw_kstr(w, "Name", t->fields[i].name);
            nk_jw_kstr(w, "Type", nk_buf_view(&type));
            nk_jw_object_end(w);
        }
        nk_buf_free(&type);
        if (rc == NK_E_NOMEM)
            return nk_fail(err, rc, "Out of memory describing a table");
        if (rc != NK_OK)
            return nk_fail(err, NK_E_LIMIT,
                           "The type of column \"%.*s\" is longer than 131072 characters",
                           NK_STR_ARG(t->fields[i].name));
    }
    nk_jw_array_end(w);
    return NK_OK;
}

static nk_code put_storage(nk_json_writer *w, const nk_facts *f, const nk_type *columns,
                           nk_str bucket, nk_str path, nk_arena *a, nk_err *err)
{
    const nk_crawl_format *row = f->sample->format;
    nk_str location = nk_str_printf(a, "s3://%.*s/%.*s", NK_STR_ARG(bucket), NK_STR_ARG(path));
    if (!location.p)
        return nk_fail(err, NK_E_NOMEM, "Out of memory describing a table");
    nk_jw_object(w);
    if (columns) { /* of a partition: other than the table's */
        nk_jw_key(w, NK_STR("Columns"));
        NK_TRY(nk_crawl_put_columns(w, columns, err));
    }
    nk_jw_kstr(w, "Location", location);
    nk_jw_kcstr(w, "InputFormat", row->input);
    nk_jw_kcstr(w, "OutputFormat", row->output);
    nk_jw_kbool(w, "Compressed", f->sample->codec != NULL);
    nk_jw_ki64(w, "NumberOfBuckets", -1);
    nk_jw_key(w, NK_STR("SerdeInfo"));
    put_serde(w, f);
    nk_jw_key(w, NK_STR("BucketColumns"));
    nk_jw_array(w);
    nk_jw_array_end(w);
    nk_jw_key(w, NK_STR("SortColumns"));
    nk_jw_array(w);
    nk_jw_array_end(w);
    nk_jw_key(w, NK_STR("Parameters"));
    put_parameters(w, f);
    nk_jw_kbool(w, "StoredAsSubDirectories", false);
    nk_jw_object_end(w);
    return NK_OK;
}

nk_code nk_crawl_table_json(const nk_crawl_table *t, nk_str bucket, nk_arena *a, nk_buf *out,
                            nk_crawl_remark remark, void *arg, nk_err *err)
{
    nk_facts f = {t->sample, t->type,    t->quoted,      t->multiline, t->files,
                  t->bytes,  t->records, t->record_size, t->exclusions};
    const nk_type *columns;
    nk_str clash = NK_STR_NULL;
    NK_TRY(nk_crawl_columns(t->type, t->sample->format == &nk_crawl_format_csv, &t->keys, a,
                            &columns, &clash, err));
    if (clash.p && remark) {
        nk_str text =
            nk_str_printf(a, "column %.*s is also a partition key: %s", NK_STR_ARG(clash),
                          t->sample->format == &nk_crawl_format_csv ? "it is renamed in the table"
                                                                    : "the folder's value is used");
        remark(arg, text.p);
    }
    if (t->mixed_header && remark)
        remark(arg, "some files have a header and some have none: all are read as if they had one");
    nk_json_writer w = {.buf = out};
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "Owner", "owner");
    nk_jw_ki64(&w, "Retention", 0);
    nk_jw_kcstr(&w, "TableType", "EXTERNAL_TABLE");
    nk_jw_key(&w, NK_STR("StorageDescriptor"));
    NK_TRY(put_storage(&w, &f, columns, bucket, t->path, a, err));
    nk_jw_key(&w, NK_STR("PartitionKeys"));
    nk_jw_array(&w);
    for (size_t i = 0; i < t->keys.n; i++) {
        nk_jw_object(&w);
        nk_jw_kstr(&w, "Name", t->keys.v[i]);
        nk_jw_kcstr(&w, "Type", "string");
        nk_jw_object_end(&w);
    }
    nk_jw_array_end(&w);
    nk_jw_key(&w, NK_STR("Parameters"));
    put_parameters(&w, &f);
    nk_jw_object_end(&w);
    return nk_buf_check(out, err);
}

nk_code nk_crawl_partition_json(const nk_crawl_table *t, const nk_crawl_partition *p, bool inherit,
                                nk_str bucket, nk_arena *a, nk_buf *out, nk_err *err)
{
    nk_facts f = {p->sample,  inherit ? t->type : p->type,
                  t->quoted,  t->multiline,
                  p->files,   p->bytes,
                  p->records, p->record_size};
    const nk_type *columns = NULL;
    nk_str clash = NK_STR_NULL;
    if (!inherit && !nk_type_eq(p->type, t->type))
        NK_TRY(nk_crawl_columns(p->type, t->sample->format == &nk_crawl_format_csv, &t->keys, a,
                                &columns, &clash, err));
    nk_json_writer w = {.buf = out};
    nk_jw_object(&w);
    nk_jw_key(&w, NK_STR("Values"));
    nk_jw_array(&w);
    for (size_t i = 0; i < p->values.n; i++)
        nk_jw_str(&w, p->values.v[i]);
    nk_jw_array_end(&w);
    nk_jw_key(&w, NK_STR("StorageDescriptor"));
    NK_TRY(put_storage(&w, &f, columns, bucket, p->path, a, err));
    nk_jw_key(&w, NK_STR("Parameters"));
    put_parameters(&w, &f);
    nk_jw_object_end(&w);
    return nk_buf_check(out, err);
}
