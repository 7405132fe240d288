/* The thread that runs table optimizers, and the purging of dropped tables: one worker at a time
 * looks at the files, we commit what it proposes and take away what then is of no use. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "iceberg/optimizers_int.h"
#include "model/glue_handlers.h"
#include "pool/pool.h"

#define COMPACT_EVERY_US ((int64_t)5 * 60 * 1000000)
#define AGAIN_US         ((int64_t)10 * 1000000) /* when the lake was away */
#define HOUR_US          ((int64_t)3600 * 1000000)
#define TRIES            3
#define STOP_GRACE_MS    2000

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

/* What a worker has told, under the lock until it has ended. */
typedef struct outcome {
    nk_arena *arena;
    nk_strs written, temporary, deletes[5]; /* by kind */
    nk_str result;                          /* the frame */
    nk_err failure;
    nk_pool_exit exit;
    bool exited, full;
} outcome;

static const char *const kinds[] = {"data", "manifest", "list", "other", "orphan"};

struct nk_ice_optimizers {
    nk_app *app;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool started, ending, poked;
    bool lake_away;    /* only our own thread: something waits for the lake */
    uint64_t pool_run; /* of the worker at work */
    outcome *now;
};

/* ---- the worker ---- */

static void take_paths(outcome *o, const nk_json *j, nk_strs *into)
{
    for (const nk_json *m = nk_json_get(j, "paths") ? nk_json_get(j, "paths")->first : NULL; m;
         m = m->next) {
        nk_str *p = nk_strs_add(into, o->arena);
        if (p)
            *p = nk_str_dup(o->arena, m->text);
        o->full = o->full || !p || !p->p;
    }
}

/* Pool's thread. */
static void on_message(void *arg, nk_str json)
{
    nk_ice_optimizers *os = arg;
    nk_arena *a = nk_arena_create(128 << 20);
    nk_json *j;
    pthread_mutex_lock(&os->lock);
    outcome *o = os->now;
    if (a && o && nk_json_parse(json, a, NK_ICE_DEPTH_MAX, &j, NULL) == NK_OK) {
        nk_str event = nk_json_str(j, "event"), kind = nk_json_str(j, "kind");
        if (nk_str_is(event, "written"))
            take_paths(o, j, &o->written);
        if (nk_str_is(kind, "temporary"))
            take_paths(o, j, &o->temporary);
        for (size_t i = 0; nk_str_is(event, "delete") && i < NK_COUNTOF(kinds); i++)
            if (nk_str_is(kind, kinds[i]))
                take_paths(o, j, &o->deletes[i]);
        if (nk_str_is(event, "result"))
            o->result = nk_str_dup(o->arena, json);
        else if (nk_str_is(event, "error"))
            (void)nk_fail(&o->failure, NK_E_INTERNAL, "%.*s",
                          NK_STR_ARG(nk_json_str(j, "message")));
    } else if (o) {
        o->full = true;
    }
    pthread_mutex_unlock(&os->lock);
    nk_arena_destroy(a);
}

static void on_exit_(void *arg, const nk_pool_exit *exit)
{
    nk_ice_optimizers *os = arg;
    pthread_mutex_lock(&os->lock);
    if (os->now) {
        os->now->exit = *exit;
        os->now->exited = true;
    }
    pthread_cond_broadcast(&os->wake);
    pthread_mutex_unlock(&os->lock);
}

/* config: the optimizer's own settings as JSON. */
static nk_code put_request(nk_ice_optimizers *os, nk_buf *b, nk_str task, const nk_ice_entry *e,
                           nk_str config, nk_err *err)
{
    const nk_settings *s = os->app->settings;
    nk_json_writer w = {.buf = b};
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "op", "iceberg");
    nk_jw_kstr(&w, "task", task);
    nk_jw_kcstr(&w, "s3_endpoint", s->s3_endpoint ? s->s3_endpoint : "");
    nk_jw_kcstr(&w, "region", s->region);
    nk_jw_kcstr(&w, "access_key", s->access_key);
    nk_jw_kcstr(&w, "secret_key", s->secret_key);
    nk_jw_ki64(&w, "now_ms", nk_now_us(os->app->env) / 1000);
    nk_jw_kstr(&w, "location", e->location);
    nk_jw_kstr(&w, "metadata", e->text);
    if (config.p) {
        nk_jw_key(&w, NK_STR("config"));
        nk_jw_raw(&w, config);
    }
    nk_jw_object_end(&w);
    return nk_buf_check(b, err);
}

/* Runs a worker to its end. */
static nk_code work(nk_ice_optimizers *os, nk_str task, const nk_ice_entry *e, nk_str config,
                    outcome *o, nk_err *err)
{
    nk_buf b;
    nk_buf_init(&b, NK_POOL_FRAME_MAX);
    nk_code rc = put_request(os, &b, task, e, config, err);
    nk_pool_task t = {.kind = NK_POOL_ENGINE,
                      .request = nk_buf_view(&b),
                      .on_message = on_message,
                      .on_exit = on_exit_,
                      .arg = os};
    pthread_mutex_lock(&os->lock);
    os->now = o;
    os->pool_run = 0;
    pthread_mutex_unlock(&os->lock);
    uint64_t run = 0;
    if (rc == NK_OK)
        rc = nk_pool_start(os->app->pool, &t, &run, err);
    nk_buf_free(&b);
    pthread_mutex_lock(&os->lock);
    os->pool_run = run;
    bool stop = os->ending;
    while (rc == NK_OK && !o->exited) {
        if (stop) {
            pthread_mutex_unlock(&os->lock);
            nk_pool_stop(os->app->pool, run, STOP_GRACE_MS);
            pthread_mutex_lock(&os->lock);
            stop = false;
            continue;
        }
        pthread_cond_wait(&os->wake, &os->lock);
        stop = os->ending && !o->exited;
    }
    os->now = NULL;
    bool ending = os->ending;
    pthread_mutex_unlock(&os->lock);
    NK_TRY(rc);
    if (ending)
        return nk_fail(err, NK_E_CANCELLED, "The server was stopped while the optimizer ran");
    if (o->failure.code != NK_OK)
        return nk_fail(err, NK_E_INVALID, "%s", o->failure.msg);
    if (!o->result.p || o->exit.code != 0)
        return nk_fail(err, NK_E_INVALID, "%s",
                       o->exit.reason[0] ? o->exit.reason
                                         : "The optimizer's worker ended without a result");
    return o->full ? nk_fail(err, NK_E_LIMIT, "The optimizer found more than memory can hold")
                   : NK_OK;
}

/* ---- files ---- */

static int64_t delete_paths(nk_ice_optimizers *os, const nk_strs *paths, nk_arena *a)
{
    int64_t gone = 0;
    nk_s3 *s3 = os->app->lake ? nk_lake_s3(os->app->lake) : NULL;
    for (size_t from = 0; s3 && from < paths->n;) {
        nk_s3_uri first, uri;
        nk_strs keys = {0};
        nk_err err = NK_ERR_INIT;
        size_t n = 0, i = from;
        if (nk_s3_uri_parse(paths->v[from], &first, NULL) != NK_OK) {
            from++;
            continue;
        }
        for (; i < paths->n && keys.n < 1000; i++) {
            if (nk_s3_uri_parse(paths->v[i], &uri, NULL) != NK_OK ||
                !nk_str_eq(uri.bucket, first.bucket))
                break;
            nk_str *k = nk_strs_add(&keys, a);
            if (!k)
                return gone;
            *k = uri.key;
        }
        if (nk_s3_delete_keys(s3, first.bucket, &keys, &n, &err) != NK_OK)
            nk_warn("iceberg", "%zu files stay behind: %s", keys.n, err.msg);
        gone += (int64_t)n;
        from = i;
    }
    return gone;
}

/* ---- a run ---- */

typedef struct running {
    nk_ice_optimizers *os;
    nk_call call;
    nk_err err;
    nk_ice_optimizer opt;
    nk_ice_entry entry;
    int64_t seq;
    glue_TableOptimizerRun run;
    nk_str config; /* JSON for the worker */
    bool gone, idle;
    nk_code code; /* how it went */
} running;

static nk_code begin_in_tx(nk_tx *tx, void *arg, nk_err *err)
{
    running *r = arg;
    nk_catalog_ctx ctx;
    nk_ice_optimizer fresh = {0};
    nk_code rc = nk_ice_ctx(&r->call, tx, &ctx, err);
    if (rc == NK_OK)
        rc = nk_ice_optimizer_load(tx, &ctx, r->opt.database, r->opt.table, r->opt.type, &fresh,
                                   err);
    r->gone = rc == NK_E_NOT_FOUND; /* its catalog, its table, or it */
    if (r->gone && fresh.source == DELETED)
        return NK_OK; /* the note stays */
    if (r->gone)
        return nk_ice_optimizer_forget(tx, r->opt.region, r->opt.database, r->opt.table,
                                       r->opt.type, err);
    NK_TRY(rc);
    r->opt = fresh;
    r->idle = !r->opt.due_us || !nk_ice_optimizer_on(&r->opt);
    if (r->idle && r->opt.due_us) { /* its catalog's is off */
        r->opt.due_us = 0;
        return nk_ice_optimizer_save(tx, &r->opt, false, ctx.arena, err);
    }
    if (r->idle)
        return NK_OK;
    NK_TRY(nk_store_next(tx, "glue.optimizer_run", &r->seq, err));
    r->run = (glue_TableOptimizerRun){.eventType = NK_STR("in_progress"),
                                      .startTimestamp = nk_some_time(ctx.now_us)};
    r->opt.o->lastRun = &r->run;
    r->opt.due_us = ctx.now_us + 24 * HOUR_US; /* until its end says when */
    NK_TRY(nk_ice_optimizer_save(tx, &r->opt, false, ctx.arena, err));
    return nk_ice_run_save(tx, &r->opt, r->seq, &r->run, ctx.arena, err);
}

static int64_t rate_us(const glue_TableOptimizerConfiguration *c)
{
    nk_opt_i64 hours = {0};
    if (c->retentionConfiguration && c->retentionConfiguration->icebergConfiguration)
        hours = c->retentionConfiguration->icebergConfiguration->runRateInHours;
    if (c->orphanFileDeletionConfiguration &&
        c->orphanFileDeletionConfiguration->icebergConfiguration)
        hours = c->orphanFileDeletionConfiguration->icebergConfiguration->runRateInHours;
    return nk_i64_or(hours, 24) * HOUR_US;
}

static bool is_compaction(const running *r)
{
    return nk_str_is(r->opt.type, "compaction");
}

static nk_code end_in_tx(nk_tx *tx, void *arg, nk_err *err)
{
    running *r = arg;
    nk_catalog_ctx ctx;
    nk_ice_optimizer fresh;
    NK_TRY(nk_ice_ctx(&r->call, tx, &ctx, err));
    nk_code rc =
        nk_ice_optimizer_load(tx, &ctx, r->opt.database, r->opt.table, r->opt.type, &fresh, err);
    if (rc == NK_E_NOT_FOUND)
        return NK_OK; /* deleted meanwhile, its runs with it */
    NK_TRY(rc);
    fresh.o->lastRun = &r->run;
    fresh.seen = r->entry.location;
    /* an update meanwhile wants a run of its own */
    if (fresh.due_us == r->opt.due_us)
        fresh.due_us =
            r->run.startTimestamp.us + (r->code == NK_E_UNAVAILABLE ? AGAIN_US
                                        : is_compaction(r)          ? COMPACT_EVERY_US
                                                           : rate_us(fresh.o->configuration));
    NK_TRY(nk_ice_optimizer_save(tx, &fresh, false, ctx.arena, err));
    return nk_ice_run_save(tx, &fresh, r->seq, &r->run, ctx.arena, err);
}

static nk_code put_config(running *r)
{
    const glue_TableOptimizerConfiguration *c = r->opt.o->configuration;
    nk_arena *a = r->call.arena;
    if (c->compactionConfiguration && c->compactionConfiguration->icebergConfiguration)
        return nk_model_encode_str(&glue_IcebergCompactionConfiguration_shape,
                                   c->compactionConfiguration->icebergConfiguration, a, &r->config,
                                   &r->err);
    if (c->retentionConfiguration && c->retentionConfiguration->icebergConfiguration)
        return nk_model_encode_str(&glue_IcebergRetentionConfiguration_shape,
                                   c->retentionConfiguration->icebergConfiguration, a, &r->config,
                                   &r->err);
    if (c->orphanFileDeletionConfiguration &&
        c->orphanFileDeletionConfiguration->icebergConfiguration)
        return nk_model_encode_str(&glue_IcebergOrphanFileDeletionConfiguration_shape,
                                   c->orphanFileDeletionConfiguration->icebergConfiguration, a,
                                   &r->config, &r->err);
    return NK_OK;
}

static nk_code put_metrics(running *r, int64_t files, int64_t bytes, const int64_t deleted[5])
{
    nk_arena *a = r->call.arena;
    double hours = (double)(r->run.endTimestamp.us - r->run.startTimestamp.us) / (double)HOUR_US;
    if (is_compaction(r)) {
        glue_CompactionMetrics *m = NK_NEW(a, glue_CompactionMetrics);
        glue_IcebergCompactionMetrics *i = NK_NEW(a, glue_IcebergCompactionMetrics);
        glue_RunMetrics *old = NK_NEW(a, glue_RunMetrics);
        if (!m || !i || !old)
            return nomem(&r->err);
        *i = (glue_IcebergCompactionMetrics){.NumberOfBytesCompacted = nk_some_i64(bytes),
                                             .NumberOfFilesCompacted = nk_some_i64(files),
                                             .DpuHours = nk_some_f64(hours),
                                             .NumberOfDpus = nk_some_i64(1),
                                             .JobDurationInHour = nk_some_f64(hours)};
        *old =
            (glue_RunMetrics){.NumberOfBytesCompacted = nk_str_printf(a, "%lld", (long long)bytes),
                              .NumberOfFilesCompacted = nk_str_printf(a, "%lld", (long long)files),
                              .NumberOfDpus = NK_STR("1"),
                              .JobDurationInHour = nk_str_printf(a, "%.6f", hours)};
        m->IcebergMetrics = i;
        r->run.compactionMetrics = m;
        r->run.metrics = old;
        const glue_CompactionConfiguration *c = r->opt.o->configuration->compactionConfiguration;
        nk_str s = c && c->icebergConfiguration ? c->icebergConfiguration->strategy : NK_STR_NULL;
        r->run.compactionStrategy = s.p ? s : NK_STR("binpack");
        return NK_OK;
    }
    if (nk_str_is(r->opt.type, "retention")) {
        glue_RetentionMetrics *m = NK_NEW(a, glue_RetentionMetrics);
        glue_IcebergRetentionMetrics *i = NK_NEW(a, glue_IcebergRetentionMetrics);
        if (!m || !i)
            return nomem(&r->err);
        *i = (glue_IcebergRetentionMetrics){.NumberOfDataFilesDeleted = nk_some_i64(deleted[0]),
                                            .NumberOfManifestFilesDeleted = nk_some_i64(deleted[1]),
                                            .NumberOfManifestListsDeleted = nk_some_i64(deleted[2]),
                                            .DpuHours = nk_some_f64(hours),
                                            .NumberOfDpus = nk_some_i64(1),
                                            .JobDurationInHour = nk_some_f64(hours)};
        m->IcebergMetrics = i;
        r->run.retentionMetrics = m;
        return NK_OK;
    }
    glue_OrphanFileDeletionMetrics *m = NK_NEW(a, glue_OrphanFileDeletionMetrics);
    glue_IcebergOrphanFileDeletionMetrics *i = NK_NEW(a, glue_IcebergOrphanFileDeletionMetrics);
    if (!m || !i)
        return nomem(&r->err);
    *i = (glue_IcebergOrphanFileDeletionMetrics){.NumberOfOrphanFilesDeleted =
                                                     nk_some_i64(deleted[4]),
                                                 .DpuHours = nk_some_f64(hours),
                                                 .NumberOfDpus = nk_some_i64(1),
                                                 .JobDurationInHour = nk_some_f64(hours)};
    m->IcebergMetrics = i;
    r->run.orphanFileDeletionMetrics = m;
    return NK_OK;
}

/* ---- who else lives there ---- */

typedef struct neighbour {
    running *r;
    nk_str home; /* with a slash at its end */
    nk_str who;  /* found */
} neighbour;

static nk_str with_slash(nk_arena *a, nk_str s)
{
    while (s.n && s.p[s.n - 1] == '/')
        s.n--;
    return nk_str_printf(a, "%.*s/", NK_STR_ARG(s));
}

static nk_code look_in(nk_call *call, neighbour *n, nk_str database)
{
    glue_GetTablesRequest in = {.CatalogId = call->catalog, .DatabaseName = database};
    do {
        glue_GetTablesResponse out = {0};
        call->operation = NK_STR("GetTables");
        NK_TRY(glue_GetTables(call, &in, &out));
        for (size_t i = 0; i < out.TableList.n; i++) {
            glue_Table *t = &out.TableList.v[i];
            if (t->raw_.p)
                NK_TRY(nk_model_decode(&glue_Table_shape, t->raw_, call->arena, (void **)&t,
                                       call->err));
            if (!t->StorageDescriptor || !t->StorageDescriptor->Location.n ||
                (nk_str_eq(t->Name, n->r->opt.table) && nk_str_eq(database, n->r->opt.database)))
                continue;
            nk_str other = with_slash(call->arena, t->StorageDescriptor->Location);
            if (other.p && (nk_str_starts(other, n->home) || nk_str_starts(n->home, other)))
                n->who = nk_str_printf(call->arena, "%.*s.%.*s", NK_STR_ARG(database),
                                       NK_STR_ARG(t->Name));
        }
        in.NextToken = out.NextToken;
    } while (in.NextToken.p && !n->who.p);
    return NK_OK;
}

static nk_code look_around(nk_tx *tx, void *arg, nk_err *err)
{
    neighbour *n = arg;
    nk_call call = n->r->call;
    nk_strs names = {0};
    nk_str next;
    call.tx = tx;
    call.err = err;
    NK_TRY(nk_ice_database_list(&call, NK_STR_NULL, 0, &names, &next));
    for (size_t i = 0; i < names.n && !n->who.p; i++)
        NK_TRY(look_in(&call, n, names.v[i]));
    return NK_OK;
}

/* Files of a table that shares the folder would look like orphans. */
static nk_code alone(running *r)
{
    neighbour n = {.r = r};
    const glue_StorageDescriptor *sd = r->entry.row->StorageDescriptor;
    if (!nk_str_is(r->opt.type, "orphan_file_deletion") || !sd)
        return NK_OK;
    n.home = with_slash(r->call.arena, sd->Location);
    if (!n.home.p)
        return nomem(&r->err);
    NK_TRY(nk_store_read(r->os->app->store, look_around, &n, &r->err));
    if (!n.who.p)
        return NK_OK;
    return nk_fail(&r->err, NK_E_INVALID,
                   "Table %.*s lies in the same folder, %.*s: its files would be taken for orphans",
                   NK_STR_ARG(n.who), NK_STR_ARG(sd->Location));
}

/* ---- */

/* A commit to another branch, too, takes sequence numbers and row ids. */
static bool moved(running *r, nk_str seen)
{
    nk_err err = r->err;
    nk_ice_entry now;
    nk_code rc = nk_ice_entry_find(&r->call, false, r->opt.database, r->opt.table, &now);
    r->err = err;
    return rc == NK_OK && !nk_str_eq(now.location, seen);
}

/* One try; *again: somebody else has changed the table meanwhile. */
static nk_code try_run(running *r, bool *again)
{
    outcome o = {.arena = nk_arena_create((size_t)1 << 30)};
    nk_json *result = NULL;
    int64_t deleted[5] = {0};
    *again = false;
    nk_code rc;
    if (!o.arena)
        return nomem(&r->err);
    NK_TRY_GOTO(rc, nk_ice_entry_find(&r->call, false, r->opt.database, r->opt.table, &r->entry),
                done);
    NK_TRY_GOTO(rc, alone(r), done);
    NK_TRY_GOTO(rc, nk_ice_entry_read(&r->call, &r->entry), done);
    NK_TRY_GOTO(rc, work(r->os, r->opt.type, &r->entry, r->config, &o, &r->err), done);
    NK_TRY_GOTO(rc, nk_json_parse(o.result, o.arena, NK_ICE_DEPTH_MAX, &result, &r->err), done);
    if (nk_json_get(result, "updates")->count) {
        nk_ice_change c = {.database = r->opt.database,
                           .name = r->opt.table,
                           .requirements = nk_json_get(result, "requirements"),
                           .updates = nk_json_get(result, "updates")};
        nk_str seen = r->entry.location;
        rc = nk_ice_commit(&r->call, &c, 1, &r->entry);
        *again = rc == NK_E_CONFLICT || (rc == NK_E_INVALID && moved(r, seen));
    }
    if (rc != NK_OK)
        goto done;
    /* what was written and is not part of the table now was only on the way */
    for (size_t i = 0; i < NK_COUNTOF(deleted); i++)
        deleted[i] = delete_paths(r->os, &o.deletes[i], o.arena);
    (void)delete_paths(r->os, &o.temporary, o.arena);
    r->run.endTimestamp = nk_some_time(nk_now_us(r->os->app->env));
    rc = put_metrics(r, nk_json_i64(result, "files", 0), nk_json_i64(result, "bytes", 0), deleted);
done:
    if (rc != NK_OK) {
        (void)delete_paths(r->os, &o.written, o.arena);
        (void)delete_paths(r->os, &o.temporary, o.arena);
    }
    nk_arena_destroy(o.arena);
    return rc;
}

/* false: it could not even be begun; later, then. */
static bool run_optimizer(nk_ice_optimizers *os, const nk_ice_optimizer *due)
{
    running r = {.os = os, .opt = *due};
    bool again = true;
    nk_arena *a = nk_arena_create((size_t)1 << 30);
    if (!a)
        return false;
    r.call = (nk_call){.app = os->app,
                       .arena = a,
                       .err = &r.err,
                       .region = nk_str_dup(a, due->home),
                       .catalog = due->catalog.p ? nk_str_dup(a, due->catalog) : NK_STR_NULL,
                       .account_id = nk_str_c(os->app->settings->account_id),
                       .operation = NK_STR("optimizer")};
    nk_code rc = nk_store_write(os->app->store, begin_in_tx, &r, &r.err);
    if (rc != NK_OK || r.gone || r.idle) {
        if (rc != NK_OK)
            nk_warn("iceberg", "an optimizer does not start: %s", r.err.msg);
        nk_arena_destroy(a);
        return rc == NK_OK;
    }
    rc = put_config(&r);
    for (int i = 0; i < TRIES && again && rc != NK_E_NOMEM; i++)
        rc = try_run(&r, &again);
    r.run.endTimestamp = nk_some_time(nk_now_us(os->app->env));
    r.code = rc;
    r.run.eventType = rc == NK_OK ? NK_STR("completed") : NK_STR("failed");
    if (rc != NK_OK)
        r.run.error = nk_str_dup(a, nk_str_c(r.err.msg));
    if (nk_store_write(os->app->store, end_in_tx, &r, &r.err) != NK_OK)
        nk_warn("iceberg", "an optimizer's end is not written down: %s", r.err.msg);
    nk_arena_destroy(a);
    return true;
}

/* ---- purging ---- */

typedef struct purge_row {
    nk_arena *a;
    int64_t seq; /* 0 = none */
    nk_str body;
} purge_row;

static bool first_purge(void *arg, const nk_row *row)
{
    purge_row *p = arg;
    p->seq = row->cols[PURGE_SEQ].i;
    p->body = nk_str_dup(p->a, row->body);
    return false;
}

static nk_code find_purge(nk_tx *tx, void *arg, nk_err *err)
{
    nk_query q = {.kind = &nk_kind_purge, .limit = 1};
    return nk_store_scan(tx, &q, first_purge, arg, err);
}

static nk_code end_purge(nk_tx *tx, void *arg, nk_err *err)
{
    purge_row *p = arg;
    return nk_store_delete(tx, &nk_kind_purge, NK_KEY(nk_vi(p->seq)), err);
}

static nk_code purge(nk_ice_optimizers *os, purge_row *p, nk_err *err)
{
    nk_json *j;
    outcome o = {.arena = p->a};
    NK_TRY(nk_json_parse(p->body, p->a, 0, &j, err));
    nk_call call = {.app = os->app,
                    .arena = p->a,
                    .err = err,
                    .region = nk_json_str(j, "region"),
                    .account_id = nk_str_c(os->app->settings->account_id)};
    nk_ice_entry e = {.location = nk_json_str(j, "location")};
    NK_TRY(nk_ice_entry_read(&call, &e));
    NK_TRY(work(os, NK_STR("purge"), &e, NK_STR_NULL, &o, err));
    /* the metadata file last: as long as it is there a purge can be taken up again */
    for (size_t i = 0; i < NK_COUNTOF(o.deletes); i++)
        (void)delete_paths(os, &o.deletes[i], p->a);
    return NK_OK;
}

/* false: there is nothing to purge. */
static bool purge_next(nk_ice_optimizers *os)
{
    purge_row p = {.a = nk_arena_create((size_t)1 << 30)};
    nk_err err = NK_ERR_INIT;
    nk_code rc = p.a ? nk_store_read(os->app->store, find_purge, &p, &err) : nomem(&err);
    bool found = rc == NK_OK && p.seq && p.body.p;
    if (found) {
        rc = purge(os, &p, &err);
        os->lake_away = rc == NK_E_UNAVAILABLE;
        bool later = rc == NK_E_CANCELLED || os->lake_away;
        if (rc != NK_OK && !later)
            nk_warn("iceberg", "the files of a dropped table stay behind: %s", err.msg);
        if (!later)
            rc = nk_store_write(os->app->store, end_purge, &p, &err);
    }
    nk_arena_destroy(p.a);
    return found && rc == NK_OK;
}

/* ---- the thread ---- */

typedef struct due {
    nk_arena *a;
    int64_t now_us, next_us; /* next: 0 = none */
    nk_ice_optimizer o;
    bool found;
} due;

static nk_str text_or_null(nk_arena *a, const nk_val *v)
{
    return v->kind == NK_V_NULL ? NK_STR_NULL : nk_str_dup(a, v->s);
}

static bool due_row(void *arg, const nk_row *row)
{
    due *d = arg;
    d->next_us = row->cols[OPT_DUE].i;
    if (d->next_us > d->now_us)
        return false;
    d->o = (nk_ice_optimizer){.region = nk_str_dup(d->a, row->cols[OPT_REGION].s),
                              .database = nk_str_dup(d->a, row->cols[OPT_DATABASE].s),
                              .table = nk_str_dup(d->a, row->cols[OPT_TABLE].s),
                              .type = nk_str_dup(d->a, row->cols[OPT_TYPE].s),
                              .home = nk_str_dup(d->a, row->cols[OPT_HOME].s),
                              .catalog = text_or_null(d->a, &row->cols[OPT_CATALOG])};
    d->found = d->o.region.p && d->o.home.p && d->o.database.p && d->o.table.p && d->o.type.p;
    return false;
}

static nk_code find_due(nk_tx *tx, void *arg, nk_err *err)
{
    nk_query q = {.kind = &nk_kind_optimizer,
                  .index = &nk_kind_optimizer.indexes[0],
                  .no_body = true,
                  .limit = 1};
    return nk_store_scan(tx, &q, due_row, arg, err);
}

typedef struct postponer {
    nk_call *call;
    due *d;
    bool same; /* nothing has changed since the last run */
} postponer;

/* A compaction whose table is as the last one left it has nothing to look at. */
static nk_code postpone(nk_tx *tx, void *arg, nk_err *err)
{
    postponer *p = arg;
    nk_catalog_ctx ctx;
    nk_ice_optimizer o;
    glue_Table *t;
    p->same = false;
    if (!nk_str_is(p->d->o.type, "compaction"))
        return NK_OK;
    nk_code rc = nk_ice_ctx(p->call, tx, &ctx, err);
    if (rc == NK_OK)
        rc =
            nk_ice_optimizer_load(tx, &ctx, p->d->o.database, p->d->o.table, p->d->o.type, &o, err);
    if (rc == NK_E_NOT_FOUND)
        return NK_OK; /* its run sees to that */
    NK_TRY(rc);
    NK_TRY(nk_catalog_get_table(tx, &ctx, o.database, o.table, &t, err));
    p->same = o.seen.n && nk_str_eq(o.seen, nk_map_str_get(&t->Parameters, "metadata_location"));
    if (!p->same)
        return NK_OK;
    o.due_us = ctx.now_us + COMPACT_EVERY_US;
    return nk_ice_optimizer_save(tx, &o, false, ctx.arena, err);
}

/* Runs what is due first. *next_us: when something is due, 0 = nothing known. false: nothing was.
 */
static bool run_next(nk_ice_optimizers *os, int64_t *next_us)
{
    due d = {.a = nk_arena_create(64 << 20), .now_us = nk_now_us(os->app->env)};
    nk_err err = NK_ERR_INIT;
    nk_code rc = d.a ? nk_store_read(os->app->store, find_due, &d, &err) : nomem(&err);
    if (rc != NK_OK)
        nk_warn("iceberg", "optimizers cannot be read: %s", err.msg);
    *next_us = d.next_us;
    if (rc == NK_OK && d.found) {
        nk_call call = {.app = os->app,
                        .arena = d.a,
                        .err = &err,
                        .region = d.o.home,
                        .catalog = d.o.catalog,
                        .account_id = nk_str_c(os->app->settings->account_id)};
        postponer p = {.call = &call, .d = &d};
        if (nk_store_write(os->app->store, postpone, &p, &err) != NK_OK)
            nk_warn("iceberg", "an optimizer cannot be looked at: %s", err.msg);
        if (!p.same)
            d.found = run_optimizer(os, &d.o);
    }
    nk_arena_destroy(d.a);
    return rc == NK_OK && d.found;
}

static nk_code count_cascades(nk_tx *tx, void *arg, nk_err *err)
{
    nk_query q = {.kind = &nk_kind_cascade};
    return nk_store_count(tx, &q, arg, err);
}

/* true: something was done. */
static bool cascade_next(nk_ice_optimizers *os)
{
    int64_t n = 0;
    nk_err err = NK_ERR_INIT;
    if (nk_store_read(os->app->store, count_cascades, &n, NULL) != NK_OK || !n)
        return false;
    nk_ice_cascade_step step = {.app = os->app, .arena = nk_arena_create(64 << 20)};
    nk_code rc =
        step.arena ? nk_store_write(os->app->store, nk_ice_cascade, &step, &err) : nomem(&err);
    if (rc != NK_OK)
        nk_warn("iceberg", "the change of a catalog does not reach its tables: %s", err.msg);
    nk_arena_destroy(step.arena);
    return rc == NK_OK && step.more;
}

static void *serve(void *arg)
{
    nk_ice_optimizers *os = arg;
    pthread_mutex_lock(&os->lock);
    while (!os->ending) {
        int64_t next_us = 0;
        os->poked = os->lake_away = false;
        pthread_mutex_unlock(&os->lock);
        bool more = cascade_next(os);
        os->lake_away = os->app->lake && !nk_lake_ready(os->app->lake);
        if (!os->lake_away) {
            more = purge_next(os) || more;
            more = run_next(os, &next_us) || more;
        }
        pthread_mutex_lock(&os->lock);
        if (more || os->poked || os->ending)
            continue;
        int64_t wait_us = os->lake_away ? 1000000
                          : next_us     ? next_us - nk_now_us(os->app->env)
                                        : HOUR_US;
        wait_us = wait_us < 10000 ? 10000 : wait_us > HOUR_US ? HOUR_US : wait_us;
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += (time_t)(wait_us / 1000000) + 1;
        while (!os->poked && !os->ending &&
               pthread_cond_timedwait(&os->wake, &os->lock, &until) != ETIMEDOUT)
            ;
    }
    pthread_mutex_unlock(&os->lock);
    return NULL;
}

static nk_code nothing(nk_tx *tx, void *arg, nk_err *err)
{
    return NK_OK;
}

static void woken(void *arg, nk_code code, const nk_err *err)
{
    const nk_app *app = arg;
    nk_ice_optimizers_wake(app->iceberg ? app->iceberg->optimizers : NULL);
}

void nk_ice_optimizers_wake_after(nk_app *app)
{
    if (nk_store_submit(app->store, nothing, NULL, woken, app, NULL) != NK_OK)
        nk_debug("iceberg", "optimizers are looked at later: the writer is busy");
}

void nk_ice_optimizers_wake(nk_ice_optimizers *os)
{
    if (!os)
        return;
    pthread_mutex_lock(&os->lock);
    os->poked = true;
    pthread_cond_broadcast(&os->wake);
    pthread_mutex_unlock(&os->lock);
}

/* ---- start and end ---- */

typedef struct left_over {
    nk_app *app;
    nk_arena *a;
    nk_strs keys; /* four a row */
} left_over;

static bool left_row(void *arg, const nk_row *row)
{
    left_over *l = arg;
    if (nk_str_find(row->body, NK_STR("\"in_progress\"")) < 0)
        return true;
    for (int i = OPT_REGION; i <= OPT_TYPE; i++) {
        nk_str *s = nk_strs_add(&l->keys, l->a);
        if (!s)
            return false;
        *s = nk_str_dup(l->a, row->cols[i].s);
    }
    return true;
}

static bool newest(void *arg, const nk_row *row)
{
    *(int64_t *)arg = row->cols[RUN_SEQ].i;
    return false;
}

/* Runs that an earlier server left are failed and due once more. */
static nk_code recover(nk_tx *tx, void *arg, nk_err *err)
{
    left_over *l = arg;
    nk_query q = {.kind = &nk_kind_optimizer};
    l->keys.n = 0;
    NK_TRY(nk_store_scan(tx, &q, left_row, l, err));
    for (size_t i = 0; i + 3 < l->keys.n; i += 4) {
        const nk_str *k = &l->keys.v[i];
        nk_catalog_ctx ctx = {.region = k[0],
                              .account_id = nk_str_c(l->app->settings->account_id),
                              .now_us = nk_now_us(l->app->env),
                              .arena = l->a};
        nk_ice_optimizer o;
        int64_t seq = 0;
        nk_code rc = nk_ice_optimizer_load(tx, &ctx, k[1], k[2], k[3], &o, err);
        if (rc == NK_E_NOT_FOUND)
            continue;
        NK_TRY(rc);
        glue_TableOptimizerRun *run = o.o->lastRun;
        run->eventType = NK_STR("failed");
        run->endTimestamp = nk_some_time(ctx.now_us);
        run->error = NK_STR("The server ended while the optimizer ran");
        o.due_us = o.due_us ? ctx.now_us : 0;
        NK_TRY(nk_ice_optimizer_save(tx, &o, false, l->a, err));
        nk_query runs = {.kind = &nk_kind_optimizer_run,
                         .prefix = NK_KEY(nk_vs(k[0]), nk_vs(k[1]), nk_vs(k[2]), nk_vs(k[3])),
                         .nprefix = 4,
                         .desc = true,
                         .no_body = true,
                         .limit = 1};
        NK_TRY(nk_store_scan(tx, &runs, newest, &seq, err));
        if (seq)
            NK_TRY(nk_ice_run_save(tx, &o, seq, run, l->a, err));
    }
    return NK_OK;
}

nk_code nk_ice_optimizers_create(nk_app *app, nk_ice_optimizers **out, nk_err *err)
{
    nk_ice_optimizers *os = nk_calloc(1, sizeof *os);
    if (!os)
        return nomem(err);
    os->app = app;
    pthread_mutex_init(&os->lock, NULL);
    pthread_cond_init(&os->wake, NULL);
    left_over l = {.app = app, .a = nk_arena_create(0)};
    nk_code rc = l.a ? nk_store_write(app->store, recover, &l, err) : nomem(err);
    nk_arena_destroy(l.a);
    if (rc == NK_OK && app->pool && pthread_create(&os->thread, NULL, serve, os) != 0)
        rc = nk_fail(err, NK_E_INTERNAL, "No thread for table optimizers");
    os->started = rc == NK_OK && app->pool;
    if (rc != NK_OK) {
        nk_ice_optimizers_destroy(os);
        return rc;
    }
    *out = os;
    return NK_OK;
}

void nk_ice_optimizers_destroy(nk_ice_optimizers *os)
{
    if (!os)
        return;
    pthread_mutex_lock(&os->lock);
    os->ending = true;
    pthread_cond_broadcast(&os->wake);
    pthread_mutex_unlock(&os->lock);
    if (os->started)
        pthread_join(os->thread, NULL);
    pthread_cond_destroy(&os->wake);
    pthread_mutex_destroy(&os->lock);
    nk_free(os);
}
