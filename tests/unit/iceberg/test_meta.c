#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "iceberg/meta.h"

typedef struct fixture {
    nk_arena *a;
    nk_err err;
} fixture;

static int begin(void **state)
{
    static fixture f;
    f = (fixture){.a = nk_arena_create(0)};
    *state = &f;
    return f.a ? 0 : -1;
}

static int end(void **state)
{
    nk_arena_destroy(((fixture *)*state)->a);
    return 0;
}

static nk_json *json(fixture *f, const char *text)
{
    nk_json *j;
    assert_int_equal(nk_json_parse(nk_str_c(text), f->a, 0, &j, NULL), NK_OK);
    return j;
}

static const char base_text[] =
    "{\"format-version\":2,\"table-uuid\":\"11111111-2222-4333-8444-555555555555\",\"location\":"
    "\"s3://b/t\",\"last-sequence-number\":2,\"last-updated-ms\":5000,\"last-column-id\":3,"
    "\"current-schema-id\":0,\"schemas\":[{\"type\":\"struct\",\"schema-id\":0,\"fields\":[{\"id\":"
    "1,\"name\":\"a\",\"required\":true,\"type\":\"long\"},{\"id\":2,\"name\":\"b\",\"required\":"
    "false,\"type\":\"string\"},{\"id\":3,\"name\":\"t\",\"required\":false,\"type\":\"timestamp\"}"
    "]}],\"default-spec-id\":0,\"partition-specs\":[{\"spec-id\":0,\"fields\":[{\"source-id\":1,"
    "\"field-id\":1000,\"name\":\"a_b\",\"transform\":\"bucket[4]\"}]}],\"last-partition-id\":1000,"
    "\"default-sort-order-id\":0,\"sort-orders\":[{\"order-id\":0,\"fields\":[]}],\"properties\":{"
    "\"p\":\"q\"},\"current-snapshot-id\":22,\"snapshots\":[{\"snapshot-id\":11,\"sequence-number\""
    ":1,\"timestamp-ms\":1000,\"manifest-list\":\"s3://b/1\",\"summary\":{}},{\"snapshot-id\":22,"
    "\"parent-snapshot-id\":11,\"sequence-number\":2,\"timestamp-ms\":2000,\"manifest-list\":"
    "\"s3://b/2\",\"summary\":{}}],\"refs\":{\"main\":{\"snapshot-id\":22,\"type\":\"branch\"},"
    "\"old\":{\"snapshot-id\":11,\"type\":\"tag\"}},\"snapshot-log\":[{\"snapshot-id\":11,"
    "\"timestamp-ms\":1000},{\"snapshot-id\":22,\"timestamp-ms\":2000}],\"metadata-log\":[],"
    "\"unknown-to-us\":{\"kept\":[1.50]}}";

/* Applies updates to the base; the metadata as it would be written (arena), NULL when refused. */
static nk_json *edit(fixture *f, const char *base, const char *updates, nk_code *rc)
{
    nk_json *root = NULL, *out;
    nk_ice_edit e;
    nk_buf b;
    f->err = (nk_err)NK_ERR_INIT;
    if (base)
        assert_int_equal(nk_ice_table_parse(nk_str_c(base), f->a, &root, NULL), NK_OK);
    nk_ice_edit_begin(&e, f->a, false, root, 9000, NK_STR("99999999-2222-4333-8444-555555555555"));
    *rc = nk_ice_edit_apply(&e, json(f, updates), &f->err);
    if (*rc == NK_OK)
        *rc =
            nk_ice_edit_finish(&e, base ? NK_STR("s3://b/t/m/1.json") : NK_STR_NULL, NULL, &f->err);
    if (*rc != NK_OK)
        return NULL;
    nk_buf_init(&b, 1 << 20);
    assert_int_equal(nk_ice_table_write(&e.t, e.root, &b, NULL), NK_OK);
    out = json(f, nk_buf_dup(&b, f->a).p);
    nk_buf_free(&b);
    return out;
}

static void accepted(fixture *f, const char *updates, const char *member, const char *want)
{
    nk_code rc;
    nk_json *j = edit(f, base_text, updates, &rc);
    if (!j)
        fail_msg("%s: %s", updates, f->err.msg);
    if (!nk_ice_same(nk_json_get(j, member), json(f, want), NULL)) {
        nk_buf b;
        nk_buf_init(&b, 1 << 20);
        nk_json *m = nk_json_get(j, member);
        if (m)
            nk_jw_tree(&(nk_json_writer){.buf = &b}, m);
        fail_msg("%s: %s is %s, not %s", updates, member, m ? b.p : "absent", want);
    }
}

static void refused(fixture *f, const char *updates, const char *type, const char *says)
{
    nk_code rc;
    if (edit(f, base_text, updates, &rc))
        fail_msg("%s was taken", updates);
    if (strcmp(f->err.aws, type) != 0 || !strstr(f->err.msg, says))
        fail_msg("%s: %s: %s", updates, f->err.aws, f->err.msg);
}

#define SNAP(id, parent, seq, at)                                                                  \
    "{\"action\":\"add-snapshot\",\"snapshot\":{\"snapshot-id\":" #id                              \
    ",\"parent-snapshot-id\":" #parent ",\"sequence-number\":" #seq ",\"timestamp-ms\":" #at       \
    ",\"manifest-list\":\"s3://b/x\",\"summary\":{}}}"
#define MAIN(id)                                                                                   \
    "{\"action\":\"set-snapshot-ref\",\"ref-name\":\"main\",\"type\":\"branch\",\"snapshot-"       \
    "id\":" #id "}"

static void updates(void **state)
{
    fixture *f = *state;
    accepted(f, "[]", "unknown-to-us", "{\"kept\":[1.50]}");
    accepted(f, "[]", "last-updated-ms", "5000");
    accepted(f, "[]", "metadata-log", "[]");
    accepted(f, "[{\"action\":\"set-properties\",\"updates\":{\"p\":\"r\",\"n\":\"m\"}}]",
             "properties", "{\"p\":\"r\",\"n\":\"m\"}");
    accepted(f, "[{\"action\":\"set-properties\",\"updates\":{\"p\":\"r\"}}]", "metadata-log",
             "[{\"timestamp-ms\":5000,\"metadata-file\":\"s3://b/t/m/1.json\"}]");
    accepted(f, "[{\"action\":\"remove-properties\",\"removals\":[\"p\",\"none\"]}]", "properties",
             "{}");
    accepted(f, "[{\"action\":\"set-location\",\"location\":\"s3://c/d/\"}]", "location",
             "\"s3://c/d\"");
    accepted(f, "[" SNAP(33, 22, 3, 3000) "," MAIN(33) "]", "current-snapshot-id", "33");
    accepted(f, "[" SNAP(33, 22, 3, 3000) "," MAIN(33) "]", "last-sequence-number", "3");
    accepted(f, "[" SNAP(33, 22, 3, 3000) "]", "current-snapshot-id", "22");
    /* main passes through 33 only on its way */
    accepted(f, "[" SNAP(33, 22, 3, 3000) "," MAIN(33) "," SNAP(44, 33, 4, 4000) "," MAIN(44) "]",
             "snapshot-log",
             "[{\"snapshot-id\":11,\"timestamp-ms\":1000},{\"snapshot-id\":22,\"timestamp-ms\":"
             "2000},{\"snapshot-id\":44,\"timestamp-ms\":4000}]");
    /* back to an earlier one: now, not then */
    accepted(f, "[" MAIN(11) "]", "snapshot-log",
             "[{\"snapshot-id\":11,\"timestamp-ms\":1000},{\"snapshot-id\":22,\"timestamp-ms\":"
             "2000},{\"snapshot-id\":11,\"timestamp-ms\":9000}]");
    /* a removed snapshot takes the log before it and its refs along */
    accepted(f, "[{\"action\":\"remove-snapshots\",\"snapshot-ids\":[11]}]", "snapshot-log",
             "[{\"snapshot-id\":22,\"timestamp-ms\":2000}]");
    accepted(f, "[{\"action\":\"remove-snapshots\",\"snapshot-ids\":[11]}]", "refs",
             "{\"main\":{\"snapshot-id\":22,\"type\":\"branch\"}}");
    accepted(f, "[{\"action\":\"remove-snapshots\",\"snapshot-ids\":[22]}]", "current-snapshot-id",
             "-1");
    accepted(f, "[{\"action\":\"remove-snapshot-ref\",\"ref-name\":\"main\"}]",
             "current-snapshot-id", "-1");
    accepted(f,
             "[{\"action\":\"set-snapshot-ref\",\"ref-name\":\"x\",\"type\":\"branch\","
             "\"snapshot-id\":11,\"min-snapshots-to-keep\":2,\"max-ref-age-ms\":7}]",
             "refs",
             "{\"main\":{\"snapshot-id\":22,\"type\":\"branch\"},\"old\":{\"snapshot-id\":11,"
             "\"type\":\"tag\"},\"x\":{\"snapshot-id\":11,\"type\":\"branch\","
             "\"min-snapshots-to-keep\":2,\"max-ref-age-ms\":7}}");
}

static void schemas_specs_and_orders(void **state)
{
    fixture *f = *state;
    /* the same schema keeps its id, another gets the next */
    accepted(f,
             "[{\"action\":\"add-schema\",\"schema\":{\"type\":\"struct\",\"fields\":[{\"name\":"
             "\"a\",\"id\":1,\"type\":\"long\",\"required\":true},{\"id\":2,\"name\":\"b\","
             "\"required\":false,\"type\":\"string\"},{\"id\":3,\"name\":\"t\",\"required\":false,"
             "\"type\":\"timestamp\",\"doc\":null}]}},{\"action\":\"set-current-schema\","
             "\"schema-id\":-1}]",
             "current-schema-id", "0");
    accepted(f,
             "[{\"action\":\"add-schema\",\"schema\":{\"type\":\"struct\",\"fields\":[{\"name\":"
             "\"a\",\"id\":1,\"type\":\"long\",\"required\":true},{\"id\":9,\"name\":\"l\","
             "\"required\":false,\"type\":{\"type\":\"list\",\"element-id\":12,\"element\":\"int\","
             "\"element-required\":true}}]}},{\"action\":\"set-current-schema\",\"schema-id\":-1}]",
             "last-column-id", "12");
    /* an equal field of an earlier spec lends its id, a new one counts on */
    accepted(f,
             "[{\"action\":\"add-spec\",\"spec\":{\"fields\":[{\"source-id\":3,\"name\":\"d\","
             "\"transform\":\"day\"},{\"source-id\":1,\"name\":\"z\",\"transform\":\"bucket[4]\"}]}"
             "},{\"action\":\"set-default-spec\",\"spec-id\":-1}]",
             "partition-specs",
             "[{\"spec-id\":0,\"fields\":[{\"source-id\":1,\"field-id\":1000,\"name\":\"a_b\","
             "\"transform\":\"bucket[4]\"}]},{\"spec-id\":1,\"fields\":[{\"source-id\":3,\"name\":"
             "\"d\",\"transform\":\"day\",\"field-id\":1001},{\"source-id\":1,\"name\":\"z\","
             "\"transform\":\"bucket[4]\",\"field-id\":1000}]}]");
    accepted(f,
             "[{\"action\":\"add-spec\",\"spec\":{\"fields\":[{\"source-id\":1,\"name\":\"a_b\","
             "\"transform\":\"bucket[4]\"}]}},{\"action\":\"set-default-spec\",\"spec-id\":-1}]",
             "default-spec-id", "0");
    accepted(f,
             "[{\"action\":\"add-sort-order\",\"sort-order\":{\"order-id\":7,\"fields\":[{"
             "\"source-id\":1,\"transform\":\"identity\",\"direction\":\"asc\",\"null-order\":"
             "\"nulls-first\"}]}},{\"action\":\"set-default-sort-order\",\"sort-order-id\":-1}]",
             "default-sort-order-id", "1");
    refused(f, "[{\"action\":\"set-current-schema\",\"schema-id\":-1}]", "ValidationException",
            "no schema has been added");
    refused(f, "[{\"action\":\"set-current-schema\",\"schema-id\":3}]", "BadRequestException", "3");
    refused(f, "[{\"action\":\"remove-schemas\",\"schema-ids\":[0]}]", "BadRequestException",
            "current schema");
    refused(f, "[{\"action\":\"remove-partition-specs\",\"spec-ids\":[0]}]", "BadRequestException",
            "default partition spec");
    /* the default spec's column may not go */
    refused(f,
            "[{\"action\":\"add-schema\",\"schema\":{\"type\":\"struct\",\"fields\":[{\"id\":2,"
            "\"name\":\"b\",\"required\":false,\"type\":\"string\"}]}},{\"action\":"
            "\"set-current-schema\",\"schema-id\":-1}]",
            "ValidationException", "source column");
}

static void refusals(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *updates, *type, *says;
    } rows[] = {
        {"7", "BadRequestException", "list"},
        {"[{}]", "BadRequestException", "action"},
        {"[{\"action\":\"dance\"}]", "BadRequestException", "dance"},
        {"[{\"action\":\"add-view-version\"}]", "BadRequestException", "add-view-version"},
        {"[{\"action\":\"set-properties\",\"updates\":{\"a\":1}}]", "BadRequestException",
         "string"},
        {"[{\"action\":\"set-properties\"}]", "BadRequestException", "missing"},
        {"[{\"action\":\"set-location\",\"location\":\"/\"}]", "BadRequestException", "empty"},
        {"[{\"action\":\"assign-uuid\",\"uuid\":\"x\"}]", "BadRequestException", "reassign"},
        {"[{\"action\":\"upgrade-format-version\",\"format-version\":1}]", "BadRequestException",
         "downgrade"},
        {"[{\"action\":\"upgrade-format-version\",\"format-version\":4}]", "BadRequestException",
         "v4"},
        {"[" SNAP(22, 11, 3, 1) "]", "ValidationException", "already exists"},
        {"[" SNAP(33, 22, 2, 1) "]", "CommitFailedException", "sequence number"},
        {"[" MAIN(99) "]", "ValidationException", "unknown snapshot"},
        {"[{\"action\":\"set-snapshot-ref\",\"ref-name\":\"main\",\"type\":\"tag\",\"snapshot-id\":"
         "11}]",
         "ValidationException", "must be a branch"},
        {"[{\"action\":\"set-snapshot-ref\",\"ref-name\":\"x\",\"type\":\"tag\",\"snapshot-id\":11,"
         "\"min-snapshots-to-keep\":1}]",
         "BadRequestException", "min-snapshots"},
        {"[{\"action\":\"set-snapshot-ref\",\"ref-name\":\"x\",\"type\":\"twig\",\"snapshot-id\":"
         "11}]",
         "BadRequestException", "twig"},
        {"[{\"action\":\"set-statistics\",\"statistics\":{\"snapshot-id\":11}}]",
         "BadRequestException", "statistics-path"},
        {"[{\"action\":\"add-encryption-key\"}]", "ValidationException", "version 3"},
    };
    for (size_t i = 0; i < NK_COUNTOF(rows); i++)
        refused(f, rows[i].updates, rows[i].type, rows[i].says);
}

static void statistics_belong_to_their_snapshot(void **state)
{
    fixture *f = *state;
    static const char put[] =
        "{\"action\":\"set-statistics\",\"statistics\":{\"snapshot-id\":11,\"statistics-path\":"
        "\"s3://b/p%d\"}}";
    char two[600];
    int n = snprintf(two, sizeof two, "[");
    n += snprintf(two + n, sizeof two - (size_t)n, put, 1);
    n += snprintf(two + n, sizeof two - (size_t)n, ",");
    n += snprintf(two + n, sizeof two - (size_t)n, put, 2);
    snprintf(two + n, sizeof two - (size_t)n, "]");
    accepted(f, two, "statistics", "[{\"snapshot-id\":11,\"statistics-path\":\"s3://b/p2\"}]");
    snprintf(two + n, sizeof two - (size_t)n,
             ",{\"action\":\"remove-snapshots\",\"snapshot-ids\":[11]}]");
    nk_code rc;
    assert_null(nk_json_get(edit(f, base_text, two, &rc), "statistics"));
}

static void version_1_becomes_one_form(void **state)
{
    fixture *f = *state;
    static const char v1[] =
        "{\"format-version\":1,\"location\":\"s3://b/t\",\"last-updated-ms\":1,\"last-column-id\":"
        "2,\"schema\":{\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"a\",\"required\":false,"
        "\"type\":\"long\"},{\"id\":2,\"name\":\"b\",\"required\":false,\"type\":\"string\"}]},"
        "\"partition-spec\":[{\"source-id\":2,\"name\":\"b\",\"transform\":\"identity\"}],"
        "\"properties\":{},\"current-snapshot-id\":5,\"snapshots\":[{\"snapshot-id\":5,"
        "\"timestamp-ms\":1,\"manifest-list\":\"x\"}]}";
    nk_json *root;
    assert_int_equal(nk_ice_table_parse(nk_str_c(v1), f->a, &root, &f->err), NK_OK);
    assert_int_equal(nk_ice_array(root, "schemas")->count, 1);
    assert_int_equal(nk_json_i64(root, "last-partition-id", 0), 1000);
    assert_true(nk_ice_same(nk_ice_object(root, "refs"),
                            json(f, "{\"main\":{\"snapshot-id\":5,\"type\":\"branch\"}}"), NULL));
    nk_code rc;
    nk_json *again =
        edit(f, v1, "[{\"action\":\"set-properties\",\"updates\":{\"x\":\"y\"}}]", &rc);
    assert_non_null(again);
    assert_non_null(nk_json_get(again, "schema"));
    assert_true(nk_ice_same(
        nk_json_get(again, "partition-spec"),
        json(f, "[{\"source-id\":2,\"name\":\"b\",\"transform\":\"identity\",\"field-id\":1000}]"),
        NULL));
    assert_true(nk_json_str(again, "table-uuid").n == 36);
}

static void requirements(void **state)
{
    fixture *f = *state;
    nk_json *root;
    assert_int_equal(nk_ice_table_parse(nk_str_c(base_text), f->a, &root, NULL), NK_OK);
    static const struct {
        const char *json, *type; /* NULL: met */
    } rows[] = {
        {"[]", NULL},
        {"null", NULL},
        {"[{\"type\":\"assert-table-uuid\",\"uuid\":\"11111111-2222-4333-8444-555555555555\"}]",
         NULL},
        {"[{\"type\":\"assert-table-uuid\",\"uuid\":\"x\"}]", "CommitFailedException"},
        {"[{\"type\":\"assert-create\"}]", "CommitFailedException"},
        {"[{\"type\":\"assert-ref-snapshot-id\",\"ref\":\"main\",\"snapshot-id\":22}]", NULL},
        {"[{\"type\":\"assert-ref-snapshot-id\",\"ref\":\"main\",\"snapshot-id\":11}]",
         "CommitFailedException"},
        {"[{\"type\":\"assert-ref-snapshot-id\",\"ref\":\"main\",\"snapshot-id\":null}]",
         "CommitFailedException"},
        {"[{\"type\":\"assert-ref-snapshot-id\",\"ref\":\"none\",\"snapshot-id\":null}]", NULL},
        {"[{\"type\":\"assert-ref-snapshot-id\",\"snapshot-id\":null}]", "BadRequestException"},
        {"[{\"type\":\"assert-current-schema-id\",\"current-schema-id\":0}]", NULL},
        {"[{\"type\":\"assert-current-schema-id\"}]", "BadRequestException"},
        {"[{\"type\":\"assert-last-assigned-field-id\",\"last-assigned-field-id\":4}]",
         "CommitFailedException"},
        {"[{\"type\":\"assert-view-uuid\",\"uuid\":\"x\"}]", "BadRequestException"},
        {"{}", "BadRequestException"},
    };
    for (size_t i = 0; i < NK_COUNTOF(rows); i++) {
        f->err = (nk_err)NK_ERR_INIT;
        nk_code rc = nk_ice_require(root, false, json(f, rows[i].json), &f->err);
        if ((rc == NK_OK) != !rows[i].type || (rows[i].type && strcmp(f->err.aws, rows[i].type)))
            fail_msg("%s: %s %s", rows[i].json, f->err.aws, f->err.msg);
    }
    assert_int_equal(nk_ice_require(NULL, false, json(f, "[{\"type\":\"assert-create\"}]"), NULL),
                     NK_OK);
    assert_int_equal(nk_ice_require(NULL, false,
                                    json(f, "[{\"type\":\"assert-table-uuid\",\"uuid\":\"x\"}]"),
                                    NULL),
                     NK_E_CONFLICT);
}

static void hive_names(void **state)
{
    fixture *f = *state;
    static const char *const rows[][2] = {
        {"\"long\"", "bigint"},
        {"\"decimal(9, 2)\"", "decimal(9,2)"},
        {"\"fixed[16]\"", "binary"},
        {"\"uuid\"", "string"},
        {"\"timestamptz\"", "timestamp"},
        {"{\"type\":\"list\",\"element-id\":1,\"element\":{\"type\":\"map\",\"key-id\":2,\"key\":"
         "\"string\",\"value-id\":3,\"value\":\"double\"}}",
         "array<map<string,double>>"},
        {"{\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"x\",\"required\":true,\"type\":"
         "\"int\"},{\"id\":2,\"name\":\"y\",\"required\":true,\"type\":\"date\"}]}",
         "struct<x:int,y:date>"},
    };
    for (size_t i = 0; i < NK_COUNTOF(rows); i++) {
        nk_buf b;
        nk_buf_init(&b, 1 << 16);
        assert_int_equal(nk_ice_hive_type(json(f, rows[i][0]), &b), NK_OK);
        assert_string_equal(b.p, rows[i][1]);
        nk_buf_free(&b);
    }
}

static void trees(void **state)
{
    fixture *f = *state;
    nk_ice_tree t = {.a = f->a};
    nk_json *o = json(f, "{\"a\":1,\"b\":2,\"a\":3,\"c\":4}");
    nk_ice_knum(&t, o, "a", 9);
    assert_true(nk_ice_same(o, json(f, "{\"b\":2,\"c\":4,\"a\":9}"), NULL));
    assert_int_equal(o->count, 3);
    nk_ice_del(o, NK_STR("c"));
    nk_ice_knum(&t, o, "d", 5);
    assert_true(nk_ice_same(o, json(f, "{\"a\":9,\"b\":2,\"d\":5,\"n\":null}"), NULL));
    assert_true(nk_str_is(o->last->key, "d"));
    assert_false(nk_ice_same(o, json(f, "{\"a\":9,\"b\":2,\"d\":6}"), NULL));
    assert_true(nk_ice_same(o, json(f, "{\"a\":9,\"b\":2,\"d\":6}"), "d"));
    assert_false(nk_ice_same(json(f, "[1,2]"), json(f, "[1]"), NULL));
    nk_ice_set(&t, o, NK_STR("x"), NULL);
    assert_true(t.failed);
}

static nk_code all_of_it(void)
{
    nk_arena *a = nk_arena_create(0);
    nk_json *root, *updates_, *schema;
    nk_ice_edit e;
    nk_buf b;
    nk_strs dropped = {0};
    nk_buf_init(&b, 1 << 20);
    nk_code rc = NK_E_NOMEM;
    if (!a)
        return rc;
    NK_TRY_GOTO(rc, nk_ice_table_parse(NK_STR(base_text), a, &root, NULL), done);
    NK_TRY_GOTO(
        rc,
        nk_json_parse(NK_STR("[" SNAP(33, 22, 3, 3000) "," MAIN(
                          33) ",{\"action\":\"remove-snapshots\",\"snapshot-ids\":[11]},{"
                              "\"action\":\"set-properties\",\"updates\":{\"a\":\"b\"}},{"
                              "\"action\":\"add-spec\",\"spec\":{\"fields\":[{\"source-id\":2,"
                              "\"name\":\"b\",\"transform\":\"identity\"}]}},{\"action\":"
                              "\"add-schema\",\"schema\":{\"type\":\"struct\",\"fields\":[{\"id\":"
                              "1,\"name\":\"a\",\"required\":true,\"type\":\"long\"}]}}]"),
                      a, 0, &updates_, NULL),
        done);
    nk_ice_edit_begin(&e, a, false, root, 9000, NK_STR("u"));
    NK_TRY_GOTO(rc, nk_ice_edit_apply(&e, updates_, NULL), done);
    NK_TRY_GOTO(rc, nk_ice_edit_finish(&e, NK_STR("x"), &dropped, NULL), done);
    NK_TRY_GOTO(rc, nk_ice_table_write(&e.t, e.root, &b, NULL), done);
    NK_TRY_GOTO(rc,
                nk_json_parse(NK_STR("{\"fields\":[{\"id\":4,\"name\":\"m\",\"required\":true,"
                                     "\"type\":{\"type\":\"map\",\"key-id\":5,\"key\":\"int\","
                                     "\"value-id\":6,\"value\":\"date\"}}]}"),
                              a, 0, &schema, NULL),
                done);
    nk_ice_edit_begin(&e, a, false, NULL, 9000, NK_STR("u"));
    nk_ice_create c = {.location = NK_STR("s3://b/t"), .schema = schema};
    NK_TRY_GOTO(rc, nk_ice_table_create(&e, &c, NULL), done);
done:
    nk_buf_free(&b);
    nk_arena_destroy(a);
    return rc;
}

static void survives_every_failed_allocation(void **state)
{
    for (size_t k = 1;; k++) {
        nk_fault_alloc(k);
        nk_code rc = all_of_it();
        bool beyond = nk_fault_alloc(0) < k;
        if (rc != (beyond ? NK_OK : NK_E_NOMEM))
            fail_msg("allocation %zu: %s", k, nk_code_name(rc));
        if (beyond)
            break;
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(updates),
        T(schemas_specs_and_orders),
        T(refusals),
        T(statistics_belong_to_their_snapshot),
        T(version_1_becomes_one_form),
        T(requirements),
        T(hive_names),
        T(trees),
        T(survives_every_failed_allocation),
    };
    return cmocka_run_group_tests_name("iceberg_meta", tests, NULL, NULL);
}
