#include <stdio.h>

#include "api/api_int.h"

/* Threads that mostly wait, for the store's commits and for the lake: as many requests share a
 * commit as there are threads. */
enum { TASK_THREADS = 64 };

static void health(nk_api *api, nk_http_req *req)
{
    nk_http_answer a = {.status = 200, .content_type = "application/json"};
    nk_buf_puts(&req->out, "{\"status\":\"ok\",\"version\":\"" NK_VERSION "\"}\n");
    a.body = nk_buf_view(&req->out);
    nk_http_answer_now(req, &a);
}

/* The doors, first match wins. method NULL = any; a prefix matches whole path segments. */
static const struct route {
    const char *method, *prefix;
    void (*run)(nk_api *, nk_http_req *);
} routes[] = {
    {"GET", "/health", health},
    {NULL, "/iceberg", nk_api_iceberg},
    {NULL, "/confluent", nk_api_confluent},
    {NULL, "", nk_api_aws},
};

static bool matches(const struct route *r, const nk_http_req *req)
{
    size_t n = strlen(r->prefix);
    if (r->method && !nk_str_is(req->method, r->method))
        return false;
    return nk_str_starts(req->path, nk_str_n(r->prefix, n)) &&
           (n == 0 || req->path.n == n || req->path.p[n] == '/');
}

static void on_request(void *arg, nk_http_req *req)
{
    if (req->woken) {
        nk_waiting *w = req->user;
        w->respond(w);
        return;
    }
    for (size_t i = 0; i < NK_COUNTOF(routes); i++) {
        if (matches(&routes[i], req)) {
            routes[i].run(arg, req);
            return;
        }
    }
}

static void drop_task(nk_waiting *w)
{
    nk_http_wake(w->req);
}

nk_code nk_api_start(const nk_api_config *config, nk_api **out, nk_err *err)
{
    nk_api *api = nk_calloc(1, sizeof *api);
    if (!api)
        return nk_fail(err, NK_E_NOMEM, "no memory for the API");
    api->config = *config;
    api->app = config->app;
    api->keys = config->keys;
    nk_http_config http = {
        .host = config->host,
        .port = config->port,
        .threads = config->threads,
        .connections_max = config->connections_max,
        .idle_timeout_s = config->idle_timeout_s,
        .header_timeout_s = config->header_timeout_s,
        .request_timeout_s = config->request_timeout_s,
        .body_max = config->app->settings->body_max_bytes,
        .tls_cert = config->tls_cert,
        .tls_key = config->tls_key,
        .handler = on_request,
        .arg = api,
        .on_port = config->on_port,
        .on_port_arg = config->on_port_arg,
    };
    nk_code rc = nk_api_index_ops(api, err);
    if (rc == NK_OK)
        rc = nk_tasks_create(config->task_threads ? config->task_threads : TASK_THREADS, 1024,
                             &api->tasks, err);
    if (rc == NK_OK)
        rc = nk_http_server_start(&http, &api->http, err);
    if (rc != NK_OK) {
        nk_api_stop(api, 0);
        return rc;
    }
    *out = api;
    return NK_OK;
}

int nk_api_port(const nk_api *api)
{
    return nk_http_server_port(api->http);
}

void nk_api_stop(nk_api *api, unsigned grace_ms)
{
    if (!api)
        return;
    nk_http_server_stop(api->http, grace_ms);
    nk_tasks_destroy(api->tasks, drop_task);
    nk_api_free_ops(api);
    nk_free(api);
}
