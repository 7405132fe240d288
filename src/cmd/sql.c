/* nikawa sql: a query over the catalogue's tables, in a process of its own. The server only answers
 * what it is always asked: names, partitions, files. */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/cmd.h"

#ifdef NK_HAVE_ENGINE
#include "cmd/grid_int.h"
#include "engine/session.h"
#include "engine/show.h"

#define TERMINAL_ROWS 10000
#define TERMINAL_CELL 80
#define QUERY_MAX     ((size_t)16 << 20)

static const nk_cmd_help help = {
    "nikawa sql [--data DIR] [--database NAME] [--format table|csv|json] [QUERY | -]",
    "Runs a SELECT over tables of the catalogue, named database.table, in the lake; without QUERY "
    "it "
    "reads it from stdin.\n"
    "The server is that of --data, else the one that AWS_ENDPOINT_URL_GLUE and the AWS keys name, "
    "else "
    "that of\n"
    "$NIKAWA_DATA or ./nikawa-data. A null is NULL (a text of these letters is 'NULL'); in CSV it "
    "is "
    "empty and an\n"
    "empty text is \"\"; JSON is an array of objects, one a line.",
    "  nikawa sql \"select count(*) from sales.orders\"\n"
    "  nikawa sql --database sales --format csv \"select * from orders where day = '2024-05-01'\" "
    "> "
    "day.csv",
};

/* ---- output ---- */

typedef struct output {
    const char *format;
    nk_grid *table;
    nk_buf line;
    const nk_type *type;
    nk_str *names; /* for JSON: no two the same */
    int64_t rows;
} output;

static void csv_cell(nk_buf *b, nk_str s)
{
    bool quote = s.n == 0 || s.p[0] == ' ' || s.p[s.n - 1] == ' ';
    for (size_t i = 0; i < s.n && !quote; i++)
        quote = s.p[i] == ',' || s.p[i] == '"' || s.p[i] == '\n' || s.p[i] == '\r';
    if (!quote) {
        (void)nk_buf_str(b, s);
        return;
    }
    (void)nk_buf_putc(b, '"');
    for (size_t i = 0; i < s.n; i++)
        (void)nk_buf_printf(b, s.p[i] == '"' ? "\"%c" : "%c", s.p[i]);
    (void)nk_buf_putc(b, '"');
}

static nk_code put_line(output *o, nk_err *err)
{
    NK_TRY(nk_buf_check(&o->line, err));
    if (fwrite(o->line.p, 1, o->line.n, stdout) != o->line.n)
        return nk_fail(err, NK_E_IO, "cannot write");
    nk_buf_clear(&o->line);
    return NK_OK;
}

static nk_code begin(output *o, const nk_type *type, bool terminal, nk_arena *a, nk_err *err)
{
    o->type = type;
    nk_buf_init(&o->line, 512u << 20);
    if (strcmp(o->format, "table") == 0) {
        nk_grid_options opts = {.colour = nk_cmd_colour(1),
                                .cell_max = terminal ? TERMINAL_CELL : 0};
        o->table = nk_grid_create(&opts, type->nfields);
        if (!o->table)
            return nk_fail(err, NK_E_NOMEM, "out of memory");
        for (size_t i = 0; i < type->nfields; i++)
            nk_grid_column(o->table, i, type->fields[i].name,
                           nk_type_is_number(type->fields[i].type));
        return NK_OK;
    }
    if (strcmp(o->format, "csv") == 0) {
        for (size_t i = 0; i < type->nfields; i++) {
            (void)nk_buf_puts(&o->line, i ? "," : "");
            csv_cell(&o->line, type->fields[i].name);
        }
        (void)nk_buf_puts(&o->line, "\n");
        return put_line(o, err);
    }
    o->names = NK_NEWN(a, nk_str, type->nfields + 1);
    for (size_t i = 0; o->names && i < type->nfields; i++) {
        size_t same = 1;
        o->names[i] = type->fields[i].name;
        for (size_t k = 0; k < i; k++)
            if (nk_str_eq(o->names[k], o->names[i])) {
                o->names[i] =
                    nk_str_printf(a, "%.*s_%zu", NK_STR_ARG(type->fields[i].name), same++);
                k = (size_t)-1; /* from the start: the new name may be taken too */
            }
    }
    return o->names ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
}

static nk_code table_row(output *o, const nk_vec *v, size_t row, nk_err *err)
{
    for (size_t i = 0; i < o->type->nfields; i++) {
        nk_buf_clear(&o->line);
        if (!nk_vec_valid(&v[i], row)) {
            NK_TRY(nk_grid_cell(o->table, NK_STR_NULL, err));
            continue;
        }
        nk_show_text(&v[i], row, &o->line);
        NK_TRY(nk_buf_check(&o->line, err));
        NK_TRY(nk_grid_cell(o->table, nk_buf_view(&o->line), err));
    }
    return NK_OK;
}

static nk_code csv_row(output *o, const nk_vec *v, size_t row, nk_err *err)
{
    nk_buf cell;
    nk_buf_init(&cell, 256u << 20);
    for (size_t i = 0; i < o->type->nfields; i++) {
        (void)nk_buf_puts(&o->line, i ? "," : "");
        if (!nk_vec_valid(&v[i], row))
            continue;
        nk_buf_clear(&cell);
        nk_show_text(&v[i], row, &cell);
        csv_cell(&o->line, nk_buf_view(&cell));
    }
    nk_code rc = nk_buf_check(&cell, err);
    nk_buf_free(&cell);
    (void)nk_buf_puts(&o->line, "\n");
    return rc == NK_OK ? put_line(o, err) : rc;
}

static nk_code json_row(output *o, const nk_vec *v, size_t row, nk_err *err)
{
    nk_json_writer w = {.buf = &o->line};
    (void)nk_buf_puts(&o->line, o->rows ? ",\n{" : "[\n{");
    for (size_t i = 0; i < o->type->nfields; i++) {
        (void)nk_buf_puts(&o->line, i ? "," : "");
        w.comma = false;
        nk_jw_str(&w, o->names[i]);
        (void)nk_buf_putc(&o->line, ':');
        nk_show_json(&v[i], row, &o->line);
    }
    (void)nk_buf_puts(&o->line, "}");
    return put_line(o, err);
}

static nk_code end(output *o, nk_err *err)
{
    if (o->table) {
        nk_grid *t = o->table;
        o->table = NULL;
        return nk_grid_end(t, err);
    }
    if (strcmp(o->format, "json") == 0)
        fputs(o->rows ? "\n]\n" : "[]\n", stdout);
    return fflush(stdout) == 0 ? NK_OK : nk_fail(err, NK_E_IO, "cannot write");
}

static nk_code put_rows(output *o, nk_result *r, int64_t limit, bool *more, nk_err *err)
{
    nk_code (*row)(output *, const nk_vec *, size_t, nk_err *) = o->table ? table_row
                                                                 : strcmp(o->format, "csv") == 0
                                                                     ? csv_row
                                                                     : json_row;
    const nk_vec *v;
    size_t n;
    for (;;) {
        NK_TRY(nk_result_next(r, &v, &n, err));
        if (!n)
            return NK_OK;
        for (size_t i = 0; i < n; i++, o->rows++) {
            if (limit && o->rows == limit) {
                *more = true;
                return NK_OK;
            }
            if (nk_session_stopped())
                return nk_fail(err, NK_E_CANCELLED, "stopped");
            NK_TRY(row(o, v, i, err));
        }
    }
}

/* ---- the server ---- */

static void put_setting(nk_json_writer *w, const char *name, const char *value)
{
    if (value)
        nk_jw_kcstr(w, name, value);
}

/* The shell's own AWS settings, when they name an endpoint and keys. */
static bool from_environment(nk_cmd_server *s)
{
    const char *any = getenv("AWS_ENDPOINT_URL"), *glue = getenv("AWS_ENDPOINT_URL_GLUE"),
               *s3 = getenv("AWS_ENDPOINT_URL_S3"), *region = getenv("AWS_REGION");
    *s = (nk_cmd_server){.url = glue ? glue : any,
                         .s3_url = s3 ? s3 : any,
                         .access_key = getenv("AWS_ACCESS_KEY_ID"),
                         .secret_key = getenv("AWS_SECRET_ACCESS_KEY"),
                         .s3_access_key = getenv("NIKAWA_S3_ACCESS_KEY_ID"),
                         .s3_secret_key = getenv("NIKAWA_S3_SECRET_ACCESS_KEY")};
    s->region = region ? region : getenv("AWS_DEFAULT_REGION");
    if (!s->region)
        s->region = "us-east-1";
    if (!s->s3_access_key || !s->s3_secret_key) {
        s->s3_access_key = s->access_key;
        s->s3_secret_key = s->secret_key;
    }
    return s->url && s->access_key && s->secret_key;
}

static nk_code open_session(const char *dir, int64_t memory_mb, nk_arena *a, nk_session **out,
                            nk_err *err)
{
    nk_cmd_server s;
    nk_buf b;
    if (dir || !from_environment(&s))
        NK_TRY(nk_cmd_find_server(dir, a, &s, err));
    nk_buf_init(&b, 1 << 20);
    nk_json_writer w = {.buf = &b};
    const char *temp = getenv("TMPDIR");
    nk_jw_object(&w);
    put_setting(&w, "endpoint", s.url);
    put_setting(&w, "region", s.region);
    put_setting(&w, "access_key", s.access_key);
    put_setting(&w, "secret_key", s.secret_key);
    put_setting(&w, "s3_endpoint", s.s3_url);
    put_setting(&w, "s3_access_key", s.s3_access_key);
    put_setting(&w, "s3_secret_key", s.s3_secret_key);
    put_setting(
        &w, "temp_dir",
        nk_arena_printf(a, "%s/nikawa-sql-%d", temp && *temp ? temp : "/tmp", (int)getpid()));
    nk_jw_ki64(&w, "memory_limit_bytes", memory_mb << 20);
    nk_jw_object_end(&w);
    nk_code rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = nk_session_open(nk_buf_view(&b), out, err);
    nk_buf_free(&b);
    return rc;
}

static nk_code read_stdin(nk_arena *a, nk_str *out, nk_err *err)
{
    nk_buf b;
    char piece[65536];
    nk_buf_init(&b, QUERY_MAX);
    for (size_t n; (n = fread(piece, 1, sizeof piece, stdin)) > 0;)
        (void)nk_buf_add(&b, piece, n);
    nk_code rc = nk_buf_check(&b, err);
    *out = nk_buf_dup(&b, a);
    nk_buf_free(&b);
    return rc;
}

typedef struct wish {
    const char *dir, *database, *format;
    int64_t limit, memory_mb;
    nk_str query;
} wish;

static nk_code run_query(const wish *q, nk_session *s, nk_arena *a, nk_err *err)
{
    output o = {.format = q->format};
    nk_result *r = NULL;
    bool more = false, terminal = isatty(1);
    NK_TRY(nk_session_query(s, q->query, nk_str_c(q->database), &r, err));
    nk_code rc = begin(&o, nk_result_type(r), terminal, a, err);
    if (rc == NK_OK)
        rc = put_rows(&o, r, q->limit, &more, err);
    if (rc == NK_OK)
        rc = end(&o, err);
    nk_result_close(r);
    nk_grid_destroy(o.table);
    nk_buf_free(&o.line);
    if (rc == NK_OK && more)
        fprintf(stderr, "nikawa: only the first %lld rows; --limit 0 shows all\n",
                (long long)q->limit);
    else if (rc == NK_OK && terminal && isatty(2))
        fprintf(stderr, "%lld row%s\n", (long long)o.rows, o.rows == 1 ? "" : "s");
    return rc;
}

static int run(const wish *q, nk_arena *a)
{
    nk_err err = NK_ERR_INIT;
    nk_session *s = NULL;
    nk_code rc = open_session(q->dir, q->memory_mb, a, &s, &err);
    if (rc == NK_OK)
        rc = nk_session_stop_on(s, SIGINT, &err);
    if (rc == NK_OK) {
        rc = run_query(q, s, a, &err);
        nk_session_stop_end();
    }
    nk_session_close(s);
    if (rc != NK_OK && nk_session_stopped()) {
        fprintf(stderr, "nikawa: stopped\n");
        return 130;
    }
    return rc == NK_OK ? 0 : nk_cmd_fail(&err);
}

int nk_cmd_sql(int argc, char **argv)
{
    static const char *const formats[] = {"table", "csv", "json"};
    wish q = {.format = "table", .limit = -1};
    char **rest;
    int nrest;
    bool known = false;
    const nk_opt opts[] = {
        {"data", 'd', NK_OPT_STR, "DIR", "the server's folder", &q.dir, 0, 0},
        {"database", 'D', NK_OPT_STR, "NAME", "where tables without a database are", &q.database, 0,
         0},
        {"format", 'f', NK_OPT_STR, "FORMAT", "table (default), csv or json", &q.format, 0, 0},
        {"limit", 'n', NK_OPT_INT, "ROWS",
         "print so many rows at most, 0 = all (default: 10000 on a terminal, else all)", &q.limit,
         0, INT64_MAX},
        {"memory", 0, NK_OPT_INT, "MB", "most memory to use (default: the engine's choice)",
         &q.memory_mb, 64, 1 << 24},
        {0},
    };
    int code = nk_opts_parse(&help, opts, false, argc, argv, &rest, &nrest);
    if (code >= 0)
        return code;
    for (size_t i = 0; i < NK_COUNTOF(formats); i++)
        known = known || strcmp(q.format, formats[i]) == 0;
    if (!known)
        return nk_cmd_usage("sql", "--format is table, csv or json, not '%s'", q.format);
    if (nrest > 1)
        return nk_cmd_usage("sql", "one query at a time: put it in quotes");
    if (q.limit < 0)
        q.limit = isatty(1) ? TERMINAL_ROWS : 0;
    nk_err err = NK_ERR_INIT;
    nk_arena *a = nk_arena_create(0);
    if (!a)
        return nk_cmd_failf("out of memory");
    (void)setlocale(LC_CTYPE, "C.UTF-8"); /* for the width of characters */
    nk_code rc = NK_OK;
    if (nrest && strcmp(rest[0], "-") != 0)
        q.query = nk_str_c(rest[0]);
    else
        rc = read_stdin(a, &q.query, &err);
    q.query = nk_str_trim(q.query);
    while (q.query.n && q.query.p[q.query.n - 1] == ';')
        q.query = nk_str_trim(nk_str_sub(q.query, 0, q.query.n - 1));
    code = rc != NK_OK      ? nk_cmd_fail(&err)
           : q.query.n == 0 ? nk_cmd_usage("sql", "there is no query")
                            : run(&q, a);
    nk_arena_destroy(a);
    return code;
}

#else

int nk_cmd_sql(int argc, char **argv)
{
    return nk_cmd_failf("this nikawa was built without the engine: queries cannot be run");
}

#endif
