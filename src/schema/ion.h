/* Amazon Ion, binary and text: top-level structs are the records. */
#ifndef NK_ION_H
#define NK_ION_H

#include "schema/rows.h"

static inline bool nk_is_ion_binary(nk_str head)
{
    return nk_str_starts(head, NK_STR("\xe0\x01\x00\xea"));
}

typedef struct nk_ion_seen {
    uint64_t records, bytes, others; /* others: top-level values that are no structs */
    bool marked;                     /* it says itself that it is Ion */
} nk_ion_seen;

/* Observes every top-level struct that is in the sample whole. A last, cut value is left out,
 * unless whole. NK_E_PARSE says where and what is wrong. scratch: for names and symbols. */
nk_code nk_ion_observe(nk_infer *in, nk_str sample, bool whole, nk_arena *scratch, nk_ion_seen *out,
                       nk_err *err) NK_MUST;

#endif
