/* The worker's side of a statistics run: one query over some columns at a time. */
#include <signal.h>
#include <stdio.h>

#include "catalog/stats_worker.h"
#include "engine/session.h"

enum { COLUMNS_A_QUERY = 32, CELLS = 4 };
/* Above this many rows distinct values are estimated, below they are counted. */
#define COUNTED_ROWS 5000000

typedef struct stats_run {
    nk_worker *w;
    nk_arena *a;
    nk_session *s;
    nk_str from; /* the table, or a sample of it */
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

static nk_code tell(const stats_run *r, const nk_json *column, nk_str rows, const nk_str *cells,
                    nk_err *err)
{
    nk_buf b;
    nk_buf_init(&b, 1 << 20);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "event", "column");
    nk_jw_kstr(&w, "name", nk_json_str(column, "name"));
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

static nk_code some_columns(stats_run *r, const nk_json *first, size_t n, nk_err *err)
{
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
        rc = tell(r, c, cells.v[0], &cells.v[1 + i * CELLS], err);
    return rc;
}

static nk_code source(stats_run *r, const nk_json *request, nk_err *err)
{
    double sample = nk_json_f64(request, "sample", 100);
    nk_buf b;
    nk_strs cells = {0};
    int64_t rows;
    nk_buf_init(&b, 1 << 16);
    (void)nk_buf_puts(&b, "SELECT CAST(count(*) AS VARCHAR) FROM ");
    size_t skip = b.n;
    if (sample < 100)
        (void)nk_buf_puts(&b, "(SELECT * FROM ");
    quote(&b, nk_json_str(request, "database"));
    (void)nk_buf_putc(&b, '.');
    quote(&b, nk_json_str(request, "table"));
    if (sample < 100)
        (void)nk_buf_printf(&b, " USING SAMPLE %.6f PERCENT (bernoulli)) AS sampled", sample);
    nk_code rc = nk_buf_check(&b, err);
    r->from = nk_str_dup(r->a, nk_str_sub(nk_buf_view(&b), skip, b.n));
    if (rc == NK_OK && !r->from.p)
        rc = nk_fail(err, NK_E_NOMEM, "out of memory");
    if (rc == NK_OK)
        rc = one_row(r, nk_buf_view(&b), &cells, err);
    nk_buf_free(&b);
    NK_TRY(rc);
    r->estimate = nk_str_i64(cells.v[0], &rows) && rows > COUNTED_ROWS;
    return NK_OK;
}

static nk_code run_all(stats_run *r, const nk_json *request, nk_err *err)
{
    const nk_json *columns = nk_json_get(request, "columns");
    size_t left = columns ? columns->count : 0;
    const nk_json *c = columns ? columns->first : NULL;
    NK_TRY(source(r, request, err));
    while (left) {
        size_t n = left < COLUMNS_A_QUERY ? left : COLUMNS_A_QUERY;
        if (nk_session_stopped() || nk_worker_cancelled(r->w))
            return nk_fail(err, NK_E_CANCELLED, "stopped");
        NK_TRY(some_columns(r, c, n, err));
        for (size_t i = 0; i < n; i++)
            c = c->next;
        left -= n;
    }
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
