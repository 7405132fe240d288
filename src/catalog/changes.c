/* What other rooms do to the catalogue in process. */
#include "catalog/catalog_int.h"

static nk_code put_table(nk_tx *tx, const nk_catalog_ctx *ctx, const nk_catalog_change *c,
                         nk_catalog_counts *n, nk_err *err)
{
    nk_table_update u = {.in = c->table_input, .skip_archive = c->skip_archive};
    nk_code rc = NK_E_NOT_FOUND;
    if (c->kind != NK_CHANGE_CREATE_TABLE)
        rc = nk_table_change(tx, ctx, c->database, &u, err);
    if (rc == NK_OK)
        n->tables_updated++;
    if (rc != NK_E_NOT_FOUND || c->kind == NK_CHANGE_UPDATE_TABLE)
        return rc;
    nk_str indexes = NK_STR_NULL;
    if (c->indexes)
        NK_TRY(nk_indexes_of_input(c->indexes, &c->table_input->PartitionKeys, ctx->arena, &indexes,
                                   err));
    rc = nk_table_create(tx, ctx, c->database, c->table_input, indexes, err);
    if (rc == NK_OK)
        n->tables_created++;
    return rc == NK_E_EXISTS && c->or_exists ? NK_OK : rc;
}

static nk_code change_partition(nk_part_ctx *p, const nk_catalog_change *c, nk_catalog_counts *n,
                                nk_err *err)
{
    bool existed = false;
    nk_code rc;
    if (c->kind == NK_CHANGE_DELETE_PARTITION) {
        rc = nk_part_delete(p, c->values, err);
        n->partitions_deleted += rc == NK_OK;
        return rc == NK_E_NOT_FOUND ? NK_OK : rc;
    }
    if (c->kind == NK_CHANGE_ADD_PARTITION) {
        rc = nk_part_write(p, c->partition_input, NK_PART_CREATE, NULL, err);
        n->partitions_created += rc == NK_OK;
        return rc == NK_E_EXISTS ? NK_OK : rc;
    }
    NK_TRY(nk_part_write(p, c->partition_input, NK_PART_PUT, &existed, err));
    n->partitions_created += !existed;
    n->partitions_updated += existed;
    return NK_OK;
}

static nk_code apply_one(nk_tx *tx, const nk_catalog_ctx *ctx, const nk_catalog_change *c,
                         nk_part_ctx *p, nk_catalog_counts *n, nk_err *err)
{
    nk_code rc;
    switch (c->kind) {
    case NK_CHANGE_CREATE_DATABASE: {
        glue_DatabaseInput in = {.Name = c->database};
        rc = nk_database_create(tx, ctx, &in, err);
        return rc == NK_E_EXISTS && c->or_exists ? NK_OK : rc;
    }
    case NK_CHANGE_CREATE_TABLE:
    case NK_CHANGE_UPDATE_TABLE:
    case NK_CHANGE_PUT_TABLE:
        return put_table(tx, ctx, c, n, err);
    case NK_CHANGE_DELETE_TABLE:
        rc = nk_table_drop(tx, ctx, c->database, c->table, err);
        n->tables_deleted += rc == NK_OK;
        return rc == NK_E_NOT_FOUND && c->or_exists ? NK_OK : rc;
    default:
        return change_partition(p, c, n, err);
    }
}

nk_code nk_catalog_apply(nk_tx *tx, const nk_catalog_ctx *ctx, const nk_catalog_change *changes,
                         size_t n, nk_catalog_counts *counts, nk_err *err)
{
    nk_catalog_counts none, *c = counts ? counts : &none;
    nk_part_ctx p = {0};
    const nk_catalog_change *last = NULL; /* whose table p holds */
    memset(c, 0, sizeof(*c));
    for (size_t i = 0; i < n; i++) {
        const nk_catalog_change *x = &changes[i];
        bool same = last && x->kind >= NK_CHANGE_PUT_PARTITION &&
                    nk_str_eq(last->table, x->table) && nk_str_eq(last->database, x->database);
        if (last && !same)
            NK_TRY(nk_part_end(&p));
        if (x->kind < NK_CHANGE_PUT_PARTITION) {
            last = NULL;
        } else if (!same) {
            NK_TRY(nk_part_begin(&p, tx, ctx, x->database, x->table, err));
            last = x;
        }
        NK_TRY(apply_one(tx, ctx, x, &p, c, err));
    }
    return last ? nk_part_end(&p) : NK_OK;
}

typedef struct each {
    nk_arena *arena;
    nk_catalog_partition_fn fn;
    void *arg;
    nk_err *err;
    nk_code rc;
    bool stopped;
} each;

static bool decode_one(void *arg, nk_str json)
{
    each *e = arg;
    glue_Partition *p;
    e->rc = nk_model_decode(&glue_Partition_shape, json, e->arena, (void **)&p, e->err);
    if (e->rc == NK_OK)
        e->stopped = !e->fn(e->arg, p);
    return e->rc == NK_OK && !e->stopped;
}

nk_code nk_catalog_each_partition(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database,
                                  nk_str table, nk_str expression, nk_catalog_partition_fn fn,
                                  void *arg, nk_err *err)
{
    nk_part_ctx p;
    each e = {.arena = ctx->arena, .fn = fn, .arg = arg, .err = err};
    NK_TRY(nk_part_begin(&p, tx, ctx, database, table, err));
    nk_part_scan s = {.expression = expression,
                      .max = SIZE_MAX,
                      .bytes_max = SIZE_MAX,
                      .fn = decode_one,
                      .arg = &e};
    do {
        nk_pos from = s.last;
        s.after = s.more ? &from : NULL;
        s.after_number = s.number;
        NK_TRY(nk_part_list(&p, &s));
        NK_TRY(e.rc);
    } while (s.more && !e.stopped);
    return NK_OK;
}
