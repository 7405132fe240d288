/* The history inside the catalogue (history.h is what other rooms see). Bounded: when there are
 * more changes than the setting says, the oldest goes, and with a deletion what it held
 * (partitions, versions). */
#ifndef NK_HISTORY_INT_H
#define NK_HISTORY_INT_H

#include "catalog/docs_int.h"
#include "catalog/history.h"

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

bool nk_history_kept(nk_tx *tx);

/* nk_kept_put and nk_kept_drop with documents; messages as of nk_doc_save and nk_doc_drop. */
nk_code nk_kept_doc(const nk_kept *k, const nk_doc_type *type, const nk_val *cols, nk_str name,
                    const void *value, bool insert, nk_err *err) NK_MUST;
nk_code nk_kept_doc_drop(const nk_kept *k, const nk_doc_type *type, const nk_val *key, nk_str name,
                         nk_err *err) NK_MUST;

/* How many are kept, and the counter; the writer's thread only. Closures are rolled back and run
 * again: then a number is drawn anew, and the count is no longer to be trusted. */
typedef struct nk_history_state {
    int64_t max, count;
    int64_t last; /* the number of the change that was counted last */
} nk_history_state;
nk_history_state *nk_catalog_history_state(struct nk_catalog *c);
nk_code nk_history_start(nk_app *app, nk_err *err) NK_MUST;

#endif
