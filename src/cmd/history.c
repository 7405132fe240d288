/* nikawa history, nikawa undo: what has changed in the catalogue, and the way back. */
#include <stdio.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "net/client.h"

static const nk_cmd_help history_help = {
    "nikawa history [--json] [--limit N] [--data DIR] [--region REGION] [OBJECT | ID]",
    "Lists the changes of databases, tables, partitions, column statistics, partition indexes,\n"
    "functions, connections and their types, policies, settings, security configurations and\n"
    "tags, newest first: all of them, or those of an object (a database with all that stands in\n"
    "it, database.table, \"connection NAME\", \"tags job/NAME\", policy). Of one change, by its\n"
    "number, it shows the documents before and after.",
    "  nikawa history                   # the newest changes\n"
    "  nikawa history sales.orders      # of one table and its partitions\n"
    "  nikawa history 17                # what change 17 did",
};
static const nk_cmd_help undo_help = {
    "nikawa undo [--data DIR] [--region REGION] ID",
    "Puts the object of a change back to what it was before that change, whatever happened to it "
    "since. A "
    "deleted table\n"
    "comes back with its partitions and versions, a deleted database with its tables. The undoing "
    "is a change "
    "itself and\n"
    "can be undone.",
    "  nikawa history                   # which change was it?\n"
    "  nikawa undo 17                   # undo it",
};

typedef struct asked {
    const char *dir, *region, *catalog;
    int64_t limit;
    bool json;
    nk_arena *a;
    nk_err err;
} asked;

static nk_code call(asked *x, const char *op, nk_str body, nk_str *reply)
{
    nk_cmd_server s;
    nk_aws_client *c = NULL;
    NK_TRY(nk_cmd_find_server(x->dir, x->a, &s, &x->err));
    nk_aws_config config = {.endpoint = s.url,
                            .region = x->region ? x->region : s.region,
                            .access_key = s.access_key,
                            .secret_key = s.secret_key};
    NK_TRY(nk_aws_client_create(&config, &c, &x->err));
    nk_code rc = nk_aws_call(c, "glue", op, body, reply, x->a, &x->err);
    nk_aws_client_destroy(c);
    return rc;
}

static nk_code ask(asked *x, const char *op, nk_str object, int64_t id, nk_str *reply)
{
    nk_buf b;
    nk_buf_init(&b, 65536);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    if (object.n)
        nk_jw_kstr(&w, "Object", object);
    if (id)
        nk_jw_ki64(&w, "Id", id);
    if (x->limit)
        nk_jw_ki64(&w, "Max", x->limit);
    if (x->catalog)
        nk_jw_kcstr(&w, "CatalogId", x->catalog);
    nk_jw_object_end(&w);
    nk_code rc = nk_buf_check(&b, &x->err);
    if (rc == NK_OK)
        rc = call(x, op, nk_buf_view(&b), reply);
    nk_buf_free(&b);
    return rc;
}

static void show_line(const nk_json *c, bool colour)
{
    nk_str what = nk_json_str(c, "What"), at = nk_json_str(c, "At");
    const char *paint = nk_str_is(what, "create")   ? "\033[32m"
                        : nk_str_is(what, "delete") ? "\033[31m"
                                                    : "\033[33m";
    printf("%6lld  %.*s  %s%-6.*s%s  %-10.*s  %.*s", (long long)nk_json_i64(c, "Id", 0),
           NK_STR_ARG(at), colour ? paint : "", NK_STR_ARG(what), colour ? "\033[0m" : "",
           NK_STR_ARG(nk_json_str(c, "Kind")), NK_STR_ARG(nk_json_str(c, "Object")));
    if (nk_json_get(c, "Count"))
        printf(" (%lld)", (long long)nk_json_i64(c, "Count", 0));
    printf("  by %.*s", NK_STR_ARG(nk_json_str(c, "Who")));
    if (nk_json_get(c, "Undoes"))
        printf("  undoes %lld", (long long)nk_json_i64(c, "Undoes", 0));
    printf("\n");
}

static void show_document(const char *name, const nk_json *doc)
{
    nk_buf b;
    nk_buf_init(&b, 256 << 20);
    nk_json_writer w = {.buf = &b};
    nk_jw_tree(&w, doc);
    printf("%s: %.*s\n", name, NK_STR_ARG(nk_buf_view(&b)));
    nk_buf_free(&b);
}

static int show(asked *x, nk_str reply)
{
    nk_json *j;
    if (x->json) {
        printf("%.*s\n", NK_STR_ARG(reply));
        return 0;
    }
    if (nk_json_parse(reply, x->a, 0, &j, &x->err) != NK_OK)
        return nk_cmd_fail(&x->err);
    static const char *const documents[] = {"Before", "After", "Partitions", "Columns"};
    const nk_json *list = nk_json_get(j, "Changes");
    for (const nk_json *c = list ? list->first : NULL; c; c = c->next) {
        show_line(c, nk_cmd_colour(STDOUT_FILENO));
        for (size_t i = 0; i < NK_COUNTOF(documents); i++)
            if (nk_json_get(c, documents[i]))
                show_document(documents[i], nk_json_get(c, documents[i]));
    }
    if (!list || !list->count)
        printf("no change is kept\n");
    if (nk_json_get(j, "More"))
        fprintf(stderr, "nikawa: there are older ones; --limit N shows more\n");
    return 0;
}

static int begin(asked *x, const nk_cmd_help *help, bool list, int argc, char **argv, char ***rest,
                 int *nrest)
{
    const nk_opt opts[] = {
        {"data", 'd', NK_OPT_STR, "DIR",
         "the server's folder (default $NIKAWA_DATA, else ./nikawa-data)", &x->dir, 0, 0},
        {"region", 0, NK_OPT_STR, "REGION", "the region (default the server's)", &x->region, 0, 0},
        {"catalog-id", 0, NK_OPT_STR, "ID", "a catalog (default the account's own)", &x->catalog, 0,
         0},
        {list ? "json" : NULL, 0, NK_OPT_FLAG, NULL, "print the answer as JSON", &x->json, 0, 0},
        {"limit", 0, NK_OPT_INT, "N", "changes to show (default 50)", &x->limit, 1, 1000000},
        {0},
    };
    nk_opt mine[NK_COUNTOF(opts)];
    memcpy(mine, opts, sizeof mine);
    if (!list)
        memset(&mine[3], 0, sizeof mine[3]);
    int code = nk_opts_parse(help, mine, false, argc, argv, rest, nrest);
    if (code >= 0)
        return code;
    x->a = nk_arena_create(0);
    return x->a ? -1 : nk_cmd_failf("out of memory");
}

int nk_cmd_history(int argc, char **argv)
{
    asked x = {.limit = 50, .err = NK_ERR_INIT};
    char **rest;
    int nrest, code = begin(&x, &history_help, true, argc, argv, &rest, &nrest);
    nk_str reply, object;
    int64_t id = 0;
    if (code >= 0)
        return code;
    if (nrest > 1) {
        nk_arena_destroy(x.a);
        return nk_cmd_usage("history", "at most one object or number is wanted");
    }
    object = nrest ? nk_str_c(rest[0]) : NK_STR_NULL;
    if (nk_str_i64(object, &id))
        object = NK_STR_NULL;
    code = ask(&x, "Nikawa.History", object, id, &reply) == NK_OK ? show(&x, reply)
                                                                  : nk_cmd_fail(&x.err);
    nk_arena_destroy(x.a);
    return code;
}

int nk_cmd_undo(int argc, char **argv)
{
    asked x = {.err = NK_ERR_INIT};
    char **rest;
    int nrest, code = begin(&x, &undo_help, false, argc, argv, &rest, &nrest);
    nk_str reply;
    nk_json *j;
    int64_t id;
    if (code >= 0)
        return code;
    if (nrest != 1 || !nk_str_i64(nk_str_c(rest[0]), &id) || id < 1) {
        nk_arena_destroy(x.a);
        return nk_cmd_usage("undo", "one change's number is wanted");
    }
    nk_code rc = ask(&x, "Nikawa.Undo", NK_STR_NULL, id, &reply);
    if (rc == NK_OK)
        rc = nk_json_parse(reply, x.a, 0, &j, &x.err);
    code = rc == NK_OK ? (printf("%.*s\n", NK_STR_ARG(nk_json_str(j, "Said"))), 0)
                       : nk_cmd_fail(&x.err);
    nk_arena_destroy(x.a);
    return code;
}
