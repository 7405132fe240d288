/* Ends for connections: a thread that shuts down sockets whose time is over. */
#ifndef NK_WATCH_H
#define NK_WATCH_H

#include "base/base.h"

typedef struct nk_watch nk_watch;
typedef struct nk_watched nk_watched;

nk_code nk_watch_create(nk_watch **out, nk_err *err) NK_MUST;
/* Nothing may be watched any more. NULL is allowed. */
void nk_watch_destroy(nk_watch *w);
/* Watches fd (borrowed: drop it before it is closed), with that many seconds from now. NULL when
 * there is no memory. */
nk_watched *nk_watch_add(nk_watch *w, int fd, int64_t seconds) NK_MUST;
void nk_watch_drop(nk_watch *w, nk_watched *x); /* NULL is allowed */
/* Its end from now on, to the second above; 0 = none. From any thread that holds it; NULL is
 * allowed. */
void nk_watch_within(nk_watched *x, int64_t seconds);

#endif
