/* .proto text to pb_file: tokens and grammar. What names mean is protobuf_link.c's. */
#include <stdio.h>
#include <stdlib.h>

#include "registry/protobuf_int.h"

enum { NESTING_MAX = 60 };

const char *const pb_scalar_names[PB_SCALARS] = {
    "double",  "float",   "int32",    "int64",    "uint32", "uint64", "sint32", "sint64",
    "fixed32", "fixed64", "sfixed32", "sfixed64", "bool",   "string", "bytes"};

nk_code pb_no_memory(pb_parser *p)
{
    return nk_fail(p->err, NK_E_NOMEM, "no memory for the schema");
}

nk_code pb_bad(pb_parser *p, pb_place at, const char *fmt, ...)
{
    char why[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    return nk_fail(p->err, NK_E_INVALID, "invalid Protobuf schema%s%.*s at line %u, column %u: %s",
                   p->path.n ? " " : "", (int)(p->path.n < 200 ? p->path.n : 200),
                   p->path.n ? p->path.p : "", at.line, at.column, why);
}

/* -- tokens --------------------------------------------------------------------------------- */

static void step(pb_parser *p)
{
    if (*p->p == '\n') {
        p->at.line++;
        p->at.column = 1;
    } else if (((unsigned char)*p->p & 0xc0) != 0x80) {
        p->at.column++;
    }
    p->p++;
}

static bool letter(char c)
{
    return ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_';
}
static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static nk_code skip_blank(pb_parser *p)
{
    for (;;) {
        while (p->p < p->end && (*p->p == ' ' || (*p->p >= '\t' && *p->p <= '\r')))
            step(p);
        if (p->end - p->p < 2 || p->p[0] != '/')
            return NK_OK;
        if (p->p[1] == '/') {
            while (p->p < p->end && *p->p != '\n')
                step(p);
        } else if (p->p[1] == '*') {
            pb_place from = p->at;
            step(p);
            step(p);
            while (p->end - p->p >= 2 && !(p->p[0] == '*' && p->p[1] == '/'))
                step(p);
            if (p->end - p->p < 2)
                return pb_bad(p, from, "a comment that does not end");
            step(p);
            step(p);
        } else {
            return NK_OK;
        }
    }
}

static int hex_value(char c)
{
    return digit(c) ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* What no escape begins with stands for itself, as in Wire: AWS's serializers write "Google\Type"
 * as a name of PHP's. */
static nk_code read_escape(pb_parser *p, char *out, size_t *n)
{
    static const char from[] = "abfnrtv\\'\"?", to[] = "\a\b\f\n\r\t\v\\'\"?";
    char c = *p->p;
    const char *known = c ? strchr(from, c) : NULL;
    if (known) {
        out[(*n)++] = to[known - from];
        step(p);
        return NK_OK;
    }
    int digits = c == 'x' || c == 'X' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    const char *back = p->p;
    pb_place place = p->at;
    uint32_t v = 0;
    int got = 0;
    if (digits) {
        step(p);
        for (; got < digits && p->p < p->end && hex_value(*p->p) >= 0; got++) {
            v = v << 4 | (uint32_t)hex_value(*p->p);
            step(p);
        }
    } else {
        for (; got < 3 && p->p < p->end && *p->p >= '0' && *p->p <= '7'; got++) {
            v = v << 3 | (uint32_t)(*p->p - '0');
            step(p);
        }
    }
    if (got == 0 || (digits > 2 && got < digits)) { /* none: the character itself */
        p->p = back;
        p->at = place;
        if (c == '\n' || c == 0)
            return pb_bad(p, p->at, "a string that does not end on its line");
        out[(*n)++] = c;
        step(p);
        return NK_OK;
    }
    if (digits > 2 && (v > 0x10ffff || (v >= 0xd800 && v < 0xe000)))
        return pb_bad(p, place, "an escape that is no character");
    if (digits > 2)
        *n += nk_utf8_put(out + *n, v);
    else
        out[(*n)++] = (char)v;
    return NK_OK;
}

static nk_code read_string(pb_parser *p)
{
    char quote = *p->p;
    pb_place from = p->at;
    char *out =
        nk_arena_bytes(p->a, (size_t)(p->end - p->p) < 65536 ? (size_t)(p->end - p->p) + 4 : 65540);
    size_t n = 0;
    if (!out)
        return pb_no_memory(p);
    step(p);
    while (p->p < p->end && *p->p != quote) {
        if (*p->p == '\n' || *p->p == 0)
            return pb_bad(p, from, "a string that does not end on its line");
        if (n >= 65530)
            return pb_bad(p, from, "a string of more than 65,530 bytes");
        if (*p->p == '\\' && p->end - p->p > 1) {
            step(p);
            NK_TRY(read_escape(p, out, &n));
        } else {
            out[n++] = *p->p;
            step(p);
        }
    }
    if (p->p >= p->end)
        return pb_bad(p, from, "a string that does not end");
    step(p);
    p->token = 's';
    p->text = nk_str_n(out, n);
    return NK_OK;
}

static nk_code read_number(pb_parser *p)
{
    const char *from = p->p;
    bool hex =
        p->end - p->p > 2 && p->p[0] == '0' && (p->p[1] | 32) == 'x' && hex_value(p->p[2]) >= 0;
    p->token = 'n';
    if (hex) {
        step(p);
        step(p);
        while (p->p < p->end && hex_value(*p->p) >= 0)
            step(p);
    } else {
        while (p->p < p->end && digit(*p->p))
            step(p);
        if (p->p < p->end && *p->p == '.') {
            p->token = 'f';
            step(p);
            while (p->p < p->end && digit(*p->p))
                step(p);
        }
        if (p->p < p->end && (*p->p | 32) == 'e') {
            p->token = 'f';
            step(p);
            if (p->p < p->end && (*p->p == '+' || *p->p == '-'))
                step(p);
            if (p->p == p->end || !digit(*p->p))
                return pb_bad(p, p->at, "an exponent without digits");
            while (p->p < p->end && digit(*p->p))
                step(p);
        }
        if (p->token == 'f' && p->p < p->end && (*p->p | 32) == 'f')
            step(p);
    }
    p->text = nk_str_n(from, (size_t)(p->p - from));
    if (p->p < p->end && letter(*p->p))
        return pb_bad(p, p->at, "a letter right behind a number");
    for (const char *c = from; p->token == 'n' && !hex && from[0] == '0' && c < p->p; c++) {
        if (*c > '7')
            return pb_bad(p, p->token_at, "'%.*s' begins with 0 and so is octal",
                          NK_STR_ARG(p->text));
    }
    return NK_OK;
}

static nk_code next(pb_parser *p)
{
    NK_TRY(skip_blank(p));
    p->token_at = p->at;
    p->text = NK_STR_NULL;
    p->token = 0;
    if (p->p == p->end)
        return NK_OK;
    char c = *p->p;
    if (letter(c)) {
        const char *from = p->p;
        while (p->p < p->end && (letter(*p->p) || digit(*p->p)))
            step(p);
        p->token = 'i';
        p->text = nk_str_n(from, (size_t)(p->p - from));
        return NK_OK;
    }
    if (digit(c) || (c == '.' && p->end - p->p > 1 && digit(p->p[1])))
        return read_number(p);
    if (c == '"' || c == '\'')
        return read_string(p);
    if (!c || !strchr("{}[]()<>=;,.:-+/", c))
        return pb_bad(p, p->at,
                      (unsigned char)c > ' ' && (unsigned char)c < 127
                          ? "'%c' has no meaning here"
                          : "the byte 0x%02x has no meaning here",
                      (unsigned char)c);
    p->text = nk_str_n(p->p, 1);
    p->token = c;
    step(p);
    return NK_OK;
}

static bool is(const pb_parser *p, const char *word)
{
    return p->token == 'i' && nk_str_is(p->text, word);
}

static nk_code wanted(pb_parser *p, const char *what)
{
    return p->token ? pb_bad(p, p->token_at, "%s is wanted before '%.*s'", what,
                             (int)(p->text.n < 60 ? p->text.n : 60), p->text.p)
                    : pb_bad(p, p->token_at, "%s is wanted, and the text ends", what);
}

static nk_code expect(pb_parser *p, char symbol)
{
    char what[4] = {'\'', symbol, '\'', 0};
    return p->token == symbol ? next(p) : wanted(p, what);
}

static nk_code take_word(pb_parser *p, const char *what, nk_str *out)
{
    if (p->token != 'i')
        return wanted(p, what);
    *out = p->text;
    return next(p);
}

/* "a.b.c", with a leading dot if dot. */
static nk_code take_path(pb_parser *p, const char *what, bool dot, nk_str *out)
{
    nk_buf b;
    nk_buf_init(&b, 4096);
    nk_code rc = NK_OK;
    if (dot && p->token == '.') {
        nk_buf_putc(&b, '.');
        rc = next(p);
    }
    while (rc == NK_OK) {
        if (p->token != 'i') {
            rc = wanted(p, what);
            break;
        }
        nk_buf_str(&b, p->text);
        rc = next(p);
        if (rc != NK_OK || p->token != '.')
            break;
        nk_buf_putc(&b, '.');
        rc = next(p);
    }
    if (rc == NK_OK && b.failed)
        rc = b.why == NK_E_NOMEM ? pb_no_memory(p)
                                 : pb_bad(p, p->token_at, "a name of more than 4,096 bytes");
    *out = rc == NK_OK ? nk_buf_dup(&b, p->a) : NK_STR_NULL;
    nk_buf_free(&b);
    return rc == NK_OK && !out->p ? pb_no_memory(p) : rc;
}

static bool parse_integer(nk_str s, uint64_t *out)
{
    int base = s.n > 1 && s.p[0] == '0' ? ((s.p[1] | 32) == 'x' ? 16 : 8) : 10;
    uint64_t v = 0;
    for (size_t i = base == 16 ? 2 : 0; i < s.n; i++) {
        uint64_t d = (uint64_t)hex_value(s.p[i]);
        if (v > (UINT64_MAX - d) / (uint64_t)base)
            return false;
        v = v * (uint64_t)base + d;
    }
    *out = v;
    return true;
}

/* An integer from least to most, '-' allowed when least is below 0. */
static nk_code take_integer(pb_parser *p, const char *what, int64_t least, int64_t most,
                            int64_t *out)
{
    bool minus = least < 0 && p->token == '-';
    pb_place at = p->token_at;
    uint64_t v;
    if (minus)
        NK_TRY(next(p));
    if (p->token != 'n')
        return wanted(p, what);
    if (!parse_integer(p->text, &v) ||
        (minus ? v > (uint64_t) - (least + 1) + 1 : v > (uint64_t)most))
        return pb_bad(p, at, "%s is out of range", what);
    *out = minus ? (int64_t)(0 - v) : (int64_t)v;
    return next(p);
}

/* -- options -------------------------------------------------------------------------------- */

static void put_quoted(nk_buf *b, nk_str s)
{
    nk_buf_putc(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\')
            nk_buf_printf(b, "\\%c", c);
        else if (c < ' ' || c == 127)
            nk_buf_printf(b, "\\%03o", c);
        else
            nk_buf_putc(b, (char)c);
    }
    nk_buf_putc(b, '"');
}

/* Strings side by side are one. */
static nk_code take_strings(pb_parser *p, const char *what, nk_str *out)
{
    if (p->token != 's')
        return wanted(p, what);
    *out = p->text;
    NK_TRY(next(p));
    while (p->token == 's') {
        *out = nk_str_cat(p->a, *out, p->text);
        if (!out->p)
            return pb_no_memory(p);
        if (out->n > 1 << 17)
            return pb_bad(p, p->token_at, "a string too long to keep");
        NK_TRY(next(p));
    }
    return NK_OK;
}

static nk_code put_token(pb_parser *p, nk_buf *b)
{
    if (b->n)
        nk_buf_putc(b, ' ');
    if (p->token != 's') {
        nk_buf_str(b, p->text);
        return next(p);
    }
    nk_str all;
    NK_TRY(take_strings(p, "a string", &all));
    put_quoted(b, all);
    return NK_OK;
}

/* The braces' content is text format: kept as tokens, only its brackets are looked at. */
static nk_code put_aggregate(pb_parser *p, nk_buf *b)
{
    char open[64];
    int depth = 0;
    do {
        char c = p->token;
        if (c == 0)
            return wanted(p, "'}'");
        if (c == '{' || c == '[' || c == '<') {
            if (depth == 64)
                return pb_bad(p, p->token_at, "a value nested more than 64 deep");
            open[depth++] = c == '{' ? '}' : c == '[' ? ']' : '>';
        } else if (c == '}' || c == ']' || c == '>') {
            if (open[depth - 1] != c)
                return pb_bad(p, p->token_at, "'%c' closes what '%c' would", c, open[depth - 1]);
            depth--;
        }
        NK_TRY(put_token(p, b));
    } while (depth);
    return NK_OK;
}

static nk_code option_name(pb_parser *p, nk_buf *b)
{
    for (;;) {
        if (p->token == '(') {
            nk_str path;
            NK_TRY(next(p));
            NK_TRY(take_path(p, "an extension's name", true, &path));
            nk_buf_putc(b, '(');
            nk_buf_str(b, path);
            nk_buf_putc(b, ')');
            NK_TRY(expect(p, ')'));
        } else {
            nk_str word;
            NK_TRY(take_word(p, "an option's name", &word));
            nk_buf_str(b, word);
        }
        if (p->token != '.')
            return NK_OK;
        nk_buf_putc(b, '.');
        NK_TRY(next(p));
    }
}

static nk_code option_value(pb_parser *p, nk_buf *b)
{
    if (p->token == '{')
        return put_aggregate(p, b);
    if (p->token == '-' || p->token == '+') {
        bool minus = p->token == '-';
        NK_TRY(next(p));
        if (p->token != 'n' && p->token != 'f' && !is(p, "inf") && !is(p, "nan"))
            return wanted(p, "a number");
        if (minus)
            nk_buf_putc(b, '-');
        nk_buf_str(b, p->text);
        return next(p);
    }
    if (p->token != 'i' && p->token != 'n' && p->token != 'f' && p->token != 's')
        return wanted(p, "a value");
    return put_token(p, b);
}

/* name = value, into list. */
static nk_code read_option(pb_parser *p, pb_options *list)
{
    nk_buf name, value;
    nk_buf_init(&name, 8192);
    nk_buf_init(&value, 1 << 18);
    pb_place at = p->token_at;
    nk_code rc = option_name(p, &name);
    if (rc == NK_OK)
        rc = expect(p, '=');
    if (rc == NK_OK)
        rc = option_value(p, &value);
    if (rc == NK_OK && (name.failed || value.failed))
        rc = name.why == NK_E_NOMEM || value.why == NK_E_NOMEM
                 ? pb_no_memory(p)
                 : pb_bad(p, at, "an option too long to keep");
    for (size_t i = 0; rc == NK_OK && i < list->n; i++) {
        if (nk_str_eq(list->v[i].name, nk_buf_view(&name)) && name.p[0] != '(')
            rc = pb_bad(p, at, "the option '%s' is set twice", name.p);
    }
    if (rc == NK_OK) {
        pb_option *o = pb_options_add(list, p->a);
        if (o)
            *o = (pb_option){nk_buf_dup(&name, p->a), nk_buf_dup(&value, p->a)};
        if (!o || !o->name.p || !o->value.p)
            rc = pb_no_memory(p);
    }
    nk_buf_free(&name);
    nk_buf_free(&value);
    return rc;
}

static nk_code read_bracket_options(pb_parser *p, pb_options *list)
{
    if (p->token != '[')
        return NK_OK;
    do {
        NK_TRY(next(p));
        NK_TRY(read_option(p, list));
    } while (p->token == ',');
    return expect(p, ']');
}

static nk_code read_option_statement(pb_parser *p, pb_options *list)
{
    NK_TRY(next(p));
    NK_TRY(read_option(p, list));
    return expect(p, ';');
}

const pb_option *pb_find_option(const pb_options *o, const char *name)
{
    for (size_t i = 0; i < o->n; i++) {
        if (nk_str_is(o->v[i].name, name))
            return &o->v[i];
    }
    return NULL;
}

/* -- types ---------------------------------------------------------------------------------- */

#define FIELD_MAX 536870911

static nk_code read_ranges(pb_parser *p, pb_ranges *out, int64_t least, int64_t most)
{
    for (;;) {
        pb_range *r = pb_ranges_add(out, p->a);
        if (!r)
            return pb_no_memory(p);
        pb_place at = p->token_at;
        NK_TRY(take_integer(p, "a number", least, most, &r->from));
        r->to = r->from;
        if (is(p, "to")) {
            NK_TRY(next(p));
            if (is(p, "max")) {
                r->to = most;
                NK_TRY(next(p));
            } else {
                NK_TRY(take_integer(p, "a number", least, most, &r->to));
            }
        }
        if (r->to < r->from)
            return pb_bad(p, at, "a range that ends before it begins");
        if (least == 0 && r->from == 0)
            return pb_bad(p, at, "field numbers begin at 1");
        for (pb_range *x = out->v; x < r; x++) {
            if (x->from <= r->to && r->from <= x->to)
                return pb_bad(p, at, "the range %lld to %lld meets %lld to %lld",
                              (long long)r->from, (long long)r->to, (long long)x->from,
                              (long long)x->to);
        }
        if (p->token != ',')
            return NK_OK;
        NK_TRY(next(p));
    }
}

static nk_code read_reserved(pb_parser *p, pb_type *t)
{
    NK_TRY(next(p));
    if (p->token != 's') {
        NK_TRY(read_ranges(p, &t->reserved, t->is_enum ? INT32_MIN : 0,
                           t->is_enum ? INT32_MAX : FIELD_MAX));
        return expect(p, ';');
    }
    for (;;) {
        nk_str *s = nk_strs_add(&t->reserved_names, p->a);
        if (!s)
            return pb_no_memory(p);
        pb_place at = p->token_at;
        NK_TRY(take_strings(p, "a name in quotes", s));
        for (nk_str *x = t->reserved_names.v; x < s; x++) {
            if (nk_str_eq(*x, *s))
                return pb_bad(p, at, "'%.*s' is reserved twice", NK_STR_ARG(*s));
        }
        if (p->token != ',')
            return expect(p, ';');
        NK_TRY(next(p));
    }
}

static nk_code read_extensions(pb_parser *p, pb_type *t)
{
    if (p->file->proto3)
        return pb_bad(p, p->token_at, "proto3 has no extension ranges");
    NK_TRY(next(p));
    NK_TRY(read_ranges(p, &t->extensions, 0, FIELD_MAX));
    NK_TRY(read_bracket_options(p, &t->extension_options));
    return expect(p, ';');
}

static nk_code new_type(pb_parser *p, pb_type *parent, pb_types *list, bool is_enum, pb_type **out)
{
    pb_type *t = NK_NEW(p->a, pb_type), **slot = pb_types_add(list, p->a);
    if (!t || !slot)
        return pb_no_memory(p);
    *t = (pb_type){.is_enum = is_enum, .file = p->file, .parent = parent, .at = p->token_at};
    if (!is_enum)
        t->order = p->s->messages++;
    *slot = *out = t;
    return NK_OK;
}

static nk_code read_enum(pb_parser *p, pb_type *parent, pb_types *list)
{
    pb_type *t;
    NK_TRY(next(p));
    NK_TRY(new_type(p, parent, list, true, &t));
    NK_TRY(take_word(p, "the enum's name", &t->name));
    NK_TRY(expect(p, '{'));
    while (p->token != '}') {
        if (p->token == ';') {
            NK_TRY(next(p));
        } else if (is(p, "option")) {
            NK_TRY(read_option_statement(p, &t->options));
        } else if (is(p, "reserved")) {
            NK_TRY(read_reserved(p, t));
        } else {
            pb_value *v = pb_values_add(&t->values, p->a);
            if (!v)
                return pb_no_memory(p);
            v->at = p->token_at;
            NK_TRY(take_word(p, "a value's name or '}'", &v->name));
            NK_TRY(expect(p, '='));
            NK_TRY(take_integer(p, "an enum value's number", INT32_MIN, INT32_MAX, &v->number));
            NK_TRY(read_bracket_options(p, &v->options));
            NK_TRY(expect(p, ';'));
        }
    }
    return next(p);
}

static nk_code read_message_body(pb_parser *p, pb_type *t);

static pb_kind scalar_kind(nk_str s)
{
    for (int i = 0; i < PB_SCALARS; i++) {
        if (nk_str_is(s, pb_scalar_names[i]))
            return (pb_kind)i;
    }
    return PB_NAMED;
}

/* "group Name = 1 { … }": a field and a message. */
static nk_code read_group(pb_parser *p, pb_type *in, pb_types *types, pb_field *f)
{
    pb_type *t;
    if (p->file->proto3)
        return pb_bad(p, p->token_at, "proto3 has no groups");
    NK_TRY(next(p));
    NK_TRY(new_type(p, in, types, false, &t));
    t->group = true;
    f->at = p->token_at;
    NK_TRY(take_word(p, "the group's name", &t->name));
    if (t->name.p[0] < 'A' || t->name.p[0] > 'Z')
        return pb_bad(p, f->at, "a group's name begins with a capital letter");
    char *lower = nk_arena_bytes(p->a, t->name.n + 1);
    if (!lower)
        return pb_no_memory(p);
    for (size_t i = 0; i < t->name.n; i++) {
        char c = t->name.p[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    f->name = nk_str_n(lower, t->name.n);
    f->type_name = t->name;
    f->kind = PB_GROUP;
    f->type = t;
    NK_TRY(expect(p, '='));
    NK_TRY(take_integer(p, "a field's number", 0, INT64_MAX, &f->number));
    NK_TRY(read_bracket_options(p, &f->options));
    return read_message_body(p, t);
}

static nk_code read_map_type(pb_parser *p, pb_field *f)
{
    nk_str key;
    pb_place at;
    NK_TRY(next(p));
    NK_TRY(expect(p, '<'));
    at = p->token_at;
    NK_TRY(take_word(p, "the map's key type", &key));
    f->key = scalar_kind(key);
    f->map = true;
    f->label = PB_REPEATED;
    if (f->key >= PB_SCALARS || f->key == PB_DOUBLE || f->key == PB_FLOAT || f->key == PB_BYTES)
        return pb_bad(p, at, "a map's key is a whole number, bool or string, not '%.*s'",
                      NK_STR_ARG(key));
    NK_TRY(expect(p, ','));
    NK_TRY(take_path(p, "the map's value type", true, &f->type_name));
    return expect(p, '>');
}

static nk_code read_label(pb_parser *p, pb_field *f, bool in_oneof)
{
    static const char *const names[] = {"", "optional", "required", "repeated"};
    for (int i = 1; i < 4; i++) {
        if (!is(p, names[i]))
            continue;
        if (in_oneof)
            return pb_bad(p, p->token_at, "fields of a oneof have no label");
        if (i == PB_REQUIRED && p->file->proto3)
            return pb_bad(p, p->token_at, "proto3 has no required fields");
        f->label = (pb_label)i;
        return next(p);
    }
    return NK_OK;
}

/* in: the message (NULL at the file's top, inside extend); types: where a group's message goes. */
static nk_code read_field(pb_parser *p, pb_type *in, pb_types *types, pb_fields *list, int oneof,
                          bool extension)
{
    pb_field f = {.oneof = oneof, .kind = PB_NAMED, .at = p->token_at};
    NK_TRY(read_label(p, &f, oneof >= 0));
    pb_place type_at = p->token_at;
    bool labelled = f.label != PB_SINGULAR;
    if (is(p, "group")) {
        if (!labelled && oneof < 0)
            return pb_bad(p, type_at,
                          "in proto2 a field begins with required, optional or repeated");
        NK_TRY(read_group(p, in, types, &f));
    } else {
        bool map = false;
        if (is(p, "map")) {
            pb_parser back = *p;
            NK_TRY(next(p));
            map = p->token == '<';
            *p = back;
        }
        if (map && (labelled || oneof >= 0 || extension))
            return pb_bad(p, type_at,
                          labelled    ? "a map field has no label"
                          : extension ? "an extension is no map"
                                      : "a map stands in no oneof");
        if (map)
            NK_TRY(read_map_type(p, &f));
        else
            NK_TRY(take_path(p, "a field's type, a keyword or '}'", true, &f.type_name));
        if (!map && !labelled && oneof < 0 && !p->file->proto3)
            return pb_bad(p, type_at,
                          "in proto2 a field begins with required, optional or repeated");
        f.kind = scalar_kind(f.type_name);
        f.at = p->token_at;
        NK_TRY(take_word(p, "the field's name", &f.name));
        NK_TRY(expect(p, '='));
        NK_TRY(take_integer(p, "a field's number", 0, INT64_MAX, &f.number));
        NK_TRY(read_bracket_options(p, &f.options));
        NK_TRY(expect(p, ';'));
    }
    pb_field *slot = pb_fields_add(list, p->a);
    if (!slot)
        return pb_no_memory(p);
    *slot = f;
    return NK_OK;
}

static nk_code read_oneof(pb_parser *p, pb_type *t)
{
    int index = (int)t->oneofs.n;
    NK_TRY(next(p));
    pb_oneof *o = pb_oneofs_add(&t->oneofs, p->a);
    if (!o)
        return pb_no_memory(p);
    o->at = p->token_at;
    NK_TRY(take_word(p, "the oneof's name", &o->name));
    NK_TRY(expect(p, '{'));
    size_t before = t->fields.n;
    while (p->token != '}') {
        if (is(p, "option")) {
            NK_TRY(read_option_statement(p, &t->oneofs.v[index].options));
        } else {
            NK_TRY(read_field(p, t, &t->types, &t->fields, index, false));
        }
    }
    if (t->fields.n == before)
        return pb_bad(p, t->oneofs.v[index].at, "a oneof has at least one field");
    return next(p);
}

static nk_code read_extend(pb_parser *p, pb_type *in, pb_types *types, pb_extends *list)
{
    pb_extend x = {.at = p->token_at};
    NK_TRY(next(p));
    NK_TRY(take_path(p, "the extended message's name", true, &x.type_name));
    NK_TRY(expect(p, '{'));
    while (p->token != '}')
        NK_TRY(read_field(p, in, types, &x.fields, -1, true));
    if (x.fields.n == 0)
        return pb_bad(p, x.at, "extend adds at least one field");
    NK_TRY(next(p));
    pb_extend *slot = pb_extends_add(list, p->a);
    if (!slot)
        return pb_no_memory(p);
    *slot = x;
    return NK_OK;
}

static nk_code read_message(pb_parser *p, pb_type *parent, pb_types *list)
{
    pb_type *t;
    NK_TRY(next(p));
    NK_TRY(new_type(p, parent, list, false, &t));
    NK_TRY(take_word(p, "the message's name", &t->name));
    return read_message_body(p, t);
}

/* A keyword wins over a type of that name, as in protoc. */
static nk_code read_member(pb_parser *p, pb_type *t)
{
    if (p->token == ';')
        return next(p);
    if (is(p, "message"))
        return read_message(p, t, &t->types);
    if (is(p, "enum"))
        return read_enum(p, t, &t->types);
    if (is(p, "oneof"))
        return read_oneof(p, t);
    if (is(p, "extend"))
        return read_extend(p, t, &t->types, &t->extends);
    if (is(p, "reserved"))
        return read_reserved(p, t);
    if (is(p, "extensions"))
        return read_extensions(p, t);
    if (is(p, "option"))
        return read_option_statement(p, &t->options);
    return read_field(p, t, &t->types, &t->fields, -1, false);
}

static nk_code read_message_body(pb_parser *p, pb_type *t)
{
    if (++p->depth > NESTING_MAX)
        return pb_bad(p, p->token_at, "messages nested more than %d deep", NESTING_MAX);
    NK_TRY(expect(p, '{'));
    while (p->token != '}') {
        if (p->token == 0)
            return wanted(p, "'}'");
        NK_TRY(read_member(p, t));
    }
    p->depth--;
    return next(p);
}

static nk_code read_method(pb_parser *p, pb_service *s)
{
    pb_method *m = pb_methods_add(&s->methods, p->a);
    if (!m)
        return pb_no_memory(p);
    NK_TRY(next(p));
    m->at = p->token_at;
    NK_TRY(take_word(p, "the method's name", &m->name));
    for (int out = 0; out < 2; out++) {
        NK_TRY(expect(p, '('));
        if (is(p, "stream")) {
            *(out ? &m->output_stream : &m->input_stream) = true;
            NK_TRY(next(p));
        }
        NK_TRY(take_path(p, "a message's name", true, out ? &m->output : &m->input));
        NK_TRY(expect(p, ')'));
        if (!out && !is(p, "returns"))
            return wanted(p, "'returns'");
        if (!out)
            NK_TRY(next(p));
    }
    if (p->token == ';')
        return next(p);
    NK_TRY(expect(p, '{'));
    while (p->token != '}') {
        if (p->token == ';')
            NK_TRY(next(p));
        else if (is(p, "option"))
            NK_TRY(read_option_statement(p, &m->options));
        else
            return wanted(p, "an option or '}'");
    }
    return next(p);
}

static nk_code read_service(pb_parser *p)
{
    pb_service *s = pb_services_add(&p->file->services, p->a);
    if (!s)
        return pb_no_memory(p);
    NK_TRY(next(p));
    s->at = p->token_at;
    NK_TRY(take_word(p, "the service's name", &s->name));
    NK_TRY(expect(p, '{'));
    while (p->token != '}') {
        if (p->token == ';')
            NK_TRY(next(p));
        else if (is(p, "option"))
            NK_TRY(read_option_statement(p, &s->options));
        else if (is(p, "rpc"))
            NK_TRY(read_method(p, s));
        else
            return wanted(p, "rpc, option or '}'");
    }
    return next(p);
}

static nk_code read_import(pb_parser *p)
{
    NK_TRY(next(p));
    pb_import *i = pb_imports_add(&p->file->imports, p->a);
    if (!i)
        return pb_no_memory(p);
    if (is(p, "public") || is(p, "weak")) {
        i->how = p->text;
        NK_TRY(next(p));
    }
    i->at = p->token_at;
    NK_TRY(take_strings(p, "the imported file's path in quotes", &i->path));
    for (pb_import *x = p->file->imports.v; x < i; x++) {
        if (nk_str_eq(x->path, i->path))
            return pb_bad(p, i->at, "'%.*s' is imported twice", NK_STR_ARG(i->path));
    }
    return expect(p, ';');
}

static nk_code read_syntax(pb_parser *p)
{
    if (is(p, "edition"))
        return pb_bad(p, p->token_at, "editions are not taken; use proto2 or proto3");
    if (!is(p, "syntax"))
        return NK_OK; /* proto2, as protoc has it */
    NK_TRY(next(p));
    NK_TRY(expect(p, '='));
    nk_str syntax;
    pb_place at = p->token_at;
    NK_TRY(take_strings(p, "the syntax in quotes", &syntax));
    if (!nk_str_is(syntax, "proto2") && !nk_str_is(syntax, "proto3"))
        return pb_bad(p, at, "the syntax is \"proto2\" or \"proto3\"");
    p->file->proto3 = nk_str_is(syntax, "proto3");
    return expect(p, ';');
}

static nk_code read_statement(pb_parser *p)
{
    pb_file *f = p->file;
    if (p->token == ';')
        return next(p);
    if (is(p, "message"))
        return read_message(p, NULL, &f->types);
    if (is(p, "enum"))
        return read_enum(p, NULL, &f->types);
    if (is(p, "extend"))
        return read_extend(p, NULL, &f->types, &f->extends);
    if (is(p, "service"))
        return read_service(p);
    if (is(p, "import"))
        return read_import(p);
    if (is(p, "option"))
        return read_option_statement(p, &f->options);
    if (is(p, "package")) {
        if (f->package.n)
            return pb_bad(p, p->token_at, "the package is given twice");
        NK_TRY(next(p));
        NK_TRY(take_path(p, "the package's name", false, &f->package));
        return expect(p, ';');
    }
    return wanted(p, "message, enum, extend, service, import, option or package");
}

nk_code pb_read_file(pb_parser *p, nk_str text, pb_file *f)
{
    p->path = f->path;
    p->file = f;
    p->p = text.p ? text.p : "";
    p->end = p->p + text.n;
    p->at = (pb_place){1, 1};
    p->depth = 0;
    if (!nk_utf8_valid(text))
        return pb_bad(p, p->at, "the text is not UTF-8");
    if (text.n >= 3 && memcmp(p->p, "\xef\xbb\xbf", 3) == 0)
        p->p += 3;
    NK_TRY(next(p));
    NK_TRY(read_syntax(p));
    while (p->token)
        NK_TRY(read_statement(p));
    return NK_OK;
}
