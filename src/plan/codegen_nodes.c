/* One emitter a node kind. A row of visual.c's table names each. */
#include "plan/codegen_int.h"
#include "plan/regex.h"

static void dict_open(nk_buf *b)
{
    nk_buf_putc(b, '{');
}

static void dict_key(nk_buf *b, const char *key)
{
    if (b->n && b->p[b->n - 1] != '{')
        nk_buf_puts(b, ", ");
    nk_py_str(b, nk_str_c(key));
    nk_buf_puts(b, ": ");
}

static void dict_str(nk_buf *b, const char *key, nk_str value)
{
    if (value.p) {
        dict_key(b, key);
        nk_py_str(b, value);
    }
}

static void dict_json(nk_buf *b, const char *key, const nk_json *value)
{
    if (!nk_json_is_null(value)) {
        dict_key(b, key);
        nk_py_json(b, value);
    }
}

/* [["a"],["b","c"]] -> ["a", "b.c"] */
static void path_list(nk_buf *b, const nk_json *paths)
{
    nk_buf_putc(b, '[');
    for (const nk_json *p = paths ? paths->first : NULL; p; p = p->next) {
        nk_buf one;
        nk_buf_init(&one, 1 << 16);
        nk_buf_fail(b, nk_visual_path(p, &one));
        nk_py_str(b, nk_buf_view(&one));
        nk_buf_free(&one);
        if (p->next)
            nk_buf_puts(b, ", ");
    }
    nk_buf_putc(b, ']');
}

static nk_str path_text(nk_pygen *g, const nk_json *path)
{
    nk_buf one;
    nk_buf_init(&one, 1 << 16);
    nk_buf_fail(&g->body, nk_visual_path(path, &one));
    nk_str s = nk_buf_dup(&one, g->arena);
    nk_buf_free(&one);
    return s.p ? s : NK_STR("");
}

/* ---- sources ---- */

nk_code nk_py_catalog_source(nk_pygen *g, const nk_visual_node *n, nk_err *err)
{
    const nk_json *more = nk_json_get(n->body, "AdditionalOptions");
    nk_str predicate = nk_json_str(n->body, "PartitionPredicate");
    nk_py_open(g, n->var, "glueContext.create_dynamic_frame.from_catalog");
    nk_py_arg_str(g, "database", nk_json_str(n->body, "Database"));
    nk_py_arg_str(g, "table_name", nk_json_str(n->body, "Table"));
    if (predicate.p && predicate.n)
        nk_py_arg_str(g, "push_down_predicate", predicate);
    if (more && more->count) {
        nk_buf *b = nk_py_arg(g, "additional_options");
        dict_open(b);
        dict_json(b, "boundedSize", nk_json_get(more, "BoundedSize"));
        dict_json(b, "boundedFiles", nk_json_get(more, "BoundedFiles"));
        nk_buf_putc(b, '}');
        nk_py_end_arg(g);
    }
    nk_py_close(g, n->var);
    return NK_OK;
}

/* connection_options of the S3 sources. Exclusions go as JSON text, numbers as AWS's scripts write
 * them. */
static void s3_source(nk_pygen *g, const nk_visual_node *n, const char *format)
{
    const nk_json *more = nk_json_get(n->body, "AdditionalOptions");
    const nk_json *exclusions = nk_json_get(n->body, "Exclusions");
    nk_py_arg_str(g, "connection_type", NK_STR("s3"));
    nk_py_arg_str(g, "format", nk_str_c(format));
    nk_buf *b = nk_py_arg(g, "connection_options");
    dict_open(b);
    dict_json(b, "paths", nk_json_get(n->body, "Paths"));
    dict_json(b, "recurse", nk_json_get(n->body, "Recurse"));
    if (exclusions && exclusions->count) {
        nk_buf text;
        nk_buf_init(&text, 1 << 20);
        nk_json_writer w = {.buf = &text};
        nk_jw_tree(&w, exclusions);
        dict_str(b, "exclusions", nk_buf_view(&text));
        nk_buf_free(&text);
    }
    dict_str(b, "compressionType", nk_json_str(n->body, "CompressionType"));
    dict_str(b, "groupFiles", nk_json_str(n->body, "GroupFiles"));
    dict_str(b, "groupSize", nk_json_str(n->body, "GroupSize"));
    dict_json(b, "maxBand", nk_json_get(n->body, "MaxBand"));
    dict_json(b, "maxFilesInBand", nk_json_get(n->body, "MaxFilesInBand"));
    dict_json(b, "boundedSize", nk_json_get(more, "BoundedSize"));
    dict_json(b, "boundedFiles", nk_json_get(more, "BoundedFiles"));
    nk_buf_putc(b, '}');
    nk_py_end_arg(g);
    nk_py_close(g, n->var);
}

static const struct {
    const char *name, *text;
} separators[] = {{"comma", ","},
                  {"ctrla", "\x01"},
                  {"pipe", "|"},
                  {"semicolon", ";"},
                  {"tab", "\t"}},
  quotes[] = {{"quote", "\""}, {"quillemet", "\xc2\xab"}, {"single_quote", "'"}};

nk_code nk_py_csv_source(nk_pygen *g, const nk_visual_node *n, nk_err *err)
{
    nk_str sep = nk_json_str(n->body, "Separator"), quote = nk_json_str(n->body, "QuoteChar");
    nk_py_open(g, n->var, "glueContext.create_dynamic_frame.from_options");
    nk_buf *b = nk_py_arg(g, "format_options");
    dict_open(b);
    for (size_t i = 0; i < NK_COUNTOF(separators); i++)
        if (nk_str_is(sep, separators[i].name))
            dict_str(b, "separator", nk_str_c(separators[i].text));
    if (nk_str_is(quote, "disabled")) {
        dict_key(b, "quoteChar");
        nk_buf_puts(b, "-1");
    }
    for (size_t i = 0; i < NK_COUNTOF(quotes); i++)
        if (nk_str_is(quote, quotes[i].name))
            dict_str(b, "quoteChar", nk_str_c(quotes[i].text));
    dict_json(b, "withHeader", nk_json_get(n->body, "WithHeader"));
    if (nk_json_str(n->body, "Escaper").n)
        dict_str(b, "escaper", nk_json_str(n->body, "Escaper"));
    dict_json(b, "multiLine", nk_json_get(n->body, "Multiline"));
    dict_json(b, "skipFirst", nk_json_get(n->body, "SkipFirst"));
    dict_json(b, "optimizePerformance", nk_json_get(n->body, "OptimizePerformance"));
    nk_buf_putc(b, '}');
    nk_py_end_arg(g);
    s3_source(g, n, "csv");
    return NK_OK;
}

nk_code nk_py_json_source(nk_pygen *g, const nk_visual_node *n, nk_err *err)
{
    nk_py_open(g, n->var, "glueContext.create_dynamic_frame.from_options");
    nk_buf *b = nk_py_arg(g, "format_options");
    dict_open(b);
    if (nk_json_str(n->body, "JsonPath").n)
        dict_str(b, "jsonPath", nk_json_str(n->body, "JsonPath"));
    dict_json(b, "multiline", nk_json_get(n->body, "Multiline"));
    nk_buf_putc(b, '}');
    nk_py_end_arg(g);
    s3_source(g, n, "json");
    return NK_OK;
}

nk_code nk_py_parquet_source(nk_pygen *g, const nk_visual_node *n, nk_err *err)
{
    nk_py_open(g, n->var, "glueContext.create_dynamic_frame.from_options");
    s3_source(g, n, "parquet");
    return NK_OK;
}

/* ---- fields ---- */

static void mapping_rows(nk_pygen *g, const nk_json *list, nk_str parent)
{
    for (const nk_json *m = list ? list->first : NULL; m; m = m->next) {
        const nk_json *children = nk_json_get(m, "Children");
        nk_str to = nk_json_str(m, "ToKey");
        nk_str from = path_text(g, nk_json_get(m, "FromPath"));
        if (nk_json_bool(m, "Dropped", false))
            continue;
        if (!to.n)
            to = from;
        if (parent.n)
            to = nk_str_printf(g->arena, "%.*s.%.*s", NK_STR_ARG(parent), NK_STR_ARG(to));
        if (children && children->count) {
            mapping_rows(g, children, to);
            continue;
        }
        nk_buf *b = &g->body;
        nk_buf_puts(b, "        (");
        nk_py_str(b, from);
        nk_buf_puts(b, ", ");
        nk_py_str(b, nk_json_str(m, "FromType").p ? nk_json_str(m, "FromType") : NK_STR("string"));
        nk_buf_puts(b, ", ");
        nk_py_str(b, to);
        nk_buf_puts(b, ", ");
        nk_str type = nk_json_str(m, "ToType");
        nk_py_str(b, type.p ? type : nk_json_str(m, "FromType"));
        nk_buf_puts(b, "),\n");
    }
}

nk_code nk_py_apply_mapping(nk_pygen *g, const nk_visual_node *n, nk_err *err)
{
    nk_py_open(g, n->var, "ApplyMapping.apply");
    nk_py_arg_code(g, "frame", nk_py_input(g, n, 0));
    nk_buf_puts(nk_py_arg(g, "mappings"), "[\n");
    mapping_rows(g, nk_json_get(n->body, "Mapping"), NK_STR(""));
    nk_buf_puts(&g->body, "    ]");
    nk_py_end_arg(g);
    nk_py_close(g, n->var);
    return NK_OK;
}

static nk_code paths_call(nk_pygen *g, const nk_visual_node *n, const char *callee)
{
    nk_py_open(g, n->var, callee);
    nk_py_arg_code(g, "frame", nk_py_input(g, n, 0));
    path_list(nk_py_arg(g, "paths"), nk_json_get(n->body, "Paths"));
    nk_py_end_arg(g);
    nk_py_close(g, n->var);
    return NK_OK;
}

nk_code nk_py_select_fields(nk_pygen *g, const nk_visual_node *n, nk_err *err)
{
    return paths_call(g, n, "SelectFields.apply");
}

nk_code nk_py_drop_fields(nk_pygen *g, const nk_visual_node *n, nk_err *err)
{
    return paths_call(g, n, "DropFields.apply");
}

nk_code nk_py_rename_field(nk_pygen *g, const nk_visual_node *n, nk_err *err)
{
    nk_py_open(g, n->var, "RenameField.apply");
    nk_py_arg_code(g, "frame", nk_py_input(g, n, 0));
    nk_py_arg_str(g, "old_name", path_text(g, nk_json_get(n->body, "SourcePath")));
    nk_py_arg_str(g, "new_name", path_text(g, nk_json_get(n->body, "TargetPath")));
    nk_py_close(g, n->var);
    return NK_OK;
}

nk_code nk_py_split_fields(nk_pygen *g, const nk_visual_node *n, nk_err *err)
{
    nk_py_open(g, n->var, "SplitFields.apply");
    nk_py_arg_code(g, "frame", nk_py_input(g, n, 0));
    path_list(nk_py_arg(g, "paths"), nk_json_get(n->body, "Paths"));
    nk_py_end_arg(g);
    nk_py_arg_str(g, "name1", nk_str_printf(g->arena, "%.*s1", NK_STR_ARG(n->var)));
    nk_py_arg_str(g, "name2", nk_str_printf(g->arena, "%.*s2", NK_STR_ARG(n->var)));
    nk_py_close(g, n->var);
    return NK_OK;
}

nk_code nk_py_select_from_collection(nk_pygen *g, const nk_visual_node *n, nk_err *err)
{
    nk_str in = nk_py_input(g, n, 0);
    nk_py_open(g, n->var, "SelectFromCollection.apply");
    nk_py_arg_code(g, "dfc", in);
    nk_buf_printf(nk_py_arg(g, "key"), "list(%.*s.keys())[%lld]", NK_STR_ARG(in),
                  (long long)nk_json_i64(n->body, "Index", 0));
    nk_py_end_arg(g);
    nk_py_close(g, n->var);
    return NK_OK;
}

/* ---- rows ---- */

/* at(row, "home", "zip") */
static void at(nk_buf *b, const nk_json *path)
{
    nk_buf_puts(b, "at(row");
    for (const nk_json *p = path ? path->first : NULL; p; p = p->next) {
        nk_buf_puts(b, ", ");
        nk_py_str(b, p->text);
    }
    nk_buf_putc(b, ')');
}

static const nk_json *value_at(const nk_json *filter, size_t i)
{
    const nk_json *v = nk_json_at(nk_json_get(filter, "Values"), i);
    return v ? nk_json_get(v, "Value") : NULL;
}

static bool is_column(const nk_json *filter, size_t i)
{
    return nk_str_is(nk_json_str(nk_json_at(nk_json_get(filter, "Values"), i), "Type"),
                     "COLUMNEXTRACTED");
}

static const char *operator_of(nk_str operation)
{
    static const struct {
        const char *name, *op;
    } ops[] = {{"EQ", "eq"}, {"LT", "lt"}, {"GT", "gt"}, {"LTE", "le"}, {"GTE", "ge"}};
    for (size_t i = 0; i < NK_COUNTOF(ops); i++)
        if (nk_str_is(operation, ops[i].name))
            return ops[i].op;
    return NULL;
}

/* What Python does not take either must not wait for a run to be found out. */
static nk_code check_pattern(nk_pygen *g, const nk_visual_node *n, nk_str pattern, nk_err *err)
{
    nk_str re2;
    nk_err own = NK_ERR_INIT;
    if (nk_regex_python(pattern, g->arena, &re2, &own) != NK_E_INVALID)
        return NK_OK;
    return nk_fail(err, NK_E_INVALID, "Node %.*s: %s.", NK_STR_ARG(n->id), own.msg);
}

static nk_code one_filter(nk_pygen *g, const nk_visual_node *n, const nk_json *f, nk_err *err)
{
    nk_buf *b = &g->body;
    nk_str op = nk_json_str(f, "Operation");
    bool pattern = nk_str_is(op, "REGEX");
    const char *name = operator_of(op);
    const nk_json *left = value_at(f, 0), *right = value_at(f, 1);
    if (!left || !is_column(f, 0))
        return nk_fail(err, NK_E_INVALID, "Node %.*s: a filter's first value must be a column.",
                       NK_STR_ARG(n->id));
    nk_buf_puts(b, nk_json_bool(f, "Negated", false) ? "not " : "");
    if (nk_str_is(op, "ISNULL")) {
        at(b, left);
        nk_buf_puts(b, " is None");
        return NK_OK;
    }
    if (!pattern && !name)
        return nk_fail(err, NK_E_INVALID, "Node %.*s: unknown filter operation %.*s.",
                       NK_STR_ARG(n->id), NK_STR_ARG(op));
    if (!right || right->count == 0)
        return nk_fail(err, NK_E_INVALID, "Node %.*s: the filter %.*s needs a second value.",
                       NK_STR_ARG(n->id), NK_STR_ARG(op));
    if (pattern && !is_column(f, 1))
        NK_TRY(check_pattern(g, n, right->first->text, err));
    nk_buf_puts(b, pattern ? "fits(" : is_column(f, 1) ? "compares(" : "matches(");
    at(b, left);
    nk_buf_printf(b, ", %s%s", name ? name : "", name ? ", " : "");
    if (is_column(f, 1))
        at(b, right);
    else
        nk_py_str(b, right->first->text);
    nk_buf_putc(b, ')');
    return NK_OK;
}

nk_code nk_py_filter(nk_pygen *g, const nk_visual_node *n, nk_err *err)
{
    const nk_json *filters = nk_json_get(n->body, "Filters");
    bool any = nk_str_is(nk_json_str(n->body, "LogicalOperator"), "OR");
    if (!filters->count)
        return nk_fail(err, NK_E_INVALID, "Node %.*s has no filters.", NK_STR_ARG(n->id));
    g->needs |= NK_PY_FILTER;
    nk_py_open(g, n->var, "Filter.apply");
    nk_py_arg_code(g, "frame", nk_py_input(g, n, 0));
    nk_buf_puts(nk_py_arg(g, "f"), "lambda row: (\n");
    for (const nk_json *f = filters->first; f; f = f->next) {
        nk_buf_puts(&g->body, f == filters->first ? "        "
                              : any               ? "        or "
                                                  : "        and ");
        NK_TRY(one_filter(g, n, f, err));
        nk_buf_putc(&g->body, '\n');
    }
    nk_buf_puts(&g->body, "    )");
    nk_py_end_arg(g);
    nk_py_close(g, n->var);
    return NK_OK;
}

nk_code nk_py_drop_duplicates(nk_pygen *g, const nk_visual_node *n, nk_err *err)
{
    const nk_json *columns = nk_json_get(n->body, "Columns");
    nk_str in = nk_py_input(g, n, 0);
    g->needs |= NK_PY_DYNAMIC_FRAME;
    nk_py_open(g, n->var, "DynamicFrame.fromDF");
    nk_buf *b = nk_py_arg(g, NULL);
    nk_buf_printf(b, "%.*s.toDF().dropDuplicates(", NK_STR_ARG(in));
    if (columns && columns->count)
        path_list(b, columns);
    nk_buf_putc(b, ')');
    nk_py_end_arg(g);
    nk_py_arg_code(g, NULL, NK_STR("glueContext"));
    nk_py_arg_str(g, NULL, n->var);
    nk_py_close(g, NK_STR_NULL);
    return NK_OK;
}

nk_code nk_py_fill_missing(nk_pygen *g, const nk_visual_node *n, nk_err *err)
{
    g->needs |= NK_PY_FILL;
    nk_str filled = nk_json_str(n->body, "FilledPath");
    nk_py_open(g, n->var, "FillMissingValues.apply");
    nk_py_arg_code(g, "frame", nk_py_input(g, n, 0));
    nk_py_arg_str(g, "missing_values_column", nk_json_str(n->body, "ImputedPath"));
    if (filled.n)
        nk_py_arg_str(g, "output_column", filled);
    nk_py_close(g, n->var);
    return NK_OK;
}

static void str_list(nk_buf *b, const nk_strs *list, bool quoted)
{
    nk_buf_putc(b, '[');
    for (size_t i = 0; i < list->n; i++) {
        nk_buf_puts(b, i ? ", " : "");
        if (quoted)
            nk_py_str(b, list->v[i]);
        else
            nk_buf_str(b, list->v[i]);
    }
    nk_buf_putc(b, ']');
}

nk_code nk_py_drop_null_fields(nk_pygen *g, const nk_visual_node *n, nk_err *err)
{
    nk_visual_nulls nulls;
    NK_TRY(nk_visual_nulls_read(n->body, g->arena, &nulls, err));
    bool more = nulls.texts.n || nulls.numbers.n;
    g->needs |= more ? NK_PY_NULLS | NK_PY_DYNAMIC_FRAME | NK_PY_SQL_FUNCS : 0u;
    nk_py_open(g, n->var, more ? "dropNulls" : "DropNullFields.apply");
    if (more)
        nk_py_arg_code(g, NULL, NK_STR("glueContext"));
    nk_py_arg_code(g, more ? "parentFrame" : "frame", nk_py_input(g, n, 0));
    if (more) {
        str_list(nk_py_arg(g, "texts"), &nulls.texts, true);
        nk_py_end_arg(g);
        str_list(nk_py_arg(g, "numbers"), &nulls.numbers, false);
        nk_py_end_arg(g);
    }
    nk_py_close(g, n->var);
    return NK_OK;
}

/* ---- several inputs, groups, queries ---- */

/* The keys of the side that reads from input i: JoinColumn.From names the node. */
static const nk_json *join_keys(const nk_visual_node *n, size_t i)
{
    const nk_json *columns = nk_json_get(n->body, "Columns");
    for (const nk_json *c = columns->first; c; c = c->next)
        if (nk_str_eq(nk_json_str(c, "From"), n->inputs[i].node->id))
            if (n->inputs[0].node != n->inputs[1].node)
                return nk_json_get(c, "Keys");
    return nk_json_get(nk_json_at(columns, i), "Keys");
}

/* [(["a"], ["b", "c"]), …] */
static void join_pairs(nk_buf *b, const nk_json *k1, const nk_json *k2)
{
    const nk_json *x = k1->first, *y = k2->first;
    nk_buf_putc(b, '[');
    for (; x && y; x = x->next, y = y->next) {
        nk_buf_puts(b, x == k1->first ? "(" : ", (");
        nk_py_json(b, x);
        nk_buf_puts(b, ", ");
        nk_py_json(b, y);
        nk_buf_putc(b, ')');
    }
    nk_buf_putc(b, ']');
}

nk_code nk_py_join(nk_pygen *g, const nk_visual_node *n, nk_err *err)
{
    nk_str type = nk_json_str(n->body, "JoinType");
    const nk_json *k1 = join_keys(n, 0), *k2 = join_keys(n, 1);
    if (!k1 || !k2 || !k1->count || k1->count != k2->count)
        return nk_fail(err, NK_E_INVALID,
                       "Node %.*s: both sides of a join need the same number of keys.",
                       NK_STR_ARG(n->id));
    if (nk_str_is(type, "equijoin")) {
        nk_py_open(g, n->var, "Join.apply");
        nk_py_arg_code(g, "frame1", nk_py_input(g, n, 0));
        nk_py_arg_code(g, "frame2", nk_py_input(g, n, 1));
        path_list(nk_py_arg(g, "keys1"), k1);
        nk_py_end_arg(g);
        path_list(nk_py_arg(g, "keys2"), k2);
        nk_py_end_arg(g);
        nk_py_close(g, n->var);
        return NK_OK;
    }
    g->needs |= NK_PY_JOIN | NK_PY_DYNAMIC_FRAME | NK_PY_SQL_FUNCS;
    nk_py_open(g, n->var, "sparkJoin");
    nk_py_arg_code(g, NULL, NK_STR("glueContext"));
    nk_py_arg_code(g, "left", nk_py_input(g, n, 0));
    nk_py_arg_code(g, "right", nk_py_input(g, n, 1));
    join_pairs(nk_py_arg(g, "keys"), k1, k2);
    nk_py_end_arg(g);
    nk_py_arg_str(g, "how", type);
    nk_py_close(g, n->var);
    return NK_OK;
}

nk_code nk_py_aggregate(nk_pygen *g, const nk_visual_node *n, nk_err *err)
{
    g->needs |= NK_PY_AGGREGATE | NK_PY_DYNAMIC_FRAME | NK_PY_SQL_FUNCS;
    nk_py_open(g, n->var, "sparkAggregate");
    nk_py_arg_code(g, NULL, NK_STR("glueContext"));
    nk_py_arg_code(g, "parentFrame", nk_py_input(g, n, 0));
    path_list(nk_py_arg(g, "groups"), nk_json_get(n->body, "Groups"));
    nk_py_end_arg(g);
    nk_buf *b = nk_py_arg(g, "aggs");
    nk_buf_putc(b, '[');
    for (const nk_json *x = nk_json_get(n->body, "Aggs")->first; x; x = x->next) {
        nk_buf_putc(b, '(');
        nk_py_str(b, path_text(g, nk_json_get(x, "Column")));
        nk_buf_puts(b, ", ");
        nk_py_str(b, nk_json_str(x, "AggFunc"));
        nk_buf_puts(b, x->next ? "), " : ")");
    }
    nk_buf_putc(b, ']');
    nk_py_end_arg(g);
    nk_py_close(g, n->var);
    return NK_OK;
}

nk_code nk_py_spark_sql(nk_pygen *g, const nk_visual_node *n, nk_err *err)
{
    const nk_json *aliases = nk_json_get(n->body, "SqlAliases");
    g->needs |= NK_PY_QUERY | NK_PY_DYNAMIC_FRAME;
    nk_py_open(g, n->var, "sparkSqlQuery");
    nk_py_arg_code(g, NULL, NK_STR("glueContext"));
    nk_py_arg_str(g, "query", nk_json_str(n->body, "SqlQuery"));
    nk_buf *b = nk_py_arg(g, "mapping");
    nk_buf_putc(b, '{');
    for (const nk_json *x = aliases->first; x; x = x->next) {
        nk_str from = nk_json_str(x, "From"), var = NK_STR_NULL;
        for (size_t i = 0; i < n->ninputs; i++) {
            const nk_json *in = nk_json_at(nk_json_get(n->body, "Inputs"), i);
            if (nk_str_eq(from, in->text) || nk_str_eq(from, n->inputs[i].node->id))
                var = nk_py_input(g, n, i);
        }
        if (!var.p)
            return nk_fail(err, NK_E_INVALID,
                           "Node %.*s: the alias %.*s stands for %.*s, which is not an input.",
                           NK_STR_ARG(n->id), NK_STR_ARG(nk_json_str(x, "Alias")),
                           NK_STR_ARG(from));
        nk_py_str(b, nk_json_str(x, "Alias"));
        nk_buf_printf(b, ": %.*s%s", NK_STR_ARG(var), x->next ? ", " : "");
    }
    nk_buf_putc(b, '}');
    nk_py_end_arg(g);
    nk_py_close(g, n->var);
    return NK_OK;
}

nk_code nk_py_union(nk_pygen *g, const nk_visual_node *n, nk_err *err)
{
    g->needs |= NK_PY_UNION | NK_PY_DYNAMIC_FRAME;
    nk_py_open(g, n->var, "sparkUnion");
    nk_py_arg_code(g, NULL, NK_STR("glueContext"));
    nk_py_arg_str(g, "unionType", nk_json_str(n->body, "UnionType"));
    nk_buf_printf(nk_py_arg(g, "frames"), "[%.*s, %.*s]", NK_STR_ARG(nk_py_input(g, n, 0)),
                  NK_STR_ARG(nk_py_input(g, n, 1)));
    nk_py_end_arg(g);
    nk_py_close(g, n->var);
    return NK_OK;
}

nk_code nk_py_spigot(nk_pygen *g, const nk_visual_node *n, nk_err *err)
{
    nk_py_open(g, n->var, "Spigot.apply");
    nk_py_arg_code(g, "frame", nk_py_input(g, n, 0));
    nk_py_arg_str(g, "path", nk_json_str(n->body, "Path"));
    nk_buf *b = nk_py_arg(g, "options");
    dict_open(b);
    dict_json(b, "topk", nk_json_get(n->body, "Topk"));
    dict_json(b, "prob", nk_json_get(n->body, "Prob"));
    nk_buf_putc(b, '}');
    nk_py_end_arg(g);
    nk_py_close(g, n->var);
    return NK_OK;
}

/* ---- targets ---- */

/* The script's name of a target format: Parquet written by Glue's own writer is "glueparquet". */
static nk_str target_format(const nk_visual_node *n)
{
    nk_str format = nk_json_str(n->body, "Format");
    return !format.p || nk_str_is(format, "parquet") ? NK_STR("glueparquet") : format;
}

static nk_code repartition(nk_pygen *g, const nk_visual_node *n, nk_str *frame, nk_err *err)
{
    nk_str count = nk_json_str(n->body, "NumberTargetPartitions");
    int64_t k;
    *frame = nk_py_input(g, n, 0);
    if (!count.n || nk_str_is(count, "0"))
        return NK_OK;
    if (!nk_str_i64(count, &k) || k < 1 || k > 100000)
        return nk_fail(err, NK_E_INVALID,
                       "Node %.*s: NumberTargetPartitions must be a number from 1 to 100000.",
                       NK_STR_ARG(n->id));
    *frame = nk_str_printf(g->arena, "%.*s.repartition(%lld)", NK_STR_ARG(*frame), (long long)k);
    return NK_OK;
}

static void sink(nk_pygen *g, const nk_visual_node *n, const nk_json *policy, nk_str frame)
{
    const nk_json *keys = nk_json_get(n->body, "PartitionKeys");
    nk_str compression = nk_json_str(n->body, "Compression"), format = target_format(n);
    nk_str behavior = nk_json_str(policy, "UpdateBehavior");
    nk_py_open(g, n->var, "glueContext.getSink");
    nk_py_arg_str(g, "path", nk_json_str(n->body, "Path"));
    nk_py_arg_str(g, "connection_type", NK_STR("s3"));
    if (behavior.p)
        nk_py_arg_str(g, "updateBehavior", behavior);
    path_list(nk_py_arg(g, "partitionKeys"), keys);
    nk_py_end_arg(g);
    nk_py_arg_code(g, "enableUpdateCatalog", NK_STR("True"));
    if (compression.n)
        nk_py_arg_str(g, "compression", compression);
    nk_py_close(g, n->var);
    nk_buf *b = &g->body;
    nk_buf_printf(b, "%.*s.setCatalogInfo(catalogDatabase=", NK_STR_ARG(n->var));
    nk_py_str(b, nk_json_str(policy, "Database"));
    nk_buf_puts(b, ", catalogTableName=");
    nk_py_str(b, nk_json_str(policy, "Table"));
    nk_buf_printf(b, ")\n%.*s.setFormat(", NK_STR_ARG(n->var));
    nk_py_str(b, format);
    if (compression.n && nk_str_is(format, "glueparquet")) {
        nk_buf_puts(b, ", compression=");
        nk_py_str(b, compression);
    }
    nk_buf_printf(b, ")\n%.*s.writeFrame(%.*s)\n", NK_STR_ARG(n->var), NK_STR_ARG(frame));
}

static nk_code check_format(const nk_visual_node *n, nk_err *err)
{
    nk_str format = nk_json_str(n->body, "Format");
    if (!format.p || nk_str_is(format, "parquet") || nk_str_is(format, "csv") ||
        nk_str_is(format, "json") || nk_str_is(format, "avro"))
        return NK_OK;
    return nk_fail(err, NK_E_INVALID, "Node %.*s: the target format %.*s cannot be written yet.",
                   NK_STR_ARG(n->id), NK_STR_ARG(format));
}

nk_code nk_py_s3_target(nk_pygen *g, const nk_visual_node *n, nk_err *err)
{
    const nk_json *policy = nk_json_get(n->body, "SchemaChangePolicy");
    const nk_json *keys = nk_json_get(n->body, "PartitionKeys");
    nk_str compression = nk_json_str(n->body, "Compression"), frame, format = target_format(n);
    NK_TRY(check_format(n, err));
    NK_TRY(repartition(g, n, &frame, err));
    if (nk_json_bool(policy, "EnableUpdateCatalog", false)) {
        if (!nk_json_str(policy, "Table").n || !nk_json_str(policy, "Database").n)
            return nk_fail(err, NK_E_INVALID,
                           "Node %.*s: a target that updates the catalogue must name Database and "
                           "Table in SchemaChangePolicy.",
                           NK_STR_ARG(n->id));
        sink(g, n, policy, frame);
        return NK_OK;
    }
    nk_py_open(g, n->var, "glueContext.write_dynamic_frame.from_options");
    nk_py_arg_code(g, "frame", frame);
    nk_py_arg_str(g, "connection_type", NK_STR("s3"));
    nk_py_arg_str(g, "format", format);
    nk_buf *b = nk_py_arg(g, "connection_options");
    dict_open(b);
    dict_str(b, "path", nk_json_str(n->body, "Path"));
    if (compression.n && !nk_str_is(format, "glueparquet"))
        dict_str(b, "compression", compression);
    dict_key(b, "partitionKeys");
    path_list(b, keys);
    nk_buf_putc(b, '}');
    nk_py_end_arg(g);
    if (compression.n && nk_str_is(format, "glueparquet")) {
        b = nk_py_arg(g, "format_options");
        dict_open(b);
        dict_str(b, "compression", compression);
        nk_buf_putc(b, '}');
        nk_py_end_arg(g);
    }
    nk_py_close(g, n->var);
    return NK_OK;
}

nk_code nk_py_catalog_target(nk_pygen *g, const nk_visual_node *n, nk_err *err)
{
    const nk_json *policy = nk_json_get(n->body, "SchemaChangePolicy");
    const nk_json *keys = nk_json_get(n->body, "PartitionKeys");
    bool update = nk_json_bool(policy, "EnableUpdateCatalog", false);
    nk_py_open(g, n->var, "glueContext.write_dynamic_frame.from_catalog");
    nk_py_arg_code(g, "frame", nk_py_input(g, n, 0));
    nk_py_arg_str(g, "database", nk_json_str(n->body, "Database"));
    nk_py_arg_str(g, "table_name", nk_json_str(n->body, "Table"));
    if (update || (keys && keys->count)) {
        nk_buf *b = nk_py_arg(g, "additional_options");
        dict_open(b);
        if (update) {
            dict_key(b, "enableUpdateCatalog");
            nk_buf_puts(b, "True");
            dict_str(b, "updateBehavior", nk_json_str(policy, "UpdateBehavior"));
        }
        if (keys && keys->count) {
            dict_key(b, "partitionKeys");
            path_list(b, keys);
        }
        nk_buf_putc(b, '}');
        nk_py_end_arg(g);
    }
    nk_py_close(g, n->var);
    return NK_OK;
}
