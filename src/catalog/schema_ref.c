#include "catalog/schema_ref.h"

static nk_schema_columns_fn columns_of;

void nk_catalog_set_schema_columns(nk_schema_columns_fn fn)
{
    columns_of = fn;
}

nk_code nk_sd_resolve(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database, nk_str table,
                      glue_StorageDescriptor *in, glue_StorageDescriptor **out, nk_err *err)
{
    *out = NULL;
    if (!in)
        return NK_OK;
    if (in->SchemaReference && !columns_of)
        return nk_fail(err, NK_E_INVALID, "SchemaReference is not supported without a registry.");
    *out = NK_NEW(ctx->arena, glue_StorageDescriptor);
    if (!*out)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    **out = *in;
    (*out)->Compressed = nk_some_bool(in->Compressed.value);
    (*out)->NumberOfBuckets = nk_some_i64(nk_i64_or(in->NumberOfBuckets, 0));
    (*out)->SortColumns.set = true;
    (*out)->StoredAsSubDirectories = nk_some_bool(in->StoredAsSubDirectories.value);
    if (!in->SchemaReference)
        return NK_OK;
    (*out)->Columns = (glue_Column_list){.set = true};
    return columns_of(tx, ctx, database, table, in->SchemaReference, &(*out)->Columns, err);
}
