/* Custom classifiers: create, read, change, list, delete. */
#include "crawl/classifiers.h"

#include "catalog/history.h"
#include "model/glue_handlers.h"
#include "model/page.h"

enum { COL_REGION, COL_NAME, COL_COUNT };
static const nk_col cols[] = {{"region", NK_COL_TEXT}, {"name", NK_COL_TEXT}};
const nk_kind nk_kind_classifier = {"classifier", 1, 2, cols, COL_COUNT, NULL, 0, NULL};

nk_code nk_classifier_text(nk_tx *tx, nk_str region, nk_str name, nk_arena *a, nk_str *out,
                           nk_err *err)
{
    nk_row row;
    nk_err missing = NK_ERR_INIT;
    nk_code rc = nk_store_get(tx, &nk_kind_classifier, NK_KEY(nk_vs(region), nk_vs(name)), a, &row,
                              &missing);
    if (rc == NK_E_NOT_FOUND)
        return nk_fail(err, rc, "Classifier %.*s does not exist", NK_STR_ARG(name));
    if (rc != NK_OK)
        return nk_fail(err, rc, "%s", missing.msg);
    *out = nk_str_dup(a, row.body);
    return out->p ? NK_OK : nk_fail(err, NK_E_NOMEM, "Out of memory reading a classifier");
}

static nk_code load(nk_call *call, nk_str name, glue_Classifier **out)
{
    nk_str text;
    void *c;
    NK_TRY(nk_classifier_text(call->tx, call->region, name, call->arena, &text, call->err));
    NK_TRY(nk_model_decode(&glue_Classifier_shape, text, call->arena, &c, call->err));
    *out = c;
    return NK_OK;
}

static nk_kept kept_of(nk_call *call, const nk_catalog_ctx *ctx, nk_str name)
{
    return (nk_kept){.tx = call->tx,
                     .ctx = ctx,
                     .kind = NK_HIST_CLASSIFIER,
                     .space = call->region,
                     .object = nk_str_printf(call->arena, "classifier %.*s", NK_STR_ARG(name))};
}

static nk_code save(nk_call *call, nk_str name, const glue_Classifier *c, bool insert)
{
    nk_custom unused;
    nk_catalog_ctx ctx = nk_catalog_ctx_of(call);
    nk_kept k = kept_of(call, &ctx, name);
    nk_val v[COL_COUNT] = {[COL_REGION] = nk_vs(call->region), [COL_NAME] = nk_vs(name)};
    nk_row row = {.cols = v};
    /* one that could not be used is refused now, not in a crawl */
    NK_TRY(nk_custom_make(c, call->arena, &unused, call->err));
    NK_TRY(nk_model_encode_str(&glue_Classifier_shape, c, call->arena, &row.body, call->err));
    nk_code rc = nk_kept_put(&k, &row, insert, call->err);
    return rc == NK_E_EXISTS ? nk_fail(call->err, rc, "Classifier with name %.*s already exists",
                                       NK_STR_ARG(name))
                             : rc;
}

static nk_code one_of_four(nk_call *call, int given)
{
    return given == 1 ? NK_OK
                      : nk_fail(call->err, NK_E_INVALID,
                                "Exactly one of GrokClassifier, XMLClassifier, JsonClassifier and "
                                "CsvClassifier must be given");
}

nk_code glue_CreateClassifier(nk_call *call, const glue_CreateClassifierRequest *in,
                              glue_CreateClassifierResponse *out)
{
    NK_TRY(one_of_four(call, !!in->GrokClassifier + !!in->XMLClassifier + !!in->JsonClassifier +
                                 !!in->CsvClassifier));
    nk_opt_time now = nk_some_time(nk_now_us(call->app->env));
    glue_GrokClassifier g;
    glue_XMLClassifier x;
    glue_JsonClassifier j;
    glue_CsvClassifier s;
    glue_Classifier c = {0};
#define STAMPS .CreationTime = now, .LastUpdated = now, .Version = nk_some_i64(1)
    if (in->GrokClassifier) {
        const glue_CreateGrokClassifierRequest *r = in->GrokClassifier;
        g = (glue_GrokClassifier){.Name = r->Name,
                                  .Classification = r->Classification,
                                  .GrokPattern = r->GrokPattern,
                                  .CustomPatterns = r->CustomPatterns,
                                  STAMPS};
        c.GrokClassifier = &g;
        return save(call, r->Name, &c, true);
    }
    if (in->XMLClassifier) {
        const glue_CreateXMLClassifierRequest *r = in->XMLClassifier;
        x = (glue_XMLClassifier){
            .Name = r->Name, .Classification = r->Classification, .RowTag = r->RowTag, STAMPS};
        c.XMLClassifier = &x;
        return save(call, r->Name, &c, true);
    }
    if (in->JsonClassifier) {
        j = (glue_JsonClassifier){
            .Name = in->JsonClassifier->Name, .JsonPath = in->JsonClassifier->JsonPath, STAMPS};
        c.JsonClassifier = &j;
        return save(call, j.Name, &c, true);
    }
    const glue_CreateCsvClassifierRequest *r = in->CsvClassifier;
    s = (glue_CsvClassifier){.Name = r->Name,
                             .Delimiter = r->Delimiter,
                             .QuoteSymbol = r->QuoteSymbol,
                             .ContainsHeader = r->ContainsHeader,
                             .Header = r->Header,
                             .DisableValueTrimming = r->DisableValueTrimming,
                             .AllowSingleColumn = r->AllowSingleColumn,
                             .CustomDatatypeConfigured = r->CustomDatatypeConfigured,
                             .CustomDatatypes = r->CustomDatatypes,
                             .Serde = r->Serde,
                             STAMPS};
#undef STAMPS
    c.CsvClassifier = &s;
    return save(call, r->Name, &c, true);
}

static nk_code another_kind(nk_call *call, nk_str name, const char *kind)
{
    return nk_fail(call->err, NK_E_INVALID, "Classifier %.*s is no %s classifier", NK_STR_ARG(name),
                   kind);
}

#define TAKE(to, from, member)                                                                     \
    do {                                                                                           \
        if ((from)->member.p)                                                                      \
            (to)->member = (from)->member;                                                         \
    } while (0)
#define TAKE_SET(to, from, member)                                                                 \
    do {                                                                                           \
        if ((from)->member.set)                                                                    \
            (to)->member = (from)->member;                                                         \
    } while (0)
#define CHANGED(to)                                                                                \
    do {                                                                                           \
        (to)->Version = nk_some_i64(nk_i64_or((to)->Version, 1) + 1);                              \
        (to)->LastUpdated = nk_some_time(nk_now_us(call->app->env));                               \
    } while (0)

static nk_code update_csv(nk_call *call, const glue_UpdateCsvClassifierRequest *r)
{
    glue_Classifier *c;
    NK_TRY(load(call, r->Name, &c));
    glue_CsvClassifier *s = c->CsvClassifier;
    if (!s)
        return another_kind(call, r->Name, "CSV");
    TAKE(s, r, Delimiter);
    TAKE(s, r, QuoteSymbol);
    TAKE(s, r, ContainsHeader);
    TAKE(s, r, Serde);
    TAKE_SET(s, r, Header);
    TAKE_SET(s, r, DisableValueTrimming);
    TAKE_SET(s, r, AllowSingleColumn);
    TAKE_SET(s, r, CustomDatatypeConfigured);
    TAKE_SET(s, r, CustomDatatypes);
    CHANGED(s);
    return save(call, r->Name, c, false);
}

nk_code glue_UpdateClassifier(nk_call *call, const glue_UpdateClassifierRequest *in,
                              glue_UpdateClassifierResponse *out)
{
    glue_Classifier *c;
    NK_TRY(one_of_four(call, !!in->GrokClassifier + !!in->XMLClassifier + !!in->JsonClassifier +
                                 !!in->CsvClassifier));
    if (in->CsvClassifier)
        return update_csv(call, in->CsvClassifier);
    if (in->GrokClassifier) {
        const glue_UpdateGrokClassifierRequest *r = in->GrokClassifier;
        NK_TRY(load(call, r->Name, &c));
        if (!c->GrokClassifier)
            return another_kind(call, r->Name, "grok");
        TAKE(c->GrokClassifier, r, Classification);
        TAKE(c->GrokClassifier, r, GrokPattern);
        TAKE(c->GrokClassifier, r, CustomPatterns);
        CHANGED(c->GrokClassifier);
        return save(call, r->Name, c, false);
    }
    if (in->XMLClassifier) {
        const glue_UpdateXMLClassifierRequest *r = in->XMLClassifier;
        NK_TRY(load(call, r->Name, &c));
        if (!c->XMLClassifier)
            return another_kind(call, r->Name, "XML");
        TAKE(c->XMLClassifier, r, Classification);
        TAKE(c->XMLClassifier, r, RowTag);
        CHANGED(c->XMLClassifier);
        return save(call, r->Name, c, false);
    }
    const glue_UpdateJsonClassifierRequest *r = in->JsonClassifier;
    NK_TRY(load(call, r->Name, &c));
    if (!c->JsonClassifier)
        return another_kind(call, r->Name, "JSON");
    TAKE(c->JsonClassifier, r, JsonPath);
    CHANGED(c->JsonClassifier);
    return save(call, r->Name, c, false);
}

nk_code glue_GetClassifier(nk_call *call, const glue_GetClassifierRequest *in,
                           glue_GetClassifierResponse *out)
{
    return load(call, in->Name, &out->Classifier);
}

nk_code glue_DeleteClassifier(nk_call *call, const glue_DeleteClassifierRequest *in,
                              glue_DeleteClassifierResponse *out)
{
    glue_Classifier *c;
    NK_TRY(load(call, in->Name, &c));
    nk_catalog_ctx ctx = nk_catalog_ctx_of(call);
    nk_kept k = kept_of(call, &ctx, in->Name);
    return nk_kept_drop(&k, NK_KEY(nk_vs(call->region), nk_vs(in->Name)), call->err);
}

typedef struct page {
    nk_call *call;
    glue_Classifier_list *out;
    nk_str last;
    size_t max;
    bool more;
    nk_code rc;
} page;

static bool page_row(void *arg, const nk_row *row)
{
    page *p = arg;
    void *c;
    if (p->out->n == p->max) {
        p->more = true;
        return false;
    }
    p->last = nk_str_dup(p->call->arena, row->cols[COL_NAME].s);
    p->rc = nk_model_decode(&glue_Classifier_shape, nk_str_dup(p->call->arena, row->body),
                            p->call->arena, &c, p->call->err);
    if (p->rc == NK_OK)
        p->out->v[p->out->n++] = *(glue_Classifier *)c;
    return p->rc == NK_OK;
}

nk_code glue_GetClassifiers(nk_call *call, const glue_GetClassifiersRequest *in,
                            glue_GetClassifiersResponse *out)
{
    nk_str place;
    nk_pos after = {.n = 2};
    NK_TRY(nk_page_open(call, NK_STR(""), in->NextToken, &place));
    after.v[0] = nk_vs(call->region);
    after.v[1] = nk_vs(place);
    page p = {
        .call = call, .out = &out->Classifiers, .max = (size_t)nk_i64_or(in->MaxResults, 100)};
    out->Classifiers.set = true;
    out->Classifiers.v = NK_NEWN(call->arena, glue_Classifier, p.max);
    if (!out->Classifiers.v)
        return nk_fail(call->err, NK_E_NOMEM, "Out of memory");
    nk_query q = {.kind = &nk_kind_classifier,
                  .prefix = after.v,
                  .nprefix = 1,
                  .after = place.p ? &after : NULL};
    NK_TRY(nk_store_scan(call->tx, &q, page_row, &p, call->err));
    NK_TRY(p.rc);
    return p.more ? nk_page_token(call, NK_STR(""), p.last, &out->NextToken) : NK_OK;
}
