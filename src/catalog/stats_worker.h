/* The operation "statistics" of engine workers: a row of the table in src/cmd/worker.c. */
#ifndef NK_STATS_WORKER_H
#define NK_STATS_WORKER_H

#include "pool/worker.h"

/* Request: {"database","table","sample":percent,"settings":{…},"columns":[{"name","type"}]}, type
 * one of the statistics' seven or "TIMESTAMP". Answers with a frame a column:
 * {"event":"column","name", "rows","present","distinct","values":[texts]}: BOOLEAN: trues, falses;
 * LONG, DOUBLE, DECIMAL, DATE: least, greatest; STRING, BINARY: longest, average length; then
 * {"event":"result"}. */
nk_code nk_stats_worker(nk_worker *w, const nk_json *request, nk_arena *arena, nk_err *err) NK_MUST;

#endif
