#include "crawl/sample.h"

#include <pthread.h>

#define SAMPLE_BYTES ((uint64_t)1 << 20) /* of a file */
#define UNPACKED_MAX ((size_t)8 << 20)   /* of a sample */
#define READ_MAX     ((size_t)256 << 20) /* of a file's end */
#define SAMPLERS_MAX 8

/* A crawl of many files that are larger than a sample reads this much of them so, and less of each
 * one that follows: what it reads stays a small part of what is there. */
#define PLENTY_BYTES ((uint64_t)128 << 20)
#define SMALL_SHARE  40                   /* one part in so many of a file */
#define SMALL_BYTES  ((uint64_t)32 << 10) /* but no less */

/* A file whose first record is longer than a sample is read on to here, as AWS does; of all such
 * files together so much. */
#define LONG_BYTES ((uint64_t)10 << 20)
#define LONG_ALL   ((uint64_t)512 << 20)

typedef struct sampler {
    nk_sampling *job;
    pthread_t thread;
    nk_arena *keep;         /* findings; lives until the crawl's end */
    const nk_finding *last; /* much repeats from file to file */
    nk_err err;
    nk_code rc;
    /* of the file at hand */
    const nk_crawl_file *file;
    uint64_t want; /* of its beginning */
    nk_buf head, end, plain;
    bool has_head;
} sampler;

struct nk_sampling {
    nk_sampling_config config;
    nk_arena *arena;
    pthread_mutex_t lock; /* guards what follows, samplers' own parts apart */
    pthread_cond_t cond;
    nk_crawl_files *files;
    uint64_t read, read_long;
    size_t next;         /* file to be taken */
    bool whole, give_up; /* no more files come; no more are wanted */
    sampler samplers[SAMPLERS_MAX];
    size_t n;
};

/* ---- reading ---- */

static nk_code get(sampler *s, uint64_t from, uint64_t n, nk_buf *into, nk_err *err)
{
    nk_buf_clear(into);
    NK_TRY(nk_s3_get_range(s->job->config.s3, s->job->config.bucket, s->file->path, from, n, into,
                           err));
    pthread_mutex_lock(&s->job->lock);
    s->job->read += n;
    pthread_mutex_unlock(&s->job->lock);
    return nk_buf_check(into, err);
}

static nk_code read_range(void *arg, uint64_t from, uint64_t n, nk_str *out, nk_err *err)
{
    sampler *s = arg;
    if (s->has_head && from + n <= s->head.n) {
        *out = nk_str_sub(nk_buf_view(&s->head), (size_t)from, (size_t)(from + n));
        return NK_OK;
    }
    NK_TRY(get(s, from, n, &s->end, err));
    *out = nk_buf_view(&s->end);
    return NK_OK;
}

/* How much of a file's beginning is read at first. */
static uint64_t modest(sampler *s, uint64_t size)
{
    uint64_t want = size < SAMPLE_BYTES ? size : SAMPLE_BYTES, small = size / SMALL_SHARE;
    pthread_mutex_lock(&s->job->lock);
    bool plenty = s->job->read > PLENTY_BYTES;
    pthread_mutex_unlock(&s->job->lock);
    if (small < SMALL_BYTES)
        small = SMALL_BYTES;
    return plenty && small < want ? small : want;
}

/* How much to read when what was read did not tell; 0: that is all. */
static uint64_t longer(sampler *s, const nk_sample *sample, const nk_finding *found)
{
    bool known = found->certainty > 0 && !found->more;
    uint64_t want = 0;
    if (known || sample->whole || !s->has_head || s->want >= sample->size)
        return 0;
    if (s->want < SAMPLE_BYTES)
        want = SAMPLE_BYTES;
    else if (found->more && s->want < LONG_BYTES)
        want = LONG_BYTES;
    if (want > SAMPLE_BYTES) {
        pthread_mutex_lock(&s->job->lock);
        if (s->job->read_long + want > LONG_ALL)
            want = 0;
        s->job->read_long += want;
        pthread_mutex_unlock(&s->job->lock);
    }
    return want < sample->size ? want : sample->size;
}

static nk_code load_packed(sampler *s, nk_sample *sample, nk_err *err)
{
    if (s->want < SAMPLE_BYTES && s->want < sample->size) { /* a block of it may be larger */
        s->want = sample->size < SAMPLE_BYTES ? sample->size : SAMPLE_BYTES;
        NK_TRY(get(s, 0, s->want, &s->head, err));
        sample->whole = s->want == sample->size;
    }
    nk_buf_clear(&s->plain);
    NK_TRY(nk_codec_head(sample->codec, nk_buf_view(&s->head), &sample->whole, &s->plain, err));
    sample->head = nk_buf_view(&s->plain);
    return NK_OK;
}

static nk_code load_head(nk_sample *sample, nk_err *err)
{
    sampler *s = sample->arg;
    NK_TRY(get(s, 0, s->want, &s->head, err));
    s->has_head = true;
    sample->head = nk_buf_view(&s->head);
    sample->whole = s->want == sample->size;
    sample->codec = nk_codec_of(sample->head, sample->name);
    return sample->codec ? load_packed(s, sample, err) : NK_OK;
}

/* ---- keeping ---- */

static nk_str keep_str(sampler *s, nk_str v, nk_str last)
{
    return !v.p || nk_str_eq(v, last) ? (v.p ? last : v) : nk_str_dup(s->keep, v);
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

/* A copy that lives on; NULL when memory is gone. */
static nk_finding *keep(sampler *s, const nk_finding *f)
{
    const nk_finding *last = s->last;
    nk_finding *k = NK_NEW(s->keep, nk_finding);
    if (!k)
        return NULL;
    *k = *f;
    if (f->type)
        k->type = last && last->type && nk_type_eq(last->type, f->type)
                      ? last->type
                      : nk_type_copy(s->keep, f->type);
    k->classification = keep_str(s, f->classification, last ? last->classification : NK_STR_NULL);
    k->path = keep_str(s, f->path, last ? last->path : NK_STR_NULL);
    k->patterns = keep_str(s, f->patterns, last ? last->patterns : NK_STR_NULL);
    k->why = keep_str(s, f->why, last ? last->why : NK_STR_NULL);
    k->dialect.first = keep_strs(s, &f->dialect.first, last ? &last->dialect.first : NULL);
    k->dialect.names = f->dialect.header ? k->dialect.first : (nk_strs){0};
    s->last = k;
    return f->type && !k->type ? NULL : k;
}

/* ---- the files ---- */

static nk_str last_part(nk_str path)
{
    return nk_str_sub(path, (size_t)(nk_str_rchr(path, '/') + 1), path.n);
}

static nk_code sample_file(sampler *s, nk_crawl_file *f)
{
    nk_err err = NK_ERR_INIT;
    nk_arena *scratch = nk_arena_create((size_t)1 << 30);
    nk_finding found = {0};
    nk_sample sample = {.name = last_part(f->path), .size = f->size, .read = read_range, .arg = s};
    s->file = f;
    s->has_head = false;
    s->want = modest(s, f->size);
    nk_code rc = scratch ? NK_OK : NK_E_NOMEM;
    for (uint64_t more = s->want; rc == NK_OK && more; more = longer(s, &sample, &found)) {
        s->want = more;
        rc = nk_classify(s->job->config.customs, &sample, load_head, scratch, &found, &err);
    }
    found.sample_bytes = s->has_head ? s->head.n : 0;
    /* what is wrong with the data concerns this file, what is wrong with the store the whole crawl
     */
    if (rc == NK_E_PARSE || rc == NK_E_SERIALIZATION || rc == NK_E_LIMIT || rc == NK_E_NOT_FOUND ||
        rc == NK_E_ACCESS_DENIED) {
        found = (nk_finding){.denied = rc == NK_E_ACCESS_DENIED, .why = nk_str_c(err.msg)};
        rc = NK_OK;
    }
    if (rc == NK_OK && !(f->is = keep(s, &found)))
        rc = nk_fail(&err, NK_E_NOMEM, "Out of memory");
    nk_arena_destroy(scratch);
    if (rc == NK_OK)
        return NK_OK;
    return nk_fail(&s->err, rc, "s3://%.*s/%.*s: %s", NK_STR_ARG(s->job->config.bucket),
                   NK_STR_ARG(f->path), err.msg);
}

/* The next file to look into, as a copy: the list may move while others are added. */
static bool take(nk_sampling *job, nk_crawl_file *out, size_t *at)
{
    bool found = false;
    pthread_mutex_lock(&job->lock);
    while (!found && !job->give_up) {
        if (job->next < job->files->n) {
            *at = job->next++;
            *out = job->files->v[*at];
            found = out->sampled;
        } else if (job->whole) {
            break;
        } else {
            pthread_cond_wait(&job->cond, &job->lock);
        }
    }
    pthread_mutex_unlock(&job->lock);
    return found;
}

static void give(sampler *s, const nk_crawl_file *f, size_t at)
{
    nk_sampling *job = s->job;
    pthread_mutex_lock(&job->lock);
    job->files->v[at].is = f->is;
    if (s->rc != NK_OK) {
        job->give_up = true;
        pthread_cond_broadcast(&job->cond);
    }
    pthread_mutex_unlock(&job->lock);
}

static void *sample_thread(void *arg)
{
    sampler *s = arg;
    nk_crawl_file f;
    size_t at;
    nk_buf_init(&s->head, (size_t)LONG_BYTES + 16);
    nk_buf_init(&s->end, READ_MAX + 16);
    nk_buf_init(&s->plain, UNPACKED_MAX);
    while (s->rc == NK_OK && take(s->job, &f, &at)) {
        if (s->job->config.stopped(s->job->config.arg))
            s->rc = nk_fail(&s->err, NK_E_CANCELLED, "The crawl was stopped");
        else
            s->rc = sample_file(s, &f);
        give(s, &f, at);
    }
    nk_buf_free(&s->head);
    nk_buf_free(&s->end);
    nk_buf_free(&s->plain);
    return NULL;
}

static void drop_arena(void *arena)
{
    nk_arena_destroy(arena);
}

static nk_code start_sampler(nk_sampling *job, nk_err *err)
{
    sampler *s = &job->samplers[job->n];
    *s = (sampler){.job = job, .keep = nk_arena_create(0)};
    if (!s->keep || nk_arena_defer(job->arena, drop_arena, s->keep) != NK_OK)
        return nk_fail(err, NK_E_NOMEM, "Out of memory sampling files");
    if (pthread_create(&s->thread, NULL, sample_thread, s) == 0)
        job->n++;
    return job->n ? NK_OK : nk_fail(err, NK_E_INTERNAL, "No thread for sampling files");
}

/* ---- what the lister calls ---- */

nk_code nk_sampling_begin(const nk_sampling_config *c, nk_crawl_files *files, nk_arena *a,
                          nk_sampling **out, nk_err *err)
{
    nk_sampling *s = *out = NK_NEW(a, nk_sampling);
    if (!s)
        return nk_fail(err, NK_E_NOMEM, "Out of memory sampling files");
    *s = (nk_sampling){.config = *c, .arena = a, .files = files};
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->cond, NULL);
    return NK_OK;
}

nk_code nk_sampling_add(nk_sampling *s, const nk_crawl_file *file, nk_err *err)
{
    pthread_mutex_lock(&s->lock);
    bool unwanted = s->give_up;
    nk_crawl_file *f = unwanted ? NULL : nk_crawl_files_add(s->files, s->arena);
    if (f) {
        *f = *file;
        if (f->sampled)
            pthread_cond_signal(&s->cond);
    }
    pthread_mutex_unlock(&s->lock);
    if (!f)
        return unwanted ? NK_E_CANCELLED
                        : nk_fail(err, NK_E_NOMEM, "Out of memory listing a crawl's target");
    return file->sampled && s->n < SAMPLERS_MAX ? start_sampler(s, err) : NK_OK;
}

nk_code nk_sampling_end(nk_sampling *s, bool give_up, nk_err *err)
{
    nk_code rc = NK_OK;
    pthread_mutex_lock(&s->lock);
    s->whole = true;
    s->give_up = s->give_up || give_up;
    pthread_cond_broadcast(&s->cond);
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < s->n; i++) {
        pthread_join(s->samplers[i].thread, NULL);
        if (rc == NK_OK && s->samplers[i].rc != NK_OK) {
            rc = s->samplers[i].rc;
            if (err)
                *err = s->samplers[i].err;
        }
    }
    pthread_cond_destroy(&s->cond);
    pthread_mutex_destroy(&s->lock);
    return rc;
}
