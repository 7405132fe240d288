/* Inside iceberg: table optimizers, the server's half. */
#ifndef NK_ICE_OPTIMIZERS_INT_H
#define NK_ICE_OPTIMIZERS_INT_H

#include <pthread.h>

#include "catalog/catalog.h"
#include "iceberg/iceberg_int.h"
#include "model/model.h"

/* ---- records ---- */

enum {
    OPT_REGION,
    OPT_DATABASE,
    OPT_TABLE,
    OPT_TYPE,
    OPT_DUE,     /* microseconds; NULL: off */
    OPT_CREATED, /* the table's CreateTime: one of the same name made later is another table */
    OPT_SEEN,    /* the metadata file that the last run left behind */
    OPT_HOME,    /* the region; OPT_REGION is the space of names */
    OPT_CATALOG, /* CatalogId as it was given; NULL: the account's own */
    OPT_COLS
};
extern const nk_kind nk_kind_optimizer; /* body: glue_TableOptimizer */
enum { RUN_REGION, RUN_DATABASE, RUN_TABLE, RUN_TYPE, RUN_SEQ, RUN_COLS };
extern const nk_kind nk_kind_optimizer_run; /* body: glue_TableOptimizerRun */
enum { PURGE_SEQ, PURGE_COLS };
extern const nk_kind nk_kind_purge; /* body: {"region":…,"location": of the metadata file} */

typedef struct nk_ice_optimizer {
    nk_str region, database, table, type; /* names folded */
    int64_t due_us;                       /* 0 = off */
    int64_t created_us;
    nk_str seen, home, catalog;
    glue_TableOptimizer *o;
} nk_ice_optimizer;

/* NK_E_NOT_FOUND in AWS's words, also when the table is gone or another one. */
nk_code nk_ice_optimizer_load(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database, nk_str table,
                              nk_str type, nk_ice_optimizer *out, nk_err *err) NK_MUST;
nk_code nk_ice_optimizer_save(nk_tx *tx, const nk_ice_optimizer *o, bool insert, nk_arena *a,
                              nk_err *err) NK_MUST;
/* With its runs. */
nk_code nk_ice_optimizer_forget(nk_tx *tx, nk_str region, nk_str database, nk_str table,
                                nk_str type, nk_err *err) NK_MUST;
/* Those of a table that has been renamed follow it, with their runs. */
nk_code nk_ice_optimizers_rename(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database,
                                 nk_str table, nk_str to_database, nk_str to_table,
                                 nk_err *err) NK_MUST;
nk_code nk_ice_run_save(nk_tx *tx, const nk_ice_optimizer *o, int64_t seq,
                        const glue_TableOptimizerRun *run, nk_arena *a, nk_err *err) NK_MUST;

/* ---- the thread that runs them ---- */
typedef struct nk_ice_optimizers nk_ice_optimizers;
nk_code nk_ice_optimizers_create(nk_app *app, nk_ice_optimizers **out, nk_err *err) NK_MUST;
void nk_ice_optimizers_destroy(nk_ice_optimizers *o); /* NULL is fine */
/* Something may be due. */
void nk_ice_optimizers_wake(nk_ice_optimizers *o);

#endif
