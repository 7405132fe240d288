/* The catalogue as it was (QueryAsOfTime), from the history. */
#ifndef NK_PAST_INT_H
#define NK_PAST_INT_H

#include "catalog/history_int.h"

/* A request's point in time, and the database as it was then. */
typedef struct nk_past {
    nk_call *call;
    nk_catalog_ctx ctx; /* where the database stands; a link is followed */
    int64_t at_us;
    nk_db_ref db;
    int64_t until; /* the change that deleted the database since; INT64_MAX: it is there */
} nk_past;
nk_code nk_past_open(nk_past *p, nk_call *call, const nk_catalog_ctx *ctx, nk_str database,
                     nk_opt_time at) NK_MUST;
/* The record of a table (name folded); NK_E_NOT_FOUND; NK_E_INVALID when the history does not reach
 * back so far. */
nk_code nk_past_table(nk_past *p, nk_str name, nk_row *row) NK_MUST;
/* Tables that have been other than they are now, by name: their records; body p NULL: there was
 * none. */
nk_code nk_past_tables(nk_past *p, nk_row_list *out) NK_MUST;

#endif
