#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "plan/sql_int.h"

/* A plan over one table of the engine, t, whose columns are of every kind that queries treat apart.
 */
static nk_code scan(void *arg, nk_plan *p, const nk_node *n, bool exact, nk_arena *a,
                    const nk_scan **out, nk_err *err)
{
    nk_scan *s = NK_NEW(a, nk_scan);
    const nk_type *t;
    if (!s)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    NK_TRY(nk_type_parse(NK_STR("struct<i:int,l:bigint,d:double,t:string,m:decimal(7,2),day:date,b:"
                                "boolean,s:struct<x:int>,c:choice<int,string>,a:array<int>>"),
                         a, &t, err));
    *s = (nk_scan){.format = NK_SCAN_TABLE, .view = NK_STR("src"), .type = t, .read = t};
    *out = s;
    return NK_OK;
}

/* The statement for a query over t. */
static nk_code translate(const char *query, nk_buf *out, nk_err *err)
{
    nk_plan_host host = {.scan = scan};
    const nk_node *source, *node;
    nk_plan *p;
    nk_buf options;
    NK_TRY(nk_plan_create(&host, &p, err));
    nk_buf_init(&options, 1 << 20);
    nk_json_writer w = {.buf = &options};
    nk_jw_object(&w);
    nk_jw_kstr(&w, "SqlQuery", nk_str_c(query));
    nk_jw_key(&w, NK_STR("SqlAliases"));
    (void)nk_buf_puts(&options, "[{\"From\":\"s\",\"Alias\":\"t\"}]}");
    nk_code rc = nk_buf_check(&options, err);
    if (rc == NK_OK)
        rc = nk_plan_node(p, NK_STR("S3ParquetSource"), NK_STR("s"), NK_STR("{\"Paths\":[\"x\"]}"),
                          NULL, 0, &source, err);
    if (rc == NK_OK)
        rc = nk_plan_node(p, NK_STR("SparkSQL"), NK_STR("q"), nk_buf_view(&options), &source, 1,
                          &node, err);
    if (rc == NK_OK)
        rc = nk_plan_sql(node, nk_dialect_duckdb(), out, err);
    nk_buf_free(&options);
    nk_plan_destroy(p);
    return rc;
}

static void what_is_not_known_is_refused_by_name(void **state)
{
    static const struct {
        const char *query, *says;
    } cases[] = {
        {"select upper(t) u from t", "the function upper"},
        {"select sum(i) over (partition by t) from t", "\"over"},
        {"select i from t where t rlike 'a'", "RLIKE"},
        {"select i + interval 1 day from t", "1 day from"},
        {"select i from t lateral view explode(a) e", "\"lateral"},
        {"select i from t where i in (select 1 from t)", "near"},
        {"select m / 2 as r from t", "/ of decimals"},
        {"select cast(day as int) r from t", "a cast from date to int"},
        {"select c from t where c = 1", "ResolveChoice"},
        {"select i = day r from t", "comparison of int and date"},
        {"select nothing from t", "no column nothing"},
        {"select x.i from t x join t y on i = 1", "more than one column i"},
        {"select i from elsewhere", "no alias elsewhere"},
        {"select i, I from t", "two columns called I"},
        {"select i + 1, coalesce(i, 1) from t", "column 2 without a name"},
        {"select 5Y from t", "\"Y"},
        {"select 'it''s' r from t", "a doubled quote"},
        {"select i from t where sum(i) > 1", "where there are no groups"},
        {"select i from t where i", "as a condition"},
        {"select day + 1 as d from t", "+ with a date"},
        {"select substring(t, -2) r from t", "substring"},
        {"select i from t /*+ BROADCAST(t) */", "hint"},
        {"select i from t union select i, l from t", "a union of 1 and 2"},
        {"select i from t using sample", "\"using"},
        {"", "too soon"},
        {"select * from t x, t y full join t z on x.i = z.i", "behind a comma"},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_err err = NK_ERR_INIT;
        nk_buf out;
        nk_buf_init(&out, 1 << 20);
        assert_int_equal(translate(cases[i].query, &out, &err), NK_E_UNSUPPORTED);
        if (!strstr(err.msg, cases[i].says))
            fail_msg("%s says: %s", cases[i].query, err.msg);
        nk_buf_free(&out);
    }
}

static void every_allocation_may_fail(void **state)
{
    static const char query[] =
        "with b as (select i, count(distinct t) n, avg(m) a from t group by 1 having count(*) > 2) "
        "select x.i, l * x.i as p, case when b then t else concat(t, l) end c, s.x as z, day from "
        "t "
        "x "
        "left join b y on x.i = y.i and t like 'a%' where d / 2 between 1 and '3' or not l in (1, "
        "2.5) "
        "union all select i, l, t, 1, day from t order by 1 desc limit 3";
    nk_err err = NK_ERR_INIT;
    nk_buf whole;
    nk_buf_init(&whole, 1 << 20);
    nk_fault_alloc(SIZE_MAX);
    assert_int_equal(translate(query, &whole, &err), NK_OK);
    size_t all = nk_fault_alloc(0);
    assert_true(all > 100);
    for (size_t n = 1; n <= all; n++) {
        nk_buf out;
        nk_buf_init(&out, 1 << 20);
        nk_fault_alloc(n);
        nk_code rc = translate(query, &out, &err);
        nk_fault_alloc(0);
        /* a type or name that could not be made counts as none: the job then runs as its script */
        if (rc != NK_OK && rc != NK_E_NOMEM && rc != NK_E_UNSUPPORTED)
            fail_msg("allocation %zu failing: %s: %s", n, nk_code_name(rc), err.msg);
        if (rc == NK_OK && !nk_str_eq(nk_buf_view(&out), nk_buf_view(&whole)))
            fail_msg("allocation %zu failing gives another statement: %.*s", n,
                     NK_STR_ARG(nk_buf_view(&out)));
        nk_buf_free(&out);
    }
    nk_buf_free(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_known_is_refused_by_name),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("sql", tests, NULL, NULL);
}
