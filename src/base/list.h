/* NK_LIST(name, T): a growable array in an arena, and name_add. Fields: v, n, cap. */
#ifndef NK_LIST_H
#define NK_LIST_H

#include "base/arena.h"

#define NK_LIST(name, T)                                                                           \
    typedef struct name {                                                                          \
        T *v;                                                                                      \
        size_t n, cap;                                                                             \
    } name;                                                                                        \
    /* Adds a zeroed element and returns it, or NULL when memory is gone. */                       \
    static inline T *name##_add(name *l, nk_arena *a)                                              \
    {                                                                                              \
        if (l->n == l->cap) {                                                                      \
            size_t cap = l->cap ? l->cap * 2 : 8;                                                  \
            T *v = (T *)nk_arena_calloc(a, cap, sizeof(T));                                        \
            if (!v)                                                                                \
                return NULL;                                                                       \
            if (l->n)                                                                              \
                memcpy(v, l->v, l->n * sizeof(T));                                                 \
            l->v = v;                                                                              \
            l->cap = cap;                                                                          \
        }                                                                                          \
        return &l->v[l->n++];                                                                      \
    }                                                                                              \
    typedef struct name name##_must_have_semicolon

#include "base/str.h"
NK_LIST(nk_strs, nk_str);

#endif
