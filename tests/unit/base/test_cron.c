#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cron.h"

static int64_t at(int year, int month, int day, int hour, int minute)
{
    nk_civil t = {
        .year = year, .month = month, .day = day, .hour = hour, .minute = minute, .second = 59};
    return nk_civil_to_us(&t);
}

static void fires(void **state)
{
    static const struct {
        const char *cron;
        int year, month, day, hour, minute;
        bool fires;
    } cases[] = {
        {"cron(15 12 * * ? *)", 2024, 5, 7, 12, 15, true},
        {"cron(15 12 * * ? *)", 2024, 5, 7, 12, 16, false},
        {"cron(0/15 * * * ? *)", 2024, 5, 7, 3, 45, true},
        {"cron(0/15 * * * ? *)", 2024, 5, 7, 3, 46, false},
        {"cron(5/10 8-17 ? * MON-FRI *)", 2024, 5, 7, 17, 25, true}, /* a Tuesday */
        {"cron(5/10 8-17 ? * MON-FRI *)", 2024, 5, 5, 17, 25, false},
        {"cron(0 0 1,15 * ? *)", 2024, 5, 15, 0, 0, true},
        {"cron(0 0 L * ? *)", 2024, 2, 29, 0, 0, true},
        {"cron(0 0 L * ? *)", 2023, 2, 28, 0, 0, true},
        {"cron(0 0 L * ? *)", 2024, 2, 28, 0, 0, false},
        {"cron(0 0 15W * ? *)", 2024, 6, 14, 0, 0, true}, /* 15 June 2024 is a Saturday */
        {"cron(0 0 15W * ? *)", 2024, 6, 15, 0, 0, false},
        {"cron(0 0 1W * ? *)", 2024, 6, 3, 0, 0, true}, /* 1 June 2024 is a Saturday */
        {"cron(0 0 LW * ? *)", 2024, 6, 28, 0, 0, true},
        {"cron(0 0 ? * 6L *)", 2024, 5, 31, 0, 0, true}, /* last Friday */
        {"cron(0 0 ? * 6L *)", 2024, 5, 24, 0, 0, false},
        {"cron(0 0 ? * MON#2 *)", 2024, 5, 13, 0, 0, true},
        {"cron(0 0 ? * MON#2 *)", 2024, 5, 6, 0, 0, false},
        {"cron(0 0 ? JAN,mar 1 2024-2025)", 2025, 3, 2, 0, 0, true}, /* a Sunday */
        {"cron(0 0 ? JAN,MAR 1 2024-2025)", 2026, 3, 1, 0, 0, false},
        {"cron(0  10 * * ? *)", 2024, 1, 1, 10, 0, true},
        {"cron(0 0 1 1 ? 2199)", 2199, 1, 1, 0, 0, true},
        {"cron(0 0 1 1 ? *)", 2199, 1, 1, 0, 0, true},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_cron c;
        nk_err err = NK_ERR_INIT;
        if (nk_cron_parse(nk_str_c(cases[i].cron), &c, &err) != NK_OK)
            fail_msg("%s: %s", cases[i].cron, err.msg);
        if (nk_cron_fires(&c, at(cases[i].year, cases[i].month, cases[i].day, cases[i].hour,
                                 cases[i].minute)) != cases[i].fires)
            fail_msg("case %zu: %s", i, cases[i].cron);
    }
}

static void refuses(void **state)
{
    static const char *const cases[] = {
        "",
        "rate(5 minutes)",
        "cron(0 0 1 1 ? 2200)",
        "cron()",
        "cron(* * * * *)",
        "cron(* * * * * *)",
        "cron(* * ? * ? *)",
        "cron(60 * * * ? *)",
        "cron(* 24 * * ? *)",
        "cron(* * 32 * ? *)",
        "cron(* * 0 * ? *)",
        "cron(* * * 13 ? *)",
        "cron(* * ? * 8 *)",
        "cron(* * ? * MON#6 *)",
        "cron(5-1 * * * ? *)",
        "cron(*/0 * * * ? *)",
        "cron(a * * * ? *)",
        "cron(? * * * ? *)",
        "cron(* * * * ? 1969)",
        "cron(* * * * ? *",
        "cron(1,,2 * * * ? *)",
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_cron c;
        nk_err err = NK_ERR_INIT;
        if (nk_cron_parse(nk_str_c(cases[i]), &c, &err) != NK_E_INVALID)
            fail_msg("%s was accepted", cases[i]);
        assert_true(err.msg[0]);
    }
}

/* Against every minute of a day and the next day's first firing. */
static void least_gap(void **state)
{
    static const struct {
        const char *text;
        int gap;
    } cases[] = {
        {"cron(* * * * ? *)", 1},        {"cron(0/5 * * * ? *)", 5},
        {"cron(0/7 * * * ? *)", 4}, /* 56 and the next hour's 0 */
        {"cron(0,58 1 * * ? *)", 58},    {"cron(0,58 1,2 * * ? *)", 2},
        {"cron(15 12 * * ? *)", 1440},   {"cron(0 0,23 * * ? *)", 60},
        {"cron(0,59 0,23 * * ? *)", 1},  {"cron(10-12 3 ? * MON *)", 1},
        {"cron(0 0/6 1 1 ? 2030)", 360},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_cron c;
        assert_int_equal(nk_cron_parse(nk_str_c(cases[i].text), &c, NULL), NK_OK);
        if (nk_cron_least_gap(&c) != cases[i].gap)
            fail_msg("%s: %d", cases[i].text, nk_cron_least_gap(&c));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires),
        cmocka_unit_test(refuses),
        cmocka_unit_test(least_gap),
    };
    return cmocka_run_group_tests_name("crawl_cron", tests, NULL, NULL);
}
