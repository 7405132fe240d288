/* JSON files: cuts a stream of documents (one a line, one behind the other, or the elements of one
 * array) into documents without holding more than one. */
#ifndef NK_JSON_STREAM_H
#define NK_JSON_STREAM_H

#include "base/base.h"

typedef enum {
    NK_JSON_LINES,  /* each document on a line of its own */
    NK_JSON_CONCAT, /* documents over several lines, or several on one */
    NK_JSON_ROWS,   /* one top-level array, its elements are the documents */
} nk_json_layout;

/* document: its raw text, borrowed until the callback returns, not yet checked beyond balanced
 * brackets and quotes. number from 1, line where it starts. NK_E_END ends the reading early. */
typedef nk_code (*nk_json_doc_fn)(void *arg, nk_str document, uint64_t number, uint64_t line,
                                  nk_err *err);

typedef struct nk_json_stream nk_json_stream;
/* max_document in bytes (0 = 64 MiB). NULL when memory is gone. */
nk_json_stream *nk_json_stream_open(size_t max_document, nk_json_doc_fn fn, void *arg);
/* NK_E_SERIALIZATION with the line on stray characters, what fn returned, NK_E_LIMIT on a document
 * too long. */
nk_code nk_json_stream_feed(nk_json_stream *s, nk_str bytes, nk_err *err) NK_MUST;
/* NK_E_SERIALIZATION when the stream ends inside a document or array. */
nk_code nk_json_stream_finish(nk_json_stream *s, nk_err *err) NK_MUST;
nk_json_layout nk_json_stream_layout(const nk_json_stream *s); /* of what was fed so far */
void nk_json_stream_close(nk_json_stream *s);

#endif
