/* Text of dates and timestamps, and LIKE. */
#include "plan/expr.h"

static bool digits(const char **p, const char *end, int n, int *out)
{
    if (end - *p < n)
        return false;
    *out = 0;
    for (int i = 0; i < n; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return false;
        *out = *out * 10 + (**p - '0');
    }
    return true;
}

static bool is(const char **p, const char *end, char c)
{
    if (*p >= end || **p != c)
        return false;
    (*p)++;
    return true;
}

static bool date_part(const char **p, const char *end, nk_civil *c)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!digits(p, end, 4, &c->year) || !is(p, end, '-') || !digits(p, end, 2, &c->month) ||
        !is(p, end, '-') || !digits(p, end, 2, &c->day) || c->month < 1 || c->month > 12 ||
        c->day < 1)
        return false;
    bool leap = (c->year % 4 == 0 && c->year % 100 != 0) || c->year % 400 == 0;
    return c->day <= days[c->month - 1] + (c->month == 2 && leap);
}

bool nk_date_parse(nk_str s, int64_t *out)
{
    nk_civil c = {0};
    const char *p = s.p, *end = p + s.n;
    if (!date_part(&p, end, &c) || p != end)
        return false;
    int64_t us = nk_civil_to_us(&c);
    *out = us / 86400000000LL; /* whole days, so exact on both sides of 1970 */
    return true;
}

bool nk_timestamp_parse_ns(nk_str s, int64_t *us, int *ns_rest)
{
    nk_civil c = {0};
    const char *p = s.p, *end = p + s.n;
    *ns_rest = 0;
    if (!date_part(&p, end, &c))
        return false;
    if (p == end) {
        *us = nk_civil_to_us(&c);
        return true;
    }
    if ((*p != ' ' && *p != 'T') || (p++, !digits(&p, end, 2, &c.hour)) || !is(&p, end, ':') ||
        !digits(&p, end, 2, &c.minute) || !is(&p, end, ':') || !digits(&p, end, 2, &c.second) ||
        c.hour > 23 || c.minute > 59 || c.second > 59)
        return false;
    int n = 0, ns = 0;
    if (p < end) {
        if (!is(&p, end, '.'))
            return false;
        for (; p < end && *p >= '0' && *p <= '9' && n < 9; p++, n++)
            ns = ns * 10 + (*p - '0');
        if (p != end || n == 0)
            return false;
        for (; n < 9; n++)
            ns *= 10;
    }
    c.usec = ns / 1000;
    *ns_rest = ns % 1000;
    *us = nk_civil_to_us(&c);
    return true;
}

bool nk_timestamp_parse(nk_str s, int64_t *us)
{
    int rest;
    return nk_timestamp_parse_ns(s, us, &rest);
}

static size_t code_point(nk_str s, size_t at)
{
    uint32_t cp;
    size_t n = nk_utf8_get(s.p + at, s.n - at, &cp);
    return n ? n : 1;
}

/* Greedy with one point to come back to: the last %. Linear in the text for each pattern. */
bool nk_like_match(nk_str s, nk_str pat, char escape)
{
    size_t i = 0, j = 0, back_i = 0, back_j = 0;
    bool back = false;
    while (i < s.n) {
        if (j < pat.n && pat.p[j] == '%' && !(escape && escape == '%')) {
            back = true;
            back_j = ++j;
            back_i = i;
            continue;
        }
        if (j < pat.n) {
            bool literal = escape && pat.p[j] == escape && j + 1 < pat.n;
            size_t at = literal ? j + 1 : j;
            size_t n = code_point(s, i), m = code_point(pat, at);
            if (!literal && pat.p[at] == '_') {
                i += n;
                j = at + 1;
                continue;
            }
            if (n == m && !memcmp(s.p + i, pat.p + at, n)) {
                i += n;
                j = at + m;
                continue;
            }
        }
        if (!back)
            return false;
        back_i += code_point(s, back_i);
        i = back_i;
        j = back_j;
    }
    while (j < pat.n && pat.p[j] == '%' && escape != '%')
        j++;
    return j == pat.n;
}
