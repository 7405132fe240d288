/* The expression tree: building, comparing, printing, walking. */
#include <stdio.h>

#include "plan/expr.h"

static nk_expr *node(nk_arena *a, nk_expr_kind kind)
{
    nk_expr *x = NK_NEW(a, nk_expr);
    if (x) {
        x->kind = kind;
        x->depth = 1;
    }
    return x;
}

static nk_expr *literal(nk_arena *a, nk_type_kind type)
{
    nk_expr *x = node(a, NK_X_LITERAL);
    if (x)
        x->type = nk_type_scalar(type);
    return x;
}

nk_expr *nk_expr_null(nk_arena *a)
{
    return literal(a, NK_T_NULL);
}

nk_expr *nk_expr_bool(nk_arena *a, bool v)
{
    nk_expr *x = literal(a, NK_T_BOOLEAN);
    if (x)
        x->i = v;
    return x;
}

nk_expr *nk_expr_long(nk_arena *a, int64_t v)
{
    nk_expr *x = literal(a, NK_T_LONG);
    if (x)
        x->i = v;
    return x;
}

nk_expr *nk_expr_double(nk_arena *a, double v)
{
    nk_expr *x = literal(a, NK_T_DOUBLE);
    if (x)
        x->f = v;
    return x;
}

nk_expr *nk_expr_decimal(nk_arena *a, nk_str text)
{
    nk_expr *x = node(a, NK_X_LITERAL);
    ptrdiff_t dot = nk_str_chr(text, '.');
    int digits = 0, scale = dot < 0 ? 0 : (int)(text.n - (size_t)dot - 1);
    for (size_t i = 0; i < text.n; i++)
        digits += text.p[i] >= '0' && text.p[i] <= '9';
    if (!x)
        return NULL;
    x->s = text;
    /* A literal of more than 38 digits keeps its text; its type can say no more than the widest. */
    x->type = digits <= 38 ? nk_type_decimal(a, digits ? digits : 1, scale)
                           : nk_type_scalar(NK_T_DECIMAL);
    return x->type ? x : NULL;
}

nk_expr *nk_expr_string(nk_arena *a, nk_str s)
{
    nk_expr *x = literal(a, NK_T_STRING);
    if (x)
        x->s = s;
    return x;
}

nk_expr *nk_expr_date(nk_arena *a, int64_t days)
{
    nk_expr *x = literal(a, NK_T_DATE);
    if (x)
        x->i = days;
    return x;
}

nk_expr *nk_expr_timestamp(nk_arena *a, int64_t us)
{
    nk_expr *x = literal(a, NK_T_TIMESTAMP);
    if (x)
        x->i = us;
    return x;
}

nk_expr *nk_expr_path(nk_arena *a, const nk_str *path, size_t n)
{
    nk_expr *x = node(a, NK_X_COLUMN);
    nk_str *p = NK_NEWN(a, nk_str, n);
    if (!x || !p)
        return NULL;
    memcpy(p, path, n * sizeof(*p));
    x->path = p;
    x->npath = n;
    return x;
}

nk_expr *nk_expr_column(nk_arena *a, nk_str name)
{
    return nk_expr_path(a, &name, 1);
}

nk_expr *nk_expr_nary(nk_arena *a, nk_expr_kind kind, const nk_expr *const *args, size_t n)
{
    nk_expr *x = node(a, kind);
    const nk_expr **v = NK_NEWN(a, const nk_expr *, n);
    if (!x || !v)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (!args[i])
            return NULL;
        v[i] = args[i];
        if (v[i]->depth >= x->depth)
            x->depth = v[i]->depth + 1;
    }
    x->args = v;
    x->nargs = n;
    return x;
}

nk_expr *nk_expr_unary(nk_arena *a, nk_expr_kind kind, const nk_expr *x)
{
    return nk_expr_nary(a, kind, &x, 1);
}

nk_expr *nk_expr_binary(nk_arena *a, nk_expr_kind kind, const nk_expr *x, const nk_expr *y)
{
    return nk_expr_nary(a, kind, (const nk_expr *const[]){x, y}, 2);
}

nk_expr *nk_expr_call(nk_arena *a, nk_str name, const nk_expr *const *args, size_t n)
{
    nk_expr *x = nk_expr_nary(a, NK_X_CALL, args, n);
    if (!x)
        return NULL;
    x->name = nk_str_lower(a, name);
    return x->name.p ? x : NULL;
}

nk_expr *nk_expr_cast(nk_arena *a, const nk_expr *x, const nk_type *type)
{
    nk_expr *c = nk_expr_unary(a, NK_X_CAST, x);
    if (c)
        c->type = type;
    return c && type ? c : NULL;
}

/* What the canonical text writes for a kind; static. */
static const char *const kind_names[NK_X_KIND_COUNT] = {
    [NK_X_LITERAL] = "LITERAL", [NK_X_COLUMN] = "COLUMN",
    [NK_X_AND] = "AND",         [NK_X_OR] = "OR",
    [NK_X_NOT] = "NOT",         [NK_X_EQ] = "=",
    [NK_X_NE] = "<>",           [NK_X_LT] = "<",
    [NK_X_LE] = "<=",           [NK_X_GT] = ">",
    [NK_X_GE] = ">=",           [NK_X_EQ_NULLSAFE] = "<=>",
    [NK_X_IN] = "IN",           [NK_X_BETWEEN] = "BETWEEN",
    [NK_X_LIKE] = "LIKE",       [NK_X_RLIKE] = "RLIKE",
    [NK_X_IS_NULL] = "IS NULL", [NK_X_ADD] = "+",
    [NK_X_SUB] = "-",           [NK_X_MUL] = "*",
    [NK_X_DIV] = "/",           [NK_X_MOD] = "%",
    [NK_X_NEG] = "NEG",         [NK_X_CONCAT] = "||",
    [NK_X_CALL] = "CALL",       [NK_X_CAST] = "CAST",
    [NK_X_CASE] = "CASE",
};

const char *nk_expr_kind_name(nk_expr_kind kind)
{
    return kind >= 0 && kind < NK_X_KIND_COUNT ? kind_names[kind] : "?";
}

static bool literal_eq(const nk_expr *x, const nk_expr *y)
{
    if (x->type->kind != y->type->kind)
        return false;
    switch (x->type->kind) {
    case NK_T_NULL:
        return true;
    case NK_T_DOUBLE:
        return memcmp(&x->f, &y->f, sizeof(x->f)) == 0;
    case NK_T_DECIMAL:
    case NK_T_STRING:
        return nk_str_eq(x->s, y->s);
    default:
        return x->i == y->i;
    }
}

bool nk_expr_eq(const nk_expr *x, const nk_expr *y)
{
    if (x->kind != y->kind || x->negated != y->negated || x->distinct != y->distinct ||
        x->escape != y->escape || x->nargs != y->nargs || x->npath != y->npath)
        return false;
    if (x->kind == NK_X_LITERAL)
        return literal_eq(x, y);
    if (x->kind == NK_X_CALL && !nk_str_eq(x->name, y->name))
        return false;
    if (x->kind == NK_X_CAST && !nk_type_eq(x->type, y->type))
        return false;
    for (size_t i = 0; i < x->npath; i++)
        if (!nk_str_eq(x->path[i], y->path[i]))
            return false;
    for (size_t i = 0; i < x->nargs; i++)
        if (!nk_expr_eq(x->args[i], y->args[i]))
            return false;
    return true;
}

bool nk_expr_walk(const nk_expr *x, bool (*fn)(void *arg, const nk_expr *x), void *arg)
{
    if (!fn(arg, x))
        return false;
    for (size_t i = 0; i < x->nargs; i++)
        if (!nk_expr_walk(x->args[i], fn, arg))
            return false;
    return true;
}

/* ---- printing ---- */

static void print_string(nk_str s, nk_buf *o)
{
    nk_buf_putc(o, '\'');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '\'' || c == '\\')
            nk_buf_printf(o, "\\%c", c);
        else if (c < 0x20)
            nk_buf_printf(o, "\\u%04x", c);
        else
            nk_buf_putc(o, (char)c);
    }
    nk_buf_putc(o, '\'');
}

static void print_literal(const nk_expr *x, nk_buf *o)
{
    switch (x->type->kind) {
    case NK_T_NULL:
        nk_buf_puts(o, "NULL");
        break;
    case NK_T_BOOLEAN:
        nk_buf_puts(o, x->i ? "TRUE" : "FALSE");
        break;
    case NK_T_DOUBLE:
        nk_buf_printf(o, "%.16eD", x->f);
        break;
    case NK_T_DECIMAL:
        nk_buf_printf(o, "%.*sBD", NK_STR_ARG(x->s));
        break;
    case NK_T_STRING:
        print_string(x->s, o);
        break;
    case NK_T_DATE: {
        nk_civil c = nk_civil_from_us(x->i * 86400000000LL);
        nk_buf_printf(o, "DATE '%04d-%02d-%02d'", c.year, c.month, c.day);
        break;
    }
    case NK_T_TIMESTAMP: {
        nk_civil c = nk_civil_from_us(x->i);
        nk_buf_printf(o, "TIMESTAMP '%04d-%02d-%02d %02d:%02d:%02d.%06d'", c.year, c.month, c.day,
                      c.hour, c.minute, c.second, c.usec);
        break;
    }
    default:
        nk_buf_printf(o, "%lld", (long long)x->i);
    }
}

static void print(const nk_expr *x, nk_buf *o);

static void print_list(const nk_expr *x, size_t from, const char *sep, nk_buf *o)
{
    for (size_t i = from; i < x->nargs; i++) {
        if (i > from)
            nk_buf_puts(o, sep);
        print(x->args[i], o);
    }
}

static void print_column(const nk_expr *x, nk_buf *o)
{
    for (size_t i = 0; i < x->npath; i++) {
        nk_buf_puts(o, i ? ".`" : "`");
        for (size_t j = 0; j < x->path[i].n; j++) {
            if (x->path[i].p[j] == '`')
                nk_buf_putc(o, '`');
            nk_buf_putc(o, x->path[i].p[j]);
        }
        nk_buf_putc(o, '`');
    }
}

static void print_predicate(const nk_expr *x, nk_buf *o)
{
    const char *not = x->negated ? "NOT " : "";
    nk_buf_putc(o, '(');
    print(x->args[0], o);
    if (x->kind == NK_X_IS_NULL) {
        nk_buf_printf(o, " IS %sNULL)", not );
        return;
    }
    nk_buf_printf(o, " %s%s ", not, kind_names[x->kind]);
    if (x->kind == NK_X_IN) {
        nk_buf_putc(o, '(');
        print_list(x, 1, ", ", o);
        nk_buf_putc(o, ')');
    } else {
        print_list(x, 1, " AND ", o);
    }
    if (x->kind == NK_X_LIKE && x->escape != '\\') {
        nk_buf_puts(o, " ESCAPE ");
        print_string(nk_str_n(&x->escape, x->escape ? 1 : 0), o);
    }
    nk_buf_putc(o, ')');
}

static void print_case(const nk_expr *x, nk_buf *o)
{
    nk_buf_puts(o, "CASE");
    for (size_t i = 0; i + 1 < x->nargs; i += 2) {
        nk_buf_puts(o, " WHEN ");
        print(x->args[i], o);
        nk_buf_puts(o, " THEN ");
        print(x->args[i + 1], o);
    }
    if (x->nargs % 2) {
        nk_buf_puts(o, " ELSE ");
        print(x->args[x->nargs - 1], o);
    }
    nk_buf_puts(o, " END");
}

static void print(const nk_expr *x, nk_buf *o)
{
    switch (x->kind) {
    case NK_X_LITERAL:
        print_literal(x, o);
        break;
    case NK_X_COLUMN:
        print_column(x, o);
        break;
    case NK_X_NOT:
    case NK_X_NEG:
        nk_buf_puts(o, x->kind == NK_X_NOT ? "(NOT " : "(- ");
        print(x->args[0], o);
        nk_buf_putc(o, ')');
        break;
    case NK_X_IN:
    case NK_X_BETWEEN:
    case NK_X_LIKE:
    case NK_X_RLIKE:
    case NK_X_IS_NULL:
        print_predicate(x, o);
        break;
    case NK_X_CALL:
        nk_buf_printf(o, "%.*s(%s", NK_STR_ARG(x->name), x->distinct ? "DISTINCT " : "");
        if (!x->nargs && nk_str_is(x->name, "count"))
            nk_buf_putc(o, '*');
        print_list(x, 0, ", ", o);
        nk_buf_putc(o, ')');
        break;
    case NK_X_CAST:
        nk_buf_puts(o, x->negated ? "TRY_CAST(" : "CAST(");
        print(x->args[0], o);
        nk_buf_puts(o, " AS ");
        if (nk_type_print(x->type, false, o) != NK_OK)
            o->failed = true;
        nk_buf_putc(o, ')');
        break;
    case NK_X_CASE:
        print_case(x, o);
        break;
    default: {
        char sep[8];
        snprintf(sep, sizeof(sep), " %s ", kind_names[x->kind]);
        nk_buf_putc(o, '(');
        print_list(x, 0, sep, o);
        nk_buf_putc(o, ')');
    }
    }
}

nk_code nk_expr_print(const nk_expr *x, nk_buf *out)
{
    print(x, out);
    return nk_buf_check(out, NULL);
}
