/* Compressed files: which packing it is, and the unpacked beginning of a file, bounded. */
#ifndef NK_CODEC_H
#define NK_CODEC_H

#include "base/base.h"
#include "schema/gunzip.h"

typedef struct nk_unpack nk_unpack;
typedef struct nk_codec {
    const char *name; /* as a table's compressionType says it: "gzip" … */
    const char *doc;
    /* By its first bytes; name: the file's, for packings without a mark. */
    bool (*is)(nk_str head, nk_str name);
    /* For nk_unpack alone. */
    nk_code (*open)(nk_unpack *u, nk_err *err);
    nk_code (*feed)(nk_unpack *u, nk_str in, nk_err *err);
    nk_code (*finish)(nk_unpack *u, nk_err *err);
    void (*close)(nk_unpack *u);
} nk_codec;

/* Ends with a row without name. */
extern const nk_codec nk_codecs[];
/* NULL: not packed by anything we know. */
const nk_codec *nk_codec_of(nk_str head, nk_str name);
const nk_codec *nk_codec_named(nk_str name); /* NULL when unknown */

/* A stream: what is fed comes out of fn unpacked, piece by piece; memory is bounded. */
nk_code nk_unpack_open(const nk_codec *codec, nk_bytes_fn fn, void *arg, nk_unpack **out,
                       nk_err *err) NK_MUST;
/* NK_E_PARSE when it is corrupt, else what fn gives (NK_E_END to stop). */
nk_code nk_unpack_feed(nk_unpack *u, nk_str bytes, nk_err *err) NK_MUST;
/* NK_E_PARSE when the data was cut short. May give a last piece. */
nk_code nk_unpack_finish(nk_unpack *u, nk_err *err) NK_MUST;
void nk_unpack_close(nk_unpack *u); /* NULL is fine */

/* Appends to out what of `in` can be unpacked, at most out->max bytes. *whole: in: `in` is all of
 * the file; out: out holds all of the content. NK_E_PARSE when it is corrupt or, whole, cut short.
 */
nk_code nk_codec_head(const nk_codec *c, nk_str in, bool *whole, nk_buf *out, nk_err *err) NK_MUST;

/* One block, as ORC and Hadoop store them. NK_E_PARSE when corrupt, NK_E_LIMIT over out->max. */
nk_code nk_block_deflate(nk_str in, nk_buf *out, nk_err *err) NK_MUST;
nk_code nk_block_snappy(nk_str in, nk_buf *out, nk_err *err) NK_MUST;
nk_code nk_block_lz4(nk_str in, nk_buf *out, nk_err *err) NK_MUST;
nk_code nk_block_zstd(nk_str in, nk_buf *out, nk_err *err) NK_MUST;

#endif
