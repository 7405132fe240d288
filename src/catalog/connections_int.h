/* Connections and their types, inside the catalogue. */
#ifndef NK_CONNECTIONS_INT_H
#define NK_CONNECTIONS_INT_H

#include "base/seal.h"
#include "catalog/docs_int.h"

enum { NK_CONN_BASIC = 1, NK_CONN_OAUTH2 = 2, NK_CONN_CUSTOM = 4, NK_CONN_IAM = 8 };
enum { NK_CONN_R = 1, NK_CONN_W = 2 };
enum { NK_CONN_SPARK = 1, NK_CONN_ATHENA = 2, NK_CONN_PYTHON = 4 };

typedef struct nk_conn_type {
    const char *type, *name, *vendor, *category;
    unsigned auth, operations, environments;
    const char *required, *optional; /* connection_types.def says how they read */
} nk_conn_type;
/* NULL when unknown. */
const nk_conn_type *nk_conn_type_find(nk_str type);
nk_code nk_conn_environments(const nk_conn_type *t, nk_arena *a, nk_list_str *out) NK_MUST;

typedef struct nk_conn_property {
    nk_str key;
    bool secret;
    const char *description;
} nk_conn_property;
const nk_conn_property *nk_conn_property_find(nk_str key);

/* Says that a type has no connector. */
nk_code nk_conn_untestable(nk_str type, nk_err *err);
const nk_seal_key *nk_catalog_key(const nk_app *app);

#endif
