#ifndef NK_SESSION_INT_H
#define NK_SESSION_INT_H

#include <pthread.h>

#include "engine/arrow.h"
#include "engine/session.h"
#include "lake/s3.h"
#include "net/client.h"

/* What is known of one source node's data. */
typedef struct nk_source {
    nk_scan scan;
    bool built, exact, lenient;
    unsigned version; /* of the view's name: functions cannot be redefined */
    nk_cells **cells; /* one a column of scan.type; NULL where nothing is converted */
    int64_t bytes;    /* of the files, as stored */
    bool declared;    /* types come from the catalogue: they are not widened */
} nk_source;

typedef struct nk_callable {
    nk_rows_bool_fn bools;
    nk_rows_text_fn texts;
    void *arg;
} nk_callable;
NK_LIST(nk_callables, nk_callable);

typedef struct nk_stream {
    struct ArrowArrayStream stream;
    bool taken;
} nk_stream;
NK_LIST(nk_streams, nk_stream *);

/* A packed file, and where it lies unpacked. */
typedef struct nk_unpacked {
    nk_str path, uri;
} nk_unpacked;
NK_LIST(nk_unpackeds, nk_unpacked);

struct nk_session {
    nk_arena *arena;
    const nk_json *settings;
    nk_plan *plan;
    nk_engine *engine;
    nk_s3 *s3;
    nk_aws_client *aws;
    nk_source **sources; /* by node id */
    size_t nsources;
    nk_callables callables;
    nk_streams streams;
    bool *registered; /* py functions, by node id */
    size_t nregistered;
    char *unpacked_dir; /* removed with the session; NULL = none yet */
    size_t unpacked_n;
    nk_unpackeds unpacked;
};

typedef struct nk_file {
    nk_str uri; /* s3://… or a path */
    nk_str rel; /* below its base, for partitions and exclusions */
    uint64_t size;
} nk_file;
NK_LIST(nk_files, nk_file);

nk_code nk_session_s3(nk_session *s, nk_s3 **out, nk_err *err);
nk_code nk_session_glue(nk_session *s, const char *op, nk_str body, const nk_json **reply,
                        nk_arena *a, nk_err *err);
nk_str nk_session_setting(const nk_session *s, const char *name);

/* Files under a path (s3://bucket/prefix, file:///…, /…): hidden and empty ones left out, in order.
 */
nk_code nk_session_list(nk_session *s, nk_str path, bool recurse, nk_files *out, nk_err *err);
/* The same of a prefix in S3, but no more than max: *whole tells whether that was all. */
nk_code nk_session_list_s3(nk_session *s, nk_str path, size_t max, nk_files *out, bool *whole,
                           nk_err *err);
/* The first max bytes of a file as stored, or unpacked, whatever packed it. */
nk_code nk_session_head(nk_session *s, nk_str uri, uint64_t max, bool unpack, nk_buf *out,
                        nk_err *err);
/* How the files of a text source are packed: sets scan->compression when the engine must be told.
 * What it cannot unpack is unpacked into a temporary folder: uris in files and in scan's parts
 * become paths there. NK_E_INVALID names a file that is cut short or corrupt. */
nk_code nk_session_packing(nk_session *s, nk_files *files, nk_scan *scan, nk_err *err);
void nk_session_true_names(const nk_session *s, nk_err *err);
/* Up to n stored bytes from an offset on, appended. s3 may be NULL for local files. Any thread. */
nk_code nk_file_range(nk_s3 *s3, nk_str uri, uint64_t at, uint64_t n, nk_buf *out, nk_err *err);
nk_code nk_session_delete(nk_session *s, nk_str uri, nk_err *err);
/* fn(arg, i) for each i below n, on a few threads; the first error ends it. NK_E_CANCELLED when the
 * session was stopped meanwhile. */
nk_code nk_session_each(size_t n, nk_code (*fn)(void *arg, size_t i, nk_err *err), void *arg,
                        nk_err *err);

/* plan host */
nk_code nk_session_scan(void *arg, nk_plan *p, const nk_node *n, bool exact, nk_arena *a,
                        const nk_scan **out, nk_err *err);
nk_code nk_session_table(void *arg, nk_str database, nk_str table, nk_arena *a, const nk_json **out,
                         nk_err *err);
/* After a statement failed on a value or a row's length: looks at what the sources below n hold.
 * False: nothing new. */
nk_code nk_session_learn(nk_session *s, const nk_node *n, bool ragged, bool *learnt, nk_err *err);
/* Names and types of columns of a catalogue table, partition keys last. */
nk_code nk_table_type(const nk_json *table, nk_arena *a, const nk_type **columns,
                      const nk_type **keys, nk_err *err);

/* Numbers of several kinds become the widest one: inference widens, it does not make choices of
 * them. NULL when memory is gone. */
const nk_type *nk_scan_widen(nk_arena *a, const nk_type *t);
/* Sets scan->type: file columns, then partition columns. */
nk_code nk_scan_whole_type(nk_session *s, nk_scan *scan, const nk_type *columns, nk_err *err);
/* The catalogue's names, order and wider numbers over what the files hold. */
nk_code nk_scan_by_catalog(nk_session *s, const nk_type *seen, const nk_type *wanted,
                           const nk_type **read, const nk_type **type, nk_err *err);

/* Sources of the formats of schema/rows.h; scan->parts are set. */
bool nk_rows_of_table(const nk_json *table, nk_str format);
nk_code nk_rows_table_source(nk_session *s, nk_source *src, const nk_node *n, const nk_json *table,
                             nk_str format, const nk_files *files, const nk_type *columns,
                             nk_err *err);
nk_code nk_rows_direct_source(nk_session *s, nk_source *src, const nk_node *n,
                              const nk_files *files, nk_err *err);

bool nk_glob(nk_str pattern, nk_str text);

/* Builds the SQL of n and hands it to fn, again after having learnt something of the data. */
typedef nk_code (*nk_attempt_fn)(void *arg, nk_session *s, nk_str sql, nk_err *err);
nk_code nk_session_attempt(nk_session *s, const nk_node *n, nk_attempt_fn fn, void *arg,
                           nk_err *err);

#endif
