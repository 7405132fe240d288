#include "schema/avro_file.h"

#include <zlib.h>

#include "schema/codec.h"

#define ENTRIES_MAX 1000

static nk_code corrupt(nk_err *err, const char *what)
{
    return nk_fail(err, NK_E_PARSE, "The Avro data is corrupt: %s", what);
}

static nk_code too_short(nk_err *err)
{
    return nk_fail(err, NK_E_LIMIT, "The Avro header is longer than what was read of the file");
}

/* 1: there is one, 0: the view ends in it, -1: it is too long. */
static int varint(nk_str *in, int64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (!in->n)
            return 0;
        unsigned char c = (unsigned char)*in->p;
        *in = nk_str_sub(*in, 1, in->n);
        v |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80)) {
            *out = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
            return 1;
        }
    }
    return -1;
}

static nk_code number(nk_str *in, int64_t *out, nk_err *err)
{
    int got = varint(in, out);
    return got > 0   ? NK_OK
           : got < 0 ? nk_fail(err, NK_E_PARSE, "The Avro header is corrupt")
                     : too_short(err);
}

static nk_code text(nk_str *in, nk_str *out, nk_err *err)
{
    int64_t n;
    NK_TRY(number(in, &n, err));
    if (n < 0)
        return nk_fail(err, NK_E_PARSE, "The Avro header is corrupt");
    if ((uint64_t)n > in->n)
        return too_short(err);
    *out = nk_str_sub(*in, 0, (size_t)n);
    *in = nk_str_sub(*in, (size_t)n, in->n);
    return NK_OK;
}

nk_code nk_avro_container(nk_str head, nk_arena *a, nk_avro_metas *out, size_t *size, nk_err *err)
{
    nk_str in = nk_str_sub(head, NK_AVRO_MARK.n, head.n);
    int64_t n, bytes;
    if (!nk_str_starts(head, NK_AVRO_MARK))
        return nk_fail(err, NK_E_PARSE, "Not an Avro file: it does not begin with its mark");
    for (;;) {
        NK_TRY(number(&in, &n, err));
        if (!n)
            break;
        if (n < 0) { /* then the entries' bytes are told, too */
            NK_TRY(number(&in, &bytes, err));
            n = n == INT64_MIN ? INT64_MAX : -n;
        }
        for (; n > 0; n--) {
            if (out->n >= ENTRIES_MAX)
                return nk_fail(err, NK_E_PARSE, "The Avro header has more than %d entries",
                               ENTRIES_MAX);
            nk_avro_meta *m = nk_avro_metas_add(out, a);
            if (!m)
                return nk_fail(err, NK_E_NOMEM, "Out of memory reading an Avro header");
            NK_TRY(text(&in, &m->key, err));
            NK_TRY(text(&in, &m->value, err));
        }
    }
    *size = head.n - in.n;
    return NK_OK;
}

nk_code nk_avro_block(nk_str view, int64_t *records, size_t *stored, size_t *size, nk_err *err)
{
    nk_str in = view;
    int64_t bytes;
    if (varint(&in, records) <= 0 || varint(&in, &bytes) <= 0)
        return corrupt(err, "a value is cut short");
    if (*records < 0 || bytes < 0)
        return corrupt(err, "the size of a block");
    *stored = (size_t)bytes;
    *size = view.n - in.n;
    return NK_OK;
}

/* Snappy's blocks end with a checksum of what they unpack to. */
static nk_code unpack_snappy(nk_str in, nk_buf *out, nk_err *err)
{
    size_t before = out->n;
    if (in.n < 4)
        return corrupt(err, "a block is cut short");
    const unsigned char *sum = (const unsigned char *)in.p + in.n - 4;
    NK_TRY(nk_block_snappy(nk_str_sub(in, 0, in.n - 4), out, err));
    uint32_t want =
        (uint32_t)sum[0] << 24 | (uint32_t)sum[1] << 16 | (uint32_t)sum[2] << 8 | sum[3];
    return crc32(0, (const Bytef *)out->p + before, (uInt)(out->n - before)) == want
               ? NK_OK
               : corrupt(err, "a block differs from its checksum");
}

static nk_code unpack_bzip2(nk_str in, nk_buf *out, nk_err *err)
{
    bool whole = true;
    NK_TRY(nk_codec_head(nk_codec_named(NK_STR("bzip2")), in, &whole, out, err));
    return whole ? NK_OK : nk_fail(err, NK_E_LIMIT, "A block is larger than it may be");
}

static nk_code unpack_null(nk_str in, nk_buf *out, nk_err *err)
{
    if (nk_buf_str(out, in) == NK_OK)
        return NK_OK;
    return nk_fail(err, out->why, "%s",
                   out->why == NK_E_LIMIT ? "A block is larger than it may be"
                                          : "Out of memory unpacking a block");
}

static const struct {
    const char *name;
    nk_code (*unpack)(nk_str in, nk_buf *out, nk_err *err);
} codecs[] = {
    {"null", unpack_null},        {"deflate", nk_block_deflate}, {"snappy", unpack_snappy},
    {"zstandard", nk_block_zstd}, {"bzip2", unpack_bzip2},
};

nk_code nk_avro_unpack(nk_str codec, nk_str packed, nk_buf *out, nk_err *err)
{
    for (size_t i = 0; i < NK_COUNTOF(codecs); i++)
        if (nk_str_is(codec, codecs[i].name))
            return codecs[i].unpack(packed, out, err);
    return nk_fail(err, NK_E_UNSUPPORTED, "The Avro codec \"%.*s\" is not known",
                   NK_STR_ARG(codec));
}
