/* Inside ORC: what its footer holds, for the schema and for the rows. */
#ifndef NK_ORC_INT_H
#define NK_ORC_INT_H

#include "schema/orc.h"

/* ---- protocol buffers ---- */

typedef struct nk_proto {
    nk_str in;
    nk_err *err;
    /* the field last read */
    uint64_t number, value; /* value: of kinds 0, 1 and 5 */
    int kind;
    nk_str bytes; /* kind 2 */
} nk_proto;
/* NK_E_END behind the last field. */
nk_code nk_proto_next(nk_proto *p) NK_MUST;

/* ---- the footer ---- */

enum {
    NK_ORC_BOOLEAN,
    NK_ORC_BYTE,
    NK_ORC_SHORT,
    NK_ORC_INT,
    NK_ORC_LONG,
    NK_ORC_FLOAT,
    NK_ORC_DOUBLE,
    NK_ORC_STRING,
    NK_ORC_BINARY,
    NK_ORC_TIMESTAMP,
    NK_ORC_LIST,
    NK_ORC_MAP,
    NK_ORC_STRUCT,
    NK_ORC_UNION,
    NK_ORC_DECIMAL,
    NK_ORC_DATE,
    NK_ORC_VARCHAR,
    NK_ORC_CHAR,
    NK_ORC_INSTANT
};

NK_LIST(nk_orc_ids, uint32_t);
typedef struct nk_orc_type {
    uint64_t kind, precision, scale, length;
    nk_orc_ids kids;
    nk_strs names;
} nk_orc_type;
NK_LIST(nk_orc_types, nk_orc_type);

typedef struct nk_orc_stripe {
    uint64_t at, index, data, footer, rows; /* bytes; at: in the file */
} nk_orc_stripe;
NK_LIST(nk_orc_stripes, nk_orc_stripe);

typedef struct nk_orc_file {
    const nk_type *type; /* a struct */
    nk_orc_types types;  /* as numbered; the first is the root */
    nk_orc_stripes stripes;
    uint64_t rows, compression;
} nk_orc_file;

/* tail: as nk_orc_read_tail. rule: what becomes of unions. */
nk_code nk_orc_file_read(nk_str tail, nk_merge_rule rule, nk_arena *a, nk_orc_file *out,
                         nk_err *err) NK_MUST;
/* Chunks, each behind three bytes: its size, and whether it is stored as it is. */
nk_code nk_orc_unpack(nk_str in, uint64_t compression, nk_buf *out, nk_err *err) NK_MUST;

#endif
