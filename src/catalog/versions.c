/* GetTableVersion, GetTableVersions, DeleteTableVersion, BatchDeleteTableVersion. A table's record
 * is its current version; older ones are archived beside it. */
#include "catalog/history_int.h"

static nk_code parse_version(nk_str text, int64_t *out, nk_err *err)
{
    if (nk_str_i64(text, out))
        return NK_OK;
    return nk_fail(err, NK_E_INVALID, "For input string: \"%.*s\"", NK_STR_ARG(text));
}

static nk_code fill(nk_arena *a, nk_str body, int64_t version, glue_TableVersion *out, nk_err *err)
{
    out->Table = NK_NEW(a, glue_Table);
    out->VersionId = nk_str_printf(a, "%lld", (long long)version);
    if (!out->Table || !out->VersionId.p)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    out->Table->raw_ = body;
    return NK_OK;
}

nk_code glue_GetTableVersion(nk_call *call, const glue_GetTableVersionRequest *in,
                             glue_GetTableVersionResponse *out)
{
    nk_catalog_ctx ctx;
    nk_table_row t;
    int64_t v;
    nk_row row;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    NK_TRY(nk_table_follow(call->tx, &ctx, in->DatabaseName, in->TableName, &t, call->err));
    v = t.version;
    if (in->VersionId.p)
        NK_TRY(parse_version(in->VersionId, &v, call->err));
    row.body = t.body;
    if (v != t.version) {
        nk_code rc = nk_store_get(call->tx, &nk_kind_table_version, NK_KEY(nk_vi(t.id), nk_vi(v)),
                                  call->arena, &row, call->err);
        if (rc == NK_E_NOT_FOUND)
            return nk_fail(call->err, rc, "Version not found.");
        NK_TRY(rc);
    }
    out->TableVersion = NK_NEW(call->arena, glue_TableVersion);
    if (!out->TableVersion)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    return fill(call->arena, row.body, v, out->TableVersion, call->err);
}

NK_LIST(version_list, glue_TableVersion);

typedef struct lister {
    nk_call *call;
    size_t max, bytes;
    bool more;
    int64_t last;
    version_list list;
    nk_code rc;
} lister;

static bool add(lister *l, nk_str body, int64_t version)
{
    if (l->list.n == l->max || l->bytes > 6u << 20) {
        l->more = true;
        return false;
    }
    glue_TableVersion *v = version_list_add(&l->list, l->call->arena);
    nk_str copy = nk_str_dup(l->call->arena, body);
    l->rc = v && copy.p ? fill(l->call->arena, copy, version, v, l->call->err)
                        : nk_fail(l->call->err, NK_E_NOMEM, "out of memory");
    l->bytes += body.n;
    l->last = version;
    return l->rc == NK_OK;
}

static bool collect(void *arg, const nk_row *row)
{
    return add(arg, row->body, row->cols[1].i);
}

/* Newest first. */
nk_code glue_GetTableVersions(nk_call *call, const glue_GetTableVersionsRequest *in,
                              glue_GetTableVersionsResponse *out)
{
    nk_catalog_ctx ctx;
    nk_table_row t;
    nk_str place;
    nk_pos after = {.n = 2};
    lister l = {.call = call, .max = (size_t)nk_i64_or(in->MaxResults, 100)};
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    NK_TRY(nk_table_follow(call->tx, &ctx, in->DatabaseName, in->TableName, &t, call->err));
    nk_str request =
        nk_str_printf(call->arena, "%.*s/%.*s", NK_STR_ARG(t.database), NK_STR_ARG(t.name));
    if (!request.p)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    NK_TRY(nk_page_open(call, request, in->NextToken, &place));
    nk_query q = {
        .kind = &nk_kind_table_version, .prefix = NK_KEY(nk_vi(t.id)), .nprefix = 1, .desc = true};
    if (place.p) {
        if (place.n != sizeof(l.last))
            return nk_fail(call->err, NK_E_INVALID, "Invalid NextToken.");
        memcpy(&l.last, place.p, sizeof(l.last));
        after.v[0] = nk_vi(t.id);
        after.v[1] = nk_vi(l.last);
        q.after = &after;
    } else {
        (void)add(&l, t.body, t.version);
    }
    q.limit = l.max + 1;
    if (l.rc == NK_OK)
        NK_TRY(nk_store_scan(call->tx, &q, collect, &l, call->err));
    NK_TRY(l.rc);
    out->TableVersions = (glue_TableVersion_list){.v = l.list.v, .n = l.list.n, .set = true};
    if (!l.more)
        return NK_OK;
    return nk_page_token(call, request, nk_str_n((const char *)&l.last, sizeof(l.last)),
                         &out->NextToken);
}

/* gone: the deleted ones, for the history. */
static nk_code delete_version(nk_call *call, const nk_table_row *t, nk_str version,
                              nk_row_list *gone, nk_err *err)
{
    int64_t v;
    nk_row row;
    NK_TRY(parse_version(version, &v, err));
    if (v == t->version)
        return nk_fail(err, NK_E_INVALID, "The current version of a table cannot be deleted.");
    const nk_val key[] = {nk_vi(t->id), nk_vi(v)};
    nk_code rc = nk_store_get(call->tx, &nk_kind_table_version, key, call->arena, &row, err);
    if (rc == NK_E_NOT_FOUND)
        return nk_fail(err, rc, "Version not found.");
    NK_TRY(rc);
    nk_row *was = nk_row_list_add(gone, call->arena);
    if (!was)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    *was = row;
    return nk_store_delete(call->tx, &nk_kind_table_version, key, err);
}

static nk_code remember(nk_call *call, const nk_catalog_ctx *ctx, const nk_table_row *t,
                        const nk_row_list *gone)
{
    nk_hist h = {.kind = NK_HIST_VERSIONS,
                 .op = NK_HIST_DELETE,
                 .space = t->space,
                 .object = nk_table_object(call->arena, t->database, t->name),
                 .before = gone->v,
                 .nbefore = gone->n,
                 .id = t->id};
    return gone->n ? nk_history_add(call->tx, ctx, &h, NULL, call->err) : NK_OK;
}

nk_code glue_DeleteTableVersion(nk_call *call, const glue_DeleteTableVersionRequest *in,
                                glue_DeleteTableVersionResponse *out)
{
    nk_catalog_ctx ctx;
    nk_table_row t;
    nk_row_list gone = {0};
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    NK_TRY(nk_table_follow(call->tx, &ctx, in->DatabaseName, in->TableName, &t, call->err));
    NK_TRY(delete_version(call, &t, in->VersionId, &gone, call->err));
    return remember(call, &ctx, &t, &gone);
}

nk_code glue_BatchDeleteTableVersion(nk_call *call, const glue_BatchDeleteTableVersionRequest *in,
                                     glue_BatchDeleteTableVersionResponse *out)
{
    nk_catalog_ctx ctx;
    nk_table_row t;
    nk_row_list gone = {0};
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    NK_TRY(nk_table_follow(call->tx, &ctx, in->DatabaseName, in->TableName, &t, call->err));
    out->Errors.v = NK_NEWN(call->arena, glue_TableVersionError, in->VersionIds.n);
    if (!out->Errors.v)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    out->Errors.n = 0;
    out->Errors.set = true;
    for (size_t i = 0; i < in->VersionIds.n; i++) {
        nk_err entry = NK_ERR_INIT;
        nk_code rc = delete_version(call, &t, in->VersionIds.v[i], &gone, &entry);
        if (rc == NK_OK)
            continue;
        glue_TableVersionError *e = &out->Errors.v[out->Errors.n++];
        e->TableName = t.name;
        e->VersionId = in->VersionIds.v[i];
        NK_TRY(nk_entry_error(rc, &entry, call->arena, &e->ErrorDetail, call->err));
    }
    return remember(call, &ctx, &t, &gone);
}
