/* The SQLite store: opening, connections, the writer thread. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "store/sqlite_int.h"

static _Thread_local nk_tx *tl_tx; /* the transaction this thread is in */

nk_code nk_sqlite_fail(sqlite3 *db, int rc, nk_err *err, const char *doing)
{
    int os = db ? sqlite3_system_errno(db) : 0;
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return nk_fail(err, NK_E_FULL, "The disk that holds the store is full (%s).", doing);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        if (os == ENOSPC || os == EDQUOT || os == EFBIG)
            return nk_fail(err, NK_E_FULL, "The disk that holds the store is full (%s).", doing);
        return nk_fail(err, NK_E_IO, "The store cannot be read or written (%s): %s%s%s.", doing,
                       sqlite3_errstr(rc), os ? ", " : "", os ? strerror(os) : "");
    case SQLITE_NOMEM:
        return nk_fail(err, NK_E_NOMEM, "out of memory (%s)", doing);
    case SQLITE_CONSTRAINT:
        return nk_fail(err, NK_E_EXISTS, "record exists already");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return nk_fail(err, NK_E_UNAVAILABLE, "The store is busy (%s).", doing);
    case SQLITE_TOOBIG:
        return nk_fail(err, NK_E_LIMIT, "A record is too large for the store.");
    default:
        return nk_fail(err, NK_E_IO, "The store failed (%s): %s.", doing,
                       db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
    }
}

nk_code nk_sqlite_exec(sqlite3 *db, const char *sql, nk_err *err)
{
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? NK_OK : nk_sqlite_fail(db, rc, err, sql);
}

/* ---- connections ---- */

static nk_code prepare(nk_conn *c, const char *sql, sqlite3_stmt **out, nk_err *err)
{
    int rc = sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    return rc == SQLITE_OK ? NK_OK : nk_sqlite_fail(c->db, rc, err, "preparing a statement");
}

/* A reader's cache is void after every commit of the writer, so it maps the file's beginning and
 * reads pages there without a system call; each reader maps for itself and each counts as resident,
 * so not more than a few tables' worth. The writer's cache stays valid: it maps nothing. */
static nk_code conn_pragmas(nk_conn *c, bool write, nk_err *err)
{
    NK_TRY(nk_sqlite_exec(c->db, "PRAGMA secure_delete=0; PRAGMA temp_store=MEMORY", err));
    if (!write) {
        NK_TRY(nk_map_keep(c, err));
        return nk_sqlite_exec(c->db, "PRAGMA query_only=1; PRAGMA cache_size=-1024", err);
    }
    return nk_sqlite_exec(c->db,
                          "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                          "PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=67108864;"
                          "PRAGMA cache_size=-8192; PRAGMA mmap_size=0",
                          err);
}

nk_code nk_conn_open(nk_store *s, nk_conn *c, bool write, nk_err *err)
{
    memset(c, 0, sizeof(*c));
    int rc = sqlite3_open_v2(
        s->path, &c->db,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (write ? SQLITE_OPEN_CREATE : 0), NULL);
    nk_code code = NK_OK;
    if (rc != SQLITE_OK)
        code = nk_sqlite_fail(c->db, rc, err, "opening it");
    else
        sqlite3_extended_result_codes(c->db, 1);
    if (code == NK_OK)
        sqlite3_busy_timeout(c->db, NK_BUSY_MS);
    if (code == NK_OK)
        code = conn_pragmas(c, write, err);
    c->fixed =
        code == NK_OK ? nk_calloc((size_t)s->nkinds * NK_ST_COUNT + 1, sizeof(*c->fixed)) : NULL;
    if (code == NK_OK && !c->fixed)
        code = nk_fail(err, NK_E_NOMEM, "out of memory");
    if (code != NK_OK)
        nk_conn_close(s, c);
    return code;
}

static nk_code conn_prepare_tx(nk_conn *c, bool write, nk_err *err)
{
    NK_TRY(prepare(c, write ? "BEGIN IMMEDIATE" : "BEGIN", &c->begin, err));
    NK_TRY(prepare(c, "COMMIT", &c->commit, err));
    NK_TRY(prepare(c, "ROLLBACK", &c->rollback, err));
    if (!write)
        return NK_OK;
    NK_TRY(prepare(c, "SAVEPOINT c", &c->savepoint, err));
    NK_TRY(prepare(c, "RELEASE c", &c->release, err));
    NK_TRY(prepare(c, "ROLLBACK TO c", &c->rollback_to, err));
    return prepare(c,
                   "INSERT INTO nk_seq(name, n) VALUES(?, 1) ON CONFLICT(name) DO UPDATE "
                   "SET n = n + 1 RETURNING n",
                   &c->next, err);
}

void nk_conn_close(nk_store *s, nk_conn *c)
{
    for (size_t i = 0; c->fixed && i < (size_t)s->nkinds * NK_ST_COUNT; i++)
        sqlite3_finalize(c->fixed[i]);
    nk_free(c->fixed);
    for (int i = 0; i < NK_STMT_CACHE; i++) {
        sqlite3_finalize(c->cache[i].stmt);
        nk_free(c->cache[i].sql);
    }
    sqlite3_stmt *const st[] = {c->begin,   c->commit,      c->rollback, c->savepoint,
                                c->release, c->rollback_to, c->next};
    for (size_t i = 0; i < NK_COUNTOF(st); i++)
        sqlite3_finalize(st[i]);
    sqlite3_close(c->db);
    nk_free(c->mapped);
    memset(c, 0, sizeof(*c));
}

static int run(sqlite3_stmt *st)
{
    int rc = sqlite3_step(st);
    int rc2 = sqlite3_reset(st);
    return rc == SQLITE_DONE ? SQLITE_OK : rc2 != SQLITE_OK ? rc2 : rc;
}

/* ---- readers ---- */

static void reader_end(nk_reader *r)
{
    if (r->in_tx)
        (void)run(r->conn.commit);
    r->in_tx = false;
}

static nk_code reader_create(nk_store *s, nk_reader **out, nk_err *err)
{
    nk_reader *r = nk_calloc(1, sizeof(*r));
    if (!r)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    nk_code rc = nk_conn_open(s, &r->conn, false, err);
    /* the few that are taken first, by the HTTP threads, hold all inner pages of large tables */
    if (rc == NK_OK && s->nreaders < NK_READERS_LARGE)
        rc = nk_sqlite_exec(r->conn.db, "PRAGMA cache_size=-8192", err);
    if (rc == NK_OK)
        rc = conn_prepare_tx(&r->conn, false, err);
    if (rc != NK_OK) {
        nk_conn_close(s, &r->conn);
        nk_free(r);
        return rc;
    }
    pthread_mutex_init(&r->lock, NULL);
    *out = r;
    return NK_OK;
}

/* A locked reader: the one this thread had last if it is free, else any free one, else a new one.
 */
static nk_code reader_take(nk_store *s, nk_reader **out, nk_err *err)
{
    static _Thread_local unsigned hint;
    unsigned n = atomic_load_explicit(&s->nreaders, memory_order_acquire);
    for (unsigned i = 0; i < n; i++) {
        unsigned at = (hint + i) % n;
        if (pthread_mutex_trylock(&s->readers[at]->lock) == 0) {
            hint = at;
            *out = s->readers[at];
            return NK_OK;
        }
    }
    nk_reader *r = NULL;
    pthread_mutex_lock(&s->rlock);
    n = atomic_load(&s->nreaders);
    nk_code rc = NK_OK;
    if (n < NK_READERS_MAX) {
        rc = reader_create(s, &r, err);
        if (rc == NK_OK) {
            pthread_mutex_lock(&r->lock);
            s->readers[n] = r;
            atomic_store_explicit(&s->nreaders, n + 1, memory_order_release);
            hint = n;
        }
    }
    pthread_mutex_unlock(&s->rlock);
    if (rc != NK_OK)
        return rc;
    if (!r) {
        r = s->readers[hint % n];
        pthread_mutex_lock(&r->lock);
    }
    *out = r;
    return NK_OK;
}

static nk_code reader_begin(nk_store *s, nk_reader *r, nk_err *err)
{
    int64_t seq = atomic_load(&s->commit_seq);
    if (r->in_tx && r->seq == seq)
        return NK_OK; /* the open snapshot is still the newest: no system calls */
    reader_end(r);
    int rc = run(r->conn.begin);
    if (rc != SQLITE_OK)
        return nk_sqlite_fail(r->conn.db, rc, err, "beginning to read");
    r->in_tx = true;
    r->seq = seq;
    return NK_OK;
}

nk_code nk_store_read(nk_store *s, nk_store_fn fn, void *arg, nk_err *err)
{
    if (tl_tx && tl_tx->s == s)
        return fn(tl_tx, arg, err);
    nk_reader *r;
    NK_TRY(reader_take(s, &r, err));
    nk_code rc = reader_begin(s, r, err);
    if (rc == NK_OK) {
        nk_tx tx = {.s = s, .c = &r->conn, .seq = r->seq}, *outer = tl_tx;
        tl_tx = &tx;
        rc = fn(&tx, arg, err);
        tl_tx = outer;
        if (sqlite3_get_autocommit(r->conn.db))
            r->in_tx = false; /* an error of the disk or of memory ended it */
    }
    pthread_mutex_unlock(&r->lock);
    return rc;
}

/* Old snapshots of resting readers would keep the WAL from being reused. */
void nk_readers_let_go(nk_store *s)
{
    unsigned n = atomic_load_explicit(&s->nreaders, memory_order_acquire);
    for (unsigned i = 0; i < n; i++)
        if (pthread_mutex_trylock(&s->readers[i]->lock) == 0) {
            reader_end(s->readers[i]);
            pthread_mutex_unlock(&s->readers[i]->lock);
        }
}

/* ---- the writer ---- */

/* How a closure went. SPOILED: it failed after it had changed something, and had no savepoint.
 * LOST: the transaction itself is. */
typedef enum { DONE, SPOILED, LOST } outcome;

/* One closure inside the open transaction. */
static outcome run_job(nk_store *s, nk_job *j, bool guarded, nk_err *lost)
{
    nk_conn *c = &s->wconn;
    nk_tx tx = {.s = s, .c = c, .seq = -1, .write = true};
    int rc = guarded ? run(c->savepoint) : SQLITE_OK;
    int64_t changes = sqlite3_total_changes64(c->db);
    if (rc != SQLITE_OK) {
        j->code = nk_sqlite_fail(c->db, rc, &j->err, "opening a savepoint");
    } else {
        tl_tx = &tx;
        j->code = j->fn(&tx, j->arg, &j->err);
        tl_tx = NULL;
        if (guarded && !sqlite3_get_autocommit(c->db)) {
            if (j->code != NK_OK)
                rc = run(c->rollback_to);
            if (rc == SQLITE_OK)
                rc = run(c->release);
        }
    }
    if (rc == SQLITE_OK && !sqlite3_get_autocommit(c->db))
        return guarded || j->code == NK_OK || sqlite3_total_changes64(c->db) == changes ? DONE
                                                                                        : SPOILED;
    if (j->code != NK_OK)
        *lost = j->err;
    else
        (void)nk_sqlite_fail(c->db, rc == SQLITE_OK ? sqlite3_extended_errcode(c->db) : rc, lost,
                             "writing");
    return LOST;
}

static bool begin(nk_conn *c, bool again, nk_err *lost)
{
    int rc = again ? run(c->rollback) : SQLITE_OK;
    if (rc == SQLITE_OK)
        rc = run(c->begin);
    if (rc == SQLITE_OK)
        return true;
    (void)nk_sqlite_fail(c->db, rc, lost, "beginning to write");
    return false;
}

/* Most closures succeed, or fail before they change anything, and a savepoint costs each of them
 * copies of all pages that it changes. So all are run without; when one fails halfway, everything
 * is rolled back and, unless it was alone, all are run again, each in a savepoint. */
static bool run_jobs(nk_store *s, nk_job *batch, nk_err *lost)
{
    outcome o = SPOILED;
    for (int guarded = 0; o == SPOILED; guarded++) {
        if (!begin(&s->wconn, guarded, lost))
            return false;
        o = DONE;
        if (guarded && !batch->next)
            break;
        for (nk_job *j = batch; o == DONE && j; j = j->next) {
            if (guarded)
                j->err = (nk_err)NK_ERR_INIT;
            o = run_job(s, j, guarded, lost);
        }
    }
    return o == DONE;
}

/* Before anybody is answered: see nk_store_changed. */
static void committed(nk_store *s)
{
    int64_t seq = atomic_fetch_add(&s->commit_seq, 1) + 1;
    for (unsigned i = 0; i < s->nkinds; i++)
        if (s->kinds[i].touched)
            atomic_store(&s->kinds[i].changed, seq);
    atomic_fetch_add(&s->commits, 1);
}

static void run_batch(nk_store *s, nk_job *batch)
{
    nk_conn *c = &s->wconn;
    nk_err lost = NK_ERR_INIT;
    int rc;
    for (unsigned i = 0; i < s->nkinds; i++)
        s->kinds[i].touched = false;
    bool ok = run_jobs(s, batch, &lost);
    if (ok && (rc = run(c->commit)) != SQLITE_OK) {
        ok = false;
        (void)nk_sqlite_fail(c->db, rc, &lost, "committing");
    }
    if (!sqlite3_get_autocommit(c->db))
        (void)run(c->rollback);
    if (ok) {
        committed(s);
    } else {
        /* Nothing of this batch happened, so no closure's own answer holds: it may have seen
         * another's work. */
        if (lost.code == NK_OK)
            lost.code = NK_E_IO;
        atomic_fetch_add(&s->failed_commits, 1);
        nk_error("store", "a commit failed: %s", lost.msg);
    }
    while (batch) {
        nk_job *j = batch;
        batch = j->next;
        if (!ok) {
            j->code = lost.code;
            j->err = lost;
        }
        atomic_fetch_add_explicit(&s->closures, 1, memory_order_relaxed);
        if (j->done)
            j->done(j->done_arg, j->code, &j->err);
        nk_free(j);
    }
    nk_wal_tend(s, !ok && lost.code == NK_E_FULL);
}

static nk_job *take_batch(nk_store *s)
{
    pthread_mutex_lock(&s->qlock);
    while (!s->qhead && !s->stop)
        pthread_cond_wait(&s->qcond, &s->qlock);
    nk_job *batch = s->qhead, **end = &s->qhead;
    for (int n = 0; *end && n < NK_BATCH_MAX; n++, s->qlen--)
        end = &(*end)->next;
    s->qhead = *end;
    if (!s->qhead)
        s->qtail = &s->qhead;
    if (batch)
        *end = NULL;
    pthread_mutex_unlock(&s->qlock);
    return batch;
}

static void *writer_main(void *arg)
{
    nk_store *s = arg;
    pthread_setname_np(pthread_self(), "nk-store");
    for (nk_job *batch; (batch = take_batch(s));)
        run_batch(s, batch);
    return NULL;
}

static bool on_writer(const nk_store *s)
{
    return s->writer_started && pthread_equal(pthread_self(), s->writer);
}

nk_code nk_store_submit(nk_store *s, nk_store_fn fn, void *arg, nk_store_done done, void *done_arg,
                        nk_err *err)
{
    nk_job *j = nk_malloc(sizeof(*j));
    if (!j)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    *j = (nk_job){.fn = fn, .arg = arg, .done = done, .done_arg = done_arg};
    pthread_mutex_lock(&s->qlock);
    bool full = s->qlen >= s->qmax, stopped = s->stop;
    if (!full && !stopped) {
        *s->qtail = j;
        s->qtail = &j->next;
        s->qlen++;
        pthread_cond_signal(&s->qcond);
    }
    pthread_mutex_unlock(&s->qlock);
    if (full || stopped) {
        nk_free(j);
        return stopped ? nk_fail(err, NK_E_UNAVAILABLE, "The store is being closed.")
                       : nk_fail(err, NK_E_THROTTLED, "Too many writes are waiting; try again.");
    }
    return NK_OK;
}

typedef struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
    nk_code code;
    nk_err *err;
} waiter;

static void waiter_done(void *arg, nk_code code, const nk_err *err)
{
    waiter *w = arg;
    pthread_mutex_lock(&w->lock);
    w->code = code;
    if (code != NK_OK && w->err)
        *w->err = *err;
    w->done = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

nk_code nk_store_write(nk_store *s, nk_store_fn fn, void *arg, nk_err *err)
{
    if (on_writer(s))
        return nk_fail(err, NK_E_INTERNAL, "nk_store_write called on the writer thread");
    waiter w = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER, .err = err};
    NK_TRY(nk_store_submit(s, fn, arg, waiter_done, &w, err));
    pthread_mutex_lock(&w.lock);
    while (!w.done)
        pthread_cond_wait(&w.cond, &w.lock);
    pthread_mutex_unlock(&w.lock);
    return w.code;
}

/* ---- open and close ---- */

int nk_store_thread(pthread_t *out, void *(*run_it)(void *), nk_store *s)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 1 << 20);
    int e = pthread_create(out, &attr, run_it, s);
    pthread_attr_destroy(&attr);
    return e;
}

static void kind_add(nk_store *s, unsigned i)
{
    size_t at = ((uintptr_t)s->kinds[i].kind >> 4) % NK_COUNTOF(s->kind_at);
    while (s->kind_at[at])
        at = (at + 1) % NK_COUNTOF(s->kind_at);
    s->kind_at[at] = (unsigned short)(i + 1);
}

int nk_store_kind_index(const nk_store *s, const nk_kind *kind)
{
    size_t at = ((uintptr_t)kind >> 4) % NK_COUNTOF(s->kind_at);
    for (; s->kind_at[at]; at = (at + 1) % NK_COUNTOF(s->kind_at))
        if (s->kinds[s->kind_at[at] - 1].kind == kind)
            return s->kind_at[at] - 1;
    return -1;
}

static nk_code load_kinds(nk_store *s, const nk_store_config *config, nk_err *err)
{
    unsigned n = 0;
    for (const nk_kind *const *const *l = config->kinds; *l; l++)
        for (const nk_kind *const *k = *l; *k; k++)
            n++;
    if (n > NK_COUNTOF(s->kind_at) / 2)
        return nk_fail(err, NK_E_INTERNAL, "too many kinds of records");
    s->kinds = nk_calloc(n ? n : 1, sizeof(*s->kinds));
    if (!s->kinds)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    for (const nk_kind *const *const *l = config->kinds; *l; l++)
        for (const nk_kind *const *k = *l; *k; k++) {
            NK_TRY(nk_kind_check(*k, err));
            for (unsigned i = 0; i < s->nkinds; i++)
                if (!strcmp(s->kinds[i].kind->name, (*k)->name))
                    return nk_fail(err, NK_E_INTERNAL, "kind %s is declared twice", (*k)->name);
            s->nkinds++;
            NK_TRY(nk_sql_kind_init(&s->kinds[s->nkinds - 1], *k, err));
            kind_add(s, s->nkinds - 1);
        }
    return NK_OK;
}

static nk_code take_lock(nk_store *s, nk_err *err)
{
    char path[4096];
    if (snprintf(path, sizeof(path), "%s.lock", s->path) >= (int)sizeof(path))
        return nk_fail(err, NK_E_INVALID, "The path of the store is too long.");
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0)
        return nk_fail_errno(err, errno, "cannot open %s", path);
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        nk_code rc =
            nk_fail(err, NK_E_INVALID, "The store %s is in use by another process.", s->path);
        (void)nk_hint(err, "Stop the other server (make stop), or choose another --data folder.");
        return rc;
    }
    return NK_OK;
}

nk_code nk_store_open(const nk_store_config *config, nk_store **out, nk_err *err)
{
    *out = NULL;
    nk_store *s = nk_calloc(1, sizeof(*s));
    if (!s)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    s->lock_fd = -1;
    s->qmax = config->queue_max ? config->queue_max : 65536;
    s->wal.soft = config->wal_pages ? config->wal_pages : NK_WAL_PAGES;
    s->qtail = &s->qhead;
    pthread_mutex_init(&s->qlock, NULL);
    pthread_mutex_init(&s->rlock, NULL);
    pthread_cond_init(&s->qcond, NULL);
    pthread_mutex_init(&s->wal.lock, NULL);
    pthread_mutex_init(&s->wal.copying, NULL);
    pthread_cond_init(&s->wal.cond, NULL);
    s->path = nk_strdup(config->path);
    nk_code rc = s->path ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
    if (rc == NK_OK)
        rc = load_kinds(s, config, err);
    if (rc == NK_OK)
        rc = take_lock(s, err);
    if (rc == NK_OK)
        rc = nk_conn_open(s, &s->wconn, true, err);
    if (rc == NK_OK)
        rc = nk_sqlite_migrate(s, s->wconn.db, err);
    if (rc == NK_OK)
        rc = conn_prepare_tx(&s->wconn, true, err);
    if (rc == NK_OK)
        rc = nk_wal_start(s, err);
    if (rc == NK_OK) {
        int e = nk_store_thread(&s->writer, writer_main, s);
        if (e)
            rc = nk_fail_errno(err, e, "cannot start the store's thread");
        s->writer_started = !e;
    }
    if (rc != NK_OK) {
        nk_store_close(s);
        return rc;
    }
    *out = s;
    return NK_OK;
}

void nk_store_close(nk_store *s)
{
    if (!s)
        return;
    if (s->writer_started) {
        pthread_mutex_lock(&s->qlock);
        s->stop = true;
        pthread_cond_signal(&s->qcond);
        pthread_mutex_unlock(&s->qlock);
        pthread_join(s->writer, NULL);
    }
    nk_wal_stop(s);
    for (unsigned i = 0; i < s->nreaders; i++) {
        reader_end(s->readers[i]);
        nk_conn_close(s, &s->readers[i]->conn);
        pthread_mutex_destroy(&s->readers[i]->lock);
        nk_free(s->readers[i]);
    }
    if (s->wconn.db) /* closing the last connection checkpoints and removes the WAL */
        nk_conn_close(s, &s->wconn);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    for (unsigned i = 0; i < s->nkinds; i++)
        nk_sql_kind_free(&s->kinds[i]);
    nk_free(s->kinds);
    nk_free(s->path);
    pthread_mutex_destroy(&s->qlock);
    pthread_mutex_destroy(&s->rlock);
    pthread_cond_destroy(&s->qcond);
    pthread_mutex_destroy(&s->wal.lock);
    pthread_mutex_destroy(&s->wal.copying);
    pthread_cond_destroy(&s->wal.cond);
    nk_free(s);
}

nk_code nk_store_backup(nk_store *s, const char *path, nk_err *err)
{
    if (nk_file_exists(path))
        return nk_fail(err, NK_E_EXISTS, "%s exists already", path);
    sqlite3 *from = NULL, *to = NULL;
    int rc = sqlite3_open_v2(s->path, &from, SQLITE_OPEN_READONLY, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
        rc = b ? sqlite3_backup_step(b, -1) : sqlite3_extended_errcode(to);
        if (b)
            (void)sqlite3_backup_finish(b);
    }
    nk_code code = rc == SQLITE_DONE ? NK_OK : nk_sqlite_fail(to, rc, err, "copying it");
    sqlite3_close(from);
    sqlite3_close(to);
    return code;
}

nk_store *nk_tx_store(nk_tx *tx)
{
    return tx->s;
}

int64_t nk_tx_seq(const nk_tx *tx)
{
    return tx->seq;
}

int64_t nk_store_changed(const nk_store *s, const nk_kind *kind)
{
    int k = nk_store_kind_index(s, kind);
    return k < 0 ? INT64_MAX : atomic_load(&s->kinds[k].changed);
}

void nk_store_get_stats(nk_store *s, nk_store_stats *out)
{
    *out = (nk_store_stats){.commits = s->commits,
                            .closures = s->closures,
                            .failed_commits = s->failed_commits,
                            .checkpoints = s->checkpoints};
}
