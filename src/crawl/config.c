/* What a crawler's definition must satisfy. */
#include "crawl/crawlers_int.h"
#include "crawl/events.h"
#include "lake/s3.h"

static nk_code unknown(const char *where, const nk_json *j, nk_err *err)
{
    return nk_fail(err, NK_E_INVALID, "Crawler configuration: unknown member \"%.*s\" of %s",
                   NK_STR_ARG(j->key), where);
}

static nk_code wants(const char *member, const char *what, nk_err *err)
{
    return nk_fail(err, NK_E_INVALID, "Crawler configuration: %s must be %s", member, what);
}

static nk_code flag(const nk_json *j, const char *member, const char *only, bool *out, nk_err *err)
{
    if (j->kind != NK_JSON_STRING || !nk_str_is(j->text, only))
        return nk_fail(err, NK_E_INVALID, "Crawler configuration: %s must be \"%s\"", member, only);
    *out = true;
    return NK_OK;
}

static nk_code count(const nk_json *j, const char *member, int64_t min, int *out, nk_err *err)
{
    int64_t v;
    if ((j->kind != NK_JSON_NUMBER && j->kind != NK_JSON_STRING) || !nk_str_i64(j->text, &v) ||
        v < min || v > 1000000)
        return wants(member, "a positive integer", err);
    *out = (int)v;
    return NK_OK;
}

static nk_code output(const nk_json *j, nk_crawl_config *out, nk_err *err)
{
    if (j->kind != NK_JSON_OBJECT)
        return wants("CrawlerOutput", "an object", err);
    for (const nk_json *m = j->first; m; m = m->next) {
        bool tables = nk_str_is(m->key, "Tables");
        if (!tables && !nk_str_is(m->key, "Partitions"))
            return unknown("CrawlerOutput", m, err);
        if (m->kind != NK_JSON_OBJECT)
            return wants("CrawlerOutput.Tables and CrawlerOutput.Partitions", "objects", err);
        for (const nk_json *b = m->first; b; b = b->next) {
            if (nk_str_is(b->key, "AddOrUpdateBehavior"))
                NK_TRY(flag(b, "AddOrUpdateBehavior",
                            tables ? "MergeNewColumns" : "InheritFromTable",
                            tables ? &out->merge_new_columns : &out->inherit, err));
            else if (tables && nk_str_is(b->key, "TableThreshold"))
                NK_TRY(count(b, "TableThreshold", 1, &out->table_threshold, err));
            else
                return unknown(tables ? "CrawlerOutput.Tables" : "CrawlerOutput.Partitions", b,
                               err);
        }
    }
    return NK_OK;
}

static nk_code grouping(const nk_json *j, nk_crawl_config *out, nk_err *err)
{
    if (j->kind != NK_JSON_OBJECT)
        return wants("Grouping", "an object", err);
    for (const nk_json *m = j->first; m; m = m->next) {
        if (nk_str_is(m->key, "TableGroupingPolicy"))
            NK_TRY(flag(m, "TableGroupingPolicy", "CombineCompatibleSchemas", &out->combine, err));
        else if (nk_str_is(m->key, "TableLevelConfiguration"))
            NK_TRY(count(m, "TableLevelConfiguration", 1, &out->table_level, err));
        else
            return unknown("Grouping", m, err);
    }
    return NK_OK;
}

nk_code nk_crawl_config_parse(nk_str text, nk_arena *a, nk_crawl_config *out, nk_err *err)
{
    *out = (nk_crawl_config){0};
    nk_json *j;
    nk_err bad = NK_ERR_INIT;
    if (!nk_str_trim(text).n)
        return NK_OK;
    if (nk_json_parse(text, a, 0, &j, &bad) != NK_OK || j->kind != NK_JSON_OBJECT)
        return nk_fail(err, NK_E_INVALID, "Crawler configuration is not a JSON object%s%s",
                       bad.msg[0] ? ": " : "", bad.msg);
    for (const nk_json *m = j->first; m; m = m->next) {
        if (nk_str_is(m->key, "Version")) {
            if (!nk_str_is(m->text, "1.0") && !nk_str_is(m->text, "1"))
                return wants("Version", "1.0", err);
        } else if (nk_str_is(m->key, "CrawlerOutput")) {
            NK_TRY(output(m, out, err));
        } else if (nk_str_is(m->key, "Grouping")) {
            NK_TRY(grouping(m, out, err));
        } else if (nk_str_is(m->key, "CreatePartitionIndex")) {
            if (m->kind != NK_JSON_TRUE && m->kind != NK_JSON_FALSE)
                return wants("CreatePartitionIndex", "true or false", err);
            out->no_index = m->kind == NK_JSON_FALSE;
        } else {
            return unknown("the configuration", m, err);
        }
    }
    return NK_OK;
}

static nk_code check_s3(const glue_S3Target *t, nk_err *err)
{
    nk_s3_uri uri;
    if (!t->Path.p)
        return nk_fail(err, NK_E_INVALID, "An S3 target must have a Path");
    if (nk_s3_uri_parse(t->Path, &uri, err) != NK_OK) {
        if (err)
            err->code = NK_E_INVALID;
        return NK_E_INVALID;
    }
    if (t->SampleSize.set && (t->SampleSize.value < 1 || t->SampleSize.value > 249))
        return nk_fail(err, NK_E_INVALID, "SampleSize must be between 1 and 249");
    if (t->Exclusions.n > 100)
        return nk_fail(err, NK_E_INVALID, "A target takes at most 100 exclusions");
    for (size_t i = 0; i < t->Exclusions.n; i++)
        NK_TRY(nk_glob_check(t->Exclusions.v[i], err));
    return NK_OK;
}

static nk_code check_paths(const nk_list_str *paths, const char *member, nk_opt_i64 depth,
                           const nk_list_str *exclusions, nk_err *err)
{
    nk_s3_uri uri;
    if (!paths->n)
        return nk_fail(err, NK_E_INVALID, "A target of %s names no path", member);
    for (size_t i = 0; i < paths->n; i++) {
        if (nk_s3_uri_parse(paths->v[i], &uri, err) != NK_OK)
            return NK_E_INVALID;
    }
    if (depth.set && (depth.value < 1 || depth.value > 20))
        return nk_fail(err, NK_E_INVALID, "MaximumTraversalDepth must be between 1 and 20");
    for (size_t i = 0; exclusions && i < exclusions->n; i++)
        NK_TRY(nk_glob_check(exclusions->v[i], err));
    return NK_OK;
}

static nk_code check_lakehouse(const glue_CrawlerTargets *t, nk_err *err)
{
    for (size_t i = 0; i < t->DeltaTargets.n; i++)
        NK_TRY(check_paths(&t->DeltaTargets.v[i].DeltaTables, "DeltaTargets", (nk_opt_i64){0}, NULL,
                           err));
    for (size_t i = 0; i < t->IcebergTargets.n; i++)
        NK_TRY(check_paths(&t->IcebergTargets.v[i].Paths, "IcebergTargets",
                           t->IcebergTargets.v[i].MaximumTraversalDepth,
                           &t->IcebergTargets.v[i].Exclusions, err));
    for (size_t i = 0; i < t->HudiTargets.n; i++)
        NK_TRY(check_paths(&t->HudiTargets.v[i].Paths, "HudiTargets",
                           t->HudiTargets.v[i].MaximumTraversalDepth,
                           &t->HudiTargets.v[i].Exclusions, err));
    return NK_OK;
}

/* Targets that are reached through a connection, and DynamoDB's. */
static nk_code check_connected(const glue_CrawlerTargets *t, nk_err *err)
{
    for (size_t i = 0; i < t->JdbcTargets.n; i++)
        if (!t->JdbcTargets.v[i].ConnectionName.n)
            return nk_fail(err, NK_E_INVALID, "A JDBC target must have a ConnectionName");
    for (size_t i = 0; i < t->MongoDBTargets.n; i++)
        if (!t->MongoDBTargets.v[i].ConnectionName.n)
            return nk_fail(err, NK_E_INVALID, "A MongoDB target must have a ConnectionName");
    for (size_t i = 0; i < t->DynamoDBTargets.n; i++) {
        const glue_DynamoDBTarget *d = &t->DynamoDBTargets.v[i];
        if (!d->Path.n)
            return nk_fail(err, NK_E_INVALID, "A DynamoDB target must have a Path: a table's name");
        if (d->scanRate.set && (d->scanRate.value < 0.1 || d->scanRate.value > 1.5))
            return nk_fail(err, NK_E_INVALID, "scanRate must be between 0.1 and 1.5");
    }
    return NK_OK;
}

/* Tables of the catalogue: alone, and what is gone is only logged. */
static nk_code check_catalog(const glue_Crawler *c, size_t all, nk_err *err)
{
    const glue_CatalogTarget_list *t = &c->Targets->CatalogTargets;
    const glue_SchemaChangePolicy *p = c->SchemaChangePolicy;
    if (!t->n)
        return NK_OK;
    if (all != t->n)
        return nk_fail(err, NK_E_INVALID,
                       "CatalogTargets cannot be combined with targets of another kind");
    if (p && !nk_str_is(p->DeleteBehavior, "LOG"))
        return nk_fail(err, NK_E_INVALID,
                       "The SchemaChangePolicy for Data Catalog target can have only LOG "
                       "DeleteBehavior value.");
    return NK_OK;
}

static nk_code check_queue(nk_str arn, bool needed, nk_err *err)
{
    if (needed && !arn.n)
        return nk_fail(err, NK_E_INVALID,
                       "RecrawlBehavior CRAWL_EVENT_MODE needs an EventQueueArn for each target");
    if (arn.n && !nk_queue_arn_ok(arn))
        return nk_fail(err, NK_E_INVALID, "\"%.*s\" is no ARN of an SQS queue", NK_STR_ARG(arn));
    return NK_OK;
}

static nk_code check_events(const glue_Crawler *c, size_t all, nk_err *err)
{
    const glue_CrawlerTargets *t = c->Targets;
    bool on = c->RecrawlPolicy && nk_str_is(c->RecrawlPolicy->RecrawlBehavior, "CRAWL_EVENT_MODE");
    if (on && all != t->S3Targets.n + t->CatalogTargets.n)
        return nk_fail(err, NK_E_INVALID,
                       "RecrawlBehavior CRAWL_EVENT_MODE is for S3 and catalogue targets");
    for (size_t i = 0; i < t->S3Targets.n; i++) {
        NK_TRY(check_queue(t->S3Targets.v[i].EventQueueArn, on, err));
        NK_TRY(check_queue(t->S3Targets.v[i].DlqEventQueueArn, false, err));
    }
    for (size_t i = 0; i < t->CatalogTargets.n; i++) {
        NK_TRY(check_queue(t->CatalogTargets.v[i].EventQueueArn, on, err));
        NK_TRY(check_queue(t->CatalogTargets.v[i].DlqEventQueueArn, false, err));
    }
    return NK_OK;
}

/* Incremental crawls know folders of S3 only. */
static nk_code check_new_folders(const glue_Crawler *c, size_t all, nk_err *err)
{
    const glue_SchemaChangePolicy *p = c->SchemaChangePolicy;
    if (!c->RecrawlPolicy ||
        !nk_str_is(c->RecrawlPolicy->RecrawlBehavior, "CRAWL_NEW_FOLDERS_ONLY"))
        return NK_OK;
    if (p && (!nk_str_is(p->UpdateBehavior, "LOG") || !nk_str_is(p->DeleteBehavior, "LOG")))
        return nk_fail(
            err, NK_E_INVALID,
            "The SchemaChangePolicy for \"Crawl new folders only\" Amazon S3 target can have only "
            "LOG DeleteBehavior value and only LOG UpdateBehavior value.");
    return all == c->Targets->S3Targets.n
               ? NK_OK
               : nk_fail(err, NK_E_INVALID,
                         "RecrawlBehavior CRAWL_NEW_FOLDERS_ONLY is for S3 targets only");
}

/* A role's name, with its path or not, or its ARN. There is no IAM here that could know it. */
static nk_code check_role(nk_str role, nk_err *err)
{
    nk_str name = role, part[6] = {0};
    if (nk_str_starts(role, NK_STR("arn:"))) {
        for (size_t i = 0; i < NK_COUNTOF(part) - 1; i++)
            (void)nk_str_split(&name, ':', &part[i]);
        bool account = part[4].n == 12;
        for (size_t i = 0; i < part[4].n; i++)
            account &= part[4].p[i] >= '0' && part[4].p[i] <= '9';
        if (!account || !nk_str_is(part[2], "iam") || !nk_str_starts(name, NK_STR("role/")))
            name = NK_STR("");
        else
            name = nk_str_sub(name, 5, name.n);
    }
    bool fine = name.n > 0;
    for (size_t i = 0; i < name.n; i++) {
        char ch = name.p[i];
        fine &= (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
                (ch && strchr("_+=,.@-/", ch));
    }
    return fine ? NK_OK
                : nk_fail(err, NK_E_INVALID,
                          "Role \"%.*s\" is neither the name nor the ARN of an IAM role "
                          "(arn:aws:iam::ACCOUNT:role/NAME)",
                          NK_STR_ARG(role));
}

static nk_code check_schedule(const glue_Schedule *s, nk_err *err)
{
    nk_cron cron;
    if (!s || !s->ScheduleExpression.n)
        return NK_OK;
    NK_TRY(nk_cron_parse(s->ScheduleExpression, &cron, err));
    if (nk_cron_least_gap(&cron) >= 5)
        return NK_OK;
    return nk_fail(err, NK_E_INVALID,
                   "Schedule expression \"%.*s\" fires more often than every 5 minutes",
                   NK_STR_ARG(s->ScheduleExpression));
}

nk_code nk_crawl_check(const glue_Crawler *c, nk_arena *a, nk_err *err)
{
    const glue_CrawlerTargets *t = c->Targets;
    nk_crawl_config config;
    size_t all = !t ? 0
                    : t->S3Targets.n + t->JdbcTargets.n + t->MongoDBTargets.n +
                          t->DynamoDBTargets.n + t->CatalogTargets.n + t->DeltaTargets.n +
                          t->IcebergTargets.n + t->HudiTargets.n;
    if (!all)
        return nk_fail(err, NK_E_INVALID, "Crawler must have at least one target");
    for (size_t i = 0; i < t->S3Targets.n; i++)
        NK_TRY(check_s3(&t->S3Targets.v[i], err));
    NK_TRY(check_lakehouse(t, err));
    NK_TRY(check_connected(t, err));
    NK_TRY(check_catalog(c, all, err));
    NK_TRY(check_events(c, all, err));
    NK_TRY(check_new_folders(c, all, err));
    NK_TRY(check_role(c->Role, err));
    NK_TRY(check_schedule(c->Schedule, err));
    return nk_crawl_config_parse(c->Configuration, a, &config, err);
}

nk_code nk_crawl_runnable(const glue_Crawler *c, nk_err *err)
{
    const glue_CrawlerTargets *t = c->Targets;
    const struct {
        const char *name;
        size_t n;
    } others[] = {
        {"JdbcTargets", t->JdbcTargets.n},
        {"MongoDBTargets", t->MongoDBTargets.n},
        {"DynamoDBTargets", t->DynamoDBTargets.n},
    };
    for (size_t i = 0; i < NK_COUNTOF(others); i++) {
        if (others[i].n)
            return nk_fail(
                err, NK_E_UNSUPPORTED,
                "Crawling %s is not available yet: this Nikawa has no such connector. S3, "
                "catalogue, Delta, Iceberg and Hudi targets can be crawled",
                others[i].name);
    }
    for (size_t i = 0; i < t->S3Targets.n; i++) {
        if (t->S3Targets.v[i].ConnectionName.n)
            return nk_fail(err, NK_E_UNSUPPORTED,
                           "ConnectionName of an S3 target is not available yet: leave it out");
    }
    if (!c->DatabaseName.n && !t->CatalogTargets.n)
        return nk_fail(err, NK_E_INVALID, "Crawler %.*s has no DatabaseName to write to",
                       NK_STR_ARG(c->Name));
    return NK_OK;
}
