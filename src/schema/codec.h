/* Compressed files: which packing it is, and the unpacked beginning of a file, bounded. */
#ifndef NK_CODEC_H
#define NK_CODEC_H

#include "base/base.h"

typedef struct nk_codec {
    const char *name; /* as a table's compressionType says it: "gzip" … */
    const char *doc;
    /* By its first bytes; name: the file's, for packings without a mark. */
    bool (*is)(nk_str head, nk_str name);
    /* Appends to out what of `in` can be unpacked, at most out->max bytes. *whole: in: `in` is all
     * of the file; out: out holds all of the content. NK_E_PARSE when it is corrupt or, whole, cut
     * short. */
    nk_code (*head)(nk_str in, bool *whole, nk_buf *out, nk_err *err);
} nk_codec;

/* Ends with a row without name. */
extern const nk_codec nk_codecs[];
/* NULL: not packed by anything we know. */
const nk_codec *nk_codec_of(nk_str head, nk_str name);

/* One block, as ORC and Hadoop store them. NK_E_PARSE when corrupt, NK_E_LIMIT over out->max. */
nk_code nk_block_deflate(nk_str in, nk_buf *out, nk_err *err) NK_MUST;
nk_code nk_block_snappy(nk_str in, nk_buf *out, nk_err *err) NK_MUST;
nk_code nk_block_lz4(nk_str in, nk_buf *out, nk_err *err) NK_MUST;
nk_code nk_block_zstd(nk_str in, nk_buf *out, nk_err *err) NK_MUST;

#endif
