/* crawl: crawlers, their runs and schedules. Operations are handlers registered in src/api/ops.def;
 * the looking into data happens in an engine worker (crawl_worker.h), this half only keeps what
 * comes of it. */
#ifndef NK_CRAWL_H
#define NK_CRAWL_H

#include "model/call.h"
#include "store/store.h"

typedef struct nk_crawlers nk_crawlers;

/* The kinds of records of this room, for nk_store_open. */
extern const nk_kind *const nk_crawl_kinds[];

/* Once the store is open (and, for crawls to run, app->pool is there): crawls that an earlier
 * server left running become FAILED, then the thread starts that stores results and fires
 * schedules. app is borrowed; sets app->crawlers. */
nk_code nk_crawlers_create(nk_app *app, nk_crawlers **out, nk_err *err) NK_MUST;
/* Ends running crawls (they become FAILED) and the thread. Before the store is closed; before or
 * after nk_pool_destroy. NULL is fine. */
void nk_crawlers_destroy(nk_crawlers *c);

/* The room's row in cmd/rooms.c: the two above on app->crawlers. */
nk_code nk_crawl_room_start(nk_app *app, nk_err *err) NK_MUST;
void nk_crawl_room_stop(nk_app *app);

/* DIR/logs/crawlers/REGION/NAME.log, where a crawler's crawls are told of; what the name of a file
 * cannot hold is written %XX. p NULL when memory is gone. */
nk_str nk_crawl_log_path(nk_arena *a, nk_str dir, nk_str region, nk_str name);

/* StartCrawler, for triggers and schedules: any thread but the store's writer. *crawl_id (36
 * characters and NUL) may be NULL. */
nk_code nk_crawlers_start(nk_crawlers *c, nk_str region, nk_str name, char *crawl_id,
                          nk_err *err) NK_MUST;

#endif
