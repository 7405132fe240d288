#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "plan/codegen_int.h"

static nk_arena *arena;
static nk_err err;

static int setup(void **state)
{
    arena = nk_arena_create(64u << 20);
    err = (nk_err)NK_ERR_INIT;
    return arena ? 0 : -1;
}

static int teardown(void **state)
{
    nk_arena_destroy(arena);
    return 0;
}

static nk_code generate(const char *json, nk_str *script)
{
    return nk_codegen_script(nk_str_c(json), arena, script, &err);
}

static bool has(nk_str script, const char *text)
{
    bool found = nk_str_find(script, nk_str_c(text)) >= 0;
    if (!found)
        printf("# not found: %s\n# in:\n%.*s\n", text, NK_STR_ARG(script));
    return found;
}

#define SOURCE "\"s\":{\"S3JsonSource\":{\"Name\":\"In\",\"Paths\":[\"s3://b/in/\"]}}"
#define TARGET(from)                                                                               \
    "\"t\":{\"S3DirectTarget\":{\"Name\":\"Out\",\"Inputs\":[\"" from                              \
    "\"],\"Path\":\"s3://b/out/\",\"Format\":\"json\"}}"

static void a_script_reads_transforms_and_writes(void **state)
{
    nk_str s;
    assert_int_equal(
        generate(
            "{" TARGET(
                "m") ",\"m\":{\"ApplyMapping\":{\"Name\":\"Map "
                     "it\",\"Inputs\":[\"s\"],\"Mapping\":["
                     "{\"ToKey\":\"b\",\"FromPath\":[\"a\",\"x\"],\"FromType\":\"long\",\"ToType\":"
                     "\"string\"},"
                     "{\"FromPath\":[\"gone\"],\"FromType\":\"long\",\"Dropped\":true}]}}," SOURCE
                     "}",
            &s),
        NK_OK);
    assert_true(has(s, "In_s = glueContext.create_dynamic_frame.from_options("));
    assert_true(has(s, "(\"a.x\", \"long\", \"b\", \"string\")"));
    assert_false(nk_str_find(s, NK_STR("gone")) >= 0);
    assert_true(has(s, "frame=Mapit_m"));
    assert_true(has(s, "job.commit()"));
    /* what is used stands after what defines it, whatever the order of the document */
    assert_true(nk_str_find(s, NK_STR("In_s =")) < nk_str_find(s, NK_STR("Mapit_m =")));
    assert_true(nk_str_find(s, NK_STR("Mapit_m =")) <
                nk_str_find(s, NK_STR("frame=Mapit_m,\n    conn")));
}

static void hostile_names_stay_inside_their_literals(void **state)
{
    nk_str s;
    assert_int_equal(generate("{\"s\":{\"S3JsonSource\":{\"Name\":\"x\\nimport "
                              "os\",\"Paths\":[\"s3://b/\\\")\\nimport os#\"]}},"
                              "\"t-1\":{\"S3DirectTarget\":{\"Name\":\"\\u0000\",\"Inputs\":[\"s\"]"
                              ",\"Path\":\"s3://b/\\\\\","
                              "\"Format\":\"json\"}}}",
                              &s),
                     NK_OK);
    assert_true(nk_str_find(s, NK_STR("\nimport os\n")) < 0);
    assert_true(has(s, "s3://b/\\\")\\nimport os#"));
    assert_true(has(s, "\"s3://b/\\\\\""));
}

static void filters_leave_the_reading_of_constants_to_their_helpers(void **state)
{
    nk_str s;
    const char *head =
        "{" SOURCE ",\"m\":{\"ApplyMapping\":{\"Name\":\"M\",\"Inputs\":[\"s\"],\"Mapping\":["
        "{\"ToKey\":\"n\",\"FromPath\":[\"n\"],\"FromType\":\"long\",\"ToType\":\"long\"},"
        "{\"ToKey\":\"zip\",\"FromPath\":[\"zip\"],\"FromType\":\"string\",\"ToType\":\"string\"}]}"
        "},";
    nk_str doc = nk_str_printf(arena,
                               "%s\"f\":{\"Filter\":{\"Name\":\"F\",\"Inputs\":[\"m\"],"
                               "\"LogicalOperator\":\"OR\",\"Filters\":["
                               "{\"Operation\":\"GTE\",\"Values\":[{\"Type\":\"COLUMNEXTRACTED\","
                               "\"Value\":[\"n\"]},{\"Type\":\"CONSTANT\","
                               "\"Value\":[\"007\"]}]},"
                               "{\"Operation\":\"EQ\",\"Negated\":true,\"Values\":[{\"Type\":"
                               "\"COLUMNEXTRACTED\",\"Value\":[\"zip\"]},"
                               "{\"Type\":\"CONSTANT\",\"Value\":[\"007\"]}]},"
                               "{\"Operation\":\"REGEX\",\"Values\":[{\"Type\":\"COLUMNEXTRACTED\","
                               "\"Value\":[\"zip\"]},{\"Type\":\"CONSTANT\","
                               "\"Value\":[\"^0\"]}]}]}}," TARGET("f") "}",
                               head);
    assert_int_equal(nk_codegen_script(doc, arena, &s, &err), NK_OK);
    assert_true(has(s, "        matches(at(row, \"n\"), ge, \"007\")\n"));
    assert_true(has(s, "        or not matches(at(row, \"zip\"), eq, \"007\")\n"));
    assert_true(has(s, "        or fits(at(row, \"zip\"), \"^0\")\n"));
    assert_true(has(s, "import re\n"));
}

static void what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *doc, *says;
    } cases[] = {
        {"{}", "holds no node"},
        {"[]", "holds no node"},
        {"{\"a\":{}}", "holds no node"},
        {"{" SOURCE "}", "no target"},
        {"{" TARGET("nowhere") "}", "nowhere"},
        {"{\"a\":{\"RedshiftSource\":{\"Name\":\"r\"}}}", "RedshiftSource"},
        {"{\"a\":{\"S3JsonSource\":{\"Name\":\"r\"}}}", "lacks Paths"},
        {"{\"a\":{\"S3JsonSource\":{\"Paths\":[]},\"Filter\":{}}}", "exactly one"},
        {"{\"a\":{\"DropDuplicates\":{\"Name\":\"x\",\"Inputs\":[\"b\"]}},"
         "\"b\":{\"DropDuplicates\":{\"Name\":\"x\",\"Inputs\":[\"a\"]}}," TARGET("a") "}",
         "cycle"},
        {"{" SOURCE ",\"t\":{\"S3DirectTarget\":{\"Inputs\":[\"s\"],\"Path\":\"s3://b/"
         "\",\"Format\":\"orc\"}}}",
         "orc"},
        {"{" SOURCE
         ",\"u\":{\"Union\":{\"Inputs\":[\"s\"],\"UnionType\":\"ALL\"}}," TARGET("u") "}",
         "inputs"},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_str s = NK_STR_NULL;
        err = (nk_err)NK_ERR_INIT;
        assert_int_equal(generate(cases[i].doc, &s), NK_E_INVALID);
        if (!strstr(err.msg, cases[i].says))
            fail_msg("case %zu says: %s", i, err.msg);
    }
}

static void a_graph_of_many_nodes_stays_bounded(void **state)
{
    nk_buf b;
    nk_str s;
    nk_buf_init(&b, 8u << 20);
    nk_buf_puts(&b, "{" SOURCE);
    for (int i = 0; i < 1001; i++)
        nk_buf_printf(&b, ",\"n%d\":{\"DropNullFields\":{\"Inputs\":[\"s\"]}}", i);
    nk_buf_puts(&b, "," TARGET("s") "}");
    assert_int_equal(nk_codegen_script(nk_buf_view(&b), arena, &s, &err), NK_E_INVALID);
    assert_non_null(strstr(err.msg, "at most"));
    nk_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_script_reads_transforms_and_writes, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_names_stay_inside_their_literals, setup, teardown),
        cmocka_unit_test_setup_teardown(filters_leave_the_reading_of_constants_to_their_helpers,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(a_graph_of_many_nodes_stays_bounded, setup, teardown),
    };
    return cmocka_run_group_tests_name("codegen", tests, NULL, NULL);
}
