#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool/pool_int.h"

#define RUNNING_MAX_DEFAULT 64
#define ZYGOTE_FAILURES_MAX 5
#define ZYGOTE_START_US     30000000
#define REAP_US             3000
#define TRIES_MAX           2

static int64_t mono(void)
{
    return nk_mono_us(nk_env_real());
}

/* ---- descriptors ---- */

static nk_code poll_add(nk_pool *p, int fd, poll_tag *tag, bool writing, bool change, nk_err *err)
{
    struct epoll_event e = {.events = EPOLLIN | (writing ? EPOLLOUT : 0u), .data.ptr = tag};
    if (epoll_ctl(p->epoll, change ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e) != 0)
        return nk_fail_errno(err, errno, "watching a worker's socket");
    return NK_OK;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Reads what there is; false at the end of the stream. */
static bool read_some(int fd, nk_buf *in)
{
    for (;;) {
        char *to = nk_buf_reserve(in, 16384);
        if (!to)
            return false;
        ssize_t n = recv(fd, to, 16384, MSG_DONTWAIT);
        if (n > 0)
            in->n += (size_t)n;
        else if (n == 0)
            return false;
        else if (errno == EINTR)
            continue;
        else
            return errno == EAGAIN || errno == EWOULDBLOCK;
        if (n < 16384)
            return true;
    }
}

static void drop_front(nk_buf *b, size_t n)
{
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}

/* ---- runs ---- */

static void free_strings(const char *const *env)
{
    for (size_t i = 0; env && env[i]; i++)
        nk_free((void *)(uintptr_t)env[i]);
    nk_free((void *)(uintptr_t)env);
}

static void free_run(run *r)
{
    if (!r)
        return;
    nk_free((void *)(uintptr_t)r->task.request.p);
    nk_free((void *)(uintptr_t)r->task.cwd);
    free_strings(r->task.env);
    if (r->task.stdout_fd > 0)
        close(r->task.stdout_fd);
    if (r->task.stderr_fd > 0)
        close(r->task.stderr_fd);
    nk_free(r);
}

static const char *const *copy_strings(const char *const *env)
{
    size_t n = 0;
    while (env[n])
        n++;
    const char **out = nk_calloc(n + 1, sizeof *out);
    for (size_t i = 0; out && i < n; i++)
        if (!(out[i] = nk_strdup(env[i]))) {
            free_strings(out);
            return NULL;
        }
    return out;
}

static int copy_fd(int fd)
{
    return fd > 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 10) : 0;
}

static nk_code copy_task(run *r, const nk_pool_task *t, nk_err *err)
{
    char *text = nk_malloc(t->request.n + 1);
    r->task = *t;
    r->task.request = nk_str_n(text, t->request.n);
    r->task.cwd = t->cwd ? nk_strdup(t->cwd) : NULL;
    r->task.env = t->env ? copy_strings(t->env) : NULL;
    r->task.stdout_fd = copy_fd(t->stdout_fd);
    r->task.stderr_fd = copy_fd(t->stderr_fd);
    if (!text || (t->cwd && !r->task.cwd) || (t->env && !r->task.env))
        return nk_fail(err, NK_E_NOMEM, "no memory");
    memcpy(text, t->request.p, t->request.n);
    text[t->request.n] = 0;
    if (r->task.stdout_fd < 0 || r->task.stderr_fd < 0)
        return nk_fail_errno(err, errno, "taking the run's log files");
    return NK_OK;
}

static run *find_run(nk_pool *p, uint64_t id)
{
    for (run *r = p->running; r; r = r->next)
        if (r->id == id)
            return r;
    for (run *r = p->queue; r; r = r->next)
        if (r->id == id)
            return r;
    return NULL;
}

static void unlink_run(run **head, run *r)
{
    for (; *head; head = &(*head)->next)
        if (*head == r) {
            *head = r->next;
            return;
        }
}

static void unqueue(nk_pool *p, run *r)
{
    unlink_run(&p->queue, r);
    p->queue_last = p->queue;
    while (p->queue_last && p->queue_last->next)
        p->queue_last = p->queue_last->next;
}

static void end_run(run *r, const nk_pool_exit *e)
{
    if (r->task.on_exit)
        r->task.on_exit(r->task.arg, e);
    free_run(r);
}

static void __attribute__((format(printf, 3, 4)))
fail_queued(nk_pool *p, run *r, const char *fmt, ...)
{
    nk_pool_exit e = {.code = -1, .stopped = r->stop};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e.reason, sizeof e.reason, fmt, ap);
    va_end(ap);
    unqueue(p, r);
    end_run(r, &e);
}

/* ---- workers ---- */

static worker *new_worker(nk_pool *p, nk_pool_kind kind, int sock, int guard)
{
    worker *w = nk_calloc(1, sizeof *w);
    if (!w)
        return NULL;
    *w = (worker){.kind = kind, .sock = sock, .guard = guard, .born_us = mono()};
    w->sock_tag = (poll_tag){POLL_WORKER, w};
    w->guard_tag = (poll_tag){POLL_GUARD, w};
    nk_buf_init(&w->in, NK_POOL_FRAME_MAX + 65536);
    nk_buf_init(&w->out, NK_POOL_FRAME_MAX * 2);
    nk_buf_init(&w->guard_in, 65536);
    if (poll_add(p, sock, &w->sock_tag, false, false, NULL) != NK_OK ||
        (guard >= 0 && poll_add(p, guard, &w->guard_tag, false, false, NULL) != NK_OK)) {
        nk_free(w);
        return NULL;
    }
    w->next = p->workers;
    p->workers = w;
    return w;
}

void nk_pool_kill_worker(worker *w)
{
    w->killed = true;
    w->kill_us = 0;
    if (w->kind == NK_POOL_ENGINE) {
        if (!w->ended || w->pid > 0)
            (void)kill(-w->pid, SIGKILL);
    } else if (w->guard >= 0) {
        (void)send(w->guard, "K", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

static void terminate_worker(worker *w, unsigned grace_ms)
{
    w->stopped = true;
    if (!grace_ms) {
        nk_pool_kill_worker(w);
        return;
    }
    if (w->kind == NK_POOL_ENGINE)
        (void)kill(w->pid, SIGTERM);
    else if (w->guard >= 0)
        (void)send(w->guard, "T", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    w->kill_us = mono() + (int64_t)grace_ms * 1000;
}

static void flush_out(nk_pool *p, worker *w)
{
    while (w->out.n && w->sock >= 0) {
        ptrdiff_t n = nk_frame_send_fds(w->sock, w->out.p, w->out.n, NULL, 0);
        if (n < 0)
            break;
        drop_front(&w->out, (size_t)n);
    }
    if (w->sock >= 0)
        (void)!poll_add(p, w->sock, &w->sock_tag, w->out.n > 0, true, NULL);
}

/* The request with the descriptors for stdout and stderr on its first byte. */
static nk_code send_request(nk_pool *p, worker *w, run *r, nk_err *err)
{
    int null = -1, fds[2] = {r->task.stdout_fd, r->task.stderr_fd};
    NK_TRY(nk_frame_put(&w->out, r->task.request, err));
    if (fds[0] <= 0 || fds[1] <= 0)
        null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    for (int i = 0; i < 2; i++)
        if (fds[i] <= 0)
            fds[i] = null;
    ptrdiff_t n = nk_frame_send_fds(w->sock, w->out.p, w->out.n, fds, 2);
    int e = errno;
    close_fd(&null);
    if (n <= 0)
        return nk_fail_errno(err, e, "handing a run to its worker");
    drop_front(&w->out, (size_t)n);
    flush_out(p, w);
    return NK_OK;
}

static void give(nk_pool *p, worker *w, run *r)
{
    uint64_t limit = r->task.memory_limit_bytes, most = p->config.memory_limit_bytes;
    unqueue(p, r);
    r->next = p->running;
    p->running = r;
    p->n_running++;
    r->worker = w;
    w->run = r;
    w->limit = limit && limit < most ? limit : most;
    if (!p->watch_us)
        p->watch_us = mono() + 20000;
    if (r->task.on_start)
        r->task.on_start(r->task.arg, w->pid);
    if (r->stop)
        terminate_worker(w, 0);
}

static void free_worker(nk_pool *p, worker *w)
{
    worker **at = &p->workers;
    while (*at && *at != w)
        at = &(*at)->next;
    if (*at)
        *at = w->next;
    close_fd(&w->sock);
    close_fd(&w->guard);
    nk_buf_free(&w->in);
    nk_buf_free(&w->out);
    nk_buf_free(&w->guard_in);
    nk_free(w);
}

static void explain_exit(const nk_pool *p, const worker *w, nk_pool_exit *e)
{
    if (e->oom)
        snprintf(e->reason, sizeof e->reason,
                 "out of memory: the run used %.2f GB, its limit is %.2f GB",
                 (double)w->peak / 1073741824.0, (double)w->limit / 1073741824.0);
    else if (e->stopped)
        snprintf(e->reason, sizeof e->reason, p->stop_all ? "the server was stopped" : "stopped");
    else if (e->signal)
        snprintf(e->reason, sizeof e->reason, "worker was killed by signal %d (%s)", e->signal,
                 strsignal(e->signal));
    else if (w->bad_frame)
        snprintf(e->reason, sizeof e->reason, "the worker sent a malformed message");
    else if (e->code > 0)
        snprintf(e->reason, sizeof e->reason, "exit code %d", e->code);
    else if (e->code < 0 && !e->reason[0])
        snprintf(e->reason, sizeof e->reason, "the worker ended in an unknown way");
}

static void take_messages(worker *w)
{
    size_t from = 0;
    nk_str json;
    int got;
    while ((got = nk_frame_next(&w->in, &from, &json)) > 0) {
        if (w->run) {
            w->run->begun = true;
            if (w->run->task.on_message)
                w->run->task.on_message(w->run->task.arg, json);
            continue;
        }
        nk_arena *a = nk_arena_create(65536);
        nk_json *j;
        if (a && nk_json_parse(json, a, 0, &j, NULL) == NK_OK &&
            nk_str_is(nk_json_str(j, "event"), "ready")) {
            w->pid = (pid_t)nk_json_i64(j, "guard", 0);
            w->ready = true;
        }
        nk_arena_destroy(a);
    }
    if (got < 0) {
        w->bad_frame = true;
        nk_pool_kill_worker(w);
        nk_buf_clear(&w->in);
    } else if (from) {
        drop_front(&w->in, from);
    }
}

/* A warm worker that died before it began has done nothing: its task goes to another, first in
 * line. */
static void requeue(nk_pool *p, run *r)
{
    r->worker = NULL;
    r->next = p->queue;
    p->queue = r;
    if (!p->queue_last)
        p->queue_last = r;
}

/* The worker's process is gone and reaped: the rest of its messages, then its end. */
static void finish_worker(nk_pool *p, worker *w)
{
    nk_pool_exit e = w->exit;
    run *r = w->run;
    if (w->sock >= 0) {
        while (read_some(w->sock, &w->in)) {
            size_t before = w->in.n;
            take_messages(w);
            if (w->in.n == before)
                break;
        }
        take_messages(w);
    }
    e.oom = w->oom;
    e.stopped = w->stopped && !w->oom;
    e.memory_peak_bytes = w->peak;
    explain_exit(p, w, &e);
    if (r) {
        unlink_run(&p->running, r);
        p->n_running--;
        w->run = NULL;
    }
    free_worker(p, w);
    if (r && !r->begun && e.signal && !e.oom && !e.stopped && r->tries++ < TRIES_MAX)
        requeue(p, r);
    else if (r)
        end_run(r, &e);
}

static void set_status(nk_pool_exit *e, int status, const struct rusage *u)
{
    e->code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    e->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    e->cpu_us = (int64_t)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000000 + u->ru_utime.tv_usec +
                u->ru_stime.tv_usec;
}

/* Engine workers whose socket has closed are about to be reapable. */
static void reap_engines(nk_pool *p)
{
    for (worker *w = p->workers, *next; w; w = next) {
        int status;
        struct rusage u;
        next = w->next;
        if (w->kind != NK_POOL_ENGINE || !w->ended)
            continue;
        pid_t got = wait4(w->pid, &status, WNOHANG, &u);
        if (got == 0)
            continue;
        (void)kill(-w->pid, SIGKILL); /* what is left of its session */
        if (got == w->pid) {
            set_status(&w->exit, status, &u);
        } else {
            w->exit.code = -1;
        }
        w->pid = 0;
        finish_worker(p, w);
        next = p->workers; /* callbacks may have changed the list */
    }
}

static void on_worker(nk_pool *p, worker *w, uint32_t events)
{
    if (events & EPOLLOUT)
        flush_out(p, w);
    bool open = read_some(w->sock, &w->in);
    take_messages(w);
    if (open)
        return;
    (void)epoll_ctl(p->epoll, EPOLL_CTL_DEL, w->sock, NULL);
    close_fd(&w->sock);
    if (w->kind == NK_POOL_ENGINE)
        w->ended = true;
}

/* The guard tells how its worker ended; when it cannot, its own end tells. */
static void on_guard(nk_pool *p, worker *w)
{
    bool open = read_some(w->guard, &w->guard_in), told = false;
    size_t from = 0;
    nk_str json;
    if (nk_frame_next(&w->guard_in, &from, &json) > 0) {
        nk_arena *a = nk_arena_create(65536);
        nk_json *j;
        if (a && nk_json_parse(json, a, 0, &j, NULL) == NK_OK) {
            w->exit.code = (int)nk_json_i64(j, "code", -1);
            w->exit.signal = (int)nk_json_i64(j, "signal", 0);
            w->exit.cpu_us = nk_json_i64(j, "cpu_us", 0);
            told = true;
        }
        nk_arena_destroy(a);
    }
    if (open && !told)
        return;
    if (!told) {
        w->exit.code = -1;
        w->exit.signal = SIGKILL;
    }
    finish_worker(p, w);
}

/* ---- the zygote ---- */

static void zygote_gone(nk_pool *p)
{
    zygote *z = &p->zygote;
    int status = 0;
    if (!z->pid)
        return;
    (void)epoll_ctl(p->epoll, EPOLL_CTL_DEL, z->sock, NULL);
    close_fd(&z->sock);
    (void)kill(z->pid, SIGKILL);
    while (waitpid(z->pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!p->stop_all)
        nk_warn("pool", "the Python zygote has ended (status %d)%s", status,
                z->ready ? "; starting another" : " before it was ready");
    z->failures = z->ready ? 0 : z->failures + 1;
    z->retry_us = z->failures ? mono() + (100000LL << (z->failures > 6 ? 6 : z->failures)) : 0;
    z->pid = 0;
    z->ready = false;
    nk_buf_clear(&z->in);
    /* Workers that it was asked for and that have not reported will not come any more. */
    for (worker *w = p->workers, *next; w; w = next) {
        next = w->next;
        if (w->kind == NK_POOL_SCRIPT && !w->run && !w->ready)
            free_worker(p, w);
    }
}

static void start_zygote(nk_pool *p)
{
    zygote *z = &p->zygote;
    nk_err err = NK_ERR_INIT;
    if (z->pid || !p->config.python || mono() < z->retry_us)
        return;
    nk_code rc = nk_pool_spawn_zygote(p, &z->sock, &z->pid, &err);
    if (rc == NK_OK)
        rc = poll_add(p, z->sock, &p->zygote_tag, false, false, &err);
    if (rc != NK_OK) {
        nk_error("pool", "%s", err.msg);
        z->failures++;
        z->retry_us = mono() + 1000000;
        return;
    }
    z->started_us = mono();
}

static void on_zygote(nk_pool *p)
{
    zygote *z = &p->zygote;
    bool open = read_some(z->sock, &z->in);
    size_t from = 0;
    nk_str json;
    while (nk_frame_next(&z->in, &from, &json) > 0)
        if (nk_str_find(json, NK_STR("\"ready\"")) >= 0) {
            z->ready = true;
            z->failures = 0;
            nk_debug("pool", "zygote ready after %lld ms",
                     (long long)(mono() - z->started_us) / 1000);
        }
    drop_front(&z->in, from);
    if (!open)
        zygote_gone(p);
}

/* Asks for one more script worker: its two sockets go to the zygote. */
static bool ask_worker(nk_pool *p)
{
    int sock[2] = {-1, -1}, guard[2] = {-1, -1};
    static const char ask[] = "\x0d\0\0\0{\"op\":\"fork\"}";
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, guard) != 0) {
        nk_error("pool", "no descriptors for another worker: %s", strerror(errno));
        close_fd(&sock[0]);
        close_fd(&sock[1]);
        return false;
    }
    int fds[2] = {sock[1], guard[1]};
    ptrdiff_t n = nk_frame_send_fds(p->zygote.sock, ask, sizeof ask - 1, fds, 2);
    close(sock[1]);
    close(guard[1]);
    if (n != (ptrdiff_t)sizeof ask - 1 || !new_worker(p, NK_POOL_SCRIPT, sock[0], guard[0])) {
        close(sock[0]);
        close(guard[0]);
        return false;
    }
    return true;
}

/* ---- matching work and workers ---- */

static void start_engine(nk_pool *p, run *r)
{
    nk_err err = NK_ERR_INIT;
    int sock;
    pid_t pid;
    worker *w = NULL;
    if (nk_pool_spawn_engine(p, &r->task, &sock, &pid, &err) != NK_OK) {
        fail_queued(p, r, "%s", err.msg);
        return;
    }
    w = new_worker(p, NK_POOL_ENGINE, sock, -1);
    if (!w) {
        (void)kill(-pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        close(sock);
        fail_queued(p, r, "no memory for another worker");
        return;
    }
    w->pid = pid;
    give(p, w, r);
    if (send_request(p, w, r, &err) != NK_OK)
        nk_pool_kill_worker(w);
}

static worker *warm_worker(nk_pool *p)
{
    worker *oldest = NULL;
    for (worker *w = p->workers; w; w = w->next)
        if (w->kind == NK_POOL_SCRIPT && w->ready && !w->run && !w->killed && w->sock >= 0)
            oldest = w;
    return oldest;
}

static void start_script(nk_pool *p, run *r, worker *w)
{
    nk_err err = NK_ERR_INIT;
    if (send_request(p, w, r, &err) != NK_OK) { /* it died while it waited: take another */
        nk_pool_kill_worker(w);
        nk_buf_clear(&w->out);
        w->ready = false;
        return;
    }
    give(p, w, r);
}

static void refill(nk_pool *p)
{
    unsigned there = 0, wanted = p->config.warm_scripts;
    if (!p->config.python || p->stop_all)
        return;
    start_zygote(p);
    if (!p->zygote.ready)
        return;
    for (run *r = p->queue; r; r = r->next)
        if (r->task.kind == NK_POOL_SCRIPT)
            wanted++;
    for (worker *w = p->workers; w; w = w->next)
        if (w->kind == NK_POOL_SCRIPT && !w->run && !w->killed)
            there++;
    if (wanted > p->config.running_max)
        wanted = p->config.running_max;
    while (there < wanted && ask_worker(p))
        there++;
}

static void match(nk_pool *p)
{
    for (run *r = p->queue, *next; r; r = next) {
        next = r->next;
        if (r->stop) {
            fail_queued(p, r, "stopped");
            next = p->queue;
        } else if (p->n_running >= p->config.running_max) {
            continue;
        } else if (r->task.kind == NK_POOL_ENGINE) {
            start_engine(p, r);
            next = p->queue;
        } else if (!p->config.python) {
            fail_queued(p, r,
                        "this server has no Python for scripts: run deps/install, or set "
                        "NIKAWA_PYTHON");
            next = p->queue;
        } else if (p->zygote.failures >= ZYGOTE_FAILURES_MAX && !p->zygote.ready) {
            fail_queued(p, r, "the Python for scripts does not start (%s): see the server's log",
                        p->config.python);
            next = p->queue;
        } else {
            worker *w = warm_worker(p);
            if (w) {
                start_script(p, r, w);
                next = p->queue;
            }
        }
    }
    refill(p);
}

/* ---- the loop ---- */

static void run_cmd(nk_pool *p, cmd *c)
{
    run *r = c->kind == CMD_START ? c->run : find_run(p, c->id);
    switch (c->kind) {
    case CMD_START:
        r->next = NULL;
        if (p->queue_last)
            p->queue_last->next = r;
        else
            p->queue = r;
        p->queue_last = r;
        break;
    case CMD_SEND:
        if (r && r->worker) {
            (void)nk_buf_str(&r->worker->out, nk_buf_view(&c->frame));
            flush_out(p, r->worker);
        }
        nk_buf_free(&c->frame);
        break;
    case CMD_STOP:
        if (r && r->worker)
            terminate_worker(r->worker, c->grace_ms);
        else if (r)
            r->stop = true;
        break;
    }
    nk_free(c);
}

static void take_cmds(nk_pool *p)
{
    uint64_t ignored;
    (void)!read(p->wake, &ignored, sizeof ignored);
    pthread_mutex_lock(&p->lock);
    cmd *c = p->cmds;
    p->cmds = p->cmds_last = NULL;
    bool ending = p->ending;
    pthread_mutex_unlock(&p->lock);
    for (cmd *next; c; c = next) {
        next = c->next;
        run_cmd(p, c);
    }
    if (ending && !p->stop_all) {
        p->stop_all = true;
        for (run *r = p->queue; r; r = r->next)
            r->stop = true;
        for (worker *w = p->workers; w; w = w->next)
            terminate_worker(w, 0);
    }
}

static void publish(nk_pool *p)
{
    nk_pool_stats s = {.running = p->n_running,
                       .zygote_pid = p->zygote.pid,
                       .memory_limit_bytes = p->config.memory_limit_bytes};
    for (worker *w = p->workers; w; w = w->next)
        if (w->kind == NK_POOL_SCRIPT && w->ready && !w->run && !w->killed)
            s.warm++;
    for (run *r = p->queue; r; r = r->next)
        s.queued++;
    pthread_mutex_lock(&p->lock);
    p->stats = s;
    pthread_mutex_unlock(&p->lock);
}

static int next_timeout_ms(nk_pool *p)
{
    int64_t now = mono(), at = INT64_MAX;
    if (p->watch_us)
        at = p->watch_us;
    if (p->config.python && !p->zygote.pid && p->zygote.retry_us && p->zygote.retry_us < at)
        at = p->zygote.retry_us;
    if (p->zygote.pid && !p->zygote.ready && p->zygote.started_us + ZYGOTE_START_US < at)
        at = p->zygote.started_us + ZYGOTE_START_US;
    for (worker *w = p->workers; w; w = w->next) {
        if (w->kill_us && w->kill_us < at)
            at = w->kill_us;
        if (w->kind == NK_POOL_ENGINE && w->ended && now + REAP_US < at)
            at = now + REAP_US;
    }
    if (at == INT64_MAX)
        return -1;
    return at <= now ? 0 : (int)((at - now) / 1000) + 1;
}

static void on_time(nk_pool *p)
{
    int64_t now = mono();
    zygote *z = &p->zygote;
    for (worker *w = p->workers; w; w = w->next)
        if (w->kill_us && now >= w->kill_us)
            nk_pool_kill_worker(w);
    if (p->watch_us && now >= p->watch_us)
        nk_pool_watch(p, now);
    if (z->pid && !z->ready && now > z->started_us + ZYGOTE_START_US)
        zygote_gone(p);
    reap_engines(p);
}

static bool still_there(const nk_pool *p, const worker *w)
{
    for (const worker *x = p->workers; x; x = x->next)
        if (x == w)
            return true;
    return false;
}

static void on_event(nk_pool *p, const struct epoll_event *e)
{
    poll_tag *tag = e->data.ptr;
    if (tag == &p->wake_tag) {
        take_cmds(p);
    } else if (tag == &p->zygote_tag) {
        if (p->zygote.pid)
            on_zygote(p);
    } else {
        /* An earlier event of the same batch may have freed this one's worker: the tag lies inside
         * it, so ask the list before looking. */
        for (worker *w = p->workers; w; w = w->next) {
            if (tag == &w->sock_tag && w->sock >= 0) {
                on_worker(p, w, e->events);
                if (still_there(p, w) && w->kind == NK_POOL_ENGINE && w->ended)
                    reap_engines(p);
                return;
            }
            if (tag == &w->guard_tag && w->guard >= 0) {
                on_guard(p, w);
                return;
            }
        }
    }
}

static void end_zygote(nk_pool *p)
{
    p->stop_all = true;
    zygote_gone(p);
}

static void *pool_main(void *arg)
{
    nk_pool *p = arg;
    for (;;) {
        struct epoll_event events[64];
        match(p);
        publish(p);
        if (p->stop_all && !p->workers && !p->queue)
            break;
        int n = epoll_wait(p->epoll, events, NK_COUNTOF(events), next_timeout_ms(p));
        for (int i = 0; i < n; i++)
            on_event(p, &events[i]);
        on_time(p);
    }
    end_zygote(p);
    return NULL;
}

/* ---- from outside ---- */

static void wake(nk_pool *p)
{
    uint64_t one = 1;
    (void)!write(p->wake, &one, sizeof one);
}

/* Hands the command over; *id (may be NULL) is the number of the run that a START names. */
static nk_code add_cmd(nk_pool *p, cmd *c, uint64_t *id, nk_err *err)
{
    nk_code rc = NK_OK;
    pthread_mutex_lock(&p->lock);
    if (p->ending) {
        rc = nk_fail(err, NK_E_UNAVAILABLE, "the server is stopping");
    } else {
        if (c->kind == CMD_START)
            c->id = c->run->id = p->next_id++;
        if (id)
            *id = c->id;
        if (p->cmds_last)
            p->cmds_last->next = c;
        else
            p->cmds = c;
        p->cmds_last = c;
    }
    pthread_mutex_unlock(&p->lock);
    if (rc == NK_OK)
        wake(p);
    return rc;
}

nk_code nk_pool_start(nk_pool *p, const nk_pool_task *task, uint64_t *id, nk_err *err)
{
    run *r = nk_calloc(1, sizeof *r);
    cmd *c = nk_calloc(1, sizeof *c);
    nk_code rc = NK_OK;
    if (!r || !c)
        rc = nk_fail(err, NK_E_NOMEM, "no memory");
    else if (task->request.n == 0 || task->request.n > NK_POOL_FRAME_MAX)
        rc = nk_fail(err, NK_E_LIMIT, "a worker's request has 1 to %zu bytes, not %zu",
                     NK_POOL_FRAME_MAX, task->request.n);
    if (rc == NK_OK)
        rc = copy_task(r, task, err);
    if (rc == NK_OK) {
        *c = (cmd){.kind = CMD_START, .run = r};
        rc = add_cmd(p, c, id, err);
    }
    if (rc != NK_OK) {
        free_run(r);
        nk_free(c);
        return rc;
    }
    return NK_OK;
}

nk_code nk_pool_send(nk_pool *p, uint64_t id, nk_str json, nk_err *err)
{
    cmd *c = nk_calloc(1, sizeof *c);
    if (!c)
        return nk_fail(err, NK_E_NOMEM, "no memory");
    *c = (cmd){.kind = CMD_SEND, .id = id};
    nk_buf_init(&c->frame, NK_POOL_FRAME_MAX + 8);
    nk_code rc = nk_frame_put(&c->frame, json, err);
    if (rc == NK_OK)
        rc = add_cmd(p, c, NULL, err);
    if (rc != NK_OK) {
        nk_buf_free(&c->frame);
        nk_free(c);
    }
    return rc;
}

void nk_pool_stop(nk_pool *p, uint64_t id, unsigned grace_ms)
{
    cmd *c = nk_calloc(1, sizeof *c);
    if (!c)
        return;
    *c = (cmd){.kind = CMD_STOP, .id = id, .grace_ms = grace_ms};
    if (add_cmd(p, c, NULL, NULL) != NK_OK)
        nk_free(c);
}

void nk_pool_get_stats(nk_pool *p, nk_pool_stats *out)
{
    pthread_mutex_lock(&p->lock);
    *out = p->stats;
    pthread_mutex_unlock(&p->lock);
}

static nk_code copy_config(nk_pool *p, const nk_pool_config *c, nk_err *err)
{
    p->config = *c;
    p->config.exe = nk_arena_strdup(p->arena, c->exe);
    p->config.scratch = nk_arena_strdup(p->arena, c->scratch);
    p->config.python = c->python ? nk_arena_strdup(p->arena, c->python) : NULL;
    p->config.python_path = c->python_path ? nk_arena_strdup(p->arena, c->python_path)
                                           : nk_pool_python_path(p->arena, c->exe);
    if (!p->config.running_max)
        p->config.running_max = RUNNING_MAX_DEFAULT;
    if (!p->config.memory_limit_bytes)
        p->config.memory_limit_bytes = nk_pool_machine_memory() / 4 * 3;
    if (!p->config.exe || !p->config.scratch || (c->python && !p->config.python))
        return nk_fail(err, NK_E_NOMEM, "no memory");
    return nk_file_mkdirs(p->config.scratch, 0700, err);
}

static void free_pool(nk_pool *p)
{
    close_fd(&p->epoll);
    close_fd(&p->wake);
    nk_arena_destroy(p->arena);
    pthread_mutex_destroy(&p->lock);
    nk_free(p);
}

nk_code nk_pool_create(const nk_pool_config *config, nk_pool **out, nk_err *err)
{
    nk_pool *p = nk_calloc(1, sizeof *p);
    nk_code rc;
    if (!p)
        return nk_fail(err, NK_E_NOMEM, "no memory");
    pthread_mutex_init(&p->lock, NULL);
    p->next_id = 1;
    p->wake_tag.kind = POLL_WAKE;
    p->zygote_tag.kind = POLL_ZYGOTE;
    p->zygote.sock = -1;
    nk_buf_init(&p->zygote.in, 1 << 20);
    p->arena = nk_arena_create(1 << 20);
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!p->arena || p->epoll < 0 || p->wake < 0)
        rc = nk_fail_errno(err, errno, "starting the pool");
    else
        rc = copy_config(p, config, err);
    if (rc == NK_OK)
        rc = poll_add(p, p->wake, &p->wake_tag, false, false, err);
    if (rc == NK_OK && (errno = pthread_create(&p->thread, NULL, pool_main, p)) != 0)
        rc = nk_fail_errno(err, errno, "starting the pool's thread");
    if (rc != NK_OK) {
        free_pool(p);
        return rc;
    }
    *out = p;
    return NK_OK;
}

void nk_pool_destroy(nk_pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->ending = true;
    pthread_mutex_unlock(&p->lock);
    wake(p);
    (void)pthread_join(p->thread, NULL);
    nk_buf_free(&p->zygote.in);
    free_pool(p);
}
