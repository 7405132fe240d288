/* Whatever the reader takes, the writer's text of it must be taken again and be the same. */
#include "base/base.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    nk_str text = nk_str_n((const char *)data, n);
    nk_arena *a = nk_arena_create(64 << 20);
    nk_json *j, *again;
    nk_err err;
    nk_buf first, second;
    nk_buf_init(&first, 64 << 20);
    nk_buf_init(&second, 64 << 20);
    if (nk_json_parse(text, a, 0, &j, &err) == NK_OK) {
        nk_jw_tree(&(nk_json_writer){.buf = &first}, j);
        FUZZ_CHECK(nk_utf8_valid(nk_buf_view(&first)));
        FUZZ_CHECK(nk_json_parse(nk_buf_view(&first), a, 0, &again, &err) == NK_OK);
        nk_jw_tree(&(nk_json_writer){.buf = &second}, again);
        FUZZ_CHECK(nk_str_eq(nk_buf_view(&first), nk_buf_view(&second)));
    }
    /* skipping and reading must agree on what is well-formed */
    nk_json_reader r;
    nk_json_begin(&r, text, a, 0, &err);
    nk_str raw;
    bool skipped =
        nk_json_next(&r) == NK_OK && nk_json_raw(&r, &raw) == NK_OK && nk_json_next(&r) == NK_OK;
    FUZZ_CHECK(skipped == (nk_json_parse(text, a, 0, &j, NULL) == NK_OK));
    nk_buf_free(&first);
    nk_buf_free(&second);
    nk_arena_destroy(a);
    return 0;
}
