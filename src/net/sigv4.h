/* AWS Signature Version 4: signing, and verifying as AWS does (headers and presigned URLs).
 * Pure: no clock, no sockets; time and keys are arguments. */
#ifndef NK_SIGV4_H
#define NK_SIGV4_H

#include "base/base.h"

typedef struct nk_header {
    nk_str name, value;
} nk_header;

/* A request as it came off the wire (or will go on it): nothing unescaped. */
typedef struct nk_sigv4_request {
    nk_str method;
    nk_str path;  /* raw, before any unescaping; empty = "/" */
    nk_str query; /* raw, without the '?' */
    const nk_header *headers;
    size_t nheaders;
    nk_str body;
    bool tls; /* a payload may stay unsigned only under TLS */
} nk_sigv4_request;

/* How a service wants its path in the canonical request. */
typedef enum {
    NK_SIGV4_PLAIN, /* every service but S3: dots and double slashes removed, then escaped once more
                     */
    NK_SIGV4_S3,    /* as on the wire, payload hash from x-amz-content-sha256 */
} nk_sigv4_style;

#define NK_SIGV4_HEADERS_MAX 128

/* What a request says of its signature. All views borrow from the request, or from the arena. */
typedef struct nk_sigv4_auth {
    nk_str access_key;
    nk_str date; /* yyyymmdd of the scope */
    nk_str region, service;
    nk_str timestamp; /* yyyymmddThhmmssZ */
    nk_str signed_headers;
    nk_str signature;  /* as sent */
    nk_str token;      /* X-Amz-Security-Token, absent = NULL */
    int64_t time_us;   /* timestamp as time */
    int64_t expires_s; /* presigned; -1 = header form */
} nk_sigv4_auth;

/* Reads Authorization or the X-Amz-* query. NK_E_AUTH_MISSING, NK_E_AUTH_INCOMPLETE,
 * NK_E_AUTH_SIGNATURE with AWS's words. */
nk_code nk_sigv4_parse(const nk_sigv4_request *req, nk_arena *a, nk_sigv4_auth *out,
                       nk_err *err) NK_MUST;

/* A derived key with its HMAC states worked out. Plain data; copy as you like. */
typedef struct nk_sigv4_key {
    uint32_t inner[8], outer[8];
} nk_sigv4_key;
void nk_sigv4_derive(nk_str secret, nk_str date, nk_str region, nk_str service, nk_sigv4_key *out);

/* Time (skew, expiry) and signature. NK_E_AUTH_SIGNATURE with AWS's words. */
nk_code nk_sigv4_verify(const nk_sigv4_request *req, const nk_sigv4_auth *auth,
                        const nk_sigv4_key *key, nk_sigv4_style style, int64_t now_us,
                        int64_t max_skew_s, nk_arena *a, nk_err *err) NK_MUST;

/* The canonical request of a set of signed headers ("host;x-amz-date", sorted), and the string to
 * sign. Arena. */
nk_code nk_sigv4_canonical(const nk_sigv4_request *req, nk_str signed_headers, nk_str payload_hash,
                           nk_sigv4_style style, bool presigned, nk_arena *a, nk_str *out,
                           nk_err *err) NK_MUST;

typedef struct nk_sigv4_credentials {
    nk_str access_key, secret_key;
    nk_str token; /* absent = NULL */
    nk_str region, service;
} nk_sigv4_credentials;
/* Signs all headers of req but user-agent, expect, connection and transfer-encoding; req must not
 * hold x-amz-date, x-amz-security-token or authorization. *extra gets the headers to add (arena);
 * x-amz-content-sha256 is among them for S3. payload_hash NULL = computed from the body. */
nk_code nk_sigv4_sign(const nk_sigv4_request *req, const nk_sigv4_credentials *cred,
                      nk_sigv4_style style, const char *payload_hash, int64_t now_us, nk_arena *a,
                      nk_header **extra, size_t *nextra, nk_err *err) NK_MUST;
/* The same as a presigned URL's query string (without '?'). */
nk_code nk_sigv4_presign(const nk_sigv4_request *req, const nk_sigv4_credentials *cred,
                         nk_sigv4_style style, int64_t now_us, int64_t expires_s, nk_arena *a,
                         nk_str *query, nk_err *err) NK_MUST;

/* Percent-escapes all but A-Za-z0-9-._~ (and '/' when keep_slash). */
nk_code nk_uri_escape(nk_buf *b, nk_str s, bool keep_slash);
/* Undoes %xx; '+' is a blank when plus is set. Arena; broken escapes stay as they are. */
nk_str nk_uri_unescape(nk_arena *a, nk_str s, bool plus);

#endif
