/* The S3 client against an S3 of this test's own, which misbehaves on demand. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "lake/s3.h"
#include "net/net.h"

#define MAX_OBJECTS 4000

typedef struct object {
    char key[64];
    char *data;
    size_t n;
    bool gone;
} object;

/* A bucket "box" in memory; listing pages hold 1,000 keys. */
typedef struct fake {
    nk_http_server *server;
    nk_s3 *s3;
    pthread_mutex_t mutex;
    object objects[MAX_OBJECTS];
    size_t n;
    char *part[16];
    size_t part_n[16];
    int fail;        /* this many requests get `fail_status` first */
    int fail_status; /* 0: the body is cut short of its Content-Length */
    unsigned requests, aborted;
    bool fail_part;
} fake;

static object *find(fake *f, nk_str key)
{
    for (size_t i = 0; i < f->n; i++)
        if (!f->objects[i].gone && nk_str_is(key, f->objects[i].key))
            return &f->objects[i];
    return NULL;
}

static void store(fake *f, nk_str key, const char *p, size_t n)
{
    object *o = find(f, key);
    if (!o) {
        o = &f->objects[f->n++];
        snprintf(o->key, sizeof o->key, "%.*s", NK_STR_ARG(key));
    }
    free(o->data);
    o->data = malloc(n + 1);
    memcpy(o->data, p, n);
    o->n = n;
}

static void say(nk_http_req *req, unsigned status, const char *xml)
{
    nk_http_answer a = {.status = status, .content_type = "application/xml"};
    nk_buf_puts(&req->out, xml);
    a.body = nk_buf_view(&req->out);
    nk_http_answer_now(req, &a);
}

static nk_str param(nk_http_req *req, const char *name)
{
    nk_str rest = req->query, piece;
    while (nk_str_split(&rest, '&', &piece)) {
        ptrdiff_t eq = nk_str_chr(piece, '=');
        if (eq > 0 && nk_str_is(nk_str_sub(piece, 0, (size_t)eq), name))
            return nk_uri_unescape(req->arena, nk_str_sub(piece, (size_t)eq + 1, piece.n), true);
    }
    return NK_STR_NULL;
}

static void list(fake *f, nk_http_req *req)
{
    nk_str prefix = param(req, "prefix"), token = param(req, "continuation-token"),
           after = param(req, "start-after");
    nk_str from = token.n ? nk_uri_unescape(req->arena, token, false) : after;
    size_t given = 0;
    const char *last = NULL;
    bool more = false;
    nk_buf_puts(&req->out, "<?xml version=\"1.0\"?><ListBucketResult "
                           "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                           "<EncodingType>url</EncodingType>");
    for (size_t i = 0; i < f->n; i++) {
        object *o = &f->objects[i];
        nk_str key = nk_str_c(o->key);
        if (o->gone || !nk_str_starts(key, prefix) || (from.n && nk_str_cmp(key, from) <= 0))
            continue;
        if (given == 1000) {
            more = true;
            break;
        }
        nk_buf_puts(&req->out, "<Contents><Key>");
        nk_uri_escape(&req->out, key, false);
        nk_buf_printf(
            &req->out,
            "</Key><LastModified>2015-08-30T12:36:00.250Z</LastModified><ETag>&quot;e%zu&quot;"
            "</ETag><Size>%zu</Size></Contents>",
            i, o->n);
        last = o->key;
        given++;
    }
    nk_buf_printf(&req->out, "<IsTruncated>%s</IsTruncated>", more ? "true" : "false");
    if (more) {
        nk_buf_puts(&req->out, "<NextContinuationToken>");
        nk_uri_escape(&req->out, nk_str_c(last), false);
        nk_buf_puts(&req->out, "</NextContinuationToken>");
    }
    say(req, 200, "</ListBucketResult>");
}

static void get(fake *f, nk_http_req *req, nk_str key)
{
    object *o = find(f, key);
    nk_str range = nk_http_header(req, "range");
    unsigned long long from = 0, to = 0;
    if (!o) {
        say(req, 404,
            "<Error><Code>NoSuchKey</Code><Message>The specified key does not "
            "exist.</Message></Error>");
        return;
    }
    nk_http_answer a = {.status = 200, .body = nk_str_n(o->data, o->n)};
    if (range.p) {
        if (sscanf(range.p, "bytes=%llu-%llu", &from, &to) < 2)
            to = o->n;
        if (from >= o->n) {
            say(req, 416, "<Error><Code>InvalidRange</Code></Error>");
            return;
        }
        if (to >= o->n)
            to = o->n - 1;
        a.status = 206;
        a.body = nk_str_n(o->data + from, (size_t)(to - from + 1));
    }
    nk_http_answer_now(req, &a);
}

static void put(fake *f, nk_http_req *req, nk_str key)
{
    nk_str number = param(req, "partNumber");
    nk_header etag = {NK_STR("ETag"), NK_STR("\"t\"")};
    nk_http_answer a = {.status = 200, .headers = &etag, .nheaders = 1};
    if (number.p) {
        int i = atoi(number.p);
        if (f->fail_part && i == 2) {
            say(req, 400, "<Error><Code>EntityTooSmall</Code><Message>no</Message></Error>");
            return;
        }
        free(f->part[i]);
        f->part[i] = malloc(req->body.n + 1);
        memcpy(f->part[i], req->body.p, req->body.n);
        f->part_n[i] = req->body.n;
    } else {
        store(f, key, req->body.p, req->body.n);
    }
    nk_http_answer_now(req, &a);
}

static void post(fake *f, nk_http_req *req, nk_str key)
{
    if (nk_str_starts(req->query, NK_STR("uploads"))) {
        say(req, 200,
            "<InitiateMultipartUploadResult><UploadId>u/1+</UploadId></"
            "InitiateMultipartUploadResult>");
    } else if (nk_str_starts(req->query, NK_STR("delete"))) {
        nk_str rest = req->body;
        ptrdiff_t at;
        assert_true(nk_http_header(req, "content-md5").n == 24);
        while ((at = nk_str_find(rest, NK_STR("<Key>"))) >= 0) {
            rest = nk_str_sub(rest, (size_t)at + 5, rest.n);
            object *o = find(f, nk_str_sub(rest, 0, (size_t)nk_str_chr(rest, '<')));
            if (o)
                o->gone = true;
        }
        say(req, 200, "<DeleteResult/>");
    } else {
        nk_buf all;
        nk_buf_init(&all, 64 << 20);
        assert_true(nk_str_is(param(req, "uploadId"), "u/1+"));
        for (int i = 1; i < 16 && f->part[i]; i++)
            nk_buf_add(&all, f->part[i], f->part_n[i]);
        store(f, key, all.p, all.n);
        nk_buf_free(&all);
        say(req, 200,
            "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>");
    }
}

static void handle(void *arg, nk_http_req *req)
{
    fake *f = arg;
    pthread_mutex_lock(&f->mutex);
    f->requests++;
    nk_str path = nk_uri_unescape(req->arena, req->path, false);
    if (f->fail > 0) {
        f->fail--;
        char xml[80];
        snprintf(xml, sizeof xml, "<Error><Code>SlowDown</Code><Message>%d</Message></Error>",
                 f->fail);
        say(req, (unsigned)f->fail_status, xml);
    } else if (!nk_str_starts(path, NK_STR("/box/")) && !nk_str_is(path, "/box")) {
        say(req, 404, "<Error><Code>NoSuchBucket</Code><Message>no</Message></Error>");
    } else {
        nk_str key = path.n > 5 ? nk_str_sub(path, 5, path.n) : NK_STR("");
        if (nk_str_is(req->method, "GET") && key.n == 0)
            list(f, req);
        else if (nk_str_is(req->method, "GET") || nk_str_is(req->method, "HEAD"))
            get(f, req, key);
        else if (nk_str_is(req->method, "PUT"))
            put(f, req, key);
        else if (nk_str_is(req->method, "POST"))
            post(f, req, key);
        else {
            f->aborted += param(req, "uploadId").p != NULL;
            object *o = find(f, key);
            if (o && !param(req, "uploadId").p)
                o->gone = true;
            nk_http_answer a = {.status = 204};
            nk_http_answer_now(req, &a);
        }
    }
    pthread_mutex_unlock(&f->mutex);
}

static int setup(void **state)
{
    fake *f = calloc(1, sizeof *f);
    nk_err err = NK_ERR_INIT;
    char url[64];
    nk_http_config c = {
        .host = "127.0.0.1", .threads = 2, .body_max = 64 << 20, .handler = handle, .arg = f};
    pthread_mutex_init(&f->mutex, NULL);
    if (nk_http_server_start(&c, &f->server, &err) != NK_OK)
        return -1;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", nk_http_server_port(f->server));
    nk_s3_config s = {
        .endpoint = url, .access_key = "k", .secret_key = "s", .retries = 3, .part_size = 1 << 20};
    if (nk_s3_create(&s, &f->s3, &err) != NK_OK)
        return -1;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fake *f = *state;
    nk_s3_destroy(f->s3);
    nk_http_server_stop(f->server, 1000);
    for (size_t i = 0; i < f->n; i++)
        free(f->objects[i].data);
    for (size_t i = 0; i < 16; i++)
        free(f->part[i]);
    pthread_mutex_destroy(&f->mutex);
    free(f);
    return 0;
}

#define BOX NK_STR("box")

static void put_and_get(void **state)
{
    fake *f = *state;
    nk_err err = NK_ERR_INIT;
    nk_buf b;
    nk_s3_info info;
    const char *keys[] = {"plain", "a b/c+d", "é/ü%25", "x/../y", "a//b"};
    nk_buf_init(&b, 1 << 20);
    for (size_t i = 0; i < NK_COUNTOF(keys); i++) {
        nk_str key = nk_str_c(keys[i]);
        assert_int_equal(nk_s3_put(f->s3, BOX, key, NK_STR("0123456789"), "text/plain", &err),
                         NK_OK);
        nk_buf_clear(&b);
        assert_int_equal(nk_s3_get(f->s3, BOX, key, &b, &err), NK_OK);
        assert_string_equal(b.p, "0123456789");
        assert_int_equal(nk_s3_head(f->s3, BOX, key, &info, &err), NK_OK);
        assert_int_equal(info.size, 10);
    }
    nk_buf_clear(&b);
    assert_int_equal(nk_s3_get_range(f->s3, BOX, NK_STR("plain"), 3, 4, &b, &err), NK_OK);
    assert_true(nk_str_is(nk_buf_view(&b), "3456"));
    assert_int_equal(nk_s3_get_range(f->s3, BOX, NK_STR("plain"), 8, 0, &b, &err), NK_OK);
    assert_true(nk_str_is(nk_buf_view(&b), "345689"));
    assert_int_equal(nk_s3_get_range(f->s3, BOX, NK_STR("plain"), 99, 1, &b, &err), NK_OK);
    assert_int_equal(b.n, 6);
    assert_int_equal(nk_s3_delete(f->s3, BOX, NK_STR("plain"), &err), NK_OK);
    assert_int_equal(nk_s3_get(f->s3, BOX, NK_STR("plain"), &b, &err), NK_E_NOT_FOUND);
    assert_int_equal(b.n, 6);
    assert_int_equal(nk_s3_head(f->s3, BOX, NK_STR("plain"), &info, &err), NK_E_NOT_FOUND);
    assert_int_equal(nk_s3_get(f->s3, NK_STR("nobox"), NK_STR("k"), &b, &err), NK_E_NOT_FOUND);
    assert_non_null(strstr(err.msg, "no bucket 'nobox'"));
    assert_int_equal(nk_s3_get(f->s3, NK_STR("a/b"), NK_STR("k"), &b, &err), NK_E_INVALID);
    nk_buf_free(&b);
    nk_buf_init(&b, 5);
    assert_int_equal(nk_s3_get(f->s3, BOX, NK_STR("a//b"), &b, &err), NK_E_LIMIT);
    nk_buf_free(&b);
}

static void retries(void **state)
{
    fake *f = *state;
    nk_err err = NK_ERR_INIT;
    nk_buf b;
    nk_buf_init(&b, 1 << 20);
    assert_int_equal(nk_s3_put(f->s3, BOX, NK_STR("r"), NK_STR("again"), NULL, &err), NK_OK);
    static const int statuses[] = {500, 503, 429};
    for (size_t i = 0; i < NK_COUNTOF(statuses); i++) {
        f->fail = 2;
        f->fail_status = statuses[i];
        nk_buf_clear(&b);
        assert_int_equal(nk_s3_get(f->s3, BOX, NK_STR("r"), &b, &err), NK_OK);
        assert_true(nk_str_is(nk_buf_view(&b), "again"));
    }
    /* Bounded: the fourth failure is reported, with what S3 said. */
    f->fail = 100;
    f->fail_status = 503;
    unsigned before = f->requests;
    assert_int_equal(nk_s3_get(f->s3, BOX, NK_STR("r"), &b, &err), NK_E_UNAVAILABLE);
    assert_int_equal(f->requests - before, 4);
    assert_non_null(strstr(err.msg, "SlowDown"));
    /* What is no passing fault is not tried again. */
    f->fail = 100;
    f->fail_status = 403;
    before = f->requests;
    assert_int_equal(nk_s3_get(f->s3, BOX, NK_STR("r"), &b, &err), NK_E_ACCESS_DENIED);
    assert_int_equal(f->requests - before, 1);
    f->fail = 0;
    nk_buf_free(&b);
}

static void no_endpoint(void **state)
{
    nk_err err = NK_ERR_INIT;
    nk_s3 *s3;
    nk_buf b;
    char url[64];
    int port;
    nk_buf_init(&b, 100);
    assert_int_equal(nk_free_port(0, &port, &err), NK_OK);
    snprintf(url, sizeof url, "http://127.0.0.1:%d", port);
    nk_s3_config c = {.endpoint = url, .access_key = "k", .secret_key = "s", .retries = 1};
    assert_int_equal(nk_s3_create(&c, &s3, &err), NK_OK);
    assert_int_equal(nk_s3_get(s3, BOX, NK_STR("k"), &b, &err), NK_E_UNAVAILABLE);
    assert_non_null(strstr(err.msg, url));
    nk_s3_destroy(s3);
    c.endpoint = "localhost";
    assert_int_equal(nk_s3_create(&c, &s3, &err), NK_E_INVALID);
}

typedef struct seen {
    size_t n;
    char last[64];
    size_t stop;
} seen;

static nk_code on_object(void *arg, const nk_s3_object *o)
{
    seen *s = arg;
    char key[64];
    snprintf(key, sizeof key, "%.*s", NK_STR_ARG(o->key));
    assert_true(strcmp(key, s->last) > 0);
    assert_int_equal(o->modified_us, 1440938160250000);
    assert_true(o->etag.n && o->etag.p[0] == 'e');
    snprintf(s->last, sizeof s->last, "%s", key);
    s->n++;
    return s->stop && s->n == s->stop ? NK_E_END : NK_OK;
}

static void listing_and_deleting(void **state)
{
    fake *f = *state;
    nk_err err = NK_ERR_INIT;
    size_t deleted;
    char key[64];
    for (int i = 0; i < 2500; i++) {
        snprintf(key, sizeof key, "many/k+ %04d&", i);
        store(f, nk_str_c(key), "x", 1);
    }
    seen s = {0};
    assert_int_equal(
        nk_s3_list(f->s3, BOX, NK_STR("many/"), NK_STR(""), NK_STR(""), on_object, NULL, &s, &err),
        NK_OK);
    assert_int_equal(s.n, 2500);
    assert_string_equal(s.last, "many/k+ 2499&");
    s = (seen){0};
    assert_int_equal(nk_s3_list(f->s3, BOX, NK_STR("many/"), NK_STR(""), NK_STR("many/k+ 2000&"),
                                on_object, NULL, &s, &err),
                     NK_OK);
    assert_int_equal(s.n, 499);
    s = (seen){.stop = 3};
    assert_int_equal(
        nk_s3_list(f->s3, BOX, NK_STR("many/"), NK_STR(""), NK_STR(""), on_object, NULL, &s, &err),
        NK_OK);
    assert_int_equal(s.n, 3);
    assert_int_equal(nk_s3_list(f->s3, NK_STR("nobox"), NK_STR(""), NK_STR(""), NK_STR(""),
                                on_object, NULL, &s, &err),
                     NK_E_NOT_FOUND);
    /* The test's S3 reads keys without their entities: plain ones for deleting. */
    for (int i = 0; i < 1200; i++) {
        snprintf(key, sizeof key, "del/%04d", i);
        store(f, nk_str_c(key), "x", 1);
    }
    assert_int_equal(nk_s3_delete_prefix(f->s3, BOX, NK_STR("del/"), &deleted, &err), NK_OK);
    assert_int_equal(deleted, 1200);
    assert_null(find(f, NK_STR("del/0000")));
    assert_null(find(f, NK_STR("del/1199")));
    assert_non_null(find(f, NK_STR("many/k+ 0000&")));
    assert_int_equal(nk_s3_delete_prefix(f->s3, BOX, NK_STR(""), &deleted, &err), NK_E_INVALID);
}

static void files_in_parts(void **state)
{
    fake *f = *state;
    nk_err err = NK_ERR_INIT;
    char path[] = "/tmp/nikawa-s3-XXXXXX";
    size_t n = (5 << 20) / 2 + 17;
    char *data = malloc(n);
    int fd = mkstemp(path);
    for (size_t i = 0; i < n; i++)
        data[i] = (char)(i * 2654435761u >> 13);
    assert_int_equal(write(fd, data, n), n);
    close(fd);
    assert_int_equal(nk_s3_put_file(f->s3, BOX, NK_STR("big"), path, NULL, &err), NK_OK);
    object *o = find(f, NK_STR("big"));
    assert_non_null(o);
    assert_int_equal(o->n, n);
    assert_memory_equal(o->data, data, n);
    assert_int_equal(f->part_n[1], 1 << 20);
    /* A part that fails for good ends the upload. */
    f->fail_part = true;
    assert_int_equal(nk_s3_put_file(f->s3, BOX, NK_STR("big2"), path, NULL, &err), NK_E_INVALID);
    assert_int_equal(f->aborted, 1);
    assert_null(find(f, NK_STR("big2")));
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(nk_s3_put_file(f->s3, BOX, NK_STR("small"), path, NULL, &err), NK_OK);
    assert_int_equal(find(f, NK_STR("small"))->n, 100);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(nk_s3_put_file(f->s3, BOX, NK_STR("empty"), path, NULL, &err), NK_OK);
    assert_int_equal(find(f, NK_STR("empty"))->n, 0);
    unlink(path);
    assert_int_not_equal(nk_s3_put_file(f->s3, BOX, NK_STR("none"), path, NULL, &err), NK_OK);
    free(data);
}

static void addresses(void **state)
{
    nk_s3_uri u;
    nk_err err = NK_ERR_INIT;
    assert_int_equal(nk_s3_uri_parse(NK_STR("s3://b/k/l"), &u, &err), NK_OK);
    assert_true(nk_str_is(u.bucket, "b") && nk_str_is(u.key, "k/l"));
    assert_int_equal(nk_s3_uri_parse(NK_STR("s3a://b"), &u, &err), NK_OK);
    assert_true(nk_str_is(u.bucket, "b") && u.key.n == 0);
    assert_int_equal(nk_s3_uri_parse(NK_STR("s3n://b//k"), &u, &err), NK_OK);
    assert_true(nk_str_is(u.key, "/k"));
    static const char *const bad[] = {"", "s3:/b/k", "http://b/k", "s3://", "s3:///k"};
    for (size_t i = 0; i < NK_COUNTOF(bad); i++)
        assert_int_equal(nk_s3_uri_parse(nk_str_c(bad[i]), &u, &err), NK_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(put_and_get),
        cmocka_unit_test(retries),
        cmocka_unit_test(no_endpoint),
        cmocka_unit_test(listing_and_deleting),
        cmocka_unit_test(files_in_parts),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
