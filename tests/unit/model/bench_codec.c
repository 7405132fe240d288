/* What the codec costs: `meson test -C build --benchmark model_codec -v`. Prints microseconds. */
#include <stdio.h>
#include <stdlib.h>

#include "model/glue_shapes.h"

static double now(void)
{
    return (double)nk_mono_us(nk_env_real());
}

static void die(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

typedef struct cost {
    double decode, validate, encode;
} cost;

/* Best of five rounds, a call. */
static cost measure(const nk_shape *s, nk_str json, int times)
{
    cost best = {1e18, 1e18, 1e18};
    nk_arena *a = nk_arena_create(0), *keep = nk_arena_create(0);
    nk_buf b;
    void *v, *fixed;
    nk_buf_init(&b, 64 << 20);
    if (!a || !keep || nk_model_decode(s, json, keep, &fixed, NULL) != NK_OK)
        die("decode failed");
    for (int round = 0; round < 5; round++) {
        double t0 = now();
        for (int i = 0; i < times; i++) {
            nk_arena_reset(a);
            if (nk_model_decode(s, json, a, &v, NULL) != NK_OK)
                die("decode failed");
        }
        double t1 = now();
        for (int i = 0; i < times; i++) {
            if (nk_model_validate(s, fixed, NULL) != NK_OK)
                die("not valid");
        }
        double t2 = now();
        for (int i = 0; i < times; i++) {
            nk_buf_clear(&b);
            if (nk_model_encode(s, fixed, &b, NULL) != NK_OK)
                die("encode failed");
        }
        double t3 = now();
        cost c = {(t1 - t0) / times, (t2 - t1) / times, (t3 - t2) / times};
        best.decode = c.decode < best.decode ? c.decode : best.decode;
        best.validate = c.validate < best.validate ? c.validate : best.validate;
        best.encode = c.encode < best.encode ? c.encode : best.encode;
    }
    nk_buf_free(&b);
    nk_arena_destroy(a);
    nk_arena_destroy(keep);
    return best;
}

static void show(const char *name, const nk_shape *s, nk_str json, int times)
{
    cost c = measure(s, json, times);
    printf("%-42s %8zu bytes: decode %8.2f us, validate %8.2f us, encode %8.2f us\n", name, json.n,
           c.decode, c.validate, c.encode);
}

static void put_descriptor(nk_buf *b, int i)
{
    (void)nk_buf_puts(b, "{\"Columns\":[");
    for (int c = 0; c < 20; c++)
        (void)nk_buf_printf(b, "%s{\"Name\":\"column_%02d\",\"Type\":\"%s\",\"Comment\":\"%s\"}",
                            c ? "," : "", c, c % 3 ? "string" : "bigint", c % 4 ? "" : "measured");
    (void)nk_buf_printf(
        b,
        "],\"Location\":\"s3://bucket/warehouse/table/year=2026/part=%d/\",\"InputFormat\":"
        "\"org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat\",\"OutputFormat\":"
        "\"org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat\",\"Compressed\":"
        "false,\"NumberOfBuckets\":-1,\"SerdeInfo\":{\"SerializationLibrary\":"
        "\"org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe\",\"Parameters\":"
        "{\"serialization.format\":\"1\"}},\"Parameters\":{\"classification\":\"parquet\"}}",
        i);
}

int main(void)
{
    nk_buf b;
    nk_buf_init(&b, 1 << 20);
    show("GetTable request", &glue_GetTableRequest_shape,
         NK_STR("{\"DatabaseName\":\"analytics\",\"Name\":\"table_004711\"}"), 200000);

    (void)nk_buf_puts(
        &b, "{\"Table\":{\"Name\":\"t\",\"DatabaseName\":\"analytics\",\"CreateTime\":1700000000.5,"
            "\"UpdateTime\":1700000000.5,\"Retention\":0,\"StorageDescriptor\":");
    put_descriptor(&b, 0);
    (void)nk_buf_puts(&b, ",\"PartitionKeys\":[{\"Name\":\"year\",\"Type\":\"int\"}],\"TableType\":"
                          "\"EXTERNAL_TABLE\","
                          "\"Parameters\":{\"classification\":\"parquet\"},\"VersionId\":\"3\"}}");
    show("GetTable reply", &glue_GetTableResponse_shape, nk_buf_view(&b), 20000);

    nk_buf_clear(&b);
    (void)nk_buf_puts(&b, "{\"DatabaseName\":\"db\",\"TableName\":\"t\",\"PartitionInputList\":[");
    for (int i = 0; i < 100; i++) {
        (void)nk_buf_printf(&b, "%s{\"Values\":[\"2026\",\"%02d\",\"%02d\"],\"StorageDescriptor\":",
                            i ? "," : "", i / 28, i % 28);
        put_descriptor(&b, i);
        (void)nk_buf_puts(&b, ",\"Parameters\":{\"numRows\":\"1000\"}}");
    }
    (void)nk_buf_puts(&b, "]}");
    show("BatchCreatePartition, 100 partitions", &glue_BatchCreatePartitionRequest_shape,
         nk_buf_view(&b), 300);
    nk_buf_free(&b);
    return 0;
}
