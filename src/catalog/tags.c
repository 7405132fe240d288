/* TagResource, UntagResource, GetTags, and the tags of other rooms' resources. */
#include "catalog/tags.h"
#include "catalog/history_int.h"

enum { TAGS_MAX = 50, TYPES_MAX = 32 };

static const nk_col cols[] = {{"region", NK_COL_TEXT}, {"resource", NK_COL_TEXT}};
const nk_kind nk_kind_tags = {
    .name = "glue_tags", .version = 1, .nkey = 2, .cols = cols, .ncols = NK_COUNTOF(cols)};

#define SHAPE (nk_model_member(&glue_GetTagsResponse_shape, NK_STR("Tags"))->shape)

static const nk_tag_type *types[TYPES_MAX];
static size_t ntypes;

nk_code nk_tags_register(const nk_tag_type *type, nk_err *err)
{
    for (size_t i = 0; i < ntypes; i++) {
        if (strcmp(types[i]->type, type->type))
            continue;
        types[i] = type;
        return NK_OK;
    }
    if (ntypes == TYPES_MAX)
        return nk_fail(err, NK_E_INTERNAL, "too many types of taggable resources");
    types[ntypes++] = type;
    return NK_OK;
}

/* ---- the store ---- */

nk_code nk_tags_resource(const nk_catalog_ctx *ctx, const char *type, nk_str name, nk_str *out,
                         nk_err *err)
{
    nk_str folded = nk_str_lower(ctx->arena, name), catalog = NK_STR_NULL;
    if (ctx->catalog_id.p)
        catalog = nk_str_sub(ctx->catalog_id, ctx->account_id.n + 1, ctx->catalog_id.n);
    *out = nk_str_printf(ctx->arena, "%s/%.*s%s%.*s", type, NK_STR_ARG(catalog),
                         catalog.p ? "/" : "", NK_STR_ARG(folded));
    return out->p && folded.p ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
}

static nk_code encode(const nk_map_str *tags, nk_arena *a, nk_str *json, nk_err *err)
{
    if (tags->n > TAGS_MAX)
        return nk_fail(err, NK_E_INVALID, "A resource may have at most %d tags.", TAGS_MAX);
    for (size_t i = 0; i < tags->n; i++)
        if (nk_str_starts(tags->v[i].key, NK_STR("aws:")))
            return nk_fail(err, NK_E_INVALID, "Tag keys that begin with 'aws:' are reserved: %.*s",
                           NK_STR_ARG(tags->v[i].key));
    return nk_model_encode_str(SHAPE, tags, a, json, err);
}

nk_code nk_tags_put(nk_tx *tx, nk_str region, nk_str resource, const nk_map_str *tags, nk_arena *a,
                    nk_err *err)
{
    nk_row row = {.cols = NK_KEY(nk_vs(region), nk_vs(resource))};
    if (!tags->n)
        return nk_tags_drop(tx, region, resource, err);
    NK_TRY(encode(tags, a, &row.body, err));
    return nk_store_put(tx, &nk_kind_tags, &row, err);
}

nk_code nk_tags_get(nk_tx *tx, nk_str region, nk_str resource, nk_arena *a, nk_map_str *out,
                    nk_err *err)
{
    nk_row row;
    *out = (nk_map_str){.set = true};
    nk_code rc =
        nk_store_get(tx, &nk_kind_tags, NK_KEY(nk_vs(region), nk_vs(resource)), a, &row, NULL);
    if (rc == NK_E_NOT_FOUND)
        return NK_OK;
    if (rc != NK_OK)
        return nk_fail(err, rc, "tags cannot be read");
    return nk_model_decode_into(SHAPE, row.body, a, out, err);
}

nk_code nk_tags_drop(nk_tx *tx, nk_str region, nk_str resource, nk_err *err)
{
    nk_code rc = nk_store_delete(tx, &nk_kind_tags, NK_KEY(nk_vs(region), nk_vs(resource)), NULL);
    return rc == NK_OK || rc == NK_E_NOT_FOUND ? NK_OK : nk_fail(err, rc, "tags cannot be written");
}

nk_code nk_tags_match(nk_tx *tx, nk_str region, nk_str resource, const nk_map_str *want,
                      nk_arena *a, bool *yes, nk_err *err)
{
    nk_map_str have;
    *yes = true;
    if (!want->n)
        return NK_OK;
    NK_TRY(nk_tags_get(tx, region, resource, a, &have, err));
    for (size_t i = 0; i < want->n && *yes; i++) {
        bool found = false;
        for (size_t k = 0; k < have.n; k++)
            found =
                found || (nk_str_eq(have.v[k].key, want->v[i].key) &&
                          (!want->v[i].value.n || nk_str_eq(have.v[k].value, want->v[i].value)));
        *yes = found;
    }
    return NK_OK;
}

/* ---- operations ---- */

/* What stands before the resource in an ARN of ours: arn:aws:glue:REGION:ACCOUNT: */
static nk_code resource_of(nk_call *call, nk_str arn, nk_str *resource)
{
    nk_str rest = arn, part[5];
    for (size_t i = 0; i < NK_COUNTOF(part); i++)
        if (!nk_str_split(&rest, ':', &part[i]))
            return nk_fail(call->err, NK_E_INVALID, "Invalid resource ARN %.*s.", NK_STR_ARG(arn));
    if (!rest.n || !nk_str_is(part[0], "arn") || !nk_str_is(part[2], "glue"))
        return nk_fail(call->err, NK_E_INVALID, "Invalid resource ARN %.*s.", NK_STR_ARG(arn));
    if (!nk_str_eq(part[3], call->region) || !nk_str_eq(part[4], call->account_id))
        return nk_fail(call->err, NK_E_NOT_FOUND,
                       "Resource %.*s is not of this account and region.", NK_STR_ARG(arn));
    *resource = rest;
    return NK_OK;
}

static nk_kept kept_of(nk_call *call, const nk_catalog_ctx *ctx, nk_str resource)
{
    return (nk_kept){.tx = call->tx,
                     .ctx = ctx,
                     .kind = NK_HIST_TAGS,
                     .space = call->region,
                     .object = nk_str_printf(call->arena, "tags %.*s", NK_STR_ARG(resource))};
}

/* A request's own change of tags: the history has it. */
static nk_code change(nk_call *call, nk_str resource, const nk_map_str *tags)
{
    nk_catalog_ctx ctx = nk_catalog_ctx_of(call);
    nk_kept k = kept_of(call, &ctx, resource);
    nk_row row = {.cols = NK_KEY(nk_vs(call->region), nk_vs(resource))};
    if (!tags->n)
        return nk_tags_forget(call, resource);
    NK_TRY(encode(tags, call->arena, &row.body, call->err));
    return nk_kept_put(&k, &row, false, call->err);
}

nk_code nk_tags_forget(nk_call *call, nk_str resource)
{
    nk_catalog_ctx ctx = nk_catalog_ctx_of(call);
    nk_kept k = kept_of(call, &ctx, resource);
    nk_code rc = nk_kept_drop(&k, NK_KEY(nk_vs(call->region), nk_vs(resource)), call->err);
    return rc == NK_E_NOT_FOUND ? NK_OK : rc;
}

static nk_code exists(nk_call *call, const nk_tag_type *t, nk_str name, bool *found)
{
    nk_catalog_ctx ctx = nk_catalog_ctx_of(call);
    if (t->exists)
        return t->exists(call->tx, &ctx, name, found, call->err);
    return nk_store_has(call->tx, t->kind, NK_KEY(nk_vs(call->region), nk_vs(name)), found,
                        call->err);
}

/* "TYPE/NAME"; NULL for a type that cannot be tagged. */
static const nk_tag_type *split(nk_str resource, nk_str *type, nk_str *name)
{
    ptrdiff_t slash = nk_str_chr(resource, '/');
    *type = slash < 0 ? resource : nk_str_sub(resource, 0, (size_t)slash);
    *name = slash < 0 ? NK_STR("") : nk_str_sub(resource, (size_t)slash + 1, resource.n);
    for (size_t i = 0; i < ntypes; i++)
        if (nk_str_is(*type, types[i]->type))
            return types[i];
    return NULL;
}

nk_code nk_tags_bearer(nk_call *call, nk_str resource, bool *there)
{
    nk_str type, name;
    const nk_tag_type *t = split(resource, &type, &name);
    *there = false;
    return t ? exists(call, t, name, there) : NK_OK;
}

/* The key of an existing resource's tags. */
static nk_code find(nk_call *call, nk_str arn, nk_str *resource)
{
    nk_str whole, type;
    bool found = false;
    NK_TRY(resource_of(call, arn, &whole));
    if (nk_str_starts(whole, NK_STR("connectionType:"))) { /* the one type that is set off so */
        size_t colon = (size_t)nk_str_chr(whole, ':');
        whole = nk_str_printf(call->arena, "connectionType/%.*s",
                              NK_STR_ARG(nk_str_sub(whole, colon + 1, whole.n)));
        if (!whole.p)
            return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    }
    nk_str name;
    const nk_tag_type *t = split(whole, &type, &name);
    if (!t)
        return nk_fail(call->err, NK_E_INVALID, "Resources of type '%.*s' cannot be tagged.",
                       NK_STR_ARG(type));
    NK_TRY(exists(call, t, name, &found));
    if (!found)
        return nk_fail(call->err, NK_E_NOT_FOUND, "Resource %.*s not found.", NK_STR_ARG(arn));
    nk_str folded = nk_str_lower(call->arena, name);
    *resource = t->exists && !t->exact
                    ? nk_str_printf(call->arena, "%s/%.*s", t->type, NK_STR_ARG(folded))
                    : whole;
    return resource->p && folded.p ? NK_OK : nk_fail(call->err, NK_E_NOMEM, "out of memory");
}

nk_code glue_TagResource(nk_call *call, const glue_TagResourceRequest *in,
                         glue_TagResourceResponse *out)
{
    nk_str resource;
    nk_map_str tags;
    NK_TRY(find(call, in->ResourceArn, &resource));
    NK_TRY(nk_tags_get(call->tx, call->region, resource, call->arena, &tags, call->err));
    for (size_t i = 0; i < in->TagsToAdd.n; i++)
        if (nk_map_str_put(&tags, call->arena, in->TagsToAdd.v[i].key, in->TagsToAdd.v[i].value) !=
            NK_OK)
            return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    return change(call, resource, &tags);
}

nk_code glue_UntagResource(nk_call *call, const glue_UntagResourceRequest *in,
                           glue_UntagResourceResponse *out)
{
    nk_str resource;
    nk_map_str tags;
    NK_TRY(find(call, in->ResourceArn, &resource));
    NK_TRY(nk_tags_get(call->tx, call->region, resource, call->arena, &tags, call->err));
    for (size_t i = 0; i < in->TagsToRemove.n; i++) {
        const char *key =
            nk_arena_strndup(call->arena, in->TagsToRemove.v[i].p, in->TagsToRemove.v[i].n);
        if (!key)
            return nk_fail(call->err, NK_E_NOMEM, "out of memory");
        nk_map_str_del(&tags, key);
    }
    return change(call, resource, &tags);
}

nk_code glue_GetTags(nk_call *call, const glue_GetTagsRequest *in, glue_GetTagsResponse *out)
{
    nk_str resource;
    NK_TRY(find(call, in->ResourceArn, &resource));
    return nk_tags_get(call->tx, call->region, resource, call->arena, &out->Tags, call->err);
}

/* ---- the catalogue's own types ---- */

/* "x", or "catalog/x" in a catalogue of its own. */
static nk_code inside(nk_tx *tx, const nk_catalog_ctx *ctx, const nk_kind *kind, nk_str name,
                      bool *found, nk_err *err)
{
    nk_row row;
    nk_str space = ctx->region, folded = nk_str_lower(ctx->arena, name);
    if (!folded.p)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    ptrdiff_t slash = nk_str_chr(folded, '/');
    *found = false;
    if (slash >= 0) {
        nk_str catalog = nk_str_sub(folded, 0, (size_t)slash);
        nk_code rc = nk_store_get(tx, &nk_kind_catalog, NK_KEY(nk_vs(ctx->region), nk_vs(catalog)),
                                  ctx->arena, &row, NULL);
        if (rc == NK_E_NOT_FOUND)
            return NK_OK;
        if (rc != NK_OK)
            return nk_fail(err, rc, "the catalogs cannot be read");
        space = nk_str_printf(ctx->arena, "catalog/%lld", (long long)row.cols[NK_CAT_ID].i);
        folded = nk_str_sub(folded, (size_t)slash + 1, folded.n);
    }
    if (!space.p)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    return nk_store_has(tx, kind, NK_KEY(nk_vs(space), nk_vs(folded)), found, err);
}

static nk_code database_exists(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str name, bool *found,
                               nk_err *err)
{
    return inside(tx, ctx, &nk_kind_database, name, found, err);
}

static nk_code catalog_exists(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str name, bool *found,
                              nk_err *err)
{
    *found = !name.n; /* arn:…:catalog is the account's own */
    return name.n ? inside(tx, ctx, &nk_kind_catalog, name, found, err) : NK_OK;
}

nk_code nk_catalog_tag_types(nk_err *err)
{
    static const nk_tag_type mine[] = {
        {"catalog", NULL, catalog_exists, false},
        {"database", NULL, database_exists, false},
        {"connection", &nk_kind_connection, NULL, false},
        {"connectionType", &nk_kind_connection_type, NULL, false},
    };
    for (size_t i = 0; i < NK_COUNTOF(mine); i++)
        NK_TRY(nk_tags_register(&mine[i], err));
    return NK_OK;
}
