/* An S3 client on libcurl with our own SigV4 signer. A client is thread-safe: it keeps a bounded
 * set of connections and hands one to each call. Usable in the server and in workers alike.
 *
 * Errors: NK_E_NOT_FOUND (no such bucket or key), NK_E_EXISTS (bucket), NK_E_ACCESS_DENIED,
 * NK_E_UNAVAILABLE (endpoint gone, or still failing after all retries; the message names the
 * endpoint), NK_E_LIMIT (an object larger than the buffer's maximum), NK_E_CONDITION (failed
 * precondition), NK_E_INVALID. */
#ifndef NK_S3_H
#define NK_S3_H

#include "base/base.h"

typedef struct nk_s3 nk_s3;

/* "s3://bucket/key", also s3a:// and s3n://. Views into the text; the key has no leading slash and
 * may be empty. NK_E_INVALID with what was expected. */
typedef struct nk_s3_uri {
    nk_str bucket, key;
} nk_s3_uri;
nk_code nk_s3_uri_parse(nk_str text, nk_s3_uri *out, nk_err *err) NK_MUST;

typedef struct nk_s3_config {
    const char *endpoint; /* http(s)://host:port, no path; addressed path-style */
    const char *region;   /* NULL = us-east-1 */
    const char *access_key, *secret_key;
    const char *session_token; /* NULL = none */
    unsigned retries;          /* after the first try, on connect errors, 5xx and SlowDown; 0 = 4 */
    unsigned timeout_s;        /* without a byte moving; 0 = 30 */
    size_t part_size;          /* multipart part, bytes; 0 = 16 MiB; S3 wants ≥ 5 MiB */
    const char *ca_file;       /* PEM to trust for https; NULL = the system's */
} nk_s3_config;

/* Everything is copied. No request is made. */
nk_code nk_s3_create(const nk_s3_config *config, nk_s3 **out, nk_err *err) NK_MUST;
/* The same with defaults. */
nk_code nk_s3_client_create(const char *endpoint, const char *region, const char *access_key,
                            const char *secret_key, nk_s3 **out, nk_err *err) NK_MUST;
void nk_s3_destroy(nk_s3 *s3); /* no call may be under way; NULL is fine */
const char *nk_s3_endpoint(const nk_s3 *s3);

typedef struct nk_s3_object {
    nk_str key;          /* unescaped */
    nk_str etag;         /* without quotes; may be empty */
    uint64_t size;       /* bytes */
    int64_t modified_us; /* microseconds since 1970 UTC; 0 when unknown */
} nk_s3_object;
NK_LIST(nk_s3_objects, nk_s3_object);

/* One page of ListObjectsV2. */
typedef struct nk_s3_list_query {
    nk_str bucket, prefix;
    nk_str delimiter;   /* empty = none */
    nk_str start_after; /* empty = from the start */
    nk_str token;       /* next_token of the page before; empty = first page */
    unsigned max_keys;  /* 0 = 1,000 */
} nk_s3_list_query;
typedef struct nk_s3_page {
    nk_s3_objects objects; /* arena */
    nk_strs prefixes;      /* common prefixes, arena */
    nk_str next_token;     /* empty = that was the last page */
} nk_s3_page;
nk_code nk_s3_list_page(nk_s3 *s3, const nk_s3_list_query *q, nk_arena *a, nk_s3_page *out,
                        nk_err *err) NK_MUST;
/* Pages through everything under bucket/prefix in key order. on_object gets each object, on_prefix
 * (may be NULL) each common prefix; both borrowed for the call; a code other than NK_OK ends the
 * listing and is returned (NK_E_END: ends it and gives NK_OK). Memory stays bounded by one page. */
typedef nk_code (*nk_s3_on_object)(void *arg, const nk_s3_object *object);
typedef nk_code (*nk_s3_on_prefix)(void *arg, nk_str prefix);
nk_code nk_s3_list(nk_s3 *s3, nk_str bucket, nk_str prefix, nk_str delimiter, nk_str start_after,
                   nk_s3_on_object on_object, nk_s3_on_prefix on_prefix, void *arg,
                   nk_err *err) NK_MUST;

typedef struct nk_s3_info {
    uint64_t size;
    int64_t modified_us;
    char etag[72], content_type[128];
} nk_s3_info;
nk_code nk_s3_head(nk_s3 *s3, nk_str bucket, nk_str key, nk_s3_info *out, nk_err *err) NK_MUST;
/* Appends the object to buf. */
nk_code nk_s3_get(nk_s3 *s3, nk_str bucket, nk_str key, nk_buf *buf, nk_err *err) NK_MUST;
/* Appends bytes [from, from + n), or what there is of them; n = 0 = to the end; a range past the
 * end appends nothing. */
nk_code nk_s3_get_range(nk_s3 *s3, nk_str bucket, nk_str key, uint64_t from, uint64_t n,
                        nk_buf *buf, nk_err *err) NK_MUST;
/* content_type NULL = application/octet-stream. */
nk_code nk_s3_put(nk_s3 *s3, nk_str bucket, nk_str key, nk_str data, const char *content_type,
                  nk_err *err) NK_MUST;
/* A local file, in parts when it is larger than part_size; an upload that fails is aborted. */
nk_code nk_s3_put_file(nk_s3 *s3, nk_str bucket, nk_str key, const char *path,
                       const char *content_type, nk_err *err) NK_MUST;
/* A key that is not there is no error. */
nk_code nk_s3_delete(nk_s3 *s3, nk_str bucket, nk_str key, nk_err *err) NK_MUST;
/* Up to any number of keys, 1,000 a request. *deleted may be NULL. */
nk_code nk_s3_delete_keys(nk_s3 *s3, nk_str bucket, const nk_strs *keys, size_t *deleted,
                          nk_err *err) NK_MUST;
/* Everything under prefix; an empty prefix is refused (NK_E_INVALID). */
nk_code nk_s3_delete_prefix(nk_s3 *s3, nk_str bucket, nk_str prefix, size_t *deleted,
                            nk_err *err) NK_MUST;
/* NK_OK also when it is there already and ours. */
nk_code nk_s3_create_bucket(nk_s3 *s3, nk_str bucket, nk_err *err) NK_MUST;
nk_code nk_s3_head_bucket(nk_s3 *s3, nk_str bucket, nk_err *err) NK_MUST;
nk_code nk_s3_delete_bucket(nk_s3 *s3, nk_str bucket, nk_err *err) NK_MUST;

#endif
