#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "iceberg/bounds.h"

static const char file_type[] =
    "{\"type\":\"record\",\"name\":\"r2\",\"fields\":[{\"name\":\"value_counts\",\"type\":["
    "\"null\","
    "{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"c\",\"fields\":[{\"name\":"
    "\"key\",\"type\":\"int\"},{\"name\":\"value\",\"type\":\"long\"}]}}]},{\"name\":"
    "\"lower_bounds\",\"type\":[\"null\",{\"type\":\"array\",\"items\":{\"type\":\"record\","
    "\"name\":\"b\",\"fields\":[{\"name\":\"key\",\"type\":\"int\"},{\"name\":\"value\",\"type\":"
    "\"bytes\"}]}}]},{\"name\":\"upper_bounds\",\"type\":[\"null\",{\"type\":\"array\",\"items\":"
    "\"b\"}]}]}";

/* A file of one column, id 1, with these bounds (p NULL: none) and count. */
static bool make(nk_arena *a, nk_str lower, nk_str upper, int64_t count, nk_ocf *out)
{
    nk_ocf_type *t;
    if (nk_ocf_parse_type(NK_STR(file_type), a, &t, NULL) != NK_OK)
        return false;
    nk_ocf *members = NK_NEWN(a, nk_ocf, 3);
    for (int i = 0; members && i < 3; i++) {
        const nk_ocf_type *list = t->parts[i]->parts[1], *item = list->parts[0];
        nk_str s = i == 1 ? lower : upper;
        nk_ocf *entry = NK_NEW(a, nk_ocf), *pair = NK_NEWN(a, nk_ocf, 2);
        if (!entry || !pair)
            return false;
        pair[0] = (nk_ocf){.type = item->parts[0], .i = 1};
        pair[1] = (nk_ocf){.type = item->parts[1], .i = i ? 0 : count, .s = i ? s : NK_STR_NULL};
        *entry = (nk_ocf){.type = item, .items = pair, .n = 2};
        members[i] = (nk_ocf){.type = list, .branch = 1, .items = entry, .n = i && !s.p ? 0 : 1};
    }
    *out = (nk_ocf){.type = t, .items = members, .n = 3};
    return members != NULL;
}

#define RAW(x) nk_str_n((const char *)&(x), sizeof(x))

static nk_code merged(nk_arena *a, const char *type, const nk_str b[4], bool counts, nk_ocf *out)
{
    nk_ocf x, y;
    nk_json *schema;
    const nk_ocf *files[] = {&x, &y};
    nk_str text = nk_str_printf(a,
                                "{\"fields\":[{\"id\":1,\"name\":\"a\",\"required\":false,"
                                "\"type\":\"%s\"}]}",
                                type);
    if (!text.p || !make(a, b[0], b[1], 3, &x) || !make(a, b[2], b[3], 4, &y) ||
        nk_ocf_copy(&x, a, out) != NK_OK)
        return NK_E_NOMEM;
    NK_TRY(nk_json_parse(text, a, 0, &schema, NULL));
    return nk_ice_merge_bounds(a, schema, files, 2, counts, out, NULL);
}

/* lower and upper of x, of y, of both; a wanted lower of p NULL: none is left. */
static void check(const char *type, nk_str xl, nk_str xu, nk_str yl, nk_str yu, nk_str l, nk_str u)
{
    nk_arena *a = nk_arena_create(0);
    const nk_str b[] = {xl, xu, yl, yu}, want[] = {l, u};
    nk_ocf out;
    assert_int_equal(merged(a, type, b, true, &out), NK_OK);
    for (int i = 0; i < 2; i++) {
        const nk_ocf *list = nk_ocf_get(&out, i ? "upper_bounds" : "lower_bounds");
        if (list->n != (want[i].p ? 1u : 0u))
            fail_msg("%s %d: %zu", type, i, list->n);
        if (list->n && !nk_str_eq(nk_ocf_get(&list->items[0], "value")->s, want[i]))
            fail_msg("%s %d", type, i);
    }
    assert_int_equal(nk_ocf_i64(&nk_ocf_get(&out, "value_counts")->items[0], "value", 0), 7);
    nk_arena_destroy(a);
}

static void bounds_of_every_form(void **state)
{
    int32_t m5 = -5, p7 = 7, p9 = 9;
    int64_t lm5 = -5, lp9 = 9, lp7 = 7, m99 = -99;
    float fm = -1.5f, fp = 2.5f;
    double dm = -1.5, dp = 2.5, dx = 1.0, nan = 0.0;
    nan = nan / nan;
    check("int", RAW(m5), RAW(p9), RAW(p7), RAW(p7), RAW(m5), RAW(p9));
    check("long", RAW(lp7), RAW(lp7), RAW(m99), RAW(lp9), RAW(m99), RAW(lp9));
    /* an int that became a long */
    check("long", RAW(m5), RAW(p7), RAW(lp7), RAW(lp9), RAW(lm5), RAW(lp9));
    check("double", RAW(fm), RAW(fp), RAW(dx), RAW(dx), RAW(dm), RAW(dp));
    check("double", RAW(dm), RAW(dp), RAW(nan), RAW(nan), NK_STR_NULL, NK_STR_NULL);
    check("string", NK_STR("b"), NK_STR("b\xc3\xa9"), NK_STR("a"), NK_STR("b"), NK_STR("a"),
          NK_STR("b\xc3\xa9"));
    /* big-endian, as short as they can be: -1, 127, -200, 128 */
    check("decimal(9, 2)", NK_STR("\xff"), NK_STR("\x7f"), NK_STR("\xff\x38"), NK_STR("\x00\x80"),
          NK_STR("\xff\x38"), NK_STR("\x00\x80"));
    /* nothing known of one, or a value of another width */
    check("int", RAW(m5), RAW(p9), NK_STR_NULL, NK_STR_NULL, NK_STR_NULL, NK_STR_NULL);
    check("int", RAW(m5), RAW(p9), NK_STR("xyz"), RAW(lp9), NK_STR_NULL, NK_STR_NULL);
    check("variant", NK_STR("x"), NK_STR("y"), NK_STR("x"), NK_STR("y"), NK_STR_NULL, NK_STR_NULL);
}

static void counts_are_dropped_when_rows_are_missing(void **state)
{
    nk_arena *a = nk_arena_create(0);
    const nk_str b[] = {NK_STR("a"), NK_STR("b"), NK_STR("a"), NK_STR("b")};
    nk_ocf out;
    assert_int_equal(merged(a, "string", b, false, &out), NK_OK);
    assert_int_equal(nk_ocf_get(&out, "value_counts")->type->kind, NK_OCF_NULL);
    assert_int_equal(nk_ocf_get(&out, "lower_bounds")->n, 1);
    nk_arena_destroy(a);
}

static void survives_every_failed_allocation(void **state)
{
    int32_t one = 1;
    int64_t two = 2;
    const nk_str b[] = {RAW(one), RAW(one), RAW(two), RAW(two)};
    for (size_t k = 1;; k++) {
        nk_ocf out;
        nk_fault_alloc(k);
        nk_arena *a = nk_arena_create(0);
        nk_code rc = a ? merged(a, "long", b, true, &out) : NK_E_NOMEM;
        nk_arena_destroy(a);
        bool beyond = nk_fault_alloc(0) < k;
        assert_int_equal(rc, beyond ? NK_OK : NK_E_NOMEM);
        if (beyond)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_of_every_form),
        cmocka_unit_test(counts_are_dropped_when_rows_are_missing),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    return cmocka_run_group_tests_name("iceberg_bounds", tests, NULL, NULL);
}
