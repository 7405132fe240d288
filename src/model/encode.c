/* Structs into JSON, and deep copies. */
#include <inttypes.h>

#include "base/scan.h"
#include "model/model_int.h"

static void encode_value(nk_buf *b, const nk_shape *s, const void *v);

/* Most of encoding is short appends: the common case stays inline. The NUL behind the text comes at
 * the end (cap never exceeds max + 1). */
static inline void put(nk_buf *b, const void *p, size_t n)
{
    if (__builtin_expect(!b->failed && n < b->cap - b->n, 1)) {
        memcpy(b->p + b->n, p, n);
        b->n += n;
    } else {
        (void)nk_buf_add(b, p, n);
    }
}

static inline void put_char(nk_buf *b, char c)
{
    put(b, &c, 1);
}

static inline void put_string(nk_buf *b, nk_str s)
{
    if (__builtin_expect(!b->failed && s.n + 2 < b->cap - b->n &&
                             nk_scan_plain(s.p, s.p + s.n) == s.p + s.n,
                         1)) {
        char *p = b->p + b->n;
        *p = '"';
        if (s.n)
            memcpy(p + 1, s.p, s.n);
        p[s.n + 1] = '"';
        b->n += s.n + 2;
        return;
    }
    nk_json_writer w = {.buf = b};
    nk_jw_str(&w, s);
}

static void encode_struct(nk_buf *b, const nk_shape *s, const void *v)
{
    const nk_str *raw = v;
    if (raw->p) {
        put(b, raw->p, raw->n);
        return;
    }
    if (raw->n) { /* a null element */
        put(b, "null", 4);
        return;
    }
    bool comma = false;
    put_char(b, '{');
    for (const nk_member *m = s->members, *end = m + s->n_members; m < end; m++) {
        const void *value = nk_member_value(m, v);
        if (!value || m->where != NK_IN_BODY)
            continue;
        if (comma)
            put_char(b, ',');
        comma = true;
        put(b, m->json_key.p, m->json_key.n);
        encode_value(b, m->shape, value);
    }
    put_char(b, '}');
}

static void encode_list(nk_buf *b, const nk_shape *s, const nk_seq *seq)
{
    put_char(b, '[');
    for (size_t i = 0; i < seq->n; i++) {
        const char *v = seq->v + i * s->elem->size;
        if (i)
            put_char(b, ',');
        if (nk_present(s->elem, v) || s->elem->kind == NK_KIND_LIST || s->elem->kind == NK_KIND_MAP)
            encode_value(b, s->elem, v);
        else
            put(b, "null", 4);
    }
    put_char(b, ']');
}

static void encode_map(nk_buf *b, const nk_shape *s, const nk_seq *seq)
{
    size_t size = nk_entry_size(s);
    bool comma = false;
    put_char(b, '{');
    for (size_t i = 0; i < seq->n; i++) {
        const char *e = seq->v + i * size, *v = e + sizeof(nk_str);
        if (!nk_present(s->elem, v) && s->elem->kind != NK_KIND_LIST &&
            s->elem->kind != NK_KIND_MAP)
            continue;
        if (comma)
            put_char(b, ',');
        comma = true;
        put_string(b, *(const nk_str *)(const void *)e);
        put_char(b, ':');
        encode_value(b, s->elem, v);
    }
    put_char(b, '}');
}

/* Seconds with as many of three decimals as are needed, as AWS writes them. */
static void encode_time(nk_buf *b, const nk_shape *s, int64_t us)
{
    if (s->flags & NK_SHAPE_ISO8601) {
        nk_civil c = nk_civil_from_us(us);
        (void)nk_buf_printf(b, "\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", c.year, c.month, c.day,
                            c.hour, c.minute, c.second, c.usec / 1000);
        return;
    }
    int64_t ms = us >= 0 ? us / 1000 : -((-us + 999) / 1000);
    uint64_t abs = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    char text[32], *p = text + sizeof text;
    unsigned frac = (unsigned)(abs % 1000);
    uint64_t sec = abs / 1000;
    if (frac) {
        for (int i = 0; i < 3; i++, frac /= 10) {
            if (frac % 10 || p != text + sizeof text)
                *--p = (char)('0' + frac % 10);
        }
        *--p = '.';
    }
    do {
        *--p = (char)('0' + sec % 10);
        sec /= 10;
    } while (sec);
    if (ms < 0)
        *--p = '-';
    put(b, p, (size_t)(text + sizeof text - p));
}

static void encode_blob(nk_buf *b, nk_str raw)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)raw.p;
    put_char(b, '"');
    for (size_t i = 0; i < raw.n; i += 3) {
        size_t left = raw.n - i;
        uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                     (left > 2 ? p[i + 2] : 0);
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63], left > 1 ? digits[v >> 6 & 63] : '=',
                        left > 2 ? digits[v & 63] : '='};
        put(b, four, 4);
    }
    put_char(b, '"');
}

static void encode_value(nk_buf *b, const nk_shape *s, const void *v)
{
    nk_json_writer w = {.buf = b};
    switch (s->kind) {
    case NK_KIND_STRUCT:
        encode_struct(b, s, v);
        break;
    case NK_KIND_LIST:
        encode_list(b, s, v);
        break;
    case NK_KIND_MAP:
        encode_map(b, s, v);
        break;
    case NK_KIND_STRING:
        put_string(b, *(const nk_str *)v);
        break;
    case NK_KIND_BLOB:
        encode_blob(b, *(const nk_str *)v);
        break;
    case NK_KIND_BOOL:
        nk_jw_bool(&w, ((const nk_opt_bool *)v)->value);
        break;
    case NK_KIND_INT:
    case NK_KIND_LONG:
        nk_jw_i64(&w, ((const nk_opt_i64 *)v)->value);
        break;
    case NK_KIND_DOUBLE:
        nk_jw_f64(&w, ((const nk_opt_f64 *)v)->value);
        break;
    case NK_KIND_TIME:
        encode_time(b, s, ((const nk_opt_time *)v)->us);
        break;
    case NK_KIND_DOC:
        (void)nk_buf_str(b, *(const nk_str *)v);
        break;
    }
}

nk_code nk_model_encode(const nk_shape *shape, const void *value, nk_buf *buf, nk_err *err)
{
    encode_value(buf, shape, value);
    if (buf->p)
        buf->p[buf->n] = 0;
    return nk_buf_check(buf, err);
}

nk_code nk_model_encode_str(const nk_shape *shape, const void *value, nk_arena *a, nk_str *out,
                            nk_err *err)
{
    nk_buf b;
    nk_buf_init(&b, (size_t)256 << 20);
    nk_code rc = nk_model_encode(shape, value, &b, err);
    if (rc == NK_OK) {
        *out = nk_buf_dup(&b, a);
        if (!out->p)
            rc = nk_fail(err, NK_E_NOMEM, "out of memory while writing a document");
    }
    nk_buf_free(&b);
    return rc;
}

static nk_code copy_value(const nk_shape *s, void *v, nk_arena *a);

static nk_code copy_text(nk_str *s, nk_arena *a)
{
    if (!s->p)
        return NK_OK;
    *s = nk_str_dup(a, *s);
    return s->p ? NK_OK : NK_E_NOMEM;
}

static nk_code copy_members(const nk_shape *s, char *v, nk_arena *a)
{
    NK_TRY(copy_text((nk_str *)(void *)v, a)); /* raw_ */
    for (const nk_member *m = s->members, *end = m + s->n_members; m < end; m++) {
        void *slot = v + m->offset;
        if (m->shape->kind != NK_KIND_STRUCT) {
            NK_TRY(copy_value(m->shape, slot, a));
            continue;
        }
        void **link = slot;
        if (!*link)
            continue;
        void *mine = nk_arena_alloc(a, m->shape->size);
        if (!mine)
            return NK_E_NOMEM;
        memcpy(mine, *link, m->shape->size);
        *link = mine;
        NK_TRY(copy_members(m->shape, mine, a));
    }
    return NK_OK;
}

static nk_code copy_seq(const nk_shape *s, nk_seq *seq, nk_arena *a)
{
    size_t head = s->kind == NK_KIND_MAP ? sizeof(nk_str) : 0, size = head + s->elem->size;
    if (!seq->n)
        return NK_OK;
    char *v = nk_arena_calloc(a, seq->n, size);
    if (!v)
        return NK_E_NOMEM;
    memcpy(v, seq->v, seq->n * size);
    seq->v = v;
    for (size_t i = 0; i < seq->n; i++, v += size) {
        if (head)
            NK_TRY(copy_text((nk_str *)(void *)v, a));
        NK_TRY(copy_value(s->elem, v + head, a));
    }
    return NK_OK;
}

/* v holds a shallow copy already; makes what it points to our own. */
static nk_code copy_value(const nk_shape *s, void *v, nk_arena *a)
{
    switch (s->kind) {
    case NK_KIND_STRUCT:
        return copy_members(s, v, a);
    case NK_KIND_LIST:
    case NK_KIND_MAP:
        return copy_seq(s, v, a);
    case NK_KIND_STRING:
    case NK_KIND_BLOB:
    case NK_KIND_DOC:
        return copy_text(v, a);
    default:
        return NK_OK;
    }
}

nk_code nk_model_copy(const nk_shape *shape, const void *value, nk_arena *a, void **out)
{
    *out = nk_arena_alloc(a, shape->size);
    if (!*out)
        return NK_E_NOMEM;
    memcpy(*out, value, shape->size);
    return copy_value(shape, *out, a);
}
