/* The server's half of targets: what a crawl's worker is told about each, from the definition and
 * from what the catalogue holds. */
#include "crawl/targets.h"

typedef struct telling {
    nk_crawl_run *run;
    nk_tx *tx;
    nk_catalog_ctx ctx;
    nk_json_writer w;
    nk_strs roots; /* tables that this crawler has made: "s3://…" */
    nk_strs known; /* folders in them */
    nk_code rc;
    nk_err *err;
} telling;

static void put_strs(nk_json_writer *w, const char *key, const nk_str *v, size_t n)
{
    nk_jw_key(w, nk_str_c(key));
    nk_jw_array(w);
    for (size_t i = 0; i < n; i++)
        nk_jw_str(w, v[i]);
    nk_jw_array_end(w);
}

static nk_code keep(telling *t, nk_strs *list, nk_str v)
{
    nk_str *slot = nk_strs_add(list, t->run->arena);
    if (!slot || !(*slot = nk_str_dup(t->run->arena, v)).p)
        return nk_fail(t->err, NK_E_NOMEM, "Out of memory");
    return NK_OK;
}

/* ---- what is known already ---- */

static bool made_row(void *arg, const nk_row *row)
{
    telling *t = arg;
    t->rc = keep(t, &t->roots, row->cols[MADE_LOCATION].s);
    if (t->rc == NK_OK)
        t->rc = keep(t, &t->roots, row->cols[MADE_TABLE].s);
    return t->rc == NK_OK;
}

static bool known_partition(void *arg, const glue_Partition *p)
{
    telling *t = arg;
    if (p->StorageDescriptor)
        t->rc = keep(t, &t->known, p->StorageDescriptor->Location);
    return t->rc == NK_OK;
}

/* Tables that this crawler has made; if only a part is looked at, those that are there still, and
 * their folders: roots and known. */
static nk_code read_known(telling *t)
{
    nk_strs pairs;
    nk_query q = {.kind = &nk_kind_made,
                  .prefix = NK_KEY(nk_vs(t->run->region), nk_vs(t->run->name)),
                  .nprefix = 2,
                  .no_body = true};
    NK_TRY(nk_store_scan(t->tx, &q, made_row, t, t->err));
    NK_TRY(t->rc);
    bool part = t->run->new_only || t->run->by_events;
    pairs = t->roots;
    t->roots = (nk_strs){0};
    for (size_t i = 0; i + 1 < pairs.n && !part; i += 2)
        NK_TRY(keep(t, &t->roots, pairs.v[i]));
    if (!part)
        return NK_OK;
    for (size_t i = 0; i + 1 < pairs.n; i += 2) {
        glue_Table *table;
        nk_err gone = NK_ERR_INIT;
        nk_code rc = nk_catalog_get_table(t->tx, &t->ctx, t->run->def->DatabaseName, pairs.v[i + 1],
                                          &table, &gone);
        if (rc == NK_E_NOT_FOUND)
            continue;
        if (rc != NK_OK)
            return nk_fail(t->err, rc, "%s", gone.msg);
        NK_TRY(keep(t, &t->roots, pairs.v[i]));
        if (!table->PartitionKeys.n) {
            NK_TRY(keep(t, &t->known, pairs.v[i]));
            continue;
        }
        NK_TRY(nk_catalog_each_partition(t->tx, &t->ctx, t->run->def->DatabaseName, pairs.v[i + 1],
                                         NK_STR(""), known_partition, t, t->err));
        NK_TRY(t->rc);
    }
    return NK_OK;
}

/* ---- a target ---- */

static void put_events(telling *t, nk_str arn, nk_str dlq, bool first)
{
    if (!t->run->by_events)
        return;
    nk_jw_key(&t->w, NK_STR("events"));
    nk_jw_object(&t->w);
    nk_jw_kstr(&t->w, "queue", arn);
    nk_jw_kstr(&t->w, "dlq", dlq);
    nk_jw_kbool(&t->w, "first", first);
    nk_jw_object_end(&t->w);
}

static nk_code put_s3(telling *t, const glue_S3Target *s)
{
    nk_jw_object(&t->w);
    nk_jw_kcstr(&t->w, "kind", "s3");
    nk_jw_kstr(&t->w, "path", s->Path);
    nk_jw_ki64(&t->w, "sample_size", nk_i64_or(s->SampleSize, 0));
    put_strs(&t->w, "exclusions", s->Exclusions.v, s->Exclusions.n);
    bool part = t->run->new_only || t->run->by_events;
    nk_jw_key(&t->w, nk_str_c(part ? "roots" : "standing"));
    nk_jw_array(&t->w);
    for (size_t i = 0; i < t->roots.n; i++) {
        if (part || nk_str_starts(t->roots.v[i], s->Path))
            nk_jw_str(&t->w, t->roots.v[i]);
    }
    nk_jw_array_end(&t->w);
    if (t->run->new_only)
        put_strs(&t->w, "known", t->known.v, t->known.n);
    put_events(t, s->EventQueueArn, s->DlqEventQueueArn, !t->roots.n);
    nk_jw_object_end(&t->w);
    return NK_OK;
}

static nk_code put_table(telling *t, const glue_CatalogTarget *c, nk_str name)
{
    glue_Table *table;
    NK_TRY(nk_catalog_get_table(t->tx, &t->ctx, c->DatabaseName, name, &table, t->err));
    nk_str location = table->StorageDescriptor ? table->StorageDescriptor->Location : NK_STR("");
    if (!nk_str_starts(location, NK_STR("s3")))
        return nk_fail(t->err, NK_E_INVALID,
                       "Table %.*s.%.*s of the catalogue does not lie in S3: it cannot be crawled",
                       NK_STR_ARG(c->DatabaseName), NK_STR_ARG(name));
    nk_jw_object(&t->w);
    nk_jw_kcstr(&t->w, "kind", "s3");
    nk_jw_kstr(&t->w, "path", location);
    nk_jw_kstr(&t->w, "database", c->DatabaseName);
    nk_jw_kstr(&t->w, "table", table->Name);
    put_strs(&t->w, "roots", &location, 1);
    put_events(t, c->EventQueueArn, c->DlqEventQueueArn, false);
    nk_jw_object_end(&t->w);
    return NK_OK;
}

static void put_path(telling *t, const char *kind, nk_str path, const nk_list_str *exclusions,
                     nk_opt_i64 depth)
{
    nk_jw_object(&t->w);
    nk_jw_kcstr(&t->w, "kind", kind);
    nk_jw_kstr(&t->w, "path", path);
    if (depth.set)
        nk_jw_ki64(&t->w, "depth", depth.value);
    put_strs(&t->w, "exclusions", exclusions->v, exclusions->n);
    nk_jw_object_end(&t->w);
}

static void put_delta(telling *t, const glue_DeltaTarget *d)
{
    for (size_t i = 0; i < d->DeltaTables.n; i++) {
        nk_jw_object(&t->w);
        nk_jw_kcstr(&t->w, "kind", "delta");
        nk_jw_kstr(&t->w, "path", d->DeltaTables.v[i]);
        nk_jw_kbool(&t->w, "native", nk_bool_or(d->CreateNativeDeltaTable, false));
        nk_jw_kbool(&t->w, "write_manifest", nk_bool_or(d->WriteManifest, false));
        nk_jw_object_end(&t->w);
    }
}

static nk_code put_all(telling *t)
{
    const glue_CrawlerTargets *all = t->run->def->Targets;
    nk_jw_array(&t->w);
    for (size_t i = 0; i < all->S3Targets.n; i++)
        NK_TRY(put_s3(t, &all->S3Targets.v[i]));
    for (size_t i = 0; i < all->CatalogTargets.n; i++) {
        const glue_CatalogTarget *c = &all->CatalogTargets.v[i];
        for (size_t k = 0; k < c->Tables.n; k++)
            NK_TRY(put_table(t, c, c->Tables.v[k]));
    }
    for (size_t i = 0; i < all->DeltaTargets.n; i++)
        put_delta(t, &all->DeltaTargets.v[i]);
    for (size_t i = 0; i < all->IcebergTargets.n; i++) {
        const glue_IcebergTarget *c = &all->IcebergTargets.v[i];
        for (size_t k = 0; k < c->Paths.n; k++)
            put_path(t, "iceberg", c->Paths.v[k], &c->Exclusions, c->MaximumTraversalDepth);
    }
    for (size_t i = 0; i < all->HudiTargets.n; i++) {
        const glue_HudiTarget *c = &all->HudiTargets.v[i];
        for (size_t k = 0; k < c->Paths.n; k++)
            put_path(t, "hudi", c->Paths.v[k], &c->Exclusions, c->MaximumTraversalDepth);
    }
    nk_jw_array_end(&t->w);
    return NK_OK;
}

static nk_code tell(nk_tx *tx, void *arg, nk_err *err)
{
    nk_crawl_run *run = arg;
    nk_buf b;
    nk_buf_init(&b, NK_POOL_FRAME_MAX / 2);
    telling t = {.run = run, .tx = tx, .w = {.buf = &b}, .err = err};
    t.ctx = (nk_catalog_ctx){.region = run->region,
                             .account_id = nk_str_c(run->owner->app->settings->account_id),
                             .now_us = run->started_us,
                             .arena = run->arena};
    nk_code rc = read_known(&t);
    if (rc == NK_OK)
        rc = put_all(&t);
    if (rc == NK_OK)
        rc = nk_buf_check(&b, err);
    if (rc == NK_OK && !(run->targets = nk_buf_dup(&b, run->arena)).p)
        rc = nk_fail(err, NK_E_NOMEM, "Out of memory");
    nk_buf_free(&b);
    return rc;
}

nk_code nk_crawl_tell_targets(nk_crawl_run *run, nk_err *err)
{
    return nk_store_read(run->owner->app->store, tell, run, err);
}
