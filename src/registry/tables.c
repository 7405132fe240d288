/* Tables whose columns come from a schema, and tables that follow one. */
#include "catalog/schema_ref.h"
#include "registry/registry_int.h"

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

static nk_reg_ctx ctx_of(const nk_catalog_ctx *c)
{
    return (nk_reg_ctx){.arena = c->arena,
                        .region = c->home.p ? c->home : c->region,
                        .account = c->account_id,
                        .door = NK_DOOR_GLUE};
}

/* The version a reference names. */
static nk_code find_version(nk_tx *tx, const nk_reg_ctx *ctx, const glue_SchemaReference *ref,
                            nk_schema_row *s, nk_version_row *v, nk_err *err)
{
    if (ref->SchemaVersionId.p && ref->SchemaId)
        return nk_fail(err, NK_E_INVALID,
                       "SchemaReference has both SchemaId and SchemaVersionId: give one of them.");
    if (ref->SchemaVersionId.p) {
        NK_TRY(nk_version_of(tx, ctx, NULL, ref->SchemaVersionId, NULL, s, v, err));
        return v->state != NK_VERSION_FAILED
                   ? NK_OK
                   : nk_fail(err, NK_E_INVALID, "The schema version %.*s is in status FAILURE.",
                             NK_STR_ARG(ref->SchemaVersionId));
    }
    NK_TRY(nk_schema_of(tx, ctx, ref->SchemaId, s, err));
    return nk_version_load(tx, ctx, s, nk_i64_or(ref->SchemaVersionNumber, 0), NK_FIND_LIVE, v,
                           err);
}

static bool follows(const glue_SchemaReference *ref)
{
    return ref && ref->SchemaId && !ref->SchemaVersionNumber.set;
}

static nk_code columns_of(nk_tx *tx, const nk_reg_ctx *ctx, const glue_SchemaReference *ref,
                          int64_t *schema, glue_Column_list *out, nk_err *err)
{
    nk_schema_row s;
    nk_version_row v;
    nk_schema_doc *doc;
    nk_schema_columns cols = {0};
    NK_TRY(find_version(tx, ctx, ref, &s, &v, err));
    *schema = s.id;
    if (!s.format->columns)
        return nk_fail(err, NK_E_INVALID, "A schema of format %.*s gives no table columns.",
                       NK_STR_ARG(s.format->name));
    NK_TRY(nk_version_parse(tx, ctx, &s, &v, &doc, err));
    NK_TRY(s.format->columns(doc, ctx->arena, &cols, err));
    *out = (glue_Column_list){.v = NK_NEWN(ctx->arena, glue_Column, cols.n + 1), .set = true};
    if (!out->v)
        return nomem(err);
    for (size_t i = 0; i < cols.n; i++) {
        /* a comment is a line of at most 255 bytes in Glue's model */
        nk_str comment = cols.v[i].comment;
        bool fits = comment.p && comment.n <= 255 && nk_str_chr(comment, '\n') < 0;
        out->v[out->n++] = (glue_Column){.Name = cols.v[i].name,
                                         .Type = cols.v[i].type,
                                         .Comment = fits ? comment : NK_STR_NULL};
    }
    return NK_OK;
}

nk_code nk_registry_columns(nk_tx *tx, const nk_catalog_ctx *c, nk_str database, nk_str table,
                            const glue_SchemaReference *ref, glue_Column_list *out, nk_err *err)
{
    nk_reg_ctx ctx = ctx_of(c);
    int64_t schema;
    nk_code rc = columns_of(tx, &ctx, ref, &schema, out, err);
    if (rc == NK_E_INVALID)
        return nk_wrap(err, "SchemaReference");
    NK_TRY(rc);
    if (!table.p || c->catalog_id.p || !follows(ref))
        return NK_OK;
    nk_row row = {.cols = NK_KEY(nk_vi(schema), nk_vs(database), nk_vs(table)),
                  .body = NK_STR("{}")};
    return nk_store_put(tx, &nk_kind_schema_follower, &row, err);
}

/* ---- following ---- */

typedef struct follower {
    nk_str database, table;
} follower;
NK_LIST(follower_list, follower);

typedef struct taker {
    nk_arena *arena;
    follower_list list;
    bool failed;
} taker;

static bool take(void *arg, const nk_row *row)
{
    taker *t = arg;
    follower *f = follower_list_add(&t->list, t->arena);
    if (f)
        *f = (follower){nk_str_dup(t->arena, row->cols[1].s), nk_str_dup(t->arena, row->cols[2].s)};
    t->failed = !f || !f->database.p || !f->table.p;
    return !t->failed;
}

static glue_TableInput input_of(const glue_Table *t)
{
    return (glue_TableInput){.Name = t->Name,
                             .Description = t->Description,
                             .Owner = t->Owner,
                             .LastAccessTime = t->LastAccessTime,
                             .LastAnalyzedTime = t->LastAnalyzedTime,
                             .Retention = t->Retention,
                             .StorageDescriptor = t->StorageDescriptor,
                             .PartitionKeys = t->PartitionKeys,
                             .ViewOriginalText = t->ViewOriginalText,
                             .ViewExpandedText = t->ViewExpandedText,
                             .TableType = t->TableType,
                             .Parameters = t->Parameters,
                             .TargetTable = t->TargetTable};
}

/* Does the table still follow this schema, and can it take the new columns? */
static nk_code still_follows(nk_tx *tx, const nk_reg_ctx *ctx, const nk_catalog_ctx *c,
                             const nk_schema_row *s, const follower *f, glue_Table **t, bool *yes,
                             nk_err *err)
{
    nk_err why = NK_ERR_INIT;
    glue_Column_list columns;
    int64_t schema = 0;
    nk_code rc = nk_catalog_get_table(tx, c, f->database, f->table, t, &why);
    const glue_SchemaReference *ref =
        rc == NK_OK && (*t)->StorageDescriptor ? (*t)->StorageDescriptor->SchemaReference : NULL;
    *yes = false;
    if (rc != NK_OK && rc != NK_E_NOT_FOUND)
        return nk_fail(err, rc, "%s", why.msg);
    if (follows(ref))
        rc = columns_of(tx, ctx, ref, &schema, &columns, &why);
    if (rc == NK_E_INVALID && schema == s->id) {
        nk_warn("registry",
                "table %.*s.%.*s keeps its columns: version %lld of %.*s gives none: %s",
                NK_STR_ARG(f->database), NK_STR_ARG(f->table), (long long)s->latest,
                NK_STR_ARG(s->name), why.msg);
        return NK_OK;
    }
    if (rc != NK_OK && rc != NK_E_NOT_FOUND && rc != NK_E_INVALID)
        return nk_fail(err, rc, "%s", why.msg);
    *yes = rc == NK_OK && schema == s->id;
    if (*yes)
        return NK_OK;
    return nk_store_delete(tx, &nk_kind_schema_follower,
                           NK_KEY(nk_vi(s->id), nk_vs(f->database), nk_vs(f->table)), err);
}

nk_code nk_registry_follow(nk_tx *tx, const nk_reg_ctx *ctx, const nk_schema_row *s, nk_err *err)
{
    taker t = {.arena = ctx->arena};
    nk_query q = {.kind = &nk_kind_schema_follower,
                  .prefix = NK_KEY(nk_vi(s->id)),
                  .nprefix = 1,
                  .no_body = true};
    NK_TRY(nk_store_scan(tx, &q, take, &t, err));
    if (t.failed)
        return nomem(err);
    if (!t.list.n)
        return NK_OK;
    nk_call call = {.app = ctx->app,
                    .arena = ctx->arena,
                    .tx = tx,
                    .region = ctx->region,
                    .account_id = ctx->account,
                    .err = err};
    nk_catalog_ctx c = nk_catalog_ctx_of(&call);
    for (size_t i = 0; i < t.list.n; i++) {
        glue_Table *table;
        bool yes;
        NK_TRY(still_follows(tx, ctx, &c, s, &t.list.v[i], &table, &yes, err));
        if (!yes)
            continue;
        glue_TableInput input = input_of(table);
        nk_catalog_change change = {.kind = NK_CHANGE_UPDATE_TABLE,
                                    .database = t.list.v[i].database,
                                    .table_input = &input};
        NK_TRY(nk_catalog_apply(tx, &c, &change, 1, NULL, err));
    }
    return NK_OK;
}
