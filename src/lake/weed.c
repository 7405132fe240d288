#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lake/lake_int.h"

#define GRPC_OFFSET 10000
#define PORT_MAX    55000 /* its twin must stay below 65,536 */

static bool port_free(int port)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool ok = bind(fd, (struct sockaddr *)&in, sizeof in) == 0;
    close(fd);
    return ok;
}

nk_code nk_weed_pick_ports(nk_weed_ports *out, nk_err *err)
{
    int *want[] = {&out->master, &out->volume, &out->filer, &out->s3};
    for (size_t i = 0; i < NK_COUNTOF(want); i++) {
        bool good = false;
        for (int try = 0; try < 200 && !good; try++) {
            NK_TRY(nk_free_port(PORT_MAX, want[i], err));
            good = *want[i] > 1024 && port_free(*want[i] + GRPC_OFFSET);
            for (size_t j = 0; j < i && good; j++)
                good = abs(*want[i] - *want[j]) != 0 && abs(*want[i] - *want[j]) != GRPC_OFFSET;
        }
        if (!good)
            return nk_fail(err, NK_E_UNAVAILABLE, "found no free ports for the lake below %d",
                           PORT_MAX);
    }
    return NK_OK;
}

/* vfork, because the child must ask to die with us before it becomes another program, and
 * posix_spawn cannot ask. The child makes system calls only. */
static __attribute__((noinline)) int start(const char *path, char *const argv[], char *const envp[],
                                           const char *cwd, int log_fd, int null_fd, int parent)
{
    int pid = vfork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    dup2(null_fd, 0);
    dup2(log_fd, 1);
    dup2(log_fd, 2);
    if (chdir(cwd) == 0)
        execve(path, argv, envp);
    _exit(127);
}

nk_code nk_weed_spawn(const char *path, char *const argv[], char *const envp[], const char *cwd,
                      int log_fd, int *pid, nk_err *err)
{
    sigset_t all, before;
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0)
        return nk_fail_errno(err, errno, "cannot open /dev/null");
    /* No handler of ours may run in the child while it shares our memory. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    *pid = start(path, argv, envp, cwd, log_fd, null_fd, getpid());
    int e = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(null_fd);
    return *pid > 0 ? NK_OK : nk_fail_errno(err, e, "cannot start %s", path);
}
