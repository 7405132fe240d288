/* The door that takes signatures: AWS JSON 1.1 and the query protocol. Routes by the signature's
 * service, then by target or action. */
#include <stdio.h>

#include "api/api_int.h"
#include "store/store.h"

static uint64_t splitmix(uint64_t *s)
{
    uint64_t z = *s += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void nk_api_request_id(char out[37])
{
    /* Names a request in logs; nobody gains by guessing one. */
    static __thread uint64_t state;
    static const char digits[] = "0123456789abcdef";
    const nk_env *env = nk_env_real();
    if (!state && env->random(env->arg, &state, sizeof state) != NK_OK)
        state = (uint64_t)nk_now_us(env) ^ (uintptr_t)&state;
    uint64_t r[2] = {splitmix(&state), splitmix(&state)};
    char *p = out;
    for (int i = 0; i < 32; i++) {
        unsigned v = (unsigned)(r[i / 16] >> (i % 16 * 4)) & 15;
        if (i == 8 || i == 12 || i == 16 || i == 20)
            *p++ = '-';
        *p++ = i == 12 ? '4' : digits[i == 16 ? 8 | (v & 3) : v];
    }
    *p = 0;
}

/* ---- who asks ---- */

static bool region_ok(nk_str r)
{
    if (r.n == 0 || r.n > 64)
        return false;
    for (size_t i = 0; i < r.n; i++) {
        char c = r.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
    }
    return true;
}

nk_code nk_api_authenticate(nk_api *api, const nk_http_req *r, const char *service,
                            nk_sigv4_auth *auth, char scope[64], nk_err *err)
{
    const nk_settings *set = api->app->settings;
    nk_sigv4_request req = {.method = r->method,
                            .path = r->path,
                            .query = r->query,
                            .headers = r->headers,
                            .nheaders = r->nheaders,
                            .body = r->body,
                            .tls = r->tls};
    nk_sigv4_key key;
    NK_TRY(nk_sigv4_parse(&req, r->arena, auth, err));
    if (!region_ok(auth->region))
        return nk_fail(err, NK_E_AUTH_SIGNATURE,
                       "Credential should be scoped to a valid region, not '%.*s'. ",
                       NK_STR_ARG(auth->region));
    if (service && !nk_str_is(auth->service, service))
        return nk_fail(err, NK_E_AUTH_SIGNATURE,
                       "Credential should be scoped to correct service: '%s'. ", service);
    NK_TRY(nk_keys_derive(api->keys, auth, &key, scope, err));
    return nk_sigv4_verify(&req, auth, &key, NK_SIGV4_PLAIN, nk_now_us(api->app->env),
                           set->max_clock_skew_s, r->arena, err);
}

static nk_code authenticate(nk_exchange *x, const char *service)
{
    return nk_api_authenticate(x->api, x->req, service, &x->auth, x->scope, &x->err);
}

/* ---- what is asked ---- */

static nk_code unknown(nk_exchange *x)
{
    return nk_fail(&x->err, NK_E_UNKNOWN_OPERATION, "The requested operation is not known.");
}

/* Looks the operation up; whether it is one of ours is seen later, after its signature. */
static nk_code find_op(nk_exchange *x, nk_str service, nk_str name)
{
    x->op = nk_model_find_op(service, name);
    if (!x->op)
        return unknown(x);
    x->entry = nk_api_entry(x->api, x->op);
    return NK_OK;
}

static nk_code not_ours(nk_exchange *x)
{
    return nk_fail(&x->err, NK_E_UNSUPPORTED, "%s %.*s is not supported by this Nikawa (%s).",
                   x->op->service, NK_STR_ARG(x->op->name), NK_VERSION);
}

static nk_code decode(nk_exchange *x, nk_str form)
{
    const nk_shape *in = x->op->input, *out = x->op->output;
    if (!x->entry)
        return not_ours(x);
    if (in) {
        if (x->wire == NK_WIRE_QUERY) {
            x->in = nk_arena_alloc(x->req->arena, in->size);
            if (!x->in)
                return nk_fail(&x->err, NK_E_NOMEM, "no memory for a request");
            NK_TRY(nk_query_decode(in, form, x->req->arena, x->in, &x->err));
        } else {
            nk_str body = x->req->body.n ? x->req->body : NK_STR("{}");
            NK_TRY(nk_model_decode(in, body, x->req->arena, &x->in, &x->err));
        }
        NK_TRY(nk_model_validate(in, x->in, &x->err));
    }
    x->out = nk_arena_alloc(x->req->arena, out ? out->size : 1);
    return x->out ? NK_OK : nk_fail(&x->err, NK_E_NOMEM, "no memory for an answer");
}

/* ---- running it ---- */

static nk_code run_in_tx(nk_tx *tx, void *arg, nk_err *err)
{
    nk_exchange *x = arg;
    /* A closure may run again: nothing of an earlier run may show. */
    if (x->own)
        nk_buf_clear(&x->req->out);
    else if (x->op->output)
        memset(x->out, 0, x->op->output->size);
    x->err.aws[0] = x->err.hint[0] = 0;
    x->call.tx = tx;
    x->call.err = err ? err : &x->err;
    return x->own ? x->own->handler(&x->call, x->own_in, &x->req->out)
                  : x->entry->handler(&x->call, x->in, x->out);
}

static void written(void *arg, nk_code code, const nk_err *err)
{
    nk_exchange *x = arg;
    x->code = code;
    if (code != NK_OK && err)
        x->err = *err;
    nk_http_wake(x->req);
}

static void respond(nk_waiting *w)
{
    nk_exchange *x = (nk_exchange *)w;
    if (x->code == NK_OK)
        nk_wire_result(x);
    else
        nk_wire_error(x);
}

static void run_slow(nk_waiting *w)
{
    nk_exchange *x = (nk_exchange *)w;
    bool half = x->entry->slow && x->entry->is_slow(x->in); /* it has a function of its own */
    x->call.tx = NULL;
    x->call.err = &x->err;
    x->call.last = (nk_last){0};
    x->call.quick = false;
    x->code = (half ? x->entry->slow : x->entry->handler)(&x->call, x->in, x->out);
    nk_tasks_finish(x->api, w, &x->call.last);
}

/* True when the request is answered, or on its way. */
static bool run_quick(nk_exchange *x)
{
    x->call.quick = true;
    x->code = x->entry->handler(&x->call, x->in, x->out);
    if (x->code == NK_E_NOT_READY)
        return false;
    if (x->code == NK_OK && x->call.last.write) {
        nk_http_defer(x->req);
        nk_tasks_finish(x->api, &x->waiting, &x->call.last);
    } else {
        respond(&x->waiting);
    }
    return true;
}

static void run(nk_exchange *x)
{
    nk_store *store = x->api->app->store;
    nk_err err = NK_ERR_INIT;
    nk_code rc;
    nk_op_mode mode = x->own ? x->own->mode : x->entry->mode;
    if (x->entry && x->entry->is_slow && x->entry->is_slow(x->in))
        mode = NK_OP_SLOW;
    switch (mode) {
    case NK_OP_READ:
        x->code = store ? nk_store_read(store, run_in_tx, x, &x->err) : run_in_tx(NULL, x, &x->err);
        break;
    case NK_OP_WRITE:
        nk_http_defer(x->req);
        /* Once handed over, x belongs to the other thread, which may be done with it already. */
        rc = nk_store_submit(store, run_in_tx, x, written, x, &err);
        if (rc != NK_OK)
            written(x, rc, &err);
        return;
    case NK_OP_QUICK:
        if (run_quick(x))
            return;
        /* fall through */
    case NK_OP_SLOW:
        nk_http_defer(x->req);
        nk_tasks_add(x->api->tasks, &x->waiting);
        return;
    }
    respond(&x->waiting);
}

/* ---- the protocols ---- */

static nk_code route_json(nk_exchange *x, nk_str target)
{
    nk_str form = NK_STR_NULL;
    ptrdiff_t dot = nk_str_rchr(target, '.');
    const nk_service *service = NULL;
    size_t n;
    const nk_service *const *all = nk_model_services(&n);
    for (size_t i = 0; i < n && dot > 0; i++)
        if (all[i]->target_prefix &&
            nk_str_is(nk_str_sub(target, 0, (size_t)dot), all[i]->target_prefix))
            service = all[i];
    bool own = dot > 0 && nk_str_is(nk_str_sub(target, 0, (size_t)dot), "Nikawa");
    NK_TRY(authenticate(x, service ? service->name : own ? "glue" : NULL));
    if (own && (x->own = nk_api_own(nk_str_sub(target, (size_t)dot + 1, target.n))))
        return nk_json_parse(x->req->body.n ? x->req->body : NK_STR("{}"), x->req->arena, 0,
                             &x->own_in, &x->err);
    if (!service)
        return unknown(x);
    NK_TRY(find_op(x, nk_str_c(service->name), nk_str_sub(target, (size_t)dot + 1, target.n)));
    return decode(x, form);
}

static nk_code route_query(nk_exchange *x, nk_str form, nk_str action)
{
    NK_TRY(authenticate(x, "sts"));
    if (find_op(x, NK_STR("sts"), action) != NK_OK)
        return nk_fail(&x->err, NK_E_UNKNOWN_OPERATION,
                       "Could not find operation %.*s for version 2011-06-15", NK_STR_ARG(action));
    return decode(x, form);
}

static nk_code route(nk_exchange *x)
{
    nk_http_req *req = x->req;
    nk_str target = nk_http_header(req, "x-amz-target");
    if (req->too_large)
        return nk_fail(&x->err, NK_E_TOO_LARGE, "The request is larger than %zu bytes.",
                       x->api->app->settings->body_max_bytes);
    if (target.p)
        return route_json(x, target);
    nk_str type = nk_http_header(req, "content-type");
    bool is_form = nk_str_starts(type, NK_STR("application/x-www-form-urlencoded"));
    nk_str form = is_form && req->body.n ? req->body : req->query;
    nk_str action = form.n ? nk_query_param(form, "Action", req->arena) : NK_STR_NULL;
    if (!action.p && is_form && req->query.n) {
        form = req->query;
        action = nk_query_param(form, "Action", req->arena);
    }
    if (action.p) {
        x->wire = NK_WIRE_QUERY;
        return route_query(x, form, action);
    }
    NK_TRY(authenticate(x, NULL));
    if (!nk_model_service(x->auth.service))
        return nk_fail(&x->err, NK_E_UNSUPPORTED,
                       "The service '%.*s' is not supported by this Nikawa (%s).",
                       NK_STR_ARG(x->auth.service), NK_VERSION);
    return unknown(x);
}

void nk_api_aws(nk_api *api, nk_http_req *req)
{
    nk_exchange *x = NK_NEW(req->arena, nk_exchange);
    if (!x) {
        nk_http_answer a = {
            .status = 503, .content_type = "text/plain", .body = NK_STR("out of memory\n")};
        nk_http_answer_now(req, &a);
        return;
    }
    req->user = x;
    x->waiting = (nk_waiting){
        .req = req, .respond = respond, .task = run_slow, .code = &x->code, .err = &x->err};
    x->api = api;
    x->req = req;
    nk_api_request_id(x->call.request_id);
    x->code = route(x);
    if (x->code != NK_OK) {
        nk_wire_error(x);
        return;
    }
    x->call.app = api->app;
    x->call.arena = req->arena;
    x->call.err = &x->err;
    x->call.region = x->auth.region;
    x->call.account_id = nk_str_c(api->app->settings->account_id);
    x->call.access_key = x->auth.access_key;
    x->call.operation = x->own ? nk_str_c(x->own->name) : x->op->name;
    x->call.mode = nk_http_header(x->req, "x-nikawa-mode");
    run(x);
}
