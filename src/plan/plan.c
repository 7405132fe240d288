/* The graph: building, schemas, statements. */
#include <stdio.h>

#include "plan/plan_int.h"

nk_code nk_oom(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

/* ---- kinds ---- */

#define REQ(...)                                                                                   \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define NK_NODE_KIND(name, role, lo, hi, schema, compile, req, doc)                                \
    {#name, NK_NODE_##role, lo, hi, REQ req, schema, compile, doc},
static const nk_node_kind kinds[] = {
#include "plan/nodes.def"
};
#undef NK_NODE_KIND

const nk_node_kind *nk_node_kinds(size_t *n)
{
    *n = NK_COUNTOF(kinds);
    return kinds;
}

const nk_node_kind *nk_node_kind_find(nk_str name)
{
    for (size_t i = 0; i < NK_COUNTOF(kinds); i++)
        if (nk_str_is(name, kinds[i].name))
            return &kinds[i];
    return NULL;
}

/* ---- building ---- */

nk_code nk_plan_create(const nk_plan_host *host, nk_plan **out, nk_err *err)
{
    nk_plan *p = nk_calloc(1, sizeof(*p));
    *out = NULL;
    if (!p)
        return nk_oom(err);
    p->arena = nk_arena_create(0);
    p->learnt = nk_arena_create(0);
    if (!p->arena || !p->learnt) {
        nk_plan_destroy(p);
        return nk_oom(err);
    }
    if (host)
        p->host = *host;
    *out = p;
    return NK_OK;
}

void nk_plan_destroy(nk_plan *p)
{
    if (!p)
        return;
    nk_arena_destroy(p->arena);
    nk_arena_destroy(p->learnt);
    nk_free(p->nodes);
    nk_free(p->schemas[0]);
    nk_free(p->schemas[1]);
    nk_free(p->scans[0]);
    nk_free(p->scans[1]);
    nk_free(p);
}

nk_arena *nk_plan_arena(nk_plan *p)
{
    return p->arena;
}

void nk_plan_forget(nk_plan *p)
{
    for (int k = 0; k < 2; k++) {
        memset(p->schemas[k], 0, p->n * sizeof(*p->schemas[k]));
        memset(p->scans[k], 0, p->n * sizeof(*p->scans[k]));
    }
}

nk_code nk_node_wrap(const nk_node *n, nk_err *err)
{
    if (n->name.n)
        return nk_wrap(err, "%s %.*s", n->kind->name, NK_STR_ARG(n->name));
    return nk_wrap(err, "%s", n->kind->name);
}

nk_code nk_node_fail(const nk_node *n, nk_err *err, nk_code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)nk_vfail(err, code, fmt, ap);
    va_end(ap);
    (void)nk_node_wrap(n, err);
    return code;
}

static bool grow(void **p, size_t cap, size_t n, size_t size)
{
    char *q = nk_realloc(*p, cap * size);
    if (!q)
        return false;
    memset(q + n * size, 0, (cap - n) * size);
    *p = q;
    return true;
}

static nk_code room(nk_plan *p, nk_err *err)
{
    if (p->n < p->cap)
        return NK_OK;
    size_t cap = p->cap ? p->cap * 2 : 32;
    void *nodes = p->nodes;
    if (!grow(&nodes, cap, p->n, sizeof(*p->nodes)))
        return nk_oom(err);
    p->nodes = nodes;
    for (int k = 0; k < 2; k++) {
        void *s = (void *)p->schemas[k], *c = (void *)p->scans[k];
        if (!grow(&s, cap, p->n, sizeof(*p->schemas[k])))
            return nk_oom(err);
        p->schemas[k] = s;
        if (!grow(&c, cap, p->n, sizeof(*p->scans[k])))
            return nk_oom(err);
        p->scans[k] = c;
    }
    p->cap = cap;
    return NK_OK;
}

static nk_code check_node(const nk_node *n, nk_err *err)
{
    const nk_node_kind *k = n->kind;
    if (n->options->kind != NK_JSON_OBJECT)
        return nk_node_fail(n, err, NK_E_INVALID, "its options must be a JSON object");
    if (n->ninputs < k->inputs_min || n->ninputs > k->inputs_max)
        return nk_node_fail(n, err, NK_E_INVALID, "needs %zu input%s, not %zu", k->inputs_min,
                            k->inputs_min == 1 ? "" : "s", n->ninputs);
    for (size_t i = 0; i < NK_COUNTOF(k->required) && k->required[i]; i++)
        if (nk_json_is_null(nk_json_get(n->options, k->required[i])))
            return nk_node_fail(n, err, NK_E_INVALID, "%s is missing", k->required[i]);
    return NK_OK;
}

nk_code nk_plan_node(nk_plan *p, nk_str kind, nk_str name, nk_str options_json,
                     const nk_node *const *inputs, size_t ninputs, const nk_node **out, nk_err *err)
{
    nk_json *options = NULL;
    nk_node *n = NK_NEW(p->arena, nk_node);
    const nk_node **in = NK_NEWN(p->arena, const nk_node *, ninputs + 1);
    nk_str text = nk_str_dup(p->arena, options_json.n ? options_json : NK_STR("{}"));
    if (!n || !in || !text.p)
        return nk_oom(err);
    *n = (nk_node){.kind = nk_node_kind_find(kind),
                   .name = nk_str_dup(p->arena, name),
                   .inputs = in,
                   .ninputs = ninputs,
                   .plan = p};
    if (!n->kind)
        return nk_fail(err, NK_E_UNSUPPORTED, "node kind %.*s cannot be run yet", NK_STR_ARG(kind));
    nk_code rc = nk_json_parse(text, p->arena, 0, &options, err);
    if (rc != NK_OK) {
        (void)nk_node_wrap(n, err);
        return rc;
    }
    n->options = options;
    for (size_t i = 0; i < ninputs; i++) {
        in[i] = inputs[i];
        if (inputs[i]->plan != p)
            return nk_node_fail(n, err, NK_E_INVALID, "input %zu is of another plan", i);
        if (inputs[i]->kind->role == NK_NODE_TARGET)
            return nk_node_fail(n, err, NK_E_INVALID, "a target has no rows to give on");
    }
    NK_TRY(check_node(n, err));
    NK_TRY(room(p, err));
    n->id = p->n;
    p->nodes[p->n++] = n;
    *out = n;
    return NK_OK;
}

/* ---- visual jobs ---- */

/* A visual job takes one frame of a SplitFields by a SelectFromCollection: the same as a
 * SplitFields that gives that output. */
static nk_code visual_select(nk_plan *p, const nk_json *body, nk_str name, const nk_node *split,
                             const nk_node **out, nk_err *err)
{
    int64_t index = nk_json_i64(body, "Index", -1);
    nk_buf b;
    if (!nk_str_is(nk_str_c(split->kind->name), "SplitFields"))
        return nk_fail(err, NK_E_INVALID, "%s gives one frame, there is nothing to select from",
                       split->kind->name);
    if (index < 0 || index > 1)
        return nk_fail(err, NK_E_INVALID, "Index must be 0 or 1: SplitFields gives two frames");
    nk_buf_init(&b, 16 << 20);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    nk_jw_key(&w, NK_STR("Paths"));
    nk_jw_tree(&w, nk_json_get(split->options, "Paths"));
    nk_jw_ki64(&w, "output", index);
    nk_jw_object_end(&w);
    nk_code rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = nk_plan_node(p, NK_STR("SplitFields"), name, nk_buf_view(&b), split->inputs,
                          split->ninputs, out, err);
    nk_buf_free(&b);
    return rc;
}

/* A Spigot writes a sample on the way: a target of its own, under the same id. */
static nk_code visual_spigot(nk_plan *p, const nk_json *body, nk_str name, const nk_node *spigot,
                             const nk_node **out, nk_err *err)
{
    nk_buf sample, target;
    const nk_node *rows;
    nk_buf_init(&sample, 16 << 20);
    nk_buf_init(&target, 16 << 20);
    nk_json_writer w = {.buf = &sample}, v = {.buf = &target};
    nk_jw_tree(&w, body);
    nk_jw_object(&v);
    nk_jw_kstr(&v, "Path", nk_json_str(body, "Path"));
    nk_jw_kcstr(&v, "Format", "json");
    nk_jw_object_end(&v);
    nk_code rc = nk_buf_check(&sample, err);
    if (rc == NK_OK)
        rc = nk_buf_check(&target, err);
    if (rc == NK_OK)
        rc = nk_plan_node(p, NK_STR("SampleRows"), name, nk_buf_view(&sample), &spigot, 1, &rows,
                          err);
    if (rc == NK_OK)
        rc = nk_plan_node(p, NK_STR("S3DirectTarget"), name, nk_buf_view(&target), &rows, 1, out,
                          err);
    nk_buf_free(&sample);
    nk_buf_free(&target);
    return rc;
}

typedef struct visual_walk {
    nk_plan *p;
    const nk_json *doc;
    nk_plan_visual *out;
    unsigned char *mark; /* by position: 1 on the way, 2 done */
} visual_walk;

static nk_code visual_visit(visual_walk *w, nk_str id, const nk_node **out, nk_err *err)
{
    size_t at = 0;
    const nk_json *entry = NULL, *j;
    for (j = w->doc->first; j; j = j->next, at++)
        if (nk_str_eq(j->key, id)) {
            entry = j;
            break;
        }
    if (!entry || entry->kind != NK_JSON_OBJECT || entry->count != 1)
        return nk_fail(err, NK_E_INVALID, "node %.*s: %s", NK_STR_ARG(id),
                       entry ? "must be one object of one kind" : "is not in the graph");
    if (w->mark[at] == 1)
        return nk_fail(err, NK_E_INVALID, "node %.*s stands in a circle", NK_STR_ARG(id));
    for (size_t i = 0; i < w->out->n; i++)
        if (nk_str_eq(w->out->ids[i], id)) {
            *out = w->out->nodes[i];
            return NK_OK;
        }
    w->mark[at] = 1;
    const nk_json *body = entry->first, *inputs = nk_json_get(body, "Inputs");
    const nk_node *in[64];
    size_t n = 0;
    for (j = inputs ? inputs->first : NULL; j; j = j->next, n++) {
        if (n == NK_COUNTOF(in))
            return nk_fail(err, NK_E_INVALID, "node %.*s has too many inputs", NK_STR_ARG(id));
        nk_str ref = j->text;
        if (!nk_json_getn(w->doc, ref)) { /* id.output */
            ptrdiff_t dot = nk_str_rchr(ref, '.');
            if (dot > 0)
                ref = nk_str_sub(ref, 0, (size_t)dot);
        }
        NK_TRY(visual_visit(w, ref, &in[n], err));
    }
    nk_buf b;
    nk_buf_init(&b, 64 << 20);
    nk_json_writer jw = {.buf = &b};
    nk_jw_tree(&jw, body);
    nk_code rc = nk_buf_check(&b, err);
    nk_str name = nk_json_str(body, "Name");
    if (rc == NK_OK && nk_str_is(body->key, "SelectFromCollection") && n == 1)
        rc = visual_select(w->p, body, name.n ? name : id, in[0], out, err);
    else if (rc == NK_OK)
        rc = nk_plan_node(w->p, body->key, name.n ? name : id, nk_buf_view(&b), in, n, out, err);
    nk_buf_free(&b);
    const nk_node *sample = NULL;
    if (rc == NK_OK && nk_str_is(body->key, "Spigot"))
        rc = visual_spigot(w->p, body, name.n ? name : id, *out, &sample, err);
    if (rc != NK_OK) {
        (void)nk_wrap(err, "node %.*s", NK_STR_ARG(id));
        return rc;
    }
    w->mark[at] = 2;
    w->out->ids[w->out->n] = nk_str_dup(w->p->arena, id);
    w->out->nodes[w->out->n++] = *out;
    if (sample) {
        w->out->ids[w->out->n] = w->out->ids[w->out->n - 1];
        w->out->nodes[w->out->n++] = sample;
    }
    return NK_OK;
}

nk_code nk_plan_from_visual(nk_plan *p, const nk_json *doc, nk_plan_visual *out, nk_err *err)
{
    if (!doc || doc->kind != NK_JSON_OBJECT || !doc->count)
        return nk_fail(err, NK_E_INVALID, "the graph has no nodes");
    visual_walk w = {.p = p, .doc = doc, .out = out};
    *out = (nk_plan_visual){.ids = NK_NEWN(p->arena, nk_str, 2 * doc->count),
                            .nodes = NK_NEWN(p->arena, const nk_node *, 2 * doc->count)};
    w.mark = NK_NEWN(p->arena, unsigned char, doc->count);
    if (!out->ids || !out->nodes || !w.mark)
        return nk_oom(err);
    const nk_node *n;
    for (const nk_json *j = doc->first; j; j = j->next)
        NK_TRY(visual_visit(&w, j->key, &n, err));
    return NK_OK;
}

nk_code nk_plan_check_native(const nk_plan_visual *graph, nk_err *err)
{
    static const struct {
        const char *kind;
        nk_code (*check)(const nk_node *n, nk_err *err);
    } checks[] = {{"SparkSQL", nk_sql_check}, {"Filter", nk_filter_check}};
    for (size_t i = 0; i < graph->n; i++)
        for (size_t k = 0; k < NK_COUNTOF(checks); k++)
            if (nk_str_is(nk_str_c(graph->nodes[i]->kind->name), checks[k].kind))
                NK_TRY(checks[k].check(graph->nodes[i], err));
    return NK_OK;
}

/* ---- schemas ---- */

nk_code nk_node_schema(const nk_node *n, bool exact, const nk_type **out, nk_err *err)
{
    nk_plan *p = n->plan;
    if (!p->schemas[exact][n->id]) {
        bool before = p->exact;
        const nk_type *t = NULL;
        p->exact = exact;
        nk_code rc = n->kind->schema(p, n, p->arena, &t, err);
        p->exact = before;
        NK_TRY(rc);
        if (!t) /* types come from an arena */
            return nk_oom(err);
        p->schemas[exact][n->id] = t;
    }
    *out = p->schemas[exact][n->id];
    return NK_OK;
}

nk_code nk_input_schema(const nk_node *n, size_t i, const nk_type **out, nk_err *err)
{
    return nk_node_schema(n->inputs[i], n->plan->exact, out, err);
}

nk_code nk_node_scan(const nk_node *n, const nk_scan **out, nk_err *err)
{
    nk_plan *p = n->plan;
    bool exact = p->exact;
    if (!p->scans[exact][n->id]) {
        const nk_scan *s = NULL;
        if (!p->host.scan)
            return nk_node_fail(n, err, NK_E_UNSUPPORTED, "files cannot be read here");
        nk_code rc = p->host.scan(p->host.arg, p, n, exact, p->arena, &s, err);
        if (rc != NK_OK) {
            (void)nk_node_wrap(n, err);
            return rc;
        }
        p->scans[exact][n->id] = s;
    }
    *out = p->scans[exact][n->id];
    return NK_OK;
}

/* ---- statements ---- */

const nk_dialect *nk_compile_dialect(nk_compile *c)
{
    return c->dialect;
}

nk_arena *nk_compile_arena(nk_compile *c)
{
    return c->arena;
}

nk_str nk_compile_input(nk_compile *c, const nk_node *n, size_t i)
{
    return nk_x_printf(c, "n%zu", n->inputs[i]->id);
}

static void mark_needed(const nk_node *n, unsigned char *need)
{
    if (need[n->id])
        return;
    need[n->id] = 1;
    for (size_t i = 0; i < n->ninputs; i++)
        mark_needed(n->inputs[i], need);
}

nk_code nk_plan_sql_scans(const nk_node *n, const nk_dialect *d, nk_buf *out,
                          const nk_scan ***scans, size_t *nscans, nk_err *err)
{
    nk_plan *p = n->plan;
    nk_compile c = {.plan = p, .dialect = d, .arena = p->arena};
    unsigned char *need = NK_NEWN(p->arena, unsigned char, p->n);
    c.scans = NK_NEWN(p->arena, const nk_scan *, p->n);
    if (!need || !c.scans)
        return nk_oom(err);
    mark_needed(n, need);
    bool first = true;
    for (size_t i = 0; i < p->n; i++) {
        if (!need[i])
            continue;
        (void)nk_buf_printf(out, "%sn%zu AS (\n", first ? "WITH " : ", ", i);
        first = false;
        nk_code rc = p->nodes[i]->kind->compile(&c, p->nodes[i], out, err);
        if (rc != NK_OK)
            return rc;
        if (c.failed)
            return nk_oom(err);
        (void)nk_buf_puts(out, "\n)");
    }
    (void)nk_buf_printf(out, "\nSELECT * FROM n%zu", n->id);
    if (scans) {
        *scans = c.scans;
        *nscans = c.nscans;
    }
    return nk_buf_check(out, err);
}

nk_code nk_plan_scan_sql(nk_plan *p, const nk_scan *s, const nk_dialect *d, nk_buf *out,
                         nk_err *err)
{
    nk_compile c = {.plan = p, .dialect = d, .arena = p->arena};
    NK_TRY(d->scan(&c, s, out, err));
    return c.failed ? nk_oom(err) : NK_OK;
}

nk_code nk_plan_sql(const nk_node *n, const nk_dialect *d, nk_buf *out, nk_err *err)
{
    return nk_plan_sql_scans(n, d, out, NULL, NULL, err);
}

nk_code nk_plan_explain(const nk_node *n, nk_buf *out, nk_err *err)
{
    nk_plan *p = n->plan;
    unsigned char *need = NK_NEWN(p->arena, unsigned char, p->n);
    if (!need)
        return nk_oom(err);
    mark_needed(n, need);
    for (size_t i = 0; i < p->n; i++) {
        const nk_type *t;
        if (!need[i])
            continue;
        const nk_node *m = p->nodes[i];
        (void)nk_buf_printf(out, "n%zu %s", i, m->kind->name);
        if (m->name.n)
            (void)nk_buf_printf(out, " \"%.*s\"", NK_STR_ARG(m->name));
        for (size_t k = 0; k < m->ninputs; k++)
            (void)nk_buf_printf(out, "%sn%zu", k ? ", " : " <- ", m->inputs[k]->id);
        NK_TRY(nk_node_schema(m, false, &t, err));
        (void)nk_buf_puts(out, "\n    ");
        NK_TRY(nk_type_print(t, false, out));
        (void)nk_buf_putc(out, '\n');
    }
    return nk_buf_check(out, err);
}
