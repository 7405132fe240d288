/* Partition indexes. Every table's partitions are indexed by each of their first eight keys already
 * (kinds.c), whatever is asked for; an index here is the promise that AWS's clients look for: its
 * keys are checked, and so is that each partition's values can be read as the keys' types. That
 * check goes over the partitions in steps (task.c), and the index is CREATING until it is through.
 */
#include "catalog/history_int.h"

enum { INDEXES_MAX = 3, ERRORS_MAX = 25 };

#define LIST_SHAPE (&glue_PartitionIndexDescriptorList_shape)

static nk_code load(const nk_table_row *t, nk_arena *a, glue_PartitionIndexDescriptor_list *out,
                    nk_err *err)
{
    *out = (glue_PartitionIndexDescriptor_list){.set = true};
    return t->indexes.n ? nk_model_decode_into(LIST_SHAPE, t->indexes, a, out, err) : NK_OK;
}

static nk_code save(nk_tx *tx, nk_table_row *t, const glue_PartitionIndexDescriptor_list *list,
                    nk_arena *a, nk_err *err)
{
    t->indexes = NK_STR_NULL;
    if (list->n)
        NK_TRY(nk_model_encode_str(LIST_SHAPE, list, a, &t->indexes, err));
    return nk_table_put(tx, t, err);
}

/* ---- one index's definition ---- */

static const nk_part_key *key_named(const nk_part_keys *keys, nk_str name)
{
    for (size_t i = 0; i < keys->n; i++)
        if (nk_str_ieq(keys->v[i].name, name))
            return &keys->v[i];
    return NULL;
}

static bool same_keys(const glue_KeySchemaElement_list *x, const nk_list_str *y)
{
    bool same = x->n == y->n;
    for (size_t i = 0; same && i < x->n; i++)
        same = nk_str_ieq(x->v[i].Name, y->v[i]);
    return same;
}

static nk_code describe(const glue_PartitionIndex *in, const nk_part_keys *keys, const char *status,
                        nk_arena *a, glue_PartitionIndexDescriptor *out, nk_err *err)
{
    glue_KeySchemaElement *v = NK_NEWN(a, glue_KeySchemaElement, in->Keys.n + 1);
    if (!v)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    for (size_t i = 0; i < in->Keys.n; i++) {
        const nk_part_key *k = key_named(keys, in->Keys.v[i]);
        if (!k)
            return nk_fail(err, NK_E_INVALID,
                           "Partition index '%.*s' names '%.*s', which is no partition key.",
                           NK_STR_ARG(in->IndexName), NK_STR_ARG(in->Keys.v[i]));
        for (size_t j = 0; j < i; j++)
            if (nk_str_ieq(in->Keys.v[j], in->Keys.v[i]))
                return nk_fail(err, NK_E_INVALID, "Partition index '%.*s' names '%.*s' twice.",
                               NK_STR_ARG(in->IndexName), NK_STR_ARG(in->Keys.v[i]));
        if (k->class == NK_KEY_NONE)
            return nk_fail(err, NK_E_INVALID,
                           "Partition keys of type %.*s cannot be indexed ('%.*s').",
                           NK_STR_ARG(k->type), NK_STR_ARG(k->name));
        v[i] = (glue_KeySchemaElement){.Name = k->name, .Type = k->type};
    }
    *out = (glue_PartitionIndexDescriptor){.IndexName = in->IndexName,
                                           .Keys = {.v = v, .n = in->Keys.n, .set = true},
                                           .IndexStatus = nk_str_c(status)};
    return NK_OK;
}

static nk_code add(glue_PartitionIndexDescriptor_list *list, const glue_PartitionIndex *in,
                   const nk_part_keys *keys, const char *status, nk_arena *a, nk_err *err)
{
    if (list->n == INDEXES_MAX)
        return nk_fail(err, NK_E_LIMIT, "A table may have at most %d partition indexes.",
                       INDEXES_MAX);
    for (size_t i = 0; i < list->n; i++) {
        if (nk_str_eq(list->v[i].IndexName, in->IndexName))
            return nk_fail(err, NK_E_EXISTS, "Partition index %.*s already exists.",
                           NK_STR_ARG(in->IndexName));
        if (same_keys(&list->v[i].Keys, &in->Keys))
            return nk_fail(err, NK_E_EXISTS, "Partition index %.*s has these keys already.",
                           NK_STR_ARG(list->v[i].IndexName));
    }
    glue_PartitionIndexDescriptor *v = NK_NEWN(a, glue_PartitionIndexDescriptor, list->n + 1);
    if (!v)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    if (list->n)
        memcpy(v, list->v, list->n * sizeof(*v));
    list->v = v;
    NK_TRY(describe(in, keys, status, a, &v[list->n], err));
    list->n++;
    return NK_OK;
}

nk_code nk_indexes_of_input(const glue_PartitionIndex_list *in, const glue_Column_list *columns,
                            nk_arena *a, nk_str *json, nk_err *err)
{
    glue_PartitionIndexDescriptor_list list = {.set = true};
    nk_part_keys keys;
    *json = NK_STR_NULL;
    if (!in->n)
        return NK_OK;
    nk_str packed = nk_keys_pack(columns, a);
    if (!packed.p || nk_keys_unpack(packed, a, &keys) != NK_OK)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    for (size_t i = 0; i < in->n; i++)
        NK_TRY(add(&list, &in->v[i], &keys, "ACTIVE", a, err));
    return nk_model_encode_str(LIST_SHAPE, &list, a, json, err);
}

/* ---- the history: a change's record is the table's, with the list of indexes as its body ---- */

nk_str nk_indexes_json(const nk_table_row *t)
{
    return t->indexes.n ? t->indexes : NK_STR("[]");
}

static nk_code keep(nk_tx *tx, const nk_catalog_ctx *ctx, const nk_table_row *t, nk_err *err)
{
    nk_row row = {.cols = NK_KEY(nk_vi(t->db), nk_vs(t->name), nk_vi(t->id), nk_vi(t->version),
                                 nk_vs(t->keys_packed), nk_vi(t->typed), nk_vi(t->keygen),
                                 nk_vs(t->indexes), nk_vs(t->target)),
                  .body = nk_indexes_json(t)};
    nk_hist h = {.kind = NK_HIST_INDEXES,
                 .op = NK_HIST_UPDATE,
                 .space = t->space,
                 .object = nk_table_object(ctx->arena, t->database, t->name),
                 .before = &row,
                 .nbefore = 1,
                 .id = t->id};
    return nk_history_add(tx, ctx, &h, NULL, err);
}

static bool has_index(const glue_PartitionIndexDescriptor_list *list,
                      const glue_PartitionIndexDescriptor *index)
{
    for (size_t i = 0; i < list->n; i++) {
        const glue_PartitionIndexDescriptor *x = &list->v[i];
        bool same = nk_str_eq(x->IndexName, index->IndexName) && x->Keys.n == index->Keys.n;
        for (size_t k = 0; same && k < x->Keys.n; k++)
            same = nk_str_eq(x->Keys.v[k].Name, index->Keys.v[k].Name);
        if (same)
            return true;
    }
    return false;
}

nk_code nk_indexes_restore(nk_tx *tx, const nk_catalog_ctx *ctx, nk_table_row *t, nk_str json,
                           nk_err *err)
{
    glue_PartitionIndexDescriptor_list now, was = {.set = true};
    bool more = false;
    NK_TRY(load(t, ctx->arena, &now, err));
    NK_TRY(nk_model_decode_into(LIST_SHAPE, json, ctx->arena, &was, err));
    for (size_t i = 0; i < was.n; i++) {
        for (size_t k = 0; k < was.v[i].Keys.n; k++)
            if (!key_named(&t->keys, was.v[i].Keys.v[k].Name))
                return nk_fail(err, NK_E_INVALID,
                               "Partition index '%.*s' names '%.*s', which is no partition key any "
                               "more.",
                               NK_STR_ARG(was.v[i].IndexName), NK_STR_ARG(was.v[i].Keys.v[k].Name));
        if (has_index(&now, &was.v[i]))
            continue;
        was.v[i].IndexStatus = NK_STR("CREATING");
        was.v[i].BackfillErrors.n = 0;
        more = true;
    }
    NK_TRY(keep(tx, ctx, t, err));
    NK_TRY(save(tx, t, &was, ctx->arena, err));
    return more ? nk_task_add(tx, t->id, NK_TASK_INDEX, t->keygen, err) : NK_OK;
}

/* ---- operations ---- */

nk_code glue_CreatePartitionIndex(nk_call *call, const glue_CreatePartitionIndexRequest *in,
                                  glue_CreatePartitionIndexResponse *out)
{
    nk_catalog_ctx ctx;
    nk_table_row t;
    glue_PartitionIndexDescriptor_list list;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    NK_TRY(nk_table_follow(call->tx, &ctx, in->DatabaseName, in->TableName, &t, call->err));
    NK_TRY(load(&t, call->arena, &list, call->err));
    NK_TRY(add(&list, in->PartitionIndex, &t.keys, "CREATING", call->arena, call->err));
    NK_TRY(keep(call->tx, &ctx, &t, call->err));
    NK_TRY(save(call->tx, &t, &list, call->arena, call->err));
    return nk_task_add(call->tx, t.id, NK_TASK_INDEX, t.keygen, call->err);
}

nk_code glue_DeletePartitionIndex(nk_call *call, const glue_DeletePartitionIndexRequest *in,
                                  glue_DeletePartitionIndexResponse *out)
{
    nk_catalog_ctx ctx;
    nk_table_row t;
    glue_PartitionIndexDescriptor_list list;
    size_t kept = 0;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    NK_TRY(nk_table_follow(call->tx, &ctx, in->DatabaseName, in->TableName, &t, call->err));
    NK_TRY(load(&t, call->arena, &list, call->err));
    for (size_t i = 0; i < list.n; i++) {
        if (!nk_str_eq(list.v[i].IndexName, in->IndexName)) {
            list.v[kept++] = list.v[i];
        } else if (nk_str_is(list.v[i].IndexStatus, "CREATING")) {
            (void)nk_fail(call->err, NK_E_CONFLICT, "Partition index %.*s is being created.",
                          NK_STR_ARG(in->IndexName));
            memcpy(call->err->aws, "ConflictException", sizeof "ConflictException");
            return NK_E_CONFLICT;
        }
    }
    if (kept == list.n)
        return nk_fail(call->err, NK_E_NOT_FOUND, "Partition index %.*s not found.",
                       NK_STR_ARG(in->IndexName));
    list.n = kept;
    NK_TRY(keep(call->tx, &ctx, &t, call->err));
    return save(call->tx, &t, &list, call->arena, call->err);
}

nk_code glue_GetPartitionIndexes(nk_call *call, const glue_GetPartitionIndexesRequest *in,
                                 glue_GetPartitionIndexesResponse *out)
{
    nk_catalog_ctx ctx;
    nk_table_row t;
    nk_str place;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    NK_TRY(nk_table_follow(call->tx, &ctx, in->DatabaseName, in->TableName, &t, call->err));
    NK_TRY(nk_page_open(call, NK_STR(""), in->NextToken, &place)); /* all fit one page */
    return load(&t, call->arena, &out->PartitionIndexDescriptorList, call->err);
}

/* ---- the check, a step of task.c ---- */

typedef struct checker {
    nk_arena *arena;
    const nk_part_keys *keys;
    glue_PartitionIndexDescriptor_list *list;
    nk_buf *last;
    size_t n;
    bool failed;
} checker;

static bool remember(checker *c, glue_PartitionIndexDescriptor *index, const char *code,
                     const nk_list_str *values)
{
    glue_BackfillError *e = NULL;
    for (size_t i = 0; i < index->BackfillErrors.n; i++)
        if (nk_str_is(index->BackfillErrors.v[i].Code, code))
            e = &index->BackfillErrors.v[i];
    if (!e) {
        glue_BackfillError *v = NK_NEWN(c->arena, glue_BackfillError, index->BackfillErrors.n + 1);
        if (!v)
            return false;
        for (size_t i = 0; i < index->BackfillErrors.n; i++)
            v[i] = index->BackfillErrors.v[i];
        e = &v[index->BackfillErrors.n++];
        index->BackfillErrors.v = v;
        index->BackfillErrors.set = true;
        e->Code = nk_str_c(code);
    }
    if (e->Partitions.n == ERRORS_MAX)
        return true;
    glue_PartitionValueList *p = NK_NEWN(c->arena, glue_PartitionValueList, e->Partitions.n + 1);
    if (!p)
        return false;
    for (size_t i = 0; i < e->Partitions.n; i++)
        p[i] = e->Partitions.v[i];
    p[e->Partitions.n++].Values = *values;
    e->Partitions.v = p;
    e->Partitions.set = true;
    return true;
}

/* NULL when the value can be indexed. */
static const char *trouble(const nk_part_key *key, nk_str value, nk_arena *a)
{
    nk_str bytes;
    if (!value.n)
        return "MISSING_PARTITION_VALUE_ERROR";
    if (nk_str_eq(value, NK_HIVE_NULL) || nk_key_encode(key->class, value, a, &bytes))
        return NULL;
    return "INVALID_PARTITION_TYPE_DATA_ERROR";
}

static bool check_row(void *arg, const nk_row *row)
{
    checker *c = arg;
    nk_list_str values;
    c->n++;
    nk_buf_clear(c->last);
    c->failed =
        nk_buf_str(c->last, row->cols[NK_PART_VALS].s) != NK_OK ||
        nk_vals_unpack(nk_str_dup(c->arena, row->cols[NK_PART_VALS].s), c->arena, &values) != NK_OK;
    for (size_t i = 0; !c->failed && i < c->list->n; i++) {
        glue_PartitionIndexDescriptor *index = &c->list->v[i];
        if (!nk_str_is(index->IndexStatus, "CREATING"))
            continue;
        for (size_t k = 0; k < index->Keys.n; k++) {
            const nk_part_key *key = key_named(c->keys, index->Keys.v[k].Name);
            size_t at = key ? (size_t)(key - c->keys->v) : values.n;
            const char *code = at < values.n ? trouble(key, values.v[at], c->arena) : NULL;
            if (code && !remember(c, index, code, &values))
                c->failed = true;
        }
    }
    return !c->failed;
}

nk_code nk_indexes_check(nk_tx *tx, nk_table_row *t, const nk_pos *after, size_t step, nk_arena *a,
                         nk_buf *last, bool *done, nk_err *err)
{
    glue_PartitionIndexDescriptor_list list;
    checker c = {.arena = a, .keys = &t->keys, .list = &list, .last = last};
    nk_query q = {.kind = &nk_kind_partition,
                  .prefix = NK_KEY(nk_vi(t->id)),
                  .nprefix = 1,
                  .after = after,
                  .no_body = true,
                  .limit = step};
    NK_TRY(load(t, a, &list, err));
    NK_TRY(nk_store_scan(tx, &q, check_row, &c, err));
    if (c.failed)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    *done = c.n < step;
    for (size_t i = 0; i < list.n && *done; i++)
        if (nk_str_is(list.v[i].IndexStatus, "CREATING"))
            list.v[i].IndexStatus =
                list.v[i].BackfillErrors.n ? NK_STR("FAILED") : NK_STR("ACTIVE");
    return save(tx, t, &list, a, err);
}
