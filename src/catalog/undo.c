/* Undoing one change of the history: the object is put back to what it was before it, whatever
 * happened to it since. The undoing is a change itself, and can be undone. */
#include <stdio.h>

#include "catalog/history_int.h"
#include "catalog/search_int.h"
#include "catalog/connections_int.h"
#include "catalog/stats_int.h"
#include "catalog/tags.h"
#include "catalog/undo_int.h"

/* ---- reading a change ---- */

static nk_code read_val(const nk_json *j, nk_col_type type, nk_arena *a, nk_val *out, nk_err *err)
{
    nk_str bytes;
    int64_t i;
    *out = nk_vnull();
    if (nk_json_is_null(j))
        return NK_OK;
    if (type == NK_COL_I64 && nk_str_i64(j->text, &i)) {
        *out = nk_vi(i);
        return NK_OK;
    }
    if (type == NK_COL_TEXT) {
        *out = nk_vs(j->text);
        return NK_OK;
    }
    if (type == NK_COL_BYTES) {
        nk_code rc = nk_base64_decode(a, nk_json_str(j, "b"), &bytes);
        if (rc == NK_E_NOMEM)
            return nk_fail(err, rc, "out of memory");
        *out = nk_vb(bytes);
        if (rc == NK_OK)
            return NK_OK;
    }
    return nk_fail(err, NK_E_INTERNAL, "a record of the history is damaged");
}

static nk_code read_row(const nk_json *j, const nk_kind *kind, nk_arena *a, nk_row *out,
                        nk_err *err)
{
    nk_val *cols = NK_NEWN(a, nk_val, kind->ncols);
    nk_buf b;
    const nk_json *list = nk_json_get(j, "cols"), *body = nk_json_get(j, "body");
    if (!cols || !body)
        return nk_fail(err, cols ? NK_E_INTERNAL : NK_E_NOMEM,
                       "a record of the history is damaged");
    for (unsigned i = 0; i < kind->ncols; i++)
        NK_TRY(read_val(nk_json_at(list, i), kind->cols[i].type, a, &cols[i], err));
    nk_buf_init(&b, 64 << 20);
    nk_json_writer w = {.buf = &b};
    nk_jw_tree(&w, body);
    *out = (nk_row){.cols = cols, .body = nk_buf_dup(&b, a)};
    nk_code rc = nk_buf_check(&b, err);
    nk_buf_free(&b);
    return rc == NK_OK && !out->body.p ? nk_fail(err, NK_E_NOMEM, "out of memory") : rc;
}

nk_code nk_undo_read(nk_undoing *u, const nk_row *row)
{
    nk_json *j;
    nk_arena *a = u->call->arena;
    nk_err *err = u->call->err;
    NK_TRY(nk_json_parse(row->body, a, 0, &j, err));
    const nk_json *before = nk_json_get(j, "before"), *keys = nk_json_get(j, "keys");
    u->seq = row->cols[NK_HIST_SEQ].i;
    u->kind = (nk_hist_kind)row->cols[NK_HIST_KIND].i;
    u->op = (nk_hist_op)row->cols[NK_HIST_OP].i;
    u->object = row->cols[NK_HIST_OBJECT].s;
    u->id = nk_json_i64(j, "id", 0);
    u->record = nk_history_record_kind(u->kind);
    u->before = NK_NEWN(a, nk_row, (before ? before->count : 0) + 1);
    u->keys = NK_NEWN(a, nk_val, (keys ? keys->count : 0) + 1);
    if (!u->before || !u->keys)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    for (const nk_json *x = before ? before->first : NULL; x; x = x->next)
        NK_TRY(read_row(x, u->record, a, &u->before[u->nbefore++], err));
    for (const nk_json *x = keys ? keys->first : NULL; x; x = x->next) {
        nk_col_type type = nk_json_get(x, "b")         ? NK_COL_BYTES
                           : x->kind == NK_JSON_NUMBER ? NK_COL_I64
                                                       : NK_COL_TEXT;
        NK_TRY(read_val(x, type, a, &u->keys[u->nkeys++], err));
    }
    return NK_OK;
}

nk_code nk_undo_gone(const nk_undoing *u)
{
    nk_code rc = nk_fail(u->call->err, NK_E_NOT_FOUND,
                         "Change %lld cannot be undone: %.*s is not there any more.",
                         (long long)u->seq, NK_STR_ARG(u->object));
    (void)nk_hint(u->call->err, "Undo its deletion first: nikawa history %.*s",
                  NK_STR_ARG(u->object));
    return rc;
}

static nk_code taken(const nk_undoing *u)
{
    return nk_fail(u->call->err, NK_E_EXISTS,
                   "Change %lld cannot be undone: another %.*s is there now.", (long long)u->seq,
                   NK_STR_ARG(u->object));
}

void nk_undo_halves(nk_str object, nk_str *database, nk_str *table)
{
    ptrdiff_t dot = nk_str_chr(object, '.');
    *database = dot < 0 ? object : nk_str_sub(object, 0, (size_t)dot);
    *table = dot < 0 ? NK_STR("") : nk_str_sub(object, (size_t)dot + 1, object.n);
}

/* The deletion's record holds nothing any more that its end would have to purge. */
static nk_code keep_contents(const nk_undoing *u)
{
    nk_row row;
    nk_val cols[NK_HIST_NCOLS];
    NK_TRY(nk_store_get(u->call->tx, &nk_kind_history, NK_KEY(nk_vi(u->seq)), u->call->arena, &row,
                        u->call->err));
    memcpy(cols, row.cols, sizeof cols);
    cols[NK_HIST_PURGE] = nk_vnull();
    row.cols = cols;
    return nk_store_put(u->call->tx, &nk_kind_history, &row, u->call->err);
}

static nk_code count_below(const nk_undoing *u, const nk_kind *kind, int64_t id, int64_t *n)
{
    nk_query q = {.kind = kind, .prefix = NK_KEY(nk_vi(id)), .nprefix = 1};
    return nk_store_count(u->call->tx, &q, n, u->call->err);
}

/* ---- databases and catalogs ---- */

/* What has others below it, keyed by (space, name). */
typedef struct holder {
    unsigned id;       /* the column with its number */
    const char *noun;  /* "database" */
    nk_str prefix;     /* of the object: what stands before the name */
    const char *below; /* "tables" */
    nk_code (*drop)(nk_undoing *u, const nk_row *now);
    nk_code (*count)(const nk_undoing *u, int64_t *n);
} holder;

static nk_code drop_database(nk_undoing *u, const nk_row *now)
{
    return nk_database_drop(u->call->tx, &u->ctx, now->cols[NK_DB_NAME].s, u->call->err);
}

static nk_code count_tables(const nk_undoing *u, int64_t *n)
{
    return count_below(u, &nk_kind_table, u->id, n);
}

static nk_code drop_catalog(nk_undoing *u, const nk_row *now)
{
    return nk_catalog_drop(u->call, &u->ctx, now);
}

static nk_code count_databases(const nk_undoing *u, int64_t *n)
{
    nk_str space = nk_str_printf(u->call->arena, "catalog/%lld", (long long)u->id);
    nk_query q = {.kind = &nk_kind_database, .prefix = NK_KEY(nk_vs(space)), .nprefix = 1};
    return space.p ? nk_store_count(u->call->tx, &q, n, u->call->err)
                   : nk_fail(u->call->err, NK_E_NOMEM, "out of memory");
}

static const holder databases = {.id = NK_DB_ID,
                                 .noun = "database",
                                 .below = "tables",
                                 .drop = drop_database,
                                 .count = count_tables};
static const holder catalogs = {.id = NK_CAT_ID,
                                .noun = "catalog",
                                .below = "databases",
                                .drop = drop_catalog,
                                .count = count_databases};

static nk_code revive_holder(nk_undoing *u, const holder *what, nk_str name)
{
    int64_t n;
    nk_hist h = {.kind = u->kind,
                 .op = NK_HIST_CREATE,
                 .space = u->ctx.region,
                 .object = u->object,
                 .keys = u->before->cols,
                 .nkeys = u->record->nkey,
                 .id = u->id};
    NK_TRY(nk_store_insert(u->call->tx, u->record, u->before, u->call->err));
    NK_TRY(keep_contents(u));
    NK_TRY(what->count(u, &n));
    (void)nk_buf_printf(u->said, "brought back %s %.*s with %lld %s", what->noun, NK_STR_ARG(name),
                        (long long)n, what->below);
    return nk_history_add(u->call->tx, &u->ctx, &h, NULL, u->call->err);
}

static nk_code undo_holder(nk_undoing *u, const holder *what)
{
    nk_tx *tx = u->call->tx;
    nk_err *err = u->call->err;
    nk_row now;
    nk_str name = u->nbefore ? u->before->cols[1].s : u->nkeys ? u->keys[1].s : u->object;
    nk_code rc = nk_store_get(tx, u->record, NK_KEY(nk_vs(u->ctx.region), nk_vs(name)),
                              u->call->arena, &now, err);
    if (rc != NK_OK && rc != NK_E_NOT_FOUND)
        return rc;
    bool there = rc == NK_OK, same = there && now.cols[what->id].i == u->id;
    if (u->op == NK_HIST_DELETE)
        return there ? taken(u) : revive_holder(u, what, name);
    if (!same)
        return nk_undo_gone(u);
    if (u->op == NK_HIST_CREATE) {
        (void)nk_buf_printf(u->said, "deleted %s %.*s", what->noun, NK_STR_ARG(name));
        return what->drop(u, &now);
    }
    nk_hist h = {.kind = u->kind,
                 .op = NK_HIST_UPDATE,
                 .space = u->ctx.region,
                 .object = u->object,
                 .before = &now,
                 .nbefore = 1,
                 .id = u->id};
    (void)nk_buf_printf(u->said, "put %s %.*s back", what->noun, NK_STR_ARG(name));
    NK_TRY(nk_history_add(tx, &u->ctx, &h, NULL, err));
    return nk_store_put(tx, u->record, u->before, err);
}

static nk_code undo_database(nk_undoing *u)
{
    return undo_holder(u, &databases);
}

static nk_code undo_catalog(nk_undoing *u)
{
    nk_code rc = undo_holder(u, &catalogs);
    if (rc != NK_OK || u->op == NK_HIST_CREATE)
        return rc;
    return nk_catalog_changed(u->call, u->before->cols[NK_CAT_NAME].s);
}

/* ---- tables ---- */

static nk_code revive_table(nk_undoing *u)
{
    nk_tx *tx = u->call->tx;
    nk_err *err = u->call->err;
    nk_str database, name;
    nk_row db;
    int64_t parts, versions;
    const nk_row *was = u->before;
    nk_undo_halves(u->object, &database, &name);
    nk_code rc = nk_database_row(tx, &u->ctx, database, &db, err);
    if (rc == NK_E_NOT_FOUND || (rc == NK_OK && db.cols[NK_DB_ID].i != was->cols[NK_TBL_DB].i)) {
        (void)nk_fail(err, NK_E_NOT_FOUND,
                      "Change %lld cannot be undone: the database of %.*s is not there any more.",
                      (long long)u->seq, NK_STR_ARG(u->object));
        (void)nk_hint(err, "Undo its deletion first: nikawa history %.*s", NK_STR_ARG(database));
        return NK_E_NOT_FOUND;
    }
    NK_TRY(rc);
    rc = nk_store_insert(tx, &nk_kind_table, was, err);
    if (rc == NK_E_EXISTS)
        return taken(u);
    NK_TRY(rc);
    NK_TRY(keep_contents(u));
    NK_TRY(count_below(u, &nk_kind_partition, u->id, &parts));
    NK_TRY(count_below(u, &nk_kind_table_version, u->id, &versions));
    nk_search_note_json(tx, u->ctx.region, was->cols[NK_TBL_DB].i, u->id, NK_STR_NULL, was->body,
                        u->call->arena);
    (void)nk_buf_printf(u->said,
                        "brought back table %.*s with %lld partitions and %lld older versions",
                        NK_STR_ARG(u->object), (long long)parts, (long long)versions);
    nk_hist h = {.kind = NK_HIST_TABLE,
                 .op = NK_HIST_CREATE,
                 .space = u->ctx.region,
                 .object = u->object,
                 .id = u->id};
    return nk_history_add(tx, &u->ctx, &h, NULL, err);
}

/* The change's table, whatever it is called now. */
static nk_code now_called(const nk_undoing *u, nk_table_row *t)
{
    glue_Table *doc;
    NK_TRY(nk_table_by_id(u->call->tx, u->id, u->call->arena, t, u->call->err));
    NK_TRY(
        nk_model_decode(&glue_Table_shape, t->body, u->call->arena, (void **)&doc, u->call->err));
    nk_str name = t->name;
    NK_TRY(nk_table_load(u->call->tx, &u->ctx, doc->DatabaseName, name, t, u->call->err));
    return t->id == u->id ? NK_OK : NK_E_NOT_FOUND;
}

static nk_code undo_table(nk_undoing *u)
{
    nk_tx *tx = u->call->tx;
    nk_err *err = u->call->err;
    nk_table_row t;
    if (u->op == NK_HIST_DELETE)
        return revive_table(u);
    nk_code rc = now_called(u, &t);
    if (rc == NK_E_NOT_FOUND)
        return nk_undo_gone(u);
    NK_TRY(rc);
    if (u->op == NK_HIST_CREATE) {
        (void)nk_buf_printf(u->said, "deleted table %.*s.%.*s", NK_STR_ARG(t.database),
                            NK_STR_ARG(t.name));
        return nk_table_drop(tx, &u->ctx, t.database, t.name, err);
    }
    NK_TRY(nk_table_restore(tx, &u->ctx, &t, u->before, err));
    (void)nk_buf_printf(u->said, "put table %.*s back to version %lld, as version %lld",
                        NK_STR_ARG(u->object), (long long)u->before->cols[NK_TBL_VERSION].i,
                        (long long)t.version);
    return NK_OK;
}

/* ---- partitions ---- */

static nk_code undo_partitions(nk_undoing *u)
{
    nk_str database, name;
    nk_part_ctx p;
    nk_list_str values;
    nk_err *err = u->call->err;
    nk_undo_halves(u->object, &database, &name);
    nk_code rc = nk_part_begin(&p, u->call->tx, &u->ctx, database, name, err);
    if (rc == NK_E_NOT_FOUND || (rc == NK_OK && p.table.id != u->id))
        return nk_undo_gone(u);
    NK_TRY(rc);
    size_t removed = 0;
    for (size_t i = 0; i < u->nkeys; i++) {
        NK_TRY(nk_vals_unpack(u->keys[i].s, u->call->arena, &values));
        rc = nk_part_delete(&p, &values, err);
        if (rc != NK_OK && rc != NK_E_NOT_FOUND)
            return rc;
        removed += rc == NK_OK;
    }
    for (size_t i = 0; i < u->nbefore; i++)
        NK_TRY(nk_part_restore(&p, &u->before[i], err));
    (void)nk_buf_printf(u->said, "of table %.*s: removed %zu partitions, put %zu back",
                        NK_STR_ARG(u->object), removed, u->nbefore);
    return nk_part_end(&p);
}

/* ---- records without anything below ---- */

/* A table's own: it goes with it. */
static nk_code settings_table(nk_undoing *u, const nk_val *key, const nk_row *now, nk_row *put)
{
    nk_table_row t;
    if (!put)
        return NK_OK;
    nk_code rc = nk_table_by_id(u->call->tx, key[0].i, u->call->arena, &t, u->call->err);
    if (rc == NK_E_NOT_FOUND)
        return nk_undo_gone(u);
    NK_TRY(rc);
    return nk_stats_settings_merge(u->call, now, put);
}

nk_code nk_undo_prepare(nk_undoing *u, const nk_val *key, const nk_row *now, nk_row *put)
{
    nk_str database, name, user;
    nk_row db;
    bool there = true;
    nk_err *err = u->call->err;
    const nk_hist_room *room = nk_history_room(u->kind);
    if (room)
        return room->prepare ? room->prepare(u->call, &u->ctx, now, put) : NK_OK;
    switch (u->kind) {
    case NK_HIST_FUNCTION:
        if (u->op != NK_HIST_DELETE)
            return NK_OK;
        nk_undo_halves(u->object, &database, &name);
        nk_code rc = nk_database_row(u->call->tx, &u->ctx, database, &db, err);
        if (rc == NK_E_NOT_FOUND || (rc == NK_OK && db.cols[NK_DB_ID].i != key[0].i))
            return nk_undo_gone(u);
        return rc;
    case NK_HIST_TAGS:
        if (put)
            NK_TRY(nk_tags_bearer(u->call, key[1].s, &there));
        return there ? NK_OK : nk_undo_gone(u);
    case NK_HIST_TYPE:
        if (put)
            return NK_OK;
        NK_TRY(nk_connection_of_type(u->call, key[1].s, &user));
        return user.p ? nk_fail(err, NK_E_INVALID,
                                "Change %lld cannot be undone: connection %.*s is of that type.",
                                (long long)u->seq, NK_STR_ARG(user))
                      : NK_OK;
    case NK_HIST_STATS_SETTINGS:
        return settings_table(u, key, now, put);
    default:
        return NK_OK;
    }
}

static nk_code undo_record(nk_undoing *u)
{
    nk_tx *tx = u->call->tx;
    nk_err *err = u->call->err;
    nk_row now, put = u->nbefore ? u->before[0] : (nk_row){0};
    const nk_val *key = u->nbefore ? u->before->cols : u->keys;
    nk_code rc = nk_store_get(tx, u->record, key, u->call->arena, &now, err);
    if (rc != NK_OK && rc != NK_E_NOT_FOUND)
        return rc;
    bool there = rc == NK_OK;
    nk_hist h = {.kind = u->kind,
                 .op = u->op == NK_HIST_CREATE   ? NK_HIST_DELETE
                       : u->op == NK_HIST_DELETE ? NK_HIST_CREATE
                                                 : NK_HIST_UPDATE,
                 .space = u->ctx.region,
                 .object = u->object,
                 .before = &now,
                 .nbefore = there,
                 .keys = key,
                 .nkeys = there ? 0 : u->record->nkey};
    if (u->op != NK_HIST_DELETE && !there)
        return nk_undo_gone(u);
    if (u->op == NK_HIST_DELETE && there)
        return taken(u);
    NK_TRY(nk_undo_prepare(u, key, there ? &now : NULL, u->op == NK_HIST_CREATE ? NULL : &put));
    NK_TRY(nk_history_add(tx, &u->ctx, &h, NULL, err));
    (void)nk_buf_printf(u->said, "%s %.*s",
                        u->op == NK_HIST_CREATE   ? "deleted"
                        : u->op == NK_HIST_DELETE ? "brought back"
                                                  : "put back",
                        NK_STR_ARG(u->object));
    return u->op == NK_HIST_CREATE ? nk_store_delete(tx, u->record, key, err)
                                   : nk_store_put(tx, u->record, &put, err);
}

/* ---- the operation ---- */

/* {"Id"} → {"Undone","Said"}. */
nk_code nk_catalog_undo(nk_call *call, const nk_json *in, nk_buf *out)
{
    static nk_code (*const ways[NK_HIST_KINDS])(nk_undoing *) = {
        [NK_HIST_DATABASE] = undo_database,     [NK_HIST_TABLE] = undo_table,
        [NK_HIST_PARTITION] = undo_partitions,  [NK_HIST_FUNCTION] = undo_record,
        [NK_HIST_CONNECTION] = undo_record,     [NK_HIST_STATISTICS] = nk_undo_statistics,
        [NK_HIST_INDEXES] = nk_undo_indexes,    [NK_HIST_POLICY] = undo_record,
        [NK_HIST_SETTINGS] = undo_record,       [NK_HIST_SECURITY] = undo_record,
        [NK_HIST_TAGS] = undo_record,           [NK_HIST_TYPE] = undo_record,
        [NK_HIST_CATALOG] = undo_catalog,       [NK_HIST_VERSIONS] = nk_undo_rows,
        [NK_HIST_STATS_SETTINGS] = undo_record, [NK_HIST_CRAWLER] = undo_record,
        [NK_HIST_CRAWLED] = nk_undo_rows,       [NK_HIST_CLASSIFIER] = undo_record,
        [NK_HIST_OPTIMIZER] = undo_record,
    };
    nk_row row;
    nk_buf said;
    int64_t id = nk_json_i64(in, "Id", 0);
    nk_undoing u = {.call = call, .said = &said};
    NK_TRY(nk_catalog_open(call, nk_json_str(in, "CatalogId"), &u.ctx));
    nk_code rc =
        nk_store_get(call->tx, &nk_kind_history, NK_KEY(nk_vi(id)), call->arena, &row, call->err);
    if (rc == NK_E_NOT_FOUND ||
        (rc == NK_OK && !nk_str_eq(row.cols[NK_HIST_SPACE].s, u.ctx.region)))
        return nk_fail(call->err, NK_E_NOT_FOUND, "Change %lld is not in the history of this %s.",
                       (long long)id, u.ctx.catalog_id.p ? "catalog" : "region");
    NK_TRY(rc);
    NK_TRY(nk_undo_read(&u, &row));
    u.ctx.undoes = id;
    nk_buf_init(&said, 4096);
    rc = ways[u.kind](&u);
    if (rc == NK_OK) {
        nk_json_writer w = {.buf = out};
        nk_buf_clear(out);
        nk_jw_object(&w);
        nk_jw_ki64(&w, "Undone", id);
        nk_jw_kstr(&w, "Said", nk_buf_view(&said));
        nk_jw_object_end(&w);
        rc = nk_buf_check(out, call->err);
    }
    nk_buf_free(&said);
    return rc;
}

/* ---- for the listing ---- */

nk_code nk_history_current(nk_call *call, const nk_catalog_ctx *ctx, const nk_row *row, nk_str *out)
{
    nk_str database, name;
    nk_table_row t;
    nk_row now;
    nk_undoing u = {.call = call};
    nk_code rc;
    NK_TRY(nk_undo_read(&u, row));
    nk_undo_halves(u.object, &database, &name);
    switch (u.kind) {
    case NK_HIST_DATABASE:
        rc = nk_database_row(call->tx, ctx, u.object, &now, call->err);
        *out = rc == NK_OK && now.cols[NK_DB_ID].i == u.id ? now.body : NK_STR_NULL;
        break;
    case NK_HIST_TABLE:
        rc = nk_table_by_id(call->tx, u.id, call->arena, &t, call->err);
        *out = rc == NK_OK ? t.body : NK_STR_NULL;
        break;
    case NK_HIST_INDEXES:
        rc = nk_table_load(call->tx, ctx, database, name, &t, call->err);
        *out = rc == NK_OK && t.id == u.id ? nk_indexes_json(&t) : NK_STR_NULL;
        break;
    default:
        rc = nk_store_get(call->tx, u.record, u.nbefore ? u.before->cols : u.keys, call->arena,
                          &now, call->err);
        *out = rc == NK_OK ? now.body : NK_STR_NULL;
    }
    return rc == NK_E_NOT_FOUND ? NK_OK : rc;
}

/* [{"Values":[…],"Before":document or null}] */
nk_code nk_history_partitions(nk_call *call, const nk_row *row, nk_json_writer *w)
{
    nk_undoing u = {.call = call};
    nk_list_str values;
    NK_TRY(nk_undo_read(&u, row));
    nk_jw_array(w);
    for (size_t i = 0; i < u.nbefore + u.nkeys; i++) {
        bool was = i < u.nbefore;
        nk_str vals = was ? u.before[i].cols[NK_PART_VALS].s : u.keys[i - u.nbefore].s;
        NK_TRY(nk_vals_unpack(vals, call->arena, &values));
        nk_jw_object(w);
        nk_jw_key(w, NK_STR("Values"));
        nk_jw_array(w);
        for (size_t k = 0; k < values.n; k++)
            nk_jw_str(w, values.v[k]);
        nk_jw_array_end(w);
        nk_jw_key(w, NK_STR("Before"));
        nk_jw_raw(w, was ? u.before[i].body : NK_STR("null"));
        nk_jw_object_end(w);
    }
    nk_jw_array_end(w);
    return NK_OK;
}
