/* From Python's regular expressions to RE2's. Whatever the two read differently is written out;
 * what only Python has is refused by name. Groups are not kept: only whether there is a match
 * matters. */
#include "plan/regex.h"

#include <stdio.h>

#define DEPTH_MAX   200
#define COUNT_MAX   1000 /* RE2 repeats no more often */
#define PATTERN_MAX (1u << 20)

typedef struct flags {
    bool fold, dot_all, lines; /* i, s, m */
} flags;

typedef struct reader {
    nk_str p;
    size_t at;
    nk_buf out;
    nk_err *err;
    int depth;
    size_t atoms;
    bool guarded; /* has what the engine's own rewriting of patterns gets wrong */
} reader;

/* What may be repeated, and how it ended. */
typedef enum { IS_NOTHING, IS_ATOM, IS_ANCHOR, IS_REPEATED } last_kind;

static nk_code alternatives(reader *r, flags f);

static nk_code refuse(reader *r, nk_code code, const char *what)
{
    return nk_fail(r->err, code,
                   code == NK_E_INVALID ? "the pattern \"%.*s\" is not a regular expression: %s"
                                        : "the pattern \"%.*s\" needs Python: %s",
                   NK_STR_ARG(r->p), what);
}

static bool more(const reader *r)
{
    return r->at < r->p.n;
}

static bool sees(const reader *r, const char *text)
{
    return nk_str_starts(nk_str_sub(r->p, r->at, r->p.n), nk_str_c(text));
}

static bool takes(reader *r, const char *text)
{
    bool yes = sees(r, text);
    r->at += yes ? strlen(text) : 0;
    return yes;
}

static nk_code code_point(reader *r, uint32_t *c)
{
    size_t n = nk_utf8_get(r->p.p + r->at, r->p.n - r->at, c);
    if (!n)
        return refuse(r, NK_E_INVALID, "it is not UTF-8");
    r->at += n;
    return NK_OK;
}

static void put_char(reader *r, uint32_t c)
{
    (void)nk_buf_printf(&r->out, "\\x{%x}", c);
}

/* Python's four letters i are one when case is ignored; RE2 has two of them. */
static bool is_i(uint32_t c)
{
    return c == 'i' || c == 'I' || c == 0x130 || c == 0x131;
}
static const char every_i[] = "iI\\x{130}\\x{131}";

static nk_code check_fold(reader *r, uint32_t c)
{
    static const uint32_t odd[] = {0x390, 0x3b0, 0x1fd3, 0x1fe3, 0xfb05, 0xfb06};
    for (size_t i = 0; i < NK_COUNTOF(odd); i++)
        if (c == odd[i])
            return refuse(r, NK_E_UNSUPPORTED, "a letter whose other cases are Python's own");
    return NK_OK;
}

static nk_code literal(reader *r, flags f, uint32_t c)
{
    if (f.fold)
        NK_TRY(check_fold(r, c));
    if (f.fold && is_i(c))
        (void)nk_buf_printf(&r->out, "[%s]", every_i);
    else if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        (void)nk_buf_putc(&r->out, (char)c);
    else
        put_char(r, c);
    return NK_OK;
}

/* ---- escapes ---- */

/* Python's \d, \w, \s are those of Unicode. */
#define SPACES                                                                                     \
    "\\t-\\r\\x{1c}-\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"  \
    "\\x{205f}\\x{3000}"
static const struct {
    char name;
    const char *inside; /* of a class; NULL = it can only stand outside */
    const char *outside;
} sets[] = {
    {'d', "\\p{Nd}", "\\p{Nd}"},
    {'D', "\\P{Nd}", "\\P{Nd}"},
    {'w', "\\p{L}\\p{N}_", "[\\p{L}\\p{N}_]"},
    {'W', NULL, "[^\\p{L}\\p{N}_]"},
    {'s', SPACES, "[" SPACES "]"},
    {'S', NULL, "[^" SPACES "]"},
};

static int set_named(char c)
{
    for (size_t i = 0; i < NK_COUNTOF(sets); i++)
        if (sets[i].name == c)
            return (int)i;
    return -1;
}

static nk_code hex_digits(reader *r, size_t n, uint32_t *c)
{
    *c = 0;
    for (size_t i = 0; i < n; i++, r->at++) {
        int d = more(r) ? r->p.p[r->at] : 0, low = d | 0x20;
        if (d >= '0' && d <= '9')
            *c = *c * 16 + (uint32_t)(d - '0');
        else if (low >= 'a' && low <= 'f')
            *c = *c * 16 + (uint32_t)(low - 'a' + 10);
        else
            return refuse(r, NK_E_INVALID, "an incomplete escape");
    }
    if (*c > 0x10ffff)
        return refuse(r, NK_E_INVALID, "a number that is no character");
    if (*c >= 0xd800 && *c <= 0xdfff)
        return refuse(r, NK_E_UNSUPPORTED, "half a character");
    return NK_OK;
}

/* The character that the escape after a backslash stands for. */
static nk_code escaped(reader *r, uint32_t *c)
{
    static const char from[] = "afnrtv", to[] = "\a\f\n\r\t\v";
    char e = r->p.p[r->at];
    const char *plain = memchr(from, e, sizeof(from) - 1);
    bool letter = (e >= 'a' && e <= 'z') || (e >= 'A' && e <= 'Z');
    if (e >= '0' && e <= '9')
        return refuse(r, NK_E_UNSUPPORTED,
                      e == '0' ? "a character by its octal number" : "a back reference");
    if (!plain && !letter)
        return code_point(r, c);
    r->at++;
    *c = plain ? (uint32_t)to[plain - from] : 0;
    if (plain)
        return NK_OK;
    if (e == 'x' || e == 'u' || e == 'U')
        return hex_digits(r, e == 'x' ? 2 : e == 'u' ? 4 : 8, c);
    if (e == 'N')
        return refuse(r, NK_E_UNSUPPORTED, "a character by its name");
    return refuse(r, NK_E_INVALID, "an unknown escape");
}

static nk_code escape(reader *r, flags f, last_kind *last)
{
    uint32_t c;
    if (!more(r))
        return refuse(r, NK_E_INVALID, "it ends with a backslash");
    char e = r->p.p[r->at];
    int set = set_named(e);
    *last = IS_ATOM;
    if (set >= 0 || e == 'A' || e == 'Z') {
        r->at++;
        *last = set >= 0 ? IS_ATOM : IS_ANCHOR;
        r->guarded = r->guarded || set < 0;
        return nk_buf_puts(&r->out, set >= 0 ? sets[set].outside : e == 'A' ? "\\A" : "\\z");
    }
    if (e == 'b' || e == 'B')
        return refuse(r, NK_E_UNSUPPORTED, "the edge of a word");
    NK_TRY(escaped(r, &c));
    return literal(r, f, c);
}

/* ---- classes ---- */

typedef struct member {
    int set; /* -1: the character c */
    uint32_t c;
} member;

static nk_code class_member(reader *r, member *m)
{
    *m = (member){.set = -1};
    if (!takes(r, "\\"))
        return code_point(r, &m->c);
    if (!more(r))
        return refuse(r, NK_E_INVALID, "a set is not closed");
    char e = r->p.p[r->at];
    m->set = set_named(e);
    if (m->set >= 0 && !sets[m->set].inside)
        return refuse(r, NK_E_UNSUPPORTED, "\\W or \\S inside a set");
    if (m->set >= 0 || e == 'b') {
        m->c = '\b';
        r->at++;
        return NK_OK;
    }
    return escaped(r, &m->c);
}

static nk_code class_range(reader *r, flags f, uint32_t from, uint32_t to)
{
    if (to < from)
        return refuse(r, NK_E_INVALID, "a range that ends before it begins");
    if (f.fold && to > from && to > 0x7f)
        return refuse(r, NK_E_UNSUPPORTED, "a range of letters beyond ASCII whose case is ignored");
    if (f.fold && to == from)
        NK_TRY(check_fold(r, from));
    put_char(r, from);
    if (to > from) {
        (void)nk_buf_putc(&r->out, '-');
        put_char(r, to);
    }
    bool some_i = is_i(from) || (from <= 'i' && 'i' <= to) || (from <= 'I' && 'I' <= to);
    return f.fold && some_i ? nk_buf_puts(&r->out, every_i) : NK_OK;
}

static nk_code class(reader *r, flags f)
{
    bool first = true;
    (void)nk_buf_puts(&r->out, takes(r, "^") ? "[^" : "[");
    for (;; first = false) {
        member m, to;
        if (!more(r))
            return refuse(r, NK_E_INVALID, "a set is not closed");
        if (!first && takes(r, "]"))
            return nk_buf_putc(&r->out, ']');
        NK_TRY(class_member(r, &m));
        bool range = sees(r, "-") && !sees(r, "-]") && r->at + 1 < r->p.n;
        if (range) {
            r->at++;
            NK_TRY(class_member(r, &to));
            if (m.set >= 0 || to.set >= 0)
                return refuse(r, NK_E_INVALID, "a range from or to a set");
            NK_TRY(class_range(r, f, m.c, to.c));
        } else if (m.set >= 0) {
            (void)nk_buf_puts(&r->out, sets[m.set].inside);
        } else {
            NK_TRY(class_range(r, f, m.c, m.c));
        }
    }
}

/* ---- repetition ---- */

static bool count(reader *r, long *n)
{
    size_t from = r->at;
    for (*n = 0; more(r) && r->p.p[r->at] >= '0' && r->p.p[r->at] <= '9'; r->at++)
        *n = *n > 1000000 ? *n : *n * 10 + (r->p.p[r->at] - '0');
    return r->at > from;
}

/* {m}, {m,}, {,n}, {m,n}; anything else is a brace. */
static nk_code counted(reader *r, bool *is, char text[48])
{
    size_t from = r->at;
    long lo = 0, hi = -1;
    *is = false;
    r->at++;
    if (sees(r, "}"))
        goto brace;
    bool has_lo = count(r, &lo), comma = takes(r, ",");
    bool has_hi = comma && count(r, &hi);
    if ((!has_lo && !comma) || !takes(r, "}"))
        goto brace;
    if (!has_hi)
        hi = comma ? -1 : lo;
    if (hi >= 0 && hi < lo)
        return refuse(r, NK_E_INVALID, "a least number above the greatest");
    if (lo > COUNT_MAX || hi > COUNT_MAX)
        return refuse(r, NK_E_UNSUPPORTED, "more than 1000 repetitions");
    *is = true;
    r->guarded = r->guarded || hi == 0;
    if (hi < 0)
        snprintf(text, 48, "{%ld,}", lo);
    else
        snprintf(text, 48, "{%ld,%ld}", lo, hi);
    return NK_OK;
brace:
    r->at = from;
    return NK_OK;
}

static nk_code repetition(reader *r, bool *is, last_kind *last)
{
    char text[48] = "", c = r->p.p[r->at];
    *is = c == '*' || c == '+' || c == '?';
    if (*is)
        snprintf(text, sizeof text, "%c", r->p.p[r->at++]);
    else if (c == '{')
        NK_TRY(counted(r, is, text));
    if (!*is)
        return NK_OK;
    if (*last == IS_NOTHING || *last == IS_ANCHOR)
        return refuse(r, NK_E_INVALID, "there is nothing to repeat");
    if (*last == IS_REPEATED)
        return refuse(r, NK_E_INVALID, "a repetition of a repetition");
    if (sees(r, "+"))
        return refuse(r, NK_E_UNSUPPORTED, "a possessive repetition");
    *last = IS_REPEATED;
    (void)takes(r, "?"); /* whether it likes few or many decides nothing here */
    return nk_buf_puts(&r->out, text);
}

/* ---- groups ---- */

static nk_code read_flags(reader *r, flags *f)
{
    for (; more(r) && r->p.p[r->at] != ')' && r->p.p[r->at] != ':'; r->at++)
        switch (r->p.p[r->at]) {
        case 'i':
            f->fold = true;
            break;
        case 's':
            f->dot_all = true;
            break;
        case 'm':
            f->lines = true;
            break;
        case 'u':
            break;
        default:
            return refuse(r, NK_E_UNSUPPORTED, "a flag other than i, m, s");
        }
    return more(r) ? NK_OK : refuse(r, NK_E_INVALID, "a parenthesis is not closed");
}

/* What stands after "(" up to the group's content. */
static nk_code group_head(reader *r, flags *f)
{
    if (!takes(r, "?") || takes(r, ":"))
        return NK_OK;
    if (takes(r, "P<")) {
        while (more(r) && r->p.p[r->at] != '>')
            r->at++;
        return takes(r, ">") ? NK_OK : refuse(r, NK_E_INVALID, "a name is not closed");
    }
    if (sees(r, "=") || sees(r, "!") || sees(r, "<"))
        return refuse(r, NK_E_UNSUPPORTED, "a look-ahead or look-behind");
    if (sees(r, "P="))
        return refuse(r, NK_E_UNSUPPORTED, "a back reference");
    if (sees(r, "i") || sees(r, "s") || sees(r, "m")) {
        NK_TRY(read_flags(r, f));
        return takes(r, ":") ? NK_OK
                             : refuse(r, NK_E_UNSUPPORTED, "flags that are not at its start");
    }
    return refuse(r, NK_E_UNSUPPORTED, "a group of a kind that only Python has");
}

static nk_code group(reader *r, flags f)
{
    if (++r->depth > DEPTH_MAX)
        return refuse(r, NK_E_UNSUPPORTED, "groups nested that deeply");
    NK_TRY(group_head(r, &f));
    (void)nk_buf_puts(&r->out, f.fold ? "(?i:" : "(?-i:");
    NK_TRY(alternatives(r, f));
    r->depth--;
    return takes(r, ")") ? nk_buf_putc(&r->out, ')')
                         : refuse(r, NK_E_INVALID, "a parenthesis is not closed");
}

/* $ is also before a line feed that ends the text; RE2 can say so only where nothing follows. */
static nk_code dollar(reader *r, flags f)
{
    size_t i = r->at;
    if (f.lines)
        return nk_buf_puts(&r->out, "(?m:$)");
    while (i < r->p.n && r->p.p[i] == ')')
        i++;
    if (i < r->p.n && !(r->p.p[i] == '|' && r->depth == 0))
        return refuse(r, NK_E_UNSUPPORTED, "a $ before its end");
    return nk_buf_puts(&r->out, "\\n?\\z");
}

static nk_code piece(reader *r, flags f, last_kind *last)
{
    uint32_t c;
    bool repeated, first = *last == IS_NOTHING && r->depth == 0;
    NK_TRY(repetition(r, &repeated, last));
    if (repeated)
        return NK_OK;
    *last = IS_ATOM;
    NK_TRY(code_point(r, &c));
    r->atoms += c != '(' && c != '^' && c != '$';
    switch (c) {
    case '\\':
        return escape(r, f, last);
    case '[':
        return class(r, f);
    case '(':
        return group(r, f);
    case '.':
        return nk_buf_puts(&r->out, f.dot_all ? "(?s:.)" : "[^\\n]");
    case '^':
        *last = IS_ANCHOR;
        if (first) /* a match begins there anyway */
            return NK_OK;
        r->guarded = true;
        return nk_buf_puts(&r->out, f.lines ? "(?m:^)" : "\\A");
    case '$':
        *last = IS_ANCHOR;
        return dollar(r, f);
    default:
        return literal(r, f, c);
    }
}

static nk_code alternatives(reader *r, flags f)
{
    last_kind last = IS_NOTHING;
    while (more(r) && r->p.p[r->at] != ')') {
        if (takes(r, "|")) {
            (void)nk_buf_putc(&r->out, '|');
            last = IS_NOTHING;
            continue;
        }
        NK_TRY(piece(r, f, &last));
    }
    return NK_OK;
}

nk_code nk_regex_python(nk_str pattern, nk_arena *a, nk_str *out, nk_err *err)
{
    reader r = {.p = pattern, .err = err};
    flags f = {0};
    nk_code rc = NK_OK;
    nk_buf_init(&r.out, PATTERN_MAX);
    if (sees(&r, "(?i") || sees(&r, "(?s") || sees(&r, "(?m")) {
        r.at = 2;
        NK_TRY_GOTO(rc, read_flags(&r, &f), done);
        if (!takes(&r, ")")) { /* they hold for a group only */
            r.at = 0;
            f = (flags){0};
        }
    }
    (void)nk_buf_puts(&r.out, f.fold ? "\\A(?i:" : "\\A(?:");
    NK_TRY_GOTO(rc, alternatives(&r, f), done);
    if (more(&r)) {
        rc = refuse(&r, NK_E_INVALID, "a parenthesis too many");
        goto done;
    }
    /* the engine takes a pattern of nothing but a beginning for "equals nothing", and passes over a
     * beginning in the middle: unless something stands behind it that cannot be a prefix */
    (void)nk_buf_puts(&r.out, r.atoms && !r.guarded ? ")" : ")(?s:.?)");
    NK_TRY_GOTO(rc, nk_buf_check(&r.out, err), done);
    *out = nk_buf_dup(&r.out, a);
    rc = out->p ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
done:
    nk_buf_free(&r.out);
    return rc;
}
