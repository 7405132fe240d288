#include "schema/bson.h"

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

static nk_code document(nk_infer *in, nk_seen *at, nk_str body, bool array, int depth, nk_err *err);

static nk_code value(nk_infer *in, nk_seen *at, const struct element *e, nk_str *body, int depth,
                     nk_err *err)
{
    nk_str skipped;
    int64_t n = (int64_t)e->n;
    if (e->form == CSTRINGS) {
        for (size_t i = 0; i < e->n; i++)
            NK_TRY(cstring(body, &skipped, err));
        nk_seen_kind(at, e->kind);
        return NK_OK;
    }
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
    nk_seen_kind(at, e->kind);
    if (e->form == DOCUMENT || e->form == ARRAY)
        return document(in, at, bytes, e->form == ARRAY, depth + 1, err);
    return NK_OK;
}

static nk_code document(nk_infer *in, nk_seen *at, nk_str doc, bool array, int depth, nk_err *err)
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
        nk_seen *inner;
        NK_TRY(cstring(&body, &name, err));
        if (array)
            NK_TRY(nk_seen_elem(in, at, &inner, err));
        else
            NK_TRY(nk_seen_field(in, at, name, place, &inner, err));
        NK_TRY(value(in, inner, e, &body, depth, err));
    }
    return NK_OK;
}

nk_code nk_bson_observe(nk_infer *in, nk_str sample, bool whole, uint64_t *documents,
                        uint64_t *bytes, nk_err *err)
{
    *documents = *bytes = 0;
    while (sample.n) {
        int64_t n = sample.n >= 4 ? le(sample.p, 4) : 0;
        if (sample.n >= 4 && n < 5)
            return corrupt(err, "the length of a document");
        if (sample.n < 4 || (uint64_t)n > sample.n) {
            if (whole)
                return corrupt(err, "the last document is cut short");
            break;
        }
        nk_seen_kind(nk_infer_root(in), NK_T_STRUCT);
        NK_TRY(document(in, nk_infer_root(in), nk_str_sub(sample, 0, (size_t)n), false, 0, err));
        nk_infer_record(in);
        ++*documents;
        *bytes += (uint64_t)n;
        sample = nk_str_sub(sample, (size_t)n, sample.n);
    }
    return NK_OK;
}
