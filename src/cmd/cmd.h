/* The subcommands: one row in commands.def and one file each. */
#ifndef NK_CMD_H
#define NK_CMD_H

#include "base/base.h"

/* One option of a subcommand. Rows end with {0}. Values are read by nk_opts_parse into the target's
 * type. */
typedef enum { NK_OPT_FLAG, NK_OPT_STR, NK_OPT_INT } nk_opt_kind;
typedef struct nk_opt {
    const char *name; /* "data": given as --data DIR or --data=DIR */
    char letter;      /* 0 = no short form */
    nk_opt_kind kind;
    const char *arg;  /* "DIR"; NULL for flags */
    const char *help; /* one line */
    void *target; /* bool *, const char **, int64_t *; left alone when the option is not given */
    int64_t min, max; /* NK_OPT_INT; both 0 = any */
} nk_opt;

typedef struct nk_cmd {
    const char *name;
    const char *summary;               /* one line, for `nikawa --help` */
    int (*run)(int argc, char **argv); /* argv[0] is the subcommand's name; gives the exit code */
    bool hidden;
} nk_cmd;

/* What `nikawa NAME --help` prints: usage line, options, examples. */
typedef struct nk_cmd_help {
    const char *usage;    /* "nikawa serve --data DIR [options]" */
    const char *about;    /* a short paragraph */
    const char *examples; /* lines, each "  command   # why" */
} nk_cmd_help;

/* Reads options from argv[1…]. Operands go to *rest (a view of argv, *nrest of them, in order);
 * after "--" all are operands. With `stop_at_operand` reading ends at the first operand, which with
 * all after it becomes the rest (`nikawa run SCRIPT --arg v`). Returns -1 to go on, else the exit
 * code: 0 after --help, 2 after an error, which has been printed with a suggestion. */
int nk_opts_parse(const nk_cmd_help *help, const nk_opt *opts, bool stop_at_operand, int argc,
                  char **argv, char ***rest, int *nrest);

/* "nikawa: message" and the hint on stderr (red on a terminal); returns 1. */
int nk_cmd_fail(const nk_err *err);
int nk_cmd_failf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same for a wrong call: adds "try nikawa NAME --help"; returns 2. */
int nk_cmd_usage(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Whether stdout/stderr is a terminal that wants colours (NO_COLOR, TERM=dumb respected). */
bool nk_cmd_colour(int fd);
/* The nearest of n names, NULL when none is near. */
const char *nk_cmd_suggest(const char *word, const char *const *names, size_t n);

/* A running server as its DIR tells: DIR/server.json and DIR/credentials. dir NULL = $NIKAWA_DATA,
 * else ./nikawa-data. */
typedef struct nk_cmd_server {
    const char *dir; /* absolute */
    int pid;
    const char *url;    /* the API */
    const char *s3_url; /* NULL without a lake */
    const char *region, *account_id;
    const char *access_key, *secret_key;
    const char *s3_access_key, *s3_secret_key;
} nk_cmd_server;
/* NK_E_NOT_FOUND with a hint when no server runs there. Strings live in the arena. */
nk_code nk_cmd_find_server(const char *dir, nk_arena *a, nk_cmd_server *out, nk_err *err) NK_MUST;

#define NK_CMD(name, fn, hidden, summary) int fn(int argc, char **argv);
#include "cmd/commands.def"
#undef NK_CMD

#endif
