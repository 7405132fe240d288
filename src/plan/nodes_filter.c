/* Filter: conditions on columns. The script says them in Python (`matches`, `compares`, `fits` of
 * codegen.c), so their meaning is one that both can have:
 * - nothing holds of null or NaN, nor between kinds of values (a number and a text); a choice is
 *   compared by each of its types;
 * - a constant is read as the column's type, and holds of nothing when it is none of that type;
 * - numbers compare exactly, or as doubles when one of them is a float or a double;
 * - a pattern is Python's, matches from a text's start, and matches nothing else than texts. */
#include <stdio.h>
#include <stdlib.h>

#include "plan/expr.h"
#include "plan/plan_int.h"
#include "plan/regex.h"

typedef enum { KIND_NONE, KIND_BOOL, KIND_NUMBER, KIND_TIME, KIND_TEXT } value_kind;

static value_kind kind_of(const nk_type *t)
{
    if (t->kind == NK_T_BOOLEAN)
        return KIND_BOOL;
    if (nk_type_is_number(t))
        return KIND_NUMBER;
    if (t->kind == NK_T_DATE || t->kind == NK_T_TIMESTAMP)
        return KIND_TIME;
    return nk_type_is_text(t) ? KIND_TEXT : KIND_NONE;
}

static bool is_real(const nk_type *t)
{
    return t->kind == NK_T_FLOAT || t->kind == NK_T_DOUBLE;
}

/* ---- columns ---- */

typedef struct operand {
    const nk_type *type;
    nk_str x;
} operand;

static nk_code column(nk_compile *c, const nk_node *n, const nk_type *in, const nk_json *value,
                      operand *out, nk_err *err)
{
    nk_path p;
    NK_TRY(nk_path_read(nk_json_get(value, "Value"), c->arena, &p, err));
    out->type = nk_path_type(c->arena, in, &p);
    if (!out->type)
        return nk_node_fail(n, err, NK_E_INVALID, "there is no column %s",
                            nk_path_text(c->arena, &p));
    const nk_type *t = in;
    for (size_t i = 0; i + 1 < p.n; i++) {
        const nk_field *f = nk_field_find(t, p.parts[i]);
        t = f ? f->type : out->type;
        if (t->kind != NK_T_STRUCT)
            return nk_node_fail(n, err, NK_E_UNSUPPORTED,
                                "%s is inside a %s: a condition needs one value",
                                nk_path_text(c->arena, &p), nk_type_glue_name(t));
    }
    out->x = nk_x_path(c, in, &p, 0, NK_STR_NULL);
    return NK_OK;
}

/* ---- numbers ---- */

/* " -12.50e3 ": what both Python's Decimal and this file read as a number. */
typedef struct number {
    bool negative;
    char digits[2200]; /* without leading zeroes; "" is zero */
    size_t n;
    long exponent; /* of the last digit */
} number;

static bool read_digits(nk_str s, size_t *i, number *o, bool fraction)
{
    size_t from = *i;
    for (; *i < s.n && s.p[*i] >= '0' && s.p[*i] <= '9'; ++*i) {
        if (o->n || s.p[*i] != '0') {
            if (o->n == 1000)
                return false;
            o->digits[o->n++] = s.p[*i];
        }
        o->exponent -= fraction;
    }
    return *i > from;
}

static bool read_number(nk_str s, number *o)
{
    size_t i = 0;
    *o = (number){0};
    while (s.n && s.p[0] == ' ')
        s = nk_str_sub(s, 1, s.n);
    while (s.n && s.p[s.n - 1] == ' ')
        s = nk_str_sub(s, 0, s.n - 1);
    if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
        o->negative = s.p[i++] == '-';
    bool some = read_digits(s, &i, o, false);
    if (i < s.n && s.p[i] == '.') {
        i++;
        some = read_digits(s, &i, o, true) || some;
    }
    if (some && i < s.n && (s.p[i] | 0x20) == 'e') {
        bool minus = ++i < s.n && s.p[i] == '-';
        i += i < s.n && (s.p[i] == '-' || s.p[i] == '+');
        size_t from = i;
        long e = 0;
        for (; i < s.n && i < from + 3 && s.p[i] >= '0' && s.p[i] <= '9'; i++)
            e = e * 10 + (s.p[i] - '0');
        o->exponent += minus ? -e : e;
        some = i > from;
    }
    return some && i == s.n;
}

/* The whole part of number * 10^scale; false: there was a fraction, too. */
static bool scaled(number *v, int scale)
{
    bool exact = true;
    long e = v->exponent + scale;
    for (; v->n && e > 0 && v->n < 1100; e--)
        v->digits[v->n++] = '0';
    for (; v->n && e < 0; e++)
        exact = v->digits[--v->n] == '0' && exact;
    return exact;
}

/* The operator that says the same of the whole part as op of the number: x < 1.5 is x <= 1. */
static const char *whole_op(const char *op, bool negative)
{
    if (op[0] == '=')
        return NULL;
    if (op[0] == '<')
        return negative ? "<" : "<=";
    return negative ? ">=" : ">";
}

static bool fits(const nk_type *t, const number *v)
{
    char text[32];
    int64_t i;
    if (t->kind == NK_T_DECIMAL || v->n > 19 || !v->n)
        return v->n <= (t->kind == NK_T_DECIMAL ? (size_t)t->precision : 19);
    snprintf(text, sizeof text, "%s%.*s", v->negative ? "-" : "", (int)v->n, v->digits);
    return nk_str_i64(nk_str_c(text), &i);
}

/* x op number, where x is an integer or a decimal: exactly, and of x's own type, so that files can
 * be left out. */
static nk_str exact_compare(nk_compile *c, const operand *x, const char *op, number *v)
{
    int scale = x->type->kind == NK_T_DECIMAL ? x->type->scale : 0;
    if (!scaled(v, scale) && !(op = whole_op(op, v->negative)))
        return NK_STR("FALSE");
    if (!fits(x->type, v)) { /* beyond all values of the type */
        bool less = op[0] == '<';
        return less != v->negative && op[0] != '='
                   ? nk_x_printf(c, "%.*s IS NOT NULL", NK_STR_ARG(x->x))
                   : NK_STR("FALSE");
    }
    const char *sign = v->negative && v->n ? "-" : "";
    if (!scale && x->type->kind != NK_T_DECIMAL)
        return nk_x_printf(c, "%.*s %s (%s%.*s)", NK_STR_ARG(x->x), op, sign, v->n ? (int)v->n : 1,
                           v->n ? v->digits : "0");
    char text[64] = {0};
    size_t pad = v->n <= (size_t)scale ? (size_t)scale + 1 - v->n : 0;
    memset(text, '0', pad);
    memcpy(text + pad, v->digits, v->n);
    int whole = (int)(pad + v->n) - scale;
    return nk_x_printf(c, "%.*s %s CAST('%s%.*s%s%s' AS DECIMAL(%d,%d))", NK_STR_ARG(x->x), op,
                       sign, whole, text, scale ? "." : "", text + whole, x->type->precision,
                       scale);
}

static nk_str not_nan(nk_compile *c, nk_str cond, const operand *x)
{
    return is_real(x->type)
               ? nk_x_printf(c, "%.*s AND NOT isnan(%.*s)", NK_STR_ARG(cond), NK_STR_ARG(x->x))
               : cond;
}

static nk_code number_compare(nk_compile *c, const operand *x, const char *op, nk_str text,
                              nk_str *out)
{
    number v;
    *out = NK_STR("FALSE");
    if (!read_number(text, &v))
        return NK_OK;
    if (!is_real(x->type)) {
        *out = exact_compare(c, x, op, &v);
        return NK_OK;
    }
    nk_str s = nk_str_printf(c->arena, "%.*s", NK_STR_ARG(nk_str_trim(text)));
    if (!s.p) {
        *out = nk_x_failed(c);
        return NK_OK;
    }
    double d = strtod(s.p, NULL);
    *out = nk_x_printf(c,
                       d - d != 0 ? "CAST(%.*s AS DOUBLE) %s CAST('%g' AS DOUBLE)"
                                  : "CAST(%.*s AS DOUBLE) %s CAST('%.17g' AS DOUBLE)",
                       NK_STR_ARG(x->x), op, d);
    *out = not_nan(c, *out, x);
    return NK_OK;
}

/* ---- other constants ---- */

/* "2020-02-29", with_time: also "2020-02-29 12:00:00" and six digits more, 'T' for the blank. */
static bool is_iso(nk_str s, bool with_time)
{
    static const char form[] = "0000-00-00 00:00:00.000000";
    int64_t v;
    if (s.n != 10 && !(with_time && (s.n == 19 || s.n == 26)))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        bool digit = s.p[i] >= '0' && s.p[i] <= '9';
        if (form[i] == '0' ? !digit : s.p[i] != form[i] && !(i == 10 && s.p[i] == 'T'))
            return false;
    }
    if (nk_str_starts(s, NK_STR("0000")))
        return false;
    return s.n == 10 ? nk_date_parse(s, &v) : nk_timestamp_parse(s, &v);
}

static nk_str time_compare(nk_compile *c, const operand *x, const char *op, nk_str text)
{
    bool moment = x->type->kind == NK_T_TIMESTAMP;
    if (!is_iso(text, moment))
        return NK_STR("FALSE");
    return nk_x_printf(c, "%.*s %s CAST(%.*s AS %s)", NK_STR_ARG(x->x), op,
                       NK_STR_ARG(nk_x_literal(c, text)), moment ? "TIMESTAMP" : "DATE");
}

static nk_code constant_compare(nk_compile *c, const operand *x, const char *op, nk_str text,
                                nk_str *out)
{
    bool yes = nk_str_ieq(text, NK_STR("true"));
    *out = NK_STR("FALSE");
    switch (kind_of(x->type)) {
    case KIND_NUMBER:
        return number_compare(c, x, op, text, out);
    case KIND_TIME:
        *out = time_compare(c, x, op, text);
        return NK_OK;
    case KIND_TEXT:
        *out =
            nk_x_printf(c, "%.*s %s %.*s", NK_STR_ARG(x->x), op, NK_STR_ARG(nk_x_literal(c, text)));
        return NK_OK;
    case KIND_BOOL:
        if (yes || nk_str_ieq(text, NK_STR("false")))
            *out = nk_x_printf(c, "%.*s %s %s", NK_STR_ARG(x->x), op, yes ? "TRUE" : "FALSE");
        return NK_OK;
    case KIND_NONE:
        break;
    }
    return NK_OK;
}

/* ---- two columns ---- */

static int scale_of(const nk_type *t)
{
    return t->kind == NK_T_DECIMAL ? t->scale : 0;
}

static int whole_digits(const nk_type *t)
{
    static const int digits[] = {
        [NK_T_BYTE] = 3, [NK_T_SHORT] = 5, [NK_T_INT] = 10, [NK_T_LONG] = 19};
    return t->kind == NK_T_DECIMAL ? t->precision - t->scale : digits[t->kind];
}

static nk_code cast_both(nk_compile *c, operand *x, operand *y, const nk_type *to, nk_err *err)
{
    NK_TRY(nk_x_cast(c, x->x, x->type, to, &x->x, err));
    return nk_x_cast(c, y->x, y->type, to, &y->x, err);
}

static nk_code column_compare(nk_compile *c, const nk_node *n, operand x, const char *op, operand y,
                              nk_str *out, nk_err *err)
{
    *out = NK_STR("FALSE");
    if (kind_of(x.type) == KIND_NONE || kind_of(x.type) != kind_of(y.type))
        return NK_OK;
    operand a = x, b = y;
    if (is_real(x.type) || is_real(y.type)) {
        NK_TRY(cast_both(c, &a, &b, nk_type_scalar(NK_T_DOUBLE), err));
    } else if (x.type->kind == NK_T_DECIMAL || y.type->kind == NK_T_DECIMAL) {
        int scale = scale_of(x.type) > scale_of(y.type) ? scale_of(x.type) : scale_of(y.type);
        int whole = whole_digits(x.type) > whole_digits(y.type) ? whole_digits(x.type)
                                                                : whole_digits(y.type);
        if (scale + whole > 38)
            return nk_node_fail(n, err, NK_E_UNSUPPORTED,
                                "two decimals of more than 38 digits together are compared");
        NK_TRY(cast_both(c, &a, &b, nk_type_decimal(c->arena, scale + whole, scale), err));
    } else if (x.type->kind != y.type->kind && kind_of(x.type) == KIND_TIME) {
        NK_TRY(cast_both(c, &a, &b, nk_type_scalar(NK_T_TIMESTAMP), err));
    }
    *out = nk_x_printf(c, "%.*s %s %.*s", NK_STR_ARG(a.x), op, NK_STR_ARG(b.x));
    *out = not_nan(c, not_nan(c, *out, &x), &y);
    return NK_OK;
}

/* ---- one condition ---- */

static nk_str constant_text(const nk_json *value)
{
    const nk_json *v = nk_json_get(value, "Value");
    if (v && v->kind == NK_JSON_ARRAY)
        v = v->first;
    return v ? v->text : NK_STR_NULL;
}

typedef struct condition {
    const nk_node *node;
    const char *op; /* NULL: a pattern */
    nk_str text;    /* the constant, or RE2's pattern; p NULL: other */
    const operand *other;
} condition;

static nk_code holds(nk_compile *c, const condition *q, operand x, const operand *other,
                     nk_str *out, nk_err *err);

/* Of a choice by each of its types: one of them holds the value. */
static nk_code holds_of_any(nk_compile *c, const condition *q, operand x, const operand *other,
                            bool split_other, nk_str *out, nk_err *err)
{
    operand whole = split_other ? *other : x;
    nk_buf b;
    nk_code rc = NK_OK;
    nk_buf_init(&b, NK_SQL_MAX);
    for (size_t i = 0; rc == NK_OK && i < whole.type->nfields; i++) {
        const nk_field *f = &whole.type->fields[i];
        operand one = {f->type, nk_x_field(c, whole.x, f->name)};
        nk_str cond;
        rc = holds(c, q, split_other ? x : one, split_other ? &one : other, &cond, err);
        if (rc == NK_OK)
            (void)nk_buf_printf(&b, "%sCOALESCE(%.*s, FALSE)", i ? " OR " : "(", NK_STR_ARG(cond));
    }
    (void)nk_buf_puts(&b, whole.type->nfields ? ")" : "FALSE");
    *out = nk_x_take(c, &b);
    return rc;
}

static nk_code holds(nk_compile *c, const condition *q, operand x, const operand *other,
                     nk_str *out, nk_err *err)
{
    if (x.type->kind == NK_T_CHOICE)
        return holds_of_any(c, q, x, other, false, out, err);
    if (other && other->type->kind == NK_T_CHOICE)
        return holds_of_any(c, q, x, other, true, out, err);
    if (other)
        return column_compare(c, q->node, x, q->op, *other, out, err);
    if (q->op)
        return constant_compare(c, &x, q->op, q->text, out);
    *out = nk_type_is_text(x.type) ? nk_x_printf(c, "regexp_matches(%.*s, %.*s)", NK_STR_ARG(x.x),
                                                 NK_STR_ARG(nk_x_literal(c, q->text)))
                                   : NK_STR("FALSE");
    return NK_OK;
}

static const struct {
    const char *name, *op;
} ops[] = {{"EQ", "="}, {"LT", "<"}, {"GT", ">"}, {"LTE", "<="}, {"GTE", ">="}, {"REGEX", NULL}};

static nk_code condition_read(nk_compile *c, const nk_node *n, const nk_type *in, const nk_json *f,
                              operand *other, condition *q, nk_err *err)
{
    nk_str name = nk_json_str(f, "Operation");
    const nk_json *second = nk_json_at(nk_json_get(f, "Values"), 1);
    size_t i = 0;
    while (i < NK_COUNTOF(ops) && !nk_str_is(name, ops[i].name))
        i++;
    if (i == NK_COUNTOF(ops))
        return nk_node_fail(n, err, NK_E_INVALID, "unknown filter operation \"%.*s\"",
                            NK_STR_ARG(name));
    *q = (condition){.node = n, .op = ops[i].op, .text = constant_text(second)};
    if (!q->text.p)
        return nk_node_fail(n, err, NK_E_INVALID, "a filter needs a second value");
    if (nk_str_is(nk_json_str(second, "Type"), "COLUMNEXTRACTED")) {
        if (!q->op)
            return nk_node_fail(n, err, NK_E_UNSUPPORTED, "a pattern is a constant, not a column");
        q->other = other;
        return column(c, n, in, second, other, err);
    }
    if (q->op)
        return NK_OK;
    nk_code rc = nk_regex_python(q->text, c->arena, &q->text, err);
    if (rc != NK_OK)
        (void)nk_node_wrap(n, err);
    return rc;
}

static nk_code filter_one(nk_compile *c, const nk_node *n, const nk_type *in, const nk_json *f,
                          nk_buf *b, nk_err *err)
{
    operand x, other;
    condition q;
    nk_str cond;
    const nk_json *first = nk_json_at(nk_json_get(f, "Values"), 0);
    if (!nk_str_is(nk_json_str(first, "Type"), "COLUMNEXTRACTED"))
        return nk_node_fail(n, err, NK_E_INVALID, "a filter's first value must be a column");
    NK_TRY(column(c, n, in, first, &x, err));
    if (nk_str_is(nk_json_str(f, "Operation"), "ISNULL")) {
        cond = nk_x_printf(c, "%.*s IS NULL", NK_STR_ARG(x.x));
    } else {
        NK_TRY(condition_read(c, n, in, f, &other, &q, err));
        NK_TRY(holds(c, &q, x, q.other, &cond, err));
    }
    return nk_buf_printf(b, "%sCOALESCE(%.*s, FALSE)",
                         nk_json_bool(f, "Negated", false) ? "NOT " : "", NK_STR_ARG(cond));
}

nk_code nk_filter_sql(nk_compile *c, const nk_node *n, nk_buf *out, nk_err *err)
{
    const nk_type *in;
    const nk_json *filters = nk_json_get(n->options, "Filters");
    nk_str logic = nk_json_str(n->options, "LogicalOperator");
    bool any = nk_str_is(logic, "OR");
    if (!any && !nk_str_is(logic, "AND"))
        return nk_node_fail(n, err, NK_E_INVALID, "LogicalOperator must be AND or OR");
    if (!filters || !filters->count)
        return nk_node_fail(n, err, NK_E_INVALID, "there are no Filters");
    NK_TRY(nk_input_schema(n, 0, &in, err));
    (void)nk_buf_printf(out, "SELECT * FROM %.*s\nWHERE ", NK_STR_ARG(nk_compile_input(c, n, 0)));
    for (const nk_json *f = filters->first; f; f = f->next) {
        if (f != filters->first)
            (void)nk_buf_puts(out, any ? "\n  OR " : "\n  AND ");
        NK_TRY(filter_one(c, n, in, f, out, err));
    }
    return NK_OK;
}

nk_code nk_filter_check(const nk_node *n, nk_err *err)
{
    const nk_json *filters = nk_json_get(n->options, "Filters");
    for (const nk_json *f = filters ? filters->first : NULL; f; f = f->next) {
        nk_str text = constant_text(nk_json_at(nk_json_get(f, "Values"), 1)), pattern;
        if (!nk_str_is(nk_json_str(f, "Operation"), "REGEX") || !text.p)
            continue;
        nk_code rc = nk_regex_python(text, n->plan->arena, &pattern, err);
        if (rc != NK_OK) {
            (void)nk_node_wrap(n, err);
            return rc;
        }
    }
    return NK_OK;
}
