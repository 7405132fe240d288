/* The operation "crawl" of engine workers: a row of the table in src/cmd/worker.c. */
#ifndef NK_CRAWL_WORKER_H
#define NK_CRAWL_WORKER_H

#include "pool/pool.h"
#include "pool/worker.h"

/* Reads the request's targets from S3 and answers with frames: {"event":"log","level","text"},
 * {"event":"table","base","why","partitions":how many,"database","name",
 * "input":TableInput without its Name}, each followed by
 * {"event":"partitions","inputs":[PartitionInput …]} as needed; of events,
 * {"event":"receipts","queue","url","receipts":[…]} and {"event":"empty","folder"}; and
 * {"event":"result"} at the end. */
nk_code nk_crawl_worker(nk_worker *w, const nk_json *request, nk_arena *arena, nk_err *err) NK_MUST;

#endif
