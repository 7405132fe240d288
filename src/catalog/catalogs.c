/* CreateCatalog, GetCatalog, GetCatalogs, UpdateCatalog, DeleteCatalog. The account's own catalogue
 * is always there and has no record; each other one is a space of names of its own ("catalog/N"),
 * in which databases live as in the account's. */
#include "catalog/docs_int.h"
#include "catalog/tags.h"

static const nk_col catalog_cols[] = {
    {"region", NK_COL_TEXT}, {"name", NK_COL_TEXT}, {"id", NK_COL_I64}};
const nk_kind nk_kind_catalog = {.name = "glue_catalog",
                                 .version = 1,
                                 .nkey = 2,
                                 .cols = catalog_cols,
                                 .ncols = NK_COUNTOF(catalog_cols)};
static const nk_doc_type type = {&nk_kind_catalog, &glue_Catalog_shape, "Catalog"};

/* Work that a catalog would have done on its tables is asked for table by table here. */
static nk_code check_properties(const glue_CatalogProperties *p, nk_err *err)
{
    if (p && p->IcebergOptimizationProperties) {
        (void)nk_fail(
            err, NK_E_INVALID,
            "IcebergOptimizationProperties is not supported: optimizers are made for each "
            "table.");
        (void)nk_hint(err, "CreateTableOptimizer makes one.");
        return NK_E_INVALID;
    }
    for (size_t i = 0; p && i < p->CustomProperties.n; i++)
        if (nk_str_starts(p->CustomProperties.v[i].key, NK_STR("ColumnStatistics."))) {
            (void)nk_fail(err, NK_E_INVALID,
                          "The property %.*s is not supported: column statistics are scheduled for "
                          "each table.",
                          NK_STR_ARG(p->CustomProperties.v[i].key));
            (void)nk_hint(err, "CreateColumnStatisticsTaskSettings schedules them.");
            return NK_E_INVALID;
        }
    return NK_OK;
}

static nk_code check_input(const glue_CatalogInput *in, nk_err *err)
{
    if (in->FederatedCatalog)
        return nk_fail(
            err, NK_E_INVALID,
            "FederatedCatalog is not supported: this server reaches no other catalogue.");
    if (in->TargetRedshiftCatalog)
        return nk_fail(err, NK_E_INVALID,
                       "TargetRedshiftCatalog is not supported: there is no Redshift here.");
    return check_properties(in->CatalogProperties, err);
}

static nk_code properties(nk_arena *a, const glue_CatalogProperties *in,
                          glue_CatalogPropertiesOutput **out)
{
    if (!in)
        return NK_OK;
    *out = NK_NEW(a, glue_CatalogPropertiesOutput);
    if (!*out)
        return NK_E_NOMEM;
    (*out)->CustomProperties = in->CustomProperties;
    if (in->DataLakeAccessProperties) {
        const glue_DataLakeAccessProperties *d = in->DataLakeAccessProperties;
        glue_DataLakeAccessPropertiesOutput *o = NK_NEW(a, glue_DataLakeAccessPropertiesOutput);
        if (!o)
            return NK_E_NOMEM;
        o->DataLakeAccess = d->DataLakeAccess;
        o->DataTransferRole = d->DataTransferRole;
        o->KmsKey = d->KmsKey;
        o->CatalogType = d->CatalogType;
        (*out)->DataLakeAccessProperties = o;
    }
    return NK_OK;
}

static nk_code save(nk_call *call, const nk_catalog_ctx *ctx, nk_str name, int64_t id,
                    int64_t created_us, const glue_CatalogInput *in, bool insert)
{
    nk_arena *a = call->arena;
    glue_Catalog c = {
        .CatalogId = nk_str_printf(a, "%.*s:%.*s", NK_STR_ARG(call->account_id), NK_STR_ARG(name)),
        .Name = name,
        .ResourceArn =
            nk_str_printf(a, "arn:aws:glue:%.*s:%.*s:catalog/%.*s", NK_STR_ARG(call->region),
                          NK_STR_ARG(call->account_id), NK_STR_ARG(name)),
        .Description = in->Description,
        .Parameters = in->Parameters,
        .CreateTime = nk_some_time(created_us),
        .UpdateTime = nk_some_time(ctx->now_us),
        .CreateTableDefaultPermissions = in->CreateTableDefaultPermissions,
        .CreateDatabaseDefaultPermissions = in->CreateDatabaseDefaultPermissions,
        .AllowFullTableExternalDataAccess = in->AllowFullTableExternalDataAccess,
    };
    nk_code rc = properties(a, in->CatalogProperties, &c.CatalogProperties);
    if (rc == NK_OK && !c.CreateTableDefaultPermissions.set)
        rc = nk_default_permissions(a, &c.CreateTableDefaultPermissions);
    if (rc == NK_OK && !c.CreateDatabaseDefaultPermissions.set)
        rc = nk_default_permissions(a, &c.CreateDatabaseDefaultPermissions);
    if (rc != NK_OK || !c.CatalogId.p || !c.ResourceArn.p)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    return nk_doc_save(call->tx, &type, NK_KEY(nk_vs(call->region), nk_vs(name), nk_vi(id)), name,
                       &c, insert, a, call->err);
}

nk_code glue_CreateCatalog(nk_call *call, const glue_CreateCatalogRequest *in,
                           glue_CreateCatalogResponse *out)
{
    nk_catalog_ctx ctx = nk_catalog_ctx_of(call);
    nk_str name, resource;
    int64_t id;
    NK_TRY(check_input(in->CatalogInput, call->err));
    NK_TRY(nk_fold(call->arena, in->Name, &name, call->err));
    if (nk_str_eq(name, call->account_id) || nk_str_chr(name, ':') >= 0)
        return nk_fail(call->err, NK_E_INVALID, "'%.*s' is no name for a catalog.",
                       NK_STR_ARG(in->Name));
    NK_TRY(nk_store_next(call->tx, "glue.catalog", &id, call->err));
    NK_TRY(save(call, &ctx, name, id, ctx.now_us, in->CatalogInput, true));
    NK_TRY(nk_tags_resource(&ctx, "catalog", name, &resource, call->err));
    return nk_tags_put(call->tx, call->region, resource, &in->Tags, call->arena, call->err);
}

static nk_code root(nk_call *call, glue_Catalog *c)
{
    *c = (glue_Catalog){.CatalogId = call->account_id, .Name = call->account_id};
    c->ResourceArn = nk_str_printf(call->arena, "arn:aws:glue:%.*s:%.*s:catalog",
                                   NK_STR_ARG(call->region), NK_STR_ARG(call->account_id));
    if (!c->ResourceArn.p ||
        nk_default_permissions(call->arena, &c->CreateTableDefaultPermissions) != NK_OK ||
        nk_default_permissions(call->arena, &c->CreateDatabaseDefaultPermissions) != NK_OK)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    return NK_OK;
}

static nk_code load(nk_call *call, nk_str id, glue_Catalog **value, nk_row *row)
{
    nk_catalog_ctx ctx;
    NK_TRY(nk_catalog_open(call, id, &ctx));
    if (!ctx.catalog_id.p)
        return nk_fail(call->err, NK_E_INVALID, "The account's own catalog cannot be changed.");
    nk_str name = nk_str_sub(ctx.catalog_id, call->account_id.n + 1, ctx.catalog_id.n);
    return nk_doc_load(call->tx, &type, NK_KEY(nk_vs(call->region), nk_vs(name)), name, call->arena,
                       (void **)value, row, call->err);
}

nk_code glue_GetCatalog(nk_call *call, const glue_GetCatalogRequest *in,
                        glue_GetCatalogResponse *out)
{
    nk_row row;
    out->Catalog = NK_NEW(call->arena, glue_Catalog);
    if (!out->Catalog)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    if (nk_str_eq(in->CatalogId, call->account_id))
        return root(call, out->Catalog);
    NK_TRY(load(call, in->CatalogId, NULL, &row));
    out->Catalog->raw_ = row.body;
    return NK_OK;
}

nk_code glue_GetCatalogs(nk_call *call, const glue_GetCatalogsRequest *in,
                         glue_GetCatalogsResponse *out)
{
    nk_catalog_ctx ctx;
    glue_Catalog_list list;
    bool with_root = nk_bool_or(in->IncludeRoot, false);
    NK_TRY(nk_catalog_open(call, in->ParentCatalogId, &ctx));
    nk_docs_page page = {
        .call = call,
        .query = {.kind = &nk_kind_catalog, .prefix = NK_KEY(nk_vs(ctx.region)), .nprefix = 1},
        .request = nk_str_printf(call->arena, "%.*s %d", NK_STR_ARG(ctx.region), with_root),
        .token = in->NextToken,
        .max = (size_t)nk_i64_or(in->MaxResults, 100)};
    NK_TRY(nk_docs_list(&page, &out->NextToken));
    NK_TRY(nk_docs_fill(&page, sizeof(glue_Catalog), &list));
    if (with_root && !ctx.catalog_id.p && !page.place.p) {
        glue_Catalog *v = NK_NEWN(call->arena, glue_Catalog, list.n + 1);
        if (!v)
            return nk_fail(call->err, NK_E_NOMEM, "out of memory");
        memcpy(v + 1, list.v, list.n * sizeof(*v));
        NK_TRY(root(call, v));
        list.v = v;
        list.n++;
    }
    out->CatalogList = list;
    return NK_OK;
}

nk_code glue_UpdateCatalog(nk_call *call, const glue_UpdateCatalogRequest *in,
                           glue_UpdateCatalogResponse *out)
{
    nk_catalog_ctx ctx = nk_catalog_ctx_of(call);
    glue_Catalog *old;
    nk_row row;
    NK_TRY(check_input(in->CatalogInput, call->err));
    NK_TRY(load(call, in->CatalogId, &old, &row));
    glue_CatalogInput merged = *in->CatalogInput;
    if (!merged.CreateTableDefaultPermissions.set)
        merged.CreateTableDefaultPermissions = old->CreateTableDefaultPermissions;
    if (!merged.CreateDatabaseDefaultPermissions.set)
        merged.CreateDatabaseDefaultPermissions = old->CreateDatabaseDefaultPermissions;
    return save(call, &ctx, row.cols[NK_CAT_NAME].s, row.cols[NK_CAT_ID].i, old->CreateTime.us,
                &merged, false);
}

nk_code glue_DeleteCatalog(nk_call *call, const glue_DeleteCatalogRequest *in,
                           glue_DeleteCatalogResponse *out)
{
    nk_catalog_ctx ctx = nk_catalog_ctx_of(call);
    nk_row row;
    nk_str resource;
    NK_TRY(load(call, in->CatalogId, NULL, &row));
    NK_TRY(nk_store_delete(call->tx, &nk_kind_catalog, row.cols, call->err));
    NK_TRY(nk_tags_resource(&ctx, "catalog", row.cols[NK_CAT_NAME].s, &resource, call->err));
    NK_TRY(nk_tags_drop(call->tx, call->region, resource, call->err));
    return nk_task_add(call->tx, row.cols[NK_CAT_ID].i, NK_TASK_PURGE_CATALOG, 0, call->err);
}
