/* How long a compatibility check takes: JSON Schema of 20 KB, parsing both definitions included; an
 * Avro record of 200 fields, with and without parsing. */
#include <stdio.h>

#include "registry/jsonschema.h"

static void big_schema(nk_buf *b, int changed)
{
    nk_buf_puts(b,
                "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"type\":\"object\","
                "\"definitions\":{\"money\":{\"type\":\"object\",\"properties\":{\"amount\":{"
                "\"type\":\"number\"},\"currency\":{\"type\":\"string\",\"pattern\":\"^[A-Z]{3}$\"}"
                "},\"required\":[\"amount\"]}},\"properties\":{");
    for (int i = 0; b->n < 20000; i++)
        nk_buf_printf(
            b,
            "%s\"field_%03d\":{\"type\":\"object\",\"properties\":{\"id\":{\"type\":"
            "\"integer\",\"minimum\":%d},\"price\":{\"$ref\":\"#/definitions/money\"},"
            "\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"maxLength\":%d},"
            "\"maxItems\":%d}},\"required\":[\"id\"],\"additionalProperties\":false}",
            i ? "," : "", i, changed ? 0 : 1, 20 + i + changed, 10 + changed);
    nk_buf_puts(b, "}}");
}

static double once(nk_str writer, nk_str reader, size_t *diffs_found)
{
    const nk_env *env = nk_env_real();
    nk_arena *a = nk_arena_create(0);
    nk_schema_doc *w, *r;
    nk_schema_diffs diffs = {0};
    int64_t from = nk_mono_us(env);
    if (!a || nk_schema_format_json.parse(writer, NULL, 0, a, &w, NULL) != NK_OK ||
        nk_schema_format_json.parse(reader, NULL, 0, a, &r, NULL) != NK_OK ||
        nk_schema_format_json.compare(w, r, a, &diffs, NULL) != NK_OK)
        return -1;
    double us = (double)(nk_mono_us(env) - from);
    *diffs_found = diffs.n;
    nk_arena_destroy(a);
    return us;
}

/* Each tenth field promoted, new, gone or nullable. */
static void big_record(nk_buf *b, int changed)
{
    nk_buf_puts(b, "{\"type\":\"record\",\"name\":\"bench.R\",\"fields\":[");
    for (int i = 0; i < 200; i++)
        nk_buf_printf(b, "%s{\"name\":\"field_%03d%s\",\"type\":%s,\"default\":%s}", i ? "," : "",
                      i, changed && i % 10 == 3 ? "_new" : "",
                      i % 10 == 5 && changed ? "\"long\""
                      : i % 3 == 0           ? "[\"null\",\"string\"]"
                                             : "\"int\"",
                      i % 3 == 0 && !(i % 10 == 5 && changed) ? "null" : "0");
    nk_buf_puts(b, "]}");
}

static void avro(void)
{
    const nk_env *env = nk_env_real();
    const nk_schema_format *f = &nk_schema_format_avro;
    double parsing = 1e9, comparing = 1e9;
    size_t n = 0;
    nk_buf old, new;
    nk_buf_init(&old, 1 << 20);
    nk_buf_init(&new, 1 << 20);
    big_record(&old, 0);
    big_record(&new, 1);
    for (int i = 0; i < 500; i++) {
        nk_arena *a = nk_arena_create(0);
        nk_schema_doc *w, *r;
        nk_schema_diffs d = {0};
        int64_t t0 = nk_mono_us(env);
        if (!a || f->parse(nk_buf_view(&old), NULL, 0, a, &w, NULL) != NK_OK ||
            f->parse(nk_buf_view(&new), NULL, 0, a, &r, NULL) != NK_OK)
            return;
        int64_t t1 = nk_mono_us(env);
        if (f->compare(w, r, a, &d, NULL) != NK_OK)
            return;
        int64_t t2 = nk_mono_us(env);
        parsing = (double)(t1 - t0) < parsing ? (double)(t1 - t0) : parsing;
        comparing = (double)(t2 - t1) < comparing ? (double)(t2 - t1) : comparing;
        n = d.n;
        nk_arena_destroy(a);
    }
    printf("Avro record of 200 fields, %zu bytes: compared in %.0f us, both parsed in %.0f us "
           "(best of "
           "500), %zu differences\n",
           new.n, comparing, parsing, n);
    nk_buf_free(&old);
    nk_buf_free(&new);
}

int main(void)
{
    avro();
    nk_buf old, new;
    nk_buf_init(&old, 1 << 20);
    nk_buf_init(&new, 1 << 20);
    big_schema(&old, 0);
    big_schema(&new, 1);
    for (int back = 0; back < 2; back++) {
        double best = 1e9, sum = 0;
        size_t n = 0;
        for (int i = 0; i < 200; i++) {
            double us = back ? once(nk_buf_view(&new), nk_buf_view(&old), &n)
                             : once(nk_buf_view(&old), nk_buf_view(&new), &n);
            best = us < best ? us : best;
            sum += us;
        }
        printf("JSON Schema %zu bytes, %s: mean %.0f us, best %.0f us, %zu differences\n", new.n,
               back ? "narrowed" : "widened", sum / 200, best, n);
    }
    nk_buf_free(&old);
    nk_buf_free(&new);
    return 0;
}
