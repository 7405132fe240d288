/* The life of a crawl: started in a worker, its results stored by our own thread, its end written
 * down. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "catalog/tags.h"
#include "crawl/classifiers.h"
#include "crawl/events.h"
#include "crawl/plan.h"
#include "crawl/targets.h"
#include "lake/lake.h"
#include "model/glue_handlers.h"

#define FRAMES_MAX    ((size_t)1 << 30) /* bytes of results one crawl may bring */
#define STOP_GRACE_MS 2000
#define LOG_GROUP     "/aws-glue/crawlers"

/* ---- log ---- */

void nk_crawl_log(nk_crawl_run *run, const char *level, const char *fmt, ...)
{
    char line[2600];
    nk_civil t = nk_civil_from_us(nk_now_us(run->owner->app->env));
    int n = snprintf(line, sizeof line, "%04d-%02d-%02dT%02d:%02d:%02dZ [%s] %s : ", t.year,
                     t.month, t.day, t.hour, t.minute, t.second, run->crawl_id, level);
    va_list ap;
    va_start(ap, fmt);
    int m = vsnprintf(line + n, sizeof line - (size_t)n - 2, fmt, ap);
    va_end(ap);
    size_t len = (size_t)n + (m < 0 ? 0 : (size_t)m);
    if (len > sizeof line - 2)
        len = sizeof line - 2;
    line[len++] = '\n';
    if (run->log_fd >= 0 && nk_fd_write_all(run->log_fd, line, len, NULL) != NK_OK) {
        nk_warn("crawl", "the log of crawler %.*s cannot be written", NK_STR_ARG(run->name));
        close(run->log_fd);
        run->log_fd = -1;
    }
}

nk_str nk_crawl_log_path(nk_arena *a, nk_str dir, nk_str region, nk_str name)
{
    nk_buf b;
    nk_buf_init(&b, 8192);
    (void)nk_buf_printf(&b, "%.*s/logs/crawlers/%.*s/", NK_STR_ARG(dir), NK_STR_ARG(region));
    for (size_t i = 0; i < name.n && i < 200; i++) {
        unsigned char c = (unsigned char)name.p[i];
        bool plain = c > ' ' && c != '/' && c != '%' && c != 0x7f && !(c == '.' && i == 0);
        (void)nk_buf_printf(&b, plain ? "%c" : "%%%02X", c);
    }
    (void)nk_buf_puts(&b, ".log");
    nk_str path = b.failed ? NK_STR_NULL : nk_buf_dup(&b, a);
    nk_buf_free(&b);
    return path;
}

static int open_log(nk_crawl_run *run)
{
    nk_err err = NK_ERR_INIT;
    nk_str path = nk_crawl_log_path(run->arena, nk_str_c(run->owner->app->settings->data_dir),
                                    run->region, run->name);
    nk_str folder = nk_str_dup(run->arena, nk_str_sub(path, 0, (size_t)nk_str_rchr(path, '/')));
    nk_code rc = path.p && folder.p ? nk_file_mkdirs(folder.p, 0700, &err)
                                    : nk_fail(&err, NK_E_NOMEM, "out of memory");
    if (rc != NK_OK) {
        nk_warn("crawl", "%s", err.msg);
        return -1;
    }
    return open(path.p, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* ---- states in the store ---- */

static nk_code put_history(nk_tx *tx, nk_crawl_run *run, const glue_CrawlerHistory *h, nk_arena *a,
                           nk_err *err)
{
    nk_val cols[CRAWL_COLS] = {
        [CRAWL_REGION] = nk_vs(run->region),
        [CRAWL_CRAWLER] = nk_vs(run->name),
        [CRAWL_SEQ] = nk_vi(run->seq),
        [CRAWL_STATE] = nk_vs(h->State),
        [CRAWL_START] = nk_vi(h->StartTime.us),
        [CRAWL_END] = h->EndTime.set ? nk_vi(h->EndTime.us) : nk_vnull(),
        [CRAWL_CREATED] = nk_vi(run->counts.tables_created),
        [CRAWL_UPDATED] = nk_vi(run->counts.tables_updated),
        [CRAWL_DELETED] = nk_vi(run->counts.tables_deleted),
    };
    nk_row row = {.cols = cols};
    NK_TRY(nk_model_encode_str(&glue_CrawlerHistory_shape, h, a, &row.body, err));
    return nk_store_put(tx, &nk_kind_crawl, &row, err);
}

static glue_CrawlerHistory history_of(const nk_crawl_run *run, nk_str state)
{
    return (glue_CrawlerHistory){.CrawlId = nk_str_c(run->crawl_id),
                                 .State = state,
                                 .StartTime = nk_some_time(run->started_us),
                                 .LogGroup = NK_STR(LOG_GROUP),
                                 .LogStream = run->name,
                                 .MessagePrefix = nk_str_c(run->crawl_id)};
}

/* READY → RUNNING. */
static nk_code begin_crawl(nk_tx *tx, void *arg, nk_err *err)
{
    nk_crawl_run *run = arg;
    nk_crawler_row row;
    NK_TRY(nk_crawler_load(tx, run->region, run->name, run->arena, &row, err));
    if (!nk_str_is(row.c->State, "READY"))
        return nk_fail(err, NK_E_CRAWLER_RUNNING, "Crawler with name %.*s has already started",
                       NK_STR_ARG(run->name));
    NK_TRY(nk_crawl_runnable(row.c, err));
    NK_TRY(nk_crawl_config_parse(row.c->Configuration, run->arena, &run->config, err));
    run->def = row.c;
    run->new_only = nk_str_is(row.c->RecrawlPolicy->RecrawlBehavior, "CRAWL_NEW_FOLDERS_ONLY");
    run->by_events = nk_str_is(row.c->RecrawlPolicy->RecrawlBehavior, "CRAWL_EVENT_MODE");
    run->classifiers = (nk_strs){0}; /* the closure may run again */
    for (size_t i = 0; i < row.c->Classifiers.n; i++) {
        nk_str *text = nk_strs_add(&run->classifiers, run->arena);
        if (!text)
            return nk_fail(err, NK_E_NOMEM, "Out of memory");
        NK_TRY(nk_classifier_text(tx, run->region, row.c->Classifiers.v[i], run->arena, text, err));
    }
    NK_TRY(nk_store_next(tx, "crawl", &run->seq, err));
    row.c->State = NK_STR("RUNNING");
    row.c->CrawlElapsedTime = nk_some_i64(-run->started_us);
    NK_TRY(nk_crawler_save(tx, run->region, &row, false, run->arena, err));
    glue_CrawlerHistory h = history_of(run, NK_STR("RUNNING"));
    return put_history(tx, run, &h, run->arena, err);
}

static void summary_part(nk_json_writer *w, const char *key, const nk_strs *names)
{
    if (!names->n)
        return;
    nk_jw_key(w, nk_str_c(key));
    nk_jw_object(w);
    nk_jw_ki64(w, "Count", (int64_t)names->n);
    nk_jw_key(w, NK_STR("Names"));
    nk_jw_array(w);
    for (size_t i = 0; i < names->n && i < 100; i++)
        nk_jw_str(w, names->v[i]);
    nk_jw_array_end(w);
    nk_jw_object_end(w);
}

/* AWS's form: an object whose members are JSON texts. */
static nk_str summary(nk_crawl_run *run, nk_arena *a)
{
    nk_buf tables, parts, all;
    nk_buf_init(&tables, 256 << 10);
    nk_buf_init(&parts, 4 << 10);
    nk_buf_init(&all, 512 << 10);
    nk_json_writer w = {.buf = &tables};
    nk_jw_object(&w);
    summary_part(&w, "ADD", &run->created);
    summary_part(&w, "UPDATE", &run->updated);
    summary_part(&w, "DELETE", &run->deleted);
    nk_jw_object_end(&w);
    const struct {
        const char *key;
        int64_t n;
    } counts[] = {{"ADD", run->counts.partitions_created},
                  {"UPDATE", run->counts.partitions_updated},
                  {"DELETE", run->counts.partitions_deleted}};
    w = (nk_json_writer){.buf = &parts};
    nk_jw_object(&w);
    for (size_t i = 0; i < 3; i++) {
        if (!counts[i].n)
            continue;
        nk_jw_key(&w, nk_str_c(counts[i].key));
        nk_jw_object(&w);
        nk_jw_ki64(&w, "Count", counts[i].n);
        nk_jw_object_end(&w);
    }
    nk_jw_object_end(&w);
    w = (nk_json_writer){.buf = &all};
    nk_jw_object(&w);
    if (tables.n > 2)
        nk_jw_kstr(&w, "TABLE", nk_buf_view(&tables));
    if (parts.n > 2)
        nk_jw_kstr(&w, "PARTITION", nk_buf_view(&parts));
    nk_jw_object_end(&w);
    nk_str out = nk_buf_dup(&all, a);
    nk_buf_free(&tables);
    nk_buf_free(&parts);
    nk_buf_free(&all);
    return out;
}

typedef struct ending {
    nk_crawl_run *run;
    const char *state, *status; /* of the history, of LastCrawl */
    nk_str message;
    nk_str plan; /* the summary of a crawl that only planned */
} ending;

/* RUNNING or STOPPING → READY. */
static nk_code end_crawl(nk_tx *tx, void *arg, nk_err *err)
{
    ending *e = arg;
    nk_crawl_run *run = e->run;
    nk_arena *a = nk_arena_create(0);
    nk_crawler_row row;
    int64_t now = nk_now_us(run->owner->app->env);
    nk_code rc = a ? nk_crawler_load(tx, run->region, run->name, a, &row, err)
                   : nk_fail(err, NK_E_NOMEM, "Out of memory");
    glue_LastCrawlInfo last = {.Status = nk_str_c(e->status),
                               .ErrorMessage = e->message,
                               .LogGroup = NK_STR(LOG_GROUP),
                               .LogStream = run->name,
                               .MessagePrefix = nk_str_c(run->crawl_id),
                               .StartTime = nk_some_time(run->started_us)};
    glue_CrawlerHistory h = history_of(run, nk_str_c(e->state));
    h.EndTime = nk_some_time(now > run->started_us ? now : run->started_us + 1);
    h.ErrorMessage = e->message;
    /* of four processors for an hour, as AWS counts them */
    h.DPUHour = (nk_opt_f64){true, (double)run->exit.cpu_us / 1e6 / 3600 / 4};
    if (rc == NK_OK) {
        h.Summary = e->plan.p ? e->plan : summary(run, a);
        row.c->State = NK_STR("READY");
        row.c->CrawlElapsedTime = nk_some_i64((h.EndTime.us - run->started_us) / 1000);
        if (run->mode != NK_CRAWL_PLAN) /* which has not crawled */
            row.c->LastCrawl = &last;
        rc = nk_crawler_save(tx, run->region, &row, false, a, err);
    }
    if (rc == NK_OK)
        rc = put_history(tx, run, &h, a, err);
    nk_arena_destroy(a);
    return rc;
}

/* ---- the worker ---- */

bool nk_crawl_is_frame(nk_str json)
{
    return nk_str_starts(json, NK_STR("{\"event\":\"table\"")) ||
           nk_str_starts(json, NK_STR("{\"event\":\"partitions\""));
}

static void too_much(nk_crawl_run *run)
{
    if (run->failure.code == NK_OK)
        (void)nk_fail(&run->failure, NK_E_LIMIT, "The crawl found more than can be held in memory");
}

/* A folder that could not be read and were forgotten would count as gone: then the crawl fails. */
static void keep(nk_crawl_run *run, nk_strs *list, nk_str text)
{
    nk_str *slot = nk_strs_add(list, run->arena);
    if (!slot || !(*slot = nk_str_dup(run->arena, text)).p)
        too_much(run);
}

/* What the worker sends about its targets and queues besides tables. false: it is none of these. */
static bool take_note(nk_crawl_run *run, const nk_json *j)
{
    nk_str *slot, event = nk_json_str(j, "event");
    bool unread = nk_str_is(event, "unread");
    if (unread || nk_str_is(event, "empty")) {
        keep(run, unread ? &run->unread : &run->empty, nk_json_str(j, "folder"));
    } else if (nk_str_is(event, "receipts")) {
        const nk_json *list = nk_json_get(j, "receipts");
        nk_crawl_receipt *q = nk_crawl_receipts_add(&run->receipts, run->arena);
        if (!q)
            return true; /* they will come again */
        *q = (nk_crawl_receipt){.queue = nk_str_dup(run->arena, nk_json_str(j, "queue")),
                                .url = nk_str_dup(run->arena, nk_json_str(j, "url"))};
        for (const nk_json *r = list ? list->first : NULL; r; r = r->next) {
            if ((slot = nk_strs_add(&q->receipts, run->arena)))
                *slot = nk_str_dup(run->arena, r->text);
        }
    } else {
        return false;
    }
    return true;
}

/* Those of the crawl that planned. */
static nk_code take_notes(nk_crawl_run *run, nk_err *err)
{
    for (size_t i = 0; i < run->notes.n; i++) {
        nk_json *j;
        NK_TRY(nk_json_parse(run->notes.v[i], run->arena, 0, &j, err));
        (void)take_note(run, j);
    }
    return NK_OK;
}

/* Pool's thread. The worker writes "event" first. */
static void on_message(void *arg, nk_str json)
{
    nk_crawl_run *run = arg;
    nk_arena *a = nk_arena_create(16 << 20);
    if (!a)
        return;
    pthread_mutex_lock(&run->owner->lock);
    nk_json *j;
    if (nk_crawl_is_frame(json)) {
        nk_str *slot =
            run->frame_bytes + json.n <= FRAMES_MAX ? nk_strs_add(&run->frames, run->arena) : NULL;
        if (slot)
            *slot = nk_str_dup(run->arena, json);
        run->frame_bytes += json.n;
        if (!slot || !slot->p)
            too_much(run);
    } else if (nk_json_parse(json, a, 0, &j, NULL) == NK_OK) {
        nk_str event = nk_json_str(j, "event");
        if (nk_str_is(event, "log"))
            nk_crawl_log(run, nk_str_dup(a, nk_json_str(j, "level")).p, "%.*s",
                         NK_STR_ARG(nk_json_str(j, "text")));
        else if (nk_str_is(event, "result"))
            run->finished = true;
        else if (take_note(run, j))
            keep(run, &run->notes, json);
        else if (nk_str_is(event, "error") && run->failure.code == NK_OK)
            (void)nk_fail(&run->failure, NK_E_INTERNAL, "%.*s",
                          NK_STR_ARG(nk_json_str(j, "message")));
    }
    pthread_mutex_unlock(&run->owner->lock);
    nk_arena_destroy(a);
}

static void unlink_run(nk_crawl_run **list, nk_crawl_run *run)
{
    for (; *list; list = &(*list)->next) {
        if (*list == run) {
            *list = run->next;
            return;
        }
    }
}

/* To our thread; with the lock held. From here on the run is its. */
static void hand_over(nk_crawl_run *run)
{
    nk_crawlers *c = run->owner;
    unlink_run(&c->active, run);
    nk_crawl_run **tail = &c->ended;
    while (*tail)
        tail = &(*tail)->next;
    run->next = NULL;
    *tail = run;
    pthread_cond_broadcast(&c->wake);
}

/* Pool's thread: the last word of the worker. */
static void on_exit_(void *arg, const nk_pool_exit *exit)
{
    nk_crawl_run *run = arg;
    nk_crawlers *c = run->owner;
    pthread_mutex_lock(&c->lock);
    run->exit = *exit;
    run->exited = true;
    if (!run->launching)
        hand_over(run);
    pthread_mutex_unlock(&c->lock);
}

/* As the AWS SDKs find it. */
static const char *sqs_endpoint(void)
{
    const char *own = getenv("AWS_ENDPOINT_URL_SQS"), *all = getenv("AWS_ENDPOINT_URL");
    return own && *own ? own : all && *all ? all : "";
}

static nk_code launch(nk_crawl_run *run, nk_err *err)
{
    const nk_settings *s = run->owner->app->settings;
    nk_buf b;
    nk_buf_init(&b, NK_POOL_FRAME_MAX);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "op", "crawl");
    nk_jw_kcstr(&w, "s3_endpoint", s->s3_endpoint);
    nk_jw_kcstr(&w, "region", s->region);
    nk_jw_kcstr(&w, "access_key", s->access_key);
    nk_jw_kcstr(&w, "secret_key", s->secret_key);
    nk_jw_kbool(&w, "combine", run->config.combine);
    nk_jw_kbool(&w, "inherit", run->config.inherit);
    nk_jw_ki64(&w, "table_level", run->config.table_level);
    nk_jw_key(&w, NK_STR("classifiers"));
    nk_jw_array(&w);
    for (size_t i = 0; i < run->classifiers.n; i++)
        nk_jw_str(&w, run->classifiers.v[i]);
    nk_jw_array_end(&w);
    nk_jw_kcstr(&w, "sqs_endpoint", sqs_endpoint());
    nk_jw_key(&w, NK_STR("targets"));
    nk_jw_raw(&w, run->targets);
    nk_jw_object_end(&w);
    nk_pool_task task = {.kind = NK_POOL_ENGINE,
                         .request = nk_buf_view(&b),
                         .stdout_fd = run->log_fd > 0 ? run->log_fd : 0,
                         .stderr_fd = run->log_fd > 0 ? run->log_fd : 0,
                         .on_message = on_message,
                         .on_exit = on_exit_,
                         .arg = run};
    nk_code rc = nk_buf_check(&b, err);
    if (rc == NK_OK) {
        nk_crawlers *c = run->owner;
        pthread_mutex_lock(&c->lock);
        run->next = c->active;
        c->active = run;
        run->launching = true;
        pthread_mutex_unlock(&c->lock);
        uint64_t id = 0;
        rc = nk_pool_start(c->app->pool, &task, &id, err);
        pthread_mutex_lock(&c->lock);
        run->launching = false;
        run->pool_run = id;
        bool stop = rc == NK_OK && run->stop;
        if (rc != NK_OK)
            unlink_run(&c->active, run);
        else if (run->exited)
            hand_over(run);
        pthread_mutex_unlock(&c->lock);
        if (stop)
            nk_pool_stop(c->app->pool, id, STOP_GRACE_MS);
    }
    nk_buf_free(&b);
    return rc;
}

static void free_run(nk_crawl_run *run)
{
    if (run->log_fd >= 0)
        close(run->log_fd);
    nk_arena_destroy(run->arena); /* run lives in it */
}

static void end_run_with(nk_crawl_run *run, const char *state, const char *status, nk_str message,
                         nk_str plan)
{
    ending e = {run, state, status, message, plan};
    nk_err err = NK_ERR_INIT;
    bool failed = nk_str_is(nk_str_c(status), "FAILED");
    if (message.n)
        nk_crawl_log(run, failed ? "ERROR" : "INFO", "%.*s", NK_STR_ARG(message));
    if (nk_store_write(run->owner->app->store, end_crawl, &e, &err) != NK_OK)
        nk_error("crawl", "the end of crawler %.*s cannot be stored: %s", NK_STR_ARG(run->name),
                 err.msg);
    nk_crawl_log(run, "BENCHMARK", "Crawler has finished running and is in state READY");
}

static void end_run(nk_crawl_run *run, const char *state, const char *status, nk_str message)
{
    end_run_with(run, state, status, message, NK_STR_NULL);
}

/* Without a worker: what another crawl has found goes to our thread. */
static void skip_worker(nk_crawl_run *run)
{
    nk_crawlers *c = run->owner;
    pthread_mutex_lock(&c->lock);
    run->next = c->active;
    c->active = run;
    run->finished = true;
    hand_over(run);
    pthread_mutex_unlock(&c->lock);
}

/* "plan", or "apply ID". */
static nk_code set_mode(nk_crawl_run *run, nk_str mode, nk_err *err)
{
    if (!mode.n)
        return NK_OK;
    if (nk_str_is(mode, "plan")) {
        run->mode = NK_CRAWL_PLAN;
        run->dry = true;
        return NK_OK;
    }
    if (!nk_str_starts(mode, NK_STR("apply ")))
        return nk_fail(err, NK_E_INVALID, "X-Nikawa-Mode takes \"plan\" or \"apply ID\"");
    run->mode = NK_CRAWL_APPLY;
    run->plan_id = nk_str_dup(run->arena, nk_str_trim(nk_str_sub(mode, 6, mode.n)));
    return NK_OK;
}

/* What a definition may say and has no meaning here: told, not ignored. */
static void tell_without_effect(nk_crawl_run *run)
{
    const glue_Crawler *d = run->def;
    if (nk_bool_or(d->LakeFormationConfiguration->UseLakeFormationCredentials, false))
        nk_crawl_log(run, "WARN",
                     "UseLakeFormationCredentials: there is no Lake Formation here; the lake is "
                     "read with the server's own keys");
    if (nk_str_is(d->LineageConfiguration->CrawlerLineageSettings, "ENABLE"))
        nk_crawl_log(run, "WARN", "CrawlerLineageSettings ENABLE: crawlers record no lineage here");
    if (d->CrawlerSecurityConfiguration.n)
        nk_crawl_log(run, "WARN",
                     "Security configuration %.*s: this log is an ordinary file of the server, it "
                     "is not encrypted",
                     NK_STR_ARG(d->CrawlerSecurityConfiguration));
}

static nk_code start(nk_crawlers *c, nk_str region, nk_str name, nk_str mode, char *crawl_id,
                     nk_err *err)
{
    nk_arena *a = nk_arena_create((size_t)3 << 30);
    nk_crawl_run *run = a ? NK_NEW(a, nk_crawl_run) : NULL;
    if (!run) {
        nk_arena_destroy(a);
        return nk_fail(err, NK_E_NOMEM, "Out of memory starting a crawl");
    }
    *run = (nk_crawl_run){.owner = c, .arena = a, .log_fd = -1};
    run->region = nk_str_dup(a, region);
    run->name = nk_str_dup(a, name);
    run->started_us = nk_now_us(c->app->env);
    nk_code rc = nk_uuid(c->app->env, run->crawl_id);
    if (rc == NK_OK)
        rc = set_mode(run, mode, err);
    if (rc == NK_OK && run->mode == NK_CRAWL_APPLY)
        rc = nk_crawl_plan_load(run, run->plan_id, &run->planned, err);
    if (rc == NK_OK)
        rc = take_notes(run, err);
    if (rc == NK_OK)
        rc = nk_store_write(c->app->store, begin_crawl, run, err);
    if (rc != NK_OK) {
        free_run(run);
        return rc;
    }
    if (crawl_id)
        memcpy(crawl_id, run->crawl_id, sizeof run->crawl_id);
    run->log_fd = open_log(run);
    nk_crawl_log(run, "BENCHMARK", "Running Start Crawl for Crawler %.*s", NK_STR_ARG(name));
    tell_without_effect(run);
    nk_err why = NK_ERR_INIT;
    if (run->mode == NK_CRAWL_APPLY) {
        nk_crawl_log(run, "INFO", "Applying the plan of crawl %.*s", NK_STR_ARG(run->plan_id));
        skip_worker(run);
        return NK_OK;
    }
    if (!c->app->settings->s3_endpoint)
        rc = nk_fail(&why, NK_E_UNSUPPORTED,
                     "This server has no S3 endpoint (--no-lake): nothing can be crawled");
    else
        rc = nk_crawl_tell_targets(run, &why);
    if (rc == NK_OK)
        rc = launch(run, &why);
    if (rc != NK_OK) {
        end_run(run, "FAILED", "FAILED", nk_str_c(why.msg));
        free_run(run);
        return nk_fail(err, rc, "%s", why.msg);
    }
    return NK_OK;
}

nk_code nk_crawlers_start(nk_crawlers *c, nk_str region, nk_str name, char *crawl_id, nk_err *err)
{
    return start(c, region, name, NK_STR_NULL, crawl_id, err);
}

nk_code glue_StartCrawler(nk_call *call, const glue_StartCrawlerRequest *in,
                          glue_StartCrawlerResponse *out)
{
    if (!call->app->crawlers)
        return nk_fail(call->err, NK_E_UNSUPPORTED, "This server runs no crawlers");
    return start(call->app->crawlers, call->region, in->Name, call->mode, NULL, call->err);
}

typedef struct stopping {
    nk_str region, name;
} stopping;

static nk_code mark_stopping(nk_tx *tx, void *arg, nk_err *err)
{
    stopping *s = arg;
    nk_arena *a = nk_arena_create(0);
    nk_crawler_row row;
    nk_code rc = a ? nk_crawler_load(tx, s->region, s->name, a, &row, err)
                   : nk_fail(err, NK_E_NOMEM, "Out of memory");
    if (rc == NK_OK && nk_str_is(row.c->State, "READY"))
        rc = nk_fail(err, NK_E_CRAWLER_NOT_RUNNING, "Crawler with name %.*s is not running",
                     NK_STR_ARG(s->name));
    else if (rc == NK_OK && nk_str_is(row.c->State, "STOPPING"))
        rc = nk_fail(err, NK_E_CRAWLER_STOPPING, "Crawler with name %.*s is stopping already",
                     NK_STR_ARG(s->name));
    if (rc == NK_OK) {
        row.c->State = NK_STR("STOPPING");
        rc = nk_crawler_save(tx, s->region, &row, false, a, err);
    }
    nk_arena_destroy(a);
    return rc;
}

nk_code glue_StopCrawler(nk_call *call, const glue_StopCrawlerRequest *in,
                         glue_StopCrawlerResponse *out)
{
    nk_crawlers *c = call->app->crawlers;
    stopping s = {call->region, in->Name};
    uint64_t pool_run = 0;
    if (!c)
        return nk_fail(call->err, NK_E_UNSUPPORTED, "This server runs no crawlers");
    NK_TRY(nk_store_write(call->app->store, mark_stopping, &s, call->err));
    pthread_mutex_lock(&c->lock);
    for (int ended = 0; ended < 2; ended++) {
        for (nk_crawl_run *r = ended ? c->ended : c->active; r; r = r->next) {
            if (nk_str_eq(r->region, s.region) && nk_str_eq(r->name, s.name)) {
                r->stop = true;
                pool_run = ended ? 0 : r->pool_run;
            }
        }
    }
    pthread_mutex_unlock(&c->lock);
    if (pool_run)
        nk_pool_stop(call->app->pool, pool_run, STOP_GRACE_MS);
    return NK_OK;
}

/* ---- our thread ---- */

/* What was planned is what would be done now, to the letter? */
static nk_code check_plan(nk_crawl_run *run, nk_err *err)
{
    nk_str now;
    run->dry = true;
    nk_code rc = nk_crawl_apply(run, err);
    run->dry = false;
    NK_TRY(rc);
    NK_TRY(nk_crawl_plan_text(run, &now, err));
    return nk_str_eq(now, run->planned)
               ? NK_OK
               : nk_fail(err, NK_E_CONFLICT,
                         "The catalogue has changed since the plan %.*s was made: plan again",
                         NK_STR_ARG(run->plan_id));
}

static void delete_messages(nk_crawl_run *run)
{
    const nk_settings *s = run->owner->app->settings;
    nk_queue_config q = {sqs_endpoint(), s->access_key, s->secret_key};
    for (size_t i = 0; i < run->receipts.n; i++) {
        const nk_crawl_receipt *r = &run->receipts.v[i];
        nk_err err = NK_ERR_INIT;
        if (r->receipts.n && nk_queue_done(&q, r->queue, r->url, &r->receipts, &err) != NK_OK)
            nk_crawl_log(run, "WARN", "Messages stay in the queue and will come again: %s",
                         err.msg);
    }
}

static void end_planned(nk_crawl_run *run)
{
    nk_err err = NK_ERR_INIT;
    nk_str plan;
    nk_code rc = nk_crawl_apply(run, &err);
    if (rc == NK_OK)
        rc = nk_crawl_plan_text(run, &plan, &err);
    if (rc == NK_OK)
        rc = nk_crawl_plan_keep(run, &err);
    if (rc != NK_OK) {
        end_run(run, "FAILED", "FAILED", nk_str_c(err.msg));
        return;
    }
    nk_crawl_log(run, "INFO", "Planned; nothing was changed");
    end_run_with(run, "COMPLETED", "SUCCEEDED", NK_STR_NULL, plan);
}

static void store_results(nk_crawl_run *run)
{
    nk_err err = NK_ERR_INIT;
    nk_code rc = NK_OK;
    if (run->mode == NK_CRAWL_PLAN) {
        end_planned(run);
        return;
    }
    nk_crawl_log(run, "BENCHMARK",
                 "Classification complete after %.3f s (%.3f s of processor), writing results to "
                 "database %.*s",
                 (double)(nk_now_us(run->owner->app->env) - run->started_us) / 1e6,
                 (double)run->exit.cpu_us / 1e6, NK_STR_ARG(run->def->DatabaseName));
    if (run->mode == NK_CRAWL_APPLY)
        rc = check_plan(run, &err);
    if (rc == NK_OK)
        rc = nk_crawl_apply(run, &err);
    if (rc != NK_OK) {
        end_run(run, "FAILED", "FAILED", nk_str_c(err.msg));
        return;
    }
    delete_messages(run);
    nk_crawl_log(run, "INFO",
                 "Tables: %lld created, %lld updated, %lld deleted; partitions: %lld created, "
                 "%lld updated, %lld deleted",
                 (long long)run->counts.tables_created, (long long)run->counts.tables_updated,
                 (long long)run->counts.tables_deleted, (long long)run->counts.partitions_created,
                 (long long)run->counts.partitions_updated,
                 (long long)run->counts.partitions_deleted);
    nk_crawl_log(run, "BENCHMARK", "Finished writing to Catalog after %.3f s",
                 (double)(nk_now_us(run->owner->app->env) - run->started_us) / 1e6);
    end_run(run, "COMPLETED", "SUCCEEDED", NK_STR_NULL);
}

static void conclude(nk_crawl_run *run)
{
    nk_crawlers *c = run->owner;
    char text[NK_ERR_MSG_MAX];
    pthread_mutex_lock(&c->lock);
    bool stop = run->stop, going_down = c->ending;
    pthread_mutex_unlock(&c->lock);
    if (going_down && !run->finished) {
        end_run(run, "FAILED", "FAILED", NK_STR("The server was stopped while the crawler ran"));
    } else if (stop) {
        end_run(run, "STOPPED", "CANCELLED", NK_STR("The crawl was stopped by request"));
    } else if (run->failure.code != NK_OK || !run->finished || run->exit.code != 0) {
        const char *why = run->failure.code != NK_OK ? run->failure.msg : run->exit.reason;
        snprintf(text, sizeof text, "%s",
                 why[0] ? why : "The crawl's worker ended without a result");
        end_run(run, "FAILED", "FAILED", nk_str_c(text));
    } else {
        store_results(run);
    }
    free_run(run);
}

typedef struct due {
    nk_arena *a;
    nk_strs regions, names, crons;
} due;

static bool due_row(void *arg, const nk_row *row)
{
    due *d = arg;
    nk_str *r = nk_strs_add(&d->regions, d->a), *n = nk_strs_add(&d->names, d->a),
           *c = nk_strs_add(&d->crons, d->a);
    if (!r || !n || !c)
        return false;
    *r = nk_str_dup(d->a, row->cols[CRAWLER_REGION].s);
    *n = nk_str_dup(d->a, row->cols[CRAWLER_NAME].s);
    *c = nk_str_dup(d->a, row->cols[CRAWLER_CRON].s);
    return true;
}

static nk_code find_due(nk_tx *tx, void *arg, nk_err *err)
{
    nk_query q = {.kind = &nk_kind_crawler, .index = &nk_kind_crawler.indexes[0], .no_body = true};
    return nk_store_scan(tx, &q, due_row, arg, err);
}

/* Starts what is scheduled for one of the minutes (from, to]. */
static void fire(nk_crawlers *c, int64_t from, int64_t to)
{
    due d = {.a = nk_arena_create(0)};
    nk_err err = NK_ERR_INIT;
    if (!d.a || nk_store_read(c->app->store, find_due, &d, &err) != NK_OK) {
        nk_warn("crawl", "schedules cannot be read: %s", err.msg);
        nk_arena_destroy(d.a);
        return;
    }
    for (size_t i = 0; i < d.names.n; i++) {
        nk_cron cron;
        bool fires = false;
        if (nk_cron_parse(d.crons.v[i], &cron, NULL) != NK_OK)
            continue;
        for (int64_t m = to - from > 60 ? to - 60 : from; m < to && !fires; m++)
            fires = nk_cron_fires(&cron, (m + 1) * 60000000);
        if (!fires)
            continue;
        nk_code rc = nk_crawlers_start(c, d.regions.v[i], d.names.v[i], NULL, &err);
        if (rc != NK_OK)
            nk_warn("crawl", "crawler %.*s was due and did not start: %s", NK_STR_ARG(d.names.v[i]),
                    err.msg);
    }
    nk_arena_destroy(d.a);
}

static void *serve(void *arg)
{
    nk_crawlers *c = arg;
    pthread_mutex_lock(&c->lock);
    for (;;) {
        if (c->ended) {
            nk_crawl_run *run = c->ended;
            c->ended = run->next;
            pthread_mutex_unlock(&c->lock);
            conclude(run);
            pthread_mutex_lock(&c->lock);
            continue;
        }
        if (c->ending && !c->active)
            break;
        int64_t now = nk_now_us(c->app->env), minute = now / 60000000;
        if (!c->ending && minute > c->last_minute) {
            int64_t from = c->last_minute;
            c->last_minute = minute;
            pthread_mutex_unlock(&c->lock);
            fire(c, from, minute);
            pthread_mutex_lock(&c->lock);
            continue;
        }
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += c->ending ? 1 : (time_t)(60 - now / 1000000 % 60);
        pthread_cond_timedwait(&c->wake, &c->lock, &until);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* ---- start and end of the room ---- */

typedef struct left_over {
    nk_crawlers *c;
    nk_arena *a;
    nk_strs regions, names;
} left_over;

static bool left_row(void *arg, const nk_row *row)
{
    left_over *l = arg;
    if (nk_str_is(row->cols[CRAWLER_STATE].s, "READY"))
        return true;
    nk_str *r = nk_strs_add(&l->regions, l->a), *n = nk_strs_add(&l->names, l->a);
    if (!r || !n)
        return false;
    *r = nk_str_dup(l->a, row->cols[CRAWLER_REGION].s);
    *n = nk_str_dup(l->a, row->cols[CRAWLER_NAME].s);
    return true;
}

/* The newest crawl of a crawler, if it is still RUNNING. */
static bool newest_row(void *arg, const nk_row *row)
{
    nk_crawl_run *run = arg;
    if (nk_str_is(row->cols[CRAWL_STATE].s, "RUNNING")) {
        void *h;
        run->seq = row->cols[CRAWL_SEQ].i;
        run->started_us = row->cols[CRAWL_START].i;
        if (nk_model_decode(&glue_CrawlerHistory_shape, nk_str_dup(run->arena, row->body),
                            run->arena, &h, NULL) == NK_OK)
            snprintf(run->crawl_id, sizeof run->crawl_id, "%.*s",
                     NK_STR_ARG(((glue_CrawlerHistory *)h)->CrawlId));
    }
    return false;
}

static nk_code recover(nk_tx *tx, void *arg, nk_err *err)
{
    left_over *l = arg;
    l->regions.n = l->names.n = 0;
    nk_query all = {.kind = &nk_kind_crawler, .no_body = true};
    NK_TRY(nk_store_scan(tx, &all, left_row, l, err));
    for (size_t i = 0; i < l->names.n; i++) {
        nk_crawl_run run = {
            .owner = l->c, .arena = l->a, .region = l->regions.v[i], .name = l->names.v[i]};
        nk_query q = {.kind = &nk_kind_crawl,
                      .prefix = NK_KEY(nk_vs(run.region), nk_vs(run.name)),
                      .nprefix = 2,
                      .desc = true};
        NK_TRY(nk_store_scan(tx, &q, newest_row, &run, err));
        ending e = {&run, "FAILED", "FAILED",
                    NK_STR("The server ended while the crawler ran; the catalogue holds what was "
                           "stored until then")};
        NK_TRY(end_crawl(tx, &e, err));
    }
    return NK_OK;
}

nk_code nk_crawlers_create(nk_app *app, nk_crawlers **out, nk_err *err)
{
    nk_crawlers *c = nk_calloc(1, sizeof *c);
    if (!c)
        return nk_fail(err, NK_E_NOMEM, "Out of memory");
    c->app = app;
    c->last_minute = nk_now_us(app->env) / 60000000;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->wake, NULL);
    left_over l = {.c = c, .a = nk_arena_create(0)};
    nk_code rc = l.a ? nk_store_write(app->store, recover, &l, err)
                     : nk_fail(err, NK_E_NOMEM, "Out of memory");
    if (l.names.n)
        nk_info("crawl", "%zu crawls of the server before are marked as failed", l.names.n);
    nk_arena_destroy(l.a);
    if (rc == NK_OK && pthread_create(&c->thread, NULL, serve, c) != 0)
        rc = nk_fail(err, NK_E_INTERNAL, "No thread for crawlers");
    c->started = rc == NK_OK;
    if (rc != NK_OK) {
        nk_crawlers_destroy(c);
        return rc;
    }
    app->crawlers = c;
    *out = c;
    return NK_OK;
}

void nk_crawlers_destroy(nk_crawlers *c)
{
    if (!c)
        return;
    uint64_t ids[256];
    size_t n = 0;
    pthread_mutex_lock(&c->lock);
    c->ending = true;
    for (nk_crawl_run *r = c->active; r && n < NK_COUNTOF(ids); r = r->next)
        ids[n++] = r->pool_run;
    pthread_cond_broadcast(&c->wake);
    pthread_mutex_unlock(&c->lock);
    for (size_t i = 0; i < n; i++)
        nk_pool_stop(c->app->pool, ids[i], 0);
    if (c->started)
        pthread_join(c->thread, NULL);
    if (c->app->crawlers == c)
        c->app->crawlers = NULL;
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
    nk_free(c);
}

nk_code nk_crawl_room_start(nk_app *app, nk_err *err)
{
    static const nk_tag_type taggable = {"crawler", &nk_kind_crawler, NULL};
    nk_crawlers *c;
    NK_TRY(nk_tags_register(&taggable, err));
    nk_crawl_history();
    return nk_crawlers_create(app, &c, err);
}

void nk_crawl_room_stop(nk_app *app)
{
    nk_crawlers_destroy(app->crawlers);
}
