/* The operation "statistics" of engine workers: a row of the table in src/cmd/worker.c. */
#ifndef NK_STATS_WORKER_H
#define NK_STATS_WORKER_H

#include "pool/worker.h"

/* Statistics of partitions that are computed, sent and stored at once. */
#define NK_STATS_BATCH 8192

/* Request: {"database","table","sample":percent,"settings":{…},"columns":[{"name","type"}],
 * "keys":[{"name","type"}]}; a column's type: one of the statistics' seven or "TIMESTAMP"; a key's:
 * Hive's. Answers with a frame a column:
 * {"event":"column","name", "rows","present","distinct","values":[texts]}: BOOLEAN: trues, falses;
 * LONG, DOUBLE, DECIMAL, DATE: least, greatest; STRING, BINARY: longest, average length. Where
 * there are keys, the same of each partition, with "partition":[values], and {"event":"partitions"}
 * after no more than NK_STATS_BATCH of them; then {"event":"result"}. */
nk_code nk_stats_worker(nk_worker *w, const nk_json *request, nk_arena *arena, nk_err *err) NK_MUST;

#endif
