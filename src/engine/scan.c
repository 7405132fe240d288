/* Sources: from a node's options or a catalogue table to files, and to how each column is read. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/session_int.h"
#include "lake/hive.h"
#include "net/sigv4.h"
#include "schema/codec.h"
#include "schema/infer.h"

#define SAMPLE_BYTES (1u << 20)
#define SAMPLE_FILES 3

static nk_code oom(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

static nk_source *source_of(nk_session *s, const nk_node *n)
{
    if (n->id >= s->nsources) {
        size_t cap = (n->id + 1) * 2;
        nk_source **v = nk_realloc(s->sources, cap * sizeof(*v));
        if (!v)
            return NULL;
        memset(v + s->nsources, 0, (cap - s->nsources) * sizeof(*v));
        s->sources = v;
        s->nsources = cap;
    }
    if (!s->sources[n->id])
        s->sources[n->id] = NK_NEW(s->arena, nk_source);
    return s->sources[n->id];
}

bool nk_session_source_read(const nk_session *s, const nk_node *n, nk_session_source *out)
{
    const nk_source *src = n->id < s->nsources ? s->sources[n->id] : NULL;
    if (n->kind->role != NK_NODE_SOURCE || !src || !src->built)
        return false;
    *out = (nk_session_source){.bytes = src->bytes,
                               .columns = src->scan.type ? src->scan.type->nfields : 0,
                               .partitioned = src->scan.npartition_columns > 0,
                               .lenient = src->lenient};
    for (size_t i = 0; i < src->scan.nparts; i++)
        out->files += src->scan.parts[i].nfiles;
    return true;
}

static void sum_bytes(nk_source *src, const nk_files *files)
{
    src->bytes = 0;
    for (size_t i = 0; i < files->n; i++)
        src->bytes += (int64_t)files->v[i].size;
}

/* ---- files into parts ---- */

typedef struct part_builder {
    nk_session *s;
    nk_scan *scan;
    struct part {
        nk_strs files;
        nk_str *values;
        const nk_type *read;
    } * parts;
    size_t n, cap;
} part_builder;

static struct part *part_for(part_builder *b, nk_str *values, const nk_type *read)
{
    for (size_t i = b->n; i-- > 0;) {
        bool same = true;
        for (size_t k = 0; same && k < b->scan->npartition_columns; k++)
            same = nk_str_eq(b->parts[i].values[k], values[k]) &&
                   !b->parts[i].values[k].p == !values[k].p;
        if (!same) /* files come folder by folder */
            break;
        if (b->parts[i].read == read)
            return &b->parts[i];
    }
    if (b->n == b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 16;
        struct part *v = NK_NEWN(b->s->arena, struct part, cap);
        if (!v)
            return NULL;
        if (b->n)
            memcpy(v, b->parts, b->n * sizeof(*v));
        b->parts = v;
        b->cap = cap;
    }
    b->parts[b->n] = (struct part){.values = values, .read = read};
    return &b->parts[b->n++];
}

static nk_code parts_done(part_builder *b, nk_err *err)
{
    b->scan->parts = NK_NEWN(b->s->arena, nk_scan_part, b->n + 1);
    if (!b->scan->parts)
        return oom(err);
    for (size_t i = 0; i < b->n; i++)
        b->scan->parts[i] = (nk_scan_part){.files = b->parts[i].files.v,
                                           .nfiles = b->parts[i].files.n,
                                           .values = b->parts[i].values,
                                           .read = b->parts[i].read};
    b->scan->nparts = b->n;
    return NK_OK;
}

/* Names of k=v folders of a path below its base. */
static size_t hive_keys(nk_str rel, nk_str *keys, nk_str *values, size_t max)
{
    size_t n = 0;
    nk_str part;
    ptrdiff_t slash = nk_str_rchr(rel, '/');
    rel = slash < 0 ? NK_STR("") : nk_str_sub(rel, 0, (size_t)slash);
    while (n < max && nk_str_split(&rel, '/', &part)) {
        ptrdiff_t eq = nk_str_chr(part, '=');
        if (eq <= 0)
            continue;
        keys[n] = nk_str_sub(part, 0, (size_t)eq);
        values[n++] = nk_str_sub(part, (size_t)eq + 1, part.n);
    }
    return n;
}

/* Files of a direct source: folders k=v become text columns when every file has the same keys. */
static nk_code parts_of_files(nk_session *s, nk_scan *scan, const nk_files *files, nk_err *err)
{
    nk_str keys[16], values[16], first[16];
    size_t nkeys = files->n ? hive_keys(files->v[0].rel, first, values, 16) : 0;
    for (size_t i = 1; i < files->n && nkeys; i++) {
        size_t k = hive_keys(files->v[i].rel, keys, values, 16);
        if (k != nkeys)
            nkeys = 0;
        for (size_t j = 0; j < nkeys; j++)
            if (!nk_str_eq(keys[j], first[j]))
                nkeys = 0;
    }
    scan->npartition_columns = nkeys;
    scan->partition_columns = NK_NEWN(s->arena, nk_field, nkeys + 1);
    part_builder b = {.s = s, .scan = scan};
    if (!scan->partition_columns)
        return oom(err);
    for (size_t j = 0; j < nkeys; j++)
        scan->partition_columns[j] = (nk_field){.name = nk_uri_unescape(s->arena, first[j], false),
                                                .type = nk_type_scalar(NK_T_STRING)};
    for (size_t j = 0; j < nkeys; j++)
        if (!scan->partition_columns[j].name.p)
            return oom(err);
    for (size_t i = 0; i < files->n; i++) {
        nk_str *v = NK_NEWN(s->arena, nk_str, nkeys + 1);
        if (!v)
            return oom(err);
        if (nkeys) {
            (void)hive_keys(files->v[i].rel, keys, values, 16);
            for (size_t j = 0; j < nkeys; j++) {
                if (nk_str_eq(values[j], NK_HIVE_NULL))
                    continue;
                v[j] = nk_uri_unescape(s->arena, values[j], false);
                if (!v[j].p) /* or it would be read as null */
                    return oom(err);
            }
        }
        struct part *p = part_for(&b, v, NULL);
        nk_str *f = p ? nk_strs_add(&p->files, s->arena) : NULL;
        if (!f)
            return oom(err);
        *f = files->v[i].uri;
    }
    return parts_done(&b, err);
}

/* ---- types ---- */

/* Numbers of several kinds become the widest one: inference widens, it does not make choices of
 * them. */
const nk_type *nk_scan_widen(nk_arena *a, const nk_type *t)
{
    if (t->kind == NK_T_ARRAY)
        return nk_type_array(a, nk_scan_widen(a, t->elem));
    if (t->kind != NK_T_STRUCT && t->kind != NK_T_CHOICE)
        return t;
    nk_field *f = NK_NEWN(a, nk_field, t->nfields + 1);
    size_t n = 0, at = SIZE_MAX;
    if (!f)
        return NULL;
    for (size_t i = 0; i < t->nfields; i++) {
        const nk_type *x = nk_scan_widen(a, t->fields[i].type);
        if (t->kind == NK_T_CHOICE && x && nk_type_is_number(x)) {
            if (at == SIZE_MAX)
                at = n;
            else {
                if (x->kind > f[at].type->kind)
                    f[at].type = x;
                continue;
            }
        }
        f[n++] = (nk_field){.name = t->fields[i].name, .type = x};
    }
    if (t->kind == NK_T_STRUCT)
        return nk_type_struct(a, f, n);
    if (n == 1)
        return f[0].type;
    const nk_type **alts = NK_NEWN(a, const nk_type *, n);
    for (size_t i = 0; alts && i < n; i++)
        alts[i] = f[i].type;
    return alts ? nk_type_choice(a, alts, n) : NULL;
}

/* file columns and partition columns as one struct; a partition column hides a file's of the same
 * name */
nk_code nk_scan_whole_type(nk_session *s, nk_scan *scan, const nk_type *columns, nk_err *err)
{
    nk_field *f = NK_NEWN(s->arena, nk_field, columns->nfields + scan->npartition_columns + 1);
    size_t n = 0;
    if (!f)
        return oom(err);
    for (size_t i = 0; i < columns->nfields; i++) {
        bool part = false;
        for (size_t k = 0; k < scan->npartition_columns; k++)
            part = part || nk_str_ieq(scan->partition_columns[k].name, columns->fields[i].name);
        if (!part)
            f[n++] = columns->fields[i];
    }
    for (size_t k = 0; k < scan->npartition_columns; k++)
        f[n++] = scan->partition_columns[k];
    scan->type = nk_type_struct(s->arena, f, n);
    return scan->type ? NK_OK : oom(err);
}

/* Registers what converts the text cells of a CSV scan. */
static nk_code make_cells(nk_session *s, nk_source *src, const nk_node *n, nk_err *err)
{
    nk_engine *e;
    nk_scan *scan = &src->scan;
    NK_TRY(nk_session_engine(s, &e, err));
    scan->view = nk_str_printf(s->arena, "src%zu_%u", n->id, ++src->version);
    src->cells = NK_NEWN(s->arena, nk_cells *, scan->type->nfields + 1);
    if (!src->cells || !scan->view.p)
        return oom(err);
    for (size_t i = 0; i < scan->type->nfields; i++) {
        const nk_type *t = scan->type->fields[i].type;
        if (nk_type_is_text(t) || t->kind == NK_T_CHOICE || t->kind == NK_T_NULL ||
            !nk_type_field(scan->read, scan->type->fields[i].name))
            continue;
        nk_cells *c = NK_NEW(s->arena, nk_cells);
        nk_str name = nk_str_printf(s->arena, "%.*s_c%zu", NK_STR_ARG(scan->view), i);
        if (!c || !name.p)
            return oom(err);
        c->kind = t->kind;
        c->type = t;
        src->cells[i] = c;
        NK_TRY(nk_engine_cells(e, name, c, err));
    }
    return NK_OK;
}

/* ---- CSV ---- */

typedef struct csv_sample {
    nk_infer *infer;
    nk_strs names;
    size_t skip, seen, width;
    bool header;
    nk_arena *arena;
} csv_sample;

static nk_code keep_names(csv_sample *c, const nk_csv_record *r, nk_err *err)
{
    for (size_t i = 0; i < r->n; i++) {
        nk_str *s = nk_strs_add(&c->names, c->arena);
        if (!s || !(*s = nk_str_dup(c->arena, nk_str_trim(r->cells[i]))).p)
            return oom(err);
        if (!nk_utf8_valid(*s))
            return nk_fail(err, NK_E_INVALID, "the header is not UTF-8");
    }
    return NK_OK;
}

static nk_code on_record(void *arg, const nk_csv_record *r, nk_err *err)
{
    csv_sample *c = arg;
    if (r->n > c->width)
        c->width = r->n;
    if (c->seen++ < c->skip) {
        return c->header && !c->names.n ? keep_names(c, r, err) : NK_OK;
    }
    return nk_infer_csv(c->infer, r->cells, r->n, err);
}

static nk_code csv_sample_file(nk_session *s, const nk_scan *scan, nk_str uri, csv_sample *c,
                               nk_err *err)
{
    nk_buf b;
    nk_csv_dialect d = {.delimiter = scan->separator,
                        .quote = scan->quote,
                        .escape = scan->escape == scan->quote ? 0 : scan->escape};
    nk_buf_init(&b, SAMPLE_BYTES);
    nk_code rc = nk_session_head(s, uri, SAMPLE_BYTES, true, &b, err);
    nk_str text = nk_buf_view(&b);
    if (rc == NK_OK && text.n == SAMPLE_BYTES) { /* the last record is cut */
        ptrdiff_t end = nk_str_rchr(text, '\n');
        if (end > 0)
            text = nk_str_sub(text, 0, (size_t)end + 1);
    }
    c->seen = 0;
    nk_csv_reader *r = nk_csv_open(&d, 0, on_record, c);
    if (rc == NK_OK && !r)
        rc = oom(err);
    if (rc == NK_OK)
        rc = nk_csv_feed(r, text, err);
    if (rc == NK_OK && nk_csv_finish(r, NULL) != NK_OK)
        rc = NK_OK; /* a quote left open: cut there, or told when all is read */
    nk_csv_close(r);
    nk_buf_free(&b);
    if (rc != NK_OK)
        (void)nk_wrap(err, "%.*s", NK_STR_ARG(uri));
    return rc;
}

/* Unique column names: "", "a", "a" -> "col0", "a", "a_1". */
static nk_str column_name(nk_arena *a, const nk_field *f, size_t n, nk_str want, size_t at)
{
    nk_str name = want.n ? want : nk_str_printf(a, "col%zu", at);
    for (size_t k = 1;; k++) {
        bool taken = false;
        for (size_t i = 0; i < n; i++)
            taken = taken || nk_str_ieq(f[i].name, name);
        if (!taken)
            return name;
        name = nk_str_printf(a, "%.*s_%zu", NK_STR_ARG(want), k);
    }
}

static nk_code csv_infer(nk_session *s, nk_source *src, const nk_files *files, const nk_type **out,
                         nk_err *err)
{
    nk_scan *scan = &src->scan;
    csv_sample c = {
        .arena = s->arena, .header = scan->header, .skip = scan->header || scan->skip_first};
    const nk_type *t;
    c.infer = nk_infer_create(s->arena, 0);
    if (!c.infer)
        return oom(err);
    for (size_t i = 0; i < files->n && i < SAMPLE_FILES; i++)
        NK_TRY(csv_sample_file(s, scan, files->v[i].uri, &c, err));
    NK_TRY(nk_infer_cells(c.infer, c.names.n ? c.names.n : 1, s->arena, &t, err));
    size_t n = c.names.n ? c.names.n : t->nfields;
    nk_field *f = NK_NEWN(s->arena, nk_field, n + 1);
    if (!f)
        return oom(err);
    for (size_t i = 0; i < n; i++) {
        f[i].name = column_name(s->arena, f, i, c.names.n ? c.names.v[i] : NK_STR(""), i);
        f[i].type = t->fields[i].type;
    }
    *out = nk_type_struct(s->arena, f, n);
    return *out ? NK_OK : oom(err);
}

static nk_code csv_source(nk_session *s, nk_source *src, const nk_node *n, const nk_type *columns,
                          nk_err *err)
{
    nk_scan *scan = &src->scan;
    nk_field *f = NK_NEWN(s->arena, nk_field, columns->nfields + 1);
    if (!f)
        return oom(err);
    for (size_t i = 0; i < columns->nfields; i++)
        f[i] = (nk_field){.name = columns->fields[i].name, .type = nk_type_scalar(NK_T_STRING)};
    scan->read = nk_type_struct(s->arena, f, columns->nfields);
    if (!scan->read)
        return oom(err);
    NK_TRY(nk_scan_whole_type(s, scan, columns, err));
    return make_cells(s, src, n, err);
}

static nk_code single_char(const nk_node *n, nk_str text, const char *what, char *out, nk_err *err)
{
    static const struct {
        const char *name;
        char c;
    } names[] = {{"comma", ','}, {"ctrla", 1},   {"pipe", '|'},          {"semicolon", ';'},
                 {"tab", '\t'},  {"quote", '"'}, {"single_quote", '\''}, {"disabled", 0}};
    for (size_t i = 0; i < NK_COUNTOF(names); i++)
        if (nk_str_is(text, names[i].name)) {
            *out = names[i].c;
            return NK_OK;
        }
    if (text.n == 1) {
        *out = text.p[0];
        return NK_OK;
    }
    return nk_fail(err, NK_E_UNSUPPORTED, "%s \"%.*s\" is not one ASCII character", what,
                   NK_STR_ARG(text));
}

static nk_code csv_options(const nk_node *n, nk_scan *scan, nk_err *err)
{
    nk_str sep = nk_json_str(n->options, "Separator"), quote = nk_json_str(n->options, "QuoteChar");
    nk_str esc = nk_json_str(n->options, "Escaper");
    scan->separator = ',';
    scan->quote = '"';
    if (sep.n)
        NK_TRY(single_char(n, sep, "Separator", &scan->separator, err));
    if (quote.n)
        NK_TRY(single_char(n, quote, "QuoteChar", &scan->quote, err));
    if (esc.n)
        NK_TRY(single_char(n, esc, "Escaper", &scan->escape, err));
    scan->header = nk_json_bool(n->options, "WithHeader", false);
    scan->skip_first = nk_json_bool(n->options, "SkipFirst", false);
    scan->multiline = nk_json_bool(n->options, "Multiline", false);
    return NK_OK;
}

/* ---- JSON ---- */

typedef struct observing {
    pthread_mutex_t lock;
    nk_infer *infer;
    nk_str path;
} observing;

static nk_code observe_document(void *arg, nk_str doc, nk_err *err)
{
    observing *o = arg;
    pthread_mutex_lock(&o->lock);
    nk_code rc = nk_infer_json(o->infer, doc, err);
    pthread_mutex_unlock(&o->lock);
    return rc;
}

/* The type of all documents; every one of them is looked at. from: what to SELECT json FROM. */
static nk_code observe_json(nk_session *s, nk_source *src, const nk_node *n, nk_str from,
                            const nk_type **out, nk_err *err)
{
    nk_engine *e;
    nk_buf b;
    const nk_type *t;
    int64_t count;
    observing *o = NK_NEW(s->arena, observing);
    nk_str name = nk_str_printf(s->arena, "observe%zu_%u", n->id, ++src->version);
    if (!o || !name.p)
        return oom(err);
    pthread_mutex_init(&o->lock, NULL);
    o->infer = nk_infer_create(s->arena, 0);
    if (!o->infer)
        return oom(err);
    NK_TRY(nk_session_engine(s, &e, err));
    NK_TRY(nk_engine_observer(e, name, observe_document, o, err));
    nk_buf_init(&b, from.n + 4096);
    (void)nk_buf_printf(&b, "SELECT count(%.*s(json)) FROM ", NK_STR_ARG(name));
    (void)nk_buf_str(&b, from);
    nk_code rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = nk_engine_i64(e, nk_buf_view(&b), &count, err);
    nk_buf_free(&b);
    NK_TRY(rc);
    if (!count) {
        *out = nk_type_struct(s->arena, NULL, 0);
        return *out ? NK_OK : oom(err);
    }
    NK_TRY(nk_infer_type(o->infer, NK_MERGE_CHOICE, 0, s->arena, &t, err));
    if (t->kind == NK_T_CHOICE) /* objects beside other things: the objects are the rows */
        for (size_t i = 0; i < t->nfields; i++)
            if (t->fields[i].type->kind == NK_T_STRUCT)
                t = t->fields[i].type;
    if (t->kind != NK_T_STRUCT)
        return nk_fail(err, NK_E_INVALID, "the documents are no objects (%s)",
                       nk_type_glue_name(t));
    *out = nk_scan_widen(s->arena, t);
    return *out ? NK_OK : oom(err);
}

static void sql_text(nk_buf *b, nk_str s)
{
    (void)nk_dialect_duckdb()->literal(b, s);
}

static void sql_files(nk_buf *b, const nk_files *files)
{
    (void)nk_buf_putc(b, '[');
    for (size_t i = 0; i < files->n; i++) {
        (void)nk_buf_puts(b, i ? ", " : "");
        (void)nk_dialect_duckdb()->file(b, files->v[i].uri);
    }
    (void)nk_buf_putc(b, ']');
}

/* Without fields the engine cannot make columns: such a document set has none. */
static nk_code json_columns(nk_session *s, nk_source *src, const nk_node *n, const nk_files *files,
                            const nk_type **out, nk_err *err)
{
    nk_scan *scan = &src->scan;
    nk_buf b;
    nk_buf_init(&b, 64 << 20);
    if (scan->json_path.p) {
        bool many = nk_str_chr(scan->json_path, '*') >= 0; /* then it gives a list of itself */
        (void)nk_buf_puts(&b, "(SELECT unnest(json_extract(json, ");
        (void)nk_buf_puts(&b, many ? "" : "[");
        sql_text(&b, scan->json_path);
        (void)nk_buf_puts(&b, many ? ")) AS json FROM " : "])) AS json FROM ");
    }
    /* a path begins at the document: a top-level array must not be taken apart before */
    (void)nk_buf_puts(&b, "read_json_objects(");
    sql_files(&b, files);
    (void)nk_buf_printf(&b, ", format='%s', maximum_object_size=67108864",
                        scan->json_path.p ? "unstructured" : "auto");
    if (scan->compression.n) {
        (void)nk_buf_puts(&b, ", compression=");
        sql_text(&b, scan->compression);
    }
    (void)nk_buf_puts(&b, scan->json_path.p ? "))" : ")");
    nk_code rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = observe_json(s, src, n, nk_buf_view(&b), out, err);
    nk_buf_free(&b);
    if (rc == NK_OK && !(*out)->nfields)
        rc = nk_fail(err, NK_E_INVALID, "the documents have no fields");
    return rc;
}

/* The catalogue's names, order and wider numbers over what the documents hold. */
nk_code nk_scan_by_catalog(nk_session *s, const nk_type *seen, const nk_type *wanted,
                           const nk_type **read, const nk_type **type, nk_err *err)
{
    nk_field *r = NK_NEWN(s->arena, nk_field, wanted->nfields + 1);
    size_t n = 0;
    if (!r)
        return oom(err);
    for (size_t i = 0; i < wanted->nfields; i++) {
        const nk_field *f = nk_type_field(seen, wanted->fields[i].name);
        for (size_t k = 0; !f && k < seen->nfields; k++)
            if (nk_str_ieq(seen->fields[k].name, wanted->fields[i].name))
                f = &seen->fields[k];
        const nk_type *w = wanted->fields[i].type;
        if (!f || f->type->kind == NK_T_NULL)
            r[n++] = (nk_field){.name = f ? f->name : wanted->fields[i].name, .type = w};
        else if (nk_type_is_number(f->type) && nk_type_is_number(w) && w->kind > f->type->kind)
            r[n++] = (nk_field){.name = f->name, .type = w};
        else
            r[n++] = *f;
    }
    *read = *type = nk_type_struct(s->arena, r, n);
    return *type ? NK_OK : oom(err);
}

/* ---- Parquet ---- */

static nk_code parquet_one(nk_session *s, nk_str uri, const nk_type **out, nk_err *err)
{
    nk_engine *e;
    nk_buf b;
    nk_files one = {&(nk_file){.uri = uri}, 1, 1};
    NK_TRY(nk_session_engine(s, &e, err));
    nk_buf_init(&b, uri.n * 6 + 256);
    (void)nk_buf_puts(&b, "SELECT * FROM read_parquet(");
    sql_files(&b, &one);
    (void)nk_buf_puts(&b, ", hive_partitioning=false)");
    nk_code rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = nk_engine_describe(e, nk_buf_view(&b), s->arena, out, err);
    nk_buf_free(&b);
    if (rc != NK_OK)
        (void)nk_wrap(err, "%.*s", NK_STR_ARG(uri));
    return rc;
}

/* Groups files by their schema, in one query over all footers; a file's group is the index of its
 * schema. */
static nk_code parquet_groups(nk_session *s, const nk_files *files, const nk_type **types,
                              nk_err *err)
{
    nk_engine *e;
    nk_buf b;
    nk_str *v;
    size_t rows, columns;
    NK_TRY(nk_session_engine(s, &e, err));
    NK_TRY(parquet_one(s, files->v[0].uri, &types[0], err));
    if (files->n == 1)
        return NK_OK;
    nk_buf_init(&b, 64 << 20);
    (void)nk_buf_puts(
        &b, "SELECT file_name, md5(string_agg(concat_ws('|', name, type, repetition_type, "
            "num_children, "
            "converted_type, scale, precision, logical_type), ',')) FROM parquet_schema(");
    sql_files(&b, files);
    (void)nk_buf_puts(&b, ") GROUP BY file_name");
    nk_code rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = nk_engine_texts(e, nk_buf_view(&b), files->n, s->arena, &v, &rows, &columns, err);
    nk_buf_free(&b);
    NK_TRY(rc);
    nk_str *sig = NK_NEWN(s->arena, nk_str, files->n);
    if (!sig)
        return oom(err);
    nk_map by_name;
    nk_map_init(&by_name);
    for (size_t i = 0; i < rows && rc == NK_OK; i++)
        rc = nk_map_put(&by_name, v[i * 2], &v[i * 2 + 1], NULL);
    for (size_t i = 0; i < files->n && rc == NK_OK; i++) {
        nk_str *p = nk_map_get(&by_name, files->v[i].uri);
        sig[i] = p ? *p : NK_STR("?");
        for (size_t k = 0; k < i && !types[i]; k++)
            if (nk_str_eq(sig[k], sig[i]))
                types[i] = types[k];
        if (!types[i])
            rc = parquet_one(s, files->v[i].uri, &types[i], err);
    }
    nk_map_free(&by_name);
    return rc;
}

static nk_code parquet_source(nk_session *s, nk_source *src, const nk_files *files,
                              const nk_type *wanted, nk_err *err)
{
    nk_scan *scan = &src->scan;
    const nk_type **types = NK_NEWN(s->arena, const nk_type *, files->n + 1);
    const nk_type *all = NULL;
    if (!types)
        return oom(err);
    NK_TRY(parquet_groups(s, files, types, err));
    all = types[0];
    for (size_t i = 1; i < files->n; i++)
        if (types[i] != types[i - 1]) {
            NK_TRY(nk_type_merge(all, types[i], NK_MERGE_CHOICE, s->arena, &all, err));
            all = nk_scan_widen(s->arena, all);
            if (!all)
                return oom(err);
        }
    scan->read = types[0];
    if (wanted) { /* the catalogue's names and order; what it does not list is not read */
        NK_TRY(nk_scan_by_catalog(s, all, wanted, &(const nk_type *){NULL}, &all, err));
    }
    /* split parts by schema */
    part_builder b = {.s = s, .scan = scan};
    size_t at = 0;
    for (size_t p = 0; p < scan->nparts; p++)
        for (size_t k = 0; k < scan->parts[p].nfiles; k++) {
            while (at < files->n && !nk_str_eq(files->v[at].uri, scan->parts[p].files[k]))
                at++;
            if (at == files->n) /* parts keep the order within, not between */
                for (at = 0;
                     at < files->n && !nk_str_eq(files->v[at].uri, scan->parts[p].files[k]);)
                    at++;
            struct part *q = part_for(&b, scan->parts[p].values, at < files->n ? types[at] : NULL);
            nk_str *f = q ? nk_strs_add(&q->files, s->arena) : NULL;
            if (!f)
                return oom(err);
            *f = scan->parts[p].files[k];
        }
    NK_TRY(parts_done(&b, err));
    return nk_scan_whole_type(s, scan, all, err);
}

/* ---- bounds: AdditionalOptions' BoundedFiles and BoundedSize ---- */

typedef struct bound {
    int64_t files, bytes; /* what is left; negative: unbounded */
} bound;

static bound bound_of(const nk_node *n)
{
    const nk_json *more = nk_json_get(n->options, "AdditionalOptions");
    return (bound){nk_json_i64(more, "BoundedFiles", -1), nk_json_i64(more, "BoundedSize", -1)};
}

/* Takes the file while something of both bounds is left. */
static bool bound_take(bound *b, const nk_file *f)
{
    if (b->files == 0 || b->bytes == 0)
        return false;
    if (b->files > 0)
        b->files--;
    if (b->bytes > 0)
        b->bytes = (int64_t)f->size < b->bytes ? b->bytes - (int64_t)f->size : 0;
    return true;
}

static void bound_cut(bound *b, nk_files *files, size_t from)
{
    size_t n = from;
    for (size_t i = from; i < files->n; i++)
        if (bound_take(b, &files->v[i]))
            files->v[n++] = files->v[i];
    files->n = n;
}

/* ---- direct S3 sources ---- */

static bool excluded(const nk_json *patterns, const nk_file *f)
{
    for (const nk_json *p = patterns ? patterns->first : NULL; p; p = p->next)
        if (nk_glob(p->text, f->uri) || nk_glob(p->text, f->rel))
            return true;
    return false;
}

static nk_code direct_files(nk_session *s, const nk_node *n, nk_files *out, nk_err *err)
{
    const nk_json *paths = nk_json_get(n->options, "Paths"),
                  *not_these = nk_json_get(n->options, "Exclusions");
    bool recurse = nk_json_bool(n->options, "Recurse", true);
    nk_files all = {0};
    for (const nk_json *p = paths->first; p; p = p->next)
        NK_TRY(nk_session_list(s, p->text, recurse, &all, err));
    for (size_t i = 0; i < all.n; i++) {
        if (excluded(not_these, &all.v[i]))
            continue;
        nk_file *f = nk_files_add(out, s->arena);
        if (!f)
            return oom(err);
        *f = all.v[i];
    }
    if (out->n) {
        bound b = bound_of(n);
        bound_cut(&b, out, 0);
        return NK_OK;
    }
    nk_fail(err, NK_E_NOT_FOUND, "there are no files under %.*s%s",
            NK_STR_ARG(paths->first ? paths->first->text : NK_STR("")),
            all.n ? " that are not excluded" : "");
    return nk_hint(
        err, "check the path; files of 0 bytes and names that start with _ or . are left out");
}

static nk_code direct_compression(const nk_node *n, nk_scan *scan, nk_err *err)
{
    nk_str c = nk_json_str(n->options, "CompressionType");
    if (!c.n || nk_str_is(c, "none") || nk_str_is(c, "uncompressed"))
        return NK_OK;
    if (!nk_codec_named(c)) {
        nk_fail(err, NK_E_UNSUPPORTED, "CompressionType %.*s is not known", NK_STR_ARG(c));
        return nk_hint(err, "gzip, bzip2, zip, zstd, lz4 and snappy can be read");
    }
    scan->compression = c;
    return NK_OK;
}

static nk_code output_schema(nk_session *s, const nk_node *n, const nk_type **out, nk_err *err)
{
    const nk_json *columns =
        nk_json_get(nk_json_at(nk_json_get(n->options, "OutputSchemas"), 0), "Columns");
    *out = NULL;
    if (!columns || !columns->count)
        return NK_OK;
    nk_field *f = NK_NEWN(s->arena, nk_field, columns->count);
    size_t k = 0;
    if (!f)
        return oom(err);
    for (const nk_json *c = columns->first; c; c = c->next, k++) {
        nk_str t = nk_json_str(c, "GlueStudioType");
        f[k].name = nk_json_str(c, "Name");
        NK_TRY(nk_type_parse(nk_json_str(c, "Type").n ? nk_json_str(c, "Type")
                             : t.n                    ? t
                                                      : NK_STR("string"),
                             s->arena, &f[k].type, err));
    }
    *out = nk_type_struct(s->arena, f, k);
    return *out ? NK_OK : oom(err);
}

static nk_code direct_source(nk_session *s, nk_source *src, const nk_node *n, nk_err *err)
{
    nk_scan *scan = &src->scan;
    nk_files files = {0};
    const nk_type *columns, *given;
    bool csv = nk_str_is(nk_str_c(n->kind->name), "S3CsvSource");
    bool json = nk_str_is(nk_str_c(n->kind->name), "S3JsonSource");
    NK_TRY(direct_files(s, n, &files, err));
    sum_bytes(src, &files);
    NK_TRY(parts_of_files(s, scan, &files, err));
    scan->lenient = src->lenient;
    if (nk_str_is(nk_str_c(n->kind->name), "S3FormatSource")) {
        scan->format = NK_SCAN_ROWS;
        return nk_rows_direct_source(s, src, n, &files, err);
    }
    if (!csv && !json) {
        scan->format = NK_SCAN_PARQUET;
        return parquet_source(s, src, &files, NULL, err);
    }
    NK_TRY(direct_compression(n, scan, err));
    NK_TRY(nk_session_packing(s, &files, scan, err));
    NK_TRY(output_schema(s, n, &given, err));
    if (csv) {
        scan->format = NK_SCAN_CSV;
        NK_TRY(csv_options(n, scan, err));
        NK_TRY(csv_infer(s, src, &files, &columns, err));
        for (size_t i = 0; given && i < columns->nfields; i++) { /* types that the node promises */
            const nk_field *f = nk_type_field(given, columns->fields[i].name);
            if (f)
                columns->fields[i].type = f->type;
        }
        return csv_source(s, src, n, columns, err);
    }
    nk_str path = nk_json_str(n->options, "JsonPath");
    scan->format = NK_SCAN_JSON;
    if (path.n && !nk_str_is(path, "$"))
        scan->json_path = path;
    NK_TRY(json_columns(s, src, n, &files, &columns, err));
    scan->read = columns;
    src->exact = true;
    return nk_scan_whole_type(s, scan, columns, err);
}

/* ---- catalogue tables ---- */

nk_code nk_table_type(const nk_json *table, nk_arena *a, const nk_type **columns,
                      const nk_type **keys, nk_err *err)
{
    const nk_json *lists[] = {nk_json_get(nk_json_get(table, "StorageDescriptor"), "Columns"),
                              nk_json_get(table, "PartitionKeys")};
    const nk_type **outs[] = {columns, keys};
    for (size_t i = 0; i < 2; i++) {
        size_t n = 0;
        nk_field *f = NK_NEWN(a, nk_field, (lists[i] ? lists[i]->count : 0) + 1);
        if (!f)
            return oom(err);
        for (const nk_json *c = lists[i] ? lists[i]->first : NULL; c; c = c->next, n++) {
            nk_str type = nk_json_str(c, "Type");
            f[n].name = nk_json_str(c, "Name");
            nk_code rc = nk_type_parse(type.n ? type : NK_STR("string"), a, &f[n].type, err);
            if (rc != NK_OK) {
                (void)nk_wrap(err, "column %.*s", NK_STR_ARG(f[n].name));
                return rc;
            }
        }
        *outs[i] = nk_type_struct(a, f, n);
        if (!*outs[i])
            return oom(err);
    }
    return NK_OK;
}

/* ---- a table's partitions ---- */

typedef struct partitions {
    nk_session *s;
    nk_str root;  /* the table's own location, ends with / */
    nk_files all; /* what lies under root, by URI, if that was listed as a whole */
    bool tried;
    part_builder parts;
    bound limit;
    nk_files *files; /* of all partitions so far */
} partitions;

static int by_uri(const void *a, const void *b)
{
    return nk_str_cmp(((const nk_file *)a)->uri, ((const nk_file *)b)->uri);
}

/* Many partitions of one folder: its files are listed a thousand at a time, rather than with a
 * request for each partition; but not when the folder holds far more than the partitions. */
static nk_code list_root(partitions *p, size_t npartitions, nk_err *err)
{
    enum { FEW = 8, FILES_EACH = 500 };
    bool whole;
    if (npartitions <= FEW || p->tried || !nk_str_starts(p->root, NK_STR("s3://")))
        return NK_OK;
    p->tried = true;
    nk_code rc = nk_session_list_s3(p->s, p->root, npartitions * FILES_EACH, &p->all, &whole, err);
    if (rc != NK_OK && rc != NK_E_NOT_FOUND)
        return rc;
    if (!whole)
        p->all.n = 0;
    if (p->all.n)
        qsort(p->all.v, p->all.n, sizeof(*p->all.v), by_uri);
    return NK_OK;
}

/* Its files: among those listed already, or by a request. */
static nk_code partition_files(partitions *p, nk_str location, nk_err *err)
{
    size_t from = p->files->n, lo = 0, hi = p->all.n;
    if (hi && nk_str_starts(location, p->root)) {
        nk_str dir = nk_str_ends(location, NK_STR("/"))
                         ? location
                         : nk_str_printf(p->s->arena, "%.*s/", NK_STR_ARG(location));
        while (lo < hi) {
            size_t mid = lo + (hi - lo) / 2;
            if (nk_str_cmp(p->all.v[mid].uri, dir) < 0)
                lo = mid + 1;
            else
                hi = mid;
        }
        for (; lo < p->all.n && nk_str_starts(p->all.v[lo].uri, dir); lo++) {
            nk_file *f = nk_files_add(p->files, p->s->arena);
            if (!f)
                return oom(err);
            *f = p->all.v[lo];
        }
    }
    if (p->files->n > from || !location.n)
        return NK_OK;
    nk_code rc = nk_session_list(p->s, location, true, p->files, err);
    return rc == NK_E_NOT_FOUND ? NK_OK : rc;
}

static nk_code add_partition(partitions *p, const nk_json *partition, nk_err *err)
{
    const nk_json *values = nk_json_get(partition, "Values");
    nk_str location = nk_json_str(nk_json_get(partition, "StorageDescriptor"), "Location");
    size_t nkeys = p->parts.scan->npartition_columns, k = 0, from = p->files->n;
    nk_str *v = NK_NEWN(p->s->arena, nk_str, nkeys + 1);
    if (!v)
        return oom(err);
    for (const nk_json *x = values ? values->first : NULL; x && k < nkeys; x = x->next, k++)
        v[k] = nk_str_eq(x->text, NK_HIVE_NULL) ? NK_STR_NULL : x->text;
    NK_TRY(partition_files(p, location, err));
    bound_cut(&p->limit, p->files, from);
    struct part *q = p->files->n > from ? part_for(&p->parts, v, NULL) : NULL;
    for (size_t i = from; i < p->files->n; i++) {
        nk_str *f = q ? nk_strs_add(&q->files, p->s->arena) : NULL;
        if (!f)
            return oom(err);
        *f = p->files->v[i].uri;
    }
    return NK_OK;
}

/* Pages through GetPartitions; adds each partition's files. */
static nk_code table_partitions(nk_session *s, nk_source *src, const nk_node *n, nk_str location,
                                const nk_type *keys, nk_files *files, nk_err *err)
{
    nk_scan *scan = &src->scan;
    nk_str token = NK_STR_NULL, predicate = nk_json_str(n->options, "PartitionPredicate");
    partitions p = {.s = s,
                    .root = nk_str_ends(location, NK_STR("/"))
                                ? location
                                : nk_str_printf(s->arena, "%.*s/", NK_STR_ARG(location)),
                    .parts = {.s = s, .scan = scan},
                    .limit = bound_of(n),
                    .files = files};
    scan->partition_columns = keys->fields;
    scan->npartition_columns = keys->nfields;
    do {
        const nk_json *reply;
        NK_TRY(nk_session_partitions(s, nk_json_str(n->options, "Database"),
                                     nk_json_str(n->options, "Table"), predicate, token, 0,
                                     s->arena, &reply, err));
        const nk_json *list = nk_json_get(reply, "Partitions");
        if (!predicate.n && list)
            NK_TRY(list_root(&p, list->count, err));
        for (const nk_json *x = list ? list->first : NULL; x; x = x->next)
            NK_TRY(add_partition(&p, x, err));
        token = nk_json_str(reply, "NextToken");
    } while (token.n);
    return parts_done(&p.parts, err);
}

static nk_code table_csv(nk_scan *scan, const nk_json *table, nk_err *err)
{
    const nk_json *sd = nk_json_get(table, "StorageDescriptor"),
                  *serde = nk_json_get(sd, "SerdeInfo");
    const nk_json *sp = nk_json_get(serde, "Parameters"), *tp = nk_json_get(table, "Parameters"),
                  *dp = nk_json_get(sd, "Parameters");
    nk_str lib = nk_json_str(serde, "SerializationLibrary");
    bool open = nk_str_find(lib, NK_STR("OpenCSVSerde")) >= 0;
    nk_str sep = nk_json_str(sp, "separatorChar"), quote = nk_json_str(sp, "quoteChar"),
           esc = nk_json_str(sp, "escapeChar");
    if (!sep.n)
        sep = nk_json_str(sp, "field.delim");
    if (!sep.n)
        sep = nk_json_str(sp, "serialization.format");
    if (!sep.n)
        sep = nk_json_str(tp, "delimiter");
    if (!esc.n)
        esc = nk_json_str(sp, "escape.delim");
    scan->separator = sep.n && sep.p[0] != '1' ? sep.p[0] : sep.n && !open ? 1 : ',';
    if (nk_str_is(sep, "\\t"))
        scan->separator = '\t';
    /* the crawler's tables are read with quotes whatever their serde: its own reader saw them */
    scan->quote = quote.n ? quote.p[0] : '"';
    scan->escape = esc.n && esc.p[0] != scan->quote ? esc.p[0] : 0;
    nk_str skip = nk_json_str(tp, "skip.header.line.count");
    if (!skip.n)
        skip = nk_json_str(sp, "skip.header.line.count");
    if (!skip.n)
        skip = nk_json_str(dp, "skip.header.line.count");
    scan->header = skip.n && !nk_str_is(skip, "0");
    scan->null_text = nk_json_str(sp, "serialization.null.format");
    return NK_OK;
}

static nk_str table_format(const nk_json *table)
{
    const nk_json *sd = nk_json_get(table, "StorageDescriptor");
    nk_str c = nk_json_str(nk_json_get(table, "Parameters"), "classification");
    if (!c.n)
        c = nk_json_str(nk_json_get(sd, "Parameters"), "classification");
    nk_str lib = nk_json_str(nk_json_get(sd, "SerdeInfo"), "SerializationLibrary");
    nk_str in = nk_json_str(sd, "InputFormat");
    if (nk_str_ends(in, NK_STR(".SymlinkTextInputFormat")))
        return NK_STR("symlink manifests"); /* whatever the files that they name are */
    nk_str kind = nk_json_str(nk_json_get(table, "Parameters"), "table_type");
    if (!c.n && (nk_str_ieq(kind, NK_STR("iceberg")) || nk_str_ieq(kind, NK_STR("delta"))))
        return kind;
    if (c.n)
        return c;
    if (nk_str_find(lib, NK_STR("arquet")) >= 0 || nk_str_find(in, NK_STR("arquet")) >= 0)
        return NK_STR("parquet");
    if (nk_str_find(lib, NK_STR("Json")) >= 0)
        return NK_STR("json");
    if (nk_str_find(lib, NK_STR("LazySimple")) >= 0 || nk_str_find(lib, NK_STR("OpenCSV")) >= 0)
        return NK_STR("csv");
    return NK_STR("");
}

static nk_code table_source(nk_session *s, nk_source *src, const nk_node *n, nk_err *err)
{
    nk_scan *scan = &src->scan;
    const nk_json *table;
    const nk_type *columns, *keys, *seen;
    nk_files files = {0};
    NK_TRY(nk_session_table(s, nk_json_str(n->options, "Database"),
                            nk_json_str(n->options, "Table"), s->arena, &table, err));
    NK_TRY(nk_table_type(table, s->arena, &columns, &keys, err));
    nk_str format = table_format(table);
    nk_str location = nk_json_str(nk_json_get(table, "StorageDescriptor"), "Location");
    scan->format = nk_str_ieq(format, NK_STR("csv"))       ? NK_SCAN_CSV
                   : nk_str_ieq(format, NK_STR("json"))    ? NK_SCAN_JSON
                   : nk_str_ieq(format, NK_STR("parquet")) ? NK_SCAN_PARQUET
                   : nk_rows_of_table(table, format)       ? NK_SCAN_ROWS
                                                           : NK_SCAN_TABLE;
    if (scan->format == NK_SCAN_TABLE)
        return nk_fail(err, NK_E_UNSUPPORTED, "tables of the format \"%.*s\" cannot be read yet",
                       NK_STR_ARG(format));
    scan->lenient = src->lenient;
    src->declared = true;
    if (keys->nfields)
        NK_TRY(table_partitions(s, src, n, location, keys, &files, err));
    else {
        nk_code rc = nk_session_list(s, location, true, &files, err);
        if (rc != NK_OK && rc != NK_E_NOT_FOUND)
            return rc;
        bound limit = bound_of(n);
        bound_cut(&limit, &files, 0);
        part_builder b = {.s = s, .scan = scan};
        for (size_t i = 0; i < files.n; i++) {
            struct part *p = part_for(&b, NULL, NULL);
            nk_str *f = p ? nk_strs_add(&p->files, s->arena) : NULL;
            if (!f)
                return oom(err);
            *f = files.v[i].uri;
        }
        NK_TRY(parts_done(&b, err));
    }
    sum_bytes(src, &files);
    if (!files.n) { /* an empty table: its columns, no rows */
        scan->read = columns;
        scan->nparts = 0;
        return nk_scan_whole_type(s, scan, columns, err);
    }
    if (scan->format == NK_SCAN_ROWS)
        return nk_rows_table_source(s, src, n, table, format, &files, columns, err);
    if (scan->format != NK_SCAN_PARQUET)
        NK_TRY(nk_session_packing(s, &files, scan, err));
    switch (scan->format) {
    case NK_SCAN_CSV:
        NK_TRY(table_csv(scan, table, err));
        return csv_source(s, src, n, columns, err);
    case NK_SCAN_JSON: {
        nk_str path = nk_json_str(nk_json_get(table, "Parameters"), "jsonPath");
        if (path.n && !nk_str_is(path, "$"))
            scan->json_path = path;
        NK_TRY(json_columns(s, src, n, &files, &seen, err));
        NK_TRY(nk_scan_by_catalog(s, seen, columns, &scan->read, &columns, err));
        src->exact = true;
        return nk_scan_whole_type(s, scan, columns, err);
    }
    default:
        return parquet_source(s, src, &files, columns, err);
    }
}

/* ---- what was handed over in memory ---- */

static nk_code arrow_source(nk_session *s, nk_source *src, const nk_node *n, nk_err *err)
{
    nk_engine *e;
    int64_t number = nk_json_i64(n->options, "stream", -1);
    nk_scan *scan = &src->scan;
    if (number < 0 || (size_t)number >= s->streams.n)
        return nk_fail(err, NK_E_INVALID, "there is no stream %lld", (long long)number);
    nk_stream *st = s->streams.v[number];
    nk_str table = nk_str_printf(s->arena, "arrow_%lld", (long long)number);
    NK_TRY(nk_session_engine(s, &e, err));
    if (!st->taken) {
        st->taken = true;
        NK_TRY(nk_engine_load_arrow(e, table, &st->stream, err));
    }
    scan->format = NK_SCAN_TABLE;
    scan->view = table;
    scan->parts = NK_NEW(s->arena, nk_scan_part);
    scan->nparts = 1;
    nk_str sql = nk_str_printf(s->arena, "SELECT * FROM %.*s", NK_STR_ARG(table));
    NK_TRY(nk_engine_describe(e, sql, s->arena, &scan->type, err));
    scan->read = scan->type;
    return scan->parts ? NK_OK : oom(err);
}

/* ---- PyMap: the function's rows, kept as JSON ---- */

typedef struct map_build {
    nk_str table, function;
} map_build;

static nk_code map_create(void *arg, nk_session *s, nk_str sql, nk_err *err)
{
    const map_build *m = arg;
    nk_buf b;
    nk_engine *e;
    NK_TRY(nk_session_engine(s, &e, err));
    nk_buf_init(&b, sql.n + (1 << 20));
    (void)nk_buf_printf(
        &b, "CREATE OR REPLACE TABLE %.*s AS SELECT json FROM (SELECT %.*s(t) AS json FROM (\n",
        NK_STR_ARG(m->table), NK_STR_ARG(m->function));
    (void)nk_buf_str(&b, sql);
    (void)nk_buf_puts(&b, "\n) AS t) AS u WHERE json IS NOT NULL");
    nk_code rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = nk_engine_exec(e, nk_buf_view(&b), err);
    nk_buf_free(&b);
    return rc;
}

/* A column that the function passed on keeps its type where its values, as JSON, can be read as
 * such. */
static const nk_type *kept_type(const nk_type *in, const nk_type *seen)
{
    if (seen->kind == NK_T_NULL)
        return in;
    if (nk_type_is_number(in) && nk_type_is_number(seen))
        return in->kind >= seen->kind ? in : seen;
    if (seen->kind == NK_T_STRING &&
        (in->kind == NK_T_DATE || in->kind == NK_T_TIMESTAMP || in->kind == NK_T_DECIMAL))
        return in;
    return seen;
}

static nk_code map_source(nk_session *s, nk_source *src, const nk_node *n, nk_err *err)
{
    nk_scan *scan = &src->scan;
    nk_engine *e;
    const nk_type *in, *seen;
    int64_t number = nk_json_i64(n->options, "callable", -1);
    if (number < 0 || (size_t)number >= s->callables.n)
        return nk_fail(err, NK_E_INVALID, "there is no function %lld", (long long)number);
    const nk_callable *c = &s->callables.v[number];
    map_build m = {.table = nk_str_printf(s->arena, "map_%zu", n->id),
                   .function = nk_str_printf(s->arena, "py_map_%zu_%u", n->id, ++src->version)};
    NK_TRY(nk_session_engine(s, &e, err));
    NK_TRY(nk_session_schema(s, n->inputs[0], &in, err));
    NK_TRY(nk_engine_rows_text(e, m.function, in, c->texts, c->arg, err));
    NK_TRY(nk_session_attempt(s, n->inputs[0], map_create, &m, err));
    NK_TRY(observe_json(s, src, n, m.table, &seen, err));
    if (!seen->nfields)
        seen = in;
    nk_field *f = NK_NEWN(s->arena, nk_field, seen->nfields + 1);
    if (!f)
        return oom(err);
    for (size_t i = 0; i < seen->nfields; i++) {
        const nk_field *was = nk_type_field(in, seen->fields[i].name);
        f[i] = seen->fields[i];
        if (was)
            f[i].type = kept_type(was->type, f[i].type);
    }
    scan->format = NK_SCAN_JSON;
    scan->json_table = m.table;
    scan->parts = NK_NEW(s->arena, nk_scan_part);
    scan->nparts = 1;
    scan->type = scan->read = nk_type_struct(s->arena, f, seen->nfields);
    src->exact = true;
    return scan->parts && scan->type ? NK_OK : oom(err);
}

/* ---- the host's side ---- */

nk_code nk_session_scan(void *arg, nk_plan *p, const nk_node *n, bool exact, nk_arena *a,
                        const nk_scan **out, nk_err *err)
{
    nk_session *s = arg;
    nk_source *src = source_of(s, n);
    if (!src)
        return oom(err);
    if (!src->built) {
        nk_str kind = nk_str_c(n->kind->name);
        memset(&src->scan, 0, sizeof(src->scan));
        if (nk_str_is(kind, "CatalogSource") || nk_str_is(kind, "S3CatalogSource"))
            NK_TRY(table_source(s, src, n, err));
        else if (nk_str_is(kind, "ArrowSource"))
            NK_TRY(arrow_source(s, src, n, err));
        else if (nk_str_is(kind, "PyMap"))
            NK_TRY(map_source(s, src, n, err));
        else
            NK_TRY(direct_source(s, src, n, err));
        src->built = true;
    }
    if (exact && !src->exact && src->scan.format == NK_SCAN_CSV && src->scan.nparts) {
        bool learnt;
        NK_TRY(nk_session_learn(s, n, false, &learnt, err));
    }
    *out = &src->scan;
    return NK_OK;
}

/* What a column becomes, given the kinds of all its cells. */
static const nk_type *by_kinds(nk_session *s, const nk_source *src, const nk_type *t,
                               uint32_t kinds)
{
    const nk_type *alts[8];
    size_t n = 0;
#define SEEN(k) (kinds & (1u << (k)))
    if (!src->declared) { /* inference widens numbers and dates */
        if (t->kind == NK_T_LONG && SEEN(NK_T_DOUBLE))
            t = nk_type_scalar(NK_T_DOUBLE);
        if (t->kind == NK_T_DATE && SEEN(NK_T_TIMESTAMP))
            t = nk_type_scalar(NK_T_TIMESTAMP);
    }
    alts[n++] = t;
    if (SEEN(NK_T_LONG) && (t->kind == NK_T_INT || t->kind == NK_T_SHORT || t->kind == NK_T_BYTE))
        alts[n++] = nk_type_scalar(NK_T_LONG);
    if (SEEN(NK_T_DOUBLE) && t->kind >= NK_T_BYTE && t->kind <= NK_T_LONG)
        alts[n++] = nk_type_scalar(NK_T_DOUBLE);
    uint32_t rest = kinds & ~(1u << t->kind) & ~(1u << NK_T_LONG) & ~(1u << NK_T_DOUBLE);
    if (t->kind == NK_T_TIMESTAMP)
        rest &= ~(1u << NK_T_DATE);
    bool numeric = nk_type_is_number(t);
    if (rest || (!numeric && (SEEN(NK_T_LONG) || SEEN(NK_T_DOUBLE))) ||
        (t->kind == NK_T_DECIMAL && (SEEN(NK_T_LONG) || SEEN(NK_T_DOUBLE))))
        alts[n++] = nk_type_scalar(NK_T_STRING);
#undef SEEN
    return n == 1 ? t : nk_type_choice(s->arena, alts, n);
}

/* Reads all converted columns of a CSV source once and settles their types. */
static nk_code observe_csv(nk_session *s, nk_source *src, const nk_node *n, bool *changed,
                           nk_err *err)
{
    nk_scan *scan = &src->scan;
    nk_engine *e;
    nk_buf b;
    size_t columns = 0;
    int64_t unused;
    NK_TRY(nk_session_engine(s, &e, err));
    nk_buf_init(&b, 256 << 20);
    (void)nk_buf_puts(&b, "WITH t AS (\n");
    nk_code rc = nk_plan_scan_sql(s->plan, scan, nk_dialect_duckdb(), &b, err);
    (void)nk_buf_puts(&b, ")\nSELECT count(*)");
    for (size_t i = 0; i < scan->type->nfields; i++) {
        if (!src->cells[i])
            continue;
        src->cells[i]->observe = true;
        src->cells[i]->misfit = 0;
        src->cells[i]->kinds = 0;
        (void)nk_buf_puts(&b, ", count(\"");
        for (size_t k = 0; k < scan->type->fields[i].name.n; k++)
            (void)nk_buf_printf(&b, scan->type->fields[i].name.p[k] == '"' ? "\"%c" : "%c",
                                scan->type->fields[i].name.p[k]);
        (void)nk_buf_puts(&b, "\")");
        columns++;
    }
    (void)nk_buf_puts(&b, " FROM t");
    if (rc == NK_OK)
        rc = nk_buf_check(&b, err);
    if (rc == NK_OK && columns)
        rc = nk_engine_i64(e, nk_buf_view(&b), &unused, err);
    nk_buf_free(&b);
    nk_field *f = NK_NEWN(s->arena, nk_field, scan->type->nfields + 1);
    if (rc == NK_OK && !f)
        rc = oom(err);
    for (size_t i = 0; i < scan->type->nfields; i++) {
        if (!src->cells[i])
            continue;
        src->cells[i]->observe = false;
    }
    NK_TRY(rc);
    for (size_t i = 0; i < scan->type->nfields; i++) {
        f[i] = scan->type->fields[i];
        if (!src->cells[i] || !src->cells[i]->misfit)
            continue;
        f[i].type = by_kinds(s, src, f[i].type, src->cells[i]->kinds);
        if (!f[i].type)
            return oom(err);
        *changed = true;
    }
    src->exact = true;
    if (!*changed)
        return NK_OK;
    scan->type = nk_type_struct(s->arena, f, scan->type->nfields);
    return scan->type ? make_cells(s, src, n, err) : oom(err);
}

static nk_code learn_one(nk_session *s, const nk_node *n, bool ragged, bool *learnt, nk_err *err)
{
    nk_source *src = n->id < s->nsources ? s->sources[n->id] : NULL;
    bool changed = false;
    if (!src || !src->built || src->scan.format != NK_SCAN_CSV || !src->scan.nparts)
        return NK_OK;
    if (ragged) {
        if (src->lenient)
            return NK_OK;
        src->lenient = src->scan.lenient = true;
        *learnt = true;
        return NK_OK;
    }
    if (src->exact)
        return NK_OK;
    nk_code rc = observe_csv(s, src, n, &changed, err);
    if (rc == NK_E_INVALID && err && strstr(err->msg, "Expected Number of Columns") &&
        !src->lenient) {
        src->lenient = src->scan.lenient = true;
        changed = true;
        rc = observe_csv(s, src, n, &changed, err);
    }
    *learnt = *learnt || changed;
    return rc;
}

nk_code nk_session_learn(nk_session *s, const nk_node *n, bool ragged, bool *learnt, nk_err *err)
{
    if (n->kind->role == NK_NODE_SOURCE)
        return learn_one(s, n, ragged, learnt, err);
    if (nk_str_is(nk_str_c(n->kind->name),
                  "PyMap")) /* its rows are kept: what is above was settled for them */
        return NK_OK;
    for (size_t i = 0; i < n->ninputs; i++)
        NK_TRY(nk_session_learn(s, n->inputs[i], ragged, learnt, err));
    return NK_OK;
}
