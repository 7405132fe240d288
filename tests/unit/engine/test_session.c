/* A session on local files: what a plan writes, what it reads back, and every allocation failing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "engine/session.h"

enum { ROWS = 60 };

static char dir[64];

static void put_file(const char *rel, nk_str text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", dir, rel);
    *strrchr(path, '/') = 0;
    assert_int_equal(nk_file_mkdirs(path, 0755, NULL), NK_OK);
    snprintf(path, sizeof path, "%s/%s", dir, rel);
    assert_int_equal(nk_file_write(path, text, 0644, NULL), NK_OK);
}

/* Three partitions of CSV, and one JSON file where a member has two types. */
static int setup(void **state)
{
    nk_buf b;
    char rel[64];
    snprintf(dir, sizeof dir, "/tmp/nikawa-session-XXXXXX");
    assert_non_null(mkdtemp(dir));
    nk_buf_init(&b, 1 << 20);
    for (int k = 0; k < 3; k++) {
        nk_buf_clear(&b);
        (void)nk_buf_puts(&b, "id,name,price\n");
        for (int i = k; i < ROWS; i += 3)
            (void)nk_buf_printf(&b, "%d,\"n, %d\",%d.5\n", i, i % 7, i);
        snprintf(rel, sizeof rel, "csv/k=%d/x.csv", k);
        put_file(rel, nk_buf_view(&b));
    }
    nk_buf_clear(&b);
    for (int i = 0; i < ROWS; i += 2)
        (void)nk_buf_printf(&b, i % 10 ? "{\"key\":%d,\"v\":%d}\n" : "{\"key\":%d,\"v\":\"t%d\"}\n",
                            i, i);
    put_file("json/x.json", nk_buf_view(&b));
    nk_buf_free(&b);
    return 0;
}

static int teardown(void **state)
{
    return nk_file_remove_tree(dir, NULL) == NK_OK ? 0 : -1;
}

/* The nodes of a job: CSV joined with JSON, of which a choice is resolved, written to `out`. */
static const char nodes[] =
    "{\"a\":{\"S3CsvSource\":{\"Name\":\"a\",\"Paths\":[\"file://%s/csv/"
    "\"],\"Separator\":\"comma\",\"QuoteChar\":\"quote\",\"WithHeader\":true}},"
    "\"b\":{\"S3JsonSource\":{\"Name\":\"b\",\"Paths\":[\"file://%s/json/\"]}},"
    "\"m\":{\"ApplyMapping\":{\"Name\":\"m\",\"Inputs\":[\"a\"],\"Mapping\":["
    "{\"ToKey\":\"id\",\"FromPath\":[\"id\"],\"FromType\":\"long\",\"ToType\":\"long\"},"
    "{\"ToKey\":\"price\",\"FromPath\":[\"price\"],\"FromType\":\"double\",\"ToType\":\"double\"},"
    "{\"ToKey\":\"part\",\"FromPath\":[\"k\"],\"FromType\":\"string\",\"ToType\":\"string\"}]}},"
    "\"f\":{\"Filter\":{\"Name\":\"f\",\"Inputs\":[\"m\"],\"LogicalOperator\":\"AND\",\"Filters\":["
    "{\"Operation\":\"GTE\",\"Values\":["
    "{\"Type\":\"COLUMNEXTRACTED\",\"Value\":[\"price\"]},{\"Type\":\"CONSTANT\",\"Value\":[\"20\"]"
    "}]}]}},"
    "\"j\":{\"Join\":{\"Name\":\"j\",\"Inputs\":[\"f\",\"b\"],\"JoinType\":\"equijoin\","
    "\"Columns\":["
    "{\"From\":\"f\",\"Keys\":[[\"id\"]]},{\"From\":\"b\",\"Keys\":[[\"key\"]]}]}},"
    "\"t\":{\"S3DirectTarget\":{\"Name\":\"t\",\"Inputs\":[\"j\"],\"Path\":\"file://%s/out/"
    "\",\"Format\":\"json\",\"PartitionKeys\":[[\"part\"]]}}}";

static int wanted(void)
{
    int n = 0;
    for (int i = 0; i < ROWS; i += 2)
        n += i + 0.5 >= 20;
    return n;
}

static nk_code run(nk_buf *result, nk_err *err)
{
    char text[4096], settings[200];
    nk_arena *a = nk_arena_create(0);
    nk_session *s = NULL;
    nk_json *doc;
    nk_plan_visual graph;
    if (!a)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    snprintf(text, sizeof text, nodes, dir, dir, dir);
    snprintf(settings, sizeof settings, "{\"temp_dir\":\"%s\",\"threads\":2}", dir);
    nk_code rc = nk_session_open(nk_str_c(settings), &s, err);
    if (rc == NK_OK)
        rc = nk_json_parse(nk_str_c(text), a, 0, &doc, err);
    if (rc == NK_OK)
        rc = nk_plan_from_visual(nk_session_plan(s), doc, &graph, err);
    for (size_t i = 0; rc == NK_OK && i < graph.n; i++)
        if (graph.nodes[i]->kind->role == NK_NODE_TARGET)
            rc = nk_session_run(s, graph.nodes[i], result, err);
    nk_session_close(s);
    nk_arena_destroy(a);
    return rc;
}

static void check_result(nk_buf *result)
{
    nk_arena *a = nk_arena_create(0);
    nk_json *j;
    assert_int_equal(nk_json_parse(nk_buf_view(result), a, 0, &j, NULL), NK_OK);
    assert_int_equal(nk_json_i64(j, "rows", -1), wanted());
    int lines = 0;
    const nk_json *files = nk_json_get(j, "files");
    for (const nk_json *f = files->first; f; f = f->next) {
        nk_str name = f->kind == NK_JSON_OBJECT ? nk_json_str(f, "uri") : f->text;
        if (nk_str_starts(name, NK_STR("file://")))
            name = nk_str_sub(name, 7, name.n);
        FILE *in = fopen(nk_str_printf(a, "%.*s", NK_STR_ARG(name)).p, "r");
        assert_non_null(in);
        for (int c; (c = getc(in)) != EOF;)
            lines += c == '\n';
        fclose(in);
    }
    assert_int_equal(lines, wanted());
    nk_arena_destroy(a);
}

static void a_plan_runs(void **state)
{
    nk_buf result;
    nk_err err = {0};
    nk_buf_init(&result, 1 << 20);
    nk_code rc = run(&result, &err);
    if (rc != NK_OK)
        fail_msg("%s", err.msg);
    check_result(&result);
    nk_buf_free(&result);
}

/* Each is an error that says so, or does no harm; nothing is lost or leaks, and the next run works.
 * A third of them each time, another third the next. */
static void allocations_may_fail(void **state)
{
    nk_buf result;
    nk_err err = {0};
    nk_buf_init(&result, 1 << 20);
    nk_fault_alloc(SIZE_MAX);
    assert_int_equal(run(&result, &err), NK_OK);
    size_t count = nk_fault_alloc(0);
    assert_true(count > 300);
    for (size_t n = 1 + (size_t)getpid() % 3; n <= count; n += 3) {
        nk_buf_clear(&result);
        err = (nk_err){0};
        nk_fault_alloc(n);
        nk_code rc = run(&result, &err);
        nk_fault_alloc(0);
        if (rc != NK_OK && rc != NK_E_NOMEM)
            fail_msg("allocation %zu of %zu: %d: %s", n, count, (int)rc, err.msg);
        if (rc == NK_OK)
            check_result(&result);
    }
    nk_buf_clear(&result);
    assert_int_equal(run(&result, &err), NK_OK);
    check_result(&result);
    nk_buf_free(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_runs),
        cmocka_unit_test(allocations_may_fail),
    };
    return cmocka_run_group_tests_name("session", tests, setup, teardown);
}
