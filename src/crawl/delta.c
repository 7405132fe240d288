#include "crawl/delta.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/map.h"
#include "lake/hive.h"
#include "net/sigv4.h"

#define TYPE_DEPTH 64

static nk_code wrong(nk_err *err, const char *what)
{
    return nk_fail(err, NK_E_PARSE, "Delta log: %s", what);
}

static nk_code no_memory(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "Out of memory reading a Delta log");
}

/* ---- the log's files ---- */

void nk_delta_log_init(nk_delta_log *l)
{
    *l = (nk_delta_log){.newest = -1};
}

/* A number of just so many digits, cut off the front. */
static bool digits(nk_str *s, size_t n, int64_t *out)
{
    if (s->n < n || !nk_str_i64(nk_str_sub(*s, 0, n), out) || *out < 0)
        return false;
    *s = nk_str_sub(*s, n, s->n);
    return true;
}

static bool word(nk_str *s, const char *w)
{
    if (!nk_str_starts(*s, nk_str_c(w)))
        return false;
    *s = nk_str_sub(*s, strlen(w), s->n);
    return true;
}

static bool is_uuid(nk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (dash ? c != '-' : !hex)
            return false;
    }
    return s.n == 36;
}

static bool checkpoint_name(nk_str rest, nk_delta_log_file *f)
{
    if (nk_str_is(rest, "parquet"))
        return true;
    if (rest.n > 37 && rest.p[36] == '.')
        return is_uuid(nk_str_sub(rest, 0, 36)) &&
               (nk_str_is(nk_str_sub(rest, 37, rest.n), "json") ||
                nk_str_is(nk_str_sub(rest, 37, rest.n), "parquet"));
    return digits(&rest, 10, &f->part) && word(&rest, ".") && digits(&rest, 10, &f->parts) &&
           nk_str_is(rest, ".parquet") && f->part >= 1 && f->part <= f->parts;
}

nk_code nk_delta_log_add(nk_delta_log *l, nk_arena *a, const nk_delta_log_file *file, nk_err *err)
{
    nk_delta_log_file f = *file, *slot;
    nk_str rest = f.name;
    nk_delta_log_files *to;
    f.part = f.parts = 0;
    if (!digits(&rest, 20, &f.version) || !word(&rest, "."))
        return NK_OK;
    f.to = f.version;
    if (nk_str_is(rest, "json"))
        to = &l->commits;
    else if (word(&rest, "checkpoint."))
        to = checkpoint_name(rest, &f) ? &l->checkpoints : NULL;
    else
        to = digits(&rest, 20, &f.to) && nk_str_is(rest, ".compacted.json") && f.to > f.version
                 ? &l->compactions
                 : NULL;
    if (!to)
        return NK_OK;
    slot = nk_delta_log_files_add(to, a);
    if (!slot || !(f.name = nk_str_dup(a, f.name)).p)
        return no_memory(err);
    *slot = f;
    l->newest = f.to > l->newest ? f.to : l->newest;
    l->sorted = false;
    return NK_OK;
}

static int order(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* Upwards; of compactions that begin at one version the longest first. */
static int by_version(const void *x, const void *y)
{
    const nk_delta_log_file *a = x, *b = y;
    int c = order(a->version, b->version);
    return c ? c : order(b->to, a->to);
}

/* Downwards; the files of one checkpoint stand together, in their order. */
static int by_checkpoint(const void *x, const void *y)
{
    const nk_delta_log_file *a = x, *b = y;
    int c = order(b->version, a->version);
    c = c ? c : order(a->parts, b->parts);
    c = c ? c : order(a->part, b->part);
    return c ? c : nk_str_cmp(a->name, b->name);
}

static void sort(nk_delta_log *l)
{
    if (l->sorted)
        return;
    l->sorted = true;
    if (l->commits.n)
        qsort(l->commits.v, l->commits.n, sizeof *l->commits.v, by_version);
    if (l->compactions.n)
        qsort(l->compactions.v, l->compactions.n, sizeof *l->compactions.v, by_version);
    if (l->checkpoints.n)
        qsort(l->checkpoints.v, l->checkpoints.n, sizeof *l->checkpoints.v, by_checkpoint);
}

bool nk_delta_log_checkpoint(nk_delta_log *l, size_t *at, const nk_delta_log_file **first,
                             size_t *n)
{
    sort(l);
    while (*at < l->checkpoints.n) {
        const nk_delta_log_file *f = &l->checkpoints.v[*at];
        size_t run = 1, left = l->checkpoints.n - *at;
        while (f->parts && run < left && f[run].version == f->version && f[run].parts == f->parts)
            run++;
        *at += run;
        if (!f->parts || run == (uint64_t)f->parts) {
            *first = f;
            *n = run;
            return true;
        }
    }
    return false;
}

/* The first of a sorted list whose version is not below. */
static const nk_delta_log_file *find(const nk_delta_log_files *l, int64_t version)
{
    size_t lo = 0, hi = l->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (l->v[mid].version < version)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < l->n && l->v[lo].version == version ? &l->v[lo] : NULL;
}

nk_code nk_delta_log_step(nk_delta_log *l, int64_t version, const nk_delta_log_file **out,
                          nk_err *err)
{
    sort(l);
    *out = NULL;
    if (version >= l->newest)
        return NK_OK;
    *out = find(&l->compactions, version + 1);
    if (!*out)
        *out = find(&l->commits, version + 1);
    return *out ? NK_OK
                : nk_fail(err, NK_E_PARSE,
                          "Delta log: version %lld is not there, though the newest is %lld",
                          (long long)version + 1, (long long)l->newest);
}

/* ---- actions ---- */

/* Reader features that say nothing on which files are of the table, or that are heeded. */
static const char *const known_features[] = {
    "columnMapping",
    "deletionVectors",
    "timestampNtz",
    "typeWidening",
    "typeWidening-preview",
    "v2Checkpoint",
    "vacuumProtocolCheck",
    "variantType",
    "variantType-preview",
    "variantShredding",
    "variantShredding-preview",
};

void nk_delta_init(nk_delta *d, nk_arena *a, bool want_files)
{
    *d = (nk_delta){.a = a, .want_files = want_files};
    nk_map_init(&d->files);
}

void nk_delta_free(nk_delta *d)
{
    nk_map_free(&d->files);
}

static nk_code keep(nk_delta *d, nk_strs *list, nk_str s, nk_err *err)
{
    nk_str *slot = nk_strs_add(list, d->a);
    return slot && (*slot = nk_str_dup(d->a, s)).p ? NK_OK : no_memory(err);
}

static nk_code on_metadata(nk_delta *d, const nk_json *m, nk_err *err)
{
    const nk_json *keys = nk_json_get(m, "partitionColumns");
    nk_str mode = nk_json_str(nk_json_get(m, "configuration"), "delta.columnMapping.mode");
    nk_str schema = nk_json_str(m, "schemaString");
    if (!schema.n)
        return wrong(err, "metadata without a schema");
    if (!nk_str_eq(schema, d->schema) && !(d->schema = nk_str_dup(d->a, schema)).p)
        return no_memory(err);
    d->mapped = mode.n && !nk_str_ieq(mode, NK_STR("none"));
    d->keys.n = 0;
    for (const nk_json *k = keys ? keys->first : NULL; k; k = k->next)
        NK_TRY(keep(d, &d->keys, k->text, err));
    return NK_OK;
}

static nk_code on_protocol(nk_delta *d, const nk_json *p, nk_err *err)
{
    const nk_json *features = nk_json_get(p, "readerFeatures");
    int64_t version = nk_json_i64(p, "minReaderVersion", 1);
    d->not_known = NK_STR_NULL;
    if (version > 3)
        return nk_fail(err, NK_E_PARSE, "Delta log: readers of version %lld are wanted, 3 is known",
                       (long long)version);
    for (const nk_json *f = features ? features->first : NULL; f; f = f->next) {
        bool known = false;
        for (size_t i = 0; i < NK_COUNTOF(known_features); i++)
            known = known || nk_str_is(f->text, known_features[i]);
        if (!known && !(d->not_known = nk_str_dup(d->a, f->text)).p)
            return no_memory(err);
    }
    return NK_OK;
}

/* A file is known by its path and by what is deleted in it: one commit may remove the file without
 * and add it with deletions, in any order. */
static nk_str identity(const nk_json *file, nk_arena *a)
{
    const nk_json *dv = nk_json_get(file, "deletionVector");
    nk_str path = nk_json_str(file, "path");
    if (nk_json_is_null(dv))
        return nk_str_dup(a, path);
    return nk_str_printf(
        a, "%.*s\n%.*s%.*s@%lld", NK_STR_ARG(path), NK_STR_ARG(nk_json_str(dv, "storageType")),
        NK_STR_ARG(nk_json_str(dv, "pathOrInlineDv")), (long long)nk_json_i64(dv, "offset", 0));
}

static nk_code on_add(nk_delta *d, const nk_json *add, nk_err *err)
{
    nk_str path = nk_json_str(add, "path");
    const nk_json *values = nk_json_get(add, "partitionValues");
    if (!path.n)
        return wrong(err, "a file without a path");
    nk_str key = identity(add, d->a);
    nk_delta_file *f = NK_NEW(d->a, nk_delta_file);
    if (!key.p || !f)
        return no_memory(err);
    f->deletions = !nk_json_is_null(nk_json_get(add, "deletionVector"));
    f->path = nk_str_sub(key, 0, path.n);
    if (values && values->count) {
        nk_buf b;
        nk_buf_init(&b, (size_t)1 << 20);
        nk_json_writer w = {.buf = &b};
        nk_jw_tree(&w, values);
        nk_code rc = nk_buf_check(&b, err);
        f->values = nk_buf_dup(&b, d->a);
        nk_buf_free(&b);
        NK_TRY(rc);
        if (!f->values.p)
            return no_memory(err);
    }
    return nk_map_put(&d->files, key, f, NULL) == NK_OK ? NK_OK : no_memory(err);
}

static nk_code on_remove(nk_delta *d, const nk_json *gone, nk_arena *scratch, nk_err *err)
{
    nk_str key = identity(gone, scratch);
    if (!key.p)
        return no_memory(err);
    (void)nk_map_del(&d->files, key);
    return NK_OK;
}

static nk_code on_sidecar(nk_delta *d, const nk_json *s, nk_err *err)
{
    nk_str path = nk_json_str(s, "path");
    path = nk_uri_unescape(d->a, nk_str_sub(path, (size_t)(nk_str_rchr(path, '/') + 1), path.n),
                           false);
    if (!path.n)
        return path.p ? wrong(err, "a sidecar without a path") : no_memory(err);
    return keep(d, &d->sidecars, path, err);
}

nk_code nk_delta_action(nk_delta *d, nk_str line, nk_arena *scratch, nk_err *err)
{
    nk_json *j;
    nk_err bad = NK_ERR_INIT;
    if (!nk_str_trim(line).n)
        return NK_OK;
    nk_code rc = nk_json_parse(line, scratch, 0, &j, &bad);
    if (rc != NK_OK)
        return rc == NK_E_NOMEM ? no_memory(err) : wrong(err, bad.msg);
    const nk_json *m = nk_json_get(j, "metaData"), *p = nk_json_get(j, "protocol"),
                  *add = nk_json_get(j, "add"), *gone = nk_json_get(j, "remove"),
                  *side = nk_json_get(j, "sidecar"), *info = nk_json_get(j, "commitInfo");
    if (!nk_json_is_null(m))
        NK_TRY(on_metadata(d, m, err));
    if (!nk_json_is_null(p))
        NK_TRY(on_protocol(d, p, err));
    if (!nk_json_is_null(info))
        d->timestamp = nk_json_i64(info, "inCommitTimestamp", nk_json_i64(info, "timestamp", 0));
    if (!d->want_files)
        return NK_OK;
    if (!nk_json_is_null(gone))
        NK_TRY(on_remove(d, gone, scratch, err));
    if (!nk_json_is_null(add))
        NK_TRY(on_add(d, add, err));
    return nk_json_is_null(side) ? NK_OK : on_sidecar(d, side, err);
}

/* ---- types: Spark's JSON ---- */

static nk_code delta_type(nk_delta *d, nk_str column, const nk_json *j, int depth,
                          const nk_type **out, nk_err *err);

static nk_code struct_type(nk_delta *d, nk_str column, const nk_json *j, int depth,
                           const nk_type **out, nk_err *err)
{
    const nk_json *fields = nk_json_get(j, "fields");
    nk_field *f = NK_NEWN(d->a, nk_field, (fields ? fields->count : 0) + 1);
    size_t n = 0;
    if (!f)
        return no_memory(err);
    for (const nk_json *e = fields ? fields->first : NULL; e; e = e->next) {
        f[n].name = nk_json_str(e, "name");
        if (!f[n].name.n)
            return wrong(err, "a field without a name");
        NK_TRY(delta_type(d, depth ? column : f[n].name, nk_json_get(e, "type"), depth + 1,
                          &f[n].type, err));
        n++;
    }
    *out = nk_type_struct(d->a, f, n);
    return *out ? NK_OK : no_memory(err);
}

/* Hive's names, nearly. What the catalogue has no name for (variant, void, intervals, geometry) is
 * a string there; readers of the table go by its log. */
static nk_code scalar_type(nk_delta *d, nk_str column, nk_str name, const nk_type **out,
                           nk_err *err)
{
    nk_err bad = NK_ERR_INIT;
    nk_code rc = nk_type_parse(name, d->a, out, &bad);
    if (rc == NK_OK)
        return NK_OK;
    if (rc == NK_E_NOMEM)
        return no_memory(err);
    nk_str note = nk_str_printf(d->a, "%.*s is %.*s", (int)(column.n > 255 ? 255 : column.n),
                                column.p, (int)(name.n > 64 ? 64 : name.n), name.p);
    *out = nk_type_scalar(NK_T_STRING);
    return note.p ? keep(d, &d->odd_types, note, err) : no_memory(err);
}

static nk_code delta_type(nk_delta *d, nk_str column, const nk_json *j, int depth,
                          const nk_type **out, nk_err *err)
{
    const nk_type *k, *v;
    if (!j || depth > TYPE_DEPTH)
        return wrong(err, j ? "types nested too deep" : "a field without a type");
    if (j->kind == NK_JSON_STRING)
        return scalar_type(d, column, j->text, out, err);
    nk_str kind = nk_json_str(j, "type");
    if (nk_str_is(kind, "struct"))
        return struct_type(d, column, j, depth, out, err);
    if (nk_str_is(kind, "udt"))
        return delta_type(d, column, nk_json_get(j, "sqlType"), depth + 1, out, err);
    if (nk_str_is(kind, "array")) {
        NK_TRY(delta_type(d, column, nk_json_get(j, "elementType"), depth + 1, &v, err));
        *out = nk_type_array(d->a, v);
    } else if (nk_str_is(kind, "map")) {
        NK_TRY(delta_type(d, column, nk_json_get(j, "keyType"), depth + 1, &k, err));
        NK_TRY(delta_type(d, column, nk_json_get(j, "valueType"), depth + 1, &v, err));
        *out = nk_type_map(d->a, k, v);
    } else {
        return wrong(err, "a type that is not known");
    }
    return *out ? NK_OK : no_memory(err);
}

nk_code nk_delta_settle(nk_delta *d, nk_err *err)
{
    nk_json *schema;
    nk_err bad = NK_ERR_INIT;
    if (!d->schema.p)
        return wrong(err, "no version of it says what the table's columns are");
    nk_code rc = nk_json_parse(d->schema, d->a, 255, &schema, &bad);
    if (rc != NK_OK)
        return rc == NK_E_NOMEM ? no_memory(err) : wrong(err, bad.msg);
    if (!nk_str_is(nk_json_str(schema, "type"), "struct"))
        return wrong(err, "the schema is no struct");
    return struct_type(d, NK_STR(""), schema, 0, &d->type, err);
}

/* ---- files ---- */

nk_code nk_delta_uri(nk_str path, nk_str bucket, nk_str folder, nk_arena *a, nk_str *out,
                     nk_err *err)
{
    nk_str plain = nk_uri_unescape(a, path, false);
    ptrdiff_t scheme = nk_str_find(path, NK_STR("://"));
    if (!plain.p)
        return no_memory(err);
    if (nk_str_chr(plain, '\n') >= 0 || nk_str_chr(plain, '\r') >= 0)
        return wrong(err, "a file's name holds a line's end: no manifest can name it");
    if (scheme > 0 && nk_str_starts(path, NK_STR("s3")))
        *out = nk_str_printf(a, "s3%.*s", NK_STR_ARG(nk_str_sub(plain, (size_t)scheme, plain.n)));
    else if (scheme > 0)
        *out = plain;
    else if (nk_str_starts(plain, NK_STR("/")))
        *out = nk_str_printf(a, "s3://%.*s%.*s", NK_STR_ARG(bucket), NK_STR_ARG(plain));
    else
        *out = nk_str_printf(a, "s3://%.*s/%.*s%.*s", NK_STR_ARG(bucket), NK_STR_ARG(folder),
                             NK_STR_ARG(plain));
    return out->p ? NK_OK : no_memory(err);
}

nk_code nk_delta_partition(const nk_delta *d, const nk_delta_file *f, nk_arena *a, nk_str *values,
                           nk_str *path, nk_err *err)
{
    nk_json *given = NULL;
    nk_buf b;
    if (f->values.p)
        NK_TRY(nk_json_parse(f->values, a, 0, &given, err));
    nk_buf_init(&b, 64 << 10);
    for (size_t i = 0; i < d->keys.n; i++) {
        const nk_json *v = nk_json_getn(given, d->keys.v[i]);
        bool null = nk_json_is_null(v) || !v->text.n;
        values[i] = null ? NK_STR_NULL : v->text;
        (void)nk_hive_escape(&b, d->keys.v[i]);
        (void)nk_buf_putc(&b, '=');
        if (null)
            (void)nk_buf_str(&b, NK_HIVE_NULL);
        else
            (void)nk_hive_escape(&b, values[i]);
        (void)nk_buf_putc(&b, '/');
    }
    nk_code rc = nk_buf_check(&b, err);
    *path = nk_buf_dup(&b, a);
    nk_buf_free(&b);
    return rc == NK_OK && !path->p ? no_memory(err) : rc;
}
