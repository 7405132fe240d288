/* Answers to readers of data, who ask for the same versions by their ids again and again: kept as
 * they were sent, until a version of any schema is deleted or changes its state, or a registry
 * changes. */
#include "base/cache.h"
#include "registry/registry_int.h"

/* Some 60,000 versions of a kilobyte. */
#define REPLIES_BYTES ((size_t)64 << 20)

struct nk_registry {
    nk_cache *replies;
};

nk_code nk_recall_start(nk_app *app, nk_err *err)
{
    struct nk_registry *r = nk_calloc(1, sizeof *r);
    if (!r || !(r->replies = nk_cache_create(REPLIES_BYTES))) {
        nk_free(r);
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    }
    app->registry = r;
    return NK_OK;
}

void nk_registry_room_stop(nk_app *app)
{
    if (app->registry)
        nk_cache_destroy(app->registry->replies);
    nk_free(app->registry);
    app->registry = NULL;
}

/* p NULL when memory is gone. */
static nk_str key_of(const nk_reg_ctx *ctx, nk_str id)
{
    size_t n = 2 + ctx->region.n + id.n;
    char *p = nk_arena_bytes(ctx->arena, n);
    if (!p)
        return NK_STR_NULL;
    p[0] = ctx->door == NK_DOOR_GLUE ? 'g' : 'c';
    memcpy(p + 1, ctx->region.p, ctx->region.n);
    p[1 + ctx->region.n] = 0;
    memcpy(p + n - id.n, id.p, id.n);
    return nk_str_n(p, n);
}

nk_str nk_reply_recall(const nk_reg_ctx *ctx, nk_str id)
{
    int64_t changed = nk_store_changed(ctx->app->store, &nk_kind_schema_version);
    int64_t marked = nk_store_changed(ctx->app->store, &nk_kind_registry);
    nk_str key = key_of(ctx, id);
    return key.p ? nk_cache_get(ctx->app->registry->replies, key,
                                changed > marked ? changed : marked, ctx->arena)
                 : NK_STR_NULL;
}

void nk_reply_keep(nk_tx *tx, const nk_reg_ctx *ctx, nk_str id, nk_str reply)
{
    nk_str key = key_of(ctx, id);
    if (key.p && nk_tx_seq(tx) >= 0)
        nk_cache_put(ctx->app->registry->replies, key, nk_tx_seq(tx), reply);
}
