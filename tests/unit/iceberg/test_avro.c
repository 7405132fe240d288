#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "avro_samples.h"
#include "iceberg/avro.h"

static nk_str bytes_of(const unsigned char *p, size_t n)
{
    return nk_str_n((const char *)p, n);
}

static void check_sample(const nk_ocf_file *f)
{
    assert_int_equal(f->records.n, NK_COUNTOF(expected));
    assert_true(nk_str_is(nk_ocf_header_of(f, "format-version"), "2"));
    assert_true(nk_str_is(nk_ocf_header_of(f, "content"), "data"));
    for (size_t i = 0; i < f->records.n; i++) {
        const nk_ocf *r = &f->records.v[i], *d = nk_ocf_get(r, "data_file"),
                     *bounds = nk_ocf_get(d, "lower_bounds");
        assert_int_equal(nk_ocf_i64(r, "status", -1), expected[i].status);
        assert_true(nk_ocf_i64(r, "snapshot_id", INT64_MIN) == expected[i].snapshot);
        assert_true(nk_str_is(nk_ocf_str(d, "file_path"), expected[i].path));
        assert_int_equal(nk_ocf_i64(nk_ocf_get(d, "partition"), "d", 0), expected[i].day);
        assert_int_equal(bounds->type->kind == NK_OCF_NULL ? -1 : (int64_t)bounds->n,
                         expected[i].bounds);
        for (size_t k = 0; k < bounds->n; k++) {
            assert_int_equal(nk_ocf_i64(&bounds->items[k], "key", -1), k);
            assert_int_equal(nk_ocf_get(&bounds->items[k], "value")->s.n, k);
        }
        assert_int_equal(nk_ocf_get(d, "odd")->n, expected[i].odd);
        assert_int_equal(nk_ocf_get(d, "kind")->i, expected[i].kind);
        assert_true(nk_ocf_get(d, "f")->f == expected[i].f);
    }
}

static void reads_what_others_write(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_ocf_file f;
    assert_int_equal(nk_ocf_read(bytes_of(sample_null, sizeof sample_null), a, &f, NULL), NK_OK);
    check_sample(&f);
    assert_int_equal(nk_ocf_read(bytes_of(sample_deflate, sizeof sample_deflate), a, &f, NULL),
                     NK_OK);
    check_sample(&f);
    nk_arena_destroy(a);
}

static nk_code read_and_write(nk_arena *a, nk_ocf_file *f, nk_buf *out)
{
    NK_TRY(nk_ocf_read(bytes_of(sample_deflate, sizeof sample_deflate), a, f, NULL));
    return nk_ocf_write(f, nk_env_real(), out, NULL);
}

static void writes_what_it_read(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_ocf_file f, again;
    nk_buf out;
    nk_buf_init(&out, 1 << 20);
    assert_int_equal(read_and_write(a, &f, &out), NK_OK);
    assert_int_equal(nk_ocf_read(nk_buf_view(&out), a, &again, NULL), NK_OK);
    check_sample(&again);
    for (size_t i = 0; i < f.records.n; i++)
        assert_true(nk_ocf_same(&f.records.v[i], &again.records.v[i]));
    nk_buf_free(&out);
    nk_arena_destroy(a);
}

static void members_are_set_where_their_type_allows(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_ocf_file f;
    nk_ocf c;
    assert_int_equal(nk_ocf_read(bytes_of(sample_null, sizeof sample_null), a, &f, NULL), NK_OK);
    assert_int_equal(nk_ocf_copy(&f.records.v[0], a, &c), NK_OK);
    nk_ocf *d = nk_ocf_get(&c, "data_file");
    nk_ocf_set_i64(&c, "snapshot_id", -77);
    nk_ocf_set_i64(&c, "status", 2);
    nk_ocf_set_i64(&c, "none", 2);
    nk_ocf_set_str(d, "file_path", NK_STR("elsewhere"));
    nk_ocf_set_null(d, "file_path"); /* no union: stays */
    nk_ocf_set_null(d, "lower_bounds");
    assert_int_equal(nk_ocf_i64(&c, "snapshot_id", 0), -77);
    assert_int_equal(nk_ocf_i64(&c, "status", 0), 2);
    assert_true(nk_str_is(nk_ocf_str(d, "file_path"), "elsewhere"));
    assert_int_equal(nk_ocf_get(d, "lower_bounds")->type->kind, NK_OCF_NULL);
    assert_true(nk_ocf_same(nk_ocf_get(d, "partition"),
                            nk_ocf_get(nk_ocf_get(&f.records.v[0], "data_file"), "partition")));
    assert_false(nk_ocf_same(&c, &f.records.v[0]));
    nk_ocf_set_null(&c, "snapshot_id");
    assert_int_equal(nk_ocf_i64(&c, "snapshot_id", 5), 5);
    /* the original is as it was */
    assert_true(nk_str_is(nk_ocf_str(nk_ocf_get(&f.records.v[0], "data_file"), "file_path"),
                          expected[0].path));
    nk_arena_destroy(a);
}

static void refuses_what_is_cut_or_bent(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_ocf_file f;
    for (size_t n = 0; n < sizeof sample_null; n++) {
        nk_err err = NK_ERR_INIT;
        nk_code rc = nk_ocf_read(bytes_of(sample_null, n), a, &f, &err);
        /* whole blocks are a whole file */
        if (rc != NK_OK) {
            assert_int_equal(rc, NK_E_PARSE);
            assert_true(err.msg[0]);
        }
        nk_arena_reset(a);
    }
    char bent[sizeof sample_null];
    memcpy(bent, sample_null, sizeof bent);
    bent[sizeof bent - 3] ^= 1; /* the last block's mark */
    assert_int_equal(nk_ocf_read(nk_str_n(bent, sizeof bent), a, &f, NULL), NK_E_PARSE);
    nk_arena_destroy(a);
}

static void types(void **state)
{
    static const struct {
        const char *json;
        nk_code rc;
    } rows[] = {
        {"\"long\"", NK_OK},
        {"{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}", NK_OK},
        {"{\"type\":{\"type\":\"array\",\"items\":\"int\"}}", NK_OK},
        {"[\"null\",{\"type\":\"fixed\",\"name\":\"a.b.f\",\"size\":4}]", NK_OK},
        {"{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"n\",\"type\":[\"null\","
         "\"r\"]}]}",
         NK_OK},
        {"\"wide\"", NK_E_PARSE},
        {"[]", NK_E_PARSE},
        {"[[\"int\"]]", NK_E_PARSE},
        {"{}", NK_E_PARSE},
        {"7", NK_E_PARSE},
        {"{\"type\":\"record\",\"name\":\"r\"}", NK_E_PARSE},
        {"{\"type\":\"record\",\"fields\":[]}", NK_E_PARSE},
        {"{\"type\":\"fixed\",\"name\":\"f\",\"size\":-1}", NK_E_PARSE},
        {"{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"type\":\"int\"}]}", NK_E_PARSE},
        {"no json", NK_E_PARSE},
    };
    nk_arena *a = nk_arena_create(0);
    for (size_t i = 0; i < NK_COUNTOF(rows); i++) {
        nk_ocf_type *t;
        if (nk_ocf_parse_type(nk_str_c(rows[i].json), a, &t, NULL) != rows[i].rc)
            fail_msg("%s", rows[i].json);
    }
    nk_arena_destroy(a);
}

static void survives_every_failed_allocation(void **state)
{
    for (size_t k = 1;; k++) {
        nk_ocf_file f;
        nk_buf out;
        nk_fault_alloc(k);
        nk_arena *a = nk_arena_create(0);
        nk_buf_init(&out, 1 << 20);
        nk_code rc = a ? read_and_write(a, &f, &out) : NK_E_NOMEM;
        nk_buf_free(&out);
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
        cmocka_unit_test(reads_what_others_write),
        cmocka_unit_test(writes_what_it_read),
        cmocka_unit_test(members_are_set_where_their_type_allows),
        cmocka_unit_test(refuses_what_is_cut_or_bent),
        cmocka_unit_test(types),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    return cmocka_run_group_tests_name("iceberg_avro", tests, NULL, NULL);
}
