#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "crawl/crawl_int.h"

static nk_arena *arena;

static void globs(void **state)
{
    static const struct {
        const char *pattern, *path;
        bool hit;
    } cases[] = {
        {"*.csv", "a.csv", true},
        {"*.csv", "d/a.csv", false},
        {"**.csv", "d/a.csv", true},
        {"**/a.csv", "x/y/a.csv", true},
        {"d/**", "d/e/f", true},
        {"d/*", "d/e/f", false},
        {"d/**", "dd/e", false},
        {"a?c", "abc", true},
        {"a?c", "a/c", false},
        {"a?c",
         "a\xc3\xa9"
         "c",
         true},
        {"[ab]x", "bx", true},
        {"[a-c]x", "dx", false},
        {"[!a-c]x", "dx", true},
        {"[!a-c]x", "ax", false},
        {"[]]x", "]x", true},
        {"[a-]x", "-x", true},
        {"x.{csv,json}", "x.json", true},
        {"x.{csv,json}", "x.parquet", false},
        {"{a,b}*/**.gz", "bcd/e/f.gz", true},
        {"{,a}b", "b", true},
        {"\\*x", "*x", true},
        {"\\*x", "ax", false},
        {"x.{c\\,v,j}", "x.c,v", true},
        {"*", ".hidden", true},
        {"", "", true},
        {"", "a", false},
        {"**", "", true},
        {"**", "a/b/c", true},
        {"year=20*/month={1,2}/**", "year=2013/month=2/f.csv", true},
        {"year=20*/month={1,2}/**", "year=2013/month=3/f.csv", false},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        if (nk_glob_match(nk_str_c(cases[i].pattern), nk_str_c(cases[i].path)) != cases[i].hit)
            fail_msg("%s on %s", cases[i].pattern, cases[i].path);
        assert_int_equal(nk_glob_check(nk_str_c(cases[i].pattern), NULL), NK_OK);
    }
    static const char *const broken[] = {"[a", "x{a,b", "{a{b}}", "[!"};
    for (size_t i = 0; i < NK_COUNTOF(broken); i++)
        assert_int_equal(nk_glob_check(nk_str_c(broken[i]), NULL), NK_E_INVALID);
    /* a pattern that would take for ever ends */
    char path[200];
    memset(path, 'a', sizeof path);
    assert_false(
        nk_glob_match(NK_STR("**a**a**a**a**a**a**a**a**a**b"), nk_str_n(path, sizeof path)));
    unsigned seed = 3;
    for (int i = 0; i < 20000; i++) {
        static const char letters[] = "ab/*?[]{},!-\\";
        char p[12], s[12];
        size_t np = rand_r(&seed) % sizeof p, ns = rand_r(&seed) % sizeof s;
        for (size_t k = 0; k < np; k++)
            p[k] = letters[rand_r(&seed) % (sizeof letters - 1)];
        for (size_t k = 0; k < ns; k++)
            s[k] = letters[rand_r(&seed) % 3];
        char *exact = malloc(np + 1);
        memcpy(exact, p, np);
        (void)nk_glob_match(nk_str_n(exact, np), nk_str_n(s, ns));
        nk_code rc = nk_glob_check(nk_str_n(exact, np), NULL);
        assert_true(rc == NK_OK || rc == NK_E_INVALID);
        free(exact);
    }
}

static void names(void **state)
{
    static const struct {
        const char *prefix, *base, *name;
    } cases[] = {
        {"", "Flights", "flights"}, {"p_", "my-data.csv", "p_my_data_csv"},
        {"", "2024", "2024"},       {"", "\xc3\x89t\xc3\xa9", "_t_"},
        {"Raw-", "x y", "raw-x_y"}, {"", "", "_"},
        {"", "a=b", "a_b"},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_str n = nk_crawl_table_name(arena, nk_str_c(cases[i].prefix), nk_str_c(cases[i].base));
        assert_true(nk_str_is(n, cases[i].name));
    }
    nk_str a = nk_crawl_clash_name(arena, NK_STR("t"), NK_STR("s3://b/x/t/"));
    nk_str b = nk_crawl_clash_name(arena, NK_STR("t"), NK_STR("s3://b/y/t/"));
    assert_int_equal(a.n, 34);
    assert_false(nk_str_eq(a, b));
}

/* A file: path, format, type ("h:" before it: CSV with header). */
typedef struct seen {
    const char *path, *format, *type;
} seen;

static nk_crawl_file file_of(const seen *s)
{
    nk_crawl_file f = {.path = nk_str_c(s->path), .size = 100, .sampled = s->format != NULL};
    if (!s->format)
        return f;
    nk_str format = nk_str_c(s->format);
    nk_finding *is = f.is = NK_NEW(arena, nk_finding);
    *is = (nk_finding){.records = 10, .record_bytes = 100, .sample_bytes = 100, .exact = true};
    if (nk_str_ends(format, NK_STR(".gz")))
        is->codec = &nk_codecs[0];
    is->format = nk_str_starts(format, NK_STR("csv"))    ? &nk_crawl_format_csv
                 : nk_str_starts(format, NK_STR("json")) ? &nk_crawl_format_json
                 : nk_str_starts(format, NK_STR("parq")) ? &nk_crawl_format_parquet
                                                         : NULL;
    is->dialect = (nk_csv_dialect)NK_CSV_DEFAULT;
    is->dialect.header = nk_str_starts(format, NK_STR("csvh"));
    if (is->format) {
        const char *type = nk_arena_printf(arena, "struct<%s>", s->type);
        is->classification = nk_str_c(is->format->classification);
        assert_int_equal(nk_type_parse(nk_str_c(type), arena, &is->type, NULL), NK_OK);
        is->dialect.columns = is->type->nfields;
    }
    return f;
}

/* Tables as text: path(key,key)=type{value/value …}; one a line. */
static const char *group_beside(const char *root, const seen *files, int level, bool combine,
                                const nk_map *standing)
{
    nk_crawl_file v[64];
    size_t n = 0;
    for (; files[n].path; n++)
        v[n] = file_of(&files[n]);
    nk_crawl_grouping g = {.bucket = NK_STR("bkt"),
                           .root = nk_str_c(root),
                           .table_level = level,
                           .combine = combine,
                           .standing = standing};
    nk_crawl_tables out = {0};
    nk_err err = NK_ERR_INIT;
    if (nk_crawl_group(&g, v, n, arena, &out, NULL, NULL, &err) != NK_OK)
        fail_msg("%s", err.msg);
    nk_buf b;
    nk_buf_init(&b, 1 << 20);
    nk_buf_puts(&b, "");
    for (size_t i = 0; i < out.n; i++) {
        const nk_crawl_table *t = &out.v[i];
        nk_buf_printf(&b, "%s%.*s", i ? "\n" : "", NK_STR_ARG(t->path));
        for (size_t k = 0; k < t->keys.n; k++)
            nk_buf_printf(&b, "%c%.*s", k ? ',' : '(', NK_STR_ARG(t->keys.v[k]));
        nk_buf_puts(&b, t->keys.n ? ")=" : "=");
        nk_str type;
        nk_buf tb;
        nk_buf_init(&tb, 1 << 16);
        assert_int_equal(nk_type_print(t->type, false, &tb), NK_OK);
        type = nk_str_sub(nk_buf_view(&tb), 7, tb.n - 1);
        nk_buf_str(&b, type);
        nk_buf_free(&tb);
        if (!t->keys.n)
            continue;
        nk_buf_puts(&b, "{");
        for (size_t p = 0; p < t->partitions.n; p++) {
            assert_int_equal(t->partitions.v[p].values.n, t->keys.n);
            for (size_t k = 0; k < t->keys.n; k++)
                nk_buf_printf(&b, "%s%.*s",
                              k   ? "/"
                              : p ? " "
                                  : "",
                              NK_STR_ARG(t->partitions.v[p].values.v[k]));
        }
        nk_buf_puts(&b, "}");
    }
    const char *s = nk_buf_dup(&b, arena).p;
    nk_buf_free(&b);
    return s;
}

static const char *group(const char *root, const seen *files, int level, bool combine)
{
    return group_beside(root, files, level, combine, NULL);
}

/* A folder that was a table and is left alone stays one; partitions and new folders do not. */
static void standing_tables(void **state)
{
    static const struct {
        const char *table;
        seen files[4];
        const char *tables;
    } cases[] = {
        {"d/a/", {{"d/a/f", "json", "x:int"}}, "d/a/=x:int"},
        {"d/a/", {{"d/a/k=1/f", "json", "x:int"}}, "d/a/(k)=x:int{1}"},
        {"d/x/a/", {{"d/x/a/f", "json", "x:int"}}, "d/x/a/=x:int"},
        {"d/b/", {{"d/a/f", "json", "x:int"}}, "d/(partition_0)=x:int{a}"},
        {"d/k=1/", {{"d/k=1/f", "json", "x:int"}}, "d/(k)=x:int{1}"},
        {"d/a/",
         {{"d/a/f", "json", "x:int"}, {"d/b/f", "json", "x:int"}},
         "d/(partition_0)=x:int{a b}"},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_map standing;
        nk_map_init(&standing);
        assert_int_equal(nk_map_put(&standing, nk_str_c(cases[i].table), &standing, NULL), NK_OK);
        const char *got = group_beside("d/", cases[i].files, 0, false, &standing);
        nk_map_free(&standing);
        if (strcmp(got, cases[i].tables) != 0)
            fail_msg("case %zu: got\n%s\nwanted\n%s", i, got, cases[i].tables);
    }
}

static void groups(void **state)
{
    static const struct {
        const char *root;
        seen files[12];
        const char *tables;
    } cases[] = {
        {"d/", {{"d/a.csv", "csvh", "x:int"}, {"d/b.csv", "csvh", "x:double"}}, "d/=x:double"},
        {"d/",
         {{"d/year=2023/month=1/a", "json", "x:int,y:string"},
          {"d/year=2023/month=2/a", "json", "x:bigint,y:string"},
          {"d/year=2024/month=1/a", "json", "x:int,y:string,z:int"}},
         "d/(year,month)=x:bigint,y:string,z:int{2023/1 2023/2 2024/1}"},
        {"d/",
         {{"d/2023/a", "parquet", "x:int"}, {"d/2024/a", "parquet", "x:int"}},
         "d/(partition_0)=x:int{2023 2024}"},
        {"d/",
         {{"d/2023/01/a", "csv", "col0:bigint,col1:string"},
          {"d/2023/02/a", "csv", "col0:double,col1:string"}},
         "d/(partition_0,partition_1)=col0:double,col1:string{2023/01 2023/02}"},
        /* unlike folders: a table each */
        {"",
         {{"air/f.json", "json", "code:string,name:string"},
          {"fl/m=1/f.csv", "csvh", "a:bigint,b:string,c:double"},
          {"fl/m=2/f.csv", "csvh", "a:bigint,b:string,c:double"}},
         "air/=code:string,name:string\nfl/(m)=a:bigint,b:string,c:double{1 2}"},
        /* same columns, other format or compression: not one table */
        {"d/",
         {{"d/a/f", "csvh", "x:int"}, {"d/b/f", "csvh.gz", "x:int"}},
         "d/a/=x:int\nd/b/=x:int"},
        {"d/",
         {{"d/a/f", "json", "x:int"}, {"d/b/f", "parquet", "x:int"}},
         "d/a/=x:int\nd/b/=x:int"},
        /* unlike files in one folder: a table each, unless most are alike */
        {"d/",
         {{"d/a.csv", "csvh", "x:int"}, {"d/b.json", "json", "q:int,r:int"}},
         "d/a.csv=x:int\nd/b.json=q:int,r:int"},
        {"d/",
         {{"d/1", "json", "x:int"},
          {"d/2", "json", "x:int"},
          {"d/3", "json", "x:int"},
          {"d/4", "json", "other:int,more:int,less:int"}},
         "d/=x:int"},
        /* a kind column in one folder, text in the other: still one table, widened */
        {"d/",
         {{"d/k=1/f", "csvh", "a:bigint,b:bigint"}, {"d/k=2/f", "csvh", "a:string,b:bigint"}},
         "d/(k)=a:string,b:bigint{1 2}"},
        /* files beside folders */
        {"d/", {{"d/a", "json", "x:int"}, {"d/sub/b", "json", "x:bigint"}}, "d/=x:bigint"},
        {"d/",
         {{"d/a", "json", "x:int"}, {"d/sub/b", "json", "q:int,r:int,s:int"}},
         "d/sub/=q:int,r:int,s:int\nd/a=x:int"},
        {"d/",
         {{"d/a", "json", "x:int"}, {"d/k=1/b", "json", "x:int"}},
         "d/a=x:int\nd/(k)=x:int{1}"},
        /* other keys or depth: not partitions of one table */
        {"d/",
         {{"d/a/k=1/f", "json", "x:int"}, {"d/b/j=1/f", "json", "x:int"}},
         "d/a/(k)=x:int{1}\nd/b/(j)=x:int{1}"},
        {"d/",
         {{"d/k=a%2Fb%20c/f", "json", "x:int"},
          {"d/k=__HIVE_DEFAULT_PARTITION__/f", "json", "x:int"}},
         "d/(k)=x:int{a/b c __HIVE_DEFAULT_PARTITION__}"},
        /* a single file as the include path, the bucket's root, nothing at all */
        {"d/f.csv", {{"d/f.csv", "csvh", "x:int"}}, "d/f.csv=x:int"},
        {"", {{"f.csv", "csvh", "x:int"}}, "=x:int"},
        {"d/", {{NULL, NULL, NULL}}, ""},
        {"d/", {{"d/x", "junk", NULL}}, ""},
        /* what was not sampled counts, but says nothing */
        {"d/", {{"d/a", "json", "x:int"}, {"d/b", NULL, NULL}}, "d/=x:int"},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        const char *got = group(cases[i].root, cases[i].files, 0, false);
        if (strcmp(got, cases[i].tables) != 0)
            fail_msg("case %zu: got\n%s\nwanted\n%s", i, got, cases[i].tables);
    }
}

static void grouping_options(void **state)
{
    static const seen sales[] = {{"s/a/2023/f", "json", "x:int,y:int"},
                                 {"s/a/2024/f", "json", "x:int,y:int"},
                                 {"s/b/2023/f", "json", "x:int,y:int"},
                                 {NULL, NULL, NULL}};
    assert_string_equal(group("s/", sales, 0, false),
                        "s/(partition_0,partition_1)=x:int,y:int{a/2023 a/2024 b/2023}");
    /* tables at level 3: bucket, s, a */
    assert_string_equal(
        group("s/", sales, 3, false),
        "s/a/(partition_0)=x:int,y:int{2023 2024}\ns/b/(partition_0)=x:int,y:int{2023}");
    static const seen unlike[] = {
        {"s/a/f", "json", "x:int"}, {"s/b/f", "json", "p:int,q:int"}, {NULL, NULL, NULL}};
    assert_string_equal(group("s/", unlike, 0, false), "s/a/=x:int\ns/b/=p:int,q:int");
    assert_string_equal(group("s/", unlike, 0, true), "s/(partition_0)=x:int,p:int,q:int{a b}");
    assert_string_equal(group("s/", unlike, 2, false), "s/(partition_0)=x:int,p:int,q:int{a b}");
}

/* Whatever the tree: every usable file is under exactly one table, and no partition stands twice.
 */
static void every_file_once(void **state)
{
    static const char *const formats[] = {"json", "csvh", "parquet"};
    static const char *const types[] = {"a:int", "a:bigint,b:string", "x:int,y:int,z:int"};
    static const char *const parts[] = {"k=1", "k=2", "j=1", "p", "q", "r"};
    unsigned seed = 11;
    for (int round = 0; round < 400; round++) {
        nk_arena *old = arena;
        arena = nk_arena_create(0);
        nk_crawl_file v[40];
        size_t n = 1 + rand_r(&seed) % 40;
        for (size_t i = 0; i < n; i++) {
            char path[100] = "d/";
            for (int depth = (int)(rand_r(&seed) % 4); depth > 0; depth--) {
                strcat(path, parts[rand_r(&seed) % 6]);
                strcat(path, "/");
            }
            int kind = (int)(rand_r(&seed) % 3);
            seen s = {nk_arena_printf(arena, "%sf%02zu", path, i), formats[round % 2 ? kind : 0],
                      types[round % 2 ? kind : (int)(rand_r(&seed) % 3)]};
            v[i] = file_of(&s);
        }
        nk_crawl_grouping g = {.bucket = NK_STR("b"), .root = NK_STR("d/")};
        nk_crawl_tables out = {0};
        assert_int_equal(nk_crawl_group(&g, v, n, arena, &out, NULL, NULL, NULL), NK_OK);
        uint64_t files = 0;
        for (size_t i = 0; i < out.n; i++) {
            uint64_t in_partitions = 0;
            files += out.v[i].files;
            for (size_t p = 0; p < out.v[i].partitions.n; p++) {
                in_partitions += out.v[i].partitions.v[p].files;
                for (size_t q = 0; q < p; q++)
                    assert_false(
                        nk_str_eq(out.v[i].partitions.v[p].path, out.v[i].partitions.v[q].path));
            }
            if (out.v[i].keys.n)
                assert_int_equal(in_partitions, out.v[i].files);
        }
        assert_true(files > 0 && files <= n);
        nk_arena_destroy(arena);
        arena = old;
    }
}

static void describes(void **state)
{
    seen s = {"d/k=1/f.csv.gz", "csvh.gz", "k:int,a:int,`B c`:string"};
    nk_crawl_file f = file_of(&s);
    nk_crawl_grouping g = {.bucket = NK_STR("b"), .root = NK_STR("d/")};
    nk_crawl_tables out = {0};
    assert_int_equal(nk_crawl_group(&g, &f, 1, arena, &out, NULL, NULL, NULL), NK_OK);
    assert_int_equal(out.n, 1);
    nk_buf b;
    nk_buf_init(&b, 1 << 20);
    assert_int_equal(nk_crawl_table_json(&out.v[0], NK_STR("b"), arena, &b, NULL, NULL, NULL),
                     NK_OK);
    nk_json *j;
    assert_int_equal(nk_json_parse(nk_buf_view(&b), arena, 0, &j, NULL), NK_OK);
    const nk_json *sd = nk_json_get(j, "StorageDescriptor"), *p = nk_json_get(j, "Parameters");
    assert_true(nk_str_is(nk_json_str(sd, "Location"), "s3://b/d/"));
    assert_true(nk_json_bool(sd, "Compressed", false));
    assert_true(nk_str_is(nk_json_str(nk_json_at(nk_json_get(sd, "Columns"), 0), "Name"), "k_1"));
    assert_true(nk_str_is(nk_json_str(nk_json_at(nk_json_get(sd, "Columns"), 2), "Name"), "b c"));
    assert_true(nk_str_is(nk_json_str(p, "compressionType"), "gzip"));
    assert_true(nk_str_is(nk_json_str(p, "skip.header.line.count"), "1"));
    assert_true(nk_str_is(nk_json_str(p, "recordCount"), "10"));
    nk_buf_clear(&b);
    assert_int_equal(nk_crawl_partition_json(&out.v[0], &out.v[0].partitions.v[0], false,
                                             NK_STR("b"), arena, &b, NULL),
                     NK_OK);
    assert_int_equal(nk_json_parse(nk_buf_view(&b), arena, 0, &j, NULL), NK_OK);
    assert_true(
        nk_str_is(nk_json_str(nk_json_get(j, "StorageDescriptor"), "Location"), "s3://b/d/k=1/"));
    nk_buf_free(&b);
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
        cmocka_unit_test(globs),
        cmocka_unit_test(names),
        cmocka_unit_test(groups),
        cmocka_unit_test(standing_tables),
        cmocka_unit_test(grouping_options),
        cmocka_unit_test(every_file_once),
        cmocka_unit_test(describes),
    };
    return cmocka_run_group_tests_name("crawl", tests, open_arena, close_arena);
}
