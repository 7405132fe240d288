#include <stdlib.h>
#include <unistd.h>

#include "net/client.h"

#define REPLY_MAX ((size_t)256 << 20)

struct nk_aws_client {
    nk_http_client *http;
    char *url, *host;
    char *region, *access_key, *secret_key, *token, *mode;
    unsigned retries;
    bool json_1_0;
};

void nk_aws_client_destroy(nk_aws_client *c)
{
    if (!c)
        return;
    nk_http_client_destroy(c->http);
    nk_free(c->url);
    nk_free(c->host);
    nk_free(c->region);
    nk_free(c->access_key);
    nk_free(c->secret_key);
    nk_free(c->token);
    nk_free(c->mode);
    nk_free(c);
}

static const char *host_of(const char *endpoint)
{
    if (strncmp(endpoint, "http://", 7) == 0)
        return endpoint + 7;
    if (strncmp(endpoint, "https://", 8) == 0)
        return endpoint + 8;
    return NULL;
}

nk_code nk_aws_client_create(const nk_aws_config *config, nk_aws_client **out, nk_err *err)
{
    const char *host = config->endpoint ? host_of(config->endpoint) : NULL;
    if (!host || !*host)
        return nk_fail(err, NK_E_INVALID, "'%s' is no endpoint; it begins with http:// or https://",
                       config->endpoint ? config->endpoint : "");
    nk_http_client_config hc = {.timeout_s = config->timeout_s ? config->timeout_s : 60};
    nk_aws_client *c = nk_calloc(1, sizeof *c);
    if (!c)
        return nk_fail(err, NK_E_NOMEM, "no memory for a client");
    c->url = nk_strdup(config->endpoint);
    c->host = nk_strdup(host);
    c->region = nk_strdup(config->region && *config->region ? config->region : "us-east-1");
    c->access_key = nk_strdup(config->access_key ? config->access_key : "");
    c->secret_key = nk_strdup(config->secret_key ? config->secret_key : "");
    c->token = config->session_token ? nk_strdup(config->session_token) : NULL;
    c->retries = config->retries ? config->retries : 3;
    c->mode = config->mode ? nk_strdup(config->mode) : NULL;
    c->json_1_0 = config->json_version && strcmp(config->json_version, "1.0") == 0;
    nk_code rc = NK_OK;
    if (!c->url || !c->host || !c->region || !c->access_key || !c->secret_key)
        rc = nk_fail(err, NK_E_NOMEM, "no memory for a client");
    if (rc == NK_OK) {
        c->host[strcspn(c->host, "/")] = 0;
        size_t n = strlen(c->url);
        while (n && c->url[n - 1] == '/')
            c->url[--n] = 0;
        rc = nk_http_client_create(&hc, &c->http, err);
    }
    if (rc != NK_OK) {
        nk_aws_client_destroy(c);
        return rc;
    }
    *out = c;
    return NK_OK;
}

static nk_code code_of(nk_str name)
{
    /* Several codes share an exception; the first row, in the order of errors.def, stands for it.
     */
    for (int i = 1; i < NK_CODE_COUNT; i++)
        if (nk_str_is(name, nk_code_aws((nk_code)i)))
            return (nk_code)i;
    return NK_E_INVALID;
}

static nk_code refusal(const char *op, long status, nk_str body, nk_arena *a, nk_err *err)
{
    nk_json *j = NULL;
    nk_str name = NK_STR_NULL, message = NK_STR_NULL;
    if (nk_json_parse(body, a, 0, &j, NULL) == NK_OK) {
        name = nk_json_str(j, "__type");
        message = nk_json_str(j, "Message");
        if (!message.p)
            message = nk_json_str(j, "message");
    }
    if (!name.p)
        return nk_fail(err, status >= 500 ? NK_E_UNAVAILABLE : NK_E_INVALID, "%s: HTTP status %ld",
                       op, status);
    ptrdiff_t hash = nk_str_rchr(name, '#');
    if (hash >= 0)
        name = nk_str_sub(name, (size_t)hash + 1, name.n);
    nk_code rc = nk_fail(err, code_of(name), "%.*s", NK_STR_ARG(message));
    if (err && name.n < sizeof err->aws) {
        memcpy(err->aws, name.p, name.n);
        err->aws[name.n] = 0;
    }
    return rc;
}

static nk_code one_call(nk_aws_client *c, const char *service, nk_str target, nk_str body,
                        nk_arena *a, nk_http_reply *reply, nk_err *err)
{
    nk_header headers[9] = {
        {NK_STR("Host"), nk_str_c(c->host)},
        {NK_STR("Content-Type"),
         c->json_1_0 ? NK_STR("application/x-amz-json-1.0") : NK_STR("application/x-amz-json-1.1")},
        {NK_STR("X-Amz-Target"), target},
    };
    size_t mine = 3;
    if (c->mode)
        headers[mine++] = (nk_header){NK_STR("X-Nikawa-Mode"), nk_str_c(c->mode)};
    nk_sigv4_request req = {.method = NK_STR("POST"),
                            .path = NK_STR("/"),
                            .headers = headers,
                            .nheaders = mine,
                            .body = body};
    nk_sigv4_credentials cred = {nk_str_c(c->access_key), nk_str_c(c->secret_key),
                                 nk_str_c(c->token), nk_str_c(c->region), nk_str_c(service)};
    nk_header *extra;
    size_t n;
    NK_TRY(nk_sigv4_sign(&req, &cred, NK_SIGV4_PLAIN, NULL, nk_now_us(nk_env_real()), a, &extra, &n,
                         err));
    memcpy(headers + mine, extra, n * sizeof headers[0]);
    char *url = nk_arena_printf(a, "%s/", c->url);
    if (!url)
        return nk_fail(err, NK_E_NOMEM, "no memory for a call");
    nk_http_call call = {
        .method = "POST", .url = url, .headers = headers, .nheaders = mine + n, .body = body};
    return nk_http_perform(c->http, &call, a, reply, err);
}

nk_code nk_aws_call(nk_aws_client *c, const char *service, const char *op, nk_str body,
                    nk_str *reply, nk_arena *a, nk_err *err)
{
    nk_buf buf;
    nk_code rc;
    nk_buf_init(&buf, REPLY_MAX);
    /* "glue" is AWSGlue on the wire; an op with a dot is a full target already. */
    nk_str target = strchr(op, '.') ? nk_str_c(op) : nk_str_printf(a, "AWSGlue.%s", op);
    if (!target.p)
        return nk_fail(err, NK_E_NOMEM, "no memory for a call");
    for (unsigned try = 0;; try++) {
        nk_http_reply r = {.body = &buf};
        nk_buf_clear(&buf);
        rc = one_call(c, service, target, body, a, &r, err);
        if (rc == NK_OK && r.status == 200) {
            *reply = nk_buf_dup(&buf, a);
            if (!reply->p)
                rc = nk_fail(err, NK_E_NOMEM, "no memory for a reply");
            break;
        }
        if (rc == NK_OK)
            rc = refusal(op, r.status, nk_buf_view(&buf), a, err);
        bool again = rc == NK_E_UNAVAILABLE || rc == NK_E_THROTTLED || r.status >= 500;
        if (!again || try >= c->retries)
            break;
        usleep((50u << (try > 5 ? 5 : try)) * 1000u);
    }
    nk_buf_free(&buf);
    return rc;
}
