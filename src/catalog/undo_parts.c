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

/* ---- several records of one kind ---- */

/* Those that are to be put, and are not there as they were, after what is there now. */
static nk_code put_rows(nk_undoing *u, nk_hist *h, nk_row_list *old, size_t *put)
{
    nk_call *call = u->call;
    nk_vals made = {0};
    for (size_t i = 0; i < u->nbefore; i++) {
        nk_row now, mine = u->before[i];
        nk_code rc = nk_store_get(call->tx, u->record, mine.cols, call->arena, &now, call->err);
        if (rc != NK_OK && rc != NK_E_NOT_FOUND)
            return rc;
        NK_TRY(nk_undo_prepare(u, mine.cols, rc == NK_OK ? &now : NULL, &mine));
        nk_row *was = rc == NK_OK ? nk_row_list_add(old, call->arena) : NULL;
        if (rc == NK_OK && !was)
            return nk_fail(call->err, NK_E_NOMEM, "out of memory");
        if (was)
            *was = now;
        for (unsigned k = 0; !was && k < u->record->nkey; k++) {
            nk_val *v = nk_vals_add(&made, call->arena);
            if (!v)
                return nk_fail(call->err, NK_E_NOMEM, "out of memory");
            *v = mine.cols[k];
        }
        NK_TRY(nk_store_put(call->tx, u->record, &mine, call->err));
        (*put)++;
    }
    h->keys = made.v;
    h->nkeys = made.n;
    return NK_OK;
}

static nk_code take_rows(nk_undoing *u, nk_row_list *old, size_t *removed)
{
    nk_call *call = u->call;
    for (size_t i = 0; i + u->record->nkey <= u->nkeys; i += u->record->nkey) {
        nk_row now;
        nk_code rc = nk_store_get(call->tx, u->record, u->keys + i, call->arena, &now, call->err);
        if (rc == NK_E_NOT_FOUND)
            continue;
        NK_TRY(rc);
        nk_row *was = nk_row_list_add(old, call->arena);
        if (!was)
            return nk_fail(call->err, NK_E_NOMEM, "out of memory");
        *was = now;
        NK_TRY(nk_store_delete(call->tx, u->record, u->keys + i, call->err));
        (*removed)++;
    }
    return NK_OK;
}

nk_code nk_undo_rows(nk_undoing *u)
{
    nk_row_list old = {0};
    size_t removed = 0, put = 0;
    nk_table_row t;
    nk_hist h = {.kind = u->kind, .space = u->ctx.region, .object = u->object, .id = u->id};
    if (u->kind == NK_HIST_VERSIONS)
        NK_TRY(open_table(u, &t));
    NK_TRY(take_rows(u, &old, &removed));
    NK_TRY(put_rows(u, &h, &old, &put));
    h.before = old.v;
    h.nbefore = old.n;
    h.op = !old.n ? NK_HIST_CREATE : !h.nkeys ? NK_HIST_DELETE : NK_HIST_UPDATE;
    (void)nk_buf_printf(u->said, "of %.*s: removed %zu, put %zu back", NK_STR_ARG(u->object),
                        removed, put);
    return nk_history_add(u->call->tx, &u->ctx, &h, NULL, u->call->err);
}

nk_code nk_history_rows(nk_call *call, const nk_row *row, nk_json_writer *w)
{
    nk_undoing u = {.call = call};
    NK_TRY(nk_undo_read(&u, row));
    nk_jw_array(w);
    for (size_t i = 0; i < u.nbefore; i++)
        nk_jw_raw(w, u.before[i].body);
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
