/* Two schemas and a value, cut apart at line ends. What is taken compares with itself and comes
 * back from its canonical text; a sample that is shown is taken by the writer's schema and not by
 * the reader's. */
#include "fuzz.h"
#include "registry/jsonschema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    nk_str text = nk_str_n((const char *)data, n), part[3] = {NK_STR(""), NK_STR(""), NK_STR("")};
    for (int i = 0; i < 3; i++)
        (void)nk_str_split(&text, '\n', &part[i]);
    nk_arena *a = nk_arena_create(256u << 20);
    nk_schema_doc *w, *r, *again;
    nk_schema_diffs diffs = {0};
    nk_strs links = {0};
    nk_schema_columns cols = {0};
    nk_err err = NK_ERR_INIT;
    nk_buf b;
    nk_buf_init(&b, 16 << 20);
    (void)nk_schema_format_json.links(part[0], a, &links, NULL);
    if (nk_schema_format_json.parse(part[0], NULL, 0, a, &w, &err) == NK_OK) {
        FUZZ_CHECK(nk_schema_format_json.canonical(w, &b, &err) == NK_OK);
        FUZZ_CHECK(nk_schema_format_json.parse(nk_buf_view(&b), NULL, 0, a, &again, &err) == NK_OK);
        FUZZ_CHECK(nk_schema_format_json.compare(w, again, a, &diffs, &err) == NK_OK &&
                   diffs.n == 0);
        FUZZ_CHECK(nk_jsonschema_validate((void *)w, part[2], &err) != NK_E_NOMEM);
        (void)nk_schema_format_json.columns(w, a, &cols, NULL);
        if (nk_schema_format_json.parse(part[1], NULL, 0, a, &r, &err) == NK_OK) {
            FUZZ_CHECK(nk_schema_format_json.compare(w, r, a, &diffs, &err) == NK_OK);
            for (size_t i = 0; i < diffs.n && i < 3; i++) {
                if (!diffs.v[i].sample.p)
                    continue;
                FUZZ_CHECK(nk_jsonschema_validate((void *)w, diffs.v[i].sample, NULL) == NK_OK);
                FUZZ_CHECK(nk_jsonschema_validate((void *)r, diffs.v[i].sample, NULL) != NK_OK);
            }
        }
    } else {
        FUZZ_CHECK(err.msg[0]);
    }
    nk_buf_free(&b);
    nk_arena_destroy(a);
    return 0;
}
