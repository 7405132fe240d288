/* Undoing changes of what hangs on a table: statistics of columns, partition indexes. */
#include "catalog/column_stats_int.h"
#include "catalog/undo_int.h"

static nk_code open_table(const nk_undoing *u, nk_table_row *t)
{
    nk_str database, name;
    nk_undo_halves(u->object, &database, &name);
    nk_code rc = nk_table_load(u->call->tx, &u->ctx, database, name, t, u->call->err);
    return rc == NK_E_NOT_FOUND || (rc == NK_OK && t->id != u->id) ? nk_undo_gone(u) : rc;
}

/* ---- statistics ---- */

enum { TABLE, VALS, COLUMN, KEY };

/* A partition's statistics go with it. */
static nk_code bearer(const nk_undoing *u, const nk_row *row, bool *there)
{
    *there = true;
    if (!row->cols[VALS].s.n)
        return NK_OK;
    return nk_store_has(u->call->tx, &nk_kind_partition, row->cols, there, u->call->err);
}

nk_code nk_undo_statistics(nk_undoing *u)
{
    nk_table_row t;
    size_t removed = 0, put = 0;
    nk_err *err = u->call->err;
    NK_TRY(open_table(u, &t));
    nk_stats_writer w = {
        .tx = u->call->tx, .ctx = &u->ctx, .table = t.id, .space = t.space, .object = u->object};
    for (size_t i = 0; i + KEY <= u->nkeys; i += KEY) {
        nk_code rc = nk_column_stats_drop(&w, u->keys + i, err);
        if (rc != NK_OK && rc != NK_E_NOT_FOUND)
            return rc;
        removed += rc == NK_OK;
    }
    for (size_t i = 0; i < u->nbefore; i++) {
        bool there;
        NK_TRY(bearer(u, &u->before[i], &there));
        if (!there)
            continue;
        NK_TRY(nk_column_stats_restore(&w, &u->before[i], err));
        put++;
    }
    (void)nk_buf_printf(u->said, "of table %.*s: removed statistics of %zu columns, put %zu back",
                        NK_STR_ARG(u->object), removed, put);
    return nk_column_stats_end(&w, err);
}

static nk_code put_column(nk_arena *a, nk_json_writer *w, const nk_val *key, nk_str before)
{
    nk_list_str values;
    nk_jw_object(w);
    nk_jw_kstr(w, "Column", key[COLUMN].s);
    if (key[VALS].s.n) {
        NK_TRY(nk_vals_unpack(key[VALS].s, a, &values));
        nk_jw_key(w, NK_STR("Partition"));
        nk_jw_array(w);
        for (size_t i = 0; i < values.n; i++)
            nk_jw_str(w, values.v[i]);
        nk_jw_array_end(w);
    }
    nk_jw_key(w, NK_STR("Before"));
    nk_jw_raw(w, before.p ? before : NK_STR("null"));
    nk_jw_object_end(w);
    return NK_OK;
}

nk_code nk_history_statistics(nk_call *call, const nk_row *row, nk_json_writer *w)
{
    nk_undoing u = {.call = call};
    NK_TRY(nk_undo_read(&u, row));
    nk_jw_array(w);
    for (size_t i = 0; i < u.nbefore; i++)
        NK_TRY(put_column(call->arena, w, u.before[i].cols, u.before[i].body));
    for (size_t i = 0; i + KEY <= u.nkeys; i += KEY)
        NK_TRY(put_column(call->arena, w, u.keys + i, NK_STR_NULL));
    nk_jw_array_end(w);
    return NK_OK;
}

/* ---- partition indexes ---- */

nk_code nk_undo_indexes(nk_undoing *u)
{
    nk_table_row t;
    NK_TRY(open_table(u, &t));
    (void)nk_buf_printf(u->said, "put the partition indexes of table %.*s back",
                        NK_STR_ARG(u->object));
    return nk_indexes_restore(u->call->tx, &u->ctx, &t, u->before->body, u->call->err);
}
