/* Inside the embedded lake: its process. */
#ifndef NK_LAKE_INT_H
#define NK_LAKE_INT_H

#include "lake/lake.h"

typedef struct nk_weed_ports {
    int master, volume, filer, s3;
} nk_weed_ports;

/* Four free ports of 127.0.0.1 whose twins 10,000 higher (gRPC) are free too. */
nk_code nk_weed_pick_ports(nk_weed_ports *out, nk_err *err) NK_MUST;
/* Starts argv with its output going to log_fd, in a process group of its own, dying with the
 * calling thread. */
nk_code nk_weed_spawn(const char *path, char *const argv[], char *const envp[], const char *cwd,
                      int log_fd, int *pid, nk_err *err) NK_MUST;

#endif
