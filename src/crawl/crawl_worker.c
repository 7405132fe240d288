/* The worker's side of a crawl: lists, samples, groups and describes; the server only stores what
 * comes of it. */
#include <stdio.h>

#include "crawl/crawl_worker.h"
#include "crawl/sample.h"

#define FILES_MAX       5000000
#define PARTITION_BATCH 500

NK_LIST(crawl_files, nk_crawl_file);

typedef struct crawl {
    nk_worker *w;
    nk_arena *a;
    nk_s3 *s3;
    bool inherit;
    nk_customs customs;
    nk_crawl_grouping grouping;
    const nk_json *exclusions;
    int64_t sample_size;
    /* of the target at hand */
    crawl_files files;
    uint64_t listed, skipped, unreadable, unknown;
    nk_str first_problem;
    nk_err *err;
} crawl;

/* ---- frames ---- */

static void say(crawl *c, const char *level, const char *text)
{
    nk_buf b;
    nk_buf_init(&b, 64 << 10);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "event", "log");
    nk_jw_kcstr(&w, "level", level);
    nk_jw_kcstr(&w, "text", text);
    nk_jw_object_end(&w);
    if (!b.failed && nk_worker_send(c->w, nk_buf_view(&b), NULL) != NK_OK)
        nk_debug("crawl", "a log line was lost");
    nk_buf_free(&b);
}

static void remark(void *arg, const char *text)
{
    say(arg, "WARN", text);
}

static nk_code send(crawl *c, nk_buf *b)
{
    nk_code rc = nk_buf_check(b, c->err);
    return rc == NK_OK ? nk_worker_send(c->w, nk_buf_view(b), c->err) : rc;
}

/* ---- listing ---- */

static bool hidden(nk_str rel)
{
    nk_str rest = rel, part;
    while (nk_str_split(&rest, '/', &part)) {
        if (part.n && (part.p[0] == '.' || (part.p[0] == '_' && nk_str_chr(part, '=') < 0)))
            return true;
    }
    return nk_str_ends(rel, NK_STR("_$folder$"));
}

static bool excluded(const crawl *c, nk_str rel)
{
    for (const nk_json *e = c->exclusions ? c->exclusions->first : NULL; e; e = e->next) {
        if (nk_glob_match(e->text, rel))
            return true;
    }
    return false;
}

static nk_code on_object(void *arg, const nk_s3_object *o)
{
    crawl *c = arg;
    nk_str rel = nk_str_sub(o->key, c->grouping.root.n, o->key.n);
    if (nk_worker_cancelled(c->w))
        return nk_fail(c->err, NK_E_CANCELLED, "The crawl was stopped");
    if (++c->listed > FILES_MAX)
        return nk_fail(c->err, NK_E_LIMIT, "The target holds more than %d objects", FILES_MAX);
    if (!o->size || !o->key.n || o->key.p[o->key.n - 1] == '/')
        return NK_OK;
    if (rel.n && (hidden(rel) || excluded(c, rel))) {
        c->skipped++;
        return NK_OK;
    }
    nk_crawl_file *f = crawl_files_add(&c->files, c->a);
    if (!f)
        return nk_fail(c->err, NK_E_NOMEM, "Out of memory listing a crawl's target");
    f->path = nk_str_dup(c->a, o->key);
    f->size = o->size;
    f->modified_us = o->modified_us;
    return f->path.p ? NK_OK
                     : nk_fail(c->err, NK_E_NOMEM, "Out of memory listing a crawl's target");
}

/* "a/b" may be a file or a folder: what is there decides. */
static nk_code settle_root(crawl *c)
{
    nk_str root = c->grouping.root;
    nk_s3_info info;
    if (!root.n || root.p[root.n - 1] == '/')
        return NK_OK;
    nk_err none = NK_ERR_INIT;
    nk_code rc = nk_s3_head(c->s3, c->grouping.bucket, root, &info, &none);
    if (rc == NK_OK && info.size > 0)
        return NK_OK;
    if (rc != NK_OK && rc != NK_E_NOT_FOUND && rc != NK_E_ACCESS_DENIED)
        return nk_fail(c->err, rc, "%s", none.msg);
    c->grouping.root = nk_str_printf(c->a, "%.*s/", NK_STR_ARG(root));
    return NK_OK;
}

static nk_code list_target(crawl *c, nk_str path)
{
    nk_s3_uri uri;
    NK_TRY(nk_s3_uri_parse(path, &uri, c->err));
    c->grouping.bucket = uri.bucket;
    c->grouping.root = uri.key;
    nk_code rc = nk_s3_head_bucket(c->s3, uri.bucket, c->err);
    if (rc == NK_E_NOT_FOUND)
        return nk_fail(c->err, NK_E_NOT_FOUND,
                       "The bucket \"%.*s\" of the target %.*s does not exist",
                       NK_STR_ARG(uri.bucket), NK_STR_ARG(path));
    NK_TRY(rc);
    NK_TRY(settle_root(c));
    c->files = (crawl_files){0};
    c->listed = c->skipped = 0;
    return nk_s3_list(c->s3, c->grouping.bucket, c->grouping.root, NK_STR(""), NK_STR(""),
                      on_object, NULL, c, c->err);
}

/* With SampleSize only the first files of each folder are looked into. */
static void choose_samples(crawl *c)
{
    nk_str folder = NK_STR_NULL;
    int64_t taken = 0;
    for (size_t i = 0; i < c->files.n; i++) {
        nk_str path = c->files.v[i].path;
        nk_str dir = nk_str_sub(path, 0, (size_t)(nk_str_rchr(path, '/') + 1));
        if (!folder.p || !nk_str_eq(dir, folder)) {
            folder = dir;
            taken = 0;
        }
        c->files.v[i].sampled = !c->sample_size || taken++ < c->sample_size;
    }
}

/* ---- looking into files ---- */

static bool stopped(void *w)
{
    return nk_worker_cancelled(w);
}

static nk_code sample_all(crawl *c)
{
    nk_sampling job = {.s3 = c->s3,
                       .bucket = c->grouping.bucket,
                       .customs = &c->customs,
                       .files = c->files.v,
                       .n = c->files.n,
                       .stopped = stopped,
                       .arg = c->w};
    return nk_crawl_sample(&job, c->a, c->err);
}

static void tell_problems(crawl *c)
{
    for (size_t i = 0; i < c->files.n; i++) {
        nk_crawl_file *f = &c->files.v[i];
        if (!f->is || f->is->format)
            continue;
        char text[1400];
        snprintf(text, sizeof text, "s3://%.*s/%.*s: %.*s", NK_STR_ARG(c->grouping.bucket),
                 (int)(f->path.n > 700 ? 700 : f->path.n), f->path.p, NK_STR_ARG(f->is->why));
        if (!c->first_problem.p)
            c->first_problem = nk_str_dup(c->a, nk_str_c(text));
        if (c->unreadable++ < 100)
            say(c, "WARN", text);
    }
}

/* ---- results ---- */

static nk_code send_partitions(crawl *c, const nk_crawl_table *t)
{
    nk_buf b;
    nk_code rc = NK_OK;
    nk_buf_init(&b, NK_POOL_FRAME_MAX);
    for (size_t i = 0; i < t->partitions.n && rc == NK_OK; i += PARTITION_BATCH) {
        size_t end = i + PARTITION_BATCH < t->partitions.n ? i + PARTITION_BATCH : t->partitions.n;
        nk_arena *scratch = nk_arena_create(0);
        nk_buf_clear(&b);
        nk_buf_puts(&b, "{\"event\":\"partitions\",\"inputs\":[");
        for (size_t k = i; k < end && rc == NK_OK && scratch; k++) {
            if (k > i)
                nk_buf_putc(&b, ',');
            rc = nk_crawl_partition_json(t, &t->partitions.v[k], c->inherit, c->grouping.bucket,
                                         scratch, &b, c->err);
        }
        nk_buf_puts(&b, "]}");
        if (rc == NK_OK)
            rc = scratch ? send(c, &b) : nk_fail(c->err, NK_E_NOMEM, "Out of memory");
        nk_arena_destroy(scratch);
    }
    nk_buf_free(&b);
    return rc;
}

static nk_code send_table(crawl *c, const nk_crawl_table *t)
{
    nk_buf b;
    nk_buf_init(&b, NK_POOL_FRAME_MAX);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "event", "table");
    nk_jw_kstr(&w, "base", t->base);
    nk_jw_ki64(&w, "partitions", (int64_t)t->partitions.n);
    nk_buf_puts(&b, ",\"input\":");
    nk_code rc = nk_crawl_table_json(t, c->grouping.bucket, c->a, &b, remark, c, c->err);
    nk_buf_putc(&b, '}');
    if (rc == NK_OK)
        rc = send(c, &b);
    nk_buf_free(&b);
    return rc == NK_OK ? send_partitions(c, t) : rc;
}

static nk_code crawl_target(crawl *c, nk_str path, size_t *tables)
{
    char text[1400];
    NK_TRY(list_target(c, path));
    snprintf(text, sizeof text, "%.*s: %llu objects, %zu to look at",
             (int)(path.n > 1000 ? 1000 : path.n), path.p, (unsigned long long)c->listed,
             c->files.n);
    say(c, "INFO", text);
    if (!c->files.n) {
        snprintf(text, sizeof text, "%.*s holds no files to crawl",
                 (int)(path.n > 1000 ? 1000 : path.n), path.p);
        say(c, "WARN", text);
        return NK_OK;
    }
    choose_samples(c);
    NK_TRY(sample_all(c));
    tell_problems(c);
    nk_crawl_tables out = {0};
    NK_TRY(nk_crawl_group(&c->grouping, c->files.v, c->files.n, c->a, &out, remark, c, c->err));
    for (size_t i = 0; i < out.n; i++)
        NK_TRY(send_table(c, &out.v[i]));
    *tables += out.n;
    return NK_OK;
}

/* {"op":"crawl","s3_endpoint","region","access_key","secret_key","combine","table_level","inherit",
 *  "classifiers":[glue_Classifier as text …],"targets":[{"path","exclusions":[…],"sample_size"}]}
 */
nk_code nk_crawl_worker(nk_worker *w, const nk_json *req, nk_arena *a, nk_err *err)
{
    crawl c = {.w = w, .a = a, .err = err, .inherit = nk_json_bool(req, "inherit", false)};
    nk_s3_config config = {0};
    config.endpoint = nk_str_dup(a, nk_json_str(req, "s3_endpoint")).p;
    config.region = nk_str_dup(a, nk_json_str(req, "region")).p;
    config.access_key = nk_str_dup(a, nk_json_str(req, "access_key")).p;
    config.secret_key = nk_str_dup(a, nk_json_str(req, "secret_key")).p;
    c.grouping.combine = nk_json_bool(req, "combine", false);
    c.grouping.table_level = (int)nk_json_i64(req, "table_level", 0);
    size_t tables = 0;
    NK_TRY(nk_customs_load(nk_json_get(req, "classifiers"), a, &c.customs, err));
    NK_TRY(nk_s3_create(&config, &c.s3, err));
    nk_code rc = NK_OK;
    const nk_json *targets = nk_json_get(req, "targets");
    for (const nk_json *t = targets ? targets->first : NULL; t && rc == NK_OK; t = t->next) {
        c.exclusions = nk_json_get(t, "exclusions");
        c.sample_size = nk_json_i64(t, "sample_size", 0);
        rc = crawl_target(&c, nk_json_str(t, "path"), &tables);
    }
    if (rc == NK_OK && !tables && c.unreadable)
        rc = nk_fail(err, NK_E_PARSE,
                     "No file of the targets could be read as a table; the first: %.*s",
                     NK_STR_ARG(c.first_problem));
    nk_s3_destroy(c.s3);
    if (rc != NK_OK)
        return rc;
    char done[96];
    int n = snprintf(done, sizeof done, "{\"event\":\"result\",\"tables\":%zu}", tables);
    return nk_worker_send(w, nk_str_n(done, (size_t)n), err);
}
