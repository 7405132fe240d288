/* Whatever the tail says, no byte outside it is read, and what is taken is a struct. */
#include "fuzz.h"
#include "schema/orc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    nk_str tail = nk_str_n((const char *)data, n);
    nk_arena *a = nk_arena_create(512 << 20);
    nk_orc_meta m;
    uint64_t want;
    nk_err err = NK_ERR_INIT;
    if (nk_orc_tail_size(tail, n, &want, &err) == NK_OK)
        FUZZ_CHECK(want <= n);
    if (nk_orc_read_tail(tail, a, &m, &err) == NK_OK)
        FUZZ_CHECK(m.type->kind == NK_T_STRUCT && m.codec);
    else
        FUZZ_CHECK(err.msg[0]);
    nk_arena_destroy(a);
    return 0;
}
