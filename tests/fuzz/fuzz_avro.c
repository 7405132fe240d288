/* A header that is taken has a schema that is taken alone, too, and gives the same type. */
#include "fuzz.h"
#include "schema/avro.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    nk_str text = nk_str_n((const char *)data, n);
    nk_arena *a = nk_arena_create(256 << 20);
    nk_avro_header h;
    const nk_type *t;
    nk_err err = NK_ERR_INIT;
    if (nk_avro_read_header(text, a, &h, &err) == NK_OK) {
        FUZZ_CHECK(h.type->kind == NK_T_STRUCT);
        FUZZ_CHECK(nk_avro_schema_type(h.schema, NK_MERGE_CRAWL, a, &t, NULL) == NK_OK);
        FUZZ_CHECK(t->kind != NK_T_STRUCT || nk_type_eq(t, h.type));
    } else {
        FUZZ_CHECK(err.msg[0]);
    }
    (void)!nk_avro_schema_type(text, NK_MERGE_CHOICE, a, &t, NULL);
    nk_arena_destroy(a);
    return 0;
}
