/* PutSchemaVersionMetadata, QuerySchemaVersionMetadata, RemoveSchemaVersionMetadata: up to ten
 * pairs a version; a key may have several values, of which the newest stands first. */
#include <stdlib.h>

#include "registry/registry_int.h"

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

typedef struct entry {
    nk_str key, value, created;
    int64_t seq;
} entry;
NK_LIST(entry_list, entry);

typedef struct reader {
    nk_arena *arena;
    entry_list list;
    bool failed;
} reader;

static bool take(void *arg, const nk_row *row)
{
    reader *r = arg;
    entry *e = entry_list_add(&r->list, r->arena);
    if (e)
        *e = (entry){nk_str_dup(r->arena, row->cols[NK_META_KEY].s),
                     nk_str_dup(r->arena, row->cols[NK_META_VALUE].s),
                     nk_str_dup(r->arena, row->cols[NK_META_CREATED].s), row->cols[NK_META_SEQ].i};
    r->failed = !e || !e->key.p || !e->value.p || !e->created.p;
    return !r->failed;
}

static nk_code read_all(nk_tx *tx, nk_arena *a, const nk_version_row *v, entry_list *out,
                        nk_err *err)
{
    reader r = {.arena = a};
    nk_query q = {.kind = &nk_kind_schema_metadata,
                  .prefix = NK_KEY(nk_vi(v->schema), nk_vi(v->version)),
                  .nprefix = 2,
                  .no_body = true};
    NK_TRY(nk_store_scan(tx, &q, take, &r, err));
    *out = r.list;
    return r.failed ? nomem(err) : NK_OK;
}

static nk_code pair_of(const glue_MetadataKeyValuePair *p, nk_err *err)
{
    if (p && p->MetadataKey.n && p->MetadataValue.n)
        return NK_OK;
    return nk_fail(err, NK_E_INVALID, "MetadataKey and MetadataValue are both required.");
}

nk_code glue_PutSchemaVersionMetadata(nk_call *call, const glue_PutSchemaVersionMetadataInput *in,
                                      glue_PutSchemaVersionMetadataResponse *out)
{
    nk_reg_ctx ctx = nk_reg_ctx_of(call);
    nk_schema_row s;
    nk_version_row v;
    entry_list all;
    const glue_MetadataKeyValuePair *p = in->MetadataKeyValue;
    int64_t seq = 1;
    NK_TRY(pair_of(p, call->err));
    NK_TRY(nk_version_of(call->tx, &ctx, in->SchemaId, in->SchemaVersionId, in->SchemaVersionNumber,
                         &s, &v, call->err));
    NK_TRY(read_all(call->tx, call->arena, &v, &all, call->err));
    for (size_t i = 0; i < all.n; i++) {
        seq = all.v[i].seq >= seq ? all.v[i].seq + 1 : seq;
        if (nk_str_eq(all.v[i].key, p->MetadataKey) && nk_str_eq(all.v[i].value, p->MetadataValue))
            return nk_fail(call->err, NK_E_EXISTS,
                           "Resource already exist for schema version id: %.*s, metadata key: "
                           "%.*s, metadata value: %.*s",
                           NK_STR_ARG(v.uuid), NK_STR_ARG(p->MetadataKey),
                           NK_STR_ARG(p->MetadataValue));
    }
    if (all.n >= NK_METADATA_MAX)
        return nk_fail(call->err, NK_E_LIMIT,
                       "Your resource limits for Schema Version Metadata have been exceeded.");
    nk_str now;
    NK_TRY(nk_reg_time(&ctx, &now, call->err));
    nk_row row = {.cols = NK_KEY(nk_vi(v.schema), nk_vi(v.version), nk_vs(p->MetadataKey),
                                 nk_vs(p->MetadataValue), nk_vs(now), nk_vi(seq)),
                  .body = NK_STR("{}")};
    NK_TRY(nk_store_insert(call->tx, &nk_kind_schema_metadata, &row, call->err));
    NK_TRY(nk_schema_arn(&ctx, s.registry_name, s.name, &out->SchemaArn, call->err));
    out->SchemaName = s.name;
    out->RegistryName = s.registry_name;
    out->LatestVersion = nk_some_bool(v.version == s.latest);
    out->VersionNumber = nk_some_i64(v.version);
    out->SchemaVersionId = v.uuid;
    out->MetadataKey = p->MetadataKey;
    out->MetadataValue = p->MetadataValue;
    return NK_OK;
}

nk_code glue_RemoveSchemaVersionMetadata(nk_call *call,
                                         const glue_RemoveSchemaVersionMetadataInput *in,
                                         glue_RemoveSchemaVersionMetadataResponse *out)
{
    nk_reg_ctx ctx = nk_reg_ctx_of(call);
    nk_schema_row s;
    nk_version_row v;
    const glue_MetadataKeyValuePair *p = in->MetadataKeyValue;
    NK_TRY(pair_of(p, call->err));
    NK_TRY(nk_version_of(call->tx, &ctx, in->SchemaId, in->SchemaVersionId, in->SchemaVersionNumber,
                         &s, &v, call->err));
    nk_code rc = nk_store_delete(
        call->tx, &nk_kind_schema_metadata,
        NK_KEY(nk_vi(v.schema), nk_vi(v.version), nk_vs(p->MetadataKey), nk_vs(p->MetadataValue)),
        call->err);
    if (rc == NK_E_NOT_FOUND)
        return nk_fail(call->err, rc,
                       "Schema version metadata is not found. SchemaVersionId: %.*s, MetadataKey: "
                       "%.*s, MetadataValue: %.*s",
                       NK_STR_ARG(v.uuid), NK_STR_ARG(p->MetadataKey),
                       NK_STR_ARG(p->MetadataValue));
    NK_TRY(rc);
    NK_TRY(nk_schema_arn(&ctx, s.registry_name, s.name, &out->SchemaArn, call->err));
    out->SchemaName = s.name;
    out->RegistryName = s.registry_name;
    out->LatestVersion = nk_some_bool(v.version == s.latest);
    out->VersionNumber = nk_some_i64(v.version);
    out->SchemaVersionId = v.uuid;
    out->MetadataKey = p->MetadataKey;
    out->MetadataValue = p->MetadataValue;
    return NK_OK;
}

/* ---- asking ---- */

static bool wanted(const glue_MetadataKeyValuePair_list *filter, const entry *e)
{
    for (size_t i = 0; i < filter->n; i++) {
        const glue_MetadataKeyValuePair *p = &filter->v[i];
        if ((!p->MetadataKey.p || nk_str_eq(p->MetadataKey, e->key)) &&
            (!p->MetadataValue.p || nk_str_eq(p->MetadataValue, e->value)))
            return true;
    }
    return filter->n == 0;
}

/* By key, the newest value of each first. */
static int by_key(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    int c = nk_str_cmp(x->key, y->key);
    return c ? c : x->seq > y->seq ? -1 : 1;
}

static nk_code fill(nk_call *call, const entry *e, size_t n, glue_MetadataInfo_map *out)
{
    out->set = true;
    out->v = NK_NEWN(call->arena, glue_MetadataInfo_map_entry, n);
    if (!out->v)
        return nomem(call->err);
    for (size_t i = 0; i < n; i++) {
        if (i && nk_str_eq(e[i].key, e[i - 1].key)) {
            glue_MetadataInfo *info = &out->v[out->n - 1].value;
            glue_OtherMetadataValueListItem *other =
                &info->OtherMetadataValueList.v[info->OtherMetadataValueList.n++];
            *other = (glue_OtherMetadataValueListItem){.MetadataValue = e[i].value,
                                                       .CreatedTime = e[i].created};
            info->OtherMetadataValueList.set = true;
            continue;
        }
        glue_MetadataInfo_map_entry *m = &out->v[out->n++];
        m->key = e[i].key;
        m->value = (glue_MetadataInfo){.MetadataValue = e[i].value, .CreatedTime = e[i].created};
        m->value.OtherMetadataValueList.v =
            NK_NEWN(call->arena, glue_OtherMetadataValueListItem, n);
        if (!m->value.OtherMetadataValueList.v)
            return nomem(call->err);
    }
    return NK_OK;
}

/* Pages hold whole keys: a key's values are never torn apart. */
nk_code glue_QuerySchemaVersionMetadata(nk_call *call,
                                        const glue_QuerySchemaVersionMetadataInput *in,
                                        glue_QuerySchemaVersionMetadataResponse *out)
{
    nk_reg_ctx ctx = nk_reg_ctx_of(call);
    nk_version_row v;
    entry_list all;
    nk_str place, bind;
    size_t max = (size_t)nk_i64_or(in->MaxResults, 10), n = 0, keys = 0;
    NK_TRY(nk_version_of(call->tx, &ctx, in->SchemaId, in->SchemaVersionId, in->SchemaVersionNumber,
                         NULL, &v, call->err));
    NK_TRY(read_all(call->tx, call->arena, &v, &all, call->err));
    bind = v.uuid;
    for (size_t i = 0; i < in->MetadataList.n; i++)
        bind = nk_str_printf(call->arena, "%.*s\n%.*s=%.*s", NK_STR_ARG(bind),
                             NK_STR_ARG(in->MetadataList.v[i].MetadataKey),
                             NK_STR_ARG(in->MetadataList.v[i].MetadataValue));
    if (!bind.p)
        return nomem(call->err);
    NK_TRY(nk_page_open(call, bind, in->NextToken, &place));
    for (size_t i = 0; i < all.n; i++)
        if (wanted(&in->MetadataList, &all.v[i]) &&
            (!place.p || nk_str_cmp(all.v[i].key, place) > 0))
            all.v[n++] = all.v[i];
    if (n)
        qsort(all.v, n, sizeof(*all.v), by_key);
    size_t take_n = 0;
    for (; take_n < n; take_n++) {
        bool next = !take_n || !nk_str_eq(all.v[take_n].key, all.v[take_n - 1].key);
        if (next && keys++ == max)
            break;
    }
    out->SchemaVersionId = v.uuid;
    NK_TRY(fill(call, all.v, take_n, &out->MetadataInfoMap));
    return take_n < n ? nk_page_token(call, bind, all.v[take_n - 1].key, &out->NextToken) : NK_OK;
}
