/* Shared inside the codec: what lists, maps and absent elements look like without their types. */
#ifndef NK_MODEL_INT_H
#define NK_MODEL_INT_H

#include "model/model.h"

typedef struct nk_seq {
    char *v; /* elements of elem->size bytes; of a map: nk_str key, then the value */
    size_t n;
    bool set;
} nk_seq;

/* A null element of a list of structures: raw_ holds no text but a length. */
#define NK_NULL_ELEM ((nk_str){NULL, 1})

static inline size_t nk_entry_size(const nk_shape *map)
{
    return sizeof(nk_str) + map->elem->size;
}

/* Is a value that stands by value (element, scalar member) there? */
static inline bool nk_present(const nk_shape *s, const void *v)
{
    switch (s->kind) {
    case NK_KIND_STRUCT:
        return !(((const nk_str *)v)->p == NULL && ((const nk_str *)v)->n == 1);
    case NK_KIND_LIST:
    case NK_KIND_MAP:
        return ((const nk_seq *)v)->set || ((const nk_seq *)v)->n;
    case NK_KIND_STRING:
    case NK_KIND_BLOB:
    case NK_KIND_DOC:
        return ((const nk_str *)v)->p != NULL;
    default:
        return *(const bool *)v;
    }
}

/* The value of a member, or NULL when absent. */
static inline const void *nk_member_value(const nk_member *m, const void *owner)
{
    const char *slot = (const char *)owner + m->offset;
    if (m->shape->kind == NK_KIND_STRUCT)
        return *(void *const *)(const void *)slot;
    return nk_present(m->shape, slot) ? slot : NULL;
}

#endif
