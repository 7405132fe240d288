/* Inside the crawl room: looking into files, several at a time. */
#ifndef NK_SAMPLE_H
#define NK_SAMPLE_H

#include "crawl/crawl_int.h"
#include "lake/s3.h"

NK_LIST(nk_crawl_files, nk_crawl_file);

typedef struct nk_sampling_config {
    nk_s3 *s3;
    nk_str bucket;
    const nk_customs *customs;
    bool (*stopped)(void *arg);
    void *arg;
} nk_sampling_config;

/* Files are looked into by threads while the caller goes on listing them:
 *
 *     begin, add …, end
 *
 * All three are called by one thread, which alone uses the arena; `files` is not read by others
 * between begin and end. */
typedef struct nk_sampling nk_sampling;

nk_code nk_sampling_begin(const nk_sampling_config *c, nk_crawl_files *files, nk_arena *a,
                          nk_sampling **out, nk_err *err) NK_MUST;
/* Appends a copy to `files`; if it is to be sampled it will get its finding (in the arena). An
 * error, without a message unless memory is gone, when no more files are wanted: call end. */
nk_code nk_sampling_add(nk_sampling *s, const nk_crawl_file *file, nk_err *err) NK_MUST;
/* Waits until all files have their findings, or, with give_up, only for the threads. What is wrong
 * with a file stands in its finding; the error is NK_E_CANCELLED when stopped, else what is wrong
 * with the store. */
nk_code nk_sampling_end(nk_sampling *s, bool give_up, nk_err *err) NK_MUST;

#endif
