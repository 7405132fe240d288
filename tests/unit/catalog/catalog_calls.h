/* Operations called without HTTP: JSON in, JSON or an exception out, each in its own transaction.
 */
#ifndef CATALOG_CALLS_H
#define CATALOG_CALLS_H

#include <stdio.h>
#include <stdlib.h>

#include "catalog/catalog.h"
#include "model/glue_handlers.h"

typedef struct handler_row {
    const char *name;
    nk_handler fn;
    nk_op_mode mode;
} handler_row;

#define ROW(op, mode)                                                                              \
    {                                                                                              \
#op, (nk_handler)(void (*)(void))glue_##op, NK_OP_##mode                                   \
    }
static const handler_row handlers[] = {
    ROW(CreateDatabase, WRITE),
    ROW(GetDatabase, READ),
    ROW(GetDatabases, READ),
    ROW(UpdateDatabase, WRITE),
    ROW(DeleteDatabase, WRITE),
    ROW(CreateTable, WRITE),
    ROW(GetTable, READ),
    ROW(GetTables, READ),
    ROW(UpdateTable, WRITE),
    ROW(DeleteTable, WRITE),
    ROW(BatchDeleteTable, WRITE),
    ROW(GetTableVersion, READ),
    ROW(GetTableVersions, READ),
    ROW(DeleteTableVersion, WRITE),
    ROW(BatchDeleteTableVersion, WRITE),
    ROW(CreatePartition, WRITE),
    ROW(BatchCreatePartition, WRITE),
    ROW(GetPartition, READ),
    ROW(BatchGetPartition, READ),
    ROW(GetPartitions, READ),
    ROW(UpdatePartition, WRITE),
    ROW(BatchUpdatePartition, WRITE),
    ROW(DeletePartition, WRITE),
    ROW(BatchDeletePartition, WRITE),
    ROW(SearchTables, SLOW),
    ROW(CreateCatalog, WRITE),
    ROW(GetCatalog, READ),
    ROW(GetCatalogs, READ),
    ROW(UpdateCatalog, WRITE),
    ROW(DeleteCatalog, WRITE),
    ROW(CreatePartitionIndex, WRITE),
    ROW(GetPartitionIndexes, READ),
    ROW(DeletePartitionIndex, WRITE),
    ROW(UpdateColumnStatisticsForTable, WRITE),
    ROW(GetColumnStatisticsForTable, READ),
    ROW(DeleteColumnStatisticsForTable, WRITE),
    ROW(UpdateColumnStatisticsForPartition, WRITE),
    ROW(GetColumnStatisticsForPartition, READ),
    ROW(DeleteColumnStatisticsForPartition, WRITE),
    ROW(GetColumnStatisticsTaskRun, READ),
    ROW(GetColumnStatisticsTaskRuns, READ),
    ROW(ListColumnStatisticsTaskRuns, READ),
    ROW(CreateColumnStatisticsTaskSettings, WRITE),
    ROW(GetColumnStatisticsTaskSettings, READ),
    ROW(UpdateColumnStatisticsTaskSettings, WRITE),
    ROW(DeleteColumnStatisticsTaskSettings, WRITE),
    ROW(StartColumnStatisticsTaskRunSchedule, WRITE),
    ROW(StopColumnStatisticsTaskRunSchedule, WRITE),
    ROW(GetUnfilteredTableMetadata, READ),
    ROW(GetUnfilteredPartitionMetadata, READ),
    ROW(GetUnfilteredPartitionsMetadata, READ),
    ROW(CreateUserDefinedFunction, WRITE),
    ROW(GetUserDefinedFunction, READ),
    ROW(GetUserDefinedFunctions, READ),
    ROW(UpdateUserDefinedFunction, WRITE),
    ROW(DeleteUserDefinedFunction, WRITE),
    ROW(CreateConnection, WRITE),
    ROW(GetConnection, READ),
    ROW(GetConnections, READ),
    ROW(UpdateConnection, WRITE),
    ROW(DeleteConnection, WRITE),
    ROW(BatchDeleteConnection, WRITE),
    ROW(TestConnection, READ),
    ROW(RegisterConnectionType, WRITE),
    ROW(DeleteConnectionType, WRITE),
    ROW(PutDataCatalogExportConfiguration, WRITE),
    ROW(GetDataCatalogExportConfiguration, READ),
    ROW(ListConnectionTypes, READ),
    ROW(DescribeConnectionType, READ),
    ROW(PutResourcePolicy, WRITE),
    ROW(GetResourcePolicy, READ),
    ROW(GetResourcePolicies, READ),
    ROW(DeleteResourcePolicy, WRITE),
    ROW(PutDataCatalogEncryptionSettings, WRITE),
    ROW(GetDataCatalogEncryptionSettings, READ),
    ROW(CreateSecurityConfiguration, WRITE),
    ROW(GetSecurityConfiguration, READ),
    ROW(GetSecurityConfigurations, READ),
    ROW(DeleteSecurityConfiguration, WRITE),
    ROW(TagResource, WRITE),
    ROW(UntagResource, WRITE),
    ROW(GetTags, READ),
    ROW(ImportCatalogToGlue, WRITE),
    ROW(GetCatalogImportStatus, READ),
};

typedef struct catalog {
    char dir[64], path[96];
    nk_store *store;
    nk_app app;
    nk_settings settings;
    const char *region;
} catalog;

typedef struct reply {
    nk_arena *arena; /* owned; reply_free */
    nk_code code;
    nk_err err;
    const nk_op *op;
    const handler_row *h;
    nk_call call;
    void *in, *out;
    nk_str json; /* when code is NK_OK */
    nk_json *tree;
} reply;

static nk_code run_handler(nk_tx *tx, void *arg, nk_err *err)
{
    reply *r = arg;
    r->call.tx = tx;
    r->call.err = err;
    memset(r->out, 0, r->op->output->size);
    NK_TRY(r->h->fn(&r->call, r->in, r->out));
    return nk_model_encode_str(r->op->output, r->out, r->arena, &r->json, err);
}

/* As far as a sound request. */
static reply call_prepare(catalog *c, const char *name, nk_str json)
{
    reply r = {.arena = nk_arena_create(0), .err = NK_ERR_INIT};
    r.op = nk_model_find_op(NK_STR("glue"), nk_str_c(name));
    for (size_t i = 0; i < NK_COUNTOF(handlers); i++)
        if (!strcmp(handlers[i].name, name))
            r.h = &handlers[i];
    if (!r.op || !r.h)
        abort();
    r.call = (nk_call){.app = &c->app,
                       .arena = r.arena,
                       .region = nk_str_c(c->region),
                       .account_id = NK_STR("000000000000"),
                       .operation = nk_str_c(name)};
    json = nk_str_dup(r.arena, json);
    r.out = nk_arena_alloc(r.arena, r.op->output->size);
    r.code = nk_model_decode(r.op->input, json, r.arena, &r.in, &r.err);
    if (r.code == NK_OK)
        r.code = nk_model_validate(r.op->input, r.in, &r.err);
    return r;
}

static void call_run(catalog *c, reply *r)
{
    if (r->h->mode == NK_OP_READ)
        r->code = nk_store_read(c->store, run_handler, r, &r->err);
    else if (r->h->mode == NK_OP_WRITE)
        r->code = nk_store_write(c->store, run_handler, r, &r->err);
    else
        r->code = run_handler(NULL, r, &r->err);
}

__attribute__((unused)) static reply call_op(catalog *c, const char *name, nk_str json)
{
    reply r = call_prepare(c, name, json);
    if (r.code == NK_OK)
        call_run(c, &r);
    if (r.code == NK_OK && nk_json_parse(r.json, r.arena, 0, &r.tree, &r.err) != NK_OK)
        abort();
    return r;
}

static void reply_free(reply *r)
{
    nk_arena_destroy(r->arena);
}

static void catalog_open(catalog *c)
{
    static const nk_kind *const *const kinds[] = {nk_catalog_kinds, NULL};
    nk_store_config config = {.path = c->path, .kinds = kinds};
    nk_err err = NK_ERR_INIT;
    bool ok = nk_store_open(&config, &c->store, &err) == NK_OK;
    c->app.store = c->store;
    c->app.env = nk_env_real();
    c->app.settings = &c->settings;
    c->settings.secret_key = "secret";
    c->settings.account_id = "000000000000";
    if (!ok || nk_catalog_start(&c->app, &err) != NK_OK) {
        fprintf(stderr, "%s\n", err.msg);
        abort();
    }
    if (!c->region)
        c->region = "eu-west-1";
}

#endif
