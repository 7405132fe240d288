/* Whatever the reader takes, the writer's file of it must be taken again and hold the same. */
#include "fuzz.h"
#include "iceberg/avro.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    nk_arena *a = nk_arena_create(64 << 20);
    nk_ocf_file f, again;
    nk_err err = NK_ERR_INIT;
    nk_buf out;
    nk_buf_init(&out, 64 << 20);
    nk_code rc = nk_ocf_read(nk_str_n((const char *)data, n), a, &f, &err);
    FUZZ_CHECK(rc == NK_OK || err.msg[0]);
    if (rc == NK_OK && nk_ocf_write(&f, nk_env_real(), &out, &err) == NK_OK) {
        rc = nk_ocf_read(nk_buf_view(&out), a, &again, &err);
        FUZZ_CHECK(rc == NK_OK || rc == NK_E_NOMEM);
        if (rc == NK_OK) {
            FUZZ_CHECK(f.records.n == again.records.n);
            for (size_t i = 0; i < f.records.n; i++)
                FUZZ_CHECK(nk_ocf_same(&f.records.v[i], &again.records.v[i]));
        }
    }
    nk_buf_free(&out);
    nk_arena_destroy(a);
    return 0;
}
