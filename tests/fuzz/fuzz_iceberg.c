/* {"metadata": …, "updates": […], "requirements": […], "view": …}: whatever of it is taken gives
 * metadata that is taken again and written the same; what is refused is refused with a message. */
#include "fuzz.h"
#include "iceberg/meta.h"

static void table(nk_arena *a, const nk_json *in, const nk_json *base_tree)
{
    nk_json *base = NULL, *again;
    nk_ice_edit e;
    nk_err err = NK_ERR_INIT;
    nk_buf text, first, second;
    nk_buf_init(&text, 64 << 20);
    nk_buf_init(&first, 64 << 20);
    nk_buf_init(&second, 64 << 20);
    if (base_tree) {
        nk_jw_tree(&(nk_json_writer){.buf = &text}, base_tree);
        nk_str copy = nk_buf_dup(&text, a);
        if (!copy.p || nk_ice_table_parse(copy, a, &base, &err) != NK_OK) {
            FUZZ_CHECK(err.msg[0] || !copy.p);
            goto done;
        }
    }
    if (nk_ice_require(base, false, nk_json_get(in, "requirements"), &err) != NK_OK)
        FUZZ_CHECK(err.msg[0]);
    nk_ice_edit_begin(&e, a, false, base, 1700000000000, NK_STR("u"));
    nk_code rc = nk_ice_edit_apply(&e, nk_json_get(in, "updates"), &err);
    if (rc == NK_OK)
        rc = nk_ice_edit_finish(&e, base ? NK_STR("s3://b/f") : NK_STR_NULL, NULL, &err);
    if (rc != NK_OK) {
        FUZZ_CHECK(err.msg[0]);
        goto done;
    }
    if (nk_ice_table_write(&e.t, e.root, &first, &err) != NK_OK)
        goto done;
    rc = nk_ice_table_parse(nk_buf_dup(&first, a), a, &again, &err);
    FUZZ_CHECK(rc == NK_OK || rc == NK_E_NOMEM);
    nk_ice_tree t = {.a = a};
    if (rc == NK_OK && nk_ice_table_write(&t, again, &second, &err) == NK_OK)
        FUZZ_CHECK(nk_str_eq(nk_buf_view(&first), nk_buf_view(&second)));
done:
    nk_buf_free(&text);
    nk_buf_free(&first);
    nk_buf_free(&second);
}

static void schema(nk_arena *a, const nk_json *s)
{
    nk_ice_tree t = {.a = a};
    nk_ice_ids map = {0};
    nk_err err = NK_ERR_INIT;
    int64_t highest;
    if (nk_ice_schema_check(s, 3, &highest, &err) != NK_OK) {
        FUZZ_CHECK(err.msg[0]);
        return;
    }
    nk_json *c = nk_ice_copy(&t, s);
    if (!c || nk_ice_schema_fresh(&t, c, &map, &err) != NK_OK)
        return;
    FUZZ_CHECK(nk_ice_schema_check(c, 3, &highest, &err) == NK_OK);
    FUZZ_CHECK(highest == (int64_t)map.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    nk_arena *a = nk_arena_create(64 << 20);
    nk_json *in, *view;
    nk_str text = nk_str_n((const char *)data, n);
    nk_err err = NK_ERR_INIT;
    if (nk_json_parse(text, a, NK_ICE_DEPTH_MAX, &in, NULL) == NK_OK) {
        table(a, in, nk_json_get(in, "metadata"));
        if (nk_json_get(in, "schema"))
            schema(a, nk_json_get(in, "schema"));
        if (nk_ice_view_parse(text, a, &view, &err) != NK_OK)
            FUZZ_CHECK(err.msg[0]);
    }
    nk_arena_destroy(a);
    return 0;
}
