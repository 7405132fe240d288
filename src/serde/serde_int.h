/* libnikawa_serde inside. */
#ifndef NK_SERDE_INT_H
#define NK_SERDE_INT_H

#include <pthread.h>

#include "net/client.h"
#include "registry/avro_data.h"
#include "registry/jsonschema.h"
#include "registry/protobuf.h"
#include "serde/nikawa_serde.h"

struct nks_schema {
    char id[37];
    uint8_t raw[16];
    nks_format format;
    nk_arena *arena;
    nk_str text;
    nk_schema_doc *doc;
    nks_schema *next;
};

struct nks_serde {
    nks_config config;
    nk_aws_client *client;   /* with an endpoint */
    pthread_mutex_t calling; /* the client is for one thread at a time */
    pthread_rwlock_t lock;
    nk_map by_id;         /* raw id -> nks_schema */
    nk_map by_definition; /* registry, schema and text -> nks_schema */
    nks_schema *all;
    size_t message_max;
};

nks_code nks_fail(nks_error *err, nks_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Carries an nk_err over. invalid: what NK_E_INVALID means here. */
nks_code nks_from(nks_error *err, const nk_err *from, nks_code invalid);
bool nks_parse_uuid(const char *text, uint8_t raw[16]);
nks_schema *nks_cached(nks_serde *s, const uint8_t raw[16]);
/* Parses and keeps; another thread may have been faster, then its schema is given. */
nks_code nks_keep(nks_serde *s, const char *id, const nks_definition *d, const nks_schema **out,
                  nks_error *err);
nks_code nks_ask_by_id(nks_serde *s, const char *uuid, const nks_schema **out, nks_error *err);

#endif
