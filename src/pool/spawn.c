/* Starting processes from the server: posix_spawn only, every other descriptor closed on the way.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pool/pool_int.h"

#define ENV_MAX 128

/* What a worker inherits of the server's environment; everything else is left behind, so that
 * neither the user's AWS account nor a proxy setting leaks into runs. */
static const char *const env_kept[] = {
    "PATH",       "TMPDIR",       "LD_LIBRARY_PATH", "JAVA_HOME",    "SPARK_HOME",    "NIKAWA_DEPS",
    "NIKAWA_LOG", "ASAN_OPTIONS", "UBSAN_OPTIONS",   "LSAN_OPTIONS", "SSL_CERT_FILE",
};
static const char *const env_fixed[] = {
    "LANG=C.UTF-8",
    "LC_ALL=C.UTF-8",
    "TZ=UTC",
    "AWS_EC2_METADATA_DISABLED=true",
    "AWS_CONFIG_FILE=/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
};

static nk_code make_env(nk_arena *a, const nk_pool *p, const char *const *extra, char **out,
                        nk_err *err)
{
    size_t n = 0;
    for (size_t i = 0; i < NK_COUNTOF(env_kept); i++) {
        const char *v = getenv(env_kept[i]);
        if (v)
            out[n++] = nk_arena_printf(a, "%s=%s", env_kept[i], v);
    }
    for (size_t i = 0; i < NK_COUNTOF(env_fixed); i++)
        out[n++] = nk_arena_strdup(a, env_fixed[i]);
    out[n++] = nk_arena_printf(a, "HOME=%s", p->config.scratch);
    if (p->config.python_path)
        out[n++] = nk_arena_printf(a, "PYTHONPATH=%s", p->config.python_path);
    for (; extra && *extra; extra++) {
        if (n >= ENV_MAX - 1)
            return nk_fail(err, NK_E_LIMIT, "a worker takes at most %d variables", ENV_MAX);
        out[n++] = nk_arena_strdup(a, *extra);
    }
    for (size_t i = 0; i < n; i++)
        if (!out[i])
            return nk_fail(err, NK_E_NOMEM, "no memory");
    out[n] = NULL;
    return NK_OK;
}

typedef struct spawn_files {
    int fd3, out, err; /* out, err: 0 or less = /dev/null */
    bool stderr_kept;  /* the server's own */
    const char *cwd;
} spawn_files;

static int add_output(posix_spawn_file_actions_t *fa, int fd, int as)
{
    if (fd > 0)
        return posix_spawn_file_actions_adddup2(fa, fd, as);
    return posix_spawn_file_actions_addopen(fa, as, "/dev/null", O_WRONLY, 0);
}

static int fill_actions(posix_spawn_file_actions_t *fa, const spawn_files *f)
{
    int rc = posix_spawn_file_actions_addopen(fa, 0, "/dev/null", O_RDONLY, 0);
    if (!rc)
        rc = add_output(fa, f->out, 1);
    if (!rc && !f->stderr_kept)
        rc = add_output(fa, f->err, 2);
    if (!rc)
        rc = posix_spawn_file_actions_adddup2(fa, f->fd3, 3);
    if (!rc)
        rc = posix_spawn_file_actions_addclosefrom_np(fa, 4);
    if (!rc && f->cwd)
        rc = posix_spawn_file_actions_addchdir_np(fa, f->cwd);
    return rc;
}

static nk_code spawn(const char *path, char *const argv[], char *const envp[],
                     const spawn_files *files, pid_t *pid, nk_err *err)
{
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t at;
    sigset_t none, all;
    int rc = posix_spawn_file_actions_init(&fa);
    if (rc)
        return nk_fail_errno(err, rc, "starting %s", path);
    rc = posix_spawnattr_init(&at);
    if (rc) {
        posix_spawn_file_actions_destroy(&fa);
        return nk_fail_errno(err, rc, "starting %s", path);
    }
    sigemptyset(&none);
    sigfillset(&all);
    (void)posix_spawnattr_setsigmask(&at, &none);
    (void)posix_spawnattr_setsigdefault(&at, &all);
    (void)posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                            POSIX_SPAWN_SETSIGDEF);
    rc = fill_actions(&fa, files);
    if (!rc)
        rc = posix_spawn(pid, path, &fa, &at, argv, envp);
    posix_spawnattr_destroy(&at);
    posix_spawn_file_actions_destroy(&fa);
    if (rc)
        return nk_fail_errno(err, rc, "starting %s", path);
    return NK_OK;
}

/* A socketpair whose numbers are all above 9, clear of the targets of dup2. */
static nk_code make_pair(int pair[2], nk_err *err)
{
    int raw[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, raw) != 0)
        return nk_fail_errno(err, errno, "making a worker's socket");
    for (int i = 0; i < 2; i++)
        pair[i] = fcntl(raw[i], F_DUPFD_CLOEXEC, 10);
    int e = errno;
    close(raw[0]);
    close(raw[1]);
    if (pair[0] < 0 || pair[1] < 0) {
        if (pair[0] >= 0)
            close(pair[0]);
        return nk_fail_errno(err, e, "making a worker's socket");
    }
    (void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
    return NK_OK;
}

static nk_code spawn_with_socket(const char *path, char *const argv[], char *const envp[],
                                 spawn_files *files, int *sock, pid_t *pid, nk_err *err)
{
    int pair[2] = {-1, -1};
    NK_TRY(make_pair(pair, err));
    files->fd3 = pair[1];
    nk_code rc = spawn(path, argv, envp, files, pid, err);
    close(pair[1]);
    if (rc != NK_OK) {
        close(pair[0]);
        return rc;
    }
    *sock = pair[0];
    return NK_OK;
}

nk_code nk_pool_spawn_engine(nk_pool *p, const nk_pool_task *t, int *sock, pid_t *pid, nk_err *err)
{
    char *envp[ENV_MAX];
    char *argv[] = {(char *)(uintptr_t)p->config.exe, (char *)(uintptr_t) "worker", NULL};
    nk_arena *a = nk_arena_create(1 << 20);
    if (!a)
        return nk_fail(err, NK_E_NOMEM, "no memory");
    nk_code rc = make_env(a, p, t->env, envp, err);
    spawn_files files = {
        .out = t->stdout_fd, .err = t->stderr_fd, .cwd = t->cwd ? t->cwd : p->config.scratch};
    if (rc == NK_OK)
        rc = spawn_with_socket(p->config.exe, argv, envp, &files, sock, pid, err);
    nk_arena_destroy(a);
    return rc;
}

nk_code nk_pool_spawn_zygote(nk_pool *p, int *sock, pid_t *pid, nk_err *err)
{
    char *envp[ENV_MAX];
    char *argv[] = {(char *)(uintptr_t)p->config.python, (char *)(uintptr_t) "-m",
                    (char *)(uintptr_t) "nikawa.zygote", NULL};
    nk_arena *a = nk_arena_create(1 << 20);
    if (!a)
        return nk_fail(err, NK_E_NOMEM, "no memory");
    nk_code rc = make_env(a, p, NULL, envp, err);
    spawn_files files = {.stderr_kept = true, .cwd = p->config.scratch};
    if (rc == NK_OK)
        rc = spawn_with_socket(p->config.python, argv, envp, &files, sock, pid, err);
    nk_arena_destroy(a);
    return rc;
}

/* The Python packages lie beside the binary: in the source tree (BUILD/nikawa and ../python) or
 * installed (bin/nikawa and ../lib/nikawa/python). The extension is built into BUILD/python. */
const char *nk_pool_python_path(nk_arena *a, const char *exe)
{
    const char *set = getenv("NIKAWA_PYTHONPATH");
    if (set)
        return nk_arena_strdup(a, set);
    const char *slash = exe ? strrchr(exe, '/') : NULL;
    if (!slash)
        return NULL;
    int n = (int)(slash - exe);
    const char *installed = nk_arena_printf(a, "%.*s/../lib/nikawa/python", n, exe);
    if (installed && nk_file_exists(installed))
        return installed;
    return nk_arena_printf(a, "%.*s/../python:%.*s/python:%.*s", n, exe, n, exe, n, exe);
}
