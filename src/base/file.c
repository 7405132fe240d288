#include "base/file.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/env.h"

nk_code nk_file_read(const char *path, size_t max, nk_arena *a, nk_str *out, nk_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? nk_fail(err, NK_E_NOT_FOUND, "%s: no such file", path)
                               : nk_fail_errno(err, errno, "%s", path);
    nk_buf b;
    nk_buf_init(&b, max);
    nk_code rc = NK_OK;
    for (;;) {
        size_t room = max - b.n < 65536 ? max - b.n : 65536;
        char extra;
        char *p = room ? nk_buf_reserve(&b, room) : &extra;
        if (!p) {
            rc = nk_fail(err, NK_E_NOMEM, "%s: out of memory", path);
            break;
        }
        ssize_t got = read(fd, p, room ? room : 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            rc = nk_fail_errno(err, errno, "%s", path);
        else if (got > 0 && !room)
            rc = nk_fail(err, NK_E_LIMIT, "%s: larger than %zu bytes", path, max);
        if (rc != NK_OK || got == 0)
            break;
        b.n += (size_t)got;
    }
    close(fd);
    if (rc == NK_OK) {
        *out = nk_buf_dup(&b, a);
        if (!out->p)
            rc = nk_fail(err, NK_E_NOMEM, "%s: out of memory", path);
    }
    nk_buf_free(&b);
    return rc;
}

nk_code nk_fd_write_all(int fd, const void *p, size_t n, nk_err *err)
{
    const char *c = p;
    while (n) {
        ssize_t put = write(fd, c, n);
        if (put < 0) {
            if (errno == EINTR)
                continue;
            return nk_fail_errno(err, errno, "write");
        }
        c += put;
        n -= (size_t)put;
    }
    return NK_OK;
}

static nk_code sync_parent(const char *path, nk_err *err)
{
    char dir[4096];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (n >= sizeof dir)
        return nk_fail(err, NK_E_INVALID, "path too long");
    memcpy(dir, path, n);
    dir[n] = 0;
    int fd = open(slash ? (n ? dir : "/") : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return nk_fail_errno(err, errno, "%s", dir);
    int bad = fsync(fd) < 0 && errno != EINVAL ? errno : 0;
    close(fd);
    return bad ? nk_fail_errno(err, bad, "fsync %s", dir) : NK_OK;
}

nk_code nk_file_write(const char *path, nk_str data, unsigned mode, nk_err *err)
{
    char tmp[4096], tag[17];
    NK_TRY(nk_random_hex(nk_env_real(), tag, 8));
    if ((size_t)snprintf(tmp, sizeof tmp, "%s.%s.tmp", path, tag) >= sizeof tmp)
        return nk_fail(err, NK_E_INVALID, "path too long");
    int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return nk_fail_errno(err, errno, "%s", tmp);
    nk_code rc = NK_OK;
    if (fchmod(fd, mode) < 0) /* whatever the umask says */
        rc = nk_fail_errno(err, errno, "%s", tmp);
    if (rc == NK_OK)
        rc = nk_fd_write_all(fd, data.p, data.n, err);
    if (rc == NK_OK && fsync(fd) < 0)
        rc = nk_fail_errno(err, errno, "fsync %s", tmp);
    if (close(fd) < 0 && rc == NK_OK)
        rc = nk_fail_errno(err, errno, "close %s", tmp);
    if (rc == NK_OK && rename(tmp, path) < 0)
        rc = nk_fail_errno(err, errno, "%s", path);
    if (rc != NK_OK) {
        unlink(tmp);
        return rc;
    }
    return sync_parent(path, err);
}

nk_code nk_file_mkdirs(const char *path, unsigned mode, nk_err *err)
{
    char p[4096];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof p)
        return nk_fail(err, NK_E_INVALID, "not a usable path: \"%.200s\"", path);
    memcpy(p, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (p[i] != '/' && p[i] != 0)
            continue;
        char keep = p[i];
        p[i] = 0;
        if (mkdir(p, mode) < 0 && errno != EEXIST)
            return nk_fail_errno(err, errno, "mkdir %s", p);
        p[i] = keep;
    }
    struct stat st;
    if (stat(p, &st) < 0)
        return nk_fail_errno(err, errno, "%s", p);
    if (!S_ISDIR(st.st_mode))
        return nk_fail(err, NK_E_IO, "%s is not a folder", p);
    return NK_OK;
}

bool nk_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* Never follows a link: works relative to open folders. */
static nk_code remove_in(int parent, const char *name, int depth, nk_err *err)
{
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return NK_OK;
    if (errno != EISDIR && errno != EPERM)
        return nk_fail_errno(err, errno, "remove %s", name);
    if (depth > 512)
        return nk_fail(err, NK_E_LIMIT, "remove %s: too deep", name);
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        int e = errno;
        if (fd >= 0)
            close(fd);
        return nk_fail_errno(err, e, "remove %s", name);
    }
    nk_code rc = NK_OK;
    struct dirent *e;
    while (rc == NK_OK && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            rc = remove_in(fd, e->d_name, depth + 1, err);
    }
    closedir(d);
    if (rc == NK_OK && unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        rc = nk_fail_errno(err, errno, "remove %s", name);
    return rc;
}

nk_code nk_file_remove_tree(const char *path, nk_err *err)
{
    nk_str rest = nk_str_c(path), piece;
    bool named = false;
    while (nk_str_split(&rest, '/', &piece)) {
        if (nk_str_is(piece, ".."))
            return nk_fail(err, NK_E_INVALID, "refusing to remove \"%s\"", path);
        named |= piece.n && !nk_str_is(piece, ".");
    }
    if (!named)
        return nk_fail(err, NK_E_INVALID, "refusing to remove \"%s\"", path);
    return remove_in(AT_FDCWD, path, 0, err);
}

static bool try_port(int want, int *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)want),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    bool ok = bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0 && listen(fd, 1) == 0 &&
              getsockname(fd, (struct sockaddr *)&sa, &len) == 0;
    close(fd);
    *port = ntohs(sa.sin_port);
    return ok;
}

nk_code nk_free_port(int max, int *port, nk_err *err)
{
    if (max <= 0) {
        if (try_port(0, port))
            return NK_OK;
        return nk_fail(err, NK_E_UNAVAILABLE, "no free TCP port on 127.0.0.1");
    }
    int min = max > 20000 ? 20000 : 1024;
    if (max > 65535)
        max = 65535;
    for (int i = 0; i < 4096 && max >= min; i++) {
        uint32_t r;
        NK_TRY(nk_env_real()->random(NULL, &r, sizeof r));
        if (try_port(min + (int)(r % (uint32_t)(max - min + 1)), port))
            return NK_OK;
    }
    return nk_fail(err, NK_E_UNAVAILABLE, "no free TCP port at or below %d on 127.0.0.1", max);
}
