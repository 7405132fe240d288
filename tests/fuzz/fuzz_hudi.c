/* Any bytes as each kind of Hudi's own files, and, by lines, as names and as folders of partitions.
 */
#include "crawl/hudi.h"
#include "fuzz.h"

static nk_code read_text(void *arg, uint64_t at, size_t n, nk_buf *out, nk_err *err)
{
    nk_str *s = arg;
    return nk_buf_str(out, nk_str_sub(*s, at > s->n ? s->n : (size_t)at,
                                      at + n > s->n ? s->n : (size_t)(at + n)));
}

static void action(nk_str text, nk_arena *a)
{
    nk_str schema;
    nk_input in = {.read = read_text, .arg = &text, .size = text.n};
    nk_input_init(&in);
    if (nk_hudi_action_schema(&in, a, &schema, NULL) == NK_OK && schema.p)
        FUZZ_CHECK(schema.n <= ((size_t)64 << 20));
    nk_input_close(&in);
}

static void names(nk_str text, nk_arena *a)
{
    static const char *const list = "day,Region:SIMPLE, x";
    nk_strs fields = {0};
    nk_str line, instant, values[3];
    bool log;
    FUZZ_CHECK(nk_hudi_fields(nk_str_c(list), a, &fields, NULL) == NK_OK && fields.n == 3);
    while (nk_str_split(&text, '\n', &line)) {
        if (nk_hudi_action(line, &instant))
            FUZZ_CHECK(instant.n && nk_str_starts(line, instant));
        if (nk_hudi_data(line, &log, &instant))
            FUZZ_CHECK(instant.n && nk_str_find(line, instant) > 0);
        for (size_t n = 0; n <= 3; n++) {
            nk_strs some = {fields.v, n, n};
            if (nk_hudi_partition(&some, line, false, a, values))
                for (size_t i = 0; i < n; i++)
                    FUZZ_CHECK(values[i].p >= line.p &&
                               values[i].p + values[i].n <= line.p + line.n);
            (void)nk_hudi_partition(&some, line, true, a, values);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    nk_str text = nk_str_n((const char *)data, n), schema;
    nk_arena *a = nk_arena_create(512 << 20);
    if (nk_hudi_log_schema(text, &schema, NULL) == NK_OK && schema.p)
        FUZZ_CHECK(schema.p >= text.p && schema.p + schema.n <= text.p + text.n);
    action(text, a);
    nk_str value = nk_hudi_property(text, "hoodie.table.create.schema", a);
    FUZZ_CHECK(value.n <= n);
    names(text, a);
    nk_arena_destroy(a);
    return 0;
}
