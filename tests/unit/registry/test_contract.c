/* Data contracts: what is taken, merged and written, also while memory fails. What they mean is
 * compared with another implementation in tests/api/test_contracts.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "registry/contract.h"

static const char *const under =
    "{\"metadata\":{\"properties\":{\"b\":\"1\",\"a\":\"2\"},\"tags\":{\"x\":[\"t\",\"u\"]},"
    "\"sensitive\":[\"a\",\"b\"]},\"ruleSet\":{\"domainRules\":[{\"name\":\"r\",\"type\":\"CEL\","
    "\"mode\":\"WRITE\",\"params\":{\"k\":\"v\"},\"tags\":[\"p\"],\"doc\":null},{\"name\":\"s\","
    "\"type\":\"CEL\",\"mode\":\"READ\",\"disabled\":false}],\"enableAt\":\"ALL\"}}";
static const char *const over =
    "{\"metadata\":{\"properties\":{\"a\":\"3\"},\"sensitive\":[\"b\",\"c\"]},\"ruleSet\":{"
    "\"domainRules\":[{\"name\":\"r\",\"type\":\"X\",\"mode\":\"READ\"}],\"migrationRules\":[]}}";
static const char *const merged =
    "{\"metadata\":{\"properties\":{\"a\":\"3\",\"b\":\"1\"},\"sensitive\":[\"a\",\"b\",\"c\"],"
    "\"tags\":{\"x\":[\"t\",\"u\"]}},\"ruleSet\":{\"domainRules\":[{\"mode\":\"READ\",\"name\":"
    "\"s\",\"type\":\"CEL\"},{\"mode\":\"READ\",\"name\":\"r\",\"type\":\"X\"}],\"enableAt\":"
    "\"ALL\"}}";

static nk_code read_one(nk_arena *a, const char *text, nk_contract *out, nk_err *err)
{
    nk_json *j, *metadata, *rules;
    NK_TRY(nk_json_parse(nk_str_c(text), a, 0, &j, err));
    NK_TRY(nk_contract_metadata(a, nk_json_get(j, "metadata"), &metadata, err));
    NK_TRY(nk_contract_rules(a, nk_json_get(j, "ruleSet"), &rules, err));
    *out = (nk_contract){metadata, rules};
    return NK_OK;
}

static nk_code merge_both(nk_arena *a, nk_str *out, nk_err *err)
{
    nk_contract x, y, both, again;
    nk_str first;
    NK_TRY(read_one(a, under, &x, err));
    NK_TRY(read_one(a, over, &y, err));
    NK_TRY(nk_contract_merge(a, &x, &y, &both, err));
    NK_TRY(nk_contract_text(a, &both, &first, err));
    NK_TRY(nk_contract_parse(a, first, &again, err));
    if (!nk_str_is(nk_contract_property(&again, NK_STR("a")), "3"))
        return NK_E_INTERNAL;
    return nk_contract_text(a, &again, out, err);
}

static void contracts_merge_by_name(void **state)
{
    for (size_t n = 1;; n++) {
        nk_arena *a = nk_arena_create(0);
        nk_err err = NK_ERR_INIT;
        nk_str text = NK_STR_NULL;
        (void)nk_fault_alloc(n);
        nk_code rc = merge_both(a, &text, &err);
        size_t seen = nk_fault_alloc(0);
        if (rc == NK_OK)
            assert_true(nk_str_is(text, merged));
        else
            assert_int_equal(rc, NK_E_NOMEM);
        nk_arena_destroy(a);
        if (rc == NK_OK && seen < n) {
            assert_true(n > 30);
            break;
        }
    }
}

static void what_says_nothing_has_no_text(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_contract c;
    nk_str text;
    static const char *const empty[] = {
        "{}", "{\"metadata\":null}", "{\"metadata\":{},\"ruleSet\":{}}",
        "{\"metadata\":{\"properties\":{},\"sensitive\":[]},\"ruleSet\":{\"domainRules\":[]}}"};
    for (size_t i = 0; i < NK_COUNTOF(empty); i++) {
        assert_int_equal(read_one(a, empty[i], &c, NULL), NK_OK);
        assert_int_equal(nk_contract_text(a, &c, &text, NULL), NK_OK);
        assert_null(text.p);
    }
    assert_int_equal(nk_contract_parse(a, NK_STR_NULL, &c, NULL), NK_OK);
    assert_null(nk_contract_property(&c, NK_STR("a")).p);
    nk_arena_destroy(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contracts_merge_by_name),
        cmocka_unit_test(what_says_nothing_has_no_text),
    };
    return cmocka_run_group_tests_name("contract", tests, NULL, NULL);
}
