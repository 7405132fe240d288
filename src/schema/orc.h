/* ORC: a file's own schema, from its end alone. */
#ifndef NK_ORC_H
#define NK_ORC_H

#include "schema/type.h"

typedef struct nk_orc_meta {
    const nk_type *type; /* a struct */
    uint64_t rows;
    const char *codec; /* "none", "zlib", "snappy", "lzo", "lz4", "zstd"; static */
} nk_orc_meta;

/* tail: some last bytes of the file (256 or all of it). *want: how many are needed to read the
 * schema. NK_E_PARSE: no ORC file, or cut short. */
nk_code nk_orc_tail_size(nk_str tail, uint64_t file_size, uint64_t *want, nk_err *err) NK_MUST;
/* tail: at least as many last bytes as said above. Result in the arena. A union becomes one type as
 * a crawler's do. */
nk_code nk_orc_read_tail(nk_str tail, nk_arena *a, nk_orc_meta *out, nk_err *err) NK_MUST;

#endif
