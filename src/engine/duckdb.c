/* Opening the engine, running statements, results, errors. */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/duckdb_int.h"
#include "plan/plan.h"

static void set_option(duckdb_config c, const char *name, const char *value)
{
    (void)!duckdb_set_config(c, name, value);
}

static nk_code sql_literal(nk_buf *b, const char *s)
{
    return nk_dialect_duckdb()->literal(b, nk_str_c(s ? s : ""));
}

static char *dup_or_null(const char *s)
{
    return s && *s ? nk_strdup(s) : NULL;
}

static duckdb_config make_config(const nk_engine_options *o)
{
    duckdb_config c = NULL;
    if (duckdb_create_config(&c) != DuckDBSuccess)
        return NULL;
    char text[64];
    if (o->memory_limit_bytes) {
        snprintf(text, sizeof(text), "%llu B", (unsigned long long)o->memory_limit_bytes);
        set_option(c, "memory_limit", text);
    }
    if (o->threads > 0) {
        snprintf(text, sizeof(text), "%d", o->threads);
        set_option(c, "threads", text);
    }
    /* without one the engine would spill into the working folder */
    set_option(c, "temp_directory", o->temp_dir ? o->temp_dir : "");
    set_option(c, "autoinstall_known_extensions", "false");
    set_option(c, "autoload_known_extensions", "false");
    set_option(c, "preserve_insertion_order", "true");
    return c;
}

/* The engine takes and gives back buffers of some megabytes all the time: left to its defaults,
 * malloc returns each to the system and faults it in again, a fifth of a job's time. */
static void keep_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, 64 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 256 << 20);
}

nk_code nk_engine_open(const nk_engine_options *o, nk_engine **out, nk_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, keep_memory);
    nk_engine *e = nk_calloc(1, sizeof(*e));
    if (!e)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    e->endpoint = dup_or_null(o->s3_endpoint);
    e->region = dup_or_null(o->s3_region);
    e->access_key = dup_or_null(o->s3_access_key);
    e->secret_key = dup_or_null(o->s3_secret_key);
    e->extension_dir = dup_or_null(o->extension_dir);
    e->memory_limit = o->memory_limit_bytes;
    duckdb_config c = make_config(o);
    char *why = NULL;
    nk_code rc = NK_OK;
    if (!c || duckdb_open_ext(NULL, &e->db, c, &why) != DuckDBSuccess ||
        duckdb_connect(e->db, &e->con) != DuckDBSuccess) {
        rc = nk_fail(err, NK_E_INTERNAL, "the engine does not start: %s",
                     why ? why : "no reason given");
        goto done;
    }
    static const char setup[] =
        "SET TimeZone='UTC'; SET scalar_subquery_error_on_multiple_rows=true;"
        "SET enable_progress_bar=false";
    NK_TRY_GOTO(rc, nk_engine_exec(e, NK_STR(setup), err), done);
    NK_TRY_GOTO(rc, nk_duck_functions(e->con, err), done);
done:
    if (why)
        duckdb_free(why);
    if (c)
        duckdb_destroy_config(&c);
    if (rc != NK_OK) {
        nk_engine_close(e);
        e = NULL;
    }
    *out = e;
    return rc;
}

void nk_engine_close(nk_engine *e)
{
    if (!e)
        return;
    if (e->con)
        duckdb_disconnect(&e->con);
    if (e->db)
        duckdb_close(&e->db);
    nk_free(e->endpoint);
    nk_free(e->region);
    nk_free(e->access_key);
    nk_free(e->secret_key);
    nk_free(e->extension_dir);
    nk_free(e);
}

void nk_engine_interrupt(nk_engine *e)
{
    duckdb_interrupt(e->con);
}

/* ---- extensions ---- */

static nk_code run_raw(nk_engine *e, const char *sql, nk_err *err)
{
    duckdb_result r;
    nk_code rc = NK_OK;
    if (duckdb_query(e->con, sql, &r) != DuckDBSuccess)
        rc = nk_duck_error(e, duckdb_result_error_type(&r), duckdb_result_error(&r), err);
    duckdb_destroy_result(&r);
    return rc;
}

/* The extension lies either as DuckDB's own tree (VERSION/PLATFORM/…) or as a plain file. */
nk_code nk_engine_extension(nk_engine *e, const char *name, nk_err *err)
{
    char dir[1024], path[1300];
    const char *deps = getenv("NIKAWA_DEPS"), *home = getenv("HOME");
    if (e->extension_dir)
        snprintf(dir, sizeof(dir), "%s", e->extension_dir);
    else if (deps && *deps)
        snprintf(dir, sizeof(dir), "%s/duckdb_extensions", deps);
    else if (NK_DEPS_DIR[0])
        snprintf(dir, sizeof(dir), "%s/duckdb_extensions", NK_DEPS_DIR);
    else
        snprintf(dir, sizeof(dir), "%s/.cache/nikawa/duckdb_extensions", home ? home : "");
    nk_buf sql;
    nk_buf_init(&sql, 1 << 16);
    snprintf(path, sizeof(path), "%s/%s.duckdb_extension", dir, name);
    if (access(path, R_OK) == 0) {
        (void)nk_buf_puts(&sql, "LOAD ");
        (void)sql_literal(&sql, path);
    } else {
        (void)nk_buf_puts(&sql, "SET extension_directory=");
        (void)sql_literal(&sql, dir);
        (void)nk_buf_printf(&sql, "; LOAD %s", name);
    }
    nk_code rc = nk_buf_check(&sql, err);
    if (rc == NK_OK)
        rc = run_raw(e, sql.p, err);
    /* DuckDB 1.5.5 hands out wrong bytes of deletion vectors that lie beside others in one file,
     * once some of that is in its cache: deleted rows come back, others go */
    if (rc == NK_OK && !strcmp(name, "iceberg"))
        rc = run_raw(e, "SET enable_external_file_cache=false", err);
    nk_buf_free(&sql);
    if (rc != NK_OK) {
        nk_wrap(err, "DuckDB's %s extension cannot be loaded from %s", name, dir);
        nk_hint(err, "run deps/install, or set NIKAWA_DEPS to where it put things");
    }
    return rc;
}

static nk_code make_secret(nk_engine *e, nk_err *err)
{
    const char *host = e->endpoint;
    bool ssl = strncmp(host, "https://", 8) == 0;
    const char *p = strstr(host, "://");
    host = p ? p + 3 : host;
    nk_buf sql;
    nk_buf_init(&sql, 1 << 16);
    (void)nk_buf_puts(&sql,
                      "CREATE OR REPLACE SECRET nikawa (TYPE s3, URL_STYLE 'path', ENDPOINT ");
    size_t n = strcspn(host, "/");
    (void)nk_buf_printf(&sql, "'%.*s', USE_SSL %s, REGION ", (int)n, host, ssl ? "true" : "false");
    (void)sql_literal(&sql, e->region ? e->region : "us-east-1");
    (void)nk_buf_puts(&sql, ", KEY_ID ");
    (void)sql_literal(&sql, e->access_key ? e->access_key : "");
    (void)nk_buf_puts(&sql, ", SECRET ");
    (void)sql_literal(&sql, e->secret_key ? e->secret_key : "");
    (void)nk_buf_puts(
        &sql, "); SET http_retries=4; SET http_timeout=60; SET enable_http_metadata_cache=true");
    nk_code rc = nk_buf_check(&sql, err);
    if (rc == NK_OK)
        rc = run_raw(e, sql.p, err);
    nk_buf_free(&sql);
    return rc;
}

nk_code nk_duck_prepare(nk_engine *e, nk_str sql, nk_err *err)
{
    if (e->httpfs || nk_str_find(sql, NK_STR("s3://")) < 0)
        return NK_OK;
    if (!e->endpoint) {
        nk_fail(err, NK_E_UNAVAILABLE, "an s3:// path is used, but no S3 endpoint is set");
        return nk_hint(err, "give --s3-endpoint URL, or start the server with its own lake");
    }
    NK_TRY(nk_engine_extension(e, "httpfs", err));
    NK_TRY(make_secret(e, err));
    e->httpfs = true;
    return NK_OK;
}

/* ---- errors ---- */

static bool has(const char *text, const char *what)
{
    return strstr(text, what) != NULL;
}

/* What a reader needs: the first paragraph, and the file's name if one is told further down. */
static void shorten(const char *text, char *out, size_t cap)
{
    static const char *const ends[] = {
        "\nPossible",           "\nLINE ", "\n\nLINE", "\nColumn ", "\nCandidate", "\n\nStack",
        "\nThis error signals", NULL};
    static const char *const kinds[] = {"Invalid Input Error: ", "IO Error: ",
                                        "Binder Error: ",        "Parser Error: ",
                                        "Conversion Error: ",    "Catalog Error: ",
                                        "Invalid Error: ",       "HTTP Error: ",
                                        "Out of Memory Error: ", NULL};
    for (int i = 0; kinds[i]; i++)
        if (strncmp(text, kinds[i], strlen(kinds[i])) == 0)
            text += strlen(kinds[i]);
    size_t n = strlen(text);
    for (int i = 0; ends[i]; i++) {
        const char *p = strstr(text, ends[i]);
        if (p && (size_t)(p - text) < n)
            n = (size_t)(p - text);
    }
    while (n && (text[n - 1] == '\n' || text[n - 1] == ' '))
        n--;
    const char *file = strstr(text + n, "\n  file = ");
    int used = snprintf(out, cap, "%.*s", (int)(n < cap - 300 ? n : cap - 300), text);
    if (file && used > 0)
        snprintf(out + used, cap - (size_t)used, " (file %.*s)", (int)strcspn(file + 10, "\n"),
                 file + 10);
}

/* "CSV Error on Line: 2 / Original Line: … / what is wrong / (file …)" as one line. */
static bool csv_error(const char *text, nk_err *err)
{
    const char *at = strstr(text, "CSV Error on Line: "), *file = strstr(text, "\n  file = ");
    const char *original = at ? strstr(at, "\nOriginal Line:") : NULL;
    static const struct {
        const char *theirs, *ours;
    } reasons[] = {
        {"unterminated quote", "a quote is opened and not closed, or text follows the closing one"},
        {"Invalid unicode", "the text is not UTF-8"},
        {"Maximum line size", "the line is too long"},
        {"Expected Number of Columns", NULL}, /* read again, leniently */
    };
    if (!at || !original)
        return false;
    for (size_t i = 0; i < NK_COUNTOF(reasons); i++) {
        if (!strstr(text, reasons[i].theirs))
            continue;
        if (!reasons[i].ours)
            return false;
        (void)nk_fail(err, NK_E_INVALID, "line %.*s of %.*s: %s",
                      (int)strspn(at + 19, "0123456789"), at + 19,
                      file ? (int)strcspn(file + 10, "\n") : 8, file ? file + 10 : "the file",
                      reasons[i].ours);
        return true;
    }
    return false;
}

#define TOLD "nk-error " /* then a code, a colon, the message */

const char *nk_duck_tell(char text[NK_DUCK_TOLD], nk_code code, const char *message)
{
    snprintf(text, NK_DUCK_TOLD, TOLD "%d:%s", (int)code, message);
    return text;
}

/* Behind words of the engine's own ("Invalid Input Error: …"). */
static bool told(const char *text, nk_err *err)
{
    const char *at = strstr(text, ": " TOLD);
    const char *ours = strncmp(text, TOLD, strlen(TOLD)) == 0 ? text : at ? at + 2 : NULL;
    char *end;
    if (!ours)
        return false;
    long code = strtol(ours + strlen(TOLD), &end, 10);
    if (*end != ':' || code <= NK_OK || code >= NK_CODE_COUNT)
        return false;
    (void)nk_fail(err, (nk_code)code, "%s", end + 1);
    return true;
}

nk_code nk_duck_error(const nk_engine *e, duckdb_error_type type, const char *text, nk_err *err)
{
    char msg[NK_ERR_MSG_MAX];
    if (!text)
        text = "the engine failed without saying why";
    nk_err mine = NK_ERR_INIT;
    if (told(text, &mine))
        return nk_fail(err, mine.code, "%s", mine.msg);
    if (csv_error(text, err))
        return NK_E_INVALID;
    shorten(text, msg, sizeof(msg));
    if (type == DUCKDB_ERROR_INTERRUPT)
        return nk_fail(err, NK_E_CANCELLED, "the query was stopped");
    if (type == DUCKDB_ERROR_OUT_OF_MEMORY || has(text, "std::bad_alloc")) {
        nk_fail(err, NK_E_NOMEM, "not enough memory within the limit of %llu MB: %s",
                (unsigned long long)(e->memory_limit >> 20), msg);
        return nk_hint(err,
                       "give the job a larger WorkerType or raise the server's memory setting");
    }
    if (has(text, "HTTP 404") || has(text, "404 (Not Found)") || has(text, "NoSuchBucket") ||
        has(text, "NoSuchKey") || has(text, "No files found"))
        return nk_fail(err, NK_E_NOT_FOUND, "%s", msg);
    if (has(text, "HTTP 403") || has(text, "403 (Forbidden)") || has(text, "AccessDenied"))
        return nk_fail(err, NK_E_ACCESS_DENIED, "%s", msg);
    if (has(text, "Could not establish connection") || has(text, "Could not connect") ||
        has(text, "Connection refused")) {
        nk_fail(err, NK_E_UNAVAILABLE, "S3 endpoint %s does not answer: %s",
                e->endpoint ? e->endpoint : "", msg);
        return NK_E_UNAVAILABLE;
    }
    if (has(text, "No space left"))
        return nk_fail(err, NK_E_FULL, "%s", msg);
    if (type == DUCKDB_ERROR_NOT_IMPLEMENTED)
        return nk_fail(err, NK_E_UNSUPPORTED, "%s", msg);
    if (type == DUCKDB_ERROR_INTERNAL || type == DUCKDB_ERROR_FATAL)
        return nk_fail(err, NK_E_INTERNAL, "%s", msg);
    return nk_fail(err, NK_E_INVALID, "%s", msg);
}

/* ---- statements and results ---- */

struct nk_result {
    nk_engine *engine;
    duckdb_result res;
    bool open;
    duckdb_data_chunk chunk;
    nk_arena *arena; /* the type */
    nk_arena *views; /* of the chunk */
    const nk_type *type;
};

static nk_code text_of(nk_str sql, nk_buf *b, nk_err *err)
{
    nk_buf_init(b, sql.n + 1);
    (void)nk_buf_str(b, sql);
    return nk_buf_check(b, err);
}

nk_code nk_engine_exec(nk_engine *e, nk_str sql, nk_err *err)
{
    NK_TRY(nk_duck_prepare(e, sql, err));
    nk_buf b;
    nk_code rc = text_of(sql, &b, err);
    if (rc == NK_OK)
        rc = run_raw(e, b.p, err);
    nk_buf_free(&b);
    return rc;
}

/* Types of a prepared statement's columns; *exact false when some must be cast. */
static nk_code prepared_type(nk_engine *e, nk_str sql, nk_arena *a, const nk_type **out,
                             bool *exact, nk_err *err)
{
    duckdb_prepared_statement st = NULL;
    nk_buf b;
    nk_code rc = text_of(sql, &b, err);
    if (rc != NK_OK)
        goto done;
    if (duckdb_prepare(e->con, b.p, &st) != DuckDBSuccess) {
        rc = nk_duck_error(e, DUCKDB_ERROR_INVALID, duckdb_prepare_error(st), err);
        goto done;
    }
    size_t n = duckdb_prepared_statement_column_count(st);
    nk_field *f = NK_NEWN(a, nk_field, n + 1);
    if (!f) {
        rc = nk_fail(err, NK_E_NOMEM, "out of memory");
        goto done;
    }
    *exact = true;
    for (size_t i = 0; i < n && rc == NK_OK; i++) {
        const char *name = duckdb_prepared_statement_column_name(st, i);
        f[i].name = nk_str_dup(a, nk_str_c(name ? name : ""));
        if (name)
            duckdb_free((void *)(uintptr_t)name);
        if (!f[i].name.p) {
            rc = nk_fail(err, NK_E_NOMEM, "out of memory");
            break;
        }
        duckdb_logical_type lt = duckdb_prepared_statement_column_logical_type(st, i);
        rc = nk_duck_type_from(lt, a, &f[i].type, exact, err);
        duckdb_destroy_logical_type(&lt);
    }
    if (rc == NK_OK && !(*out = nk_type_struct(a, f, n)))
        rc = nk_fail(err, NK_E_NOMEM, "out of memory");
done:
    if (st)
        duckdb_destroy_prepare(&st);
    nk_buf_free(&b);
    return rc;
}

nk_code nk_engine_describe(nk_engine *e, nk_str sql, nk_arena *a, const nk_type **out, nk_err *err)
{
    bool exact;
    NK_TRY(nk_duck_prepare(e, sql, err));
    return prepared_type(e, sql, a, out, &exact, err);
}

/* SELECT #1::type AS "name", … FROM (sql): columns of types that we do not hold are cast. */
static nk_code cast_columns(nk_str sql, const nk_type *t, nk_buf *b)
{
    (void)nk_buf_puts(b, "SELECT ");
    for (size_t i = 0; i < t->nfields; i++) {
        (void)nk_buf_printf(b, "%sCAST(#%zu AS ", i ? ", " : "", i + 1);
        (void)nk_engine_type_name(t->fields[i].type, b);
        (void)nk_buf_puts(b, ") AS \"");
        for (size_t j = 0; j < t->fields[i].name.n; j++) {
            if (t->fields[i].name.p[j] == '"')
                (void)nk_buf_putc(b, '"');
            (void)nk_buf_putc(b, t->fields[i].name.p[j]);
        }
        (void)nk_buf_putc(b, '"');
    }
    (void)nk_buf_puts(b, " FROM (\n");
    (void)nk_buf_str(b, sql);
    return nk_buf_puts(b, "\n)");
}

static nk_str without_semicolon(nk_str sql)
{
    sql = nk_str_trim(sql);
    while (sql.n && sql.p[sql.n - 1] == ';')
        sql = nk_str_trim(nk_str_n(sql.p, sql.n - 1));
    return sql;
}

nk_code nk_engine_query(nk_engine *e, nk_str sql, nk_result **out, nk_err *err)
{
    nk_buf b = {0};
    bool exact = true;
    nk_code rc = NK_OK;
    nk_result *r = nk_calloc(1, sizeof(*r));
    if (!r)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    sql = without_semicolon(sql);
    r->engine = e;
    r->arena = nk_arena_create(64 << 20);
    r->views = nk_arena_create(64 << 20);
    nk_buf_init(&b, sql.n + (4 << 20));
    if (!r->arena || !r->views) {
        rc = nk_fail(err, NK_E_NOMEM, "out of memory");
        goto done;
    }
    NK_TRY_GOTO(rc, nk_duck_prepare(e, sql, err), done);
    NK_TRY_GOTO(rc, prepared_type(e, sql, r->arena, &r->type, &exact, err), done);
    if (exact)
        (void)nk_buf_str(&b, sql);
    else
        (void)cast_columns(sql, r->type, &b);
    NK_TRY_GOTO(rc, nk_buf_check(&b, err), done);
    r->open = true;
    if (duckdb_query(e->con, b.p, &r->res) != DuckDBSuccess)
        rc = nk_duck_error(e, duckdb_result_error_type(&r->res), duckdb_result_error(&r->res), err);
done:
    nk_buf_free(&b);
    if (rc != NK_OK) {
        nk_result_close(r);
        r = NULL;
    }
    *out = r;
    return rc;
}

const nk_type *nk_result_type(const nk_result *r)
{
    return r->type;
}

nk_code nk_result_next(nk_result *r, const nk_vec **columns, size_t *rows, nk_err *err)
{
    *rows = 0;
    *columns = NULL;
    if (r->chunk)
        duckdb_destroy_data_chunk(&r->chunk);
    do {
        r->chunk = duckdb_fetch_chunk(r->res);
        if (!r->chunk)
            return NK_OK;
        *rows = duckdb_data_chunk_get_size(r->chunk);
        if (*rows == 0)
            duckdb_destroy_data_chunk(&r->chunk);
    } while (*rows == 0);
    nk_arena_reset(r->views);
    nk_vec *v = NK_NEWN(r->views, nk_vec, r->type->nfields + 1);
    if (!v)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    for (size_t i = 0; i < r->type->nfields; i++)
        NK_TRY(nk_duck_view(duckdb_data_chunk_get_vector(r->chunk, i), r->type->fields[i].type,
                            r->views, &v[i]));
    *columns = v;
    return NK_OK;
}

void nk_result_close(nk_result *r)
{
    if (!r)
        return;
    if (r->chunk)
        duckdb_destroy_data_chunk(&r->chunk);
    if (r->open)
        duckdb_destroy_result(&r->res);
    nk_arena_destroy(r->arena);
    nk_arena_destroy(r->views);
    nk_free(r);
}

nk_code nk_engine_i64(nk_engine *e, nk_str sql, int64_t *out, nk_err *err)
{
    nk_result *r = NULL;
    const nk_vec *v;
    size_t n;
    NK_TRY(nk_engine_query(e, sql, &r, err));
    nk_code rc = nk_result_next(r, &v, &n, err);
    if (rc == NK_OK &&
        (n < 1 || r->type->nfields < 1 || r->type->fields[0].type->kind != NK_T_LONG))
        rc = nk_fail(err, NK_E_INTERNAL, "a query for one number gave none");
    if (rc == NK_OK)
        *out = nk_vec_valid(v, 0) ? ((const int64_t *)v->data)[0] : 0;
    nk_result_close(r);
    return rc;
}

/* Every column as text. */
nk_code nk_engine_texts(nk_engine *e, nk_str sql, size_t rows_max, nk_arena *a, nk_str **values,
                        size_t *rows, size_t *columns, nk_err *err)
{
    nk_result *r = NULL;
    nk_buf b;
    const nk_type *t;
    nk_code rc;
    bool exact;
    sql = without_semicolon(sql);
    NK_TRY(nk_duck_prepare(e, sql, err));
    NK_TRY(prepared_type(e, sql, a, &t, &exact, err));
    nk_field *f = NK_NEWN(a, nk_field, t->nfields + 1);
    if (!f)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    for (size_t i = 0; i < t->nfields; i++)
        f[i] = (nk_field){.name = t->fields[i].name, .type = nk_type_scalar(NK_T_STRING)};
    t = nk_type_struct(a, f, t->nfields);
    if (!t)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    nk_buf_init(&b, sql.n + (1 << 20));
    (void)cast_columns(sql, t, &b);
    size_t cap = 64, n = 0, w = t->nfields;
    nk_str *out = NK_NEWN(a, nk_str, cap * (w + 1));
    NK_TRY_GOTO(rc, nk_buf_check(&b, err), done);
    NK_TRY_GOTO(rc, nk_engine_query(e, nk_buf_view(&b), &r, err), done);
    for (;;) {
        const nk_vec *v;
        size_t k;
        NK_TRY_GOTO(rc, nk_result_next(r, &v, &k, err), done);
        if (!k)
            break;
        if (n + k > rows_max) {
            rc = nk_fail(err, NK_E_LIMIT, "more than %zu rows", rows_max);
            goto done;
        }
        while (out && n + k > cap) {
            nk_str *more = NK_NEWN(a, nk_str, cap * 2 * (w + 1));
            if (more)
                memcpy(more, out, n * w * sizeof(nk_str));
            out = more;
            cap *= 2;
        }
        if (!out) {
            rc = nk_fail(err, NK_E_NOMEM, "out of memory");
            goto done;
        }
        for (size_t i = 0; i < k; i++, n++)
            for (size_t j = 0; j < w; j++) {
                bool valid = nk_vec_valid(&v[j], i);
                out[n * w + j] = valid ? nk_str_dup(a, nk_vec_str(&v[j], i)) : NK_STR_NULL;
                if (valid && !out[n * w + j].p) {
                    rc = nk_fail(err, NK_E_NOMEM, "out of memory");
                    goto done;
                }
            }
    }
    *values = out;
    *rows = n;
    *columns = w;
done:
    nk_result_close(r);
    nk_buf_free(&b);
    return rc;
}
