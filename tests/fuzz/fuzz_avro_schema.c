/* Two definitions, cut apart at a line end. What is taken reads itself and comes back from its
 * canonical text; whatever the two are, comparing ends. */
#include "fuzz.h"
#include "registry/format.h"

static bool breaks(const nk_schema_diffs *d)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->v[i].rule->verdict[NK_DOOR_GLUE] == NK_VERDICT_BREAKS)
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    nk_str text = nk_str_n((const char *)data, n), part[2] = {NK_STR(""), NK_STR("")};
    for (int i = 0; i < 2; i++)
        (void)nk_str_split(&text, '\n', &part[i]);
    nk_arena *a = nk_arena_create(256u << 20);
    const nk_schema_format *f = &nk_schema_format_avro;
    nk_schema_doc *w, *r, *again;
    nk_schema_diffs diffs = {0};
    nk_strs links = {0};
    nk_schema_columns cols = {0};
    nk_err err = NK_ERR_INIT;
    nk_buf b, c;
    nk_buf_init(&b, 16 << 20);
    nk_buf_init(&c, 16 << 20);
    (void)f->links(part[0], a, &links, NULL);
    if (f->parse(part[0], NULL, 0, a, &w, &err) == NK_OK) {
        FUZZ_CHECK(f->compare(w, w, a, &diffs, &err) != NK_OK || !breaks(&diffs));
        FUZZ_CHECK(f->canonical(w, &b, &err) == NK_OK);
        FUZZ_CHECK(f->parse(nk_buf_view(&b), NULL, 0, a, &again, &err) == NK_OK);
        FUZZ_CHECK(f->canonical(again, &c, &err) == NK_OK);
        FUZZ_CHECK(nk_str_eq(nk_buf_view(&b), nk_buf_view(&c)));
        FUZZ_CHECK(f->compare(w, again, a, &diffs, &err) != NK_OK || !breaks(&diffs));
        (void)f->columns(w, a, &cols, NULL);
        if (f->parse(part[1], NULL, 0, a, &r, &err) == NK_OK) {
            (void)f->compare(w, r, a, &diffs, &err);
            (void)f->compare(r, w, a, &diffs, &err);
        }
    } else {
        FUZZ_CHECK(err.msg[0]);
    }
    nk_buf_free(&b);
    nk_buf_free(&c);
    nk_arena_destroy(a);
    return 0;
}
