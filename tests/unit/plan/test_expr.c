#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "plan/expr.h"
#include "../arena.h"

static const nk_expr *parse(const char *text, nk_expr_dialect d)
{
    const nk_expr *x;
    nk_err err = NK_ERR_INIT;
    if (nk_expr_parse(nk_str_c(text), d, arena, &x, &err) != NK_OK)
        fail_msg("%s: %s", text, err.msg);
    return x;
}

static const char *print(const nk_expr *x)
{
    nk_buf b;
    nk_buf_init(&b, 1 << 20);
    assert_int_equal(nk_expr_print(x, &b), NK_OK);
    const char *s = nk_buf_dup(&b, arena).p;
    nk_buf_free(&b);
    return s;
}

typedef struct example {
    const char *text, *canonical;
} example;

static void partition_expressions_parse(void **state)
{
    static const example ex[] = {
        {"a = 1", "(`a` = 1)"},
        {"year='2020' and month<>'01' or Day >= 3",
         "(((`year` = '2020') AND (`month` <> '01')) OR (`Day` >= 3))"},
        {"not a = 1 and b = 2", "((NOT (`a` = 1)) AND (`b` = 2))"},
        {"NOT (a = 1 AND b = 2)", "(NOT ((`a` = 1) AND (`b` = 2)))"},
        {"(((a)) = ('x'))", "(`a` = 'x')"},
        {"a != 'it''s'", "(`a` <> 'it\\'s')"},
        {"a IN ('x', 'y')", "(`a` IN ('x', 'y'))"},
        {"a NOT IN (1,-2,3.50)", "(`a` NOT IN (1, -2, 3.50BD))"},
        {"a between 1 and 2 and b is not null", "((`a` BETWEEN 1 AND 2) AND (`b` IS NOT NULL))"},
        {"a not between 'x' and 'y'", "(`a` NOT BETWEEN 'x' AND 'y')"},
        {"a LIKE 'x\\_%' ESCAPE '\\'", "(`a` LIKE 'x\\\\_%')"},
        {"a not like '%y'", "(`a` NOT LIKE '%y' ESCAPE '')"},
        {"date = date '2024-02-29'", "(`date` = DATE '2024-02-29')"},
        {"ts < timestamp '1969-12-31 23:59:59.5'",
         "(`ts` < TIMESTAMP '1969-12-31 23:59:59.500000')"},
        {"\"Odd col\" = `tick``ed`", "(`Odd col` = `tick``ed`)"},
        {"d = 99999999999999999999.5", "(`d` = 99999999999999999999.5BD)"},
        {"d = -9223372036854775808", "(`d` = -9223372036854775808)"},
        {"\xe5\xb9\xb4 = '\xe5\xb9\xb4'", "(`\xe5\xb9\xb4` = '\xe5\xb9\xb4')"},
        {"a is null", "(`a` IS NULL)"},
        {"1 = a", "(1 = `a`)"},
    };
    for (size_t i = 0; i < NK_COUNTOF(ex); i++)
        assert_string_equal(print(parse(ex[i].text, NK_EXPR_PARTITION)), ex[i].canonical);
}

static void spark_expressions_parse(void **state)
{
    static const example ex[] = {
        {"a.b.c + 1 * 2 - x % 3", "((`a`.`b`.`c` + (1 * 2)) - (`x` % 3))"},
        {"upper(name) || \"x\" = 'Y' and size > 1e3",
         "(((upper(`name`) || 'x') = 'Y') AND (`size` > 1.0000000000000000e+03D))"},
        {"cast(a as decimal(10,2)) <=> null", "(CAST(`a` AS decimal(10,2)) <=> NULL)"},
        {"try_cast(a as int) rlike '^x\\\\d'", "(TRY_CAST(`a` AS int) RLIKE '^x\\\\d')"},
        {"case when a then 1 else 2 end", "CASE WHEN `a` THEN 1 ELSE 2 END"},
        {"case x when 1 then 'a' end", "CASE WHEN (`x` = 1) THEN 'a' END"},
        {"count(*) > count(distinct a)", "(count(*) > count(DISTINCT `a`))"},
        {"a like 'x\\%'", "(`a` LIKE 'x\\\\%')"},
        {"- - 5", "5"},
        {"-x", "(- `x`)"},
        {"true and not false", "(TRUE AND (NOT FALSE))"},
        {"5L + 2.5BD", "(5 + 2.5BD)"},
        {"r'a\\b'", "'a\\\\b'"},
        {"coalesce(a, 'b', now())", "coalesce(`a`, 'b', now())"},
        {"'a\\u00e9\\n'", "'a\xc3\xa9\\u000a'"},
    };
    for (size_t i = 0; i < NK_COUNTOF(ex); i++)
        assert_string_equal(print(parse(ex[i].text, NK_EXPR_SPARK)), ex[i].canonical);
}

static void malformed_expressions_are_refused_with_the_place(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "end of the expression"},
        {"a", NULL}, /* parses: whoever binds it refuses */
        {"a =", "Expected a column or a value at the end"},
        {"a = 'x", "not closed"},
        {"a = 1 b = 2", "Expected AND, OR or the end at position 7"},
        {"(a = 1", "Expected ')'"},
        {"a in ()", "Expected a column or a value"},
        {"a in (1,", "end"},
        {"a between 1", "Expected AND"},
        {"a not 1", "Expected IN, BETWEEN or LIKE"},
        {"a is 1", "Expected NULL"},
        {"a = 1 ; drop table x", "unexpected character at position 7"},
        {"a = date '2023-02-29'", "yyyy-mm-dd"},
        {"a = timestamp '2023-02-28 24:00:00'", "hh:mm:ss"},
        {"f(a) = 1", "Expected AND, OR or the end"},
        {"a + 1 = 2", "Expected AND, OR or the end"},
        {"a <=> 2", "Expected AND, OR or the end"},
        {"and = 1", "Expected a column"},
        {"a like 'x' escape 'ab'", "one character"},
        {"a = '\xff'", "UTF-8"},
    };
    for (size_t i = 0; i < NK_COUNTOF(bad); i++) {
        const nk_expr *x;
        nk_err err = NK_ERR_INIT;
        nk_code rc = nk_expr_parse(nk_str_c(bad[i].text), NK_EXPR_PARTITION, arena, &x, &err);
        assert_int_equal(rc, bad[i].says ? NK_E_PARSE : NK_OK);
        if (bad[i].says && !strstr(err.msg, bad[i].says))
            fail_msg("%s: %s", bad[i].text, err.msg);
    }
}

static void deep_expressions_are_refused(void **state)
{
    static const char *const units[] = {"(",  "not ",       "- ",    "a+",     "a||",
                                        "f(", "case when ", "cast(", "a or (", "a is null and ("};
    for (size_t u = 0; u < NK_COUNTOF(units); u++) {
        nk_buf b;
        nk_buf_init(&b, 1 << 20);
        for (int i = 0; i < 20000; i++)
            assert_int_equal(nk_buf_puts(&b, units[u]), NK_OK);
        assert_int_equal(nk_buf_putc(&b, 'a'), NK_OK);
        const nk_expr *x;
        nk_err err = NK_ERR_INIT;
        nk_code rc = nk_expr_parse(nk_buf_view(&b), NK_EXPR_SPARK, arena, &x, &err);
        assert_true(rc == NK_E_LIMIT || rc == NK_E_PARSE);
        nk_buf_free(&b);
    }
    nk_buf b; /* a long chain is not deep */
    nk_buf_init(&b, 1 << 20);
    nk_buf_puts(&b, "a = 0");
    for (int i = 1; i < 5000; i++)
        nk_buf_printf(&b, " or a = %d", i);
    const nk_expr *x;
    assert_int_equal(nk_expr_parse(nk_buf_view(&b), NK_EXPR_PARTITION, arena, &x, NULL), NK_OK);
    assert_int_equal(x->nargs, 5000);
    nk_buf_free(&b);
}

static unsigned rnd(unsigned n)
{
    return (unsigned)random() % n;
}

static const nk_expr *random_leaf(void)
{
    static const char *const names[] = {"a", "B c", "x`y", "\xe5\xb9\xb4", "date", "select"};
    static const char *const strings[] = {
        "", "it's", "back\\slash", "100%", "\n\t", "\xf0\x9f\x98\x80", "a_b"};
    switch (rnd(8)) {
    case 0:
        return nk_expr_null(arena);
    case 1:
        return nk_expr_bool(arena, rnd(2));
    case 2:
        return nk_expr_long(arena,
                            (int64_t)((uint64_t)random() << 33 | (uint64_t)random()) >> rnd(64));
    case 3:
        return nk_expr_double(arena, (double)rnd(1000000) / (rnd(999) + 1) * (rnd(2) ? 1 : -1));
    case 4:
        return nk_expr_decimal(
            arena, nk_str_printf(arena, "%s%u.%02u", rnd(2) ? "-" : "", rnd(100000), rnd(100)));
    case 5:
        return nk_expr_string(arena, nk_str_c(strings[rnd(NK_COUNTOF(strings))]));
    case 6:
        return rnd(2) ? nk_expr_date(arena, (int64_t)rnd(80000) - 40000)
                      : nk_expr_timestamp(arena, ((int64_t)rnd(1000000000) - 500000000) * 1000003);
    default: {
        nk_str path[3];
        size_t n = 1 + rnd(3);
        for (size_t i = 0; i < n; i++)
            path[i] = nk_str_c(names[rnd(NK_COUNTOF(names))]);
        return nk_expr_path(arena, path, n);
    }
    }
}

static const nk_expr *random_tree(int depth)
{
    if (depth == 0 || rnd(5) == 0)
        return random_leaf();
    const nk_expr *v[6];
    size_t n = 0;
    for (size_t i = 0; i < 6; i++)
        v[i] = random_tree(depth - 1);
    nk_expr_kind kind = (nk_expr_kind)(NK_X_AND + (int)rnd(NK_X_KIND_COUNT - NK_X_AND));
    nk_expr *x;
    switch (kind) {
    case NK_X_AND:
    case NK_X_OR:
    case NK_X_IN:
        n = 2 + rnd(4);
        break;
    case NK_X_NOT:
    case NK_X_IS_NULL:
        n = 1;
        break;
    case NK_X_NEG: /* of a number would read back as a number */
        v[0] = nk_expr_column(arena, NK_STR("n"));
        n = 1;
        break;
    case NK_X_BETWEEN:
        n = 3;
        break;
    case NK_X_CASE:
        n = 2 + rnd(4);
        break;
    case NK_X_CALL:
        x = nk_expr_call(arena, NK_STR("Concat"), v, 1 + rnd(5));
        x->distinct = rnd(2);
        return x;
    case NK_X_CAST:
        x = nk_expr_cast(arena, v[0],
                         rnd(2) ? nk_type_scalar(NK_T_INT) : nk_type_decimal(arena, 12, 3));
        x->negated = rnd(2);
        return x;
    default:
        n = 2;
    }
    x = nk_expr_nary(arena, kind, v, n);
    if (kind == NK_X_IN || kind == NK_X_BETWEEN || kind == NK_X_LIKE || kind == NK_X_RLIKE ||
        kind == NK_X_IS_NULL)
        x->negated = rnd(2);
    if (kind == NK_X_LIKE)
        x->escape = "\0\\!'"[rnd(4)];
    return x;
}

static void canonical_text_reads_back_as_the_same_tree(void **state)
{
    unsigned seed = (unsigned)time(NULL);
    print_message("# seed %u\n", seed);
    srandom(seed);
    for (int i = 0; i < 4000; i++) {
        nk_arena_reset(arena);
        const nk_expr *x = random_tree(1 + (int)rnd(4));
        const char *text = print(x);
        const nk_expr *y = parse(text, NK_EXPR_SPARK);
        if (!nk_expr_eq(x, y))
            fail_msg("%s\nreads back as\n%s", text, print(y));
    }
}

static void like_matches(void **state)
{
    static const struct {
        const char *s, *p;
        char e;
        bool yes;
    } t[] = {
        {"", "", 0, true},
        {"", "%", 0, true},
        {"a", "", 0, false},
        {"abc", "a%", 0, true},
        {"abc", "%c", 0, true},
        {"abc", "%b%", 0, true},
        {"abc", "a_c", 0, true},
        {"abc", "a_", 0, false},
        {"a%c", "a\\%c", '\\', true},
        {"abc", "a\\%c", '\\', false},
        {"a_c", "a!_c", '!', true},
        {"abc", "a!_c", '!', false},
        {"\xc3\xa9", "_", 0, true},
        {"\xc3\xa9x", "_x", 0, true},
        {"\xf0\x9f\x98\x80", "__", 0, false},
        {"aXbXc", "a%X%c", 0, true},
        {"mississippi", "m%iss%ip%i", 0, true},
        {"mississippi", "m%iss%ipx%i", 0, false},
        {"abc", "ABC", 0, false},
        {"a\\c", "a\\c", 0, true},
        {"%%", "%%%%", '%', true},
    };
    for (size_t i = 0; i < NK_COUNTOF(t); i++)
        if (nk_like_match(nk_str_c(t[i].s), nk_str_c(t[i].p), t[i].e) != t[i].yes)
            fail_msg("'%s' like '%s' should be %d", t[i].s, t[i].p, t[i].yes);
    /* Many stars against a text that nearly matches must not explode. */
    char text[3000], pat[200];
    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < sizeof(pat); i++)
        pat[i] = i % 2 ? 'a' : '%';
    pat[sizeof(pat) - 1] = 'b';
    assert_false(nk_like_match(nk_str_n(text, sizeof(text)), nk_str_n(pat, sizeof(pat)), 0));
}

static void dates_and_timestamps_read(void **state)
{
    int64_t v;
    int ns;
    assert_true(nk_date_parse(NK_STR("1970-01-01"), &v) && v == 0);
    assert_true(nk_date_parse(NK_STR("1969-12-31"), &v) && v == -1);
    assert_true(nk_date_parse(NK_STR("2000-02-29"), &v) && v == 11016);
    assert_false(nk_date_parse(NK_STR("1900-02-29"), &v));
    assert_false(nk_date_parse(NK_STR("2020-1-1"), &v));
    assert_false(nk_date_parse(NK_STR("2020-01-01 "), &v));
    assert_false(nk_date_parse(NK_STR("__HIVE_DEFAULT_PARTITION__"), &v));
    assert_true(nk_timestamp_parse(NK_STR("1969-12-31 23:59:59.999999"), &v) && v == -1);
    assert_true(nk_timestamp_parse_ns(NK_STR("1970-01-01 00:00:00.123456789"), &v, &ns) &&
                v == 123456 && ns == 789);
    assert_true(nk_timestamp_parse(NK_STR("1970-01-02"), &v) && v == 86400000000LL);
    assert_false(nk_timestamp_parse(NK_STR("1970-01-02 1:00:00"), &v));
    assert_false(nk_timestamp_parse(NK_STR("1970-01-02 01:00:00."), &v));
    assert_false(nk_timestamp_parse(NK_STR("1970-01-02 01:00:00.1234567890"), &v));
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(partition_expressions_parse),
        T(spark_expressions_parse),
        T(malformed_expressions_are_refused_with_the_place),
        T(deep_expressions_are_refused),
        T(canonical_text_reads_back_as_the_same_tree),
        T(like_matches),
        T(dates_and_timestamps_read),
    };
    return cmocka_run_group_tests_name("expr", tests, NULL, NULL);
}
