/* The history of the catalogue: every change of a database, table, partition, function or
 * connection is kept in the transaction that makes it, and can be undone. Bounded: when there are
 * more than the setting says, the oldest goes, and with a deletion what it held (partitions,
 * versions). */
#ifndef NK_HISTORY_INT_H
#define NK_HISTORY_INT_H

#include "catalog/docs_int.h"

enum {
    NK_HIST_SEQ,
    NK_HIST_SPACE,
    NK_HIST_OBJECT, /* "db", "db.table", "db.function()", "connection x" */
    NK_HIST_KIND,
    NK_HIST_OP,
    NK_HIST_AT,
    NK_HIST_PURGE, /* 1: dropping this record purges what the deleted object held */
    NK_HIST_UNDOES,
    NK_HIST_NCOLS
};
extern const nk_kind nk_kind_history;

typedef enum {
    NK_HIST_DATABASE,
    NK_HIST_TABLE,
    NK_HIST_PARTITION,
    NK_HIST_FUNCTION,
    NK_HIST_CONNECTION,
    NK_HIST_KINDS
} nk_hist_kind;
typedef enum { NK_HIST_CREATE, NK_HIST_UPDATE, NK_HIST_DELETE } nk_hist_op;

typedef struct nk_hist {
    nk_hist_kind kind;
    nk_hist_op op;
    nk_str space, object;
    const nk_row *before; /* the record as it was; NULL when created; several for partitions */
    size_t nbefore;
    const nk_val *keys; /* partitions: the values (BYTES) of those created; else the created key */
    size_t nkeys;
    int64_t id; /* the object's own number: database, table; a partition's table */
} nk_hist;
/* Does nothing while no history is kept; *kept (may be NULL) says. A deletion that is not kept must
 * purge at once. */
nk_code nk_history_add(nk_tx *tx, const nk_catalog_ctx *ctx, const nk_hist *h, bool *kept,
                       nk_err *err) NK_MUST;
bool nk_history_kept(nk_tx *tx);
nk_str nk_table_object(nk_arena *a, nk_str database, nk_str table);

/* How many are kept, and the counter; the writer's thread only. */
typedef struct nk_history_state {
    int64_t max, count, since; /* since: changes since they were counted last */
} nk_history_state;
nk_history_state *nk_catalog_history_state(struct nk_catalog *c);
nk_code nk_history_start(nk_app *app, nk_err *err) NK_MUST;

#endif
