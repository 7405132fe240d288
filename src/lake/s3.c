#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lake/s3_int.h"

#define XML_MAX    ((size_t)64 << 20)
#define PARTS_MAX  10000
#define DELETE_MAX 1000

/* ---- client ---- */

nk_code nk_s3_uri_parse(nk_str s, nk_s3_uri *out, nk_err *err)
{
    static const nk_str schemes[] = {{"s3://", 5}, {"s3a://", 6}, {"s3n://", 6}};
    for (size_t i = 0; i < NK_COUNTOF(schemes); i++) {
        if (!nk_str_starts(s, schemes[i]))
            continue;
        nk_str rest = nk_str_sub(s, schemes[i].n, s.n);
        ptrdiff_t slash = nk_str_chr(rest, '/');
        out->bucket = slash < 0 ? rest : nk_str_sub(rest, 0, (size_t)slash);
        out->key = slash < 0 ? NK_STR("") : nk_str_sub(rest, (size_t)slash + 1, rest.n);
        if (out->bucket.n)
            return NK_OK;
        break;
    }
    return nk_fail(err, NK_E_INVALID, "'%.*s' is no S3 address; one looks like s3://bucket/key",
                   NK_STR_ARG(s));
}

void nk_s3_destroy(nk_s3 *s3)
{
    if (!s3)
        return;
    nk_http_client_destroy(s3->http);
    nk_free(s3->endpoint);
    nk_free(s3->host);
    nk_free(s3->region);
    nk_free(s3->access_key);
    nk_free(s3->secret_key);
    nk_free(s3->token);
    nk_free(s3);
}

static nk_code copy_config(nk_s3 *s3, const nk_s3_config *c, nk_err *err)
{
    const char *host = strstr(c->endpoint, "://") + 3;
    s3->endpoint = nk_strdup(c->endpoint);
    s3->host = nk_strdup(host);
    s3->region = nk_strdup(c->region && *c->region ? c->region : "us-east-1");
    s3->access_key = nk_strdup(c->access_key ? c->access_key : "");
    s3->secret_key = nk_strdup(c->secret_key ? c->secret_key : "");
    if (c->session_token)
        s3->token = nk_strdup(c->session_token);
    if (!s3->endpoint || !s3->host || !s3->region || !s3->access_key || !s3->secret_key ||
        (c->session_token && !s3->token))
        return nk_fail(err, NK_E_NOMEM, "no memory for an S3 client");
    size_t n = strlen(s3->endpoint);
    while (n && s3->endpoint[n - 1] == '/')
        s3->endpoint[--n] = 0;
    s3->host[strcspn(s3->host, "/")] = 0;
    /* A default port does not stand in the Host header that libcurl and the signature agree on. */
    char *colon = strrchr(s3->host, ':');
    bool tls = strncmp(c->endpoint, "https://", 8) == 0;
    if (colon && strcmp(colon, tls ? ":443" : ":80") == 0)
        *colon = 0;
    s3->retries = c->retries ? c->retries : 4;
    s3->part_size = c->part_size ? c->part_size : (size_t)16 << 20;
    return NK_OK;
}

nk_code nk_s3_create(const nk_s3_config *c, nk_s3 **out, nk_err *err)
{
    if (!c->endpoint || (strncmp(c->endpoint, "http://", 7) && strncmp(c->endpoint, "https://", 8)))
        return nk_fail(err, NK_E_INVALID,
                       "'%s' is no S3 endpoint; it begins with http:// or https://",
                       c->endpoint ? c->endpoint : "");
    nk_s3 *s3 = nk_calloc(1, sizeof *s3);
    if (!s3)
        return nk_fail(err, NK_E_NOMEM, "no memory for an S3 client");
    nk_http_client_config http = {
        .timeout_s = c->timeout_s, .ca_file = c->ca_file, .connections = 32};
    nk_code rc = copy_config(s3, c, err);
    if (rc == NK_OK)
        rc = nk_http_client_create(&http, &s3->http, err);
    if (rc != NK_OK) {
        nk_s3_destroy(s3);
        return rc;
    }
    *out = s3;
    return NK_OK;
}

nk_code nk_s3_client_create(const char *endpoint, const char *region, const char *access_key,
                            const char *secret_key, nk_s3 **out, nk_err *err)
{
    nk_s3_config c = {
        .endpoint = endpoint, .region = region, .access_key = access_key, .secret_key = secret_key};
    return nk_s3_create(&c, out, err);
}

const char *nk_s3_endpoint(const nk_s3 *s3)
{
    return s3->endpoint;
}

/* ---- one request ---- */

static nk_code bad_bucket(nk_str bucket, nk_err *err)
{
    return nk_fail(err, NK_E_INVALID, "'%.*s' is no bucket name", NK_STR_ARG(bucket));
}

static nk_code send_once(nk_s3 *s3, const nk_s3_call *call, nk_arena *a, nk_http_reply *reply,
                         nk_err *err)
{
    nk_header headers[14] = {{NK_STR("Host"), nk_str_c(s3->host)}};
    nk_header *extra;
    size_t n = 1, nextra;
    nk_buf url;
    nk_buf_init(&url, 64 << 10);
    for (size_t i = 0; i < call->nheaders; i++)
        headers[n++] = call->headers[i];
    nk_buf_printf(&url, "%s/%.*s", s3->endpoint, NK_STR_ARG(call->bucket));
    if (call->key.p) {
        nk_buf_putc(&url, '/');
        nk_uri_escape(&url, call->key, true);
    }
    size_t base = strlen(s3->endpoint), path_end = url.n;
    if (call->query)
        nk_buf_printf(&url, "?%s", call->query);
    nk_code rc = nk_buf_check(&url, err);
    if (rc != NK_OK)
        goto out;
    nk_str view = nk_buf_view(&url);
    nk_sigv4_request req = {.method = nk_str_c(call->method),
                            .path = nk_str_sub(view, base, path_end),
                            .query = call->query ? nk_str_c(call->query) : NK_STR(""),
                            .headers = headers,
                            .nheaders = n,
                            .body = call->body};
    nk_sigv4_credentials cred = {nk_str_c(s3->access_key), nk_str_c(s3->secret_key),
                                 nk_str_c(s3->token), nk_str_c(s3->region), NK_STR("s3")};
    /* A file is not read twice only to be hashed. */
    NK_TRY_GOTO(rc,
                nk_sigv4_sign(&req, &cred, NK_SIGV4_S3, call->fd > 0 ? "UNSIGNED-PAYLOAD" : NULL,
                              nk_now_us(nk_env_real()), a, &extra, &nextra, err),
                out);
    memcpy(headers + n, extra, nextra * sizeof headers[0]);
    nk_http_call http = {.method = call->method,
                         .url = url.p,
                         .headers = headers,
                         .nheaders = n + nextra,
                         .body = call->body,
                         .body_fd = call->fd,
                         .body_offset = call->offset,
                         .body_size = call->size};
    rc = nk_http_perform(s3->http, &http, a, reply, err);
out:
    nk_buf_free(&url);
    return rc;
}

/* S3's error as a code of ours and one clear line. */
static nk_code refusal(const nk_s3 *s3, const nk_s3_call *call, const nk_http_reply *reply,
                       nk_str xml, nk_arena *a, nk_err *err)
{
    static const struct {
        const char *name;
        nk_code code;
    } codes[] = {
        {"NoSuchKey", NK_E_NOT_FOUND},
        {"NoSuchBucket", NK_E_NOT_FOUND},
        {"NoSuchUpload", NK_E_NOT_FOUND},
        {"NotFound", NK_E_NOT_FOUND},
        {"AccessDenied", NK_E_ACCESS_DENIED},
        {"InvalidAccessKeyId", NK_E_ACCESS_DENIED},
        {"SignatureDoesNotMatch", NK_E_ACCESS_DENIED},
        {"BucketAlreadyExists", NK_E_EXISTS},
        {"BucketAlreadyOwnedByYou", NK_E_EXISTS},
        {"PreconditionFailed", NK_E_CONDITION},
        {"BucketNotEmpty", NK_E_CONFLICT},
    };
    nk_str name = nk_s3_xml_find(xml, "Code", a), message = nk_s3_xml_find(xml, "Message", a);
    nk_code rc = reply->status == 404   ? NK_E_NOT_FOUND
                 : reply->status == 403 ? NK_E_ACCESS_DENIED
                 : reply->status == 412 ? NK_E_CONDITION
                 : reply->status >= 500 ? NK_E_UNAVAILABLE
                                        : NK_E_INVALID;
    for (size_t i = 0; i < NK_COUNTOF(codes); i++)
        if (name.p && nk_str_is(name, codes[i].name))
            rc = codes[i].code;
    if (rc == NK_E_NOT_FOUND && name.p && nk_str_is(name, "NoSuchBucket"))
        return nk_fail(err, rc, "there is no bucket '%.*s' at %s", NK_STR_ARG(call->bucket),
                       s3->endpoint);
    if (rc == NK_E_NOT_FOUND)
        return nk_fail(err, rc, "there is no s3://%.*s%s%.*s at %s", NK_STR_ARG(call->bucket),
                       call->key.n ? "/" : "", NK_STR_ARG(call->key), s3->endpoint);
    return nk_fail(err, rc, "S3 at %s refused %s s3://%.*s/%.*s: %.*s%s%.*s (status %ld)",
                   s3->endpoint, call->method, NK_STR_ARG(call->bucket), NK_STR_ARG(call->key),
                   NK_STR_ARG(name), message.n ? ": " : "", NK_STR_ARG(message), reply->status);
}

static bool worth_again(nk_code rc, long status)
{
    return rc == NK_E_UNAVAILABLE || status == 429 || status == 500 || status == 502 ||
           status == 503 || status == 504;
}

/* 50 ms doubled each time up to 2 s, half of it by chance. */
static void back_off(unsigned try)
{
    uint32_t r = 0;
    const nk_env *env = nk_env_real();
    unsigned ms = 50u << (try > 5 ? 5 : try);
    if (ms > 2000)
        ms = 2000;
    if (env->random(env->arg, &r, sizeof r) != NK_OK)
        r = 1u << 31;
    usleep((ms / 2 + (unsigned)((uint64_t)r * ms / 2 >> 32)) * 1000);
}

nk_code nk_s3_send(nk_s3 *s3, const nk_s3_call *call, nk_arena *a, nk_http_reply *reply,
                   nk_err *err)
{
    nk_buf own;
    nk_code rc;
    nk_buf_init(&own, XML_MAX);
    if (call->bucket.n < 3 || nk_str_chr(call->bucket, '/') >= 0 ||
        nk_str_chr(call->bucket, '?') >= 0)
        return bad_bucket(call->bucket, err);
    nk_buf *body = call->out ? call->out : &own;
    size_t start = body->n;
    for (unsigned try = 0;; try++) {
        *reply = (nk_http_reply){.body = body};
        rc = send_once(s3, call, a, reply, err);
        if (rc == NK_OK && reply->status >= 200 && reply->status < 300)
            break;
        if (rc == NK_OK) {
            nk_str said = nk_str_sub(nk_buf_view(body), start, body->n);
            rc = refusal(s3, call, reply, said, a, err);
        } else if (rc == NK_E_UNAVAILABLE) {
            nk_wrap(err, "S3 at %s", s3->endpoint);
            nk_hint(err, "is the lake up? A server's own writes DIR/lake.log");
        }
        body->n = start; /* what a failed try left behind */
        body->failed = false;
        if (!worth_again(rc, reply->status) || try >= s3->retries)
            break;
        back_off(try);
    }
    reply->body = call->out;
    nk_buf_free(&own);
    return rc;
}

/* ---- objects ---- */

static nk_arena *scratch(nk_err *err)
{
    nk_arena *a = nk_arena_create(0);
    if (!a && nk_fail(err, NK_E_NOMEM, "no memory for an S3 request") == NK_OK)
        return NULL;
    return a;
}

/* "Sun, 30 Aug 2015 12:36:00 GMT" */
static int64_t http_date(nk_str s)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    nk_civil c = {0};
    int64_t day, year, h, m, sec;
    if (s.n < 25)
        return 0;
    for (int i = 0; i < 12; i++)
        if (memcmp(s.p + 8, months + i * 3, 3) == 0)
            c.month = i + 1;
    if (!c.month || !nk_str_i64(nk_str_sub(s, 5, 7), &day) ||
        !nk_str_i64(nk_str_sub(s, 12, 16), &year) || !nk_str_i64(nk_str_sub(s, 17, 19), &h) ||
        !nk_str_i64(nk_str_sub(s, 20, 22), &m) || !nk_str_i64(nk_str_sub(s, 23, 25), &sec))
        return 0;
    c.day = (int)day;
    c.year = (int)year;
    c.hour = (int)h;
    c.minute = (int)m;
    c.second = (int)sec;
    return nk_civil_to_us(&c);
}

nk_code nk_s3_head(nk_s3 *s3, nk_str bucket, nk_str key, nk_s3_info *out, nk_err *err)
{
    nk_arena *a = scratch(err);
    nk_http_reply r;
    if (!a)
        return NK_E_NOMEM;
    nk_s3_call call = {.method = "HEAD", .bucket = bucket, .key = key};
    nk_code rc = nk_s3_send(s3, &call, a, &r, err);
    if (rc == NK_OK) {
        memset(out, 0, sizeof *out);
        nk_str length = nk_http_reply_header(&r, "content-length");
        nk_str etag = nk_http_reply_header(&r, "etag");
        if (length.p && !nk_str_u64(length, &out->size))
            out->size = 0;
        while (etag.n && etag.p[0] == '"')
            etag = nk_str_sub(etag, 1, etag.n);
        while (etag.n && etag.p[etag.n - 1] == '"')
            etag.n--;
        snprintf(out->etag, sizeof out->etag, "%.*s", NK_STR_ARG(etag));
        snprintf(out->content_type, sizeof out->content_type, "%.*s",
                 NK_STR_ARG(nk_http_reply_header(&r, "content-type")));
        out->modified_us = http_date(nk_http_reply_header(&r, "last-modified"));
    }
    nk_arena_destroy(a);
    return rc;
}

nk_code nk_s3_get(nk_s3 *s3, nk_str bucket, nk_str key, nk_buf *buf, nk_err *err)
{
    return nk_s3_get_range(s3, bucket, key, 0, 0, buf, err);
}

nk_code nk_s3_get_range(nk_s3 *s3, nk_str bucket, nk_str key, uint64_t from, uint64_t n,
                        nk_buf *buf, nk_err *err)
{
    char range[64];
    nk_http_reply r;
    nk_s3_call call = {.method = "GET", .bucket = bucket, .key = key, .out = buf};
    nk_arena *a = scratch(err);
    if (!a)
        return NK_E_NOMEM;
    if (from || n) {
        if (n)
            snprintf(range, sizeof range, "bytes=%llu-%llu", (unsigned long long)from,
                     (unsigned long long)(from + n - 1));
        else
            snprintf(range, sizeof range, "bytes=%llu-", (unsigned long long)from);
        call.headers[call.nheaders++] = (nk_header){NK_STR("Range"), nk_str_c(range)};
    }
    size_t start = buf->n;
    nk_code rc = nk_s3_send(s3, &call, a, &r, err);
    if (r.status == 416)
        rc = NK_OK; /* past the end: nothing */
    /* An endpoint that knows no ranges sends the whole: cut out what was asked. */
    if (rc == NK_OK && r.status == 200 && (from || n)) {
        size_t got = buf->n - start, skip = from < got ? (size_t)from : got;
        size_t keep = n && n < got - skip ? (size_t)n : got - skip;
        memmove(buf->p + start, buf->p + start + skip, keep);
        buf->n = start + keep;
    }
    nk_arena_destroy(a);
    return rc;
}

static nk_str type_or_default(const char *type)
{
    return type ? nk_str_c(type) : NK_STR("application/octet-stream");
}

nk_code nk_s3_put(nk_s3 *s3, nk_str bucket, nk_str key, nk_str data, const char *content_type,
                  nk_err *err)
{
    nk_http_reply r;
    nk_arena *a = scratch(err);
    if (!a)
        return NK_E_NOMEM;
    nk_s3_call call = {.method = "PUT", .bucket = bucket, .key = key, .body = data, .nheaders = 1};
    call.headers[0] = (nk_header){NK_STR("Content-Type"), type_or_default(content_type)};
    nk_code rc = nk_s3_send(s3, &call, a, &r, err);
    nk_arena_destroy(a);
    return rc;
}

nk_code nk_s3_delete(nk_s3 *s3, nk_str bucket, nk_str key, nk_err *err)
{
    nk_http_reply r;
    nk_arena *a = scratch(err);
    if (!a)
        return NK_E_NOMEM;
    nk_s3_call call = {.method = "DELETE", .bucket = bucket, .key = key};
    nk_code rc = nk_s3_send(s3, &call, a, &r, err);
    nk_arena_destroy(a);
    return rc;
}

/* ---- a file, in parts ---- */

typedef struct upload {
    nk_s3 *s3;
    nk_str bucket, key, id;
    int fd;
    uint64_t size, part;
    nk_arena *a;
} upload;

static char *upload_query(upload *u, unsigned number)
{
    nk_buf b;
    nk_buf_init(&b, 8192);
    if (number)
        nk_buf_printf(&b, "partNumber=%u&", number);
    nk_buf_puts(&b, "uploadId=");
    nk_uri_escape(&b, u->id, false);
    nk_str s = nk_buf_dup(&b, u->a);
    nk_buf_free(&b);
    return (char *)(uintptr_t)s.p;
}

static nk_code upload_begin(upload *u, const char *content_type, nk_err *err)
{
    nk_buf xml;
    nk_http_reply r;
    nk_buf_init(&xml, XML_MAX);
    nk_s3_call call = {.method = "POST",
                       .bucket = u->bucket,
                       .key = u->key,
                       .query = "uploads=",
                       .out = &xml,
                       .nheaders = 1};
    call.headers[0] = (nk_header){NK_STR("Content-Type"), type_or_default(content_type)};
    nk_code rc = nk_s3_send(u->s3, &call, u->a, &r, err);
    if (rc == NK_OK) {
        u->id = nk_s3_xml_find(nk_buf_view(&xml), "UploadId", u->a);
        if (!u->id.n)
            rc = nk_fail(err, NK_E_UNAVAILABLE, "S3 at %s gave no upload id", u->s3->endpoint);
    }
    nk_buf_free(&xml);
    return rc;
}

static nk_code upload_parts(upload *u, nk_buf *done, nk_err *err)
{
    unsigned number = 1;
    for (uint64_t at = 0; at < u->size; at += u->part, number++) {
        nk_http_reply r;
        nk_s3_call call = {.method = "PUT",
                           .bucket = u->bucket,
                           .key = u->key,
                           .fd = u->fd,
                           .offset = at,
                           .size = u->size - at < u->part ? u->size - at : u->part,
                           .query = upload_query(u, number)};
        if (!call.query)
            return nk_fail(err, NK_E_NOMEM, "no memory for an upload");
        NK_TRY(nk_s3_send(u->s3, &call, u->a, &r, err));
        nk_buf_printf(done, "<Part><PartNumber>%u</PartNumber><ETag>", number);
        nk_s3_xml_escape(done, nk_http_reply_header(&r, "etag"));
        nk_buf_puts(done, "</ETag></Part>");
    }
    return nk_buf_puts(done, "</CompleteMultipartUpload>");
}

static nk_code upload_complete(upload *u, nk_str parts, nk_err *err)
{
    nk_buf xml;
    nk_http_reply r;
    nk_buf_init(&xml, XML_MAX);
    nk_s3_call call = {.method = "POST",
                       .bucket = u->bucket,
                       .key = u->key,
                       .query = upload_query(u, 0),
                       .body = parts,
                       .out = &xml,
                       .nheaders = 1};
    call.headers[0] = (nk_header){NK_STR("Content-Type"), NK_STR("application/xml")};
    nk_code rc = nk_s3_send(u->s3, &call, u->a, &r, err);
    /* S3 may say 200 and fail inside. */
    if (rc == NK_OK && nk_s3_xml_find(nk_buf_view(&xml), "Code", u->a).p)
        rc = nk_fail(err, NK_E_UNAVAILABLE, "S3 at %s did not complete an upload: %.*s",
                     u->s3->endpoint,
                     NK_STR_ARG(nk_s3_xml_find(nk_buf_view(&xml), "Message", u->a)));
    nk_buf_free(&xml);
    return rc;
}

static nk_code upload_file(upload *u, const char *content_type, nk_err *err)
{
    nk_buf parts;
    nk_buf_init(&parts, XML_MAX);
    nk_buf_puts(&parts,
                "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    nk_code rc = upload_begin(u, content_type, err);
    if (rc == NK_OK) {
        rc = upload_parts(u, &parts, err);
        if (rc == NK_OK)
            rc = nk_buf_check(&parts, err);
        if (rc == NK_OK)
            rc = upload_complete(u, nk_buf_view(&parts), err);
        if (rc != NK_OK) {
            nk_http_reply r;
            nk_s3_call abort_call = {.method = "DELETE",
                                     .bucket = u->bucket,
                                     .key = u->key,
                                     .query = upload_query(u, 0)};
            if (abort_call.query && nk_s3_send(u->s3, &abort_call, u->a, &r, NULL) != NK_OK)
                nk_warn("lake", "an unfinished upload of s3://%.*s/%.*s stays behind",
                        NK_STR_ARG(u->bucket), NK_STR_ARG(u->key));
        }
    }
    nk_buf_free(&parts);
    return rc;
}

nk_code nk_s3_put_file(nk_s3 *s3, nk_str bucket, nk_str key, const char *path,
                       const char *content_type, nk_err *err)
{
    struct stat st;
    nk_arena *a = scratch(err);
    if (!a)
        return NK_E_NOMEM;
    upload u = {.s3 = s3, .bucket = bucket, .key = key, .a = a, .part = s3->part_size};
    nk_code rc;
    u.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (u.fd < 0 || fstat(u.fd, &st) != 0) {
        rc = nk_fail_errno(err, errno, "cannot read %s", path);
    } else if (!S_ISREG(st.st_mode)) {
        rc = nk_fail(err, NK_E_INVALID, "%s is not a file", path);
    } else {
        u.size = (uint64_t)st.st_size;
        while (u.size / u.part >= PARTS_MAX)
            u.part *= 2;
        if (u.size > s3->part_size) {
            rc = upload_file(&u, content_type, err);
        } else {
            nk_http_reply r;
            nk_s3_call call = {.method = "PUT", .bucket = bucket, .key = key, .nheaders = 1};
            call.headers[0] = (nk_header){NK_STR("Content-Type"), type_or_default(content_type)};
            if (u.size) {
                call.fd = u.fd;
                call.size = u.size;
            }
            rc = nk_s3_send(s3, &call, a, &r, err);
        }
    }
    if (u.fd >= 0)
        close(u.fd);
    nk_arena_destroy(a);
    return rc;
}

/* ---- listing ---- */

static void add_param(nk_buf *b, const char *name, nk_str value)
{
    if (!value.n)
        return;
    nk_buf_printf(b, "&%s=", name);
    nk_uri_escape(b, value, false);
}

nk_code nk_s3_list_page(nk_s3 *s3, const nk_s3_list_query *q, nk_arena *a, nk_s3_page *out,
                        nk_err *err)
{
    nk_buf query, xml;
    nk_http_reply r;
    nk_buf_init(&query, 32 << 10);
    nk_buf_init(&xml, XML_MAX);
    nk_buf_puts(&query, "list-type=2&encoding-type=url");
    add_param(&query, "continuation-token", q->token);
    add_param(&query, "delimiter", q->delimiter);
    if (q->max_keys)
        nk_buf_printf(&query, "&max-keys=%u", q->max_keys);
    add_param(&query, "prefix", q->prefix);
    if (!q->token.n)
        add_param(&query, "start-after", q->start_after);
    nk_code rc = nk_buf_check(&query, err);
    if (rc == NK_OK) {
        nk_s3_call call = {
            .method = "GET", .bucket = q->bucket, .key = NK_STR(""), .query = query.p, .out = &xml};
        rc = nk_s3_send(s3, &call, a, &r, err);
    }
    if (rc == NK_OK)
        rc = nk_s3_xml_page(nk_buf_view(&xml), a, out, err);
    nk_buf_free(&query);
    nk_buf_free(&xml);
    return rc;
}

static nk_code hand_out(const nk_s3_page *page, nk_s3_on_object on_object,
                        nk_s3_on_prefix on_prefix, void *arg)
{
    for (size_t i = 0; on_prefix && i < page->prefixes.n; i++)
        NK_TRY(on_prefix(arg, page->prefixes.v[i]));
    for (size_t i = 0; on_object && i < page->objects.n; i++)
        NK_TRY(on_object(arg, &page->objects.v[i]));
    return NK_OK;
}

nk_code nk_s3_list(nk_s3 *s3, nk_str bucket, nk_str prefix, nk_str delimiter, nk_str start_after,
                   nk_s3_on_object on_object, nk_s3_on_prefix on_prefix, void *arg, nk_err *err)
{
    nk_arena *a = scratch(err);
    nk_buf token;
    nk_code rc = a ? NK_OK : NK_E_NOMEM;
    nk_buf_init(&token, 64 << 10);
    while (rc == NK_OK) {
        nk_s3_page page;
        nk_s3_list_query q = {.bucket = bucket,
                              .prefix = prefix,
                              .delimiter = delimiter,
                              .start_after = start_after,
                              .token = nk_buf_view(&token)};
        rc = nk_s3_list_page(s3, &q, a, &page, err);
        if (rc == NK_OK)
            rc = hand_out(&page, on_object, on_prefix, arg);
        if (rc != NK_OK || !page.next_token.n)
            break;
        if (nk_str_eq(page.next_token, nk_buf_view(&token))) {
            rc = nk_fail(err, NK_E_UNAVAILABLE, "the listing of s3://%.*s does not move on",
                         NK_STR_ARG(bucket));
            break;
        }
        nk_buf_clear(&token);
        nk_buf_str(&token, page.next_token);
        rc = nk_buf_check(&token, err);
        nk_arena_reset(a);
    }
    nk_buf_free(&token);
    nk_arena_destroy(a);
    return rc == NK_E_END ? NK_OK : rc;
}

/* ---- deleting many ---- */

/* Content-MD5, which S3 wants with a batch. */
static nk_code content_md5(nk_str s, nk_arena *a, nk_str *out, nk_err *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (EVP_Digest(s.p, s.n, digest, &n, EVP_md5(), NULL) != 1)
        return nk_fail(err, NK_E_INTERNAL,
                       "OpenSSL has no MD5 here, which S3 wants for batch deletes");
    *out = nk_base64_encode(a, nk_str_n((const char *)digest, n));
    return out->p ? NK_OK : nk_fail(err, NK_E_NOMEM, "no memory");
}

static nk_code delete_batch(nk_s3 *s3, nk_str bucket, const nk_str *keys, size_t n, nk_arena *a,
                            nk_err *err)
{
    nk_buf body, xml;
    nk_http_reply r;
    nk_str md5, key = NK_STR_NULL, why = NK_STR_NULL;
    nk_buf_init(&body, XML_MAX);
    nk_buf_init(&xml, XML_MAX);
    nk_buf_puts(&body,
                "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>");
    for (size_t i = 0; i < n; i++) {
        nk_buf_puts(&body, "<Object><Key>");
        nk_s3_xml_escape(&body, keys[i]);
        nk_buf_puts(&body, "</Key></Object>");
    }
    nk_buf_puts(&body, "</Delete>");
    nk_code rc = nk_buf_check(&body, err);
    if (rc == NK_OK)
        rc = content_md5(nk_buf_view(&body), a, &md5, err);
    if (rc == NK_OK) {
        nk_s3_call call = {.method = "POST",
                           .bucket = bucket,
                           .key = NK_STR(""),
                           .query = "delete=",
                           .body = nk_buf_view(&body),
                           .out = &xml,
                           .nheaders = 2};
        call.headers[0] = (nk_header){NK_STR("Content-MD5"), md5};
        call.headers[1] = (nk_header){NK_STR("Content-Type"), NK_STR("application/xml")};
        rc = nk_s3_send(s3, &call, a, &r, err);
    }
    if (rc == NK_OK) {
        size_t failed = nk_s3_xml_delete_errors(nk_buf_view(&xml), a, &key, &why);
        if (failed)
            rc = nk_fail(err, NK_E_UNAVAILABLE,
                         "%zu of %zu keys of s3://%.*s were not deleted; '%.*s': %.*s", failed, n,
                         NK_STR_ARG(bucket), NK_STR_ARG(key), NK_STR_ARG(why));
    }
    nk_buf_free(&body);
    nk_buf_free(&xml);
    return rc;
}

nk_code nk_s3_delete_keys(nk_s3 *s3, nk_str bucket, const nk_strs *keys, size_t *deleted,
                          nk_err *err)
{
    nk_arena *a = scratch(err);
    if (!a)
        return NK_E_NOMEM;
    nk_code rc = NK_OK;
    if (deleted)
        *deleted = 0;
    for (size_t at = 0; at < keys->n && rc == NK_OK; at += DELETE_MAX) {
        size_t n = keys->n - at < DELETE_MAX ? keys->n - at : DELETE_MAX;
        rc = delete_batch(s3, bucket, keys->v + at, n, a, err);
        if (rc == NK_OK && deleted)
            *deleted += n;
        nk_arena_reset(a);
    }
    nk_arena_destroy(a);
    return rc;
}

nk_code nk_s3_delete_prefix(nk_s3 *s3, nk_str bucket, nk_str prefix, size_t *deleted, nk_err *err)
{
    if (!prefix.n)
        return nk_fail(err, NK_E_INVALID, "deleting a whole bucket by an empty prefix is refused");
    nk_arena *a = scratch(err);
    if (!a)
        return NK_E_NOMEM;
    nk_code rc;
    size_t total = 0;
    /* What is deleted leaves the listing, so the first page is always the next one. */
    for (;;) {
        nk_s3_page page;
        nk_strs keys = {0};
        nk_s3_list_query q = {.bucket = bucket, .prefix = prefix, .max_keys = DELETE_MAX};
        nk_arena_reset(a);
        rc = nk_s3_list_page(s3, &q, a, &page, err);
        if (rc != NK_OK || page.objects.n == 0)
            break;
        for (size_t i = 0; i < page.objects.n && rc == NK_OK; i++) {
            nk_str *k = nk_strs_add(&keys, a);
            if (k)
                *k = page.objects.v[i].key;
            else
                rc = nk_fail(err, NK_E_NOMEM, "no memory");
        }
        size_t n = 0;
        if (rc == NK_OK)
            rc = nk_s3_delete_keys(s3, bucket, &keys, &n, err);
        total += n;
        if (rc != NK_OK)
            break;
    }
    if (deleted)
        *deleted = total;
    nk_arena_destroy(a);
    return rc;
}

/* ---- buckets ---- */

static nk_code bucket_call(nk_s3 *s3, const char *method, nk_str bucket, nk_str body, nk_err *err)
{
    nk_http_reply r;
    nk_arena *a = scratch(err);
    if (!a)
        return NK_E_NOMEM;
    nk_s3_call call = {.method = method, .bucket = bucket, .body = body};
    nk_code rc = nk_s3_send(s3, &call, a, &r, err);
    nk_arena_destroy(a);
    return rc;
}

nk_code nk_s3_create_bucket(nk_s3 *s3, nk_str bucket, nk_err *err)
{
    char body[256] = "";
    /* us-east-1 is S3's default and may not be named. */
    if (strcmp(s3->region, "us-east-1") != 0)
        snprintf(body, sizeof body,
                 "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                 "<LocationConstraint>%s</LocationConstraint></CreateBucketConfiguration>",
                 s3->region);
    nk_code rc = bucket_call(s3, "PUT", bucket, nk_str_c(body), err);
    if (rc == NK_E_EXISTS && nk_s3_head_bucket(s3, bucket, NULL) == NK_OK)
        return NK_OK;
    return rc;
}

nk_code nk_s3_head_bucket(nk_s3 *s3, nk_str bucket, nk_err *err)
{
    return bucket_call(s3, "HEAD", bucket, NK_STR(""), err);
}

nk_code nk_s3_delete_bucket(nk_s3 *s3, nk_str bucket, nk_err *err)
{
    return bucket_call(s3, "DELETE", bucket, NK_STR(""), err);
}
