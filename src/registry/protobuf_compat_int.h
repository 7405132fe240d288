/* The Protobuf checker's door to protobuf.c. */
#ifndef NK_PROTOBUF_COMPAT_INT_H
#define NK_PROTOBUF_COMPAT_INT_H

#include <stdio.h>

#include "registry/protobuf_int.h"

typedef enum {
#define NK_PBR(name, glue, confluent, doc) PBR_##name,
#include "registry/protobuf_rules.def"
#undef NK_PBR
    PBR_COUNT
} nk_protobuf_rule;
extern const nk_schema_rule pb_rules[PBR_COUNT];

nk_code pb_compare(const nk_protobuf *writer, const nk_protobuf *reader, nk_arena *a,
                   nk_schema_diffs *out, nk_err *err);

#endif
