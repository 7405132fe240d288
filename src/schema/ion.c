#include "schema/ion.h"

#define DEPTH_MAX   100
#define SYMBOLS_MAX 1000000

enum {
    T_NULL,
    T_BOOL,
    T_POS,
    T_NEG,
    T_FLOAT,
    T_DECIMAL,
    T_TIMESTAMP,
    T_SYMBOL,
    T_STRING,
    T_CLOB,
    T_BLOB,
    T_LIST,
    T_SEXP,
    T_STRUCT,
    T_ANNOTATION
};
enum { SID_TABLE = 3, SID_IMPORTS = 6, SID_SYMBOLS = 7, SID_MAX_ID = 8 };

typedef struct ion {
    nk_sink *sink;
    nk_arena *a;     /* texts with escapes, names without symbols */
    nk_arena *names; /* symbols */
    nk_err *err;
    nk_strs symbols; /* from id 1 on */
    const char *p, *end;
} ion;

static nk_code corrupt(ion *s, const char *what)
{
    return nk_fail(s->err, NK_E_PARSE, "The Ion data is corrupt: %s", what);
}

/* Behind the end of what is there: NK_E_END, which the caller takes as "cut". */
static nk_code cut(void)
{
    return NK_E_END;
}

static nk_code no_memory(ion *s)
{
    return nk_fail(s->err, NK_E_NOMEM, "Out of memory reading Ion");
}

/* ---- symbols ---- */

static nk_code add_symbol(ion *s, nk_str text)
{
    nk_str *slot = s->symbols.n < SYMBOLS_MAX ? nk_strs_add(&s->symbols, s->names) : NULL;
    if (!slot)
        return s->symbols.n < SYMBOLS_MAX ? no_memory(s) : corrupt(s, "too many symbols");
    *slot = text;
    return NK_OK;
}

static nk_code system_symbols(ion *s)
{
    static const char *const names[] = {"$ion",    "$ion_1_0", "$ion_symbol_table",
                                        "name",    "version",  "imports",
                                        "symbols", "max_id",   "$ion_shared_symbol_table"};
    s->symbols.n = 0;
    for (size_t i = 0; i < NK_COUNTOF(names); i++)
        NK_TRY(add_symbol(s, nk_str_c(names[i])));
    return NK_OK;
}

static nk_str symbol(ion *s, uint64_t sid)
{
    if (sid >= 1 && sid <= s->symbols.n && s->symbols.v[sid - 1].p)
        return s->symbols.v[sid - 1];
    return nk_str_printf(s->a, "$%llu", (unsigned long long)sid);
}

/* ---- binary ---- */

typedef struct value {
    int type;
    bool null;
    int low; /* the descriptor's low nibble */
    const char *body, *end;
} value;

static nk_code varuint(ion *s, const char **p, const char *end, uint64_t *out)
{
    *out = 0;
    for (int i = 0; i < 9; i++) {
        if (*p >= end)
            return cut();
        unsigned char c = (unsigned char)*(*p)++;
        *out = *out << 7 | (c & 0x7f);
        if (c & 0x80)
            return NK_OK;
    }
    return corrupt(s, "a number is too long");
}

/* The value at *p; *p goes behind it. NK_E_END when it ends behind `end`. */
static nk_code binary_value(ion *s, const char **p, const char *end, value *v)
{
    if (*p >= end)
        return cut();
    unsigned char d = (unsigned char)*(*p)++;
    uint64_t n = d & 15;
    *v = (value){.type = d >> 4, .low = d & 15, .null = (d & 15) == 15};
    if (v->type > T_ANNOTATION || (v->type == T_ANNOTATION && (v->low < 3 || v->null)))
        return corrupt(s, "an unknown kind of value");
    if (v->null || v->type == T_BOOL)
        n = 0;
    else if (n == 14 || (v->type == T_STRUCT && n == 1))
        NK_TRY(varuint(s, p, end, &n));
    if (n > (uint64_t)(end - *p))
        return cut();
    v->body = *p;
    v->end = *p += n;
    return NK_OK;
}

/* Inside a value nothing may be cut. */
static nk_code inner(ion *s, nk_code rc)
{
    return rc == NK_E_END ? corrupt(s, "a value ends behind the one it is in") : rc;
}

static nk_code strip(ion *s, value *v, uint64_t *annotation)
{
    *annotation = 0;
    for (int depth = 0; v->type == T_ANNOTATION; depth++) {
        const char *p = v->body, *end = v->end;
        uint64_t n;
        if (depth)
            return corrupt(s, "annotations of annotations");
        NK_TRY(inner(s, varuint(s, &p, end, &n)));
        if (n > (uint64_t)(end - p))
            return corrupt(s, "annotations are cut short");
        const char *ids = p;
        p += n;
        NK_TRY(inner(s, varuint(s, &ids, p, annotation)));
        NK_TRY(inner(s, binary_value(s, &p, end, v)));
    }
    return NK_OK;
}

static nk_type_kind int_kind(const value *v)
{
    size_t n = (size_t)(v->end - v->body);
    uint64_t x = 0;
    if (n > 8)
        return NK_T_DECIMAL;
    for (const char *p = v->body; p < v->end; p++)
        x = x << 8 | (unsigned char)*p;
    uint64_t negative = v->type == T_NEG;
    return x <= (uint64_t)INT32_MAX + negative   ? NK_T_INT
           : x <= (uint64_t)INT64_MAX + negative ? NK_T_LONG
                                                 : NK_T_DECIMAL;
}

static nk_type_kind kind_of(const value *v)
{
    static const nk_type_kind kinds[] = {NK_T_NULL,   NK_T_BOOLEAN, NK_T_INT,       NK_T_INT,
                                         NK_T_DOUBLE, NK_T_DECIMAL, NK_T_TIMESTAMP, NK_T_STRING,
                                         NK_T_STRING, NK_T_BINARY,  NK_T_BINARY,    NK_T_ARRAY,
                                         NK_T_ARRAY,  NK_T_STRUCT};
    if (v->null || v->type > T_STRUCT)
        return NK_T_NULL;
    return v->type == T_POS || v->type == T_NEG ? int_kind(v) : kinds[v->type];
}

/* ---- values of binary ---- */

static nk_code varint(ion *s, const char **p, const char *end, int64_t *out, bool *negative)
{
    *out = 0;
    for (int i = 0; i < 9; i++) {
        if (*p >= end)
            return cut();
        unsigned char c = (unsigned char)*(*p)++;
        if (i == 0)
            *negative = c & 0x40;
        *out = *out << (i ? 7 : 6) | (c & (i ? 0x7f : 0x3f));
        if (c & 0x80) {
            *out = *negative ? -*out : *out;
            return NK_OK;
        }
    }
    return corrupt(s, "a number is too long");
}

/* Big-endian; signed ones carry their sign in the first bit. */
static nk_code magnitude(ion *s, const char *p, const char *end, bool is_signed, __int128 *out)
{
    unsigned __int128 v = 0;
    bool negative = is_signed && p < end && (*p & 0x80);
    bool first = is_signed;
    for (; p < end; p++) {
        if (v >> 119)
            return nk_fail(s->err, NK_E_PARSE, "An Ion number has more than 38 digits");
        v = v << 8 | ((unsigned char)*p & (first ? 0x7f : 0xff));
        first = false;
    }
    *out = negative ? -(__int128)v : (__int128)v;
    return NK_OK;
}

typedef struct moment {
    int64_t part[6]; /* year, month, day, hour, minute, second */
    int64_t micros, offset_minutes;
} moment;

static nk_code moment_value(ion *s, const moment *m, nk_value *v)
{
    static const int64_t least[] = {1, 1, 1, 0, 0, 0}, most[] = {9999, 12, 31, 23, 59, 59};
    for (size_t i = 0; i < 6; i++)
        if (m->part[i] < least[i] || m->part[i] > most[i])
            return corrupt(s, "a time that is none");
    nk_civil c = {.year = (int)m->part[0],
                  .month = (int)m->part[1],
                  .day = (int)m->part[2],
                  .hour = (int)m->part[3],
                  .minute = (int)m->part[4],
                  .second = (int)m->part[5],
                  .usec = (int)m->micros};
    v->i = nk_civil_to_us(&c) - m->offset_minutes * 60000000;
    return NK_OK;
}

/* coefficient × 10^exponent seconds, cut to microseconds. */
static int64_t fraction_micros(__int128 coefficient, int64_t exponent)
{
    if (exponent < -38 || exponent > 0)
        return 0;
    for (; exponent < -6; exponent++)
        coefficient /= 10;
    for (; exponent > -6; exponent--)
        coefficient *= 10;
    return (int64_t)(coefficient % 1000000);
}

static nk_code binary_time(ion *s, const value *v, nk_value *out)
{
    moment m = {.part = {0, 1, 1, 0, 0, 0}};
    const char *p = v->body;
    int64_t exponent;
    uint64_t n;
    bool negative;
    __int128 coefficient;
    NK_TRY(inner(s, varint(s, &p, v->end, &exponent, &negative))); /* the rest is in UTC */
    for (size_t i = 0; i < 6 && p < v->end; i++) {
        NK_TRY(inner(s, varuint(s, &p, v->end, &n)));
        m.part[i] = n > 100000 ? 100000 : (int64_t)n;
    }
    if (p < v->end) {
        NK_TRY(inner(s, varint(s, &p, v->end, &exponent, &negative)));
        NK_TRY(magnitude(s, p, v->end, true, &coefficient));
        m.micros = fraction_micros(coefficient, exponent);
    }
    return moment_value(s, &m, out);
}

static nk_code binary_float(ion *s, const value *v, nk_value *out)
{
    size_t n = (size_t)(v->end - v->body);
    __int128 bits;
    if (n != 0 && n != 4 && n != 8)
        return corrupt(s, "the size of a float");
    NK_TRY(magnitude(s, v->body, v->end, false, &bits));
    uint64_t u = (uint64_t)bits;
    uint32_t u4 = (uint32_t)u;
    float f;
    memcpy(&f, &u4, 4);
    memcpy(&out->d, &u, 8);
    if (n == 4)
        out->d = (double)f;
    return NK_OK;
}

static nk_code text_of(ion *s, nk_str text, nk_value *out)
{
    out->s = text;
    if (text.p && nk_utf8_valid(text))
        return NK_OK;
    return text.p ? corrupt(s, "a text that is not UTF-8") : no_memory(s);
}

static nk_code binary_scalar(ion *s, const value *v, nk_value *out)
{
    const char *p = v->body;
    nk_str bytes = nk_str_n(v->body, (size_t)(v->end - v->body));
    __int128 n = 0;
    int64_t exponent = 0;
    bool negative;
    *out = (nk_value){.kind = kind_of(v)};
    if (out->kind == NK_T_NULL)
        return NK_OK;
    switch (v->type) {
    case T_BOOL:
        out->i = v->low == 1;
        return NK_OK;
    case T_POS:
    case T_NEG:
        NK_TRY(magnitude(s, p, v->end, false, &n));
        if (out->kind == NK_T_DECIMAL)
            out->unscaled = v->type == T_NEG ? -n : n;
        else
            out->i = (int64_t)(v->type == T_NEG ? -n : n);
        return NK_OK;
    case T_FLOAT:
        return binary_float(s, v, out);
    case T_DECIMAL:
        if (p < v->end)
            NK_TRY(inner(s, varint(s, &p, v->end, &exponent, &negative)));
        if (exponent < -100000 || exponent > 100000)
            return corrupt(s, "a decimal's exponent");
        out->scale = (int)-exponent;
        return magnitude(s, p, v->end, true, &out->unscaled);
    case T_TIMESTAMP:
        return binary_time(s, v, out);
    case T_SYMBOL:
        NK_TRY(magnitude(s, p, v->end, false, &n));
        return text_of(s, symbol(s, n > SYMBOLS_MAX ? UINT64_MAX : (uint64_t)n), out);
    case T_STRING:
        return text_of(s, bytes, out);
    default:
        out->s = bytes;
        return NK_OK;
    }
}

static nk_code walk_binary(ion *s, nk_place *at, value v, int depth)
{
    uint64_t unused, sid;
    nk_value scalar;
    if (depth > DEPTH_MAX)
        return nk_fail(s->err, NK_E_LIMIT, "The Ion values are nested deeper than %d levels",
                       DEPTH_MAX);
    NK_TRY(strip(s, &v, &unused));
    if (v.null || (v.type != T_LIST && v.type != T_SEXP && v.type != T_STRUCT)) {
        NK_TRY(binary_scalar(s, &v, &scalar));
        return nk_put(s->sink, at, &scalar, s->err);
    }
    NK_TRY(nk_put_kind(s->sink, at, kind_of(&v), s->err));
    const char *p = v.body;
    for (size_t place = 0; p < v.end; place++) {
        value e;
        nk_place *to;
        if (v.type == T_STRUCT)
            NK_TRY(inner(s, varuint(s, &p, v.end, &sid)));
        NK_TRY(inner(s, binary_value(s, &p, v.end, &e)));
        if (e.type == T_NULL && !e.null) /* padding */
            continue;
        if (v.type == T_STRUCT) {
            nk_str name = symbol(s, sid);
            NK_TRY(name.p ? nk_at_field(s->sink, at, name, place, &to, s->err) : no_memory(s));
        } else {
            NK_TRY(nk_at_elem(s->sink, at, &to, s->err));
        }
        NK_TRY(walk_binary(s, to, e, depth + 1));
    }
    return NK_OK;
}

static nk_code symbol_list(ion *s, const value *list)
{
    const char *p = list->body;
    while (p < list->end) {
        value v;
        NK_TRY(inner(s, binary_value(s, &p, list->end, &v)));
        bool text = v.type == T_STRING && !v.null;
        nk_str copy = nk_str_dup(s->names, nk_str_n(v.body, (size_t)(v.end - v.body)));
        if (text && !copy.p)
            return no_memory(s);
        NK_TRY(add_symbol(s, text ? copy : NK_STR_NULL));
    }
    return NK_OK;
}

/* Tables that others share are not at hand: their names are $10, $11 … */
static nk_code import_list(ion *s, const value *list)
{
    const char *p = list->body;
    uint64_t sid;
    while (p < list->end) {
        value v, f;
        NK_TRY(inner(s, binary_value(s, &p, list->end, &v)));
        if (v.type != T_STRUCT || v.null)
            continue;
        for (const char *q = v.body; q < v.end;) {
            NK_TRY(inner(s, varuint(s, &q, v.end, &sid)));
            NK_TRY(inner(s, binary_value(s, &q, v.end, &f)));
            if (sid != SID_MAX_ID || f.type != T_POS || f.null)
                continue;
            uint64_t n = 0;
            for (const char *c = f.body; c < f.end; c++)
                n = n << 8 | (unsigned char)*c;
            for (; n > 0; n--)
                NK_TRY(add_symbol(s, NK_STR_NULL));
        }
    }
    return NK_OK;
}

static nk_code symbol_table(ion *s, const value *table)
{
    value imports = {0}, symbols = {0}, v;
    uint64_t sid;
    for (const char *p = table->body; p < table->end;) {
        NK_TRY(inner(s, varuint(s, &p, table->end, &sid)));
        NK_TRY(inner(s, binary_value(s, &p, table->end, &v)));
        if (sid == SID_IMPORTS)
            imports = v;
        else if (sid == SID_SYMBOLS)
            symbols = v;
    }
    bool append = imports.body && imports.type == T_SYMBOL;
    if (!append)
        NK_TRY(system_symbols(s));
    if (imports.body && imports.type == T_LIST && !imports.null)
        NK_TRY(import_list(s, &imports));
    return symbols.body && symbols.type == T_LIST && !symbols.null ? symbol_list(s, &symbols)
                                                                   : NK_OK;
}

/* One top-level value. *record: it was a row. NK_E_END: it is not there whole, and s->p stays. */
static nk_code binary_top(ion *s, bool *record, nk_ion_seen *out)
{
    const char *from = s->p;
    uint64_t annotation;
    value v;
    *record = false;
    if (s->end - s->p < 4 && *s->p == '\xe0')
        return cut();
    if (nk_is_ion_binary(nk_str_n(s->p, (size_t)(s->end - s->p)))) {
        s->p += 4;
        return system_symbols(s);
    }
    nk_code rc = binary_value(s, &s->p, s->end, &v);
    if (rc == NK_E_END)
        s->p = from;
    NK_TRY(rc);
    value plain = v;
    NK_TRY(strip(s, &plain, &annotation));
    if (plain.type == T_STRUCT && annotation == SID_TABLE && !plain.null)
        return symbol_table(s, &plain);
    if (plain.type != T_STRUCT || plain.null) {
        out->others += plain.type != T_NULL || plain.null;
        return NK_OK;
    }
    NK_TRY(walk_binary(s, s->sink->root, plain, 0));
    *record = true;
    out->records++;
    out->bytes += (uint64_t)(s->p - from);
    return s->sink->row(s->sink, s->err);
}

/* ---- text ---- */

static nk_code blanks(ion *s)
{
    for (;;) {
        while (s->p < s->end && strchr(" \t\r\n\v\f", *s->p) && *s->p)
            s->p++;
        if (s->end - s->p < 2 || s->p[0] != '/' || (s->p[1] != '/' && s->p[1] != '*'))
            return NK_OK;
        bool line = s->p[1] == '/';
        nk_str rest = nk_str_n(s->p + 2, (size_t)(s->end - s->p - 2));
        ptrdiff_t n = line ? nk_str_chr(rest, '\n') : nk_str_find(rest, NK_STR("*/"));
        if (n < 0 && !line)
            return cut();
        s->p = n < 0 ? s->end : rest.p + n + (line ? 1 : 2);
    }
}

static bool ahead(const ion *s, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(s->end - s->p) >= n && memcmp(s->p, text, n) == 0;
}

static void put_utf8(nk_buf *b, uint32_t c)
{
    if (c < 0x80) {
        (void)nk_buf_putc(b, (char)c);
    } else if (c < 0x800) {
        (void)nk_buf_putc(b, (char)(0xc0 | c >> 6));
        (void)nk_buf_putc(b, (char)(0x80 | (c & 63)));
    } else if (c < 0x10000) {
        (void)nk_buf_putc(b, (char)(0xe0 | c >> 12));
        (void)nk_buf_putc(b, (char)(0x80 | (c >> 6 & 63)));
        (void)nk_buf_putc(b, (char)(0x80 | (c & 63)));
    } else {
        (void)nk_buf_putc(b, (char)(0xf0 | c >> 18));
        (void)nk_buf_putc(b, (char)(0x80 | (c >> 12 & 63)));
        (void)nk_buf_putc(b, (char)(0x80 | (c >> 6 & 63)));
        (void)nk_buf_putc(b, (char)(0x80 | (c & 63)));
    }
}

static bool hex_digits(nk_str t, size_t at, size_t n, uint32_t *out)
{
    *out = 0;
    for (size_t i = at; i < at + n; i++) {
        const char *all = "0123456789abcdef", *d;
        char c = i < t.n ? t.p[i] : 0;
        d = c ? strchr(all, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
        if (!d)
            return false;
        *out = *out << 4 | (uint32_t)(d - all);
    }
    return true;
}

/* What stands behind a backslash at t.p[*i]; *i goes behind it. */
static bool escape(nk_str t, size_t *i, nk_buf *b)
{
    static const char from[] = "abtnfrv\"'?/\\0", to[] = "\a\b\t\n\f\r\v\"'?/\\\0";
    char c = *i < t.n ? t.p[(*i)++] : 0;
    size_t n = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    uint32_t code, low;
    if (c == '\n')
        return true;
    if (n) {
        if (!hex_digits(t, *i, n, &code))
            return false;
        *i += n;
        if (code >= 0xd800 && code < 0xdc00 && *i + 6 <= t.n && t.p[*i] == '\\' &&
            hex_digits(t, *i + 2, 4, &low) && low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            *i += 6;
        }
        if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
            return false;
        put_utf8(b, code);
        return true;
    }
    const char *at = c ? strchr(from, c) : NULL;
    if (!at)
        return false;
    (void)nk_buf_putc(b, to[at - from]);
    return true;
}

static nk_code unescape(ion *s, nk_str *t)
{
    nk_buf b;
    bool fine = true;
    if (nk_str_chr(*t, '\\') < 0)
        return NK_OK;
    nk_buf_init(&b, t->n * 2 + 8);
    for (size_t i = 0; fine && i < t->n;) {
        if (t->p[i] != '\\')
            (void)nk_buf_putc(&b, t->p[i++]);
        else {
            i++;
            fine = escape(*t, &i, &b);
        }
    }
    *t = nk_buf_dup(&b, s->a);
    bool failed = b.failed || !t->p;
    nk_buf_free(&b);
    return !fine ? corrupt(s, "an escape that is none") : failed ? no_memory(s) : NK_OK;
}

/* Quoted text up to `quote`; s->p stands behind the opening one. */
static nk_code quoted(ion *s, const char *quote, nk_str *out)
{
    const char *from = s->p;
    for (; s->p < s->end; s->p++) {
        if (*s->p == '\\')
            s->p++;
        else if (ahead(s, quote)) {
            *out = nk_str_n(from, (size_t)(s->p - from));
            s->p += strlen(quote);
            return unescape(s, out);
        } else if (*s->p == '\n' && !quote[1])
            return corrupt(s, "a text goes on over the end of its line");
    }
    s->p = s->end;
    return cut();
}

static bool word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$';
}

typedef enum { TOK_WORD, TOK_STRING, TOK_SYMBOL } token_kind;

/* A word, a quoted symbol or a string (several '''…''' are one). */
static nk_code token(ion *s, token_kind *kind, nk_str *out)
{
    if (ahead(s, "'''")) {
        *kind = TOK_STRING;
        *out = NK_STR("");
        do {
            nk_str piece;
            s->p += 3;
            NK_TRY(quoted(s, "'''", &piece));
            *out = out->n ? nk_str_cat(s->a, *out, piece) : piece;
            if (!out->p)
                return no_memory(s);
            NK_TRY(blanks(s));
        } while (ahead(s, "'''"));
        return NK_OK;
    }
    if (*s->p == '"' || *s->p == '\'') {
        char q[2] = {*s->p++, 0};
        *kind = q[0] == '"' ? TOK_STRING : TOK_SYMBOL;
        return quoted(s, q, out);
    }
    const char *from = s->p;
    *kind = TOK_WORD;
    while (s->p < s->end && (word_char(*s->p) || strchr(".+-:", *s->p)) && *s->p) {
        if (*s->p == ':' && !(*from >= '0' && *from <= '9')) /* in timestamps only */
            break;
        s->p++;
    }
    *out = nk_str_n(from, (size_t)(s->p - from));
    if (s->p == s->end)
        return cut();
    return out->n ? NK_OK : corrupt(s, "an unexpected character");
}

static nk_type_kind number_or_time(nk_str t)
{
    bool minus = t.n && t.p[0] == '-', exp_d = false, fraction = false, exp_e = false;
    nk_str digits = nk_str_sub(t, minus, t.n);
    if (digits.n > 4 && (digits.p[4] == '-' || digits.p[4] == 'T'))
        return NK_T_TIMESTAMP;
    if (digits.n > 1 && digits.p[0] == '0' && strchr("xXbB", digits.p[1]))
        return digits.n > 17 ? NK_T_DECIMAL : digits.n > 9 ? NK_T_LONG : NK_T_INT;
    char plain[40];
    size_t n = 0;
    for (size_t i = 0; i < t.n; i++) {
        fraction |= t.p[i] == '.';
        exp_d |= t.p[i] == 'd' || t.p[i] == 'D';
        exp_e |= t.p[i] == 'e' || t.p[i] == 'E';
        if (t.p[i] != '_' && n < sizeof plain)
            plain[n++] = t.p[i];
    }
    if (exp_e)
        return NK_T_DOUBLE;
    if (exp_d || fraction)
        return NK_T_DECIMAL;
    int64_t v;
    if (!nk_str_i64(nk_str_n(plain, n), &v))
        return NK_T_DECIMAL;
    return v >= INT32_MIN && v <= INT32_MAX ? NK_T_INT : NK_T_LONG;
}

/* ---- values of text ---- */

/* Digits of any base without their underscores; false beyond 38 digits. */
static bool big_digits(nk_str t, unsigned base, __int128 *out)
{
    const unsigned __int128 most = ((unsigned __int128)1 << 126);
    unsigned __int128 v = 0;
    for (size_t i = 0; i < t.n; i++) {
        char c = t.p[i];
        unsigned d = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                     : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                            : 99;
        if (c == '_')
            continue;
        if (d >= base || v > most / base)
            return false;
        v = v * base + d;
    }
    *out = (__int128)v;
    return true;
}

static bool text_number(nk_str t, nk_value *v)
{
    bool minus = t.n && t.p[0] == '-';
    nk_str d = nk_str_sub(t, minus, t.n);
    __int128 n = 0;
    int64_t exponent = 0;
    if (d.n > 2 && d.p[0] == '0' && strchr("xXbB", d.p[1])) {
        if (!big_digits(nk_str_sub(d, 2, d.n), strchr("xX", d.p[1]) ? 16 : 2, &n))
            return false;
    } else {
        char digits[200];
        size_t k = 0, i = 0;
        bool point = false;
        for (; i < d.n && d.p[i] != 'd' && d.p[i] != 'D' && k < sizeof digits; i++) {
            if (d.p[i] == '.')
                point = true;
            else if (d.p[i] != '_') {
                digits[k++] = d.p[i];
                exponent -= point;
            }
        }
        int64_t more = 0;
        nk_str e = nk_str_sub(d, i + 1 < d.n ? i + 1 : d.n, d.n);
        if (i < d.n && !nk_str_i64(e.n && e.p[0] == '+' ? nk_str_sub(e, 1, e.n) : e, &more))
            return false;
        if (more < -100000 || more > 100000 || !big_digits(nk_str_n(digits, k), 10, &n))
            return false;
        exponent += more;
    }
    n = minus ? -n : n;
    if (v->kind == NK_T_DECIMAL) {
        v->unscaled = n;
        v->scale = (int)-exponent;
        return true;
    }
    v->i = (int64_t)n;
    return n >= INT64_MIN && n <= INT64_MAX;
}

static bool text_float(nk_str t, nk_value *v)
{
    char plain[100];
    size_t n = 0;
    if (nk_str_is(t, "nan") || nk_str_is(t, "+inf") || nk_str_is(t, "-inf")) {
        v->d = t.p[0] == 'n'   ? __builtin_nan("")
               : t.p[0] == '-' ? -__builtin_inf()
                               : __builtin_inf();
        return true;
    }
    for (size_t i = 0; i < t.n && n < sizeof plain; i++)
        if (t.p[i] != '_')
            plain[n++] = t.p[i];
    return nk_str_f64(nk_str_n(plain, n), &v->d);
}

static bool two_digits(nk_str t, size_t at, int64_t *out)
{
    if (at + 2 > t.n || t.p[at] < '0' || t.p[at] > '9' || t.p[at + 1] < '0' || t.p[at + 1] > '9')
        return false;
    *out = (t.p[at] - '0') * 10 + (t.p[at + 1] - '0');
    return true;
}

/* 2007T, 2007-02T, 2007-02-23, 2007-02-23T12:14Z, 2007-02-23T12:14:33.079-08:00 */
static nk_code text_time(ion *s, nk_str t, nk_value *v)
{
    moment m = {.part = {0, 1, 1, 0, 0, 0}};
    int64_t century, year, hours = 0, minutes = 0;
    size_t at = 4;
    if (!two_digits(t, 0, &century) || !two_digits(t, 2, &year))
        return corrupt(s, "a time that is none");
    m.part[0] = century * 100 + year;
    for (size_t i = 1; i < 6 && at < t.n &&
                       strchr(i < 3    ? "-"
                              : i == 3 ? "T"
                                       : ":",
                              t.p[at]) &&
                       two_digits(t, at + 1, &m.part[i]);
         i++)
        at += 3;
    if (at < t.n && t.p[at] == '.') {
        __int128 digits;
        size_t from = ++at;
        while (at < t.n && t.p[at] >= '0' && t.p[at] <= '9')
            at++;
        if (!big_digits(nk_str_sub(t, from, at < from + 30 ? at : from + 30), 10, &digits))
            return corrupt(s, "a time that is none");
        m.micros = fraction_micros(digits, -(int64_t)(at < from + 30 ? at - from : 30));
    }
    if (at < t.n && (t.p[at] == '+' || t.p[at] == '-')) {
        if (!two_digits(t, at + 1, &hours) || !two_digits(t, at + 4, &minutes))
            return corrupt(s, "a time that is none");
        m.offset_minutes = (hours * 60 + minutes) * (t.p[at] == '-' ? -1 : 1);
        at += 6;
    } else if (at < t.n && (t.p[at] == 'Z' || t.p[at] == 'T')) {
        at++;
    }
    return at == t.n ? moment_value(s, &m, v) : corrupt(s, "a time that is none");
}

static nk_code text_scalar(ion *s, nk_place *at, nk_type_kind kind, nk_str t)
{
    nk_value v = {.kind = kind};
    bool fine = true;
    switch (kind) {
    case NK_T_BOOLEAN:
        v.i = nk_str_is(t, "true");
        break;
    case NK_T_INT:
    case NK_T_LONG:
    case NK_T_DECIMAL:
        fine = text_number(t, &v);
        break;
    case NK_T_DOUBLE:
        fine = text_float(t, &v);
        break;
    case NK_T_TIMESTAMP:
        NK_TRY(text_time(s, t, &v));
        break;
    case NK_T_STRING:
        NK_TRY(text_of(s, t, &v));
        break;
    default:
        break;
    }
    if (!fine)
        return nk_fail(s->err, NK_E_PARSE, "The Ion data is corrupt: \"%.*s\" is no number",
                       (int)(t.n < 60 ? t.n : 60), t.p);
    return nk_put(s->sink, at, &v, s->err);
}

static nk_code text_value(ion *s, nk_place *at, int depth, nk_str *annotation, nk_type_kind *kind);

static nk_code text_list(ion *s, nk_place *at, char close, int depth)
{
    for (;;) {
        NK_TRY(blanks(s));
        if (s->p >= s->end)
            return cut();
        if (*s->p == close) {
            s->p++;
            return NK_OK;
        }
        if (*s->p == ',' && close == ']') {
            s->p++;
            continue;
        }
        if (close == ')' && strchr("!#%&*+-./;<=>?@^`|~", *s->p) && *s->p &&
            !(*s->p == '-' && s->end - s->p > 1 && s->p[1] >= '0' && s->p[1] <= '9')) {
            s->p++; /* an operator is a symbol in an s-expression */
            continue;
        }
        nk_place *e;
        nk_type_kind kind;
        NK_TRY(nk_at_elem(s->sink, at, &e, s->err));
        NK_TRY(text_value(s, e, depth + 1, NULL, &kind));
    }
}

static nk_code text_struct(ion *s, nk_place *at, int depth)
{
    for (size_t place = 0;; place++) {
        token_kind tk;
        nk_type_kind kind;
        nk_str name;
        nk_place *f;
        NK_TRY(blanks(s));
        if (s->p >= s->end)
            return cut();
        if (*s->p == '}') {
            s->p++;
            return NK_OK;
        }
        if (*s->p == ',' && place) {
            s->p++;
            NK_TRY(blanks(s));
            if (s->p < s->end && *s->p == '}')
                continue;
        } else if (place) {
            return corrupt(s, "',' or '}' is expected");
        }
        if (s->p >= s->end)
            return cut();
        NK_TRY(token(s, &tk, &name));
        NK_TRY(blanks(s));
        if (s->p >= s->end)
            return cut();
        if (*s->p++ != ':')
            return corrupt(s, "':' is expected behind a field's name");
        NK_TRY(nk_at_field(s->sink, at, name, place, &f, s->err));
        NK_TRY(text_value(s, f, depth + 1, NULL, &kind));
    }
}

/* Base64 or a text, up to }}; s->p stands behind {{. */
static nk_code text_lob(ion *s, nk_place *at)
{
    nk_str rest, data;
    while (s->p < s->end && strchr(" \t\r\n", *s->p) && *s->p) /* "//" is base64 here */
        s->p++;
    if (s->p >= s->end)
        return cut();
    nk_value v = {.kind = NK_T_BINARY};
    token_kind tk;
    if (*s->p == '"' || *s->p == '\'') { /* a clob */
        NK_TRY(token(s, &tk, &v.s));
        NK_TRY(blanks(s));
        if (!ahead(s, "}}"))
            return s->end - s->p < 2 ? cut() : corrupt(s, "a clob that does not end");
        s->p += 2;
        return nk_put(s->sink, at, &v, s->err);
    }
    rest = nk_str_n(s->p, (size_t)(s->end - s->p));
    ptrdiff_t n = nk_str_find(rest, NK_STR("}}"));
    if (n < 0)
        return cut();
    s->p += n + 2;
    char *plain = nk_arena_bytes(s->a, (size_t)n + 1);
    size_t k = 0;
    if (!plain)
        return no_memory(s);
    for (size_t i = 0; i < (size_t)n; i++)
        if (!strchr(" \t\r\n", rest.p[i]))
            plain[k++] = rest.p[i];
    data = nk_str_n(plain, k);
    nk_code rc = nk_base64_decode(s->a, data, &v.s);
    if (rc != NK_OK)
        return rc == NK_E_NOMEM ? no_memory(s) : corrupt(s, "a blob that is not base64");
    return nk_put(s->sink, at, &v, s->err);
}

static nk_code container(ion *s, nk_place *at, int depth, nk_type_kind *kind)
{
    char open = *s->p++;
    if (open == '{' && s->p < s->end && *s->p == '{') {
        *kind = NK_T_BINARY;
        s->p++;
        return text_lob(s, at);
    }
    *kind = open == '{' ? NK_T_STRUCT : NK_T_ARRAY;
    NK_TRY(nk_put_kind(s->sink, at, *kind, s->err));
    return open == '{' ? text_struct(s, at, depth)
                       : text_list(s, at, open == '[' ? ']' : ')', depth);
}

static nk_type_kind word_kind(nk_str t)
{
    if (nk_str_is(t, "null") || nk_str_starts(t, NK_STR("null.")))
        return NK_T_NULL;
    if (nk_str_is(t, "true") || nk_str_is(t, "false"))
        return NK_T_BOOLEAN;
    if (nk_str_is(t, "nan") || nk_str_is(t, "+inf") || nk_str_is(t, "-inf"))
        return NK_T_DOUBLE;
    bool number = (t.p[0] >= '0' && t.p[0] <= '9') || (t.p[0] == '-' && t.n > 1);
    return number ? number_or_time(t) : NK_T_STRING;
}

/* at NULL: only read past. *annotation (may be NULL): the first one. */
static nk_code text_value(ion *s, nk_place *at, int depth, nk_str *annotation, nk_type_kind *kind)
{
    if (depth > DEPTH_MAX)
        return nk_fail(s->err, NK_E_LIMIT, "The Ion values are nested deeper than %d levels",
                       DEPTH_MAX);
    for (;;) {
        token_kind tk;
        nk_str t;
        NK_TRY(blanks(s));
        if (s->p >= s->end)
            return cut();
        if (strchr("{[(", *s->p) && *s->p)
            return container(s, at, depth, kind);
        NK_TRY(token(s, &tk, &t));
        NK_TRY(blanks(s));
        if (tk != TOK_STRING && ahead(s, "::")) {
            s->p += 2;
            if (annotation && !annotation->p)
                *annotation = t;
            continue;
        }
        *kind = tk == TOK_WORD ? word_kind(t) : NK_T_STRING;
        return at ? text_scalar(s, at, *kind, t) : NK_OK;
    }
}

/* One top-level value, as binary_top. */
static nk_code text_top(ion *s, bool *record, nk_ion_seen *out)
{
    nk_str annotation = NK_STR_NULL;
    nk_type_kind kind;
    const char *start = s->p;
    *record = false;
    nk_code rc = blanks(s);
    const char *from = s->p;
    if (rc == NK_OK && s->p >= s->end)
        return NK_OK;
    /* twice: a value that turns out to be cut or a symbol table is not given on */
    if (rc == NK_OK)
        rc = text_value(s, NULL, 0, &annotation, &kind);
    if (rc == NK_E_END)
        s->p = start;
    NK_TRY(rc);
    const char *behind = s->p;
    if (kind != NK_T_STRUCT) {
        out->others++;
        return NK_OK;
    }
    if (nk_str_is(annotation, "$ion_symbol_table"))
        return NK_OK;
    s->p = from;
    NK_TRY(inner(s, text_value(s, s->sink->root, 0, &annotation, &kind)));
    s->p = behind;
    *record = true;
    out->records++;
    out->bytes += (uint64_t)(s->p - from);
    return s->sink->row(s->sink, s->err);
}

static nk_code top(ion *s, bool binary, bool *record, nk_ion_seen *out)
{
    return binary ? binary_top(s, record, out) : text_top(s, record, out);
}

nk_code nk_ion_observe(nk_infer *in, nk_str sample, bool whole, nk_arena *scratch, nk_ion_seen *out,
                       nk_err *err)
{
    nk_infer_sink sink;
    nk_infer_sink_init(&sink, in);
    ion s = {.sink = &sink.sink,
             .a = scratch,
             .names = scratch,
             .err = err,
             .p = sample.p,
             .end = sample.p + sample.n};
    bool binary = nk_is_ion_binary(sample), record;
    *out = (nk_ion_seen){.marked = binary || ahead(&s, "$ion_1_0")};
    NK_TRY(system_symbols(&s));
    nk_code rc = NK_OK;
    if (!binary && out->marked)
        s.p += 8;
    while (rc == NK_OK && s.p < s.end)
        rc = top(&s, binary, &record, out);
    if (rc != NK_E_END)
        return rc;
    return whole ? corrupt(&s, "its last value is cut short") : NK_OK;
}

/* ---- rows ---- */

struct nk_rows {
    nk_input *in;
    nk_arena *names;  /* symbols, until there is a new table */
    nk_arena *values; /* of one row */
    ion s;
    nk_ion_seen seen;
    bool begun, binary;
};

static void rows_close(nk_rows *r)
{
    if (!r)
        return;
    nk_arena_destroy(r->names);
    nk_arena_destroy(r->values);
    nk_free(r);
}

static nk_code rows_open(nk_input *in, const nk_rows_options *o, nk_rows **out, nk_err *err)
{
    nk_rows *r = *out = nk_calloc(1, sizeof *r);
    if (r) {
        r->in = in;
        r->names = nk_arena_create(0);
        r->values = nk_arena_create(0);
    }
    if (r && r->names && r->values)
        return NK_OK;
    rows_close(r);
    *out = NULL;
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

static nk_code begin(nk_rows *r, nk_err *err)
{
    r->s.err = err;
    r->s.a = r->values;
    r->s.names = r->names;
    NK_TRY(nk_input_need(r->in, 8, err));
    r->begun = true;
    r->binary = nk_is_ion_binary(r->in->view);
    if (!r->binary && nk_str_starts(r->in->view, NK_STR("$ion_1_0")))
        nk_input_take(r->in, 8);
    return system_symbols(&r->s);
}

/* A value that is not there whole is tried again with more of the file; at the end of a file a
 * text's last word ends there. */
static nk_code next_top(nk_rows *r, nk_sink *sink, bool *record, bool *end, nk_err *err)
{
    r->s.sink = sink;
    r->s.err = err;
    for (*end = false;;) {
        r->s.p = r->in->view.p;
        r->s.end = r->s.p + r->in->view.n;
        if (!r->in->view.n && r->in->end) {
            *end = true;
            return NK_OK;
        }
        const char *from = r->s.p;
        nk_code rc = r->in->view.n ? top(&r->s, r->binary, record, &r->seen) : NK_E_END;
        if (rc == NK_OK)
            nk_input_take(r->in, (size_t)(r->s.p - from));
        if (rc != NK_E_END)
            return rc;
        if (r->in->end)
            return corrupt(&r->s, "its last value is cut short");
        NK_TRY(nk_input_more(r->in, err));
    }
}

static nk_code rows_next(nk_rows *r, nk_sink *s, size_t max, size_t *n, nk_err *err)
{
    *n = 0;
    if (!r->begun)
        NK_TRY(begin(r, err));
    while (*n < max) {
        bool record = false, end;
        nk_arena_reset(r->values);
        nk_code rc = next_top(r, s, &record, &end, err);
        if (rc != NK_OK)
            (void)nk_wrap(err, "the value at byte %llu", (unsigned long long)r->in->at);
        NK_TRY(rc);
        if (end)
            return NK_OK;
        *n += record;
    }
    return NK_OK;
}

const nk_rows_format nk_rows_ion = {.name = "ion",
                                    .open = rows_open,
                                    .next = rows_next,
                                    .close = rows_close,
                                    .doc =
                                        "Amazon Ion, binary and text; top-level structs are rows"};
