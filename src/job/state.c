/* The steps of a run as closures of the store's writer. Each may be run again: what it leaves in
 * its argument is set anew every time. */
#include <stdio.h>

#include "job/job_int.h"

static void tell_state(step *s, nk_str state)
{
    snprintf(s->told_state, sizeof s->told_state, "%.*s", NK_STR_ARG(state));
}

static nk_code step_running(nk_tx *tx, step *s, nk_arena *a, nk_err *err)
{
    run_rec rec, root;
    NK_TRY(nk_job_run_load(tx, nk_str_c(s->region), nk_str_c(s->id), a, &rec, err));
    if (!nk_str_is(rec.run->JobRunState, "STARTING")) {
        s->ignored = true;
        return NK_OK;
    }
    rec.run->JobRunState = NK_STR("RUNNING");
    rec.run->LastModifiedOn = nk_some_time(s->now_us);
    tell_state(s, rec.run->JobRunState);
    NK_TRY(nk_job_run_save(tx, a, &rec, err));
    if (nk_str_eq(rec.root, rec.run->Id))
        return NK_OK;
    NK_TRY(nk_job_run_load(tx, rec.region, rec.root, a, &root, err));
    if (nk_job_state_final(root.run->JobRunState))
        return NK_OK;
    root.run->LastModifiedOn = rec.run->LastModifiedOn;
    return nk_job_run_save(tx, a, &root, err);
}

static void finish(glue_JobRun *r, nk_str state, const step *s)
{
    r->JobRunState = state;
    r->CompletedOn = r->LastModifiedOn = nk_some_time(s->now_us);
    if (s->error && !nk_str_is(state, "SUCCEEDED"))
        r->ErrorMessage = nk_str_c(s->error);
}

/* The next attempt of a run: a record of its own. */
static nk_code add_attempt(nk_tx *tx, step *s, const run_rec *failed, run_rec *root, nk_arena *a,
                           nk_err *err)
{
    glue_JobRun run = *failed->run;
    int64_t n = failed->attempt + 1;
    nk_opt_time now = nk_some_time(s->now_us);
    run.Id = nk_str_printf(a, "%.*s_attempt_%lld", NK_STR_ARG(root->run->Id), (long long)n);
    run.PreviousRunId = failed->run->Id;
    run.Attempt = nk_some_i64(n);
    run.JobRunState = NK_STR("STARTING");
    run.StartedOn = run.LastModifiedOn = now;
    run.CompletedOn = (nk_opt_time){0};
    run.ExecutionTime = nk_some_i64(0);
    run.ErrorMessage = run.StateDetail = NK_STR_NULL;
    run_rec rec = {.region = failed->region,
                   .root = root->run->Id,
                   .run = &run,
                   .retries = root->retries,
                   .attempt = n};
    NK_TRY(nk_job_run_save(tx, a, &rec, err));
    root->current = run.Id;
    root->run->LastModifiedOn = now;
    root->run->JobRunState = NK_STR("RUNNING");
    root->run->StateDetail =
        nk_str_printf(a, "Attempt %lld of %lld failed: %s. Attempt %lld is %.*s.", (long long)n,
                      (long long)root->retries + 1, s->error ? s->error : "no reason was given",
                      (long long)n + 1, NK_STR_ARG(run.Id));
    snprintf(s->next_id, sizeof s->next_id, "%.*s", NK_STR_ARG(run.Id));
    return nk_job_run_save(tx, a, root, err);
}

static nk_code end_chain(nk_tx *tx, step *s, run_rec *root, nk_str state, nk_arena *a, nk_err *err)
{
    finish(root->run, state, s);
    root->active = ACTIVE_NO;
    s->chain_ended = true;
    if (nk_str_is(state, "SUCCEEDED"))
        root->run->ErrorMessage = NK_STR_NULL;
    root->run->ExecutionTime = nk_some_i64(nk_i64_or(root->run->ExecutionTime, 0));
    return nk_job_run_save(tx, a, root, err);
}

static nk_code step_end(nk_tx *tx, step *s, nk_arena *a, nk_err *err)
{
    run_rec rec, other, *root = &rec;
    nk_str state = nk_str_c(s->state);
    NK_TRY(nk_job_run_load(tx, nk_str_c(s->region), nk_str_c(s->id), a, &rec, err));
    if (nk_job_state_final(rec.run->JobRunState)) {
        s->ignored = true;
        return NK_OK;
    }
    if (!nk_str_eq(rec.root, rec.run->Id)) {
        root = &other;
        NK_TRY(nk_job_run_load(tx, rec.region, rec.root, a, root, err));
    }
    bool stopping = nk_str_is(rec.run->JobRunState, "STOPPING") ||
                    nk_str_is(root->run->JobRunState, "STOPPING");
    if (stopping && !nk_str_is(state, "SUCCEEDED")) {
        state = NK_STR("STOPPED");
        nk_free(s->error);
        s->error = NULL;
    }
    tell_state(s, state);
    rec.run->ExecutionTime = nk_some_i64(s->seconds);
    if (root != &rec) {
        finish(rec.run, state, s);
        NK_TRY(nk_job_run_save(tx, a, &rec, err));
        root->run->ExecutionTime = nk_some_i64(nk_i64_or(root->run->ExecutionTime, 0) + s->seconds);
    }
    if (nk_str_is(state, "FAILED") && !s->no_retry && rec.attempt < root->retries)
        return add_attempt(tx, s, &rec, root, a, err);
    return end_chain(tx, s, root, state, a, err);
}

typedef struct oldest {
    nk_arena *a;
    nk_str id;
} oldest;

static bool on_oldest(void *arg, const nk_row *row)
{
    oldest *o = arg;
    o->id = nk_str_dup(o->a, row->cols[RUN_ID].s);
    return false;
}

/* The oldest waiting run of the job takes a slot, if one is free. */
static nk_code step_promote(nk_tx *tx, step *s, nk_arena *a, nk_err *err)
{
    nk_str region = nk_str_c(s->region), job = nk_str_c(s->job);
    job_rec def;
    run_rec rec;
    int64_t n, most = 1;
    oldest o = {.a = a};
    const nk_val taken[] = {nk_vi(ACTIVE_SLOT), nk_vs(region), nk_vs(job)};
    const nk_val waiting[] = {nk_vi(ACTIVE_WAITING), nk_vs(region), nk_vs(job)};
    nk_query q = {.kind = &nk_job_run_kind,
                  .index = &nk_job_run_indexes[RUN_BY_ACTIVE],
                  .prefix = waiting,
                  .nprefix = 3,
                  .no_body = true,
                  .limit = 1};
    NK_TRY(nk_store_scan(tx, &q, on_oldest, &o, err));
    if (!o.id.p)
        return NK_OK;
    NK_TRY(nk_job_run_load(tx, region, o.id, a, &rec, err));
    nk_code rc = nk_job_load(tx, region, job, a, &def, NULL);
    if (rc == NK_OK && def.job->ExecutionProperty)
        most = nk_i64_or(def.job->ExecutionProperty->MaxConcurrentRuns, 1);
    q.prefix = taken;
    q.limit = 0;
    NK_TRY(nk_store_count(tx, &q, &n, err));
    if (n >= most)
        return NK_OK;
    rec.run->JobRunState = NK_STR("STARTING");
    rec.run->LastModifiedOn = nk_some_time(s->now_us);
    rec.active = ACTIVE_SLOT;
    tell_state(s, rec.run->JobRunState);
    snprintf(s->next_id, sizeof s->next_id, "%.*s", NK_STR_ARG(o.id));
    return nk_job_run_save(tx, a, &rec, err);
}

nk_code nk_jobs_step(nk_tx *tx, void *arg, nk_err *err)
{
    step *s = arg;
    s->ignored = s->chain_ended = false;
    s->next_id[0] = s->told_state[0] = 0;
    nk_arena *a = nk_arena_create(16 << 20);
    if (!a)
        return nk_fail(err, NK_E_NOMEM, "no memory");
    nk_code rc = s->kind == STEP_RUNNING   ? step_running(tx, s, a, err)
                 : s->kind == STEP_PROMOTE ? step_promote(tx, s, a, err)
                                           : step_end(tx, s, a, err);
    if (rc == NK_E_NOT_FOUND) { /* its record is gone: nothing to keep */
        s->ignored = true;
        rc = NK_OK;
    }
    nk_arena_destroy(a);
    return rc;
}

/* ---- what the last server left behind ---- */

typedef struct found {
    nk_jobs *jobs;
    step *steps;
    bool no_memory;
} found;

static char *dup_str(nk_str s)
{
    char *p = nk_malloc(s.n + 1);
    if (p) {
        memcpy(p, s.p, s.n);
        p[s.n] = 0;
    }
    return p;
}

static bool on_left_behind(void *arg, const nk_row *row)
{
    found *f = arg;
    const nk_val *c = row->cols;
    bool waiting = c[RUN_ACTIVE].i == ACTIVE_WAITING;
    char *region = dup_str(c[RUN_REGION].s), *job = dup_str(c[RUN_JOB].s),
         *id = dup_str(c[RUN_CURRENT].s);
    step *s = region && job && id
                  ? nk_jobs_new_step(f->jobs, waiting ? STEP_PROMOTE : STEP_END, region, job, id)
                  : NULL;
    nk_free(region);
    nk_free(job);
    nk_free(id);
    if (!s) {
        f->no_memory = true;
        return false;
    }
    if (!waiting) {
        s->state = "FAILED";
        s->error = nk_strdup("The server ended while the run was in progress.");
    }
    s->next = f->steps;
    f->steps = s;
    return true;
}

static nk_code recover_fn(nk_tx *tx, void *arg, nk_err *err)
{
    for (int64_t active = ACTIVE_WAITING; active >= ACTIVE_SLOT; active--) {
        const nk_val prefix[] = {nk_vi(active)};
        nk_query q = {.kind = &nk_job_run_kind,
                      .index = &nk_job_run_indexes[RUN_BY_ACTIVE],
                      .prefix = prefix,
                      .nprefix = 1,
                      .no_body = true};
        NK_TRY(nk_store_scan(tx, &q, on_left_behind, arg, err));
    }
    return NK_OK;
}

nk_code nk_jobs_recover(nk_jobs *j, nk_err *err)
{
    found f = {.jobs = j};
    NK_TRY(nk_store_read(j->app->store, recover_fn, &f, err));
    unsigned n = 0;
    while (f.steps) {
        step *s = f.steps;
        f.steps = s->next;
        s->next = NULL;
        n += s->kind == STEP_END;
        nk_jobs_submit(j, s);
    }
    if (n)
        nk_info("job", "%u runs were in progress when the last server ended", n);
    return f.no_memory ? nk_fail(err, NK_E_NOMEM, "no memory to recover runs") : NK_OK;
}
