/* Memory: the anonymous memory of every process of a run's tree, added up from /proc. */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <unistd.h>

#include "pool/pool_int.h"

#define PIDS_MAX      8192
#define WATCH_SLOW_US 50000
#define WATCH_FAST_US 10000
#define SCAN_US       200000

typedef struct proc {
    pid_t pid, parent;
} proc;

/* The whole process table as it was at the last scan; only the pool's thread touches it. */
static proc procs[PIDS_MAX];
static size_t n_procs;

static ssize_t read_small(const char *path, char *out, size_t max)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, out, max - 1);
    close(fd);
    if (n >= 0)
        out[n] = 0;
    return n;
}

static void scan_processes(void)
{
    DIR *d = opendir("/proc");
    n_procs = 0;
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d)) && n_procs < PIDS_MAX;) {
        char path[64], text[512];
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        snprintf(path, sizeof path, "/proc/%.20s/stat", e->d_name);
        if (read_small(path, text, sizeof text) <= 0)
            continue;
        /* pid (name) state ppid: the name may hold anything, so look for its last parenthesis. */
        const char *p = strrchr(text, ')');
        int parent;
        if (p && sscanf(p + 1, " %*c %d", &parent) == 1)
            procs[n_procs++] = (proc){(pid_t)strtol(e->d_name, NULL, 10), parent};
    }
    closedir(d);
}

static uint64_t process_memory(pid_t pid)
{
    char path[64], text[256];
    unsigned long long resident, shared;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    if (read_small(path, text, sizeof text) <= 0 ||
        sscanf(text, "%*u %llu %llu", &resident, &shared) != 2)
        return 0;
    return (resident > shared ? resident - shared : 0) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t tree_memory(pid_t root)
{
    pid_t tree[512];
    size_t n = 1;
    uint64_t sum = 0;
    tree[0] = root;
    for (size_t i = 0; i < n; i++) {
        sum += process_memory(tree[i]);
        for (size_t k = 0; k < n_procs && n < NK_COUNTOF(tree); k++)
            if (procs[k].parent == tree[i])
                tree[n++] = procs[k].pid;
    }
    return sum;
}

uint64_t nk_pool_machine_memory(void)
{
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

void nk_pool_watch(nk_pool *p, int64_t now)
{
    bool hurry = false;
    if (now >= p->scan_us) {
        scan_processes();
        p->scan_us = now + SCAN_US;
    }
    for (worker *w = p->workers; w; w = w->next) {
        if (!w->run || w->ended || w->killed || !w->limit)
            continue;
        uint64_t sum = tree_memory(w->pid);
        if (sum > w->peak)
            w->peak = sum;
        if (sum > w->limit) {
            w->oom = true;
            nk_pool_kill_worker(w);
        } else if (sum > w->limit / 2 || sum > w->last_rss + (w->limit >> 4)) {
            hurry = true;
        }
        w->last_rss = sum;
    }
    p->watch_us = p->n_running ? now + (hurry ? WATCH_FAST_US : WATCH_SLOW_US) : 0;
}
