/* Subjects, their versions and numbers, as a Confluent door sees them. */
#include <stdio.h>
#include <stdlib.h>

#include "registry/registry_int.h"
#include "registry/subjects.h"

nk_code nk_cf_fail(nk_err *err, nk_cf_error code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    nk_code rc = nk_vfail(err,
                          code == NK_CF_INCOMPATIBLE ? NK_E_CONDITION
                          : code / 100 == 404        ? NK_E_NOT_FOUND
                                                     : NK_E_INVALID,
                          fmt, ap);
    va_end(ap);
    if (err)
        snprintf(err->aws, sizeof err->aws, "%d", (int)code);
    return rc;
}

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

/* ---- names ---- */

static bool name_ok(nk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == 0x7f)
            return false;
    }
    return s.n && s.n <= 255 && nk_utf8_valid(s);
}

nk_code nk_subject_parse(const nk_reg_ctx *ctx, nk_str text, nk_subject *out, nk_err *err)
{
    *out = (nk_subject){NK_DEFAULT_REGISTRY, text};
    if (nk_str_starts(text, NK_STR(":."))) {
        nk_str rest = nk_str_sub(text, 2, text.n);
        ptrdiff_t colon = nk_str_chr(rest, ':');
        if (colon < 0)
            return nk_cf_fail(err, NK_CF_INVALID_SUBJECT,
                              "The specified subject '%.*s' is not a "
                              "valid: a context ends with ':'.",
                              NK_STR_ARG(text));
        nk_str context = nk_str_sub(rest, 0, (size_t)colon);
        if (context.n)
            out->registry = context;
        out->name = nk_str_sub(rest, (size_t)colon + 1, rest.n);
    }
    if (!name_ok(out->name) || !name_ok(out->registry))
        return nk_cf_fail(err, NK_CF_INVALID_SUBJECT,
                          "The specified subject '%.*s' is not a valid subject name: 1 to 255 "
                          "bytes without control characters",
                          NK_STR_ARG(text));
    return NK_OK;
}

nk_str nk_subject_text(const nk_reg_ctx *ctx, nk_str registry, nk_str name)
{
    if (nk_str_eq(registry, NK_DEFAULT_REGISTRY))
        return name;
    return nk_str_printf(ctx->arena, ":.%.*s:%.*s", NK_STR_ARG(registry), NK_STR_ARG(name));
}

nk_code nk_subject_version_parse(nk_str text, int64_t *out, nk_err *err)
{
    *out = 0;
    if (nk_str_is(text, "latest") || nk_str_is(text, "-1"))
        return NK_OK;
    if (nk_str_i64(text, out) && *out >= 1 && *out <= INT32_MAX)
        return NK_OK;
    return nk_cf_fail(err, NK_CF_INVALID_VERSION,
                      "The specified version '%.*s' is not a valid version id. Allowed values are "
                      "between [1, 2^31-1] and the string \"latest\"",
                      NK_STR_ARG(text));
}

/* ---- lists ---- */

static bool add_i64(nk_i64s *l, nk_arena *a, int64_t value)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 16;
        int64_t *v = NK_NEWN(a, int64_t, cap);
        if (!v)
            return false;
        if (l->n)
            memcpy(v, l->v, l->n * sizeof(*v));
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = value;
    return true;
}

typedef struct walker {
    nk_tx *tx;
    const nk_reg_ctx *ctx;
    nk_shown shown;
    nk_str prefix;
    int64_t skip[64]; /* registries being deleted */
    size_t n_skip;
    nk_strs *names;
    nk_i64s *numbers;
    nk_subject_versions *versions;
    bool first;
    nk_code rc;
    nk_err *err;
} walker;

/* Failed versions never are: this door has refused them, or does not know of them. */
static bool is_shown(const nk_row *row, nk_shown shown)
{
    int64_t state = row->cols[NK_VER_STATE].i;
    return state == NK_VERSION_DELETED ? shown != NK_LIVE
                                       : state == NK_VERSION_AVAILABLE && shown != NK_ONLY_DELETED;
}

static bool take_number(void *arg, const nk_row *row)
{
    walker *w = arg;
    if (!is_shown(row, w->shown))
        return true;
    if (!add_i64(w->numbers, w->ctx->arena, row->cols[NK_VER_VERSION].i))
        w->rc = nomem(w->err);
    return w->rc == NK_OK && !w->first;
}

static nk_code numbers_of(nk_tx *tx, const nk_reg_ctx *ctx, int64_t schema, nk_shown shown,
                          bool first, nk_i64s *out, nk_err *err)
{
    walker w = {.ctx = ctx, .shown = shown, .numbers = out, .first = first, .err = err};
    nk_query q = {.kind = &nk_kind_schema_version,
                  .prefix = NK_KEY(nk_vi(schema)),
                  .nprefix = 1,
                  .no_body = true};
    *out = (nk_i64s){0};
    NK_TRY(nk_store_scan(tx, &q, take_number, &w, err));
    return w.rc;
}

static bool take_deleting(void *arg, const nk_row *row)
{
    walker *w = arg;
    w->skip[w->n_skip++] = row->cols[NK_REG_ID].i;
    return w->n_skip < NK_COUNTOF(w->skip);
}

static bool take_subject(void *arg, const nk_row *row)
{
    walker *w = arg;
    const nk_val *c = row->cols;
    nk_i64s any;
    if (c[NK_SCH_DELETING].kind == NK_V_I64 || !nk_str_starts(c[NK_SCH_NAME].s, w->prefix))
        return true;
    for (size_t i = 0; i < w->n_skip; i++)
        if (w->skip[i] == c[NK_SCH_REGISTRY].i)
            return true;
    bool live = c[NK_SCH_LATEST].i > 0;
    if (w->shown == NK_LIVE ? !live : w->shown == NK_ONLY_DELETED && live)
        return true;
    if (!live) { /* gone softly, or never had a version */
        w->rc = numbers_of(w->tx, w->ctx, c[NK_SCH_ID].i, NK_WITH_DELETED, true, &any, w->err);
        if (w->rc != NK_OK || !any.n)
            return w->rc == NK_OK;
    }
    nk_str *name = nk_strs_add(w->names, w->ctx->arena);
    if (name)
        *name = nk_str_dup(w->ctx->arena,
                           nk_subject_text(w->ctx, c[NK_SCH_REGISTRY_NAME].s, c[NK_SCH_NAME].s));
    if (!name || !name->p)
        w->rc = nomem(w->err);
    return w->rc == NK_OK;
}

nk_code nk_subjects_list(nk_tx *tx, const nk_reg_ctx *ctx, nk_str registry, nk_str prefix,
                         nk_shown shown, nk_strs *out, nk_err *err)
{
    walker w = {.tx = tx, .ctx = ctx, .shown = shown, .prefix = prefix, .names = out, .err = err};
    nk_query deleting = {.kind = &nk_kind_registry,
                         .index = &nk_kind_registry.indexes[0],
                         .prefix = NK_KEY(nk_vi(1)),
                         .nprefix = 1,
                         .no_body = true};
    nk_val key[2] = {nk_vs(ctx->region)};
    nk_query q = {.kind = &nk_kind_schema,
                  .index = &nk_kind_schema.indexes[1],
                  .prefix = key,
                  .nprefix = 1,
                  .no_body = true};
    *out = (nk_strs){0};
    if (registry.p) {
        nk_registry_row r;
        nk_code rc = nk_registry_load(tx, ctx, registry, &r, err);
        if (rc == NK_E_NOT_FOUND)
            return NK_OK;
        NK_TRY(rc);
        key[1] = nk_vi(r.id);
        q.nprefix = 2;
    }
    NK_TRY(nk_store_scan(tx, &deleting, take_deleting, &w, err));
    NK_TRY(nk_store_scan(tx, &q, take_subject, &w, err));
    return w.rc;
}

static nk_code no_subject(nk_err *err, const nk_subject *s)
{
    return nk_cf_fail(err, NK_CF_SUBJECT_NOT_FOUND, "Subject '%.*s' not found.",
                      NK_STR_ARG(s->name));
}

nk_code nk_subject_load(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, nk_shown shown,
                        nk_schema_row *out, nk_err *err)
{
    nk_i64s any;
    nk_code rc = nk_schema_load(tx, ctx, s->registry, s->name, out, err);
    if (rc == NK_E_NOT_FOUND)
        return no_subject(err, s);
    NK_TRY(rc);
    if (out->latest)
        return NK_OK;
    NK_TRY(numbers_of(tx, ctx, out->id, shown, true, &any, err));
    return any.n ? NK_OK : no_subject(err, s);
}

nk_code nk_subject_numbers(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, nk_shown shown,
                           nk_i64s *out, nk_err *err)
{
    nk_schema_row row;
    NK_TRY(nk_subject_load(tx, ctx, s, shown == NK_LIVE ? NK_LIVE : NK_WITH_DELETED, &row, err));
    NK_TRY(numbers_of(tx, ctx, row.id, shown, false, out, err));
    return out->n || shown == NK_ONLY_DELETED ? NK_OK : no_subject(err, s);
}

nk_code nk_subject_get(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, int64_t version,
                       bool deleted, nk_subject_version *out, nk_err *err)
{
    nk_i64s all;
    NK_TRY(nk_subject_load(tx, ctx, s, deleted ? NK_WITH_DELETED : NK_LIVE, &out->schema, err));
    if (!version && !out->schema.latest) {
        NK_TRY(numbers_of(tx, ctx, out->schema.id, NK_WITH_DELETED, false, &all, err));
        version = all.n ? all.v[all.n - 1] : 0;
    }
    nk_code rc = nk_version_load(tx, ctx, &out->schema, version,
                                 deleted ? NK_FIND_DELETED : NK_FIND_LIVE, &out->version, err);
    if (rc == NK_E_NOT_FOUND)
        return nk_cf_fail(err, NK_CF_VERSION_NOT_FOUND, "Version %lld not found.",
                          (long long)version);
    NK_TRY(rc);
    NK_TRY(nk_version_text(ctx, &out->version, err));
    return nk_version_links_of(tx, ctx, &out->version, &out->links, err);
}

/* ---- numbers ---- */

static bool take_version(void *arg, const nk_row *row)
{
    walker *w = arg;
    if (!is_shown(row, w->shown))
        return true;
    nk_subject_version *v = nk_subject_versions_add(w->versions, w->ctx->arena);
    w->rc = v ? nk_version_read(w->ctx, row, &v->version, w->err) : nomem(w->err);
    return w->rc == NK_OK && !w->first;
}

nk_code nk_number_versions(nk_tx *tx, const nk_reg_ctx *ctx, int64_t number, nk_shown shown,
                           bool first, nk_subject_versions *out, nk_err *err)
{
    walker w = {.ctx = ctx, .shown = shown, .versions = out, .first = first, .err = err};
    nk_query q = {.kind = &nk_kind_schema_version,
                  .index = &nk_kind_schema_version.indexes[1],
                  .prefix = NK_KEY(nk_vs(ctx->region), nk_vi(number)),
                  .nprefix = 2,
                  .no_body = !first};
    *out = (nk_subject_versions){0};
    NK_TRY(nk_store_scan(tx, &q, take_version, &w, err));
    NK_TRY(w.rc);
    if (!out->n)
        return nk_cf_fail(err, NK_CF_SCHEMA_NOT_FOUND, "Schema %lld not found", (long long)number);
    for (size_t i = 0; i < out->n; i++) {
        nk_subject_version *v = &out->v[i];
        if (first)
            NK_TRY(nk_version_links_of(tx, ctx, &v->version, &v->links, err));
        else
            NK_TRY(nk_schema_load_id(tx, ctx, v->version.schema, &v->schema, err));
    }
    return NK_OK;
}

static bool take_max(void *arg, const nk_row *row)
{
    *(int64_t *)arg = row->cols[NK_VER_NUMBER].i;
    return false;
}

nk_code nk_number_max(nk_tx *tx, const nk_reg_ctx *ctx, int64_t *out, nk_err *err)
{
    nk_query q = {.kind = &nk_kind_schema_version,
                  .index = &nk_kind_schema_version.indexes[1],
                  .prefix = NK_KEY(nk_vs(ctx->region)),
                  .nprefix = 1,
                  .desc = true,
                  .no_body = true};
    *out = 0;
    return nk_store_scan(tx, &q, take_max, out, err);
}

typedef struct link_ends {
    const nk_reg_ctx *ctx;
    nk_i64s schemas, versions;
    bool failed;
} link_ends;

static bool take_link(void *arg, const nk_row *row)
{
    link_ends *l = arg;
    l->failed = !add_i64(&l->schemas, l->ctx->arena, row->cols[NK_LNK_SCHEMA].i) ||
                !add_i64(&l->versions, l->ctx->arena, row->cols[NK_LNK_VERSION].i);
    return !l->failed;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

nk_code nk_subject_referenced_by(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject_version *v,
                                 nk_i64s *out, nk_err *err)
{
    link_ends l = {.ctx = ctx};
    nk_query q = {.kind = &nk_kind_schema_link,
                  .index = &nk_kind_schema_link.indexes[0],
                  .prefix = NK_KEY(nk_vi(v->schema.id), nk_vi(v->version.version)),
                  .nprefix = 2,
                  .no_body = true};
    *out = (nk_i64s){0};
    NK_TRY(nk_store_scan(tx, &q, take_link, &l, err));
    if (l.failed)
        return nomem(err);
    for (size_t i = 0; i < l.schemas.n; i++) {
        nk_schema_row s;
        nk_version_row from;
        NK_TRY(nk_schema_load_id(tx, ctx, l.schemas.v[i], &s, err));
        NK_TRY(nk_version_load(tx, ctx, &s, l.versions.v[i], NK_FIND_DELETED, &from, err));
        if (from.state == NK_VERSION_AVAILABLE && !add_i64(out, ctx->arena, from.number))
            return nomem(err);
    }
    if (out->n)
        qsort(out->v, out->n, sizeof(*out->v), by_value);
    size_t n = 0;
    for (size_t i = 0; i < out->n; i++)
        if (!i || out->v[i] != out->v[i - 1])
            out->v[n++] = out->v[i];
    out->n = n;
    return NK_OK;
}

/* ---- registering and asking ---- */

nk_str nk_conflict_confluent(const nk_conflict *c, nk_arena *a)
{
    const nk_schema_diff *d = &c->diff;
    nk_str sample = d->sample.p && d->sample.n < 600 ? d->sample : NK_STR("");
    return nk_str_printf(a,
                         "{errorType:'%s', description:'%.*s, at path '%.*s' in the %s schema', "
                         "additionalInfo:'%.*s'}",
                         d->rule->id, NK_STR_ARG(d->message),
                         NK_STR_ARG(d->reader_path.n ? d->reader_path : NK_STR("/")),
                         c->forward ? "old" : "new", NK_STR_ARG(sample));
}

static nk_code refuse(const nk_reg_ctx *ctx, const nk_subject *s, const nk_registration *r,
                      nk_code rc, nk_err *err)
{
    if (rc == NK_E_INVALID && err && !err->aws[0])
        return nk_cf_fail(err, NK_CF_INVALID_SCHEMA, "Invalid schema, details: %s", err->msg);
    if (rc != NK_E_CONDITION)
        return rc;
    nk_buf b;
    nk_buf_init(&b, NK_ERR_MSG_MAX - 300);
    for (size_t i = 0; i < r->conflicts.n; i++) {
        nk_str one = nk_conflict_confluent(&r->conflicts.v[i], ctx->arena);
        if (b.n + one.n + 2 > b.max)
            break;
        nk_buf_printf(&b, "%.*s, ", NK_STR_ARG(one));
    }
    (void)nk_cf_fail(err, NK_CF_INCOMPATIBLE,
                     "Schema being registered is incompatible with an earlier schema for subject "
                     "\"%.*s\", details: [%.*s{oldSchemaVersion: %lld}, {compatibility: '%.*s'}]",
                     NK_STR_ARG(s->name), NK_STR_ARG(nk_buf_view(&b)),
                     (long long)(r->conflicts.n ? r->conflicts.v[0].version : 0),
                     NK_STR_ARG(nk_compat_modes[r->schema.compat].name[NK_DOOR_CONFLUENT]));
    nk_buf_free(&b);
    return NK_E_CONDITION;
}

/* The mode that holds for a subject, there or not. */
static nk_code mode_of(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, int64_t *mode,
                       const nk_json **settings, nk_err *err)
{
    nk_schema_row row;
    nk_reg_config own, all;
    NK_TRY(nk_config_load(tx, ctx, NK_STR(""), NK_STR(""), &all, err));
    NK_TRY(nk_config_load(tx, ctx, s->registry, s->name, &own, err));
    *mode = all.mode >= 0 ? all.mode : NK_MODE_READWRITE;
    nk_code rc = nk_schema_load(tx, ctx, s->registry, s->name, &row, err);
    if (rc != NK_OK && rc != NK_E_NOT_FOUND)
        return rc;
    int64_t mine = rc == NK_OK ? row.mode : own.mode;
    if (*mode != NK_MODE_READONLY_OVERRIDE && mine >= 0)
        *mode = mine;
    return nk_config_merge(ctx, all.more, rc == NK_OK ? row.config : own.more, settings, err);
}

typedef struct permission {
    const nk_reg_ctx *ctx;
    nk_subject *s;
    int64_t mode;
    const nk_json *settings;
} permission;

static nk_code ask(nk_tx *tx, void *arg, nk_err *err)
{
    permission *p = arg;
    NK_TRY(mode_of(tx, p->ctx, p->s, &p->mode, &p->settings, err));
    if (!nk_json_str(p->settings, "alias").n)
        return NK_OK;
    NK_TRY(nk_subject_alias(tx, p->ctx, p->s, err));
    return mode_of(tx, p->ctx, p->s, &p->mode, &p->settings, err);
}

static nk_code permit(int64_t mode, const nk_subject *s, nk_err *err)
{
    if (mode != NK_MODE_READONLY && mode != NK_MODE_READONLY_OVERRIDE)
        return NK_OK;
    return nk_cf_fail(err, NK_CF_NOT_PERMITTED, "Subject %.*s is in read-only mode",
                      NK_STR_ARG(s->name));
}

nk_code nk_subject_prepare(const nk_reg_ctx *ctx, nk_subject *s, nk_registration *r, nk_err *err)
{
    permission p = {ctx, s, 0, NULL};
    NK_TRY(nk_store_read(ctx->app->store, ask, &p, err));
    NK_TRY(permit(p.mode, s, err));
    if ((r->number || r->want_version) && p.mode != NK_MODE_IMPORT)
        return nk_cf_fail(err, NK_CF_NOT_PERMITTED, "Subject %.*s is not in import mode",
                          NK_STR_ARG(s->name));
    r->unjudged = p.mode == NK_MODE_IMPORT;
    r->settings = p.settings;
    r->normalize = r->normalize || nk_json_bool(p.settings, "normalize", false);
    r->registry = s->registry;
    r->name = s->name;
    r->create = true;
    r->compat = NK_COMPAT_BACKWARD;
    r->compat_follows = true;
    nk_code rc = nk_registration_prepare(ctx, r, err);
    return rc == NK_OK ? rc : refuse(ctx, s, r, rc, err);
}

nk_code nk_subject_write(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, nk_registration *r,
                         nk_err *err)
{
    nk_code rc = nk_registration_write(tx, r, err);
    return rc == NK_OK ? rc : refuse(ctx, s, r, rc, err);
}

nk_code nk_subject_lookup(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, bool deleted,
                          nk_registration *r, nk_err *err)
{
    nk_schema_row row;
    NK_TRY(nk_subject_load(tx, ctx, s, deleted ? NK_WITH_DELETED : NK_LIVE, &row, err));
    r->registry = s->registry;
    r->name = s->name;
    NK_TRY(nk_config_of(tx, ctx, s, &r->settings, err));
    nk_code rc = nk_registry_lookup(tx, ctx, r, deleted, err);
    if (rc == NK_E_NOT_FOUND)
        return nk_cf_fail(err, NK_CF_SCHEMA_NOT_FOUND, "Schema not found");
    return rc == NK_OK ? rc : refuse(ctx, s, r, rc, err);
}

nk_code nk_subject_check(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, int64_t version,
                         nk_registration *r, bool *compatible, nk_err *err)
{
    nk_schema_row row;
    nk_version_row v;
    r->registry = s->registry;
    r->name = s->name;
    *compatible = true;
    NK_TRY(nk_config_of(tx, ctx, s, &r->settings, err));
    nk_code rc = nk_subject_load(tx, ctx, s, NK_LIVE, &row, err);
    if (rc == NK_E_NOT_FOUND && version < 0)
        return NK_OK; /* nothing stands against a first version */
    NK_TRY(rc);
    if (version >= 0) {
        rc = nk_version_load(tx, ctx, &row, version, NK_FIND_LIVE, &v, err);
        if (rc == NK_E_NOT_FOUND)
            return nk_cf_fail(err, NK_CF_VERSION_NOT_FOUND, "Version %lld not found.",
                              (long long)version);
        NK_TRY(rc);
        version = v.version;
    }
    rc = nk_registry_check(tx, ctx, r, version >= 0 ? &version : NULL, version >= 0, err);
    if (rc == NK_E_CONDITION) {
        *compatible = false;
        return NK_OK;
    }
    return rc == NK_OK ? rc : refuse(ctx, s, r, rc, err);
}

/* ---- deleting ---- */

static nk_code set_deleted(nk_tx *tx, const nk_reg_ctx *ctx, const nk_schema_row *s,
                           int64_t version, nk_err *err)
{
    nk_row row;
    nk_val cols[NK_VER_NCOLS];
    NK_TRY(nk_store_get(tx, &nk_kind_schema_version, NK_KEY(nk_vi(s->id), nk_vi(version)),
                        ctx->arena, &row, err));
    memcpy(cols, row.cols, sizeof cols);
    cols[NK_VER_STATE] = nk_vi(NK_VERSION_DELETED);
    row.cols = cols;
    return nk_store_put(tx, &nk_kind_schema_version, &row, err);
}

static nk_code not_linked(nk_tx *tx, const nk_reg_ctx *ctx, const nk_schema_row *s, int64_t version,
                          nk_err *err)
{
    nk_str who;
    NK_TRY(nk_schema_linked(tx, ctx, s->id, version, &who, err));
    if (!who.p)
        return NK_OK;
    return nk_cf_fail(
        err, NK_CF_REFERENCE_EXISTS,
        "One or more references exist to the schema {subject=%.*s,version=%lld}: %.*s",
        NK_STR_ARG(s->name), (long long)(version ? version : s->latest), NK_STR_ARG(who));
}

static nk_code deletable(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, nk_err *err)
{
    int64_t mode;
    const nk_json *settings;
    NK_TRY(mode_of(tx, ctx, s, &mode, &settings, err));
    return permit(mode, s, err);
}

nk_code nk_subject_delete(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s, bool permanent,
                          nk_i64s *out, nk_err *err)
{
    nk_schema_row row;
    NK_TRY(deletable(tx, ctx, s, err));
    NK_TRY(nk_subject_load(tx, ctx, s, NK_WITH_DELETED, &row, err));
    if (permanent && row.latest)
        return nk_cf_fail(err, NK_CF_SUBJECT_NOT_SOFT_DELETED,
                          "Subject '%.*s' was not deleted first before being permanently deleted",
                          NK_STR_ARG(s->name));
    if (!permanent && !row.latest)
        return nk_cf_fail(err, NK_CF_SUBJECT_SOFT_DELETED,
                          "Subject '%.*s' was soft deleted. Set permanent=true to delete "
                          "permanently",
                          NK_STR_ARG(s->name));
    NK_TRY(not_linked(tx, ctx, &row, 0, err));
    NK_TRY(numbers_of(tx, ctx, row.id, permanent ? NK_WITH_DELETED : NK_LIVE, false, out, err));
    if (permanent)
        return nk_schema_delete(tx, ctx, &row, err);
    for (size_t i = 0; i < out->n; i++)
        NK_TRY(set_deleted(tx, ctx, &row, out->v[i], err));
    row.latest = 0;
    row.change++;
    return nk_schema_save(tx, ctx, &row, false, err);
}

nk_code nk_subject_version_delete(nk_tx *tx, const nk_reg_ctx *ctx, const nk_subject *s,
                                  int64_t version, bool permanent, int64_t *out, nk_err *err)
{
    nk_subject_version v;
    nk_i64s left;
    NK_TRY(deletable(tx, ctx, s, err));
    NK_TRY(nk_subject_get(tx, ctx, s, version, true, &v, err));
    *out = v.version.version;
    bool deleted = v.version.state == NK_VERSION_DELETED;
    if (permanent && !deleted)
        return nk_cf_fail(err, NK_CF_VERSION_NOT_SOFT_DELETED,
                          "Subject '%.*s' Version %lld was not deleted first before being "
                          "permanently deleted",
                          NK_STR_ARG(s->name), (long long)*out);
    if (!permanent && deleted)
        return nk_cf_fail(err, NK_CF_VERSION_SOFT_DELETED,
                          "Subject '%.*s' Version %lld was soft deleted. Set permanent=true to "
                          "delete permanently",
                          NK_STR_ARG(s->name), (long long)*out);
    NK_TRY(not_linked(tx, ctx, &v.schema, *out, err));
    if (permanent) {
        NK_TRY(nk_version_delete(tx, ctx, &v.schema, *out, err));
        NK_TRY(numbers_of(tx, ctx, v.schema.id, NK_WITH_DELETED, true, &left, err));
        if (!left.n)
            return nk_schema_delete(tx, ctx, &v.schema, err);
    } else {
        NK_TRY(set_deleted(tx, ctx, &v.schema, *out, err));
        NK_TRY(nk_schema_find_latest(tx, &v.schema, err));
        v.schema.change++;
    }
    return nk_schema_save(tx, ctx, &v.schema, false, err);
}

nk_code nk_context_delete(nk_tx *tx, const nk_reg_ctx *ctx, nk_str registry, nk_err *err)
{
    nk_registry_row r;
    nk_strs names;
    nk_code rc = nk_registry_load(tx, ctx, registry, &r, err);
    if (rc == NK_E_NOT_FOUND || (rc == NK_OK && r.deleting))
        return nk_cf_fail(err, NK_CF_SUBJECT_NOT_FOUND, "Context '.%.*s' not found.",
                          NK_STR_ARG(registry));
    NK_TRY(rc);
    NK_TRY(nk_subjects_list(tx, ctx, registry, NK_STR(""), NK_WITH_DELETED, &names, err));
    if (names.n)
        return nk_cf_fail(err, NK_CF_CONTEXT_NOT_EMPTY,
                          "The specified context '.%.*s' is not empty.", NK_STR_ARG(registry));
    return nk_registry_delete(tx, ctx, &r, err);
}
