#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <cmocka.h>

#include "catalog_calls.h"
#include "catalog/catalog_int.h"

static int setup(void **state)
{
    catalog *c = calloc(1, sizeof(*c));
    strcpy(c->dir, "/tmp/nk-catalog-XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    snprintf(c->path, sizeof(c->path), "%s/store.db", c->dir);
    catalog_open(c);
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    catalog *c = *state;
    nk_store_close(c->store);
    nk_catalog_stop(&c->app);
    assert_int_equal(nk_file_remove_tree(c->dir, NULL), NK_OK);
    free(c);
    return 0;
}

static void ok(catalog *c, const char *op, const char *json)
{
    reply r = call_op(c, op, nk_str_c(json));
    if (r.code != NK_OK)
        fail_msg("%s: %s: %s", op, nk_code_aws(r.code), r.err.msg);
    reply_free(&r);
}

static void refused(catalog *c, const char *op, const char *json, nk_code code, const char *says)
{
    reply r = call_op(c, op, nk_str_c(json));
    if (r.code != code)
        fail_msg("%s: %s: %s", op, nk_code_aws(r.code), r.code ? r.err.msg : r.json.p);
    if (says && !strstr(r.err.msg, says))
        fail_msg("%s: %s", op, r.err.msg);
    reply_free(&r);
}

static reply got(catalog *c, const char *op, const char *json)
{
    reply r = call_op(c, op, nk_str_c(json));
    if (r.code != NK_OK)
        fail_msg("%s: %s: %s", op, nk_code_aws(r.code), r.err.msg);
    return r;
}

static const char table_json[] = "{\"DatabaseName\":\"Db\",\"TableInput\":{\"Name\":\"T\","
                                 "\"PartitionKeys\":[{\"Name\":\"y\",\"Type\":\"int\"},"
                                 "{\"Name\":\"m\",\"Type\":\"string\"}],\"StorageDescriptor\":{"
                                 "\"Columns\":[{\"Name\":\"a\",\"Type\":\"int\"}],"
                                 "\"Location\":\"s3://b/t\"},\"Parameters\":{\"k\":\"v\"}}}";

static void make_table(catalog *c)
{
    ok(c, "CreateDatabase", "{\"DatabaseInput\":{\"Name\":\"Db\"}}");
    ok(c, "CreateTable", table_json);
}

static void tables_live_and_version(void **state)
{
    catalog *c = *state;
    refused(c, "CreateTable", table_json, NK_E_NOT_FOUND, "Database Db not found.");
    make_table(c);
    refused(c, "CreateDatabase", "{\"DatabaseInput\":{\"Name\":\"DB\"}}", NK_E_EXISTS,
            "Database already exists.");
    refused(c, "CreateTable", table_json, NK_E_EXISTS, "Table already exists.");
    reply r = got(c, "GetTable", "{\"DatabaseName\":\"DB\",\"Name\":\"t\"}");
    nk_json *t = nk_json_get(r.tree, "Table");
    assert_true(nk_str_is(nk_json_str(t, "Name"), "t"));
    assert_true(nk_str_is(nk_json_str(t, "DatabaseName"), "db"));
    assert_true(nk_str_is(nk_json_str(t, "VersionId"), "0"));
    assert_true(nk_str_is(nk_json_str(t, "CatalogId"), "000000000000"));
    reply_free(&r);
    ok(c, "UpdateTable",
       "{\"DatabaseName\":\"db\",\"TableInput\":{\"Name\":\"t\",\"Description\":\"one\"},"
       "\"VersionId\":\"0\"}");
    refused(c, "UpdateTable",
            "{\"DatabaseName\":\"db\",\"TableInput\":{\"Name\":\"t\"},\"VersionId\":\"0\"}",
            NK_E_CONFLICT, NULL);
    ok(c, "UpdateTable",
       "{\"DatabaseName\":\"db\",\"TableInput\":{\"Name\":\"t\"},\"SkipArchive\":true}");
    r = got(c, "GetTableVersions", "{\"DatabaseName\":\"db\",\"TableName\":\"t\"}");
    nk_json *v = nk_json_get(r.tree, "TableVersions");
    assert_int_equal(v->count, 2); /* 2 and 0; 1 was not archived */
    assert_true(nk_str_is(nk_json_str(nk_json_at(v, 0), "VersionId"), "2"));
    assert_true(nk_str_is(nk_json_str(nk_json_at(v, 1), "VersionId"), "0"));
    reply_free(&r);
    refused(c, "GetTable", "{\"DatabaseName\":\"db\",\"Name\":\"x\"}", NK_E_NOT_FOUND,
            "Entity Not Found");
    ok(c, "DeleteTable", "{\"DatabaseName\":\"db\",\"Name\":\"T\"}");
    refused(c, "GetTable", "{\"DatabaseName\":\"db\",\"Name\":\"t\"}", NK_E_NOT_FOUND, NULL);
    ok(c, "DeleteDatabase", "{\"Name\":\"db\"}");
    refused(c, "DeleteDatabase", "{\"Name\":\"db\"}", NK_E_NOT_FOUND, "Database db not found.");
}

static void partitions_live(void **state)
{
    catalog *c = *state;
    make_table(c);
    ok(c, "CreatePartition",
       "{\"DatabaseName\":\"db\",\"TableName\":\"t\",\"PartitionInput\":{\"Values\":[\"2020\","
       "\"01\"],"
       "\"StorageDescriptor\":{\"Columns\":[{\"Name\":\"a\",\"Type\":\"int\"}],\"Location\":\"s3://"
       "b/t/2020/01\",\"Parameters\":{\"p\":\"q\"},"
       "\"SerdeInfo\":{\"Name\":\"x\"}},\"Parameters\":{\"a\":\"}},\\\"StorageDescriptor\\\":{\"}}"
       "}");
    refused(c, "CreatePartition",
            "{\"DatabaseName\":\"db\",\"TableName\":\"t\",\"PartitionInput\":{\"Values\":[\"2020\","
            "\"01\"]}}",
            NK_E_EXISTS, "Partition already exists.");
    refused(
        c, "CreatePartition",
        "{\"DatabaseName\":\"db\",\"TableName\":\"t\",\"PartitionInput\":{\"Values\":[\"2020\"]}}",
        NK_E_INVALID, "The number of partition keys do not match the number of partition values");
    ok(c, "CreatePartition",
       "{\"DatabaseName\":\"db\",\"TableName\":\"t\",\"PartitionInput\":{\"Values\":[\"2021\","
       "\"x\"]}}");
    reply r =
        got(c, "GetPartition",
            "{\"DatabaseName\":\"db\",\"TableName\":\"t\",\"PartitionValues\":[\"2020\",\"01\"]}");
    nk_json *p = nk_json_get(r.tree, "Partition"), *sd = nk_json_get(p, "StorageDescriptor");
    assert_true(nk_str_is(nk_json_str(p, "TableName"), "t"));
    assert_true(
        nk_str_is(nk_json_str(nk_json_get(p, "Parameters"), "a"), "}},\"StorageDescriptor\":{"));
    assert_true(nk_str_is(nk_json_str(sd, "Location"), "s3://b/t/2020/01"));
    assert_int_equal(nk_json_get(sd, "Columns")->count, 1);
    assert_true(nk_str_is(nk_json_str(nk_json_get(sd, "SerdeInfo"), "Name"), "x"));
    reply_free(&r);
    r = got(
        c, "GetPartitions",
        "{\"DatabaseName\":\"db\",\"TableName\":\"t\",\"Expression\":\"Y > 2020 and m <> '01'\"}");
    assert_int_equal(nk_json_get(r.tree, "Partitions")->count, 1);
    reply_free(&r);
    r = got(c, "GetPartitions",
            "{\"DatabaseName\":\"db\",\"TableName\":\"t\",\"ExcludeColumnSchema\":true,"
            "\"MaxResults\":1}");
    p = nk_json_at(nk_json_get(r.tree, "Partitions"), 0);
    assert_null(nk_json_get(nk_json_get(p, "StorageDescriptor"), "Columns"));
    assert_non_null(nk_json_get(r.tree, "NextToken"));
    reply_free(&r);
    refused(c, "GetPartitions",
            "{\"DatabaseName\":\"db\",\"TableName\":\"t\",\"Expression\":\"x = 1\"}", NK_E_INVALID,
            "Invalid partition expression");
    refused(c, "GetPartitions",
            "{\"DatabaseName\":\"db\",\"TableName\":\"t\",\"Expression\":\"y = 'x'\"}",
            NK_E_INVALID, "is not an integer");
    refused(c, "GetPartitions",
            "{\"DatabaseName\":\"db\",\"TableName\":\"t\",\"Expression\":\"y like 'x'\"}",
            NK_E_INVALID, "Integral data type doesn't support operation 'LIKE'");
    refused(c, "GetPartitions",
            "{\"DatabaseName\":\"db\",\"TableName\":\"t\",\"NextToken\":\"AAAA\"}", NK_E_INVALID,
            "NextToken");
    ok(c, "UpdatePartition",
       "{\"DatabaseName\":\"db\",\"TableName\":\"t\",\"PartitionValueList\":[\"2020\",\"01\"],"
       "\"PartitionInput\":{\"Values\":[\"2020\",\"02\"]}}");
    refused(c, "GetPartition",
            "{\"DatabaseName\":\"db\",\"TableName\":\"t\",\"PartitionValues\":[\"2020\",\"01\"]}",
            NK_E_NOT_FOUND, "Cannot find partition.");
    refused(c, "UpdatePartition",
            "{\"DatabaseName\":\"db\",\"TableName\":\"t\",\"PartitionValueList\":[\"2020\",\"02\"],"
            "\"PartitionInput\":{\"Values\":[\"2021\",\"x\"]}}",
            NK_E_INVALID, "Partition already exists.");
    ok(c, "DeletePartition",
       "{\"DatabaseName\":\"db\",\"TableName\":\"t\",\"PartitionValues\":[\"2020\",\"02\"]}");
    r = got(c, "GetPartitions", "{\"DatabaseName\":\"db\",\"TableName\":\"t\"}");
    assert_int_equal(nk_json_get(r.tree, "Partitions")->count, 1);
    reply_free(&r);
}

/* ---- the order of encoded values is that of the values ---- */

static void encoded_values_sort_as_their_types(void **state)
{
    static const struct {
        nk_key_class class;
        const char *v[16];
    } t[] = {
        {NK_KEY_INT,
         {"-9223372036854775808", "-10", "-9", "-1", "0", "+1", "09", "10", "9223372036854775807"}},
        {NK_KEY_DECIMAL,
         {"-1e5", "-123.5", "-123.45", "-12", "-1.20001", "-1.2", "-0.05", "-0.005", "0.000",
          "0.005", "0.05", "1.2", "1.20001", "12", "99.99", "1e2"}},
        {NK_KEY_DATE, {"0001-01-01", "1969-12-31", "1970-01-01", "2024-02-29", "9999-12-31"}},
        {NK_KEY_TIMESTAMP,
         {"1969-12-31 23:59:59.999999999", "1970-01-01", "1970-01-01 00:00:00.000000001",
          "1970-01-01 00:00:00.000001", "1970-01-01 00:00:01"}},
        {NK_KEY_TEXT, {"", "A", "a", "aa", "b", "\xc3\xa9", "\xf0\x9f\x98\x80"}},
    };
    nk_arena *a = nk_arena_create(0);
    for (size_t k = 0; k < NK_COUNTOF(t); k++) {
        nk_str before, now;
        for (size_t i = 0; i < 16 && t[k].v[i]; i++, before = now) {
            assert_true(nk_key_encode(t[k].class, nk_str_c(t[k].v[i]), a, &now));
            if (i && nk_str_cmp(before, now) >= 0)
                fail_msg("%s does not sort before %s", t[k].v[i - 1], t[k].v[i]);
        }
    }
    static const char *const equal[][2] = {
        {"1.50", "1.5"}, {"-0", "0.0"}, {"015e-1", "1.5"}, {"1e3", "1000"}};
    for (size_t i = 0; i < NK_COUNTOF(equal); i++) {
        nk_str x, y;
        assert_true(nk_key_encode(NK_KEY_DECIMAL, nk_str_c(equal[i][0]), a, &x));
        assert_true(nk_key_encode(NK_KEY_DECIMAL, nk_str_c(equal[i][1]), a, &y));
        assert_true(nk_str_eq(x, y));
    }
    static const char *const bad[] = {
        "", "x", "1x", "--1", "+-1", "1.2.3", ".", "1e", "e1", " 1", "__HIVE_DEFAULT_PARTITION__"};
    for (size_t i = 0; i < NK_COUNTOF(bad); i++) {
        nk_str x;
        assert_false(nk_key_encode(NK_KEY_DECIMAL, nk_str_c(bad[i]), a, &x));
        assert_false(nk_key_encode(NK_KEY_INT, nk_str_c(bad[i]), a, &x));
        assert_false(nk_key_encode(NK_KEY_DATE, nk_str_c(bad[i]), a, &x));
        assert_false(nk_key_encode(NK_KEY_TIMESTAMP, nk_str_c(bad[i]), a, &x));
    }
    nk_arena_destroy(a);
}

static void value_lists_pack_and_unpack(void **state)
{
    nk_arena *a = nk_arena_create(0);
    srandom((unsigned)time(NULL));
    for (int round = 0; round < 2000; round++) {
        nk_str v[5];
        nk_list_str in = {.v = v, .n = (size_t)random() % 5, .set = true}, out;
        for (size_t i = 0; i < in.n; i++) {
            size_t n = (size_t)random() % 6;
            char *p = nk_arena_bytes(a, n + 1);
            for (size_t j = 0; j < n; j++)
                p[j] = "\0\1\xff\2ab"[random() % 6];
            v[i] = nk_str_n(p, n);
        }
        assert_int_equal(nk_vals_unpack(nk_vals_pack(&in, a), a, &out), NK_OK);
        assert_int_equal(out.n, in.n);
        for (size_t i = 0; i < in.n; i++)
            assert_true(nk_str_eq(v[i], out.v[i]));
    }
    nk_arena_destroy(a);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(tables_live_and_version),
        T(partitions_live),
        cmocka_unit_test(encoded_values_sort_as_their_types),
        cmocka_unit_test(value_lists_pack_and_unpack),
    };
    return cmocka_run_group_tests_name("catalog", tests, NULL, NULL);
}
