/* What history.c and undo.c share. */
#ifndef NK_UNDO_INT_H
#define NK_UNDO_INT_H

#include "catalog/history_int.h"

const nk_kind *nk_history_record_kind(nk_hist_kind kind);
/* The document of a change's object as it stands now; p NULL when it is gone. */
nk_code nk_history_current(nk_call *call, const nk_catalog_ctx *ctx, const nk_row *row,
                           nk_str *out) NK_MUST;
/* What a change of partitions found, as a JSON array. */
nk_code nk_history_partitions(nk_call *call, const nk_row *row, nk_json_writer *w) NK_MUST;

#endif
