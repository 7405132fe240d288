/* Custom classifiers, from their documents to something that can be asked. */
#include "crawl/classifiers.h"

static void drop_grok(void *arg)
{
    nk_grok_free(arg);
}

static nk_code make_grok(const glue_GrokClassifier *g, nk_arena *a, nk_custom *out, nk_err *err)
{
    out->format = &nk_crawl_format_grok;
    out->name = g->Name;
    out->classification = g->Classification;
    out->pattern = g->GrokPattern;
    out->patterns = g->CustomPatterns;
    NK_TRY(nk_grok_compile(g->GrokPattern, g->CustomPatterns, &out->grok, err));
    return nk_arena_defer(a, drop_grok, out->grok);
}

static nk_code make_json(const glue_JsonClassifier *j, nk_arena *a, nk_custom *out, nk_err *err)
{
    out->format = &nk_crawl_format_json;
    out->name = j->Name;
    out->json_path = nk_str_trim(j->JsonPath);
    return nk_jsonpath_parse(j->JsonPath, a, &out->path, err);
}

static nk_code make_xml(const glue_XMLClassifier *x, nk_arena *a, nk_custom *out, nk_err *err)
{
    out->format = &nk_crawl_format_xml;
    out->name = x->Name;
    out->classification = x->Classification;
    out->row_tag = x->RowTag;
    for (size_t i = 0; i < x->RowTag.n; i++) {
        if (strchr("<>/ \t\r\n", x->RowTag.p[i]))
            return nk_fail(err, NK_E_INVALID, "RowTag is the name of an element, without brackets");
    }
    return NK_OK;
}

static const struct {
    const char *name;
    nk_type_kind kind;
} datatypes[] = {
    {"BINARY", NK_T_BINARY},   {"BOOLEAN", NK_T_BOOLEAN},     {"DATE", NK_T_DATE},
    {"DECIMAL", NK_T_DECIMAL}, {"DOUBLE", NK_T_DOUBLE},       {"FLOAT", NK_T_FLOAT},
    {"INT", NK_T_INT},         {"LONG", NK_T_LONG},           {"SHORT", NK_T_SHORT},
    {"STRING", NK_T_STRING},   {"TIMESTAMP", NK_T_TIMESTAMP},
};

static nk_code csv_types(const glue_CsvClassifier *c, nk_arena *a, nk_custom *out, nk_err *err)
{
    nk_type_kind *kinds = NK_NEWN(a, nk_type_kind, c->CustomDatatypes.n + 1);
    if (!kinds)
        return nk_fail(err, NK_E_NOMEM, "Out of memory");
    for (size_t i = 0; i < c->CustomDatatypes.n; i++) {
        bool known = false;
        for (size_t k = 0; k < NK_COUNTOF(datatypes); k++) {
            if (nk_str_ieq(c->CustomDatatypes.v[i], nk_str_c(datatypes[k].name))) {
                kinds[i] = datatypes[k].kind;
                known = true;
            }
        }
        if (!known)
            return nk_fail(err, NK_E_INVALID,
                           "\"%.*s\" is no custom datatype: BINARY, BOOLEAN, DATE, "
                           "DECIMAL, DOUBLE, FLOAT, INT, LONG, SHORT, STRING and TIMESTAMP are",
                           NK_STR_ARG(c->CustomDatatypes.v[i]));
    }
    out->csv.types = kinds;
    out->csv.ntypes = nk_bool_or(c->CustomDatatypeConfigured, c->CustomDatatypes.n > 0)
                          ? c->CustomDatatypes.n
                          : 0;
    return NK_OK;
}

static nk_code make_csv(const glue_CsvClassifier *c, nk_arena *a, nk_custom *out, nk_err *err)
{
    out->format = &nk_crawl_format_csv;
    out->name = c->Name;
    out->csv.delimiter = c->Delimiter.n ? c->Delimiter.p[0] : 0;
    out->csv.quote = c->QuoteSymbol.n ? c->QuoteSymbol.p[0] : 0;
    if (c->Delimiter.n > 1 || c->QuoteSymbol.n > 1)
        return nk_fail(err, NK_E_INVALID, "Delimiter and QuoteSymbol are one ASCII character each");
    if (out->csv.delimiter && out->csv.delimiter == out->csv.quote)
        return nk_fail(err, NK_E_INVALID, "QuoteSymbol must differ from Delimiter");
    out->csv.header = nk_str_is(c->ContainsHeader, "PRESENT")  ? NK_HEADER_PRESENT
                      : nk_str_is(c->ContainsHeader, "ABSENT") ? NK_HEADER_ABSENT
                                                               : NK_HEADER_UNKNOWN;
    out->csv.no_trim = nk_bool_or(c->DisableValueTrimming, false);
    out->csv.single_column = nk_bool_or(c->AllowSingleColumn, false);
    for (size_t i = 0; i < c->Header.n; i++) {
        nk_str *name = nk_strs_add(&out->csv.names, a);
        if (!name)
            return nk_fail(err, NK_E_NOMEM, "Out of memory");
        *name = c->Header.v[i];
        for (size_t k = 0; k < i; k++) {
            if (nk_str_ieq(c->Header.v[k], *name))
                return nk_fail(err, NK_E_INVALID, "Header names the column \"%.*s\" twice",
                               NK_STR_ARG(*name));
        }
    }
    out->serde = nk_str_is(c->Serde, "OpenCSVSerDe")      ? NK_OPEN_CSV
                 : nk_str_is(c->Serde, "LazySimpleSerDe") ? NK_LAZY_CSV
                                                          : NULL;
    return csv_types(c, a, out, err);
}

nk_code nk_custom_make(const glue_Classifier *c, nk_arena *a, nk_custom *out, nk_err *err)
{
    *out = (nk_custom){0};
    return c->GrokClassifier   ? make_grok(c->GrokClassifier, a, out, err)
           : c->JsonClassifier ? make_json(c->JsonClassifier, a, out, err)
           : c->XMLClassifier  ? make_xml(c->XMLClassifier, a, out, err)
           : c->CsvClassifier  ? make_csv(c->CsvClassifier, a, out, err)
                               : nk_fail(err, NK_E_INVALID, "A classifier without a definition");
}

nk_code nk_customs_load(const nk_json *classifiers, nk_arena *a, nk_customs *out, nk_err *err)
{
    *out = (nk_customs){0};
    if (!classifiers || !classifiers->count)
        return NK_OK;
    out->v = NK_NEWN(a, nk_custom, classifiers->count);
    if (!out->v)
        return nk_fail(err, NK_E_NOMEM, "Out of memory");
    for (const nk_json *j = classifiers->first; j; j = j->next) {
        void *c;
        NK_TRY(nk_model_decode(&glue_Classifier_shape, nk_str_dup(a, j->text), a, &c, err));
        NK_TRY(nk_custom_make(c, a, &out->v[out->n++], err));
    }
    return NK_OK;
}
