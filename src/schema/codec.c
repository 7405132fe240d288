#include "schema/codec.h"

#include <bzlib.h>
#include <lz4.h>
#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#include "schema/gunzip.h"

#define STEP            ((size_t)64 << 10)
#define ZSTD_WINDOW_LOG 25                  /* 32 MiB of memory at most */
#define BLOCK_MAX       ((size_t)256 << 20) /* of Snappy, packed or not */
#define ZIP_TAIL_MAX    ((size_t)128 << 10)

struct nk_unpack {
    const nk_codec *codec;
    nk_bytes_fn fn;
    void *arg;
    nk_gunzip *gzip;
    bz_stream bz;
    z_stream z;
    ZSTD_DStream *zstd;
    LZ4F_dctx *lz4;
    bool open;      /* bz or z is set up */
    bool inside;    /* a stream, frame or member has begun and not ended */
    int mode;       /* snappy, zip: which part or form is being read */
    uint64_t left;  /* snappy: bytes of Hadoop's block still to come; zip: stored ones */
    unsigned flags; /* zip */
    nk_buf pending; /* snappy, zip: what is not whole yet */
    nk_buf block;   /* snappy: one block, unpacked */
    char *out;      /* STEP bytes */
};

static nk_code corrupt(const char *what, nk_err *err)
{
    return nk_fail(err, NK_E_PARSE, "The %s data is corrupt", what);
}

static nk_code cut_short(const char *what, nk_err *err)
{
    return nk_fail(err, NK_E_PARSE, "The file ends in the middle of its %s data", what);
}

static nk_code no_memory(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "Out of memory unpacking a file");
}

/* Room for the next step; NULL with *full when out holds as much as it may. */
static char *room(nk_buf *out, size_t *n, bool *full)
{
    *n = out->max - out->n < STEP ? out->max - out->n : STEP;
    *full = *n == 0;
    return *full ? NULL : nk_buf_reserve(out, *n);
}

static nk_code give(nk_unpack *u, const char *p, size_t n, nk_err *err)
{
    return n ? u->fn(u->arg, nk_str_n(p, n), err) : NK_OK;
}

/* ---- gzip ---- */

static bool is_gzip(nk_str head, nk_str name)
{
    return nk_is_gzip(head);
}

static nk_code open_gzip(nk_unpack *u, nk_err *err)
{
    u->gzip = nk_gunzip_open(u->fn, u->arg);
    return u->gzip ? NK_OK : no_memory(err);
}

static nk_code feed_gzip(nk_unpack *u, nk_str in, nk_err *err)
{
    return nk_gunzip_feed(u->gzip, in, err);
}

static nk_code finish_gzip(nk_unpack *u, nk_err *err)
{
    return nk_gunzip_finish(u->gzip, err);
}

/* ---- bzip2 ---- */

static bool is_bzip2(nk_str head, nk_str name)
{
    return head.n >= 10 && memcmp(head.p, "BZh", 3) == 0 && head.p[3] >= '1' && head.p[3] <= '9' &&
           (memcmp(head.p + 4, "1AY&SY", 6) == 0 ||
            memcmp(head.p + 4, "\x17\x72\x45\x38\x50\x90", 6) == 0);
}

static void close_bzip2(nk_unpack *u)
{
    if (u->open)
        BZ2_bzDecompressEnd(&u->bz);
    u->open = false;
}

/* Several streams one behind the other are one file. */
static nk_code feed_bzip2(nk_unpack *u, nk_str in, nk_err *err)
{
    bool full = false;
    u->bz.next_in = (char *)(uintptr_t)in.p;
    u->bz.avail_in = (unsigned)in.n;
    while (u->bz.avail_in || full) {
        if (!u->open) {
            bz_stream next = {.next_in = u->bz.next_in, .avail_in = u->bz.avail_in};
            u->bz = next;
            if (BZ2_bzDecompressInit(&u->bz, 0, 0) != BZ_OK)
                return no_memory(err);
            u->open = u->inside = true;
        }
        u->bz.next_out = u->out;
        u->bz.avail_out = STEP;
        int code = BZ2_bzDecompress(&u->bz);
        full = code == BZ_OK && !u->bz.avail_out;
        if (code != BZ_OK && code != BZ_STREAM_END)
            return code == BZ_MEM_ERROR ? no_memory(err) : corrupt("bzip2", err);
        NK_TRY(give(u, u->out, STEP - u->bz.avail_out, err));
        if (code == BZ_STREAM_END) {
            close_bzip2(u);
            u->inside = false;
        }
    }
    return NK_OK;
}

static nk_code finish_bzip2(nk_unpack *u, nk_err *err)
{
    return u->inside ? cut_short("bzip2", err) : NK_OK;
}

/* ---- zip of one file ---- */

enum { ZIP_HEADER, ZIP_STORED, ZIP_DEFLATED, ZIP_BEHIND };

static bool is_zip(nk_str head, nk_str name)
{
    return nk_str_starts(head, NK_STR("PK\x03\x04"));
}

static unsigned le16(const char *p)
{
    return (unsigned char)p[0] | (unsigned)(unsigned char)p[1] << 8;
}

static uint32_t le32(const char *p)
{
    return le16(p) | (uint32_t)le16(p + 2) << 16;
}

static nk_code inflate_raw(nk_str in, nk_buf *out, size_t *used, bool *ended, bool *full,
                           nk_err *err)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)in.p, .avail_in = (uInt)in.n};
    nk_code rc = NK_OK;
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return no_memory(err);
    for (*ended = *full = false; rc == NK_OK && !*ended && !*full;) {
        size_t n;
        char *p = room(out, &n, full);
        if (!p) {
            rc = *full ? NK_OK : no_memory(err);
            break;
        }
        z.next_out = (Bytef *)p;
        z.avail_out = (uInt)n;
        int code = inflate(&z, Z_NO_FLUSH);
        out->n += n - z.avail_out;
        *ended = code == Z_STREAM_END;
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
            rc = code == Z_MEM_ERROR ? no_memory(err) : corrupt("deflated", err);
        else if (!*ended && !z.avail_in && z.avail_out)
            break;
    }
    *used = in.n - z.avail_in;
    inflateEnd(&z);
    return rc;
}

/* *used: bytes of the header, 0 when more are wanted. */
static nk_code zip_header(nk_unpack *u, nk_str in, size_t *used, nk_err *err)
{
    *used = 0;
    if (in.n < 30)
        return NK_OK;
    unsigned method = le16(in.p + 8);
    size_t from = 30 + (size_t)le16(in.p + 26) + le16(in.p + 28);
    u->flags = le16(in.p + 6);
    if (!is_zip(in, NK_STR("")))
        return corrupt("zip", err);
    if (u->flags & 1)
        return nk_fail(err, NK_E_PARSE, "The zip file is encrypted");
    if (method != 0 && method != 8)
        return nk_fail(err, NK_E_PARSE,
                       "The zip file's method %u is not known (stored and deflated are)", method);
    if (in.n < from)
        return NK_OK;
    *used = from;
    u->left = le32(in.p + 18);
    u->mode = method == 8 ? ZIP_DEFLATED : ZIP_STORED;
    if (u->mode == ZIP_STORED)
        return NK_OK;
    if (inflateInit2(&u->z, -MAX_WBITS) != Z_OK)
        return no_memory(err);
    u->open = true;
    return NK_OK;
}

static void close_zip(nk_unpack *u)
{
    if (u->open)
        inflateEnd(&u->z);
    u->open = false;
}

static nk_code zip_inflate(nk_unpack *u, nk_str *in, nk_err *err)
{
    bool full = false;
    u->z.next_in = (Bytef *)(uintptr_t)in->p;
    u->z.avail_in = (uInt)in->n;
    while (u->mode == ZIP_DEFLATED && (u->z.avail_in || full)) {
        u->z.next_out = (Bytef *)u->out;
        u->z.avail_out = STEP;
        int code = inflate(&u->z, Z_NO_FLUSH);
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
            return code == Z_MEM_ERROR ? no_memory(err) : corrupt("deflated", err);
        full = code == Z_OK && !u->z.avail_out;
        NK_TRY(give(u, u->out, STEP - u->z.avail_out, err));
        if (code == Z_STREAM_END)
            u->mode = ZIP_BEHIND;
    }
    *in = nk_str_sub(*in, in->n - u->z.avail_in, in->n);
    return NK_OK;
}

/* Behind the data stands a directory, and its end. */
static nk_code zip_behind(nk_unpack *u, nk_str in, nk_err *err)
{
    size_t keep = ZIP_TAIL_MAX - u->pending.n;
    if (nk_buf_add(&u->pending, in.p, in.n < keep ? in.n : keep) != NK_OK)
        return no_memory(err);
    nk_str rest = nk_buf_view(&u->pending);
    if ((u->flags & 8) && rest.n >= 12) /* a data descriptor, with or without its mark */
        rest = nk_str_sub(rest, nk_str_starts(rest, NK_STR("PK\x07\x08")) ? 16 : 12, rest.n);
    if (is_zip(rest, NK_STR("")))
        return nk_fail(err, NK_E_PARSE, "The zip file holds several files; only one is read");
    return NK_OK;
}

static nk_code feed_zip(nk_unpack *u, nk_str in, nk_err *err)
{
    if (u->mode == ZIP_HEADER) {
        size_t used, had = u->pending.n;
        if (nk_buf_str(&u->pending, nk_str_sub(in, 0, ZIP_TAIL_MAX)) != NK_OK)
            return no_memory(err);
        NK_TRY(zip_header(u, nk_buf_view(&u->pending), &used, err));
        if (!used)
            return NK_OK;
        in = nk_str_sub(in, used - had, in.n);
        nk_buf_clear(&u->pending);
    }
    if (u->mode == ZIP_DEFLATED)
        NK_TRY(zip_inflate(u, &in, err));
    if (u->mode == ZIP_STORED) {
        size_t n = u->left < in.n ? (size_t)u->left : in.n;
        NK_TRY(give(u, in.p, n, err));
        u->left -= n;
        in = nk_str_sub(in, n, in.n);
        if (!u->left)
            u->mode = ZIP_BEHIND;
    }
    return u->mode == ZIP_BEHIND ? zip_behind(u, in, err) : NK_OK;
}

static nk_code finish_zip(nk_unpack *u, nk_err *err)
{
    return u->mode != ZIP_BEHIND ||
                   (u->pending.n < ZIP_TAIL_MAX &&
                    nk_str_find(nk_buf_view(&u->pending), NK_STR("PK\x05\x06")) < 0)
               ? cut_short("zip", err)
               : NK_OK;
}

/* ---- zstd ---- */

static bool is_zstd(nk_str head, nk_str name)
{
    return nk_str_starts(head, NK_STR("\x28\xb5\x2f\xfd"));
}

static nk_code open_zstd(nk_unpack *u, nk_err *err)
{
    u->zstd = ZSTD_createDStream();
    if (!u->zstd)
        return no_memory(err);
    (void)ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
    u->inside = true;
    return NK_OK;
}

static nk_code feed_zstd(nk_unpack *u, nk_str in, nk_err *err)
{
    ZSTD_inBuffer from = {in.p, in.n, 0};
    for (bool full = true; from.pos < from.size || full;) {
        ZSTD_outBuffer to = {u->out, STEP, 0};
        size_t before = from.pos, rc = ZSTD_decompressStream(u->zstd, &to, &from);
        if (ZSTD_isError(rc))
            return nk_fail(err, NK_E_PARSE, "The zstd data is corrupt: %s", ZSTD_getErrorName(rc));
        full = to.pos == to.size;
        if (from.pos != before || to.pos) /* asked in vain it speaks of the next frame */
            u->inside = rc != 0;
        NK_TRY(give(u, u->out, to.pos, err));
    }
    return NK_OK;
}

static nk_code finish_zstd(nk_unpack *u, nk_err *err)
{
    return u->inside ? cut_short("zstd", err) : NK_OK;
}

/* ---- lz4, the frame format ---- */

static bool is_lz4(nk_str head, nk_str name)
{
    return nk_str_starts(head, NK_STR("\x04\x22\x4d\x18"));
}

static nk_code open_lz4(nk_unpack *u, nk_err *err)
{
    u->inside = true;
    return LZ4F_isError(LZ4F_createDecompressionContext(&u->lz4, LZ4F_VERSION)) ? no_memory(err)
                                                                                : NK_OK;
}

static nk_code feed_lz4(nk_unpack *u, nk_str in, nk_err *err)
{
    size_t at = 0;
    for (bool full = false; at < in.n || full;) {
        size_t n = STEP, used = in.n - at;
        size_t left = LZ4F_decompress(u->lz4, u->out, &n, in.p + at, &used, NULL);
        if (LZ4F_isError(left))
            return nk_fail(err, NK_E_PARSE, "The lz4 data is corrupt: %s", LZ4F_getErrorName(left));
        at += used;
        full = n == STEP && left != 0;
        u->inside = left != 0;
        NK_TRY(give(u, u->out, n, err));
    }
    return NK_OK;
}

static nk_code finish_lz4(nk_unpack *u, nk_err *err)
{
    return u->inside ? cut_short("lz4", err) : NK_OK;
}

/* ---- snappy: its frame format, Hadoop's blocks, one bare block ---- */

enum { SNAPPY_UNKNOWN, SNAPPY_FRAMES, SNAPPY_HADOOP, SNAPPY_BARE };
static const nk_str snappy_mark = {"\xff\x06\0\0sNaPpY", 10};

static uint32_t be32(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static bool is_snappy(nk_str head, nk_str name)
{
    return nk_str_starts(head, snappy_mark) || nk_str_ends(name, NK_STR(".snappy")) ||
           nk_str_ends(name, NK_STR(".sz"));
}

static nk_code snappy_give(nk_unpack *u, nk_str block, size_t *n, nk_err *err)
{
    nk_buf_clear(&u->block);
    NK_TRY(nk_block_snappy(block, &u->block, err));
    *n = u->block.n;
    return give(u, u->block.p, u->block.n, err);
}

/* Blocks of: unpacked size, then chunks (packed size, bytes) until that many came out. */
static bool looks_hadoop(nk_str in)
{
    size_t n;
    uint32_t whole = be32(in.p), packed = be32(in.p + 4);
    return whole <= BLOCK_MAX && packed <= whole + whole / 6 + 64 &&
           snappy_uncompressed_length(in.p + 8, in.n - 8, &n) == SNAPPY_OK && n <= whole;
}

static void snappy_form(nk_unpack *u, bool all)
{
    nk_str in = nk_buf_view(&u->pending);
    if (u->mode != SNAPPY_UNKNOWN || (in.n < 14 && !all))
        return;
    u->mode = nk_str_starts(in, snappy_mark)  ? SNAPPY_FRAMES
              : in.n >= 9 && looks_hadoop(in) ? SNAPPY_HADOOP
                                              : SNAPPY_BARE;
}

static nk_code snappy_frame(nk_unpack *u, nk_str in, size_t *used, nk_err *err)
{
    *used = 0;
    if (in.n < 4)
        return NK_OK;
    unsigned kind = (unsigned char)in.p[0];
    size_t n = le32(in.p) >> 8, got;
    if (kind >= 2 && kind < 0x80)
        return corrupt("snappy", err);
    if (kind < 2 && n < 4)
        return corrupt("snappy", err);
    if (in.n < 4 + n)
        return NK_OK;
    *used = 4 + n;
    if (kind == 0)
        return snappy_give(u, nk_str_n(in.p + 8, n - 4), &got, err);
    return kind == 1 ? give(u, in.p + 8, n - 4, err) : NK_OK;
}

static nk_code snappy_hadoop(nk_unpack *u, nk_str in, size_t *used, nk_err *err)
{
    size_t got;
    *used = 0;
    if (in.n < 4)
        return NK_OK;
    uint32_t n = be32(in.p);
    if (n > BLOCK_MAX)
        return corrupt("snappy", err);
    if (!u->left) {
        u->left = n;
        *used = 4;
        return NK_OK;
    }
    if (in.n < 4 + (size_t)n)
        return NK_OK;
    *used = 4 + (size_t)n;
    NK_TRY(snappy_give(u, nk_str_n(in.p + 4, n), &got, err));
    if (got > u->left)
        return corrupt("snappy", err);
    u->left -= got;
    return NK_OK;
}

static nk_code snappy_run(nk_unpack *u, bool all, nk_err *err)
{
    size_t at = 0, used = 1;
    snappy_form(u, all);
    while (used && (u->mode == SNAPPY_FRAMES || u->mode == SNAPPY_HADOOP)) {
        nk_str in = nk_str_sub(nk_buf_view(&u->pending), at, u->pending.n);
        NK_TRY(u->mode == SNAPPY_FRAMES ? snappy_frame(u, in, &used, err)
                                        : snappy_hadoop(u, in, &used, err));
        at += used;
    }
    if (at) {
        memmove(u->pending.p, u->pending.p + at, u->pending.n - at);
        u->pending.n -= at;
    }
    return NK_OK;
}

static nk_code feed_snappy(nk_unpack *u, nk_str in, nk_err *err)
{
    if (nk_buf_str(&u->pending, in) != NK_OK)
        return nk_fail(err, u->pending.why, "The snappy block is too large to be unpacked");
    return snappy_run(u, false, err);
}

static nk_code finish_snappy(nk_unpack *u, nk_err *err)
{
    size_t n;
    NK_TRY(snappy_run(u, true, err));
    if (u->mode == SNAPPY_BARE)
        return snappy_give(u, nk_buf_view(&u->pending), &n, err);
    return u->pending.n || u->left ? cut_short("snappy", err) : NK_OK;
}

/* ---- blocks ---- */

nk_code nk_block_deflate(nk_str in, nk_buf *out, nk_err *err)
{
    size_t used;
    bool ended = false, full = false;
    NK_TRY(inflate_raw(in, out, &used, &ended, &full, err));
    if (full)
        return nk_fail(err, NK_E_LIMIT, "A block is larger than it may be");
    return ended ? NK_OK : corrupt("deflated", err);
}

nk_code nk_block_snappy(nk_str in, nk_buf *out, nk_err *err)
{
    size_t n;
    if (snappy_uncompressed_length(in.p, in.n, &n) != SNAPPY_OK)
        return corrupt("snappy", err);
    if (n > out->max - out->n)
        return nk_fail(err, NK_E_LIMIT, "A block is larger than it may be");
    char *p = nk_buf_reserve(out, n ? n : 1);
    if (!p)
        return no_memory(err);
    if (snappy_uncompress(in.p, in.n, p, &n) != SNAPPY_OK)
        return corrupt("snappy", err);
    out->n += n;
    return NK_OK;
}

nk_code nk_block_lz4(nk_str in, nk_buf *out, nk_err *err)
{
    /* the block does not say its size: it grows at most 255 times */
    size_t n = in.n > out->max / 255 ? out->max : in.n * 255 + 64;
    if (n > out->max - out->n)
        n = out->max - out->n;
    char *p = nk_buf_reserve(out, n ? n : 1);
    if (!p)
        return no_memory(err);
    int got = LZ4_decompress_safe(in.p, p, (int)in.n, (int)n);
    if (got < 0)
        return corrupt("lz4", err);
    out->n += (size_t)got;
    return NK_OK;
}

nk_code nk_block_zstd(nk_str in, nk_buf *out, nk_err *err)
{
    bool whole = true;
    NK_TRY(nk_codec_head(nk_codec_named(NK_STR("zstd")), in, &whole, out, err));
    return whole ? NK_OK : nk_fail(err, NK_E_LIMIT, "A block is larger than it may be");
}

/* ---- the table ---- */

const nk_codec nk_codecs[] = {
    {"gzip", "gzip, also several members one behind the other", is_gzip, open_gzip, feed_gzip,
     finish_gzip, NULL},
    {"bzip2", "bzip2", is_bzip2, NULL, feed_bzip2, finish_bzip2, close_bzip2},
    {"zip", "a zip archive that holds one file", is_zip, NULL, feed_zip, finish_zip, close_zip},
    {"zstd", "Zstandard", is_zstd, open_zstd, feed_zstd, finish_zstd, NULL},
    {"lz4", "LZ4's frame format", is_lz4, open_lz4, feed_lz4, finish_lz4, NULL},
    {"snappy", "Snappy: its frame format and, by the names *.snappy and *.sz, Hadoop's blocks",
     is_snappy, NULL, feed_snappy, finish_snappy, NULL},
    {.name = NULL},
};

const nk_codec *nk_codec_of(nk_str head, nk_str name)
{
    for (const nk_codec *c = nk_codecs; c->name; c++) {
        if (c->is(head, name))
            return c;
    }
    return NULL;
}

const nk_codec *nk_codec_named(nk_str name)
{
    for (const nk_codec *c = nk_codecs; c->name; c++) {
        if (nk_str_is(name, c->name))
            return c;
    }
    return NULL;
}

/* ---- streams ---- */

nk_code nk_unpack_open(const nk_codec *codec, nk_bytes_fn fn, void *arg, nk_unpack **out,
                       nk_err *err)
{
    nk_unpack *u = *out = nk_calloc(1, sizeof *u);
    if (!u)
        return no_memory(err);
    u->codec = codec;
    u->fn = fn;
    u->arg = arg;
    nk_buf_init(&u->pending, BLOCK_MAX);
    nk_buf_init(&u->block, BLOCK_MAX);
    u->out = nk_malloc(STEP);
    nk_code rc = u->out ? NK_OK : no_memory(err);
    if (rc == NK_OK && codec->open)
        rc = codec->open(u, err);
    if (rc == NK_OK)
        return NK_OK;
    nk_unpack_close(u);
    *out = NULL;
    return rc;
}

nk_code nk_unpack_feed(nk_unpack *u, nk_str bytes, nk_err *err)
{
    while (bytes.n) { /* in steps: the libraries count in 32 bits */
        nk_str step = nk_str_sub(bytes, 0, bytes.n < (1u << 30) ? bytes.n : 1u << 30);
        NK_TRY(u->codec->feed(u, step, err));
        bytes = nk_str_sub(bytes, step.n, bytes.n);
    }
    return NK_OK;
}

nk_code nk_unpack_finish(nk_unpack *u, nk_err *err)
{
    return u->codec->finish(u, err);
}

void nk_unpack_close(nk_unpack *u)
{
    if (!u)
        return;
    if (u->codec->close)
        u->codec->close(u);
    nk_gunzip_close(u->gzip);
    ZSTD_freeDStream(u->zstd);
    LZ4F_freeDecompressionContext(u->lz4);
    nk_buf_free(&u->pending);
    nk_buf_free(&u->block);
    nk_free(u->out);
    nk_free(u);
}

static nk_code collect(void *arg, nk_str bytes, nk_err *err)
{
    nk_buf *b = arg;
    size_t left = b->max - b->n;
    (void)nk_buf_add(b, bytes.p, bytes.n < left ? bytes.n : left);
    if (b->failed)
        return no_memory(err);
    return bytes.n > left ? NK_E_END : NK_OK;
}

nk_code nk_codec_head(const nk_codec *c, nk_str in, bool *whole, nk_buf *out, nk_err *err)
{
    nk_unpack *u;
    NK_TRY(nk_unpack_open(c, collect, out, &u, err));
    nk_code rc = nk_unpack_feed(u, in, err);
    if (rc == NK_OK && *whole)
        rc = nk_unpack_finish(u, err);
    nk_unpack_close(u);
    if (rc != NK_E_END)
        return rc;
    *whole = false;
    return NK_OK;
}
