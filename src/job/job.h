/* job: job definitions, their runs, and the machine that takes a run from STARTING to its end.
 *
 * A run is a chain of attempts. Its first attempt is the run itself, `jr_<64 hex>`; each retry is a
 * record of its own, `jr_…_attempt_<n>`, with PreviousRunId. A failure that will be retried is not
 * final: the run stays RUNNING with a StateDetail until its last attempt has ended, and takes over
 * how that one ended. Timeouts, stops and refused options are not retried. MaxRetries absent means
 * three, 0 means none.
 *
 * Runs that were in progress when the server ended are found at its next start: they have FAILED
 * (or STOPPED, if that was asked for) and are retried like any other failure. */
#ifndef NK_JOB_H
#define NK_JOB_H

#include "model/call.h"
#include "store/store.h"

typedef struct nk_jobs nk_jobs;

#define NK_JOB_RETRIES_DEFAULT 3

/* Its records: for the store. */
extern const nk_kind *const nk_job_kinds[];

/* A run has changed its state; all borrowed for the call. */
typedef struct nk_job_event {
    nk_str region, job, run, state, message;
    bool final; /* no attempt follows */
} nk_job_event;
typedef void (*nk_job_event_fn)(void *arg, const nk_job_event *event);

/* The bytes of a script; blocking. NK_E_NOT_FOUND when there is none. */
typedef nk_code (*nk_job_fetch_fn)(void *arg, nk_str location, nk_buf *out, nk_err *err);

typedef struct nk_jobs_config {
    nk_app *app;           /* borrowed; its store and pool must be there */
    const nk_env *env;     /* NULL = app's */
    nk_job_fetch_fn fetch; /* NULL = from the lake */
    void *fetch_arg;
    nk_job_event_fn on_event; /* may be NULL; on the store's writer thread: must be quick */
    void *on_event_arg;
    unsigned starters;    /* threads that fetch scripts and hand runs to the pool; 0 = 4 */
    size_t log_max_bytes; /* of one of a run's logs on disk; 0 = 64 MiB */
} nk_jobs_config;

/* Picks up what the last server left behind. */
nk_code nk_jobs_create(const nk_jobs_config *config, nk_jobs **out, nk_err *err) NK_MUST;
/* Leaves runs in progress to the next start. To be called before the pool is destroyed: */
void nk_jobs_stop(nk_jobs *jobs);
/* … and this after it. */
void nk_jobs_destroy(nk_jobs *jobs);

/* The room's life in a server: pool and jobs, in app->pool and app->jobs. */
nk_code nk_job_room_start(nk_app *app, nk_err *err) NK_MUST;
void nk_job_room_stop(nk_app *app);

/* DATA/logs/jobs/RUN in the arena: output.log and error.log lie there. */
const char *nk_job_log_dir(nk_arena *a, const char *data_dir, nk_str run);

#endif
