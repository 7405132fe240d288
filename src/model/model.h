/* model: AWS's API as data. Every shape of the service models is a C struct plus a row that says
 * what it looks like on the wire and what it must satisfy; one codec serves them all.
 *
 * How an AWS type looks in C (generated headers model/glue_shapes.h, model/sts_shapes.h):
 *   string, enum       nk_str           p == NULL: absent
 *   blob               nk_str           decoded bytes
 *   boolean            nk_opt_bool      {set, value}
 *   integer, long      nk_opt_i64       {set, value}
 *   float, double      nk_opt_f64       {set, value}
 *   timestamp          nk_opt_time      {set, us}: microseconds since 1970 UTC
 *   list               {T *v; size_t n; bool set;}   lists of strings are all nk_list_str
 *   map                {entry {nk_str key; T value;} *v; size_t n; bool set;}   string to string:
 * nk_map_str structure          member: pointer, NULL = absent; element of a list or map: by value
 *   document           nk_str           raw JSON
 * Field names are AWS's member names. Every struct begins with `nk_str raw_`: the encoder writes it
 * verbatim instead of the members when raw_.p is set. */
#ifndef NK_MODEL_H
#define NK_MODEL_H

#include "base/base.h"

typedef struct nk_opt_bool {
    bool set, value;
} nk_opt_bool;
typedef struct nk_opt_i64 {
    bool set;
    int64_t value;
} nk_opt_i64;
typedef struct nk_opt_f64 {
    bool set;
    double value;
} nk_opt_f64;
typedef struct nk_opt_time {
    bool set;
    int64_t us;
} nk_opt_time;
typedef struct nk_pair {
    nk_str key, value;
} nk_pair;
typedef struct nk_list_str {
    nk_str *v;
    size_t n;
    bool set;
} nk_list_str;
typedef struct nk_list_i64 {
    nk_opt_i64 *v;
    size_t n;
    bool set;
} nk_list_i64;
typedef struct nk_map_str {
    nk_pair *v;
    size_t n;
    bool set;
} nk_map_str;

static inline nk_opt_bool nk_some_bool(bool v)
{
    return (nk_opt_bool){true, v};
}
static inline nk_opt_i64 nk_some_i64(int64_t v)
{
    return (nk_opt_i64){true, v};
}
static inline nk_opt_f64 nk_some_f64(double v)
{
    return (nk_opt_f64){true, v};
}
static inline nk_opt_time nk_some_time(int64_t us)
{
    return (nk_opt_time){true, us};
}
static inline bool nk_bool_or(nk_opt_bool o, bool otherwise)
{
    return o.set ? o.value : otherwise;
}
static inline int64_t nk_i64_or(nk_opt_i64 o, int64_t otherwise)
{
    return o.set ? o.value : otherwise;
}
static inline double nk_f64_or(nk_opt_f64 o, double otherwise)
{
    return o.set ? o.value : otherwise;
}
/* The value of key; NK_STR_NULL when absent. The last of duplicate keys wins. */
nk_str nk_map_str_get(const nk_map_str *m, const char *key);
/* Sets or replaces; strings are borrowed. */
nk_code nk_map_str_put(nk_map_str *m, nk_arena *a, nk_str key, nk_str value) NK_MUST;
void nk_map_str_del(nk_map_str *m, const char *key);

typedef enum {
    NK_KIND_STRUCT,
    NK_KIND_LIST,
    NK_KIND_MAP,
    NK_KIND_STRING,
    NK_KIND_BLOB,
    NK_KIND_BOOL,
    NK_KIND_INT, /* 32 bits on the wire, nk_opt_i64 in C */
    NK_KIND_LONG,
    NK_KIND_DOUBLE,
    NK_KIND_TIME,
    NK_KIND_DOC,
} nk_shape_kind;

/* nk_shape.flags */
enum {
    NK_SHAPE_MIN = 1,        /* min holds: length, count or value */
    NK_SHAPE_MAX = 2,        /* max holds */
    NK_SHAPE_CHECKED = 4,    /* something in or below it must be validated */
    NK_SHAPE_SENSITIVE = 8,  /* its value is never repeated in messages */
    NK_SHAPE_EXCEPTION = 16, /* an error shape */
    NK_SHAPE_UNION = 32,
    NK_SHAPE_ISO8601 = 64, /* timestamps written as text */
    NK_SHAPE_OPEN = 128,   /* an enum that holds more than its list: whatever begins with open */
};
/* nk_member.flags */
enum {
    NK_MEMBER_REQUIRED = 1,
    NK_MEMBER_DEPRECATED = 2,
    NK_MEMBER_TOKEN = 4 /* idempotency token */
};
/* nk_member.where: where the REST protocols carry it */
typedef enum { NK_IN_BODY, NK_IN_URI, NK_IN_QUERY, NK_IN_HEADER } nk_where;

typedef struct nk_shape nk_shape;
typedef struct nk_pattern nk_pattern;

typedef struct nk_member {
    nk_str name;     /* AWS's and C's name */
    nk_str wire;     /* its name on the wire (locationName, else name) */
    nk_str json_key; /* "wire": with quotes and colon */
    const nk_shape *shape;
    uint32_t offset;
    uint8_t flags;
    uint8_t where; /* nk_where */
} nk_member;

struct nk_shape {
    const char *name;
    nk_shape_kind kind;
    uint32_t flags;
    uint32_t size; /* bytes of its C value */
    uint16_t n_members, n_enums, index_mask;
    uint16_t http_status;     /* of an exception in REST protocols; 0 = the code's own */
    const nk_member *members; /* STRUCT: in the model's order */
    const uint16_t *index;    /* hash of wire names to member number + 1 */
    const nk_shape *elem;     /* LIST: element; MAP: value */
    const nk_shape *key;      /* MAP */
    const nk_str *enums;
    nk_str open;
    nk_pattern *pattern;
    double min, max;
};

typedef struct nk_op {
    const char *service;            /* "glue" */
    nk_str name;                    /* "GetTable" */
    const char *method;             /* REST binding */
    const char *uri;                /* "/recipes/{name}/recipeVersion/{recipeVersion}" */
    const nk_shape *input, *output; /* NULL when there is none */
    const nk_shape *const *errors;  /* the exceptions it declares */
    uint16_t n_errors, status;      /* success status of REST protocols */
    uint16_t number;                /* its place in the service's table */
    bool readonly, idempotent;      /* as the model says; most do not say */
} nk_op;

typedef struct nk_service {
    const char *name;          /* "glue": endpoint prefix and signing name */
    const char *target_prefix; /* "AWSGlue": X-Amz-Target is AWSGlue.GetTable; NULL if none */
    const char *protocol;      /* "json", "rest-json", "query" */
    const char *json_version;  /* "1.1" or NULL */
    const char *api_version;
    const nk_op *ops;
    uint16_t n_ops, index_mask;
    const uint16_t *index;
} nk_service;

/* All services, and one of them by name (NULL when unknown). */
const nk_service *const *nk_model_services(size_t *n);
const nk_service *nk_model_service(nk_str name);
/* NULL when there is no such operation. */
const nk_op *nk_model_find_op(nk_str service, nk_str name);
/* By wire name; NULL when unknown. */
const nk_member *nk_model_member(const nk_shape *shape, nk_str wire_name);
/* Does this operation declare that exception? */
bool nk_model_op_throws(const nk_op *op, const char *exception);

/* JSON → struct, allocated zeroed in the arena. json is borrowed and must live as long as the
 * result: strings without escapes point into it. Unknown members are skipped, null means absent.
 * NK_E_SERIALIZATION with AWS's wording for malformed JSON or wrong types (err->hint names the
 * member), NK_E_NOMEM. */
nk_code nk_model_decode(const nk_shape *shape, nk_str json, nk_arena *a, void **out,
                        nk_err *err) NK_MUST;
/* The same into a caller's zeroed value of shape->size bytes. */
nk_code nk_model_decode_into(const nk_shape *shape, nk_str json, nk_arena *a, void *out,
                             nk_err *err) NK_MUST;
/* A member's text from a URI, query string or form, into a struct of this shape. */
nk_code nk_model_set_text(const nk_shape *shape, const nk_member *m, void *value, nk_str text,
                          nk_arena *a, nk_err *err) NK_MUST;

/* NK_E_VALIDATION with AWS's wording: "N validation errors detected: Value '…' at 'tableInput.name'
 * failed to satisfy constraint: Member must …; …". */
nk_code nk_model_validate(const nk_shape *shape, const void *value, nk_err *err) NK_MUST;

/* Struct → JSON, appended. Absent members are left out. NK_E_LIMIT or NK_E_NOMEM when the buffer is
 * full. */
nk_code nk_model_encode(const nk_shape *shape, const void *value, nk_buf *buf, nk_err *err) NK_MUST;
/* The same into an arena string: for documents to be stored. */
nk_code nk_model_encode_str(const nk_shape *shape, const void *value, nk_arena *a, nk_str *out,
                            nk_err *err) NK_MUST;

/* Deep copy, text and all, into another arena. */
nk_code nk_model_copy(const nk_shape *shape, const void *value, nk_arena *a, void **out) NK_MUST;

#endif
