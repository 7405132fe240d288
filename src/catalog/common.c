/* What all operations of the catalogue share. */
#include "catalog/catalog_int.h"

nk_catalog_ctx nk_catalog_ctx_of(const nk_call *call)
{
    const nk_env *env = call->app && call->app->env ? call->app->env : nk_env_real();
    int64_t now = nk_now_us(env);
    return (nk_catalog_ctx){
        .region = call->region,
        .account_id = call->account_id,
        .now_us = now - now % 1000, /* the wire carries milliseconds */
        .arena = call->arena,
    };
}

nk_code nk_fail_database(nk_err *err, nk_str name)
{
    return nk_fail(err, NK_E_NOT_FOUND, "Database %.*s not found.", NK_STR_ARG(name));
}

nk_code nk_fail_table(nk_err *err, nk_str name)
{
    return nk_fail(err, NK_E_NOT_FOUND, "Table %.*s not found.", NK_STR_ARG(name));
}

nk_code nk_catalog_check_id(nk_call *call, nk_str catalog_id)
{
    if (!catalog_id.p || nk_str_eq(catalog_id, call->account_id))
        return NK_OK;
    nk_code rc =
        nk_fail(call->err, NK_E_NOT_FOUND, "Catalog %.*s not found.", NK_STR_ARG(catalog_id));
    (void)nk_hint(call->err,
                  "This server has one catalogue; its id is %.*s, or leave CatalogId out.",
                  NK_STR_ARG(call->account_id));
    return rc;
}

nk_code nk_catalog_no_transaction(nk_err *err, nk_str transaction_id, nk_opt_time as_of)
{
    if (transaction_id.p)
        return nk_fail(err, NK_E_INVALID,
                       "TransactionId is not supported: there are no governed tables.");
    if (as_of.set)
        return nk_fail(err, NK_E_INVALID,
                       "QueryAsOfTime is not supported: there are no governed tables.");
    return NK_OK;
}

nk_code nk_fold(nk_arena *a, nk_str name, nk_str *out, nk_err *err)
{
    if (!name.n)
        return nk_fail(err, NK_E_INVALID, "A name must not be empty.");
    *out = nk_str_lower(a, name);
    return out->p ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
}

nk_code nk_database_id(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str name, nk_str *folded,
                       int64_t *id, nk_err *err)
{
    nk_row row;
    NK_TRY(nk_fold(ctx->arena, name, folded, err));
    nk_code rc = nk_store_get(tx, &nk_kind_database, NK_KEY(nk_vs(ctx->region), nk_vs(*folded)),
                              ctx->arena, &row, err);
    if (rc == NK_E_NOT_FOUND)
        return nk_fail_database(err, name);
    if (rc == NK_OK)
        *id = row.cols[NK_DB_ID].i;
    return rc;
}

nk_code nk_entry_error(nk_code code, const nk_err *entry, nk_arena *a, glue_ErrorDetail **out,
                       nk_err *err)
{
    if (nk_code_status(code) >= 500) {
        if (err)
            *err = *entry;
        return code;
    }
    glue_ErrorDetail *d = NK_NEW(a, glue_ErrorDetail);
    if (!d)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    d->ErrorCode = nk_str_c(entry->aws[0] ? nk_arena_strdup(a, entry->aws) : nk_code_aws(code));
    d->ErrorMessage = nk_str_c(nk_arena_strdup(a, entry->msg));
    *out = d;
    return NK_OK;
}
