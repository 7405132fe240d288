/* What the reader must take, what it must refuse, and that the writer's text reads back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "../arena.h"

static const nk_str accepted[] = {
    NK_STR("null"),
    NK_STR(" \t\r\n true \n"),
    NK_STR("false"),
    NK_STR("0"),
    NK_STR("-0"),
    NK_STR("-12.5e+10"),
    NK_STR("1E400"),
    NK_STR("123456789012345678901234567890"),
    NK_STR("\"\""),
    NK_STR("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD834\\uDD1E\\u0000\""),
    NK_STR("\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\""),
    NK_STR("\"\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf4\x8f\xbf\xbf\x7f\""),
    NK_STR("[]"),
    NK_STR("{}"),
    NK_STR("[ ]"),
    NK_STR("{ }"),
    NK_STR("[1,2 , 3]"),
    NK_STR("{\"a\":1,\"a\":2}"),
    NK_STR("{\"\":{\"\":[{}]}}"),
    NK_STR("[[[[[[[[[[]]]]]]]]]]"),
    NK_STR("[null,true,false,0,\"\",{},[]]"),
};

static const nk_str refused[] = {
    NK_STR(""),
    NK_STR(" "),
    NK_STR("nul"),
    NK_STR("nulll"),
    NK_STR("True"),
    NK_STR("NaN"),
    NK_STR("Infinity"),
    NK_STR("+1"),
    NK_STR("01"),
    NK_STR("-01"),
    NK_STR("-"),
    NK_STR("1."),
    NK_STR(".5"),
    NK_STR("1.e5"),
    NK_STR("1e"),
    NK_STR("1e+"),
    NK_STR("0x1"),
    NK_STR("1 2"),
    NK_STR("1,"),
    NK_STR("\xef\xbb\xbf{}"), /* byte order mark */
    NK_STR("\""),
    NK_STR("\"abc"),
    NK_STR("\"\\\""),
    NK_STR("\"\\"),
    NK_STR("\"\\x41\""),
    NK_STR("\"\\u12\""),
    NK_STR("\"\\u12G4\""),
    NK_STR("\"\\uD800\""),
    NK_STR("\"\\uD800\\u0041\""),
    NK_STR("\"\\uDC00\""),
    NK_STR("\"\\uDC00\\uD800\""),
    NK_STR("\"\\U0041\""),
    NK_STR("\"\t\""),
    NK_STR("\"\n\""),
    NK_STR("\"a\0b\""),
    NK_STR("\"\x1f\""),
    NK_STR("\"\x80\""),
    NK_STR("\"\xc3\""),
    NK_STR("\"\xc0\x80\""),
    NK_STR("\"\xc1\xbf\""),
    NK_STR("\"\xe0\x80\x80\""),
    NK_STR("\"\xed\xa0\x80\""),
    NK_STR("\"\xf0\x80\x80\x80\""),
    NK_STR("\"\xf4\x90\x80\x80\""),
    NK_STR("\"\xf5\x80\x80\x80\""),
    NK_STR("\"\xff\""),
    NK_STR("\"\xe2\x82\""),
    NK_STR("'a'"),
    NK_STR("["),
    NK_STR("]"),
    NK_STR("[1"),
    NK_STR("[1,"),
    NK_STR("[1,]"),
    NK_STR("[,1]"),
    NK_STR("[1 2]"),
    NK_STR("[1,,2]"),
    NK_STR("[1}"),
    NK_STR("[]]"),
    NK_STR("[\"a\":1]"),
    NK_STR("{"),
    NK_STR("}"),
    NK_STR("{\"a\"}"),
    NK_STR("{\"a\":}"),
    NK_STR("{\"a\":1"),
    NK_STR("{\"a\":1,}"),
    NK_STR("{,\"a\":1}"),
    NK_STR("{\"a\" 1}"),
    NK_STR("{\"a\":1 \"b\":2}"),
    NK_STR("{a:1}"),
    NK_STR("{1:1}"),
    NK_STR("{null:1}"),
    NK_STR("{\"a\":1]"),
    NK_STR("{\"a\",1}"),
    NK_STR("{\"a\"::1}"),
    NK_STR("{}}"),
    NK_STR("{} x"),
    NK_STR("/**/1"),
    NK_STR("1//x"),
    NK_STR("[\f]"),
    NK_STR("[\xc2\xa0]"),
};

/* The text in memory of exactly its size, so that a sanitizer sees any step beyond it. */
static nk_code parse(nk_str text, nk_json **out)
{
    char *exact = malloc(text.n ? text.n : 1);
    assert_non_null(exact);
    if (text.n)
        memcpy(exact, text.p, text.n);
    nk_err err = NK_ERR_INIT;
    nk_json *j = NULL;
    nk_code rc = nk_json_parse(nk_str_n(exact, text.n), arena, 0, &j, &err);
    if (rc != NK_OK)
        assert_true(err.msg[0]);
    if (rc == NK_OK && out) { /* what is borrowed must outlive the text */
        nk_buf b;
        nk_buf_init(&b, 1 << 20);
        nk_json_writer w = {.buf = &b};
        nk_jw_tree(&w, j);
        nk_str copy = nk_buf_dup(&b, arena);
        assert_int_equal(nk_json_parse(copy, arena, 0, out, NULL), NK_OK);
        nk_buf_free(&b);
    }
    free(exact);
    return rc;
}

static void takes_what_the_rfc_allows(void **state)
{
    for (size_t i = 0; i < NK_COUNTOF(accepted); i++) {
        if (parse(accepted[i], NULL) != NK_OK)
            fail_msg("refused: %.*s", NK_STR_ARG(accepted[i]));
    }
}

static void refuses_all_else(void **state)
{
    for (size_t i = 0; i < NK_COUNTOF(refused); i++) {
        if (parse(refused[i], NULL) != NK_E_SERIALIZATION)
            fail_msg("not refused: %.*s", NK_STR_ARG(refused[i]));
    }
}

/* Inside a longer string every 16-byte step of the scan meets the odd byte at another place. */
static void refuses_odd_bytes_wherever_they_stand(void **state)
{
    static const struct {
        nk_str bytes;
        bool good;
    } odd[] = {
        {NK_STR("\x01"), false},        {NK_STR("\xff"), false},
        {NK_STR("\xe2\x82"), false},    {NK_STR("\n"), false},
        {NK_STR("\xe2\x82\xac"), true}, {NK_STR("\\n"), true},
        {NK_STR("\x7f"), true},         {NK_STR("\xf0\x9f\x98\x80"), true},
    };
    for (size_t k = 0; k < NK_COUNTOF(odd); k++) {
        for (size_t at = 0; at < 70; at++) {
            char text[128];
            size_t n = 0;
            text[n++] = '"';
            memset(text + n, 'x', at);
            n += at;
            memcpy(text + n, odd[k].bytes.p, odd[k].bytes.n);
            n += odd[k].bytes.n;
            memset(text + n, 'y', 70 - at);
            n += 70 - at;
            text[n++] = '"';
            assert_int_equal(parse(nk_str_n(text, n), NULL),
                             odd[k].good ? NK_OK : NK_E_SERIALIZATION);
            assert_int_equal(parse(nk_str_n(text, n - 1), NULL), NK_E_SERIALIZATION);
        }
    }
}

static void refuses_every_cut(void **state)
{
    nk_str doc = NK_STR("{\"a\":[1,2.5e3,\"x\\u00e9\\n\"],\"b\":{\"c\":null,\"d\":[true,false]},"
                        "\"\xe2\x82\xac\":\"\xf0\x9f\x98\x80\"}");
    assert_int_equal(parse(doc, NULL), NK_OK);
    for (size_t n = 0; n < doc.n; n++)
        assert_int_equal(parse(nk_str_n(doc.p, n), NULL), NK_E_SERIALIZATION);
}

static void limits_the_depth(void **state)
{
    char deep[600];
    for (size_t depth = 1; depth <= 300; depth++) {
        memset(deep, '[', depth);
        memset(deep + depth, ']', depth);
        nk_json *j;
        nk_code want = depth <= 64 ? NK_OK : NK_E_LIMIT;
        assert_int_equal(nk_json_parse(nk_str_n(deep, 2 * depth), arena, 0, &j, NULL), want);
        want = depth <= 255 ? NK_OK : NK_E_LIMIT;
        assert_int_equal(nk_json_parse(nk_str_n(deep, 2 * depth), arena, 9999, &j, NULL), want);
    }
}

static void unescapes(void **state)
{
    nk_json *j;
    assert_int_equal(parse(NK_STR("[\"a\\u00e9\\uD83D\\uDE00b\\\\\\\"\\/\",\"\\u0000z\"]"), &j),
                     NK_OK);
    assert_true(nk_str_eq(nk_json_at(j, 0)->text, NK_STR("a\xc3\xa9\xf0\x9f\x98\x80"
                                                         "b\\\"/")));
    assert_true(nk_str_eq(nk_json_at(j, 1)->text, NK_STR("\0z")));
}

static void borrows_text_without_escapes(void **state)
{
    nk_str text = NK_STR("{\"key\":\"plain text\"}");
    nk_json *j;
    assert_int_equal(nk_json_parse(text, arena, 0, &j, NULL), NK_OK);
    assert_ptr_equal(nk_json_str(j, "key").p, text.p + 8);
}

static void skips_and_gives_raw_text(void **state)
{
    nk_str text =
        NK_STR("{\"a\": {\"x\":[1,\"]}\\u0041\",{}]} ,\"b\":\"s\\n\",\"c\": -1.5 ,\"d\":[ ]}");
    static const char *const raws[] = {"{\"x\":[1,\"]}\\u0041\",{}]}", "\"s\\n\"", "-1.5", "[ ]"};
    nk_json_reader r;
    nk_str raw;
    for (int way = 0; way < 2; way++) {
        nk_json_begin(&r, text, arena, 0, NULL);
        assert_int_equal(nk_json_next(&r), NK_OK);
        for (size_t i = 0; i < NK_COUNTOF(raws); i++) {
            assert_int_equal(nk_json_next(&r), NK_OK);
            assert_int_equal(r.token, NK_JSON_KEY);
            if (way) /* from the key or from the value's first token */
                assert_int_equal(nk_json_next(&r), NK_OK);
            assert_int_equal(nk_json_raw(&r, &raw), NK_OK);
            assert_true(nk_str_is(raw, raws[i]));
        }
        assert_int_equal(nk_json_next(&r), NK_OK);
        assert_int_equal(r.token, NK_JSON_OBJECT_END);
        assert_int_equal(nk_json_next(&r), NK_OK);
        assert_int_equal(r.token, NK_JSON_END);
    }
    /* what is skipped is still checked */
    nk_json_begin(&r, NK_STR("[{\"a\":\"\\ud800\"}]"), arena, 0, NULL);
    assert_int_equal(nk_json_next(&r), NK_OK);
    assert_int_equal(nk_json_skip(&r), NK_E_SERIALIZATION);
}

static void reads_members(void **state)
{
    nk_json *j;
    assert_int_equal(
        parse(
            NK_STR("{\"s\":\"t\",\"n\":-7,\"f\":0.5,\"b\":true,\"z\":null,\"n\":8,\"big\":1e999}"),
            &j),
        NK_OK);
    assert_true(nk_str_is(nk_json_str(j, "s"), "t"));
    assert_int_equal(nk_json_i64(j, "n", 0), 8); /* the last of duplicates */
    assert_true(nk_json_f64(j, "f", 0) == 0.5);
    assert_true(nk_json_bool(j, "b", false));
    assert_true(nk_json_is_null(nk_json_get(j, "z")));
    assert_true(nk_json_is_null(nk_json_get(j, "absent")));
    assert_int_equal(nk_json_i64(j, "s", 42), 42);
    assert_int_equal(nk_json_i64(NULL, "s", 42), 42);
    assert_true(isinf(nk_json_f64(j, "big", 0)));
}

static void writes_what_reads_back(void **state)
{
    static const double doubles[] = {
        0.1, 1.0, -0.0, 1e300, 5e-324, 1.0 / 3, 123456789.125, 2e22, 1.7976931348623157e308};
    nk_buf b;
    nk_buf_init(&b, 1 << 16);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    nk_jw_kstr(&w, "text", NK_STR("q\"b\\n\n\x01\x7f\xc3\xa9\xff\xe2\x82"));
    nk_jw_ki64(&w, "min", INT64_MIN);
    nk_jw_kbool(&w, "yes", true);
    nk_jw_key(&w, NK_STR("list"));
    nk_jw_array(&w);
    for (size_t i = 0; i < NK_COUNTOF(doubles); i++)
        nk_jw_f64(&w, doubles[i]);
    nk_jw_f64(&w, NAN);
    nk_jw_f64(&w, -INFINITY);
    nk_jw_null(&w);
    nk_jw_raw(&w, NK_STR("{\"r\":1}"));
    nk_jw_array_end(&w);
    nk_jw_object_end(&w);
    assert_int_equal(nk_buf_check(&b, NULL), NK_OK);
    nk_json *j;
    assert_int_equal(nk_json_parse(nk_buf_view(&b), arena, 0, &j, NULL), NK_OK);
    assert_true(nk_str_eq(nk_json_str(j, "text"),
                          NK_STR("q\"b\\n\n\x01\x7f\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd")));
    assert_true(nk_json_i64(j, "min", 0) == INT64_MIN);
    nk_json *list = nk_json_get(j, "list");
    for (size_t i = 0; i < NK_COUNTOF(doubles); i++) {
        double v;
        assert_true(nk_str_f64(nk_json_at(list, i)->text, &v));
        assert_memory_equal(&v, &doubles[i], sizeof v);
    }
    assert_true(nk_str_is(nk_json_at(list, NK_COUNTOF(doubles))->text, "NaN"));
    nk_buf_free(&b);
}

static void writer_stops_at_the_limit(void **state)
{
    nk_buf b;
    nk_buf_init(&b, 10);
    nk_json_writer w = {.buf = &b};
    nk_jw_cstr(&w, "12345678"); /* exactly 10 with its quotes */
    assert_int_equal(nk_buf_check(&b, NULL), NK_OK);
    nk_jw_cstr(&w, "");
    assert_int_equal(nk_buf_check(&b, NULL), NK_E_LIMIT);
    assert_true(b.n <= 10);
    nk_buf_free(&b);
}

static void survives_every_failed_allocation(void **state)
{
    nk_str text = NK_STR("{\"a\":[\"\\n\",{\"b\":\"\\u00e9\"}],\"c\":[1,2,3]}");
    for (size_t k = 1;; k++) {
        nk_fault_alloc(k);
        nk_arena *a = nk_arena_create(0);
        nk_json *j = NULL;
        nk_code rc = a ? nk_json_parse(text, a, 0, &j, NULL) : NK_E_NOMEM;
        nk_arena_destroy(a);
        bool beyond = nk_fault_alloc(0) < k;
        assert_int_equal(rc, beyond ? NK_OK : NK_E_NOMEM);
        if (beyond)
            break;
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(takes_what_the_rfc_allows),
        T(refuses_all_else),
        T(refuses_odd_bytes_wherever_they_stand),
        T(refuses_every_cut),
        T(limits_the_depth),
        T(unescapes),
        T(borrows_text_without_escapes),
        T(skips_and_gives_raw_text),
        T(reads_members),
        T(writes_what_reads_back),
        T(writer_stops_at_the_limit),
        T(survives_every_failed_allocation),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
