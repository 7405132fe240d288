/* Reading expressions: a lexer and a recursive descent, for both dialects. */
#include "plan/expr.h"

typedef enum {
    T_END,
    T_NAME,   /* unquoted: may be a keyword */
    T_QUOTED, /* a column name in ` or, in partition expressions, in " */
    T_NUMBER,
    T_STRING,
    T_OP,
} token_kind;

typedef struct token {
    token_kind kind;
    nk_str s;    /* NAME, QUOTED, STRING: the value; NUMBER, OP: as written */
    char suffix; /* NUMBER: 0, L, D, B (decimal) */
    unsigned at;
} token;

typedef struct parser {
    nk_str text;
    nk_expr_dialect dialect;
    nk_arena *a;
    nk_err *err;
    size_t pos;
    token t; /* the token to be read next */
    unsigned depth;
} parser;

NK_LIST(expr_list, const nk_expr *);

static nk_code parse_or(parser *p, const nk_expr **out);
static nk_code parse_additive(parser *p, const nk_expr **out);

/* ---- tokens ---- */

static nk_code fail_at(parser *p, unsigned at, const char *what)
{
    nk_str near = nk_str_sub(p->text, at, at + 20 < p->text.n ? at + 20 : p->text.n);
    if (!near.n)
        return nk_fail(p->err, NK_E_PARSE, "%s at the end of the expression", what);
    while (near.n && ((unsigned char)near.p[near.n - 1] & 0xc0) == 0x80)
        near.n--;
    if (near.n && (unsigned char)near.p[near.n - 1] >= 0xc0)
        near.n--;
    return nk_fail(p->err, NK_E_PARSE, "%s at position %u, near '%.*s'", what, at + 1,
                   NK_STR_ARG(near));
}

static nk_code nomem(parser *p)
{
    return nk_fail(p->err, NK_E_NOMEM, "out of memory");
}

static bool name_start(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Escapes of Spark's strings, after the backslash; returns how many bytes of the text they took. */
static size_t unescape(const char *s, size_t n, char *out, size_t *outn)
{
    static const char from[] = "ntrb0Z", to[] = "\n\t\r\b\0\032";
    const char *at = n ? memchr(from, s[0], sizeof(from) - 1) : NULL;
    if (at) {
        out[(*outn)++] = to[at - from];
        return 1;
    }
    if (n >= 5 && s[0] == 'u') {
        uint32_t cp = 0;
        size_t i = 1;
        for (; i < 5; i++) {
            int c = s[i] | 0x20;
            if (!digit(s[i]) && (c < 'a' || c > 'f'))
                break;
            cp = cp * 16 + (uint32_t)(digit(s[i]) ? s[i] - '0' : c - 'a' + 10);
        }
        if (i == 5 && (cp < 0xd800 || cp > 0xdfff)) {
            *outn += nk_utf8_put(out + *outn, cp);
            return 5;
        }
    }
    if (n && (s[0] == '%' || s[0] == '_')) /* stays escaped, for LIKE */
        out[(*outn)++] = '\\';
    if (n)
        out[(*outn)++] = s[0];
    return n ? 1 : 0;
}

/* Text between quotes; doubled quotes stand for one, and in Spark strings a backslash escapes. */
static nk_code lex_quoted(parser *p, char quote, bool backslash, bool raw, nk_str *out)
{
    size_t start = ++p->pos, end = start;
    bool plain = true;
    for (;; end++) {
        if (end >= p->text.n)
            return fail_at(p, (unsigned)start - 1, "A quote is not closed");
        char c = p->text.p[end];
        if (c == '\\' && backslash && !raw) {
            plain = false;
            end++;
        } else if (c == quote) {
            if (end + 1 >= p->text.n || p->text.p[end + 1] != quote || raw)
                break;
            plain = false;
            end++;
        }
    }
    nk_str body = nk_str_n(p->text.p + start, end - start);
    p->pos = end + 1;
    *out = body;
    if (plain)
        return NK_OK;
    char *o = nk_arena_bytes(p->a, body.n * 2 + 4);
    size_t n = 0;
    if (!o)
        return nomem(p);
    for (size_t i = 0; i < body.n; i++) {
        if (body.p[i] == '\\' && backslash) {
            i += unescape(body.p + i + 1, body.n - i - 1, o, &n);
        } else {
            i += body.p[i] == quote;
            o[n++] = body.p[i];
        }
    }
    *out = nk_str_n(o, n);
    return NK_OK;
}

static void lex_number(parser *p)
{
    const char *s = p->text.p;
    size_t i = p->pos, n = p->text.n;
    while (i < n && digit(s[i]))
        i++;
    if (i < n && s[i] == '.')
        for (i++; i < n && digit(s[i]);)
            i++;
    size_t e = i;
    if (i < n && (s[i] | 0x20) == 'e') {
        e++;
        if (e < n && (s[e] == '+' || s[e] == '-'))
            e++;
        if (e < n && digit(s[e])) {
            for (i = e; i < n && digit(s[i]);)
                i++;
        }
    }
    p->t = (token){T_NUMBER, nk_str_n(s + p->pos, i - p->pos), 0, (unsigned)p->pos};
    if (p->dialect == NK_EXPR_SPARK && i < n) {
        char c = (char)(s[i] & ~0x20);
        bool two = c == 'B' && i + 1 < n && (s[i + 1] | 0x20) == 'd';
        size_t len = two ? 2 : 1;
        if ((c == 'L' || c == 'D' || two) &&
            (i + len >= n || !name_start((unsigned char)s[i + len]))) {
            p->t.suffix = c;
            i += len;
        }
    }
    p->pos = i;
}

static nk_code lex(parser *p)
{
    static const char *const ops[] = {"<=>", "<=", ">=", "<>", "!=", "==", "||"};
    const char *s = p->text.p;
    size_t n = p->text.n;
    while (p->pos < n && (s[p->pos] == ' ' || (s[p->pos] >= '\t' && s[p->pos] <= '\r')))
        p->pos++;
    p->t = (token){.kind = T_END, .at = (unsigned)p->pos};
    if (p->pos >= n)
        return NK_OK;
    char c = s[p->pos];
    if (c == '\'' || (c == '"' && p->dialect == NK_EXPR_SPARK)) {
        p->t.kind = T_STRING;
        return lex_quoted(p, c, p->dialect == NK_EXPR_SPARK, false, &p->t.s);
    }
    if (c == '`' || c == '"') {
        p->t.kind = T_QUOTED;
        return lex_quoted(p, c, false, false, &p->t.s);
    }
    if (digit(c) || (c == '.' && p->pos + 1 < n && digit(s[p->pos + 1]))) {
        lex_number(p);
        return NK_OK;
    }
    if (name_start((unsigned char)c)) {
        size_t i = p->pos + 1;
        while (i < n && (name_start((unsigned char)s[i]) || digit(s[i]) || s[i] == '$'))
            i++;
        p->t.kind = T_NAME;
        p->t.s = nk_str_n(s + p->pos, i - p->pos);
        if (p->dialect == NK_EXPR_SPARK && i < n && p->t.s.n == 1 && (c | 0x20) == 'r' &&
            (s[i] == '\'' || s[i] == '"')) {
            p->pos = i;
            p->t.kind = T_STRING;
            return lex_quoted(p, s[i], false, true, &p->t.s);
        }
        p->pos = i;
        return NK_OK;
    }
    p->t.kind = T_OP;
    for (size_t i = 0; i < NK_COUNTOF(ops); i++)
        if (nk_str_starts(nk_str_n(s + p->pos, n - p->pos), nk_str_c(ops[i]))) {
            p->t.s = nk_str_c(ops[i]);
            p->pos += p->t.s.n;
            return NK_OK;
        }
    if (!memchr("=<>()+-*/%,.!", c, 13))
        return fail_at(p, (unsigned)p->pos, "An unexpected character");
    p->t.s = nk_str_n(s + p->pos++, 1);
    return NK_OK;
}

static bool is_op(const parser *p, const char *op)
{
    return p->t.kind == T_OP && nk_str_is(p->t.s, op);
}

static bool is_word(const parser *p, const char *word)
{
    return p->t.kind == T_NAME && nk_str_ieq(p->t.s, nk_str_c(word));
}

/* Takes the token if it is this one. */
static nk_code take_op(parser *p, const char *op, bool *taken)
{
    *taken = is_op(p, op);
    return *taken ? lex(p) : NK_OK;
}

static nk_code take_word(parser *p, const char *word, bool *taken)
{
    *taken = is_word(p, word);
    return *taken ? lex(p) : NK_OK;
}

static nk_code want_op(parser *p, const char *op)
{
    bool taken;
    NK_TRY(take_op(p, op, &taken));
    if (taken)
        return NK_OK;
    char what[32] = "Expected '?'";
    what[10] = op[0];
    return fail_at(p, p->t.at, what);
}

static nk_code want_word(parser *p, const char *word)
{
    bool taken;
    NK_TRY(take_word(p, word, &taken));
    if (taken)
        return NK_OK;
    nk_str what = nk_str_printf(p->a, "Expected %s", word);
    return what.p ? fail_at(p, p->t.at, what.p) : nomem(p);
}

static bool reserved(nk_str s)
{
    static const char *const words[] = {"and", "or",   "not",  "in",   "between", "like",
                                        "is",  "null", "case", "when", "then",    "else",
                                        "end", "cast", "true", "false"};
    for (size_t i = 0; i < NK_COUNTOF(words); i++)
        if (nk_str_ieq(s, nk_str_c(words[i])))
            return true;
    return false;
}

/* Every new node passes here: position, depth limit, memory. */
static nk_code made(parser *p, nk_expr *x, unsigned at, const nk_expr **out)
{
    if (!x)
        return nomem(p);
    if (x->depth > NK_EXPR_DEPTH_MAX)
        return nk_fail(p->err, NK_E_LIMIT, "The expression is nested deeper than %d levels",
                       NK_EXPR_DEPTH_MAX);
    x->at = at;
    *out = x;
    return NK_OK;
}

/* ---- primaries ---- */

static nk_expr *number(parser *p, nk_str text, char suffix)
{
    int64_t i;
    double f;
    nk_expr *x;
    bool exponent = false, point = false;
    for (size_t k = 0; k < text.n; k++) {
        exponent = exponent || text.p[k] == 'e' || text.p[k] == 'E';
        point = point || text.p[k] == '.';
    }
    if (suffix == 'D' || (exponent && suffix != 'B'))
        x = nk_str_f64(text, &f) ? nk_expr_double(p->a, f) : NULL;
    else if (!point && suffix != 'B' && nk_str_i64(text, &i))
        x = nk_expr_long(p->a, i);
    else
        x = nk_expr_decimal(p->a, text);
    if (x)
        x->s = text;
    return x;
}

static nk_code parse_number(parser *p, const nk_expr **out)
{
    token t = p->t;
    NK_TRY(lex(p));
    return made(p, number(p, t.s, t.suffix), t.at, out);
}

/* -5 is a literal, not a negation, so that -9223372036854775808 is a long. */
static nk_code negate(parser *p, const nk_expr *x, unsigned at, const nk_expr **out)
{
    nk_type_kind k = x->kind == NK_X_LITERAL ? x->type->kind : NK_T_NULL;
    if (k == NK_T_LONG || k == NK_T_DECIMAL || k == NK_T_DOUBLE) {
        nk_str s =
            x->s.p[0] == '-' ? nk_str_sub(x->s, 1, x->s.n) : nk_str_cat(p->a, NK_STR("-"), x->s);
        if (!s.p)
            return nomem(p);
        bool decimal = k == NK_T_DECIMAL && nk_str_chr(s, '.') >= 0;
        nk_expr *y = number(p, s, k == NK_T_DOUBLE ? 'D' : decimal ? 'B' : 0);
        return made(p, y, at, out);
    }
    return made(p, nk_expr_unary(p->a, NK_X_NEG, x), at, out);
}

static nk_code parse_path(parser *p, const nk_expr **out)
{
    nk_strs path = {0};
    unsigned at = p->t.at;
    bool dot;
    do {
        if (p->t.kind != T_NAME && p->t.kind != T_QUOTED)
            return fail_at(p, p->t.at, "Expected a name");
        nk_str *step = nk_strs_add(&path, p->a);
        if (!step)
            return nomem(p);
        *step = p->t.s;
        if (!step->n)
            return fail_at(p, p->t.at, "A name is empty");
        NK_TRY(lex(p));
        NK_TRY(take_op(p, ".", &dot));
    } while (dot);
    return made(p, nk_expr_path(p->a, path.v, path.n), at, out);
}

static nk_code parse_args(parser *p, expr_list *args)
{
    bool more;
    do {
        const nk_expr *x, **slot;
        NK_TRY(parse_or(p, &x));
        slot = expr_list_add(args, p->a);
        if (!slot)
            return nomem(p);
        *slot = x;
        NK_TRY(take_op(p, ",", &more));
    } while (more);
    return want_op(p, ")");
}

static nk_code parse_call(parser *p, nk_str name, unsigned at, const nk_expr **out)
{
    expr_list args = {0};
    bool distinct, taken;
    NK_TRY(take_word(p, "distinct", &distinct));
    NK_TRY(take_op(p, ")", &taken));
    if (!taken && is_op(p, "*") && nk_str_ieq(name, NK_STR("count"))) {
        NK_TRY(lex(p));
        NK_TRY(want_op(p, ")"));
    } else if (!taken) {
        NK_TRY(parse_args(p, &args));
    }
    nk_expr *x = nk_expr_call(p->a, name, args.v, args.n);
    if (x)
        x->distinct = distinct;
    return made(p, x, at, out);
}

static nk_code parse_cast(parser *p, unsigned at, bool try, const nk_expr **out)
{
    const nk_expr *x;
    const nk_type *type;
    NK_TRY(parse_or(p, &x));
    if (!is_word(p, "as"))
        return fail_at(p, p->t.at, "Expected AS and a type");
    /* The type's own text, up to the parenthesis that closes the cast. */
    size_t from = p->pos, to = from;
    for (int depth = 0; to < p->text.n && !(depth == 0 && p->text.p[to] == ')'); to++)
        depth += p->text.p[to] == '(' ? 1 : p->text.p[to] == ')' ? -1 : 0;
    nk_code rc = nk_type_parse(nk_str_trim(nk_str_sub(p->text, from, to)), p->a, &type, p->err);
    if (rc != NK_OK)
        return rc == NK_E_NOMEM ? rc : fail_at(p, (unsigned)from, "Expected a type");
    p->pos = to;
    NK_TRY(lex(p));
    NK_TRY(want_op(p, ")"));
    nk_expr *c = nk_expr_cast(p->a, x, type);
    if (c)
        c->negated = try;
    return made(p, c, at, out);
}

static nk_code parse_case(parser *p, unsigned at, const nk_expr **out)
{
    expr_list args = {0};
    const nk_expr *subject = NULL;
    bool taken;
    if (!is_word(p, "when"))
        NK_TRY(parse_or(p, &subject));
    if (!is_word(p, "when"))
        return fail_at(p, p->t.at, "Expected WHEN");
    for (;;) {
        NK_TRY(take_word(p, "when", &taken));
        if (!taken)
            break;
        const nk_expr **when = expr_list_add(&args, p->a);
        if (!when)
            return nomem(p);
        const nk_expr *cond;
        NK_TRY(parse_or(p, &cond));
        if (subject) /* CASE x WHEN y is CASE WHEN x = y */
            NK_TRY(made(p, nk_expr_binary(p->a, NK_X_EQ, subject, cond), at, &cond));
        args.v[args.n - 1] = cond;
        NK_TRY(want_word(p, "THEN"));
        const nk_expr **then = expr_list_add(&args, p->a);
        if (!then)
            return nomem(p);
        NK_TRY(parse_or(p, &cond));
        args.v[args.n - 1] = cond;
    }
    NK_TRY(take_word(p, "else", &taken));
    if (taken) {
        const nk_expr *otherwise, **slot = expr_list_add(&args, p->a);
        if (!slot)
            return nomem(p);
        NK_TRY(parse_or(p, &otherwise));
        args.v[args.n - 1] = otherwise;
    }
    NK_TRY(want_word(p, "END"));
    return made(p, nk_expr_nary(p->a, NK_X_CASE, args.v, args.n), at, out);
}

/* DATE '…' and TIMESTAMP '…': the string is the next token. */
static nk_code parse_typed(parser *p, bool date, unsigned at, const nk_expr **out)
{
    nk_expr *x;
    int64_t v;
    nk_str s = nk_str_trim(p->t.s);
    if (date ? !nk_date_parse(s, &v) : !nk_timestamp_parse(s, &v))
        return fail_at(p, p->t.at,
                       date ? "Expected a date as yyyy-mm-dd"
                            : "Expected a timestamp as yyyy-mm-dd hh:mm:ss[.fffffffff]");
    x = date ? nk_expr_date(p->a, v) : nk_expr_timestamp(p->a, v);
    if (x)
        x->s = s;
    NK_TRY(lex(p));
    return made(p, x, at, out);
}

static nk_code parse_word(parser *p, const nk_expr **out)
{
    token t = p->t;
    size_t after = p->pos;
    if (is_word(p, "null") || is_word(p, "true") || is_word(p, "false")) {
        NK_TRY(lex(p));
        return made(p,
                    (t.s.p[0] | 0x20) == 'n' ? nk_expr_null(p->a)
                                             : nk_expr_bool(p->a, (t.s.p[0] | 0x20) == 't'),
                    t.at, out);
    }
    bool date = is_word(p, "date"), stamp = is_word(p, "timestamp");
    NK_TRY(lex(p));
    if ((date || stamp) && p->t.kind == T_STRING)
        return parse_typed(p, date, t.at, out);
    if (p->dialect == NK_EXPR_SPARK && is_op(p, "(") && !nk_str_ieq(t.s, NK_STR("in"))) {
        bool cast = nk_str_ieq(t.s, NK_STR("cast")), try = nk_str_ieq(t.s, NK_STR("try_cast"));
        if (!cast && !try && reserved(t.s))
            return fail_at(p, t.at, "Expected a value");
        NK_TRY(lex(p));
        return cast || try ? parse_cast(p, t.at, try, out) : parse_call(p, t.s, t.at, out);
    }
    if (p->dialect == NK_EXPR_SPARK && nk_str_ieq(t.s, NK_STR("case")))
        return parse_case(p, t.at, out);
    if (reserved(t.s))
        return fail_at(p, t.at, "Expected a column or a value");
    p->pos = after;
    p->t = t;
    return parse_path(p, out);
}

static nk_code parse_primary(parser *p, const nk_expr **out)
{
    token t = p->t;
    switch (t.kind) {
    case T_NUMBER:
        return parse_number(p, out);
    case T_STRING: {
        NK_TRY(lex(p));
        return made(p, nk_expr_string(p->a, t.s), t.at, out);
    }
    case T_QUOTED:
        return parse_path(p, out);
    case T_NAME:
        return parse_word(p, out);
    case T_OP:
        if (nk_str_is(t.s, "(")) {
            NK_TRY(lex(p));
            NK_TRY(parse_or(p, out));
            return want_op(p, ")");
        }
        /* fall through */
    case T_END:
        break;
    }
    return fail_at(p, t.at, "Expected a column or a value");
}

static nk_code parse_unary(parser *p, const nk_expr **out)
{
    unsigned minus = 0, at = p->t.at;
    const nk_expr *x;
    while (is_op(p, "-") || is_op(p, "+")) {
        minus += is_op(p, "-");
        if (minus > NK_EXPR_DEPTH_MAX)
            return nk_fail(p->err, NK_E_LIMIT, "The expression has too many signs");
        NK_TRY(lex(p));
    }
    NK_TRY(parse_primary(p, &x));
    for (; minus; minus--)
        NK_TRY(negate(p, x, at, &x));
    *out = x;
    return NK_OK;
}

/* ---- operators, from tight to loose ---- */

typedef struct binary_op {
    const char *text;
    nk_expr_kind kind;
} binary_op;
static const binary_op mul_ops[] = {{"*", NK_X_MUL}, {"/", NK_X_DIV}, {"%", NK_X_MOD}, {NULL, 0}};
static const binary_op add_ops[] = {
    {"+", NK_X_ADD}, {"-", NK_X_SUB}, {"||", NK_X_CONCAT}, {NULL, 0}};
static const binary_op cmp_ops[] = {
    {"=", NK_X_EQ},  {"==", NK_X_EQ}, {"<>", NK_X_NE}, {"!=", NK_X_NE},           {"<", NK_X_LT},
    {"<=", NK_X_LE}, {">", NK_X_GT},  {">=", NK_X_GE}, {"<=>", NK_X_EQ_NULLSAFE}, {NULL, 0}};

static const binary_op *which_op(const parser *p, const binary_op *ops)
{
    for (; ops->text; ops++)
        if (is_op(p, ops->text))
            return ops;
    return NULL;
}

static nk_code parse_left(parser *p, const binary_op *ops,
                          nk_code (*next)(parser *, const nk_expr **), const nk_expr **out)
{
    const nk_expr *x, *y;
    const binary_op *op;
    NK_TRY(next(p, &x));
    while (p->dialect == NK_EXPR_SPARK && (op = which_op(p, ops))) {
        unsigned at = p->t.at;
        NK_TRY(lex(p));
        NK_TRY(next(p, &y));
        NK_TRY(made(p, nk_expr_binary(p->a, op->kind, x, y), at, &x));
    }
    *out = x;
    return NK_OK;
}

static nk_code parse_multiplicative(parser *p, const nk_expr **out)
{
    return parse_left(p, mul_ops, parse_unary, out);
}

static nk_code parse_additive(parser *p, const nk_expr **out)
{
    return parse_left(p, add_ops, parse_multiplicative, out);
}

static nk_code parse_in(parser *p, const nk_expr *x, bool negated, unsigned at, const nk_expr **out)
{
    expr_list args = {0};
    const nk_expr **first = expr_list_add(&args, p->a);
    if (!first)
        return nomem(p);
    *first = x;
    NK_TRY(want_op(p, "("));
    NK_TRY(parse_args(p, &args));
    nk_expr *in = nk_expr_nary(p->a, NK_X_IN, args.v, args.n);
    if (in)
        in->negated = negated;
    return made(p, in, at, out);
}

static nk_code parse_like(parser *p, nk_expr_kind kind, const nk_expr *x, bool negated, unsigned at,
                          const nk_expr **out)
{
    const nk_expr *pattern;
    bool taken;
    char escape = kind == NK_X_LIKE && p->dialect == NK_EXPR_SPARK ? '\\' : 0;
    NK_TRY(parse_additive(p, &pattern));
    NK_TRY(take_word(p, "escape", &taken));
    if (taken) {
        if (p->t.kind != T_STRING || p->t.s.n > 1 || kind != NK_X_LIKE)
            return fail_at(p, p->t.at, "Expected one character in quotes");
        escape = p->t.s.n ? p->t.s.p[0] : 0;
        NK_TRY(lex(p));
    }
    nk_expr *like = nk_expr_binary(p->a, kind, x, pattern);
    if (like) {
        like->negated = negated;
        like->escape = escape;
    }
    return made(p, like, at, out);
}

static nk_code parse_is(parser *p, const nk_expr *x, unsigned at, const nk_expr **out)
{
    bool negated;
    NK_TRY(take_word(p, "not", &negated));
    NK_TRY(want_word(p, "NULL"));
    nk_expr *n = nk_expr_unary(p->a, NK_X_IS_NULL, x);
    if (n)
        n->negated = negated;
    return made(p, n, at, out);
}

static nk_code parse_between(parser *p, const nk_expr *x, bool negated, unsigned at,
                             const nk_expr **out)
{
    const nk_expr *args[3] = {x};
    NK_TRY(parse_additive(p, &args[1]));
    NK_TRY(want_word(p, "AND"));
    NK_TRY(parse_additive(p, &args[2]));
    nk_expr *b = nk_expr_nary(p->a, NK_X_BETWEEN, args, 3);
    if (b)
        b->negated = negated;
    return made(p, b, at, out);
}

/* One of the tests that may follow a value; *more says whether there was one. */
static nk_code parse_test(parser *p, const nk_expr **x, bool *more)
{
    unsigned at = p->t.at;
    const binary_op *op = which_op(p, cmp_ops);
    bool not, taken;
    *more = true;
    if (op && (op->kind != NK_X_EQ_NULLSAFE || p->dialect == NK_EXPR_SPARK)) {
        const nk_expr *y;
        NK_TRY(lex(p));
        NK_TRY(parse_additive(p, &y));
        return made(p, nk_expr_binary(p->a, op->kind, *x, y), at, x);
    }
    NK_TRY(take_word(p, "is", &taken));
    if (taken)
        return parse_is(p, *x, at, x);
    NK_TRY(take_word(p, "not", &not ));
    NK_TRY(take_word(p, "in", &taken));
    if (taken)
        return parse_in(p, *x, not, at, x);
    NK_TRY(take_word(p, "between", &taken));
    if (taken)
        return parse_between(p, *x, not, at, x);
    NK_TRY(take_word(p, "like", &taken));
    if (taken)
        return parse_like(p, NK_X_LIKE, *x, not, at, x);
    if (p->dialect == NK_EXPR_SPARK && (is_word(p, "rlike") || is_word(p, "regexp"))) {
        NK_TRY(lex(p));
        return parse_like(p, NK_X_RLIKE, *x, not, at, x);
    }
    if (not )
        return fail_at(p, p->t.at, "Expected IN, BETWEEN or LIKE");
    *more = false;
    return NK_OK;
}

static nk_code parse_predicate(parser *p, const nk_expr **out)
{
    const nk_expr *x;
    bool more = true;
    NK_TRY(parse_additive(p, &x));
    while (more)
        NK_TRY(parse_test(p, &x, &more));
    *out = x;
    return NK_OK;
}

static nk_code parse_not(parser *p, const nk_expr **out)
{
    unsigned nots = 0, at = p->t.at;
    const nk_expr *x;
    while (is_word(p, "not") || is_op(p, "!")) {
        if (++nots > NK_EXPR_DEPTH_MAX)
            return nk_fail(p->err, NK_E_LIMIT, "The expression has too many NOTs");
        NK_TRY(lex(p));
    }
    NK_TRY(parse_predicate(p, &x));
    for (; nots; nots--)
        NK_TRY(made(p, nk_expr_unary(p->a, NK_X_NOT, x), at, &x));
    *out = x;
    return NK_OK;
}

/* a AND b AND c is one node of three. */
static nk_code parse_chain(parser *p, const char *word, nk_expr_kind kind,
                           nk_code (*next)(parser *, const nk_expr **), const nk_expr **out)
{
    expr_list args = {0};
    unsigned at = p->t.at;
    bool more;
    do {
        const nk_expr *x, **slot;
        NK_TRY(next(p, &x));
        slot = expr_list_add(&args, p->a);
        if (!slot)
            return nomem(p);
        *slot = x;
        NK_TRY(take_word(p, word, &more));
    } while (more);
    if (args.n == 1) {
        *out = args.v[0];
        return NK_OK;
    }
    return made(p, nk_expr_nary(p->a, kind, args.v, args.n), at, out);
}

static nk_code parse_and(parser *p, const nk_expr **out)
{
    return parse_chain(p, "and", NK_X_AND, parse_not, out);
}

static nk_code parse_or(parser *p, const nk_expr **out)
{
    if (++p->depth > NK_EXPR_DEPTH_MAX)
        return nk_fail(p->err, NK_E_LIMIT, "The expression is nested deeper than %d levels",
                       NK_EXPR_DEPTH_MAX);
    nk_code rc = parse_chain(p, "or", NK_X_OR, parse_and, out);
    p->depth--;
    return rc;
}

nk_code nk_expr_parse(nk_str text, nk_expr_dialect dialect, nk_arena *a, const nk_expr **out,
                      nk_err *err)
{
    parser p = {.text = text, .dialect = dialect, .a = a, .err = err};
    *out = NULL;
    if (text.n > 1 << 20)
        return nk_fail(err, NK_E_LIMIT, "The expression is longer than 1 MiB");
    if (!nk_utf8_valid(text))
        return nk_fail(err, NK_E_PARSE, "The expression is not valid UTF-8");
    NK_TRY(lex(&p));
    NK_TRY(parse_or(&p, out));
    if (p.t.kind == T_END)
        return NK_OK;
    *out = NULL;
    return fail_at(&p, p.t.at, "Expected AND, OR or the end");
}

nk_code nk_expr_parse_at(nk_str text, size_t *pos, nk_arena *a, const nk_expr **out, nk_err *err)
{
    parser p = {.text = text, .dialect = NK_EXPR_SPARK, .a = a, .err = err, .pos = *pos};
    *out = NULL;
    NK_TRY(lex(&p));
    NK_TRY(parse_or(&p, out));
    *pos = p.t.at;
    return NK_OK;
}
