/* A visual job's run in an engine worker (`nikawa worker`, op "plan"). */
#ifndef NK_PLAN_WORKER_H
#define NK_PLAN_WORKER_H

#include "pool/worker.h"

/* {"op":"plan","run_id","job","nodes":{CodeGenConfigurationNodes},"settings":{of a session}}.
 * Runs the targets in the order of the graph. Sends {"event":"started"}; after each target
 * {"event":"target","node","done","of","rows","bytes","files","partitions"}; at the end
 * {"event":"result","targets":[{"node","name","kind","rows","bytes","path","files":[…],
 * "partitions":[[…]]}]} (long lists are cut, their counts are not). What was read and written
 * stands in the run's output. A stop removes what the target at hand has written. */
nk_code nk_plan_worker(nk_worker *w, const nk_json *request, nk_arena *arena, nk_err *err);

#endif
