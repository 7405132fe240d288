/* Inside api: one request on its way through decode, handler and encode. */
#ifndef NK_API_INT_H
#define NK_API_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "api/api.h"
#include "model/model.h"

typedef struct nk_api_op {
    const char *service, *name;
    nk_op_mode mode;
    nk_handler handler;
    bool (*is_slow)(const void *in); /* may be NULL: of these requests slow answers */
    nk_handler slow;
} nk_api_op;

/* An operation of our own: X-Amz-Target "Nikawa.NAME", signed as Glue's are, JSON in and out. READ
 * or WRITE; out is the answer's body. */
typedef struct nk_own_op {
    const char *name;
    nk_op_mode mode;
    nk_code (*handler)(nk_call *call, const nk_json *in, nk_buf *out);
} nk_own_op;
/* NULL when there is none. */
const nk_own_op *nk_api_own(nk_str name);

/* The wire formats, for answers and refusals. */
typedef enum { NK_WIRE_JSON11, NK_WIRE_QUERY } nk_wire;

/* What a request's user data begins with, whatever door it came through: who answers it once it is
 * woken, on an HTTP thread. */
typedef struct nk_waiting {
    nk_http_req *req;
    void (*respond)(struct nk_waiting *w);
    void (*task)(struct nk_waiting *w); /* what a task thread runs; may run again */
    struct nk_tasks *tasks;             /* once its last step is under way */
    unsigned tries;                     /* of that step */
    nk_code *code;                      /* what came of it, in the door's own record */
    nk_err *err;
} nk_waiting;

typedef struct nk_exchange {
    nk_waiting waiting;
    nk_call call;
    nk_err err;
    nk_api *api;
    nk_http_req *req;
    nk_wire wire;
    const nk_op *op;        /* of the model; NULL until known */
    const nk_api_op *entry; /* NULL: not one of ours */
    void *in, *out;
    const nk_own_op *own; /* of our own; then op is NULL */
    nk_json *own_in;
    nk_code code;
    nk_sigv4_auth auth;
    char scope[64];
} nk_exchange;

/* Threads for SLOW operations. */
typedef struct nk_tasks nk_tasks;
nk_code nk_tasks_create(unsigned threads, size_t queue_max, nk_tasks **out, nk_err *err) NK_MUST;
/* Runs w->task on a thread of the pool, for a request that was deferred; when the queue is full the
 * request is woken with NK_E_THROTTLED. w is no longer the caller's. */
void nk_tasks_add(nk_tasks *t, nk_waiting *w);
/* The end of a task: wakes the request, or hands its last step to the writer, which wakes it after
 * the COMMIT, or runs the task again when the step asks for that. w is no longer the caller's. */
void nk_tasks_finish(nk_api *api, nk_waiting *w, const nk_last *last);
/* Lets what runs end, drops (through drop) what has not begun, frees. */
void nk_tasks_destroy(nk_tasks *t, void (*drop)(nk_waiting *));

struct nk_api {
    nk_api_config config;
    nk_app *app;
    nk_keys *keys;
    nk_http_server *http;
    nk_tasks *tasks;
    const nk_api_op **by_number[8]; /* service (in nk_model_services' order) and operation number */
    size_t nservices;
};

/* ops.c */
nk_code nk_api_index_ops(nk_api *api, nk_err *err) NK_MUST;
void nk_api_free_ops(nk_api *api);
const nk_api_op *nk_api_entry(const nk_api *api, const nk_op *op);

/* aws.c: the doors that take signatures. */
void nk_api_aws(nk_api *api, nk_http_req *req);
/* Who signed: the key's scope into scope[64]. service NULL = any; err in AWS's words. */
nk_code nk_api_authenticate(nk_api *api, const nk_http_req *req, const char *service,
                            nk_sigv4_auth *auth, char scope[64], nk_err *err) NK_MUST;

/* icebergrest.c: the Iceberg REST catalogue, below /iceberg. */
void nk_api_iceberg(nk_api *api, nk_http_req *req);
/* confluent.c: the Confluent schema registry, below /confluent. */
void nk_api_confluent(nk_api *api, nk_http_req *req);

/* wire.c: what goes back. Both answer the request. */
void nk_wire_result(nk_exchange *x);
void nk_wire_error(nk_exchange *x);
/* query.c: the query protocol. */
nk_code nk_query_decode(const nk_shape *shape, nk_str form, nk_arena *a, void *out,
                        nk_err *err) NK_MUST;
nk_code nk_query_encode(const nk_exchange *x, nk_buf *buf, nk_err *err) NK_MUST;
nk_code nk_query_error(const nk_exchange *x, const char *name, unsigned *status,
                       nk_buf *buf) NK_MUST;
nk_str nk_query_param(nk_str form, const char *name, nk_arena *a);

/* A random UUID without a system call each time. */
void nk_api_request_id(char out[37]);

#endif
