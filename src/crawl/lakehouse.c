/* What Delta, Iceberg and Hudi targets share: walking folders, reading metadata. */
#include <stdio.h>

#include "crawl/worker_int.h"
#include "schema/rows.h"

#define FOLDERS_MAX 1000000

typedef struct walker {
    nk_crawl *c;
    nk_str bucket, root;
    nk_folder_fn fn;
    uint64_t folders;
} walker;

typedef struct below {
    nk_crawl *c;
    nk_strs list;
} below;

static nk_code on_object(void *arg, const nk_s3_object *o)
{
    return NK_OK;
}

static nk_code on_prefix(void *arg, nk_str prefix)
{
    below *b = arg;
    nk_str *slot = nk_strs_add(&b->list, b->c->a);
    if (!slot || !(*slot = nk_str_dup(b->c->a, prefix)).p)
        return nk_fail(b->c->err, NK_E_NOMEM, "Out of memory listing folders");
    return NK_OK;
}

static nk_code walk(walker *w, nk_str folder, int depth)
{
    nk_crawl *c = w->c;
    below b = {.c = c};
    bool is = false;
    NK_TRY(nk_crawl_stopped(c));
    if (++w->folders > FOLDERS_MAX)
        return nk_fail(c->err, NK_E_LIMIT, "The target holds more than %d folders", FOLDERS_MAX);
    NK_TRY(nk_s3_list(c->s3, w->bucket, folder, NK_STR("/"), NK_STR(""), on_object, on_prefix, &b,
                      c->err));
    NK_TRY(w->fn(c, w->bucket, folder, &b.list, &is));
    for (size_t i = 0; !is && depth > 0 && i < b.list.n; i++) {
        nk_str rel = nk_str_sub(b.list.v[i], w->root.n, b.list.v[i].n - 1);
        if (!nk_crawl_skips(c, rel))
            NK_TRY(walk(w, b.list.v[i], depth - 1));
    }
    return NK_OK;
}

nk_code nk_crawl_walk(nk_crawl *c, nk_str path, int depth, nk_folder_fn fn)
{
    nk_s3_uri u;
    NK_TRY(nk_crawl_open_path(c, path, &u));
    nk_str root = !u.key.n || nk_str_ends(u.key, NK_STR("/"))
                      ? nk_str_dup(c->a, u.key)
                      : nk_str_printf(c->a, "%.*s/", NK_STR_ARG(u.key));
    if (!root.p)
        return nk_fail(c->err, NK_E_NOMEM, "Out of memory");
    c->grouping.bucket = u.bucket;
    c->grouping.root = root;
    walker w = {.c = c, .bucket = u.bucket, .root = root, .fn = fn};
    return walk(&w, root, depth);
}

nk_code nk_crawl_read(nk_crawl *c, nk_str bucket, nk_str key, size_t max, nk_str *out)
{
    nk_buf b, plain;
    nk_buf_init(&b, max);
    nk_buf_init(&plain, max);
    nk_code rc = nk_s3_get(c->s3, bucket, key, &b, c->err);
    const nk_codec *codec = rc == NK_OK ? nk_codec_of(nk_buf_view(&b), NK_STR("")) : NULL;
    bool whole = true;
    if (codec)
        rc = nk_codec_head(codec, nk_buf_view(&b), &whole, &plain, c->err);
    *out = nk_buf_dup(codec ? &plain : &b, c->a);
    nk_buf_free(&b);
    nk_buf_free(&plain);
    if (rc == NK_OK && !whole)
        rc = nk_fail(c->err, NK_E_LIMIT, "s3://%.*s/%.*s is larger than %zu bytes",
                     NK_STR_ARG(bucket), NK_STR_ARG(key), max);
    return rc == NK_OK && !out->p ? nk_fail(c->err, NK_E_NOMEM, "Out of memory") : rc;
}

typedef struct object {
    nk_crawl *c;
    nk_str bucket, key;
} object;

static nk_code read_object(void *arg, uint64_t at, size_t n, nk_buf *out, nk_err *err)
{
    object *o = arg;
    NK_TRY(nk_crawl_stopped(o->c));
    return nk_s3_get_range(o->c->s3, o->bucket, o->key, at, n, out, err);
}

nk_code nk_crawl_lines(nk_crawl *c, nk_str bucket, nk_str key, uint64_t size, nk_line_fn fn,
                       void *arg)
{
    object o = {c, bucket, key};
    nk_input in = {.read = read_object, .arg = &o, .size = size};
    nk_code rc = NK_OK;
    nk_input_init(&in);
    while (rc == NK_OK) {
        ptrdiff_t end = nk_str_chr(in.view, '\n');
        if (end < 0 && !in.end) {
            rc = nk_input_more(&in, c->err);
            continue;
        }
        if (end < 0 && !in.view.n)
            break;
        rc = fn(arg, nk_str_sub(in.view, 0, end < 0 ? in.view.n : (size_t)end));
        nk_input_take(&in, end < 0 ? in.view.n : (size_t)end + 1);
    }
    nk_input_close(&in);
    return rc;
}

nk_code nk_crawl_pass_over(nk_crawl *c, nk_code rc, nk_str bucket, nk_str folder)
{
    if (rc != NK_E_PARSE && rc != NK_E_LIMIT && rc != NK_E_NOT_FOUND)
        return rc;
    c->unreadable++;
    if (!c->first_problem.p)
        c->first_problem = nk_str_dup(c->a, nk_str_c(c->err->msg));
    nk_crawl_say(c, "WARN", "s3://%.*s/%.*s: %s", NK_STR_ARG(bucket), NK_STR_ARG(folder),
                 c->err->msg);
    return NK_OK;
}
