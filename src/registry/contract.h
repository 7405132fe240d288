/* Data contracts of the Confluent door: what stands beside a version's definition (metadata and
 * rules, which serializers carry out) and what a subject's settings add to it. Kept, checked and
 * merged here; no rule is run by the server. Refusals carry Confluent's codes. */
#ifndef NK_CONTRACT_H
#define NK_CONTRACT_H

#include "base/base.h"

#define NK_CONTRACT_MAX 65536 /* bytes of its text */

/* Checks one and makes a copy without null members. in NULL or null: *out NULL. */
nk_code nk_contract_metadata(nk_arena *a, const nk_json *in, nk_json **out, nk_err *err) NK_MUST;
nk_code nk_contract_rules(nk_arena *a, const nk_json *in, nk_json **out, nk_err *err) NK_MUST;

/* What stands at one place; NULL = nothing said. */
typedef struct nk_contract {
    const nk_json *metadata, *rules;
} nk_contract;
/* over's members win: properties and tags by name, rules by name within their kind. */
nk_code nk_contract_merge(nk_arena *a, const nk_contract *under, const nk_contract *over,
                          nk_contract *out, nk_err *err) NK_MUST;
/* Equal contracts have equal texts; p NULL when it says nothing. And back. */
nk_code nk_contract_text(nk_arena *a, const nk_contract *c, nk_str *out, nk_err *err) NK_MUST;
nk_code nk_contract_parse(nk_arena *a, nk_str text, nk_contract *out, nk_err *err) NK_MUST;
/* A property of the metadata; p NULL when there is none. */
nk_str nk_contract_property(const nk_contract *c, nk_str name);

#endif
