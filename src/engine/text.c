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
static bool java_blank(char c)
{
    return (unsigned char)c <= ' ' || c == 0x7f;
}

static nk_str java_trim(nk_str s)
{
    while (s.n && java_blank(s.p[0]))
        s.p++, s.n--;
    while (s.n && java_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* Without the delete character: Java's other trim, of numbers with a fraction. */
static nk_str low_trim(nk_str s)
{
    while (s.n && (unsigned char)s.p[0] <= ' ')
        s.p++, s.n--;
    while (s.n && (unsigned char)s.p[s.n - 1] <= ' ')
        s.n--;
    return s;
}

/* 0x1.8p3: Java reads it, with an exponent always. */
static bool hex_number(nk_str s, double *out)
{
    char text[128], *end;
    size_t i = s.n && (s.p[0] == '-' || s.p[0] == '+');
    if (s.n < i + 4 || s.n >= sizeof(text) || s.p[i] != '0' || (s.p[i + 1] | 32) != 'x')
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    if (!strpbrk(text, "pP"))
        return false;
    *out = strtod(text, &end);
    return end == text + s.n;
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
    /* "1.9" is 1 and "." is 0; a sign alone and "" are not numbers */
    if (i < s.n && s.p[i] == '.')
        for (i++, n++; i < s.n && digit(s.p[i]); i++)
            ;
    if (!n || i != s.n || v > (uint64_t)INT64_MAX + neg)
        return false;
    *out = neg ? (int64_t)(0 - v) : (int64_t)v;
    return *out >= min && *out <= max;
}

bool nk_spark_double(nk_str s, double *out)
{
    s = low_trim(s);
    if (number(s, out) || special(s, out) || hex_number(s, out))
        return true;
    /* Java's suffixes: 1d, 2.5F */
    if (s.n > 1 && strchr("dDfF", s.p[s.n - 1])) {
        s.n--;
        return number(s, out) || hex_number(s, out);
    }
    return false;
}

bool nk_spark_float(nk_str s, float *out)
{
    double d;
    char text[1100];
    if (!nk_spark_double(s, &d))
        return false;
    *out = (float)d;
    s = low_trim(s);
    if (!isfinite(d) || s.n >= sizeof(text))
        return true;
    memcpy(text, s.p, s.n); /* rounded once, not twice */
    text[s.n] = 0;
    *out = strtof(text, NULL);
    return true;
}

/* The digit that starts here, in any script, as Java's BigDecimal takes it; its length, else 0. */
static size_t java_digit(nk_str s, size_t at, unsigned *value)
{
    static const uint16_t zeros[] = {0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66,
                                     0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6, 0x0E50, 0x0ED0, 0x0F20,
                                     0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90,
                                     0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0,
                                     0xA9F0, 0xAA50, 0xABF0, 0xFF10};
    const unsigned char *p = (const unsigned char *)s.p + at;
    size_t left = s.n - at;
    if (!left)
        return 0;
    *value = (unsigned)(*p - '0');
    if (*p < 0x80)
        return *value <= 9;
    size_t n = *p >= 0xe0 ? 3 : 2;
    if (*p < 0xc2 || *p > 0xef || left < n)
        return 0;
    unsigned ch = n == 2 ? (p[0] & 31u) << 6 | (p[1] & 63u)
                         : (p[0] & 15u) << 12 | (p[1] & 63u) << 6 | (p[2] & 63u);
    for (size_t i = 0; i < NK_COUNTOF(zeros); i++)
        if (ch >= zeros[i] && ch - zeros[i] <= 9) {
            *value = ch - zeros[i];
            return n;
        }
    return 0;
}

/* Digits of a number as Java's BigDecimal reads it: its first 80 significant ones, and where the
 * point stands. */
typedef struct java_number {
    unsigned char digit[80];
    int n;         /* digits kept; leading zeros are not */
    int64_t point; /* digits before the decimal point, counted from the first one kept */
    bool neg;
} java_number;

static bool java_number_read(nk_str s, java_number *out)
{
    size_t i = 0, seen = 0, n;
    unsigned d;
    bool dot = false;
    int64_t ex = 0;
    *out = (java_number){0};
    if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
        out->neg = s.p[i++] == '-';
    for (; i < s.n; i += n) {
        n = 1;
        if (s.p[i] == '.' && !dot) {
            dot = true;
            continue;
        }
        if (!(n = java_digit(s, i, &d)))
            break;
        seen++;
        if (out->n || d) {
            out->point += !dot;
            if (out->n < (int)NK_COUNTOF(out->digit))
                out->digit[out->n++] = (unsigned char)d;
        } else {
            out->point -= dot; /* zeros behind the point */
        }
    }
    if (!seen)
        return false;
    if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
        bool neg = false;
        size_t from;
        i++;
        if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
            neg = s.p[i++] == '-';
        for (from = i; i < s.n && (n = java_digit(s, i, &d)); i += n) {
            if (i - from >= 30)
                return false;
            ex = ex > INT32_MAX ? ex : ex * 10 + d;
        }
        if (i == from || ex > INT32_MAX)
            return false;
        out->point += neg ? -ex : ex;
    }
    return i == s.n;
}

size_t nk_spark_decimal_text(nk_str s, int precision, int scale, char *out, size_t cap)
{
    java_number x;
    unsigned char kept[40] = {0};
    if (!java_number_read(low_trim(s), &x))
        return 0;
    if (x.point + (x.n == 0) > 38)
        return 0; /* too long before it is rounded, whatever the precision */
    int64_t take = x.n ? x.point + scale : 0; /* digits of the result; more when it is rounded up */
    if (take > precision)
        return 0;
    /* right-aligned: kept[39] is the last digit of the scale */
    for (int64_t k = 0; k < take; k++)
        kept[40 - take + k] = k < x.n ? x.digit[k] : 0;
    if (take >= 0 && take < x.n && x.digit[take] >= 5)
        for (int k = 39; k >= 0 && ++kept[k] == 10; k--)
            kept[k] = 0;
    int first = 40 - precision;
    for (int k = 0; k < first; k++)
        if (kept[k])
            return 0;
    size_t n = 0;
    bool zero = true;
    for (int k = 0; k < 40; k++)
        zero = zero && !kept[k];
    if (x.neg && !zero)
        out[n++] = '-';
    for (int k = first; k < 40 && n + 3 < cap; k++) {
        if (k == 40 - scale)
            out[n++] = '.';
        out[n++] = (char)('0' + kept[k]);
    }
    out[n] = 0;
    return n;
}

int64_t nk_spark_decimal_wrap(nk_str plain, int zeros)
{
    uint64_t v = 0;
    bool neg = false;
    int left = -1; /* digits behind the point that are wanted still */
    for (size_t i = 0; i < plain.n; i++) {
        if (plain.p[i] == '-') {
            neg = true;
        } else if (plain.p[i] == '.') {
            left = zeros;
        } else if (left) {
            v = v * 10 + (unsigned)(plain.p[i] - '0');
            left -= left > 0;
        }
    }
    for (left = left < 0 ? zeros : left; left > 0; left--)
        v *= 10;
    return (int64_t)(neg ? 0 - v : v);
}

/* BigDecimal.toString: with an exponent when there are more than five zeros behind the point. */
size_t nk_java_decimal_text(nk_str plain, char *out, size_t cap)
{
    ptrdiff_t dot = nk_str_chr(plain, '.');
    size_t neg = plain.n && plain.p[0] == '-', n = 0;
    int scale = dot < 0 ? 0 : (int)(plain.n - (size_t)dot - 1);
    char dig[64];
    int k = 0;
    for (size_t i = neg; i < plain.n && k < (int)sizeof(dig); i++)
        if (digit(plain.p[i]) && (k || plain.p[i] != '0'))
            dig[k++] = plain.p[i];
    int adjusted = (k ? k : 1) - 1 - scale;
    if (adjusted >= -6) {
        bool bare = dot == (ptrdiff_t)neg; /* ".5" */
        return (size_t)snprintf(out, cap, "%s%s%.*s", neg ? "-" : "", bare ? "0" : "",
                                (int)(plain.n - neg), plain.p + neg);
    }
    if (neg)
        out[n++] = '-';
    n += (size_t)snprintf(out + n, cap - n, "%c", k ? dig[0] : '0');
    if (k > 1)
        n += (size_t)snprintf(out + n, cap - n, ".%.*s", k - 1, dig + 1);
    return n + (size_t)snprintf(out + n, cap - n, "E%d", adjusted);
}

static void civil_from_days(int64_t z, int64_t *y, unsigned *m, unsigned *d)
{
    z += 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    unsigned doe = (unsigned)(z - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;
    *d = doy - (153 * mp + 2) / 5 + 1;
    *m = mp < 10 ? mp + 3 : mp - 9;
    *y = (int64_t)yoe + era * 400 + (*m <= 2);
}

size_t nk_spark_date_text(int64_t days, char *out, size_t cap)
{
    int64_t y;
    unsigned m, d;
    civil_from_days(days, &y, &m, &d);
    return (size_t)snprintf(out, cap, "%s%04lld-%02u-%02u",
                            y > 9999 ? "+"
                            : y < 0  ? "-"
                                     : "",
                            (long long)(y < 0 ? -y : y), m, d);
}

static int64_t floor_div(int64_t a, int64_t b, int64_t *rest)
{
    int64_t q = a / b;
    q -= a % b < 0;
    *rest = a - q * b;
    return q;
}

size_t nk_spark_timestamp_text(int64_t us, char *out, size_t cap)
{
    int64_t rest, days = floor_div(us, 86400000000, &rest);
    size_t n = nk_spark_date_text(days, out, cap);
    int sec = (int)(rest / 1000000), frac = (int)(rest % 1000000), width = 6;
    n += (size_t)snprintf(out + n, cap - n, " %02d:%02d:%02d", sec / 3600, sec / 60 % 60, sec % 60);
    if (!frac)
        return n;
    for (; frac % 10 == 0; width--)
        frac /= 10;
    return n + (size_t)snprintf(out + n, cap - n, ".%0*d", width, frac);
}

int64_t nk_spark_seconds(int64_t us)
{
    int64_t rest;
    return floor_div(us, 1000000, &rest);
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
        if (!time_of_day(rest, true, &t))
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
    /* the fewest digits that read back, two at least: where one would do, the nearer of two */
    for (int p = 2; p <= 17; p++) {
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
