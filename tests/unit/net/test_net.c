/* The HTTP server and client against each other, keys, and escaping. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/net.h"

/* Answers what the path asks for. */
typedef struct fixture {
    nk_http_server *server;
    nk_http_client *client;
    char url[64];
    pthread_t threads[64];
    size_t nthreads;
    pthread_mutex_t mutex;
} fixture;

static void *wake(void *arg)
{
    usleep(20000);
    nk_http_wake(arg);
    return NULL;
}

static void *wake_late(void *arg)
{
    usleep(600000);
    nk_http_wake(arg);
    return NULL;
}

static void defer(fixture *f, nk_http_req *req, void *(*fn)(void *))
{
    nk_http_defer(req);
    pthread_mutex_lock(&f->mutex);
    assert_int_equal(pthread_create(&f->threads[f->nthreads++], NULL, fn, req), 0);
    pthread_mutex_unlock(&f->mutex);
}

static void handle(void *arg, nk_http_req *req)
{
    fixture *f = arg;
    nk_http_answer a = {.status = 200, .content_type = "text/plain"};
    if (req->too_large) {
        a.status = 413;
        nk_http_answer_now(req, &a);
        return;
    }
    if (!req->woken && nk_str_is(req->path, "/later")) {
        defer(f, req, wake);
        return;
    }
    if (!req->woken && nk_str_is(req->path, "/late")) {
        defer(f, req, wake_late);
        return;
    }
    if (nk_str_is(req->path, "/silent"))
        return;
    nk_buf_printf(&req->out, "%.*s %.*s %zu ", NK_STR_ARG(req->method), NK_STR_ARG(req->target),
                  req->body.n);
    nk_buf_str(&req->out, req->body);
    a.body = nk_buf_view(&req->out);
    nk_http_answer_now(req, &a);
}

static int setup(void **state)
{
    fixture *f = nk_calloc(1, sizeof *f);
    nk_err err = NK_ERR_INIT;
    nk_http_config c = {
        .host = "127.0.0.1", .threads = 2, .body_max = 1 << 20, .handler = handle, .arg = f};
    pthread_mutex_init(&f->mutex, NULL);
    if (nk_http_server_start(&c, &f->server, &err) != NK_OK ||
        nk_http_client_create(NULL, &f->client, &err) != NK_OK)
        return -1;
    snprintf(f->url, sizeof f->url, "http://127.0.0.1:%d", nk_http_server_port(f->server));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    nk_http_server_stop(f->server, 2000);
    for (size_t i = 0; i < f->nthreads; i++)
        pthread_join(f->threads[i], NULL);
    nk_http_client_destroy(f->client);
    pthread_mutex_destroy(&f->mutex);
    nk_free(f);
    return 0;
}

static long ask(fixture *f, const char *method, const char *path, nk_str body, nk_buf *out)
{
    char url[512];
    nk_err err = NK_ERR_INIT;
    nk_arena *a = nk_arena_create(0);
    nk_http_reply r = {.body = out};
    snprintf(url, sizeof url, "%s%s", f->url, path);
    nk_http_call call = {.method = method, .url = url, .body = body};
    nk_code rc = nk_http_perform(f->client, &call, a, &r, &err);
    nk_arena_destroy(a);
    return rc == NK_OK ? r.status : -1;
}

static void raw_targets(void **state)
{
    static const char *const paths[] = {"/", "/a%20b/%2F//../x", "/q?a=%41&b=+&c", "/%zz?%",
                                        "/later?x=%20"};
    nk_buf out;
    nk_buf_init(&out, 1 << 20);
    for (size_t i = 0; i < NK_COUNTOF(paths); i++) {
        char want[128];
        nk_buf_clear(&out);
        assert_int_equal(ask(*state, "GET", paths[i], NK_STR(""), &out), 200);
        snprintf(want, sizeof want, "GET %s 0 ", paths[i]);
        assert_string_equal(out.p, want);
    }
    nk_buf_free(&out);
}

static void bodies(void **state)
{
    nk_buf in, out;
    nk_buf_init(&in, 8 << 20);
    nk_buf_init(&out, 8 << 20);
    const size_t sizes[] = {1, 100, 65536, (1 << 20) - 1, 1 << 20};
    for (size_t i = 0; i < NK_COUNTOF(sizes); i++) {
        nk_buf_clear(&in);
        nk_buf_clear(&out);
        char *p = nk_buf_reserve(&in, sizes[i]);
        for (size_t j = 0; j < sizes[i]; j++)
            p[j] = (char)('a' + j % 23);
        in.n = sizes[i];
        assert_int_equal(ask(*state, "POST", i % 2 ? "/later" : "/now", nk_buf_view(&in), &out),
                         200);
        assert_true(nk_str_ends(nk_buf_view(&out), nk_buf_view(&in)));
    }
    /* One byte more is refused, and so is a lot more; the connection lives or is made anew. */
    assert_non_null(nk_buf_reserve(&in, 3 << 20));
    memset(in.p, 'x', in.cap > (4 << 20) ? 4 << 20 : in.cap);
    in.n = (1 << 20) + 1;
    assert_int_equal(ask(*state, "POST", "/now", nk_buf_view(&in), &out), 413);
    in.n = 3 << 20;
    assert_int_equal(ask(*state, "POST", "/now", nk_buf_view(&in), &out), 413);
    nk_buf_clear(&out);
    assert_int_equal(ask(*state, "GET", "/after", NK_STR(""), &out), 200);
    nk_buf_free(&in);
    nk_buf_free(&out);
}

static void a_handler_that_forgets(void **state)
{
    nk_buf out;
    nk_buf_init(&out, 1 << 20);
    assert_int_equal(ask(*state, "GET", "/silent", NK_STR(""), &out), 500);
    nk_buf_free(&out);
}

static void *ask_late(void *arg)
{
    nk_buf out;
    nk_buf_init(&out, 1 << 20);
    long status = ask(arg, "GET", "/late", NK_STR(""), &out);
    nk_buf_free(&out);
    return (void *)(intptr_t)status;
}

/* A server that stops does not wait for ever: the client is told, the late answer goes nowhere. */
static void stops_over_a_late_answer(void **state)
{
    void *mine = NULL, *result;
    pthread_t t;
    assert_int_equal(setup(&mine), 0);
    fixture *f = mine;
    assert_int_equal(pthread_create(&t, NULL, ask_late, f), 0);
    for (size_t n = 0; n == 0;) {
        pthread_mutex_lock(&f->mutex);
        n = f->nthreads;
        pthread_mutex_unlock(&f->mutex);
        usleep(1000);
    }
    nk_http_server_stop(f->server, 50);
    pthread_join(t, &result);
    assert_int_equal((intptr_t)result, 503);
    pthread_join(f->threads[0], NULL);
    nk_http_client_destroy(f->client);
    pthread_mutex_destroy(&f->mutex);
    nk_free(f);
}

static int dial(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Sends `drip` until the server ends the connection; how often. */
static int drip_until_ended(int fd, const char *drip)
{
    char c;
    for (int n = 0; n < 600; n++) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 50) == 1 && recv(fd, &c, 1, 0) <= 0)
            return n;
        if (send(fd, drip, strlen(drip), MSG_NOSIGNAL) < 0)
            return n;
    }
    return -1;
}

/* Many at once, while others come and go and one waits for a late answer. */
static void dripping_clients_are_ended(void **state)
{
    enum { N = 16 };
    fixture *f = nk_calloc(1, sizeof *f);
    nk_err err = NK_ERR_INIT;
    nk_buf out;
    int fds[N];
    nk_http_config c = {.host = "127.0.0.1",
                        .threads = 2,
                        .idle_timeout_s = 1,
                        .header_timeout_s = 1,
                        .request_timeout_s = 1,
                        .handler = handle,
                        .arg = f};
    nk_buf_init(&out, 1 << 20);
    pthread_mutex_init(&f->mutex, NULL);
    assert_int_equal(nk_http_server_start(&c, &f->server, &err), NK_OK);
    assert_int_equal(nk_http_client_create(NULL, &f->client, &err), NK_OK);
    snprintf(f->url, sizeof f->url, "http://127.0.0.1:%d", nk_http_server_port(f->server));
    for (int i = 0; i < N; i++)
        fds[i] = dial(nk_http_server_port(f->server));
    for (int i = 0; i < N; i++) {
        const char *head = i % 2 ? "GET / HTTP/1.1\r\nHost: x\r\nX-Drip: " : "";
        send(fds[i], head, strlen(head), MSG_NOSIGNAL);
        if (i % 4 == 0) {
            assert_int_equal(ask(f, "GET", "/late", NK_STR(""), &out), 200);
            nk_buf_clear(&out);
        }
    }
    for (int i = 0; i < N; i++) {
        assert_true(drip_until_ended(fds[i], "x") >= 0);
        close(fds[i]);
    }
    int idle = dial(nk_http_server_port(f->server)); /* one is left when the server stops */
    nk_buf_free(&out);
    void *mine = f;
    teardown(&mine);
    close(idle);
}

static void no_server(void **state)
{
    int port;
    char url[64];
    nk_err err = NK_ERR_INIT;
    fixture *f = *state;
    nk_arena *a = nk_arena_create(0);
    nk_http_reply r = {0};
    assert_int_equal(nk_free_port(0, &port, &err), NK_OK);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
    nk_http_call call = {.method = "GET", .url = url};
    assert_int_equal(nk_http_perform(f->client, &call, a, &r, &err), NK_E_UNAVAILABLE);
    assert_non_null(strstr(err.msg, url));
    nk_arena_destroy(a);
}

static void escaping(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_buf b;
    nk_buf_init(&b, 4096);
    assert_int_equal(nk_uri_escape(&b, NK_STR("a/b c~é+%"), true), NK_OK);
    assert_string_equal(b.p, "a/b%20c~%C3%A9%2B%25");
    assert_true(nk_str_is(nk_uri_unescape(a, nk_buf_view(&b), true), "a/b c~é+%"));
    assert_true(nk_str_is(nk_uri_unescape(a, NK_STR("+%4"), true), " %4"));
    assert_true(nk_str_is(nk_uri_unescape(a, NK_STR("+%zz%41"), false), "+%zzA"));
    nk_buf_free(&b);
    nk_arena_destroy(a);
}

static nk_sigv4_auth auth_of(const char *id, const char *token)
{
    return (nk_sigv4_auth){.access_key = nk_str_c(id),
                           .token = nk_str_c(token),
                           .date = NK_STR("20150830"),
                           .region = NK_STR("r"),
                           .service = NK_STR("glue")};
}

static void keys(void **state)
{
    nk_keys *k;
    nk_err err = NK_ERR_INIT;
    nk_sigv4_key one, two, want;
    char scope[64], id[21], secret[41];
    assert_int_equal(nk_keys_create(&k, &err), NK_OK);
    assert_int_equal(nk_keys_add(k, "AK", "secret", NULL, NULL, &err), NK_OK);
    assert_int_equal(nk_keys_add(k, "AK", "other", NULL, NULL, &err), NK_E_EXISTS);
    assert_int_equal(nk_keys_add(k, "TK", "secret", "token", "run-1", &err), NK_OK);
    assert_int_equal(nk_keys_add(k, "a/b", "secret", NULL, NULL, &err), NK_E_INVALID);
    nk_sigv4_derive(NK_STR("secret"), NK_STR("20150830"), NK_STR("r"), NK_STR("glue"), &want);
    nk_sigv4_auth auth = auth_of("AK", NULL);
    assert_int_equal(nk_keys_derive(k, &auth, &one, scope, &err), NK_OK);
    assert_int_equal(nk_keys_derive(k, &auth, &two, scope, &err), NK_OK);
    assert_memory_equal(&one, &want, sizeof want);
    assert_memory_equal(&two, &want, sizeof want);
    assert_string_equal(scope, "");
    /* More scopes than are remembered. */
    for (int i = 0; i < 100; i++) {
        char date[32];
        snprintf(date, sizeof date, "201508%02d", i);
        auth.date = nk_str_c(date);
        nk_sigv4_derive(NK_STR("secret"), auth.date, auth.region, auth.service, &want);
        assert_int_equal(nk_keys_derive(k, &auth, &one, scope, &err), NK_OK);
        assert_memory_equal(&one, &want, sizeof want);
    }
    const struct {
        const char *id, *token;
        nk_code code;
    } rows[] = {{"AK", "token", NK_E_AUTH_UNKNOWN_KEY},
                {"TK", NULL, NK_E_AUTH_UNKNOWN_KEY},
                {"TK", "tokem", NK_E_AUTH_UNKNOWN_KEY},
                {"XX", NULL, NK_E_AUTH_UNKNOWN_KEY},
                {"TK", "token", NK_OK}};
    for (size_t i = 0; i < NK_COUNTOF(rows); i++) {
        auth = auth_of(rows[i].id, rows[i].token);
        assert_int_equal(nk_keys_derive(k, &auth, &one, scope, &err), rows[i].code);
    }
    assert_string_equal(scope, "run-1");
    assert_int_equal(nk_keys_make(k, nk_env_real(), "run-1", id, secret, &err), NK_OK);
    assert_int_equal(strlen(id), 20);
    assert_int_equal(strlen(secret), 40);
    nk_keys_remove_scope(k, "run-1");
    auth = auth_of("TK", "token");
    assert_int_equal(nk_keys_derive(k, &auth, &one, scope, &err), NK_E_AUTH_UNKNOWN_KEY);
    auth = auth_of(id, NULL);
    assert_int_equal(nk_keys_derive(k, &auth, &one, scope, &err), NK_E_AUTH_UNKNOWN_KEY);
    auth = auth_of("AK", NULL);
    assert_int_equal(nk_keys_derive(k, &auth, &one, scope, &err), NK_OK);
    nk_keys_destroy(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_targets),
        cmocka_unit_test(bodies),
        cmocka_unit_test(a_handler_that_forgets),
        cmocka_unit_test(no_server),
        cmocka_unit_test(escaping),
        cmocka_unit_test(dripping_clients_are_ended),
        cmocka_unit_test(stops_over_a_late_answer),
        cmocka_unit_test(keys),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
