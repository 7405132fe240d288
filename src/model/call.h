/* nk_call: what a handler knows of the request it answers; nk_app: what the process holds.
 * Domain rooms see these and typed structs, never HTTP or JSON text. */
#ifndef NK_CALL_H
#define NK_CALL_H

#include "base/base.h"

struct nk_store;
struct nk_tx;
struct nk_lake;
struct nk_pool;
struct nk_jobs;
struct nk_crawlers;
struct nk_iceberg;
struct nk_keys;
struct nk_catalog;
struct nk_registry;

/* Fixed at start; static for the life of the process. */
typedef struct nk_settings {
    const char *data_dir;   /* absolute */
    const char *account_id; /* 12 digits */
    const char *region;     /* for doors without a signature */
    const char *endpoint;   /* http(s)://host:port of this server, once listening */
    const char *access_key, *secret_key;
    const char *s3_endpoint; /* NULL with --no-lake */
    const char *python;      /* the script worker's interpreter */
    const char *exe;         /* this binary, absolute */
    int64_t max_clock_skew_s;
    size_t body_max_bytes;
    bool keep_failures;  /* incompatible schema versions are kept, in status FAILURE */
    int64_t history_max; /* changes of the catalogue that are kept for undo; 0 = none */
} nk_settings;

typedef struct nk_app {
    const nk_env *env;
    const nk_settings *settings;
    struct nk_store *store;
    struct nk_lake *lake; /* NULL with --no-lake */
    struct nk_pool *pool;
    struct nk_jobs *jobs;
    struct nk_crawlers *crawlers;
    struct nk_iceberg *iceberg;
    struct nk_catalog *catalog;
    struct nk_registry *registry;
    struct nk_keys *keys; /* net/keys.h: add a pair for a run, remove it with the run's scope */
} nk_app;

/* The last step of a SLOW handler: a closure that the store's writer runs once the handler has
 * returned NK_OK; the request is answered after the COMMIT that holds it, and no thread waits for
 * that. It completes `out`. NK_E_CANCELLED: what the handler had read no longer stands, and the
 * handler is run anew (api/tasks.c says how often). */
typedef struct nk_last {
    nk_code (*write)(struct nk_tx *tx, void *arg, nk_err *err); /* NULL: nothing is left to do */
    void *arg;                                                  /* in the request's arena */
} nk_last;

typedef struct nk_call {
    nk_app *app;
    nk_arena *arena;   /* the request's; input, output and everything between lives here */
    nk_err *err;       /* never NULL inside a handler */
    struct nk_tx *tx;  /* READ: this thread's read transaction; WRITE: the writer's; SLOW, QUICK:
                          NULL  (open your own through store.h) */
    nk_str region;     /* the namespace this request acts in */
    nk_str account_id; /* the default catalogue id */
    nk_str access_key; /* who asks */
    nk_str operation;  /* "GetTable" */
    nk_str catalog;    /* the catalogue that a door's path names; p NULL: requests say themselves */
    nk_str mode;       /* header X-Nikawa-Mode: what is asked beyond AWS's API; absent as a rule */
    nk_last last;      /* SLOW: set by the handler */
    bool quick;        /* QUICK: on an HTTP thread; NK_E_NOT_READY asks for another one */
    char request_id[37];
} nk_call;

/* How an operation is run (a row of src/api/ops.def says which):
 * READ   on the HTTP thread, call->tx a snapshot that sees every acknowledged write;
 * WRITE  on the store's writer thread, answered after the COMMIT that holds it; must be short, must
 *        not block, must be safe to run again, rolled back whole when it returns an error;
 * SLOW   on a thread of the task pool, may talk to S3 and workers; reads and writes through
 *        nk_store_read and nk_store_write, or leaves its write as call->last;
 * QUICK  as SLOW, but tried first on the HTTP thread with call->quick: what might take a
 *        millisecond then gives NK_E_NOT_READY, and is run anew as SLOW. */
typedef enum { NK_OP_READ, NK_OP_WRITE, NK_OP_SLOW, NK_OP_QUICK } nk_op_mode;

/* in and out are the operation's generated structs; out is zeroed. Failing: `return
 * nk_fail(call->err, …)`. */
typedef nk_code (*nk_handler)(nk_call *call, const void *in, void *out);

#endif
