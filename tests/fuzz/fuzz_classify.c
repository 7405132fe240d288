/* Any file: its name up to the first newline, then its bytes. It is something or nothing, with a
 * reason. */
#include "crawl/formats.h"
#include "fuzz.h"

typedef struct file {
    nk_str bytes;
    nk_buf plain;
} file;

static nk_code read_file(void *arg, uint64_t from, uint64_t n, nk_str *out, nk_err *err)
{
    *out = nk_str_sub(((file *)arg)->bytes, (size_t)from, (size_t)(from + n));
    return NK_OK;
}

static nk_code load_file(nk_sample *s, nk_err *err)
{
    file *f = s->arg;
    s->head = f->bytes;
    s->whole = true;
    s->codec = nk_codec_of(s->head, s->name);
    if (!s->codec)
        return NK_OK;
    nk_code rc = nk_codec_head(s->codec, f->bytes, &s->whole, &f->plain, err);
    s->head = nk_buf_view(&f->plain);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const nk_customs none;
    file f = {0};
    nk_str rest = nk_str_n((const char *)data, n), name;
    nk_finding r;
    nk_err err = NK_ERR_INIT;
    if (!nk_str_split(&rest, '\n', &name))
        return 0;
    f.bytes = rest.p ? rest : NK_STR("");
    nk_arena *a = nk_arena_create(1 << 30);
    nk_buf_init(&f.plain, 1 << 20);
    nk_sample s = {.name = name, .size = f.bytes.n, .read = read_file, .arg = &f};
    nk_code rc = nk_classify(&none, &s, load_file, a, &r, &err);
    FUZZ_CHECK(rc == NK_OK || err.msg[0]);
    if (rc == NK_OK) {
        FUZZ_CHECK(r.why.p);
        FUZZ_CHECK(!r.format || (r.type && r.type->kind == NK_T_STRUCT && r.certainty > 0));
    }
    nk_buf_free(&f.plain);
    nk_arena_destroy(a);
    return 0;
}
