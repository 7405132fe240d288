/* A schema format (Avro, JSON Schema, Protobuf) as one row of functions. What is decided over all
 * of them alike (compatibility modes, versions, doors) never asks which format it has.
 *
 * Every function is bounded in time and memory whatever the definition: past a limit it fails with
 * NK_E_INVALID and says which limit. All text and documents live in the arena that is passed in,
 * which must outlive them; definitions and references are borrowed for as long. */
#ifndef NK_REGISTRY_FORMAT_H
#define NK_REGISTRY_FORMAT_H

#include "base/base.h"

#define NK_SCHEMA_TEXT_MAX  170000 /* bytes of a definition, as AWS has it */
#define NK_SCHEMA_DIFFS_MAX 200    /* differences listed at most */

/* Another definition that one links to. */
typedef struct nk_schema_ref {
    nk_str name; /* what the link says: a $ref's target, an Avro full name, an import's path */
    nk_str text; /* the definition */
} nk_schema_ref;

/* What a difference means for reading by one door's rules. */
typedef enum { NK_VERDICT_FINE, NK_VERDICT_BREAKS } nk_verdict;
typedef enum { NK_DOOR_GLUE, NK_DOOR_CONFLUENT, NK_DOOR_COUNT } nk_door;

/* A kind of difference: one row of a format's table. The table is the one place that says what
 * each door makes of it. */
typedef struct nk_schema_rule {
    const char *id;  /* "READER_FIELD_MISSING_DEFAULT_VALUE" */
    const char *doc; /* a sentence: when it is met, and what to do */
    nk_verdict verdict[NK_DOOR_COUNT];
} nk_schema_rule;

/* One difference between the schema data was written with and the one it is read with. */
typedef struct nk_schema_diff {
    const nk_schema_rule *rule; /* static */
    nk_str writer_path; /* where in the writer's definition, as a JSON pointer: "/fields/2/type" */
    nk_str reader_path; /* the same in the reader's; Protobuf: "Message.field" or "Message#3" */
    nk_str message;     /* names, types and values; no full stop */
    nk_str sample; /* JSON text of a whole record that the writer may write and the reader fails on
                      or misreads; p NULL when the verdict is fine, or none is known (then the
                      message says that it could not be proved) */
} nk_schema_diff;
NK_LIST(nk_schema_diffs, nk_schema_diff);

/* A table column that a definition stands for. */
typedef struct nk_schema_column {
    nk_str name, type,
        comment; /* type: Hive's text, "array<struct<a:int>>"; comment may be absent */
} nk_schema_column;
NK_LIST(nk_schema_columns, nk_schema_column);

typedef struct nk_schema_doc nk_schema_doc; /* a parsed definition; its format's own */

typedef struct nk_schema_format {
    nk_str name; /* "AVRO", as Glue's DataFormat and (case folded) Confluent's schemaType */
    const nk_schema_rule *rules;
    size_t n_rules;
    size_t quick_max; /* two definitions of up to so many bytes are parsed and compared in far less
                         than a millisecond, whatever they say; 0 = nobody knows */

    /* Adds to out the names that the text links to and does not define itself, each once, in order
     * of appearance. NK_E_INVALID when it cannot be read at all. */
    nk_code (*links)(nk_str text, nk_arena *a, nk_strs *out, nk_err *err);
    /* refs holds what it links to, and what those link to, dependencies first; names are unique.
     * NK_E_INVALID with the place and the reason; an unresolved link is invalid, and named. */
    nk_code (*parse)(nk_str text, const nk_schema_ref *refs, size_t n_refs, nk_arena *a,
                     nk_schema_doc **out, nk_err *err);
    /* Definitions that mean the same to the registry have equal canonical texts: white space and
     * order of members do not count; docs, aliases, defaults do. Links stay links. */
    nk_code (*canonical)(const nk_schema_doc *doc, nk_buf *out, nk_err *err);
    /* Can `reader` read all that `writer` writes? Adds every difference it finds (up to
     * NK_SCHEMA_DIFFS_MAX), fine ones too; none with NK_VERDICT_BREAKS means that it can. What
     * cannot be proved is a difference that breaks. */
    nk_code (*compare)(const nk_schema_doc *writer, const nk_schema_doc *reader, nk_arena *a,
                       nk_schema_diffs *out, nk_err *err);
    /* What a definition that comes anew through a door must also be, though older ones are read
     * without; NULL: nothing. NK_E_INVALID with the place and the reason. */
    nk_code (*admit)(const nk_schema_doc *doc, nk_door door, nk_arena *a, nk_err *err);
    /* The columns of a table whose rows are these records; NULL when the format gives none. */
    nk_code (*columns)(const nk_schema_doc *doc, nk_arena *a, nk_schema_columns *out, nk_err *err);
} nk_schema_format;

/* The rows, each in its format's own file. */
extern const nk_schema_format nk_schema_format_avro, nk_schema_format_json,
    nk_schema_format_protobuf;

#endif
