#include "crawl/formats.h"
#include "schema/xml.h"

static nk_code classify(const nk_crawl_format *f, const nk_custom *c, const nk_sample *s,
                        nk_arena *a, nk_finding *out, nk_err *err)
{
    nk_infer *in = nk_infer_create(a, 0);
    nk_xml_seen seen;
    if (!in)
        return nk_fail(err, NK_E_NOMEM, "Out of memory");
    nk_str text = nk_str_starts(s->head, NK_STR("\xef\xbb\xbf")) ? nk_str_sub(s->head, 3, s->head.n)
                                                                 : s->head;
    text = nk_str_trim(text);
    if (!text.n || text.p[0] != '<')
        return NK_OK;
    out->claimed = !c && nk_str_starts(text, NK_STR("<?xml"));
    out->more = !s->whole;
    NK_TRY(nk_xml_observe(in, s->head, s->whole, c ? c->row_tag : NK_STR(""), a, &seen, err));
    out->more = seen.cut;
    NK_TRY(nk_infer_type(in, NK_MERGE_CRAWL, 0, a, &out->type, err));
    if (out->type->kind != NK_T_STRUCT || !out->type->nfields) {
        out->why = NK_STR("the XML holds no row with fields");
        return NK_OK;
    }
    out->certainty = c || seen.declared ? 1 : 0.9;
    out->records = seen.records;
    out->record_bytes = seen.bytes;
    out->exact = s->whole;
    out->path = seen.row_tag;
    out->why = NK_STR("XML elements");
    return NK_OK;
}

static bool same(const nk_finding *a, const nk_finding *b)
{
    return nk_str_eq(a->path, b->path);
}

static void row_tag(nk_json_writer *w, const nk_facts *f)
{
    nk_jw_kstr(w, "rowTag", f->sample->path);
}

static void serde_parameters(nk_json_writer *w, const nk_facts *f)
{
    row_tag(w, f);
    nk_jw_kcstr(w, "serialization.format", "1");
}

/* Hive has no classes for XML: as AWS, none are named. */
const nk_crawl_format nk_crawl_format_xml = {
    .classification = "xml",
    .input = "",
    .output = "",
    .serde = NULL,
    .classify = classify,
    .same = same,
    .properties = row_tag,
    .serde_parameters = serde_parameters,
    .doc = "XML; a row is the commonest element below the root, or the classifier's row tag",
};
