/* First line the pattern, then custom patterns up to an empty line, then lines to match: it
 * compiles or says why not, and matching ends. */
#include "fuzz.h"
#include "schema/grok.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    nk_str rest = nk_str_n((const char *)data, n), pattern;
    nk_grok *g;
    nk_err err = NK_ERR_INIT;
    if (!nk_str_split(&rest, '\n', &pattern))
        return 0;
    ptrdiff_t end = nk_str_find(rest, NK_STR("\n\n"));
    nk_str custom = end < 0 ? NK_STR("") : nk_str_sub(rest, 0, (size_t)end);
    nk_str lines = end < 0 ? rest : nk_str_sub(rest, (size_t)end + 2, rest.n), line;
    if (nk_grok_compile(pattern, custom, &g, &err) != NK_OK) {
        FUZZ_CHECK(err.msg[0]);
        return 0;
    }
    FUZZ_CHECK(nk_grok_type(g)->nfields > 0);
    for (int i = 0; i < 20 && nk_str_split(&lines, '\n', &line); i++)
        (void)nk_grok_match(g, line);
    nk_grok_free(g);
    return 0;
}
