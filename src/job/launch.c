/* From a run's record to a worker: the script, the folders, the request. On a starter's thread. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "job/job_int.h"
#include "lake/lake.h"

#define SCRIPT_MAX   ((size_t)16 << 20)
#define CACHED       64
#define CACHED_BYTES ((size_t)1 << 20)

/* ---- scripts, kept as long as their ETag stands ---- */

typedef struct cached {
    char *location, *text;
    size_t n;
    char etag[72];
    uint64_t used;
} cached;
struct script_cache {
    pthread_mutex_t lock;
    cached v[CACHED];
    uint64_t clock;
};

static bool cache_get(struct script_cache *c, nk_str location, const char *etag, nk_buf *out)
{
    bool hit = false;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < CACHED && !hit; i++)
        if (c->v[i].location && nk_str_is(location, c->v[i].location) &&
            strcmp(c->v[i].etag, etag) == 0) {
            hit = nk_buf_add(out, c->v[i].text, c->v[i].n) == NK_OK;
            c->v[i].used = ++c->clock;
        }
    pthread_mutex_unlock(&c->lock);
    return hit;
}

static void cache_put(struct script_cache *c, nk_str location, const char *etag, nk_str text)
{
    if (!etag[0] || text.n > CACHED_BYTES)
        return;
    char *l = nk_malloc(location.n + 1), *t = nk_malloc(text.n + 1);
    if (!l || !t) {
        nk_free(l);
        nk_free(t);
        return;
    }
    memcpy(l, location.p, location.n);
    l[location.n] = 0;
    memcpy(t, text.p, text.n);
    pthread_mutex_lock(&c->lock);
    cached *slot = &c->v[0];
    for (size_t i = 0; i < CACHED; i++) {
        cached *x = &c->v[i];
        if (x->location && strcmp(x->location, l) == 0) {
            slot = x;
            break;
        }
        if (x->used < slot->used)
            slot = x;
    }
    nk_free(slot->location);
    nk_free(slot->text);
    *slot = (cached){.location = l, .text = t, .n = text.n, .used = ++c->clock};
    snprintf(slot->etag, sizeof slot->etag, "%s", etag);
    pthread_mutex_unlock(&c->lock);
}

static struct script_cache *cache_of(nk_jobs *j)
{
    nk_jobs_lock(j);
    if (!j->scripts && (j->scripts = nk_calloc(1, sizeof *j->scripts)))
        pthread_mutex_init(&j->scripts->lock, NULL);
    nk_jobs_unlock(j);
    return j->scripts;
}

void nk_jobs_free_scripts(nk_jobs *j)
{
    if (!j->scripts)
        return;
    for (size_t i = 0; i < CACHED; i++) {
        nk_free(j->scripts->v[i].location);
        nk_free(j->scripts->v[i].text);
    }
    pthread_mutex_destroy(&j->scripts->lock);
    nk_free(j->scripts);
}

static nk_code fetch_from_lake(nk_jobs *j, nk_str location, nk_buf *out, nk_err *err)
{
    nk_s3_uri uri;
    nk_s3_info info;
    if (!j->app->lake)
        return nk_fail(err, NK_E_UNAVAILABLE,
                       "this server has no lake (--no-lake), so there is no script to run");
    if (nk_s3_uri_parse(location, &uri, err) != NK_OK || !uri.key.n)
        return nk_fail(err, NK_E_INVALID, "ScriptLocation %.*s is no s3://bucket/key",
                       NK_STR_ARG(location));
    NK_TRY(nk_lake_wait(j->app->lake, err));
    nk_s3 *s3 = nk_lake_s3(j->app->lake);
    struct script_cache *cache = cache_of(j);
    NK_TRY(nk_s3_head(s3, uri.bucket, uri.key, &info, err));
    if (cache && info.etag[0] && cache_get(cache, location, info.etag, out))
        return NK_OK;
    NK_TRY(nk_s3_get(s3, uri.bucket, uri.key, out, err));
    if (cache)
        cache_put(cache, location, info.etag, nk_buf_view(out));
    return NK_OK;
}

static nk_code fetch_script(nk_jobs *j, nk_str location, nk_buf *out, nk_err *err)
{
    nk_code rc = j->config.fetch ? j->config.fetch(j->config.fetch_arg, location, out, err)
                                 : fetch_from_lake(j, location, out, err);
    if (rc == NK_E_NOT_FOUND)
        return nk_fail(err, rc,
                       "There is no script at %.*s: upload it, or correct the job's "
                       "Command.ScriptLocation",
                       NK_STR_ARG(location));
    if (rc != NK_OK)
        return nk_wrap(err, "cannot read the script at %.*s", NK_STR_ARG(location));
    return rc;
}

/* ---- what the run is, read once ---- */

typedef struct plan {
    nk_arena *a;
    live *l;
    job_rec job;
    run_rec run;
} plan;

static nk_code read_fn(nk_tx *tx, void *arg, nk_err *err)
{
    plan *p = arg;
    nk_str region = nk_str_c(p->l->region);
    NK_TRY(nk_job_run_load(tx, region, nk_str_c(p->l->id), p->a, &p->run, err));
    nk_code rc = nk_job_load(tx, region, nk_str_c(p->l->job), p->a, &p->job, err);
    if (rc == NK_E_NOT_FOUND)
        return nk_fail(err, rc, "the job has been deleted");
    return rc;
}

static nk_str script_location(const plan *p)
{
    nk_str given = nk_map_str_get(&p->run.run->Arguments, "--scriptLocation");
    return given.n ? given : p->job.job->Command->ScriptLocation;
}

static nk_str script_name(nk_str location)
{
    ptrdiff_t slash = nk_str_rchr(location, '/');
    nk_str name = nk_str_sub(location, (size_t)(slash + 1), location.n);
    if (!name.n || name.n > 200 || nk_str_is(name, ".") || nk_str_is(name, ".."))
        return NK_STR("script.py");
    return name;
}

/* ---- the request ---- */

static void put_env(nk_json_writer *w, const char *name, const char *value)
{
    if (value)
        nk_jw_kcstr(w, name, value);
}

static void write_env(nk_json_writer *w, const plan *p, const nk_settings *s)
{
    nk_jw_key(w, NK_STR("env"));
    nk_jw_object(w);
    put_env(w, "AWS_ACCESS_KEY_ID", s->access_key);
    put_env(w, "AWS_SECRET_ACCESS_KEY", s->secret_key);
    put_env(w, "AWS_REGION", p->l->region);
    put_env(w, "AWS_DEFAULT_REGION", p->l->region);
    put_env(w, "AWS_ACCOUNT_ID", s->account_id);
    put_env(w, "AWS_ENDPOINT_URL", s->endpoint); /* never AWS itself, whatever the service */
    put_env(w, "AWS_ENDPOINT_URL_GLUE", s->endpoint);
    put_env(w, "AWS_ENDPOINT_URL_STS", s->endpoint);
    put_env(w, "AWS_ENDPOINT_URL_DATABREW", s->endpoint);
    put_env(w, "AWS_ENDPOINT_URL_S3", s->s3_endpoint);
    put_env(w, "NIKAWA_RUN_ID", p->l->id);
    put_env(w, "NIKAWA_ACCOUNT_ID", s->account_id);
    nk_jw_object_end(w);
}

static void write_settings(nk_json_writer *w, const plan *p, const nk_settings *s, const char *temp)
{
    nk_jw_key(w, NK_STR("settings"));
    nk_jw_object(w);
    put_env(w, "endpoint", s->endpoint);
    put_env(w, "region", p->l->region);
    put_env(w, "access_key", s->access_key);
    put_env(w, "secret_key", s->secret_key);
    put_env(w, "s3_endpoint", s->s3_endpoint);
    put_env(w, "account_id", s->account_id);
    put_env(w, "temp_dir", temp);
    nk_jw_ki64(w, "memory_limit_bytes", (int64_t)p->l->limit);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    nk_jw_ki64(w, "threads", cpus > 0 ? cpus : 1);
    nk_jw_object_end(w);
}

static void put_arg(nk_json_writer *w, const char *key, nk_str value)
{
    nk_jw_cstr(w, key);
    nk_jw_str(w, value);
}

/* As Glue calls a script: its own arguments first, then the job's. */
static nk_code write_argv(nk_json_writer *w, plan *p, const nk_app *app, const char *path,
                          nk_err *err)
{
    const nk_map_str *args = &p->run.run->Arguments;
    nk_jw_key(w, NK_STR("argv"));
    nk_jw_array(w);
    nk_jw_cstr(w, path);
    put_arg(w, "--JOB_NAME", nk_str_c(p->l->job));
    put_arg(w, "--JOB_ID",
            nk_str_printf(p->a, "j_%016llx",
                          (unsigned long long)nk_hash64(p->l->job, strlen(p->l->job), 7)));
    put_arg(w, "--JOB_RUN_ID", nk_str_c(p->l->id));
    if (!nk_map_str_get(args, "--job-bookmark-option").p)
        put_arg(w, "--job-bookmark-option", NK_STR("job-bookmark-disable"));
    if (!nk_map_str_get(args, "--TempDir").p && app->lake &&
        nk_str_is(p->job.job->Command->Name, "glueetl")) {
        nk_str bucket;
        NK_TRY(nk_lake_assets_bucket(app->lake, nk_str_c(p->l->region), p->a, &bucket, err));
        put_arg(w, "--TempDir", nk_str_printf(p->a, "s3://%.*s/temporary/", NK_STR_ARG(bucket)));
    }
    for (size_t i = 0; i < args->n; i++) {
        nk_jw_str(w, args->v[i].key);
        nk_jw_str(w, args->v[i].value);
    }
    nk_jw_array_end(w);
    return NK_OK;
}

static nk_code write_plan_request(plan *p, const nk_app *app, const nk_job_way *way, nk_buf *out,
                                  nk_err *err)
{
    nk_json_writer w = {.buf = out};
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "op", "plan");
    nk_jw_kcstr(&w, "run_id", p->l->id);
    nk_jw_kcstr(&w, "job", p->l->job);
    nk_jw_key(&w, NK_STR("nodes"));
    nk_jw_raw(&w, way->nodes);
    write_settings(&w, p, app->settings, p->l->dir);
    nk_jw_object_end(&w);
    return nk_buf_check(out, err);
}

static nk_code write_request(plan *p, const nk_app *app, const char *path, const char *temp,
                             nk_buf *out, nk_err *err)
{
    nk_json_writer w = {.buf = out};
    nk_str engine = nk_map_str_get(&p->run.run->Arguments, "--engine");
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "op", "script");
    nk_jw_kstr(&w, "kind", p->job.job->Command->Name);
    nk_jw_kcstr(&w, "run_id", p->l->id);
    nk_jw_kcstr(&w, "job", p->l->job);
    nk_jw_kcstr(&w, "path", path);
    nk_jw_kcstr(&w, "cwd", temp);
    nk_jw_kstr(&w, "engine", engine.n ? engine : NK_STR("auto"));
    NK_TRY(write_argv(&w, p, app, path, err));
    write_env(&w, p, app->settings);
    write_settings(&w, p, app->settings, temp);
    nk_jw_object_end(&w);
    return nk_buf_check(out, err);
}

/* ---- what the worker says ---- */

static void keep_text(live *l, char **to, nk_str text)
{
    char *copy = nk_malloc(text.n + 1);
    if (!copy)
        return;
    memcpy(copy, text.p ? text.p : "", text.n);
    copy[text.n] = 0;
    nk_jobs_lock(l->jobs);
    nk_free(*to);
    *to = copy;
    nk_jobs_unlock(l->jobs);
}

static void on_message(void *arg, nk_str json)
{
    live *l = arg;
    nk_jobs *j = l->jobs;
    nk_json *m;
    nk_arena *a = nk_arena_create(4 << 20);
    if (!a || nk_json_parse(json, a, 0, &m, NULL) != NK_OK) {
        nk_arena_destroy(a);
        return;
    }
    nk_str event = nk_json_str(m, "event");
    if (nk_str_is(event, "started") && l->running) {
        /* its plan could not be run, now its script is: the clock goes on */
    } else if (nk_str_is(event, "started")) {
        nk_jobs_lock(j);
        l->running = true;
        l->running_us = nk_mono_us(j->env);
        l->deadline_us = l->timeout_min ? l->running_us + l->timeout_min * 60000000 : 0;
        nk_jobs_unlock(j);
        step *s = nk_jobs_new_step(j, STEP_RUNNING, l->region, l->job, l->id);
        if (s)
            nk_jobs_submit(j, s);
    } else if (nk_str_is(event, "error")) {
        nk_str hint = nk_json_str(m, "hint");
        nk_str text = nk_json_str(m, "message");
        if (hint.n && l->as_plan)
            text = nk_str_printf(a, "%.*s (%.*s)", NK_STR_ARG(text), NK_STR_ARG(hint));
        keep_text(l, &l->error, text);
        l->cannot = nk_str_is(nk_json_str(m, "code"), "NK_E_UNSUPPORTED");
    } else if (nk_str_is(event, "target")) {
        l->wrote = true;
    } else if (nk_str_is(event, "result")) {
        keep_text(l, &l->result, json);
    }
    nk_arena_destroy(a);
}

static void on_exit_(void *arg, const nk_pool_exit *e)
{
    live *l = arg;
    nk_jobs *j = l->jobs;
    char text[1024];
    const char *state = "FAILED", *error = l->error ? l->error : e->reason;
    nk_jobs_lock(j);
    bool timed_out = l->timed_out, stop = l->stop;
    nk_jobs_unlock(j);
    if (l->as_plan && l->cannot && !l->wrote && !timed_out && !stop && e->code > 0) {
        /* nothing has been written: the script says the same, and runs on Spark what must */
        snprintf(l->why, sizeof l->why, "its nodes cannot run as a plan: %.300s",
                 l->error ? l->error : "");
        l->as_script = true;
        nk_jobs_launch_again(j, l);
        return;
    }
    if (timed_out) {
        state = "TIMEOUT";
        snprintf(text, sizeof text, "Job run timed out after %lld minutes.",
                 (long long)l->timeout_min);
        error = text;
    } else if (e->oom) {
        snprintf(text, sizeof text,
                 "out of memory: the run used %.2f GB, its limit is %.2f GB%s%s%s",
                 (double)e->memory_peak_bytes / 1073741824.0, (double)l->limit / 1073741824.0,
                 l->worker_type[0] ? " (WorkerType " : "", l->worker_type,
                 l->worker_type[0] ? " or the server's memory setting)" : "");
        error = text;
    } else if (e->code == 0) {
        state = "SUCCEEDED";
        error = NULL;
    } else if (stop) {
        state = "STOPPED";
        error = NULL;
    } else if (!l->error && e->code > 0) {
        snprintf(text, sizeof text, "The %s ended with exit code %d.",
                 l->as_plan ? "worker" : "script", e->code);
        error = text;
    }
    nk_jobs_end(j, l, state, error, false);
}

/* ---- launch ---- */

static int open_log(const char *dir, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

const char *nk_job_log_dir(nk_arena *a, const char *data_dir, nk_str run)
{
    return nk_arena_printf(a, "%s/logs/jobs/%.*s", data_dir, NK_STR_ARG(run));
}

typedef struct files {
    int out, err;
} files;

/* The memory limit is the smaller of the worker type's and the server's. */
static void set_limits(nk_jobs *j, plan *p)
{
    nk_pool_stats st;
    nk_pool_get_stats(j->app->pool, &st);
    p->l->limit = nk_job_memory_limit(p->run.run, p->job.job->Command->Name, st.memory_limit_bytes);
    p->l->timeout_min = nk_i64_or(p->run.run->Timeout, 0);
    snprintf(p->l->worker_type, sizeof p->l->worker_type, "%.*s",
             NK_STR_ARG(p->run.run->WorkerType));
}

static nk_code prepare(nk_jobs *j, plan *p, files *f, nk_buf *script, nk_err *err)
{
    nk_buf notes;
    const char *logs = nk_job_log_dir(p->a, j->app->settings->data_dir, nk_str_c(p->l->id));
    NK_TRY(nk_file_mkdirs(logs, 0700, err));
    NK_TRY(nk_file_mkdirs(p->l->dir, 0700, err));
    f->out = open_log(logs, "output.log");
    f->err = open_log(logs, "error.log");
    if (f->out < 0 || f->err < 0)
        return nk_fail_errno(err, errno, "opening the run's logs in %s", logs);
    nk_jobs_note(j, p->l->job, p->l->id, "", NULL, "", nk_now_us(j->env), p->l);
    nk_buf_init(&notes, 1 << 16);
    nk_code rc = nk_job_check_options(p->job.job, p->run.run, &notes, err);
    if (rc == NK_OK && notes.n)
        (void)!write(f->err, notes.p, notes.n);
    nk_buf_free(&notes);
    NK_TRY(rc);
    return fetch_script(j, script_location(p), script, err);
}

/* The script as a file in the run's folder. */
static nk_code put_script(plan *p, nk_str script, const char **path, nk_err *err)
{
    nk_str name = script_name(script_location(p));
    *path = nk_arena_printf(p->a, "%s/%.*s", p->l->dir, NK_STR_ARG(name));
    int fd = *path ? open(*path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return nk_fail_errno(err, errno, "writing the script to %s", p->l->dir);
    nk_code rc = nk_fd_write_all(fd, script.p ? script.p : "", script.n, err);
    close(fd);
    return rc;
}

/* Settles by what the run is run, and says so in its log and beside it. */
static nk_code choose_way(nk_jobs *j, plan *p, const files *f, nk_str script, nk_job_way *way,
                          nk_err *err)
{
    live *l = p->l;
    NK_TRY(nk_job_route(p->job.job, p->run.run, script, p->a, way, err));
    if (l->as_script) /* why stands there */
        way->plan = false;
    else
        snprintf(l->why, sizeof l->why, "%s", way->why);
    l->as_plan = way->plan;
    l->cannot = false;
    if (!l->why[0])
        return NK_OK;
    dprintf(f->out, "nikawa: running %s: %s\n",
            way->plan ? "the job's nodes on the embedded engine" : "the job's script", l->why);
    nk_jobs_note(j, l->job, l->id, "", NULL, "", nk_now_us(j->env), l);
    return NK_OK;
}

static nk_code hand_over(nk_jobs *j, plan *p, const files *f, nk_str script, nk_err *err)
{
    nk_buf request;
    nk_job_way way;
    const char *path = NULL;
    NK_TRY(choose_way(j, p, f, script, &way, err));
    if (!way.plan)
        NK_TRY(put_script(p, script, &path, err));
    nk_buf_init(&request, NK_POOL_FRAME_MAX);
    nk_code rc = way.plan ? write_plan_request(p, j->app, &way, &request, err)
                          : write_request(p, j->app, path, p->l->dir, &request, err);
    nk_pool_task t = {.kind = way.plan ? NK_POOL_ENGINE : NK_POOL_SCRIPT,
                      .request = nk_buf_view(&request),
                      .stdout_fd = f->out,
                      .stderr_fd = f->err,
                      .memory_limit_bytes = p->l->limit,
                      .cwd = way.plan ? p->l->dir : NULL,
                      .on_message = on_message,
                      .on_exit = on_exit_,
                      .arg = p->l};
    if (rc == NK_OK) {
        nk_jobs_lock(j); /* so that a stop finds either no run or its number */
        if (p->l->stop)
            rc = nk_fail(err, NK_E_CANCELLED, "stopped");
        else
            rc = nk_pool_start(j->app->pool, &t, &p->l->pool_run, err);
        p->l->launched = rc == NK_OK;
        nk_jobs_unlock(j);
    }
    nk_buf_free(&request);
    return rc;
}

void nk_jobs_run_launch(nk_jobs *j, live *l)
{
    nk_err err = NK_ERR_INIT;
    plan p = {.l = l, .a = nk_arena_create(16 << 20)};
    files f = {-1, -1};
    nk_buf script;
    nk_buf_init(&script, SCRIPT_MAX);
    nk_code rc = p.a ? nk_store_read(j->app->store, read_fn, &p, &err)
                     : nk_fail(&err, NK_E_NOMEM, "no memory");
    if (rc == NK_OK && nk_str_is(p.run.run->JobRunState, "STOPPING"))
        rc = nk_fail(&err, NK_E_CANCELLED, "stopped");
    if (rc == NK_OK) {
        set_limits(j, &p);
        rc = prepare(j, &p, &f, &script, &err);
    }
    if (rc == NK_OK)
        rc = hand_over(j, &p, &f, nk_buf_view(&script), &err);
    if (rc != NK_OK && f.err >= 0)
        dprintf(f.err, "nikawa: %s\n", err.msg);
    if (f.out >= 0)
        close(f.out);
    if (f.err >= 0)
        close(f.err);
    nk_buf_free(&script);
    nk_arena_destroy(p.a);
    if (rc != NK_OK)
        nk_jobs_end(j, l, rc == NK_E_CANCELLED ? "STOPPED" : "FAILED",
                    rc == NK_E_CANCELLED ? NULL : err.msg, rc == NK_E_UNSUPPORTED);
}
