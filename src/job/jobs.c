/* The manager: what is on its way, the threads that start it, the clock that ends it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "catalog/tags.h"
#include "job/job_int.h"

#define TICK_MS         200
#define STOP_GRACE_MS   2000
#define LOG_MAX_DEFAULT ((size_t)64 << 20)
#define LOG_HEAD        ((off_t)1 << 20)

void nk_jobs_lock(nk_jobs *j)
{
    pthread_mutex_lock(&j->lock);
}

void nk_jobs_unlock(nk_jobs *j)
{
    pthread_mutex_unlock(&j->lock);
}

/* ---- steps ---- */

static void free_live(live *l)
{
    if (!l)
        return;
    nk_free(l->region);
    nk_free(l->job);
    nk_free(l->id);
    nk_free(l->dir);
    nk_free(l->error);
    nk_free(l->result);
    nk_free(l);
}

static void free_step(step *s)
{
    nk_free(s->region);
    nk_free(s->id);
    nk_free(s->job);
    nk_free(s->error);
    nk_free(s);
}

step *nk_jobs_new_step(nk_jobs *j, step_kind kind, const char *region, const char *job,
                       const char *id)
{
    step *s = nk_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    *s = (step){.jobs = j,
                .kind = kind,
                .region = nk_strdup(region),
                .job = nk_strdup(job),
                .id = id ? nk_strdup(id) : NULL,
                .now_us = nk_now_us(j->env)};
    if (!s->region || !s->job || (id && !s->id)) {
        free_step(s);
        return NULL;
    }
    return s;
}

static void tell(nk_jobs *j, const step *s)
{
    if (!j->config.on_event || s->ignored || !s->told_state[0])
        return;
    nk_job_event e = {.region = nk_str_c(s->region),
                      .job = nk_str_c(s->job),
                      .run = nk_str_c(s->kind == STEP_PROMOTE ? s->next_id : s->id),
                      .state = nk_str_c(s->told_state),
                      .message = nk_str_c(s->error),
                      .final = s->chain_ended};
    j->config.on_event(j->config.on_event_arg, &e);
}

static void step_over(nk_jobs *j)
{
    nk_jobs_lock(j);
    j->in_flight--;
    pthread_cond_broadcast(&j->settled);
    nk_jobs_unlock(j);
}

static void step_done(void *arg, nk_code code, const nk_err *err)
{
    step *s = arg;
    nk_jobs *j = s->jobs;
    if (code != NK_OK) {
        nk_error("job", "run %s: its state could not be recorded: %s", s->id ? s->id : s->job,
                 err ? err->msg : "");
        nk_jobs_lock(j);
        s->next = j->unsaved;
        j->unsaved = s;
        nk_jobs_unlock(j);
        step_over(j);
        return;
    }
    tell(j, s);
    if (s->kind == STEP_END && !s->ignored)
        nk_jobs_note(j, s->job, s->id, s->told_state, s->error, s->next_id,
                     s->now_us - s->seconds * 1000000, s->live);
    if (s->next_id[0] && nk_jobs_launch(j, nk_str_c(s->region), nk_str_c(s->job),
                                        nk_str_c(s->next_id), NULL) != NK_OK)
        nk_error("job", "run %s could not be launched", s->next_id);
    if (s->chain_ended || (s->kind == STEP_PROMOTE && s->next_id[0]))
        nk_jobs_promote(j, nk_str_c(s->region), nk_str_c(s->job));
    free_live(s->live);
    free_step(s);
    step_over(j);
}

void nk_jobs_submit(nk_jobs *j, step *s)
{
    nk_err err = NK_ERR_INIT;
    nk_jobs_lock(j);
    j->in_flight++;
    nk_jobs_unlock(j);
    nk_code rc = nk_store_submit(j->app->store, nk_jobs_step, s, step_done, s, &err);
    if (rc != NK_OK)
        step_done(s, rc, &err);
}

/* ---- work for the starters ---- */

static void free_work(work *w)
{
    nk_free(w->path);
    nk_free(w->text);
    nk_free(w->region);
    nk_free(w->job);
    nk_free(w);
}

static void add_work(nk_jobs *j, work *w)
{
    nk_jobs_lock(j);
    if (j->work_last)
        j->work_last->next = w;
    else
        j->work = w;
    j->work_last = w;
    pthread_cond_signal(&j->some_work);
    nk_jobs_unlock(j);
}

static char *copy(nk_str s)
{
    char *p = nk_malloc(s.n + 1);
    if (p) {
        memcpy(p, s.p, s.n);
        p[s.n] = 0;
    }
    return p;
}

nk_code nk_jobs_launch(nk_jobs *j, nk_str region, nk_str job, nk_str id, nk_err *err)
{
    live *l = nk_calloc(1, sizeof *l);
    work *w = nk_calloc(1, sizeof *w);
    if (l) {
        *l = (live){.jobs = j, .region = copy(region), .job = copy(job), .id = copy(id)};
        size_t room = strlen(j->app->settings->data_dir) + id.n + 16;
        l->dir = nk_malloc(room);
        if (l->dir && l->id)
            snprintf(l->dir, room, "%s/work/%s", j->app->settings->data_dir, l->id);
    }
    if (!l || !w || !l->region || !l->job || !l->id || !l->dir) {
        free_live(l);
        nk_free(w);
        return nk_fail(err, NK_E_NOMEM, "no memory to start a run");
    }
    *w = (work){.kind = WORK_LAUNCH, .live = l};
    nk_jobs_lock(j);
    l->next = j->lives;
    j->lives = l;
    nk_jobs_unlock(j);
    add_work(j, w);
    return NK_OK;
}

void nk_jobs_launch_again(nk_jobs *j, live *l)
{
    work *w = nk_calloc(1, sizeof *w);
    if (!w) {
        nk_jobs_end(j, l, "FAILED", "no memory to start the run", false);
        return;
    }
    *w = (work){.kind = WORK_LAUNCH, .live = l};
    nk_jobs_lock(j);
    l->launched = false;
    nk_jobs_unlock(j);
    add_work(j, w);
}

void nk_jobs_promote(nk_jobs *j, nk_str region, nk_str job)
{
    work *w = nk_calloc(1, sizeof *w);
    if (!w)
        return;
    *w = (work){.kind = WORK_PROMOTE, .region = copy(region), .job = copy(job)};
    if (w->region && w->job)
        add_work(j, w);
    else
        free_work(w);
}

void nk_jobs_end(nk_jobs *j, live *l, const char *state, const char *error, bool no_retry)
{
    step *s = nk_jobs_new_step(j, STEP_END, l->region, l->job, l->id);
    work *w = nk_calloc(1, sizeof *w);
    nk_jobs_lock(j);
    for (live **at = &j->lives; *at; at = &(*at)->next)
        if (*at == l) {
            *at = l->next;
            break;
        }
    bool stopping = j->stopping;
    nk_jobs_unlock(j);
    if (w && (w->path = nk_strdup(l->dir))) {
        w->kind = WORK_CLEAN;
        add_work(j, w);
    } else {
        nk_free(w);
    }
    if (stopping || !s) { /* the next start finds it as it stands */
        if (s)
            free_step(s);
        free_live(l);
        return;
    }
    s->state = state;
    s->error = error && error[0] ? nk_strdup(error) : NULL;
    s->no_retry = no_retry;
    s->seconds = l->running ? (nk_mono_us(j->env) - l->running_us + 500000) / 1000000 : 0;
    s->live = l;
    nk_jobs_submit(j, s);
}

void nk_jobs_stop_run(nk_jobs *j, nk_str region, nk_str id)
{
    nk_jobs_lock(j);
    for (live *l = j->lives; l; l = l->next)
        if (nk_str_is(id, l->id) && nk_str_is(region, l->region)) {
            l->stop = true;
            if (l->launched)
                nk_pool_stop(j->app->pool, l->pool_run, STOP_GRACE_MS);
        }
    nk_jobs_unlock(j);
}

/* Replaced whole, so that a reader never sees half of it; not worth an fsync. */
static void write_note(const char *path, const char *text)
{
    char temp[4200];
    snprintf(temp, sizeof temp, "%s.new", path);
    int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    bool good = nk_fd_write_all(fd, text, strlen(text), NULL) == NK_OK;
    close(fd);
    if (!good || rename(temp, path) != 0)
        (void)unlink(temp);
}

void nk_jobs_note(nk_jobs *j, const char *job, const char *id, const char *state, const char *error,
                  const char *next, int64_t started_us, const live *l)
{
    work *w = nk_calloc(1, sizeof *w);
    nk_buf b;
    nk_json_writer jw = {.buf = &b};
    nk_buf_init(&b, 8 << 20);
    nk_jw_object(&jw);
    nk_jw_kcstr(&jw, "job", job);
    nk_jw_ki64(&jw, "started_us", started_us);
    nk_jw_kcstr(&jw, "state", state);
    nk_jw_kcstr(&jw, "error", error ? error : "");
    nk_jw_kcstr(&jw, "next", next);
    if (l && l->why[0]) {
        nk_jw_kcstr(&jw, "engine", l->as_plan ? "plan" : "script");
        nk_jw_kcstr(&jw, "why", l->why);
    }
    if (l && l->result) {
        nk_jw_key(&jw, NK_STR("result"));
        nk_jw_raw(&jw, nk_str_c(l->result));
    }
    nk_jw_object_end(&jw);
    if (w && !b.failed) {
        *w = (work){.kind = WORK_NOTE, .text = copy(nk_buf_view(&b))};
        size_t room = strlen(j->app->settings->data_dir) + strlen(id) + 40;
        w->path = nk_malloc(room);
        if (w->path)
            snprintf(w->path, room, "%s/logs/jobs/%s/run.json", j->app->settings->data_dir, id);
        if (w->path && w->text &&
            !*state) { /* the first note: written before anything can follow it */
            write_note(w->path, w->text);
        } else if (w->path && w->text) {
            add_work(j, w);
            w = NULL;
        }
    }
    if (w)
        free_work(w);
    nk_buf_free(&b);
}

static void do_work(nk_jobs *j, work *w)
{
    nk_err err = NK_ERR_INIT;
    step *s;
    switch (w->kind) {
    case WORK_LAUNCH:
        nk_jobs_run_launch(j, w->live);
        break;
    case WORK_CLEAN:
        if (nk_file_remove_tree(w->path, &err) != NK_OK && err.code != NK_E_NOT_FOUND)
            nk_warn("job", "%s", err.msg);
        break;
    case WORK_NOTE:
        write_note(w->path, w->text);
        break;
    case WORK_PROMOTE:
        s = nk_jobs_new_step(j, STEP_PROMOTE, w->region, w->job, NULL);
        if (s)
            nk_jobs_submit(j, s);
        break;
    }
    free_work(w);
}

static void *starter_main(void *arg)
{
    nk_jobs *j = arg;
    nk_jobs_lock(j);
    for (;;) {
        /* Until the doors are open a script would find nobody to talk to. */
        while (!j->stopping && (!j->work || !j->app->settings->endpoint)) {
            struct timespec until;
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_nsec += 20000000;
            if (until.tv_nsec >= 1000000000) {
                until.tv_nsec -= 1000000000;
                until.tv_sec++;
            }
            if (j->work)
                pthread_cond_timedwait(&j->some_work, &j->lock, &until);
            else
                pthread_cond_wait(&j->some_work, &j->lock);
        }
        work *w = j->work;
        if (j->stopping)
            break;
        j->work = w->next;
        if (!j->work)
            j->work_last = NULL;
        nk_jobs_unlock(j);
        do_work(j, w);
        nk_jobs_lock(j);
    }
    nk_jobs_unlock(j);
    return NULL;
}

/* ---- the clock ---- */

/* Logs are cut in the middle: the first megabyte and the newest half of the limit stay; offsets do
 * too, so that a reader who follows notices only a hole. */
static void cut_log(const char *data_dir, const char *id, const char *name, size_t max)
{
    char path[4096];
    struct stat st;
    snprintf(path, sizeof path, "%s/logs/jobs/%s/%s", data_dir, id, name);
    if (stat(path, &st) != 0 || (size_t)st.st_blocks * 512 <= max)
        return;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    off_t head = (off_t)max / 4 < LOG_HEAD ? (off_t)max / 4 : LOG_HEAD;
    off_t to = st.st_size - (off_t)(max / 2);
    if (fd < 0)
        return;
    if (to > head)
        (void)!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, head, to - head);
    close(fd);
}

static void cut_logs(nk_jobs *j)
{
    char ids[256][ID_MAX];
    size_t n = 0;
    nk_jobs_lock(j);
    for (live *l = j->lives; l && n < NK_COUNTOF(ids); l = l->next)
        if (l->launched)
            snprintf(ids[n++], ID_MAX, "%s", l->id);
    nk_jobs_unlock(j);
    for (size_t i = 0; i < n; i++) {
        cut_log(j->app->settings->data_dir, ids[i], "output.log", j->config.log_max_bytes);
        cut_log(j->app->settings->data_dir, ids[i], "error.log", j->config.log_max_bytes);
    }
}

static void time_out(nk_jobs *j)
{
    int64_t now = nk_mono_us(j->env);
    for (live *l = j->lives; l; l = l->next)
        if (l->launched && l->deadline_us && now >= l->deadline_us && !l->timed_out) {
            l->timed_out = true;
            nk_pool_stop(j->app->pool, l->pool_run, STOP_GRACE_MS);
        }
}

static void *timer_main(void *arg)
{
    nk_jobs *j = arg;
    for (unsigned ticks = 0;; ticks++) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += TICK_MS * 1000000L;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        nk_jobs_lock(j);
        if (!j->stopping)
            pthread_cond_timedwait(&j->tick, &j->lock, &until);
        bool stopping = j->stopping;
        if (!stopping)
            time_out(j);
        step *again = NULL;
        if (ticks % 5 == 0) {
            again = j->unsaved;
            j->unsaved = NULL;
        }
        nk_jobs_unlock(j);
        if (stopping)
            return NULL;
        while (again) {
            step *s = again;
            again = s->next;
            s->next = NULL;
            nk_jobs_submit(j, s);
        }
        cut_logs(j);
    }
}

/* ---- life ---- */

static nk_code start_threads(nk_jobs *j, nk_err *err)
{
    unsigned n = j->config.starters ? j->config.starters : 4;
    int e = pthread_create(&j->timer, NULL, timer_main, j);
    if (e)
        return nk_fail_errno(err, e, "starting the jobs' clock");
    j->timer_there = true;
    j->starters = nk_calloc(n, sizeof *j->starters);
    if (!j->starters)
        return nk_fail(err, NK_E_NOMEM, "no memory");
    while (j->n_starters < n) {
        e = pthread_create(&j->starters[j->n_starters], NULL, starter_main, j);
        if (e)
            return nk_fail_errno(err, e, "starting a thread for jobs");
        j->n_starters++;
    }
    return NK_OK;
}

nk_code nk_jobs_create(const nk_jobs_config *config, nk_jobs **out, nk_err *err)
{
    nk_jobs *j = nk_calloc(1, sizeof *j);
    char work_dir[4096];
    if (!j)
        return nk_fail(err, NK_E_NOMEM, "no memory");
    j->config = *config;
    j->app = config->app;
    j->env = config->env ? config->env : config->app->env;
    if (!j->config.log_max_bytes)
        j->config.log_max_bytes = LOG_MAX_DEFAULT;
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->some_work, NULL);
    pthread_cond_init(&j->tick, NULL);
    pthread_cond_init(&j->settled, NULL);
    snprintf(work_dir, sizeof work_dir, "%s/work", j->app->settings->data_dir);
    nk_code rc = nk_file_remove_tree(work_dir, NULL); /* of runs that died with the last server */
    rc = nk_file_mkdirs(work_dir, 0700, err);
    if (rc == NK_OK)
        rc = start_threads(j, err);
    if (rc == NK_OK)
        rc = nk_jobs_recover(j, err);
    if (rc != NK_OK) {
        nk_jobs_stop(j);
        nk_jobs_destroy(j);
        return rc;
    }
    *out = j;
    return NK_OK;
}

void nk_jobs_stop(nk_jobs *j)
{
    if (!j)
        return;
    nk_jobs_lock(j);
    j->stopping = true;
    pthread_cond_broadcast(&j->some_work);
    pthread_cond_broadcast(&j->tick);
    nk_jobs_unlock(j);
    if (j->timer_there)
        (void)pthread_join(j->timer, NULL);
    for (unsigned i = 0; i < j->n_starters; i++)
        (void)pthread_join(j->starters[i], NULL);
    j->n_starters = 0;
    j->timer_there = false;
    nk_jobs_lock(j); /* callbacks of steps under way still use us */
    while (j->in_flight)
        pthread_cond_wait(&j->settled, &j->lock);
    nk_jobs_unlock(j);
}

void nk_jobs_destroy(nk_jobs *j)
{
    if (!j)
        return;
    nk_jobs_lock(j);
    while (j->in_flight)
        pthread_cond_wait(&j->settled, &j->lock);
    nk_jobs_unlock(j);
    for (work *w = j->work, *next; w; w = next) {
        next = w->next;
        if (w->kind == WORK_CLEAN)
            (void)!nk_file_remove_tree(w->path, NULL);
        free_work(w);
    }
    for (step *s = j->unsaved, *next; s; s = next) {
        next = s->next;
        free_live(s->live);
        free_step(s);
    }
    for (live *l = j->lives, *next; l; l = next) {
        next = l->next;
        free_live(l);
    }
    nk_jobs_free_scripts(j);
    nk_free(j->starters);
    pthread_mutex_destroy(&j->lock);
    pthread_cond_destroy(&j->some_work);
    pthread_cond_destroy(&j->tick);
    pthread_cond_destroy(&j->settled);
    nk_free(j);
}

/* ---- the room in a server ---- */

nk_code nk_job_room_start(nk_app *app, nk_err *err)
{
    static const nk_tag_type taggable = {"job", &nk_job_kind, NULL};
    char scratch[4096];
    const nk_settings *s = app->settings;
    NK_TRY(nk_tags_register(&taggable, err));
    snprintf(scratch, sizeof scratch, "%s/scratch", s->data_dir);
    const char *warm = getenv("NIKAWA_WARM_WORKERS");
    uint64_t count = 2;
    if (warm && !nk_str_u64(nk_str_c(warm), &count))
        return nk_fail(err, NK_E_INVALID, "NIKAWA_WARM_WORKERS=%s is not a number", warm);
    nk_pool_config pc = {.exe = s->exe,
                         .python = s->python,
                         .scratch = scratch,
                         .warm_scripts = count <= 64 ? (unsigned)count : 64};
    NK_TRY(nk_pool_create(&pc, &app->pool, err));
    nk_jobs_config jc = {.app = app};
    nk_code rc = nk_jobs_create(&jc, &app->jobs, err);
    if (rc != NK_OK) {
        nk_pool_destroy(app->pool);
        app->pool = NULL;
    }
    return rc;
}

void nk_job_room_stop(nk_app *app)
{
    nk_jobs_stop(app->jobs);
    nk_pool_destroy(app->pool);
    nk_jobs_destroy(app->jobs);
    app->jobs = NULL;
    app->pool = NULL;
}
