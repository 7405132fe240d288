/* Inside plan: the part of Spark SQL that the embedded engine runs, as a tree and with types. What
 * is not in it is refused by name (NK_E_UNSUPPORTED), and the job runs as its script, on Spark. */
#ifndef NK_SQL_INT_H
#define NK_SQL_INT_H

#include "plan/expr.h"
#include "plan/plan_int.h"

/* ---- statements: sql_parse.c ---- */

typedef struct nk_sql_query nk_sql_query;

typedef enum {
    NK_SQL_FIRST, /* the first relation after FROM */
    NK_SQL_INNER,
    NK_SQL_LEFT,
    NK_SQL_RIGHT,
    NK_SQL_FULL,
    NK_SQL_SEMI,
    NK_SQL_ANTI,
    NK_SQL_CROSS,
} nk_sql_join;

typedef struct nk_sql_rel {
    nk_str name;         /* of a view, or p NULL: */
    nk_sql_query *query; /* a query in parentheses */
    nk_str alias;        /* p NULL = none */
    nk_sql_join join;
    const nk_expr *on; /* NULL = none */
} nk_sql_rel;
NK_LIST(nk_sql_rels, nk_sql_rel);

typedef struct nk_sql_item {
    const nk_expr *x;
    nk_str alias; /* p NULL = none */
    bool star;    /* * or of.* */
    nk_str of;
} nk_sql_item;
NK_LIST(nk_sql_items, nk_sql_item);
NK_LIST(nk_sql_exprs, const nk_expr *);

typedef struct nk_sql_select {
    bool distinct;
    nk_sql_items items;
    nk_sql_rels rels;
    const nk_expr *where, *having;
    nk_sql_exprs groups;
    bool unites_all; /* with the select before: UNION ALL, else UNION */
} nk_sql_select;
NK_LIST(nk_sql_selects, nk_sql_select);

typedef struct nk_sql_order {
    const nk_expr *x;
    bool descending, nulls_last;
} nk_sql_order;
NK_LIST(nk_sql_orders, nk_sql_order);

struct nk_sql_query {
    nk_str text;      /* what the expressions' positions are in: without comments */
    nk_sql_rels with; /* named queries; query and alias */
    nk_sql_selects selects;
    nk_sql_orders orders;
    int64_t limit; /* -1 = none */
};

/* NK_E_UNSUPPORTED says what was met and where. */
nk_code nk_sql_parse(nk_str text, nk_arena *a, nk_sql_query **out, nk_err *err);

/* ---- values: sql_values.c ---- */

typedef struct nk_sql_relation {
    nk_str alias; /* as the query calls it */
    nk_str x;     /* as the statement calls it */
    const nk_type *type;
} nk_sql_relation;
NK_LIST(nk_sql_relations, nk_sql_relation);

/* What a name can mean. */
typedef struct nk_sql_scope {
    nk_compile *c;
    nk_str text; /* the query's */
    nk_sql_relations rels;
    bool aggregates; /* whether they may stand here */
} nk_sql_scope;

typedef struct nk_sql_value {
    nk_str x;
    const nk_type *type;
} nk_sql_value;

nk_code nk_sql_value_of(nk_sql_scope *s, const nk_expr *e, nk_sql_value *out, nk_err *err);
/* As above, of type boolean. */
nk_code nk_sql_condition(nk_sql_scope *s, const nk_expr *e, nk_str *out, nk_err *err);
/* What Spark calls a column of this expression; p NULL where it must be given a name. */
nk_str nk_sql_title(nk_arena *a, const nk_expr *e);
/* Whether all functions in it are known, as far as that shows without types. */
nk_code nk_sql_check_expr(const nk_expr *e, nk_err *err);

/* An aggregate by Glue's name for it ("countDistinct") of x of type t: nodes_rows.c. NK_E_NOT_FOUND
 * when there is none of that name. */
nk_code nk_spark_aggregate(nk_compile *c, nk_str name, const nk_type *t, nk_str x,
                           nk_sql_value *out, nk_err *err);

#endif
