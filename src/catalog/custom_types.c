/* Types of connections that RegisterConnectionType made: a region's documents, read wherever
 * connection_types.def does not know a type. */
#include "catalog/connections_int.h"
#include "catalog/history_int.h"
#include "catalog/tags.h"

static const nk_col cols[] = {{"region", NK_COL_TEXT}, {"name", NK_COL_TEXT}};
const nk_kind nk_kind_connection_type = {.name = "glue_connection_type",
                                         .version = 1,
                                         .nkey = 2,
                                         .cols = cols,
                                         .ncols = NK_COUNTOF(cols)};
static const nk_doc_type type = {&nk_kind_connection_type,
                                 &glue_RegisterConnectionTypeRequest_shape, "Connection type"};
static const nk_str PREFIX = {"REST-", 5};

enum { ALLOWED_MAX = 128 }; /* letters of an allowed value, as the model has it in replies */

/* ---- the properties of a part of the document, wherever they stand in it ---- */

NK_LIST(props, const glue_ConnectorProperty *);

static nk_code collect(const nk_shape *s, const void *v, nk_arena *a, props *out)
{
    if (s == &glue_ConnectorProperty_shape) {
        const glue_ConnectorProperty **to = props_add(out, a);
        if (to)
            *to = v;
        return to ? NK_OK : NK_E_NOMEM;
    }
    for (unsigned i = 0; i < s->n_members; i++) {
        const nk_shape *m = s->members[i].shape;
        const char *at = (const char *)v + s->members[i].offset;
        if (m->kind == NK_KIND_STRUCT) {
            const void *below;
            memcpy(&below, at, sizeof below);
            if (below)
                NK_TRY(collect(m, below, a, out));
        } else if (m->kind == NK_KIND_LIST && m->elem->kind == NK_KIND_STRUCT) {
            struct {
                const char *v;
                size_t n;
            } list; /* how every generated list begins */
            memcpy(&list, at, sizeof list);
            for (size_t k = 0; k < list.n; k++)
                NK_TRY(collect(m->elem, list.v + k * m->elem->size, a, out));
        }
    }
    return NK_OK;
}

static const glue_ConnectorProperty *named(const props *p, nk_str name)
{
    for (size_t i = 0; i < p->n; i++)
        if (nk_str_eq(p->v[i]->Name, name))
            return p->v[i];
    return NULL;
}

static bool allowed(const glue_ConnectorProperty *p, nk_str value)
{
    for (size_t i = 0; i < p->AllowedValues.n; i++)
        if (nk_str_eq(p->AllowedValues.v[i], value))
            return true;
    return !p->AllowedValues.n;
}

static nk_code connection_props(const glue_RegisterConnectionTypeRequest *t, nk_arena *a,
                                props *out, nk_err *err)
{
    *out = (props){0};
    return collect(&glue_ConnectionPropertiesConfiguration_shape, t->ConnectionProperties, a,
                   out) == NK_OK
               ? NK_OK
               : nk_fail(err, NK_E_NOMEM, "out of memory");
}

/* ---- registering ---- */

static nk_code check_property(const props *all, size_t i, nk_str where, nk_err *err)
{
    const glue_ConnectorProperty *p = all->v[i];
    if (named(all, p->Name) != p)
        return nk_fail(err, NK_E_INVALID, "%.*s has two properties with the name %.*s.",
                       NK_STR_ARG(where), NK_STR_ARG(p->Name));
    for (size_t k = 0; k < p->AllowedValues.n; k++) {
        size_t n = nk_utf8_len(p->AllowedValues.v[k]);
        if (!n || n > ALLOWED_MAX)
            return nk_fail(err, NK_E_INVALID,
                           "An allowed value of property %.*s must have 1 to %d characters.",
                           NK_STR_ARG(p->Name), ALLOWED_MAX);
    }
    if (p->DefaultValue.p && !allowed(p, p->DefaultValue))
        return nk_fail(err, NK_E_INVALID,
                       "The default value of property %.*s is not one of its allowed values.",
                       NK_STR_ARG(p->Name));
    return NK_OK;
}

/* Names are unique within each of these parts. */
static nk_code check_part(const nk_shape *shape, const void *part, const char *where, nk_arena *a,
                          nk_err *err)
{
    props all = {0};
    if (!part)
        return NK_OK;
    if (collect(shape, part, a, &all) != NK_OK)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    for (size_t i = 0; i < all.n; i++)
        NK_TRY(check_property(&all, i, nk_str_c(where), err));
    return NK_OK;
}

static nk_code check_oauth2(const glue_ConnectorOAuth2Properties *o, nk_err *err)
{
    if (!o)
        return nk_fail(err, NK_E_INVALID, "Authentication by OAUTH2 needs OAuth2Properties.");
    bool has = nk_str_is(o->OAuth2GrantType, "CLIENT_CREDENTIALS")
                   ? !!o->ClientCredentialsProperties
               : nk_str_is(o->OAuth2GrantType, "JWT_BEARER") ? !!o->JWTBearerProperties
                                                             : !!o->AuthorizationCodeProperties;
    return has ? NK_OK
               : nk_fail(err, NK_E_INVALID, "OAuth2Properties lacks the properties of %.*s.",
                         NK_STR_ARG(o->OAuth2GrantType));
}

static nk_code check_auth(const glue_ConnectorAuthenticationConfiguration *c, nk_arena *a,
                          nk_err *err)
{
    if (!c->AuthenticationTypes.n)
        return nk_fail(err, NK_E_INVALID, "AuthenticationTypes names no type.");
    for (size_t i = 0; i < c->AuthenticationTypes.n; i++) {
        nk_str one = c->AuthenticationTypes.v[i];
        if (nk_str_is(one, "IAM"))
            return nk_fail(err, NK_E_INVALID,
                           "A REST connection type can authenticate by BASIC, OAUTH2 or CUSTOM.");
        if (nk_str_is(one, "OAUTH2"))
            NK_TRY(check_oauth2(c->OAuth2Properties, err));
        if (nk_str_is(one, "CUSTOM") && !c->CustomAuthenticationProperties)
            return nk_fail(err, NK_E_INVALID,
                           "Authentication by CUSTOM needs CustomAuthenticationProperties.");
    }
    NK_TRY(check_part(&glue_ConnectorOAuth2Properties_shape, c->OAuth2Properties,
                      "OAuth2Properties", a, err));
    NK_TRY(check_part(&glue_BasicAuthenticationProperties_shape, c->BasicAuthenticationProperties,
                      "BasicAuthenticationProperties", a, err));
    return check_part(&glue_CustomAuthenticationProperties_shape, c->CustomAuthenticationProperties,
                      "CustomAuthenticationProperties", a, err);
}

static nk_str resource_of(nk_arena *a, nk_str name)
{
    return nk_str_printf(a, "connectionType/%.*s", NK_STR_ARG(name));
}

static nk_kept kept_of(nk_call *call, const nk_catalog_ctx *ctx, nk_str name)
{
    return (nk_kept){.tx = call->tx,
                     .ctx = ctx,
                     .kind = NK_HIST_TYPE,
                     .space = call->region,
                     .object =
                         nk_str_printf(call->arena, "connection type %.*s", NK_STR_ARG(name))};
}

nk_code glue_RegisterConnectionType(nk_call *call, const glue_RegisterConnectionTypeRequest *in,
                                    glue_RegisterConnectionTypeResponse *out)
{
    glue_RegisterConnectionTypeRequest doc = *in;
    nk_str name = in->ConnectionType, resource = resource_of(call->arena, name);
    if (!nk_str_starts(name, PREFIX) || name.n == PREFIX.n)
        return nk_fail(call->err, NK_E_INVALID,
                       "The name of a connection type must be %.*s and something.",
                       NK_STR_ARG(PREFIX));
    NK_TRY(check_part(&glue_ConnectionPropertiesConfiguration_shape, in->ConnectionProperties,
                      "ConnectionProperties", call->arena, call->err));
    NK_TRY(check_auth(in->ConnectorAuthenticationConfiguration, call->arena, call->err));
    doc.Tags = (nk_map_str){0};
    nk_catalog_ctx ctx = nk_catalog_ctx_of(call);
    nk_kept k = kept_of(call, &ctx, name);
    nk_code rc = nk_kept_doc(&k, &type, NK_KEY(nk_vs(call->region), nk_vs(name)), name, &doc, true,
                             call->err);
    if (rc == NK_E_EXISTS) /* the model has no AlreadyExistsException here */
        return nk_fail(call->err, NK_E_INVALID, "Connection type %.*s already exists.",
                       NK_STR_ARG(name));
    NK_TRY(rc);
    out->ConnectionTypeArn =
        nk_str_printf(call->arena, "arn:aws:glue:%.*s:%.*s:connectionType:%.*s",
                      NK_STR_ARG(call->region), NK_STR_ARG(call->account_id), NK_STR_ARG(name));
    if (!out->ConnectionTypeArn.p || !resource.p)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    return nk_tags_put(call->tx, call->region, resource, &in->Tags, call->arena, call->err);
}

nk_code glue_DeleteConnectionType(nk_call *call, const glue_DeleteConnectionTypeRequest *in,
                                  glue_DeleteConnectionTypeResponse *out)
{
    nk_str name = in->ConnectionType, user, resource = resource_of(call->arena, name);
    if (nk_conn_type_find(name))
        return nk_fail(call->err, NK_E_INVALID,
                       "Connection type %.*s is built in and cannot be deleted.", NK_STR_ARG(name));
    if (!resource.p)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    nk_catalog_ctx ctx = nk_catalog_ctx_of(call);
    nk_kept k = kept_of(call, &ctx, name);
    NK_TRY(nk_tags_forget(call, resource));
    NK_TRY(nk_kept_doc_drop(&k, &type, NK_KEY(nk_vs(call->region), nk_vs(name)), name, call->err));
    NK_TRY(nk_connection_of_type(call, name, &user));
    if (user.p)
        return nk_fail(call->err, NK_E_INVALID,
                       "Connection type %.*s is in use by connection %.*s: delete that first.",
                       NK_STR_ARG(name), NK_STR_ARG(user));
    return NK_OK;
}

/* ---- reading ---- */

nk_code nk_custom_type_find(nk_tx *tx, nk_str region, nk_str name, nk_arena *a,
                            const glue_RegisterConnectionTypeRequest **out, nk_err *err)
{
    void *value = NULL;
    *out = NULL;
    if (!nk_str_starts(name, PREFIX))
        return NK_OK;
    nk_code rc =
        nk_doc_load(tx, &type, NK_KEY(nk_vs(region), nk_vs(name)), name, a, &value, NULL, err);
    *out = rc == NK_OK ? value : NULL;
    return rc == NK_E_NOT_FOUND ? NK_OK : rc;
}

nk_code nk_custom_type_capabilities(const glue_RegisterConnectionTypeRequest *t, nk_arena *a,
                                    glue_Capabilities **out)
{
    static const nk_str read = {"READ", 4}, spark = {"SPARK", 5};
    glue_Capabilities *c = *out = NK_NEW(a, glue_Capabilities);
    if (!c)
        return NK_E_NOMEM;
    c->SupportedAuthenticationTypes = t->ConnectorAuthenticationConfiguration->AuthenticationTypes;
    c->SupportedDataOperations = (nk_list_str){.v = (nk_str *)&read, .n = 1, .set = true};
    c->SupportedComputeEnvironments = (nk_list_str){.v = (nk_str *)&spark, .n = 1, .set = true};
    return NK_OK;
}

/* ---- listing ---- */

typedef struct lister {
    nk_call *call;
    glue_ConnectionTypeBrief *v;
    size_t n, max;
    nk_str last;
    bool more;
    nk_code rc;
} lister;

static nk_code brief(nk_arena *a, const nk_row *row, glue_ConnectionTypeBrief *out, nk_err *err)
{
    static const nk_str category = {"REST", 4};
    enum { DISPLAY_MAX = 128 };
    void *value;
    nk_str body = nk_str_dup(a, row->body);
    if (!body.p)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    NK_TRY(nk_model_decode(type.shape, body, a, &value, err));
    const glue_RegisterConnectionTypeRequest *t = value;
    *out = (glue_ConnectionTypeBrief){.ConnectionType = t->ConnectionType,
                                      .Description = t->Description};
    if (nk_utf8_len(t->ConnectionType) <= DISPLAY_MAX)
        out->DisplayName = t->ConnectionType;
    out->Categories = (nk_list_str){.v = (nk_str *)&category, .n = 1, .set = true};
    return nk_custom_type_capabilities(t, a, &out->Capabilities) == NK_OK
               ? NK_OK
               : nk_fail(err, NK_E_NOMEM, "out of memory");
}

static bool list_row(void *arg, const nk_row *row)
{
    lister *l = arg;
    l->more = l->n == l->max;
    if (l->more)
        return false;
    l->rc = brief(l->call->arena, row, &l->v[l->n], l->call->err);
    if (l->rc == NK_OK)
        l->last = l->v[l->n++].ConnectionType;
    return l->rc == NK_OK;
}

nk_code nk_custom_types_list(nk_call *call, nk_str after, size_t max, glue_ConnectionTypeBrief *v,
                             size_t *n, nk_str *next)
{
    lister l = {.call = call, .v = v, .max = max};
    nk_pos place = {.v = {nk_vs(call->region), nk_vs(after)}, .n = 2};
    nk_query q = {.kind = &nk_kind_connection_type,
                  .prefix = NK_KEY(nk_vs(call->region)),
                  .nprefix = 1,
                  .after = &place,
                  .limit = max + 1};
    NK_TRY(nk_store_scan(call->tx, &q, list_row, &l, call->err));
    NK_TRY(l.rc);
    *n = l.n;
    *next = !l.more ? NK_STR_NULL : l.n ? l.last : after;
    return NK_OK;
}

/* ---- describing ---- */

static nk_code described(const glue_ConnectorProperty *p, nk_arena *a, glue_Property *out)
{
    nk_str *kind = NK_NEW(a, nk_str);
    glue_AllowedValue *values =
        nk_arena_calloc(a, p->AllowedValues.n + 1, sizeof(glue_AllowedValue));
    nk_str description = p->PropertyLocation.p ? nk_str_printf(a, "Goes into requests: %.*s.",
                                                               NK_STR_ARG(p->PropertyLocation))
                                               : NK_STR("A setting of the connection.");
    if (!kind || !values || !description.p)
        return NK_E_NOMEM;
    *kind = p->PropertyType;
    for (size_t i = 0; i < p->AllowedValues.n; i++)
        values[i].Value = p->AllowedValues.v[i];
    *out = (glue_Property){
        .Name = p->Name,
        .Description = description,
        .Required = p->Required,
        .DefaultValue = p->DefaultValue,
        .PropertyTypes = {.v = kind, .n = 1, .set = true},
        .AllowedValues = {.v = values, .n = p->AllowedValues.n, .set = p->AllowedValues.n > 0},
        .KeyOverride = p->KeyOverride,
        .PropertyLocation = p->PropertyLocation};
    return NK_OK;
}

static nk_code describe_part(const nk_shape *shape, const void *part, nk_arena *a,
                             glue_Property_map *out)
{
    props all = {0};
    if (!part)
        return NK_OK;
    NK_TRY(collect(shape, part, a, &all));
    out->v = nk_arena_calloc(a, all.n + 1, sizeof *out->v);
    if (!out->v)
        return NK_E_NOMEM;
    out->set = true;
    for (size_t i = 0; i < all.n; i++, out->n++) {
        out->v[i].key = all.v[i]->Name;
        NK_TRY(described(all.v[i], a, &out->v[i].value));
    }
    return NK_OK;
}

static nk_code describe_auth(const glue_ConnectorAuthenticationConfiguration *c, nk_arena *a,
                             glue_AuthConfiguration **out)
{
    glue_ConnectorProperty kind = {.Name = NK_STR("AuthenticationType"),
                                   .Required = nk_some_bool(true),
                                   .AllowedValues = c->AuthenticationTypes,
                                   .PropertyType = NK_STR("USER_INPUT")},
                           secret = {.Name = NK_STR("SecretArn"),
                                     .Required = nk_some_bool(false),
                                     .PropertyType = NK_STR("USER_INPUT")};
    glue_AuthConfiguration *x = *out = NK_NEW(a, glue_AuthConfiguration);
    if (!x || !(x->AuthenticationType = NK_NEW(a, glue_Property)) ||
        !(x->SecretArn = NK_NEW(a, glue_Property)))
        return NK_E_NOMEM;
    NK_TRY(described(&kind, a, x->AuthenticationType));
    NK_TRY(described(&secret, a, x->SecretArn));
    NK_TRY(describe_part(&glue_ConnectorOAuth2Properties_shape, c->OAuth2Properties, a,
                         &x->OAuth2Properties));
    NK_TRY(describe_part(&glue_BasicAuthenticationProperties_shape,
                         c->BasicAuthenticationProperties, a, &x->BasicAuthenticationProperties));
    return describe_part(&glue_CustomAuthenticationProperties_shape,
                         c->CustomAuthenticationProperties, a, &x->CustomAuthenticationProperties);
}

nk_code nk_custom_type_describe(const glue_RegisterConnectionTypeRequest *t, nk_arena *a,
                                glue_DescribeConnectionTypeResponse *out)
{
    out->ConnectionType = t->ConnectionType;
    out->Description = t->Description;
    out->RestConfiguration = t->RestConfiguration;
    NK_TRY(nk_custom_type_capabilities(t, a, &out->Capabilities));
    NK_TRY(describe_part(&glue_ConnectionPropertiesConfiguration_shape, t->ConnectionProperties, a,
                         &out->ConnectionProperties));
    return describe_auth(t->ConnectorAuthenticationConfiguration, a,
                         &out->AuthenticationConfiguration);
}

/* ---- connections of such a type ---- */

static bool secret(const glue_ConnectorProperty *p)
{
    return nk_str_starts(p->PropertyType, NK_STR("SECRET")); /* SECRET_OR_USER_INPUT, too */
}

nk_code nk_custom_type_secret(const glue_RegisterConnectionTypeRequest *t, nk_str key, nk_arena *a,
                              bool *yes, nk_err *err)
{
    props all;
    NK_TRY(connection_props(t, a, &all, err));
    const glue_ConnectorProperty *p = named(&all, key);
    *yes = p && secret(p);
    return NK_OK;
}

static nk_code check_given(const props *all, const glue_ConnectionInput *in, nk_err *err)
{
    for (size_t i = 0; i < in->ConnectionProperties.n; i++) {
        nk_str key = in->ConnectionProperties.v[i].key, value = in->ConnectionProperties.v[i].value;
        const glue_ConnectorProperty *p = named(all, key);
        if (!p || nk_str_is(p->PropertyType, "READ_ONLY") || nk_str_is(p->PropertyType, "UNUSED"))
            return nk_fail(err, NK_E_INVALID,
                           "%.*s is no property that a connection of type %.*s "
                           "can be given.",
                           NK_STR_ARG(key), NK_STR_ARG(in->ConnectionType));
        if (!allowed(p, value))
            return nk_fail(err, NK_E_INVALID, "The value of %.*s is not one that its type allows.",
                           NK_STR_ARG(key));
    }
    return NK_OK;
}

static nk_code check_credentials(const glue_ConnectorAuthenticationConfiguration *c,
                                 const glue_ConnectionInput *in, nk_err *err)
{
    const glue_AuthenticationConfigurationInput *auth = in->AuthenticationConfiguration;
    bool known = false;
    if (!auth || !auth->AuthenticationType.p)
        return nk_fail(err, NK_E_INVALID,
                       "A connection of type %.*s needs an AuthenticationConfiguration with its "
                       "AuthenticationType.",
                       NK_STR_ARG(in->ConnectionType));
    for (size_t i = 0; i < c->AuthenticationTypes.n; i++)
        known = known || nk_str_eq(c->AuthenticationTypes.v[i], auth->AuthenticationType);
    if (!known)
        return nk_fail(err, NK_E_INVALID, "Connections of type %.*s cannot authenticate by %.*s.",
                       NK_STR_ARG(in->ConnectionType), NK_STR_ARG(auth->AuthenticationType));
    if (auth->OAuth2Properties && auth->OAuth2Properties->OAuth2GrantType.p &&
        c->OAuth2Properties &&
        !nk_str_eq(auth->OAuth2Properties->OAuth2GrantType, c->OAuth2Properties->OAuth2GrantType))
        return nk_fail(err, NK_E_INVALID, "Connections of type %.*s are granted by %.*s.",
                       NK_STR_ARG(in->ConnectionType),
                       NK_STR_ARG(c->OAuth2Properties->OAuth2GrantType));
    return NK_OK;
}

nk_code nk_custom_type_check(const glue_RegisterConnectionTypeRequest *t,
                             const glue_ConnectionInput *in, nk_arena *a, nk_err *err)
{
    props all;
    NK_TRY(connection_props(t, a, &all, err));
    NK_TRY(check_given(&all, in, err));
    NK_TRY(check_credentials(t->ConnectorAuthenticationConfiguration, in, err));
    for (size_t i = 0; i < all.n; i++) {
        const glue_ConnectorProperty *p = all.v[i];
        bool given = nk_conn_given(in, p->Name) || p->DefaultValue.p ||
                     (secret(p) && in->AuthenticationConfiguration->SecretArn.p);
        if (nk_bool_or(p->Required, false) && !given)
            return nk_fail(err, NK_E_INVALID,
                           "Validation for connection properties failed: a connection of type "
                           "%.*s needs %.*s.",
                           NK_STR_ARG(in->ConnectionType), NK_STR_ARG(p->Name));
    }
    return NK_OK;
}
