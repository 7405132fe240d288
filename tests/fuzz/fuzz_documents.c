/* BSON, Ion, XML and JSON paths, by the first byte: what is observed can be told as a type, and as
 * many records were counted as were seen. */
#include "fuzz.h"
#include "schema/bson.h"
#include "schema/ion.h"
#include "schema/jsonpath.h"
#include "schema/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (!n)
        return 0;
    nk_str text = nk_str_n((const char *)data + 1, n - 1);
    nk_arena *a = nk_arena_create(512 << 20);
    nk_infer *in = nk_infer_create(a, 1000);
    bool whole = data[0] & 4, broken;
    uint64_t records = 0, bytes;
    nk_ion_seen ion = {0};
    nk_xml_seen xml;
    nk_jsonpath path;
    const nk_type *t;
    switch (data[0] & 3) {
    case 0:
        (void)!nk_bson_observe(in, text, whole, &records, &bytes, NULL);
        FUZZ_CHECK(records == nk_infer_count(in));
        break;
    case 1:
        (void)!nk_ion_observe(in, text, whole, a, &ion, NULL);
        FUZZ_CHECK(ion.records == nk_infer_count(in));
        break;
    case 2:
        if (nk_xml_observe(in, text, whole, NK_STR(""), a, &xml, NULL) == NK_OK)
            FUZZ_CHECK(xml.records && xml.records == nk_infer_count(in));
        break;
    default: {
        nk_str rest = text, first;
        if (nk_str_split(&rest, '\n', &first) &&
            nk_jsonpath_parse(first, a, &path, NULL) == NK_OK &&
            nk_jsonpath_observe(&path, in, rest, a, &records, &broken, NULL) == NK_OK)
            FUZZ_CHECK(records == nk_infer_count(in));
        break;
    }
    }
    FUZZ_CHECK(nk_infer_type(in, NK_MERGE_CRAWL, 0, a, &t, NULL) == NK_OK);
    nk_buf b;
    nk_buf_init(&b, 64 << 20);
    FUZZ_CHECK(nk_type_print(t, false, &b) == NK_OK);
    nk_buf_free(&b);
    nk_arena_destroy(a);
    return 0;
}
