/* The life of a statistics run: begun by a request or a schedule, computed in an engine worker, its
 * results stored in one transaction by our own thread. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "catalog/history_int.h"
#include "catalog/stats_int.h"

enum { FRAME_BYTES_MAX = 64 << 20, STOP_GRACE_MS = 2000 };

static const nk_col run_cols[] = {{"region", NK_COL_TEXT}, {"id", NK_COL_TEXT},
                                  {"db", NK_COL_TEXT},     {"table_name", NK_COL_TEXT},
                                  {"seq", NK_COL_I64},     {"active", NK_COL_I64}};
static const nk_index run_indexes[] = {
    {.name = "by_table", .cols = {RUN_REGION, RUN_DB, RUN_TABLE, RUN_SEQ}, .n = 4},
    {.name = "by_active", .cols = {RUN_ACTIVE}, .n = 1},
};
const nk_kind nk_kind_stats_run = {.name = "glue_stats_run",
                                   .version = 1,
                                   .nkey = 2,
                                   .cols = run_cols,
                                   .ncols = RUN_NCOLS,
                                   .indexes = run_indexes,
                                   .nindexes = NK_COUNTOF(run_indexes)};
static const nk_doc_type run_type = {&nk_kind_stats_run, &glue_ColumnStatisticsTaskRun_shape,
                                     "Column statistics task run"};

nk_code nk_fail_as(nk_err *err, nk_code code, const char *aws, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    nk_vfail(err, code, fmt, ap);
    va_end(ap);
    if (err)
        snprintf(err->aws, sizeof err->aws, "%s", aws);
    return code;
}

static bool ended(const glue_ColumnStatisticsTaskRun *r)
{
    return !nk_str_is(r->Status, "STARTING") && !nk_str_is(r->Status, "RUNNING");
}

static nk_code save(nk_tx *tx, nk_str region, int64_t seq, const glue_ColumnStatisticsTaskRun *r,
                    nk_arena *a, nk_err *err)
{
    nk_val cols[RUN_NCOLS] = {[RUN_REGION] = nk_vs(region),
                              [RUN_ID] = nk_vs(r->ColumnStatisticsTaskRunId),
                              [RUN_DB] = nk_vs(r->DatabaseName),
                              [RUN_TABLE] = nk_vs(r->TableName),
                              [RUN_SEQ] = nk_vi(seq),
                              [RUN_ACTIVE] = ended(r) ? nk_vnull() : nk_vi(1)};
    return nk_doc_save(tx, &run_type, cols, r->ColumnStatisticsTaskRunId, r, false, a, err);
}

/* ---- the beginning ---- */

/* Which columns, and what is computed of each. */
static nk_code choose_columns(nk_stats_run *run, const glue_Table *t, const nk_list_str *asked,
                              nk_err *err)
{
    static const glue_Column_list none;
    const glue_Column_list *all = t->StorageDescriptor ? &t->StorageDescriptor->Columns : &none;
    nk_arena *a = run->arena;
    run->columns.v = NK_NEWN(a, glue_Column, all->n + 1);
    for (size_t i = 0; i < asked->n; i++) {
        bool found = false;
        for (size_t k = 0; k < all->n; k++)
            found = found || nk_str_ieq(all->v[k].Name, asked->v[i]);
        if (!found)
            return nk_fail(err, NK_E_INVALID, "Table %.*s has no column '%.*s'.",
                           NK_STR_ARG(t->Name), NK_STR_ARG(asked->v[i]));
    }
    for (size_t k = 0; run->columns.v && k < all->n; k++) {
        bool wanted = !asked->n;
        for (size_t i = 0; i < asked->n; i++)
            wanted = wanted || nk_str_ieq(all->v[k].Name, asked->v[i]);
        const char *type = wanted ? nk_stats_type(all->v[k].Type, a) : NULL;
        if (!type && wanted && asked->n)
            return nk_fail(err, NK_E_INVALID, "Columns of type %.*s have no statistics ('%.*s').",
                           NK_STR_ARG(all->v[k].Type), NK_STR_ARG(all->v[k].Name));
        if (!type)
            continue;
        nk_str *hive = nk_strs_add(&run->types, a);
        glue_Column *c = &run->columns.v[run->columns.n++];
        c->Name = nk_str_dup(a, all->v[k].Name);
        c->Type = nk_str_c(type);
        if (!hive || !c->Name.p)
            return nk_fail(err, NK_E_NOMEM, "out of memory");
        *hive = nk_str_dup(a, all->v[k].Type);
    }
    if (!run->columns.v)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    return run->columns.n ? NK_OK
                          : nk_fail(err, NK_E_INVALID, "Table %.*s has no column with statistics.",
                                    NK_STR_ARG(t->Name));
}

static bool see(void *arg, const nk_row *row)
{
    *(bool *)arg = row->cols[RUN_ACTIVE].kind != NK_V_NULL;
    return false;
}

/* The table's newest run. */
static nk_code busy(nk_tx *tx, nk_str region, nk_str db, nk_str table, bool *yes, nk_err *err)
{
    nk_query q = {.kind = &nk_kind_stats_run,
                  .index = &run_indexes[0],
                  .prefix = NK_KEY(nk_vs(region), nk_vs(db), nk_vs(table)),
                  .nprefix = 3,
                  .desc = true,
                  .no_body = true,
                  .limit = 1};
    *yes = false;
    return nk_store_scan(tx, &q, see, yes, err);
}

typedef struct beginning {
    nk_stats_run *run;
    const nk_stats_order *order;
    char id[37];
} beginning;

static nk_code begin(nk_tx *tx, void *arg, nk_err *err)
{
    beginning *b = arg;
    nk_stats_run *run = b->run;
    nk_arena *a = run->arena;
    const nk_settings *s = run->owner->app->settings;
    nk_catalog_ctx ctx = {.region = run->region, .account_id = nk_str_c(s->account_id), .arena = a};
    nk_table_row row;
    glue_Table *table;
    bool yes;
    run->columns = (glue_Column_list){0};
    run->types = (nk_strs){0};
    run->keys = (glue_Column_list){0};
    NK_TRY(nk_table_follow(tx, &ctx, b->order->database, b->order->table, &row, err));
    NK_TRY(nk_model_decode(&glue_Table_shape, row.body, a, (void **)&table, err));
    NK_TRY(choose_columns(run, table, &b->order->columns, err));
    NK_TRY(busy(tx, run->region, row.database, row.name, &yes, err));
    if (yes)
        return nk_fail_as(err, NK_E_INVALID, "ColumnStatisticsTaskRunningException",
                          "Column statistics of table %.*s are being computed.",
                          NK_STR_ARG(row.name));
    NK_TRY(nk_store_next(tx, "glue.statistics", &run->seq, err));
    int64_t now = nk_now_us(run->owner->app->env);
    run->table = row.id;
    run->space = row.space;
    run->keys = table->PartitionKeys;
    *run->doc = (glue_ColumnStatisticsTaskRun){
        .CustomerId = ctx.account_id,
        .ColumnStatisticsTaskRunId = nk_str_c(b->id),
        .DatabaseName = row.database,
        .TableName = row.name,
        .ColumnNameList = {.v = NK_NEWN(a, nk_str, run->columns.n), .set = true},
        .CatalogID = ctx.account_id,
        .Role = nk_str_dup(a, b->order->role),
        .SampleSize = nk_some_f64(nk_f64_or(b->order->sample, 100)),
        .SecurityConfiguration =
            b->order->security.p ? nk_str_dup(a, b->order->security) : NK_STR_NULL,
        .NumberOfWorkers = nk_some_i64(1),
        .WorkerType = NK_STR("G.1X"),
        .ComputationType = NK_STR("FULL"),
        .Status = NK_STR("STARTING"),
        .CreationTime = nk_some_time(now - now % 1000),
        .LastUpdated = nk_some_time(now - now % 1000),
    };
    if (!run->doc->ColumnNameList.v)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    for (size_t i = 0; i < run->columns.n; i++)
        run->doc->ColumnNameList.v[run->doc->ColumnNameList.n++] = run->columns.v[i].Name;
    return save(tx, run->region, run->seq, run->doc, a, err);
}

/* ---- the worker ---- */

/* A frame of the run's, or of its batch's. */
static void keep(nk_stats_run *run, bool of_partition, nk_str json)
{
    nk_stats_batch *b = run->batch;
    if (of_partition && !b) {
        nk_arena *a = nk_arena_create(FRAME_BYTES_MAX);
        b = run->batch = a ? NK_NEW(a, nk_stats_batch) : NULL;
        if (b)
            *b = (nk_stats_batch){.run = run, .arena = a};
        else
            nk_arena_destroy(a);
    }
    nk_arena *a = !of_partition ? run->arena : b ? b->arena : NULL;
    nk_str *frame = a ? nk_strs_add(of_partition ? &b->frames : &run->frames, a) : NULL;
    if (!frame || !(*frame = nk_str_dup(a, json)).p)
        (void)nk_fail(&run->failure, NK_E_NOMEM, "the statistics are more than a run may hold");
}

/* To our thread; with the lock held. */
static void hand_over_batch(nk_stats_run *run)
{
    struct nk_stats *s = run->owner;
    if (!run->batch)
        return;
    *s->last_batch = run->batch;
    s->last_batch = &run->batch->next;
    run->batch = NULL;
    pthread_cond_broadcast(&s->wake);
}

static void on_message(void *arg, nk_str json)
{
    nk_stats_run *run = arg;
    nk_arena *a = nk_arena_create(16 << 20);
    nk_json *j;
    pthread_mutex_lock(&run->owner->lock);
    if (a && nk_json_parse(json, a, 0, &j, NULL) == NK_OK) {
        nk_str event = nk_json_str(j, "event");
        if (nk_str_is(event, "column")) {
            keep(run, nk_json_get(j, "partition") != NULL, json);
        } else if (nk_str_is(event, "partitions")) {
            hand_over_batch(run);
        } else if (nk_str_is(event, "result")) {
            run->finished = true;
        } else if (nk_str_is(event, "error") && run->failure.code == NK_OK) {
            (void)nk_fail(&run->failure, NK_E_INTERNAL, "%.*s",
                          NK_STR_ARG(nk_json_str(j, "message")));
        }
    }
    pthread_mutex_unlock(&run->owner->lock);
    nk_arena_destroy(a);
}

static void unlink_run(nk_stats_run **list, nk_stats_run *run)
{
    for (; *list; list = &(*list)->next)
        if (*list == run) {
            *list = run->next;
            return;
        }
}

/* To our thread; with the lock held. */
static void hand_over(nk_stats_run *run)
{
    struct nk_stats *s = run->owner;
    unlink_run(&s->active, run);
    run->next = s->ended;
    s->ended = run;
    pthread_cond_broadcast(&s->wake);
}

static void on_exit_(void *arg, const nk_pool_exit *exit)
{
    nk_stats_run *run = arg;
    pthread_mutex_t *lock = &run->owner->lock;
    pthread_mutex_lock(lock);
    run->exit = *exit;
    run->exited = true;
    if (!run->launching)
        hand_over(run);
    pthread_mutex_unlock(lock);
}

static void put_setting(nk_json_writer *w, const char *name, const char *value)
{
    if (value)
        nk_jw_kcstr(w, name, value);
}

static nk_code request_of(const nk_stats_run *run, nk_buf *b, nk_err *err)
{
    const nk_settings *s = run->owner->app->settings;
    nk_json_writer w = {.buf = b};
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "op", "statistics");
    nk_jw_kstr(&w, "database", run->doc->DatabaseName);
    nk_jw_kstr(&w, "table", run->doc->TableName);
    nk_jw_kf64(&w, "sample", run->doc->SampleSize.value);
    nk_jw_key(&w, NK_STR("columns"));
    nk_jw_array(&w);
    for (size_t i = 0; i < run->columns.n; i++) {
        nk_jw_object(&w);
        nk_jw_kstr(&w, "name", run->columns.v[i].Name);
        nk_jw_kstr(&w, "type", run->columns.v[i].Type);
        nk_jw_object_end(&w);
    }
    nk_jw_array_end(&w);
    nk_jw_key(&w, NK_STR("keys"));
    nk_jw_array(&w);
    for (size_t i = 0; i < run->keys.n; i++) {
        nk_jw_object(&w);
        nk_jw_kstr(&w, "name", run->keys.v[i].Name);
        nk_jw_kstr(&w, "type", run->keys.v[i].Type.n ? run->keys.v[i].Type : NK_STR("string"));
        nk_jw_object_end(&w);
    }
    nk_jw_array_end(&w);
    nk_jw_key(&w, NK_STR("settings"));
    nk_jw_object(&w);
    put_setting(&w, "endpoint", s->endpoint);
    nk_jw_kstr(&w, "region", run->region);
    put_setting(&w, "access_key", s->access_key);
    put_setting(&w, "secret_key", s->secret_key);
    put_setting(&w, "s3_endpoint", s->s3_endpoint);
    put_setting(&w, "account_id", s->account_id);
    put_setting(&w, "temp_dir",
                nk_arena_printf(run->arena, "%s/scratch/statistics-%.*s", s->data_dir,
                                NK_STR_ARG(run->doc->ColumnStatisticsTaskRunId)));
    nk_jw_object_end(&w);
    nk_jw_object_end(&w);
    return nk_buf_check(b, err);
}

static nk_code mark_running(nk_tx *tx, void *arg, nk_err *err)
{
    nk_stats_run *run = arg;
    nk_arena *a = nk_arena_create(0);
    void *value;
    if (!a)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    nk_code rc = nk_doc_load(tx, &run_type,
                             NK_KEY(nk_vs(run->region), nk_vs(run->doc->ColumnStatisticsTaskRunId)),
                             run->doc->ColumnStatisticsTaskRunId, a, &value, NULL, err);
    if (rc == NK_OK) {
        glue_ColumnStatisticsTaskRun *r = value;
        int64_t now = nk_now_us(run->owner->app->env);
        r->Status = NK_STR("RUNNING");
        r->StartTime = r->LastUpdated = nk_some_time(now - now % 1000);
        rc = save(tx, run->region, run->seq, r, a, err);
    }
    nk_arena_destroy(a);
    return rc;
}

static nk_code launch(nk_stats_run *run, nk_err *err)
{
    struct nk_stats *s = run->owner;
    nk_buf b;
    uint64_t id = 0;
    nk_buf_init(&b, NK_POOL_FRAME_MAX);
    nk_code rc = request_of(run, &b, err);
    nk_pool_task task = {.kind = NK_POOL_ENGINE,
                         .request = nk_buf_view(&b),
                         .on_message = on_message,
                         .on_exit = on_exit_,
                         .arg = run};
    pthread_mutex_lock(&s->lock);
    run->next = s->active;
    s->active = run;
    run->launching = true;
    pthread_mutex_unlock(&s->lock);
    if (rc == NK_OK)
        rc = nk_pool_start(s->app->pool, &task, &id, err);
    bool began = rc == NK_OK;
    if (began)
        rc = nk_store_write(s->app->store, mark_running, run, err);
    pthread_mutex_lock(&s->lock);
    run->launching = false;
    run->pool_run = id;
    if (began && rc != NK_OK) {
        run->failure = *err;
        rc = NK_OK; /* its end will tell */
        run->stop = true;
    }
    bool stop = began && run->stop;
    if (!began)
        unlink_run(&s->active, run);
    else if (run->exited)
        hand_over(run);
    pthread_mutex_unlock(&s->lock);
    nk_buf_free(&b);
    if (stop)
        nk_pool_stop(s->app->pool, id, STOP_GRACE_MS);
    return rc;
}

/* ---- the end ---- */

typedef struct ending {
    nk_stats_run *run;
    const char *status;
    nk_str message;
} ending;

static bool seen(void *arg, const nk_row *row)
{
    *(bool *)arg = true;
    return false;
}

/* packed: the values of the frame's partition, if that is there still; empty for the table's. */
static nk_code whose(nk_tx *tx, const nk_stats_run *run, const nk_json *frame, nk_arena *a,
                     nk_str *packed, bool *there, nk_err *err)
{
    const nk_json *values = nk_json_get(frame, "partition");
    nk_list_str list = {0};
    *packed = NK_STR("");
    *there = true;
    if (!values)
        return NK_OK;
    list.v = NK_NEWN(a, nk_str, values->count + 1);
    for (const nk_json *x = values->first; list.v && x; x = x->next)
        list.v[list.n++] = x->text;
    *packed = list.v ? nk_vals_pack(&list, a) : NK_STR_NULL;
    if (!packed->p)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    return nk_store_has(tx, &nk_kind_partition, NK_KEY(nk_vi(run->table), nk_vb(*packed)), there,
                        err);
}

static nk_code store_frames(nk_stats_writer *w, const nk_stats_run *run, const nk_strs *frames,
                            nk_err *err)
{
    nk_arena *a = w->ctx->arena;
    for (size_t i = 0; i < frames->n; i++) {
        nk_json *j;
        glue_ColumnStatistics s;
        nk_str packed;
        bool there;
        size_t c = 0;
        NK_TRY(nk_json_parse(frames->v[i], a, 0, &j, err));
        while (c < run->columns.n && !nk_str_eq(run->columns.v[c].Name, nk_json_str(j, "name")))
            c++;
        if (c == run->columns.n)
            continue;
        NK_TRY(whose(w->tx, run, j, a, &packed, &there, err));
        if (!there)
            continue;
        NK_TRY(
            nk_stats_read(j, run->columns.v[c].Type, run->types.v[c], w->ctx->now_us, a, &s, err));
        NK_TRY(nk_column_stats_put(w, packed, &s, err));
    }
    return nk_column_stats_end(w, err);
}

static nk_code store_results(nk_tx *tx, const nk_stats_run *run, const nk_strs *frames, nk_arena *a,
                             int64_t now, nk_err *err)
{
    bool there = false;
    nk_query q = {.kind = &nk_kind_table,
                  .index = &nk_kind_table.indexes[0],
                  .prefix = NK_KEY(nk_vi(run->table)),
                  .nprefix = 1,
                  .no_body = true,
                  .limit = 1};
    NK_TRY(nk_store_scan(tx, &q, seen, &there, err));
    if (!there)
        return nk_fail(err, NK_E_NOT_FOUND,
                       "The table was deleted while its statistics were "
                       "computed");
    const nk_settings *set = run->owner->app->settings;
    nk_catalog_ctx ctx = {.region = run->region,
                          .account_id = nk_str_c(set->account_id),
                          .actor = run->doc->Role,
                          .now_us = now,
                          .arena = a};
    nk_stats_writer w = {.tx = tx,
                         .ctx = &ctx,
                         .table = run->table,
                         .space = run->space,
                         .object = nk_table_object(a, run->doc->DatabaseName, run->doc->TableName)};
    return store_frames(&w, run, frames, err);
}

static int64_t now_ms(const nk_stats_run *run)
{
    int64_t now = nk_now_us(run->owner->app->env);
    return now - now % 1000;
}

static nk_code batch_tx(nk_tx *tx, void *arg, nk_err *err)
{
    const nk_stats_batch *b = arg;
    nk_arena *a = nk_arena_create(0);
    nk_code rc = a ? store_results(tx, b->run, &b->frames, a, now_ms(b->run), err)
                   : nk_fail(err, NK_E_NOMEM, "out of memory");
    nk_arena_destroy(a);
    return rc;
}

/* Those of a run that has failed are dropped; one that cannot be stored ends its run. */
static void store_batch(nk_stats_batch *b)
{
    struct nk_stats *s = b->run->owner;
    nk_err err = NK_ERR_INIT;
    uint64_t stop = 0;
    pthread_mutex_lock(&s->lock);
    bool failed = b->run->failure.code != NK_OK;
    pthread_mutex_unlock(&s->lock);
    if (!failed && nk_store_write(s->app->store, batch_tx, b, &err) != NK_OK) {
        pthread_mutex_lock(&s->lock);
        b->run->failure = err;
        stop = b->run->exited ? 0 : b->run->pool_run;
        pthread_mutex_unlock(&s->lock);
    }
    if (stop)
        nk_pool_stop(s->app->pool, stop, STOP_GRACE_MS);
    nk_arena_destroy(b->arena);
}

static nk_code end(nk_tx *tx, void *arg, nk_err *err)
{
    ending *e = arg;
    nk_stats_run *run = e->run;
    nk_arena *a = nk_arena_create(0);
    int64_t now = now_ms(run);
    void *value;
    nk_str id = run->doc->ColumnStatisticsTaskRunId;
    if (!a)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    nk_code rc =
        nk_doc_load(tx, &run_type, NK_KEY(nk_vs(run->region), nk_vs(id)), id, a, &value, NULL, err);
    if (rc == NK_OK && !strcmp(e->status, "SUCCEEDED"))
        rc = store_results(tx, run, &run->frames, a, now, err);
    if (rc == NK_OK) {
        glue_ColumnStatisticsTaskRun *r = value;
        r->Status = nk_str_c(e->status);
        r->ErrorMessage = e->message.n ? e->message : NK_STR_NULL;
        r->EndTime = r->LastUpdated = nk_some_time(now);
        r->DPUSeconds = nk_some_f64((double)run->exit.cpu_us / 4e6); /* a DPU has four cores */
        rc = save(tx, run->region, run->seq, r, a, err);
    }
    nk_arena_destroy(a);
    return rc;
}

static void conclude(nk_stats_run *run)
{
    struct nk_stats *s = run->owner;
    nk_err err = NK_ERR_INIT;
    pthread_mutex_lock(&s->lock);
    bool stop = run->stop, down = s->ending;
    pthread_mutex_unlock(&s->lock);
    const char *why = run->failure.code != NK_OK ? run->failure.msg
                      : run->exit.reason[0]      ? run->exit.reason
                                                 : "The worker ended without a result";
    ending e = {run, "SUCCEEDED", NK_STR_NULL};
    if (stop && run->failure.code != NK_E_NOMEM && !run->finished)
        e = (ending){run, "STOPPED", NK_STR("Stopped by request")};
    else if (down && !run->finished)
        e = (ending){run, "FAILED",
                     NK_STR("The server was stopped while the statistics were "
                            "computed")};
    else if (!run->finished || run->failure.code != NK_OK)
        e = (ending){run, "FAILED", nk_str_c(why)};
    if (nk_store_write(s->app->store, end, &e, &err) != NK_OK) {
        ending failed = {run, "FAILED", nk_str_c(err.msg)};
        nk_err again = NK_ERR_INIT;
        if (nk_store_write(s->app->store, end, &failed, &again) != NK_OK)
            nk_error("catalog", "the end of a statistics run cannot be stored: %s", again.msg);
    }
    nk_arena_destroy(run->batch ? run->batch->arena : NULL); /* cut off */
    nk_arena_destroy(run->arena);
}

nk_code nk_stats_begin(struct nk_stats *s, const nk_stats_order *order, char *id, nk_err *err)
{
    nk_arena *a = nk_arena_create(FRAME_BYTES_MAX);
    nk_stats_run *run = a ? NK_NEW(a, nk_stats_run) : NULL;
    beginning b = {.run = run, .order = order};
    if (run)
        *run = (nk_stats_run){.owner = s,
                              .arena = a,
                              .region = nk_str_dup(a, order->region),
                              .doc = NK_NEW(a, glue_ColumnStatisticsTaskRun)};
    if (!run || !run->region.p || !run->doc) {
        nk_arena_destroy(a);
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    }
    nk_code rc = nk_uuid(s->app->env, b.id);
    if (rc == NK_OK)
        rc = nk_store_write(s->app->store, begin, &b, err);
    if (rc != NK_OK) {
        nk_arena_destroy(a);
        return rc;
    }
    memcpy(id, b.id, sizeof b.id);
    run->doc->ColumnStatisticsTaskRunId = nk_str_dup(a, nk_str_c(b.id));
    nk_err why = NK_ERR_INIT;
    if (launch(run, &why) != NK_OK) { /* it has begun, and so it has an end */
        run->failure = why;
        conclude(run);
    }
    return NK_OK;
}

/* ---- operations on runs ---- */

static nk_code own_catalog(nk_call *call, nk_str id)
{
    nk_catalog_ctx ctx;
    NK_TRY(nk_catalog_open(call, id, &ctx));
    if (!ctx.catalog_id.p)
        return NK_OK;
    return nk_fail(call->err, NK_E_INVALID,
                   "Statistics are computed for tables of the account's own catalog only.");
}

nk_code glue_StartColumnStatisticsTaskRun(nk_call *call,
                                          const glue_StartColumnStatisticsTaskRunRequest *in,
                                          glue_StartColumnStatisticsTaskRunResponse *out)
{
    nk_stats_order o = {.region = call->region,
                        .database = in->DatabaseName,
                        .table = in->TableName,
                        .role = in->Role,
                        .security = in->SecurityConfiguration,
                        .columns = in->ColumnNameList,
                        .sample = in->SampleSize};
    char *id = nk_arena_bytes(call->arena, 37);
    if (!id)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    NK_TRY(own_catalog(call, in->CatalogID));
    if (in->SampleSize.set && in->SampleSize.value <= 0)
        return nk_fail(call->err, NK_E_INVALID, "SampleSize must be more than 0.");
    NK_TRY(nk_stats_begin(nk_catalog_stats(call->app), &o, id, call->err));
    out->ColumnStatisticsTaskRunId = nk_str_c(id);
    return NK_OK;
}

typedef struct stopping {
    nk_str region, database, table;
    nk_arena *arena;
    bool active;
} stopping;

static nk_code find_active(nk_tx *tx, void *arg, nk_err *err)
{
    stopping *s = arg;
    nk_catalog_ctx ctx = {.region = s->region, .arena = s->arena};
    nk_table_row t;
    NK_TRY(nk_table_follow(tx, &ctx, s->database, s->table, &t, err));
    s->database = t.database;
    s->table = t.name;
    return busy(tx, s->region, t.database, t.name, &s->active, err);
}

nk_code glue_StopColumnStatisticsTaskRun(nk_call *call,
                                         const glue_StopColumnStatisticsTaskRunRequest *in,
                                         glue_StopColumnStatisticsTaskRunResponse *out)
{
    struct nk_stats *s = nk_catalog_stats(call->app);
    stopping w = {call->region, in->DatabaseName, in->TableName, call->arena, false};
    uint64_t pool_run = 0;
    bool again = false;
    NK_TRY(own_catalog(call, in->CatalogID));
    NK_TRY(nk_store_read(call->app->store, find_active, &w, call->err));
    if (!w.active)
        return nk_fail_as(call->err, NK_E_INVALID, "ColumnStatisticsTaskNotRunningException",
                          "No column statistics of table %.*s are being computed.",
                          NK_STR_ARG(in->TableName));
    pthread_mutex_lock(&s->lock);
    for (nk_stats_run *r = s->active; r; r = r->next)
        if (nk_str_eq(r->region, w.region) && nk_str_eq(r->doc->DatabaseName, w.database) &&
            nk_str_eq(r->doc->TableName, w.table)) {
            again = r->stop;
            r->stop = true;
            pool_run = r->pool_run;
        }
    pthread_mutex_unlock(&s->lock);
    if (again)
        return nk_fail_as(call->err, NK_E_INVALID, "ColumnStatisticsTaskStoppingException",
                          "The run of table %.*s is stopping already.", NK_STR_ARG(in->TableName));
    if (pool_run)
        nk_pool_stop(call->app->pool, pool_run, STOP_GRACE_MS);
    return NK_OK;
}

nk_code glue_GetColumnStatisticsTaskRun(nk_call *call,
                                        const glue_GetColumnStatisticsTaskRunRequest *in,
                                        glue_GetColumnStatisticsTaskRunResponse *out)
{
    return nk_doc_load(call->tx, &run_type,
                       NK_KEY(nk_vs(call->region), nk_vs(in->ColumnStatisticsTaskRunId)),
                       in->ColumnStatisticsTaskRunId, call->arena,
                       (void **)&out->ColumnStatisticsTaskRun, NULL, call->err);
}

nk_code glue_GetColumnStatisticsTaskRuns(nk_call *call,
                                         const glue_GetColumnStatisticsTaskRunsRequest *in,
                                         glue_GetColumnStatisticsTaskRunsResponse *out)
{
    nk_str db = nk_str_lower(call->arena, in->DatabaseName),
           table = nk_str_lower(call->arena, in->TableName);
    nk_docs_page page = {
        .call = call,
        .query = {.kind = &nk_kind_stats_run,
                  .index = &run_indexes[0],
                  .prefix = NK_KEY(nk_vs(call->region), nk_vs(db), nk_vs(table)),
                  .nprefix = 3,
                  .desc = true},
        .request = nk_str_printf(call->arena, "%.*s/%.*s", NK_STR_ARG(db), NK_STR_ARG(table)),
        .token = in->NextToken,
        .max = (size_t)nk_i64_or(in->MaxResults, 100)};
    if (!db.p || !table.p)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    NK_TRY(nk_docs_list(&page, &out->NextToken));
    return nk_docs_fill(&page, sizeof(glue_ColumnStatisticsTaskRun),
                        &out->ColumnStatisticsTaskRuns);
}

nk_code glue_ListColumnStatisticsTaskRuns(nk_call *call,
                                          const glue_ListColumnStatisticsTaskRunsRequest *in,
                                          glue_ListColumnStatisticsTaskRunsResponse *out)
{
    size_t max = (size_t)nk_i64_or(in->MaxResults, 100);
    nk_docs_page page = {.call = call,
                         .query = {.kind = &nk_kind_stats_run,
                                   .prefix = NK_KEY(nk_vs(call->region)),
                                   .nprefix = 1,
                                   .no_body = true},
                         .request = NK_STR(""),
                         .token = in->NextToken,
                         .max = max < 100 ? max : 100}; /* the model lets no reply hold more */
    NK_TRY(nk_docs_list(&page, &out->NextToken));
    out->ColumnStatisticsTaskRunIds = (nk_list_str){
        .v = NK_NEWN(call->arena, nk_str, page.rows.n + 1), .n = page.rows.n, .set = true};
    if (!out->ColumnStatisticsTaskRunIds.v)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    for (size_t i = 0; i < page.rows.n; i++)
        out->ColumnStatisticsTaskRunIds.v[i] = page.rows.v[i].cols[RUN_ID].s;
    return NK_OK;
}

/* ---- our thread ---- */

static void *serve(void *arg)
{
    struct nk_stats *s = arg;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        if (s->batches) { /* before the end of their run */
            nk_stats_batch *b = s->batches;
            if (!(s->batches = b->next))
                s->last_batch = &s->batches;
            pthread_mutex_unlock(&s->lock);
            store_batch(b);
            pthread_mutex_lock(&s->lock);
            continue;
        }
        if (s->ended) {
            nk_stats_run *run = s->ended;
            s->ended = run->next;
            pthread_mutex_unlock(&s->lock);
            conclude(run);
            pthread_mutex_lock(&s->lock);
            continue;
        }
        if (s->ending && !s->active)
            break;
        int64_t now = nk_now_us(s->app->env), minute = now / 60000000;
        if (!s->ending && minute > s->last_minute) {
            int64_t from = s->last_minute;
            s->last_minute = minute;
            pthread_mutex_unlock(&s->lock);
            nk_stats_fire(s, from, minute);
            pthread_mutex_lock(&s->lock);
            continue;
        }
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += s->ending ? 1 : (time_t)(60 - now / 1000000 % 60);
        pthread_cond_timedwait(&s->wake, &s->lock, &until);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* Runs that a stop of the server has cut off. */
static nk_code recover(nk_tx *tx, void *arg, nk_err *err)
{
    nk_arena *a = arg;
    nk_query q = {.kind = &nk_kind_stats_run, .index = &run_indexes[1]};
    nk_row_list rows = {0};
    NK_TRY(nk_store_rows(tx, &q, a, &rows, err));
    for (size_t i = 0; i < rows.n; i++) {
        void *value;
        NK_TRY(nk_model_decode(run_type.shape, rows.v[i].body, a, &value, err));
        glue_ColumnStatisticsTaskRun *r = value;
        r->Status = NK_STR("FAILED");
        r->ErrorMessage = NK_STR("The server ended while the statistics were computed");
        r->EndTime = r->LastUpdated;
        NK_TRY(save(tx, rows.v[i].cols[RUN_REGION].s, rows.v[i].cols[RUN_SEQ].i, r, a, err));
    }
    return NK_OK;
}

nk_code nk_stats_create(nk_app *app, struct nk_stats **out, nk_err *err)
{
    struct nk_stats *s = nk_calloc(1, sizeof *s);
    nk_arena *a = nk_arena_create(0);
    nk_code rc = s && a ? nk_store_write(app->store, recover, a, err)
                        : nk_fail(err, NK_E_NOMEM, "out of memory");
    nk_arena_destroy(a);
    if (rc != NK_OK) {
        nk_free(s);
        return rc;
    }
    s->app = app;
    s->last_batch = &s->batches;
    s->last_minute = nk_now_us(app->env) / 60000000;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    s->started = pthread_create(&s->thread, NULL, serve, s) == 0;
    if (!s->started) {
        nk_stats_destroy(s);
        return nk_fail(err, NK_E_INTERNAL, "no thread for statistics runs");
    }
    *out = s;
    return NK_OK;
}

void nk_stats_destroy(struct nk_stats *s)
{
    uint64_t ids[256];
    size_t n = 0;
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->ending = true;
    for (nk_stats_run *r = s->active; r && n < NK_COUNTOF(ids); r = r->next)
        ids[n++] = r->pool_run;
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < n; i++)
        nk_pool_stop(s->app->pool, ids[i], 0);
    if (s->started)
        pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    nk_free(s);
}
