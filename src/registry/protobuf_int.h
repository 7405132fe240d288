/* Protobuf inside: a parsed .proto file and what it names. */
#ifndef NK_PROTOBUF_INT_H
#define NK_PROTOBUF_INT_H

#include "registry/protobuf.h"

/* Scalar kinds in the order of their rows in pb_scalars, then what is named. */
typedef enum {
    PB_DOUBLE,
    PB_FLOAT,
    PB_INT32,
    PB_INT64,
    PB_UINT32,
    PB_UINT64,
    PB_SINT32,
    PB_SINT64,
    PB_FIXED32,
    PB_FIXED64,
    PB_SFIXED32,
    PB_SFIXED64,
    PB_BOOL,
    PB_STRING,
    PB_BYTES,
    PB_SCALARS,
    PB_ENUM = PB_SCALARS,
    PB_MESSAGE,
    PB_GROUP,
    PB_MAP,   /* key and value kinds apart */
    PB_NAMED, /* not resolved yet */
} pb_kind;

typedef enum { PB_SINGULAR, PB_OPTIONAL, PB_REQUIRED, PB_REPEATED } pb_label;

typedef struct pb_place {
    unsigned line, column;
} pb_place;

typedef struct pb_option {
    nk_str name, value; /* value: its tokens, one blank between them; strings re-quoted */
} pb_option;
NK_LIST(pb_options, pb_option);

typedef struct pb_range {
    int64_t from, to; /* both included */
} pb_range;
NK_LIST(pb_ranges, pb_range);

typedef struct pb_type pb_type;
typedef struct pb_file pb_file;

typedef struct pb_field {
    nk_str name, type_name;
    int64_t number;
    pb_label label;
    pb_kind kind; /* of the value, for a map too */
    bool map;
    pb_kind key;   /* of a map */
    pb_type *type; /* ENUM, MESSAGE, GROUP */
    int oneof;     /* index, -1: none */
    pb_options options;
    pb_place at;
} pb_field;
NK_LIST(pb_fields, pb_field);

typedef struct pb_value { /* of an enum */
    nk_str name;
    int64_t number;
    pb_options options;
    pb_place at;
} pb_value;
NK_LIST(pb_values, pb_value);

typedef struct pb_oneof {
    nk_str name;
    pb_options options;
    pb_place at;
} pb_oneof;
NK_LIST(pb_oneofs, pb_oneof);

NK_LIST(pb_types, pb_type *);

typedef struct pb_extend {
    nk_str type_name;
    pb_type *type;
    pb_fields fields;
    pb_place at;
} pb_extend;
NK_LIST(pb_extends, pb_extend);

struct pb_type {
    bool is_enum;
    nk_str name, full; /* full: "package.Outer.Inner" */
    pb_file *file;
    pb_type *parent;
    pb_fields fields;
    pb_oneofs oneofs;
    pb_values values;
    pb_types types;
    pb_extends extends;
    pb_ranges reserved, extensions;
    nk_strs reserved_names;
    pb_options options, extension_options;
    bool entry; /* of a map, written out (option map_entry), as some programs print it */
    bool group; /* declared by a group field */
    pb_place at;
    size_t order; /* among the messages of the file as they appear */
};

typedef struct pb_import {
    nk_str path, how; /* how: "", "public", "weak" */
    pb_file *file;
    pb_place at;
} pb_import;
NK_LIST(pb_imports, pb_import);

typedef struct pb_method {
    nk_str name, input, output;
    bool input_stream, output_stream;
    pb_options options;
    pb_place at;
} pb_method;
NK_LIST(pb_methods, pb_method);
typedef struct pb_service {
    nk_str name;
    pb_methods methods;
    pb_options options;
    pb_place at;
} pb_service;
NK_LIST(pb_services, pb_service);

struct pb_file {
    nk_str path;
    bool proto3, done;
    nk_str package;
    pb_imports imports;
    pb_types types;
    pb_extends extends;
    pb_services services;
    pb_options options;
    pb_file *next;
};

struct nk_protobuf {
    nk_arena *arena;
    pb_file *root, *files;
    nk_map symbols; /* full name -> pb_symbol */
    size_t messages;
};

typedef enum { PB_SYM_PACKAGE, PB_SYM_MESSAGE, PB_SYM_ENUM, PB_SYM_OTHER } pb_symbol_kind;
typedef struct pb_symbol {
    pb_symbol_kind kind;
    pb_type *type;
    pb_file *file; /* NULL: a package, in any */
} pb_symbol;

typedef struct pb_parser {
    nk_protobuf *s;
    nk_arena *a;
    nk_err *err;
    const nk_schema_ref *refs;
    size_t n_refs;
    /* the text being read, and its current token */
    nk_str path;
    const char *p, *end;
    pb_place at;
    char token; /* 'i' identifier, 'n' integer, 'f' float, 's' string, 0 end, else the symbol */
    nk_str text;
    pb_place token_at;
    pb_file *file;
    int depth;
} pb_parser;

extern const char *const pb_scalar_names[PB_SCALARS];

nk_code pb_bad(pb_parser *p, pb_place at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
nk_code pb_no_memory(pb_parser *p);
/* Reads one file's text into f (f->path set); the file's imports are not looked at. */
nk_code pb_read_file(pb_parser *p, nk_str text, pb_file *f) NK_MUST;
/* Names, numbers and types of a file whose imports are linked. */
nk_code pb_link_file(pb_parser *p, pb_file *f) NK_MUST;
/* The text of a published import, p NULL when there is none of that path (static). */
nk_str pb_known_file(nk_str path);
const pb_option *pb_find_option(const pb_options *o, const char *name);
bool pb_packed(const pb_file *f, const pb_field *x);
/* Text of a definition; links to types as full names. */
void pb_print(const pb_file *f, nk_buf *out);

#endif
