/* Frames: u32 little-endian length, then that many bytes of JSON. Inside the pool only. */
#ifndef NK_POOL_FRAME_INT_H
#define NK_POOL_FRAME_INT_H

#include "base/base.h"

/* Adds one frame to an output buffer. */
nk_code nk_frame_put(nk_buf *out, nk_str json, nk_err *err) NK_MUST;
/* Cuts the next whole frame off in->p[*from…]: 1 and *json (borrowed from the buffer), 0 when more
 * bytes are needed, -1 when the length is over NK_POOL_FRAME_MAX. */
int nk_frame_next(const nk_buf *in, size_t *from, nk_str *json);
/* Sends with descriptors attached (n_fds may be 0); returns bytes sent, or -1 with errno. */
ptrdiff_t nk_frame_send_fds(int sock, const void *p, size_t n, const int *fds, size_t n_fds);
/* Blocking read of one frame, for workers. fds[0..fds_max) take descriptors that came along (-1
 * when none). NK_E_END at the end of the stream. */
nk_code nk_frame_read(int sock, nk_buf *json, int *fds, size_t fds_max, nk_err *err) NK_MUST;

#endif
