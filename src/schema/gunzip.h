/* gzip as a stream: bytes in, bytes out by callback. Several members one behind the other are one
 * file. */
#ifndef NK_GUNZIP_H
#define NK_GUNZIP_H

#include "base/base.h"

/* bytes borrowed until it returns; NK_E_END ends the reading early without error. */
typedef nk_code (*nk_bytes_fn)(void *arg, nk_str bytes, nk_err *err);

static inline bool nk_is_gzip(nk_str head)
{
    return head.n >= 3 && (unsigned char)head.p[0] == 0x1f && (unsigned char)head.p[1] == 0x8b &&
           head.p[2] == 8;
}

typedef struct nk_gunzip nk_gunzip;
nk_gunzip *nk_gunzip_open(nk_bytes_fn fn, void *arg); /* NULL when memory is gone */
/* NK_E_PARSE when the data is not gzip or corrupt (zeros behind the last member are padding), or
 * what fn returned. */
nk_code nk_gunzip_feed(nk_gunzip *g, nk_str bytes, nk_err *err) NK_MUST;
/* NK_E_PARSE "ends in the middle of a gzip member" when cut short. */
nk_code nk_gunzip_finish(nk_gunzip *g, nk_err *err) NK_MUST;
void nk_gunzip_close(nk_gunzip *g);

#endif
