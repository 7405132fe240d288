/* nikawa schema: the registry's schemas from the shell, and definitions compared without one. */
#include <stdio.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/grid_int.h"
#include "cmd/schema_int.h"
#include "net/client.h"

static const nk_cmd_help help = {
    "nikawa schema list | show | register | check | diff | evolve …",
    "Schemas of the registry, and what may follow what.\n"
    "  list                      the schemas of all registries, or of --registry\n"
    "  show NAME[:VERSION]       a definition; the latest without VERSION\n"
    "  register NAME FILE        a new version; a new schema when there is none of that name\n"
    "  check OLD NEW             may NEW follow OLD? 0 = yes, 1 = no, and why\n"
    "  diff OLD NEW              the lines and the meanings that differ\n"
    "  evolve NAME FILE          shows what FILE changes, and registers it with --yes\n"
    "OLD and NEW are files, or NAME[:VERSION] of the registry.",
    "  nikawa schema check old.avsc new.avsc              # needs no server\n"
    "  nikawa schema check --mode full orders new.avsc    # against the latest registered\n"
    "  nikawa schema evolve --yes orders new.avsc         # look, then register",
};

typedef struct cli {
    nk_arena *a;
    nk_err err;
    const char *dir, *registry, *region, *format, *mode, *door_name;
    bool yes, json, colour;
    nk_door door;
    nk_aws_client *client; /* made when it is first wanted */
} cli;

/* ---- the server ---- */

static nk_code call(cli *x, const char *op, nk_buf *body, nk_json **out)
{
    nk_str reply;
    nk_cmd_server s;
    if (!x->client) {
        NK_TRY(nk_cmd_find_server(x->dir, x->a, &s, &x->err));
        nk_aws_config config = {.endpoint = s.url,
                                .region = x->region ? x->region : s.region,
                                .access_key = s.access_key,
                                .secret_key = s.secret_key};
        NK_TRY(nk_aws_client_create(&config, &x->client, &x->err));
    }
    NK_TRY(nk_buf_check(body, &x->err));
    NK_TRY(nk_aws_call(x->client, "glue", op, nk_buf_view(body), &reply, x->a, &x->err));
    return nk_json_parse(reply, x->a, 255, out, &x->err);
}

static void put_schema_id(cli *x, nk_json_writer *w, nk_str name)
{
    nk_jw_key(w, NK_STR("SchemaId"));
    nk_jw_object(w);
    nk_jw_kstr(w, "SchemaName", name);
    nk_jw_kcstr(w, "RegistryName", x->registry ? x->registry : "default-registry");
    nk_jw_object_end(w);
}

/* Asks about one schema; fill adds to the request (may be NULL). */
static nk_code ask(cli *x, const char *op, nk_str name, int64_t version, nk_str definition,
                   nk_json **out)
{
    nk_buf b;
    nk_buf_init(&b, 1 << 20);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    put_schema_id(x, &w, name);
    if (version >= 0) {
        nk_jw_key(&w, NK_STR("SchemaVersionNumber"));
        nk_jw_object(&w);
        if (version)
            nk_jw_ki64(&w, "VersionNumber", version);
        else
            nk_jw_kbool(&w, "LatestVersion", true);
        nk_jw_object_end(&w);
    }
    if (definition.p)
        nk_jw_kstr(&w, "SchemaDefinition", definition);
    nk_jw_object_end(&w);
    nk_code rc = call(x, op, &b, out);
    nk_buf_free(&b);
    return rc;
}

/* ---- definitions ---- */

typedef struct definition {
    const char *what; /* as the user named it */
    nk_str text, name;
    const nk_schema_format *format;
    nk_schema_doc *doc;
    bool file;
} definition;

static const nk_schema_format *guess(nk_str path, nk_str text)
{
    if (nk_str_ends(path, NK_STR(".proto")))
        return nk_schema_format_find(NK_STR("PROTOBUF"));
    bool avro = nk_str_ends(path, NK_STR(".avsc")) ||
                nk_str_find(text, NK_STR("\"record\"")) >= 0 ||
                nk_str_find(text, NK_STR("\"symbols\"")) >= 0;
    return nk_schema_format_find(avro ? NK_STR("AVRO") : NK_STR("JSON"));
}

static void split_version(nk_str what, nk_str *name, int64_t *version)
{
    ptrdiff_t colon = nk_str_rchr(what, ':');
    *name = what;
    *version = 0;
    if (colon > 0 && nk_str_i64(nk_str_sub(what, (size_t)colon + 1, what.n), version))
        *name = nk_str_sub(what, 0, (size_t)colon);
}

static nk_code load(cli *x, const char *what, definition *d)
{
    *d = (definition){.what = what};
    if (nk_file_exists(what)) {
        d->file = true;
        NK_TRY(nk_file_read(what, NK_SCHEMA_TEXT_MAX, x->a, &d->text, &x->err));
        d->format =
            x->format ? nk_schema_format_find(nk_str_c(x->format)) : guess(nk_str_c(what), d->text);
        return NK_OK;
    }
    int64_t version;
    nk_json *j;
    split_version(nk_str_c(what), &d->name, &version);
    nk_code rc = ask(x, "GetSchemaVersion", d->name, version, NK_STR_NULL, &j);
    if (rc != NK_OK)
        return nk_hint(&x->err, "%s is no file either.", what);
    d->text = nk_json_str(j, "SchemaDefinition");
    d->format = nk_schema_format_find(nk_json_str(j, "DataFormat"));
    return NK_OK;
}

NK_LIST(ref_list, nk_schema_ref);

/* A link's definition: a file beside the one that links (its name, or with .avsc), or a schema of
 * the registry. */
static nk_code find_ref(cli *x, const definition *from, nk_str link, definition *out)
{
    nk_str path = nk_str_c(from->what);
    ptrdiff_t slash = nk_str_rchr(path, '/');
    const char *const ends[] = {"", ".avsc", ".json"};
    for (size_t i = 0; from->file && i < NK_COUNTOF(ends); i++) {
        const char *beside = nk_arena_printf(x->a, "%.*s%.*s%s", (int)(slash + 1), path.p,
                                             NK_STR_ARG(link), ends[i]);
        if (beside && nk_file_exists(beside))
            return load(x, beside, out);
    }
    const char *name = nk_arena_strndup(x->a, link.p, link.n);
    return name ? load(x, name, out) : nk_fail(&x->err, NK_E_NOMEM, "out of memory");
}

static nk_code gather(cli *x, const definition *d, ref_list *refs, unsigned depth)
{
    nk_strs links = {0};
    NK_TRY(d->format->links(d->text, x->a, &links, &x->err));
    for (size_t i = 0; i < links.n && depth < 32; i++) {
        definition r;
        bool known = false;
        for (size_t k = 0; k < refs->n; k++)
            known = known || nk_str_eq(refs->v[k].name, links.v[i]);
        if (known || find_ref(x, d, links.v[i], &r) != NK_OK || r.format != d->format)
            continue; /* the parser says what is missing */
        NK_TRY(gather(x, &r, refs, depth + 1));
        nk_schema_ref *ref = ref_list_add(refs, x->a);
        if (!ref)
            return nk_fail(&x->err, NK_E_NOMEM, "out of memory");
        *ref = (nk_schema_ref){links.v[i], r.text};
    }
    return NK_OK;
}

static nk_code parse(cli *x, definition *d)
{
    ref_list refs = {0};
    nk_code rc = gather(x, d, &refs, 0);
    if (rc == NK_OK)
        rc = d->format->parse(d->text, refs.v, refs.n, x->a, &d->doc, &x->err);
    return rc == NK_OK ? rc : nk_wrap(&x->err, "%s", d->what);
}

static nk_code load_pair(cli *x, char **names, definition d[2])
{
    for (int i = 0; i < 2; i++)
        NK_TRY(load(x, names[i], &d[i]));
    /* what the registry says counts for a file */
    for (int i = 0; i < 2; i++)
        if (d[i].file && !d[1 - i].file)
            d[i].format = d[1 - i].format;
    for (int i = 0; i < 2; i++) {
        if (!d[i].format)
            return nk_fail(&x->err, NK_E_INVALID, "there is no format '%s': AVRO, JSON or PROTOBUF",
                           x->format ? x->format : "");
        NK_TRY(parse(x, &d[i]));
    }
    if (d[0].format != d[1].format)
        return nk_fail(&x->err, NK_E_INVALID, "%s is %.*s and %s is %.*s", d[0].what,
                       NK_STR_ARG(d[0].format->name), d[1].what, NK_STR_ARG(d[1].format->name));
    return NK_OK;
}

/* ---- verdicts ---- */

typedef struct verdict {
    nk_schema_diffs way[2]; /* backward, forward */
    size_t broken[2][NK_DOOR_COUNT];
} verdict;

static nk_code judge(cli *x, const definition d[2], verdict *v)
{
    for (int i = 0; i < 2; i++) {
        NK_TRY(d[0].format->compare(d[i].doc, d[1 - i].doc, x->a, &v->way[i], &x->err));
        for (int door = 0; door < NK_DOOR_COUNT; door++) {
            v->broken[i][door] = 0;
            for (size_t k = 0; k < v->way[i].n; k++)
                v->broken[i][door] += v->way[i].v[k].rule->verdict[door] == NK_VERDICT_BREAKS;
        }
    }
    return NK_OK;
}

static void print_json(const verdict *v, bool ways[2], nk_door door, bool ok)
{
    nk_buf b;
    nk_buf_init(&b, (size_t)64 << 20);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    nk_jw_kbool(&w, "compatible", ok);
    nk_jw_key(&w, NK_STR("differences"));
    nk_jw_array(&w);
    for (int i = 0; i < 2; i++) {
        for (size_t k = 0; ways[i] && k < v->way[i].n; k++) {
            const nk_schema_diff *d = &v->way[i].v[k];
            nk_jw_object(&w);
            nk_jw_kcstr(&w, "rule", d->rule->id);
            nk_jw_kcstr(&w, "direction", i ? "FORWARD" : "BACKWARD");
            nk_jw_kbool(&w, "breaks", d->rule->verdict[door] == NK_VERDICT_BREAKS);
            nk_jw_kstr(&w, "writerPath", d->writer_path);
            nk_jw_kstr(&w, "readerPath", d->reader_path);
            nk_jw_kstr(&w, "message", d->message);
            if (d->sample.p)
                nk_jw_kstr(&w, "sample", d->sample);
            nk_jw_object_end(&w);
        }
    }
    nk_jw_array_end(&w);
    nk_jw_object_end(&w);
    printf("%.*s\n", NK_STR_ARG(nk_buf_view(&b)));
    nk_buf_free(&b);
}

static void print_summary(const cli *x, const verdict *v)
{
    static const char *const doors[] = {"Glue", "Confluent"};
    for (int door = 0; door < NK_DOOR_COUNT; door++) {
        bool back = !v->broken[0][door], forth = !v->broken[1][door];
        printf("%-9s  backward %s  forward %s  full %s\n", doors[door], back ? "yes" : "no ",
               forth ? "yes" : "no ", back && forth ? "yes" : "no");
    }
}

/* --mode in any case: backward, forward, full. */
static nk_code ways_of(cli *x, const char *mode, bool ways[2])
{
    nk_str m = nk_str_c(mode);
    ways[0] = nk_str_ieq(m, NK_STR("backward")) || nk_str_ieq(m, NK_STR("full"));
    ways[1] = nk_str_ieq(m, NK_STR("forward")) || nk_str_ieq(m, NK_STR("full"));
    if (ways[0] || ways[1])
        return NK_OK;
    return nk_fail(&x->err, NK_E_INVALID, "--mode is backward, forward or full, not '%s'", mode);
}

static int check(cli *x, char **names)
{
    definition d[2];
    verdict v;
    bool ways[2];
    size_t broken = 0;
    if (ways_of(x, x->mode ? x->mode : "backward", ways) != NK_OK ||
        load_pair(x, names, d) != NK_OK || judge(x, d, &v) != NK_OK)
        return nk_cmd_fail(&x->err) + 1;
    for (int i = 0; i < 2; i++)
        broken += ways[i] ? v.broken[i][x->door] : 0;
    if (x->json) {
        print_json(&v, ways, x->door, !broken);
        return broken > 0;
    }
    for (int i = 0; i < 2; i++)
        if (ways[i])
            (void)nk_schema_print_diffs(&v.way[i], i ? "forward" : "backward", x->door, false,
                                        x->colour);
    if (!broken)
        printf("%s may follow %s: %s compatible\n", d[1].what, d[0].what,
               x->mode ? x->mode : "backward");
    return broken > 0;
}

static int show_diff(cli *x, const definition d[2])
{
    verdict v;
    if (judge(x, d, &v) != NK_OK)
        return nk_cmd_fail(&x->err);
    if (x->json) {
        bool both[2] = {true, true};
        print_json(&v, both, x->door, !v.broken[0][x->door] && !v.broken[1][x->door]);
        return 0;
    }
    nk_schema_print_lines(nk_schema_pretty(d[0].text, x->a), nk_schema_pretty(d[1].text, x->a),
                          x->colour, x->a);
    if (v.way[0].n || v.way[1].n)
        printf("\n");
    (void)nk_schema_print_diffs(&v.way[0], "backward", x->door, true, x->colour);
    (void)nk_schema_print_diffs(&v.way[1], "forward", x->door, false, x->colour);
    print_summary(x, &v);
    return 0;
}

static int diff(cli *x, char **names)
{
    definition d[2];
    if (load_pair(x, names, d) != NK_OK)
        return nk_cmd_fail(&x->err);
    return show_diff(x, d);
}

/* ---- the registry ---- */

static int list(cli *x, char **names)
{
    nk_str token = NK_STR_NULL;
    nk_grid *grid = nk_grid_create(&(nk_grid_options){.colour = x->colour}, 6);
    static const char *const columns[] = {"registry",      "schema", "format",
                                          "compatibility", "latest", "description"};
    nk_code rc = NK_OK;
    if (!grid)
        return nk_cmd_failf("out of memory");
    for (size_t i = 0; i < NK_COUNTOF(columns); i++)
        nk_grid_column(grid, i, nk_str_c(columns[i]), i == 4);
    do {
        nk_buf b;
        nk_json *page;
        nk_buf_init(&b, 1 << 20);
        nk_json_writer w = {.buf = &b};
        nk_jw_object(&w);
        nk_jw_ki64(&w, "MaxResults", 100);
        if (x->registry) {
            nk_jw_key(&w, NK_STR("RegistryId"));
            nk_jw_object(&w);
            nk_jw_kcstr(&w, "RegistryName", x->registry);
            nk_jw_object_end(&w);
        }
        if (token.p)
            nk_jw_kstr(&w, "NextToken", token);
        nk_jw_object_end(&w);
        rc = call(x, "ListSchemas", &b, &page);
        nk_buf_free(&b);
        const nk_json *all = rc == NK_OK ? nk_json_get(page, "Schemas") : NULL;
        for (const nk_json *s = all ? all->first : NULL; rc == NK_OK && s; s = s->next) {
            nk_json *j;
            const char *registry = x->registry;
            nk_str in = nk_json_str(s, "RegistryName");
            x->registry = nk_arena_strndup(x->a, in.p, in.n);
            rc = ask(x, "GetSchema", nk_json_str(s, "SchemaName"), -1, NK_STR_NULL, &j);
            x->registry = registry;
            if (rc == NK_E_NOT_FOUND) {
                rc = NK_OK; /* deleted meanwhile */
                continue;
            }
            static const char *const members[] = {"RegistryName",        "SchemaName",
                                                  "DataFormat",          "Compatibility",
                                                  "LatestSchemaVersion", "Description"};
            for (size_t i = 0; rc == NK_OK && i < NK_COUNTOF(members); i++)
                rc = nk_grid_cell(
                    grid, nk_json_str(j, members[i]).p ? nk_json_str(j, members[i]) : NK_STR(""),
                    &x->err);
        }
        token = rc == NK_OK ? nk_json_str(page, "NextToken") : NK_STR_NULL;
    } while (rc == NK_OK && token.p);
    if (rc == NK_OK)
        rc = nk_grid_end(grid, &x->err);
    else
        nk_grid_destroy(grid);
    return rc == NK_OK ? 0 : nk_cmd_fail(&x->err);
}

static int show(cli *x, char **names)
{
    definition d;
    if (load(x, names[0], &d) != NK_OK)
        return nk_cmd_fail(&x->err);
    nk_str text = x->json ? d.text : nk_schema_pretty(d.text, x->a);
    printf("%.*s%s", NK_STR_ARG(text), nk_str_ends(text, NK_STR("\n")) ? "" : "\n");
    return 0;
}

static nk_code create(cli *x, nk_str name, const definition *d, nk_json **out)
{
    nk_buf b;
    nk_buf_init(&b, 1 << 20);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    if (x->registry) {
        nk_jw_key(&w, NK_STR("RegistryId"));
        nk_jw_object(&w);
        nk_jw_kcstr(&w, "RegistryName", x->registry);
        nk_jw_object_end(&w);
    }
    nk_jw_kstr(&w, "SchemaName", name);
    nk_jw_kstr(&w, "DataFormat", d->format->name);
    if (x->mode)
        nk_jw_kcstr(&w, "Compatibility", x->mode);
    nk_jw_kstr(&w, "SchemaDefinition", d->text);
    nk_jw_object_end(&w);
    nk_code rc = call(x, "CreateSchema", &b, out);
    nk_buf_free(&b);
    return rc;
}

static int register_it(cli *x, char **names)
{
    definition d;
    nk_json *j;
    nk_str name = nk_str_c(names[0]);
    if (!nk_file_exists(names[1]))
        return nk_cmd_failf("%s is no file", names[1]);
    if (load(x, names[1], &d) != NK_OK)
        return nk_cmd_fail(&x->err);
    if (!d.format)
        return nk_cmd_failf("there is no format '%s': AVRO, JSON or PROTOBUF", x->format);
    nk_code rc = ask(x, "RegisterSchemaVersion", name, -1, d.text, &j);
    bool made = rc == NK_E_NOT_FOUND;
    if (made)
        rc = create(x, name, &d, &j);
    if (rc != NK_OK)
        return nk_cmd_fail(&x->err);
    int64_t version = nk_json_i64(j, made ? "LatestSchemaVersion" : "VersionNumber", 0);
    nk_str id = nk_json_str(j, "SchemaVersionId");
    printf("%s version %lld %.*s\n", names[0], (long long)version, NK_STR_ARG(id));
    if (!nk_str_is(nk_json_str(j, "Status"), "FAILURE"))
        return 0;
    return nk_cmd_failf("it is incompatible, and was kept in status FAILURE; 'nikawa schema check "
                        "%s %s' says why",
                        names[0], names[1]);
}

static int evolve(cli *x, char **names)
{
    definition d[2];
    if (!nk_file_exists(names[1]))
        return nk_cmd_failf("%s is no file", names[1]);
    if (load_pair(x, names, d) != NK_OK)
        return nk_cmd_fail(&x->err);
    int code = show_diff(x, d);
    if (code)
        return code;
    if (!x->yes) {
        printf("Nothing was registered. To do it: nikawa schema evolve --yes %s %s\n", names[0],
               names[1]);
        return 0;
    }
    return register_it(x, names);
}

/* ---- the verbs ---- */

static const struct verb {
    const char *name;
    int operands;
    int (*run)(cli *x, char **operands);
} verbs[] = {
    {"list", 0, list},   {"show", 1, show}, {"register", 2, register_it},
    {"check", 2, check}, {"diff", 2, diff}, {"evolve", 2, evolve},
};

static int run(cli *x, char **rest, int nrest)
{
    const char *names[NK_COUNTOF(verbs)];
    if (x->door_name && nk_str_ieq(nk_str_c(x->door_name), NK_STR("confluent")))
        x->door = NK_DOOR_CONFLUENT;
    else if (x->door_name && !nk_str_ieq(nk_str_c(x->door_name), NK_STR("glue")))
        return nk_cmd_usage("schema", "--rules is glue or confluent, not '%s'", x->door_name);
    if (nrest < 1)
        return nk_cmd_usage("schema",
                            "a verb is wanted: list, show, register, check, diff or evolve");
    for (size_t i = 0; i < NK_COUNTOF(verbs); i++) {
        names[i] = verbs[i].name;
        if (strcmp(verbs[i].name, rest[0]) != 0)
            continue;
        if (nrest - 1 != verbs[i].operands)
            return nk_cmd_usage("schema", "%s wants %d names", rest[0], verbs[i].operands);
        return verbs[i].run(x, rest + 1);
    }
    const char *near = nk_cmd_suggest(rest[0], names, NK_COUNTOF(names));
    return nk_cmd_usage("schema", "there is no verb '%s'%s%s%s", rest[0],
                        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int nk_cmd_schema(int argc, char **argv)
{
    cli x = {.err = NK_ERR_INIT};
    const nk_opt opts[] = {
        {"mode", 0, NK_OPT_STR, "MODE",
         "check: backward (default), forward or full; register: the new schema's mode", &x.mode, 0,
         0},
        {"rules", 0, NK_OPT_STR, "DOOR", "judge as glue (default) or confluent does", &x.door_name,
         0, 0},
        {"format", 0, NK_OPT_STR, "FORMAT", "of files: AVRO, JSON or PROTOBUF (default: by name)",
         &x.format, 0, 0},
        {"registry", 0, NK_OPT_STR, "REGISTRY", "default default-registry", &x.registry, 0, 0},
        {"yes", 'y', NK_OPT_FLAG, NULL, "evolve: register it", &x.yes, 0, 0},
        {"json", 0, NK_OPT_FLAG, NULL, "print verdicts as JSON; show: the text as it is", &x.json,
         0, 0},
        {"data", 'd', NK_OPT_STR, "DIR",
         "the server's folder (default $NIKAWA_DATA, else ./nikawa-data)", &x.dir, 0, 0},
        {"region", 0, NK_OPT_STR, "REGION", "default the server's", &x.region, 0, 0},
        {0},
    };
    char **rest;
    int nrest, code = nk_opts_parse(&help, opts, false, argc, argv, &rest, &nrest);
    if (code >= 0)
        return code;
    x.a = nk_arena_create(0);
    if (!x.a)
        return nk_cmd_failf("out of memory");
    x.colour = nk_cmd_colour(STDOUT_FILENO);
    code = run(&x, rest, nrest);
    nk_aws_client_destroy(x.client);
    nk_arena_destroy(x.a);
    return code;
}
