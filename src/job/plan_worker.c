/* The worker's side of a visual job: its nodes as a plan, its targets one after the other. */
#include <signal.h>
#include <stdio.h>

#include "engine/session.h"
#include "job/plan_worker.h"
#include "pool/pool.h"

#define LISTED_MAX 1000 /* files and partitions named in the result */

typedef struct plan_run {
    nk_worker *w;
    nk_arena *a;
    nk_session *s;
    nk_plan_visual graph;
    nk_buf results; /* members of the result's "targets" */
    size_t targets, done;
    bool *told; /* by node: its source was spoken of */
} plan_run;

/* ---- what is told ---- */

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    printf("nikawa: ");
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    fflush(stdout);
}

static void bytes_text(char out[32], int64_t n)
{
    static const char *const units[] = {"bytes", "KB", "MB", "GB", "TB"};
    size_t u = 0;
    double v = (double)n;
    for (; v >= 1000 && u + 1 < NK_COUNTOF(units); u++)
        v /= 1000;
    snprintf(out, 32, u ? "%.1f %s" : "%.0f %s", v, units[u]);
}

static const char *plural(int64_t n)
{
    return n == 1 ? "" : "s";
}

static void tell_source(plan_run *r, size_t i)
{
    nk_session_source src;
    const nk_node *n = r->graph.nodes[i];
    char size[32];
    if (r->told[i] || !nk_session_source_read(r->s, n, &src))
        return;
    r->told[i] = true;
    bytes_text(size, src.bytes);
    say("%s \"%.*s\" (%.*s): %zu file%s, %s, %zu column%s%s%s", n->kind->name, NK_STR_ARG(n->name),
        NK_STR_ARG(r->graph.ids[i]), src.files, plural((int64_t)src.files), size, src.columns,
        plural((int64_t)src.columns), src.partitioned ? ", partitioned" : "",
        src.lenient ? "; rows of other lengths were filled with nulls or cut" : "");
}

/* Members of sources that steer how Glue's cluster reads, and change no row. */
static void tell_without_effect(plan_run *r, size_t i)
{
    static const char *const members[] = {"GroupFiles", "GroupSize", "MaxBand", "MaxFilesInBand",
                                          "OptimizePerformance"};
    const nk_node *n = r->graph.nodes[i];
    for (size_t k = 0; k < NK_COUNTOF(members); k++) {
        const nk_json *m = nk_json_get(n->options, members[k]);
        if (m && !nk_json_is_null(m) && m->kind != NK_JSON_FALSE)
            say("%s \"%.*s\" (%.*s): %s has no effect here", n->kind->name, NK_STR_ARG(n->name),
                NK_STR_ARG(r->graph.ids[i]), members[k]);
    }
}

static void copy_list(nk_json_writer *w, const char *name, const nk_json *list)
{
    size_t n = 0;
    nk_jw_key(w, nk_str_c(name));
    nk_jw_array(w);
    for (const nk_json *j = list ? list->first : NULL; j && n < LISTED_MAX; j = j->next, n++)
        nk_jw_tree(w, j);
    nk_jw_array_end(w);
}

static size_t count_of(const nk_json *j, const char *name)
{
    const nk_json *list = nk_json_get(j, name);
    return list ? list->count : 0;
}

static nk_code tell_target(plan_run *r, size_t i, const nk_json *j, nk_err *err)
{
    nk_buf b;
    const nk_node *n = r->graph.nodes[i];
    char size[32];
    int64_t rows = nk_json_i64(j, "rows", 0), bytes = nk_json_i64(j, "bytes", 0);
    size_t files = count_of(j, "files"), partitions = count_of(j, "partitions");
    bytes_text(size, bytes);
    say("%s \"%.*s\" (%.*s): %lld row%s, %zu file%s, %s%s%zu%s under %.*s", n->kind->name,
        NK_STR_ARG(n->name), NK_STR_ARG(r->graph.ids[i]), (long long)rows, plural(rows), files,
        plural((int64_t)files), size, ", ", partitions,
        partitions == 1 ? " partition" : " partitions", NK_STR_ARG(nk_json_str(j, "path")));
    nk_json_writer w = {.buf = &r->results, .comma = r->results.n > 0};
    nk_jw_object(&w);
    nk_jw_kstr(&w, "node", r->graph.ids[i]);
    nk_jw_kstr(&w, "name", n->name);
    nk_jw_kcstr(&w, "kind", n->kind->name);
    nk_jw_ki64(&w, "rows", rows);
    nk_jw_ki64(&w, "bytes", bytes);
    nk_jw_kstr(&w, "path", nk_json_str(j, "path"));
    nk_jw_ki64(&w, "file_count", (int64_t)files);
    nk_jw_ki64(&w, "partition_count", (int64_t)partitions);
    copy_list(&w, "files", nk_json_get(j, "files"));
    copy_list(&w, "partitions", nk_json_get(j, "partitions"));
    nk_jw_object_end(&w);
    nk_buf_init(&b, 1 << 16);
    w = (nk_json_writer){.buf = &b};
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "event", "target");
    nk_jw_kstr(&w, "node", r->graph.ids[i]);
    nk_jw_ki64(&w, "done", (int64_t)++r->done);
    nk_jw_ki64(&w, "of", (int64_t)r->targets);
    nk_jw_ki64(&w, "rows", rows);
    nk_jw_ki64(&w, "bytes", bytes);
    nk_jw_ki64(&w, "files", (int64_t)files);
    nk_jw_ki64(&w, "partitions", (int64_t)partitions);
    nk_jw_object_end(&w);
    nk_code rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = nk_worker_send(r->w, nk_buf_view(&b), err);
    nk_buf_free(&b);
    return rc;
}

/* ---- the run ---- */

static bool stopped(const plan_run *r)
{
    return nk_session_stopped() || nk_worker_cancelled(r->w);
}

static nk_code run_target(plan_run *r, size_t i, nk_err *err)
{
    nk_buf json;
    nk_json *j;
    if (stopped(r))
        return nk_fail(err, NK_E_CANCELLED, "stopped");
    nk_buf_init(&json, 256u << 20);
    nk_code rc = nk_session_run(r->s, r->graph.nodes[i], &json, err);
    if (rc == NK_OK)
        rc = nk_json_parse(nk_buf_view(&json), r->a, 0, &j, err);
    else if (stopped(r))
        rc = nk_fail(err, NK_E_CANCELLED, "stopped");
    else
        (void)nk_wrap(err, "node %.*s", NK_STR_ARG(r->graph.ids[i]));
    for (size_t k = 0; k < r->graph.n; k++)
        tell_source(r, k);
    if (rc == NK_OK)
        rc = tell_target(r, i, j, err);
    nk_buf_free(&json);
    return rc;
}

static nk_code run_graph(plan_run *r, const nk_json *nodes, nk_err *err)
{
    NK_TRY(nk_plan_from_visual(nk_session_plan(r->s), nodes, &r->graph, err));
    r->told = NK_NEWN(r->a, bool, r->graph.n + 1);
    if (!r->told)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    for (size_t i = 0; i < r->graph.n; i++)
        r->targets += r->graph.nodes[i]->kind->role == NK_NODE_TARGET;
    if (!r->targets)
        return nk_fail(err, NK_E_INVALID, "the job has no target: nothing would be written");
    NK_TRY(nk_worker_send(r->w, NK_STR("{\"event\":\"started\"}"), err));
    for (size_t i = 0; i < r->graph.n; i++)
        tell_without_effect(r, i);
    nk_code rc = NK_OK;
    for (size_t i = 0; i < r->graph.n && rc == NK_OK; i++)
        if (r->graph.nodes[i]->kind->role == NK_NODE_TARGET)
            rc = run_target(r, i, err);
    return rc;
}

static nk_code send_result(plan_run *r, nk_err *err)
{
    nk_buf b;
    nk_buf_init(&b, NK_POOL_FRAME_MAX);
    (void)nk_buf_puts(&b, "{\"event\":\"result\",\"targets\":[");
    (void)nk_buf_str(&b, nk_buf_view(&r->results));
    (void)nk_buf_puts(&b, "]}");
    nk_code rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = nk_worker_send(r->w, nk_buf_view(&b), err);
    nk_buf_free(&b);
    return rc;
}

nk_code nk_plan_worker(nk_worker *w, const nk_json *request, nk_arena *arena, nk_err *err)
{
    plan_run r = {.w = w, .a = arena};
    nk_buf settings;
    nk_buf_init(&settings, 1 << 20);
    nk_buf_init(&r.results, NK_POOL_FRAME_MAX / 2);
    nk_json_writer jw = {.buf = &settings};
    if (nk_json_get(request, "settings"))
        nk_jw_tree(&jw, nk_json_get(request, "settings"));
    nk_code rc = nk_session_open(nk_buf_view(&settings), &r.s, err);
    nk_buf_free(&settings);
    NK_TRY(rc);
    rc = nk_session_stop_on(r.s, SIGTERM, err);
    if (rc == NK_OK) {
        rc = run_graph(&r, nk_json_get(request, "nodes"), err);
        nk_session_stop_end();
    }
    if (rc == NK_OK)
        rc = send_result(&r, err);
    else
        fprintf(stderr, "nikawa: %s%s%s\n", err->msg, err->hint[0] ? "\nnikawa: " : "", err->hint);
    nk_buf_free(&r.results);
    nk_session_close(r.s);
    return rc;
}
