#include "crawl/formats.h"
#include "schema/orc.h"

#define TAIL_BYTES ((uint64_t)16 << 10)

static nk_code classify(const nk_crawl_format *f, const nk_custom *c, const nk_sample *s,
                        nk_arena *a, nk_finding *out, nk_err *err)
{
    if (s->codec || (s->head.p && !nk_str_starts(s->head, NK_STR("ORC"))))
        return NK_OK;
    out->claimed = s->head.p != NULL;
    uint64_t tail = s->size < TAIL_BYTES ? s->size : TAIL_BYTES, want;
    nk_str end;
    nk_orc_meta m;
    NK_TRY(s->read(s->arg, s->size - tail, tail, &end, err));
    NK_TRY(nk_orc_tail_size(end, s->size, &want, err));
    if (want > end.n)
        NK_TRY(s->read(s->arg, s->size - want, want, &end, err));
    NK_TRY(nk_orc_read_tail(end, a, &m, err));
    out->certainty = 1;
    out->type = m.type;
    out->records = m.rows;
    out->record_bytes = s->size;
    out->exact = true;
    out->why = NK_STR("an ORC file's postscript and footer");
    return NK_OK;
}

static void serde_parameters(nk_json_writer *w, const nk_facts *f)
{
    nk_jw_kcstr(w, "serialization.format", "1");
}

const nk_crawl_format nk_crawl_format_orc = {
    .classification = "orc",
    .input = "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat",
    .output = "org.apache.hadoop.hive.ql.io.orc.OrcOutputFormat",
    .serde = "org.apache.hadoop.hive.ql.io.orc.OrcSerde",
    .suffix = ".orc",
    .classify = classify,
    .serde_parameters = serde_parameters,
    .doc = "Apache ORC files, by their footer; rows are counted exactly",
};
