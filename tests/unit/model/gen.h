/* Makes JSON for any shape: valid, or with exactly one fault at a chosen place. */
#ifndef NK_TEST_GEN_H
#define NK_TEST_GEN_H

#include "model/model.h"
#include "model/pattern_int.h"

#include <math.h>

typedef enum {
    FAULT_NONE,
    FAULT_TYPE,    /* a value of another type: SerializationException */
    FAULT_MISSING, /* a required member left out */
    FAULT_NULL_ELEM,
    FAULT_SHORT,
    FAULT_LONG,
    FAULT_ENUM,
    FAULT_PATTERN,
    FAULT_KINDS
} gen_fault;

typedef struct gen {
    nk_buf b;
    uint64_t seed;
    int depth_max;
    bool all;       /* every member, not some at random */
    const void *at; /* where the fault goes: a member, or a list or map shape for its elements */
    gen_fault fault;
    bool done;    /* it was put there */
    bool visited; /* `at` was met, though no fault of this kind fits */
} gen;

static inline uint64_t gen_random(gen *g)
{
    g->seed ^= g->seed << 13;
    g->seed ^= g->seed >> 7;
    g->seed ^= g->seed << 17;
    return g->seed >> 11;
}

/* Texts, one of which matches each pattern that is no plain class. */
static const char *const gen_samples[] = {
    "a",
    "Name_1",
    "abc",
    "arn:aws:glue:us-east-1:123456789012:x/y",
    "arn:aws:iam::123456789012:role/Glue",
    "arn:aws:kms:us-east-1:123456789012:key/k",
    "arn:aws:secretsmanager:us-east-1:1:s",
    "ja-01234567-89ab-cdef-0123-456789abcdef",
    "01234567-89ab-cdef-0123-456789abcdef",
    "auto",
    "$.path.to",
    "aaaa.bbbb.cccc",
    "Mon:09",
    "s3://bucket/folder/key",
    "/path",
    "3.9",
    "2",
    "https://example.com/path",
    "sc://host:1",
    "1-2",
    "Distinct.Values",
    "arn:aws:iam::1:role/x",
    "text",
};

/* A code point that the plain pattern allows. */
static inline void gen_class_char(gen *g, const nk_pattern *p)
{
    if (p->n_wide && gen_random(g) % 8 == 0) {
        const nk_range *r = &p->wide[gen_random(g) % p->n_wide];
        uint32_t cp = r->lo + (uint32_t)(gen_random(g) % (r->hi - r->lo + 1));
        if (cp < 0xd800 || cp > 0xdfff) {
            char out[4];
            size_t n = nk_utf8_put(out, cp);
            (void)nk_buf_add(&g->b, out, n);
            return;
        }
    }
    for (unsigned c = (unsigned)gen_random(g) & 127;; c = (c + 1) & 127) {
        if (!(p->ascii[c >> 6] >> (c & 63) & 1))
            continue;
        if (c < 0x20 || c == '"' || c == '\\')
            (void)nk_buf_printf(&g->b, "\\u%04x", c);
        else
            (void)nk_buf_putc(&g->b, (char)c);
        return;
    }
}

static inline void gen_string(gen *g, const nk_shape *s)
{
    size_t min = s->flags & NK_SHAPE_MIN ? (size_t)s->min : 0;
    size_t max = s->flags & NK_SHAPE_MAX ? (size_t)s->max : min + 40;
    if (max > min + 40)
        max = min + 40;
    size_t n = min + gen_random(g) % (max - min + 1);
    (void)nk_buf_putc(&g->b, '"');
    if (s->n_enums) {
        (void)nk_buf_str(&g->b, s->enums[gen_random(g) % s->n_enums]);
    } else if (s->pattern && !s->pattern->plain) {
        size_t k = 0, count = NK_COUNTOF(gen_samples);
        for (; k < count; k++) {
            nk_str t = nk_str_c(gen_samples[k]);
            bool yes = false;
            if (t.n >= min && (!(s->flags & NK_SHAPE_MAX) || (double)t.n <= s->max) &&
                nk_pattern_match(s->pattern, t, &yes) == NK_OK && yes)
                break;
        }
        (void)nk_buf_puts(&g->b, k < count ? gen_samples[k] : "NO SAMPLE MATCHES THIS PATTERN");
    } else if (s->pattern) {
        if (s->pattern->least > n)
            n = s->pattern->least;
        while (n--)
            gen_class_char(g, s->pattern);
    } else {
        static const char *const odd[] = {
            "x", "Y", "7", " ", "\\n", "\\\"", "\xc3\xa9", "\xf0\x9f\x98\x80", "\\u0001"};
        while (n--)
            (void)nk_buf_puts(&g->b, odd[gen_random(g) % NK_COUNTOF(odd)]);
    }
    (void)nk_buf_putc(&g->b, '"');
}

static inline void gen_long_text(gen *g, size_t n)
{
    (void)nk_buf_putc(&g->b, '"');
    while (n--)
        (void)nk_buf_putc(&g->b, 'a');
    (void)nk_buf_putc(&g->b, '"');
}

static inline void gen_value(gen *g, const nk_shape *s, int depth);

static inline void gen_entry(gen *g, const nk_shape *s, size_t i, int depth)
{
    if (i)
        (void)nk_buf_putc(&g->b, ',');
    if (s->kind == NK_KIND_MAP) /* keys that differ */
        (void)nk_buf_printf(&g->b, "\"k%zu\":", i);
    gen_value(g, s->elem, depth + 1);
}

/* Puts the wanted fault in place of a value of shape s, if it can have it. */
static inline bool gen_wrong(gen *g, const nk_shape *s, gen_fault f, int depth)
{
    bool seq = s->kind == NK_KIND_LIST || s->kind == NK_KIND_MAP;
    bool number = s->kind == NK_KIND_INT || s->kind == NK_KIND_LONG || s->kind == NK_KIND_DOUBLE;
    nk_json_writer w = {.buf = &g->b};
    static const char *const others[] = {
        [NK_KIND_STRUCT] = "\"x\"",  [NK_KIND_LIST] = "{}",    [NK_KIND_MAP] = "[]",
        [NK_KIND_STRING] = "17",     [NK_KIND_BLOB] = "\"*\"", [NK_KIND_BOOL] = "\"true\"",
        [NK_KIND_INT] = "\"1\"",     [NK_KIND_LONG] = "{}",    [NK_KIND_DOUBLE] = "true",
        [NK_KIND_TIME] = "\"soon\"",
    };
    if (f == FAULT_TYPE) {
        if (s->kind == NK_KIND_DOC)
            return false;
        (void)nk_buf_puts(&g->b, others[s->kind]);
        return true;
    }
    if (f == FAULT_SHORT && s->flags & NK_SHAPE_MIN && (number || s->min > 0)) {
        if (number) {
            nk_jw_i64(&w, (int64_t)floor(s->min) - 1);
        } else if (seq) {
            (void)nk_buf_puts(&g->b, s->kind == NK_KIND_MAP ? "{}" : "[]");
        } else {
            gen_long_text(g, (size_t)s->min - 1);
        }
        return true;
    }
    if (f == FAULT_LONG && s->flags & NK_SHAPE_MAX) {
        if (s->kind == NK_KIND_INT && s->max >= 2147483647.0)
            return false; /* cannot even be sent */
        if (number) {
            nk_jw_i64(&w, (int64_t)ceil(s->max) + 1);
        } else if (seq) {
            bool map = s->kind == NK_KIND_MAP;
            if (s->max > 200)
                return false; /* too big to be worth it */
            (void)nk_buf_putc(&g->b, map ? '{' : '[');
            int was = g->depth_max;
            g->depth_max = depth + 2; /* many elements: shallow ones */
            for (size_t i = 0; i <= (size_t)s->max; i++)
                gen_entry(g, s, i, depth);
            g->depth_max = was;
            (void)nk_buf_putc(&g->b, map ? '}' : ']');
        } else {
            gen_long_text(g, (size_t)s->max + 1);
        }
        return true;
    }
    bool any = s->flags & NK_SHAPE_OPEN && !s->open.n; /* an enum that every text is in */
    if (f == FAULT_ENUM && s->n_enums && !any) {
        (void)nk_buf_puts(&g->b, "\"NOT_ONE_OF_THEM\"");
        return true;
    }
    if (f == FAULT_PATTERN && s->pattern) {
        static const char *const tries[] = {
            "\x01", "!", " ", "\n", "-", "ab\ncd", "A", "0", "\xef\xbf\xbf", "....", "0123456789"};
        for (size_t i = 0; i < NK_COUNTOF(tries); i++) {
            bool yes = true;
            nk_str t = nk_str_c(tries[i]);
            if (nk_pattern_match(s->pattern, t, &yes) != NK_OK || yes)
                continue;
            nk_jw_str(&w, t);
            return true;
        }
    }
    return false;
}

static inline void gen_struct(gen *g, const nk_shape *s, int depth)
{
    bool comma = false;
    (void)nk_buf_putc(&g->b, '{');
    for (const nk_member *m = s->members, *end = m + s->n_members; m < end; m++) {
        bool here = g->at == m && !g->visited;
        bool required = m->flags & NK_MEMBER_REQUIRED;
        g->visited |= here;
        if (here && g->fault == FAULT_MISSING && required) {
            g->done = true;
            continue;
        }
        if (!required && !here && (depth >= g->depth_max || (!g->all && gen_random(g) % 3)))
            continue;
        (void)nk_buf_puts(&g->b, comma ? "," : "");
        comma = true;
        (void)nk_buf_str(&g->b, m->json_key);
        if (here && gen_wrong(g, m->shape, g->fault, depth + 1))
            g->done = true;
        else
            gen_value(g, m->shape, depth + 1);
    }
    (void)nk_buf_putc(&g->b, '}');
}

static inline void gen_seq(gen *g, const nk_shape *s, int depth)
{
    bool map = s->kind == NK_KIND_MAP;
    size_t n = s->flags & NK_SHAPE_MIN ? (size_t)s->min : 0;
    size_t max = s->flags & NK_SHAPE_MAX ? (size_t)s->max : 2;
    if (n < max && depth < g->depth_max)
        n += g->all ? 1 : gen_random(g) % (max - n > 2 ? 3 : max - n + 1);
    bool here = g->at == s && !g->visited;
    g->visited |= here;
    if (here && !n)
        n = 1;
    (void)nk_buf_putc(&g->b, map ? '{' : '[');
    for (size_t i = 0; i < n; i++) {
        if (i)
            (void)nk_buf_putc(&g->b, ',');
        bool bad = here && i == n - 1;
        if (map) {
            if (g->at) /* keys that differ: a later one must not undo the fault */
                (void)nk_buf_printf(&g->b, "\"k%zu\"", i);
            else
                gen_string(g, s->key);
            (void)nk_buf_putc(&g->b, ':');
        }
        if (bad && g->fault == FAULT_NULL_ELEM && !map) {
            (void)nk_buf_puts(&g->b, "null");
            g->done = true;
        } else if (bad && gen_wrong(g, s->elem, g->fault, depth + 1)) {
            g->done = true;
        } else {
            gen_value(g, s->elem, depth + 1);
        }
    }
    (void)nk_buf_putc(&g->b, map ? '}' : ']');
}

static inline void gen_value(gen *g, const nk_shape *s, int depth)
{
    nk_json_writer w = {.buf = &g->b};
    double lo = s->flags & NK_SHAPE_MIN ? s->min : -1000;
    double hi = s->flags & NK_SHAPE_MAX ? s->max : lo + 2000;
    switch (s->kind) {
    case NK_KIND_STRUCT:
        gen_struct(g, s, depth);
        break;
    case NK_KIND_LIST:
    case NK_KIND_MAP:
        gen_seq(g, s, depth);
        break;
    case NK_KIND_STRING:
        gen_string(g, s);
        break;
    case NK_KIND_BLOB:
        (void)nk_buf_puts(&g->b, "\"AAEC/w==\"");
        break;
    case NK_KIND_BOOL:
        nk_jw_bool(&w, gen_random(g) & 1);
        break;
    case NK_KIND_INT:
    case NK_KIND_LONG:
        nk_jw_i64(&w, (int64_t)(lo + (double)(gen_random(g) % (uint64_t)(hi - lo + 1))));
        break;
    case NK_KIND_DOUBLE:
        nk_jw_f64(&w, lo + (hi - lo) * (double)(gen_random(g) % 1000) / 1000);
        break;
    case NK_KIND_TIME:
        if (s->flags & NK_SHAPE_ISO8601)
            (void)nk_buf_puts(&g->b, "\"2026-02-03T04:05:06.789Z\"");
        else
            (void)nk_buf_printf(&g->b, "%llu.%03u",
                                (unsigned long long)(gen_random(g) % 4000000000u),
                                (unsigned)(gen_random(g) % 1000));
        break;
    case NK_KIND_DOC:
        (void)nk_buf_puts(&g->b, "{\"any\":[1,{\"thing\":null}]}");
        break;
    }
}

/* JSON of shape s into g->b. */
static inline nk_str gen_json(gen *g, const nk_shape *s)
{
    nk_buf_clear(&g->b);
    g->done = g->visited = false;
    gen_value(g, s, 0);
    return nk_buf_view(&g->b);
}

#endif
