/* Inside the crawl room: what the worker is told about a crawl's targets. */
#ifndef NK_CRAWL_TARGETS_H
#define NK_CRAWL_TARGETS_H

#include "crawl/crawlers_int.h"

/* Sets run->targets, the JSON array of the worker's request. NK_E_NOT_FOUND for a table of a
 * catalogue target that is not there. */
nk_code nk_crawl_tell_targets(nk_crawl_run *run, nk_err *err) NK_MUST;

#endif
