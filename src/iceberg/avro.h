/* Avro object container files, as Iceberg's manifests are: read whole into values, written from
 * values. A file's own schema says how; to change a manifest is to change its values and write them
 * by the schema that they were read by. Codecs: null and deflate. */
#ifndef NK_ICE_AVRO_H
#define NK_ICE_AVRO_H

#include "base/base.h"

typedef enum {
    NK_AVRO_NULL,
    NK_AVRO_BOOLEAN,
    NK_AVRO_INT,
    NK_AVRO_LONG,
    NK_AVRO_FLOAT,
    NK_AVRO_DOUBLE,
    NK_AVRO_BYTES,
    NK_AVRO_STRING,
    NK_AVRO_FIXED,
    NK_AVRO_ENUM,
    NK_AVRO_ARRAY,
    NK_AVRO_MAP,
    NK_AVRO_RECORD,
    NK_AVRO_UNION,
} nk_avro_kind;

typedef struct nk_avro_type nk_avro_type;
struct nk_avro_type {
    nk_avro_kind kind;
    nk_str name;          /* RECORD, FIXED, ENUM */
    size_t size;          /* FIXED, bytes */
    nk_avro_type **parts; /* fields of a RECORD, branches of a UNION, the one of ARRAY and MAP */
    nk_str *names;        /* fields */
    size_t n;
};

typedef struct nk_avro nk_avro;
struct nk_avro {
    const nk_avro_type *type; /* never a UNION: the branch that was taken */
    size_t branch;            /* which, of a union */
    int64_t i;                /* BOOLEAN, INT, LONG, ENUM */
    double f;                 /* FLOAT, DOUBLE */
    nk_str s;                 /* BYTES, STRING, FIXED */
    nk_avro *items;           /* fields, elements, values */
    nk_str *keys;             /* MAP */
    size_t n;
};

typedef struct nk_avro_meta {
    nk_str key, value;
} nk_avro_meta;
NK_LIST(nk_avro_metas, nk_avro_meta);
NK_LIST(nk_avro_records, nk_avro);

typedef struct nk_avro_file {
    nk_avro_metas meta; /* all but avro.codec */
    nk_avro_type *type;
    nk_avro_records records;
} nk_avro_file;

/* bytes are borrowed by the values. NK_E_PARSE says what is wrong, NK_E_UNSUPPORTED names a codec.
 */
nk_code nk_avro_read(nk_str bytes, nk_arena *a, nk_avro_file *out, nk_err *err) NK_MUST;
/* With deflate. env gives the marker between blocks. */
nk_code nk_avro_write(const nk_avro_file *f, const nk_env *env, nk_buf *out, nk_err *err) NK_MUST;
nk_code nk_avro_parse_type(nk_str json, nk_arena *a, nk_avro_type **out, nk_err *err) NK_MUST;

/* A member of a record; NULL when there is none. */
nk_avro *nk_avro_get(const nk_avro *record, const char *name);
int64_t nk_avro_i64(const nk_avro *record, const char *name, int64_t otherwise);
nk_str nk_avro_str(const nk_avro *record, const char *name); /* p NULL: absent or null */
/* Set a member whose type, or a branch of whose union, takes it; no member of that name: nothing.
 */
void nk_avro_set_i64(nk_avro *record, const char *name, int64_t v);
void nk_avro_set_str(nk_avro *record, const char *name, nk_str v);
void nk_avro_set_null(nk_avro *record, const char *name);
/* A copy whose members may be set without touching the original's (values below are copied too). */
nk_code nk_avro_copy(const nk_avro *v, nk_arena *a, nk_avro *out) NK_MUST;
/* A value's bytes, by the type it was declared with: equal for equal values. */
void nk_avro_put(nk_buf *b, const nk_avro_type *declared, const nk_avro *v);
/* The same value of the same type. */
bool nk_avro_same(const nk_avro *x, const nk_avro *y);
/* Sets, or adds, a header. */
nk_code nk_avro_header(nk_avro_file *f, nk_arena *a, const char *key, nk_str value) NK_MUST;
nk_str nk_avro_header_of(const nk_avro_file *f, const char *key);

#endif
