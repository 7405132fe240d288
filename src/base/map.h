/* nk_map: string keys to pointers, open addressing, seeded hash. Keys are borrowed: they must
 * outlive the map. Not thread-safe. */
#ifndef NK_MAP_H
#define NK_MAP_H

#include "base/str.h"

typedef struct nk_map_slot {
    nk_str key;
    void *value;
    uint64_t hash;
} nk_map_slot;

typedef struct nk_map {
    nk_map_slot *slots; /* owned (nk_malloc) */
    size_t n, cap;
} nk_map;

void nk_map_init(nk_map *m);
void nk_map_free(nk_map *m);
void *nk_map_get(const nk_map *m, nk_str key); /* NULL when absent */
bool nk_map_has(const nk_map *m, nk_str key);
/* Replaces; the old value goes to *old if asked. */
nk_code nk_map_put(nk_map *m, nk_str key, void *value, void **old) NK_MUST;
void *nk_map_del(nk_map *m, nk_str key);
/* for (size_t i = 0; nk_map_next(&m, &i, &slot);) … in no particular order. */
bool nk_map_next(const nk_map *m, size_t *i, nk_map_slot **slot);

#endif
