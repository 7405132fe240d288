/* Key pairs of the embedded lake that are lent: limited to folders, and in time. They live in
 * memory and in the file that SeaweedFS reads at its start and at each SIGHUP; those whose time is
 * over stand there as disabled for a minute more, for it forgets none that it has read. */
#ifndef NK_LEND_H
#define NK_LEND_H

#include <pthread.h>

#include "base/base.h"

#define NK_LEND_MAX 1000

typedef struct nk_lend {
    char access[24], secret[48];
    char *places; /* owned: "bucket/folder/" … one a line */
    int64_t until_us;
    bool taken; /* by the lake: it can be used */
    bool ended; /* has been written as disabled */
} nk_lend;

typedef struct nk_lends {
    pthread_mutex_t lock;
    nk_lend *v;
    size_t n, cap;
    int64_t life_us;
    bool dirty; /* not written yet */
} nk_lends;

void nk_lends_init(nk_lends *l, unsigned life_s); /* 0 = an hour */
void nk_lends_free(nk_lends *l);
/* Whether there is one with half its life left that can be used at once. */
bool nk_lends_has(nk_lends *l, nk_str places, int64_t now_us);
/* The pair for these places: one that has half its life left, or a new one. !out->taken: to be
 * waited for, then said to be taken. NK_E_THROTTLED when too many are out. */
nk_code nk_lends_get(nk_lends *l, nk_str places, int64_t now_us, nk_lend *out, nk_err *err) NK_MUST;
void nk_lends_taken(nk_lends *l, const nk_lend *e);
/* Whether there is something to write. */
bool nk_lends_due(nk_lends *l, int64_t now_us);
/* As members of a list of identities. */
void nk_lends_write(nk_lends *l, int64_t now_us, nk_json_writer *w);
/* What was written last has got lost: all of it is due again. */
void nk_lends_lost(nk_lends *l);

#endif
