/* Inside the S3 client. */
#ifndef NK_S3_INT_H
#define NK_S3_INT_H

#include "lake/s3.h"
#include "net/client.h"

struct nk_s3 {
    nk_http_client *http;
    char *endpoint, *host; /* host as in the Host header */
    char *region, *access_key, *secret_key, *token;
    unsigned retries;
    size_t part_size;
};

typedef struct nk_s3_call {
    const char *method;
    nk_str bucket, key;
    const char *query; /* escaped; NULL = none */
    nk_header headers[6];
    size_t nheaders;
    nk_str body;
    int fd; /* > 0: size bytes from offset instead of body */
    uint64_t offset, size;
    nk_buf *out; /* NULL: drop a good answer's body */
} nk_s3_call;
/* Signs, sends, tries again. NK_OK: reply->status is 2xx. */
nk_code nk_s3_send(nk_s3 *s3, const nk_s3_call *call, nk_arena *a, nk_http_reply *reply,
                   nk_err *err) NK_MUST;

/* xml.c: what S3 says in XML. */
nk_code nk_s3_xml_page(nk_str xml, nk_arena *a, nk_s3_page *out, nk_err *err) NK_MUST;
/* Text of the first element of that name anywhere; NK_STR_NULL when there is none, or no XML. */
nk_str nk_s3_xml_find(nk_str xml, const char *name, nk_arena *a);
/* How many <Error> there are in a DeleteResult, and the first one's key and message. */
size_t nk_s3_xml_delete_errors(nk_str xml, nk_arena *a, nk_str *key, nk_str *message);
void nk_s3_xml_escape(nk_buf *b, nk_str s);

#endif
