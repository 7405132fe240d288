/* Named documents: one way to load, save, drop and list them. */
#include "catalog/docs_int.h"

enum { PAGE_BYTES = 6 << 20 };

nk_code nk_doc_load(nk_tx *tx, const nk_doc_type *type, const nk_val *key, nk_str name, nk_arena *a,
                    void **value, nk_row *row, nk_err *err)
{
    nk_row mine, *r = row ? row : &mine;
    nk_code rc = nk_store_get(tx, type->kind, key, a, r, err);
    if (rc == NK_E_NOT_FOUND)
        return nk_fail(err, rc, "%s %.*s not found.", type->noun, NK_STR_ARG(name));
    NK_TRY(rc);
    return value ? nk_model_decode(type->shape, r->body, a, value, err) : NK_OK;
}

nk_code nk_doc_save(nk_tx *tx, const nk_doc_type *type, const nk_val *cols, nk_str name,
                    const void *value, bool insert, nk_arena *a, nk_err *err)
{
    nk_row row = {.cols = cols};
    NK_TRY(nk_model_encode_str(type->shape, value, a, &row.body, err));
    nk_code rc = insert ? nk_store_insert(tx, type->kind, &row, err)
                        : nk_store_put(tx, type->kind, &row, err);
    return rc == NK_E_EXISTS
               ? nk_fail(err, rc, "%s %.*s already exists.", type->noun, NK_STR_ARG(name))
               : rc;
}

nk_code nk_doc_drop(nk_tx *tx, const nk_doc_type *type, const nk_val *key, nk_str name, nk_err *err)
{
    nk_code rc = nk_store_delete(tx, type->kind, key, err);
    return rc == NK_E_NOT_FOUND
               ? nk_fail(err, rc, "%s %.*s not found.", type->noun, NK_STR_ARG(name))
               : rc;
}

/* ---- listings ---- */

static bool take(void *arg, const nk_row *row)
{
    nk_docs_page *p = arg;
    nk_arena *a = p->call->arena;
    if (p->want && !p->want(p->arg, row))
        return true;
    if (p->rows.n == p->max || p->bytes > PAGE_BYTES) {
        p->more = true;
        return false;
    }
    nk_row *copy = nk_row_list_add(&p->rows, a);
    p->bytes += row->body.n;
    if (!copy || nk_row_dup(p->query.kind, row, a, copy) != NK_OK) {
        p->rc = nk_fail(p->call->err, NK_E_NOMEM, "out of memory");
        return false;
    }
    return true;
}

nk_code nk_docs_list(nk_docs_page *p, nk_str *next)
{
    nk_call *call = p->call;
    nk_pos after;
    *next = NK_STR_NULL;
    if (!p->request.p)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    NK_TRY(nk_page_open(call, p->request, p->token, &p->place));
    if (p->place.p) {
        if (nk_store_pos_unpack(&p->query, p->place, call->arena, &after) != NK_OK)
            return nk_fail(call->err, NK_E_INVALID, "Invalid NextToken.");
        p->query.after = &after;
    }
    p->query.limit = p->want ? 0 : p->max + 1;
    NK_TRY(nk_store_scan(call->tx, &p->query, take, p, call->err));
    NK_TRY(p->rc);
    if (!p->more)
        return NK_OK;
    nk_buf b;
    nk_buf_init(&b, 65536);
    nk_pos last;
    nk_code rc = nk_store_pos(&p->query, &p->rows.v[p->rows.n - 1], call->arena, &last);
    if (rc == NK_OK)
        rc = nk_store_pos_pack(&last, &b);
    if (rc == NK_OK)
        rc = nk_page_token(call, p->request, nk_buf_view(&b), next);
    nk_buf_free(&b);
    return rc;
}

nk_code nk_docs_fill(const nk_docs_page *p, size_t elem, void *list)
{
    /* Every generated list is {v, n, set}, and every struct begins with raw_. */
    struct {
        char *v;
        size_t n;
        bool set;
    } out = {nk_arena_calloc(p->call->arena, p->rows.n + 1, elem), p->rows.n, true};
    if (!out.v)
        return nk_fail(p->call->err, NK_E_NOMEM, "out of memory");
    for (size_t i = 0; i < out.n; i++)
        memcpy(out.v + i * elem, &p->rows.v[i].body, sizeof(nk_str));
    memcpy(list, &out, sizeof(out));
    return NK_OK;
}
