/* Inside the store: what does not depend on the database under it. */
#ifndef NK_STORE_INT_H
#define NK_STORE_INT_H

#include "store/store.h"

/* Positions in kind->cols of the query's order: the index's columns, then the key's that are not
 * among them. Returns how many. */
unsigned nk_order_cols(const nk_kind *kind, const nk_index *index, unsigned char out[NK_POS_MAX]);
/* The first column of the index that is not part of the key, or -1: the one an index wants not
 * NULL. */
int nk_index_sparse_col(const nk_kind *kind, const nk_index *index);
bool nk_val_fits(const nk_kind *kind, unsigned col, const nk_val *v);
/* NK_E_INTERNAL with the reason when the table of a kind breaks a rule of store.h. */
nk_code nk_kind_check(const nk_kind *kind, nk_err *err) NK_MUST;
nk_code nk_query_check(const nk_query *q, nk_err *err) NK_MUST;

#endif
