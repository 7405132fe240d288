/* CreateDatabase, GetDatabase, GetDatabases, UpdateDatabase, DeleteDatabase. */
#include "catalog/catalog_int.h"

static nk_code check_input(const glue_DatabaseInput *in, nk_err *err)
{
    if (in->FederatedDatabase)
        return nk_fail(err, NK_E_INVALID, "FederatedDatabase is not supported.");
    return NK_OK;
}

/* What AWS gives a database that asks for nothing else. */
static nk_code default_permissions(nk_arena *a, glue_PrincipalPermissions_list *out)
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
        .CatalogId = ctx->account_id,
    };
    if (!db.CreateTableDefaultPermissions.set &&
        default_permissions(ctx->arena, &db.CreateTableDefaultPermissions) != NK_OK)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    return nk_model_encode_str(&glue_Database_shape, &db, ctx->arena, body, err);
}

nk_code nk_database_create(nk_tx *tx, const nk_catalog_ctx *ctx, const glue_DatabaseInput *in,
                           nk_err *err)
{
    nk_str name, body;
    int64_t id;
    NK_TRY(check_input(in, err));
    NK_TRY(nk_fold(ctx->arena, in->Name, &name, err));
    NK_TRY(encode(ctx, name, ctx->now_us, in, &body, err));
    NK_TRY(nk_store_next(tx, "glue.catalog", &id, err));
    nk_row row = {.cols = NK_KEY(nk_vs(ctx->region), nk_vs(name), nk_vi(id)), .body = body};
    nk_code rc = nk_store_insert(tx, &nk_kind_database, &row, err);
    return rc == NK_E_EXISTS ? nk_fail(err, rc, "Database already exists.") : rc;
}

nk_code glue_CreateDatabase(nk_call *call, const glue_CreateDatabaseRequest *in,
                            glue_CreateDatabaseResponse *out)
{
    nk_catalog_ctx ctx = nk_catalog_ctx_of(call);
    nk_code rc = nk_catalog_check_id(call, in->CatalogId);
    if (rc != NK_OK) /* the model gives this operation no EntityNotFoundException */
        return nk_fail(call->err, NK_E_INVALID, "Catalog %.*s not found.",
                       NK_STR_ARG(in->CatalogId));
    if (in->Tags.n)
        return nk_fail(call->err, NK_E_UNSUPPORTED, "CreateDatabase: Tags are not supported yet.");
    return nk_database_create(call->tx, &ctx, in->DatabaseInput, call->err);
}

static nk_code load(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str name, nk_row *row, nk_err *err)
{
    nk_str folded;
    NK_TRY(nk_fold(ctx->arena, name, &folded, err));
    nk_code rc = nk_store_get(tx, &nk_kind_database, NK_KEY(nk_vs(ctx->region), nk_vs(folded)),
                              ctx->arena, row, err);
    return rc == NK_E_NOT_FOUND ? nk_fail_database(err, name) : rc;
}

nk_code nk_catalog_get_database(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database,
                                glue_Database **out, nk_err *err)
{
    nk_row row;
    NK_TRY(load(tx, ctx, database, &row, err));
    return nk_model_decode(&glue_Database_shape, row.body, ctx->arena, (void **)out, err);
}

nk_code glue_GetDatabase(nk_call *call, const glue_GetDatabaseRequest *in,
                         glue_GetDatabaseResponse *out)
{
    nk_catalog_ctx ctx = nk_catalog_ctx_of(call);
    nk_row row;
    NK_TRY(nk_catalog_check_id(call, in->CatalogId));
    NK_TRY(load(call->tx, &ctx, in->Name, &row, call->err));
    out->Database = NK_NEW(call->arena, glue_Database);
    if (!out->Database)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    out->Database->raw_ = row.body;
    return NK_OK;
}

NK_LIST(database_list, glue_Database);

typedef struct lister {
    nk_call *call;
    const nk_query *q;
    size_t max;
    bool names_only, more;
    nk_pos last;
    database_list list;
    nk_code rc;
} lister;

static bool collect(void *arg, const nk_row *row)
{
    lister *l = arg;
    if (l->list.n == l->max) {
        l->more = true;
        return false;
    }
    glue_Database *db = database_list_add(&l->list, l->call->arena);
    nk_str text = nk_str_dup(l->call->arena, l->names_only ? row->cols[NK_DB_NAME].s : row->body);
    if (!db || !text.p || nk_store_pos(l->q, row, l->call->arena, &l->last) != NK_OK) {
        l->rc = nk_fail(l->call->err, NK_E_NOMEM, "out of memory");
        return false;
    }
    if (l->names_only)
        db->Name = text;
    else
        db->raw_ = text;
    return true;
}

/* AttributesToGet: NAME must be among them; NAME alone gives names only. */
static nk_code attributes(const nk_list_str *a, bool *names_only, nk_err *err)
{
    bool name = false;
    *names_only = false;
    if (!a->set)
        return NK_OK;
    for (size_t i = 0; i < a->n; i++)
        name = name || nk_str_is(a->v[i], "NAME");
    if (!name)
        return nk_fail(err, NK_E_INVALID, "AttributesToGet must include NAME.");
    *names_only = a->n == 1;
    return NK_OK;
}

nk_code glue_GetDatabases(nk_call *call, const glue_GetDatabasesRequest *in,
                          glue_GetDatabasesResponse *out)
{
    nk_str place;
    nk_pos after;
    nk_query q = {.kind = &nk_kind_database, .prefix = NK_KEY(nk_vs(call->region)), .nprefix = 1};
    lister l = {.call = call, .q = &q, .max = (size_t)nk_i64_or(in->MaxResults, 100)};
    out->DatabaseList.set = true;
    NK_TRY(nk_catalog_check_id(call, in->CatalogId));
    NK_TRY(attributes(&in->AttributesToGet, &l.names_only, call->err));
    NK_TRY(nk_page_open(call, in->ResourceShareType, in->NextToken, &place));
    if (nk_str_is(in->ResourceShareType, "FOREIGN") ||
        nk_str_is(in->ResourceShareType, "FEDERATED"))
        return NK_OK; /* there are none */
    if (place.p) {
        if (nk_store_pos_unpack(&q, place, call->arena, &after) != NK_OK)
            return nk_fail(call->err, NK_E_INVALID, "Invalid NextToken.");
        q.after = &after;
    }
    q.limit = l.max + 1;
    NK_TRY(nk_store_scan(call->tx, &q, collect, &l, call->err));
    NK_TRY(l.rc);
    out->DatabaseList = (glue_Database_list){.v = l.list.v, .n = l.list.n, .set = true};
    if (!l.more)
        return NK_OK;
    nk_buf b;
    nk_buf_init(&b, 65536);
    nk_code rc = nk_store_pos_pack(&l.last, &b);
    if (rc == NK_OK)
        rc = nk_page_token(call, in->ResourceShareType, nk_buf_view(&b), &out->NextToken);
    nk_buf_free(&b);
    return rc;
}

nk_code glue_UpdateDatabase(nk_call *call, const glue_UpdateDatabaseRequest *in,
                            glue_UpdateDatabaseResponse *out)
{
    nk_catalog_ctx ctx = nk_catalog_ctx_of(call);
    glue_Database *old;
    nk_row row;
    nk_str name, body;
    NK_TRY(nk_catalog_check_id(call, in->CatalogId));
    NK_TRY(check_input(in->DatabaseInput, call->err));
    NK_TRY(load(call->tx, &ctx, in->Name, &row, call->err));
    NK_TRY(nk_fold(call->arena, in->DatabaseInput->Name, &name, call->err));
    if (!nk_str_eq(name, row.cols[NK_DB_NAME].s))
        return nk_fail(call->err, NK_E_INVALID, "The name of a database cannot be changed.");
    NK_TRY(nk_model_decode(&glue_Database_shape, row.body, call->arena, (void **)&old, call->err));
    glue_DatabaseInput merged = *in->DatabaseInput;
    if (!merged.CreateTableDefaultPermissions.set)
        merged.CreateTableDefaultPermissions = old->CreateTableDefaultPermissions;
    NK_TRY(encode(&ctx, name, old->CreateTime.us, &merged, &body, call->err));
    row.body = body;
    return nk_store_put(call->tx, &nk_kind_database, &row, call->err);
}

nk_code glue_DeleteDatabase(nk_call *call, const glue_DeleteDatabaseRequest *in,
                            glue_DeleteDatabaseResponse *out)
{
    nk_catalog_ctx ctx = nk_catalog_ctx_of(call);
    nk_row row;
    NK_TRY(nk_catalog_check_id(call, in->CatalogId));
    NK_TRY(load(call->tx, &ctx, in->Name, &row, call->err));
    NK_TRY(nk_store_delete(call->tx, &nk_kind_database, row.cols, call->err));
    return nk_task_add(call->tx, row.cols[NK_DB_ID].i, NK_TASK_PURGE_DATABASE, 0, call->err);
}
