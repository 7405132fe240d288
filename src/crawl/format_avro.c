#include "crawl/formats.h"
#include "schema/avro.h"

static nk_code classify(const nk_crawl_format *f, const nk_custom *c, const nk_sample *s,
                        nk_arena *a, nk_finding *out, nk_err *err)
{
    nk_avro_header h;
    if (!nk_str_starts(s->head, NK_STR("Obj\x01")))
        return NK_OK;
    out->claimed = true;
    NK_TRY(nk_avro_read_header(s->head, a, &h, err));
    out->certainty = 1;
    out->type = h.type;
    out->path = h.schema;
    out->record_bytes = 0;
    out->why = NK_STR("an Avro container's mark and schema");
    return NK_OK;
}

static void properties(nk_json_writer *w, const nk_facts *f)
{
    nk_jw_kstr(w, "avro.schema.literal", f->sample->path);
}

static void serde_parameters(nk_json_writer *w, const nk_facts *f)
{
    nk_jw_kstr(w, "avro.schema.literal", f->sample->path);
    nk_jw_kcstr(w, "serialization.format", "1");
}

const nk_crawl_format nk_crawl_format_avro = {
    .classification = "avro",
    .input = "org.apache.hadoop.hive.ql.io.avro.AvroContainerInputFormat",
    .output = "org.apache.hadoop.hive.ql.io.avro.AvroContainerOutputFormat",
    .serde = "org.apache.hadoop.hive.serde2.avro.AvroSerDe",
    .classify = classify,
    .properties = properties,
    .serde_parameters = serde_parameters,
    .doc = "Apache Avro container files, by their mark; the schema is that of the header",
};
