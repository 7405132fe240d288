/* Column statistics of tables and of partitions: given by clients, or computed by a task run
 * (stats_runs.c). Keyed by the table's number, the partition's values (none: the table) and the
 * column. */
#include "catalog/column_stats_int.h"
#include "catalog/history_int.h"

static const nk_col cols[] = {
    {"tbl", NK_COL_I64}, {"vals", NK_COL_BYTES}, {"column_name", NK_COL_TEXT}};
const nk_kind nk_kind_column_stats = {
    .name = "glue_column_stats", .version = 1, .nkey = 3, .cols = cols, .ncols = NK_COUNTOF(cols)};
static const nk_doc_type type = {&nk_kind_column_stats, &glue_ColumnStatistics_shape,
                                 "Statistics of column"};

/* Whose statistics: a table's or a partition's. */
typedef struct owner {
    nk_call *call;
    nk_catalog_ctx ctx;
    nk_table_row table;
    nk_str vals; /* packed; empty: the table's */
} owner;

static nk_code open_table(owner *o, nk_call *call, nk_str catalog, nk_str database, nk_str table)
{
    *o = (owner){.call = call, .vals = NK_STR("")};
    NK_TRY(nk_catalog_open(call, catalog, &o->ctx));
    return nk_table_follow(call->tx, &o->ctx, database, table, &o->table, call->err);
}

static nk_code open_partition(owner *o, nk_call *call, nk_str catalog, nk_str database,
                              nk_str table, const nk_list_str *values)
{
    bool there;
    NK_TRY(open_table(o, call, catalog, database, table));
    nk_part_ctx p = {.table = o->table};
    NK_TRY(nk_part_check(&p, values, call->err));
    o->vals = nk_vals_pack(values, call->arena);
    if (!o->vals.p)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    NK_TRY(nk_store_has(call->tx, &nk_kind_partition, NK_KEY(nk_vi(o->table.id), nk_vb(o->vals)),
                        &there, call->err));
    return there ? NK_OK : nk_fail(call->err, NK_E_NOT_FOUND, "Cannot find partition.");
}

/* ---- writing ---- */

static const glue_Column *column_named(const glue_Table *t, nk_str name)
{
    for (size_t i = 0; t->StorageDescriptor && i < t->StorageDescriptor->Columns.n; i++)
        if (nk_str_ieq(t->StorageDescriptor->Columns.v[i].Name, name))
            return &t->StorageDescriptor->Columns.v[i];
    for (size_t i = 0; i < t->PartitionKeys.n; i++)
        if (nk_str_ieq(t->PartitionKeys.v[i].Name, name))
            return &t->PartitionKeys.v[i];
    return NULL;
}

/* Type names the one member of the data that must be there, alone. */
static const struct {
    const char *type;
    nk_str member;
} data_types[] = {
    {"BOOLEAN", {"BooleanColumnStatisticsData", 27}},
    {"DATE", {"DateColumnStatisticsData", 24}},
    {"DECIMAL", {"DecimalColumnStatisticsData", 27}},
    {"DOUBLE", {"DoubleColumnStatisticsData", 26}},
    {"LONG", {"LongColumnStatisticsData", 24}},
    {"STRING", {"StringColumnStatisticsData", 26}},
    {"BINARY", {"BinaryColumnStatisticsData", 26}},
};

static nk_code check(const glue_Table *t, const glue_ColumnStatistics *s, nk_err *err)
{
    if (!column_named(t, s->ColumnName))
        return nk_fail(err, NK_E_NOT_FOUND, "Column %.*s not found.", NK_STR_ARG(s->ColumnName));
    for (size_t i = 0; i < NK_COUNTOF(data_types); i++) {
        const nk_member *m =
            nk_model_member(&glue_ColumnStatisticsData_shape, data_types[i].member);
        bool asked = nk_str_is(s->StatisticsData->Type, data_types[i].type);
        const void *there = NULL;
        if (m)
            memcpy(&there, (const char *)s->StatisticsData + m->offset, sizeof there);
        if (asked && !there)
            return nk_fail(err, NK_E_INVALID, "Statistics of type %s must have %.*s.",
                           data_types[i].type, NK_STR_ARG(data_types[i].member));
        if (!asked && there)
            return nk_fail(err, NK_E_INVALID, "Statistics of type %.*s cannot have %.*s.",
                           NK_STR_ARG(s->StatisticsData->Type), NK_STR_ARG(data_types[i].member));
    }
    return NK_OK;
}

enum { KEPT_AT_ONCE = 1000 }; /* of one change in the history */

nk_code nk_column_stats_end(nk_stats_writer *w, nk_err *err)
{
    if (!w->before.n && !w->keys.n)
        return NK_OK;
    nk_hist h = {.kind = NK_HIST_STATISTICS,
                 .op = !w->before.n ? NK_HIST_CREATE : NK_HIST_UPDATE,
                 .space = w->space,
                 .object = w->object,
                 .before = w->before.v,
                 .nbefore = w->before.n,
                 .keys = w->keys.v,
                 .nkeys = w->keys.n,
                 .id = w->table};
    w->before.n = w->keys.n = 0;
    return nk_history_add(w->tx, w->ctx, &h, NULL, err);
}

static bool same(const nk_val *a, const nk_val *b)
{
    return nk_str_eq(a[2].s, b[2].s) && nk_str_eq(a[1].s, b[1].s);
}

/* Has this change met the record before? Then what it was before the change is known. */
static bool met(const nk_stats_writer *w, const nk_val *key)
{
    for (size_t i = 0; i < w->before.n; i++)
        if (same(w->before.v[i].cols, key))
            return true;
    for (size_t i = 0; i < w->keys.n; i += type.kind->nkey)
        if (same(w->keys.v + i, key))
            return true;
    return false;
}

/* Before the record of this key is written or deleted. *there: whether it is there. */
static nk_code remember(nk_stats_writer *w, const nk_val *key, bool deleting, bool *there,
                        nk_err *err)
{
    nk_row old;
    if (w->before.n + w->keys.n / type.kind->nkey >= KEPT_AT_ONCE)
        NK_TRY(nk_column_stats_end(w, err));
    nk_code rc = nk_store_get(w->tx, type.kind, key, w->ctx->arena, &old, err);
    *there = rc == NK_OK;
    if (rc != NK_OK && rc != NK_E_NOT_FOUND)
        return rc;
    if (!nk_history_kept(w->tx) || (!*there && deleting) || met(w, key))
        return NK_OK;
    if (*there) {
        nk_row *to = nk_row_list_add(&w->before, w->ctx->arena);
        if (to)
            *to = old;
        return to ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
    }
    for (unsigned i = 0; i < type.kind->nkey; i++) {
        nk_val *to = nk_vals_add(&w->keys, w->ctx->arena);
        if (!to)
            return nk_fail(err, NK_E_NOMEM, "out of memory");
        *to = key[i];
    }
    return NK_OK;
}

nk_code nk_column_stats_put(nk_stats_writer *w, nk_str vals, const glue_ColumnStatistics *s,
                            nk_err *err)
{
    nk_str column;
    bool there;
    NK_TRY(nk_fold(w->ctx->arena, s->ColumnName, &column, err));
    const nk_val *key = NK_KEY(nk_vi(w->table), nk_vb(vals), nk_vs(column));
    NK_TRY(remember(w, key, false, &there, err));
    return nk_doc_save(w->tx, &type, key, column, s, false, w->ctx->arena, err);
}

nk_code nk_column_stats_restore(nk_stats_writer *w, const nk_row *row, nk_err *err)
{
    bool there;
    NK_TRY(remember(w, row->cols, false, &there, err));
    return nk_store_put(w->tx, type.kind, row, err);
}

nk_code nk_column_stats_drop(nk_stats_writer *w, const nk_val *key, nk_err *err)
{
    bool there;
    NK_TRY(remember(w, key, true, &there, err));
    return there ? nk_store_delete(w->tx, type.kind, key, err)
                 : nk_fail(err, NK_E_NOT_FOUND, "Statistics of column %.*s not found.",
                           NK_STR_ARG(key[2].s));
}

typedef struct finder {
    nk_arena *arena;
    nk_strs columns;
    bool failed;
} finder;

static bool find_column(void *arg, const nk_row *row)
{
    finder *f = arg;
    nk_str *to = nk_strs_add(&f->columns, f->arena);
    f->failed = !to || !(*to = nk_str_dup(f->arena, row->cols[2].s)).p;
    return !f->failed;
}

nk_code nk_column_stats_forget(nk_stats_writer *w, nk_str vals, nk_err *err)
{
    finder f = {.arena = w->ctx->arena};
    nk_query q = {.kind = type.kind,
                  .prefix = NK_KEY(nk_vi(w->table), nk_vb(vals)),
                  .nprefix = 2,
                  .no_body = true};
    NK_TRY(nk_store_scan(w->tx, &q, find_column, &f, err));
    if (f.failed)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    for (size_t i = 0; i < f.columns.n; i++)
        NK_TRY(nk_column_stats_drop(w, NK_KEY(nk_vi(w->table), nk_vb(vals), nk_vs(f.columns.v[i])),
                                    err));
    return NK_OK;
}

static nk_stats_writer writer_of(const owner *o)
{
    return (nk_stats_writer){.tx = o->call->tx,
                             .ctx = &o->ctx,
                             .table = o->table.id,
                             .space = o->table.space,
                             .object =
                                 nk_table_object(o->call->arena, o->table.database, o->table.name)};
}

static nk_code update(owner *o, const glue_ColumnStatistics_list *in,
                      glue_ColumnStatisticsError_list *errors)
{
    nk_call *call = o->call;
    glue_Table *t;
    NK_TRY(nk_model_decode(&glue_Table_shape, o->table.body, call->arena, (void **)&t, call->err));
    *errors = (glue_ColumnStatisticsError_list){
        .v = NK_NEWN(call->arena, glue_ColumnStatisticsError, in->n + 1), .set = true};
    if (!errors->v)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    nk_stats_writer w = writer_of(o);
    for (size_t i = 0; i < in->n; i++) {
        nk_err entry = NK_ERR_INIT;
        nk_code rc = check(t, &in->v[i], &entry);
        if (rc == NK_OK)
            rc = nk_column_stats_put(&w, o->vals, &in->v[i], &entry);
        if (rc == NK_OK)
            continue;
        glue_ColumnStatisticsError *e = &errors->v[errors->n++];
        e->ColumnStatistics = &in->v[i];
        NK_TRY(nk_entry_error(rc, &entry, call->arena, &e->Error, call->err));
    }
    return nk_column_stats_end(&w, call->err);
}

nk_code glue_UpdateColumnStatisticsForTable(nk_call *call,
                                            const glue_UpdateColumnStatisticsForTableRequest *in,
                                            glue_UpdateColumnStatisticsForTableResponse *out)
{
    owner o;
    NK_TRY(open_table(&o, call, in->CatalogId, in->DatabaseName, in->TableName));
    return update(&o, &in->ColumnStatisticsList, &out->Errors);
}

nk_code
glue_UpdateColumnStatisticsForPartition(nk_call *call,
                                        const glue_UpdateColumnStatisticsForPartitionRequest *in,
                                        glue_UpdateColumnStatisticsForPartitionResponse *out)
{
    owner o;
    NK_TRY(open_partition(&o, call, in->CatalogId, in->DatabaseName, in->TableName,
                          &in->PartitionValues));
    return update(&o, &in->ColumnStatisticsList, &out->Errors);
}

/* ---- reading ---- */

static nk_code get(owner *o, const nk_list_str *names, glue_ColumnStatistics_list *found,
                   glue_ColumnError_list *errors)
{
    nk_call *call = o->call;
    *found = (glue_ColumnStatistics_list){
        .v = NK_NEWN(call->arena, glue_ColumnStatistics, names->n + 1), .set = true};
    *errors = (glue_ColumnError_list){.v = NK_NEWN(call->arena, glue_ColumnError, names->n + 1),
                                      .set = true};
    if (!found->v || !errors->v)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    for (size_t i = 0; i < names->n; i++) {
        nk_err entry = NK_ERR_INIT;
        nk_str column;
        nk_row row;
        nk_code rc = nk_fold(call->arena, names->v[i], &column, &entry);
        if (rc == NK_OK)
            rc = nk_doc_load(call->tx, &type,
                             NK_KEY(nk_vi(o->table.id), nk_vb(o->vals), nk_vs(column)), names->v[i],
                             call->arena, NULL, &row, &entry);
        if (rc == NK_OK) {
            found->v[found->n++].raw_ = row.body;
            continue;
        }
        glue_ColumnError *e = &errors->v[errors->n++];
        e->ColumnName = names->v[i];
        NK_TRY(nk_entry_error(rc, &entry, call->arena, &e->Error, call->err));
    }
    return NK_OK;
}

nk_code glue_GetColumnStatisticsForTable(nk_call *call,
                                         const glue_GetColumnStatisticsForTableRequest *in,
                                         glue_GetColumnStatisticsForTableResponse *out)
{
    owner o;
    NK_TRY(open_table(&o, call, in->CatalogId, in->DatabaseName, in->TableName));
    return get(&o, &in->ColumnNames, &out->ColumnStatisticsList, &out->Errors);
}

nk_code glue_GetColumnStatisticsForPartition(nk_call *call,
                                             const glue_GetColumnStatisticsForPartitionRequest *in,
                                             glue_GetColumnStatisticsForPartitionResponse *out)
{
    owner o;
    NK_TRY(open_partition(&o, call, in->CatalogId, in->DatabaseName, in->TableName,
                          &in->PartitionValues));
    return get(&o, &in->ColumnNames, &out->ColumnStatisticsList, &out->Errors);
}

/* ---- deleting ---- */

static nk_code drop(owner *o, nk_str name)
{
    nk_str column;
    nk_stats_writer w = writer_of(o);
    nk_err *err = o->call->err;
    NK_TRY(nk_fold(o->call->arena, name, &column, err));
    nk_code rc =
        nk_column_stats_drop(&w, NK_KEY(nk_vi(o->table.id), nk_vb(o->vals), nk_vs(column)), err);
    if (rc == NK_E_NOT_FOUND)
        return nk_fail(err, rc, "Statistics of column %.*s not found.", NK_STR_ARG(name));
    NK_TRY(rc);
    return nk_column_stats_end(&w, err);
}

nk_code glue_DeleteColumnStatisticsForTable(nk_call *call,
                                            const glue_DeleteColumnStatisticsForTableRequest *in,
                                            glue_DeleteColumnStatisticsForTableResponse *out)
{
    owner o;
    NK_TRY(open_table(&o, call, in->CatalogId, in->DatabaseName, in->TableName));
    return drop(&o, in->ColumnName);
}

nk_code
glue_DeleteColumnStatisticsForPartition(nk_call *call,
                                        const glue_DeleteColumnStatisticsForPartitionRequest *in,
                                        glue_DeleteColumnStatisticsForPartitionResponse *out)
{
    owner o;
    NK_TRY(open_partition(&o, call, in->CatalogId, in->DatabaseName, in->TableName,
                          &in->PartitionValues));
    return drop(&o, in->ColumnName);
}
