/* Folders to tables. A folder's files, when most are alike, are one unit; units that are alike
 * under one folder are partitions of one table, else each is a table. */
#include <stdio.h>

#include "crawl/crawl_int.h"

#define ALIKE            0.7 /* of the columns, for two schemas to be alike */
#define MOST             0.7 /* of the files or folders, for them to be taken together */
#define FOLDER_DEPTH_MAX 100

typedef struct folder folder;
NK_LIST(folder_list, folder *);
NK_LIST(file_list, nk_crawl_file *);

struct folder {
    nk_str path; /* with trailing slash; "" for the bucket */
    nk_str name;
    folder_list kids;
    file_list files;
};

/* What a folder amounts to: one table-to-be, which a parent may still take as a partition. */
typedef struct unit {
    bool open; /* there is one */
    nk_crawl_table t;
} unit;

typedef struct grouper {
    const nk_crawl_grouping *g;
    nk_arena *a;
    nk_crawl_tables *out;
    nk_crawl_remark remark;
    void *arg;
    nk_err *err;
    nk_map above; /* folders that known tables lie below */
} grouper;

static nk_code no_memory(grouper *g)
{
    return nk_fail(g->err, NK_E_NOMEM, "Out of memory grouping the files of a crawl");
}

/* ---- likeness ---- */

static bool scalar(const nk_type *t)
{
    return t->kind < NK_T_ARRAY;
}

/* Both by name: one nested and one not is no match; two scalars always are (they widen). */
static bool alike_types(const nk_type *a, const nk_type *b)
{
    return a->kind == NK_T_NULL || b->kind == NK_T_NULL || a->kind == b->kind ||
           (scalar(a) && scalar(b));
}

double nk_crawl_likeness(const nk_finding *fa, const nk_type *a, const nk_finding *fb,
                         const nk_type *b)
{
    size_t most = a->nfields > b->nfields ? a->nfields : b->nfields, same = 0;
    if (!most)
        return 1;
    if (a == b)
        return 1;
    bool csv = fa->format == &nk_crawl_format_csv;
    if (csv && !fa->dialect.header && !fb->dialect.header) {
        size_t least = a->nfields + b->nfields - most;
        for (size_t i = 0; i < least; i++) {
            const nk_type *x = a->fields[i].type, *y = b->fields[i].type;
            same += x->kind == y->kind || x->kind == NK_T_NULL || y->kind == NK_T_NULL ||
                    (nk_type_is_number(x) && nk_type_is_number(y));
        }
        return (double)same / (double)most;
    }
    nk_map names;
    nk_map_init(&names);
    for (size_t i = 0; i < a->nfields; i++) {
        if (nk_map_put(&names, a->fields[i].name, (void *)(uintptr_t)&a->fields[i], NULL) != NK_OK)
            break;
    }
    for (size_t i = 0; i < b->nfields; i++) {
        const nk_field *f = nk_map_get(&names, b->fields[i].name);
        same += f && alike_types(f->type, b->fields[i].type);
    }
    nk_map_free(&names);
    /* fields of documents and columns of Parquet files come and go: what counts is that the
     * narrower schema is in the wider one; text files are read by position, so there all columns
     * count */
    size_t least = a->nfields + b->nfields - most;
    double of_least = least ? (double)same / (double)least : 0,
           of_most = (double)same / (double)most;
    if (csv || of_most < 0.4)
        return of_most;
    return of_least;
}

static bool same_kind(const nk_finding *a, const nk_finding *b)
{
    return a->format == b->format && a->codec == b->codec &&
           nk_str_eq(a->classification, b->classification) &&
           (!a->format->same || a->format->same(a, b));
}

static bool alike(grouper *g, bool relaxed, const nk_crawl_table *a, const nk_crawl_table *b)
{
    if (!same_kind(a->sample, b->sample))
        return false;
    return relaxed || g->g->combine ||
           nk_crawl_likeness(a->sample, a->type, b->sample, b->type) >= ALIKE;
}

/* ---- units ---- */

/* A file of text cells only has no header of its own to show; when its first record is the header
 * of its neighbours, it has. */
static void adopt_header(grouper *g, nk_finding *f, const nk_finding *with)
{
    if (f->format != &nk_crawl_format_csv || f->dialect.header || !with->dialect.header ||
        with->format != f->format || f->dialect.delimiter != with->dialect.delimiter ||
        f->dialect.first.n != with->dialect.names.n || f->type->nfields != with->type->nfields)
        return;
    for (size_t i = 0; i < f->dialect.first.n; i++) {
        if (!nk_str_eq(f->dialect.first.v[i], with->dialect.names.v[i]))
            return;
    }
    nk_field *fields = NK_NEWN(g->a, nk_field, f->type->nfields);
    if (!fields)
        return;
    for (size_t i = 0; i < f->type->nfields; i++)
        fields[i] = (nk_field){.name = with->type->fields[i].name, .type = f->type->fields[i].type};
    f->type = nk_type_struct(g->a, fields, f->type->nfields);
    f->dialect.header = true;
    f->dialect.names = f->dialect.first;
    f->records -= f->records > 0;
}

static nk_crawl_table of_file(const nk_crawl_file *file)
{
    const nk_finding *f = file->is;
    nk_crawl_table t = {.type = f->type,
                        .sample = f,
                        .path = file->path,
                        .example = file->path,
                        .rule = "a file of its own",
                        .quoted = f->dialect.quoted,
                        .multiline = f->layout == NK_JSON_CONCAT,
                        .files = 1,
                        .bytes = file->size};
    if (f->exact || !f->sample_bytes) {
        t.records = f->records;
    } else {
        double scale = (double)file->size / (double)f->sample_bytes;
        t.records = (uint64_t)((double)f->records * (scale < 1 ? 1 : scale));
    }
    t.record_size = f->records ? (double)f->record_bytes / (double)f->records : 0;
    return t;
}

static nk_code absorb(grouper *g, nk_crawl_table *into, const nk_crawl_table *t)
{
    NK_TRY(nk_type_merge(into->type, t->type, NK_MERGE_CRAWL, g->a, &into->type, g->err));
    double records = (double)(into->records + t->records);
    if (records > 0)
        into->record_size =
            (into->record_size * (double)into->records + t->record_size * (double)t->records) /
            records;
    if (t->sample->format == &nk_crawl_format_csv &&
        into->sample->dialect.header != t->sample->dialect.header)
        into->mixed_header = true;
    /* the more telling sample stands for all */
    if (t->sample->dialect.header && !into->sample->dialect.header) {
        into->sample = t->sample;
        into->example = t->example;
    }
    into->quoted |= t->quoted;
    into->multiline |= t->multiline;
    into->mixed_header |= t->mixed_header;
    into->files += t->files;
    into->bytes += t->bytes;
    into->records += t->records;
    return NK_OK;
}

static void count_unsampled(nk_crawl_table *t, const nk_crawl_file *f)
{
    t->files++;
    t->bytes += f->size;
    if (t->record_size > 0)
        t->records += (uint64_t)((double)f->size / t->record_size);
}

static nk_str last_part(nk_str path)
{
    nk_str p = path;
    while (p.n && p.p[p.n - 1] == '/')
        p.n--;
    ptrdiff_t at = nk_str_rchr(p, '/');
    return at < 0 ? p : nk_str_sub(p, (size_t)at + 1, p.n);
}

static nk_code finish(grouper *g, nk_crawl_table *t)
{
    nk_crawl_table *out = nk_crawl_tables_add(g->out, g->a);
    if (!out)
        return no_memory(g);
    t->base = last_part(t->path);
    if (!t->base.n)
        t->base = g->g->bucket;
    *out = *t;
    return NK_OK;
}

static void say(grouper *g, const char *fmt, nk_str path)
{
    char text[1400];
    snprintf(text, sizeof text, fmt, (int)(path.n > 1024 ? 1024 : path.n), path.p ? path.p : "");
    if (g->remark)
        g->remark(g->arg, text);
}

/* ---- a folder's own files ---- */

static bool usable(const nk_crawl_file *f)
{
    return f->is && f->is->format && f->is->type;
}

/* The file most others are like; *share of the usable ones that are. A few candidates tell. */
static nk_crawl_file *typical(grouper *g, const folder *f, double *share)
{
    nk_crawl_file *best = NULL;
    size_t most = 0, total = 0, tried = 0;
    for (size_t i = 0; i < f->files.n; i++)
        total += usable(f->files.v[i]);
    for (size_t i = 0; i < f->files.n && tried < 8 && most < total; i++) {
        nk_crawl_file *c = f->files.v[i];
        if (!usable(c))
            continue;
        tried++;
        size_t like = 0;
        for (size_t k = 0; k < f->files.n; k++) {
            nk_crawl_file *o = f->files.v[k];
            if (!usable(o))
                continue;
            adopt_header(g, o->is, c->is);
            nk_crawl_table a = of_file(c), b = of_file(o);
            like += alike(g, false, &a, &b);
        }
        if (like > most) {
            most = like;
            best = c;
        }
    }
    *share = total ? (double)most / (double)total : 0;
    return best;
}

static bool is_root(const grouper *g, const folder *f)
{
    return g->g->roots && nk_map_has(g->g->roots, f->path);
}

/* Either one unit, or a table a file (added to the output at once). */
static nk_code own_files(grouper *g, const folder *f, unit *out)
{
    double share;
    nk_crawl_file *like = typical(g, f, &share);
    if (!like)
        return NK_OK;
    nk_crawl_table tt = of_file(like);
    for (size_t i = 0; i < f->files.n; i++) {
        nk_crawl_file *c = f->files.v[i];
        if (!usable(c))
            continue;
        nk_crawl_table t = of_file(c);
        if (share < MOST && !is_root(g, f)) {
            t.rule = "the files of its folder differ: a table each";
            NK_TRY(finish(g, &t));
            continue;
        }
        bool fits = alike(g, false, &tt, &t);
        if (!fits)
            say(g, "%.*s does not fit the other files of its folder; its columns are left out",
                c->path);
        if (!out->open && fits) {
            out->open = true;
            out->t = t;
            out->t.path = f->path;
            out->t.rule = "the files of its folder are alike";
        } else if (fits) {
            NK_TRY(absorb(g, &out->t, &t));
        }
    }
    for (size_t i = 0; i < f->files.n && out->open; i++) {
        if (!f->files.v[i]->sampled)
            count_unsampled(&out->t, f->files.v[i]);
    }
    return NK_OK;
}

/* ---- folders of folders ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* "key=value" → both; the value with %XX undone. */
static bool hive_name(grouper *g, nk_str name, nk_str *key, nk_str *value)
{
    ptrdiff_t at = nk_str_chr(name, '=');
    if (at <= 0)
        return false;
    *key = nk_str_lower(g->a, nk_str_sub(name, 0, (size_t)at));
    nk_str v = nk_str_sub(name, (size_t)at + 1, name.n);
    char *out = nk_arena_bytes(g->a, v.n + 1);
    size_t n = 0;
    if (!out)
        return false;
    for (size_t i = 0; i < v.n; i++) {
        int hi = i + 2 < v.n ? hex_digit(v.p[i + 1]) : -1, lo = hi < 0 ? -1 : hex_digit(v.p[i + 2]);
        if (v.p[i] == '%' && lo >= 0) {
            out[n++] = (char)(hi * 16 + lo);
            i += 2;
        } else {
            out[n++] = v.p[i];
        }
    }
    *value = nk_str_n(out, n);
    return true;
}

typedef struct kid {
    nk_str key, value; /* key NULL: a plain folder */
    unit u;
    bool taken;
} kid;

static bool same_keys(const nk_crawl_table *a, const nk_crawl_table *b)
{
    if (a->keys.n != b->keys.n)
        return false;
    for (size_t i = 0; i < a->keys.n; i++) {
        /* generated names are given anew from the table's level */
        if (!nk_str_eq(a->keys.v[i], b->keys.v[i]))
            return false;
    }
    return true;
}

static bool kids_alike(grouper *g, bool relaxed, const kid *a, const kid *b)
{
    return nk_str_eq(a->key, b->key) && (a->key.p != NULL) == (b->key.p != NULL) &&
           same_keys(&a->u.t, &b->u.t) && alike(g, relaxed, &a->u.t, &b->u.t);
}

static nk_code add_partition(grouper *g, nk_crawl_table *t, const kid *k,
                             const nk_crawl_partition *below)
{
    nk_crawl_partition *p = nk_crawl_partitions_add(&t->partitions, g->a);
    nk_str *v;
    if (!p)
        return no_memory(g);
    if (below)
        *p = *below;
    else
        *p = (nk_crawl_partition){.path = k->u.t.path,
                                  .type = k->u.t.type,
                                  .sample = k->u.t.sample,
                                  .files = k->u.t.files,
                                  .bytes = k->u.t.bytes,
                                  .records = k->u.t.records,
                                  .record_size = k->u.t.record_size};
    nk_strs values = {0};
    if (!(v = nk_strs_add(&values, g->a)))
        return no_memory(g);
    *v = k->value;
    for (size_t i = 0; below && i < below->values.n; i++) {
        if (!(v = nk_strs_add(&values, g->a)))
            return no_memory(g);
        *v = below->values.v[i];
    }
    p->values = values;
    return NK_OK;
}

/* The table's partition keys: `first`, and those of the tables below; k=1/k=2/ gives k and k_1. */
static nk_code set_keys(grouper *g, nk_crawl_table *t, nk_str first, const nk_strs *below)
{
    nk_str *raw = NK_NEWN(g->a, nk_str, below->n + 1);
    if (!raw)
        return no_memory(g);
    raw[0] = first;
    for (size_t j = 0; j < below->n; j++) {
        raw[j + 1] = below->v[j];
        if (nk_str_starts(raw[j + 1], NK_STR("partition_")))
            raw[j + 1] = nk_str_printf(g->a, "partition_%zu", j + 1);
    }
    t->keys = (nk_strs){0};
    return nk_crawl_key_names(raw, below->n + 1, g->a, &t->keys, g->err);
}

/* Like kids become the partitions of this folder's table. */
static nk_code combine(grouper *g, const folder *f, kid *kids, size_t n, const kid *like,
                       bool relaxed, unit *out)
{
    for (size_t i = 0; i < n; i++) {
        kid *k = &kids[i];
        if (!k->u.open || k->taken || !kids_alike(g, relaxed, like, k))
            continue;
        k->taken = true;
        if (!out->open) {
            out->open = true;
            out->t = k->u.t;
            out->t.path = f->path;
            out->t.rule = k->key.p ? "folders named key=value hold like files: partitions"
                                   : "its folders hold like files: partitions";
            out->t.partitions = (nk_crawl_partitions){0};
            NK_TRY(set_keys(g, &out->t, k->key.p ? k->key : NK_STR("partition_0"), &k->u.t.keys));
        } else {
            NK_TRY(absorb(g, &out->t, &k->u.t));
        }
        if (!k->u.t.keys.n)
            NK_TRY(add_partition(g, &out->t, k, NULL));
        for (size_t j = 0; j < k->u.t.partitions.n; j++)
            NK_TRY(add_partition(g, &out->t, k, &k->u.t.partitions.v[j]));
    }
    return NK_OK;
}

/* The kid most others are like, among the open ones. */
static const kid *typical_kid(grouper *g, const kid *kids, size_t n, bool relaxed, size_t *like,
                              size_t *total)
{
    const kid *best = NULL;
    size_t tried = 0;
    *like = *total = 0;
    for (size_t i = 0; i < n; i++)
        *total += kids[i].u.open;
    for (size_t i = 0; i < n && tried < 8 && *like < *total; i++) {
        if (!kids[i].u.open)
            continue;
        tried++;
        size_t count = 0;
        for (size_t k = 0; k < n; k++)
            count += kids[k].u.open && kids_alike(g, relaxed, &kids[i], &kids[k]);
        if (count > *like) {
            *like = count;
            best = &kids[i];
        }
    }
    return best;
}

/* Files beside folders, all alike and no Hive names: one table over everything below, without
 * partitions. */
static bool flat_together(grouper *g, const unit *own, const unit *below)
{
    for (size_t i = 0; i < below->t.keys.n; i++) {
        if (!nk_str_starts(below->t.keys.v[i], NK_STR("partition_")))
            return false;
    }
    return alike(g, false, &own->t, &below->t);
}

static int level_of(const folder *f)
{
    int level = 1;
    for (size_t i = 0; i < f->path.n; i++)
        level += f->path.p[i] == '/';
    return level;
}

static nk_code evaluate(grouper *g, const folder *f, int depth, unit *out);

/* own: the unit of the folder's own files, if it has one. */
static nk_code evaluate_kids(grouper *g, const folder *f, int depth, const unit *own, unit *out)
{
    int level = level_of(f), fixed = g->g->table_level;
    bool root = is_root(g, f), relaxed = root || (fixed > 0 && level >= fixed);
    kid *kids = NK_NEWN(g->a, kid, f->kids.n);
    size_t like, total;
    if (!kids)
        return no_memory(g);
    for (size_t i = 0; i < f->kids.n; i++) {
        kids[i].value = f->kids.v[i]->name;
        if (!hive_name(g, f->kids.v[i]->name, &kids[i].key, &kids[i].value))
            kids[i].key = NK_STR_NULL;
        NK_TRY(evaluate(g, f->kids.v[i], depth + 1, &kids[i].u));
        if (kids[i].u.open && is_root(g, f->kids.v[i])) { /* a table already: nobody's partition */
            kids[i].u.t.rule = "the folder is a table's already";
            NK_TRY(finish(g, &kids[i].u.t));
            kids[i].u.open = false;
        }
    }
    const kid *best = typical_kid(g, kids, f->kids.n, relaxed, &like, &total);
    bool lone = best && total == 1 && !best->key.p && g->g->standing &&
                nk_map_has(g->g->standing, best->u.t.path);
    bool apart = !root && (lone || (fixed > 0 && level < fixed) || nk_map_has(&g->above, f->path));
    if (best && !apart && (root || (double)like >= MOST * (double)total))
        NK_TRY(combine(g, f, kids, f->kids.n, best, relaxed, out));
    /* plain folders beside files of another kind are no partitions */
    bool split = out->open && own->open && !root && !best->key.p && !flat_together(g, own, out);
    if (split)
        *out = (unit){0};
    for (size_t i = 0; i < f->kids.n; i++) {
        kids[i].taken &= !split;
        if (!kids[i].u.open || kids[i].taken)
            continue;
        if (root) /* what the table is is known: this is not of it */
            say(g, "%.*s is not like the other folders of its table; it is passed over",
                kids[i].u.t.path);
        else
            NK_TRY(finish(g, &kids[i].u.t));
    }
    return NK_OK;
}

static nk_code evaluate(grouper *g, const folder *f, int depth, unit *out)
{
    unit own = {0}, below = {0};
    if (depth > FOLDER_DEPTH_MAX)
        return nk_fail(g->err, NK_E_LIMIT, "Folders are nested deeper than %d levels",
                       FOLDER_DEPTH_MAX);
    NK_TRY(own_files(g, f, &own));
    size_t before = g->out->n;
    if (f->kids.n)
        NK_TRY(evaluate_kids(g, f, depth, &own, &below));
    if (own.open && below.open && is_root(g, f)) { /* what it was is known: partitions or none */
        NK_TRY(absorb(g, &below.t, &own.t));
        own.open = false;
    } else if (own.open && below.open && flat_together(g, &own, &below)) {
        say(g, "%.*s holds files beside like folders: one table without partitions", f->path);
        NK_TRY(absorb(g, &own.t, &below.t));
        own.t.rule = "files and folders hold like files: one table without partitions";
        below.open = false;
    } else if (own.open && (below.open || g->out->n > before)) {
        /* a table of this folder would take in what lies below it: its files become tables of their
         * own */
        say(g, "%.*s holds files beside folders of another kind: a table a file", f->path);
        for (size_t i = 0; i < f->files.n; i++) {
            if (!usable(f->files.v[i]))
                continue;
            nk_crawl_table t = of_file(f->files.v[i]);
            t.rule = "it lies beside folders of another kind: a table a file";
            NK_TRY(finish(g, &t));
        }
        own.open = false;
    }
    *out = own.open ? own : below;
    return NK_OK;
}

/* ---- the tree ---- */

static folder *folder_at(grouper *g, nk_map *all, nk_str path)
{
    folder *f = nk_map_get(all, path);
    if (f)
        return f;
    f = NK_NEW(g->a, folder);
    if (!f)
        return NULL;
    f->path = path;
    f->name = last_part(path);
    if (nk_map_put(all, path, f, NULL) != NK_OK)
        return NULL;
    if (path.n > g->g->root.n) {
        nk_str trimmed = nk_str_sub(path, 0, path.n - 1);
        ptrdiff_t at = nk_str_rchr(trimmed, '/');
        folder *up = folder_at(g, all, nk_str_sub(path, 0, at < 0 ? 0 : (size_t)at + 1));
        folder **slot = up ? folder_list_add(&up->kids, g->a) : NULL;
        if (!slot)
            return NULL;
        *slot = f;
    }
    return f;
}

static nk_code mark_above(grouper *g)
{
    nk_map_slot *slot;
    for (size_t i = 0; nk_map_next(g->g->roots, &i, &slot);) {
        nk_str path = slot->key;
        while (path.n > g->g->root.n) {
            nk_str trimmed = nk_str_sub(path, 0, path.n - 1);
            path = nk_str_sub(path, 0, (size_t)(nk_str_rchr(trimmed, '/') + 1));
            if (nk_map_put(&g->above, path, g, NULL) != NK_OK)
                return no_memory(g);
        }
    }
    return NK_OK;
}

nk_code nk_crawl_group(const nk_crawl_grouping *grouping, nk_crawl_file *files, size_t n,
                       nk_arena *a, nk_crawl_tables *out, nk_crawl_remark remark, void *arg,
                       nk_err *err)
{
    grouper g = {grouping, a, out, remark, arg, err};
    nk_map all;
    nk_code rc = NK_OK;
    /* an include path that is itself a file: a table of its own */
    if (grouping->root.n && grouping->root.p[grouping->root.n - 1] != '/') {
        for (size_t i = 0; i < n && rc == NK_OK; i++) {
            if (!usable(&files[i]))
                continue;
            nk_crawl_table t = of_file(&files[i]);
            t.rule = "the include path is this file";
            rc = finish(&g, &t);
        }
        return rc;
    }
    nk_map_init(&all);
    nk_map_init(&g.above);
    if (grouping->roots)
        rc = mark_above(&g);
    folder *root = rc == NK_OK ? folder_at(&g, &all, grouping->root) : NULL;
    for (size_t i = 0; root && i < n; i++) {
        nk_str path = files[i].path;
        ptrdiff_t at = nk_str_rchr(path, '/');
        folder *f = folder_at(&g, &all, nk_str_sub(path, 0, at < 0 ? 0 : (size_t)at + 1));
        nk_crawl_file **slot = f ? file_list_add(&f->files, a) : NULL;
        if (!slot) {
            root = NULL;
            break;
        }
        *slot = &files[i];
    }
    unit top = {0};
    if (!root)
        rc = no_memory(&g);
    else
        rc = evaluate(&g, root, 0, &top);
    if (rc == NK_OK && top.open)
        rc = finish(&g, &top.t);
    nk_map_free(&g.above);
    nk_map_free(&all);
    return rc;
}

/* ---- names ---- */

nk_str nk_crawl_table_name(nk_arena *a, nk_str prefix, nk_str base)
{
    nk_str lower = nk_str_lower(a, base);
    char *out = nk_arena_bytes(a, prefix.n + lower.n + 2);
    size_t n = 0;
    if (!out || !lower.p)
        return NK_STR_NULL;
    nk_str pre = nk_str_lower(a, prefix);
    if (pre.n)
        memcpy(out, pre.p, n = pre.n);
    for (size_t i = 0; i < lower.n;) {
        uint32_t cp;
        size_t len = nk_utf8_get(lower.p + i, lower.n - i, &cp);
        char c = lower.p[i];
        bool ok = len == 1 && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_');
        out[n++] = ok ? c : '_';
        i += len ? len : 1;
    }
    if (!n)
        out[n++] = '_';
    return nk_str_n(out, n > 255 ? 255 : n);
}

nk_str nk_crawl_clash_name(nk_arena *a, nk_str name, nk_str location)
{
    char hex[65];
    nk_sha256_hex(location.p, location.n, hex);
    nk_str head = nk_str_sub(name, 0, name.n > 222 ? 222 : name.n);
    return nk_str_printf(a, "%.*s_%.32s", NK_STR_ARG(head), hex);
}
