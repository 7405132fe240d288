/* The history of the catalogue, for every room whose records it keeps: each change of what
 * nk_hist_kind lists is kept in the transaction that makes it, and can be listed and undone. */
#ifndef NK_HISTORY_H
#define NK_HISTORY_H

#include "catalog/catalog.h"

/* Their numbers are stored. */
typedef enum {
    NK_HIST_DATABASE,
    NK_HIST_TABLE,
    NK_HIST_PARTITION,
    NK_HIST_FUNCTION,
    NK_HIST_CONNECTION,
    NK_HIST_STATISTICS, /* of a table's or its partitions' columns; object: the table */
    NK_HIST_INDEXES,    /* a table's partition indexes; object: the table */
    NK_HIST_POLICY,
    NK_HIST_SETTINGS, /* encryption, export, import */
    NK_HIST_SECURITY,
    NK_HIST_TAGS,
    NK_HIST_TYPE, /* of connections */
    NK_HIST_CATALOG,
    NK_HIST_VERSIONS,       /* a table's archived versions; object: the table */
    NK_HIST_STATS_SETTINGS, /* of a table's statistics runs; object: the table */
    NK_HIST_CRAWLER,
    NK_HIST_CRAWLED, /* the tables that a crawler has made; object: the crawler */
    NK_HIST_CLASSIFIER,
    NK_HIST_OPTIMIZER, /* object: "db.table.type" */
    NK_HIST_KINDS
} nk_hist_kind;
typedef enum { NK_HIST_CREATE, NK_HIST_UPDATE, NK_HIST_DELETE } nk_hist_op;

typedef struct nk_hist {
    nk_hist_kind kind;
    nk_hist_op op;
    nk_str space, object;
    const nk_row *before; /* the record as it was; NULL when created; several for partitions,
                             statistics, versions and crawled tables */
    size_t nbefore;
    const nk_val *keys; /* partitions: the values (BYTES) of those created; else the created key;
                           of those that are several: those of all created */
    size_t nkeys;
    int64_t id; /* the object's own number: database, table, catalog; a partition's table */
} nk_hist;
/* Does nothing while no history is kept; *kept (may be NULL) says. A deletion that is not kept must
 * purge at once. */
nk_code nk_history_add(nk_tx *tx, const nk_catalog_ctx *ctx, const nk_hist *h, bool *kept,
                       nk_err *err) NK_MUST;
nk_str nk_table_object(nk_arena *a, nk_str database, nk_str table);

/* ---- records without anything below: written here, the history has what they were (kept.c) ----
 */
typedef struct nk_kept {
    nk_tx *tx;
    const nk_catalog_ctx *ctx;
    nk_hist_kind kind;
    nk_str space, object;
} nk_kept;
/* insert: NK_E_EXISTS when it is there. What changes nothing is no change. */
nk_code nk_kept_put(const nk_kept *k, const nk_row *row, bool insert, nk_err *err) NK_MUST;
/* NK_E_NOT_FOUND. */
nk_code nk_kept_drop(const nk_kept *k, const nk_val *key, nk_err *err) NK_MUST;

/* ---- records of other rooms ---- */

typedef struct nk_hist_room {
    nk_hist_kind kind;
    const nk_kind *record;
    /* Before an undoing puts a record (put NULL: takes it away): may refuse, or put another one.
     * now: what is there, NULL when nothing is. NULL: nothing to see to. */
    nk_code (*prepare)(nk_call *call, const nk_catalog_ctx *ctx, const nk_row *now, nk_row *put);
} nk_hist_room;
/* At a room's start, before requests come; static. */
void nk_history_register(const nk_hist_room *room);

#endif
