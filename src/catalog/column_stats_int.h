/* Column statistics, inside the catalogue. */
#ifndef NK_COLUMN_STATS_INT_H
#define NK_COLUMN_STATS_INT_H

#include "catalog/docs_int.h"

/* vals: a partition's packed values; empty for the table. Replaces. */
nk_code nk_column_stats_put(nk_tx *tx, int64_t table, nk_str vals, const glue_ColumnStatistics *s,
                            nk_arena *a, nk_err *err) NK_MUST;

#endif
