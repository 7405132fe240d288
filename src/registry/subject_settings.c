/* Compatibility levels and modes of the Confluent door. A schema's own stand in its record, where
 * the Glue API sees them too; those of subjects that are not there yet, and the region's, in
 * records of their own. */
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

nk_code nk_level_get(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, bool fall_back,
                     nk_str *out, nk_err *err)
{
    setting own;
    NK_TRY(load(tx, ctx, s, &own, err));
    int64_t level = own_level(&own);
    if (level < 0 && s && !fall_back)
        return nk_cf_fail(err, NK_CF_NO_SUBJECT_COMPATIBILITY,
                          "Subject '%.*s' does not have subject-level compatibility configured",
                          NK_STR_ARG(s->name));
    if (level < 0 && s)
        return nk_level_get(tx, ctx, NULL, true, out, err);
    *out = level_name(level < 0 ? NK_COMPAT_BACKWARD : level);
    return NK_OK;
}

nk_code nk_level_put(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, nk_str level,
                     nk_err *err)
{
    setting own;
    int compat = nk_compat_mode_find(NK_DOOR_CONFLUENT, level);
    if (compat < 0)
        return nk_cf_fail(err, NK_CF_INVALID_COMPATIBILITY,
                          "Invalid compatibility level. Valid values are none, backward, forward, "
                          "full, backward_transitive, forward_transitive, and full_transitive");
    NK_TRY(load(tx, ctx, s, &own, err));
    own.config.compat = own.schema.compat = compat;
    own.schema.compat_follows = false;
    return save(tx, ctx, &own, err);
}

nk_code nk_level_delete(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, nk_str *out,
                        nk_err *err)
{
    setting own;
    NK_TRY(load(tx, ctx, s, &own, err));
    int64_t level = own_level(&own);
    if (level < 0 && s)
        return nk_cf_fail(err, NK_CF_NO_SUBJECT_COMPATIBILITY,
                          "Subject '%.*s' does not have subject-level compatibility configured",
                          NK_STR_ARG(s->name));
    *out = level_name(level < 0 ? NK_COMPAT_BACKWARD : level);
    own.config.compat = -1;
    own.schema.compat_follows = true;
    return save(tx, ctx, &own, err);
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
