/* A signal that stops a session: the engine is interrupted again and again until the work has
 * noticed, for between two statements an interrupt finds nothing to end. */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "engine/session.h"

#define AGAIN_MS 50

static sem_t wake;
static atomic_bool stopped, over;
static pthread_t watcher;

static void on_signal(int sig)
{
    atomic_store(&stopped, true);
    sem_post(&wake);
}

static void *watch_main(void *arg)
{
    const struct timespec pause = {.tv_nsec = AGAIN_MS * 1000000L};
    while (sem_wait(&wake) != 0)
        ;
    while (!atomic_load(&over)) {
        nk_session_interrupt(arg);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

nk_code nk_session_stop_on(nk_session *s, int signum, nk_err *err)
{
    /* the second one ends the process as ever */
    struct sigaction sa = {.sa_handler = on_signal,
                           .sa_flags = SA_RESTART | (int)(unsigned)SA_RESETHAND};
    atomic_store(&over, false);
    sem_init(&wake, 0, 0);
    int e = pthread_create(&watcher, NULL, watch_main, s);
    if (e)
        return nk_fail_errno(err, e, "starting the thread that hears stops");
    sigaction(signum, &sa, NULL);
    return NK_OK;
}

bool nk_session_stopped(void)
{
    return atomic_load(&stopped);
}

void nk_session_stop_end(void)
{
    atomic_store(&over, true);
    sem_post(&wake);
    pthread_join(watcher, NULL);
}
