#ifndef NK_DUCKDB_INT_H
#define NK_DUCKDB_INT_H

#include "engine/arrow.h"
#define DUCKDB_API_NO_DEPRECATED
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#include <duckdb.h>
#pragma GCC diagnostic pop

#include "engine/engine.h"

struct nk_engine {
    duckdb_database db;
    duckdb_connection con;
    bool httpfs;                                                       /* loaded, secret made */
    char *endpoint, *region, *access_key, *secret_key, *extension_dir; /* owned */
    uint64_t memory_limit;
    unsigned tables; /* for names */
};

/* The type in the arena; *exact false when values must be cast to it first. */
nk_code nk_duck_type_from(duckdb_logical_type lt, nk_arena *a, const nk_type **out, bool *exact,
                          nk_err *err);
duckdb_logical_type nk_duck_type_to(const nk_type *t);
/* An error of a function of ours on its way through the engine: what the function gives the engine
 * as its error, from which nk_duck_error makes the same code and message again. text is the
 * caller's. */
#define NK_DUCK_TOLD (NK_ERR_MSG_MAX + 32)
const char *nk_duck_tell(char text[NK_DUCK_TOLD], nk_code code, const char *message);
/* View of a flat vector; nested children are allocated in the arena. */
nk_code nk_duck_view(duckdb_vector v, const nk_type *type, nk_arena *a, nk_vec *out);
/* Maps the engine's error; takes the text as it is. */
nk_code nk_duck_error(const nk_engine *e, duckdb_error_type type, const char *text, nk_err *err);
/* Spark's casts and other functions of ours. */
nk_code nk_duck_functions(duckdb_connection con, nk_err *err);
nk_code nk_duck_spark(duckdb_connection con, nk_err *err);
nk_code nk_duck_prepare(nk_engine *e, nk_str sql, nk_err *err);

#endif
