/* Sources of formats that we read ourselves (schema/rows.h): their options, from a node or a
 * catalogue table, and the type of their rows. */
#include <stdlib.h>

#include "engine/session_int.h"

#define BATCH 1024

static nk_code oom(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

static nk_code read_range(void *arg, nk_str uri, uint64_t at, size_t n, nk_buf *out, nk_err *err)
{
    if (nk_session_stopped())
        return nk_fail(err, NK_E_CANCELLED, "stopped");
    return nk_file_range(arg, uri, at, n, out, err);
}

/* ---- the type of all rows ---- */

typedef struct looking {
    const nk_row_source *source;
    nk_arena **arenas; /* one a file: its type */
    const nk_type **types;
} looking;

/* Every row of a file is looked at, as JSON documents are. */
static nk_code observe(const looking *l, nk_input *in, nk_arena *a, const nk_type **out,
                       nk_err *err)
{
    const nk_rows_format *f = l->source->format;
    nk_infer_sink sink;
    nk_rows *r;
    size_t n = 1;
    nk_infer *seen = nk_infer_create(a, 0);
    if (!seen)
        return oom(err);
    nk_infer_sink_init(&sink, seen);
    NK_TRY(f->open(in, l->source->options, &r, err));
    nk_code rc = NK_OK;
    while (rc == NK_OK && n && !nk_session_stopped())
        rc = f->next(r, &sink.sink, BATCH, &n, err);
    f->close(r);
    if (rc == NK_OK && nk_infer_count(seen))
        rc = nk_infer_type(seen, NK_MERGE_CHOICE, 0, a, out, err);
    return rc;
}

static nk_code look_at(void *arg, size_t i, nk_err *err)
{
    looking *l = arg;
    const nk_rows_format *f = l->source->format;
    const nk_row_file *file = &l->source->files[i];
    nk_arena *a = l->arenas[i] = nk_arena_create(0);
    nk_input in;
    if (!a)
        return oom(err);
    nk_row_input(l->source, file, &in);
    nk_code rc =
        f->type ? f->type(&in, a, &l->types[i], err) : observe(l, &in, a, &l->types[i], err);
    nk_row_input_close(&in);
    if (rc != NK_OK)
        (void)nk_wrap(err, "%.*s", NK_STR_ARG(file->uri));
    return rc == NK_E_PARSE || rc == NK_E_LIMIT ? NK_E_INVALID : rc;
}

static nk_code merge(nk_session *s, const looking *l, const nk_type **out, nk_err *err)
{
    const nk_type *all = NULL;
    for (size_t i = 0; i < l->source->nfiles; i++) {
        if (!l->types[i])
            continue;
        if (!all)
            all = nk_type_copy(s->arena, l->types[i]);
        else if (!nk_type_eq(all, l->types[i]))
            NK_TRY(nk_type_merge(all, l->types[i], NK_MERGE_CHOICE, s->arena, &all, err));
        if (!all)
            return oom(err);
    }
    if (all && l->source->format->settle)
        NK_TRY(l->source->format->settle(all, s->arena, &all, err));
    if (all)
        all = nk_type_copy(s->arena, all); /* what is merged shares names with the files' types */
    else
        all = nk_type_struct(s->arena, NULL, 0);
    *out = all ? nk_scan_widen(s->arena, all) : NULL;
    return *out ? NK_OK : oom(err);
}

static nk_code look(nk_session *s, const nk_row_source *source, const nk_type **out, nk_err *err)
{
    looking l = {.source = source};
    l.arenas = NK_NEWN(s->arena, nk_arena *, source->nfiles + 1);
    l.types = NK_NEWN(s->arena, const nk_type *, source->nfiles + 1);
    if (!l.arenas || !l.types)
        return oom(err);
    nk_code rc = nk_session_each(source->nfiles, look_at, &l, err);
    if (rc == NK_OK)
        rc = merge(s, &l, out, err);
    for (size_t i = 0; i < source->nfiles; i++)
        nk_arena_destroy(l.arenas[i]);
    return rc;
}

/* ---- the source ---- */

static nk_code make_files(nk_session *s, const nk_scan *scan, const nk_files *files,
                          nk_row_source *out, nk_err *err)
{
    nk_row_file *v = NK_NEWN(s->arena, nk_row_file, files->n + 1);
    size_t *starts = NK_NEWN(s->arena, size_t, scan->nparts + 1), n = 0;
    nk_map sizes;
    nk_code rc = v && starts ? NK_OK : oom(err);
    nk_map_init(&sizes);
    for (size_t i = 0; rc == NK_OK && i < files->n; i++)
        rc = nk_map_put(&sizes, files->v[i].uri, &files->v[i].size, NULL);
    for (size_t p = 0; rc == NK_OK && p < scan->nparts; p++) {
        starts[p] = n;
        for (size_t k = 0; k < scan->parts[p].nfiles && n < files->n; k++) {
            const uint64_t *size = nk_map_get(&sizes, scan->parts[p].files[k]);
            v[n++] = (nk_row_file){scan->parts[p].files[k], size ? *size : 0};
        }
        starts[p + 1] = n;
    }
    nk_map_free(&sizes);
    out->files = v;
    out->nfiles = n;
    out->starts = starts;
    out->nparts = scan->nparts;
    return rc;
}

/* wanted: the catalogue's columns, or NULL. */
static nk_code rows_source(nk_session *s, nk_source *src, const nk_node *n,
                           const nk_rows_format *format, const nk_rows_options *options,
                           const nk_files *files, const nk_type *wanted, nk_err *err)
{
    nk_scan *scan = &src->scan;
    nk_engine *e;
    nk_row_source *source = NK_NEW(s->arena, nk_row_source);
    const nk_type *seen = NULL, *read;
    if (!source)
        return oom(err);
    *source = (nk_row_source){.format = format, .options = options, .read = read_range};
    for (size_t i = 0; i < files->n && !source->arg; i++)
        if (nk_str_starts(files->v[i].uri, NK_STR("s3"))) {
            nk_s3 *s3;
            NK_TRY(nk_session_s3(s, &s3, err));
            source->arg = s3;
        }
    NK_TRY(make_files(s, scan, files, source, err));
    if (options->grok)
        seen = nk_grok_type(options->grok);
    else
        NK_TRY(look(s, source, &seen, err));
    read = seen;
    if (wanted)
        NK_TRY(nk_scan_by_catalog(s, seen, wanted, &scan->read, &read, err));
    if (!read->nfields)
        return nk_fail(err, NK_E_INVALID, "the files hold no rows with fields");
    source->type = scan->read = read;
    src->exact = true;
    scan->view = nk_str_printf(s->arena, "rows%zu_%u", n->id, ++src->version);
    NK_TRY(nk_session_engine(s, &e, err));
    NK_TRY(scan->view.p ? nk_engine_row_source(e, scan->view, source, err) : oom(err));
    return nk_scan_whole_type(s, scan, read, err);
}

/* ---- options ---- */

static void free_grok(void *arg)
{
    nk_grok_free(arg);
}

static nk_code set_grok(nk_session *s, nk_rows_options *o, nk_str pattern, nk_str custom,
                        nk_err *err)
{
    nk_grok *g;
    if (!pattern.n) {
        nk_fail(err, NK_E_INVALID, "the format grokLog needs a pattern");
        return nk_hint(err, "give logFormat: \"%%{COMMONAPACHELOG}\", say");
    }
    NK_TRY(nk_grok_compile(pattern, custom, &g, err));
    o->grok = g;
    return nk_arena_defer(s->arena, free_grok, g);
}

static nk_code need_row_tag(const nk_rows_options *o, nk_err *err)
{
    if (o->row_tag.n)
        return NK_OK;
    nk_fail(err, NK_E_INVALID, "the format xml needs rowTag: which elements are rows");
    return NK_E_INVALID;
}

nk_code nk_rows_direct_source(nk_session *s, nk_source *src, const nk_node *n,
                              const nk_files *files, nk_err *err)
{
    const nk_json *j = n->options;
    const nk_rows_format *f = nk_rows_format_of(nk_json_str(j, "Format"));
    nk_rows_options *o = NK_NEW(s->arena, nk_rows_options);
    if (!o)
        return oom(err);
    if (!f)
        return nk_fail(err, NK_E_UNSUPPORTED, "the format \"%.*s\" cannot be read",
                       NK_STR_ARG(nk_json_str(j, "Format")));
    *o = (nk_rows_options){
        .row_tag = nk_json_str(j, "RowTag"),
        .attribute_prefix = nk_json_str(j, "AttributePrefix"),
        .value_tag = nk_json_str(j, "ValueTag"),
        .exclude_attributes = nk_json_bool(j, "ExcludeAttribute", false),
        .empty_is_null = nk_json_bool(j, "TreatEmptyValuesAsNulls", false),
        .missing = nk_json_str(j, "Missing"),
        .strict = nk_json_bool(j, "StrictMode", false),
    };
    if (f == &nk_rows_xml)
        NK_TRY(need_row_tag(o, err));
    if (f == &nk_rows_grok)
        NK_TRY(set_grok(s, o, nk_json_str(j, "LogFormat"), nk_json_str(j, "CustomPatterns"), err));
    return rows_source(s, src, n, f, o, files, NULL, err);
}

/* A table's SerDe parameter, else its own or its descriptor's. */
static nk_str parameter(const nk_json *table, const char *serde, const char *own)
{
    const nk_json *sd = nk_json_get(table, "StorageDescriptor");
    nk_str v = nk_json_str(nk_json_get(nk_json_get(sd, "SerdeInfo"), "Parameters"), serde);
    if (!v.n)
        v = nk_json_str(nk_json_get(table, "Parameters"), own);
    return v.n ? v : nk_json_str(nk_json_get(sd, "Parameters"), own);
}

static const nk_rows_format *table_rows(const nk_json *table, nk_str format)
{
    const nk_json *sd = nk_json_get(table, "StorageDescriptor");
    nk_str lib = nk_json_str(nk_json_get(sd, "SerdeInfo"), "SerializationLibrary");
    static const struct {
        const char *part;
        const nk_rows_format *f;
    } serdes[] = {{"GrokSerDe", &nk_rows_grok},
                  {"AvroSerDe", &nk_rows_avro},
                  {"OrcSerde", &nk_rows_orc},
                  {"IonHiveSerDe", &nk_rows_ion},
                  {"BSONSerDe", &nk_rows_bson}};
    const nk_rows_format *f = nk_rows_format_of(format);
    for (size_t i = 0; !f && i < NK_COUNTOF(serdes); i++)
        if (nk_str_find(lib, nk_str_c(serdes[i].part)) >= 0)
            f = serdes[i].f;
    return f; /* logs are classified by their kind: "apache" */
}

bool nk_rows_of_table(const nk_json *table, nk_str format)
{
    return table_rows(table, format) != NULL;
}

nk_code nk_rows_table_source(nk_session *s, nk_source *src, const nk_node *n, const nk_json *table,
                             nk_str format, const nk_files *files, const nk_type *columns,
                             nk_err *err)
{
    const nk_rows_format *f = table_rows(table, format);
    nk_rows_options *o = NK_NEW(s->arena, nk_rows_options);
    if (!o)
        return oom(err);
    o->row_tag = parameter(table, "rowTag", "rowTag");
    if (f == &nk_rows_xml)
        NK_TRY(need_row_tag(o, err));
    if (f == &nk_rows_grok)
        NK_TRY(set_grok(s, o, parameter(table, "input.format", "grokPattern"),
                        parameter(table, "input.grokCustomPatterns", "grokCustomPatterns"), err));
    return rows_source(s, src, n, f, o, files, columns, err);
}
