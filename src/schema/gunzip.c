#include "schema/gunzip.h"

#include <zlib.h>

struct nk_gunzip {
    z_stream z;
    nk_bytes_fn fn;
    void *arg;
    bool inside;  /* a member has begun and not ended */
    bool members; /* at least one has ended */
    bool padding; /* zeros behind the last member */
    char out[64 << 10];
};

nk_gunzip *nk_gunzip_open(nk_bytes_fn fn, void *arg)
{
    nk_gunzip *g = nk_calloc(1, sizeof *g);
    if (!g)
        return NULL;
    g->fn = fn;
    g->arg = arg;
    if (inflateInit2(&g->z, 16 + MAX_WBITS) != Z_OK) {
        nk_free(g);
        return NULL;
    }
    return g;
}

void nk_gunzip_close(nk_gunzip *g)
{
    if (!g)
        return;
    inflateEnd(&g->z);
    nk_free(g);
}

static nk_code corrupt(nk_gunzip *g, nk_err *err)
{
    return nk_fail(err, NK_E_PARSE, "The gzip data is corrupt: %s",
                   g->z.msg ? g->z.msg : "unexpected bytes");
}

/* Between members: padding, or the first byte of the next one. */
static nk_code next_member(nk_gunzip *g, nk_err *err)
{
    while (g->z.avail_in && *g->z.next_in == 0 && g->members) {
        g->padding = true;
        g->z.next_in++;
        g->z.avail_in--;
    }
    if (!g->z.avail_in)
        return NK_OK;
    if (g->padding)
        return nk_fail(err, NK_E_PARSE, "The gzip data is corrupt: bytes behind its padding");
    if (g->members && inflateReset(&g->z) != Z_OK)
        return corrupt(g, err);
    g->inside = true;
    return NK_OK;
}

nk_code nk_gunzip_feed(nk_gunzip *g, nk_str bytes, nk_err *err)
{
    while (bytes.n) {
        size_t part = bytes.n > (1u << 30) ? (1u << 30) : bytes.n;
        g->z.next_in = (Bytef *)(uintptr_t)bytes.p;
        g->z.avail_in = (uInt)part;
        bytes = nk_str_sub(bytes, part, bytes.n);
        for (bool full = true; g->z.avail_in || (g->inside && full);) {
            if (!g->inside) {
                NK_TRY(next_member(g, err));
                if (!g->inside)
                    break;
            }
            g->z.next_out = (Bytef *)g->out;
            g->z.avail_out = sizeof g->out;
            int rc = inflate(&g->z, Z_NO_FLUSH);
            if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
                return rc == Z_MEM_ERROR ? nk_fail(err, NK_E_NOMEM, "Out of memory reading gzip")
                                         : corrupt(g, err);
            size_t got = sizeof g->out - g->z.avail_out;
            full = g->z.avail_out == 0;
            if (rc == Z_STREAM_END) {
                g->inside = false;
                g->members = true;
            }
            if (got)
                NK_TRY(g->fn(g->arg, nk_str_n(g->out, got), err));
        }
    }
    return NK_OK;
}

nk_code nk_gunzip_finish(nk_gunzip *g, nk_err *err)
{
    if (g->inside || !g->members)
        return nk_fail(err, NK_E_PARSE,
                       g->inside ? "The file ends in the middle of its gzip data"
                                 : "The file holds no gzip data");
    return NK_OK;
}
