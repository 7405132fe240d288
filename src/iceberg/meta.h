/* Iceberg's metadata as a tree and what may be done to it: reading table and view metadata of
 * format versions 1 to 3, making it anew, updates and requirements of the REST specification. Pure:
 * no clock, no files; time and chance are arguments. */
#ifndef NK_ICE_META_H
#define NK_ICE_META_H

#include "iceberg/tree.h"

#define NK_ICE_FORMAT_MAX 3
#define NK_ICE_DEPTH_MAX  200 /* nesting of metadata and requests */

typedef enum {
#define NK_ICE_ERR(kind, type, status, code) kind,
#include "iceberg/errors.def"
#undef NK_ICE_ERR
    NK_ICE_ERR_COUNT
} nk_ice_error;
/* Fills err with the kind's code and, in err->aws, its type; returns the code. */
nk_code nk_ice_fail(nk_err *err, nk_ice_error kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The HTTP status of a type of the table above; 0 for any other. */
int nk_ice_status(const char *type);

/* ---- schemas (schema.c) ---- */

/* Checks a schema (a struct with fields) for a format version: types, ids and names that differ,
 * identifier fields. *highest (may be NULL): the largest field id. */
nk_code nk_ice_schema_check(const nk_json *schema, int64_t format, int64_t *highest,
                            nk_err *err) NK_MUST;
/* The field of this id, wherever it is nested; NULL when there is none. Its type is member "type"
 * (of list and map parts: the "element", "key" or "value" member is handed out through *type). */
const nk_json *nk_ice_schema_type(const nk_json *schema, int64_t id, nk_str *name);
/* Gives all fields new ids from 1 on, the way Iceberg counts; map: pairs of old and new ids are
 * appended. */
typedef struct nk_ice_id {
    int64_t old, new;
} nk_ice_id;
NK_LIST(nk_ice_ids, nk_ice_id);
nk_code nk_ice_schema_fresh(nk_ice_tree *t, nk_json *schema, nk_ice_ids *map, nk_err *err) NK_MUST;
/* Glue's (Hive's) name of an Iceberg type. */
nk_code nk_ice_hive_type(const nk_json *type, nk_buf *out) NK_MUST;

/* A partition spec or sort order against a schema. */
nk_code nk_ice_spec_check(const nk_json *spec, const nk_json *schema, nk_err *err) NK_MUST;
nk_code nk_ice_order_check(const nk_json *order, const nk_json *schema, nk_err *err) NK_MUST;

/* ---- metadata (meta.c) ---- */

/* Reads and checks table metadata and brings it into one form: lists of schemas, specs and orders,
 * refs, logs, whatever the format version leaves out. NK_E_PARSE. */
nk_code nk_ice_table_parse(nk_str text, nk_arena *a, nk_json **out, nk_err *err) NK_MUST;
/* The metadata as a file of its format version holds it. */
nk_code nk_ice_table_write(nk_ice_tree *t, const nk_json *table, nk_buf *out, nk_err *err) NK_MUST;
nk_code nk_ice_view_parse(nk_str text, nk_arena *a, nk_json **out, nk_err *err) NK_MUST;

/* The schema, spec or snapshot that is in force; NULL when there is none. */
const nk_json *nk_ice_current_schema(const nk_json *table);
const nk_json *nk_ice_default_spec(const nk_json *table);
const nk_json *nk_ice_current_snapshot(const nk_json *table);

/* ---- updates (update.c) ---- */

typedef struct nk_ice_edit {
    nk_ice_tree t;
    nk_json *root; /* changed in place; a tree without members when something is to be made */
    bool view, created, changed;
    int64_t now_ms, base_updated_ms;
    int64_t last_schema, last_spec, last_order, last_version; /* added last; -1 = none */
    nk_str uuid;                                              /* for what is made without one */
    nk_ice_ids added;                                         /* snapshots added here (in old) */
    bool dropped;                                             /* snapshots were removed here */
    nk_strs main_ids; /* what main pointed to, one after the other, here */
} nk_ice_edit;

/* base NULL: makes metadata from nothing. base is changed. uuid: 36 characters, used when none is
 * assigned. */
void nk_ice_edit_begin(nk_ice_edit *e, nk_arena *a, bool view, nk_json *base, int64_t now_ms,
                       nk_str uuid);
/* Applies the array of updates. NK_ICE_BAD_REQUEST or NK_ICE_VALIDATION, NK_ICE_COMMIT_FAILED for
 * what a retry on newer metadata could mend. */
nk_code nk_ice_edit_apply(nk_ice_edit *e, const nk_json *updates, nk_err *err) NK_MUST;
/* Checks the whole, corrects logs, sets the time and logs the file the base was read from
 * (base_file p NULL = none). Files that fell out of the log are handed out in *dropped (may be
 * NULL). */
nk_code nk_ice_edit_finish(nk_ice_edit *e, nk_str base_file, nk_strs *dropped, nk_err *err) NK_MUST;
/* root NULL: nothing is there. NK_ICE_COMMIT_FAILED for what is not met. */
nk_code nk_ice_require(const nk_json *root, bool view, const nk_json *requirements,
                       nk_err *err) NK_MUST;

/* What a create request says; members may be NULL. */
typedef struct nk_ice_create {
    nk_str location; /* without a slash at its end */
    const nk_json *schema, *spec, *order, *properties, *view_version;
    bool keep_ids; /* field ids as given */
} nk_ice_create;
nk_code nk_ice_table_create(nk_ice_edit *e, const nk_ice_create *c, nk_err *err) NK_MUST;
nk_code nk_ice_view_create(nk_ice_edit *e, const nk_ice_create *c, nk_err *err) NK_MUST;

#endif
