#include "pool/frame_int.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pool/pool.h"

static void put_u32(unsigned char out[4], uint32_t v)
{
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(v >> (8 * i));
}

static uint32_t get_u32(const unsigned char in[4])
{
    return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

nk_code nk_frame_put(nk_buf *out, nk_str json, nk_err *err)
{
    unsigned char head[4];
    if (json.n > NK_POOL_FRAME_MAX)
        return nk_fail(err, NK_E_LIMIT, "a frame of %zu bytes is over the limit of %zu", json.n,
                       NK_POOL_FRAME_MAX);
    put_u32(head, (uint32_t)json.n);
    (void)nk_buf_add(out, head, sizeof head);
    (void)nk_buf_str(out, json);
    return nk_buf_check(out, err);
}

int nk_frame_next(const nk_buf *in, size_t *from, nk_str *json)
{
    size_t have = in->n - *from;
    if (have < 4)
        return 0;
    uint32_t n = get_u32((const unsigned char *)in->p + *from);
    if (n > NK_POOL_FRAME_MAX)
        return -1;
    if (have - 4 < n)
        return 0;
    *json = nk_str_n(in->p + *from + 4, n);
    *from += 4 + (size_t)n;
    return 1;
}

ptrdiff_t nk_frame_send_fds(int sock, const void *p, size_t n, const int *fds, size_t n_fds)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int) * 4)];
    } control;
    struct iovec iov = {(void *)(uintptr_t)p, n};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (n_fds > 4) {
        errno = EINVAL;
        return -1;
    }
    if (n_fds) {
        memset(&control, 0, sizeof control);
        m.msg_control = control.room;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
    }
    for (;;) {
        ssize_t sent = sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0 || errno != EINTR)
            return sent;
    }
}

/* One recvmsg; descriptors that came along go to the first free slots, the rest are closed. */
static ssize_t receive(int sock, void *p, size_t n, int *fds, size_t fds_max)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int) * 8)];
    } control;
    struct iovec iov = {p, n};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    m.msg_control = control.room;
    m.msg_controllen = sizeof control.room;
    ssize_t got;
    do
        got = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return got;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0, slot = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            while (slot < fds_max && fds[slot] >= 0)
                slot++;
            if (slot < fds_max)
                fds[slot] = fd;
            else
                close(fd);
        }
    }
    return got;
}

static nk_code read_all(int sock, void *p, size_t n, int *fds, size_t fds_max, nk_err *err)
{
    for (size_t at = 0; at < n;) {
        ssize_t got = receive(sock, (char *)p + at, n - at, fds, fds_max);
        if (got == 0 || (got < 0 && errno == ECONNRESET))
            return nk_fail(err, NK_E_END, "the server has gone away");
        if (got < 0)
            return nk_fail_errno(err, errno, "reading from the server");
        at += (size_t)got;
    }
    return NK_OK;
}

nk_code nk_frame_read(int sock, nk_buf *json, int *fds, size_t fds_max, nk_err *err)
{
    unsigned char head[4];
    for (size_t i = 0; i < fds_max; i++)
        fds[i] = -1;
    NK_TRY(read_all(sock, head, sizeof head, fds, fds_max, err));
    uint32_t n = get_u32(head);
    if (n > NK_POOL_FRAME_MAX)
        return nk_fail(err, NK_E_LIMIT, "a frame of %u bytes is over the limit", (unsigned)n);
    nk_buf_clear(json);
    char *p = nk_buf_reserve(json, (size_t)n + 1);
    if (!p)
        return nk_fail(err, NK_E_NOMEM, "no memory for a frame of %u bytes", (unsigned)n);
    NK_TRY(read_all(sock, p, n, fds, fds_max, err));
    json->n += n;
    json->p[json->n] = 0;
    return NK_OK;
}
