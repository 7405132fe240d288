/* Compaction: small data files, and files that many deletes apply to, become few of full size. The
 * rows come from the engine's own Iceberg reader, over metadata made for the purpose that holds
 * just the files in question: whatever a reader must do about old schemas and deletes, it does. */
#include <stdio.h>

#include "engine/engine.h"
#include "iceberg/bounds.h"
#include "iceberg/maintain_int.h"

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

/* Reserved ids of the columns that follow a row from file to file (format version 3). */
#define ROW_ID       2147483540
#define LAST_UPDATED 2147483539

/* Files of one partition that go together. */
typedef struct bin {
    nk_str group;
    int64_t spec, bytes;
    size_t first, n; /* of members */
    nk_str path;     /* the new file; p NULL: no rows were left */
    int64_t rows, size;
} bin;
NK_LIST(bin_list, bin);
NK_LIST(place_list, size_t);

typedef struct compactor {
    nk_ice_task *t;
    const nk_json *snapshot; /* the current one */
    int64_t format, new_id, seq, target;
    int64_t first_row, next_row; /* ids for rows of this snapshot */
    int64_t min_files, delete_threshold;
    nk_str strategy;
    nk_ocf_file list; /* the snapshot's manifest list */
    nk_ice_manifests manifests;
    nk_ice_lives lives;
    nk_map groups; /* group → 1 + place of its first file, for a look at which there are */
    bin_list bins;
    place_list members;
    nk_engine *engine;
    nk_strs temporary;
} compactor;

static int64_t config(const compactor *c, const char *name, int64_t otherwise)
{
    return nk_json_i64(c->t->config, name, otherwise);
}

/* ---- choosing ---- */

static bool unpartitioned(const compactor *c, const nk_ice_live *l)
{
    const nk_json *spec =
                      nk_ice_find(nk_ice_array(c->t->root, "partition-specs"), "spec-id", l->spec),
                  *fields = nk_ice_array(spec, "fields");
    return !fields || !fields->count;
}

/* Whether a file of deletes applies to a data file. */
static bool applies(const compactor *c, const nk_ice_live *d, const nk_ice_live *f)
{
    if (d->target.p && !nk_str_eq(d->target, f->path))
        return false;
    if (d->content == NK_ICE_POSITION)
        return d->seq >= f->seq && nk_str_eq(d->group, f->group);
    return d->seq > f->seq && (nk_str_eq(d->group, f->group) || unpartitioned(c, d));
}

static int64_t deletes_of(const compactor *c, const nk_ice_live *f)
{
    int64_t n = 0;
    for (size_t i = 0; i < c->lives.n; i++)
        n += c->lives.v[i].content != NK_ICE_DATA && applies(c, &c->lives.v[i], f);
    return n;
}

static nk_code fill_bins(compactor *c, nk_str group)
{
    bin *b = NULL;
    for (size_t i = 0; i < c->lives.n; i++) {
        nk_ice_live *l = &c->lives.v[i];
        if (l->content != NK_ICE_DATA || !l->chosen || !nk_str_eq(l->group, group))
            continue;
        if (!b || (b->bytes && b->bytes + l->bytes > c->target)) {
            b = bin_list_add(&c->bins, c->t->a);
            if (!b)
                return nomem(c->t->err);
            *b = (bin){.group = group, .spec = l->spec, .first = c->members.n};
        }
        size_t *m = place_list_add(&c->members, c->t->a);
        if (!m)
            return nomem(c->t->err);
        *m = i;
        b->n++;
        b->bytes += l->bytes;
    }
    return NK_OK;
}

/* A bin of one file that nothing applies to would be written as it is. */
static void drop_idle_bins(compactor *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->bins.n; i++) {
        bin *b = &c->bins.v[i];
        nk_ice_live *only = &c->lives.v[c->members.v[b->first]];
        if (b->n == 1 && !deletes_of(c, only))
            only->chosen = false;
        else
            c->bins.v[n++] = *b;
    }
    c->bins.n = n;
}

static nk_code choose_group(compactor *c, nk_str group)
{
    int64_t small = 0;
    bool sorted = !nk_str_is(c->strategy, "binpack");
    for (size_t i = 0; i < c->lives.n; i++) {
        const nk_ice_live *l = &c->lives.v[i];
        small +=
            l->content == NK_ICE_DATA && nk_str_eq(l->group, group) && l->bytes < c->target / 4 * 3;
    }
    bool pack = small >= 2 && small >= c->min_files;
    for (size_t i = 0; i < c->lives.n; i++) {
        nk_ice_live *l = &c->lives.v[i];
        if (l->content != NK_ICE_DATA || !nk_str_eq(l->group, group))
            continue;
        l->chosen = (pack && (sorted || l->bytes < c->target / 4 * 3)) ||
                    deletes_of(c, l) >= c->delete_threshold;
    }
    return fill_bins(c, group);
}

static nk_code choose(compactor *c)
{
    nk_code rc = NK_OK;
    nk_map_init(&c->groups);
    for (size_t i = 0; i < c->lives.n && rc == NK_OK; i++) {
        const nk_ice_live *l = &c->lives.v[i];
        if (l->content != NK_ICE_DATA || nk_map_has(&c->groups, l->group))
            continue;
        rc = nk_map_put(&c->groups, l->group, (void *)(uintptr_t)1, NULL) == NK_OK
                 ? choose_group(c, l->group)
                 : nomem(c->t->err);
    }
    nk_map_free(&c->groups);
    drop_idle_bins(c);
    return rc;
}

/* ---- manifests ---- */

/* A manifest's file with those of its live entries that want says yes to, as EXISTING. */
typedef bool (*want_fn)(const compactor *c, const bin *b, const nk_ice_live *l);

static nk_code put_existing(compactor *c, nk_ocf_file *out, const nk_ice_live *l, int64_t status)
{
    nk_ocf *e = nk_ocf_records_add(&out->records, c->t->a);
    if (!e || nk_ocf_copy(l->entry, c->t->a, e) != NK_OK)
        return nomem(c->t->err);
    nk_ocf_set_i64(e, "status", status);
    nk_ocf_set_i64(e, "snapshot_id", status == 2 ? c->new_id : l->snapshot);
    nk_ocf_set_i64(e, "sequence_number", l->seq);
    nk_ocf_set_i64(e, "file_sequence_number", l->file_seq);
    if (l->first_row >= 0)
        nk_ocf_set_i64(nk_ocf_get(e, "data_file"), "first_row_id", l->first_row);
    return NK_OK;
}

static nk_code store_avro(compactor *c, const nk_ocf_file *f, nk_str path, int64_t *bytes)
{
    nk_buf b;
    nk_buf_init(&b, (size_t)1 << 30);
    nk_code rc = nk_ocf_write(f, nk_env_real(), &b, c->t->err);
    if (rc == NK_OK)
        rc = nk_ice_store(c->t, path, nk_buf_view(&b));
    *bytes = (int64_t)b.n;
    nk_buf_free(&b);
    return rc;
}

/* An entry of a manifest list for a manifest, from one that stands for a similar manifest. */
typedef struct counts {
    int64_t files[3], rows[3]; /* existing, added, deleted */
    int64_t min_seq;
} counts;

static nk_code put_listed(compactor *c, nk_ocf_file *list, const nk_ocf *like, nk_str path,
                          int64_t bytes, const counts *n)
{
    static const char *const files[][2] = {{"existing_files_count", "existing_data_files_count"},
                                           {"added_files_count", "added_data_files_count"},
                                           {"deleted_files_count", "deleted_data_files_count"}};
    static const char *const rows[] = {"existing_rows_count", "added_rows_count",
                                       "deleted_rows_count"};
    nk_ocf *r = nk_ocf_records_add(&list->records, c->t->a);
    if (!r || nk_ocf_copy(like, c->t->a, r) != NK_OK)
        return nomem(c->t->err);
    nk_ocf_set_str(r, "manifest_path", path);
    nk_ocf_set_i64(r, "manifest_length", bytes);
    nk_ocf_set_i64(r, "added_snapshot_id", c->new_id);
    nk_ocf_set_i64(r, "sequence_number", c->seq);
    nk_ocf_set_i64(r, "min_sequence_number", n->min_seq);
    for (int i = 0; i < 3; i++) {
        nk_ocf_set_i64(r, files[i][0], n->files[i]);
        nk_ocf_set_i64(r, files[i][1], n->files[i]);
        nk_ocf_set_i64(r, rows[i], n->rows[i]);
    }
    return NK_OK;
}

static void count(counts *n, int status, const nk_ice_live *l)
{
    n->files[status]++;
    n->rows[status] += l->rows;
    if (status != 2 && l->seq < n->min_seq)
        n->min_seq = l->seq;
}

/* ---- the rows of a bin ---- */

static bool in_bin(const compactor *c, const bin *b, size_t live)
{
    const nk_ice_live *l = &c->lives.v[live];
    for (size_t i = 0; i < b->n; i++) {
        size_t m = c->members.v[b->first + i];
        if (m == live || (l->content != NK_ICE_DATA && applies(c, l, &c->lives.v[m])))
            return true;
    }
    return false;
}

static nk_code keep_temporary(compactor *c, nk_str path)
{
    nk_str *p = nk_strs_add(&c->temporary, c->t->a);
    if (!p)
        return nomem(c->t->err);
    *p = path;
    return NK_OK;
}

static nk_code bin_list_file(compactor *c, const bin *b, nk_str *path)
{
    nk_ocf_file list = {.meta = c->list.meta, .type = c->list.type};
    int64_t bytes;
    for (size_t m = 0; m < c->manifests.n; m++) {
        const nk_ice_manifest *x = &c->manifests.v[m];
        nk_ocf_file f = {.meta = x->file.meta, .type = x->file.type};
        counts n = {.min_seq = INT64_MAX};
        nk_str at;
        for (size_t i = 0; i < c->lives.n; i++) {
            if (c->lives.v[i].manifest != m || !in_bin(c, b, i))
                continue;
            NK_TRY(put_existing(c, &f, &c->lives.v[i], 0));
            count(&n, 0, &c->lives.v[i]);
        }
        if (!f.records.n)
            continue;
        NK_TRY(nk_ice_new_path(c->t, "compaction-", "-m.avro", &at));
        NK_TRY(keep_temporary(c, at));
        NK_TRY(store_avro(c, &f, at, &bytes));
        NK_TRY(put_listed(c, &list, x->record, at, bytes, &n));
    }
    NK_TRY(nk_ice_new_path(c->t, "compaction-", "-l.avro", path));
    NK_TRY(keep_temporary(c, *path));
    return store_avro(c, &list, *path, &bytes);
}

/* Metadata with one snapshot: the bin's files. */
static nk_code bin_metadata(compactor *c, const bin *b, nk_str *path)
{
    static const char *const without[] = {"snapshot-log", "metadata-log", "statistics",
                                          "partition-statistics"};
    nk_ice_tree *t = &c->t->t;
    nk_json *root = nk_ice_copy(t, c->t->root), *snapshot = nk_ice_copy(t, c->snapshot),
            *snapshots = nk_ice_new(t, NK_JSON_ARRAY), *refs = nk_ice_new(t, NK_JSON_OBJECT),
            *main = nk_ice_new(t, NK_JSON_OBJECT);
    nk_str list;
    nk_buf text;
    NK_TRY(bin_list_file(c, b, &list));
    for (size_t i = 0; i < NK_COUNTOF(without); i++)
        nk_ice_set(t, root, nk_str_c(without[i]), nk_ice_new(t, NK_JSON_ARRAY));
    nk_ice_kstr(t, snapshot, "manifest-list", list);
    nk_ice_knum(t, snapshot, "schema-id", nk_json_i64(root, "current-schema-id", 0));
    nk_ice_del(snapshot, NK_STR("parent-snapshot-id"));
    nk_ice_add(t, snapshots, snapshot);
    nk_ice_knum(t, main, "snapshot-id", nk_json_i64(c->snapshot, "snapshot-id", 0));
    nk_ice_kstr(t, main, "type", NK_STR("branch"));
    nk_ice_set(t, refs, NK_STR("main"), main);
    nk_ice_set(t, root, NK_STR("refs"), refs);
    nk_ice_set(t, root, NK_STR("snapshots"), snapshots);
    if (t->failed)
        return nomem(c->t->err);
    NK_TRY(nk_ice_new_path(c->t, "compaction-", ".metadata.json", path));
    NK_TRY(keep_temporary(c, *path));
    nk_buf_init(&text, 64 << 20);
    nk_code rc = nk_ice_table_write(t, root, &text, c->t->err);
    if (rc == NK_OK)
        rc = nk_ice_store(c->t, *path, nk_buf_view(&text));
    nk_buf_free(&text);
    return rc;
}

static void put_literal(nk_buf *b, nk_str s, char quote)
{
    (void)nk_buf_putc(b, quote);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == quote)
            (void)nk_buf_putc(b, quote);
        (void)nk_buf_putc(b, s.p[i]);
    }
    (void)nk_buf_putc(b, quote);
}

/* Types that the engine would read or write as something else. */
static bool writable(nk_str type)
{
    static const char *const others[] = {"fixed[",  "variant",      "geometry",      "geography",
                                         "unknown", "timestamp_ns", "timestamptz_ns"};
    for (size_t i = 0; i < NK_COUNTOF(others); i++)
        if (nk_str_starts(type, nk_str_c(others[i])))
            return false;
    return true;
}

/* 'name': id, or with what is inside: 'name': {'__duckdb_field_id': id, …} */
static nk_code put_ids(compactor *c, nk_buf *b, nk_str name, int64_t id, const nk_json *type)
{
    static const char *const parts[][2] = {
        {"element", "element-id"}, {"key", "key-id"}, {"value", "value-id"}};
    put_literal(b, name, '\'');
    if (!type || type->kind != NK_JSON_OBJECT) {
        if (type && !writable(type->text))
            return nk_fail(c->t->err, NK_E_UNSUPPORTED,
                           "column %.*s is of type %.*s, which compaction cannot write",
                           NK_STR_ARG(name), NK_STR_ARG(type->text));
        return nk_buf_printf(b, ": %lld", (long long)id);
    }
    (void)nk_buf_printf(b, ": {'__duckdb_field_id': %lld", (long long)id);
    NK_ICE_EACH(f, nk_ice_array(type, "fields"))
    {
        (void)nk_buf_puts(b, ", ");
        NK_TRY(
            put_ids(c, b, nk_json_str(f, "name"), nk_json_i64(f, "id", 0), nk_json_get(f, "type")));
    }
    for (size_t i = 0; i < NK_COUNTOF(parts); i++) {
        if (!nk_json_get(type, parts[i][0]))
            continue;
        (void)nk_buf_puts(b, ", ");
        NK_TRY(put_ids(c, b, nk_str_c(parts[i][0]), nk_json_i64(type, parts[i][1], 0),
                       nk_json_get(type, parts[i][0])));
    }
    return nk_buf_putc(b, '}');
}

static const nk_json *default_order(const compactor *c)
{
    return nk_ice_array(nk_ice_find(nk_ice_array(c->t->root, "sort-orders"), "order-id",
                                    nk_json_i64(c->t->root, "default-sort-order-id", 0)),
                        "fields");
}

static nk_str column_of(const compactor *c, const nk_json *field)
{
    nk_str name = NK_STR("");
    (void)nk_ice_schema_type(nk_ice_current_schema(c->t->root), nk_json_i64(field, "source-id", -1),
                             &name);
    return name;
}

static void put_sort(compactor *c, nk_buf *b)
{
    const char *sep = " ORDER BY ";
    NK_ICE_EACH(f, default_order(c))
    {
        (void)nk_buf_puts(b, sep);
        put_literal(b, column_of(c, f), '"');
        (void)nk_buf_printf(
            b, " %s NULLS %s", nk_str_is(nk_json_str(f, "direction"), "desc") ? "DESC" : "ASC",
            nk_str_is(nk_json_str(f, "null-order"), "nulls-first") ? "FIRST" : "LAST");
        sep = ", ";
    }
}

/* Ten bits of each column's rank, interleaved. */
static void put_z_order(compactor *c, nk_buf *b)
{
    enum { BITS = 10 };
    size_t k = 0, n = default_order(c)->count;
    (void)nk_buf_puts(b, " ORDER BY ");
    NK_ICE_EACH(f, default_order(c))
    {
        for (int bit = 0; bit < BITS && (size_t)bit * n + k < 62; bit++) {
            (void)nk_buf_puts(b, k || bit ? " + " : "");
            (void)nk_buf_puts(b, "(((((ntile(1024) OVER (ORDER BY ");
            put_literal(b, column_of(c, f), '"');
            (void)nk_buf_printf(b, ")) - 1) >> %d) & 1) << %zu)", bit, (size_t)bit * n + k);
        }
        k++;
    }
}

static nk_code check_strategy(compactor *c)
{
    const nk_json *order = default_order(c);
    if (nk_str_is(c->strategy, "binpack"))
        return NK_OK;
    if (!order || !order->count)
        return nk_fail(c->t->err, NK_E_INVALID,
                       "strategy %.*s needs a sort order, and the table has none",
                       NK_STR_ARG(c->strategy));
    NK_ICE_EACH(f, order)
    {
        if (!nk_str_is(nk_json_str(f, "transform"), "identity") ||
            !nk_ice_find(nk_ice_array(nk_ice_current_schema(c->t->root), "fields"), "id",
                         nk_json_i64(f, "source-id", -1)))
            return nk_fail(c->t->err, NK_E_UNSUPPORTED,
                           "strategy %.*s sorts by columns of the table's top level as they are; "
                           "its order has a transform, or a nested column",
                           NK_STR_ARG(c->strategy));
    }
    return NK_OK;
}

static nk_code bin_sql(compactor *c, const bin *b, nk_str metadata, nk_buf *sql)
{
    const char *sep = "";
    (void)nk_buf_printf(sql, "COPY (SELECT *%s FROM iceberg_scan(",
                        c->format < 3 ? "" : ", _row_id, _last_updated_sequence_number");
    put_literal(sql, metadata, '\'');
    (void)nk_buf_puts(sql, ")");
    if (nk_str_is(c->strategy, "sort"))
        put_sort(c, sql);
    else if (nk_str_is(c->strategy, "z-order"))
        put_z_order(c, sql);
    (void)nk_buf_puts(sql, ") TO ");
    put_literal(sql, b->path, '\'');
    (void)nk_buf_puts(sql, " (FORMAT parquet, COMPRESSION zstd, FIELD_IDS {");
    NK_ICE_EACH(f, nk_ice_array(nk_ice_current_schema(c->t->root), "fields"))
    {
        (void)nk_buf_puts(sql, sep);
        sep = ", ";
        NK_TRY(put_ids(c, sql, nk_json_str(f, "name"), nk_json_i64(f, "id", 0),
                       nk_json_get(f, "type")));
    }
    if (c->format >= 3)
        (void)nk_buf_printf(sql, ", '_row_id': %d, '_last_updated_sequence_number': %d", ROW_ID,
                            LAST_UPDATED);
    (void)nk_buf_puts(sql, "})");
    return nk_buf_check(sql, c->t->err);
}

static nk_code copy_bin(compactor *c, bin *b, nk_str metadata)
{
    nk_s3_uri uri;
    nk_s3_info info;
    nk_buf sql;
    nk_buf_init(&sql, 16 << 20);
    nk_code rc = bin_sql(c, b, metadata, &sql);
    if (rc == NK_OK)
        rc = nk_engine_exec(c->engine, nk_buf_view(&sql), c->t->err);
    nk_buf_clear(&sql);
    (void)nk_buf_puts(&sql, "SELECT count(*) FROM read_parquet(");
    put_literal(&sql, b->path, '\'');
    (void)nk_buf_puts(&sql, ")");
    if (rc == NK_OK)
        rc = nk_engine_i64(c->engine, nk_buf_view(&sql), &b->rows, c->t->err);
    nk_buf_free(&sql);
    NK_TRY(rc);
    NK_TRY(nk_s3_uri_parse(b->path, &uri, c->t->err));
    NK_TRY(nk_s3_head(c->t->s3, uri.bucket, uri.key, &info, c->t->err));
    b->size = (int64_t)info.size;
    return NK_OK;
}

/* A new file beside the first of the bin. */
static nk_code write_bin(compactor *c, bin *b)
{
    nk_str metadata, like = c->lives.v[c->members.v[b->first]].path;
    char uuid[37];
    ptrdiff_t slash = nk_str_rchr(like, '/');
    NK_TRY(nk_uuid(nk_env_real(), uuid));
    b->path = nk_str_printf(c->t->a, "%.*s/compacted-%s.parquet", (int)(slash < 0 ? 0 : slash),
                            like.p, uuid);
    if (!b->path.p)
        return nomem(c->t->err);
    if (nk_worker_cancelled(c->t->w))
        return nk_fail(c->t->err, NK_E_CANCELLED, "stopped");
    NK_TRY(bin_metadata(c, b, &metadata));
    NK_TRY(nk_ice_tell(c->t, "written", NULL, &b->path, 1));
    NK_TRY(copy_bin(c, b, metadata));
    if (!b->rows) {
        NK_TRY(keep_temporary(c, b->path));
        b->path = NK_STR_NULL;
    }
    for (size_t i = 0; i < b->n; i++) {
        nk_ice_live *l = &c->lives.v[c->members.v[b->first + i]];
        l->gone = true;
        c->t->files++;
        c->t->bytes += l->bytes;
    }
    return NK_OK;
}

/* ---- the new snapshot ---- */

/* Deletes that apply to nothing any more. */
static void drop_spent_deletes(compactor *c)
{
    for (size_t d = 0; d < c->lives.n; d++) {
        nk_ice_live *x = &c->lives.v[d];
        if (x->content == NK_ICE_DATA)
            continue;
        x->gone = true;
        for (size_t i = 0; i < c->lives.n && x->gone; i++) {
            const nk_ice_live *f = &c->lives.v[i];
            if (f->content == NK_ICE_DATA && !f->gone && applies(c, x, f))
                x->gone = false;
        }
    }
}

/* Files from before the table had row ids get theirs with the next snapshot. */
static void give_row_ids(compactor *c, const nk_ice_manifest *m, nk_ocf *listed, int64_t rows)
{
    if (c->format < 3 || m->content != NK_ICE_DATA || m->first_row >= 0)
        return;
    nk_ocf_set_i64(listed, "first_row_id", c->next_row);
    c->next_row += rows;
}

static nk_code rewrite_manifest(compactor *c, size_t m, nk_ocf_file *list)
{
    const nk_ice_manifest *x = &c->manifests.v[m];
    nk_ocf_file f = {.meta = x->file.meta, .type = x->file.type};
    counts n = {.min_seq = INT64_MAX};
    bool touched = false;
    nk_str path;
    int64_t bytes;
    for (size_t i = 0; i < c->lives.n; i++) {
        const nk_ice_live *l = &c->lives.v[i];
        if (l->manifest != m)
            continue;
        touched = touched || l->gone;
        NK_TRY(put_existing(c, &f, l, l->gone ? 2 : 0));
        count(&n, l->gone ? 2 : 0, l);
    }
    if (!touched) {
        nk_ocf *r = nk_ocf_records_add(&list->records, c->t->a);
        if (!r || nk_ocf_copy(x->record, c->t->a, r) != NK_OK)
            return nomem(c->t->err);
        give_row_ids(c, x, r, n.rows[0]);
        return NK_OK;
    }
    if (n.min_seq == INT64_MAX)
        n.min_seq = c->seq;
    NK_TRY(nk_ice_new_path(c->t, "", "-m0.avro", &path));
    NK_TRY(store_avro(c, &f, path, &bytes));
    NK_TRY(put_listed(c, list, x->record, path, bytes, &n));
    give_row_ids(c, x, &list->records.v[list->records.n - 1], n.rows[0]);
    return NK_OK;
}

static nk_code put_bounds(compactor *c, nk_ocf *file, const bin *b)
{
    const nk_ocf **files = NK_NEWN(c->t->a, const nk_ocf *, b->n);
    int64_t rows = 0;
    if (!files)
        return nomem(c->t->err);
    for (size_t i = 0; i < b->n; i++) {
        files[i] = c->lives.v[c->members.v[b->first + i]].file;
        rows += c->lives.v[c->members.v[b->first + i]].rows;
    }
    return nk_ice_merge_bounds(c->t->a, nk_ice_current_schema(c->t->root), files, b->n,
                               rows == b->rows, file, c->t->err);
}

static nk_code put_added(compactor *c, nk_ocf_file *out, const bin *b)
{
    static const char *const unknown[] = {"column_sizes", "split_offsets", "key_metadata",
                                          "first_row_id", "sort_order_id"};
    nk_ocf *e = nk_ocf_records_add(&out->records, c->t->a);
    if (!e || nk_ocf_copy(c->lives.v[c->members.v[b->first]].entry, c->t->a, e) != NK_OK)
        return nomem(c->t->err);
    nk_ocf *file = nk_ocf_get(e, "data_file");
    nk_ocf_set_i64(e, "status", 1);
    nk_ocf_set_i64(e, "snapshot_id", c->new_id);
    nk_ocf_set_null(e, "sequence_number");
    nk_ocf_set_null(e, "file_sequence_number");
    nk_ocf_set_str(file, "file_path", b->path);
    nk_ocf_set_str(file, "file_format", NK_STR("PARQUET"));
    nk_ocf_set_i64(file, "record_count", b->rows);
    nk_ocf_set_i64(file, "file_size_in_bytes", b->size);
    for (size_t i = 0; i < NK_COUNTOF(unknown); i++)
        nk_ocf_set_null(file, unknown[i]);
    NK_TRY(put_bounds(c, file, b));
    if (nk_str_is(c->strategy, "sort"))
        nk_ocf_set_i64(file, "sort_order_id", nk_json_i64(c->t->root, "default-sort-order-id", 0));
    return NK_OK;
}

/* One manifest of new files a spec. */
static nk_code add_manifests(compactor *c, nk_ocf_file *list)
{
    NK_ICE_EACH(spec, nk_ice_array(c->t->root, "partition-specs"))
    {
        int64_t id = nk_json_i64(spec, "spec-id", 0), bytes;
        const nk_ice_manifest *like = NULL;
        nk_ocf_file f = {0};
        counts n = {.min_seq = c->seq};
        nk_str path;
        for (size_t i = 0; i < c->bins.n; i++) {
            const bin *b = &c->bins.v[i];
            const nk_ice_manifest *own =
                &c->manifests.v[c->lives.v[c->members.v[b->first]].manifest];
            if (b->spec != id || !b->path.p)
                continue;
            if (!like)
                f = (nk_ocf_file){.meta = own->file.meta, .type = own->file.type};
            like = like ? like : own;
            NK_TRY(put_added(c, &f, b));
            n.files[1]++;
            n.rows[1] += b->rows;
        }
        if (!like)
            continue;
        NK_TRY(nk_ice_new_path(c->t, "", "-m1.avro", &path));
        NK_TRY(store_avro(c, &f, path, &bytes));
        NK_TRY(put_listed(c, list, like->record, path, bytes, &n));
        nk_ocf *listed = &list->records.v[list->records.n - 1];
        nk_ocf_set_null(listed, "partitions");
        if (c->format >= 3)
            nk_ocf_set_i64(listed, "first_row_id", c->next_row);
        c->next_row += n.rows[1];
    }
    return NK_OK;
}

static void put_count(nk_ice_task *t, nk_json *summary, const char *key, int64_t v)
{
    nk_ice_kstr(&t->t, summary, key, nk_str_printf(t->a, "%lld", (long long)v));
}

static nk_json *summarize(compactor *c)
{
    nk_ice_task *t = c->t;
    nk_json *s = nk_ice_new(&t->t, NK_JSON_OBJECT);
    int64_t added = 0, added_rows = 0, added_bytes = 0, deleted_rows = 0, dropped_deletes = 0,
            total[3] = {0}, rows = 0, bytes = 0;
    for (size_t i = 0; i < c->bins.n; i++) {
        added += c->bins.v[i].path.p != NULL;
        added_rows += c->bins.v[i].rows;
        added_bytes += c->bins.v[i].size;
    }
    for (size_t i = 0; i < c->lives.n; i++) {
        const nk_ice_live *l = &c->lives.v[i];
        bool data = l->content == NK_ICE_DATA;
        dropped_deletes += l->gone && !data;
        deleted_rows += l->gone && data ? l->rows : 0;
        if (l->gone)
            continue;
        total[l->content % 3]++;
        rows += data ? l->rows : 0;
        bytes += l->bytes;
    }
    nk_ice_kstr(&t->t, s, "operation", NK_STR("replace"));
    put_count(t, s, "added-data-files", added);
    put_count(t, s, "deleted-data-files", t->files);
    put_count(t, s, "added-records", added_rows);
    put_count(t, s, "deleted-records", deleted_rows);
    put_count(t, s, "added-files-size", added_bytes);
    put_count(t, s, "removed-files-size", t->bytes);
    if (dropped_deletes)
        put_count(t, s, "removed-delete-files", dropped_deletes);
    put_count(t, s, "total-data-files", total[0] + added);
    put_count(t, s, "total-delete-files", total[1] + total[2]);
    put_count(t, s, "total-records", rows + added_rows);
    put_count(t, s, "total-files-size", bytes + added_bytes);
    return s;
}

static nk_code commit(compactor *c)
{
    nk_ice_task *t = c->t;
    nk_ocf_file list = {.type = c->list.type};
    nk_str path;
    int64_t bytes, parent = nk_json_i64(c->snapshot, "snapshot-id", 0);
    nk_json *snapshot = nk_ice_new(&t->t, NK_JSON_OBJECT), *u = nk_ice_new(&t->t, NK_JSON_OBJECT),
            *ref = nk_ice_new(&t->t, NK_JSON_OBJECT);
    for (size_t i = 0; i < c->list.meta.n; i++)
        if (nk_ocf_header(&list, t->a,
                          c->list.meta.v[i].key.p ? nk_str_dup(t->a, c->list.meta.v[i].key).p : "",
                          c->list.meta.v[i].value) != NK_OK)
            return nomem(t->err);
    if (nk_ocf_header(&list, t->a, "snapshot-id",
                      nk_str_printf(t->a, "%lld", (long long)c->new_id)) != NK_OK ||
        nk_ocf_header(&list, t->a, "parent-snapshot-id",
                      nk_str_printf(t->a, "%lld", (long long)parent)) != NK_OK ||
        nk_ocf_header(&list, t->a, "sequence-number",
                      nk_str_printf(t->a, "%lld", (long long)c->seq)) != NK_OK)
        return nomem(t->err);
    NK_TRY(add_manifests(c, &list));
    for (size_t m = 0; m < c->manifests.n; m++)
        NK_TRY(rewrite_manifest(c, m, &list));
    char prefix[48];
    snprintf(prefix, sizeof prefix, "snap-%lld-1-", (long long)c->new_id);
    NK_TRY(nk_ice_new_path(t, prefix, ".avro", &path));
    NK_TRY(store_avro(c, &list, path, &bytes));
    nk_ice_knum(&t->t, snapshot, "snapshot-id", c->new_id);
    nk_ice_knum(&t->t, snapshot, "parent-snapshot-id", parent);
    if (c->format > 1)
        nk_ice_knum(&t->t, snapshot, "sequence-number", c->seq);
    if (c->format > 2) {
        nk_ice_knum(&t->t, snapshot, "first-row-id", c->first_row);
        nk_ice_knum(&t->t, snapshot, "added-rows", c->next_row - c->first_row);
    }
    nk_ice_knum(&t->t, snapshot, "timestamp-ms", t->now_ms);
    nk_ice_kstr(&t->t, snapshot, "manifest-list", path);
    nk_ice_set(&t->t, snapshot, NK_STR("summary"), summarize(c));
    nk_ice_knum(&t->t, snapshot, "schema-id", nk_json_i64(t->root, "current-schema-id", 0));
    nk_ice_kstr(&t->t, u, "action", NK_STR("add-snapshot"));
    nk_ice_set(&t->t, u, NK_STR("snapshot"), snapshot);
    nk_ice_add(&t->t, t->updates, u);
    nk_ice_kstr(&t->t, ref, "action", NK_STR("set-snapshot-ref"));
    nk_ice_kstr(&t->t, ref, "ref-name", NK_STR("main"));
    nk_ice_kstr(&t->t, ref, "type", NK_STR("branch"));
    nk_ice_knum(&t->t, ref, "snapshot-id", c->new_id);
    nk_ice_add(&t->t, t->updates, ref);
    return t->t.failed ? nomem(t->err) : NK_OK;
}

/* ---- the whole ---- */

static nk_code open_engine(compactor *c)
{
    const nk_json *r = c->t->request;
    nk_arena *a = c->t->a;
    nk_engine_options o = {
        .threads = 1,
        .s3_endpoint = nk_str_dup(a, nk_json_str(r, "s3_endpoint")).p,
        .s3_region = nk_str_dup(a, nk_json_str(r, "region")).p,
        .s3_access_key = nk_str_dup(a, nk_json_str(r, "access_key")).p,
        .s3_secret_key = nk_str_dup(a, nk_json_str(r, "secret_key")).p,
        .temp_dir = ".",
    };
    NK_TRY(nk_engine_open(&o, &c->engine, c->t->err));
    NK_TRY(nk_engine_extension(c->engine, "avro", c->t->err));
    return nk_engine_extension(c->engine, "iceberg", c->t->err);
}

static nk_code read_all(compactor *c)
{
    NK_TRY(nk_ice_read_list(c->t, c->snapshot, &c->list, &c->manifests));
    if (!c->list.type && c->manifests.n)
        return nk_fail(c->t->err, NK_E_UNSUPPORTED,
                       "the table's snapshot has no manifest list; rewrite it with its own writer");
    for (size_t i = 0; i < c->manifests.n; i++)
        NK_TRY(nk_ice_read_manifest(c->t, &c->manifests.v[i], i, &c->lives));
    for (size_t i = 0; i < c->lives.n; i++) {
        nk_str format = nk_ocf_str(c->lives.v[i].file, "file_format");
        if (c->lives.v[i].content == NK_ICE_DATA && !nk_str_ieq(format, NK_STR("PARQUET")))
            return nk_fail(c->t->err, NK_E_UNSUPPORTED,
                           "%.*s is a file of format %.*s; compaction reads Parquet",
                           NK_STR_ARG(c->lives.v[i].path), NK_STR_ARG(format));
    }
    return NK_OK;
}

/* What row ids need to be kept. */
static nk_code check_lineage(compactor *c)
{
    if (c->format < 3)
        return NK_OK;
    if (c->list.records.n && !nk_ocf_get(&c->list.records.v[0], "first_row_id"))
        return nk_fail(c->t->err, NK_E_UNSUPPORTED,
                       "the table has been made one of format version 3 and nothing was written "
                       "since: its rows have no ids yet");
    for (size_t i = 0; i < c->lives.n; i++)
        if (c->lives.v[i].first_row >= 0 && !nk_ocf_get(c->lives.v[i].file, "first_row_id"))
            return nk_fail(c->t->err, NK_E_UNSUPPORTED,
                           "manifest %.*s is from before the table had row ids, and has no place "
                           "for them: let its writer rewrite the manifests",
                           NK_STR_ARG(c->manifests.v[c->lives.v[i].manifest].path));
    NK_ICE_EACH(f, nk_ice_array(nk_ice_current_schema(c->t->root), "fields"))
    {
        nk_str name = nk_json_str(f, "name");
        if (nk_str_ieq(name, NK_STR("_row_id")) ||
            nk_str_ieq(name, NK_STR("_last_updated_sequence_number")))
            return nk_fail(c->t->err, NK_E_UNSUPPORTED, "column %.*s has the name of a row's id",
                           NK_STR_ARG(name));
    }
    return NK_OK;
}

static nk_code compact(compactor *c)
{
    NK_TRY(read_all(c));
    NK_TRY(check_lineage(c));
    NK_TRY(check_strategy(c));
    NK_TRY(choose(c));
    if (!c->bins.n)
        return NK_OK;
    NK_TRY(open_engine(c));
    for (size_t i = 0; i < c->bins.n; i++)
        NK_TRY(write_bin(c, &c->bins.v[i]));
    drop_spent_deletes(c);
    NK_TRY(commit(c));
    return nk_ice_tell(c->t, "delete", "temporary", c->temporary.v, c->temporary.n);
}

static int64_t target_size(const nk_ice_task *t)
{
    int64_t v;
    nk_str text = nk_json_str(nk_ice_object(t->root, "properties"), "write.target-file-size-bytes");
    return text.p && nk_str_i64(text, &v) && v > 0 ? v : (int64_t)512 << 20;
}

nk_code nk_ice_compact(nk_ice_task *t)
{
    compactor c = {.t = t,
                   .snapshot = nk_ice_current_snapshot(t->root),
                   .format = nk_json_i64(t->root, "format-version", 2),
                   .target = target_size(t)};
    if (!c.snapshot)
        return NK_OK;
    c.first_row = c.next_row = nk_json_i64(t->root, "next-row-id", 0);
    c.strategy = nk_json_str(t->config, "strategy");
    c.strategy = c.strategy.p ? c.strategy : NK_STR("binpack");
    c.min_files = config(&c, "minInputFiles", 100);
    c.delete_threshold = config(&c, "deleteFileThreshold", 1);
    c.delete_threshold = c.delete_threshold < 1 ? 1 : c.delete_threshold;
    c.seq = c.format > 1 ? nk_json_i64(t->root, "last-sequence-number", 0) + 1 : 0;
    NK_TRY(nk_env_real()->random(nk_env_real()->arg, &c.new_id, sizeof c.new_id));
    c.new_id &= INT64_MAX;
    nk_code rc = compact(&c);
    nk_engine_close(c.engine);
    return rc;
}
