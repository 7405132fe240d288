#include "crawl/formats.h"
#include "schema/ion.h"

static nk_code classify(const nk_crawl_format *f, const nk_custom *c, const nk_sample *s,
                        nk_arena *a, nk_finding *out, nk_err *err)
{
    bool binary = nk_is_ion_binary(s->head);
    nk_str text = nk_str_trim(s->head);
    /* text: what does not begin like Ion's structs would be taken for symbols, word by word */
    if (!binary && (!text.n || (text.p[0] != '{' && !nk_str_starts(text, NK_STR("$ion_1_0")) &&
                                nk_str_find(nk_str_sub(text, 0, 200), NK_STR("::")) < 0)))
        return NK_OK;
    nk_infer *in = nk_infer_create(a, 0);
    nk_ion_seen seen;
    if (!in)
        return nk_fail(err, NK_E_NOMEM, "Out of memory");
    out->claimed = binary;
    NK_TRY(nk_ion_observe(in, s->head, s->whole, a, &seen, err));
    if (!seen.records || seen.others > seen.records) {
        out->why = NK_STR("Ion whose values are not structs");
        return NK_OK;
    }
    NK_TRY(nk_infer_type(in, NK_MERGE_CRAWL, 0, a, &out->type, err));
    out->certainty = seen.marked ? 1 : 0.9;
    out->records = seen.records;
    out->record_bytes = seen.bytes;
    out->exact = s->whole;
    out->why = binary ? NK_STR("binary Ion, by its version mark") : NK_STR("Ion text");
    return NK_OK;
}

static void serde_parameters(nk_json_writer *w, const nk_facts *f)
{
    nk_jw_kcstr(w, "serialization.format", "1");
}

const nk_crawl_format nk_crawl_format_ion = {
    .classification = "ion",
    .input = "com.amazon.ionhiveserde.formats.IonInputFormat",
    .output = "com.amazon.ionhiveserde.formats.IonOutputFormat",
    .serde = "com.amazon.ionhiveserde.IonHiveSerDe",
    .classify = classify,
    .serde_parameters = serde_parameters,
    .doc = "Amazon Ion, binary and text; top-level structs are the rows",
};
