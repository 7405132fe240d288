/* CreateTableOptimizer and its kin. */
#include "catalog/history.h"
#include "iceberg/optimizers_int.h"
#include "model/glue_handlers.h"
#include "model/page.h"

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

/* ---- records ---- */

static const nk_col optimizer_cols[] = {
    {"region", NK_COL_TEXT},  {"db", NK_COL_TEXT},     {"tbl", NK_COL_TEXT},  {"type", NK_COL_TEXT},
    {"due", NK_COL_I64},      {"created", NK_COL_I64}, {"seen", NK_COL_TEXT}, {"home", NK_COL_TEXT},
    {"catalog", NK_COL_TEXT}, {"source", NK_COL_I64},
};
static const nk_index optimizer_indexes[] = {{.name = "due", .cols = {OPT_DUE}, .n = 1}};
const nk_kind nk_kind_optimizer = {.name = "glue_table_optimizer",
                                   .version = 2,
                                   .nkey = 4,
                                   .cols = optimizer_cols,
                                   .ncols = NK_COUNTOF(optimizer_cols),
                                   .indexes = optimizer_indexes,
                                   .nindexes = NK_COUNTOF(optimizer_indexes)};

static const nk_col run_cols[] = {{"region", NK_COL_TEXT},
                                  {"db", NK_COL_TEXT},
                                  {"tbl", NK_COL_TEXT},
                                  {"type", NK_COL_TEXT},
                                  {"seq", NK_COL_I64}};
const nk_kind nk_kind_optimizer_run = {.name = "glue_table_optimizer_run",
                                       .version = 1,
                                       .nkey = 5,
                                       .cols = run_cols,
                                       .ncols = NK_COUNTOF(run_cols)};

static const nk_col purge_cols[] = {{"seq", NK_COL_I64}};
const nk_kind nk_kind_purge = {.name = "glue_iceberg_purge",
                               .version = 1,
                               .nkey = 1,
                               .cols = purge_cols,
                               .ncols = NK_COUNTOF(purge_cols)};

_Static_assert(NK_COUNTOF(optimizer_cols) == OPT_COLS, "columns");
_Static_assert(NK_COUNTOF(run_cols) == RUN_COLS, "columns");

static const nk_col cascade_cols[] = {{"region", NK_COL_TEXT},  {"home", NK_COL_TEXT},
                                      {"catalog", NK_COL_TEXT}, {"db", NK_COL_TEXT},
                                      {"tbl", NK_COL_TEXT},     {"type", NK_COL_TEXT}};
const nk_kind nk_kind_cascade = {.name = "glue_optimizer_cascade",
                                 .version = 1,
                                 .nkey = 1,
                                 .cols = cascade_cols,
                                 .ncols = NK_COUNTOF(cascade_cols)};
_Static_assert(NK_COUNTOF(cascade_cols) == CASCADE_COLS, "columns");

static nk_code no_optimizer(nk_err *err, nk_str type, nk_str table)
{
    return nk_fail(err, NK_E_NOT_FOUND, "Table optimizer of type %.*s not found for table %.*s.",
                   NK_STR_ARG(type), NK_STR_ARG(table));
}

static nk_str text_or_null(const nk_val *v)
{
    return v->kind == NK_V_NULL ? NK_STR_NULL : v->s;
}

/* As its catalog says now. */
static nk_code configure(nk_tx *tx, const nk_catalog_ctx *ctx, nk_ice_optimizer *o, nk_err *err)
{
    const glue_CatalogPropertiesOutput *p;
    o->o->configurationSource = NK_STR("catalog");
    NK_TRY(nk_catalog_properties(tx, ctx, &p, err));
    return nk_catalog_optimizer(p, o->type, ctx->arena, &o->o->configuration, err);
}

/* Of the table that was created then, deleted ones too; names as the catalogue has them. */
static nk_code load_any(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database, nk_str table,
                        int64_t created_us, nk_str type, nk_ice_optimizer *out, nk_err *err)
{
    nk_row row;
    nk_code rc =
        nk_store_get(tx, &nk_kind_optimizer,
                     NK_KEY(nk_vs(ctx->region), nk_vs(database), nk_vs(table), nk_vs(type)),
                     ctx->arena, &row, err);
    if (rc == NK_E_NOT_FOUND || (rc == NK_OK && row.cols[OPT_CREATED].i != created_us))
        return no_optimizer(err, type, table);
    NK_TRY(rc);
    *out =
        (nk_ice_optimizer){.region = ctx->region,
                           .database = database,
                           .table = table,
                           .type = type,
                           .due_us = row.cols[OPT_DUE].kind == NK_V_NULL ? 0 : row.cols[OPT_DUE].i,
                           .created_us = created_us,
                           .seen = text_or_null(&row.cols[OPT_SEEN]),
                           .home = row.cols[OPT_HOME].s,
                           .catalog = text_or_null(&row.cols[OPT_CATALOG]),
                           .source = (nk_ice_source)row.cols[OPT_SOURCE].i};
    NK_TRY(
        nk_model_decode(&glue_TableOptimizer_shape, row.body, ctx->arena, (void **)&out->o, err));
    return out->source == OF_CATALOG ? configure(tx, ctx, out, err) : NK_OK;
}

static nk_code load_of(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database, nk_str table,
                       int64_t created_us, nk_str type, nk_ice_optimizer *out, nk_err *err)
{
    NK_TRY(load_any(tx, ctx, database, table, created_us, type, out, err));
    return out->source == DELETED ? no_optimizer(err, type, table) : NK_OK;
}

nk_code nk_ice_optimizer_load(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database, nk_str table,
                              nk_str type, nk_ice_optimizer *out, nk_err *err)
{
    glue_Table *t;
    NK_TRY(nk_catalog_get_table(tx, ctx, database, table, &t, err));
    return load_of(tx, ctx, t->DatabaseName, t->Name, t->CreateTime.us, type, out, err);
}

static bool enabled(const glue_TableOptimizerConfiguration *c)
{
    return !c || nk_bool_or(c->enabled, true);
}

bool nk_ice_optimizer_on(const nk_ice_optimizer *o)
{
    return enabled(o->o->configuration);
}

/* cols: OPT_COLS of them, for the record to stand on. */
static nk_code encode_row(const nk_ice_optimizer *o, nk_arena *a, nk_val *cols, nk_row *out,
                          nk_err *err)
{
    cols[OPT_REGION] = nk_vs(o->region);
    cols[OPT_DATABASE] = nk_vs(o->database);
    cols[OPT_TABLE] = nk_vs(o->table);
    cols[OPT_TYPE] = nk_vs(o->type);
    cols[OPT_DUE] = o->due_us ? nk_vi(o->due_us) : nk_vnull();
    cols[OPT_CREATED] = nk_vi(o->created_us);
    cols[OPT_SEEN] = nk_vs(o->seen);
    cols[OPT_HOME] = nk_vs(o->home);
    cols[OPT_CATALOG] = nk_vs(o->catalog);
    cols[OPT_SOURCE] = nk_vi(o->source);
    *out = (nk_row){.cols = cols};
    return nk_model_encode_str(&glue_TableOptimizer_shape, o->o, a, &out->body, err);
}

nk_code nk_ice_optimizer_save(nk_tx *tx, const nk_ice_optimizer *o, bool insert, nk_arena *a,
                              nk_err *err)
{
    nk_val cols[OPT_COLS];
    nk_row row;
    NK_TRY(encode_row(o, a, cols, &row, err));
    return insert ? nk_store_insert(tx, &nk_kind_optimizer, &row, err)
                  : nk_store_put(tx, &nk_kind_optimizer, &row, err);
}

nk_code nk_ice_optimizer_forget(nk_tx *tx, nk_str region, nk_str database, nk_str table,
                                nk_str type, nk_err *err)
{
    const nk_val key[] = {nk_vs(region), nk_vs(database), nk_vs(table), nk_vs(type)};
    nk_code rc = nk_store_delete(tx, &nk_kind_optimizer, key, err);
    if (rc != NK_OK && rc != NK_E_NOT_FOUND)
        return rc;
    return nk_store_delete_range(tx, &nk_kind_optimizer_run, key, 4, 0, NULL, err);
}

nk_code nk_ice_run_save(nk_tx *tx, const nk_ice_optimizer *o, int64_t seq,
                        const glue_TableOptimizerRun *run, nk_arena *a, nk_err *err)
{
    nk_row row = {.cols = NK_KEY(nk_vs(o->region), nk_vs(o->database), nk_vs(o->table),
                                 nk_vs(o->type), nk_vi(seq))};
    NK_TRY(nk_model_encode_str(&glue_TableOptimizerRun_shape, run, a, &row.body, err));
    return nk_store_put(tx, &nk_kind_optimizer_run, &row, err);
}

/* ---- renaming ---- */

/* What is at work on it finds no table of the old name: its end is told here. */
static bool break_off(nk_ice_optimizer *o, int64_t now_us)
{
    glue_TableOptimizerRun *run = o->o->lastRun;
    if (!run || !nk_str_is(run->eventType, "in_progress"))
        return false;
    run->eventType = NK_STR("failed");
    run->endTimestamp = nk_some_time(now_us);
    run->error = NK_STR("The table was renamed while the optimizer ran");
    o->due_us = now_us;
    return true;
}

static nk_code rename_one(nk_tx *tx, const nk_catalog_ctx *ctx, nk_ice_optimizer *o,
                          const glue_Table *to, nk_err *err)
{
    nk_row_list runs = {0};
    const nk_val key[] = {nk_vs(o->region), nk_vs(o->database), nk_vs(o->table), nk_vs(o->type)};
    nk_query q = {.kind = &nk_kind_optimizer_run, .prefix = key, .nprefix = 4};
    NK_TRY(nk_store_rows(tx, &q, ctx->arena, &runs, err));
    NK_TRY(nk_ice_optimizer_forget(tx, o->region, o->database, o->table, o->type, err));
    o->database = to->DatabaseName;
    o->table = to->Name;
    bool broken = break_off(o, ctx->now_us);
    /* another table of this name may have left one */
    NK_TRY(nk_ice_optimizer_forget(tx, o->region, o->database, o->table, o->type, err));
    NK_TRY(nk_ice_optimizer_save(tx, o, true, ctx->arena, err));
    for (size_t i = 0; i < runs.n; i++) {
        nk_val *cols = (nk_val *)(uintptr_t)runs.v[i].cols;
        cols[RUN_REGION] = nk_vs(o->region);
        cols[RUN_DATABASE] = nk_vs(o->database);
        cols[RUN_TABLE] = nk_vs(o->table);
        cols[RUN_TYPE] = nk_vs(o->type);
        NK_TRY(nk_store_put(tx, &nk_kind_optimizer_run, &runs.v[i], err));
    }
    return broken && runs.n ? nk_ice_run_save(tx, o, runs.v[runs.n - 1].cols[RUN_SEQ].i,
                                              o->o->lastRun, ctx->arena, err)
                            : NK_OK;
}

nk_code nk_ice_optimizers_rename(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database,
                                 nk_str table, nk_str to_database, nk_str to_table, nk_err *err)
{
    glue_Table *to;
    NK_TRY(nk_catalog_get_table(tx, ctx, to_database, to_table, &to, err));
    for (size_t i = 0; i < NK_OPTIMIZER_TYPES; i++) {
        nk_ice_optimizer o;
        nk_code rc = load_any(tx, ctx, database, table, to->CreateTime.us,
                              nk_str_c(nk_optimizer_types[i]), &o, err);
        if (rc == NK_E_NOT_FOUND)
            continue;
        NK_TRY(rc);
        NK_TRY(rename_one(tx, ctx, &o, to, err));
    }
    return NK_OK;
}

/* ---- checking ---- */

/* The catalogue that the request names is the one that all of it acts in. */
static void enter(nk_call *call, nk_str id)
{
    call->catalog = id.p && !nk_str_eq(id, call->account_id) ? id : NK_STR_NULL;
}

static nk_str catalog_id(const nk_call *call)
{
    return call->catalog.p ? call->catalog : call->account_id;
}

static nk_code check_config(nk_call *call, nk_str type, const glue_TableOptimizerConfiguration *c)
{
    const struct {
        const char *type, *member;
        const void *given;
    } rows[] = {{"compaction", "compactionConfiguration", c->compactionConfiguration},
                {"retention", "retentionConfiguration", c->retentionConfiguration},
                {"orphan_file_deletion", "orphanFileDeletionConfiguration",
                 c->orphanFileDeletionConfiguration}};
    for (size_t i = 0; i < NK_COUNTOF(rows); i++)
        if (rows[i].given && !nk_str_is(type, rows[i].type))
            return nk_fail(call->err, NK_E_INVALID,
                           "%s does not go with an optimizer of type %.*s.", rows[i].member,
                           NK_STR_ARG(type));
    if (c->vpcConfiguration)
        return nk_fail(call->err, NK_E_INVALID,
                       "vpcConfiguration is not supported: optimizers run on this machine.");
    return nk_optimizer_check(type, c, call->err);
}

/* ---- changing ---- */

typedef struct change {
    nk_call *call;
    nk_str database, table, type;
    const glue_TableOptimizerConfiguration *config;
} change;

static nk_kept kept_of(nk_tx *tx, const nk_catalog_ctx *ctx, const nk_ice_optimizer *o)
{
    return (nk_kept){.tx = tx,
                     .ctx = ctx,
                     .kind = NK_HIST_OPTIMIZER,
                     .space = o->region,
                     .object = nk_str_printf(ctx->arena, "%.*s.%.*s.%.*s", NK_STR_ARG(o->database),
                                             NK_STR_ARG(o->table), NK_STR_ARG(o->type))};
}

/* A request's change: the history has it. */
static nk_code save_kept(nk_tx *tx, const nk_catalog_ctx *ctx, const nk_ice_optimizer *o,
                         nk_err *err)
{
    nk_val cols[OPT_COLS];
    nk_row row;
    nk_kept k = kept_of(tx, ctx, o);
    NK_TRY(encode_row(o, ctx->arena, cols, &row, err));
    return nk_kept_put(&k, &row, false, err);
}

/* A table's own settings in place of those that it had. */
static nk_code override(nk_tx *tx, const nk_catalog_ctx *ctx, nk_ice_optimizer *o,
                        const glue_TableOptimizerConfiguration *config, nk_err *err)
{
    glue_TableOptimizerConfiguration merged = *config;
    const glue_TableOptimizerConfiguration *old = o->o->configuration;
    if (!merged.roleArn.p && old)
        merged.roleArn = old->roleArn;
    o->source = OF_TABLE;
    o->o->configurationSource = NK_STR("table");
    o->o->configuration = &merged;
    o->due_us = enabled(&merged) ? ctx->now_us : 0;
    o->seen = NK_STR_NULL;
    return save_kept(tx, ctx, o, err);
}

static nk_code create_in_tx(nk_tx *tx, void *arg, nk_err *err)
{
    change *c = arg;
    nk_catalog_ctx ctx;
    NK_TRY(nk_ice_ctx(c->call, tx, &ctx, err));
    glue_Table *t;
    nk_ice_optimizer old;
    NK_TRY(nk_catalog_get_table(tx, &ctx, c->database, c->table, &t, err));
    if (!nk_ice_is_iceberg(t))
        return nk_fail(err, NK_E_INVALID, "Table %.*s is not an Iceberg table.",
                       NK_STR_ARG(c->table));
    nk_code rc = nk_ice_optimizer_load(tx, &ctx, c->database, c->table, c->type, &old, err);
    if (rc == NK_OK && old.source == OF_CATALOG)
        return override(tx, &ctx, &old, c->config, err);
    if (rc == NK_OK)
        return nk_fail(err, NK_E_EXISTS,
                       "Table optimizer of type %.*s already exists for table "
                       "%.*s.",
                       NK_STR_ARG(c->type), NK_STR_ARG(c->table));
    if (rc != NK_E_NOT_FOUND)
        return rc;
    /* What another table of this name had goes; the note of a deletion is what the history has
     * before the creation. */
    rc = load_any(tx, &ctx, t->DatabaseName, t->Name, t->CreateTime.us, c->type, &old, err);
    if (rc == NK_E_NOT_FOUND)
        rc = nk_ice_optimizer_forget(tx, ctx.region, t->DatabaseName, t->Name, c->type, err);
    NK_TRY(rc);
    glue_TableOptimizer o = {.type = c->type,
                             .configuration =
                                 (glue_TableOptimizerConfiguration *)(uintptr_t)c->config,
                             .configurationSource = NK_STR("table")};
    nk_ice_optimizer n = {.region = ctx.region,
                          .home = c->call->region,
                          .catalog = c->call->catalog,
                          .database = t->DatabaseName,
                          .table = t->Name,
                          .type = c->type,
                          .due_us = enabled(c->config) ? ctx.now_us : 0,
                          .created_us = t->CreateTime.us,
                          .source = OF_TABLE,
                          .o = &o};
    return save_kept(tx, &ctx, &n, err);
}

static nk_code update_in_tx(nk_tx *tx, void *arg, nk_err *err)
{
    change *c = arg;
    nk_catalog_ctx ctx;
    nk_ice_optimizer o;
    NK_TRY(nk_ice_ctx(c->call, tx, &ctx, err));
    NK_TRY(nk_ice_optimizer_load(tx, &ctx, c->database, c->table, c->type, &o, err));
    return override(tx, &ctx, &o, c->config, err);
}

static nk_code forget_runs(nk_tx *tx, const nk_ice_optimizer *o, nk_err *err)
{
    return nk_store_delete_range(
        tx, &nk_kind_optimizer_run,
        NK_KEY(nk_vs(o->region), nk_vs(o->database), nk_vs(o->table), nk_vs(o->type)), 4, 0, NULL,
        err);
}

/* The note that stays keeps the catalog's from coming back. */
static nk_code delete_in_tx(nk_tx *tx, void *arg, nk_err *err)
{
    change *c = arg;
    nk_catalog_ctx ctx;
    nk_ice_optimizer o;
    NK_TRY(nk_ice_ctx(c->call, tx, &ctx, err));
    NK_TRY(nk_ice_optimizer_load(tx, &ctx, c->database, c->table, c->type, &o, err));
    NK_TRY(forget_runs(tx, &o, err));
    o.source = DELETED;
    o.due_us = 0;
    o.o = &(glue_TableOptimizer){.type = c->type};
    return save_kept(tx, &ctx, &o, err);
}

/* What is put back by an undoing is due at once, and keeps what its last run was. */
static nk_code prepare(nk_call *call, const nk_catalog_ctx *ctx, const nk_row *now, nk_row *put)
{
    glue_Table *t;
    glue_TableOptimizer *o, *old;
    const nk_row *any = put ? put : now;
    nk_val *cols = NK_NEWN(call->arena, nk_val, OPT_COLS);
    if (!cols)
        return nomem(call->err);
    if (!put)
        return nk_store_delete_range(call->tx, &nk_kind_optimizer_run, any->cols, 4, 0, NULL,
                                     call->err);
    NK_TRY(nk_catalog_get_table(call->tx, ctx, put->cols[OPT_DATABASE].s, put->cols[OPT_TABLE].s,
                                &t, call->err));
    if (t->CreateTime.us != put->cols[OPT_CREATED].i)
        return nk_fail(call->err, NK_E_NOT_FOUND, "Another table of the name %.*s is there now.",
                       NK_STR_ARG(t->Name));
    NK_TRY(nk_model_decode(&glue_TableOptimizer_shape, put->body, call->arena, (void **)&o,
                           call->err));
    o->lastRun = NULL;
    if (now) {
        NK_TRY(nk_model_decode(&glue_TableOptimizer_shape, now->body, call->arena, (void **)&old,
                               call->err));
        o->lastRun = old->lastRun;
    }
    memcpy(cols, put->cols, OPT_COLS * sizeof *cols);
    bool on = cols[OPT_SOURCE].i != DELETED && enabled(o->configuration);
    cols[OPT_DUE] = on ? nk_vi(ctx->now_us) : nk_vnull();
    cols[OPT_SEEN] = nk_vnull();
    put->cols = cols;
    return nk_model_encode_str(&glue_TableOptimizer_shape, o, call->arena, &put->body, call->err);
}

void nk_ice_optimizer_history(void)
{
    static const nk_hist_room room = {NK_HIST_OPTIMIZER, &nk_kind_optimizer, prepare};
    nk_history_register(&room);
}

static nk_code apply(nk_call *call, nk_store_fn fn, change *c)
{
    NK_TRY(nk_store_write(call->app->store, fn, c, call->err));
    if (call->app->iceberg)
        nk_ice_optimizers_wake(call->app->iceberg->optimizers);
    return NK_OK;
}

nk_code glue_CreateTableOptimizer(nk_call *call, const glue_CreateTableOptimizerRequest *in,
                                  glue_CreateTableOptimizerResponse *out)
{
    change c = {call, in->DatabaseName, in->TableName, in->Type, in->TableOptimizerConfiguration};
    enter(call, in->CatalogId);
    NK_TRY(check_config(call, in->Type, c.config));
    return apply(call, create_in_tx, &c);
}

nk_code glue_UpdateTableOptimizer(nk_call *call, const glue_UpdateTableOptimizerRequest *in,
                                  glue_UpdateTableOptimizerResponse *out)
{
    change c = {call, in->DatabaseName, in->TableName, in->Type, in->TableOptimizerConfiguration};
    enter(call, in->CatalogId);
    NK_TRY(check_config(call, in->Type, c.config));
    return apply(call, update_in_tx, &c);
}

nk_code glue_DeleteTableOptimizer(nk_call *call, const glue_DeleteTableOptimizerRequest *in,
                                  glue_DeleteTableOptimizerResponse *out)
{
    change c = {call, in->DatabaseName, in->TableName, in->Type, NULL};
    enter(call, in->CatalogId);
    return apply(call, delete_in_tx, &c);
}

/* ---- what a catalog asks for ---- */

/* true when there was none of that type, and there is one now. */
static nk_code inherit_one(nk_tx *tx, const nk_catalog_ctx *ctx, const glue_Table *t, nk_str type,
                           bool *made, nk_err *err)
{
    nk_ice_optimizer old;
    nk_code rc = load_any(tx, ctx, t->DatabaseName, t->Name, t->CreateTime.us, type, &old, err);
    if (rc != NK_E_NOT_FOUND)
        return rc;
    NK_TRY(nk_ice_optimizer_forget(tx, ctx->region, t->DatabaseName, t->Name, type, err));
    nk_ice_optimizer o = {.source = OF_CATALOG,
                          .region = ctx->region,
                          .home = ctx->home,
                          .catalog = ctx->catalog_id,
                          .database = t->DatabaseName,
                          .table = t->Name,
                          .type = type,
                          .due_us = ctx->now_us,
                          .created_us = t->CreateTime.us,
                          .o = &(glue_TableOptimizer){.type = type}};
    *made = true;
    return nk_ice_optimizer_save(tx, &o, true, ctx->arena, err);
}

nk_code nk_ice_inherit(void *arg, nk_tx *tx, const nk_catalog_ctx *ctx, const glue_Table *table,
                       const glue_CatalogPropertiesOutput *properties, nk_err *err)
{
    bool made = false;
    if (!properties->IcebergOptimizationProperties || !nk_ice_is_iceberg(table))
        return NK_OK;
    for (size_t i = 0; i < NK_OPTIMIZER_TYPES; i++) {
        glue_TableOptimizerConfiguration *c;
        nk_str type = nk_str_c(nk_optimizer_types[i]);
        NK_TRY(nk_catalog_optimizer(properties, type, ctx->arena, &c, err));
        if (enabled(c))
            NK_TRY(inherit_one(tx, ctx, table, type, &made, err));
    }
    if (made)
        nk_ice_optimizers_wake_after(arg);
    return NK_OK;
}

nk_code nk_ice_catalog_changed(void *arg, nk_tx *tx, const nk_catalog_ctx *ctx, nk_err *err)
{
    const nk_val cols[CASCADE_COLS] = {[CASCADE_REGION] = nk_vs(ctx->region),
                                       [CASCADE_HOME] =
                                           nk_vs(ctx->home.p ? ctx->home : ctx->region),
                                       [CASCADE_CATALOG] = nk_vs(ctx->catalog_id)};
    nk_row row = {.cols = cols, .body = NK_STR("{}")};
    nk_ice_optimizers_wake_after(arg);
    return nk_store_put(tx, &nk_kind_cascade, &row, err);
}

enum { CASCADE_STEP = 500 };

typedef struct cascade {
    nk_arena *a;
    nk_row_list rows;
    size_t seen;
    nk_val last[4]; /* of the optimizer seen last */
    bool failed;
} cascade;

static bool of_catalog(void *arg, const nk_row *row)
{
    cascade *c = arg;
    nk_row *copy;
    c->seen++;
    if (row->cols[OPT_SOURCE].i != OF_CATALOG && c->seen < CASCADE_STEP)
        return true;
    copy = nk_row_list_add(&c->rows, c->a);
    c->failed = !copy || nk_row_dup(&nk_kind_optimizer, row, c->a, copy) != NK_OK;
    if (!c->failed)
        memcpy(c->last, copy->cols, sizeof c->last);
    return !c->failed;
}

/* They are due, or off, as the properties say now. */
static nk_code make_due(nk_tx *tx, const nk_catalog_ctx *ctx, const cascade *c, nk_err *err)
{
    const glue_CatalogPropertiesOutput *p;
    NK_TRY(nk_catalog_properties(tx, ctx, &p, err));
    for (size_t i = 0; i < c->rows.n; i++) {
        glue_TableOptimizerConfiguration *config;
        nk_val *cols = (nk_val *)(uintptr_t)c->rows.v[i].cols;
        if (cols[OPT_SOURCE].i != OF_CATALOG)
            continue;
        NK_TRY(nk_catalog_optimizer(p, cols[OPT_TYPE].s, ctx->arena, &config, err));
        cols[OPT_DUE] = enabled(config) ? nk_vi(ctx->now_us) : nk_vnull();
        cols[OPT_SEEN] = nk_vnull();
        NK_TRY(nk_store_put(tx, &nk_kind_optimizer, &c->rows.v[i], err));
    }
    return NK_OK;
}

nk_code nk_ice_cascade(nk_tx *tx, void *arg, nk_err *err)
{
    nk_ice_cascade_step *step = arg;
    cascade c = {.a = step->arena};
    nk_row_list first = {0};
    nk_query notes = {.kind = &nk_kind_cascade, .limit = 1};
    step->more = false;
    NK_TRY(nk_store_rows(tx, &notes, step->arena, &first, err));
    if (!first.n)
        return NK_OK;
    nk_val *note = (nk_val *)(uintptr_t)first.v[0].cols;
    nk_pos after = {
        .v = {note[CASCADE_REGION], note[CASCADE_DB], note[CASCADE_TBL], note[CASCADE_TYPE]},
        .n = 4};
    nk_query q = {.kind = &nk_kind_optimizer,
                  .prefix = note,
                  .nprefix = 1,
                  .after = note[CASCADE_DB].kind == NK_V_NULL ? NULL : &after,
                  .limit = CASCADE_STEP};
    nk_catalog_ctx ctx = {.region = note[CASCADE_REGION].s,
                          .home = note[CASCADE_HOME].s,
                          .catalog_id = text_or_null(&note[CASCADE_CATALOG]),
                          .account_id = nk_str_c(step->app->settings->account_id),
                          .now_us = nk_now_us(step->app->env),
                          .arena = step->arena};
    NK_TRY(nk_store_scan(tx, &q, of_catalog, &c, err));
    if (c.failed)
        return nomem(err);
    NK_TRY(make_due(tx, &ctx, &c, err));
    step->more = true;
    if (c.seen < CASCADE_STEP)
        return nk_store_delete(tx, &nk_kind_cascade, note, err);
    memcpy(&note[CASCADE_DB], &c.last[OPT_DATABASE], 3 * sizeof *note);
    return nk_store_put(tx, &nk_kind_cascade, &first.v[0], err);
}

/* ---- reading ---- */

nk_code glue_GetTableOptimizer(nk_call *call, const glue_GetTableOptimizerRequest *in,
                               glue_GetTableOptimizerResponse *out)
{
    nk_catalog_ctx ctx;
    nk_ice_optimizer o;
    enter(call, in->CatalogId);
    NK_TRY(nk_ice_ctx(call, call->tx, &ctx, call->err));
    NK_TRY(nk_ice_optimizer_load(call->tx, &ctx, in->DatabaseName, in->TableName, in->Type, &o,
                                 call->err));
    out->CatalogId = catalog_id(call);
    out->DatabaseName = o.database;
    out->TableName = o.table;
    out->TableOptimizer = o.o;
    return NK_OK;
}

static nk_code batch_one(nk_call *call, const glue_BatchGetTableOptimizerEntry *e,
                         glue_BatchTableOptimizer *got, nk_err *err)
{
    nk_catalog_ctx ctx;
    nk_ice_optimizer o;
    nk_call one = *call;
    one.err = err;
    enter(&one, e->catalogId);
    NK_TRY(nk_ice_ctx(&one, call->tx, &ctx, err));
    if (!e->databaseName.p || !e->tableName.p || !e->type.p)
        return nk_fail(err, NK_E_INVALID, "databaseName, tableName and type must be given.");
    NK_TRY(nk_ice_optimizer_load(call->tx, &ctx, e->databaseName, e->tableName, e->type, &o, err));
    *got = (glue_BatchTableOptimizer){.catalogId = catalog_id(&one),
                                      .databaseName = o.database,
                                      .tableName = o.table,
                                      .tableOptimizer = o.o};
    return NK_OK;
}

nk_code glue_BatchGetTableOptimizer(nk_call *call, const glue_BatchGetTableOptimizerRequest *in,
                                    glue_BatchGetTableOptimizerResponse *out)
{
    size_t n = in->Entries.n;
    out->TableOptimizers.v = NK_NEWN(call->arena, glue_BatchTableOptimizer, n + 1);
    out->Failures.v = NK_NEWN(call->arena, glue_BatchGetTableOptimizerError, n + 1);
    out->TableOptimizers.set = out->Failures.set = true;
    if (!out->TableOptimizers.v || !out->Failures.v)
        return nomem(call->err);
    for (size_t i = 0; i < n; i++) {
        const glue_BatchGetTableOptimizerEntry *e = &in->Entries.v[i];
        nk_err err = NK_ERR_INIT;
        nk_code rc = batch_one(call, e, &out->TableOptimizers.v[out->TableOptimizers.n], &err);
        if (rc == NK_OK) {
            out->TableOptimizers.n++;
            continue;
        }
        if (nk_code_status(rc) >= 500) {
            *call->err = err;
            return rc;
        }
        glue_ErrorDetail *d = NK_NEW(call->arena, glue_ErrorDetail);
        if (!d)
            return nomem(call->err);
        d->ErrorCode = nk_str_c(nk_code_aws(rc));
        d->ErrorMessage = nk_str_dup(call->arena, nk_str_c(err.msg));
        out->Failures.v[out->Failures.n++] =
            (glue_BatchGetTableOptimizerError){.error = d,
                                               .catalogId = e->catalogId,
                                               .databaseName = e->databaseName,
                                               .tableName = e->tableName,
                                               .type = e->type};
    }
    return NK_OK;
}

NK_LIST(run_list, glue_TableOptimizerRun);

typedef struct lister {
    nk_call *call;
    size_t max;
    bool more;
    int64_t last;
    run_list list;
    bool failed;
} lister;

static bool collect(void *arg, const nk_row *row)
{
    lister *l = arg;
    if (l->list.n == l->max) {
        l->more = true;
        return false;
    }
    glue_TableOptimizerRun *r = run_list_add(&l->list, l->call->arena);
    if (r)
        r->raw_ = nk_str_dup(l->call->arena, row->body);
    l->last = row->cols[RUN_SEQ].i;
    l->failed = !r || !r->raw_.p;
    return !l->failed;
}

/* Newest first. */
nk_code glue_ListTableOptimizerRuns(nk_call *call, const glue_ListTableOptimizerRunsRequest *in,
                                    glue_ListTableOptimizerRunsResponse *out)
{
    nk_catalog_ctx ctx;
    nk_ice_optimizer o;
    nk_str place;
    int64_t max = nk_i64_or(in->MaxResults, 100);
    lister l = {.call = call};
    enter(call, in->CatalogId);
    NK_TRY(nk_ice_ctx(call, call->tx, &ctx, call->err));
    if (max < 1)
        return nk_fail(call->err, NK_E_INVALID, "MaxResults must be 1 or more.");
    l.max = max > 1000 ? 1000 : (size_t)max;
    NK_TRY(nk_ice_optimizer_load(call->tx, &ctx, in->DatabaseName, in->TableName, in->Type, &o,
                                 call->err));
    nk_str request = nk_str_printf(call->arena, "%.*s/%.*s/%.*s", NK_STR_ARG(o.database),
                                   NK_STR_ARG(o.table), NK_STR_ARG(o.type));
    if (!request.p)
        return nomem(call->err);
    NK_TRY(nk_page_open(call, request, in->NextToken, &place));
    nk_pos after = {.v = {nk_vs(o.region), nk_vs(o.database), nk_vs(o.table), nk_vs(o.type)},
                    .n = RUN_COLS};
    nk_query q = {.kind = &nk_kind_optimizer_run,
                  .prefix = after.v,
                  .nprefix = 4,
                  .desc = true,
                  .limit = l.max + 1};
    if (place.p) {
        if (place.n != sizeof l.last)
            return nk_fail(call->err, NK_E_INVALID, "Invalid NextToken.");
        memcpy(&l.last, place.p, sizeof l.last);
        after.v[RUN_SEQ] = nk_vi(l.last);
        q.after = &after;
    }
    NK_TRY(nk_store_scan(call->tx, &q, collect, &l, call->err));
    if (l.failed)
        return nomem(call->err);
    out->CatalogId = catalog_id(call);
    out->DatabaseName = o.database;
    out->TableName = o.table;
    out->TableOptimizerRuns =
        (glue_TableOptimizerRun_list){.v = l.list.v, .n = l.list.n, .set = true};
    if (!l.more)
        return NK_OK;
    return nk_page_token(call, request, nk_str_n((const char *)&l.last, sizeof l.last),
                         &out->NextToken);
}
