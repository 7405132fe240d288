/* Threads for what takes long, and what follows when they are through. */
#include "api/api_int.h"
#include "store/store.h"

/* How often a request is run anew because others changed what it had read. */
enum { TRIES = 1000 };

struct nk_tasks {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    nk_waiting **queue; /* a ring of max places */
    size_t head, n, max;
    pthread_t *threads;
    unsigned nthreads;
    bool stopping;
};

static void *run(void *arg)
{
    nk_tasks *t = arg;
    pthread_mutex_lock(&t->mutex);
    for (;;) {
        while (!t->n && !t->stopping)
            pthread_cond_wait(&t->cond, &t->mutex);
        if (t->stopping)
            break;
        nk_waiting *w = t->queue[t->head];
        t->head = (t->head + 1) % t->max;
        t->n--;
        pthread_mutex_unlock(&t->mutex);
        w->task(w);
        pthread_mutex_lock(&t->mutex);
    }
    pthread_mutex_unlock(&t->mutex);
    return NULL;
}

nk_code nk_tasks_create(unsigned threads, size_t queue_max, nk_tasks **out, nk_err *err)
{
    nk_tasks *t = nk_calloc(1, sizeof *t);
    if (t) {
        t->queue = nk_calloc(queue_max, sizeof t->queue[0]);
        t->threads = nk_calloc(threads, sizeof t->threads[0]);
    }
    if (!t || !t->queue || !t->threads) {
        if (t) {
            nk_free(t->queue);
            nk_free(t->threads);
        }
        nk_free(t);
        return nk_fail(err, NK_E_NOMEM, "no memory for task threads");
    }
    t->max = queue_max;
    pthread_mutex_init(&t->mutex, NULL);
    pthread_cond_init(&t->cond, NULL);
    while (t->nthreads < threads) {
        int e = pthread_create(&t->threads[t->nthreads], NULL, run, t);
        if (e) {
            nk_tasks_destroy(t, NULL);
            return nk_fail_errno(err, e, "cannot start a task thread");
        }
        t->nthreads++;
    }
    *out = t;
    return NK_OK;
}

void nk_tasks_add(nk_tasks *t, nk_waiting *w)
{
    pthread_mutex_lock(&t->mutex);
    bool full = t->n == t->max || t->stopping;
    if (!full) {
        t->queue[(t->head + t->n++) % t->max] = w;
        pthread_cond_signal(&t->cond);
    }
    pthread_mutex_unlock(&t->mutex);
    if (full) {
        *w->code = nk_fail(w->err, NK_E_THROTTLED, "Rate exceeded");
        nk_http_wake(w->req);
    }
}

/* ---- the last step ---- */

static void written(void *arg, nk_code code, const nk_err *err)
{
    nk_waiting *w = arg;
    if (code == NK_E_CANCELLED && ++w->tries < TRIES) {
        nk_tasks_add(w->tasks, w);
        return;
    }
    *w->code = code;
    if (code == NK_E_CANCELLED)
        *w->code = nk_fail(w->err, NK_E_CONFLICT,
                           "What this request changes is changed faster by others than it can "
                           "follow; try again.");
    else if (code != NK_OK)
        *w->err = *err;
    nk_http_wake(w->req);
}

void nk_tasks_finish(nk_api *api, nk_waiting *w, const nk_last *last)
{
    if (*w->code != NK_OK || !last->write) {
        nk_http_wake(w->req);
        return;
    }
    /* Once handed over, w belongs to the writer, which may be done with it already. */
    nk_err err = NK_ERR_INIT;
    w->tasks = api->tasks;
    nk_code rc = nk_store_submit(api->app->store, last->write, last->arg, written, w, &err);
    if (rc != NK_OK)
        written(w, rc, &err);
}

void nk_tasks_destroy(nk_tasks *t, void (*drop)(nk_waiting *))
{
    if (!t)
        return;
    pthread_mutex_lock(&t->mutex);
    t->stopping = true;
    pthread_cond_broadcast(&t->cond);
    pthread_mutex_unlock(&t->mutex);
    for (unsigned i = 0; i < t->nthreads; i++)
        pthread_join(t->threads[i], NULL);
    for (; t->n && drop; t->n--) {
        drop(t->queue[t->head]);
        t->head = (t->head + 1) % t->max;
    }
    pthread_cond_destroy(&t->cond);
    pthread_mutex_destroy(&t->mutex);
    nk_free(t->queue);
    nk_free(t->threads);
    nk_free(t);
}
