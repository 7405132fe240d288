/* Blocks double from 4 KiB to 1 MiB; what is larger than a block gets its own. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define NK_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NK_ASAN 1
#endif
#endif
#ifdef NK_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#define REDZONE        16
#else
#define POISON(p, n)   ((void)0)
#define UNPOISON(p, n) ((void)0)
#define REDZONE        0
#endif

#define BLOCK_MIN ((size_t)4096)
#define BLOCK_MAX ((size_t)1 << 20)
#define ALIGN     ((size_t)16)

typedef struct block {
    struct block *next;
    size_t cap;
} block; /* the bytes follow; the header's size keeps them aligned */
_Static_assert(sizeof(block) % 16 == 0, "block data must stay aligned");

typedef struct deferred {
    struct deferred *next;
    void (*fn)(void *);
    void *arg;
} deferred;

struct nk_arena {
    char *p, *end;  /* free part of the newest block */
    block *blocks;  /* newest first */
    block *first;   /* kept by reset */
    deferred *last; /* clean-ups, newest first; in arena memory */
    size_t used, limit;
};

/* Fault loop. armed is read on every allocation, written only by tests. */
static volatile int fault_armed;
static size_t fault_at, fault_count;

static bool fault_hit(void)
{
    size_t c = __atomic_add_fetch(&fault_count, 1, __ATOMIC_RELAXED);
    return c == __atomic_load_n(&fault_at, __ATOMIC_RELAXED);
}

#define FAULT() (__builtin_expect(fault_armed, 0) && fault_hit())

size_t nk_fault_alloc(size_t n)
{
    size_t counted = __atomic_exchange_n(&fault_count, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&fault_at, n, __ATOMIC_RELAXED);
    fault_armed = n != 0;
    return counted;
}

void *nk_malloc(size_t n)
{
    return FAULT() ? NULL : malloc(n ? n : 1);
}

void *nk_calloc(size_t count, size_t size)
{
    return FAULT() ? NULL : calloc(count ? count : 1, size ? size : 1);
}

void *nk_realloc(void *p, size_t n)
{
    return FAULT() ? NULL : realloc(p, n ? n : 1);
}

char *nk_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *c = nk_malloc(n);
    if (c)
        memcpy(c, s, n);
    return c;
}

void nk_free(void *p)
{
    free(p);
}

static bool add_block(nk_arena *a, size_t need)
{
    size_t cap = a->blocks ? a->blocks->cap * 2 : BLOCK_MIN - sizeof(block);
    if (cap > BLOCK_MAX)
        cap = BLOCK_MAX;
    if (cap < need)
        cap = need;
    block *b = malloc(sizeof(block) + cap);
    if (!b)
        return false;
    b->cap = cap;
    b->next = a->blocks;
    a->blocks = b;
    a->p = (char *)(b + 1);
    a->end = a->p + cap;
    POISON(a->p, cap);
    return true;
}

nk_arena *nk_arena_create(size_t limit)
{
    nk_arena *a = nk_calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->limit = limit ? limit : SIZE_MAX;
    if (!add_block(a, 0)) {
        free(a);
        return NULL;
    }
    a->first = a->blocks;
    return a;
}

static void run_deferred(nk_arena *a)
{
    while (a->last) {
        deferred *d = a->last;
        a->last = d->next;
        d->fn(d->arg);
    }
}

static void free_blocks(nk_arena *a, const block *keep)
{
    for (block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        if (b != keep) {
            UNPOISON(b, sizeof(block) + b->cap);
            free(b);
        }
    }
}

void nk_arena_destroy(nk_arena *a)
{
    if (!a)
        return;
    run_deferred(a);
    free_blocks(a, NULL);
    nk_free(a);
}

void nk_arena_reset(nk_arena *a)
{
    run_deferred(a);
    free_blocks(a, a->first);
    a->blocks = a->first;
    a->first->next = NULL;
    a->p = (char *)(a->first + 1);
    a->end = a->p + a->first->cap;
    a->used = 0;
    POISON(a->p, a->first->cap);
}

static inline char *take(nk_arena *a, size_t n, size_t align)
{
    if (FAULT())
        return NULL;
    size_t pad = (size_t)(-(uintptr_t)a->p) & (align - 1);
    if (__builtin_expect(n > a->limit - a->used, 0))
        return NULL;
    if (__builtin_expect(n + pad + REDZONE > (size_t)(a->end - a->p), 0)) {
        if (n > SIZE_MAX / 2 || !add_block(a, n + ALIGN + REDZONE))
            return NULL;
        pad = (size_t)(-(uintptr_t)a->p) & (align - 1);
    }
    char *p = a->p + pad;
    a->p = p + n + REDZONE;
    a->used += n;
    UNPOISON(p, n);
    return p;
}

void *nk_arena_alloc(nk_arena *a, size_t n)
{
    char *p = take(a, n, ALIGN);
    if (p)
        memset(p, 0, n);
    return p;
}

char *nk_arena_bytes(nk_arena *a, size_t n)
{
    return take(a, n, REDZONE ? 8 : 1);
}

void *nk_arena_calloc(nk_arena *a, size_t count, size_t size)
{
    size_t n;
    if (__builtin_mul_overflow(count, size, &n))
        return NULL;
    return nk_arena_alloc(a, n);
}

char *nk_arena_strndup(nk_arena *a, const char *s, size_t n)
{
    char *c = nk_arena_bytes(a, n + 1);
    if (c) {
        if (n)
            memcpy(c, s, n);
        c[n] = 0;
    }
    return c;
}

char *nk_arena_strdup(nk_arena *a, const char *s)
{
    return nk_arena_strndup(a, s, strlen(s));
}

char *nk_arena_printf(nk_arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *c = n < 0 ? NULL : nk_arena_bytes(a, (size_t)n + 1);
    if (c)
        vsnprintf(c, (size_t)n + 1, fmt, again);
    va_end(again);
    return c;
}

nk_code nk_arena_defer(nk_arena *a, void (*fn)(void *), void *arg)
{
    deferred *d = NK_NEW(a, deferred);
    if (!d) {
        fn(arg);
        return NK_E_NOMEM;
    }
    *d = (deferred){a->last, fn, arg};
    a->last = d;
    return NK_OK;
}

size_t nk_arena_used(const nk_arena *a)
{
    return a->used;
}
