/* The table of formats, and the order in which classifiers are asked. */
#include "crawl/formats.h"

/* Those that are told by a connection, not by a file's content. */
#define CONNECTION(name, what)                                                                     \
    static const nk_crawl_format format_##name = {.classification = #name, .doc = what}
CONNECTION(redshift, "Amazon Redshift, by its JDBC connection");
CONNECTION(mysql, "MySQL, by its JDBC connection");
CONNECTION(postgresql, "PostgreSQL, by its JDBC connection");
CONNECTION(oracle, "Oracle, by its JDBC connection");
CONNECTION(sqlserver, "Microsoft SQL Server, by its JDBC connection");
CONNECTION(dynamodb, "Amazon DynamoDB, by the table's own description");

const nk_crawl_format *const nk_crawl_formats[] = {
    &nk_crawl_format_avro,
    &nk_crawl_format_orc,
    &nk_crawl_format_parquet,
    &nk_crawl_format_json,
    &nk_crawl_format_bson,
    &nk_crawl_format_xml,
    &nk_crawl_format_ion,
    &nk_crawl_format_logs[0],
    &nk_crawl_format_logs[1],
    &nk_crawl_format_logs[2],
    &nk_crawl_format_logs[3],
    &nk_crawl_format_logs[4],
    &nk_crawl_format_logs[5],
    &nk_crawl_format_logs[6],
    &nk_crawl_format_logs[7],
    &nk_crawl_format_csv,
    &format_redshift,
    &format_mysql,
    &format_postgresql,
    &format_oracle,
    &format_sqlserver,
    &format_dynamodb,
    NULL,
};

/* What concerns this file alone becomes a remark about it. */
static bool of_the_file(nk_code rc)
{
    return rc == NK_E_PARSE || rc == NK_E_SERIALIZATION || rc == NK_E_LIMIT;
}

static nk_code ask(const nk_crawl_format *f, const nk_custom *c, const nk_sample *s, nk_arena *a,
                   nk_finding *best, nk_err *err)
{
    nk_finding one = {
        .format = f, .codec = s->codec, .classification = nk_str_c(f->classification)};
    nk_err why = NK_ERR_INIT;
    nk_code rc = f->classify(f, c, s, a, &one, &why);
    if (rc != NK_OK && !of_the_file(rc))
        return nk_fail(err, rc, "%s", why.msg);
    if (rc != NK_OK) {
        one.certainty = 0;
        one.why = nk_str_dup(a, nk_str_c(why.msg));
    }
    if (c && one.certainty <= 0)
        one.why = nk_str_printf(a, "classifier %.*s: %.*s", NK_STR_ARG(c->name),
                                NK_STR_ARG(one.why.n ? one.why : NK_STR("it is of another kind")));
    if (c && c->classification.n)
        one.classification = c->classification;
    one.more |= best->more;
    best->more = one.more;
    if (one.certainty > best->certainty) {
        *best = one;
    } else if (one.certainty <= 0 && best->certainty <= 0 && !best->claimed && one.why.p &&
               (one.claimed || !best->why.p || f == &nk_crawl_format_csv) &&
               !(f == &nk_crawl_format_csv && best->why.p)) {
        *best = (nk_finding){.claimed = one.claimed, .more = one.more, .why = one.why};
    }
    return NK_OK;
}

static bool settled(const nk_finding *f)
{
    return f->certainty >= 1 || f->claimed;
}

/* Nothing but white space, or text in two-byte characters: no classifier can say more. */
static bool no_text(const nk_sample *s, nk_finding *out)
{
    if (nk_str_starts(s->head, NK_STR("\xff\xfe")) || nk_str_starts(s->head, NK_STR("\xfe\xff")))
        out->why = NK_STR("the text is UTF-16; UTF-8 is wanted");
    else if (!nk_str_trim(s->head).n)
        out->why = NK_STR("nothing but white space");
    return out->why.p != NULL;
}

nk_code nk_classify(const nk_customs *customs, nk_sample *s, nk_load_head load, nk_arena *a,
                    nk_finding *out, nk_err *err)
{
    *out = (nk_finding){0};
    const nk_crawl_format *by_end = NULL;
    for (const nk_crawl_format *const *f = nk_crawl_formats; *f && !customs->n; f++) {
        if ((*f)->suffix && nk_str_ends(s->name, nk_str_c((*f)->suffix)))
            by_end = *f;
    }
    nk_finding end = {0};
    if (by_end) {
        NK_TRY(ask(by_end, NULL, s, a, &end, err));
        if (end.certainty >= 1) {
            *out = end;
            return NK_OK;
        }
    }
    NK_TRY(load(s, err));
    if (no_text(s, out))
        return NK_OK;
    for (size_t i = 0; i < customs->n && !settled(out); i++)
        NK_TRY(ask(customs->v[i].format, &customs->v[i], s, a, out, err));
    nk_str passed = out->certainty > 0 ? NK_STR_NULL : out->why;
    for (const nk_crawl_format *const *f = nk_crawl_formats; *f && !settled(out); f++) {
        if ((*f)->classify && *f != by_end)
            NK_TRY(ask(*f, NULL, s, a, out, err));
    }
    if (out->certainty > 0 && passed.n) /* why none of the crawler's own has taken it */
        out->why = nk_str_printf(a, "%.*s; %.*s", NK_STR_ARG(out->why), NK_STR_ARG(passed));
    if (out->certainty > 0)
        return out->why.p ? NK_OK : nk_fail(err, NK_E_NOMEM, "Out of memory classifying a file");
    out->format = NULL;
    /* a name that promises a format says best what is wrong */
    if (by_end && end.why.p)
        out->why = end.why;
    else if (!out->why.p)
        out->why = NK_STR("no classifier knows it");
    return NK_OK;
}
