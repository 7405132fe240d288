/* The cache beside a plain table: what it gives is what was put last, no older than asked for; it
 * holds no more than it may, and what is asked for stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "base/cache.h"

enum { KEYS = 400 };

static uint64_t seed;

static unsigned rnd(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static nk_str key(nk_arena *a, unsigned k)
{
    return nk_str_printf(a, "key %u", k * 7919);
}

/* A text whose length and bytes follow from k and stamp. */
static nk_str value(nk_arena *a, unsigned k, int64_t stamp)
{
    size_t n = (k * 31 + (size_t)stamp * 17) % 600;
    char *p = nk_arena_bytes(a, n + 1);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(k + (unsigned)stamp * 3 + i);
    return nk_str_n(p, n);
}

static void it_gives_what_was_put_last(void **state)
{
    seed = (uint64_t)nk_now_us(nk_env_real());
    printf("# seed %llu\n", (unsigned long long)seed);
    size_t max = 64 * 1024, found = 0;
    nk_cache *c = nk_cache_create(max);
    assert_non_null(c);
    int64_t last[KEYS] = {0}; /* 0 = never put */
    nk_arena *a = nk_arena_create(0);
    for (int i = 0; i < 40000; i++) {
        unsigned k = rnd(KEYS);
        int64_t stamp = 1 + rnd(1000);
        nk_arena_reset(a);
        if (rnd(3) == 0) {
            nk_cache_put(c, key(a, k), stamp, value(a, k, stamp));
            last[k] = stamp > last[k] ? stamp : last[k];
        } else {
            nk_str got = nk_cache_get(c, key(a, k), stamp, a);
            /* an older one may have come again once the newer had to go */
            if (got.p) {
                bool known = false;
                for (int64_t s = stamp; s <= last[k] && !known; s++)
                    known = nk_str_eq(got, value(a, k, s));
                assert_true(known);
                found++;
            }
        }
        assert_true(nk_cache_bytes(c) <= max);
    }
    assert_true(found > 1000);
    nk_arena_destroy(a);
    nk_cache_destroy(c);
}

static void old_ones_do_not_answer(void **state)
{
    nk_cache *c = nk_cache_create(1 << 20);
    nk_arena *a = nk_arena_create(0);
    nk_cache_put(c, NK_STR("k"), 5, NK_STR("five"));
    nk_cache_put(c, NK_STR("k"), 4, NK_STR("four"));
    assert_true(nk_str_is(nk_cache_get(c, NK_STR("k"), 5, a), "five"));
    assert_null(nk_cache_get(c, NK_STR("k"), 6, a).p);
    assert_null(nk_cache_get(c, NK_STR("k"), 0, a).p); /* it has gone by that */
    assert_int_equal(nk_cache_bytes(c), 0);
    nk_cache_put(c, NK_STR("k"), 7, NK_STR(""));
    nk_str got = nk_cache_get(c, NK_STR("k"), 7, a);
    assert_non_null(got.p);
    assert_int_equal(got.n, 0);
    char *large = nk_arena_bytes(a, 1 << 20);
    memset(large, 'x', 1 << 20);
    nk_cache_put(c, NK_STR("large"), 1, nk_str_n(large, 1 << 20));
    assert_null(nk_cache_get(c, NK_STR("large"), 0, a).p);
    nk_cache *tiny = nk_cache_create(256); /* an entry is larger than a part of it */
    nk_cache_put(tiny, NK_STR("k"), 1, NK_STR("v"));
    assert_int_equal(nk_cache_bytes(tiny), 0);
    nk_cache_destroy(tiny);
    nk_arena_destroy(a);
    nk_cache_destroy(c);
    nk_cache_destroy(NULL);
}

static void what_is_asked_for_stays(void **state)
{
    nk_cache *c = nk_cache_create(1 << 20);
    nk_arena *a = nk_arena_create(0);
    size_t kept = 0, cold = 0;
    char text[1000];
    memset(text, 'v', sizeof text);
    for (unsigned k = 0; k < 100; k++)
        nk_cache_put(c, key(a, k), 1, nk_str_n(text, sizeof text));
    for (unsigned i = 0; i < 20000; i++) {
        nk_arena_reset(a);
        nk_cache_put(c, key(a, 1000 + i), 1, nk_str_n(text, sizeof text));
        nk_str hot = key(a, i / 4 % 100);
        if (i % 4 == 0 && !nk_cache_get(c, hot, 1, a).p)
            nk_cache_put(c, hot, 1, nk_str_n(text, sizeof text));
    }
    for (unsigned k = 0; k < 100; k++) {
        kept += nk_cache_get(c, key(a, k), 1, a).p != NULL;
        cold += nk_cache_get(c, key(a, 1000 + k), 1, a).p != NULL;
    }
    assert_true(kept > 90);
    assert_true(cold < 10);
    nk_arena_destroy(a);
    nk_cache_destroy(c);
}

typedef struct worker {
    nk_cache *c;
    unsigned number;
    pthread_t thread;
    bool wrong;
} worker;

static void *work(void *arg)
{
    worker *w = arg;
    nk_arena *a = nk_arena_create(0);
    for (unsigned i = 0; i < 20000 && !w->wrong; i++) {
        unsigned k = (i * 13 + w->number) % 97;
        nk_arena_reset(a);
        if ((i + w->number) % 5 == 0)
            nk_cache_put(w->c, key(a, k), 3, value(a, k, 3));
        nk_str got = nk_cache_get(w->c, key(a, k), 3, a);
        w->wrong = got.p && !nk_str_eq(got, value(a, k, 3));
    }
    nk_arena_destroy(a);
    return NULL;
}

static void threads_share_it(void **state)
{
    worker w[4] = {0};
    nk_cache *c = nk_cache_create(32 * 1024);
    for (unsigned i = 0; i < 4; i++) {
        w[i] = (worker){.c = c, .number = i};
        assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(w[i].thread, NULL);
        assert_false(w[i].wrong);
    }
    nk_cache_destroy(c);
}

static void failed_allocations_lose_nothing(void **state)
{
    size_t total = 1;
    for (size_t i = 1; i <= total + 1; i++) {
        nk_arena *a = nk_arena_create(0);
        nk_fault_alloc(i);
        nk_cache *c = nk_cache_create(1 << 20);
        if (c) {
            nk_cache_put(c, NK_STR("k"), 1, NK_STR("v"));
            nk_str got = nk_cache_get(c, NK_STR("k"), 1, a);
            assert_true(!got.p || nk_str_is(got, "v"));
        }
        size_t n = nk_fault_alloc(0);
        total = n > total ? n : total;
        nk_cache_destroy(c);
        nk_arena_destroy(a);
    }
    assert_true(total > 17); /* a table a shard, a value, its copy */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_gives_what_was_put_last),      cmocka_unit_test(old_ones_do_not_answer),
        cmocka_unit_test(what_is_asked_for_stays),         cmocka_unit_test(threads_share_it),
        cmocka_unit_test(failed_allocations_lose_nothing),
    };
    return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
