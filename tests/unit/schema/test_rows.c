/* Rows of each format: types, counts, the same however the bytes come in, and every allocation
 * failing once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rows_samples.h"
#include "rows_walk.h"

static const struct {
    const char *format, *type;
    size_t rows;
} wanted[] = {
    {"avro",
     "struct<id:bigint,t:string,d:decimal(9,2),at:timestamp,u:choice<int,string>,l:array<double>,m:"
     "map<string,int>,f:binary,e:string>",
     9},
    {"orc",
     "struct<id:bigint,t:string,d:decimal(9,2),at:timestamp,l:array<double>,m:map<string,int>,e:"
     "string,b:boolean,n:bigint,s:struct<x:bigint,y:double>>",
     9},
    {"ion",
     "struct<id:int,t:string,d:decimal(38,18),at:timestamp,u:choice<string,int>,l:array<double>,s:"
     "struct<b:binary,y:boolean>>",
     9},
    {"bson",
     "struct<id:int,t:string,d:decimal(38,18),at:timestamp,u:choice<string,int>,l:array<double>,s:"
     "struct<b:binary,y:boolean>,r:string>",
     9},
    {"xml",
     "struct<_a:int,t:array<choice<string,int>>,e:string,s:struct<_u:string,_VALUE:double>,c:"
     "string>",
     9},
    {"grokLog", "struct<w:string,n:double,rest:string>", 9},
};

static nk_grok *grok;

static const nk_rows_format *prepare(const char *name, nk_rows_options *o)
{
    const nk_rows_format *f = nk_rows_format_of(nk_str_c(name));
    *o = (nk_rows_options){.row_tag = NK_STR("row"), .grok = f == &nk_rows_grok ? grok : NULL};
    assert_non_null(f);
    return f;
}

static nk_str bytes_of(size_t i)
{
    return nk_str_n((const char *)samples[i].bytes, samples[i].n);
}

static void reads(void **state)
{
    for (size_t i = 0; i < NK_COUNTOF(samples); i++) {
        nk_rows_options o;
        walked w, bits;
        const nk_rows_format *f = prepare(samples[i].format, &o);
        walk_rows(f, &o, bytes_of(i), SIZE_MAX, &w);
        if (w.rc != NK_OK)
            fail_msg("%s: %s", samples[i].name, w.err.msg);
        for (size_t k = 0; k < NK_COUNTOF(wanted); k++) {
            if (strcmp(wanted[k].format, samples[i].format) != 0)
                continue;
            assert_string_equal(w.type, wanted[k].type);
            assert_int_equal(w.kept, wanted[k].rows);
        }
        for (size_t most = 60; most < 4000; most = most * 3 + 1) {
            walk_rows(f, &o, bytes_of(i), most, &bits);
            assert_int_equal(bits.rc, NK_OK);
            assert_int_equal(bits.kept, w.kept);
            assert_true(bits.sum == w.sum);
        }
    }
}

/* Cut anywhere, a file gives an error or the rows that are whole; never others, never more. */
static void cut(void **state)
{
    for (size_t i = 0; i < NK_COUNTOF(samples); i++) {
        nk_rows_options o;
        const nk_rows_format *f = prepare(samples[i].format, &o);
        size_t good = 0;
        for (size_t n = 0; n < samples[i].n; n++) {
            walked w;
            walk_rows(f, &o, nk_str_sub(bytes_of(i), 0, n), SIZE_MAX, &w);
            assert_true(w.rc == NK_OK || w.err.msg[0]);
            good += w.rc == NK_OK;
            assert_true(w.kept <= 9);
        }
        bool lines = strcmp(samples[i].format, "grokLog") == 0;
        assert_true(lines || good <= 20); /* between records there is nothing to be seen */
    }
}

static void faults(void **state)
{
    for (size_t i = 0; i < NK_COUNTOF(samples); i++) {
        nk_rows_options o;
        const nk_rows_format *f = prepare(samples[i].format, &o);
        for (size_t k = 1;; k++) {
            walked w;
            nk_fault_alloc(k);
            walk_rows(f, &o, bytes_of(i), SIZE_MAX, &w);
            bool beyond = nk_fault_alloc(0) < k;
            if (w.rc != (beyond ? NK_OK : NK_E_NOMEM))
                fail_msg("%s: allocation %zu: %d %s", samples[i].name, k, w.rc, w.err.msg);
            if (beyond)
                break;
        }
    }
}

static int compile(void **state)
{
    return nk_grok_compile(NK_STR("%{WORD:w} %{NUMBER:n:double} ?%{GREEDYDATA:rest}"), NK_STR(""),
                           &grok, NULL) == NK_OK
               ? 0
               : 1;
}

static int release(void **state)
{
    nk_grok_free(grok);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(cut),
        cmocka_unit_test(faults),
    };
    return cmocka_run_group_tests(tests, compile, release);
}
