/* Avro: the schema of an object container file, from its header alone. */
#ifndef NK_AVRO_H
#define NK_AVRO_H

#include "schema/type.h"

typedef struct nk_avro_header {
    const nk_type *type; /* a struct */
    nk_str schema;       /* its JSON text, arena */
    nk_str codec;        /* "null", "deflate", "snappy" …; arena */
    char sync[16];       /* what stands behind each block */
    size_t size;         /* bytes of the header, sync and all; 0 when head ends within the sync */
} nk_avro_header;

/* head: the beginning of the file. NK_E_PARSE says what is wrong; NK_E_LIMIT when the header is
 * longer than head. */
nk_code nk_avro_read_header(nk_str head, nk_arena *a, nk_avro_header *out, nk_err *err) NK_MUST;
/* The type of an Avro schema's JSON. A union with null is its other branch; other unions become one
 * type by the rule; a record that holds itself is a string there. */
nk_code nk_avro_schema_type(nk_str schema, nk_merge_rule rule, nk_arena *a, const nk_type **out,
                            nk_err *err) NK_MUST;
/* The same as a struct: values that are no records are its one field. */
#define NK_AVRO_VALUE "value"
nk_code nk_avro_row_type(nk_str schema, nk_merge_rule rule, nk_arena *a, const nk_type **out,
                         nk_err *err) NK_MUST;

#endif
