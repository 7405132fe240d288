/* The catalogue's small languages: schedules, patterns of functions, times and words of searches,
 * links, sealed texts. The first byte says which. */
#include "base/cron.h"
#include "base/seal.h"
#include "catalog/search_impl.h"
#include "fuzz.h"

static void count(void *arg, nk_str word)
{
    nk_buf *b = arg;
    FUZZ_CHECK(word.n > 0 && word.n <= 64);
    (void)nk_buf_str(b, word);
    (void)nk_buf_putc(b, ' ');
}

/* What a text's words say is what the words of those words say, each word being one of its own. */
static void words(nk_str text, nk_arena *a)
{
    nk_buf once, twice;
    nk_buf_init(&once, 1 << 20);
    nk_buf_init(&twice, 1 << 20);
    nk_words(text, a, count, &once);
    nk_words(nk_buf_dup(&once, a), a, count, &twice);
    FUZZ_CHECK(once.failed || twice.failed || twice.n >= once.n);
    nk_buf_free(&once);
    nk_buf_free(&twice);
}

static void cron(nk_str text)
{
    nk_cron c;
    if (nk_cron_parse(text, &c, NULL) != NK_OK)
        return;
    for (int64_t day = 0; day < 400; day++)
        (void)nk_cron_fires(&c, (20000 + day) * 86400000000 + day * 61000000);
}

static void pattern(nk_str text)
{
    nk_str rest = text, p, s;
    if (!nk_str_split(&rest, '\n', &p) || !nk_str_split(&rest, '\n', &s))
        return;
    (void)nk_hive_glob(p, s);
    FUZZ_CHECK(nk_hive_glob(NK_STR("*"), s) && nk_hive_glob(NK_STR(".*"), s));
    if (nk_str_chr(s, '*') < 0 && nk_str_chr(s, '.') < 0)
        FUZZ_CHECK(nk_hive_glob(s, s));
}

static void link(nk_str text, nk_arena *a)
{
    if (nk_str_chr(text, 0) >= 0) /* no name holds one */
        return;
    nk_link l = nk_link_unpack(text);
    nk_str packed = nk_link_pack(&l, a);
    nk_link again = nk_link_unpack(packed);
    FUZZ_CHECK(nk_str_eq(l.catalog_id, again.catalog_id) && nk_str_eq(l.database, again.database) &&
               nk_str_eq(l.table, again.table) && nk_str_eq(l.region, again.region));
}

static void sealed(nk_str text, nk_arena *a)
{
    static const nk_seal_key key = {.k = {1, 2, 3}};
    nk_str out;
    FUZZ_CHECK(nk_unseal(&key, NK_STR("x"), text, a, &out, NULL) != NK_OK);
    FUZZ_CHECK(nk_seal(&key, NK_STR("x"), text, a, &out, NULL) == NK_OK);
    FUZZ_CHECK(nk_unseal(&key, NK_STR("x"), out, a, &out, NULL) == NK_OK && nk_str_eq(out, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    nk_arena *a = nk_arena_create(64 << 20);
    nk_str text = n ? nk_str_n((const char *)data + 1, n - 1) : NK_STR("");
    int64_t us;
    switch (n ? data[0] : 0) {
    case 'w':
        words(text, a);
        break;
    case 'c':
        cron(text);
        break;
    case 'p':
        pattern(text);
        break;
    case 't':
        (void)nk_search_time(text, &us);
        break;
    case 'l':
        link(text, a);
        break;
    default:
        sealed(text, a);
    }
    nk_arena_destroy(a);
    return 0;
}
