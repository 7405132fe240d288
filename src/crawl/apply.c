/* What a crawl found, into the catalogue: by the crawler's policies, a table a transaction. */
#include <stdio.h>
#include <stdlib.h>

#include "crawl/plan.h"

/* Partitions a transaction: a table is stored whole or not at all, up to this many. */
#define CLOSURE_CHANGES 100000

typedef enum { DID_NOTHING, DID_CREATE, DID_UPDATE, DID_REFRESH } deed;

typedef struct known {
    glue_StorageDescriptor *sd;
    nk_list_str values;
    bool seen;
} known;

/* The partitions that were there before. */
typedef struct old_partitions {
    nk_arena *a;
    nk_map by_values;
    nk_code rc;
} old_partitions;

/* One table of the result, and what its transaction makes of it. */
typedef struct found {
    nk_crawl_run *run;
    nk_str base, location, why;
    nk_str database, given; /* given: a catalogue target's table; else empty */
    glue_TableInput *input; /* without Name */
    nk_strs partition_frames;
    nk_arena *a;
    /* of a batch of partitions */
    glue_PartitionInput_list parts;
    size_t from, to;
    bool first, last;
    glue_Table *existing; /* in the closure: the table as it was, or NULL */
    old_partitions old;   /* read with the first batch */
    bool *unlike;         /* partial crawls: partitions that are not of this table; else NULL */
    /* out */
    nk_str name;
    deed did;
    bool keys_changed, skip;
    bool flat; /* no partitions, whatever was found */
    nk_catalog_counts counts;
} found;

/* Only a part of the targets was looked at. */
static bool partial(const nk_crawl_run *run)
{
    return run->new_only || run->by_events;
}

static bool update_policy(const nk_crawl_run *run)
{
    return !run->new_only &&
           nk_str_is(run->def->SchemaChangePolicy->UpdateBehavior, "UPDATE_IN_DATABASE");
}

static bool delete_policy(const nk_crawl_run *run, const char *what)
{
    return !run->new_only && nk_str_is(run->def->SchemaChangePolicy->DeleteBehavior, what);
}

static nk_str no_slash(nk_str s)
{
    while (s.n && s.p[s.n - 1] == '/')
        s.n--;
    return s;
}

static bool same_place(nk_str a, nk_str b)
{
    return nk_str_eq(no_slash(a), no_slash(b));
}

/* Whether a location is a path or lies below it. */
static bool under(nk_str location, nk_str path)
{
    nk_str p = no_slash(path), l = no_slash(location);
    return nk_str_eq(l, p) || (nk_str_starts(l, p) && l.p[p.n] == '/');
}

/* Whether something there could not be read: it is not gone, whatever was found. */
static bool unread(const nk_crawl_run *run, nk_str location)
{
    for (size_t i = 0; i < run->unread.n; i++) {
        if (under(run->unread.v[i], location))
            return true;
    }
    return false;
}

static bool same_columns(const glue_Column_list *a, const glue_Column_list *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        if (!nk_str_eq(a->v[i].Name, b->v[i].Name) || !nk_str_eq(a->v[i].Type, b->v[i].Type))
            return false;
    }
    return true;
}

static bool same_map(const nk_map_str *a, const nk_map_str *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        nk_str other = NK_STR_NULL;
        for (size_t k = 0; k < b->n; k++) {
            if (nk_str_eq(a->v[i].key, b->v[k].key))
                other = b->v[k].value;
        }
        if (!nk_str_eq(a->v[i].value, other))
            return false;
    }
    return true;
}

/* Parameters, but for the crawl that wrote them. */
static bool same_but_run(const nk_map_str *a, const nk_map_str *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        nk_str other = NK_STR_NULL;
        for (size_t k = 0; k < b->n; k++) {
            if (nk_str_eq(b->v[k].key, a->v[i].key))
                other = b->v[k].value;
        }
        if (!other.p ||
            (!nk_str_is(a->v[i].key, "CRAWL_RUN_ID") && !nk_str_eq(a->v[i].value, other)))
            return false;
    }
    return true;
}

/* What decides how data is read; statistics aside. */
static bool same_storage(const glue_StorageDescriptor *a, const glue_StorageDescriptor *b)
{
    const glue_SerDeInfo *x = a->SerdeInfo, *y = b->SerdeInfo;
    return same_columns(&a->Columns, &b->Columns) && nk_str_eq(a->InputFormat, b->InputFormat) &&
           same_place(a->Location, b->Location) && x && y &&
           nk_str_eq(x->SerializationLibrary, y->SerializationLibrary) &&
           same_map(&x->Parameters, &y->Parameters);
}

/* ---- a table ---- */

/* Existing columns keep their comments; with MergeNewColumns they stay as they are and only new
 * ones are added. */
static nk_code merge_columns(found *f, const glue_Column_list *old, glue_Column_list *now)
{
    bool merge = f->run->config.merge_new_columns || partial(f->run);
    glue_Column_list out = {.set = true};
    nk_map names;
    nk_code rc = NK_OK;
    out.v = NK_NEWN(f->a, glue_Column, old->n + now->n + 1);
    if (!out.v)
        return NK_E_NOMEM;
    nk_map_init(&names);
    for (size_t i = 0; i < old->n && rc == NK_OK; i++) {
        rc = nk_map_put(&names, old->v[i].Name, &old->v[i], NULL);
        if (merge)
            out.v[out.n++] = old->v[i];
    }
    for (size_t i = 0; i < now->n && rc == NK_OK; i++) {
        const glue_Column *same = nk_map_get(&names, now->v[i].Name);
        if (same && merge)
            continue;
        out.v[out.n] = now->v[i];
        if (same)
            out.v[out.n].Comment = same->Comment;
        out.n++;
    }
    nk_map_free(&names);
    *now = out;
    return rc;
}

/* Of what only a part was looked at, the counts of that part say nothing. */
static bool counted(nk_str key)
{
    return nk_str_is(key, "objectCount") || nk_str_is(key, "recordCount") ||
           nk_str_is(key, "sizeKey") || nk_str_is(key, "averageRecordSize");
}

/* The crawler's parameters over those that others have set. */
static nk_code merge_parameters(found *f, const nk_map_str *old, nk_map_str *now)
{
    for (size_t i = 0; old && i < old->n; i++) {
        bool ours =
            nk_str_is(old->v[i].key, "DEPRECATED_BY_CRAWLER") ||
            nk_str_is(old->v[i].key, "skip.header.line.count") ||
            nk_str_is(old->v[i].key, "jsonPath") || nk_str_is(old->v[i].key, "multiline") ||
            nk_str_is(old->v[i].key, "areColumnsQuoted") || nk_str_is(old->v[i].key, "delimiter") ||
            nk_str_is(old->v[i].key, "columnsOrdered") || nk_str_is(old->v[i].key, "exclusions");
        bool there = false;
        for (size_t k = 0; k < now->n; k++) {
            if (!nk_str_eq(now->v[k].key, old->v[i].key))
                continue;
            there = true;
            if (partial(f->run) && counted(old->v[i].key))
                now->v[k].value = old->v[i].value;
        }
        if (!ours && !there)
            NK_TRY(nk_map_str_put(now, f->a, old->v[i].key, old->v[i].value));
    }
    return NK_OK;
}

static nk_code sign(found *f, nk_map_str *parameters)
{
    parameters->set = true;
    NK_TRY(nk_map_str_put(parameters, f->a, NK_STR("CRAWL_RUN_ID"), nk_str_c(f->run->crawl_id)));
    return nk_map_str_put(parameters, f->a, NK_STR("UPDATED_BY_CRAWLER"), f->run->name);
}

/* Whether this crawl has found it already. */
static bool found_now(const nk_crawl_run *run, nk_str database, nk_str table)
{
    for (size_t i = 0; i < run->found.n; i += 2) {
        if (nk_str_ieq(run->found.v[i], database) && nk_str_eq(run->found.v[i + 1], table))
            return true;
    }
    return false;
}

/* Where the table stands: under its plain name, or under that with a hash when another location has
 * taken it. */
static nk_code find_table(nk_tx *tx, const nk_catalog_ctx *ctx, found *f, glue_Table **existing,
                          nk_err *err)
{
    nk_str plain = nk_crawl_table_name(f->a, f->run->def->TablePrefix, f->base);
    f->name = f->given.n ? f->given : plain;
    if (f->given.n) {
        NK_TRY(nk_catalog_get_table(tx, ctx, f->database, f->given, existing, err));
        const glue_StorageDescriptor *sd = (*existing)->StorageDescriptor;
        f->skip = !sd || !same_place(sd->Location, f->location);
        return NK_OK;
    }
    for (int clash = 0; clash < 2; clash++) {
        nk_err missing = NK_ERR_INIT;
        nk_code rc = nk_catalog_get_table(tx, ctx, f->database, f->name, existing, &missing);
        if (rc == NK_E_NOT_FOUND) {
            *existing = NULL;
            return NK_OK;
        }
        if (rc != NK_OK)
            return nk_fail(err, rc, "%s", missing.msg);
        glue_StorageDescriptor *sd = (*existing)->StorageDescriptor;
        /* of "a" and "a/", beside one another, each is a table */
        bool other = found_now(f->run, f->database, f->name);
        if (sd && (nk_str_eq(sd->Location, f->location) ||
                   (!other && same_place(sd->Location, f->location))))
            return NK_OK;
        f->name = nk_crawl_clash_name(f->a, plain, f->location);
    }
    return NK_OK;
}

static bool same_keys(const glue_Column_list *a, const glue_Column_list *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        if (!nk_str_ieq(a->v[i].Name, b->v[i].Name))
            return false;
    }
    return true;
}

/* One index over all partition keys, as AWS's crawler makes it; says so in the parameters. */
static const glue_PartitionIndex_list *index_over_keys(found *f, glue_TableInput *in)
{
    glue_PartitionIndex_list *list = NK_NEW(f->a, glue_PartitionIndex_list);
    glue_PartitionIndex *one = NK_NEW(f->a, glue_PartitionIndex);
    nk_str *keys = NK_NEWN(f->a, nk_str, in->PartitionKeys.n);
    if (!list || !one || !keys ||
        nk_map_str_put(&in->Parameters, f->a, NK_STR("partition_filtering.enabled"),
                       NK_STR("true")) != NK_OK)
        return NULL;
    for (size_t i = 0; i < in->PartitionKeys.n; i++)
        keys[i] = in->PartitionKeys.v[i].Name;
    one->IndexName = NK_STR("crawler_partition_index");
    one->Keys = (nk_list_str){.set = true, .v = keys, .n = in->PartitionKeys.n};
    *list = (glue_PartitionIndex_list){.set = true, .v = one, .n = 1};
    return list;
}

/* Whether what a partial crawl has found is of the table that stands there: of its format, with
 * seven of ten columns. */
static bool like_table(const glue_StorageDescriptor *table, const glue_StorageDescriptor *now)
{
    const glue_Column_list *a = &table->Columns, *b = &now->Columns;
    size_t least = a->n < b->n ? a->n : b->n, most = a->n + b->n - least, same = 0;
    nk_str was = nk_map_str_get(&table->Parameters, "classification");
    if (was.n && !nk_str_eq(was, nk_map_str_get(&now->Parameters, "classification")))
        return false; /* a user may have changed the table: then its columns tell */
    nk_map names;
    nk_map_init(&names);
    for (size_t i = 0; i < a->n; i++) {
        if (nk_map_put(&names, a->v[i].Name, &a->v[i], NULL) != NK_OK)
            break;
    }
    for (size_t i = 0; i < b->n; i++)
        same += nk_map_has(&names, b->v[i].Name);
    nk_map_free(&names);
    return (double)same >= 0.7 * (double)least && (double)same >= 0.4 * (double)most;
}

typedef struct first_known {
    nk_arena *a;
    glue_StorageDescriptor *sd; /* NULL: there is none */
    nk_code rc;
} first_known;

static bool take_first(void *arg, const glue_Partition *p)
{
    first_known *k = arg;
    void *sd = NULL;
    if (p->StorageDescriptor)
        k->rc = nk_model_copy(&glue_StorageDescriptor_shape, p->StorageDescriptor, k->a, &sd);
    k->sd = sd;
    return false;
}

/* Of what only a part was looked at, what does not belong to the table is left out, and told. A
 * user may have given the table's columns other names: its partitions still bear those of files. */
static nk_code leave_out_unlike(nk_tx *tx, const nk_catalog_ctx *ctx, found *f,
                                const glue_Table *old, nk_err *err)
{
    size_t n = 0;
    first_known k = {.a = f->a};
    const glue_StorageDescriptor *table = old->StorageDescriptor, *now;
    if (old->PartitionKeys.n)
        NK_TRY(nk_catalog_each_partition(tx, ctx, f->database, f->name, NK_STR(""), take_first, &k,
                                         err));
    if (k.rc != NK_OK)
        return nk_fail(err, k.rc, "Out of memory reading partitions");
    now = f->input->StorageDescriptor;
    if (!like_table(table, now) && !(k.sd && like_table(k.sd, now))) {
        f->skip = true;
        nk_crawl_log(f->run, "WARN",
                     "What is new at %.*s is not like table %.*s: passed over; a crawl of "
                     "everything would sort it anew",
                     NK_STR_ARG(f->location), NK_STR_ARG(f->name));
        return NK_OK;
    }
    for (size_t i = 0; i < f->parts.n; i++) {
        now = f->parts.v[i].StorageDescriptor;
        f->unlike[i] = !like_table(table, now) && !(k.sd && like_table(k.sd, now));
        if (f->unlike[i] && n++ < 20)
            nk_crawl_log(f->run, "WARN", "%.*s is not like table %.*s: it becomes no partition",
                         NK_STR_ARG(now->Location), NK_STR_ARG(f->name));
    }
    return NK_OK;
}

/* The table as it is, marked: its data is gone, or is of another kind now. */
static nk_code deprecated(const glue_Table *t, nk_arena *a, int64_t now_us, glue_TableInput *out)
{
    nk_str now = nk_str_printf(a, "%lld", (long long)(now_us / 1000));
    *out = (glue_TableInput){.Name = t->Name,
                             .Description = t->Description,
                             .Owner = t->Owner,
                             .LastAccessTime = t->LastAccessTime,
                             .Retention = t->Retention,
                             .StorageDescriptor = t->StorageDescriptor,
                             .PartitionKeys = t->PartitionKeys,
                             .TableType = t->TableType,
                             .Parameters = t->Parameters};
    return now.p ? nk_map_str_put(&out->Parameters, a, NK_STR("DEPRECATED_BY_CRAWLER"), now)
                 : NK_E_NOMEM;
}

static bool same_kind(const glue_Table *old, const glue_TableInput *in)
{
    const glue_StorageDescriptor *was = old->StorageDescriptor, *now = in->StorageDescriptor;
    nk_str class = nk_map_str_get(&old->Parameters, "classification");
    return was && nk_str_eq(was->InputFormat, now->InputFormat) &&
           (!class.n || nk_str_eq(class, nk_map_str_get(&in->Parameters, "classification")));
}

/* MergeNewColumns only adds: files of another kind cannot be put behind the columns that there are.
 * As at AWS the table is marked as deprecated and stays as it was. */
static nk_code deprecate(found *f, const glue_Table *old, int64_t now_us, nk_catalog_change *out,
                         size_t *n, nk_err *err)
{
    glue_TableInput *in = NK_NEW(f->a, glue_TableInput);
    f->flat = true;
    f->did = DID_NOTHING;
    nk_crawl_log(f->run, "WARN",
                 "What lies at %.*s is of another kind than table %.*s, which MergeNewColumns does "
                 "not change: it is marked as deprecated",
                 NK_STR_ARG(f->location), NK_STR_ARG(f->name));
    if (nk_map_str_get(&old->Parameters, "DEPRECATED_BY_CRAWLER").p)
        return NK_OK;
    if (!in || deprecated(old, f->a, now_us, in) != NK_OK)
        return nk_fail(err, NK_E_NOMEM, "Out of memory storing a table");
    f->did = DID_UPDATE;
    out[(*n)++] = (nk_catalog_change){.kind = NK_CHANGE_UPDATE_TABLE,
                                      .database = f->database,
                                      .table = f->name,
                                      .table_input = in};
    return NK_OK;
}

/* The table's own changes; at most two. */
static nk_code table_changes(nk_tx *tx, const nk_catalog_ctx *ctx, found *f, nk_catalog_change *out,
                             size_t *n, nk_err *err)
{
    glue_Table *old;
    nk_str db = f->database;
    NK_TRY(find_table(tx, ctx, f, &old, err));
    f->existing = old;
    if (f->skip) {
        f->did = DID_NOTHING;
        nk_crawl_log(
            f->run, "WARN",
            "What lies at %.*s is not what table %.*s of the catalogue is made of: passed over",
            NK_STR_ARG(f->location), NK_STR_ARG(f->name));
        return NK_OK;
    }
    glue_TableInput *in = NK_NEW(f->a, glue_TableInput);
    glue_StorageDescriptor *sd = NK_NEW(f->a, glue_StorageDescriptor);
    if (!in || !sd)
        return nk_fail(err, NK_E_NOMEM, "Out of memory storing a table");
    *in = *f->input; /* the closure may run again: the worker's result stays as it is */
    *sd = *f->input->StorageDescriptor;
    in->StorageDescriptor = sd;
    in->Name = f->name;
    in->Parameters = (nk_map_str){0};
    sd->Parameters = (nk_map_str){0};
    for (size_t i = 0; i < f->input->Parameters.n; i++) {
        NK_TRY(nk_map_str_put(&in->Parameters, f->a, f->input->Parameters.v[i].key,
                              f->input->Parameters.v[i].value));
        NK_TRY(nk_map_str_put(&sd->Parameters, f->a, f->input->Parameters.v[i].key,
                              f->input->Parameters.v[i].value));
    }
    NK_TRY(sign(f, &in->Parameters));
    NK_TRY(sign(f, &sd->Parameters));
    const glue_PartitionIndex_list *indexes = NULL;
    if (in->PartitionKeys.n && !f->run->config.no_index && !(indexes = index_over_keys(f, in)))
        return nk_fail(err, NK_E_NOMEM, "Out of memory storing a table");
    if (!old) {
        f->did = DID_CREATE;
        out[(*n)++] = (nk_catalog_change){.kind = NK_CHANGE_CREATE_TABLE,
                                          .database = db,
                                          .table = f->name,
                                          .table_input = in,
                                          .indexes = indexes};
        return NK_OK;
    }
    if (f->given.n) {
        /* a catalogue target's keys are its own: they may bear better names than folders do, and a
         * table without any holds what lies in folders, too */
        f->flat = !old->PartitionKeys.n;
        f->skip = !f->flat && old->PartitionKeys.n != in->PartitionKeys.n;
        in->PartitionKeys = old->PartitionKeys;
        if (f->skip)
            nk_crawl_log(f->run, "WARN",
                         "Table %.*s has %zu partition keys, its folders have another number: "
                         "passed over",
                         NK_STR_ARG(f->name), old->PartitionKeys.n);
    }
    if (!f->skip && !f->given.n && f->unlike && old->StorageDescriptor)
        NK_TRY(leave_out_unlike(tx, ctx, f, old, err));
    if (f->skip) {
        f->did = DID_NOTHING;
        return NK_OK;
    }
    f->keys_changed = !same_keys(&old->PartitionKeys, &in->PartitionKeys);
    bool revived = nk_map_str_get(&old->Parameters, "DEPRECATED_BY_CRAWLER").p != NULL;
    bool differs =
        f->keys_changed || !same_storage(old->StorageDescriptor, f->input->StorageDescriptor);
    if (!update_policy(f->run)) {
        if (differs && !f->run->new_only)
            nk_crawl_log(f->run, "INFO",
                         "The schema of table %.*s has changed; UpdateBehavior is LOG, so it stays",
                         NK_STR_ARG(f->name));
        f->did = DID_NOTHING;
        return NK_OK;
    }
    if (f->run->config.merge_new_columns && !f->given.n && !same_kind(old, in))
        return deprecate(f, old, ctx->now_us, out, n, err);
    in->Description = old->Description;
    in->Owner = old->Owner.n ? old->Owner : in->Owner;
    NK_TRY(merge_parameters(f, &old->Parameters, &in->Parameters));
    NK_TRY(merge_parameters(f, &old->StorageDescriptor->Parameters, &sd->Parameters));
    if (merge_columns(f, &old->StorageDescriptor->Columns, &sd->Columns) != NK_OK)
        return nk_fail(err, NK_E_NOMEM, "Out of memory storing a table");
    differs = f->keys_changed || !same_storage(old->StorageDescriptor, sd);
    if (!differs && same_but_run(&old->Parameters, &in->Parameters)) {
        f->did = DID_NOTHING; /* not even its statistics: no new version */
        return NK_OK;
    }
    f->did = differs || revived ? DID_UPDATE : DID_REFRESH;
    if (f->keys_changed) /* other partition keys: another table under the same name */
        out[(*n)++] = (nk_catalog_change){
            .kind = NK_CHANGE_DELETE_TABLE, .database = db, .table = f->name, .or_exists = true};
    out[(*n)++] = (nk_catalog_change){.kind = f->keys_changed ? NK_CHANGE_CREATE_TABLE
                                                              : NK_CHANGE_UPDATE_TABLE,
                                      .database = db,
                                      .table = f->name,
                                      .table_input = in,
                                      .indexes = indexes,
                                      .skip_archive = !differs && !revived};
    return NK_OK;
}

/* ---- its partitions ---- */

static nk_str values_key(nk_arena *a, const nk_list_str *v)
{
    nk_buf b;
    nk_buf_init(&b, 1 << 20);
    for (size_t i = 0; i < v->n; i++) {
        nk_buf_str(&b, v->v[i]);
        nk_buf_putc(&b, 0);
    }
    nk_str out = nk_buf_dup(&b, a);
    nk_buf_free(&b);
    return out;
}

static bool keep_old(void *arg, const glue_Partition *p)
{
    old_partitions *o = arg;
    void *sd = NULL;
    known *k = NK_NEW(o->a, known);
    if (!k || !p->StorageDescriptor ||
        nk_model_copy(&glue_StorageDescriptor_shape, p->StorageDescriptor, o->a, &sd) != NK_OK) {
        o->rc = NK_E_NOMEM;
        return false;
    }
    k->sd = sd;
    k->values.set = true;
    k->values.n = p->Values.n;
    k->values.v = NK_NEWN(o->a, nk_str, p->Values.n ? p->Values.n : 1);
    for (size_t i = 0; k->values.v && i < p->Values.n; i++)
        k->values.v[i] = nk_str_dup(o->a, p->Values.v[i]);
    nk_str key = values_key(o->a, &p->Values);
    o->rc = key.p && k->values.v ? nk_map_put(&o->by_values, key, k, NULL) : NK_E_NOMEM;
    return o->rc == NK_OK;
}

static nk_code partition_changes(found *f, old_partitions *old, nk_catalog_change *out, size_t *n)
{
    nk_str db = f->database;
    for (size_t i = f->from; i < f->to; i++) {
        const glue_PartitionInput *p = &f->parts.v[i];
        if (f->unlike && f->unlike[i])
            continue;
        known *k = nk_map_get(&old->by_values, values_key(f->a, &p->Values));
        bool put = false;
        if (k) {
            k->seen = true;
            if (!update_policy(f->run) || same_storage(k->sd, p->StorageDescriptor))
                continue;
            put = true;
        }
        out[(*n)++] =
            (nk_catalog_change){.kind = put ? NK_CHANGE_PUT_PARTITION : NK_CHANGE_ADD_PARTITION,
                                .database = db,
                                .table = f->name,
                                .partition_input = p};
    }
    return NK_OK;
}

static int by_values(const void *a, const void *b)
{
    const nk_list_str *x = &(*(known *const *)a)->values, *y = &(*(known *const *)b)->values;
    for (size_t i = 0; i < x->n && i < y->n; i++) {
        int c = nk_str_cmp(x->v[i], y->v[i]);
        if (c)
            return c;
    }
    return (x->n > y->n) - (x->n < y->n);
}

NK_LIST(known_list, known *);

/* Partitions whose folder is gone, by their values. */
static nk_code gone_partitions(found *f, old_partitions *old, nk_catalog_change *out, size_t *n,
                               size_t max)
{
    nk_map_slot *slot;
    known_list gone = {0};
    for (size_t i = 0; i < f->parts.n; i++) {
        known *k = nk_map_get(&old->by_values, values_key(f->a, &f->parts.v[i].Values));
        if (k)
            k->seen = true;
    }
    for (size_t i = 0; nk_map_next(&old->by_values, &i, &slot);) {
        known *k = slot->value, **to;
        if (k->seen || !under(k->sd->Location, f->location) || unread(f->run, k->sd->Location))
            continue;
        if (!(to = known_list_add(&gone, f->a)))
            return NK_E_NOMEM;
        *to = k;
    }
    if (gone.n)
        qsort(gone.v, gone.n, sizeof *gone.v, by_values);
    for (size_t i = 0; i < gone.n && *n < max; i++)
        out[(*n)++] = (nk_catalog_change){.kind = NK_CHANGE_DELETE_PARTITION,
                                          .database = f->database,
                                          .table = f->name,
                                          .values = &gone.v[i]->values};
    return NK_OK;
}

static nk_code remember(nk_tx *tx, found *f, nk_err *err)
{
    nk_val cols[MADE_COLS] = {
        [MADE_REGION] = nk_vs(f->run->region), [MADE_CRAWLER] = nk_vs(f->run->name),
        [MADE_DATABASE] = nk_vs(f->database),  [MADE_TABLE] = nk_vs(f->name),
        [MADE_LOCATION] = nk_vs(f->location),  [MADE_SEQ] = nk_vi(f->run->seq),
    };
    nk_row row = {.cols = cols, .body = NK_STR("{}")};
    return nk_store_put(tx, &nk_kind_made, &row, err);
}

static nk_catalog_ctx context(nk_crawl_run *run, nk_arena *a)
{
    const nk_settings *s = run->owner->app->settings;
    return (nk_catalog_ctx){.region = run->region,
                            .account_id = nk_str_c(s->account_id),
                            .created_by =
                                nk_str_printf(a, "arn:aws:sts::%s:assumed-role/%.*s/AWS-Crawler",
                                              s->account_id, NK_STR_ARG(run->def->Role)),
                            .now_us = nk_now_us(run->owner->app->env),
                            .arena = a};
}

/* The partitions that are there; with the first batch. */
static nk_code read_old(nk_tx *tx, const nk_catalog_ctx *ctx, found *f, nk_err *err)
{
    nk_map_free(&f->old.by_values); /* of an earlier try */
    nk_map_init(&f->old.by_values);
    if (!f->input->PartitionKeys.n || !f->existing || f->keys_changed || f->skip)
        return NK_OK;
    NK_TRY(nk_catalog_each_partition(tx, ctx, f->database, f->name, NK_STR(""), keep_old, &f->old,
                                     err));
    return f->old.rc == NK_OK ? NK_OK : nk_fail(err, f->old.rc, "Out of memory reading partitions");
}

/* Every change that this batch makes, in order. */
static nk_code batch_changes(nk_tx *tx, const nk_catalog_ctx *ctx, found *f,
                             nk_catalog_change **out, size_t *n, nk_err *err)
{
    nk_catalog_change table[4];
    if (f->first) {
        NK_TRY(table_changes(tx, ctx, f, table, n, err));
        NK_TRY(read_old(tx, ctx, f, err));
    } else {
        f->name = nk_str_dup(f->a, f->name);
    }
    size_t max = *n + (f->to - f->from) + f->old.by_values.n + 1;
    *out = NK_NEWN(f->a, nk_catalog_change, max);
    if (!*out || !f->name.p)
        return nk_fail(err, NK_E_NOMEM, "Out of memory storing a table");
    memcpy(*out, table, *n * sizeof **out);
    if (f->skip || f->flat || (f->keys_changed && !update_policy(f->run)))
        return NK_OK;
    NK_TRY(partition_changes(f, &f->old, *out, n));
    if (f->last && !partial(f->run) && delete_policy(f->run, "DELETE_FROM_DATABASE") &&
        gone_partitions(f, &f->old, *out, n, max) != NK_OK)
        return nk_fail(err, NK_E_NOMEM, "Out of memory storing a table");
    return NK_OK;
}

/* The closure: reads what is there, decides, changes. */
static nk_code apply_batch(nk_tx *tx, void *arg, nk_err *err)
{
    found *f = arg;
    nk_catalog_change *changes = NULL;
    size_t n = 0;
    if (!(f->a = nk_arena_create(0)))
        return nk_fail(err, NK_E_NOMEM, "Out of memory storing a table");
    nk_catalog_ctx ctx = context(f->run, f->a);
    f->skip &= !f->first; /* the closure may run again */
    nk_code rc = batch_changes(tx, &ctx, f, &changes, &n, err);
    if (rc == NK_OK && f->run->dry)
        rc = nk_crawl_plan_table(f->run,
                                 &(nk_plan_table){f->database, f->name, f->location, f->why,
                                                  f->first ? f->existing : NULL},
                                 changes, n, err);
    else if (rc == NK_OK)
        rc = nk_catalog_apply(tx, &ctx, changes, n, &f->counts, err);
    if (rc == NK_OK && f->first && !f->run->dry && !f->skip && !f->given.n)
        rc = remember(tx, f, err);
    /* the name outlives the closure's arena */
    if (rc == NK_OK)
        f->name = nk_str_dup(f->run->arena, f->name);
    nk_arena_destroy(f->a);
    return rc;
}

/* The worker leaves out columns that are the table's own: they are many times as many bytes as all
 * else that it says of a partition, and are held once. */
static void give_columns(const found *f, const glue_PartitionInput_list *l)
{
    const glue_StorageDescriptor *own = f->input->StorageDescriptor;
    for (size_t i = 0; i < l->n; i++) {
        glue_StorageDescriptor *sd = l->v[i].StorageDescriptor;
        if (sd && own && !sd->Columns.set)
            sd->Columns = own->Columns;
    }
}

static nk_code read_partitions(found *f, nk_arena *a, nk_err *err)
{
    size_t cap = 0;
    f->parts = (glue_PartitionInput_list){.set = true};
    for (size_t i = 0; i < f->partition_frames.n; i++) {
        nk_json_reader r;
        nk_str raw;
        void *list;
        nk_json_begin(&r, f->partition_frames.v[i], a, 0, err);
        NK_TRY(nk_json_next(&r));
        for (;;) {
            NK_TRY(nk_json_next(&r));
            if (r.token != NK_JSON_KEY)
                break;
            bool inputs = nk_str_is(r.text, "inputs");
            NK_TRY(nk_json_next(&r));
            NK_TRY(nk_json_raw(&r, &raw));
            if (!inputs)
                continue;
            NK_TRY(nk_model_decode(&glue_PartitionInputList_shape, raw, a, &list, err));
            const glue_PartitionInput_list *l = list;
            give_columns(f, l);
            if (f->parts.n + l->n > cap) {
                cap = (f->parts.n + l->n) * 2;
                glue_PartitionInput *v = NK_NEWN(a, glue_PartitionInput, cap);
                if (!v)
                    return nk_fail(err, NK_E_NOMEM, "Out of memory reading partitions");
                if (f->parts.n)
                    memcpy(v, f->parts.v, f->parts.n * sizeof *v);
                f->parts.v = v;
            }
            if (l->n)
                memcpy(f->parts.v + f->parts.n, l->v, l->n * sizeof *l->v);
            f->parts.n += l->n;
        }
    }
    return NK_OK;
}

static nk_code note(nk_crawl_run *run, nk_strs *list, nk_str name)
{
    nk_str *slot = nk_strs_add(list, run->arena);
    if (!slot)
        return NK_E_NOMEM;
    *slot = name;
    return NK_OK;
}

static nk_code apply_table(nk_crawl_run *run, found *f, nk_err *err)
{
    nk_arena *a = nk_arena_create(0);
    nk_store *store = run->owner->app->store;
    nk_code rc = a ? read_partitions(f, a, err) : nk_fail(err, NK_E_NOMEM, "Out of memory");
    f->from = 0;
    f->first = true;
    f->old.a = a;
    nk_map_init(&f->old.by_values);
    if (rc == NK_OK && partial(run) && !(f->unlike = NK_NEWN(a, bool, f->parts.n + 1)))
        rc = nk_fail(err, NK_E_NOMEM, "Out of memory storing a table");
    do {
        f->to = f->from + CLOSURE_CHANGES < f->parts.n ? f->from + CLOSURE_CHANGES : f->parts.n;
        f->last = f->to == f->parts.n;
        if (rc == NK_OK)
            rc = run->dry ? nk_store_read(store, apply_batch, f, err)
                          : nk_store_write(store, apply_batch, f, err);
        if (rc != NK_OK)
            break;
        run->counts.partitions_created += f->counts.partitions_created;
        run->counts.partitions_updated += f->counts.partitions_updated;
        run->counts.partitions_deleted += f->counts.partitions_deleted;
        f->first = false;
        f->from = f->to;
    } while (f->from < f->parts.n);
    nk_map_free(&f->old.by_values);
    nk_arena_destroy(a);
    if (rc != NK_OK)
        return nk_wrap(err, "Table %.*s", NK_STR_ARG(f->name));
    if (note(run, &run->found, f->database) != NK_OK || note(run, &run->found, f->name) != NK_OK)
        return nk_fail(err, NK_E_NOMEM, "Out of memory");
    if (run->dry)
        return NK_OK;
    const char *did = f->did == DID_CREATE ? "Created" : f->did == DID_UPDATE ? "Updated" : NULL;
    if (did)
        nk_crawl_log(run, "INFO", "%s table %.*s in database %.*s", did, NK_STR_ARG(f->name),
                     NK_STR_ARG(f->database));
    run->counts.tables_created += f->did == DID_CREATE;
    run->counts.tables_updated += f->did == DID_UPDATE;
    if (f->did == DID_CREATE)
        rc = note(run, &run->created, f->name);
    else if (f->did == DID_UPDATE)
        rc = note(run, &run->updated, f->name);
    return rc;
}

/* ---- what is no longer there ---- */

typedef struct gone {
    nk_crawl_run *run;
    nk_str database, table, location;
    bool done; /* the catalogue was (or, planned, would be) changed */
} gone;
NK_LIST(gone_list, gone);

typedef struct gone_scan {
    nk_crawl_run *run;
    gone_list list;
} gone_scan;

static bool under_targets(const nk_crawl_run *run, nk_str location)
{
    const glue_S3Target_list *t = &run->def->Targets->S3Targets;
    for (size_t i = 0; i < t->n; i++) {
        if (under(location, t->v[i].Path))
            return true;
    }
    const glue_DeltaTarget_list *d = &run->def->Targets->DeltaTargets;
    for (size_t i = 0; i < d->n; i++) {
        for (size_t k = 0; k < d->v[i].DeltaTables.n; k++) {
            if (under(location, d->v[i].DeltaTables.v[k]))
                return true;
        }
    }
    const glue_IcebergTarget_list *ice = &run->def->Targets->IcebergTargets;
    for (size_t i = 0; i < ice->n; i++) {
        for (size_t k = 0; k < ice->v[i].Paths.n; k++) {
            if (under(location, ice->v[i].Paths.v[k]))
                return true;
        }
    }
    const glue_HudiTarget_list *hudi = &run->def->Targets->HudiTargets;
    for (size_t i = 0; i < hudi->n; i++) {
        for (size_t k = 0; k < hudi->v[i].Paths.n; k++) {
            if (under(location, hudi->v[i].Paths.v[k]))
                return true;
        }
    }
    return false;
}

static bool made_row(void *arg, const nk_row *row)
{
    gone_scan *s = arg;
    const nk_val *v = row->cols;
    gone *g = gone_list_add(&s->list, s->run->arena);
    if (!g)
        return false;
    *g = (gone){.run = s->run,
                .database = nk_str_dup(s->run->arena, v[MADE_DATABASE].s),
                .table = nk_str_dup(s->run->arena, v[MADE_TABLE].s),
                .location = nk_str_dup(s->run->arena, v[MADE_LOCATION].s)};
    return true;
}

static bool gone_row(void *arg, const nk_row *row)
{
    gone_scan *s = arg;
    const nk_val *v = row->cols;
    if (v[MADE_SEQ].i == s->run->seq || found_now(s->run, v[MADE_DATABASE].s, v[MADE_TABLE].s) ||
        !under_targets(s->run, v[MADE_LOCATION].s) || unread(s->run, v[MADE_LOCATION].s) ||
        !nk_str_eq(v[MADE_DATABASE].s, s->run->def->DatabaseName))
        return true;
    return made_row(arg, row);
}

static nk_code scan_made(nk_tx *tx, gone_scan *s, nk_store_row_fn fn, nk_err *err)
{
    nk_query q = {.kind = &nk_kind_made,
                  .prefix = NK_KEY(nk_vs(s->run->region), nk_vs(s->run->name)),
                  .nprefix = 2,
                  .no_body = true};
    return nk_store_scan(tx, &q, fn, s, err);
}

static nk_code find_gone(nk_tx *tx, void *arg, nk_err *err)
{
    return scan_made(tx, arg, gone_row, err);
}

static nk_code find_made(nk_tx *tx, void *arg, nk_err *err)
{
    return scan_made(tx, arg, made_row, err);
}

/* Deletes or deprecates, unless the table is not ours any more. */
static nk_code drop_table(nk_tx *tx, void *arg, nk_err *err)
{
    gone *g = arg;
    nk_crawl_run *run = g->run;
    nk_arena *a = nk_arena_create(0);
    if (!a)
        return nk_fail(err, NK_E_NOMEM, "Out of memory");
    nk_catalog_ctx ctx = context(run, a);
    glue_Table *t = NULL;
    nk_err missing = NK_ERR_INIT;
    nk_code rc = nk_catalog_get_table(tx, &ctx, g->database, g->table, &t, &missing);
    bool there = rc == NK_OK && t->StorageDescriptor &&
                 same_place(t->StorageDescriptor->Location, g->location);
    nk_catalog_change change = {.kind = NK_CHANGE_DELETE_TABLE,
                                .database = g->database,
                                .table = g->table,
                                .or_exists = true};
    glue_TableInput in;
    bool drop = delete_policy(run, "DELETE_FROM_DATABASE"), apply = there && drop;
    g->done = false;
    if (there && !drop && !nk_map_str_get(&t->Parameters, "DEPRECATED_BY_CRAWLER").p) {
        rc = deprecated(t, a, ctx.now_us, &in);
        change.kind = NK_CHANGE_UPDATE_TABLE;
        change.table_input = &in;
        apply = rc == NK_OK;
    } else if (rc == NK_E_NOT_FOUND) {
        rc = NK_OK;
    }
    if (rc == NK_OK && apply && run->dry)
        rc = nk_crawl_plan_table(
            run,
            &(nk_plan_table){g->database, g->table, g->location, NK_STR("its data is gone"), t},
            &change, 1, err);
    else if (rc == NK_OK && apply)
        rc = nk_catalog_apply(tx, &ctx, &change, 1, NULL, err);
    if (rc == NK_OK && !run->dry && (drop || !there))
        rc = nk_store_delete(
            tx, &nk_kind_made,
            NK_KEY(nk_vs(run->region), nk_vs(run->name), nk_vs(g->database), nk_vs(g->table)), err);
    nk_arena_destroy(a);
    g->done = rc == NK_OK && apply;
    return rc;
}

static nk_code drop_gone(nk_crawl_run *run, nk_err *err)
{
    gone_scan s = {.run = run};
    nk_store *store = run->owner->app->store;
    if (partial(run))
        return NK_OK;
    NK_TRY(nk_store_read(store, find_gone, &s, err));
    for (size_t i = 0; i < s.list.n; i++) {
        gone *g = &s.list.v[i];
        if (delete_policy(run, "LOG")) {
            nk_crawl_log(run, "INFO",
                         "The data of table %.*s is gone; DeleteBehavior is LOG, so it stays",
                         NK_STR_ARG(g->table));
            continue;
        }
        NK_TRY(run->dry ? nk_store_read(store, drop_table, g, err)
                        : nk_store_write(store, drop_table, g, err));
        if (!g->done || run->dry)
            continue;
        bool drop = delete_policy(run, "DELETE_FROM_DATABASE");
        nk_crawl_log(run, "INFO", "The data of table %.*s is gone: %s", NK_STR_ARG(g->table),
                     drop ? "deleted" : "marked as deprecated");
        run->counts.tables_deleted += drop;
        run->counts.tables_updated += !drop;
        if (note(run, drop ? &run->deleted : &run->updated, g->table) != NK_OK)
            return NK_E_NOMEM;
    }
    return NK_OK;
}

/* ---- events: partitions whose folder has become empty ---- */

typedef struct emptied {
    nk_crawl_run *run;
    nk_str database, table, location; /* of a table that we made */
    nk_arena *a;
    glue_Partition gone[100];
    size_t n;
    bool more;
} emptied;

static bool in_empty(void *arg, const glue_Partition *p)
{
    emptied *e = arg;
    for (size_t i = 0; i < e->run->empty.n && p->StorageDescriptor; i++) {
        if (!same_place(p->StorageDescriptor->Location, e->run->empty.v[i]))
            continue;
        void *copy;
        if (e->n == NK_COUNTOF(e->gone) ||
            nk_model_copy(&glue_Partition_shape, p, e->a, &copy) != NK_OK) {
            e->more = true;
            return false;
        }
        e->gone[e->n++] = *(glue_Partition *)copy;
        break;
    }
    return true;
}

static nk_code drop_partitions(nk_tx *tx, void *arg, nk_err *err)
{
    emptied *e = arg;
    nk_catalog_change changes[NK_COUNTOF(e->gone)];
    nk_catalog_counts counts = {0};
    e->n = 0;
    e->more = false;
    if (!(e->a = nk_arena_create(0)))
        return nk_fail(err, NK_E_NOMEM, "Out of memory");
    nk_catalog_ctx ctx = context(e->run, e->a);
    nk_code rc =
        nk_catalog_each_partition(tx, &ctx, e->database, e->table, NK_STR(""), in_empty, e, err);
    for (size_t i = 0; i < e->n; i++)
        changes[i] = (nk_catalog_change){.kind = NK_CHANGE_DELETE_PARTITION,
                                         .database = e->database,
                                         .table = e->table,
                                         .values = &e->gone[i].Values};
    if (rc == NK_OK && e->n && e->run->dry)
        rc = nk_crawl_plan_table(e->run,
                                 &(nk_plan_table){e->database, e->table, e->location,
                                                  NK_STR("their folders are empty"), NULL},
                                 changes, e->n, err);
    else if (rc == NK_OK && e->n)
        rc = nk_catalog_apply(tx, &ctx, changes, e->n, &counts, err);
    if (rc == NK_E_NOT_FOUND) /* the table itself is gone */
        rc = NK_OK;
    if (rc == NK_OK)
        e->run->counts.partitions_deleted += counts.partitions_deleted;
    nk_arena_destroy(e->a);
    return rc;
}

static nk_code drop_empty(nk_crawl_run *run, nk_err *err)
{
    gone_scan s = {.run = run};
    nk_store *store = run->owner->app->store;
    if (!run->empty.n || !delete_policy(run, "DELETE_FROM_DATABASE"))
        return NK_OK;
    run->found = (nk_strs){0};
    NK_TRY(nk_store_read(store, find_made, &s, err));
    for (size_t i = 0; i < s.list.n; i++) {
        emptied e = {.run = run,
                     .database = s.list.v[i].database,
                     .table = s.list.v[i].table,
                     .location = s.list.v[i].location};
        do {
            NK_TRY(run->dry ? nk_store_read(store, drop_partitions, &e, err)
                            : nk_store_write(store, drop_partitions, &e, err));
        } while (e.more && !run->dry);
    }
    return NK_OK;
}

/* ---- all of it ---- */

static nk_code read_table(nk_crawl_run *run, nk_str frame, found *f, nk_err *err)
{
    nk_json_reader r;
    nk_str raw;
    void *input;
    *f = (found){.run = run, .database = run->def->DatabaseName};
    nk_json_begin(&r, frame, run->arena, 0, err);
    NK_TRY(nk_json_next(&r));
    for (;;) {
        NK_TRY(nk_json_next(&r));
        if (r.token != NK_JSON_KEY)
            break;
        nk_str key = r.text;
        NK_TRY(nk_json_next(&r));
        if (nk_str_is(key, "base"))
            f->base = r.text;
        else if (nk_str_is(key, "why"))
            f->why = r.text;
        else if (nk_str_is(key, "database") && r.text.n)
            f->database = r.text;
        else if (nk_str_is(key, "name"))
            f->given = r.text;
        NK_TRY(nk_json_raw(&r, &raw));
        if (nk_str_is(key, "input")) {
            NK_TRY(nk_model_decode(&glue_TableInput_shape, raw, run->arena, &input, err));
            f->input = input;
        }
    }
    if (!f->input || !f->input->StorageDescriptor || !f->base.p)
        return nk_fail(err, NK_E_INTERNAL, "The crawl's worker sent a table without a definition");
    f->location = f->input->StorageDescriptor->Location;
    return NK_OK;
}

static bool is_table(nk_str frame)
{
    return nk_str_starts(frame, NK_STR("{\"event\":\"table\""));
}

static nk_code make_database(nk_tx *tx, void *arg, nk_err *err)
{
    nk_crawl_run *run = arg;
    nk_arena *a = nk_arena_create(0);
    if (!a)
        return nk_fail(err, NK_E_NOMEM, "Out of memory");
    nk_catalog_ctx ctx = context(run, a);
    nk_catalog_change change = {
        .kind = NK_CHANGE_CREATE_DATABASE, .database = run->def->DatabaseName, .or_exists = true};
    nk_code rc = nk_catalog_apply(tx, &ctx, &change, 1, NULL, err);
    nk_arena_destroy(a);
    return rc;
}

static nk_code apply_frames(nk_crawl_run *run, nk_err *err)
{
    run->found = (nk_strs){0};
    for (size_t i = 0; i < run->frames.n; i++) {
        found f;
        NK_TRY(read_table(run, run->frames.v[i], &f, err));
        while (i + 1 < run->frames.n && !is_table(run->frames.v[i + 1])) {
            nk_str *slot = nk_strs_add(&f.partition_frames, run->arena);
            if (!slot)
                return nk_fail(err, NK_E_NOMEM, "Out of memory");
            *slot = run->frames.v[++i];
        }
        NK_TRY(apply_table(run, &f, err));
    }
    NK_TRY(drop_gone(run, err));
    return drop_empty(run, err);
}

nk_code nk_crawl_apply(nk_crawl_run *run, nk_err *err)
{
    size_t tables = 0;
    for (size_t i = 0; i < run->frames.n; i++)
        tables += is_table(run->frames.v[i]);
    if (run->config.table_threshold && tables > (size_t)run->config.table_threshold)
        return nk_fail(
            err, NK_E_LIMIT,
            "The crawl found %zu tables, more than the TableThreshold of %d; nothing was changed",
            tables, run->config.table_threshold);
    if (!run->dry && run->def->DatabaseName.n)
        NK_TRY(nk_store_write(run->owner->app->store, make_database, run, err));
    return apply_frames(run, err);
}
