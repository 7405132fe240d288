/* GetTable with LATEST_ICEBERG_METADATA: the table's metadata in Glue's words. */
#include "iceberg/iceberg_int.h"
#include "model/glue_handlers.h"

typedef enum { AS_IS, AS_TEXT, EACH } how;

/* Iceberg's name of a member, Glue's, and for a list what its elements have. */
typedef struct member {
    const char *from, *to;
    how how;
    const struct member *below;
} member;

static const member field_members[] = {
    {"id", "Id", AS_IS, NULL},
    {"name", "Name", AS_IS, NULL},
    {"type", "Type", AS_IS, NULL},
    {"required", "Required", AS_IS, NULL},
    {"doc", "Doc", AS_IS, NULL},
    {"initial-default", "InitialDefault", AS_IS, NULL},
    {"write-default", "WriteDefault", AS_IS, NULL},
    {NULL, NULL, AS_IS, NULL},
};
static const member schema_members[] = {
    {"schema-id", "SchemaId", AS_IS, NULL},
    {"identifier-field-ids", "IdentifierFieldIds", AS_IS, NULL},
    {"type", "Type", AS_IS, NULL},
    {"fields", "Fields", EACH, field_members},
    {NULL, NULL, AS_IS, NULL},
};
static const member part_members[] = {
    {"source-id", "SourceId", AS_IS, NULL},
    {"transform", "Transform", AS_IS, NULL},
    {"name", "Name", AS_IS, NULL},
    {"field-id", "FieldId", AS_IS, NULL},
    {NULL, NULL, AS_IS, NULL},
};
static const member spec_members[] = {
    {"fields", "Fields", EACH, part_members},
    {"spec-id", "SpecId", AS_IS, NULL},
    {NULL, NULL, AS_IS, NULL},
};
static const member sort_members[] = {
    {"source-id", "SourceId", AS_IS, NULL},
    {"transform", "Transform", AS_IS, NULL},
    {"direction", "Direction", AS_IS, NULL},
    {"null-order", "NullOrder", AS_IS, NULL},
    {NULL, NULL, AS_IS, NULL},
};
static const member order_members[] = {
    {"order-id", "OrderId", AS_IS, NULL},
    {"fields", "Fields", EACH, sort_members},
    {NULL, NULL, AS_IS, NULL},
};
static const member table_members[] = {
    {"format-version", "FormatVersion", AS_TEXT, NULL},
    {"table-uuid", "TableUuid", AS_IS, NULL},
    {"location", "Location", AS_IS, NULL},
    {"properties", "Properties", AS_IS, NULL},
    {"schemas", "Schemas", EACH, schema_members},
    {"current-schema-id", "CurrentSchemaId", AS_IS, NULL},
    {"last-column-id", "LastColumnId", AS_IS, NULL},
    {"partition-specs", "PartitionSpecs", EACH, spec_members},
    {"default-spec-id", "DefaultSpecId", AS_IS, NULL},
    {"last-partition-id", "LastPartitionId", AS_IS, NULL},
    {"sort-orders", "SortOrders", EACH, order_members},
    {"default-sort-order-id", "DefaultSortOrderId", AS_IS, NULL},
    {NULL, NULL, AS_IS, NULL},
};

static void put(nk_json_writer *w, const nk_json *j, const member *members)
{
    nk_jw_object(w);
    for (const member *m = members; m->from; m++) {
        const nk_json *v = nk_json_get(j, m->from);
        if (!v || v->kind == NK_JSON_NULL)
            continue;
        nk_jw_key(w, nk_str_c(m->to));
        if (m->how == AS_IS) {
            nk_jw_tree(w, v);
        } else if (m->how == AS_TEXT) {
            nk_jw_str(w, v->text);
        } else {
            nk_jw_array(w);
            NK_ICE_EACH(e, v)
            {
                put(w, e, m->below);
            }
            nk_jw_array_end(w);
        }
    }
    nk_jw_object_end(w);
}

static nk_code describe(nk_call *call, const nk_json *root, glue_Table *t)
{
    nk_buf b;
    t->IcebergTableMetadata = NK_NEW(call->arena, glue_IcebergTableMetadata);
    if (!t->IcebergTableMetadata)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    nk_buf_init(&b, NK_ICE_FILE_MAX);
    put(&(nk_json_writer){.buf = &b}, root, table_members);
    nk_code rc = nk_buf_check(&b, call->err);
    t->IcebergTableMetadata->raw_ = nk_buf_dup(&b, call->arena);
    nk_buf_free(&b);
    if (rc == NK_OK && !t->IcebergTableMetadata->raw_.p)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    return rc;
}

/* ---- the operation ---- */

typedef struct reader {
    nk_call *call;
    const glue_GetTableRequest *in;
    glue_Table *table;
    bool all; /* DEFAULT, too */
} reader;

static nk_code read_table(nk_tx *tx, void *arg, nk_err *err)
{
    reader *r = arg;
    nk_call call = *r->call;
    nk_str whole = NK_STR("DEFAULT");
    glue_GetTableRequest in = *r->in;
    glue_GetTableResponse out = {0};
    call.tx = tx;
    call.err = err;
    in.AttributesToGet = (nk_list_str){.v = &whole, .n = 1, .set = true};
    NK_TRY(glue_GetTable(&call, &in, &out));
    return nk_model_decode(&glue_Table_shape, out.Table->raw_, call.arena, (void **)&r->table, err);
}

bool nk_iceberg_is_latest(const void *request)
{
    const nk_list_str *a = &((const glue_GetTableRequest *)request)->AttributesToGet;
    for (size_t i = 0; i < a->n; i++)
        if (nk_str_is(a->v[i], "LATEST_ICEBERG_METADATA"))
            return true;
    return false;
}

static nk_code latest(nk_call *call, const glue_GetTableRequest *in, glue_GetTableResponse *out)
{
    reader r = {.call = call, .in = in};
    for (size_t i = 0; i < in->AttributesToGet.n; i++) {
        r.all = r.all || nk_str_is(in->AttributesToGet.v[i], "DEFAULT");
        if (!nk_str_is(in->AttributesToGet.v[i], "DEFAULT") &&
            !nk_str_is(in->AttributesToGet.v[i], "LATEST_ICEBERG_METADATA"))
            return nk_fail(call->err, NK_E_INVALID,
                           "AttributesToGet: LATEST_ICEBERG_METADATA goes with DEFAULT or alone.");
    }
    NK_TRY(nk_store_read(call->app->store, read_table, &r, call->err));
    glue_Table *t = r.table;
    nk_str location = nk_map_str_get(&t->Parameters, "metadata_location"), text;
    nk_json *root;
    out->Table = t;
    if (!r.all) {
        out->Table = NK_NEW(call->arena, glue_Table);
        if (!out->Table)
            return nk_fail(call->err, NK_E_NOMEM, "out of memory");
        out->Table->Name = t->Name;
        out->Table->DatabaseName = t->DatabaseName;
    }
    if (!nk_ice_is_iceberg(t) || !location.n)
        return NK_OK;
    NK_TRY(nk_ice_file_read(call, location, &text));
    nk_code rc = nk_ice_table_parse(text, call->arena, &root, call->err);
    if (rc == NK_E_PARSE)
        return nk_wrap(call->err, "%.*s", NK_STR_ARG(location));
    NK_TRY(rc);
    return describe(call, root, out->Table);
}

nk_code nk_iceberg_latest(nk_call *call, const void *in, void *out)
{
    return nk_ice_in_glue(call, latest(call, in, out));
}
