/* Targets: files written by the engine, then the catalogue's table and partitions. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/session_int.h"
#include "lake/hive.h"
#include "net/sigv4.h"

static nk_code oom(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

typedef struct written {
    nk_str uri;
    nk_str *values; /* of the partition keys; p NULL = null */
} written;
NK_LIST(writtens, written);

typedef struct target {
    nk_session *s;
    const nk_node *n;
    nk_str path;   /* ends with / */
    nk_str format; /* parquet, csv, json */
    nk_str compression;
    const nk_type *type;
    nk_str *keys;
    size_t nkeys;
    nk_str run; /* run-<milliseconds>, unique to this run */
    char separator, quote;
    bool header;
    int64_t files_wanted; /* 0 = as it comes */
    bool odd_names;       /* the engine named a folder as Hive would not */
    /* result */
    int64_t rows;
    writtens files;
    unsigned attempts;
} target;

static void put_text(nk_buf *b, nk_str s)
{
    (void)nk_dialect_duckdb()->literal(b, s);
}

static void put_ident(nk_buf *b, nk_str s)
{
    (void)nk_dialect_duckdb()->ident(b, s);
}

/* ---- options ---- */

static nk_code check_compression(target *t, nk_err *err)
{
    static const struct {
        const char *format, *name, *engine;
    } codecs[] = {
        {"parquet", "", "snappy"},
        {"parquet", "snappy", "snappy"},
        {"parquet", "gzip", "gzip"},
        {"parquet", "zstd", "zstd"},
        {"parquet", "lz4", "lz4_raw"},
        {"parquet", "brotli", "brotli"},
        {"parquet", "uncompressed", "uncompressed"},
        {"parquet", "none", "uncompressed"},
        {"csv", "", "none"},
        {"csv", "none", "none"},
        {"csv", "uncompressed", "none"},
        {"csv", "gzip", "gzip"},
        {"csv", "zstd", "zstd"},
        {"json", "", "none"},
        {"json", "none", "none"},
        {"json", "uncompressed", "none"},
        {"json", "gzip", "gzip"},
        {"json", "zstd", "zstd"},
        {"avro", "", "none"},
        {"avro", "none", "none"},
        {"avro", "uncompressed", "none"},
    };
    for (size_t i = 0; i < NK_COUNTOF(codecs); i++)
        if (nk_str_is(t->format, codecs[i].format) && nk_str_is(t->compression, codecs[i].name)) {
            t->compression = nk_str_c(codecs[i].engine);
            return NK_OK;
        }
    return nk_fail(err, NK_E_INVALID, "%.*s cannot be written with compression \"%.*s\"",
                   NK_STR_ARG(t->format), NK_STR_ARG(t->compression));
}

static nk_code key_list(target *t, const nk_json *keys, nk_err *err)
{
    t->keys = NK_NEWN(t->s->arena, nk_str, (keys ? keys->count : 0) + 1);
    if (!t->keys)
        return oom(err);
    for (const nk_json *k = keys ? keys->first : NULL; k; k = k->next) {
        nk_str name = k->kind == NK_JSON_ARRAY ? (k->first ? k->first->text : NK_STR("")) : k->text;
        if (k->kind == NK_JSON_OBJECT)
            name = nk_json_str(k, "Name");
        const nk_field *f = NULL;
        for (size_t i = 0; i < t->type->nfields && !f; i++)
            if (nk_str_ieq(t->type->fields[i].name, name))
                f = &t->type->fields[i];
        if (!f)
            return nk_fail(err, NK_E_INVALID, "partition key %.*s is no column of the data",
                           NK_STR_ARG(name));
        if (f->type->kind >= NK_T_ARRAY)
            return nk_fail(err, NK_E_INVALID,
                           "partition key %.*s is a %s; only plain values make folders",
                           NK_STR_ARG(name), nk_type_glue_name(f->type));
        t->keys[t->nkeys++] = f->name;
    }
    if (t->nkeys && t->nkeys == t->type->nfields)
        return nk_fail(err, NK_E_INVALID,
                       "every column is a partition key: no data is left for the files");
    return NK_OK;
}

static char option_char(nk_str s, char otherwise)
{
    static const struct {
        const char *name;
        char c;
    } names[] = {{"comma", ','}, {"ctrla", 1},   {"pipe", '|'},          {"semicolon", ';'},
                 {"tab", '\t'},  {"quote", '"'}, {"single_quote", '\''}, {"disabled", 0}};
    for (size_t i = 0; i < NK_COUNTOF(names); i++)
        if (nk_str_is(s, names[i].name))
            return names[i].c;
    return s.n == 1 ? s.p[0] : otherwise;
}

static nk_code set_path(target *t, nk_str path, nk_err *err)
{
    if (nk_str_starts(path, NK_STR("file://")))
        path = nk_str_sub(path, 7, path.n);
    if (nk_str_starts(path, NK_STR("s3a://")) || nk_str_starts(path, NK_STR("s3n://")))
        path = nk_str_printf(t->s->arena, "s3://%.*s", (int)(path.n - 6), path.p + 6);
    while (path.n > 1 && path.p[path.n - 1] == '/')
        path.n--;
    t->path = nk_str_printf(t->s->arena, "%.*s/", NK_STR_ARG(path));
    if (nk_str_starts(path, NK_STR("s3://"))) {
        nk_s3_uri u;
        nk_s3 *s3;
        NK_TRY(nk_s3_uri_parse(t->path, &u, err));
        NK_TRY(nk_session_s3(t->s, &s3, err));
        nk_code rc = nk_s3_head_bucket(s3, u.bucket, err);
        if (rc == NK_E_NOT_FOUND)
            nk_hint(err, "make it first: aws s3 mb s3://%.*s", NK_STR_ARG(u.bucket));
        return rc;
    }
    return t->path.p ? nk_file_mkdirs(t->path.p, 0755, err) : oom(err);
}

/* ---- writing ---- */

static void copy_options(const target *t, nk_buf *b)
{
    (void)nk_buf_printf(b, "FORMAT %.*s, RETURN_FILES true", NK_STR_ARG(t->format));
    if (!nk_str_is(t->format, "avro")) /* its writer does not compress */
        (void)nk_buf_printf(b, ", COMPRESSION '%.*s'", NK_STR_ARG(t->compression));
    if (nk_str_is(t->format, "csv")) {
        char d[2] = {t->separator, 0}, q[2] = {t->quote, 0};
        (void)nk_buf_printf(b, ", HEADER %s, DELIM ", t->header ? "true" : "false");
        put_text(b, nk_str_c(d));
        (void)nk_buf_puts(b, ", QUOTE ");
        put_text(b, nk_str_c(q));
    }
}

static const char *extension(const target *t)
{
    if (nk_str_is(t->format, "parquet"))
        return nk_str_is(t->compression, "uncompressed") ? ".parquet"
               : nk_str_is(t->compression, "gzip")       ? ".gz.parquet"
               : nk_str_is(t->compression, "zstd")       ? ".zstd.parquet"
               : nk_str_is(t->compression, "snappy")     ? ".snappy.parquet"
                                                         : ".parquet";
    if (nk_str_is(t->format, "avro"))
        return ".avro";
    if (nk_str_is(t->format, "csv"))
        return nk_str_is(t->compression, "gzip")   ? ".csv.gz"
               : nk_str_is(t->compression, "zstd") ? ".csv.zst"
                                                   : ".csv";
    return nk_str_is(t->compression, "gzip")   ? ".json.gz"
           : nk_str_is(t->compression, "zstd") ? ".json.zst"
                                               : ".json";
}

/* Files that an attempt which failed has left behind. */
static void clean_up(target *t)
{
    nk_files found = {0};
    if (nk_session_list(t->s, t->path, true, &found, NULL) != NK_OK)
        return;
    for (size_t i = 0; i < found.n; i++)
        if (nk_str_find(found.v[i].uri, t->run) >= 0)
            (void)!nk_session_delete(t->s, found.v[i].uri, NULL);
}

static bool hive_name(nk_str raw, nk_str value)
{
    nk_buf b;
    nk_buf_init(&b, raw.n * 3 + value.n * 3 + 16);
    (void)nk_hive_escape(&b, value);
    bool same = nk_str_eq(nk_buf_view(&b), raw);
    nk_buf_free(&b);
    return same;
}

static nk_code note_file(target *t, nk_str uri, nk_err *err)
{
    written *w = writtens_add(&t->files, t->s->arena);
    nk_str rel = nk_str_sub(uri, t->path.n < uri.n ? t->path.n : uri.n, uri.n), part;
    if (!w || !(w->values = NK_NEWN(t->s->arena, nk_str, t->nkeys + 1)))
        return oom(err);
    w->uri = nk_str_dup(t->s->arena, uri);
    if (!w->uri.p)
        return oom(err);
    for (size_t i = 0; i < t->nkeys && nk_str_split(&rel, '/', &part); i++) {
        ptrdiff_t eq = nk_str_chr(part, '=');
        nk_str raw = nk_str_sub(part, (size_t)(eq + 1), part.n);
        w->values[i] = nk_uri_unescape(t->s->arena, raw, false);
        if (!w->values[i].p)
            return oom(err);
        t->odd_names = t->odd_names || !hive_name(raw, w->values[i]);
    }
    return NK_OK;
}

/* Takes Count and Files of a COPY. */
static nk_code run_copy(target *t, nk_str sql, nk_err *err)
{
    nk_engine *e;
    nk_result *r = NULL;
    const nk_vec *v;
    size_t n;
    NK_TRY(nk_session_engine(t->s, &e, err));
    NK_TRY(nk_engine_query(e, sql, &r, err));
    nk_code rc = nk_result_next(r, &v, &n, err);
    if (rc == NK_OK && n == 1) {
        t->rows += ((const int64_t *)v[0].data)[0];
        const nk_list_entry *l = v[1].data;
        for (uint64_t i = 0; rc == NK_OK && i < l->length; i++)
            rc = note_file(t, nk_vec_str(&v[1].children[0], l->offset + i), err);
    }
    nk_result_close(r);
    return rc;
}

/* Columns in the target's form: what a format cannot hold is put as that format's writers put it.
 */
static bool is_key(const target *t, nk_str name)
{
    for (size_t i = 0; i < t->nkeys; i++)
        if (nk_str_eq(t->keys[i], name))
            return true;
    return false;
}

/* Avro has no integers below 32 bits. NULL: it has no such thing at all as is in x (or memory is
 * gone). */
static const nk_type *avro_type(nk_arena *a, const nk_type *x)
{
    const nk_type *inner;
    if (x->kind == NK_T_BYTE || x->kind == NK_T_SHORT)
        return nk_type_scalar(NK_T_INT);
    if (x->kind == NK_T_MAP) /* the engine's writer makes lists of pairs of them */
        return NULL;
    if (x->kind == NK_T_ARRAY)
        return (inner = avro_type(a, x->elem)) ? nk_type_array(a, inner) : NULL;
    if (x->kind != NK_T_STRUCT && x->kind != NK_T_CHOICE)
        return x;
    nk_field *f = NK_NEWN(a, nk_field, x->nfields + 1);
    for (size_t i = 0; f && i < x->nfields; i++) {
        f[i] = (nk_field){.name = x->fields[i].name, .type = avro_type(a, x->fields[i].type)};
        if (!f[i].type)
            return NULL;
    }
    return f ? nk_type_struct(a, f, x->nfields) : NULL;
}

static nk_code avro_column(target *t, const nk_field *f, nk_buf *b, nk_err *err)
{
    const nk_type *as = avro_type(t->s->arena, f->type);
    if (!as) {
        nk_fail(err, NK_E_INVALID, "column %.*s holds a map, which cannot be written as Avro",
                NK_STR_ARG(f->name));
        return nk_hint(err, "write Parquet or JSON");
    }
    (void)nk_buf_puts(b, "CAST(");
    put_ident(b, f->name);
    (void)nk_buf_puts(b, " AS ");
    NK_TRY(nk_engine_type_name(as, b));
    (void)nk_buf_puts(b, ") AS ");
    put_ident(b, f->name);
    return NK_OK;
}

static nk_code target_columns(target *t, nk_buf *b, nk_err *err)
{
    bool avro = nk_str_is(t->format, "avro");
    bool json = nk_str_is(t->format, "json"), csv = nk_str_is(t->format, "csv");
    for (size_t i = 0; i < t->type->nfields; i++) {
        const nk_field *f = &t->type->fields[i];
        (void)nk_buf_puts(b, i ? ", " : "");
        if (avro && !is_key(t, f->name)) {
            NK_TRY(avro_column(t, f, b, err));
            continue;
        }
        if ((json || csv) && f->type->kind == NK_T_CHOICE) { /* the value itself */
            (void)nk_buf_puts(b, "COALESCE(");
            for (size_t k = 0; k < f->type->nfields; k++) {
                (void)nk_buf_puts(b, k ? ", " : "");
                (void)nk_buf_puts(b, json ? "to_json(" : "CAST(");
                (void)nk_buf_puts(b, "struct_extract(");
                put_ident(b, f->name);
                (void)nk_buf_puts(b, ", ");
                put_text(b, f->type->fields[k].name);
                (void)nk_buf_puts(b, json ? "))" : ") AS VARCHAR)");
            }
            (void)nk_buf_puts(b, ") AS ");
            put_ident(b, f->name);
            continue;
        }
        if (csv && (f->type->kind == NK_T_ARRAY || f->type->kind == NK_T_MAP ||
                    f->type->kind == NK_T_STRUCT)) {
            nk_fail(err, NK_E_INVALID, "column %.*s is a %s, which CSV cannot hold",
                    NK_STR_ARG(f->name), nk_type_glue_name(f->type));
            return nk_hint(err, "write JSON or Parquet, or flatten it with ApplyMapping");
        }
        if (nk_type_is_text(f->type) &&
            is_key(t, f->name)) { /* an empty text names no folder: it is Hive's null */
            (void)nk_buf_puts(b, "NULLIF(");
            put_ident(b, f->name);
            (void)nk_buf_puts(b, ", '') AS ");
        }
        put_ident(b, f->name);
    }
    return NK_OK;
}

static nk_code keep_rows(target *t, nk_str table, nk_str sql, nk_err *err)
{
    nk_engine *e;
    nk_buf b;
    NK_TRY(nk_session_engine(t->s, &e, err));
    nk_buf_init(&b, sql.n + (4 << 20));
    (void)nk_buf_printf(&b, "CREATE OR REPLACE TABLE %.*s AS SELECT ", NK_STR_ARG(table));
    nk_code rc = target_columns(t, &b, err);
    (void)nk_buf_puts(&b, " FROM (\n");
    (void)nk_buf_str(&b, sql);
    (void)nk_buf_puts(&b, "\n)");
    if (rc == NK_OK)
        rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = nk_engine_exec(e, nk_buf_view(&b), err);
    nk_buf_free(&b);
    return rc;
}

static void drop_rows(target *t, nk_str table)
{
    nk_engine *e;
    nk_str sql = nk_str_printf(t->s->arena, "DROP TABLE IF EXISTS %.*s", NK_STR_ARG(table));
    if (nk_session_engine(t->s, &e, NULL) == NK_OK)
        (void)!nk_engine_exec(e, sql, NULL);
}

/* As many files as were asked for, if there are rows for them. */
static nk_code copy_by_count(target *t, nk_str sql, nk_err *err)
{
    nk_buf b;
    nk_str table = nk_str_printf(t->s->arena, "out_%zu", t->n->id);
    if (!table.p)
        return oom(err);
    nk_code rc = keep_rows(t, table, sql, err);
    nk_buf_init(&b, 1 << 20);
    for (int64_t i = 0; rc == NK_OK && i < t->files_wanted; i++) {
        nk_buf_clear(&b);
        (void)nk_buf_printf(&b, "COPY (SELECT * FROM %.*s WHERE rowid %% %lld = %lld) TO ",
                            NK_STR_ARG(table), (long long)t->files_wanted, (long long)i);
        put_text(&b, nk_str_printf(t->s->arena, "%.*s%.*s-part-r-%05lld%s", NK_STR_ARG(t->path),
                                   NK_STR_ARG(t->run), (long long)i, extension(t)));
        (void)nk_buf_puts(&b, " (");
        copy_options(t, &b);
        (void)nk_buf_putc(&b, ')');
        int64_t before = t->rows;
        rc = nk_buf_check(&b, err);
        if (rc == NK_OK)
            rc = run_copy(t, nk_buf_view(&b), err);
        if (rc == NK_OK && i && t->rows == before) /* no rows are left */
            break;
    }
    nk_buf_free(&b);
    drop_rows(t, table);
    return rc;
}

static nk_code make_folder(const target *t, nk_str path, nk_err *err)
{
    path = nk_str_dup(t->s->arena, path);
    return path.p ? nk_file_mkdirs(path.p, 0755, err) : oom(err);
}

/* The engine's JSON writer makes no folders, and its folders' names are not always Hive's: rows are
 * kept, then written partition by partition. */
static nk_code copy_by_partition(target *t, nk_str sql, nk_err *err)
{
    nk_engine *e;
    nk_buf b;
    nk_str *v;
    size_t rows, columns;
    nk_str table = nk_str_printf(t->s->arena, "out_%zu", t->n->id);
    if (!table.p)
        return oom(err);
    NK_TRY(nk_session_engine(t->s, &e, err));
    nk_buf_init(&b, 4 << 20);
    nk_code rc = keep_rows(t, table, sql, err);
    (void)nk_buf_puts(&b, "SELECT DISTINCT ");
    for (size_t i = 0; i < t->nkeys; i++) {
        (void)nk_buf_puts(&b, i ? ", " : "");
        put_ident(&b, t->keys[i]);
    }
    (void)nk_buf_printf(&b, " FROM %.*s ORDER BY ALL", NK_STR_ARG(table));
    if (rc == NK_OK)
        rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = nk_engine_texts(e, nk_buf_view(&b), 100000, t->s->arena, &v, &rows, &columns, err);
    for (size_t r = 0; rc == NK_OK && r < rows; r++) {
        nk_buf dir;
        nk_buf_init(&dir, 1 << 16);
        (void)nk_buf_str(&dir, t->path);
        nk_buf_clear(&b);
        (void)nk_buf_puts(&b, "COPY (SELECT * EXCLUDE (");
        for (size_t i = 0; i < t->nkeys; i++) {
            (void)nk_buf_puts(&b, i ? ", " : "");
            put_ident(&b, t->keys[i]);
        }
        (void)nk_buf_printf(&b, ") FROM %.*s WHERE ", NK_STR_ARG(table));
        for (size_t i = 0; i < t->nkeys; i++) {
            nk_str value = v[r * columns + i];
            (void)nk_buf_puts(&b, i ? " AND CAST(" : "CAST(");
            put_ident(&b, t->keys[i]);
            (void)nk_buf_puts(&b, " AS VARCHAR) IS NOT DISTINCT FROM ");
            if (value.p)
                put_text(&b, value);
            else
                (void)nk_buf_puts(&b, "NULL");
            (void)nk_buf_printf(&dir, "%.*s=", NK_STR_ARG(t->keys[i]));
            (void)nk_hive_escape(&dir, value.p ? value : NK_HIVE_NULL);
            (void)nk_buf_putc(&dir, '/');
        }
        rc = nk_buf_check(&dir, err);
        if (rc == NK_OK && !nk_str_starts(t->path, NK_STR("s3://")))
            rc = make_folder(t, nk_buf_view(&dir), err);
        (void)nk_buf_printf(&dir, "%.*s-part-r-%05zu%s", NK_STR_ARG(t->run), r, extension(t));
        (void)nk_buf_puts(&b, ") TO ");
        put_text(&b, nk_buf_view(&dir));
        if (rc == NK_OK)
            rc = nk_buf_check(&dir, err);
        nk_buf_free(&dir);
        (void)nk_buf_puts(&b, " (");
        copy_options(t, &b);
        (void)nk_buf_putc(&b, ')');
        if (rc == NK_OK)
            rc = nk_buf_check(&b, err);
        if (rc == NK_OK)
            rc = run_copy(t, nk_buf_view(&b), err);
    }
    nk_buf_free(&b);
    drop_rows(t, table);
    return rc;
}

static bool mentions(nk_str s, nk_str word)
{
    for (size_t i = 0; i + word.n <= s.n; i++)
        if (nk_str_ieq(nk_str_sub(s, i, i + word.n), word))
            return true;
    return false;
}

/* Whether its rows may come in an order that somebody asked for: by a query, or in a script. */
static bool maybe_ordered(const nk_node *n)
{
    nk_str name = nk_str_c(n->kind->name), query = nk_json_str(n->options, "SqlQuery");
    if (n->kind->role == NK_NODE_SOURCE &&
        (nk_str_starts(name, NK_STR("Py")) || nk_str_starts(name, NK_STR("Arrow"))))
        return true;
    if (mentions(query, NK_STR("order")) || mentions(query, NK_STR("sort")))
        return true;
    for (size_t i = 0; i < n->ninputs; i++)
        if (maybe_ordered(n->inputs[i]))
            return true;
    return false;
}

/* The rest of a COPY that names its files itself, under a folder. */
static void many_files(target *t, nk_buf *b)
{
    put_text(b, nk_str_sub(t->path, 0, t->path.n - 1));
    (void)nk_buf_puts(b, " (");
    copy_options(t, b);
    (void)nk_buf_puts(b, ", OVERWRITE_OR_IGNORE true, FILENAME_PATTERN ");
    put_text(b, nk_str_printf(t->s->arena, "%.*s-part-r-{i}", NK_STR_ARG(t->run)));
    (void)nk_buf_puts(b, ", FILE_EXTENSION ");
    put_text(b, nk_str_c(extension(t) + 1));
    if (!t->nkeys) {
        (void)nk_buf_puts(b, ", PER_THREAD_OUTPUT true)");
        return;
    }
    for (size_t i = 0; i < t->nkeys; i++) {
        (void)nk_buf_puts(b, i ? ", " : ", PARTITION_BY (");
        put_ident(b, t->keys[i]);
    }
    (void)nk_buf_puts(b, "))");
}

/* One file holds rows in their order; else each thread writes one, and none waits for another. (A
 * thread would write one for each branch of a union: many, and small.) */
static nk_code copy_once(target *t, nk_str sql, nk_err *err)
{
    nk_buf b;
    nk_buf_init(&b, sql.n + (4 << 20));
    (void)nk_buf_puts(&b, "COPY (SELECT ");
    nk_code rc = target_columns(t, &b, err);
    (void)nk_buf_puts(&b, " FROM (\n");
    (void)nk_buf_str(&b, sql);
    (void)nk_buf_puts(&b, "\n)) TO ");
    bool one = t->files_wanted == 1 || maybe_ordered(t->n->inputs[0]) ||
               nk_str_find(sql, NK_STR("UNION ALL")) >= 0;
    if (t->nkeys || !one) {
        many_files(t, &b);
    } else {
        put_text(&b, nk_str_printf(t->s->arena, "%.*s%.*s-part-r-00000%s", NK_STR_ARG(t->path),
                                   NK_STR_ARG(t->run), extension(t)));
        (void)nk_buf_puts(&b, " (");
        copy_options(t, &b);
        (void)nk_buf_putc(&b, ')');
    }
    if (rc == NK_OK)
        rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = run_copy(t, nk_buf_view(&b), err);
    nk_buf_free(&b);
    return rc;
}

static nk_code write_attempt(void *arg, nk_session *s, nk_str sql, nk_err *err)
{
    target *t = arg;
    if (t->attempts++)
        clean_up(t);
    if (nk_str_is(t->format, "avro")) {
        nk_engine *e;
        NK_TRY(nk_session_engine(t->s, &e, err));
        NK_TRY(nk_engine_extension(e, "avro", err));
    }
    t->rows = 0;
    t->files.n = 0;
    t->odd_names = false;
    /* what was learnt between attempts may have changed types */
    NK_TRY(nk_node_schema(t->n->inputs[0], false, &t->type, err));
    if (t->nkeys && nk_str_is(t->format, "json"))
        return copy_by_partition(t, sql, err);
    if (!t->nkeys && t->files_wanted > 1)
        return copy_by_count(t, sql, err);
    NK_TRY(copy_once(t, sql, err));
    if (!t->odd_names)
        return NK_OK;
    clean_up(t);
    t->rows = 0;
    t->files.n = 0;
    return copy_by_partition(t, sql, err);
}

/* ---- the catalogue ---- */

/* Parquet and Avro hold a choice as a struct; the other formats hold the value itself. */
static const nk_type *stored_type(const target *t, const nk_type *x)
{
    nk_arena *a = t->s->arena;
    if (!nk_str_is(t->format, "parquet") && !nk_str_is(t->format, "avro"))
        return x;
    if (x->kind == NK_T_ARRAY)
        return nk_type_array(a, stored_type(t, x->elem));
    if (x->kind == NK_T_MAP)
        return nk_type_map(a, x->key, stored_type(t, x->elem));
    if (x->kind != NK_T_STRUCT && x->kind != NK_T_CHOICE)
        return x;
    nk_field *f = NK_NEWN(a, nk_field, x->nfields + 1);
    for (size_t i = 0; f && i < x->nfields; i++)
        f[i] = (nk_field){.name = x->fields[i].name, .type = stored_type(t, x->fields[i].type)};
    const nk_type *s = f ? nk_type_struct(a, f, x->nfields) : NULL;
    return s ? s : x;
}

static void storage_descriptor(target *t, nk_json_writer *w, nk_str location, const nk_json *old,
                               bool with_columns)
{
    static const struct {
        const char *format, *input, *output, *serde;
    } serdes[] = {
        {"parquet", "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
         "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
         "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
        {"avro", "org.apache.hadoop.hive.ql.io.avro.AvroContainerInputFormat",
         "org.apache.hadoop.hive.ql.io.avro.AvroContainerOutputFormat",
         "org.apache.hadoop.hive.serde2.avro.AvroSerDe"},
        {"json", "org.apache.hadoop.mapred.TextInputFormat",
         "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
         "org.openx.data.jsonserde.JsonSerDe"},
        {"csv", "org.apache.hadoop.mapred.TextInputFormat",
         "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
         "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"},
    };
    size_t k = 0;
    while (k < NK_COUNTOF(serdes) - 1 && !nk_str_is(t->format, serdes[k].format))
        k++;
    nk_jw_object(w);
    if (with_columns) {
        nk_jw_key(w, NK_STR("Columns"));
        nk_jw_array(w);
        const nk_json *had = nk_json_get(old, "Columns");
        for (const nk_json *c = had ? had->first : NULL; c; c = c->next) {
            nk_jw_object(w);
            nk_jw_kstr(w, "Name", nk_json_str(c, "Name"));
            nk_jw_kstr(w, "Type", nk_json_str(c, "Type"));
            if (nk_json_str(c, "Comment").n)
                nk_jw_kstr(w, "Comment", nk_json_str(c, "Comment"));
            nk_jw_object_end(w);
        }
        for (size_t i = 0; i < t->type->nfields; i++) {
            const nk_field *f = &t->type->fields[i];
            bool skip = false;
            for (size_t q = 0; q < t->nkeys; q++)
                skip = skip || nk_str_eq(t->keys[q], f->name);
            for (const nk_json *c = had ? had->first : NULL; c; c = c->next)
                skip = skip || nk_str_ieq(nk_json_str(c, "Name"), f->name);
            if (skip)
                continue;
            nk_buf type;
            nk_buf_init(&type, 1 << 20);
            nk_buf_fail(w->buf, nk_type_print(stored_type(t, f->type), true, &type));
            nk_jw_object(w);
            nk_jw_kstr(w, "Name", f->name);
            nk_jw_kstr(w, "Type", nk_buf_view(&type));
            nk_jw_object_end(w);
            nk_buf_free(&type);
        }
        nk_jw_array_end(w);
    }
    nk_jw_kstr(w, "Location", location);
    nk_jw_kcstr(w, "InputFormat", serdes[k].input);
    nk_jw_kcstr(w, "OutputFormat", serdes[k].output);
    nk_jw_kbool(w, "Compressed",
                !nk_str_is(t->compression, "none") && !nk_str_is(t->compression, "uncompressed"));
    nk_jw_key(w, NK_STR("SerdeInfo"));
    nk_jw_object(w);
    nk_jw_kcstr(w, "SerializationLibrary", serdes[k].serde);
    nk_jw_key(w, NK_STR("Parameters"));
    nk_jw_object(w);
    if (nk_str_is(t->format, "csv")) {
        char d[2] = {t->separator, 0};
        nk_jw_kcstr(w, "field.delim", d);
        nk_jw_kcstr(w, "serialization.format", d);
    } else {
        nk_jw_kcstr(w, "serialization.format", "1");
    }
    nk_jw_object_end(w);
    nk_jw_object_end(w);
    nk_jw_object_end(w);
}

static void table_input(target *t, nk_json_writer *w, nk_str name, const nk_json *old)
{
    nk_jw_object(w);
    nk_jw_kstr(w, "Name", name);
    if (nk_json_str(old, "Description").n)
        nk_jw_kstr(w, "Description", nk_json_str(old, "Description"));
    if (nk_json_str(old, "Owner").n)
        nk_jw_kstr(w, "Owner", nk_json_str(old, "Owner"));
    nk_jw_kcstr(w, "TableType", "EXTERNAL_TABLE");
    nk_jw_key(w, NK_STR("Parameters"));
    nk_jw_object(w);
    const nk_json *params = nk_json_get(old, "Parameters");
    bool classified = false;
    for (const nk_json *p = params ? params->first : NULL; p; p = p->next) {
        classified = classified || nk_str_is(p->key, "classification");
        nk_jw_key(w, p->key);
        nk_jw_str(w, p->text);
    }
    if (!classified)
        nk_jw_kstr(w, "classification", t->format);
    if (!old) {
        nk_jw_kcstr(w, "EXTERNAL", "TRUE");
        if (nk_str_is(t->format, "csv") && t->header)
            nk_jw_kcstr(w, "skip.header.line.count", "1");
    }
    nk_jw_object_end(w);
    nk_jw_key(w, NK_STR("StorageDescriptor"));
    storage_descriptor(t, w, t->path, nk_json_get(old, "StorageDescriptor"), true);
    nk_jw_key(w, NK_STR("PartitionKeys"));
    nk_jw_array(w);
    for (size_t i = 0; i < t->nkeys; i++) {
        const nk_field *f = nk_type_field(t->type, t->keys[i]);
        nk_buf type;
        nk_buf_init(&type, 1 << 16);
        nk_buf_fail(w->buf, nk_type_print(f->type, true, &type));
        nk_jw_object(w);
        nk_jw_kstr(w, "Name", f->name);
        nk_jw_kstr(w, "Type", nk_buf_view(&type));
        nk_jw_object_end(w);
        nk_buf_free(&type);
    }
    nk_jw_array_end(w);
    nk_jw_object_end(w);
}

static nk_code call_with_table(target *t, const char *op, nk_str database, nk_str table,
                               const nk_json *old, nk_err *err)
{
    nk_buf b;
    const nk_json *reply;
    nk_buf_init(&b, 8 << 20);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    nk_jw_kstr(&w, "DatabaseName", database);
    nk_jw_key(&w, NK_STR("TableInput"));
    table_input(t, &w, table, old);
    nk_jw_object_end(&w);
    nk_code rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = nk_session_glue(t->s, op, nk_buf_view(&b), &reply, t->s->arena, err);
    nk_buf_free(&b);
    return rc;
}

/* New columns of the data are added; what is there stays. */
static bool has_new_columns(const target *t, const nk_json *old)
{
    const nk_json *had = nk_json_get(nk_json_get(old, "StorageDescriptor"), "Columns");
    for (size_t i = 0; i < t->type->nfields; i++) {
        bool found = false;
        for (size_t q = 0; q < t->nkeys; q++)
            found = found || nk_str_eq(t->keys[q], t->type->fields[i].name);
        for (const nk_json *c = had ? had->first : NULL; c && !found; c = c->next)
            found = nk_str_ieq(nk_json_str(c, "Name"), t->type->fields[i].name);
        if (!found)
            return true;
    }
    return false;
}

static nk_code update_table(target *t, nk_str database, nk_str table, nk_str behavior, nk_err *err)
{
    const nk_json *old;
    nk_err own = NK_ERR_INIT;
    nk_code rc = nk_session_table(t->s, database, table, t->s->arena, &old, &own);
    if (rc == NK_E_NOT_FOUND) {
        rc = call_with_table(t, "CreateTable", database, table, NULL, err);
        return rc == NK_E_EXISTS ? NK_OK : rc;
    }
    if (rc != NK_OK) {
        if (err)
            *err = own;
        return rc;
    }
    if (!nk_str_is(behavior, "UPDATE_IN_DATABASE") || !has_new_columns(t, old))
        return NK_OK;
    return call_with_table(t, "UpdateTable", database, table, old, err);
}

static nk_str folder_of(nk_str uri)
{
    ptrdiff_t slash = nk_str_rchr(uri, '/');
    return nk_str_sub(uri, 0, (size_t)(slash + 1));
}

/* Distinct folders, up to 100 a call; those that exist already are no error. */
static nk_code create_partitions(target *t, nk_str database, nk_str table, nk_err *err)
{
    nk_map seen;
    nk_code rc = NK_OK;
    nk_map_init(&seen);
    for (size_t i = 0; rc == NK_OK && i < t->files.n;) {
        nk_buf b;
        size_t n = 0;
        const nk_json *reply;
        nk_buf_init(&b, 16 << 20);
        nk_json_writer w = {.buf = &b};
        nk_jw_object(&w);
        nk_jw_kstr(&w, "DatabaseName", database);
        nk_jw_kstr(&w, "TableName", table);
        nk_jw_key(&w, NK_STR("PartitionInputList"));
        nk_jw_array(&w);
        for (; i < t->files.n && n < 100; i++) {
            nk_str dir = folder_of(t->files.v[i].uri);
            if (nk_map_has(&seen, dir))
                continue;
            if (nk_map_put(&seen, dir, t, NULL) != NK_OK)
                break;
            n++;
            nk_jw_object(&w);
            nk_jw_key(&w, NK_STR("Values"));
            nk_jw_array(&w);
            for (size_t k = 0; k < t->nkeys; k++)
                nk_jw_str(&w, t->files.v[i].values[k]);
            nk_jw_array_end(&w);
            nk_jw_key(&w, NK_STR("StorageDescriptor"));
            storage_descriptor(t, &w, dir, NULL, true);
            nk_jw_object_end(&w);
        }
        nk_jw_array_end(&w);
        nk_jw_object_end(&w);
        if (n)
            rc = nk_session_glue(t->s, "BatchCreatePartition", nk_buf_view(&b), &reply, t->s->arena,
                                 err);
        nk_buf_free(&b);
        const nk_json *errors = rc == NK_OK && n ? nk_json_get(reply, "Errors") : NULL;
        for (const nk_json *x = errors ? errors->first : NULL; x && rc == NK_OK; x = x->next) {
            const nk_json *d = nk_json_get(x, "ErrorDetail");
            if (!nk_str_is(nk_json_str(d, "ErrorCode"), "AlreadyExistsException"))
                rc = nk_fail(err, NK_E_INVALID, "a partition of %.*s.%.*s: %.*s",
                             NK_STR_ARG(database), NK_STR_ARG(table),
                             NK_STR_ARG(nk_json_str(d, "ErrorMessage")));
        }
    }
    nk_map_free(&seen);
    return rc;
}

/* ---- the whole ---- */

/* A catalogue table says where, in which format and by which keys. */
static nk_code target_of_table(target *t, nk_err *err)
{
    const nk_json *table;
    const nk_json *o = t->n->options;
    const nk_type *columns, *keys;
    NK_TRY(nk_session_table(t->s, nk_json_str(o, "Database"), nk_json_str(o, "Table"), t->s->arena,
                            &table, err));
    NK_TRY(nk_table_type(table, t->s->arena, &columns, &keys, err));
    const nk_json *sd = nk_json_get(table, "StorageDescriptor");
    nk_str format = nk_json_str(nk_json_get(table, "Parameters"), "classification");
    nk_str lib = nk_json_str(nk_json_get(sd, "SerdeInfo"), "SerializationLibrary");
    t->format = nk_str_ieq(format, NK_STR("json")) || nk_str_find(lib, NK_STR("Json")) >= 0
                    ? NK_STR("json")
                : nk_str_ieq(format, NK_STR("csv")) ? NK_STR("csv")
                : nk_str_ieq(format, NK_STR("parquet")) || nk_str_find(lib, NK_STR("arquet")) >= 0
                    ? NK_STR("parquet")
                : nk_str_ieq(format, NK_STR("avro")) || nk_str_find(lib, NK_STR("AvroSerDe")) >= 0
                    ? NK_STR("avro")
                    : NK_STR_NULL;
    if (!t->format.p)
        return nk_fail(err, NK_E_UNSUPPORTED, "tables of the format \"%.*s\" cannot be written yet",
                       NK_STR_ARG(format));
    nk_str delim =
        nk_json_str(nk_json_get(nk_json_get(sd, "SerdeInfo"), "Parameters"), "field.delim");
    if (delim.n)
        t->separator = delim.p[0];
    nk_str skip = nk_json_str(nk_json_get(table, "Parameters"), "skip.header.line.count");
    t->header = skip.n && !nk_str_is(skip, "0");
    const nk_json *given = nk_json_get(o, "PartitionKeys");
    NK_TRY(key_list(t, keys->nfields ? nk_json_get(table, "PartitionKeys") : given, err));
    if (!nk_json_str(sd, "Location").n)
        return nk_fail(err, NK_E_INVALID, "the table has no Location");
    return set_path(t, nk_json_str(sd, "Location"), err);
}

static nk_code target_of_path(target *t, nk_err *err)
{
    const nk_json *o = t->n->options;
    nk_str format = nk_json_str(o, "Format");
    if (!format.n || nk_str_is(format, "glueparquet"))
        format = NK_STR("parquet");
    if (!nk_str_is(format, "parquet") && !nk_str_is(format, "csv") && !nk_str_is(format, "json") &&
        !nk_str_is(format, "avro"))
        return nk_fail(err, NK_E_UNSUPPORTED, "the format \"%.*s\" cannot be written yet",
                       NK_STR_ARG(format));
    t->format = format;
    t->compression = nk_json_str(o, "Compression").n ? nk_json_str(o, "Compression") : NK_STR("");
    NK_TRY(key_list(t, nk_json_get(o, "PartitionKeys"), err));
    return set_path(t, nk_json_str(o, "Path"), err);
}

static void report(const target *t, nk_buf *json, int64_t bytes)
{
    nk_json_writer w = {.buf = json};
    nk_jw_object(&w);
    nk_jw_ki64(&w, "rows", t->rows);
    nk_jw_kstr(&w, "path", t->path);
    nk_jw_ki64(&w, "bytes", bytes);
    nk_jw_key(&w, NK_STR("files"));
    nk_jw_array(&w);
    for (size_t i = 0; i < t->files.n; i++)
        nk_jw_str(&w, t->files.v[i].uri);
    nk_jw_array_end(&w);
    nk_jw_key(&w, NK_STR("partitions"));
    nk_jw_array(&w);
    for (size_t i = 0; t->nkeys && i < t->files.n; i++) {
        if (i && nk_str_eq(folder_of(t->files.v[i].uri), folder_of(t->files.v[i - 1].uri)))
            continue;
        nk_jw_array(&w);
        for (size_t k = 0; k < t->nkeys; k++)
            nk_jw_str(&w, t->files.v[i].values[k]);
        nk_jw_array_end(&w);
    }
    nk_jw_array_end(&w);
    nk_jw_object_end(&w);
}

static int64_t bytes_written(target *t)
{
    nk_files found = {0};
    int64_t sum = 0;
    if (nk_session_list(t->s, t->path, true, &found, NULL) == NK_OK)
        for (size_t i = 0; i < found.n; i++)
            if (nk_str_find(found.v[i].uri, t->run) >= 0)
                sum += (int64_t)found.v[i].size;
    return sum;
}

static nk_code run_target(nk_session *s, const nk_node *n, nk_buf *json, nk_err *err)
{
    const nk_env *env = nk_env_real();
    target t = {.s = s, .n = n, .separator = ',', .quote = '"', .compression = NK_STR("")};
    const nk_json *policy = nk_json_get(n->options, "SchemaChangePolicy");
    bool by_table = nk_str_is(nk_str_c(n->kind->name), "CatalogTarget") ||
                    nk_str_is(nk_str_c(n->kind->name), "S3CatalogTarget");
    char hex[9];
    NK_TRY(nk_random_hex(env, hex, 4));
    t.run = nk_str_printf(s->arena, "run-%lld-%s", (long long)(nk_now_us(env) / 1000), hex);
    t.header = nk_json_bool(n->options, "WriteHeader", true);
    t.separator = option_char(nk_json_str(n->options, "Separator"), ',');
    t.quote = option_char(nk_json_str(n->options, "QuoteChar"), '"');
    nk_str wanted = nk_json_str(n->options, "NumberTargetPartitions");
    if (wanted.n && (!nk_str_i64(wanted, &t.files_wanted) || t.files_wanted < 0))
        return nk_fail(err, NK_E_INVALID, "NumberTargetPartitions \"%.*s\" is not a number",
                       NK_STR_ARG(wanted));
    NK_TRY(nk_node_schema(n->inputs[0], false, &t.type, err));
    NK_TRY(by_table ? target_of_table(&t, err) : target_of_path(&t, err));
    NK_TRY(check_compression(&t, err));
    nk_code rc = nk_session_attempt(s, n->inputs[0], write_attempt, &t, err);
    if (rc != NK_OK) {
        clean_up(&t);
        return rc;
    }
    nk_str database = nk_json_str(by_table ? n->options : policy, "Database");
    nk_str table = nk_json_str(by_table ? n->options : policy, "Table");
    bool update = nk_json_bool(policy, "EnableUpdateCatalog", false);
    if (update && (!database.n || !table.n))
        return nk_fail(err, NK_E_INVALID, "SchemaChangePolicy must name Database and Table");
    if (update)
        NK_TRY(update_table(&t, database, table, nk_json_str(policy, "UpdateBehavior"), err));
    if (t.nkeys && update)
        NK_TRY(create_partitions(&t, database, table, err));
    report(&t, json, bytes_written(&t));
    return nk_buf_check(json, err);
}

nk_code nk_session_run(nk_session *s, const nk_node *n, nk_buf *json, nk_err *err)
{
    if (n->kind->role != NK_NODE_TARGET)
        return nk_fail(err, NK_E_INVALID, "%s is no target: only targets are run", n->kind->name);
    nk_code rc = run_target(s, n, json, err);
    if (rc != NK_OK)
        (void)nk_wrap(err, "%s%s%.*s", n->kind->name, n->name.n ? " " : "", NK_STR_ARG(n->name));
    return rc;
}
