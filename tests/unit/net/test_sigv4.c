/* Signatures: AWS's published vectors (where deps/ has put them), and what they leave out. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/sigv4.h"

#define KEY    NK_STR("AKIDEXAMPLE")
#define SECRET NK_STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")

/* A vector's request file, taken apart as a server would. */
typedef struct parsed {
    nk_sigv4_request req;
    nk_header headers[64];
} parsed;

static void parse(nk_str text, nk_arena *a, parsed *out)
{
    nk_str rest = text, line;
    memset(out, 0, sizeof *out);
    assert_true(nk_str_split(&rest, '\n', &line));
    ptrdiff_t sp = nk_str_chr(line, ' ');
    ptrdiff_t last = nk_str_rchr(line, ' ');
    out->req.method = nk_str_sub(line, 0, (size_t)sp);
    nk_str target = nk_str_sub(line, (size_t)sp + 1, (size_t)last);
    ptrdiff_t q = nk_str_chr(target, '?');
    out->req.path = q < 0 ? target : nk_str_sub(target, 0, (size_t)q);
    out->req.query = q < 0 ? NK_STR("") : nk_str_sub(target, (size_t)q + 1, target.n);
    size_t n = 0;
    while (nk_str_split(&rest, '\n', &line) && nk_str_trim(line).n) {
        if (line.p[0] == ' ' || line.p[0] == '\t') { /* folded */
            nk_header *h = &out->headers[n - 1];
            h->value =
                nk_str_printf(a, "%.*s %.*s", NK_STR_ARG(h->value), NK_STR_ARG(nk_str_trim(line)));
            continue;
        }
        ptrdiff_t colon = nk_str_chr(line, ':');
        assert_true(colon > 0);
        out->headers[n].name = nk_str_sub(line, 0, (size_t)colon);
        out->headers[n++].value = nk_str_sub(line, (size_t)colon + 1, line.n);
    }
    out->req.headers = out->headers;
    out->req.nheaders = n;
    out->req.body = rest.p ? rest : NK_STR("");
}

static nk_str slurp(const char *dir, const char *name, const char *ext, nk_arena *a)
{
    char path[1024];
    nk_str s;
    nk_err err = NK_ERR_INIT;
    snprintf(path, sizeof path, "%s/%s.%s", dir, name, ext);
    if (nk_file_read(path, 1 << 20, a, &s, &err) != NK_OK)
        return NK_STR_NULL;
    /* Some have \r\n. */
    char *p = nk_arena_bytes(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '\r')
            p[n++] = s.p[i];
    return nk_str_n(p, n);
}

/* One folder of vectors: the canonical request byte for byte, and a verification of the header
 * given. */
static int check_vector(const char *dir, const char *name)
{
    nk_arena *a = nk_arena_create(0);
    nk_str text = slurp(dir, name, "req", a), creq = slurp(dir, name, "creq", a);
    nk_str authz = slurp(dir, name, "authz", a), got;
    parsed p;
    nk_sigv4_auth auth;
    nk_sigv4_key key;
    nk_err err = NK_ERR_INIT;
    if (!text.p || !creq.p || !authz.p) {
        nk_arena_destroy(a);
        return 0;
    }
    /* The session token stands in the signed request only. */
    if (nk_str_find(creq, NK_STR("x-amz-security-token:")) >= 0)
        text = slurp(dir, name, "sreq", a);
    parse(text, a, &p);
    if (p.req.nheaders && nk_str_is(p.headers[p.req.nheaders - 1].name, "Authorization"))
        p.req.nheaders--;
    p.headers[p.req.nheaders++] = (nk_header){NK_STR("Authorization"), authz};
    assert_int_equal(nk_sigv4_parse(&p.req, a, &auth, &err), NK_OK);
    ptrdiff_t nl = nk_str_rchr(creq, '\n');
    assert_int_equal(nk_sigv4_canonical(&p.req, auth.signed_headers,
                                        nk_str_sub(creq, (size_t)nl + 1, creq.n), NK_SIGV4_PLAIN,
                                        false, a, &got, &err),
                     NK_OK);
    if (!nk_str_eq(got, creq))
        fail_msg("%s: canonical request\n%.*s\nwanted\n%.*s", name, NK_STR_ARG(got),
                 NK_STR_ARG(creq));
    nk_sigv4_derive(SECRET, auth.date, auth.region, auth.service, &key);
    nk_code rc = nk_sigv4_verify(&p.req, &auth, &key, NK_SIGV4_PLAIN, auth.time_us, 900, a, &err);
    if (rc != NK_OK)
        fail_msg("%s: %s", name, err.msg);
    /* One hour later it is no longer good, and with another key never. */
    assert_int_equal(nk_sigv4_verify(&p.req, &auth, &key, NK_SIGV4_PLAIN, auth.time_us + 3600000000,
                                     900, a, &err),
                     NK_E_AUTH_SIGNATURE);
    nk_sigv4_derive(NK_STR("other"), auth.date, auth.region, auth.service, &key);
    assert_int_equal(
        nk_sigv4_verify(&p.req, &auth, &key, NK_SIGV4_PLAIN, auth.time_us, 900, a, &err),
        NK_E_AUTH_SIGNATURE);
    nk_arena_destroy(a);
    return 1;
}

static int walk(const char *dir, int depth)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    int n = 0;
    if (!d)
        return 0;
    while ((e = readdir(d))) {
        char path[1024];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        n += check_vector(path, e->d_name);
        if (depth)
            n += walk(path, depth - 1);
    }
    closedir(d);
    return n;
}

static void vectors(void **state)
{
    char dir[1024];
    const char *deps = getenv("NIKAWA_DEPS"), *home = getenv("HOME");
    if (deps && *deps)
        snprintf(dir, sizeof dir, "%s/data/aws4_testsuite", deps);
    else
        snprintf(dir, sizeof dir, "%s/.cache/nikawa/data/aws4_testsuite", home ? home : "");
    int n = walk(dir, 1);
    if (!n) {
        print_message("no vectors in %s\n", dir);
        skip();
    }
    print_message("%d vectors\n", n);
    assert_true(n >= 25);
}

/* What is signed here verifies; any change does not. */
static void sign_and_verify(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_err err = NK_ERR_INIT;
    nk_header base[12] = {{NK_STR("Host"), NK_STR("h:1")}, {NK_STR("X-Two"), NK_STR("  a   b ")}};
    nk_sigv4_request req = {.method = NK_STR("POST"),
                            .path = NK_STR("/a%20b//c/../d/"),
                            .query = NK_STR("z=1&a=%2f&a=&b"),
                            .headers = base,
                            .nheaders = 2,
                            .body = NK_STR("{\"x\":1}")};
    nk_sigv4_credentials cred = {KEY, SECRET, NK_STR_NULL, NK_STR("eu-west-1"), NK_STR("glue")};
    nk_header *extra;
    nk_sigv4_auth auth;
    nk_sigv4_key key;
    size_t n;
    int64_t now = 1440938160000000;
    assert_int_equal(nk_sigv4_sign(&req, &cred, NK_SIGV4_PLAIN, NULL, now, a, &extra, &n, &err),
                     NK_OK);
    memcpy(base + 2, extra, n * sizeof *extra);
    req.nheaders += n;
    assert_int_equal(nk_sigv4_parse(&req, a, &auth, &err), NK_OK);
    assert_true(nk_str_is(auth.region, "eu-west-1") && nk_str_is(auth.service, "glue"));
    nk_sigv4_derive(SECRET, auth.date, auth.region, auth.service, &key);
    assert_int_equal(nk_sigv4_verify(&req, &auth, &key, NK_SIGV4_PLAIN, now, 900, a, &err), NK_OK);
    /* The same thing written otherwise. */
    nk_sigv4_request same = req;
    same.path = NK_STR("/a%20b/d/");
    same.query = NK_STR("a=%2F&b=&a=&z=1");
    assert_int_equal(nk_sigv4_verify(&same, &auth, &key, NK_SIGV4_PLAIN, now, 900, a, &err), NK_OK);
    struct {
        nk_str *what;
        nk_str with;
    } changes[] = {
        {&same.method, NK_STR("PUT")},         {&same.path, NK_STR("/a%20b/d")},
        {&same.query, NK_STR("z=1&a=%2f&a=")}, {&same.body, NK_STR("{\"x\":2}")},
        {&base[1].value, NK_STR("a bb")},      {&base[0].value, NK_STR("h:2")},
    };
    for (size_t i = 0; i < NK_COUNTOF(changes); i++) {
        nk_str was = *changes[i].what;
        same = req;
        *changes[i].what = changes[i].with;
        assert_int_equal(nk_sigv4_verify(&same, &auth, &key, NK_SIGV4_PLAIN, now, 900, a, &err),
                         NK_E_AUTH_SIGNATURE);
        assert_non_null(strstr(err.msg, "does not match the signature you provided"));
        *changes[i].what = was;
    }
    nk_arena_destroy(a);
}

static void presigned(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_err err = NK_ERR_INIT;
    nk_header host = {NK_STR("host"), NK_STR("h")};
    nk_sigv4_request req = {.method = NK_STR("GET"),
                            .path = NK_STR("/"),
                            .query = NK_STR("Action=X"),
                            .headers = &host,
                            .nheaders = 1};
    nk_sigv4_credentials cred = {KEY, SECRET, NK_STR("tok/en+="), NK_STR("us-east-1"),
                                 NK_STR("sts")};
    nk_sigv4_auth auth;
    nk_sigv4_key key;
    int64_t now = 1440938160000000;
    assert_int_equal(nk_sigv4_presign(&req, &cred, NK_SIGV4_PLAIN, now, 60, a, &req.query, &err),
                     NK_OK);
    assert_int_equal(nk_sigv4_parse(&req, a, &auth, &err), NK_OK);
    assert_true(nk_str_is(auth.token, "tok/en+="));
    assert_int_equal(auth.expires_s, 60);
    nk_sigv4_derive(SECRET, auth.date, auth.region, auth.service, &key);
    assert_int_equal(
        nk_sigv4_verify(&req, &auth, &key, NK_SIGV4_PLAIN, now + 59000000, 900, a, &err), NK_OK);
    assert_int_equal(
        nk_sigv4_verify(&req, &auth, &key, NK_SIGV4_PLAIN, now + 62000000, 900, a, &err),
        NK_E_AUTH_SIGNATURE);
    assert_non_null(strstr(err.msg, "Signature expired: 20150830T123600Z is now earlier than"));
    nk_arena_destroy(a);
}

static void refusals(void **state)
{
    static const struct {
        const char *authorization, *date;
        nk_code code;
        const char *says;
    } rows[] = {
#define GOOD_TAIL ", SignedHeaders=host;x-amz-date, Signature=00"
        {NULL, "20150830T123600Z", NK_E_AUTH_MISSING, "Missing Authentication Token"},
        {"Basic abc", "20150830T123600Z", NK_E_AUTH_MISSING, "Missing Authentication Token"},
        {"AWS4-HMAC-SHA1 Credential=x", "20150830T123600Z", NK_E_AUTH_INCOMPLETE,
         "Unsupported AWS 'algorithm'"},
        {"AWS4-HMAC-SHA256", "20150830T123600Z", NK_E_AUTH_INCOMPLETE,
         "requires 'Credential' parameter"},
        {"AWS4-HMAC-SHA256 Credential=a, SignedHeaders=b", "20150830T123600Z", NK_E_AUTH_INCOMPLETE,
         "requires 'Signature' parameter"},
        {"AWS4-HMAC-SHA256 Credential", "20150830T123600Z", NK_E_AUTH_INCOMPLETE,
         "missing equal-sign"},
        {"AWS4-HMAC-SHA256 Credential=a/b/c" GOOD_TAIL, "20150830T123600Z", NK_E_AUTH_INCOMPLETE,
         "exactly 5 slash-delimited"},
        {"AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws5" GOOD_TAIL, "20150830T123600Z",
         NK_E_AUTH_SIGNATURE, "valid terminator"},
        {"AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request" GOOD_TAIL, "2015-08-30",
         NK_E_AUTH_INCOMPLETE, "ISO-8601 'basic format'"},
        {"AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request" GOOD_TAIL, "20151330T123600Z",
         NK_E_AUTH_INCOMPLETE, "ISO-8601 'basic format'"},
        {"AWS4-HMAC-SHA256 Credential=a/20150829/r/s/aws4_request" GOOD_TAIL, "20150830T123600Z",
         NK_E_AUTH_SIGNATURE, "'20150829' != '20150830'"},
        {"AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request" GOOD_TAIL, NULL,
         NK_E_AUTH_INCOMPLETE, "existence of either a 'X-Amz-Date' or a 'Date'"},
        {"AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request, SignedHeaders=x-amz-date, "
         "Signature=00",
         "20150830T123600Z", NK_E_AUTH_SIGNATURE, "'Host' or ':authority' must be"},
        {"AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request, SignedHeaders=host, "
         "Signature=00",
         "20150830T123600Z", NK_E_AUTH_SIGNATURE, "must be a 'SignedHeader'"},
        {"AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request, "
         "SignedHeaders=host;host;x-amz-date, "
         "Signature=00",
         "20150830T123600Z", NK_E_AUTH_INCOMPLETE, "twice"},
    };
    for (size_t i = 0; i < NK_COUNTOF(rows); i++) {
        nk_arena *a = nk_arena_create(0);
        nk_err err = NK_ERR_INIT;
        nk_header headers[3] = {{NK_STR("Host"), NK_STR("h")}};
        nk_sigv4_request req = {
            .method = NK_STR("POST"), .path = NK_STR("/"), .headers = headers, .nheaders = 1};
        nk_sigv4_auth auth;
        if (rows[i].authorization)
            headers[req.nheaders++] =
                (nk_header){NK_STR("Authorization"), nk_str_c(rows[i].authorization)};
        if (rows[i].date)
            headers[req.nheaders++] = (nk_header){NK_STR("X-Amz-Date"), nk_str_c(rows[i].date)};
        assert_int_equal(nk_sigv4_parse(&req, a, &auth, &err), rows[i].code);
        if (!strstr(err.msg, rows[i].says))
            fail_msg("row %zu says: %s", i, err.msg);
        nk_arena_destroy(a);
    }
}

static void http_date(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_err err = NK_ERR_INIT;
    nk_header headers[] = {
        {NK_STR("Host"), NK_STR("h")},
        {NK_STR("Date"), NK_STR("Sun, 30 Aug 2015 12:36:00 GMT")},
        {NK_STR("Authorization"), NK_STR("AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request, "
                                         "SignedHeaders=date;host, Signature=00")}};
    nk_sigv4_request req = {
        .method = NK_STR("POST"), .path = NK_STR("/"), .headers = headers, .nheaders = 3};
    nk_sigv4_auth auth;
    assert_int_equal(nk_sigv4_parse(&req, a, &auth, &err), NK_OK);
    assert_true(nk_str_is(auth.timestamp, "20150830T123600Z"));
    nk_arena_destroy(a);
}

/* An unsigned payload passes under TLS alone. */
static void unsigned_payload(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_err err = NK_ERR_INIT;
    nk_header headers[12] = {{NK_STR("Host"), NK_STR("h")},
                             {NK_STR("x-amz-content-sha256"), NK_STR("UNSIGNED-PAYLOAD")}};
    nk_sigv4_request req = {.method = NK_STR("POST"),
                            .path = NK_STR("/"),
                            .headers = headers,
                            .nheaders = 2,
                            .body = NK_STR("body")};
    nk_sigv4_credentials cred = {KEY, SECRET, NK_STR_NULL, NK_STR("r"), NK_STR("glue")};
    nk_sigv4_auth auth;
    nk_sigv4_key key;
    nk_header *extra;
    size_t n;
    assert_int_equal(nk_sigv4_sign(&req, &cred, NK_SIGV4_PLAIN, "UNSIGNED-PAYLOAD",
                                   1440938160000000, a, &extra, &n, &err),
                     NK_OK);
    memcpy(headers + 2, extra, n * sizeof *extra);
    req.nheaders += n;
    assert_int_equal(nk_sigv4_parse(&req, a, &auth, &err), NK_OK);
    nk_sigv4_derive(SECRET, auth.date, auth.region, auth.service, &key);
    assert_int_equal(nk_sigv4_verify(&req, &auth, &key, NK_SIGV4_PLAIN, auth.time_us, 900, a, &err),
                     NK_E_AUTH_SIGNATURE);
    req.tls = true;
    assert_int_equal(nk_sigv4_verify(&req, &auth, &key, NK_SIGV4_PLAIN, auth.time_us, 900, a, &err),
                     NK_OK);
    nk_arena_destroy(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),   cmocka_unit_test(sign_and_verify),
        cmocka_unit_test(presigned), cmocka_unit_test(refusals),
        cmocka_unit_test(http_date), cmocka_unit_test(unsigned_payload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
