#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "registry/protobuf.h"

static nk_schema_doc *parse(nk_arena *a, const char *text)
{
    nk_schema_doc *doc;
    nk_err err = NK_ERR_INIT;
    if (nk_schema_format_protobuf.parse(nk_str_c(text), NULL, 0, a, &doc, &err) != NK_OK)
        fail_msg("%s: %s", text, err.msg);
    return doc;
}

static void refuses_with_place_and_reason(void **state)
{
    static const struct {
        const char *text, *place, *reason;
    } cases[] = {
        {"syntax = \"proto3\";\nmessage A {\n  int32 a = 1\n}", "line 4, column 1",
         "';' is wanted"},
        {"syntax = \"proto3\";\nmessage A {\n  int32 a = 1;\n  int32 b = 1;\n}", "line 4, column 9",
         "the field number 1 is used twice"},
        {"message A { int32 a = 1; }", "line 1, column 13", "required, optional or repeated"},
        {"syntax = \"proto3\"; message A { required int32 a = 1; }", "column 32", "no required"},
        {"syntax = \"proto3\"; message A { Missing a = 1; }", "column 40",
         "'Missing' is not defined"},
        {"syntax = \"proto3\"; message A { int32 a = 19123; }", "column 38", "19000 to 19999"},
        {"syntax = \"proto3\"; message A { int32 a = 0; }", "column 38", "from 1 to"},
        {"syntax = \"proto3\"; message A { reserved 2 to 4; int32 a = 3; }", "column 55",
         "reserved"},
        {"syntax = \"proto3\"; enum E { A = 1; }", "column 29", "first value is 0"},
        {"syntax = \"proto3\"; enum E { A = 0; B = 0; }", "column 36", "allow_alias"},
        {"syntax = \"proto3\"; enum E { }", "column 25", "has no value"},
        {"syntax = \"proto3\"; message A { map<float, int32> m = 1; }", "column 36", "a map's key"},
        {"syntax = \"proto3\"; message A { oneof o { repeated int32 a = 1; } }", "column 42",
         "no label"},
        {"syntax = \"proto3\"; message A { int32 foo_bar = 1; int32 fooBar = 2; }", "column 57",
         "the same JSON name"},
        {"syntax = \"proto3\"; import \"other.proto\";", "column 27", "not among the references"},
        {"syntax = \"proto3\"; message A {} message A {}", "column 41", "already defined"},
        {"edition = \"2023\";", "column 1", "editions"},
        {"syntax = \"proto3\"; message A { string s = 1 [deprecated = 3]; }", "column 39",
         "no value of the option"},
        {"syntax = \"proto3\"; /* never", "column 20", "does not end"},
        {"syntax = \"proto2\"; message A { optional int32 a = 1 [default = \"x\"]; }", "column 47",
         "no default"},
        {"syntax = \"proto3\"; message A { int32 a = 1; } $", "column 47", "has no meaning"},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_arena *a = nk_arena_create(0);
        nk_schema_doc *doc;
        nk_err err = NK_ERR_INIT;
        nk_code rc =
            nk_schema_format_protobuf.parse(nk_str_c(cases[i].text), NULL, 0, a, &doc, &err);
        if (rc != NK_E_INVALID || !strstr(err.msg, cases[i].place) ||
            !strstr(err.msg, cases[i].reason))
            fail_msg("%s: %s %s", cases[i].text, nk_code_name(rc), err.msg);
        nk_arena_destroy(a);
    }
}

static void reads_imports(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_schema_ref refs[] = {
        {NK_STR("b.proto"),
         NK_STR("syntax=\"proto3\"; package b; import public \"c.proto\"; message "
                "B { int32 x = 1; }")},
        {NK_STR("c.proto"), NK_STR("syntax=\"proto3\"; package c; enum C { ZERO = 0; }")}};
    nk_schema_doc *doc;
    nk_err err = NK_ERR_INIT;
    nk_str text = NK_STR("syntax=\"proto3\"; import \"b.proto\"; import "
                         "\"google/protobuf/timestamp.proto\"; message A { b.B b = 1; c.C c = 2; "
                         "google.protobuf.Timestamp at = 3; }");
    nk_strs links = {0};
    assert_int_equal(nk_schema_format_protobuf.links(text, a, &links, &err), NK_OK);
    assert_int_equal(links.n, 1);
    assert_true(nk_str_is(links.v[0], "b.proto"));
    if (nk_schema_format_protobuf.parse(text, refs, 2, a, &doc, &err) != NK_OK)
        fail_msg("%s", err.msg);
    refs[1].text = NK_STR("syntax=\"proto3\"; import \"b.proto\";");
    assert_int_equal(nk_schema_format_protobuf.parse(text, refs, 2, a, &doc, &err), NK_E_INVALID);
    assert_non_null(strstr(err.msg, "in a circle"));
    nk_arena_destroy(a);
}

static nk_str canonical_of(const char *text, nk_arena *a, nk_buf *b)
{
    nk_schema_doc *doc;
    nk_err err = NK_ERR_INIT;
    nk_buf_init(b, 1 << 16);
    if (nk_schema_format_protobuf.parse(nk_str_c(text), NULL, 0, a, &doc, &err) != NK_OK)
        fail_msg("%s: %s", text, err.msg);
    assert_int_equal(nk_schema_format_protobuf.canonical(doc, b, &err), NK_OK);
    return nk_buf_view(b);
}

/* Left: as AWS's serializers write it, no escape; right: the same by the book. */
static void takes_a_backslash_for_itself(void **state)
{
#define TEXT(s) "syntax = \"proto2\"; message A { optional string s = 1 [default = \"" s "\"]; }"
    static const char *const pairs_of[][2] = {
        {TEXT("Google\\Type\\Kind"), TEXT("GoogleTypeKind")},
        {TEXT("\\Utils\\u12\\U0001F60\\x"), TEXT("Utilsu12U0001F60x")},
        {TEXT("\\8\\_\\7\\60"), TEXT("8_\\x07\\x30")},
        {TEXT("\\u00e9\\U0001F600\\x41"), TEXT("\xc3\xa9\xf0\x9f\x98\x80"
                                               "A")}};
    for (size_t i = 0; i < NK_COUNTOF(pairs_of); i++) {
        nk_arena *a = nk_arena_create(0);
        nk_buf x, y;
        nk_str left = canonical_of(pairs_of[i][0], a, &x),
               right = canonical_of(pairs_of[i][1], a, &y);
        if (!nk_str_eq(left, right))
            fail_msg("%.*s\nis not\n%.*s", NK_STR_ARG(left), NK_STR_ARG(right));
        nk_buf_free(&x);
        nk_buf_free(&y);
        nk_arena_destroy(a);
    }
    nk_arena *a = nk_arena_create(0);
    nk_schema_doc *doc;
    static const char *const bad[] = {TEXT("\\ud800"), TEXT("\\U00110000"), TEXT("\\\n")};
    for (size_t i = 0; i < NK_COUNTOF(bad); i++)
        assert_int_equal(nk_schema_format_protobuf.parse(nk_str_c(bad[i]), NULL, 0, a, &doc, NULL),
                         NK_E_INVALID);
    nk_arena_destroy(a);
}

static const struct {
    const char *writer, *reader, *rule;
    bool glue, confluent;
} pairs[] = {
    {"int32 a = 1;", "int64 a = 1;", NULL, true, true},
    {"int64 a = 1;", "int32 a = 1;", "FIELD_NUMBER_NARROWED", false, true},
    {"int32 a = 1;", "string a = 1;", "FIELD_SCALAR_KIND_CHANGED", false, false},
    {"int32 a = 1;", "M a = 1;", "FIELD_KIND_CHANGED", false, false},
    {"int32 a = 1;", "", "FIELD_REMOVED", true, true},
    {"", "int32 a = 1;", "FIELD_ADDED", true, true},
    {"int32 a = 1;", "int32 b = 1;", "FIELD_NAME_CHANGED", true, true},
    {"bytes a = 1;", "string a = 1;", "FIELD_BYTES_READ_AS_STRING", false, true},
    {"string a = 1;", "bytes a = 1;", NULL, true, true},
    {"M a = 1;", "N a = 1;", "FIELD_NAMED_TYPE_CHANGED", false, false},
    {"string a = 1; string b = 2;", "oneof o { string a = 1; string b = 2; }",
     "MULTIPLE_FIELDS_MOVED_TO_ONEOF", false, false},
    {"string a = 1;", "oneof o { string a = 1; string b = 2; }", "ONEOF_ADDED", true, true},
    {"oneof o { string a = 1; string b = 2; }", "oneof o { string a = 1; }", "ONEOF_FIELD_REMOVED",
     false, false},
    {"string c = 3; oneof o { string a = 1; }", "oneof o { string a = 1; string c = 3; }",
     "FIELD_MOVED_TO_EXISTING_ONEOF", false, false},
    {"repeated string a = 1;", "string a = 1;", "REPEATED_READ_AS_SINGULAR", false, true},
    {"map<string, int32> a = 1;", "map<string, string> a = 1;", "FIELD_SCALAR_KIND_CHANGED", false,
     false},
};

static void judges_pairs(void **state)
{
    for (size_t i = 0; i < NK_COUNTOF(pairs); i++) {
        nk_arena *a = nk_arena_create(0);
        nk_schema_diffs diffs = {0};
        nk_err err = NK_ERR_INIT;
        const char *text[2] = {pairs[i].writer, pairs[i].reader};
        nk_schema_doc *docs[2];
        for (int k = 0; k < 2; k++)
            docs[k] = parse(a, nk_arena_printf(a,
                                               "syntax=\"proto3\"; message A { %s } message M {} "
                                               "message N {}",
                                               text[k]));
        assert_int_equal(nk_schema_format_protobuf.compare(docs[0], docs[1], a, &diffs, &err),
                         NK_OK);
        bool fine[NK_DOOR_COUNT] = {true, true}, met = !pairs[i].rule;
        for (size_t k = 0; k < diffs.n; k++) {
            met |= pairs[i].rule && strcmp(diffs.v[k].rule->id, pairs[i].rule) == 0;
            for (int d = 0; d < NK_DOOR_COUNT; d++)
                fine[d] &= diffs.v[k].rule->verdict[d] == NK_VERDICT_FINE;
            bool breaks = diffs.v[k].rule->verdict[NK_DOOR_GLUE] == NK_VERDICT_BREAKS;
            assert_true(!breaks == !diffs.v[k].sample.p);
        }
        if (!met || fine[NK_DOOR_GLUE] != pairs[i].glue ||
            fine[NK_DOOR_CONFLUENT] != pairs[i].confluent)
            fail_msg("%s -> %s: %d %d, %s", text[0], text[1], fine[0], fine[1],
                     diffs.n ? diffs.v[0].rule->id : "no difference");
        nk_arena_destroy(a);
    }
}

static void numbers_messages(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_protobuf *s =
        (void *)parse(a, "syntax=\"proto3\"; package p; message B { message C {} message A "
                         "{ message D {} } map<string,int32> m_x = 1; }");
    static const char *const want[] = {"p.B", "p.B.A", "p.B.A.D", "p.B.C", "p.B.MXEntry"};
    uint32_t index;
    for (uint32_t i = 0; i < NK_COUNTOF(want); i++) {
        assert_int_equal(nk_protobuf_index(s, nk_str_c(want[i]), &index, NULL), NK_OK);
        assert_int_equal(index, i);
        if (i < 4)
            assert_true(nk_str_is(nk_protobuf_name(s, i), want[i]));
    }
    assert_int_equal(nk_protobuf_index(s, NK_STR("D"), &index, NULL), NK_OK);
    assert_int_equal(index, 2);
    assert_int_equal(nk_protobuf_index(s, NK_STR("X"), &index, NULL), NK_E_NOT_FOUND);
    assert_null(nk_protobuf_name(s, 17).p);
    nk_arena_destroy(a);
}

/* Programs that print descriptors write a map's entry out; it means the same. */
static void takes_written_out_maps(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_schema_doc *plain = parse(
        a, "syntax=\"proto3\"; message A { map<string, A> m = 1; map<int64, bool> s_x = 2; }");
    nk_schema_doc *out =
        parse(a, "syntax=\"proto3\"; message A { repeated MEntry m = 1; message MEntry { "
                 "option map_entry = true; string key = 1; A value = 2; } repeated SXEntry "
                 "s_x = 2; message SXEntry { option map_entry = true; int64 key = 1; "
                 "bool value = 2; } }");
    nk_buf x, y;
    uint32_t index;
    nk_buf_init(&x, 1 << 16);
    nk_buf_init(&y, 1 << 16);
    assert_int_equal(nk_schema_format_protobuf.canonical(plain, &x, NULL), NK_OK);
    assert_int_equal(nk_schema_format_protobuf.canonical(out, &y, NULL), NK_OK);
    assert_string_equal(x.p, y.p);
    assert_int_equal(nk_protobuf_index((void *)out, NK_STR("A.MEntry"), &index, NULL), NK_OK);
    assert_int_equal(index, 1);
    assert_int_equal(nk_protobuf_validate((void *)out, 0, NK_STR("\x0a\x03\x0a\x01x"), NULL),
                     NK_OK);
    nk_buf_free(&x);
    nk_buf_free(&y);
    nk_arena_destroy(a);
}

static void hostile_texts_end(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_buf b;
    nk_schema_doc *doc;
    nk_err err = NK_ERR_INIT;
    nk_buf_init(&b, 1 << 22);
    nk_buf_puts(&b, "syntax=\"proto3\";");
    for (int i = 0; i < 1000; i++)
        nk_buf_puts(&b, "message A{");
    assert_int_equal(nk_schema_format_protobuf.parse(nk_buf_view(&b), NULL, 0, a, &doc, &err),
                     NK_E_INVALID);
    assert_non_null(strstr(err.msg, "nested more than"));
    nk_buf_clear(&b);
    nk_buf_puts(&b, "syntax=\"proto3\";message A{");
    for (int i = 1; i <= 10000; i++)
        nk_buf_printf(&b, "A f%d=%d;", i, i < 19000 ? i : i + 1000);
    nk_buf_puts(&b, "}");
    nk_schema_diffs diffs = {0};
    assert_int_equal(nk_schema_format_protobuf.parse(nk_buf_view(&b), NULL, 0, a, &doc, &err),
                     NK_OK);
    assert_int_equal(nk_schema_format_protobuf.compare(doc, doc, a, &diffs, &err), NK_OK);
    assert_int_equal(diffs.n, 0);
    nk_buf_free(&b);
    nk_arena_destroy(a);
}

static void survives_every_failed_allocation(void **state)
{
    static const char w[] =
        "syntax=\"proto2\"; package p; import \"google/protobuf/timestamp.proto\"; "
        "message A { reserved 9, 5 to 6; reserved \"z\"; required int64 a = 1; "
        "oneof o { string b = 2; } map<string, A> m = 3; optional group G = 4 { "
        "optional E e = 1 [default = Y]; } optional google.protobuf.Timestamp t = "
        "7; extensions 100 to max; } enum E { X = 0; Y = 1; } extend A { optional "
        "string s = 100; } service S { rpc R (A) returns (stream A); }";
    static const char r[] =
        "syntax=\"proto2\"; message A { required int32 a = 1; required int32 n = "
        "8; optional string m = 3; } enum E { X = 0; }";
    for (size_t k = 1;; k++) {
        nk_fault_alloc(k);
        nk_arena *a = nk_arena_create(0);
        nk_schema_doc *docs[2];
        nk_schema_diffs diffs = {0};
        nk_strs links = {0};
        nk_schema_columns cols = {0};
        nk_buf b;
        uint32_t index;
        nk_buf_init(&b, 1 << 16);
        nk_code rc = a ? NK_OK : NK_E_NOMEM;
        if (rc == NK_OK)
            rc = nk_schema_format_protobuf.links(nk_str_c(w), a, &links, NULL);
        if (rc == NK_OK)
            rc = nk_schema_format_protobuf.parse(nk_str_c(w), NULL, 0, a, &docs[0], NULL);
        if (rc == NK_OK)
            rc = nk_schema_format_protobuf.parse(nk_str_c(r), NULL, 0, a, &docs[1], NULL);
        if (rc == NK_OK)
            rc = nk_schema_format_protobuf.compare(docs[0], docs[1], a, &diffs, NULL);
        if (rc == NK_OK)
            rc = nk_schema_format_protobuf.canonical(docs[0], &b, NULL);
        if (rc == NK_OK)
            rc = nk_schema_format_protobuf.columns(docs[0], a, &cols, NULL);
        if (rc == NK_OK)
            rc = nk_protobuf_index((void *)docs[0], NK_STR("p.A"), &index, NULL);
        nk_buf_free(&b);
        nk_arena_destroy(a);
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
        cmocka_unit_test(reads_imports),
        cmocka_unit_test(takes_a_backslash_for_itself),
        cmocka_unit_test(judges_pairs),
        cmocka_unit_test(numbers_messages),
        cmocka_unit_test(takes_written_out_maps),
        cmocka_unit_test(hostile_texts_end),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
