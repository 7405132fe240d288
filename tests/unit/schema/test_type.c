#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "schema/type.h"

static nk_arena *arena;

static const nk_type *parse(const char *text)
{
    const nk_type *t = NULL;
    nk_err err = NK_ERR_INIT;
    if (nk_type_parse(nk_str_c(text), arena, &t, &err) != NK_OK)
        fail_msg("%s: %s", text, err.msg);
    return t;
}

static const char *print(const nk_type *t, bool cat)
{
    nk_buf b;
    nk_buf_init(&b, 1 << 20);
    assert_int_equal(nk_type_print(t, cat, &b), NK_OK);
    const char *s = nk_buf_dup(&b, arena).p;
    nk_buf_free(&b);
    return s;
}

static void reads_and_prints(void **state)
{
    static const struct {
        const char *in, *out, *cat;
    } cases[] = {
        {"int", "int", "int"},
        {"INTEGER", "int", "int"},
        {"Long", "bigint", "bigint"},
        {"decimal", "decimal(10,0)", "decimal(10,0)"},
        {"decimal(12, 3)", "decimal(12,3)", "decimal(12,3)"},
        {"numeric(5)", "decimal(5,0)", "decimal(5,0)"},
        {"varchar(20)", "varchar(20)", "varchar(20)"},
        {"array<string>", "array<string>", "array<string>"},
        {"map<string,array<int>>", "map<string,array<int>>", "map<string,array<int>>"},
        {" struct< a : int , B:array< double > > ", "struct<a:int,B:array<double>>",
         "struct<a:int,B:array<double>>"},
        {"struct<`a:b`:int,`c``d`:string>", "struct<`a:b`:int,`c``d`:string>",
         "struct<`a:b`:int,`c``d`:string>"},
        {"struct<first name:string>", "struct<first name:string>", "struct<first name:string>"},
        {"struct<a:int comment 'the a',b:date>", "struct<a:int,b:date>", "struct<a:int,b:date>"},
        {"struct<>", "struct<>", "string"},
        {"choice<int,string>", "choice<int,string>", "string"},
        {"array<choice<long,struct<x:int>>>", "array<choice<bigint,struct<x:int>>>",
         "array<string>"},
        {"null", "null", "string"},
        {"struct<\xc3\xa9:timestamp>", "struct<\xc3\xa9:timestamp>", "struct<\xc3\xa9:timestamp>"},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        const nk_type *t = parse(cases[i].in);
        assert_string_equal(print(t, false), cases[i].out);
        assert_string_equal(print(t, true), cases[i].cat);
        assert_true(nk_type_eq(t, parse(cases[i].out)));
        assert_true(nk_type_eq(t, nk_type_copy(arena, t)));
    }
}

static void refuses(void **state)
{
    static const char *const cases[] = {
        "",
        "foo",
        "array",
        "array<",
        "array<int",
        "map<int>",
        "struct<a>",
        "struct<:int>",
        "decimal(39,2)",
        "decimal(3,4)",
        "int int",
        "struct<a:int,>",
        "char(0)",
        "varchar(x)",
        "struct<`a:int>",
        "array<int>>",
        "choice<>",
        "decimal(",
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        const nk_type *t;
        nk_err err = NK_ERR_INIT;
        if (nk_type_parse(nk_str_c(cases[i]), arena, &t, &err) != NK_E_PARSE)
            fail_msg("%s was accepted", cases[i]);
        assert_non_null(strstr(err.msg, "character"));
    }
    char deep[2000] = "";
    for (int i = 0; i < 200; i++)
        strcat(deep, "array<");
    const nk_type *t;
    assert_int_equal(nk_type_parse(nk_str_c(deep), arena, &t, NULL), NK_E_PARSE);
}

static void merges(void **state)
{
    static const struct {
        const char *a, *b, *crawl, *choice;
    } cases[] = {
        {"int", "int", "int", "int"},
        {"null", "int", "int", "int"},
        {"int", "bigint", "bigint", "choice<int,bigint>"},
        {"tinyint", "smallint", "smallint", "choice<tinyint,smallint>"},
        {"int", "double", "double", "choice<int,double>"},
        {"float", "bigint", "double", "choice<float,bigint>"},
        {"bigint", "string", "string", "choice<bigint,string>"},
        {"boolean", "int", "string", "choice<boolean,int>"},
        {"date", "timestamp", "timestamp", "choice<date,timestamp>"},
        {"decimal(5,2)", "decimal(8,1)", "decimal(9,2)", "decimal(9,2)"},
        {"decimal(5,2)", "int", "decimal(12,2)", "choice<decimal(5,2),int>"},
        {"decimal(38,0)", "decimal(38,30)", "string", "string"},
        {"decimal(5,2)", "double", "double", "choice<decimal(5,2),double>"},
        {"varchar(3)", "varchar(9)", "varchar(9)", "varchar(9)"},
        {"array<int>", "array<string>", "array<string>", "array<choice<int,string>>"},
        {"array<null>", "array<struct<a:int>>", "array<struct<a:int>>", "array<struct<a:int>>"},
        {"struct<a:int,b:string>", "struct<c:date,a:bigint>", "struct<a:bigint,b:string,c:date>",
         "struct<a:choice<int,bigint>,b:string,c:date>"},
        {"struct<a:int>", "string", "string", "choice<struct<a:int>,string>"},
        {"struct<a:int>", "array<int>", "string", "choice<struct<a:int>,array<int>>"},
        {"map<string,int>", "map<string,double>", "map<string,double>",
         "map<string,choice<int,double>>"},
        {"choice<int,string>", "double", "string", "choice<int,string,double>"},
        {"choice<int,double>", "bigint", "double", "choice<int,double,bigint>"},
        {"choice<int,struct<a:int>>", "struct<b:int>", "string", "choice<int,struct<a:int,b:int>>"},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        const nk_type *a = parse(cases[i].a), *b = parse(cases[i].b), *m;
        assert_int_equal(nk_type_merge(a, b, NK_MERGE_CRAWL, arena, &m, NULL), NK_OK);
        assert_string_equal(print(m, false), cases[i].crawl);
        assert_int_equal(nk_type_merge(a, b, NK_MERGE_CHOICE, arena, &m, NULL), NK_OK);
        assert_string_equal(print(m, false), cases[i].choice);
        if (a == b) /* merging what is the same gives it back, not a copy */
            assert_ptr_equal(m, a);
    }
}

static const nk_type *random_type(unsigned *seed, int depth)
{
    int k = (int)(rand_r(seed) % (depth > 2 ? 8 : 12));
    static const nk_type_kind kinds[] = {NK_T_INT,  NK_T_LONG, NK_T_DOUBLE,    NK_T_STRING,
                                         NK_T_DATE, NK_T_NULL, NK_T_TIMESTAMP, NK_T_BOOLEAN};
    if (k < 8)
        return nk_type_scalar(kinds[k]);
    if (k < 10)
        return nk_type_array(arena, random_type(seed, depth + 1));
    nk_field f[4];
    size_t n = rand_r(seed) % 4;
    for (size_t i = 0; i < n; i++)
        f[i] = (nk_field){.name = nk_str_printf(arena, "f%zu", i * 2 + rand_r(seed) % 2),
                          .type = random_type(seed, depth + 1)};
    return nk_type_struct(arena, f, n);
}

/* Under either rule: merging again changes nothing, nothing merges to less, text form reads back.
 */
static void merging_is_steady(void **state)
{
    unsigned seed = 20240229;
    for (int i = 0; i < 3000; i++) {
        const nk_type *a = random_type(&seed, 0), *b = random_type(&seed, 0);
        for (int rule = NK_MERGE_CRAWL; rule <= NK_MERGE_CHOICE; rule++) {
            const nk_type *m, *again, *third;
            assert_int_equal(nk_type_merge(a, b, rule, arena, &m, NULL), NK_OK);
            assert_int_equal(nk_type_merge(m, a, rule, arena, &again, NULL), NK_OK);
            assert_true(nk_type_eq(m, again));
            assert_int_equal(nk_type_merge(m, b, rule, arena, &again, NULL), NK_OK);
            assert_true(nk_type_eq(m, again));
            assert_true(nk_type_eq(m, parse(print(m, false))));
            const nk_type *c = random_type(&seed, 0), *x, *y;
            assert_int_equal(nk_type_merge(m, c, rule, arena, &x, NULL), NK_OK);
            assert_int_equal(nk_type_merge(b, c, rule, arena, &third, NULL), NK_OK);
            assert_int_equal(nk_type_merge(a, third, rule, arena, &y, NULL), NK_OK);
            if (x->kind != y->kind)
                fail_msg("order of merging matters: %s, %s, %s", print(a, false), print(b, false),
                         print(c, false));
        }
    }
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
        cmocka_unit_test(reads_and_prints),
        cmocka_unit_test(refuses),
        cmocka_unit_test(merges),
        cmocka_unit_test(merging_is_steady),
    };
    return cmocka_run_group_tests_name("schema_type", tests, open_arena, close_arena);
}
