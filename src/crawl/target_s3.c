/* Folders of files in S3: listed, looked into, grouped into tables. Also catalogue targets, whose
 * tables are known. */
#include <stdlib.h>

#include "crawl/worker_int.h"

#define FILES_MAX   5000000
#define PROGRESS_US 5000000 /* between lines about a long listing */

typedef struct lister {
    nk_crawl *c;
    nk_crawl_files files;
    nk_sampling *sampling;
    uint64_t listed, skipped, chosen;
    int64_t told_us;         /* when the log was last told how far it is */
    nk_map known;            /* new folders only: those that are known already */
    nk_str folder;           /* of the last file */
    int64_t of_folder, most; /* files of it that are looked into; at most so many, 0 = all */
    bool folder_known;
    bool limited; /* to these folders (keys, sorted), by events */
    nk_strs folders;
} lister;

/* ---- listing ---- */

static nk_str folder_of(nk_str path)
{
    return nk_str_sub(path, 0, (size_t)(nk_str_rchr(path, '/') + 1));
}

/* With SampleSize only the first files of each folder are looked into, of known folders none. */
static bool choose(lister *l, nk_str path)
{
    nk_str folder = folder_of(path);
    if (!l->folder.p || !nk_str_eq(folder, l->folder)) {
        l->folder = folder;
        l->of_folder = 0;
        l->folder_known = nk_map_has(&l->known, folder);
    }
    bool chosen = !l->folder_known && (!l->most || l->of_folder++ < l->most);
    l->chosen += chosen;
    return chosen;
}

/* Of long listings, how far they are. */
static void tell_progress(lister *l)
{
    int64_t now = nk_mono_us(nk_env_real());
    if (!l->told_us)
        l->told_us = now;
    if (now - l->told_us < PROGRESS_US)
        return;
    l->told_us = now;
    nk_crawl_say(l->c, "INFO", "%llu objects listed, %llu of them to be looked at",
                 (unsigned long long)l->listed, (unsigned long long)l->chosen);
}

static nk_code on_object(void *arg, const nk_s3_object *o)
{
    lister *l = arg;
    nk_crawl *c = l->c;
    nk_str rel = nk_str_sub(o->key, c->grouping.root.n, o->key.n);
    NK_TRY(nk_crawl_stopped(c));
    if (++l->listed > FILES_MAX)
        return nk_fail(c->err, NK_E_LIMIT, "The target holds more than %d objects", FILES_MAX);
    if (l->listed % 256 == 0)
        tell_progress(l);
    if (!o->size || !o->key.n || o->key.p[o->key.n - 1] == '/')
        return NK_OK;
    if (rel.n && nk_crawl_skips(c, rel)) {
        l->skipped++;
        return NK_OK;
    }
    nk_crawl_file f = {
        .path = nk_str_dup(c->a, o->key), .size = o->size, .modified_us = o->modified_us};
    if (!f.path.p)
        return nk_fail(c->err, NK_E_NOMEM, "Out of memory listing a crawl's target");
    f.sampled = choose(l, f.path);
    return nk_sampling_add(l->sampling, &f, c->err);
}

/* "a/b" may be a file or a folder: what is there decides. */
static nk_code settle_root(nk_crawl *c)
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
    return c->grouping.root.p ? NK_OK : nk_fail(c->err, NK_E_NOMEM, "Out of memory");
}

/* Paths of the request ("s3://bucket/…") as keys of this bucket; others are left out. */
static nk_code keys_of(nk_crawl *c, const char *member, nk_map *out)
{
    const nk_json *list = nk_json_get(c->target, member);
    for (const nk_json *j = list ? list->first : NULL; j; j = j->next) {
        nk_s3_uri u;
        if (nk_s3_uri_parse(j->text, &u, NULL) != NK_OK || !nk_str_eq(u.bucket, c->grouping.bucket))
            continue;
        bool slash = nk_str_ends(u.key, NK_STR("/"));
        nk_str key = slash || !u.key.n ? nk_str_dup(c->a, u.key)
                                       : nk_str_printf(c->a, "%.*s/", NK_STR_ARG(u.key));
        if (!key.p || nk_map_put(out, key, c, NULL) != NK_OK)
            return nk_fail(c->err, NK_E_NOMEM, "Out of memory");
    }
    return NK_OK;
}

/* ---- events ---- */

static nk_code send_folder(nk_crawl *c, const char *event, nk_str folder)
{
    nk_buf b;
    nk_str uri =
        nk_str_printf(c->a, "s3://%.*s/%.*s", NK_STR_ARG(c->grouping.bucket), NK_STR_ARG(folder));
    if (!uri.p)
        return nk_fail(c->err, NK_E_NOMEM, "Out of memory reading a folder");
    nk_buf_init(&b, 64 << 10);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "event", event);
    nk_jw_kstr(&w, "folder", uri);
    nk_jw_object_end(&w);
    nk_code rc = nk_crawl_send(c, &b);
    nk_buf_free(&b);
    return rc;
}

static nk_code take_messages(nk_crawl *c, nk_str arn, nk_str dlq, nk_queue_messages *out)
{
    nk_buf b;
    for (size_t i = 0; i < c->queues.n; i++) {
        *out = c->queues.v[i].messages;
        if (nk_str_eq(c->queues.v[i].arn, arn))
            return NK_OK;
    }
    NK_TRY(nk_queue_take(&c->queue, arn, dlq, c->a, out, c->err));
    nk_crawl_queue *q = nk_crawl_queues_add(&c->queues, c->a);
    if (!q)
        return nk_fail(c->err, NK_E_NOMEM, "Out of memory reading events");
    *q = (nk_crawl_queue){arn, *out};
    nk_crawl_say(c, "INFO", "%.*s: %llu messages about %zu objects, %llu that are no S3 events",
                 NK_STR_ARG(arn), (unsigned long long)out->messages, out->objects.n,
                 (unsigned long long)out->strange);
    nk_buf_init(&b, NK_POOL_FRAME_MAX);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "event", "receipts");
    nk_jw_kstr(&w, "queue", arn);
    nk_jw_kstr(&w, "url", out->url);
    nk_jw_key(&w, NK_STR("receipts"));
    nk_jw_array(&w);
    for (size_t i = 0; i < out->receipts.n; i++)
        nk_jw_str(&w, out->receipts.v[i]);
    nk_jw_array_end(&w);
    nk_jw_object_end(&w);
    nk_code rc = nk_crawl_send(c, &b);
    nk_buf_free(&b);
    return rc;
}

static int by_text(const void *a, const void *b)
{
    return nk_str_cmp(*(const nk_str *)a, *(const nk_str *)b);
}

/* The target's folders that the queue's messages are about. */
static nk_code read_events(lister *l)
{
    nk_crawl *c = l->c;
    const nk_json *events = nk_json_get(c->target, "events");
    if (!events)
        return NK_OK;
    nk_queue_messages messages;
    NK_TRY(take_messages(c, nk_json_str(events, "queue"), nk_json_str(events, "dlq"), &messages));
    l->limited = !nk_json_bool(events, "first", false);
    nk_str root = nk_str_printf(c->a, "%.*s/%.*s", NK_STR_ARG(c->grouping.bucket),
                                NK_STR_ARG(c->grouping.root));
    nk_strs all = {0};
    for (size_t i = 0; i < messages.objects.n; i++) {
        nk_str object = messages.objects.v[i], *slot;
        if (!nk_str_starts(object, root))
            continue;
        if (!(slot = nk_strs_add(&all, c->a)))
            return nk_fail(c->err, NK_E_NOMEM, "Out of memory reading events");
        *slot =
            nk_str_sub(object, c->grouping.bucket.n + 1, (size_t)(nk_str_rchr(object, '/') + 1));
    }
    if (all.n)
        qsort(all.v, all.n, sizeof *all.v, by_text);
    for (size_t i = 0; i < all.n; i++) {
        if (i && nk_str_eq(all.v[i], all.v[i - 1]))
            continue;
        nk_str *slot = nk_strs_add(&l->folders, c->a);
        if (!slot)
            return nk_fail(c->err, NK_E_NOMEM, "Out of memory reading events");
        *slot = all.v[i];
    }
    return NK_OK;
}

static nk_code list_files(lister *l)
{
    nk_crawl *c = l->c;
    if (!l->limited)
        return nk_s3_list(c->s3, c->grouping.bucket, c->grouping.root, NK_STR(""), NK_STR(""),
                          on_object, NULL, l, c->err);
    /* events: the folders that they are about, no more; in path order, as a listing would be */
    for (size_t i = 0; i < l->folders.n; i++) {
        size_t before = l->files.n;
        NK_TRY(nk_s3_list(c->s3, c->grouping.bucket, l->folders.v[i], NK_STR("/"), NK_STR(""),
                          on_object, NULL, l, c->err));
        if (l->files.n == before)
            NK_TRY(send_folder(c, "empty", l->folders.v[i]));
    }
    return NK_OK;
}

/* ---- looking into files ---- */

static bool stopped(void *w)
{
    return nk_worker_cancelled(w);
}

/* Lists the target's files and looks into them meanwhile. */
static nk_code look_into(lister *l, nk_str path)
{
    nk_crawl *c = l->c;
    nk_s3_uri uri;
    NK_TRY(nk_crawl_open_path(c, path, &uri));
    c->grouping.bucket = uri.bucket;
    c->grouping.root = uri.key;
    NK_TRY(settle_root(c));
    NK_TRY(read_events(l));
    NK_TRY(keys_of(c, "known", &l->known));
    l->most = nk_json_i64(c->target, "sample_size", 0);
    nk_sampling_config config = {
        .s3 = c->s3, .bucket = uri.bucket, .customs = &c->customs, .stopped = stopped, .arg = c->w};
    NK_TRY(nk_sampling_begin(&config, &l->files, c->a, &l->sampling, c->err));
    nk_code rc = list_files(l);
    nk_code sampled = nk_sampling_end(l->sampling, rc != NK_OK, c->err);
    return sampled != NK_OK ? sampled : rc;
}

/* Folders that hold what we may not read: what is known of them is not gone. */
static nk_code send_unread(lister *l)
{
    nk_crawl *c = l->c;
    nk_str last = NK_STR_NULL;
    nk_code rc = NK_OK;
    for (size_t i = 0; i < l->files.n && rc == NK_OK; i++) {
        const nk_crawl_file *f = &l->files.v[i];
        nk_str folder = folder_of(f->path);
        if (!f->is || !f->is->denied || (last.p && nk_str_eq(folder, last)))
            continue;
        last = folder;
        rc = send_folder(c, "unread", folder);
    }
    return rc;
}

static void tell_problems(lister *l)
{
    nk_crawl *c = l->c;
    for (size_t i = 0; i < l->files.n; i++) {
        nk_crawl_file *f = &l->files.v[i];
        if (!f->is || f->is->format)
            continue;
        if (!c->first_problem.p)
            c->first_problem =
                nk_str_printf(c->a, "s3://%.*s/%.*s: %.*s", NK_STR_ARG(c->grouping.bucket),
                              NK_STR_ARG(f->path), NK_STR_ARG(f->is->why));
        if (c->unreadable++ < 100)
            nk_crawl_say(c, "WARN", "s3://%.*s/%.*s: %.*s", NK_STR_ARG(c->grouping.bucket),
                         NK_STR_ARG(f->path), NK_STR_ARG(f->is->why));
    }
}

/* ---- results ---- */

typedef struct partitions {
    nk_crawl *c;
    const nk_crawl_table *t;
} partitions;

static nk_code put_partition(void *arg, size_t i, nk_json_writer *w, nk_arena *scratch)
{
    partitions *p = arg;
    nk_jw_raw(w, NK_STR("")); /* its comma */
    return nk_crawl_partition_json(p->t, &p->t->partitions.v[i], p->c->inherit,
                                   p->c->grouping.bucket, scratch, w->buf, p->c->err);
}

/* Which rule made a table of these files, and which file stands for them. */
static nk_str reason(nk_crawl *c, const nk_crawl_table *t)
{
    const nk_finding *s = t->sample;
    return nk_str_printf(
        c->a, "%s; %.*s by %.*s (%.*s)", t->rule ? t->rule : "", NK_STR_ARG(s->classification),
        (int)(t->example.n > 1100 ? 1100 : t->example.n), t->example.p, NK_STR_ARG(s->why));
}

static nk_code send_table(nk_crawl *c, const nk_crawl_table *t)
{
    nk_buf b;
    nk_str why = reason(c, t);
    nk_crawl_say(c, "INFO", "Table at s3://%.*s/%.*s: %llu files, %zu partitions; %.*s",
                 NK_STR_ARG(c->grouping.bucket), (int)(t->path.n > 500 ? 500 : t->path.n),
                 t->path.p, (unsigned long long)t->files, t->partitions.n, NK_STR_ARG(why));
    nk_buf_init(&b, NK_POOL_FRAME_MAX);
    nk_code rc =
        nk_crawl_table_json(t, c->grouping.bucket, c->a, &b, nk_crawl_remark_to_log, c, c->err);
    if (rc == NK_OK)
        rc = nk_crawl_send_table(c, t->base, why, t->partitions.n, nk_buf_view(&b));
    nk_buf_free(&b);
    partitions p = {c, t};
    return rc == NK_OK ? nk_crawl_send_partitions(c, t->partitions.n, put_partition, &p) : rc;
}

/* The target's exclusions as AWS writes them down: behind its path. */
static nk_code exclusions_of(nk_crawl *c, nk_str path, nk_str *out)
{
    const nk_json *list = nk_json_get(c->target, "exclusions");
    nk_buf b;
    *out = NK_STR("");
    if (!list || !list->count)
        return NK_OK;
    nk_buf_init(&b, 512000); /* what a table's parameter holds */
    nk_json_writer w = {.buf = &b};
    nk_jw_array(&w);
    for (const nk_json *e = list->first; e; e = e->next)
        nk_jw_str(&w,
                  nk_str_printf(c->a, "%.*s%s%.*s", NK_STR_ARG(path),
                                nk_str_ends(path, NK_STR("/")) ? "" : "/", NK_STR_ARG(e->text)));
    nk_jw_array_end(&w);
    nk_code rc = nk_buf_check(&b, c->err);
    if (rc == NK_OK && !(*out = nk_buf_dup(&b, c->a)).p)
        rc = nk_fail(c->err, NK_E_NOMEM, "Out of memory");
    nk_buf_free(&b);
    return rc;
}

static nk_code group_files(lister *l, nk_str path)
{
    nk_crawl *c = l->c;
    nk_crawl_say(c, "INFO", "%.*s: %llu objects, %llu skipped, %llu of %zu files looked at",
                 NK_STR_ARG(path), (unsigned long long)l->listed, (unsigned long long)l->skipped,
                 (unsigned long long)l->chosen, l->files.n);
    if (!l->files.n && l->limited)
        return NK_OK;
    if (!l->files.n) {
        nk_crawl_say(c, "WARN", "%.*s holds no files to crawl", NK_STR_ARG(path));
        return NK_OK;
    }
    tell_problems(l);
    NK_TRY(send_unread(l));
    nk_crawl_tables out = {0};
    nk_str exclusions;
    NK_TRY(exclusions_of(c, path, &exclusions));
    NK_TRY(nk_crawl_group(&c->grouping, l->files.v, l->files.n, c->a, &out, nk_crawl_remark_to_log,
                          c, c->err));
    for (size_t i = 0; i < out.n; i++) {
        out.v[i].exclusions = exclusions;
        NK_TRY(send_table(c, &out.v[i]));
    }
    c->tables += out.n;
    return NK_OK;
}

nk_code nk_target_s3(nk_crawl *c)
{
    lister l = {.c = c};
    nk_map roots, standing;
    nk_str path = nk_json_str(c->target, "path");
    nk_map_init(&l.known);
    nk_map_init(&roots);
    nk_map_init(&standing);
    nk_code rc = look_into(&l, path);
    if (rc == NK_OK)
        rc = keys_of(c, "roots", &roots);
    if (rc == NK_OK)
        rc = keys_of(c, "standing", &standing);
    c->grouping.roots = roots.n ? &roots : NULL;
    c->grouping.standing = standing.n ? &standing : NULL;
    if (rc == NK_OK)
        rc = group_files(&l, path);
    c->grouping.roots = c->grouping.standing = NULL;
    nk_map_free(&standing);
    nk_map_free(&l.known);
    nk_map_free(&roots);
    return rc;
}
