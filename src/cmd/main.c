#include <stdio.h>

#include "cmd/cmd.h"

static const nk_cmd commands[] = {
#define NK_CMD(name, fn, hidden, summary) {name, summary, fn, hidden},
#include "cmd/commands.def"
#undef NK_CMD
};

static int print_help(void)
{
    bool colour = nk_cmd_colour(1);
    const char *b = colour ? "\033[1m" : "", *z = colour ? "\033[0m" : "";
    printf("Nikawa %s: AWS Glue on your own machines.\n\n%susage:%s nikawa COMMAND [options]\n\n"
           "%scommands:%s\n",
           NK_VERSION, b, z, b, z);
    for (size_t i = 0; i < NK_COUNTOF(commands); i++)
        if (!commands[i].hidden)
            printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    printf("\n'nikawa COMMAND --help' tells more of each.\n\n%sexamples:%s\n"
           "  nikawa serve --data ./data --listen 127.0.0.1:4566   # start\n"
           "  eval \"$(nikawa env --data ./data)\"                   # point AWS clients at it\n"
           "  aws glue get-databases                               # use it\n"
           "  nikawa stop --data ./data                            # end it\n",
           b, z);
    return 0;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;
    if (!word || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ||
        strcmp(word, "help") == 0)
        return print_help();
    if (strcmp(word, "--version") == 0 || strcmp(word, "version") == 0) {
        printf("nikawa %s\n", NK_VERSION);
        return 0;
    }
    const char *names[NK_COUNTOF(commands)];
    for (size_t i = 0; i < NK_COUNTOF(commands); i++) {
        if (strcmp(word, commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
        names[i] = commands[i].name;
    }
    const char *near = nk_cmd_suggest(word, names, NK_COUNTOF(names));
    if (near)
        return nk_cmd_usage("", "there is no command '%s'; did you mean '%s'?", word, near);
    return nk_cmd_usage("", "there is no command '%s'", word);
}
