/* The registry as a Confluent door sees it: subjects (schemas), versions, numbers, settings, soft
 * and hard deletion. Refusals carry Confluent's error code as digits in err->aws. Functions with a
 * tx run in it; writers want the writer's. */
#ifndef NK_SUBJECTS_H
#define NK_SUBJECTS_H

#include "registry/registry.h"

/* Confluent's error codes; the HTTP status is their first three digits. */
typedef enum {
    NK_CF_SUBJECT_NOT_FOUND = 40401,
    NK_CF_VERSION_NOT_FOUND = 40402,
    NK_CF_SCHEMA_NOT_FOUND = 40403,
    NK_CF_SUBJECT_SOFT_DELETED = 40404,
    NK_CF_SUBJECT_NOT_SOFT_DELETED = 40405,
    NK_CF_VERSION_SOFT_DELETED = 40406,
    NK_CF_VERSION_NOT_SOFT_DELETED = 40407,
    NK_CF_NO_SUBJECT_COMPATIBILITY = 40408,
    NK_CF_NO_SUBJECT_MODE = 40409,
    NK_CF_INCOMPATIBLE = 409,
    NK_CF_INVALID_SCHEMA = 42201,
    NK_CF_INVALID_VERSION = 42202,
    NK_CF_INVALID_COMPATIBILITY = 42203,
    NK_CF_INVALID_MODE = 42204,
    NK_CF_NOT_PERMITTED = 42205,
    NK_CF_REFERENCE_EXISTS = 42206,
    NK_CF_INVALID_SUBJECT = 42208,
    NK_CF_INVALID_RULE_SET = 42210,
    NK_CF_CONTEXT_NOT_EMPTY = 42211,
} nk_cf_error;
nk_code nk_cf_fail(nk_err *err, nk_cf_error code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* "orders-value" of the default registry; ":.other:orders-value" of another one. */
typedef struct nk_subject {
    nk_str registry, name;
} nk_subject;
nk_code nk_subject_parse(const nk_reg_ctx *ctx, nk_str text, nk_subject *out, nk_err *err) NK_MUST;
nk_str nk_subject_text(const nk_reg_ctx *ctx, nk_str registry, nk_str name);
/* "latest", "-1" or a number. 0 = the latest. */
nk_code nk_subject_version_parse(nk_str text, int64_t *out, nk_err *err) NK_MUST;

/* What of the deleted is shown. */
typedef enum { NK_LIVE, NK_WITH_DELETED, NK_ONLY_DELETED } nk_shown;

/* One version with all that is told of it. */
typedef struct nk_subject_version {
    nk_schema_row schema;
    nk_version_row version;
    nk_schema_links links;
} nk_subject_version;
NK_LIST(nk_subject_versions, nk_subject_version);

typedef struct nk_i64s {
    int64_t *v;
    size_t n, cap;
} nk_i64s;

/* prefix: of names; registry p NULL: all. */
nk_code nk_subjects_list(nk_tx *tx, const nk_reg_ctx *ctx, nk_str registry, nk_str prefix,
                         nk_shown shown, nk_strs *out, nk_err *err) NK_MUST;
nk_code nk_subject_load(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, nk_shown shown,
                        nk_schema_row *out, nk_err *err) NK_MUST;
nk_code nk_subject_numbers(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, nk_shown shown,
                           nk_i64s *out, nk_err *err) NK_MUST;
nk_code nk_subject_get(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, int64_t version,
                       bool deleted, nk_subject_version *out, nk_err *err) NK_MUST;
/* Numbers of the schemas that link to this version. */
nk_code nk_subject_referenced_by(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject_version *v,
                                 nk_i64s *out, nk_err *err) NK_MUST;

/* All versions that share a number; with `first` one of them, its reply and links but not its
 * schema: all that readers of data want. */
nk_code nk_number_versions(nk_tx *tx, const nk_reg_ctx *ctx, int64_t number, nk_shown shown,
                           bool first, nk_subject_versions *out, nk_err *err) NK_MUST;
nk_code nk_number_max(nk_tx *tx, const nk_reg_ctx *ctx, int64_t *out, nk_err *err) NK_MUST;

/* The two steps of registering (nk_registration_prepare, nk_registration_write); refusals by
 * Confluent's codes. number and version: what an import asks for, 0 = none. */
nk_code nk_subject_prepare(const nk_reg_ctx *ctx, nk_subject *s, nk_registration *r,
                           nk_err *err) NK_MUST;
nk_code nk_subject_write(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, nk_registration *r,
                         nk_err *err) NK_MUST;
nk_code nk_subject_lookup(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, bool deleted,
                          nk_registration *r, nk_err *err) NK_MUST;
/* *compatible and r->conflicts; version -1 = all that the subject's level asks for. */
nk_code nk_subject_check(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, int64_t version,
                         nk_registration *r, bool *compatible, nk_err *err) NK_MUST;
/* One line as Confluent writes it. */
nk_str nk_conflict_confluent(const nk_conflict *c, nk_arena *a);

nk_code nk_subject_delete(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, bool permanent,
                          nk_i64s *out, nk_err *err) NK_MUST;
nk_code nk_subject_version_delete(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s,
                                  int64_t version, bool permanent, int64_t *out,
                                  nk_err *err) NK_MUST;

/* A context without subjects, soft-deleted ones included. */
nk_code nk_context_delete(nk_tx *tx, const nk_reg_ctx *ctx, nk_str registry, nk_err *err) NK_MUST;

/* Settings; s NULL = the region's. Getting gives the default where nothing is set and `fall_back`.
 * Those of Confluent's config as one object: the level, and alias, normalize, compatibilityGroup,
 * default and override metadata and rule sets. */
nk_code nk_config_get(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, bool fall_back,
                      nk_json_writer *w, nk_err *err) NK_MUST;
/* body: an object. Members that are absent stay, null ones go. Gives what is set then. */
nk_code nk_config_put(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, const nk_json *body,
                      nk_json_writer *w, nk_err *err) NK_MUST;
/* Gives what was set. */
nk_code nk_config_delete(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, nk_json_writer *w,
                         nk_err *err) NK_MUST;
/* All but the level, the region's where the subject has none; NULL = none. */
nk_code nk_config_of(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, const nk_json **out,
                     nk_err *err) NK_MUST;
nk_code nk_config_merge(const nk_reg_ctx *ctx, const nk_json *all, const nk_json *own,
                        const nk_json **out, nk_err *err) NK_MUST;
/* The subject that it stands for, when its settings have an alias. */
nk_code nk_subject_alias(nk_tx *tx, const nk_reg_ctx *ctx, nk_subject *s, nk_err *err) NK_MUST;
nk_code nk_mode_get(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, bool fall_back,
                    nk_str *out, nk_err *err) NK_MUST;
nk_code nk_mode_put(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, nk_str mode, bool force,
                    nk_err *err) NK_MUST;
nk_code nk_mode_delete(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, nk_str *out,
                       nk_err *err) NK_MUST;

#endif
