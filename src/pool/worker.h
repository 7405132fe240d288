/* The worker's half of the pool's protocol, for engine workers (`nikawa worker`). An operation is a
 * row of the table in src/cmd/worker.c: its name and a function of this shape, which lives in its
 * room. */
#ifndef NK_WORKER_H
#define NK_WORKER_H

#include "base/base.h"

typedef struct nk_worker nk_worker;

/* request: the task's JSON object (arena). Answers go by nk_worker_send. A failure is sent for you
 * as
 * {"event":"error","code":"NK_E_…","message":…,"hint":…} and the worker exits with 1; NK_OK exits
 * with 0. */
typedef nk_code (*nk_worker_fn)(nk_worker *w, const nk_json *request, nk_arena *arena, nk_err *err);

typedef struct nk_worker_op {
    const char *name; /* the request's "op" */
    nk_worker_fn run;
} nk_worker_op;

/* One frame to the server: a JSON object, {"event":"progress"|"result",…}. Any thread. */
nk_code nk_worker_send(nk_worker *w, nk_str json, nk_err *err) NK_MUST;
/* The server has asked to stop ({"op":"stop"}): look now and then in long work. */
bool nk_worker_cancelled(const nk_worker *w);

/* Takes one request from descriptor 3, runs its operation, returns the exit code. The process ends
 * at once when the server goes away. */
int nk_worker_main(const nk_worker_op *ops, size_t n);

#endif
