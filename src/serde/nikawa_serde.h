/* libnikawa_serde: messages in the wire format of the AWS Glue Schema Registry, from C.
 *
 *   3 | 0 or 5 | 16 bytes: the schema version's UUID | payload
 *
 * 3 is the format's version; 5 says that the payload is compressed (zlib). An Avro payload is the
 * value's binary encoding; a JSON payload is the document; a Protobuf payload is the message behind
 * an unsigned varint that says which message of the definition it is.
 *
 * A serde may be used by any number of threads; schemas live as long as their serde. Buffers and
 * arenas belong to one thread at a time. Functions give NKS_OK or an error, with its text in *err
 * (may be NULL). Works against Nikawa and against AWS. SPDX-License-Identifier: Apache-2.0 */
#ifndef NIKAWA_SERDE_H
#define NIKAWA_SERDE_H

#include "registry/avro_value.h"

#ifdef __cplusplus
extern "C" {
#endif

#define NKS_HEADER 18 /* bytes in front of the payload */

typedef enum {
    NKS_OK = 0,
    NKS_FOREIGN,   /* not a message of this format, or one of another schema: cut, corrupt */
    NKS_INVALID,   /* the value does not fit the schema, or an argument makes no sense */
    NKS_NOT_FOUND, /* no such schema version */
    NKS_REFUSED,   /* the registry refused: keys, compatibility, limits */
    NKS_UNREACHED, /* the registry did not answer */
    NKS_LIMIT,     /* too large or nested too deep */
    NKS_NOMEM,
} nks_code;

typedef struct nks_error {
    nks_code code;
    char message[1024];
} nks_error;

typedef enum { NKS_AVRO, NKS_JSON, NKS_PROTOBUF } nks_format;
typedef enum { NKS_PLAIN = 0, NKS_ZLIB = 5 } nks_compression;

typedef struct nks_serde nks_serde;
typedef struct nks_schema nks_schema;

/* Bytes that grow; start with a zeroed one. Contents are kept from call to call until cleared. */
typedef struct nks_buf {
    char *p;
    size_t n, cap;
} nks_buf;
void nks_buf_free(nks_buf *b);

/* Memory of decoded values: all is given back at once, the first block is kept for the next use. */
typedef struct nks_arena nks_arena;
nks_arena *nks_arena_new(void); /* NULL: no memory */
void nks_arena_reset(nks_arena *a);
void nks_arena_free(nks_arena *a);

/* -- a serde --------------------------------------------------------------------------------------
 */

/* What a fetch fills in; texts are copied by the caller of the fetch, so they may be freed after
 * it. refs: what the definition links to; n_refs of them. */
typedef struct nks_reference {
    const char *name, *definition;
} nks_reference;
typedef struct nks_definition {
    nks_format format;
    const char *definition;
    size_t n; /* bytes of definition; 0: it is NUL-terminated */
    const nks_reference *refs;
    size_t n_refs;
    void *mine; /* the fetch's own, for done */
} nks_definition;

typedef struct nks_config {
    /* Where definitions come from: a fetch of the caller's … */
    nks_code (*fetch)(void *arg, const char *uuid, nks_definition *out, nks_error *err);
    void (*done)(void *arg,
                 nks_definition *out); /* the definition is no longer needed; may be NULL */
    void *arg;
    /* … or the registry at an endpoint ("http://127.0.0.1:4566"), asked with Signature Version 4.
     */
    const char *endpoint, *region, *access_key, *secret_key, *session_token;
    size_t message_max; /* bytes of a payload, uncompressed too; 0: 64 MB */
} nks_config;

nks_code nks_open(const nks_config *config, nks_serde **out, nks_error *err);
void nks_close(nks_serde *s);

/* The schema of a version id ("b7b4a7f0-9c96-4e4a-a687-fb5de9ef0c63"): from memory, else fetched.
 */
nks_code nks_schema_by_id(nks_serde *s, const char *uuid, const nks_schema **out, nks_error *err);
/* The version of a registry's schema that has this definition. auto_register: when there is none it
 * is registered, and the schema with it if need be (compatibility: "BACKWARD" …; NULL = BACKWARD).
 * Needs an endpoint. registry NULL: "default-registry". */
nks_code nks_schema_by_definition(nks_serde *s, const char *registry, const char *schema,
                                  nks_format format, const char *definition, bool auto_register,
                                  const char *compatibility, const nks_schema **out,
                                  nks_error *err);
/* Makes a definition known under an id, without asking anybody. */
nks_code nks_schema_add(nks_serde *s, const char *uuid, const nks_definition *definition,
                        const nks_schema **out, nks_error *err);
const char *nks_schema_id(const nks_schema *x); /* 36 characters */
nks_format nks_schema_format(const nks_schema *x);
const char *nks_schema_definition(const nks_schema *x, size_t *n);

/* -- messages -------------------------------------------------------------------------------------
 */

typedef struct nks_message {
    const nks_schema *schema;
    const char *payload; /* in the message, or in scratch when it was compressed; for Protobuf
                            behind the message's number */
    size_t n;
    uint32_t index;   /* Protobuf: the message's number */
    const char *name; /* Protobuf: the message's full name, name_n bytes */
    size_t name_n;
} nks_message;

/* Is this the format's header? For telling such messages from others in a mixed stream. */
bool nks_is_framed(const void *message, size_t n);
/* Takes a message apart and validates a JSON or Protobuf payload. scratch: for compressed ones. */
nks_code nks_open_message(nks_serde *s, const void *message, size_t n, nks_buf *scratch,
                          nks_message *out, nks_error *err);

/* Each replaces out's contents by a whole message. */
nks_code nks_encode_avro(nks_serde *s, const nks_schema *x, const nk_avro_value *value,
                         nks_compression how, nks_buf *out, nks_error *err);
nks_code nks_encode_json(nks_serde *s, const nks_schema *x, const char *json, size_t n,
                         nks_compression how, nks_buf *out, nks_error *err);
/* name: which message of the definition (full name, or its last part); NULL: the first. */
nks_code nks_encode_protobuf(nks_serde *s, const nks_schema *x, const char *name, const void *bytes,
                             size_t n, nks_compression how, nks_buf *out, nks_error *err);

/* The Avro value of a message. Text in it lies in the message (or scratch) and in the arena. */
nks_code nks_decode_avro(nks_serde *s, const void *message, size_t n, nks_buf *scratch,
                         nks_arena *a, nk_avro_value *out, const nks_schema **schema,
                         nks_error *err);

/* The same as another schema sees it (Avro's schema resolution): fields by name and alias, defaults
 * for those that were not written, numbers promoted. NKS_INVALID: it cannot be read so. */
nks_code nks_decode_avro_as(nks_serde *s, const nks_schema *reader, const void *message, size_t n,
                            nks_buf *scratch, nks_arena *a, nk_avro_value *out,
                            const nks_schema **schema, nks_error *err);

/* -- a look at an Avro schema, for filling values in
 * -------------------------------------------------- */

typedef struct av_type nks_avro_type;
const nks_avro_type *nks_avro_root(const nks_schema *x); /* NULL: not Avro */
nk_avro_kind nks_avro_kind(const nks_avro_type *t);
nk_avro_text nks_avro_name(const nks_avro_type *t);            /* full name, or the kind's */
nk_avro_text nks_avro_logical(const nks_avro_type *t);         /* p NULL: none */
int64_t nks_avro_scale(const nks_avro_type *t);                /* of a decimal */
int64_t nks_avro_size(const nks_avro_type *t);                 /* of a FIXED */
size_t nks_avro_count(const nks_avro_type *t);                 /* fields, symbols, branches */
nk_avro_text nks_avro_label(const nks_avro_type *t, size_t i); /* a field's name, a symbol */
const nks_avro_type *nks_avro_part(const nks_avro_type *t, size_t i); /* field, branch, element */
bool nks_avro_has_default(const nks_avro_type *t, size_t i);

#ifdef __cplusplus
}
#endif

#endif
