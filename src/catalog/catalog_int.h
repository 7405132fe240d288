/* Inside the catalogue. */
#ifndef NK_CATALOG_INT_H
#define NK_CATALOG_INT_H

#include "catalog/catalog.h"
#include "lake/hive.h"
#include "model/glue_handlers.h"
#include "model/page.h"
#include "plan/expr.h"

/* ---- records (kinds.c) ---- */

extern const nk_kind nk_kind_database, nk_kind_table, nk_kind_table_version, nk_kind_partition,
    nk_kind_piece, nk_kind_task, nk_kind_catalog, nk_kind_tags, nk_kind_connection,
    nk_kind_connection_type, nk_kind_function, nk_kind_policy, nk_kind_catalog_settings,
    nk_kind_security, nk_kind_column_stats, nk_kind_stats_run, nk_kind_stats_settings;

enum {
    NK_DB_REGION,
    NK_DB_NAME,
    NK_DB_ID,
    NK_DB_TARGET, /* of a resource link: what it stands for, see nk_link_pack */
    NK_DB_NCOLS
};
enum {
    NK_TBL_DB,
    NK_TBL_NAME,
    NK_TBL_ID,
    NK_TBL_VERSION,
    NK_TBL_KEYS,    /* "name US type RS name US type …" */
    NK_TBL_TYPED,   /* 1: the partitions' columns were made with these keys */
    NK_TBL_KEYGEN,  /* counts changes of the keys' types */
    NK_TBL_INDEXES, /* the PartitionIndexes, JSON */
    NK_TBL_TARGET,  /* of a resource link, as above */
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
enum { NK_CAT_REGION, NK_CAT_NAME, NK_CAT_ID };
enum {
    NK_TASK_PURGE_DATABASE = 1,
    NK_TASK_PURGE_TABLE,
    NK_TASK_RETYPE,
    NK_TASK_PURGE_CATALOG,
    NK_TASK_INDEX
};

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

nk_code nk_catalog_tag_types(nk_err *err) NK_MUST;
/* What AWS gives a database or table that asks for nothing else. */
nk_code nk_default_permissions(nk_arena *a, glue_PrincipalPermissions_list *out) NK_MUST;

typedef struct nk_table_row {
    nk_str database, name;    /* folded */
    nk_str catalog_id, space; /* of its database */
    nk_str target;            /* of a resource link, packed; p NULL when it is none */
    int64_t db, id, version, keygen;
    bool typed;
    nk_part_keys keys;
    nk_str keys_packed, indexes, body;
} nk_table_row;

nk_code nk_fail_database(nk_err *err, nk_str name);
nk_code nk_fail_table(nk_err *err, nk_str name);
/* There are no governed tables: a TransactionId changes nothing, each request is a transaction. */
nk_code nk_catalog_when(nk_err *err, nk_str transaction_id, nk_opt_time as_of) NK_MUST;
/* What a request says for an audit goes to the log. */
void nk_catalog_audit(const nk_call *call, const glue_AuditContext *audit);
/* Folds to lower case; NK_E_NOMEM. */
nk_code nk_fold(nk_arena *a, nk_str name, nk_str *out, nk_err *err) NK_MUST;

/* Resource links. What one stands for: catalogue, database, table (of a table's link), region. */
typedef struct nk_link {
    nk_str catalog_id, database, table, region; /* p NULL: not given */
} nk_link;
/* p NULL when memory is gone. */
nk_str nk_link_pack(const nk_link *link, nk_arena *a);
nk_link nk_link_unpack(nk_str packed);
/* The context in which a link's names hold; NK_E_NOT_FOUND when it points out of this account. */
nk_code nk_link_ctx(nk_tx *tx, const nk_catalog_ctx *ctx, const nk_link *link, nk_catalog_ctx *out,
                    nk_err *err) NK_MUST;

/* A database as its children see it: a link stands for its target. */
typedef struct nk_db_ref {
    nk_str name, catalog_id;
    int64_t id;
    nk_str space; /* of names that it stands in */
} nk_db_ref;
nk_code nk_database_ref(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str name, nk_db_ref *out,
                        nk_err *err) NK_MUST;
nk_str nk_catalog_id(const nk_catalog_ctx *ctx);
/* The document of a database as it stands; a link is not followed. */
nk_code nk_database_row(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str name, nk_row *row,
                        nk_err *err) NK_MUST;
/* As nk_table_load, and a link is followed to its table. */
nk_code nk_table_follow(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database, nk_str name,
                        nk_table_row *out, nk_err *err) NK_MUST;
/* What GetTable answers of a loaded table: a link takes what it lacks from its target. */
nk_code nk_table_document(nk_tx *tx, const nk_catalog_ctx *ctx, const nk_table_row *t, nk_str *json,
                          nk_err *err) NK_MUST;
/* "Database x not found." or "Table x not found.". */
nk_code nk_table_load(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database, nk_str name,
                      nk_table_row *out, nk_err *err) NK_MUST;
nk_code nk_table_create(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database,
                        const glue_TableInput *in, nk_str indexes, nk_err *err) NK_MUST;
typedef struct nk_table_update {
    const glue_TableInput *in;
    nk_str expected_version; /* p NULL = any */
    bool skip_archive;
    nk_str view_action; /* ViewUpdateAction; p NULL = none */
    bool force;
} nk_table_update;
nk_code nk_table_change(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database,
                        const nk_table_update *u, nk_err *err) NK_MUST;
/* Any table by its number; NK_E_NOT_FOUND. database, catalog_id and space are left NULL. */
nk_code nk_table_by_id(nk_tx *tx, int64_t id, nk_arena *a, nk_table_row *out, nk_err *err) NK_MUST;
/* What a record says; database, catalog_id and space are left NULL. */
nk_code nk_table_of_row(const nk_row *row, nk_arena *a, nk_table_row *out, nk_err *err) NK_MUST;
/* The settings of its statistics' runs get the names that it has now (stats_settings.c). */
nk_code nk_stats_settings_rename(nk_tx *tx, const nk_table_row *t, nk_arena *a,
                                 nk_err *err) NK_MUST;
/* Writes a loaded table's record back as it stands. */
nk_code nk_table_put(nk_tx *tx, const nk_table_row *t, nk_err *err) NK_MUST;
nk_code nk_table_drop(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database, nk_str name,
                      nk_err *err) NK_MUST;
/* What a catalog asks for all its tables may have changed; name: empty for the account's own. */
nk_code nk_catalog_changed(nk_call *call, nk_str name) NK_MUST;
/* A record of nk_kind_catalog. */
nk_code nk_catalog_drop(nk_call *call, const nk_catalog_ctx *ctx, const nk_row *row) NK_MUST;
nk_code nk_database_drop(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str name, nk_err *err) NK_MUST;
/* Puts a loaded table back to an earlier record of it, its name too, as its next version. */
nk_code nk_table_restore(nk_tx *tx, const nk_catalog_ctx *ctx, nk_table_row *t, const nk_row *row,
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
    nk_str tail;                     /* ,"DatabaseName":…} of every reply */
    struct nk_part_changes *changes; /* not in the history yet */
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
/* Puts an earlier record back. */
nk_code nk_part_restore(nk_part_ctx *p, const nk_row *row, nk_err *err) NK_MUST;
/* After the last change: they go into the history together. */
nk_code nk_part_end(nk_part_ctx *p) NK_MUST;
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
/* "Cannot find partition.". */
nk_code nk_part_get(nk_part_ctx *p, const nk_list_str *values, nk_str *json, nk_err *err) NK_MUST;

/* One page of a listing, for requests. */
typedef struct nk_part_listing {
    nk_str expression, token;
    const glue_Segment *segment;
    bool without_columns;
    int64_t max;
    glue_Partition_list found; /* out: raw_ only */
} nk_part_listing;
nk_code nk_part_page(nk_call *call, nk_part_ctx *p, nk_part_listing *l, nk_str *token) NK_MUST;

/* ---- partition indexes (part_indexes.c) ---- */
/* What CreateTable keeps of its PartitionIndexes; p NULL for none. */
nk_code nk_indexes_of_input(const glue_PartitionIndex_list *in, const glue_Column_list *columns,
                            nk_arena *a, nk_str *json, nk_err *err) NK_MUST;
/* A table's indexes as a JSON list. */
nk_str nk_indexes_json(const nk_table_row *t);
/* Puts the indexes of an earlier record (nk_indexes_json) back; those that the table lacks are
 * checked anew. NK_E_INVALID when they do not go with its keys. */
nk_code nk_indexes_restore(nk_tx *tx, const nk_catalog_ctx *ctx, nk_table_row *t, nk_str json,
                           nk_err *err) NK_MUST;
/* Checks the next partitions after a place (NULL: from the first) for indexes that are CREATING;
 * *last is the values it came to; at the end (*done) they are ACTIVE or FAILED. */
nk_code nk_indexes_check(nk_tx *tx, nk_table_row *t, const nk_pos *after, size_t step, nk_arena *a,
                         nk_buf *last, bool *done, nk_err *err) NK_MUST;

/* Hive's patterns of functions: '*' (or ".*") any run of characters, '.' one of them. Alternatives
 * are split before. */
bool nk_hive_glob(nk_str pattern, nk_str s);

/* ---- work left for later (task.c) ---- */
nk_code nk_task_add(nk_tx *tx, int64_t id, int what, int64_t keygen, nk_err *err) NK_MUST;
/* Those that a stop left. */
nk_code nk_tasks_resume(nk_app *app, nk_err *err) NK_MUST;

/* An error of one entry of a batch, in the arena; the codes that mean that the store itself failed
 * are handed back instead. */
nk_code nk_entry_error(nk_code code, const nk_err *entry, nk_arena *a, glue_ErrorDetail **out,
                       nk_err *err) NK_MUST;

#endif
