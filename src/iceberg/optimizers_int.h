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
    OPT_SOURCE,  /* nk_ice_source; NULL: OF_TABLE */
    OPT_COLS
};
extern const nk_kind nk_kind_optimizer; /* body: glue_TableOptimizer */
/* Who configured it. OF_CATALOG: the catalog's properties say how, whatever the body says. DELETED:
 * the table's was taken away, and it does not get the catalog's again. */
typedef enum { OF_TABLE, OF_CATALOG, DELETED } nk_ice_source;
/* Tells the catalogue's history of it. */
void nk_ice_optimizer_history(void);
enum { RUN_REGION, RUN_DATABASE, RUN_TABLE, RUN_TYPE, RUN_SEQ, RUN_COLS };
extern const nk_kind nk_kind_optimizer_run; /* body: glue_TableOptimizerRun */
enum { PURGE_SEQ, PURGE_COLS };
extern const nk_kind nk_kind_purge; /* body: {"region":…,"location": of the metadata file} */

/* A catalog whose properties have changed: its tables' optimizers are due. Goes once all are. */
enum {
    CASCADE_REGION,
    CASCADE_HOME,
    CASCADE_CATALOG,
    CASCADE_DB,
    CASCADE_TBL,
    CASCADE_TYPE,
    CASCADE_COLS
};
extern const nk_kind
    nk_kind_cascade; /* from DB on: the optimizer that it has come to; NULL: none */

typedef struct nk_ice_optimizer {
    nk_ice_source source;
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
bool nk_ice_optimizer_on(const nk_ice_optimizer *o);
/* The hook of a table that is made or changed: it gets its catalog's optimizers. arg: the app. */
nk_code nk_ice_inherit(void *arg, nk_tx *tx, const nk_catalog_ctx *ctx, const glue_Table *table,
                       const glue_CatalogPropertiesOutput *properties, nk_err *err) NK_MUST;
nk_code nk_ice_catalog_changed(void *arg, nk_tx *tx, const nk_catalog_ctx *ctx,
                               nk_err *err) NK_MUST;
/* One step of what that calls for; more: there was something to do. */
typedef struct nk_ice_cascade_step {
    nk_app *app;
    nk_arena *arena;
    bool more;
} nk_ice_cascade_step;
nk_code nk_ice_cascade(nk_tx *tx, void *step, nk_err *err) NK_MUST;
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
/* The same from within a closure, for after its COMMIT. */
void nk_ice_optimizers_wake_after(nk_app *app);

#endif
