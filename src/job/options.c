/* What a job may ask for: worker types, AWS's defaults and refusals, and the job parameters that
 * are honoured, have no effect, or are refused by name. */
#include <stdio.h>

#include "job/job_int.h"

static const worker_type types[] = {
    {"Standard", 1, 16}, {"G.025X", 0.25, 4}, {"G.1X", 1, 16},    {"G.2X", 2, 32}, {"G.4X", 4, 64},
    {"G.8X", 8, 128},    {"G.12X", 12, 192},  {"G.16X", 16, 256}, {"R.1X", 1, 32}, {"R.2X", 2, 64},
    {"R.4X", 4, 128},    {"R.8X", 8, 256},    {"Z.2X", 2, 64},
};

const worker_type *nk_job_worker_type(nk_str name)
{
    for (size_t i = 0; i < NK_COUNTOF(types); i++)
        if (nk_str_is(name, types[i].name))
            return &types[i];
    return NULL;
}

uint64_t nk_job_memory_limit(const glue_JobRun *run, nk_str command, uint64_t server_limit)
{
    const worker_type *t = nk_job_worker_type(run->WorkerType);
    uint64_t gb = t ? t->memory_gb : 16;
    if (nk_str_is(command, "pythonshell")) /* 1/16 DPU has 1 GB, a whole one 16 */
        gb = nk_f64_or(run->MaxCapacity, 0.0625) < 1 ? 1 : 16;
    uint64_t limit = gb << 30;
    return server_limit && server_limit < limit ? server_limit : limit;
}

typedef enum { NOTE, REFUSE } verdict;
/* except: values for which nothing is asked at all, '|' between them. Parameters that are not
 * listed belong to the script or are honoured. */
static const struct {
    const char *name;
    verdict verdict;
    const char *except;
} parameters[] = {
    {"--job-bookmark-option", REFUSE, "job-bookmark-disable|"},
    {"--job-bookmark-from", REFUSE, "|"},
    {"--job-bookmark-to", REFUSE, "|"},
    {"--additional-python-modules", REFUSE, "|"},
    {"--extra-py-files", REFUSE, "|"},
    {"--extra-jars", REFUSE, "|"},
    {"--extra-files", REFUSE, "|"},
    {"--python-modules-installer-option", REFUSE, "|"},
    {"--job-language", REFUSE, "python|"},
    {"--class", REFUSE, "|GlueApp"},
    {"--conf", REFUSE, "|"},
    {"--datalake-formats", REFUSE, "|"},
    {"--enable-lakeformation-fine-grained-access", REFUSE, "false|"},
    {"--enable-glue-di-transforms", REFUSE, "false|"},
    {"--customer-driver-env-vars", REFUSE, "|"},
    {"--customer-executor-env-vars", REFUSE, "|"},
    {"--encryption-type", REFUSE, "|"},
    {"--pip-install", REFUSE, "|"},
    {"--min-workers", REFUSE, "|"},
    {"--auto-scale-within-microbatch", NOTE, "|"},
    {"--enable-auto-scaling", NOTE, "false|"},
    {"--enable-continuous-cloudwatch-log", NOTE, "false|"},
    {"--enable-data-lineage", NOTE, "false|"},
    {"--enable-metrics", NOTE, "false|"},
    {"--enable-observability-metrics", NOTE, "false|"},
    {"--enable-spark-ui", NOTE, "false|"},
    {"--executor-cores", NOTE, "|"},
    {"--user-jars-first", NOTE, "false|"},
    {"--write-shuffle-files-to-s3", NOTE, "false|"},
    {"--write-shuffle-spills-to-s3", NOTE, "false|"},
};

static bool is_one_of(nk_str value, const char *list)
{
    nk_str rest = nk_str_c(list), piece;
    if (!value.n)
        return true;
    while (nk_str_split(&rest, '|', &piece))
        if (nk_str_ieq(piece, value))
            return true;
    return false;
}

static nk_code refuse(nk_err *err, const char *what, nk_str value)
{
    return nk_fail(err, NK_E_UNSUPPORTED, "%s%s%.*s is not supported yet: the run was not started",
                   what, value.n ? " " : "", NK_STR_ARG(value));
}

nk_code nk_job_check_options(const glue_Job *job, const glue_JobRun *run, nk_buf *notes,
                             nk_err *err)
{
    nk_str command = job->Command->Name;
    if (!nk_str_is(command, "glueetl") && !nk_str_is(command, "pythonshell"))
        return refuse(err, "Command.Name", command);
    if (nk_str_is(job->Command->PythonVersion, "2"))
        return refuse(err, "Command.PythonVersion", job->Command->PythonVersion);
    if (job->Connections && job->Connections->Connections.n)
        return refuse(err, "Connections", job->Connections->Connections.v[0]);
    if (run->SecurityConfiguration.n)
        return refuse(err, "SecurityConfiguration", run->SecurityConfiguration);
    for (size_t i = 0; i < run->Arguments.n; i++) {
        const nk_pair *p = &run->Arguments.v[i];
        for (size_t k = 0; k < NK_COUNTOF(parameters); k++) {
            if (!nk_str_is(p->key, parameters[k].name) || is_one_of(p->value, parameters[k].except))
                continue;
            if (parameters[k].verdict == REFUSE)
                return refuse(err, parameters[k].name, p->value);
            (void)nk_buf_printf(notes, "nikawa: %s has no effect here yet\n", parameters[k].name);
        }
    }
    return NK_OK;
}

/* ---- AWS's defaults ---- */

static bool newer_or_same(nk_str version, double than)
{
    double v;
    return nk_str_f64(version, &v) ? v >= than : true;
}

static nk_code settle_shell(nk_opt_f64 *capacity, nk_opt_i64 *allocated, nk_err *err)
{
    if (!capacity->set && allocated->set)
        *capacity = nk_some_f64((double)allocated->value);
    if (!capacity->set)
        *capacity = nk_some_f64(0.0625);
    if (capacity->value != 0.0625 && capacity->value != 1)
        return nk_fail(err, NK_E_INVALID,
                       "For Python shell jobs, MaxCapacity must be either 0.0625 or 1.");
    *allocated = nk_some_i64((int64_t)capacity->value);
    return NK_OK;
}

nk_code nk_job_settle_capacity(nk_str command, nk_str version, nk_str *type, nk_opt_i64 *workers,
                               nk_opt_f64 *capacity, nk_opt_i64 *allocated, nk_err *err)
{
    if (nk_str_is(command, "pythonshell")) {
        if (type->n || workers->set)
            return nk_fail(
                err, NK_E_INVALID,
                "WorkerType and NumberOfWorkers are not supported for Python shell jobs; "
                "use MaxCapacity.");
        return settle_shell(capacity, allocated, err);
    }
    if (capacity->set && (type->n || workers->set))
        return nk_fail(err, NK_E_INVALID,
                       "Please do not set Max Capacity if using Worker Type and "
                       "Number of Workers.");
    if (workers->set && workers->value < 1)
        return nk_fail(err, NK_E_INVALID, "NumberOfWorkers must be at least 1.");
    if (capacity->set && capacity->value < 1)
        return nk_fail(err, NK_E_INVALID, "MaxCapacity must be at least 1 for job type %.*s.",
                       NK_STR_ARG(command));
    if (!type->n && !workers->set && !capacity->set && allocated->set)
        *capacity = nk_some_f64((double)allocated->value);
    if (!type->n && !workers->set && !capacity->set && !newer_or_same(version, 2.0))
        *capacity = nk_some_f64(10);
    if (capacity->set) {
        *allocated = nk_some_i64((int64_t)capacity->value);
        return NK_OK;
    }
    if (!type->n)
        *type = NK_STR("G.1X");
    if (!workers->set)
        *workers = nk_some_i64(10);
    const worker_type *t = nk_job_worker_type(*type);
    double dpu = (t ? t->dpu : 1) * (double)workers->value;
    *capacity = nk_some_f64(dpu);
    *allocated = nk_some_i64((int64_t)dpu);
    return NK_OK;
}

static nk_code settle_command(glue_Job *job, nk_err *err)
{
    static const char *const kinds[] = {"glueetl", "gluestreaming", "pythonshell", "glueray"};
    glue_JobCommand *c = job->Command;
    bool known = false;
    if (!c)
        return nk_fail(err, NK_E_INVALID, "Command is required.");
    if (!c->Name.n)
        c->Name = NK_STR("glueetl");
    for (size_t i = 0; i < NK_COUNTOF(kinds); i++)
        known = known || nk_str_is(c->Name, kinds[i]);
    if (!known)
        return nk_fail(err, NK_E_INVALID,
                       "Invalid command name %.*s. Valid command names are: glueetl, "
                       "gluestreaming, pythonshell, glueray.",
                       NK_STR_ARG(c->Name));
    if (!c->ScriptLocation.n)
        return nk_fail(err, NK_E_INVALID, "Command.ScriptLocation is required.");
    if (!c->PythonVersion.n && !nk_str_is(c->Name, "glueray"))
        c->PythonVersion = nk_str_is(c->Name, "pythonshell") ? NK_STR("3.9") : NK_STR("3");
    return NK_OK;
}

static nk_code settle_limits(glue_Job *job, nk_arena *a, nk_err *err)
{
    if (job->MaxRetries.set && (job->MaxRetries.value < 0 || job->MaxRetries.value > 10))
        return nk_fail(err, NK_E_INVALID, "MaxRetries must be between 0 and 10.");
    if (job->Timeout.set && job->Timeout.value > 10080)
        return nk_fail(err, NK_E_INVALID, "Timeout must be at most 10080 minutes (7 days).");
    if (!job->ExecutionProperty)
        job->ExecutionProperty = NK_NEW(a, glue_ExecutionProperty);
    if (!job->ExecutionProperty)
        return nk_fail(err, NK_E_NOMEM, "no memory");
    nk_opt_i64 *most = &job->ExecutionProperty->MaxConcurrentRuns;
    if (!most->set)
        *most = nk_some_i64(1);
    if (most->value < 1 || most->value > 1000)
        return nk_fail(err, NK_E_INVALID, "MaxConcurrentRuns must be between 1 and 1000.");
    return NK_OK;
}

nk_code nk_job_settle(glue_Job *job, nk_arena *a, nk_err *err)
{
    NK_TRY(settle_command(job, err));
    nk_str command = job->Command->Name;
    bool shell = nk_str_is(command, "pythonshell");
    if (!job->GlueVersion.n)
        job->GlueVersion = shell ? NK_STR("3.0") : NK_STR("6.0");
    NK_TRY(settle_limits(job, a, err));
    NK_TRY(nk_job_settle_capacity(command, job->GlueVersion, &job->WorkerType,
                                  &job->NumberOfWorkers, &job->MaxCapacity, &job->AllocatedCapacity,
                                  err));
    if (!job->Timeout.set && !nk_str_is(command, "gluestreaming"))
        job->Timeout = nk_some_i64(newer_or_same(job->GlueVersion, 5.0) ? 480 : 2880);
    if (!job->JobMode.n)
        job->JobMode = job->CodeGenConfigurationNodes.n ? NK_STR("VISUAL") : NK_STR("SCRIPT");
    if (!job->JobRunQueuingEnabled.set)
        job->JobRunQueuingEnabled = nk_some_bool(false);
    if (!job->ExecutionClass.n && nk_str_is(command, "glueetl"))
        job->ExecutionClass = NK_STR("STANDARD");
    return NK_OK;
}
