#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "sample.h"

#define OTHER_ID "00000000-0000-4000-8000-00000000000"

/* A registry in the test: what it was asked for, how often. */
typedef struct shelf {
    const char *id;
    nks_definition d;
    int asked;
} shelf;

static nks_code from_shelf(void *arg, const char *uuid, nks_definition *out, nks_error *err)
{
    shelf *s = arg;
    for (; s->id; s++) {
        if (strcmp(s->id, uuid) == 0) {
            __atomic_fetch_add(&s->asked, 1, __ATOMIC_RELAXED);
            *out = s->d;
            return NKS_OK;
        }
    }
    err->code = NKS_NOT_FOUND;
    snprintf(err->message, sizeof err->message, "no version %s", uuid);
    return NKS_NOT_FOUND;
}

static shelf shelves[] = {
    {SAMPLE_ID, {.format = NKS_AVRO, .definition = sample_schema}, 0},
    {OTHER_ID "1",
     {.format = NKS_JSON,
      .definition =
          "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}},\"required\":["
          "\"a\"]}"},
     0},
    {OTHER_ID "2",
     {.format = NKS_PROTOBUF,
      .definition =
          "syntax=\"proto3\"; package p; message B { int32 x = 1; message A { string s = 1; } "
          "}"},
     0},
    {OTHER_ID "3", {.format = NKS_AVRO, .definition = "{\"type\":\"no such\"}"}, 0},
    {NULL, {0}, 0}};

static nks_serde *open_serde(void)
{
    nks_serde *s = NULL;
    nks_config c = {.fetch = from_shelf, .arg = shelves, .message_max = 1 << 20};
    assert_int_equal(nks_open(&c, &s, NULL), NKS_OK);
    return s;
}

static bool same(const nk_avro_value *a, const nk_avro_value *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case NK_AVRO_NULL:
        return true;
    case NK_AVRO_BOOLEAN:
        return a->u.b == b->u.b;
    case NK_AVRO_INT:
    case NK_AVRO_LONG:
    case NK_AVRO_ENUM:
        return a->u.i == b->u.i;
    case NK_AVRO_FLOAT:
    case NK_AVRO_DOUBLE:
        return memcmp(&a->u.d, &b->u.d, sizeof a->u.d) == 0;
    case NK_AVRO_BYTES:
    case NK_AVRO_STRING:
    case NK_AVRO_FIXED:
        return a->u.s.n == b->u.s.n && memcmp(a->u.s.p, b->u.s.p, a->u.s.n) == 0;
    default:
        break;
    }
    if (a->u.list.n != b->u.list.n)
        return false;
    for (size_t i = 0; i < a->u.list.n; i++) {
        if (!same(&a->u.list.v[i], &b->u.list.v[i]))
            return false;
        if (a->kind == NK_AVRO_MAP &&
            (a->u.list.keys[i].n != b->u.list.keys[i].n ||
             memcmp(a->u.list.keys[i].p, b->u.list.keys[i].p, a->u.list.keys[i].n) != 0))
            return false;
    }
    return true;
}

static void avro_comes_back(void **state)
{
    nks_serde *s = open_serde();
    const nks_schema *x, *got;
    nks_buf out = {0}, scratch = {0};
    nks_arena *a = nks_arena_new();
    nk_avro_value v;
    nks_error err;
    assert_int_equal(nks_schema_by_id(s, SAMPLE_ID, &x, &err), NKS_OK);
    for (int zip = 0; zip < 2; zip++) {
        if (nks_encode_avro(s, x, &sample_value, zip ? NKS_ZLIB : NKS_PLAIN, &out, &err) != NKS_OK)
            fail_msg("%s", err.message);
        static const uint8_t id[] = {0xb7, 0xb4, 0xa7, 0xf0, 0x9c, 0x96, 0x4e, 0x4a,
                                     0xa6, 0x87, 0xfb, 0x5d, 0xe9, 0xef, 0x0c, 0x63};
        assert_int_equal(out.p[0], 3);
        assert_int_equal(out.p[1], zip ? 5 : 0);
        assert_memory_equal(out.p + 2, id, 16);
        if (!zip) /* id: zigzag varint of 123456789012; then a text of 12 bytes */
            assert_memory_equal(out.p + 18,
                                "\xa8\xe8\xc8\xe9\x97\x07\x18"
                                "Ada",
                                10);
        if (nks_decode_avro(s, out.p, out.n, &scratch, a, &v, &got, &err) != NKS_OK)
            fail_msg("%s", err.message);
        assert_ptr_equal(got, x);
        assert_true(same(&sample_value, &v));
        assert_int_equal(v.u.list.v[2].branch, 1);
        assert_int_equal(v.u.list.v[20].branch, 0);
        for (size_t cut = 0; cut < out.n; cut++) { /* and never reads beyond the end */
            char *part = malloc(cut ? cut : 1);
            memcpy(part, out.p, cut);
            assert_int_equal(nks_decode_avro(s, part, cut, &scratch, a, &v, &got, &err),
                             NKS_FOREIGN);
            free(part);
        }
    }
    assert_int_equal(shelves[0].asked, 1);
    nks_arena_free(a);
    nks_buf_free(&out);
    nks_buf_free(&scratch);
    nks_close(s);
}

static void refuses_what_does_not_fit(void **state)
{
    nks_serde *s = open_serde();
    const nks_schema *x;
    nks_buf out = {0};
    nks_error err;
    assert_int_equal(nks_schema_by_id(s, SAMPLE_ID, &x, &err), NKS_OK);
    nk_avro_value kept = sample_fields[4];
    sample_fields[4].u.i = 1LL << 31;
    assert_int_equal(nks_encode_avro(s, x, &sample_value, NKS_PLAIN, &out, &err), NKS_INVALID);
    assert_non_null(strstr(err.message, "items"));
    sample_fields[4] = (nk_avro_value)TEXT("3");
    assert_int_equal(nks_encode_avro(s, x, &sample_value, NKS_PLAIN, &out, &err), NKS_INVALID);
    sample_fields[4] = kept;
    kept = sample_fields[6];
    sample_fields[6].u.i = 3;
    assert_int_equal(nks_encode_avro(s, x, &sample_value, NKS_PLAIN, &out, &err), NKS_INVALID);
    sample_fields[6] = kept;
    assert_int_equal(nks_encode_json(s, x, "{}", 2, NKS_PLAIN, &out, &err), NKS_INVALID);
    assert_int_equal(nks_encode_avro(s, x, &sample_value, (nks_compression)4, &out, &err),
                     NKS_INVALID);
    assert_int_equal(nks_schema_by_id(s, "b7b4a7f0", &x, &err), NKS_INVALID);
    assert_int_equal(nks_schema_by_id(s, OTHER_ID "3", &x, &err), NKS_INVALID);
    assert_int_equal(nks_schema_by_id(s, OTHER_ID "9", &x, &err), NKS_NOT_FOUND);
    nks_buf_free(&out);
    nks_close(s);
}

static void json_and_protobuf_are_validated(void **state)
{
    nks_serde *s = open_serde();
    const nks_schema *x;
    nks_buf out = {0}, scratch = {0};
    nks_message m;
    nks_error err;
    assert_int_equal(nks_schema_by_id(s, OTHER_ID "1", &x, &err), NKS_OK);
    assert_int_equal(nks_encode_json(s, x, "{\"a\":\"x\"}", 9, NKS_PLAIN, &out, &err), NKS_INVALID);
    assert_non_null(strstr(err.message, "/a"));
    assert_int_equal(nks_encode_json(s, x, "{\"a\":12}", 8, NKS_ZLIB, &out, &err), NKS_OK);
    assert_int_equal(nks_open_message(s, out.p, out.n, &scratch, &m, &err), NKS_OK);
    assert_int_equal(m.n, 8);
    assert_memory_equal(m.payload, "{\"a\":12}", 8);

    assert_int_equal(nks_schema_by_id(s, OTHER_ID "2", &x, &err), NKS_OK);
    assert_int_equal(nks_encode_protobuf(s, x, "p.B.A", "\x0a\x01z", 3, NKS_PLAIN, &out, &err),
                     NKS_OK);
    assert_int_equal(out.n, 18 + 4);
    assert_memory_equal(out.p + 18, "\x01\x0a\x01z", 4);
    assert_int_equal(nks_open_message(s, out.p, out.n, &scratch, &m, &err), NKS_OK);
    assert_int_equal(m.index, 1);
    assert_memory_equal(m.name, "p.B.A", 5);
    assert_int_equal(m.n, 3);
    out.p[18] = 7;
    assert_int_equal(nks_open_message(s, out.p, out.n, &scratch, &m, &err), NKS_FOREIGN);
    assert_int_equal(nks_encode_protobuf(s, x, NULL, "\x0a\x01z", 3, NKS_PLAIN, &out, &err),
                     NKS_INVALID); /* B's field 1 is a number */
    nks_buf_free(&out);
    nks_buf_free(&scratch);
    nks_close(s);
}

static void a_bomb_is_refused(void **state)
{
    nks_serde *s = open_serde();
    const nks_schema *x;
    nks_buf out = {0}, scratch = {0};
    nks_message m;
    nks_error err;
    nks_serde *big;
    nks_config c = {.fetch = from_shelf, .arg = shelves, .message_max = 64 << 20};
    char *text = malloc(8 << 20);
    memset(text, ' ', 8 << 20);
    memcpy(text, "{\"a\":1}", 7);
    assert_int_equal(nks_open(&c, &big, NULL), NKS_OK);
    assert_int_equal(nks_schema_by_id(big, OTHER_ID "1", &x, &err), NKS_OK);
    assert_int_equal(nks_encode_json(big, x, text, 8 << 20, NKS_ZLIB, &out, &err), NKS_OK);
    assert_true(out.n < 1 << 16);
    assert_int_equal(nks_open_message(big, out.p, out.n, &scratch, &m, &err), NKS_OK);
    nks_buf_free(&scratch);
    assert_int_equal(nks_open_message(s, out.p, out.n, &scratch, &m, &err), NKS_LIMIT);
    assert_true(scratch.cap <= 4 << 20);
    free(text);
    nks_buf_free(&out);
    nks_buf_free(&scratch);
    nks_close(big);
    nks_close(s);
}

static void *work(void *serde)
{
    nks_serde *s = serde;
    nks_buf out = {0}, scratch = {0};
    nks_arena *a = nks_arena_new();
    long bad = 0;
    for (int i = 0; i < 300; i++) {
        const nks_schema *x;
        nk_avro_value v;
        nks_message m;
        nks_error err;
        char id[] = OTHER_ID "1";
        nks_arena_reset(a);
        bad += nks_schema_by_id(s, SAMPLE_ID, &x, &err) != NKS_OK;
        bad += nks_encode_avro(s, x, &sample_value, i % 3 ? NKS_PLAIN : NKS_ZLIB, &out, &err) !=
               NKS_OK;
        bad += nks_decode_avro(s, out.p, out.n, &scratch, a, &v, NULL, &err) != NKS_OK;
        bad += nks_schema_by_id(s, id, &x, &err) != NKS_OK;
        bad += nks_encode_json(s, x, "{\"a\":1}", 7, NKS_PLAIN, &out, &err) != NKS_OK;
        bad += nks_open_message(s, out.p, out.n, &scratch, &m, &err) != NKS_OK;
    }
    nks_buf_free(&out);
    nks_buf_free(&scratch);
    nks_arena_free(a);
    return (void *)bad;
}

static void threads_share_a_serde(void **state)
{
    nks_serde *s = open_serde();
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, work, s), 0);
    for (int i = 0; i < 4; i++) {
        void *bad;
        pthread_join(t[i], &bad);
        assert_null(bad);
    }
    nks_close(s);
}

#define READER_ID "0f9619ff-8b86-4d01-b42d-00cf4fc964ff"
static const char reader_schema[] =
    "{\"type\":\"record\",\"name\":\"Order\",\"namespace\":\"shop\",\"fields\":["
    "{\"name\":\"who\",\"aliases\":[\"customer\"],\"type\":[\"null\",\"string\"]},"
    "{\"name\":\"items\",\"type\":\"double\"},{\"name\":\"status\",\"type\":{\"type\":\"enum\","
    "\"name\":\"Status\",\"symbols\":[\"OTHER\",\"NEW\"],\"default\":\"OTHER\"}},"
    "{\"name\":\"y\",\"type\":{\"type\":\"map\",\"values\":{\"type\":\"array\",\"items\":"
    "\"bytes\"}},\"default\":{\"k\":[\"\\u00ff\"]}}]}";

/* SAMPLE's message as the reader's schema has it; *right: the value is what it should be. */
static nks_code read_as(nks_serde *s, const nks_buf *message, nks_arena *a, bool *right)
{
    nks_definition d = {.format = NKS_AVRO, .definition = reader_schema};
    const nks_schema *reader, *writer;
    nks_buf scratch = {0};
    nk_avro_value v;
    nks_code rc = nks_schema_add(s, READER_ID, &d, &reader, NULL);
    if (rc == NKS_OK)
        rc = nks_decode_avro_as(s, reader, message->p, message->n, &scratch, a, &v, &writer, NULL);
    if (rc == NKS_OK) {
        const nk_avro_value *f = v.u.list.v;
        const nk_avro_value *bytes = f[3].u.list.v[0].u.list.v;
        *right = v.u.list.n == 4 && f[0].branch == 1 && f[0].u.s.n == 12 &&
                 !memcmp(f[0].u.s.p, "Ada Lovelace", 12) && f[1].kind == NK_AVRO_DOUBLE &&
                 f[1].u.d == 3.0 && f[2].u.i == 0 && f[3].u.list.n == 1 &&
                 f[3].u.list.keys[0].n == 1 && bytes->u.s.n == 1 && *bytes->u.s.p == '\xff' &&
                 !strcmp(nks_schema_id(writer), SAMPLE_ID);
    }
    nks_buf_free(&scratch);
    return rc;
}

static void reads_as_another_schema(void **state)
{
    nks_serde *s = open_serde();
    const nks_schema *x;
    nks_buf out = {0};
    nks_arena *a = nks_arena_new();
    bool right = false;
    assert_int_equal(nks_schema_by_id(s, SAMPLE_ID, &x, NULL), NKS_OK);
    assert_int_equal(nks_encode_avro(s, x, &sample_value, NKS_ZLIB, &out, NULL), NKS_OK);
    assert_int_equal(read_as(s, &out, a, &right), NKS_OK);
    assert_true(right);
    nks_buf_free(&out);
    nks_arena_free(a);
    nks_close(s);
}

static nks_code everything(void)
{
    bool right;
    nks_serde *s;
    const nks_schema *x;
    nks_buf out = {0}, scratch = {0};
    nk_avro_value v;
    nks_message m;
    nks_error err;
    nks_config c = {.fetch = from_shelf, .arg = shelves};
    nks_arena *a = nks_arena_new();
    nks_code rc = a ? nks_open(&c, &s, &err) : NKS_NOMEM;
    if (rc != NKS_OK) {
        nks_arena_free(a);
        return rc;
    }
    if (rc == NKS_OK)
        rc = nks_schema_by_id(s, SAMPLE_ID, &x, &err);
    if (rc == NKS_OK)
        rc = nks_encode_avro(s, x, &sample_value, NKS_ZLIB, &out, &err);
    if (rc == NKS_OK)
        rc = nks_decode_avro(s, out.p, out.n, &scratch, a, &v, NULL, &err);
    if (rc == NKS_OK)
        rc = read_as(s, &out, a, &right);
    if (rc == NKS_OK)
        rc = nks_schema_by_id(s, OTHER_ID "1", &x, &err);
    if (rc == NKS_OK)
        rc = nks_encode_json(s, x, "{\"a\":1}", 7, NKS_PLAIN, &out, &err);
    if (rc == NKS_OK)
        rc = nks_open_message(s, out.p, out.n, &scratch, &m, &err);
    nks_buf_free(&out);
    nks_buf_free(&scratch);
    nks_arena_free(a);
    nks_close(s);
    return rc;
}

static void survives_every_failed_allocation(void **state)
{
    for (size_t k = 1;; k++) {
        nk_fault_alloc(k);
        nks_code rc = everything();
        bool beyond = nk_fault_alloc(0) < k;
        if (rc != NKS_OK && rc != NKS_NOMEM)
            fail_msg("allocation %zu: %d", k, rc);
        if (beyond) {
            assert_int_equal(rc, NKS_OK);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(avro_comes_back),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(json_and_protobuf_are_validated),
        cmocka_unit_test(a_bomb_is_refused),
        cmocka_unit_test(threads_share_a_serde),
        cmocka_unit_test(reads_as_another_schema),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
