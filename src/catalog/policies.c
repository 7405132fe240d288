/* Resource policies, encryption settings, security configurations, the state of the import from
 * Athena's old catalogue: small documents of a region or a catalogue. */
#include "catalog/history_int.h"

/* ---- resource policies ---- */

static const nk_col policy_cols[] = {{"region", NK_COL_TEXT}, {"resource", NK_COL_TEXT}};
const nk_kind nk_kind_policy = {.name = "glue_resource_policy",
                                .version = 1,
                                .nkey = 2,
                                .cols = policy_cols,
                                .ncols = NK_COUNTOF(policy_cols)};
static const nk_doc_type policy_type = {&nk_kind_policy, &glue_GluePolicy_shape, "Policy"};

enum { POLICY_MAX = 10240 };

static nk_code bad_policy(nk_err *err, const char *why)
{
    return nk_fail(err, NK_E_INVALID, "The policy is not well formed: %s.", why);
}

static bool has_any(const nk_json *j, const char *a, const char *b)
{
    return nk_json_get(j, a) || nk_json_get(j, b);
}

static nk_code check_policy(nk_str text, nk_arena *a, nk_err *err)
{
    nk_json *j;
    if (text.n > POLICY_MAX)
        return nk_fail(err, NK_E_INVALID, "A resource policy may have at most %d bytes.",
                       POLICY_MAX);
    nk_code rc = nk_json_parse(text, a, 0, &j, NULL);
    if (rc == NK_E_NOMEM)
        return nk_fail(err, rc, "out of memory");
    if (rc != NK_OK || j->kind != NK_JSON_OBJECT)
        return bad_policy(err, "it is no JSON object");
    nk_json *s = nk_json_get(j, "Statement");
    if (!s || !s->first || (s->kind != NK_JSON_ARRAY && s->kind != NK_JSON_OBJECT))
        return bad_policy(err, "it has no Statement");
    for (const nk_json *one = s->kind == NK_JSON_ARRAY ? s->first : s; one; one = one->next) {
        nk_str effect = nk_json_str(one, "Effect");
        if (!nk_str_is(effect, "Allow") && !nk_str_is(effect, "Deny"))
            return bad_policy(err, "a statement's Effect must be Allow or Deny");
        if (!has_any(one, "Action", "NotAction") || !has_any(one, "Principal", "NotPrincipal") ||
            !has_any(one, "Resource", "NotResource"))
            return bad_policy(err, "a statement must have Principal, Action and Resource");
        if (s->kind == NK_JSON_OBJECT)
            break;
    }
    return NK_OK;
}

static nk_code check_arn(nk_call *call, nk_str arn)
{
    nk_str own = nk_str_printf(call->arena, "arn:aws:glue:%.*s:%.*s:", NK_STR_ARG(call->region),
                               NK_STR_ARG(call->account_id));
    if (!own.p)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    if (arn.p && !nk_str_starts(arn, own))
        return nk_fail(call->err, NK_E_NOT_FOUND,
                       "Resource %.*s is not of this account and region.", NK_STR_ARG(arn));
    return NK_OK;
}

/* old NULL when there is none. */
static nk_code load_policy(nk_call *call, nk_str arn, glue_GluePolicy **old)
{
    nk_str key = arn.p ? arn : NK_STR("");
    NK_TRY(check_arn(call, arn));
    nk_code rc = nk_doc_load(call->tx, &policy_type, NK_KEY(nk_vs(call->region), nk_vs(key)), key,
                             call->arena, (void **)old, NULL, call->err);
    if (rc == NK_E_NOT_FOUND)
        *old = NULL;
    return rc == NK_E_NOT_FOUND ? NK_OK : rc;
}

static nk_code no_policy(nk_err *err)
{
    return nk_fail(err, NK_E_NOT_FOUND, "Policy not found.");
}

static nk_code check_hash(nk_err *err, nk_str want, const glue_GluePolicy *old)
{
    if (!want.p || (old && nk_str_eq(want, old->PolicyHash)))
        return NK_OK;
    return nk_fail(err, NK_E_CONDITION,
                   "PolicyHashCondition does not match: the policy has been changed meanwhile.");
}

static nk_kept kept_policy(nk_call *call, const nk_catalog_ctx *ctx, nk_str arn)
{
    return (nk_kept){.tx = call->tx,
                     .ctx = ctx,
                     .kind = NK_HIST_POLICY,
                     .space = call->region,
                     .object = arn.n ? nk_str_printf(call->arena, "policy %.*s", NK_STR_ARG(arn))
                                     : NK_STR("policy")};
}

nk_code glue_PutResourcePolicy(nk_call *call, const glue_PutResourcePolicyRequest *in,
                               glue_PutResourcePolicyResponse *out)
{
    nk_catalog_ctx ctx = nk_catalog_ctx_of(call);
    glue_GluePolicy *old, new = {.PolicyInJson = in->PolicyInJson};
    uint8_t sha[32];
    NK_TRY(check_policy(in->PolicyInJson, call->arena, call->err));
    NK_TRY(load_policy(call, in->ResourceArn, &old));
    if (nk_str_is(in->PolicyExistsCondition, "MUST_EXIST") && !old)
        return nk_fail(call->err, NK_E_CONDITION, "The policy must exist, and there is none.");
    if (nk_str_is(in->PolicyExistsCondition, "NOT_EXIST") && old)
        return nk_fail(call->err, NK_E_CONDITION, "The policy must not exist, and there is one.");
    NK_TRY(check_hash(call->err, in->PolicyHashCondition, old));
    nk_sha256(in->PolicyInJson.p, in->PolicyInJson.n, sha);
    new.PolicyHash = nk_base64_encode(call->arena, nk_str_n((const char *)sha, sizeof sha));
    new.CreateTime = nk_some_time(old ? old->CreateTime.us : ctx.now_us);
    new.UpdateTime = nk_some_time(ctx.now_us);
    if (!new.PolicyHash.p)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    out->PolicyHash = new.PolicyHash;
    nk_str key = in->ResourceArn.p ? in->ResourceArn : NK_STR("");
    nk_kept k = kept_policy(call, &ctx, key);
    return nk_kept_doc(&k, &policy_type, NK_KEY(nk_vs(call->region), nk_vs(key)), key, &new, false,
                       call->err);
}

nk_code glue_GetResourcePolicy(nk_call *call, const glue_GetResourcePolicyRequest *in,
                               glue_GetResourcePolicyResponse *out)
{
    glue_GluePolicy *p;
    NK_TRY(load_policy(call, in->ResourceArn, &p));
    if (!p)
        return no_policy(call->err);
    out->PolicyInJson = p->PolicyInJson;
    out->PolicyHash = p->PolicyHash;
    out->CreateTime = p->CreateTime;
    out->UpdateTime = p->UpdateTime;
    return NK_OK;
}

nk_code glue_DeleteResourcePolicy(nk_call *call, const glue_DeleteResourcePolicyRequest *in,
                                  glue_DeleteResourcePolicyResponse *out)
{
    nk_catalog_ctx ctx = nk_catalog_ctx_of(call);
    glue_GluePolicy *p;
    NK_TRY(load_policy(call, in->ResourceArn, &p));
    if (!p)
        return no_policy(call->err);
    NK_TRY(check_hash(call->err, in->PolicyHashCondition, p));
    nk_str key = in->ResourceArn.p ? in->ResourceArn : NK_STR("");
    nk_kept k = kept_policy(call, &ctx, key);
    return nk_kept_doc_drop(&k, &policy_type, NK_KEY(nk_vs(call->region), nk_vs(key)), key,
                            call->err);
}

nk_code glue_GetResourcePolicies(nk_call *call, const glue_GetResourcePoliciesRequest *in,
                                 glue_GetResourcePoliciesResponse *out)
{
    nk_docs_page page = {
        .call = call,
        .query = {.kind = &nk_kind_policy, .prefix = NK_KEY(nk_vs(call->region)), .nprefix = 1},
        .request = NK_STR(""),
        .token = in->NextToken,
        .max = (size_t)nk_i64_or(in->MaxResults, 100)};
    NK_TRY(nk_docs_list(&page, &out->NextToken));
    return nk_docs_fill(&page, sizeof(glue_GluePolicy), &out->GetResourcePoliciesResponseList);
}

/* ---- encryption settings ---- */

static const nk_col settings_cols[] = {{"space", NK_COL_TEXT}, {"what", NK_COL_TEXT}};
const nk_kind nk_kind_catalog_settings = {.name = "glue_catalog_settings",
                                          .version = 1,
                                          .nkey = 2,
                                          .cols = settings_cols,
                                          .ncols = NK_COUNTOF(settings_cols)};
static const nk_doc_type encryption_type = {&nk_kind_catalog_settings,
                                            &glue_DataCatalogEncryptionSettings_shape, "Settings"};

nk_code
glue_PutDataCatalogEncryptionSettings(nk_call *call,
                                      const glue_PutDataCatalogEncryptionSettingsRequest *in,
                                      glue_PutDataCatalogEncryptionSettingsResponse *out)
{
    nk_catalog_ctx ctx;
    const glue_DataCatalogEncryptionSettings *s = in->DataCatalogEncryptionSettings;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    const glue_EncryptionAtRest *e = s->EncryptionAtRest;
    if (e && nk_str_is(e->CatalogEncryptionMode, "SSE-KMS-WITH-SERVICE-ROLE") &&
        !e->CatalogEncryptionServiceRole.p)
        return nk_fail(call->err, NK_E_INVALID,
                       "SSE-KMS-WITH-SERVICE-ROLE needs a CatalogEncryptionServiceRole.");
    if (s->ConnectionPasswordEncryption &&
        s->ConnectionPasswordEncryption->ReturnConnectionPasswordEncrypted.value &&
        !s->ConnectionPasswordEncryption->AwsKmsKeyId.p)
        return nk_fail(call->err, NK_E_INVALID,
                       "ReturnConnectionPasswordEncrypted needs an AwsKmsKeyId.");
    nk_kept k = {call->tx, &ctx, NK_HIST_SETTINGS, ctx.region, NK_STR("encryption settings")};
    return nk_kept_doc(&k, &encryption_type, NK_KEY(nk_vs(ctx.region), nk_vc("encryption")),
                       NK_STR(""), s, false, call->err);
}

nk_code nk_encryption_settings(nk_tx *tx, const nk_catalog_ctx *ctx,
                               glue_DataCatalogEncryptionSettings **out, nk_err *err)
{
    nk_code rc = nk_doc_load(tx, &encryption_type, NK_KEY(nk_vs(ctx->region), nk_vc("encryption")),
                             NK_STR(""), ctx->arena, (void **)out, NULL, err);
    if (rc != NK_E_NOT_FOUND && rc != NK_OK)
        return rc;
    glue_DataCatalogEncryptionSettings *s =
        rc == NK_OK ? *out : NK_NEW(ctx->arena, glue_DataCatalogEncryptionSettings);
    glue_EncryptionAtRest *rest = NK_NEW(ctx->arena, glue_EncryptionAtRest);
    glue_ConnectionPasswordEncryption *password =
        NK_NEW(ctx->arena, glue_ConnectionPasswordEncryption);
    if (!s || !rest || !password)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    rest->CatalogEncryptionMode = NK_STR("DISABLED");
    password->ReturnConnectionPasswordEncrypted = nk_some_bool(false);
    if (!s->EncryptionAtRest)
        s->EncryptionAtRest = rest;
    if (!s->ConnectionPasswordEncryption)
        s->ConnectionPasswordEncryption = password;
    *out = s;
    return NK_OK;
}

nk_code
glue_GetDataCatalogEncryptionSettings(nk_call *call,
                                      const glue_GetDataCatalogEncryptionSettingsRequest *in,
                                      glue_GetDataCatalogEncryptionSettingsResponse *out)
{
    nk_catalog_ctx ctx;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    return nk_encryption_settings(call->tx, &ctx, &out->DataCatalogEncryptionSettings, call->err);
}

/* ---- the import from Athena ---- */

static const nk_doc_type import_type = {&nk_kind_catalog_settings, &glue_CatalogImportStatus_shape,
                                        "Import"};

/* There is no older catalogue to import from: an import is done as soon as it is asked for. */
nk_code glue_ImportCatalogToGlue(nk_call *call, const glue_ImportCatalogToGlueRequest *in,
                                 glue_ImportCatalogToGlueResponse *out)
{
    nk_catalog_ctx ctx;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    glue_CatalogImportStatus s = {.ImportCompleted = nk_some_bool(true),
                                  .ImportTime = nk_some_time(ctx.now_us),
                                  .ImportedBy = call->access_key};
    nk_kept k = {.tx = call->tx,
                 .ctx = &ctx,
                 .kind = NK_HIST_SETTINGS,
                 .space = ctx.region,
                 .object = NK_STR("catalog import")};
    return nk_kept_doc(&k, &import_type, NK_KEY(nk_vs(ctx.region), nk_vc("import")), NK_STR(""), &s,
                       false, call->err);
}

nk_code glue_GetCatalogImportStatus(nk_call *call, const glue_GetCatalogImportStatusRequest *in,
                                    glue_GetCatalogImportStatusResponse *out)
{
    nk_catalog_ctx ctx;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    nk_code rc = nk_doc_load(call->tx, &import_type, NK_KEY(nk_vs(ctx.region), nk_vc("import")),
                             NK_STR(""), call->arena, (void **)&out->ImportStatus, NULL, call->err);
    if (rc != NK_E_NOT_FOUND)
        return rc;
    out->ImportStatus = NK_NEW(call->arena, glue_CatalogImportStatus);
    if (!out->ImportStatus)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    out->ImportStatus->ImportCompleted = nk_some_bool(true);
    return NK_OK;
}

/* ---- security configurations ---- */

static const nk_col security_cols[] = {{"region", NK_COL_TEXT}, {"name", NK_COL_TEXT}};
const nk_kind nk_kind_security = {.name = "glue_security_configuration",
                                  .version = 1,
                                  .nkey = 2,
                                  .cols = security_cols,
                                  .ncols = NK_COUNTOF(security_cols)};
static const nk_doc_type security_type = {&nk_kind_security, &glue_SecurityConfiguration_shape,
                                          "Security configuration"};

static bool lacks_key(nk_str mode, nk_str key)
{
    return nk_str_ends(mode, NK_STR("-KMS")) && !key.n;
}

static nk_code check_encryption(const glue_EncryptionConfiguration *e, nk_err *err)
{
    bool lacks = false;
    for (size_t i = 0; i < e->S3Encryption.n; i++)
        lacks = lacks ||
                lacks_key(e->S3Encryption.v[i].S3EncryptionMode, e->S3Encryption.v[i].KmsKeyArn);
    if (e->CloudWatchEncryption)
        lacks = lacks || lacks_key(e->CloudWatchEncryption->CloudWatchEncryptionMode,
                                   e->CloudWatchEncryption->KmsKeyArn);
    if (e->JobBookmarksEncryption)
        lacks = lacks || lacks_key(e->JobBookmarksEncryption->JobBookmarksEncryptionMode,
                                   e->JobBookmarksEncryption->KmsKeyArn);
    return lacks ? nk_fail(err, NK_E_INVALID, "A KMS mode of encryption needs a KmsKeyArn.")
                 : NK_OK;
}

nk_code nk_catalog_has_security(nk_tx *tx, nk_str region, nk_str name, bool *there, nk_err *err)
{
    return nk_store_has(tx, &nk_kind_security, NK_KEY(nk_vs(region), nk_vs(name)), there, err);
}

static nk_kept kept_security(nk_call *call, const nk_catalog_ctx *ctx, nk_str name)
{
    return (nk_kept){
        .tx = call->tx,
        .ctx = ctx,
        .kind = NK_HIST_SECURITY,
        .space = call->region,
        .object = nk_str_printf(call->arena, "security configuration %.*s", NK_STR_ARG(name))};
}

nk_code glue_CreateSecurityConfiguration(nk_call *call,
                                         const glue_CreateSecurityConfigurationRequest *in,
                                         glue_CreateSecurityConfigurationResponse *out)
{
    nk_catalog_ctx ctx = nk_catalog_ctx_of(call);
    glue_SecurityConfiguration c = {
        .Name = in->Name,
        .CreatedTimeStamp = nk_some_time(ctx.now_us),
        .EncryptionConfiguration = (glue_EncryptionConfiguration *)in->EncryptionConfiguration};
    NK_TRY(check_encryption(in->EncryptionConfiguration, call->err));
    out->Name = in->Name;
    out->CreatedTimestamp = c.CreatedTimeStamp;
    nk_kept k = kept_security(call, &ctx, in->Name);
    return nk_kept_doc(&k, &security_type, NK_KEY(nk_vs(call->region), nk_vs(in->Name)), in->Name,
                       &c, true, call->err);
}

nk_code glue_GetSecurityConfiguration(nk_call *call, const glue_GetSecurityConfigurationRequest *in,
                                      glue_GetSecurityConfigurationResponse *out)
{
    return nk_doc_load(call->tx, &security_type, NK_KEY(nk_vs(call->region), nk_vs(in->Name)),
                       in->Name, call->arena, (void **)&out->SecurityConfiguration, NULL,
                       call->err);
}

nk_code glue_GetSecurityConfigurations(nk_call *call,
                                       const glue_GetSecurityConfigurationsRequest *in,
                                       glue_GetSecurityConfigurationsResponse *out)
{
    nk_docs_page page = {
        .call = call,
        .query = {.kind = &nk_kind_security, .prefix = NK_KEY(nk_vs(call->region)), .nprefix = 1},
        .request = NK_STR(""),
        .token = in->NextToken,
        .max = (size_t)nk_i64_or(in->MaxResults, 100)};
    NK_TRY(nk_docs_list(&page, &out->NextToken));
    return nk_docs_fill(&page, sizeof(glue_SecurityConfiguration), &out->SecurityConfigurations);
}

nk_code glue_DeleteSecurityConfiguration(nk_call *call,
                                         const glue_DeleteSecurityConfigurationRequest *in,
                                         glue_DeleteSecurityConfigurationResponse *out)
{
    nk_catalog_ctx ctx = nk_catalog_ctx_of(call);
    nk_kept k = kept_security(call, &ctx, in->Name);
    return nk_kept_doc_drop(&k, &security_type, NK_KEY(nk_vs(call->region), nk_vs(in->Name)),
                            in->Name, call->err);
}
