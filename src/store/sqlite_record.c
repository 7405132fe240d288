/* The SQLite store: records and scans. */
#include "store/sqlite_int.h"

/* ---- statements ---- */

static nk_code fixed(nk_tx *tx, const nk_kind *kind, nk_stmt_id id, sqlite3_stmt **out, nk_err *err)
{
    int k = nk_store_kind_index(tx->s, kind);
    if (k < 0)
        return nk_fail(err, NK_E_INTERNAL, "the store was opened without the kind %s", kind->name);
    if (id >= NK_ST_PUT && !tx->write)
        return nk_fail(err, NK_E_INTERNAL, "a read transaction cannot change %s", kind->name);
    sqlite3_stmt **st = &tx->c->fixed[(size_t)k * NK_ST_COUNT + id];
    if (!*st) {
        int rc = sqlite3_prepare_v3(tx->c->db, tx->s->kinds[k].sql[id], -1,
                                    SQLITE_PREPARE_PERSISTENT, st, NULL);
        if (rc != SQLITE_OK)
            return nk_sqlite_fail(tx->c->db, rc, err, "preparing a statement");
    }
    if (id == NK_ST_PUT || id == NK_ST_DELETE)
        tx->s->kinds[k].touched = true;
    *out = *st;
    return NK_OK;
}

static nk_cached *cache_slot(nk_conn *c, uint64_t hash, nk_str sql)
{
    nk_cached *oldest = NULL;
    for (int i = 0; i < NK_STMT_CACHE; i++) {
        nk_cached *e = &c->cache[i];
        if (e->busy)
            continue;
        if (e->stmt && e->hash == hash && e->n == sql.n && !memcmp(e->sql, sql.p, sql.n))
            return e;
        if (!oldest || e->used < oldest->used)
            oldest = e;
    }
    return oldest;
}

/* A prepared statement for the text, from the cache. Give it back with cached_done. */
static nk_code cached(nk_conn *c, nk_str sql, nk_cached **out, nk_err *err)
{
    uint64_t hash = nk_hash64(sql.p, sql.n, 7);
    nk_cached *e = cache_slot(c, hash, sql);
    if (!e)
        return nk_fail(err, NK_E_LIMIT, "too many scans within each other");
    e->used = ++c->tick;
    if (!(e->stmt && e->hash == hash && e->n == sql.n && !memcmp(e->sql, sql.p, sql.n))) {
        sqlite3_finalize(e->stmt);
        nk_free(e->sql);
        e->stmt = NULL;
        e->shape = 0;
        e->n = sql.n;
        e->hash = hash;
        e->sql = nk_malloc(sql.n + 1);
        if (!e->sql)
            return nk_fail(err, NK_E_NOMEM, "out of memory");
        memcpy(e->sql, sql.p, sql.n);
        int rc =
            sqlite3_prepare_v3(c->db, sql.p, (int)sql.n, SQLITE_PREPARE_PERSISTENT, &e->stmt, NULL);
        if (rc != SQLITE_OK)
            return nk_sqlite_fail(c->db, rc, err, "preparing a scan");
    }
    e->busy = true;
    *out = e;
    return NK_OK;
}

static void cached_done(nk_cached *e)
{
    sqlite3_reset(e->stmt);
    sqlite3_clear_bindings(e->stmt);
    e->busy = false;
}

static int bind_val(sqlite3_stmt *st, int i, const nk_val *v)
{
    switch (v->kind) {
    case NK_V_I64:
        return sqlite3_bind_int64(st, i, v->i);
    case NK_V_F64:
        return sqlite3_bind_double(st, i, v->f);
    case NK_V_TEXT:
        return sqlite3_bind_text64(st, i, v->s.p, v->s.n, SQLITE_STATIC, SQLITE_UTF8);
    case NK_V_BYTES:
        return sqlite3_bind_blob64(st, i, v->s.p, v->s.n, SQLITE_STATIC);
    case NK_V_NULL:
        break;
    }
    return sqlite3_bind_null(st, i);
}

static void column_val(sqlite3_stmt *st, int i, nk_col_type type, nk_val *v)
{
    v->kind = NK_V_NULL;
    switch (sqlite3_column_type(st, i)) {
    case SQLITE_NULL:
        return;
    case SQLITE_INTEGER:
    case SQLITE_FLOAT:
        v->kind = type == NK_COL_F64 ? NK_V_F64 : NK_V_I64;
        if (type == NK_COL_F64)
            v->f = sqlite3_column_double(st, i);
        else
            v->i = sqlite3_column_int64(st, i);
        return;
    default:
        v->kind = type == NK_COL_BYTES ? NK_V_BYTES : NK_V_TEXT;
        v->s.p = sqlite3_column_blob(st, i);
        v->s.n = (size_t)sqlite3_column_bytes(st, i);
        if (!v->s.p)
            v->s.p = "";
    }
}

static nk_code bind_key(nk_tx *tx, sqlite3_stmt *st, const nk_kind *kind, const nk_val *key,
                        nk_err *err)
{
    for (unsigned i = 0; i < kind->nkey; i++) {
        if (!nk_val_fits(kind, i, &key[i]))
            return nk_fail(err, NK_E_INTERNAL, "key value %u of %s is absent or of another type", i,
                           kind->name);
        int rc = bind_val(st, (int)i + 1, &key[i]);
        if (rc != SQLITE_OK)
            return nk_sqlite_fail(tx->c->db, rc, err, "binding a key");
    }
    return NK_OK;
}

static nk_code upgrade(const nk_kind *kind, nk_row *row, nk_arena *a, nk_err *err)
{
    if (row->version >= kind->version || !kind->upgrade)
        return NK_OK;
    return kind->upgrade(row->version, row->body, a, &row->body, err);
}

/* ---- single records ---- */

static nk_code copy_row(sqlite3_stmt *st, const nk_kind *kind, const nk_val *key, nk_arena *a,
                        nk_row *out, nk_err *err)
{
    nk_val *cols = NK_NEWN(a, nk_val, kind->ncols);
    nk_val body = nk_vnull();
    if (!cols)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    out->version = sqlite3_column_int(st, 0);
    column_val(st, 1, NK_COL_TEXT, &body);
    out->body = nk_str_dup(a, body.s.p ? body.s : NK_STR(""));
    bool ok = out->body.p != NULL;
    for (unsigned i = 0; i < kind->nkey; i++)
        cols[i] = key[i];
    for (unsigned i = kind->nkey; ok && i < kind->ncols; i++) {
        column_val(st, (int)(2 + i - kind->nkey), kind->cols[i].type, &cols[i]);
        if (cols[i].s.p) {
            cols[i].s = nk_str_dup(a, cols[i].s);
            ok = cols[i].s.p != NULL;
        }
    }
    out->cols = cols;
    return ok ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
}

nk_code nk_store_get(nk_tx *tx, const nk_kind *kind, const nk_val *key, nk_arena *a, nk_row *out,
                     nk_err *err)
{
    sqlite3_stmt *st;
    NK_TRY(fixed(tx, kind, NK_ST_GET, &st, err));
    nk_code code = bind_key(tx, st, kind, key, err);
    if (code == NK_OK) {
        int rc = sqlite3_step(st);
        if (rc == SQLITE_ROW)
            code = copy_row(st, kind, key, a, out, err);
        else if (rc == SQLITE_DONE)
            code = nk_fail(err, NK_E_NOT_FOUND, "%s not found", kind->name);
        else
            code = nk_sqlite_fail(tx->c->db, rc, err, "reading a record");
    }
    sqlite3_reset(st);
    return code == NK_OK ? upgrade(kind, out, a, err) : code;
}

nk_code nk_store_has(nk_tx *tx, const nk_kind *kind, const nk_val *key, bool *found, nk_err *err)
{
    sqlite3_stmt *st;
    *found = false;
    NK_TRY(fixed(tx, kind, NK_ST_HAS, &st, err));
    nk_code code = bind_key(tx, st, kind, key, err);
    if (code == NK_OK) {
        int rc = sqlite3_step(st);
        *found = rc == SQLITE_ROW;
        if (rc != SQLITE_ROW && rc != SQLITE_DONE)
            code = nk_sqlite_fail(tx->c->db, rc, err, "looking for a record");
    }
    sqlite3_reset(st);
    return code;
}

static nk_code write_row(nk_tx *tx, const nk_kind *kind, nk_stmt_id id, const nk_row *row,
                         nk_err *err)
{
    sqlite3_stmt *st;
    NK_TRY(fixed(tx, kind, id, &st, err));
    int rc = SQLITE_OK;
    for (unsigned i = 0; i < kind->ncols; i++) {
        if (row->cols[i].kind == NK_V_NULL ? i < kind->nkey : !nk_val_fits(kind, i, &row->cols[i]))
            return nk_fail(err, NK_E_INTERNAL, "%s.%s: a value is absent or of another type",
                           kind->name, kind->cols[i].name);
        if (rc == SQLITE_OK)
            rc = bind_val(st, (int)i + 1, &row->cols[i]);
    }
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int(st, (int)kind->ncols + 1, kind->version);
    if (rc == SQLITE_OK && row->body.p)
        rc = sqlite3_bind_text64(st, (int)kind->ncols + 2, row->body.p, row->body.n, SQLITE_STATIC,
                                 SQLITE_UTF8);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    nk_code code =
        rc == SQLITE_DONE ? NK_OK : nk_sqlite_fail(tx->c->db, rc, err, "writing a record");
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return code;
}

nk_code nk_store_put(nk_tx *tx, const nk_kind *kind, const nk_row *row, nk_err *err)
{
    return write_row(tx, kind, NK_ST_PUT, row, err);
}

nk_code nk_store_insert(nk_tx *tx, const nk_kind *kind, const nk_row *row, nk_err *err)
{
    return write_row(tx, kind, NK_ST_INSERT, row, err);
}

nk_code nk_store_delete(nk_tx *tx, const nk_kind *kind, const nk_val *key, nk_err *err)
{
    sqlite3_stmt *st;
    NK_TRY(fixed(tx, kind, NK_ST_DELETE, &st, err));
    nk_code code = bind_key(tx, st, kind, key, err);
    if (code == NK_OK) {
        int rc = sqlite3_step(st);
        if (rc != SQLITE_DONE)
            code = nk_sqlite_fail(tx->c->db, rc, err, "deleting a record");
        else if (sqlite3_changes(tx->c->db) == 0)
            code = nk_fail(err, NK_E_NOT_FOUND, "%s not found", kind->name);
    }
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return code;
}

nk_code nk_store_delete_range(nk_tx *tx, const nk_kind *kind, const nk_val *prefix,
                              unsigned nprefix, size_t limit, size_t *deleted, nk_err *err)
{
    int k = nk_store_kind_index(tx->s, kind);
    if (nprefix < 1 || nprefix > kind->nkey || !tx->write || k < 0)
        return nk_fail(err, NK_E_INTERNAL, "a range of %s cannot be deleted so", kind->name);
    tx->s->kinds[k].touched = true;
    nk_buf b;
    nk_buf_init(&b, 4096);
    nk_buf_printf(&b,
                  "DELETE FROM %s WHERE rowid IN (SELECT rowid FROM %s INDEXED BY %s__key WHERE 1",
                  kind->name, kind->name, kind->name);
    for (unsigned i = 0; i < nprefix; i++)
        nk_buf_printf(&b, " AND %s = ?", kind->cols[i].name);
    nk_buf_puts(&b, " ORDER BY ");
    for (unsigned i = 0; i < kind->nkey; i++)
        nk_buf_printf(&b, "%s%s", i ? ", " : "", kind->cols[i].name);
    nk_buf_puts(&b, " LIMIT ?)");
    nk_cached *st = NULL;
    nk_code code = nk_buf_check(&b, err);
    if (code == NK_OK)
        code = cached(tx->c, nk_buf_view(&b), &st, err);
    nk_buf_free(&b);
    if (code != NK_OK)
        return code;
    int rc = SQLITE_OK;
    for (unsigned i = 0; i < nprefix && rc == SQLITE_OK; i++)
        rc = bind_val(st->stmt, (int)i + 1, &prefix[i]);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(st->stmt, (int)nprefix + 1, limit ? (sqlite3_int64)limit : -1);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st->stmt);
    if (rc != SQLITE_DONE)
        code = nk_sqlite_fail(tx->c->db, rc, err, "deleting records");
    else if (deleted)
        *deleted = (size_t)sqlite3_changes(tx->c->db);
    cached_done(st);
    return code;
}

nk_code nk_store_next(nk_tx *tx, const char *sequence, int64_t *out, nk_err *err)
{
    if (!tx->write)
        return nk_fail(err, NK_E_INTERNAL, "a read transaction cannot draw from %s", sequence);
    sqlite3_stmt *st = tx->c->next;
    nk_code code = NK_OK;
    int rc = sqlite3_bind_text(st, 1, sequence, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        *out = sqlite3_column_int64(st, 0);
        rc = sqlite3_step(st);
    }
    if (rc != SQLITE_DONE)
        code = nk_sqlite_fail(tx->c->db, rc, err, "drawing a number");
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return code;
}

/* ---- scans ---- */

typedef struct scan {
    nk_cached *st;
    nk_arena *arena; /* values of the statement; bodies brought up to date */
} scan;

/* What decides the text of a scan that has neither conditions nor a place to go on from; 0 for
 * others. Most are plain, and to write their text took longer than to find a record by it. */
static uint64_t plain_shape(const nk_query *q, int kind, nk_scan_mode mode)
{
    if (q->where || (q->after && q->after->n))
        return 0;
    uint64_t index = q->index ? (uint64_t)(q->index - q->kind->indexes) + 1 : 0;
    return 1 | (uint64_t)mode << 1 | (uint64_t)q->no_body << 2 | (uint64_t)q->desc << 3 |
           (uint64_t)q->nprefix << 8 | index << 16 | (uint64_t)kind << 32;
}

static nk_cached *of_shape(nk_conn *c, uint64_t shape)
{
    for (int i = 0; shape && i < NK_STMT_CACHE; i++) {
        nk_cached *e = &c->cache[i];
        if (e->shape == shape && !e->busy) {
            e->used = ++c->tick;
            e->busy = true;
            return e;
        }
    }
    return NULL;
}

/* The values in the order of nk_sql_scan's question marks. */
static nk_code bind_plain(nk_tx *tx, const nk_query *q, nk_scan_mode mode, nk_cached *e,
                          nk_err *err)
{
    int rc = SQLITE_OK, n = 0;
    NK_TRY(nk_query_check(q, err));
    for (unsigned i = 0; i < q->nprefix && rc == SQLITE_OK; i++)
        rc = bind_val(e->stmt, ++n, &q->prefix[i]);
    if (mode == NK_SCAN_ROWS && rc == SQLITE_OK)
        rc = sqlite3_bind_int64(e->stmt, ++n, q->limit ? (sqlite3_int64)q->limit : -1);
    return rc == SQLITE_OK ? NK_OK : nk_sqlite_fail(tx->c->db, rc, err, "binding a scan");
}

static nk_code scan_begin(nk_tx *tx, const nk_query *q, nk_scan_mode mode, scan *s, nk_err *err)
{
    int kind = nk_store_kind_index(tx->s, q->kind);
    if (kind < 0)
        return nk_fail(err, NK_E_INTERNAL, "the store was opened without the kind %s",
                       q->kind->name);
    s->st = NULL;
    s->arena = nk_arena_create(0);
    if (!s->arena)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    uint64_t shape = plain_shape(q, kind, mode);
    s->st = of_shape(tx->c, shape);
    if (s->st)
        return bind_plain(tx, q, mode, s->st, err);
    nk_buf sql;
    nk_buf_init(&sql, 1 << 20);
    nk_binds b = {.a = s->arena};
    nk_code code = nk_sql_scan(q, mode, &sql, &b, err);
    if (code == NK_OK)
        code = cached(tx->c, nk_buf_view(&sql), &s->st, err);
    nk_buf_free(&sql);
    int rc = SQLITE_OK;
    for (size_t i = 0; code == NK_OK && rc == SQLITE_OK && i < b.n; i++)
        rc = bind_val(s->st->stmt, (int)i + 1, b.v[i]);
    if (rc != SQLITE_OK)
        code = nk_sqlite_fail(tx->c->db, rc, err, "binding a scan");
    if (code == NK_OK)
        s->st->shape = shape;
    return code;
}

static void scan_end(scan *s)
{
    if (s->st)
        cached_done(s->st);
    nk_arena_destroy(s->arena);
}

nk_code nk_store_scan(nk_tx *tx, const nk_query *q, nk_store_row_fn fn, void *arg, nk_err *err)
{
    scan s = {0};
    nk_val cols[NK_COLS_MAX], body;
    nk_code code = scan_begin(tx, q, NK_SCAN_ROWS, &s, err);
    while (code == NK_OK) {
        int rc = sqlite3_step(s.st->stmt);
        if (rc == SQLITE_DONE)
            break;
        if (rc != SQLITE_ROW) {
            code = nk_sqlite_fail(tx->c->db, rc, err, "scanning");
            break;
        }
        nk_row row = {.cols = cols};
        for (unsigned i = 0; i < q->kind->ncols; i++)
            column_val(s.st->stmt, (int)i, q->kind->cols[i].type, &cols[i]);
        if (!q->no_body) {
            row.version = sqlite3_column_int(s.st->stmt, (int)q->kind->ncols);
            column_val(s.st->stmt, (int)q->kind->ncols + 1, NK_COL_TEXT, &body);
            row.body = body.kind == NK_V_TEXT ? body.s : NK_STR("");
            code = upgrade(q->kind, &row, s.arena, err);
        }
        if (code != NK_OK || !fn(arg, &row))
            break;
    }
    scan_end(&s);
    return code;
}

nk_code nk_store_count(nk_tx *tx, const nk_query *q, int64_t *out, nk_err *err)
{
    scan s = {0};
    nk_code code = scan_begin(tx, q, NK_SCAN_COUNT, &s, err);
    if (code == NK_OK) {
        int rc = sqlite3_step(s.st->stmt);
        if (rc == SQLITE_ROW)
            *out = sqlite3_column_int64(s.st->stmt, 0);
        else
            code = nk_sqlite_fail(tx->c->db, rc, err, "counting");
    }
    scan_end(&s);
    return code;
}
