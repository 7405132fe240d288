#include "plan/dag.h"

#include "plan/codegen.h"

#define SCRIPT_MAX (8u << 20)

/* How the statement of a node type is spelled. Types that are not here are transforms:
 * Type.apply(…). */
static const struct {
    const char *type, *when_arg,
        *callee; /* the first row whose when_arg is present (NULL = always) */
} callees[] = {
    {"DataSource", "database", "glueContext.create_dynamic_frame.from_catalog"},
    {"DataSource", NULL, "glueContext.create_dynamic_frame.from_options"},
    {"DataSink", "catalog_connection", "glueContext.write_dynamic_frame.from_jdbc_conf"},
    {"DataSink", "database", "glueContext.write_dynamic_frame.from_catalog"},
    {"DataSink", NULL, "glueContext.write_dynamic_frame.from_options"},
};
static const char *const transforms[] = {
    "ApplyMapping", "DropFields",    "DropNullFields",    "ErrorsAsDynamicFrame",
    "Filter",       "FindMatches",   "FillMissingValues", "FlatMap",
    "Join",         "Map",           "MapToCollection",   "Relationalize",
    "RenameField",  "ResolveChoice", "SelectFields",      "SelectFromCollection",
    "Spigot",       "SplitFields",   "SplitRows",         "Unbox",
    "UnnestFrame"};

static bool has_arg(const nk_dag_node *n, const char *name)
{
    for (size_t i = 0; i < n->nargs; i++)
        if (nk_str_is(n->args[i].name, name))
            return true;
    return false;
}

static nk_code callee_of(const nk_dag_node *n, nk_buf *b, nk_err *err)
{
    for (size_t i = 0; i < NK_COUNTOF(callees); i++)
        if (nk_str_is(n->type, callees[i].type) &&
            (!callees[i].when_arg || has_arg(n, callees[i].when_arg)))
            return nk_buf_puts(b, callees[i].callee);
    for (size_t i = 0; i < NK_COUNTOF(transforms); i++)
        if (nk_str_is(n->type, transforms[i]))
            return nk_buf_printf(b, "%s.apply", transforms[i]);
    return nk_fail(err, NK_E_INVALID, "Node %.*s: unknown NodeType %.*s.", NK_STR_ARG(n->id),
                   NK_STR_ARG(n->type));
}

static bool one_line(nk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20)
            return false;
    return true;
}

static const nk_dag_node *node_of(const nk_dag *dag, nk_str id)
{
    for (size_t i = 0; i < dag->nnodes; i++)
        if (nk_str_eq(dag->nodes[i].id, id))
            return &dag->nodes[i];
    return NULL;
}

static nk_code check(const nk_dag *dag, nk_err *err)
{
    for (size_t i = 0; i < dag->nnodes; i++) {
        const nk_dag_node *n = &dag->nodes[i];
        if (!nk_py_is_name(n->id))
            return nk_fail(err, NK_E_INVALID, "Node Id \"%.*s\" cannot be a Python name.",
                           NK_STR_ARG(n->id));
        if (node_of(dag, n->id) != n)
            return nk_fail(err, NK_E_INVALID, "Two nodes are called %.*s.", NK_STR_ARG(n->id));
        for (size_t k = 0; k < n->nargs; k++) {
            if (!nk_py_is_name(n->args[k].name))
                return nk_fail(err, NK_E_INVALID,
                               "Node %.*s: argument \"%.*s\" cannot be a Python name.",
                               NK_STR_ARG(n->id), NK_STR_ARG(n->args[k].name));
            if (!n->args[k].value.n || !one_line(n->args[k].value))
                return nk_fail(err, NK_E_INVALID,
                               "Node %.*s: the value of %.*s must be one line of Python.",
                               NK_STR_ARG(n->id), NK_STR_ARG(n->args[k].name));
        }
    }
    for (size_t i = 0; i < dag->nedges; i++) {
        const nk_dag_edge *e = &dag->edges[i];
        if (!node_of(dag, e->source) || !node_of(dag, e->target))
            return nk_fail(err, NK_E_INVALID,
                           "The edge from %.*s to %.*s names a node that is not there.",
                           NK_STR_ARG(e->source), NK_STR_ARG(e->target));
        if (e->parameter.p && !nk_py_is_name(e->parameter))
            return nk_fail(err, NK_E_INVALID, "TargetParameter \"%.*s\" cannot be a Python name.",
                           NK_STR_ARG(e->parameter));
    }
    return NK_OK;
}

static nk_str parameter_of(const nk_dag_edge *e)
{
    return e->parameter.p ? e->parameter : NK_STR("frame");
}

static void arg_value(nk_buf *b, const nk_dag_arg *arg)
{
    if (!arg->param) {
        nk_buf_str(b, arg->value);
        return;
    }
    nk_buf_puts(b, "args[");
    nk_py_str(b, arg->value);
    nk_buf_putc(b, ']');
}

static nk_code statement(const nk_dag *dag, const nk_dag_node *n, nk_buf *b, nk_err *err)
{
    nk_buf_printf(b, "## @type: %.*s\n## @args: [", NK_STR_ARG(n->type));
    for (size_t i = 0; i < n->nargs; i++) {
        nk_buf_printf(b, "%s%.*s = ", i ? ", " : "", NK_STR_ARG(n->args[i].name));
        arg_value(b, &n->args[i]);
    }
    nk_buf_printf(b, "]\n## @return: %.*s\n## @inputs: [", NK_STR_ARG(n->id));
    const char *comma = "";
    for (size_t i = 0; i < dag->nedges; i++)
        if (nk_str_eq(dag->edges[i].target, n->id)) {
            nk_buf_printf(b, "%s%.*s = %.*s", comma, NK_STR_ARG(parameter_of(&dag->edges[i])),
                          NK_STR_ARG(dag->edges[i].source));
            comma = ", ";
        }
    nk_buf_printf(b, "]\n%.*s = ", NK_STR_ARG(n->id));
    NK_TRY(callee_of(n, b, err));
    nk_buf_putc(b, '(');
    comma = "";
    for (size_t i = 0; i < dag->nedges; i++)
        if (nk_str_eq(dag->edges[i].target, n->id)) {
            nk_buf_printf(b, "%s%.*s = %.*s", comma, NK_STR_ARG(parameter_of(&dag->edges[i])),
                          NK_STR_ARG(dag->edges[i].source));
            comma = ", ";
        }
    for (size_t i = 0; i < n->nargs; i++) {
        nk_buf_printf(b, "%s%.*s = ", comma, NK_STR_ARG(n->args[i].name));
        arg_value(b, &n->args[i]);
        comma = ", ";
    }
    return nk_buf_puts(b, ")\n");
}

/* Nodes in an order in which sources stand before targets (Kahn); a rest that never becomes ready
 * is a cycle. */
static nk_code order(const nk_dag *dag, nk_arena *a, const nk_dag_node **out, nk_err *err)
{
    bool *done = NK_NEWN(a, bool, dag->nnodes + 1);
    size_t n = 0;
    if (!done)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    for (bool moved = true; moved && n < dag->nnodes;) {
        moved = false;
        for (size_t i = 0; i < dag->nnodes; i++) {
            bool ready = !done[i];
            for (size_t k = 0; ready && k < dag->nedges; k++)
                if (nk_str_eq(dag->edges[k].target, dag->nodes[i].id))
                    ready = done[node_of(dag, dag->edges[k].source) - dag->nodes];
            if (!ready)
                continue;
            out[n++] = &dag->nodes[i];
            done[i] = moved = true;
        }
    }
    return n == dag->nnodes ? NK_OK : nk_fail(err, NK_E_INVALID, "The graph has a cycle.");
}

static void params(const nk_dag *dag, nk_buf *b)
{
    nk_buf_puts(b, "## @params: [JOB_NAME");
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < dag->nnodes; i++)
            for (size_t k = 0; k < dag->nodes[i].nargs; k++) {
                const nk_dag_arg *arg = &dag->nodes[i].args[k];
                if (!arg->param)
                    continue;
                nk_buf_puts(b, ", ");
                if (pass)
                    nk_py_str(b, arg->value);
                else
                    nk_buf_str(b, arg->value);
            }
        nk_buf_puts(b, pass ? "])\n" : "]\nargs = getResolvedOptions(sys.argv, [\"JOB_NAME\"");
    }
}

nk_code nk_dag_script(const nk_dag *dag, nk_arena *a, nk_str *script, nk_err *err)
{
    const nk_dag_node **sorted = NK_NEWN(a, const nk_dag_node *, dag->nnodes + 1);
    nk_buf b;
    nk_code rc;
    if (!sorted)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    NK_TRY(check(dag, err));
    NK_TRY(order(dag, a, sorted, err));
    nk_buf_init(&b, SCRIPT_MAX);
    nk_buf_puts(&b, "import sys\n"
                    "from awsglue.transforms import *\n"
                    "from awsglue.utils import getResolvedOptions\n"
                    "from pyspark.context import SparkContext\n"
                    "from awsglue.context import GlueContext\n"
                    "from awsglue.job import Job\n\n");
    params(dag, &b);
    nk_buf_puts(&b, "\nsc = SparkContext()\n"
                    "glueContext = GlueContext(sc)\n"
                    "spark = glueContext.spark_session\n"
                    "job = Job(glueContext)\n"
                    "job.init(args[\"JOB_NAME\"], args)\n");
    for (size_t i = 0; i < dag->nnodes; i++)
        NK_TRY_GOTO(rc, statement(dag, sorted[i], &b, err), done);
    nk_buf_puts(&b, "job.commit()\n");
    NK_TRY_GOTO(rc, nk_buf_check(&b, err), done);
    *script = nk_buf_dup(&b, a);
    rc = script->p ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
done:
    nk_buf_free(&b);
    return rc;
}

/* ---- reading back ---- */

NK_LIST(arg_list, nk_dag_arg);
NK_LIST(node_list, nk_dag_node);
NK_LIST(edge_list, nk_dag_edge);

/* Cuts the next "name = value" off the inside of a list: commas within brackets and strings do not
 * end it. */
static bool next_pair(nk_str *rest, nk_str *name, nk_str *value)
{
    nk_str s = nk_str_trim(*rest);
    size_t depth = 0, i = 0;
    char quote = 0;
    if (!s.n)
        return false;
    for (; i < s.n; i++) {
        char c = s.p[i];
        if (quote) {
            if (c == '\\')
                i++;
            else if (c == quote)
                quote = 0;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '[' || c == '(' || c == '{') {
            depth++;
        } else if (c == ']' || c == ')' || c == '}') {
            if (depth)
                depth--;
        } else if (c == ',' && !depth) {
            break;
        }
    }
    if (i > s.n)
        i = s.n;
    nk_str pair = nk_str_sub(s, 0, i);
    *rest = i < s.n ? nk_str_sub(s, i + 1, s.n) : NK_STR("");
    ptrdiff_t eq = nk_str_chr(pair, '=');
    *name = nk_str_trim(eq < 0 ? pair : nk_str_sub(pair, 0, (size_t)eq));
    *value = eq < 0 ? NK_STR("") : nk_str_trim(nk_str_sub(pair, (size_t)eq + 1, pair.n));
    return true;
}

static nk_str inside_brackets(nk_str s)
{
    s = nk_str_trim(s);
    if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
        return nk_str_sub(s, 1, s.n - 1);
    return s;
}

/* args["x"] names the job parameter x. */
static bool job_parameter(nk_str value, nk_str *name)
{
    if (!nk_str_starts(value, NK_STR("args[")) || !nk_str_ends(value, NK_STR("]")) || value.n < 9)
        return false;
    *name = nk_str_sub(value, 6, value.n - 2);
    return (value.p[5] == '"' || value.p[5] == '\'') && value.p[value.n - 2] == value.p[5] &&
           nk_str_chr(*name, value.p[5]) < 0;
}

typedef struct reading {
    nk_arena *a;
    node_list nodes;
    edge_list edges;
    nk_str type, args, ret, inputs; /* annotations met since the last statement */
} reading;

static nk_code finish_node(reading *r, int64_t line, nk_err *err)
{
    arg_list args = {0};
    nk_str rest = inside_brackets(r->args), name, value;
    nk_dag_node *n = node_list_add(&r->nodes, r->a);
    if (!n)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    n->type = r->type;
    n->id = r->ret;
    n->line = line;
    while (next_pair(&rest, &name, &value)) {
        nk_dag_arg *arg = arg_list_add(&args, r->a);
        if (!arg)
            return nk_fail(err, NK_E_NOMEM, "out of memory");
        arg->name = name;
        arg->param = job_parameter(value, &arg->value);
        if (!arg->param)
            arg->value = value;
    }
    n->args = args.v;
    n->nargs = args.n;
    rest = inside_brackets(r->inputs);
    while (next_pair(&rest, &name, &value)) {
        nk_dag_edge *e = edge_list_add(&r->edges, r->a);
        if (!e)
            return nk_fail(err, NK_E_NOMEM, "out of memory");
        *e = (nk_dag_edge){.source = value, .target = r->ret, .parameter = name};
    }
    r->type = r->args = r->ret = r->inputs = NK_STR_NULL;
    return NK_OK;
}

nk_code nk_dag_parse(nk_str script, nk_arena *a, nk_dag *out, nk_err *err)
{
    reading r = {.a = a};
    nk_str rest = script, line;
    int64_t number = 0;
    while (nk_str_split(&rest, '\n', &line)) {
        number++;
        line = nk_str_trim(line);
        struct {
            const char *tag;
            nk_str *into;
        } tags[] = {{"@type:", &r.type},
                    {"@args:", &r.args},
                    {"@return:", &r.ret},
                    {"@inputs:", &r.inputs}};
        if (nk_str_starts(line, NK_STR("#"))) {
            while (line.n && line.p[0] == '#')
                line = nk_str_sub(line, 1, line.n);
            line = nk_str_trim(line);
            for (size_t i = 0; i < NK_COUNTOF(tags); i++)
                if (nk_str_starts(line, nk_str_c(tags[i].tag)))
                    *tags[i].into = nk_str_trim(nk_str_sub(line, strlen(tags[i].tag), line.n));
        } else if (line.n && r.type.p && r.ret.p) {
            NK_TRY(finish_node(&r, number, err));
        }
    }
    *out = (nk_dag){r.nodes.v, r.nodes.n, r.edges.v, r.edges.n};
    return NK_OK;
}
