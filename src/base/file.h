/* Files and small threads' helpers. */
#ifndef NK_FILE_H
#define NK_FILE_H

#include "base/buf.h"

/* Whole file into the arena (NUL-terminated); at most max bytes. NK_E_NOT_FOUND when there is none.
 */
nk_code nk_file_read(const char *path, size_t max, nk_arena *a, nk_str *out, nk_err *err) NK_MUST;
/* Atomic replace: a temporary beside it, fsync, rename, fsync of the folder. mode e.g. 0600. */
nk_code nk_file_write(const char *path, nk_str data, unsigned mode, nk_err *err) NK_MUST;
/* mkdir -p. */
nk_code nk_file_mkdirs(const char *path, unsigned mode, nk_err *err) NK_MUST;
bool nk_file_exists(const char *path);
/* rm -rf of one tree; refuses "", "/" and relative paths with "..". */
nk_code nk_file_remove_tree(const char *path, nk_err *err) NK_MUST;
/* All of n bytes to a descriptor, over EINTR and short writes. */
nk_code nk_fd_write_all(int fd, const void *p, size_t n, nk_err *err) NK_MUST;
/* A free TCP port of 127.0.0.1 at or below max (0 = any). */
nk_code nk_free_port(int max, int *port, nk_err *err) NK_MUST;

#endif
