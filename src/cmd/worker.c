/* nikawa worker: one engine task in a process of its own, taken from descriptor 3. Started by the
 * pool. */
#include "catalog/stats_worker.h"
#include "crawl/crawl_worker.h"
#include "iceberg/maintain.h"
#include "job/plan_worker.h"
#include "pool/worker.h"

#include "cmd/cmd.h"

/* One row an operation: {"op": name} of a request runs the function. A room adds its header and its
 * row; what needs the engine stands under NK_HAVE_ENGINE. */
static const nk_worker_op ops[] = {
#ifdef NK_HAVE_ENGINE
    {"crawl", nk_crawl_worker},
    {"iceberg", nk_iceberg_worker},
    {"plan", nk_plan_worker},
    {"statistics", nk_stats_worker},
#endif
    {NULL, NULL},
};

int nk_cmd_worker(int argc, char **argv)
{
    return nk_worker_main(ops, NK_COUNTOF(ops));
}
