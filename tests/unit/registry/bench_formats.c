/* How long a compatibility check takes, parsing both definitions included: JSON Schema of 20 KB. */
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

int main(void)
{
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
