/* What can be known of columns without reading data: enough to write a filter's constants as the
 * literals their columns ask for. NULL always means "not known". */
#include "plan/codegen_int.h"

const nk_type *nk_py_type_of(const nk_pygen *g, const nk_visual_node *n)
{
    for (size_t i = 0; i < g->visual->n; i++)
        if (g->visual->nodes[i] == n)
            return g->types[i];
    return NULL;
}

const nk_type *nk_py_type_at(const nk_type *t, nk_str path)
{
    while (t && path.n) {
        size_t end = 0;
        nk_str part;
        if (path.p[0] == '`') {
            for (end = 1; end < path.n && path.p[end] != '`'; end++)
                ;
            part = nk_str_sub(path, 1, end);
            end = end < path.n ? end + 1 : end;
        } else {
            for (; end < path.n && path.p[end] != '.'; end++)
                ;
            part = nk_str_sub(path, 0, end);
        }
        const nk_field *f = t->kind == NK_T_STRUCT ? nk_type_field(t, part) : NULL;
        t = f ? f->type : NULL;
        path = end < path.n ? nk_str_sub(path, end + 1, path.n) : NK_STR("");
    }
    return t;
}

static const nk_type *from_text(nk_pygen *g, nk_str text)
{
    const nk_type *t = NULL;
    return text.p && nk_type_parse(text, g->arena, &t, NULL) == NK_OK ? t : NULL;
}

static const nk_type *from_output_schema(nk_pygen *g, const nk_visual_node *n)
{
    const nk_json *columns =
        nk_json_get(nk_json_at(nk_json_get(n->body, "OutputSchemas"), 0), "Columns");
    if (!columns || !columns->count)
        return NULL;
    nk_field *f = NK_NEWN(g->arena, nk_field, columns->count);
    size_t k = 0;
    for (const nk_json *c = columns->first; f && c; c = c->next) {
        const nk_type *t = from_text(g, nk_json_str(c, "Type"));
        if (t)
            f[k++] = (nk_field){.name = nk_json_str(c, "Name"), .type = t};
    }
    return f ? nk_type_struct(g->arena, f, k) : NULL;
}

static const nk_type *from_catalog(nk_pygen *g, const nk_visual_node *n)
{
    nk_str text = NK_STR_NULL;
    if (!g->catalog || !g->catalog->columns ||
        g->catalog->columns(g->catalog->arg, nk_json_str(n->body, "Database"),
                            nk_json_str(n->body, "Table"), g->arena, &text) != NK_OK)
        return NULL;
    return from_text(g, text);
}

/* Top-level targets of a mapping; nested ones stay unknown. */
static const nk_type *from_mapping(nk_pygen *g, const nk_visual_node *n)
{
    const nk_json *list = nk_json_get(n->body, "Mapping");
    nk_field *f = NK_NEWN(g->arena, nk_field, list->count + 1);
    size_t k = 0;
    for (const nk_json *m = list->first; f && m; m = m->next) {
        const nk_type *t = from_text(g, nk_json_str(m, "ToType"));
        if (t && nk_json_str(m, "ToKey").n && !nk_json_bool(m, "Dropped", false))
            f[k++] = (nk_field){.name = nk_json_str(m, "ToKey"), .type = t};
    }
    return f ? nk_type_struct(g->arena, f, k) : NULL;
}

static const nk_type *renamed(nk_pygen *g, const nk_visual_node *n, const nk_type *in)
{
    const nk_json *from = nk_json_get(n->body, "SourcePath"),
                  *to = nk_json_get(n->body, "TargetPath");
    if (!in || in->kind != NK_T_STRUCT || from->count != 1 || to->count != 1)
        return in;
    nk_field *f = NK_NEWN(g->arena, nk_field, in->nfields + 1);
    for (size_t i = 0; f && i < in->nfields; i++) {
        f[i] = in->fields[i];
        if (nk_str_eq(f[i].name, from->first->text))
            f[i].name = to->first->text;
    }
    return f ? nk_type_struct(g->arena, f, in->nfields) : NULL;
}

static const nk_type *joined(nk_pygen *g, const nk_type *a, const nk_type *b)
{
    if (!a || !b || a->kind != NK_T_STRUCT || b->kind != NK_T_STRUCT)
        return a ? a : b;
    nk_field *f = NK_NEWN(g->arena, nk_field, a->nfields + b->nfields + 1);
    if (!f)
        return NULL;
    for (size_t i = 0; i < a->nfields; i++)
        f[i] = a->fields[i];
    for (size_t i = 0; i < b->nfields; i++)
        f[a->nfields + i] = b->fields[i];
    return nk_type_struct(g->arena, f, a->nfields + b->nfields);
}

static const nk_type *infer_one(nk_pygen *g, const nk_visual_node *n)
{
    const nk_type *in = n->ninputs ? nk_py_type_of(g, n->inputs[0].node) : NULL;
    const char *kind = n->kind->name;
    const nk_type *declared = from_output_schema(g, n);
    if (declared)
        return declared;
    if (strstr(kind, "CatalogSource"))
        return from_catalog(g, n);
    if (!strcmp(kind, "ApplyMapping"))
        return from_mapping(g, n);
    if (!strcmp(kind, "RenameField"))
        return renamed(g, n, in);
    if (!strcmp(kind, "Join"))
        return joined(g, in, nk_py_type_of(g, n->inputs[1].node));
    if (!strcmp(kind, "Aggregate") || !strcmp(kind, "SparkSQL"))
        return NULL;
    return in;
}

void nk_py_infer(nk_pygen *g)
{
    for (size_t i = 0; i < g->visual->n; i++)
        g->types[i] = infer_one(g, g->visual->nodes[i]);
}
