/* Registration: read, parse, compare on the caller's thread over a snapshot; then write in a
 * closure that makes sure that what was compared with still stands, and else has it done again. So
 * no hostile definition holds up the writer, and a schema has one history whoever writes it. */
#include <stdio.h>

#include "registry/registry_int.h"

enum { LINK_DEPTH_MAX = 32 };
#define LINK_BYTES_MAX ((size_t)8 << 20)

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

/* ---- links: definitions that one pulls in ---- */

NK_LIST(ref_list, nk_schema_ref);

typedef struct puller {
    nk_tx *tx;
    const nk_reg_ctx *ctx;
    ref_list refs; /* dependencies first */
    nk_schema_links seen;
    size_t bytes;
    nk_err *err;
} puller;

static nk_code pull(puller *p, const nk_schema_link *k, unsigned depth)
{
    nk_schema_row s;
    nk_version_row v;
    nk_schema_links below;
    for (size_t i = 0; i < p->seen.n; i++) {
        const nk_schema_link *x = &p->seen.v[i];
        if (!nk_str_eq(x->name, k->name))
            continue;
        if (x->schema == k->schema && x->version == k->version)
            return NK_OK;
        return nk_fail(p->err, NK_E_INVALID,
                       "\"%.*s\" is linked to in two versions (%lld and %lld of %.*s)",
                       NK_STR_ARG(k->name), (long long)x->version, (long long)k->version,
                       NK_STR_ARG(x->schema_name));
    }
    nk_schema_link *mine = nk_schema_links_add(&p->seen, p->ctx->arena);
    if (!mine)
        return nomem(p->err);
    *mine = *k;
    if (depth > LINK_DEPTH_MAX || p->seen.n > NK_LINKS_MAX)
        return nk_fail(p->err, NK_E_INVALID, "links go deeper than %d levels, or are more than %d",
                       LINK_DEPTH_MAX, NK_LINKS_MAX);
    NK_TRY(nk_schema_load_id(p->tx, p->ctx, k->schema, &s, p->err));
    NK_TRY(nk_version_load(p->tx, p->ctx, &s, k->version, NK_FIND_DELETED, &v, p->err));
    NK_TRY(nk_version_text(p->ctx, &v, p->err));
    p->bytes += v.text.n;
    if (p->bytes > LINK_BYTES_MAX)
        return nk_fail(p->err, NK_E_INVALID, "the definitions linked to are larger than %zu bytes",
                       LINK_BYTES_MAX);
    NK_TRY(nk_version_links_of(p->tx, p->ctx, &v, &below, p->err));
    for (size_t i = 0; i < below.n; i++)
        NK_TRY(pull(p, &below.v[i], depth + 1));
    nk_schema_ref *ref = ref_list_add(&p->refs, p->ctx->arena);
    if (!ref)
        return nomem(p->err);
    *ref = (nk_schema_ref){k->name, v.text};
    return NK_OK;
}

static nk_code parse_with(nk_tx *tx, const nk_reg_ctx *ctx, const nk_schema_format *f, nk_str text,
                          const nk_schema_links *links, nk_schema_doc **out, nk_err *err)
{
    puller p = {.tx = tx, .ctx = ctx, .err = err};
    for (size_t i = 0; i < links->n; i++)
        NK_TRY(pull(&p, &links->v[i], 0));
    return f->parse(text, p.refs.v, p.refs.n, ctx->arena, out, err);
}

nk_code nk_registry_links(nk_call *call, const nk_json *in, nk_buf *out)
{
    nk_reg_ctx ctx = nk_reg_ctx_of(call);
    puller p = {.tx = call->tx, .ctx = &ctx, .err = call->err};
    nk_version_row v;
    nk_schema_links links;
    nk_json_writer w = {.buf = out};
    nk_str uuid = nk_json_str(in, "SchemaVersionId");
    if (!uuid.p)
        return nk_fail(call->err, NK_E_INVALID, "SchemaVersionId is required.");
    NK_TRY(nk_version_by_uuid(call->tx, &ctx, uuid, &v, call->err));
    NK_TRY(nk_version_links_of(call->tx, &ctx, &v, &links, call->err));
    for (size_t i = 0; i < links.n; i++)
        NK_TRY(pull(&p, &links.v[i], 0));
    nk_jw_object(&w);
    nk_jw_key(&w, NK_STR("Links"));
    nk_jw_array(&w);
    for (size_t i = 0; i < p.refs.n; i++) {
        nk_jw_object(&w);
        nk_jw_kstr(&w, "Name", p.refs.v[i].name);
        nk_jw_kstr(&w, "SchemaDefinition", p.refs.v[i].text);
        nk_jw_object_end(&w);
    }
    nk_jw_array_end(&w);
    nk_jw_object_end(&w);
    return nk_buf_check(out, call->err);
}

/* How a link's text may name a schema: tried in this order. */
typedef struct spelling {
    nk_str registry, name;
    int64_t version; /* 0 = the latest */
} spelling;

static bool split_version(nk_str text, spelling *s)
{
    static const char *const marks[] = {"?version=", ":", "@"};
    for (size_t i = 0; i < NK_COUNTOF(marks); i++) {
        ptrdiff_t at = nk_str_find(text, nk_str_c(marks[i]));
        if (at <= 0)
            continue;
        nk_str number = nk_str_sub(text, (size_t)at + strlen(marks[i]), text.n);
        if (nk_str_i64(number, &s->version) && s->version > 0) {
            s->name = nk_str_sub(text, 0, (size_t)at);
            return true;
        }
    }
    return false;
}

static size_t spellings(nk_str link, nk_str registry, spelling out[8])
{
    size_t n = 0;
    spelling s = {registry, link, 0};
    out[n++] = s;
    if (split_version(link, &s))
        out[n++] = s;
    ptrdiff_t slash = nk_str_rchr(s.name, '/');
    if (slash > 0) {
        nk_str before = nk_str_sub(s.name, 0, (size_t)slash);
        ptrdiff_t other = nk_str_rchr(before, '/');
        nk_str last = nk_str_sub(s.name, (size_t)slash + 1, s.name.n);
        out[n++] = (spelling){nk_str_sub(before, (size_t)(other + 1), before.n), last, s.version};
        out[n++] = (spelling){registry, last, s.version};
        s.name = last;
    }
    ptrdiff_t dot = nk_str_rchr(s.name, '.');
    nk_str end = dot > 0 ? nk_str_sub(s.name, (size_t)dot, s.name.n) : NK_STR("");
    if (nk_str_is(end, ".proto") || nk_str_is(end, ".json") || nk_str_is(end, ".avsc"))
        out[n++] = (spelling){registry, nk_str_sub(s.name, 0, (size_t)dot), s.version};
    return n;
}

/* Links that name no schema of the registry are left to the parser, which knows what to make of
 * them. */
static nk_code find_link(nk_tx *tx, const nk_reg_ctx *ctx, const nk_schema_format *f,
                         nk_str registry, nk_str link, nk_schema_links *out, nk_err *err)
{
    spelling ways[8];
    size_t n = spellings(link, registry, ways);
    for (size_t i = 0; i < n; i++) {
        nk_schema_row s;
        nk_version_row v;
        nk_err why = NK_ERR_INIT;
        nk_code rc = nk_schema_load(tx, ctx, ways[i].registry, ways[i].name, &s, &why);
        if (rc == NK_OK && s.format == f)
            rc = nk_version_load(tx, ctx, &s, ways[i].version, NK_FIND_LIVE, &v, &why);
        else if (rc == NK_OK)
            rc = NK_E_NOT_FOUND;
        if (rc == NK_E_NOT_FOUND)
            continue;
        if (rc != NK_OK)
            return nk_fail(err, rc, "%s", why.msg);
        nk_schema_link *k = nk_schema_links_add(out, ctx->arena);
        if (!k)
            return nomem(err);
        *k = (nk_schema_link){link, s.registry_name, s.name, s.id, v.version};
        return NK_OK;
    }
    return NK_OK;
}

/* The Confluent door names schema and version of each link itself. */
static nk_code given_links(nk_tx *tx, const nk_reg_ctx *ctx, const nk_registration *r,
                           const nk_schema_format *f, nk_schema_links *out, nk_err *err)
{
    for (size_t i = 0; i < r->links.n; i++) {
        const nk_schema_link *in = &r->links.v[i];
        nk_schema_row s;
        nk_version_row v;
        nk_code rc = nk_schema_load(tx, ctx, in->registry_name, in->schema_name, &s, err);
        if (rc == NK_OK)
            rc = nk_version_load(tx, ctx, &s, in->version > 0 ? in->version : 0, NK_FIND_DELETED,
                                 &v, err);
        if (rc == NK_E_NOT_FOUND || (rc == NK_OK && s.format != f))
            return nk_fail(err, NK_E_INVALID,
                           "the reference \"%.*s\" leads to version %lld of \"%.*s\", which there "
                           "is not in this format",
                           NK_STR_ARG(in->name), (long long)in->version,
                           NK_STR_ARG(in->schema_name));
        NK_TRY(rc);
        nk_schema_link *k = nk_schema_links_add(out, ctx->arena);
        if (!k)
            return nomem(err);
        *k = (nk_schema_link){in->name, s.registry_name, s.name, s.id, v.version};
    }
    return NK_OK;
}

static nk_code all_links(nk_tx *tx, const nk_reg_ctx *ctx, const nk_registration *r,
                         const nk_schema_format *f, nk_schema_links *out, nk_err *err)
{
    nk_strs names = {0};
    *out = (nk_schema_links){0};
    NK_TRY(given_links(tx, ctx, r, f, out, err));
    NK_TRY(f->links(r->text, ctx->arena, &names, err));
    if (names.n > NK_LINKS_MAX)
        return nk_fail(err, NK_E_INVALID, "more than %d links", NK_LINKS_MAX);
    if (names.n && ctx->quick)
        return NK_E_NOT_READY;
    for (size_t i = 0; i < names.n; i++) {
        bool given = false;
        for (size_t k = 0; k < out->n; k++)
            given = given || nk_str_eq(out->v[k].name, names.v[i]);
        if (!given)
            NK_TRY(find_link(tx, ctx, f, r->registry, names.v[i], out, err));
    }
    return NK_OK;
}

nk_code nk_version_parse(nk_tx *tx, const nk_reg_ctx *ctx, const nk_schema_row *s,
                         nk_version_row *v, nk_schema_doc **out, nk_err *err)
{
    nk_schema_links links;
    NK_TRY(nk_version_text(ctx, v, err));
    NK_TRY(nk_version_links_of(tx, ctx, v, &links, err));
    return parse_with(tx, ctx, s->format, v->text, &links, out, err);
}

/* ---- equal definitions ---- */

typedef struct nk_reg_job {
    const nk_reg_ctx *ctx;
    nk_registration *r;
    nk_schema_doc *doc;
    nk_schema_links links;
    uint8_t hash[32];
    nk_contract contract; /* what was said, what the settings add, what the latest version has */
    nk_str contract_text;
    char uuid[37];
    bool was_there;      /* the schema, when it was looked at */
    int64_t change;      /* its count then */
    bool judged;         /* the verdict holds only while nothing changes */
    bool failed;         /* it was bad, and the version is kept all the same */
    nk_str arn;          /* the schema's */
    nk_version_row made; /* the version as it will be, when its number is what it looks like now */
} job;

static nk_code hash_of(job *j, const nk_schema_format *f, nk_str contract, nk_err *err)
{
    nk_buf b;
    nk_buf_init(&b, (size_t)16 << 20);
    nk_buf_str(&b, f->name);
    nk_buf_putc(&b, '\n');
    size_t start = b.n;
    nk_code rc = f->canonical(j->doc, &b, err);
    if (rc == NK_OK && j->r->normalize) {
        j->r->text = nk_str_dup(j->ctx->arena, nk_str_sub(nk_buf_view(&b), start, b.n));
        if (!j->r->text.p)
            rc = nomem(err);
    }
    if (rc == NK_OK && contract.p) {
        nk_buf_putc(&b, 0);
        rc = nk_buf_str(&b, contract);
    }
    if (rc == NK_OK)
        nk_sha256(b.p, b.n, j->hash);
    nk_buf_free(&b);
    return rc == NK_E_LIMIT ? nk_fail(err, NK_E_INVALID, "the definition is too large") : rc;
}

static nk_code invalid(const nk_schema_format *f, nk_err *err)
{
    return nk_fail(err, NK_E_INVALID, "Schema definition of %.*s data format is invalid: %s",
                   NK_STR_ARG(f->name), err ? err->msg : "");
}

static nk_code read_definition(nk_tx *tx, job *j, const nk_schema_format *f, nk_err *err)
{
    if (j->ctx->quick && (j->r->text.n > f->quick_max || j->r->links.n))
        return NK_E_NOT_READY;
    nk_code rc = all_links(tx, j->ctx, j->r, f, &j->links, err);
    if (rc == NK_OK)
        rc = parse_with(tx, j->ctx, f, j->r->text, &j->links, &j->doc, err);
    if (rc == NK_OK)
        rc = hash_of(j, f, NK_STR_NULL, err);
    return rc == NK_E_INVALID ? invalid(f, err) : rc;
}

/* What is read, and is to be a version. */
static nk_code admit(const job *j, const nk_schema_format *f, nk_err *err)
{
    nk_code rc = f->admit ? f->admit(j->doc, j->ctx->door, j->ctx->arena, err) : NK_OK;
    return rc == NK_E_INVALID ? invalid(f, err) : rc;
}

static bool same_links(const nk_schema_links *a, const nk_schema_links *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!nk_str_eq(a->v[i].name, b->v[i].name) || a->v[i].schema != b->v[i].schema ||
            a->v[i].version != b->v[i].version)
            return false;
    return true;
}

typedef struct equals {
    job *j;
    nk_find also;
    bool only_failed;
    nk_version_row found[16]; /* the newest ones */
    size_t n;
    nk_code rc;
    nk_err *err;
} equals;

static bool take_equal(void *arg, const nk_row *row)
{
    equals *e = arg;
    int64_t state = row->cols[NK_VER_STATE].i;
    if ((state == NK_VERSION_DELETED && !(e->also & NK_FIND_DELETED)) ||
        (state == NK_VERSION_FAILED) != e->only_failed)
        return true;
    e->rc = nk_version_read(e->j->ctx, row, &e->found[e->n], e->err);
    return e->rc == NK_OK && ++e->n < NK_COUNTOF(e->found);
}

/* The newest version of the schema with this definition; links that the request names must be the
 * same ones, others follow the names in it. */
static nk_code find_equal(nk_tx *tx, job *j, int64_t schema, nk_find also, nk_version_row *out,
                          bool *found, nk_err *err)
{
    equals e = {.j = j, .also = also, .only_failed = also == NK_FIND_FAILED, .err = err};
    nk_query q = {.kind = &nk_kind_schema_version,
                  .index = &nk_kind_schema_version.indexes[3],
                  .prefix = NK_KEY(nk_vi(schema), nk_vb(nk_str_n((const char *)j->hash, 32))),
                  .nprefix = 2,
                  .desc = true};
    *found = false;
    NK_TRY(nk_store_scan(tx, &q, take_equal, &e, err));
    NK_TRY(e.rc);
    for (size_t i = 0; !*found && i < e.n; i++) {
        nk_schema_links links;
        *found = j->r->links.n == 0;
        if (!*found) {
            NK_TRY(nk_version_links_of(tx, j->ctx, &e.found[i], &links, err));
            *found = same_links(&links, &j->links);
        }
        if (*found)
            *out = e.found[i];
    }
    return NK_OK;
}

static bool found_one(void *arg, const nk_row *row)
{
    *(bool *)arg = true;
    return false;
}

static nk_code number_taken(nk_tx *tx, const job *j, int64_t number, bool *taken, nk_err *err)
{
    nk_query q = {.kind = &nk_kind_schema_version,
                  .index = &nk_kind_schema_version.indexes[1],
                  .prefix = NK_KEY(nk_vs(j->ctx->region), nk_vi(number)),
                  .nprefix = 2,
                  .no_body = true};
    *taken = false;
    return nk_store_scan(tx, &q, found_one, taken, err);
}

/* ---- data contracts ---- */

/* What the settings put under and over what a version says. */
static nk_contract settings_layer(const job *j, const char *metadata, const char *rules)
{
    return (nk_contract){nk_json_get(j->r->settings, metadata), nk_json_get(j->r->settings, rules)};
}

/* s NULL: the schema is not there yet. */
static nk_code make_contract(nk_tx *tx, job *j, const nk_schema_row *s, nk_err *err)
{
    nk_arena *a = j->ctx->arena;
    nk_contract layer, latest = {NULL, NULL};
    nk_version_row v;
    j->contract = j->r->contract;
    j->contract_text = NK_STR_NULL;
    if (!j->contract.metadata && !j->contract.rules && !j->r->settings && !(s && s->contracts))
        return NK_OK;
    if (s && s->contracts && s->latest && (!j->contract.metadata || !j->contract.rules)) {
        NK_TRY(nk_version_load(tx, j->ctx, s, 0, NK_FIND_LIVE, &v, err));
        NK_TRY(nk_contract_parse(a, v.contract, &latest, err));
    }
    if (!j->contract.metadata)
        j->contract.metadata = latest.metadata;
    if (!j->contract.rules)
        j->contract.rules = latest.rules;
    if (j->r->settings) {
        layer = settings_layer(j, "defaultMetadata", "defaultRuleSet");
        NK_TRY(nk_contract_merge(a, &layer, &j->contract, &j->contract, err));
        layer = settings_layer(j, "overrideMetadata", "overrideRuleSet");
        NK_TRY(nk_contract_merge(a, &j->contract, &layer, &j->contract, err));
    }
    return nk_contract_text(a, &j->contract, &j->contract_text, err);
}

/* With the contract that it gets; or, when none was given, as it stands alone. */
static nk_code find_with_contract(nk_tx *tx, job *j, const nk_schema_row *s, nk_find also,
                                  nk_err *err)
{
    nk_registration *r = j->r;
    NK_TRY(make_contract(tx, j, s, err));
    if (!j->contract_text.p || (!r->contract.metadata && !r->contract.rules))
        NK_TRY(find_equal(tx, j, s->id, also, &r->version, &r->existed, err));
    if (r->existed || !j->contract_text.p)
        return NK_OK;
    NK_TRY(hash_of(j, s->format, j->contract_text, err));
    return find_equal(tx, j, s->id, also, &r->version, &r->existed, err);
}

/* The settings may have versions compared only within groups: those that have the same property. */
static bool same_group(const job *j, nk_str contract)
{
    nk_str name = nk_json_str(j->r->settings, "compatibilityGroup");
    nk_contract other;
    if (!name.n)
        return true;
    if (nk_contract_parse(j->ctx->arena, contract, &other, NULL) != NK_OK)
        return false;
    nk_str a = nk_contract_property(&j->contract, name), b = nk_contract_property(&other, name);
    return !a.p == !b.p && (!a.p || nk_str_eq(a, b));
}

/* What an import asks for, when nobody else has it; else the next that no import has taken. */
static nk_code fresh_number(nk_tx *tx, const job *j, int64_t *number, nk_err *err)
{
    char sequence[128];
    bool taken;
    snprintf(sequence, sizeof sequence, "glue.schema.number.%.*s", NK_STR_ARG(j->ctx->region));
    if (j->r->number) {
        *number = j->r->number;
        NK_TRY(number_taken(tx, j, *number, &taken, err));
        return taken ? nk_fail(err, NK_E_INVALID,
                               "Overwrite new schema with id %lld is not permitted.",
                               (long long)*number)
                     : NK_OK;
    }
    do {
        NK_TRY(nk_store_next(tx, sequence, number, err));
        NK_TRY(number_taken(tx, j, *number, &taken, err));
    } while (taken);
    return NK_OK;
}

/* The number that equal definitions of the region share. */
static nk_code number_of(nk_tx *tx, job *j, int64_t *number, nk_err *err)
{
    equals e = {.j = j, .also = NK_FIND_DELETED, .err = err};
    nk_query q = {.kind = &nk_kind_schema_version,
                  .index = &nk_kind_schema_version.indexes[2],
                  .prefix =
                      NK_KEY(nk_vs(j->ctx->region), nk_vb(nk_str_n((const char *)j->hash, 32))),
                  .nprefix = 2,
                  .no_body = true};
    NK_TRY(nk_store_scan(tx, &q, take_equal, &e, err));
    NK_TRY(e.rc);
    for (size_t i = 0; i < e.n; i++) {
        nk_schema_links links;
        NK_TRY(nk_version_links_of(tx, j->ctx, &e.found[i], &links, err));
        if (same_links(&links, &j->links)) {
            *number = e.found[i].number;
            return NK_OK;
        }
    }
    return fresh_number(tx, j, number, err);
}

/* ---- judging ---- */

typedef struct numbers {
    int64_t *v;
    size_t n, cap;
    nk_arena *arena;
    const job *job;
    bool last; /* one is enough */
    bool failed;
} numbers;

static bool take_number(void *arg, const nk_row *row)
{
    numbers *l = arg;
    const nk_val *contract = &row->cols[NK_VER_CONTRACT];
    if (row->cols[NK_VER_STATE].i != NK_VERSION_AVAILABLE ||
        !same_group(l->job, contract->kind == NK_V_TEXT ? contract->s : NK_STR_NULL))
        return true;
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        int64_t *v = NK_NEWN(l->arena, int64_t, cap);
        if (!v) {
            l->failed = true;
            return false;
        }
        if (l->n)
            memcpy(v, l->v, l->n * sizeof(*v));
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = row->cols[NK_VER_VERSION].i;
    return !l->last;
}

/* What the mode compares with: all versions, or the checkpoint (Glue), or the latest (Confluent).
 */
static nk_code bases_of(nk_tx *tx, const job *j, const nk_schema_row *s, numbers *out, nk_err *err)
{
    const nk_compat_mode *mode = &nk_compat_modes[s->compat];
    const nk_reg_ctx *ctx = j->ctx;
    bool found = false, groups = nk_json_str(j->r->settings, "compatibilityGroup").n > 0;
    nk_version_row v;
    *out = (numbers){.arena = ctx->arena, .job = j, .last = !mode->all};
    if ((mode->all || groups) && ctx->quick)
        return NK_E_NOT_READY;
    if (mode->all || groups) {
        nk_query q = {.kind = &nk_kind_schema_version,
                      .prefix = NK_KEY(nk_vi(s->id)),
                      .nprefix = 1,
                      .desc = !mode->all,
                      .no_body = true};
        NK_TRY(nk_store_scan(tx, &q, take_number, out, err));
        return out->failed ? nomem(err) : NK_OK;
    }
    out->v = NK_NEWN(ctx->arena, int64_t, 1);
    if (!out->v)
        return nomem(err);
    if (ctx->door == NK_DOOR_GLUE && s->checkpoint) {
        nk_code rc = nk_version_load(tx, ctx, s, s->checkpoint, NK_FIND_LIVE, &v, NULL);
        if (rc != NK_OK && rc != NK_E_NOT_FOUND)
            return rc;
        found = rc == NK_OK;
    }
    out->v[0] = found ? s->checkpoint : s->latest;
    out->n = out->v[0] > 0;
    return NK_OK;
}

static void free_arena(void *arena)
{
    nk_arena_destroy(arena);
}

/* With one version. */
static nk_code judge_in(nk_tx *tx, job *j, const nk_reg_ctx *ctx, const nk_schema_row *s,
                        int64_t version, nk_err *err)
{
    nk_version_row v;
    nk_compat_base base = {.version = version};
    nk_schema_doc *doc = NULL;
    NK_TRY(nk_version_load(tx, ctx, s, version, NK_FIND_LIVE, &v, err));
    if (ctx->quick && (v.links || v.reply.n > 2 * s->format->quick_max))
        return NK_E_NOT_READY;
    NK_TRY(nk_version_parse(tx, ctx, s, &v, &doc, err));
    base.doc = doc;
    return nk_compat_check(s->format, &nk_compat_modes[s->compat], ctx->door, j->doc, &base, 1,
                           ctx->arena, &j->r->conflicts, err);
}

/* With one of many, in memory of its own: there may be thousands. */
static nk_code judge_one(nk_tx *tx, job *j, const nk_schema_row *s, int64_t version, nk_err *err)
{
    nk_reg_ctx ctx = *j->ctx;
    ctx.arena = nk_arena_create((size_t)256 << 20);
    if (!ctx.arena)
        return nomem(err);
    nk_code rc = judge_in(tx, j, &ctx, s, version, err);
    if (rc == NK_OK && j->r->conflicts.n) /* they lie in it */
        return nk_arena_defer(j->ctx->arena, free_arena, ctx.arena);
    nk_arena_destroy(ctx.arena);
    return rc;
}

static nk_code incompatible(const job *j, const nk_schema_row *s, nk_err *err)
{
    const nk_conflicts *c = &j->r->conflicts;
    nk_buf b;
    nk_buf_init(&b, NK_ERR_MSG_MAX - 256);
    for (size_t i = 0; i < c->n && !b.failed; i++) {
        nk_str text = nk_conflict_text(&c->v[i], j->ctx->arena);
        nk_buf_puts(&b, i ? ". " : "");
        if (text.p && b.n + text.n < 1500)
            nk_buf_str(&b, text);
        else if (i == 0 && text.p)
            nk_buf_str(&b, nk_str_sub(text, 0, 1500));
        else {
            nk_buf_printf(&b, "And %zu more", c->n - i);
            break;
        }
    }
    (void)nk_fail(err, NK_E_CONDITION, "Schema is incompatible with mode %.*s. %.*s",
                  NK_STR_ARG(nk_compat_modes[s->compat].name[NK_DOOR_GLUE]),
                  NK_STR_ARG(nk_buf_view(&b)));
    nk_buf_free(&b);
    return NK_E_CONDITION;
}

static nk_code judge(nk_tx *tx, job *j, const nk_schema_row *s, const int64_t *versions, size_t n,
                     nk_err *err)
{
    const nk_compat_mode *mode = &nk_compat_modes[s->compat];
    j->r->conflicts = (nk_conflicts){0};
    if (!mode->backward && !mode->forward)
        return NK_OK;
    for (size_t i = n; i-- > 0 && !j->r->conflicts.n;)
        NK_TRY(n == 1 ? judge_in(tx, j, j->ctx, s, versions[i], err)
                      : judge_one(tx, j, s, versions[i], err));
    return j->r->conflicts.n ? incompatible(j, s, err) : NK_OK;
}

/* ---- registering ---- */

static nk_code refuse_closed(const nk_schema_row *s, nk_err *err)
{
    return nk_fail(err, NK_E_INVALID,
                   "Compatibility DISABLED does not allow versioning. SchemaId: "
                   "SchemaId(schemaArn=null, schemaName=%.*s, registryName=%.*s)",
                   NK_STR_ARG(s->name), NK_STR_ARG(s->registry_name));
}

static nk_code prepare_there(nk_tx *tx, job *j, nk_err *err)
{
    nk_registration *r = j->r;
    nk_schema_row *s = &r->schema;
    numbers bases = {0};
    if (r->only_create)
        return nk_fail(err, NK_E_EXISTS, "Schema already exists. SchemaName: %.*s",
                       NK_STR_ARG(r->name));
    if (r->format && r->format != s->format)
        return nk_fail(err, NK_E_INVALID, "The schema's data format is %.*s, not %.*s.",
                       NK_STR_ARG(s->format->name), NK_STR_ARG(r->format->name));
    NK_TRY(read_definition(tx, j, s->format, err));
    NK_TRY(find_with_contract(tx, j, s, NK_FIND_LIVE, err));
    if (r->existed)
        return NK_OK;
    NK_TRY(admit(j, s->format, err));
    if (nk_compat_modes[s->compat].closed && s->latest)
        return refuse_closed(s, err);
    const nk_compat_mode *mode = &nk_compat_modes[s->compat];
    j->judged = (mode->backward || mode->forward) && !r->unjudged;
    if (!j->judged)
        return NK_OK;
    NK_TRY(bases_of(tx, j, s, &bases, err));
    nk_code rc = judge(tx, j, s, bases.v, bases.n, err);
    if (rc != NK_E_CONDITION || !r->keep_failure)
        return rc;
    j->failed = true;
    nk_info("registry", "a version of %.*s failed: %s", NK_STR_ARG(r->name), err ? err->msg : "");
    return find_equal(tx, j, s->id, NK_FIND_FAILED, &r->version, &r->existed, err);
}

/* The version's record, all but the number that equal definitions share. */
static nk_code make_version(job *j, int64_t version, nk_err *err)
{
    nk_registration *r = j->r;
    nk_version_row *v = &j->made;
    nk_str now;
    NK_TRY(nk_reg_time(j->ctx, &now, err));
    NK_TRY(nk_schema_arn(j->ctx, r->registry, r->name, &j->arn, err));
    *v = (nk_version_row){.version = version,
                          .uuid = nk_str_n(j->uuid, 36),
                          .created = now,
                          .state = j->failed ? NK_VERSION_FAILED : NK_VERSION_AVAILABLE,
                          .links = j->links.n > 0,
                          .contract = j->contract_text,
                          .text = r->text};
    glue_GetSchemaVersionResponse reply = {
        .SchemaVersionId = v->uuid,
        .SchemaDefinition = r->text,
        .DataFormat = j->was_there ? r->schema.format->name : r->format->name,
        .SchemaArn = j->arn,
        .VersionNumber = nk_some_i64(version),
        .Status = nk_version_status(v),
        .CreatedTime = now,
    };
    return nk_model_encode_str(&glue_GetSchemaVersionResponse_shape, &reply, j->ctx->arena,
                               &v->reply, err);
}

static nk_code prepare(nk_tx *tx, void *arg, nk_err *err)
{
    job *j = arg;
    nk_registration *r = j->r;
    nk_code rc = nk_schema_load(tx, j->ctx, r->registry, r->name, &r->schema, err);
    r->existed = j->judged = j->failed = false;
    j->was_there = rc == NK_OK;
    j->change = j->was_there ? r->schema.change : 0;
    if (j->was_there)
        NK_TRY(prepare_there(tx, j, err));
    else if (rc != NK_E_NOT_FOUND || !r->create)
        return rc;
    else if (r->text.p) {
        NK_TRY(read_definition(tx, j, r->format, err));
        NK_TRY(admit(j, r->format, err));
        NK_TRY(make_contract(tx, j, NULL, err));
        if (j->contract_text.p)
            NK_TRY(hash_of(j, r->format, j->contract_text, err));
    }
    if (r->existed || !r->text.p)
        return NK_OK;
    return make_version(j,
                        r->want_version ? r->want_version
                        : j->was_there  ? r->schema.next
                                        : 1,
                        err);
}

/* A registry is made with its first schema when it is the default one, or a Confluent context.
 * The schema's own record is written when all of it is known. */
static nk_code make_schema(nk_tx *tx, job *j, nk_err *err)
{
    nk_registration *r = j->r;
    const nk_reg_ctx *ctx = j->ctx;
    nk_registry_row reg;
    nk_reg_config own;
    nk_code rc = nk_registry_load(tx, ctx, r->registry, &reg, err);
    if (rc == NK_E_NOT_FOUND &&
        (ctx->door == NK_DOOR_CONFLUENT || nk_str_eq(r->registry, NK_DEFAULT_REGISTRY)))
        rc = nk_registry_create(tx, ctx, r->registry, NK_STR_NULL, NULL, &reg, err);
    NK_TRY(rc);
    if (reg.deleting)
        return nk_fail(err, NK_E_INVALID, "Registry %.*s is being deleted.",
                       NK_STR_ARG(r->registry));
    nk_str now;
    NK_TRY(nk_reg_time(ctx, &now, err));
    r->schema = (nk_schema_row){.registry_name = r->registry,
                                .name = r->name,
                                .registry = reg.id,
                                .next = 1,
                                .checkpoint = 1,
                                .compat = r->compat,
                                .compat_follows = r->compat_follows,
                                .mode = -1,
                                .format = r->format,
                                .description = r->description,
                                .created = now,
                                .updated = now};
    NK_TRY(nk_config_load(tx, ctx, r->registry, r->name, &own, err));
    if (own.set && ctx->door == NK_DOOR_CONFLUENT) { /* set before there was a schema to hold it */
        r->schema.mode = own.mode;
        r->schema.config = own.more;
        if (own.compat >= 0) {
            r->schema.compat = own.compat;
            r->schema.compat_follows = false;
        }
    }
    if (own.set)
        NK_TRY(nk_config_save(tx, ctx, r->registry, r->name,
                              &(nk_reg_config){.compat = -1, .mode = -1}, err));
    return nk_store_next(tx, "glue.schema", &r->schema.id, err);
}

static nk_code changed(nk_err *err)
{
    return nk_fail(err, NK_E_CANCELLED, "the schema has changed meanwhile");
}

static nk_code write_links(nk_tx *tx, job *j, nk_err *err)
{
    const nk_registration *r = j->r;
    for (size_t i = 0; i < j->links.n; i++) {
        const nk_schema_link *k = &j->links.v[i];
        nk_schema_row to;
        nk_version_row v;
        nk_code rc = nk_schema_load_id(tx, j->ctx, k->schema, &to, err);
        if (rc == NK_OK)
            rc = nk_version_load(tx, j->ctx, &to, k->version,
                                 r->links.n > 0 ? NK_FIND_DELETED : NK_FIND_LIVE, &v, err);
        if (rc == NK_E_NOT_FOUND || (rc == NK_OK && to.deleting))
            return changed(err); /* it went meanwhile: resolve anew */
        NK_TRY(rc);
        const nk_val cols[NK_LNK_NCOLS] = {nk_vi(r->schema.id),       nk_vi(r->version.version),
                                           nk_vi((int64_t)i),         nk_vs(k->name),
                                           nk_vi(k->schema),          nk_vi(k->version),
                                           nk_vi(r->schema.registry), nk_vi(to.registry)};
        nk_row row = {.cols = cols, .body = NK_STR("{}")};
        NK_TRY(nk_store_insert(tx, &nk_kind_schema_link, &row, err));
    }
    return NK_OK;
}

static nk_code write_version(nk_tx *tx, job *j, nk_err *err)
{
    nk_registration *r = j->r;
    nk_schema_row *s = &r->schema;
    if (s->next > NK_VERSION_MAX || r->want_version > NK_VERSION_MAX)
        return nk_fail(
            err, NK_E_LIMIT,
            "More schema versions cannot be created. The maximum limit has been reached.");
    if (r->want_version && r->want_version < s->next)
        return nk_fail(err, NK_E_INVALID,
                       "Version %lld is there already: versions are imported in their order.",
                       (long long)r->want_version);
    if (r->want_version)
        s->next = r->want_version;
    if (j->made.version != s->next) /* others were faster */
        NK_TRY(make_version(j, s->next, err));
    nk_version_row *v = &r->version;
    *v = j->made;
    v->schema = s->id;
    if (!j->failed) /* no message has its number */
        NK_TRY(number_of(tx, j, &v->number, err));
    const nk_val cols[NK_VER_NCOLS] = {
        nk_vi(s->id),          nk_vi(v->version), nk_vs(v->uuid),
        nk_vs(j->ctx->region), nk_vi(v->number),  nk_vb(nk_str_n((const char *)j->hash, 32)),
        nk_vi(v->state),       nk_vs(v->created), v->links ? nk_vi(1) : nk_vnull(),
        nk_vs(v->contract)};
    nk_row row = {.cols = cols, .body = v->reply};
    NK_TRY(nk_store_insert(tx, &nk_kind_schema_version, &row, err));
    NK_TRY(write_links(tx, j, err));
    if (!j->failed)
        s->latest = s->next;
    s->next++;
    s->contracts = s->contracts || v->contract.p;
    s->change++;
    return NK_OK;
}

/* The schema as it was when the definition was compared with it, or one that does not mind. */
static nk_code look_again(nk_tx *tx, job *j, nk_err *err)
{
    nk_registration *r = j->r;
    nk_code rc = nk_schema_load(tx, j->ctx, r->registry, r->name, &r->schema, err);
    if (rc == NK_E_NOT_FOUND)
        return changed(err);
    NK_TRY(rc);
    NK_TRY(find_equal(tx, j, r->schema.id, NK_FIND_LIVE, &r->version, &r->existed, err));
    if (r->existed)
        return NK_OK;
    const nk_compat_mode *mode = &nk_compat_modes[r->schema.compat];
    bool judge_now =
        !r->unjudged && r->schema.latest && (mode->backward || mode->forward || mode->closed);
    return (j->judged || judge_now || r->schema.contracts) && r->schema.change != j->change
               ? changed(err)
               : NK_OK;
}

static nk_code insert_schema(nk_tx *tx, job *j, nk_err *err)
{
    nk_registration *r = j->r;
    nk_schema_row other;
    nk_code rc = nk_schema_save(tx, j->ctx, &r->schema, true, err);
    if (rc == NK_E_EXISTS) { /* another one has come, or the old one is still being deleted */
        rc = nk_schema_load(tx, j->ctx, r->registry, r->name, &other, NULL);
        return rc == NK_OK ? changed(err)
                           : nk_fail(err, NK_E_EXISTS, "Schema already exists. SchemaName: %.*s",
                                     NK_STR_ARG(r->name));
    }
    NK_TRY(rc);
    if (!r->tags || !r->tags->n)
        return NK_OK;
    nk_str resource = nk_schema_resource(j->ctx->arena, r->registry, r->name);
    return resource.p ? nk_tags_put(tx, j->ctx->region, resource, r->tags, j->ctx->arena, err)
                      : nomem(err);
}

nk_code nk_registration_write(nk_tx *tx, nk_registration *r, nk_err *err)
{
    job *j = r->job;
    r->existed = false;
    NK_TRY(j->was_there ? look_again(tx, j, err) : make_schema(tx, j, err));
    if (r->existed)
        return NK_OK;
    if (r->text.p)
        NK_TRY(write_version(tx, j, err));
    if (!j->was_there)
        return insert_schema(tx, j, err);
    NK_TRY(nk_schema_save(tx, j->ctx, &r->schema, false, err));
    return j->failed ? NK_OK : nk_registry_follow(tx, j->ctx, &r->schema, err);
}

nk_code nk_registration_prepare(const nk_reg_ctx *ctx, nk_registration *r, nk_err *err)
{
    job *j = NK_NEW(ctx->arena, job);
    if (!j)
        return nomem(err);
    r->job = j;
    j->ctx = ctx;
    j->r = r;
    NK_TRY(nk_uuid(ctx->app->env, j->uuid));
    return nk_store_read(ctx->app->store, prepare, j, err);
}

/* ---- asking ---- */

nk_code nk_registry_lookup(nk_tx *tx, const nk_reg_ctx *ctx, nk_registration *r, bool deleted,
                           nk_err *err)
{
    job j = {.ctx = ctx, .r = r};
    NK_TRY(nk_schema_load(tx, ctx, r->registry, r->name, &r->schema, err));
    if (r->format && r->format != r->schema.format)
        return nk_fail_schema(err, r->registry, r->name);
    NK_TRY(read_definition(tx, &j, r->schema.format, err));
    NK_TRY(find_with_contract(tx, &j, &r->schema, deleted ? NK_FIND_DELETED : NK_FIND_LIVE, err));
    if (!r->existed && ctx->door == NK_DOOR_GLUE)
        NK_TRY(find_equal(tx, &j, r->schema.id, NK_FIND_FAILED, &r->version, &r->existed, err));
    return r->existed ? NK_OK : nk_fail_schema(err, r->registry, r->name);
}

nk_code nk_registry_validate(nk_tx *tx, const nk_reg_ctx *ctx, const nk_schema_format *format,
                             nk_str text, nk_err *err)
{
    nk_registration r = {.registry = NK_DEFAULT_REGISTRY, .text = text};
    job j = {.ctx = ctx, .r = &r};
    NK_TRY(read_definition(tx, &j, format, err));
    return admit(&j, format, err);
}

nk_code nk_registry_check(nk_tx *tx, const nk_reg_ctx *ctx, nk_registration *r,
                          const int64_t *versions, size_t n, nk_err *err)
{
    job j = {.ctx = ctx, .r = r};
    numbers all = {0};
    NK_TRY(nk_schema_load(tx, ctx, r->registry, r->name, &r->schema, err));
    if (r->format && r->format != r->schema.format)
        return nk_fail(err, NK_E_INVALID, "The schema's data format is %.*s, not %.*s.",
                       NK_STR_ARG(r->schema.format->name), NK_STR_ARG(r->format->name));
    NK_TRY(read_definition(tx, &j, r->schema.format, err));
    NK_TRY(make_contract(tx, &j, &r->schema, err));
    if (!versions) {
        NK_TRY(bases_of(tx, &j, &r->schema, &all, err));
        versions = all.v;
        n = all.n;
    }
    return judge(tx, &j, &r->schema, versions, n, err);
}
