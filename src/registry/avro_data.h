/* Avro's binary encoding of values, driven by a parsed definition (nk_schema_format_avro). */
#ifndef NK_AVRO_DATA_H
#define NK_AVRO_DATA_H

#include "registry/avro_value.h"
#include "registry/format.h"

/* Appends the value's bytes. NK_E_INVALID names the field that does not fit its type. */
nk_code nk_avro_encode(const nk_schema_doc *doc, const nk_avro_value *value, nk_buf *out,
                       nk_err *err) NK_MUST;
/* Reads one value that takes up all the bytes. Text in it is borrowed from them; the rest is arena.
 * NK_E_INVALID for bytes that are cut or foreign, NK_E_LIMIT for ones nested too deep. */
nk_code nk_avro_decode(const nk_schema_doc *doc, nk_str bytes, nk_arena *a, nk_avro_value *out,
                       nk_err *err) NK_MUST;

/* A decoded value of `writer` as `reader` sees it (Avro's schema resolution): aliases, defaults,
 * promotions, unions. Shares memory with `in`; the rest is arena, and the reader's. NK_E_INVALID
 * says what cannot be read. */
nk_code nk_avro_resolve(const nk_schema_doc *writer, const nk_schema_doc *reader,
                        const nk_avro_value *in, nk_arena *a, nk_avro_value *out,
                        nk_err *err) NK_MUST;

/* A look at the definition, for those who fill values in. Types live as long as the document. */
typedef struct av_type nk_avro_type;
const nk_avro_type *nk_avro_root(const nk_schema_doc *doc);
nk_avro_kind nk_avro_type_kind(const nk_avro_type *t);
nk_str nk_avro_type_name(const nk_avro_type *t);    /* full name, or the kind's */
nk_str nk_avro_type_logical(const nk_avro_type *t); /* p NULL: none */
int64_t nk_avro_type_scale(const nk_avro_type *t);
int64_t nk_avro_type_size(const nk_avro_type *t); /* of a FIXED */
/* Fields of a RECORD, symbols of an ENUM, branches of a UNION. */
size_t nk_avro_type_count(const nk_avro_type *t);
nk_str nk_avro_type_label(const nk_avro_type *t, size_t i); /* a field's name, a symbol */
/* A field's type, a branch; of ARRAY and MAP (i = 0) the elements'. */
const nk_avro_type *nk_avro_type_part(const nk_avro_type *t, size_t i);
const nk_json *nk_avro_type_default(const nk_avro_type *t, size_t i); /* a field's; NULL: none */

#endif
