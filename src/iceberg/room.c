/* The room's life in a server. */
#include "iceberg/optimizers_int.h"

#define CACHE_MAX ((size_t)16 << 20)

const nk_kind *const nk_iceberg_kinds[] = {&nk_kind_optimizer, &nk_kind_optimizer_run,
                                           &nk_kind_purge, &nk_kind_cascade, NULL};

nk_code nk_iceberg_room_start(nk_app *app, nk_err *err)
{
    struct nk_iceberg *i = nk_calloc(1, sizeof *i);
    if (i)
        i->cache = nk_ice_cache_create(CACHE_MAX);
    if (!i || !i->cache) {
        nk_free(i);
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    }
    i->app = app;
    app->iceberg = i;
    nk_ice_optimizer_history();
    nk_code rc = nk_ice_optimizers_create(app, &i->optimizers, err);
    nk_catalog_hook(app, (nk_catalog_hooks){nk_ice_inherit, nk_ice_catalog_changed, app});
    if (rc != NK_OK)
        nk_iceberg_room_stop(app);
    return rc;
}

/* Once it has run, so have those that wake the optimizers. */
static nk_code after_wakes(nk_tx *tx, void *arg, nk_err *err)
{
    return NK_OK;
}

void nk_iceberg_room_stop(nk_app *app)
{
    if (!app->iceberg)
        return;
    nk_catalog_hook(app, (nk_catalog_hooks){0});
    if (nk_store_write(app->store, after_wakes, NULL, NULL) != NK_OK)
        nk_debug("iceberg", "the writer has stopped");
    nk_ice_optimizers_destroy(app->iceberg->optimizers);
    nk_ice_cache_destroy(app->iceberg->cache);
    nk_free(app->iceberg);
    app->iceberg = NULL;
}
