/* engine: the embedded SQL engine (DuckDB, in process, by its C API). One per run; the server never
 * opens one. Calls on one engine come from one thread at a time, but for nk_engine_interrupt. */
#ifndef NK_ENGINE_H
#define NK_ENGINE_H

#include "engine/vec.h"
#include "schema/rows.h"

typedef struct nk_engine nk_engine;
typedef struct nk_result nk_result;
struct ArrowArrayStream;

typedef struct nk_engine_options {
    uint64_t memory_limit_bytes; /* 0 = the engine's own choice */
    int threads;                 /* 0 = all cores */
    const char *temp_dir;        /* spills; NULL = none */
    const char *extension_dir;   /* where httpfs lies; NULL = $NIKAWA_DEPS, the build's deps_dir or
                                    ~/.cache/nikawa, /duckdb_extensions */
    const char *s3_endpoint; /* http(s)://host:port; NULL = s3:// is refused with a clear error */
    const char *s3_region, *s3_access_key, *s3_secret_key;
} nk_engine_options;

/* Strings are copied. httpfs is loaded at the first statement that names s3://. */
nk_code nk_engine_open(const nk_engine_options *o, nk_engine **out, nk_err *err) NK_MUST;
void nk_engine_close(nk_engine *e); /* NULL is fine */

/* Errors of statements: NK_E_NOMEM (memory limit), NK_E_CANCELLED (interrupted), NK_E_NOT_FOUND
 * (bucket, key, file), NK_E_UNAVAILABLE (S3 endpoint gone), NK_E_ACCESS_DENIED, NK_E_UNSUPPORTED,
 * NK_E_FULL, else NK_E_INVALID with the engine's words, shortened. */
nk_code nk_engine_exec(nk_engine *e, nk_str sql, nk_err *err) NK_MUST;
nk_code nk_engine_query(nk_engine *e, nk_str sql, nk_result **out, nk_err *err) NK_MUST;
/* Loads one of DuckDB's extensions that deps/install puts beside httpfs, by its name. */
nk_code nk_engine_extension(nk_engine *e, const char *name, nk_err *err) NK_MUST;
/* Any thread: what runs ends with NK_E_CANCELLED. */
void nk_engine_interrupt(nk_engine *e);

/* A struct: names and types of the columns (owned by the result). */
const nk_type *nk_result_type(const nk_result *r);
/* The next rows as one view a column, valid until the next call; *rows 0 at the end. */
nk_code nk_result_next(nk_result *r, const nk_vec **columns, size_t *rows, nk_err *err) NK_MUST;
void nk_result_close(nk_result *r); /* NULL is fine */
/* The single integer of a one-row, one-column query. */
nk_code nk_engine_i64(nk_engine *e, nk_str sql, int64_t *out, nk_err *err) NK_MUST;
/* All values as text, row by row, in the arena (p NULL = NULL); NK_E_LIMIT over rows_max. */
nk_code nk_engine_texts(nk_engine *e, nk_str sql, size_t rows_max, nk_arena *a, nk_str **values,
                        size_t *rows, size_t *columns, nk_err *err) NK_MUST;
/* The type of a query's rows, without running it. */
nk_code nk_engine_describe(nk_engine *e, nk_str sql, nk_arena *a, const nk_type **out,
                           nk_err *err) NK_MUST;

/* Arrow out: the query's rows as an Arrow C stream (caller-allocated; release it before closing the
 * engine). Large results lie in the engine's temporary storage, not in memory. */
nk_code nk_engine_arrow(nk_engine *e, nk_str sql, struct ArrowArrayStream *out,
                        nk_err *err) NK_MUST;
/* Arrow in: reads the stream to its end into a new temporary table. Takes the stream over. */
nk_code nk_engine_load_arrow(nk_engine *e, nk_str table, struct ArrowArrayStream *stream,
                             nk_err *err) NK_MUST;

/* A row function: called with batches of one struct argument. Booleans: fills out[i]. Texts: gives
 * p/n by add, in row order, exactly n times. Any thread of the engine. */
typedef struct nk_texts_out nk_texts_out;
void nk_texts_out_add(nk_texts_out *o, nk_str s); /* p NULL = NULL */
typedef nk_code (*nk_rows_bool_fn)(void *arg, const nk_vec *row, size_t n, bool *out, nk_err *err);
typedef nk_code (*nk_rows_text_fn)(void *arg, const nk_vec *row, size_t n, nk_texts_out *out,
                                   nk_err *err);
/* type: the argument's struct, without choices (a choice is a struct to the engine). arg is
 * borrowed. */
nk_code nk_engine_rows_bool(nk_engine *e, nk_str name, const nk_type *type, nk_rows_bool_fn fn,
                            void *arg, nk_err *err) NK_MUST;
nk_code nk_engine_rows_text(nk_engine *e, nk_str name, const nk_type *type, nk_rows_text_fn fn,
                            void *arg, nk_err *err) NK_MUST;

/* Cells of text columns, read as one type with the crawler's strictness. What does not fit ends the
 * statement (NK_E_CONDITION) unless observe is set: then kinds collects 1 << nk_type_kind of every
 * cell. */
typedef struct nk_cells {
    nk_type_kind kind; /* BOOLEAN, LONG (and smaller), DOUBLE, FLOAT, DECIMAL, DATE, TIMESTAMP */
    const nk_type *type;
    bool observe;
    _Atomic uint32_t kinds;  /* of the cells seen (observe) */
    _Atomic uint32_t misfit; /* not 0: some cell did not fit */
} nk_cells;
/* Registers NAME(VARCHAR) → the type. cells must outlive the engine. */
nk_code nk_engine_cells(nk_engine *e, nk_str name, nk_cells *cells, nk_err *err) NK_MUST;
/* Registers NAME(VARCHAR) → BOOLEAN, which gives each JSON document to fn. Any thread, one call at
 * a time. */
typedef nk_code (*nk_document_fn)(void *arg, nk_str document, nk_err *err);
nk_code nk_engine_observer(nk_engine *e, nk_str name, nk_document_fn fn, void *arg,
                           nk_err *err) NK_MUST;

/* Rows of files in a format that we read, not the engine (schema/rows.h). */
typedef struct nk_row_file {
    nk_str uri;
    uint64_t size;
} nk_row_file;
typedef struct nk_row_source {
    const nk_rows_format *format;
    const nk_rows_options *options;
    const nk_type *type; /* a struct: columns that its values fit, choices too */
    const nk_row_file *files;
    size_t nfiles;
    const size_t *starts; /* nparts + 1: part i is files [starts[i], starts[i + 1]) */
    size_t nparts;
    /* Stored bytes, appended. Any thread. */
    nk_code (*read)(void *arg, nk_str uri, uint64_t at, size_t n, nk_buf *out, nk_err *err);
    void *arg;
} nk_row_source;
/* Registers the table function NAME(BIGINT part). source must outlive the engine. Errors name the
 * file and the place in it. */
nk_code nk_engine_row_source(nk_engine *e, nk_str name, const nk_row_source *source,
                             nk_err *err) NK_MUST;
/* A file of a source, to be read by its format. */
void nk_row_input(const nk_row_source *source, const nk_row_file *file, nk_input *in);
void nk_row_input_close(nk_input *in);

/* DuckDB's name of a type: "STRUCT(a BIGINT, b VARCHAR[])". Choices are structs of their
 * alternatives. */
nk_code nk_engine_type_name(const nk_type *t, nk_buf *out);

#endif
