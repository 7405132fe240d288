/* Hudi's own files: names of the timeline and of data, properties, schemas, partitions. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "crawl/hudi.h"
#include "../arena.h"

static void is(nk_str got, const char *want)
{
    if (!want)
        assert_null(got.p);
    else
        assert_true(nk_str_is(got, want));
}

static void test_properties(void **state)
{
    nk_str p = NK_STR(
        "#comment=x\r\n!a=2\na = first\r\nb=x\\=y\\:z\\\\ \\u00e9\\t|\na=last\nlong.a=q\nc=");
    is(nk_hudi_property(p, "a", arena), "last");
    is(nk_hudi_property(p, "b", arena), "x=y:z\\ \xc3\xa9\t|");
    is(nk_hudi_property(p, "c", arena), "");
    is(nk_hudi_property(p, "d", arena), NULL);
    is(nk_hudi_property(p, "#comment", arena), NULL);
}

static void test_names(void **state)
{
    static const struct {
        const char *name, *instant;
    } actions[] = {
        {"20240101000000.commit", "20240101000000"},
        {"20240101000000123_20240101000009000.deltacommit", "20240101000000123"},
        {"20240101000000123.replacecommit", "20240101000000123"},
        {"20240101000000123.commit.requested", NULL},
        {"20240101000000123.inflight", NULL},
        {"20240101000000123_20240101000009000.clean", NULL},
        {"20240101000000123_x.commit", NULL},
        {"hoodie.commit", NULL},
        {".commit", NULL},
        {"_1.commit", NULL},
        {"", NULL},
    };
    static const struct {
        const char *name, *instant;
        bool log;
    } data[] = {
        {"0d6c-0_0-31-27_20261128113305451.parquet", "20261128113305451", false},
        {".0d6c-0_20261128113442660.log.1_0-185-337", "20261128113442660", true},
        {"part-0001.parquet", NULL, false},
        {"x_y.parquet", NULL, false},
        {".log.1", NULL, false},
        {"a_1.orc", NULL, false},
    };
    nk_str instant;
    bool log;
    for (size_t i = 0; i < NK_COUNTOF(actions); i++) {
        assert_int_equal(nk_hudi_action(nk_str_c(actions[i].name), &instant),
                         actions[i].instant != NULL);
        if (actions[i].instant)
            is(instant, actions[i].instant);
    }
    for (size_t i = 0; i < NK_COUNTOF(data); i++) {
        assert_int_equal(nk_hudi_data(nk_str_c(data[i].name), &log, &instant),
                         data[i].instant != NULL);
        if (data[i].instant) {
            is(instant, data[i].instant);
            assert_int_equal(log, data[i].log);
        }
    }
}

static void test_partitions(void **state)
{
    static const struct {
        const char *fields, *path, *values; /* joined by '|'; NULL: does not fit */
        bool decode;
    } cases[] = {
        {"day", "day=1/", "1", false},
        {"day", "1/", "1", false},
        {"day", "2024/01/02/", "2024/01/02", false},
        {"day", "day=2024/01/02/", "2024/01/02", false},
        {"region,day", "region=z/day=2024/01/02/", "z|2024/01/02", false},
        {"region,day", "region=a/b/day=1/", "a/b|1", false},
        {"region,day", "z/1/", "z|1", false},
        {"region,day", "z/2024/01/02/", NULL, false},
        {"region,day", "z/", NULL, false},
        {"region,day", "region=z/", NULL, false},
        {"region", "z/a=b/", "z/a=b", false},
        {"a,b", "x/k=v/", "x|k=v", false},
        {"Region:SIMPLE,ts:TIMESTAMP", "region=x y/ts=/", "x y|", false},
        {"d", "d=2024%2F01%2F02/", "2024/01/02", true},
        {"d", "d=2024%2F01%2F02/", "2024%2F01%2F02", false},
        {"d", "a%25b%3Dc/", "a%b=c", true},
        {"", "", "", false},
        {"", "x/", NULL, false},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_strs fields = {0};
        nk_str values[4], want = nk_str_c(cases[i].values), part;
        assert_int_equal(nk_hudi_fields(nk_str_c(cases[i].fields), arena, &fields, NULL), NK_OK);
        bool fits =
            nk_hudi_partition(&fields, nk_str_c(cases[i].path), cases[i].decode, arena, values);
        assert_int_equal(fits, cases[i].values != NULL);
        for (size_t k = 0; fits && k < fields.n; k++) {
            part = NK_STR("");
            (void)nk_str_split(&want, '|', &part);
            assert_true(nk_str_eq(values[k], part));
        }
    }
}

static nk_code read_text(void *arg, uint64_t at, size_t n, nk_buf *out, nk_err *err)
{
    nk_str *s = arg;
    return nk_buf_str(out, nk_str_sub(*s, (size_t)at, at + n > s->n ? s->n : (size_t)(at + n)));
}

static nk_code schema_of(nk_str text, nk_str *out)
{
    nk_input in = {.read = read_text, .arg = &text, .size = text.n};
    nk_input_init(&in);
    nk_code rc = nk_hudi_action_schema(&in, arena, out, NULL);
    nk_input_close(&in);
    return rc;
}

static void test_json_actions(void **state)
{
    static const struct {
        const char *text, *schema;
        nk_code rc;
    } cases[] = {
        {"{\"a\":{\"extraMetadata\":{\"schema\":\"no\"}},\"extraMetadata\":{\"x\":{\"schema\":"
         "\"no\"},"
         "\"schema\":\"yes\",\"y\":[{\"schema\":\"no\"}]},\"schema\":\"no\"}",
         "yes", NK_OK},
        {"{\"extraMetadata\":{\"schema\":\"\"}}", "", NK_OK},
        {"{\"extraMetadata\":{\"schema\":null}}", NULL, NK_OK},
        {"{\"extraMetadata\":null,\"b\":{\"schema\":\"no\"}}", NULL, NK_OK},
        {"{\"extraMetadata\":\"schema\",\"b\":{\"schema\":\"no\"}}", NULL, NK_OK},
        {"{\"extraMetadata\":[{\"schema\":\"no\"}]}", NULL, NK_OK},
        {"{}", NULL, NK_OK},
        {"[1,2]", NULL, NK_OK},
        {"{\"extraMetadata\":{\"schema\":\"yes\"}", NULL, NK_E_PARSE},
        {"Obj", NULL, NK_E_PARSE},
        {"", NULL, NK_E_PARSE},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_str got;
        assert_int_equal(schema_of(nk_str_c(cases[i].text), &got), cases[i].rc);
        if (cases[i].rc == NK_OK)
            is(got, cases[i].schema);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_properties, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_partitions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_json_actions, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
