/* The SQLite store's write-ahead log: its file grows ahead of what is written, and a thread of its
 * own copies what it holds into the database, so that neither costs a commit. */
#include "store/sqlite_int.h"

#define FRAME     4120 /* a page and its header, in the log */
#define AHEAD_MIN ((int64_t)256 << 10)
#define AHEAD_MAX ((int64_t)4 << 20)
#define PASSES    2 /* what was written during the first is little, and copied by the second */

/* ---- the file ---- */

static int on_wal(void *arg, sqlite3 *db, const char *name, int pages)
{
    ((nk_store *)arg)->wal.pages = pages;
    return SQLITE_OK;
}

/* Making a longer file durable means making its new length durable too, which takes a commit of the
 * file system's own journal: twice the time of overwriting, and the time of whatever else waits
 * there. So zeros are written ahead of the log, much at once. They end the log for whoever recovers
 * it, as its file's end does. Only the writer's thread may do so: no frame is written meanwhile. */
static void grow_ahead(nk_store *s)
{
    static const char zeros[1 << 16];
    int64_t used = (int64_t)s->wal.pages * FRAME, step = s->wal.ahead;
    sqlite3_file *f = NULL;
    sqlite3_int64 size;
    step = step < AHEAD_MIN ? AHEAD_MIN : step > AHEAD_MAX ? AHEAD_MAX : step;
    if (!used || used + step / 4 < s->wal.ahead || s->wal.ahead >= (int64_t)s->wal.soft * FRAME)
        return;
    if (sqlite3_file_control(s->wconn.db, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &f) != SQLITE_OK ||
        !f || !f->pMethods || f->pMethods->xFileSize(f, &size) != SQLITE_OK)
        return;
    int64_t at = size > used ? size : used + FRAME, end = at + step;
    s->wal.ahead = end; /* also when it fails: then the log grows as it would */
    int rc = SQLITE_OK;
    for (; rc == SQLITE_OK && at < end; at += (int64_t)sizeof zeros)
        rc = f->pMethods->xWrite(f, zeros, (int)sizeof zeros, at);
    if (rc == SQLITE_OK)
        rc = f->pMethods->xSync(f, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
    if (rc != SQLITE_OK)
        nk_debug("store", "the log does not grow ahead: %s", sqlite3_errstr(rc));
}

/* ---- copying it into the database ---- */

typedef struct patience {
    nk_store *s;
    int tries; /* of a millisecond */
} patience;

/* Readers that came to rest since the last look hold snapshots that nobody ends but us. */
static int on_busy(void *arg, int tried)
{
    const patience *p = arg;
    if (tried >= p->tries)
        return 0;
    nk_readers_let_go(p->s);
    if (tried)
        sqlite3_sleep(1);
    return 1;
}

/* The writer's thread: what the other has not copied, and the log begins anew. tries: how often it
 * looks whether the readers of old snapshots are gone. */
static void begin_anew(nk_store *s, int mode, int tries)
{
    patience p = {s, tries};
    nk_readers_let_go(s);
    pthread_mutex_lock(&s->wal.copying);
    sqlite3_busy_handler(s->wconn.db, on_busy, &p);
    (void)sqlite3_wal_checkpoint_v2(s->wconn.db, NULL, mode, NULL, NULL);
    sqlite3_busy_timeout(s->wconn.db, NK_BUSY_MS); /* takes the handler's place */
    pthread_mutex_unlock(&s->wal.copying);
    atomic_fetch_add(&s->checkpoints, 1);
    s->wal.pages = 0; /* the next commit tells how long it is now */
}

static void copy(nk_store *s, sqlite3 *db)
{
    for (int i = 0; i < PASSES; i++) {
        nk_readers_let_go(s);
        pthread_mutex_lock(&s->wal.copying);
        (void)sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        pthread_mutex_unlock(&s->wal.copying);
    }
}

/* A connection that has read once knows of the log. */
static sqlite3 *open_copier(nk_store *s)
{
    nk_err err = NK_ERR_INIT;
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(s->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ==
            SQLITE_OK &&
        nk_sqlite_exec(db, "PRAGMA synchronous=FULL; PRAGMA schema_version", &err) == NK_OK)
        return db;
    nk_warn("store", "the log is copied by the writer, which is slower: %s", err.msg);
    sqlite3_close(db);
    return NULL;
}

static void *copier_main(void *arg)
{
    nk_store *s = arg;
    sqlite3 *db = NULL;
    pthread_setname_np(pthread_self(), "nk-log");
    pthread_mutex_lock(&s->wal.lock);
    for (;;) {
        while (s->wal.state != NK_WAL_COPY && !s->wal.stop)
            pthread_cond_wait(&s->wal.cond, &s->wal.lock);
        if (s->wal.stop)
            break;
        pthread_mutex_unlock(&s->wal.lock);
        if (db || (db = open_copier(s)))
            copy(s, db);
        pthread_mutex_lock(&s->wal.lock);
        s->wal.state = NK_WAL_COPIED;
    }
    pthread_mutex_unlock(&s->wal.lock);
    sqlite3_close(db);
    return NULL;
}

/* ---- the writer's side ---- */

void nk_wal_tend(nk_store *s, bool disk_full)
{
    nk_wal *w = &s->wal;
    bool far = w->pages / 2 > w->soft, anew = false;
    if (disk_full) {
        begin_anew(s, SQLITE_CHECKPOINT_TRUNCATE, 200);
        w->ahead = 0;
        return;
    }
    grow_ahead(s);
    if (w->pages <= w->soft)
        return;
    pthread_mutex_lock(&w->lock);
    if (w->state == NK_WAL_REST) {
        w->state = NK_WAL_COPY;
        pthread_cond_signal(&w->cond);
    } else if (w->state == NK_WAL_COPIED) {
        w->state = NK_WAL_REST;
        anew = true;
    }
    pthread_mutex_unlock(&w->lock);
    if (anew || far)
        begin_anew(s, SQLITE_CHECKPOINT_RESTART, far ? 200 : 2);
}

nk_code nk_wal_start(nk_store *s, nk_err *err)
{
    sqlite3_wal_hook(s->wconn.db, on_wal, s);
    int e = nk_store_thread(&s->wal.thread, copier_main, s);
    if (e)
        return nk_fail_errno(err, e, "cannot start the thread of the store's log");
    s->wal.started = true;
    return NK_OK;
}

void nk_wal_stop(nk_store *s)
{
    if (!s->wal.started)
        return;
    pthread_mutex_lock(&s->wal.lock);
    s->wal.stop = true;
    pthread_cond_signal(&s->wal.cond);
    pthread_mutex_unlock(&s->wal.lock);
    pthread_join(s->wal.thread, NULL);
}
