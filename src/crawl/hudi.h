/* Hudi's own files, as much of them as a crawler needs: what a table is called and made of.
 * Versions 0.x (timeline of JSON in .hoodie) and 1.x (of Avro in .hoodie/timeline). No store, no
 * network. */
#ifndef NK_HUDI_H
#define NK_HUDI_H

#include "schema/rows.h"

/* A property of hoodie.properties, unescaped (arena); p NULL when it is not there. */
nk_str nk_hudi_property(nk_str properties, const char *name, nk_arena *a);
/* The fields that partitions go by, of a property "a,b:SIMPLE". */
nk_code nk_hudi_fields(nk_str property, nk_arena *a, nk_strs *out, nk_err *err) NK_MUST;

/* Whether a file of the timeline is a completed action that writes data; *instant: when it began
 * (borrowed). */
bool nk_hudi_action(nk_str name, nk_str *instant);
/* The Avro schema that an action's file tells of, arena; p NULL: it tells of none. */
nk_code nk_hudi_action_schema(nk_input *in, nk_arena *a, nk_str *out, nk_err *err) NK_MUST;

/* A file of data: a Parquet file, or a log of changes to one; *instant as above. */
bool nk_hudi_data(nk_str name, bool *log, nk_str *instant);
/* The Avro schema in the first block of a log's beginning; p NULL: it tells of none. Borrowed. */
nk_code nk_hudi_log_schema(nk_str head, nk_str *out, nk_err *err) NK_MUST;

/* Values of the partition whose folder is `path` ("a/b/", below the table), a value a field:
 * "k=v/…" or "v/…"; decode: %xx in them is undone. False when the path does not fit the fields. */
bool nk_hudi_partition(const nk_strs *fields, nk_str path, bool decode, nk_arena *a,
                       nk_str *values);

#endif
