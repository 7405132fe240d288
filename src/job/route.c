/* Which engine runs a run: the nodes of a visual job as a plan while its script says the same, else
 * the script. */
#include <stdio.h>

#include "job/job_int.h"
#include "plan/codegen.h"
#include "plan/plan.h"

nk_code nk_job_nodes_json(const glue_Job *job, nk_arena *a, nk_str *out, nk_err *err)
{
    const nk_member *m = nk_model_member(&glue_Job_shape, NK_STR("CodeGenConfigurationNodes"));
    return nk_model_encode_str(m->shape, &job->CodeGenConfigurationNodes, a, out, err);
}

/* Whether the embedded engine can run all of the graph, as far as its options tell. */
static nk_code check_plan(nk_str nodes, nk_arena *a, nk_err *err)
{
    nk_plan *p;
    nk_json *doc;
    nk_plan_visual graph;
    NK_TRY(nk_json_parse(nodes, a, 0, &doc, err));
    NK_TRY(nk_plan_create(NULL, &p, err));
    nk_code rc = nk_plan_from_visual(p, doc, &graph, err);
    if (rc == NK_OK)
        rc = nk_plan_check_native(&graph, err);
    nk_plan_destroy(p);
    return rc;
}

nk_code nk_job_route(const glue_Job *job, const glue_JobRun *run, nk_str script, nk_arena *a,
                     nk_job_way *out, nk_err *err)
{
    nk_err own = NK_ERR_INIT;
    nk_str generated, engine = nk_map_str_get(&run->Arguments, "--engine");
    *out = (nk_job_way){0};
    if (!job->CodeGenConfigurationNodes.n)
        return NK_OK;
    NK_TRY(nk_job_nodes_json(job, a, &out->nodes, err));
    if (nk_codegen_script(out->nodes, a, &generated, &own) != NK_OK)
        snprintf(out->why, sizeof out->why, "the job's nodes give no script: %.300s", own.msg);
    else if (!nk_str_eq(generated, script))
        snprintf(out->why, sizeof out->why,
                 "the script is not the one generated from the job's nodes");
    else if (nk_str_is(engine, "spark"))
        snprintf(out->why, sizeof out->why, "the run asks for --engine spark");
    else if (check_plan(out->nodes, a, &own) != NK_OK)
        snprintf(out->why, sizeof out->why, "its nodes cannot run as a plan: %.300s", own.msg);
    else {
        out->plan = true;
        snprintf(out->why, sizeof out->why, "the script is the one generated from the job's nodes");
    }
    return NK_OK;
}
