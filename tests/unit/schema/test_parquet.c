#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "parquet_samples.h"
#include "schema/parquet.h"

static nk_code read_file(nk_str file, nk_arena *a, nk_parquet_meta *out, nk_err *err)
{
    uint64_t n;
    nk_str tail = file.n < 8 ? file : nk_str_sub(file, file.n - 8, file.n);
    NK_TRY(nk_parquet_footer_size(tail, file.n, &n, err));
    return nk_parquet_read_footer(nk_str_sub(file, file.n - 8 - n, file.n - 8), a, out, err);
}

#define FILE_OF(x) nk_str_n((const char *)(x), sizeof(x))

static void check(nk_str file, const char *type, const char *codec)
{
    nk_arena *a = nk_arena_create(0);
    nk_parquet_meta m;
    nk_err err = NK_ERR_INIT;
    if (read_file(file, a, &m, &err) != NK_OK)
        fail_msg("%s", err.msg);
    nk_buf b;
    nk_buf_init(&b, 1 << 20);
    assert_int_equal(nk_type_print(m.type, false, &b), NK_OK);
    assert_string_equal(b.p, type);
    assert_int_equal(m.rows, 2);
    assert_int_equal(m.row_groups, 1);
    assert_true(m.bytes > 0);
    assert_string_equal(m.codec, codec);
    assert_true(nk_str_find(m.created_by, NK_STR("parquet-cpp")) >= 0);
    nk_buf_free(&b);
    nk_arena_destroy(a);
}

static void reads_schemas(void **state)
{
    check(
        FILE_OF(flat_parquet),
        "struct<flag:boolean,b:tinyint,s:smallint,i:int,l:bigint,ub:smallint,us:int,ui:bigint,"
        "ul:decimal(20,0),f:float,d:double,dec:decimal(12,2),dec30:decimal(30,5),text:string,"
        "bin:binary,fixed:binary,day:date,ms:timestamp,us_:timestamp,ns:timestamp,t:int,t64:bigint,"
        "none:null>",
        "gzip");
    check(FILE_OF(nested_parquet),
          "struct<a:array<bigint>,m:map<string,double>,st:struct<x:bigint,y:struct<z:string>>,"
          "ls:array<struct<p:array<bigint>>>,deep:array<array<array<string>>>>",
          "snappy");
    check(FILE_OF(int96_parquet), "struct<ns:timestamp>", "none");
}

static void refuses_what_is_cut(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_parquet_meta m;
    nk_err err = NK_ERR_INIT;
    nk_str file = FILE_OF(flat_parquet);
    for (size_t n = 0; n < file.n; n += 7)
        assert_int_equal(read_file(nk_str_sub(file, 0, n), a, &m, &err), NK_E_PARSE);
    uint64_t size;
    assert_int_equal(nk_parquet_footer_size(NK_STR("\x10\0\0\0PARE"), 1000, &size, &err),
                     NK_E_PARSE);
    assert_non_null(strstr(err.msg, "encrypted"));
    assert_int_equal(nk_parquet_footer_size(NK_STR("\xff\xff\xff\xffPAR1"), 1000, &size, &err),
                     NK_E_PARSE);
    assert_int_equal(nk_parquet_footer_size(NK_STR("abcdefgh"), 1000, &size, &err), NK_E_PARSE);
    assert_non_null(strstr(err.msg, "truncated"));
    nk_arena_destroy(a);
}

static void survives_damage(void **state)
{
    unsigned seed = 42;
    nk_str files[] = {FILE_OF(flat_parquet), FILE_OF(nested_parquet)};
    for (int i = 0; i < 6000; i++) {
        nk_str file = files[i & 1];
        char *copy = malloc(file.n);
        memcpy(copy, file.p, file.n);
        size_t from = file.n > 1500 ? file.n - 1500 : 0;
        for (int k = 0; k < 1 + i % 4; k++)
            copy[from + (size_t)rand_r(&seed) % (file.n - 8 - from)] = (char)rand_r(&seed);
        nk_arena *a = nk_arena_create(64 << 20);
        nk_parquet_meta m;
        nk_err err = NK_ERR_INIT;
        nk_code rc = read_file(nk_str_n(copy, file.n), a, &m, &err);
        assert_true(rc == NK_OK || rc == NK_E_PARSE || rc == NK_E_NOMEM);
        nk_arena_destroy(a);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_schemas),
        cmocka_unit_test(refuses_what_is_cut),
        cmocka_unit_test(survives_damage),
    };
    return cmocka_run_group_tests_name("schema_parquet", tests, NULL, NULL);
}
