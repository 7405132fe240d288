/* CreateTable, GetTable, GetTables, UpdateTable, DeleteTable, BatchDeleteTable and what other rooms
 * do to tables. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "catalog/history_int.h"
#include "catalog/past_int.h"
#include "catalog/properties_int.h"
#include "catalog/schema_ref.h"
#include "catalog/search_int.h"
#include "catalog/views_int.h"

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

/* ---- reading ---- */

nk_code nk_table_of_row(const nk_row *row, nk_arena *a, nk_table_row *t, nk_err *err)
{
    const nk_val *c = row->cols;
    *t = (nk_table_row){
        .db = c[NK_TBL_DB].i,
        .name = c[NK_TBL_NAME].s,
        .id = c[NK_TBL_ID].i,
        .version = c[NK_TBL_VERSION].i,
        .keygen = c[NK_TBL_KEYGEN].i,
        .typed = c[NK_TBL_TYPED].i != 0,
        .keys_packed = c[NK_TBL_KEYS].s,
        .indexes = c[NK_TBL_INDEXES].kind == NK_V_NULL ? NK_STR_NULL : c[NK_TBL_INDEXES].s,
        .target = c[NK_TBL_TARGET].kind == NK_V_NULL ? NK_STR_NULL : c[NK_TBL_TARGET].s,
        .body = row->body};
    return nk_keys_unpack(t->keys_packed, a, &t->keys) == NK_OK ? NK_OK : nomem(err);
}

nk_code nk_table_load(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database, nk_str name,
                      nk_table_row *t, nk_err *err)
{
    nk_db_ref db;
    nk_row row;
    NK_TRY(nk_database_ref(tx, ctx, database, &db, err));
    NK_TRY(nk_fold(ctx->arena, name, &t->name, err));
    nk_code rc = nk_store_get(tx, &nk_kind_table, NK_KEY(nk_vi(db.id), nk_vs(t->name)), ctx->arena,
                              &row, err);
    if (rc == NK_E_NOT_FOUND)
        return nk_fail_table(err, name);
    if (rc != NK_OK)
        return rc;
    NK_TRY(nk_table_of_row(&row, ctx->arena, t, err));
    t->database = db.name;
    t->catalog_id = db.catalog_id;
    t->space = db.space;
    return NK_OK;
}

static nk_code load_target(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str target, nk_table_row *out,
                           nk_err *err)
{
    nk_link l = nk_link_unpack(target);
    nk_catalog_ctx there;
    NK_TRY(nk_link_ctx(tx, ctx, &l, &there, err));
    NK_TRY(nk_table_load(tx, &there, l.database, l.table, out, err));
    return out->target.p ? nk_fail_table(err, l.table) : NK_OK; /* a link to a link */
}

nk_code nk_table_follow(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database, nk_str name,
                        nk_table_row *out, nk_err *err)
{
    NK_TRY(nk_table_load(tx, ctx, database, name, out, err));
    return out->target.p ? load_target(tx, ctx, out->target, out, err) : NK_OK;
}

/* A link's document with what it lacks of its target's, if that is there. */
static nk_code linked(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str target, nk_str body,
                      nk_str *json, nk_err *err)
{
    nk_table_row far;
    glue_Table *link, *t;
    *json = body;
    nk_code rc = load_target(tx, ctx, target, &far, err);
    if (rc == NK_E_NOT_FOUND)
        return NK_OK;
    NK_TRY(rc);
    NK_TRY(nk_model_decode(&glue_Table_shape, body, ctx->arena, (void **)&link, err));
    NK_TRY(nk_model_decode(&glue_Table_shape, far.body, ctx->arena, (void **)&t, err));
    t->Name = link->Name;
    t->DatabaseName = link->DatabaseName;
    t->CatalogId = link->CatalogId;
    t->TargetTable = link->TargetTable;
    t->CreateTime = link->CreateTime;
    t->UpdateTime = link->UpdateTime;
    t->CreatedBy = link->CreatedBy;
    t->VersionId = link->VersionId;
    if (link->Description.p)
        t->Description = link->Description;
    return nk_model_encode_str(&glue_Table_shape, t, ctx->arena, json, err);
}

nk_code nk_table_document(nk_tx *tx, const nk_catalog_ctx *ctx, const nk_table_row *t, nk_str *json,
                          nk_err *err)
{
    if (t->target.p)
        return linked(tx, ctx, t->target, t->body, json, err);
    *json = t->body;
    return NK_OK;
}

nk_code nk_catalog_get_table(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database, nk_str table,
                             glue_Table **out, nk_err *err)
{
    nk_table_row t;
    nk_str json;
    NK_TRY(nk_table_load(tx, ctx, database, table, &t, err));
    NK_TRY(nk_table_document(tx, ctx, &t, &json, err));
    return nk_model_decode(&glue_Table_shape, json, ctx->arena, (void **)out, err);
}

/* ---- writing ---- */

static nk_code check_input(const glue_TableInput *in, nk_err *err)
{
    if (in->FederatedTable)
        return nk_fail(err, NK_E_INVALID,
                       "FederatedTable is not supported: this server reaches no other catalogue.");
    if (in->TargetTable && (!in->TargetTable->DatabaseName.p || !in->TargetTable->Name.p))
        return nk_fail(err, NK_E_INVALID, "TargetTable must have a DatabaseName and a Name.");
    for (size_t i = 0; i < in->PartitionKeys.n; i++)
        for (size_t j = 0; j < i; j++)
            if (nk_str_ieq(in->PartitionKeys.v[i].Name, in->PartitionKeys.v[j].Name))
                return nk_fail(err, NK_E_INVALID, "Partition key '%.*s' is given twice.",
                               NK_STR_ARG(in->PartitionKeys.v[i].Name));
    return NK_OK;
}

static nk_str version_text(nk_arena *a, int64_t version)
{
    return nk_str_printf(a, "%lld", (long long)version);
}

static nk_str created_by(const nk_catalog_ctx *ctx)
{
    return ctx->created_by.p
               ? ctx->created_by
               : nk_str_printf(ctx->arena, "arn:aws:iam::%.*s:root", NK_STR_ARG(ctx->account_id));
}

/* db: where it stands. */
static nk_code encode(const nk_catalog_ctx *ctx, const nk_db_ref *db, nk_str name, int64_t version,
                      int64_t created_us, nk_str created, const glue_TableInput *in,
                      glue_ViewDefinition *view, glue_Table *t, nk_str *body, nk_err *err)
{
    *t = (glue_Table){
        .Name = name,
        .DatabaseName = db->name,
        .Description = in->Description,
        .Owner = in->Owner,
        .CreateTime = nk_some_time(created_us),
        .UpdateTime = nk_some_time(ctx->now_us),
        .LastAccessTime = in->LastAccessTime,
        .LastAnalyzedTime = in->LastAnalyzedTime,
        .Retention = nk_some_i64(nk_i64_or(in->Retention, 0)),
        .StorageDescriptor = in->StorageDescriptor,
        .PartitionKeys = in->PartitionKeys,
        .ViewOriginalText = in->ViewOriginalText,
        .ViewExpandedText = in->ViewExpandedText,
        .TableType = in->TableType,
        .Parameters = in->Parameters,
        .CreatedBy = created,
        .IsRegisteredWithLakeFormation = nk_some_bool(false),
        .TargetTable = in->TargetTable,
        .CatalogId = db->catalog_id,
        .VersionId = version_text(ctx->arena, version),
        .ViewDefinition = view,
        .IsMultiDialectView = nk_some_bool(view != NULL),
        .IsMaterializedView = view ? view->IsManaged : (nk_opt_bool){0},
    };
    t->PartitionKeys.set = t->PartitionKeys.set || in->StorageDescriptor;
    if (!t->CreatedBy.p || !t->VersionId.p)
        return nomem(err);
    return nk_model_encode_str(&glue_Table_shape, t, ctx->arena, body, err);
}

static bool link_of(const nk_catalog_ctx *ctx, const glue_TableInput *in, nk_str *out)
{
    const glue_TableIdentifier *t = in->TargetTable;
    *out = NK_STR_NULL;
    if (!t)
        return true;
    nk_link l = {t->CatalogId, t->DatabaseName, t->Name, t->Region};
    *out = nk_link_pack(&l, ctx->arena);
    return out->p != NULL;
}

nk_code nk_table_create(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database,
                        const glue_TableInput *in, nk_str indexes, nk_err *err)
{
    nk_str name, body, target;
    nk_db_ref db;
    glue_Table doc;
    glue_ViewDefinition *view;
    int64_t id;
    NK_TRY(check_input(in, err));
    NK_TRY(nk_database_ref(tx, ctx, database, &db, err));
    NK_TRY(nk_fold(ctx->arena, in->Name, &name, err));
    glue_TableInput input = *in;
    NK_TRY(nk_sd_resolve(tx, ctx, db.name, name, in->StorageDescriptor, &input.StorageDescriptor,
                         err));
    NK_TRY(nk_view_make(in->ViewDefinition, ctx->arena, &view, err));
    NK_TRY(encode(ctx, &db, name, 0, ctx->now_us, created_by(ctx), &input, view, &doc, &body, err));
    NK_TRY(nk_store_next(tx, "glue.catalog", &id, err));
    nk_str keys = nk_keys_pack(&in->PartitionKeys, ctx->arena);
    if (!keys.p || !link_of(ctx, in, &target))
        return nomem(err);
    nk_row row = {.cols = NK_KEY(nk_vi(db.id), nk_vs(name), nk_vi(id), nk_vi(0), nk_vs(keys),
                                 nk_vi(1), nk_vi(0), nk_vs(indexes), nk_vs(target)),
                  .body = body};
    nk_code rc = nk_store_insert(tx, &nk_kind_table, &row, err);
    if (rc == NK_E_EXISTS)
        return nk_fail(err, rc, "Table already exists.");
    NK_TRY(rc);
    nk_search_note(tx, db.space, db.id, id, NULL, &doc);
    nk_hist h = {.kind = NK_HIST_TABLE,
                 .space = db.space,
                 .object = nk_table_object(ctx->arena, db.name, name),
                 .id = id};
    NK_TRY(nk_history_add(tx, ctx, &h, NULL, err));
    return nk_table_inherit(tx, ctx, &db, id, &doc, err);
}

static bool see_one(void *arg, const nk_row *row)
{
    *(bool *)arg = true;
    return false;
}

static nk_code has_partitions(nk_tx *tx, int64_t id, bool *yes, nk_err *err)
{
    nk_query q = {.kind = &nk_kind_partition,
                  .prefix = NK_KEY(nk_vi(id)),
                  .nprefix = 1,
                  .no_body = true,
                  .limit = 1};
    *yes = false;
    return nk_store_scan(tx, &q, see_one, yes, err);
}

static size_t key_count(nk_str packed)
{
    size_t n = packed.n ? 1 : 0;
    for (size_t i = 0; i < packed.n; i++)
        n += packed.p[i] == 0x1e;
    return n;
}

/* Whether partitions' typed columns still fit. */
static bool same_classes(const nk_part_keys *x, nk_str packed, nk_arena *a)
{
    nk_part_keys y;
    if (nk_keys_unpack(packed, a, &y) != NK_OK || x->n != y.n)
        return false;
    for (size_t i = 0; i < x->n; i++)
        if (x->v[i].class != y.v[i].class)
            return false;
    return true;
}

static nk_code change_keys(nk_tx *tx, const nk_catalog_ctx *ctx, nk_table_row *t, nk_str keys,
                           nk_err *err)
{
    bool any;
    NK_TRY(has_partitions(tx, t->id, &any, err));
    if (any && key_count(keys) != t->keys.n)
        return nk_fail(
            err, NK_E_INVALID,
            "The number of partition keys cannot change while the table has partitions.");
    if (!any || same_classes(&t->keys, keys, ctx->arena))
        return NK_OK;
    t->keygen++;
    t->typed = false;
    return nk_task_add(tx, t->id, NK_TASK_RETYPE, t->keygen, err);
}

#define TABLE_COLS(t)                                                                              \
    NK_KEY(nk_vi((t)->db), nk_vs((t)->name), nk_vi((t)->id), nk_vi((t)->version),                  \
           nk_vs((t)->keys_packed), nk_vi((t)->typed), nk_vi((t)->keygen), nk_vs((t)->indexes),    \
           nk_vs((t)->target))

nk_code nk_table_put(nk_tx *tx, const nk_table_row *t, nk_err *err)
{
    nk_row row = {.cols = TABLE_COLS(t), .body = t->body};
    return nk_store_put(tx, &nk_kind_table, &row, err);
}

/* Before the loaded table is changed or deleted. */
static nk_code remember(nk_tx *tx, const nk_catalog_ctx *ctx, const nk_table_row *t, nk_hist_op op,
                        bool *kept, nk_err *err)
{
    nk_row row = {.cols = TABLE_COLS(t), .body = t->body};
    nk_hist h = {.kind = NK_HIST_TABLE,
                 .op = op,
                 .space = t->space,
                 .object = nk_table_object(ctx->arena, t->database, t->name),
                 .before = &row,
                 .nbefore = 1,
                 .id = t->id};
    return nk_history_add(tx, ctx, &h, kept, err);
}

static nk_code archive(nk_tx *tx, const nk_table_row *t, nk_err *err)
{
    nk_row row = {.cols = NK_KEY(nk_vi(t->id), nk_vi(t->version)), .body = t->body};
    return nk_store_put(tx, &nk_kind_table_version, &row, err);
}

/* To another place in the catalogue; t says where it has been, and then where it is. */
static nk_code move(nk_tx *tx, nk_table_row *t, const nk_db_ref *db, nk_str name, nk_err *err)
{
    bool taken;
    NK_TRY(nk_store_has(tx, &nk_kind_table, NK_KEY(nk_vi(db->id), nk_vs(name)), &taken, err));
    if (taken)
        return nk_fail(err, NK_E_EXISTS, "Table already exists.");
    NK_TRY(nk_store_delete(tx, &nk_kind_table, NK_KEY(nk_vi(t->db), nk_vs(t->name)), err));
    t->db = db->id;
    t->name = name;
    t->database = db->name;
    t->catalog_id = db->catalog_id;
    t->space = db->space;
    return NK_OK;
}

/* Writes a document as the loaded table's next version. */
static nk_code renew(nk_tx *tx, const nk_catalog_ctx *ctx, nk_table_row *t, glue_Table *doc,
                     const glue_Table *old, nk_err *err)
{
    t->version++;
    doc->Name = t->name;
    doc->DatabaseName = t->database;
    doc->CatalogId = t->catalog_id;
    doc->VersionId = version_text(ctx->arena, t->version);
    doc->UpdateTime = nk_some_time(ctx->now_us);
    if (!doc->VersionId.p)
        return nomem(err);
    NK_TRY(nk_model_encode_str(&glue_Table_shape, doc, ctx->arena, &t->body, err));
    nk_search_note(tx, t->space, t->db, t->id, old, doc);
    return nk_table_put(tx, t, err);
}

nk_code nk_catalog_rename_table(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database, nk_str table,
                                nk_str to_database, nk_str to_table, nk_err *err)
{
    nk_table_row t;
    nk_db_ref db;
    nk_str name;
    glue_Table *doc, *old;
    NK_TRY(nk_table_load(tx, ctx, database, table, &t, err));
    NK_TRY(nk_database_ref(tx, ctx, to_database, &db, err));
    NK_TRY(nk_fold(ctx->arena, to_table, &name, err));
    NK_TRY(remember(tx, ctx, &t, NK_HIST_UPDATE, NULL, err));
    NK_TRY(archive(tx, &t, err));
    NK_TRY(nk_model_decode(&glue_Table_shape, t.body, ctx->arena, (void **)&old, err));
    NK_TRY(nk_model_decode(&glue_Table_shape, t.body, ctx->arena, (void **)&doc, err));
    NK_TRY(move(tx, &t, &db, name, err));
    NK_TRY(renew(tx, ctx, &t, doc, old, err));
    return nk_stats_settings_rename(tx, &t, ctx->arena, err);
}

typedef struct by_id {
    nk_arena *arena;
    nk_row row;
    bool found;
} by_id;

static bool copy_key(void *arg, const nk_row *row)
{
    by_id *b = arg;
    nk_val *key = NK_NEWN(b->arena, nk_val, 2);
    if (key) {
        key[NK_TBL_DB] = row->cols[NK_TBL_DB];
        key[NK_TBL_NAME] = nk_vs(nk_str_dup(b->arena, row->cols[NK_TBL_NAME].s));
    }
    b->row.cols = key;
    b->found = true;
    return false;
}

nk_code nk_table_by_id(nk_tx *tx, int64_t id, nk_arena *a, nk_table_row *out, nk_err *err)
{
    by_id b = {.arena = a};
    nk_query q = {.kind = &nk_kind_table,
                  .index = &nk_kind_table.indexes[0],
                  .prefix = NK_KEY(nk_vi(id)),
                  .nprefix = 1,
                  .no_body = true,
                  .limit = 1};
    NK_TRY(nk_store_scan(tx, &q, copy_key, &b, err));
    if (!b.found)
        return nk_fail(err, NK_E_NOT_FOUND, "The table is not there any more.");
    if (!b.row.cols || !b.row.cols[NK_TBL_NAME].s.p)
        return nomem(err);
    NK_TRY(nk_store_get(tx, &nk_kind_table, b.row.cols, a, &b.row, err));
    return nk_table_of_row(&b.row, a, out, err);
}

nk_code nk_table_restore(nk_tx *tx, const nk_catalog_ctx *ctx, nk_table_row *t, const nk_row *row,
                         nk_err *err)
{
    nk_table_row was;
    const nk_table_row now = *t;
    glue_Table *doc, *old;
    nk_db_ref db;
    NK_TRY(nk_table_of_row(row, ctx->arena, &was, err));
    if (!nk_str_eq(was.keys_packed, t->keys_packed))
        NK_TRY(change_keys(tx, ctx, t, was.keys_packed, err));
    NK_TRY(archive(tx, &now, err));
    NK_TRY(remember(tx, ctx, &now, NK_HIST_UPDATE, NULL, err));
    NK_TRY(nk_model_decode(&glue_Table_shape, row->body, ctx->arena, (void **)&doc, err));
    NK_TRY(nk_model_decode(&glue_Table_shape, t->body, ctx->arena, (void **)&old, err));
    if (was.db != t->db || !nk_str_eq(was.name, t->name)) {
        NK_TRY(nk_database_ref(tx, ctx, doc->DatabaseName, &db, err));
        if (db.id != was.db)
            return nk_fail(err, NK_E_NOT_FOUND, "Database %.*s is another one now.",
                           NK_STR_ARG(doc->DatabaseName));
        NK_TRY(move(tx, t, &db, was.name, err));
    }
    t->keys_packed = was.keys_packed;
    t->target = was.target;
    NK_TRY(renew(tx, ctx, t, doc, old, err));
    return nk_stats_settings_rename(tx, t, ctx->arena, err);
}

nk_code nk_table_change(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database,
                        const nk_table_update *u, nk_err *err)
{
    nk_table_row t;
    glue_Table *old, doc;
    nk_str body, target;
    NK_TRY(check_input(u->in, err));
    NK_TRY(nk_table_load(tx, ctx, database, u->in->Name, &t, err));
    if (u->expected_version.p &&
        !nk_str_eq(u->expected_version, version_text(ctx->arena, t.version)))
        return nk_fail(err, NK_E_CONFLICT, "Update table failed due to concurrent modifications.");
    NK_TRY(nk_model_decode(&glue_Table_shape, t.body, ctx->arena, (void **)&old, err));
    glue_TableInput input = *u->in;
    glue_ViewDefinition *view;
    NK_TRY(u->view_action.p
               ? nk_view_change(u->view_action, u->force, old, &input, ctx->arena, &view, err)
               : nk_view_make(input.ViewDefinition, ctx->arena, &view, err));
    nk_str keys = nk_keys_pack(&input.PartitionKeys, ctx->arena);
    if (!keys.p)
        return nomem(err);
    const nk_table_row was = t;
    if (!nk_str_eq(keys, t.keys_packed))
        NK_TRY(change_keys(tx, ctx, &t, keys, err));
    if (!u->skip_archive)
        NK_TRY(archive(tx, &t, err));
    nk_db_ref db = {.name = t.database, .catalog_id = t.catalog_id, .space = t.space};
    NK_TRY(nk_sd_resolve(tx, ctx, t.database, t.name, input.StorageDescriptor,
                         &input.StorageDescriptor, err));
    NK_TRY(encode(ctx, &db, t.name, t.version + 1, old->CreateTime.us, old->CreatedBy, &input, view,
                  &doc, &body, err));
    if (!link_of(ctx, u->in, &target))
        return nomem(err);
    NK_TRY(remember(tx, ctx, &was, NK_HIST_UPDATE, NULL, err));
    t.version++;
    t.keys_packed = keys;
    t.target = target;
    t.body = body;
    nk_search_note(tx, t.space, t.db, t.id, old, &doc);
    NK_TRY(nk_table_put(tx, &t, err));
    return nk_table_inherit(tx, ctx, &db, t.id, &doc, err);
}

nk_code nk_table_drop(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database, nk_str name,
                      nk_err *err)
{
    nk_table_row t;
    bool kept;
    NK_TRY(nk_table_load(tx, ctx, database, name, &t, err));
    NK_TRY(nk_store_delete(tx, &nk_kind_table, NK_KEY(nk_vi(t.db), nk_vs(t.name)), err));
    NK_TRY(remember(tx, ctx, &t, NK_HIST_DELETE, &kept, err));
    /* While the history holds it, its partitions and versions stay where they are. */
    return kept ? NK_OK : nk_task_add(tx, t.id, NK_TASK_PURGE_TABLE, 0, err);
}

/* ---- operations ---- */

nk_code glue_CreateTable(nk_call *call, const glue_CreateTableRequest *in,
                         glue_CreateTableResponse *out)
{
    nk_catalog_ctx ctx;
    nk_str indexes;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    if (!in->TableInput)
        return nk_fail(call->err, NK_E_INVALID, "TableInput must be given.");
    NK_TRY(nk_indexes_of_input(&in->PartitionIndexes, &in->TableInput->PartitionKeys, call->arena,
                               &indexes, call->err));
    return nk_table_create(call->tx, &ctx, in->DatabaseName, in->TableInput, indexes, call->err);
}

/* AttributesToGet: *brief when no more than names (and types) is asked for. */
static nk_code want(const nk_list_str *a, bool *brief, bool *types, nk_err *err)
{
    bool name = false, all = false;
    *types = *brief = false;
    if (a->set && !a->n)
        return nk_fail(err, NK_E_INVALID, "AttributesToGet must not be empty.");
    for (size_t i = 0; i < a->n; i++) {
        name = name || nk_str_is(a->v[i], "NAME");
        all = all || nk_str_is(a->v[i], "DEFAULT");
        *types = *types || nk_str_is(a->v[i], "TABLE_TYPE");
        if (nk_str_is(a->v[i], "LATEST_ICEBERG_METADATA"))
            return nk_fail(err, NK_E_INVALID,
                           "LATEST_ICEBERG_METADATA is for GetTable; GetTables gives names.");
    }
    *brief = a->set && !all;
    return name || !*brief ? NK_OK
                           : nk_fail(err, NK_E_INVALID, "AttributesToGet must include NAME.");
}

static nk_code shorten(nk_arena *a, nk_str body, bool types, glue_Table *out, nk_err *err)
{
    glue_Table *whole;
    NK_TRY(nk_model_decode(&glue_Table_shape, body, a, (void **)&whole, err));
    out->Name = whole->Name;
    if (types)
        out->TableType = whole->TableType;
    return NK_OK;
}

static nk_code now(nk_call *call, const nk_catalog_ctx *ctx, nk_str database, nk_str name,
                   nk_row *row)
{
    nk_db_ref db;
    NK_TRY(nk_database_ref(call->tx, ctx, database, &db, call->err));
    nk_code rc = nk_store_get(call->tx, &nk_kind_table, NK_KEY(nk_vi(db.id), nk_vs(name)),
                              call->arena, row, call->err);
    return rc == NK_E_NOT_FOUND ? nk_fail(call->err, rc, "Entity Not Found") : rc;
}

static nk_code then(nk_call *call, const nk_catalog_ctx *ctx, nk_str database, nk_str name,
                    nk_opt_time at, nk_row *row)
{
    nk_past p;
    NK_TRY(nk_past_open(&p, call, ctx, database, at));
    return nk_past_table(&p, name, row);
}

nk_code glue_GetTable(nk_call *call, const glue_GetTableRequest *in, glue_GetTableResponse *out)
{
    bool brief, types;
    nk_catalog_ctx ctx;
    nk_str name;
    nk_row row;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    NK_TRY(nk_catalog_when(call->err, in->TransactionId, in->QueryAsOfTime));
    NK_TRY(want(&in->AttributesToGet, &brief, &types, call->err));
    nk_catalog_audit(call, in->AuditContext);
    NK_TRY(nk_fold(call->arena, in->Name, &name, call->err));
    NK_TRY(in->QueryAsOfTime.set ? then(call, &ctx, in->DatabaseName, name, in->QueryAsOfTime, &row)
                                 : now(call, &ctx, in->DatabaseName, name, &row));
    out->Table = NK_NEW(call->arena, glue_Table);
    if (!out->Table)
        return nomem(call->err);
    if (row.cols[NK_TBL_TARGET].kind != NK_V_NULL)
        NK_TRY(linked(call->tx, &ctx, row.cols[NK_TBL_TARGET].s, row.body, &row.body, call->err));
    if (brief)
        return shorten(call->arena, row.body, types, out->Table, call->err);
    if (nk_bool_or(in->IncludeStatusDetails, false))
        NK_TRY(nk_view_status(call->arena, row.body, &row.body, call->err));
    out->Table->raw_ = row.body;
    return NK_OK;
}

nk_code glue_UpdateTable(nk_call *call, const glue_UpdateTableRequest *in,
                         glue_UpdateTableResponse *out)
{
    nk_catalog_ctx ctx;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    if (!in->TableInput)
        return nk_fail(call->err, NK_E_INVALID, "TableInput must be given.");
    if (in->Name.p && !nk_str_ieq(in->Name, in->TableInput->Name))
        return nk_fail(call->err, NK_E_INVALID, "The name of a table cannot be changed.");
    nk_table_update u = {.in = in->TableInput,
                         .expected_version = in->VersionId,
                         .skip_archive = nk_bool_or(in->SkipArchive, false),
                         .view_action = in->ViewUpdateAction,
                         .force = nk_bool_or(in->Force, false)};
    return nk_table_change(call->tx, &ctx, in->DatabaseName, &u, call->err);
}

nk_code glue_DeleteTable(nk_call *call, const glue_DeleteTableRequest *in,
                         glue_DeleteTableResponse *out)
{
    nk_catalog_ctx ctx;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    return nk_table_drop(call->tx, &ctx, in->DatabaseName, in->Name, call->err);
}

nk_code glue_BatchDeleteTable(nk_call *call, const glue_BatchDeleteTableRequest *in,
                              glue_BatchDeleteTableResponse *out)
{
    nk_catalog_ctx ctx;
    nk_db_ref db;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    NK_TRY(nk_database_ref(call->tx, &ctx, in->DatabaseName, &db, call->err));
    out->Errors.v = NK_NEWN(call->arena, glue_TableError, in->TablesToDelete.n);
    if (!out->Errors.v)
        return nomem(call->err);
    out->Errors.n = 0;
    out->Errors.set = true;
    for (size_t i = 0; i < in->TablesToDelete.n; i++) {
        nk_err entry = NK_ERR_INIT;
        nk_code rc =
            nk_table_drop(call->tx, &ctx, in->DatabaseName, in->TablesToDelete.v[i], &entry);
        if (rc == NK_OK)
            continue;
        glue_TableError *e = &out->Errors.v[out->Errors.n++];
        e->TableName = in->TablesToDelete.v[i];
        NK_TRY(nk_entry_error(rc, &entry, call->arena, &e->ErrorDetail, call->err));
    }
    return NK_OK;
}

/* ---- GetTables ---- */

NK_LIST(table_list, glue_Table);

typedef struct lister {
    nk_call *call;
    const nk_catalog_ctx *ctx;
    const nk_query *q;
    pcre2_code *pattern; /* NULL = all */
    pcre2_match_data *match;
    size_t max, bytes;
    bool status; /* IncludeStatusDetails */
    bool past;   /* as of a time: other holds what was other than it is, by name */
    nk_row_list other;
    size_t at;
    bool names, types, more; /* names: no more than the name (and the type, with types) */
    nk_pos last;
    table_list list;
    nk_code rc;
} lister;

static bool matches(lister *l, nk_str name)
{
    if (!l->pattern)
        return true;
    int n = pcre2_match(l->pattern, (PCRE2_SPTR)name.p, name.n, 0,
                        PCRE2_ANCHORED | PCRE2_ENDANCHORED, l->match, NULL);
    if (n == PCRE2_ERROR_MATCHLIMIT || n == PCRE2_ERROR_HEAPLIMIT)
        l->rc = nk_fail(l->call->err, NK_E_INVALID, "The Expression takes too long to match.");
    return n >= 0;
}

static bool add_table(lister *l, const nk_row *row)
{
    nk_arena *a = l->call->arena;
    glue_Table *t = table_list_add(&l->list, a);
    if (!t)
        return false;
    if (l->names && !l->types) {
        t->Name = nk_str_dup(a, row->cols[NK_TBL_NAME].s);
        return t->Name.p != NULL;
    }
    nk_str body = nk_str_dup(a, row->body);
    if (!body.p)
        return false;
    if (row->cols[NK_TBL_TARGET].kind != NK_V_NULL &&
        linked(l->call->tx, l->ctx, nk_str_dup(a, row->cols[NK_TBL_TARGET].s), body, &body,
               l->call->err) != NK_OK)
        return false;
    if (l->status && nk_view_status(a, body, &body, l->call->err) != NK_OK)
        return false;
    l->bytes += body.n;
    if (l->names)
        return shorten(a, body, l->types, t, NULL) == NK_OK;
    t->raw_ = body;
    return true;
}

static bool collect(void *arg, const nk_row *row)
{
    lister *l = arg;
    if (!matches(l, row->cols[NK_TBL_NAME].s))
        return l->rc == NK_OK;
    if (l->list.n == l->max || l->bytes > 6u << 20) {
        l->more = true;
        return false;
    }
    if (!add_table(l, row) || nk_store_pos(l->q, row, l->call->arena, &l->last) != NK_OK) {
        l->rc = nomem(l->call->err);
        return false;
    }
    return true;
}

/* Those of the past that stand before a name (p NULL: all); false stops. */
static bool collect_past(lister *l, nk_str before)
{
    for (; l->at < l->other.n; l->at++) {
        const nk_row *row = &l->other.v[l->at];
        if (before.p && nk_str_cmp(row->cols[NK_TBL_NAME].s, before) >= 0)
            return true;
        if (row->body.p && !collect(l, row))
            return false;
    }
    return true;
}

static bool collect_then(void *arg, const nk_row *row)
{
    lister *l = arg;
    nk_str name = row->cols[NK_TBL_NAME].s;
    if (!collect_past(l, name))
        return false;
    if (l->at == l->other.n || !nk_str_eq(l->other.v[l->at].cols[NK_TBL_NAME].s, name))
        return collect(l, row);
    const nk_row *was = &l->other.v[l->at++];
    return !was->body.p || collect(l, was);
}

/* Java's patterns are near enough to Perl's; the whole name must match. */
static nk_code compile(nk_call *call, nk_str expression, lister *l)
{
    int code;
    PCRE2_SIZE at;
    if (!expression.n)
        return NK_OK;
    l->pattern = pcre2_compile((PCRE2_SPTR)expression.p, expression.n,
                               PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
    if (!l->pattern) {
        char why[128] = "";
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof(why));
        return nk_fail(call->err, NK_E_INVALID, "Invalid Expression '%.*s': %s at position %zu.",
                       NK_STR_ARG(expression), why, at + 1);
    }
    l->match = pcre2_match_data_create_from_pattern(l->pattern, NULL);
    return l->match ? NK_OK : nomem(call->err);
}

static nk_code list_tables(nk_call *call, const glue_GetTablesRequest *in, lister *l,
                           glue_GetTablesResponse *out)
{
    nk_db_ref db;
    nk_str place;
    nk_pos after;
    nk_past past;
    l->past = in->QueryAsOfTime.set;
    if (l->past) {
        NK_TRY(nk_past_open(&past, call, l->ctx, in->DatabaseName, in->QueryAsOfTime));
        NK_TRY(nk_past_tables(&past, &l->other));
        db = past.db;
    } else {
        NK_TRY(nk_database_ref(call->tx, l->ctx, in->DatabaseName, &db, call->err));
    }
    NK_TRY(want(&in->AttributesToGet, &l->names, &l->types, call->err));
    nk_catalog_audit(call, in->AuditContext);
    NK_TRY(compile(call, in->Expression, l));
    nk_str request = nk_str_printf(call->arena, "%lld/%lld/%.*s", (long long)db.id,
                                   (long long)in->QueryAsOfTime.us, NK_STR_ARG(in->Expression));
    if (!request.p)
        return nomem(call->err);
    NK_TRY(nk_page_open(call, request, in->NextToken, &place));
    nk_query q = {.kind = &nk_kind_table,
                  .prefix = NK_KEY(nk_vi(db.id)),
                  .nprefix = 1,
                  .no_body = l->names && !l->types};
    if (place.p) {
        if (nk_store_pos_unpack(&q, place, call->arena, &after) != NK_OK)
            return nk_fail(call->err, NK_E_INVALID, "Invalid NextToken.");
        q.after = &after;
        while (l->at < l->other.n &&
               nk_str_cmp(l->other.v[l->at].cols[NK_TBL_NAME].s, after.v[1].s) <= 0)
            l->at++;
    }
    if (!l->pattern && !l->past)
        q.limit = l->max + 1;
    l->q = &q;
    NK_TRY(nk_store_scan(call->tx, &q, l->past ? collect_then : collect, l, call->err));
    if (l->rc == NK_OK && !l->more)
        (void)collect_past(l, NK_STR_NULL);
    NK_TRY(l->rc);
    out->TableList = (glue_Table_list){.v = l->list.v, .n = l->list.n, .set = true};
    if (!l->more)
        return NK_OK;
    nk_buf b;
    nk_buf_init(&b, 65536);
    nk_code rc = nk_store_pos_pack(&l->last, &b);
    if (rc == NK_OK)
        rc = nk_page_token(call, request, nk_buf_view(&b), &out->NextToken);
    nk_buf_free(&b);
    return rc;
}

nk_code glue_GetTables(nk_call *call, const glue_GetTablesRequest *in, glue_GetTablesResponse *out)
{
    nk_catalog_ctx ctx;
    lister l = {.call = call,
                .ctx = &ctx,
                .max = (size_t)nk_i64_or(in->MaxResults, 100),
                .status = nk_bool_or(in->IncludeStatusDetails, false)};
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    NK_TRY(nk_catalog_when(call->err, in->TransactionId, in->QueryAsOfTime));
    nk_code rc = list_tables(call, in, &l, out);
    pcre2_match_data_free(l.match);
    pcre2_code_free(l.pattern);
    return rc;
}
