/* Every operation on the catalogue's smaller resources, each run with every one of its allocations
 * failing: it succeeds or says that memory is gone, and leaves nothing behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <cmocka.h>

#include "base/seal.h"
#include "catalog_calls.h"
#include "catalog/history_int.h"
#include "catalog/search_int.h"
#include "catalog/stats_int.h"

static int setup(void **state)
{
    catalog *c = calloc(1, sizeof(*c));
    strcpy(c->dir, "/tmp/nk-catalog-XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    snprintf(c->path, sizeof(c->path), "%s/store.db", c->dir);
    c->settings.history_max = 1000;
    catalog_open(c);
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    catalog *c = *state;
    nk_store_close(c->store);
    nk_catalog_stop(&c->app);
    assert_int_equal(nk_file_remove_tree(c->dir, NULL), NK_OK);
    free(c);
    return 0;
}

#define PROP(name, kind)                                                                           \
    "{\"Name\":\"" name "\",\"Required\":true,\"PropertyType\":\"" kind                            \
    "\",\"AllowedValues\":[\"v\"]}"
#define PART "\"DatabaseName\":\"d\",\"TableName\":\"t\""
#define STATS                                                                                      \
    "{\"ColumnName\":\"a\",\"ColumnType\":\"int\",\"AnalyzedTime\":1,\"StatisticsData\":{"         \
    "\"Type\":"                                                                                    \
    "\"LONG\",\"LongColumnStatisticsData\":{\"NumberOfNulls\":1,\"NumberOfDistinctValues\":2}}}"
#define VIEW(dialect)                                                                              \
    "\"Name\":\"v\",\"ViewDefinition\":{\"Representations\":[{\"Dialect\":\"" dialect              \
    "\",\"ViewOriginalText\":\"SELECT 1\"}]}"
#define OF_VIEW "\"DatabaseName\":\"d\",\"Name\":\"v\""
#define ARN     "\"ResourceArn\":\"arn:aws:glue:eu-west-1:000000000000:database/d\""

static const struct {
    const char *op, *json;
} steps[] = {
    {"CreateCatalog",
     "{\"Name\":\"Cat\",\"CatalogInput\":{\"Description\":\"x\"},\"Tags\":{\"a\":\"b\"}}"},
    {"GetCatalog", "{\"CatalogId\":\"000000000000:cat\"}"},
    {"GetCatalogs", "{\"IncludeRoot\":true}"},
    {"UpdateCatalog", "{\"CatalogId\":\"cat\",\"CatalogInput\":{\"Description\":\"y\"}}"},
    {"CreateDatabase", "{\"CatalogId\":\"cat\",\"DatabaseInput\":{\"Name\":\"inner\"}}"},
    {"CreateDatabase",
     "{\"DatabaseInput\":{\"Name\":\"d\",\"Description\":\"words here\"},\"Tags\":{\"k\":\"v\"}}"},
    {"CreateTable",
     "{\"DatabaseName\":\"d\",\"TableInput\":{\"Name\":\"t\",\"Description\":\"some "
     "words\",\"PartitionKeys\":[{\"Name\":\"y\",\"Type\":\"int\"},{\"Name\":\"m\",\"Type\":"
     "\"string\"}],\"StorageDescriptor\":{\"Columns\":[{\"Name\":\"a\",\"Type\":\"int\"}]}},"
     "\"PartitionIndexes\":[{\"IndexName\":\"i\",\"Keys\":[\"y\"]}]}"},
    {"SearchTables", "{\"SearchText\":\"some "
                     "words\",\"SortCriteria\":[{\"FieldName\":\"Name\",\"Sort\":\"ASC\"}]}"},
    {"UpdateTable",
     "{\"DatabaseName\":\"d\",\"TableInput\":{\"Name\":\"t\",\"Description\":\"other\","
     "\"PartitionKeys\":[{\"Name\":\"y\",\"Type\":\"int\"},{\"Name\":\"m\",\"Type\":\"string\"}],"
     "\"StorageDescriptor\":{\"Columns\":[{\"Name\":\"a\",\"Type\":\"int\"}]}}}"},
    {"SearchTables", "{\"Filters\":[{\"Key\":\"Name\",\"Value\":\"t\"},{\"Key\":\"CreateTime\","
                     "\"Value\":\"2001-02-03\",\"Comparator\":\"GREATER_THAN\"}]}"},
    {"CreateDatabase",
     "{\"DatabaseInput\":{\"Name\":\"link\",\"TargetDatabase\":{\"DatabaseName\":\"d\"}}}"},
    {"GetDatabase", "{\"Name\":\"link\"}"},
    {"GetDatabases", "{\"AttributesToGet\":[\"NAME\",\"TARGET_DATABASE\"]}"},
    {"CreateTable", "{\"DatabaseName\":\"link\",\"TableInput\":{\"Name\":\"l\",\"TargetTable\":{"
                    "\"DatabaseName\":\"d\",\"Name\":\"t\"}}}"},
    {"GetTables", "{\"DatabaseName\":\"link\"}"},
    {"CreatePartition",
     "{" PART
     ",\"PartitionInput\":{\"Values\":[\"1\",\"a\"],\"StorageDescriptor\":{\"Location\":\"x\"}}}"},
    {"BatchCreatePartition",
     "{" PART ",\"PartitionInputList\":[{\"Values\":[\"2\",\"a\"]},{\"Values\":[\"no\",\"a\"]}]}"},
    {"CreatePartitionIndex",
     "{" PART ",\"PartitionIndex\":{\"IndexName\":\"j\",\"Keys\":[\"m\",\"y\"]}}"},
    {"GetPartitionIndexes", "{" PART "}"},
    {"UpdatePartition",
     "{" PART
     ",\"PartitionValueList\":[\"1\",\"a\"],\"PartitionInput\":{\"Values\":[\"3\",\"a\"]}}"},
    {"GetUnfilteredTableMetadata",
     "{\"CatalogId\":\"000000000000\",\"DatabaseName\":\"d\",\"Name\":\"t\","
     "\"SupportedPermissionTypes\":[\"COLUMN_PERMISSION\"]}"},
    {"GetUnfilteredPartitionsMetadata", "{\"CatalogId\":\"000000000000\"," PART
                                        ",\"SupportedPermissionTypes\":[\"COLUMN_PERMISSION\"]}"},
    {"UpdateColumnStatisticsForTable", "{" PART ",\"ColumnStatisticsList\":[" STATS "]}"},
    {"GetColumnStatisticsForTable", "{" PART ",\"ColumnNames\":[\"a\",\"b\"]}"},
    {"UpdateColumnStatisticsForPartition",
     "{" PART ",\"PartitionValues\":[\"3\",\"a\"],\"ColumnStatisticsList\":[" STATS "]}"},
    {"GetColumnStatisticsForPartition",
     "{" PART ",\"PartitionValues\":[\"3\",\"a\"],\"ColumnNames\":[\"a\"]}"},
    {"DeleteColumnStatisticsForTable", "{" PART ",\"ColumnName\":\"a\"}"},
    {"DeletePartition", "{" PART ",\"PartitionValues\":[\"3\",\"a\"]}"},
    {"CreateColumnStatisticsTaskSettings",
     "{" PART ",\"Role\":\"r\",\"Schedule\":\"cron(0 0 * * ? *)\"}"},
    {"GetColumnStatisticsTaskSettings", "{" PART "}"},
    {"UpdateColumnStatisticsTaskSettings", "{" PART ",\"SampleSize\":5}"},
    {"StopColumnStatisticsTaskRunSchedule", "{" PART "}"},
    {"ListColumnStatisticsTaskRuns", "{}"},
    {"GetColumnStatisticsTaskRuns", "{" PART "}"},
    {"CreateUserDefinedFunction",
     "{\"DatabaseName\":\"d\",\"FunctionInput\":{\"FunctionName\":\"f\"}}"},
    {"UpdateUserDefinedFunction",
     "{\"DatabaseName\":\"d\",\"FunctionName\":\"f\",\"FunctionInput\":{\"ClassName\":\"x\"}}"},
    {"GetUserDefinedFunction", "{\"DatabaseName\":\"d\",\"FunctionName\":\"f\"}"},
    {"GetUserDefinedFunctions", "{\"Pattern\":\"*\",\"FunctionType\":\"REGULAR_FUNCTION\"}"},
    {"DeleteUserDefinedFunction", "{\"DatabaseName\":\"d\",\"FunctionName\":\"f\"}"},
    {"CreateConnection",
     "{\"ConnectionInput\":{\"Name\":\"c\",\"ConnectionType\":\"JDBC\",\"ConnectionProperties\":{"
     "\"JDBC_CONNECTION_URL\":\"jdbc:x\",\"USERNAME\":\"u\",\"PASSWORD\":\"p\"},\"MatchCriteria\":["
     "\"m\"]},\"Tags\":{\"a\":\"b\"}}"},
    {"PutDataCatalogEncryptionSettings",
     "{\"DataCatalogEncryptionSettings\":{\"ConnectionPasswordEncryption\":{"
     "\"ReturnConnectionPasswordEncrypted\":true,\"AwsKmsKeyId\":\"k\"}}}"},
    {"GetDataCatalogEncryptionSettings", "{}"},
    {"GetConnection", "{\"Name\":\"c\",\"ApplyOverrideForComputeEnvironment\":\"SPARK\"}"},
    {"GetConnections", "{\"Filter\":{\"MatchCriteria\":[\"m\"]},\"HidePassword\":true}"},
    {"UpdateConnection",
     "{\"Name\":\"c\",\"ConnectionInput\":{\"Name\":\"c\",\"ConnectionType\":\"NETWORK\","
     "\"ConnectionProperties\":{},\"PhysicalConnectionRequirements\":{}}}"},
    {"BatchDeleteConnection", "{\"ConnectionNameList\":[\"c\",\"none\"]}"},
    {"ListConnectionTypes", "{\"MaxResults\":3}"},
    {"DescribeConnectionType", "{\"ConnectionType\":\"KAFKA\"}"},
    {"RegisterConnectionType",
     "{\"ConnectionType\":\"REST-x\",\"IntegrationType\":\"REST\",\"Tags\":{\"a\":\"b\"},"
     "\"ConnectionProperties\":{\"Url\":" PROP(
         "u",
         "USER_INPUT") ",\"AdditionalRequestParameters\":[" PROP("s",
                                                                 "SECRET") "]},"
                                                                           "\"ConnectorAuthenticati"
                                                                           "onConfiguration\":{"
                                                                           "\"AuthenticationTypes\""
                                                                           ":[\"OAUTH2\","
                                                                           "\"CUSTOM\"],"
                                                                           "\"CustomAuthenticationP"
                                                                           "roperties\":{"
                                                                           "\"AuthenticationParamet"
                                                                           "ers\":[" PROP(
                                                                               "t",
                                                                               "SECRET") "]},"
                                                                                         "\"OAuth2P"
                                                                                         "roperties"
                                                                                         "\":{"
                                                                                         "\"OAuth2G"
                                                                                         "rantType"
                                                                                         "\":\"JWT_"
                                                                                         "BEARER\","
                                                                                         "\"JWTBear"
                                                                                         "erPropert"
                                                                                         "ies\":{"
                                                                                         "\"JwtToke"
                                                                                         "n\""
                                                                                         ":" PROP(
                                                                                             "j",
                                                                                             "SECRE"
                                                                                             "T") "}}},"
                                                                                                  "\"RestConfiguration\":{}}"},
    {"CreateConnection",
     "{\"ConnectionInput\":{\"Name\":\"r\",\"ConnectionType\":\"REST-x\",\"ConnectionProperties\":{"
     "\"u\":\"v\","
     "\"s\":\"v\"},\"AuthenticationConfiguration\":{\"AuthenticationType\":\"OAUTH2\"}}}"},
    {"GetConnection", "{\"Name\":\"r\",\"HidePassword\":true}"},
    {"ListConnectionTypes", "{\"MaxResults\":100}"},
    {"DescribeConnectionType", "{\"ConnectionType\":\"REST-x\"}"},
    {"DeleteConnection", "{\"ConnectionName\":\"r\"}"},
    {"DeleteConnectionType", "{\"ConnectionType\":\"REST-x\"}"},
    {"PutDataCatalogExportConfiguration", "{\"ExportSetting\":\"ENABLED\",\"ClientToken\":\"x\"}"},
    {"PutDataCatalogExportConfiguration", "{\"ExportSetting\":\"ENABLED\",\"ClientToken\":\"x\"}"},
    {"GetDataCatalogExportConfiguration", "{}"},
    {"PutResourcePolicy",
     "{\"PolicyInJson\":\"{\\\"Statement\\\":[{\\\"Effect\\\":\\\"Allow\\\",\\\"Action\\\":\\\"*"
     "\\\",\\\"Principal\\\":\\\"*\\\",\\\"Resource\\\":\\\"*\\\"}]}\"}"},
    {"GetResourcePolicy", "{}"},
    {"GetResourcePolicies", "{}"},
    {"DeleteResourcePolicy", "{}"},
    {"CreateSecurityConfiguration", "{\"Name\":\"s\",\"EncryptionConfiguration\":{}}"},
    {"GetSecurityConfigurations", "{}"},
    {"DeleteSecurityConfiguration", "{\"Name\":\"s\"}"},
    {"TagResource", "{" ARN ",\"TagsToAdd\":{\"x\":\"y\",\"k\":\"w\"}}"},
    {"GetTags", "{" ARN "}"},
    {"UntagResource", "{" ARN ",\"TagsToRemove\":[\"x\"]}"},
    {"ImportCatalogToGlue", "{}"},
    {"GetCatalogImportStatus", "{}"},
    {"DeletePartitionIndex", "{" PART ",\"IndexName\":\"i\"}"},
    {"CreateTable", "{\"DatabaseName\":\"d\",\"TableInput\":{" VIEW("ATHENA") "}}"},
    {"UpdateTable",
     "{\"DatabaseName\":\"d\",\"ViewUpdateAction\":\"ADD\",\"TableInput\":{" VIEW("SPARK") "}}"},
    {"GetTable", "{" OF_VIEW ",\"IncludeStatusDetails\":true}"},
    {"GetTable", "{" OF_VIEW ",\"QueryAsOfTime\":4102444800}"},
    {"GetTables",
     "{\"DatabaseName\":\"d\",\"IncludeStatusDetails\":true,\"QueryAsOfTime\":4102444800}"},
    {"GetUnfilteredTableMetadata", "{\"CatalogId\":\"000000000000\"," OF_VIEW
                                   ",\"SupportedPermissionTypes\":[\"COLUMN_PERMISSION\"],"
                                   "\"SupportedDialect\":{\"Dialect\":\"SPARK\"}}"},
    {"DeleteTableVersion", "{\"DatabaseName\":\"d\",\"TableName\":\"v\",\"VersionId\":\"0\"}"},
    {"DeleteTable", "{" OF_VIEW "}"},
    {"DeleteTable", "{\"DatabaseName\":\"d\",\"Name\":\"t\"}"},
    {"DeleteDatabase", "{\"Name\":\"d\"}"},
    {"DeleteCatalog", "{\"CatalogId\":\"cat\"}"},
};

static void every_allocation_may_fail(void **state)
{
    catalog *c = *state;
    for (size_t i = 0; i < NK_COUNTOF(steps); i++) {
        size_t failed = 0;
        for (size_t n = 1;; n++) {
            reply r = call_prepare(c, steps[i].op, nk_str_c(steps[i].json));
            if (r.code != NK_OK)
                fail_msg("%s: %s", steps[i].op, r.err.msg);
            (void)nk_fault_alloc(n);
            call_run(c, &r);
            (void)nk_fault_alloc(0);
            nk_code code = r.code;
            char why[256];
            snprintf(why, sizeof why, "%.200s", r.err.msg);
            reply_free(&r);
            if (code == NK_OK)
                break;
            if (code != NK_E_NOMEM)
                fail_msg("%s with allocation %zu failing: %s: %s", steps[i].op, n,
                         nk_code_name(code), why);
            failed++;
        }
        assert_true(failed < 5000);
    }
}

/* ---- the way back ---- */

typedef struct own_call {
    catalog *c;
    nk_arena *arena;
    nk_json *in;
    nk_code (*run)(nk_call *call, const nk_json *in, nk_buf *out);
} own_call;

static nk_code own_in_tx(nk_tx *tx, void *arg, nk_err *err)
{
    own_call *o = arg;
    nk_buf out;
    nk_call call = {.app = &o->c->app,
                    .arena = o->arena,
                    .err = err,
                    .tx = tx,
                    .region = nk_str_c(o->c->region),
                    .account_id = NK_STR("000000000000"),
                    .access_key = NK_STR("me")};
    nk_buf_init(&out, 16 << 20);
    nk_code rc = o->run(&call, o->in, &out);
    nk_buf_free(&out);
    return rc;
}

/* With every allocation failing until it succeeds; the code it ends with. */
static nk_code own_with_faults(catalog *c, nk_code (*run)(nk_call *, const nk_json *, nk_buf *),
                               int64_t id)
{
    for (size_t n = 1;; n++) {
        own_call o = {.c = c, .arena = nk_arena_create(0), .run = run};
        nk_err err = NK_ERR_INIT;
        nk_str json = nk_str_printf(o.arena, "{\"Id\":%lld}", (long long)id);
        assert_int_equal(nk_json_parse(json, o.arena, 0, &o.in, &err), NK_OK);
        (void)nk_fault_alloc(n);
        nk_code rc = nk_store_write(c->store, own_in_tx, &o, &err);
        (void)nk_fault_alloc(0);
        nk_arena_destroy(o.arena);
        if (rc != NK_E_NOMEM)
            return rc;
        assert_true(n < 5000);
    }
}

static void undoing_stands_failing_allocations(void **state)
{
    catalog *c = *state;
    int undone = 0;
    for (size_t i = 0; i < NK_COUNTOF(steps); i++) {
        reply r = call_op(c, steps[i].op, nk_str_c(steps[i].json));
        if (r.code != NK_OK)
            fail_msg("%s: %s", steps[i].op, r.err.msg);
        reply_free(&r);
    }
    for (int64_t id = 100; id; id--) {
        nk_code seen = own_with_faults(c, nk_catalog_history, id);
        nk_code rc = own_with_faults(c, nk_catalog_undo, id);
        if (seen == NK_E_NOT_FOUND)
            continue; /* of another space, or more than there were */
        if (seen != NK_OK || rc != NK_OK)
            fail_msg("change %lld: seen %s, undone %s", (long long)id, nk_code_name(seen),
                     nk_code_name(rc));
        undone++;
    }
    assert_true(undone >= 35);
    reply r = call_op(c, "GetDatabases", NK_STR("{}"));
    assert_int_equal(nk_json_get(r.tree, "DatabaseList")->count, 0);
    reply_free(&r);
}

/* ---- sealing ---- */

static void what_is_sealed_opens_only_where_it_was(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_seal_key key, other;
    nk_err err = NK_ERR_INIT;
    char path[200];
    catalog *c = *state;
    snprintf(path, sizeof path, "%s/key", c->dir);
    assert_int_equal(nk_seal_key_load(path, &key, &err), NK_OK);
    assert_int_equal(nk_seal_key_load(path, &other, &err), NK_OK);
    assert_memory_equal(key.k, other.k, sizeof key.k);
    assert_int_equal(nk_seal_key_load(NULL, &other, &err), NK_OK);
    static const size_t sizes[] = {0, 1, 15, 16, 17, 1000, 70000};
    for (size_t i = 0; i < NK_COUNTOF(sizes); i++) {
        char *text = nk_arena_bytes(a, sizes[i] + 1);
        for (size_t k = 0; k < sizes[i]; k++)
            text[k] = (char)(k * 31 + i);
        nk_str plain = nk_str_n(text, sizes[i]), sealed, again, open;
        assert_int_equal(nk_seal(&key, NK_STR("here"), plain, a, &sealed, &err), NK_OK);
        assert_int_equal(nk_seal(&key, NK_STR("here"), plain, a, &again, &err), NK_OK);
        assert_false(nk_str_eq(sealed, again));
        assert_int_equal(nk_unseal(&key, NK_STR("here"), sealed, a, &open, &err), NK_OK);
        assert_true(nk_str_eq(open, plain));
        assert_int_equal(nk_unseal(&key, NK_STR("there"), sealed, a, &open, &err), NK_E_INVALID);
        assert_int_equal(nk_unseal(&other, NK_STR("here"), sealed, a, &open, &err), NK_E_INVALID);
        for (size_t k = 0; k < sealed.n; k += 1 + sealed.n / 37) {
            char *broken = nk_arena_strndup(a, sealed.p, sealed.n);
            broken[k] ^= 1;
            assert_int_equal(
                nk_unseal(&key, NK_STR("here"), nk_str_n(broken, sealed.n), a, &open, &err),
                NK_E_INVALID);
            assert_int_equal(nk_unseal(&key, NK_STR("here"), nk_str_n(sealed.p, k), a, &open, &err),
                             NK_E_INVALID);
        }
    }
    assert_int_equal(nk_file_write(path, NK_STR("short"), 0600, &err), NK_OK);
    assert_int_equal(nk_seal_key_load(path, &key, &err), NK_E_INVALID);
    nk_arena_destroy(a);
}

/* ---- words ---- */

static void join(void *arg, nk_str w)
{
    nk_buf *b = arg;
    (void)nk_buf_printf(b, "%s%.*s", b->n ? " " : "", NK_STR_ARG(w));
}

static void texts_are_cut_into_words(void **state)
{
    static const struct {
        const char *text, *words;
    } cases[] = {{"", ""},
                 {"One two", "one two"},
                 {"xx-link-yy", "xx link yy"},
                 {"xxlinkyy", "xxlinkyy"},
                 {"Sales_Order.v2", "sales_order sales order v2"},
                 {"a::b#c:", "a b c"},
                 {"ÄÖ-ß 1", "äö ß 1"},
                 {"_x_", "_x_ x"},
                 {"___", "___"}};
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_arena *a = nk_arena_create(0);
        nk_buf b;
        nk_buf_init(&b, 4096);
        nk_words(nk_str_c(cases[i].text), a, join, &b);
        if (!nk_str_is(nk_buf_view(&b), cases[i].words))
            fail_msg("'%s': %.*s", cases[i].text, NK_STR_ARG(nk_buf_view(&b)));
        nk_buf_free(&b);
        nk_arena_destroy(a);
    }
}

/* ---- what workers count ---- */

static void decimals_are_shortest_twos_complement(void **state)
{
    static const struct {
        const char *text, *bytes;
        size_t n;
        int64_t scale;
    } cases[] = {
        {"0", "\0", 1, 0},           {"127", "\x7f", 1, 0},      {"128", "\0\x80", 2, 0},
        {"-128", "\x80", 1, 0},      {"-129", "\xff\x7f", 2, 0}, {"-0.01", "\xff", 1, 2},
        {"255.5", "\x09\xfb", 2, 1}, {"-1", "\xff", 1, 0},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_arena *a = nk_arena_create(0);
        nk_json *j;
        nk_err err = NK_ERR_INIT;
        glue_ColumnStatistics s;
        nk_str frame =
            nk_str_printf(a,
                          "{\"name\":\"c\",\"rows\":\"3\",\"present\":\"2\",\"distinct\":\"1\","
                          "\"values\":[\"%s\",null]}",
                          cases[i].text);
        assert_int_equal(nk_json_parse(frame, a, 0, &j, &err), NK_OK);
        assert_int_equal(
            nk_stats_read(j, NK_STR("DECIMAL"), NK_STR("decimal(9,2)"), 7, a, &s, &err), NK_OK);
        const glue_DecimalColumnStatisticsData *d = s.StatisticsData->DecimalColumnStatisticsData;
        if (!nk_str_eq(d->MinimumValue->UnscaledValue, nk_str_n(cases[i].bytes, cases[i].n)) ||
            d->MinimumValue->Scale.value != cases[i].scale)
            fail_msg("%s", cases[i].text);
        assert_null(d->MaximumValue);
        assert_int_equal(d->NumberOfNulls.value, 1);
        nk_arena_destroy(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(undoing_stands_failing_allocations, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_sealed_opens_only_where_it_was, setup, teardown),
        cmocka_unit_test(texts_are_cut_into_words),
        cmocka_unit_test(decimals_are_shortest_twos_complement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
