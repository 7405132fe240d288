/* CreateCatalog, GetCatalog, GetCatalogs, UpdateCatalog, DeleteCatalog. The account's own catalogue
 * is always there and has a record once it has been changed; each other one is a space of names of
 * its own ("catalog/N"), in which databases live as in the account's. */
#include "catalog/history_int.h"
#include "catalog/properties_int.h"
#include "catalog/tags.h"

static const nk_col catalog_cols[] = {
    {"region", NK_COL_TEXT}, {"name", NK_COL_TEXT}, {"id", NK_COL_I64}};
const nk_kind nk_kind_catalog = {.name = "glue_catalog",
                                 .version = 1,
                                 .nkey = 2,
                                 .cols = catalog_cols,
                                 .ncols = NK_COUNTOF(catalog_cols)};
static const nk_doc_type type = {&nk_kind_catalog, &glue_Catalog_shape, "Catalog"};

static nk_code check_input(const glue_CatalogInput *in, nk_err *err)
{
    if (in->FederatedCatalog)
        return nk_fail(
            err, NK_E_INVALID,
            "FederatedCatalog is not supported: this server reaches no other catalogue.");
    if (in->TargetRedshiftCatalog)
        return nk_fail(err, NK_E_INVALID,
                       "TargetRedshiftCatalog is not supported: there is no Redshift here.");
    return NK_OK;
}

static nk_hist hist_of(const nk_catalog_ctx *ctx, nk_hist_op op, nk_str name, int64_t id)
{
    return (nk_hist){.kind = NK_HIST_CATALOG,
                     .op = op,
                     .space = ctx->region,
                     .object = nk_str_printf(ctx->arena, "catalog %.*s",
                                             NK_STR_ARG(name.n ? name : ctx->account_id)),
                     .id = id};
}

/* old: the record that is replaced; NULL: a new one. */
static nk_code save(nk_call *call, const nk_catalog_ctx *ctx, nk_str name, int64_t id,
                    int64_t created_us, const glue_CatalogInput *in, const nk_row *old)
{
    bool insert = !old;
    nk_arena *a = call->arena;
    const char *sep = name.n ? "/" : "";
    glue_Catalog c = {
        .CatalogId =
            name.n ? nk_str_printf(a, "%.*s:%.*s", NK_STR_ARG(call->account_id), NK_STR_ARG(name))
                   : call->account_id,
        .Name = name.n ? name : call->account_id,
        .ResourceArn =
            nk_str_printf(a, "arn:aws:glue:%.*s:%.*s:catalog%s%.*s", NK_STR_ARG(call->region),
                          NK_STR_ARG(call->account_id), sep, NK_STR_ARG(name)),
        .Description = in->Description,
        .Parameters = in->Parameters,
        .CreateTime = nk_some_time(created_us),
        .UpdateTime = nk_some_time(ctx->now_us),
        .CreateTableDefaultPermissions = in->CreateTableDefaultPermissions,
        .CreateDatabaseDefaultPermissions = in->CreateDatabaseDefaultPermissions,
        .AllowFullTableExternalDataAccess = in->AllowFullTableExternalDataAccess,
    };
    NK_TRY(nk_catalog_properties_make(in->CatalogProperties, !name.n, ctx->now_us, a,
                                      &c.CatalogProperties, call->err));
    nk_code rc = NK_OK;
    if (!c.CreateTableDefaultPermissions.set)
        rc = nk_default_permissions(a, &c.CreateTableDefaultPermissions);
    if (rc == NK_OK && !c.CreateDatabaseDefaultPermissions.set)
        rc = nk_default_permissions(a, &c.CreateDatabaseDefaultPermissions);
    if (rc != NK_OK || !c.CatalogId.p || !c.ResourceArn.p)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    nk_catalog_ctx home = nk_catalog_ctx_of(call);
    nk_hist h = hist_of(&home, insert ? NK_HIST_CREATE : NK_HIST_UPDATE, name, id);
    h.before = old;
    h.nbefore = old != NULL;
    h.keys = NK_KEY(nk_vs(call->region), nk_vs(name));
    h.nkeys = old ? 0 : nk_kind_catalog.nkey;
    NK_TRY(nk_doc_save(call->tx, &type, NK_KEY(nk_vs(call->region), nk_vs(name), nk_vi(id)), name,
                       &c, insert, a, call->err));
    return nk_history_add(call->tx, &home, &h, NULL, call->err);
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
    NK_TRY(save(call, &ctx, name, id, ctx.now_us, in->CatalogInput, NULL));
    NK_TRY(nk_tags_resource(&ctx, "catalog", name, &resource, call->err));
    return nk_tags_put(call->tx, call->region, resource, &in->Tags, call->arena, call->err);
}

static nk_code root(nk_call *call, glue_Catalog *c)
{
    nk_row row;
    nk_code rc =
        nk_store_get(call->tx, &nk_kind_catalog, NK_KEY(nk_vs(call->region), nk_vs(NK_CAT_ROOT)),
                     call->arena, &row, call->err);
    if (rc == NK_OK)
        c->raw_ = row.body;
    if (rc != NK_E_NOT_FOUND)
        return rc;
    *c = (glue_Catalog){.CatalogId = call->account_id, .Name = call->account_id};
    c->ResourceArn = nk_str_printf(call->arena, "arn:aws:glue:%.*s:%.*s:catalog",
                                   NK_STR_ARG(call->region), NK_STR_ARG(call->account_id));
    if (!c->ResourceArn.p ||
        nk_default_permissions(call->arena, &c->CreateTableDefaultPermissions) != NK_OK ||
        nk_default_permissions(call->arena, &c->CreateDatabaseDefaultPermissions) != NK_OK)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    return NK_OK;
}

/* name: NK_CAT_ROOT for the account's own. */
static nk_code load(nk_call *call, nk_str id, nk_catalog_ctx *ctx, nk_str *name,
                    glue_Catalog **value, nk_row *row)
{
    NK_TRY(nk_catalog_open(call, id, ctx));
    *name = NK_CAT_ROOT;
    if (ctx->catalog_id.p)
        *name = nk_str_sub(ctx->catalog_id, call->account_id.n + 1, ctx->catalog_id.n);
    return nk_doc_load(call->tx, &type, NK_KEY(nk_vs(call->region), nk_vs(*name)), *name,
                       call->arena, (void **)value, row, call->err);
}

nk_code glue_GetCatalog(nk_call *call, const glue_GetCatalogRequest *in,
                        glue_GetCatalogResponse *out)
{
    nk_row row;
    nk_str name;
    nk_catalog_ctx ctx;
    out->Catalog = NK_NEW(call->arena, glue_Catalog);
    if (!out->Catalog)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    if (nk_str_eq(in->CatalogId, call->account_id))
        return root(call, out->Catalog);
    NK_TRY(load(call, in->CatalogId, &ctx, &name, NULL, &row));
    out->Catalog->raw_ = row.body;
    return NK_OK;
}

static bool no_root(void *arg, const nk_row *row)
{
    return row->cols[NK_CAT_NAME].s.n > 0;
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
        .max = (size_t)nk_i64_or(in->MaxResults, 100),
        .want = no_root};
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
    nk_catalog_ctx ctx;
    glue_Catalog *old;
    nk_str name;
    nk_row row;
    NK_TRY(check_input(in->CatalogInput, call->err));
    nk_code rc = load(call, in->CatalogId, &ctx, &name, &old, &row);
    bool first =
        rc == NK_E_NOT_FOUND && !ctx.catalog_id.p && nk_str_eq(in->CatalogId, call->account_id);
    if (rc != NK_OK && !first)
        return rc;
    glue_CatalogInput merged = *in->CatalogInput;
    if (!merged.CreateTableDefaultPermissions.set && !first)
        merged.CreateTableDefaultPermissions = old->CreateTableDefaultPermissions;
    if (!merged.CreateDatabaseDefaultPermissions.set && !first)
        merged.CreateDatabaseDefaultPermissions = old->CreateDatabaseDefaultPermissions;
    NK_TRY(save(call, &ctx, name, first ? 0 : row.cols[NK_CAT_ID].i,
                first ? ctx.now_us : old->CreateTime.us, &merged, first ? NULL : &row));
    return nk_catalog_properties_changed(call->tx, &ctx, call->err);
}

nk_code nk_catalog_changed(nk_call *call, nk_str name)
{
    nk_catalog_ctx ctx;
    NK_TRY(nk_catalog_open(call, name.n ? name : NK_STR_NULL, &ctx));
    return nk_catalog_properties_changed(call->tx, &ctx, call->err);
}

nk_code nk_catalog_drop(nk_call *call, const nk_catalog_ctx *ctx, const nk_row *row)
{
    nk_str resource, name = row->cols[NK_CAT_NAME].s;
    nk_hist h = hist_of(ctx, NK_HIST_DELETE, name, row->cols[NK_CAT_ID].i);
    bool kept;
    h.before = row;
    h.nbefore = 1;
    NK_TRY(nk_store_delete(call->tx, &nk_kind_catalog, row->cols, call->err));
    if (!name.n) { /* an undoing of the first change of the account's own */
        NK_TRY(nk_history_add(call->tx, ctx, &h, &kept, call->err));
        return nk_catalog_changed(call, name);
    }
    NK_TRY(nk_tags_resource(ctx, "catalog", name, &resource, call->err));
    NK_TRY(nk_tags_forget(call, resource));
    NK_TRY(nk_history_add(call->tx, ctx, &h, &kept, call->err));
    /* While the history holds it, its databases stay where they are. */
    return kept ? NK_OK : nk_task_add(call->tx, h.id, NK_TASK_PURGE_CATALOG, 0, call->err);
}

nk_code glue_DeleteCatalog(nk_call *call, const glue_DeleteCatalogRequest *in,
                           glue_DeleteCatalogResponse *out)
{
    nk_catalog_ctx ctx;
    nk_row row;
    nk_str name;
    if (nk_str_eq(in->CatalogId, call->account_id))
        return nk_fail(call->err, NK_E_INVALID, "The account's own catalog cannot be deleted.");
    NK_TRY(load(call, in->CatalogId, &ctx, &name, NULL, &row));
    ctx = nk_catalog_ctx_of(call);
    return nk_catalog_drop(call, &ctx, &row);
}
