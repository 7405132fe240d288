/* The worker's side of a statistics run: one query over some columns at a time. */
#include <signal.h>
#include <stdio.h>

#include "catalog/stats_worker.h"
#include "engine/session.h"
#include "lake/hive.h"

enum { COLUMNS_A_QUERY = 32, CELLS = 4, PARTITIONS_MAX = 256 };
/* Above this many rows distinct values are estimated, below they are counted. */
#define COUNTED_ROWS 5000000
#define SAMPLE       " USING SAMPLE %.6f PERCENT (bernoulli))"

typedef struct stats_run {
    nk_worker *w;
    nk_arena *a;
    nk_session *s;
    nk_str from;  /* the table, or a sample of it */
    nk_str table; /* its name alone */
    double sample;
    bool estimate;
} stats_run;

/* What is asked of a column of each type, beside count and distinct; %s: its quoted name. */
static const struct {
    const char *type, *first, *second;
} questions[] = {
    {"BOOLEAN", "count(*) FILTER (%s)", "count(*) FILTER (NOT %s)"},
    {"LONG", "min(%s)", "max(%s)"},
    {"DOUBLE", "min(%s) FILTER (NOT isnan(%s))", "max(%s) FILTER (NOT isnan(%s))"},
    {"DECIMAL", "min(%s)", "max(%s)"},
    {"DATE", "min(%s)", "max(%s)"},
    {"TIMESTAMP", "CAST(floor(epoch(min(%s))) AS BIGINT)", "CAST(floor(epoch(max(%s))) AS BIGINT)"},
    {"STRING", "max(length(%s))", "avg(length(%s))"},
    {"BINARY", "max(octet_length(%s))", "avg(octet_length(%s))"},
};

static void quote(nk_buf *b, nk_str name)
{
    (void)nk_buf_putc(b, '"');
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '"')
            (void)nk_buf_putc(b, '"');
        (void)nk_buf_putc(b, name.p[i]);
    }
    (void)nk_buf_putc(b, '"');
}

static void put(nk_buf *b, const char *pattern, nk_str column)
{
    (void)nk_buf_puts(b, ", CAST(");
    for (const char *p = pattern; *p; p++) {
        if (p[0] == '%' && p[1] == 's') {
            quote(b, column);
            p++;
        } else {
            (void)nk_buf_putc(b, *p);
        }
    }
    (void)nk_buf_puts(b, " AS VARCHAR)");
}

static nk_code ask(const stats_run *r, const nk_json *column, nk_buf *sql, nk_err *err)
{
    nk_str name = nk_json_str(column, "name"), type = nk_json_str(column, "type");
    for (size_t i = 0; i < NK_COUNTOF(questions); i++) {
        if (!nk_str_is(type, questions[i].type))
            continue;
        put(sql, "count(%s)", name);
        put(sql, r->estimate ? "approx_count_distinct(%s)" : "count(DISTINCT %s)", name);
        put(sql, questions[i].first, name);
        put(sql, questions[i].second, name);
        return NK_OK;
    }
    return nk_fail(err, NK_E_INVALID, "no statistics of type %.*s", NK_STR_ARG(type));
}

/* The first row's values as texts; absent ones have p NULL. */
static nk_code one_row(const stats_run *r, nk_str sql, nk_strs *out, nk_err *err)
{
    nk_result *result;
    const nk_vec *v;
    size_t n;
    NK_TRY(nk_session_query(r->s, sql, NK_STR_NULL, &result, err));
    nk_code rc = nk_result_next(result, &v, &n, err);
    size_t columns = rc == NK_OK ? nk_result_type(result)->nfields : 0;
    if (rc == NK_OK && !n)
        rc = nk_fail(err, NK_E_INTERNAL, "a statistics query gave no row");
    for (size_t i = 0; rc == NK_OK && i < columns; i++) {
        nk_str *cell = nk_strs_add(out, r->a);
        if (cell && nk_vec_valid(&v[i], 0))
            *cell = nk_str_dup(r->a, nk_vec_str(&v[i], 0));
        if (!cell)
            rc = nk_fail(err, NK_E_NOMEM, "out of memory");
    }
    nk_result_close(result);
    return rc;
}

static void put_text(nk_json_writer *w, nk_str s)
{
    if (s.p)
        nk_jw_str(w, s);
    else
        nk_jw_null(w);
}

/* values: a partition's; NULL for the table. */
static nk_code tell(const stats_run *r, const nk_json *column, const nk_json *values, nk_str rows,
                    const nk_str *cells, nk_err *err)
{
    nk_buf b;
    nk_buf_init(&b, 1 << 20);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "event", "column");
    nk_jw_kstr(&w, "name", nk_json_str(column, "name"));
    if (values) {
        nk_jw_key(&w, NK_STR("partition"));
        nk_jw_tree(&w, values);
    }
    nk_jw_kstr(&w, "rows", rows);
    nk_jw_kstr(&w, "present", cells[0]);
    nk_jw_kstr(&w, "distinct", cells[1]);
    nk_jw_key(&w, NK_STR("values"));
    nk_jw_array(&w);
    put_text(&w, cells[2]);
    put_text(&w, cells[3]);
    nk_jw_array_end(&w);
    nk_jw_object_end(&w);
    nk_code rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = nk_worker_send(r->w, nk_buf_view(&b), err);
    nk_buf_free(&b);
    return rc;
}

static nk_code some_columns(void *arg, const nk_json *first, size_t n, nk_err *err)
{
    stats_run *r = arg;
    nk_strs cells = {0};
    nk_buf sql;
    nk_buf_init(&sql, 1 << 20);
    (void)nk_buf_puts(&sql, "SELECT CAST(count(*) AS VARCHAR)");
    nk_code rc = NK_OK;
    const nk_json *c = first;
    for (size_t i = 0; rc == NK_OK && i < n; i++, c = c->next)
        rc = ask(r, c, &sql, err);
    (void)nk_buf_printf(&sql, " FROM %.*s", NK_STR_ARG(r->from));
    if (rc == NK_OK)
        rc = nk_buf_check(&sql, err);
    if (rc == NK_OK)
        rc = one_row(r, nk_buf_view(&sql), &cells, err);
    nk_buf_free(&sql);
    if (rc == NK_OK && cells.n != 1 + n * CELLS)
        rc = nk_fail(err, NK_E_INTERNAL, "a statistics query gave %zu values", cells.n);
    c = first;
    for (size_t i = 0; rc == NK_OK && i < n; i++, c = c->next)
        rc = tell(r, c, NULL, cells.v[0], &cells.v[1 + i * CELLS], err);
    return rc;
}

static nk_code source(stats_run *r, const nk_json *request, nk_err *err)
{
    nk_buf b;
    nk_strs cells = {0};
    int64_t rows;
    r->sample = nk_json_f64(request, "sample", 100);
    nk_buf_init(&b, 1 << 16);
    (void)nk_buf_puts(&b, "SELECT CAST(count(*) AS VARCHAR) FROM ");
    size_t skip = b.n;
    if (r->sample < 100)
        (void)nk_buf_puts(&b, "(SELECT * FROM ");
    size_t name = b.n;
    quote(&b, nk_json_str(request, "database"));
    (void)nk_buf_putc(&b, '.');
    quote(&b, nk_json_str(request, "table"));
    r->table = nk_str_dup(r->a, nk_str_sub(nk_buf_view(&b), name, b.n));
    if (r->sample < 100)
        (void)nk_buf_printf(&b, SAMPLE " AS sampled", r->sample);
    nk_code rc = nk_buf_check(&b, err);
    r->from = nk_str_dup(r->a, nk_str_sub(nk_buf_view(&b), skip, b.n));
    if (rc == NK_OK && (!r->from.p || !r->table.p))
        rc = nk_fail(err, NK_E_NOMEM, "out of memory");
    if (rc == NK_OK)
        rc = one_row(r, nk_buf_view(&b), &cells, err);
    nk_buf_free(&b);
    NK_TRY(rc);
    r->estimate = nk_str_i64(cells.v[0], &rows) && rows > COUNTED_ROWS;
    return NK_OK;
}

/* ---- partitions ---- */

/* Some partitions of one page. Which rows are theirs: those whose keys have their values, read as
 * the scan reads them. */
typedef struct part_batch {
    stats_run *r;
    const nk_json *keys, *partitions;
    const nk_type **types; /* of the keys */
    nk_arena *a;           /* one batch long */
} part_batch;

/* A value as the scan makes it of the catalogue's text. */
static nk_code put_value(nk_buf *b, nk_str text, const nk_type *type, nk_err *err)
{
    const nk_dialect *d = nk_dialect_duckdb();
    nk_buf x;
    if (nk_str_eq(text, NK_HIVE_NULL)) {
        (void)nk_buf_puts(b, "CAST(NULL AS ");
        (void)d->type(b, type);
        return nk_buf_putc(b, ')');
    }
    if (type->kind == NK_T_STRING)
        return d->literal(b, text);
    nk_buf_init(&x, 1 << 20);
    nk_code rc = d->literal(&x, text);
    if (rc == NK_OK)
        rc = d->cast(b, nk_buf_view(&x), nk_type_scalar(NK_T_STRING), type, err);
    nk_buf_free(&x);
    return rc;
}

static nk_str value_at(const nk_json *partition, size_t k)
{
    const nk_json *v = nk_json_at(nk_json_get(partition, "Values"), k);
    return v ? v->text : NK_HIVE_NULL;
}

/* The engine leaves out the files of other partitions. */
static nk_code put_where(const part_batch *p, nk_buf *sql, nk_err *err)
{
    const nk_json *key = p->keys->first;
    for (size_t k = 0; k < p->keys->count; k++, key = key->next) {
        bool null = false, some = false;
        (void)nk_buf_puts(sql, k ? " AND (" : " WHERE (");
        for (const nk_json *x = p->partitions->first; x; x = x->next) {
            nk_str v = value_at(x, k);
            if (nk_str_eq(v, NK_HIVE_NULL)) {
                null = true;
                continue;
            }
            if (!some)
                quote(sql, nk_json_str(key, "name"));
            (void)nk_buf_puts(sql, some ? ", " : " IN (");
            NK_TRY(put_value(sql, v, p->types[k], err));
            some = true;
        }
        if (some)
            (void)nk_buf_puts(sql, null ? ") OR " : ")");
        if (null) {
            quote(sql, nk_json_str(key, "name"));
            (void)nk_buf_puts(sql, " IS NULL");
        }
        (void)nk_buf_putc(sql, ')');
    }
    return NK_OK;
}

/* FROM the rows of these partitions, joined to their numbers; a partition without rows has one of
 * nulls. */
static nk_code put_join(const part_batch *p, nk_buf *sql, nk_err *err)
{
    const stats_run *r = p->r;
    size_t n = 0;
    (void)nk_buf_printf(sql, " FROM (SELECT *, true AS __nk_row FROM %.*s", NK_STR_ARG(r->table));
    NK_TRY(put_where(p, sql, err));
    if (r->sample < 100)
        (void)nk_buf_printf(sql, SAMPLE, r->sample);
    else
        (void)nk_buf_putc(sql, ')');
    (void)nk_buf_puts(sql, " AS s RIGHT JOIN (VALUES ");
    for (const nk_json *x = p->partitions->first; x; x = x->next, n++) {
        (void)nk_buf_printf(sql, n ? ", (%zu" : "(%zu", n);
        for (size_t k = 0; k < p->keys->count; k++) {
            (void)nk_buf_puts(sql, ", ");
            NK_TRY(put_value(sql, value_at(x, k), p->types[k], err));
        }
        (void)nk_buf_putc(sql, ')');
    }
    (void)nk_buf_puts(sql, ") AS p(__nk_part");
    for (size_t k = 0; k < p->keys->count; k++)
        (void)nk_buf_printf(sql, ", __nk_key%zu", k);
    (void)nk_buf_puts(sql, ") ON ");
    const nk_json *key = p->keys->first;
    for (size_t k = 0; k < p->keys->count; k++, key = key->next) {
        (void)nk_buf_puts(sql, k ? " AND s." : "s.");
        quote(sql, nk_json_str(key, "name"));
        (void)nk_buf_printf(sql, " IS NOT DISTINCT FROM p.__nk_key%zu", k);
    }
    return nk_buf_puts(sql, " GROUP BY __nk_part ORDER BY __nk_part");
}

static nk_code part_columns(void *arg, const nk_json *first, size_t n, nk_err *err)
{
    const part_batch *p = arg;
    size_t rows = 0, got = 0, parts = p->partitions->count, width = 1 + n * CELLS;
    nk_str *cells;
    nk_engine *e;
    nk_buf sql;
    NK_TRY(nk_session_engine(p->r->s, &e, err));
    nk_buf_init(&sql, 64 << 20);
    (void)nk_buf_puts(&sql, "SELECT CAST(count(__nk_row) AS VARCHAR)");
    nk_code rc = NK_OK;
    const nk_json *c = first;
    for (size_t i = 0; rc == NK_OK && i < n; i++, c = c->next)
        rc = ask(p->r, c, &sql, err);
    if (rc == NK_OK)
        rc = put_join(p, &sql, err);
    if (rc == NK_OK)
        rc = nk_buf_check(&sql, err);
    if (rc == NK_OK)
        rc = nk_engine_texts(e, nk_buf_view(&sql), parts, p->a, &cells, &rows, &got, err);
    nk_buf_free(&sql);
    if (rc == NK_OK && (rows != parts || got != width))
        rc = nk_fail(err, NK_E_INTERNAL, "%zu partitions gave %zu rows", parts, rows);
    size_t at = 0;
    for (const nk_json *x = p->partitions->first; rc == NK_OK && x; x = x->next, at += width) {
        c = first;
        for (size_t i = 0; rc == NK_OK && i < n; i++, c = c->next)
            rc =
                tell(p->r, c, nk_json_get(x, "Values"), cells[at], &cells[at + 1 + i * CELLS], err);
    }
    return rc;
}

/* All columns, a few at a time. */
typedef nk_code (*columns_fn)(void *arg, const nk_json *first, size_t n, nk_err *err);
static nk_code each_columns(const stats_run *r, const nk_json *columns, columns_fn fn, void *arg,
                            nk_err *err)
{
    size_t left = columns ? columns->count : 0;
    const nk_json *c = columns ? columns->first : NULL;
    while (left) {
        size_t n = left < COLUMNS_A_QUERY ? left : COLUMNS_A_QUERY;
        if (nk_session_stopped() || nk_worker_cancelled(r->w))
            return nk_fail(err, NK_E_CANCELLED, "stopped");
        NK_TRY(fn(arg, c, n, err));
        for (size_t i = 0; i < n; i++)
            c = c->next;
        left -= n;
    }
    return NK_OK;
}

static nk_code each_partition(stats_run *r, const nk_json *request, nk_err *err)
{
    const nk_json *columns = nk_json_get(request, "columns"), *keys = nk_json_get(request, "keys");
    size_t ncolumns = columns ? columns->count : 0, nkeys = keys ? keys->count : 0, k = 0;
    const nk_type **types = NK_NEWN(r->a, const nk_type *, nkeys + 1);
    nk_str token = NK_STR_NULL;
    nk_code rc = types ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
    if (!nkeys || !ncolumns)
        return rc;
    for (const nk_json *x = keys->first; rc == NK_OK && x; x = x->next)
        rc = nk_type_parse(nk_json_str(x, "type"), r->a, &types[k++], err);
    size_t max = NK_STATS_BATCH / ncolumns;
    max = max < 1 ? 1 : max > PARTITIONS_MAX ? PARTITIONS_MAX : max;
    do {
        const nk_json *reply = NULL;
        part_batch p = {.r = r, .keys = keys, .types = types, .a = nk_arena_create(0)};
        if (rc == NK_OK && !p.a)
            rc = nk_fail(err, NK_E_NOMEM, "out of memory");
        if (rc == NK_OK)
            rc = nk_session_partitions(r->s, nk_json_str(request, "database"),
                                       nk_json_str(request, "table"), NK_STR_NULL, token,
                                       (int64_t)max, p.a, &reply, err);
        p.partitions = rc == NK_OK ? nk_json_get(reply, "Partitions") : NULL;
        if (p.partitions && p.partitions->count)
            rc = each_columns(r, columns, part_columns, &p, err);
        if (rc == NK_OK)
            rc = nk_worker_send(r->w, NK_STR("{\"event\":\"partitions\"}"), err);
        if (rc == NK_OK)
            token = nk_str_dup(r->a, nk_json_str(reply, "NextToken")); /* p NULL: no more of them */
        if (rc == NK_OK && !token.p && nk_json_str(reply, "NextToken").n)
            rc = nk_fail(err, NK_E_NOMEM, "out of memory");
        nk_arena_destroy(p.a);
    } while (rc == NK_OK && token.n);
    return rc;
}

static nk_code run_all(stats_run *r, const nk_json *request, nk_err *err)
{
    NK_TRY(source(r, request, err));
    NK_TRY(each_columns(r, nk_json_get(request, "columns"), some_columns, r, err));
    NK_TRY(each_partition(r, request, err));
    return nk_worker_send(r->w, NK_STR("{\"event\":\"result\"}"), err);
}

nk_code nk_stats_worker(nk_worker *w, const nk_json *request, nk_arena *arena, nk_err *err)
{
    stats_run r = {.w = w, .a = arena};
    nk_buf settings;
    nk_buf_init(&settings, 1 << 20);
    nk_json_writer jw = {.buf = &settings};
    if (nk_json_get(request, "settings"))
        nk_jw_tree(&jw, nk_json_get(request, "settings"));
    nk_code rc = nk_session_open(nk_buf_view(&settings), &r.s, err);
    nk_buf_free(&settings);
    NK_TRY(rc);
    rc = nk_session_stop_on(r.s, SIGTERM, err);
    if (rc == NK_OK) {
        rc = run_all(&r, request, err);
        nk_session_stop_end();
    }
    nk_session_close(r.s);
    return rc;
}
