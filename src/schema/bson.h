/* BSON: documents one behind the other. */
#ifndef NK_BSON_H
#define NK_BSON_H

#include "schema/rows.h"

/* Observes every document that is in the sample whole; a last, cut one is left out (whole: it is an
 * error). NK_E_PARSE says where and what is wrong: in the first document it means "this is no
 * BSON". *documents and *bytes: how many were seen and what they take. */
nk_code nk_bson_observe(nk_infer *in, nk_str sample, bool whole, uint64_t *documents,
                        uint64_t *bytes, nk_err *err) NK_MUST;

#endif
