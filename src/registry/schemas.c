/* CreateSchema, GetSchema, ListSchemas, UpdateSchema, DeleteSchema. */
#include "registry/registry_int.h"

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

/* Glue's exceptions for what registering refuses. */
nk_code nk_glue_refusal(nk_code rc, nk_err *err)
{
    return rc == NK_E_CONDITION ? nk_fail(err, NK_E_INVALID, "%s", err->msg) : rc;
}

typedef struct creation {
    nk_reg_ctx ctx;
    nk_registration r;
    const glue_CreateSchemaInput *in;
    glue_CreateSchemaResponse *out;
} creation;

static nk_code write_creation(nk_tx *tx, void *arg, nk_err *err)
{
    creation *c = arg;
    const nk_registration *r = &c->r;
    glue_CreateSchemaResponse *out = c->out;
    NK_TRY(nk_glue_refusal(nk_registration_write(tx, &c->r, err), err));
    out->RegistryName = r->registry;
    NK_TRY(nk_registry_arn(&c->ctx, r->registry, &out->RegistryArn, err));
    out->SchemaName = r->name;
    NK_TRY(nk_schema_arn(&c->ctx, r->registry, r->name, &out->SchemaArn, err));
    out->Description = c->in->Description;
    out->DataFormat = r->format->name;
    out->Compatibility = nk_compat_modes[r->compat].name[NK_DOOR_GLUE];
    out->SchemaCheckpoint = nk_some_i64(r->schema.checkpoint);
    out->NextSchemaVersion = nk_some_i64(r->schema.next);
    out->SchemaStatus = NK_STR("AVAILABLE");
    out->Tags = c->in->Tags;
    if (r->text.p) {
        out->LatestSchemaVersion = nk_some_i64(r->schema.latest);
        out->SchemaVersionId = r->version.uuid;
        out->SchemaVersionStatus = NK_STR("AVAILABLE");
    }
    return NK_OK;
}

nk_code glue_CreateSchema(nk_call *call, const glue_CreateSchemaInput *in,
                          glue_CreateSchemaResponse *out)
{
    creation *c = NK_NEW(call->arena, creation);
    if (!c)
        return nomem(call->err);
    *c = (creation){.ctx = nk_reg_ctx_of(call), .in = in, .out = out};
    c->r = (nk_registration){.name = in->SchemaName,
                             .text = in->SchemaDefinition,
                             .format = nk_schema_format_find(in->DataFormat),
                             .create = true,
                             .only_create = true,
                             .description = in->Description,
                             .tags = &in->Tags};
    if (!c->r.format)
        return nk_fail(call->err, NK_E_INVALID, "Data format is not valid.");
    c->r.compat = in->Compatibility.p ? nk_compat_mode_find(NK_DOOR_GLUE, in->Compatibility)
                                      : NK_COMPAT_BACKWARD;
    if (c->r.compat < 0)
        return nk_fail(call->err, NK_E_INVALID, "Compatibility is not valid.");
    NK_TRY(nk_registry_name_of(&c->ctx, in->RegistryId, &c->r.registry, call->err));
    NK_TRY(nk_glue_refusal(nk_registration_prepare(&c->ctx, &c->r, call->err), call->err));
    call->last = (nk_last){write_creation, c};
    return NK_OK;
}

nk_code glue_GetSchema(nk_call *call, const glue_GetSchemaInput *in, glue_GetSchemaResponse *out)
{
    nk_reg_ctx ctx = nk_reg_ctx_of(call);
    nk_schema_row s;
    nk_str registry, name;
    NK_TRY(nk_schema_name_of(&ctx, in->SchemaId, &registry, &name, call->err));
    NK_TRY(nk_schema_load_any(call->tx, &ctx, registry, name, &s, call->err));
    out->RegistryName = s.registry_name;
    NK_TRY(nk_registry_arn(&ctx, s.registry_name, &out->RegistryArn, call->err));
    out->SchemaName = s.name;
    NK_TRY(nk_schema_arn(&ctx, s.registry_name, s.name, &out->SchemaArn, call->err));
    out->Description = s.description;
    out->DataFormat = s.format->name;
    out->Compatibility = nk_compat_modes[s.compat].name[NK_DOOR_GLUE];
    out->SchemaCheckpoint = nk_some_i64(s.checkpoint);
    if (s.latest)
        out->LatestSchemaVersion = nk_some_i64(s.latest);
    out->NextSchemaVersion = nk_some_i64(s.next);
    out->SchemaStatus = s.deleting ? NK_STR("DELETING") : NK_STR("AVAILABLE");
    out->CreatedTime = s.created;
    out->UpdatedTime = s.updated;
    return NK_OK;
}

NK_LIST(schema_list, glue_SchemaListItem);

typedef struct lister {
    nk_call *call;
    const nk_reg_ctx *ctx;
    const nk_query *q;
    size_t max;
    bool more;
    nk_pos last;
    schema_list list;
    nk_code rc;
} lister;

static bool take(void *arg, const nk_row *row)
{
    lister *l = arg;
    nk_schema_row s;
    if (row->cols[NK_SCH_DELETING].kind == NK_V_I64)
        return true;
    if (l->list.n == l->max) {
        l->more = true;
        return false;
    }
    glue_SchemaListItem *item = schema_list_add(&l->list, l->call->arena);
    nk_row copy = *row;
    copy.body = nk_str_dup(l->call->arena, row->body);
    if (!item || !copy.body.p || nk_store_pos(l->q, row, l->call->arena, &l->last) != NK_OK) {
        l->rc = nomem(l->call->err);
        return false;
    }
    nk_str arn;
    l->rc = nk_schema_read(l->ctx, &copy, &s, l->call->err);
    if (l->rc == NK_OK)
        l->rc = nk_schema_arn(l->ctx, s.registry_name, s.name, &arn, l->call->err);
    if (l->rc != NK_OK)
        return false;
    *item = (glue_SchemaListItem){.RegistryName = s.registry_name,
                                  .SchemaName = s.name,
                                  .SchemaArn = arn,
                                  .Description = s.description,
                                  .SchemaStatus = NK_STR("AVAILABLE"),
                                  .CreatedTime = s.created,
                                  .UpdatedTime = s.updated};
    return true;
}

static nk_code finish_page(nk_call *call, nk_str bind, const nk_pos *last, nk_str *token)
{
    nk_buf b;
    nk_buf_init(&b, 65536);
    nk_code rc = nk_store_pos_pack(last, &b);
    if (rc == NK_OK)
        rc = nk_page_token(call, bind, nk_buf_view(&b), token);
    nk_buf_free(&b);
    return rc;
}

nk_code glue_ListSchemas(nk_call *call, const glue_ListSchemasInput *in,
                         glue_ListSchemasResponse *out)
{
    nk_reg_ctx ctx = nk_reg_ctx_of(call);
    nk_query q = {.kind = &nk_kind_schema,
                  .index = &nk_kind_schema.indexes[1],
                  .prefix = NK_KEY(nk_vs(call->region)),
                  .nprefix = 1};
    nk_str place, bind = NK_STR("");
    nk_pos after;
    lister l = {.call = call, .ctx = &ctx, .q = &q, .max = (size_t)nk_i64_or(in->MaxResults, 25)};
    out->Schemas.set = true;
    if (in->RegistryId) {
        nk_registry_row r;
        NK_TRY(nk_registry_name_of(&ctx, in->RegistryId, &bind, call->err));
        NK_TRY(nk_registry_load(call->tx, &ctx, bind, &r, call->err));
        if (r.deleting)
            return nk_fail(call->err, NK_E_NOT_FOUND, "Registry is not found. RegistryName: %.*s",
                           NK_STR_ARG(bind));
        nk_val *prefix = NK_NEWN(call->arena, nk_val, 2);
        if (!prefix)
            return nomem(call->err);
        prefix[0] = nk_vs(call->region);
        prefix[1] = nk_vi(r.id);
        q.prefix = prefix;
        q.nprefix = 2;
    }
    NK_TRY(nk_page_open(call, bind, in->NextToken, &place));
    if (place.p) {
        if (nk_store_pos_unpack(&q, place, call->arena, &after) != NK_OK)
            return nk_fail(call->err, NK_E_INVALID, "Invalid NextToken.");
        q.after = &after;
    }
    NK_TRY(nk_store_scan(call->tx, &q, take, &l, call->err));
    NK_TRY(l.rc);
    out->Schemas = (glue_SchemaListItem_list){.v = l.list.v, .n = l.list.n, .set = true};
    return l.more ? finish_page(call, bind, &l.last, &out->NextToken) : NK_OK;
}

nk_code glue_UpdateSchema(nk_call *call, const glue_UpdateSchemaInput *in,
                          glue_UpdateSchemaResponse *out)
{
    nk_reg_ctx ctx = nk_reg_ctx_of(call);
    nk_schema_row s;
    NK_TRY(nk_schema_of(call->tx, &ctx, in->SchemaId, &s, call->err));
    if (in->Compatibility.p && !in->SchemaVersionNumber)
        return nk_fail(call->err, NK_E_INVALID,
                       "Compatibility is given: a SchemaVersionNumber (the checkpoint) is required "
                       "with it.");
    if (in->SchemaVersionNumber) {
        nk_version_row v;
        int64_t number;
        NK_TRY(nk_version_number_of(in->SchemaVersionNumber, &number, call->err));
        NK_TRY(nk_version_load(call->tx, &ctx, &s, number, NK_FIND_LIVE, &v, call->err));
        s.checkpoint = v.version;
    }
    if (in->Compatibility.p) {
        s.compat = nk_compat_mode_find(NK_DOOR_GLUE, in->Compatibility);
        s.compat_follows = false;
        if (s.compat < 0)
            return nk_fail(call->err, NK_E_INVALID, "Compatibility is not valid.");
    }
    if (in->Description.p)
        s.description = in->Description;
    NK_TRY(nk_reg_time(&ctx, &s.updated, call->err));
    s.change++;
    NK_TRY(nk_schema_save(call->tx, &ctx, &s, false, call->err));
    NK_TRY(nk_schema_arn(&ctx, s.registry_name, s.name, &out->SchemaArn, call->err));
    out->SchemaName = s.name;
    out->RegistryName = s.registry_name;
    return NK_OK;
}

nk_code glue_DeleteSchema(nk_call *call, const glue_DeleteSchemaInput *in,
                          glue_DeleteSchemaResponse *out)
{
    nk_reg_ctx ctx = nk_reg_ctx_of(call);
    nk_schema_row s;
    NK_TRY(nk_schema_of(call->tx, &ctx, in->SchemaId, &s, call->err));
    NK_TRY(nk_schema_delete(call->tx, &ctx, &s, call->err));
    NK_TRY(nk_schema_arn(&ctx, s.registry_name, s.name, &out->SchemaArn, call->err));
    out->SchemaName = s.name;
    out->Status = NK_STR("DELETING");
    return NK_OK;
}
