/* Encodes and decodes a nested Avro record of thirty fields per second on one thread, schema
 * cached. */
#include <stdio.h>
#include <time.h>

#include "sample.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(void)
{
    enum { ROUNDS = 1000000 };
    nks_serde *s;
    const nks_schema *x;
    nks_error err;
    nks_buf out = {0}, scratch = {0};
    nks_arena *a = nks_arena_new();
    nks_definition d = {.format = NKS_AVRO, .definition = sample_schema};
    nk_avro_value v;
    if (nks_open(&(nks_config){0}, &s, &err) != NKS_OK ||
        nks_schema_add(s, SAMPLE_ID, &d, &x, &err) != NKS_OK)
        return 1;
    double from = now();
    for (int i = 0; i < ROUNDS; i++) {
        sample_fields[0].u.i = i;
        if (nks_encode_avro(s, x, &sample_value, NKS_PLAIN, &out, &err) != NKS_OK)
            return 1;
    }
    double encoded = now();
    int64_t sum = 0;
    for (int i = 0; i < ROUNDS; i++) {
        nks_arena_reset(a);
        if (nks_decode_avro(s, out.p, out.n, &scratch, a, &v, NULL, &err) != NKS_OK)
            return 1;
        sum += v.u.list.v[4].u.i;
    }
    double decoded = now();
    printf("Avro, 30 fields nested, %zu bytes: %.0f encodes/s, %.0f decodes/s (%lld)\n", out.n,
           ROUNDS / (encoded - from), ROUNDS / (decoded - encoded), (long long)sum);
    nks_buf_free(&out);
    nks_arena_free(a);
    nks_close(s);
    return 0;
}
