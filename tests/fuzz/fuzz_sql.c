/* Any bytes as a query of Spark's: a tree or a reason. */
#include "fuzz.h"
#include "plan/sql_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    nk_arena *a = nk_arena_create(0);
    nk_sql_query *q = NULL;
    nk_err err = NK_ERR_INIT;
    if (nk_sql_parse(nk_str_n((const char *)data, n), a, &q, &err) == NK_OK)
        FUZZ_CHECK(q->selects.n > 0 && q->selects.v[0].rels.n > 0);
    else
        FUZZ_CHECK(err.msg[0]);
    nk_arena_destroy(a);
    return 0;
}
