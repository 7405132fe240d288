/* A Parquet file's own schema, from its footer alone. */
#ifndef NK_PARQUET_H
#define NK_PARQUET_H

#include "schema/type.h"

#define NK_PARQUET_TAIL 8 /* bytes at the end that say how long the footer is */

typedef struct nk_parquet_meta {
    const nk_type *type; /* a struct */
    uint64_t rows;
    uint64_t row_groups;
    uint64_t bytes;    /* of the data, uncompressed */
    const char *codec; /* of the first column chunk: "snappy", "none", "gzip", "zstd", …; static */
    nk_str created_by; /* may be empty */
} nk_parquet_meta;

/* tail: the last 8 bytes of the file. *footer = bytes of footer that stand before them. NK_E_PARSE:
 * "not a Parquet file", cut short, or encrypted. */
nk_code nk_parquet_footer_size(nk_str tail, uint64_t file_size, uint64_t *footer,
                               nk_err *err) NK_MUST;
/* footer: the bytes said above. Result in the arena (names are copied).
 * Types: timestamps of any unit and INT96 → timestamp; times → int/bigint; unsigned integers → the
 * next wider type (64 bits: decimal(20,0)); ENUM, JSON → string; bytes without annotation, UUID,
 * BSON → binary. */
nk_code nk_parquet_read_footer(nk_str footer, nk_arena *a, nk_parquet_meta *out,
                               nk_err *err) NK_MUST;

#endif
