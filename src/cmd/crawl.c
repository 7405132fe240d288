/* nikawa crawl: runs a crawler and waits; or shows what it would do; or does what was shown. */
#include <stdio.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "net/client.h"

static const nk_cmd_help help = {
    "nikawa crawl [--plan | --apply CRAWL_ID] [--json] [--data DIR] [--region REGION] NAME",
    "Runs a crawler and waits for its end. With --plan nothing is changed: it shows which tables "
    "and "
    "partitions\n"
    "the crawl would create, change and drop, and why. --apply does exactly what that plan said, "
    "or "
    "nothing\n"
    "when the catalogue has changed since.",
    "  nikawa crawl sales               # crawl now\n"
    "  nikawa crawl --plan sales        # what would it do?\n"
    "  nikawa crawl --apply 2f0c… sales # do that",
};

typedef struct caller {
    nk_aws_client *c;
    nk_arena *a;
    nk_str name;
    nk_err err;
} caller;

static nk_code call(caller *x, const char *op, const char *member, int64_t max, nk_json **out)
{
    nk_buf b;
    nk_str reply;
    nk_buf_init(&b, 4096);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    nk_jw_kstr(&w, member, x->name);
    if (max)
        nk_jw_ki64(&w, "MaxResults", max);
    nk_jw_object_end(&w);
    nk_code rc = nk_aws_call(x->c, "glue", op, nk_buf_view(&b), &reply, x->a, &x->err);
    if (rc == NK_OK)
        rc = nk_json_parse(reply, x->a, 0, out, &x->err);
    nk_buf_free(&b);
    return rc;
}

static nk_code wait_for_end(caller *x)
{
    for (;;) {
        nk_json *j;
        NK_TRY(call(x, "GetCrawler", "Name", 0, &j));
        if (nk_str_is(nk_json_str(nk_json_get(j, "Crawler"), "State"), "READY"))
            return NK_OK;
        usleep(100000);
    }
}

/* ---- showing ---- */

static const char *colour_of(nk_str action)
{
    return nk_str_is(action, "CREATE") || nk_str_is(action, "ADD")    ? "\033[32m"
           : nk_str_is(action, "DELETE") || nk_str_is(action, "DROP") ? "\033[31m"
           : nk_str_is(action, "NONE")                                ? "\033[2m"
                                                                      : "\033[33m";
}

static void show_values(const nk_json *part, const char *what)
{
    int64_t n = nk_json_i64(part, "Count", 0), shown = 0;
    if (!n)
        return;
    printf("    %s %lld partitions:", what, (long long)n);
    const nk_json *list = nk_json_get(part, "Values");
    for (const nk_json *v = list ? list->first : NULL; v && shown < 10; v = v->next, shown++) {
        printf(" ");
        for (const nk_json *s = v->first; s; s = s->next)
            printf("%s%.*s", s == v->first ? "" : "/", NK_STR_ARG(s->text));
    }
    printf(n > shown ? " …\n" : "\n");
}

static void show_table(const nk_json *t, bool colour)
{
    nk_str action = nk_json_str(t, "Action"), db = nk_json_str(t, "Database"),
           name = nk_json_str(t, "Table"), location = nk_json_str(t, "Location"),
           why = nk_json_str(t, "Why");
    printf("%s%-9.*s%s %.*s.%.*s  %.*s\n", colour ? colour_of(action) : "",
           NK_STR_ARG(nk_str_is(action, "NONE") ? NK_STR("keep") : action), colour ? "\033[0m" : "",
           NK_STR_ARG(db), NK_STR_ARG(name), NK_STR_ARG(location));
    if (why.n)
        printf("    because: %.*s\n", NK_STR_ARG(why));
    const nk_json *columns = nk_json_get(t, "Columns"), *parts = nk_json_get(t, "Partitions");
    for (const nk_json *c = columns ? columns->first : NULL; c; c = c->next) {
        nk_str from = nk_json_str(c, "From"), to = nk_json_str(c, "To");
        nk_str column = nk_json_str(c, "Name"), what = nk_json_str(c, "Action");
        printf("    column %.*s: %.*s %.*s%s%.*s\n", NK_STR_ARG(column), NK_STR_ARG(what),
               NK_STR_ARG(from), from.n && to.n ? " → " : "", NK_STR_ARG(to));
    }
    show_values(nk_json_get(parts, "Create"), "create");
    show_values(nk_json_get(parts, "Update"), "update");
    show_values(nk_json_get(parts, "Delete"), "delete");
}

static int show(caller *x, bool plan, bool json)
{
    nk_json *j, *summary;
    if (call(x, "ListCrawls", "CrawlerName", 1, &j) != NK_OK)
        return nk_cmd_fail(&x->err);
    const nk_json *crawl = nk_json_at(nk_json_get(j, "Crawls"), 0);
    nk_str state = nk_json_str(crawl, "State"), text = nk_json_str(crawl, "Summary"),
           id = nk_json_str(crawl, "CrawlId"), error = nk_json_str(crawl, "ErrorMessage");
    if (!nk_str_is(state, "COMPLETED"))
        return nk_cmd_failf("the crawl is %.*s: %.*s", NK_STR_ARG(state), NK_STR_ARG(error));
    if (json || !plan) {
        printf("%.*s\n", NK_STR_ARG(text.n ? text : NK_STR("{}")));
        return 0;
    }
    if (nk_json_parse(text, x->a, 0, &summary, &x->err) != NK_OK)
        return nk_cmd_fail(&x->err);
    const nk_json *tables = nk_json_get(summary, "Tables");
    for (const nk_json *t = tables ? tables->first : NULL; t; t = t->next)
        show_table(t, nk_cmd_colour(STDOUT_FILENO));
    if (!tables || !tables->count)
        printf("no table is there and none would be changed\n");
    printf("Nothing was changed. To do this: nikawa crawl --apply %.*s %.*s\n", NK_STR_ARG(id),
           NK_STR_ARG(x->name));
    return 0;
}

int nk_cmd_crawl(int argc, char **argv)
{
    const char *dir = NULL, *apply = NULL, *region = NULL;
    bool plan = false, json = false;
    const nk_opt opts[] = {
        {"plan", 0, NK_OPT_FLAG, NULL, "show what it would do, change nothing", &plan, 0, 0},
        {"apply", 0, NK_OPT_STR, "CRAWL_ID", "do what that plan said", &apply, 0, 0},
        {"json", 0, NK_OPT_FLAG, NULL, "print the plan or summary as JSON", &json, 0, 0},
        {"data", 'd', NK_OPT_STR, "DIR",
         "the server's folder (default $NIKAWA_DATA, else ./nikawa-data)", &dir, 0, 0},
        {"region", 0, NK_OPT_STR, "REGION", "the crawler's region (default the server's)", &region,
         0, 0},
        {0},
    };
    char **rest;
    int nrest, code = nk_opts_parse(&help, opts, false, argc, argv, &rest, &nrest);
    if (code >= 0)
        return code;
    if (nrest != 1)
        return nk_cmd_usage("crawl", "one crawler's name is wanted");
    if (plan && apply)
        return nk_cmd_usage("crawl", "--plan and --apply exclude each other");
    caller x = {.a = nk_arena_create(0), .name = nk_str_c(rest[0]), .err = NK_ERR_INIT};
    nk_cmd_server s;
    if (!x.a)
        return nk_cmd_failf("out of memory");
    nk_code rc = nk_cmd_find_server(dir, x.a, &s, &x.err);
    if (rc == NK_OK) {
        nk_aws_config config = {.endpoint = s.url,
                                .region = region ? region : s.region,
                                .access_key = s.access_key,
                                .secret_key = s.secret_key,
                                .mode = plan    ? "plan"
                                        : apply ? nk_arena_printf(x.a, "apply %s", apply)
                                                : NULL};
        rc = nk_aws_client_create(&config, &x.c, &x.err);
    }
    nk_json *unused;
    if (rc == NK_OK)
        rc = call(&x, "StartCrawler", "Name", 0, &unused);
    if (rc == NK_OK)
        rc = wait_for_end(&x);
    code = rc == NK_OK ? show(&x, plan, json) : nk_cmd_fail(&x.err);
    nk_aws_client_destroy(x.c);
    nk_arena_destroy(x.a);
    return code;
}
