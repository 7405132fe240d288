/* Connections. A connection's whole document is sealed with the server's key (base/seal.h):
 * whatever a client put into it, a secret in a URL included, lies encrypted on disk. */
#include "catalog/connections_int.h"
#include "catalog/history_int.h"
#include "catalog/tags.h"

enum { CONN_SPACE, CONN_NAME, CONN_TYPE, CONN_SEALED, CONN_NCOLS };
static const nk_col cols[] = {
    {"space", NK_COL_TEXT}, {"name", NK_COL_TEXT}, {"type", NK_COL_TEXT}, {"sealed", NK_COL_BYTES}};
const nk_kind nk_kind_connection = {
    .name = "glue_connection", .version = 1, .nkey = 2, .cols = cols, .ncols = CONN_NCOLS};

/* ---- what a connection must have ---- */

bool nk_conn_given(const glue_ConnectionInput *in, nk_str what)
{
    if (nk_str_is(what, "@auth"))
        return in->AuthenticationConfiguration != NULL;
    if (nk_str_is(what, "@network"))
        return in->PhysicalConnectionRequirements != NULL;
    for (size_t i = 0; i < in->ConnectionProperties.n; i++)
        if (nk_str_eq(in->ConnectionProperties.v[i].key, what))
            return true;
    return false;
}

/* "A+B|C": one of the alternatives, whole. */
static bool satisfied(const glue_ConnectionInput *in, nk_str group)
{
    nk_str rest = group, alternative, what;
    while (nk_str_split(&rest, '|', &alternative)) {
        bool all = true;
        while (nk_str_split(&alternative, '+', &what))
            all = all && nk_conn_given(in, what);
        if (all)
            return true;
    }
    return false;
}

static nk_code check_input(nk_call *call, const glue_ConnectionInput *in)
{
    const nk_conn_type *t = nk_conn_type_find(in->ConnectionType);
    const glue_RegisterConnectionTypeRequest *custom;
    nk_str rest, group;
    nk_err *err = call->err;
    NK_TRY(
        nk_custom_type_find(call->tx, call->region, in->ConnectionType, call->arena, &custom, err));
    if (custom)
        return nk_custom_type_check(custom, in, call->arena, err);
    if (!t)
        return nk_fail(err, NK_E_INVALID, "Unknown connection type %.*s.",
                       NK_STR_ARG(in->ConnectionType));
    for (size_t i = 0; i < in->ConnectionProperties.n; i++)
        if (!nk_conn_property_find(in->ConnectionProperties.v[i].key))
            return nk_fail(err, NK_E_INVALID, "Unknown connection property %.*s.",
                           NK_STR_ARG(in->ConnectionProperties.v[i].key));
    rest = nk_str_c(t->required);
    while (nk_str_split(&rest, ' ', &group))
        if (group.n && !satisfied(in, group)) {
            nk_code rc =
                nk_fail(err, NK_E_INVALID,
                        "Validation for connection properties failed: a connection of type "
                        "%s needs %.*s.",
                        t->type, NK_STR_ARG(group));
            return rc;
        }
    return NK_OK;
}

/* ---- sealing ---- */

static nk_code context_of(const nk_catalog_ctx *ctx, nk_str name, nk_str *out, nk_err *err)
{
    *out = nk_str_printf(ctx->arena, "connection %.*s %.*s", NK_STR_ARG(ctx->region),
                         NK_STR_ARG(name));
    return out->p ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
}

/* old NULL: created. What is kept is sealed as the record is. */
static nk_code remember(nk_call *call, const nk_catalog_ctx *ctx, nk_str name, nk_hist_op op,
                        const nk_row *old, nk_err *err)
{
    nk_hist h = {.kind = NK_HIST_CONNECTION,
                 .op = op,
                 .space = ctx->region,
                 .object = nk_str_printf(call->arena, "connection %.*s", NK_STR_ARG(name)),
                 .before = old,
                 .nbefore = old != NULL,
                 .keys = NK_KEY(nk_vs(ctx->region), nk_vs(name)),
                 .nkeys = old ? 0 : 2};
    return nk_history_add(call->tx, ctx, &h, NULL, err);
}

static nk_code save(nk_call *call, const nk_catalog_ctx *ctx, nk_str name, int64_t created_us,
                    const glue_ConnectionInput *in, const nk_row *old)
{
    nk_str json, context, sealed;
    /* The request's own shape holds all that a client can give, the credentials too. */
    glue_CreateConnectionRequest doc = {
        .CatalogId =
            nk_str_printf(call->arena, "%lld %lld", (long long)created_us, (long long)ctx->now_us),
        .ConnectionInput = (glue_ConnectionInput *)in};
    if (!doc.CatalogId.p)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    NK_TRY(nk_model_encode_str(&glue_CreateConnectionRequest_shape, &doc, call->arena, &json,
                               call->err));
    NK_TRY(context_of(ctx, name, &context, call->err));
    NK_TRY(nk_seal(nk_catalog_key(call->app), context, json, call->arena, &sealed, call->err));
    nk_row row = {
        .cols = NK_KEY(nk_vs(ctx->region), nk_vs(name), nk_vs(in->ConnectionType), nk_vb(sealed)),
        .body = NK_STR("{}")};
    nk_code rc = old ? nk_store_put(call->tx, &nk_kind_connection, &row, call->err)
                     : nk_store_insert(call->tx, &nk_kind_connection, &row, call->err);
    if (rc == NK_E_EXISTS)
        return nk_fail(call->err, rc, "Connection %.*s already exists.", NK_STR_ARG(name));
    NK_TRY(rc);
    return remember(call, ctx, name, old ? NK_HIST_UPDATE : NK_HIST_CREATE, old, call->err);
}

typedef struct opened {
    nk_row row;
    const glue_ConnectionInput *in;
    int64_t created_us, updated_us;
} opened;

static nk_code unseal(nk_app *app, const nk_catalog_ctx *ctx, const nk_row *row, opened *out,
                      nk_err *err)
{
    nk_str context, json, times, created;
    glue_CreateConnectionRequest *doc;
    NK_TRY(context_of(ctx, row->cols[CONN_NAME].s, &context, err));
    nk_code rc =
        nk_unseal(nk_catalog_key(app), context, row->cols[CONN_SEALED].s, ctx->arena, &json, err);
    if (rc == NK_E_INVALID)
        return nk_fail(err, NK_E_INTERNAL,
                       "connection %.*s cannot be opened: catalog.key is not the one it was sealed "
                       "with",
                       NK_STR_ARG(row->cols[CONN_NAME].s));
    NK_TRY(rc);
    NK_TRY(
        nk_model_decode(&glue_CreateConnectionRequest_shape, json, ctx->arena, (void **)&doc, err));
    times = doc->CatalogId;
    if (!doc->ConnectionInput || !nk_str_split(&times, ' ', &created) ||
        !nk_str_i64(created, &out->created_us) || !nk_str_i64(times, &out->updated_us))
        return nk_fail(err, NK_E_INTERNAL, "a connection's record is damaged");
    out->in = doc->ConnectionInput;
    return NK_OK;
}

static nk_code load(nk_tx *tx, nk_app *app, const nk_catalog_ctx *ctx, nk_str name, opened *out,
                    nk_err *err)
{
    nk_code rc = nk_store_get(tx, &nk_kind_connection, NK_KEY(nk_vs(ctx->region), nk_vs(name)),
                              ctx->arena, &out->row, err);
    if (rc == NK_E_NOT_FOUND)
        return nk_fail(err, rc, "Connection %.*s not found.", NK_STR_ARG(name));
    NK_TRY(rc);
    return unseal(app, ctx, &out->row, out, err);
}

nk_code nk_catalog_get_connection(nk_tx *tx, nk_app *app, const nk_catalog_ctx *ctx, nk_str name,
                                  const glue_ConnectionInput **out, nk_err *err)
{
    opened o;
    NK_TRY(load(tx, app, ctx, name, &o, err));
    *out = o.in;
    return NK_OK;
}

/* ---- what is answered ---- */

typedef struct view {
    nk_call *call;
    const nk_catalog_ctx *ctx;
    bool hide;      /* HidePassword */
    bool encrypt;   /* the catalogue's ConnectionPasswordEncryption */
    nk_str compute; /* ApplyOverrideForComputeEnvironment */
} view;

static nk_code secret(const view *v, const glue_RegisterConnectionTypeRequest *custom, nk_str key,
                      bool *yes)
{
    const nk_conn_property *p = nk_conn_property_find(key);
    *yes = p && p->secret;
    return custom ? nk_custom_type_secret(custom, key, v->call->arena, yes, v->call->err) : NK_OK;
}

/* The properties without passwords, or with ENCRYPTED_… in their place. custom: NULL when the type
 * is built in. */
static nk_code shown_properties(const view *v, nk_str name,
                                const glue_RegisterConnectionTypeRequest *custom,
                                const nk_map_str *in, nk_map_str *out)
{
    nk_arena *a = v->call->arena;
    bool hidden;
    *out = (nk_map_str){.v = NK_NEWN(a, nk_pair, in->n + 1), .set = true};
    if (!out->v)
        return nk_fail(v->call->err, NK_E_NOMEM, "out of memory");
    for (size_t i = 0; i < in->n; i++) {
        nk_pair *to = &out->v[out->n];
        *to = in->v[i];
        NK_TRY(secret(v, custom, in->v[i].key, &hidden));
        if (hidden && v->hide)
            continue;
        if (hidden && v->encrypt && !nk_str_starts(in->v[i].key, NK_STR("ENCRYPTED_"))) {
            nk_str sealed;
            NK_TRY(nk_seal(nk_catalog_key(v->call->app), name, in->v[i].value, a, &sealed,
                           v->call->err));
            to->key = nk_str_printf(a, "ENCRYPTED_%.*s", NK_STR_ARG(in->v[i].key));
            to->value = nk_base64_encode(a, sealed);
            if (!to->key.p || !to->value.p)
                return nk_fail(v->call->err, NK_E_NOMEM, "out of memory");
        }
        out->n++;
    }
    return NK_OK;
}

static nk_code shown_auth(nk_arena *a, const glue_AuthenticationConfigurationInput *in,
                          glue_AuthenticationConfiguration **out)
{
    if (!in)
        return NK_OK;
    glue_AuthenticationConfiguration *c = *out = NK_NEW(a, glue_AuthenticationConfiguration);
    glue_OAuth2Properties *o = NK_NEW(a, glue_OAuth2Properties);
    if (!c || !o)
        return NK_E_NOMEM;
    c->AuthenticationType = in->AuthenticationType;
    c->SecretArn = in->SecretArn;
    c->KmsKeyArn = in->KmsKeyArn;
    if (in->OAuth2Properties) {
        o->OAuth2GrantType = in->OAuth2Properties->OAuth2GrantType;
        o->OAuth2ClientApplication = in->OAuth2Properties->OAuth2ClientApplication;
        o->TokenUrl = in->OAuth2Properties->TokenUrl;
        o->TokenUrlParametersMap = in->OAuth2Properties->TokenUrlParametersMap;
        c->OAuth2Properties = o;
    }
    return NK_OK;
}

/* An environment's own properties stand over the common ones. */
static nk_code overridden(const view *v, const glue_ConnectionInput *in, nk_map_str *properties)
{
    const nk_map_str *over = nk_str_is(v->compute, "SPARK")    ? &in->SparkProperties
                             : nk_str_is(v->compute, "ATHENA") ? &in->AthenaProperties
                             : nk_str_is(v->compute, "PYTHON") ? &in->PythonProperties
                                                               : NULL;
    for (size_t i = 0; over && i < over->n; i++)
        if (nk_model_member(&glue_ConnectionInput_shape, NK_STR("ConnectionProperties")) &&
            nk_conn_property_find(over->v[i].key) &&
            nk_map_str_put(properties, v->call->arena, over->v[i].key, over->v[i].value) != NK_OK)
            return nk_fail(v->call->err, NK_E_NOMEM, "out of memory");
    return NK_OK;
}

/* Version 2: anything that only the newer form of connections has. */
static int64_t schema_version(const glue_ConnectionInput *in)
{
    return in->AuthenticationConfiguration || in->SparkProperties.n || in->AthenaProperties.n ||
                   in->PythonProperties.n
               ? 2
               : 1;
}

static nk_code show(const view *v, const opened *o, glue_Connection *c)
{
    const glue_ConnectionInput *in = o->in;
    nk_arena *a = v->call->arena;
    const nk_conn_type *t = nk_conn_type_find(in->ConnectionType);
    const glue_RegisterConnectionTypeRequest *custom;
    *c = (glue_Connection){
        .Name = in->Name,
        .Description = in->Description,
        .ConnectionType = in->ConnectionType,
        .MatchCriteria = in->MatchCriteria,
        .SparkProperties = in->SparkProperties,
        .AthenaProperties = in->AthenaProperties,
        .PythonProperties = in->PythonProperties,
        .PhysicalConnectionRequirements = in->PhysicalConnectionRequirements,
        .CreationTime = nk_some_time(o->created_us),
        .LastUpdatedTime = nk_some_time(o->updated_us),
        .Status = NK_STR("READY"),
        .ConnectionSchemaVersion = nk_some_i64(schema_version(in)),
    };
    NK_TRY(nk_custom_type_find(v->call->tx, v->call->region, in->ConnectionType, a, &custom,
                               v->call->err));
    if (custom) {
        glue_Capabilities *can;
        if (nk_custom_type_capabilities(custom, a, &can) != NK_OK)
            return nk_fail(v->call->err, NK_E_NOMEM, "out of memory");
        c->CompatibleComputeEnvironments = can->SupportedComputeEnvironments;
    } else if (t && nk_conn_environments(t, a, &c->CompatibleComputeEnvironments) != NK_OK) {
        return nk_fail(v->call->err, NK_E_NOMEM, "out of memory");
    }
    if (shown_auth(a, in->AuthenticationConfiguration, &c->AuthenticationConfiguration) != NK_OK)
        return nk_fail(v->call->err, NK_E_NOMEM, "out of memory");
    nk_map_str whole = in->ConnectionProperties;
    if (v->compute.p) {
        whole.v = NK_NEWN(a, nk_pair, whole.n + 1);
        if (!whole.v)
            return nk_fail(v->call->err, NK_E_NOMEM, "out of memory");
        for (size_t i = 0; i < whole.n; i++)
            whole.v[i] = in->ConnectionProperties.v[i];
        NK_TRY(overridden(v, in, &whole));
    }
    return shown_properties(v, in->Name, custom, &whole, &c->ConnectionProperties);
}

static nk_code begin_view(view *v, nk_call *call, const nk_catalog_ctx *ctx, nk_opt_bool hide)
{
    glue_DataCatalogEncryptionSettings *s;
    *v = (view){.call = call, .ctx = ctx, .hide = nk_bool_or(hide, false)};
    NK_TRY(nk_encryption_settings(call->tx, ctx, &s, call->err));
    v->encrypt = s->ConnectionPasswordEncryption->ReturnConnectionPasswordEncrypted.value;
    return NK_OK;
}

/* ---- operations ---- */

static nk_code create(nk_call *call, const glue_CreateConnectionRequest *in)
{
    nk_catalog_ctx ctx;
    nk_str resource;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    NK_TRY(check_input(call, in->ConnectionInput));
    NK_TRY(save(call, &ctx, in->ConnectionInput->Name, ctx.now_us, in->ConnectionInput, NULL));
    resource = nk_str_printf(call->arena, "connection/%.*s", NK_STR_ARG(in->ConnectionInput->Name));
    if (!resource.p)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    return nk_tags_put(call->tx, call->region, resource, &in->Tags, call->arena, call->err);
}

nk_code glue_CreateConnection(nk_call *call, const glue_CreateConnectionRequest *in,
                              glue_CreateConnectionResponse *out)
{
    if (nk_bool_or(in->ConnectionInput->ValidateCredentials, false))
        return nk_conn_untestable(in->ConnectionInput->ConnectionType, call->err);
    NK_TRY(create(call, in));
    out->CreateConnectionStatus = NK_STR("READY");
    return NK_OK;
}

nk_code glue_GetConnection(nk_call *call, const glue_GetConnectionRequest *in,
                           glue_GetConnectionResponse *out)
{
    nk_catalog_ctx ctx;
    opened o;
    view v;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    NK_TRY(load(call->tx, call->app, &ctx, in->Name, &o, call->err));
    NK_TRY(begin_view(&v, call, &ctx, in->HidePassword));
    v.compute = in->ApplyOverrideForComputeEnvironment;
    out->Connection = NK_NEW(call->arena, glue_Connection);
    if (!out->Connection)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    return show(&v, &o, out->Connection);
}

typedef struct wanted {
    nk_call *call;
    const nk_catalog_ctx *ctx;
    const glue_GetConnectionsFilter *filter;
    nk_code rc;
} wanted;

static bool want(void *arg, const nk_row *row)
{
    wanted *w = arg;
    const glue_GetConnectionsFilter *f = w->filter;
    opened o;
    if (!f || w->rc != NK_OK)
        return w->rc == NK_OK;
    if (f->ConnectionType.p && !nk_str_eq(f->ConnectionType, row->cols[CONN_TYPE].s))
        return false;
    if (!f->MatchCriteria.n && !f->ConnectionSchemaVersion.set)
        return true;
    w->rc = unseal(w->call->app, w->ctx, row, &o, w->call->err);
    if (w->rc != NK_OK || (f->ConnectionSchemaVersion.set &&
                           f->ConnectionSchemaVersion.value != schema_version(o.in)))
        return false;
    for (size_t i = 0; i < f->MatchCriteria.n; i++) {
        bool found = false;
        for (size_t k = 0; k < o.in->MatchCriteria.n; k++)
            found = found || nk_str_eq(o.in->MatchCriteria.v[k], f->MatchCriteria.v[i]);
        if (!found)
            return false;
    }
    return true;
}

static nk_str filter_text(nk_arena *a, const nk_catalog_ctx *ctx,
                          const glue_GetConnectionsFilter *f)
{
    nk_str text = nk_str_printf(a, "%.*s %.*s %lld", NK_STR_ARG(ctx->region),
                                NK_STR_ARG(f ? f->ConnectionType : NK_STR_NULL),
                                f ? (long long)f->ConnectionSchemaVersion.value : 0);
    for (size_t i = 0; f && text.p && i < f->MatchCriteria.n; i++)
        text =
            nk_str_printf(a, "%.*s\x1f%.*s", NK_STR_ARG(text), NK_STR_ARG(f->MatchCriteria.v[i]));
    return text;
}

nk_code glue_GetConnections(nk_call *call, const glue_GetConnectionsRequest *in,
                            glue_GetConnectionsResponse *out)
{
    nk_catalog_ctx ctx;
    view v;
    wanted w = {.call = call, .ctx = &ctx, .filter = in->Filter};
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    NK_TRY(begin_view(&v, call, &ctx, in->HidePassword));
    nk_docs_page page = {
        .call = call,
        .query = {.kind = &nk_kind_connection, .prefix = NK_KEY(nk_vs(ctx.region)), .nprefix = 1},
        .request = filter_text(call->arena, &ctx, in->Filter),
        .token = in->NextToken,
        .max = (size_t)nk_i64_or(in->MaxResults, 100),
        .want = want,
        .arg = &w};
    NK_TRY(nk_docs_list(&page, &out->NextToken));
    NK_TRY(w.rc);
    out->ConnectionList = (glue_Connection_list){
        .v = NK_NEWN(call->arena, glue_Connection, page.rows.n + 1), .n = page.rows.n, .set = true};
    if (!out->ConnectionList.v)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    for (size_t i = 0; i < page.rows.n; i++) {
        opened o;
        NK_TRY(unseal(call->app, &ctx, &page.rows.v[i], &o, call->err));
        NK_TRY(show(&v, &o, &out->ConnectionList.v[i]));
    }
    return NK_OK;
}

nk_code glue_UpdateConnection(nk_call *call, const glue_UpdateConnectionRequest *in,
                              glue_UpdateConnectionResponse *out)
{
    nk_catalog_ctx ctx;
    opened o;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    NK_TRY(load(call->tx, call->app, &ctx, in->Name, &o, call->err));
    if (!nk_str_eq(in->Name, in->ConnectionInput->Name))
        return nk_fail(call->err, NK_E_INVALID, "The name of a connection cannot be changed.");
    NK_TRY(check_input(call, in->ConnectionInput));
    if (nk_bool_or(in->ConnectionInput->ValidateCredentials, false))
        return nk_conn_untestable(in->ConnectionInput->ConnectionType, call->err);
    return save(call, &ctx, in->Name, o.created_us, in->ConnectionInput, &o.row);
}

static nk_code drop(nk_call *call, const nk_catalog_ctx *ctx, nk_str name, nk_err *err)
{
    nk_row row;
    const nk_val key[] = {nk_vs(ctx->region), nk_vs(name)};
    nk_code rc = nk_store_get(call->tx, &nk_kind_connection, key, call->arena, &row, err);
    if (rc == NK_E_NOT_FOUND)
        return nk_fail(err, rc, "Connection %.*s not found.", NK_STR_ARG(name));
    NK_TRY(rc);
    nk_str resource = nk_str_printf(call->arena, "connection/%.*s", NK_STR_ARG(name));
    if (!resource.p)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    if (!ctx->catalog_id.p)
        NK_TRY(nk_tags_forget(call, resource));
    NK_TRY(nk_store_delete(call->tx, &nk_kind_connection, key, err));
    return remember(call, ctx, name, NK_HIST_DELETE, &row, err);
}

nk_code glue_DeleteConnection(nk_call *call, const glue_DeleteConnectionRequest *in,
                              glue_DeleteConnectionResponse *out)
{
    nk_catalog_ctx ctx;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    return drop(call, &ctx, in->ConnectionName, call->err);
}

nk_code glue_BatchDeleteConnection(nk_call *call, const glue_BatchDeleteConnectionRequest *in,
                                   glue_BatchDeleteConnectionResponse *out)
{
    nk_catalog_ctx ctx;
    size_t n = in->ConnectionNameList.n;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    out->Succeeded.v = NK_NEWN(call->arena, nk_str, n + 1);
    out->Errors.v = nk_arena_calloc(call->arena, n + 1, sizeof *out->Errors.v);
    if (!out->Succeeded.v || !out->Errors.v)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    out->Succeeded.set = out->Errors.set = true;
    for (size_t i = 0; i < n; i++) {
        nk_err entry = NK_ERR_INIT;
        glue_ErrorDetail *detail;
        nk_str name = in->ConnectionNameList.v[i];
        nk_code rc = drop(call, &ctx, name, &entry);
        if (rc == NK_OK) {
            out->Succeeded.v[out->Succeeded.n++] = name;
            continue;
        }
        NK_TRY(nk_entry_error(rc, &entry, call->arena, &detail, call->err));
        out->Errors.v[out->Errors.n].key = name;
        out->Errors.v[out->Errors.n++].value = *detail;
    }
    return NK_OK;
}

typedef struct user {
    nk_arena *arena;
    nk_str name;
} user;

static bool use_row(void *arg, const nk_row *row)
{
    user *u = arg;
    u->name = nk_str_dup(u->arena, row->cols[CONN_NAME].s);
    return false;
}

static nk_code use_in(nk_tx *tx, nk_str space, nk_str type, user *u, nk_err *err)
{
    nk_cond same = {.op = NK_C_EQ, .col = CONN_TYPE, .vals = NK_KEY(nk_vs(type)), .nvals = 1};
    nk_query q = {.kind = &nk_kind_connection,
                  .prefix = NK_KEY(nk_vs(space)),
                  .nprefix = 1,
                  .where = &same,
                  .no_body = true,
                  .limit = 1};
    return nk_store_scan(tx, &q, use_row, u, err);
}

typedef struct users {
    nk_call *call;
    nk_str type;
    user user;
    nk_code rc;
} users;

static bool use_catalog(void *arg, const nk_row *row)
{
    users *u = arg;
    nk_str space = nk_str_printf(u->call->arena, "catalog/%lld", (long long)row->cols[NK_CAT_ID].i);
    u->rc = space.p ? use_in(u->call->tx, space, u->type, &u->user, u->call->err) : NK_E_NOMEM;
    return u->rc == NK_OK && !u->user.name.p;
}

nk_code nk_connection_of_type(nk_call *call, nk_str type, nk_str *out)
{
    users u = {.call = call, .type = type, .user = {.arena = call->arena}};
    nk_query q = {.kind = &nk_kind_catalog,
                  .prefix = NK_KEY(nk_vs(call->region)),
                  .nprefix = 1,
                  .no_body = true};
    NK_TRY(use_in(call->tx, call->region, type, &u.user, call->err));
    if (!u.user.name.p)
        NK_TRY(nk_store_scan(call->tx, &q, use_catalog, &u, call->err));
    *out = u.user.name;
    return u.rc == NK_OK ? NK_OK : nk_fail(call->err, u.rc, "the connections cannot be read");
}

/* ---- testing ---- */

nk_code nk_conn_untestable(nk_str type, nk_err *err)
{
    nk_code rc = nk_fail(err, NK_E_INVALID,
                         "Connections of type %.*s cannot be tested: this Nikawa (%s) has no "
                         "connector for them that could log in.",
                         NK_STR_ARG(type), NK_VERSION);
    (void)nk_hint(err, "Create the connection without ValidateCredentials; jobs use it as it is.");
    return rc;
}

nk_code glue_TestConnection(nk_call *call, const glue_TestConnectionRequest *in,
                            glue_TestConnectionResponse *out)
{
    nk_catalog_ctx ctx;
    opened o;
    const glue_TestConnectionInput *t = in->TestConnectionInput;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    if ((in->ConnectionName.p != NULL) == (t != NULL))
        return nk_fail(call->err, NK_E_INVALID,
                       "Give either ConnectionName or TestConnectionInput.");
    if (!t) {
        NK_TRY(load(call->tx, call->app, &ctx, in->ConnectionName, &o, call->err));
        return nk_conn_untestable(o.in->ConnectionType, call->err);
    }
    glue_ConnectionInput input = {.Name = NK_STR("test"),
                                  .ConnectionType = t->ConnectionType,
                                  .ConnectionProperties = t->ConnectionProperties,
                                  .AuthenticationConfiguration = t->AuthenticationConfiguration};
    NK_TRY(check_input(call, &input));
    return nk_conn_untestable(t->ConnectionType, call->err);
}
