/* The registry's operations without HTTP: what a failing allocation leaves, deletion in steps,
 * links. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "catalog/catalog.h"
#include "model/glue_handlers.h"
#include "registry/registry_int.h"
#include "registry/subjects.h"

typedef struct fixture {
    char dir[64], path[96];
    nk_store *store;
    nk_app app;
    nk_settings settings;
} fixture;

static void open_store(fixture *f)
{
    static const nk_kind *const *const kinds[] = {nk_catalog_kinds, nk_registry_kinds, NULL};
    nk_store_config config = {.path = f->path, .kinds = kinds};
    nk_err err = NK_ERR_INIT;
    if (nk_store_open(&config, &f->store, &err) != NK_OK)
        fail_msg("%s", err.msg);
    f->app = (nk_app){.env = nk_env_real(), .settings = &f->settings, .store = f->store};
    f->settings.secret_key = "secret";
    if (nk_registry_room_start(&f->app, &err) != NK_OK)
        fail_msg("%s", err.msg);
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    strcpy(f->dir, "/tmp/nk-registry-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/store.db", f->dir);
    open_store(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    nk_registry_room_stop(&f->app);
    nk_store_close(f->store);
    assert_int_equal(nk_file_remove_tree(f->dir, NULL), NK_OK);
    free(f);
    return 0;
}

typedef struct handler {
    const char *name;
    nk_op_mode mode;
    nk_handler fn;
} handler;
#define ROW(op, mode)                                                                              \
    {                                                                                              \
#op, NK_OP_##mode, (nk_handler)(void (*)(void))glue_##op                                   \
    }
static const handler handlers[] = {
    ROW(CreateRegistry, WRITE),
    ROW(DeleteRegistry, WRITE),
    ROW(GetRegistry, READ),
    ROW(CreateSchema, QUICK),
    ROW(GetSchema, READ),
    ROW(ListSchemas, READ),
    ROW(RegisterSchemaVersion, QUICK),
    ROW(GetSchemaVersion, READ),
    ROW(ListSchemaVersions, READ),
    ROW(GetSchemaByDefinition, QUICK),
    ROW(GetSchemaVersionsDiff, SLOW),
    ROW(PutSchemaVersionMetadata, WRITE),
    ROW(QuerySchemaVersionMetadata, READ),
    ROW(DeleteSchemaVersions, WRITE),
    ROW(DeleteSchema, WRITE),
};

typedef struct reply reply;
struct reply {
    nk_arena *arena;
    nk_err err;
    nk_call call;
    const nk_op *op;
    const handler *h;
    void *in, *out;
    nk_str json;
};

static nk_code run_handler(nk_tx *tx, void *arg, nk_err *err)
{
    reply *r = arg;
    r->call.tx = tx;
    r->call.err = err;
    memset(r->out, 0, r->op->output->size);
    r->call.last = (nk_last){0};
    NK_TRY(r->h->fn(&r->call, r->in, r->out));
    return nk_model_encode_str(r->op->output, r->out, r->arena, &r->json, err);
}

static nk_code run_last(nk_tx *tx, void *arg, nk_err *err)
{
    reply *r = arg;
    NK_TRY(r->call.last.write(tx, r->call.last.arg, err));
    return nk_model_encode_str(r->op->output, r->out, r->arena, &r->json, err);
}

/* As the doors do it: again while others get in between. */
static nk_code run_slow(fixture *f, reply *r)
{
    nk_code rc;
    do {
        r->call.quick = r->h->mode == NK_OP_QUICK;
        rc = run_handler(NULL, r, &r->err);
        if (rc == NK_E_NOT_READY && r->call.quick) {
            r->call.quick = false;
            rc = run_handler(NULL, r, &r->err);
        }
        if (rc == NK_OK && r->call.last.write)
            rc = nk_store_write(f->store, run_last, r, &r->err);
    } while (rc == NK_E_CANCELLED);
    return rc;
}

/* The answer's JSON in a buffer of the test's, "" when refused; err may be NULL. */
static nk_code call_op(fixture *f, const char *name, const char *json, char out[4096], nk_err *err)
{
    reply r = {.arena = nk_arena_create(0), .err = NK_ERR_INIT};
    nk_code rc = r.arena ? NK_OK : NK_E_NOMEM;
    if (out)
        out[0] = 0;
    r.op = nk_model_find_op(NK_STR("glue"), nk_str_c(name));
    for (size_t i = 0; i < NK_COUNTOF(handlers); i++)
        if (!strcmp(handlers[i].name, name))
            r.h = &handlers[i];
    r.call = (nk_call){.app = &f->app,
                       .arena = r.arena,
                       .region = NK_STR("eu-west-1"),
                       .account_id = NK_STR("000000000000"),
                       .operation = nk_str_c(name)};
    if (rc == NK_OK)
        rc = nk_model_decode(r.op->input, nk_str_c(json), r.arena, &r.in, &r.err);
    if (rc == NK_OK) {
        r.out = nk_arena_alloc(r.arena, r.op->output->size);
        rc = !r.out                    ? NK_E_NOMEM
             : r.h->mode >= NK_OP_SLOW ? run_slow(f, &r)
             : r.h->mode == NK_OP_READ ? nk_store_read(f->store, run_handler, &r, &r.err)
                                       : nk_store_write(f->store, run_handler, &r, &r.err);
    }
    if (rc == NK_OK && out)
        snprintf(out, 4096, "%.*s", NK_STR_ARG(r.json));
    if (err)
        *err = r.err;
    nk_arena_destroy(r.arena);
    return rc;
}

static void ok(fixture *f, const char *name, const char *json, const char *holds)
{
    char out[4096];
    nk_err err = NK_ERR_INIT;
    nk_code rc = call_op(f, name, json, out, &err);
    if (rc != NK_OK)
        fail_msg("%s: %s: %s", name, nk_code_name(rc), err.msg);
    if (holds && !strstr(out, holds))
        fail_msg("%s: %s", name, out);
}

#define SID "\"SchemaId\":{\"SchemaName\":\"s\",\"RegistryName\":\"r\"}"
#define REC(more)                                                                                  \
    "{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"R\\\",\\\"fields\\\":[{\\\"name\\\":\\\"a\\\"," \
    "\\\"type\\\":\\\"int\\\"}" more "]}"

static const struct step {
    const char *op, *json;
} steps[] = {
    {"CreateRegistry", "{\"RegistryName\":\"r\"}"},
    {"CreateSchema",
     "{\"RegistryId\":{\"RegistryName\":\"r\"},\"SchemaName\":\"s\",\"DataFormat\":\"AVRO\","
     "\"Compatibility\":\"BACKWARD\",\"SchemaDefinition\":\"" REC("") "\",\"Tags\":{\"k\":\"v\"}}"},
    {"RegisterSchemaVersion",
     "{" SID ",\"SchemaDefinition\":\"" REC(
         ",{\\\"name\\\":\\\"b\\\",\\\"type\\\":\\\"int\\\",\\\"default\\\":1}") "\"}"},
    {"PutSchemaVersionMetadata",
     "{" SID ",\"SchemaVersionNumber\":{\"LatestVersion\":true},\"MetadataKeyValue\":{"
     "\"MetadataKey\":\"k\",\"MetadataValue\":\"v\"}}"},
    {"QuerySchemaVersionMetadata", "{" SID ",\"SchemaVersionNumber\":{\"VersionNumber\":2}}"},
    {"GetSchemaVersion", "{" SID ",\"SchemaVersionNumber\":{\"VersionNumber\":1}}"},
    {"GetSchemaByDefinition", "{" SID ",\"SchemaDefinition\":\"" REC("") "\"}"},
    {"GetSchemaVersionsDiff",
     "{" SID ",\"FirstSchemaVersionNumber\":{\"VersionNumber\":1},\"SecondSchemaVersionNumber\":{"
     "\"LatestVersion\":true},\"SchemaDiffType\":\"SYNTAX_DIFF\"}"},
    {"ListSchemaVersions", "{" SID "}"},
    {"ListSchemas", "{}"},
    {"DeleteSchemaVersions", "{" SID ",\"Versions\":\"2\"}"},
    {"DeleteSchema", "{" SID "}"},
};

/* Every allocation of every step fails once: the step is refused for want of memory and leaves
 * nothing, so that it works when it is done again. */
static void memory_may_fail(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < NK_COUNTOF(steps); i++) {
        for (size_t n = 1;; n++) {
            nk_err err = NK_ERR_INIT;
            (void)nk_fault_alloc(n);
            nk_code rc = call_op(f, steps[i].op, steps[i].json, NULL, &err);
            size_t seen = nk_fault_alloc(0);
            /* written, but memory was gone for the answer */
            bool done = rc == NK_E_EXISTS && !strcmp(steps[i].op, "CreateSchema") && n > 1;
            if (rc == NK_OK || done)
                break;
            if (rc != NK_E_NOMEM || seen < n)
                fail_msg("%s, allocation %zu of %zu: %s: %s", steps[i].op, n, seen,
                         nk_code_name(rc), err.msg);
        }
    }
    nk_err err = NK_ERR_INIT;
    assert_int_equal(call_op(f, "GetSchema", "{" SID "}", NULL, &err), NK_E_NOT_FOUND);
    ok(f, "GetRegistry", "{\"RegistryId\":{\"RegistryName\":\"r\"}}", "AVAILABLE");
}

/* A registry of more records than one step purges is gone in the end, also when the store is closed
 * in between; meanwhile its schemas take nothing,
 * and say that they go. */
static void large_registries_go_in_steps(void **state)
{
    fixture *f = *state;
    char json[1024];
    ok(f, "CreateRegistry", "{\"RegistryName\":\"r\"}", NULL);
    for (int i = 0; i < 150; i++) {
        snprintf(json, sizeof json,
                 "{\"RegistryId\":{\"RegistryName\":\"r\"},\"SchemaName\":\"s%d\",\"DataFormat\":"
                 "\"AVRO\",\"Compatibility\":\"NONE\",\"SchemaDefinition\":\"" REC("") "\"}",
                 i);
        ok(f, "CreateSchema", json, "AVAILABLE");
    }
    ok(f, "DeleteRegistry", "{\"RegistryId\":{\"RegistryName\":\"r\"}}", "DELETING");
    nk_err err = NK_ERR_INIT;
    const char *one = "{\"SchemaId\":{\"SchemaName\":\"s149\",\"RegistryName\":\"r\"},"
                      "\"SchemaDefinition\":\"" REC("") "\"}";
    assert_int_equal(call_op(f, "RegisterSchemaVersion", one, NULL, &err), NK_E_NOT_FOUND);
    char answer[4096] = "";
    nk_code got =
        call_op(f, "GetSchema", "{\"SchemaId\":{\"SchemaName\":\"s149\",\"RegistryName\":\"r\"}}",
                answer, &err);
    assert_true(got == NK_E_NOT_FOUND || (got == NK_OK && strstr(answer, "DELETING")));
    nk_registry_room_stop(&f->app);
    nk_store_close(f->store);
    open_store(f);
    nk_code rc;
    do
        rc = call_op(f, "GetRegistry", "{\"RegistryId\":{\"RegistryName\":\"r\"}}", NULL, &err);
    while (rc == NK_OK && usleep(1000) == 0);
    assert_int_equal(rc, NK_E_NOT_FOUND);
    ok(f, "CreateRegistry", "{\"RegistryName\":\"r\"}", NULL);
    ok(f, "ListSchemas", "{\"RegistryId\":{\"RegistryName\":\"r\"}}", "\"Schemas\":[]");
}

static void modes_of_both_doors(void **state)
{
    for (size_t i = 0; i < nk_compat_modes_count; i++) {
        const nk_compat_mode *m = &nk_compat_modes[i];
        assert_int_equal(nk_compat_mode_find(NK_DOOR_GLUE, m->name[NK_DOOR_GLUE]), i);
        if (m->name[NK_DOOR_CONFLUENT].p)
            assert_int_equal(nk_compat_mode_find(NK_DOOR_CONFLUENT, m->name[NK_DOOR_CONFLUENT]), i);
        assert_true(m->all <= (m->backward || m->forward));
    }
    assert_int_equal(nk_compat_mode_find(NK_DOOR_CONFLUENT, NK_STR("DISABLED")), -1);
    assert_true(nk_str_is(nk_compat_modes[NK_COMPAT_NONE].name[0], "NONE"));
    assert_true(nk_str_is(nk_compat_modes[NK_COMPAT_BACKWARD].name[0], "BACKWARD"));
}

static void subjects_are_named(void **state)
{
    static const struct {
        const char *text, *registry, *name; /* registry NULL: refused */
    } cases[] = {
        {"orders-value", "default-registry", "orders-value"},
        {":.other:orders", "other", "orders"},
        {":.:orders", "default-registry", "orders"},
        {":.other", NULL, NULL},
        {":.other:", NULL, NULL},
        {"", NULL, NULL},
        {"a\x01", NULL, NULL},
        {"\xff", NULL, NULL},
    };
    nk_arena *a = nk_arena_create(0);
    nk_reg_ctx ctx = {.arena = a};
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_subject s;
        nk_err err = NK_ERR_INIT;
        nk_code rc = nk_subject_parse(&ctx, nk_str_c(cases[i].text), &s, &err);
        assert_int_equal(rc == NK_OK, cases[i].registry != NULL);
        if (rc != NK_OK) {
            assert_string_equal(err.aws, "42208");
            continue;
        }
        assert_true(nk_str_is(s.registry, cases[i].registry) && nk_str_is(s.name, cases[i].name));
    }
    nk_arena_destroy(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(memory_may_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(large_registries_go_in_steps, setup, teardown),
        cmocka_unit_test(modes_of_both_doors),
        cmocka_unit_test(subjects_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
