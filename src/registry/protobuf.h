/* Protobuf, proto2 and proto3: definitions, messages on the wire, compatibility. */
#ifndef NK_PROTOBUF_H
#define NK_PROTOBUF_H

#include "registry/format.h"

typedef struct nk_protobuf nk_protobuf;

/* Parses a definition and what it imports: refs by path, the published google/protobuf/… built in.
 * Errors give line and column. All in the arena. */
nk_code nk_protobuf_parse(nk_str text, const nk_schema_ref *refs, size_t n_refs, nk_arena *a,
                          nk_protobuf **out, nk_err *err) NK_MUST;
/* The number that AWS's wire format gives to a message (by its full name, or its name when that is
 * unambiguous): its place among all messages of the file, nested ones too, sorted by full name.
 * NK_E_NOT_FOUND. */
nk_code nk_protobuf_index(const nk_protobuf *s, nk_str name, uint32_t *index, nk_err *err) NK_MUST;
/* The message's full name; p NULL when there is none of that number. */
nk_str nk_protobuf_name(const nk_protobuf *s, uint32_t index);
/* The file's first message; p NULL: it has none. */
nk_str nk_protobuf_first(const nk_protobuf *s);
/* NK_OK when the bytes are a message of that number: well-formed fields, the wire types that the
 * definition gives them, required ones present, text in UTF-8 (proto3). */
nk_code nk_protobuf_validate(const nk_protobuf *s, uint32_t index, nk_str bytes,
                             nk_err *err) NK_MUST;
/* A FileDescriptorProto as some clients send one, as .proto text (in the arena). NK_E_INVALID says
 * what it holds that is not known here. */
nk_code nk_protobuf_text_of(nk_str descriptor, nk_arena *a, nk_str *text, nk_err *err) NK_MUST;
/* The other way round: the definition as a FileDescriptorProto of this file name. Options of the
 * user's own making are left out: no data depends on them. */
nk_code nk_protobuf_descriptor(const nk_protobuf *s, nk_str name, nk_buf *out, nk_err *err) NK_MUST;

#endif
