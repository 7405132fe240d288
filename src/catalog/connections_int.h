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

/* Does the input have that property, "@auth" or "@network" (connection_types.def)? */
bool nk_conn_given(const glue_ConnectionInput *in, nk_str what);
/* The name of a connection of this type in the call's region, in its catalogs too; p NULL when
 * there is none. */
nk_code nk_connection_of_type(nk_call *call, nk_str type, nk_str *out) NK_MUST;

/* ---- types that RegisterConnectionType made (custom_types.c): of one region ---- */

/* *out NULL when there is no such type. */
nk_code nk_custom_type_find(nk_tx *tx, nk_str region, nk_str name, nk_arena *a,
                            const glue_RegisterConnectionTypeRequest **out, nk_err *err) NK_MUST;
/* May a connection be so? NK_E_INVALID. */
nk_code nk_custom_type_check(const glue_RegisterConnectionTypeRequest *t,
                             const glue_ConnectionInput *in, nk_arena *a, nk_err *err) NK_MUST;
/* Is that property a secret? */
nk_code nk_custom_type_secret(const glue_RegisterConnectionTypeRequest *t, nk_str key, nk_arena *a,
                              bool *yes, nk_err *err) NK_MUST;
nk_code nk_custom_type_capabilities(const glue_RegisterConnectionTypeRequest *t, nk_arena *a,
                                    glue_Capabilities **out) NK_MUST;
nk_code nk_custom_type_describe(const glue_RegisterConnectionTypeRequest *t, nk_arena *a,
                                glue_DescribeConnectionTypeResponse *out) NK_MUST;
/* Up to max of them after a name, by name; *next: the name to go on after, p NULL at the end. */
nk_code nk_custom_types_list(nk_call *call, nk_str after, size_t max, glue_ConnectionTypeBrief *v,
                             size_t *n, nk_str *next) NK_MUST;

/* Says that a type has no connector. */
nk_code nk_conn_untestable(nk_str type, nk_err *err);
const nk_seal_key *nk_catalog_key(const nk_app *app);

#endif
