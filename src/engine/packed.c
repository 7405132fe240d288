/* Whether gzip files are whole. The engine's reader takes a file that was cut short for one that
 * ends there and would lose rows without a word; so each is inflated once before it is read. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>
#include <zstd.h>

#include "engine/session_int.h"
#include "schema/codec.h"
#include "schema/gunzip.h"

#define PIECE   (4u << 20)
#define THREADS 4

typedef struct checking {
    nk_s3 *s3; /* NULL for local files; safe for several threads */
    const nk_files *files;
    nk_str all; /* "gzip" or "zstd" whatever their names are; else empty */
    atomic_size_t next;
    pthread_mutex_t lock;
    nk_code rc;
    nk_err err;
} checking;

/* One of both; what comes out is thrown away. */
typedef struct unpacker {
    nk_gunzip *gzip;
    ZSTD_DCtx *zstd;
    bool inside; /* zstd: in the middle of a frame */
    void *room;
} unpacker;

static nk_code ignore(void *arg, nk_str bytes, nk_err *err)
{
    return NK_OK;
}

static nk_code unpacker_open(unpacker *u, bool zstd, nk_err *err)
{
    *u = (unpacker){0};
    if (zstd) {
        u->zstd = ZSTD_createDCtx();
        u->room = nk_malloc(ZSTD_DStreamOutSize());
        u->inside = true;
    } else {
        u->gzip = nk_gunzip_open(ignore, NULL);
    }
    return u->gzip || (u->zstd && u->room) ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
}

static void unpacker_close(unpacker *u)
{
    nk_gunzip_close(u->gzip);
    ZSTD_freeDCtx(u->zstd);
    nk_free(u->room);
}

static nk_code unpacker_feed(unpacker *u, nk_str bytes, nk_err *err)
{
    if (u->gzip)
        return nk_gunzip_feed(u->gzip, bytes, err);
    ZSTD_inBuffer in = {bytes.p, bytes.n, 0};
    for (bool full = true; in.pos < in.size || full;) {
        ZSTD_outBuffer out = {u->room, ZSTD_DStreamOutSize(), 0};
        size_t before = in.pos, rc = ZSTD_decompressStream(u->zstd, &out, &in);
        if (ZSTD_isError(rc))
            return nk_fail(err, NK_E_PARSE, "The zstd data is corrupt: %s", ZSTD_getErrorName(rc));
        full = out.pos == out.size;
        if (in.pos != before || out.pos) /* asked in vain it speaks of the next frame */
            u->inside = rc != 0;
    }
    return NK_OK;
}

static nk_code unpacker_finish(unpacker *u, nk_err *err)
{
    if (u->gzip)
        return nk_gunzip_finish(u->gzip, err);
    return u->inside ? nk_fail(err, NK_E_PARSE, "The file ends in the middle of its zstd data")
                     : NK_OK;
}

static nk_code feed_s3(const checking *c, const nk_file *f, unpacker *g, nk_err *err)
{
    nk_s3_uri u;
    nk_code rc = nk_s3_uri_parse(f->uri, &u, err);
    for (uint64_t at = 0; rc == NK_OK && at < f->size; at += PIECE) {
        nk_buf b;
        nk_buf_init(&b, PIECE + 65536);
        rc = nk_s3_get_range(c->s3, u.bucket, u.key, at, PIECE, &b, err);
        if (rc == NK_OK)
            rc = unpacker_feed(g, nk_buf_view(&b), err);
        nk_buf_free(&b);
    }
    return rc;
}

static nk_code feed_local(const nk_file *f, unpacker *g, nk_err *err)
{
    char *path = nk_malloc(f->uri.n + 1), piece[65536];
    nk_code rc = NK_OK;
    if (!path)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    memcpy(path, f->uri.p, f->uri.n);
    path[f->uri.n] = 0;
    int fd = open(path + (strncmp(path, "file://", 7) == 0 ? 7 : 0), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        rc = nk_fail(err, NK_E_NOT_FOUND, "it cannot be opened");
    for (ssize_t n; rc == NK_OK && (n = read(fd, piece, sizeof piece)) > 0;)
        rc = unpacker_feed(g, nk_str_n(piece, (size_t)n), err);
    if (fd >= 0)
        close(fd);
    nk_free(path);
    return rc;
}

static bool is_zstd(const checking *c, const nk_file *f)
{
    return nk_str_is(c->all, "zstd") || (!c->all.n && nk_str_ends(f->uri, NK_STR(".zst")));
}

static bool is_packed(const checking *c, const nk_file *f)
{
    return c->all.n || nk_str_ends(f->uri, NK_STR(".gz")) || nk_str_ends(f->uri, NK_STR(".zst"));
}

static nk_code check_one(const checking *c, const nk_file *f, nk_err *err)
{
    unpacker g;
    nk_code rc = unpacker_open(&g, is_zstd(c, f), err);
    if (rc == NK_OK)
        rc = nk_str_starts(f->uri, NK_STR("s3")) ? feed_s3(c, f, &g, err) : feed_local(f, &g, err);
    if (rc == NK_OK)
        rc = unpacker_finish(&g, err);
    unpacker_close(&g);
    if (rc != NK_OK)
        (void)nk_wrap(err, "%.*s", NK_STR_ARG(f->uri));
    return rc;
}

static void *check_main(void *arg)
{
    checking *c = arg;
    for (;;) {
        size_t i = atomic_fetch_add(&c->next, 1);
        if (i >= c->files->n || nk_session_stopped())
            return NULL;
        nk_err err = NK_ERR_INIT;
        const nk_file *f = &c->files->v[i];
        if (!is_packed(c, f))
            continue;
        nk_code rc = check_one(c, f, &err);
        if (rc == NK_OK)
            continue;
        pthread_mutex_lock(&c->lock);
        if (c->rc == NK_OK) {
            c->rc = rc == NK_E_PARSE ? NK_E_INVALID : rc;
            c->err = err;
        }
        atomic_store(&c->next, c->files->n);
        pthread_mutex_unlock(&c->lock);
    }
}

static nk_code check_whole(nk_session *s, const nk_files *files, nk_str all, nk_err *err)
{
    checking c = {.files = files, .all = all, .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t t[THREADS];
    size_t packed = 0, n = 0;
    bool far = false;
    for (size_t i = 0; i < files->n; i++) {
        packed += is_packed(&c, &files->v[i]);
        far = far || nk_str_starts(files->v[i].uri, NK_STR("s3"));
    }
    if (!packed)
        return NK_OK;
    if (far)
        NK_TRY(nk_session_s3(s, &c.s3, err));
    for (; n < THREADS && n + 1 < packed; n++)
        if (pthread_create(&t[n], NULL, check_main, &c) != 0)
            break;
    (void)check_main(&c);
    while (n)
        pthread_join(t[--n], NULL);
    if (nk_session_stopped())
        return nk_fail(err, NK_E_CANCELLED, "stopped");
    if (c.rc != NK_OK && err)
        *err = c.err;
    return c.rc;
}

/* The first file tells for all; what the engine sees by a name's end need not be said. */
nk_code nk_session_packing(nk_session *s, const nk_files *files, nk_str *compression, nk_err *err)
{
    nk_buf b;
    nk_str uri = files->v[0].uri;
    nk_buf_init(&b, 1024);
    nk_code rc = nk_session_head(s, uri, 512, false, &b, err);
    const nk_codec *codec = rc == NK_OK ? nk_codec_of(nk_buf_view(&b), uri) : NULL;
    nk_str name = codec ? nk_str_c(codec->name) : NK_STR("");
    bool known = nk_str_is(name, "gzip") || nk_str_is(name, "zstd");
    nk_buf_free(&b);
    NK_TRY(rc);
    if (name.n && !known)
        return nk_fail(err, NK_E_UNSUPPORTED, "%.*s is packed by %.*s, which cannot be read yet",
                       NK_STR_ARG(uri), NK_STR_ARG(name));
    if (name.n && !compression->n && !nk_str_ends(uri, NK_STR(".gz")) &&
        !nk_str_ends(uri, NK_STR(".zst")))
        *compression = name;
    return check_whole(s, files, *compression, err);
}
