#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "../arena.h"

static void str_split_keeps_empty_pieces(void **state)
{
    nk_str rest = NK_STR("a,,b"), piece;
    assert_true(nk_str_split(&rest, ',', &piece) && nk_str_is(piece, "a"));
    assert_true(nk_str_split(&rest, ',', &piece) && nk_str_is(piece, ""));
    assert_true(nk_str_split(&rest, ',', &piece) && nk_str_is(piece, "b"));
    assert_false(nk_str_split(&rest, ',', &piece));
}

static void str_finds_and_cuts(void **state)
{
    nk_str s = NK_STR("  s3://b/k \n");
    assert_true(nk_str_is(nk_str_trim(s), "s3://b/k"));
    assert_true(nk_str_is(nk_str_trim(NK_STR(" \t ")), ""));
    assert_int_equal(nk_str_find(s, NK_STR("://")), 4);
    assert_int_equal(nk_str_find(s, NK_STR("zz")), -1);
    assert_int_equal(nk_str_chr(NK_STR("a/b/c"), '/'), 1);
    assert_int_equal(nk_str_rchr(NK_STR("a/b/c"), '/'), 3);
    assert_true(nk_str_is(nk_str_sub(NK_STR("abc"), 1, 99), "bc"));
    assert_true(nk_str_is(nk_str_sub(NK_STR("abc"), 9, 2), ""));
    assert_true(nk_str_starts(NK_STR("abc"), NK_STR("ab")));
    assert_false(nk_str_starts(NK_STR("a"), NK_STR("ab")));
    assert_true(nk_str_ends(NK_STR("abc"), NK_STR("bc")));
    assert_true(nk_str_ieq(NK_STR("AbC"), NK_STR("aBc")));
    assert_true(nk_str_cmp(NK_STR("a"), NK_STR("ab")) < 0);
    assert_true(nk_str_cmp(NK_STR("b"), NK_STR("ab")) > 0);
    assert_true(nk_str_is(nk_str_cat(arena, NK_STR("x"), NK_STR("yz")), "xyz"));
    assert_true(nk_str_is(nk_str_printf(arena, "%d-%s", 7, "q"), "7-q"));
}

static void str_lowers_beyond_ascii(void **state)
{
    assert_true(nk_str_is(nk_str_lower(arena, NK_STR("ABC_Zz9ÀÖ×ØÞßŸĀŽΑΣΩΆЀЯ\xff")),
                          "abc_zz9àö×øþßÿāžασωάѐя\xff"));
}

static void numbers_are_read_whole_or_not_at_all(void **state)
{
    static const struct {
        const char *text;
        bool good;
        int64_t value;
    } ints[] = {
        {"0", true, 0},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999999", false, 0},
        {"+5", true, 5},
        {"", false, 0},
        {"-", false, 0},
        {"1 ", false, 0},
        {" 1", false, 0},
        {"1.0", false, 0},
        {"0x10", false, 0},
    };
    for (size_t i = 0; i < NK_COUNTOF(ints); i++) {
        int64_t v = 0;
        assert_int_equal(nk_str_i64(nk_str_c(ints[i].text), &v), ints[i].good);
        assert_true(v == ints[i].value);
    }
    double d;
    assert_true(nk_str_f64(NK_STR("-1.5e3"), &d) && d == -1500);
    char many[600];
    memset(many, '1', sizeof many);
    assert_true(nk_str_f64(nk_str_n(many, sizeof many), &d) && d > 1e300);
    static const char *const bad[] = {"", " 1", "1 ", "0x10", "1,5", "abc", "1e"};
    for (size_t i = 0; i < NK_COUNTOF(bad); i++)
        assert_false(nk_str_f64(nk_str_c(bad[i]), &d));
}

static void utf8_round_trips(void **state)
{
    for (uint32_t cp = 0; cp <= 0x10ffff; cp += cp < 0x3000 ? 1 : 61) {
        char out[4];
        uint32_t back = 0;
        size_t n = nk_utf8_put(out, cp);
        bool surrogate = cp >= 0xd800 && cp < 0xe000;
        assert_int_equal(nk_utf8_get(out, n, &back), surrogate ? 0 : n);
        assert_true(surrogate || back == cp);
        assert_int_equal(nk_utf8_valid(nk_str_n(out, n)), !surrogate);
        for (size_t cut = 0; cut < n; cut++)
            assert_int_equal(nk_utf8_get(out, cut, &back), 0);
    }
    assert_int_equal(nk_utf8_len(NK_STR("12345678é€😀\xff")), 12);
}

static void buf_keeps_its_maximum(void **state)
{
    nk_buf b;
    nk_buf_init(&b, 5);
    assert_int_equal(nk_buf_puts(&b, "abc"), NK_OK);
    assert_int_equal(nk_buf_puts(&b, "de"), NK_OK);
    assert_string_equal(b.p, "abcde");
    assert_int_equal(nk_buf_putc(&b, 'f'), NK_E_LIMIT);
    assert_int_equal(nk_buf_add(&b, "", 0), NK_E_LIMIT); /* failed stays failed */
    nk_err err;
    assert_int_equal(nk_buf_check(&b, &err), NK_E_LIMIT);
    nk_buf_clear(&b);
    assert_int_equal(nk_buf_printf(&b, "%d", 12345), NK_OK);
    assert_int_equal(nk_buf_printf(&b, "%d", 6), NK_E_LIMIT);
    nk_buf_free(&b);
    nk_buf_init(&b, SIZE_MAX);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(nk_buf_printf(&b, "%03d", i), NK_OK);
    assert_int_equal(b.n, 3000);
    nk_buf_free(&b);
}

static void count(void *arg)
{
    ++*(int *)arg;
}

static void arena_limits_and_cleans_up(void **state)
{
    int cleaned = 0;
    nk_arena *a = nk_arena_create(100000);
    assert_int_equal(nk_arena_defer(a, count, &cleaned), NK_OK);
    for (size_t n = 0; n < 300; n++) {
        char *p = nk_arena_alloc(a, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xee, n);
    }
    assert_null(nk_arena_alloc(a, 100000));
    assert_null(nk_arena_calloc(a, SIZE_MAX / 2, 3));
    assert_null(nk_arena_alloc(a, SIZE_MAX - 8));
    assert_true(nk_arena_used(a) >= 299 * 300 / 2);
    nk_arena_reset(a);
    assert_int_equal(cleaned, 1);
    assert_int_equal(nk_arena_used(a), 0);
    assert_non_null(nk_arena_alloc(a, 90000));
    nk_arena_destroy(a);
    assert_int_equal(cleaned, 1);
    nk_arena_destroy(NULL);
}

static void map_agrees_with_a_plain_array(void **state)
{
    enum { KEYS = 500 };
    static char names[KEYS][16];
    static int values[KEYS];
    bool in[KEYS] = {false};
    size_t n = 0;
    uint32_t r = 12345;
    nk_map m;
    nk_map_init(&m);
    for (int i = 0; i < KEYS; i++)
        snprintf(names[i], sizeof names[i], "key-%d", i * 7919);
    for (int step = 0; step < 20000; step++) {
        r = r * 1664525 + 1013904223;
        int k = (int)(r >> 8) % KEYS;
        nk_str key = nk_str_c(names[k]);
        if (r >> 31) {
            void *old;
            assert_int_equal(nk_map_put(&m, key, &values[k], &old), NK_OK);
            assert_ptr_equal(old, in[k] ? &values[k] : NULL);
            n += !in[k];
            in[k] = true;
        } else {
            assert_ptr_equal(nk_map_del(&m, key), in[k] ? &values[k] : NULL);
            n -= in[k];
            in[k] = false;
        }
        assert_int_equal(m.n, n);
        k = (k * 31 + step) % KEYS;
        assert_ptr_equal(nk_map_get(&m, nk_str_c(names[k])), in[k] ? &values[k] : NULL);
    }
    size_t seen = 0;
    nk_map_slot *slot;
    for (size_t i = 0; nk_map_next(&m, &i, &slot);)
        seen++;
    assert_int_equal(seen, n);
    nk_map_free(&m);
    assert_false(nk_map_has(&m, NK_STR("x")));
}

static void hashes_are_the_published_ones(void **state)
{
    char hex[65];
    uint8_t mac[32];
    nk_sha256_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    nk_sha256_hex("", 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    /* RFC 4231, cases 2 and 6 (a key longer than a block) */
    nk_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, mac);
    nk_hex(mac, 32, hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    uint8_t key[131];
    memset(key, 0xaa, sizeof key);
    const char *msg = "Test Using Larger Than Block-Size Key - Hash Key First";
    nk_hmac_sha256(key, sizeof key, msg, strlen(msg), mac);
    nk_hex(mac, 32, hex);
    assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    assert_true(nk_equal_ct("ab", "ab", 2));
    assert_false(nk_equal_ct("ab", "ac", 2));
    assert_true(nk_hash64("a", 1, 1) != nk_hash64("a", 1, 2));
    assert_true(nk_hash64("a\0", 2, 1) != nk_hash64("a", 1, 1));
}

static void base64_is_strict(void **state)
{
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    static const char *const bad[] = {
        "Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm9v\n", "Zm-v"};
    nk_str out;
    for (size_t i = 0; i < NK_COUNTOF(pairs); i++) {
        assert_true(nk_str_is(nk_base64_encode(arena, nk_str_c(pairs[i][0])), pairs[i][1]));
        assert_int_equal(nk_base64_decode(arena, nk_str_c(pairs[i][1]), &out), NK_OK);
        assert_true(nk_str_is(out, pairs[i][0]));
    }
    for (size_t i = 0; i < NK_COUNTOF(bad); i++)
        assert_int_equal(nk_base64_decode(arena, nk_str_c(bad[i]), &out), NK_E_PARSE);
}

static void civil_time_agrees_with_libc(void **state)
{
    uint64_t r = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        r ^= r << 13;
        r ^= r >> 7;
        r ^= r << 17;
        int64_t us = (int64_t)(r % UINT64_C(200000000000000000)) - INT64_C(100000000000000000);
        nk_civil c = nk_civil_from_us(us);
        time_t t = (time_t)(us >= 0 ? us / 1000000 : -((-us + 999999) / 1000000));
        struct tm tm;
        gmtime_r(&t, &tm);
        assert_int_equal(c.year, tm.tm_year + 1900);
        assert_int_equal(c.month, tm.tm_mon + 1);
        assert_int_equal(c.day, tm.tm_mday);
        assert_int_equal(c.hour, tm.tm_hour);
        assert_int_equal(c.minute, tm.tm_min);
        assert_int_equal(c.second, tm.tm_sec);
        assert_int_equal(c.weekday, tm.tm_wday);
        assert_true(nk_civil_to_us(&c) == us);
    }
}

static void errors_carry_names_and_context(void **state)
{
    nk_err err = NK_ERR_INIT;
    assert_int_equal(nk_fail(&err, NK_E_NOT_FOUND, "Table %s not found.", "t"), NK_E_NOT_FOUND);
    assert_int_equal(nk_wrap(&err, "load %d", 3), NK_E_NOT_FOUND);
    assert_int_equal(nk_hint(&err, "create it"), NK_E_NOT_FOUND);
    assert_string_equal(err.msg, "load 3: Table t not found.");
    assert_string_equal(err.hint, "create it");
    assert_string_equal(nk_code_aws(err.code), "EntityNotFoundException");
    assert_string_equal(nk_code_name(err.code), "NK_E_NOT_FOUND");
    assert_int_equal(nk_code_status(NK_E_INTERNAL), 500);
    assert_int_equal(nk_fail(NULL, NK_E_IO, "x"), NK_E_IO);
    nk_fail(&err, NK_E_IO, "%s again", err.msg); /* its own text as an argument */
    assert_string_equal(err.msg, "load 3: Table t not found. again");
    assert_int_equal(nk_fail_errno(&err, ENOSPC, "store"), NK_E_FULL);
    char big[3 * NK_ERR_MSG_MAX];
    for (size_t i = 0; i + 2 < sizeof big; i += 2)
        memcpy(big + i, "é", 3);
    nk_fail(&err, NK_E_IO, "x%s", big);
    assert_true(nk_utf8_valid(nk_str_c(err.msg)));
    assert_true(strlen(err.msg) > NK_ERR_MSG_MAX - 8);
}

static void files_are_written_whole(void **state)
{
    char dir[] = "/tmp/nk-base-XXXXXX";
    assert_non_null(mkdtemp(dir));
    nk_err err = NK_ERR_INIT;
    const char *sub = nk_arena_printf(arena, "%s/a/b/c", dir);
    const char *file = nk_arena_printf(arena, "%s/f", sub);
    nk_str text;
    assert_int_equal(nk_file_mkdirs(sub, 0700, &err), NK_OK);
    assert_int_equal(nk_file_mkdirs(sub, 0700, &err), NK_OK);
    assert_int_equal(nk_file_read(file, 100, arena, &text, &err), NK_E_NOT_FOUND);
    assert_int_equal(nk_file_write(file, NK_STR("one"), 0600, &err), NK_OK);
    assert_int_equal(nk_file_write(file, NK_STR("twotwo"), 0640, &err), NK_OK);
    assert_int_equal(nk_file_read(file, 6, arena, &text, &err), NK_OK);
    assert_true(nk_str_is(text, "twotwo"));
    assert_int_equal(nk_file_read(file, 5, arena, &text, &err), NK_E_LIMIT);
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(symlink("/etc", nk_arena_printf(arena, "%s/link", sub)), 0);
    assert_int_equal(nk_file_remove_tree(dir, &err), NK_OK);
    assert_false(nk_file_exists(dir));
    assert_true(nk_file_exists("/etc/passwd"));
    static const char *const never[] = {"", "/", "//", "./", "a/../b", "..", "/."};
    for (size_t i = 0; i < NK_COUNTOF(never); i++)
        assert_int_equal(nk_file_remove_tree(never[i], &err), NK_E_INVALID);
}

static void ports_and_ids(void **state)
{
    int port = 0;
    assert_int_equal(nk_free_port(0, &port, NULL), NK_OK);
    assert_true(port > 0);
    assert_int_equal(nk_free_port(30000, &port, NULL), NK_OK);
    assert_true(port > 0 && port <= 30000);
    char id[37], other[37];
    assert_int_equal(nk_uuid(nk_env_real(), id), NK_OK);
    assert_int_equal(nk_uuid(nk_env_real(), other), NK_OK);
    assert_int_equal(strlen(id), 36);
    assert_int_equal(id[14], '4');
    assert_string_not_equal(id, other);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(str_split_keeps_empty_pieces),
        T(str_finds_and_cuts),
        T(str_lowers_beyond_ascii),
        T(numbers_are_read_whole_or_not_at_all),
        T(utf8_round_trips),
        T(buf_keeps_its_maximum),
        T(arena_limits_and_cleans_up),
        T(map_agrees_with_a_plain_array),
        T(hashes_are_the_published_ones),
        T(base64_is_strict),
        T(civil_time_agrees_with_libc),
        T(errors_carry_names_and_context),
        T(files_are_written_whole),
        T(ports_and_ids),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
