/* JSON into structs, straight from the pull reader. */
#include <math.h>
#include <stdio.h>

#include "model/model_int.h"

typedef struct decoder {
    nk_json_reader r;
    nk_arena *arena;
    nk_err *err;
} decoder;

static nk_code decode_value(decoder *d, const nk_shape *s, void *out);

static nk_code no_memory(decoder *d)
{
    return nk_fail(d->err, NK_E_NOMEM, "out of memory while reading a request");
}

static const char *token_name(nk_json_token t)
{
    return t == NK_JSON_STRING   ? "STRING_VALUE"
           : t == NK_JSON_NUMBER ? "NUMBER_VALUE"
           : t == NK_JSON_TRUE   ? "TRUE_VALUE"
                                 : "FALSE_VALUE";
}

/* What the token at hand is not; the wording is that of AWS's own services. */
static nk_code mismatch(decoder *d, const nk_shape *s)
{
    static const char *const wanted[] = {
        [NK_KIND_STRING] = "a String",
        [NK_KIND_BLOB] = "a ByteBuffer",
        [NK_KIND_BOOL] = "a Boolean",
        [NK_KIND_INT] = "an Integer",
        [NK_KIND_LONG] = "a Long",
        [NK_KIND_DOUBLE] = "a Double",
        [NK_KIND_TIME] = "milliseconds since epoch",
    };
    const char *want = (size_t)s->kind < NK_COUNTOF(wanted) ? wanted[s->kind] : NULL;
    if (d->r.token == NK_JSON_OBJECT)
        return nk_fail(d->err, NK_E_SERIALIZATION,
                       "Start of structure or map found where not expected.");
    if (d->r.token == NK_JSON_ARRAY)
        return nk_fail(d->err, NK_E_SERIALIZATION, "Start of list found where not expected");
    if (!want)
        return nk_fail(d->err, NK_E_SERIALIZATION, "Unexpected field type");
    return nk_fail(d->err, NK_E_SERIALIZATION, "%s can not be converted to %s",
                   token_name(d->r.token), want);
}

/* Names the member in the hint: "TableInput.Retention". */
static void place(nk_err *err, nk_str name)
{
    char rest[NK_ERR_HINT_MAX];
    if (!err || err->code != NK_E_SERIALIZATION)
        return;
    memcpy(rest, err->hint, sizeof rest);
    snprintf(err->hint, sizeof err->hint, "%.*s%s%.300s", (int)(name.n < 100 ? name.n : 100),
             name.p, rest[0] && rest[0] != '[' ? "." : "", rest);
}

static nk_code decode_struct(decoder *d, const nk_shape *s, void *out)
{
    if (d->r.token != NK_JSON_OBJECT)
        return mismatch(d, s);
    const nk_member *guess = s->members, *end = s->members + s->n_members;
    for (;;) {
        NK_TRY(nk_json_next(&d->r));
        if (d->r.token == NK_JSON_OBJECT_END)
            return NK_OK;
        /* Clients mostly send members in one order: try the next one first. */
        const nk_member *m = guess;
        if (!m || m == end || !nk_str_eq(m->wire, d->r.text))
            m = nk_model_member(s, d->r.text);
        NK_TRY(nk_json_next(&d->r));
        if (!m || m->where != NK_IN_BODY) {
            NK_TRY(nk_json_skip(&d->r));
            continue;
        }
        guess = m + 1;
        void *slot = (char *)out + m->offset;
        nk_code rc;
        if (m->shape->kind != NK_KIND_STRUCT) {
            rc = decode_value(d, m->shape, slot);
        } else if (d->r.token == NK_JSON_NULL) {
            *(void **)slot = NULL;
            continue;
        } else {
            void *child = nk_arena_alloc(d->arena, m->shape->size);
            if (!child)
                return no_memory(d);
            *(void **)slot = child;
            rc = decode_struct(d, m->shape, child);
        }
        if (rc != NK_OK) {
            place(d->err, m->wire);
            return rc;
        }
    }
}

/* Room for one more element of size bytes; zeroed. */
static char *seq_add(decoder *d, nk_seq *seq, size_t *cap, size_t size)
{
    if (seq->n == *cap) {
        size_t more = *cap ? *cap * 2 : 4;
        char *v = nk_arena_calloc(d->arena, more, size);
        if (!v)
            return NULL;
        if (seq->n)
            memcpy(v, seq->v, seq->n * size);
        seq->v = v;
        *cap = more;
    }
    return seq->v + seq->n++ * size;
}

static nk_code decode_list(decoder *d, const nk_shape *s, nk_seq *seq)
{
    if (d->r.token != NK_JSON_ARRAY)
        return mismatch(d, s);
    size_t cap = 0, size = s->elem->size;
    *seq = (nk_seq){.set = true};
    for (;;) {
        NK_TRY(nk_json_next(&d->r));
        if (d->r.token == NK_JSON_ARRAY_END)
            return NK_OK;
        char *v = seq_add(d, seq, &cap, size);
        if (!v)
            return no_memory(d);
        if (d->r.token == NK_JSON_NULL) {
            if (s->elem->kind == NK_KIND_STRUCT)
                *(nk_str *)(void *)v = NK_NULL_ELEM;
            continue;
        }
        nk_code rc = decode_value(d, s->elem, v);
        if (rc != NK_OK) {
            char at[24];
            int n = snprintf(at, sizeof at, "[%zu]", seq->n - 1);
            place(d->err, nk_str_n(at, (size_t)n));
            return rc;
        }
    }
}

/* The entry that key has among the first n, or NULL. */
static char *find_entry(nk_seq *seq, size_t n, size_t size, const nk_map *index, nk_str key)
{
    if (index->cap)
        return nk_map_get(index, key);
    for (char *e = seq->v, *end = seq->v + n * size; e < end; e += size) {
        if (nk_str_eq(*(const nk_str *)(const void *)e, key))
            return e;
    }
    return NULL;
}

/* Of a key that comes twice the last value counts, at the first one's place. */
static nk_code merge_duplicates(decoder *d, nk_seq *seq, size_t size)
{
    size_t kept = 0;
    nk_map index; /* only for long maps: comparing all with all would be a gift to attackers */
    nk_map_init(&index);
    for (size_t i = 0; i < seq->n; i++) {
        char *e = seq->v + i * size;
        nk_str key = *(const nk_str *)(const void *)e;
        char *first = find_entry(seq, kept, size, &index, key);
        if (first) {
            memcpy(first, e, size);
            continue;
        }
        char *slot = seq->v + kept++ * size;
        if (slot != e)
            memcpy(slot, e, size);
        if (seq->n > 16 && nk_map_put(&index, key, slot, NULL) != NK_OK) {
            nk_map_free(&index);
            return no_memory(d);
        }
    }
    nk_map_free(&index);
    seq->n = kept;
    return NK_OK;
}

static nk_code decode_map(decoder *d, const nk_shape *s, nk_seq *seq)
{
    if (d->r.token != NK_JSON_OBJECT)
        return mismatch(d, s);
    size_t cap = 0, size = nk_entry_size(s);
    *seq = (nk_seq){.set = true};
    for (;;) {
        NK_TRY(nk_json_next(&d->r));
        if (d->r.token == NK_JSON_OBJECT_END)
            return seq->n > 1 ? merge_duplicates(d, seq, size) : NK_OK;
        nk_str key = d->r.text;
        NK_TRY(nk_json_next(&d->r));
        if (d->r.token == NK_JSON_NULL)
            continue;
        char *v = seq_add(d, seq, &cap, size);
        if (!v)
            return no_memory(d);
        *(nk_str *)(void *)v = key;
        nk_code rc = decode_value(d, s->elem, v + sizeof(nk_str));
        if (rc != NK_OK) {
            place(d->err, key);
            return rc;
        }
    }
}

static nk_code decode_integer(decoder *d, const nk_shape *s, nk_opt_i64 *out)
{
    int64_t v;
    double f;
    if (d->r.token != NK_JSON_NUMBER)
        return mismatch(d, s);
    if (!nk_str_i64(d->r.text, &v)) {
        /* 3.0 and 1e3 are integers too */
        if (!nk_str_f64(d->r.text, &f) || f != trunc(f) || fabs(f) > 9007199254740992.0)
            return mismatch(d, s);
        v = (int64_t)f;
    }
    if (s->kind == NK_KIND_INT && (v < INT32_MIN || v > INT32_MAX))
        return mismatch(d, s);
    *out = nk_some_i64(v);
    return NK_OK;
}

static nk_code decode_double(decoder *d, const nk_shape *s, nk_opt_f64 *out)
{
    double f;
    if (d->r.token == NK_JSON_STRING) { /* JSON has no other way to say these */
        if (nk_str_is(d->r.text, "NaN"))
            f = NAN;
        else if (nk_str_is(d->r.text, "Infinity"))
            f = INFINITY;
        else if (nk_str_is(d->r.text, "-Infinity"))
            f = -INFINITY;
        else
            return mismatch(d, s);
    } else if (d->r.token != NK_JSON_NUMBER || !nk_str_f64(d->r.text, &f)) {
        return mismatch(d, s);
    }
    *out = nk_some_f64(f);
    return NK_OK;
}

static bool two(nk_str s, size_t at, int *out)
{
    if (at + 2 > s.n)
        return false;
    unsigned a = (unsigned char)s.p[at] - '0', b = (unsigned char)s.p[at + 1] - '0';
    *out = (int)(a * 10 + b);
    return a < 10 && b < 10;
}

/* 2026-01-31T23:59:59.123456Z, also with an offset, without a fraction or only a date. */
static bool parse_iso(nk_str s, int64_t *us)
{
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    nk_civil c = {0};
    int century, year, oh = 0, om = 0, sign = 0;
    if (!two(s, 0, &century) || !two(s, 2, &year) || s.n < 10 || s.p[4] != '-' || s.p[7] != '-' ||
        !two(s, 5, &c.month) || !two(s, 8, &c.day))
        return false;
    c.year = century * 100 + year;
    if (c.month < 1 || c.month > 12 || c.day < 1 || c.day > days[c.month - 1])
        return false;
    size_t at = 10;
    if (at < s.n) {
        if ((s.p[at] != 'T' && s.p[at] != ' ') || !two(s, 11, &c.hour) || s.n < 19 ||
            s.p[13] != ':' || !two(s, 14, &c.minute) || s.p[16] != ':' || !two(s, 17, &c.second) ||
            c.hour > 23 || c.minute > 59 || c.second > 60)
            return false;
        at = 19;
    }
    if (at < s.n && s.p[at] == '.') {
        int scale = 100000;
        for (at++; at < s.n && (unsigned char)(s.p[at] - '0') < 10; at++, scale /= 10)
            c.usec += (s.p[at] - '0') * scale;
    }
    if (at < s.n && s.p[at] == 'Z') {
        at++;
    } else if (at < s.n && (s.p[at] == '+' || s.p[at] == '-')) {
        sign = s.p[at] == '-' ? -1 : 1;
        if (!two(s, at + 1, &oh))
            return false;
        at += 3;
        at += at < s.n && s.p[at] == ':';
        if (!two(s, at, &om))
            return false;
        at += 2;
    }
    *us = nk_civil_to_us(&c) - sign * (int64_t)(oh * 60 + om) * 60000000;
    return at == s.n;
}

/* Seconds since 1970 with any fraction; exact to the microsecond when written plainly. */
static bool parse_epoch(nk_str s, int64_t *us)
{
    const int64_t most = INT64_C(9000000000000); /* seconds: far beyond the year 200000 */
    ptrdiff_t dot = nk_str_chr(s, '.');
    nk_str whole = dot < 0 ? s : nk_str_n(s.p, (size_t)dot);
    int64_t sec, frac = 0;
    if (nk_str_i64(whole, &sec)) {
        if (sec > most || sec < -most)
            return false;
        bool plain = true;
        int64_t scale = 100000;
        for (size_t i = whole.n + 1; i < s.n; i++, scale /= 10) {
            unsigned digit = (unsigned char)s.p[i] - '0';
            plain = plain && digit < 10;
            frac += plain ? digit * scale : 0;
        }
        if (plain) {
            *us = sec * 1000000 + (s.p[0] == '-' ? -frac : frac);
            return true;
        }
    }
    double f;
    if (!nk_str_f64(s, &f) || !(fabs(f) <= (double)most))
        return false;
    *us = llround(f * 1e6);
    return true;
}

static nk_code decode_time(decoder *d, const nk_shape *s, nk_opt_time *out)
{
    int64_t us;
    if (!(d->r.token == NK_JSON_NUMBER && parse_epoch(d->r.text, &us)) &&
        !(d->r.token == NK_JSON_STRING && parse_iso(d->r.text, &us)))
        return mismatch(d, s);
    *out = nk_some_time(us);
    return NK_OK;
}

static nk_code decode_blob(decoder *d, const nk_shape *s, nk_str *out)
{
    if (d->r.token != NK_JSON_STRING)
        return mismatch(d, s);
    nk_code rc = nk_base64_decode(d->arena, d->r.text, out);
    if (rc == NK_E_PARSE)
        return mismatch(d, s);
    return rc == NK_OK ? rc : no_memory(d);
}

/* r.token is the value's first token. null leaves out as if absent. */
static nk_code decode_value(decoder *d, const nk_shape *s, void *out)
{
    if (d->r.token == NK_JSON_NULL) {
        memset(out, 0, s->size);
        return NK_OK;
    }
    switch (s->kind) {
    case NK_KIND_STRUCT:
        return decode_struct(d, s, out);
    case NK_KIND_LIST:
        return decode_list(d, s, out);
    case NK_KIND_MAP:
        return decode_map(d, s, out);
    case NK_KIND_STRING:
        if (d->r.token != NK_JSON_STRING)
            return mismatch(d, s);
        *(nk_str *)out = d->r.text;
        return NK_OK;
    case NK_KIND_BLOB:
        return decode_blob(d, s, out);
    case NK_KIND_BOOL:
        if (d->r.token != NK_JSON_TRUE && d->r.token != NK_JSON_FALSE)
            return mismatch(d, s);
        *(nk_opt_bool *)out = nk_some_bool(d->r.token == NK_JSON_TRUE);
        return NK_OK;
    case NK_KIND_INT:
    case NK_KIND_LONG:
        return decode_integer(d, s, out);
    case NK_KIND_DOUBLE:
        return decode_double(d, s, out);
    case NK_KIND_TIME:
        return decode_time(d, s, out);
    case NK_KIND_DOC:
        return nk_json_raw(&d->r, out);
    }
    return nk_fail(d->err, NK_E_INTERNAL, "%s: unknown kind", s->name);
}

nk_code nk_model_decode_into(const nk_shape *shape, nk_str json, nk_arena *a, void *out,
                             nk_err *err)
{
    decoder d = {.arena = a};
    nk_err local;
    d.err = err ? err : &local;
    d.err->hint[0] = 0;
    nk_json_begin(&d.r, json, a, 0, d.err);
    nk_code rc = nk_json_next(&d.r);
    if (rc == NK_OK)
        rc = decode_value(&d, shape, out);
    if (rc == NK_OK)
        rc = nk_json_next(&d.r); /* nothing may follow */
    if (rc == NK_E_LIMIT) {
        rc = NK_E_SERIALIZATION;
        d.err->code = rc;
    }
    return rc;
}

nk_code nk_model_decode(const nk_shape *shape, nk_str json, nk_arena *a, void **out, nk_err *err)
{
    *out = nk_arena_alloc(a, shape->size);
    if (!*out)
        return nk_fail(err, NK_E_NOMEM, "out of memory while reading a request");
    return nk_model_decode_into(shape, json, a, *out, err);
}

nk_code nk_model_set_text(const nk_shape *shape, const nk_member *m, void *value, nk_str text,
                          nk_arena *a, nk_err *err)
{
    void *slot = (char *)value + m->offset;
    decoder d = {.arena = a, .err = err};
    d.r.text = text;
    nk_code rc;
    switch (m->shape->kind) {
    case NK_KIND_STRING:
        *(nk_str *)slot = text;
        return NK_OK;
    case NK_KIND_BOOL:
        d.r.token = nk_str_is(text, "true")    ? NK_JSON_TRUE
                    : nk_str_is(text, "false") ? NK_JSON_FALSE
                                               : NK_JSON_STRING;
        break;
    case NK_KIND_TIME:
        d.r.token = nk_str_chr(text, '-') > 0 ? NK_JSON_STRING : NK_JSON_NUMBER;
        break;
    case NK_KIND_INT:
    case NK_KIND_LONG:
    case NK_KIND_DOUBLE:
        d.r.token = NK_JSON_NUMBER;
        break;
    default:
        d.r.token = NK_JSON_STRING;
    }
    rc = decode_value(&d, m->shape, slot);
    if (rc != NK_OK)
        place(err, m->wire);
    return rc;
}
