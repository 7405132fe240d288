/* Runs a target over every file of a folder and over fixed pseudo-random mutations of each, without
 * libFuzzer: what was once found stays found, on any compiler. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define MUTATIONS 300
#define SEED_MAX  (1 << 20)

static uint64_t state = 0x853c49e6748fea9bu;

static size_t pick(size_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return below ? (size_t)(state >> 11) % below : 0;
}

/* Into exactly n bytes of heap, so that a sanitizer sees a step beyond them. */
static void run(const uint8_t *p, size_t n)
{
    uint8_t *exact = malloc(n ? n : 1);
    if (!exact)
        abort();
    memcpy(exact, p, n);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
}

static void mutate(const uint8_t *seed, size_t n, uint8_t *out)
{
    static const char odd[] = "\"\\{}[]:,'()%\0\n\xff\x80-+eE.09aZ_* ";
    memcpy(out, seed, n);
    for (size_t k = 1 + pick(4); k-- && n;) {
        size_t at = pick(n), len = pick(n - at < 16 ? n - at : 16);
        switch (pick(5)) {
        case 0:
            out[at] ^= (uint8_t)(1u << pick(8));
            break;
        case 1:
            out[at] = (uint8_t)odd[pick(sizeof odd)];
            break;
        case 2: /* cut a piece out */
            memmove(out + at, out + at + len, n - at - len);
            n -= len;
            break;
        case 3: /* say a piece twice; the buffer has room */
            memmove(out + at + len, out + at, n - at);
            n += len;
            break;
        default:
            n = at;
        }
    }
    run(out, n);
}

int main(int argc, char **argv)
{
    size_t files = 0;
    if (argc < 2)
        return 2;
    DIR *d = opendir(argv[1]);
    if (!d) {
        perror(argv[1]);
        return 1;
    }
    struct dirent *e;
    uint8_t *seed = malloc(SEED_MAX), *work = malloc(SEED_MAX + 1024);
    if (!seed || !work)
        return 1;
    while ((e = readdir(d))) {
        char path[4096];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
        FILE *f = fopen(path, "rb");
        if (!f) {
            perror(path);
            return 1;
        }
        size_t n = fread(seed, 1, SEED_MAX, f);
        fclose(f);
        files++;
        run(seed, n);
        for (int i = 0; i < MUTATIONS; i++)
            mutate(seed, n, work);
    }
    closedir(d);
    free(seed);
    free(work);
    printf("%zu seeds, %d mutations each\n", files, MUTATIONS);
    return files ? 0 : 1;
}
