/* Lent key pairs: who gets which, for how long, and what SeaweedFS is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lake/lend.h"

static char *told(nk_lends *l, int64_t now)
{
    static char text[8192];
    nk_buf b;
    nk_buf_init(&b, sizeof text - 1);
    nk_json_writer w = {.buf = &b};
    nk_jw_array(&w);
    nk_lends_write(l, now, &w);
    nk_jw_array_end(&w);
    nk_str s = nk_buf_view(&b);
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    nk_buf_free(&b);
    return text;
}

static void test_time_and_places(void **state)
{
    nk_lends l;
    nk_lend a, b, c;
    const int64_t s = 1000000;
    nk_str one = NK_STR("bucket/a/\n"), two = NK_STR("bucket/a/\nother/\n");
    nk_lends_init(&l, 100);
    assert_false(nk_lends_due(&l, 0));
    assert_false(nk_lends_has(&l, one, 0));
    assert_int_equal(nk_lends_get(&l, one, 0, &a, NULL), NK_OK);
    assert_int_equal(a.until_us, 100 * s);
    assert_true(nk_lends_due(&l, 0));
    /* for nobody before the lake has taken it, whoever asked first */
    assert_false(a.taken);
    assert_false(nk_lends_has(&l, one, 0));
    assert_int_equal(nk_lends_get(&l, one, 0, &b, NULL), NK_OK);
    assert_string_equal(a.access, b.access);
    assert_false(b.taken);
    nk_lends_taken(&l, &b);
    assert_true(nk_lends_has(&l, one, 0));
    /* the same while it has half its life */
    assert_int_equal(nk_lends_get(&l, one, 49 * s, &b, NULL), NK_OK);
    assert_true(b.taken);
    assert_string_equal(a.access, b.access);
    assert_string_equal(a.secret, b.secret);
    assert_int_equal(nk_lends_get(&l, two, 49 * s, &b, NULL), NK_OK);
    assert_string_not_equal(a.access, b.access);
    assert_int_equal(nk_lends_get(&l, one, 51 * s, &c, NULL), NK_OK);
    assert_string_not_equal(a.access, c.access);
    assert_false(c.taken);
    char *text = told(&l, 51 * s);
    assert_non_null(strstr(text, a.access));
    assert_non_null(strstr(text, b.secret));
    assert_non_null(strstr(text, "\"Read:bucket/a/*\""));
    assert_non_null(strstr(text, "\"Write:other/*\""));
    assert_null(strstr(text, "disabled"));
    assert_false(nk_lends_due(&l, 99 * s)); /* all is told */
    /* over: disabled, and that again if it has got lost */
    assert_true(nk_lends_due(&l, 100 * s));
    text = told(&l, 100 * s);
    assert_non_null(strstr(text, "disabled"));
    assert_non_null(strstr(text, a.access));
    assert_false(nk_lends_due(&l, 100 * s));
    nk_lends_lost(&l);
    assert_true(nk_lends_due(&l, 200 * s));
    text = told(&l, 200 * s);
    assert_non_null(strstr(text, a.access));
    assert_non_null(strstr(text, b.access));
    /* a while later it is gone */
    text = told(&l, 159 * s);
    assert_non_null(strstr(text, a.access));
    text = told(&l, 160 * s);
    assert_null(strstr(text, a.access));
    assert_non_null(strstr(text, c.access));
    nk_lends_free(&l);
}

static void test_there_is_an_end(void **state)
{
    nk_lends l;
    nk_lend e;
    char place[32];
    nk_lends_init(&l, 0);
    for (int i = 0; i < NK_LEND_MAX; i++) {
        snprintf(place, sizeof place, "b/%d/\n", i);
        assert_int_equal(nk_lends_get(&l, nk_str_c(place), 0, &e, NULL), NK_OK);
        assert_int_equal(e.until_us, (int64_t)3600 * 1000000);
    }
    assert_int_equal(nk_lends_get(&l, NK_STR("b/x/\n"), 0, &e, NULL), NK_E_THROTTLED);
    assert_int_equal(nk_lends_get(&l, NK_STR("b/7/\n"), 0, &e, NULL), NK_OK);
    nk_lends_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_and_places),
        cmocka_unit_test(test_there_is_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
