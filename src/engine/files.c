/* Files of the lake and of this machine: listing, heads, several at a time, deletion. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/session_int.h"
#include "schema/codec.h"

static nk_code oom(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

static bool is_s3(nk_str path)
{
    return nk_str_starts(path, NK_STR("s3://")) || nk_str_starts(path, NK_STR("s3a://")) ||
           nk_str_starts(path, NK_STR("s3n://"));
}

static nk_str local_path(nk_str path)
{
    return nk_str_starts(path, NK_STR("file://")) ? nk_str_sub(path, 7, path.n) : path;
}

/* * ? and ** as in shells: * stays within a folder. {a,b} and [a-z] too. */
static bool glob_at(const char *p, const char *pe, const char *t, const char *te)
{
    while (p < pe) {
        if (*p == '*') {
            bool deep = p + 1 < pe && p[1] == '*';
            p += deep ? 2 : 1;
            if (deep && p < pe && *p == '/' && glob_at(p + 1, pe, t, te))
                return true;
            for (;; t++) {
                if (glob_at(p, pe, t, te))
                    return true;
                if (t == te || (!deep && *t == '/'))
                    return false;
            }
        }
        if (*p == '{') {
            const char *end = memchr(p, '}', (size_t)(pe - p));
            if (end) {
                for (const char *a = p + 1; a <= end;) {
                    const char *b = a;
                    while (b < end && *b != ',')
                        b++;
                    size_t n = (size_t)(b - a);
                    if ((size_t)(te - t) >= n && memcmp(a, t, n) == 0 &&
                        glob_at(end + 1, pe, t + n, te))
                        return true;
                    a = b + 1;
                }
                return false;
            }
        }
        if (t == te)
            return false;
        if (*p == '[') {
            const char *end = memchr(p, ']', (size_t)(pe - p));
            if (end && *t != '/') {
                bool not_in = p[1] == '!' || p[1] == '^', hit = false;
                for (const char *c = p + 1 + not_in; c < end; c++) {
                    if (c + 2 < end && c[1] == '-') {
                        hit = hit || (*t >= c[0] && *t <= c[2]);
                        c += 2;
                    } else {
                        hit = hit || *c == *t;
                    }
                }
                if (hit == not_in)
                    return false;
                p = end + 1;
                t++;
                continue;
            }
        }
        if (*p == '\\' && p + 1 < pe)
            p++;
        else if (*p == '?' && *t != '/') {
            p++, t++;
            continue;
        }
        if (*p++ != *t++)
            return false;
    }
    return t == te;
}

bool nk_glob(nk_str pattern, nk_str text)
{
    return glob_at(pattern.p, pattern.p + pattern.n, text.p, text.p + text.n);
}

/* Hidden: a part that starts with _ or . (Spark's rule), unless it is a partition's. */
static bool hidden(nk_str rel)
{
    nk_str part;
    while (nk_str_split(&rel, '/', &part))
        if (part.n && (part.p[0] == '.' || (part.p[0] == '_' && nk_str_chr(part, '=') < 0)))
            return true;
    return false;
}

typedef struct listing {
    nk_session *s;
    nk_files *out;
    nk_str bucket, base; /* base: the key's folder part, ends with / or is empty */
    nk_str exact;        /* the path itself as a key */
    nk_str pattern;      /* a glob over keys; p NULL = none */
    size_t max;          /* 0 = no end */
    bool recurse, cut;
} listing;

static nk_code add_file(listing *l, nk_str uri, nk_str rel, uint64_t size)
{
    if (!size || !rel.n || hidden(rel) || nk_str_ends(rel, NK_STR("/")) ||
        nk_str_ends(rel, NK_STR("_$folder$")))
        return NK_OK;
    if (!l->recurse && nk_str_chr(rel, '/') >= 0)
        return NK_OK;
    nk_file *f = nk_files_add(l->out, l->s->arena);
    if (!f)
        return NK_E_NOMEM;
    *f = (nk_file){nk_str_dup(l->s->arena, uri), nk_str_dup(l->s->arena, rel), size};
    return f->uri.p && f->rel.p ? NK_OK : NK_E_NOMEM;
}

static nk_code on_object(void *arg, const nk_s3_object *o)
{
    listing *l = arg;
    if (l->max && l->out->n >= l->max) {
        l->cut = true;
        return NK_E_END;
    }
    nk_str uri =
        nk_str_printf(l->s->arena, "s3://%.*s/%.*s", NK_STR_ARG(l->bucket), NK_STR_ARG(o->key));
    if (!uri.p)
        return NK_E_NOMEM;
    if (nk_str_eq(o->key, l->exact)) { /* a file named itself */
        ptrdiff_t slash = nk_str_rchr(o->key, '/');
        nk_str name = nk_str_sub(o->key, (size_t)(slash + 1), o->key.n);
        nk_file *f = o->size && name.n ? nk_files_add(l->out, l->s->arena) : NULL;
        if (f)
            *f = (nk_file){uri, nk_str_dup(l->s->arena, name), o->size};
        return NK_OK;
    }
    if (!nk_str_starts(o->key, l->base))
        return NK_OK;
    if (l->pattern.p && !nk_glob(l->pattern, o->key))
        return NK_OK;
    return add_file(l, uri, nk_str_sub(o->key, l->base.n, o->key.n), o->size);
}

static nk_code list_s3(listing *l, nk_str path, nk_err *err)
{
    nk_s3 *s3;
    nk_s3_uri u;
    NK_TRY(nk_s3_uri_parse(path, &u, err));
    NK_TRY(nk_session_s3(l->s, &s3, err));
    l->bucket = u.bucket;
    nk_str prefix = u.key;
    size_t star = 0;
    while (star < u.key.n && !strchr("*?[{", u.key.p[star]))
        star++;
    if (star < u.key.n) {
        prefix = nk_str_sub(u.key, 0, star);
        ptrdiff_t slash = nk_str_rchr(prefix, '/');
        l->base = nk_str_sub(prefix, 0, (size_t)(slash + 1));
        l->pattern = nk_str_ends(u.key, NK_STR("/"))
                         ? nk_str_printf(l->s->arena, "%.*s**", NK_STR_ARG(u.key))
                         : u.key;
        l->recurse = true;
    } else {
        l->exact = u.key;
        l->base = !u.key.n || nk_str_ends(u.key, NK_STR("/"))
                      ? u.key
                      : nk_str_printf(l->s->arena, "%.*s/", NK_STR_ARG(u.key));
    }
    nk_code rc = nk_s3_list(s3, u.bucket, prefix, NK_STR(""), NK_STR(""), on_object, NULL, l, err);
    /* a pattern that matches folders means the files in them */
    if (rc == NK_OK && l->out->n == 0 && l->pattern.p && !nk_str_ends(l->pattern, NK_STR("**"))) {
        l->pattern = nk_str_printf(l->s->arena, "%.*s/**", NK_STR_ARG(u.key));
        rc = nk_s3_list(s3, u.bucket, prefix, NK_STR(""), NK_STR(""), on_object, NULL, l, err);
    }
    if (rc == NK_E_NOT_FOUND)
        nk_hint(err, "make the bucket, or correct the path %.*s", NK_STR_ARG(path));
    return rc;
}

static nk_code list_dir(listing *l, const char *dir, const char *rel, nk_err *err)
{
    struct dirent **names;
    int n = scandir(dir, &names, NULL, alphasort);
    nk_code rc = NK_OK;
    if (n < 0)
        return nk_fail(err, NK_E_NOT_FOUND, "there is no folder %s", dir);
    for (int i = 0; i < n; i++) {
        const char *name = names[i]->d_name;
        char *path = NULL, *below = NULL;
        struct stat st;
        if (rc == NK_OK && strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
            path = nk_arena_printf(l->s->arena, "%s/%s", dir, name);
            below = nk_arena_printf(l->s->arena, "%s%s%s", rel, *rel ? "/" : "", name);
            if (!path || !below)
                rc = oom(err);
            else if (stat(path, &st) == 0 && S_ISDIR(st.st_mode) && l->recurse &&
                     !hidden(nk_str_c(name)))
                rc = list_dir(l, path, below, err);
            else if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
                rc = add_file(l, nk_str_c(path), nk_str_c(below), (uint64_t)st.st_size);
        }
        free(names[i]);
    }
    free(names);
    return rc;
}

static nk_code list_local(listing *l, nk_str path, nk_err *err)
{
    struct stat st;
    path = local_path(path);
    while (path.n > 1 && path.p[path.n - 1] == '/')
        path.n--;
    path = nk_str_dup(l->s->arena, path);
    if (!path.p)
        return oom(err);
    if (stat(path.p, &st) != 0)
        return nk_fail(err, NK_E_NOT_FOUND, "there is no file or folder %.*s", NK_STR_ARG(path));
    if (S_ISDIR(st.st_mode))
        return list_dir(l, path.p, "", err);
    ptrdiff_t slash = nk_str_rchr(path, '/');
    nk_file *f = st.st_size ? nk_files_add(l->out, l->s->arena) : NULL;
    if (f)
        *f = (nk_file){path, nk_str_sub(path, (size_t)(slash + 1), path.n), (uint64_t)st.st_size};
    return NK_OK;
}

nk_code nk_session_list(nk_session *s, nk_str path, bool recurse, nk_files *out, nk_err *err)
{
    listing l = {.s = s, .out = out, .recurse = recurse};
    return is_s3(path) ? list_s3(&l, path, err) : list_local(&l, path, err);
}

nk_code nk_session_list_s3(nk_session *s, nk_str path, size_t max, nk_files *out, bool *whole,
                           nk_err *err)
{
    listing l = {.s = s, .out = out, .recurse = true, .max = max};
    nk_code rc = list_s3(&l, path, err);
    *whole = rc == NK_OK && !l.cut;
    return rc;
}

static nk_code local_range(nk_str uri, uint64_t at, uint64_t n, nk_buf *out, nk_err *err)
{
    nk_str path = local_path(uri);
    char *c = nk_malloc(path.n + 1);
    if (!c)
        return oom(err);
    memcpy(c, path.p, path.n);
    c[path.n] = 0;
    int fd = open(c, O_RDONLY | O_CLOEXEC);
    nk_free(c);
    if (fd < 0)
        return nk_fail(err, NK_E_NOT_FOUND, "%.*s cannot be opened", NK_STR_ARG(uri));
    for (uint64_t left = n; left;) {
        size_t want = left > 1u << 20 ? 1u << 20 : (size_t)left;
        char *p = nk_buf_reserve(out, want);
        ssize_t got = p ? pread(fd, p, want, (off_t)(at + (n - left))) : 0;
        if (got <= 0)
            break;
        out->n += (size_t)got;
        left -= (uint64_t)got;
    }
    close(fd);
    return nk_buf_check(out, err);
}

nk_code nk_file_range(nk_s3 *s3, nk_str uri, uint64_t at, uint64_t n, nk_buf *out, nk_err *err)
{
    nk_s3_uri u;
    if (!is_s3(uri))
        return local_range(uri, at, n, out, err);
    NK_TRY(nk_s3_uri_parse(uri, &u, err));
    return nk_s3_get_range(s3, u.bucket, u.key, at, n, out, err);
}

static nk_code raw_head(nk_session *s, nk_str uri, uint64_t max, nk_buf *out, nk_err *err)
{
    nk_s3 *s3 = NULL;
    if (is_s3(uri))
        NK_TRY(nk_session_s3(s, &s3, err));
    return nk_file_range(s3, uri, 0, max, out, err);
}

nk_code nk_session_head(nk_session *s, nk_str uri, uint64_t max, bool unpack, nk_buf *out,
                        nk_err *err)
{
    nk_buf raw;
    nk_buf_init(&raw, (size_t)max + 65536);
    nk_code rc = raw_head(s, uri, max, &raw, err);
    const nk_codec *codec = rc == NK_OK && unpack ? nk_codec_of(nk_buf_view(&raw), uri) : NULL;
    if (codec) {
        bool whole = raw.n < max;
        nk_buf_free(out);
        nk_buf_init(out, (size_t)max);
        rc = nk_codec_head(codec, nk_buf_view(&raw), &whole, out, err);
    } else if (rc == NK_OK) {
        nk_str v = nk_buf_view(&raw);
        rc = nk_buf_add(out, v.p, v.n < max ? v.n : (size_t)max);
    }
    nk_buf_free(&raw);
    return rc;
}

/* ---- several at a time ---- */

#define THREADS 4

typedef struct each {
    nk_code (*fn)(void *arg, size_t i, nk_err *err);
    void *arg;
    size_t n;
    atomic_size_t next;
    pthread_mutex_t lock;
    nk_code rc;
    nk_err err;
} each;

static void *each_main(void *arg)
{
    each *e = arg;
    for (;;) {
        size_t i = atomic_fetch_add(&e->next, 1);
        if (i >= e->n || nk_session_stopped())
            return NULL;
        nk_err err = NK_ERR_INIT;
        nk_code rc = e->fn(e->arg, i, &err);
        if (rc == NK_OK)
            continue;
        pthread_mutex_lock(&e->lock);
        if (e->rc == NK_OK) {
            e->rc = rc;
            e->err = err;
        }
        atomic_store(&e->next, e->n);
        pthread_mutex_unlock(&e->lock);
    }
}

nk_code nk_session_each(size_t n, nk_code (*fn)(void *arg, size_t i, nk_err *err), void *arg,
                        nk_err *err)
{
    each e = {.fn = fn, .arg = arg, .n = n, .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t t[THREADS];
    size_t started = 0;
    for (; started < THREADS && started + 1 < n; started++)
        if (pthread_create(&t[started], NULL, each_main, &e) != 0)
            break;
    (void)each_main(&e);
    while (started)
        pthread_join(t[--started], NULL);
    if (e.rc != NK_OK && err)
        *err = e.err;
    if (e.rc == NK_OK && nk_session_stopped())
        return nk_fail(err, NK_E_CANCELLED, "stopped");
    return e.rc;
}

nk_code nk_session_delete(nk_session *s, nk_str uri, nk_err *err)
{
    if (is_s3(uri)) {
        nk_s3_uri u;
        nk_s3 *s3;
        NK_TRY(nk_s3_uri_parse(uri, &u, err));
        NK_TRY(nk_session_s3(s, &s3, err));
        return nk_s3_delete(s3, u.bucket, u.key, err);
    }
    nk_str path = nk_str_dup(s->arena, local_path(uri));
    if (path.p)
        (void)!unlink(path.p);
    return NK_OK;
}
