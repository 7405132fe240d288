/* The start and the end of the room. */
#include <stdio.h>

#include "catalog/connections_int.h"
#include "catalog/stats_int.h"

struct nk_catalog {
    nk_seal_key key;
    struct nk_stats *stats; /* NULL until the pool is there */
};

const nk_seal_key *nk_catalog_key(const nk_app *app)
{
    return &app->catalog->key;
}

nk_code nk_catalog_start(nk_app *app, nk_err *err)
{
    char path[4200];
    const char *dir = app->settings ? app->settings->data_dir : NULL;
    struct nk_catalog *c = nk_calloc(1, sizeof *c);
    if (!c)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    if (dir)
        snprintf(path, sizeof path, "%s/catalog.key", dir);
    nk_code rc = nk_seal_key_load(dir ? path : NULL, &c->key, err);
    if (rc == NK_OK)
        rc = nk_catalog_tag_types(err);
    app->catalog = c;
    if (rc == NK_OK)
        rc = nk_tasks_resume(app, err);
    if (rc != NK_OK)
        nk_catalog_stop(app);
    return rc;
}

void nk_catalog_stop(nk_app *app)
{
    nk_free(app->catalog);
    app->catalog = NULL;
}

struct nk_stats *nk_catalog_stats(const nk_app *app)
{
    return app->catalog->stats;
}

nk_code nk_catalog_stats_start(nk_app *app, nk_err *err)
{
    return nk_stats_create(app, &app->catalog->stats, err);
}

void nk_catalog_stats_stop(nk_app *app)
{
    nk_stats_destroy(app->catalog->stats);
    app->catalog->stats = NULL;
}
