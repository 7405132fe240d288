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

/* ---- Recognising a sample ---- */
typedef enum {
    NK_FMT_UNKNOWN,
    NK_FMT_CSV,
    NK_FMT_JSON,
    NK_FMT_PARQUET,
    NK_FMT_AVRO,
    NK_FMT_ORC,
    NK_FMT_XML,
} nk_format;
const char *
nk_format_name(nk_format f); /* Glue's classification: "csv", "json", …, "UNKNOWN" (static) */

typedef struct nk_recognised {
    nk_format format;
    double certainty;       /* 0 to 1 */
    nk_csv_dialect dialect; /* CSV */
    nk_json_layout layout;  /* JSON */
    const nk_type *type;    /* CSV, JSON: a struct; by the crawler's rule. NULL for the rest */
    uint64_t records;       /* data records in the sample */
    uint64_t record_bytes;  /* bytes they take */
    nk_str why;             /* for a human: what spoke for or against */
} nk_recognised;
/* By content only. sample: the decompressed beginning of a file; whole: it is all of it. Not being
 * recognised is not an error (format UNKNOWN, why says more). CSV needs two columns and two data
 * records; its header is taken as one only when every cell of it is text and some data cell is not.
 * Result in the arena. */
nk_code nk_recognise(nk_str sample, bool whole, nk_arena *a, nk_recognised *out,
                     nk_err *err) NK_MUST;

#endif
