/* What all operations of the catalogue share. */
#include "catalog/catalog_int.h"

nk_catalog_ctx nk_catalog_ctx_of(const nk_call *call)
{
    const nk_env *env = call->app && call->app->env ? call->app->env : nk_env_real();
    int64_t now = nk_now_us(env);
    return (nk_catalog_ctx){
        .region = call->region,
        .account_id = call->account_id,
        .actor = call->access_key,
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

nk_str nk_catalog_id(const nk_catalog_ctx *ctx)
{
    return ctx->catalog_id.p ? ctx->catalog_id : ctx->account_id;
}

/* "ACCOUNT:name" or "name" without the account; p NULL for the account itself. */
static nk_str own_name(nk_str account, nk_str id)
{
    if (!id.p || nk_str_eq(id, account))
        return NK_STR_NULL;
    if (nk_str_starts(id, account) && id.p[account.n] == ':')
        return nk_str_sub(id, account.n + 1, id.n);
    return id;
}

static nk_code enter(nk_tx *tx, nk_str region, nk_str id, nk_catalog_ctx *ctx, nk_err *err)
{
    nk_row row;
    nk_str name = own_name(ctx->account_id, id);
    nk_code rc = NK_E_NOT_FOUND;
    ctx->region = ctx->home = region;
    ctx->catalog_id = NK_STR_NULL;
    if (!name.p)
        return NK_OK;
    nk_str folded = nk_str_lower(ctx->arena, name);
    if (!folded.p)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    if (tx && folded.n) /* without a name it is the account's own */
        rc = nk_store_get(tx, &nk_kind_catalog, NK_KEY(nk_vs(region), nk_vs(folded)), ctx->arena,
                          &row, err);
    if (rc == NK_E_NOT_FOUND) {
        rc = nk_fail(err, rc, "Catalog %.*s not found.", NK_STR_ARG(id));
        (void)nk_hint(err, "Leave CatalogId out, or give %.*s, for the account's own catalogue.",
                      NK_STR_ARG(ctx->account_id));
        return rc;
    }
    NK_TRY(rc);
    ctx->region = nk_str_printf(ctx->arena, "catalog/%lld", (long long)row.cols[NK_CAT_ID].i);
    ctx->catalog_id =
        nk_str_printf(ctx->arena, "%.*s:%.*s", NK_STR_ARG(ctx->account_id), NK_STR_ARG(folded));
    return ctx->region.p && ctx->catalog_id.p ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
}

typedef struct entering {
    nk_str region, id;
    nk_catalog_ctx *ctx;
} entering;

static nk_code enter_read(nk_tx *tx, void *arg, nk_err *err)
{
    entering *e = arg;
    return enter(tx, e->region, e->id, e->ctx, err);
}

nk_code nk_catalog_open(nk_call *call, nk_str catalog_id, nk_catalog_ctx *out)
{
    *out = nk_catalog_ctx_of(call);
    if (!catalog_id.p || nk_str_eq(catalog_id, call->account_id))
        return NK_OK;
    if (call->tx)
        return enter(call->tx, call->region, catalog_id, out, call->err);
    entering e = {call->region, catalog_id, out};
    return nk_store_read(call->app->store, enter_read, &e, call->err);
}

/* ---- resource links ---- */

nk_str nk_link_pack(const nk_link *l, nk_arena *a)
{
    return nk_str_printf(a, "%.*s\x1f%.*s\x1f%.*s\x1f%.*s", NK_STR_ARG(l->catalog_id),
                         NK_STR_ARG(l->database), NK_STR_ARG(l->table), NK_STR_ARG(l->region));
}

nk_link nk_link_unpack(nk_str packed)
{
    nk_link l = {0};
    nk_str rest = packed, *const parts[] = {&l.catalog_id, &l.database, &l.table, &l.region};
    for (size_t i = 0; i < NK_COUNTOF(parts); i++) {
        nk_str piece;
        if (!nk_str_split(&rest, '\x1f', &piece))
            break;
        *parts[i] = piece.n ? piece : NK_STR_NULL;
    }
    return l;
}

nk_code nk_link_ctx(nk_tx *tx, const nk_catalog_ctx *ctx, const nk_link *l, nk_catalog_ctx *out,
                    nk_err *err)
{
    *out = *ctx;
    if (!l->catalog_id.p && !l->region.p)
        return NK_OK; /* beside it */
    return enter(tx,
                 l->region.p   ? l->region
                 : ctx->home.p ? ctx->home
                               : ctx->region,
                 l->catalog_id, out, err);
}

nk_code nk_catalog_when(nk_err *err, nk_str transaction_id, nk_opt_time as_of)
{
    return transaction_id.p && as_of.set
               ? nk_fail(err, NK_E_INVALID,
                         "TransactionId and QueryAsOfTime cannot be given together.")
               : NK_OK;
}

void nk_catalog_audit(const nk_call *call, const glue_AuditContext *audit)
{
    nk_buf columns;
    if (!audit)
        return;
    nk_buf_init(&columns, 64 << 10);
    for (size_t i = 0; i < audit->RequestedColumns.n; i++)
        (void)nk_buf_printf(&columns, "%s%.*s", i ? "," : "",
                            NK_STR_ARG(audit->RequestedColumns.v[i]));
    nk_info("catalog", "audit %.*s by=%.*s columns=%.*s context=%.*s request=%s",
            NK_STR_ARG(call->operation), NK_STR_ARG(call->access_key),
            NK_STR_ARG(nk_bool_or(audit->AllColumnsRequested, false) ? NK_STR("all")
                                                                     : nk_buf_view(&columns)),
            NK_STR_ARG(audit->AdditionalAuditContext), call->request_id);
    nk_buf_free(&columns);
}

nk_code nk_fold(nk_arena *a, nk_str name, nk_str *out, nk_err *err)
{
    if (!name.n)
        return nk_fail(err, NK_E_INVALID, "A name must not be empty.");
    *out = nk_str_lower(a, name);
    return out->p ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
}

nk_code nk_database_row(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str name, nk_row *row, nk_err *err)
{
    nk_str folded;
    NK_TRY(nk_fold(ctx->arena, name, &folded, err));
    nk_code rc = nk_store_get(tx, &nk_kind_database, NK_KEY(nk_vs(ctx->region), nk_vs(folded)),
                              ctx->arena, row, err);
    return rc == NK_E_NOT_FOUND ? nk_fail_database(err, name) : rc;
}

nk_code nk_database_ref(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str name, nk_db_ref *out,
                        nk_err *err)
{
    nk_row row;
    NK_TRY(nk_database_row(tx, ctx, name, &row, err));
    out->catalog_id = nk_catalog_id(ctx);
    out->space = ctx->region;
    if (row.cols[NK_DB_TARGET].kind != NK_V_NULL) {
        nk_link l = nk_link_unpack(row.cols[NK_DB_TARGET].s);
        nk_catalog_ctx there;
        NK_TRY(nk_link_ctx(tx, ctx, &l, &there, err));
        NK_TRY(nk_database_row(tx, &there, l.database, &row, err));
        if (row.cols[NK_DB_TARGET].kind != NK_V_NULL)
            return nk_fail_database(err, l.database); /* a link to a link leads nowhere */
        out->catalog_id = nk_catalog_id(&there);
        out->space = there.region;
    }
    out->name = row.cols[NK_DB_NAME].s;
    out->id = row.cols[NK_DB_ID].i;
    return NK_OK;
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
