/* A message of any bytes, against a schema of each format: opens or is refused with a reason, and
 * what an Avro message holds is encoded to the same value again. */
#include "fuzz.h"
#include "serde/nikawa_serde.h"

#include <string.h>

static nks_code one_of_three(void *arg, const char *uuid, nks_definition *out, nks_error *err)
{
    switch (uuid[35] % 3) {
    case 0:
        *out = (nks_definition){
            .format = NKS_AVRO,
            .definition =
                "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"long\"}"
                ",{"
                "\"name\":\"n\",\"type\":[\"null\",\"R\"]},{\"name\":\"l\",\"type\":{\"type\":"
                "\"array\","
                "\"items\":[\"null\",\"string\",\"double\"]}},{\"name\":\"m\",\"type\":{\"type\":"
                "\"map\","
                "\"values\":\"bytes\"}},{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"E\","
                "\"symbols\":[\"A\",\"B\"]}},{\"name\":\"z\",\"type\":{\"type\":\"array\","
                "\"items\":"
                "\"null\"}}]}"};
        break;
    case 1:
        *out = (nks_definition){.format = NKS_JSON,
                                .definition = "{\"properties\":{\"a\":{\"type\":\"integer\"}}}"};
        break;
    default:
        *out = (nks_definition){
            .format = NKS_PROTOBUF,
            .definition =
                "syntax=\"proto3\"; message A { string s = 1; repeated int32 i = 2; A a = 3; "
                "map<string, A> m = 4; } message B { double d = 1; }"};
    }
    return NKS_OK;
}

static const char reader_schema[] =
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"b\",\"aliases\":[\"a\"],\"type\":"
    "\"double\"},{\"name\":\"n\",\"type\":[\"null\",\"R\"]},{\"name\":\"l\",\"type\":{\"type\":"
    "\"array\",\"items\":[\"double\",\"null\",\"bytes\"]}},{\"name\":\"d\",\"type\":\"int\","
    "\"default\":1},{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"B\"],"
    "\"default\":\"B\"}}]}";

/* Whatever was written can be read as this schema, and is a value of it. */
static void read_as(nks_serde *s, const nks_buf *message, nks_buf *scratch, nks_arena *a)
{
    const nks_schema *reader;
    nks_definition d = {.format = NKS_AVRO, .definition = reader_schema};
    nks_buf out = {0};
    nk_avro_value v;
    FUZZ_CHECK(nks_schema_add(s, "0f9619ff-8b86-4d01-b42d-00cf4fc964ff", &d, &reader, NULL) ==
               NKS_OK);
    nks_code rc = nks_decode_avro_as(s, reader, message->p, message->n, scratch, a, &v, NULL, NULL);
    FUZZ_CHECK(rc == NKS_OK || rc == NKS_LIMIT);
    if (rc == NKS_OK)
        FUZZ_CHECK(nks_encode_avro(s, reader, &v, NKS_PLAIN, &out, NULL) == NKS_OK);
    nks_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    nks_serde *s;
    nks_error err;
    nks_buf scratch = {0}, out = {0};
    nks_message m;
    nk_avro_value v, again;
    const nks_schema *x;
    nks_config c = {.fetch = one_of_three, .message_max = 4 << 20};
    nks_arena *a = nks_arena_new();
    FUZZ_CHECK(nks_open(&c, &s, &err) == NKS_OK);
    err.message[0] = 0;
    if (nks_open_message(s, data, n, &scratch, &m, &err) != NKS_OK)
        FUZZ_CHECK(err.message[0]);
    if (nks_decode_avro(s, data, n, &scratch, a, &v, &x, &err) == NKS_OK) {
        FUZZ_CHECK(nks_encode_avro(s, x, &v, NKS_PLAIN, &out, &err) == NKS_OK);
        nks_buf first = out;
        out = (nks_buf){0};
        FUZZ_CHECK(nks_decode_avro(s, first.p, first.n, &scratch, a, &again, &x, &err) == NKS_OK);
        FUZZ_CHECK(nks_encode_avro(s, x, &again, NKS_PLAIN, &out, &err) == NKS_OK);
        FUZZ_CHECK(out.n == first.n && memcmp(out.p, first.p, out.n) == 0);
        read_as(s, &first, &scratch, a);
        nks_buf_free(&first);
    }
    nks_buf_free(&out);
    nks_buf_free(&scratch);
    nks_arena_free(a);
    nks_close(s);
    return 0;
}
