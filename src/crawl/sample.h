/* Inside the crawl room: looking into files, several at a time. */
#ifndef NK_SAMPLE_H
#define NK_SAMPLE_H

#include "crawl/crawl_int.h"
#include "lake/s3.h"

typedef struct nk_sampling {
    nk_s3 *s3;
    nk_str bucket;
    const nk_customs *customs;
    nk_crawl_file *files;
    size_t n;
    bool (*stopped)(void *arg);
    void *arg;
} nk_sampling;

/* Gives each file that is to be sampled its finding (in the arena). What is wrong with a file
 * stands there; NK_E_CANCELLED when stopped, else what is wrong with the store. */
nk_code nk_crawl_sample(const nk_sampling *s, nk_arena *a, nk_err *err) NK_MUST;

#endif
