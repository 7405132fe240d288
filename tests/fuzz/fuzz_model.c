/* "OperationName\n{json}": a request is refused with AWS's exception, or it comes back as it was.
 */
#include "fuzz.h"
#include "model/glue_shapes.h"

static void round_trip(const nk_shape *s, nk_str json, nk_arena *a)
{
    nk_err err = NK_ERR_INIT;
    void *v, *again, *copy;
    nk_code rc = nk_model_decode(s, json, a, &v, &err);
    if (rc != NK_OK) {
        FUZZ_CHECK((rc == NK_E_SERIALIZATION || rc == NK_E_NOMEM) && err.msg[0]);
        return;
    }
    rc = nk_model_validate(s, v, &err);
    FUZZ_CHECK(rc == NK_OK || (rc == NK_E_VALIDATION && nk_utf8_valid(nk_str_c(err.msg))));
    nk_str first, second, third;
    if (nk_model_encode_str(s, v, a, &first, &err) != NK_OK)
        return;
    FUZZ_CHECK(nk_model_decode(s, first, a, &again, &err) == NK_OK);
    FUZZ_CHECK(nk_model_encode_str(s, again, a, &second, &err) == NK_OK);
    FUZZ_CHECK(nk_str_eq(first, second));
    FUZZ_CHECK(nk_model_copy(s, v, a, &copy) == NK_OK);
    FUZZ_CHECK(nk_model_encode_str(s, copy, a, &third, &err) == NK_OK);
    FUZZ_CHECK(nk_str_eq(first, third));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    nk_str rest = nk_str_n((const char *)data, n), name;
    if (!n || !nk_str_split(&rest, '\n', &name) || !rest.p)
        return 0;
    const nk_op *op = nk_model_find_op(NK_STR("glue"), name);
    if (!op)
        return 0;
    nk_arena *a = nk_arena_create(256 << 20);
    round_trip(op->input, rest, a);
    round_trip(op->output, rest, a);
    nk_arena_destroy(a);
    return 0;
}
