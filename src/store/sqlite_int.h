/* Inside the store: what the files of the SQLite store share. */
#ifndef NK_SQLITE_INT_H
#define NK_SQLITE_INT_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "store/store_int.h"

#define NK_STORE_FORMAT  1
#define NK_STORE_APP_ID  0x4e494b41 /* "NIKA" */
#define NK_READERS_MAX   64
#define NK_READERS_LARGE 4
#define NK_STMT_CACHE    48
#define NK_BATCH_MAX     1024
#define NK_WAL_PAGES     16384
#define NK_BUSY_MS       5000
#define NK_MAP_MAX       ((sqlite3_int64)32 << 20) /* bytes of the database that a reader maps */

/* The statements every kind has; their text is generated from its table once, when the store opens.
 */
typedef enum {
    NK_ST_GET,
    NK_ST_HAS,
    NK_ST_PUT,
    NK_ST_INSERT,
    NK_ST_DELETE,
    NK_ST_COUNT
} nk_stmt_id;

typedef struct nk_sql_kind {
    const nk_kind *kind;
    char *sql[NK_ST_COUNT];  /* owned */
    bool touched;            /* by the open transaction of the writer, on whose thread it is used */
    _Atomic int64_t changed; /* the commit that replaced or deleted records last */
} nk_sql_kind;

typedef struct nk_cached {
    uint64_t hash, used;
    uint64_t shape; /* of a plain scan, which is found by it without its text; 0 = none */
    char *sql;      /* owned */
    size_t n;
    sqlite3_stmt *stmt;
    bool busy;
} nk_cached;

typedef struct nk_mapped nk_mapped;

typedef struct nk_conn {
    sqlite3 *db;
    nk_mapped *mapped;    /* owned; of a reader */
    sqlite3_stmt **fixed; /* nkinds × NK_ST_COUNT, prepared on first use */
    nk_cached cache[NK_STMT_CACHE];
    uint64_t tick;
    sqlite3_stmt *begin, *commit, *rollback, *savepoint, *release, *rollback_to, *next;
} nk_conn;

typedef struct nk_reader {
    pthread_mutex_t lock;
    nk_conn conn;
    bool in_tx;
    int64_t seq; /* commits the open snapshot holds at least */
} nk_reader;

typedef struct nk_job nk_job;
struct nk_job {
    nk_job *next;
    nk_store_fn fn;
    void *arg;
    nk_store_done done;
    void *done_arg;
    nk_code code;
    nk_err err;
};

/* The write-ahead log. REST → COPY: it is long, and its thread is to copy it into the database →
 * COPIED: the writer may begin it anew, with little left to copy. */
typedef struct nk_wal {
    int pages;               /* in it; writer thread only, as are soft and ahead */
    int soft;                /* pages from which it is begun anew; waits for readers from twice */
    int64_t ahead;           /* bytes that its file is known to hold */
    pthread_mutex_t copying; /* held by whoever copies */
    pthread_mutex_t lock;    /* guards state and stop */
    pthread_cond_t cond;
    enum { NK_WAL_REST, NK_WAL_COPY, NK_WAL_COPIED } state;
    bool stop, started;
    pthread_t thread;
} nk_wal;

struct nk_store {
    char *path; /* owned */
    int lock_fd;
    nk_sql_kind *kinds; /* owned; nkinds */
    unsigned nkinds;
    unsigned short kind_at[512]; /* open addressing by pointer: 1 + index */

    pthread_t writer;
    bool writer_started;
    nk_conn wconn; /* the writer thread's */
    pthread_mutex_t qlock;
    pthread_cond_t qcond;
    nk_job *qhead, **qtail;
    size_t qlen, qmax;
    bool stop;
    nk_wal wal;

    _Atomic int64_t commit_seq;
    _Atomic int64_t commits, closures, failed_commits, checkpoints;

    pthread_mutex_t rlock; /* guards the growth of readers */
    nk_reader *readers[NK_READERS_MAX];
    _Atomic unsigned nreaders;
};

struct nk_tx {
    nk_store *s;
    nk_conn *c;
    int64_t seq; /* of the reader's snapshot */
    bool write;
};

/* sqlite_sql.c */
nk_code nk_sql_kind_init(nk_sql_kind *k, const nk_kind *kind, nk_err *err) NK_MUST;
void nk_sql_kind_free(nk_sql_kind *k);
void nk_sql_create_table(const nk_kind *kind, nk_buf *out);
/* i == kind->nindexes is the key's own index. */
void nk_sql_create_index(const nk_kind *kind, unsigned i, nk_buf *out);
const char *nk_sql_type(nk_col_type type);
typedef struct nk_binds {
    const nk_val **v;
    size_t n, cap;
    nk_arena *a;
    bool failed;
} nk_binds;
typedef enum { NK_SCAN_ROWS, NK_SCAN_COUNT } nk_scan_mode;
/* The text and the values, in the order of its question marks. */
nk_code nk_sql_scan(const nk_query *q, nk_scan_mode mode, nk_buf *out, nk_binds *b,
                    nk_err *err) NK_MUST;

/* sqlite_migrate.c */
nk_code nk_sqlite_migrate(nk_store *s, sqlite3 *db, nk_err *err) NK_MUST;

/* sqlite.c */
nk_code nk_sqlite_fail(sqlite3 *db, int rc, nk_err *err, const char *doing);
nk_code nk_sqlite_exec(sqlite3 *db, const char *sql, nk_err *err) NK_MUST;
nk_code nk_conn_open(nk_store *s, nk_conn *c, bool write, nk_err *err) NK_MUST;
void nk_conn_close(nk_store *s, nk_conn *c);
void nk_readers_let_go(nk_store *s); /* of the snapshots they rest on */
/* A thread with a small stack; 0 or an errno. */
int nk_store_thread(pthread_t *out, void *(*run_it)(void *), nk_store *s);
int nk_store_kind_index(const nk_store *s,
                        const nk_kind *kind); /* -1 = not one it was opened with */

/* sqlite_map.c: a reader's connection keeps its map of the file over commits. Once, before its
 * first read. */
nk_code nk_map_keep(nk_conn *c, nk_err *err) NK_MUST;

/* sqlite_wal.c */
nk_code nk_wal_start(nk_store *s, nk_err *err) NK_MUST; /* before the writer */
void nk_wal_stop(nk_store *s);                          /* after the writer */
void nk_wal_tend(nk_store *s, bool disk_full);          /* the writer's thread, after a commit */

#endif
