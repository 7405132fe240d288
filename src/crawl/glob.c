#include "crawl/crawl_int.h"

#define STEPS_MAX 200000 /* against patterns that would take for ever */

typedef struct matcher {
    const char *pend, *send;
    int steps;
} matcher;

/* The place behind a set, or NULL when it is not closed; *hit = c is in it. */
static const char *match_set(const char *p, const char *pend, unsigned char c, bool *hit)
{
    bool not = p < pend && (*p == '!' || *p == '^'), in = false, first = true;
    if (not )
        p++;
    while (p < pend && (*p != ']' || first)) {
        first = false;
        if (*p == '\\' && p + 1 < pend)
            p++;
        unsigned char lo = (unsigned char)*p++, hi = lo;
        if (p + 1 < pend && *p == '-' && p[1] != ']') {
            p++;
            if (*p == '\\' && p + 1 < pend)
                p++;
            hi = (unsigned char)*p++;
        }
        in |= c >= lo && c <= hi;
    }
    if (p >= pend)
        return NULL;
    *hit = in != not ;
    return p + 1;
}

/* The end of a brace group: the place of its '}'; NULL when it is not closed. */
static const char *brace_end(const char *p, const char *pend)
{
    for (; p < pend; p++) {
        if (*p == '\\' && p + 1 < pend)
            p++;
        else if (*p == '}')
            return p;
    }
    return NULL;
}

/* rest: what is matched once [p, pend) is used up (the pattern behind a brace group); NULL at the
 * outermost. */
static bool match(matcher *m, const char *p, const char *pend, const char *rest, const char *s);

static bool match_braces(matcher *m, const char *p, const char *pend, const char *rest,
                         const char *s)
{
    const char *close = brace_end(p, pend);
    if (!close)
        return false;
    for (const char *from = p; from <= close;) {
        const char *to = from;
        while (to < close && *to != ',')
            to += *to == '\\' && to + 1 < close ? 2 : 1;
        if (match(m, from, to, close + 1, s))
            return true;
        from = to + 1;
    }
    return false;
}

static bool match_star(matcher *m, const char *p, const char *pend, const char *rest, const char *s)
{
    bool deep = p < pend && *p == '*';
    while (p < pend && *p == '*')
        p++;
    for (;; s++) {
        if (match(m, p, pend, rest, s))
            return true;
        if (s >= m->send || (!deep && *s == '/'))
            return false;
    }
}

static bool match(matcher *m, const char *p, const char *pend, const char *rest, const char *s)
{
    for (;;) {
        if (++m->steps > STEPS_MAX)
            return false;
        if (p == pend) {
            if (!rest)
                return s == m->send;
            p = rest;
            pend = m->pend;
            rest = NULL;
            continue;
        }
        char c = *p++;
        if (c == '*')
            return match_star(m, p, pend, rest, s);
        if (c == '{' && !rest)
            return match_braces(m, p, pend, rest, s);
        if (s >= m->send)
            return false;
        if (c == '?') {
            uint32_t cp;
            size_t n = nk_utf8_get(s, (size_t)(m->send - s), &cp);
            if (*s == '/')
                return false;
            s += n ? n : 1;
            continue;
        }
        if (c == '[') {
            bool hit = false;
            p = match_set(p, pend, (unsigned char)*s, &hit);
            if (!p || !hit || *s == '/')
                return false;
            s++;
            continue;
        }
        if (c == '\\' && p < pend)
            c = *p++;
        if (c != *s)
            return false;
        s++;
    }
}

bool nk_glob_match(nk_str pattern, nk_str path)
{
    matcher m = {.pend = pattern.p + pattern.n, .send = path.p + path.n};
    return match(&m, pattern.p, m.pend, NULL, path.p);
}

nk_code nk_glob_check(nk_str pattern, nk_err *err)
{
    const char *end = pattern.p + pattern.n;
    bool hit, in_braces = false;
    for (const char *p = pattern.p; p < end; p++) {
        if (*p == '\\') {
            p++;
        } else if (*p == '[') {
            p = match_set(p + 1, end, 'x', &hit);
            if (!p)
                return nk_fail(err, NK_E_INVALID, "Exclude pattern \"%.*s\": '[' is not closed",
                               NK_STR_ARG(pattern));
            p--;
        } else if (*p == '{') {
            if (in_braces)
                return nk_fail(err, NK_E_INVALID,
                               "Exclude pattern \"%.*s\": groups in braces cannot be nested",
                               NK_STR_ARG(pattern));
            in_braces = true;
        } else if (*p == '}') {
            in_braces = false;
        }
    }
    return in_braces ? nk_fail(err, NK_E_INVALID, "Exclude pattern \"%.*s\": '{' is not closed",
                               NK_STR_ARG(pattern))
                     : NK_OK;
}
