/* nk_cache: values by key, up to a number of bytes, for all threads. What is asked for stays, what
 * is not goes. A value has a stamp, of the caller's meaning: it answers to those who want one that
 * is not older. */
#ifndef NK_CACHE_H
#define NK_CACHE_H

#include "base/arena.h"
#include "base/str.h"

typedef struct nk_cache nk_cache;

/* max_bytes: keys and values, not the table (an 80th of it). NULL when memory is gone. */
nk_cache *nk_cache_create(size_t max_bytes);
/* NULL is fine. */
void nk_cache_destroy(nk_cache *c);
/* A copy in the arena; p NULL when there is none with such a stamp, or no memory for the copy. */
nk_str nk_cache_get(nk_cache *c, nk_str key, int64_t not_older_than, nk_arena *a);
/* Takes the place of one of the same key that is not newer. When memory is gone, or the value is
 * more than a 64th of all, nothing is kept. */
void nk_cache_put(nk_cache *c, nk_str key, int64_t stamp, nk_str value);
/* Bytes that it holds now. */
size_t nk_cache_bytes(nk_cache *c);

#endif
