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
    nk_infer *in;
    nk_arena *a;
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
    nk_str *slot = s->symbols.n < SYMBOLS_MAX ? nk_strs_add(&s->symbols, s->a) : NULL;
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

static nk_code observe_binary(ion *s, nk_seen *at, value v, int depth)
{
    uint64_t unused, sid;
    if (depth > DEPTH_MAX)
        return nk_fail(s->err, NK_E_LIMIT, "The Ion values are nested deeper than %d levels",
                       DEPTH_MAX);
    NK_TRY(strip(s, &v, &unused));
    nk_seen_kind(at, kind_of(&v));
    if (v.null || (v.type != T_LIST && v.type != T_SEXP && v.type != T_STRUCT))
        return NK_OK;
    const char *p = v.body;
    for (size_t place = 0; p < v.end; place++) {
        value e;
        nk_seen *to;
        if (v.type == T_STRUCT)
            NK_TRY(inner(s, varuint(s, &p, v.end, &sid)));
        NK_TRY(inner(s, binary_value(s, &p, v.end, &e)));
        if (e.type == T_NULL && !e.null) /* padding */
            continue;
        if (v.type == T_STRUCT) {
            nk_str name = symbol(s, sid);
            NK_TRY(name.p ? nk_seen_field(s->in, at, name, place, &to, s->err) : no_memory(s));
        } else {
            NK_TRY(nk_seen_elem(s->in, at, &to, s->err));
        }
        NK_TRY(observe_binary(s, to, e, depth + 1));
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
        NK_TRY(add_symbol(s, text ? nk_str_n(v.body, (size_t)(v.end - v.body)) : NK_STR_NULL));
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

static nk_code observe_all_binary(ion *s, nk_ion_seen *out)
{
    out->marked = true;
    while (s->p < s->end) {
        const char *from = s->p;
        uint64_t annotation;
        value v;
        if (nk_is_ion_binary(nk_str_n(s->p, (size_t)(s->end - s->p)))) {
            s->p += 4;
            NK_TRY(system_symbols(s));
            continue;
        }
        NK_TRY(binary_value(s, &s->p, s->end, &v));
        value plain = v;
        NK_TRY(strip(s, &plain, &annotation));
        if (plain.type == T_STRUCT && annotation == SID_TABLE && !plain.null) {
            NK_TRY(symbol_table(s, &plain));
        } else if (plain.type == T_STRUCT && !plain.null) {
            NK_TRY(observe_binary(s, nk_infer_root(s->in), plain, 0));
            nk_infer_record(s->in);
            out->records++;
            out->bytes += (uint64_t)(s->p - from);
        } else if (plain.type != T_NULL || plain.null) {
            out->others++;
        }
    }
    return NK_OK;
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

/* Quoted text up to `quote`; s->p stands behind the opening one. Escapes stay as they are: names
 * with escapes are rare and only need to be the same everywhere. */
static nk_code quoted(ion *s, const char *quote, nk_str *out)
{
    const char *from = s->p;
    for (; s->p < s->end; s->p++) {
        if (*s->p == '\\')
            s->p++;
        else if (ahead(s, quote)) {
            *out = nk_str_n(from, (size_t)(s->p - from));
            s->p += strlen(quote);
            return NK_OK;
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
        do {
            s->p += 3;
            NK_TRY(quoted(s, "'''", out));
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

static nk_code text_value(ion *s, nk_seen *at, int depth, nk_str *annotation, nk_type_kind *kind);

static nk_code text_list(ion *s, nk_seen *at, char close, int depth)
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
        nk_seen *e = NULL;
        nk_type_kind kind;
        if (at)
            NK_TRY(nk_seen_elem(s->in, at, &e, s->err));
        NK_TRY(text_value(s, e, depth + 1, NULL, &kind));
    }
}

static nk_code text_struct(ion *s, nk_seen *at, int depth)
{
    for (size_t place = 0;; place++) {
        token_kind tk;
        nk_type_kind kind;
        nk_str name;
        nk_seen *f = NULL;
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
        if (at)
            NK_TRY(nk_seen_field(s->in, at, name, place, &f, s->err));
        NK_TRY(text_value(s, f, depth + 1, NULL, &kind));
    }
}

static nk_code text_lob(ion *s)
{
    nk_str rest = nk_str_n(s->p, (size_t)(s->end - s->p));
    ptrdiff_t n = nk_str_find(rest, NK_STR("}}"));
    if (n < 0)
        return cut();
    s->p += n + 2;
    return NK_OK;
}

static nk_code container(ion *s, nk_seen *at, int depth, nk_type_kind *kind)
{
    char open = *s->p++;
    if (open == '{' && s->p < s->end && *s->p == '{') {
        *kind = NK_T_BINARY;
        s->p++;
        if (at)
            nk_seen_kind(at, *kind);
        return text_lob(s);
    }
    *kind = open == '{' ? NK_T_STRUCT : NK_T_ARRAY;
    if (at)
        nk_seen_kind(at, *kind);
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
static nk_code text_value(ion *s, nk_seen *at, int depth, nk_str *annotation, nk_type_kind *kind)
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
        if (at)
            nk_seen_kind(at, *kind);
        return NK_OK;
    }
}

static nk_code observe_all_text(ion *s, nk_ion_seen *out)
{
    out->marked = ahead(s, "$ion_1_0");
    if (out->marked)
        s->p += 8;
    for (;;) {
        nk_str annotation = NK_STR_NULL;
        nk_type_kind kind;
        NK_TRY(blanks(s));
        if (s->p >= s->end)
            return NK_OK;
        const char *from = s->p;
        /* twice: a value that turns out to be cut or a symbol table is not observed */
        NK_TRY(text_value(s, NULL, 0, &annotation, &kind));
        if (kind != NK_T_STRUCT) {
            out->others++;
        } else if (!nk_str_is(annotation, "$ion_symbol_table")) {
            const char *behind = s->p;
            s->p = from;
            NK_TRY(text_value(s, nk_infer_root(s->in), 0, &annotation, &kind));
            s->p = behind;
            nk_infer_record(s->in);
            out->records++;
            out->bytes += (uint64_t)(s->p - from);
        }
    }
}

nk_code nk_ion_observe(nk_infer *in, nk_str sample, bool whole, nk_arena *scratch, nk_ion_seen *out,
                       nk_err *err)
{
    ion s = {.in = in, .a = scratch, .err = err, .p = sample.p, .end = sample.p + sample.n};
    *out = (nk_ion_seen){0};
    NK_TRY(system_symbols(&s));
    nk_code rc = nk_is_ion_binary(sample) ? observe_all_binary(&s, out) : observe_all_text(&s, out);
    if (rc != NK_E_END)
        return rc;
    return whole ? corrupt(&s, "its last value is cut short") : NK_OK;
}
