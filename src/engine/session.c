/* One run: plan, engine, lake and catalogue together. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/session_int.h"

static nk_code oom(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

nk_str nk_session_setting(const nk_session *s, const char *name)
{
    nk_str v = nk_json_str(s->settings, name);
    return v.n ? v : NK_STR_NULL;
}

static const char *setting_c(const nk_session *s, const char *name, const char *also)
{
    nk_str v = nk_session_setting(s, name);
    if (!v.p && also)
        v = nk_session_setting(s, also);
    return v.p ? nk_str_dup(s->arena, v).p : NULL;
}

static nk_code host_probe(void *arg, nk_str sql, nk_arena *a, nk_str **values, size_t *rows,
                          size_t *columns, nk_err *err)
{
    nk_engine *e;
    NK_TRY(nk_session_engine(arg, &e, err));
    return nk_engine_texts(e, sql, 100000, a, values, rows, columns, err);
}

nk_code nk_session_open(nk_str settings, nk_session **out, nk_err *err)
{
    nk_session *s = nk_calloc(1, sizeof(*s));
    nk_json *j = NULL;
    nk_code rc = NK_OK;
    *out = NULL;
    if (!s)
        return oom(err);
    s->arena = nk_arena_create(0);
    if (!s->arena) {
        nk_free(s);
        return oom(err);
    }
    nk_str text = nk_str_dup(s->arena, settings.n ? settings : NK_STR("{}"));
    rc = text.p ? nk_json_parse(text, s->arena, 0, &j, err) : oom(err);
    if (rc == NK_OK && j->kind != NK_JSON_OBJECT)
        rc = nk_fail(err, NK_E_INVALID, "settings must be a JSON object");
    s->settings = j;
    nk_plan_host host = {
        .arg = s, .scan = nk_session_scan, .probe = host_probe, .table = nk_session_table};
    if (rc == NK_OK)
        rc = nk_plan_create(&host, &s->plan, err);
    if (rc != NK_OK) {
        nk_session_close(s);
        return rc;
    }
    *out = s;
    return NK_OK;
}

void nk_session_close(nk_session *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->streams.n; i++)
        if (!s->streams.v[i]->taken && s->streams.v[i]->stream.release)
            s->streams.v[i]->stream.release(&s->streams.v[i]->stream);
    nk_engine_close(s->engine);
    nk_plan_destroy(s->plan);
    nk_s3_destroy(s->s3);
    nk_aws_client_destroy(s->aws);
    nk_free(s->sources);
    nk_free((void *)s->registered);
    if (s->unpacked_dir)
        (void)!nk_file_remove_tree(s->unpacked_dir, NULL);
    nk_arena_destroy(s->arena);
    nk_free(s);
}

nk_plan *nk_session_plan(nk_session *s)
{
    return s->plan;
}

nk_code nk_session_engine(nk_session *s, nk_engine **out, nk_err *err)
{
    if (!s->engine) {
        nk_engine_options o = {
            .memory_limit_bytes =
                (uint64_t)nk_json_i64(s->settings, "memory_limit_bytes", 0) / 4 * 3,
            .threads = (int)nk_json_i64(s->settings, "threads", 0),
            .temp_dir = setting_c(s, "temp_dir", NULL),
            .extension_dir = setting_c(s, "extension_dir", NULL),
            .s3_endpoint = setting_c(s, "s3_endpoint", NULL),
            .s3_region = setting_c(s, "region", NULL),
            .s3_access_key = setting_c(s, "s3_access_key", "access_key"),
            .s3_secret_key = setting_c(s, "s3_secret_key", "secret_key"),
        };
        NK_TRY(nk_engine_open(&o, &s->engine, err));
    }
    *out = s->engine;
    return NK_OK;
}

void nk_session_interrupt(nk_session *s)
{
    if (s->engine)
        nk_engine_interrupt(s->engine);
}

nk_code nk_session_s3(nk_session *s, nk_s3 **out, nk_err *err)
{
    if (!s->s3) {
        const char *endpoint = setting_c(s, "s3_endpoint", NULL);
        if (!endpoint) {
            nk_fail(err, NK_E_UNAVAILABLE, "an s3:// path is used, but no S3 endpoint is set");
            return nk_hint(err, "run it under `nikawa serve`, or give s3_endpoint");
        }
        NK_TRY(nk_s3_client_create(endpoint, setting_c(s, "region", NULL),
                                   setting_c(s, "s3_access_key", "access_key"),
                                   setting_c(s, "s3_secret_key", "secret_key"), &s->s3, err));
    }
    *out = s->s3;
    return NK_OK;
}

nk_code nk_session_glue(nk_session *s, const char *op, nk_str body, const nk_json **reply,
                        nk_arena *a, nk_err *err)
{
    nk_str text;
    nk_json *j;
    if (!s->aws) {
        nk_aws_config c = {.endpoint = setting_c(s, "endpoint", NULL),
                           .region = setting_c(s, "region", NULL),
                           .access_key = setting_c(s, "access_key", NULL),
                           .secret_key = setting_c(s, "secret_key", NULL)};
        if (!c.endpoint) {
            nk_fail(err, NK_E_UNAVAILABLE, "the catalogue is asked for, but no server is known");
            return nk_hint(err,
                           "start `nikawa serve`, and give endpoint, access_key and secret_key");
        }
        NK_TRY(nk_aws_client_create(&c, &s->aws, err));
    }
    NK_TRY(nk_aws_call(s->aws, "glue", op, body, &text, a, err));
    NK_TRY(nk_json_parse(text, a, 0, &j, err));
    *reply = j;
    return NK_OK;
}

nk_code nk_session_table(void *arg, nk_str database, nk_str table, nk_arena *a, const nk_json **out,
                         nk_err *err)
{
    nk_buf b;
    const nk_json *reply;
    nk_buf_init(&b, 1 << 20);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    nk_jw_kstr(&w, "DatabaseName", database);
    nk_jw_kstr(&w, "Name", table);
    nk_jw_object_end(&w);
    nk_code rc = nk_session_glue(arg, "GetTable", nk_buf_view(&b), &reply, a, err);
    nk_buf_free(&b);
    if (rc == NK_OK && !(*out = nk_json_get(reply, "Table")))
        rc = nk_fail(err, NK_E_INTERNAL, "GetTable gave no table");
    if (rc != NK_OK)
        (void)nk_wrap(err, "table %.*s.%.*s", NK_STR_ARG(database), NK_STR_ARG(table));
    return rc;
}

nk_code nk_session_partitions(nk_session *s, nk_str database, nk_str table, nk_str expression,
                              nk_str token, int64_t max, nk_arena *a, const nk_json **reply,
                              nk_err *err)
{
    nk_buf body;
    nk_buf_init(&body, 1 << 20);
    nk_json_writer w = {.buf = &body};
    nk_jw_object(&w);
    nk_jw_kstr(&w, "DatabaseName", database);
    nk_jw_kstr(&w, "TableName", table);
    nk_jw_kbool(&w, "ExcludeColumnSchema", true);
    if (expression.n)
        nk_jw_kstr(&w, "Expression", expression);
    if (token.n)
        nk_jw_kstr(&w, "NextToken", token);
    if (max)
        nk_jw_ki64(&w, "MaxResults", max);
    nk_jw_object_end(&w);
    nk_code rc = nk_session_glue(s, "GetPartitions", nk_buf_view(&body), reply, a, err);
    nk_buf_free(&body);
    if (rc != NK_OK && expression.n)
        (void)nk_wrap(err, "predicate \"%.*s\"", NK_STR_ARG(expression));
    return rc;
}

nk_code nk_session_callable(nk_session *s, nk_rows_bool_fn bools, nk_rows_text_fn texts, void *arg,
                            int64_t *number, nk_err *err)
{
    nk_callable *c = nk_callables_add(&s->callables, s->arena);
    if (!c)
        return oom(err);
    *c = (nk_callable){bools, texts, arg};
    *number = (int64_t)s->callables.n - 1;
    return NK_OK;
}

nk_code nk_session_arrow_in(nk_session *s, struct ArrowArrayStream *stream, int64_t *number,
                            nk_err *err)
{
    nk_stream **p = nk_streams_add(&s->streams, s->arena);
    if (!p || !(*p = NK_NEW(s->arena, nk_stream)))
        return oom(err);
    (*p)->stream = *stream;
    stream->release = NULL;
    *number = (int64_t)s->streams.n - 1;
    return NK_OK;
}

/* ---- attempts ---- */

/* Python filters see every value's type, so that a function is not called on rows that turn out to
 * be others. */
static nk_code register_filters(nk_session *s, const nk_node *n, nk_err *err)
{
    nk_engine *e;
    const nk_type *in;
    for (size_t i = 0; i < n->ninputs; i++)
        NK_TRY(register_filters(s, n->inputs[i], err));
    if (!nk_str_is(nk_str_c(n->kind->name), "PyFilter"))
        return NK_OK;
    if (n->id < s->nregistered && s->registered[n->id])
        return NK_OK;
    int64_t number = nk_json_i64(n->options, "callable", -1);
    if (number < 0 || (size_t)number >= s->callables.n)
        return nk_fail(err, NK_E_INVALID, "there is no function %lld", (long long)number);
    if (n->id >= s->nregistered) {
        size_t cap = (n->id + 1) * 2;
        bool *v = nk_realloc(s->registered, cap);
        if (!v)
            return oom(err);
        memset(v + s->nregistered, 0, cap - s->nregistered);
        s->registered = v;
        s->nregistered = cap;
    }
    NK_TRY(nk_session_engine(s, &e, err));
    NK_TRY(nk_node_schema(n->inputs[0], true, &in, err));
    nk_plan_forget(s->plan);
    const nk_callable *c = &s->callables.v[number];
    nk_str name = nk_str_printf(s->arena, "py_n%zu", n->id);
    NK_TRY(nk_engine_rows_bool(e, name, in, c->bools, c->arg, err));
    s->registered[n->id] = true;
    return NK_OK;
}

nk_code nk_session_attempt(nk_session *s, const nk_node *n, nk_attempt_fn fn, void *arg,
                           nk_err *err)
{
    nk_err own = NK_ERR_INIT;
    nk_code rc = NK_OK;
    for (int turn = 0; turn < 4; turn++) {
        nk_buf b;
        own = (nk_err)NK_ERR_INIT;
        nk_buf_init(&b, 256u << 20);
        rc = register_filters(s, n, &own);
        if (rc == NK_OK)
            rc = nk_plan_sql(n, nk_dialect_duckdb(), &b, &own);
        if (rc == NK_OK)
            rc = fn(arg, s, nk_buf_view(&b), &own);
        nk_buf_free(&b);
        bool learnt = false,
             ragged = rc == NK_E_INVALID && strstr(own.msg, "Expected Number of Columns");
        if (rc != NK_E_CONDITION && !ragged)
            break;
        nk_err inner = NK_ERR_INIT;
        nk_code look = nk_session_learn(s, n, ragged, &learnt, &inner);
        if (look != NK_OK) {
            rc = look;
            own = inner;
            break;
        }
        if (!learnt)
            break;
        nk_plan_forget(s->plan);
    }
    nk_session_true_names(s, &own);
    if (rc != NK_OK && err)
        *err = own;
    return rc;
}

/* ---- what front ends ask ---- */

nk_code nk_session_schema(nk_session *s, const nk_node *n, const nk_type **out, nk_err *err)
{
    NK_TRY(register_filters(s, n, err));
    return nk_node_schema(n, true, out, err);
}

static nk_code run_count(void *arg, nk_session *s, nk_str sql, nk_err *err)
{
    nk_engine *e;
    nk_buf b;
    NK_TRY(nk_session_engine(s, &e, err));
    nk_buf_init(&b, sql.n + 64);
    (void)nk_buf_puts(&b, "SELECT count(*) FROM (\n");
    (void)nk_buf_str(&b, sql);
    (void)nk_buf_puts(&b, "\n)");
    nk_code rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = nk_engine_i64(e, nk_buf_view(&b), arg, err);
    nk_buf_free(&b);
    return rc;
}

nk_code nk_session_count(nk_session *s, const nk_node *n, int64_t *out, nk_err *err)
{
    return nk_session_attempt(s, n, run_count, out, err);
}

typedef struct rows_call {
    int64_t limit;
    nk_result *result;
} rows_call;

static nk_code run_rows(void *arg, nk_session *s, nk_str sql, nk_err *err)
{
    rows_call *r = arg;
    nk_engine *e;
    nk_buf b;
    NK_TRY(nk_session_engine(s, &e, err));
    nk_buf_init(&b, sql.n + 64);
    (void)nk_buf_str(&b, sql);
    if (r->limit >= 0)
        (void)nk_buf_printf(&b, "\nLIMIT %lld", (long long)r->limit);
    nk_code rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = nk_engine_query(e, nk_buf_view(&b), &r->result, err);
    nk_buf_free(&b);
    return rc;
}

nk_code nk_session_rows(nk_session *s, const nk_node *n, int64_t limit, nk_result **out,
                        const nk_type **type, nk_err *err)
{
    rows_call r = {.limit = limit};
    NK_TRY(nk_session_attempt(s, n, run_rows, &r, err));
    nk_code rc = nk_node_schema(n, false, type, err);
    if (rc != NK_OK) {
        nk_result_close(r.result);
        return rc;
    }
    *out = r.result;
    return NK_OK;
}

static nk_code run_arrow(void *arg, nk_session *s, nk_str sql, nk_err *err)
{
    nk_engine *e;
    NK_TRY(nk_session_engine(s, &e, err));
    return nk_engine_arrow(e, sql, arg, err);
}

nk_code nk_session_arrow(nk_session *s, const nk_node *n, struct ArrowArrayStream *out, nk_err *err)
{
    return nk_session_attempt(s, n, run_arrow, out, err);
}

nk_code nk_session_sql(nk_session *s, const nk_node *n, nk_str dialect, nk_buf *out, nk_err *err)
{
    const nk_dialect *d = nk_dialect_find(dialect);
    if (!d)
        return nk_fail(err, NK_E_UNSUPPORTED, "there is no SQL dialect \"%.*s\"",
                       NK_STR_ARG(dialect));
    NK_TRY(register_filters(s, n, err));
    return nk_plan_sql(n, d, out, err);
}

/* ---- queries over the catalogue ---- */

typedef struct table_ref {
    nk_str database, table;
} table_ref;
NK_LIST(table_refs, table_ref);

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (c & 0x80);
}

/* A name at q[*i]: plain or in double or back quotes; false when there is none. */
static bool read_name(nk_session *s, nk_str q, size_t *i, nk_str *out)
{
    while (*i < q.n && strchr(" \t\r\n", q.p[*i]))
        (*i)++;
    if (*i < q.n && (q.p[*i] == '"' || q.p[*i] == '`')) {
        char quote = q.p[*i];
        size_t from = ++*i;
        while (*i < q.n && q.p[*i] != quote)
            (*i)++;
        *out = nk_str_sub(q, from, *i);
        (*i)++;
        return out->n > 0;
    }
    size_t from = *i;
    while (*i < q.n && name_char(q.p[*i]))
        (*i)++;
    *out = nk_str_sub(q, from, *i);
    return out->n > 0;
}

/* Names that follow FROM, JOIN or a comma in a FROM list. Those that are no tables of the catalogue
 * stay as they are. */
static nk_code find_tables(nk_session *s, nk_str q, nk_str db, table_refs *out, nk_err *err)
{
    bool expect = false, list = false;
    size_t depth = 0, list_depth = 0;
    for (size_t i = 0; i < q.n;) {
        char c = q.p[i];
        if (c == '\'') {
            for (i++; i < q.n && q.p[i] != '\''; i++)
                ;
            i++;
            continue;
        }
        if (c == '-' && i + 1 < q.n && q.p[i + 1] == '-') {
            while (i < q.n && q.p[i] != '\n')
                i++;
            continue;
        }
        if (c == '(' || c == ')') {
            depth += c == '(' ? 1 : depth ? (size_t)-1 : 0;
            expect = false;
            i++;
            continue;
        }
        if (c == ',') {
            expect = list && depth == list_depth;
            i++;
            continue;
        }
        if (!name_char(c) && c != '"' && c != '`') {
            i++;
            continue;
        }
        nk_str w, second = NK_STR_NULL;
        bool quoted = c == '"' || c == '`';
        if (!read_name(s, q, &i, &w)) {
            i++;
            continue;
        }
        if (expect) {
            size_t k = i;
            if (k < q.n && q.p[k] == '.') {
                k++;
                if (read_name(s, q, &k, &second))
                    i = k;
            }
            size_t after = i;
            while (after < q.n && strchr(" \t\r\n", q.p[after]))
                after++;
            if (second.n || (db.n && (after >= q.n || q.p[after] != '('))) {
                table_ref *t = table_refs_add(out, s->arena);
                if (!t)
                    return oom(err);
                *t = second.n ? (table_ref){w, second} : (table_ref){NK_STR_NULL, w};
            }
            expect = false;
            continue;
        }
        if (!quoted && (nk_str_ieq(w, NK_STR("from")) || nk_str_ieq(w, NK_STR("join")))) {
            expect = true;
            list = true;
            list_depth = depth;
        } else if (!quoted && depth == list_depth &&
                   (nk_str_ieq(w, NK_STR("where")) || nk_str_ieq(w, NK_STR("group")) ||
                    nk_str_ieq(w, NK_STR("order")) || nk_str_ieq(w, NK_STR("select")) ||
                    nk_str_ieq(w, NK_STR("limit")) || nk_str_ieq(w, NK_STR("on")))) {
            list = false;
        }
    }
    return NK_OK;
}

static void put_ident(nk_buf *b, nk_str s)
{
    (void)nk_buf_putc(b, '"');
    for (size_t i = 0; i < s.n; i++)
        (void)nk_buf_printf(b, s.p[i] == '"' ? "\"%c" : "%c", s.p[i]);
    (void)nk_buf_putc(b, '"');
}

/* A choice in a query result is most useful as its value: the text of whichever it is. */
static nk_code make_view(nk_session *s, const table_ref *t, nk_str db, nk_err *err)
{
    nk_buf o, b;
    nk_engine *e;
    const nk_node *n;
    nk_str database = t->database.n ? t->database : db;
    nk_buf_init(&o, 1 << 20);
    nk_json_writer w = {.buf = &o};
    nk_jw_object(&w);
    nk_jw_kstr(&w, "Database", database);
    nk_jw_kstr(&w, "Table", t->table);
    nk_jw_object_end(&w);
    nk_code rc =
        nk_plan_node(s->plan, NK_STR("CatalogSource"), t->table, nk_buf_view(&o), NULL, 0, &n, err);
    nk_buf_free(&o);
    NK_TRY(rc);
    NK_TRY(nk_session_engine(s, &e, err));
    nk_buf_init(&b, 256u << 20);
    if (t->database.n) {
        (void)nk_buf_puts(&b, "CREATE SCHEMA IF NOT EXISTS ");
        put_ident(&b, t->database);
        (void)nk_buf_puts(&b, "; ");
    }
    (void)nk_buf_puts(&b, "CREATE OR REPLACE VIEW ");
    if (t->database.n) {
        put_ident(&b, t->database);
        (void)nk_buf_putc(&b, '.');
    }
    put_ident(&b, t->table);
    (void)nk_buf_puts(&b, " AS\n");
    const nk_type *type;
    rc = nk_node_schema(n, true, &type,
                        err); /* a query has no second chance: look at all values first */
    nk_plan_forget(s->plan);
    if (rc == NK_OK)
        rc = nk_plan_sql(n, nk_dialect_duckdb(), &b, err);
    if (rc == NK_OK)
        rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = nk_engine_exec(e, nk_buf_view(&b), err);
    nk_buf_free(&b);
    return rc;
}

/* ---- names that are near ---- */

typedef struct near_names {
    nk_str word;
    size_t n;
    struct {
        nk_str name;
        size_t far;
    } v[6]; /* nearest first */
} near_names;

static void near_add(near_names *l, nk_str name)
{
    size_t far = nk_str_distance(l->word, name), i = l->n;
    if (nk_str_find(name, l->word) >= 0 && far > 2)
        far = 2; /* "order" of "order_lines" */
    if (l->n == NK_COUNTOF(l->v) && far >= l->v[l->n - 1].far)
        return;
    if (l->n < NK_COUNTOF(l->v))
        l->n++;
    else
        i--;
    for (; i > 0 && l->v[i - 1].far > far; i--)
        l->v[i] = l->v[i - 1];
    l->v[i].name = name;
    l->v[i].far = far;
}

/* Names of the catalogue's tables (or databases: database.p NULL) into the list; the first 5,000.
 */
static nk_code near_collect(nk_session *s, nk_str database, near_names *l, nk_err *err)
{
    nk_str token = NK_STR_NULL;
    const char *list = database.p ? "TableList" : "DatabaseList";
    for (int page = 0; page < 50; page++) {
        nk_buf b;
        const nk_json *reply;
        nk_buf_init(&b, 1 << 16);
        nk_json_writer w = {.buf = &b};
        nk_jw_object(&w);
        if (database.p)
            nk_jw_kstr(&w, "DatabaseName", database);
        nk_jw_ki64(&w, "MaxResults", 100);
        if (token.n)
            nk_jw_kstr(&w, "NextToken", token);
        nk_jw_object_end(&w);
        nk_code rc = nk_session_glue(s, database.p ? "GetTables" : "GetDatabases", nk_buf_view(&b),
                                     &reply, s->arena, err);
        nk_buf_free(&b);
        NK_TRY(rc);
        const nk_json *names = nk_json_get(reply, list);
        for (const nk_json *j = names ? names->first : NULL; j; j = j->next)
            near_add(l, nk_json_str(j, "Name"));
        token = nk_json_str(reply, "NextToken");
        if (!token.n)
            break;
    }
    return NK_OK;
}

/* Hints at what could have been meant by a table that is not there. */
static void hint_near(nk_session *s, nk_str database, nk_str table, nk_err *err)
{
    near_names l = {.word = table};
    char text[600];
    bool of_tables = database.n && near_collect(s, database, &l, NULL) == NK_OK;
    if (!of_tables) {
        l = (near_names){.word = database.n ? database : table};
        if (near_collect(s, NK_STR_NULL, &l, NULL) != NK_OK)
            return;
    }
    if (!l.n) {
        (void)nk_hint(err,
                      of_tables ? "the database %.*s has no tables yet%.*s"
                                : "the catalogue has no databases yet%.*s%.*s",
                      NK_STR_ARG(of_tables ? database : NK_STR("")), NK_STR_ARG(NK_STR("")));
        return;
    }
    if (l.v[0].far <= table.n / 3 + 1 && (of_tables || database.n)) {
        (void)nk_hint(err, "did you mean %.*s%s%.*s?",
                      NK_STR_ARG(of_tables ? database : l.v[0].name), of_tables ? "." : "",
                      NK_STR_ARG(of_tables ? l.v[0].name : NK_STR("")));
        return;
    }
    size_t n = 0;
    for (size_t i = 0; i < l.n && n < sizeof text - 140; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s", i ? ", " : "",
                              (int)(l.v[i].name.n > 120 ? 120 : l.v[i].name.n), l.v[i].name.p);
    (void)nk_hint(err, "%s %s", of_tables ? "there are, among others:" : "there are the databases",
                  text);
}

nk_code nk_session_query(nk_session *s, nk_str sql, nk_str default_database, nk_result **out,
                         nk_err *err)
{
    table_refs refs = {0};
    nk_engine *e;
    nk_str missing = NK_STR_NULL;
    NK_TRY(nk_session_engine(s, &e, err));
    NK_TRY(find_tables(s, sql, default_database, &refs, err));
    for (size_t i = 0; i < refs.n; i++) {
        nk_err own = NK_ERR_INIT;
        bool seen = false;
        for (size_t k = 0; k < i; k++)
            seen = seen || (nk_str_ieq(refs.v[k].table, refs.v[i].table) &&
                            nk_str_ieq(refs.v[k].database, refs.v[i].database));
        if (seen)
            continue;
        nk_code rc = make_view(s, &refs.v[i], default_database, &own);
        if (rc == NK_E_NOT_FOUND && !refs.v[i].database.n) {
            if (!missing.p) /* a name the query makes itself, or one that is not there */
                missing = refs.v[i].table;
            continue;
        }
        if (rc == NK_E_NOT_FOUND && own.aws[0])
            hint_near(s, refs.v[i].database, refs.v[i].table, &own);
        if (rc != NK_OK) {
            if (err)
                *err = own;
            return rc;
        }
    }
    nk_code rc = nk_engine_query(e, sql, out, err);
    if (rc == NK_E_INVALID && err && strstr(err->msg, "Table with name")) {
        if (missing.p)
            hint_near(s, default_database, missing, err);
        else if (!default_database.n)
            (void)nk_hint(err, "say database.table, or give a default database");
    }
    return rc;
}
