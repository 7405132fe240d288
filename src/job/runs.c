/* Job runs: StartJobRun, GetJobRun, GetJobRuns, BatchStopJobRun. */
#include <stdio.h>

#include "job/job_int.h"
#include "model/glue_handlers.h"

#define PAGE_MAX       200
#define ARGUMENT_BYTES (260 * 1024)

static nk_code no_such_run(nk_err *err, nk_str id)
{
    return nk_fail(err, NK_E_NOT_FOUND, "Job run %.*s not found.", NK_STR_ARG(id));
}

/* ---- start ---- */

typedef struct start_arg {
    nk_call *call;
    const glue_StartJobRunRequest *in;
    char id[ID_MAX];
    bool waiting;
} start_arg;

static nk_code add_arguments(nk_map_str *to, nk_arena *a, const nk_map_str *from)
{
    for (size_t i = 0; i < from->n; i++)
        NK_TRY(nk_map_str_put(to, a, from->v[i].key, from->v[i].value));
    return NK_OK;
}

/* NonOverridableArguments over the run's over the defaults. */
static nk_code merge_arguments(const glue_Job *job, const nk_map_str *given, nk_arena *a,
                               nk_map_str *out, nk_err *err)
{
    size_t bytes = 0;
    out->set = true;
    nk_code rc = add_arguments(out, a, &job->DefaultArguments);
    if (rc == NK_OK)
        rc = add_arguments(out, a, given);
    if (rc == NK_OK)
        rc = add_arguments(out, a, &job->NonOverridableArguments);
    if (rc != NK_OK)
        return nk_fail(err, rc, "no memory for the run's arguments");
    for (size_t i = 0; i < out->n; i++)
        bytes += out->v[i].key.n + out->v[i].value.n;
    if (bytes > ARGUMENT_BYTES)
        return nk_fail(err, NK_E_INVALID, "The arguments of a run may hold 260 KB; these hold %zu.",
                       bytes);
    return NK_OK;
}

static nk_code run_capacity(const glue_Job *job, const glue_StartJobRunRequest *in, glue_JobRun *r,
                            nk_err *err)
{
    if (in->MaxCapacity.set && (in->WorkerType.n || in->NumberOfWorkers.set))
        return nk_fail(err, NK_E_INVALID,
                       "Please do not set Max Capacity if using Worker Type and "
                       "Number of Workers.");
    bool by_capacity = in->MaxCapacity.set || in->AllocatedCapacity.set;
    bool by_workers = in->WorkerType.n || in->NumberOfWorkers.set;
    if (by_capacity) {
        r->MaxCapacity = in->MaxCapacity;
        r->AllocatedCapacity = in->AllocatedCapacity;
    } else if (by_workers || job->WorkerType.n) {
        r->WorkerType = in->WorkerType.n ? in->WorkerType : job->WorkerType;
        r->NumberOfWorkers = in->NumberOfWorkers.set ? in->NumberOfWorkers : job->NumberOfWorkers;
    } else {
        r->MaxCapacity = job->MaxCapacity;
    }
    return nk_job_settle_capacity(job->Command->Name, job->GlueVersion, &r->WorkerType,
                                  &r->NumberOfWorkers, &r->MaxCapacity, &r->AllocatedCapacity, err);
}

/* A retry asked for by hand runs with what the other run had, where nothing else is said. */
static nk_code take_previous(nk_tx *tx, const start_arg *s, glue_JobRun *r,
                             const nk_map_str **given, nk_err *err)
{
    run_rec old;
    if (!s->in->JobRunId.n)
        return NK_OK;
    nk_code rc = nk_job_run_load(tx, s->call->region, s->in->JobRunId, s->call->arena, &old, err);
    if (rc == NK_E_NOT_FOUND || (rc == NK_OK && !nk_str_eq(old.run->JobName, s->in->JobName)))
        return no_such_run(err, s->in->JobRunId);
    NK_TRY(rc);
    if (!nk_job_state_final(old.run->JobRunState))
        return nk_fail(err, NK_E_INVALID, "Job run %.*s is still %.*s.",
                       NK_STR_ARG(s->in->JobRunId), NK_STR_ARG(old.run->JobRunState));
    r->PreviousRunId = s->in->JobRunId;
    if (!s->in->Arguments.n)
        *given = &old.run->Arguments;
    return NK_OK;
}

static nk_code slot_state(nk_tx *tx, start_arg *s, const glue_Job *job, bool queuing, nk_err *err)
{
    int64_t n,
        most = job->ExecutionProperty ? nk_i64_or(job->ExecutionProperty->MaxConcurrentRuns, 1) : 1;
    const nk_val prefix[] = {nk_vi(ACTIVE_SLOT), nk_vs(s->call->region), nk_vs(job->Name)};
    nk_query q = {.kind = &nk_job_run_kind,
                  .index = &nk_job_run_indexes[RUN_BY_ACTIVE],
                  .prefix = prefix,
                  .nprefix = 3,
                  .no_body = true};
    NK_TRY(nk_store_count(tx, &q, &n, err));
    s->waiting = n >= most;
    if (s->waiting && !queuing)
        return nk_fail(err, NK_E_CONCURRENT_RUNS, "Concurrent runs exceeded for %.*s",
                       NK_STR_ARG(job->Name));
    return NK_OK;
}

static nk_code start_fn(nk_tx *tx, void *arg, nk_err *err)
{
    start_arg *s = arg;
    const glue_StartJobRunRequest *in = s->in;
    nk_arena *a = s->call->arena;
    job_rec rec;
    const nk_map_str *given = &in->Arguments;
    nk_code rc = nk_job_load(tx, s->call->region, in->JobName, a, &rec, err);
    if (rc == NK_E_NOT_FOUND)
        return nk_fail(err, NK_E_NOT_FOUND,
                       "Failed to start job run due to missing metadata: job "
                       "%.*s not found.",
                       NK_STR_ARG(in->JobName));
    NK_TRY(rc);
    const glue_Job *job = rec.job;
    bool queuing =
        nk_bool_or(in->JobRunQueuingEnabled, nk_bool_or(job->JobRunQueuingEnabled, false));
    NK_TRY(slot_state(tx, s, job, queuing, err));
    nk_opt_time now = nk_some_time(nk_now_us(s->call->app->env));
    glue_JobRun run = {
        .Id = nk_str_c(s->id),
        .Attempt = nk_some_i64(0),
        .JobName = job->Name,
        .JobMode = job->JobMode,
        .JobRunQueuingEnabled = nk_some_bool(queuing),
        .StartedOn = now,
        .LastModifiedOn = now,
        .JobRunState = s->waiting ? NK_STR("WAITING") : NK_STR("STARTING"),
        .PredecessorRuns = {.set = true},
        .ExecutionTime = nk_some_i64(0),
        .Timeout = in->Timeout.set ? in->Timeout : job->Timeout,
        .SecurityConfiguration =
            in->SecurityConfiguration.n ? in->SecurityConfiguration : job->SecurityConfiguration,
        .NotificationProperty =
            in->NotificationProperty ? in->NotificationProperty : job->NotificationProperty,
        .LogGroupName = nk_str_is(job->Command->Name, "pythonshell")
                            ? NK_STR("/aws-glue/python-jobs")
                            : NK_STR("/aws-glue/jobs"),
        .GlueVersion = job->GlueVersion,
        .ExecutionClass = in->ExecutionClass.n ? in->ExecutionClass : job->ExecutionClass,
        .MaintenanceWindow = job->MaintenanceWindow,
        .ExecutionRoleSessionPolicy = in->ExecutionRoleSessionPolicy};
    if (in->Timeout.set && in->Timeout.value > 10080)
        return nk_fail(err, NK_E_INVALID, "Timeout must be at most 10080 minutes (7 days).");
    NK_TRY(take_previous(tx, s, &run, &given, err));
    NK_TRY(merge_arguments(job, given, a, &run.Arguments, err));
    NK_TRY(run_capacity(job, in, &run, err));
    run_rec r = {.region = s->call->region,
                 .root = run.Id,
                 .current = run.Id,
                 .run = &run,
                 .active = s->waiting ? ACTIVE_WAITING : ACTIVE_SLOT,
                 .retries = nk_i64_or(job->MaxRetries, NK_JOB_RETRIES_DEFAULT)};
    return nk_job_run_save(tx, a, &r, err);
}

nk_code glue_StartJobRun(nk_call *call, const glue_StartJobRunRequest *in,
                         glue_StartJobRunResponse *out)
{
    start_arg s = {.call = call, .in = in, .id = "jr_"};
    if (!call->app->jobs || !call->app->pool)
        return nk_fail(call->err, NK_E_UNAVAILABLE, "this server runs no jobs");
    NK_TRY(nk_random_hex(call->app->env, s.id + 3, 32));
    NK_TRY(nk_store_write(call->app->store, start_fn, &s, call->err));
    if (!s.waiting)
        NK_TRY(
            nk_jobs_launch(call->app->jobs, call->region, in->JobName, nk_str_c(s.id), call->err));
    else
        nk_jobs_promote(call->app->jobs, call->region, in->JobName);
    out->JobRunId = nk_str_dup(call->arena, nk_str_c(s.id));
    return NK_OK;
}

/* ---- get ---- */

/* While it runs, its time goes on. */
static void bring_up_to_date(nk_call *call, glue_JobRun *r)
{
    if (nk_str_is(r->JobRunState, "RUNNING") || nk_str_is(r->JobRunState, "STOPPING")) {
        int64_t seconds = (nk_now_us(call->app->env) - r->StartedOn.us) / 1000000;
        r->ExecutionTime = nk_some_i64(seconds > 0 ? seconds : 0);
    }
}

static nk_code the_job(nk_call *call, nk_str name, int64_t *created_us)
{
    job_rec job;
    nk_code rc = nk_job_load(call->tx, call->region, name, call->arena, &job, call->err);
    if (rc == NK_E_NOT_FOUND)
        return nk_fail(call->err, NK_E_NOT_FOUND, "Job %.*s not found.", NK_STR_ARG(name));
    NK_TRY(rc);
    *created_us = job.job->CreatedOn.us;
    return NK_OK;
}

nk_code glue_GetJobRun(nk_call *call, const glue_GetJobRunRequest *in, glue_GetJobRunResponse *out)
{
    run_rec rec;
    int64_t created;
    NK_TRY(the_job(call, in->JobName, &created));
    nk_code rc = nk_job_run_load(call->tx, call->region, in->RunId, call->arena, &rec, call->err);
    if (rc == NK_E_NOT_FOUND || (rc == NK_OK && (!nk_str_eq(rec.run->JobName, in->JobName) ||
                                                 rec.run->StartedOn.us < created)))
        return no_such_run(call->err, in->RunId);
    NK_TRY(rc);
    bring_up_to_date(call, rec.run);
    out->JobRun = rec.run;
    return NK_OK;
}

typedef struct page {
    nk_call *call;
    const nk_query *q;
    glue_GetJobRunsResponse *out;
    size_t max;
    nk_str token;
    bool more;
    nk_code rc;
} page;

static bool on_run(void *arg, const nk_row *row)
{
    page *p = arg;
    run_rec rec;
    if (p->out->JobRuns.n == p->max) {
        p->more = true;
        return false;
    }
    nk_row own = {.cols = row->cols, .body = nk_str_dup(p->call->arena, row->body)};
    p->rc = nk_job_run_from_row(&own, p->call->arena, &rec, p->call->err);
    if (p->rc != NK_OK)
        return false;
    bring_up_to_date(p->call, rec.run);
    p->out->JobRuns.v[p->out->JobRuns.n++] = *rec.run;
    if (p->out->JobRuns.n == p->max)
        p->rc = nk_job_token_make(p->q, row, p->call->arena, &p->token, p->call->err);
    return p->rc == NK_OK;
}

/* Newest first. Runs of an earlier job of the same name are not this one's. */
nk_code glue_GetJobRuns(nk_call *call, const glue_GetJobRunsRequest *in,
                        glue_GetJobRunsResponse *out)
{
    int64_t created;
    nk_pos after;
    NK_TRY(the_job(call, in->JobName, &created));
    const nk_val prefix[] = {nk_vs(call->region), nk_vs(in->JobName)}, since[] = {nk_vi(created)};
    const nk_cond where = {.op = NK_C_GE, .col = RUN_STARTED, .vals = since, .nvals = 1};
    nk_query q = {.kind = &nk_job_run_kind,
                  .index = &nk_job_run_indexes[RUN_BY_JOB],
                  .prefix = prefix,
                  .nprefix = 2,
                  .desc = true,
                  .where = &where};
    page p = {
        .call = call, .q = &q, .out = out, .max = (size_t)nk_i64_or(in->MaxResults, PAGE_MAX)};
    if (p.max > PAGE_MAX)
        p.max = PAGE_MAX;
    if (in->NextToken.n) {
        NK_TRY(nk_job_token_read(&q, in->NextToken, call->arena, &after, call->err));
        q.after = &after;
    }
    out->JobRuns.set = true;
    out->JobRuns.v = NK_NEWN(call->arena, glue_JobRun, p.max);
    if (!out->JobRuns.v)
        return nk_fail(call->err, NK_E_NOMEM, "no memory");
    NK_TRY(nk_store_scan(call->tx, &q, on_run, &p, call->err));
    NK_TRY(p.rc);
    if (p.more)
        out->NextToken = p.token;
    return NK_OK;
}

/* ---- stop ---- */

typedef struct stop_arg {
    nk_call *call;
    const glue_BatchStopJobRunRequest *in;
    const char **code;       /* NULL: submitted */
    nk_str *current, *state; /* the attempt to stop now; p NULL when there is none */
} stop_arg;

static nk_code stop_one(nk_tx *tx, stop_arg *s, size_t i, nk_err *err)
{
    nk_arena *a = s->call->arena;
    run_rec rec, attempt;
    nk_opt_time now = nk_some_time(nk_now_us(s->call->app->env));
    nk_err ignored = NK_ERR_INIT;
    nk_code rc = nk_job_run_load(tx, s->call->region, s->in->JobRunIds.v[i], a, &rec, &ignored);
    s->code[i] = NULL;
    s->current[i] = NK_STR_NULL;
    if (rc == NK_E_NOT_FOUND || (rc == NK_OK && !nk_str_eq(rec.run->JobName, s->in->JobName))) {
        s->code[i] = "EntityNotFoundException";
        return NK_OK;
    }
    if (rc != NK_OK)
        return nk_fail(err, rc, "%s", ignored.msg);
    s->state[i] = rec.run->JobRunState;
    if (nk_job_state_final(rec.run->JobRunState)) {
        s->code[i] = "JobRunInvalidStateTransitionException";
        return NK_OK;
    }
    if (!nk_str_eq(rec.root, rec.run->Id)) /* of an attempt: the whole run stops */
        NK_TRY(nk_job_run_load(tx, s->call->region, rec.root, a, &rec, err));
    if (rec.active == ACTIVE_WAITING) {
        rec.active = ACTIVE_NO;
        rec.run->JobRunState = NK_STR("STOPPED");
        rec.run->CompletedOn = rec.run->LastModifiedOn = now;
        return nk_job_run_save(tx, a, &rec, err);
    }
    rec.run->JobRunState = NK_STR("STOPPING");
    rec.run->LastModifiedOn = now;
    NK_TRY(nk_job_run_save(tx, a, &rec, err));
    s->current[i] = rec.current;
    if (nk_str_eq(rec.current, rec.run->Id))
        return NK_OK;
    NK_TRY(nk_job_run_load(tx, s->call->region, rec.current, a, &attempt, err));
    attempt.run->JobRunState = NK_STR("STOPPING");
    attempt.run->LastModifiedOn = now;
    return nk_job_run_save(tx, a, &attempt, err);
}

static nk_code stop_fn(nk_tx *tx, void *arg, nk_err *err)
{
    stop_arg *s = arg;
    for (size_t i = 0; i < s->in->JobRunIds.n; i++)
        NK_TRY(stop_one(tx, s, i, err));
    return NK_OK;
}

static nk_code answer_stop(nk_call *call, const stop_arg *s, glue_BatchStopJobRunResponse *out)
{
    const glue_BatchStopJobRunRequest *in = s->in;
    for (size_t i = 0; i < in->JobRunIds.n; i++) {
        nk_str id = in->JobRunIds.v[i];
        if (!s->code[i]) {
            out->SuccessfulSubmissions.v[out->SuccessfulSubmissions.n++] =
                (glue_BatchStopJobRunSuccessfulSubmission){.JobName = in->JobName, .JobRunId = id};
            if (s->current[i].p)
                nk_jobs_stop_run(call->app->jobs, call->region, s->current[i]);
            continue;
        }
        glue_ErrorDetail *d = NK_NEW(call->arena, glue_ErrorDetail);
        if (!d)
            return nk_fail(call->err, NK_E_NOMEM, "no memory");
        d->ErrorCode = nk_str_c(s->code[i]);
        d->ErrorMessage =
            s->code[i][0] == 'E'
                ? nk_str_printf(call->arena, "Job run %.*s not found.", NK_STR_ARG(id))
                : nk_str_printf(call->arena, "Job run %.*s is already %.*s.", NK_STR_ARG(id),
                                NK_STR_ARG(s->state[i]));
        out->Errors.v[out->Errors.n++] =
            (glue_BatchStopJobRunError){.JobName = in->JobName, .JobRunId = id, .ErrorDetail = d};
    }
    return NK_OK;
}

nk_code glue_BatchStopJobRun(nk_call *call, const glue_BatchStopJobRunRequest *in,
                             glue_BatchStopJobRunResponse *out)
{
    size_t n = in->JobRunIds.n;
    stop_arg s = {.call = call,
                  .in = in,
                  .code = NK_NEWN(call->arena, const char *, n),
                  .current = NK_NEWN(call->arena, nk_str, n),
                  .state = NK_NEWN(call->arena, nk_str, n)};
    out->SuccessfulSubmissions.v =
        NK_NEWN(call->arena, glue_BatchStopJobRunSuccessfulSubmission, n);
    out->Errors.v = NK_NEWN(call->arena, glue_BatchStopJobRunError, n);
    out->SuccessfulSubmissions.set = out->Errors.set = true;
    if (!s.code || !s.current || !s.state || !out->SuccessfulSubmissions.v || !out->Errors.v)
        return nk_fail(call->err, NK_E_NOMEM, "no memory");
    NK_TRY(nk_store_write(call->app->store, stop_fn, &s, call->err));
    return answer_stop(call, &s, out);
}
