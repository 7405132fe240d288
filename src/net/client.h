/* HTTP client on libcurl, and signed AWS JSON calls on top of it. A client is thread-safe and keeps
 * its connections. Used by workers to reach our own API, and by the S3 client. */
#ifndef NK_CLIENT_H
#define NK_CLIENT_H

#include "net/sigv4.h"

typedef struct nk_http_client nk_http_client;

typedef struct nk_http_client_config {
    unsigned connect_timeout_s; /* 0 = 5 */
    unsigned timeout_s;         /* without a byte moving; 0 = 30 */
    unsigned connections;       /* kept idle; 0 = 16 */
    const char *ca_file;        /* PEM; NULL = the system's */
} nk_http_client_config;

/* config may be NULL. */
nk_code nk_http_client_create(const nk_http_client_config *config, nk_http_client **out,
                              nk_err *err) NK_MUST;
void nk_http_client_destroy(nk_http_client *c);

typedef struct nk_http_call {
    const char *method;
    const char *url; /* sent as it stands: no path is squashed, nothing escaped */
    const nk_header *headers;
    size_t nheaders;
    nk_str body;
    int body_fd; /* > 0: the body is body_size bytes of this file from body_offset */
    uint64_t body_offset, body_size;
    unsigned timeout_s; /* 0 = the client's; here too without a byte moving */
} nk_http_call;

typedef struct nk_http_reply {
    long status;
    nk_buf *body;       /* the caller's; bytes are appended */
    nk_header *headers; /* arena, names in lower case */
    size_t nheaders;
} nk_http_reply;

/* NK_OK for any status. NK_E_UNAVAILABLE when no answer came, NK_E_LIMIT when the body is over
 * reply->body's maximum. */
nk_code nk_http_perform(nk_http_client *c, const nk_http_call *call, nk_arena *a,
                        nk_http_reply *reply, nk_err *err) NK_MUST;
/* NK_STR_NULL when absent. */
nk_str nk_http_reply_header(const nk_http_reply *reply, const char *name);

/* Where and as whom to call AWS-like services. Strings are copied at creation. */
typedef struct nk_aws_client nk_aws_client;
typedef struct nk_aws_config {
    const char *endpoint; /* http(s)://host:port */
    const char *region;   /* NULL = us-east-1 */
    const char *access_key, *secret_key;
    const char *session_token; /* NULL = none */
    unsigned retries;          /* on connect errors, throttling and 5xx; 0 = 3 */
    unsigned timeout_s;        /* 0 = 60 */
    const char *json_version;  /* of the service's protocol, "1.0" or "1.1"; NULL = 1.1 */
    const char *mode;          /* sent as X-Nikawa-Mode to our own API; NULL = none */
} nk_aws_config;
nk_code nk_aws_client_create(const nk_aws_config *config, nk_aws_client **out, nk_err *err) NK_MUST;
void nk_aws_client_destroy(nk_aws_client *c);

/* One AWS JSON 1.1 call: nk_aws_call(c, "glue", "GetTable", body, &reply, arena, err). service:
 * "glue". A refusal comes back as the nk_code of its exception (NK_E_NOT_FOUND for
 * EntityNotFoundException, …; names without a code of their own: NK_E_INVALID) with err->aws the
 * exception's name and err->msg its message. reply: the JSON, arena. */
nk_code nk_aws_call(nk_aws_client *c, const char *service, const char *op, nk_str body,
                    nk_str *reply, nk_arena *a, nk_err *err) NK_MUST;

#endif
