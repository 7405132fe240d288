/* A session: one run's plan, engine, lake and catalogue together. This is what workers, `nikawa
 * sql` and the Python extension drive. One thread at a time, but for nk_session_interrupt. */
#ifndef NK_SESSION_H
#define NK_SESSION_H

#include "engine/engine.h"
#include "plan/plan.h"

typedef struct nk_session nk_session;

/* settings: a JSON object; all members are optional: endpoint, region, access_key, secret_key,
 * s3_endpoint, s3_access_key, s3_secret_key, temp_dir, memory_limit_bytes (of the whole process;
 * the engine takes three quarters), threads, account_id, extension_dir. */
nk_code nk_session_open(nk_str settings, nk_session **out, nk_err *err) NK_MUST;
void nk_session_close(nk_session *s); /* NULL is fine */
nk_plan *nk_session_plan(nk_session *s);
/* The engine is opened at first use. */
nk_code nk_session_engine(nk_session *s, nk_engine **out, nk_err *err) NK_MUST;
void nk_session_interrupt(nk_session *s);
/* From now on the signal stops what the session does (NK_E_CANCELLED); a second one ends the
 * process. One session a process at a time; nk_session_stop_end before its close. */
nk_code nk_session_stop_on(nk_session *s, int signum, nk_err *err) NK_MUST;
bool nk_session_stopped(void);
void nk_session_stop_end(void);

/* Every value is looked at once, so that each choice shows. */
nk_code nk_session_schema(nk_session *s, const nk_node *n, const nk_type **out,
                          nk_err *err) NK_MUST;
nk_code nk_session_count(nk_session *s, const nk_node *n, int64_t *out, nk_err *err) NK_MUST;
/* The node's rows (limit < 0: all) and, in *type, their struct type with choices (the result's own
 * type has structs in their place). */
nk_code nk_session_rows(nk_session *s, const nk_node *n, int64_t limit, nk_result **out,
                        const nk_type **type, nk_err *err) NK_MUST;
nk_code nk_session_arrow(nk_session *s, const nk_node *n, struct ArrowArrayStream *out,
                         nk_err *err) NK_MUST;
/* Runs a target: {"rows":…,"files":[…],"bytes":…,"partitions":[[…],…],"path":…}. */
nk_code nk_session_run(nk_session *s, const nk_node *n, nk_buf *json, nk_err *err) NK_MUST;
/* The statement the node's rows come from, as it would run now. */
nk_code nk_session_sql(nk_session *s, const nk_node *n, nk_str dialect, nk_buf *out,
                       nk_err *err) NK_MUST;

/* What a source node has read so far. */
typedef struct nk_session_source {
    size_t files, columns;
    int64_t bytes; /* of the files, as stored */
    bool partitioned;
    bool lenient; /* some rows had another length: filled with nulls or cut */
} nk_session_source;
/* False when the node is no source or has not been read. */
bool nk_session_source_read(const nk_session *s, const nk_node *n, nk_session_source *out);

/* Row functions for PyFilter and PyMap: bools or texts (JSON objects, p NULL drops the row). The
 * number goes into the node's "callable". arg is borrowed. */
nk_code nk_session_callable(nk_session *s, nk_rows_bool_fn bools, nk_rows_text_fn texts, void *arg,
                            int64_t *number, nk_err *err) NK_MUST;
/* Takes a stream for an ArrowSource's "stream"; it is read when its rows are first wanted. */
nk_code nk_session_arrow_in(nk_session *s, struct ArrowArrayStream *stream, int64_t *number,
                            nk_err *err) NK_MUST;

/* One page of a table's partitions, without their columns, as GetPartitions gives it. expression
 * and token may be empty; max 0: as many as the server gives. */
nk_code nk_session_partitions(nk_session *s, nk_str database, nk_str table, nk_str expression,
                              nk_str token, int64_t max, nk_arena *a, const nk_json **reply,
                              nk_err *err) NK_MUST;

/* A query over tables named database.table of the catalogue (or a name alone with
 * default_database). */
nk_code nk_session_query(nk_session *s, nk_str sql, nk_str default_database, nk_result **out,
                         nk_err *err) NK_MUST;

#endif
