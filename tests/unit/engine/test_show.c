#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "engine/show.h"
#include "../arena.h"

/* Texts of a test's vectors are nk_str; decimals are of 8 bytes. */
nk_str nk_vec_str(const nk_vec *v, size_t i)
{
    return ((const nk_str *)v->data)[i];
}

__int128 nk_vec_decimal(const nk_vec *v, size_t i)
{
    return ((const int64_t *)v->data)[i];
}

static const nk_type *type(const char *text)
{
    const nk_type *t;
    assert_int_equal(nk_type_parse(nk_str_c(text), arena, &t, NULL), NK_OK);
    return t;
}

static const char *shown(const nk_vec *v, size_t i, bool json)
{
    nk_buf b;
    nk_buf_init(&b, 1 << 20);
    (json ? nk_show_json : nk_show_text)(v, i, &b);
    assert_false(b.failed);
    nk_str s = nk_buf_dup(&b, arena);
    nk_buf_free(&b);
    return nk_str_printf(arena, "%.*s", NK_STR_ARG(s)).p;
}

static void plain_values(void **state)
{
    static const double doubles[] = {1.5, -0.0, 1e300, NAN, INFINITY};
    static const int64_t longs[] = {INT64_MIN, 0, INT64_MAX};
    static const int64_t moments[] = {0, 1, -1, 951782400250000};
    static const int32_t days[] = {0, -1, 11016};
    static const int64_t unscaled[] = {0, -5, 12345, -99999};
    static const bool bools[] = {true, false};
    struct {
        const char *type;
        const void *data;
        size_t i;
        const char *text, *json;
    } cases[] = {
        {"double", doubles, 0, "1.5", "1.5"},
        {"double", doubles, 3, "NaN", "\"NaN\""},
        {"double", doubles, 4, "Infinity", "\"Infinity\""},
        {"bigint", longs, 0, "-9223372036854775808", "-9223372036854775808"},
        {"bigint", longs, 2, "9223372036854775807", "9223372036854775807"},
        {"timestamp", moments, 0, "1970-01-01 00:00:00", "\"1970-01-01 00:00:00\""},
        {"timestamp", moments, 1, "1970-01-01 00:00:00.000001", "\"1970-01-01 00:00:00.000001\""},
        {"timestamp", moments, 2, "1969-12-31 23:59:59.999999", "\"1969-12-31 23:59:59.999999\""},
        {"timestamp", moments, 3, "2000-02-29 00:00:00.25", "\"2000-02-29 00:00:00.25\""},
        {"date", days, 1, "1969-12-31", "\"1969-12-31\""},
        {"date", days, 2, "2000-02-29", "\"2000-02-29\""},
        {"decimal(7,2)", unscaled, 0, "0.00", "0.00"},
        {"decimal(7,2)", unscaled, 1, "-0.05", "-0.05"},
        {"decimal(7,2)", unscaled, 2, "123.45", "123.45"},
        {"decimal(7,0)", unscaled, 3, "-99999", "-99999"},
        {"boolean", bools, 0, "true", "true"},
        {"boolean", bools, 1, "false", "false"},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_vec v = {.type = type(cases[i].type), .data = cases[i].data, .width = 8};
        assert_string_equal(shown(&v, cases[i].i, false), cases[i].text);
        assert_string_equal(shown(&v, cases[i].i, true), cases[i].json);
    }
}

static const nk_str texts[] = {{"a\"b\n", 4}, {"\xc3\xa9", 2}, {"k", 1}};
static const int32_t ints[] = {7, 8, 9};
static const uint64_t second_null = 5; /* 1, 0, 1 */

/* A list of structs in one row, and the same nested values when memory runs out. */
static void nested(nk_vec *out, nk_vec *elem, nk_vec fields[2], nk_list_entry *entry)
{
    fields[0] = (nk_vec){.type = type("int"), .data = ints, .validity = &second_null};
    fields[1] = (nk_vec){.type = type("string"), .data = texts};
    *elem = (nk_vec){.type = type("struct<n:int,t:string>"), .children = fields, .nchildren = 2};
    *entry = (nk_list_entry){0, 3};
    *out = (nk_vec){.type = type("array<struct<n:int,t:string>>"),
                    .data = entry,
                    .children = elem,
                    .nchildren = 1};
}

static const char nested_json[] =
    "[{\"n\":7,\"t\":\"a\\\"b\\n\"},{\"n\":null,\"t\":\"\xc3\xa9\"},{\"n\":9,\"t\":\"k\"}]";

static void nested_values(void **state)
{
    nk_vec list, elem, fields[2];
    nk_list_entry entry;
    nested(&list, &elem, fields, &entry);
    assert_string_equal(shown(&list, 0, true), nested_json);
    assert_string_equal(shown(&list, 0, false), nested_json);
    assert_string_equal(shown(&fields[0], 1, true), "null");
    assert_string_equal(shown(&fields[1], 0, false), "a\"b\n");
}

static void every_allocation_may_fail(void **state)
{
    nk_vec list, elem, fields[2];
    nk_list_entry entry;
    nested(&list, &elem, fields, &entry);
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        nk_buf b;
        nk_buf_init(&b, 1 << 20);
        nk_fault_alloc(n);
        nk_show_json(&list, 0, &b);
        nk_fault_alloc(0);
        failed = b.failed;
        if (!failed && !nk_str_is(nk_buf_view(&b), nested_json))
            fail_msg("allocation %zu failing gives %.*s", n, NK_STR_ARG(nk_buf_view(&b)));
        nk_buf_free(&b);
        assert_true(n < 50);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(plain_values, setup, teardown),
        cmocka_unit_test_setup_teardown(nested_values, setup, teardown),
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, setup, teardown),
    };
    return cmocka_run_group_tests_name("show", tests, NULL, NULL);
}
