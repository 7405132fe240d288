/* registry: schemas, their versions and what may follow what. The Glue API's operations are
 * handlers registered in src/api/ops.def; this header is what doors and other rooms call in
 * process.
 *
 * A schema lives in a registry; both doors see the same ones. Confluent's subject is the schema's
 * name; its context is the registry (the default context is "default-registry"). A version has two
 * ids: a UUID of its own, and a number that equal definitions share. */
#ifndef NK_REGISTRY_H
#define NK_REGISTRY_H

#include "model/call.h"
#include "model/model.h"
#include "registry/compat.h"
#include "registry/contract.h"
#include "store/store.h"

/* The kinds of records of this room, for nk_store_open. */
extern const nk_kind *const nk_registry_kinds[];
/* Takes up again deletions that a stop cut short. Call once, when the store is open. */
nk_code nk_registry_room_start(nk_app *app, nk_err *err) NK_MUST;
void nk_registry_room_stop(nk_app *app);

#define NK_DEFAULT_REGISTRY NK_STR("default-registry")

/* Who acts where. Strings are borrowed; everything handed out lives in the arena. */
typedef struct nk_reg_ctx {
    nk_app *app;
    nk_arena *arena;
    nk_str region, account;
    nk_door door;
    bool quick; /* what might take a millisecond gives NK_E_NOT_READY instead */
} nk_reg_ctx;

/* Version states, as stored. */
enum {
    NK_VERSION_AVAILABLE = 0,
    NK_VERSION_DELETED = 1, /* softly: only found by its ids */
    NK_VERSION_FAILED = 2,  /* incompatible, and kept: at Glue's door alone, for whoever asks why */
};
/* What is found beside available versions. */
typedef enum { NK_FIND_LIVE = 0, NK_FIND_DELETED = 1, NK_FIND_FAILED = 2 } nk_find;
/* A schema's modes at the Confluent door, as stored. */
enum { NK_MODE_READWRITE, NK_MODE_READONLY, NK_MODE_READONLY_OVERRIDE, NK_MODE_IMPORT, NK_MODES };

typedef struct nk_schema_row {
    nk_str registry_name, name;
    int64_t registry, id;
    int64_t next;        /* number of the next version */
    int64_t latest;      /* highest available one; 0 = none */
    int64_t checkpoint;  /* 0 = none */
    int64_t change;      /* counts what happened to it or its versions */
    int64_t compat;      /* row of nk_compat_modes; what holds now */
    bool compat_follows; /* of the Confluent door's default instead of its own */
    int64_t mode;        /* NK_MODE_…; -1 = as the region */
    bool deleting;
    bool contracts; /* a version has, or had, a data contract */
    const nk_schema_format *format;
    nk_str description, created, updated; /* texts */
    const nk_json *config;                /* the Confluent door's further settings; NULL = none */
} nk_schema_row;

typedef struct nk_version_row {
    int64_t schema, version, number; /* number: the id that equal definitions share */
    nk_str uuid;
    int64_t state;
    nk_str created;
    bool links;      /* there are any */
    nk_str contract; /* as nk_contract_text gives it; p NULL: none */
    nk_str reply;    /* GetSchemaVersionResponse as JSON; p NULL when columns only were asked for */
    nk_str text;     /* the definition; only after nk_version_text */
} nk_version_row;

/* A link of a version to another schema's version. */
typedef struct nk_schema_link {
    nk_str name; /* what the definition says */
    nk_str registry_name, schema_name;
    int64_t schema, version;
} nk_schema_link;
NK_LIST(nk_schema_links, nk_schema_link);

/* NK_E_NOT_FOUND in AWS's words. Schemas being deleted, or in a registry being deleted, are not
 * found. */
nk_code nk_schema_load(nk_tx *tx, const nk_reg_ctx *ctx, nk_str registry, nk_str name,
                       nk_schema_row *out, nk_err *err) NK_MUST;
nk_code nk_schema_load_id(nk_tx *tx, const nk_reg_ctx *ctx, int64_t id, nk_schema_row *out,
                          nk_err *err) NK_MUST;
/* version 0 = the latest. */
nk_code nk_version_load(nk_tx *tx, const nk_reg_ctx *ctx, const nk_schema_row *s, int64_t version,
                        nk_find also, nk_version_row *out, nk_err *err) NK_MUST;
/* The same of a schema that is being deleted: out->deleting. */
nk_code nk_schema_load_any(nk_tx *tx, const nk_reg_ctx *ctx, nk_str registry, nk_str name,
                           nk_schema_row *out, nk_err *err) NK_MUST;
nk_code nk_version_by_uuid(nk_tx *tx, const nk_reg_ctx *ctx, nk_str uuid, nk_version_row *out,
                           nk_err *err) NK_MUST;
/* As Glue's door says it. */
nk_str nk_version_status(const nk_version_row *v);
/* Reads the definition out of the reply. */
nk_code nk_version_text(const nk_reg_ctx *ctx, nk_version_row *v, nk_err *err) NK_MUST;
/* The answer that was kept for this door and id; p NULL: ask the store. Needs no transaction. */
nk_str nk_reply_recall(const nk_reg_ctx *ctx, nk_str id);
/* Only answers that can change by nothing but a change of versions' records. */
void nk_reply_keep(nk_tx *tx, const nk_reg_ctx *ctx, nk_str id, nk_str reply);
/* The definition parsed, with all it links to. */
nk_code nk_version_parse(nk_tx *tx, const nk_reg_ctx *ctx, const nk_schema_row *s,
                         nk_version_row *v, nk_schema_doc **out, nk_err *err) NK_MUST;
/* What a loaded version links to, in order. */
nk_code nk_version_links_of(nk_tx *tx, const nk_reg_ctx *ctx, const nk_version_row *v,
                            nk_schema_links *out, nk_err *err) NK_MUST;

/* Operation of our own, for programs that read messages: all that a version links to, directly or
 * not, dependencies first. {"SchemaVersionId": …} -> {"Links": [{"Name", "SchemaDefinition"}]} */
nk_code nk_registry_links(nk_call *call, const nk_json *in, nk_buf *out) NK_MUST;

/* A definition to be registered, looked up or checked. */
typedef struct nk_registration {
    nk_str registry, name; /* where */
    nk_str text;
    const nk_schema_format *format; /* NULL: the schema's own */
    /* Named links (the Confluent door): name, registry_name, schema_name, version (-1 = latest).
     * Others are found by their names among the registry's schemas. */
    nk_schema_links links;
    bool create;      /* make the schema (and the default registry) when it is not there */
    bool only_create; /* its being there is an error */
    int64_t compat;   /* of a schema that is made */
    bool compat_follows;
    /* The Confluent door's: what is said of the version, and the subject's settings. */
    nk_contract contract; /* a NULL part: as the latest version's */
    const nk_json *settings;
    bool normalize;               /* the definition is kept in its canonical form */
    nk_str description;           /* of a schema that is made */
    const nk_map_str *tags;       /* the same; NULL = none */
    int64_t number, want_version; /* what an import asks for; 0 = as they come */
    bool unjudged;                /* an import: whatever the mode says */
    bool keep_failure; /* what is incompatible becomes a version in status FAILURE, no error */
    /* out */
    nk_schema_row schema;
    nk_version_row version;
    bool existed;           /* the same definition was there already */
    nk_conflicts conflicts; /* NK_E_CONDITION: why not */
    struct nk_reg_job *job; /* between the two steps */
} nk_registration;

/* Registering is two steps. The first reads, parses and compares, on any thread but the writer's;
 * it hands back an equal version that is there (r->existed: nothing is left to do).
 * NK_E_INVALID: no valid definition; NK_E_CONDITION: incompatible, with r->conflicts. */
nk_code nk_registration_prepare(const nk_reg_ctx *ctx, nk_registration *r, nk_err *err) NK_MUST;
/* The second is a closure for the writer. NK_E_CANCELLED: what the first has seen no longer stands;
 * begin again with it. ctx and r must still be there. */
nk_code nk_registration_write(nk_tx *tx, nk_registration *r, nk_err *err) NK_MUST;
/* Finds the version with an equal definition; NK_E_NOT_FOUND (err says "Schema is not found"). */
nk_code nk_registry_lookup(nk_tx *tx, const nk_reg_ctx *ctx, nk_registration *r, bool deleted,
                           nk_err *err) NK_MUST;
/* Would this definition agree with these versions (NULL: those that the schema's mode asks for)?
 * NK_E_CONDITION with r->conflicts when not. */
nk_code nk_registry_check(nk_tx *tx, const nk_reg_ctx *ctx, nk_registration *r,
                          const int64_t *versions, size_t n, nk_err *err) NK_MUST;

#endif
