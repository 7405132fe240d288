/* iceberg: Iceberg tables and views of the Data Catalog. A table is an entry of the catalogue whose
 * parameters say table_type=ICEBERG and where its metadata file lies (metadata_location); every
 * change writes a new metadata file to the lake and swaps that location in the store, if it is
 * still the one that the change was made from. The same entries whichever door they are reached
 * through: Glue's own API, or the Iceberg REST catalogue (src/api/icebergrest.c).
 *
 * Errors carry the REST catalogue's type in err->aws and Glue's meaning in the code (errors.def).
 */
#ifndef NK_ICEBERG_H
#define NK_ICEBERG_H

#include "catalog/catalog.h"
#include "iceberg/meta.h"
#include "model/call.h"
#include "model/glue_shapes.h"
#include "store/store.h"

/* The kinds of records of this room, for nk_store_open, and its row in cmd/rooms.c. */
extern const nk_kind *const nk_iceberg_kinds[];
nk_code nk_iceberg_room_start(nk_app *app, nk_err *err) NK_MUST;
void nk_iceberg_room_stop(nk_app *app);

/* By its table_type; one whose first commit is still to come has no metadata yet. */
bool nk_ice_is_iceberg(const glue_Table *t);
/* The catalogue's context of a call, inside a transaction. */
nk_code nk_ice_ctx(const nk_call *call, nk_tx *tx, nk_catalog_ctx *out, nk_err *err) NK_MUST;

typedef struct nk_ice_entry {
    nk_str database, name; /* as the catalogue has them */
    nk_str location;       /* of the metadata file */
    nk_str text;           /* the metadata, JSON */
    glue_Table *row;
} nk_ice_entry;

/* All of these act in the catalogue call->catalog (p NULL: the account's own). call->tx NULL;
 * strings of the answer in the call's arena. NK_ICE_NO_SUCH_TABLE, NK_ICE_NO_SUCH_VIEW,
 * NK_ICE_NO_SUCH_NAMESPACE when there is none. They block on the lake but for those that say so. */

/* The entry without its text. Does not block. */
nk_code nk_ice_entry_find(nk_call *call, bool view, nk_str database, nk_str name,
                          nk_ice_entry *out) NK_MUST;
/* Its text, if this process remembers it: false when the lake must be asked. Does not block. */
bool nk_ice_entry_recall(nk_call *call, nk_ice_entry *entry);
nk_code nk_ice_entry_read(nk_call *call, nk_ice_entry *entry) NK_MUST;

/* Makes a table (or a view). An absent location is a folder below the database's. staged: nothing
 * is written anywhere, out->location stays absent. */
nk_code nk_ice_entry_create(nk_call *call, bool view, nk_str database, nk_str name,
                            nk_ice_create *what, bool staged, nk_ice_entry *out) NK_MUST;
/* An entry for metadata that lies in the lake already. */
nk_code nk_ice_entry_register(nk_call *call, bool view, nk_str database, nk_str name,
                              nk_str metadata_location, bool overwrite, nk_ice_entry *out) NK_MUST;

typedef struct nk_ice_change {
    bool view;
    nk_str database, name;
    const nk_json *requirements, *updates; /* arrays; may be NULL */
    nk_str version;                        /* the entry's VersionId must be this; p NULL = any */
    bool archive;                          /* keep the entry as it was as a version */
} nk_ice_change;
/* All changes or none. Requirements are judged on the newest metadata; a change that another
 * committer was quicker than is tried anew as long as its requirements hold. out: n of them, may be
 * NULL. */
nk_code nk_ice_commit(nk_call *call, const nk_ice_change *changes, size_t n,
                      nk_ice_entry *out) NK_MUST;

/* Takes the entry out of the catalogue; purge: its files go too, in the background. last (may be
 * NULL): the entry as it was, without its text. */
nk_code nk_ice_entry_drop(nk_call *call, bool view, nk_str database, nk_str name, bool purge,
                          nk_ice_entry *last) NK_MUST;
nk_code nk_ice_entry_rename(nk_call *call, bool view, nk_str database, nk_str name,
                            nk_str to_database, nk_str to_name) NK_MUST;
/* Names of databases, within call->tx. max 0 = all; *next: absent, or the token for more. */
nk_code nk_ice_database_list(nk_call *call, nk_str token, size_t max, nk_strs *names,
                             nk_str *next) NK_MUST;
/* Names of tables (or views) of a database, in order; max 0 = all. *next: absent, or what to give
 * as token for more. Does not block. */
nk_code nk_ice_entry_list(nk_call *call, bool view, nk_str database, nk_str token, size_t max,
                          nk_strs *names, nk_str *next) NK_MUST;

/* Glue's own door: CreateTable and UpdateTable that carry an open table format are long operations
 * of this room (rows of src/api/ops.def). */
bool nk_iceberg_is_create(const void *in);
nk_code nk_iceberg_create(nk_call *call, const void *in, void *out) NK_MUST;
bool nk_iceberg_is_update(const void *in);
nk_code nk_iceberg_update(nk_call *call, const void *in, void *out) NK_MUST;
/* GetTable that asks for LATEST_ICEBERG_METADATA, in the same way. */
bool nk_iceberg_is_latest(const void *in);
nk_code nk_iceberg_latest(nk_call *call, const void *in, void *out) NK_MUST;

#endif
