/* SparkSQL: a query text over the inputs. The part of Spark SQL that sql_parse.c reads and
 * sql_values.c types runs on the embedded engine, with Spark's meaning; the rest is refused by
 * name, and the job then runs as its script, where Spark itself reads the text. */
#include "plan/sql_int.h"

typedef struct builder {
    nk_compile *c;
    const nk_node *node;
    nk_str text;
    nk_sql_relations views; /* by name: inputs and WITH */
    unsigned names;         /* of tables in the statement */
} builder;

static nk_code build_query(builder *b, const nk_sql_query *q, nk_str *out, const nk_type **type,
                           nk_err *err);

static nk_code relation(builder *b, const nk_sql_rel *rel, nk_buf *sql, nk_sql_relation *out,
                        nk_err *err)
{
    nk_str x = NK_STR_NULL;
    out->type = NULL;
    out->x = nk_x_printf(b->c, "t%u", ++b->names);
    out->alias = rel->alias.p ? rel->alias : rel->name;
    if (rel->query) {
        NK_TRY(build_query(b, rel->query, &x, &out->type, err));
        x = nk_x_printf(b->c, "(%.*s)", NK_STR_ARG(x));
    }
    for (size_t i = b->views.n; !rel->query && !out->type && i > 0; i--)
        if (nk_str_ieq(b->views.v[i - 1].alias, rel->name)) {
            out->type = b->views.v[i - 1].type;
            x = b->views.v[i - 1].x;
        }
    if (!out->type)
        return nk_fail(err, NK_E_UNSUPPORTED, "there is no alias %.*s", NK_STR_ARG(rel->name));
    return nk_buf_printf(sql, "%.*s AS %.*s", NK_STR_ARG(x), NK_STR_ARG(out->x));
}

static nk_code from(builder *b, const nk_sql_select *s, nk_sql_scope *scope, nk_buf *sql,
                    nk_err *err)
{
    static const char *const joins[] = {
        [NK_SQL_FIRST] = "\nFROM ",    [NK_SQL_INNER] = " JOIN ",
        [NK_SQL_LEFT] = " LEFT JOIN ", [NK_SQL_RIGHT] = " RIGHT JOIN ",
        [NK_SQL_FULL] = " FULL JOIN ", [NK_SQL_SEMI] = " SEMI JOIN ",
        [NK_SQL_ANTI] = " ANTI JOIN ", [NK_SQL_CROSS] = " CROSS JOIN "};
    for (size_t i = 0; i < s->rels.n; i++) {
        const nk_sql_rel *rel = &s->rels.v[i];
        nk_sql_relation *r = nk_sql_relations_add(&scope->rels, b->c->arena);
        nk_str on;
        if (!r)
            return nk_oom(err);
        (void)nk_buf_puts(sql, joins[rel->join]);
        NK_TRY(relation(b, rel, sql, r, err));
        if (rel->on) {
            NK_TRY(nk_sql_condition(scope, rel->on, &on, err));
            (void)nk_buf_printf(sql, " ON %.*s", NK_STR_ARG(on));
        }
        if (rel->join == NK_SQL_SEMI || rel->join == NK_SQL_ANTI)
            scope->rels.n--; /* its columns do not go on */
    }
    return NK_OK;
}

static nk_code star(builder *b, nk_sql_scope *scope, nk_str of, nk_columns *l, nk_err *err)
{
    size_t hits = 0;
    for (size_t i = 0; i < scope->rels.n; i++) {
        const nk_sql_relation *r = &scope->rels.v[i];
        if (of.p && !nk_str_ieq(r->alias, of))
            continue;
        hits++;
        for (size_t k = 0; k < r->type->nfields; k++) {
            const nk_field *f = &r->type->fields[k];
            NK_TRY(nk_columns_put(l, b->c->arena, f->name, f->type,
                                  nk_x_printf(b->c, "%.*s.%.*s", NK_STR_ARG(r->x),
                                              NK_STR_ARG(nk_x_ident(b->c, f->name))),
                                  err));
        }
    }
    return hits == 1 || (!of.p && hits)
               ? NK_OK
               : nk_fail(err, NK_E_UNSUPPORTED, "there is no alias %.*s", NK_STR_ARG(of));
}

static nk_code items(builder *b, const nk_sql_select *s, nk_sql_scope *scope, nk_columns *l,
                     nk_err *err)
{
    for (size_t i = 0; i < s->items.n; i++) {
        const nk_sql_item *it = &s->items.v[i];
        nk_sql_value v;
        if (it->star) {
            NK_TRY(star(b, scope, it->of, l, err));
            continue;
        }
        NK_TRY(nk_sql_value_of(scope, it->x, &v, err));
        nk_str name = it->alias.p ? it->alias : nk_sql_title(b->c->arena, it->x);
        if (!name.p)
            return nk_fail(err, NK_E_UNSUPPORTED, "column %zu without a name (AS …)", i + 1);
        if (v.type->kind == NK_T_NULL)
            return nk_fail(err, NK_E_UNSUPPORTED, "column %.*s of no type", NK_STR_ARG(name));
        NK_TRY(nk_columns_put(l, b->c->arena, name, v.type, v.x, err));
    }
    for (size_t i = 0; i < l->n; i++)
        for (size_t k = 0; k < i; k++)
            if (nk_str_ieq(l->v[i].name, l->v[k].name))
                return nk_fail(err, NK_E_UNSUPPORTED, "two columns called %.*s",
                               NK_STR_ARG(l->v[i].name));
    return NK_OK;
}

/* A number stands for that column of the result, a name for a column of the input or else of the
 * result; as SQL over the input. */
static nk_code by_place_or_name(nk_sql_scope *scope, const nk_columns *l, const nk_expr *x,
                                bool result_first, nk_str *out, nk_err *err)
{
    nk_sql_value v;
    bool number = x->kind == NK_X_LITERAL && x->type->kind == NK_T_LONG;
    if (number && (x->i < 1 || (size_t)x->i > l->n))
        return nk_fail(err, NK_E_UNSUPPORTED, "there is no column %lld", (long long)x->i);
    const nk_column *named = number ? &l->v[x->i - 1] : NULL;
    for (size_t i = 0; !named && x->kind == NK_X_COLUMN && x->npath == 1 && i < l->n; i++)
        if (nk_str_ieq(l->v[i].name, x->path[0]))
            named = &l->v[i];
    nk_err own = NK_ERR_INIT;
    if (!number && !(result_first && named) &&
        nk_sql_value_of(scope, x, &v, named ? &own : err) == NK_OK) {
        *out = v.x;
        return NK_OK;
    }
    if (!named)
        return NK_E_UNSUPPORTED;
    *out = named->x;
    return NK_OK;
}

static nk_code group_by(nk_sql_scope *scope, const nk_sql_select *s, const nk_columns *l,
                        nk_buf *sql, nk_err *err)
{
    nk_sql_scope rows = *scope;
    rows.aggregates = false;
    for (size_t i = 0; i < s->groups.n; i++) {
        nk_str x;
        NK_TRY(by_place_or_name(&rows, l, s->groups.v[i], false, &x, err));
        (void)nk_buf_printf(sql, "%s%.*s", i ? ", " : "\nGROUP BY ", NK_STR_ARG(x));
    }
    return NK_OK;
}

/* Names of the result that a condition on groups uses must be names of nothing else. */
static bool uses_result(void *arg, const nk_expr *e)
{
    const nk_sql_select *s = arg;
    for (size_t i = 0; e->kind == NK_X_COLUMN && e->npath == 1 && i < s->items.n; i++)
        if (s->items.v[i].alias.p && nk_str_ieq(s->items.v[i].alias, e->path[0]))
            return false;
    return true;
}

static nk_code conditions(nk_sql_scope *scope, const nk_sql_select *s, const nk_columns *l,
                          nk_buf *sql, nk_err *err)
{
    nk_sql_scope rows = *scope;
    nk_str x;
    rows.aggregates = false;
    if (s->where) {
        NK_TRY(nk_sql_condition(&rows, s->where, &x, err));
        (void)nk_buf_printf(sql, "\nWHERE %.*s", NK_STR_ARG(x));
    }
    NK_TRY(group_by(scope, s, l, sql, err));
    if (s->having) {
        if (!nk_expr_walk(s->having, uses_result, (void *)s))
            return nk_fail(err, NK_E_UNSUPPORTED, "HAVING by a name of the result");
        NK_TRY(nk_sql_condition(scope, s->having, &x, err));
        (void)nk_buf_printf(sql, "\nHAVING %.*s", NK_STR_ARG(x));
    }
    return NK_OK;
}

static nk_code order_by(nk_sql_scope *scope, const nk_sql_query *q, const nk_columns *l,
                        bool result_only, nk_buf *sql, nk_err *err)
{
    for (size_t i = 0; i < q->orders.n; i++) {
        const nk_sql_order *o = &q->orders.v[i];
        nk_sql_scope none = {.c = scope->c, .text = scope->text};
        nk_str x;
        NK_TRY(by_place_or_name(result_only ? &none : scope, l, o->x, true, &x, err));
        (void)nk_buf_printf(sql, "%s%.*s %s NULLS %s", i ? ", " : "\nORDER BY ", NK_STR_ARG(x),
                            o->descending ? "DESC" : "ASC", o->nulls_last ? "LAST" : "FIRST");
    }
    if (q->limit >= 0)
        (void)nk_buf_printf(sql, "\nLIMIT %lld", (long long)q->limit);
    return NK_OK;
}

static bool is_grouped(const nk_sql_select *s)
{
    return s->groups.n > 0 || s->having;
}

/* One SELECT; q: the query whose only one it is, for its ORDER BY and LIMIT. */
static nk_code build_select(builder *b, const nk_sql_select *s, const nk_sql_query *q, nk_str *out,
                            nk_columns *l, nk_err *err)
{
    nk_sql_scope scope = {.c = b->c, .text = b->text, .aggregates = true};
    nk_buf tail, sql;
    nk_code rc;
    nk_sql_scope joins = scope;
    nk_buf_init(&tail, NK_SQL_MAX);
    nk_buf_init(&sql, NK_SQL_MAX);
    joins.aggregates = false;
    NK_TRY_GOTO(rc, from(b, s, &joins, &tail, err), done);
    scope.rels = joins.rels;
    NK_TRY_GOTO(rc, items(b, s, &scope, l, err), done);
    NK_TRY_GOTO(rc, conditions(&scope, s, l, &tail, err), done);
    if (q)
        NK_TRY_GOTO(rc, order_by(&scope, q, l, s->distinct || is_grouped(s), &tail, err), done);
    nk_columns_select(b->c, l, &sql);
    NK_TRY_GOTO(rc, nk_buf_check(&tail, err), done);
    NK_TRY_GOTO(rc, nk_buf_check(&sql, err), done);
    if (s->distinct) /* after the word SELECT */
        *out = nk_x_printf(b->c, "SELECT DISTINCT %.*s%.*s", (int)sql.n - 7, sql.p + 7, (int)tail.n,
                           tail.p);
    else
        *out = nk_x_printf(b->c, "%.*s%.*s", (int)sql.n, sql.p, (int)tail.n, tail.p);
done:
    nk_buf_free(&tail);
    nk_buf_free(&sql);
    return rc;
}

/* The columns of several selects in the types in which they meet. */
static nk_code meet(builder *b, nk_columns *all, const nk_columns *one, nk_err *err)
{
    if (all->n != one->n)
        return nk_fail(err, NK_E_UNSUPPORTED, "a union of %zu and %zu columns", all->n, one->n);
    for (size_t i = 0; i < all->n; i++) {
        all->v[i].type = nk_spark_wider(b->c->arena, all->v[i].type, one->v[i].type);
        if (!all->v[i].type)
            return nk_fail(err, NK_E_UNSUPPORTED, "a union of columns of other types");
    }
    return NK_OK;
}

static nk_code member(builder *b, const nk_columns *to, const nk_columns *one, nk_str sql,
                      nk_buf *out, nk_err *err)
{
    nk_columns l = {0};
    for (size_t i = 0; i < to->n; i++) {
        nk_str x = nk_x_ident(b->c, one->v[i].name);
        NK_TRY(nk_x_cast(b->c, x, one->v[i].type, to->v[i].type, &x, err));
        NK_TRY(nk_columns_put(&l, b->c->arena, to->v[i].name, to->v[i].type, x, err));
    }
    nk_columns_select(b->c, &l, out);
    return nk_buf_printf(out, "\nFROM (%.*s)", NK_STR_ARG(sql));
}

static nk_code build_union(builder *b, const nk_sql_query *q, nk_str *out, nk_columns *l,
                           nk_err *err)
{
    size_t n = q->selects.n;
    nk_str *sql = NK_NEWN(b->c->arena, nk_str, n);
    nk_columns *one = NK_NEWN(b->c->arena, nk_columns, n);
    nk_buf all;
    nk_code rc = NK_OK;
    if (!sql || !one)
        return nk_oom(err);
    for (size_t i = 0; i < n; i++) {
        NK_TRY(build_select(b, &q->selects.v[i], NULL, &sql[i], &one[i], err));
        for (size_t k = 0; !i && k < one[0].n; k++)
            NK_TRY(nk_columns_put(l, b->c->arena, one[0].v[k].name, one[0].v[k].type,
                                  nk_x_ident(b->c, one[0].v[k].name), err));
        NK_TRY(meet(b, l, &one[i], err));
    }
    nk_buf_init(&all, NK_SQL_MAX);
    for (size_t i = 0; rc == NK_OK && i < n; i++) {
        if (i)
            (void)nk_buf_puts(&all, q->selects.v[i].unites_all ? "\nUNION ALL\n" : "\nUNION\n");
        rc = member(b, l, &one[i], sql[i], &all, err);
    }
    nk_sql_scope none = {.c = b->c, .text = b->text};
    if (rc == NK_OK && (q->orders.n || q->limit >= 0)) {
        nk_str u = nk_x_take(b->c, &all);
        nk_buf_init(&all, NK_SQL_MAX);
        (void)nk_buf_printf(&all, "SELECT * FROM (%.*s)", NK_STR_ARG(u));
        rc = order_by(&none, q, l, true, &all, err);
    }
    *out = nk_x_take(b->c, &all);
    return rc;
}

static nk_code build_query(builder *b, const nk_sql_query *q, nk_str *out, const nk_type **type,
                           nk_err *err)
{
    size_t outer = b->views.n;
    nk_columns l = {0};
    for (size_t i = 0; i < q->with.n; i++) {
        nk_sql_relation v = {.alias = q->with.v[i].alias}, *slot;
        NK_TRY(build_query(b, q->with.v[i].query, &v.x, &v.type, err));
        v.x = nk_x_printf(b->c, "(%.*s)", NK_STR_ARG(v.x));
        slot = nk_sql_relations_add(&b->views, b->c->arena);
        if (!slot)
            return nk_oom(err);
        *slot = v;
    }
    if (q->selects.n == 1)
        NK_TRY(build_select(b, &q->selects.v[0], q, out, &l, err));
    else
        NK_TRY(build_union(b, q, out, &l, err));
    b->views.n = outer;
    return nk_columns_type(&l, b->c->arena, type, err);
}

/* ---- the node ---- */

static size_t alias_input(const nk_node *n, const nk_json *a, size_t at)
{
    const nk_json *inputs = nk_json_get(n->options, "Inputs");
    size_t i = 0;
    for (const nk_json *j = inputs ? inputs->first : NULL; j; j = j->next, i++)
        if (nk_str_eq(j->text, nk_json_str(a, "From")) && i < n->ninputs)
            return i;
    return at < n->ninputs ? at : 0;
}

static nk_code refused(const nk_node *n, nk_err *err)
{
    (void)nk_wrap(err, "the embedded engine does not run this query");
    (void)nk_node_wrap(n, err);
    return nk_hint(err, "the job's script runs it on Spark");
}

static nk_code build_node(nk_compile *c, const nk_node *n, nk_str *out, const nk_type **type,
                          nk_err *err)
{
    builder b = {.c = c, .node = n};
    const nk_json *aliases = nk_json_get(n->options, "SqlAliases");
    nk_sql_query *q;
    size_t at = 0;
    for (const nk_json *a = aliases->first; a; a = a->next, at++) {
        size_t i = alias_input(n, a, at);
        nk_sql_relation *v = nk_sql_relations_add(&b.views, c->arena);
        if (!v)
            return nk_oom(err);
        *v = (nk_sql_relation){.alias = nk_json_str(a, "Alias"), .x = nk_compile_input(c, n, i)};
        NK_TRY(nk_input_schema(n, i, &v->type, err));
    }
    nk_code rc = nk_sql_parse(nk_json_str(n->options, "SqlQuery"), c->arena, &q, err);
    if (rc == NK_OK) {
        b.text = q->text;
        rc = build_query(&b, q, out, type, err);
    }
    return rc == NK_OK ? rc : (refused(n, err), rc);
}

nk_code nk_sql_sql(nk_compile *c, const nk_node *n, nk_buf *out, nk_err *err)
{
    nk_str sql;
    const nk_type *type;
    NK_TRY(build_node(c, n, &sql, &type, err));
    return nk_buf_str(out, sql);
}

nk_code nk_sql_schema(nk_plan *p, const nk_node *n, nk_arena *a, const nk_type **out, nk_err *err)
{
    nk_compile c = {.plan = p, .dialect = nk_dialect_duckdb(), .arena = a};
    nk_str sql;
    NK_TRY(build_node(&c, n, &sql, out, err));
    return c.failed ? nk_oom(err) : NK_OK;
}

/* ---- what shows without the inputs' types ---- */

static nk_code check_query(const nk_sql_query *q, nk_err *err);

static nk_code check_exprs(const nk_sql_exprs *list, nk_err *err)
{
    for (size_t i = 0; i < list->n; i++)
        NK_TRY(nk_sql_check_expr(list->v[i], err));
    return NK_OK;
}

static nk_code check_select(const nk_sql_select *s, nk_err *err)
{
    for (size_t i = 0; i < s->items.n; i++)
        if (s->items.v[i].x)
            NK_TRY(nk_sql_check_expr(s->items.v[i].x, err));
    for (size_t i = 0; i < s->rels.n; i++) {
        if (s->rels.v[i].query)
            NK_TRY(check_query(s->rels.v[i].query, err));
        if (s->rels.v[i].on)
            NK_TRY(nk_sql_check_expr(s->rels.v[i].on, err));
    }
    if (s->where)
        NK_TRY(nk_sql_check_expr(s->where, err));
    if (s->having)
        NK_TRY(nk_sql_check_expr(s->having, err));
    return check_exprs(&s->groups, err);
}

static nk_code check_query(const nk_sql_query *q, nk_err *err)
{
    for (size_t i = 0; i < q->with.n; i++)
        NK_TRY(check_query(q->with.v[i].query, err));
    for (size_t i = 0; i < q->selects.n; i++)
        NK_TRY(check_select(&q->selects.v[i], err));
    for (size_t i = 0; i < q->orders.n; i++)
        NK_TRY(nk_sql_check_expr(q->orders.v[i].x, err));
    return NK_OK;
}

nk_code nk_sql_check(const nk_node *n, nk_err *err)
{
    nk_sql_query *q;
    nk_code rc = nk_sql_parse(nk_json_str(n->options, "SqlQuery"), n->plan->arena, &q, err);
    if (rc == NK_OK)
        rc = check_query(q, err);
    return rc == NK_OK ? rc : (refused(n, err), rc);
}
