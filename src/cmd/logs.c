/* nikawa logs: what runs have printed, from the files under DIR/logs/jobs. Needs no server. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/state_int.h"
#include "job/job.h"

#define POLL_US 30000

static const nk_cmd_help help = {
    "nikawa logs [-f] [--data DIR] [RUN_ID | JOB]",
    "Shows what a run has printed, stdout and stderr; of a job, its newest run. With -f it follows "
    "until the run\n"
    "has ended, through its retries, and exits with 0 only if it succeeded. Alone it lists the "
    "newest runs.",
    "  nikawa logs                      # the newest runs\n"
    "  nikawa logs -f my-job            # follow the newest run of a job",
};

/* What DIR/logs/jobs/RUN/run.json says. */
typedef struct about {
    const char *id, *job, *state, *error, *next; /* state "": has not ended */
    int64_t started_us;
} about;

static bool read_about(const char *root, const char *id, nk_arena *a, about *out)
{
    nk_str text;
    nk_json *j;
    const char *path = nk_arena_printf(a, "%s/%s/run.json", root, id);
    if (!path || nk_file_read(path, 1 << 20, a, &text, NULL) != NK_OK ||
        nk_json_parse(text, a, 0, &j, NULL) != NK_OK)
        return false;
    *out = (about){.id = nk_arena_strdup(a, id),
                   .job = nk_str_dup(a, nk_json_str(j, "job")).p,
                   .state = nk_str_dup(a, nk_json_str(j, "state")).p,
                   .error = nk_str_dup(a, nk_json_str(j, "error")).p,
                   .next = nk_str_dup(a, nk_json_str(j, "next")).p,
                   .started_us = nk_json_i64(j, "started_us", 0)};
    return true;
}

NK_LIST(abouts, about);

static int newest_first(const void *x, const void *y)
{
    int64_t a = ((const about *)x)->started_us, b = ((const about *)y)->started_us;
    return (a < b) - (a > b);
}

static void read_all(const char *root, nk_arena *a, abouts *out)
{
    DIR *d = opendir(root);
    about one;
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.' && read_about(root, e->d_name, a, &one)) {
            about *to = abouts_add(out, a);
            if (to)
                *to = one;
        }
    closedir(d);
    if (out->n)
        qsort(out->v, out->n, sizeof *out->v, newest_first);
}

static int list_runs(const char *root, nk_arena *a)
{
    abouts all = {0};
    read_all(root, a, &all);
    if (!all.n) {
        printf("no run has been started under %s\n", root);
        return 0;
    }
    for (size_t i = 0; i < all.n && i < 30; i++) {
        time_t t = (time_t)(all.v[i].started_us / 1000000);
        struct tm tm;
        char when[32];
        strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", localtime_r(&t, &tm));
        printf("%s  %-9s  %-24s  %s\n", when,
               all.v[i].state && *all.v[i].state ? all.v[i].state : "running", all.v[i].job,
               all.v[i].id);
        if (all.v[i].error && *all.v[i].error)
            printf("%21s%s\n", "", all.v[i].error);
    }
    return 0;
}

/* ---- showing one run ---- */

typedef struct stream {
    char path[4200];
    int fd; /* -1 until the file is there */
    off_t at;
    bool red;
} stream;

/* Prints what has been added; a log that was cut has a hole. Returns whether anything came. */
static bool show_more(stream *s, bool colour)
{
    char buf[65536];
    bool any = false;
    if (s->fd < 0 && (s->fd = open(s->path, O_RDONLY | O_CLOEXEC)) < 0)
        return false;
    for (;;) {
        off_t data = lseek(s->fd, s->at, SEEK_DATA);
        if (data > s->at) {
            printf("\n[... %lld bytes were left out: the log reached its limit ...]\n",
                   (long long)(data - s->at));
            s->at = data;
        }
        ssize_t n = pread(s->fd, buf, sizeof buf, s->at);
        if (n <= 0)
            break;
        s->at += n;
        any = true;
        if (colour && s->red)
            fputs("\033[31m", stdout);
        fwrite(buf, 1, (size_t)n, stdout);
        if (colour && s->red)
            fputs("\033[0m", stdout);
    }
    if (any)
        fflush(stdout);
    return any;
}

static void open_streams(stream s[2], const char *root, const char *id)
{
    static const char *const names[] = {"output.log", "error.log"};
    for (int i = 0; i < 2; i++) {
        s[i] = (stream){.fd = -1, .red = i == 1};
        snprintf(s[i].path, sizeof s[i].path, "%s/%s/%s", root, id, names[i]);
    }
}

static bool server_runs(const char *dir)
{
    nk_arena *a = nk_arena_create(0);
    nk_cmd_server s;
    bool yes = a && nk_cmd_find_server(dir, a, &s, NULL) == NK_OK;
    nk_arena_destroy(a);
    return yes;
}

/* Follows one attempt. 0: succeeded, 1: ended otherwise, 2: the server is gone. *next: the attempt
 * after it. */
static int follow(const char *dir, const char *root, const char *id, bool colour, nk_arena *a,
                  const char **next)
{
    stream s[2];
    about now = {0};
    *next = NULL;
    open_streams(s, root, id);
    for (unsigned round = 0;; round++) {
        nk_arena *mine = nk_arena_create(0);
        bool ended = mine && read_about(root, id, mine, &now) && now.state && *now.state;
        bool any = show_more(&s[0], colour);
        any = show_more(&s[1], colour) || any;
        if (ended) {
            bool good = strcmp(now.state, "SUCCEEDED") == 0;
            fprintf(stderr, "nikawa: %s %s%s%s\n", id, now.state,
                    good || !now.error || !*now.error ? "" : ": ",
                    good || !now.error ? "" : now.error);
            if (now.next && *now.next)
                *next = nk_arena_strdup(a, now.next);
            nk_arena_destroy(mine);
            return good ? 0 : 1;
        }
        nk_arena_destroy(mine);
        if (!any && round % 30 == 29 && !server_runs(dir)) {
            fprintf(stderr, "nikawa: no server runs on %s: the run does not go on\n", dir);
            return 2;
        }
        if (!any)
            usleep(POLL_US);
    }
}

static int show(const char *dir, const char *root, const char *id, bool following, nk_arena *a)
{
    bool colour = nk_cmd_colour(1);
    int code = 0;
    while (id) {
        const char *next = NULL;
        if (following) {
            code = follow(dir, root, id, colour, a, &next);
        } else {
            stream s[2];
            about now;
            open_streams(s, root, id);
            (void)show_more(&s[0], colour);
            (void)show_more(&s[1], colour);
            if (read_about(root, id, a, &now) && now.next && *now.next)
                next = now.next;
        }
        if (next)
            fprintf(stderr, "nikawa: retried as %s\n", next);
        id = next;
    }
    return code;
}

static const char *find_run(const char *root, const char *name, nk_arena *a)
{
    const char *path = nk_arena_printf(a, "%s/%s", root, name);
    struct stat st;
    abouts all = {0};
    if (path && !strchr(name, '/') && stat(path, &st) == 0)
        return name;
    read_all(root, a, &all);
    for (size_t i = 0; i < all.n; i++)
        if (strcmp(all.v[i].job, name) == 0 && !strstr(all.v[i].id, "_attempt_"))
            return all.v[i].id;
    return NULL;
}

int nk_cmd_logs(int argc, char **argv)
{
    const char *dir = NULL, *abs;
    bool following = false;
    char **rest;
    int nrest;
    const nk_opt opts[] = {
        {"follow", 'f', NK_OPT_FLAG, NULL, "go on until the run has ended", &following, 0, 0},
        {"data", 'd', NK_OPT_STR, "DIR",
         "the server's folder (default $NIKAWA_DATA, else ./nikawa-data)", &dir, 0, 0},
        {0},
    };
    int code = nk_opts_parse(&help, opts, false, argc, argv, &rest, &nrest);
    if (code >= 0)
        return code;
    if (nrest > 1)
        return nk_cmd_usage("logs", "one run or job at a time, not %d", nrest);
    nk_err err = NK_ERR_INIT;
    nk_arena *a = nk_arena_create(0);
    if (!a)
        return nk_cmd_failf("out of memory");
    if (nk_state_dir(dir, a, &abs, &err) != NK_OK) {
        nk_arena_destroy(a);
        return nk_cmd_fail(&err);
    }
    const char *root = nk_arena_printf(a, "%s/logs/jobs", abs);
    if (!nrest) {
        code = list_runs(root, a);
    } else {
        const char *id = find_run(root, rest[0], a);
        /* A run that waits for its turn has no folder yet. */
        for (int i = 0; !id && following && strncmp(rest[0], "jr_", 3) == 0 && server_runs(abs);
             i++) {
            usleep(POLL_US);
            id = find_run(root, rest[0], a);
        }
        code = id ? show(abs, root, id, following, a)
                  : nk_cmd_failf(
                        "no run or job %s has left logs under %s; 'nikawa logs' lists what has",
                        rest[0], root);
    }
    nk_arena_destroy(a);
    return code;
}
