/* Arrow in and out. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/duckdb_int.h"

/* Rows go out of a table of the engine by ranges of row numbers, each materialised for itself. */
#define ROWS_A_TURN 245760

typedef struct out_stream {
    nk_engine *engine;
    char table[64];
    int64_t rows, next; /* next: first row not yet queried */
    duckdb_result res;
    bool open;
    duckdb_arrow_options options;
    char error[NK_ERR_MSG_MAX];
} out_stream;

static nk_code take_error(duckdb_error_data d, const char *what, nk_err *err)
{
    nk_code rc = NK_OK;
    if (d && duckdb_error_data_has_error(d))
        rc = nk_fail(err, NK_E_INVALID, "%s: %s", what, duckdb_error_data_message(d));
    if (d)
        duckdb_destroy_error_data(&d);
    return rc;
}

static int turn(out_stream *s)
{
    char sql[256];
    if (s->open)
        duckdb_destroy_result(&s->res);
    s->open = true;
    snprintf(sql, sizeof(sql), "SELECT * FROM %s WHERE rowid >= %lld AND rowid < %lld", s->table,
             (long long)s->next, (long long)(s->next + ROWS_A_TURN));
    s->next += ROWS_A_TURN;
    if (duckdb_query(s->engine->con, sql, &s->res) != DuckDBSuccess) {
        snprintf(s->error, sizeof(s->error), "%s", duckdb_result_error(&s->res));
        return EIO;
    }
    if (!s->options)
        s->options = duckdb_result_get_arrow_options(&s->res);
    return 0;
}

static int out_schema(struct ArrowArrayStream *st, struct ArrowSchema *out)
{
    out_stream *s = st->private_data;
    nk_err err = NK_ERR_INIT;
    if (!s->open && turn(s))
        return EIO;
    size_t n = duckdb_column_count(&s->res);
    duckdb_logical_type *types = calloc(n + 1, sizeof(*types));
    const char **names = calloc(n + 1, sizeof(*names));
    int rc = ENOMEM;
    if (types && names) {
        for (size_t i = 0; i < n; i++) {
            types[i] = duckdb_column_logical_type(&s->res, i);
            names[i] = duckdb_column_name(&s->res, i);
        }
        duckdb_error_data d = duckdb_to_arrow_schema(s->options, types, names, n, out);
        rc = take_error(d, "Arrow schema", &err) == NK_OK ? 0 : EIO;
        if (rc)
            snprintf(s->error, sizeof(s->error), "%s", err.msg);
        for (size_t i = 0; i < n; i++)
            duckdb_destroy_logical_type(&types[i]);
    }
    free(types);
    free(names);
    return rc;
}

static int out_next(struct ArrowArrayStream *st, struct ArrowArray *out)
{
    out_stream *s = st->private_data;
    nk_err err = NK_ERR_INIT;
    memset(out, 0, sizeof(*out));
    if (!s->open && turn(s))
        return EIO;
    for (;;) {
        duckdb_data_chunk c = duckdb_fetch_chunk(s->res);
        if (!c) {
            if (s->next >= s->rows)
                return 0;
            if (turn(s))
                return EIO;
            continue;
        }
        if (duckdb_data_chunk_get_size(c) == 0) {
            duckdb_destroy_data_chunk(&c);
            continue;
        }
        nk_code rc =
            take_error(duckdb_data_chunk_to_arrow(s->options, c, out), "Arrow batch", &err);
        duckdb_destroy_data_chunk(&c);
        if (rc == NK_OK)
            return 0;
        snprintf(s->error, sizeof(s->error), "%s", err.msg);
        return EIO;
    }
}

static const char *out_error(struct ArrowArrayStream *st)
{
    out_stream *s = st->private_data;
    return s->error[0] ? s->error : NULL;
}

static void out_release(struct ArrowArrayStream *st)
{
    out_stream *s = st->private_data;
    if (s->open)
        duckdb_destroy_result(&s->res);
    if (s->options)
        duckdb_destroy_arrow_options(&s->options);
    char sql[128];
    snprintf(sql, sizeof(sql), "DROP TABLE IF EXISTS %s", s->table);
    (void)!nk_engine_exec(s->engine, nk_str_c(sql), NULL);
    nk_free(s);
    st->release = NULL;
}

nk_code nk_engine_arrow(nk_engine *e, nk_str sql, struct ArrowArrayStream *out, nk_err *err)
{
    nk_buf b;
    out_stream *s = nk_calloc(1, sizeof(*s));
    if (!s)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    s->engine = e;
    snprintf(s->table, sizeof(s->table), "nk_out_%u", ++e->tables);
    nk_buf_init(&b, sql.n + 256);
    (void)nk_buf_printf(&b, "CREATE TABLE %s AS\n", s->table);
    (void)nk_buf_str(&b, sql);
    nk_code rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = nk_engine_exec(e, nk_buf_view(&b), err);
    nk_buf_free(&b);
    char count[128];
    snprintf(count, sizeof(count), "SELECT count(*) FROM %s", s->table);
    if (rc == NK_OK)
        rc = nk_engine_i64(e, nk_str_c(count), &s->rows, err);
    if (rc != NK_OK) {
        nk_free(s);
        return rc;
    }
    *out = (struct ArrowArrayStream){.get_schema = out_schema,
                                     .get_next = out_next,
                                     .get_last_error = out_error,
                                     .release = out_release,
                                     .private_data = s};
    return NK_OK;
}

/* ---- in ---- */

static nk_code fields_of(const struct ArrowSchema *s, nk_arena *a, const nk_type **out,
                         nk_err *err);

static nk_code arrow_type(const struct ArrowSchema *s, nk_arena *a, const nk_type **out,
                          nk_err *err)
{
    static const struct {
        const char *format;
        nk_type_kind kind;
    } simple[] = {{"n", NK_T_STRING},  {"b", NK_T_BOOLEAN}, {"c", NK_T_BYTE},
                  {"C", NK_T_SHORT},   {"s", NK_T_SHORT},   {"S", NK_T_INT},
                  {"i", NK_T_INT},     {"I", NK_T_LONG},    {"l", NK_T_LONG},
                  {"L", NK_T_DECIMAL}, {"e", NK_T_FLOAT},   {"f", NK_T_FLOAT},
                  {"g", NK_T_DOUBLE},  {"u", NK_T_STRING},  {"U", NK_T_STRING},
                  {"vu", NK_T_STRING}, {"z", NK_T_BINARY},  {"Z", NK_T_BINARY},
                  {"vz", NK_T_BINARY}, {"tdD", NK_T_DATE},  {"tdm", NK_T_TIMESTAMP}};
    int p, q;
    const char *f = s->format;
    const nk_type *x, *y;
    if (s->dictionary)
        return arrow_type(s->dictionary, a, out, err);
    for (size_t i = 0; i < NK_COUNTOF(simple); i++)
        if (strcmp(f, simple[i].format) == 0) {
            *out = nk_type_scalar(simple[i].kind);
            return NK_OK;
        }
    if (sscanf(f, "d:%d,%d", &p, &q) == 2) {
        *out = nk_type_decimal(a, p, q);
    } else if (strncmp(f, "ts", 2) == 0) {
        *out = nk_type_scalar(NK_T_TIMESTAMP);
    } else if (strcmp(f, "+s") == 0) {
        return fields_of(s, a, out, err);
    } else if (strncmp(f, "+l", 2) == 0 || strncmp(f, "+L", 2) == 0 || strncmp(f, "+w", 2) == 0) {
        NK_TRY(arrow_type(s->children[0], a, &x, err));
        *out = nk_type_array(a, x);
    } else if (strcmp(f, "+m") == 0) {
        NK_TRY(arrow_type(s->children[0]->children[0], a, &x, err));
        NK_TRY(arrow_type(s->children[0]->children[1], a, &y, err));
        *out = nk_type_map(a, x, y);
    } else {
        return nk_fail(err, NK_E_UNSUPPORTED,
                       "column \"%s\" has the Arrow format \"%s\", which is not read",
                       s->name ? s->name : "", f);
    }
    return *out ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
}

static nk_code fields_of(const struct ArrowSchema *s, nk_arena *a, const nk_type **out, nk_err *err)
{
    nk_field *f = NK_NEWN(a, nk_field, (size_t)s->n_children + 1);
    if (!f)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    for (int64_t i = 0; i < s->n_children; i++) {
        f[i].name = nk_str_dup(a, nk_str_c(s->children[i]->name ? s->children[i]->name : ""));
        NK_TRY(arrow_type(s->children[i], a, &f[i].type, err));
    }
    *out = nk_type_struct(a, f, (size_t)s->n_children);
    return *out ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
}

static void no_release(struct ArrowArray *a)
{
    a->release = NULL;
}

/* Rows [from, from + n) of a batch, as a view; child pointers are the caller's. */
static struct ArrowArray slice(const struct ArrowArray *a, struct ArrowArray *kids,
                               struct ArrowArray **ptrs, int64_t from, int64_t n)
{
    struct ArrowArray s = *a;
    s.length = n;
    s.children = ptrs;
    s.release = no_release;
    for (int64_t i = 0; i < a->n_children; i++) {
        kids[i] = *a->children[i];
        kids[i].offset += from + a->offset;
        kids[i].length = n;
        kids[i].null_count = -1;
        kids[i].release = no_release;
        ptrs[i] = &kids[i];
    }
    s.offset = 0;
    return s;
}

typedef struct in_load {
    nk_engine *e;
    duckdb_arrow_converted_schema converted;
    duckdb_appender appender;
} in_load;

static nk_code appender_error(duckdb_appender ap, nk_err *err)
{
    nk_code rc = take_error(duckdb_appender_error_data(ap), "Arrow batch", err);
    return rc != NK_OK ? rc : nk_fail(err, NK_E_INTERNAL, "Arrow rows cannot be taken in");
}

static nk_code load_batch(in_load *l, const struct ArrowArray *batch, nk_err *err)
{
    size_t nk = (size_t)batch->n_children;
    struct ArrowArray *kids = nk_calloc(nk + 1, sizeof(*kids));
    struct ArrowArray **ptrs = nk_calloc(nk + 1, sizeof(*ptrs));
    nk_code rc = kids && ptrs ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
    int64_t step = (int64_t)duckdb_vector_size();
    for (int64_t at = 0; rc == NK_OK && at < batch->length; at += step) {
        int64_t n = batch->length - at < step ? batch->length - at : step;
        struct ArrowArray part = slice(batch, kids, ptrs, at, n);
        duckdb_data_chunk chunk = NULL;
        rc = take_error(duckdb_data_chunk_from_arrow(l->e->con, &part, l->converted, &chunk),
                        "Arrow batch", err);
        if (rc == NK_OK && duckdb_append_data_chunk(l->appender, chunk) != DuckDBSuccess)
            rc = appender_error(l->appender, err);
        if (chunk)
            duckdb_destroy_data_chunk(&chunk);
    }
    nk_free(kids);
    nk_free(ptrs);
    return rc;
}

static nk_code create_table(nk_engine *e, nk_str table, const nk_type *t, nk_err *err)
{
    nk_buf b;
    nk_buf_init(&b, 8 << 20);
    (void)nk_buf_printf(&b, "CREATE TABLE %.*s (", NK_STR_ARG(table));
    for (size_t i = 0; i < t->nfields; i++) {
        (void)nk_buf_puts(&b, i ? ", \"" : "\"");
        for (size_t j = 0; j < t->fields[i].name.n; j++) {
            if (t->fields[i].name.p[j] == '"')
                (void)nk_buf_putc(&b, '"');
            (void)nk_buf_putc(&b, t->fields[i].name.p[j]);
        }
        (void)nk_buf_puts(&b, "\" ");
        (void)nk_engine_type_name(t->fields[i].type, &b);
    }
    (void)nk_buf_putc(&b, ')');
    nk_code rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = nk_engine_exec(e, nk_buf_view(&b), err);
    nk_buf_free(&b);
    return rc;
}

nk_code nk_engine_load_arrow(nk_engine *e, nk_str table, struct ArrowArrayStream *stream,
                             nk_err *err)
{
    struct ArrowSchema schema = {0};
    in_load l = {.e = e};
    const nk_type *t;
    nk_code rc;
    nk_arena *a = nk_arena_create(16 << 20);
    char name[80];
    snprintf(name, sizeof(name), "%.*s", NK_STR_ARG(table));
    if (!a) {
        rc = nk_fail(err, NK_E_NOMEM, "out of memory");
        goto done;
    }
    if (stream->get_schema(stream, &schema)) {
        const char *why = stream->get_last_error(stream);
        rc = nk_fail(err, NK_E_INVALID, "the Arrow stream has no schema: %s",
                     why ? why : "no reason given");
        goto done;
    }
    NK_TRY_GOTO(rc, fields_of(&schema, a, &t, err), done);
    NK_TRY_GOTO(rc, create_table(e, table, t, err), done);
    NK_TRY_GOTO(
        rc,
        take_error(duckdb_schema_from_arrow(e->con, &schema, &l.converted), "Arrow schema", err),
        done);
    if (duckdb_appender_create(e->con, NULL, name, &l.appender) != DuckDBSuccess) {
        rc = appender_error(l.appender, err);
        goto done;
    }
    for (;;) {
        struct ArrowArray batch = {0};
        if (stream->get_next(stream, &batch)) {
            const char *why = stream->get_last_error(stream);
            rc = nk_fail(err, NK_E_INVALID, "the Arrow stream broke off: %s",
                         why ? why : "no reason given");
            break;
        }
        if (!batch.release)
            break;
        rc = load_batch(&l, &batch, err);
        batch.release(&batch);
        if (rc != NK_OK)
            break;
    }
    if (rc == NK_OK && duckdb_appender_close(l.appender) != DuckDBSuccess)
        rc = appender_error(l.appender, err);
done:
    if (l.appender)
        duckdb_appender_destroy(&l.appender);
    if (l.converted)
        duckdb_destroy_arrow_converted_schema(&l.converted);
    if (schema.release)
        schema.release(&schema);
    if (stream->release)
        stream->release(stream);
    nk_arena_destroy(a);
    return rc;
}
