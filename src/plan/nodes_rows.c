/* Nodes that change rows: PyFilter, Join, Aggregate, DropDuplicates, FillMissingValues,
 * DropNullFields, Union, SparkSQL. */
#include <stdio.h>
#include <stdlib.h>

#include "plan/sql_int.h"
#include "plan/visual.h"

/* Columns of the input as one struct, for row functions. */
static nk_str row_struct(nk_compile *c, const nk_type *in)
{
    nk_columns l = {0};
    for (size_t i = 0; i < in->nfields; i++)
        if (nk_columns_put(&l, c->arena, in->fields[i].name, in->fields[i].type,
                           nk_x_ident(c, in->fields[i].name), NULL) != NK_OK)
            return nk_x_failed(c);
    return nk_x_struct(c, NK_STR_NULL, &l);
}

nk_code nk_py_filter_sql(nk_compile *c, const nk_node *n, nk_buf *out, nk_err *err)
{
    const nk_type *in;
    NK_TRY(nk_input_schema(n, 0, &in, err));
    return nk_buf_printf(out, "SELECT * FROM %.*s\nWHERE py_n%zu(%.*s)",
                         NK_STR_ARG(nk_compile_input(c, n, 0)), n->id,
                         NK_STR_ARG(row_struct(c, in)));
}

/* ---- Join ---- */

typedef struct join_side {
    const nk_type *type;
    nk_path *keys;
    size_t n;
} join_side;

static nk_code join_side_read(nk_compile *c, const nk_node *n, size_t i, join_side *s, nk_err *err)
{
    const nk_json *columns = nk_json_get(n->options, "Columns"), *side = nk_json_at(columns, i);
    const nk_json *inputs = nk_json_get(n->options, "Inputs");
    nk_str id = i < (inputs ? inputs->count : 0) ? nk_json_at(inputs, i)->text : NK_STR_NULL;
    for (const nk_json *j = columns->first; id.p && j; j = j->next)
        if (nk_str_eq(nk_json_str(j, "From"), id) &&
            !nk_str_eq(nk_json_at(inputs, 0)->text, nk_json_at(inputs, 1)->text))
            side = j;
    const nk_json *keys = nk_json_get(side, "Keys");
    NK_TRY(nk_input_schema(n, i, &s->type, err));
    if (!keys || !keys->count)
        return nk_node_fail(n, err, NK_E_INVALID, "side %zu has no keys", i + 1);
    s->keys = NK_NEWN(c->arena, nk_path, keys->count);
    if (!s->keys)
        return nk_oom(err);
    for (const nk_json *k = keys->first; k; k = k->next) {
        NK_TRY(nk_path_read(k, c->arena, &s->keys[s->n], err));
        if (!nk_path_type(c->arena, s->type, &s->keys[s->n]))
            return nk_node_fail(n, err, NK_E_INVALID, "input %zu has no column %s", i + 1,
                                nk_path_text(c->arena, &s->keys[s->n]));
        s->n++;
    }
    return NK_OK;
}

static bool join_left_only(nk_str type)
{
    return nk_str_is(type, "leftsemi") || nk_str_is(type, "leftanti");
}

static nk_code join_columns(nk_compile *c, const nk_node *n, nk_columns *out, nk_err *err)
{
    const nk_type *l, *r;
    NK_TRY(nk_input_schema(n, 0, &l, err));
    NK_TRY(nk_input_schema(n, 1, &r, err));
    for (size_t i = 0; i < l->nfields; i++)
        NK_TRY(nk_columns_put(
            out, c->arena, l->fields[i].name, l->fields[i].type,
            nk_x_printf(c, "l.%.*s", NK_STR_ARG(nk_x_ident(c, l->fields[i].name))), err));
    if (join_left_only(nk_json_str(n->options, "JoinType")))
        return NK_OK;
    for (size_t i = 0; i < r->nfields; i++) {
        nk_str name = r->fields[i].name;
        while (nk_field_find(l, name) ||
               (!nk_str_eq(name, r->fields[i].name) && nk_field_find(r, name)))
            name = nk_x_printf(c, ".%.*s", NK_STR_ARG(name));
        NK_TRY(nk_columns_put(
            out, c->arena, name, r->fields[i].type,
            nk_x_printf(c, "r.%.*s", NK_STR_ARG(nk_x_ident(c, r->fields[i].name))), err));
    }
    return NK_OK;
}

nk_code nk_join_schema(nk_plan *p, const nk_node *n, nk_arena *a, const nk_type **out, nk_err *err)
{
    return nk_columns_schema(join_columns, n, a, out, err);
}

static nk_code join_key(nk_compile *c, const join_side *s, size_t i, const char *alias,
                        const nk_type *as, nk_str *out, const nk_type **type, nk_err *err)
{
    const nk_path *p = &s->keys[i];
    nk_path copy = *p;
    const nk_type *t = nk_path_type(c->arena, s->type, &copy);
    const nk_field *f = nk_field_find(s->type, p->parts[0]);
    *type = t;
    *out = nk_x_path(c, f->type, p, 1,
                     nk_x_printf(c, "%s.%.*s", alias, NK_STR_ARG(nk_x_ident(c, f->name))));
    return as && as->kind != NK_T_NULL ? nk_x_cast(c, *out, t, as, out, err) : NK_OK;
}

/* "l.a = r.b" in the type in which Spark compares them. */
static nk_code join_condition(nk_compile *c, const nk_node *n, const join_side *s, size_t i,
                              nk_buf *out, nk_err *err)
{
    const nk_type *tl, *tr, *as;
    nk_str x, y;
    NK_TRY(join_key(c, &s[0], i, "l", NULL, &x, &tl, err));
    NK_TRY(join_key(c, &s[1], i, "r", NULL, &y, &tr, err));
    as = nk_spark_compared(tl, tr);
    if (!as)
        return nk_node_fail(n, err, NK_E_INVALID,
                            "the keys %s and %s are of types that cannot be "
                            "compared: %s, %s",
                            nk_path_text(c->arena, &s[0].keys[i]),
                            nk_path_text(c->arena, &s[1].keys[i]), nk_type_glue_name(tl),
                            nk_type_glue_name(tr));
    NK_TRY(join_key(c, &s[0], i, "l", as, &x, &tl, err));
    NK_TRY(join_key(c, &s[1], i, "r", as, &y, &tr, err));
    return nk_buf_printf(out, "%s%.*s = %.*s", i ? " AND " : "", NK_STR_ARG(x), NK_STR_ARG(y));
}

nk_code nk_join_sql(nk_compile *c, const nk_node *n, nk_buf *out, nk_err *err)
{
    static const struct {
        const char *type, *sql;
    } joins[] = {{"equijoin", "JOIN"},     {"inner", "JOIN"},      {"left", "LEFT JOIN"},
                 {"right", "RIGHT JOIN"},  {"outer", "FULL JOIN"}, {"leftsemi", "SEMI JOIN"},
                 {"leftanti", "ANTI JOIN"}};
    join_side s[2] = {0};
    nk_str type = nk_json_str(n->options, "JoinType");
    const char *join = NULL;
    nk_columns l = {0};
    for (size_t i = 0; i < NK_COUNTOF(joins); i++)
        if (nk_str_is(type, joins[i].type))
            join = joins[i].sql;
    if (!join)
        return nk_node_fail(n, err, NK_E_INVALID, "unknown JoinType \"%.*s\"", NK_STR_ARG(type));
    NK_TRY(join_side_read(c, n, 0, &s[0], err));
    NK_TRY(join_side_read(c, n, 1, &s[1], err));
    if (s[0].n != s[1].n)
        return nk_node_fail(n, err, NK_E_INVALID, "both sides need the same number of keys");
    NK_TRY(join_columns(c, n, &l, err));
    nk_columns_select(c, &l, out);
    (void)nk_buf_printf(out, "\nFROM %.*s AS l %s %.*s AS r ON ",
                        NK_STR_ARG(nk_compile_input(c, n, 0)), join,
                        NK_STR_ARG(nk_compile_input(c, n, 1)));
    for (size_t i = 0; i < s[0].n; i++)
        NK_TRY(join_condition(c, n, s, i, out, err));
    return NK_OK;
}

/* ---- Aggregate ---- */

typedef enum { AGG_LONG, AGG_DOUBLE, AGG_SAME, AGG_SUM } agg_type;
/* %x the argument. Sums of integers wrap, as Spark's do; skewness and kurtosis are those of the
 * population. */
#define WRAPPED(s)                                                                                 \
    "CAST(((" s " + 9223372036854775808::HUGEINT) %% 18446744073709551616::HUGEINT + "             \
    "18446744073709551616::HUGEINT) %% 18446744073709551616::HUGEINT - "                           \
    "9223372036854775808::HUGEINT AS BIGINT)"
static const struct agg {
    const char *name, *duckdb, *title;
    agg_type type;
} aggs[] = {
    {"avg", "avg(CAST(%x AS DOUBLE))", "avg(%x)", AGG_DOUBLE},
    {"count", "count(%x)", "count(%x)", AGG_LONG},
    {"countDistinct", "count(DISTINCT %x)", "count(DISTINCT %x)", AGG_LONG},
    {"first", "first(%x)", "first(%x)", AGG_SAME},
    {"last", "last(%x)", "last(%x)", AGG_SAME},
    {"kurtosis", "spark_kurtosis(CAST(%x AS DOUBLE))", "kurtosis(%x)", AGG_DOUBLE},
    {"max", "max(%x)", "max(%x)", AGG_SAME},
    {"min", "min(%x)", "min(%x)", AGG_SAME},
    {"skewness", "spark_skewness(CAST(%x AS DOUBLE))", "skewness(%x)", AGG_DOUBLE},
    {"stddev_samp", "spark_stddev_samp(CAST(%x AS DOUBLE))", "stddev_samp(%x)", AGG_DOUBLE},
    {"stddev_pop", "spark_stddev_pop(CAST(%x AS DOUBLE))", "stddev_pop(%x)", AGG_DOUBLE},
    {"sum", "sum(%x)", "sum(%x)", AGG_SUM},
    {"sumDistinct", "sum(DISTINCT %x)", "sum(DISTINCT %x)", AGG_SUM},
    {"var_samp", "spark_var_samp(CAST(%x AS DOUBLE))", "var_samp(%x)", AGG_DOUBLE},
    {"var_pop", "spark_var_pop(CAST(%x AS DOUBLE))", "var_pop(%x)", AGG_DOUBLE},
};

static nk_str fill_in(nk_compile *c, const char *t, nk_str x)
{
    nk_buf b;
    nk_buf_init(&b, NK_SQL_MAX);
    for (; *t; t++) {
        if (t[0] == '%' && t[1] == 'x') {
            (void)nk_buf_str(&b, x);
            t++;
        } else if (t[0] == '%' && t[1] == '%') {
            (void)nk_buf_putc(&b, *++t);
        } else {
            (void)nk_buf_putc(&b, *t);
        }
    }
    nk_str s = nk_x_take(c, &b);
    return s;
}

static int at_most_38(int digits)
{
    return digits > 38 ? 38 : digits;
}

/* Sums and means of decimals: of more digits, null when those do not do. */
static nk_str decimal_aggregate(nk_compile *c, const struct agg *g, const nk_type *t, nk_str x,
                                const nk_type **result)
{
    bool mean = g->type == AGG_DOUBLE, distinct = nk_str_is(nk_str_c(g->name), "sumDistinct");
    int precision = at_most_38(t->precision + (mean ? 4 : 10));
    int scale = mean ? at_most_38(t->scale + 4) : t->scale;
    *result = nk_type_decimal(c->arena, precision, scale);
    return nk_x_printf(c,
                       "TRY_CAST(spark_decimal_%s_%d(%sCAST(%.*s AS DECIMAL(38,%d))) AS "
                       "DECIMAL(%d,%d))",
                       mean ? "avg" : "sum", t->scale, distinct ? "DISTINCT " : "", NK_STR_ARG(x),
                       t->scale, precision, scale);
}

static const struct agg *agg_find(nk_str name)
{
    for (size_t i = 0; i < NK_COUNTOF(aggs); i++)
        if (nk_str_is(name, aggs[i].name))
            return &aggs[i];
    return NULL;
}

nk_code nk_spark_aggregate(nk_compile *c, nk_str name, const nk_type *t, nk_str x,
                           nk_sql_value *out, nk_err *err)
{
    const struct agg *g = agg_find(name);
    if (!g)
        return NK_E_NOT_FOUND;
    out->type = nk_type_scalar(NK_T_LONG);
    if ((g->type == AGG_DOUBLE || g->type == AGG_SUM) && !nk_type_is_number(t)) {
        NK_TRY(nk_x_cast(c, x, t, nk_type_scalar(NK_T_DOUBLE), &x, err));
        t = nk_type_scalar(NK_T_DOUBLE);
    }
    bool real = t->kind == NK_T_DOUBLE || t->kind == NK_T_FLOAT;
    if (g->type == AGG_SUM && real)
        x = nk_x_printf(c, "CAST(%.*s AS DOUBLE)", NK_STR_ARG(x));
    out->x = fill_in(c, g->duckdb, x);
    if (t->kind == NK_T_DECIMAL && (g->type == AGG_SUM || nk_str_is(name, "avg")))
        out->x = decimal_aggregate(c, g, t, x, &out->type);
    else if (g->type == AGG_DOUBLE || (g->type == AGG_SUM && real))
        out->type = nk_type_scalar(NK_T_DOUBLE);
    else if (g->type == AGG_SAME)
        out->type = t;
    else if (g->type == AGG_SUM)
        out->x = fill_in(c, WRAPPED("%x"), out->x);
    return NK_OK;
}

static nk_code aggregate_one(nk_compile *c, const nk_node *n, const nk_type *in, const nk_json *j,
                             nk_columns *out, nk_err *err)
{
    nk_path p;
    nk_sql_value v;
    nk_str func = nk_json_str(j, "AggFunc");
    const struct agg *g = agg_find(func);
    if (!g)
        return nk_node_fail(n, err, NK_E_INVALID, "unknown AggFunc \"%.*s\"", NK_STR_ARG(func));
    NK_TRY(nk_path_read(nk_json_get(j, "Column"), c->arena, &p, err));
    const nk_type *t = nk_path_type(c->arena, in, &p);
    if (!t)
        return nk_node_fail(n, err, NK_E_INVALID, "there is no column %s",
                            nk_path_text(c->arena, &p));
    NK_TRY(nk_spark_aggregate(c, func, t, nk_x_path(c, in, &p, 0, NK_STR_NULL), &v, err));
    nk_str title = fill_in(c, g->title, nk_str_c(nk_path_text(c->arena, &p)));
    return nk_columns_put(out, c->arena, title, v.type, v.x, err);
}

static nk_code aggregate_columns(nk_compile *c, const nk_node *n, nk_columns *out, nk_err *err)
{
    const nk_type *in;
    const nk_json *groups = nk_json_get(n->options, "Groups"),
                  *list = nk_json_get(n->options, "Aggs");
    NK_TRY(nk_input_schema(n, 0, &in, err));
    for (const nk_json *j = groups ? groups->first : NULL; j; j = j->next) {
        nk_path p;
        NK_TRY(nk_path_read(j, c->arena, &p, err));
        const nk_type *t = nk_path_type(c->arena, in, &p);
        if (!t)
            return nk_node_fail(n, err, NK_E_INVALID, "there is no column %s",
                                nk_path_text(c->arena, &p));
        NK_TRY(nk_columns_put(out, c->arena, p.parts[p.n - 1], t,
                              nk_x_path(c, in, &p, 0, NK_STR_NULL), err));
    }
    for (const nk_json *j = list->first; j; j = j->next)
        NK_TRY(aggregate_one(c, n, in, j, out, err));
    return NK_OK;
}

nk_code nk_aggregate_schema(nk_plan *p, const nk_node *n, nk_arena *a, const nk_type **out,
                            nk_err *err)
{
    return nk_columns_schema(aggregate_columns, n, a, out, err);
}

nk_code nk_aggregate_sql(nk_compile *c, const nk_node *n, nk_buf *out, nk_err *err)
{
    const nk_json *groups = nk_json_get(n->options, "Groups");
    size_t k = groups ? groups->count : 0;
    NK_TRY(nk_columns_sql(aggregate_columns, c, n, out, err));
    for (size_t i = 0; i < k; i++)
        (void)nk_buf_printf(out, "%s%zu", i ? ", " : "\nGROUP BY ", i + 1);
    return NK_OK;
}

/* ---- DropDuplicates, Union ---- */

nk_code nk_distinct_sql(nk_compile *c, const nk_node *n, nk_buf *out, nk_err *err)
{
    const nk_json *columns = nk_json_get(n->options, "Columns");
    const nk_type *in;
    if (!columns || !columns->count)
        return nk_buf_printf(out, "SELECT DISTINCT * FROM %.*s",
                             NK_STR_ARG(nk_compile_input(c, n, 0)));
    NK_TRY(nk_input_schema(n, 0, &in, err));
    (void)nk_buf_puts(out, "SELECT DISTINCT ON (");
    for (const nk_json *j = columns->first; j; j = j->next) {
        nk_path p;
        NK_TRY(nk_path_read(j, c->arena, &p, err));
        if (!nk_path_type(c->arena, in, &p))
            return nk_node_fail(n, err, NK_E_INVALID, "there is no column %s",
                                nk_path_text(c->arena, &p));
        (void)nk_buf_printf(out, "%s%.*s", j == columns->first ? "" : ", ",
                            NK_STR_ARG(nk_x_path(c, in, &p, 0, NK_STR_NULL)));
    }
    return nk_buf_printf(out, ") * FROM %.*s", NK_STR_ARG(nk_compile_input(c, n, 0)));
}

/* Columns by their place, of the first input's names and of a type that both fit in: as Spark's
 * UNION, which is what AWS's own scripts run. */
static nk_code union_by_place(const nk_node *n, nk_arena *a, const nk_type *l, const nk_type *r,
                              const nk_type **out, nk_err *err)
{
    if (l->nfields != r->nfields)
        return nk_node_fail(n, err, NK_E_INVALID,
                            "one input has %zu columns, the other %zu: a union goes by their order",
                            l->nfields, r->nfields);
    nk_field *f = NK_NEWN(a, nk_field, l->nfields + 1);
    if (!f)
        return nk_oom(err);
    for (size_t i = 0; i < l->nfields; i++) {
        f[i] = (nk_field){.name = l->fields[i].name,
                          .type = nk_spark_wider(a, l->fields[i].type, r->fields[i].type)};
        if (!f[i].type)
            return nk_node_fail(
                n, err, NK_E_INVALID,
                "column %zu is %.*s of type %s in one input, %.*s of type %s in the "
                "other",
                i + 1, NK_STR_ARG(l->fields[i].name), nk_type_glue_name(l->fields[i].type),
                NK_STR_ARG(r->fields[i].name), nk_type_glue_name(r->fields[i].type));
    }
    *out = nk_type_struct(a, f, l->nfields);
    return *out ? NK_OK : nk_oom(err);
}

static bool union_by_name(const nk_node *n)
{
    return nk_json_bool(n->options, "ByName", false);
}

/* ByName, as DynamicFrames are united: the first input's columns, then what only the second has;
 * a column of two types becomes a choice. */
static nk_code union_type(const nk_node *n, nk_arena *a, const nk_type **out, nk_err *err)
{
    const nk_type *l, *r;
    NK_TRY(nk_input_schema(n, 0, &l, err));
    NK_TRY(nk_input_schema(n, 1, &r, err));
    if (!union_by_name(n))
        return union_by_place(n, a, l, r, out, err);
    nk_field *f = NK_NEWN(a, nk_field, l->nfields + r->nfields + 1);
    size_t k = 0;
    if (!f)
        return nk_oom(err);
    for (size_t i = 0; i < l->nfields; i++) {
        const nk_field *o = nk_field_find(r, l->fields[i].name);
        f[k] = (nk_field){.name = l->fields[i].name, .type = l->fields[i].type};
        if (o && !nk_type_eq(o->type, f[k].type) &&
            !(nk_type_is_text(o->type) && nk_type_is_text(f[k].type)))
            NK_TRY(nk_type_merge(l->fields[i].type, o->type, NK_MERGE_CHOICE, a, &f[k].type, err));
        k++;
    }
    for (size_t i = 0; i < r->nfields; i++)
        if (!nk_field_find(l, r->fields[i].name))
            f[k++] = (nk_field){.name = r->fields[i].name, .type = r->fields[i].type};
    *out = nk_type_struct(a, f, k);
    return *out ? NK_OK : nk_oom(err);
}

nk_code nk_union_schema(nk_plan *p, const nk_node *n, nk_arena *a, const nk_type **out, nk_err *err)
{
    return union_type(n, a, out, err);
}

/* x of type from inside the wider type to: into its alternative, or member by member. */
static nk_code widen(nk_compile *c, nk_str x, const nk_type *from, const nk_type *to, nk_str *out,
                     nk_err *err)
{
    if (to->kind != NK_T_CHOICE || from->kind == NK_T_CHOICE)
        if (to->kind != NK_T_CHOICE)
            return nk_x_cast(c, x, from, to, out, err);
    nk_columns l = {0};
    for (size_t i = 0; i < to->nfields; i++) {
        nk_str v = NK_STR_NULL;
        const nk_type *t = to->fields[i].type;
        if (from->kind == NK_T_CHOICE) {
            const nk_field *f = nk_type_field(from, to->fields[i].name);
            if (f)
                NK_TRY(nk_x_cast(c, nk_x_field(c, x, f->name), f->type, t, &v, err));
        } else if (nk_str_is(to->fields[i].name, nk_type_glue_name(from))) {
            NK_TRY(nk_x_cast(c, x, from, t, &v, err));
        }
        if (!v.p)
            NK_TRY(nk_x_cast(c, NK_STR("NULL"), nk_type_scalar(NK_T_NULL), t, &v, err));
        NK_TRY(nk_columns_put(&l, c->arena, to->fields[i].name, t, v, err));
    }
    *out = nk_x_struct(c, x, &l);
    return NK_OK;
}

nk_code nk_union_sql(nk_compile *c, const nk_node *n, nk_buf *out, nk_err *err)
{
    const nk_type *to;
    bool distinct = nk_str_is(nk_json_str(n->options, "UnionType"), "DISTINCT");
    NK_TRY(union_type(n, c->arena, &to, err));
    for (size_t i = 0; i < 2; i++) {
        const nk_type *in;
        nk_columns l = {0};
        NK_TRY(nk_input_schema(n, i, &in, err));
        for (size_t k = 0; k < to->nfields; k++) {
            const nk_field *f =
                union_by_name(n) ? nk_field_find(in, to->fields[k].name) : &in->fields[k];
            nk_str x = NK_STR("NULL");
            NK_TRY(widen(c, f ? nk_x_ident(c, f->name) : x, f ? f->type : nk_type_scalar(NK_T_NULL),
                         to->fields[k].type, &x, err));
            NK_TRY(nk_columns_put(&l, c->arena, to->fields[k].name, to->fields[k].type, x, err));
        }
        if (i)
            (void)nk_buf_puts(out, distinct ? "\nUNION\n" : "\nUNION ALL\n");
        nk_columns_select(c, &l, out);
        (void)nk_buf_printf(out, "\nFROM %.*s", NK_STR_ARG(nk_compile_input(c, n, i)));
    }
    return NK_OK;
}

/* ---- SampleRows ---- */

nk_code nk_sample_sql(nk_compile *c, const nk_node *n, nk_buf *out, nk_err *err)
{
    const nk_json *prob = nk_json_get(n->options, "Prob"), *topk = nk_json_get(n->options, "Topk");
    bool has_prob = !nk_json_is_null(prob), has_topk = !nk_json_is_null(topk);
    int64_t k = nk_json_i64(n->options, "Topk", has_prob ? -1 : 10);
    double p = 0;
    if (has_prob && (!nk_str_f64(prob->text, &p) || !(p >= 0 && p <= 1)))
        return nk_node_fail(n, err, NK_E_INVALID, "Prob must be a number from 0 to 1");
    if (has_topk && k < 0)
        return nk_node_fail(n, err, NK_E_INVALID, "Topk must be a number from 0 on");
    (void)nk_buf_printf(out, "SELECT * FROM %.*s", NK_STR_ARG(nk_compile_input(c, n, 0)));
    if (has_prob)
        (void)nk_buf_printf(out, " WHERE random() < %.17g", p);
    if (k >= 0)
        (void)nk_buf_printf(out, " LIMIT %lld", (long long)k);
    return NK_OK;
}

/* ---- FillMissingValues ---- */

static nk_code fill_columns(nk_compile *c, const nk_node *n, nk_columns *out, nk_err *err)
{
    const nk_type *in;
    nk_path p;
    NK_TRY(nk_input_schema(n, 0, &in, err));
    NK_TRY(nk_path_read(nk_json_get(n->options, "ImputedPath"), c->arena, &p, err));
    const nk_type *t = nk_path_type(c->arena, in, &p);
    if (!t)
        return nk_node_fail(n, err, NK_E_INVALID, "there is no column %s",
                            nk_path_text(c->arena, &p));
    for (size_t i = 0; i < in->nfields; i++)
        NK_TRY(nk_columns_put(out, c->arena, in->fields[i].name, in->fields[i].type,
                              nk_x_ident(c, in->fields[i].name), err));
    nk_str x = nk_x_path(c, in, &p, 0, NK_STR_NULL), name = nk_json_str(n->options, "FilledPath"),
           y;
    if (!name.n)
        name = nk_x_printf(c, "%.*s_filled", NK_STR_ARG(p.parts[p.n - 1]));
    nk_str from = nk_x_printf(c, "(SELECT %.*s AS v FROM %.*s)", NK_STR_ARG(x),
                              NK_STR_ARG(nk_compile_input(c, n, 0)));
    if (nk_type_is_number(t)) {
        y = nk_x_printf(c, "(SELECT avg(v) FROM %.*s AS f WHERE NOT isnan(CAST(v AS DOUBLE)))",
                        NK_STR_ARG(from));
        if (t->kind != NK_T_DOUBLE)
            NK_TRY(nk_x_cast(c, nk_x_printf(c, "round(%.*s)", NK_STR_ARG(y)),
                             nk_type_scalar(NK_T_DOUBLE), t, &y, err));
    } else {
        /* of equally frequent ones the smallest, so that runs agree */
        y = nk_x_printf(c,
                        "(SELECT v FROM %.*s AS f WHERE v IS NOT NULL%s GROUP BY v ORDER BY "
                        "count(*) DESC, v LIMIT 1)",
                        NK_STR_ARG(from), nk_type_is_text(t) ? " AND v <> ''" : "");
    }
    nk_str missing = nk_type_is_text(t) ? nk_x_printf(c, "NULLIF(%.*s, '')", NK_STR_ARG(x)) : x;
    return nk_columns_put(
        out, c->arena, name, t,
        nk_x_printf(c, "COALESCE(%.*s, %.*s)", NK_STR_ARG(missing), NK_STR_ARG(y)), err);
}
NK_COLUMNS_NODE(nk_fill, fill_columns)

/* ---- DropNullFields ---- */

/* The condition under which a value counts as null. */
static nk_str null_test(nk_compile *c, const nk_visual_nulls *nulls, const nk_type *t, nk_str x)
{
    nk_buf b;
    bool text = nk_type_is_text(t), number = nk_type_is_number(t);
    const nk_strs *list = text ? &nulls->texts : &nulls->numbers;
    nk_buf_init(&b, NK_SQL_MAX);
    (void)nk_buf_printf(&b, "%.*s IS NULL", NK_STR_ARG(x));
    for (size_t i = 0; (text || number) && i < list->n; i++) {
        nk_str v = nk_x_literal(c, list->v[i]);
        (void)nk_buf_printf(&b,
                            text ? " OR trim(%.*s, ' ') = %.*s"
                                 : " OR CAST(%.*s AS DOUBLE) = CAST(%.*s AS DOUBLE)",
                            NK_STR_ARG(x), NK_STR_ARG(v));
    }
    nk_str s = nk_x_take(c, &b);
    return s;
}

static nk_code drop_null_columns(nk_compile *c, const nk_node *n, nk_columns *out, nk_err *err)
{
    const nk_type *in;
    nk_plan *p = n->plan;
    nk_visual_nulls nulls;
    nk_buf b;
    nk_str *values;
    size_t rows, columns;
    NK_TRY(nk_input_schema(n, 0, &in, err));
    NK_TRY(nk_visual_nulls_read(n->options, c->arena, &nulls, err));
    if (!p->host.probe)
        return nk_node_fail(n, err, NK_E_UNSUPPORTED, "data cannot be looked at here");
    nk_buf_init(&b, NK_SQL_MAX);
    (void)nk_buf_puts(&b, "SELECT ");
    for (size_t i = 0; i < in->nfields; i++) {
        nk_str test = null_test(c, &nulls, in->fields[i].type, nk_x_ident(c, in->fields[i].name));
        (void)nk_buf_printf(&b, "%sCAST(bool_and(%.*s) AS INTEGER)", i ? ", " : "",
                            NK_STR_ARG(test));
    }
    (void)nk_buf_puts(&b, " FROM (\n");
    nk_code rc = nk_plan_sql(n->inputs[0], nk_dialect_duckdb(), &b, err);
    (void)nk_buf_puts(&b, ")");
    if (rc == NK_OK)
        rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = p->host.probe(p->host.arg, nk_buf_view(&b), c->arena, &values, &rows, &columns, err);
    nk_buf_free(&b);
    NK_TRY(rc);
    for (size_t i = 0; i < in->nfields; i++)
        if (rows != 1 || !values[i].p || !nk_str_is(values[i], "1"))
            NK_TRY(nk_columns_put(out, c->arena, in->fields[i].name, in->fields[i].type,
                                  nk_x_ident(c, in->fields[i].name), err));
    return NK_OK;
}

/* The probe runs once: the statement goes by the schema it gave. */
nk_code nk_drop_null_schema(nk_plan *p, const nk_node *n, nk_arena *a, const nk_type **out,
                            nk_err *err)
{
    return nk_columns_schema(drop_null_columns, n, a, out, err);
}

nk_code nk_drop_null_sql(nk_compile *c, const nk_node *n, nk_buf *out, nk_err *err)
{
    const nk_type *t;
    nk_columns l = {0};
    NK_TRY(nk_node_schema(n, n->plan->exact, &t, err));
    for (size_t i = 0; i < t->nfields; i++)
        NK_TRY(nk_columns_put(&l, c->arena, t->fields[i].name, t->fields[i].type,
                              nk_x_ident(c, t->fields[i].name), err));
    nk_columns_select(c, &l, out);
    return nk_buf_printf(out, "\nFROM %.*s", NK_STR_ARG(nk_compile_input(c, n, 0)));
}
