/* Inside job: records, the live table, and the pieces of a run's way. */
#ifndef NK_JOB_INT_H
#define NK_JOB_INT_H

#include <pthread.h>

#include "job/job.h"
#include "model/glue_shapes.h"
#include "model/model.h"
#include "pool/pool.h"

#define ID_MAX 128

/* ---- records (record.c) ---- */

extern const nk_kind nk_job_kind, nk_job_run_kind;
extern const nk_index nk_job_run_indexes[];
enum { RUN_BY_JOB, RUN_BY_ACTIVE };
enum {
    RUN_REGION,
    RUN_ID,
    RUN_JOB,
    RUN_STARTED,
    RUN_STATE,
    RUN_ACTIVE,
    RUN_ROOT,
    RUN_CURRENT,
    RUN_RETRIES,
    RUN_ATTEMPT
};
enum { ACTIVE_NO = 0, ACTIVE_SLOT = 1, ACTIVE_WAITING = 2 };

typedef struct job_rec {
    nk_str region;
    glue_Job *job;
} job_rec;

typedef struct run_rec {
    nk_str region, root,
        current; /* root: the first attempt; current (of the root): the attempt that runs */
    int64_t active, retries, attempt; /* active: roots only */
    glue_JobRun *run;
} run_rec;

/* NK_E_NOT_FOUND without a message of its own. */
nk_code nk_job_load(nk_tx *tx, nk_str region, nk_str name, nk_arena *a, job_rec *out,
                    nk_err *err) NK_MUST;
nk_code nk_job_save(nk_tx *tx, nk_arena *a, const job_rec *rec, nk_err *err) NK_MUST;
nk_code nk_job_from_row(const nk_row *row, nk_arena *a, job_rec *out, nk_err *err) NK_MUST;
nk_code nk_job_run_load(nk_tx *tx, nk_str region, nk_str id, nk_arena *a, run_rec *out,
                        nk_err *err) NK_MUST;
nk_code nk_job_run_save(nk_tx *tx, nk_arena *a, const run_rec *rec, nk_err *err) NK_MUST;
nk_code nk_job_run_from_row(const nk_row *row, nk_arena *a, run_rec *out, nk_err *err) NK_MUST;
bool nk_job_state_final(nk_str state);
/* Page tokens: where a query stands, as text. */
nk_code nk_job_token_make(const nk_query *q, const nk_row *row, nk_arena *a, nk_str *out,
                          nk_err *err) NK_MUST;
nk_code nk_job_token_read(const nk_query *q, nk_str token, nk_arena *a, nk_pos *out,
                          nk_err *err) NK_MUST;

/* ---- what may be asked for (options.c) ---- */

typedef struct worker_type {
    const char *name;
    double dpu;
    unsigned memory_gb;
} worker_type;
const worker_type *nk_job_worker_type(nk_str name); /* NULL when unknown */
/* Bytes that a run's processes may use together, and in words what set that. */
uint64_t nk_job_memory_limit(const glue_JobRun *run, nk_str command, uint64_t server_limit);
/* NK_E_UNSUPPORTED naming the first thing asked for that is not there; notes gets a line for
 * each thing that has no effect. */
nk_code nk_job_check_options(const glue_Job *job, const glue_JobRun *run, nk_buf *notes,
                             nk_err *err) NK_MUST;
/* Fills in what AWS fills in, refuses what AWS refuses. */
nk_code nk_job_settle(glue_Job *job, nk_arena *a, nk_err *err) NK_MUST;
nk_code nk_job_settle_capacity(nk_str command, nk_str version, nk_str *type, nk_opt_i64 *workers,
                               nk_opt_f64 *capacity, nk_opt_i64 *allocated, nk_err *err) NK_MUST;

/* ---- which engine (route.c) ---- */

typedef struct nk_job_way {
    bool plan;     /* the nodes, by an engine worker; else the script */
    char why[400]; /* in words; empty for a job without nodes */
    nk_str nodes;  /* CodeGenConfigurationNodes as JSON; arena */
} nk_job_way;
nk_code nk_job_nodes_json(const glue_Job *job, nk_arena *a, nk_str *out, nk_err *err) NK_MUST;
/* script: what lies at the run's ScriptLocation. */
nk_code nk_job_route(const glue_Job *job, const glue_JobRun *run, nk_str script, nk_arena *a,
                     nk_job_way *out, nk_err *err) NK_MUST;

/* ---- the machine (jobs.c) ---- */

/* One attempt on its way. Guarded by jobs->lock; freed when its end is recorded. */
typedef struct live {
    struct live *next;
    nk_jobs *jobs;
    char *region, *job, *id, *dir; /* owned; dir: its working folder */
    uint64_t pool_run;
    bool launched, stop, timed_out, running;
    int64_t running_us, deadline_us; /* monotonic */
    int64_t timeout_min;
    uint64_t limit;
    char worker_type[32];
    char *error; /* owned; what the worker said */
    /* How it is run: its nodes as a plan by an engine worker, or its script. */
    bool as_plan, as_script; /* as_script: the plan was tried and cannot be run here */
    bool wrote;              /* some target of the plan is complete */
    bool cannot;             /* the plan's worker said NK_E_UNSUPPORTED */
    char why[400];           /* in words; empty for a job without nodes */
    char *result;            /* owned; JSON: what the plan's worker gave at its end */
} live;

typedef enum { WORK_LAUNCH, WORK_CLEAN, WORK_PROMOTE, WORK_NOTE } work_kind;
typedef struct work {
    struct work *next;
    work_kind kind;
    live *live;
    char *path, *region, *job; /* owned */
    char *text;                /* NOTE: what is to stand in path */
} work;

/* A step of a run, made durable by the store's writer. */
typedef enum { STEP_RUNNING, STEP_END, STEP_PROMOTE } step_kind;
typedef struct step {
    struct step *next;
    nk_jobs *jobs;
    step_kind kind;
    char *region, *id, *job, *error; /* owned; PROMOTE has no id */
    const char *state;               /* END: static */
    bool no_retry;
    int64_t now_us, seconds;
    live *live; /* END: freed once recorded */
    /* what came of it; set anew by every run of the closure */
    bool ignored, chain_ended;
    char next_id[ID_MAX]; /* the attempt or the waiting run to launch now */
    int64_t now_state_final;
    char told_state[16];
} step;

struct nk_jobs {
    nk_jobs_config config;
    nk_app *app;
    const nk_env *env;
    pthread_t *starters, timer;
    unsigned n_starters;
    bool timer_there;
    pthread_mutex_t lock;
    pthread_cond_t some_work, tick;
    bool stopping;
    live *lives;
    work *work, *work_last;
    step *unsaved;      /* steps whose COMMIT failed: tried again every second */
    unsigned in_flight; /* steps handed to the store */
    pthread_cond_t settled;
    struct script_cache *scripts;
};

void nk_jobs_lock(nk_jobs *j);
void nk_jobs_unlock(nk_jobs *j);
/* A run has been recorded as STARTING: launches it. */
nk_code nk_jobs_launch(nk_jobs *j, nk_str region, nk_str job, nk_str id, nk_err *err) NK_MUST;
/* A stop has been recorded. */
void nk_jobs_stop_run(nk_jobs *j, nk_str region, nk_str id);
/* Slots may have become free. */
void nk_jobs_promote(nk_jobs *j, nk_str region, nk_str job);
/* The attempt has ended; takes the live over. error (copied) may be NULL. */
void nk_jobs_end(nk_jobs *j, live *l, const char *state, const char *error, bool no_retry);
void nk_jobs_submit(nk_jobs *j, step *s);
nk_code nk_jobs_step(nk_tx *tx, void *arg, nk_err *err); /* state.c: the closure */
/* DATA/logs/jobs/RUN/run.json, for `nikawa logs`: what the run is and, once it has ended, how. */
void nk_jobs_note(nk_jobs *j, const char *job, const char *id, const char *state, const char *error,
                  const char *next, int64_t started_us, const live *l);
/* Hands it to the starters once more. */
void nk_jobs_launch_again(nk_jobs *j, live *l);
nk_code nk_jobs_recover(nk_jobs *j, nk_err *err) NK_MUST; /* state.c */
void nk_jobs_run_launch(nk_jobs *j, live *l);             /* launch.c, on a starter's thread */
void nk_jobs_free_scripts(nk_jobs *j);                    /* launch.c */
step *nk_jobs_new_step(nk_jobs *j, step_kind kind, const char *region, const char *job,
                       const char *id);

#endif
