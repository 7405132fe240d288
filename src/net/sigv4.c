/* The low-level SHA-256 of OpenSSL lets us keep the two states of a derived HMAC key, which halves
 * the work of a verification; the high-level interface fetches its algorithm anew on every call. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/sigv4.h"

#define ALGORITHM   "AWS4-HMAC-SHA256"
#define TERMINATOR  "aws4_request"
#define UNSIGNED    "UNSIGNED-PAYLOAD"
#define EXPIRES_MAX 604800

/* ---- HMAC ---- */

static void sha256_resume(SHA256_CTX *c, const uint32_t state[8])
{
    SHA256_Init(c);
    for (int i = 0; i < 8; i++)
        c->h[i] = state[i];
    c->Nl = 64 * 8; /* one block is behind us */
}

static void pad_state(const unsigned char key[64], unsigned char with, uint32_t state[8])
{
    unsigned char block[64];
    SHA256_CTX c;
    for (int i = 0; i < 64; i++)
        block[i] = key[i] ^ with;
    SHA256_Init(&c);
    SHA256_Transform(&c, block);
    for (int i = 0; i < 8; i++)
        state[i] = (uint32_t)c.h[i];
}

static void key_init(nk_sigv4_key *k, const void *key, size_t n)
{
    unsigned char block[64] = {0};
    if (n > sizeof block) {
        SHA256_CTX c;
        SHA256_Init(&c);
        SHA256_Update(&c, key, n);
        SHA256_Final(block, &c);
    } else if (n) {
        memcpy(block, key, n);
    }
    pad_state(block, 0x36, k->inner);
    pad_state(block, 0x5c, k->outer);
}

static void key_mac(const nk_sigv4_key *k, const void *p, size_t n, uint8_t out[32])
{
    SHA256_CTX c;
    sha256_resume(&c, k->inner);
    SHA256_Update(&c, p, n);
    SHA256_Final(out, &c);
    sha256_resume(&c, k->outer);
    SHA256_Update(&c, out, 32);
    SHA256_Final(out, &c);
}

static void sha256_hex(const void *p, size_t n, char out[65])
{
    uint8_t digest[32];
    SHA256_CTX c;
    SHA256_Init(&c);
    SHA256_Update(&c, p, n);
    SHA256_Final(digest, &c);
    nk_hex(digest, 32, out);
}

void nk_sigv4_derive(nk_str secret, nk_str date, nk_str region, nk_str service, nk_sigv4_key *out)
{
    nk_sigv4_key k;
    uint8_t mac[32];
    char first[4 + 256];
    size_t n = secret.n < 256 ? secret.n : 256;
    memcpy(first, "AWS4", 4);
    memcpy(first + 4, secret.p, n);
    key_init(&k, first, 4 + n);
    key_mac(&k, date.p, date.n, mac);
    key_init(&k, mac, 32);
    key_mac(&k, region.p, region.n, mac);
    key_init(&k, mac, 32);
    key_mac(&k, service.p, service.n, mac);
    key_init(&k, mac, 32);
    key_mac(&k, TERMINATOR, sizeof TERMINATOR - 1, mac);
    key_init(out, mac, 32);
}

/* ---- small helpers ---- */

static nk_str header(const nk_sigv4_request *req, const char *name)
{
    nk_str want = nk_str_c(name);
    for (size_t i = 0; i < req->nheaders; i++)
        if (req->headers[i].name.n == want.n && nk_str_ieq(req->headers[i].name, want))
            return req->headers[i].value;
    return NK_STR_NULL;
}

/* Text written into memory whose size was worked out before. */
typedef struct writer {
    char *p;
    size_t n;
} writer;

static void put(writer *w, nk_str s)
{
    if (s.n)
        memcpy(w->p + w->n, s.p, s.n);
    w->n += s.n;
}
static void putch(writer *w, char c)
{
    w->p[w->n++] = c;
}

static const char upper_hex[] = "0123456789ABCDEF";

static bool plain_byte(unsigned char c)
{
    static const unsigned char table[256] = {
        ['-'] = 1,         ['.'] = 1,         ['_'] = 1,         ['~'] = 1,
        ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
    };
    return table[c];
}

static void put_escaped_byte(writer *w, unsigned char c)
{
    putch(w, '%');
    putch(w, upper_hex[c >> 4]);
    putch(w, upper_hex[c & 15]);
}

static int hexval(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* ---- the canonical request ---- */

static void put_segment(writer *w, nk_str seg)
{
    for (size_t i = 0; i < seg.n; i++) {
        unsigned char c = (unsigned char)seg.p[i];
        if (plain_byte(c))
            putch(w, (char)c);
        else
            put_escaped_byte(w, c);
    }
}

/* Dots and empty segments out (RFC 3986 5.2.4, and AWS's squashing of slashes), the rest escaped
 * once more. */
static nk_code put_plain_path(writer *w, nk_str path, nk_arena *a)
{
    size_t cap = 2, n = 0;
    for (size_t i = 0; i < path.n; i++)
        cap += path.p[i] == '/';
    nk_str *segs = NK_NEWN(a, nk_str, cap);
    if (!segs)
        return NK_E_NOMEM;
    nk_str rest = path, seg;
    while (nk_str_split(&rest, '/', &seg)) {
        if (seg.n == 0 || (seg.n == 1 && seg.p[0] == '.'))
            continue;
        if (seg.n == 2 && seg.p[0] == '.' && seg.p[1] == '.')
            n -= n > 0;
        else
            segs[n++] = seg;
    }
    for (size_t i = 0; i < n; i++) {
        putch(w, '/');
        put_segment(w, segs[i]);
    }
    if (n == 0 || path.p[path.n - 1] == '/')
        putch(w, '/');
    return NK_OK;
}

/* S3's path: each byte as it stands, escapes normalized to upper case. */
static void put_s3_path(writer *w, nk_str path)
{
    for (size_t i = 0; i < path.n; i++) {
        unsigned char c = (unsigned char)path.p[i];
        int hi, lo;
        if (c == '%' && i + 2 < path.n && (hi = hexval((unsigned char)path.p[i + 1])) >= 0 &&
            (lo = hexval((unsigned char)path.p[i + 2])) >= 0) {
            put_escaped_byte(w, (unsigned char)(hi << 4 | lo));
            i += 2;
        } else if (plain_byte(c) || c == '/') {
            putch(w, (char)c);
        } else {
            put_escaped_byte(w, c);
        }
    }
}

static nk_code put_path(writer *w, nk_str path, nk_sigv4_style style, nk_arena *a)
{
    if (path.n == 0 || (path.n == 1 && path.p[0] == '/')) {
        putch(w, '/');
        return NK_OK;
    }
    if (style == NK_SIGV4_S3) {
        put_s3_path(w, path);
        return NK_OK;
    }
    return put_plain_path(w, path, a);
}

static void put_query_part(writer *w, nk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        int hi, lo;
        if (c == '%' && i + 2 < s.n && (hi = hexval((unsigned char)s.p[i + 1])) >= 0 &&
            (lo = hexval((unsigned char)s.p[i + 2])) >= 0) {
            c = (unsigned char)(hi << 4 | lo);
            i += 2;
        } else if (c == '+') {
            c = ' '; /* as a server reads a query */
        }
        if (plain_byte(c))
            putch(w, (char)c);
        else
            put_escaped_byte(w, c);
    }
}

static int param_cmp(const void *x, const void *y)
{
    const nk_header *a = x, *b = y;
    int c = nk_str_cmp(a->name, b->name);
    return c ? c : nk_str_cmp(a->value, b->value);
}

static nk_code put_query(writer *w, nk_str query, bool presigned, nk_arena *a)
{
    if (query.n == 0)
        return NK_OK;
    size_t cap = 1, n = 0;
    for (size_t i = 0; i < query.n; i++)
        cap += query.p[i] == '&';
    nk_header *params = NK_NEWN(a, nk_header, cap);
    writer tmp = {nk_arena_bytes(a, query.n * 3 + 1), 0};
    if (!params || !tmp.p)
        return NK_E_NOMEM;
    nk_str rest = query, piece;
    while (nk_str_split(&rest, '&', &piece)) {
        if (piece.n == 0)
            continue;
        ptrdiff_t eq = nk_str_chr(piece, '=');
        nk_str name = eq < 0 ? piece : nk_str_sub(piece, 0, (size_t)eq);
        nk_str value = eq < 0 ? NK_STR("") : nk_str_sub(piece, (size_t)eq + 1, piece.n);
        size_t at = tmp.n;
        put_query_part(&tmp, name);
        params[n].name = nk_str_n(tmp.p + at, tmp.n - at);
        if (presigned && nk_str_eq(params[n].name, NK_STR("X-Amz-Signature")))
            continue;
        at = tmp.n;
        put_query_part(&tmp, value);
        params[n++].value = nk_str_n(tmp.p + at, tmp.n - at);
    }
    if (n > 1)
        qsort(params, n, sizeof params[0], param_cmp);
    for (size_t i = 0; i < n; i++) {
        if (i)
            putch(w, '&');
        put(w, params[i].name);
        putch(w, '=');
        put(w, params[i].value);
    }
    return NK_OK;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f';
}

/* Trimmed, runs of blanks made one. */
static void put_header_value(writer *w, nk_str v)
{
    while (v.n && blank(v.p[0])) {
        v.p++;
        v.n--;
    }
    while (v.n && blank(v.p[v.n - 1]))
        v.n--;
    for (size_t i = 0; i < v.n; i++) {
        if (!blank(v.p[i]))
            putch(w, v.p[i]);
        else if (!blank(v.p[i - 1]))
            putch(w, ' ');
    }
}

static void put_headers(writer *w, const nk_sigv4_request *req, nk_str signed_headers)
{
    nk_str rest = signed_headers, name;
    while (nk_str_split(&rest, ';', &name)) {
        for (size_t i = 0; i < name.n; i++) {
            char c = name.p[i];
            putch(w, c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c);
        }
        putch(w, ':');
        bool first = true;
        for (size_t i = 0; i < req->nheaders; i++) {
            if (req->headers[i].name.n != name.n || !nk_str_ieq(req->headers[i].name, name))
                continue;
            if (!first)
                putch(w, ',');
            first = false;
            put_header_value(w, req->headers[i].value);
        }
        putch(w, '\n');
    }
}

nk_code nk_sigv4_canonical(const nk_sigv4_request *req, nk_str signed_headers, nk_str payload_hash,
                           nk_sigv4_style style, bool presigned, nk_arena *a, nk_str *out,
                           nk_err *err)
{
    /* Each byte grows to three at most; a header named twice in signed_headers is refused by
     * verify. */
    size_t cap = req->method.n + 3 * (req->path.n + req->query.n) + 2 * req->query.n +
                 2 * signed_headers.n + payload_hash.n + 64;
    for (size_t i = 0; i < req->nheaders; i++)
        cap += req->headers[i].value.n + 1;
    writer w = {nk_arena_bytes(a, cap + 1), 0};
    if (!w.p)
        return nk_fail(err, NK_E_NOMEM, "no memory for a canonical request");
    put(&w, req->method);
    putch(&w, '\n');
    nk_code rc = put_path(&w, req->path, style, a);
    putch(&w, '\n');
    if (rc == NK_OK)
        rc = put_query(&w, req->query, presigned, a);
    if (rc != NK_OK)
        return nk_fail(err, rc, "no memory for a canonical request");
    putch(&w, '\n');
    put_headers(&w, req, signed_headers);
    putch(&w, '\n');
    put(&w, signed_headers);
    putch(&w, '\n');
    put(&w, payload_hash);
    w.p[w.n] = 0;
    *out = nk_str_n(w.p, w.n);
    return NK_OK;
}

/* ---- reading what a request says of its signature ---- */

static bool digits(nk_str s, size_t from, size_t n, int *out)
{
    int v = 0;
    for (size_t i = from; i < from + n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        v = v * 10 + (s.p[i] - '0');
    }
    *out = v;
    return true;
}

static bool sane(const nk_civil *c)
{
    return c->year >= 1970 && c->month >= 1 && c->month <= 12 && c->day >= 1 && c->day <= 31 &&
           c->hour <= 23 && c->minute <= 59 && c->second <= 60;
}

/* 20150830T123600Z */
static bool parse_basic(nk_str s, int64_t *us)
{
    nk_civil c = {0};
    if (s.n != 16 || s.p[8] != 'T' || s.p[15] != 'Z')
        return false;
    if (!digits(s, 0, 4, &c.year) || !digits(s, 4, 2, &c.month) || !digits(s, 6, 2, &c.day) ||
        !digits(s, 9, 2, &c.hour) || !digits(s, 11, 2, &c.minute) || !digits(s, 13, 2, &c.second) ||
        !sane(&c))
        return false;
    *us = nk_civil_to_us(&c);
    return true;
}

/* Sun, 30 Aug 2015 12:36:00 GMT */
static bool parse_http_date(nk_str s, int64_t *us)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    nk_civil c = {0};
    if (s.n != 29 || memcmp(s.p + 25, " GMT", 4) != 0)
        return false;
    for (int m = 0; m < 12; m++)
        if (memcmp(s.p + 8, months + m * 3, 3) == 0)
            c.month = m + 1;
    if (!digits(s, 5, 2, &c.day) || !digits(s, 12, 4, &c.year) || !digits(s, 17, 2, &c.hour) ||
        !digits(s, 20, 2, &c.minute) || !digits(s, 23, 2, &c.second) || !sane(&c))
        return false;
    *us = nk_civil_to_us(&c);
    return true;
}

static void format_basic(int64_t us, char out[17])
{
    nk_civil c = nk_civil_from_us(us);
    snprintf(out, 17, "%04u%02u%02uT%02u%02u%02uZ", (unsigned)c.year % 10000,
             (unsigned)c.month % 100, (unsigned)c.day % 100, (unsigned)c.hour % 100,
             (unsigned)c.minute % 100, (unsigned)c.second % 100);
}

static nk_code take_date(nk_str text, nk_arena *a, nk_sigv4_auth *out, nk_err *err)
{
    text = nk_str_trim(text);
    if (parse_basic(text, &out->time_us)) {
        out->timestamp = text;
        return NK_OK;
    }
    if (parse_http_date(text, &out->time_us)) {
        char *p = nk_arena_bytes(a, 17);
        if (!p)
            return nk_fail(err, NK_E_NOMEM, "no memory");
        format_basic(out->time_us, p);
        out->timestamp = nk_str_n(p, 16);
        return NK_OK;
    }
    return nk_fail(err, NK_E_AUTH_INCOMPLETE,
                   "Date must be in ISO-8601 'basic format'. Got '%.*s'. See "
                   "http://en.wikipedia.org/wiki/ISO_8601",
                   NK_STR_ARG(text));
}

static nk_code take_credential(nk_str cred, nk_sigv4_auth *out, nk_err *err)
{
    nk_str part[5] = {{0}}, rest = cred, piece;
    size_t n = 0;
    while (nk_str_split(&rest, '/', &piece)) {
        if (n < 5)
            part[n] = piece;
        n++;
    }
    if (n != 5)
        return nk_fail(err, NK_E_AUTH_INCOMPLETE,
                       "Credential must have exactly 5 slash-delimited elements, e.g. "
                       "keyid/date/region/service/term, got '%.*s'",
                       NK_STR_ARG(cred));
    out->access_key = part[0];
    out->date = part[1];
    out->region = part[2];
    out->service = part[3];
    if (!nk_str_is(part[4], TERMINATOR))
        return nk_fail(
            err, NK_E_AUTH_SIGNATURE,
            "Credential should be scoped with a valid terminator: 'aws4_request', not '%.*s'.",
            NK_STR_ARG(part[4]));
    return NK_OK;
}

/* The scope's date against the request's own. */
static nk_code check_scope_date(const nk_sigv4_auth *auth, nk_err *err)
{
    nk_str day = nk_str_sub(auth->timestamp, 0, 8);
    if (nk_str_eq(auth->date, day))
        return NK_OK;
    return nk_fail(err, NK_E_AUTH_SIGNATURE,
                   "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date "
                   "from HTTP: '%.*s' != '%.*s', from '%.*s'.",
                   NK_STR_ARG(auth->date), NK_STR_ARG(day), NK_STR_ARG(auth->timestamp));
}

static nk_code parse_authorization(const nk_sigv4_request *req, nk_str value, nk_arena *a,
                                   nk_sigv4_auth *out, nk_err *err)
{
    nk_str cred = NK_STR_NULL, piece, rest = nk_str_trim(value);
    ptrdiff_t sp = nk_str_chr(rest, ' ');
    nk_str algorithm = sp < 0 ? rest : nk_str_sub(rest, 0, (size_t)sp);
    rest = sp < 0 ? NK_STR("") : nk_str_sub(rest, (size_t)sp + 1, rest.n);
    if (!nk_str_is(algorithm, ALGORITHM)) {
        if (nk_str_starts(algorithm, NK_STR("AWS4-")))
            return nk_fail(err, NK_E_AUTH_INCOMPLETE, "Unsupported AWS 'algorithm': '%.*s'.",
                           NK_STR_ARG(algorithm));
        return nk_fail(err, NK_E_AUTH_MISSING, "Missing Authentication Token");
    }
    while (nk_str_split(&rest, ',', &piece)) {
        piece = nk_str_trim(piece);
        if (piece.n == 0)
            continue;
        ptrdiff_t eq = nk_str_chr(piece, '=');
        if (eq < 0)
            return nk_fail(
                err, NK_E_AUTH_INCOMPLETE,
                "'%.*s' not a valid key=value pair (missing equal-sign) in Authorization "
                "header: '%.*s'.",
                NK_STR_ARG(piece), NK_STR_ARG(value));
        nk_str name = nk_str_sub(piece, 0, (size_t)eq),
               v = nk_str_sub(piece, (size_t)eq + 1, piece.n);
        if (nk_str_is(name, "Credential"))
            cred = v;
        else if (nk_str_is(name, "SignedHeaders"))
            out->signed_headers = v;
        else if (nk_str_is(name, "Signature"))
            out->signature = v;
    }
    nk_str date = header(req, "x-amz-date");
    if (!date.p)
        date = header(req, "date");
    if (!cred.n || !out->signature.n || !out->signed_headers.n || !date.p)
        return nk_fail(
            err, NK_E_AUTH_INCOMPLETE, "%s%s%s%sAuthorization=%.*s",
            cred.n ? "" : "Authorization header requires 'Credential' parameter. ",
            out->signature.n ? "" : "Authorization header requires 'Signature' parameter. ",
            out->signed_headers.n ? ""
                                  : "Authorization header requires 'SignedHeaders' parameter. ",
            date.p ? ""
                   : "Authorization header requires existence of either a 'X-Amz-Date' or "
                     "a 'Date' header. ",
            NK_STR_ARG(algorithm));
    out->token = header(req, "x-amz-security-token");
    NK_TRY(take_credential(cred, out, err));
    NK_TRY(take_date(date, a, out, err));
    return check_scope_date(out, err);
}

/* The unescaped value of a query parameter. */
static nk_str query_param(nk_str query, const char *name, nk_arena *a)
{
    nk_str rest = query, piece;
    while (nk_str_split(&rest, '&', &piece)) {
        ptrdiff_t eq = nk_str_chr(piece, '=');
        nk_str n = eq < 0 ? piece : nk_str_sub(piece, 0, (size_t)eq);
        if (nk_str_is(n, name))
            return eq < 0 ? NK_STR("")
                          : nk_uri_unescape(a, nk_str_sub(piece, (size_t)eq + 1, piece.n), true);
    }
    return NK_STR_NULL;
}

static nk_code parse_presigned(const nk_sigv4_request *req, nk_str algorithm, nk_arena *a,
                               nk_sigv4_auth *out, nk_err *err)
{
    if (!nk_str_is(algorithm, ALGORITHM))
        return nk_fail(err, NK_E_AUTH_INCOMPLETE, "Unsupported AWS 'algorithm': '%.*s'.",
                       NK_STR_ARG(algorithm));
    nk_str cred = query_param(req->query, "X-Amz-Credential", a);
    nk_str date = query_param(req->query, "X-Amz-Date", a);
    nk_str expires = query_param(req->query, "X-Amz-Expires", a);
    out->signed_headers = query_param(req->query, "X-Amz-SignedHeaders", a);
    out->signature = query_param(req->query, "X-Amz-Signature", a);
    out->token = query_param(req->query, "X-Amz-Security-Token", a);
    if (!cred.n || !out->signature.n || !out->signed_headers.n || !date.n)
        return nk_fail(
            err, NK_E_AUTH_INCOMPLETE, "%s%s%s%sRe-examine the query-string parameters.",
            cred.n ? "" : "AWS query-string parameters must include 'X-Amz-Credential'. ",
            out->signature.n ? "" : "AWS query-string parameters must include 'X-Amz-Signature'. ",
            out->signed_headers.n
                ? ""
                : "AWS query-string parameters must include 'X-Amz-SignedHeaders'. ",
            date.n ? "" : "AWS query-string parameters must include 'X-Amz-Date'. ");
    int64_t seconds = 900;
    if (expires.p && (!nk_str_i64(expires, &seconds) || seconds < 1 || seconds > EXPIRES_MAX))
        return nk_fail(err, NK_E_AUTH_INCOMPLETE,
                       "X-Amz-Expires must be a number of seconds from 1 to %d, got '%.*s'.",
                       EXPIRES_MAX, NK_STR_ARG(expires));
    out->expires_s = seconds;
    NK_TRY(take_credential(cred, out, err));
    NK_TRY(take_date(date, a, out, err));
    return check_scope_date(out, err);
}

static bool is_signed(nk_str signed_headers, nk_str name)
{
    nk_str rest = signed_headers, piece;
    while (nk_str_split(&rest, ';', &piece))
        if (nk_str_ieq(piece, name))
            return true;
    return false;
}

/* The host and every x-amz-* that came must be signed; no name twice (which would also outgrow our
 * sums). */
static nk_code check_signed_headers(const nk_sigv4_request *req, const nk_sigv4_auth *auth,
                                    nk_err *err)
{
    if (!is_signed(auth->signed_headers, NK_STR("host")))
        return nk_fail(err, NK_E_AUTH_SIGNATURE,
                       "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
    for (size_t i = 0; i < req->nheaders; i++) {
        nk_str name = req->headers[i].name;
        if (name.n > 6 && nk_str_ieq(nk_str_sub(name, 0, 6), NK_STR("x-amz-")) &&
            !is_signed(auth->signed_headers, name))
            return nk_fail(err, NK_E_AUTH_SIGNATURE,
                           "'%.*s' must be a 'SignedHeader' in the AWS Authorization.",
                           NK_STR_ARG(name));
    }
    nk_str seen[NK_SIGV4_HEADERS_MAX], rest = auth->signed_headers, piece;
    size_t n = 0;
    while (nk_str_split(&rest, ';', &piece)) {
        for (size_t i = 0; i < n; i++)
            if (nk_str_ieq(seen[i], piece))
                return nk_fail(err, NK_E_AUTH_INCOMPLETE, "'SignedHeaders' names '%.*s' twice.",
                               NK_STR_ARG(piece));
        if (n == NK_SIGV4_HEADERS_MAX)
            return nk_fail(err, NK_E_AUTH_INCOMPLETE, "'SignedHeaders' holds more than %d names.",
                           NK_SIGV4_HEADERS_MAX);
        seen[n++] = piece;
    }
    return NK_OK;
}

nk_code nk_sigv4_parse(const nk_sigv4_request *req, nk_arena *a, nk_sigv4_auth *out, nk_err *err)
{
    memset(out, 0, sizeof *out);
    out->expires_s = -1;
    nk_str value = header(req, "authorization"), algorithm;
    if (value.p)
        NK_TRY(parse_authorization(req, value, a, out, err));
    else if (req->query.n && (algorithm = query_param(req->query, "X-Amz-Algorithm", a)).p)
        NK_TRY(parse_presigned(req, algorithm, a, out, err));
    else
        return nk_fail(err, NK_E_AUTH_MISSING, "Missing Authentication Token");
    return check_signed_headers(req, out, err);
}

/* ---- verifying ---- */

static nk_code check_time(const nk_sigv4_auth *auth, int64_t now_us, int64_t skew_s, nk_err *err)
{
    char now[17], edge[17];
    int64_t back_s = auth->expires_s >= 0 ? auth->expires_s : skew_s;
    format_basic(now_us, now);
    if (auth->time_us / 1000000 < now_us / 1000000 - back_s) {
        format_basic(now_us - back_s * 1000000, edge);
        return nk_fail(err, NK_E_AUTH_SIGNATURE,
                       "Signature expired: %.*s is now earlier than %s (%s - %lld min.)",
                       NK_STR_ARG(auth->timestamp), edge, now, (long long)(back_s / 60));
    }
    if (auth->time_us / 1000000 > now_us / 1000000 + skew_s) {
        format_basic(now_us + skew_s * 1000000, edge);
        return nk_fail(err, NK_E_AUTH_SIGNATURE,
                       "Signature not yet current: %.*s is still later than %s (%s + %lld min.)",
                       NK_STR_ARG(auth->timestamp), edge, now, (long long)(skew_s / 60));
    }
    return NK_OK;
}

/* What stands for the body in the canonical request. */
static nk_str payload_hash(const nk_sigv4_request *req, char hash[65])
{
    nk_str said = header(req, "x-amz-content-sha256");
    if (req->tls && nk_str_is(said, UNSIGNED))
        return said;
    sha256_hex(req->body.p, req->body.n, hash);
    return nk_str_n(hash, 64);
}

/* The string to sign, MACed, as 64 hex digits. */
static void signature_of(nk_str canonical, nk_str timestamp, nk_str date, nk_str region,
                         nk_str service, const nk_sigv4_key *key, char *scratch, char out[65])
{
    writer w = {scratch, 0};
    char hash[65];
    uint8_t mac[32];
    sha256_hex(canonical.p, canonical.n, hash);
    put(&w, NK_STR(ALGORITHM "\n"));
    put(&w, timestamp);
    putch(&w, '\n');
    put(&w, date);
    putch(&w, '/');
    put(&w, region);
    putch(&w, '/');
    put(&w, service);
    put(&w, NK_STR("/" TERMINATOR "\n"));
    put(&w, nk_str_n(hash, 64));
    key_mac(key, w.p, w.n, mac);
    nk_hex(mac, 32, out);
}

static size_t scratch_size(nk_str timestamp, nk_str date, nk_str region, nk_str service)
{
    return sizeof ALGORITHM + sizeof TERMINATOR + timestamp.n + date.n + region.n + service.n + 80;
}

nk_code nk_sigv4_verify(const nk_sigv4_request *req, const nk_sigv4_auth *auth,
                        const nk_sigv4_key *key, nk_sigv4_style style, int64_t now_us,
                        int64_t max_skew_s, nk_arena *a, nk_err *err)
{
    char hash[65], want[65];
    nk_str canonical;
    NK_TRY(check_time(auth, now_us, max_skew_s, err));
    NK_TRY(nk_sigv4_canonical(req, auth->signed_headers, payload_hash(req, hash), style,
                              auth->expires_s >= 0, a, &canonical, err));
    char *scratch =
        nk_arena_bytes(a, scratch_size(auth->timestamp, auth->date, auth->region, auth->service));
    if (!scratch)
        return nk_fail(err, NK_E_NOMEM, "no memory");
    signature_of(canonical, auth->timestamp, auth->date, auth->region, auth->service, key, scratch,
                 want);
    if (auth->signature.n != 64 || !nk_equal_ct(want, auth->signature.p, 64))
        return nk_fail(err, NK_E_AUTH_SIGNATURE,
                       "The request signature we calculated does not match the signature you "
                       "provided. Check your AWS Secret Access Key and signing method. Consult the "
                       "service documentation for details.");
    return NK_OK;
}

/* ---- signing ---- */

static bool unsigned_header(nk_str name)
{
    static const char *const names[] = {"user-agent",        "expect",          "connection",
                                        "transfer-encoding", "x-amzn-trace-id", "accept-encoding",
                                        "content-length"};
    for (size_t i = 0; i < NK_COUNTOF(names); i++)
        if (nk_str_ieq(name, nk_str_c(names[i])))
            return true;
    return false;
}

static int name_cmp(const void *x, const void *y)
{
    return nk_str_cmp(*(const nk_str *)x, *(const nk_str *)y);
}

/* Sorted lower-case names of what is signed, each once. */
static nk_code signed_names(const nk_sigv4_request *req, nk_arena *a, nk_str *out)
{
    nk_str *names = NK_NEWN(a, nk_str, req->nheaders);
    size_t n = 0, total = 1;
    if (!names)
        return NK_E_NOMEM;
    for (size_t i = 0; i < req->nheaders; i++) {
        if (unsigned_header(req->headers[i].name))
            continue;
        names[n] = nk_str_lower(a, req->headers[i].name);
        if (!names[n].p)
            return NK_E_NOMEM;
        total += names[n++].n + 1;
    }
    qsort(names, n, sizeof names[0], name_cmp);
    writer w = {nk_arena_bytes(a, total), 0};
    if (!w.p)
        return NK_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        if (i && nk_str_eq(names[i], names[i - 1]))
            continue;
        if (w.n)
            putch(&w, ';');
        put(&w, names[i]);
    }
    *out = nk_str_n(w.p, w.n);
    return NK_OK;
}

nk_code nk_sigv4_sign(const nk_sigv4_request *req, const nk_sigv4_credentials *cred,
                      nk_sigv4_style style, const char *hash_given, int64_t now_us, nk_arena *a,
                      nk_header **extra, size_t *nextra, nk_err *err)
{
    char hash[65], sig[65];
    char *stamp = nk_arena_bytes(a, 17);
    nk_header *all = NK_NEWN(a, nk_header, req->nheaders + 4);
    size_t n = req->nheaders;
    nk_str payload, names, canonical;
    nk_sigv4_key key;
    if (!stamp || !all)
        goto nomem;
    format_basic(now_us, stamp);
    if (hash_given)
        payload = nk_str_c(hash_given);
    else {
        sha256_hex(req->body.p, req->body.n, hash);
        payload = nk_str_dup(a, nk_str_n(hash, 64));
    }
    if (n)
        memcpy(all, req->headers, n * sizeof all[0]);
    all[n++] = (nk_header){NK_STR("X-Amz-Date"), nk_str_n(stamp, 16)};
    if (style == NK_SIGV4_S3)
        all[n++] = (nk_header){NK_STR("X-Amz-Content-SHA256"), payload};
    if (cred->token.n)
        all[n++] = (nk_header){NK_STR("X-Amz-Security-Token"), cred->token};
    nk_sigv4_request full = *req;
    full.headers = all;
    full.nheaders = n;
    nk_str stamp_s = nk_str_n(stamp, 16), date = nk_str_n(stamp, 8);
    if (signed_names(&full, a, &names) != NK_OK)
        goto nomem;
    NK_TRY(nk_sigv4_canonical(&full, names, payload, style, false, a, &canonical, err));
    char *scratch = nk_arena_bytes(a, scratch_size(stamp_s, date, cred->region, cred->service));
    if (!scratch)
        goto nomem;
    nk_sigv4_derive(cred->secret_key, date, cred->region, cred->service, &key);
    signature_of(canonical, stamp_s, date, cred->region, cred->service, &key, scratch, sig);
    nk_str auth =
        nk_str_printf(a,
                      ALGORITHM " Credential=%.*s/%.*s/%.*s/%.*s/" TERMINATOR
                                ", SignedHeaders=%.*s, Signature=%s",
                      NK_STR_ARG(cred->access_key), NK_STR_ARG(date), NK_STR_ARG(cred->region),
                      NK_STR_ARG(cred->service), NK_STR_ARG(names), sig);
    if (!auth.p)
        goto nomem;
    all[n++] = (nk_header){NK_STR("Authorization"), auth};
    *extra = all + req->nheaders;
    *nextra = n - req->nheaders;
    return NK_OK;
nomem:
    return nk_fail(err, NK_E_NOMEM, "no memory to sign a request");
}

nk_code nk_sigv4_presign(const nk_sigv4_request *req, const nk_sigv4_credentials *cred,
                         nk_sigv4_style style, int64_t now_us, int64_t expires_s, nk_arena *a,
                         nk_str *query, nk_err *err)
{
    char stamp[17], hash[65], sig[65];
    nk_str names, canonical, payload;
    nk_sigv4_key key;
    nk_buf b;
    nk_buf_init(&b, 1 << 16);
    format_basic(now_us, stamp);
    nk_code rc = signed_names(req, a, &names);
    if (rc != NK_OK)
        goto out;
    nk_buf_printf(&b,
                  "%.*s%sX-Amz-Algorithm=" ALGORITHM "&X-Amz-Credential=", NK_STR_ARG(req->query),
                  req->query.n ? "&" : "");
    nk_str scope = nk_str_printf(a, "%.*s/%.8s/%.*s/%.*s/" TERMINATOR, NK_STR_ARG(cred->access_key),
                                 stamp, NK_STR_ARG(cred->region), NK_STR_ARG(cred->service));
    nk_uri_escape(&b, scope, false);
    nk_buf_printf(&b, "&X-Amz-Date=%s&X-Amz-Expires=%lld&X-Amz-SignedHeaders=", stamp,
                  (long long)expires_s);
    nk_uri_escape(&b, names, false);
    if (cred->token.n) {
        nk_buf_puts(&b, "&X-Amz-Security-Token=");
        nk_uri_escape(&b, cred->token, false);
    }
    NK_TRY_GOTO(rc, nk_buf_check(&b, err), out);
    nk_sigv4_request full = *req;
    full.query = nk_buf_view(&b);
    if (style == NK_SIGV4_S3) {
        payload = NK_STR(UNSIGNED);
    } else {
        sha256_hex(req->body.p, req->body.n, hash);
        payload = nk_str_n(hash, 64);
    }
    NK_TRY_GOTO(rc, nk_sigv4_canonical(&full, names, payload, style, true, a, &canonical, err),
                out);
    nk_str stamp_s = nk_str_n(stamp, 16), date = nk_str_n(stamp, 8);
    char *scratch = nk_arena_bytes(a, scratch_size(stamp_s, date, cred->region, cred->service));
    if (!scratch) {
        rc = NK_E_NOMEM;
        goto out;
    }
    nk_sigv4_derive(cred->secret_key, date, cred->region, cred->service, &key);
    signature_of(canonical, stamp_s, date, cred->region, cred->service, &key, scratch, sig);
    nk_buf_printf(&b, "&X-Amz-Signature=%s", sig);
    NK_TRY_GOTO(rc, nk_buf_check(&b, err), out);
    *query = nk_buf_dup(&b, a);
out:
    nk_buf_free(&b);
    return rc == NK_E_NOMEM ? nk_fail(err, rc, "no memory to presign a request") : rc;
}
