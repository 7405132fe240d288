/* Inside the plan room. */
#ifndef NK_PLAN_INT_H
#define NK_PLAN_INT_H

#include "plan/plan.h"

struct nk_plan {
    nk_arena *arena;
    nk_arena *learnt; /* schemas and scans; thrown away by nk_plan_forget */
    nk_plan_host host;
    nk_node **nodes;
    size_t n, cap;
    const nk_type **schemas[2]; /* by node id: of a sample, exact */
    const nk_scan **scans[2];
    bool exact; /* what a schema function asks of its inputs at the moment */
};

struct nk_compile {
    nk_plan *plan;
    const nk_dialect *dialect;
    nk_arena *arena;
    const nk_scan **scans;
    size_t nscans;
    bool failed; /* memory ran out in a piece of text: what was composed is not to be used */
};

#define NK_SQL_MAX (256u << 20)

nk_code nk_oom(nk_err *err);
/* "node NAME (KIND): " before the message. */
nk_code nk_node_wrap(const nk_node *n, nk_err *err);
nk_code nk_node_fail(const nk_node *n, nk_err *err, nk_code code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* The scan of a source node, cached as the plan asks (sample or exact). */
nk_code nk_node_scan(const nk_node *n, const nk_scan **out, nk_err *err);
/* Schema of input i by the plan's present wish. */
nk_code nk_input_schema(const nk_node *n, size_t i, const nk_type **out, nk_err *err);

/* ---- paths ---- */
typedef struct nk_path {
    nk_str *parts;
    size_t n;
} nk_path;
/* A JSON list of names, or a text with dots and back quotes. */
nk_code nk_path_read(const nk_json *j, nk_arena *a, nk_path *out, nk_err *err);
nk_code nk_path_parse(nk_str text, nk_arena *a, nk_path *out, nk_err *err);
/* Where the path leads in a struct type; NULL when nowhere. A single part with dots that names no
 * field is taken apart. Field names match exactly, else without regard to case. Arrays are passed
 * through. */
const nk_type *nk_path_type(nk_arena *a, const nk_type *t, nk_path *path);
const nk_field *nk_field_find(const nk_type *t, nk_str name);
/* "a.b" for messages (arena). */
const char *nk_path_text(nk_arena *a, const nk_path *p);

/* ---- expressions as text ---- */
nk_str nk_x_ident(nk_compile *c, nk_str name);
nk_str nk_x_field(nk_compile *c, nk_str x, nk_str name);
/* The value at a path of a row whose columns are the struct t; arrays on the way become arrays of
 * what the rest gives. */
nk_str nk_x_path(nk_compile *c, const nk_type *t, const nk_path *p, size_t from, nk_str x);
/* x of type from as type to: Spark's cast, structs and arrays member by member, choices by their
 * first fitting value. NK_E_INVALID when it can never be. */
nk_code nk_x_cast(nk_compile *c, nk_str x, const nk_type *from, const nk_type *to, nk_str *out,
                  nk_err *err);
nk_str nk_x_failed(nk_compile *c); /* memory is gone: the statement will not be run */
nk_str nk_x_printf(nk_compile *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
nk_str nk_x_literal(nk_compile *c, nk_str text);
/* The buffer's text, in the arena; frees the buffer. */
nk_str nk_x_take(nk_compile *c, nk_buf *b);

/* ---- columns: what most transforms are ---- */
typedef struct nk_column {
    nk_str name;
    const nk_type *type;
    nk_str x; /* its value, as SQL over the input's columns */
} nk_column;
NK_LIST(nk_columns, nk_column);
nk_code nk_columns_put(nk_columns *l, nk_arena *a, nk_str name, const nk_type *type, nk_str x,
                       nk_err *err);
nk_code nk_columns_type(const nk_columns *l, nk_arena *a, const nk_type **out, nk_err *err);
void nk_columns_select(nk_compile *c, const nk_columns *l,
                       nk_buf *out); /* "SELECT x AS name, …" without FROM */
typedef nk_code (*nk_columns_fn)(nk_compile *c, const nk_node *n, nk_columns *out, nk_err *err);
/* A schema or a SELECT … FROM the first input, of such a function. */
nk_code nk_columns_schema(nk_columns_fn fn, const nk_node *n, nk_arena *a, const nk_type **out,
                          nk_err *err);
nk_code nk_columns_sql(nk_columns_fn fn, nk_compile *c, const nk_node *n, nk_buf *out, nk_err *err);
#define NK_COLUMNS_NODE(stem, fn)                                                                  \
    nk_code stem##_schema(nk_plan *p, const nk_node *n, nk_arena *a, const nk_type **out,          \
                          nk_err *err)                                                             \
    {                                                                                              \
        return nk_columns_schema(fn, n, a, out, err);                                              \
    }                                                                                              \
    nk_code stem##_sql(nk_compile *c, const nk_node *n, nk_buf *out, nk_err *err)                  \
    {                                                                                              \
        return nk_columns_sql(fn, c, n, out, err);                                                 \
    }

/* Edits inside rows, at any depth. edit is asked about each field on the way (path: names from the
 * top, arrays as "name[]" are entered with the same path). It adds what the field becomes to out
 * and sets *done, or leaves both alone: then the field stays, its members edited in turn. */
typedef struct nk_edit {
    void *arg;
    nk_code (*field)(void *arg, nk_compile *c, const nk_path *path, const nk_field *f, nk_str x,
                     nk_columns *out, bool *done, nk_err *err);
    /* Whether anything below path may change: what stays whole is not taken apart. */
    bool (*inside)(void *arg, const nk_path *path, const nk_type *t);
} nk_edit;
nk_code nk_edit_columns(nk_compile *c, const nk_edit *e, const nk_type *t, nk_columns *out,
                        nk_err *err);
/* struct_pack of the columns; NULL where x is NULL. */
nk_str nk_x_struct(nk_compile *c, nk_str x, const nk_columns *l);

/* The type in which Spark compares two; NULL where it compares none, NK_T_NULL when they compare as
 * they are. */
const nk_type *nk_spark_compared(const nk_type *a, const nk_type *b);
/* The type that values of two become where they stand together (UNION, CASE, coalesce, IN); NULL
 * when there is none that all versions of Spark agree on. */
const nk_type *nk_spark_wider(nk_arena *a, const nk_type *x, const nk_type *y);

bool nk_type_has_choice(const nk_type *t);

#define NK_NODE_KIND(name, role, lo, hi, schema, compile, req, doc)                                \
    nk_code schema(nk_plan *p, const nk_node *n, nk_arena *a, const nk_type **out, nk_err *err);   \
    nk_code compile(nk_compile *c, const nk_node *n, nk_buf *out, nk_err *err);
#include "plan/nodes.def"
#undef NK_NODE_KIND

/* Whether a SparkSQL node's text means the same on the embedded engine; NK_E_UNSUPPORTED. */
nk_code nk_sql_check(const nk_node *n, nk_err *err);
/* Whether the engine has all of a Filter's patterns. */
nk_code nk_filter_check(const nk_node *n, nk_err *err);

#endif
