/* The history of the catalogue: every change of what nk_hist_kind lists is kept in the transaction
 * that makes it, and can be undone. Bounded: when there are
 * more than the setting says, the oldest goes, and with a deletion what it held (partitions,
 * versions). */
#ifndef NK_HISTORY_INT_H
#define NK_HISTORY_INT_H

#include "catalog/docs_int.h"

enum {
    NK_HIST_SEQ,
    NK_HIST_SPACE,
    NK_HIST_OBJECT, /* "db", "db.table", "db.function()", "connection x", "tags job/x" */
    NK_HIST_KIND,
    NK_HIST_OP,
    NK_HIST_AT,
    NK_HIST_PURGE, /* 1: dropping this record purges what the deleted object held */
    NK_HIST_UNDOES,
    NK_HIST_NCOLS
};
extern const nk_kind nk_kind_history;

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
    NK_HIST_SETTINGS, /* encryption, export */
    NK_HIST_SECURITY,
    NK_HIST_TAGS,
    NK_HIST_TYPE, /* of connections */
    NK_HIST_KINDS
} nk_hist_kind;
typedef enum { NK_HIST_CREATE, NK_HIST_UPDATE, NK_HIST_DELETE } nk_hist_op;

typedef struct nk_hist {
    nk_hist_kind kind;
    nk_hist_op op;
    nk_str space, object;
    const nk_row *before; /* the record as it was; NULL when created; several for partitions and
                             statistics */
    size_t nbefore;
    const nk_val *keys; /* partitions: the values (BYTES) of those created; else the created key;
                           statistics: those of all created */
    size_t nkeys;
    int64_t id; /* the object's own number: database, table; a partition's table */
} nk_hist;
/* Does nothing while no history is kept; *kept (may be NULL) says. A deletion that is not kept must
 * purge at once. */
nk_code nk_history_add(nk_tx *tx, const nk_catalog_ctx *ctx, const nk_hist *h, bool *kept,
                       nk_err *err) NK_MUST;
bool nk_history_kept(nk_tx *tx);

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
/* The same with documents; messages as of nk_doc_save and nk_doc_drop. */
nk_code nk_kept_doc(const nk_kept *k, const nk_doc_type *type, const nk_val *cols, nk_str name,
                    const void *value, bool insert, nk_err *err) NK_MUST;
nk_code nk_kept_doc_drop(const nk_kept *k, const nk_doc_type *type, const nk_val *key, nk_str name,
                         nk_err *err) NK_MUST;
nk_str nk_table_object(nk_arena *a, nk_str database, nk_str table);

/* How many are kept, and the counter; the writer's thread only. Closures are rolled back and run
 * again: then a number is drawn anew, and the count is no longer to be trusted. */
typedef struct nk_history_state {
    int64_t max, count;
    int64_t last; /* the number of the change that was counted last */
} nk_history_state;
nk_history_state *nk_catalog_history_state(struct nk_catalog *c);
nk_code nk_history_start(nk_app *app, nk_err *err) NK_MUST;

#endif
