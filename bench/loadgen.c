/* Load generator: plays prepared HTTP/1.1 requests over keep-alive connections from one thread.
 *
 *     loadgen HOST PORT FILE [RATE]
 *
 * FILE is a run of records: u32 connection, u32 request length, u32 expectation length
 * (little-endian), the request's bytes, the expectation's bytes. A connection plays its records in
 * order, one at a time, all connections at once. An answer is right when its status is 200 and, if
 * there is an expectation, its body holds it. With RATE (requests a second over all connections)
 * each request has a moment at which it is due, and its latency counts from then, however late the
 * answer before it was: a server that stalls does not get to hide it. Prints one JSON object;
 * checked_p99_us is that of the requests with an expectation.
 *
 *     loadgen answer PORT BYTES
 *
 * The other end as a bare loop: answers each request with so many bytes and does nothing else,
 * which is what sockets and this generator allow at most. Ends with its standard input. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CONNS_MAX 1024
#define REPLY_MAX (8u << 20)

typedef struct record {
    const char *request, *expect;
    uint32_t request_len, expect_len;
} record;

typedef struct conn {
    int fd;
    record *records;
    size_t n, cap, at;
    size_t sent, got, body_at, body_len;
    char *in;
    size_t in_cap;
    int64_t began_ns;
    int resting; /* the next request is not due yet */
    int closing; /* the server ends the connection after this answer: the next request takes a new
                    one */
} conn;

static conn conns[CONNS_MAX];
static size_t nconns, right, wrong, mismatched, total;
static uint32_t *latency_us, *checked_us; /* of all; of those with an expectation */
static size_t nchecked;
static int64_t start_ns,
    gap_ns; /* between two requests of all connections; 0 = as fast as it goes */
static char first_wrong[512];
static struct sockaddr_in server;
static int ep;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "loadgen: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void load(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) < 0)
        die(path);
    const char *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (p == MAP_FAILED)
        die("mmap");
    const char *end = p + st.st_size;
    while (end - p >= 12) {
        uint32_t head[3];
        memcpy(head, p, 12);
        p += 12;
        if (head[0] >= CONNS_MAX || (size_t)(end - p) < (size_t)head[1] + head[2]) {
            errno = EINVAL;
            die("malformed file");
        }
        conn *c = &conns[head[0]];
        if (head[0] + 1u > nconns)
            nconns = head[0] + 1u;
        if (c->n == c->cap) {
            c->cap = c->cap ? c->cap * 2 : 1024;
            c->records = realloc(c->records, c->cap * sizeof(record));
            if (!c->records)
                die("realloc");
        }
        c->records[c->n++] = (record){p, p + head[1], head[1], head[2]};
        p += head[1] + head[2];
        total++;
    }
    close(fd);
}

static void dial(conn *c)
{
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&server, sizeof server) < 0)
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev) < 0)
        die("epoll");
}

static void push(conn *c)
{
    const record *r = &c->records[c->at];
    if (!c->sent) {
        int64_t now = now_ns();
        c->began_ns =
            gap_ns ? start_ns + ((int64_t)c->at * (int64_t)nconns + (c - conns)) * gap_ns : now;
        c->resting = c->began_ns > now;
        if (c->resting)
            return;
    }
    while (c->sent < r->request_len) {
        ssize_t n = send(c->fd, r->request + c->sent, r->request_len - c->sent, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0)
            die("send");
        c->sent += (size_t)n;
    }
}

/* True when a whole answer lies in c->in. */
static int whole(conn *c)
{
    if (!c->body_at) {
        char *head_end = memmem(c->in, c->got, "\r\n\r\n", 4);
        if (!head_end)
            return 0;
        c->body_at = (size_t)(head_end - c->in) + 4;
        *head_end = 0;
        char *length = strcasestr(c->in, "\r\nContent-Length:");
        c->closing = strcasestr(c->in, "\r\nConnection: close") != NULL;
        c->body_len = length ? strtoul(length + 17, NULL, 10) : 0;
    }
    return c->got >= c->body_at + c->body_len;
}

static void judge(conn *c)
{
    const record *r = &c->records[c->at];
    int ok = memcmp(c->in + 9, "200", 3) == 0;
    if (ok && r->expect_len && !memmem(c->in + c->body_at, c->body_len, r->expect, r->expect_len)) {
        mismatched++;
        ok = 0;
    }
    if (ok)
        right++;
    else if (!wrong++)
        snprintf(first_wrong, sizeof first_wrong, "%.12s %.*s", c->in,
                 c->body_len > 400 ? 400 : (int)c->body_len, c->in + c->body_at);
    uint32_t us = (uint32_t)((now_ns() - c->began_ns) / 1000);
    latency_us[right + wrong - 1] = us;
    if (r->expect_len)
        checked_us[nchecked++] = us;
}

/* Reads what there is; false when the connection has played all it had. */
static int pull(conn *c)
{
    for (;;) {
        if (c->in_cap - c->got < 65536) {
            c->in_cap = c->in_cap ? c->in_cap * 2 : 131072;
            if (c->in_cap > REPLY_MAX || !(c->in = realloc(c->in, c->in_cap)))
                die("answer too large");
        }
        ssize_t n = recv(c->fd, c->in + c->got, c->in_cap - c->got - 1, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return 1;
        if (n <= 0)
            die("the server closed a connection");
        c->got += (size_t)n;
        if (!whole(c))
            continue;
        judge(c);
        c->got = c->sent = c->body_at = c->body_len = 0;
        if (++c->at == c->n)
            return 0;
        if (c->closing) {
            close(c->fd);
            dial(c); /* its first event sends */
            return 1;
        }
        push(c);
    }
}

/* Sends what has become due; how long until the next is, -1 = nothing rests. */
static int64_t send_due(void)
{
    int64_t next = -1, now = gap_ns ? now_ns() : 0;
    for (size_t i = 0; gap_ns && i < nconns; i++) {
        conn *c = &conns[i];
        if (c->resting && c->began_ns <= now)
            push(c);
        if (c->resting && (next < 0 || c->began_ns - now < next))
            next = c->began_ns > now ? c->began_ns - now : 0;
    }
    return next;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* ---- the bare loop ---- */

static void take_connection(int listener)
{
    conn *c = calloc(1, sizeof *c);
    int one = 1;
    if (!c || (c->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) < 0)
        die("accept");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev) < 0)
        die("epoll");
}

static void answer_one(conn *c, const char *reply, size_t n)
{
    if (!c->in && !(c->in = malloc(c->in_cap = 1 << 20)))
        die("malloc");
    ssize_t got = recv(c->fd, c->in + c->got, c->in_cap - c->got - 1, 0);
    if (got <= 0) {
        close(c->fd);
        free(c->in);
        free(c);
        return;
    }
    c->got += (size_t)got;
    if (!whole(c))
        return;
    c->got = c->body_at = c->body_len = 0;
    if (send(c->fd, reply, n, MSG_NOSIGNAL) != (ssize_t)n)
        die("send");
}

static void answer(uint16_t port, size_t bytes)
{
    char *reply = malloc(bytes + 256);
    int n = reply ? sprintf(reply, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", bytes) : 0;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct epoll_event events[256], ev = {.events = EPOLLIN},
                                    in = {.events = EPOLLIN, .data.ptr = &ev};
    inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
    if (!reply || bind(listener, (struct sockaddr *)&at, sizeof at) < 0 ||
        listen(listener, 128) < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev) < 0 ||
        epoll_ctl(ep, EPOLL_CTL_ADD, 0, &in) < 0)
        die("listen");
    memset(reply + n, 'x', bytes);
    for (;;) {
        int k = epoll_wait(ep, events, 256, -1);
        for (int i = 0; i < k; i++) {
            if (events[i].data.ptr == &ev)
                return;
            if (events[i].data.ptr)
                answer_one(events[i].data.ptr, reply, (size_t)n + bytes);
            else
                take_connection(listener);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "answer") == 0) {
        ep = epoll_create1(0);
        answer((uint16_t)strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
        return 0;
    }
    if (argc != 4 && argc != 5) {
        fprintf(stderr, "usage: loadgen HOST PORT FILE [RATE]\n       loadgen answer PORT BYTES\n");
        return 2;
    }
    double rate = argc == 5 ? strtod(argv[4], NULL) : 0;
    gap_ns = rate > 0 ? (int64_t)(1e9 / rate) : 0;
    load(argv[3]);
    latency_us = calloc(total + 1, sizeof *latency_us);
    checked_us = calloc(total + 1, sizeof *checked_us);
    ep = epoll_create1(0);
    server = (struct sockaddr_in){.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10))};
    inet_pton(AF_INET, argv[1], &server.sin_addr);
    size_t open_conns = 0;
    for (size_t i = 0; i < nconns; i++) {
        if (!conns[i].n)
            continue;
        dial(&conns[i]);
        open_conns++;
    }
    start_ns = now_ns();
    struct epoll_event events[256];
    while (open_conns) {
        int64_t rest = send_due();
        int64_t wait = rest < 0 ? (int64_t)30000000000 : rest;
        struct timespec timeout = {wait / 1000000000, wait % 1000000000};
        int n = epoll_pwait2(ep, events, 256, &timeout, NULL);
        if (n == 0 && rest < 0) {
            errno = ETIMEDOUT;
            die("no answer for 30 s");
        }
        for (int i = 0; i < n; i++) {
            conn *c = events[i].data.ptr;
            if (c->at < c->n && !c->resting && c->sent < c->records[c->at].request_len)
                push(c);
            if (c->at < c->n && !pull(c))
                open_conns--;
        }
    }
    double seconds = (double)(now_ns() - start_ns) / 1e9;
    qsort(latency_us, total, sizeof *latency_us, by_value);
    qsort(checked_us, nchecked, sizeof *checked_us, by_value);
    for (char *p = first_wrong; *p; p++)
        if (*p == '"' || *p == '\\' || (unsigned char)*p < 0x20)
            *p = ' ';
    printf("{\"requests\": %zu, \"right\": %zu, \"wrong\": %zu, \"mismatched\": %zu, \"seconds\": "
           "%.6f, "
           "\"rps\": %.1f, \"p50_us\": %u, \"p99_us\": %u, \"max_us\": %u, \"checked_p99_us\": %u, "
           "\"first_wrong\": \"%s\"}\n",
           total, right, wrong, mismatched, seconds, (double)total / seconds, latency_us[total / 2],
           latency_us[total * 99 / 100], latency_us[total - 1], checked_us[nchecked * 99 / 100],
           first_wrong);
    return wrong ? 1 : 0;
}
