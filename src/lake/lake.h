/* lake: where s3:// leads. Either a SeaweedFS that this process starts, watches and ends, or any S3
 * endpoint. The S3 client itself is s3.h. */
#ifndef NK_LAKE_H
#define NK_LAKE_H

#include "lake/s3.h"

typedef struct nk_lake nk_lake;

typedef struct nk_lake_config {
    const char *endpoint;  /* an S3 endpoint of someone else's; NULL = start our own */
    const char *weed;      /* the SeaweedFS binary; NULL = nk_lake_find_weed */
    const char *dir;       /* absolute; the embedded lake's data, made if absent */
    const char *log_path;  /* where its output goes */
    const char *conf_path; /* its identities, written 0600 */
    const char *region, *account_id;
    const char *access_key, *secret_key;
    unsigned cache_mb;        /* of unpacked chunks that were read; 0 = none */
    unsigned lend_s;          /* how long lent keys last; 0 = 3,600 */
    unsigned ready_timeout_s; /* 0 = 60 */
} nk_lake_config;

/* Copies the config. The embedded lake is started, not waited for. */
nk_code nk_lake_create(const nk_lake_config *config, nk_lake **out, nk_err *err) NK_MUST;
/* Ends the embedded lake and all its processes, then frees. NULL is fine. */
void nk_lake_destroy(nk_lake *lake);
/* Waits until S3 answers; NK_E_UNAVAILABLE with the last line of its log when it does not in time.
 */
nk_code nk_lake_wait(nk_lake *lake, nk_err *err) NK_MUST;
/* Whether S3 answers now; of someone else's, always. */
bool nk_lake_ready(nk_lake *lake);
const char *nk_lake_endpoint(const nk_lake *lake);
/* The shared client, valid as long as the lake. Calls fail with NK_E_UNAVAILABLE while it is down.
 */
nk_s3 *nk_lake_s3(nk_lake *lake);
/* Process id of the embedded lake, 0 when it is not ours or down at the moment. */
int nk_lake_pid(const nk_lake *lake);
/* "aws-glue-assets-ACCOUNT-REGION" in the arena, made on first use. Blocks: SLOW handlers and job
 * threads only. */
nk_code nk_lake_assets_bucket(nk_lake *lake, nk_str region, nk_arena *a, nk_str *out,
                              nk_err *err) NK_MUST;
/* A key pair that reaches no more than these folders ("s3://bucket/folder") of the embedded lake,
 * for an hour at most; the same one for the same folders while it has half of that. Strings in the
 * arena. It may have to be made known first: NK_E_NOT_READY unless the caller may block.
 * NK_E_UNSUPPORTED: the lake is someone else's. NK_E_INVALID: no folder of S3, or one whose name
 * keys cannot be limited to. */
typedef struct nk_lake_key {
    nk_str access_key, secret_key;
    int64_t until_us;
} nk_lake_key;
nk_code nk_lake_lend(nk_lake *lake, const nk_str *places, size_t n, bool may_block, nk_arena *a,
                     nk_lake_key *out, nk_err *err) NK_MUST;
/* The binary: $NIKAWA_DEPS/bin/weed, then the build's deps folder, ~/.cache/nikawa/bin/weed, then
 * PATH. NK_E_NOT_FOUND says where it was looked for and what to do. */
nk_code nk_lake_find_weed(nk_arena *a, nk_str *out, nk_err *err) NK_MUST;

#endif
