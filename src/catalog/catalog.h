/* catalog: databases, tables and their versions, partitions. The API's operations are handlers
 * registered in src/api/ops.def; this header is what other rooms call in process. */
#ifndef NK_CATALOG_H
#define NK_CATALOG_H

#include "model/call.h"
#include "model/glue_shapes.h"
#include "store/store.h"

/* The kinds of records of this room, for nk_store_open. */
extern const nk_kind *const nk_catalog_kinds[];

/* Takes up again what a stop left undone: purging deleted tables, re-indexing partitions. Call
 * once, when the store is open. */
nk_code nk_catalog_start(nk_app *app, nk_err *err) NK_MUST;
void nk_catalog_stop(nk_app *app);
/* The runs that compute statistics; they need the pool. */
nk_code nk_catalog_stats_start(nk_app *app, nk_err *err) NK_MUST;
void nk_catalog_stats_stop(nk_app *app);

/* Who acts where and when. Strings are borrowed. */
typedef struct nk_catalog_ctx {
    nk_str
        region;  /* the space of names: the region, or "catalog/N" inside a catalogue of its own */
    nk_str home; /* the region, where it is not the space of names; p NULL = it is */
    nk_str account_id;
    nk_str catalog_id; /* what records say of where they are; p NULL = account_id */
    nk_str created_by; /* an ARN; p NULL = the account's root */
    nk_str actor;      /* who is named in the history; p NULL = created_by */
    int64_t undoes;    /* the change of the history that this one undoes; 0 = none */
    int64_t now_us;
    nk_arena *arena; /* everything handed out lives here */
} nk_catalog_ctx;
/* The context of an API call, in the account's own catalogue. */
nk_catalog_ctx nk_catalog_ctx_of(const nk_call *call);
/* The same in the catalogue that a request's CatalogId names: absent or the account's id is the
 * account's own; "ACCOUNT:name" or "name" one that CreateCatalog has made. NK_E_NOT_FOUND. */
nk_code nk_catalog_open(nk_call *call, nk_str catalog_id, nk_catalog_ctx *out) NK_MUST;

/* Whether CreateSecurityConfiguration has made one of this name. */
nk_code nk_catalog_has_security(nk_tx *tx, nk_str region, nk_str name, bool *there,
                                nk_err *err) NK_MUST;

/* Names are folded to lower case in all of these. NK_E_NOT_FOUND in AWS's words when there is none.
 */
nk_code nk_catalog_get_database(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database,
                                glue_Database **out, nk_err *err) NK_MUST;
nk_code nk_catalog_get_table(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database, nk_str table,
                             glue_Table **out, nk_err *err) NK_MUST;
/* A connection as it was created, its passwords included: for those who connect, never for a log.
 */
nk_code nk_catalog_get_connection(nk_tx *tx, nk_app *app, const nk_catalog_ctx *ctx, nk_str name,
                                  const glue_ConnectionInput **out, nk_err *err) NK_MUST;
/* Gives a table another name or database: the same table still, with its partitions, versions,
 * statistics and settings. NK_E_EXISTS when the name is taken. */
nk_code nk_catalog_rename_table(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database, nk_str table,
                                nk_str to_database, nk_str to_table, nk_err *err) NK_MUST;
/* All partitions in key order (expression empty) or those it holds for, whole. fn returns false to
 * stop. */
typedef bool (*nk_catalog_partition_fn)(void *arg, const glue_Partition *p);
nk_code nk_catalog_each_partition(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database,
                                  nk_str table, nk_str expression, nk_catalog_partition_fn fn,
                                  void *arg, nk_err *err) NK_MUST;

/* What a catalog asks for all its tables; NULL: nothing. ctx->catalog_id may be the account's id.
 */
nk_code nk_catalog_properties(nk_tx *tx, const nk_catalog_ctx *ctx,
                              const glue_CatalogPropertiesOutput **out, nk_err *err) NK_MUST;
/* Its optimizer of a type as a table's; enabled is set. p may be NULL. */
nk_code nk_catalog_optimizer(const glue_CatalogPropertiesOutput *p, nk_str type, nk_arena *a,
                             glue_TableOptimizerConfiguration **out, nk_err *err) NK_MUST;
enum { NK_OPTIMIZER_TYPES = 3 };
extern const char *const nk_optimizer_types[NK_OPTIMIZER_TYPES];
/* The limits of an optimizer's numbers. */
nk_code nk_optimizer_check(nk_str type, const glue_TableOptimizerConfiguration *c,
                           nk_err *err) NK_MUST;
/* What another room does, within the transaction, when a table is made or changed, and when a
 * catalog's properties are; ctx is where that stands. Set before requests come; one room may. */
typedef struct nk_catalog_hooks {
    nk_code (*table)(void *arg, nk_tx *tx, const nk_catalog_ctx *ctx, const glue_Table *table,
                     const glue_CatalogPropertiesOutput *properties, nk_err *err);
    nk_code (*properties)(void *arg, nk_tx *tx, const nk_catalog_ctx *ctx, nk_err *err);
    void *arg;
} nk_catalog_hooks;
void nk_catalog_hook(nk_app *app, nk_catalog_hooks hooks);

/* The history of changes and the way back, as operations of our own: JSON in and out. */
nk_code nk_catalog_history(nk_call *call, const nk_json *in, nk_buf *out) NK_MUST;
nk_code nk_catalog_undo(nk_call *call, const nk_json *in, nk_buf *out) NK_MUST;

typedef enum {
    NK_CHANGE_CREATE_DATABASE, /* database; existing is an error unless or_exists */
    NK_CHANGE_CREATE_TABLE,    /* table_input; existing is an error unless or_exists */
    NK_CHANGE_UPDATE_TABLE,    /* table_input */
    NK_CHANGE_PUT_TABLE,       /* create, or update when it is there */
    NK_CHANGE_DELETE_TABLE,    /* table; absent is an error unless or_exists */
    NK_CHANGE_PUT_PARTITION,   /* partition_input: create, or replace when it is there (CreationTime
                                  is kept) */
    NK_CHANGE_ADD_PARTITION,   /* partition_input: create, leave alone when it is there */
    NK_CHANGE_DELETE_PARTITION, /* values; absent is no error */
} nk_catalog_change_kind;

/* Borrowed. */
typedef struct nk_catalog_change {
    nk_catalog_change_kind kind;
    nk_str database, table;
    const glue_TableInput *table_input;
    const glue_PartitionIndex_list *indexes; /* CREATE_TABLE: as CreateTable's; may be NULL */
    const glue_PartitionInput *partition_input;
    const nk_list_str *values;
    bool or_exists;    /* CREATE: an existing one is left alone; DELETE: an absent one is fine */
    bool skip_archive; /* UPDATE, PUT_TABLE: keep no old version */
} nk_catalog_change;

typedef struct nk_catalog_counts {
    int64_t tables_created, tables_updated, tables_deleted;
    int64_t partitions_created, partitions_updated, partitions_deleted;
} nk_catalog_counts;

/* Applies all changes, in order, in this write transaction, or fails: the closure then rolls back.
 * Sets *counts (may be NULL) anew, so a closure may be run again. Keep one closure to at most a few
 * thousand changes. */
nk_code nk_catalog_apply(nk_tx *tx, const nk_catalog_ctx *ctx, const nk_catalog_change *changes,
                         size_t n, nk_catalog_counts *counts, nk_err *err) NK_MUST;

#endif
