/* The configuration of the catalogue's export to S3 Tables. There are no S3 Tables here: what is
 * asked for is kept and answered, and an export that is enabled has the status FAILED. */
#include "catalog/history_int.h"

static const nk_doc_type export_type = {&nk_kind_catalog_settings,
                                        &glue_GetDataCatalogExportConfigurationOutput_shape,
                                        "Export configuration"},
                         /* the last request, by whose ClientToken a repetition is known */
    request_type = {&nk_kind_catalog_settings, &glue_PutDataCatalogExportConfigurationInput_shape,
                    "Request"};

/* *out NULL when there is none. */
static nk_code load(nk_call *call, const nk_doc_type *type, const char *what, void **out)
{
    *out = NULL;
    nk_code rc = nk_doc_load(call->tx, type, NK_KEY(nk_vs(call->region), nk_vc(what)), NK_STR(""),
                             call->arena, out, NULL, call->err);
    return rc == NK_E_NOT_FOUND ? NK_OK : rc;
}

static nk_code check(const glue_ExportEncryptionConfiguration *e, nk_err *err)
{
    if (!e)
        return NK_OK;
    bool kms = nk_str_is(e->SseAlgorithm, "aws:kms");
    if (!kms && !nk_str_is(e->SseAlgorithm, "AES256"))
        return nk_fail(err, NK_E_INVALID, "SseAlgorithm must be AES256 or aws:kms.");
    if (kms != (e->KmsKeyArn.p != NULL))
        return nk_fail(err, NK_E_INVALID,
                       "A KmsKeyArn goes with the SseAlgorithm aws:kms, and with no other.");
    return NK_OK;
}

/* Is this the last request once more? Another one with its token is refused. */
static nk_code repeated(nk_call *call, const glue_PutDataCatalogExportConfigurationInput *in,
                        bool *yes)
{
    glue_PutDataCatalogExportConfigurationInput *last;
    nk_str now, then;
    *yes = false;
    NK_TRY(load(call, &request_type, "export request", (void **)&last));
    if (!last || !in->ClientToken.p || !nk_str_eq(last->ClientToken, in->ClientToken))
        return NK_OK;
    NK_TRY(nk_model_encode_str(request_type.shape, in, call->arena, &now, call->err));
    NK_TRY(nk_model_encode_str(request_type.shape, last, call->arena, &then, call->err));
    *yes = nk_str_eq(now, then);
    return *yes ? NK_OK
                : nk_fail(call->err, NK_E_INVALID,
                          "ClientToken %.*s came with another request before.",
                          NK_STR_ARG(in->ClientToken));
}

nk_code
glue_PutDataCatalogExportConfiguration(nk_call *call,
                                       const glue_PutDataCatalogExportConfigurationInput *in,
                                       glue_PutDataCatalogExportConfigurationOutput *out)
{
    nk_catalog_ctx ctx = nk_catalog_ctx_of(call);
    glue_GetDataCatalogExportConfigurationOutput *old;
    bool on = nk_str_is(in->ExportSetting, "ENABLED"), again;
    NK_TRY(check(in->EncryptionConfiguration, call->err));
    NK_TRY(repeated(call, in, &again));
    out->ExportSetting = in->ExportSetting;
    out->EncryptionConfiguration =
        (glue_ExportEncryptionConfiguration *)in->EncryptionConfiguration;
    if (again)
        return NK_OK;
    NK_TRY(load(call, &export_type, "export", (void **)&old));
    glue_GetDataCatalogExportConfigurationOutput doc = {
        .ExportSetting = in->ExportSetting,
        .Status = on ? NK_STR("FAILED") : NK_STR("DISABLED"),
        .EncryptionConfiguration = out->EncryptionConfiguration,
        .CreatedAt = old ? old->CreatedAt : nk_some_time(ctx.now_us),
        .UpdatedAt = nk_some_time(ctx.now_us)};
    if (on)
        nk_warn("catalog",
                "the export of the catalogue to S3 Tables was enabled: it is kept with the "
                "status FAILED, for there are no S3 Tables here");
    nk_kept k = {call->tx, &ctx, NK_HIST_SETTINGS, call->region, NK_STR("export configuration")};
    NK_TRY(nk_kept_doc(&k, &export_type, NK_KEY(nk_vs(call->region), nk_vc("export")), NK_STR(""),
                       &doc, false, call->err));
    return nk_doc_save(call->tx, &request_type,
                       NK_KEY(nk_vs(call->region), nk_vc("export request")), NK_STR(""), in, false,
                       call->arena, call->err);
}

nk_code
glue_GetDataCatalogExportConfiguration(nk_call *call,
                                       const glue_GetDataCatalogExportConfigurationInput *in,
                                       glue_GetDataCatalogExportConfigurationOutput *out)
{
    glue_GetDataCatalogExportConfigurationOutput *doc;
    (void)in;
    NK_TRY(load(call, &export_type, "export", (void **)&doc));
    if (!doc)
        return nk_fail(call->err, NK_E_NOT_FOUND, "There is no export configuration.");
    *out = *doc;
    return NK_OK;
}
