/* Crawlers as records: create, read, change, list; their metrics and the history of their crawls.
 */
#include <stdio.h>
#include <stdlib.h>

#include "catalog/catalog.h"
#include "catalog/history.h"
#include "catalog/tags.h"
#include "crawl/classifiers.h"
#include "model/glue_handlers.h"
#include "model/page.h"

static const nk_col crawler_cols[] = {
    {"region", NK_COL_TEXT}, {"name", NK_COL_TEXT},
    {"state", NK_COL_TEXT},  {"cron", NK_COL_TEXT}, /* only while scheduled */
    {"tags", NK_COL_TEXT},
};
static const nk_index crawler_indexes[] = {{"crawler_cron", {CRAWLER_CRON}, 1, false}};
const nk_kind nk_kind_crawler = {"crawler",       1, 2,   crawler_cols, CRAWLER_COLS,
                                 crawler_indexes, 1, NULL};

static const nk_col crawl_cols[] = {
    {"region", NK_COL_TEXT}, {"crawler", NK_COL_TEXT}, {"seq", NK_COL_I64},
    {"state", NK_COL_TEXT},  {"started", NK_COL_I64},  {"ended", NK_COL_I64},
    {"created", NK_COL_I64}, {"updated", NK_COL_I64},  {"deleted", NK_COL_I64},
};
const nk_kind nk_kind_crawl = {"crawl", 1, 3, crawl_cols, CRAWL_COLS, NULL, 0, NULL};

static const nk_col made_cols[] = {
    {"region", NK_COL_TEXT},     {"crawler", NK_COL_TEXT},  {"db", NK_COL_TEXT},
    {"table_name", NK_COL_TEXT}, {"location", NK_COL_TEXT}, {"seq", NK_COL_I64},
};
const nk_kind nk_kind_made = {"crawled_table", 1, 4, made_cols, MADE_COLS, NULL, 0, NULL};

const nk_kind *const nk_crawl_kinds[] = {&nk_kind_crawler, &nk_kind_crawl, &nk_kind_made,
                                         &nk_kind_classifier, NULL};

/* As tags know a crawler. */
static nk_str resource_of(nk_arena *a, nk_str name)
{
    return nk_str_printf(a, "crawler/%.*s", NK_STR_ARG(name));
}

/* ---- records ---- */

static nk_code decode_row(const nk_row *row, nk_arena *a, nk_crawler_row *out, nk_err *err)
{
    void *c;
    nk_str body = nk_str_dup(a, row->body);
    if (!body.p)
        return nk_fail(err, NK_E_NOMEM, "Out of memory reading a crawler");
    NK_TRY(nk_model_decode(&glue_Crawler_shape, body, a, &c, err));
    out->c = c;
    return NK_OK;
}

nk_code nk_crawler_load(nk_tx *tx, nk_str region, nk_str name, nk_arena *a, nk_crawler_row *out,
                        nk_err *err)
{
    nk_row row;
    nk_err missing = NK_ERR_INIT;
    nk_code rc =
        nk_store_get(tx, &nk_kind_crawler, NK_KEY(nk_vs(region), nk_vs(name)), a, &row, &missing);
    if (rc == NK_E_NOT_FOUND)
        return nk_fail(err, rc, "Crawler entry with name %.*s does not exist", NK_STR_ARG(name));
    if (rc != NK_OK)
        return nk_fail(err, rc, "%s", missing.msg);
    return decode_row(&row, a, out, err);
}

/* cols: CRAWLER_COLS of them, for the record to stand on. */
static nk_code encode_row(nk_str region, const glue_Crawler *c, nk_arena *a, nk_val *cols,
                          nk_row *out, nk_err *err)
{
    bool on = c->Schedule && nk_str_is(c->Schedule->State, "SCHEDULED");
    memset(cols, 0, CRAWLER_COLS * sizeof *cols);
    cols[CRAWLER_REGION] = nk_vs(region);
    cols[CRAWLER_NAME] = nk_vs(c->Name);
    cols[CRAWLER_STATE] = nk_vs(c->State);
    cols[CRAWLER_CRON] = on ? nk_vs(c->Schedule->ScheduleExpression) : nk_vnull();
    *out = (nk_row){.cols = cols};
    return nk_model_encode_str(&glue_Crawler_shape, c, a, &out->body, err);
}

nk_code nk_crawler_save(nk_tx *tx, nk_str region, const nk_crawler_row *row, bool insert,
                        nk_arena *a, nk_err *err)
{
    nk_val cols[CRAWLER_COLS];
    nk_row r;
    NK_TRY(encode_row(region, row->c, a, cols, &r, err));
    return insert ? nk_store_insert(tx, &nk_kind_crawler, &r, err)
                  : nk_store_put(tx, &nk_kind_crawler, &r, err);
}

static nk_kept kept_of(nk_call *call, const nk_catalog_ctx *ctx, nk_str name)
{
    return (nk_kept){.tx = call->tx,
                     .ctx = ctx,
                     .kind = NK_HIST_CRAWLER,
                     .space = call->region,
                     .object = nk_str_printf(call->arena, "crawler %.*s", NK_STR_ARG(name))};
}

/* A request's change of a definition: the history has it. */
static nk_code change(nk_call *call, const nk_crawler_row *row, bool insert)
{
    nk_val cols[CRAWLER_COLS];
    nk_row r;
    nk_catalog_ctx ctx = nk_catalog_ctx_of(call);
    nk_kept k = kept_of(call, &ctx, row->c->Name);
    NK_TRY(encode_row(call->region, row->c, call->arena, cols, &r, call->err));
    return nk_kept_put(&k, &r, insert, call->err);
}

/* ---- definition ---- */

static void *fresh(nk_call *call, size_t n)
{
    void *p = nk_arena_alloc(call->arena, n);
    return p;
}

#define FRESH(call, T) ((T *)fresh((call), sizeof(T)))

/* What AWS fills in when it is not said. */
static nk_code defaults(nk_call *call, glue_Crawler *c)
{
    if (!c->RecrawlPolicy)
        c->RecrawlPolicy = FRESH(call, glue_RecrawlPolicy);
    if (!c->SchemaChangePolicy)
        c->SchemaChangePolicy = FRESH(call, glue_SchemaChangePolicy);
    if (!c->LineageConfiguration)
        c->LineageConfiguration = FRESH(call, glue_LineageConfiguration);
    if (!c->LakeFormationConfiguration)
        c->LakeFormationConfiguration = FRESH(call, glue_LakeFormationConfiguration);
    if (!c->RecrawlPolicy || !c->SchemaChangePolicy || !c->LineageConfiguration ||
        !c->LakeFormationConfiguration)
        return nk_fail(call->err, NK_E_NOMEM, "Out of memory");
    if (!c->RecrawlPolicy->RecrawlBehavior.n)
        c->RecrawlPolicy->RecrawlBehavior = NK_STR("CRAWL_EVERYTHING");
    bool fresh_only = nk_str_is(c->RecrawlPolicy->RecrawlBehavior, "CRAWL_NEW_FOLDERS_ONLY");
    if (!c->SchemaChangePolicy->UpdateBehavior.n)
        c->SchemaChangePolicy->UpdateBehavior =
            fresh_only ? NK_STR("LOG") : NK_STR("UPDATE_IN_DATABASE");
    if (!c->SchemaChangePolicy->DeleteBehavior.n)
        c->SchemaChangePolicy->DeleteBehavior =
            fresh_only || (c->Targets && c->Targets->CatalogTargets.n)
                ? NK_STR("LOG")
                : NK_STR("DEPRECATE_IN_DATABASE");
    if (!c->LineageConfiguration->CrawlerLineageSettings.n)
        c->LineageConfiguration->CrawlerLineageSettings = NK_STR("DISABLE");
    if (!c->LakeFormationConfiguration->UseLakeFormationCredentials.set)
        c->LakeFormationConfiguration->UseLakeFormationCredentials = nk_some_bool(false);
    if (!c->LakeFormationConfiguration->AccountId.p)
        c->LakeFormationConfiguration->AccountId = NK_STR("");
    c->Classifiers.set = true;
    glue_CrawlerTargets *t = c->Targets;
    if (t) {
        t->S3Targets.set = t->JdbcTargets.set = t->MongoDBTargets.set = t->DynamoDBTargets.set =
            true;
        t->CatalogTargets.set = t->DeltaTargets.set = t->IcebergTargets.set = t->HudiTargets.set =
            true;
        for (size_t i = 0; i < t->S3Targets.n; i++)
            t->S3Targets.v[i].Exclusions.set = true;
    }
    return NK_OK;
}

/* Whether the custom classifiers it names are there. */
static nk_code check_classifiers(nk_call *call, const glue_Crawler *c)
{
    for (size_t i = 0; i < c->Classifiers.n; i++) {
        nk_str text;
        nk_code rc = nk_classifier_text(call->tx, call->region, c->Classifiers.v[i], call->arena,
                                        &text, call->err);
        if (rc == NK_E_NOT_FOUND)
            return nk_fail(call->err, NK_E_INVALID, "Classifier %.*s does not exist",
                           NK_STR_ARG(c->Classifiers.v[i]));
        NK_TRY(rc);
    }
    return NK_OK;
}

/* What it names must be there, and be what we can do. */
static nk_code check_names(nk_call *call, const glue_Crawler *c)
{
    bool there = true;
    NK_TRY(check_classifiers(call, c));
    if (c->CrawlerSecurityConfiguration.n)
        NK_TRY(nk_catalog_has_security(call->tx, call->region, c->CrawlerSecurityConfiguration,
                                       &there, call->err));
    if (!there)
        return nk_fail(call->err, NK_E_INVALID, "Security configuration %.*s does not exist",
                       NK_STR_ARG(c->CrawlerSecurityConfiguration));
    if (c->CatalogId.n && !nk_str_eq(c->CatalogId, call->account_id))
        return nk_fail(call->err, NK_E_INVALID,
                       "CatalogId %.*s: a crawler writes to the account's own Data Catalog (%.*s)",
                       NK_STR_ARG(c->CatalogId), NK_STR_ARG(call->account_id));
    return NK_OK;
}

static nk_code set_schedule(nk_call *call, glue_Crawler *c, nk_str expression)
{
    if (!nk_str_trim(expression).n) {
        c->Schedule = NULL; /* an empty one takes the schedule away */
        return NK_OK;
    }
    c->Schedule = FRESH(call, glue_Schedule);
    if (!c->Schedule)
        return nk_fail(call->err, NK_E_NOMEM, "Out of memory");
    c->Schedule->ScheduleExpression = expression;
    c->Schedule->State = NK_STR("SCHEDULED");
    return NK_OK;
}

nk_code glue_CreateCrawler(nk_call *call, const glue_CreateCrawlerRequest *in,
                           glue_CreateCrawlerResponse *out)
{
    glue_Crawler c = {
        .Name = in->Name,
        .Role = in->Role,
        .Targets = in->Targets,
        .DatabaseName = in->DatabaseName,
        .Description = in->Description,
        .Classifiers = in->Classifiers,
        .RecrawlPolicy = in->RecrawlPolicy,
        .SchemaChangePolicy = in->SchemaChangePolicy,
        .LineageConfiguration = in->LineageConfiguration,
        .State = NK_STR("READY"),
        .TablePrefix = in->TablePrefix,
        .CrawlElapsedTime = nk_some_i64(0),
        .CreationTime = nk_some_time(nk_now_us(call->app->env)),
        .Version = nk_some_i64(1),
        .Configuration = in->Configuration,
        .CrawlerSecurityConfiguration = in->CrawlerSecurityConfiguration,
        .LakeFormationConfiguration = in->LakeFormationConfiguration,
        .CatalogId = in->CatalogId,
    };
    c.LastUpdated = c.CreationTime;
    NK_TRY(set_schedule(call, &c, in->Schedule));
    NK_TRY(defaults(call, &c));
    NK_TRY(nk_crawl_check(&c, call->arena, call->err));
    NK_TRY(check_names(call, &c));
    nk_crawler_row row = {.c = &c};
    nk_code rc = change(call, &row, true);
    if (rc == NK_E_EXISTS)
        return nk_fail(call->err, rc, "Crawler with name %.*s already exists",
                       NK_STR_ARG(in->Name));
    NK_TRY(rc);
    return nk_tags_put(call->tx, call->region, resource_of(call->arena, in->Name), &in->Tags,
                       call->arena, call->err);
}

static nk_code refuse_running(nk_call *call, const glue_Crawler *c)
{
    if (nk_str_is(c->State, "READY"))
        return NK_OK;
    return nk_fail(call->err, NK_E_CRAWLER_RUNNING, "Crawler with name %.*s is %s",
                   NK_STR_ARG(c->Name), nk_str_is(c->State, "STOPPING") ? "stopping" : "running");
}

static bool same_targets(nk_call *call, const glue_CrawlerTargets *a, const glue_CrawlerTargets *b)
{
    nk_str x, y;
    return nk_model_encode_str(&glue_CrawlerTargets_shape, a, call->arena, &x, NULL) == NK_OK &&
           nk_model_encode_str(&glue_CrawlerTargets_shape, b, call->arena, &y, NULL) == NK_OK &&
           nk_str_eq(x, y);
}

nk_code glue_UpdateCrawler(nk_call *call, const glue_UpdateCrawlerRequest *in,
                           glue_UpdateCrawlerResponse *out)
{
    nk_crawler_row row;
    NK_TRY(nk_crawler_load(call->tx, call->region, in->Name, call->arena, &row, call->err));
    glue_Crawler *c = row.c;
    NK_TRY(refuse_running(call, c));
    bool was_new_only =
        c->RecrawlPolicy && nk_str_is(c->RecrawlPolicy->RecrawlBehavior, "CRAWL_NEW_FOLDERS_ONLY");
    const glue_CrawlerTargets *before = c->Targets;
#define TAKE(member)                                                                               \
    do {                                                                                           \
        if (in->member.p)                                                                          \
            c->member = in->member;                                                                \
    } while (0)
    TAKE(Role);
    TAKE(DatabaseName);
    TAKE(Description);
    TAKE(TablePrefix);
    TAKE(Configuration);
    TAKE(CrawlerSecurityConfiguration);
    TAKE(CatalogId);
#undef TAKE
    if (in->Targets)
        c->Targets = in->Targets;
    if (in->Classifiers.set)
        c->Classifiers = in->Classifiers;
    if (in->SchemaChangePolicy)
        c->SchemaChangePolicy = in->SchemaChangePolicy;
    if (in->RecrawlPolicy)
        c->RecrawlPolicy = in->RecrawlPolicy;
    if (in->LineageConfiguration)
        c->LineageConfiguration = in->LineageConfiguration;
    if (in->LakeFormationConfiguration)
        c->LakeFormationConfiguration = in->LakeFormationConfiguration;
    if (in->Schedule.p)
        NK_TRY(set_schedule(call, c, in->Schedule));
    NK_TRY(defaults(call, c));
    if (was_new_only && nk_str_is(c->RecrawlPolicy->RecrawlBehavior, "CRAWL_NEW_FOLDERS_ONLY") &&
        in->Targets && !same_targets(call, before, c->Targets))
        return nk_fail(call->err, NK_E_INVALID,
                       "The targets of a crawler cannot be changed while RecrawlBehavior is "
                       "CRAWL_NEW_FOLDERS_ONLY");
    NK_TRY(nk_crawl_check(c, call->arena, call->err));
    NK_TRY(check_names(call, c));
    c->Version = nk_some_i64(nk_i64_or(c->Version, 1) + 1);
    c->LastUpdated = nk_some_time(nk_now_us(call->app->env));
    return change(call, &row, false);
}

/* What a crawler knows of the tables that it made goes into the history before it goes itself. */
static nk_code forget_made(nk_call *call, const nk_catalog_ctx *ctx, nk_str name)
{
    nk_row_list made = {0};
    const nk_val *key = NK_KEY(nk_vs(call->region), nk_vs(name));
    nk_query q = {.kind = &nk_kind_made, .prefix = key, .nprefix = 2};
    NK_TRY(nk_store_rows(call->tx, &q, call->arena, &made, call->err));
    if (!made.n)
        return NK_OK;
    nk_hist h = {.kind = NK_HIST_CRAWLED,
                 .op = NK_HIST_DELETE,
                 .space = call->region,
                 .object = kept_of(call, ctx, name).object,
                 .before = made.v,
                 .nbefore = made.n};
    NK_TRY(nk_store_delete_range(call->tx, &nk_kind_made, key, 2, 0, NULL, call->err));
    return nk_history_add(call->tx, ctx, &h, NULL, call->err);
}

/* All that a crawler has but its definition; the history of its crawls is lost. */
static nk_code forget(nk_call *call, const nk_catalog_ctx *ctx, nk_str name)
{
    const nk_val *key = NK_KEY(nk_vs(call->region), nk_vs(name));
    nk_str resource = resource_of(call->arena, name);
    if (!resource.p)
        return nk_fail(call->err, NK_E_NOMEM, "Out of memory");
    NK_TRY(nk_store_delete_range(call->tx, &nk_kind_crawl, key, 2, 0, NULL, call->err));
    NK_TRY(forget_made(call, ctx, name));
    return nk_tags_forget(call, resource);
}

nk_code glue_DeleteCrawler(nk_call *call, const glue_DeleteCrawlerRequest *in,
                           glue_DeleteCrawlerResponse *out)
{
    nk_crawler_row row;
    nk_catalog_ctx ctx = nk_catalog_ctx_of(call);
    nk_kept k = kept_of(call, &ctx, in->Name);
    NK_TRY(nk_crawler_load(call->tx, call->region, in->Name, call->arena, &row, call->err));
    NK_TRY(refuse_running(call, row.c));
    NK_TRY(forget(call, &ctx, in->Name));
    return nk_kept_drop(&k, NK_KEY(nk_vs(call->region), nk_vs(in->Name)), call->err);
}

/* ---- undoing ---- */

/* A definition that is put back keeps what crawls have noted since, and is a version of its own. */
static nk_code prepare_crawler(nk_call *call, const nk_catalog_ctx *ctx, const nk_row *now,
                               nk_row *put)
{
    nk_crawler_row old = {0}, new;
    nk_val *cols = NK_NEWN(call->arena, nk_val, CRAWLER_COLS);
    if (!cols)
        return nk_fail(call->err, NK_E_NOMEM, "Out of memory");
    if (now) {
        NK_TRY(decode_row(now, call->arena, &old, call->err));
        NK_TRY(refuse_running(call, old.c));
    }
    if (!put)
        return forget(call, ctx, old.c->Name);
    if (!now)
        return NK_OK;
    NK_TRY(decode_row(put, call->arena, &new, call->err));
    new.c->State = old.c->State;
    new.c->LastCrawl = old.c->LastCrawl;
    new.c->CrawlElapsedTime = old.c->CrawlElapsedTime;
    new.c->Version = nk_some_i64(nk_i64_or(old.c->Version, 1) + 1);
    new.c->LastUpdated = nk_some_time(ctx->now_us);
    return encode_row(call->region, new.c, call->arena, cols, put, call->err);
}

static nk_code prepare_made(nk_call *call, const nk_catalog_ctx *ctx, const nk_row *now,
                            nk_row *put)
{
    nk_crawler_row row;
    return put ? nk_crawler_load(call->tx, call->region, put->cols[MADE_CRAWLER].s, call->arena,
                                 &row, call->err)
               : NK_OK;
}

void nk_crawl_history(void)
{
    static const nk_hist_room rooms[] = {
        {NK_HIST_CRAWLER, &nk_kind_crawler, prepare_crawler},
        {NK_HIST_CRAWLED, &nk_kind_made, prepare_made},
        {NK_HIST_CLASSIFIER, &nk_kind_classifier, NULL},
    };
    for (size_t i = 0; i < NK_COUNTOF(rooms); i++)
        nk_history_register(&rooms[i]);
}

/* ---- reading ---- */

static void refresh(nk_call *call, glue_Crawler *c)
{
    /* while a crawl runs, its start stands there as a negative time (runs.c) */
    int64_t start = nk_i64_or(c->CrawlElapsedTime, 0);
    if (start < 0)
        c->CrawlElapsedTime = nk_some_i64((nk_now_us(call->app->env) + start) / 1000);
}

nk_code glue_GetCrawler(nk_call *call, const glue_GetCrawlerRequest *in,
                        glue_GetCrawlerResponse *out)
{
    nk_crawler_row row;
    NK_TRY(nk_crawler_load(call->tx, call->region, in->Name, call->arena, &row, call->err));
    refresh(call, row.c);
    out->Crawler = row.c;
    return NK_OK;
}

nk_code glue_BatchGetCrawlers(nk_call *call, const glue_BatchGetCrawlersRequest *in,
                              glue_BatchGetCrawlersResponse *out)
{
    size_t n = in->CrawlerNames.n ? in->CrawlerNames.n : 1;
    out->Crawlers.v = NK_NEWN(call->arena, glue_Crawler, n);
    out->CrawlersNotFound.v = NK_NEWN(call->arena, nk_str, n);
    out->Crawlers.set = out->CrawlersNotFound.set = true;
    if (!out->Crawlers.v || !out->CrawlersNotFound.v)
        return nk_fail(call->err, NK_E_NOMEM, "Out of memory");
    for (size_t i = 0; i < in->CrawlerNames.n; i++) {
        nk_crawler_row row;
        nk_err err = NK_ERR_INIT;
        nk_code rc =
            nk_crawler_load(call->tx, call->region, in->CrawlerNames.v[i], call->arena, &row, &err);
        if (rc == NK_E_NOT_FOUND) {
            out->CrawlersNotFound.v[out->CrawlersNotFound.n++] = in->CrawlerNames.v[i];
            continue;
        }
        if (rc != NK_OK)
            return nk_fail(call->err, rc, "%s", err.msg);
        refresh(call, row.c);
        out->Crawlers.v[out->Crawlers.n++] = *row.c;
    }
    return NK_OK;
}

/* One page of crawlers, by name. */
NK_LIST(row_list, nk_crawler_row);
typedef struct page {
    nk_call *call;
    row_list rows;
    size_t max;
    bool more;
    const nk_map_str *tags;
    nk_code rc;
} page;

static bool page_row(void *arg, const nk_row *row)
{
    page *p = arg;
    nk_crawler_row r;
    p->rc = decode_row(row, p->call->arena, &r, p->call->err);
    if (p->rc != NK_OK)
        return false;
    if (p->tags) {
        bool yes;
        p->rc = nk_tags_match(p->call->tx, p->call->region, resource_of(p->call->arena, r.c->Name),
                              p->tags, p->call->arena, &yes, p->call->err);
        if (p->rc != NK_OK || !yes)
            return p->rc == NK_OK;
    }
    if (p->rows.n == p->max) {
        p->more = true;
        return false;
    }
    nk_crawler_row *slot = row_list_add(&p->rows, p->call->arena);
    if (!slot) {
        p->rc = nk_fail(p->call->err, NK_E_NOMEM, "Out of memory");
        return false;
    }
    *slot = r;
    return true;
}

static nk_code read_page(nk_call *call, nk_opt_i64 max, nk_str token, const nk_map_str *tags,
                         nk_str bind, page *out, nk_str *next)
{
    nk_str place;
    nk_pos after = {.n = 0};
    NK_TRY(nk_page_open(call, bind, token, &place));
    if (place.p) {
        after.n = 2;
        after.v[0] = nk_vs(call->region);
        after.v[1] = nk_vs(place);
    }
    *out = (page){.call = call, .max = (size_t)nk_i64_or(max, 100), .tags = tags};
    nk_query q = {.kind = &nk_kind_crawler,
                  .prefix = NK_KEY(nk_vs(call->region)),
                  .nprefix = 1,
                  .after = place.p ? &after : NULL};
    NK_TRY(nk_store_scan(call->tx, &q, page_row, out, call->err));
    NK_TRY(out->rc);
    if (!out->more)
        return NK_OK;
    return nk_page_token(call, bind, out->rows.v[out->rows.n - 1].c->Name, next);
}

nk_code glue_GetCrawlers(nk_call *call, const glue_GetCrawlersRequest *in,
                         glue_GetCrawlersResponse *out)
{
    page p;
    NK_TRY(read_page(call, in->MaxResults, in->NextToken, NULL, NK_STR(""), &p, &out->NextToken));
    out->Crawlers.set = true;
    out->Crawlers.v = NK_NEWN(call->arena, glue_Crawler, p.rows.n ? p.rows.n : 1);
    if (!out->Crawlers.v)
        return nk_fail(call->err, NK_E_NOMEM, "Out of memory");
    for (size_t i = 0; i < p.rows.n; i++) {
        refresh(call, p.rows.v[i].c);
        out->Crawlers.v[out->Crawlers.n++] = *p.rows.v[i].c;
    }
    return NK_OK;
}

nk_code glue_ListCrawlers(nk_call *call, const glue_ListCrawlersRequest *in,
                          glue_ListCrawlersResponse *out)
{
    page p;
    nk_str bind = NK_STR("");
    for (size_t i = 0; i < in->Tags.n; i++)
        bind = nk_str_printf(call->arena, "%.*s%.*s=%.*s\n", NK_STR_ARG(bind),
                             NK_STR_ARG(in->Tags.v[i].key), NK_STR_ARG(in->Tags.v[i].value));
    NK_TRY(read_page(call, in->MaxResults, in->NextToken, &in->Tags, bind, &p, &out->NextToken));
    out->CrawlerNames.set = true;
    out->CrawlerNames.v = NK_NEWN(call->arena, nk_str, p.rows.n ? p.rows.n : 1);
    if (!out->CrawlerNames.v)
        return nk_fail(call->err, NK_E_NOMEM, "Out of memory");
    for (size_t i = 0; i < p.rows.n; i++)
        out->CrawlerNames.v[out->CrawlerNames.n++] = p.rows.v[i].c->Name;
    return NK_OK;
}

/* ---- metrics: of the crawls kept ---- */

#define METRIC_CRAWLS 100

typedef struct runtimes {
    double seconds[METRIC_CRAWLS];
    size_t n;
    bool newest_seen;
    int64_t created, updated, deleted, running_since;
} runtimes;

static bool runtime_row(void *arg, const nk_row *row)
{
    runtimes *r = arg;
    const nk_val *v = row->cols;
    if (v[CRAWL_END].kind != NK_V_I64) {
        r->running_since = v[CRAWL_START].i;
        return true;
    }
    r->seconds[r->n++] = (double)(v[CRAWL_END].i - v[CRAWL_START].i) / 1e6;
    if (!r->newest_seen) {
        r->newest_seen = true;
        r->created = v[CRAWL_CREATED].i;
        r->updated = v[CRAWL_UPDATED].i;
        r->deleted = v[CRAWL_DELETED].i;
    }
    return r->n < METRIC_CRAWLS;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static nk_code metrics_of(nk_call *call, nk_str name, glue_CrawlerMetrics *m)
{
    runtimes r = {0};
    nk_query q = {.kind = &nk_kind_crawl,
                  .prefix = NK_KEY(nk_vs(call->region), nk_vs(name)),
                  .nprefix = 2,
                  .desc = true,
                  .no_body = true};
    NK_TRY(nk_store_scan(call->tx, &q, runtime_row, &r, call->err));
    double last = r.n ? r.seconds[0] : 0, median = 0;
    qsort(r.seconds, r.n, sizeof *r.seconds, by_value);
    if (r.n)
        median = r.n % 2 ? r.seconds[r.n / 2] : (r.seconds[r.n / 2 - 1] + r.seconds[r.n / 2]) / 2;
    double left = 0;
    if (r.running_since)
        left = median - (double)(nk_now_us(call->app->env) - r.running_since) / 1e6;
    *m = (glue_CrawlerMetrics){
        .CrawlerName = name,
        .TimeLeftSeconds = {true, left > 0 ? left : 0},
        .StillEstimating = nk_some_bool(r.running_since && !r.n),
        .LastRuntimeSeconds = {true, last},
        .MedianRuntimeSeconds = {true, median},
        .TablesCreated = nk_some_i64(r.created),
        .TablesUpdated = nk_some_i64(r.updated),
        .TablesDeleted = nk_some_i64(r.deleted),
    };
    return NK_OK;
}

nk_code glue_GetCrawlerMetrics(nk_call *call, const glue_GetCrawlerMetricsRequest *in,
                               glue_GetCrawlerMetricsResponse *out)
{
    page p = {0};
    nk_list_str names = in->CrawlerNameList;
    if (!names.n) {
        NK_TRY(
            read_page(call, in->MaxResults, in->NextToken, NULL, NK_STR(""), &p, &out->NextToken));
        names.v = NK_NEWN(call->arena, nk_str, p.rows.n ? p.rows.n : 1);
        for (size_t i = 0; names.v && i < p.rows.n; i++)
            names.v[names.n++] = p.rows.v[i].c->Name;
    }
    out->CrawlerMetricsList.set = true;
    out->CrawlerMetricsList.v = NK_NEWN(call->arena, glue_CrawlerMetrics, names.n ? names.n : 1);
    if (!out->CrawlerMetricsList.v || !names.v)
        return nk_fail(call->err, NK_E_NOMEM, "Out of memory");
    for (size_t i = 0; i < names.n; i++) {
        bool there;
        NK_TRY(nk_store_has(call->tx, &nk_kind_crawler,
                            NK_KEY(nk_vs(call->region), nk_vs(names.v[i])), &there, call->err));
        if (there)
            NK_TRY(metrics_of(call, names.v[i],
                              &out->CrawlerMetricsList.v[out->CrawlerMetricsList.n++]));
    }
    return NK_OK;
}

/* ---- history ---- */

NK_LIST(history_list, glue_CrawlerHistory);
typedef struct history_page {
    nk_call *call;
    const glue_CrawlsFilter_list *filters;
    history_list rows;
    int64_t last_seq;
    size_t max;
    bool more;
    nk_code rc;
} history_page;

static bool compare(nk_str op, double x, double y)
{
    return nk_str_is(op, "GT")   ? x > y
           : nk_str_is(op, "GE") ? x >= y
           : nk_str_is(op, "LT") ? x < y
           : nk_str_is(op, "LE") ? x <= y
           : nk_str_is(op, "NE") ? x != y
                                 : x == y;
}

static bool passes(const glue_CrawlerHistory *h, const glue_CrawlsFilter *f)
{
    bool text = nk_str_is(f->FieldName, "CRAWL_ID"), state = nk_str_is(f->FieldName, "STATE");
    if (text || state)
        return nk_str_eq(text ? h->CrawlId : h->State, f->FieldValue) ==
               !nk_str_is(f->FilterOperator, "NE");
    double v;
    if (!nk_str_f64(f->FieldValue, &v))
        return false;
    if (nk_str_is(f->FieldName, "START_TIME")) /* milliseconds */
        return compare(f->FilterOperator, (double)(h->StartTime.us / 1000), v);
    if (nk_str_is(f->FieldName, "END_TIME"))
        return h->EndTime.set && compare(f->FilterOperator, (double)(h->EndTime.us / 1000), v);
    return compare(f->FilterOperator, nk_f64_or(h->DPUHour, 0), v);
}

/* A filter that could not be meant is an error, not an empty answer. */
static nk_code check_filter(nk_call *call, const glue_CrawlsFilter *f)
{
    static const char *const states[] = {"RUNNING", "COMPLETED", "FAILED", "STOPPED"};
    bool state = nk_str_is(f->FieldName, "STATE");
    double v;
    if (!f->FieldName.n || !f->FieldValue.p)
        return nk_fail(call->err, NK_E_INVALID, "A filter needs a FieldName and a FieldValue");
    if (state || nk_str_is(f->FieldName, "CRAWL_ID")) {
        bool known = !state;
        for (size_t i = 0; i < NK_COUNTOF(states); i++)
            known |= nk_str_is(f->FieldValue, states[i]);
        if (!known)
            return nk_fail(call->err, NK_E_INVALID,
                           "\"%.*s\" is no STATE of a crawl: RUNNING, COMPLETED, FAILED and "
                           "STOPPED are",
                           NK_STR_ARG(f->FieldValue));
        if (f->FilterOperator.n && !nk_str_is(f->FilterOperator, "EQ") &&
            !nk_str_is(f->FilterOperator, "NE"))
            return nk_fail(call->err, NK_E_INVALID, "%.*s can be compared by EQ and NE only",
                           NK_STR_ARG(f->FieldName));
        return NK_OK;
    }
    if (nk_str_f64(f->FieldValue, &v))
        return NK_OK;
    return nk_fail(call->err, NK_E_INVALID, "%.*s is compared with %s, not with \"%.*s\"",
                   NK_STR_ARG(f->FieldName),
                   nk_str_is(f->FieldName, "DPU_HOUR") ? "a number"
                                                       : "milliseconds since 1970 (UTC)",
                   NK_STR_ARG(f->FieldValue));
}

static bool history_row(void *arg, const nk_row *row)
{
    history_page *p = arg;
    void *h;
    nk_str body = nk_str_dup(p->call->arena, row->body);
    p->rc = nk_model_decode(&glue_CrawlerHistory_shape, body, p->call->arena, &h, p->call->err);
    if (p->rc != NK_OK)
        return false;
    for (size_t i = 0; i < p->filters->n; i++) {
        if (!passes(h, &p->filters->v[i]))
            return true;
    }
    if (p->rows.n == p->max) {
        p->more = true;
        return false;
    }
    glue_CrawlerHistory *slot = history_list_add(&p->rows, p->call->arena);
    if (!slot) {
        p->rc = nk_fail(p->call->err, NK_E_NOMEM, "Out of memory");
        return false;
    }
    *slot = *(glue_CrawlerHistory *)h;
    p->last_seq = row->cols[CRAWL_SEQ].i;
    return true;
}

nk_code glue_ListCrawls(nk_call *call, const glue_ListCrawlsRequest *in,
                        glue_ListCrawlsResponse *out)
{
    nk_crawler_row row;
    NK_TRY(nk_crawler_load(call->tx, call->region, in->CrawlerName, call->arena, &row, call->err));
    nk_str bind = in->CrawlerName, place;
    for (size_t i = 0; i < in->Filters.n; i++) {
        const glue_CrawlsFilter *f = &in->Filters.v[i];
        NK_TRY(check_filter(call, f));
        bind = nk_str_printf(call->arena, "%.*s\n%.*s %.*s %.*s", NK_STR_ARG(bind),
                             NK_STR_ARG(f->FieldName), NK_STR_ARG(f->FilterOperator),
                             NK_STR_ARG(f->FieldValue));
    }
    NK_TRY(nk_page_open(call, bind, in->NextToken, &place));
    nk_pos after = {.n = 3};
    int64_t seq = 0;
    if (place.p && !nk_str_i64(place, &seq))
        return nk_fail(call->err, NK_E_INVALID, "Invalid next token");
    after.v[0] = nk_vs(call->region);
    after.v[1] = nk_vs(in->CrawlerName);
    after.v[2] = nk_vi(seq);
    history_page p = {
        .call = call, .filters = &in->Filters, .max = (size_t)nk_i64_or(in->MaxResults, 20)};
    nk_query q = {.kind = &nk_kind_crawl,
                  .prefix = after.v,
                  .nprefix = 2,
                  .after = place.p ? &after : NULL,
                  .desc = true};
    NK_TRY(nk_store_scan(call->tx, &q, history_row, &p, call->err));
    NK_TRY(p.rc);
    out->Crawls.set = true;
    out->Crawls.v = p.rows.v;
    out->Crawls.n = p.rows.n;
    if (p.more)
        return nk_page_token(call, bind, nk_str_printf(call->arena, "%lld", (long long)p.last_seq),
                             &out->NextToken);
    return NK_OK;
}

/* ---- schedules ---- */

nk_code glue_UpdateCrawlerSchedule(nk_call *call, const glue_UpdateCrawlerScheduleRequest *in,
                                   glue_UpdateCrawlerScheduleResponse *out)
{
    nk_crawler_row row;
    NK_TRY(nk_crawler_load(call->tx, call->region, in->CrawlerName, call->arena, &row, call->err));
    NK_TRY(set_schedule(call, row.c, in->Schedule));
    NK_TRY(nk_crawl_check(row.c, call->arena, call->err));
    row.c->Version = nk_some_i64(nk_i64_or(row.c->Version, 1) + 1);
    row.c->LastUpdated = nk_some_time(nk_now_us(call->app->env));
    return change(call, &row, false);
}

static nk_code switch_schedule(nk_call *call, nk_str name, bool on)
{
    nk_crawler_row row;
    NK_TRY(nk_crawler_load(call->tx, call->region, name, call->arena, &row, call->err));
    glue_Schedule *s = row.c->Schedule;
    if (on && (!s || !s->ScheduleExpression.n))
        return nk_fail(call->err, NK_E_NO_SCHEDULE, "Crawler with name %.*s has no schedule",
                       NK_STR_ARG(name));
    bool is_on = s && nk_str_is(s->State, "SCHEDULED");
    if (on && is_on)
        return nk_fail(call->err, NK_E_SCHEDULER_RUNNING,
                       "The schedule of crawler %.*s is running already", NK_STR_ARG(name));
    if (!on && !is_on)
        return nk_fail(call->err, NK_E_SCHEDULER_NOT_RUNNING,
                       "The schedule of crawler %.*s is not running", NK_STR_ARG(name));
    s->State = on ? NK_STR("SCHEDULED") : NK_STR("NOT_SCHEDULED");
    return change(call, &row, false);
}

nk_code glue_StartCrawlerSchedule(nk_call *call, const glue_StartCrawlerScheduleRequest *in,
                                  glue_StartCrawlerScheduleResponse *out)
{
    return switch_schedule(call, in->CrawlerName, true);
}

nk_code glue_StopCrawlerSchedule(nk_call *call, const glue_StopCrawlerScheduleRequest *in,
                                 glue_StopCrawlerScheduleResponse *out)
{
    return switch_schedule(call, in->CrawlerName, false);
}
