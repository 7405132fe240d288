/* Work that a change leaves for later, in steps of bounded size on the writer's queue: purging what
 * stood below deleted databases and tables, and making partitions' typed columns anew when a
 * table's key types changed. A task is a record, so a stop loses none. */
#include <stdio.h>

#include "catalog/catalog_int.h"

enum { STEP = 500 };

typedef struct task {
    nk_store *store; /* borrowed */
    int64_t id, what, keygen;
    bool finished;
    bool placed; /* RETYPE: vals is where it goes on */
    nk_buf vals, next;
} task;

static nk_code step(nk_tx *tx, void *arg, nk_err *err);

static void task_free(task *t)
{
    nk_buf_free(&t->vals);
    nk_buf_free(&t->next);
    nk_free(t);
}

/* After each step's commit: the next one, until the record is gone. A failed step leaves its record
 * for the next start. */
static void stepped(void *arg, nk_code code, const nk_err *err)
{
    task *t = arg;
    nk_err why = NK_ERR_INIT;
    if (code == NK_OK && !t->finished) {
        nk_buf old = t->vals;
        t->vals = t->next;
        t->next = old;
        t->placed = true;
        code = nk_store_submit(t->store, step, t, stepped, t, &why);
        if (code == NK_OK)
            return;
        err = &why;
    }
    if (code != NK_OK && code != NK_E_UNAVAILABLE)
        nk_warn("catalog", "task %lld of %lld waits for the next start: %s", (long long)t->what,
                (long long)t->id, err->msg);
    task_free(t);
}

static nk_code launch(nk_store *store, int64_t id, int64_t what, int64_t keygen, nk_err *err)
{
    task *t = nk_calloc(1, sizeof(*t));
    if (!t)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    *t = (task){.store = store, .id = id, .what = what, .keygen = keygen};
    nk_buf_init(&t->vals, 1 << 20);
    nk_buf_init(&t->next, 1 << 20);
    nk_code rc = nk_store_submit(store, step, t, stepped, t, err);
    if (rc != NK_OK)
        task_free(t);
    return rc;
}

nk_code nk_task_add(nk_tx *tx, int64_t id, int what, int64_t keygen, nk_err *err)
{
    nk_row row = {.cols = NK_KEY(nk_vi(id), nk_vi(what), nk_vi(keygen)), .body = NK_STR("{}")};
    NK_TRY(nk_store_put(tx, &nk_kind_task, &row, err));
    /* Runs after this closure; when that is rolled back, the step finds no record and ends. */
    nk_code rc = launch(nk_tx_store(tx), id, what, keygen, err);
    return rc == NK_E_THROTTLED || rc == NK_E_UNAVAILABLE ? NK_OK : rc; /* the next start does it */
}

/* Deletes a bounded number of a table's records. */
static nk_code purge_table(nk_tx *tx, int64_t id, bool *done, nk_err *err)
{
    const nk_kind *const kinds[] = {&nk_kind_partition, &nk_kind_table_version, &nk_kind_piece,
                                    &nk_kind_column_stats, &nk_kind_stats_settings};
    size_t left = STEP, n;
    for (size_t i = 0; i < NK_COUNTOF(kinds); i++) {
        NK_TRY(nk_store_delete_range(tx, kinds[i], NK_KEY(nk_vi(id)), 1, left, &n, err));
        left -= n;
        if (!left) {
            *done = false;
            return NK_OK;
        }
    }
    *done = true;
    return NK_OK;
}

typedef struct orphans {
    nk_arena *arena;
    int64_t ids[32];
    nk_str names[32];
    size_t n;
    bool failed;
} orphans;

static bool take_orphan(orphans *o, const nk_val *name, const nk_val *id)
{
    o->names[o->n] = nk_str_dup(o->arena, name->s);
    o->failed = o->failed || !o->names[o->n].p;
    o->ids[o->n++] = id->i;
    return true;
}

static bool orphan(void *arg, const nk_row *row)
{
    return take_orphan(arg, &row->cols[NK_TBL_NAME], &row->cols[NK_TBL_ID]);
}

static bool orphan_database(void *arg, const nk_row *row)
{
    return take_orphan(arg, &row->cols[NK_DB_NAME], &row->cols[NK_DB_ID]);
}

/* What stood in a deleted catalogue: each of its databases becomes a task of its own. */
static nk_code purge_catalog(nk_tx *tx, task *t, bool *done, nk_err *err)
{
    char space[40];
    orphans o = {.arena = nk_arena_create(0)};
    size_t n;
    snprintf(space, sizeof space, "catalog/%lld", (long long)t->id);
    if (!o.arena)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    const nk_val key[1] = {nk_vc(space)};
    nk_query q = {.kind = &nk_kind_database,
                  .prefix = key,
                  .nprefix = 1,
                  .no_body = true,
                  .limit = NK_COUNTOF(o.ids)};
    nk_code rc = nk_store_scan(tx, &q, orphan_database, &o, err);
    if (o.failed)
        rc = nk_fail(err, NK_E_NOMEM, "out of memory");
    for (size_t i = 0; rc == NK_OK && i < o.n; i++) {
        rc = nk_store_delete(tx, &nk_kind_database, NK_KEY(key[0], nk_vs(o.names[i])), err);
        if (rc == NK_OK)
            rc = nk_task_add(tx, o.ids[i], NK_TASK_PURGE_DATABASE, 0, err);
    }
    *done = o.n < NK_COUNTOF(o.ids);
    static const nk_kind *const kinds[] = {&nk_kind_connection, &nk_kind_catalog_settings};
    for (size_t i = 0; rc == NK_OK && *done && i < NK_COUNTOF(kinds); i++) {
        rc = nk_store_delete_range(tx, kinds[i], key, 1, STEP, &n, err);
        *done = n < STEP;
    }
    nk_arena_destroy(o.arena);
    return rc;
}

/* Turns the tables of a deleted database into tasks of their own, 32 at a time. */
static nk_code purge_database(nk_tx *tx, task *t, bool *done, nk_err *err)
{
    orphans o = {.arena = nk_arena_create(0)};
    if (!o.arena)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    nk_query q = {.kind = &nk_kind_table,
                  .prefix = NK_KEY(nk_vi(t->id)),
                  .nprefix = 1,
                  .no_body = true,
                  .limit = NK_COUNTOF(o.ids)};
    nk_code rc = nk_store_scan(tx, &q, orphan, &o, err);
    if (o.failed)
        rc = nk_fail(err, NK_E_NOMEM, "out of memory");
    for (size_t i = 0; rc == NK_OK && i < o.n; i++) {
        bool small;
        rc = nk_store_delete(tx, &nk_kind_table, NK_KEY(nk_vi(t->id), nk_vs(o.names[i])), err);
        if (rc == NK_OK)
            rc = purge_table(tx, o.ids[i], &small, err);
        if (rc == NK_OK && !small)
            rc = nk_task_add(tx, o.ids[i], NK_TASK_PURGE_TABLE, 0, err);
    }
    *done = o.n < NK_COUNTOF(o.ids);
    if (rc == NK_OK && *done) {
        size_t n;
        rc = nk_store_delete_range(tx, &nk_kind_function, NK_KEY(nk_vi(t->id)), 1, STEP, &n, err);
        *done = n < STEP;
    }
    nk_arena_destroy(o.arena);
    return rc;
}

/* ---- retyping ---- */

typedef struct retyper {
    nk_arena *arena;
    nk_part_keys keys;
    nk_row rows[STEP];
    size_t n;
    bool failed;
} retyper;

static bool take_row(void *arg, const nk_row *row)
{
    retyper *r = arg;
    nk_val *cols = NK_NEWN(r->arena, nk_val, NK_PART_NCOLS);
    nk_row *out = &r->rows[r->n++];
    nk_list_str vals;
    if (!cols)
        return !(r->failed = true);
    out->cols = cols;
    out->body = nk_str_dup(r->arena, row->body);
    r->failed = !out->body.p;
    for (int i = 0; i < NK_PART_NCOLS; i++) {
        cols[i] = row->cols[i];
        if (cols[i].kind == NK_V_BYTES) {
            cols[i].s = nk_str_dup(r->arena, cols[i].s);
            r->failed = r->failed || !cols[i].s.p;
        }
    }
    if (r->failed || nk_vals_unpack(cols[NK_PART_VALS].s, r->arena, &vals) != NK_OK)
        return !(r->failed = true);
    for (size_t i = 0; i < NK_PART_TYPED_MAX; i++) {
        nk_str b;
        bool ok = i < vals.n && i < r->keys.n &&
                  nk_key_encode(r->keys.v[i].class, vals.v[i], r->arena, &b);
        cols[NK_PART_C0 + i] = ok ? nk_vb(b) : nk_vnull();
    }
    return true;
}

static nk_code retype_rows(nk_tx *tx, task *t, retyper *r, bool *done, nk_err *err)
{
    nk_pos after = {.v = {nk_vi(t->id), nk_vb(nk_buf_view(&t->vals))}, .n = 2};
    nk_query q = {.kind = &nk_kind_partition,
                  .prefix = NK_KEY(nk_vi(t->id)),
                  .nprefix = 1,
                  .after = t->placed ? &after : NULL,
                  .limit = STEP};
    NK_TRY(nk_store_scan(tx, &q, take_row, r, err));
    if (r->failed)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    for (size_t i = 0; i < r->n; i++)
        NK_TRY(nk_store_put(tx, &nk_kind_partition, &r->rows[i], err));
    *done = r->n < STEP;
    nk_buf_clear(&t->next);
    return r->n ? nk_buf_str(&t->next, r->rows[r->n - 1].cols[NK_PART_VALS].s) : NK_OK;
}

typedef struct finder {
    nk_arena *arena;
    nk_val cols[NK_TBL_NCOLS];
    bool found, failed;
} finder;

static bool find(void *arg, const nk_row *row)
{
    finder *f = arg;
    f->found = true;
    for (int i = 0; i < NK_TBL_NCOLS; i++) {
        f->cols[i] = row->cols[i];
        if (f->cols[i].kind == NK_V_TEXT) {
            f->cols[i].s = nk_str_dup(f->arena, f->cols[i].s);
            f->failed = f->failed || !f->cols[i].s.p;
        }
    }
    return false;
}

/* The task's table; *found false when it is gone. */
static nk_code find_table(nk_tx *tx, task *t, nk_arena *a, nk_table_row *out, bool *found,
                          nk_err *err)
{
    finder f = {.arena = a};
    nk_row row;
    nk_query q = {.kind = &nk_kind_table,
                  .index = &nk_kind_table.indexes[0],
                  .prefix = NK_KEY(nk_vi(t->id)),
                  .nprefix = 1,
                  .no_body = true};
    NK_TRY(nk_store_scan(tx, &q, find, &f, err));
    *found = f.found;
    if (f.failed)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    if (!f.found)
        return NK_OK;
    NK_TRY(nk_store_get(tx, &nk_kind_table, f.cols, a, &row, err));
    return nk_table_of_row(&row, a, out, err);
}

static nk_code retype(nk_tx *tx, task *t, nk_arena *a, bool *done, nk_err *err)
{
    retyper *r = NK_NEW(a, retyper);
    nk_table_row table;
    bool found;
    NK_TRY(find_table(tx, t, a, &table, &found, err));
    *done = true;
    if (!r)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    if (!found || table.keygen != t->keygen)
        return NK_OK; /* deleted, or changed once more: that change has a task of its own */
    r->arena = a;
    r->keys = table.keys;
    NK_TRY(retype_rows(tx, t, r, done, err));
    if (!*done)
        return NK_OK;
    table.typed = true;
    return nk_table_put(tx, &table, err);
}

static nk_code check_indexes(nk_tx *tx, task *t, nk_arena *a, bool *done, nk_err *err)
{
    nk_table_row table;
    bool found;
    nk_pos after = {.v = {nk_vi(t->id), nk_vb(nk_buf_view(&t->vals))}, .n = 2};
    NK_TRY(find_table(tx, t, a, &table, &found, err));
    *done = true;
    if (!found)
        return NK_OK;
    return nk_indexes_check(tx, &table, t->placed ? &after : NULL, STEP, a, &t->next, done, err);
}

static nk_code step(nk_tx *tx, void *arg, nk_err *err)
{
    task *t = arg;
    nk_val key[3] = {nk_vi(t->id), nk_vi(t->what), nk_vi(t->keygen)};
    bool there, done = true;
    nk_code rc = NK_OK;
    t->finished = true;
    NK_TRY(nk_store_has(tx, &nk_kind_task, key, &there, err));
    if (!there)
        return NK_OK;
    if (t->what == NK_TASK_PURGE_DATABASE) {
        rc = purge_database(tx, t, &done, err);
    } else if (t->what == NK_TASK_PURGE_TABLE) {
        rc = purge_table(tx, t->id, &done, err);
    } else if (t->what == NK_TASK_PURGE_CATALOG) {
        rc = purge_catalog(tx, t, &done, err);
    } else {
        nk_arena *a = nk_arena_create(0);
        if (!a)
            return nk_fail(err, NK_E_NOMEM, "out of memory");
        rc = t->what == NK_TASK_INDEX ? check_indexes(tx, t, a, &done, err)
                                      : retype(tx, t, a, &done, err);
        nk_arena_destroy(a);
    }
    if (rc == NK_OK && done)
        rc = nk_store_delete(tx, &nk_kind_task, key, err);
    t->finished = done;
    return rc;
}

/* ---- at the start ---- */

typedef struct starter {
    nk_store *store;
    nk_code rc;
    nk_err *err;
} starter;

static bool start_task(void *arg, const nk_row *row)
{
    starter *s = arg;
    s->rc = launch(s->store, row->cols[0].i, row->cols[1].i, row->cols[2].i, s->err);
    return s->rc == NK_OK;
}

static nk_code start_all(nk_tx *tx, void *arg, nk_err *err)
{
    starter *s = arg;
    nk_query q = {.kind = &nk_kind_task, .no_body = true, .limit = 10000};
    return nk_store_scan(tx, &q, start_task, s, err);
}

nk_code nk_tasks_resume(nk_app *app, nk_err *err)
{
    starter s = {.store = app->store, .err = err};
    NK_TRY(nk_store_read(app->store, start_all, &s, err));
    return s.rc;
}
