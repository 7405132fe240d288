/* SparkSQL: a query text over the inputs. It runs here only when every function in it is in the
 * table of those that mean the same in both engines; else it says which one is not, so that the run
 * can be put on Spark. */
#include <ctype.h>
#include <string.h>

#include "plan/plan_int.h"

/* Functions whose results agree for all the arguments that Spark SQL takes. */
static const char *const agreed[] = {
    "abs",     "avg",          "ceil",      "ceiling",  "coalesce",   "concat",      "count",
    "degrees", "exp",          "floor",     "greatest", "if",         "isnan",       "isnull",
    "least",   "length",       "lower",     "ltrim",    "max",        "mean",        "min",
    "mod",     "nullif",       "ifnull",    "nvl",      "pi",         "pow",         "power",
    "radians", "repeat",       "replace",   "reverse",  "row_number", "rank",        "dense_rank",
    "rtrim",   "sign",         "sqrt",      "stddev",   "stddev_pop", "stddev_samp", "sum",
    "trim",    "upper",        "var_pop",   "var_samp", "variance",   "year",        "month",
    "day",     "hour",         "minute",    "second",   "first",      "last",        "lag",
    "lead",    "percent_rank", "cume_dist", "ntile",    "startswith", "substring",   "substr",
};
/* Words that a parenthesis may follow without a call. */
static const char *const words[] = {
    "and",     "as",     "between", "by",        "case",   "distinct",  "else",      "except",
    "exists",  "from",   "full",    "group",     "having", "in",        "inner",     "intersect",
    "is",      "join",   "left",    "like",      "limit",  "not",       "on",        "or",
    "order",   "outer",  "over",    "partition", "right",  "select",    "then",      "union",
    "using",   "values", "when",    "where",     "with",   "all",       "any",       "cross",
    "semi",    "anti",   "filter",  "rows",      "range",  "unbounded", "preceding", "following",
    "current", "row",    "end",
};

static bool listed(const char *const *list, size_t n, nk_str w)
{
    for (size_t i = 0; i < n; i++)
        if (nk_str_ieq(w, nk_str_c(list[i])))
            return true;
    return false;
}

/* Spark's text into DuckDB's: back quotes, double-quoted strings; refuses what is not known to
 * agree. */
static nk_code translate(const nk_node *n, nk_str q, nk_buf *out, nk_err *err)
{
    size_t i = 0;
    while (i < q.n) {
        char ch = q.p[i];
        if (ch == '`') {
            (void)nk_buf_putc(out, '"');
            for (i++; i < q.n && q.p[i] != '`'; i++) {
                if (q.p[i] == '"')
                    (void)nk_buf_putc(out, '"');
                (void)nk_buf_putc(out, q.p[i]);
            }
            (void)nk_buf_putc(out, '"');
            i++;
        } else if (ch == '\'' || ch == '"') {
            (void)nk_buf_putc(out, '\'');
            for (i++; i < q.n && q.p[i] != ch; i++) {
                if (q.p[i] == '\\')
                    return nk_node_fail(
                        n, err, NK_E_UNSUPPORTED,
                        "a text with a backslash means something else in Spark SQL");
                if (q.p[i] == '\'')
                    (void)nk_buf_putc(out, '\'');
                (void)nk_buf_putc(out, q.p[i]);
            }
            (void)nk_buf_putc(out, '\'');
            i++;
        } else if (ch == '-' && i + 1 < q.n && q.p[i + 1] == '-') {
            while (i < q.n && q.p[i] != '\n')
                i++;
        } else if (isalpha((unsigned char)ch) || ch == '_') {
            size_t from = i;
            while (i < q.n && (isalnum((unsigned char)q.p[i]) || q.p[i] == '_'))
                i++;
            nk_str w = nk_str_sub(q, from, i);
            size_t k = i;
            while (k < q.n && isspace((unsigned char)q.p[k]))
                k++;
            bool call = k < q.n && q.p[k] == '(';
            if (nk_str_ieq(w, NK_STR("cast")) || nk_str_ieq(w, NK_STR("rlike")) ||
                nk_str_ieq(w, NK_STR("lateral")) || nk_str_ieq(w, NK_STR("div")) ||
                nk_str_ieq(w, NK_STR("interval")) ||
                (call && !listed(words, NK_COUNTOF(words), w) &&
                 !listed(agreed, NK_COUNTOF(agreed), w))) {
                (void)nk_node_fail(n, err, NK_E_UNSUPPORTED,
                                   "%.*s may mean something else in Spark SQL", NK_STR_ARG(w));
                return nk_hint(err, "run this job with --engine spark");
            }
            if (call && nk_str_ieq(w, NK_STR("substring")))
                (void)nk_buf_puts(out, "substr");
            else if (call && nk_str_ieq(w, NK_STR("nvl")))
                (void)nk_buf_puts(out, "ifnull");
            else if (call && nk_str_ieq(w, NK_STR("startswith")))
                (void)nk_buf_puts(out, "starts_with");
            else
                (void)nk_buf_str(out, w);
        } else if (ch == '/') {
            (void)nk_node_fail(n, err, NK_E_UNSUPPORTED,
                               "division by zero gives null in Spark SQL, infinity here");
            return nk_hint(err, "run this job with --engine spark");
        } else {
            (void)nk_buf_putc(out, ch);
            i++;
        }
    }
    return NK_OK;
}

nk_code nk_sql_check(const nk_node *n, nk_err *err)
{
    nk_buf b;
    nk_buf_init(&b, NK_SQL_MAX);
    nk_code rc = translate(n, nk_json_str(n->options, "SqlQuery"), &b, err);
    nk_buf_free(&b);
    return rc;
}

static size_t alias_input(const nk_node *n, const nk_json *a, size_t at)
{
    const nk_json *inputs = nk_json_get(n->options, "Inputs");
    size_t i = 0;
    for (const nk_json *j = inputs ? inputs->first : NULL; j; j = j->next, i++)
        if (nk_str_eq(j->text, nk_json_str(a, "From")) && i < n->ninputs)
            return i;
    return at < n->ninputs ? at : 0;
}

nk_code nk_sql_sql(nk_compile *c, const nk_node *n, nk_buf *out, nk_err *err)
{
    const nk_json *aliases = nk_json_get(n->options, "SqlAliases");
    nk_str q = nk_str_trim(nk_json_str(n->options, "SqlQuery"));
    size_t at = 0;
    while (q.n && q.p[q.n - 1] == ';')
        q = nk_str_trim(nk_str_sub(q, 0, q.n - 1));
    (void)nk_buf_puts(out, "WITH ");
    for (const nk_json *a = aliases->first; a; a = a->next, at++)
        (void)nk_buf_printf(out, "%s%.*s AS (SELECT * FROM %.*s)", at ? ", " : "",
                            NK_STR_ARG(nk_x_ident(c, nk_json_str(a, "Alias"))),
                            NK_STR_ARG(nk_compile_input(c, n, alias_input(n, a, at))));
    (void)nk_buf_puts(out, "\nSELECT * FROM (\n");
    if (nk_str_is(nk_str_c(c->dialect->name), "duckdb"))
        NK_TRY(translate(n, q, out, err));
    else
        (void)nk_buf_str(out, q);
    return nk_buf_puts(out, "\n)");
}

nk_code nk_sql_schema(nk_plan *p, const nk_node *n, nk_arena *a, const nk_type **out, nk_err *err)
{
    nk_buf b;
    if (!p->host.describe)
        return nk_node_fail(n, err, NK_E_UNSUPPORTED, "a query's columns cannot be found out here");
    nk_buf_init(&b, NK_SQL_MAX);
    nk_code rc = nk_plan_sql(n, nk_dialect_duckdb(), &b, err);
    if (rc == NK_OK)
        rc = p->host.describe(p->host.arg, nk_buf_view(&b), a, out, err);
    nk_buf_free(&b);
    if (rc != NK_OK)
        (void)nk_node_wrap(n, err);
    return rc;
}
