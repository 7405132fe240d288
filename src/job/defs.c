/* Job definitions: CreateJob, GetJob, GetJobs, ListJobs, BatchGetJobs, UpdateJob, DeleteJob. */
#include "job/job_int.h"
#include "catalog/tags.h"
#include "lake/lake.h"
#include "model/glue_handlers.h"
#include "plan/codegen.h"

#define PAGE_MAX 1000

static nk_code no_such_job(nk_err *err, nk_str name)
{
    return nk_fail(err, NK_E_NOT_FOUND, "Job %.*s not found.", NK_STR_ARG(name));
}

/* As tags know a job. */
static nk_str resource_of(nk_arena *a, nk_str name)
{
    return nk_str_printf(a, "job/%.*s", NK_STR_ARG(name));
}

/* ---- visual jobs: their script is generated and put where the job says ---- */

static nk_code default_location(nk_call *call, nk_str name, nk_str *out)
{
    nk_str bucket;
    NK_TRY(nk_lake_assets_bucket(call->app->lake, call->region, call->arena, &bucket, call->err));
    *out = nk_str_printf(call->arena, "s3://%.*s/scripts/%.*s.py", NK_STR_ARG(bucket),
                         NK_STR_ARG(name));
    return out->p ? NK_OK : nk_fail(call->err, NK_E_NOMEM, "no memory");
}

static nk_code generate_script(nk_call *call, glue_Job *job)
{
    nk_str nodes, script;
    nk_s3_uri uri;
    if (!call->app->lake)
        return nk_fail(call->err, NK_E_INVALID,
                       "a visual job's script is stored in the lake, and this server has none");
    if (!job->Command) {
        job->Command = NK_NEW(call->arena, glue_JobCommand);
        if (!job->Command)
            return nk_fail(call->err, NK_E_NOMEM, "no memory");
    }
    if (!job->Command->ScriptLocation.n)
        NK_TRY(default_location(call, job->Name, &job->Command->ScriptLocation));
    NK_TRY(nk_job_nodes_json(job, call->arena, &nodes, call->err));
    NK_TRY(nk_codegen_script(nodes, call->arena, &script, call->err));
    NK_TRY(nk_s3_uri_parse(job->Command->ScriptLocation, &uri, call->err));
    nk_code rc = nk_s3_put(nk_lake_s3(call->app->lake), uri.bucket, uri.key, script,
                           "text/x-python", call->err);
    if (rc == NK_E_NOT_FOUND &&
        nk_s3_create_bucket(nk_lake_s3(call->app->lake), uri.bucket, call->err) == NK_OK)
        rc = nk_s3_put(nk_lake_s3(call->app->lake), uri.bucket, uri.key, script, "text/x-python",
                       call->err);
    if (rc == NK_E_NOT_FOUND)
        return nk_fail(call->err, NK_E_INVALID, "cannot store the generated script at %.*s",
                       NK_STR_ARG(job->Command->ScriptLocation));
    return rc;
}

/* ---- create ---- */

typedef struct create_arg {
    nk_call *call;
    job_rec rec;
    const nk_map_str *tags;
} create_arg;

/* The same request again is the same job; times do not count. */
static nk_code same_job(const job_rec *x, const job_rec *y, nk_arena *a, bool *same, nk_err *err)
{
    glue_Job left = *x->job, right = *y->job;
    nk_str l, r;
    left.CreatedOn = left.LastModifiedOn = right.CreatedOn = right.LastModifiedOn =
        (nk_opt_time){0};
    NK_TRY(nk_model_encode_str(&glue_Job_shape, &left, a, &l, err));
    NK_TRY(nk_model_encode_str(&glue_Job_shape, &right, a, &r, err));
    *same = nk_str_eq(l, r);
    return NK_OK;
}

static nk_code create_fn(nk_tx *tx, void *arg, nk_err *err)
{
    create_arg *c = arg;
    nk_arena *a = c->call->arena;
    job_rec old;
    bool same;
    nk_code rc = nk_job_load(tx, c->call->region, c->rec.job->Name, a, &old, NULL);
    if (rc == NK_E_NOT_FOUND) {
        NK_TRY(nk_job_save(tx, a, &c->rec, err));
        return nk_tags_put(tx, c->call->region, resource_of(a, c->rec.job->Name), c->tags, a, err);
    }
    if (rc != NK_OK)
        return nk_fail(err, rc, "cannot read job %.*s", NK_STR_ARG(c->rec.job->Name));
    NK_TRY(same_job(&old, &c->rec, a, &same, err));
    if (!same)
        return nk_fail(err, NK_E_IDEMPOTENT,
                       "Job with name '%.*s' already submitted with different configuration",
                       NK_STR_ARG(c->rec.job->Name));
    return NK_OK;
}

nk_code glue_CreateJob(nk_call *call, const glue_CreateJobRequest *in, glue_CreateJobResponse *out)
{
    glue_Job *job = NK_NEW(call->arena, glue_Job);
    int64_t now = nk_now_us(call->app->env);
    if (!job)
        return nk_fail(call->err, NK_E_NOMEM, "no memory");
    *job = (glue_Job){.Name = in->Name,
                      .JobMode = in->JobMode,
                      .JobRunQueuingEnabled = in->JobRunQueuingEnabled,
                      .Description = in->Description,
                      .LogUri = in->LogUri,
                      .Role = in->Role,
                      .ExecutionProperty = in->ExecutionProperty,
                      .Command = in->Command,
                      .DefaultArguments = in->DefaultArguments,
                      .NonOverridableArguments = in->NonOverridableArguments,
                      .Connections = in->Connections,
                      .MaxRetries = in->MaxRetries,
                      .AllocatedCapacity = in->AllocatedCapacity,
                      .Timeout = in->Timeout,
                      .MaxCapacity = in->MaxCapacity,
                      .SecurityConfiguration = in->SecurityConfiguration,
                      .NotificationProperty = in->NotificationProperty,
                      .GlueVersion = in->GlueVersion,
                      .NumberOfWorkers = in->NumberOfWorkers,
                      .WorkerType = in->WorkerType,
                      .CodeGenConfigurationNodes = in->CodeGenConfigurationNodes,
                      .ExecutionClass = in->ExecutionClass,
                      .SourceControlDetails = in->SourceControlDetails,
                      .MaintenanceWindow = in->MaintenanceWindow,
                      .CreatedOn = nk_some_time(now),
                      .LastModifiedOn = nk_some_time(now)};
    if (job->CodeGenConfigurationNodes.n)
        NK_TRY(generate_script(call, job));
    NK_TRY(nk_job_settle(job, call->arena, call->err));
    create_arg c = {call, {.region = call->region, .job = job}, &in->Tags};
    NK_TRY(nk_store_write(call->app->store, create_fn, &c, call->err));
    out->Name = in->Name;
    return NK_OK;
}

/* ---- update ---- */

/* As AWS: what the update does not name is gone. */
static nk_code update_fn(nk_tx *tx, void *arg, nk_err *err)
{
    create_arg *c = arg;
    nk_arena *a = c->call->arena;
    job_rec old;
    nk_code rc = nk_job_load(tx, c->call->region, c->rec.job->Name, a, &old, NULL);
    if (rc != NK_OK)
        return no_such_job(err, c->rec.job->Name);
    job_rec now = c->rec;
    now.job->CreatedOn = old.job->CreatedOn;
    return nk_job_save(tx, a, &now, err);
}

static nk_code exists_fn(nk_tx *tx, void *arg, nk_err *err)
{
    create_arg *c = arg;
    bool found;
    NK_TRY(nk_store_has(tx, &nk_job_kind, NK_KEY(nk_vs(c->call->region), nk_vs(c->rec.job->Name)),
                        &found, err));
    return found ? NK_OK : no_such_job(err, c->rec.job->Name);
}

nk_code glue_UpdateJob(nk_call *call, const glue_UpdateJobRequest *in, glue_UpdateJobResponse *out)
{
    const glue_JobUpdate *u = in->JobUpdate;
    glue_Job *job = NK_NEW(call->arena, glue_Job);
    if (!job)
        return nk_fail(call->err, NK_E_NOMEM, "no memory");
    *job = (glue_Job){.Name = in->JobName,
                      .JobMode = u->JobMode,
                      .JobRunQueuingEnabled = u->JobRunQueuingEnabled,
                      .Description = u->Description,
                      .LogUri = u->LogUri,
                      .Role = u->Role,
                      .ExecutionProperty = u->ExecutionProperty,
                      .Command = u->Command,
                      .DefaultArguments = u->DefaultArguments,
                      .NonOverridableArguments = u->NonOverridableArguments,
                      .Connections = u->Connections,
                      .MaxRetries = u->MaxRetries,
                      .AllocatedCapacity = u->AllocatedCapacity,
                      .Timeout = u->Timeout,
                      .MaxCapacity = u->MaxCapacity,
                      .SecurityConfiguration = u->SecurityConfiguration,
                      .NotificationProperty = u->NotificationProperty,
                      .GlueVersion = u->GlueVersion,
                      .NumberOfWorkers = u->NumberOfWorkers,
                      .WorkerType = u->WorkerType,
                      .CodeGenConfigurationNodes = u->CodeGenConfigurationNodes,
                      .ExecutionClass = u->ExecutionClass,
                      .SourceControlDetails = u->SourceControlDetails,
                      .MaintenanceWindow = u->MaintenanceWindow,
                      .LastModifiedOn = nk_some_time(nk_now_us(call->app->env))};
    create_arg c = {call, {.region = call->region, .job = job}, NULL};
    NK_TRY(nk_store_read(call->app->store, exists_fn, &c, call->err));
    if (job->CodeGenConfigurationNodes.n)
        NK_TRY(generate_script(call, job));
    NK_TRY(nk_job_settle(job, call->arena, call->err));
    NK_TRY(nk_store_write(call->app->store, update_fn, &c, call->err));
    out->JobName = in->JobName;
    return NK_OK;
}

/* ---- delete ---- */

nk_code glue_DeleteJob(nk_call *call, const glue_DeleteJobRequest *in, glue_DeleteJobResponse *out)
{
    nk_code rc = nk_store_delete(call->tx, &nk_job_kind,
                                 NK_KEY(nk_vs(call->region), nk_vs(in->JobName)), call->err);
    if (rc != NK_OK && rc != NK_E_NOT_FOUND)
        return rc;
    *call->err = (nk_err)NK_ERR_INIT;
    out->JobName = in->JobName;
    return nk_tags_drop(call->tx, call->region, resource_of(call->arena, in->JobName), call->err);
}

/* ---- get ---- */

nk_code glue_GetJob(nk_call *call, const glue_GetJobRequest *in, glue_GetJobResponse *out)
{
    job_rec rec;
    nk_code rc = nk_job_load(call->tx, call->region, in->JobName, call->arena, &rec, call->err);
    if (rc == NK_E_NOT_FOUND)
        return no_such_job(call->err, in->JobName);
    out->Job = rec.job;
    return rc;
}

nk_code glue_BatchGetJobs(nk_call *call, const glue_BatchGetJobsRequest *in,
                          glue_BatchGetJobsResponse *out)
{
    size_t n = in->JobNames.n;
    out->Jobs.v = NK_NEWN(call->arena, glue_Job, n);
    out->JobsNotFound.v = NK_NEWN(call->arena, nk_str, n);
    if (!out->Jobs.v || !out->JobsNotFound.v)
        return nk_fail(call->err, NK_E_NOMEM, "no memory");
    out->Jobs.set = out->JobsNotFound.set = true;
    for (size_t i = 0; i < n; i++) {
        job_rec rec;
        nk_code rc =
            nk_job_load(call->tx, call->region, in->JobNames.v[i], call->arena, &rec, call->err);
        if (rc == NK_OK)
            out->Jobs.v[out->Jobs.n++] = *rec.job;
        else if (rc == NK_E_NOT_FOUND)
            out->JobsNotFound.v[out->JobsNotFound.n++] = in->JobNames.v[i];
        else
            return rc;
    }
    *call->err = (nk_err)NK_ERR_INIT;
    return NK_OK;
}

/* One page of jobs in name order, for GetJobs and ListJobs. */
typedef struct page {
    nk_call *call;
    const nk_query *q;
    size_t max;
    const nk_map_str *tags; /* NULL = all */
    glue_Job *jobs;
    nk_str *names;
    size_t n;
    nk_str token;
    nk_code rc;
} page;

static bool on_job(void *arg, const nk_row *row)
{
    page *p = arg;
    job_rec rec;
    nk_row own;
    p->rc = nk_row_dup(&nk_job_kind, row, p->call->arena, &own);
    if (p->rc != NK_OK) {
        (void)nk_fail(p->call->err, p->rc, "out of memory");
        return false;
    }
    p->rc = nk_job_from_row(&own, p->call->arena, &rec, p->call->err);
    if (p->rc != NK_OK)
        return false;
    if (p->tags) {
        nk_str resource = resource_of(p->call->arena, rec.job->Name);
        bool yes;
        p->rc = nk_tags_match(p->call->tx, p->call->region, resource, p->tags, p->call->arena, &yes,
                              p->call->err);
        if (p->rc != NK_OK || !yes)
            return p->rc == NK_OK;
    }
    p->jobs[p->n] = *rec.job;
    p->names[p->n++] = rec.job->Name;
    if (p->n < p->max)
        return true;
    p->rc = nk_job_token_make(p->q, &own, p->call->arena, &p->token, p->call->err);
    return false;
}

static bool on_any(void *arg, const nk_row *row)
{
    *(bool *)arg = true;
    return false;
}

static nk_code list_page(page *p, nk_opt_i64 max, nk_str token)
{
    nk_pos after;
    const nk_val prefix[] = {nk_vs(p->call->region)};
    nk_query q = {.kind = &nk_job_kind, .prefix = prefix, .nprefix = 1};
    p->q = &q;
    p->max = (size_t)nk_i64_or(max, 100);
    if (p->max > PAGE_MAX)
        p->max = PAGE_MAX;
    p->jobs = NK_NEWN(p->call->arena, glue_Job, p->max);
    p->names = NK_NEWN(p->call->arena, nk_str, p->max);
    if (!p->jobs || !p->names)
        return nk_fail(p->call->err, NK_E_NOMEM, "no memory");
    if (token.n) {
        NK_TRY(nk_job_token_read(&q, token, p->call->arena, &after, p->call->err));
        q.after = &after;
    }
    NK_TRY(nk_store_scan(p->call->tx, &q, on_job, p, p->call->err));
    NK_TRY(p->rc);
    if (p->token.n) { /* no token when nothing follows */
        bool more = false;
        nk_pos last;
        NK_TRY(nk_job_token_read(&q, p->token, p->call->arena, &last, p->call->err));
        q.after = &last;
        NK_TRY(nk_store_scan(p->call->tx, &q, on_any, &more, p->call->err));
        if (!more)
            p->token = NK_STR_NULL;
    }
    return NK_OK;
}

nk_code glue_GetJobs(nk_call *call, const glue_GetJobsRequest *in, glue_GetJobsResponse *out)
{
    page p = {.call = call};
    NK_TRY(list_page(&p, in->MaxResults, in->NextToken));
    out->Jobs = (glue_Job_list){.v = p.jobs, .n = p.n, .set = true};
    out->NextToken = p.token;
    return NK_OK;
}

nk_code glue_ListJobs(nk_call *call, const glue_ListJobsRequest *in, glue_ListJobsResponse *out)
{
    page p = {.call = call, .tags = in->Tags.n ? &in->Tags : NULL};
    NK_TRY(list_page(&p, in->MaxResults, in->NextToken));
    out->JobNames = (nk_list_str){.v = p.names, .n = p.n, .set = true};
    out->NextToken = p.token;
    return NK_OK;
}
