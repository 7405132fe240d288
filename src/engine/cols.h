/* Rows as columns: what readers of formats (schema/rows.h) put, kept by type until the engine takes
 * a batch. Knows no engine. */
#ifndef NK_COLS_H
#define NK_COLS_H

#include "schema/rows.h"

typedef struct nk_span {
    uint64_t offset, length; /* ARRAY and MAP: into kids[0] (and kids[1]); texts: into bytes */
} nk_span;

/* data, by type->kind: bool; int8_t … int64_t; float; double; __int128 (DECIMAL, unscaled); int32_t
 * days; int64_t µs; nk_span (texts, ARRAY, MAP); nothing (STRUCT, CHOICE). */
typedef struct nk_col nk_col;
struct nk_col {
    const nk_type *type;
    nk_str name;
    size_t n, cap; /* values, nulls among them */
    uint8_t *valid;
    void *data;
    nk_buf bytes; /* texts */
    nk_col *kids;
    size_t nkids;
    bool wanted;
    size_t *order; /* fields sorted by name; NULL: few */
};

typedef struct nk_cols {
    nk_sink sink; /* put rows here */
    nk_col row;   /* a struct; its kids are the columns */
    size_t rows;
    nk_arena *arena; /* kids; memory of values is the heap's */
} nk_cols;

/* type: a struct, borrowed. wanted: which columns (NULL = all); others stay empty. */
nk_code nk_cols_init(nk_cols *c, const nk_type *type, const bool *wanted, nk_err *err) NK_MUST;
void nk_cols_clear(nk_cols *c); /* keeps the memory */
void nk_cols_free(nk_cols *c);

#endif
