/* GetUnfilteredTableMetadata, GetUnfilteredPartitionMetadata, GetUnfilteredPartitionsMetadata: what
 * trusted engines read to filter rows and columns themselves. Nobody is granted less than
 * everything here: all columns are authorized, no filter applies, and the answers say so. */
#include "catalog/views_int.h"

static nk_code open_far(nk_call *call, nk_str region, nk_str catalog, nk_catalog_ctx *ctx)
{
    if (region.n && !nk_str_eq(region, call->region))
        return nk_fail(call->err, NK_E_INVALID, "Region must be %.*s, where the request was sent.",
                       NK_STR_ARG(call->region));
    return nk_catalog_open(call, catalog, ctx);
}

static nk_code column_names(nk_arena *a, const glue_Column_list *columns,
                            const glue_Column_list *keys, nk_list_str *out)
{
    *out = (nk_list_str){.v = NK_NEWN(a, nk_str, columns->n + keys->n + 1), .set = true};
    if (!out->v)
        return NK_E_NOMEM;
    for (size_t i = 0; i < columns->n; i++)
        out->v[out->n++] = columns->v[i].Name;
    for (size_t i = 0; i < keys->n; i++)
        out->v[out->n++] = keys->v[i].Name;
    return NK_OK;
}

static const glue_Column_list *columns_of(const glue_StorageDescriptor *sd)
{
    static const glue_Column_list none;
    return sd ? &sd->Columns : &none;
}

/* The texts of the dialect that the engine speaks. */
static nk_code speak(nk_call *call, glue_Table *t, const glue_SupportedDialect *d)
{
    if (!t->ViewDefinition || !d || !d->Dialect.p)
        return NK_OK;
    const glue_ViewRepresentation *r = nk_view_dialect(t->ViewDefinition, d->Dialect);
    if (!r)
        return nk_fail(call->err, NK_E_INVALID, "View %.*s does not have the dialect %.*s.",
                       NK_STR_ARG(t->Name), NK_STR_ARG(d->Dialect));
    if (nk_bool_or(r->IsStale, false))
        return nk_fail(call->err, NK_E_INVALID,
                       "The dialect %.*s of view %.*s is stale: it must be updated first.",
                       NK_STR_ARG(d->Dialect), NK_STR_ARG(t->Name));
    if (r->ViewOriginalText.p)
        t->ViewOriginalText = r->ViewOriginalText;
    if (r->ViewExpandedText.p)
        t->ViewExpandedText = r->ViewExpandedText;
    return NK_OK;
}

nk_code glue_GetUnfilteredTableMetadata(nk_call *call,
                                        const glue_GetUnfilteredTableMetadataRequest *in,
                                        glue_GetUnfilteredTableMetadataResponse *out)
{
    nk_catalog_ctx ctx;
    nk_table_row t;
    nk_str json;
    glue_Table *table;
    NK_TRY(open_far(call, in->Region, in->CatalogId, &ctx));
    NK_TRY(nk_table_load(call->tx, &ctx, in->DatabaseName, in->Name, &t, call->err));
    NK_TRY(nk_table_document(call->tx, &ctx, &t, &json, call->err));
    NK_TRY(nk_model_decode(&glue_Table_shape, json, call->arena, (void **)&table, call->err));
    NK_TRY(speak(call, table, in->SupportedDialect));
    nk_str *all = NK_NEW(call->arena, nk_str);
    out->ResourceArn = nk_str_printf(call->arena, "arn:aws:glue:%.*s:%.*s:table/%.*s/%.*s",
                                     NK_STR_ARG(call->region), NK_STR_ARG(call->account_id),
                                     NK_STR_ARG(t.database), NK_STR_ARG(t.name));
    if (!all || !out->ResourceArn.p ||
        column_names(call->arena, columns_of(table->StorageDescriptor), &table->PartitionKeys,
                     &out->AuthorizedColumns) != NK_OK)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    *all = NK_STR("ALL");
    out->Table = table;
    out->IsRegisteredWithLakeFormation = nk_some_bool(false);
    out->CellFilters.set = true;
    out->IsMultiDialectView = nk_some_bool(table->ViewDefinition != NULL);
    out->IsMaterializedView = nk_some_bool(nk_bool_or(table->IsMaterializedView, false));
    out->IsProtected = nk_some_bool(table->ViewDefinition &&
                                    nk_bool_or(table->ViewDefinition->IsProtected, false));
    if (in->QuerySessionContext)
        out->QueryAuthorizationId = in->QuerySessionContext->QueryAuthorizationId;
    out->Permissions = (nk_list_str){.v = all, .n = 1, .set = true};
    return NK_OK;
}

static nk_code part_columns(nk_call *call, const nk_part_ctx *p, nk_str json, nk_list_str *out)
{
    glue_Partition *one;
    glue_Table *table;
    NK_TRY(nk_model_decode(&glue_Partition_shape, json, call->arena, (void **)&one, call->err));
    NK_TRY(
        nk_model_decode(&glue_Table_shape, p->table.body, call->arena, (void **)&table, call->err));
    const glue_Column_list *columns = columns_of(one->StorageDescriptor);
    if (!columns->n)
        columns = columns_of(table->StorageDescriptor);
    return column_names(call->arena, columns, &table->PartitionKeys, out) == NK_OK
               ? NK_OK
               : nk_fail(call->err, NK_E_NOMEM, "out of memory");
}

nk_code glue_GetUnfilteredPartitionMetadata(nk_call *call,
                                            const glue_GetUnfilteredPartitionMetadataRequest *in,
                                            glue_GetUnfilteredPartitionMetadataResponse *out)
{
    nk_catalog_ctx ctx;
    nk_part_ctx p;
    NK_TRY(open_far(call, in->Region, in->CatalogId, &ctx));
    NK_TRY(nk_part_begin(&p, call->tx, &ctx, in->DatabaseName, in->TableName, call->err));
    out->Partition = NK_NEW(call->arena, glue_Partition);
    if (!out->Partition)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    NK_TRY(nk_part_get(&p, &in->PartitionValues, &out->Partition->raw_, call->err));
    out->IsRegisteredWithLakeFormation = nk_some_bool(false);
    return part_columns(call, &p, out->Partition->raw_, &out->AuthorizedColumns);
}

nk_code glue_GetUnfilteredPartitionsMetadata(nk_call *call,
                                             const glue_GetUnfilteredPartitionsMetadataRequest *in,
                                             glue_GetUnfilteredPartitionsMetadataResponse *out)
{
    nk_catalog_ctx ctx;
    nk_part_ctx p;
    nk_part_listing l = {.expression = in->Expression,
                         .token = in->NextToken,
                         .segment = in->Segment,
                         .max = nk_i64_or(in->MaxResults, 1000)};
    NK_TRY(open_far(call, in->Region, in->CatalogId, &ctx));
    NK_TRY(nk_part_begin(&p, call->tx, &ctx, in->DatabaseName, in->TableName, call->err));
    NK_TRY(nk_part_page(call, &p, &l, &out->NextToken));
    out->UnfilteredPartitions = (glue_UnfilteredPartition_list){
        .v = NK_NEWN(call->arena, glue_UnfilteredPartition, l.found.n + 1),
        .n = l.found.n,
        .set = true};
    if (!out->UnfilteredPartitions.v)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    for (size_t i = 0; i < l.found.n; i++) {
        glue_UnfilteredPartition *u = &out->UnfilteredPartitions.v[i];
        u->Partition = &l.found.v[i];
        u->IsRegisteredWithLakeFormation = nk_some_bool(false);
        NK_TRY(part_columns(call, &p, l.found.v[i].raw_, &u->AuthorizedColumns));
    }
    return NK_OK;
}
