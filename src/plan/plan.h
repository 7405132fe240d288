/* plan: a job as a graph of typed nodes in Glue's visual vocabulary. Every front end builds the
 * same nodes (visual jobs, awsglue calls, queries); a dialect turns them into SQL.
 *
 * Building a node does no work. What depends on data (which files there are, whether a column holds
 * what its type promises) is asked of the plan's host, once, when a schema or SQL is first wanted.
 */
#ifndef NK_PLAN_H
#define NK_PLAN_H

#include "base/base.h"
#include "schema/type.h"

typedef struct nk_plan nk_plan;
typedef struct nk_node nk_node;
typedef struct nk_compile nk_compile;
typedef struct nk_dialect nk_dialect;
typedef struct nk_scan nk_scan;

typedef enum { NK_NODE_SOURCE, NK_NODE_TRANSFORM, NK_NODE_TARGET } nk_node_role;

/* One row a node kind; nodes.def lists them. */
typedef struct nk_node_kind {
    const char
        *name; /* the member of CodeGenConfigurationNode; kinds of our own start with Py/Arrow */
    nk_node_role role;
    size_t inputs_min, inputs_max;
    const char *required[6]; /* option members it cannot do without, NULL-terminated */
    /* The struct type of its rows, choices included. Inputs' schemas by nk_node_schema. */
    nk_code (*schema)(nk_plan *p, const nk_node *n, nk_arena *a, const nk_type **out, nk_err *err);
    /* Writes one SELECT over the inputs, which are named by nk_compile_input. */
    nk_code (*compile)(nk_compile *c, const nk_node *n, nk_buf *out, nk_err *err);
    const char *doc;
} nk_node_kind;

const nk_node_kind *nk_node_kinds(size_t *n);       /* static table */
const nk_node_kind *nk_node_kind_find(nk_str name); /* NULL when unknown */

/* Immutable once built; lives in its plan's arena. */
struct nk_node {
    const nk_node_kind *kind;
    nk_str name;
    const nk_json *options; /* the members of that kind in Glue's own JSON ("Inputs" and "Name" are
                               not read) */
    const nk_node *const *inputs;
    size_t ninputs;
    size_t id;     /* position in the plan */
    nk_plan *plan; /* borrowed */
};

/* ---- the plan ---- */

/* What a plan asks of the process it lives in: files, the catalogue, bounded queries. All borrowed
 * arguments; results in the given arena. NULL members mean "cannot": nodes that need them fail with
 * a clear error. */
typedef struct nk_plan_host {
    void *arg;
    /* What a source node reads: files, how to read them, the type of the rows. exact: every value
     * has been looked at, so that the type holds each choice; else a sample. Called again after
     * nk_plan_forget. */
    nk_code (*scan)(void *arg, nk_plan *p, const nk_node *n, bool exact, nk_arena *a,
                    const nk_scan **out, nk_err *err);
    /* A bounded query, in the engine's dialect; every value as text (p NULL = NULL), row by row. */
    nk_code (*probe)(void *arg, nk_str sql, nk_arena *a, nk_str **values, size_t *rows,
                     size_t *columns, nk_err *err);
    /* The catalogue's table as its API gives it; NK_E_NOT_FOUND. */
    nk_code (*table)(void *arg, nk_str database, nk_str table, nk_arena *a, const nk_json **out,
                     nk_err *err);
} nk_plan_host;

/* host is copied. Destroying the plan frees all its nodes. */
nk_code nk_plan_create(const nk_plan_host *host, nk_plan **out, nk_err *err) NK_MUST;
void nk_plan_destroy(nk_plan *p);
nk_arena *nk_plan_arena(nk_plan *p);

/* Adds a node. options_json is copied; inputs are nodes of the same plan. NK_E_INVALID names the
 * node, the member and what is wrong; NK_E_UNSUPPORTED names a kind that Glue has and Nikawa cannot
 * run yet. */
nk_code nk_plan_node(nk_plan *p, nk_str kind, nk_str name, nk_str options_json,
                     const nk_node *const *inputs, size_t ninputs, const nk_node **out,
                     nk_err *err) NK_MUST;
/* A whole visual job: {"node-1": {"S3CsvSource": {…}}, …} with Inputs of ids (or id.output). Nodes
 * come in an order in which every input stands before its users; ids are the nodes' keys. (A Spigot
 * stands twice: the node itself, and the target that its sample goes to.) */
typedef struct nk_plan_visual {
    nk_str *ids;
    const nk_node **nodes;
    size_t n;
} nk_plan_visual;
nk_code nk_plan_from_visual(nk_plan *p, const nk_json *doc, nk_plan_visual *out,
                            nk_err *err) NK_MUST;

/* NK_E_UNSUPPORTED, naming the node, when something in the graph is known to mean something else on
 * the embedded engine than in Glue: such a job is run as a script, on Spark. */
nk_code nk_plan_check_native(const nk_plan_visual *graph, nk_err *err) NK_MUST;

/* The type of a node's rows (a struct; cached). exact = true looks at all data once, so that every
 * choice shows. */
nk_code nk_node_schema(const nk_node *n, bool exact, const nk_type **out, nk_err *err) NK_MUST;
/* Something learnt about a source's data made cached schemas stale. */
void nk_plan_forget(nk_plan *p);

/* ---- compiling ---- */

typedef enum {
    NK_SCAN_CSV,
    NK_SCAN_JSON,
    NK_SCAN_PARQUET,
    NK_SCAN_TABLE,
    NK_SCAN_ROWS, /* a table function of the engine's, view(number of the part), gives type's rows
                   */
} nk_scan_format;

/* Files of one place with the same partition values. */
typedef struct nk_scan_part {
    nk_str *files; /* s3:// URIs or paths; never globs */
    size_t nfiles;
    nk_str *values;      /* one a partition column, p NULL = NULL; NULL when there are no partition
                            columns */
    const nk_type *read; /* as nk_scan.read when this part's files differ from the others'; NULL =
                            the scan's */
} nk_scan_part;

/* What a source reads. */
struct nk_scan {
    nk_scan_format format;
    nk_str view; /* a name for it, unique in the plan: src_<node id>; TABLE: the engine's table */
    const nk_type
        *type; /* struct: rows as the node gives them, choices and partition columns included */
    const nk_type *read; /* struct: file columns, in file order for CSV, as they are read; choice
                            places are string (CSV) or raw JSON text (JSON) */
    nk_scan_part *parts;
    size_t nparts;
    nk_field *partition_columns;
    size_t npartition_columns;
    /* CSV */
    char separator, quote, escape; /* quote 0 = none */
    bool header;                   /* the first line of each file holds names */
    bool skip_first;
    bool multiline;
    bool lenient; /* rows of other lengths: missing values are null, extra ones dropped */
    nk_str null_text;
    /* JSON */
    nk_str json_path; /* p NULL = whole documents */
    nk_str
        json_table;  /* not empty: a table of the engine's whose column json holds the documents */
    bool json_array; /* documents are arrays of rows, or span lines */
    nk_str compression; /* "", "gzip", "bzip2", "zstd" */
};

/* How one engine says things. Node code never writes engine syntax: it calls these. */
struct nk_dialect {
    const char *name; /* "duckdb", "spark" */
    nk_code (*ident)(nk_buf *b, nk_str name);
    nk_code (*literal)(nk_buf *b, nk_str text); /* a string literal */
    nk_code (*file)(nk_buf *b, nk_str uri);     /* one file's name as a literal: no pattern */
    nk_code (*type)(nk_buf *b, const nk_type *t);
    /* Spark's cast with ANSI off of the SQL expression x (one type to another, both without
     * choices). */
    nk_code (*cast)(nk_buf *b, nk_str x, const nk_type *from, const nk_type *to, nk_err *err);
    nk_code (*field)(nk_buf *b, nk_str x, nk_str name); /* x.name */
    nk_code (*struct_open)(nk_buf *b);                  /* then pairs by struct_field, then close */
    nk_code (*struct_field)(nk_buf *b, bool first, nk_str name, nk_str x);
    nk_code (*struct_close)(nk_buf *b);
    /* each element of the list x, named var, becomes body */
    nk_code (*list_map)(nk_buf *b, nk_str x, nk_str var, nk_str body);
    nk_code (*map_values)(nk_buf *b, nk_str x, nk_str var, nk_str body); /* values of a map */
    nk_code (*scan)(nk_compile *c, const nk_scan *s, nk_buf *b, nk_err *err);
    const char *null_safe_eq; /* "IS NOT DISTINCT FROM", "<=>" */
};
const nk_dialect *nk_dialect_duckdb(void);
const nk_dialect *nk_dialect_find(nk_str name); /* NULL when unknown */

/* A whole statement: WITH … SELECT for the node's rows. */
nk_code nk_plan_sql(const nk_node *n, const nk_dialect *d, nk_buf *out, nk_err *err) NK_MUST;
/* As above, and the scans it stands on (arena of the plan), for engines that declare their sources
 * outside SQL. */
nk_code nk_plan_sql_scans(const nk_node *n, const nk_dialect *d, nk_buf *out,
                          const nk_scan ***scans, size_t *nscans, nk_err *err) NK_MUST;
/* A SELECT over one scan, as it would stand in such a statement. */
nk_code nk_plan_scan_sql(nk_plan *p, const nk_scan *s, const nk_dialect *d, nk_buf *out,
                         nk_err *err) NK_MUST;
/* The graph as text, one line a node with its schema. */
nk_code nk_plan_explain(const nk_node *n, nk_buf *out, nk_err *err) NK_MUST;

/* For node code. */
const nk_dialect *nk_compile_dialect(nk_compile *c);
nk_arena *nk_compile_arena(nk_compile *c);
nk_str nk_compile_input(nk_compile *c, const nk_node *n,
                        size_t i); /* quoted name of input i's relation */

#endif
