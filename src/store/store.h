/* store: transactions over records with typed columns and indexes. The one room that knows a
 * database.
 *
 * A kind of record is a static table: typed columns, of which the first nkey are the key, further
 * columns that indexes and conditions may use, and a body (a JSON document) that the store never
 * looks into. Region is the first key column of every kind, unless the key begins with the number
 * of a parent that has one.
 *
 * Writes are closures. They run one at a time on the store's writer thread; a closure that returns
 * an error leaves nothing behind. Closures in flight share a COMMIT, and are answered only after it
 * is on disk. A closure may be run more than once before it is answered (when another one of its
 * COMMIT fails, or a store could not serialize them), so it must have no effects but
 * those through its nk_tx, and must not depend on what an earlier run of it left in its argument.
 * It must be short and must not block.
 *
 * Reads run on the caller's thread over a snapshot that holds every write acknowledged before it
 * began. */
#ifndef NK_STORE_H
#define NK_STORE_H

#include "base/base.h"

typedef enum {
    NK_COL_I64,
    NK_COL_F64,
    NK_COL_TEXT, /* UTF-8; ordered by bytes */
    NK_COL_BYTES,
} nk_col_type;

typedef struct nk_col {
    const char *name; /* [a-z][a-z0-9_]*, not "body" nor "v" */
    nk_col_type type; /* key columns are never NULL, others may be */
} nk_col;

#define NK_INDEX_COLS_MAX 12

/* An index over the records whose first column that is not in the key is not NULL. */
typedef struct nk_index {
    const char *name;
    unsigned char cols[NK_INDEX_COLS_MAX]; /* positions in nk_kind.cols */
    unsigned char n;
    bool unique; /* NK_E_EXISTS on a second record with the same values */
} nk_index;

/* Static. To change one in a later release: append columns (old records hold NULL there), add or
 * drop indexes, raise version; never rename, reorder or retype. upgrade brings a body of an older
 * version up to date as it is read (NULL when bodies need nothing). */
typedef struct nk_kind {
    const char *name; /* [a-z][a-z0-9_]* */
    int version; /* from 1; written with every record; a store that holds a higher one is refused */
    unsigned nkey;
    const nk_col *cols; /* ncols, at most NK_COLS_MAX */
    unsigned ncols;
    const nk_index *indexes;
    unsigned nindexes;
    nk_code (*upgrade)(int from, nk_str body, nk_arena *a, nk_str *out, nk_err *err);
} nk_kind;
#define NK_COLS_MAX 24

typedef enum { NK_V_NULL, NK_V_I64, NK_V_F64, NK_V_TEXT, NK_V_BYTES } nk_val_kind;
typedef struct nk_val {
    nk_val_kind kind;
    int64_t i;
    double f;
    nk_str s; /* TEXT, BYTES; borrowed */
} nk_val;

static inline nk_val nk_vi(int64_t i)
{
    return (nk_val){.kind = NK_V_I64, .i = i};
}
static inline nk_val nk_vf(double f)
{
    return (nk_val){.kind = NK_V_F64, .f = f};
}
/* An absent string (p NULL) is NULL. */
static inline nk_val nk_vs(nk_str s)
{
    return (nk_val){.kind = s.p ? NK_V_TEXT : NK_V_NULL, .s = s};
}
static inline nk_val nk_vc(const char *s)
{
    return nk_vs(nk_str_c(s));
}
static inline nk_val nk_vb(nk_str s)
{
    return (nk_val){.kind = s.p ? NK_V_BYTES : NK_V_NULL, .s = s};
}
static inline nk_val nk_vnull(void)
{
    return (nk_val){.kind = NK_V_NULL};
}
/* A key in place: nk_store_get(tx, &kind, NK_KEY(nk_vs(region), nk_vs(name)), …). */
#define NK_KEY(...) ((const nk_val[]){__VA_ARGS__})

typedef struct nk_row {
    const nk_val *cols; /* kind->ncols of them; those a put leaves out must be NULL values */
    nk_str body;        /* p NULL only when the query asked for no body */
    int version;        /* the kind's version the body was written with; reading only */
} nk_row;

typedef struct nk_store nk_store;
typedef struct nk_tx nk_tx; /* valid inside the function it is given to, on that thread */

typedef struct nk_store_config {
    const char *path; /* of the database; its folder must exist */
    const nk_kind *const *const
        *kinds;       /* NULL-terminated list of the rooms' NULL-terminated lists; static */
    size_t queue_max; /* closures waiting for the writer; 0 = 65,536 */
    int wal_pages;    /* of 4 KiB: how long the log grows before it is written back and begun anew,
                         as far as readers let it; 0 = 16,384 (64 MiB) */
} nk_store_config;

/* Opens or creates, migrates, starts the writer. NK_E_INVALID with a clear message when the store
 * was written by a newer release, is not one of ours, or another process holds it. */
nk_code nk_store_open(const nk_store_config *config, nk_store **out, nk_err *err) NK_MUST;
/* Waits for what is queued, answers it, checkpoints, closes. No call may be running. NULL is fine.
 */
void nk_store_close(nk_store *s);
/* A consistent copy while all goes on; path must not exist. */
nk_code nk_store_backup(nk_store *s, const char *path, nk_err *err) NK_MUST;

/* What runs inside a transaction. Returning an error undoes what a write closure did. */
typedef nk_code (*nk_store_fn)(nk_tx *tx, void *arg, nk_err *err);
/* Called on the writer thread, once, after the COMMIT (or its failure): must be quick. err is
 * borrowed. When the COMMIT fails (disk full: NK_E_FULL), every closure it held gets that error.
 * May submit, must not wait. */
typedef void (*nk_store_done)(void *arg, nk_code code, const nk_err *err);

/* Runs fn on this thread with a read transaction. Nesting inside another read of the same store and
 * thread uses the outer snapshot. */
nk_code nk_store_read(nk_store *s, nk_store_fn fn, void *arg, nk_err *err) NK_MUST;
/* Runs fn on the writer thread and returns after the COMMIT. Never from inside a closure or a done.
 */
nk_code nk_store_write(nk_store *s, nk_store_fn fn, void *arg, nk_err *err) NK_MUST;
/* The same without waiting; arg and done_arg must live until done was called (done may be NULL).
 * NK_E_THROTTLED when the queue is full, and then done is not called. May be called inside closures
 * and dones. */
nk_code nk_store_submit(nk_store *s, nk_store_fn fn, void *arg, nk_store_done done, void *done_arg,
                        nk_err *err) NK_MUST;
/* The store a transaction belongs to. */
nk_store *nk_tx_store(nk_tx *tx);

/* For those who keep what they have read: it still stands while the nk_tx_seq of the transaction
 * that read it is not below nk_store_changed of its kind, which is raised before a write that
 * replaced or deleted records of the kind (not one that inserted some) is answered. -1 in a
 * writer's transaction: what it sees is not to be kept. */
int64_t nk_tx_seq(const nk_tx *tx);
int64_t nk_store_changed(const nk_store *s, const nk_kind *kind);

/* ---- records; key: kind->nkey values ---- */

/* Copies the record into the arena. NK_E_NOT_FOUND ("<kind> not found", for the caller to say
 * better). */
nk_code nk_store_get(nk_tx *tx, const nk_kind *kind, const nk_val *key, nk_arena *a, nk_row *out,
                     nk_err *err) NK_MUST;
/* No error when absent: *found says. */
nk_code nk_store_has(nk_tx *tx, const nk_kind *kind, const nk_val *key, bool *found,
                     nk_err *err) NK_MUST;
/* Inserts or replaces. */
nk_code nk_store_put(nk_tx *tx, const nk_kind *kind, const nk_row *row, nk_err *err) NK_MUST;
/* NK_E_EXISTS when the key, or a unique index, is taken; the transaction goes on. */
nk_code nk_store_insert(nk_tx *tx, const nk_kind *kind, const nk_row *row, nk_err *err) NK_MUST;
/* NK_E_NOT_FOUND when absent. */
nk_code nk_store_delete(nk_tx *tx, const nk_kind *kind, const nk_val *key, nk_err *err) NK_MUST;
/* Deletes records whose key begins with the nprefix (≥ 1) values, at most limit of them (0 = all),
 * in key order; *deleted (may be NULL) says how many. */
nk_code nk_store_delete_range(nk_tx *tx, const nk_kind *kind, const nk_val *prefix,
                              unsigned nprefix, size_t limit, size_t *deleted, nk_err *err) NK_MUST;
/* The next number of a named sequence: 1, 2, 3 … Durable with the closure; gaps after a rollback do
 * not occur. */
nk_code nk_store_next(nk_tx *tx, const char *sequence, int64_t *out, nk_err *err) NK_MUST;

/* ---- conditions: SQL's three-valued logic over columns ---- */

typedef enum {
    NK_C_TRUE,
    NK_C_FALSE,
    NK_C_AND, /* args */
    NK_C_OR,
    NK_C_NOT,
    NK_C_EQ, /* col, vals[0] */
    NK_C_NE,
    NK_C_LT,
    NK_C_LE,
    NK_C_GT,
    NK_C_GE,
    NK_C_BETWEEN, /* vals[0], vals[1], both included */
    NK_C_IN,      /* vals, at most 500 */
    NK_C_PREFIX,  /* TEXT or BYTES begin with vals[0] */
    NK_C_IS_NULL,
    NK_C_NOT_NULL,
} nk_cond_op;

typedef struct nk_cond nk_cond;
struct nk_cond {
    nk_cond_op op;
    unsigned col; /* position in kind->cols */
    const nk_val *vals;
    size_t nvals;
    const nk_cond *const *args;
    size_t nargs;
};

/* ---- scans ---- */

#define NK_POS_MAX (NK_INDEX_COLS_MAX + 8)
/* A place in an order: the values of the order's columns (the index's, then the key's that are not
 * among them). */
typedef struct nk_pos {
    nk_val v[NK_POS_MAX];
    unsigned n; /* 0 = the beginning */
} nk_pos;

typedef struct nk_query {
    const nk_kind *kind;
    const nk_index *
        index; /* the order, and the index that is walked; one of kind->indexes; NULL = key order */
    const nk_val *prefix; /* equal to the order's first columns */
    unsigned nprefix;
    const nk_cond *where; /* NULL = all */
    const nk_pos
        *after; /* strictly after this place (before it when desc); NULL = from the beginning */
    bool desc;
    bool no_body; /* columns only: cheaper */
    size_t limit; /* rows handed to the callback; 0 = all */
} nk_query;

/* The row is borrowed until the callback returns. It may read and (in a closure) write other
 * records, but not those of the kind being walked. false ends the scan without an error. */
typedef bool (*nk_store_row_fn)(void *arg, const nk_row *row);
nk_code nk_store_scan(nk_tx *tx, const nk_query *q, nk_store_row_fn fn, void *arg,
                      nk_err *err) NK_MUST;
/* A scan's row with all that it points to. NK_E_NOMEM, unsaid. */
nk_code nk_row_dup(const nk_kind *kind, const nk_row *row, nk_arena *a, nk_row *out) NK_MUST;
NK_LIST(nk_row_list, nk_row);
/* All rows of a query with all that they point to, behind those that the list has. */
nk_code nk_store_rows(nk_tx *tx, const nk_query *q, nk_arena *a, nk_row_list *out,
                      nk_err *err) NK_MUST;
nk_code nk_store_count(nk_tx *tx, const nk_query *q, int64_t *out, nk_err *err) NK_MUST;
/* Where a row stands in the query's order, copied into the arena: for `after` of the next page. */
nk_code nk_store_pos(const nk_query *q, const nk_row *row, nk_arena *a, nk_pos *out) NK_MUST;
/* Places as bytes for page tokens; unpack is safe on anything and checks count and types
 * (NK_E_INVALID). */
nk_code nk_store_pos_pack(const nk_pos *pos, nk_buf *out) NK_MUST;
nk_code nk_store_pos_unpack(const nk_query *q, nk_str bytes, nk_arena *a, nk_pos *out) NK_MUST;

/* For tests and metrics. */
typedef struct nk_store_stats {
    int64_t commits, closures, failed_commits, checkpoints;
} nk_store_stats;
void nk_store_get_stats(nk_store *s, nk_store_stats *out);

#endif
