#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "schema/infer.h"

static nk_arena *arena;

static const char *print(const nk_type *t)
{
    nk_buf b;
    nk_buf_init(&b, 1 << 20);
    assert_int_equal(nk_type_print(t, false, &b), NK_OK);
    const char *s = nk_buf_dup(&b, arena).p;
    nk_buf_free(&b);
    return s;
}

static void cells(void **state)
{
    static const struct {
        const char *cell;
        nk_type_kind kind;
    } cases[] = {
        {"", NK_T_NULL},
        {"  ", NK_T_NULL},
        {"0", NK_T_LONG},
        {" 42 ", NK_T_LONG},
        {"-7", NK_T_LONG},
        {"+7", NK_T_LONG},
        {"007", NK_T_LONG},
        {"9223372036854775807", NK_T_LONG},
        {"9223372036854775808", NK_T_STRING},
        {"-9223372036854775808", NK_T_LONG},
        {"1.5", NK_T_DOUBLE},
        {".5", NK_T_DOUBLE},
        {"5.", NK_T_DOUBLE},
        {"-1e10", NK_T_DOUBLE},
        {"1E-3", NK_T_DOUBLE},
        {"1e", NK_T_STRING},
        {".", NK_T_STRING},
        {"-", NK_T_STRING},
        {"1.2.3", NK_T_STRING},
        {"1,5", NK_T_STRING},
        {"0x10", NK_T_STRING},
        {"NaN", NK_T_DOUBLE},
        {"nan", NK_T_STRING},
        {"-Infinity", NK_T_DOUBLE},
        {"NA", NK_T_STRING},
        {"true", NK_T_BOOLEAN},
        {"FALSE", NK_T_BOOLEAN},
        {"truely", NK_T_STRING},
        {"2024-02-29", NK_T_DATE},
        {"2023-02-29", NK_T_STRING},
        {"2024-13-01", NK_T_STRING},
        {"2024-01-01 10:20", NK_T_TIMESTAMP},
        {"2024-01-01T10:20:30.5Z", NK_T_TIMESTAMP},
        {"2024-01-01 10:20:30+02:00", NK_T_TIMESTAMP},
        {"2024-01-01 25:20", NK_T_STRING},
        {"2024-01-01 10:20:", NK_T_STRING},
        {"2024-", NK_T_STRING},
        {"hello", NK_T_STRING},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        if (nk_infer_cell(nk_str_c(cases[i].cell)) != cases[i].kind)
            fail_msg("%s is kind %d", cases[i].cell, nk_infer_cell(nk_str_c(cases[i].cell)));
    }
}

static void documents(void **state)
{
    static const struct {
        const char *docs[4];
        const char *crawl, *choice;
    } cases[] = {
        {{"{\"a\":1,\"b\":\"x\",\"c\":true,\"d\":1.5,\"e\":null}"},
         "struct<a:int,b:string,c:boolean,d:double,e:null>",
         "struct<a:int,b:string,c:boolean,d:double,e:null>"},
        {{"{\"a\":1}", "{\"a\":3000000000}"}, "struct<a:bigint>", "struct<a:choice<int,bigint>>"},
        {{"{\"a\":1}", "{\"a\":\"x\"}", "{\"a\":2.5}"},
         "struct<a:string>",
         "struct<a:choice<int,string,double>>"},
        {{"{\"a\":[1,2.5]}", "{\"a\":[]}"},
         "struct<a:array<double>>",
         "struct<a:array<choice<int,double>>>"},
        {{"{\"a\":[]}"}, "struct<a:array<null>>", "struct<a:array<null>>"},
        {{"{\"a\":{\"x\":1}}", "{\"a\":{\"y\":\"s\"},\"b\":{}}"},
         "struct<a:struct<x:int,y:string>,b:struct<>>",
         "struct<a:struct<x:int,y:string>,b:struct<>>"},
        {{"{\"a\":[{\"n\":1}]}", "{\"a\":[{\"n\":\"t\"}]}"},
         "struct<a:array<struct<n:string>>>",
         "struct<a:array<struct<n:choice<int,string>>>>"},
        {{"{\"a\":{\"x\":1}}", "{\"a\":\"s\"}"},
         "struct<a:string>",
         "struct<a:choice<struct<x:int>,string>>"},
        {{"{\"big\":123456789012345678901234567890}"}, "struct<big:double>", "struct<big:double>"},
        {{"{\"\\u00e9 k\":1}"}, "struct<\xc3\xa9 k:int>", "struct<\xc3\xa9 k:int>"},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_infer *in = nk_infer_create(arena, 0);
        for (size_t d = 0; d < 4 && cases[i].docs[d]; d++)
            assert_int_equal(nk_infer_json(in, nk_str_c(cases[i].docs[d]), NULL), NK_OK);
        const nk_type *t;
        assert_int_equal(nk_infer_type(in, NK_MERGE_CRAWL, 0, arena, &t, NULL), NK_OK);
        assert_string_equal(print(t), cases[i].crawl);
        assert_int_equal(nk_infer_type(in, NK_MERGE_CHOICE, 0, arena, &t, NULL), NK_OK);
        assert_string_equal(print(t), cases[i].choice);
    }
}

/* The odd value is the last of many, deep inside: it is still seen. Many fields: found again, and
 * bounded. */
static void odd_and_many(void **state)
{
    nk_infer *in = nk_infer_create(arena, 0);
    for (int i = 0; i < 20000; i++)
        assert_int_equal(nk_infer_json(in, NK_STR("{\"a\":[{\"b\":1}]}"), NULL), NK_OK);
    assert_int_equal(nk_infer_json(in, NK_STR("{\"a\":[{\"b\":1},{\"b\":\"x\"}]}"), NULL), NK_OK);
    const nk_type *t;
    assert_int_equal(nk_infer_type(in, NK_MERGE_CHOICE, 0, arena, &t, NULL), NK_OK);
    assert_string_equal(print(t), "struct<a:array<struct<b:choice<int,string>>>>");

    in = nk_infer_create(arena, 300);
    nk_code rc = NK_OK;
    for (int i = 0; i < 1000 && rc == NK_OK; i++) {
        char doc[64];
        int n = snprintf(doc, sizeof doc, "{\"k%d\":%d}", (i * 7) % 500, i);
        rc = nk_infer_json(in, nk_str_n(doc, (size_t)n), NULL);
        if (i < 300)
            assert_int_equal(rc, NK_OK);
    }
    assert_int_equal(rc, NK_E_LIMIT);
    assert_int_equal(nk_infer_type(in, NK_MERGE_CHOICE, 0, arena, &t, NULL), NK_OK);
    assert_int_equal(t->nfields, 300);
}

static int open_arena(void **state)
{
    arena = nk_arena_create(0);
    return arena ? 0 : -1;
}

static int close_arena(void **state)
{
    nk_arena_destroy(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells),
        cmocka_unit_test(documents),
        cmocka_unit_test(odd_and_many),
    };
    return cmocka_run_group_tests_name("schema_infer", tests, open_arena, close_arena);
}
