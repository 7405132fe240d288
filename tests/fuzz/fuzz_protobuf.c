/* Two definitions and a message, cut apart at NULs or form feeds. What is taken comes back the same
 * from its canonical text and reads itself; what is refused is refused with line and column. */
#include "fuzz.h"
#include "registry/protobuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    nk_str text = nk_str_n((const char *)data, n), part[3] = {NK_STR(""), NK_STR(""), NK_STR("")};
    for (int i = 0; i < 3; i++)
        (void)nk_str_split(&text, '\f', &part[i]);
    nk_arena *a = nk_arena_create(256u << 20);
    nk_schema_doc *w, *r, *again;
    nk_schema_diffs diffs = {0};
    nk_strs links = {0};
    nk_schema_columns cols = {0};
    nk_err err = NK_ERR_INIT;
    nk_buf b, b2;
    nk_buf_init(&b, 16 << 20);
    nk_buf_init(&b2, 16 << 20);
    (void)nk_schema_format_protobuf.links(part[0], a, &links, NULL);
    nk_code rc = nk_schema_format_protobuf.parse(part[0], NULL, 0, a, &w, &err);
    if (rc == NK_OK) {
        FUZZ_CHECK(nk_schema_format_protobuf.canonical(w, &b, &err) == NK_OK);
        FUZZ_CHECK(nk_schema_format_protobuf.parse(nk_buf_view(&b), NULL, 0, a, &again, &err) ==
                   NK_OK);
        FUZZ_CHECK(nk_schema_format_protobuf.canonical(again, &b2, &err) == NK_OK);
        FUZZ_CHECK(nk_str_eq(nk_buf_view(&b), nk_buf_view(&b2)));
        FUZZ_CHECK(nk_schema_format_protobuf.compare(w, again, a, &diffs, &err) == NK_OK);
        for (size_t i = 0; i < diffs.n; i++)
            FUZZ_CHECK(diffs.v[i].rule->verdict[NK_DOOR_CONFLUENT] == NK_VERDICT_FINE);
        for (uint32_t i = 0; i < 3; i++)
            FUZZ_CHECK(nk_protobuf_validate((void *)w, i, part[2], &err) != NK_E_NOMEM);
        (void)nk_schema_format_protobuf.columns(w, a, &cols, NULL);
        nk_buf_clear(&b);
        FUZZ_CHECK(nk_protobuf_descriptor((void *)w, NK_STR("f"), &b, &err) == NK_OK);
        nk_str back;
        if (nk_protobuf_text_of(nk_buf_view(&b), a, &back, &err) == NK_OK)
            FUZZ_CHECK(nk_schema_format_protobuf.parse(back, NULL, 0, a, &again, &err) == NK_OK);
        if (nk_schema_format_protobuf.parse(part[1], NULL, 0, a, &r, &err) == NK_OK)
            FUZZ_CHECK(nk_schema_format_protobuf.compare(w, r, a, &diffs, &err) == NK_OK);
    } else {
        FUZZ_CHECK(rc == NK_E_INVALID && strstr(err.msg, "column "));
    }
    nk_str any;
    FUZZ_CHECK(nk_protobuf_text_of(nk_str_n((const char *)data, n), a, &any, &err) != NK_E_NOMEM);
    nk_buf_free(&b);
    nk_buf_free(&b2);
    nk_arena_destroy(a);
    return 0;
}
