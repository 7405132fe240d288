/* Inside the catalogue. */
#ifndef NK_CATALOG_INT_H
#define NK_CATALOG_INT_H

#include "catalog/catalog.h"
#include "model/glue_handlers.h"
#include "model/page.h"
#include "plan/expr.h"

/* ---- records (kinds.c) ---- */

extern const nk_kind nk_kind_database, nk_kind_table, nk_kind_table_version, nk_kind_partition,
    nk_kind_piece, nk_kind_task;

enum { NK_DB_REGION, NK_DB_NAME, NK_DB_ID, NK_DB_NCOLS };
enum {
    NK_TBL_DB,
    NK_TBL_NAME,
    NK_TBL_ID,
    NK_TBL_VERSION,
    NK_TBL_KEYS,    /* "name US type RS name US type …" */
    NK_TBL_TYPED,   /* 1: the partitions' columns were made with these keys */
    NK_TBL_KEYGEN,  /* counts changes of the keys' types */
    NK_TBL_INDEXES, /* CreateTable's PartitionIndexes as given, JSON */
    NK_TBL_NCOLS
};
/* Partition key values are kept twice: as the texts they are (vals), and the first eight as bytes
 * that sort as their type does (c0 … c7; NULL when the text cannot be read as the type). */
enum { NK_PART_TYPED_MAX = 8 };
enum {
    NK_PART_TABLE,
    NK_PART_VALS,
    NK_PART_C0,
    NK_PART_COLS = NK_PART_C0 + NK_PART_TYPED_MAX, /* hash of the piece with the columns */
    NK_PART_REST,                                  /* … with the rest of the storage descriptor */
    NK_PART_NCOLS
};
enum { NK_TASK_PURGE_DATABASE = 1, NK_TASK_PURGE_TABLE, NK_TASK_RETYPE };

/* ---- typed key values (keys.c) ---- */

typedef enum {
    NK_KEY_NONE,
    NK_KEY_INT,
    NK_KEY_DECIMAL,
    NK_KEY_TEXT,
    NK_KEY_DATE,
    NK_KEY_TIMESTAMP
} nk_key_class;
typedef struct nk_part_key {
    nk_str name, type;
    nk_key_class class; /* NONE: of a type that expressions cannot compare */
} nk_part_key;
typedef struct nk_part_keys {
    nk_part_key *v;
    size_t n;
} nk_part_keys;

#define NK_HIVE_NULL NK_STR("__HIVE_DEFAULT_PARTITION__")

nk_key_class nk_key_class_of(nk_str hive_type, nk_arena *a);
/* The value's bytes, ordered as the type orders; false when the text is none of the type. Memory
 * gone: false too, with out->n = SIZE_MAX. */
bool nk_key_encode(nk_key_class class, nk_str text, nk_arena *a, nk_str *out);
/* Lists of texts as one key and back; prefix-free, ordered value by value. */
nk_str nk_vals_pack(const nk_list_str *values, nk_arena *a);
nk_code nk_vals_unpack(nk_str packed, nk_arena *a, nk_list_str *out) NK_MUST;
nk_str nk_keys_pack(const glue_Column_list *cols, nk_arena *a);
nk_code nk_keys_unpack(nk_str packed, nk_arena *a, nk_part_keys *out) NK_MUST;

/* ---- partition expressions (filter.c) ---- */

typedef struct nk_filter nk_filter;
/* NK_E_INVALID in AWS's words. An empty expression gives *out = NULL: everything. */
nk_code nk_filter_compile(nk_str expression, const nk_part_keys *keys, nk_arena *a,
                          const nk_filter **out, nk_err *err) NK_MUST;
/* c: one value a key, NULL or BYTES. NULL filter: true. */
bool nk_filter_eval(const nk_filter *f, const nk_val *c);

typedef struct nk_filter_plan {
    const nk_index *index; /* NULL: key order */
    unsigned number;       /* 0 = key order, else 1 + its place */
    nk_val prefix[1 + NK_PART_TYPED_MAX];
    unsigned nprefix;
    const nk_cond *where; /* NULL: none */
    bool exact;           /* the store decides; else nk_filter_eval must look at every row */
    bool nothing;         /* no row can pass */
} nk_filter_plan;
/* typed: whether the columns may be used. */
nk_code nk_filter_plan_make(const nk_filter *f, size_t nkeys, int64_t table, bool typed,
                            nk_arena *a, nk_filter_plan *out) NK_MUST;

/* ---- tables and databases ---- */

typedef struct nk_table_row {
    nk_str database, name; /* folded */
    int64_t db, id, version, keygen;
    bool typed;
    nk_part_keys keys;
    nk_str keys_packed, indexes, body;
} nk_table_row;

nk_code nk_fail_database(nk_err *err, nk_str name);
nk_code nk_fail_table(nk_err *err, nk_str name);
/* The request's CatalogId: absent or this account's. */
nk_code nk_catalog_check_id(nk_call *call, nk_str catalog_id) NK_MUST;
nk_code nk_catalog_no_transaction(nk_err *err, nk_str transaction_id, nk_opt_time as_of) NK_MUST;
/* Folds to lower case; NK_E_NOMEM. */
nk_code nk_fold(nk_arena *a, nk_str name, nk_str *out, nk_err *err) NK_MUST;
nk_code nk_database_id(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str name, nk_str *folded,
                       int64_t *id, nk_err *err) NK_MUST;
/* "Database x not found." or "Table x not found.". */
nk_code nk_table_load(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database, nk_str name,
                      nk_table_row *out, nk_err *err) NK_MUST;
nk_code nk_table_create(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database,
                        const glue_TableInput *in, nk_str indexes, nk_err *err) NK_MUST;
typedef struct nk_table_update {
    const glue_TableInput *in;
    nk_str expected_version; /* p NULL = any */
    bool skip_archive;
} nk_table_update;
nk_code nk_table_change(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database,
                        const nk_table_update *u, nk_err *err) NK_MUST;
nk_code nk_table_drop(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database, nk_str name,
                      nk_err *err) NK_MUST;
nk_code nk_database_create(nk_tx *tx, const nk_catalog_ctx *ctx, const glue_DatabaseInput *in,
                           nk_err *err) NK_MUST;

/* ---- partitions ---- */

/* What one request has met of a table's pieces. */
typedef struct nk_piece {
    nk_str text;
    char hash[16];
} nk_piece;
NK_LIST(nk_pieces, nk_piece);

typedef struct nk_part_ctx {
    nk_tx *tx;
    const nk_catalog_ctx *ctx;
    nk_table_row table;
    nk_pieces pieces;
    nk_str tail; /* ,"DatabaseName":…} of every reply */
    nk_err *err;
} nk_part_ctx;
nk_code nk_part_begin(nk_part_ctx *p, nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database,
                      nk_str table, nk_err *err) NK_MUST;
nk_code nk_part_check(const nk_part_ctx *p, const nk_list_str *values, nk_err *err) NK_MUST;
typedef enum { NK_PART_CREATE, NK_PART_REPLACE, NK_PART_PUT } nk_part_mode;
/* CREATE: must not be there. REPLACE: must be there. PUT: either. CreationTime of a replaced one is
 * kept. *existed may be NULL. */
nk_code nk_part_write(nk_part_ctx *p, const glue_PartitionInput *in, nk_part_mode mode,
                      bool *existed, nk_err *err) NK_MUST;
/* UpdatePartition: other values in the input rename it. CreationTime is kept. */
nk_code nk_part_rename(nk_part_ctx *p, const nk_list_str *from, const glue_PartitionInput *in,
                       nk_err *err) NK_MUST;
nk_code nk_part_delete(nk_part_ctx *p, const nk_list_str *values, nk_err *err) NK_MUST;
/* The reply's JSON of a stored row. */
nk_code nk_part_reply(nk_part_ctx *p, const nk_row *row, bool without_columns,
                      nk_str *json) NK_MUST;

typedef struct nk_part_scan {
    nk_str expression;
    const glue_Segment *segment;
    const nk_pos *after;   /* with the number below, from a page token */
    unsigned after_number; /* which order the place belongs to */
    bool without_columns;
    size_t max;                         /* rows */
    size_t bytes_max;                   /* of replies */
    bool (*fn)(void *arg, nk_str json); /* false stops */
    void *arg;
    /* out */
    bool more;
    unsigned number;
    nk_pos last;
} nk_part_scan;
nk_code nk_part_list(nk_part_ctx *p, nk_part_scan *s) NK_MUST;

/* ---- work left for later (task.c) ---- */
nk_code nk_task_add(nk_tx *tx, int64_t id, int what, int64_t keygen, nk_err *err) NK_MUST;

/* An error of one entry of a batch, in the arena; the codes that mean that the store itself failed
 * are handed back instead. */
nk_code nk_entry_error(nk_code code, const nk_err *entry, nk_arena *a, glue_ErrorDetail **out,
                       nk_err *err) NK_MUST;

#endif
