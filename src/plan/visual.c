#include "plan/visual.h"

#include <ctype.h>
#include <stdio.h>

#include "plan/codegen_int.h"

#define NODES_MAX 1000

#define SRC NK_VISUAL_SOURCE
#define TRF NK_VISUAL_TRANSFORM
#define TGT NK_VISUAL_TARGET

static const nk_visual_kind kinds[] = {
    {"CatalogSource", SRC, 0, 0, {"Database", "Table"}, nk_py_catalog_source, "a catalogue table"},
    {"S3CatalogSource",
     SRC,
     0,
     0,
     {"Database", "Table"},
     nk_py_catalog_source,
     "a catalogue table whose data lies in S3"},
    {"S3CsvSource",
     SRC,
     0,
     0,
     {"Paths", "Separator", "QuoteChar"},
     nk_py_csv_source,
     "delimited text in S3"},
    {"S3JsonSource", SRC, 0, 0, {"Paths"}, nk_py_json_source, "JSON documents in S3"},
    {"S3ParquetSource", SRC, 0, 0, {"Paths"}, nk_py_parquet_source, "Parquet files in S3"},
    {"ApplyMapping",
     TRF,
     1,
     1,
     {"Mapping"},
     nk_py_apply_mapping,
     "rename, retype, reorder, drop fields"},
    {"SelectFields", TRF, 1, 1, {"Paths"}, nk_py_select_fields, "keep these fields"},
    {"DropFields", TRF, 1, 1, {"Paths"}, nk_py_drop_fields, "leave these fields out"},
    {"RenameField",
     TRF,
     1,
     1,
     {"SourcePath", "TargetPath"},
     nk_py_rename_field,
     "rename one field"},
    {"Filter", TRF, 1, 1, {"LogicalOperator", "Filters"}, nk_py_filter, "keep the rows that match"},
    {"Join", TRF, 2, 2, {"JoinType", "Columns"}, nk_py_join, "join two inputs by equal keys"},
    {"Aggregate", TRF, 1, 1, {"Groups", "Aggs"}, nk_py_aggregate, "group and aggregate"},
    {"DropDuplicates", TRF, 1, 1, {NULL}, nk_py_drop_duplicates, "one row of each kind"},
    {"FillMissingValues",
     TRF,
     1,
     1,
     {"ImputedPath"},
     nk_py_fill_missing,
     "fill empty values of a column"},
    {"DropNullFields",
     TRF,
     1,
     1,
     {NULL},
     nk_py_drop_null_fields,
     "leave out fields that hold nothing but nulls"},
    {"SparkSQL",
     TRF,
     1,
     64,
     {"SqlQuery", "SqlAliases"},
     nk_py_spark_sql,
     "a query over the inputs"},
    {"Union", TRF, 2, 2, {"UnionType"}, nk_py_union, "rows of both inputs"},
    {"SplitFields",
     TRF,
     1,
     1,
     {"Paths"},
     nk_py_split_fields,
     "two frames: these fields, and the others"},
    {"SelectFromCollection",
     TRF,
     1,
     1,
     {"Index"},
     nk_py_select_from_collection,
     "one frame of several"},
    {"Spigot", TRF, 1, 1, {"Path"}, nk_py_spigot, "write a sample on the way"},
    {"S3DirectTarget", TGT, 1, 1, {"Path", "Format"}, nk_py_s3_target, "files in S3"},
    {"S3GlueParquetTarget", TGT, 1, 1, {"Path"}, nk_py_s3_target, "Parquet files in S3"},
    {"S3CatalogTarget",
     TGT,
     1,
     1,
     {"Database", "Table"},
     nk_py_catalog_target,
     "a catalogue table whose data lies in S3"},
    {"CatalogTarget", TGT, 1, 1, {"Database", "Table"}, nk_py_catalog_target, "a catalogue table"},
};

const nk_visual_kind *nk_visual_kinds(size_t *n)
{
    *n = NK_COUNTOF(kinds);
    return kinds;
}

const nk_visual_kind *nk_visual_kind_find(nk_str name)
{
    for (size_t i = 0; i < NK_COUNTOF(kinds); i++)
        if (nk_str_is(name, kinds[i].name))
            return &kinds[i];
    return NULL;
}

static bool path_part_plain(nk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '.' || s.p[i] == '`')
            return false;
    return true;
}

nk_code nk_visual_path(const nk_json *path, nk_buf *out)
{
    if (path && path->kind == NK_JSON_STRING)
        return nk_buf_str(out, path->text);
    bool first = true;
    for (const nk_json *p = path ? path->first : NULL; p; p = p->next) {
        if (!first)
            NK_TRY(nk_buf_putc(out, '.'));
        first = false;
        if (path_part_plain(p->text))
            NK_TRY(nk_buf_str(out, p->text));
        else
            NK_TRY(nk_buf_printf(out, "`%.*s`", NK_STR_ARG(p->text)));
    }
    return NK_OK;
}

/* "Amazon S3" + "node-17" -> "AmazonS3_node17". */
static nk_str make_var(nk_arena *a, nk_str name, nk_str id, size_t index, bool numbered)
{
    char *p = nk_arena_alloc(a, name.n + id.n + 32);
    size_t n = 0;
    if (!p)
        return NK_STR_NULL;
    for (size_t i = 0; i < name.n; i++)
        if (isalnum((unsigned char)name.p[i]) && (unsigned char)name.p[i] < 128)
            p[n++] = name.p[i];
    if (n == 0 || isdigit((unsigned char)p[0])) {
        memmove(p + 4, p, n);
        memcpy(p, "Node", 4);
        n += 4;
    }
    p[n++] = '_';
    for (size_t i = 0; i < id.n; i++)
        if (isalnum((unsigned char)id.p[i]) || id.p[i] == '_')
            p[n++] = id.p[i];
    if (numbered)
        n += (size_t)snprintf(p + n, 24, "_%zu", index + 1);
    return (nk_str){p, n};
}

/* What a node may ask for and nobody here does: refused by name, never passed over. */
static const struct {
    const char *member, *inside, *value; /* inside: of the object member; NULL = itself */
} refused[] = {
    {"CompressionType", NULL, "bzip2"},
    {"CompressionType", NULL, "lzo"},
    {"Compression", NULL, "lzo"},
    {"QuoteChar", NULL, "quillemet"},
    {"AutoDataQuality", "IsEnabled", "true"},
};

static nk_code check_members(const nk_visual_node *n, nk_err *err)
{
    for (size_t i = 0; i < NK_COUNTOF(refused); i++) {
        const nk_json *m = nk_json_get(n->body, refused[i].member);
        if (m && refused[i].inside)
            m = nk_json_get(m, refused[i].inside);
        nk_str text = !m                         ? NK_STR_NULL
                      : m->kind == NK_JSON_TRUE  ? NK_STR("true")
                      : m->kind == NK_JSON_FALSE ? NK_STR("false")
                                                 : m->text;
        if (nk_str_is(text, refused[i].value))
            return nk_fail(err, NK_E_INVALID, "Node %.*s (%s): %s%s%s %s is not supported yet.",
                           NK_STR_ARG(n->id), n->kind->name, refused[i].member,
                           refused[i].inside ? "." : "", refused[i].inside ? refused[i].inside : "",
                           refused[i].value);
    }
    return NK_OK;
}

static nk_code read_node(nk_visual_node *n, const nk_json *entry, nk_arena *a, nk_err *err)
{
    n->id = entry->key;
    const nk_json *only = NULL;
    for (const nk_json *m = entry->first; m; m = m->next) {
        if (nk_json_is_null(m))
            continue;
        if (only)
            return nk_fail(err, NK_E_INVALID,
                           "Node %.*s must hold exactly one kind of node, it holds %.*s and %.*s.",
                           NK_STR_ARG(n->id), NK_STR_ARG(only->key), NK_STR_ARG(m->key));
        only = m;
    }
    if (!only)
        return nk_fail(err, NK_E_INVALID, "Node %.*s holds no node.", NK_STR_ARG(n->id));
    n->kind = nk_visual_kind_find(only->key);
    n->body = only;
    if (!n->kind)
        return nk_fail(err, NK_E_INVALID,
                       "Node %.*s: the node kind %.*s cannot be generated by this server yet.",
                       NK_STR_ARG(n->id), NK_STR_ARG(only->key));
    n->name = nk_json_str(only, "Name");
    if (!n->name.p)
        n->name = nk_str_c(n->kind->name);
    for (size_t i = 0; i < NK_COUNTOF(n->kind->required) && n->kind->required[i]; i++)
        if (nk_json_is_null(nk_json_get(only, n->kind->required[i])))
            return nk_fail(err, NK_E_INVALID, "Node %.*s (%s) lacks %s.", NK_STR_ARG(n->id),
                           n->kind->name, n->kind->required[i]);
    return check_members(n, err);
}

static nk_visual_node *find(nk_visual_node *all, size_t n, nk_str id)
{
    for (size_t i = 0; i < n; i++)
        if (nk_str_eq(all[i].id, id))
            return &all[i];
    return NULL;
}

static nk_code link_inputs(nk_visual_node *n, nk_visual_node *all, size_t count, nk_arena *a,
                           nk_err *err)
{
    const nk_json *inputs = nk_json_get(n->body, "Inputs");
    n->ninputs = inputs ? inputs->count : 0;
    if (n->ninputs < n->kind->inputs_min || n->ninputs > n->kind->inputs_max)
        return nk_fail(err, NK_E_INVALID, "Node %.*s (%s) has %zu inputs, it takes %zu%s.",
                       NK_STR_ARG(n->id), n->kind->name, n->ninputs, n->kind->inputs_min,
                       n->kind->inputs_max > n->kind->inputs_min ? " or more" : "");
    n->inputs = NK_NEWN(a, nk_visual_input, n->ninputs + 1);
    if (!n->inputs)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    size_t i = 0;
    for (const nk_json *in = inputs ? inputs->first : NULL; in; in = in->next, i++) {
        nk_visual_node *from = find(all, count, in->text);
        ptrdiff_t dot = nk_str_rchr(in->text, '.');
        if (!from && dot > 0) { /* "node.output" */
            from = find(all, count, nk_str_sub(in->text, 0, (size_t)dot));
            n->inputs[i].output = nk_str_sub(in->text, (size_t)dot + 1, in->text.n);
        }
        if (!from)
            return nk_fail(err, NK_E_INVALID, "Node %.*s has an input %.*s that is not in the job.",
                           NK_STR_ARG(n->id), NK_STR_ARG(in->text));
        if (from->kind->role == NK_VISUAL_TARGET)
            return nk_fail(err, NK_E_INVALID, "Node %.*s reads from %.*s, which is a target.",
                           NK_STR_ARG(n->id), NK_STR_ARG(from->id));
        bool several =
            nk_str_is(nk_str_c(from->kind->name), "SplitFields") && !n->inputs[i].output.p;
        bool selects = nk_str_is(nk_str_c(n->kind->name), "SelectFromCollection");
        if (several != selects)
            return nk_fail(err, NK_E_INVALID,
                           several ? "Node %.*s reads from %.*s, which gives several frames: put a "
                                     "SelectFromCollection between."
                                   : "Node %.*s selects from %.*s, which gives one frame.",
                           NK_STR_ARG(n->id), NK_STR_ARG(from->id));
        n->inputs[i].node = from;
    }
    return NK_OK;
}

static nk_code visit(nk_visual_node *n, nk_visual *v, nk_err *err)
{
    if (n->mark == 2)
        return NK_OK;
    if (n->mark == 1)
        return nk_fail(err, NK_E_INVALID, "Node %.*s feeds itself: the job's graph has a cycle.",
                       NK_STR_ARG(n->id));
    n->mark = 1;
    for (size_t i = 0; i < n->ninputs; i++)
        NK_TRY(visit(n->inputs[i].node, v, err));
    n->mark = 2;
    v->nodes[v->n++] = n;
    return NK_OK;
}

static nk_code name_vars(nk_visual_node *all, size_t count, nk_arena *a, nk_err *err)
{
    for (size_t i = 0; i < count; i++) {
        all[i].var = make_var(a, all[i].name, all[i].id, i, false);
        for (size_t k = 0; all[i].var.p && k < i; k++)
            if (nk_str_eq(all[k].var, all[i].var))
                all[i].var = make_var(a, all[i].name, all[i].id, i, true);
        if (!all[i].var.p)
            return nk_fail(err, NK_E_NOMEM, "out of memory");
    }
    return NK_OK;
}

nk_code nk_visual_parse(const nk_json *doc, nk_arena *a, nk_visual **out, nk_err *err)
{
    if (!doc || doc->kind != NK_JSON_OBJECT || doc->count == 0)
        return nk_fail(err, NK_E_INVALID, "CodeGenConfigurationNodes holds no node.");
    size_t count = doc->count, i = 0;
    if (count > NODES_MAX)
        return nk_fail(err, NK_E_INVALID, "The job has %zu nodes, at most %d are taken.", count,
                       NODES_MAX);
    nk_visual_node *all = NK_NEWN(a, nk_visual_node, count);
    nk_visual *v = NK_NEW(a, nk_visual);
    if (v)
        v->nodes = NK_NEWN(a, nk_visual_node *, count);
    if (!all || !v || !v->nodes)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    for (const nk_json *e = doc->first; e; e = e->next)
        NK_TRY(read_node(&all[i++], e, a, err));
    for (i = 0; i < count; i++)
        NK_TRY(link_inputs(&all[i], all, count, a, err));
    NK_TRY(name_vars(all, count, a, err));
    bool target = false;
    for (i = 0; i < count; i++) {
        NK_TRY(visit(&all[i], v, err));
        target |= all[i].kind->role == NK_VISUAL_TARGET;
    }
    if (!target)
        return nk_fail(err, NK_E_INVALID, "The job has no target: nothing would be written.");
    *out = v;
    return NK_OK;
}
