/* pool: worker processes, kept warm, given one task each, watched and reaped.
 *
 * A worker runs exactly one task and exits. The server never forks itself: engine workers are
 * spawned
 * (`nikawa worker`), script workers are forked by a single-threaded Python zygote. Every worker
 * dies with the server, kill -9 included, and so does everything that a script has started.
 *
 * On the wire: frames over a socketpair (the worker's descriptor 3), u32 little-endian length, then
 * JSON. The first frame to the worker is the task's request; the descriptors for its stdout and
 * stderr go with it. What the worker sends back reaches on_message as it stands. */
#ifndef NK_POOL_H
#define NK_POOL_H

#include "base/base.h"

typedef struct nk_pool nk_pool;

/* A frame may hold this much. */
#define NK_POOL_FRAME_MAX ((size_t)64 << 20)

typedef enum {
    NK_POOL_ENGINE, /* `nikawa worker`: C with the engine inside; request {"op":"crawl",…} */
    NK_POOL_SCRIPT, /* Python; request {"op":"script",…} */
} nk_pool_kind;

/* How a worker ended. */
typedef struct nk_pool_exit {
    int code;                   /* exit code; -1 when ended by a signal or never started */
    int signal;                 /* 0, or the signal that ended it */
    bool oom;                   /* the tree of processes went over its memory limit */
    bool stopped;               /* by nk_pool_stop or the end of the pool */
    uint64_t memory_peak_bytes; /* as far as it was seen */
    int64_t cpu_us;             /* user + system; 0 when not known */
    char reason[512];           /* empty for exit code 0, else one clear line: what ended it */
} nk_pool_exit;

/* What to run. Everything is copied (descriptors are duplicated) before nk_pool_start returns.
 * Callbacks come on the pool's own thread, in order, and must not block; they may call
 * nk_pool_start, nk_pool_send and nk_pool_stop. on_exit is the last and comes exactly once. */
typedef struct nk_pool_task {
    nk_pool_kind kind;
    nk_str request;              /* JSON object */
    int stdout_fd, stderr_fd;    /* 0 or less: /dev/null */
    uint64_t memory_limit_bytes; /* of the whole tree of processes; 0 = the pool's own limit */
    const char *const
        *env;        /* "NAME=value", NULL at the end; may be NULL; on top of a clean environment */
    const char *cwd; /* absolute; NULL = the pool's scratch folder */
    void (*on_start)(void *arg, int pid); /* may be NULL; a worker has taken the task (another one,
                                             if the first died before it began) */
    void (*on_message)(void *arg, nk_str json);           /* may be NULL; borrowed for the call */
    void (*on_exit)(void *arg, const nk_pool_exit *exit); /* may be NULL */
    void *arg;
} nk_pool_task;

typedef struct nk_pool_config {
    const char *exe;             /* this binary, absolute */
    const char *python;          /* the script workers' interpreter; NULL = no script workers */
    const char *python_path;     /* colon-separated, for PYTHONPATH; NULL = found beside exe */
    const char *scratch;         /* folder for workers' working folders; made if absent */
    unsigned warm_scripts;       /* script workers kept ready; 0 = fork on demand */
    unsigned running_max;        /* workers at a time; more wait in a queue; 0 = 64 */
    uint64_t memory_limit_bytes; /* no worker may have more; 0 = three quarters of the machine's
                                    memory */
} nk_pool_config;

/* All strings of the config are copied. */
nk_code nk_pool_create(const nk_pool_config *config, nk_pool **out, nk_err *err) NK_MUST;
/* Kills every worker (on_exit comes for each, with stopped set) and joins the thread. NULL is fine.
 */
void nk_pool_destroy(nk_pool *pool);

/* Queues the task; *run (may be NULL) names it from now on, also after its end (then the calls
 * below do nothing). Any thread. Fails only for a malformed task, memory, descriptors or a pool
 * that is ending; a worker that cannot be started is told by on_exit. */
nk_code nk_pool_start(nk_pool *pool, const nk_pool_task *task, uint64_t *run, nk_err *err) NK_MUST;
/* Another frame to the run's worker: {"op":"stop"} and the like. Any thread; never blocks. */
nk_code nk_pool_send(nk_pool *pool, uint64_t run, nk_str json, nk_err *err) NK_MUST;
/* Ends the run: SIGTERM, and SIGKILL to the whole tree after grace_ms (0 = at once). Any thread. */
void nk_pool_stop(nk_pool *pool, uint64_t run, unsigned grace_ms);

/* What is there now. */
typedef struct nk_pool_stats {
    unsigned warm, running, queued;
    int zygote_pid; /* 0 when there is none */
    uint64_t memory_limit_bytes;
} nk_pool_stats;
void nk_pool_get_stats(nk_pool *pool, nk_pool_stats *out);
/* PYTHONPATH for Nikawa's own packages: $NIKAWA_PYTHONPATH, else where they lie as seen from the
 * binary. */
const char *nk_pool_python_path(nk_arena *a, const char *exe);

#endif
