/* Inside the registry. */
#ifndef NK_REGISTRY_INT_H
#define NK_REGISTRY_INT_H

#include "catalog/tags.h"
#include "model/glue_handlers.h"
#include "model/page.h"
#include "registry/registry.h"

/* ---- records (kinds.c) ---- */
extern const nk_kind nk_kind_registry, nk_kind_schema, nk_kind_schema_version, nk_kind_schema_link,
    nk_kind_schema_metadata, nk_kind_schema_config, nk_kind_schema_follower;

enum { NK_REG_REGION, NK_REG_NAME, NK_REG_ID, NK_REG_DELETING, NK_REG_NCOLS };
enum {
    NK_SCH_REGISTRY,
    NK_SCH_NAME,
    NK_SCH_ID,
    NK_SCH_REGION,
    NK_SCH_FORMAT,
    NK_SCH_NEXT,
    NK_SCH_LATEST,
    NK_SCH_CHECKPOINT,
    NK_SCH_CHANGE,
    NK_SCH_COMPAT,
    NK_SCH_FOLLOWS,
    NK_SCH_MODE,
    NK_SCH_DELETING,
    NK_SCH_REGISTRY_NAME,
    NK_SCH_NCOLS
};
enum {
    NK_VER_SCHEMA,
    NK_VER_VERSION,
    NK_VER_UUID,
    NK_VER_REGION,
    NK_VER_NUMBER,
    NK_VER_HASH,
    NK_VER_STATE,
    NK_VER_CREATED,
    NK_VER_LINKS,    /* 1, or NULL when it links to none */
    NK_VER_CONTRACT, /* NULL when there is none */
    NK_VER_NCOLS
};
enum {
    NK_LNK_SCHEMA,
    NK_LNK_VERSION,
    NK_LNK_SEQ,
    NK_LNK_NAME,
    NK_LNK_TO_SCHEMA,
    NK_LNK_TO_VERSION,
    NK_LNK_REGISTRY,
    NK_LNK_TO_REGISTRY,
    NK_LNK_NCOLS
};
enum {
    NK_META_SCHEMA,
    NK_META_VERSION,
    NK_META_KEY,
    NK_META_VALUE,
    NK_META_CREATED,
    NK_META_SEQ,
    NK_META_NCOLS
};
/* Confluent's settings of a region (subject "") and of subjects that are not there yet. */
enum { NK_CFG_REGION, NK_CFG_REGISTRY, NK_CFG_SUBJECT, NK_CFG_COMPAT, NK_CFG_MODE, NK_CFG_NCOLS };

/* ---- limits ---- */
enum {
    NK_REGISTRIES_MAX = 100, /* a region */
    NK_VERSION_MAX = 100000, /* a schema's highest version number */
    NK_METADATA_MAX = 10,    /* pairs a version */

    NK_LINKS_MAX = 1000,        /* definitions that one may pull in, all told */
    NK_DELETE_RANGE_MAX = 10000 /* versions named by one DeleteSchemaVersions */
};

/* ---- recall.c ---- */
nk_code nk_recall_start(nk_app *app, nk_err *err) NK_MUST;

/* ---- load.c ---- */
nk_reg_ctx nk_reg_ctx_of(const nk_call *call);
typedef struct nk_registry_row {
    nk_str name;
    int64_t id;
    bool deleting;
    nk_str body; /* glue_RegistryListItem without Status */
} nk_registry_row;
nk_code nk_registry_load(nk_tx *tx, const nk_reg_ctx *ctx, nk_str name, nk_registry_row *out,
                         nk_err *err) NK_MUST;
nk_code nk_registry_save(nk_tx *tx, const nk_reg_ctx *ctx, const nk_registry_row *r, bool insert,
                         nk_err *err) NK_MUST;
nk_code nk_registry_create(nk_tx *tx, const nk_reg_ctx *ctx, nk_str name, nk_str description,
                           const nk_map_str *tags, nk_registry_row *out, nk_err *err) NK_MUST;
nk_code nk_schema_save(nk_tx *tx, const nk_reg_ctx *ctx, const nk_schema_row *s, bool insert,
                       nk_err *err) NK_MUST;
nk_code nk_schema_read(const nk_reg_ctx *ctx, const nk_row *row, nk_schema_row *out,
                       nk_err *err) NK_MUST;
nk_code nk_version_read(const nk_reg_ctx *ctx, const nk_row *row, nk_version_row *out,
                        nk_err *err) NK_MUST;
nk_code nk_registry_arn(const nk_reg_ctx *ctx, nk_str registry, nk_str *out, nk_err *err) NK_MUST;
nk_code nk_schema_arn(const nk_reg_ctx *ctx, nk_str registry, nk_str schema, nk_str *out,
                      nk_err *err) NK_MUST;
/* "2026-01-02T03:04:05.678Z" */
nk_code nk_reg_time(const nk_reg_ctx *ctx, nk_str *out, nk_err *err) NK_MUST;
/* A request's ids, by name or ARN. NK_E_INVALID in AWS's words. */
nk_code nk_registry_name_of(const nk_reg_ctx *ctx, const glue_RegistryId *id, nk_str *name,
                            nk_err *err) NK_MUST;
nk_code nk_schema_name_of(const nk_reg_ctx *ctx, const glue_SchemaId *id, nk_str *registry,
                          nk_str *name, nk_err *err) NK_MUST;
/* Loads what a SchemaId names. */
nk_code nk_schema_of(nk_tx *tx, const nk_reg_ctx *ctx, const glue_SchemaId *id, nk_schema_row *out,
                     nk_err *err) NK_MUST;
/* A SchemaVersionNumber: 0 = the latest. */
nk_code nk_version_number_of(const glue_SchemaVersionNumber *n, int64_t *out, nk_err *err) NK_MUST;
/* SchemaVersionId, or SchemaId with SchemaVersionNumber. s may be NULL. */
nk_code nk_version_of(nk_tx *tx, const nk_reg_ctx *ctx, const glue_SchemaId *id, nk_str uuid,
                      const glue_SchemaVersionNumber *number, nk_schema_row *s, nk_version_row *out,
                      nk_err *err) NK_MUST;
/* Is the schema, or its registry, marked? */
nk_code nk_schema_is_deleting(nk_tx *tx, int64_t schema, bool *out, nk_err *err) NK_MUST;
nk_code nk_fail_schema(nk_err *err, nk_str registry, nk_str name);
/* What their ARNs say after the account: for tags. p NULL when memory is gone. */
nk_str nk_registry_resource(nk_arena *a, nk_str registry);
nk_str nk_schema_resource(nk_arena *a, nk_str registry, nk_str schema);

/* The mode and compatibility that hold for schemas without their own. */
typedef struct nk_reg_config {
    bool set;             /* a record of its own stands */
    int64_t compat, mode; /* -1 = not set */
    const nk_json *more;  /* further settings, an object; NULL = none */
} nk_reg_config;
nk_code nk_config_load(nk_tx *tx, const nk_reg_ctx *ctx, nk_str registry, nk_str subject,
                       nk_reg_config *out, nk_err *err) NK_MUST;
nk_code nk_config_save(nk_tx *tx, const nk_reg_ctx *ctx, nk_str registry, nk_str subject,
                       const nk_reg_config *c, nk_err *err) NK_MUST;

/* Glue's exceptions for what registering refuses. */
nk_code nk_glue_refusal(nk_code rc, nk_err *err) NK_MUST;
/* Is it a definition at all? NK_E_INVALID with the reason. */
nk_code nk_registry_validate(nk_tx *tx, const nk_reg_ctx *ctx, const nk_schema_format *format,
                             nk_str text, nk_err *err) NK_MUST;

/* ---- tables.c ---- */
/* For catalog/schema_ref.h. */
nk_code nk_registry_columns(nk_tx *tx, const nk_catalog_ctx *c, nk_str database, nk_str table,
                            const glue_SchemaReference *ref, glue_Column_list *out,
                            nk_err *err) NK_MUST;
/* After a new version: changes the tables that follow the schema. */
nk_code nk_registry_follow(nk_tx *tx, const nk_reg_ctx *ctx, const nk_schema_row *s,
                           nk_err *err) NK_MUST;

/* ---- delete.c ---- */
/* Is a version (0 = any) of the schema linked to from outside it? *who names one that does. */
nk_code nk_schema_linked(nk_tx *tx, const nk_reg_ctx *ctx, int64_t schema, int64_t version,
                         nk_str *who, nk_err *err) NK_MUST;
nk_code nk_version_delete(nk_tx *tx, const nk_reg_ctx *ctx, nk_schema_row *s, int64_t version,
                          nk_err *err) NK_MUST;
/* Sets latest anew after versions have gone. */
nk_code nk_schema_find_latest(nk_tx *tx, nk_schema_row *s, nk_err *err) NK_MUST;
/* Marked, then purged in steps, in closures of their own when it is large. NK_E_INVALID while
 * others link to it. */
nk_code nk_schema_delete(nk_tx *tx, const nk_reg_ctx *ctx, nk_schema_row *s, nk_err *err) NK_MUST;
nk_code nk_registry_delete(nk_tx *tx, const nk_reg_ctx *ctx, nk_registry_row *r,
                           nk_err *err) NK_MUST;

#endif
