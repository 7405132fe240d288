/* nikawa run: a script in the foreground, with a server behind it: the one of DIR if it runs, else
 * one that lives as long as the script. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/state_int.h"
#include "lake/s3.h"
#include "pool/pool.h"

#define READY_MAX_MS 90000

static const nk_cmd_help help = {
    "nikawa run [--data DIR] SCRIPT.py [--JOB_NAME NAME] [--ARG VALUE ...]",
    "Runs a Glue script here and now, its output on this terminal, its exit code as this "
    "command's. It talks to the\n"
    "server of DIR; when none runs there, one is started for as long as the script runs (without "
    "--data and\n"
    "$NIKAWA_DATA in a folder of its own, which goes afterwards). All that follows SCRIPT.py is "
    "the script's.",
    "  nikawa run job.py --JOB_NAME trial --year 2013\n"
    "  nikawa run --data ./data job.py               # with the catalogue and lake of ./data",
};

typedef struct runner {
    nk_arena *a;
    nk_err *err;
    const char *dir;
    bool own_dir;
    pid_t server; /* 0: not ours */
    nk_cmd_server at;
    const char *exe;
} runner;

/* ---- a server of our own ---- */

static void server_child(const runner *r, int out)
{
    const char *argv[] = {r->exe,        "serve", "--data", r->dir, "--listen",
                          "127.0.0.1:0", "--log", "error",  NULL};
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)setpgid(0, 0); /* Ctrl-C is the script's; the server ends after it */
    (void)dup2(out, 1);
    execv(r->exe, (char *const *)(uintptr_t)argv);
    _exit(127);
}

static nk_code start_server(runner *r)
{
    int pipe_fd[2];
    char text[4096];
    ssize_t n = 0;
    if (pipe2(pipe_fd, O_CLOEXEC) != 0)
        return nk_fail_errno(r->err, errno, "cannot start a server");
    r->server = fork();
    if (r->server == 0)
        server_child(r, pipe_fd[1]);
    close(pipe_fd[1]);
    if (r->server < 0) {
        r->server = 0;
        close(pipe_fd[0]);
        return nk_fail_errno(r->err, errno, "cannot start a server");
    }
    do /* it says one line when it is ready, or ends */
        n = read(pipe_fd[0], text, sizeof text);
    while (n < 0 && errno == EINTR);
    close(pipe_fd[0]);
    if (n <= 0)
        return nk_fail(r->err, NK_E_UNAVAILABLE,
                       "the server behind the script did not start (see above)");
    return nk_cmd_find_server(r->dir, r->a, &r->at, r->err);
}

static void stop_server(runner *r)
{
    if (r->server > 0) {
        (void)kill(r->server, SIGTERM);
        while (waitpid(r->server, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (r->own_dir)
        (void)!nk_file_remove_tree(r->dir, NULL);
}

static nk_code find_or_start(runner *r, const char *asked)
{
    char temp[] = "/tmp/nikawa-run-XXXXXX";
    bool named = asked || getenv("NIKAWA_DATA");
    if (nk_cmd_find_server(asked, r->a, &r->at, NULL) == NK_OK)
        return NK_OK;
    if (named) {
        NK_TRY(nk_state_dir(asked, r->a, &r->dir, r->err));
    } else {
        if (!mkdtemp(temp))
            return nk_fail_errno(r->err, errno, "cannot make a folder in /tmp");
        r->dir = nk_arena_strdup(r->a, temp);
        r->own_dir = true;
    }
    return start_server(r);
}

/* ---- the script ---- */

static const char *python_of(runner *r)
{
    const char *deps = getenv("NIKAWA_DEPS"), *home = getenv("HOME"),
               *set = getenv("NIKAWA_PYTHON");
    const char *tries[] = {
        set,
        deps ? nk_arena_printf(r->a, "%s/venv/run/bin/python", deps) : NULL,
        NK_DEPS_DIR[0] ? NK_DEPS_DIR "/venv/run/bin/python" : NULL,
        home ? nk_arena_printf(r->a, "%s/.cache/nikawa/venv/run/bin/python", home) : NULL,
    };
    for (size_t i = 0; i < NK_COUNTOF(tries); i++)
        if (tries[i] && access(tries[i], X_OK) == 0)
            return tries[i];
    return "/usr/bin/python3";
}

static void set(const char *name, const char *value)
{
    if (value)
        (void)setenv(name, value, 1);
}

static void set_environment(runner *r)
{
    static const char *const gone[] = {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"};
    const nk_cmd_server *s = &r->at;
    for (size_t i = 0; i < NK_COUNTOF(gone); i++)
        (void)unsetenv(gone[i]);
    set("AWS_ACCESS_KEY_ID", s->access_key);
    set("AWS_SECRET_ACCESS_KEY", s->secret_key);
    set("AWS_REGION", s->region);
    set("AWS_DEFAULT_REGION", s->region);
    set("AWS_ACCOUNT_ID", s->account_id);
    set("AWS_ENDPOINT_URL", s->url); /* never AWS itself, whatever the service */
    set("AWS_ENDPOINT_URL_GLUE", s->url);
    set("AWS_ENDPOINT_URL_STS", s->url);
    set("AWS_ENDPOINT_URL_DATABREW", s->url);
    set("AWS_ENDPOINT_URL_S3", s->s3_url);
    set("AWS_CONFIG_FILE", "/dev/null");
    set("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    set("AWS_EC2_METADATA_DISABLED", "true");
    set("NIKAWA_ACCOUNT_ID", s->account_id);
    const char *path = nk_pool_python_path(r->a, r->exe), *old = getenv("PYTHONPATH");
    set("PYTHONPATH", old && *old ? nk_arena_printf(r->a, "%s:%s", path, old) : path);
}

/* Where temporary data goes when the script asks for TempDir. */
static const char *temp_dir(runner *r)
{
    nk_s3 *s3;
    const nk_cmd_server *s = &r->at;
    if (!s->s3_url || nk_s3_client_create(s->s3_url, s->region, s->s3_access_key, s->s3_secret_key,
                                          &s3, NULL) != NK_OK)
        return NULL;
    const char *bucket = nk_arena_printf(r->a, "aws-glue-assets-%s-%s", s->account_id, s->region);
    nk_code rc = nk_s3_create_bucket(s3, nk_str_c(bucket), NULL);
    nk_s3_destroy(s3);
    return rc == NK_OK ? nk_arena_printf(r->a, "s3://%s/temporary/", bucket) : NULL;
}

static bool has_arg(char **args, int n, const char *name)
{
    size_t len = strlen(name);
    for (int i = 0; i < n; i++)
        if (strncmp(args[i], name, len) == 0 && (args[i][len] == 0 || args[i][len] == '='))
            return true;
    return false;
}

static int run_script(runner *r, char **args, int n)
{
    const char **argv = NK_NEWN(r->a, const char *, (size_t)n + 10);
    int k = 0, status = 0;
    const char *temp = has_arg(args + 1, n - 1, "--TempDir") ? NULL : temp_dir(r);
    const char *slash = strrchr(args[0], '/');
    if (!argv)
        return nk_cmd_failf("out of memory");
    argv[k++] = python_of(r);
    argv[k++] = "-m";
    argv[k++] = "nikawa.run";
    argv[k++] = args[0];
    if (!has_arg(args + 1, n - 1, "--JOB_NAME")) {
        argv[k++] = "--JOB_NAME";
        argv[k++] = slash ? slash + 1 : args[0];
    }
    if (temp) {
        argv[k++] = "--TempDir";
        argv[k++] = temp;
    }
    for (int i = 1; i < n; i++)
        argv[k++] = args[i];
    set_environment(r);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGINT, SIG_DFL);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        fprintf(stderr, "nikawa: cannot start %s: %s; 'make deps' installs it\n", argv[0],
                strerror(errno));
        _exit(127);
    }
    if (pid < 0)
        return nk_cmd_failf("cannot start the script: %s", strerror(errno));
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGINT)
        fprintf(stderr, "nikawa: the script was killed by signal %d (%s)\n", WTERMSIG(status),
                strsignal(WTERMSIG(status)));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int nk_cmd_run(int argc, char **argv)
{
    const char *dir = NULL;
    char **rest, self[4096];
    int nrest;
    const nk_opt opts[] = {
        {"data", 'd', NK_OPT_STR, "DIR", "the folder of the server to use or start", &dir, 0, 0},
        {0},
    };
    int code = nk_opts_parse(&help, opts, true, argc, argv, &rest, &nrest);
    if (code >= 0)
        return code;
    if (nrest < 1)
        return nk_cmd_usage("run", "which script?");
    if (access(rest[0], R_OK) != 0)
        return nk_cmd_failf("cannot read %s: %s", rest[0], strerror(errno));
    nk_err err = NK_ERR_INIT;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = 0;
    runner r = {.a = nk_arena_create(0), .err = &err, .exe = self};
    if (!r.a)
        return nk_cmd_failf("out of memory");
    signal(SIGINT, SIG_IGN); /* the script takes it; we clean up after it */
    code = find_or_start(&r, dir) == NK_OK ? run_script(&r, rest, nrest) : nk_cmd_fail(&err);
    stop_server(&r);
    nk_arena_destroy(r.a);
    return code;
}
