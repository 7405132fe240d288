/* CreateRegistry, GetRegistry, ListRegistries, UpdateRegistry, DeleteRegistry, and tags of the
 * registry's resources. */
#include "registry/registry_int.h"

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

static nk_code decode_item(const nk_reg_ctx *ctx, const nk_registry_row *r,
                           glue_RegistryListItem **out, nk_err *err)
{
    NK_TRY(nk_model_decode(&glue_RegistryListItem_shape, r->body, ctx->arena, (void **)out, err));
    (*out)->Status = r->deleting ? NK_STR("DELETING") : NK_STR("AVAILABLE");
    return NK_OK;
}

nk_code glue_CreateRegistry(nk_call *call, const glue_CreateRegistryInput *in,
                            glue_CreateRegistryResponse *out)
{
    nk_reg_ctx ctx = nk_reg_ctx_of(call);
    nk_registry_row r;

    NK_TRY(nk_registry_create(call->tx, &ctx, in->RegistryName, in->Description, &in->Tags, &r,
                              call->err));
    NK_TRY(nk_registry_arn(&ctx, in->RegistryName, &out->RegistryArn, call->err));
    out->RegistryName = in->RegistryName;
    out->Description = in->Description;
    out->Tags = in->Tags;
    return NK_OK;
}

static nk_code load(nk_call *call, const nk_reg_ctx *ctx, const glue_RegistryId *id,
                    nk_registry_row *out)
{
    nk_str name;
    NK_TRY(nk_registry_name_of(ctx, id, &name, call->err));
    return nk_registry_load(call->tx, ctx, name, out, call->err);
}

nk_code glue_GetRegistry(nk_call *call, const glue_GetRegistryInput *in,
                         glue_GetRegistryResponse *out)
{
    nk_reg_ctx ctx = nk_reg_ctx_of(call);
    nk_registry_row r;
    glue_RegistryListItem *item;
    NK_TRY(load(call, &ctx, in->RegistryId, &r));
    NK_TRY(decode_item(&ctx, &r, &item, call->err));
    out->RegistryName = item->RegistryName;
    out->RegistryArn = item->RegistryArn;
    out->Description = item->Description;
    out->Status = item->Status;
    out->CreatedTime = item->CreatedTime;
    out->UpdatedTime = item->UpdatedTime;
    return NK_OK;
}

NK_LIST(name_list, nk_str);

typedef struct lister {
    nk_arena *arena;
    size_t max;
    bool more, failed;
    name_list names;
} lister;

static bool take_name(void *arg, const nk_row *row)
{
    lister *l = arg;
    if (row->cols[NK_REG_DELETING].kind == NK_V_I64)
        return true;
    if (l->names.n == l->max) {
        l->more = true;
        return false;
    }
    nk_str *name = name_list_add(&l->names, l->arena);
    if (name)
        *name = nk_str_dup(l->arena, row->cols[NK_REG_NAME].s);
    l->failed = !name || !name->p;
    return !l->failed;
}

nk_code glue_ListRegistries(nk_call *call, const glue_ListRegistriesInput *in,
                            glue_ListRegistriesResponse *out)
{
    nk_reg_ctx ctx = nk_reg_ctx_of(call);
    lister l = {.arena = call->arena, .max = (size_t)nk_i64_or(in->MaxResults, 25)};
    nk_str place;
    nk_pos after = {.n = 2};
    nk_query q = {.kind = &nk_kind_registry,
                  .prefix = NK_KEY(nk_vs(call->region)),
                  .nprefix = 1,
                  .no_body = true};
    NK_TRY(nk_page_open(call, NK_STR(""), in->NextToken, &place));
    if (place.p) {
        after.v[0] = nk_vs(call->region);
        after.v[1] = nk_vs(place);
        q.after = &after;
    }
    NK_TRY(nk_store_scan(call->tx, &q, take_name, &l, call->err));
    out->Registries.set = true;
    out->Registries.v = NK_NEWN(call->arena, glue_RegistryListItem, l.names.n);
    if (l.failed || !out->Registries.v)
        return nomem(call->err);
    for (size_t i = 0; i < l.names.n; i++) {
        nk_registry_row r;
        glue_RegistryListItem *item;
        NK_TRY(nk_registry_load(call->tx, &ctx, l.names.v[i], &r, call->err));
        NK_TRY(decode_item(&ctx, &r, &item, call->err));
        out->Registries.v[out->Registries.n++] = *item;
    }
    return l.more ? nk_page_token(call, NK_STR(""), l.names.v[l.names.n - 1], &out->NextToken)
                  : NK_OK;
}

static nk_code refuse_deleting(const nk_registry_row *r, nk_err *err)
{
    if (!r->deleting)
        return NK_OK;
    return nk_fail(err, NK_E_NOT_FOUND, "Registry is not found. RegistryName: %.*s",
                   NK_STR_ARG(r->name));
}

nk_code glue_UpdateRegistry(nk_call *call, const glue_UpdateRegistryInput *in,
                            glue_UpdateRegistryResponse *out)
{
    nk_reg_ctx ctx = nk_reg_ctx_of(call);
    nk_registry_row r;
    glue_RegistryListItem *item;
    NK_TRY(load(call, &ctx, in->RegistryId, &r));
    NK_TRY(refuse_deleting(&r, call->err));
    NK_TRY(decode_item(&ctx, &r, &item, call->err));
    item->Description = in->Description;
    NK_TRY(nk_reg_time(&ctx, &item->UpdatedTime, call->err));
    item->Status = NK_STR_NULL;
    NK_TRY(
        nk_model_encode_str(&glue_RegistryListItem_shape, item, call->arena, &r.body, call->err));
    NK_TRY(nk_registry_save(call->tx, &ctx, &r, false, call->err));
    out->RegistryName = r.name;
    out->RegistryArn = item->RegistryArn;
    return NK_OK;
}

nk_code glue_DeleteRegistry(nk_call *call, const glue_DeleteRegistryInput *in,
                            glue_DeleteRegistryResponse *out)
{
    nk_reg_ctx ctx = nk_reg_ctx_of(call);
    nk_registry_row r;
    NK_TRY(load(call, &ctx, in->RegistryId, &r));
    if (!r.deleting)
        NK_TRY(nk_registry_delete(call->tx, &ctx, &r, call->err));
    out->RegistryName = r.name;
    NK_TRY(nk_registry_arn(&ctx, r.name, &out->RegistryArn, call->err));
    out->Status = NK_STR("DELETING");
    return NK_OK;
}
