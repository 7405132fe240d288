/* Encodes and decodes a nested Avro record of thirty fields, schema cached: how many a second of
 * the thread's processor time, the best of ROUNDS. Prints JSON; with a folder as argument it leaves
 * there schema.avsc and message, for others to do the same with. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sample.h"

enum { ROUNDS = 7, COUNT = 300000 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int leave(const char *folder, const char *name, const char *p, size_t n)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    if (!f)
        return 1;
    size_t wrote = fwrite(p, 1, n, f);
    return fclose(f) != 0 || wrote != n;
}

int main(int argc, char **argv)
{
    nks_serde *s;
    const nks_schema *x;
    nks_error err;
    nks_buf out = {0}, scratch = {0};
    nks_arena *a = nks_arena_new();
    nks_definition d = {.format = NKS_AVRO, .definition = sample_schema};
    nk_avro_value v;
    double encodes = 0, decodes = 0;
    int64_t sum = 0;
    if (!a || nks_open(&(nks_config){0}, &s, &err) != NKS_OK ||
        nks_schema_add(s, SAMPLE_ID, &d, &x, &err) != NKS_OK)
        return 1;
    for (int round = 0; round < ROUNDS; round++) {
        double from = now();
        for (int i = 0; i < COUNT; i++) {
            sample_fields[0].u.i = i;
            if (nks_encode_avro(s, x, &sample_value, NKS_PLAIN, &out, &err) != NKS_OK)
                return 1;
        }
        double encoded = now();
        for (int i = 0; i < COUNT; i++) {
            nks_arena_reset(a);
            if (nks_decode_avro(s, out.p, out.n, &scratch, a, &v, NULL, &err) != NKS_OK)
                return 1;
            sum += v.u.list.v[4].u.i;
        }
        double decoded = now();
        encodes = COUNT / (encoded - from) > encodes ? COUNT / (encoded - from) : encodes;
        decodes = COUNT / (decoded - encoded) > decodes ? COUNT / (decoded - encoded) : decodes;
    }
    if (argc > 1 && (leave(argv[1], "schema.avsc", sample_schema, strlen(sample_schema)) ||
                     leave(argv[1], "message", out.p, out.n)))
        return 1;
    printf("{\"encodes\": %.0f, \"decodes\": %.0f, \"bytes\": %zu, \"sum\": %lld}\n", encodes,
           decodes, out.n, (long long)sum);
    nks_buf_free(&out);
    nks_arena_free(a);
    nks_close(s);
    return 0;
}
