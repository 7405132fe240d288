#include <stdio.h>

#include "cmd/cmd.h"

static const nk_cmd_help help = {
    "nikawa env [--data DIR]",
    "Prints shell exports that point AWS's clients (aws cli, boto3, awswrangler, ...) at the "
    "server of DIR.",
    "  eval \"$(nikawa env --data ./data)\"   # this shell now talks to Nikawa",
};

/* Single-quoted for the shell. */
static void export(const char *name, const char *value)
{
    if (!value)
        return;
    printf("export %s='", name);
    for (; *value; value++) {
        if (*value == '\'')
            printf("'\\''");
        else
            putchar(*value);
    }
    printf("'\n");
}

int nk_cmd_env(int argc, char **argv)
{
    const char *dir = NULL;
    const nk_opt opts[] = {
        {"data", 'd', NK_OPT_STR, "DIR",
         "the server's folder (default $NIKAWA_DATA, else ./nikawa-data)", &dir, 0, 0},
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
    if (nk_cmd_find_server(dir, a, &s, &err) != NK_OK) {
        nk_arena_destroy(a);
        return nk_cmd_fail(&err);
    }
    printf("unset AWS_PROFILE AWS_SESSION_TOKEN\n");
    export("AWS_ACCESS_KEY_ID", s.access_key);
    export("AWS_SECRET_ACCESS_KEY", s.secret_key);
    export("AWS_REGION", s.region);
    export("AWS_DEFAULT_REGION", s.region);
    export("AWS_ENDPOINT_URL_GLUE", s.url);
    export("AWS_ENDPOINT_URL_DATABREW", s.url);
    export("AWS_ENDPOINT_URL_STS", s.url);
    export("AWS_ENDPOINT_URL_S3", s.s3_url);
    export("NIKAWA_DATA", s.dir);
    if (strcmp(s.s3_access_key, s.access_key) != 0) {
        printf("# S3 has keys of its own: profile nikawa-s3 of %s/credentials\n", s.dir);
        export("NIKAWA_S3_ACCESS_KEY_ID", s.s3_access_key);
        export("NIKAWA_S3_SECRET_ACCESS_KEY", s.s3_secret_key);
    }
    nk_arena_destroy(a);
    return 0;
}
