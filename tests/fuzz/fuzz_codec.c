/* However much it would unpack to, no more comes out than may; what is called whole ends well. */
#include "fuzz.h"
#include "schema/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    nk_str in = nk_str_n((const char *)data, n);
    for (const nk_codec *c = nk_codecs; c->name; c++) {
        if (!c->is(in, NK_STR("f.snappy")))
            continue;
        for (int whole = 0; whole < 2; whole++) {
            nk_buf out;
            bool all = whole;
            nk_err err = NK_ERR_INIT;
            nk_buf_init(&out, 100000);
            nk_code rc = nk_codec_head(c, in, &all, &out, &err);
            FUZZ_CHECK(out.n <= 100000);
            FUZZ_CHECK(rc == NK_OK || err.msg[0]);
            nk_buf_free(&out);
        }
    }
    return 0;
}
