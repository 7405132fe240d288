/* The start and the end of the room. */
#include <pthread.h>
#include <stdio.h>

#include "catalog/connections_int.h"
#include "catalog/history_int.h"
#include "catalog/properties_int.h"
#include "catalog/search_int.h"
#include "catalog/stats_int.h"

struct nk_catalog {
    nk_store *store;
    nk_search *search;
    nk_history_state history;
    nk_seal_key key;
    struct nk_stats *stats; /* NULL until the pool is there */
    nk_catalog_hooks hooks;
};

/* Which catalogue a transaction is of: mutators know no more than their transaction. Written at
 * start and stop, when no transaction runs. */
static struct nk_catalog *catalogs[8];

struct nk_catalog *nk_catalog_of(nk_store *store)
{
    for (size_t i = 0; i < NK_COUNTOF(catalogs); i++)
        if (catalogs[i] && catalogs[i]->store == store)
            return catalogs[i];
    return NULL;
}

static nk_code enlist(struct nk_catalog *c, nk_err *err)
{
    for (size_t i = 0; i < NK_COUNTOF(catalogs); i++)
        if (!catalogs[i]) {
            catalogs[i] = c;
            return NK_OK;
        }
    return nk_fail(err, NK_E_INTERNAL, "too many catalogues in one process");
}

nk_history_state *nk_catalog_history_state(struct nk_catalog *c)
{
    return &c->history;
}

nk_catalog_hooks *nk_catalog_hooks_of(struct nk_catalog *c)
{
    return &c->hooks;
}

void nk_catalog_hook(nk_app *app, nk_catalog_hooks hooks)
{
    app->catalog->hooks = hooks;
}

nk_search *nk_catalog_search(struct nk_catalog *c)
{
    return c->search;
}

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
    c->store = app->store;
    if (rc == NK_OK)
        rc = nk_search_create(&c->search, err);
    if (rc == NK_OK)
        rc = enlist(c, err);
    if (rc == NK_OK)
        rc = nk_history_start(app, err);
    if (rc == NK_OK)
        rc = nk_search_start(c->search, app, err);
    if (rc == NK_OK)
        rc = nk_tasks_resume(app, err);
    if (rc != NK_OK)
        nk_catalog_stop(app);
    return rc;
}

void nk_catalog_stop(nk_app *app)
{
    struct nk_catalog *c = app->catalog;
    for (size_t i = 0; i < NK_COUNTOF(catalogs); i++)
        if (catalogs[i] == c)
            catalogs[i] = NULL;
    nk_search_destroy(c->search); /* ends its thread */
    nk_free(c);
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
