/* Tags of any resource, by what its ARN says after the account: "job/x", "database/x". One store
 * for all rooms: a room registers its types of resources, puts tags at their creation and drops
 * them at their deletion. */
#ifndef NK_TAGS_H
#define NK_TAGS_H

#include "catalog/catalog.h"

/* A taggable type: NAME of TYPE is there when the kind has the record (region, NAME), or when
 * exists says so. Static. */
typedef struct nk_tag_type {
    const char *type; /* "job" of arn:aws:glue:REGION:ACCOUNT:job/NAME */
    const nk_kind *kind;
    nk_code (*exists)(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str name, bool *found, nk_err *err);
    bool exact; /* with exists: names that differ in case are different names */
} nk_tag_type;
/* At a room's start, before requests come; the same type may be registered again. */
nk_code nk_tags_register(const nk_tag_type *type, nk_err *err) NK_MUST;

/* "TYPE/NAME", inside a catalogue of its own "TYPE/CATALOG/NAME". */
nk_code nk_tags_resource(const nk_catalog_ctx *ctx, const char *type, nk_str name, nk_str *out,
                         nk_err *err) NK_MUST;
/* Puts these in the place of what was there; none (n 0) drops them. NK_E_INVALID for a reserved
 * key. */
nk_code nk_tags_put(nk_tx *tx, nk_str region, nk_str resource, const nk_map_str *tags, nk_arena *a,
                    nk_err *err) NK_MUST;
/* Empty when there are none. */
nk_code nk_tags_get(nk_tx *tx, nk_str region, nk_str resource, nk_arena *a, nk_map_str *out,
                    nk_err *err) NK_MUST;
nk_code nk_tags_drop(nk_tx *tx, nk_str region, nk_str resource, nk_err *err) NK_MUST;
/* A request's deletion of a resource that the history can bring back: it has the tags, too. */
nk_code nk_tags_forget(nk_call *call, nk_str resource) NK_MUST;
/* Is the resource of these tags there? */
nk_code nk_tags_bearer(nk_call *call, nk_str resource, bool *there) NK_MUST;
/* Whether a resource has all these tags; an empty value asks for the key alone. */
nk_code nk_tags_match(nk_tx *tx, nk_str region, nk_str resource, const nk_map_str *want,
                      nk_arena *a, bool *yes, nk_err *err) NK_MUST;

#endif
