/* Avro data as a tree of plain values, without a class or a generated struct for it. This header
 * stands alone: programs outside Nikawa include it too. SPDX-License-Identifier: Apache-2.0 */
#ifndef NIKAWA_AVRO_VALUE_H
#define NIKAWA_AVRO_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    NK_AVRO_NULL,
    NK_AVRO_BOOLEAN,
    NK_AVRO_INT,
    NK_AVRO_LONG,
    NK_AVRO_FLOAT,
    NK_AVRO_DOUBLE,
    NK_AVRO_BYTES,
    NK_AVRO_STRING, /* UTF-8 */
    NK_AVRO_RECORD, /* list: the fields in the schema's order */
    NK_AVRO_ENUM,   /* i: the symbol's position */
    NK_AVRO_FIXED,
    NK_AVRO_ARRAY, /* list */
    NK_AVRO_MAP,   /* list, and keys beside it */
    NK_AVRO_UNION, /* only as the kind of a schema; a value is that of a branch */
} nk_avro_kind;

typedef struct nk_avro_text {
    const char *p; /* not NUL-terminated */
    size_t n;
} nk_avro_text;

typedef struct nk_avro_value {
    nk_avro_kind kind;
    /* In a union: which branch, counted from 0. Encoding: -1 takes the first that fits the kind. */
    int32_t branch;
    union {
        bool b;
        int64_t i;      /* INT, LONG, ENUM */
        double d;       /* FLOAT, DOUBLE */
        nk_avro_text s; /* BYTES, STRING, FIXED */
        struct {
            struct nk_avro_value *v;
            size_t n;
            nk_avro_text *keys; /* of a MAP */
        } list;
    } u;
} nk_avro_value;

#endif
