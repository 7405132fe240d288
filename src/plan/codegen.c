#include "plan/codegen_int.h"

#define SCRIPT_MAX (8u << 20)

void nk_py_str(nk_buf *b, nk_str s)
{
    nk_buf_putc(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\')
            nk_buf_printf(b, "\\%c", c);
        else if (c == '\n')
            nk_buf_puts(b, "\\n");
        else if (c == '\t')
            nk_buf_puts(b, "\\t");
        else if (c == '\r')
            nk_buf_puts(b, "\\r");
        else if (c < 0x20 || c == 0x7f)
            nk_buf_printf(b, "\\x%02x", c);
        else
            nk_buf_putc(b, (char)c);
    }
    nk_buf_putc(b, '"');
}

void nk_py_json(nk_buf *b, const nk_json *j)
{
    const char *comma = "";
    switch (j ? j->kind : NK_JSON_NULL) {
    case NK_JSON_TRUE:
        nk_buf_puts(b, "True");
        break;
    case NK_JSON_FALSE:
        nk_buf_puts(b, "False");
        break;
    case NK_JSON_NUMBER:
        nk_buf_str(b, j->text);
        break;
    case NK_JSON_STRING:
        nk_py_str(b, j->text);
        break;
    case NK_JSON_ARRAY:
        nk_buf_putc(b, '[');
        for (const nk_json *e = j->first; e; e = e->next, comma = ", ") {
            nk_buf_puts(b, comma);
            nk_py_json(b, e);
        }
        nk_buf_putc(b, ']');
        break;
    case NK_JSON_OBJECT:
        nk_buf_putc(b, '{');
        for (const nk_json *e = j->first; e; e = e->next, comma = ", ") {
            nk_buf_puts(b, comma);
            nk_py_str(b, e->key);
            nk_buf_puts(b, ": ");
            nk_py_json(b, e);
        }
        nk_buf_putc(b, '}');
        break;
    default:
        nk_buf_puts(b, "None");
    }
}

bool nk_py_is_name(nk_str s)
{
    static const char *const reserved[] = {
        "False", "None",     "True",  "and",    "as",   "assert", "async",  "await",    "break",
        "class", "continue", "def",   "del",    "elif", "else",   "except", "finally",  "for",
        "from",  "global",   "if",    "import", "in",   "is",     "lambda", "nonlocal", "not",
        "or",    "pass",     "raise", "return", "try",  "while",  "with",   "yield"};
    if (s.n == 0 || s.n > 255 || (s.p[0] >= '0' && s.p[0] <= '9'))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_'))
            return false;
    }
    for (size_t i = 0; i < NK_COUNTOF(reserved); i++)
        if (nk_str_is(s, reserved[i]))
            return false;
    return true;
}

/* ---- statements ---- */

void nk_py_open(nk_pygen *g, nk_str var, const char *callee)
{
    if (var.p)
        nk_buf_printf(&g->body, "%.*s = ", NK_STR_ARG(var));
    nk_buf_printf(&g->body, "%s(\n", callee);
}

nk_buf *nk_py_arg(nk_pygen *g, const char *name)
{
    nk_buf_puts(&g->body, "    ");
    if (name)
        nk_buf_printf(&g->body, "%s=", name);
    return &g->body;
}

void nk_py_end_arg(nk_pygen *g)
{
    nk_buf_puts(&g->body, ",\n");
}

void nk_py_arg_str(nk_pygen *g, const char *name, nk_str value)
{
    nk_py_str(nk_py_arg(g, name), value);
    nk_py_end_arg(g);
}

void nk_py_arg_code(nk_pygen *g, const char *name, nk_str code)
{
    nk_buf_str(nk_py_arg(g, name), code);
    nk_py_end_arg(g);
}

void nk_py_close(nk_pygen *g, nk_str ctx)
{
    if (ctx.p)
        nk_py_arg_str(g, "transformation_ctx", ctx);
    nk_buf_puts(&g->body, ")\n");
}

nk_str nk_py_input(nk_pygen *g, const nk_visual_node *n, size_t i)
{
    const nk_visual_input *in = &n->inputs[i];
    if (!in->output.p)
        return in->node->var;
    nk_buf b;
    nk_buf_init(&b, 4096);
    nk_buf_printf(&b, "%.*s[", NK_STR_ARG(in->node->var));
    nk_py_str(&b, in->output);
    nk_buf_putc(&b, ']');
    nk_str s = nk_buf_dup(&b, g->arena);
    nk_buf_free(&b);
    return s;
}

/* ---- the whole script ---- */

static const struct {
    unsigned need;
    const char *text;
} preamble[] = {
    {NK_PY_FILTER, "import re\n"},
    {0, "import sys\n"},
    {NK_PY_FILTER, "from datetime import date, datetime\n"
                   "from decimal import Decimal\n"
                   "from operator import eq, ge, gt, le, lt\n"},
    {0, "\n"
        "from awsglue.context import GlueContext\n"},
    {NK_PY_DYNAMIC_FRAME, "from awsglue.dynamicframe import DynamicFrame\n"},
    {0, "from awsglue.job import Job\n"
        "from awsglue.transforms import *\n"
        "from awsglue.utils import getResolvedOptions\n"},
    {NK_PY_FILL, "from awsglueml.transforms import FillMissingValues\n"},
    {0, "from pyspark.context import SparkContext\n"},
    {NK_PY_SQL_FUNCS, "from pyspark.sql import functions as SqlFuncs\n"},
    {NK_PY_NULLS, "from pyspark.sql.types import NumericType\n"},
    {0, "\n"},
    {NK_PY_FILTER,
     "\n"
     "NUMBER = r\" *[-+]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][-+]?[0-9]{1,3})? *\"\n"
     "DATE = \"[0-9]{4}-[0-9]{2}-[0-9]{2}\"\n"
     "TIME = DATE + r\"([ T][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{6})?)?\"\n"
     "CONSTANTS = [  # a value's type, which texts are constants of that type, how they are read\n"
     "    (bool, \"(?i:true|false)\", lambda text: text.lower() == \"true\"),\n"
     "    (float, NUMBER, float),\n"
     "    ((int, Decimal), NUMBER, Decimal),\n"
     "    (datetime, TIME, datetime.fromisoformat),\n"
     "    (date, DATE, date.fromisoformat),\n"
     "    (str, \"(?s:.*)\", str),\n"
     "]\n"
     "COMPARABLE = [bool, (int, float, Decimal), (date, datetime), str]\n"
     "\n\n"
     "def at(row, *path):\n"
     "    \"\"\"The value at a path; None where nothing is on the way. Case counts only where it "
     "must.\"\"\"\n"
     "    if len(path) == 1 and path[0] not in row:\n"
     "        path = path[0].split(\".\")\n"
     "    for name in path:\n"
     "        if row is None:\n"
     "            return None\n"
     "        if name not in row:\n"
     "            name = [key for key in row if key.lower() == name.lower()][0]\n"
     "        row = row[name]\n"
     "    return row\n"
     "\n\n"
     "def compares(value, operator, other):\n"
     "    \"\"\"Nothing compares with null, nor values of different kinds with each other.\"\"\"\n"
     "    kinds = [[isinstance(v, kind) for kind in COMPARABLE] for v in (value, other)]\n"
     "    if kinds[0] != kinds[1] or not any(kinds[0]):\n"
     "        return False\n"
     "    if isinstance(value, float) or isinstance(other, float):\n"
     "        value, other = float(value), float(other)\n"
     "    if isinstance(value, datetime) != isinstance(other, datetime):\n"
     "        value, other = [datetime(*v.timetuple()[:6]) if type(v) is date else v for v in "
     "(value, other)]\n"
     "    return operator(value, other)\n"
     "\n\n"
     "def matches(value, operator, text):\n"
     "    \"\"\"Compares with a constant, read as the value's type; nothing compares with what is "
     "none.\"\"\"\n"
     "    for kind, form, read in CONSTANTS:\n"
     "        if isinstance(value, kind):\n"
     "            try:\n"
     "                return bool(re.fullmatch(form, text)) and compares(value, operator, "
     "read(text))\n"
     "            except ValueError:  # February 30\n"
     "                return False\n"
     "    return False\n"
     "\n\n"
     "def fits(value, pattern):\n"
     "    \"\"\"Whether a text matches from its start.\"\"\"\n"
     "    return isinstance(value, str) and bool(re.match(pattern, value))\n\n"},
    {NK_PY_JOIN,
     "\n"
     "def sparkJoin(glueContext, left, right, keys, how, transformation_ctx) -> DynamicFrame:\n"
     "    \"\"\"As Join.apply: of names on both sides the right one gets a dot before it.\"\"\"\n"
     "    left, right = left.toDF(), right.toDF()\n"
     "    mine, theirs = [[name.lower() for name in frame.columns] for frame in (left, right)]\n"
     "    renamed = {}\n"
     "    for name in right.columns:\n"
     "        new = name\n"
     "        while new.lower() in mine or (new != name and new.lower() in theirs):\n"
     "            new = \".\" + new\n"
     "        renamed[name.lower()] = new\n"
     "    right = right.toDF(*renamed.values())\n"
     "    condition = None\n"
     "    for one, (first, *rest) in keys:\n"
     "        other = [renamed[first.lower()], *rest]\n"
     "        x, y = [SqlFuncs.col(\".\".join(\"`\" + p.replace(\"`\", \"``\") + \"`\" for p in "
     "path)) "
     "for path in (one, other)]\n"
     "        condition = x == y if condition is None else condition & (x == y)\n"
     "    return DynamicFrame.fromDF(left.join(right, condition, how), glueContext, "
     "transformation_ctx)\n\n"},
    {NK_PY_NULLS,
     "\n"
     "def dropNulls(glueContext, parentFrame, texts, numbers, transformation_ctx) -> "
     "DynamicFrame:\n"
     "    \"\"\"Leaves out the fields that hold nothing but nulls and what stands for them.\"\"\"\n"
     "    frame = parentFrame.toDF()\n"
     "    counts = [SqlFuncs.count(SqlFuncs.lit(1))]\n"
     "    for field in frame.schema:\n"
     "        column = SqlFuncs.col(\"`\" + field.name.replace(\"`\", \"``\") + \"`\")\n"
     "        value = column\n"
     "        if texts and field.dataType.typeName() == \"string\":\n"
     "            value = SqlFuncs.when(~SqlFuncs.trim(column).isin(texts), column)\n"
     "        if numbers and isinstance(field.dataType, NumericType):\n"
     "            value = SqlFuncs.when(~column.cast(\"double\").isin(numbers), column)\n"
     "        counts.append(SqlFuncs.count(value))\n"
     "    total, *counts = frame.agg(*counts).first()\n"
     "    empty = [field.name for field, count in zip(frame.schema, counts) if total and not "
     "count]\n"
     "    return DynamicFrame.fromDF(frame.drop(*empty), glueContext, transformation_ctx)\n\n"},
    {NK_PY_AGGREGATE,
     "\n"
     "def sparkAggregate(glueContext, parentFrame, groups, aggs, transformation_ctx) -> "
     "DynamicFrame:\n"
     "    columns = [getattr(SqlFuncs, func)(column) for column, func in aggs]\n"
     "    frame = parentFrame.toDF()\n"
     "    result = frame.groupBy(*groups).agg(*columns) if groups else frame.agg(*columns)\n"
     "    return DynamicFrame.fromDF(result, glueContext, transformation_ctx)\n\n"},
    {NK_PY_QUERY,
     "\n"
     "def sparkSqlQuery(glueContext, query, mapping, transformation_ctx) -> DynamicFrame:\n"
     "    for alias, frame in mapping.items():\n"
     "        frame.toDF().createOrReplaceTempView(alias)\n"
     "    result = glueContext.spark_session.sql(query)\n"
     "    return DynamicFrame.fromDF(result, glueContext, transformation_ctx)\n\n"},
    {NK_PY_UNION,
     "\n"
     "def sparkUnion(glueContext, unionType, frames, transformation_ctx) -> DynamicFrame:\n"
     "    first, second = [frame.toDF() for frame in frames]\n"
     "    result = first.union(second)\n"
     "    if unionType == \"DISTINCT\":\n"
     "        result = result.distinct()\n"
     "    return DynamicFrame.fromDF(result, glueContext, transformation_ctx)\n\n"},
    {0, "\n"
        "args = getResolvedOptions(sys.argv, [\"JOB_NAME\"])\n"
        "sc = SparkContext.getOrCreate()\n"
        "glueContext = GlueContext(sc)\n"
        "spark = glueContext.spark_session\n"
        "job = Job(glueContext)\n"
        "job.init(args[\"JOB_NAME\"], args)\n"},
};

static nk_code check_aws_limits(const nk_visual *v, nk_err *err)
{
    for (size_t i = 0; i < v->n; i++) {
        const nk_json *adq = nk_json_get(v->nodes[i]->body, "AutoDataQuality");
        if (nk_json_bool(adq, "IsEnabled", false))
            return nk_fail(err, NK_E_INVALID,
                           "Node %.*s asks for AutoDataQuality, which this server has not yet.",
                           NK_STR_ARG(v->nodes[i]->id));
    }
    return NK_OK;
}

nk_code nk_codegen_python(const nk_visual *v, nk_arena *a, nk_str *script, nk_err *err)
{
    nk_pygen g = {.arena = a};
    nk_buf out;
    nk_code rc;
    NK_TRY(check_aws_limits(v, err));
    nk_buf_init(&g.body, SCRIPT_MAX);
    nk_buf_init(&out, SCRIPT_MAX);
    for (size_t i = 0; i < v->n; i++) {
        const nk_visual_node *n = v->nodes[i];
        nk_buf_puts(&g.body, "\n# ");
        for (size_t k = 0; k < n->name.n; k++) /* a name may not end the comment */
            nk_buf_putc(&g.body, (unsigned char)n->name.p[k] < 0x20 ? ' ' : n->name.p[k]);
        nk_buf_printf(&g.body, ": %s\n", n->kind->doc);
        NK_TRY_GOTO(rc, n->kind->emit(&g, n, err), done);
    }
    for (size_t i = 0; i < NK_COUNTOF(preamble); i++)
        if (!preamble[i].need || (g.needs & preamble[i].need))
            nk_buf_puts(&out, preamble[i].text);
    NK_TRY_GOTO(rc, nk_buf_check(&g.body, err), done);
    nk_buf_str(&out, nk_buf_view(&g.body));
    nk_buf_puts(&out, "\njob.commit()\n");
    NK_TRY_GOTO(rc, nk_buf_check(&out, err), done);
    *script = nk_buf_dup(&out, a);
    rc = script->p ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
done:
    nk_buf_free(&g.body);
    nk_buf_free(&out);
    return rc;
}

nk_code nk_codegen_script(nk_str nodes_json, nk_arena *a, nk_str *script, nk_err *err)
{
    nk_json *doc = NULL;
    nk_visual *v = NULL;
    NK_TRY(nk_json_parse(nodes_json, a, 0, &doc, err));
    NK_TRY(nk_visual_parse(doc, a, &v, err));
    return nk_codegen_python(v, a, script, err);
}
