/* Task runs that compute column statistics, and their settings; inside the catalogue. */
#ifndef NK_STATS_INT_H
#define NK_STATS_INT_H

#include <pthread.h>

#include "base/cron.h"
#include "catalog/column_stats_int.h"
#include "pool/pool.h"

/* ---- records ---- */
enum { RUN_REGION, RUN_ID, RUN_DB, RUN_TABLE, RUN_SEQ, RUN_ACTIVE, RUN_NCOLS };
extern const nk_kind
    nk_kind_stats_run; /* body: glue_ColumnStatisticsTaskRun; active 1 until it ends */
enum { SET_TABLE, SET_REGION, SET_CRON, SET_NCOLS };
extern const nk_kind nk_kind_stats_settings; /* body: glue_ColumnStatisticsTaskSettings; cron while
                                                scheduled */

/* What runs have noted in the settings that are there stays when earlier ones are put back; now may
 * be NULL. */
nk_code nk_stats_settings_merge(nk_call *call, const nk_row *now, nk_row *put) NK_MUST;

/* A table of a catalog that asks for statistics gets settings, unless it has some or has no column
 * with statistics. ctx: where it stands. */
nk_code nk_stats_settings_inherit(nk_tx *tx, const nk_catalog_ctx *ctx, int64_t id,
                                  const glue_Table *table, nk_str role, nk_err *err) NK_MUST;
/* Removes all that are the catalog's. */
nk_code nk_stats_settings_disinherit(nk_tx *tx, const nk_catalog_ctx *ctx, nk_err *err) NK_MUST;

/* ---- the runner ---- */

typedef struct nk_stats_run nk_stats_run;
/* Statistics of some partitions of a run, until our thread has stored them. */
typedef struct nk_stats_batch nk_stats_batch;
struct nk_stats_batch {
    nk_stats_batch *next;
    nk_stats_run *run;
    nk_arena *arena; /* the batch lives in it */
    nk_strs frames;
};

struct nk_stats_run {
    nk_stats_run *next;
    struct nk_stats *owner;
    nk_arena *arena;      /* the run lives in it; one thread at a time, under owner->lock */
    nk_str region, space; /* space: of its table */
    glue_ColumnStatisticsTaskRun *doc;
    int64_t table, seq;
    glue_Column_list columns; /* of those that are computed; Type: the statistics' type */
    nk_strs types;            /* Hive's types of them */
    glue_Column_list keys;    /* of its partitions */
    uint64_t pool_run;
    nk_strs frames;
    nk_stats_batch *batch; /* that is being received */
    bool launching, exited, finished, stop;
    nk_pool_exit exit;
    nk_err failure;
};

struct nk_stats { /* app->catalog's */
    nk_app *app;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    nk_stats_run *active, *ended;
    nk_stats_batch *batches, **last_batch; /* to be stored, in order */
    bool ending, started;
    int64_t last_minute;
};

/* What a run is asked for. */
typedef struct nk_stats_order {
    nk_str region, database, table, role, security;
    nk_list_str columns; /* none: all that have statistics */
    nk_opt_f64 sample;
} nk_stats_order;
/* id: 37 bytes. */
nk_code nk_stats_begin(struct nk_stats *s, const nk_stats_order *order, char *id,
                       nk_err *err) NK_MUST;
/* Starts what is scheduled for one of the minutes (from, to]. */
void nk_stats_fire(struct nk_stats *s, int64_t from, int64_t to);
nk_code nk_stats_create(nk_app *app, struct nk_stats **out, nk_err *err) NK_MUST;
void nk_stats_destroy(struct nk_stats *s); /* NULL is fine */
struct nk_stats *nk_catalog_stats(const nk_app *app);

/* Under another exception's name than the code's own. */
nk_code nk_fail_as(nk_err *err, nk_code code, const char *aws, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* A worker's frame as statistics of that column. */
nk_code nk_stats_read(const nk_json *frame, nk_str type, nk_str hive_type, int64_t now_us,
                      nk_arena *a, glue_ColumnStatistics *out, nk_err *err) NK_MUST;
/* The statistics' type of a Hive type: "LONG" …, "TIMESTAMP"; NULL for one that has none. */
const char *nk_stats_type(nk_str hive_type, nk_arena *a);

#endif
