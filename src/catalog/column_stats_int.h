/* Column statistics, inside the catalogue. */
#ifndef NK_COLUMN_STATS_INT_H
#define NK_COLUMN_STATS_INT_H

#include "catalog/docs_int.h"

NK_LIST(nk_vals, nk_val);
/* Changes of the statistics of one table, its partitions' too, which go into the history together.
 */
typedef struct nk_stats_writer {
    nk_tx *tx;
    const nk_catalog_ctx *ctx; /* its arena holds what was, until the end */
    int64_t table;
    nk_str space, object; /* of the history */
    /* inside */
    nk_row_list before;
    nk_vals keys;
} nk_stats_writer;
/* vals: a partition's packed values; empty for the table. Replaces. */
nk_code nk_column_stats_put(nk_stats_writer *w, nk_str vals, const glue_ColumnStatistics *s,
                            nk_err *err) NK_MUST;
/* Puts back a record that was read from the history. */
nk_code nk_column_stats_restore(nk_stats_writer *w, const nk_row *row, nk_err *err) NK_MUST;
/* key: a record's. NK_E_NOT_FOUND. */
nk_code nk_column_stats_drop(nk_stats_writer *w, const nk_val *key, nk_err *err) NK_MUST;
/* All that there are of a partition. */
nk_code nk_column_stats_forget(nk_stats_writer *w, nk_str vals, nk_err *err) NK_MUST;
/* After the last of them. */
nk_code nk_column_stats_end(nk_stats_writer *w, nk_err *err) NK_MUST;

#endif
