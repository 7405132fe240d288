/* Texts: the formats that are looked at, and texts made up for a format or an expression. */
#include "registry/jsonschema_int.h"

static size_t digits(const char *p, const char *end)
{
    size_t n = 0;
    while (p + n < end && p[n] >= '0' && p[n] <= '9')
        n++;
    return n;
}

static int number(const char *p, size_t n)
{
    int v = 0;
    while (n--)
        v = v * 10 + (*p++ - '0');
    return v;
}

static bool take_date(const char **p, const char *end)
{
    static const unsigned char days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const char *s = *p;
    if (end - s < 10 || digits(s, end) != 4 || s[4] != '-' || digits(s + 5, end) != 2 ||
        s[7] != '-' || digits(s + 8, end) < 2)
        return false;
    int y = number(s, 4), m = number(s + 5, 2), d = number(s + 8, 2);
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    *p = s + 10;
    return y >= 1 && m >= 1 && m <= 12 && d >= 1 && d <= days[m - 1] && (m != 2 || d < 29 || leap);
}

static bool take_time(const char **p, const char *end)
{
    const char *s = *p;
    if (end - s < 9 || digits(s, end) != 2 || s[2] != ':' || digits(s + 3, end) != 2 ||
        s[5] != ':' || digits(s + 6, end) < 2)
        return false;
    if (number(s, 2) > 23 || number(s + 3, 2) > 59 || number(s + 6, 2) > 60)
        return false;
    s += 8;
    if (s < end && *s == '.') {
        size_t n = digits(s + 1, end);
        if (!n)
            return false;
        s += n + 1;
    }
    if (s < end && (*s == 'Z' || *s == 'z')) {
        *p = s + 1;
        return true;
    }
    if (end - s < 6 || (*s != '+' && *s != '-') || digits(s + 1, end) != 2 || s[3] != ':' ||
        digits(s + 4, end) < 2 || number(s + 1, 2) > 23 || number(s + 4, 2) > 59)
        return false;
    *p = s + 6;
    return true;
}

static bool is_date(nk_str s)
{
    const char *p = s.p;
    return take_date(&p, s.p + s.n) && p == s.p + s.n;
}
static bool is_time(nk_str s)
{
    const char *p = s.p;
    return take_time(&p, s.p + s.n) && p == s.p + s.n;
}
static bool is_date_time(nk_str s)
{
    const char *p = s.p, *end = s.p + s.n;
    if (!take_date(&p, end) || p == end || (*p != 'T' && *p != 't'))
        return false;
    p++;
    return take_time(&p, end) && p == end;
}
static bool is_ipv4(nk_str s)
{
    nk_str part;
    int n = 0;
    bool any = s.n && s.p[s.n - 1] != '.';
    while (any && nk_str_split(&s, '.', &part)) {
        if (part.n == 0 || part.n > 3 || digits(part.p, part.p + part.n) != part.n ||
            number(part.p, part.n) > 255 || (part.n > 1 && part.p[0] == '0'))
            return false;
        n++;
    }
    return n == 4;
}
static bool is_ipv6(nk_str s)
{
    int groups = 0, run = 0;
    bool gap = false;
    if (s.n < 2 || (s.p[0] == ':' && s.p[1] != ':'))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == ':') {
            groups += run > 0;
            run = 0;
            if (i + 1 < s.n && s.p[i + 1] == ':') {
                if (gap)
                    return false;
                gap = true;
                i++;
            } else if (i + 1 == s.n) {
                return false;
            }
        } else if (c == '.') {
            nk_str tail = nk_str_sub(s, i - (size_t)run, s.n);
            return is_ipv4(tail) && (gap ? groups <= 5 : groups == 6);
        } else if (!strchr("0123456789abcdefABCDEF", c) || ++run > 4) {
            return false;
        }
    }
    groups += run > 0;
    return gap ? groups <= 7 : groups == 8;
}
static bool is_uuid(nk_str s)
{
    if (s.n != 36)
        return false;
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s.p[i] != '-' : !s.p[i] || !strchr("0123456789abcdefABCDEF", s.p[i]))
            return false;
    }
    return true;
}
static bool is_hostname(nk_str s)
{
    size_t run = 0;
    if (s.n == 0 || s.n > 253)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '.') {
            if (run == 0 || s.p[i - 1] == '-')
                return false;
            run = 0;
        } else if (((c | 32) >= 'a' && (c | 32) <= 'z') || (c >= '0' && c <= '9') ||
                   (c == '-' && run)) {
            if (++run > 63)
                return false;
        } else {
            return false;
        }
    }
    return run && s.p[s.n - 1] != '-';
}
static bool is_email(nk_str s)
{
    ptrdiff_t at = nk_str_rchr(s, '@');
    return at > 0 && (size_t)at + 1 < s.n && nk_str_chr(s, ' ') < 0;
}
static bool is_uri(nk_str s)
{
    size_t i = 0;
    while (i < s.n && (((s.p[i] | 32) >= 'a' && (s.p[i] | 32) <= 'z') ||
                       (i && strchr("0123456789+-.", s.p[i]))))
        i++;
    if (i == 0 || i == s.n || s.p[i] != ':')
        return false;
    for (; i < s.n; i++) {
        if ((unsigned char)s.p[i] <= ' ' || strchr("<>\"{}|\\^`", s.p[i]) || (s.p[i] & 0x80))
            return false;
    }
    return true;
}

static const struct {
    const char *name;
    bool (*ok)(nk_str s);
    const char *sample[2];
} formats[] = {
    {"date", is_date, {"2024-02-29", "1999-12-31"}},
    {"time", is_time, {"12:30:00Z", "23:59:59Z"}},
    {"date-time", is_date_time, {"2024-02-29T12:30:00Z", "1999-12-31T23:59:59Z"}},
    {"ipv4", is_ipv4, {"192.0.2.1", "10.0.0.1"}},
    {"ipv6", is_ipv6, {"2001:db8::1", "::1"}},
    {"uuid",
     is_uuid,
     {"123e4567-e89b-42d3-a456-426614174000", "00000000-0000-4000-8000-000000000000"}},
    {"hostname", is_hostname, {"example.com", "a.example"}},
    {"email", is_email, {"a@example.com", "b@example.org"}},
    {"uri", is_uri, {"https://example.com/a", "urn:a:b"}},
};

bool js_format_ok(nk_str format, nk_str s)
{
    for (size_t i = 0; i < NK_COUNTOF(formats); i++) {
        if (nk_str_is(format, formats[i].name))
            return s.n && formats[i].ok(s);
    }
    return true;
}

nk_str js_format_sample(nk_str format, unsigned variant)
{
    for (size_t i = 0; i < NK_COUNTOF(formats); i++) {
        if (nk_str_is(format, formats[i].name))
            return nk_str_c(formats[i].sample[variant % 2]);
    }
    return NK_STR_NULL;
}

/* -- a text for an expression ------------------------------------------------------------------ */

typedef struct maker {
    nk_str re;
    size_t at;
    unsigned variant;
    nk_buf *out;
    bool lost; /* a construct that is not made up */
    int depth;
} maker;

static void make_either(maker *m);

static char class_escape(char c, unsigned variant)
{
    switch (c) {
    case 'd':
        return "0527"[variant % 4];
    case 'w':
        return "aZ_3"[variant % 4];
    case 's':
        return ' ';
    case 'D':
    case 'S':
        return 'a';
    case 'W':
        return '-';
    case 't':
        return '\t';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    default:
        return c;
    }
}

/* m->at behind '['. Gives one byte of the class; of a negated one, the first of a few outside it.
 */
static char make_class(maker *m)
{
    bool in[128] = {false}, negated = false;
    if (m->at < m->re.n && m->re.p[m->at] == '^') {
        negated = true;
        m->at++;
    }
    bool first = true;
    for (; m->at < m->re.n && (m->re.p[m->at] != ']' || first); first = false) {
        unsigned char lo = (unsigned char)m->re.p[m->at++];
        if (lo == '\\' && m->at < m->re.n) {
            char e = m->re.p[m->at++];
            for (int c = 0; c < 128; c++) {
                bool digit = c >= '0' && c <= '9';
                bool word = digit || c == '_' || ((c | 32) >= 'a' && (c | 32) <= 'z');
                if ((e == 'd' && digit) || (e == 'w' && word) || (e == 's' && c == ' ') ||
                    (e == 'D' && !digit) || (e == 'W' && !word) || (e == 'S' && c > ' '))
                    in[c] = true;
            }
            if (strchr("dwsDWS", e))
                continue;
            lo = (unsigned char)class_escape(e, 0);
        }
        unsigned char hi = lo;
        if (m->at + 1 < m->re.n && m->re.p[m->at] == '-' && m->re.p[m->at + 1] != ']') {
            hi = (unsigned char)m->re.p[m->at + 1];
            m->at += 2;
        }
        for (unsigned c = lo; c <= hi && c < 128; c++)
            in[c] = true;
    }
    m->at++;
    unsigned skip = m->variant % 3;
    char found = 0;
    static const char order[] = "abcxyzABCXYZ0123456789_- .,:;/@!#$%&*+=?~";
    for (const char *o = order; *o; o++) {
        if (in[(unsigned char)*o] != negated) {
            found = *o;
            if (skip-- == 0)
                return found;
        }
    }
    for (int c = 1; !found && c < 128; c++) {
        if (in[c] != negated)
            found = (char)c;
    }
    m->lost |= !found;
    return found;
}

static void make_atom(maker *m)
{
    char c = m->re.p[m->at++];
    switch (c) {
    case '^':
    case '$':
        return;
    case '.':
        nk_buf_putc(m->out, "ab1"[m->variant % 3]);
        return;
    case '[':
        c = make_class(m);
        nk_buf_putc(m->out, c);
        return;
    case '(':
        if (m->at + 1 < m->re.n && m->re.p[m->at] == '?') {
            if (m->re.p[m->at + 1] != ':') {
                m->lost = true;
                m->at = m->re.n;
                return;
            }
            m->at += 2;
        }
        make_either(m);
        m->at++;
        return;
    case '\\':
        c = m->at < m->re.n ? m->re.p[m->at++] : 'a';
        if (c == 'b')
            return;
        m->lost |= strchr("BpPuxk123456789", c) != NULL;
        nk_buf_putc(m->out, class_escape(c, m->variant));
        return;
    default:
        nk_buf_putc(m->out, c);
    }
}

/* How often: *, +, ?, {n}, {n,m}. */
static void quantifier(maker *m, size_t *least, size_t *most)
{
    *least = *most = 1;
    if (m->at >= m->re.n)
        return;
    char c = m->re.p[m->at];
    if (c == '*' || c == '+' || c == '?') {
        *least = c == '+';
        *most = c == '?' ? 1 : 8;
        m->at++;
    } else if (c == '{' && digits(m->re.p + m->at + 1, m->re.p + m->re.n)) {
        size_t n = digits(m->re.p + m->at + 1, m->re.p + m->re.n);
        m->at += 1 + n;
        *least = *most = n < 6 ? (size_t)number(m->re.p + m->at - n, n) : 100000;
        if (m->at < m->re.n && m->re.p[m->at] == ',') {
            n = digits(m->re.p + m->at + 1, m->re.p + m->re.n);
            *most = !n ? *least + 8 : n < 6 ? (size_t)number(m->re.p + m->at + 1, n) : 100000;
            m->at += 1 + n;
        }
        m->at++;
    } else {
        return;
    }
    if (m->at < m->re.n && (m->re.p[m->at] == '?' || m->re.p[m->at] == '+'))
        m->at++;
}

static void make_sequence(maker *m)
{
    while (m->at < m->re.n && m->re.p[m->at] != '|' && m->re.p[m->at] != ')' && !m->lost) {
        size_t from = m->at, mark = m->out->n, least, most;
        make_atom(m);
        size_t after = m->at;
        quantifier(m, &least, &most);
        size_t behind = m->at, times = m->variant & 1 && most > least ? least + 1 : least;
        if (times == 0)
            m->out->n = mark;
        for (size_t i = 1; i < times && !m->lost && m->out->n < 4096; i++) {
            m->at = from;
            make_atom(m);
        }
        m->lost |= m->out->n >= 4096;
        m->at = behind > after ? behind : after;
    }
}

static void make_either(maker *m)
{
    size_t mark = m->out->n;
    unsigned pick = m->variant / 2 % 4;
    if (++m->depth > 40) {
        m->lost = true;
        m->at = m->re.n;
        return;
    }
    make_sequence(m);
    for (unsigned i = 1; m->at < m->re.n && m->re.p[m->at] == '|'; i++) {
        size_t kept = m->out->n;
        m->at++;
        make_sequence(m);
        if (i == pick) {
            memmove(m->out->p + mark, m->out->p + kept, m->out->n - kept);
            m->out->n -= kept - mark;
        } else {
            m->out->n = kept;
        }
    }
    m->depth--;
}

nk_str js_regex_sample(nk_arena *a, nk_str re, unsigned variant, size_t min_len)
{
    nk_buf b;
    nk_str out = NK_STR_NULL;
    nk_buf_init(&b, 8192);
    nk_buf_puts(&b, "");
    maker m = {.re = re, .variant = variant, .out = &b};
    if (nk_buf_reserve(&b, 16))
        make_either(&m);
    if (!m.lost && m.at >= re.n && !b.failed) {
        /* an open end may be filled up */
        while (b.n < min_len && b.n < 4096 && (re.n == 0 || re.p[re.n - 1] != '$'))
            nk_buf_putc(&b, 'a');
        out = nk_buf_dup(&b, a);
    }
    nk_buf_free(&b);
    return nk_utf8_valid(out) ? out : NK_STR_NULL;
}
