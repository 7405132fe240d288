/* The worker's side of a crawl: lists, samples, groups and describes; the server only stores what
 * comes of it. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "crawl/crawl_int.h"
#include "crawl/crawl_worker.h"
#include "lake/s3.h"
#include "schema/gunzip.h"
#include "schema/parquet.h"

#define SAMPLE_BYTES    ((uint64_t)1 << 20) /* of a file */
#define INFLATED_MAX    ((size_t)8 << 20)   /* of a sample, decompressed */
#define TAIL_BYTES      ((uint64_t)64 << 10)
#define FOOTER_MAX      ((uint64_t)256 << 20)
#define FILES_MAX       5000000
#define SAMPLERS_MAX    8
#define PARTITION_BATCH 500

NK_LIST(crawl_files, nk_crawl_file);

typedef struct crawl {
    nk_worker *w;
    nk_arena *a;
    nk_s3 *s3;
    bool inherit;
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

/* ---- sampling ---- */

typedef struct sampler {
    crawl *c;
    nk_arena *keep;      /* results; lives until the crawl's end */
    const nk_type *last; /* types repeat from file to file */
    const nk_csv_dialect *last_dialect;
    atomic_size_t *next;
    atomic_bool *give_up;
    nk_err err;
    nk_code rc;
} sampler;

static const nk_type *keep_type(sampler *s, const nk_type *t)
{
    if (!s->last || !nk_type_eq(s->last, t))
        s->last = nk_type_copy(s->keep, t);
    return s->last;
}

static nk_strs keep_strs(sampler *s, const nk_strs *from, const nk_strs *like)
{
    nk_strs out = {0};
    bool same = like && like->n == from->n;
    for (size_t i = 0; same && i < from->n; i++)
        same = nk_str_eq(from->v[i], like->v[i]);
    if (same)
        return *like;
    for (size_t i = 0; i < from->n; i++) {
        nk_str *v = nk_strs_add(&out, s->keep);
        if (v)
            *v = nk_str_dup(s->keep, from->v[i]);
    }
    return out;
}

static nk_code problem(sampler *s, nk_crawl_file *f, const char *text)
{
    f->format = NK_FMT_UNKNOWN;
    f->problem = nk_str_dup(s->keep, nk_str_c(text));
    return NK_OK;
}

static nk_code collect(void *arg, nk_str bytes, nk_err *err)
{
    nk_buf *b = arg;
    size_t room = b->max - b->n;
    nk_buf_add(b, bytes.p, bytes.n < room ? bytes.n : room);
    if (b->failed)
        return nk_fail(err, NK_E_NOMEM, "Out of memory");
    return bytes.n >= room ? NK_E_END : NK_OK;
}

/* whole says afterwards whether out holds all of the file. */
static nk_code inflate_sample(nk_str in, bool *whole, nk_buf *out, nk_err *err)
{
    nk_gunzip *g = nk_gunzip_open(collect, out);
    if (!g)
        return nk_fail(err, NK_E_NOMEM, "Out of memory");
    nk_code rc = nk_gunzip_feed(g, in, err);
    if (rc == NK_OK && *whole)
        rc = nk_gunzip_finish(g, err);
    nk_gunzip_close(g);
    if (rc == NK_E_END) {
        *whole = false;
        rc = NK_OK;
    }
    return rc;
}

static nk_code sample_parquet(sampler *s, nk_crawl_file *f, nk_buf *buf, nk_arena *scratch,
                              nk_err *err)
{
    nk_str bucket = s->c->grouping.bucket;
    uint64_t size, tail = f->size < TAIL_BYTES ? f->size : TAIL_BYTES;
    nk_buf_clear(buf);
    NK_TRY(nk_s3_get_range(s->c->s3, bucket, f->path, f->size - tail, tail, buf, err));
    nk_str end = nk_buf_view(buf);
    NK_TRY(nk_parquet_footer_size(end.n < 8 ? end : nk_str_sub(end, end.n - 8, end.n), f->size,
                                  &size, err));
    if (size > FOOTER_MAX)
        return nk_fail(err, NK_E_PARSE, "The Parquet footer has %llu bytes",
                       (unsigned long long)size);
    if (size + 8 > end.n) {
        nk_buf_clear(buf);
        NK_TRY(nk_s3_get_range(s->c->s3, bucket, f->path, f->size - 8 - size, size + 8, buf, err));
        end = nk_buf_view(buf);
        if (end.n != size + 8)
            return nk_fail(err, NK_E_PARSE, "The file changed while it was read");
    }
    nk_parquet_meta meta;
    NK_TRY(
        nk_parquet_read_footer(nk_str_sub(end, end.n - 8 - size, end.n - 8), scratch, &meta, err));
    f->format = NK_FMT_PARQUET;
    f->type = keep_type(s, meta.type);
    f->records = meta.rows;
    f->record_bytes = f->size;
    f->exact = true;
    return f->type ? NK_OK : nk_fail(err, NK_E_NOMEM, "Out of memory");
}

static const char *other_compression(nk_str head)
{
    static const struct {
        nk_str magic;
        const char *name;
    } known[] = {
        {{"BZh", 3}, "bzip2"},
        {{"\x28\xb5\x2f\xfd", 4}, "zstd"},
        {{"PK\x03\x04", 4}, "zip"},
        {{"\x04\x22\x4d\x18", 4}, "lz4"},
        {{"\xfd"
          "7zXZ",
          5},
         "xz"},
        {{"\xff\x06\0\0sNaPpY", 10}, "snappy"},
    };
    for (size_t i = 0; i < NK_COUNTOF(known); i++) {
        if (nk_str_starts(head, known[i].magic))
            return known[i].name;
    }
    return NULL;
}

static nk_code take_recognised(sampler *s, nk_crawl_file *f, const nk_recognised *r,
                               nk_arena *scratch, nk_err *err)
{
    f->format = r->format;
    f->dialect = r->dialect;
    f->layout = r->layout;
    f->records = r->records;
    f->record_bytes = r->record_bytes;
    const nk_type *t = r->type;
    if (f->format == NK_FMT_CSV) {
        t = nk_crawl_name_columns(scratch, &f->dialect, t);
        const nk_csv_dialect *last = s->last_dialect;
        f->dialect.first = keep_strs(s, &f->dialect.first, last ? &last->first : NULL);
        f->dialect.names = f->dialect.header ? f->dialect.first : (nk_strs){0};
        s->last_dialect = &f->dialect;
    }
    f->type = t ? keep_type(s, t) : NULL;
    return f->type ? NK_OK : nk_fail(err, NK_E_NOMEM, "Out of memory");
}

static nk_code sample_head(sampler *s, nk_crawl_file *f, nk_buf *buf, nk_arena *scratch,
                           nk_err *err)
{
    uint64_t want = f->size < SAMPLE_BYTES ? f->size : SAMPLE_BYTES;
    nk_buf_clear(buf);
    NK_TRY(nk_s3_get_range(s->c->s3, s->c->grouping.bucket, f->path, 0, want, buf, err));
    nk_str head = nk_buf_view(buf);
    bool whole = want == f->size;
    f->sample_bytes = head.n;
    if (nk_str_starts(head, NK_STR("PAR1")))
        return sample_parquet(s, f, buf, scratch, err);
    const char *packed = other_compression(head);
    if (packed) {
        char text[80];
        snprintf(text, sizeof text, "%s compression is not available yet", packed);
        return problem(s, f, text);
    }
    nk_buf plain;
    nk_buf_init(&plain, INFLATED_MAX);
    nk_code rc = NK_OK;
    if (nk_is_gzip(head)) {
        f->gzip = true;
        rc = inflate_sample(head, &whole, &plain, err);
        head = nk_buf_view(&plain);
    }
    nk_recognised r = {0};
    if (rc == NK_OK)
        rc = nk_recognise(head, whole, scratch, &r, err);
    f->exact = whole;
    if (rc == NK_OK && (r.format == NK_FMT_CSV || r.format == NK_FMT_JSON))
        rc = take_recognised(s, f, &r, scratch, err);
    else if (rc == NK_OK && r.format != NK_FMT_UNKNOWN) {
        char text[80];
        snprintf(text, sizeof text, "crawling %s files is not available yet",
                 nk_format_name(r.format));
        rc = problem(s, f, text);
    } else if (rc == NK_OK)
        rc = problem(s, f, nk_str_printf(scratch, "not recognised: %.*s", NK_STR_ARG(r.why)).p);
    nk_buf_free(&plain);
    return rc;
}

static nk_code sample_file(sampler *s, nk_crawl_file *f, nk_buf *buf)
{
    nk_err err = NK_ERR_INIT;
    nk_arena *scratch = nk_arena_create(1u << 30);
    nk_code rc = NK_E_NOMEM;
    if (scratch) {
        bool named = nk_str_ends(f->path, NK_STR(".parquet"));
        rc = named ? sample_parquet(s, f, buf, scratch, &err) : NK_E_PARSE;
        if (rc == NK_E_PARSE) {
            nk_err tail = err;
            rc = sample_head(s, f, buf, scratch, &err);
            if (named && rc == NK_OK && f->format == NK_FMT_UNKNOWN)
                rc = problem(s, f, tail.msg);
        }
    }
    nk_arena_destroy(scratch);
    if (rc == NK_OK)
        return NK_OK;
    /* what is wrong with the data concerns this file, what is wrong with the store the whole crawl
     */
    if (rc == NK_E_PARSE || rc == NK_E_SERIALIZATION || rc == NK_E_LIMIT || rc == NK_E_NOT_FOUND)
        return problem(s, f, err.msg);
    return nk_fail(&s->err, rc, "s3://%.*s/%.*s: %s", NK_STR_ARG(s->c->grouping.bucket),
                   NK_STR_ARG(f->path), err.msg);
}

static void *sample_thread(void *arg)
{
    sampler *s = arg;
    nk_buf buf;
    nk_buf_init(&buf, FOOTER_MAX + 16);
    while (s->rc == NK_OK && !atomic_load(s->give_up)) {
        size_t i = atomic_fetch_add(s->next, 1);
        if (i >= s->c->files.n)
            break;
        if (nk_worker_cancelled(s->c->w))
            s->rc = nk_fail(&s->err, NK_E_CANCELLED, "The crawl was stopped");
        else if (s->c->files.v[i].sampled)
            s->rc = sample_file(s, &s->c->files.v[i], &buf);
    }
    if (s->rc != NK_OK)
        atomic_store(s->give_up, true);
    nk_buf_free(&buf);
    return NULL;
}

static void drop_arena(void *arena)
{
    nk_arena_destroy(arena);
}

static nk_code sample_all(crawl *c)
{
    sampler s[SAMPLERS_MAX];
    pthread_t threads[SAMPLERS_MAX];
    atomic_size_t next = 0;
    atomic_bool give_up = false;
    size_t n = 0, want = c->files.n < SAMPLERS_MAX ? c->files.n : SAMPLERS_MAX;
    nk_code rc = NK_OK;
    for (; n < want && rc == NK_OK; n++) {
        s[n] = (sampler){.c = c, .next = &next, .give_up = &give_up, .keep = nk_arena_create(0)};
        if (!s[n].keep || nk_arena_defer(c->a, drop_arena, s[n].keep) != NK_OK) {
            rc = nk_fail(c->err, NK_E_NOMEM, "Out of memory sampling files");
            break;
        }
        if (pthread_create(&threads[n], NULL, sample_thread, &s[n]) != 0) {
            if (n)
                break;
            rc = nk_fail(c->err, NK_E_INTERNAL, "No thread for sampling files");
            break;
        }
    }
    for (size_t i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        if (rc == NK_OK && s[i].rc != NK_OK) {
            rc = s[i].rc;
            if (c->err)
                *c->err = s[i].err;
        }
    }
    return rc;
}

static void tell_problems(crawl *c)
{
    for (size_t i = 0; i < c->files.n; i++) {
        nk_crawl_file *f = &c->files.v[i];
        if (!f->sampled || f->format != NK_FMT_UNKNOWN)
            continue;
        char text[1400];
        snprintf(text, sizeof text, "s3://%.*s/%.*s: %.*s", NK_STR_ARG(c->grouping.bucket),
                 (int)(f->path.n > 700 ? 700 : f->path.n), f->path.p, NK_STR_ARG(f->problem));
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
 *  "targets":[{"path","exclusions":[…],"sample_size"}]} */
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
