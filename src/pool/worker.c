#include "pool/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pool/frame_int.h"
#include "pool/pool.h"

#define WORKER_FD 3

struct nk_worker {
    pthread_mutex_t lock; /* one frame at a time */
    atomic_bool cancelled;
};

nk_code nk_worker_send(nk_worker *w, nk_str json, nk_err *err)
{
    nk_buf out;
    nk_buf_init(&out, NK_POOL_FRAME_MAX + 8);
    nk_code rc = nk_frame_put(&out, json, err);
    if (rc == NK_OK) {
        pthread_mutex_lock(&w->lock);
        rc = nk_fd_write_all(WORKER_FD, out.p, out.n, err);
        pthread_mutex_unlock(&w->lock);
    }
    nk_buf_free(&out);
    return rc;
}

bool nk_worker_cancelled(const nk_worker *w)
{
    return atomic_load(&w->cancelled);
}

/* Hears what the server says after the request; without a server there is nothing left to work for.
 */
static void *listen_main(void *arg)
{
    nk_worker *w = arg;
    nk_buf frame;
    nk_buf_init(&frame, NK_POOL_FRAME_MAX + 8);
    while (nk_frame_read(WORKER_FD, &frame, NULL, 0, NULL) == NK_OK)
        if (nk_str_find(nk_buf_view(&frame), NK_STR("\"stop\"")) >= 0)
            atomic_store(&w->cancelled, true);
    _exit(1);
}

static void send_error(nk_worker *w, const nk_err *e)
{
    nk_buf out;
    nk_buf_init(&out, 1 << 16);
    nk_json_writer jw = {.buf = &out};
    nk_jw_object(&jw);
    nk_jw_kcstr(&jw, "event", "error");
    nk_jw_kcstr(&jw, "code", nk_code_name(e->code));
    nk_jw_kcstr(&jw, "message", e->msg);
    if (e->hint[0])
        nk_jw_kcstr(&jw, "hint", e->hint);
    nk_jw_object_end(&jw);
    nk_err ignored = NK_ERR_INIT;
    if (nk_worker_send(w, nk_buf_view(&out), &ignored) != NK_OK)
        nk_warn("worker", "cannot tell the server: %s", ignored.msg);
    nk_buf_free(&out);
}

static nk_code run_request(nk_worker *w, nk_str text, const nk_worker_op *ops, size_t n,
                           nk_arena *arena, nk_err *err)
{
    nk_json *request;
    NK_TRY(nk_json_parse(text, arena, 128, &request, err));
    nk_str op = nk_json_str(request, "op");
    for (size_t i = 0; i < n; i++)
        if (ops[i].name && nk_str_is(op, ops[i].name))
            return ops[i].run(w, request, arena, err);
    return nk_fail(err, NK_E_UNSUPPORTED, "this worker knows no operation \"%.*s\"",
                   NK_STR_ARG(op));
}

static void settle(void)
{
    struct rlimit none = {0, 0}, files;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setrlimit(RLIMIT_CORE, &none);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    signal(SIGPIPE, SIG_IGN);
}

int nk_worker_main(const nk_worker_op *ops, size_t n)
{
    nk_worker w = {.lock = PTHREAD_MUTEX_INITIALIZER};
    nk_err err = NK_ERR_INIT;
    int fds[2];
    nk_buf frame;
    pthread_t listener;
    if (fcntl(WORKER_FD, F_SETFD, FD_CLOEXEC) != 0) {
        fprintf(stderr, "nikawa worker is started by the server, not by hand\n");
        return 2;
    }
    settle();
    nk_buf_init(&frame, NK_POOL_FRAME_MAX + 8);
    if (nk_frame_read(WORKER_FD, &frame, fds, 2, &err) != NK_OK)
        return 1;
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0) {
            (void)dup2(fds[i], i + 1);
            close(fds[i]);
        }
    if (pthread_create(&listener, NULL, listen_main, &w) != 0)
        return 1;
    pthread_detach(listener);
    nk_arena *arena = nk_arena_create(0);
    nk_code rc = arena ? run_request(&w, nk_buf_view(&frame), ops, n, arena, &err)
                       : nk_fail(&err, NK_E_NOMEM, "no memory");
    if (rc != NK_OK) {
        err.code = rc;
        send_error(&w, &err);
    }
    nk_arena_destroy(arena);
    nk_buf_free(&frame);
    fflush(NULL);
    return rc == NK_OK ? 0 : 1;
}
