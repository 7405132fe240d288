/* Types of columns: Glue's (Hive's) type system with choices, as trees in an arena. */
#ifndef NK_TYPE_H
#define NK_TYPE_H

#include "base/base.h"

typedef enum {
    NK_T_NULL, /* nothing but nulls seen */
    NK_T_BOOLEAN,
    NK_T_BYTE,  /* tinyint */
    NK_T_SHORT, /* smallint */
    NK_T_INT,
    NK_T_LONG, /* bigint */
    NK_T_FLOAT,
    NK_T_DOUBLE,
    NK_T_DECIMAL, /* precision 1-38, scale */
    NK_T_STRING,
    NK_T_CHAR,    /* length */
    NK_T_VARCHAR, /* length */
    NK_T_BINARY,
    NK_T_DATE,
    NK_T_TIMESTAMP,
    NK_T_ARRAY,  /* elem */
    NK_T_MAP,    /* key, elem */
    NK_T_STRUCT, /* fields */
    NK_T_CHOICE, /* fields: one alternative each, named after its type (Glue's toDF form) */
} nk_type_kind;

typedef struct nk_type nk_type;
typedef struct nk_field {
    nk_str name;
    const nk_type *type;
    nk_str comment; /* p NULL = none */
} nk_field;

struct nk_type {
    nk_type_kind kind;
    int precision, scale; /* DECIMAL */
    int length;           /* CHAR, VARCHAR */
    const nk_type *key;   /* MAP */
    const nk_type *elem;  /* ARRAY, MAP value */
    nk_field *fields;     /* STRUCT, CHOICE */
    size_t nfields;
};

/* Shared (static). Kinds with parameters give decimal(38,18), char(1), varchar(65535),
 * array<string>, map<string,string>, an empty struct. */
const nk_type *nk_type_scalar(nk_type_kind kind);
const nk_type *nk_type_decimal(nk_arena *a, int precision, int scale);
const nk_type *nk_type_array(nk_arena *a, const nk_type *elem);
const nk_type *nk_type_map(nk_arena *a, const nk_type *key, const nk_type *value);
/* All constructors give NULL when memory is gone. fields are copied (names borrowed). */
const nk_type *nk_type_struct(nk_arena *a, const nk_field *fields, size_t n);
const nk_type *nk_type_choice(nk_arena *a, const nk_type *const *alts, size_t n);
/* Deep copy, names and comments too. */
const nk_type *nk_type_copy(nk_arena *a, const nk_type *t);
static inline bool nk_kind_is_number(nk_type_kind k)
{
    return k >= NK_T_BYTE && k <= NK_T_DECIMAL;
}
static inline bool nk_kind_is_text(nk_type_kind k)
{
    return k == NK_T_STRING || k == NK_T_CHAR || k == NK_T_VARCHAR;
}
static inline bool nk_type_is_number(const nk_type *t)
{
    return nk_kind_is_number(t->kind);
}
static inline bool nk_type_is_text(const nk_type *t)
{
    return nk_kind_is_text(t->kind);
}
bool nk_type_eq(const nk_type *a, const nk_type *b);
const nk_field *nk_type_field(const nk_type *t, nk_str name); /* exact; NULL when absent */

/* Hive's type strings, as Glue's catalogue holds them: "struct<a:int,b:array<string>>",
 * "decimal(10,2)". Case is folded for type names only; other spellings (`integer`, `long`,
 * `numeric` …) are understood. A field name that holds one of ":<>,`" or blanks at its ends stands
 * in back quotes (doubled inside). With for_catalog what Hive lacks prints as "string" (choices,
 * empty structs, columns of nulls only); without, a choice prints as "choice<int,string>" and reads
 * back. NK_E_PARSE says what is wrong and where. */
nk_code nk_type_parse(nk_str text, nk_arena *a, const nk_type **out, nk_err *err) NK_MUST;
nk_code nk_type_print(const nk_type *t, bool for_catalog, nk_buf *out) NK_MUST;
/* The name an alternative of a choice carries, Glue's type names: "int", "long", "string",
 * "struct", … (static). */
const char *nk_type_glue_name(const nk_type *t);

/* Rules by which two observations of one column become one type. */
typedef enum {
    NK_MERGE_CRAWL,  /* what a crawler writes: widen, else string; structs merge their fields */
    NK_MERGE_CHOICE, /* what a DynamicFrame keeps: same type, else a choice of both */
} nk_merge_rule;
nk_code nk_type_merge(const nk_type *a, const nk_type *b, nk_merge_rule rule, nk_arena *arena,
                      const nk_type **out, nk_err *err) NK_MUST;

#endif
