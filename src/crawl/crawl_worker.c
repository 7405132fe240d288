/* The worker's side of a crawl: lists, samples, groups and describes; the server only stores what
 * comes of it. */
#include "crawl/crawl_worker.h"

#include <stdio.h>

#include "crawl/worker_int.h"

#define PARTITION_BATCH 500
#define VALUE_MAX       1024                    /* characters of a partition's value */
#define FRAME_WANTED    (NK_POOL_FRAME_MAX / 8) /* a frame is sent when it is as long */

static const nk_crawl_target targets[] = {
    {"s3", nk_target_s3, "folders of files, and tables of the catalogue that lie in S3"},
    {"delta", nk_target_delta, "Delta Lake tables, by their _delta_log"},
    {"iceberg", nk_target_iceberg, "Apache Iceberg tables, by their metadata folders"},
    {"hudi", nk_target_hudi, "Apache Hudi tables, by their .hoodie folders"},
};

/* ---- frames ---- */

void nk_crawl_say(nk_crawl *c, const char *level, const char *fmt, ...)
{
    char text[1400];
    nk_buf b;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
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

void nk_crawl_remark_to_log(void *crawl, const char *text)
{
    nk_crawl_say(crawl, "WARN", "%s", text);
}

nk_code nk_crawl_send(nk_crawl *c, nk_buf *b)
{
    nk_code rc = nk_buf_check(b, c->err);
    return rc == NK_OK ? nk_worker_send(c->w, nk_buf_view(b), c->err) : rc;
}

nk_code nk_crawl_stopped(nk_crawl *c)
{
    return nk_worker_cancelled(c->w) ? nk_fail(c->err, NK_E_CANCELLED, "The crawl was stopped")
                                     : NK_OK;
}

nk_code nk_crawl_send_table(nk_crawl *c, nk_str base, nk_str why, size_t partitions, nk_str input)
{
    nk_buf b;
    nk_buf_init(&b, NK_POOL_FRAME_MAX);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "event", "table");
    nk_jw_kstr(&w, "base", base);
    nk_jw_kstr(&w, "why", why);
    nk_jw_ki64(&w, "partitions", (int64_t)partitions);
    nk_jw_kstr(&w, "database", nk_json_str(c->target, "database"));
    nk_jw_kstr(&w, "name", nk_json_str(c->target, "table"));
    nk_jw_key(&w, NK_STR("input"));
    nk_jw_raw(&w, input);
    nk_jw_object_end(&w);
    nk_code rc = nk_crawl_send(c, &b);
    nk_buf_free(&b);
    return rc;
}

nk_code nk_crawl_send_partitions(nk_crawl *c, size_t n, nk_partition_fn put, void *arg)
{
    nk_buf b;
    nk_code rc = NK_OK;
    nk_buf_init(&b, NK_POOL_FRAME_MAX);
    for (size_t i = 0; i < n && rc == NK_OK;) {
        nk_arena *scratch = nk_arena_create(0);
        nk_json_writer w = {.buf = &b};
        size_t end = n - i > PARTITION_BATCH ? i + PARTITION_BATCH : n;
        nk_buf_clear(&b);
        nk_buf_puts(&b, "{\"event\":\"partitions\",\"inputs\":");
        nk_jw_array(&w);
        if (!scratch)
            rc = nk_fail(c->err, NK_E_NOMEM, "Out of memory");
        for (; i < end && b.n < FRAME_WANTED && rc == NK_OK; i++)
            rc = put(arg, i, &w, scratch);
        nk_jw_array_end(&w);
        nk_buf_putc(&b, '}');
        if (rc == NK_OK)
            rc = nk_crawl_send(c, &b);
        if (rc == NK_OK)
            rc = nk_crawl_stopped(c);
        nk_arena_destroy(scratch);
    }
    nk_buf_free(&b);
    return rc;
}

bool nk_crawl_values_fit(nk_crawl *c, const nk_str *values, size_t n, nk_str path)
{
    for (size_t i = 0; i < n; i++) {
        if (nk_utf8_len(values[i]) <= VALUE_MAX)
            continue;
        nk_crawl_say(c, "WARN",
                     "a value of the partition %.*s… is longer than %d characters: it is left out",
                     (int)(path.n > 100 ? 100 : path.n), path.p, VALUE_MAX);
        return false;
    }
    return true;
}

/* ---- what targets share ---- */

nk_code nk_crawl_open_path(nk_crawl *c, nk_str path, nk_s3_uri *out)
{
    NK_TRY(nk_s3_uri_parse(path, out, c->err));
    nk_code rc = nk_s3_head_bucket(c->s3, out->bucket, c->err);
    if (rc == NK_E_NOT_FOUND)
        return nk_fail(c->err, NK_E_NOT_FOUND,
                       "The bucket \"%.*s\" of the target %.*s does not exist",
                       NK_STR_ARG(out->bucket), NK_STR_ARG(path));
    if (rc == NK_E_ACCESS_DENIED)
        return nk_fail(
            c->err, rc,
            "Access to the bucket \"%.*s\" of the target %.*s is denied: the lake does not know "
            "the server's key and secret, or they do not open it",
            NK_STR_ARG(out->bucket), NK_STR_ARG(path));
    return rc;
}

static bool hidden(nk_str rel)
{
    nk_str rest = rel, part;
    while (nk_str_split(&rest, '/', &part)) {
        if (part.n && (part.p[0] == '.' || (part.p[0] == '_' && nk_str_chr(part, '=') < 0)))
            return true;
    }
    return nk_str_ends(rel, NK_STR("_$folder$"));
}

bool nk_crawl_skips(const nk_crawl *c, nk_str rel)
{
    const nk_json *exclusions = nk_json_get(c->target, "exclusions");
    if (hidden(rel))
        return true;
    for (const nk_json *e = exclusions ? exclusions->first : NULL; e; e = e->next) {
        if (nk_glob_match(e->text, rel))
            return true;
    }
    return false;
}

/* ---- the operation ---- */

static nk_code crawl_target(nk_crawl *c)
{
    nk_str kind = nk_json_str(c->target, "kind");
    for (size_t i = 0; i < NK_COUNTOF(targets); i++) {
        if (nk_str_is(kind, targets[i].name))
            return targets[i].crawl(c);
    }
    return nk_fail(c->err, NK_E_UNSUPPORTED, "Targets of the kind \"%.*s\" cannot be crawled",
                   NK_STR_ARG(kind));
}

/* {"op":"crawl","s3_endpoint","region","access_key","secret_key","combine","table_level","inherit",
 *  "classifiers":[glue_Classifier as text …],
 *  "targets":[{"kind","path","exclusions":[…],"sample_size",
 *              "known":[folders not to look into],"roots":[folders that are tables],
 *              "standing":[folders that were tables],
 *              "events":{"queue","dlq","first":look at everything},"database","table",…}]} */
nk_code nk_crawl_worker(nk_worker *w, const nk_json *req, nk_arena *a, nk_err *err)
{
    nk_crawl c = {.w = w, .a = a, .err = err, .inherit = nk_json_bool(req, "inherit", false)};
    nk_s3_config config = {0};
    config.endpoint = nk_str_dup(a, nk_json_str(req, "s3_endpoint")).p;
    config.region = nk_str_dup(a, nk_json_str(req, "region")).p;
    config.access_key = nk_str_dup(a, nk_json_str(req, "access_key")).p;
    config.secret_key = nk_str_dup(a, nk_json_str(req, "secret_key")).p;
    c.queue = (nk_queue_config){nk_str_dup(a, nk_json_str(req, "sqs_endpoint")).p,
                                config.access_key, config.secret_key};
    c.grouping.combine = nk_json_bool(req, "combine", false);
    c.grouping.table_level = (int)nk_json_i64(req, "table_level", 0);
    NK_TRY(nk_customs_load(nk_json_get(req, "classifiers"), a, &c.customs, err));
    NK_TRY(nk_s3_create(&config, &c.s3, err));
    nk_code rc = NK_OK;
    const nk_json *list = nk_json_get(req, "targets");
    for (c.target = list ? list->first : NULL; c.target && rc == NK_OK; c.target = c.target->next)
        rc = crawl_target(&c);
    if (rc == NK_OK && !c.tables && c.unreadable)
        rc = nk_fail(err, NK_E_PARSE,
                     "No file of the targets could be read as a table; the first: %.*s",
                     NK_STR_ARG(c.first_problem));
    nk_s3_destroy(c.s3);
    if (rc != NK_OK)
        return rc;
    char done[96];
    int n = snprintf(done, sizeof done, "{\"event\":\"result\",\"tables\":%zu}", c.tables);
    return nk_worker_send(w, nk_str_n(done, (size_t)n), err);
}
