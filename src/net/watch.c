#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>

#include "net/watch.h"

struct nk_watched {
    int fd;
    _Atomic int64_t end_us; /* monotonic; 0 = none */
    nk_watched *next, *prev;
};

struct nk_watch {
    pthread_t thread;
    pthread_mutex_t lock; /* guards the list: a socket in it is open */
    pthread_cond_t cond;
    nk_watched *list;
    bool stop;
};

static void shut_late(nk_watch *w)
{
    int64_t now = nk_mono_us(nk_env_real());
    for (nk_watched *x = w->list; x; x = x->next) {
        int64_t end = atomic_load_explicit(&x->end_us, memory_order_relaxed);
        if (end && end <= now) {
            atomic_store_explicit(&x->end_us, 0, memory_order_relaxed);
            shutdown(x->fd, SHUT_RDWR); /* its owner sees the end and closes it */
            nk_debug("net", "a connection was ended: the client is too slow");
        }
    }
}

static void *watch_main(void *arg)
{
    nk_watch *w = arg;
    pthread_setname_np(pthread_self(), "nk-watch");
    pthread_mutex_lock(&w->lock);
    while (!w->stop) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        t.tv_sec++;
        if (!w->list)
            pthread_cond_wait(&w->cond, &w->lock);
        else
            (void)pthread_cond_timedwait(&w->cond, &w->lock, &t);
        shut_late(w);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

nk_code nk_watch_create(nk_watch **out, nk_err *err)
{
    nk_watch *w = nk_calloc(1, sizeof *w);
    pthread_condattr_t attr;
    if (!w)
        return nk_fail(err, NK_E_NOMEM, "no memory to watch connections");
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->cond, &attr);
    pthread_condattr_destroy(&attr);
    int e = pthread_create(&w->thread, NULL, watch_main, w);
    if (e) {
        pthread_cond_destroy(&w->cond);
        pthread_mutex_destroy(&w->lock);
        nk_free(w);
        return nk_fail_errno(err, e, "cannot start the thread that watches connections");
    }
    *out = w;
    return NK_OK;
}

void nk_watch_destroy(nk_watch *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->cond);
    pthread_mutex_destroy(&w->lock);
    nk_free(w);
}

nk_watched *nk_watch_add(nk_watch *w, int fd, int64_t seconds)
{
    nk_watched *x = nk_calloc(1, sizeof *x);
    if (!x)
        return NULL;
    x->fd = fd;
    nk_watch_within(x, seconds);
    pthread_mutex_lock(&w->lock);
    x->next = w->list;
    if (x->next)
        x->next->prev = x;
    else
        pthread_cond_signal(&w->cond); /* it rests while there is nothing to watch */
    w->list = x;
    pthread_mutex_unlock(&w->lock);
    return x;
}

void nk_watch_drop(nk_watch *w, nk_watched *x)
{
    if (!x)
        return;
    pthread_mutex_lock(&w->lock);
    if (x->prev)
        x->prev->next = x->next;
    else
        w->list = x->next;
    if (x->next)
        x->next->prev = x->prev;
    pthread_mutex_unlock(&w->lock);
    nk_free(x);
}

void nk_watch_within(nk_watched *x, int64_t seconds)
{
    if (x)
        atomic_store_explicit(&x->end_us,
                              seconds ? nk_mono_us(nk_env_real()) + seconds * 1000000 : 0,
                              memory_order_relaxed);
}
