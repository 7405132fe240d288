/* Jobs and runs as records of the store: their documents are Glue's own Job and JobRun. */
#include "job/job_int.h"

static const nk_col job_cols[] = {
    {"region", NK_COL_TEXT}, {"name", NK_COL_TEXT}, {"tags", NK_COL_TEXT}};
const nk_kind nk_job_kind = {
    .name = "job", .version = 1, .nkey = 2, .cols = job_cols, .ncols = NK_COUNTOF(job_cols)};

static const nk_col run_cols[] = {
    [RUN_REGION] = {"region", NK_COL_TEXT},  [RUN_ID] = {"id", NK_COL_TEXT},
    [RUN_JOB] = {"job", NK_COL_TEXT},        [RUN_STARTED] = {"started_us", NK_COL_I64},
    [RUN_STATE] = {"state", NK_COL_TEXT},    [RUN_ACTIVE] = {"active", NK_COL_I64},
    [RUN_ROOT] = {"root", NK_COL_TEXT},      [RUN_CURRENT] = {"current", NK_COL_TEXT},
    [RUN_RETRIES] = {"retries", NK_COL_I64}, [RUN_ATTEMPT] = {"attempt", NK_COL_I64},
};
const nk_index nk_job_run_indexes[] = {
    [RUN_BY_JOB] = {"by_job", {RUN_REGION, RUN_JOB, RUN_STARTED}, 3, false},
    [RUN_BY_ACTIVE] = {"by_active", {RUN_ACTIVE, RUN_REGION, RUN_JOB, RUN_STARTED}, 4, false},
};
const nk_kind nk_job_run_kind = {.name = "job_run",
                                 .version = 1,
                                 .nkey = 2,
                                 .cols = run_cols,
                                 .ncols = NK_COUNTOF(run_cols),
                                 .indexes = nk_job_run_indexes,
                                 .nindexes = 2};

const nk_kind *const nk_job_kinds[] = {&nk_job_kind, &nk_job_run_kind, NULL};

nk_code nk_job_from_row(const nk_row *row, nk_arena *a, job_rec *out, nk_err *err)
{
    void *job;
    *out = (job_rec){.region = row->cols[0].s};
    NK_TRY(nk_model_decode(&glue_Job_shape, row->body, a, &job, err));
    out->job = job;
    return NK_OK;
}

nk_code nk_job_load(nk_tx *tx, nk_str region, nk_str name, nk_arena *a, job_rec *out, nk_err *err)
{
    nk_row row;
    NK_TRY(nk_store_get(tx, &nk_job_kind, NK_KEY(nk_vs(region), nk_vs(name)), a, &row, err));
    return nk_job_from_row(&row, a, out, err);
}

nk_code nk_job_save(nk_tx *tx, nk_arena *a, const job_rec *rec, nk_err *err)
{
    nk_str body;
    NK_TRY(nk_model_encode_str(&glue_Job_shape, rec->job, a, &body, err));
    nk_row row = {.cols = NK_KEY(nk_vs(rec->region), nk_vs(rec->job->Name), nk_vnull()),
                  .body = body};
    return nk_store_put(tx, &nk_job_kind, &row, err);
}

static nk_str text_or_null(const nk_val *v)
{
    return v->kind == NK_V_TEXT ? v->s : NK_STR_NULL;
}

nk_code nk_job_run_from_row(const nk_row *row, nk_arena *a, run_rec *out, nk_err *err)
{
    void *run;
    const nk_val *c = row->cols;
    NK_TRY(nk_model_decode(&glue_JobRun_shape, row->body, a, &run, err));
    *out = (run_rec){.region = c[RUN_REGION].s,
                     .root = text_or_null(&c[RUN_ROOT]),
                     .current = text_or_null(&c[RUN_CURRENT]),
                     .active = c[RUN_ACTIVE].kind == NK_V_I64 ? c[RUN_ACTIVE].i : ACTIVE_NO,
                     .retries = c[RUN_RETRIES].i,
                     .attempt = c[RUN_ATTEMPT].i,
                     .run = run};
    return NK_OK;
}

nk_code nk_job_run_load(nk_tx *tx, nk_str region, nk_str id, nk_arena *a, run_rec *out, nk_err *err)
{
    nk_row row;
    NK_TRY(nk_store_get(tx, &nk_job_run_kind, NK_KEY(nk_vs(region), nk_vs(id)), a, &row, err));
    return nk_job_run_from_row(&row, a, out, err);
}

nk_code nk_job_run_save(nk_tx *tx, nk_arena *a, const run_rec *rec, nk_err *err)
{
    nk_str body;
    const glue_JobRun *r = rec->run;
    NK_TRY(nk_model_encode_str(&glue_JobRun_shape, r, a, &body, err));
    nk_val cols[] = {
        [RUN_REGION] = nk_vs(rec->region),
        [RUN_ID] = nk_vs(r->Id),
        [RUN_JOB] = nk_vs(r->JobName),
        [RUN_STARTED] = nk_vi(r->StartedOn.us),
        [RUN_STATE] = nk_vs(r->JobRunState),
        [RUN_ACTIVE] = rec->active ? nk_vi(rec->active) : nk_vnull(),
        [RUN_ROOT] = nk_vs(rec->root),
        [RUN_CURRENT] = nk_vs(rec->current),
        [RUN_RETRIES] = nk_vi(rec->retries),
        [RUN_ATTEMPT] = nk_vi(rec->attempt),
    };
    nk_row row = {.cols = cols, .body = body};
    return nk_store_put(tx, &nk_job_run_kind, &row, err);
}

bool nk_job_state_final(nk_str s)
{
    static const char *const final[] = {"SUCCEEDED", "FAILED", "STOPPED",
                                        "TIMEOUT",   "ERROR",  "EXPIRED"};
    for (size_t i = 0; i < NK_COUNTOF(final); i++)
        if (nk_str_is(s, final[i]))
            return true;
    return false;
}

nk_code nk_job_token_make(const nk_query *q, const nk_row *row, nk_arena *a, nk_str *out,
                          nk_err *err)
{
    nk_pos pos;
    nk_buf b;
    nk_buf_init(&b, 65536);
    nk_code rc = nk_store_pos(q, row, a, &pos);
    if (rc == NK_OK)
        rc = nk_store_pos_pack(&pos, &b);
    if (rc == NK_OK)
        *out = nk_base64_encode(a, nk_buf_view(&b));
    nk_buf_free(&b);
    return rc == NK_OK && out->p ? NK_OK : nk_fail(err, NK_E_NOMEM, "no memory for a page token");
}

nk_code nk_job_token_read(const nk_query *q, nk_str token, nk_arena *a, nk_pos *out, nk_err *err)
{
    nk_str bytes;
    if (nk_base64_decode(a, token, &bytes) != NK_OK ||
        nk_store_pos_unpack(q, bytes, a, out) != NK_OK)
        return nk_fail(err, NK_E_INVALID, "Invalid NextToken");
    return NK_OK;
}
