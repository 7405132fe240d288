#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "cmd/cmd.h"

static const nk_cmd_help help = {
    "nikawa stop [--data DIR] [--timeout SECONDS]",
    "Ends the server of DIR and everything that it has started, and waits until it is gone.",
    "  nikawa stop --data ./data",
};

/* The lock is free once the server is gone, whatever became of its process id. */
static bool gone(const char *dir)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/lock", dir);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT;
    bool free = flock(fd, LOCK_EX | LOCK_NB) == 0;
    close(fd);
    return free;
}

int nk_cmd_stop(int argc, char **argv)
{
    const char *dir = NULL;
    int64_t timeout = 30;
    const nk_opt opts[] = {
        {"data", 'd', NK_OPT_STR, "DIR",
         "the server's folder (default $NIKAWA_DATA, else ./nikawa-data)", &dir, 0, 0},
        {"timeout", 0, NK_OPT_INT, "SECONDS", "how long to wait for it (default 30)", &timeout, 1,
         3600},
        {0},
    };
    int code = nk_opts_parse(&help, opts, false, argc, argv, NULL, NULL);
    if (code >= 0)
        return code;
    nk_err err = NK_ERR_INIT;
    nk_cmd_server s;
    nk_arena *a = nk_arena_create(0);
    if (!a)
        return nk_cmd_failf("out of memory");
    code = 0;
    if (nk_cmd_find_server(dir, a, &s, &err) != NK_OK || gone(s.dir)) {
        /* Nothing to end is what was wanted. */
        printf("no server runs on %s\n", s.dir ? s.dir : "that folder");
    } else if (kill(s.pid, SIGTERM) != 0) {
        code = nk_cmd_failf("cannot end process %d: %s", s.pid, strerror(errno));
    } else {
        int64_t waited = 0;
        while (!gone(s.dir) && waited < timeout * 1000) {
            usleep(20000);
            waited += 20;
        }
        if (gone(s.dir))
            printf("stopped the server of %s (process %d)\n", s.dir, s.pid);
        else
            code = nk_cmd_failf("process %d is still there after %lld seconds", s.pid,
                                (long long)timeout);
    }
    nk_arena_destroy(a);
    return code;
}
