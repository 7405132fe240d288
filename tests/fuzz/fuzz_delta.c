/* A Delta log: a file's text, whose lines "> NAME" are files of its folder, the others actions.
 * What it says can be told: steps that end at the newest version, a type, a partition of each file.
 */
#include "crawl/delta.h"
#include "fuzz.h"

static void walk_log(nk_delta_log *l)
{
    const nk_delta_log_file *f;
    size_t n, at = 0;
    int64_t version = -1;
    while (nk_delta_log_checkpoint(l, &at, &f, &n)) {
        FUZZ_CHECK(n >= 1 && n <= l->checkpoints.n && (!f->parts || f->parts == (int64_t)n));
        version = f->version > version ? f->version : version;
    }
    while (nk_delta_log_step(l, version, &f, NULL) == NK_OK) {
        if (!f) {
            FUZZ_CHECK(version == l->newest);
            return;
        }
        FUZZ_CHECK(f->version == version + 1 && f->to >= f->version && f->to <= l->newest);
        version = f->to;
    }
}

static void walk_files(const nk_delta *d, nk_arena *a)
{
    nk_map_slot *slot;
    nk_str *values = NK_NEWN(a, nk_str, d->keys.n + 1), path, uri;
    for (size_t i = 0; nk_map_next(&d->files, &i, &slot);) {
        const nk_delta_file *f = slot->value;
        FUZZ_CHECK(f->path.n && nk_str_starts(slot->key, f->path));
        if (nk_delta_partition(d, f, a, values, &path, NULL) == NK_OK)
            FUZZ_CHECK(d->keys.n ? nk_str_ends(path, NK_STR("/")) : !path.n);
        if (nk_delta_uri(f->path, NK_STR("b"), NK_STR("t/"), a, &uri, NULL) == NK_OK)
            FUZZ_CHECK(uri.n && nk_str_chr(uri, '\n') < 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    nk_str rest = nk_str_n((const char *)data, n), line;
    nk_arena *a = nk_arena_create(512 << 20);
    nk_delta_log log;
    nk_delta d;
    bool fine = true;
    nk_delta_log_init(&log);
    nk_delta_init(&d, a, true);
    while (fine && nk_str_split(&rest, '\n', &line)) {
        nk_delta_log_file f = {.name = nk_str_sub(line, 2, line.n)};
        fine = nk_str_starts(line, NK_STR("> ")) ? nk_delta_log_add(&log, a, &f, NULL) == NK_OK
                                                 : nk_delta_action(&d, line, a, NULL) == NK_OK;
    }
    walk_log(&log);
    walk_files(&d, a);
    if (nk_delta_settle(&d, NULL) == NK_OK)
        FUZZ_CHECK(d.type->kind == NK_T_STRUCT);
    nk_delta_free(&d);
    nk_arena_destroy(a);
    return 0;
}
