/* What a server is made of: each room that keeps records or has a life of its own is one row in
 * rooms.c. */
#ifndef NK_ROOMS_H
#define NK_ROOMS_H

#include "model/call.h"
#include "store/store.h"

typedef struct nk_room {
    const char *name;
    const nk_kind *const *kinds; /* NULL-terminated list of its records; NULL = none */
    nk_code (*start)(
        nk_app *app,
        nk_err *err);          /* may be NULL; store, lake and keys are there, requests not yet */
    void (*stop)(nk_app *app); /* may be NULL; called only when start went well */
} nk_room;

/* Started in order, stopped in reverse. */
extern const nk_room nk_rooms[];
extern const size_t nk_rooms_count;
/* All rooms' kinds, as nk_store_config wants them: NULL-terminated. */
const nk_kind *const *const *nk_rooms_kinds(void);

#endif
