/* JSON Schema draft-04, -06, -07, 2019-09 and 2020-12: definitions, values, compatibility. */
#ifndef NK_JSONSCHEMA_H
#define NK_JSONSCHEMA_H

#include "registry/format.h"

typedef struct nk_jsonschema nk_jsonschema;

/* Parses a definition and what it refers to. Every $ref must lead to a place in the definition, in
 * one of refs (by name or by its $id), or to a published meta-schema. All in the arena, which must
 * outlive it. Errors name the place as a JSON pointer (#/properties/a/pattern) and the reason. */
nk_code nk_jsonschema_parse(nk_str text, const nk_schema_ref *refs, size_t n_refs, nk_arena *a,
                            nk_jsonschema **out, nk_err *err) NK_MUST;
/* The dialect's usual name: "draft-07", "2020-12" (static). */
const char *nk_jsonschema_dialect(const nk_jsonschema *s);
/* Equal definitions have equal canonical text: members by name, numbers by value, no blanks. */
nk_code nk_jsonschema_canonical(const nk_jsonschema *s, nk_buf *out, nk_err *err) NK_MUST;
/* NK_OK: the value is valid. NK_E_INVALID with the keyword, its place in the schema and the place
 * in the value; NK_E_LIMIT when judging it costs too much. */
nk_code nk_jsonschema_validate(const nk_jsonschema *s, nk_str value, nk_err *err) NK_MUST;

#endif
