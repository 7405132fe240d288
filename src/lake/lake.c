#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lake/lake_int.h"
#include "lake/lend.h"
#include "net/client.h"

#define LOG_ROTATE   ((off_t)16 << 20)
#define STOP_WAIT_MS 1000
#define ARGS_MAX     40
#define BUCKETS_MAX  32

struct nk_lake {
    nk_lake_config config; /* strings owned by the arena */
    nk_arena *arena;
    char *endpoint;
    nk_s3 *s3;
    bool embedded;
    /* The embedded lake. */
    nk_weed_ports ports;
    pthread_t thread;
    bool threaded;
    pthread_mutex_t mutex;
    pthread_cond_t cond; /* something of the below has changed */
    int pid;
    bool ready, stopping;
    unsigned deaths;
    nk_http_client *probe;
    nk_lends lends;
    /* Assets buckets known to exist, by region. */
    char *buckets[BUCKETS_MAX];
    size_t nbuckets;
};

/* ---- finding the binary ---- */

static bool runnable(const char *path)
{
    return path && access(path, X_OK) == 0;
}

nk_code nk_lake_find_weed(nk_arena *a, nk_str *out, nk_err *err)
{
    const char *deps = getenv("NIKAWA_DEPS"), *home = getenv("HOME"), *path = getenv("PATH");
    const char *tries[3] = {0};
    size_t n = 0;
    if (deps && *deps)
        tries[n++] = nk_arena_printf(a, "%s/bin/weed", deps);
#ifdef NK_DEPS_DIR
    if (NK_DEPS_DIR[0])
        tries[n++] = NK_DEPS_DIR "/bin/weed";
#endif
    if (home)
        tries[n++] = nk_arena_printf(a, "%s/.cache/nikawa/bin/weed", home);
    for (size_t i = 0; i < n; i++) {
        if (runnable(tries[i])) {
            *out = nk_str_c(tries[i]);
            return NK_OK;
        }
    }
    nk_str rest = nk_str_c(path ? path : ""), piece;
    while (nk_str_split(&rest, ':', &piece)) {
        const char *p = nk_arena_printf(a, "%.*s/weed", NK_STR_ARG(piece));
        if (runnable(p)) {
            *out = nk_str_c(p);
            return NK_OK;
        }
    }
    nk_code rc = nk_fail(err, NK_E_NOT_FOUND,
                         "the embedded lake's program 'weed' (SeaweedFS) is not there: "
                         "looked for %s and in PATH",
                         n ? tries[0] : "$NIKAWA_DEPS/bin/weed");
    nk_hint(err,
            "run deps/install, or name it by --weed, or use another S3 by --s3-endpoint, or start "
            "with --no-lake");
    return rc;
}

/* ---- its process ---- */

static void json_identities(nk_buf *b, nk_lake *l)
{
    const nk_lake_config *c = &l->config;
    static const char *const actions[] = {"Admin", "Read", "Write", "List", "Tagging"};
    nk_json_writer w = {b, false};
    nk_jw_object(&w);
    nk_jw_key(&w, NK_STR("identities"));
    nk_jw_array(&w);
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "name", "nikawa");
    nk_jw_key(&w, NK_STR("credentials"));
    nk_jw_array(&w);
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "accessKey", c->access_key);
    nk_jw_kcstr(&w, "secretKey", c->secret_key);
    nk_jw_object_end(&w);
    nk_jw_array_end(&w);
    nk_jw_key(&w, NK_STR("actions"));
    nk_jw_array(&w);
    for (size_t i = 0; i < NK_COUNTOF(actions); i++)
        nk_jw_cstr(&w, actions[i]);
    nk_jw_array_end(&w);
    nk_jw_object_end(&w);
    nk_lends_write(&l->lends, nk_now_us(nk_env_real()), &w);
    nk_jw_array_end(&w);
    nk_jw_object_end(&w);
}

static nk_code write_identities(nk_lake *l, nk_err *err)
{
    nk_buf b;
    nk_buf_init(&b, 4 << 20);
    json_identities(&b, l);
    nk_code rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = nk_file_write(l->config.conf_path, nk_buf_view(&b), 0600, err);
    if (rc != NK_OK)
        nk_lends_lost(&l->lends);
    nk_buf_free(&b);
    return rc;
}

static int open_log(const char *path)
{
    struct stat st;
    char old[4200];
    if (stat(path, &st) == 0 && st.st_size > LOG_ROTATE &&
        snprintf(old, sizeof old, "%s.1", path) < (int)sizeof old && rename(path, old) != 0)
        nk_warn("lake", "cannot put %s aside", path);
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static nk_code start_weed(nk_lake *l, int *pid, nk_err *err)
{
    const nk_lake_config *c = &l->config;
    char *argv[ARGS_MAX], *envp[4];
    nk_arena *a = nk_arena_create(0);
    int n = 0, e = 0;
    if (!a)
        return nk_fail(err, NK_E_NOMEM, "no memory to start the lake");
    argv[n++] = nk_arena_strdup(a, c->weed);
    argv[n++] = nk_arena_strdup(a, "-logtostderr=true");
    argv[n++] = nk_arena_strdup(a, "server");
    argv[n++] = nk_arena_printf(a, "-dir=%s", c->dir);
    argv[n++] = nk_arena_printf(a, "-master.port=%d", l->ports.master);
    argv[n++] = nk_arena_printf(a, "-volume.port=%d", l->ports.volume);
    argv[n++] = nk_arena_printf(a, "-filer.port=%d", l->ports.filer);
    argv[n++] = nk_arena_printf(a, "-s3.port=%d", l->ports.s3);
    argv[n++] = nk_arena_printf(a, "-s3.config=%s", c->conf_path);
    /* it keeps text gzipped: without a cache, to unpack costs more than all else about a read */
    argv[n++] = nk_arena_printf(a, "-s3.cacheCapacityMB=%u", c->cache_mb);
    static const char *const fixed[] = {
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-filer",
        "-s3",
        "-volume.max=100000",
        "-master.volumeSizeLimitMB=1024",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-volume.preStopSeconds=0",
        "-s3.autoCreateBucket=false",
        "-s3.allowDeleteBucketNotEmpty=false",
        "-master.telemetry=false",
        "-s3.iam=false",
    };
    for (size_t i = 0; i < NK_COUNTOF(fixed); i++)
        argv[n++] = nk_arena_strdup(a, fixed[i]);
    argv[n] = NULL;
    envp[e++] = nk_arena_printf(a, "HOME=%s", c->dir);
    envp[e++] = nk_arena_printf(a, "PATH=%s", getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
    if (getenv("TMPDIR"))
        envp[e++] = nk_arena_printf(a, "TMPDIR=%s", getenv("TMPDIR"));
    envp[e] = NULL;
    nk_code rc = NK_OK;
    for (int i = 0; i < n; i++)
        if (!argv[i])
            rc = NK_E_NOMEM;
    for (int i = 0; i < e; i++)
        if (!envp[i])
            rc = NK_E_NOMEM;
    int log_fd = open_log(c->log_path);
    if (rc != NK_OK)
        rc = nk_fail(err, rc, "no memory to start the lake");
    else if (log_fd < 0)
        rc = nk_fail_errno(err, errno, "cannot open %s", c->log_path);
    else
        rc = nk_weed_spawn(c->weed, argv, envp, c->dir, log_fd, pid, err);
    if (log_fd >= 0)
        close(log_fd);
    nk_arena_destroy(a);
    return rc;
}

/* Whether the master has a volume server and S3 has its filer. */
static bool answers(nk_lake *l)
{
    char url[80];
    nk_buf body;
    nk_http_reply r = {.body = &body};
    nk_arena *a = nk_arena_create(0);
    bool ok = false;
    if (!a)
        return false;
    nk_buf_init(&body, 1 << 20);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/dir/status", l->ports.master);
    nk_http_call call = {.method = "GET", .url = url, .timeout_s = 2};
    if (nk_http_perform(l->probe, &call, a, &r, NULL) == NK_OK && r.status == 200)
        ok = nk_str_find(nk_buf_view(&body), NK_STR("\"DataNodes\":[")) >= 0;
    if (ok) {
        nk_buf_clear(&body);
        snprintf(url, sizeof url, "http://127.0.0.1:%d/healthz", l->ports.s3);
        ok = nk_http_perform(l->probe, &call, a, &r, NULL) == NK_OK && r.status == 200;
    }
    nk_buf_free(&body);
    nk_arena_destroy(a);
    return ok;
}

static void set_state(nk_lake *l, int pid, bool ready)
{
    pthread_mutex_lock(&l->mutex);
    l->pid = pid;
    l->ready = ready;
    pthread_cond_broadcast(&l->cond);
    pthread_mutex_unlock(&l->mutex);
}

static bool stopping(nk_lake *l)
{
    pthread_mutex_lock(&l->mutex);
    bool s = l->stopping;
    pthread_mutex_unlock(&l->mutex);
    return s;
}

/* It leaves sockets in /tmp, named by port, when it has to be killed. */
static void remove_sockets(const nk_weed_ports *p)
{
    static const char *const parts[] = {"master", "volume", "filer", "s3"};
    const int ports[] = {p->master, p->volume, p->filer, p->s3};
    for (size_t i = 0; i < NK_COUNTOF(parts); i++) {
        char path[80];
        snprintf(path, sizeof path, "/tmp/seaweedfs-%s-grpc-%d.sock", parts[i], ports[i] + 10000);
        unlink(path);
        snprintf(path, sizeof path, "/tmp/seaweedfs-%s-%d.sock", parts[i], ports[i]);
        unlink(path);
    }
}

/* Its graceful end waits for streams that never end, and its files survive a kill: not long, then.
 */
static void end_weed(int pid)
{
    int status;
    kill(-pid, SIGTERM);
    for (int ms = 0; ms < STOP_WAIT_MS; ms += 10) {
        if (waitpid(pid, &status, WNOHANG) == pid) {
            kill(-pid, SIGKILL); /* whatever it has left behind */
            return;
        }
        usleep(10000);
    }
    kill(-pid, SIGKILL);
    waitpid(pid, &status, 0);
}

/* Watches one life of the process; true when it died by itself. */
static bool watch(nk_lake *l, int pid)
{
    bool ready = false, complained = false;
    while (!stopping(l)) {
        int status;
        if (waitpid(pid, &status, WNOHANG) == pid) {
            set_state(l, 0, false);
            if (!stopping(l))
                nk_warn("lake", "the lake ended by itself (%s %d); starting it again; see %s",
                        WIFSIGNALED(status) ? "signal" : "exit code",
                        WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
                        l->config.log_path);
            return true;
        }
        if (!ready && answers(l)) {
            ready = true;
            set_state(l, pid, true);
        } else if (ready && nk_lends_due(&l->lends, nk_now_us(nk_env_real()))) {
            nk_err err = NK_ERR_INIT;
            bool written = write_identities(l, &err) == NK_OK;
            if (written)
                kill(pid, SIGHUP); /* it reads them anew */
            else if (!complained)
                nk_warn("lake", "lent keys do not reach the lake: %s", err.msg);
            complained = !written;
        }
        usleep(ready ? 100000 : 25000);
    }
    set_state(l, 0, false);
    end_weed(pid);
    remove_sockets(&l->ports);
    return false;
}

/* Whoever took one of its ports meanwhile may keep it: only the S3 port is known outside. */
static void move_ports(nk_lake *l)
{
    nk_weed_ports p;
    if (nk_weed_pick_ports(&p, NULL) != NK_OK)
        return;
    const int others[] = {p.master, p.volume, p.filer};
    for (size_t i = 0; i < NK_COUNTOF(others); i++)
        if (abs(others[i] - l->ports.s3) == 0 || abs(others[i] - l->ports.s3) == 10000)
            return; /* next time */
    p.s3 = l->ports.s3;
    l->ports = p;
}

/* The thread is the process's parent as far as PR_SET_PDEATHSIG goes, so it lives as long as the
 * lake. */
static void *keeper(void *arg)
{
    nk_lake *l = arg;
    prctl(PR_SET_NAME, "lake");
    unsigned wait_ms = 250;
    while (!stopping(l)) {
        nk_err err = NK_ERR_INIT;
        int pid = 0;
        int64_t begin = nk_mono_us(nk_env_real());
        if (write_identities(l, &err) == NK_OK && start_weed(l, &pid, &err) == NK_OK) {
            set_state(l, pid, false);
            if (!watch(l, pid))
                break;
        } else {
            nk_error("lake", "%s", err.msg);
        }
        if (nk_mono_us(nk_env_real()) - begin > 60000000)
            wait_ms = 250;
        pthread_mutex_lock(&l->mutex);
        l->deaths++;
        pthread_cond_broadcast(&l->cond);
        pthread_mutex_unlock(&l->mutex);
        move_ports(l);
        for (unsigned ms = 0; ms < wait_ms && !stopping(l); ms += 10)
            usleep(10000);
        wait_ms = wait_ms < 8000 ? wait_ms * 2 : 8000;
    }
    return NULL;
}

/* ---- life ---- */

static nk_code copy_config(nk_lake *l, const nk_lake_config *c, nk_err *err)
{
    const char **fields[] = {&l->config.endpoint,   &l->config.weed,       &l->config.dir,
                             &l->config.log_path,   &l->config.conf_path,  &l->config.region,
                             &l->config.account_id, &l->config.access_key, &l->config.secret_key};
    l->config = *c;
    for (size_t i = 0; i < NK_COUNTOF(fields); i++) {
        if (!*fields[i])
            continue;
        *fields[i] = nk_arena_strdup(l->arena, *fields[i]);
        if (!*fields[i])
            return nk_fail(err, NK_E_NOMEM, "no memory for the lake");
    }
    if (!l->config.ready_timeout_s)
        l->config.ready_timeout_s = 60;
    return NK_OK;
}

static nk_code prepare_embedded(nk_lake *l, nk_err *err)
{
    nk_str weed;
    if (!l->config.weed) {
        NK_TRY(nk_lake_find_weed(l->arena, &weed, err));
        l->config.weed = weed.p;
    } else if (!runnable(l->config.weed)) {
        return nk_fail_errno(err, errno, "cannot run %s as the lake", l->config.weed);
    }
    NK_TRY(nk_file_mkdirs(l->config.dir, 0700, err));
    NK_TRY(write_identities(l, err));
    NK_TRY(nk_weed_pick_ports(&l->ports, err));
    NK_TRY(nk_http_client_create(NULL, &l->probe, err));
    l->endpoint = nk_arena_printf(l->arena, "http://127.0.0.1:%d", l->ports.s3);
    return l->endpoint ? NK_OK : nk_fail(err, NK_E_NOMEM, "no memory for the lake");
}

nk_code nk_lake_create(const nk_lake_config *config, nk_lake **out, nk_err *err)
{
    nk_lake *l = nk_calloc(1, sizeof *l);
    if (!l || !(l->arena = nk_arena_create(0))) {
        nk_free(l);
        return nk_fail(err, NK_E_NOMEM, "no memory for the lake");
    }
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->cond, NULL);
    nk_lends_init(&l->lends, config->lend_s);
    l->embedded = !config->endpoint;
    nk_code rc = copy_config(l, config, err);
    if (rc == NK_OK) {
        if (l->embedded)
            rc = prepare_embedded(l, err);
        else
            l->endpoint = (char *)(uintptr_t)l->config.endpoint;
    }
    if (rc == NK_OK)
        rc = nk_s3_client_create(l->endpoint, l->config.region, l->config.access_key,
                                 l->config.secret_key, &l->s3, err);
    if (rc == NK_OK && l->embedded) {
        int e = pthread_create(&l->thread, NULL, keeper, l);
        if (e)
            rc = nk_fail_errno(err, e, "cannot start the lake's thread");
        else
            l->threaded = true;
    }
    if (rc != NK_OK) {
        nk_lake_destroy(l);
        return rc;
    }
    *out = l;
    return NK_OK;
}

void nk_lake_destroy(nk_lake *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->mutex);
    l->stopping = true;
    pthread_cond_broadcast(&l->cond);
    pthread_mutex_unlock(&l->mutex);
    if (l->threaded)
        pthread_join(l->thread, NULL);
    nk_s3_destroy(l->s3);
    nk_http_client_destroy(l->probe);
    for (size_t i = 0; i < l->nbuckets; i++)
        nk_free(l->buckets[i]);
    pthread_cond_destroy(&l->cond);
    pthread_mutex_destroy(&l->mutex);
    nk_lends_free(&l->lends);
    nk_arena_destroy(l->arena);
    nk_free(l);
}

/* The last line that its log holds. */
static void last_line(const char *path, char *out, size_t size)
{
    char tail[1024];
    out[0] = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    off_t end = lseek(fd, 0, SEEK_END);
    off_t from = end > (off_t)sizeof tail ? end - (off_t)sizeof tail : 0;
    ssize_t n = pread(fd, tail, sizeof tail, from);
    close(fd);
    nk_str s = nk_str_trim(nk_str_n(tail, n > 0 ? (size_t)n : 0));
    ptrdiff_t nl = nk_str_rchr(s, '\n');
    if (nl >= 0)
        s = nk_str_sub(s, (size_t)nl + 1, s.n);
    snprintf(out, size, "%.*s", NK_STR_ARG(s));
}

nk_code nk_lake_wait(nk_lake *l, nk_err *err)
{
    struct timespec until;
    char line[600];
    if (!l->embedded)
        return NK_OK;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += l->config.ready_timeout_s;
    pthread_mutex_lock(&l->mutex);
    unsigned deaths = l->deaths;
    int rc = 0;
    /* Four deaths in a row while we wait are enough to know. */
    while (!l->ready && !l->stopping && rc == 0 && l->deaths - deaths < 4)
        rc = pthread_cond_timedwait(&l->cond, &l->mutex, &until);
    bool ready = l->ready;
    pthread_mutex_unlock(&l->mutex);
    if (ready)
        return NK_OK;
    last_line(l->config.log_path, line, sizeof line);
    nk_code code =
        nk_fail(err, NK_E_UNAVAILABLE, "the lake (%s) does not come up; its last words: %s",
                l->config.weed, line[0] ? line : "none");
    nk_hint(err, "%s has all of them", l->config.log_path);
    return code;
}

bool nk_lake_ready(nk_lake *l)
{
    pthread_mutex_lock(&l->mutex);
    bool ready = l->ready || !l->embedded;
    pthread_mutex_unlock(&l->mutex);
    return ready;
}

const char *nk_lake_endpoint(const nk_lake *l)
{
    return l->endpoint;
}

nk_s3 *nk_lake_s3(nk_lake *l)
{
    return l->s3;
}

int nk_lake_pid(const nk_lake *l)
{
    nk_lake *m = (nk_lake *)(uintptr_t)l;
    pthread_mutex_lock(&m->mutex);
    int pid = m->pid;
    pthread_mutex_unlock(&m->mutex);
    return pid;
}

nk_code nk_lake_assets_bucket(nk_lake *l, nk_str region, nk_arena *a, nk_str *out, nk_err *err)
{
    nk_str name =
        nk_str_printf(a, "aws-glue-assets-%s-%.*s", l->config.account_id, NK_STR_ARG(region));
    bool known = false;
    if (!name.p)
        return nk_fail(err, NK_E_NOMEM, "no memory");
    *out = name;
    pthread_mutex_lock(&l->mutex);
    for (size_t i = 0; i < l->nbuckets && !known; i++)
        known = nk_str_is(name, l->buckets[i]);
    pthread_mutex_unlock(&l->mutex);
    if (known)
        return NK_OK;
    NK_TRY(nk_lake_wait(l, err));
    NK_TRY(nk_s3_create_bucket(l->s3, name, err));
    pthread_mutex_lock(&l->mutex);
    if (l->nbuckets < BUCKETS_MAX && (l->buckets[l->nbuckets] = nk_strdup(name.p)))
        l->nbuckets++;
    pthread_mutex_unlock(&l->mutex);
    return NK_OK;
}

/* ---- lending ---- */

/* "bucket/folder/" */
static nk_code put_place(nk_buf *b, nk_str place, nk_err *err)
{
    nk_s3_uri uri;
    if (nk_s3_uri_parse(place, &uri, err) != NK_OK)
        return nk_fail(err, NK_E_INVALID, "%.*s is no folder of S3", NK_STR_ARG(place));
    for (size_t i = 0; i < place.n; i++)
        if (strchr("*?:\n", place.p[i]) && i > 4)
            return nk_fail(err, NK_E_INVALID, "keys cannot be limited to %.*s", NK_STR_ARG(place));
    while (uri.key.n && uri.key.p[uri.key.n - 1] == '/')
        uri.key.n--;
    return nk_buf_printf(b, "%.*s/%.*s%s\n", NK_STR_ARG(uri.bucket), NK_STR_ARG(uri.key),
                         uri.key.n ? "/" : "");
}

/* Waits until S3 takes the new pair: what does not exist is then not found. */
static nk_code accepted(nk_lake *l, const nk_lend *e, nk_str place, nk_err *err)
{
    nk_s3 *s3;
    nk_s3_uri uri;
    nk_s3_info info;
    char key[1100];
    nk_code rc = NK_E_ACCESS_DENIED;
    NK_TRY(nk_s3_uri_parse(place, &uri, err));
    snprintf(key, sizeof key, "%.*s/.%s", NK_STR_ARG(uri.key), e->access);
    NK_TRY(nk_s3_client_create(l->endpoint, l->config.region, e->access, e->secret, &s3, err));
    for (int i = 0; i < 200 && rc != NK_OK && rc != NK_E_NOT_FOUND && !stopping(l); i++) {
        rc = nk_s3_head(s3, uri.bucket, nk_str_c(key), &info, err);
        if (rc != NK_OK && rc != NK_E_NOT_FOUND)
            usleep(25000);
    }
    nk_s3_destroy(s3);
    return rc == NK_OK || rc == NK_E_NOT_FOUND ? NK_OK
                                               : nk_wrap(err, "a lent key pair is not taken");
}

nk_code nk_lake_lend(nk_lake *l, const nk_str *places, size_t n, bool may_block, nk_arena *a,
                     nk_lake_key *out, nk_err *err)
{
    nk_buf b;
    nk_lend e;
    int64_t now = nk_now_us(nk_env_real());
    if (!l->embedded)
        return nk_fail(err, NK_E_UNSUPPORTED, "keys of an S3 endpoint of others cannot be lent");
    if (!n)
        return nk_fail(err, NK_E_INVALID, "a key pair must lead somewhere");
    nk_buf_init(&b, 64 << 10);
    nk_code rc = NK_OK;
    for (size_t i = 0; i < n && rc == NK_OK; i++)
        rc = put_place(&b, places[i], err);
    if (rc == NK_OK && !may_block && !nk_lends_has(&l->lends, nk_buf_view(&b), now))
        rc = NK_E_NOT_READY;
    if (rc == NK_OK)
        rc = nk_lends_get(&l->lends, nk_buf_view(&b), now, &e, err);
    nk_buf_free(&b);
    NK_TRY(rc);
    if (!e.taken) { /* new, or another request waits for it, too */
        NK_TRY(accepted(l, &e, places[0], err));
        nk_lends_taken(&l->lends, &e);
    }
    *out = (nk_lake_key){.access_key = nk_str_dup(a, nk_str_c(e.access)),
                         .secret_key = nk_str_dup(a, nk_str_c(e.secret)),
                         .until_us = e.until_us};
    return out->access_key.p && out->secret_key.p ? NK_OK
                                                  : nk_fail(err, NK_E_NOMEM, "out of memory");
}
