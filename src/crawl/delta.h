/* Delta Lake's transaction log, as much of it as a crawler needs: which files of the log lead to
 * the newest version, and what their actions say. No store, no network. */
#ifndef NK_DELTA_H
#define NK_DELTA_H

#include "schema/type.h"

/* ---- the log's files ---- */

typedef struct nk_delta_log_file {
    int64_t version;     /* a compaction's first */
    int64_t to;          /* a compaction's last; else the same as version */
    int64_t part, parts; /* of a checkpoint in several files, part from 1; else 0 */
    uint64_t size;
    int64_t modified_us;
    nk_str name; /* behind "_delta_log/" */
} nk_delta_log_file;
NK_LIST(nk_delta_log_files, nk_delta_log_file);

typedef struct nk_delta_log {
    nk_delta_log_files commits, compactions, checkpoints;
    int64_t newest; /* version; -1 = there is none */
    bool sorted;
} nk_delta_log;

void nk_delta_log_init(nk_delta_log *l);
/* Takes a file of the folder, in any order; what is no file of a log is passed over. */
nk_code nk_delta_log_add(nk_delta_log *l, nk_arena *a, const nk_delta_log_file *file,
                         nk_err *err) NK_MUST;
/* The next complete checkpoint, the newest first: n files from *first on. *at is 0 at first. */
bool nk_delta_log_checkpoint(nk_delta_log *l, size_t *at, const nk_delta_log_file **first,
                             size_t *n);
/* The file that leads on from a version (-1 = from nothing); NULL at the newest. NK_E_PARSE when
 * the next version is not there. */
nk_code nk_delta_log_step(nk_delta_log *l, int64_t version, const nk_delta_log_file **out,
                          nk_err *err) NK_MUST;

/* ---- what they say ---- */

typedef struct nk_delta_file {
    nk_str path;   /* as the log has it: %xx and all, relative or a URI */
    nk_str values; /* of its partition, a JSON object by column; p NULL = none */
    bool deletions;
} nk_delta_file;

typedef struct nk_delta {
    nk_arena *a;
    bool want_files;   /* keep live files, else only what the table is */
    nk_str schema;     /* of the newest metadata: JSON; p NULL = none yet */
    nk_strs keys;      /* partition columns */
    bool mapped;       /* columns have other names in files */
    int64_t timestamp; /* of the newest commit that tells, ms; 0 = none */
    nk_str not_known;  /* a reader feature that we do not know; p NULL = none */
    nk_map files;      /* live: by path and deletion vector → nk_delta_file */
    nk_strs sidecars;  /* file names of a checkpoint's other half */
    nk_strs odd_types; /* "column type": given as string */
    const nk_type *type;
} nk_delta;

void nk_delta_init(nk_delta *d, nk_arena *a, bool want_files);
void nk_delta_free(nk_delta *d);
/* One line of a commit, a compaction or a checkpoint. Files of the log are to be given in their
 * order, lines of one in any. scratch may be reset between calls. */
nk_code nk_delta_action(nk_delta *d, nk_str line, nk_arena *scratch, nk_err *err) NK_MUST;
/* At the end: sets type from the newest schema. NK_E_PARSE says what is wrong with it. */
nk_code nk_delta_settle(nk_delta *d, nk_err *err) NK_MUST;
/* A file's URI as readers of manifests want it; folder: "s3://…/" of the table. */
nk_code nk_delta_uri(nk_str path, nk_str bucket, nk_str folder, nk_arena *a, nk_str *out,
                     nk_err *err) NK_MUST;
/* Its partition: values by keys (p NULL = null) and "k=v/…", escaped as Hive does. */
nk_code nk_delta_partition(const nk_delta *d, const nk_delta_file *f, nk_arena *a, nk_str *values,
                           nk_str *path, nk_err *err) NK_MUST;

#endif
