/* Options of subcommands: a table is the parser, the help and the list of what may be suggested. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/cmd.h"

bool nk_cmd_colour(int fd)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fd) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

int nk_cmd_fail(const nk_err *err)
{
    bool colour = nk_cmd_colour(2);
    fprintf(stderr, "%snikawa:%s %s\n", colour ? "\033[31m" : "", colour ? "\033[0m" : "",
            err->msg);
    if (err->hint[0])
        fprintf(stderr, "        %s\n", err->hint);
    return 1;
}

int nk_cmd_failf(const char *fmt, ...)
{
    nk_err err = NK_ERR_INIT;
    va_list ap;
    va_start(ap, fmt);
    nk_code rc = nk_vfail(&err, NK_E_INVALID, fmt, ap);
    va_end(ap);
    return rc == NK_OK ? 0 : nk_cmd_fail(&err);
}

int nk_cmd_usage(const char *name, const char *fmt, ...)
{
    nk_err err = NK_ERR_INIT;
    va_list ap;
    va_start(ap, fmt);
    nk_code rc = nk_vfail(&err, NK_E_INVALID, fmt, ap);
    va_end(ap);
    nk_cmd_fail(&err);
    fprintf(stderr, "        try 'nikawa %s%s--help'\n", name, *name ? " " : "");
    return rc == NK_OK ? 0 : 2;
}

const char *nk_cmd_suggest(const char *word, const char *const *names, size_t n)
{
    const char *best = NULL;
    size_t near = strlen(word) / 2 + 1;
    if (near > 4)
        near = 4;
    for (size_t i = 0; i < n; i++) {
        size_t d = nk_str_distance(nk_str_c(word), nk_str_c(names[i]));
        if (d < near) {
            near = d;
            best = names[i];
        }
    }
    return best;
}

static void print_help(const nk_cmd_help *help, const nk_opt *opts)
{
    bool colour = nk_cmd_colour(1);
    const char *b = colour ? "\033[1m" : "", *z = colour ? "\033[0m" : "";
    printf("%susage:%s %s\n", b, z, help->usage);
    if (help->about)
        printf("\n%s\n", help->about);
    printf("\n%soptions:%s\n", b, z);
    for (const nk_opt *o = opts; o && o->name; o++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "",
                 "");
        if (o->letter)
            printf("  -%c, %-26s %s\n", o->letter, left, o->help);
        else
            printf("  %-30s %s\n", left, o->help);
    }
    printf("  %-30s %s\n", "--help", "print this");
    if (help->examples)
        printf("\n%sexamples:%s\n%s\n", b, z, help->examples);
}

static const char *command_of(const nk_cmd_help *help, char out[32])
{
    const char *p = strchr(help->usage, ' ');
    p = p ? p + 1 : "";
    size_t n = strcspn(p, " ");
    snprintf(out, 32, "%.*s", (int)(n < 31 ? n : 31), p);
    return out;
}

static int unknown_option(const nk_cmd_help *help, const nk_opt *opts, const char *word)
{
    const char *names[64] = {"help"};
    size_t n = 1;
    char cmd[32];
    for (const nk_opt *o = opts; o && o->name && n < NK_COUNTOF(names); o++)
        names[n++] = o->name;
    char bare[64];
    snprintf(bare, sizeof bare, "%s", word + strspn(word, "-"));
    bare[strcspn(bare, "=")] = 0;
    const char *near = nk_cmd_suggest(bare, names, n);
    command_of(help, cmd);
    if (near)
        return nk_cmd_usage(cmd, "%s has no option '%s'; did you mean --%s?", cmd, word, near);
    return nk_cmd_usage(cmd, "%s has no option '%s'", cmd, word);
}

static int set_option(const nk_cmd_help *help, const nk_opt *o, const char *value)
{
    char cmd[32];
    int64_t v;
    if (o->kind == NK_OPT_FLAG) {
        *(bool *)o->target = true;
    } else if (o->kind == NK_OPT_STR) {
        *(const char **)o->target = value;
    } else {
        bool ranged = o->min || o->max;
        if (!nk_str_i64(nk_str_c(value), &v))
            return nk_cmd_usage(command_of(help, cmd), "--%s wants a whole number, not '%s'",
                                o->name, value);
        if (ranged && (v < o->min || v > o->max))
            return nk_cmd_usage(command_of(help, cmd), "--%s must be from %lld to %lld, not %s",
                                o->name, (long long)o->min, (long long)o->max, value);
        *(int64_t *)o->target = v;
    }
    return -1;
}

/* The option that argv[i] names; its value when it came as --name=value. */
static const nk_opt *find_option(const nk_opt *opts, const char *word, const char **value)
{
    *value = NULL;
    for (const nk_opt *o = opts; o && o->name; o++) {
        if (word[1] != '-') {
            if (o->letter && word[1] == o->letter && word[2] == 0)
                return o;
            continue;
        }
        size_t n = strlen(o->name);
        if (strncmp(word + 2, o->name, n) != 0)
            continue;
        if (word[2 + n] == 0)
            return o;
        if (word[2 + n] == '=') {
            *value = word + 3 + n;
            return o;
        }
    }
    return NULL;
}

int nk_opts_parse(const nk_cmd_help *help, const nk_opt *opts, bool stop_at_operand, int argc,
                  char **argv, char ***rest, int *nrest)
{
    char cmd[32];
    int kept = 1; /* operands are moved to the front */
    command_of(help, cmd);
    for (int i = 1; i < argc; i++) {
        char *word = argv[i];
        const char *value;
        if (strcmp(word, "--") == 0 || (stop_at_operand && (word[0] != '-' || !word[1]))) {
            for (i += word[0] == '-' && word[1] == '-'; i < argc; i++)
                argv[kept++] = argv[i];
            break;
        }
        if (word[0] != '-' || !word[1]) {
            argv[kept++] = word;
            continue;
        }
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            print_help(help, opts);
            return 0;
        }
        const nk_opt *o = find_option(opts, word, &value);
        if (!o)
            return unknown_option(help, opts, word);
        if (o->kind == NK_OPT_FLAG && value)
            return nk_cmd_usage(cmd, "--%s takes no value", o->name);
        if (o->kind != NK_OPT_FLAG && !value) {
            if (i + 1 >= argc)
                return nk_cmd_usage(cmd, "--%s wants %s", o->name, o->arg ? o->arg : "a value");
            value = argv[++i];
        }
        int code = set_option(help, o, value);
        if (code >= 0)
            return code;
    }
    if (rest)
        *rest = argv + 1;
    if (nrest)
        *nrest = kept - 1;
    if (!rest && kept > 1)
        return nk_cmd_usage(cmd, "%s does not know what to do with '%s'", cmd, argv[1]);
    return -1;
}
