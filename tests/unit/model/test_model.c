#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "model/glue_shapes.h"

static nk_arena *arena;

static int begin(void **state)
{
    arena = nk_arena_create(0);
    return arena ? 0 : -1;
}

static int end(void **state)
{
    nk_arena_destroy(arena);
    return 0;
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_table_comes_back_as_it_was, begin, end),
        cmocka_unit_test_setup_teardown(raw_text_is_spliced, begin, end),
        cmocka_unit_test_setup_teardown(wrong_types_are_refused_in_aws_words, begin, end),
        cmocka_unit_test_setup_teardown(violations_are_named_in_aws_words, begin, end),
    };
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
