/* Strict pull reader. stack[0] is the text itself, stack[depth] the innermost open array or object.
 */
#include "base/json.h"

#include <stdlib.h>

#include "base/scan.h"

enum { TOP, TOP_DONE, ARRAY_FIRST, ARRAY_NEXT, OBJECT_FIRST, OBJECT_VALUE, OBJECT_NEXT };

void nk_json_begin(nk_json_reader *r, nk_str text, nk_arena *arena, size_t depth_max, nk_err *err)
{
    /* not a whole initialiser: zeroing the stack would cost more than a small request */
    r->start = r->p = text.p ? text.p : "";
    r->end = r->start + text.n;
    r->arena = arena;
    r->depth = 0;
    r->depth_max = depth_max == 0 ? NK_JSON_DEPTH_MAX : depth_max > 255 ? 255 : depth_max;
    r->token = NK_JSON_END;
    r->text = NK_STR_NULL;
    r->value = r->p;
    r->stack[0] = TOP;
    r->err = err;
    r->skipping = false;
}

static nk_code bad(nk_json_reader *r, const char *what)
{
    return nk_fail(r->err, NK_E_SERIALIZATION, "malformed JSON at byte %zu: %s",
                   (size_t)(r->p - r->start), what);
}

static inline void skip_blank(nk_json_reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
        r->p++;
}

static int hex4(const char *p, const char *end)
{
    int v = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int c = (unsigned char)p[i];
        int d = c >= '0' && c <= '9'                 ? c - '0'
                : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                     : -1;
        if (d < 0)
            return -1;
        v = v << 4 | d;
    }
    return v;
}

/* r->p is behind the backslash. Appends to out (if not NULL) and moves on. */
static nk_code read_escape(nk_json_reader *r, char **out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (r->p == r->end)
        return bad(r, "the text ends inside a string");
    char c = *r->p++;
    const char *at = c ? strchr(from, c) : NULL;
    if (at) {
        if (*out)
            *(*out)++ = to[at - from];
        return NK_OK;
    }
    int u = c == 'u' ? hex4(r->p, r->end) : -1;
    if (u < 0)
        return bad(r, "bad escape in a string");
    r->p += 4;
    uint32_t cp = (uint32_t)u;
    if (cp >= 0xd800 && cp < 0xe000) {
        int lo = cp < 0xdc00 && r->end - r->p >= 6 && r->p[0] == '\\' && r->p[1] == 'u'
                     ? hex4(r->p + 2, r->end)
                     : -1;
        if (lo < 0xdc00 || lo > 0xdfff)
            return bad(r, "half of a surrogate pair in a string");
        cp = 0x10000 + ((cp - 0xd800) << 10) + ((uint32_t)lo - 0xdc00);
        r->p += 6;
    }
    if (*out)
        *out += nk_utf8_put(*out, cp);
    return NK_OK;
}

/* Moves r->p over plain and valid UTF-8 text to the next quote or backslash. */
static inline nk_code scan_text(nk_json_reader *r)
{
    for (;;) {
        r->p = nk_scan_plain(r->p, r->end);
        if (r->p == r->end)
            return bad(r, "the text ends inside a string");
        if (*r->p == '"' || *r->p == '\\')
            return NK_OK;
        if ((unsigned char)*r->p < 0x20)
            return bad(r, "a control character in a string");
        do {
            uint32_t cp;
            size_t n = nk_utf8_get(r->p, (size_t)(r->end - r->p), &cp);
            if (!n)
                return bad(r, "not UTF-8");
            r->p += n;
        } while (r->p < r->end && (signed char)*r->p < 0);
    }
}

/* The rest of a string that holds an escape; start is behind the opening quote, r->p at the first
 * backslash. Unescaped text is never longer than what is written, and the closing quote bounds it.
 */
static nk_code read_escaped(nk_json_reader *r, const char *start)
{
    char *buf = NULL, *out = NULL;
    if (!r->skipping) {
        const char *q = r->p; /* look ahead for the end, to size the copy */
        while ((q = nk_scan_plain(q, r->end)) < r->end && *q != '"')
            q += *q == '\\' && r->end - q > 1 ? 2 : 1;
        buf = nk_arena_bytes(r->arena, (size_t)(q - start) + 1);
        if (!buf)
            return nk_fail(r->err, NK_E_NOMEM, "out of memory while reading JSON");
        out = buf;
    }
    for (;;) {
        if (out) {
            memcpy(out, start, (size_t)(r->p - start));
            out += r->p - start;
        }
        if (*r->p == '"')
            break;
        r->p++;
        NK_TRY(read_escape(r, &out));
        start = r->p;
        NK_TRY(scan_text(r));
    }
    r->p++;
    if (out)
        *out = 0;
    r->text = nk_str_n(buf, (size_t)(out - buf));
    return NK_OK;
}

/* r->p is behind the opening quote. */
static inline nk_code read_string(nk_json_reader *r)
{
    const char *start = r->p;
    NK_TRY(scan_text(r));
    if (__builtin_expect(*r->p == '\\', 0))
        return read_escaped(r, start);
    r->text = nk_str_n(start, (size_t)(r->p - start));
    r->p++;
    return NK_OK;
}

static inline bool digit(const nk_json_reader *r)
{
    return r->p < r->end && (unsigned char)(*r->p - '0') < 10;
}

static bool digits(nk_json_reader *r)
{
    if (!digit(r))
        return false;
    while (digit(r))
        r->p++;
    return true;
}

static nk_code read_number(nk_json_reader *r)
{
    const char *start = r->p;
    if (*r->p == '-')
        r->p++;
    if (r->p < r->end && *r->p == '0') {
        r->p++;
        if (digit(r))
            return bad(r, "a number with a leading zero");
    } else if (!digits(r)) {
        return bad(r, "expected a value");
    }
    if (r->p < r->end && *r->p == '.') {
        r->p++;
        if (!digits(r))
            return bad(r, "a number without digits after its point");
    }
    if (r->p < r->end && (*r->p | 32) == 'e') {
        r->p++;
        if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
            r->p++;
        if (!digits(r))
            return bad(r, "a number without digits in its exponent");
    }
    r->token = NK_JSON_NUMBER;
    r->text = nk_str_n(start, (size_t)(r->p - start));
    return NK_OK;
}

static nk_code read_word(nk_json_reader *r, const char *word, size_t n, nk_json_token token)
{
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
        return bad(r, "expected a value");
    r->p += n;
    r->token = token;
    r->text = NK_STR_NULL;
    return NK_OK;
}

static nk_code open_level(nk_json_reader *r, nk_json_token token, unsigned char state)
{
    if (r->depth >= r->depth_max)
        return nk_fail(r->err, NK_E_LIMIT, "JSON nested deeper than %zu levels at byte %zu",
                       r->depth_max, (size_t)(r->p - r->start));
    r->p++;
    r->stack[++r->depth] = state;
    r->token = token;
    r->text = NK_STR_NULL;
    return NK_OK;
}

static nk_code close_level(nk_json_reader *r, nk_json_token token)
{
    r->p++;
    r->depth--;
    r->token = token;
    r->text = NK_STR_NULL;
    return NK_OK;
}

/* At a value's first byte; the level's state has been moved on already. */
static inline nk_code read_value(nk_json_reader *r)
{
    if (r->p == r->end)
        return bad(r, "the text ends where a value is due");
    r->value = r->p;
    switch (*r->p) {
    case '"':
        r->p++;
        r->token = NK_JSON_STRING;
        return read_string(r);
    case '{':
        return open_level(r, NK_JSON_OBJECT, OBJECT_FIRST);
    case '[':
        return open_level(r, NK_JSON_ARRAY, ARRAY_FIRST);
    case 't':
        return read_word(r, "true", 4, NK_JSON_TRUE);
    case 'f':
        return read_word(r, "false", 5, NK_JSON_FALSE);
    case 'n':
        return read_word(r, "null", 4, NK_JSON_NULL);
    default:
        return read_number(r);
    }
}

static inline nk_code read_key(nk_json_reader *r)
{
    if (r->p == r->end || *r->p != '"')
        return bad(r, "expected a member's name");
    r->p++;
    NK_TRY(read_string(r));
    skip_blank(r);
    if (r->p == r->end || *r->p != ':')
        return bad(r, "expected ':'");
    r->p++;
    r->token = NK_JSON_KEY;
    r->stack[r->depth] = OBJECT_VALUE;
    return NK_OK;
}

nk_code nk_json_next(nk_json_reader *r)
{
    unsigned char *state = &r->stack[r->depth];
    skip_blank(r);
    char c = r->p < r->end ? *r->p : 0;
    switch (*state) {
    case OBJECT_VALUE:
        *state = OBJECT_NEXT;
        return read_value(r);
    case OBJECT_FIRST:
        return c == '}' ? close_level(r, NK_JSON_OBJECT_END) : read_key(r);
    case OBJECT_NEXT:
        if (c == '}')
            return close_level(r, NK_JSON_OBJECT_END);
        if (c != ',')
            return bad(r, "expected ',' or '}'");
        r->p++;
        skip_blank(r);
        return read_key(r);
    case ARRAY_NEXT:
        if (c == ']')
            return close_level(r, NK_JSON_ARRAY_END);
        if (c != ',')
            return bad(r, "expected ',' or ']'");
        r->p++;
        skip_blank(r);
        return read_value(r);
    case ARRAY_FIRST:
        if (c == ']')
            return close_level(r, NK_JSON_ARRAY_END);
        *state = ARRAY_NEXT;
        return read_value(r);
    case TOP:
        *state = TOP_DONE;
        return read_value(r);
    default:
        if (r->p != r->end)
            return bad(r, "text behind the end of the value");
        r->token = NK_JSON_END;
        r->text = NK_STR_NULL;
        return NK_OK;
    }
}

nk_code nk_json_skip(nk_json_reader *r)
{
    if (r->token == NK_JSON_KEY)
        NK_TRY(nk_json_next(r));
    if (r->token != NK_JSON_ARRAY && r->token != NK_JSON_OBJECT)
        return NK_OK;
    size_t outside = r->depth - 1;
    bool was = r->skipping;
    r->skipping = true;
    nk_code rc = NK_OK;
    while (rc == NK_OK && r->depth > outside)
        rc = nk_json_next(r);
    r->skipping = was;
    return rc;
}

nk_code nk_json_raw(nk_json_reader *r, nk_str *raw)
{
    if (r->token == NK_JSON_KEY)
        NK_TRY(nk_json_next(r));
    const char *start = r->value;
    NK_TRY(nk_json_skip(r));
    *raw = nk_str_n(start, (size_t)(r->p - start));
    return NK_OK;
}

nk_code nk_json_parse(nk_str text, nk_arena *a, size_t depth_max, nk_json **out, nk_err *err)
{
    nk_json_reader r;
    nk_json *open[256], *top = NULL;
    size_t depth = 0;
    nk_str key = NK_STR_NULL;
    nk_json_begin(&r, text, a, depth_max, err);
    for (;;) {
        NK_TRY(nk_json_next(&r));
        if (r.token == NK_JSON_END)
            break;
        if (r.token == NK_JSON_KEY) {
            key = r.text;
            continue;
        }
        if (r.token == NK_JSON_ARRAY_END || r.token == NK_JSON_OBJECT_END) {
            depth--;
            continue;
        }
        nk_json *j = NK_NEW(a, nk_json);
        if (!j)
            return nk_fail(err, NK_E_NOMEM, "out of memory while reading JSON");
        j->kind = r.token;
        j->text = r.text;
        j->key = key;
        key = NK_STR_NULL;
        if (depth) {
            nk_json *up = open[depth - 1];
            if (up->last)
                up->last->next = j;
            else
                up->first = j;
            up->last = j;
            up->count++;
        } else {
            top = j;
        }
        if (r.token == NK_JSON_ARRAY || r.token == NK_JSON_OBJECT)
            open[depth++] = j;
    }
    *out = top;
    return NK_OK;
}

nk_json *nk_json_getn(const nk_json *j, nk_str key)
{
    nk_json *found = NULL;
    if (j && j->kind == NK_JSON_OBJECT) {
        for (nk_json *m = j->first; m; m = m->next) {
            if (nk_str_eq(m->key, key))
                found = m;
        }
    }
    return found;
}

nk_json *nk_json_get(const nk_json *j, const char *key)
{
    return nk_json_getn(j, nk_str_c(key));
}

nk_json *nk_json_at(const nk_json *j, size_t i)
{
    nk_json *m = j && (j->kind == NK_JSON_ARRAY || j->kind == NK_JSON_OBJECT) ? j->first : NULL;
    while (m && i--)
        m = m->next;
    return m;
}

nk_str nk_json_str(const nk_json *j, const char *key)
{
    const nk_json *m = nk_json_get(j, key);
    return m && (m->kind == NK_JSON_STRING || m->kind == NK_JSON_NUMBER) ? m->text : NK_STR_NULL;
}

bool nk_json_bool(const nk_json *j, const char *key, bool otherwise)
{
    const nk_json *m = nk_json_get(j, key);
    return m && m->kind == NK_JSON_TRUE ? true : m && m->kind == NK_JSON_FALSE ? false : otherwise;
}

int64_t nk_json_i64(const nk_json *j, const char *key, int64_t otherwise)
{
    const nk_json *m = nk_json_get(j, key);
    int64_t v;
    return m && m->kind == NK_JSON_NUMBER && nk_str_i64(m->text, &v) ? v : otherwise;
}

double nk_json_f64(const nk_json *j, const char *key, double otherwise)
{
    const nk_json *m = nk_json_get(j, key);
    double v;
    return m && m->kind == NK_JSON_NUMBER && nk_str_f64(m->text, &v) ? v : otherwise;
}

bool nk_json_is_null(const nk_json *j)
{
    return !j || j->kind == NK_JSON_NULL;
}
