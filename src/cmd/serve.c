#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "cmd/rooms.h"
#include "cmd/state_int.h"
#include "lake/lake.h"

#define GRACE_MS 5000
#define PEM_MAX  ((size_t)1 << 20)

static const nk_cmd_help help = {
    "nikawa serve [--data DIR] [--listen HOST:PORT] [options]",
    "Starts a server: AWS Glue's API on HOST:PORT, and an S3 of its own unless told otherwise. All "
    "it keeps lies\n"
    "in DIR. When it is ready it prints one line with its URL; SIGTERM or Ctrl-C ends it and all "
    "it has started.\n"
    "DIR/credentials and DIR/config hold the AWS profile 'nikawa' for clients; 'nikawa env' prints "
    "it as exports.\n"
    "The key pair is made at the first start, or taken from NIKAWA_ACCESS_KEY_ID and "
    "NIKAWA_SECRET_ACCESS_KEY.\n"
    "With --s3-endpoint, NIKAWA_S3_ACCESS_KEY_ID and NIKAWA_S3_SECRET_ACCESS_KEY are its keys "
    "(default: the same pair).",
    "  nikawa serve --data ./data --listen 127.0.0.1:4500        # everything on this machine\n"
    "  nikawa serve --data ./data --listen 127.0.0.1:0 --no-lake # catalogue only, any free port\n"
    "  nikawa serve --data ./data --s3-endpoint http://minio:9000 # an S3 that is there already\n"
    "  nikawa serve --data ./data --tls-cert cert.pem --tls-key key.pem",
};

typedef struct options {
    const char *data, *listen, *s3_endpoint, *account_id, *region, *tls_cert, *tls_key, *weed,
        *python, *log;
    const char *registry_failures;
    bool no_lake;
    int64_t max_clock_skew, max_body_mb, history, lake_cache_mb, lent_key_s, threads, connections,
        idle_timeout, header_timeout, request_timeout;
} options;

/* Everything between start and end. */
typedef struct server {
    nk_arena *arena;
    options opt;
    nk_settings settings;
    nk_app app;
    nk_cmd_server state;
    const char *host;
    int port;
    int lock_fd;
    const char *cert, *key; /* PEM text */
    nk_api *api;
    size_t rooms; /* how many have started */
    sigset_t signals;
    nk_err *err;
} server;

static const char *env_or_null(const char *name)
{
    const char *v = getenv(name);
    return v && *v ? v : NULL;
}

/* ---- reading what was asked for ---- */

static nk_code parse_listen(server *s)
{
    nk_str l = nk_str_c(s->opt.listen);
    ptrdiff_t colon = nk_str_rchr(l, ':');
    int64_t port;
    if (colon < 0 || !nk_str_i64(nk_str_sub(l, (size_t)colon + 1, l.n), &port) || port < 0 ||
        port > 65535)
        return nk_fail(s->err, NK_E_INVALID,
                       "--listen wants HOST:PORT, for example 127.0.0.1:4500, not '%s'",
                       s->opt.listen);
    nk_str host = nk_str_sub(l, 0, (size_t)colon);
    if (host.n > 1 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = nk_str_sub(host, 1, host.n - 1);
    s->host = host.n ? nk_str_dup(s->arena, host).p : "127.0.0.1";
    s->port = (int)port;
    return NK_OK;
}

static bool all_digits(const char *p, size_t n)
{
    return strlen(p) == n && strspn(p, "0123456789") == n;
}

static nk_code check_options(server *s)
{
    const options *o = &s->opt;
    NK_TRY(parse_listen(s));
    if (!all_digits(o->account_id, 12))
        return nk_fail(s->err, NK_E_INVALID, "--account-id wants 12 digits, not '%s'",
                       o->account_id);
    if (!*o->region ||
        strspn(o->region, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(o->region))
        return nk_fail(s->err, NK_E_INVALID, "--region wants a name like us-east-1, not '%s'",
                       o->region);
    if (strcmp(o->registry_failures, "refuse") != 0 && strcmp(o->registry_failures, "keep") != 0)
        return nk_fail(s->err, NK_E_INVALID, "--registry-failures wants refuse or keep, not '%s'",
                       o->registry_failures);
    if (!o->tls_cert != !o->tls_key)
        return nk_fail(s->err, NK_E_INVALID, "--tls-cert and --tls-key go together");
    if (o->no_lake && o->s3_endpoint)
        return nk_fail(s->err, NK_E_INVALID, "--no-lake and --s3-endpoint do not go together");
    return NK_OK;
}

static nk_code read_tls(server *s)
{
    nk_str cert, key;
    if (!s->opt.tls_cert)
        return NK_OK;
    NK_TRY(nk_file_read(s->opt.tls_cert, PEM_MAX, s->arena, &cert, s->err));
    NK_TRY(nk_file_read(s->opt.tls_key, PEM_MAX, s->arena, &key, s->err));
    s->cert = cert.p;
    s->key = key.p;
    return NK_OK;
}

/* ---- DIR ---- */

static nk_code open_dir(server *s)
{
    const char *dir;
    struct stat st;
    NK_TRY(nk_state_dir(s->opt.data, s->arena, &dir, s->err));
    NK_TRY(nk_file_mkdirs(dir, 0700, s->err));
    if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode))
        return nk_fail(s->err, NK_E_INVALID, "%s is not a folder", dir);
    if ((st.st_mode & 077) && chmod(dir, 0700) != 0)
        return nk_fail_errno(s->err, errno, "cannot keep %s to ourselves (mode 0700)", dir);
    s->state.dir = s->settings.data_dir = dir;
    return nk_state_lock(dir, &s->lock_fd, s->err);
}

/* The environment's pair, else that of the last start, else a new one. */
static nk_code find_keys(server *s)
{
    nk_keys *keys;
    const char *id = env_or_null("NIKAWA_ACCESS_KEY_ID"),
               *secret = env_or_null("NIKAWA_SECRET_ACCESS_KEY");
    if (!id != !secret)
        return nk_fail(s->err, NK_E_INVALID,
                       "NIKAWA_ACCESS_KEY_ID and NIKAWA_SECRET_ACCESS_KEY go together");
    if (!id) {
        id = nk_state_credential(s->state.dir, "nikawa", "aws_access_key_id", s->arena);
        secret = nk_state_credential(s->state.dir, "nikawa", "aws_secret_access_key", s->arena);
    }
    NK_TRY(nk_keys_create(&keys, s->err));
    s->app.keys = keys;
    if (id && secret) {
        NK_TRY(nk_keys_add(keys, id, secret, NULL, NULL, s->err));
    } else {
        char new_id[21], new_secret[41];
        NK_TRY(nk_keys_make(keys, s->app.env, NULL, new_id, new_secret, s->err));
        id = nk_arena_strdup(s->arena, new_id);
        secret = nk_arena_strdup(s->arena, new_secret);
        if (!id || !secret)
            return nk_fail(s->err, NK_E_NOMEM, "no memory");
    }
    s->settings.access_key = s->state.access_key = s->state.s3_access_key = id;
    s->settings.secret_key = s->state.secret_key = s->state.s3_secret_key = secret;
    if (s->opt.s3_endpoint && env_or_null("NIKAWA_S3_ACCESS_KEY_ID")) {
        s->state.s3_access_key = env_or_null("NIKAWA_S3_ACCESS_KEY_ID");
        s->state.s3_secret_key = env_or_null("NIKAWA_S3_SECRET_ACCESS_KEY");
        if (!s->state.s3_secret_key)
            return nk_fail(s->err, NK_E_INVALID,
                           "NIKAWA_S3_ACCESS_KEY_ID and NIKAWA_S3_SECRET_ACCESS_KEY go together");
    }
    return nk_state_write_credentials(&s->state, s->err);
}

/* ---- the parts ---- */

/* A 16th of the machine's memory, at most 1 GiB. */
static unsigned default_lake_cache(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    if (pages <= 0 || size <= 0)
        return 64;
    long mb = pages / 16 * (size / 1024) / 1024;
    return mb > 1024 ? 1024 : (unsigned)mb;
}

static nk_code start_lake(server *s)
{
    if (s->opt.no_lake)
        return NK_OK;
    nk_lake_config c = {
        .endpoint = s->opt.s3_endpoint,
        .weed = s->opt.weed,
        .dir = nk_arena_printf(s->arena, "%s/lake", s->state.dir),
        .log_path = nk_arena_printf(s->arena, "%s/lake.log", s->state.dir),
        .conf_path = nk_arena_printf(s->arena, "%s/lake-identities.json", s->state.dir),
        .region = s->opt.region,
        .account_id = s->opt.account_id,
        .access_key = s->state.s3_access_key,
        .secret_key = s->state.s3_secret_key,
        .lend_s = (unsigned)s->opt.lent_key_s,
        .cache_mb =
            s->opt.lake_cache_mb < 0 ? default_lake_cache() : (unsigned)s->opt.lake_cache_mb,
    };
    if (!c.dir || !c.log_path || !c.conf_path)
        return nk_fail(s->err, NK_E_NOMEM, "no memory");
    nk_lake *lake;
    NK_TRY(nk_lake_create(&c, &lake, s->err));
    s->app.lake = lake;
    s->settings.s3_endpoint = s->state.s3_url = nk_lake_endpoint(lake);
    return NK_OK;
}

static nk_code open_store(server *s)
{
    nk_store *store;
    char *path = nk_arena_printf(s->arena, "%s/store.db", s->state.dir);
    if (!path)
        return nk_fail(s->err, NK_E_NOMEM, "no memory");
    nk_store_config c = {.path = path, .kinds = nk_rooms_kinds()};
    NK_TRY(nk_store_open(&c, &store, s->err));
    s->app.store = store;
    return NK_OK;
}

static nk_code start_rooms(server *s)
{
    for (; s->rooms < nk_rooms_count; s->rooms++) {
        const nk_room *r = &nk_rooms[s->rooms];
        if (r->start)
            NK_TRY(r->start(&s->app, s->err));
    }
    return NK_OK;
}

/* The URL is known and nobody has asked anything yet: the moment for the rooms to start. */
static nk_code on_port(void *arg, int port, nk_err *err)
{
    server *s = arg;
    /* What listens everywhere is best reached on loopback from here. */
    const char *host = strcmp(s->host, "0.0.0.0") == 0 ? "127.0.0.1"
                       : strcmp(s->host, "::") == 0    ? "::1"
                                                       : s->host;
    const char *url = nk_arena_printf(s->arena, strchr(host, ':') ? "%s://[%s]:%d" : "%s://%s:%d",
                                      s->cert ? "https" : "http", host, port);
    if (!url)
        return nk_fail(err, NK_E_NOMEM, "no memory");
    s->settings.endpoint = s->state.url = url;
    return start_rooms(s);
}

static nk_code start_api(server *s)
{
    nk_api_config c = {
        .app = &s->app,
        .keys = s->app.keys,
        .host = s->host,
        .port = s->port,
        .threads = (unsigned)s->opt.threads,
        .connections_max = (unsigned)s->opt.connections,
        .idle_timeout_s = (unsigned)s->opt.idle_timeout,
        .header_timeout_s = (unsigned)s->opt.header_timeout,
        .request_timeout_s = (unsigned)s->opt.request_timeout,
        .tls_cert = s->cert,
        .tls_key = s->key,
        .on_port = on_port,
        .on_port_arg = s,
    };
    return nk_api_start(&c, &s->api, s->err);
}

static void stop_parts(server *s)
{
    nk_api_stop(s->api, GRACE_MS);
    while (s->rooms > 0) {
        const nk_room *r = &nk_rooms[--s->rooms];
        if (r->stop)
            r->stop(&s->app);
    }
    nk_store_close(s->app.store);
    nk_lake_destroy(s->app.lake);
    nk_keys_destroy(s->app.keys);
    if (s->lock_fd >= 0) {
        nk_state_remove_server(s->state.dir);
        close(s->lock_fd);
    }
}

static char *own_path(nk_arena *a)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    return n > 0 ? nk_arena_strndup(a, path, (size_t)n) : NULL;
}

static const char *find_python(nk_arena *a, const char *asked)
{
    const char *deps = env_or_null("NIKAWA_DEPS"), *home = env_or_null("HOME");
    if (asked)
        return asked;
    const char *tries[] = {
        deps ? nk_arena_printf(a, "%s/venv/run/bin/python", deps) : NULL,
        NK_DEPS_DIR[0] ? NK_DEPS_DIR "/venv/run/bin/python" : NULL,
        home ? nk_arena_printf(a, "%s/.cache/nikawa/venv/run/bin/python", home) : NULL,
    };
    for (size_t i = 0; i < NK_COUNTOF(tries); i++)
        if (tries[i] && access(tries[i], X_OK) == 0)
            return tries[i];
    return "/usr/bin/python3";
}

static void fill_settings(server *s)
{
    s->settings.account_id = s->state.account_id = s->opt.account_id;
    s->settings.region = s->state.region = s->opt.region;
    s->settings.python = find_python(s->arena, s->opt.python);
    s->settings.exe = own_path(s->arena);
    s->settings.max_clock_skew_s = s->opt.max_clock_skew;
    s->settings.body_max_bytes = (size_t)s->opt.max_body_mb << 20;
    s->settings.history_max = s->opt.history;
    s->settings.keep_failures = strcmp(s->opt.registry_failures, "keep") == 0;
    s->app.env = nk_env_real();
    s->app.settings = &s->settings;
    s->state.pid = (int)getpid();
}

/* Signals are taken by sigtimedwait here and nowhere else, so every thread must be born with them
 * blocked. */
static void block_signals(server *s)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&s->signals);
    sigaddset(&s->signals, SIGTERM);
    sigaddset(&s->signals, SIGINT);
    sigaddset(&s->signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &s->signals, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

static bool stop_asked(server *s, int timeout_s)
{
    struct timespec t = {.tv_sec = timeout_s};
    return sigtimedwait(&s->signals, NULL, &t) > 0;
}

static nk_code start_all(server *s)
{
    NK_TRY(check_options(s));
    NK_TRY(read_tls(s));
    NK_TRY(open_dir(s));
    NK_TRY(find_keys(s));
    NK_TRY(start_lake(s));
    NK_TRY(open_store(s));
    NK_TRY(start_api(s));
    return NK_OK;
}

static nk_code announce(server *s)
{
    if (s->app.lake)
        NK_TRY(nk_lake_wait(s->app.lake, s->err));
    NK_TRY(nk_state_write_config(&s->state, s->err));
    NK_TRY(nk_state_write_server(&s->state, s->err));
    bool colour = nk_cmd_colour(1);
    printf("nikawa is ready at %s%s%s (data in %s)\n", colour ? "\033[1m" : "", s->state.url,
           colour ? "\033[0m" : "", s->state.dir);
    fflush(stdout);
    return NK_OK;
}

static int run(server *s)
{
    nk_code rc = start_all(s);
    if (rc == NK_OK)
        rc = announce(s);
    int code = rc == NK_OK ? 0 : nk_cmd_fail(s->err);
    while (rc == NK_OK && !stop_asked(s, 3600))
        ;
    /* A second signal ends us at once. */
    pthread_sigmask(SIG_UNBLOCK, &s->signals, NULL);
    stop_parts(s);
    return code;
}

static nk_log_level level_of(const char *name, bool *ok)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    *ok = true;
    for (size_t i = 0; i < NK_COUNTOF(names); i++)
        if (strcmp(name, names[i]) == 0)
            return (nk_log_level)i;
    *ok = false;
    return NK_LOG_INFO;
}

int nk_cmd_serve(int argc, char **argv)
{
    nk_err err = NK_ERR_INIT;
    server s = {.lock_fd = -1, .err = &err};
    options *o = &s.opt;
    *o = (options){.listen = "127.0.0.1:4500",
                   .account_id = "000000000000",
                   .region = "us-east-1",
                   .log = "info",
                   .registry_failures = "refuse",
                   .max_clock_skew = 900,
                   .max_body_mb = 64,
                   .history = 10000,
                   .lake_cache_mb = -1,
                   .lent_key_s = 3600};
    const nk_opt opts[] = {
        {"data", 'd', NK_OPT_STR, "DIR",
         "where all state lies (default $NIKAWA_DATA, else ./nikawa-data)", &o->data, 0, 0},
        {"listen", 'l', NK_OPT_STR, "HOST:PORT",
         "where to listen; port 0 picks a free one (default 127.0.0.1:4500)", &o->listen, 0, 0},
        {"s3-endpoint", 0, NK_OPT_STR, "URL", "an S3 to use instead of the embedded lake",
         &o->s3_endpoint, 0, 0},
        {"lent-key-life", 0, NK_OPT_INT, "SECONDS",
         "how long a key pair lasts that the Iceberg REST catalogue lends for a table "
         "(default 3600)",
         &o->lent_key_s, 2, 12 * 3600},
        {"lake-cache", 0, NK_OPT_INT, "MIB",
         "memory of the lake for data read again (default: a 16th of the machine's, at most 1024)",
         &o->lake_cache_mb, 0, 1 << 20},
        {"no-lake", 0, NK_OPT_FLAG, NULL, "no S3 at all", &o->no_lake, 0, 0},
        {"account-id", 0, NK_OPT_STR, "DIGITS", "the account we are (default 000000000000)",
         &o->account_id, 0, 0},
        {"region", 0, NK_OPT_STR, "NAME", "of requests without a signature (default us-east-1)",
         &o->region, 0, 0},
        {"max-clock-skew", 0, NK_OPT_INT, "SECONDS",
         "how far a client's clock may be off (default 900)", &o->max_clock_skew, 1, 604800},
        {"max-body", 0, NK_OPT_INT, "MIB", "largest request (default 64)", &o->max_body_mb, 1,
         4096},
        {"history", 0, NK_OPT_INT, "N",
         "changes of the catalogue kept for undo (default 10000, 0 = none)", &o->history, 0,
         100000000},
        {"registry-failures", 0, NK_OPT_STR, "refuse|keep",
         "what becomes of a schema version that its schema's compatibility forbids: an error that "
         "says why, or, as at AWS, a version in status FAILURE (default refuse)",
         &o->registry_failures, 0, 0},
        {"tls-cert", 0, NK_OPT_STR, "FILE", "PEM certificate chain: serve https", &o->tls_cert, 0,
         0},
        {"tls-key", 0, NK_OPT_STR, "FILE", "its private key, PEM", &o->tls_key, 0, 0},
        {"threads", 0, NK_OPT_INT, "N", "HTTP threads (default: one a processor, at most 8)",
         &o->threads, 1, 256},
        {"max-connections", 0, NK_OPT_INT, "N", "at a time (default 4096)", &o->connections, 1,
         1000000},
        {"idle-timeout", 0, NK_OPT_INT, "SECONDS", "for a silent connection (default 65)",
         &o->idle_timeout, 1, 86400},
        {"header-timeout", 0, NK_OPT_INT, "SECONDS",
         "for all headers of a request to arrive (default 30)", &o->header_timeout, 1, 86400},
        {"request-timeout", 0, NK_OPT_INT, "SECONDS",
         "for a body to arrive, and for an answer to be taken (default 120)", &o->request_timeout,
         1, 86400},
        {"weed", 0, NK_OPT_STR, "FILE", "the SeaweedFS program of the embedded lake", &o->weed, 0,
         0},
        {"python", 0, NK_OPT_STR, "FILE", "the interpreter for job scripts", &o->python, 0, 0},
        {"log", 0, NK_OPT_STR, "LEVEL", "debug, info, warn or error (default info)", &o->log, 0, 0},
        {0},
    };
    int code = nk_opts_parse(&help, opts, false, argc, argv, NULL, NULL);
    if (code >= 0)
        return code;
    bool level_ok;
    nk_log_set_level(level_of(o->log, &level_ok));
    if (!level_ok)
        return nk_cmd_usage("serve", "--log wants debug, info, warn or error, not '%s'", o->log);
    s.arena = nk_arena_create(0);
    if (!s.arena)
        return nk_cmd_failf("out of memory");
    fill_settings(&s);
    umask(077);
    block_signals(&s);
    code = run(&s);
    nk_arena_destroy(s.arena);
    return code;
}
