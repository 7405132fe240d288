#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/http.h"
#include "net/watch.h"

#define KEPT_BODY      ((size_t)64 << 10) /* a body buffer larger than this is not kept for reuse */
#define KEPT_REQUESTS  256
#define CONNECTION_MEM ((size_t)32 << 10)
/* A body over the limit is read and dropped up to this many times the limit, so that the client
 * gets to read the refusal instead of a reset. */
#define DRAIN_FACTOR 4
/* An answer may be taken as slowly as this, in bytes a second, after request_timeout_s. */
#define ANSWER_RATE_MIN 16384

/* A request's life:
 *   RUN    in the handler on its HTTP thread
 *   WAIT   deferred: the connection is suspended, someone owes an answer
 *   READY  woken: the handler runs once more when libmicrohttpd calls again
 *   SENT   the answer is queued
 *   GONE   the server is stopping and has answered 503 itself; nobody waits for the other any more
 */
enum { RUN, WAIT, READY, SENT, GONE };

typedef struct exchange exchange;
struct exchange {
    nk_http_req req; /* first: the public view is the whole */
    nk_http_server *server;
    struct MHD_Connection *conn;
    nk_watched *line; /* the connection's deadline; may be NULL */
    nk_buf body;
    uint64_t received, promised;
    atomic_int state;
    atomic_int refs; /* libmicrohttpd's, and that of whoever owes an answer */
    bool begun, handled, expects;
    size_t headers_cap;
    exchange *next, *prev; /* free list, or the list of the deferred */
};

struct nk_http_server {
    struct MHD_Daemon *daemon;
    nk_watch *watch;
    nk_http_config config;
    int port;
    pthread_mutex_t free_mutex;
    exchange *free;
    size_t nfree;
    pthread_mutex_t
        mutex; /* guards deferred; never taken inside a callback of libmicrohttpd's cleaning */
    exchange *deferred;
    atomic_int active; /* requests between first line and last byte */
    atomic_bool stopping;
};

nk_str nk_http_header(const nk_http_req *req, const char *name)
{
    nk_str want = nk_str_c(name);
    for (size_t i = 0; i < req->nheaders; i++)
        if (req->headers[i].name.n == want.n && nk_str_ieq(req->headers[i].name, want))
            return req->headers[i].value;
    return NK_STR_NULL;
}

/* ---- exchanges ---- */

static void exchange_free(exchange *x)
{
    nk_arena_destroy(x->req.arena);
    nk_buf_free(&x->body);
    nk_buf_free(&x->req.out);
    nk_free(x);
}

static exchange *exchange_take(nk_http_server *s)
{
    pthread_mutex_lock(&s->free_mutex);
    exchange *x = s->free;
    if (x) {
        s->free = x->next;
        s->nfree--;
    }
    pthread_mutex_unlock(&s->free_mutex);
    if (x)
        return x;
    x = nk_calloc(1, sizeof *x);
    if (!x)
        return NULL;
    x->req.arena = nk_arena_create(s->config.arena_max);
    if (!x->req.arena) {
        nk_free(x);
        return NULL;
    }
    nk_buf_init(&x->body, s->config.body_max);
    nk_buf_init(&x->req.out, s->config.answer_max);
    x->server = s;
    return x;
}

/* Empties a buffer, and gives its memory back when it has grown large. */
static nk_buf recycled(nk_buf *b)
{
    nk_buf out = *b;
    if (out.cap > KEPT_BODY) {
        nk_buf_free(&out);
        nk_buf_init(&out, b->max);
    } else {
        nk_buf_clear(&out);
    }
    return out;
}

/* Makes it as new and keeps it for the next request, or frees it. */
static void exchange_put(exchange *x)
{
    nk_http_server *s = x->server;
    nk_arena *arena = x->req.arena;
    nk_arena_reset(arena);
    nk_buf body = recycled(&x->body), reply = recycled(&x->req.out);
    memset(x, 0, sizeof *x);
    x->req.arena = arena;
    x->req.out = reply;
    x->body = body;
    x->server = s;
    pthread_mutex_lock(&s->free_mutex);
    bool keep = s->nfree < KEPT_REQUESTS;
    if (keep) {
        x->next = s->free;
        s->free = x;
        s->nfree++;
    }
    pthread_mutex_unlock(&s->free_mutex);
    if (!keep)
        exchange_free(x);
}

static void exchange_drop(exchange *x)
{
    if (atomic_fetch_sub(&x->refs, 1) != 1)
        return;
    if (atomic_load(&x->state) == GONE)
        exchange_free(x); /* the server may be gone as well */
    else
        exchange_put(x);
}

static void deferred_remove(exchange *x)
{
    nk_http_server *s = x->server;
    if (x->prev)
        x->prev->next = x->next;
    else
        s->deferred = x->next;
    if (x->next)
        x->next->prev = x->prev;
    x->next = x->prev = NULL;
}

/* ---- libmicrohttpd's callbacks ---- */

/* libmicrohttpd's own timeout begins anew with each byte; these ends do not, so that no client
 * holds a connection by dripping. */
static int64_t line_rest_s(const nk_http_server *s)
{
    return (int64_t)s->config.idle_timeout_s + s->config.header_timeout_s;
}

static void on_connection(void *cls, struct MHD_Connection *conn, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    nk_http_server *s = cls;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        nk_watch_drop(s->watch, *context);
        *context = NULL;
        return;
    }
    int fd = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    *context = nk_watch_add(s->watch, fd, line_rest_s(s));
    if (!*context) /* no memory to keep watch over it: do without it */
        shutdown(fd, SHUT_RDWR);
}

/* The raw request target, before anything is split or unescaped. Begins the exchange. */
static void *on_target(void *cls, const char *uri, struct MHD_Connection *conn)
{
    nk_http_server *s = cls;
    exchange *x = exchange_take(s);
    if (!x)
        return NULL;
    x->conn = conn;
    x->line = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    nk_watch_within(x->line, s->config.header_timeout_s);
    atomic_store(&x->refs, 1);
    atomic_store(&x->state, RUN);
    atomic_fetch_add(&s->active, 1);
    x->req.begin_us = nk_mono_us(nk_env_real());
    x->req.tls = s->config.tls_cert != NULL;
    x->req.target = nk_str_dup(x->req.arena, nk_str_c(uri));
    nk_str path = x->req.target;
    ptrdiff_t q = path.p ? nk_str_chr(path, '?') : -1;
    x->req.path = q < 0 ? path : nk_str_sub(path, 0, (size_t)q);
    x->req.query = q < 0 ? NK_STR("") : nk_str_sub(path, (size_t)q + 1, path.n);
    return x;
}

static void on_completed(void *cls, struct MHD_Connection *conn, void **con_cls,
                         enum MHD_RequestTerminationCode toe)
{
    nk_http_server *s = cls;
    exchange *x = *con_cls;
    *con_cls = NULL;
    if (!x)
        return;
    nk_watch_within(x->line, line_rest_s(s));
    exchange_drop(x);
    atomic_fetch_sub(&s->active, 1);
}

static enum MHD_Result add_header(void *cls, enum MHD_ValueKind kind, const char *key, size_t nkey,
                                  const char *value, size_t nvalue)
{
    exchange *x = cls;
    if (x->req.nheaders == x->headers_cap) {
        size_t cap = x->headers_cap ? x->headers_cap * 2 : 24;
        nk_header *h = NK_NEWN(x->req.arena, nk_header, cap);
        if (!h)
            return MHD_NO;
        if (x->req.nheaders)
            memcpy(h, x->req.headers, x->req.nheaders * sizeof *h);
        x->req.headers = h;
        x->headers_cap = cap;
    }
    nk_header *h = (nk_header *)x->req.headers + x->req.nheaders++;
    h->name = nk_str_n(key, nkey);
    h->value = nk_str_n(value ? value : "", value ? nvalue : 0);
    return MHD_YES;
}

static void *unreserve(void *p)
{
    return p;
}

static enum MHD_Result send_answer(exchange *x, const nk_http_answer *an)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(
        an->body.n, unreserve((void *)(uintptr_t)(an->body.p ? an->body.p : "")),
        MHD_RESPMEM_PERSISTENT);
    if (!r)
        return MHD_NO;
    if (an->content_type)
        MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, an->content_type);
    for (size_t i = 0; i < an->nheaders; i++)
        MHD_add_response_header(r, an->headers[i].name.p, an->headers[i].value.p);
    if (an->close || atomic_load_explicit(&x->server->stopping, memory_order_relaxed))
        MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
    nk_watch_within(x->line, (int64_t)x->server->config.request_timeout_s +
                                 (int64_t)(an->body.n / ANSWER_RATE_MIN));
    enum MHD_Result ok = MHD_queue_response(x->conn, an->status, r);
    MHD_destroy_response(r);
    return ok;
}

static enum MHD_Result send_plain(struct MHD_Connection *conn, unsigned status, const char *text)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
                                                             MHD_RESPMEM_PERSISTENT);
    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain");
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result ok = MHD_queue_response(conn, status, r);
    MHD_destroy_response(r);
    return ok;
}

/* Runs the handler; it answers now, or has suspended the connection. */
static enum MHD_Result run_handler(exchange *x)
{
    x->handled = true;
    nk_watch_within(x->line, 0); /* until there is an answer, we are the slow ones */
    x->req.body = nk_buf_view(&x->body);
    /* A deferred exchange may be woken and dropped before the handler returns: keep it for now. */
    atomic_fetch_add(&x->refs, 1);
    x->server->config.handler(x->server->config.arg, &x->req);
    enum MHD_Result ok = MHD_YES;
    int state = atomic_load(&x->state);
    if (state == RUN || (x->req.woken && state == READY)) {
        nk_watch_within(x->line, x->server->config.request_timeout_s);
        ok = send_plain(x->conn, 500, "no answer\n");
    }
    exchange_drop(x);
    return ok;
}

static enum MHD_Result on_headers(exchange *x, const char *method)
{
    x->begun = true;
    nk_watch_within(x->line, x->server->config.request_timeout_s);
    x->req.method = nk_str_c(method);
    MHD_get_connection_values_n(x->conn, MHD_HEADER_KIND, add_header, x);
    x->expects = nk_http_header(&x->req, "expect").p != NULL;
    nk_str length = nk_http_header(&x->req, "content-length");
    if (length.p && nk_str_u64(length, &x->promised) && x->promised > x->server->config.body_max) {
        x->req.too_large = true;
        if (x->expects || x->promised / DRAIN_FACTOR > x->server->config.body_max)
            return run_handler(x); /* refused before the body: the connection closes after it */
    }
    return MHD_YES;
}

static enum MHD_Result on_body(exchange *x, const char *data, size_t *n)
{
    nk_http_server *s = x->server;
    x->received += *n;
    if (!x->req.too_large && nk_buf_add(&x->body, data, *n) != NK_OK) {
        x->req.too_large = true;
        nk_buf_free(&x->body);
        nk_buf_init(&x->body, s->config.body_max);
    }
    *n = 0;
    if (x->received / DRAIN_FACTOR > s->config.body_max)
        return MHD_NO;
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *conn, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *ndata, void **con_cls)
{
    exchange *x = *con_cls;
    if (!x || !x->req.target.p)
        return send_plain(conn, 503, "out of memory\n");
    if (!x->begun)
        return on_headers(x, method);
    if (*ndata)
        return x->handled ? MHD_NO : on_body(x, data, ndata);
    if (!x->handled)
        return run_handler(x);
    switch (atomic_load(&x->state)) {
    case READY:
        x->req.woken = true;
        return run_handler(x);
    case GONE:
        return send_plain(conn, 503, "the server is stopping\n");
    default:
        return MHD_YES;
    }
}

/* ---- answers ---- */

void nk_http_answer_now(nk_http_req *req, const nk_http_answer *answer)
{
    exchange *x = (exchange *)req;
    atomic_store(&x->state, SENT);
    if (send_answer(x, answer) != MHD_YES)
        nk_debug("net", "a connection went away before its answer");
}

void nk_http_defer(nk_http_req *req)
{
    exchange *x = (exchange *)req;
    nk_http_server *s = x->server;
    atomic_fetch_add(&x->refs, 1);
    atomic_store(&x->state, WAIT);
    MHD_suspend_connection(x->conn);
    pthread_mutex_lock(&s->mutex);
    x->next = s->deferred;
    if (x->next)
        x->next->prev = x;
    s->deferred = x;
    pthread_mutex_unlock(&s->mutex);
}

void nk_http_wake(nk_http_req *req)
{
    exchange *x = (exchange *)req;
    nk_http_server *s = x->server;
    bool dropped = false;
    if (atomic_load(&x->state) == WAIT) {
        /* The lock chooses between us and a stopping server, which passes it before it frees
         * itself: what we give back to it, we give back while we hold it. */
        pthread_mutex_lock(&s->mutex);
        if (atomic_load(&x->state) == WAIT) {
            deferred_remove(x);
            atomic_store(&x->state, READY);
            MHD_resume_connection(x->conn);
            exchange_drop(x);
            dropped = true;
        }
        pthread_mutex_unlock(&s->mutex);
    }
    if (!dropped)
        exchange_drop(x);
}

/* ---- the server's life ---- */

static void on_log(void *arg, const char *fmt, va_list ap)
{
    char line[512];
    vsnprintf(line, sizeof line, fmt, ap);
    line[strcspn(line, "\r\n")] = 0;
    nk_debug("net", "%s", line);
}

static size_t keep_escapes(void *cls, struct MHD_Connection *conn, char *s)
{
    return strlen(s);
}

static nk_code open_listener(const nk_http_config *c, int *out, int *port, nk_err *err)
{
    char service[16];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int one = 1, fd = -1, e = 0;
    snprintf(service, sizeof service, "%d", c->port);
    int gai = getaddrinfo(c->host, service, &hints, &list);
    if (gai)
        return nk_fail(err, NK_E_INVALID, "cannot listen on '%s': %s", c->host, gai_strerror(gai));
    for (struct addrinfo *i = list; i && fd < 0; i = i->ai_next) {
        fd = socket(i->ai_family, i->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, i->ai_protocol);
        if (fd < 0) {
            e = errno;
            continue;
        }
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
                   sizeof one); /* accepted sockets inherit it */
        if (bind(fd, i->ai_addr, i->ai_addrlen) != 0 || listen(fd, 1024) != 0) {
            e = errno;
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    if (fd < 0) {
        nk_code rc = nk_fail_errno(err, e, "cannot listen on %s:%d", c->host, c->port);
        if (e == EADDRINUSE)
            nk_hint(err,
                    "another program listens there; choose another port, or port 0 for a free one");
        return rc;
    }
    struct sockaddr_storage ss;
    socklen_t n = sizeof ss;
    if (getsockname(fd, (struct sockaddr *)&ss, &n) != 0) {
        e = errno;
        close(fd);
        return nk_fail_errno(err, e, "cannot read the address listened on");
    }
    *port = ntohs(ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&ss)->sin6_port
                                           : ((struct sockaddr_in *)&ss)->sin_port);
    *out = fd;
    return NK_OK;
}

static void set_defaults(nk_http_config *c)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    if (!c->threads)
        c->threads = cpus < 1 ? 1 : cpus > 8 ? 8 : (unsigned)cpus;
    if (!c->connections_max)
        c->connections_max = 4096;
    if (c->connections_max < c->threads)
        c->connections_max = c->threads;
    if (!c->idle_timeout_s)
        c->idle_timeout_s = 65;
    if (!c->header_timeout_s)
        c->header_timeout_s = 30;
    if (!c->request_timeout_s)
        c->request_timeout_s = 120;
    if (!c->body_max)
        c->body_max = (size_t)16 << 20;
    if (!c->arena_max)
        c->arena_max = (size_t)512 << 20;
    if (!c->answer_max)
        c->answer_max = (size_t)256 << 20;
}

static struct MHD_Daemon *start_daemon(nk_http_server *s, int fd)
{
    const nk_http_config *c = &s->config;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem more[4];
    int n = 0;
    if (c->threads > 1)
        more[n++] = (struct MHD_OptionItem){MHD_OPTION_THREAD_POOL_SIZE, c->threads, NULL};
    if (c->tls_cert) {
        flags |= MHD_USE_TLS;
        more[n++] =
            (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)c->tls_cert};
        more[n++] =
            (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)c->tls_key};
    }
    more[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    /* The logger goes first, so that complaints about later options reach it. */
    return MHD_start_daemon(
        flags, (uint16_t)s->port, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_log,
        NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK, on_target, s,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
        s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_CONNECTION_LIMIT,
        c->connections_max, MHD_OPTION_CONNECTION_TIMEOUT, c->idle_timeout_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEM, MHD_OPTION_ARRAY, more, MHD_OPTION_END);
}

nk_code nk_http_server_start(const nk_http_config *config, nk_http_server **out, nk_err *err)
{
    int fd = -1;
    nk_http_server *s = nk_calloc(1, sizeof *s);
    if (!s)
        return nk_fail(err, NK_E_NOMEM, "no memory for an HTTP server");
    s->config = *config;
    set_defaults(&s->config);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_mutex_init(&s->free_mutex, NULL);
    nk_code rc = nk_watch_create(&s->watch, err);
    if (rc == NK_OK)
        rc = open_listener(&s->config, &fd, &s->port, err);
    if (rc == NK_OK) {
        if (config->on_port)
            rc = config->on_port(config->on_port_arg, s->port, err);
        if (rc == NK_OK)
            s->daemon = start_daemon(s, fd);
        if (!s->daemon)
            close(fd);
        if (rc == NK_OK && !s->daemon) {
            rc = nk_fail(err, NK_E_IO, "the HTTP server does not start%s",
                         config->tls_cert ? "; look at the TLS certificate and key" : "");
        }
    }
    if (rc != NK_OK) {
        nk_watch_destroy(s->watch);
        pthread_mutex_destroy(&s->mutex);
        pthread_mutex_destroy(&s->free_mutex);
        nk_free(s);
        return rc;
    }
    *out = s;
    return NK_OK;
}

int nk_http_server_port(const nk_http_server *s)
{
    return s->port;
}

static void wait_idle(nk_http_server *s, unsigned ms)
{
    for (unsigned waited = 0; waited < ms && atomic_load(&s->active) > 0; waited += 2)
        usleep(2000);
}

void nk_http_server_stop(nk_http_server *s, unsigned grace_ms)
{
    if (!s)
        return;
    atomic_store(&s->stopping, true);
    MHD_socket listener = MHD_quiesce_daemon(s->daemon);
    if (listener != MHD_INVALID_SOCKET)
        close(listener);
    /* A half-sent request must not hold us: only those that someone works on count. */
    bool busy = true;
    for (unsigned waited = 0; busy && waited < grace_ms; waited += 2) {
        pthread_mutex_lock(&s->mutex);
        busy = s->deferred != NULL;
        pthread_mutex_unlock(&s->mutex);
        if (busy)
            usleep(2000);
    }
    pthread_mutex_lock(&s->mutex);
    while (s->deferred) {
        exchange *x = s->deferred;
        deferred_remove(x);
        atomic_store(&x->state, GONE);
        MHD_resume_connection(x->conn);
    }
    pthread_mutex_unlock(&s->mutex);
    wait_idle(s, 200);
    MHD_stop_daemon(s->daemon);
    nk_watch_destroy(s->watch);
    while (s->free) {
        exchange *x = s->free;
        s->free = x->next;
        exchange_free(x);
    }
    pthread_mutex_destroy(&s->mutex);
    pthread_mutex_destroy(&s->free_mutex);
    nk_free(s);
}
