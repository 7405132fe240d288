/* Inside the worker's half of iceberg. */
#ifndef NK_ICE_MAINTAIN_INT_H
#define NK_ICE_MAINTAIN_INT_H

#include "iceberg/avro.h"
#include "iceberg/maintain.h"
#include "iceberg/meta.h"
#include "lake/s3.h"

typedef struct nk_ice_task {
    nk_worker *w;
    nk_arena *a;
    nk_s3 *s3;
    const nk_json *request;
    const nk_json *config; /* the optimizer's own; may be NULL */
    nk_json *root;         /* the table's metadata */
    nk_str location;       /* of the metadata file */
    int64_t now_ms;
    nk_ice_tree t;
    nk_json *updates, *requirements;
    int64_t files, bytes; /* for the result */
    nk_err *err;
} nk_ice_task;

/* ---- manifests (manifest.c) ---- */

typedef struct nk_ice_manifest {
    nk_str path;
    const nk_ocf *record; /* of the manifest list; NULL for a snapshot of the first days */
    int64_t content;      /* 0 data, 1 deletes */
    int64_t spec, seq, snapshot;
    int64_t first_row; /* id of its files' rows, where they have none of their own; -1: none yet */
    nk_ocf_file file;  /* once read */
} nk_ice_manifest;
NK_LIST(nk_ice_manifests, nk_ice_manifest);

enum { NK_ICE_DATA, NK_ICE_POSITION, NK_ICE_EQUALITY };

/* An entry of a manifest that is in force. */
typedef struct nk_ice_live {
    size_t manifest; /* its place in the list */
    const nk_ocf *entry, *file;
    int content;
    int64_t spec, seq, file_seq, snapshot, bytes, rows;
    int64_t first_row;  /* the id of its first row, from format version 3 on; -1: none yet */
    nk_str path, group; /* group: spec and partition as bytes */
    nk_str target;      /* of deletes in one data file: its path */
    bool chosen, gone;
} nk_ice_live;
NK_LIST(nk_ice_lives, nk_ice_live);

nk_code nk_ice_fetch(nk_ice_task *t, nk_str path, nk_str *bytes) NK_MUST;
nk_code nk_ice_store(nk_ice_task *t, nk_str path, nk_str bytes) NK_MUST;
/* list: the manifest list as it was read, for writing another like it. */
nk_code nk_ice_read_list(nk_ice_task *t, const nk_json *snapshot, nk_ocf_file *list,
                         nk_ice_manifests *out) NK_MUST;
nk_code nk_ice_read_manifest(nk_ice_task *t, nk_ice_manifest *m, size_t place,
                             nk_ice_lives *out) NK_MUST;
/* A new path beside the metadata file, and a message {"event":…,"paths":[path]}. */
nk_code nk_ice_new_path(nk_ice_task *t, const char *prefix, const char *suffix,
                        nk_str *out) NK_MUST;
nk_code nk_ice_tell(nk_ice_task *t, const char *event, const char *kind, const nk_str *paths,
                    size_t n) NK_MUST;

/* ---- tasks ---- */
nk_code nk_ice_compact(nk_ice_task *t) NK_MUST; /* compact.c */
nk_code nk_ice_expire(nk_ice_task *t) NK_MUST;  /* expire.c */
nk_code nk_ice_orphans(nk_ice_task *t) NK_MUST;
nk_code nk_ice_purge(nk_ice_task *t) NK_MUST;

#endif
