/* Reading the registry's records, and what requests call them. */
#include <stdio.h>

#include "registry/registry_int.h"

nk_reg_ctx nk_reg_ctx_of(const nk_call *call)
{
    return (nk_reg_ctx){.app = call->app,
                        .arena = call->arena,
                        .region = call->region,
                        .account = call->account_id,
                        .door = NK_DOOR_GLUE,
                        .quick = call->quick};
}

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

nk_code nk_registry_arn(const nk_reg_ctx *ctx, nk_str registry, nk_str *out, nk_err *err)
{
    *out = nk_str_printf(ctx->arena, "arn:aws:glue:%.*s:%.*s:registry/%.*s",
                         NK_STR_ARG(ctx->region), NK_STR_ARG(ctx->account), NK_STR_ARG(registry));
    return out->p ? NK_OK : nomem(err);
}

nk_code nk_schema_arn(const nk_reg_ctx *ctx, nk_str registry, nk_str schema, nk_str *out,
                      nk_err *err)
{
    *out = nk_str_printf(ctx->arena, "arn:aws:glue:%.*s:%.*s:schema/%.*s/%.*s",
                         NK_STR_ARG(ctx->region), NK_STR_ARG(ctx->account), NK_STR_ARG(registry),
                         NK_STR_ARG(schema));
    return out->p ? NK_OK : nomem(err);
}

nk_code nk_reg_time(const nk_reg_ctx *ctx, nk_str *out, nk_err *err)
{
    const nk_env *env = ctx->app && ctx->app->env ? ctx->app->env : nk_env_real();
    nk_civil c = nk_civil_from_us(nk_now_us(env));
    *out = nk_str_printf(ctx->arena, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", c.year, c.month, c.day,
                         c.hour, c.minute, c.second, c.usec / 1000);
    return out->p ? NK_OK : nomem(err);
}

nk_str nk_registry_resource(nk_arena *a, nk_str registry)
{
    return nk_str_printf(a, "registry/%.*s", NK_STR_ARG(registry));
}

nk_str nk_schema_resource(nk_arena *a, nk_str registry, nk_str schema)
{
    return nk_str_printf(a, "schema/%.*s/%.*s", NK_STR_ARG(registry), NK_STR_ARG(schema));
}

/* ---- registries ---- */

nk_code nk_registry_load(nk_tx *tx, const nk_reg_ctx *ctx, nk_str name, nk_registry_row *out,
                         nk_err *err)
{
    nk_row row;
    nk_code rc = nk_store_get(tx, &nk_kind_registry, NK_KEY(nk_vs(ctx->region), nk_vs(name)),
                              ctx->arena, &row, err);
    if (rc == NK_E_NOT_FOUND)
        return nk_fail(err, rc, "Registry is not found. RegistryName: %.*s", NK_STR_ARG(name));
    NK_TRY(rc);
    *out = (nk_registry_row){.name = row.cols[NK_REG_NAME].s,
                             .id = row.cols[NK_REG_ID].i,
                             .deleting = row.cols[NK_REG_DELETING].kind == NK_V_I64,
                             .body = row.body};
    return NK_OK;
}

nk_code nk_registry_save(nk_tx *tx, const nk_reg_ctx *ctx, const nk_registry_row *r, bool insert,
                         nk_err *err)
{
    nk_row row = {.cols = NK_KEY(nk_vs(ctx->region), nk_vs(r->name), nk_vi(r->id),
                                 r->deleting ? nk_vi(1) : nk_vnull()),
                  .body = r->body};
    return insert ? nk_store_insert(tx, &nk_kind_registry, &row, err)
                  : nk_store_put(tx, &nk_kind_registry, &row, err);
}

nk_code nk_registry_create(nk_tx *tx, const nk_reg_ctx *ctx, nk_str name, nk_str description,
                           const nk_map_str *tags, nk_registry_row *out, nk_err *err)
{
    int64_t n;
    nk_query all = {.kind = &nk_kind_registry, .prefix = NK_KEY(nk_vs(ctx->region)), .nprefix = 1};
    NK_TRY(nk_store_count(tx, &all, &n, err));
    if (n >= NK_REGISTRIES_MAX)
        return nk_fail(err, NK_E_LIMIT,
                       "More registries cannot be created. The maximum limit has been reached.");
    nk_str now, arn, resource = nk_registry_resource(ctx->arena, name);
    NK_TRY(nk_reg_time(ctx, &now, err));
    NK_TRY(nk_registry_arn(ctx, name, &arn, err));
    if (!resource.p)
        return nomem(err);
    glue_RegistryListItem item = {.RegistryName = name,
                                  .RegistryArn = arn,
                                  .Description = description,
                                  .CreatedTime = now,
                                  .UpdatedTime = now};
    *out = (nk_registry_row){.name = name};
    NK_TRY(nk_model_encode_str(&glue_RegistryListItem_shape, &item, ctx->arena, &out->body, err));
    NK_TRY(nk_store_next(tx, "glue.registry", &out->id, err));
    nk_code rc = nk_registry_save(tx, ctx, out, true, err);
    if (rc == NK_E_EXISTS)
        return nk_fail(err, rc, "Registry already exists. RegistryName: %.*s", NK_STR_ARG(name));
    if (rc == NK_OK && tags && tags->n)
        rc = nk_tags_put(tx, ctx->region, resource, tags, ctx->arena, err);
    return rc;
}

/* ---- schemas ---- */

nk_code nk_fail_schema(nk_err *err, nk_str registry, nk_str name)
{
    return nk_fail(err, NK_E_NOT_FOUND,
                   "Schema is not found. RegistryName: %.*s, SchemaName: %.*s, SchemaArn: null",
                   NK_STR_ARG(registry), NK_STR_ARG(name));
}

nk_code nk_schema_read(const nk_reg_ctx *ctx, const nk_row *row, nk_schema_row *out, nk_err *err)
{
    nk_json *j;
    const nk_val *c = row->cols;
    NK_TRY(nk_json_parse(row->body, ctx->arena, 0, &j, err));
    *out = (nk_schema_row){
        .registry_name = nk_str_dup(ctx->arena, c[NK_SCH_REGISTRY_NAME].s),
        .name = nk_str_dup(ctx->arena, c[NK_SCH_NAME].s),
        .registry = c[NK_SCH_REGISTRY].i,
        .id = c[NK_SCH_ID].i,
        .next = c[NK_SCH_NEXT].i,
        .latest = c[NK_SCH_LATEST].i,
        .checkpoint = c[NK_SCH_CHECKPOINT].i,
        .change = c[NK_SCH_CHANGE].i,
        .compat = c[NK_SCH_COMPAT].i,
        .compat_follows = c[NK_SCH_FOLLOWS].i != 0,
        .mode = c[NK_SCH_MODE].i,
        .deleting = c[NK_SCH_DELETING].kind == NK_V_I64,
        .format = nk_schema_format_at(c[NK_SCH_FORMAT].i),
        .description = nk_json_str(j, "description"),
        .created = nk_json_str(j, "created"),
        .updated = nk_json_str(j, "updated"),
        .contracts = nk_json_bool(j, "contracts", false),
        .config = nk_json_get(j, "config"),
    };
    if (!out->name.p || !out->registry_name.p)
        return nomem(err);
    return out->format ? NK_OK : nk_fail(err, NK_E_INTERNAL, "a schema of an unknown format");
}

nk_code nk_schema_save(nk_tx *tx, const nk_reg_ctx *ctx, const nk_schema_row *s, bool insert,
                       nk_err *err)
{
    nk_buf b;
    nk_buf_init(&b, 1 << 20);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    if (s->description.p)
        nk_jw_kstr(&w, "description", s->description);
    nk_jw_kstr(&w, "created", s->created);
    nk_jw_kstr(&w, "updated", s->updated);
    if (s->contracts)
        nk_jw_kbool(&w, "contracts", true);
    if (s->config) {
        nk_jw_key(&w, NK_STR("config"));
        nk_jw_tree(&w, s->config);
    }
    nk_jw_object_end(&w);
    const nk_val cols[NK_SCH_NCOLS] = {
        [NK_SCH_REGISTRY] = nk_vi(s->registry),
        [NK_SCH_NAME] = nk_vs(s->name),
        [NK_SCH_ID] = nk_vi(s->id),
        [NK_SCH_REGION] = nk_vs(ctx->region),
        [NK_SCH_FORMAT] = nk_vi(nk_schema_format_number(s->format)),
        [NK_SCH_NEXT] = nk_vi(s->next),
        [NK_SCH_LATEST] = nk_vi(s->latest),
        [NK_SCH_CHECKPOINT] = nk_vi(s->checkpoint),
        [NK_SCH_CHANGE] = nk_vi(s->change),
        [NK_SCH_COMPAT] = nk_vi(s->compat),
        [NK_SCH_FOLLOWS] = nk_vi(s->compat_follows),
        [NK_SCH_MODE] = nk_vi(s->mode),
        [NK_SCH_DELETING] = s->deleting ? nk_vi(1) : nk_vnull(),
        [NK_SCH_REGISTRY_NAME] = nk_vs(s->registry_name),
    };
    nk_row row = {.cols = cols, .body = nk_buf_view(&b)};
    nk_code rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = insert ? nk_store_insert(tx, &nk_kind_schema, &row, err)
                    : nk_store_put(tx, &nk_kind_schema, &row, err);
    nk_buf_free(&b);
    return rc;
}

/* What a schema that follows the region's setting has now. */
static nk_code settle(nk_tx *tx, const nk_reg_ctx *ctx, nk_schema_row *s, nk_err *err)
{
    nk_reg_config c;
    if (!s->compat_follows)
        return NK_OK;
    NK_TRY(nk_config_load(tx, ctx, NK_STR(""), NK_STR(""), &c, err));
    s->compat = c.compat >= 0 ? c.compat : NK_COMPAT_BACKWARD;
    return NK_OK;
}

nk_code nk_schema_load_any(nk_tx *tx, const nk_reg_ctx *ctx, nk_str registry, nk_str name,
                           nk_schema_row *out, nk_err *err)
{
    nk_registry_row r;
    nk_row row;
    nk_code rc = nk_registry_load(tx, ctx, registry, &r, err);
    if (rc == NK_OK)
        rc = nk_store_get(tx, &nk_kind_schema, NK_KEY(nk_vi(r.id), nk_vs(name)), ctx->arena, &row,
                          err);
    if (rc == NK_E_NOT_FOUND)
        return nk_fail_schema(err, registry, name);
    NK_TRY(rc);
    NK_TRY(nk_schema_read(ctx, &row, out, err));
    out->deleting = out->deleting || r.deleting;
    return settle(tx, ctx, out, err);
}

nk_code nk_schema_load(nk_tx *tx, const nk_reg_ctx *ctx, nk_str registry, nk_str name,
                       nk_schema_row *out, nk_err *err)
{
    NK_TRY(nk_schema_load_any(tx, ctx, registry, name, out, err));
    return out->deleting ? nk_fail_schema(err, registry, name) : NK_OK;
}

typedef struct one {
    const nk_reg_ctx *ctx;
    nk_schema_row *schema;
    nk_version_row *version;
    bool deleted; /* soft-deleted versions count */
    bool found;
    nk_code rc;
    nk_err *err;
} one;

static bool take_schema(void *arg, const nk_row *row)
{
    one *o = arg;
    o->found = true;
    o->rc = nk_schema_read(o->ctx, row, o->schema, o->err);
    return false;
}

nk_code nk_schema_load_id(nk_tx *tx, const nk_reg_ctx *ctx, int64_t id, nk_schema_row *out,
                          nk_err *err)
{
    one o = {.ctx = ctx, .schema = out, .err = err};
    nk_query q = {.kind = &nk_kind_schema,
                  .index = &nk_kind_schema.indexes[0],
                  .prefix = NK_KEY(nk_vi(id)),
                  .nprefix = 1};
    NK_TRY(nk_store_scan(tx, &q, take_schema, &o, err));
    NK_TRY(o.rc);
    if (!o.found)
        return nk_fail(err, NK_E_NOT_FOUND, "Schema is not found.");
    return settle(tx, ctx, out, err);
}

static bool take_deleting(void *arg, const nk_row *row)
{
    int64_t *found = arg; /* the registry; whether it is going */
    found[0] = row->cols[NK_SCH_REGISTRY].i;
    found[1] = row->cols[NK_SCH_DELETING].kind == NK_V_I64;
    return false;
}

static bool take_registry_deleting(void *arg, const nk_row *row)
{
    *(bool *)arg = row->cols[NK_REG_DELETING].kind == NK_V_I64;
    return false;
}

nk_code nk_schema_is_deleting(nk_tx *tx, int64_t schema, bool *out, nk_err *err)
{
    int64_t found[2] = {0, 1}; /* one that is not there has gone */
    nk_query q = {.kind = &nk_kind_schema,
                  .index = &nk_kind_schema.indexes[0],
                  .prefix = NK_KEY(nk_vi(schema)),
                  .nprefix = 1,
                  .no_body = true};
    NK_TRY(nk_store_scan(tx, &q, take_deleting, found, err));
    *out = found[1];
    if (*out)
        return NK_OK;
    nk_query r = {.kind = &nk_kind_registry,
                  .index = &nk_kind_registry.indexes[1],
                  .prefix = NK_KEY(nk_vi(found[0])),
                  .nprefix = 1,
                  .no_body = true};
    return nk_store_scan(tx, &r, take_registry_deleting, out, err);
}

/* ---- versions ---- */

nk_code nk_version_read(const nk_reg_ctx *ctx, const nk_row *row, nk_version_row *out, nk_err *err)
{
    const nk_val *c = row->cols;
    *out = (nk_version_row){
        .schema = c[NK_VER_SCHEMA].i,
        .version = c[NK_VER_VERSION].i,
        .number = c[NK_VER_NUMBER].i,
        .uuid = nk_str_dup(ctx->arena, c[NK_VER_UUID].s),
        .state = c[NK_VER_STATE].i,
        .links = c[NK_VER_LINKS].kind == NK_V_I64,
        .created = nk_str_dup(ctx->arena, c[NK_VER_CREATED].s),
        .reply = row->body.p ? nk_str_dup(ctx->arena, row->body) : NK_STR_NULL,
    };
    if (c[NK_VER_CONTRACT].kind == NK_V_TEXT)
        out->contract = nk_str_dup(ctx->arena, c[NK_VER_CONTRACT].s);
    bool whole = !out->contract.p == (c[NK_VER_CONTRACT].kind != NK_V_TEXT);
    return whole && out->uuid.p && out->created.p && !out->reply.p == !row->body.p ? NK_OK
                                                                                   : nomem(err);
}

static nk_code fail_version(nk_err *err, const nk_schema_row *s, int64_t version)
{
    char number[24] = "null";
    if (version)
        snprintf(number, sizeof number, "%lld", (long long)version);
    return nk_fail(err, NK_E_NOT_FOUND,
                   "Schema version is not found. RegistryName: %.*s, SchemaName: %.*s, SchemaArn: "
                   "null, VersionNumber: %s, isLatestVersion: %s",
                   NK_STR_ARG(s->registry_name), NK_STR_ARG(s->name), number,
                   version ? "false" : "true");
}

nk_code nk_version_load(nk_tx *tx, const nk_reg_ctx *ctx, const nk_schema_row *s, int64_t version,
                        nk_find also, nk_version_row *out, nk_err *err)
{
    static const nk_find kind[] = {
        [NK_VERSION_DELETED] = NK_FIND_DELETED, [NK_VERSION_FAILED] = NK_FIND_FAILED};
    nk_row row;
    int64_t v = version ? version : s->latest;
    nk_code rc = v ? nk_store_get(tx, &nk_kind_schema_version, NK_KEY(nk_vi(s->id), nk_vi(v)),
                                  ctx->arena, &row, err)
                   : NK_E_NOT_FOUND;
    if (rc == NK_OK)
        rc = nk_version_read(ctx, &row, out, err);
    if (rc == NK_E_NOT_FOUND || (rc == NK_OK && (kind[out->state] & also) != kind[out->state]))
        return fail_version(err, s, version);
    return rc;
}

static bool take_version(void *arg, const nk_row *row)
{
    one *o = arg;
    o->found = true;
    o->rc = nk_version_read(o->ctx, row, o->version, o->err);
    return false;
}

nk_code nk_version_by_uuid(nk_tx *tx, const nk_reg_ctx *ctx, nk_str uuid, nk_version_row *out,
                           nk_err *err)
{
    one o = {.ctx = ctx, .version = out, .err = err};
    nk_query q = {
        .kind = &nk_kind_schema_version,
        .index = &nk_kind_schema_version.indexes[0],
        .prefix = NK_KEY(nk_vs(uuid)),
        .nprefix = 1,
        .where = &(nk_cond){
            .op = NK_C_EQ, .col = NK_VER_REGION, .vals = NK_KEY(nk_vs(ctx->region)), .nvals = 1}};
    NK_TRY(nk_store_scan(tx, &q, take_version, &o, err));
    NK_TRY(o.rc);
    if (!o.found)
        return nk_fail(err, NK_E_NOT_FOUND, "Schema version is not found. SchemaVersionId: %.*s",
                       NK_STR_ARG(uuid));
    return NK_OK;
}

nk_str nk_version_status(const nk_version_row *v)
{
    return v->state == NK_VERSION_DELETED  ? NK_STR("DELETING")
           : v->state == NK_VERSION_FAILED ? NK_STR("FAILURE")
                                           : NK_STR("AVAILABLE");
}

nk_code nk_version_text(const nk_reg_ctx *ctx, nk_version_row *v, nk_err *err)
{
    glue_GetSchemaVersionResponse *r;
    NK_TRY(nk_model_decode(&glue_GetSchemaVersionResponse_shape, v->reply, ctx->arena, (void **)&r,
                           err));
    v->text = r->SchemaDefinition;
    return NK_OK;
}

/* ---- what requests call them ---- */

/* What follows "arn:aws:glue:REGION:ACCOUNT:KIND/"; false when it is another's, or of another kind.
 */
static bool arn_tail(const nk_reg_ctx *ctx, nk_str arn, const char *kind, nk_str *tail)
{
    nk_str start = nk_str_printf(ctx->arena, ":glue:%.*s:%.*s:%s/", NK_STR_ARG(ctx->region),
                                 NK_STR_ARG(ctx->account), kind);
    ptrdiff_t at = start.p ? nk_str_find(arn, start) : -1;
    if (at < 0)
        return false;
    *tail = nk_str_sub(arn, (size_t)at + start.n, arn.n);
    return tail->n > 0;
}

nk_code nk_registry_name_of(const nk_reg_ctx *ctx, const glue_RegistryId *id, nk_str *name,
                            nk_err *err)
{
    *name = NK_DEFAULT_REGISTRY;
    if (!id || (!id->RegistryName.p && !id->RegistryArn.p))
        return NK_OK;
    if (id->RegistryName.p && id->RegistryArn.p)
        return nk_fail(
            err, NK_E_INVALID,
            "One of registryName or registryArn has to be provided, both cannot be provided.");
    if (id->RegistryName.p)
        *name = id->RegistryName;
    else if (!arn_tail(ctx, id->RegistryArn, "registry", name))
        return nk_fail(err, NK_E_NOT_FOUND, "Registry is not found. RegistryArn: %.*s",
                       NK_STR_ARG(id->RegistryArn));
    return NK_OK;
}

nk_code nk_schema_name_of(const nk_reg_ctx *ctx, const glue_SchemaId *id, nk_str *registry,
                          nk_str *name, nk_err *err)
{
    nk_str tail;
    if (id && id->SchemaArn.p) {
        if (id->SchemaName.p || id->RegistryName.p)
            return nk_fail(err, NK_E_INVALID,
                           "One of (registryName and schemaName) or schemaArn has to be provided, "
                           "both cannot be provided.");
        ptrdiff_t slash;
        if (!arn_tail(ctx, id->SchemaArn, "schema", &tail) || (slash = nk_str_chr(tail, '/')) <= 0)
            return nk_fail(err, NK_E_NOT_FOUND,
                           "Schema is not found. RegistryName: null, SchemaName: null, SchemaArn: "
                           "%.*s",
                           NK_STR_ARG(id->SchemaArn));
        *registry = nk_str_sub(tail, 0, (size_t)slash);
        *name = nk_str_sub(tail, (size_t)slash + 1, tail.n);
        return NK_OK;
    }
    if (!id || !id->SchemaName.p)
        return nk_fail(
            err, NK_E_INVALID,
            "At least one of (registryName and schemaName) or schemaArn has to be provided.");
    *registry = id->RegistryName.p ? id->RegistryName : NK_DEFAULT_REGISTRY;
    *name = id->SchemaName;
    return NK_OK;
}

nk_code nk_schema_of(nk_tx *tx, const nk_reg_ctx *ctx, const glue_SchemaId *id, nk_schema_row *out,
                     nk_err *err)
{
    nk_str registry, name;
    NK_TRY(nk_schema_name_of(ctx, id, &registry, &name, err));
    return nk_schema_load(tx, ctx, registry, name, out, err);
}

nk_code nk_version_number_of(const glue_SchemaVersionNumber *n, int64_t *out, nk_err *err)
{
    bool latest = n && nk_bool_or(n->LatestVersion, false);
    *out = 0;
    if (!n || (!latest && !n->VersionNumber.set))
        return nk_fail(err, NK_E_INVALID, "One of version number (or) latest version is required.");
    if (latest && n->VersionNumber.set)
        return nk_fail(err, NK_E_INVALID,
                       "Only one of VersionNumber or LatestVersion is required.");
    if (!latest)
        *out = n->VersionNumber.value;
    return NK_OK;
}

nk_code nk_version_of(nk_tx *tx, const nk_reg_ctx *ctx, const glue_SchemaId *id, nk_str uuid,
                      const glue_SchemaVersionNumber *number, nk_schema_row *s, nk_version_row *out,
                      nk_err *err)
{
    nk_schema_row row;
    int64_t v;
    if (uuid.p) {
        if (id || number)
            return nk_fail(
                err, NK_E_INVALID,
                "No other input parameters can be specified when fetching by SchemaVersionId.");
        NK_TRY(nk_version_by_uuid(tx, ctx, uuid, out, err));
        return s ? nk_schema_load_id(tx, ctx, out->schema, s, err) : NK_OK;
    }
    NK_TRY(nk_schema_of(tx, ctx, id, &row, err));
    NK_TRY(nk_version_number_of(number, &v, err));
    if (s)
        *s = row;
    return nk_version_load(tx, ctx, &row, v, NK_FIND_FAILED, out, err);
}

/* ---- links ---- */

typedef struct linker {
    const nk_reg_ctx *ctx;
    nk_schema_links *out;
    nk_code rc;
    nk_err *err;
} linker;

static bool take_link(void *arg, const nk_row *row)
{
    linker *l = arg;
    nk_schema_link *k = nk_schema_links_add(l->out, l->ctx->arena);
    if (k)
        *k = (nk_schema_link){.name = nk_str_dup(l->ctx->arena, row->cols[NK_LNK_NAME].s),
                              .schema = row->cols[NK_LNK_TO_SCHEMA].i,
                              .version = row->cols[NK_LNK_TO_VERSION].i};
    l->rc = k && k->name.p ? NK_OK : nomem(l->err);
    return l->rc == NK_OK;
}

nk_code nk_version_links_of(nk_tx *tx, const nk_reg_ctx *ctx, const nk_version_row *v,
                            nk_schema_links *out, nk_err *err)
{
    linker l = {.ctx = ctx, .out = out, .err = err};
    nk_query q = {.kind = &nk_kind_schema_link,
                  .prefix = NK_KEY(nk_vi(v->schema), nk_vi(v->version)),
                  .nprefix = 2,
                  .no_body = true};
    *out = (nk_schema_links){0};
    if (!v->links)
        return NK_OK;
    NK_TRY(nk_store_scan(tx, &q, take_link, &l, err));
    NK_TRY(l.rc);
    for (size_t i = 0; i < out->n; i++) {
        nk_schema_row s;
        NK_TRY(nk_schema_load_id(tx, ctx, out->v[i].schema, &s, err));
        out->v[i].registry_name = s.registry_name;
        out->v[i].schema_name = s.name;
    }
    return NK_OK;
}

/* ---- settings ---- */

nk_code nk_config_load(nk_tx *tx, const nk_reg_ctx *ctx, nk_str registry, nk_str subject,
                       nk_reg_config *out, nk_err *err)
{
    nk_row row;
    *out = (nk_reg_config){.compat = -1, .mode = -1};
    nk_code rc = nk_store_get(tx, &nk_kind_schema_config,
                              NK_KEY(nk_vs(ctx->region), nk_vs(registry), nk_vs(subject)),
                              ctx->arena, &row, NULL);
    if (rc == NK_E_NOT_FOUND)
        return NK_OK;
    if (rc != NK_OK)
        return nk_fail(err, rc, "cannot read the registry's settings");
    out->set = true;
    if (row.cols[NK_CFG_COMPAT].kind == NK_V_I64)
        out->compat = row.cols[NK_CFG_COMPAT].i;
    if (row.cols[NK_CFG_MODE].kind == NK_V_I64)
        out->mode = row.cols[NK_CFG_MODE].i;
    if (row.body.n > 2) {
        nk_json *more;
        NK_TRY(nk_json_parse(row.body, ctx->arena, 0, &more, err));
        out->more = more;
    }
    return NK_OK;
}

nk_code nk_config_save(nk_tx *tx, const nk_reg_ctx *ctx, nk_str registry, nk_str subject,
                       const nk_reg_config *c, nk_err *err)
{
    const nk_val cols[NK_CFG_NCOLS] = {
        [NK_CFG_REGION] = nk_vs(ctx->region),
        [NK_CFG_REGISTRY] = nk_vs(registry),
        [NK_CFG_SUBJECT] = nk_vs(subject),
        [NK_CFG_COMPAT] = c->compat >= 0 ? nk_vi(c->compat) : nk_vnull(),
        [NK_CFG_MODE] = c->mode >= 0 ? nk_vi(c->mode) : nk_vnull(),
    };
    if (c->compat < 0 && c->mode < 0 && !c->more) {
        nk_code rc = nk_store_delete(tx, &nk_kind_schema_config, cols, NULL);
        return rc == NK_E_NOT_FOUND ? NK_OK : rc;
    }
    nk_buf b;
    nk_buf_init(&b, 1 << 20);
    nk_json_writer w = {.buf = &b};
    if (c->more)
        nk_jw_tree(&w, c->more);
    else
        nk_buf_puts(&b, "{}");
    nk_row row = {.cols = cols, .body = nk_buf_view(&b)};
    nk_code rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = nk_store_put(tx, &nk_kind_schema_config, &row, err);
    nk_buf_free(&b);
    return rc;
}
