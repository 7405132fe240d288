#include "schema/codec.h"

#include <bzlib.h>
#include <lz4.h>
#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#include "schema/gunzip.h"

#define STEP            ((size_t)64 << 10)
#define ZSTD_WINDOW_LOG 25 /* 32 MiB of memory at most */

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

/* ---- gzip ---- */

static bool is_gzip(nk_str head, nk_str name)
{
    return nk_is_gzip(head);
}

static nk_code collect(void *arg, nk_str bytes, nk_err *err)
{
    nk_buf *b = arg;
    size_t left = b->max - b->n;
    nk_buf_add(b, bytes.p, bytes.n < left ? bytes.n : left);
    if (b->failed)
        return no_memory(err);
    return bytes.n >= left ? NK_E_END : NK_OK;
}

static nk_code head_gzip(nk_str in, bool *whole, nk_buf *out, nk_err *err)
{
    nk_gunzip *g = nk_gunzip_open(collect, out);
    if (!g)
        return no_memory(err);
    nk_code rc = nk_gunzip_feed(g, in, err);
    if (rc == NK_OK && *whole)
        rc = nk_gunzip_finish(g, err);
    nk_gunzip_close(g);
    if (rc != NK_E_END)
        return rc;
    *whole = false;
    return NK_OK;
}

/* ---- bzip2 ---- */

static bool is_bzip2(nk_str head, nk_str name)
{
    return head.n >= 10 && memcmp(head.p, "BZh", 3) == 0 && head.p[3] >= '1' && head.p[3] <= '9' &&
           (memcmp(head.p + 4, "1AY&SY", 6) == 0 ||
            memcmp(head.p + 4, "\x17\x72\x45\x38\x50\x90", 6) == 0);
}

static nk_code head_bzip2(nk_str in, bool *whole, nk_buf *out, nk_err *err)
{
    bz_stream z = {.next_in = (char *)(uintptr_t)in.p, .avail_in = (unsigned)in.n};
    bool full = false, open = false, ended = false;
    nk_code rc = NK_OK;
    while (rc == NK_OK && !full) {
        if (!open) {
            if (!z.avail_in)
                break;
            /* several streams one behind the other are one file */
            bz_stream next = {.next_in = z.next_in, .avail_in = z.avail_in};
            z = next;
            if (BZ2_bzDecompressInit(&z, 0, 0) != BZ_OK)
                return no_memory(err);
            open = true;
            ended = false;
        }
        size_t n;
        char *p = room(out, &n, &full);
        if (!p) {
            rc = full ? NK_OK : no_memory(err);
            break;
        }
        z.next_out = p;
        z.avail_out = (unsigned)n;
        unsigned before = z.avail_in;
        int code = BZ2_bzDecompress(&z);
        out->n += n - z.avail_out;
        if (code == BZ_STREAM_END) {
            BZ2_bzDecompressEnd(&z);
            open = false;
            ended = true;
        } else if (code != BZ_OK) {
            rc = code == BZ_MEM_ERROR ? no_memory(err) : corrupt("bzip2", err);
        } else if (!z.avail_in && z.avail_out && before == 0) {
            break; /* more input is wanted */
        }
    }
    if (open)
        BZ2_bzDecompressEnd(&z);
    if (rc == NK_OK && *whole && !full && !ended)
        rc = cut_short("bzip2", err);
    *whole &= !full;
    return rc;
}

/* ---- zip of one file ---- */

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

static nk_code head_zip(nk_str in, bool *whole, nk_buf *out, nk_err *err)
{
    if (in.n < 30)
        return cut_short("zip", err);
    unsigned flags = le16(in.p + 6), method = le16(in.p + 8);
    size_t size = le32(in.p + 18), from = 30 + (size_t)le16(in.p + 26) + le16(in.p + 28);
    if (flags & 1)
        return nk_fail(err, NK_E_PARSE, "The zip file is encrypted");
    if (method != 0 && method != 8)
        return nk_fail(err, NK_E_PARSE,
                       "The zip file's method %u is not known (stored and deflated are)", method);
    if (from > in.n)
        return cut_short("zip", err);
    nk_str body = nk_str_sub(in, from, in.n);
    bool ended = false, full = false;
    size_t used = 0;
    if (method == 8) {
        NK_TRY(inflate_raw(body, out, &used, &ended, &full, err));
    } else {
        size_t n = size < body.n ? size : body.n;
        full = n > out->max - out->n;
        if (nk_buf_add(out, body.p, full ? out->max - out->n : n) != NK_OK)
            return no_memory(err);
        used = n;
        ended = n == size;
    }
    /* behind the data stands a directory, and its end */
    if (*whole && !full &&
        (!ended || nk_str_find(nk_str_sub(body, used, body.n), NK_STR("PK\x05\x06")) < 0))
        return cut_short("zip", err);
    nk_str rest = nk_str_sub(body, used, body.n);
    if (ended && (flags & 8) && rest.n >= 12) /* a data descriptor, with or without its mark */
        rest = nk_str_sub(rest, nk_str_starts(rest, NK_STR("PK\x07\x08")) ? 16 : 12, rest.n);
    if (ended && is_zip(rest, NK_STR("")))
        return nk_fail(err, NK_E_PARSE, "The zip file holds several files; only one is read");
    *whole = ended && !full;
    return NK_OK;
}

/* ---- zstd ---- */

static bool is_zstd(nk_str head, nk_str name)
{
    return nk_str_starts(head, NK_STR("\x28\xb5\x2f\xfd"));
}

static nk_code head_zstd(nk_str in, bool *whole, nk_buf *out, nk_err *err)
{
    ZSTD_DStream *z = ZSTD_createDStream();
    ZSTD_inBuffer from = {in.p, in.n, 0};
    bool full = false;
    size_t left = 1;
    nk_code rc = z ? NK_OK : no_memory(err);
    if (rc == NK_OK)
        (void)ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
    while (rc == NK_OK && !full) {
        size_t n;
        char *p = room(out, &n, &full);
        if (!p) {
            rc = full ? NK_OK : no_memory(err);
            break;
        }
        ZSTD_outBuffer to = {p, n, 0};
        size_t at = from.pos;
        left = ZSTD_decompressStream(z, &to, &from);
        out->n += to.pos;
        if (ZSTD_isError(left))
            rc = nk_fail(err, NK_E_PARSE, "The zstd data is corrupt: %s", ZSTD_getErrorName(left));
        else if (from.pos == from.size && (left == 0 || (to.pos == 0 && at == from.pos)))
            break;
    }
    ZSTD_freeDStream(z);
    if (rc == NK_OK && *whole && !full && left != 0)
        rc = cut_short("zstd", err);
    *whole &= !full;
    return rc;
}

/* ---- lz4, the frame format ---- */

static bool is_lz4(nk_str head, nk_str name)
{
    return nk_str_starts(head, NK_STR("\x04\x22\x4d\x18"));
}

static nk_code head_lz4(nk_str in, bool *whole, nk_buf *out, nk_err *err)
{
    LZ4F_dctx *z = NULL;
    bool full = false;
    size_t at = 0, left = 1;
    nk_code rc =
        LZ4F_isError(LZ4F_createDecompressionContext(&z, LZ4F_VERSION)) ? no_memory(err) : NK_OK;
    while (rc == NK_OK && !full) {
        size_t n, used = in.n - at;
        char *p = room(out, &n, &full);
        if (!p) {
            rc = full ? NK_OK : no_memory(err);
            break;
        }
        left = LZ4F_decompress(z, p, &n, in.p + at, &used, NULL);
        if (LZ4F_isError(left)) {
            rc = nk_fail(err, NK_E_PARSE, "The lz4 data is corrupt: %s", LZ4F_getErrorName(left));
            break;
        }
        out->n += n;
        at += used;
        if (at == in.n && (left == 0 || (!n && !used)))
            break;
    }
    LZ4F_freeDecompressionContext(z);
    if (rc == NK_OK && *whole && !full && left != 0)
        rc = cut_short("lz4", err);
    *whole &= !full;
    return rc;
}

/* ---- snappy: its frame format, Hadoop's blocks ---- */

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

/* Whether one more block fits; *full when not. */
static nk_code snappy_block(nk_str in, nk_buf *out, bool *full, nk_err *err)
{
    size_t n;
    if (snappy_uncompressed_length(in.p, in.n, &n) != SNAPPY_OK)
        return corrupt("snappy", err);
    *full = n > out->max - out->n;
    return *full ? NK_OK : nk_block_snappy(in, out, err);
}

static nk_code snappy_frames(nk_str in, bool *whole, nk_buf *out, nk_err *err)
{
    bool full = false;
    size_t at = 0;
    while (at + 4 <= in.n && !full) {
        unsigned kind = (unsigned char)in.p[at];
        size_t n = le32(in.p + at) >> 8;
        if (at + 4 + n > in.n)
            break;
        nk_str body = nk_str_n(in.p + at + 4, n);
        if (kind < 2 && n < 4)
            return corrupt("snappy", err);
        if (kind == 0) {
            NK_TRY(snappy_block(nk_str_sub(body, 4, n), out, &full, err));
        } else if (kind == 1) {
            full = n - 4 > out->max - out->n;
            if (!full && nk_buf_add(out, body.p + 4, n - 4) != NK_OK)
                return no_memory(err);
        } else if (kind < 0x80) {
            return corrupt("snappy", err);
        }
        at += 4 + n;
    }
    if (*whole && !full && at != in.n)
        return cut_short("snappy", err);
    *whole &= !full;
    return NK_OK;
}

/* Blocks of: unpacked size, then chunks (packed size, bytes) until that many came out. */
static nk_code snappy_hadoop(nk_str in, bool *whole, nk_buf *out, nk_err *err)
{
    bool full = false;
    size_t at = 0, left = 0;
    while (at < in.n && !full) {
        if (at + 4 > in.n)
            break;
        uint32_t n = be32(in.p + at);
        if (!left) {
            left = n;
            at += 4;
            continue;
        }
        if (at + 4 + (size_t)n > in.n)
            break;
        size_t before = out->n;
        NK_TRY(snappy_block(nk_str_n(in.p + at + 4, n), out, &full, err));
        if (!full && out->n - before > left)
            return corrupt("snappy", err);
        left -= full ? 0 : out->n - before;
        at += 4 + (size_t)n;
    }
    if (*whole && !full && (at != in.n || left))
        return cut_short("snappy", err);
    *whole &= !full;
    return NK_OK;
}

static nk_code head_snappy(nk_str in, bool *whole, nk_buf *out, nk_err *err)
{
    if (nk_str_starts(in, snappy_mark))
        return snappy_frames(in, whole, out, err);
    size_t n;
    if (*whole && in.n && snappy_uncompressed_length(in.p, in.n, &n) == SNAPPY_OK &&
        snappy_validate_compressed_buffer(in.p, in.n) == SNAPPY_OK) {
        bool full = false; /* one bare block */
        NK_TRY(snappy_block(in, out, &full, err));
        *whole = !full;
        return full ? nk_fail(err, NK_E_LIMIT, "The snappy block is too large to be unpacked")
                    : NK_OK;
    }
    return snappy_hadoop(in, whole, out, err);
}

/* ---- blocks ---- */

nk_code nk_block_deflate(nk_str in, nk_buf *out, nk_err *err)
{
    size_t used;
    bool ended, full;
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
    NK_TRY(head_zstd(in, &whole, out, err));
    return whole ? NK_OK : nk_fail(err, NK_E_LIMIT, "A block is larger than it may be");
}

/* ---- the table ---- */

const nk_codec nk_codecs[] = {
    {"gzip", "gzip, also several members one behind the other", is_gzip, head_gzip},
    {"bzip2", "bzip2", is_bzip2, head_bzip2},
    {"zip", "a zip archive that holds one file", is_zip, head_zip},
    {"zstd", "Zstandard", is_zstd, head_zstd},
    {"lz4", "LZ4's frame format", is_lz4, head_lz4},
    {"snappy", "Snappy: its frame format and, by the names *.snappy and *.sz, Hadoop's blocks",
     is_snappy, head_snappy},
    {NULL, NULL, NULL, NULL},
};

const nk_codec *nk_codec_of(nk_str head, nk_str name)
{
    for (const nk_codec *c = nk_codecs; c->name; c++) {
        if (c->is(head, name))
            return c;
    }
    return NULL;
}
