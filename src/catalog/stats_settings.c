/* The settings of a table's statistics runs, and their schedules. */
#include <stdio.h>

#include "catalog/history_int.h"
#include "catalog/properties_int.h"
#include "catalog/stats_int.h"

static const nk_col cols[] = {{"tbl", NK_COL_I64}, {"region", NK_COL_TEXT}, {"cron", NK_COL_TEXT}};
static const nk_index indexes[] = {{.name = "by_cron", .cols = {SET_CRON}, .n = 1}};
const nk_kind nk_kind_stats_settings = {.name = "glue_stats_settings",
                                        .version = 1,
                                        .nkey = 1,
                                        .cols = cols,
                                        .ncols = SET_NCOLS,
                                        .indexes = indexes,
                                        .nindexes = 1};
static const nk_doc_type type = {&nk_kind_stats_settings, &glue_ColumnStatisticsTaskSettings_shape,
                                 "Column statistics task settings of table"};

typedef glue_ColumnStatisticsTaskSettings settings;

typedef struct subject {
    nk_catalog_ctx ctx;
    nk_table_row table;
} subject;

static nk_code open_table(nk_call *call, nk_str catalog, nk_str database, nk_str table, subject *s)
{
    NK_TRY(nk_catalog_open(call, catalog, &s->ctx));
    if (s->ctx.catalog_id.p)
        return nk_fail(call->err, NK_E_INVALID,
                       "Statistics are computed for tables of the account's own catalog only.");
    return nk_table_follow(call->tx, &s->ctx, database, table, &s->table, call->err);
}

static bool of_catalog(const settings *x)
{
    return nk_str_is(x->SettingSource, "CATALOG");
}

/* The catalog's settings have the role that it asks for now. *off: it asks for none any more. */
static nk_code resolve(nk_tx *tx, const nk_catalog_ctx *ctx, settings *x, bool *off, nk_err *err)
{
    const glue_CatalogPropertiesOutput *p;
    *off = false;
    if (!of_catalog(x))
        return NK_OK;
    NK_TRY(nk_catalog_properties(tx, ctx, &p, err));
    x->Role = nk_catalog_statistics_role(p);
    *off = !x->Role.n;
    return NK_OK;
}

static nk_code load(nk_call *call, const subject *s, settings **out)
{
    bool off;
    nk_catalog_ctx there = s->ctx;
    there.region = s->table.space;
    NK_TRY(nk_doc_load(call->tx, &type, NK_KEY(nk_vi(s->table.id)), s->table.name, call->arena,
                       (void **)out, NULL, call->err));
    NK_TRY(resolve(call->tx, &there, *out, &off, call->err));
    return off ? nk_fail(call->err, NK_E_NOT_FOUND, "%s %.*s not found.", type.noun,
                         NK_STR_ARG(s->table.name))
               : NK_OK;
}

/* p NULL while it is not scheduled. */
static nk_str cron_of(const settings *s)
{
    bool on = s->Schedule && nk_str_is(s->Schedule->State, "SCHEDULED");
    return on ? s->Schedule->ScheduleExpression : NK_STR_NULL;
}

static nk_kept kept_of(nk_call *call, const subject *s)
{
    return (nk_kept){.tx = call->tx,
                     .ctx = &s->ctx,
                     .kind = NK_HIST_STATS_SETTINGS,
                     .space = s->table.space,
                     .object = nk_table_object(call->arena, s->table.database, s->table.name)};
}

/* A request's change: the history has it. */
static nk_code change(nk_call *call, const subject *s, const settings *x, bool insert)
{
    nk_kept k = kept_of(call, s);
    return nk_kept_doc(&k, &type,
                       NK_KEY(nk_vi(s->table.id), nk_vs(call->region), nk_vs(cron_of(x))),
                       x->TableName, x, insert, call->err);
}

nk_code nk_stats_settings_merge(nk_call *call, const nk_row *now, nk_row *put)
{
    settings *x, *y;
    if (!now)
        return NK_OK;
    NK_TRY(nk_model_decode(type.shape, now->body, call->arena, (void **)&x, call->err));
    NK_TRY(nk_model_decode(type.shape, put->body, call->arena, (void **)&y, call->err));
    y->LastExecutionAttempt = x->LastExecutionAttempt;
    return nk_model_encode_str(type.shape, y, call->arena, &put->body, call->err);
}

/* What is no change of anybody's: in the place of a record. */
static nk_code put(nk_tx *tx, const nk_row *old, const settings *x, nk_arena *a, nk_err *err)
{
    return nk_doc_save(tx, &type,
                       NK_KEY(old->cols[SET_TABLE], old->cols[SET_REGION], nk_vs(cron_of(x))),
                       x->TableName, x, false, a, err);
}

nk_code nk_stats_settings_rename(nk_tx *tx, const nk_table_row *t, nk_arena *a, nk_err *err)
{
    settings *x;
    nk_row row;
    nk_code rc = nk_doc_load(tx, &type, NK_KEY(nk_vi(t->id)), t->name, a, (void **)&x, &row, err);
    if (rc == NK_E_NOT_FOUND)
        return NK_OK;
    NK_TRY(rc);
    x->DatabaseName = t->database;
    x->TableName = t->name;
    return put(tx, &row, x, a, err);
}

static nk_code set_schedule(nk_call *call, settings *s, nk_str cron)
{
    nk_cron parsed;
    s->Schedule = NULL;
    s->ScheduleType = NK_STR("AUTO");
    if (!cron.n)
        return NK_OK;
    NK_TRY(nk_cron_parse(cron, &parsed, call->err));
    s->Schedule = NK_NEW(call->arena, glue_Schedule);
    if (!s->Schedule)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    *s->Schedule = (glue_Schedule){.ScheduleExpression = cron, .State = NK_STR("SCHEDULED")};
    s->ScheduleType = NK_STR("CRON");
    return NK_OK;
}

static nk_code check(nk_call *call, const subject *s, const settings *x)
{
    glue_Table *t;
    NK_TRY(nk_model_decode(&glue_Table_shape, s->table.body, call->arena, (void **)&t, call->err));
    if (x->SampleSize.set && x->SampleSize.value <= 0)
        return nk_fail(call->err, NK_E_INVALID, "SampleSize must be more than 0.");
    for (size_t i = 0; i < x->ColumnNameList.n; i++) {
        bool found = false;
        for (size_t k = 0; t->StorageDescriptor && k < t->StorageDescriptor->Columns.n; k++)
            found = found ||
                    nk_str_ieq(t->StorageDescriptor->Columns.v[k].Name, x->ColumnNameList.v[i]);
        if (!found)
            return nk_fail(call->err, NK_E_INVALID, "Table %.*s has no column '%.*s'.",
                           NK_STR_ARG(s->table.name), NK_STR_ARG(x->ColumnNameList.v[i]));
    }
    return NK_OK;
}

nk_code
glue_CreateColumnStatisticsTaskSettings(nk_call *call,
                                        const glue_CreateColumnStatisticsTaskSettingsRequest *in,
                                        glue_CreateColumnStatisticsTaskSettingsResponse *out)
{
    subject s;
    NK_TRY(open_table(call, in->CatalogID, in->DatabaseName, in->TableName, &s));
    if (in->Tags.n)
        return nk_fail(call->err, NK_E_INVALID,
                       "Column statistics task settings have no ARN that tags could be read by.");
    settings x = {.DatabaseName = s.table.database,
                  .TableName = s.table.name,
                  .ColumnNameList = in->ColumnNameList,
                  .CatalogID = call->account_id,
                  .Role = in->Role,
                  .SampleSize = nk_some_f64(nk_f64_or(in->SampleSize, 100)),
                  .SecurityConfiguration = in->SecurityConfiguration,
                  .SettingSource = NK_STR("TABLE")};
    NK_TRY(set_schedule(call, &x, in->Schedule));
    NK_TRY(check(call, &s, &x));
    settings *old; /* a table's own take the place of its catalog's */
    nk_code rc = nk_doc_load(call->tx, &type, NK_KEY(nk_vi(s.table.id)), s.table.name, call->arena,
                             (void **)&old, NULL, call->err);
    if (rc != NK_OK && rc != NK_E_NOT_FOUND)
        return rc;
    return change(call, &s, &x, rc != NK_OK || !of_catalog(old));
}

nk_code
glue_UpdateColumnStatisticsTaskSettings(nk_call *call,
                                        const glue_UpdateColumnStatisticsTaskSettingsRequest *in,
                                        glue_UpdateColumnStatisticsTaskSettingsResponse *out)
{
    subject s;
    settings *x;
    NK_TRY(open_table(call, in->CatalogID, in->DatabaseName, in->TableName, &s));
    NK_TRY(load(call, &s, &x));
    if (in->Role.p)
        x->Role = in->Role;
    if (in->ColumnNameList.set)
        x->ColumnNameList = in->ColumnNameList;
    if (in->SampleSize.set)
        x->SampleSize = in->SampleSize;
    if (in->SecurityConfiguration.p)
        x->SecurityConfiguration = in->SecurityConfiguration;
    if (in->Schedule.p)
        NK_TRY(set_schedule(call, x, in->Schedule));
    x->SettingSource = NK_STR("TABLE");
    NK_TRY(check(call, &s, x));
    return change(call, &s, x, false);
}

nk_code glue_GetColumnStatisticsTaskSettings(nk_call *call,
                                             const glue_GetColumnStatisticsTaskSettingsRequest *in,
                                             glue_GetColumnStatisticsTaskSettingsResponse *out)
{
    subject s;
    NK_TRY(open_table(call, in->CatalogID, in->DatabaseName, in->TableName, &s));
    return load(call, &s, &out->ColumnStatisticsTaskSettings);
}

nk_code
glue_DeleteColumnStatisticsTaskSettings(nk_call *call,
                                        const glue_DeleteColumnStatisticsTaskSettingsRequest *in,
                                        glue_DeleteColumnStatisticsTaskSettingsResponse *out)
{
    subject s;
    NK_TRY(open_table(call, in->CatalogID, in->DatabaseName, in->TableName, &s));
    nk_kept k = kept_of(call, &s);
    return nk_kept_doc_drop(&k, &type, NK_KEY(nk_vi(s.table.id)), s.table.name, call->err);
}

static nk_code switch_schedule(nk_call *call, nk_str catalog, nk_str database, nk_str table,
                               const char *state)
{
    subject s;
    settings *x;
    NK_TRY(open_table(call, catalog, database, table, &s));
    NK_TRY(load(call, &s, &x));
    if (!x->Schedule)
        return nk_fail(call->err, NK_E_INVALID, "Table %.*s has no schedule for its statistics.",
                       NK_STR_ARG(s.table.name));
    x->Schedule->State = nk_str_c(state);
    return change(call, &s, x, false);
}

nk_code glue_StartColumnStatisticsTaskRunSchedule(
    nk_call *call, const glue_StartColumnStatisticsTaskRunScheduleRequest *in,
    glue_StartColumnStatisticsTaskRunScheduleResponse *out)
{
    return switch_schedule(call, in->CatalogID, in->DatabaseName, in->TableName, "SCHEDULED");
}

nk_code
glue_StopColumnStatisticsTaskRunSchedule(nk_call *call,
                                         const glue_StopColumnStatisticsTaskRunScheduleRequest *in,
                                         glue_StopColumnStatisticsTaskRunScheduleResponse *out)
{
    return switch_schedule(call, in->CatalogID, in->DatabaseName, in->TableName, "NOT_SCHEDULED");
}

/* ---- what the catalog asks for ---- */

#define MINUTE_US INT64_C(60000000)

/* Once a week, first at the next minute that is not about to begin. */
static nk_str weekly(int64_t now_us, nk_arena *a)
{
    int64_t minute = (now_us + 5000000) / MINUTE_US + 1, days = minute / 1440;
    return nk_str_printf(a, "cron(%d %d ? * %d *)", (int)(minute % 60), (int)(minute / 60 % 24),
                         (int)((days + 4) % 7 + 1)); /* 1970 began on a Thursday; 1: Sunday */
}

static bool has_columns(const glue_Table *t, nk_arena *a)
{
    for (size_t i = 0; t->StorageDescriptor && i < t->StorageDescriptor->Columns.n; i++)
        if (nk_stats_type(t->StorageDescriptor->Columns.v[i].Type, a))
            return !nk_str_is(t->TableType, "VIRTUAL_VIEW");
    return false;
}

nk_code nk_stats_settings_inherit(nk_tx *tx, const nk_catalog_ctx *ctx, int64_t id,
                                  const glue_Table *table, nk_str role, nk_err *err)
{
    bool there;
    NK_TRY(nk_store_has(tx, type.kind, NK_KEY(nk_vi(id)), &there, err));
    if (there || !has_columns(table, ctx->arena))
        return NK_OK;
    glue_Schedule schedule = {.ScheduleExpression = weekly(ctx->now_us, ctx->arena),
                              .State = NK_STR("SCHEDULED")};
    settings x = {.DatabaseName = table->DatabaseName,
                  .TableName = table->Name,
                  .Schedule = &schedule,
                  .CatalogID = ctx->account_id,
                  .Role = role,
                  .SampleSize = nk_some_f64(50),
                  .ScheduleType = NK_STR("AUTO"),
                  .SettingSource = NK_STR("CATALOG")};
    if (!schedule.ScheduleExpression.p)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    return nk_doc_save(tx, &type, NK_KEY(nk_vi(id), nk_vs(ctx->region), nk_vs(cron_of(&x))),
                       x.TableName, &x, true, ctx->arena, err);
}

NK_LIST(numbers, int64_t);
typedef struct inherited {
    const nk_catalog_ctx *ctx;
    numbers tables;
    nk_code rc;
    nk_err *err;
} inherited;

static bool inherited_row(void *arg, const nk_row *row)
{
    inherited *w = arg;
    settings *x;
    if (!nk_str_eq(row->cols[SET_REGION].s, w->ctx->region))
        return true;
    nk_arena *a = nk_arena_create(0);
    w->rc = a ? nk_model_decode(type.shape, row->body, a, (void **)&x, w->err)
              : nk_fail(w->err, NK_E_NOMEM, "out of memory");
    if (w->rc == NK_OK && of_catalog(x)) {
        int64_t *to = numbers_add(&w->tables, w->ctx->arena);
        if (to)
            *to = row->cols[SET_TABLE].i;
        else
            w->rc = nk_fail(w->err, NK_E_NOMEM, "out of memory");
    }
    nk_arena_destroy(a);
    return w->rc == NK_OK;
}

nk_code nk_stats_settings_disinherit(nk_tx *tx, const nk_catalog_ctx *ctx, nk_err *err)
{
    inherited w = {.ctx = ctx, .err = err};
    nk_query q = {.kind = type.kind};
    NK_TRY(nk_store_scan(tx, &q, inherited_row, &w, err));
    NK_TRY(w.rc);
    for (size_t i = 0; i < w.tables.n; i++)
        NK_TRY(nk_store_delete(tx, type.kind, NK_KEY(nk_vi(w.tables.v[i])), err));
    return NK_OK;
}

/* ---- schedules ---- */

typedef struct due {
    nk_arena *arena;
    nk_row_list rows;
} due;

static nk_code find_due(nk_tx *tx, void *arg, nk_err *err)
{
    due *d = arg;
    nk_query q = {.kind = &nk_kind_stats_settings, .index = &indexes[0]};
    return nk_store_rows(tx, &q, d->arena, &d->rows, err);
}

typedef struct attempt {
    nk_arena *arena;
    const nk_row *row;
    glue_ExecutionAttempt what;
} attempt;

static nk_code note(nk_tx *tx, void *arg, nk_err *err)
{
    attempt *a = arg;
    nk_row row;
    settings *x;
    nk_code rc = nk_doc_load(tx, &type, NK_KEY(a->row->cols[SET_TABLE]), NK_STR(""), a->arena,
                             (void **)&x, &row, err);
    if (rc != NK_OK)
        return rc == NK_E_NOT_FOUND ? NK_OK : rc;
    x->LastExecutionAttempt = &a->what;
    return nk_doc_save(tx, &type,
                       NK_KEY(a->row->cols[SET_TABLE], a->row->cols[SET_REGION], nk_vs(cron_of(x))),
                       x->TableName, x, false, a->arena, err);
}

/* Whether what is due is asked for still: settings may come back from the history. */
typedef struct asking {
    nk_catalog_ctx ctx;
    settings *x;
    bool off;
} asking;

static nk_code ask_catalog(nk_tx *tx, void *arg, nk_err *err)
{
    asking *q = arg;
    return resolve(tx, &q->ctx, q->x, &q->off, err);
}

static void start_one(struct nk_stats *s, nk_arena *a, const nk_row *row)
{
    settings *x;
    char id[37];
    nk_err err = NK_ERR_INIT, why = NK_ERR_INIT;
    attempt at = {.arena = a, .row = row};
    if (nk_model_decode(type.shape, row->body, a, (void **)&x, &err) != NK_OK)
        return;
    asking q = {.ctx = {.region = row->cols[SET_REGION].s,
                        .account_id = nk_str_c(s->app->settings->account_id),
                        .arena = a},
                .x = x};
    if (nk_store_read(s->app->store, ask_catalog, &q, &err) != NK_OK)
        nk_warn("catalog", "what a catalog asks for cannot be read: %s", err.msg);
    if (err.code != NK_OK || q.off)
        return;
    nk_stats_order o = {.region = row->cols[SET_REGION].s,
                        .database = x->DatabaseName,
                        .table = x->TableName,
                        .role = x->Role,
                        .security = x->SecurityConfiguration,
                        .columns = x->ColumnNameList,
                        .sample = x->SampleSize};
    int64_t now = nk_now_us(s->app->env);
    at.what.ExecutionTimestamp = nk_some_time(now - now % 1000);
    if (nk_stats_begin(s, &o, id, &why) == NK_OK) {
        at.what.Status = NK_STR("STARTED");
        at.what.ColumnStatisticsTaskRunId = nk_str_c(id);
    } else {
        at.what.Status = NK_STR("FAILED");
        at.what.ErrorMessage = nk_str_c(why.msg);
    }
    if (nk_store_write(s->app->store, note, &at, &err) != NK_OK)
        nk_warn("catalog", "a scheduled statistics run cannot be noted: %s", err.msg);
}

void nk_stats_fire(struct nk_stats *s, int64_t from, int64_t to)
{
    due d = {.arena = nk_arena_create(0)};
    nk_err err = NK_ERR_INIT;
    bool known = d.arena && nk_store_read(s->app->store, find_due, &d, &err) == NK_OK;
    if (!known)
        nk_warn("catalog", "the schedules of statistics cannot be read: %s", err.msg);
    for (size_t i = 0; known && i < d.rows.n; i++) {
        nk_cron cron;
        bool fires = false;
        if (nk_cron_parse(d.rows.v[i].cols[SET_CRON].s, &cron, NULL) != NK_OK)
            continue;
        for (int64_t m = to - from > 60 ? to - 60 : from; m < to && !fires; m++)
            fires = nk_cron_fires(&cron, (m + 1) * 60000000);
        if (fires)
            start_one(s, d.arena, &d.rows.v[i]);
    }
    nk_arena_destroy(d.arena);
}
