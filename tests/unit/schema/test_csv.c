#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "schema/sniff.h"
#include "schema/gunzip.h"
#include "schema/json_stream.h"

static nk_arena *arena;

/* Records as text: cells in brackets, quoted ones marked, records ended by '/'. */
static nk_code show(void *arg, const nk_csv_record *rec, nk_err *err)
{
    nk_buf *b = arg;
    for (size_t i = 0; i < rec->n; i++) {
        nk_buf_putc(b, rec->quoted[i] ? '{' : '[');
        nk_buf_str(b, rec->cells[i]);
        nk_buf_putc(b, rec->quoted[i] ? '}' : ']');
    }
    nk_buf_putc(b, '/');
    return NK_OK;
}

static nk_code read_csv(nk_str in, const nk_csv_dialect *d, size_t step, nk_buf *out, nk_err *err)
{
    nk_csv_reader *r = nk_csv_open(d, 1000, show, out);
    nk_code rc = NK_OK;
    for (size_t i = 0; i < in.n && rc == NK_OK; i += step)
        rc = nk_csv_feed(r, nk_str_sub(in, i, i + step < in.n ? i + step : in.n), err);
    if (rc == NK_OK)
        rc = nk_csv_finish(r, err);
    nk_csv_close(r);
    return rc;
}

#define S(lit)                                                                                     \
    {                                                                                              \
        lit, sizeof(lit) - 1                                                                       \
    }
static void csv_records(void **state)
{
    static const struct {
        nk_str in;
        char delimiter, escape;
        const char *out;
    } cases[] = {
        {S("a,b\n1,2\n"), ',', 0, "[a][b]/[1][2]/"},
        {S("a,b\r\n1,2"), ',', 0, "[a][b]/[1][2]/"},
        {S("a,b\r1,2\r\r3,4"), ',', 0, "[a][b]/[1][2]/[3][4]/"},
        {S("\n\na,b\n\n"), ',', 0, "[a][b]/"},
        {S("\xef\xbb\xbf"
           "a,b\n"),
         ',', 0, "[a][b]/"},
        {S("\xef\xbb,b\n"), ',', 0, "[\xef\xbb][b]/"},
        {S("\"x, y\",\"z\"\"q\"\"\"\n"), ',', 0, "{x, y}{z\"q\"}/"},
        {S("\"x\ny\",2\n"), ',', 0, "{x\ny}[2]/"},
        {S("\"x\r\ny\",2\r\n"), ',', 0, "{x\r\ny}[2]/"},
        {S("\"\",,\"\"\n"), ',', 0, "{}[]{}/"},
        {S("\"ab\"cd,e\"f\"g\n"), ',', 0, "{abcd}[e\"f\"g]/"},
        {S("\"a\\\"b\",c\\d\n"), ',', '\\', "{a\"b}[c\\d]/"},
        {S("\"a\\nb\\\\\",x\n"), ',', '\\', "{a\\nb\\}[x]/"},
        {S("a|b\tc|d\n"), '|', 0, "[a][b\tc][d]/"},
        {S("1,2,\n3\n4,5,6,7\n"), ',', 0, "[1][2][]/[3]/[4][5][6][7]/"},
        {S("a,\xff\xfe,b\n"), ',', 0, "[a][\xff\xfe][b]/"},
        {S(" a , \"b\n"), ',', 0, "[ a ][ \"b]/"},
        {S(""), ',', 0, ""},
        {S("\n"), ',', 0, ""},
        {S(",\n"), ',', 0, "[][]/"},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_csv_dialect d = NK_CSV_DEFAULT;
        d.delimiter = cases[i].delimiter;
        d.escape = cases[i].escape;
        for (size_t step = 1; step < 8; step++) {
            nk_buf out;
            nk_err err = NK_ERR_INIT;
            nk_buf_init(&out, 1 << 20);
            assert_int_equal(read_csv(cases[i].in, &d, step, &out, &err), NK_OK);
            nk_buf_putc(&out, 0);
            assert_string_equal(out.p, cases[i].out);
            nk_buf_free(&out);
        }
    }
}

static void csv_keeps_nul_bytes(void **state)
{
    nk_csv_dialect d = NK_CSV_DEFAULT;
    nk_buf out;
    nk_buf_init(&out, 1000);
    assert_int_equal(read_csv(nk_str_n("a\0b,\"\0\"\n", 8), &d, 3, &out, NULL), NK_OK);
    assert_int_equal(out.n, 9);
    assert_memory_equal(out.p, "[a\0b]{\0}/", 9);
    nk_buf_free(&out);
}

static void csv_refuses(void **state)
{
    nk_csv_dialect d = NK_CSV_DEFAULT;
    nk_buf out;
    nk_err err = NK_ERR_INIT;
    nk_buf_init(&out, 100000);
    assert_int_equal(read_csv(NK_STR("a,b\n1,\"open\n2,3\n"), &d, 4, &out, &err), NK_E_PARSE);
    assert_non_null(strstr(err.msg, "line 2"));
    char big[3000];
    memset(big, 'x', sizeof big);
    big[5] = '"';
    assert_int_equal(read_csv(nk_str_n(big, sizeof big), &d, 64, &out, &err), NK_E_PARSE);
    assert_non_null(strstr(err.msg, "1000 bytes"));
    big[0] = '"';
    big[5] = 'x';
    assert_int_equal(read_csv(nk_str_n(big, sizeof big), &d, 64, &out, &err), NK_E_PARSE);
    assert_non_null(strstr(err.msg, "not closed"));
    nk_buf_free(&out);
}

static void sniffs(void **state)
{
    static const struct {
        nk_str in;
        bool is;
        char delimiter, escape;
        bool header, quoted;
        size_t columns;
    } cases[] = {
        {S("a,b\n1,2\n3,4\n"), true, ',', 0, true, false, 2},
        {S("a,b\nx,y\nz,w\n"), true, ',', 0, false, false, 2},
        {S("a;b;c\n1,5;2;x\n3,5;4;y\n"), true, ';', 0, true, false, 3},
        {S("a|b\n1|2\n3|4\n"), true, '|', 0, true, false, 2},
        {S("a\tb\n1\t2\n3\t4\n"), true, '\t', 0, true, false, 2},
        {S("x\001y\n1\0012\n3\0014\n"), true, 1, 0, true, false, 2},
        {S("1,2\n3,4\n"), true, ',', 0, false, false, 2},
        {S("name,note\n\"A, B\",1\n\"C, D\",2\n"), true, ',', 0, true, true, 2},
        {S("name,note\n\"A \\\"x, B\",1\n\"C\",2\n"), true, ',', '\\', true, true, 2},
        {S(",id\n0,5\n1,6\n"), true, ',', 0, true, false, 2},
        {S("a,b\n1,2\n"), false, 0, 0, false, false, 0},
        {S("x,y\n"), false, 0, 0, false, false, 0},
        {S("one\ntwo\nthree\n"), false, 0, 0, false, false, 0},
        {S("Prose, with a comma.\nMore, of, it, here.\nAnd none\nand, one\na,b,c\nd\n"), false, 0,
         0, false, false, 0},
        {S("a,flag\nx,true\ny,false\n"), true, ',', 0, true, false, 2},
        {S("d,n\n2024-01-01,x\n2024-01-02,y\n"), true, ',', 0, false, false, 2},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_csv_dialect d = {0};
        nk_str why = NK_STR_NULL;
        bool is = nk_csv_sniff(cases[i].in, true, NULL, arena, &d, &why);
        if (is != cases[i].is)
            fail_msg("case %zu: %.*s", i, NK_STR_ARG(why));
        assert_non_null(why.p);
        if (!is)
            continue;
        assert_int_equal(d.delimiter, cases[i].delimiter);
        assert_int_equal(d.escape, cases[i].escape);
        assert_int_equal(d.header, cases[i].header);
        assert_int_equal(d.quoted, cases[i].quoted);
        assert_int_equal(d.columns, cases[i].columns);
        assert_int_equal(d.names.n, cases[i].header ? cases[i].columns : 0);
    }
    /* a cut last record says nothing about the width */
    nk_csv_dialect d = {0};
    nk_str why;
    assert_true(nk_csv_sniff(NK_STR("a,b,c\n1,2,3\n4,5,6\n7,\"8"), false, NULL, arena, &d, &why));
    assert_int_equal(d.columns, 3);
}

static nk_code show_doc(void *arg, nk_str doc, uint64_t number, uint64_t line, nk_err *err)
{
    nk_buf_printf(arg, "%llu@", (unsigned long long)line);
    nk_buf_str(arg, doc);
    nk_buf_putc(arg, '/');
    return NK_OK;
}

static nk_code read_json(nk_str in, size_t step, nk_buf *out, nk_json_layout *layout, nk_err *err)
{
    nk_json_stream *s = nk_json_stream_open(200, show_doc, out);
    nk_code rc = NK_OK;
    for (size_t i = 0; i < in.n && rc == NK_OK; i += step)
        rc = nk_json_stream_feed(s, nk_str_sub(in, i, i + step < in.n ? i + step : in.n), err);
    if (rc == NK_OK)
        rc = nk_json_stream_finish(s, err);
    *layout = nk_json_stream_layout(s);
    nk_json_stream_close(s);
    return rc;
}

static void json_documents(void **state)
{
    static const struct {
        nk_str in;
        nk_json_layout layout;
        const char *out;
    } cases[] = {
        {S("{\"a\":1}\n{\"a\":2}\n"), NK_JSON_LINES, "1@{\"a\":1}/2@{\"a\":2}/"},
        {S("{\"a\":1}{\"a\":2}"), NK_JSON_CONCAT, "1@{\"a\":1}/1@{\"a\":2}/"},
        {S("{\n\"a\":\n1}\n{}"), NK_JSON_CONCAT, "1@{\n\"a\":\n1}/4@{}/"},
        {S("[{\"a\":1},\n {\"a\":2}]\n"), NK_JSON_ROWS, "1@{\"a\":1}/2@{\"a\":2}/"},
        {S("[]"), NK_JSON_ROWS, ""},
        {S("[1,\"x\",null]"), NK_JSON_ROWS, "1@1/1@\"x\"/1@null/"},
        {S("{\"a\":\"}]{[\\\"\"}\n"), NK_JSON_LINES, "1@{\"a\":\"}]{[\\\"\"}/"},
        {S("{\"a\":\"\\\\\"}\n[1,[2]]"), NK_JSON_LINES, "1@{\"a\":\"\\\\\"}/2@[1,[2]]/"},
        {S("\xef\xbb\xbf{}\r\n{}\r\n"), NK_JSON_LINES, "1@{}/2@{}/"},
        {S(""), NK_JSON_LINES, ""},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        for (size_t step = 1; step < 9; step++) {
            nk_buf out;
            nk_err err = NK_ERR_INIT;
            nk_json_layout layout;
            nk_buf_init(&out, 100000);
            if (read_json(cases[i].in, step, &out, &layout, &err) != NK_OK)
                fail_msg("case %zu: %s", i, err.msg);
            assert_int_equal(layout, cases[i].layout);
            nk_buf_putc(&out, 0);
            assert_string_equal(out.p, cases[i].out);
            nk_buf_free(&out);
        }
    }
    static const nk_str broken[] = {S("{\"a\":1"), S("[{}"),  S("[{},]"),
                                    S("[{} {}]"),  S("{} x"), S("[{}] {}"),
                                    S("\"abc"),    S("}"),    S("{\"a\":\"x")};
    for (size_t i = 0; i < NK_COUNTOF(broken); i++) {
        nk_buf out;
        nk_json_layout layout;
        nk_buf_init(&out, 100000);
        if (read_json(broken[i], 3, &out, &layout, NULL) != NK_E_SERIALIZATION)
            fail_msg("%s was accepted", broken[i].p);
        nk_buf_free(&out);
    }
}

static nk_code collect(void *arg, nk_str bytes, nk_err *err)
{
    return nk_buf_str(arg, bytes);
}

/* "hello\n" and "world\n" as two gzip members */
static const unsigned char two_members[] = {
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0xcb, 0x48, 0xcd,
    0xc9, 0xc9, 0xe7, 0x02, 0x00, 0x20, 0x30, 0x3a, 0x36, 0x06, 0x00, 0x00, 0x00,
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0x2b, 0xcf, 0x2f,
    0xca, 0x49, 0xe1, 0x02, 0x00, 0xa8, 0x61, 0x38, 0xdd, 0x06, 0x00, 0x00, 0x00};

static void gunzips(void **state)
{
    nk_str all = {(const char *)two_members, sizeof two_members};
    for (size_t cut = 0; cut <= all.n + 4; cut++) {
        nk_buf in, out;
        nk_err err = NK_ERR_INIT;
        nk_buf_init(&in, 1000);
        nk_buf_init(&out, 1000);
        nk_buf_str(&in, nk_str_sub(all, 0, cut < all.n ? cut : all.n));
        while (in.n < cut)
            nk_buf_putc(&in, 0);
        nk_gunzip *g = nk_gunzip_open(collect, &out);
        nk_code rc = NK_OK;
        for (size_t i = 0; i < in.n && rc == NK_OK; i += 3)
            rc = nk_gunzip_feed(g, nk_str_sub(nk_buf_view(&in), i, i + 3 < in.n ? i + 3 : in.n),
                                &err);
        if (rc == NK_OK)
            rc = nk_gunzip_finish(g, &err);
        nk_gunzip_close(g);
        if (cut >= all.n) {
            if (rc != NK_OK)
                fail_msg("%s", err.msg);
            assert_true(nk_str_is(nk_buf_view(&out), "hello\nworld\n"));
        } else if (cut != 26) {
            assert_int_equal(rc, NK_E_PARSE);
        }
        nk_buf_free(&in);
        nk_buf_free(&out);
    }
    nk_gunzip *g = nk_gunzip_open(collect, NULL);
    assert_int_equal(nk_gunzip_feed(g, NK_STR("plain text"), NULL), NK_E_PARSE);
    nk_gunzip_close(g);
}

static int open_arena(void **state)
{
    arena = nk_arena_create(0);
    return arena ? 0 : -1;
}

static int close_arena(void **state)
{
    nk_arena_destroy(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_records),    cmocka_unit_test(csv_keeps_nul_bytes),
        cmocka_unit_test(csv_refuses),    cmocka_unit_test(sniffs),
        cmocka_unit_test(json_documents), cmocka_unit_test(gunzips),
    };
    return cmocka_run_group_tests_name("schema_csv", tests, open_arena, close_arena);
}
