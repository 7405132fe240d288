/* What the files of the pool share. All of it belongs to the pool's thread unless a comment says
 * so. */
#ifndef NK_POOL_INT_H
#define NK_POOL_INT_H

#include <pthread.h>
#include <sys/types.h>

#include "pool/frame_int.h"
#include "pool/pool.h"

/* A descriptor in the epoll set: which one it is tells what to do. */
typedef enum { POLL_WAKE, POLL_ZYGOTE, POLL_WORKER, POLL_GUARD } poll_kind;

struct worker;
typedef struct poll_tag {
    poll_kind kind;
    struct worker *worker;
} poll_tag;

/* A process that has or awaits a task. Engine workers have no guard: they are our own children. */
typedef struct worker {
    struct worker *next;
    nk_pool_kind kind;
    int sock;  /* frames */
    int guard; /* script: the guard's end; -1 otherwise or once it has ended */
    pid_t pid; /* engine: our child; script: the guard, root of the run's tree */
    bool ready, ended;
    poll_tag sock_tag, guard_tag;
    nk_buf in, out, guard_in;
    struct run *run;          /* NULL while warm */
    int64_t born_us, kill_us; /* kill_us: when grace ends; 0 = no */
    bool killed, oom, stopped, bad_frame;
    uint64_t limit, peak, last_rss;
    int64_t last_rss_us;
    nk_pool_exit exit;
} worker;

typedef struct run {
    struct run *next;
    uint64_t id;
    nk_pool_task task; /* request, env, cwd are owned copies; descriptors are ours */
    worker *worker;    /* NULL while queued */
    bool stop;         /* before it had a worker */
    bool begun;        /* a message has come: from here on the task may have had effects */
    unsigned tries;    /* workers that died before they began */
} run;

typedef enum { CMD_START, CMD_SEND, CMD_STOP } cmd_kind;
typedef struct cmd {
    struct cmd *next;
    cmd_kind kind;
    uint64_t id;
    run *run;          /* START */
    nk_buf frame;      /* SEND */
    unsigned grace_ms; /* STOP */
} cmd;

typedef struct zygote {
    pid_t pid;
    int sock;
    bool ready;
    nk_buf in;
    int64_t started_us, retry_us;
    unsigned failures; /* in a row, without having become ready */
} zygote;

struct nk_pool {
    nk_pool_config config; /* strings owned by arena */
    nk_arena *arena;
    pthread_t thread;
    int epoll, wake;

    pthread_mutex_t lock; /* guards the five below */
    cmd *cmds, *cmds_last;
    uint64_t next_id;
    bool ending;
    nk_pool_stats stats;

    worker *workers;
    run *queue, *queue_last, *running; /* queue: waiting for a worker, oldest first */
    unsigned n_running;
    zygote zygote;
    poll_tag wake_tag, zygote_tag;
    int64_t watch_us; /* next look at memory; 0 = nobody to watch */
    int64_t scan_us;
    bool stop_all;
};

/* spawn.c */
nk_code nk_pool_spawn_engine(nk_pool *p, const nk_pool_task *t, int *sock, pid_t *pid,
                             nk_err *err) NK_MUST;
nk_code nk_pool_spawn_zygote(nk_pool *p, int *sock, pid_t *pid, nk_err *err) NK_MUST;

/* watch.c: looks at the memory of every running worker's tree and kills what is over its limit. */
void nk_pool_watch(nk_pool *p, int64_t now_us);
uint64_t nk_pool_machine_memory(void);
/* pool.c, for watch.c */
void nk_pool_kill_worker(worker *w);

#endif
