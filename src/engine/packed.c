/* Packed files of text sources. The engine unpacks gzip and zstd by itself, but takes a file that
 * was cut short for one that ends there and would lose rows without a word; so each is unpacked
 * once before it is read. What it cannot unpack is unpacked here, into the run's temporary folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/session_int.h"
#include "schema/codec.h"

#define PIECE (4u << 20)

typedef struct unpacking {
    nk_s3 *s3; /* NULL for local files; safe for several threads */
    nk_files *files;
    const nk_codec *all; /* whatever their names are; else NULL */
    char *dir;           /* unpack into it; NULL: only check */
    nk_str *out;         /* one a file, in dir; p NULL = as it is */
} unpacking;

static nk_code oom(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

static nk_code keep(void *arg, nk_str bytes, nk_err *err)
{
    int fd = *(const int *)arg;
    while (fd >= 0 && bytes.n) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno != EINTR)
            return nk_fail(err, errno == ENOSPC ? NK_E_FULL : NK_E_IO,
                           "it cannot be unpacked into the run's temporary folder: %s",
                           errno == ENOSPC ? "the disk is full" : "writing fails");
        if (n > 0)
            bytes = nk_str_sub(bytes, (size_t)n, bytes.n);
    }
    return NK_OK;
}

static nk_code unpack_file(const unpacking *c, const nk_file *f, const nk_codec *codec, int fd,
                           nk_err *err)
{
    nk_unpack *u;
    NK_TRY(nk_unpack_open(codec, keep, &fd, &u, err));
    nk_code rc = NK_OK;
    for (uint64_t at = 0; rc == NK_OK && at < f->size && !nk_session_stopped(); at += PIECE) {
        nk_buf b;
        nk_buf_init(&b, PIECE + 65536);
        rc = nk_file_range(c->s3, f->uri, at, PIECE, &b, err);
        if (rc == NK_OK)
            rc = nk_unpack_feed(u, nk_buf_view(&b), err);
        nk_buf_free(&b);
    }
    if (rc == NK_OK)
        rc = nk_unpack_finish(u, err);
    nk_unpack_close(u);
    return rc;
}

/* The engine goes by names, if it is not told. */
static const nk_codec *by_name(nk_str uri)
{
    static const struct {
        const char *suffix, *codec;
    } names[] = {{".gz", "gzip"},       {".zst", "zstd"},  {".bz2", "bzip2"}, {".lz4", "lz4"},
                 {".snappy", "snappy"}, {".sz", "snappy"}, {".zip", "zip"}};
    for (size_t i = 0; i < NK_COUNTOF(names); i++)
        if (nk_str_ends(uri, nk_str_c(names[i].suffix)))
            return nk_codec_named(nk_str_c(names[i].codec));
    return NULL;
}

static bool engine_knows(const nk_codec *c)
{
    return !c || nk_str_is(nk_str_c(c->name), "gzip") || nk_str_is(nk_str_c(c->name), "zstd");
}

static nk_code by_mark(nk_s3 *s3, nk_str uri, const nk_codec **out, nk_err *err)
{
    nk_buf b;
    nk_buf_init(&b, 1024);
    nk_code rc = nk_file_range(s3, uri, 0, 512, &b, err);
    *out = rc == NK_OK ? nk_codec_of(nk_buf_view(&b), uri) : NULL;
    nk_buf_free(&b);
    return rc;
}

/* Where a file goes, named so that the engine does not take it for a packed one. */
static nk_code unpack_one(unpacking *c, size_t i, const nk_codec *codec, nk_err *err)
{
    char path[4096];
    int fd = -1;
    if (c->dir) {
        int n = snprintf(path, sizeof path, "%s/%zu", c->dir, i);
        fd = n > 0 && (size_t)n < sizeof path
                 ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)
                 : -1;
        if (fd < 0)
            return nk_fail(err, NK_E_IO, "the run's temporary folder cannot be written");
    }
    nk_code rc = unpack_file(c, &c->files->v[i], codec, fd, err);
    if (fd >= 0)
        close(fd);
    if (rc != NK_OK || !c->dir)
        return rc;
    char *copy = nk_malloc(strlen(path) + 1);
    if (!copy)
        return oom(err);
    memcpy(copy, path, strlen(path) + 1);
    c->out[i] = nk_str_c(copy);
    return NK_OK;
}

static nk_code handle(unpacking *c, size_t i, nk_err *err)
{
    const nk_file *f = &c->files->v[i];
    const nk_codec *codec = c->all && engine_knows(c->all) ? c->all : by_name(f->uri);
    if (c->dir)
        NK_TRY(by_mark(c->s3, f->uri, &codec, err));
    return codec ? unpack_one(c, i, codec, err) : NK_OK;
}

static nk_code handle_named(void *arg, size_t i, nk_err *err)
{
    const unpacking *c = arg;
    nk_code rc = handle(arg, i, err);
    if (rc != NK_OK)
        (void)nk_wrap(err, "%.*s", NK_STR_ARG(c->files->v[i].uri));
    return rc == NK_E_PARSE ? NK_E_INVALID : rc;
}

/* A folder of its own for this source's files, below the session's. */
static nk_code make_dir(nk_session *s, char **out, nk_err *err)
{
    if (!s->unpacked_dir) {
        nk_str temp = nk_session_setting(s, "temp_dir");
        const char *env = getenv("TMPDIR");
        if (!temp.p)
            temp = nk_str_c(env && *env ? env : "/tmp");
        char *path = nk_arena_printf(s->arena, "%.*s/nikawa-unpacked-XXXXXX", NK_STR_ARG(temp));
        if (!path)
            return oom(err);
        char *dir = nk_arena_printf(s->arena, "%.*s", NK_STR_ARG(temp));
        NK_TRY(dir ? nk_file_mkdirs(dir, 0700, err) : oom(err));
        if (!mkdtemp(path))
            return nk_fail(err, NK_E_IO, "no temporary folder can be made in %s", dir);
        s->unpacked_dir = path;
    }
    *out = nk_arena_printf(s->arena, "%s/%zu", s->unpacked_dir, s->unpacked_n++);
    return *out ? nk_file_mkdirs(*out, 0700, err) : oom(err);
}

static nk_code take_unpacked(nk_session *s, unpacking *c, nk_scan *scan, nk_err *err)
{
    nk_code rc = NK_OK;
    nk_map by_uri;
    nk_map_init(&by_uri);
    for (size_t i = 0; i < c->files->n; i++) {
        if (!c->out[i].p)
            continue;
        nk_unpacked *u = nk_unpackeds_add(&s->unpacked, s->arena);
        nk_str path = nk_str_dup(s->arena, c->out[i]);
        nk_free((void *)(uintptr_t)c->out[i].p);
        c->out[i].p = NULL;
        if (!u || !path.p) {
            rc = oom(err);
            continue;
        }
        *u = (nk_unpacked){path, c->files->v[i].uri};
        nk_str *slot = NK_NEW(s->arena, nk_str);
        if (rc == NK_OK)
            rc = slot ? nk_map_put(&by_uri, c->files->v[i].uri, slot, NULL) : oom(err);
        if (slot)
            *slot = path;
        c->files->v[i].uri = path;
    }
    for (size_t p = 0; rc == NK_OK && p < scan->nparts; p++)
        for (size_t k = 0; k < scan->parts[p].nfiles; k++) {
            nk_str *to = nk_map_get(&by_uri, scan->parts[p].files[k]);
            if (to)
                scan->parts[p].files[k] = *to;
        }
    nk_map_free(&by_uri);
    return rc;
}

/* The first file tells for all; what the engine sees by a name's end need not be said. */
nk_code nk_session_packing(nk_session *s, nk_files *files, nk_scan *scan, nk_err *err)
{
    unpacking c = {.files = files};
    const nk_codec *mark;
    bool far = false, foreign, packed = false;
    for (size_t i = 0; i < files->n; i++)
        far = far || nk_str_starts(files->v[i].uri, NK_STR("s3"));
    if (far)
        NK_TRY(nk_session_s3(s, &c.s3, err));
    NK_TRY(by_mark(c.s3, files->v[0].uri, &mark, err));
    nk_str said = scan->compression;
    c.all = said.n ? nk_codec_named(said) : NULL;
    foreign = !engine_knows(mark) || !engine_knows(c.all);
    if (!said.n && mark && engine_knows(mark) && !by_name(files->v[0].uri))
        c.all = mark;
    for (size_t i = 0; i < files->n; i++) {
        const nk_codec *named = by_name(files->v[i].uri);
        foreign = foreign || !engine_knows(named);
        packed = packed || named || c.all;
    }
    scan->compression = !foreign && c.all ? nk_str_c(c.all->name) : NK_STR("");
    if (foreign) {
        NK_TRY(make_dir(s, &c.dir, err));
        c.out = NK_NEWN(s->arena, nk_str, files->n + 1);
        if (!c.out)
            return oom(err);
    }
    if (!packed && !foreign)
        return NK_OK;
    nk_code rc = nk_session_each(files->n, handle_named, &c, err);
    if (!foreign)
        return rc;
    nk_code taken = take_unpacked(s, &c, scan, rc == NK_OK ? err : NULL);
    return rc == NK_OK ? taken : rc;
}

/* An error about an unpacked file names the file that it was unpacked from. */
void nk_session_true_names(const nk_session *s, nk_err *err)
{
    for (size_t i = 0; err && i < s->unpacked.n; i++) {
        const nk_unpacked *u = &s->unpacked.v[i];
        char *at = strstr(err->msg, u->path.p);
        char next = at ? at[u->path.n] : '0';
        if (!at || (next >= '0' && next <= '9'))
            continue;
        char text[sizeof err->msg];
        snprintf(text, sizeof text, "%.*s%.*s%s", (int)(at - err->msg), err->msg,
                 NK_STR_ARG(u->uri), at + u->path.n);
        memcpy(err->msg, text, sizeof text);
    }
}
