#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "registry/jsonschema.h"

static nk_schema_doc *parse(nk_arena *a, const char *text)
{
    nk_schema_doc *doc;
    nk_err err = NK_ERR_INIT;
    if (nk_schema_format_json.parse(nk_str_c(text), NULL, 0, a, &doc, &err) != NK_OK)
        fail_msg("%s: %s", text, err.msg);
    return doc;
}

static void refuses_with_place_and_reason(void **state)
{
    static const struct {
        const char *text, *place, *reason;
    } cases[] = {
        {"{\"type\": \"text\"}", "#/type", "'text' is no type"},
        {"{\"type\": []}", "#/type", "a type is one of"},
        {"{\"properties\": {\"a\": 3}}", "#/properties/a", "a schema is an object, true or false"},
        {"{\"properties\": {\"a/b~\": {\"minLength\": -1}}}", "#/properties/a~1b~0/minLength",
         "whole number"},
        {"{\"items\": {\"pattern\": \"a(\"}}", "#/items/pattern", "no regular expression"},
        {"{\"required\": [\"a\", \"a\"]}", "#/required", "'a' stands twice"},
        {"{\"allOf\": []}", "#/allOf", "at least one schema"},
        {"{\"allOf\": [{}, {\"enum\": []}]}", "#/allOf/1/enum", "at least one value"},
        {"{\"multipleOf\": 0}", "#/multipleOf", "above 0"},
        {"{\"$ref\": \"#/definitions/x\"}", "#/$ref", "nothing lies at"},
        {"{\"$ref\": \"other.json\"}", "#/$ref", "neither in this definition nor among"},
        {"{\"$ref\": \"#here\"}", "#/$ref", "no anchor 'here'"},
        {"{\"$ref\": \"#\"}", "#/$ref", "refers to itself"},
        {"{\"definitions\": {\"a\": {\"allOf\": [{\"$ref\": \"#/definitions/b\"}]}, \"b\": "
         "{\"not\": {\"$ref\": \"#/definitions/a\"}}}}",
         "/$ref", "refers to itself"},
        {"{\"$schema\": \"http://example.com/mine\"}", "#/$schema", "no dialect"},
        {"{\"$schema\": \"http://json-schema.org/draft-04/schema#\", \"items\": true}", "#/items",
         "a schema is an object"},
        {"{\"a\": 1, \"a\": 2}", "'a'", "stands twice"},
        {"{\"type\": \"object\"", "byte", "malformed JSON"},
        {"{\"$schema\": \"http://json-schema.org/draft-07/schema#\", \"minimum\": 1, "
         "\"exclusiveMinimum\": true}",
         "#/exclusiveMinimum", "is a number in this dialect"},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_arena *a = nk_arena_create(0);
        nk_schema_doc *doc;
        nk_err err = NK_ERR_INIT;
        nk_code rc = nk_schema_format_json.parse(nk_str_c(cases[i].text), NULL, 0, a, &doc, &err);
        if (rc != NK_E_INVALID || !strstr(err.msg, cases[i].place) ||
            !strstr(err.msg, cases[i].reason))
            fail_msg("%s: %s %s", cases[i].text, nk_code_name(rc), err.msg);
        nk_arena_destroy(a);
    }
}

#define P1 "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}}"
static const struct {
    const char *writer, *reader, *rule, *at;
} pairs[] = {
    {P1 ",\"additionalProperties\":false}",
     "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"string\"}"
     "}}",
     NULL, NULL},
    {P1 "}",
     "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"string\"}"
     "}}",
     "OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL", "/properties/b"},
    {P1 "}", P1 ",\"required\":[\"a\"]}", "REQUIRED_ATTRIBUTE_ADDED", "/required"},
    {P1 "}", P1 ",\"additionalProperties\":false}", "ADDITIONAL_PROPERTIES_REMOVED",
     "/additionalProperties"},
    {"{\"type\":\"string\",\"enum\":[\"a\",\"b\"]}", "{\"enum\":[\"a\"]}", "ENUM_ARRAY_NARROWED",
     "/enum"},
    {"{\"type\":\"number\",\"maximum\":5}", "{\"type\":\"number\",\"maximum\":4.5}",
     "MAXIMUM_DECREASED", "/maximum"},
    {"{\"type\":\"integer\"}", "{\"type\":\"number\"}", NULL, NULL},
    {"{\"type\":\"number\"}", "{\"type\":\"integer\"}", "TYPE_NARROWED", "/type"},
    {"{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"integer\"}]}",
     "{\"type\":[\"string\",\"integer\",\"null\"]}", NULL, NULL},
    {"{\"type\":[\"string\",\"integer\"]}",
     "{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"string\"},{\"type\":\"null\"}]}", NULL, NULL},
    {"{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}",
     "{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"maxItems\":2}", "MAX_ITEMS_ADDED",
     "/maxItems"},
    /* recursion: a list of numbers read as a list of anything */
    {"{\"$ref\":\"#/definitions/l\",\"definitions\":{\"l\":{\"type\":\"object\",\"properties\":{"
     "\"v\":{\"type\":\"integer\"},\"n\":{\"$ref\":\"#/definitions/l\"}}}}}",
     "{\"$ref\":\"#/definitions/m\",\"definitions\":{\"m\":{\"type\":\"object\",\"properties\":{"
     "\"v\":{},\"n\":{\"$ref\":\"#/definitions/m\"}}}}}",
     NULL, NULL},
    {"{\"$ref\":\"#/definitions/l\",\"definitions\":{\"l\":{\"type\":\"object\",\"properties\":{"
     "\"v\":{\"type\":\"integer\"},\"n\":{\"$ref\":\"#/definitions/l\"}}}}}",
     "{\"$ref\":\"#/definitions/m\",\"definitions\":{\"m\":{\"type\":\"object\",\"properties\":{"
     "\"v\":{\"type\":\"string\"},\"n\":{\"$ref\":\"#/definitions/m\"}}}}}",
     "TYPE_CHANGED", "/definitions/m/properties/v/type"},
    {"{\"if\":{\"type\":\"string\"},\"then\":{\"minLength\":2},\"else\":{\"type\":\"integer\"}}",
     "{\"type\":[\"string\",\"integer\"]}", NULL, NULL},
    {"{\"type\":\"string\",\"pattern\":\"^a\"}", "{\"type\":\"string\",\"pattern\":\"^[ab]\"}",
     "PATTERN_CHANGED", "/pattern"},
};

static void judges_pairs(void **state)
{
    for (size_t i = 0; i < NK_COUNTOF(pairs); i++) {
        nk_arena *a = nk_arena_create(0);
        nk_schema_diffs diffs = {0};
        nk_err err = NK_ERR_INIT;
        assert_int_equal(nk_schema_format_json.compare(parse(a, pairs[i].writer),
                                                       parse(a, pairs[i].reader), a, &diffs, &err),
                         NK_OK);
        const nk_schema_diff *worst = NULL;
        for (size_t k = 0; k < diffs.n && !worst; k++) {
            if (diffs.v[k].rule->verdict[NK_DOOR_GLUE] == NK_VERDICT_BREAKS)
                worst = &diffs.v[k];
        }
        if (!pairs[i].rule != !worst)
            fail_msg("%s -> %s: %s", pairs[i].writer, pairs[i].reader,
                     worst ? worst->rule->id : "compatible");
        if (worst) {
            assert_string_equal(worst->rule->id, pairs[i].rule);
            assert_true(nk_str_is(worst->reader_path, pairs[i].at));
            if (strcmp(pairs[i].rule, "PATTERN_CHANGED") != 0) { /* the sample is judged apart */
                assert_non_null(worst->sample.p);
                nk_jsonschema *w = (void *)parse(a, pairs[i].writer);
                nk_jsonschema *r = (void *)parse(a, pairs[i].reader);
                assert_int_equal(nk_jsonschema_validate(w, worst->sample, NULL), NK_OK);
                assert_int_equal(nk_jsonschema_validate(r, worst->sample, NULL), NK_E_INVALID);
            }
        }
        nk_arena_destroy(a);
    }
}

static void canonical_is(nk_arena *a, const char *text, const char *want)
{
    nk_buf b;
    nk_buf_init(&b, 1 << 16);
    assert_int_equal(nk_schema_format_json.canonical(parse(a, text), &b, NULL), NK_OK);
    assert_string_equal(b.p, want);
    nk_buf_free(&b);
}

static void canonical_text(void **state)
{
    nk_arena *a = nk_arena_create(0);
    canonical_is(a, "{ \"type\":\"number\",\n\"maximum\": 1.50, \"default\": 1e2}",
                 "{\"default\":100,\"maximum\":1.5,\"type\":\"number\"}");
    canonical_is(a, "{\"minimum\": -0.0, \"enum\":[1E-9, 12345678901234567890123, 0.00012]}",
                 "{\"enum\":[1e-9,1.2345678901234567890123e22,0.00012],\"minimum\":0}");
    nk_arena_destroy(a);
}

static void reads_references(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_schema_ref refs[] = {
        {NK_STR("money.json"), NK_STR("{\"type\":\"object\",\"required\":[\"amount\"]}")}};
    nk_schema_doc *doc;
    nk_err err = NK_ERR_INIT;
    nk_str text = NK_STR("{\"$id\":\"http://x.example/order.json\",\"properties\":{\"price\":{"
                         "\"$ref\":\"money.json\"},\"old\":{\"$ref\":\"money.json#\"}}}");
    assert_int_equal(nk_schema_format_json.parse(text, refs, 1, a, &doc, &err), NK_OK);
    nk_strs links = {0};
    assert_int_equal(nk_schema_format_json.links(text, a, &links, &err), NK_OK);
    assert_int_equal(links.n, 1);
    assert_true(nk_str_is(links.v[0], "money.json"));
    assert_int_equal(
        nk_jsonschema_validate((void *)doc, NK_STR("{\"price\":{\"amount\":1}}"), &err), NK_OK);
    assert_int_equal(nk_jsonschema_validate((void *)doc, NK_STR("{\"price\":{}}"), &err),
                     NK_E_INVALID);
    assert_non_null(strstr(err.msg, "'/price'"));
    nk_arena_destroy(a);
}

static void gives_columns(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_schema_columns cols = {0};
    nk_schema_doc *doc = parse(
        a,
        "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"integer\",\"description\":\"k\"},"
        "\"tags\":{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"string\"}},\"at\":{\"type\":"
        "\"object\",\"properties\":{\"x\":{\"type\":\"number\"},\"ok\":{\"anyOf\":[{\"type\":"
        "\"null\"},{\"type\":\"boolean\"}]}}},\"m\":{\"type\":\"object\",\"additionalProperties\":"
        "{\"type\":\"integer\"}}}}");
    assert_int_equal(nk_schema_format_json.columns(doc, a, &cols, NULL), NK_OK);
    static const char *const want[] = {"id bigint", "tags array<string>",
                                       "at struct<x:double,ok:boolean>", "m map<string,bigint>"};
    assert_int_equal(cols.n, NK_COUNTOF(want));
    for (size_t i = 0; i < cols.n; i++) {
        nk_str line =
            nk_str_printf(a, "%.*s %.*s", NK_STR_ARG(cols.v[i].name), NK_STR_ARG(cols.v[i].type));
        assert_string_equal(line.p, want[i]);
    }
    assert_true(nk_str_is(cols.v[0].comment, "k"));
    nk_arena_destroy(a);
}

/* Whatever the definition, an answer comes. */
static void hostile_schemas_end(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_buf b;
    nk_schema_diffs diffs = {0};
    nk_buf_init(&b, 1 << 20);
    nk_buf_puts(&b, "{\"definitions\":{");
    for (int i = 0; i < 60; i++) /* 2^60 ways down */
        nk_buf_printf(
            &b,
            "\"d%d\":{\"anyOf\":[{\"$ref\":\"#/definitions/d%d\"},{\"$ref\":"
            "\"#/definitions/d%d\"}],\"allOf\":[{\"$ref\":\"#/definitions/d%d\"},{\"$ref\":"
            "\"#/definitions/d%d\"}]},",
            i, i + 1, i + 1, i + 1, i + 1);
    nk_buf_puts(&b, "\"d60\":{\"type\":\"integer\",\"maximum\":7}},\"$ref\":\"#/definitions/d0\"}");
    nk_schema_doc *deep = parse(a, b.p);
    nk_err err = NK_ERR_INIT;
    assert_int_equal(nk_jsonschema_validate((void *)deep, NK_STR("3"), &err), NK_E_LIMIT);
    nk_schema_doc *plain = parse(a, "{\"type\":\"integer\",\"maximum\":6}");
    assert_int_equal(nk_schema_format_json.compare(deep, plain, a, &diffs, &err), NK_OK);
    assert_true(diffs.n > 0);
    diffs.n = 0;
    assert_int_equal(nk_schema_format_json.compare(plain, deep, a, &diffs, &err), NK_OK);
    /* a tree of itself has no end as a column's type */
    nk_schema_columns cols = {0};
    nk_schema_doc *tree =
        parse(a, "{\"$ref\":\"#/definitions/t\",\"definitions\":{\"t\":{\"type\":\"object\","
                 "\"properties\":{\"l\":{\"$ref\":\"#/definitions/t\"},\"m\":{\"$ref\":"
                 "\"#/definitions/t\"},\"r\":{\"$ref\":\"#/definitions/t\"}}}}}");
    assert_int_equal(nk_schema_format_json.columns(tree, a, &cols, &err), NK_OK);
    assert_true(nk_str_is(cols.v[0].type, "struct<l:string,m:string,r:string>"));
    /* an expression that backtracks without end */
    nk_schema_doc *slow = parse(a, "{\"pattern\":\"^(a+)+$\"}");
    nk_code rc = nk_jsonschema_validate(
        (void *)slow, NK_STR("\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\""), &err);
    assert_true(rc == NK_E_LIMIT || rc == NK_E_INVALID);
    /* nested beyond what is read */
    nk_buf_clear(&b);
    for (int i = 0; i < 1000; i++)
        nk_buf_puts(&b, "{\"items\":");
    nk_schema_doc *doc;
    assert_int_equal(nk_schema_format_json.parse(nk_buf_view(&b), NULL, 0, a, &doc, &err),
                     NK_E_INVALID);
    /* twenty alternatives in each of twenty parts */
    nk_buf_clear(&b);
    nk_buf_puts(&b, "{\"allOf\":[");
    for (int i = 0; i < 20; i++) {
        nk_buf_puts(&b, i ? ",{\"anyOf\":[" : "{\"anyOf\":[");
        for (int k = 0; k < 20; k++)
            nk_buf_printf(&b, "%s{\"properties\":{\"p%d\":{\"minimum\":%d}}}", k ? "," : "", i, k);
        nk_buf_puts(&b, "]}");
    }
    nk_buf_puts(&b, "]}");
    diffs.n = 0;
    assert_int_equal(
        nk_schema_format_json.compare(
            parse(a, b.p), parse(a, "{\"properties\":{\"p3\":{\"minimum\":1}}}"), a, &diffs, &err),
        NK_OK);
    assert_true(diffs.n > 0);
    nk_buf_free(&b);
    nk_arena_destroy(a);
}

static nk_code everything(const char *writer, const char *reader, nk_str value)
{
    nk_arena *a = nk_arena_create(0);
    nk_schema_doc *w, *r;
    nk_schema_diffs diffs = {0};
    nk_strs links = {0};
    nk_schema_columns cols = {0};
    nk_err err = NK_ERR_INIT;
    nk_buf b;
    nk_buf_init(&b, 1 << 16);
    nk_code rc = a ? NK_OK : NK_E_NOMEM;
    if (rc == NK_OK)
        rc = nk_schema_format_json.links(nk_str_c(writer), a, &links, &err);
    if (rc == NK_OK)
        rc = nk_schema_format_json.parse(nk_str_c(writer), NULL, 0, a, &w, &err);
    if (rc == NK_OK)
        rc = nk_schema_format_json.parse(nk_str_c(reader), NULL, 0, a, &r, &err);
    if (rc == NK_OK)
        rc = nk_schema_format_json.compare(w, r, a, &diffs, &err);
    if (rc == NK_OK)
        rc = nk_schema_format_json.canonical(w, &b, &err);
    if (rc == NK_OK)
        rc = nk_schema_format_json.columns(w, a, &cols, &err);
    if (rc == NK_OK)
        rc = nk_jsonschema_validate((void *)w, value, &err);
    nk_buf_free(&b);
    nk_arena_destroy(a);
    return rc;
}

static void survives_every_failed_allocation(void **state)
{
    static const char w[] =
        "{\"type\":\"object\",\"properties\":{\"a\":{\"anyOf\":[{\"type\":\"string\",\"pattern\":"
        "\"^x\"},{\"$ref\":\"#/definitions/n\"}]}},\"patternProperties\":{\"^z\":{\"type\":"
        "\"array\",\"uniqueItems\":true}},\"definitions\":{\"n\":{\"enum\":[1,2]}}}";
    static const char r[] =
        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},\"b\":{"
        "\"minimum\":3}},\"required\":[\"a\"]}";
    for (size_t k = 1;; k++) {
        nk_fault_alloc(k);
        nk_code rc = everything(w, r, NK_STR("{\"a\":\"xy\",\"zz\":[1,2,{}]}"));
        bool beyond = nk_fault_alloc(0) < k;
        if (rc != NK_OK && rc != NK_E_NOMEM)
            fail_msg("allocation %zu: %s", k, nk_code_name(rc));
        if (beyond) {
            assert_int_equal(rc, NK_OK);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_with_place_and_reason),
        cmocka_unit_test(judges_pairs),
        cmocka_unit_test(canonical_text),
        cmocka_unit_test(reads_references),
        cmocka_unit_test(gives_columns),
        cmocka_unit_test(hostile_schemas_end),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
