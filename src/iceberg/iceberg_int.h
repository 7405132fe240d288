/* Inside iceberg. */
#ifndef NK_ICEBERG_INT_H
#define NK_ICEBERG_INT_H

#include "iceberg/iceberg.h"
#include "lake/lake.h"

#define NK_ICE_FILE_MAX ((size_t)256 << 20) /* bytes of a metadata file, unpacked */

/* ---- files.c ---- */

/* Metadata files lately read or written. They never change, so the location is enough of a key. */
typedef struct nk_ice_cache nk_ice_cache;
nk_ice_cache *nk_ice_cache_create(size_t bytes_max);
void nk_ice_cache_destroy(nk_ice_cache *c);
/* A copy in the arena; p NULL when it is not there. */
nk_str nk_ice_cache_get(nk_ice_cache *c, nk_str location, nk_arena *a);
void nk_ice_cache_put(nk_ice_cache *c, nk_str location, nk_str text);

/* Reads a metadata file, unpacked if it is gzip. */
nk_code nk_ice_file_read(nk_call *call, nk_str location, nk_str *text) NK_MUST;
nk_code nk_ice_file_write(nk_call *call, nk_str location, nk_str text) NK_MUST;
/* Best effort. */
void nk_ice_file_delete(nk_call *call, nk_str location);
/* The next metadata file's place: LOCATION/metadata/00012-UUID.metadata.json, or below
 * write.metadata.path, .gz.metadata.json with write.metadata.compression-codec=gzip. */
nk_code nk_ice_file_next(nk_call *call, const nk_json *root, nk_str before, nk_str *out) NK_MUST;

/* The room's refusals in Glue's words: only exceptions that the operations below declare (glue.c).
 */
nk_code nk_ice_in_glue(nk_call *call, nk_code rc);

/* The room's own of a process: app->iceberg. */
struct nk_iceberg {
    nk_app *app;
    nk_ice_cache *cache;
    struct nk_ice_optimizers *optimizers;
};

#endif
