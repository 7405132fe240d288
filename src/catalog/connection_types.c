/* ListConnectionTypes and DescribeConnectionType: what connection_types.def says, then the types
 * that were registered (custom_types.c). */
#include "catalog/connections_int.h"

#define NONE   0
#define BASIC  NK_CONN_BASIC
#define OAUTH2 NK_CONN_OAUTH2
#define CUSTOM NK_CONN_CUSTOM
#define IAM    NK_CONN_IAM
#define R      NK_CONN_R
#define RW     (NK_CONN_R | NK_CONN_W)
#define SPARK  NK_CONN_SPARK
#define ATHENA NK_CONN_ATHENA
#define PYTHON NK_CONN_PYTHON
#define KAFKA                                                                                      \
    "KAFKA_SSL_ENABLED KAFKA_CUSTOM_CERT KAFKA_SKIP_CUSTOM_CERT_VALIDATION KAFKA_CLIENT_KEYSTORE " \
    "KAFKA_CLIENT_KEYSTORE_PASSWORD KAFKA_CLIENT_KEY_PASSWORD KAFKA_SASL_MECHANISM "               \
    "KAFKA_SASL_PLAIN_USERNAME KAFKA_SASL_PLAIN_PASSWORD KAFKA_SASL_SCRAM_USERNAME "               \
    "KAFKA_SASL_SCRAM_PASSWORD KAFKA_SASL_SCRAM_SECRETS_ARN KAFKA_SASL_GSSAPI_KEYTAB "             \
    "KAFKA_SASL_GSSAPI_KRB5_CONF KAFKA_SASL_GSSAPI_SERVICE KAFKA_SASL_GSSAPI_PRINCIPAL"
static const nk_conn_type types[] = {
#define NK_CONN(type, name, vendor, category, auth, operations, environments, required, optional)  \
    {#type, name, vendor, category, auth, operations, environments, required, optional},
#include "catalog/connection_types.def"
#undef NK_CONN
};
#undef CUSTOM
#undef KAFKA

#define P(key, secret, description)                                                                \
    {                                                                                              \
        {#key, sizeof(#key) - 1}, secret, description                                              \
    }
static const nk_conn_property properties[] = {
    P(HOST, false, "The host's name or address."),
    P(PORT, false, "The port that the host listens on."),
    P(USERNAME, false, "The name to log in with."),
    P(PASSWORD, true, "The password of that name."),
    P(ENCRYPTED_PASSWORD, true, "The password, encrypted by the catalogue's settings."),
    P(JDBC_DRIVER_JAR_URI, false, "The S3 path of the JDBC driver's jar."),
    P(JDBC_DRIVER_CLASS_NAME, false, "The class of the JDBC driver."),
    P(JDBC_ENGINE, false, "The database's engine: mysql, postgresql, oracle, sqlserver, redshift."),
    P(JDBC_ENGINE_VERSION, false, "The engine's version."),
    P(CONFIG_FILES, false, "Further configuration files."),
    P(INSTANCE_ID, false, "The id of the database's instance."),
    P(JDBC_CONNECTION_URL, false, "The JDBC URL."),
    P(JDBC_ENFORCE_SSL, false, "Whether a connection without TLS fails: true or false."),
    P(CUSTOM_JDBC_CERT, false, "The S3 path of the authority's certificate, PEM."),
    P(SKIP_CUSTOM_JDBC_CERT_VALIDATION, false, "Whether that certificate is not validated."),
    P(CUSTOM_JDBC_CERT_STRING, false, "What the database's certificate must say of its name."),
    P(CONNECTION_URL, false, "The URL of the database."),
    P(KAFKA_BOOTSTRAP_SERVERS, false, "Host and port of brokers, between commas."),
    P(KAFKA_SSL_ENABLED, false, "Whether TLS is used: true or false; true unless given."),
    P(KAFKA_CUSTOM_CERT, false, "The S3 path of the authority's certificate, PEM."),
    P(KAFKA_SKIP_CUSTOM_CERT_VALIDATION, false, "Whether that certificate is not validated."),
    P(KAFKA_CLIENT_KEYSTORE, false, "The S3 path of the client's key store."),
    P(KAFKA_CLIENT_KEYSTORE_PASSWORD, true, "The password of the key store."),
    P(KAFKA_CLIENT_KEY_PASSWORD, true, "The password of the key in it."),
    P(ENCRYPTED_KAFKA_CLIENT_KEYSTORE_PASSWORD, true, "The key store's password, encrypted."),
    P(ENCRYPTED_KAFKA_CLIENT_KEY_PASSWORD, true, "The key's password, encrypted."),
    P(KAFKA_SASL_MECHANISM, false, "SCRAM-SHA-512, GSSAPI, AWS_MSK_IAM or PLAIN."),
    P(KAFKA_SASL_PLAIN_USERNAME, false, "The name for PLAIN."),
    P(KAFKA_SASL_PLAIN_PASSWORD, true, "The password for PLAIN."),
    P(ENCRYPTED_KAFKA_SASL_PLAIN_PASSWORD, true, "The password for PLAIN, encrypted."),
    P(KAFKA_SASL_SCRAM_USERNAME, false, "The name for SCRAM-SHA-512."),
    P(KAFKA_SASL_SCRAM_PASSWORD, true, "The password for SCRAM-SHA-512."),
    P(KAFKA_SASL_SCRAM_SECRETS_ARN, false, "The secret that holds name and password."),
    P(ENCRYPTED_KAFKA_SASL_SCRAM_PASSWORD, true, "The password for SCRAM-SHA-512, encrypted."),
    P(KAFKA_SASL_GSSAPI_KEYTAB, false, "The S3 path of the Kerberos keytab."),
    P(KAFKA_SASL_GSSAPI_KRB5_CONF, false, "The S3 path of krb5.conf."),
    P(KAFKA_SASL_GSSAPI_SERVICE, false, "The Kerberos service's name."),
    P(KAFKA_SASL_GSSAPI_PRINCIPAL, false, "The Kerberos principal."),
    P(SECRET_ID, false, "The secret that holds the credentials."),
    P(CONNECTOR_URL, false, "The S3 path of the connector's jar, or its image."),
    P(CONNECTOR_TYPE, false, "Jdbc, Spark or Athena."),
    P(CONNECTOR_CLASS_NAME, false, "The connector's class."),
    P(ENDPOINT, false, "The endpoint's address."),
    P(ENDPOINT_TYPE, false, "The endpoint's kind."),
    P(ROLE_ARN, false, "The role that is used."),
    P(REGION, false, "The region of the service."),
    P(WORKGROUP_NAME, false, "The workgroup's name."),
    P(CLUSTER_IDENTIFIER, false, "The cluster's name."),
    P(DATABASE, false, "The database's name."),
};
#undef P

const nk_conn_type *nk_conn_type_find(nk_str type)
{
    for (size_t i = 0; i < NK_COUNTOF(types); i++)
        if (nk_str_is(type, types[i].type))
            return &types[i];
    return NULL;
}

const nk_conn_property *nk_conn_property_find(nk_str key)
{
    for (size_t i = 0; i < NK_COUNTOF(properties); i++)
        if (nk_str_eq(key, properties[i].key))
            return &properties[i];
    return NULL;
}

/* The names of the bits that are set. */
static nk_code bits(unsigned set, const char *const *names, size_t n, nk_arena *a, nk_list_str *out)
{
    *out = (nk_list_str){.v = NK_NEWN(a, nk_str, n), .set = true};
    for (size_t i = 0; out->v && i < n; i++)
        if (set & 1u << i)
            out->v[out->n++] = nk_str_c(names[i]);
    return out->v ? NK_OK : NK_E_NOMEM;
}

nk_code nk_conn_environments(const nk_conn_type *t, nk_arena *a, nk_list_str *out)
{
    static const char *const names[] = {"SPARK", "ATHENA", "PYTHON"};
    return bits(t->environments, names, 3, a, out);
}

static nk_code capabilities(const nk_conn_type *t, nk_arena *a, glue_Capabilities **out)
{
    static const char *const auth[] = {"BASIC", "OAUTH2", "CUSTOM", "IAM"}, *const ops[] = {
                                                                                "READ", "WRITE"};
    glue_Capabilities *c = *out = NK_NEW(a, glue_Capabilities);
    if (!c)
        return NK_E_NOMEM;
    NK_TRY(bits(t->auth, auth, 4, a, &c->SupportedAuthenticationTypes));
    NK_TRY(bits(t->operations, ops, 2, a, &c->SupportedDataOperations));
    return nk_conn_environments(t, a, &c->SupportedComputeEnvironments);
}

static nk_str description(const nk_conn_type *t, nk_arena *a)
{
    return nk_str_printf(a,
                         "Connections to %s. This Nikawa keeps them; it has no connector of this "
                         "type that could test them.",
                         t->name);
}

static nk_code brief(const nk_conn_type *t, nk_arena *a, glue_ConnectionTypeBrief *out)
{
    nk_str *category = NK_NEW(a, nk_str);
    *out = (glue_ConnectionTypeBrief){.ConnectionType = nk_str_c(t->type),
                                      .DisplayName = nk_str_c(t->name),
                                      .Vendor = nk_str_c(t->vendor),
                                      .Description = description(t, a)};
    if (!category || !out->Description.p || capabilities(t, a, &out->Capabilities) != NK_OK)
        return NK_E_NOMEM;
    *category = nk_str_c(t->category);
    out->Categories = (nk_list_str){.v = category, .n = 1, .set = true};
    return NK_OK;
}

/* A page's place is the name of its last type: the built-in ones go in the order of their rows, the
 * registered ones after them, by name. */
nk_code glue_ListConnectionTypes(nk_call *call, const glue_ListConnectionTypesRequest *in,
                                 glue_ListConnectionTypesResponse *out)
{
    nk_str after, next = NK_STR_NULL;
    size_t n = 0, more = 0, from = 0, max = (size_t)nk_i64_or(in->MaxResults, 100);
    NK_TRY(nk_page_open(call, NK_STR(""), in->NextToken, &after));
    if (after.p) {
        const nk_conn_type *last = nk_conn_type_find(after);
        from = last ? (size_t)(last - types) + 1 : NK_COUNTOF(types);
    }
    glue_ConnectionTypeBrief *v = nk_arena_calloc(call->arena, max, sizeof *v);
    if (!v)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    for (; n < max && from < NK_COUNTOF(types); n++, from++)
        if (brief(&types[from], call->arena, &v[n]) != NK_OK)
            return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    if (from < NK_COUNTOF(types)) {
        next = v[n - 1].ConnectionType;
    } else {
        bool custom = after.p && !nk_conn_type_find(after);
        NK_TRY(
            nk_custom_types_list(call, custom ? after : NK_STR(""), max - n, v + n, &more, &next));
        if (next.p && !more)
            next = v[n - 1].ConnectionType; /* a page of built-in ones alone */
    }
    out->ConnectionTypes = (glue_ConnectionTypeBrief_list){.v = v, .n = n + more, .set = true};
    return next.p ? nk_page_token(call, NK_STR(""), next, &out->NextToken) : NK_OK;
}

/* ---- describing one ---- */

static nk_code property(nk_arena *a, const nk_conn_property *p, bool required, nk_str *key,
                        glue_Property *out)
{
    nk_str *kind = NK_NEW(a, nk_str);
    if (!kind)
        return NK_E_NOMEM;
    *kind = p->secret ? NK_STR("SECRET") : NK_STR("USER_INPUT");
    *key = p->key;
    *out = (glue_Property){.Name = p->key,
                           .Description = nk_str_c(p->description),
                           .Required = nk_some_bool(required),
                           .PropertyTypes = {.v = kind, .n = 1, .set = true}};
    return NK_OK;
}

/* Every name in "A+B|C D" that is a property; required when its group has no alternative. */
static nk_code describe(nk_call *call, const nk_conn_type *t,
                        glue_DescribeConnectionTypeResponse *out)
{
    size_t n = 0;
    out->ConnectionProperties.v =
        nk_arena_calloc(call->arena, NK_COUNTOF(properties), sizeof *out->ConnectionProperties.v);
    if (!out->ConnectionProperties.v)
        return NK_E_NOMEM;
    for (size_t pass = 0; pass < 2; pass++) {
        nk_str rest = nk_str_c(pass ? t->optional : t->required), group, alternative, one;
        while (nk_str_split(&rest, ' ', &group)) {
            bool sole = !pass && nk_str_chr(group, '|') < 0;
            while (nk_str_split(&group, '|', &alternative))
                while (nk_str_split(&alternative, '+', &one)) {
                    const nk_conn_property *p = nk_conn_property_find(one);
                    if (p)
                        NK_TRY(property(call->arena, p, sole, &out->ConnectionProperties.v[n].key,
                                        &out->ConnectionProperties.v[n].value));
                    n += p != NULL;
                }
        }
    }
    out->ConnectionProperties.n = n;
    out->ConnectionProperties.set = true;
    return NK_OK;
}

nk_code glue_DescribeConnectionType(nk_call *call, const glue_DescribeConnectionTypeRequest *in,
                                    glue_DescribeConnectionTypeResponse *out)
{
    const nk_conn_type *t = nk_conn_type_find(in->ConnectionType);
    const glue_RegisterConnectionTypeRequest *custom;
    NK_TRY(nk_custom_type_find(call->tx, call->region, in->ConnectionType, call->arena, &custom,
                               call->err));
    if (custom)
        return nk_custom_type_describe(custom, call->arena, out) == NK_OK
                   ? NK_OK
                   : nk_fail(call->err, NK_E_NOMEM, "out of memory");
    if (!t)
        return nk_fail(call->err, NK_E_INVALID, "Unknown connection type %.*s.",
                       NK_STR_ARG(in->ConnectionType));
    out->ConnectionType = nk_str_c(t->type);
    out->Description = description(t, call->arena);
    if (!out->Description.p || capabilities(t, call->arena, &out->Capabilities) != NK_OK ||
        describe(call, t, out) != NK_OK)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    return NK_OK;
}
