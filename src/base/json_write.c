#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/scan.h"

static inline void before(nk_json_writer *w)
{
    if (w->comma)
        (void)nk_buf_putc(w->buf, ',');
    w->comma = true;
}

static void open_with(nk_json_writer *w, char c)
{
    before(w);
    (void)nk_buf_putc(w->buf, c);
    w->comma = false;
}

static void close_with(nk_json_writer *w, char c)
{
    (void)nk_buf_putc(w->buf, c);
    w->comma = true;
}

void nk_jw_object(nk_json_writer *w)
{
    open_with(w, '{');
}

void nk_jw_object_end(nk_json_writer *w)
{
    close_with(w, '}');
}

void nk_jw_array(nk_json_writer *w)
{
    open_with(w, '[');
}

void nk_jw_array_end(nk_json_writer *w)
{
    close_with(w, ']');
}

static void escape(nk_buf *b, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    char six[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
    const char *at = c == '"'    ? "\""
                     : c == '\\' ? "\\"
                     : c == '\n' ? "n"
                     : c == '\r' ? "r"
                     : c == '\t' ? "t"
                                 : NULL;
    if (at) {
        char two[2] = {'\\', *at};
        (void)nk_buf_add(b, two, 2);
    } else {
        (void)nk_buf_add(b, six, 6);
    }
}

static void quoted(nk_buf *b, nk_str s)
{
    const char *p = s.p, *end = s.p + s.n;
    (void)nk_buf_putc(b, '"');
    while (p < end) {
        const char *q = nk_scan_plain(p, end);
        while (q < end && (signed char)*q < 0) { /* valid UTF-8 goes as it is */
            uint32_t cp;
            size_t n = nk_utf8_get(q, (size_t)(end - q), &cp);
            if (!n)
                break;
            q = nk_scan_plain(q + n, end);
        }
        (void)nk_buf_add(b, p, (size_t)(q - p));
        if (q == end)
            break;
        if ((signed char)*q < 0)
            (void)nk_buf_add(b, "\xef\xbf\xbd", 3);
        else
            escape(b, (unsigned char)*q);
        p = q + 1;
    }
    (void)nk_buf_putc(b, '"');
}

void nk_jw_str(nk_json_writer *w, nk_str s)
{
    before(w);
    quoted(w->buf, s.p ? s : NK_STR(""));
}

void nk_jw_cstr(nk_json_writer *w, const char *s)
{
    nk_jw_str(w, nk_str_c(s));
}

void nk_jw_key(nk_json_writer *w, nk_str key)
{
    nk_jw_str(w, key);
    (void)nk_buf_putc(w->buf, ':');
    w->comma = false;
}

void nk_jw_i64(nk_json_writer *w, int64_t v)
{
    char text[24], *p = text + sizeof text;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        *--p = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    if (v < 0)
        *--p = '-';
    before(w);
    (void)nk_buf_add(w->buf, p, (size_t)(text + sizeof text - p));
}

void nk_jw_f64(nk_json_writer *w, double v)
{
    char text[40];
    if (isnan(v) || isinf(v)) {
        nk_jw_cstr(w, isnan(v) ? "NaN" : v < 0 ? "-Infinity" : "Infinity");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    char *comma = strchr(text, ','); /* a locale's */
    if (comma)
        *comma = '.';
    size_t n = strlen(text);
    if (!strpbrk(text, ".e")) {
        text[n++] = '.';
        text[n++] = '0';
    }
    nk_jw_raw(w, (nk_str){text, n});
}

void nk_jw_bool(nk_json_writer *w, bool v)
{
    nk_jw_raw(w, v ? NK_STR("true") : NK_STR("false"));
}

void nk_jw_null(nk_json_writer *w)
{
    nk_jw_raw(w, NK_STR("null"));
}

void nk_jw_raw(nk_json_writer *w, nk_str json)
{
    before(w);
    (void)nk_buf_str(w->buf, json);
}

void nk_jw_tree(nk_json_writer *w, const nk_json *j)
{
    if (!j) {
        nk_jw_null(w);
        return;
    }
    switch (j->kind) {
    case NK_JSON_TRUE:
    case NK_JSON_FALSE:
        nk_jw_bool(w, j->kind == NK_JSON_TRUE);
        break;
    case NK_JSON_NUMBER:
        nk_jw_raw(w, j->text);
        break;
    case NK_JSON_STRING:
        nk_jw_str(w, j->text);
        break;
    case NK_JSON_ARRAY:
    case NK_JSON_OBJECT:
        open_with(w, j->kind == NK_JSON_ARRAY ? '[' : '{');
        for (const nk_json *m = j->first; m; m = m->next) {
            if (j->kind == NK_JSON_OBJECT)
                nk_jw_key(w, m->key);
            nk_jw_tree(w, m);
        }
        close_with(w, j->kind == NK_JSON_ARRAY ? ']' : '}');
        break;
    default:
        nk_jw_null(w);
    }
}

void nk_jw_kstr(nk_json_writer *w, const char *key, nk_str s)
{
    nk_jw_key(w, nk_str_c(key));
    nk_jw_str(w, s);
}

void nk_jw_kcstr(nk_json_writer *w, const char *key, const char *s)
{
    nk_jw_kstr(w, key, nk_str_c(s));
}

void nk_jw_ki64(nk_json_writer *w, const char *key, int64_t v)
{
    nk_jw_key(w, nk_str_c(key));
    nk_jw_i64(w, v);
}

void nk_jw_kf64(nk_json_writer *w, const char *key, double v)
{
    nk_jw_key(w, nk_str_c(key));
    nk_jw_f64(w, v);
}

void nk_jw_kbool(nk_json_writer *w, const char *key, bool v)
{
    nk_jw_key(w, nk_str_c(key));
    nk_jw_bool(w, v);
}
