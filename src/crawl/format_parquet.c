#include "crawl/formats.h"
#include "schema/parquet.h"

#define TAIL_BYTES ((uint64_t)64 << 10)
#define FOOTER_MAX ((uint64_t)256 << 20)

static nk_code classify(const nk_crawl_format *f, const nk_custom *c, const nk_sample *s,
                        nk_arena *a, nk_finding *out, nk_err *err)
{
    if (s->codec || (s->head.p && !nk_str_starts(s->head, NK_STR("PAR1"))))
        return NK_OK;
    out->claimed = s->head.p != NULL;
    uint64_t tail = s->size < TAIL_BYTES ? s->size : TAIL_BYTES, size;
    nk_str end;
    nk_parquet_meta m;
    NK_TRY(s->read(s->arg, s->size - tail, tail, &end, err));
    NK_TRY(nk_parquet_footer_size(end.n < 8 ? end : nk_str_sub(end, end.n - 8, end.n), s->size,
                                  &size, err));
    if (size > FOOTER_MAX)
        return nk_fail(err, NK_E_PARSE, "The Parquet footer has %llu bytes",
                       (unsigned long long)size);
    if (size + 8 > end.n) {
        NK_TRY(s->read(s->arg, s->size - 8 - size, size + 8, &end, err));
        if (end.n != size + 8)
            return nk_fail(err, NK_E_PARSE, "The file changed while it was read");
    }
    NK_TRY(nk_parquet_read_footer(nk_str_sub(end, end.n - 8 - size, end.n - 8), a, &m, err));
    out->certainty = 1;
    out->type = m.type;
    out->records = m.rows;
    out->record_bytes = s->size;
    out->exact = true;
    out->why = NK_STR("a Parquet file's footer");
    return NK_OK;
}

static void serde_parameters(nk_json_writer *w, const nk_facts *f)
{
    nk_jw_kcstr(w, "serialization.format", "1");
}

const nk_crawl_format nk_crawl_format_parquet = {
    .classification = "parquet",
    .input = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    .output = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    .serde = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
    .suffix = ".parquet",
    .classify = classify,
    .serde_parameters = serde_parameters,
    .doc = "Apache Parquet files, by their footer; rows are counted exactly",
};
