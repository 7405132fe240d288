#include "crawl/formats.h"
#include "schema/bson.h"

static nk_code classify(const nk_crawl_format *f, const nk_custom *c, const nk_sample *s,
                        nk_arena *a, nk_finding *out, nk_err *err)
{
    /* a document's first four bytes are its size: text would make an absurd one */
    if (s->head.n < 5 || s->head.p[3] != 0 || (s->whole && s->head.p[s->head.n - 1] != 0))
        return NK_OK;
    nk_infer *in = nk_infer_create(a, 0);
    if (!in)
        return nk_fail(err, NK_E_NOMEM, "Out of memory");
    NK_TRY(nk_bson_observe(in, s->head, s->whole, &out->records, &out->record_bytes, err));
    if (!out->records)
        return NK_OK;
    NK_TRY(nk_infer_type(in, NK_MERGE_CRAWL, 0, a, &out->type, err));
    out->certainty = 1;
    out->exact = s->whole;
    out->why = NK_STR("BSON documents one behind the other");
    return NK_OK;
}

static void serde_parameters(nk_json_writer *w, const nk_facts *f)
{
    nk_jw_kcstr(w, "serialization.format", "1");
}

const nk_crawl_format nk_crawl_format_bson = {
    .classification = "bson",
    .input = "com.mongodb.hadoop.mapred.BSONFileInputFormat",
    .output = "com.mongodb.hadoop.hive.output.HiveBSONFileOutputFormat",
    .serde = "com.mongodb.hadoop.hive.BSONSerDe",
    .classify = classify,
    .serde_parameters = serde_parameters,
    .doc = "BSON documents one behind the other, as mongodump writes them",
};
