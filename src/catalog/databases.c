/* CreateDatabase, GetDatabase, GetDatabases, UpdateDatabase, DeleteDatabase. */
#include "catalog/history_int.h"
#include "catalog/tags.h"

static nk_code check_input(const glue_DatabaseInput *in, nk_err *err)
{
    if (in->FederatedDatabase)
        return nk_fail(
            err, NK_E_INVALID,
            "FederatedDatabase is not supported: this server reaches no other catalogue.");
    if (in->TargetDatabase && !in->TargetDatabase->DatabaseName.p)
        return nk_fail(err, NK_E_INVALID, "TargetDatabase must have a DatabaseName.");
    return NK_OK;
}

nk_code nk_default_permissions(nk_arena *a, glue_PrincipalPermissions_list *out)
{
    out->v = NK_NEW(a, glue_PrincipalPermissions);
    glue_DataLakePrincipal *who = NK_NEW(a, glue_DataLakePrincipal);
    nk_str *all = NK_NEW(a, nk_str);
    if (!out->v || !who || !all)
        return NK_E_NOMEM;
    who->DataLakePrincipalIdentifier = NK_STR("IAM_ALLOWED_PRINCIPALS");
    *all = NK_STR("ALL");
    out->v->Principal = who;
    out->v->Permissions = (nk_list_str){.v = all, .n = 1, .set = true};
    out->n = 1;
    out->set = true;
    return NK_OK;
}

static nk_code encode(const nk_catalog_ctx *ctx, nk_str name, int64_t created,
                      const glue_DatabaseInput *in, nk_str *body, nk_err *err)
{
    glue_Database db = {
        .Name = name,
        .Description = in->Description,
        .LocationUri = in->LocationUri,
        .Parameters = in->Parameters,
        .CreateTime = nk_some_time(created),
        .CreateTableDefaultPermissions = in->CreateTableDefaultPermissions,
        .TargetDatabase = in->TargetDatabase,
        .CatalogId = nk_catalog_id(ctx),
    };
    if (!db.CreateTableDefaultPermissions.set &&
        nk_default_permissions(ctx->arena, &db.CreateTableDefaultPermissions) != NK_OK)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    return nk_model_encode_str(&glue_Database_shape, &db, ctx->arena, body, err);
}

static nk_code link_of(const nk_catalog_ctx *ctx, const glue_DatabaseInput *in, nk_str *out,
                       nk_err *err)
{
    const glue_DatabaseIdentifier *t = in->TargetDatabase;
    *out = NK_STR_NULL;
    if (!t)
        return NK_OK;
    nk_link l = {.catalog_id = t->CatalogId, .database = t->DatabaseName, .region = t->Region};
    *out = nk_link_pack(&l, ctx->arena);
    return out->p ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
}

nk_code nk_database_create(nk_tx *tx, const nk_catalog_ctx *ctx, const glue_DatabaseInput *in,
                           nk_err *err)
{
    nk_str name, body, target;
    int64_t id;
    NK_TRY(check_input(in, err));
    NK_TRY(nk_fold(ctx->arena, in->Name, &name, err));
    NK_TRY(encode(ctx, name, ctx->now_us, in, &body, err));
    NK_TRY(nk_store_next(tx, "glue.catalog", &id, err));
    NK_TRY(link_of(ctx, in, &target, err));
    nk_row row = {.cols = NK_KEY(nk_vs(ctx->region), nk_vs(name), nk_vi(id), nk_vs(target)),
                  .body = body};
    nk_code rc = nk_store_insert(tx, &nk_kind_database, &row, err);
    if (rc == NK_E_EXISTS)
        return nk_fail(err, rc, "Database already exists.");
    nk_hist h = {.kind = NK_HIST_DATABASE, .space = ctx->region, .object = name, .id = id};
    return rc == NK_OK ? nk_history_add(tx, ctx, &h, NULL, err) : rc;
}

nk_code glue_CreateDatabase(nk_call *call, const glue_CreateDatabaseRequest *in,
                            glue_CreateDatabaseResponse *out)
{
    nk_catalog_ctx ctx;
    nk_str resource;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    NK_TRY(nk_database_create(call->tx, &ctx, in->DatabaseInput, call->err));
    NK_TRY(nk_tags_resource(&ctx, "database", in->DatabaseInput->Name, &resource, call->err));
    return nk_tags_put(call->tx, call->region, resource, &in->Tags, call->arena, call->err);
}

nk_code nk_catalog_get_database(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database,
                                glue_Database **out, nk_err *err)
{
    nk_row row;
    NK_TRY(nk_database_row(tx, ctx, database, &row, err));
    return nk_model_decode(&glue_Database_shape, row.body, ctx->arena, (void **)out, err);
}

/* What is answered of a record: a link takes what it lacks from its target, if that is there. */
static nk_code document(nk_tx *tx, const nk_catalog_ctx *ctx, const nk_row *row, nk_str *json,
                        nk_err *err)
{
    nk_row far;
    nk_catalog_ctx there;
    glue_Database *link, *target;
    *json = row->body;
    if (row->cols[NK_DB_TARGET].kind == NK_V_NULL)
        return NK_OK;
    nk_link l = nk_link_unpack(row->cols[NK_DB_TARGET].s);
    nk_code rc = nk_link_ctx(tx, ctx, &l, &there, err);
    if (rc == NK_OK)
        rc = nk_database_row(tx, &there, l.database, &far, err);
    if (rc == NK_E_NOT_FOUND)
        return NK_OK;
    NK_TRY(rc);
    NK_TRY(nk_model_decode(&glue_Database_shape, row->body, ctx->arena, (void **)&link, err));
    NK_TRY(nk_model_decode(&glue_Database_shape, far.body, ctx->arena, (void **)&target, err));
    if (!link->Description.p)
        link->Description = target->Description;
    if (!link->LocationUri.p)
        link->LocationUri = target->LocationUri;
    if (!link->Parameters.set)
        link->Parameters = target->Parameters;
    return nk_model_encode_str(&glue_Database_shape, link, ctx->arena, json, err);
}

nk_code glue_GetDatabase(nk_call *call, const glue_GetDatabaseRequest *in,
                         glue_GetDatabaseResponse *out)
{
    nk_catalog_ctx ctx;
    nk_row row;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    NK_TRY(nk_database_row(call->tx, &ctx, in->Name, &row, call->err));
    out->Database = NK_NEW(call->arena, glue_Database);
    if (!out->Database)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    return document(call->tx, &ctx, &row, &out->Database->raw_, call->err);
}

/* The name alone, or with a link's target. */
static nk_code brief(nk_arena *a, bool targets, nk_str body, nk_str *json, nk_err *err)
{
    glue_Database *whole;
    NK_TRY(nk_model_decode(&glue_Database_shape, body, a, (void **)&whole, err));
    glue_Database some = {.Name = whole->Name,
                          .TargetDatabase = targets ? whole->TargetDatabase : NULL};
    return nk_model_encode_str(&glue_Database_shape, &some, a, json, err);
}

/* AttributesToGet: NAME must be among them. */
static nk_code attributes(const nk_list_str *a, bool *targets, nk_err *err)
{
    bool name = false;
    *targets = false;
    for (size_t i = 0; i < a->n; i++) {
        name = name || nk_str_is(a->v[i], "NAME");
        *targets = *targets || nk_str_is(a->v[i], "TARGET_DATABASE");
    }
    return name || !a->set ? NK_OK
                           : nk_fail(err, NK_E_INVALID, "AttributesToGet must include NAME.");
}

nk_code glue_GetDatabases(nk_call *call, const glue_GetDatabasesRequest *in,
                          glue_GetDatabasesResponse *out)
{
    nk_catalog_ctx ctx;
    bool targets;
    out->DatabaseList.set = true;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    NK_TRY(attributes(&in->AttributesToGet, &targets, call->err));
    nk_docs_page page = {
        .call = call,
        .query = {.kind = &nk_kind_database, .prefix = NK_KEY(nk_vs(ctx.region)), .nprefix = 1},
        .request = nk_str_printf(call->arena, "%.*s %.*s", NK_STR_ARG(ctx.region),
                                 NK_STR_ARG(in->ResourceShareType)),
        .token = in->NextToken,
        .max = (size_t)nk_i64_or(in->MaxResults, 100)};
    if (nk_str_is(in->ResourceShareType, "FOREIGN") ||
        nk_str_is(in->ResourceShareType, "FEDERATED")) { /* there are none */
        return nk_page_open(call, page.request, in->NextToken, &page.place);
    }
    NK_TRY(nk_docs_list(&page, &out->NextToken));
    for (size_t i = 0; i < page.rows.n; i++) {
        nk_row *row = &page.rows.v[i];
        if (in->AttributesToGet.set)
            NK_TRY(brief(call->arena, targets, row->body, &row->body, call->err));
        else
            NK_TRY(document(call->tx, &ctx, row, &row->body, call->err));
    }
    return nk_docs_fill(&page, sizeof(glue_Database), &out->DatabaseList);
}

nk_code glue_UpdateDatabase(nk_call *call, const glue_UpdateDatabaseRequest *in,
                            glue_UpdateDatabaseResponse *out)
{
    nk_catalog_ctx ctx;
    glue_Database *old;
    nk_row row;
    nk_str name, body, target;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    NK_TRY(check_input(in->DatabaseInput, call->err));
    NK_TRY(nk_database_row(call->tx, &ctx, in->Name, &row, call->err));
    NK_TRY(nk_fold(call->arena, in->DatabaseInput->Name, &name, call->err));
    if (!nk_str_eq(name, row.cols[NK_DB_NAME].s))
        return nk_fail(call->err, NK_E_INVALID, "The name of a database cannot be changed.");
    NK_TRY(nk_model_decode(&glue_Database_shape, row.body, call->arena, (void **)&old, call->err));
    glue_DatabaseInput merged = *in->DatabaseInput;
    if (!merged.CreateTableDefaultPermissions.set)
        merged.CreateTableDefaultPermissions = old->CreateTableDefaultPermissions;
    NK_TRY(encode(&ctx, name, old->CreateTime.us, &merged, &body, call->err));
    NK_TRY(link_of(&ctx, &merged, &target, call->err));
    nk_row new = {.cols = NK_KEY(row.cols[NK_DB_REGION], row.cols[NK_DB_NAME], row.cols[NK_DB_ID],
                                 nk_vs(target)),
                  .body = body};
    nk_hist h = {.kind = NK_HIST_DATABASE,
                 .op = NK_HIST_UPDATE,
                 .space = ctx.region,
                 .object = name,
                 .before = &row,
                 .nbefore = 1,
                 .id = row.cols[NK_DB_ID].i};
    NK_TRY(nk_history_add(call->tx, &ctx, &h, NULL, call->err));
    return nk_store_put(call->tx, &nk_kind_database, &new, call->err);
}

nk_code nk_database_drop(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str name, nk_err *err)
{
    nk_row row;
    bool kept;
    NK_TRY(nk_database_row(tx, ctx, name, &row, err));
    NK_TRY(nk_store_delete(tx, &nk_kind_database, row.cols, err));
    nk_hist h = {.kind = NK_HIST_DATABASE,
                 .op = NK_HIST_DELETE,
                 .space = ctx->region,
                 .object = row.cols[NK_DB_NAME].s,
                 .before = &row,
                 .nbefore = 1,
                 .id = row.cols[NK_DB_ID].i};
    NK_TRY(nk_history_add(tx, ctx, &h, &kept, err));
    /* While the history holds it, what stands below stays where it is. */
    return kept ? NK_OK : nk_task_add(tx, h.id, NK_TASK_PURGE_DATABASE, 0, err);
}

nk_code glue_DeleteDatabase(nk_call *call, const glue_DeleteDatabaseRequest *in,
                            glue_DeleteDatabaseResponse *out)
{
    nk_catalog_ctx ctx;
    nk_str resource;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    NK_TRY(nk_tags_resource(&ctx, "database", in->Name, &resource, call->err));
    NK_TRY(nk_tags_forget(call, resource)); /* first: undoing goes from the last change on */
    return nk_database_drop(call->tx, &ctx, in->Name, call->err);
}
