/* Deleting. What others link to stays. Large things are marked first and purged in steps of bounded
 * size, by closures that follow one another; a start goes on with what a stop cut short. */
#include "catalog/schema_ref.h"
#include "registry/registry_int.h"

enum { STEP = 2000 };

/* ---- who links to it ---- */

typedef struct first {
    int64_t schema, version;
    bool found;
} first;

static bool take_first(void *arg, const nk_row *row)
{
    first *f = arg;
    *f = (first){row->cols[NK_LNK_SCHEMA].i, row->cols[NK_LNK_VERSION].i, true};
    return false;
}

static nk_code name_it(nk_tx *tx, const nk_reg_ctx *ctx, const first *f, nk_str *who, nk_err *err)
{
    nk_schema_row s;
    *who = NK_STR_NULL;
    if (!f->found)
        return NK_OK;
    NK_TRY(nk_schema_load_id(tx, ctx, f->schema, &s, err));
    *who = nk_str_printf(ctx->arena, "version %lld of %.*s", (long long)f->version,
                         NK_STR_ARG(s.name));
    return who->p ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
}

nk_code nk_schema_linked(nk_tx *tx, const nk_reg_ctx *ctx, int64_t schema, int64_t version,
                         nk_str *who, nk_err *err)
{
    first f = {0};
    nk_query q = {.kind = &nk_kind_schema_link,
                  .index = &nk_kind_schema_link.indexes[0],
                  .prefix = NK_KEY(nk_vi(schema), nk_vi(version)),
                  .nprefix = version ? 2 : 1,
                  .no_body = true};
    nk_cond elsewhere = {
        .op = NK_C_NE, .col = NK_LNK_SCHEMA, .vals = NK_KEY(nk_vi(schema)), .nvals = 1};
    if (!version)
        q.where = &elsewhere;
    NK_TRY(nk_store_scan(tx, &q, take_first, &f, err));
    return name_it(tx, ctx, &f, who, err);
}

static nk_code registry_linked(nk_tx *tx, const nk_reg_ctx *ctx, int64_t registry, nk_str *who,
                               nk_err *err)
{
    first f = {0};
    nk_query q = {.kind = &nk_kind_schema_link,
                  .index = &nk_kind_schema_link.indexes[1],
                  .prefix = NK_KEY(nk_vi(registry)),
                  .nprefix = 1,
                  .where = &(nk_cond){.op = NK_C_NE,
                                      .col = NK_LNK_REGISTRY,
                                      .vals = NK_KEY(nk_vi(registry)),
                                      .nvals = 1},
                  .no_body = true};
    NK_TRY(nk_store_scan(tx, &q, take_first, &f, err));
    return name_it(tx, ctx, &f, who, err);
}

/* ---- one version ---- */

static bool take_latest(void *arg, const nk_row *row)
{
    if (row->cols[NK_VER_STATE].i != NK_VERSION_AVAILABLE)
        return true;
    *(int64_t *)arg = row->cols[NK_VER_VERSION].i;
    return false;
}

nk_code nk_schema_find_latest(nk_tx *tx, nk_schema_row *s, nk_err *err)
{
    nk_query q = {.kind = &nk_kind_schema_version,
                  .prefix = NK_KEY(nk_vi(s->id)),
                  .nprefix = 1,
                  .desc = true,
                  .no_body = true};
    s->latest = 0;
    return nk_store_scan(tx, &q, take_latest, &s->latest, err);
}

nk_code nk_version_delete(nk_tx *tx, const nk_reg_ctx *ctx, nk_schema_row *s, int64_t version,
                          nk_err *err)
{
    const nk_val *key = NK_KEY(nk_vi(s->id), nk_vi(version));
    nk_str who;
    NK_TRY(nk_schema_linked(tx, ctx, s->id, version, &who, err));
    if (who.p)
        return nk_fail(err, NK_E_INVALID, "Schema version %lld of %.*s is referenced by %.*s.",
                       (long long)version, NK_STR_ARG(s->name), NK_STR_ARG(who));
    NK_TRY(nk_store_delete(tx, &nk_kind_schema_version, key, err));
    NK_TRY(nk_store_delete_range(tx, &nk_kind_schema_link, key, 2, 0, NULL, err));
    NK_TRY(nk_store_delete_range(tx, &nk_kind_schema_metadata, key, 2, 0, NULL, err));
    s->change++;
    return s->latest == version ? nk_schema_find_latest(tx, s, err) : NK_OK;
}

/* ---- purging ---- */

typedef struct doomed_one {
    int64_t registry, id;
    nk_str name, region, tags; /* tags: the key of its tags */
} doomed_one;

static nk_code purge_schema(nk_tx *tx, const doomed_one *d, size_t *left, nk_err *err)
{
    const nk_kind *const kinds[] = {&nk_kind_schema_link, &nk_kind_schema_metadata,
                                    &nk_kind_schema_version, &nk_kind_schema_follower};
    for (size_t i = 0; i < NK_COUNTOF(kinds); i++) {
        size_t n;
        NK_TRY(nk_store_delete_range(tx, kinds[i], NK_KEY(nk_vi(d->id)), 1, *left, &n, err));
        *left -= n;
        if (!*left)
            return NK_OK;
    }
    --*left;
    NK_TRY(nk_tags_drop(tx, d->region, d->tags, err));
    return nk_store_delete(tx, &nk_kind_schema, NK_KEY(nk_vi(d->registry), nk_vs(d->name)), err);
}

typedef struct doomed {
    nk_arena *arena;
    doomed_one v[64];
    size_t n;
    bool failed;
} doomed;

static bool take_schema(void *arg, const nk_row *row)
{
    doomed *d = arg;
    const nk_val *c = row->cols;
    doomed_one *x = &d->v[d->n++];
    *x = (doomed_one){c[NK_SCH_REGISTRY].i, c[NK_SCH_ID].i, nk_str_dup(d->arena, c[NK_SCH_NAME].s),
                      nk_str_dup(d->arena, c[NK_SCH_REGION].s),
                      nk_schema_resource(d->arena, c[NK_SCH_REGISTRY_NAME].s, c[NK_SCH_NAME].s)};
    d->failed = d->failed || !x->name.p || !x->region.p || !x->tags.p;
    return !d->failed;
}

static bool take_registry(void *arg, const nk_row *row)
{
    doomed *d = arg;
    const nk_val *c = row->cols;
    doomed_one *x = &d->v[d->n++];
    *x = (doomed_one){0, c[NK_REG_ID].i, nk_str_dup(d->arena, c[NK_REG_NAME].s),
                      nk_str_dup(d->arena, c[NK_REG_REGION].s),
                      nk_registry_resource(d->arena, c[NK_REG_NAME].s)};
    d->failed = d->failed || !x->name.p || !x->region.p || !x->tags.p;
    return !d->failed;
}

static nk_code purge_all(nk_tx *tx, const nk_query *q, doomed *d, size_t *left, nk_err *err)
{
    d->n = 0;
    NK_TRY(nk_store_scan(tx, q, take_schema, d, err));
    if (d->failed)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    for (size_t i = 0; i < d->n && *left; i++)
        NK_TRY(purge_schema(tx, &d->v[i], left, err));
    return NK_OK;
}

/* Purges up to STEP records of what is marked; *more says whether anything may be left. */
static nk_code sweep_step(nk_tx *tx, nk_arena *a, bool *more, nk_err *err)
{
    doomed registries = {.arena = a}, schemas = {.arena = a};
    size_t left = STEP;
    nk_query marked = {.kind = &nk_kind_schema,
                       .index = &nk_kind_schema.indexes[2],
                       .prefix = NK_KEY(nk_vi(1)),
                       .nprefix = 1,
                       .no_body = true,
                       .limit = NK_COUNTOF(schemas.v)};
    nk_query regs = {.kind = &nk_kind_registry,
                     .index = &nk_kind_registry.indexes[0],
                     .prefix = NK_KEY(nk_vi(1)),
                     .nprefix = 1,
                     .no_body = true,
                     .limit = 1};
    NK_TRY(purge_all(tx, &marked, &schemas, &left, err));
    NK_TRY(nk_store_scan(tx, &regs, take_registry, &registries, err));
    *more = schemas.n > 0 || registries.n > 0;
    if (!registries.n || registries.failed)
        return registries.failed ? nk_fail(err, NK_E_NOMEM, "out of memory") : NK_OK;
    nk_query of = {.kind = &nk_kind_schema,
                   .prefix = NK_KEY(nk_vi(registries.v[0].id)),
                   .nprefix = 1,
                   .no_body = true,
                   .limit = NK_COUNTOF(schemas.v)};
    if (left)
        NK_TRY(purge_all(tx, &of, &schemas, &left, err));
    if (!left || schemas.n)
        return NK_OK;
    NK_TRY(nk_tags_drop(tx, registries.v[0].region, registries.v[0].tags, err));
    return nk_store_delete(tx, &nk_kind_registry,
                           NK_KEY(nk_vs(registries.v[0].region), nk_vs(registries.v[0].name)), err);
}

typedef struct sweep {
    nk_store *store;
    bool more;
} sweep;

static nk_code sweep_run(nk_tx *tx, void *arg, nk_err *err)
{
    sweep *s = arg;
    nk_arena *a = nk_arena_create(0);
    if (!a)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    nk_code rc = sweep_step(tx, a, &s->more, err);
    nk_arena_destroy(a);
    return rc;
}

static void sweep_done(void *arg, nk_code code, const nk_err *err)
{
    sweep *s = arg;
    if (code != NK_OK)
        nk_error("registry", "deleting goes on after the next start: %s", err ? err->msg : "");
    else if (s->more && nk_store_submit(s->store, sweep_run, s, sweep_done, s, NULL) == NK_OK)
        return;
    nk_free(s);
}

static nk_code sweep_begin(nk_store *store, nk_err *err)
{
    sweep *s = nk_calloc(1, sizeof(*s));
    if (!s)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    s->store = store;
    nk_code rc = nk_store_submit(store, sweep_run, s, sweep_done, s, err);
    if (rc != NK_OK)
        nk_free(s);
    return rc;
}

/* ---- the room ---- */

static nk_code registry_exists(nk_tx *tx, const nk_catalog_ctx *c, nk_str name, bool *found,
                               nk_err *err)
{
    nk_reg_ctx ctx = {.arena = c->arena, .region = c->region, .account = c->account_id};
    nk_registry_row r;
    nk_code rc = nk_registry_load(tx, &ctx, name, &r, err);
    *found = rc == NK_OK && !r.deleting;
    return rc == NK_E_NOT_FOUND ? NK_OK : rc;
}

static nk_code schema_exists(nk_tx *tx, const nk_catalog_ctx *c, nk_str name, bool *found,
                             nk_err *err)
{
    nk_reg_ctx ctx = {.arena = c->arena, .region = c->region, .account = c->account_id};
    nk_schema_row s;
    ptrdiff_t slash = nk_str_chr(name, '/');
    *found = false;
    if (slash <= 0)
        return NK_OK;
    nk_code rc = nk_schema_load(tx, &ctx, nk_str_sub(name, 0, (size_t)slash),
                                nk_str_sub(name, (size_t)slash + 1, name.n), &s, err);
    *found = rc == NK_OK;
    return rc == NK_E_NOT_FOUND ? NK_OK : rc;
}

nk_code nk_registry_room_start(nk_app *app, nk_err *err)
{
    static const nk_tag_type types[] = {
        {.type = "registry", .exists = registry_exists, .exact = true},
        {.type = "schema", .exists = schema_exists, .exact = true},
    };
    for (size_t i = 0; i < NK_COUNTOF(types); i++)
        NK_TRY(nk_tags_register(&types[i], err));
    nk_catalog_set_schema_columns(nk_registry_columns);
    NK_TRY(nk_recall_start(app, err));
    nk_code rc = sweep_begin(app->store, err);
    if (rc != NK_OK)
        nk_registry_room_stop(app);
    return rc;
}

/* ---- schemas and registries ---- */

nk_code nk_schema_delete(nk_tx *tx, const nk_reg_ctx *ctx, nk_schema_row *s, nk_err *err)
{
    nk_str who;
    size_t left = STEP;
    NK_TRY(nk_schema_linked(tx, ctx, s->id, 0, &who, err));
    if (who.p)
        return nk_fail(err, NK_E_INVALID, "Schema %.*s is referenced by %.*s.", NK_STR_ARG(s->name),
                       NK_STR_ARG(who));
    doomed_one one = {s->registry, s->id, s->name, ctx->region,
                      nk_schema_resource(ctx->arena, s->registry_name, s->name)};
    if (!one.tags.p)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    s->deleting = true;
    s->change++;
    NK_TRY(nk_schema_save(tx, ctx, s, false, err));
    NK_TRY(purge_schema(tx, &one, &left, err));
    return left ? NK_OK : sweep_begin(nk_tx_store(tx), err);
}

nk_code nk_registry_delete(nk_tx *tx, const nk_reg_ctx *ctx, nk_registry_row *r, nk_err *err)
{
    nk_str who;
    NK_TRY(registry_linked(tx, ctx, r->id, &who, err));
    if (who.p)
        return nk_fail(err, NK_E_INVALID, "Registry %.*s has schemas referenced by %.*s.",
                       NK_STR_ARG(r->name), NK_STR_ARG(who));
    r->deleting = true;
    NK_TRY(nk_registry_save(tx, ctx, r, false, err));
    return sweep_begin(nk_tx_store(tx), err);
}
