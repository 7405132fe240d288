/* Whatever the bytes are: rows do not depend on how they come in, what was observed can be kept,
 * and what is refused is refused with a message. */
#include "fuzz.h"

#include "../unit/schema/rows_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static nk_grok *grok;
    nk_str bytes = nk_str_n((const char *)data, n);
    if (!grok && nk_grok_compile(NK_STR("%{WORD:w} %{NUMBER:n:double} ?%{GREEDYDATA:rest}"),
                                 NK_STR(""), &grok, NULL) != NK_OK)
        return 0;
    for (const nk_rows_format *const *f = nk_rows_formats; *f; f++) {
        nk_rows_options o = {.row_tag = NK_STR("row"), .grok = *f == &nk_rows_grok ? grok : NULL};
        walked all, bits;
        walk_rows(*f, &o, bytes, SIZE_MAX, &all);
        walk_rows(*f, &o, bytes, 64, &bits);
        FUZZ_CHECK(all.rc == NK_OK || all.err.msg[0]);
        FUZZ_CHECK((all.rc == NK_OK) == (bits.rc == NK_OK) && all.seen == bits.seen &&
                   all.kept == bits.kept);
        FUZZ_CHECK(strcmp(all.type, bits.type) == 0 && all.sum == bits.sum);
        if (all.rc == NK_OK && !(*f)->type && *f != &nk_rows_grok)
            FUZZ_CHECK(all.seen == all.kept);
    }
    return 0;
}
