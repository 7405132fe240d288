/* Errors of functions of ours travel through the engine with their code and message, whatever these
 * hold; a user's text that looks like one does not. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "engine/engine.h"

typedef struct failing {
    nk_code code;
    const char *message;
} failing;

static nk_code fail_with(void *arg, nk_str document, nk_err *err)
{
    const failing *f = arg;
    return nk_fail(err, f->code, "%s", f->message);
}

static nk_code fail_rows(void *arg, const nk_vec *row, size_t n, bool *out, nk_err *err)
{
    return fail_with(arg, NK_STR(""), err);
}

static nk_engine *engine;

static int begin(void **state)
{
    nk_engine_options o = {.threads = 1};
    return nk_engine_open(&o, &engine, NULL) == NK_OK ? 0 : -1;
}

static int end(void **state)
{
    nk_engine_close(engine);
    return 0;
}

static void test_codes(void **state)
{
    static const char *const messages[] = {"it went wrong", "Out of memory: HTTP 404, NoSuchKey",
                                           "a: nk-error 3:b", "two\nlines: and \"more\"", "é: 50%"};
    failing f = {0};
    nk_field one = {.name = NK_STR("a"), .type = nk_type_scalar(NK_T_STRING)};
    const nk_type row = {.kind = NK_T_STRUCT, .fields = &one, .nfields = 1};
    assert_int_equal(nk_engine_observer(engine, NK_STR("watch"), fail_with, &f, NULL), NK_OK);
    assert_int_equal(nk_engine_rows_bool(engine, NK_STR("pick"), &row, fail_rows, &f, NULL), NK_OK);
    for (int code = NK_OK + 1; code < NK_CODE_COUNT; code++) {
        for (size_t i = 0; i < NK_COUNTOF(messages); i++) {
            static const char *const statements[] = {
                "SELECT watch('x' || range) FROM range(3)",
                "SELECT pick({'a': 'x' || range}) FROM range(3)",
            };
            f = (failing){(nk_code)code, messages[i]};
            for (size_t k = 0; k < NK_COUNTOF(statements); k++) {
                nk_err err = NK_ERR_INIT;
                nk_result *r = NULL;
                const nk_vec *v;
                size_t n;
                nk_code rc = nk_engine_query(engine, nk_str_c(statements[k]), &r, &err);
                if (rc == NK_OK)
                    rc = nk_result_next(r, &v, &n, &err);
                nk_result_close(r);
                assert_int_equal(rc, code);
                assert_int_equal(err.code, code);
                assert_string_equal(err.msg, messages[i]);
            }
        }
    }
}

static void test_texts_of_users(void **state)
{
    static const char *const statements[] = {
        "SELECT CAST('nk-error 1:no' AS INTEGER)",
        "SELECT error('nk-error x:no')",
        "SELECT error('nk-error 99999:no')",
        "SELECT \"nk-error 1:no\" FROM range(1)",
    };
    for (size_t i = 0; i < NK_COUNTOF(statements); i++) {
        nk_err err = NK_ERR_INIT;
        assert_int_equal(nk_engine_exec(engine, nk_str_c(statements[i]), &err), NK_E_INVALID);
        assert_true(nk_str_find(nk_str_c(err.msg), NK_STR("nk-error")) >= 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_codes, begin, end),
        cmocka_unit_test_setup_teardown(test_texts_of_users, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
