#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "iceberg/iceberg_int.h"

enum { DOC = 100, ROOM = 1000 };

static nk_str text_of(int i, char out[DOC + 1])
{
    int n = snprintf(out, DOC + 1, "{\"i\":%d,\"fill\":\"", i);
    memset(out + n, 'x', (size_t)(DOC - n));
    out[DOC] = 0;
    return nk_str_n(out, DOC);
}

static bool has(nk_ice_cache *c, nk_arena *a, int i)
{
    char name[32], want[DOC + 1];
    snprintf(name, sizeof name, "s3://b/%d", i);
    nk_str got = nk_ice_cache_get(c, nk_str_c(name), a);
    if (got.p)
        assert_true(nk_str_eq(got, text_of(i, want)));
    return got.p != NULL;
}

static void put(nk_ice_cache *c, int i)
{
    char name[32], text[DOC + 1];
    snprintf(name, sizeof name, "s3://b/%d", i);
    nk_ice_cache_put(c, nk_str_c(name), text_of(i, text));
}

/* Against a list of what was used last, newest first. */
static void the_least_used_goes_first(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_ice_cache *c = nk_ice_cache_create(ROOM);
    int used[ROOM / DOC], n = 0;
    unsigned seed = 17;
    for (int step = 0; step < 5000; step++) {
        int i = rand_r(&seed) % 25, at = 0;
        while (at < n && used[at] != i)
            at++;
        bool known = at < n;
        assert_int_equal(has(c, a, i), known);
        if (!known) {
            put(c, i);
            n = n < ROOM / DOC ? n + 1 : n;
            at = n - 1;
        }
        memmove(used + 1, used, (size_t)at * sizeof used[0]);
        used[0] = i;
        nk_arena_reset(a);
    }
    put(c, used[0]); /* again: the same */
    assert_true(has(c, a, used[0]));
    nk_ice_cache_destroy(c);
    nk_ice_cache_destroy(NULL);
    nk_arena_destroy(a);
}

static void what_is_too_large_is_not_kept(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_ice_cache *c = nk_ice_cache_create(ROOM);
    char large[ROOM / 4 + 1] = {0};
    put(c, 1);
    nk_ice_cache_put(c, NK_STR("l"), nk_str_n(large, sizeof large));
    assert_null(nk_ice_cache_get(c, NK_STR("l"), a).p);
    nk_ice_cache_put(c, NK_STR("l"), nk_str_n(large, sizeof large - 1));
    assert_non_null(nk_ice_cache_get(c, NK_STR("l"), a).p);
    assert_true(has(c, a, 1));
    nk_ice_cache_destroy(c);
    nk_arena_destroy(a);
}

static void survives_every_failed_allocation(void **state)
{
    for (size_t k = 1;; k++) {
        nk_fault_alloc(k);
        nk_arena *a = nk_arena_create(0);
        nk_ice_cache *c = nk_ice_cache_create(ROOM);
        for (int i = 0; a && c && i < 30; i++) {
            put(c, i);
            (void)has(c, a, i); /* gone or whole */
        }
        nk_ice_cache_destroy(c);
        nk_arena_destroy(a);
        if (nk_fault_alloc(0) < k)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_used_goes_first),
        cmocka_unit_test(what_is_too_large_is_not_kept),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    return cmocka_run_group_tests_name("iceberg_cache", tests, NULL, NULL);
}
