/* Metadata files in the lake, and those lately seen in memory. */
#include <pthread.h>
#include <zlib.h>

#include "iceberg/iceberg_int.h"
#include "schema/gunzip.h"

/* ---- what is remembered ---- */

typedef struct doc {
    struct doc *newer, *older;
    nk_str location, text; /* behind it, in one piece */
} doc;

struct nk_ice_cache {
    pthread_mutex_t lock;
    nk_map by_location;
    doc *newest, *oldest;
    size_t bytes, max;
};

nk_ice_cache *nk_ice_cache_create(size_t bytes_max)
{
    nk_ice_cache *c = nk_calloc(1, sizeof *c);
    if (!c)
        return NULL;
    pthread_mutex_init(&c->lock, NULL);
    nk_map_init(&c->by_location);
    c->max = bytes_max;
    return c;
}

static void unlink_doc(nk_ice_cache *c, doc *d)
{
    *(d->newer ? &d->newer->older : &c->newest) = d->older;
    *(d->older ? &d->older->newer : &c->oldest) = d->newer;
}

static void link_newest(nk_ice_cache *c, doc *d)
{
    d->newer = NULL;
    d->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = d;
    c->newest = d;
}

static void forget(nk_ice_cache *c, doc *d)
{
    (void)nk_map_del(&c->by_location, d->location);
    unlink_doc(c, d);
    c->bytes -= d->text.n;
    nk_free(d);
}

void nk_ice_cache_destroy(nk_ice_cache *c)
{
    if (!c)
        return;
    while (c->newest)
        forget(c, c->newest);
    nk_map_free(&c->by_location);
    pthread_mutex_destroy(&c->lock);
    nk_free(c);
}

nk_str nk_ice_cache_get(nk_ice_cache *c, nk_str location, nk_arena *a)
{
    nk_str text = NK_STR_NULL;
    pthread_mutex_lock(&c->lock);
    doc *d = nk_map_get(&c->by_location, location);
    if (d) {
        unlink_doc(c, d);
        link_newest(c, d);
        text = nk_str_dup(a, d->text);
    }
    pthread_mutex_unlock(&c->lock);
    return text;
}

void nk_ice_cache_put(nk_ice_cache *c, nk_str location, nk_str text)
{
    if (text.n > c->max / 4)
        return;
    doc *d = nk_malloc(sizeof *d + location.n + text.n);
    if (!d)
        return;
    char *p = (char *)(d + 1);
    memcpy(p, location.p, location.n);
    memcpy(p + location.n, text.p, text.n);
    d->location = nk_str_n(p, location.n);
    d->text = nk_str_n(p + location.n, text.n);
    pthread_mutex_lock(&c->lock);
    doc *old = nk_map_get(&c->by_location, location);
    if (old)
        forget(c, old);
    if (nk_map_put(&c->by_location, d->location, d, NULL) == NK_OK) {
        link_newest(c, d);
        c->bytes += text.n;
    } else {
        nk_free(d);
    }
    while (c->bytes > c->max && c->oldest)
        forget(c, c->oldest);
    pthread_mutex_unlock(&c->lock);
}

/* ---- files ---- */

static nk_code place(nk_call *call, nk_str location, nk_s3_uri *uri, nk_s3 **s3)
{
    nk_lake *lake = call->app->lake;
    if (nk_s3_uri_parse(location, uri, call->err) != NK_OK || !uri->key.n)
        return nk_ice_fail(call->err, NK_ICE_BAD_REQUEST,
                           "Invalid location: %.*s (a location is s3://bucket/path)",
                           NK_STR_ARG(location));
    if (!lake)
        return nk_ice_fail(call->err, NK_ICE_UNAVAILABLE,
                           "This server has no lake to keep metadata in; start it without "
                           "--no-lake, or with --s3-endpoint");
    *s3 = nk_lake_s3(lake);
    return NK_OK;
}

/* The lake's refusals in the catalogue's words. */
static nk_code explain(nk_call *call, nk_code rc, nk_str location, const char *doing)
{
    char why[NK_ERR_MSG_MAX];
    memcpy(why, call->err->msg, sizeof why);
    if (rc == NK_E_NOT_FOUND)
        return nk_ice_fail(call->err, NK_ICE_BAD_REQUEST, "Failed to %s %.*s: it does not exist",
                           doing, NK_STR_ARG(location));
    if (rc == NK_E_ACCESS_DENIED)
        return nk_ice_fail(call->err, NK_ICE_FORBIDDEN, "Failed to %s %.*s: %.1500s", doing,
                           NK_STR_ARG(location), why);
    if (rc == NK_E_UNAVAILABLE)
        return nk_ice_fail(call->err, NK_ICE_UNAVAILABLE, "Failed to %s %.*s: %.1500s", doing,
                           NK_STR_ARG(location), why);
    return nk_wrap(call->err, "Failed to %s %.*s", doing, NK_STR_ARG(location));
}

static nk_code take_bytes(void *arg, nk_str bytes, nk_err *err)
{
    (void)nk_buf_str(arg, bytes);
    return nk_buf_check(arg, err);
}

static nk_code unpack(nk_str packed, nk_buf *out, nk_err *err)
{
    nk_gunzip *g = nk_gunzip_open(take_bytes, out);
    if (!g)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    nk_code rc = nk_gunzip_feed(g, packed, err);
    if (rc == NK_OK)
        rc = nk_gunzip_finish(g, err);
    nk_gunzip_close(g);
    return rc;
}

/* What is remembered is spliced into answers, so it must be well-formed. */
static nk_code check_json(nk_call *call, nk_str location, nk_str text)
{
    nk_json_reader r;
    nk_err why = NK_ERR_INIT;
    nk_json_begin(&r, text, call->arena, NK_ICE_DEPTH_MAX, &why);
    nk_code rc = nk_json_next(&r);
    bool object = rc == NK_OK && r.token == NK_JSON_OBJECT;
    if (rc == NK_OK)
        rc = nk_json_skip(&r);
    if (rc == NK_OK)
        rc = nk_json_next(&r);
    if (rc == NK_OK && object)
        return NK_OK;
    return nk_ice_fail(call->err, NK_ICE_UNPROCESSABLE, "%.*s is not Iceberg metadata: %s",
                       NK_STR_ARG(location), object ? why.msg : "it is no JSON object");
}

nk_code nk_ice_file_read(nk_call *call, nk_str location, nk_str *text)
{
    nk_s3_uri uri;
    nk_s3 *s3;
    nk_buf raw, plain;
    *text = nk_ice_cache_get(call->app->iceberg->cache, location, call->arena);
    if (text->p)
        return NK_OK;
    NK_TRY(place(call, location, &uri, &s3));
    nk_buf_init(&raw, NK_ICE_FILE_MAX);
    nk_buf_init(&plain, NK_ICE_FILE_MAX);
    nk_code rc = nk_s3_get(s3, uri.bucket, uri.key, &raw, call->err);
    if (rc != NK_OK)
        rc = explain(call, rc, location, "read");
    else if (nk_is_gzip(nk_buf_view(&raw)))
        rc = unpack(nk_buf_view(&raw), &plain, call->err);
    if (rc == NK_OK) {
        *text = nk_buf_dup(plain.n ? &plain : &raw, call->arena);
        rc = text->p ? check_json(call, location, *text)
                     : nk_fail(call->err, NK_E_NOMEM, "out of memory");
    }
    if (rc == NK_OK)
        nk_ice_cache_put(call->app->iceberg->cache, location, *text);
    nk_buf_free(&raw);
    nk_buf_free(&plain);
    return rc;
}

static nk_code pack(nk_str text, nk_buf *out, nk_err *err)
{
    z_stream z = {0};
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    size_t bound = deflateBound(&z, text.n);
    char *to = nk_buf_reserve(out, bound);
    nk_code rc = to ? NK_OK : nk_buf_check(out, err);
    if (to) {
        z.next_in = (Bytef *)(uintptr_t)text.p;
        z.avail_in = (uInt)text.n;
        z.next_out = (Bytef *)to;
        z.avail_out = (uInt)bound;
        if (deflate(&z, Z_FINISH) == Z_STREAM_END)
            out->n += z.total_out;
        else
            rc = nk_fail(err, NK_E_INTERNAL, "gzip failed");
    }
    deflateEnd(&z);
    return rc;
}

nk_code nk_ice_file_write(nk_call *call, nk_str location, nk_str text)
{
    nk_s3_uri uri;
    nk_s3 *s3;
    nk_buf packed;
    nk_str body = text;
    NK_TRY(place(call, location, &uri, &s3));
    nk_buf_init(&packed, NK_ICE_FILE_MAX);
    nk_code rc = NK_OK;
    if (nk_str_find(location, NK_STR(".gz.")) >= 0) {
        rc = pack(text, &packed, call->err);
        body = nk_buf_view(&packed);
    }
    if (rc == NK_OK) {
        rc = nk_s3_put(s3, uri.bucket, uri.key, body, "application/json", call->err);
        rc = rc == NK_OK ? rc : explain(call, rc, location, "write");
    }
    if (rc == NK_OK)
        nk_ice_cache_put(call->app->iceberg->cache, location, text);
    nk_buf_free(&packed);
    return rc;
}

void nk_ice_file_delete(nk_call *call, nk_str location)
{
    nk_s3_uri uri;
    nk_err why = NK_ERR_INIT;
    if (!call->app->lake || nk_s3_uri_parse(location, &uri, NULL) != NK_OK)
        return;
    if (nk_s3_delete(nk_lake_s3(call->app->lake), uri.bucket, uri.key, &why) != NK_OK)
        nk_warn("iceberg", "%.*s stays behind: %s", NK_STR_ARG(location), why.msg);
}

/* The number that a metadata file's name begins with; -1 when it has none. */
static int64_t version_of(nk_str file)
{
    ptrdiff_t slash = nk_str_rchr(file, '/');
    nk_str name = nk_str_sub(file, (size_t)(slash + 1), file.n);
    if (name.n && name.p[0] == 'v')
        name = nk_str_sub(name, 1, name.n);
    size_t n = 0;
    while (n < name.n && name.p[n] >= '0' && name.p[n] <= '9')
        n++;
    int64_t v;
    return n && n < 19 && nk_str_i64(nk_str_sub(name, 0, n), &v) ? v : -1;
}

nk_code nk_ice_file_next(nk_call *call, const nk_json *root, nk_str before, nk_str *out)
{
    const nk_json *properties = nk_ice_object(root, "properties");
    nk_str folder = nk_json_str(properties, "write.metadata.path"),
           codec = nk_json_str(properties, "write.metadata.compression-codec");
    const char *suffix = nk_str_ieq(codec, NK_STR("gzip")) ? ".gz.metadata.json" : ".metadata.json";
    char uuid[37];
    const nk_env *env = call->app->env;
    NK_TRY(nk_uuid(env, uuid));
    while (folder.n && folder.p[folder.n - 1] == '/')
        folder.n--;
    int64_t version = before.p ? version_of(before) + 1 : 0;
    *out = folder.n ? nk_str_printf(call->arena, "%.*s/%05lld-%s%s", NK_STR_ARG(folder),
                                    (long long)version, uuid, suffix)
                    : nk_str_printf(call->arena, "%.*s/metadata/%05lld-%s%s",
                                    NK_STR_ARG(nk_json_str(root, "location")), (long long)version,
                                    uuid, suffix);
    return out->p ? NK_OK : nk_fail(call->err, NK_E_NOMEM, "out of memory");
}
