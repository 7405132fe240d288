/* Avro's binary encoding, both ways. A cursor writes into room that is reserved ahead, so that a
 * small number costs a few instructions. */
#include "registry/avro_data.h"

#include "registry/avro_int.h"

enum { NESTING_MAX = 500 };
/* Values of no bytes (null, an empty record) can be many in few bytes: so many are believed. */
#define EMPTY_ITEMS_MAX ((uint64_t)1 << 20)

_Static_assert((int)NK_AVRO_NULL == (int)AV_NULL && (int)NK_AVRO_STRING == (int)AV_STRING &&
                   (int)NK_AVRO_RECORD == (int)AV_RECORD && (int)NK_AVRO_MAP == (int)AV_MAP &&
                   (int)NK_AVRO_UNION == (int)AV_UNION,
               "kinds are cast");

/* -- encoding -----------------------------------------------------------------------------------
 */

typedef struct writer {
    nk_buf *out;
    uint8_t *p, *end; /* room at the buffer's end */
    nk_err *err;
    int depth;
} writer;

static bool flush(writer *w, size_t room)
{
    if (w->p)
        w->out->n = (size_t)((char *)w->p - w->out->p);
    size_t want = room < 512 ? 512 : room;
    w->p = (uint8_t *)nk_buf_reserve(w->out, want);
    if (!w->p && want > room) { /* near the buffer's maximum */
        w->out->failed = false;
        w->p = (uint8_t *)nk_buf_reserve(w->out, want = room);
    }
    w->end = w->p ? w->p + want : NULL;
    return w->p != NULL;
}

static inline bool room(writer *w, size_t n)
{
    return (size_t)(w->end - w->p) >= n || flush(w, n);
}

static inline void put_long(writer *w, int64_t v)
{
    uint64_t u = (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
    uint8_t *p = w->p;
    while (u >= 0x80) {
        *p++ = (uint8_t)(u | 0x80);
        u >>= 7;
    }
    *p++ = (uint8_t)u;
    w->p = p;
}

static nk_code full(writer *w)
{
    return nk_buf_check(w->out, w->err) == NK_E_LIMIT
               ? nk_fail(w->err, NK_E_LIMIT, "the encoded value is too large")
               : nk_fail(w->err, NK_E_NOMEM, "no memory for the encoded value");
}

static nk_code misfit(writer *w, const av_type *t, const nk_avro_value *v)
{
    nk_str label = av_label(t);
    return nk_fail(w->err, NK_E_INVALID, "a value of kind %s does not fit the type %.*s",
                   av_kind_name((av_kind)(v->kind <= NK_AVRO_UNION ? v->kind : NK_AVRO_NULL)),
                   NK_STR_ARG(label));
}

static nk_code put(writer *w, const av_type *t, const nk_avro_value *v);

static nk_code put_text(writer *w, const char *p, size_t n)
{
    if (!room(w, n + 10))
        return full(w);
    put_long(w, (int64_t)n);
    if (n)
        memcpy(w->p, p, n);
    w->p += n;
    return NK_OK;
}

/* Does a value of this kind fit the branch, when nobody said which one is meant? */
static bool fits(const av_type *t, const nk_avro_value *v)
{
    switch (t->kind) {
    case AV_LONG:
        return v->kind == NK_AVRO_LONG || v->kind == NK_AVRO_INT;
    case AV_FLOAT:
    case AV_DOUBLE:
        return v->kind == NK_AVRO_FLOAT || v->kind == NK_AVRO_DOUBLE;
    case AV_FIXED:
        return v->kind == NK_AVRO_FIXED && v->u.s.n == (size_t)t->size;
    case AV_RECORD:
        return v->kind == NK_AVRO_RECORD && v->u.list.n == t->fields.n;
    case AV_INT:
        return v->kind == NK_AVRO_INT;
    default:
        return (int)v->kind == (int)t->kind;
    }
}

static nk_code put_union(writer *w, const av_type *t, const nk_avro_value *v)
{
    size_t i = 0;
    if (v->branch >= 0)
        i = (size_t)v->branch;
    else
        while (i < t->branches.n && !fits(t->branches.v[i], v))
            i++;
    if (i >= t->branches.n)
        return misfit(w, t, v);
    if (!room(w, 10))
        return full(w);
    put_long(w, (int64_t)i);
    return put(w, t->branches.v[i], v);
}

static nk_code put_list(writer *w, const av_type *t, const nk_avro_value *v)
{
    if (v->u.list.n) {
        if (!room(w, 10))
            return full(w);
        put_long(w, (int64_t)v->u.list.n);
    }
    for (size_t i = 0; i < v->u.list.n; i++) {
        if (t->kind == AV_MAP)
            NK_TRY(put_text(w, v->u.list.keys[i].p, v->u.list.keys[i].n));
        NK_TRY(put(w, t->items, &v->u.list.v[i]));
    }
    if (!room(w, 1))
        return full(w);
    *w->p++ = 0;
    return NK_OK;
}

static nk_code put_record(writer *w, const av_type *t, const nk_avro_value *v)
{
    if (v->kind != NK_AVRO_RECORD || v->u.list.n != t->fields.n)
        return misfit(w, t, v);
    if (++w->depth > NESTING_MAX)
        return nk_fail(w->err, NK_E_LIMIT, "a value nested more than %d deep", NESTING_MAX);
    for (size_t i = 0; i < t->fields.n; i++) {
        nk_code rc = put(w, t->fields.v[i].type, &v->u.list.v[i]);
        if (rc != NK_OK)
            return nk_wrap(w->err, "%.*s", NK_STR_ARG(t->fields.v[i].name));
    }
    w->depth--;
    return NK_OK;
}

static nk_code put_real(writer *w, const av_type *t, const nk_avro_value *v)
{
    bool whole = v->kind == NK_AVRO_INT || v->kind == NK_AVRO_LONG;
    if (!whole && v->kind != NK_AVRO_FLOAT && v->kind != NK_AVRO_DOUBLE)
        return misfit(w, t, v);
    double d = whole ? (double)v->u.i : v->u.d;
    float f = (float)d;
    uint64_t bits = 0;
    uint32_t bits32;
    size_t n = t->kind == AV_FLOAT ? 4 : 8;
    memcpy(&bits, &d, 8);
    memcpy(&bits32, &f, 4);
    if (n == 4)
        bits = bits32;
    for (size_t i = 0; i < n; i++)
        *w->p++ = (uint8_t)(bits >> 8 * i);
    return NK_OK;
}

static nk_code put(writer *w, const av_type *t, const nk_avro_value *v)
{
    if (!room(w, 16))
        return full(w);
    switch (t->kind) {
    case AV_NULL:
        return v->kind == NK_AVRO_NULL ? NK_OK : misfit(w, t, v);
    case AV_BOOLEAN:
        if (v->kind != NK_AVRO_BOOLEAN)
            return misfit(w, t, v);
        *w->p++ = v->u.b;
        return NK_OK;
    case AV_INT:
    case AV_LONG:
        if ((v->kind != NK_AVRO_INT && v->kind != NK_AVRO_LONG) ||
            (t->kind == AV_INT && (int32_t)v->u.i != v->u.i))
            return misfit(w, t, v);
        put_long(w, v->u.i);
        return NK_OK;
    case AV_FLOAT:
    case AV_DOUBLE:
        return put_real(w, t, v);
    case AV_BYTES:
    case AV_STRING:
        return v->kind == NK_AVRO_BYTES || v->kind == NK_AVRO_STRING
                   ? put_text(w, v->u.s.p, v->u.s.n)
                   : misfit(w, t, v);
    case AV_FIXED:
        if ((v->kind != NK_AVRO_FIXED && v->kind != NK_AVRO_BYTES) || v->u.s.n != (size_t)t->size)
            return misfit(w, t, v);
        if (!room(w, v->u.s.n))
            return full(w);
        memcpy(w->p, v->u.s.p, v->u.s.n);
        w->p += v->u.s.n;
        return NK_OK;
    case AV_ENUM:
        if (v->kind != NK_AVRO_ENUM || v->u.i < 0 || (size_t)v->u.i >= t->symbols.n)
            return misfit(w, t, v);
        put_long(w, v->u.i);
        return NK_OK;
    case AV_ARRAY:
    case AV_MAP:
        return (int)v->kind == (int)t->kind ? put_list(w, t, v) : misfit(w, t, v);
    case AV_UNION:
        return put_union(w, t, v);
    case AV_RECORD:
        break;
    }
    return put_record(w, t, v);
}

nk_code nk_avro_encode(const nk_schema_doc *doc, const nk_avro_value *value, nk_buf *out,
                       nk_err *err)
{
    writer w = {.out = out, .err = err};
    size_t before = out->n;
    nk_code rc = put(&w, doc->root, value);
    if (w.p)
        out->n = (size_t)((char *)w.p - out->p);
    if (rc != NK_OK)
        out->n = before;
    if (out->p)
        out->p[out->n] = 0;
    return rc;
}

/* -- decoding -----------------------------------------------------------------------------------
 */

typedef struct reader {
    const uint8_t *p, *end;
    nk_arena *a;
    nk_err *err;
    int depth;
    uint64_t empty; /* items of no bytes read so far */
} reader;

static nk_code cut(reader *r)
{
    return nk_fail(r->err, NK_E_INVALID, "not data of this schema: the bytes end too early");
}
static nk_code foreign(reader *r, const av_type *t, const char *why)
{
    nk_str label = av_label(t);
    return nk_fail(r->err, NK_E_INVALID, "not data of this schema: %s where a %.*s is due", why,
                   NK_STR_ARG(label));
}

static inline bool get_long(reader *r, int64_t *out)
{
    uint64_t u = 0;
    const uint8_t *p = r->p;
    for (unsigned shift = 0; shift < 70 && p < r->end; shift += 7) {
        uint8_t c = *p++;
        u |= (uint64_t)(c & 0x7f) << (shift < 64 ? shift : 63);
        if (!(c & 0x80)) {
            r->p = p;
            *out = (int64_t)(u >> 1) ^ -(int64_t)(u & 1);
            return shift < 63 || c <= 1;
        }
    }
    return false;
}

static nk_code get(reader *r, const av_type *t, nk_avro_value *v);

static nk_code get_text(reader *r, const av_type *t, nk_avro_text *s)
{
    int64_t n;
    if (!get_long(r, &n))
        return cut(r);
    if (n < 0 || n > r->end - r->p)
        return n < 0 ? foreign(r, t, "a negative length") : cut(r);
    *s = (nk_avro_text){(const char *)r->p, (size_t)n};
    r->p += n;
    return NK_OK;
}

static nk_code no_memory(reader *r)
{
    return nk_fail(r->err, NK_E_NOMEM, "no memory for the decoded value");
}

static nk_code grow(reader *r, const av_type *t, nk_avro_value *v, size_t *cap, size_t need)
{
    if (need <= *cap)
        return NK_OK;
    size_t more = need > *cap * 2 ? need : *cap * 2;
    nk_avro_value *items = nk_arena_calloc(r->a, more, sizeof *items);
    nk_avro_text *keys = t->kind == AV_MAP ? nk_arena_calloc(r->a, more, sizeof *keys) : NULL;
    if (!items || (t->kind == AV_MAP && !keys))
        return no_memory(r);
    if (v->u.list.n) {
        memcpy(items, v->u.list.v, v->u.list.n * sizeof *items);
        if (keys)
            memcpy(keys, v->u.list.keys, v->u.list.n * sizeof *keys);
    }
    v->u.list.v = items;
    v->u.list.keys = keys;
    *cap = more;
    return NK_OK;
}

/* Blocks of items, each with its count; a negative one is followed by the block's size. */
static nk_code get_list(reader *r, const av_type *t, nk_avro_value *v)
{
    size_t cap = 0;
    v->u.list.v = NULL;
    v->u.list.keys = NULL;
    v->u.list.n = 0;
    for (;;) {
        int64_t n, size;
        if (!get_long(r, &n))
            return cut(r);
        if (n == 0)
            return NK_OK;
        if (n < 0 && (n == INT64_MIN || !get_long(r, &size)))
            return cut(r);
        n = n < 0 ? -n : n;
        if ((uint64_t)n > (uint64_t)(r->end - r->p)) {
            r->empty += (uint64_t)n;
            if (t->kind == AV_MAP || r->empty > EMPTY_ITEMS_MAX)
                return cut(r);
        }
        for (int64_t i = 0; i < n; i++) {
            /* room for what the bytes can hold, not for what they promise */
            if (v->u.list.n == cap)
                NK_TRY(grow(r, t, v, &cap, cap ? cap * 2 : n < 64 ? (size_t)n : 64));
            if (t->kind == AV_MAP)
                NK_TRY(get_text(r, t, &v->u.list.keys[v->u.list.n]));
            NK_TRY(get(r, t->items, &v->u.list.v[v->u.list.n]));
            v->u.list.n++;
        }
    }
}

static nk_code get_record(reader *r, const av_type *t, nk_avro_value *v)
{
    if (++r->depth > NESTING_MAX)
        return nk_fail(r->err, NK_E_LIMIT, "data nested more than %d deep", NESTING_MAX);
    v->u.list.n = t->fields.n;
    v->u.list.keys = NULL;
    v->u.list.v = (nk_avro_value *)(void *)nk_arena_alloc(r->a, t->fields.n * sizeof *v);
    if (!v->u.list.v)
        return no_memory(r);
    for (size_t i = 0; i < t->fields.n; i++) {
        nk_code rc = get(r, t->fields.v[i].type, &v->u.list.v[i]);
        if (rc != NK_OK)
            return nk_wrap(r->err, "%.*s", NK_STR_ARG(t->fields.v[i].name));
    }
    r->depth--;
    return NK_OK;
}

static nk_code get_union(reader *r, const av_type *t, nk_avro_value *v)
{
    int64_t i;
    if (!get_long(r, &i))
        return cut(r);
    if (i < 0 || (uint64_t)i >= t->branches.n)
        return foreign(r, t, "a branch that does not exist");
    nk_code rc = get(r, t->branches.v[i], v);
    v->branch = (int32_t)i;
    return rc;
}

static nk_code get_real(reader *r, const av_type *t, nk_avro_value *v)
{
    size_t n = t->kind == AV_FLOAT ? 4 : 8;
    uint64_t bits = 0;
    if ((size_t)(r->end - r->p) < n)
        return cut(r);
    for (size_t i = 0; i < n; i++)
        bits |= (uint64_t)*r->p++ << 8 * i;
    if (n == 4) {
        uint32_t low = (uint32_t)bits;
        float f;
        memcpy(&f, &low, 4);
        v->u.d = (double)f;
    } else {
        memcpy(&v->u.d, &bits, 8);
    }
    return NK_OK;
}

static nk_code get(reader *r, const av_type *t, nk_avro_value *v)
{
    v->kind = (nk_avro_kind)t->kind;
    v->branch = -1;
    switch (t->kind) {
    case AV_NULL:
        v->u.i = 0;
        return NK_OK;
    case AV_BOOLEAN:
        if (r->p == r->end)
            return cut(r);
        if (*r->p > 1)
            return foreign(r, t, "neither 0 nor 1");
        v->u.b = *r->p++;
        return NK_OK;
    case AV_INT:
    case AV_LONG:
        if (!get_long(r, &v->u.i))
            return cut(r);
        return t->kind == AV_INT && (int32_t)v->u.i != v->u.i ? foreign(r, t, "a greater number")
                                                              : NK_OK;
    case AV_FLOAT:
    case AV_DOUBLE:
        return get_real(r, t, v);
    case AV_BYTES:
        return get_text(r, t, &v->u.s);
    case AV_STRING:
        NK_TRY(get_text(r, t, &v->u.s));
        return nk_utf8_valid((nk_str){v->u.s.p, v->u.s.n})
                   ? NK_OK
                   : foreign(r, t, "bytes that are not UTF-8");
    case AV_FIXED:
        if (r->end - r->p < t->size)
            return cut(r);
        v->u.s = (nk_avro_text){(const char *)r->p, (size_t)t->size};
        r->p += t->size;
        return NK_OK;
    case AV_ENUM:
        if (!get_long(r, &v->u.i))
            return cut(r);
        return v->u.i < 0 || (uint64_t)v->u.i >= t->symbols.n
                   ? foreign(r, t, "a symbol that does not exist")
                   : NK_OK;
    case AV_ARRAY:
    case AV_MAP:
        if (++r->depth > NESTING_MAX)
            return nk_fail(r->err, NK_E_LIMIT, "data nested more than %d deep", NESTING_MAX);
        NK_TRY(get_list(r, t, v));
        r->depth--;
        return NK_OK;
    case AV_UNION:
        return get_union(r, t, v);
    case AV_RECORD:
        break;
    }
    return get_record(r, t, v);
}

nk_code nk_avro_decode(const nk_schema_doc *doc, nk_str bytes, nk_arena *a, nk_avro_value *out,
                       nk_err *err)
{
    const uint8_t *p = (const uint8_t *)(bytes.p ? bytes.p : "");
    reader r = {.p = p, .end = p + bytes.n, .a = a, .err = err};
    NK_TRY(get(&r, doc->root, out));
    return r.p == r.end
               ? NK_OK
               : nk_fail(err, NK_E_INVALID, "not data of this schema: %zu bytes are left over",
                         (size_t)(r.end - r.p));
}

/* -- a look at the definition -------------------------------------------------------------------
 */

const nk_avro_type *nk_avro_root(const nk_schema_doc *doc)
{
    return doc->root;
}
nk_avro_kind nk_avro_type_kind(const nk_avro_type *t)
{
    return (nk_avro_kind)t->kind;
}
nk_str nk_avro_type_name(const nk_avro_type *t)
{
    return av_label(t);
}
nk_str nk_avro_type_logical(const nk_avro_type *t)
{
    return t->logical;
}
int64_t nk_avro_type_scale(const nk_avro_type *t)
{
    return t->scale;
}
int64_t nk_avro_type_size(const nk_avro_type *t)
{
    return t->size;
}
size_t nk_avro_type_count(const nk_avro_type *t)
{
    return t->kind == AV_RECORD  ? t->fields.n
           : t->kind == AV_ENUM  ? t->symbols.n
           : t->kind == AV_UNION ? t->branches.n
                                 : 0;
}
nk_str nk_avro_type_label(const nk_avro_type *t, size_t i)
{
    return t->kind == AV_RECORD ? t->fields.v[i].name
           : t->kind == AV_ENUM ? t->symbols.v[i]
                                : NK_STR_NULL;
}
const nk_avro_type *nk_avro_type_part(const nk_avro_type *t, size_t i)
{
    return t->kind == AV_RECORD  ? t->fields.v[i].type
           : t->kind == AV_UNION ? t->branches.v[i]
                                 : t->items;
}
const nk_json *nk_avro_type_default(const nk_avro_type *t, size_t i)
{
    return t->fields.v[i].value;
}
