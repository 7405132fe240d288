#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/base.h"

static void str_split_keeps_empty_pieces(void **state)
{
    nk_str rest = NK_STR("a,,b"), piece;
    assert_true(nk_str_split(&rest, ',', &piece) && nk_str_is(piece, "a"));
    assert_true(nk_str_split(&rest, ',', &piece) && nk_str_is(piece, ""));
    assert_true(nk_str_split(&rest, ',', &piece) && nk_str_is(piece, "b"));
    assert_false(nk_str_split(&rest, ',', &piece));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(str_split_keeps_empty_pieces),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
