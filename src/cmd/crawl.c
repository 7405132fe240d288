/* nikawa crawl: runs a crawler and waits; or shows what it would do; or does what was shown. */
#include <stdio.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "crawl/crawl.h"
#include "net/client.h"

static const nk_cmd_help help = {
    "nikawa crawl [--plan | --apply CRAWL_ID] [--json] [--data DIR] [--region REGION] NAME",
    "Runs a crawler, waits for its end and says what it has changed. With --plan nothing is "
    "changed: "
    "it shows\nwhich tables and partitions the crawl would create, change and drop, and why. "
    "--apply "
    "does exactly what\nthat plan said, or nothing when the catalogue has changed since. A crawl "
    "goes "
    "on when this command is\nended; aws glue stop-crawler ends it.",
    "  nikawa crawl sales               # crawl now\n"
    "  nikawa crawl --plan sales        # what would it do?\n"
    "  nikawa crawl --apply 2f0c… sales # do that",
};

typedef struct caller {
    nk_aws_client *c;
    nk_arena *a;
    nk_str name;
    nk_str log; /* the crawler's log file; empty when its name is no plain file name */
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

/* ---- waiting ---- */

/* Over the line before: how long it has been, and the log's last line behind its "[id] LEVEL : ".
 */
static void show_progress(const caller *x, double seconds)
{
    char tail[2048];
    nk_str line = NK_STR(""), rest = NK_STR("");
    FILE *f = x->log.n ? fopen(x->log.p, "rb") : NULL;
    if (f && (fseek(f, -(long)sizeof tail, SEEK_END) == 0 || fseek(f, 0, SEEK_SET) == 0))
        rest = nk_str_n(tail, fread(tail, 1, sizeof tail, f));
    if (f)
        fclose(f);
    for (nk_str one; nk_str_split(&rest, '\n', &one);)
        line = one.n ? one : line;
    ptrdiff_t at = nk_str_find(line, NK_STR(" : "));
    line = nk_str_sub(line, at < 0 ? line.n : (size_t)at + 3, line.n);
    fprintf(stderr, "\r\033[K%.1f s  %.*s", seconds, (int)(line.n > 100 ? 100 : line.n), line.p);
    fflush(stderr);
}

static nk_code wait_for_end(caller *x)
{
    bool terminal = isatty(STDERR_FILENO);
    int64_t began = nk_mono_us(nk_env_real());
    nk_code rc = NK_OK;
    for (;;) {
        nk_json *j;
        rc = call(x, "GetCrawler", "Name", 0, &j);
        if (rc != NK_OK || nk_str_is(nk_json_str(nk_json_get(j, "Crawler"), "State"), "READY"))
            break;
        double seconds = (double)(nk_mono_us(nk_env_real()) - began) / 1e6;
        if (terminal && seconds > 1)
            show_progress(x, seconds);
        usleep(100000);
    }
    if (terminal)
        fprintf(stderr, "\r\033[K");
    return rc;
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

/* One line an action: how many tables, and the first ones' names. */
static bool show_tables(const nk_json *tables, const char *action, const char *done)
{
    const nk_json *one = nk_json_get(tables, action), *names = nk_json_get(one, "Names");
    int64_t n = nk_json_i64(one, "Count", 0), shown = 0;
    if (!n)
        return false;
    printf("%-8s %lld %s:", done, (long long)n, n == 1 ? "table" : "tables");
    for (const nk_json *t = names ? names->first : NULL; t && shown < 10; t = t->next, shown++)
        printf(" %.*s", NK_STR_ARG(t->text));
    printf(n > shown ? " …\n" : "\n");
    return true;
}

/* The summary's members are JSON texts. */
static int show_summary(caller *x, nk_str text)
{
    static const struct {
        const char *action, *done;
    } actions[] = {{"ADD", "created"}, {"UPDATE", "updated"}, {"DELETE", "dropped"}};
    nk_json *all, *tables, *parts;
    bool any = false;
    nk_str empty = NK_STR("{}");
    if (nk_json_parse(text.n ? text : empty, x->a, 0, &all, &x->err) != NK_OK)
        return nk_cmd_fail(&x->err);
    nk_str t = nk_json_str(all, "TABLE"), p = nk_json_str(all, "PARTITION");
    if (nk_json_parse(t.n ? t : empty, x->a, 0, &tables, &x->err) != NK_OK ||
        nk_json_parse(p.n ? p : empty, x->a, 0, &parts, &x->err) != NK_OK)
        return nk_cmd_fail(&x->err);
    for (size_t i = 0; i < NK_COUNTOF(actions); i++) {
        int64_t n = nk_json_i64(nk_json_get(parts, actions[i].action), "Count", 0);
        any |= show_tables(tables, actions[i].action, actions[i].done);
        if (n)
            printf("%-8s %lld %s\n", actions[i].done, (long long)n,
                   n == 1 ? "partition" : "partitions");
        any |= n > 0;
    }
    if (!any)
        printf("nothing has changed\n");
    return 0;
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
        return nk_cmd_failf("the crawl is %.*s: %.*s%s%.*s", NK_STR_ARG(state), NK_STR_ARG(error),
                            x->log.n ? "\n        its log: " : "", NK_STR_ARG(x->log));
    if (!json && !plan)
        return show_summary(x, text);
    if (json) {
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
        x.log =
            nk_crawl_log_path(x.a, nk_str_c(s.dir), nk_str_c(region ? region : s.region), x.name);
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
