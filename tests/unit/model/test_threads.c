/* What the codec's callers share without knowing: compiled patterns, and the seed of hash tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>

#include "model/glue_shapes.h"

enum { THREADS = 8, ROUNDS = 300 };

static pthread_barrier_t gate;

static void *work(void *arg)
{
    static const char good[] =
        "{\"JobName\":\"j\",\"JobRunId\":\"jr_1\",\"PredecessorsIncluded\":true}";
    static const char role[] = "{\"Name\":\"s\",\"Role\":\"%s\",\"Command\":{\"Name\":\"glueetl\"},"
                               "\"Tags\":{\"k%d\":\"v\"}}";
    size_t *bad = arg;
    nk_arena *a = nk_arena_create(0);
    pthread_barrier_wait(&gate);
    for (int i = 0; i < ROUNDS; i++) {
        nk_err err;
        void *v;
        char json[256];
        bool fine = i % 2;
        snprintf(json, sizeof json, role, fine ? "arn:aws:iam::123456789012:role/r" : "nobody", i);
        nk_arena_reset(a);
        if (nk_model_decode(&glue_CreateSessionRequest_shape, nk_str_c(json), a, &v, &err) !=
            NK_OK) {
            ++*bad;
            continue;
        }
        ((glue_CreateSessionRequest *)v)->Id = NK_STR("id");
        nk_code rc = nk_model_validate(&glue_CreateSessionRequest_shape, v, &err);
        *bad += rc != (fine ? NK_OK : NK_E_VALIDATION);
        *bad += nk_model_decode(&glue_GetJobRunRequest_shape, NK_STR(good), a, &v, &err) != NK_OK;
        nk_map m;
        nk_map_init(&m);
        *bad += nk_map_put(&m, NK_STR("x"), &m, NULL) != NK_OK || !nk_map_has(&m, NK_STR("x"));
        nk_map_free(&m);
    }
    nk_arena_destroy(a);
    return NULL;
}

static void threads_share_patterns(void **state)
{
    pthread_t t[THREADS];
    size_t bad[THREADS] = {0};
    assert_int_equal(pthread_barrier_init(&gate, NULL, THREADS), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, work, &bad[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(t[i], NULL), 0);
        assert_int_equal(bad[i], 0);
    }
    pthread_barrier_destroy(&gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(threads_share_patterns)};
    return cmocka_run_group_tests_name("model_threads", tests, NULL, NULL);
}
