/* The operations on partitions, single and in batches. */
#include "catalog/catalog_int.h"

enum { REPLY_MAX = 6 << 20 }; /* bytes of partitions in one reply */

static nk_code nomem(nk_call *call)
{
    return nk_fail(call->err, NK_E_NOMEM, "out of memory");
}

static nk_code begin(nk_call *call, nk_catalog_ctx *ctx, nk_part_ctx *p, nk_str catalog,
                     nk_str database, nk_str table)
{
    NK_TRY(nk_catalog_open(call, catalog, ctx));
    return nk_part_begin(p, call->tx, ctx, database, table, call->err);
}

/* ---- creating ---- */

nk_code glue_CreatePartition(nk_call *call, const glue_CreatePartitionRequest *in,
                             glue_CreatePartitionResponse *out)
{
    nk_catalog_ctx ctx;
    nk_part_ctx p;
    NK_TRY(begin(call, &ctx, &p, in->CatalogId, in->DatabaseName, in->TableName));
    NK_TRY(nk_part_write(&p, in->PartitionInput, NK_PART_CREATE, NULL, call->err));
    return nk_part_end(&p);
}

nk_code glue_BatchCreatePartition(nk_call *call, const glue_BatchCreatePartitionRequest *in,
                                  glue_BatchCreatePartitionResponse *out)
{
    nk_catalog_ctx ctx;
    nk_part_ctx p;
    NK_TRY(begin(call, &ctx, &p, in->CatalogId, in->DatabaseName, in->TableName));
    out->Errors.v = NK_NEWN(call->arena, glue_PartitionError, in->PartitionInputList.n);
    if (!out->Errors.v)
        return nomem(call);
    out->Errors.n = 0;
    out->Errors.set = true;
    nk_err entry = NK_ERR_INIT;
    for (size_t i = 0; i < in->PartitionInputList.n; i++) {
        const glue_PartitionInput *input = &in->PartitionInputList.v[i];
        entry.aws[0] = 0;
        nk_code rc = nk_part_write(&p, input, NK_PART_CREATE, NULL, &entry);
        if (rc == NK_OK)
            continue;
        glue_PartitionError *e = &out->Errors.v[out->Errors.n++];
        e->PartitionValues = input->Values;
        NK_TRY(nk_entry_error(rc, &entry, call->arena, &e->ErrorDetail, call->err));
    }
    return nk_part_end(&p);
}

/* ---- reading ---- */

nk_code nk_part_get(nk_part_ctx *p, const nk_list_str *values, nk_str *json, nk_err *err)
{
    nk_row row;
    NK_TRY(nk_part_check(p, values, err));
    nk_str vals = nk_vals_pack(values, p->ctx->arena);
    if (!vals.p)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    nk_code rc = nk_store_get(p->tx, &nk_kind_partition, NK_KEY(nk_vi(p->table.id), nk_vb(vals)),
                              p->ctx->arena, &row, err);
    if (rc == NK_E_NOT_FOUND)
        return nk_fail(err, rc, "Cannot find partition.");
    return rc == NK_OK ? nk_part_reply(p, &row, false, json) : rc;
}

nk_code glue_GetPartition(nk_call *call, const glue_GetPartitionRequest *in,
                          glue_GetPartitionResponse *out)
{
    nk_catalog_ctx ctx;
    nk_part_ctx p;
    NK_TRY(begin(call, &ctx, &p, in->CatalogId, in->DatabaseName, in->TableName));
    out->Partition = NK_NEW(call->arena, glue_Partition);
    if (!out->Partition)
        return nomem(call);
    return nk_part_get(&p, &in->PartitionValues, &out->Partition->raw_, call->err);
}

nk_code glue_BatchGetPartition(nk_call *call, const glue_BatchGetPartitionRequest *in,
                               glue_BatchGetPartitionResponse *out)
{
    nk_catalog_ctx ctx;
    nk_part_ctx p;
    size_t n = in->PartitionsToGet.n, bytes = 0, i = 0;
    NK_TRY(begin(call, &ctx, &p, in->CatalogId, in->DatabaseName, in->TableName));
    out->Partitions =
        (glue_Partition_list){.v = NK_NEWN(call->arena, glue_Partition, n), .set = true};
    if (!out->Partitions.v)
        return nomem(call);
    for (; i < n && bytes < REPLY_MAX; i++) {
        glue_Partition *one = &out->Partitions.v[out->Partitions.n];
        nk_code rc = nk_part_get(&p, &in->PartitionsToGet.v[i].Values, &one->raw_, call->err);
        if (rc == NK_E_NOT_FOUND) /* AWS leaves them out */
            continue;
        NK_TRY(rc);
        out->Partitions.n++;
        bytes += one->raw_.n;
    }
    out->UnprocessedKeys =
        (glue_PartitionValueList_list){.v = in->PartitionsToGet.v + i, .n = n - i, .set = true};
    return NK_OK;
}

NK_LIST(partition_list, glue_Partition);

typedef struct collector {
    nk_arena *arena;
    partition_list list;
    bool failed;
} collector;

static bool collect(void *arg, nk_str json)
{
    collector *c = arg;
    glue_Partition *p = partition_list_add(&c->list, c->arena);
    if (p)
        p->raw_ = json;
    c->failed = !p;
    return p != NULL;
}

/* Everything that makes a listing this one, for its page tokens. */
static nk_str listing(nk_call *call, const nk_part_listing *l, const nk_part_ctx *p)
{
    return nk_str_printf(call->arena, "%lld %lld/%lld %.*s", (long long)p->table.id,
                         l->segment ? (long long)l->segment->SegmentNumber.value : 0,
                         l->segment ? (long long)l->segment->TotalSegments.value : 0,
                         NK_STR_ARG(l->expression));
}

static nk_code open_place(nk_call *call, nk_str place, nk_part_scan *s, nk_pos *after)
{
    if (!place.p)
        return NK_OK;
    unsigned number = place.n ? (unsigned char)place.p[0] : 255;
    nk_query q = {.kind = &nk_kind_partition};
    if (number > NK_PART_TYPED_MAX)
        return nk_fail(call->err, NK_E_INVALID, "Invalid NextToken.");
    q.index = number ? &nk_kind_partition.indexes[number - 1] : NULL;
    if (nk_store_pos_unpack(&q, nk_str_n(place.p + 1, place.n - 1), call->arena, after) != NK_OK)
        return nk_fail(call->err, NK_E_INVALID, "Invalid NextToken.");
    s->after = after;
    s->after_number = number;
    return NK_OK;
}

static nk_code close_place(nk_call *call, nk_str request, const nk_part_scan *s, nk_str *token)
{
    nk_buf b;
    nk_buf_init(&b, 1 << 20);
    nk_code rc = nk_buf_putc(&b, (char)s->number);
    if (rc == NK_OK)
        rc = nk_store_pos_pack(&s->last, &b);
    if (rc == NK_OK)
        rc = nk_page_token(call, request, nk_buf_view(&b), token);
    nk_buf_free(&b);
    return rc == NK_OK ? rc : nk_fail(call->err, rc, "A page token could not be made.");
}

nk_code nk_part_page(nk_call *call, nk_part_ctx *p, nk_part_listing *l, nk_str *token)
{
    nk_str place;
    nk_pos after;
    collector c = {.arena = call->arena};
    if (l->segment && l->segment->SegmentNumber.value >= l->segment->TotalSegments.value)
        return nk_fail(call->err, NK_E_INVALID,
                       "Segment number must be less than the number of total segments.");
    nk_part_scan s = {.expression = l->expression,
                      .segment = l->segment,
                      .without_columns = l->without_columns,
                      .max = (size_t)l->max,
                      .bytes_max = REPLY_MAX,
                      .fn = collect,
                      .arg = &c};
    nk_str request = listing(call, l, p);
    if (!request.p)
        return nomem(call);
    NK_TRY(nk_page_open(call, request, l->token, &place));
    NK_TRY(open_place(call, place, &s, &after));
    NK_TRY(nk_part_list(p, &s));
    if (c.failed)
        return nomem(call);
    l->found = (glue_Partition_list){.v = c.list.v, .n = c.list.n, .set = true};
    return s.more ? close_place(call, request, &s, token) : NK_OK;
}

nk_code glue_GetPartitions(nk_call *call, const glue_GetPartitionsRequest *in,
                           glue_GetPartitionsResponse *out)
{
    nk_catalog_ctx ctx;
    nk_part_ctx p;
    nk_part_listing l = {.expression = in->Expression,
                         .token = in->NextToken,
                         .segment = in->Segment,
                         .without_columns = nk_bool_or(in->ExcludeColumnSchema, false),
                         .max = nk_i64_or(in->MaxResults, 1000)};
    NK_TRY(begin(call, &ctx, &p, in->CatalogId, in->DatabaseName, in->TableName));
    NK_TRY(nk_catalog_when(call->err, in->TransactionId, in->QueryAsOfTime));
    if (in->QueryAsOfTime.set)
        return nk_fail(call->err, NK_E_INVALID,
                       "QueryAsOfTime is not supported for partitions: GetTable and GetTables "
                       "answer as of a time.");
    NK_TRY(nk_part_page(call, &p, &l, &out->NextToken));
    out->Partitions = l.found;
    return NK_OK;
}

/* ---- changing ---- */

nk_code glue_UpdatePartition(nk_call *call, const glue_UpdatePartitionRequest *in,
                             glue_UpdatePartitionResponse *out)
{
    nk_catalog_ctx ctx;
    nk_part_ctx p;
    NK_TRY(begin(call, &ctx, &p, in->CatalogId, in->DatabaseName, in->TableName));
    nk_code rc = nk_part_rename(&p, &in->PartitionValueList, in->PartitionInput, call->err);
    /* The model gives this operation no AlreadyExistsException. */
    if (rc == NK_E_EXISTS)
        return nk_fail(call->err, NK_E_INVALID, "Partition already exists.");
    return rc == NK_OK ? nk_part_end(&p) : rc;
}

nk_code glue_BatchUpdatePartition(nk_call *call, const glue_BatchUpdatePartitionRequest *in,
                                  glue_BatchUpdatePartitionResponse *out)
{
    nk_catalog_ctx ctx;
    nk_part_ctx p;
    NK_TRY(begin(call, &ctx, &p, in->CatalogId, in->DatabaseName, in->TableName));
    out->Errors.v = NK_NEWN(call->arena, glue_BatchUpdatePartitionFailureEntry, in->Entries.n);
    if (!out->Errors.v)
        return nomem(call);
    out->Errors.n = 0;
    out->Errors.set = true;
    nk_err entry = NK_ERR_INIT;
    for (size_t i = 0; i < in->Entries.n; i++) {
        const glue_BatchUpdatePartitionRequestEntry *x = &in->Entries.v[i];
        entry.aws[0] = 0;
        nk_code rc = nk_part_rename(&p, &x->PartitionValueList, x->PartitionInput, &entry);
        if (rc == NK_OK)
            continue;
        glue_BatchUpdatePartitionFailureEntry *e = &out->Errors.v[out->Errors.n++];
        e->PartitionValueList = x->PartitionValueList;
        NK_TRY(nk_entry_error(rc, &entry, call->arena, &e->ErrorDetail, call->err));
    }
    return nk_part_end(&p);
}

nk_code glue_DeletePartition(nk_call *call, const glue_DeletePartitionRequest *in,
                             glue_DeletePartitionResponse *out)
{
    nk_catalog_ctx ctx;
    nk_part_ctx p;
    NK_TRY(begin(call, &ctx, &p, in->CatalogId, in->DatabaseName, in->TableName));
    NK_TRY(nk_part_delete(&p, &in->PartitionValues, call->err));
    return nk_part_end(&p);
}

nk_code glue_BatchDeletePartition(nk_call *call, const glue_BatchDeletePartitionRequest *in,
                                  glue_BatchDeletePartitionResponse *out)
{
    nk_catalog_ctx ctx;
    nk_part_ctx p;
    NK_TRY(begin(call, &ctx, &p, in->CatalogId, in->DatabaseName, in->TableName));
    out->Errors.v = NK_NEWN(call->arena, glue_PartitionError, in->PartitionsToDelete.n);
    if (!out->Errors.v)
        return nomem(call);
    out->Errors.n = 0;
    out->Errors.set = true;
    nk_err entry = NK_ERR_INIT;
    for (size_t i = 0; i < in->PartitionsToDelete.n; i++) {
        entry.aws[0] = 0;
        nk_code rc = nk_part_delete(&p, &in->PartitionsToDelete.v[i].Values, &entry);
        if (rc == NK_OK)
            continue;
        glue_PartitionError *e = &out->Errors.v[out->Errors.n++];
        e->PartitionValues = in->PartitionsToDelete.v[i].Values;
        NK_TRY(nk_entry_error(rc, &entry, call->arena, &e->ErrorDetail, call->err));
    }
    return nk_part_end(&p);
}
