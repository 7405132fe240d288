/* Views of several dialects: what ViewDefinition asks for, and what is answered of it. */
#ifndef NK_VIEWS_INT_H
#define NK_VIEWS_INT_H

#include "catalog/catalog_int.h"

/* Checks a definition and makes what is kept of it; in may be NULL: *out is, too. */
nk_code nk_view_make(const glue_ViewDefinitionInput *in, nk_arena *a, glue_ViewDefinition **out,
                     nk_err *err) NK_MUST;
/* ViewUpdateAction on a table as it stands (old): *in is completed from it, *out is the definition
 * afterwards. force: other columns or objects may be given; the other dialects are stale then. */
nk_code nk_view_change(nk_str action, bool force, const glue_Table *old, glue_TableInput *in,
                       nk_arena *a, glue_ViewDefinition **out, nk_err *err) NK_MUST;
/* A document with its Status (IncludeStatusDetails); of what is no such view as it is. */
nk_code nk_view_status(nk_arena *a, nk_str body, nk_str *out, nk_err *err) NK_MUST;
/* The representation of a dialect; NULL: none. */
const glue_ViewRepresentation *nk_view_dialect(const glue_ViewDefinition *v, nk_str dialect);

#endif
