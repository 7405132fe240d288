#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>

#include "model/glue_shapes.h"
#include "../arena.h"

/* Decodes, expecting success. */
static void *decode(const nk_shape *s, const char *json)
{
    nk_err err = NK_ERR_INIT;
    void *out = NULL;
    if (nk_model_decode(s, nk_str_c(json), arena, &out, &err) != NK_OK)
        fail_msg("%s (%s)", err.msg, err.hint);
    return out;
}

static const char *encode(const nk_shape *s, const void *v)
{
    nk_err err = NK_ERR_INIT;
    nk_str out;
    if (nk_model_encode_str(s, v, arena, &out, &err) != NK_OK)
        fail_msg("%s", err.msg);
    return out.p;
}

/* Decodes and validates; the message, or "" when all is well. */
static const char *complaint(const nk_shape *s, const char *json)
{
    static nk_err err;
    err = (nk_err)NK_ERR_INIT;
    void *v = decode(s, json);
    if (nk_model_validate(s, v, &err) == NK_OK)
        return "";
    assert_int_equal(err.code, NK_E_VALIDATION);
    return err.msg;
}

static const char *refusal(const nk_shape *s, const char *json, const char **where)
{
    static nk_err err;
    void *out;
    err = (nk_err)NK_ERR_INIT;
    assert_int_equal(nk_model_decode(s, nk_str_c(json), arena, &out, &err), NK_E_SERIALIZATION);
    if (where)
        *where = err.hint;
    return err.msg;
}

static void a_table_comes_back_as_it_was(void **state)
{
    static const char json[] =
        "{\"DatabaseName\":\"db\",\"TableInput\":{\"Name\":\"t\",\"Retention\":0,"
        "\"StorageDescriptor\":{\"Columns\":[{\"Name\":\"a\",\"Type\":\"int\"},{\"Name\":\"b\","
        "\"Type\":\"array<string>\",\"Parameters\":{\"k\":\"v\"}}],\"Compressed\":false,"
        "\"SerdeInfo\":{\"Parameters\":{}}},\"PartitionKeys\":[],\"LastAccessTime\":1700000000.25}"
        "}";
    glue_CreateTableRequest *r = decode(&glue_CreateTableRequest_shape, json);
    assert_true(nk_str_is(r->DatabaseName, "db"));
    assert_null(r->CatalogId.p);
    assert_true(r->TableInput->Retention.set);
    assert_int_equal(r->TableInput->StorageDescriptor->Columns.n, 2);
    assert_true(nk_str_is(r->TableInput->StorageDescriptor->Columns.v[1].Type, "array<string>"));
    assert_true(r->TableInput->PartitionKeys.set);
    assert_int_equal(r->TableInput->LastAccessTime.us, INT64_C(1700000000250000));
    assert_int_equal(nk_model_validate(&glue_CreateTableRequest_shape, r, NULL), NK_OK);
    glue_CreateTableRequest *again =
        decode(&glue_CreateTableRequest_shape, encode(&glue_CreateTableRequest_shape, r));
    assert_string_equal(encode(&glue_CreateTableRequest_shape, again),
                        encode(&glue_CreateTableRequest_shape, r));
    assert_null(r->TableInput->Description.p);
}

static void raw_text_is_spliced(void **state)
{
    glue_Table t = {.raw_ = NK_STR("{\"Name\":\"x\"}")};
    glue_GetTableResponse r = {.Table = &t};
    assert_string_equal(encode(&glue_GetTableResponse_shape, &r), "{\"Table\":{\"Name\":\"x\"}}");
    glue_Table two[] = {{.Name = NK_STR("a")}, {.raw_ = NK_STR("{\"Name\":\"b\"}")}};
    glue_GetTablesResponse l = {.TableList = {two, 2, true}};
    assert_string_equal(encode(&glue_GetTablesResponse_shape, &l),
                        "{\"TableList\":[{\"Name\":\"a\"},{\"Name\":\"b\"}]}");
}

static void wrong_types_are_refused_in_aws_words(void **state)
{
    const nk_shape *s = &glue_CreateTableRequest_shape;
    const char *where;
    assert_string_equal(refusal(s, "{\"DatabaseName\":1}", NULL),
                        "NUMBER_VALUE can not be converted to a String");
    assert_string_equal(refusal(s, "{\"TableInput\":{\"Retention\":\"x\"}}", &where),
                        "STRING_VALUE can not be converted to an Integer");
    assert_string_equal(where, "TableInput.Retention");
    assert_string_equal(refusal(s, "{\"TableInput\":{\"Retention\":2147483648}}", NULL),
                        "NUMBER_VALUE can not be converted to an Integer");
    assert_string_equal(refusal(s, "{\"DatabaseName\":{}}", NULL),
                        "Start of structure or map found where not expected.");
    assert_string_equal(refusal(s, "{\"TableInput\":[]}", NULL),
                        "Start of list found where not expected");
    assert_string_equal(
        refusal(s, "{\"TableInput\":{\"PartitionKeys\":[{\"Name\":true}]}}", &where),
        "TRUE_VALUE can not be converted to a String");
    assert_string_equal(where, "TableInput.PartitionKeys[0].Name");
    refusal(s, "{\"DatabaseName\":\"x\"", NULL);
    refusal(s, "", NULL);
    refusal(s, "{} {}", NULL);
}

static void violations_are_named_in_aws_words(void **state)
{
    assert_string_equal(
        complaint(&glue_GetTableRequest_shape, "{\"DatabaseName\":\"\",\"Name\":\"n\"}"),
        "1 validation error detected: Value '' at 'databaseName' failed to satisfy "
        "constraint: Member must have length greater than or equal to 1");
    assert_string_equal(
        complaint(&glue_CreateTableRequest_shape, "{\"DatabaseName\":\"d\",\"TableInput\":{}}"),
        "1 validation error detected: Value null at 'tableInput.name' failed to "
        "satisfy constraint: Member must not be null");
    assert_string_equal(
        complaint(&glue_GetTablesRequest_shape, "{\"DatabaseName\":\"d\",\"MaxResults\":101}"),
        "1 validation error detected: Value '101' at 'maxResults' failed to satisfy constraint: "
        "Member must have value less than or equal to 100");
    assert_string_equal(
        complaint(&glue_GetTableRequest_shape, "{}"),
        "2 validation errors detected: Value null at 'databaseName' failed to satisfy "
        "constraint: Member must not be null; Value null at 'name' failed to satisfy "
        "constraint: Member must not be null");
    assert_string_equal(
        complaint(&glue_GetTableRequest_shape, "{\"DatabaseName\":\"a\\u0001b\",\"Name\":\"n\"}"),
        "1 validation error detected: Value 'a\001b' at 'databaseName' failed to satisfy "
        "constraint: "
        "Member must satisfy regular expression pattern: "
        "[\\u0020-\\uD7FF\\uE000-\\uFFFD\\uD800\\uDC00-\\uDBFF\\uDFFF\\t]*");
}

static void violations_inside_lists_and_maps(void **state)
{
    assert_string_equal(complaint(&glue_CreateDatabaseRequest_shape,
                                  "{\"DatabaseInput\":{\"Name\":\"n\"},\"Tags\":{\"\":\"x\"}}"),
                        "1 validation error detected: Value '{=x}' at 'tags' failed to satisfy "
                        "constraint: Map keys must "
                        "satisfy constraint: [Member must have length less than or equal to 128, "
                        "Member must have length "
                        "greater than or equal to 1]");
    assert_string_equal(
        complaint(&glue_BatchDeleteTableRequest_shape,
                  "{\"DatabaseName\":\"d\",\"TablesToDelete\":[\"a\",\"\"]}"),
        "1 validation error detected: Value '[a, ]' at 'tablesToDelete' failed to satisfy "
        "constraint: "
        "Member must satisfy constraint: [Member must have length less than or equal to 255, "
        "Member must "
        "have length greater than or equal to 1, Member must satisfy regular expression pattern: "
        "[\\u0020-\\uD7FF\\uE000-\\uFFFD\\uD800\\uDC00-\\uDBFF\\uDFFF\\t]*]");
    assert_string_equal(
        complaint(&glue_BatchDeleteTableRequest_shape,
                  "{\"DatabaseName\":\"d\",\"TablesToDelete\":[\"a\",null]}"),
        "1 validation error detected: Value null at 'tablesToDelete.2.member' failed to satisfy "
        "constraint: Member must not be null");
    assert_string_equal(
        complaint(
            &glue_CreateTableRequest_shape,
            "{\"DatabaseName\":\"d\",\"TableInput\":{\"Name\":\"t\",\"PartitionKeys\":[{\"Name\":"
            "\"a\"},{\"Name\":\"\"},{\"Type\":\"int\"}]}}"),
        "2 validation errors detected: Value '' at 'tableInput.partitionKeys.2.member.name' failed "
        "to "
        "satisfy constraint: Member must have length greater than or equal to 1; Value null at "
        "'tableInput.partitionKeys.3.member.name' failed to satisfy constraint: Member must not be "
        "null");
    assert_string_equal(
        complaint(
            &glue_BatchGetPartitionRequest_shape,
            "{\"DatabaseName\":\"d\",\"TableName\":\"t\",\"PartitionsToGet\":[{\"Values\":[\"a\"]},"
            "{}]}"),
        "1 validation error detected: Value null at 'partitionsToGet.2.member.values' failed to "
        "satisfy "
        "constraint: Member must not be null");
}

static void enums_are_listed(void **state)
{
    assert_string_equal(
        complaint(&glue_CreateJobRequest_shape,
                  "{\"Name\":\"j\",\"Role\":\"r\",\"Command\":{},\"ExecutionClass\":\"SLOW\"}"),
        "1 validation error detected: Value 'SLOW' at 'executionClass' failed to satisfy "
        "constraint: Member must satisfy enum value set: [FLEX, STANDARD]");
}

static void open_enums_take_what_begins_so(void **state)
{
    static const char *const taken = "{\"Filter\":{\"ConnectionType\":\"REST-mine\"}}",
                             *const refused = "{\"Filter\":{\"ConnectionType\":\"RESTmine\"}}";
    assert_string_equal(complaint(&glue_GetConnectionsRequest_shape, taken), "");
    assert_non_null(strstr(complaint(&glue_GetConnectionsRequest_shape, refused),
                           "'RESTmine' at 'filter.connectionType' failed to satisfy constraint"));
}

static void secrets_stay_out_of_messages(void **state)
{
    char json[1024], big[300];
    memset(big, 's', sizeof big);
    big[sizeof big - 1] = 0;
    snprintf(
        json, sizeof json,
        "{\"ConnectionInput\":{\"Name\":\"c\",\"ConnectionType\":\"JDBC\",\"ConnectionProperties\":"
        "{},"
        "\"AuthenticationConfiguration\":{\"BasicAuthenticationCredentials\":{\"Username\":\"u\","
        "\"Password\":\"%s%s\"}}}}",
        big, big);
    const char *msg = complaint(&glue_CreateConnectionRequest_shape, json);
    assert_non_null(strstr(msg, "Value at '"));
    assert_null(strstr(msg, "sss"));
}

static void long_values_are_cut(void **state)
{
    char json[20000], big[9000];
    for (size_t i = 0; i + 2 < sizeof big; i += 2)
        memcpy(big + i, "é", 3);
    snprintf(json, sizeof json, "{\"DatabaseName\":\"%s\",\"Name\":\"%s\"}", big, big);
    const char *msg = complaint(&glue_GetTableRequest_shape, json);
    assert_true(strlen(msg) < NK_ERR_MSG_MAX);
    assert_true(nk_utf8_valid(nk_str_c(msg)));
    assert_non_null(strstr(msg, "2 validation errors"));
    assert_non_null(strstr(msg, "at 'name'"));
}

static void times_are_exact(void **state)
{
    static const struct {
        const char *json;
        int64_t us;
        const char *back;
    } rows[] = {
        {"0", 0, "0"},
        {"1700000000", INT64_C(1700000000000000), "1700000000"},
        {"1700000000.5", INT64_C(1700000000500000), "1700000000.5"},
        {"1700000000.123456", INT64_C(1700000000123456), "1700000000.123"},
        {"1.7E9", INT64_C(1700000000000000), "1700000000"},
        {"-1.5", -1500000, "-1.5"},
        {"-0.25", -250000, "-0.25"},
        {"\"2023-11-14T22:13:20Z\"", INT64_C(1700000000000000), "1700000000"},
        {"\"2023-11-14T23:13:20.250+01:00\"", INT64_C(1700000000250000), "1700000000.25"},
        {"\"2023-11-14\"", INT64_C(1699920000000000), "1699920000"},
    };
    static const char *const bad[] = {"\"\"",
                                      "\"yesterday\"",
                                      "true",
                                      "1e300",
                                      "\"2023-13-01\"",
                                      "\"2023-11-14T25:00:00Z\"",
                                      "\"2023-11-14T22:13:20\\u0000\""};
    for (size_t i = 0; i < NK_COUNTOF(rows); i++) {
        nk_opt_time t = {0};
        assert_int_equal(
            nk_model_decode_into(&glue_Timestamp_shape, nk_str_c(rows[i].json), arena, &t, NULL),
            NK_OK);
        assert_true(t.set);
        if (t.us != rows[i].us)
            fail_msg("%s: %lld", rows[i].json, (long long)t.us);
        assert_string_equal(encode(&glue_Timestamp_shape, &t), rows[i].back);
    }
    for (size_t i = 0; i < NK_COUNTOF(bad); i++) {
        nk_opt_time t = {0};
        assert_int_equal(
            nk_model_decode_into(&glue_Timestamp_shape, nk_str_c(bad[i]), arena, &t, NULL),
            NK_E_SERIALIZATION);
    }
}

static void unknown_and_null_members_are_passed_over(void **state)
{
    glue_GetTableRequest *r =
        decode(&glue_GetTableRequest_shape,
               "{\"New\":{\"deep\":[1,{\"x\":\"\\u00e9\"}]},\"Name\":\"n\",\"CatalogId\":null,"
               "\"DatabaseName\":\"first\",\"DatabaseName\":\"last\"}");
    assert_null(r->CatalogId.p);
    assert_true(nk_str_is(r->DatabaseName, "last"));
}

static void depth_is_refused_as_a_bad_request(void **state)
{
    char deep[300];
    size_t n = 0;
    n += (size_t)snprintf(deep, sizeof deep, "{\"Unknown\":");
    memset(deep + n, '[', 100);
    memset(deep + n + 100, ']', 100);
    memcpy(deep + n + 200, "}", 2);
    assert_non_null(strstr(refusal(&glue_GetTableRequest_shape, deep, NULL), "nested deeper"));
}

static void string_maps_are_edited(void **state)
{
    glue_CreateDatabaseRequest *r =
        decode(&glue_CreateDatabaseRequest_shape,
               "{\"Tags\":{\"a\":\"1\",\"b\":\"2\",\"a\":\"3\",\"c\":\"4\",\"b\":\"5\"}}");
    assert_string_equal(encode(&glue_CreateDatabaseRequest_shape, r),
                        "{\"Tags\":{\"a\":\"3\",\"b\":\"5\",\"c\":\"4\"}}");
    nk_map_str m = {0};
    assert_null(nk_map_str_get(&m, "a").p);
    assert_int_equal(nk_map_str_put(&m, arena, NK_STR("a"), NK_STR("1")), NK_OK);
    assert_int_equal(nk_map_str_put(&m, arena, NK_STR("b"), NK_STR("2")), NK_OK);
    assert_int_equal(nk_map_str_put(&m, arena, NK_STR("a"), NK_STR("3")), NK_OK);
    assert_int_equal(m.n, 2);
    assert_true(nk_str_is(nk_map_str_get(&m, "a"), "3"));
    nk_map_str_del(&m, "a");
    assert_null(nk_map_str_get(&m, "a").p);
    assert_true(nk_str_is(nk_map_str_get(&m, "b"), "2"));
}

static void long_maps_merge_duplicates_too(void **state)
{
    nk_buf b;
    nk_buf_init(&b, 1 << 20);
    (void)nk_buf_puts(&b, "{\"Tags\":{");
    for (int i = 0; i < 3000; i++)
        (void)nk_buf_printf(&b, "%s\"k%d\":\"%d\"", i ? "," : "", i % 1000, i);
    (void)nk_buf_puts(&b, "}}");
    glue_CreateDatabaseRequest *r = decode(&glue_CreateDatabaseRequest_shape, b.p);
    assert_int_equal(r->Tags.n, 1000);
    for (int i = 0; i < 1000; i += 37) {
        char key[16], value[16];
        snprintf(key, sizeof key, "k%d", i);
        snprintf(value, sizeof value, "%d", 2000 + i);
        assert_true(nk_str_is(nk_map_str_get(&r->Tags, key), value));
    }
    nk_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_table_comes_back_as_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(raw_text_is_spliced, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_types_are_refused_in_aws_words, setup, teardown),
        cmocka_unit_test_setup_teardown(violations_are_named_in_aws_words, setup, teardown),
        cmocka_unit_test_setup_teardown(violations_inside_lists_and_maps, setup, teardown),
        cmocka_unit_test_setup_teardown(enums_are_listed, setup, teardown),
        cmocka_unit_test_setup_teardown(open_enums_take_what_begins_so, setup, teardown),
        cmocka_unit_test_setup_teardown(secrets_stay_out_of_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(long_values_are_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(times_are_exact, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_and_null_members_are_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(depth_is_refused_as_a_bad_request, setup, teardown),
        cmocka_unit_test_setup_teardown(string_maps_are_edited, setup, teardown),
        cmocka_unit_test_setup_teardown(long_maps_merge_duplicates_too, setup, teardown),
    };
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
