#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "net/client.h"

#define IDLE_MAX 64

/* Easy handles keep their connections; a call takes one and gives it back. */
struct nk_http_client {
    pthread_mutex_t mutex;
    CURL *idle[IDLE_MAX];
    size_t nidle;
    unsigned connections, connect_timeout_s, timeout_s;
    char *ca_file;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_started;

static void start_curl(void)
{
    curl_started = curl_global_init(CURL_GLOBAL_DEFAULT);
}

nk_code nk_http_client_create(const nk_http_client_config *config, nk_http_client **out,
                              nk_err *err)
{
    static const nk_http_client_config none;
    const nk_http_client_config *c = config ? config : &none;
    pthread_once(&curl_once, start_curl);
    if (curl_started != CURLE_OK)
        return nk_fail(err, NK_E_INTERNAL, "libcurl does not start");
    nk_http_client *client = nk_calloc(1, sizeof *client);
    if (!client)
        return nk_fail(err, NK_E_NOMEM, "no memory for an HTTP client");
    client->connections = c->connections ? c->connections : 16;
    if (client->connections > IDLE_MAX)
        client->connections = IDLE_MAX;
    client->connect_timeout_s = c->connect_timeout_s ? c->connect_timeout_s : 5;
    client->timeout_s = c->timeout_s ? c->timeout_s : 30;
    if (c->ca_file && !(client->ca_file = nk_strdup(c->ca_file))) {
        nk_free(client);
        return nk_fail(err, NK_E_NOMEM, "no memory for an HTTP client");
    }
    pthread_mutex_init(&client->mutex, NULL);
    *out = client;
    return NK_OK;
}

void nk_http_client_destroy(nk_http_client *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->nidle; i++)
        curl_easy_cleanup(c->idle[i]);
    pthread_mutex_destroy(&c->mutex);
    nk_free(c->ca_file);
    nk_free(c);
}

static CURL *take(nk_http_client *c)
{
    CURL *h = NULL;
    pthread_mutex_lock(&c->mutex);
    if (c->nidle)
        h = c->idle[--c->nidle];
    pthread_mutex_unlock(&c->mutex);
    return h ? h : curl_easy_init();
}

static void give(nk_http_client *c, CURL *h)
{
    curl_easy_reset(h);
    pthread_mutex_lock(&c->mutex);
    if (c->nidle < c->connections) {
        c->idle[c->nidle++] = h;
        h = NULL;
    }
    pthread_mutex_unlock(&c->mutex);
    if (h)
        curl_easy_cleanup(h);
}

/* One call under way. */
typedef struct transfer {
    const nk_http_call *call;
    nk_http_reply *reply;
    nk_arena *arena;
    size_t headers_cap;
    uint64_t sent;
    bool over, nomem;
    int read_errno;
} transfer;

static size_t on_data(char *p, size_t size, size_t n, void *arg)
{
    transfer *t = arg;
    n *= size;
    if (!t->reply->body)
        return n;
    if (nk_buf_add(t->reply->body, p, n) != NK_OK) {
        t->over = true;
        return 0;
    }
    return n;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    transfer *t = arg;
    nk_str line = nk_str_trim(nk_str_n(p, n * size));
    ptrdiff_t colon = nk_str_chr(line, ':');
    if (nk_str_starts(line, NK_STR("HTTP/"))) {
        t->reply->nheaders = 0; /* of an interim answer */
        return n * size;
    }
    if (colon <= 0)
        return n * size;
    if (t->reply->nheaders == t->headers_cap) {
        size_t cap = t->headers_cap ? t->headers_cap * 2 : 16;
        nk_header *h = NK_NEWN(t->arena, nk_header, cap);
        if (!h) {
            t->nomem = true;
            return 0;
        }
        if (t->reply->nheaders)
            memcpy(h, t->reply->headers, t->reply->nheaders * sizeof *h);
        t->reply->headers = h;
        t->headers_cap = cap;
    }
    nk_header *h = &t->reply->headers[t->reply->nheaders];
    h->name = nk_str_lower(t->arena, nk_str_sub(line, 0, (size_t)colon));
    h->value = nk_str_dup(t->arena, nk_str_trim(nk_str_sub(line, (size_t)colon + 1, line.n)));
    if (!h->name.p || !h->value.p) {
        t->nomem = true;
        return 0;
    }
    t->reply->nheaders++;
    return n * size;
}

static uint64_t body_size(const nk_http_call *call)
{
    return call->body_fd > 0 ? call->body_size : call->body.n;
}

static size_t on_send(char *p, size_t size, size_t n, void *arg)
{
    transfer *t = arg;
    uint64_t left = body_size(t->call) - t->sent;
    size_t want = size * n < left ? size * n : (size_t)left;
    if (t->call->body_fd > 0) {
        ssize_t got =
            want ? pread(t->call->body_fd, p, want, (off_t)(t->call->body_offset + t->sent)) : 0;
        if (got < 0 || (got == 0 && want)) {
            t->read_errno = got < 0 ? errno : EIO;
            return CURL_READFUNC_ABORT;
        }
        want = (size_t)got;
    } else if (want) {
        memcpy(p, t->call->body.p + t->sent, want);
    }
    t->sent += want;
    return want;
}

/* libcurl rewinds when a kept connection turns out to be dead. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    transfer *t = arg;
    if (origin != SEEK_SET || offset < 0)
        return CURL_SEEKFUNC_CANTSEEK;
    t->sent = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static bool add_list(struct curl_slist **list, const char *line)
{
    struct curl_slist *l = curl_slist_append(*list, line);
    if (l)
        *list = l;
    return l != NULL;
}

static bool build_headers(const nk_http_call *call, nk_arena *a, struct curl_slist **list)
{
    for (size_t i = 0; i < call->nheaders; i++) {
        const nk_header *h = &call->headers[i];
        if (nk_str_ieq(h->name, NK_STR("content-length")))
            continue;
        /* "Name;" is how libcurl is told to send a header with an empty value. */
        char *line =
            h->value.n ? nk_arena_printf(a, "%.*s: %.*s", NK_STR_ARG(h->name), NK_STR_ARG(h->value))
                       : nk_arena_printf(a, "%.*s;", NK_STR_ARG(h->name));
        if (!line || !add_list(list, line))
            return false;
    }
    return add_list(list, "Expect:") && add_list(list, "Transfer-Encoding:");
}

static void set_options(nk_http_client *c, CURL *h, transfer *t, struct curl_slist *headers,
                        char *why)
{
    const nk_http_call *call = t->call;
    bool head = strcmp(call->method, "HEAD") == 0;
    bool upload = body_size(call) > 0 || strcmp(call->method, "PUT") == 0 ||
                  strcmp(call->method, "POST") == 0;
    curl_easy_setopt(h, CURLOPT_URL, call->url);
    curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, (long)c->connect_timeout_s);
    curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME,
                     (long)(call->timeout_s ? call->timeout_s : c->timeout_s));
    if (c->ca_file)
        curl_easy_setopt(h, CURLOPT_CAINFO, c->ca_file);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(h, CURLOPT_HEADERDATA, t);
    if (upload) {
        curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(h, CURLOPT_READFUNCTION, on_send);
        curl_easy_setopt(h, CURLOPT_READDATA, t);
        curl_easy_setopt(h, CURLOPT_SEEKFUNCTION, on_seek);
        curl_easy_setopt(h, CURLOPT_SEEKDATA, t);
        curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, (curl_off_t)body_size(call));
        curl_easy_setopt(h, CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
    }
    curl_easy_setopt(h, CURLOPT_BUFFERSIZE, 128L << 10);
    if (head)
        curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, call->method);
}

static nk_code explain(const transfer *t, CURLcode cc, const char *why, nk_err *err)
{
    if (t->over)
        return nk_fail(err, NK_E_LIMIT, "the answer of %s is larger than %zu bytes", t->call->url,
                       t->reply->body->max);
    if (t->nomem || cc == CURLE_OUT_OF_MEMORY)
        return nk_fail(err, NK_E_NOMEM, "no memory for an HTTP call");
    if (t->read_errno)
        return nk_fail_errno(err, t->read_errno, "cannot read the file to send");
    return nk_fail(err, NK_E_UNAVAILABLE, "no answer from %s: %s", t->call->url,
                   why[0] ? why : curl_easy_strerror(cc));
}

nk_code nk_http_perform(nk_http_client *c, const nk_http_call *call, nk_arena *a,
                        nk_http_reply *reply, nk_err *err)
{
    char why[CURL_ERROR_SIZE] = "";
    transfer t = {.call = call, .reply = reply, .arena = a};
    struct curl_slist *headers = NULL;
    reply->status = 0;
    reply->nheaders = 0;
    reply->headers = NULL;
    CURL *h = take(c);
    if (!h || !build_headers(call, a, &headers)) {
        if (h)
            give(c, h);
        curl_slist_free_all(headers);
        return nk_fail(err, NK_E_NOMEM, "no memory for an HTTP call");
    }
    set_options(c, h, &t, headers, why);
    CURLcode cc = curl_easy_perform(h);
    curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &reply->status);
    nk_code rc = NK_OK;
    /* A server may refuse early and close while we still send: its answer counts. */
    bool refused_early = cc == CURLE_SEND_ERROR && reply->status >= 400;
    if (cc != CURLE_OK && !refused_early)
        rc = explain(&t, cc, why, err);
    give(c, h);
    curl_slist_free_all(headers);
    return rc;
}

nk_str nk_http_reply_header(const nk_http_reply *reply, const char *name)
{
    for (size_t i = 0; i < reply->nheaders; i++)
        if (nk_str_is(reply->headers[i].name, name))
            return reply->headers[i].value;
    return NK_STR_NULL;
}
