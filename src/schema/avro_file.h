/* Avro's object container format: a header, then blocks of records, packed. What records are is
 * their readers' affair. */
#ifndef NK_AVRO_FILE_H
#define NK_AVRO_FILE_H

#include "base/base.h"

#define NK_AVRO_MARK NK_STR("Obj\x01")
#define NK_AVRO_SYNC 16 /* bytes of the mark behind the header and behind each block */

typedef struct nk_avro_meta {
    nk_str key, value;
} nk_avro_meta;
NK_LIST(nk_avro_metas, nk_avro_meta);

/* head: the file's beginning, or all of it. Keys and values are borrowed from it; *size: bytes of
 * the header without its sync mark. NK_E_PARSE when it is none, NK_E_LIMIT when head ends within.
 */
nk_code nk_avro_container(nk_str head, nk_arena *a, nk_avro_metas *out, size_t *size,
                          nk_err *err) NK_MUST;
/* A block's beginning: how many records, how many bytes they take as stored, and how many bytes say
 * so. NK_E_PARSE when the numbers cannot be, or view ends in them. */
nk_code nk_avro_block(nk_str view, int64_t *records, size_t *stored, size_t *size,
                      nk_err *err) NK_MUST;
/* A block's records, appended; codec: the header's avro.codec, or "null". NK_E_UNSUPPORTED names a
 * codec that is not known. */
nk_code nk_avro_unpack(nk_str codec, nk_str packed, nk_buf *out, nk_err *err) NK_MUST;

#endif
