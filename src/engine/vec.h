/* nk_vec: a read-only view of up to a few thousand values of one column, whatever the engine. */
#ifndef NK_VEC_H
#define NK_VEC_H

#include "base/base.h"
#include "schema/type.h"

typedef struct nk_vec nk_vec;
typedef struct nk_list_entry {
    uint64_t offset, length;
} nk_list_entry;
typedef struct nk_i128 {
    uint64_t lower;
    int64_t upper;
} nk_i128;

/* data by type->kind: BOOLEAN bool; BYTE/SHORT/INT/LONG int8_t…int64_t; FLOAT, DOUBLE; DECIMAL:
 * integer of `width` bytes, unscaled; STRING, CHAR, VARCHAR, BINARY: opaque, by nk_vec_str; DATE
 * int32_t days; TIMESTAMP int64_t microseconds; ARRAY and MAP: nk_list_entry into children[0]
 * (ARRAY) or children[0], children[1] (MAP keys, values); STRUCT and CHOICE: one child a field. */
struct nk_vec {
    const nk_type *type;
    const uint64_t *validity; /* one bit a row; NULL = all valid */
    const void *data;
    int width; /* DECIMAL: bytes of an element */
    nk_vec *children;
    size_t nchildren;
};

static inline bool nk_vec_valid(const nk_vec *v, size_t i)
{
    return !v->validity || (v->validity[i / 64] >> (i % 64)) & 1;
}
/* Bytes borrowed from the vector. */
nk_str nk_vec_str(const nk_vec *v, size_t i);
/* Unscaled value of a decimal. */
__int128 nk_vec_decimal(const nk_vec *v, size_t i);

#endif
