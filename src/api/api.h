/* api: the doors. Routes a request, checks its signature, decodes and validates it by the model,
 * runs its handler in the handler's mode, encodes the answer or AWS's refusal. */
#ifndef NK_API_H
#define NK_API_H

#include "net/keys.h"
#include "model/call.h"
#include "net/http.h"

typedef struct nk_api nk_api;

typedef struct nk_api_config {
    nk_app *app;   /* borrowed */
    nk_keys *keys; /* borrowed */
    const char *host;
    int port;              /* 0 = a free one */
    unsigned threads;      /* HTTP threads; 0 = by the machine */
    unsigned task_threads; /* for SLOW operations; 0 = 64: they wait, mostly */
    /* 0 = defaults of net/http.h */
    unsigned connections_max, idle_timeout_s, header_timeout_s, request_timeout_s;
    const char *tls_cert, *tls_key; /* PEM text */
    nk_code (*on_port)(void *arg, int port,
                       nk_err *err); /* may be NULL; called before the first request is taken */
    void *on_port_arg;
} nk_api_config;

nk_code nk_api_start(const nk_api_config *config, nk_api **out, nk_err *err) NK_MUST;
int nk_api_port(const nk_api *api);
/* Lets requests under way end (grace_ms), then stops all threads. */
void nk_api_stop(nk_api *api, unsigned grace_ms);

#endif
