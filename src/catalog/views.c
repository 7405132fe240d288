/* Multi-dialect views. A definition is kept as it is given; no engine is asked to validate it, so
 * a change has succeeded when it is stored. */
#include "catalog/views_int.h"

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

const glue_ViewRepresentation *nk_view_dialect(const glue_ViewDefinition *v, nk_str dialect)
{
    for (size_t i = 0; v && i < v->Representations.n; i++)
        if (nk_str_eq(v->Representations.v[i].Dialect, dialect))
            return &v->Representations.v[i];
    return NULL;
}

/* The kept shape has all the members of the given one. */
static nk_code as_kept(const glue_ViewDefinitionInput *in, nk_arena *a, glue_ViewDefinition **out,
                       nk_err *err)
{
    nk_str json;
    NK_TRY(nk_model_encode_str(&glue_ViewDefinitionInput_shape, in, a, &json, err));
    return nk_model_decode(&glue_ViewDefinition_shape, json, a, (void **)out, err);
}

nk_code nk_view_make(const glue_ViewDefinitionInput *in, nk_arena *a, glue_ViewDefinition **out,
                     nk_err *err)
{
    *out = NULL;
    if (!in)
        return NK_OK;
    for (size_t i = 0; i < in->Representations.n; i++) {
        const glue_ViewRepresentationInput *r = &in->Representations.v[i];
        if (!r->Dialect.p || (!r->ViewOriginalText.p && !r->ViewExpandedText.p))
            return nk_fail(err, NK_E_INVALID,
                           "A representation of a view must have a Dialect and a text.");
        for (size_t k = 0; k < i; k++)
            if (nk_str_eq(in->Representations.v[k].Dialect, r->Dialect))
                return nk_fail(err, NK_E_INVALID, "The dialect %.*s is given twice.",
                               NK_STR_ARG(r->Dialect));
    }
    return as_kept(in, a, out, err);
}

/* ---- changing ---- */

static bool same_columns(const glue_StorageDescriptor *x, const glue_StorageDescriptor *y)
{
    size_t n = x ? x->Columns.n : 0;
    if (n != (y ? y->Columns.n : 0))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!nk_str_ieq(x->Columns.v[i].Name, y->Columns.v[i].Name) ||
            !nk_str_eq(x->Columns.v[i].Type, y->Columns.v[i].Type))
            return false;
    return true;
}

static bool same_objects(const nk_list_str *x, const nk_list_str *y)
{
    bool same = x->n == y->n;
    for (size_t i = 0; same && i < x->n; i++) {
        same = false;
        for (size_t k = 0; k < y->n && !same; k++)
            same = nk_str_eq(x->v[i], y->v[k]);
    }
    return same;
}

/* What an action leaves out is as it was. */
static void complete(glue_TableInput *in, const glue_Table *old)
{
#define KEEP(member, there)                                                                        \
    do {                                                                                           \
        if (!in->member there)                                                                     \
            in->member = old->member;                                                              \
    } while (0)
    KEEP(Description, .p);
    KEEP(Owner, .p);
    KEEP(LastAccessTime, .set);
    KEEP(LastAnalyzedTime, .set);
    KEEP(Retention, .set);
    KEEP(StorageDescriptor, );
    KEEP(PartitionKeys, .set);
    KEEP(ViewOriginalText, .p);
    KEEP(ViewExpandedText, .p);
    KEEP(TableType, .p);
    KEEP(Parameters, .set);
#undef KEEP
}

static void keep_definition(glue_ViewDefinition *new, const glue_ViewDefinition *old, bool objects)
{
    if (!new->IsProtected.set)
        new->IsProtected = old->IsProtected;
    if (!new->IsManaged.set)
        new->IsManaged = old->IsManaged;
    if (!new->Definer.p)
        new->Definer = old->Definer;
    if (!new->RefreshSeconds.set)
        new->RefreshSeconds = old->RefreshSeconds;
    if (!objects)
        new->SubObjects = old->SubObjects;
}

/* The representations after the action. */
static nk_code merge(nk_str action, bool stale, const glue_ViewDefinition *old,
                     glue_ViewDefinition *new, nk_arena *a, nk_err *err)
{
    bool drop = nk_str_is(action, "DROP"), add = nk_str_is(action, "ADD"),
         replace = nk_str_is(action, "REPLACE");
    glue_ViewRepresentation_list out = {
        .v = NK_NEWN(a, glue_ViewRepresentation,
                     old->Representations.n + new->Representations.n + 1),
        .set = true};
    if (!out.v)
        return nomem(err);
    for (size_t i = 0; i < new->Representations.n; i++) {
        nk_str dialect = new->Representations.v[i].Dialect;
        bool there = nk_view_dialect(old, dialect) != NULL;
        if (add && there)
            return nk_fail(err, NK_E_INVALID, "The view has the dialect %.*s already.",
                           NK_STR_ARG(dialect));
        if ((drop || replace) && !there)
            return nk_fail(err, NK_E_INVALID, "The view does not have the dialect %.*s.",
                           NK_STR_ARG(dialect));
    }
    for (size_t i = 0; i < old->Representations.n; i++) {
        const glue_ViewRepresentation *r = &old->Representations.v[i];
        if (nk_view_dialect(new, r->Dialect))
            continue;
        out.v[out.n] = *r;
        if (stale)
            out.v[out.n].IsStale = nk_some_bool(true);
        out.n++;
    }
    for (size_t i = 0; !drop && i < new->Representations.n; i++)
        out.v[out.n++] = new->Representations.v[i];
    if (!out.n)
        return nk_fail(err, NK_E_INVALID, "The last dialect of a view cannot be dropped.");
    new->Representations = out;
    return NK_OK;
}

/* Dropping needs no texts. */
static nk_code named(const glue_ViewDefinitionInput *in, nk_arena *a, glue_ViewDefinition **out,
                     nk_err *err)
{
    for (size_t i = 0; i < in->Representations.n; i++)
        if (!in->Representations.v[i].Dialect.p)
            return nk_fail(err, NK_E_INVALID, "A representation of a view must have a Dialect.");
    return as_kept(in, a, out, err);
}

nk_code nk_view_change(nk_str action, bool force, const glue_Table *old, glue_TableInput *in,
                       nk_arena *a, glue_ViewDefinition **out, nk_err *err)
{
    const glue_ViewDefinitionInput *asked = in->ViewDefinition;
    const glue_ViewDefinition *was = old->ViewDefinition;
    if (!was)
        return nk_fail(err, NK_E_INVALID, "ViewUpdateAction: %.*s is no view of several dialects.",
                       NK_STR_ARG(old->Name));
    if (!asked || !asked->Representations.n)
        return nk_fail(err, NK_E_INVALID,
                       "ViewUpdateAction needs a ViewDefinition with Representations.");
    NK_TRY(nk_str_is(action, "DROP") ? named(asked, a, out, err)
                                     : nk_view_make(asked, a, out, err));
    bool other =
        (in->StorageDescriptor && !same_columns(in->StorageDescriptor, old->StorageDescriptor)) ||
        (asked->SubObjects.set && !same_objects(&asked->SubObjects, &was->SubObjects));
    if (other && !force)
        return nk_fail(err, NK_E_INVALID,
                       "The columns and SubObjects must be those of the view's other dialects, "
                       "unless Force is given.");
    complete(in, old);
    keep_definition(*out, was, asked->SubObjects.set);
    return merge(action, other, was, *out, a, err);
}

/* ---- answering ---- */

nk_code nk_view_status(nk_arena *a, nk_str body, nk_str *out, nk_err *err)
{
    glue_Table *t;
    *out = body;
    NK_TRY(nk_model_decode(&glue_Table_shape, body, a, (void **)&t, err));
    if (!t->ViewDefinition)
        return NK_OK;
    const glue_ViewRepresentation_list *r = &t->ViewDefinition->Representations;
    glue_TableStatus *s = NK_NEW(a, glue_TableStatus);
    glue_StatusDetails *d = NK_NEW(a, glue_StatusDetails);
    glue_Table *asked = NK_NEW(a, glue_Table);
    glue_ViewValidation *v = NK_NEWN(a, glue_ViewValidation, r->n + 1);
    if (!s || !d || !asked || !v)
        return nomem(err);
    *asked = *t;
    for (size_t i = 0; i < r->n; i++)
        v[i] = (glue_ViewValidation){.Dialect = r->v[i].Dialect,
                                     .DialectVersion = r->v[i].DialectVersion,
                                     .ViewValidationText = r->v[i].ViewOriginalText,
                                     .UpdateTime = t->UpdateTime,
                                     .State = NK_STR("SUCCESS")};
    *d = (glue_StatusDetails){.RequestedChange = asked,
                              .ViewValidations = {.v = v, .n = r->n, .set = true}};
    *s = (glue_TableStatus){.RequestedBy = t->CreatedBy,
                            .UpdatedBy = t->CreatedBy,
                            .RequestTime = t->UpdateTime,
                            .UpdateTime = t->UpdateTime,
                            .Action =
                                nk_str_is(t->VersionId, "0") ? NK_STR("CREATE") : NK_STR("UPDATE"),
                            .State = NK_STR("SUCCESS"),
                            .Details = d};
    t->Status = s;
    return nk_model_encode_str(&glue_Table_shape, t, a, out, err);
}
