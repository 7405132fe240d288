/* The pool against real processes: this program is its own engine worker, and the zygote is the
 * real one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "pool/frame_int.h"
#include "pool/pool.h"
#include "pool/worker.h"

static char self[PATH_MAX], scratch[64];

/* ---- what the engine worker of these tests can do ---- */

static nk_code op_echo(nk_worker *w, const nk_json *req, nk_arena *a, nk_err *err)
{
    printf("out %.*s\n", NK_STR_ARG(nk_json_str(req, "say")));
    fprintf(stderr, "err %s\n", getenv("TEST_VAR") ? getenv("TEST_VAR") : "-");
    nk_buf b;
    nk_buf_init(&b, 1 << 20);
    nk_json_writer jw = {.buf = &b};
    nk_jw_object(&jw);
    nk_jw_kcstr(&jw, "event", "result");
    nk_jw_kstr(&jw, "say", nk_json_str(req, "say"));
    nk_jw_object_end(&jw);
    nk_code rc = nk_worker_send(w, nk_buf_view(&b), err);
    nk_buf_free(&b);
    return rc;
}

static nk_code op_many(nk_worker *w, const nk_json *req, nk_arena *a, nk_err *err)
{
    for (int64_t i = 0; i < nk_json_i64(req, "n", 0); i++)
        NK_TRY(nk_worker_send(w, NK_STR("{\"event\":\"progress\"}"), err));
    return NK_OK;
}

static nk_code op_fail(nk_worker *w, const nk_json *req, nk_arena *a, nk_err *err)
{
    nk_fail(err, NK_E_INVALID, "the bucket is upside down");
    return nk_hint(err, "turn it");
}

static nk_code op_sleep(nk_worker *w, const nk_json *req, nk_arena *a, nk_err *err)
{
    NK_TRY(nk_worker_send(w, NK_STR("{\"event\":\"sleeping\"}"), err));
    while (!nk_worker_cancelled(w))
        usleep(1000);
    return nk_worker_send(w, NK_STR("{\"event\":\"cancelled\"}"), err);
}

static nk_code op_stubborn(nk_worker *w, const nk_json *req, nk_arena *a, nk_err *err)
{
    signal(SIGTERM, SIG_IGN);
    NK_TRY(nk_worker_send(w, NK_STR("{\"event\":\"sleeping\"}"), err));
    for (;;)
        pause();
}

static nk_code op_die(nk_worker *w, const nk_json *req, nk_arena *a, nk_err *err)
{
    NK_TRY(nk_worker_send(w, NK_STR("{\"event\":\"last words\"}"), err));
    raise((int)nk_json_i64(req, "signal", SIGKILL));
    return NK_OK;
}

static nk_code op_eat(nk_worker *w, const nk_json *req, nk_arena *a, nk_err *err)
{
    for (int i = 0; i < 100000; i++) {
        char *p = malloc(1 << 20);
        if (p)
            memset(p, 7, 1 << 20);
        usleep(100);
    }
    return NK_OK;
}

static const nk_worker_op ops[] = {
    {"echo", op_echo}, {"many", op_many},         {"fail", op_fail}, {"sleep", op_sleep},
    {"die", op_die},   {"stubborn", op_stubborn}, {"eat", op_eat},
};

/* ---- watching one run ---- */

typedef struct seen {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ended;
    int pid, messages, exits;
    char last[65536];
    nk_pool_exit exit;
} seen;

static void on_start(void *arg, int pid)
{
    seen *s = arg;
    pthread_mutex_lock(&s->lock);
    s->pid = pid;
    pthread_mutex_unlock(&s->lock);
}

static void on_message(void *arg, nk_str json)
{
    seen *s = arg;
    pthread_mutex_lock(&s->lock);
    s->messages++;
    snprintf(s->last, sizeof s->last, "%.*s", NK_STR_ARG(json));
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void on_exit_(void *arg, const nk_pool_exit *e)
{
    seen *s = arg;
    pthread_mutex_lock(&s->lock);
    s->ended = true;
    s->exits++;
    s->exit = *e;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static seen *watch_new(void)
{
    seen *s = calloc(1, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    return s;
}

static void wait_end(seen *s)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    pthread_mutex_lock(&s->lock);
    while (!s->ended)
        assert_int_equal(pthread_cond_timedwait(&s->changed, &s->lock, &until), 0);
    pthread_mutex_unlock(&s->lock);
}

static void wait_message(seen *s, const char *text)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    pthread_mutex_lock(&s->lock);
    while (!strstr(s->last, text)) {
        if (s->ended)
            fail_msg("ended too early: %s; %s", s->exit.reason, s->last);
        assert_int_equal(pthread_cond_timedwait(&s->changed, &s->lock, &until), 0);
    }
    pthread_mutex_unlock(&s->lock);
}

static nk_pool *make_pool(bool python, unsigned warm)
{
    nk_pool *p;
    nk_err err = NK_ERR_INIT;
    nk_pool_config c = {.exe = self,
                        .scratch = scratch,
                        .warm_scripts = warm,
                        .python = python ? getenv("NIKAWA_TEST_PYTHON") : NULL};
    if (nk_pool_create(&c, &p, &err) != NK_OK)
        fail_msg("%s", err.msg);
    return p;
}

static uint64_t start(nk_pool *p, nk_pool_task t, seen *s)
{
    uint64_t id;
    nk_err err = NK_ERR_INIT;
    t.on_start = on_start;
    t.on_message = on_message;
    t.on_exit = on_exit_;
    t.arg = s;
    if (nk_pool_start(p, &t, &id, &err) != NK_OK)
        fail_msg("%s", err.msg);
    return id;
}

static int temp_file(void)
{
    char path[] = "/tmp/nk-pool-XXXXXX";
    int fd = mkstemp(path);
    unlink(path);
    return fd;
}

static const char *text_of(int fd)
{
    static char text[65536];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[n < 0 ? 0 : n] = 0;
    close(fd);
    return text;
}

/* ---- engine workers ---- */

static void engine_worker_answers(void **state)
{
    nk_pool *p = make_pool(false, 0);
    seen *s = watch_new();
    int out = temp_file(), err = temp_file();
    const char *env[] = {"TEST_VAR=x=y", NULL};
    start(p,
          (nk_pool_task){.request = NK_STR("{\"op\":\"echo\",\"say\":\"h\\u00e9\"}"),
                         .stdout_fd = out,
                         .stderr_fd = err,
                         .env = env},
          s);
    wait_end(s);
    assert_int_equal(s->exit.code, 0);
    assert_string_equal(s->exit.reason, "");
    assert_non_null(strstr(s->last, "h\xc3\xa9"));
    assert_true(s->pid > 0);
    assert_string_equal(text_of(out), "out h\xc3\xa9\n");
    assert_string_equal(text_of(err), "err x=y\n");
    nk_pool_destroy(p);
    assert_int_equal(s->exits, 1);
    free(s);
}

static void every_message_arrives_before_the_end(void **state)
{
    nk_pool *p = make_pool(false, 0);
    seen *s = watch_new();
    start(p, (nk_pool_task){.request = NK_STR("{\"op\":\"many\",\"n\":20000}")}, s);
    wait_end(s);
    assert_int_equal(s->messages, 20000);
    assert_int_equal(s->exit.code, 0);
    nk_pool_destroy(p);
    free(s);
}

static void a_failure_is_told_with_its_hint(void **state)
{
    nk_pool *p = make_pool(false, 0);
    seen *s = watch_new();
    start(p, (nk_pool_task){.request = NK_STR("{\"op\":\"fail\"}")}, s);
    wait_end(s);
    assert_int_equal(s->exit.code, 1);
    assert_string_equal(s->last, "{\"event\":\"error\",\"code\":\"NK_E_INVALID\",\"message\":\"the "
                                 "bucket is upside down\",\"hint\":\"turn it\"}");
    s->ended = false;
    start(p, (nk_pool_task){.request = NK_STR("{\"op\":\"nonsense\"}")}, s);
    wait_end(s);
    assert_non_null(strstr(s->last, "NK_E_UNSUPPORTED"));
    nk_pool_destroy(p);
    free(s);
}

static void a_signal_is_named(void **state)
{
    nk_pool *p = make_pool(false, 0);
    seen *s = watch_new();
    start(p, (nk_pool_task){.request = NK_STR("{\"op\":\"die\",\"signal\":9}")}, s);
    wait_end(s);
    assert_int_equal(s->exit.signal, SIGKILL);
    assert_int_equal(s->exit.code, -1);
    assert_string_equal(s->exit.reason, "worker was killed by signal 9 (Killed)");
    assert_non_null(strstr(s->last, "last words"));
    nk_pool_destroy(p);
    free(s);
}

static void stop_asks_then_kills(void **state)
{
    nk_pool *p = make_pool(false, 0);
    seen *a = watch_new(), *b = watch_new();
    uint64_t soft = start(p, (nk_pool_task){.request = NK_STR("{\"op\":\"sleep\"}")}, a);
    uint64_t hard = start(p, (nk_pool_task){.request = NK_STR("{\"op\":\"stubborn\"}")}, b);
    wait_message(a, "sleeping");
    wait_message(b, "sleeping");
    assert_int_equal(nk_pool_send(p, soft, NK_STR("{\"op\":\"stop\"}"), NULL), NK_OK);
    wait_end(a);
    assert_int_equal(a->exit.code, 0);
    assert_non_null(strstr(a->last, "cancelled"));
    nk_pool_stop(p, hard, 50);
    wait_end(b);
    assert_true(b->exit.stopped);
    assert_int_equal(b->exit.signal, SIGKILL);
    nk_pool_stop(p, hard, 0); /* long over: nothing happens */
    nk_pool_destroy(p);
    free(a);
    free(b);
}

static void too_much_memory_ends_a_run(void **state)
{
    nk_pool *p = make_pool(false, 0);
    seen *s = watch_new();
    start(p, (nk_pool_task){.request = NK_STR("{\"op\":\"eat\"}"), .memory_limit_bytes = 200 << 20},
          s);
    wait_end(s);
    assert_true(s->exit.oom);
    assert_false(s->exit.stopped);
    assert_non_null(strstr(s->exit.reason, "out of memory"));
    assert_in_range(s->exit.memory_peak_bytes, 200u << 20, 2000u << 20);
    nk_pool_destroy(p);
    free(s);
}

static void the_queue_is_bounded_by_running_max(void **state)
{
    nk_pool *p;
    nk_pool_config c = {.exe = self, .scratch = scratch, .running_max = 3};
    assert_int_equal(nk_pool_create(&c, &p, NULL), NK_OK);
    seen *s[12];
    for (int i = 0; i < 12; i++)
        start(p, (nk_pool_task){.request = NK_STR("{\"op\":\"many\",\"n\":50}")},
              s[i] = watch_new());
    for (int i = 0; i < 12; i++) {
        wait_end(s[i]);
        assert_int_equal(s[i]->exit.code, 0);
        assert_int_equal(s[i]->messages, 50);
        free(s[i]);
    }
    nk_pool_destroy(p);
}

static void destroy_ends_all(void **state)
{
    nk_pool *p = make_pool(false, 0);
    seen *s[4];
    for (int i = 0; i < 4; i++) {
        start(p, (nk_pool_task){.request = NK_STR("{\"op\":\"stubborn\"}")}, s[i] = watch_new());
        wait_message(s[i], "sleeping");
    }
    nk_pool_destroy(p);
    for (int i = 0; i < 4; i++) {
        assert_true(s[i]->ended && s[i]->exit.stopped);
        assert_int_equal(kill(s[i]->pid, 0), -1);
        free(s[i]);
    }
}

static void a_missing_binary_is_told(void **state)
{
    nk_pool *p;
    nk_pool_config c = {.exe = "/nonexistent/nikawa", .scratch = scratch};
    seen *s = watch_new();
    assert_int_equal(nk_pool_create(&c, &p, NULL), NK_OK);
    start(p, (nk_pool_task){.request = NK_STR("{\"op\":\"echo\"}")}, s);
    wait_end(s);
    assert_int_equal(s->exit.code, -1);
    assert_non_null(strstr(s->exit.reason, "/nonexistent/nikawa"));
    s->ended = false;
    start(p, (nk_pool_task){.kind = NK_POOL_SCRIPT, .request = NK_STR("{\"op\":\"script\"}")}, s);
    wait_end(s);
    assert_non_null(strstr(s->exit.reason, "no Python"));
    nk_pool_destroy(p);
    free(s);
}

/* ---- script workers ---- */

/* Writes the script and gives its request (static). */
static nk_str script(const char *name, const char *text)
{
    static char request[4096];
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s.py", scratch, name);
    assert_int_equal(nk_file_write(path, nk_str_c(text), 0600, NULL), NK_OK);
    int n = snprintf(request, sizeof request,
                     "{\"op\":\"script\",\"kind\":\"pythonshell\",\"path\":\"%s\",\"argv\":[\"%s\","
                     "\"--a\",\"b c\"],"
                     "\"env\":{\"WHO\":\"me\"},\"cwd\":\"%s\",\"settings\":{}}",
                     path, path, scratch);
    return nk_str_n(request, (size_t)n);
}

static seen *run_script(nk_pool *p, const char *name, const char *text, int *out, int *err)
{
    seen *s = watch_new();
    *out = temp_file();
    *err = temp_file();
    start(p,
          (nk_pool_task){.kind = NK_POOL_SCRIPT,
                         .request = script(name, text),
                         .stdout_fd = *out,
                         .stderr_fd = *err},
          s);
    wait_end(s);
    return s;
}

static void scripts_run_as_programs(void **state)
{
    nk_pool *p = make_pool(true, 2);
    int out, err;
    seen *s = run_script(p, "hello",
                         "import sys, os\n"
                         "def f(): return __name__\n"
                         "print(f(), sys.argv[1:], os.environ['WHO'], os.path.basename(__file__))\n"
                         "print('caf\\u00e9', file=sys.stderr)\n",
                         &out, &err);
    assert_int_equal(s->exit.code, 0);
    assert_string_equal(s->exit.reason, "");
    assert_string_equal(text_of(out), "__main__ ['--a', 'b c'] me hello.py\n");
    assert_string_equal(text_of(err), "caf\xc3\xa9\n");
    free(s);
    nk_pool_destroy(p);
}

static void scripts_end_in_every_way(void **state)
{
    static const struct {
        const char *text, *message;
        int code, signal;
    } rows[] = {
        {"import sys\nsys.exit()", "", 0, 0},
        {"import sys\nsys.exit(0)", "", 0, 0},
        {"import sys\nsys.exit(3)", "\"message\":\"SystemExit: 3\"", 3, 0},
        {"import sys\nsys.exit('gone wrong')", "SystemExit: gone wrong", 1, 0},
        {"1/0", "\"message\":\"ZeroDivisionError: division by zero\"", 1, 0},
        {"x = 1\nif x:\nprint(x)", "line 3", 1, 0},
        {"raise KeyboardInterrupt", "KeyboardInterrupt", 1, 0},
        {"import os\nos._exit(7)", "", 7, 0},
        {"import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "", -1, SIGSEGV},
        {"import threading, time\nthreading.Thread(target=time.sleep, args=(0.2,)).start()", "", 0,
         0},
        {"", "", 0, 0},
    };
    nk_pool *p = make_pool(true, 2);
    for (size_t i = 0; i < NK_COUNTOF(rows); i++) {
        int out, err;
        seen *s = run_script(p, "ends", rows[i].text, &out, &err);
        close(out);
        const char *shown = text_of(err);
        if (s->exit.code != rows[i].code || s->exit.signal != rows[i].signal ||
            !strstr(s->last, rows[i].message))
            fail_msg("row %zu: code %d signal %d last %s stderr %s", i, s->exit.code,
                     s->exit.signal, s->last, shown);
        free(s);
    }
    nk_pool_destroy(p);
}

static void a_traceback_begins_in_the_script(void **state)
{
    nk_pool *p = make_pool(true, 1);
    int out, err;
    seen *s = run_script(p, "trace", "def f(x):\n    return x[1]\nf({})\n", &out, &err);
    const char *shown = text_of(err);
    close(out);
    assert_non_null(strstr(shown, "line 3, in <module>"));
    assert_non_null(strstr(shown, "    return x[1]\n"));
    assert_null(strstr(shown, "nikawa/worker.py"));
    assert_non_null(strstr(s->last, "\"message\":\"KeyError: 1\""));
    assert_non_null(strstr(s->last, "\"line\":2"));
    free(s);
    nk_pool_destroy(p);
}

/* What the script leaves behind, in sessions of its own, ends with the run. */
static void nothing_outlives_a_run(void **state)
{
    nk_pool *p = make_pool(true, 1);
    int out, err, pids[2] = {0, 0};
    seen *s = run_script(p, "orphans",
                         "import subprocess, os, sys\n"
                         "a = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
                         "r, w = os.pipe()\n"
                         "if os.fork() == 0:\n"
                         "    os.setsid()\n"
                         "    pid = os.fork()\n"
                         "    if pid == 0:\n"
                         "        os.close(1); os.close(2)\n"
                         "        import time; time.sleep(1000)\n"
                         "    os.write(w, b'%d' % pid); os._exit(0)\n"
                         "print(a.pid, int(os.read(r, 20)))\n",
                         &out, &err);
    const char *text = text_of(out);
    close(err);
    assert_int_equal(s->exit.code, 0);
    assert_int_equal(sscanf(text, "%d %d", &pids[0], &pids[1]), 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(kill(pids[i], 0), -1);
    free(s);
    nk_pool_destroy(p);
}

static void the_whole_tree_counts_as_memory(void **state)
{
    nk_pool *p = make_pool(true, 1);
    seen *s = watch_new();
    start(p,
          (nk_pool_task){
              .kind = NK_POOL_SCRIPT,
              .memory_limit_bytes = 300u << 20,
              .request =
                  script("eater",
                         "import subprocess, sys, time\n"
                         "c = 'import time; x = bytearray(b\"y\") * (150 << 20); time.sleep(60)'\n"
                         "ps = [subprocess.Popen([sys.executable, '-c', c]) for _ in range(3)]\n"
                         "time.sleep(60)\n")},
          s);
    wait_end(s);
    assert_true(s->exit.oom);
    assert_non_null(strstr(s->exit.reason, "0.29 GB"));
    free(s);
    nk_pool_destroy(p);
}

static void a_script_is_stopped(void **state)
{
    nk_pool *p = make_pool(true, 1);
    seen *s = watch_new();
    uint64_t id = start(
        p, (nk_pool_task){.kind = NK_POOL_SCRIPT, .request = script("loop", "while True: pass\n")},
        s);
    wait_message(s, "started");
    nk_pool_stop(p, id, 5000);
    wait_end(s);
    assert_true(s->exit.stopped);
    assert_int_equal(s->exit.signal, SIGTERM);
    free(s);
    nk_pool_destroy(p);
}

static unsigned wait_warm(nk_pool *p, unsigned n, nk_pool_stats *st)
{
    for (int i = 0; i < 6000; i++) {
        nk_pool_get_stats(p, st);
        if (st->warm >= n)
            break;
        usleep(10000);
    }
    return st->warm;
}

static void a_dead_zygote_is_replaced_and_costs_no_run(void **state)
{
    nk_pool *p = make_pool(true, 2);
    nk_pool_stats st;
    assert_int_equal(wait_warm(p, 2, &st), 2);
    seen *s = watch_new();
    uint64_t id = start(p,
                        (nk_pool_task){.kind = NK_POOL_SCRIPT,
                                       .request = script("wait", "import time\ntime.sleep(600)\n")},
                        s);
    wait_message(s, "started");
    int first = st.zygote_pid, out, err;
    kill(first, SIGKILL);
    for (int i = 0; i < 20; i++) { /* more than are warm, so that a new zygote must come */
        seen *other = run_script(p, "other", "print(1)", &out, &err);
        assert_int_equal(other->exit.code, 0);
        close(out);
        close(err);
        free(other);
    }
    nk_pool_get_stats(p, &st);
    assert_int_not_equal(st.zygote_pid, first);
    assert_false(s->ended);
    nk_pool_stop(p, id, 0);
    wait_end(s);
    free(s);
    nk_pool_destroy(p);
}

/* A signal is only sent when kill() returns: waits until the process runs no more. */
static void kill_for_good(int pid)
{
    char path[64], state = 0;
    kill(pid, SIGKILL);
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    for (int i = 0; i < 10000; i++) {
        FILE *f = fopen(path, "re");
        if (!f)
            return;
        int n = fscanf(f, "%*d (%*[^)]) %c", &state);
        fclose(f);
        if (n == 1 && (state == 'Z' || state == 'X'))
            return;
        usleep(1000);
    }
    fail_msg("process %d does not die", pid);
}

static void a_dead_warm_worker_is_replaced(void **state)
{
    nk_pool *p = make_pool(true, 1);
    nk_pool_stats st;
    assert_int_equal(wait_warm(p, 1, &st), 1);
    char path[64];
    int guard = 0, out, err;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", st.zygote_pid, st.zygote_pid);
    FILE *f = fopen(path, "re");
    assert_true(f && fscanf(f, "%d", &guard) == 1);
    fclose(f);
    kill_for_good(guard);
    seen *s = run_script(p, "after", "print(2)", &out, &err);
    assert_int_equal(s->exit.code, 0);
    close(err);
    assert_string_equal(text_of(out), "2\n");
    free(s);
    nk_pool_destroy(p);
}

/* A server that is killed leaves no worker: a child of this test plays the server. */
static void workers_die_with_the_server(void **state)
{
    int pipe_fd[2], pids[3] = {0}, status;
    assert_int_equal(pipe(pipe_fd), 0);
    pid_t server = fork();
    if (server == 0) {
        nk_pool *p = make_pool(true, 1);
        seen *s = watch_new(), *e = watch_new();
        nk_pool_stats st;
        int out = pipe_fd[1];
        start(p, (nk_pool_task){.request = NK_STR("{\"op\":\"stubborn\"}")}, e);
        wait_message(e, "sleeping");
        start(p,
              (nk_pool_task){
                  .kind = NK_POOL_SCRIPT,
                  .stdout_fd = out,
                  .stderr_fd = 2,
                  .request = script(
                      "hang",
                      "import os, signal, subprocess, time\n"
                      "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                      "c = subprocess.Popen(['sleep', '1000'], start_new_session=True, stdout=2)\n"
                      "print(os.getpid(), c.pid, flush=True)\ntime.sleep(1000)\n")},
              s);
        wait_message(s, "started");
        nk_pool_get_stats(p, &st);
        dprintf(out, "%d ", e->pid);
        pause();
    }
    close(pipe_fd[1]);
    char text[256] = "";
    size_t n = 0;
    while (n < sizeof text - 1 && sscanf(text, "%d %d %d", &pids[0], &pids[1], &pids[2]) != 3) {
        ssize_t got = read(pipe_fd[0], text + n, sizeof text - 1 - n);
        assert_true(got > 0);
        n += (size_t)got;
        text[n] = 0;
        if (strchr(text, '\n') && strlen(text) > 4 && text[n - 1] != '\n')
            break;
    }
    assert_true(sscanf(text, "%d %d %d", &pids[0], &pids[1], &pids[2]) == 3);
    kill(server, SIGKILL);
    waitpid(server, &status, 0);
    for (int i = 0; i < 3; i++) {
        int tries = 0;
        while (kill(pids[i], 0) == 0 && tries++ < 3000)
            usleep(10000);
        assert_int_equal(kill(pids[i], 0), -1);
    }
    close(pipe_fd[0]);
}

static void fifty_at_once(void **state)
{
    nk_pool *p = make_pool(true, 2);
    seen *s[50];
    for (int i = 0; i < 50; i++)
        start(p, (nk_pool_task){.kind = NK_POOL_SCRIPT, .request = script("par", "print(3)")},
              s[i] = watch_new());
    for (int i = 0; i < 50; i++) {
        wait_end(s[i]);
        assert_int_equal(s[i]->exit.code, 0);
        free(s[i]);
    }
    nk_pool_destroy(p);
}

static void frames_survive_any_cut(void **state)
{
    nk_buf out, in;
    nk_buf_init(&out, 1 << 20);
    nk_buf_init(&in, 1 << 20);
    assert_int_equal(nk_frame_put(&out, NK_STR("{}"), NULL), NK_OK);
    assert_int_equal(nk_frame_put(&out, NK_STR(""), NULL), NK_OK);
    assert_int_equal(nk_frame_put(&out, NK_STR("[1,2]"), NULL), NK_OK);
    size_t from = 0, got = 0;
    nk_str json;
    for (size_t i = 0; i < out.n; i++) {
        assert_int_equal(nk_buf_putc(&in, out.p[i]), NK_OK);
        while (nk_frame_next(&in, &from, &json) > 0)
            got++;
    }
    assert_int_equal(got, 3);
    assert_true(nk_str_is(json, "[1,2]"));
    nk_buf_clear(&in);
    assert_int_equal(nk_buf_add(&in, "\xff\xff\xff\xff", 4), NK_OK);
    from = 0;
    assert_int_equal(nk_frame_next(&in, &from, &json), -1);
    nk_buf_free(&in);
    nk_buf_free(&out);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "worker") == 0)
        return nk_worker_main(ops, NK_COUNTOF(ops));
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n < 0 ? 0 : n] = 0;
    snprintf(scratch, sizeof scratch, "/tmp/nk-pool-test-%d", (int)getpid());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_survive_any_cut),
        cmocka_unit_test(engine_worker_answers),
        cmocka_unit_test(every_message_arrives_before_the_end),
        cmocka_unit_test(a_failure_is_told_with_its_hint),
        cmocka_unit_test(a_signal_is_named),
        cmocka_unit_test(stop_asks_then_kills),
        cmocka_unit_test(too_much_memory_ends_a_run),
        cmocka_unit_test(the_queue_is_bounded_by_running_max),
        cmocka_unit_test(destroy_ends_all),
        cmocka_unit_test(a_missing_binary_is_told),
        cmocka_unit_test(scripts_run_as_programs),
        cmocka_unit_test(scripts_end_in_every_way),
        cmocka_unit_test(a_traceback_begins_in_the_script),
        cmocka_unit_test(nothing_outlives_a_run),
        cmocka_unit_test(the_whole_tree_counts_as_memory),
        cmocka_unit_test(a_script_is_stopped),
        cmocka_unit_test(a_dead_zygote_is_replaced_and_costs_no_run),
        cmocka_unit_test(a_dead_warm_worker_is_replaced),
        cmocka_unit_test(workers_die_with_the_server),
        cmocka_unit_test(fifty_at_once),
    };
    int rc = cmocka_run_group_tests_name("pool", tests, NULL, NULL);
    (void)!nk_file_remove_tree(scratch, NULL);
    return rc;
}
