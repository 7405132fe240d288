/* Arena: memory that lives as long as one request or one run, with a byte limit and deferred
 * clean-up of handles. Not thread-safe: one thread at a time. */
#ifndef NK_ARENA_H
#define NK_ARENA_H

#include <stddef.h>

#include "base/err.h"

typedef struct nk_arena nk_arena;

/* limit: bytes this arena may ever hand out (0 = no limit). NULL only when memory is gone. */
nk_arena *nk_arena_create(size_t limit);
/* Runs the deferred clean-ups, last first, and frees all. NULL is fine. */
void nk_arena_destroy(nk_arena *a);
/* Runs the clean-ups and forgets all memory, but keeps the first block for the next use. */
void nk_arena_reset(nk_arena *a);

/* Zeroed, aligned to 16. NULL when the limit or memory is exhausted. n == 0 gives a valid pointer.
 */
void *nk_arena_alloc(nk_arena *a, size_t n) __attribute__((malloc, warn_unused_result));
/* As above without zeroing and with alignment 1: for text. */
char *nk_arena_bytes(nk_arena *a, size_t n) __attribute__((malloc, warn_unused_result));
/* NULL on overflow or exhaustion. */
void *nk_arena_calloc(nk_arena *a, size_t count, size_t size)
    __attribute__((malloc, warn_unused_result));
char *nk_arena_strdup(nk_arena *a, const char *s) __attribute__((warn_unused_result));
char *nk_arena_strndup(nk_arena *a, const char *s, size_t n) __attribute__((warn_unused_result));
/* Formatted, NUL-terminated. */
char *nk_arena_printf(nk_arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), warn_unused_result));
/* fn(arg) at destroy or reset; on failure to remember it, fn(arg) runs at once and NK_E_NOMEM comes
 * back. */
nk_code nk_arena_defer(nk_arena *a, void (*fn)(void *), void *arg) NK_MUST;
/* Bytes handed out so far. */
size_t nk_arena_used(const nk_arena *a);

#define NK_NEW(a, T)     ((T *)nk_arena_alloc((a), sizeof(T)))
#define NK_NEWN(a, T, n) ((T *)nk_arena_calloc((a), (n), sizeof(T)))

/* Allocation outside arenas: these go through the fault loop of the tests (nk_fault_alloc). */
void *nk_malloc(size_t n) __attribute__((malloc, warn_unused_result));
void *nk_calloc(size_t count, size_t size) __attribute__((malloc, warn_unused_result));
void *nk_realloc(void *p, size_t n) __attribute__((warn_unused_result));
char *nk_strdup(const char *s) __attribute__((malloc, warn_unused_result));
void nk_free(void *p);

/* Fault loop: the n-th allocation from now on fails (1 = the next), all later ones succeed; 0 =
 * off. Per process. Returns how many allocations have been counted since the last call; they are
 * counted only while it is on (SIZE_MAX counts without failing any). Takes from arenas count too.
 * Tests only. */
size_t nk_fault_alloc(size_t n);

#endif
