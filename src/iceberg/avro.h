/* Avro object container files, as Iceberg's manifests are: read whole into values, written from
 * values. A file's own schema says how; to change a manifest is to change its values and write them
 * by the schema that they were read by. Written with deflate. */
#ifndef NK_ICE_AVRO_H
#define NK_ICE_AVRO_H

#include "schema/avro_file.h"

typedef enum {
    NK_OCF_NULL,
    NK_OCF_BOOLEAN,
    NK_OCF_INT,
    NK_OCF_LONG,
    NK_OCF_FLOAT,
    NK_OCF_DOUBLE,
    NK_OCF_BYTES,
    NK_OCF_STRING,
    NK_OCF_FIXED,
    NK_OCF_ENUM,
    NK_OCF_ARRAY,
    NK_OCF_MAP,
    NK_OCF_RECORD,
    NK_OCF_UNION,
} nk_ocf_kind;

typedef struct nk_ocf_type nk_ocf_type;
struct nk_ocf_type {
    nk_ocf_kind kind;
    nk_str name;         /* RECORD, FIXED, ENUM */
    size_t size;         /* FIXED, bytes */
    nk_ocf_type **parts; /* fields of a RECORD, branches of a UNION, the one of ARRAY and MAP */
    nk_str *names;       /* fields */
    size_t n;
};

typedef struct nk_ocf nk_ocf;
struct nk_ocf {
    const nk_ocf_type *type; /* never a UNION: the branch that was taken */
    size_t branch;           /* which, of a union */
    int64_t i;               /* BOOLEAN, INT, LONG, ENUM */
    double f;                /* FLOAT, DOUBLE */
    nk_str s;                /* BYTES, STRING, FIXED */
    nk_ocf *items;           /* fields, elements, values */
    nk_str *keys;            /* MAP */
    size_t n;
};

NK_LIST(nk_ocf_records, nk_ocf);

typedef struct nk_ocf_file {
    nk_avro_metas meta; /* all but avro.codec */
    nk_ocf_type *type;
    nk_ocf_records records;
} nk_ocf_file;

/* bytes are borrowed by the values. NK_E_PARSE says what is wrong, NK_E_UNSUPPORTED names a codec.
 */
nk_code nk_ocf_read(nk_str bytes, nk_arena *a, nk_ocf_file *out, nk_err *err) NK_MUST;
/* With deflate. env gives the marker between blocks. */
nk_code nk_ocf_write(const nk_ocf_file *f, const nk_env *env, nk_buf *out, nk_err *err) NK_MUST;
nk_code nk_ocf_parse_type(nk_str json, nk_arena *a, nk_ocf_type **out, nk_err *err) NK_MUST;

/* A member of a record; NULL when there is none. */
nk_ocf *nk_ocf_get(const nk_ocf *record, const char *name);
int64_t nk_ocf_i64(const nk_ocf *record, const char *name, int64_t otherwise);
nk_str nk_ocf_str(const nk_ocf *record, const char *name); /* p NULL: absent or null */
/* Set a member whose type, or a branch of whose union, takes it; no member of that name: nothing.
 */
void nk_ocf_set_i64(nk_ocf *record, const char *name, int64_t v);
void nk_ocf_set_str(nk_ocf *record, const char *name, nk_str v);
void nk_ocf_set_null(nk_ocf *record, const char *name);
/* A copy whose members may be set without touching the original's (values below are copied too). */
nk_code nk_ocf_copy(const nk_ocf *v, nk_arena *a, nk_ocf *out) NK_MUST;
/* A value's bytes, by the type it was declared with: equal for equal values. */
void nk_ocf_put(nk_buf *b, const nk_ocf_type *declared, const nk_ocf *v);
/* The same value of the same type. */
bool nk_ocf_same(const nk_ocf *x, const nk_ocf *y);
/* Sets, or adds, a header. */
nk_code nk_ocf_header(nk_ocf_file *f, nk_arena *a, const char *key, nk_str value) NK_MUST;
nk_str nk_ocf_header_of(const nk_ocf_file *f, const char *key);

#endif
