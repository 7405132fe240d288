#include "api/api_int.h"

struct nk_tasks {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    struct task {
        nk_waiting *x;
        void (*fn)(nk_waiting *);
    } * queue; /* a ring of max places */
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
        struct task task = t->queue[t->head];
        t->head = (t->head + 1) % t->max;
        t->n--;
        pthread_mutex_unlock(&t->mutex);
        task.fn(task.x);
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

nk_code nk_tasks_add(nk_tasks *t, void (*fn)(nk_waiting *), nk_waiting *x, nk_err *err)
{
    pthread_mutex_lock(&t->mutex);
    bool full = t->n == t->max || t->stopping;
    if (!full) {
        t->queue[(t->head + t->n++) % t->max] = (struct task){x, fn};
        pthread_cond_signal(&t->cond);
    }
    pthread_mutex_unlock(&t->mutex);
    return full ? nk_fail(err, NK_E_THROTTLED, "Rate exceeded") : NK_OK;
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
        drop(t->queue[t->head].x);
        t->head = (t->head + 1) % t->max;
    }
    pthread_cond_destroy(&t->cond);
    pthread_mutex_destroy(&t->mutex);
    nk_free(t->queue);
    nk_free(t->threads);
    nk_free(t);
}
