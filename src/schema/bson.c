#include "schema/bson.h"

#include <stdio.h>

#define DEPTH_MAX 100

static nk_code corrupt(nk_err *err, const char *what)
{
    return nk_fail(err, NK_E_PARSE, "The BSON data is corrupt: %s", what);
}

static int64_t le(const char *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = n; i-- > 0;)
        v = v << 8 | (unsigned char)p[i];
    return n == 4 ? (int32_t)(uint32_t)v : (int64_t)v;
}

/* The text up to a NUL; it and the NUL leave *in. */
static nk_code cstring(nk_str *in, nk_str *out, nk_err *err)
{
    ptrdiff_t n = nk_str_chr(*in, 0);
    if (n < 0)
        return corrupt(err, "a name does not end");
    *out = nk_str_sub(*in, 0, (size_t)n);
    *in = nk_str_sub(*in, (size_t)n + 1, in->n);
    return NK_OK;
}

enum { FIXED, SIZED, CSTRINGS, DOCUMENT, ARRAY }; /* how long a value is */
static const struct element {
    unsigned char type;
    nk_type_kind kind;
    int form;
    size_t n; /* FIXED: bytes; SIZED: bytes besides what the size says; CSTRINGS: how many */
} elements[] = {
    {0x01, NK_T_DOUBLE, FIXED, 8},    {0x02, NK_T_STRING, SIZED, 0},
    {0x03, NK_T_STRUCT, DOCUMENT, 0}, {0x04, NK_T_ARRAY, ARRAY, 0},
    {0x05, NK_T_BINARY, SIZED, 1},    {0x06, NK_T_NULL, FIXED, 0},
    {0x07, NK_T_STRING, FIXED, 12}, /* ObjectId */
    {0x08, NK_T_BOOLEAN, FIXED, 1},   {0x09, NK_T_TIMESTAMP, FIXED, 8},
    {0x0a, NK_T_NULL, FIXED, 0},      {0x0b, NK_T_STRING, CSTRINGS, 2}, /* regex */
    {0x0c, NK_T_STRING, SIZED, 12},                                     /* DBPointer */
    {0x0d, NK_T_STRING, SIZED, 0},    {0x0e, NK_T_STRING, SIZED, 0},
    {0x10, NK_T_INT, FIXED, 4},       {0x11, NK_T_TIMESTAMP, FIXED, 8},
    {0x12, NK_T_LONG, FIXED, 8},      {0x13, NK_T_DECIMAL, FIXED, 16},
    {0x7f, NK_T_NULL, FIXED, 0},      {0xff, NK_T_NULL, FIXED, 0},
};

static nk_code document(nk_sink *s, nk_place *at, nk_str body, bool array, int depth, nk_err *err);

static nk_str hex(nk_str raw, char *out)
{
    for (size_t i = 0; i < raw.n; i++)
        snprintf(out + i * 2, 3, "%02x", (unsigned char)raw.p[i]);
    return nk_str_n(out, raw.n * 2);
}

/* IEEE 754's decimal128 in its binary encoding: 17 bits of sign and exponent, the digits. */
static nk_value decimal128(nk_str raw)
{
    uint64_t high = (uint64_t)le(raw.p + 8, 8), low = (uint64_t)le(raw.p, 8);
    unsigned exponent = (unsigned)(high >> 49) & 0x3fff;
    nk_value v = {.kind = NK_T_NULL};
    if ((high >> 61 & 3) == 3) /* infinite, no number, or digits beyond what there may be */
        return v;
    v.kind = NK_T_DECIMAL;
    v.scale = 6176 - (int)exponent;
    v.unscaled = (__int128)((unsigned __int128)(high & ((1ULL << 49) - 1)) << 64 | low);
    if (high >> 63)
        v.unscaled = -v.unscaled;
    return v;
}

static nk_code scalar(nk_sink *s, nk_place *at, const struct element *e, nk_str raw, nk_err *err)
{
    char text[32];
    nk_value v = {.kind = e->kind};
    switch (e->type) {
    case 0x01:
        memcpy(&v.d, raw.p, 8);
        break;
    case 0x05: { /* the old kind of bytes has its size twice */
        bool twice = raw.p[4] == 2 && raw.n >= 9;
        v.s = nk_str_sub(raw, twice ? 9 : 5, raw.n);
        break;
    }
    case 0x07:
        v.s = hex(raw, text);
        break;
    case 0x08:
        v.i = raw.p[0] != 0;
        break;
    case 0x09:
        if (__builtin_mul_overflow(le(raw.p, 8), (int64_t)1000, &v.i))
            return corrupt(err, "a time beyond all years");
        break;
    case 0x10:
        v.i = le(raw.p, 4);
        break;
    case 0x11: /* a counter, then seconds */
        v.i = (int64_t)(uint32_t)le(raw.p + 4, 4) * 1000000;
        break;
    case 0x12:
        v.i = le(raw.p, 8);
        break;
    case 0x13:
        v = decimal128(raw);
        break;
    default:
        if (e->form != SIZED)
            break;
        if (raw.n < 5 + e->n || raw.p[raw.n - 1 - e->n] != 0)
            return corrupt(err, "a text does not end where it says");
        v.s = nk_str_sub(raw, 4, raw.n - 1 - e->n);
    }
    if (v.kind == NK_T_STRING && !nk_utf8_valid(v.s))
        return corrupt(err, "a text that is not UTF-8");
    return nk_put(s, at, &v, err);
}

static nk_code regex(nk_sink *s, nk_place *at, nk_str *body, nk_err *err)
{
    nk_str pattern, flags;
    nk_buf b;
    NK_TRY(cstring(body, &pattern, err));
    NK_TRY(cstring(body, &flags, err));
    nk_buf_init(&b, pattern.n + flags.n + 3);
    (void)nk_buf_printf(&b, "/%.*s/%.*s", NK_STR_ARG(pattern), NK_STR_ARG(flags));
    nk_code rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = nk_put_str(s, at, NK_T_STRING, nk_buf_view(&b), err);
    nk_buf_free(&b);
    return rc;
}

static nk_code value(nk_sink *s, nk_place *at, const struct element *e, nk_str *body, int depth,
                     nk_err *err)
{
    int64_t n = (int64_t)e->n;
    if (e->form == CSTRINGS)
        return regex(s, at, body, err);
    if (e->form != FIXED) {
        if (body->n < 4)
            return corrupt(err, "a value is cut short");
        n = le(body->p, 4);
        if (n < (e->form == SIZED ? 0 : 5) || (uint64_t)n > body->n)
            return corrupt(err, "the length of a value");
        if (e->form == SIZED)
            n += 4 + (int64_t)e->n;
    }
    if ((uint64_t)n > body->n)
        return corrupt(err, "a value is cut short");
    nk_str bytes = nk_str_sub(*body, 0, (size_t)n);
    *body = nk_str_sub(*body, (size_t)n, body->n);
    if (e->form != DOCUMENT && e->form != ARRAY)
        return scalar(s, at, e, bytes, err);
    NK_TRY(nk_put_kind(s, at, e->kind, err));
    return document(s, at, bytes, e->form == ARRAY, depth + 1, err);
}

static nk_code document(nk_sink *s, nk_place *at, nk_str doc, bool array, int depth, nk_err *err)
{
    if (depth > DEPTH_MAX)
        return nk_fail(err, NK_E_LIMIT, "The BSON documents are nested deeper than %d levels",
                       DEPTH_MAX);
    if (doc.n < 5 || doc.p[doc.n - 1] != 0)
        return corrupt(err, "a document does not end where it says");
    nk_str body = nk_str_sub(doc, 4, doc.n - 1);
    for (size_t place = 0; body.n; place++) {
        unsigned char type = (unsigned char)*body.p;
        const struct element *e = elements;
        while (e < elements + NK_COUNTOF(elements) && e->type != type)
            e++;
        if (e == elements + NK_COUNTOF(elements))
            return corrupt(err, "a value of an unknown type");
        body = nk_str_sub(body, 1, body.n);
        nk_str name;
        nk_place *inner;
        NK_TRY(cstring(&body, &name, err));
        if (array)
            NK_TRY(nk_at_elem(s, at, &inner, err));
        else
            NK_TRY(nk_at_field(s, at, name, place, &inner, err));
        NK_TRY(value(s, inner, e, &body, depth, err));
    }
    return NK_OK;
}

/* The first document of in: *n its bytes, 0 when it is not there whole. */
static nk_code one_document(nk_sink *s, nk_str in, size_t *n, nk_err *err)
{
    int64_t size = in.n >= 4 ? le(in.p, 4) : 5;
    *n = 0;
    if (size < 5)
        return corrupt(err, "the length of a document");
    if (in.n < 4 || (uint64_t)size > in.n)
        return NK_OK;
    NK_TRY(nk_put_kind(s, s->root, NK_T_STRUCT, err));
    NK_TRY(document(s, s->root, nk_str_sub(in, 0, (size_t)size), false, 0, err));
    *n = (size_t)size;
    return s->row(s, err);
}

nk_code nk_bson_observe(nk_infer *in, nk_str sample, bool whole, uint64_t *documents,
                        uint64_t *bytes, nk_err *err)
{
    nk_infer_sink s;
    nk_infer_sink_init(&s, in);
    *documents = *bytes = 0;
    while (sample.n) {
        size_t n;
        NK_TRY(one_document(&s.sink, sample, &n, err));
        if (!n)
            return whole ? corrupt(err, "the last document is cut short") : NK_OK;
        ++*documents;
        *bytes += n;
        sample = nk_str_sub(sample, n, sample.n);
    }
    return NK_OK;
}

/* ---- rows ---- */

struct nk_rows {
    nk_input *in;
};

static nk_code rows_open(nk_input *in, const nk_rows_options *o, nk_rows **out, nk_err *err)
{
    *out = nk_calloc(1, sizeof **out);
    if (!*out)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    (*out)->in = in;
    return NK_OK;
}

static nk_code next_one(nk_input *in, nk_sink *s, size_t *n, nk_err *err)
{
    NK_TRY(nk_input_need(in, 4, err));
    *n = 0;
    if (!in->view.n)
        return NK_OK;
    int64_t size = in->view.n >= 4 ? le(in->view.p, 4) : 0;
    if (size > 0)
        NK_TRY(nk_input_need(in, (size_t)size, err));
    NK_TRY(one_document(s, in->view, n, err));
    return *n ? NK_OK : corrupt(err, "the last document is cut short");
}

static nk_code rows_next(nk_rows *r, nk_sink *s, size_t max, size_t *n, nk_err *err)
{
    for (*n = 0; *n < max; ++*n) {
        size_t used;
        nk_code rc = next_one(r->in, s, &used, err);
        if (rc != NK_OK)
            (void)nk_wrap(err, "the document at byte %llu", (unsigned long long)r->in->at);
        NK_TRY(rc);
        if (!used)
            return NK_OK;
        nk_input_take(r->in, used);
    }
    return NK_OK;
}

static void rows_close(nk_rows *r)
{
    nk_free(r);
}

const nk_rows_format nk_rows_bson = {.name = "bson",
                                     .open = rows_open,
                                     .next = rows_next,
                                     .close = rows_close,
                                     .doc = "BSON documents one behind the other"};
