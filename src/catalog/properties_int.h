/* Inside the catalogue: what a catalog asks for all its tables. */
#ifndef NK_PROPERTIES_INT_H
#define NK_PROPERTIES_INT_H

#include "catalog/docs_int.h"
#include "catalog/search_int.h"

/* The account's own catalog, as a record: it is there once it has been changed. */
#define NK_CAT_ROOT NK_STR("")

/* Checks what a request gives and makes what is kept of it; *out stays as it is when it gives
 * nothing. root: of the account's own catalog, the only one whose statistics are computed. */
nk_code nk_catalog_properties_make(const glue_CatalogProperties *in, bool root, int64_t now_us,
                                   nk_arena *a, glue_CatalogPropertiesOutput **out,
                                   nk_err *err) NK_MUST;

/* The role of the statistics that a catalog asks for; p NULL: it asks for none. p may be NULL. */
nk_str nk_catalog_statistics_role(const glue_CatalogPropertiesOutput *p);

/* Tells the room that is hooked, if any, after the change. */
nk_code nk_catalog_properties_changed(nk_tx *tx, const nk_catalog_ctx *ctx, nk_err *err) NK_MUST;
/* A table has been made or changed: it gets what its catalog asks for. db: where it stands;
 * id: its number. */
nk_code nk_table_inherit(nk_tx *tx, const nk_catalog_ctx *ctx, const nk_db_ref *db, int64_t id,
                         const glue_Table *table, nk_err *err) NK_MUST;
nk_catalog_hooks *nk_catalog_hooks_of(struct nk_catalog *c);

#endif
