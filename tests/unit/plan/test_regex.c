#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "plan/regex.h"
#include "../arena.h"

static void what_the_two_read_differently_is_written_out(void **state)
{
    static const struct {
        const char *python, *re2;
    } cases[] = {
        {"ab+", "\\A(?:ab+)"},
        {"^\\d", "\\A(?:\\p{Nd})"},
        {"a.c$", "\\A(?:a[^\\n]c\\n?\\z)"},
        {"(?s)a.", "\\A(?:a(?s:.))"},
        {"(?i)i", "\\A(?i:[iI\\x{130}\\x{131}])"},
        {"(?P<x>a)|[b-d_]", "\\A(?:(?-i:a)|[\\x{62}-\\x{64}\\x{5f}])"},
        {"a{,3}?", "\\A(?:a{0,3})"},
        {"a{x}", "\\A(?:a\\x{7b}x\\x{7d})"},
        {"\\u00e9", "\\A(?:\\x{e9})"},
        {"", "\\A(?:)(?s:.?)"},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_str out;
        nk_err err = NK_ERR_INIT;
        if (nk_regex_python(nk_str_c(cases[i].python), arena, &out, &err) != NK_OK)
            fail_msg("%s: %s", cases[i].python, err.msg);
        assert_string_equal(nk_str_dup(arena, out).p, cases[i].re2);
    }
}

static void what_cannot_be_is_told_from_what_re2_lacks(void **state)
{
    static const struct {
        const char *python;
        nk_code code;
        const char *says;
    } cases[] = {
        {"(a", NK_E_INVALID, "not closed"},        {"a)", NK_E_INVALID, "too many"},
        {"[a", NK_E_INVALID, "not closed"},        {"*a", NK_E_INVALID, "nothing to repeat"},
        {"a**", NK_E_INVALID, "repetition"},       {"[b-a]", NK_E_INVALID, "before it begins"},
        {"a\\", NK_E_INVALID, "backslash"},        {"\\q", NK_E_INVALID, "unknown escape"},
        {"a{3,1}", NK_E_INVALID, "least"},         {"\xff", NK_E_INVALID, "UTF-8"},
        {"(?=a)", NK_E_UNSUPPORTED, "look-ahead"}, {"\\1", NK_E_UNSUPPORTED, "back reference"},
        {"\\b", NK_E_UNSUPPORTED, "edge"},         {"a++", NK_E_UNSUPPORTED, "possessive"},
        {"a$b", NK_E_UNSUPPORTED, "$ before"},     {"(?x)a", NK_E_UNSUPPORTED, "only Python"},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_str out;
        nk_err err = NK_ERR_INIT;
        assert_int_equal(nk_regex_python(nk_str_c(cases[i].python), arena, &out, &err),
                         cases[i].code);
        if (!strstr(err.msg, cases[i].says))
            fail_msg("%s says: %s", cases[i].python, err.msg);
    }
}

static void every_allocation_may_fail(void **state)
{
    nk_code rc = NK_E_NOMEM;
    for (unsigned n = 1; rc != NK_OK; n++) {
        nk_arena *a = nk_arena_create(0);
        nk_str out;
        nk_err err = NK_ERR_INIT;
        nk_fault_alloc(n);
        rc = nk_regex_python(NK_STR("(?i)(a|[b-z\\d]{2,3})+[^x]é\\w*$"), a, &out, &err);
        nk_fault_alloc(0);
        assert_true(rc == NK_OK || rc == NK_E_NOMEM);
        assert_true(n < 100);
        nk_arena_destroy(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_the_two_read_differently_is_written_out, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_is_told_from_what_re2_lacks, setup,
                                        teardown),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("regex", tests, NULL, NULL);
}
