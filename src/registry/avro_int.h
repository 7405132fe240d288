/* Avro inside: the parsed form of a definition, shared by the parser, the texts made of it and the
 * checker. */
#ifndef NK_AVRO_INT_H
#define NK_AVRO_INT_H

#include "registry/format.h"

typedef enum {
    AV_NULL,
    AV_BOOLEAN,
    AV_INT,
    AV_LONG,
    AV_FLOAT,
    AV_DOUBLE,
    AV_BYTES,
    AV_STRING,
    AV_RECORD,
    AV_ENUM,
    AV_FIXED,
    AV_ARRAY,
    AV_MAP,
    AV_UNION,
} av_kind;

/* A place in a document: a chain up to its root, "" for the root. */
typedef struct av_at {
    const struct av_at *up;
    nk_str key; /* p NULL: index */
    size_t index;
} av_at;

typedef struct av_type av_type;

typedef struct av_field {
    nk_str name, doc, order;
    nk_strs aliases;
    av_type *type;
    const nk_json *value; /* default; NULL = none */
    const nk_json *src;
    const av_at *at;
} av_field;
NK_LIST(av_fields, av_field);

typedef struct av_types {
    av_type **v;
    size_t n, cap;
} av_types;

struct av_type {
    av_kind kind;
    bool unresolved;   /* a link that nothing was given for (only while links are listed) */
    bool foreign;      /* defined in a reference */
    nk_str full, name; /* named types: with and without namespace */
    nk_str space;      /* namespace, may be empty */
    nk_str doc;
    nk_strs aliases; /* full names */
    av_fields fields;
    uint32_t *index; /* of fields by name: position + 1 */
    size_t mask;
    nk_strs symbols;
    uint32_t *symbol_index;
    size_t symbol_mask;
    nk_str enum_default; /* p NULL: none */
    int64_t size;        /* fixed */
    av_type *items;      /* array, map */
    av_types branches;   /* union */
    nk_str logical;      /* p NULL: none, or one whose rules it breaks */
    int64_t precision, scale;
    const nk_json *src; /* the object; NULL when it was written as a name */
    const av_at *at;
    size_t least; /* nesting of its smallest value; SIZE_MAX: it has none */
    size_t id;    /* position in the document's list */
};

struct nk_schema_doc {
    nk_arena *arena;
    av_type *root;
    av_types all;
};

#define AV_NONE SIZE_MAX

const char *av_kind_name(av_kind k); /* "int" */
static inline bool av_named(const av_type *t)
{
    return t->kind == AV_RECORD || t->kind == AV_ENUM || t->kind == AV_FIXED;
}
/* What messages and union members in JSON call it: full name or kind. */
nk_str av_label(const av_type *t);
/* AV_NONE when absent. */
size_t av_field_find(const av_type *record, nk_str name);
size_t av_symbol_find(const av_type *e, nk_str symbol);
/* JSON pointer in the arena; "" for the root, "Name#/…" in a reference; p NULL when memory is gone.
 */
/* Glue's door has Avro 1.11: a union's default is a value of its first branch. */
nk_code av_admit(const nk_schema_doc *doc, nk_door door, nk_arena *a, nk_err *err) NK_MUST;
nk_str av_pointer(nk_arena *a, const av_at *at);
/* "NaN", "Infinity", "-Infinity": what a float's default may say beside numbers. */
bool av_no_number(nk_str text, double *out);

nk_code av_links(nk_str text, nk_arena *a, nk_strs *out, nk_err *err) NK_MUST;
nk_code av_parse(nk_str text, const nk_schema_ref *refs, size_t n_refs, nk_arena *a,
                 nk_schema_doc **out, nk_err *err) NK_MUST;
nk_code av_canonical(const nk_schema_doc *doc, nk_buf *out, nk_err *err) NK_MUST;
nk_code av_columns(const nk_schema_doc *doc, nk_arena *a, nk_schema_columns *out,
                   nk_err *err) NK_MUST;

#endif
