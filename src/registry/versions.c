/* RegisterSchemaVersion, GetSchemaVersion, GetSchemaByDefinition, ListSchemaVersions,
 * DeleteSchemaVersions, CheckSchemaVersionValidity, GetSchemaVersionsDiff. */
#include "registry/jsonvalue_int.h"
#include "registry/registry_int.h"

enum { ERROR_MAX = 4900, DIFF_MAX = 330000 };

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

typedef struct addition {
    nk_reg_ctx ctx;
    nk_registration r;
    glue_RegisterSchemaVersionResponse *out;
} addition;

static nk_code answer_addition(addition *a)
{
    a->out->SchemaVersionId = a->r.version.uuid;
    a->out->VersionNumber = nk_some_i64(a->r.version.version);
    a->out->Status = nk_version_status(&a->r.version);
    return NK_OK;
}

static nk_code write_addition(nk_tx *tx, void *arg, nk_err *err)
{
    addition *a = arg;
    NK_TRY(nk_glue_refusal(nk_registration_write(tx, &a->r, err), err));
    return answer_addition(a);
}

nk_code glue_RegisterSchemaVersion(nk_call *call, const glue_RegisterSchemaVersionInput *in,
                                   glue_RegisterSchemaVersionResponse *out)
{
    addition *a = NK_NEW(call->arena, addition);
    if (!a)
        return nomem(call->err);
    *a = (addition){.ctx = nk_reg_ctx_of(call), .r.text = in->SchemaDefinition, .out = out};
    a->r.keep_failure = call->app->settings->keep_failures;
    NK_TRY(nk_schema_name_of(&a->ctx, in->SchemaId, &a->r.registry, &a->r.name, call->err));
    NK_TRY(nk_glue_refusal(nk_registration_prepare(&a->ctx, &a->r, call->err), call->err));
    if (a->r.existed)
        return answer_addition(a);
    call->last = (nk_last){write_addition, a};
    return NK_OK;
}

typedef struct getter {
    nk_reg_ctx ctx;
    const glue_GetSchemaVersionInput *in;
    glue_GetSchemaVersionResponse *out;
} getter;

static nk_code get_version(nk_tx *tx, void *arg, nk_err *err)
{
    getter *g = arg;
    const glue_GetSchemaVersionInput *in = g->in;
    nk_version_row v;
    NK_TRY(nk_version_of(tx, &g->ctx, in->SchemaId, in->SchemaVersionId, in->SchemaVersionNumber,
                         NULL, &v, err));
    bool deleting = v.state == NK_VERSION_DELETED;
    if (in->SchemaVersionId.p && !deleting)
        NK_TRY(nk_schema_is_deleting(tx, v.schema, &deleting, err));
    if (!deleting) {
        g->out->raw_ = v.reply;
        if (in->SchemaVersionId.p)
            nk_reply_keep(tx, &g->ctx, in->SchemaVersionId, v.reply);
        return NK_OK;
    }
    NK_TRY(nk_model_decode_into(&glue_GetSchemaVersionResponse_shape, v.reply, g->ctx.arena, g->out,
                                err));
    g->out->Status = NK_STR("DELETING");
    return NK_OK;
}

nk_code glue_GetSchemaVersion(nk_call *call, const glue_GetSchemaVersionInput *in,
                              glue_GetSchemaVersionResponse *out)
{
    getter g = {nk_reg_ctx_of(call), in, out};
    if (in->SchemaVersionId.p && !in->SchemaId && !in->SchemaVersionNumber)
        out->raw_ = nk_reply_recall(&g.ctx, in->SchemaVersionId);
    return out->raw_.p ? NK_OK : nk_store_read(call->app->store, get_version, &g, call->err);
}

typedef struct lookup {
    const nk_reg_ctx *ctx;
    nk_registration *r;
    const int64_t *versions;
    size_t n;
} lookup;

static nk_code run_lookup(nk_tx *tx, void *arg, nk_err *err)
{
    lookup *l = arg;
    return nk_registry_lookup(tx, l->ctx, l->r, false, err);
}

nk_code glue_GetSchemaByDefinition(nk_call *call, const glue_GetSchemaByDefinitionInput *in,
                                   glue_GetSchemaByDefinitionResponse *out)
{
    nk_reg_ctx ctx = nk_reg_ctx_of(call);
    nk_registration r = {.text = in->SchemaDefinition};
    lookup l = {.ctx = &ctx, .r = &r};
    NK_TRY(nk_schema_name_of(&ctx, in->SchemaId, &r.registry, &r.name, call->err));
    NK_TRY(nk_store_read(call->app->store, run_lookup, &l, call->err));
    out->SchemaVersionId = r.version.uuid;
    NK_TRY(nk_schema_arn(&ctx, r.registry, r.name, &out->SchemaArn, call->err));
    out->DataFormat = r.schema.format->name;
    out->Status = nk_version_status(&r.version);
    out->CreatedTime = r.version.created;
    return NK_OK;
}

/* ---- listing ---- */

NK_LIST(version_list, glue_SchemaVersionListItem);

typedef struct lister {
    nk_call *call;
    const nk_reg_ctx *ctx;
    nk_str arn;
    size_t max;
    bool more;
    version_list list;
    nk_code rc;
} lister;

static bool take(void *arg, const nk_row *row)
{
    lister *l = arg;
    nk_version_row v;
    if (row->cols[NK_VER_STATE].i == NK_VERSION_DELETED)
        return true;
    if (l->list.n == l->max) {
        l->more = true;
        return false;
    }
    glue_SchemaVersionListItem *item = version_list_add(&l->list, l->call->arena);
    l->rc = item ? nk_version_read(l->ctx, row, &v, l->call->err) : nomem(l->call->err);
    if (l->rc != NK_OK)
        return false;
    *item = (glue_SchemaVersionListItem){.SchemaArn = l->arn,
                                         .SchemaVersionId = v.uuid,
                                         .VersionNumber = nk_some_i64(v.version),
                                         .Status = nk_version_status(&v),
                                         .CreatedTime = v.created};
    return true;
}

nk_code glue_ListSchemaVersions(nk_call *call, const glue_ListSchemaVersionsInput *in,
                                glue_ListSchemaVersionsResponse *out)
{
    nk_reg_ctx ctx = nk_reg_ctx_of(call);
    nk_schema_row s;
    nk_str place;
    nk_pos after = {.n = 2};
    int64_t last;
    lister l = {.call = call, .ctx = &ctx, .max = (size_t)nk_i64_or(in->MaxResults, 25)};
    NK_TRY(nk_schema_of(call->tx, &ctx, in->SchemaId, &s, call->err));
    NK_TRY(nk_schema_arn(&ctx, s.registry_name, s.name, &l.arn, call->err));
    nk_query q = {.kind = &nk_kind_schema_version,
                  .prefix = NK_KEY(nk_vi(s.id)),
                  .nprefix = 1,
                  .no_body = true};
    NK_TRY(nk_page_open(call, l.arn, in->NextToken, &place));
    if (place.p) {
        if (place.n != sizeof last)
            return nk_fail(call->err, NK_E_INVALID, "Invalid NextToken.");
        memcpy(&last, place.p, sizeof last);
        after.v[0] = nk_vi(s.id);
        after.v[1] = nk_vi(last);
        q.after = &after;
    }
    NK_TRY(nk_store_scan(call->tx, &q, take, &l, call->err));
    NK_TRY(l.rc);
    out->Schemas = (glue_SchemaVersionListItem_list){.v = l.list.v, .n = l.list.n, .set = true};
    if (!l.more)
        return NK_OK;
    last = l.list.v[l.list.n - 1].VersionNumber.value;
    return nk_page_token(call, l.arn, nk_str_n((const char *)&last, sizeof last), &out->NextToken);
}

/* ---- deleting ---- */

/* "7" or "3-5". */
static nk_code read_range(nk_str text, int64_t *from, int64_t *to, nk_err *err)
{
    ptrdiff_t dash = nk_str_chr(text, '-');
    nk_str a = dash < 0 ? text : nk_str_sub(text, 0, (size_t)dash);
    nk_str b = dash < 0 ? text : nk_str_sub(text, (size_t)dash + 1, text.n);
    if (!nk_str_i64(a, from) || !nk_str_i64(b, to) || *from > *to || *from < 1)
        return nk_fail(err, NK_E_INVALID, "\"%.*s\" is no range of versions.", NK_STR_ARG(text));
    if (*to - *from >= NK_DELETE_RANGE_MAX)
        return nk_fail(err, NK_E_INVALID, "At most %d versions can be deleted at once.",
                       NK_DELETE_RANGE_MAX);
    return NK_OK;
}

static bool found_one(void *arg, const nk_row *row)
{
    *(bool *)arg = true;
    return false;
}

/* Anything but failed versions, which nothing is compared with. */
static nk_code any_counts(nk_tx *tx, const nk_schema_row *s, int64_t from, int64_t to, bool *out,
                          nk_err *err)
{
    const nk_cond in = {.op = NK_C_BETWEEN,
                        .col = NK_VER_VERSION,
                        .vals = NK_KEY(nk_vi(from), nk_vi(to)),
                        .nvals = 2};
    const nk_cond counts = {
        .op = NK_C_NE, .col = NK_VER_STATE, .vals = NK_KEY(nk_vi(NK_VERSION_FAILED)), .nvals = 1};
    nk_query q = {
        .kind = &nk_kind_schema_version,
        .prefix = NK_KEY(nk_vi(s->id)),
        .nprefix = 1,
        .where = &(nk_cond){.op = NK_C_AND, .args = (const nk_cond *[]){&in, &counts}, .nargs = 2},
        .no_body = true};
    *out = false;
    return nk_store_scan(tx, &q, found_one, out, err);
}

static nk_code may_delete(nk_tx *tx, const nk_schema_row *s, int64_t from, int64_t to, nk_err *err)
{
    bool counts = false;
    if (nk_compat_modes[s->compat].all)
        NK_TRY(any_counts(tx, s, from, to, &counts, err));
    if (counts)
        return nk_fail(err, NK_E_INVALID,
                       "Versions cannot be deleted while the compatibility mode is %.*s: new "
                       "versions are compared with all of them.",
                       NK_STR_ARG(nk_compat_modes[s->compat].name[NK_DOOR_GLUE]));
    if (from == 1)
        return nk_fail(err, NK_E_INVALID,
                       "The first schema version can only be deleted with its schema "
                       "(DeleteSchema).");
    if (s->checkpoint >= from && s->checkpoint <= to)
        return nk_fail(err, NK_E_INVALID,
                       "Version %lld is the checkpoint: set another one first (UpdateSchema).",
                       (long long)s->checkpoint);
    return NK_OK;
}

NK_LIST(error_list, glue_SchemaVersionErrorItem);

static nk_code note_error(nk_call *call, error_list *list, int64_t version, nk_code rc,
                          const nk_err *why)
{
    glue_SchemaVersionErrorItem *item = error_list_add(list, call->arena);
    glue_ErrorDetails *d = NK_NEW(call->arena, glue_ErrorDetails);
    if (!item || !d)
        return nomem(call->err);
    d->ErrorCode = nk_str_c(nk_code_aws(rc));
    d->ErrorMessage = nk_str_c(nk_arena_strdup(call->arena, why->msg));
    item->VersionNumber = nk_some_i64(version);
    item->ErrorDetails = d;
    return d->ErrorMessage.p ? NK_OK : nomem(call->err);
}

nk_code glue_DeleteSchemaVersions(nk_call *call, const glue_DeleteSchemaVersionsInput *in,
                                  glue_DeleteSchemaVersionsResponse *out)
{
    nk_reg_ctx ctx = nk_reg_ctx_of(call);
    nk_schema_row s;
    int64_t from, to;
    error_list errors = {0};
    NK_TRY(read_range(in->Versions, &from, &to, call->err));
    NK_TRY(nk_schema_of(call->tx, &ctx, in->SchemaId, &s, call->err));
    NK_TRY(may_delete(call->tx, &s, from, to, call->err));
    /* the newest first: a version may link to an older one of the same schema */
    for (int64_t v = to; v >= from; v--) {
        nk_err why = NK_ERR_INIT;
        nk_version_row row;
        nk_code rc = nk_version_load(call->tx, &ctx, &s, v, NK_FIND_FAILED, &row, &why);
        if (rc == NK_OK)
            rc = nk_version_delete(call->tx, &ctx, &s, v, &why);
        if (rc == NK_E_NOT_FOUND || rc == NK_E_INVALID)
            NK_TRY(note_error(call, &errors, v, rc, &why));
        else if (rc != NK_OK)
            return nk_fail(call->err, rc, "%s", why.msg);
    }
    NK_TRY(nk_schema_save(call->tx, &ctx, &s, false, call->err));
    out->SchemaVersionErrors =
        (glue_SchemaVersionErrorItem_list){.v = errors.v, .n = errors.n, .set = true};
    return NK_OK;
}

/* ---- validity ---- */

typedef struct validity {
    const nk_reg_ctx *ctx;
    const nk_schema_format *format;
    nk_str text;
} validity;

static nk_code run_validity(nk_tx *tx, void *arg, nk_err *err)
{
    validity *v = arg;
    return nk_registry_validate(tx, v->ctx, v->format, v->text, err);
}

nk_code glue_CheckSchemaVersionValidity(nk_call *call,
                                        const glue_CheckSchemaVersionValidityInput *in,
                                        glue_CheckSchemaVersionValidityResponse *out)
{
    nk_reg_ctx ctx = nk_reg_ctx_of(call);
    validity v = {&ctx, nk_schema_format_find(in->DataFormat), in->SchemaDefinition};
    nk_err why = NK_ERR_INIT;
    if (!v.format)
        return nk_fail(call->err, NK_E_INVALID, "Data format is not valid.");
    nk_code rc = nk_store_read(call->app->store, run_validity, &v, &why);
    if (rc != NK_OK && rc != NK_E_INVALID)
        return nk_fail(call->err, rc, "%s", why.msg);
    out->Valid = nk_some_bool(rc == NK_OK);
    if (rc != NK_OK)
        out->Error = nk_str_dup(call->arena, nk_str_sub(nk_str_c(why.msg), 0, ERROR_MAX));
    return NK_OK;
}

/* ---- differences ---- */

typedef struct differ {
    const nk_reg_ctx *ctx;
    const glue_GetSchemaVersionsDiffInput *in;
    nk_str text[2];
    nk_conflicts conflicts;
} differ;

/* Could the second have followed the first, by the schema's mode? */
static nk_code compare_both(nk_tx *tx, differ *d, const nk_schema_row *s, nk_version_row v[2],
                            nk_err *err)
{
    const nk_compat_mode *mode = &nk_compat_modes[s->compat];
    nk_schema_doc *first, *second;
    if (!mode->backward && !mode->forward)
        return NK_OK;
    NK_TRY(nk_version_parse(tx, d->ctx, s, &v[0], &first, err));
    NK_TRY(nk_version_parse(tx, d->ctx, s, &v[1], &second, err));
    nk_compat_base base = {v[0].version, first};
    return nk_compat_check(s->format, mode, NK_DOOR_GLUE, second, &base, 1, d->ctx->arena,
                           &d->conflicts, err);
}

static nk_code read_both(nk_tx *tx, void *arg, nk_err *err)
{
    differ *d = arg;
    nk_schema_row s;
    nk_version_row v[2];
    const glue_SchemaVersionNumber *asked[2] = {d->in->FirstSchemaVersionNumber,
                                                d->in->SecondSchemaVersionNumber};
    NK_TRY(nk_schema_of(tx, d->ctx, d->in->SchemaId, &s, err));
    for (int i = 0; i < 2; i++) {
        int64_t number;
        NK_TRY(nk_version_number_of(asked[i], &number, err));
        NK_TRY(nk_version_load(tx, d->ctx, &s, number, NK_FIND_FAILED, &v[i], err));
        NK_TRY(nk_version_text(d->ctx, &v[i], err));
        d->text[i] = v[i].text;
    }
    return compare_both(tx, d, &s, v, err);
}

/* A definition that is not JSON (Protobuf) counts as one JSON string. */
static nk_code as_json(nk_str text, nk_arena *a, nk_json **out, nk_err *err)
{
    nk_code rc = nk_json_parse(text, a, 0, out, NULL);
    if (rc == NK_OK || rc == NK_E_NOMEM)
        return rc == NK_OK ? rc : nomem(err);
    *out = jv_new(a, NK_JSON_STRING, text);
    return *out ? NK_OK : nomem(err);
}

/* The way from the first version to the second: a JSON Patch, or when that is too long one that
 * puts all of the second in the place of the first. */
static nk_code write_patch(const differ *d, nk_buf *b, nk_err *err)
{
    nk_json *v[2];
    for (int i = 0; i < 2; i++)
        NK_TRY(as_json(d->text[i], d->ctx->arena, &v[i], err));
    nk_json_writer w = {.buf = b};
    nk_jw_array(&w);
    jv_patch(&w, NULL, v[0], v[1]);
    nk_jw_array_end(&w);
    if (nk_buf_check(b, NULL) == NK_OK && b->n <= DIFF_MAX)
        return NK_OK;
    nk_buf_clear(b);
    w = (nk_json_writer){.buf = b};
    nk_jw_array(&w);
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "op", "replace");
    nk_jw_kcstr(&w, "path", "");
    nk_jw_key(&w, NK_STR("value"));
    nk_jw_tree(&w, v[1]);
    nk_jw_object_end(&w);
    nk_jw_array_end(&w);
    return nk_buf_check(b, err);
}

static void put_conflict(nk_json_writer *w, const nk_conflict *c)
{
    const nk_schema_diff *f = &c->diff;
    nk_jw_object(w);
    nk_jw_kcstr(w, "rule", f->rule->id);
    nk_jw_kcstr(w, "writtenBy", c->forward ? "second" : "first");
    nk_jw_kstr(w, "writerPath", f->writer_path.n ? f->writer_path : NK_STR("/"));
    nk_jw_kstr(w, "readerPath", f->reader_path.n ? f->reader_path : NK_STR("/"));
    nk_jw_kstr(w, "reason", f->message);
    if (f->sample.p)
        nk_jw_kstr(w, "record", f->sample);
    nk_jw_object_end(w);
}

/* What stands against the second version goes into the patch's first operation, as a member that
 * RFC 6902 has its readers ignore; as many as there is room for. */
static nk_code put_conflicts(const differ *d, nk_str patch, nk_buf *out, nk_err *err)
{
    nk_json_writer w = {.buf = out};
    nk_buf_puts(out, "[{\"incompatibilities\":");
    nk_jw_array(&w);
    for (size_t i = 0; i < d->conflicts.n; i++) {
        nk_buf one;
        nk_buf_init(&one, 1 << 20);
        nk_json_writer v = {.buf = &one};
        put_conflict(&v, &d->conflicts.v[i]);
        bool fits = !one.failed && out->n + one.n + patch.n + 4 < DIFF_MAX;
        if (fits)
            nk_jw_raw(&w, nk_buf_view(&one));
        nk_buf_free(&one);
        if (!fits)
            break;
    }
    nk_jw_array_end(&w);
    nk_buf_putc(out, ',');
    nk_buf_str(out, nk_str_sub(patch, 2, patch.n));
    return nk_buf_check(out, err);
}

static nk_code answer_diff(const differ *d, nk_str patch, nk_str *out, nk_err *err)
{
    nk_buf b;
    nk_code rc = NK_OK;
    nk_buf_init(&b, 1 << 20);
    if (d->conflicts.n && patch.n > 2)
        rc = put_conflicts(d, patch, &b, err);
    if (rc == NK_OK) {
        *out = nk_str_dup(d->ctx->arena, b.n ? nk_buf_view(&b) : patch);
        rc = out->p ? NK_OK : nomem(err);
    }
    nk_buf_free(&b);
    return rc;
}

nk_code glue_GetSchemaVersionsDiff(nk_call *call, const glue_GetSchemaVersionsDiffInput *in,
                                   glue_GetSchemaVersionsDiffResponse *out)
{
    nk_reg_ctx ctx = nk_reg_ctx_of(call);
    differ d = {.ctx = &ctx, .in = in};
    nk_buf b;
    NK_TRY(nk_store_read(call->app->store, read_both, &d, call->err));
    nk_buf_init(&b, 1 << 20);
    nk_code rc = write_patch(&d, &b, call->err);
    if (rc == NK_OK)
        rc = answer_diff(&d, nk_buf_view(&b), &out->Diff, call->err);
    nk_buf_free(&b);
    return rc;
}
