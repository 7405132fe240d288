/* Any bytes as a pattern of Python's: RE2's or a reason. */
#include "fuzz.h"
#include "plan/regex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    nk_arena *a = nk_arena_create(0);
    nk_str out = NK_STR_NULL;
    nk_err err = NK_ERR_INIT;
    if (nk_regex_python(nk_str_n((const char *)data, n), a, &out, &err) == NK_OK) {
        FUZZ_CHECK(nk_str_starts(out, NK_STR("\\A(?")));
        FUZZ_CHECK(nk_utf8_valid(out));
    } else {
        FUZZ_CHECK(err.msg[0]);
    }
    nk_arena_destroy(a);
    return 0;
}
