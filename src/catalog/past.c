/* QueryAsOfTime: what an object was at a time is what its first change after it found; without one
 * it is as it stands. Databases and tables are known by their numbers, so that one of the same name
 * made later is another one. */
#include <stdlib.h>

#include "catalog/past_int.h"
#include "catalog/undo_int.h"

static nk_code unknown(const nk_past *p)
{
    nk_code rc = nk_fail(p->call->err, NK_E_INVALID,
                         "QueryAsOfTime: the history does not reach back so far.");
    (void)nk_hint(p->call->err, "nikawa serve --history N keeps the last N changes.");
    return rc;
}

/* ---- changes after the time ---- */

typedef struct wanted {
    nk_hist_kind kind;
    nk_str object;
    bool below;     /* all whose names begin so */
    bool deletions; /* no others */
    size_t max;     /* 0 = all */
} wanted;

/* In the order in which they were made. */
static nk_code changes_of(const nk_past *p, const wanted *w, nk_row_list *out)
{
    nk_val v[] = {nk_vi(w->kind), nk_vs(w->object), nk_vi(p->at_us), nk_vi(p->until),
                  nk_vi(NK_HIST_DELETE)};
    nk_cond kind = {.op = NK_C_EQ, .col = NK_HIST_KIND, .vals = &v[0], .nvals = 1},
            object = {.op = w->below ? NK_C_PREFIX : NK_C_EQ,
                      .col = NK_HIST_OBJECT,
                      .vals = &v[1],
                      .nvals = 1},
            at = {.op = NK_C_GT, .col = NK_HIST_AT, .vals = &v[2], .nvals = 1},
            until = {.op = NK_C_LT, .col = NK_HIST_SEQ, .vals = &v[3], .nvals = 1},
            op = {.op = NK_C_EQ, .col = NK_HIST_OP, .vals = &v[4], .nvals = 1};
    const nk_cond *const all[] = {&kind, &object, &at, &until, &op};
    nk_cond where = {.op = NK_C_AND, .args = all, .nargs = w->deletions ? 5 : 4};
    nk_query q = {.kind = &nk_kind_history,
                  .index = &nk_kind_history.indexes[0],
                  .prefix = NK_KEY(nk_vs(p->ctx.region)),
                  .nprefix = 1,
                  .where = &where,
                  .limit = w->max};
    *out = (nk_row_list){0};
    return nk_store_rows(p->call->tx, &q, p->call->arena, out, p->call->err);
}

/* The record that a change found; body p NULL: there was none. */
static nk_code found_by(const nk_past *p, const nk_row *change, nk_row *row)
{
    nk_undoing u = {.call = p->call};
    NK_TRY(nk_undo_read(&u, change));
    *row = u.op == NK_HIST_CREATE || !u.nbefore ? (nk_row){0} : u.before[0];
    return NK_OK;
}

static bool first_row(void *arg, const nk_row *row)
{
    *(int64_t *)arg = row->cols[NK_HIST_AT].i;
    return false;
}

/* Is every change since the time still in the history? */
static nk_code reaches(const nk_past *p, bool *yes)
{
    const nk_app *app = p->call->app;
    int64_t oldest = INT64_MAX, n = 0, max = app->settings ? app->settings->history_max : 0;
    nk_query q = {.kind = &nk_kind_history, .no_body = true, .limit = 1},
             all = {.kind = &nk_kind_history};
    NK_TRY(nk_store_scan(p->call->tx, &q, first_row, &oldest, p->call->err));
    *yes = oldest <= p->at_us;
    if (!*yes)
        NK_TRY(nk_store_count(p->call->tx, &all, &n, p->call->err));
    *yes = *yes || n < max;
    return NK_OK;
}

/* ---- databases ---- */

static nk_code database_then(nk_past *p, nk_str name, nk_row *row)
{
    nk_row_list first, gone;
    wanted w = {.kind = NK_HIST_DATABASE, .max = 1};
    p->until = INT64_MAX;
    NK_TRY(nk_fold(p->call->arena, name, &w.object, p->call->err));
    NK_TRY(changes_of(p, &w, &first));
    if (!first.n)
        return nk_database_row(p->call->tx, &p->ctx, name, row, p->call->err);
    NK_TRY(found_by(p, &first.v[0], row));
    if (!row->body.p)
        return nk_fail_database(p->call->err, name);
    w.deletions = true;
    NK_TRY(changes_of(p, &w, &gone));
    if (gone.n)
        p->until = gone.v[0].cols[NK_HIST_SEQ].i;
    return NK_OK;
}

nk_code nk_past_open(nk_past *p, nk_call *call, const nk_catalog_ctx *ctx, nk_str database,
                     nk_opt_time at)
{
    nk_row row;
    *p = (nk_past){.call = call, .ctx = *ctx, .at_us = at.us};
    NK_TRY(database_then(p, database, &row));
    if (row.cols[NK_DB_TARGET].kind != NK_V_NULL) {
        nk_link l = nk_link_unpack(row.cols[NK_DB_TARGET].s);
        NK_TRY(nk_link_ctx(call->tx, ctx, &l, &p->ctx, call->err));
        NK_TRY(database_then(p, l.database, &row));
        if (row.cols[NK_DB_TARGET].kind != NK_V_NULL)
            return nk_fail_database(call->err, l.database);
    }
    p->db = (nk_db_ref){.name = row.cols[NK_DB_NAME].s,
                        .catalog_id = nk_catalog_id(&p->ctx),
                        .id = row.cols[NK_DB_ID].i,
                        .space = p->ctx.region};
    return NK_OK;
}

/* ---- tables ---- */

nk_code nk_past_table(nk_past *p, nk_str name, nk_row *row)
{
    nk_row_list first;
    glue_Table *t;
    nk_arena *a = p->call->arena;
    nk_err *err = p->call->err;
    wanted w = {.kind = NK_HIST_TABLE, .object = nk_table_object(a, p->db.name, name), .max = 1};
    if (!w.object.p)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    NK_TRY(changes_of(p, &w, &first));
    if (first.n) {
        NK_TRY(found_by(p, &first.v[0], row));
        bool there = row->body.p && row->cols[NK_TBL_DB].i == p->db.id;
        return there ? NK_OK : nk_fail(err, NK_E_NOT_FOUND, "Entity Not Found");
    }
    nk_code rc = nk_store_get(p->call->tx, &nk_kind_table, NK_KEY(nk_vi(p->db.id), nk_vs(name)), a,
                              row, err);
    if (rc == NK_E_NOT_FOUND)
        return nk_fail(err, rc, "Entity Not Found");
    NK_TRY(rc);
    NK_TRY(nk_model_decode(&glue_Table_shape, row->body, a, (void **)&t, err));
    if (t->CreateTime.us > p->at_us)
        return nk_fail(err, NK_E_NOT_FOUND, "Entity Not Found");
    return t->UpdateTime.us > p->at_us ? unknown(p) : NK_OK;
}

static int by_name(const void *a, const void *b)
{
    const nk_row *x = a, *y = b;
    return nk_str_cmp(x->cols[NK_TBL_NAME].s, y->cols[NK_TBL_NAME].s);
}

static nk_code add_past(nk_past *p, const nk_row *change, nk_row_list *out)
{
    nk_row row, *mine;
    nk_arena *a = p->call->arena;
    nk_str object = change->cols[NK_HIST_OBJECT].s;
    nk_val *cols = NK_NEWN(a, nk_val, NK_TBL_NCOLS);
    NK_TRY(found_by(p, change, &row));
    if (!cols || !(mine = nk_row_list_add(out, a)))
        return nk_fail(p->call->err, NK_E_NOMEM, "out of memory");
    if (row.body.p && row.cols[NK_TBL_DB].i == p->db.id) {
        *mine = row;
        return NK_OK;
    }
    cols[NK_TBL_DB] = nk_vi(p->db.id);
    cols[NK_TBL_NAME] = nk_vs(nk_str_sub(object, p->db.name.n + 1, object.n));
    *mine = (nk_row){.cols = cols};
    return NK_OK;
}

nk_code nk_past_tables(nk_past *p, nk_row_list *out)
{
    nk_row_list all;
    nk_map_str seen = {0};
    bool yes;
    nk_arena *a = p->call->arena;
    wanted w = {.kind = NK_HIST_TABLE,
                .object = nk_str_printf(a, "%.*s.", NK_STR_ARG(p->db.name)),
                .below = true};
    *out = (nk_row_list){0};
    NK_TRY(reaches(p, &yes));
    if (!yes)
        return unknown(p);
    NK_TRY(w.object.p ? changes_of(p, &w, &all) : NK_E_NOMEM);
    for (size_t i = 0; i < all.n; i++) {
        nk_str object = all.v[i].cols[NK_HIST_OBJECT].s;
        size_t n = seen.n;
        if (nk_map_str_put(&seen, a, object, NK_STR("")) != NK_OK)
            return nk_fail(p->call->err, NK_E_NOMEM, "out of memory");
        if (seen.n > n) /* the first change of that table */
            NK_TRY(add_past(p, &all.v[i], out));
    }
    if (out->n)
        qsort(out->v, out->n, sizeof *out->v, by_name);
    return NK_OK;
}
