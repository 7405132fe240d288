/* Records without anything below them, kept by the history as they were before each change. */
#include "catalog/history_int.h"
#include "catalog/undo_int.h"

static nk_code load(const nk_kept *k, const nk_val *key, nk_row *row, bool *there, nk_err *err)
{
    nk_code rc = nk_store_get(k->tx, nk_history_record_kind(k->kind), key, k->ctx->arena, row, err);
    *there = rc == NK_OK;
    return rc == NK_E_NOT_FOUND ? NK_OK : rc;
}

static nk_code remember(const nk_kept *k, nk_hist_op op, const nk_row *old, const nk_val *key,
                        nk_err *err)
{
    nk_hist h = {.kind = k->kind,
                 .op = op,
                 .space = k->space,
                 .object = k->object,
                 .before = old,
                 .nbefore = old != NULL,
                 .keys = key,
                 .nkeys = old ? 0 : nk_history_record_kind(k->kind)->nkey};
    return nk_history_add(k->tx, k->ctx, &h, NULL, err);
}

static bool same(const nk_kind *kind, const nk_row *a, const nk_row *b)
{
    for (unsigned i = kind->nkey; i < kind->ncols; i++)
        if (a->cols[i].kind != b->cols[i].kind || a->cols[i].i != b->cols[i].i ||
            !nk_str_eq(a->cols[i].s, b->cols[i].s))
            return false;
    return nk_str_eq(a->body, b->body);
}

nk_code nk_kept_put(const nk_kept *k, const nk_row *row, bool insert, nk_err *err)
{
    const nk_kind *kind = nk_history_record_kind(k->kind);
    nk_row old;
    bool there;
    NK_TRY(load(k, row->cols, &old, &there, err));
    if (there && insert)
        return nk_fail(err, NK_E_EXISTS, "It already exists.");
    if (there && same(kind, &old, row))
        return NK_OK;
    NK_TRY(nk_store_put(k->tx, kind, row, err));
    return remember(k, there ? NK_HIST_UPDATE : NK_HIST_CREATE, there ? &old : NULL, row->cols,
                    err);
}

nk_code nk_kept_drop(const nk_kept *k, const nk_val *key, nk_err *err)
{
    nk_row old;
    bool there;
    NK_TRY(load(k, key, &old, &there, err));
    if (!there)
        return nk_fail(err, NK_E_NOT_FOUND, "It is not there.");
    NK_TRY(nk_store_delete(k->tx, nk_history_record_kind(k->kind), key, err));
    return remember(k, NK_HIST_DELETE, &old, key, err);
}

nk_code nk_kept_doc(const nk_kept *k, const nk_doc_type *type, const nk_val *cols, nk_str name,
                    const void *value, bool insert, nk_err *err)
{
    nk_row row = {.cols = cols};
    NK_TRY(nk_model_encode_str(type->shape, value, k->ctx->arena, &row.body, err));
    nk_code rc = nk_kept_put(k, &row, insert, err);
    return rc == NK_E_EXISTS
               ? nk_fail(err, rc, "%s %.*s already exists.", type->noun, NK_STR_ARG(name))
               : rc;
}

nk_code nk_kept_doc_drop(const nk_kept *k, const nk_doc_type *type, const nk_val *key, nk_str name,
                         nk_err *err)
{
    nk_code rc = nk_kept_drop(k, key, err);
    return rc == NK_E_NOT_FOUND
               ? nk_fail(err, rc, "%s %.*s not found.", type->noun, NK_STR_ARG(name))
               : rc;
}
