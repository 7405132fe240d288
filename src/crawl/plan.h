/* Inside the crawl room: what a crawl would change, as a document; and doing just that later. */
#ifndef NK_CRAWL_PLAN_H
#define NK_CRAWL_PLAN_H

#include "crawl/crawlers_int.h"

typedef struct nk_plan_table {
    nk_str database, name, location;
    nk_str why;                 /* which rule and file */
    const glue_Table *existing; /* as it is now; NULL: is not there */
} nk_plan_table;

/* Adds a table and its changes (none = it stays as it is) to run->plan:
 * {"Database","Table","Location","Why","Action":"CREATE|REPLACE|UPDATE|DEPRECATE|DELETE|NONE",
 *  "Columns":[{"Name","Action":"ADD|DROP|CHANGE","From","To"}],
 *  "Partitions":{"Create":{"Count","Values":[[…]]},"Update":…,"Delete":…}}; at most 1,000 values of
 * each kind are listed. The same catalogue and data give the same text. */
nk_code nk_crawl_plan_table(nk_crawl_run *run, const nk_plan_table *t,
                            const nk_catalog_change *changes, size_t n, nk_err *err) NK_MUST;

/* Keeps the plan and what the worker found, for nk_crawl_plan_load; one a crawler. */
nk_code nk_crawl_plan_keep(nk_crawl_run *run, nk_err *err) NK_MUST;
/* What the crawl `id` of this crawler found and planned: fills run->frames and *plan.
 * NK_E_NOT_FOUND when that is not its newest plan. */
nk_code nk_crawl_plan_load(nk_crawl_run *run, nk_str id, nk_str *plan, nk_err *err) NK_MUST;
/* The document so far: {"CrawlId","Crawler","Tables":[…]}, in the run's arena. */
nk_code nk_crawl_plan_text(nk_crawl_run *run, nk_str *out, nk_err *err) NK_MUST;

#endif
