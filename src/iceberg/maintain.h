/* The operation "iceberg" of engine workers: a row of the table in src/cmd/worker.c. */
#ifndef NK_ICE_MAINTAIN_H
#define NK_ICE_MAINTAIN_H

#include "pool/worker.h"

/* The request:
 * {"op":"iceberg","task":"compaction"|"retention"|"orphan_file_deletion"|"purge","metadata":
 * text,"location": of the metadata file,"now_ms",…settings of the lake and of the task}. It looks
 * at a table's files, writes new ones where the task calls for it, and says by frames what should
 * follow:
 * {"event":"written","paths":[…]}  files of its own, to go when the commit fails;
 * {"event":"delete","kind":"data"|"manifest"|"list"|"other"|"orphan"|"temporary","paths":[…]}  to
 * go once it is committed (temporary: in any case);
 * {"event":"result","requirements":[…],"updates":[…],"files":n,"bytes":n}  the commit (no updates:
 * none). */
nk_code nk_iceberg_worker(nk_worker *w, const nk_json *request, nk_arena *arena,
                          nk_err *err) NK_MUST;

#endif
