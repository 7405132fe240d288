/* Compatibility levels and modes of the Confluent door. A schema's own stand in its record, where
 * the Glue API sees them too; those of subjects that are not there yet, and the region's, in
 * records of their own. */
#include "registry/jsonvalue_int.h"
#include "registry/registry_int.h"
#include "registry/subjects.h"

static const char *const mode_names[NK_MODES] = {
    [NK_MODE_READWRITE] = "READWRITE",
    [NK_MODE_READONLY] = "READONLY",
    [NK_MODE_READONLY_OVERRIDE] = "READONLY_OVERRIDE",
    [NK_MODE_IMPORT] = "IMPORT",
};

/* What is set at one place. */
typedef struct setting {
    bool there; /* the subject is a schema */
    nk_schema_row schema;
    nk_reg_config config; /* the record, when it is none; or the region's */
    nk_str registry, name;
} setting;

static nk_code load(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, setting *out,
                    nk_err *err)
{
    *out = (setting){.registry = s ? s->registry : NK_STR(""), .name = s ? s->name : NK_STR("")};
    if (s) {
        nk_code rc = nk_schema_load(tx, ctx, s->registry, s->name, &out->schema, err);
        out->there = rc == NK_OK;
        if (rc != NK_OK && rc != NK_E_NOT_FOUND)
            return rc;
    }
    return nk_config_load(tx, ctx, out->registry, out->name, &out->config, err);
}

static nk_code save(nk_tx *tx, const nk_reg_ctx *ctx, setting *s, nk_err *err)
{
    if (!s->there)
        return nk_config_save(tx, ctx, s->registry, s->name, &s->config, err);
    s->schema.change++;
    return nk_schema_save(tx, ctx, &s->schema, false, err);
}

/* -1 when it has none of its own. */
static int64_t own_level(const setting *s)
{
    if (!s->there)
        return s->config.compat;
    return s->schema.compat_follows ? -1 : s->schema.compat;
}

static nk_str level_name(int64_t compat)
{
    nk_str name = nk_compat_modes[compat].name[NK_DOOR_CONFLUENT];
    return name.p ? name : NK_STR("NONE"); /* Glue's DISABLED: its mode is READONLY instead */
}

/* ---- the settings as one JSON object ---- */

/* What a request may set beside the level. Those that are not here are refused by name. */
static const struct further {
    const char *name;
    enum { TEXT, FLAG, METADATA, RULES } shape;
} furthers[] = {
    {"alias", TEXT},
    {"normalize", FLAG},
    {"compatibilityGroup", TEXT},
    {"validateNewSchemas", FLAG}, /* they always are, as are rules */
    {"validateRules", FLAG},
    {"defaultMetadata", METADATA},
    {"overrideMetadata", METADATA},
    {"defaultRuleSet", RULES},
    {"overrideRuleSet", RULES},
};

static nk_code clean(const nk_reg_ctx *ctx, const struct further *f, const nk_json *in,
                     nk_json **out, nk_err *err)
{
    if (f->shape == METADATA)
        return nk_contract_metadata(ctx->arena, in, out, err);
    if (f->shape == RULES)
        return nk_contract_rules(ctx->arena, in, out, err);
    bool flag = in->kind == NK_JSON_TRUE || in->kind == NK_JSON_FALSE;
    if (f->shape == FLAG ? !flag : in->kind != NK_JSON_STRING || in->text.n > 255)
        return nk_fail(err, NK_E_SERIALIZATION, "'%s' must be %s", f->name,
                       f->shape == FLAG ? "true or false" : "a string of at most 255 bytes");
    *out = jv_copy(ctx->arena, in);
    return *out ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
}

/* A member that is given takes the old one's place, null removes it, others stay. */
static nk_code change(const nk_reg_ctx *ctx, const nk_json *old, const nk_json *body,
                      const nk_json **out, nk_err *err)
{
    nk_json *all = old ? jv_copy(ctx->arena, old) : jv_new(ctx->arena, NK_JSON_OBJECT, NK_STR_NULL);
    for (size_t i = 0; all && i < NK_COUNTOF(furthers); i++) {
        const nk_json *given = nk_json_get(body, furthers[i].name);
        nk_json *v;
        if (!given)
            continue;
        jv_unset(all, nk_str_c(furthers[i].name));
        if (given->kind == NK_JSON_NULL || (given->kind == NK_JSON_STRING && !given->text.n))
            continue;
        NK_TRY(clean(ctx, &furthers[i], given, &v, err));
        if (!jv_set(ctx->arena, all, nk_str_c(furthers[i].name), v))
            all = NULL;
    }
    if (!all)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    *out = all->first ? all : NULL;
    return NK_OK;
}

static nk_code known_only(const nk_json *body, nk_err *err)
{
    for (const nk_json *m = body->first; m; m = m->next) {
        bool known = m->kind == NK_JSON_NULL || nk_str_is(m->key, "compatibility") ||
                     nk_str_is(m->key, "compatibilityLevel");
        for (size_t i = 0; !known && i < NK_COUNTOF(furthers); i++)
            known = nk_str_is(m->key, furthers[i].name);
        if (!known)
            return nk_cf_fail(err, NK_CF_INVALID_SCHEMA,
                              "'%.*s' is not supported here: leave it out", NK_STR_ARG(m->key));
    }
    return NK_OK;
}

static const nk_json *further(const setting *s)
{
    return s->there ? s->schema.config : s->config.more;
}

static void put(nk_json_writer *w, const char *key, nk_str level, const nk_json *more)
{
    nk_jw_object(w);
    if (level.p)
        nk_jw_kstr(w, key, level);
    for (const nk_json *m = more ? more->first : NULL; m; m = m->next) {
        nk_jw_key(w, m->key);
        nk_jw_tree(w, m);
    }
    nk_jw_object_end(w);
}

static nk_code level_of(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, const setting *own,
                        nk_str *out, nk_err *err)
{
    int64_t level = own_level(own);
    nk_reg_config all = {.compat = -1};
    if (level < 0 && s)
        NK_TRY(nk_config_load(tx, ctx, NK_STR(""), NK_STR(""), &all, err));
    *out = level_name(level >= 0 ? level : all.compat >= 0 ? all.compat : NK_COMPAT_BACKWARD);
    return NK_OK;
}

static nk_code no_level(const nk_subject *s, nk_err *err)
{
    return nk_cf_fail(err, NK_CF_NO_SUBJECT_COMPATIBILITY,
                      "Subject '%.*s' does not have subject-level compatibility configured",
                      NK_STR_ARG(s->name));
}

nk_code nk_config_get(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, bool fall_back,
                      nk_json_writer *w, nk_err *err)
{
    setting own;
    nk_str level;
    NK_TRY(load(tx, ctx, s, &own, err));
    if (s && !fall_back && own_level(&own) < 0 && !further(&own))
        return no_level(s, err);
    NK_TRY(level_of(tx, ctx, s, &own, &level, err));
    const nk_json *more = further(&own);
    if (s && fall_back)
        NK_TRY(nk_config_of(tx, ctx, s, &more, err));
    put(w, "compatibilityLevel", level, more);
    return NK_OK;
}

nk_code nk_config_put(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, const nk_json *body,
                      nk_json_writer *w, nk_err *err)
{
    setting own;
    nk_str level = nk_json_str(body, "compatibility");
    const nk_json *more = NULL;
    if (!level.p)
        level = nk_json_str(body, "compatibilityLevel");
    NK_TRY(known_only(body, err));
    NK_TRY(load(tx, ctx, s, &own, err));
    NK_TRY(change(ctx, further(&own), body, &more, err));
    int compat = level.p ? nk_compat_mode_find(NK_DOOR_CONFLUENT, level) : -1;
    if (compat < 0 && (level.p || body->count == 0))
        return nk_cf_fail(err, NK_CF_INVALID_COMPATIBILITY,
                          "Invalid compatibility level. Valid values are none, backward, forward, "
                          "full, backward_transitive, forward_transitive, and full_transitive");
    if (compat >= 0) {
        own.config.compat = own.schema.compat = compat;
        own.schema.compat_follows = false;
    }
    own.config.more = own.schema.config = more;
    NK_TRY(save(tx, ctx, &own, err));
    int64_t now = own_level(&own);
    put(w, "compatibility", now < 0 ? NK_STR_NULL : level_name(now), more);
    return NK_OK;
}

nk_code nk_config_delete(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, nk_json_writer *w,
                         nk_err *err)
{
    setting own;
    nk_str level;
    NK_TRY(load(tx, ctx, s, &own, err));
    if (s && own_level(&own) < 0 && !further(&own))
        return no_level(s, err);
    NK_TRY(level_of(tx, ctx, s, &own, &level, err));
    put(w, "compatibilityLevel", level, further(&own));
    own.config.compat = -1;
    own.schema.compat_follows = true;
    own.config.more = own.schema.config = NULL;
    return save(tx, ctx, &own, err);
}

nk_code nk_config_of(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, const nk_json **out,
                     nk_err *err)
{
    setting own;
    nk_reg_config all;
    NK_TRY(load(tx, ctx, s, &own, err));
    NK_TRY(nk_config_load(tx, ctx, NK_STR(""), NK_STR(""), &all, err));
    return nk_config_merge(ctx, all.more, further(&own), out, err);
}

nk_code nk_config_merge(const nk_reg_ctx *ctx, const nk_json *all, const nk_json *own,
                        const nk_json **out, nk_err *err)
{
    *out = all ? all : own;
    if (!all || !own)
        return NK_OK;
    nk_json *both = jv_copy(ctx->arena, all);
    bool whole = both && jv_set_all(ctx->arena, both, own);
    *out = both;
    return whole ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
}

nk_code nk_subject_alias(nk_tx *tx, const nk_reg_ctx *ctx, nk_subject *s, nk_err *err)
{
    setting own;
    NK_TRY(load(tx, ctx, s, &own, err));
    nk_str alias = nk_json_str(further(&own), "alias");
    if (!alias.n)
        return NK_OK;
    nk_str registry = s->registry;
    NK_TRY(nk_subject_parse(ctx, alias, s, err));
    if (!nk_str_starts(alias, NK_STR(":."))) /* in the same context */
        s->registry = registry;
    return NK_OK;
}

/* ---- modes ---- */

static int64_t own_mode(const setting *s)
{
    if (!s->there)
        return s->config.mode;
    if (s->schema.mode < 0 && nk_compat_modes[s->schema.compat].closed)
        return NK_MODE_READONLY;
    return s->schema.mode;
}

nk_code nk_mode_get(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, bool fall_back,
                    nk_str *out, nk_err *err)
{
    setting own;
    NK_TRY(load(tx, ctx, s, &own, err));
    int64_t mode = own_mode(&own);
    if (mode < 0 && s && !fall_back)
        return nk_cf_fail(err, NK_CF_NO_SUBJECT_MODE,
                          "Subject '%.*s' does not have subject-level mode configured",
                          NK_STR_ARG(s->name));
    if (mode < 0 && s)
        return nk_mode_get(tx, ctx, NULL, true, out, err);
    *out = nk_str_c(mode_names[mode < 0 ? NK_MODE_READWRITE : mode]);
    return NK_OK;
}

/* Imports begin with nothing, or are forced. */
static nk_code may_import(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, const setting *own,
                          nk_err *err)
{
    nk_strs names = {0};
    if (s ? !own->there || !own->schema.latest : false)
        return NK_OK;
    if (!s)
        NK_TRY(nk_subjects_list(tx, ctx, NK_STR_NULL, NK_STR(""), NK_LIVE, &names, err));
    if (!s && !names.n)
        return NK_OK;
    return nk_cf_fail(err, NK_CF_NOT_PERMITTED, "Cannot import since found existing subjects");
}

nk_code nk_mode_put(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, nk_str mode, bool force,
                    nk_err *err)
{
    setting own;
    int64_t number = -1;
    for (int i = 0; i < NK_MODES; i++)
        if (nk_str_is(mode, mode_names[i]))
            number = i;
    if (number < 0 || (s && number == NK_MODE_READONLY_OVERRIDE))
        return nk_cf_fail(err, NK_CF_INVALID_MODE,
                          "Invalid mode. Valid values are READWRITE, READONLY, READONLY_OVERRIDE "
                          "(not of a subject), IMPORT");
    NK_TRY(load(tx, ctx, s, &own, err));
    if (number == NK_MODE_IMPORT && !force)
        NK_TRY(may_import(tx, ctx, s, &own, err));
    own.config.mode = own.schema.mode = number;
    return save(tx, ctx, &own, err);
}

nk_code nk_mode_delete(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, nk_str *out,
                       nk_err *err)
{
    setting own;
    NK_TRY(load(tx, ctx, s, &own, err));
    int64_t mode = own.there ? own.schema.mode : own.config.mode;
    if (mode < 0 && s)
        return nk_cf_fail(err, NK_CF_NO_SUBJECT_MODE,
                          "Subject '%.*s' does not have subject-level mode configured",
                          NK_STR_ARG(s->name));
    *out = nk_str_c(mode_names[mode < 0 ? NK_MODE_READWRITE : mode]);
    own.config.mode = own.schema.mode = -1;
    return save(tx, ctx, &own, err);
}
