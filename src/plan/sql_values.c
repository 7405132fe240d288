/* Expressions of Spark SQL (ANSI off) with their types, said so that the engine gives what Spark
 * does: integers wrap, a division by zero is null, texts meet numbers as numbers, names match
 * without regard to case. A row of `functions` is a function whose results agree; any other is
 * refused by name. */
#include <stdio.h>

#include "plan/sql_int.h"

#define UNSUPPORTED(err, ...) nk_fail(err, NK_E_UNSUPPORTED, __VA_ARGS__)

static const nk_type *scalar(nk_type_kind k)
{
    return nk_type_scalar(k);
}

static bool is_int(const nk_type *t)
{
    return t->kind >= NK_T_BYTE && t->kind <= NK_T_LONG;
}

static bool is_real(const nk_type *t)
{
    return t->kind == NK_T_FLOAT || t->kind == NK_T_DOUBLE;
}

static bool is_plain(const nk_type *t)
{
    return t->kind < NK_T_BINARY || t->kind == NK_T_DATE || t->kind == NK_T_TIMESTAMP;
}

static nk_code cast_to(nk_sql_scope *s, nk_sql_value *v, const nk_type *to, nk_err *err)
{
    bool odd =
        (v->type->kind == NK_T_DATE && (nk_type_is_number(to) || to->kind == NK_T_BOOLEAN)) ||
        (to->kind == NK_T_DATE && (nk_type_is_number(v->type) || v->type->kind == NK_T_BOOLEAN));
    if (!is_plain(to) || !is_plain(v->type) || odd) {
        if (nk_type_eq(to, v->type))
            return NK_OK;
        return UNSUPPORTED(err, "a cast from %s to %s", nk_type_glue_name(v->type),
                           nk_type_glue_name(to));
    }
    NK_TRY(nk_x_cast(s->c, v->x, v->type, to, &v->x, err));
    v->type = nk_type_is_text(to) ? scalar(NK_T_STRING) : to;
    return NK_OK;
}

/* All of one type, that in which Spark lets them stand together. */
static nk_code unify(nk_sql_scope *s, nk_sql_value *v, size_t n, nk_err *err)
{
    const nk_type *t = v[0].type;
    for (size_t i = 1; i < n; i++) {
        const nk_type *w = nk_spark_wider(s->c->arena, t, v[i].type);
        if (!w)
            return UNSUPPORTED(err, "values of types %s and %s in one place", nk_type_glue_name(t),
                               nk_type_glue_name(v[i].type));
        t = w;
    }
    for (size_t i = 0; i < n; i++)
        NK_TRY(cast_to(s, &v[i], t, err));
    return NK_OK;
}

/* ---- columns and literals ---- */

static const nk_field *only_field(const nk_type *t, nk_str name, bool *twice)
{
    const nk_field *found = NULL;
    *twice = false;
    for (size_t i = 0; t->kind == NK_T_STRUCT && i < t->nfields; i++)
        if (nk_str_ieq(t->fields[i].name, name)) {
            *twice = found != NULL;
            found = &t->fields[i];
        }
    return found;
}

/* The rest of a path, inside structs. */
static nk_code inside(nk_sql_scope *s, const nk_expr *e, size_t from, nk_sql_value *out,
                      nk_err *err)
{
    for (size_t i = from; i < e->npath; i++) {
        bool twice;
        const nk_field *f = only_field(out->type, e->path[i], &twice);
        if (!f || twice)
            return UNSUPPORTED(err, "the field %.*s of a %s", NK_STR_ARG(e->path[i]),
                               nk_type_glue_name(out->type));
        out->x = nk_x_field(s->c, out->x, f->name);
        out->type = f->type;
    }
    if (nk_type_has_choice(out->type))
        return UNSUPPORTED(err, "%.*s holds values of several types; ResolveChoice settles them",
                           NK_STR_ARG(e->path[e->npath - 1]));
    return NK_OK;
}

static nk_code column(nk_sql_scope *s, const nk_expr *e, nk_sql_value *out, nk_err *err)
{
    size_t hits = 0, from = 0;
    bool twice = false, any_twice = false;
    for (int qualified = 1; qualified >= 0 && !hits; qualified--)
        for (size_t i = 0; i < s->rels.n; i++) {
            const nk_sql_relation *r = &s->rels.v[i];
            if (qualified && (e->npath < 2 || !nk_str_ieq(r->alias, e->path[0])))
                continue;
            const nk_field *f = only_field(r->type, e->path[qualified], &twice);
            if (!f)
                continue;
            hits++;
            any_twice = any_twice || twice;
            from = (size_t)qualified + 1;
            out->x = nk_x_printf(s->c, "%.*s.%.*s", NK_STR_ARG(r->x),
                                 NK_STR_ARG(nk_x_ident(s->c, f->name)));
            out->type = f->type;
        }
    if (hits != 1 || any_twice)
        return UNSUPPORTED(err, "there %s column %.*s", hits ? "is more than one" : "is no",
                           NK_STR_ARG(e->path[e->npath - 1]));
    return inside(s, e, from, out, err);
}

/* Whether the number at this place of the text is written with an L. */
static bool has_suffix(nk_str text, size_t at)
{
    while (at < text.n && (text.p[at] == '-' || text.p[at] == ' '))
        at++;
    while (at < text.n && text.p[at] >= '0' && text.p[at] <= '9')
        at++;
    return at < text.n && (text.p[at] | 0x20) == 'l';
}

/* it''s is one text in some versions and two in others. */
static bool doubled_quote(nk_str text, size_t at)
{
    char q = at < text.n ? text.p[at] : 0;
    for (size_t i = at + 1; i + 1 < text.n && (q == '\'' || q == '"'); i++) {
        if (text.p[i] == '\\')
            i++;
        else if (text.p[i] == q)
            return text.p[i + 1] == q;
    }
    return false;
}

static nk_code literal(nk_sql_scope *s, const nk_expr *e, nk_sql_value *out, nk_err *err)
{
    nk_compile *c = s->c;
    out->type = e->type;
    switch (e->type->kind) {
    case NK_T_NULL:
        out->x = NK_STR("NULL");
        return NK_OK;
    case NK_T_BOOLEAN:
        out->x = e->i ? NK_STR("TRUE") : NK_STR("FALSE");
        return NK_OK;
    case NK_T_LONG: {
        bool narrow = e->i >= INT32_MIN && e->i <= INT32_MAX && !has_suffix(s->text, e->at);
        out->type = scalar(narrow ? NK_T_INT : NK_T_LONG);
        out->x =
            nk_x_printf(c, "CAST('%lld' AS %s)", (long long)e->i, narrow ? "INTEGER" : "BIGINT");
        return NK_OK;
    }
    case NK_T_DOUBLE:
        out->x = nk_x_printf(c, "CAST('%.17g' AS DOUBLE)", e->f);
        return NK_OK;
    case NK_T_DECIMAL:
        out->x = nk_x_printf(c, "CAST('%.*s' AS DECIMAL(%d,%d))", NK_STR_ARG(e->s),
                             e->type->precision, e->type->scale);
        return e->type->precision <= 38 ? NK_OK : UNSUPPORTED(err, "a number of that many digits");
    case NK_T_STRING:
        if (doubled_quote(s->text, e->at))
            return UNSUPPORTED(err, "a doubled quote in a text");
        out->x = nk_x_literal(c, e->s);
        return NK_OK;
    case NK_T_DATE:
        out->x = nk_x_printf(c, "(DATE '1970-01-01' + CAST('%lld' AS INTEGER))", (long long)e->i);
        return NK_OK;
    case NK_T_TIMESTAMP:
        out->x = nk_x_printf(c, "make_timestamp(CAST('%lld' AS BIGINT))", (long long)e->i);
        return NK_OK;
    default:
        return UNSUPPORTED(err, "a literal of type %s", nk_type_glue_name(e->type));
    }
}

/* ---- arithmetic ---- */

/* The low bits of a sum or product that was computed wider. */
static nk_str wrapped(nk_compile *c, nk_str wide, nk_type_kind to)
{
    switch (to) {
    case NK_T_LONG:
        return nk_x_printf(
            c,
            "CAST(((%.*s + 9223372036854775808::HUGEINT) %% "
            "18446744073709551616::HUGEINT + 18446744073709551616::HUGEINT) %% "
            "18446744073709551616::HUGEINT - 9223372036854775808::HUGEINT AS BIGINT)",
            NK_STR_ARG(wide));
    case NK_T_INT:
        return nk_x_printf(c, "spark_long_to_int(%.*s)", NK_STR_ARG(wide));
    case NK_T_SHORT:
        return nk_x_printf(c, "spark_long_to_short(%.*s)", NK_STR_ARG(wide));
    default:
        return nk_x_printf(c, "spark_long_to_byte(%.*s)", NK_STR_ARG(wide));
    }
}

static nk_code int_arithmetic(nk_sql_scope *s, char op, nk_sql_value v[2], nk_sql_value *out,
                              nk_err *err)
{
    nk_compile *c = s->c;
    nk_type_kind k = v[0].type->kind > v[1].type->kind ? v[0].type->kind : v[1].type->kind;
    out->type = scalar(k);
    if (op == '%') {
        NK_TRY(cast_to(s, &v[0], scalar(NK_T_LONG), err));
        NK_TRY(cast_to(s, &v[1], scalar(NK_T_LONG), err));
        out->x = nk_x_printf(
            c, "CAST(CASE WHEN %.*s = -1 THEN 0 ELSE %.*s %% NULLIF(%.*s, 0) END AS %s)",
            NK_STR_ARG(v[1].x), NK_STR_ARG(v[0].x), NK_STR_ARG(v[1].x),
            k == NK_T_LONG    ? "BIGINT"
            : k == NK_T_INT   ? "INTEGER"
            : k == NK_T_SHORT ? "SMALLINT"
                              : "TINYINT");
        out->x = nk_x_printf(c, "CASE WHEN %.*s IS NOT NULL THEN %.*s END", NK_STR_ARG(v[0].x),
                             NK_STR_ARG(out->x));
        return NK_OK;
    }
    const char *wide = k == NK_T_LONG ? "HUGEINT" : "BIGINT";
    nk_str x = nk_x_printf(c, "(CAST(%.*s AS %s) %c CAST(%.*s AS %s))", NK_STR_ARG(v[0].x), wide,
                           op, NK_STR_ARG(v[1].x), wide);
    out->x = wrapped(c, x, k);
    return NK_OK;
}

static nk_code real_arithmetic(nk_sql_scope *s, char op, nk_sql_value v[2], const nk_type *t,
                               nk_sql_value *out, nk_err *err)
{
    NK_TRY(cast_to(s, &v[0], t, err));
    NK_TRY(cast_to(s, &v[1], t, err));
    out->type = t;
    out->x =
        nk_x_printf(s->c, op == '%' || op == '/' ? "(%.*s %c NULLIF(%.*s, 0))" : "(%.*s %c %.*s)",
                    NK_STR_ARG(v[0].x), op, NK_STR_ARG(v[1].x));
    return NK_OK;
}

/* The decimal that an operand counts as; an integer literal has as many digits as it is written
 * with. */
static const nk_type *decimal_of(nk_sql_scope *s, const nk_expr *e, const nk_type *t)
{
    static const int digits[] = {
        [NK_T_BYTE] = 3, [NK_T_SHORT] = 5, [NK_T_INT] = 10, [NK_T_LONG] = 20};
    if (t->kind == NK_T_DECIMAL)
        return t;
    if (e->kind == NK_X_LITERAL) {
        char text[32];
        int n = snprintf(text, sizeof text, "%lld", (long long)e->i);
        return nk_type_decimal(s->c->arena, n - (text[0] == '-'), 0);
    }
    return nk_type_decimal(s->c->arena, digits[t->kind], 0);
}

static nk_code decimal_arithmetic(nk_sql_scope *s, char op, const nk_expr *e, nk_sql_value v[2],
                                  nk_sql_value *out, nk_err *err)
{
    const nk_type *a = decimal_of(s, e->args[0], v[0].type);
    const nk_type *b = decimal_of(s, e->args[1], v[1].type);
    int scale, precision;
    if (!a || !b)
        return nk_oom(err);
    if (op == '/' || op == '%')
        return UNSUPPORTED(err, "%c of decimals", op);
    if (op == '*') {
        scale = a->scale + b->scale;
        precision = a->precision + b->precision + 1;
    } else {
        int wa = a->precision - a->scale, wb = b->precision - b->scale;
        scale = a->scale > b->scale ? a->scale : b->scale;
        precision = (wa > wb ? wa : wb) + scale + 1;
    }
    if (precision > 38)
        return UNSUPPORTED(err, "%c of decimals with more than 38 digits", op);
    out->type = nk_type_decimal(s->c->arena, precision, scale);
    if (!out->type)
        return nk_oom(err);
    NK_TRY(cast_to(s, &v[0], op == '*' ? a : out->type, err));
    NK_TRY(cast_to(s, &v[1], op == '*' ? b : out->type, err));
    out->x = nk_x_printf(s->c, "CAST((%.*s %c %.*s) AS DECIMAL(%d,%d))", NK_STR_ARG(v[0].x), op,
                         NK_STR_ARG(v[1].x), precision, scale);
    return NK_OK;
}

static nk_code arithmetic(nk_sql_scope *s, const nk_expr *e, nk_sql_value v[2], nk_sql_value *out,
                          nk_err *err)
{
    static const char ops[] = {
        [NK_X_ADD] = '+', [NK_X_SUB] = '-', [NK_X_MUL] = '*', [NK_X_DIV] = '/', [NK_X_MOD] = '%'};
    char op = ops[e->kind];
    for (int i = 0; i < 2; i++) {
        if (nk_type_is_text(v[i].type))
            NK_TRY(cast_to(s, &v[i], scalar(NK_T_DOUBLE), err));
        if (!nk_type_is_number(v[i].type))
            return UNSUPPORTED(err, "%c with a %s", op, nk_type_glue_name(v[i].type));
    }
    bool decimal = v[0].type->kind == NK_T_DECIMAL || v[1].type->kind == NK_T_DECIMAL;
    bool real = is_real(v[0].type) || is_real(v[1].type);
    if (decimal && !real)
        return decimal_arithmetic(s, op, e, v, out, err);
    if (op == '/' || decimal)
        return real_arithmetic(s, op, v, scalar(NK_T_DOUBLE), out, err);
    if (real)
        return real_arithmetic(s, op, v, nk_spark_wider(s->c->arena, v[0].type, v[1].type), out,
                               err);
    return int_arithmetic(s, op, v, out, err);
}

static nk_code negation(nk_sql_scope *s, nk_sql_value *v, nk_sql_value *out, nk_err *err)
{
    if (nk_type_is_text(v->type))
        NK_TRY(cast_to(s, v, scalar(NK_T_DOUBLE), err));
    if (!nk_type_is_number(v->type))
        return UNSUPPORTED(err, "- of a %s", nk_type_glue_name(v->type));
    out->type = v->type;
    if (is_int(v->type))
        out->x = wrapped(s->c,
                         nk_x_printf(s->c, "(0 - CAST(%.*s AS %s))", NK_STR_ARG(v->x),
                                     v->type->kind == NK_T_LONG ? "HUGEINT" : "BIGINT"),
                         v->type->kind);
    else
        out->x = nk_x_printf(s->c, "(- %.*s)", NK_STR_ARG(v->x));
    return NK_OK;
}

/* ---- comparing ---- */

static nk_code compare(nk_sql_scope *s, const char *op, nk_sql_value a, nk_sql_value b, nk_str *out,
                       nk_err *err)
{
    const nk_type *t;
    if (a.type->kind == NK_T_NULL || b.type->kind == NK_T_NULL)
        t = a.type->kind == NK_T_NULL ? b.type : a.type;
    else
        t = nk_spark_compared(a.type, b.type);
    if (!t || !is_plain(t))
        return UNSUPPORTED(err, "a comparison of %s and %s", nk_type_glue_name(a.type),
                           nk_type_glue_name(b.type));
    if (t->kind != NK_T_NULL) {
        NK_TRY(cast_to(s, &a, t, err));
        NK_TRY(cast_to(s, &b, t, err));
    }
    *out = nk_x_printf(s->c, "(%.*s %s %.*s)", NK_STR_ARG(a.x), op, NK_STR_ARG(b.x));
    return NK_OK;
}

static nk_code between(nk_sql_scope *s, const nk_expr *e, nk_sql_value *v, nk_sql_value *out,
                       nk_err *err)
{
    nk_str low, high;
    NK_TRY(compare(s, ">=", v[0], v[1], &low, err));
    NK_TRY(compare(s, "<=", v[0], v[2], &high, err));
    out->x = nk_x_printf(s->c, "%s(%.*s AND %.*s)", e->negated ? "NOT " : "", NK_STR_ARG(low),
                         NK_STR_ARG(high));
    return NK_OK;
}

static nk_code in_list(nk_sql_scope *s, const nk_expr *e, nk_sql_value *v, nk_sql_value *out,
                       nk_err *err)
{
    nk_buf b;
    NK_TRY(unify(s, v, e->nargs, err));
    if (!is_plain(v[0].type))
        return UNSUPPORTED(err, "IN with a %s", nk_type_glue_name(v[0].type));
    nk_buf_init(&b, NK_SQL_MAX);
    (void)nk_buf_printf(&b, "(%.*s %sIN (", NK_STR_ARG(v[0].x), e->negated ? "NOT " : "");
    for (size_t i = 1; i < e->nargs; i++)
        (void)nk_buf_printf(&b, "%s%.*s", i > 1 ? ", " : "", NK_STR_ARG(v[i].x));
    (void)nk_buf_puts(&b, "))");
    out->x = nk_x_take(s->c, &b);
    return NK_OK;
}

static nk_code like(nk_sql_scope *s, const nk_expr *e, nk_sql_value *v, nk_sql_value *out,
                    nk_err *err)
{
    nk_str p = e->args[1]->s;
    if (e->args[1]->kind != NK_X_LITERAL || !nk_type_is_text(v[1].type) ||
        (e->escape && e->escape != '\\'))
        return UNSUPPORTED(err, "LIKE with an ESCAPE, or by a pattern that is not written out");
    for (size_t i = 0; i < p.n; i++)
        if (p.p[i] == '\\' && (++i == p.n || !memchr("%_\\", p.p[i], 3)))
            return UNSUPPORTED(err, "a pattern with a backslash before another than %%, _, \\");
    NK_TRY(cast_to(s, &v[0], scalar(NK_T_STRING), err));
    out->x = nk_x_printf(s->c, "(%.*s %sLIKE %.*s ESCAPE '\\')", NK_STR_ARG(v[0].x),
                         e->negated ? "NOT " : "", NK_STR_ARG(v[1].x));
    return NK_OK;
}

static nk_code logic(nk_sql_scope *s, const nk_expr *e, nk_sql_value *v, nk_sql_value *out,
                     nk_err *err)
{
    nk_buf b;
    nk_buf_init(&b, NK_SQL_MAX);
    nk_code rc = NK_OK;
    (void)nk_buf_putc(&b, '(');
    for (size_t i = 0; i < e->nargs && rc == NK_OK; i++) {
        if (v[i].type->kind == NK_T_NULL)
            rc = cast_to(s, &v[i], scalar(NK_T_BOOLEAN), err);
        else if (v[i].type->kind != NK_T_BOOLEAN)
            rc = UNSUPPORTED(err, "a %s as a condition", nk_type_glue_name(v[i].type));
        (void)nk_buf_printf(&b, "%s%.*s",
                            e->kind == NK_X_NOT  ? "NOT "
                            : !i                 ? ""
                            : e->kind == NK_X_OR ? " OR "
                                                 : " AND ",
                            NK_STR_ARG(v[i].x));
    }
    (void)nk_buf_putc(&b, ')');
    out->x = nk_x_take(s->c, &b);
    return rc;
}

/* when, then, …, else */
static nk_code cases(nk_sql_scope *s, const nk_expr *e, nk_sql_value *v, nk_sql_value *out,
                     nk_err *err)
{
    nk_sql_value *results = NK_NEWN(s->c->arena, nk_sql_value, e->nargs);
    size_t n = 0;
    nk_buf b;
    if (!results)
        return nk_oom(err);
    for (size_t i = 1; i < e->nargs; i += 2) {
        if (v[i - 1].type->kind != NK_T_BOOLEAN)
            return UNSUPPORTED(err, "a %s as a condition", nk_type_glue_name(v[i - 1].type));
        results[n++] = v[i];
    }
    if (e->nargs % 2)
        results[n++] = v[e->nargs - 1];
    NK_TRY(unify(s, results, n, err));
    nk_buf_init(&b, NK_SQL_MAX);
    (void)nk_buf_puts(&b, "(CASE");
    for (size_t i = 0; i + 1 < e->nargs; i += 2)
        (void)nk_buf_printf(&b, " WHEN %.*s THEN %.*s", NK_STR_ARG(v[i].x),
                            NK_STR_ARG(results[i / 2].x));
    if (e->nargs % 2)
        (void)nk_buf_printf(&b, " ELSE %.*s", NK_STR_ARG(results[n - 1].x));
    (void)nk_buf_puts(&b, " END)");
    out->x = nk_x_take(s->c, &b);
    out->type = results[0].type;
    return NK_OK;
}

/* ---- functions ---- */

/* How arguments are taken: s text, d date, t timestamp, D double, * as they are. */
typedef struct function {
    const char *name;
    const char *args;  /* one letter an argument, those behind '?' may be missing; "+": any number,
                          of one  type */
    nk_type_kind type; /* of the result; NK_T_NULL: that of the arguments */
    const char *x;     /* %1 … %3; NULL: build */
    nk_code (*build)(nk_sql_scope *s, const nk_expr *e, nk_sql_value *v, nk_sql_value *out,
                     nk_err *err);
} function;

static nk_code joined_values(nk_sql_scope *s, const char *head, const char *between_them,
                             const nk_sql_value *v, size_t n, nk_str *out)
{
    nk_buf b;
    nk_buf_init(&b, NK_SQL_MAX);
    (void)nk_buf_puts(&b, head);
    for (size_t i = 0; i < n; i++)
        (void)nk_buf_printf(&b, "%s%.*s", i ? between_them : "", NK_STR_ARG(v[i].x));
    (void)nk_buf_putc(&b, ')');
    *out = nk_x_take(s->c, &b);
    return NK_OK;
}

static nk_code build_coalesce(nk_sql_scope *s, const nk_expr *e, nk_sql_value *v, nk_sql_value *out,
                              nk_err *err)
{
    NK_TRY(unify(s, v, e->nargs, err));
    out->type = v[0].type;
    return joined_values(s, "coalesce(", ", ", v, e->nargs, &out->x);
}

static nk_code build_concat(nk_sql_scope *s, const nk_expr *e, nk_sql_value *v, nk_sql_value *out,
                            nk_err *err)
{
    for (size_t i = 0; i < e->nargs; i++)
        NK_TRY(cast_to(s, &v[i], scalar(NK_T_STRING), err));
    out->type = scalar(NK_T_STRING);
    return joined_values(s, "(", " || ", v, e->nargs, &out->x);
}

static nk_code build_nullif(nk_sql_scope *s, const nk_expr *e, nk_sql_value *v, nk_sql_value *out,
                            nk_err *err)
{
    nk_str same;
    NK_TRY(compare(s, "=", v[0], v[1], &same, err));
    out->type = v[0].type;
    out->x = nk_x_printf(s->c, "(CASE WHEN %.*s THEN NULL ELSE %.*s END)", NK_STR_ARG(same),
                         NK_STR_ARG(v[0].x));
    return NK_OK;
}

static nk_code build_if(nk_sql_scope *s, const nk_expr *e, nk_sql_value *v, nk_sql_value *out,
                        nk_err *err)
{
    if (v[0].type->kind != NK_T_BOOLEAN)
        return UNSUPPORTED(err, "a %s as a condition", nk_type_glue_name(v[0].type));
    NK_TRY(unify(s, v + 1, 2, err));
    out->type = v[1].type;
    out->x = nk_x_printf(s->c, "(CASE WHEN %.*s THEN %.*s ELSE %.*s END)", NK_STR_ARG(v[0].x),
                         NK_STR_ARG(v[1].x), NK_STR_ARG(v[2].x));
    return NK_OK;
}

static nk_code build_greatest(nk_sql_scope *s, const nk_expr *e, nk_sql_value *v, nk_sql_value *out,
                              nk_err *err)
{
    for (size_t i = 1; i < e->nargs; i++)
        if (nk_type_is_text(v[i].type) != nk_type_is_text(v[0].type))
            return UNSUPPORTED(err, "the greatest of texts and others");
    NK_TRY(unify(s, v, e->nargs, err));
    if (!is_plain(v[0].type))
        return UNSUPPORTED(err, "the greatest of a %s", nk_type_glue_name(v[0].type));
    out->type = v[0].type;
    return joined_values(s, nk_str_is(e->name, "greatest") ? "greatest(" : "least(", ", ", v,
                         e->nargs, &out->x);
}

static nk_code build_abs(nk_sql_scope *s, const nk_expr *e, nk_sql_value *v, nk_sql_value *out,
                         nk_err *err)
{
    NK_TRY(negation(s, v, out, err));
    out->x = nk_x_printf(s->c,
                         is_int(v->type) ? "(CASE WHEN %.*s < 0 THEN %.*s ELSE %.*s END)"
                                         : "(CASE WHEN %.*s <= 0 THEN %.*s ELSE %.*s END)",
                         NK_STR_ARG(v->x), NK_STR_ARG(out->x), NK_STR_ARG(v->x));
    return NK_OK;
}

static nk_code build_whole(nk_sql_scope *s, const nk_expr *e, nk_sql_value *v, nk_sql_value *out,
                           nk_err *err)
{
    if (v->type->kind == NK_T_DECIMAL)
        return UNSUPPORTED(err, "%.*s of a decimal", NK_STR_ARG(e->name));
    bool whole = is_int(v->type);
    NK_TRY(cast_to(s, v, scalar(whole ? NK_T_LONG : NK_T_DOUBLE), err));
    out->type = scalar(NK_T_LONG);
    out->x = whole ? v->x
                   : nk_x_printf(s->c, "spark_double_to_long(%s(%.*s))",
                                 nk_str_is(e->name, "floor") ? "floor" : "ceil", NK_STR_ARG(v->x));
    return NK_OK;
}

static bool literal_int(const nk_expr *e, int64_t least)
{
    return e->kind == NK_X_LITERAL && e->type->kind == NK_T_LONG && e->i >= least &&
           e->i <= INT32_MAX;
}

static nk_code build_substring(nk_sql_scope *s, const nk_expr *e, nk_sql_value *v,
                               nk_sql_value *out, nk_err *err)
{
    if (!literal_int(e->args[1], 1) || (e->nargs == 3 && !literal_int(e->args[2], 0)))
        return UNSUPPORTED(err, "substring from a place that is not a number from 1 on");
    NK_TRY(cast_to(s, &v[0], scalar(NK_T_STRING), err));
    out->type = scalar(NK_T_STRING);
    return joined_values(s, "substr(", ", ", v, e->nargs, &out->x);
}

static nk_code build_replace(nk_sql_scope *s, const nk_expr *e, nk_sql_value *v, nk_sql_value *out,
                             nk_err *err)
{
    if (e->args[1]->kind != NK_X_LITERAL || !nk_type_is_text(v[1].type) || !e->args[1]->s.n)
        return UNSUPPORTED(err, "replace of a text that is not written out");
    for (size_t i = 0; i < 3; i++)
        NK_TRY(cast_to(s, &v[i], scalar(NK_T_STRING), err));
    out->type = scalar(NK_T_STRING);
    return joined_values(s, "replace(", ", ", v, 3, &out->x);
}

static nk_code build_isnan(nk_sql_scope *s, const nk_expr *e, nk_sql_value *v, nk_sql_value *out,
                           nk_err *err)
{
    if (!nk_type_is_number(v->type) && !nk_type_is_text(v->type))
        return UNSUPPORTED(err, "isnan of a %s", nk_type_glue_name(v->type));
    NK_TRY(cast_to(s, v, scalar(NK_T_DOUBLE), err));
    out->type = scalar(NK_T_BOOLEAN);
    out->x = nk_x_printf(s->c, "coalesce(isnan(%.*s), FALSE)", NK_STR_ARG(v->x));
    return NK_OK;
}

static const function functions[] = {
    {"abs", "*", NK_T_NULL, NULL, build_abs},
    {"ceil", "*", NK_T_NULL, NULL, build_whole},
    {"ceiling", "*", NK_T_NULL, NULL, build_whole},
    {"coalesce", "+", NK_T_NULL, NULL, build_coalesce},
    {"concat", "+", NK_T_NULL, NULL, build_concat},
    {"contains", "ss", NK_T_BOOLEAN, "contains(%1, %2)", NULL},
    {"datediff", "dd", NK_T_INT, "CAST((%1 - %2) AS INTEGER)", NULL},
    {"day", "d", NK_T_INT, "CAST(day(%1) AS INTEGER)", NULL},
    {"dayofmonth", "d", NK_T_INT, "CAST(day(%1) AS INTEGER)", NULL},
    {"dayofyear", "d", NK_T_INT, "CAST(dayofyear(%1) AS INTEGER)", NULL},
    {"endswith", "ss", NK_T_BOOLEAN, "suffix(%1, %2)", NULL},
    {"floor", "*", NK_T_NULL, NULL, build_whole},
    {"greatest", "+", NK_T_NULL, NULL, build_greatest},
    {"hour", "t", NK_T_INT, "CAST(hour(%1) AS INTEGER)", NULL},
    {"if", "***", NK_T_NULL, NULL, build_if},
    {"ifnull", "**", NK_T_NULL, NULL, build_coalesce},
    {"isnan", "*", NK_T_NULL, NULL, build_isnan},
    {"isnotnull", "*", NK_T_BOOLEAN, "(%1 IS NOT NULL)", NULL},
    {"isnull", "*", NK_T_BOOLEAN, "(%1 IS NULL)", NULL},
    {"least", "+", NK_T_NULL, NULL, build_greatest},
    {"length", "s", NK_T_INT, "CAST(length(%1) AS INTEGER)", NULL},
    {"char_length", "s", NK_T_INT, "CAST(length(%1) AS INTEGER)", NULL},
    {"ltrim", "s", NK_T_STRING, "ltrim(%1, ' ')", NULL},
    {"minute", "t", NK_T_INT, "CAST(minute(%1) AS INTEGER)", NULL},
    {"month", "d", NK_T_INT, "CAST(month(%1) AS INTEGER)", NULL},
    {"nullif", "**", NK_T_NULL, NULL, build_nullif},
    {"nvl", "**", NK_T_NULL, NULL, build_coalesce},
    {"quarter", "d", NK_T_INT, "CAST(quarter(%1) AS INTEGER)", NULL},
    {"replace", "***", NK_T_NULL, NULL, build_replace},
    {"rtrim", "s", NK_T_STRING, "rtrim(%1, ' ')", NULL},
    {"second", "t", NK_T_INT, "CAST(second(%1) AS INTEGER)", NULL},
    {"sqrt", "D", NK_T_DOUBLE, "(CASE WHEN %1 < 0 THEN CAST('NaN' AS DOUBLE) ELSE sqrt(%1) END)",
     NULL},
    {"startswith", "ss", NK_T_BOOLEAN, "prefix(%1, %2)", NULL},
    {"substr", "**?*", NK_T_NULL, NULL, build_substring},
    {"substring", "**?*", NK_T_NULL, NULL, build_substring},
    {"to_date", "d", NK_T_DATE, "%1", NULL},
    {"trim", "s", NK_T_STRING, "trim(%1, ' ')", NULL},
    {"year", "d", NK_T_INT, "CAST(year(%1) AS INTEGER)", NULL},
};

/* SQL's names of aggregates and Glue's. */
static const struct {
    const char *sql, *plain, *distinct;
} aggregates[] = {
    {"avg", "avg", NULL},
    {"mean", "avg", NULL},
    {"count", "count", "countDistinct"},
    {"max", "max", "max"},
    {"min", "min", "min"},
    {"sum", "sum", "sumDistinct"},
    {"stddev", "stddev_samp", NULL},
    {"stddev_samp", "stddev_samp", NULL},
    {"stddev_pop", "stddev_pop", NULL},
    {"variance", "var_samp", NULL},
    {"var_samp", "var_samp", NULL},
    {"var_pop", "var_pop", NULL},
    {"skewness", "skewness", NULL},
    {"kurtosis", "kurtosis", NULL},
};

static const function *function_find(nk_str name)
{
    for (size_t i = 0; i < NK_COUNTOF(functions); i++)
        if (nk_str_is(name, functions[i].name))
            return &functions[i];
    return NULL;
}

static int aggregate_find(nk_str name)
{
    for (size_t i = 0; i < NK_COUNTOF(aggregates); i++)
        if (nk_str_is(name, aggregates[i].sql))
            return (int)i;
    return -1;
}

static bool arity_fits(const function *f, size_t n)
{
    const char *q = strchr(f->args, '?');
    size_t most = strlen(f->args) - (q != NULL), least = q ? (size_t)(q - f->args) : most;
    return f->args[0] == '+' ? n > 0 : n >= least && n <= most;
}

static nk_code argument(nk_sql_scope *s, const function *f, size_t i, nk_sql_value *v, nk_err *err)
{
    char as = f->args[0] == '+' ? '*' : f->args[i];
    const nk_type *t = v->type;
    bool time = t->kind == NK_T_DATE || t->kind == NK_T_TIMESTAMP;
    if ((as == 'd' || as == 't') && !time && !nk_type_is_text(t) && t->kind != NK_T_NULL)
        return UNSUPPORTED(err, "%s of a %s", f->name, nk_type_glue_name(t));
    switch (as) {
    case 's':
        return cast_to(s, v, scalar(NK_T_STRING), err);
    case 'd':
        return cast_to(s, v, scalar(NK_T_DATE), err);
    case 't':
        return cast_to(s, v, scalar(NK_T_TIMESTAMP), err);
    case 'D':
        if (!nk_type_is_number(t) && !nk_type_is_text(t))
            return UNSUPPORTED(err, "%s of a %s", f->name, nk_type_glue_name(t));
        return cast_to(s, v, scalar(NK_T_DOUBLE), err);
    default:
        return NK_OK;
    }
}

static nk_str filled(nk_compile *c, const char *x, const nk_sql_value *v)
{
    nk_buf b;
    nk_buf_init(&b, NK_SQL_MAX);
    for (; *x; x++) {
        if (*x == '%')
            (void)nk_buf_str(&b, v[*++x - '1'].x);
        else
            (void)nk_buf_putc(&b, *x);
    }
    nk_str out = nk_x_take(c, &b);
    return out;
}

static nk_code aggregate(nk_sql_scope *s, const nk_expr *e, int at, nk_sql_value *out, nk_err *err)
{
    nk_sql_scope inner = *s;
    nk_sql_value v;
    const char *name = e->distinct ? aggregates[at].distinct : aggregates[at].plain;
    inner.aggregates = false;
    if (!s->aggregates)
        return UNSUPPORTED(err, "%.*s where there are no groups", NK_STR_ARG(e->name));
    if (!name || e->nargs > 1 || (!e->nargs && !nk_str_is(e->name, "count")))
        return UNSUPPORTED(err, "%.*s with these arguments", NK_STR_ARG(e->name));
    if (!e->nargs) {
        *out = (nk_sql_value){NK_STR("count(*)"), scalar(NK_T_LONG)};
        return NK_OK;
    }
    NK_TRY(nk_sql_value_of(&inner, e->args[0], &v, err));
    bool number = nk_type_is_number(v.type) || nk_type_is_text(v.type);
    bool ordered = is_plain(v.type) && v.type->kind != NK_T_NULL;
    bool takes_all =
        !strcmp(name, "count") ||
        ((!strcmp(name, "max") || !strcmp(name, "min") || !strcmp(name, "countDistinct")) &&
         ordered);
    if (!takes_all && !number)
        return UNSUPPORTED(err, "%.*s of a %s", NK_STR_ARG(e->name), nk_type_glue_name(v.type));
    return nk_spark_aggregate(s->c, nk_str_c(name), v.type, v.x, out, err);
}

static nk_code unknown(const nk_expr *e, nk_err *err)
{
    return UNSUPPORTED(err, "the function %.*s", NK_STR_ARG(e->name));
}

static nk_code call(nk_sql_scope *s, const nk_expr *e, nk_sql_value *v, nk_sql_value *out,
                    nk_err *err)
{
    const function *f = function_find(e->name);
    if (!f || e->distinct || !arity_fits(f, e->nargs))
        return unknown(e, err);
    for (size_t i = 0; i < e->nargs; i++)
        NK_TRY(argument(s, f, i, &v[i], err));
    if (f->build)
        return f->build(s, e, v, out, err);
    out->type = scalar(f->type);
    out->x = filled(s->c, f->x, v);
    return NK_OK;
}

/* ---- any expression ---- */

static const char *const comparisons[] = {[NK_X_EQ] = "=",
                                          [NK_X_NE] = "<>",
                                          [NK_X_LT] = "<",
                                          [NK_X_LE] = "<=",
                                          [NK_X_GT] = ">",
                                          [NK_X_GE] = ">=",
                                          [NK_X_EQ_NULLSAFE] = "IS NOT DISTINCT FROM"};

static nk_code value_of_args(nk_sql_scope *s, const nk_expr *e, nk_sql_value *v, nk_sql_value *out,
                             nk_err *err)
{
    out->type = scalar(NK_T_BOOLEAN);
    switch (e->kind) {
    case NK_X_AND:
    case NK_X_OR:
    case NK_X_NOT:
        return logic(s, e, v, out, err);
    case NK_X_EQ:
    case NK_X_NE:
    case NK_X_LT:
    case NK_X_LE:
    case NK_X_GT:
    case NK_X_GE:
    case NK_X_EQ_NULLSAFE:
        return compare(s, comparisons[e->kind], v[0], v[1], &out->x, err);
    case NK_X_IN:
        return in_list(s, e, v, out, err);
    case NK_X_BETWEEN:
        return between(s, e, v, out, err);
    case NK_X_LIKE:
        return like(s, e, v, out, err);
    case NK_X_IS_NULL:
        out->x =
            nk_x_printf(s->c, "(%.*s IS %sNULL)", NK_STR_ARG(v[0].x), e->negated ? "NOT " : "");
        return NK_OK;
    case NK_X_ADD:
    case NK_X_SUB:
    case NK_X_MUL:
    case NK_X_DIV:
    case NK_X_MOD:
        return arithmetic(s, e, v, out, err);
    case NK_X_NEG:
        return negation(s, v, out, err);
    case NK_X_CONCAT:
        return build_concat(s, e, v, out, err);
    case NK_X_CASE:
        return cases(s, e, v, out, err);
    case NK_X_CALL:
        return call(s, e, v, out, err);
    case NK_X_CAST:
        if (e->negated || (nk_type_is_text(e->type) && e->type->kind != NK_T_STRING))
            return UNSUPPORTED(err, "TRY_CAST, or a cast to char or varchar");
        *out = v[0];
        return cast_to(s, out, e->type, err);
    default:
        return UNSUPPORTED(err, "%s", nk_expr_kind_name(e->kind));
    }
}

static nk_code any_value(nk_sql_scope *s, const nk_expr *e, nk_sql_value *out, nk_err *err)
{
    if (e->kind == NK_X_LITERAL)
        return literal(s, e, out, err);
    if (e->kind == NK_X_COLUMN)
        return column(s, e, out, err);
    int agg = e->kind == NK_X_CALL ? aggregate_find(e->name) : -1;
    if (agg >= 0)
        return aggregate(s, e, agg, out, err);
    nk_sql_value *v = NK_NEWN(s->c->arena, nk_sql_value, e->nargs + 1);
    if (!v)
        return nk_oom(err);
    for (size_t i = 0; i < e->nargs; i++)
        NK_TRY(nk_sql_value_of(s, e->args[i], &v[i], err));
    return value_of_args(s, e, v, out, err);
}

nk_code nk_sql_value_of(nk_sql_scope *s, const nk_expr *e, nk_sql_value *out, nk_err *err)
{
    NK_TRY(any_value(s, e, out, err));
    return out->type ? NK_OK : nk_oom(err); /* types with parameters are made */
}

nk_code nk_sql_condition(nk_sql_scope *s, const nk_expr *e, nk_str *out, nk_err *err)
{
    nk_sql_value v;
    NK_TRY(nk_sql_value_of(s, e, &v, err));
    *out = v.x;
    return v.type->kind == NK_T_BOOLEAN
               ? NK_OK
               : UNSUPPORTED(err, "a %s as a condition", nk_type_glue_name(v.type));
}

/* ---- names, and what shows without types ---- */

nk_str nk_sql_title(nk_arena *a, const nk_expr *e)
{
    static const char *const ops[] = {
        [NK_X_ADD] = "+", [NK_X_SUB] = "-", [NK_X_MUL] = "*", [NK_X_DIV] = "/", [NK_X_MOD] = "%"};
    nk_str x, y;
    if (e->kind == NK_X_COLUMN)
        return e->path[e->npath - 1];
    if (e->kind == NK_X_LITERAL && e->type->kind == NK_T_LONG)
        return nk_str_printf(a, "%lld", (long long)e->i);
    if (e->kind == NK_X_CALL && aggregate_find(e->name) >= 0) {
        x = e->nargs ? nk_sql_title(a, e->args[0]) : NK_STR("1");
        return x.p ? nk_str_printf(a, "%.*s(%s%.*s)", NK_STR_ARG(e->name),
                                   e->distinct ? "DISTINCT " : "", NK_STR_ARG(x))
                   : x;
    }
    if (e->kind < NK_X_ADD || e->kind > NK_X_MOD)
        return NK_STR_NULL;
    x = nk_sql_title(a, e->args[0]);
    y = nk_sql_title(a, e->args[1]);
    return x.p && y.p
               ? nk_str_printf(a, "(%.*s %s %.*s)", NK_STR_ARG(x), ops[e->kind], NK_STR_ARG(y))
               : NK_STR_NULL;
}

typedef struct checking {
    const nk_expr *wrong;
} checking;

static bool check_one(void *arg, const nk_expr *e)
{
    checking *k = arg;
    if (e->kind == NK_X_RLIKE ||
        (e->kind == NK_X_CALL && aggregate_find(e->name) < 0 &&
         (!function_find(e->name) || !arity_fits(function_find(e->name), e->nargs))))
        k->wrong = e;
    return !k->wrong;
}

nk_code nk_sql_check_expr(const nk_expr *e, nk_err *err)
{
    checking k = {NULL};
    (void)nk_expr_walk(e, check_one, &k);
    if (!k.wrong)
        return NK_OK;
    return k.wrong->kind == NK_X_CALL ? unknown(k.wrong, err)
                                      : UNSUPPORTED(err, "RLIKE, which goes by Java's patterns");
}
