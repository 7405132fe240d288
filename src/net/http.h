/* HTTP/1.1 server on libmicrohttpd: bodies collected and bounded, requests answered inline or later
 * from any thread. Knows nothing of AWS. */
#ifndef NK_HTTP_H
#define NK_HTTP_H

#include "net/sigv4.h"

typedef struct nk_http_server nk_http_server;

/* One request, from its first line to the last byte of its answer. */
typedef struct nk_http_req {
    nk_arena *arena; /* the request's; reset after the answer has gone */
    nk_str method;
    nk_str target;      /* raw request target: path and query */
    nk_str path, query; /* raw, nothing unescaped; query without '?' */
    const nk_header *headers;
    size_t nheaders;
    nk_str body;
    bool tls;
    bool too_large;   /* the body was over the limit and has been dropped: answer 413 */
    bool woken;       /* this is the second call, after nk_http_wake */
    void *user;       /* the handler's own */
    nk_buf out;       /* for the handler to build its answer in; empty at the start, reused */
    int64_t begin_us; /* monotonic */
} nk_http_req;

/* NK_STR_NULL when absent. name in lower case. */
nk_str nk_http_header(const nk_http_req *req, const char *name);

typedef struct nk_http_answer {
    unsigned status;
    const char *content_type; /* static or arena */
    nk_str body;              /* must live as long as the request (arena or static) */
    const nk_header *headers; /* more headers; names and values NUL-terminated; arena or static */
    size_t nheaders;
    bool close; /* end the connection after it */
} nk_http_answer;

/* Called on an HTTP thread once the whole body is there. Either answer by nk_http_answer_now before
 * returning, or call nk_http_defer and return: the request then waits until some thread calls
 * nk_http_wake, and the handler is called once more, again on an HTTP thread and with req->woken
 * set, to answer. */
typedef void (*nk_http_handler)(void *arg, nk_http_req *req);

typedef struct nk_http_config {
    const char *host;           /* address to listen on, e.g. "127.0.0.1", "::1", "0.0.0.0" */
    int port;                   /* 0 = a free one */
    unsigned threads;           /* 0 = one a processor, at most 8 */
    unsigned connections_max;   /* 0 = 4096 */
    unsigned idle_timeout_s;    /* 0 = 65 */
    unsigned header_timeout_s;  /* from a request's first line to the last of its headers, however
                                   they drip; 0 = 30 */
    unsigned request_timeout_s; /* for a body to arrive in full; 0 = 120; an answer may take that
                                   long, too, and a second for each 16 KiB of it */
    size_t body_max;            /* bytes; 0 = 16 MiB */
    size_t arena_max;           /* bytes a request may use; 0 = 512 MiB */
    size_t answer_max;          /* bytes req->out may hold; 0 = 256 MiB */
    const char *tls_cert, *tls_key; /* PEM text (not paths); both or neither */
    nk_http_handler handler;
    void *arg;
    nk_code (*on_port)(void *arg, int port,
                       nk_err *err); /* may be NULL; the port is known, no request has come yet */
    void *on_port_arg;
} nk_http_config;

nk_code nk_http_server_start(const nk_http_config *config, nk_http_server **out,
                             nk_err *err) NK_MUST;
int nk_http_server_port(const nk_http_server *s);
/* Stops listening, gives requests under way grace_ms to end, answers 503 to those that do not,
 * frees. */
void nk_http_server_stop(nk_http_server *s, unsigned grace_ms);

void nk_http_answer_now(nk_http_req *req, const nk_http_answer *answer);
void nk_http_defer(nk_http_req *req);
/* After nk_http_defer, once, from any thread. The caller must not touch req or its arena
 * afterwards. */
void nk_http_wake(nk_http_req *req);

#endif
