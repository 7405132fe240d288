/* User-defined functions of databases. */
#include "catalog/history_int.h"

enum { FN_DB, FN_NAME, FN_SPACE, FN_DBNAME, FN_NCOLS };
static const nk_col cols[] = {{"db", NK_COL_I64},
                              {"name", NK_COL_TEXT},
                              {"space", NK_COL_TEXT},
                              {"database_name", NK_COL_TEXT}};
static const nk_index indexes[] = {
    {.name = "by_space", .cols = {FN_SPACE, FN_DBNAME, FN_NAME}, .n = 3}};
const nk_kind nk_kind_function = {.name = "glue_function",
                                  .version = 1,
                                  .nkey = 2,
                                  .cols = cols,
                                  .ncols = FN_NCOLS,
                                  .indexes = indexes,
                                  .nindexes = 1};
static const nk_doc_type type = {&nk_kind_function, &glue_UserDefinedFunction_shape, "Function"};

/* old NULL: created. */
static nk_code remember(nk_call *call, const nk_catalog_ctx *ctx, const nk_db_ref *db, nk_str name,
                        nk_hist_op op, const nk_row *old)
{
    nk_hist h = {.kind = NK_HIST_FUNCTION,
                 .op = op,
                 .space = db->space,
                 .object = nk_table_object(call->arena, db->name, name),
                 .before = old,
                 .nbefore = old != NULL,
                 .keys = NK_KEY(nk_vi(db->id), nk_vs(name)),
                 .nkeys = old ? 0 : 2,
                 .id = db->id};
    return nk_history_add(call->tx, ctx, &h, NULL, call->err);
}

static nk_code save(nk_call *call, const nk_catalog_ctx *ctx, const nk_db_ref *db, nk_str name,
                    int64_t created_us, const glue_UserDefinedFunctionInput *in, const nk_row *old)
{
    glue_UserDefinedFunction f = {
        .FunctionName = name,
        .DatabaseName = db->name,
        .ClassName = in->ClassName,
        .OwnerName = in->OwnerName,
        .FunctionType = in->FunctionType,
        .OwnerType = in->OwnerType,
        .CreateTime = nk_some_time(created_us),
        .ResourceUris = in->ResourceUris,
        .ArtifactLocation = in->ArtifactLocation,
        .GovernanceMode = in->GovernanceMode,
        .CatalogId = db->catalog_id,
    };
    NK_TRY(nk_doc_save(call->tx, &type,
                       NK_KEY(nk_vi(db->id), nk_vs(name), nk_vs(db->space), nk_vs(db->name)), name,
                       &f, !old, call->arena, call->err));
    return remember(call, ctx, db, name, old ? NK_HIST_UPDATE : NK_HIST_CREATE, old);
}

nk_code glue_CreateUserDefinedFunction(nk_call *call,
                                       const glue_CreateUserDefinedFunctionRequest *in,
                                       glue_CreateUserDefinedFunctionResponse *out)
{
    nk_catalog_ctx ctx;
    nk_db_ref db;
    nk_str name;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    NK_TRY(nk_database_ref(call->tx, &ctx, in->DatabaseName, &db, call->err));
    if (!in->FunctionInput->FunctionName.p)
        return nk_fail(call->err, NK_E_INVALID, "FunctionInput must have a FunctionName.");
    NK_TRY(nk_fold(call->arena, in->FunctionInput->FunctionName, &name, call->err));
    return save(call, &ctx, &db, name, ctx.now_us, in->FunctionInput, NULL);
}

static nk_code find(nk_call *call, nk_str catalog, nk_str database, nk_str function,
                    nk_catalog_ctx *ctx, nk_db_ref *db, nk_str *name)
{
    NK_TRY(nk_catalog_open(call, catalog, ctx));
    NK_TRY(nk_database_ref(call->tx, ctx, database, db, call->err));
    return nk_fold(call->arena, function, name, call->err);
}

nk_code glue_UpdateUserDefinedFunction(nk_call *call,
                                       const glue_UpdateUserDefinedFunctionRequest *in,
                                       glue_UpdateUserDefinedFunctionResponse *out)
{
    nk_catalog_ctx ctx;
    nk_db_ref db;
    nk_str name;
    nk_row row;
    glue_UserDefinedFunction *old;
    const glue_UserDefinedFunctionInput *f = in->FunctionInput;
    NK_TRY(find(call, in->CatalogId, in->DatabaseName, in->FunctionName, &ctx, &db, &name));
    NK_TRY(nk_doc_load(call->tx, &type, NK_KEY(nk_vi(db.id), nk_vs(name)), name, call->arena,
                       (void **)&old, &row, call->err));
    if (f->FunctionName.p && !nk_str_ieq(f->FunctionName, name))
        return nk_fail(call->err, NK_E_INVALID, "The name of a function cannot be changed.");
    return save(call, &ctx, &db, name, old->CreateTime.us, f, &row);
}

nk_code glue_GetUserDefinedFunction(nk_call *call, const glue_GetUserDefinedFunctionRequest *in,
                                    glue_GetUserDefinedFunctionResponse *out)
{
    nk_catalog_ctx ctx;
    nk_db_ref db;
    nk_str name;
    void *value;
    NK_TRY(find(call, in->CatalogId, in->DatabaseName, in->FunctionName, &ctx, &db, &name));
    NK_TRY(nk_doc_load(call->tx, &type, NK_KEY(nk_vi(db.id), nk_vs(name)), name, call->arena,
                       &value, NULL, call->err));
    out->UserDefinedFunction = value;
    return NK_OK;
}

nk_code glue_DeleteUserDefinedFunction(nk_call *call,
                                       const glue_DeleteUserDefinedFunctionRequest *in,
                                       glue_DeleteUserDefinedFunctionResponse *out)
{
    nk_catalog_ctx ctx;
    nk_db_ref db;
    nk_str name;
    nk_row row;
    NK_TRY(find(call, in->CatalogId, in->DatabaseName, in->FunctionName, &ctx, &db, &name));
    NK_TRY(nk_doc_load(call->tx, &type, NK_KEY(nk_vi(db.id), nk_vs(name)), name, call->arena, NULL,
                       &row, call->err));
    NK_TRY(nk_doc_drop(call->tx, &type, NK_KEY(nk_vi(db.id), nk_vs(name)), name, call->err));
    return remember(call, &ctx, &db, name, NK_HIST_DELETE, &row);
}

/* ---- listing ---- */

bool nk_hive_glob(nk_str p, nk_str s)
{
    size_t i = 0, k = 0, star = SIZE_MAX, mark = 0;
    while (k < s.n) {
        size_t run = 0; /* bytes of a star */
        if (i < p.n && p.p[i] == '*')
            run = 1;
        else if (i + 1 < p.n && p.p[i] == '.' && p.p[i + 1] == '*')
            run = 2;
        if (run) {
            star = i += run;
            mark = k;
        } else if (i < p.n && (p.p[i] == '.' || p.p[i] == s.p[k])) {
            i++;
            k++;
        } else if (star != SIZE_MAX) {
            i = star;
            k = ++mark;
        } else {
            return false;
        }
    }
    while (i < p.n && (p.p[i] == '*' || (p.p[i] == '.' && i + 1 < p.n && p.p[i + 1] == '*')))
        i++;
    return i == p.n;
}

typedef struct wanted {
    nk_call *call;
    const nk_catalog_ctx *ctx;
    nk_str pattern, function_type;
    int64_t checked; /* the last database that was looked up */
    bool there;
} wanted;

/* A deleted database's functions may still lie there. */
static bool database_lives(wanted *w, const nk_row *row)
{
    nk_row db;
    if (w->checked == row->cols[FN_DB].i)
        return w->there;
    w->checked = row->cols[FN_DB].i;
    w->there = nk_store_get(w->call->tx, &nk_kind_database,
                            NK_KEY(nk_vs(w->ctx->region), nk_vs(row->cols[FN_DBNAME].s)),
                            w->call->arena, &db, NULL) == NK_OK &&
               db.cols[NK_DB_ID].i == w->checked;
    return w->there;
}

static bool want(void *arg, const nk_row *row)
{
    wanted *w = arg;
    nk_str rest = w->pattern, one;
    glue_UserDefinedFunction *f;
    bool hit = false;
    while (!hit && nk_str_split(&rest, '|', &one))
        hit = nk_hive_glob(one, row->cols[FN_NAME].s);
    if (!hit || !database_lives(w, row))
        return false;
    if (!w->function_type.p)
        return true;
    return nk_model_decode(&glue_UserDefinedFunction_shape, nk_str_dup(w->call->arena, row->body),
                           w->call->arena, (void **)&f, NULL) == NK_OK &&
           nk_str_eq(f->FunctionType, w->function_type);
}

nk_code glue_GetUserDefinedFunctions(nk_call *call, const glue_GetUserDefinedFunctionsRequest *in,
                                     glue_GetUserDefinedFunctionsResponse *out)
{
    nk_catalog_ctx ctx;
    nk_db_ref db = {0};
    wanted w = {.call = call, .ctx = &ctx, .function_type = in->FunctionType};
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    w.pattern = nk_str_lower(call->arena, in->Pattern);
    nk_docs_page page = {.call = call,
                         .query = {.kind = &nk_kind_function,
                                   .index = &indexes[0],
                                   .prefix = NK_KEY(nk_vs(ctx.region)),
                                   .nprefix = 1},
                         .token = in->NextToken,
                         .max = (size_t)nk_i64_or(in->MaxResults, 100),
                         .want = want,
                         .arg = &w};
    nk_val one = {0};
    if (in->DatabaseName.p) {
        NK_TRY(nk_database_ref(call->tx, &ctx, in->DatabaseName, &db, call->err));
        one = nk_vi(db.id);
        page.query.index = NULL;
        page.query.prefix = &one;
        w.checked = db.id;
        w.there = true;
    }
    page.request =
        nk_str_printf(call->arena, "%.*s %lld %.*s %.*s", NK_STR_ARG(ctx.region), (long long)db.id,
                      NK_STR_ARG(w.pattern), NK_STR_ARG(in->FunctionType));
    if (!w.pattern.p)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    NK_TRY(nk_docs_list(&page, &out->NextToken));
    return nk_docs_fill(&page, sizeof(glue_UserDefinedFunction), &out->UserDefinedFunctions);
}
