#include "engine/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static inline bool blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline nk_str trim(nk_str s)
{
    while (s.n && blank(s.p[0]))
        s.p++, s.n--;
    while (s.n && blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

static inline bool digit(char c)
{
    return (unsigned)(c - '0') < 10;
}

bool nk_cell_long(nk_str s, int64_t *out)
{
    s = trim(s);
    size_t i = 0;
    bool neg = false;
    uint64_t v = 0;
    if (s.n && (s.p[0] == '-' || s.p[0] == '+')) {
        neg = s.p[0] == '-';
        i = 1;
    }
    if (i == s.n)
        return false;
    for (; i < s.n; i++) {
        unsigned d = (unsigned)(s.p[i] - '0');
        if (d > 9)
            return false;
        if (v > (UINT64_MAX - 9) / 10)
            return false;
        v = v * 10 + d;
    }
    if (v > (uint64_t)INT64_MAX + neg)
        return false;
    *out = neg ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

static const double pow10_exact[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Digits[.digits][e[+-]digits]: exact by one division or multiplication when the mantissa is below
 * 2^53 and the power of ten small; strtod for the rest. */
static bool number(nk_str s, double *out)
{
    size_t i = 0, digits = 0;
    bool neg = false, fast = true;
    uint64_t m = 0;
    int e10 = 0, ex = 0;
    if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
        neg = s.p[i++] == '-';
    for (; i < s.n && digit(s.p[i]); i++, digits++) {
        if (m > (1ULL << 53) / 10 - 1)
            fast = false;
        else
            m = m * 10 + (unsigned)(s.p[i] - '0');
    }
    if (i < s.n && s.p[i] == '.')
        for (i++; i < s.n && digit(s.p[i]); i++, digits++) {
            if (m > (1ULL << 53) / 10 - 1)
                fast = false;
            else {
                m = m * 10 + (unsigned)(s.p[i] - '0');
                e10--;
            }
        }
    if (!digits)
        return false;
    if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
        bool eneg = false;
        i++;
        if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
            eneg = s.p[i++] == '-';
        if (i == s.n || !digit(s.p[i]))
            return false;
        for (; i < s.n && digit(s.p[i]); i++)
            ex = ex > 9999 ? ex : ex * 10 + (s.p[i] - '0');
        e10 += eneg ? -ex : ex;
    }
    if (i != s.n)
        return false;
    if (fast && e10 >= -22 && e10 <= 22) {
        double d = (double)m;
        d = e10 < 0 ? d / pow10_exact[-e10] : d * pow10_exact[e10];
        *out = neg ? -d : d;
        return true;
    }
    char small[64], *text = s.n < sizeof(small) ? small : malloc(s.n + 1);
    if (!text)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    *out = strtod(text, NULL);
    if (text != small)
        free(text);
    return true;
}

static bool word(nk_str s, const char *const *words, size_t n, size_t *which)
{
    for (size_t i = 0; i < n; i++)
        if (nk_str_ieq(s, nk_str_c(words[i]))) {
            *which = i;
            return true;
        }
    return false;
}

/* NaN and infinities, any case. */
static bool special(nk_str s, double *out)
{
    static const char *const names[] = {"nan", "infinity", "+infinity", "-infinity",
                                        "inf", "+inf",     "-inf"};
    size_t w;
    if (!s.n || s.n > 9 || digit(s.p[s.n - 1]) || !word(s, names, NK_COUNTOF(names), &w))
        return false;
    *out = w == 0 ? NAN : (w == 3 || w == 6) ? -INFINITY : INFINITY;
    return true;
}

bool nk_cell_double(nk_str s, double *out)
{
    s = trim(s);
    return number(s, out) || special(s, out);
}

bool nk_cell_bool(nk_str s, bool *out)
{
    s = trim(s);
    *out = s.n == 4;
    return (s.n == 4 && nk_str_ieq(s, NK_STR("true"))) ||
           (s.n == 5 && nk_str_ieq(s, NK_STR("false")));
}

static int64_t days_from_civil(int64_t y, unsigned m, unsigned d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    unsigned yoe = (unsigned)(y - era * 400);
    unsigned doy = (153 * (m + (m > 2 ? -3u : 9u)) + 2) / 5 + d - 1;
    unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + (int64_t)doe - 719468;
}

static bool civil_ok(int64_t y, unsigned m, unsigned d)
{
    static const unsigned char len[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (m < 1 || m > 12 || d < 1 || d > len[m - 1])
        return false;
    return m != 2 || d < 29 || (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
}

static bool digits(nk_str s, size_t at, size_t n, unsigned *out)
{
    unsigned v = 0;
    if (at + n > s.n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!digit(s.p[at + i]))
            return false;
        v = v * 10 + (unsigned)(s.p[at + i] - '0');
    }
    *out = v;
    return true;
}

bool nk_cell_date(nk_str s, int32_t *days)
{
    unsigned y, m, d;
    s = trim(s);
    if (s.n != 10 || s.p[4] != '-' || s.p[7] != '-' || !digits(s, 0, 4, &y) ||
        !digits(s, 5, 2, &m) || !digits(s, 8, 2, &d) || !civil_ok(y, m, d))
        return false;
    *days = (int32_t)days_from_civil(y, m, d);
    return true;
}

/* hh[:mm[:ss[.fraction]]] and a zone; short allows one digit a part, as Spark does. */
static bool time_of_day(nk_str s, bool lenient, int64_t *us)
{
    unsigned part[3] = {0, 0, 0};
    size_t i = 0;
    int k = 0;
    for (; k < 3; k++) {
        size_t from = i;
        while (i < s.n && digit(s.p[i]) && i - from < 2)
            part[k] = part[k] * 10 + (unsigned)(s.p[i++] - '0');
        if (i == from || (!lenient && i - from != 2))
            return false;
        if (i < s.n && s.p[i] == ':' && k < 2)
            i++;
        else {
            k++;
            break;
        }
    }
    if (k < 2 || part[0] > 23 || part[1] > 59 || part[2] > 59)
        return false;
    int64_t frac = 0;
    if (k == 3 && i < s.n && (s.p[i] == '.')) {
        int n = 0;
        for (i++; i < s.n && digit(s.p[i]); i++, n++)
            if (n < 6)
                frac = frac * 10 + (s.p[i] - '0');
        if (!n || (!lenient && n > 9))
            return false;
        for (; n < 6; n++)
            frac *= 10;
    }
    int64_t zone = 0;
    nk_str z = trim(nk_str_n(s.p + i, s.n - i));
    if (z.n && !(z.n == 1 && (z.p[0] == 'Z' || z.p[0] == 'z')) && !nk_str_is(z, "UTC") &&
        !nk_str_is(z, "GMT")) {
        unsigned h, m = 0;
        if ((z.p[0] != '+' && z.p[0] != '-') || !digits(z, 1, 2, &h))
            return false;
        size_t at = 3;
        if (at < z.n && z.p[at] == ':')
            at++;
        if (at < z.n && (!digits(z, at, 2, &m) || at + 2 != z.n))
            return false;
        if (h > 18 || m > 59)
            return false;
        zone = (int64_t)(h * 60 + m) * 60 * 1000000;
        if (z.p[0] == '-')
            zone = -zone;
    }
    *us = ((int64_t)part[0] * 3600 + part[1] * 60 + part[2]) * 1000000 + frac - zone;
    return true;
}

bool nk_cell_timestamp(nk_str s, int64_t *us)
{
    int32_t days;
    int64_t t = 0;
    s = trim(s);
    if (s.n < 10 || !nk_cell_date(nk_str_n(s.p, 10), &days))
        return false;
    if (s.n > 10) {
        if (s.p[10] != ' ' && s.p[10] != 'T')
            return false;
        if (!time_of_day(nk_str_n(s.p + 11, s.n - 11), false, &t))
            return false;
    }
    *us = (int64_t)days * 86400000000 + t;
    return true;
}

bool nk_cell_decimal(nk_str s, int precision, int scale, __int128 *out)
{
    s = trim(s);
    size_t i = 0, seen = 0;
    bool neg = false, dot = false;
    __int128 v = 0, limit = 1;
    int after = 0;
    for (int k = 0; k < precision; k++)
        limit *= 10;
    if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
        neg = s.p[i++] == '-';
    for (; i < s.n; i++) {
        if (s.p[i] == '.' && !dot) {
            dot = true;
            continue;
        }
        if (!digit(s.p[i]))
            return false;
        seen++;
        if (dot && after == scale) {
            if (s.p[i] != '0')
                return false;
            continue;
        }
        after += dot;
        v = v * 10 + (s.p[i] - '0');
        if (v >= limit)
            return false;
    }
    for (; after < scale; after++) {
        v *= 10;
        if (v >= limit)
            return false;
    }
    *out = neg ? -v : v;
    return seen > 0;
}

nk_type_kind nk_cell_kind(nk_str s)
{
    int64_t i;
    int32_t d;
    double f;
    bool b;
    s = trim(s);
    if (!s.n)
        return NK_T_NULL;
    if (nk_cell_long(s, &i))
        return NK_T_LONG;
    if (nk_cell_double(s, &f)) {
        /* an integer beyond 64 bits is text: nothing is lost */
        for (size_t k = 0; k < s.n; k++)
            if (!digit(s.p[k]) && s.p[k] != '-' && s.p[k] != '+')
                return NK_T_DOUBLE;
        return NK_T_STRING;
    }
    if (nk_cell_bool(s, &b))
        return NK_T_BOOLEAN;
    if (nk_cell_date(s, &d))
        return NK_T_DATE;
    if (nk_cell_timestamp(s, &i))
        return NK_T_TIMESTAMP;
    return NK_T_STRING;
}

/* ---- Spark ---- */

/* Java trims all control characters and blanks. */
static nk_str java_trim(nk_str s)
{
    while (s.n && (unsigned char)s.p[0] <= ' ')
        s.p++, s.n--;
    while (s.n && (unsigned char)s.p[s.n - 1] <= ' ')
        s.n--;
    return s;
}

bool nk_spark_long(nk_str s, int64_t min, int64_t max, int64_t *out)
{
    s = java_trim(s);
    size_t i = 0, n = 0;
    bool neg = false;
    uint64_t v = 0;
    if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
        neg = s.p[i++] == '-';
    for (; i < s.n && digit(s.p[i]); i++, n++) {
        if (v > (UINT64_MAX - 9) / 10)
            return false;
        v = v * 10 + (unsigned)(s.p[i] - '0');
    }
    /* "1.9" is 1, "." and "" are not numbers */
    if (i < s.n && s.p[i] == '.')
        for (i++; i < s.n && digit(s.p[i]); i++)
            n++;
    if (!n || i != s.n || v > (uint64_t)INT64_MAX + neg)
        return false;
    *out = neg ? (int64_t)(0 - v) : (int64_t)v;
    return *out >= min && *out <= max;
}

bool nk_spark_double(nk_str s, double *out)
{
    s = java_trim(s);
    if (number(s, out) || special(s, out))
        return true;
    /* Java's suffixes: 1d, 2.5F */
    if (s.n > 1 && strchr("dDfF", s.p[s.n - 1]))
        return number(nk_str_n(s.p, s.n - 1), out);
    return false;
}

bool nk_spark_bool(nk_str s, bool *out)
{
    static const char *const names[] = {"t", "true", "y", "yes", "1", "f", "false", "n", "no", "0"};
    size_t w;
    s = java_trim(s);
    if (!word(s, names, NK_COUNTOF(names), &w))
        return false;
    *out = w < 5;
    return true;
}

/* [+-]yyyy[yyy], yyyy-[m]m, yyyy-[m]m-[d]d; *rest what stands behind. */
static bool spark_day(nk_str s, int64_t *days, nk_str *rest)
{
    int64_t part[3] = {0, 1, 1};
    size_t i = 0;
    bool neg = false;
    int k = 0;
    if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
        neg = s.p[i++] == '-';
    for (; k < 3; k++) {
        size_t from = i;
        int64_t v = 0;
        while (i < s.n && digit(s.p[i]) && i - from < 7)
            v = v * 10 + (s.p[i++] - '0');
        size_t n = i - from;
        if (k == 0 ? n < 4 : n < 1 || n > 2)
            return false;
        part[k] = v;
        if (i < s.n && s.p[i] == '-' && k < 2)
            i++;
        else
            break;
    }
    if (neg)
        part[0] = -part[0];
    if (part[0] < -290000 || part[0] > 290000 || part[1] > 12 || part[2] > 31 ||
        !civil_ok(part[0], (unsigned)part[1], (unsigned)part[2]))
        return false;
    *rest = nk_str_n(s.p + i, s.n - i);
    if (rest->n && k != 2)
        return false;
    *days = days_from_civil(part[0], (unsigned)part[1], (unsigned)part[2]);
    return true;
}

bool nk_spark_date(nk_str s, int32_t *out)
{
    int64_t days;
    nk_str rest;
    s = java_trim(s);
    if (!spark_day(s, &days, &rest) || (rest.n && rest.p[0] != ' ' && rest.p[0] != 'T'))
        return false;
    *out = (int32_t)days;
    return true;
}

bool nk_spark_timestamp(nk_str s, int64_t *us)
{
    int64_t days, t = 0;
    nk_str rest;
    s = java_trim(s);
    if (!spark_day(s, &days, &rest))
        return false;
    if (rest.n) {
        if (rest.p[0] != ' ' && rest.p[0] != 'T')
            return false;
        rest = nk_str_n(rest.p + 1, rest.n - 1);
        if (rest.n && !time_of_day(rest, true, &t))
            return false;
    }
    return !__builtin_mul_overflow(days, (int64_t)86400000000, us) &&
           !__builtin_add_overflow(*us, t, us);
}

int64_t nk_spark_double_to_long(double d, int64_t min, int64_t max)
{
    if (isnan(d))
        return 0;
    if (d >= (double)max)
        return max;
    if (d <= (double)min)
        return min;
    return (int64_t)d;
}

size_t nk_spark_double_text(double d, bool is_float, char *out, size_t cap)
{
    char t[40], dig[24];
    if (isnan(d))
        return (size_t)snprintf(out, cap, "NaN");
    if (isinf(d))
        return (size_t)snprintf(out, cap, d < 0 ? "-Infinity" : "Infinity");
    if (d == 0)
        return (size_t)snprintf(out, cap, signbit(d) ? "-0.0" : "0.0");
    /* the fewest digits that read back */
    for (int p = 1; p <= 17; p++) {
        snprintf(t, sizeof(t), "%.*e", p - 1, d);
        if (is_float ? strtof(t, NULL) == (float)d : strtod(t, NULL) == d)
            break;
    }
    char *e = strchr(t, 'e');
    int ex = (int)strtol(e + 1, NULL, 10), n = 0;
    for (char *c = t; c < e; c++)
        if (digit(*c))
            dig[n++] = *c;
    while (n > 1 && dig[n - 1] == '0')
        n--;
    const char *sign = d < 0 ? "-" : "";
    if (ex >= -3 && ex < 7) {
        if (ex < 0)
            return (size_t)snprintf(out, cap, "%s0.%.*s%.*s", sign, -ex - 1, "000", n, dig);
        if (n <= ex + 1)
            return (size_t)snprintf(out, cap, "%s%.*s%.*s.0", sign, n, dig, ex + 1 - n, "0000000");
        return (size_t)snprintf(out, cap, "%s%.*s.%.*s", sign, ex + 1, dig, n - ex - 1,
                                dig + ex + 1);
    }
    return (size_t)snprintf(out, cap, "%s%c.%.*sE%d", sign, dig[0], n > 1 ? n - 1 : 1,
                            n > 1 ? dig + 1 : "0", ex);
}
