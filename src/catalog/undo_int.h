/* What history.c, kept.c, undo.c and undo_parts.c share. */
#ifndef NK_UNDO_INT_H
#define NK_UNDO_INT_H

#include "catalog/history_int.h"

const nk_kind *nk_history_record_kind(nk_hist_kind kind);
const nk_hist_room *nk_history_room(nk_hist_kind kind); /* NULL: the catalogue's own */

/* A change that is to be undone, as it was read from the history. */
typedef struct nk_undoing {
    nk_call *call;
    nk_catalog_ctx ctx;
    int64_t seq, id;
    nk_hist_kind kind;
    nk_hist_op op;
    nk_str object;
    const nk_kind *record;
    nk_row *before;
    size_t nbefore;
    nk_val *keys;
    size_t nkeys;
    nk_buf *said; /* what was done, for the user */
} nk_undoing;
nk_code nk_undo_read(nk_undoing *u, const nk_row *row) NK_MUST;
/* Says that the change's object is not there any more. */
nk_code nk_undo_gone(const nk_undoing *u) NK_MUST;
/* "db.table" */
void nk_undo_halves(nk_str object, nk_str *database, nk_str *table);
/* Of a table's own parts (undo_parts.c). */
nk_code nk_undo_statistics(nk_undoing *u) NK_MUST;
nk_code nk_undo_indexes(nk_undoing *u) NK_MUST;
/* Several records of one kind: archived versions, crawled tables. */
nk_code nk_undo_rows(nk_undoing *u) NK_MUST;
/* May the record be put back (put; may be replaced by another), or taken away (put NULL)? key: its
 * own; now: what is there, NULL when nothing is. */
nk_code nk_undo_prepare(nk_undoing *u, const nk_val *key, const nk_row *now, nk_row *put) NK_MUST;

/* The document of a change's object as it stands now; p NULL when it is gone. */
nk_code nk_history_current(nk_call *call, const nk_catalog_ctx *ctx, const nk_row *row,
                           nk_str *out) NK_MUST;
/* What a change of partitions found, as a JSON array. */
nk_code nk_history_partitions(nk_call *call, const nk_row *row, nk_json_writer *w) NK_MUST;

/* The documents that a change of several records found, as a JSON array. */
nk_code nk_history_rows(nk_call *call, const nk_row *row, nk_json_writer *w) NK_MUST;

/* [{"Column":…,"Partition":[values] or absent,"Before":document or null}] */
nk_code nk_history_statistics(nk_call *call, const nk_row *row, nk_json_writer *w) NK_MUST;

#endif
