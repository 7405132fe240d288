/* Inside the crawl's worker: what its targets share. A kind of target is one file (target_NAME.c)
 * and one row of the table in crawl_worker.c. */
#ifndef NK_CRAWL_WORKER_INT_H
#define NK_CRAWL_WORKER_INT_H

#include "crawl/crawl_worker.h"
#include "crawl/events.h"
#include "crawl/sample.h"

/* A queue's messages; targets may share one. */
typedef struct nk_crawl_queue {
    nk_str arn;
    nk_queue_messages messages;
} nk_crawl_queue;
NK_LIST(nk_crawl_queues, nk_crawl_queue);

typedef struct nk_crawl {
    nk_worker *w;
    nk_arena *a;
    nk_s3 *s3;
    nk_err *err;
    bool inherit;
    nk_customs customs;
    nk_crawl_grouping grouping; /* of the target at hand */
    const nk_json *target;
    size_t tables;
    uint64_t unreadable;
    nk_str first_problem;
    nk_queue_config queue;
    nk_crawl_queues queues; /* those that were read */
} nk_crawl;

typedef struct nk_crawl_target {
    const char *name; /* the request's "kind" */
    nk_code (*crawl)(nk_crawl *c) NK_MUST;
    const char *doc;
} nk_crawl_target;
nk_code nk_target_s3(nk_crawl *c) NK_MUST;
nk_code nk_target_delta(nk_crawl *c) NK_MUST;
nk_code nk_target_iceberg(nk_crawl *c) NK_MUST;
nk_code nk_target_hudi(nk_crawl *c) NK_MUST;

/* A line in the crawl's log, as printf, at most 1,400 bytes. */
void nk_crawl_say(nk_crawl *c, const char *level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void nk_crawl_remark_to_log(void *crawl, const char *text);
nk_code nk_crawl_send(nk_crawl *c, nk_buf *frame) NK_MUST;
nk_code nk_crawl_stopped(nk_crawl *c) NK_MUST; /* NK_E_CANCELLED when it was */
/* A table frame: base names it, `why` says which rule and file made it; input: its TableInput
 * without Name. Its partitions follow. */
nk_code nk_crawl_send_table(nk_crawl *c, nk_str base, nk_str why, size_t partitions,
                            nk_str input) NK_MUST;
/* The last table's n partitions, in frames of a bounded size: put writes the i-th PartitionInput
 * (columns that are left out are the table's), or nothing to leave it out; scratch lives as long as
 * the frame. */
typedef nk_code (*nk_partition_fn)(void *arg, size_t i, nk_json_writer *w, nk_arena *scratch);
nk_code nk_crawl_send_partitions(nk_crawl *c, size_t n, nk_partition_fn put, void *arg) NK_MUST;
/* Whether the catalogue takes a partition of these values; if not, the log says so. */
bool nk_crawl_values_fit(nk_crawl *c, const nk_str *values, size_t n, nk_str path);
/* The bucket exists? NK_E_NOT_FOUND names it and the target's path. */
nk_code nk_crawl_open_path(nk_crawl *c, nk_str path, nk_s3_uri *out) NK_MUST;
/* Hidden files and those the target excludes; rel: behind the include path. */
bool nk_crawl_skips(const nk_crawl *c, nk_str rel);

/* ---- tables found by their metadata (lakehouse.c) ---- */

/* Called for each folder, from the path down, at most `depth` levels below it; `below`: its
 * subfolders' names with trailing slash. *is: it is a table, do not look below. */
typedef nk_code (*nk_folder_fn)(nk_crawl *c, nk_str bucket, nk_str folder, const nk_strs *below,
                                bool *is);
nk_code nk_crawl_walk(nk_crawl *c, nk_str path, int depth, nk_folder_fn fn) NK_MUST;
/* An object whole, into the arena; at most max bytes. */
nk_code nk_crawl_read(nk_crawl *c, nk_str bucket, nk_str key, size_t max, nk_str *out) NK_MUST;
/* Its lines one by one, however long it is; without their ends. */
typedef nk_code (*nk_line_fn)(void *arg, nk_str line);
nk_code nk_crawl_lines(nk_crawl *c, nk_str bucket, nk_str key, uint64_t size, nk_line_fn fn,
                       void *arg) NK_MUST;
/* Rows of a Delta checkpoint in Parquet, each as the line that a commit would have; those of files
 * (add, sidecar) only if wanted. NK_E_PARSE when it cannot be read. */
nk_code nk_crawl_checkpoint(nk_crawl *c, nk_str bucket, nk_str key, uint64_t size, bool files,
                            nk_line_fn fn, void *arg) NK_MUST;
/* A table that cannot be read is not the crawl's end: notes c->err for it. */
nk_code nk_crawl_pass_over(nk_crawl *c, nk_code rc, nk_str bucket, nk_str folder) NK_MUST;
/* "name":… columns array of Glue; types as the catalogue holds them. */
nk_code nk_crawl_put_columns(nk_json_writer *w, const nk_type *t, nk_err *err) NK_MUST;

#endif
