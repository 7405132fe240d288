/* Types from values: what a run of JSON documents or CSV records is made of. Used by crawlers and
 * by job sources. Streaming: feed as much or as little as wished; memory grows with the schema, not
 * the data. */
#ifndef NK_INFER_H
#define NK_INFER_H

#include "schema/csv.h"
#include "schema/json_stream.h"
#include "schema/type.h"

typedef struct nk_infer nk_infer;

/* Everything lives in the arena. max_nodes: how many fields, at all levels, may be seen (0 =
 * 100,000). */
nk_infer *nk_infer_create(nk_arena *a, size_t max_nodes);

/* One JSON document. Integers are INT, LONG beyond 32 bits, DOUBLE beyond 64; fractions and
 * exponents DOUBLE; texts STRING, never dates. NK_E_SERIALIZATION when it is not JSON; what was
 * seen before stays. */
nk_code nk_infer_json(nk_infer *in, nk_str document, nk_err *err) NK_MUST;
/* One CSV record: cell i belongs to column i. */
nk_code nk_infer_csv(nk_infer *in, const nk_str *cells, size_t n, nk_err *err) NK_MUST;
uint64_t nk_infer_count(const nk_infer *in); /* documents or records seen */

/* Values of any other format: where they stand is walked by name and element, what they are is
 * told. A place is valid as long as the infer. */
typedef struct nk_seen nk_seen;
nk_seen *nk_infer_root(nk_infer *in);
void nk_infer_record(nk_infer *in); /* counts one */
/* A struct's or array's place is told STRUCT or ARRAY too; NULL says nothing. */
void nk_seen_kind(nk_seen *at, nk_type_kind kind);
bool nk_seen_is(const nk_seen *at, nk_type_kind kind);
/* hint: which field of its struct it is, as a rule. */
nk_code nk_seen_field(nk_infer *in, nk_seen *at, nk_str name, size_t hint, nk_seen **out,
                      nk_err *err) NK_MUST;
nk_code nk_seen_elem(nk_infer *in, nk_seen *at, nk_seen **out, nk_err *err) NK_MUST;
/* The JSON value whose first token r has read, as one record. */
nk_code nk_infer_value(nk_infer *in, nk_json_reader *r, nk_err *err) NK_MUST;

/* The type of all that was seen (into a). CRAWL: widened, mixed becomes string; CHOICE: int and
 * long and text … kept side by side, in the order seen. CSV gives a struct whose fields are named
 * "col0", "col1" …, at least min_columns of them. A column of nulls only is NK_T_NULL. */
nk_code nk_infer_type(const nk_infer *in, nk_merge_rule rule, size_t min_columns, nk_arena *a,
                      const nk_type **out, nk_err *err) NK_MUST;

/* What a job reads such CSV records as: a struct of at least `columns` fields. A column most of
 * whose cells are texts is STRING, since a cell is text and nothing is lost; else it is the kind of
 * its other cells (LONG beside DOUBLE is DOUBLE, DATE beside TIMESTAMP is TIMESTAMP), in a choice
 * with STRING when it holds texts as well. An empty column is STRING. */
nk_code nk_infer_cells(const nk_infer *in, size_t columns, nk_arena *a, const nk_type **out,
                       nk_err *err) NK_MUST;

/* What one CSV cell looks like, blanks at its ends aside: NULL (empty), BOOLEAN (true/false, any
 * case), LONG, DOUBLE (also NaN, Infinity), DATE (2024-02-29), TIMESTAMP (date and time, with T or
 * a blank), else STRING. An integer beyond 64 bits is STRING: nothing is lost. */
nk_type_kind nk_infer_cell(nk_str cell);

#endif
