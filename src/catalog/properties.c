/* What a catalog asks for all its tables (CatalogProperties): table optimizers, and statistics of
 * columns. Optimizers are written as maps of texts, one row below a key that they may have. */
#include <stddef.h>

#include "catalog/properties_int.h"
#include "catalog/stats_int.h"

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

/* ---- optimizers ---- */

#define HOURS_MIN 3
#define HOURS_MAX 168

typedef enum { A_FLAG, A_NUMBER, A_STRATEGY } value_kind;

/* Members of the configurations of the three types; offset is within that of Iceberg's. */
static const struct member {
    const char *type, *key;
    value_kind kind;
    int64_t min, max;
    size_t offset;
} members[] = {
#define C(m) offsetof(glue_IcebergCompactionConfiguration, m)
#define R(m) offsetof(glue_IcebergRetentionConfiguration, m)
#define O(m) offsetof(glue_IcebergOrphanFileDeletionConfiguration, m)
    {"compaction", "strategy", A_STRATEGY, 0, 0, C(strategy)},
    {"compaction", "minInputFiles", A_NUMBER, 2, INT32_MAX, C(minInputFiles)},
    {"compaction", "deleteFileThreshold", A_NUMBER, 1, INT32_MAX, C(deleteFileThreshold)},
    {"retention", "snapshotRetentionPeriodInDays", A_NUMBER, 1, INT32_MAX,
     R(snapshotRetentionPeriodInDays)},
    {"retention", "numberOfSnapshotsToRetain", A_NUMBER, 1, INT32_MAX,
     R(numberOfSnapshotsToRetain)},
    {"retention", "cleanExpiredFiles", A_FLAG, 0, 0, R(cleanExpiredFiles)},
    {"retention", "runRateInHours", A_NUMBER, HOURS_MIN, HOURS_MAX, R(runRateInHours)},
    {"orphan_file_deletion", "orphanFileRetentionPeriodInDays", A_NUMBER, 0, INT32_MAX,
     O(orphanFileRetentionPeriodInDays)},
    {"orphan_file_deletion", "runRateInHours", A_NUMBER, HOURS_MIN, HOURS_MAX, O(runRateInHours)},
#undef C
#undef R
#undef O
};

const char *const nk_optimizer_types[NK_OPTIMIZER_TYPES] = {"compaction", "retention",
                                                            "orphan_file_deletion"};
static const char *const map_names[NK_OPTIMIZER_TYPES] = {"Compaction", "Retention",
                                                          "OrphanFileDeletion"};

static nk_code in_range(const struct member *m, int64_t v, nk_err *err)
{
    if (v >= m->min && v <= m->max)
        return NK_OK;
    return nk_fail(err, NK_E_INVALID, "%s must be between %lld and %lld.", m->key,
                   (long long)m->min, (long long)m->max);
}

static const void *iceberg_part(nk_str type, const glue_TableOptimizerConfiguration *c)
{
    if (nk_str_is(type, nk_optimizer_types[0]))
        return c->compactionConfiguration ? c->compactionConfiguration->icebergConfiguration : NULL;
    if (nk_str_is(type, nk_optimizer_types[1]))
        return c->retentionConfiguration ? c->retentionConfiguration->icebergConfiguration : NULL;
    return c->orphanFileDeletionConfiguration
               ? c->orphanFileDeletionConfiguration->icebergConfiguration
               : NULL;
}

nk_code nk_optimizer_check(nk_str type, const glue_TableOptimizerConfiguration *c, nk_err *err)
{
    const char *part = iceberg_part(type, c);
    for (size_t i = 0; part && i < NK_COUNTOF(members); i++) {
        const struct member *m = &members[i];
        if (m->kind != A_NUMBER || !nk_str_is(type, m->type))
            continue;
        const nk_opt_i64 *v = (const void *)(part + m->offset);
        if (v->set)
            NK_TRY(in_range(m, v->value, err));
    }
    return NK_OK;
}

static nk_code flag(nk_str key, nk_str text, bool *out, nk_err *err)
{
    *out = nk_str_ieq(text, NK_STR("true"));
    if (*out || nk_str_ieq(text, NK_STR("false")))
        return NK_OK;
    return nk_fail(err, NK_E_INVALID, "%.*s must be true or false.", NK_STR_ARG(key));
}

static nk_code put_member(const struct member *m, const nk_pair *p, char *part, nk_err *err)
{
    static const char *const strategies[] = {"binpack", "sort", "z-order"};
    void *at = part + m->offset;
    bool yes;
    int64_t v;
    switch (m->kind) {
    case A_FLAG:
        NK_TRY(flag(p->key, p->value, &yes, err));
        *(nk_opt_bool *)at = nk_some_bool(yes);
        return NK_OK;
    case A_NUMBER:
        if (!nk_str_i64(p->value, &v))
            return nk_fail(err, NK_E_INVALID, "%s must be a whole number.", m->key);
        *(nk_opt_i64 *)at = nk_some_i64(v);
        return in_range(m, v, err);
    case A_STRATEGY:
        for (size_t i = 0; i < NK_COUNTOF(strategies); i++)
            if (nk_str_is(p->value, strategies[i])) {
                *(nk_str *)at = p->value;
                return NK_OK;
            }
    }
    return nk_fail(err, NK_E_INVALID, "strategy must be binpack, sort or z-order.");
}

static nk_code put_map(size_t type, const nk_map_str *map, char *part, bool *enabled, nk_err *err)
{
    *enabled = false;
    for (size_t i = 0; i < map->n; i++) {
        const nk_pair *p = &map->v[i];
        const struct member *m = NULL;
        if (nk_str_is(p->key, "enabled")) {
            NK_TRY(flag(p->key, p->value, enabled, err));
            continue;
        }
        for (size_t k = 0; k < NK_COUNTOF(members) && !m; k++)
            if (nk_str_is(p->key, members[k].key) &&
                !strcmp(members[k].type, nk_optimizer_types[type]))
                m = &members[k];
        if (!m)
            return nk_fail(err, NK_E_INVALID, "%s has no setting %.*s.", map_names[type],
                           NK_STR_ARG(p->key));
        NK_TRY(put_member(m, p, part, err));
    }
    return NK_OK;
}

/* The configurations of all types, with room for what they point to. */
typedef struct made {
    glue_TableOptimizerConfiguration c;
    glue_CompactionConfiguration compaction;
    glue_RetentionConfiguration retention;
    glue_OrphanFileDeletionConfiguration orphans;
    union {
        glue_IcebergCompactionConfiguration compaction;
        glue_IcebergRetentionConfiguration retention;
        glue_IcebergOrphanFileDeletionConfiguration orphans;
    } part;
} made;

static nk_code make(size_t type, nk_str role, const nk_map_str *map, nk_arena *a,
                    glue_TableOptimizerConfiguration **out, nk_err *err)
{
    made *m = NK_NEW(a, made);
    bool enabled;
    if (!m)
        return nomem(err);
    NK_TRY(put_map(type, map, (char *)&m->part, &enabled, err));
    m->c.roleArn = role;
    m->c.enabled = nk_some_bool(enabled);
    bool more = map->n > 1 || (map->n && !nk_str_is(map->v[0].key, "enabled"));
    if (more && type == 0) {
        m->compaction.icebergConfiguration = &m->part.compaction;
        m->c.compactionConfiguration = &m->compaction;
    } else if (more && type == 1) {
        m->retention.icebergConfiguration = &m->part.retention;
        m->c.retentionConfiguration = &m->retention;
    } else if (more) {
        m->orphans.icebergConfiguration = &m->part.orphans;
        m->c.orphanFileDeletionConfiguration = &m->orphans;
    }
    *out = &m->c;
    return NK_OK;
}

nk_code nk_catalog_optimizer(const glue_CatalogPropertiesOutput *p, nk_str type, nk_arena *a,
                             glue_TableOptimizerConfiguration **out, nk_err *err)
{
    static const nk_map_str none;
    const glue_IcebergOptimizationPropertiesOutput *o = p ? p->IcebergOptimizationProperties : NULL;
    const nk_map_str *maps[] = {o ? &o->Compaction : &none, o ? &o->Retention : &none,
                                o ? &o->OrphanFileDeletion : &none};
    for (size_t i = 0; i < NK_OPTIMIZER_TYPES; i++)
        if (nk_str_is(type, nk_optimizer_types[i]))
            return make(i, o ? o->RoleArn : NK_STR_NULL, maps[i], a, out, err);
    return nk_fail(err, NK_E_INTERNAL, "no such optimizer");
}

/* ---- checking and keeping ---- */

static nk_code check_optimizers(const glue_IcebergOptimizationProperties *in, nk_arena *a,
                                nk_err *err)
{
    const nk_map_str *maps[] = {&in->Compaction, &in->Retention, &in->OrphanFileDeletion};
    for (size_t i = 0; i < NK_OPTIMIZER_TYPES; i++) {
        glue_TableOptimizerConfiguration *c;
        nk_code rc = make(i, in->RoleArn, maps[i], a, &c, err);
        if (rc != NK_OK)
            return nk_wrap(err, "IcebergOptimizationProperties");
        if (c->enabled.value && !in->RoleArn.n)
            return nk_fail(err, NK_E_INVALID,
                           "IcebergOptimizationProperties: RoleArn must be given where an "
                           "optimizer is enabled.");
    }
    return NK_OK;
}

/* ---- statistics ---- */

#define STATISTICS "ColumnStatistics."

static nk_code check_statistics(const nk_map_str *map, bool root, nk_err *err)
{
    bool on = false;
    nk_str role = nk_map_str_get(map, STATISTICS "RoleArn");
    for (size_t i = 0; i < map->n; i++) {
        const nk_pair *p = &map->v[i];
        if (!nk_str_starts(p->key, NK_STR(STATISTICS)))
            continue;
        if (!root)
            return nk_fail(err, NK_E_INVALID,
                           "The property %.*s is of the account's own catalog: statistics are "
                           "computed for its tables only.",
                           NK_STR_ARG(p->key));
        if (nk_str_is(p->key, STATISTICS "Enabled"))
            NK_TRY(flag(p->key, p->value, &on, err));
        else if (!nk_str_is(p->key, STATISTICS "RoleArn"))
            return nk_fail(err, NK_E_INVALID,
                           "There is no property %.*s: column statistics have Enabled and RoleArn.",
                           NK_STR_ARG(p->key));
    }
    if (on && !role.n)
        return nk_fail(err, NK_E_INVALID,
                       STATISTICS "RoleArn must be given where statistics are enabled.");
    return NK_OK;
}

nk_str nk_catalog_statistics_role(const glue_CatalogPropertiesOutput *p)
{
    if (!p ||
        !nk_str_ieq(nk_map_str_get(&p->CustomProperties, STATISTICS "Enabled"), NK_STR("true")))
        return NK_STR_NULL;
    return nk_map_str_get(&p->CustomProperties, STATISTICS "RoleArn");
}

nk_code nk_catalog_properties_make(const glue_CatalogProperties *in, bool root, int64_t now_us,
                                   nk_arena *a, glue_CatalogPropertiesOutput **out, nk_err *err)
{
    if (!in)
        return NK_OK;
    NK_TRY(check_statistics(&in->CustomProperties, root, err));
    *out = NK_NEW(a, glue_CatalogPropertiesOutput);
    if (!*out)
        return nomem(err);
    (*out)->CustomProperties = in->CustomProperties;
    if (in->DataLakeAccessProperties) {
        const glue_DataLakeAccessProperties *d = in->DataLakeAccessProperties;
        glue_DataLakeAccessPropertiesOutput *o = NK_NEW(a, glue_DataLakeAccessPropertiesOutput);
        if (!o)
            return nomem(err);
        o->DataLakeAccess = d->DataLakeAccess;
        o->DataTransferRole = d->DataTransferRole;
        o->KmsKey = d->KmsKey;
        o->CatalogType = d->CatalogType;
        (*out)->DataLakeAccessProperties = o;
    }
    if (in->IcebergOptimizationProperties) {
        const glue_IcebergOptimizationProperties *d = in->IcebergOptimizationProperties;
        glue_IcebergOptimizationPropertiesOutput *o =
            NK_NEW(a, glue_IcebergOptimizationPropertiesOutput);
        if (!o)
            return nomem(err);
        NK_TRY(check_optimizers(d, a, err));
        *o = (glue_IcebergOptimizationPropertiesOutput){.RoleArn = d->RoleArn,
                                                        .Compaction = d->Compaction,
                                                        .Retention = d->Retention,
                                                        .OrphanFileDeletion = d->OrphanFileDeletion,
                                                        .LastUpdatedTime = nk_some_time(now_us)};
        (*out)->IcebergOptimizationProperties = o;
    }
    return NK_OK;
}

nk_code nk_catalog_properties(nk_tx *tx, const nk_catalog_ctx *ctx,
                              const glue_CatalogPropertiesOutput **out, nk_err *err)
{
    nk_row row;
    glue_Catalog *c;
    nk_str id = ctx->catalog_id, name = NK_CAT_ROOT;
    if (id.p && !nk_str_eq(id, ctx->account_id))
        name = nk_str_sub(id, ctx->account_id.n + 1, id.n);
    *out = NULL;
    nk_code rc = nk_store_get(tx, &nk_kind_catalog,
                              NK_KEY(nk_vs(ctx->home.p ? ctx->home : ctx->region), nk_vs(name)),
                              ctx->arena, &row, err);
    if (rc == NK_E_NOT_FOUND)
        return NK_OK;
    NK_TRY(rc);
    NK_TRY(nk_model_decode(&glue_Catalog_shape, row.body, ctx->arena, (void **)&c, err));
    *out = c->CatalogProperties;
    return NK_OK;
}

/* ---- telling others ---- */

nk_code nk_catalog_properties_changed(nk_tx *tx, const nk_catalog_ctx *ctx, nk_err *err)
{
    struct nk_catalog *c = nk_catalog_of(nk_tx_store(tx));
    const nk_catalog_hooks *h = c ? nk_catalog_hooks_of(c) : NULL;
    const glue_CatalogPropertiesOutput *p;
    if (!ctx->catalog_id.p) {
        NK_TRY(nk_catalog_properties(tx, ctx, &p, err));
        if (!nk_catalog_statistics_role(p).n)
            NK_TRY(nk_stats_settings_disinherit(tx, ctx, err));
    }
    return h && h->properties ? h->properties(h->arg, tx, ctx, err) : NK_OK;
}

nk_code nk_table_inherit(nk_tx *tx, const nk_catalog_ctx *ctx, const nk_db_ref *db, int64_t id,
                         const glue_Table *table, nk_err *err)
{
    struct nk_catalog *c = nk_catalog_of(nk_tx_store(tx));
    const nk_catalog_hooks *h = c ? nk_catalog_hooks_of(c) : NULL;
    const glue_CatalogPropertiesOutput *p;
    nk_catalog_ctx there = *ctx;
    if (table->TargetTable)
        return NK_OK;
    bool own = nk_str_eq(db->catalog_id, ctx->account_id);
    there.home = own ? db->space : ctx->home.p ? ctx->home : ctx->region;
    there.region = db->space;
    there.catalog_id = own ? NK_STR_NULL : db->catalog_id;
    NK_TRY(nk_catalog_properties(tx, &there, &p, err));
    nk_str role = own ? nk_catalog_statistics_role(p) : NK_STR_NULL;
    if (role.n)
        NK_TRY(nk_stats_settings_inherit(tx, &there, id, table, role, err));
    return p && h && h->table ? h->table(h->arg, tx, &there, table, p, err) : NK_OK;
}
