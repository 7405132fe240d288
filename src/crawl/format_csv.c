#include "crawl/formats.h"
#include "schema/sniff.h"

/* A custom classifier that leaves the SerDe to us: it follows the quotes. The built-in one always
 * names LazySimpleSerDe, as AWS's does. */
static const char by_quotes[] = "";

/* As AWS's crawler has it, dates in text are text: only a classifier's own types make them dates.
 */
static const nk_type *type_of_text(const nk_type *t)
{
    return t->kind == NK_T_DATE || t->kind == NK_T_TIMESTAMP ? nk_type_scalar(NK_T_STRING) : t;
}

static nk_code name_columns(const nk_custom *c, const nk_sniffed *r, nk_arena *a,
                            const nk_type **out, nk_err *err)
{
    const nk_csv_dialect *d = &r->dialect;
    const nk_strs *names = c && c->csv.names.n ? &c->csv.names : d->header ? &d->names : NULL;
    nk_field *fields = NK_NEWN(a, nk_field, r->type->nfields + 1);
    nk_map taken;
    nk_code rc = fields ? NK_OK : NK_E_NOMEM;
    nk_map_init(&taken);
    for (size_t i = 0; i < r->type->nfields && rc == NK_OK; i++) {
        nk_str name = r->type->fields[i].name, free_name;
        if (names && i < names->n && names->v[i].n)
            name = nk_str_lower(a, names->v[i]);
        free_name = name;
        for (size_t k = 1; nk_map_has(&taken, free_name) && free_name.p; k++)
            free_name = nk_str_printf(a, "%.*s_%zu", NK_STR_ARG(name), k);
        fields[i] = (nk_field){.name = free_name, .type = type_of_text(r->type->fields[i].type)};
        if (c && i < c->csv.ntypes)
            fields[i].type = nk_type_scalar(c->csv.types[i]);
        rc = free_name.p ? nk_map_put(&taken, free_name, fields, NULL) : NK_E_NOMEM;
    }
    nk_map_free(&taken);
    *out = rc == NK_OK ? nk_type_struct(a, fields, r->type->nfields) : NULL;
    return *out ? NK_OK : nk_fail(err, NK_E_NOMEM, "Out of memory naming columns");
}

static nk_code classify(const nk_crawl_format *f, const nk_custom *c, const nk_sample *s,
                        nk_arena *a, nk_finding *out, nk_err *err)
{
    nk_sniffed r;
    NK_TRY(nk_sniff_csv(s->head, s->whole, c ? &c->csv : NULL, a, &r, err));
    out->why = r.why;
    out->more = r.more;
    if (r.certainty <= 0)
        return NK_OK;
    NK_TRY(name_columns(c, &r, a, &out->type, err));
    out->certainty = c ? 1 : r.certainty;
    out->dialect = r.dialect;
    out->serde = !c ? NULL : c->serde ? c->serde : by_quotes;
    out->records = r.records;
    out->record_bytes = r.record_bytes;
    out->exact = s->whole;
    return NK_OK;
}

static bool same(const nk_finding *a, const nk_finding *b)
{
    return a->dialect.delimiter == b->dialect.delimiter && a->serde == b->serde;
}

static void properties(nk_json_writer *w, const nk_facts *f)
{
    char delimiter[2] = {f->sample->dialect.delimiter, 0};
    nk_jw_kcstr(w, "areColumnsQuoted", f->quoted ? "true" : "false");
    nk_jw_kcstr(w, "columnsOrdered", "true");
    nk_jw_kcstr(w, "delimiter", delimiter);
    if (f->sample->dialect.header)
        nk_jw_kcstr(w, "skip.header.line.count", "1");
}

static const char *serde_of(const nk_facts *f)
{
    const char *wanted = f->sample->serde;
    if (wanted == by_quotes)
        return f->quoted ? NK_OPEN_CSV : NK_LAZY_CSV;
    return wanted ? wanted : NK_LAZY_CSV;
}

static void serde_parameters(nk_json_writer *w, const nk_facts *f)
{
    const nk_csv_dialect *d = &f->sample->dialect;
    char delimiter[2] = {d->delimiter, 0}, quote[2] = {d->quote ? d->quote : '"', 0};
    bool open = nk_str_is(nk_str_c(serde_of(f)), NK_OPEN_CSV);
    nk_jw_kcstr(w, open ? "separatorChar" : "field.delim", delimiter);
    if (open || quote[0] != '"')
        nk_jw_kcstr(w, "quoteChar", quote);
    if (d->escape)
        nk_jw_kcstr(w, open ? "escapeChar" : "escape.delim", "\\");
}

const nk_crawl_format nk_crawl_format_csv = {
    .classification = "csv",
    .input = NK_TEXT_INPUT,
    .output = NK_TEXT_OUTPUT,
    .serde_of = serde_of,
    .classify = classify,
    .same = same,
    .properties = properties,
    .serde_parameters = serde_parameters,
    .doc =
        "delimited text: comma, pipe, tab, semicolon or Ctrl-A; two columns and two rows at least",
};
