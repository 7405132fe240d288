/* Delta's log: which files lead to the newest version, and what a line that is cut anywhere, or an
 * allocation that fails anywhere, makes of it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include "crawl/delta.h"

static const char *const actions[] = {
    "{\"commitInfo\":{\"timestamp\":1700000000123}}",
    "{\"protocol\":{\"minReaderVersion\":3,\"readerFeatures\":[\"deletionVectors\"]}}",
    "{\"metaData\":{\"schemaString\":\"{\\\"type\\\":\\\"struct\\\",\\\"fields\\\":[{\\\"name\\\":"
    "\\\"Id\\\",\\\"type\\\":\\\"long\\\"},{\\\"name\\\":\\\"k\\\",\\\"type\\\":\\\"string\\\"},"
    "{\\\"name\\\":\\\"v\\\",\\\"type\\\":\\\"variant\\\"}]}\",\"partitionColumns\":[\"k\"]}}",
    "{\"add\":{\"path\":\"k=a%2520b/1.parquet\",\"partitionValues\":{\"k\":\"a b/\"}}}",
    "{\"add\":{\"path\":\"2.parquet\",\"partitionValues\":{\"k\":null}}}",
    "{\"add\":{\"path\":\"3.parquet\",\"partitionValues\":{\"k\":\"x\"}}}",
    "{\"remove\":{\"path\":\"3.parquet\"}}",
    "{\"sidecar\":{\"path\":\"s%20.parquet\"}}",
};

static nk_code read_all(nk_arena *a, size_t *files, nk_str *type, nk_str *path)
{
    nk_delta d;
    nk_str value;
    nk_buf b;
    nk_map_slot *slot;
    nk_code rc = NK_OK;
    nk_delta_init(&d, a, true);
    for (size_t i = 0; i < NK_COUNTOF(actions) && rc == NK_OK; i++)
        rc = nk_delta_action(&d, nk_str_c(actions[i]), a, NULL);
    if (rc == NK_OK)
        rc = nk_delta_settle(&d, NULL);
    for (size_t i = 0; rc == NK_OK && nk_map_next(&d.files, &i, &slot);) {
        const nk_delta_file *f = slot->value;
        if (f->path.n > 9)
            rc = nk_delta_partition(&d, f, a, &value, path, NULL);
    }
    nk_buf_init(&b, 4096);
    if (rc == NK_OK)
        rc = nk_type_print(d.type, true, &b);
    if (rc == NK_OK && !(*type = nk_buf_dup(&b, a)).p)
        rc = NK_E_NOMEM;
    *files = d.files.n;
    nk_buf_free(&b);
    nk_delta_free(&d);
    return rc;
}

static void test_actions(void **state)
{
    size_t files = 0;
    nk_str type = NK_STR(""), path = NK_STR("");
    nk_arena *a = nk_arena_create(0);
    assert_int_equal(read_all(a, &files, &type, &path), NK_OK);
    assert_int_equal(files, 2);
    assert_string_equal(type.p, "struct<Id:bigint,k:string,v:string>");
    assert_string_equal(path.p, "k=a b%2F/");
    nk_arena_destroy(a);
}

/* Each allocation fails once: an error of memory, or the very same. */
static void test_memory(void **state)
{
    for (size_t n = 1;; n++) {
        size_t files = 0;
        nk_str type = NK_STR(""), path = NK_STR("");
        nk_fault_alloc(n);
        nk_arena *a = nk_arena_create(0);
        nk_code rc = a ? read_all(a, &files, &type, &path) : NK_E_NOMEM;
        bool fired = nk_fault_alloc(0) >= n;
        if (rc == NK_OK) {
            assert_int_equal(files, 2);
            assert_string_equal(type.p, "struct<Id:bigint,k:string,v:string>");
            assert_string_equal(path.p, "k=a b%2F/");
        } else {
            assert_int_equal(rc, NK_E_NOMEM);
        }
        nk_arena_destroy(a);
        if (!fired)
            break;
    }
}

/* A line cut anywhere is an error, never a crash. */
static void test_cut_lines(void **state)
{
    for (size_t i = 0; i < NK_COUNTOF(actions); i++) {
        for (size_t n = 1; n < strlen(actions[i]); n++) {
            nk_arena *a = nk_arena_create(0);
            nk_delta d;
            nk_delta_init(&d, a, true);
            assert_int_equal(nk_delta_action(&d, nk_str_n(actions[i], n), a, NULL), NK_E_PARSE);
            nk_delta_free(&d);
            nk_arena_destroy(a);
        }
    }
}

static void add(nk_delta_log *l, nk_arena *a, const char *fmt, long long x, long long y)
{
    nk_delta_log_file f = {.name = nk_str_printf(a, fmt, x, y)};
    assert_int_equal(nk_delta_log_add(l, a, &f, NULL), NK_OK);
}

#define COMMIT     "%020lld.json"
#define CHECKPOINT "%020lld.checkpoint.parquet"
#define COMPACTED  "%020lld.%020lld.compacted.json"

/* Random logs in random order: steps reach the newest version if and only if a walk over the plain
 * facts does. */
static void test_steps(void **state)
{
    uint64_t seed = 88172645463325252u;
    for (int round = 0; round < 2000; round++) {
        bool commit[24] = {false};
        int reach[24]; /* the longest compaction from here, or 0 */
        nk_arena *a = nk_arena_create(0);
        nk_delta_log l;
        int newest = -1, start = -1;
        memset(reach, 0, sizeof reach);
        nk_delta_log_init(&l);
        for (int i = 0; i < 30; i++) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            int v = (int)(seed % 12), kind = (int)(seed >> 20 & 15),
                to = v + 1 + (int)(seed >> 30 & 3);
            if (kind < 11) {
                commit[v] = true;
                add(&l, a, COMMIT, v, 0);
            } else if (kind < 13) {
                start = v > start ? v : start;
                add(&l, a, CHECKPOINT, v, 0);
                to = v;
            } else {
                reach[v] = to > reach[v] ? to : reach[v];
                add(&l, a, COMPACTED, v, to);
            }
            newest = v > newest ? v : newest;
            newest = kind >= 13 && to > newest ? to : newest;
        }
        const nk_delta_log_file *f;
        size_t at = 0, n;
        assert_int_equal(nk_delta_log_checkpoint(&l, &at, &f, &n), start >= 0);
        assert_true(start < 0 || (f->version == start && n == 1));
        assert_int_equal(l.newest, newest);
        int64_t got = start;
        int want = start;
        nk_code rc;
        while ((rc = nk_delta_log_step(&l, got, &f, NULL)) == NK_OK && f)
            got = f->to;
        while (want < newest && (reach[want + 1] || commit[want + 1]))
            want = reach[want + 1] ? reach[want + 1] : want + 1;
        assert_int_equal(got, want);
        assert_int_equal(rc, want >= newest ? NK_OK : NK_E_PARSE);
        nk_arena_destroy(a);
    }
}

static void test_names(void **state)
{
    static const struct {
        const char *name;
        int commits, checkpoints, compactions;
    } cases[] = {
        {"00000000000000000012.json", 1, 0, 0},
        {"0000000000000000012.json", 0, 0, 0},
        {"00000000000000000012.json.tmp", 0, 0, 0},
        {"-0000000000000000012.json", 0, 0, 0},
        {"00000000000000000012.crc", 0, 0, 0},
        {"00000000000000000012.checkpoint.parquet", 0, 1, 0},
        {"00000000000000000012.checkpoint.0000000001.0000000002.parquet", 0, 1, 0},
        {"00000000000000000012.checkpoint.0000000003.0000000002.parquet", 0, 0, 0},
        {"00000000000000000012.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json", 0, 1, 0},
        {"00000000000000000012.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.parquet", 0, 1, 0},
        {"00000000000000000012.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a1.parquet", 0, 0, 0},
        {"00000000000000000012.checkpoint.80a083e8x7026-4e79-81be-64bd76c43a11.json", 0, 0, 0},
        {"00000000000000000002.00000000000000000004.compacted.json", 0, 0, 1},
        {"00000000000000000004.00000000000000000002.compacted.json", 0, 0, 0},
        {"99999999999999999999.json", 0, 0, 0},
        {"_last_checkpoint", 0, 0, 0},
        {"", 0, 0, 0},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_arena *a = nk_arena_create(0);
        nk_delta_log l;
        nk_delta_log_init(&l);
        nk_delta_log_file f = {.name = nk_str_c(cases[i].name)};
        assert_int_equal(nk_delta_log_add(&l, a, &f, NULL), NK_OK);
        assert_int_equal(l.commits.n, cases[i].commits);
        assert_int_equal(l.checkpoints.n, cases[i].checkpoints);
        assert_int_equal(l.compactions.n, cases[i].compactions);
        nk_arena_destroy(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),   cmocka_unit_test(test_steps),
        cmocka_unit_test(test_actions), cmocka_unit_test(test_cut_lines),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
