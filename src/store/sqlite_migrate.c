/* Bringing a database to the layout of this release's tables of kinds, in one transaction. */
#include "store/sqlite_int.h"

static nk_code query_int(sqlite3 *db, const char *sql, int64_t *out, nk_err *err)
{
    sqlite3_stmt *st;
    int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
    if (rc != SQLITE_OK)
        return nk_sqlite_fail(db, rc, err, "reading its layout");
    rc = sqlite3_step(st);
    nk_code code = NK_OK;
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(st, 0);
    else if (rc != SQLITE_DONE)
        code = nk_sqlite_fail(db, rc, err, "reading its layout");
    sqlite3_finalize(st);
    return code;
}

/* Rows of a two-column query, name → text, into the map. */
static nk_code query_map(sqlite3 *db, const char *sql, const char *arg, nk_map *m, nk_arena *a,
                         nk_err *err)
{
    sqlite3_stmt *st;
    int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
    if (rc != SQLITE_OK)
        return nk_sqlite_fail(db, rc, err, "reading its layout");
    if (arg)
        sqlite3_bind_text(st, 1, arg, -1, SQLITE_STATIC);
    nk_code code = NK_OK;
    while (code == NK_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        nk_str key = nk_str_dup(a, nk_str_c((const char *)sqlite3_column_text(st, 0)));
        nk_str *val = NK_NEW(a, nk_str);
        if (val)
            *val = nk_str_dup(a, nk_str_c((const char *)sqlite3_column_text(st, 1)));
        code = key.p && val ? nk_map_put(m, key, val, NULL) : NK_E_NOMEM;
    }
    if (code == NK_OK && rc != SQLITE_DONE)
        code = nk_sqlite_fail(db, rc, err, "reading its layout");
    sqlite3_finalize(st);
    return code;
}

static nk_code check_format(nk_store *s, sqlite3 *db, bool *empty, nk_err *err)
{
    int64_t tables = 0, app = 0, format = 0;
    NK_TRY(query_int(db, "SELECT count(*) FROM sqlite_schema", &tables, err));
    NK_TRY(query_int(db, "PRAGMA application_id", &app, err));
    NK_TRY(query_int(db, "PRAGMA user_version", &format, err));
    *empty = tables == 0;
    if (!*empty && app != NK_STORE_APP_ID)
        return nk_fail(err, NK_E_INVALID, "%s is a database, but none of Nikawa's.", s->path);
    if (!*empty && format > NK_STORE_FORMAT) {
        nk_code rc =
            nk_fail(err, NK_E_INVALID, "The store %s has format %d; this release reads up to %d.",
                    s->path, (int)format, NK_STORE_FORMAT);
        (void)nk_hint(err,
                      "It was written by a newer release of Nikawa: start that one, or use another "
                      "--data folder.");
        return rc;
    }
    return NK_OK;
}

static nk_code exec_buf(sqlite3 *db, nk_buf *b, nk_err *err)
{
    nk_code rc = nk_buf_check(b, err);
    if (rc == NK_OK)
        rc = nk_sqlite_exec(db, b->p, err);
    nk_buf_clear(b);
    return rc;
}

static nk_code migrate_table(sqlite3 *db, const nk_kind *k, nk_arena *a, nk_buf *b, nk_err *err)
{
    nk_map cols;
    nk_map_init(&cols);
    nk_code rc =
        query_map(db, "SELECT name, type FROM pragma_table_info(?)", k->name, &cols, a, err);
    if (rc == NK_OK && cols.n == 0) {
        nk_sql_create_table(k, b);
        rc = exec_buf(db, b, err);
    } else {
        for (unsigned i = 0; rc == NK_OK && i < k->ncols; i++)
            if (!nk_map_has(&cols, nk_str_c(k->cols[i].name))) {
                nk_buf_printf(b, "ALTER TABLE %s ADD COLUMN %s %s", k->name, k->cols[i].name,
                              nk_sql_type(k->cols[i].type));
                rc = i < k->nkey
                         ? nk_fail(err, NK_E_INVALID, "kind %s: its key has changed", k->name)
                         : exec_buf(db, b, err);
            }
    }
    nk_map_free(&cols);
    return rc;
}

static nk_code migrate_indexes(sqlite3 *db, const nk_kind *k, nk_arena *a, nk_buf *b, nk_err *err)
{
    nk_map have;
    nk_map_init(&have);
    nk_code rc =
        query_map(db,
                  "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? "
                  "AND sql IS NOT NULL",
                  k->name, &have, a, err);
    for (unsigned i = 0; rc == NK_OK && i <= k->nindexes; i++) {
        nk_str name =
            nk_str_printf(a, "%s__%s", k->name, i < k->nindexes ? k->indexes[i].name : "key");
        nk_str *old = nk_map_del(&have, name);
        nk_sql_create_index(k, i, b);
        nk_str text = nk_buf_dup(b, a);
        nk_buf_clear(b);
        if (old && nk_str_eq(*old, text))
            continue;
        if (old)
            nk_buf_printf(b, "DROP INDEX %.*s;", NK_STR_ARG(name));
        nk_buf_str(b, text);
        rc = exec_buf(db, b, err);
    }
    nk_map_slot *slot;
    for (size_t i = 0; rc == NK_OK && nk_map_next(&have, &i, &slot);) {
        nk_buf_printf(b, "DROP INDEX %.*s", NK_STR_ARG(slot->key));
        rc = exec_buf(db, b, err);
    }
    nk_map_free(&have);
    return rc;
}

static nk_code migrate_kind(nk_store *s, sqlite3 *db, const nk_kind *k, const nk_map *versions,
                            nk_arena *a, nk_buf *b, nk_err *err)
{
    const nk_str *v = nk_map_get(versions, nk_str_c(k->name));
    int64_t stored = 0;
    if (v && nk_str_i64(*v, &stored) && stored > k->version) {
        nk_code rc =
            nk_fail(err, NK_E_INVALID,
                    "The store %s holds %s records of version %d; this release reads up to %d.",
                    s->path, k->name, (int)stored, k->version);
        (void)nk_hint(err,
                      "It was written by a newer release of Nikawa: start that one, or use another "
                      "--data folder.");
        return rc;
    }
    NK_TRY(migrate_table(db, k, a, b, err));
    NK_TRY(migrate_indexes(db, k, a, b, err));
    if (stored == k->version)
        return NK_OK;
    nk_buf_printf(
        b,
        "INSERT INTO nk_kinds(name, version) VALUES('%s', %d) ON CONFLICT(name) DO UPDATE SET "
        "version = excluded.version",
        k->name, k->version);
    return exec_buf(db, b, err);
}

static nk_code migrate_in_tx(nk_store *s, sqlite3 *db, bool empty, nk_arena *a, nk_buf *b,
                             nk_err *err)
{
    if (empty) {
        nk_buf_printf(b,
                      "PRAGMA application_id=%d; PRAGMA user_version=%d;"
                      "CREATE TABLE nk_kinds(name TEXT PRIMARY KEY, version INTEGER NOT NULL);"
                      "CREATE TABLE nk_seq(name TEXT PRIMARY KEY, n INTEGER NOT NULL);",
                      NK_STORE_APP_ID, NK_STORE_FORMAT);
        NK_TRY(exec_buf(db, b, err));
    }
    nk_map versions;
    nk_map_init(&versions);
    nk_code rc = query_map(db, "SELECT name, version FROM nk_kinds", NULL, &versions, a, err);
    for (unsigned i = 0; rc == NK_OK && i < s->nkinds; i++)
        rc = migrate_kind(s, db, s->kinds[i].kind, &versions, a, b, err);
    nk_map_free(&versions);
    return rc;
}

nk_code nk_sqlite_migrate(nk_store *s, sqlite3 *db, nk_err *err)
{
    bool empty;
    NK_TRY(check_format(s, db, &empty, err));
    NK_TRY(nk_sqlite_exec(db, "BEGIN IMMEDIATE", err));
    nk_arena *a = nk_arena_create(0);
    nk_buf b;
    nk_buf_init(&b, 65536);
    nk_code rc =
        a ? migrate_in_tx(s, db, empty, a, &b, err) : nk_fail(err, NK_E_NOMEM, "out of memory");
    nk_buf_free(&b);
    nk_arena_destroy(a);
    if (rc == NK_OK)
        rc = nk_sqlite_exec(db, "COMMIT", err);
    if (rc != NK_OK && !sqlite3_get_autocommit(db))
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}
