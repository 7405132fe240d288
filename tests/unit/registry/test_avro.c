/* Avro definitions: what is taken and what is refused, canonical text, comparing, columns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "registry/format.h"

static nk_schema_doc *parsed(nk_arena *a, const char *text)
{
    nk_schema_doc *doc;
    nk_err err = NK_ERR_INIT;
    if (nk_schema_format_avro.parse(nk_str_c(text), NULL, 0, a, &doc, &err) != NK_OK)
        fail_msg("%s: %s", text, err.msg);
    return doc;
}

static void definitions(void **state)
{
    static const struct {
        const char *text, *says; /* says NULL: taken */
    } cases[] = {
        {"\"int\"", NULL},
        {"{\"type\":\"string\",\"x\":[1]}", NULL},
        {"[\"null\",\"string\"]", NULL},
        {"{\"type\":{\"type\":\"array\",\"items\":\"int\"}}", "must be the name of a type"},
        {"{\"type\":\"record\",\"name\":\"R\",\"doc\":5,\"fields\":[{\"name\":\"a\",\"doc\":[],"
         "\"type\":\"float\",\"default\":\"NaN\"}]}",
         NULL},
        {"{\"type\":\"record\",\"name\":\"a.b.C\",\"fields\":[{\"name\":\"c\",\"type\":[\"null\","
         "\"C\"]}]}",
         NULL},
        {"{\"type\":\"error\",\"name\":\"E\",\"fields\":[]}", NULL},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":0}", NULL},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":-1}", "size"},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"],\"default\":\"B\"}", "no symbol"},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"a-b\"]}", "no symbol"},
        {"{\"type\":\"record\",\"name\":\"int\",\"fields\":[]}", "Avro's own"},
        {"{\"type\":\"record\",\"name\":\"R\",\"namespace\":\"a..b\",\"fields\":[]}", "no name"},
        {"{\"type\":\"record\",\"name\":\"R\"}", "fields"},
        {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"x\"}]}", "at /fields/0"},
        {"[[\"int\"]]", "directly"},
        {"[]", "at least one"},
        {"[{\"type\":\"record\",\"name\":\"R\",\"fields\":[]},{\"type\":\"record\",\"name\":\"R\","
         "\"fields\":[]}]",
         "defined twice"},
        {"[{\"type\":\"record\",\"name\":\"R\",\"fields\":[]},\"R\"]", "twice"},
        {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"x\",\"type\":\"Later\"},"
         "{\"name\":\"y\",\"type\":{\"type\":\"fixed\",\"name\":\"Later\",\"size\":1}}]}",
         "at /fields/0/type: unknown type \"Later\""},
        {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"x\",\"type\":\"int\","
         "\"default\":2147483648}]}",
         "default"},
        {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"x\",\"type\":\"long\","
         "\"default\":2147483648}]}",
         NULL},
        {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"x\",\"type\":\"bytes\","
         "\"default\":\"\\u0100\"}]}",
         "default"},
        {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"x\",\"type\":\"R\","
         "\"default\":{}}]}",
         "default"},
        {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"x\",\"type\":\"int\","
         "\"order\":\"up\"}]}",
         "order"},
        {"{\"type\":\"record\",\"name\":\"R\",\"aliases\":[\"1\"],\"fields\":[]}", "aliases"},
        {"{\"type\":\"map\"}", "values"},
        {"7", "a type is"},
        {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":2,\"scale\":9}", NULL},
        {"\"int\" x", ""},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_arena *a = nk_arena_create(0);
        nk_err err = NK_ERR_INIT;
        nk_schema_doc *doc;
        nk_code rc = nk_schema_format_avro.parse(nk_str_c(cases[i].text), NULL, 0, a, &doc, &err);
        if ((rc == NK_OK) != !cases[i].says)
            fail_msg("%s: %s", cases[i].text, rc ? err.msg : "taken");
        if (cases[i].says && (rc != NK_E_INVALID || !strstr(err.msg, cases[i].says)))
            fail_msg("%s: %s", cases[i].text, err.msg);
        nk_arena_destroy(a);
    }
}

static void links_and_references(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_err err = NK_ERR_INIT;
    nk_strs links;
    nk_schema_doc *doc;
    nk_str text =
        NK_STR("{\"type\":\"record\",\"name\":\"x.R\",\"fields\":[{\"name\":\"a\",\"type\":\"A\"},"
               "{\"name\":\"b\",\"type\":[\"null\",\"y.B\"]},{\"name\":\"c\",\"type\":\"A\"}]}");
    const nk_schema_ref refs[] = {
        {NK_STR("y.B"), NK_STR("{\"type\":\"enum\",\"name\":\"y.B\",\"symbols\":[\"S\"]}")},
        {NK_STR("x.A"), NK_STR("{\"type\":\"record\",\"name\":\"x.A\",\"fields\":[{\"name\":\"b\","
                               "\"type\":\"y.B\"}]}")},
    };
    assert_int_equal(nk_schema_format_avro.links(text, a, &links, &err), NK_OK);
    assert_int_equal(links.n, 2);
    assert_true(nk_str_is(links.v[0], "x.A") && nk_str_is(links.v[1], "y.B"));
    if (nk_schema_format_avro.parse(text, refs, 2, a, &doc, &err) != NK_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(nk_schema_format_avro.parse(text, refs, 1, a, &doc, &err), NK_E_INVALID);
    assert_non_null(strstr(err.msg, "x.A"));
    const nk_schema_ref broken[] = {refs[0], {NK_STR("x.A"), NK_STR("{")}};
    assert_int_equal(nk_schema_format_avro.parse(text, broken, 2, a, &doc, &err), NK_E_INVALID);
    assert_non_null(strstr(err.msg, "in the reference \"x.A\""));
    nk_arena_destroy(a);
}

static nk_str canonical(nk_arena *a, const char *text)
{
    nk_buf b;
    nk_err err = NK_ERR_INIT;
    nk_buf_init(&b, 1 << 20);
    assert_int_equal(nk_schema_format_avro.canonical(parsed(a, text), &b, &err), NK_OK);
    nk_str out = nk_buf_dup(&b, a);
    nk_buf_free(&b);
    return out;
}

static void equal_definitions(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        {"{\"type\":\"int\"}", "\"int\"", true},
        {"{\"type\":\"record\",\"name\":\"n.R\",\"fields\":[]}",
         " { \"fields\" : [], \"namespace\":\"n\", \"name\":\"R\",\"type\":\"record\"}", true},
        {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\","
         "\"order\":\"ascending\"}]}",
         "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"type\":{\"type\":\"int\"},\"name\":"
         "\"a\"}]}",
         true},
        {"{\"type\":\"record\",\"name\":\"R\",\"doc\":\"x\",\"fields\":[]}",
         "{\"type\":\"record\",\"name\":\"R\",\"fields\":[]}", false},
        {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\","
         "\"default\":1}]}",
         "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\","
         "\"default\":2}]}",
         false},
        {"{\"type\":\"string\",\"b\":{\"y\":1,\"x\":2},\"a\":1}",
         "{\"a\":1,\"type\":\"string\",\"b\":{\"x\":2,\"y\":1}}", true},
        {"{\"type\":\"string\",\"b\":1}", "\"string\"", false},
        {"[\"null\",\"int\"]", "[\"int\",\"null\"]", false},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}",
         "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"B\",\"A\"]}", false},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_arena *a = nk_arena_create(0);
        nk_str x = canonical(a, cases[i].a), y = canonical(a, cases[i].b);
        if (nk_str_eq(x, y) != cases[i].same)
            fail_msg("%.*s %.*s", NK_STR_ARG(x), NK_STR_ARG(y));
        assert_true(nk_str_eq(canonical(a, x.p), x));
        nk_arena_destroy(a);
    }
}

#define REC(fields) "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" fields "]}"
#define F(n, t)     "{\"name\":\"" n "\",\"type\":" t "}"

static void differences(void **state)
{
    static const struct {
        const char *w, *r;
        const char *rules;  /* in order, blanks between */
        const char *sample; /* of the first that breaks */
    } cases[] = {
        {"\"int\"", "\"long\"", "TYPE_PROMOTED", NULL},
        {"\"long\"", "\"int\"", "TYPE_MISMATCH", "0"},
        {"\"string\"", "\"bytes\"", "TYPE_PROMOTED", NULL},
        {"[\"null\",\"int\"]", "\"int\"", "TYPE_MISMATCH", "null"},
        {"\"int\"", "[\"null\",\"long\"]", "TYPE_PROMOTED", NULL},
        {"[\"int\",\"string\"]", "[\"int\"]", "MISSING_UNION_BRANCH", "{\"string\":\"\"}"},
        {"[\"int\"]", "[\"int\",\"string\"]", "UNION_BRANCH_ADDED", NULL},
        {REC(F("a", "\"int\"")), REC(F("a", "\"int\"") "," F("b", "\"int\"")),
         "READER_FIELD_MISSING_DEFAULT_VALUE", "{\"a\":0}"},
        {REC(F("a", "\"int\"")), REC("{\"name\":\"b\",\"aliases\":[\"a\"],\"type\":\"int\"}"),
         "FIELD_RENAMED", NULL},
        {REC(F("a", "\"int\"")), REC(""), "FIELD_REMOVED", NULL},
        {REC(F("e", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}")),
         REC(F("e", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"C\"]}")),
         "MISSING_ENUM_SYMBOLS ENUM_SYMBOL_ADDED", "{\"e\":\"B\"}"},
        {REC(F("e", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}")),
         REC(F("e", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"],\"default\":\"A\"}")),
         "ENUM_SYMBOL_READ_AS_DEFAULT", NULL},
        {REC(F("f", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}")),
         REC(F("f", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":3}")), "FIXED_SIZE_MISMATCH",
         "{\"f\":\"\\u0000\\u0000\"}"},
        {"{\"type\":\"record\",\"name\":\"a.R\",\"fields\":[]}",
         "{\"type\":\"record\",\"name\":\"b.R\",\"fields\":[]}", "NAMESPACE_CHANGED", NULL},
        {"{\"type\":\"record\",\"name\":\"a.R\",\"fields\":[]}",
         "{\"type\":\"record\",\"name\":\"b.S\",\"aliases\":[\"a.R\"],\"fields\":[]}",
         "TYPE_RENAMED", NULL},
        {"{\"type\":\"record\",\"name\":\"a.R\",\"fields\":[]}",
         "{\"type\":\"record\",\"name\":\"b.S\",\"fields\":[]}", "NAME_MISMATCH", "{}"},
        {REC(F("m",
               "{\"type\":\"map\",\"values\":{\"type\":\"array\",\"items\":[\"null\",\"int\"]}}")),
         REC(F(
             "m",
             "{\"type\":\"map\",\"values\":{\"type\":\"array\",\"items\":[\"null\",\"string\"]}}")),
         "MISSING_UNION_BRANCH UNION_BRANCH_ADDED", "{\"m\":{\"key\":[{\"int\":0}]}}"},
        /* recursion: a list whose second element type differs */
        {REC(F("v", "\"int\"") "," F("next", "[\"null\",\"R\"]")),
         REC(F("v", "\"string\"") "," F("next", "[\"null\",\"R\"]")), "TYPE_MISMATCH",
         "{\"v\":0,\"next\":null}"},
        {"{\"type\":\"int\",\"logicalType\":\"date\"}", "\"int\"", "LOGICAL_TYPE_CHANGED", NULL},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_arena *a = nk_arena_create(0);
        nk_err err = NK_ERR_INIT;
        nk_schema_diffs d;
        nk_buf b;
        nk_str sample = NK_STR_NULL;
        nk_buf_init(&b, 4096);
        assert_int_equal(nk_schema_format_avro.compare(parsed(a, cases[i].w), parsed(a, cases[i].r),
                                                       a, &d, &err),
                         NK_OK);
        for (size_t k = 0; k < d.n; k++) {
            nk_buf_printf(&b, "%s%s", k ? " " : "", d.v[k].rule->id);
            if (!sample.p)
                sample = d.v[k].sample;
        }
        if (!nk_str_is(nk_buf_view(&b), cases[i].rules) ||
            !nk_str_is(sample, cases[i].sample ? cases[i].sample : ""))
            fail_msg("%s → %s: %.*s %.*s", cases[i].w, cases[i].r, NK_STR_ARG(nk_buf_view(&b)),
                     NK_STR_ARG(sample));
        nk_buf_free(&b);
        nk_arena_destroy(a);
    }
}

static void table_columns(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_err err = NK_ERR_INIT;
    nk_schema_columns c;
    static const char *const want[][2] = {{"b", "boolean"},
                                          {"l", "bigint"},
                                          {"d", "decimal(9,2)"},
                                          {"t", "timestamp"},
                                          {"s", "struct<x:int,y:array<map<string,double>>>"},
                                          {"u", "uniontype<int,string>"},
                                          {"n", "date"},
                                          {"f", "binary"}};
    nk_schema_doc *doc = parsed(
        a,
        REC(F("b", "\"boolean\"") "," F("l", "\"long\"") "," F(
            "d",
            "{\"type\":\"bytes\","
            "\"logicalType\":"
            "\"decimal\",\"precision\":"
            "9,\"scale\":2}") "," F("t",
                                    "{\"type\":\"long\",\"logicalType\":\"timestamp-"
                                    "micros\"}") "," F("s",
                                                       "{\"type\":\"record\",\"name\":"
                                                       "\"S\",\"fields\":[" F(
                                                           "x",
                                                           "\"in"
                                                           "t\"") "," F("y",
                                                                        "{\"type\":\"array\","
                                                                        "\"items\":{\"type\":"
                                                                        "\"map\","
                                                                        "\"values\":\"double\"}"
                                                                        "}") "]}") "," F("u",
                                                                                         "[\"null\""
                                                                                         ","
                                                                                         "\"int\","
                                                                                         "\"string"
                                                                                         "\""
                                                                                         "]") "," F("n",
                                                                                                    "[\"null\""
                                                                                                    ",{"
                                                                                                    "\"type\":"
                                                                                                    "\"int\","
                                                                                                    "\"logical"
                                                                                                    "Type\":"
                                                                                                    "\"date\"}"
                                                                                                    "]") "," F("f",
                                                                                                               "{\"type\":\"fixed\",\"name\":\"X\",\"size\":4}")));
    assert_int_equal(nk_schema_format_avro.columns(doc, a, &c, &err), NK_OK);
    assert_int_equal(c.n, NK_COUNTOF(want));
    for (size_t i = 0; i < c.n; i++)
        if (!nk_str_is(c.v[i].name, want[i][0]) || !nk_str_is(c.v[i].type, want[i][1]))
            fail_msg("%.*s %.*s", NK_STR_ARG(c.v[i].name), NK_STR_ARG(c.v[i].type));
    doc = parsed(a, REC(F("next", "[\"null\",\"R\"]")));
    assert_int_equal(nk_schema_format_avro.columns(doc, a, &c, &err), NK_E_INVALID);
    assert_int_equal(nk_schema_format_avro.columns(parsed(a, "\"int\""), a, &c, &err),
                     NK_E_INVALID);
    nk_arena_destroy(a);
}

static void memory_may_fail(void **state)
{
    const char *w =
                   REC(F("e", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}") "," F(
                       "x", "[\"null\",\"R\"]")),
               *r = REC(F("e", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}") "," F(
                   "x", "[\"null\",\"R\"]") "," F("y", "\"Q\""));
    const nk_schema_ref ref = {NK_STR("Q"),
                               NK_STR("{\"type\":\"fixed\",\"name\":\"Q\",\"size\":1}")};
    for (size_t n = 1;; n++) {
        nk_schema_doc *docs[2];
        nk_schema_diffs d;
        nk_strs links;
        nk_schema_columns cols;
        nk_buf b;
        nk_err err = NK_ERR_INIT;
        nk_buf_init(&b, 1 << 20);
        (void)nk_fault_alloc(n);
        nk_arena *a = nk_arena_create(0);
        nk_code rc = a ? nk_schema_format_avro.links(nk_str_c(r), a, &links, &err) : NK_E_NOMEM;
        if (rc == NK_OK)
            rc = nk_schema_format_avro.parse(nk_str_c(w), NULL, 0, a, &docs[0], &err);
        if (rc == NK_OK)
            rc = nk_schema_format_avro.parse(nk_str_c(r), &ref, 1, a, &docs[1], &err);
        if (rc == NK_OK)
            rc = nk_schema_format_avro.compare(docs[0], docs[1], a, &d, &err);
        if (rc == NK_OK)
            rc = nk_schema_format_avro.canonical(docs[1], &b, &err);
        if (rc == NK_OK)
            (void)nk_schema_format_avro.columns(docs[1], a, &cols, &err);
        size_t used = nk_fault_alloc(0);
        nk_buf_free(&b);
        nk_arena_destroy(a);
        if (rc == NK_OK && used < n)
            break;
        if (rc != NK_OK && rc != NK_E_NOMEM)
            fail_msg("allocation %zu: %s", n, err.msg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(definitions),       cmocka_unit_test(links_and_references),
        cmocka_unit_test(equal_definitions), cmocka_unit_test(differences),
        cmocka_unit_test(table_columns),     cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
