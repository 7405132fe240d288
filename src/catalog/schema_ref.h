/* Columns that a StorageDescriptor's SchemaReference stands for. The registry says how; the
 * catalogue knows nothing of schemas. */
#ifndef NK_SCHEMA_REF_H
#define NK_SCHEMA_REF_H

#include "catalog/catalog.h"

/* The columns of what ref names. table p NULL: a partition's. A table whose reference names no
 * version follows the schema: the registry changes it with each new version. NK_E_INVALID and
 * NK_E_NOT_FOUND in AWS's words. */
typedef nk_code (*nk_schema_columns_fn)(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database,
                                        nk_str table, const glue_SchemaReference *ref,
                                        glue_Column_list *out, nk_err *err);
/* At the registry's start, before requests come. */
void nk_catalog_set_schema_columns(nk_schema_columns_fn fn);

/* *out: a copy as it is kept: with the columns that its SchemaReference stands for, and with the
 * four members that AWS answers with even where nobody gave them. NULL without in. */
nk_code nk_sd_resolve(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database, nk_str table,
                      glue_StorageDescriptor *in, glue_StorageDescriptor **out,
                      nk_err *err) NK_MUST;

#endif
