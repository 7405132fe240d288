#include <stdlib.h>

#include "crawl/formats.h"
#include "schema/sniff.h"

/* A custom classifier's path: every hit is a record. */
static nk_code by_path(const nk_custom *c, const nk_sample *s, nk_arena *a, nk_finding *out,
                       nk_err *err)
{
    nk_infer *in = nk_infer_create(a, 0);
    bool broken;
    if (!in)
        return nk_fail(err, NK_E_NOMEM, "Out of memory");
    nk_str text = nk_str_trim(s->head);
    if (!text.n || (text.p[0] != '{' && text.p[0] != '['))
        return NK_OK;
    NK_TRY(nk_jsonpath_observe(&c->path, in, text, a, &out->records, &broken, err));
    if (!out->records) {
        out->more = !s->whole;
        out->why = NK_STR("the classifier's JSON path leads to nothing");
        return NK_OK;
    }
    NK_TRY(nk_infer_type(in, NK_MERGE_CRAWL, 0, a, &out->type, err));
    if (out->type->kind != NK_T_STRUCT) { /* values without names */
        nk_field only = {.name = NK_STR("element"), .type = out->type};
        out->type = nk_type_struct(a, &only, 1);
        if (!out->type)
            return nk_fail(err, NK_E_NOMEM, "Out of memory");
    }
    out->certainty = broken && s->whole ? 0.9 : 1;
    out->layout = NK_JSON_ROWS;
    out->path = c->json_path;
    out->record_bytes = s->head.n;
    out->exact = s->whole;
    out->why = NK_STR("what the classifier's JSON path leads to");
    return NK_OK;
}

static nk_code classify(const nk_crawl_format *f, const nk_custom *c, const nk_sample *s,
                        nk_arena *a, nk_finding *out, nk_err *err)
{
    if (c)
        return by_path(c, s, a, out, err);
    nk_sniffed r;
    NK_TRY(nk_sniff_json(s->head, s->whole, a, &r, err));
    out->certainty = r.certainty;
    out->type = r.type;
    out->layout = r.layout;
    out->records = r.records;
    out->record_bytes = r.record_bytes;
    out->exact = s->whole;
    out->more = r.more;
    out->why = r.why;
    if (r.layout == NK_JSON_ROWS)
        out->path = NK_STR("$[*]");
    return NK_OK;
}

static bool same(const nk_finding *a, const nk_finding *b)
{
    return nk_str_eq(a->path, b->path);
}

static void properties(nk_json_writer *w, const nk_facts *f)
{
    if (f->sample->path.n)
        nk_jw_kstr(w, "jsonPath", f->sample->path);
    if (f->multiline)
        nk_jw_kcstr(w, "multiline", "true");
}

static int by_name(const void *a, const void *b)
{
    return nk_str_cmp(**(const nk_str *const *)a, **(const nk_str *const *)b);
}

/* The documents' own names, sorted as AWS sorts them; in their order when memory is short. */
static void serde_parameters(nk_json_writer *w, const nk_facts *f)
{
    nk_buf paths;
    nk_buf_init(&paths, 1 << 20);
    const nk_str **names = nk_calloc(f->type->nfields + 1, sizeof *names);
    for (size_t i = 0; names && i < f->type->nfields; i++)
        names[i] = &f->type->fields[i].name;
    if (names && f->type->nfields)
        qsort(names, f->type->nfields, sizeof *names, by_name);
    for (size_t i = 0; i < f->type->nfields; i++) {
        if (i)
            nk_buf_putc(&paths, ',');
        nk_buf_str(&paths, names ? *names[i] : f->type->fields[i].name);
    }
    nk_free(names);
    nk_jw_kstr(w, "paths", nk_buf_view(&paths));
    nk_buf_free(&paths);
    properties(w, f);
}

const nk_crawl_format nk_crawl_format_json = {
    .classification = "json",
    .input = NK_TEXT_INPUT,
    .output = NK_TEXT_OUTPUT,
    .serde = "org.openx.data.jsonserde.JsonSerDe",
    .classify = classify,
    .same = same,
    .properties = properties,
    .serde_parameters = serde_parameters,
    .doc = "JSON: a document a line, one behind the other, or the elements of one array",
};
