/* The Confluent door below /confluent: the registry's schemas as subjects and versions. One row a
 * route; what a route does is registry/subjects.h. Basic auth or a bearer token (ACCESS:SECRET)
 * made of a key pair; it acts in the server's --region. */
#include <stdio.h>

#include "api/api_int.h"
#include "registry/protobuf.h"
#include "registry/subjects.h"

typedef struct cf cf;

/* READ: on the HTTP thread, in a read transaction. SLOW: on a task thread, in a read transaction.
 * WRITE: on a task thread, in the writer's. QUICK: without one; on the HTTP thread with ctx.quick,
 * and on a task thread when that gives NK_E_NOT_READY. */
typedef enum { CF_READ, CF_SLOW, CF_WRITE, CF_QUICK } cf_mode;

typedef struct route {
    const char *method, *path;
    cf_mode mode;
    nk_code (*run)(cf *x, nk_tx *tx, nk_err *err);
} route;

struct cf {
    nk_waiting waiting;
    nk_reg_ctx ctx;
    nk_err err;
    nk_api *api;
    nk_http_req *req;
    const route *route;
    nk_subject subject;
    nk_str subject_text, version, id; /* of the path, unescaped */
    nk_json *body;
    nk_buf *out;
    nk_registration registration; /* of a POST of a version */
    nk_last last;                 /* what a task leaves for the writer */
    nk_code code;
    bool plain;      /* the answer is a definition, not JSON of ours */
    unsigned status; /* of a good answer; 0 = 200 */
    char request_id[37];
};

#define CONTENT_TYPE "application/vnd.schemaregistry.v1+json"

/* ---- answering ---- */

static void answer(cf *x, unsigned status)
{
    nk_header headers[2] = {{NK_STR("x-request-id"), nk_str_n(x->request_id, 36)}};
    nk_http_answer a = {.status = status,
                        .content_type = CONTENT_TYPE,
                        .body = nk_buf_view(x->out),
                        .headers = headers,
                        .nheaders = 1};
    if (status == 401)
        headers[a.nheaders++] =
            (nk_header){NK_STR("WWW-Authenticate"), NK_STR("Basic realm=\"nikawa\"")};
    nk_http_answer_now(x->req, &a);
}

static void classify(const cf *x, unsigned *status, int64_t *error)
{
    static const struct {
        nk_code code;
        unsigned status;
        int64_t error;
    } rows[] = {
        {NK_E_AUTH_MISSING, 401, 401},   {NK_E_AUTH_UNKNOWN_KEY, 401, 401},
        {NK_E_AUTH_SIGNATURE, 401, 401}, {NK_E_TOO_LARGE, 413, 413},
        {NK_E_THROTTLED, 429, 429},      {NK_E_UNAVAILABLE, 503, 50001},
        {NK_E_SERIALIZATION, 400, 400},  {NK_E_UNKNOWN_OPERATION, 404, 404},
        {NK_E_CONFLICT, 500, 50003},     {NK_E_LIMIT, 422, 42202},
        {NK_E_INVALID, 422, 42201},      {NK_E_NOT_FOUND, 404, 40403},
    };
    if (nk_str_i64(nk_str_c(x->err.aws), error)) {
        *status = (unsigned)(*error >= 10000 ? *error / 100 : *error);
        return;
    }
    for (size_t i = 0; i < NK_COUNTOF(rows); i++) {
        if (rows[i].code == x->code) {
            *status = rows[i].status;
            *error = rows[i].error;
            return;
        }
    }
    *status = 500;
    *error = 50001;
}

static void answer_error(cf *x)
{
    unsigned status;
    int64_t error;
    nk_json_writer w = {.buf = x->out};
    classify(x, &status, &error);
    if (status == 500) {
        nk_error("api", "confluent %.*s %.*s failed inside: %s request=%s code=%s",
                 NK_STR_ARG(x->req->method), NK_STR_ARG(x->req->path), x->err.msg, x->request_id,
                 nk_code_name(x->code));
        snprintf(x->err.msg, sizeof x->err.msg,
                 "Error in the backend data store. The server's log tells more of request %s",
                 x->request_id);
    }
    nk_buf_clear(x->out);
    nk_jw_object(&w);
    nk_jw_ki64(&w, "error_code", error);
    nk_jw_kcstr(&w, "message", x->err.msg);
    nk_jw_object_end(&w);
    answer(x, status);
}

static void respond(nk_waiting *waiting)
{
    cf *x = (cf *)waiting;
    if (x->code == NK_OK)
        x->code = nk_buf_check(x->out, &x->err);
    if (x->code == NK_OK)
        answer(x, x->status ? x->status : 200);
    else
        answer_error(x);
}

/* ---- reading requests ---- */

static nk_str param(cf *x, const char *name)
{
    return x->req->query.n ? nk_query_param(x->req->query, name, x->req->arena) : NK_STR_NULL;
}

/* Every value of a parameter that may stand more than once. */
static nk_code params(cf *x, const char *name, nk_strs *out, nk_err *err)
{
    nk_str rest = x->req->query, one;
    while (nk_str_split(&rest, '&', &one)) {
        nk_str v = nk_query_param(one, name, x->req->arena);
        nk_str *place = v.p ? nk_strs_add(out, x->req->arena) : NULL;
        if (v.p && !place)
            return nk_fail(err, NK_E_NOMEM, "out of memory");
        if (v.p)
            *place = v;
    }
    return NK_OK;
}

static bool flag(cf *x, const char *name)
{
    return nk_str_ieq(param(x, name), NK_STR("true"));
}

static nk_shown shown(cf *x)
{
    return flag(x, "deletedOnly") ? NK_ONLY_DELETED
           : flag(x, "deleted")   ? NK_WITH_DELETED
                                  : NK_LIVE;
}

/* offset and limit of a list; limit -1 or absent = all. */
static nk_code page(cf *x, size_t n, size_t *from, size_t *to, nk_err *err)
{
    nk_str offset = param(x, "offset"), limit = param(x, "limit");
    int64_t o = 0, l = -1;
    if ((offset.n && (!nk_str_i64(offset, &o) || o < 0)) || (limit.n && !nk_str_i64(limit, &l)))
        return nk_fail(err, NK_E_SERIALIZATION, "offset and limit must be whole numbers");
    *from = (uint64_t)o > n ? n : (size_t)o;
    *to = l < 0 || (uint64_t)l > n - *from ? n : *from + (size_t)l;
    return NK_OK;
}

static nk_code unsupported(const nk_json *body, const char *const *known, nk_err *err)
{
    for (const nk_json *m = body->first; m; m = m->next) {
        bool found = m->kind == NK_JSON_NULL || m->kind == NK_JSON_FALSE ||
                     (m->kind == NK_JSON_ARRAY && !m->first);
        for (size_t i = 0; known[i]; i++)
            found = found || nk_str_is(m->key, known[i]);
        if (!found)
            return nk_cf_fail(err, NK_CF_INVALID_SCHEMA,
                              "'%.*s' is not supported here: leave it "
                              "out",
                              NK_STR_ARG(m->key));
    }
    return NK_OK;
}

static nk_code read_references(cf *x, nk_registration *r, nk_err *err)
{
    const nk_json *list = nk_json_get(x->body, "references");
    if (!list || list->kind == NK_JSON_NULL)
        return NK_OK;
    for (const nk_json *m = list->first; m; m = m->next) {
        nk_schema_link *k = nk_schema_links_add(&r->links, x->req->arena);
        nk_subject to;
        nk_str subject = nk_json_str(m, "subject"), name = nk_json_str(m, "name");
        if (!k)
            return nk_fail(err, NK_E_NOMEM, "out of memory");
        if (!name.n || !subject.n)
            return nk_cf_fail(err, NK_CF_INVALID_SCHEMA,
                              "Invalid schema: a reference must have name, subject and version");
        NK_TRY(nk_subject_parse(&x->ctx, subject, &to, err));
        *k = (nk_schema_link){.name = name,
                              .registry_name = to.registry,
                              .schema_name = to.name,
                              .version = nk_json_i64(m, "version", -1)};
    }
    return NK_OK;
}

/* Some clients send Protobuf definitions as base64 of their descriptors. */
static nk_code read_descriptor(cf *x, nk_registration *r, nk_err *err)
{
    nk_str bytes, text;
    if (r->format != &nk_schema_format_protobuf ||
        nk_base64_decode(x->req->arena, r->text, &bytes) != NK_OK || !bytes.n)
        return NK_OK;
    nk_code rc = nk_protobuf_text_of(bytes, x->req->arena, &text, err);
    if (rc == NK_E_INVALID)
        return nk_cf_fail(err, NK_CF_INVALID_SCHEMA, "Invalid schema: %s", err ? err->msg : "");
    r->text = text;
    return rc;
}

static nk_code read_contract(cf *x, nk_registration *r, nk_err *err)
{
    nk_json *metadata, *rules;
    NK_TRY(nk_contract_metadata(x->req->arena, nk_json_get(x->body, "metadata"), &metadata, err));
    NK_TRY(nk_contract_rules(x->req->arena, nk_json_get(x->body, "ruleSet"), &rules, err));
    r->contract = (nk_contract){metadata, rules};
    return NK_OK;
}

/* A contract without a definition is one for the latest definition. */
typedef struct previous {
    cf *x;
    nk_registration *r;
} previous;

static nk_code previous_text(nk_tx *tx, void *arg, nk_err *err)
{
    previous *p = arg;
    nk_subject_version v;
    nk_err why = NK_ERR_INIT;
    nk_subject s = p->x->subject;
    nk_code rc = nk_subject_alias(tx, &p->x->ctx, &s, &why);
    if (rc == NK_OK)
        rc = nk_subject_get(tx, &p->x->ctx, &s, 0, false, &v, &why);
    if (rc == NK_E_NOT_FOUND)
        return NK_OK;
    if (rc != NK_OK)
        return nk_fail(err, rc, "%s", why.msg);
    p->r->text = v.version.text;
    p->r->format = v.schema.format;
    p->r->links = v.links;
    return NK_OK;
}

static nk_code read_schema(cf *x, nk_registration *r, nk_err *err)
{
    static const char *const known[] = {"schema",  "schemaType", "references", "id",      "version",
                                        "subject", "guid",       "metadata",   "ruleSet", NULL};
    nk_str type = nk_json_str(x->body, "schemaType");
    *r = (nk_registration){.text = nk_json_str(x->body, "schema")};
    if (!x->body || x->body->kind != NK_JSON_OBJECT)
        return nk_fail(err, NK_E_SERIALIZATION, "The body must be a JSON object with a schema");
    NK_TRY(unsupported(x->body, known, err));
    r->format = nk_schema_format_find(type.n ? type : NK_STR("AVRO"));
    if (!r->format)
        return nk_cf_fail(err, NK_CF_INVALID_SCHEMA, "Invalid schema type %.*s", NK_STR_ARG(type));
    NK_TRY(read_contract(x, r, err));
    r->normalize = flag(x, "normalize");
    if (!r->text.n && (r->contract.metadata || r->contract.rules))
        NK_TRY(nk_store_read(x->api->app->store, previous_text, &(previous){x, r}, err));
    if (!r->text.n)
        return nk_cf_fail(err, NK_CF_INVALID_SCHEMA, "Empty schema");
    if (r->text.n > NK_SCHEMA_TEXT_MAX)
        return nk_cf_fail(err, NK_CF_INVALID_SCHEMA, "Invalid schema: longer than %d bytes",
                          NK_SCHEMA_TEXT_MAX);
    if (!nk_utf8_valid(r->text))
        return nk_cf_fail(err, NK_CF_INVALID_SCHEMA, "Invalid schema: it is not valid UTF-8");
    NK_TRY(read_descriptor(x, r, err));
    r->number = nk_json_i64(x->body, "id", 0);
    r->want_version = nk_json_i64(x->body, "version", 0);
    if (r->number < 0 || r->number > INT32_MAX)
        r->number = 0; /* clients send -1 for none */
    if (r->want_version < 0)
        r->want_version = 0;
    return read_references(x, r, err);
}

/* ---- writing what is told of a version ---- */

static void put_type(nk_json_writer *w, const nk_schema_row *s)
{
    if (s->format != &nk_schema_format_avro)
        nk_jw_kstr(w, "schemaType", s->format->name);
}

static void put_references(cf *x, nk_json_writer *w, const nk_schema_links *links)
{
    if (!links->n)
        return;
    nk_jw_key(w, NK_STR("references"));
    nk_jw_array(w);
    for (size_t i = 0; i < links->n; i++) {
        const nk_schema_link *k = &links->v[i];
        nk_jw_object(w);
        nk_jw_kstr(w, "name", k->name);
        nk_jw_kstr(w, "subject", nk_subject_text(&x->ctx, k->registry_name, k->schema_name));
        nk_jw_ki64(w, "version", k->version);
        nk_jw_object_end(w);
    }
    nk_jw_array_end(w);
}

/* The definition as ?format= wants it. */
static nk_code text_of(cf *x, nk_tx *tx, nk_subject_version *v, nk_err *err)
{
    nk_schema_doc *doc;
    nk_buf b;
    NK_TRY(nk_version_text(&x->ctx, &v->version, err));
    if (v->schema.format != &nk_schema_format_protobuf ||
        !nk_str_is(param(x, "format"), "serialized"))
        return NK_OK;
    NK_TRY(nk_version_parse(tx, &x->ctx, &v->schema, &v->version, &doc, err));
    nk_buf_init(&b, 16 << 20);
    nk_code rc =
        nk_protobuf_descriptor((const nk_protobuf *)(const void *)doc, NK_STR("default"), &b, err);
    if (rc == NK_OK) {
        v->version.text = nk_base64_encode(x->req->arena, nk_buf_view(&b));
        rc = v->version.text.p ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
    }
    nk_buf_free(&b);
    return rc;
}

static nk_code put_contract(cf *x, nk_json_writer *w, const nk_version_row *v, nk_err *err)
{
    nk_contract c;
    NK_TRY(nk_contract_parse(x->req->arena, v->contract, &c, err));
    if (c.metadata) {
        nk_jw_key(w, NK_STR("metadata"));
        nk_jw_tree(w, c.metadata);
    }
    if (c.rules) {
        nk_jw_key(w, NK_STR("ruleSet"));
        nk_jw_tree(w, c.rules);
    }
    return NK_OK;
}

static nk_code put_version(cf *x, nk_json_writer *w, const nk_subject_version *v, nk_err *err)
{
    nk_jw_object(w);
    nk_jw_kstr(w, "subject", nk_subject_text(&x->ctx, v->schema.registry_name, v->schema.name));
    nk_jw_ki64(w, "version", v->version.version);
    nk_jw_ki64(w, "id", v->version.number);
    nk_jw_kstr(w, "guid", v->version.uuid);
    put_type(w, &v->schema);
    put_references(x, w, &v->links);
    NK_TRY(put_contract(x, w, &v->version, err));
    nk_jw_kstr(w, "schema", v->version.text);
    if (v->version.state == NK_VERSION_DELETED)
        nk_jw_kbool(w, "deleted", true);
    nk_jw_object_end(w);
    return NK_OK;
}

static void put_numbers(nk_json_writer *w, const nk_i64s *l, size_t from, size_t to)
{
    nk_jw_array(w);
    for (size_t i = from; i < to; i++)
        nk_jw_i64(w, l->v[i]);
    nk_jw_array_end(w);
}

/* ---- schemas by number ---- */

static nk_code need_number(cf *x, int64_t *out, nk_err *err)
{
    if (nk_str_i64(x->id, out) && *out > 0)
        return NK_OK;
    return nk_cf_fail(err, NK_CF_SCHEMA_NOT_FOUND, "Schema %.*s not found", NK_STR_ARG(x->id));
}

/* The definition as the JSON string it is stored as, and the format's name. */
static nk_code raw_text(cf *x, const nk_version_row *v, nk_str *out, nk_str *format, nk_err *err)
{
    nk_json_reader r;
    nk_str raw;
    *out = *format = NK_STR_NULL;
    nk_json_begin(&r, v->reply, x->req->arena, 0, err);
    NK_TRY(nk_json_next(&r));
    while (!out->p || !format->p) {
        NK_TRY(nk_json_next(&r));
        if (r.token != NK_JSON_KEY)
            return nk_fail(err, NK_E_INTERNAL, "a version without a definition");
        nk_str *into = nk_str_is(r.text, "SchemaDefinition") ? out
                       : nk_str_is(r.text, "DataFormat")     ? format
                                                             : &raw;
        r.skipping = true; /* its text is wanted as it stands */
        NK_TRY(nk_json_next(&r));
        NK_TRY(nk_json_raw(&r, into));
        r.skipping = false;
    }
    return NK_OK;
}

static nk_code put_schema(cf *x, nk_tx *tx, nk_subject_version *v, nk_err *err)
{
    nk_json_writer w = {.buf = x->out};
    nk_str raw, format;
    NK_TRY(raw_text(x, &v->version, &raw, &format, err));
    if (x->plain || param(x, "format").n) {
        NK_TRY(nk_schema_load_id(tx, &x->ctx, v->version.schema, &v->schema, err));
        NK_TRY(text_of(x, tx, v, err));
        raw = NK_STR_NULL;
    }
    if (x->plain)
        return nk_buf_str(x->out, v->version.text);
    nk_jw_object(&w);
    nk_jw_key(&w, NK_STR("schema"));
    if (raw.p)
        nk_jw_raw(&w, raw);
    else
        nk_jw_str(&w, v->version.text);
    if (!nk_str_is(format, "\"AVRO\"")) {
        nk_jw_key(&w, NK_STR("schemaType"));
        nk_jw_raw(&w, format);
    }
    put_references(x, &w, &v->links);
    NK_TRY(put_contract(x, &w, &v->version, err));
    nk_jw_kstr(&w, "guid", v->version.uuid);
    if (flag(x, "fetchMaxId")) {
        int64_t max;
        NK_TRY(nk_number_max(tx, &x->ctx, &max, err));
        nk_jw_ki64(&w, "maxId", max);
    }
    nk_jw_object_end(&w);
    return NK_OK;
}

/* Nothing in it but the id: its answer is kept. */
static bool plain_question(cf *x)
{
    static const char *const names[] = {"format", "fetchMaxId", "subject"};
    bool plain = !x->plain;
    for (size_t i = 0; plain && x->req->query.n && i < NK_COUNTOF(names); i++)
        plain = !param(x, names[i]).p;
    return plain;
}

static nk_code read_by_id(nk_tx *tx, void *arg, nk_err *err)
{
    cf *x = arg;
    nk_subject_versions v;
    int64_t number;
    NK_TRY(need_number(x, &number, err));
    NK_TRY(nk_number_versions(tx, &x->ctx, number, NK_WITH_DELETED, true, &v, err));
    NK_TRY(put_schema(x, tx, &v.v[0], err));
    if (plain_question(x))
        nk_reply_keep(tx, &x->ctx, x->id, nk_buf_view(x->out));
    return NK_OK;
}

static nk_code schema_by_id(cf *x, nk_tx *tx, nk_err *err)
{
    nk_str kept = plain_question(x) ? nk_reply_recall(&x->ctx, x->id) : NK_STR_NULL;
    return kept.p ? nk_buf_str(x->out, kept)
                  : nk_store_read(x->api->app->store, read_by_id, x, err);
}

static nk_code text_by_id(cf *x, nk_tx *tx, nk_err *err)
{
    x->plain = true;
    return schema_by_id(x, tx, err);
}

static nk_code by_guid(cf *x, nk_tx *tx, nk_subject_version *v, nk_err *err)
{
    nk_code rc = nk_version_by_uuid(tx, &x->ctx, x->id, &v->version, err);
    if (rc == NK_E_NOT_FOUND || (rc == NK_OK && v->version.state == NK_VERSION_FAILED))
        return nk_cf_fail(err, NK_CF_SCHEMA_NOT_FOUND, "Schema %.*s not found", NK_STR_ARG(x->id));
    NK_TRY(rc);
    NK_TRY(nk_schema_load_id(tx, &x->ctx, v->version.schema, &v->schema, err));
    return nk_version_links_of(tx, &x->ctx, &v->version, &v->links, err);
}

static nk_code schema_by_guid(cf *x, nk_tx *tx, nk_err *err)
{
    nk_subject_version v = {0};
    NK_TRY(by_guid(x, tx, &v, err));
    return put_schema(x, tx, &v, err);
}

static nk_code ids_by_guid(cf *x, nk_tx *tx, nk_err *err)
{
    nk_subject_version v = {0};
    nk_json_writer w = {.buf = x->out};
    NK_TRY(by_guid(x, tx, &v, err));
    nk_jw_array(&w);
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "context", ".");
    nk_jw_ki64(&w, "id", v.version.number);
    nk_jw_object_end(&w);
    nk_jw_array_end(&w);
    return NK_OK;
}

static nk_code of_id(cf *x, nk_tx *tx, bool versions, nk_err *err)
{
    nk_subject_versions v;
    nk_json_writer w = {.buf = x->out};
    int64_t number;
    size_t from, to;
    nk_str only = param(x, "subject"), last = NK_STR_NULL;
    NK_TRY(need_number(x, &number, err));
    NK_TRY(nk_number_versions(tx, &x->ctx, number, shown(x), false, &v, err));
    NK_TRY(page(x, v.n, &from, &to, err));
    nk_jw_array(&w);
    for (size_t i = from; i < to; i++) {
        nk_str subject = nk_subject_text(&x->ctx, v.v[i].schema.registry_name, v.v[i].schema.name);
        if (only.n && !nk_str_eq(only, subject))
            continue;
        if (versions) {
            nk_jw_object(&w);
            nk_jw_kstr(&w, "subject", subject);
            nk_jw_ki64(&w, "version", v.v[i].version.version);
            nk_jw_object_end(&w);
        } else if (!nk_str_eq(subject, last)) {
            nk_jw_str(&w, subject);
        }
        last = subject;
    }
    nk_jw_array_end(&w);
    return NK_OK;
}

static nk_code subjects_of_id(cf *x, nk_tx *tx, nk_err *err)
{
    return of_id(x, tx, false, err);
}

static nk_code versions_of_id(cf *x, nk_tx *tx, nk_err *err)
{
    return of_id(x, tx, true, err);
}

static nk_code schema_types(cf *x, nk_tx *tx, nk_err *err)
{
    nk_json_writer w = {.buf = x->out};
    nk_jw_array(&w);
    for (int64_t i = 0; nk_schema_format_at(i); i++)
        nk_jw_str(&w, nk_schema_format_at(i)->name);
    nk_jw_array_end(&w);
    return NK_OK;
}

/* ---- subjects ---- */

/* subjectPrefix may name a context: ":.other:" alone is all of its subjects. */
static nk_code list_subjects(cf *x, nk_tx *tx, nk_strs *out, nk_err *err)
{
    nk_str prefix = param(x, "subjectPrefix"), registry = NK_STR_NULL;
    nk_subject s;
    if (!prefix.p)
        prefix = NK_STR("");
    if (nk_str_starts(prefix, NK_STR(":.")) && !nk_str_is(prefix, ":*:")) {
        nk_str one = nk_str_cat(x->req->arena, prefix, NK_STR("x"));
        NK_TRY(nk_subject_parse(&x->ctx, one, &s, err));
        registry = s.registry;
        prefix = nk_str_sub(s.name, 0, s.name.n - 1);
    } else if (nk_str_is(prefix, ":*:")) {
        prefix = NK_STR("");
    }
    return nk_subjects_list(tx, &x->ctx, registry, prefix, shown(x), out, err);
}

static nk_code get_subjects(cf *x, nk_tx *tx, nk_err *err)
{
    nk_json_writer w = {.buf = x->out};
    nk_strs names;
    size_t from, to;
    NK_TRY(list_subjects(x, tx, &names, err));
    NK_TRY(page(x, names.n, &from, &to, err));
    nk_jw_array(&w);
    for (size_t i = from; i < to; i++)
        nk_jw_str(&w, names.v[i]);
    nk_jw_array_end(&w);
    return NK_OK;
}

static nk_code put_versions_of(cf *x, nk_tx *tx, nk_json_writer *w, nk_str text, size_t *skip,
                               size_t *left, nk_err *err)
{
    nk_subject s;
    nk_i64s numbers;
    NK_TRY(nk_subject_parse(&x->ctx, text, &s, err));
    NK_TRY(nk_subject_numbers(tx, &x->ctx, &s, shown(x), &numbers, err));
    size_t i = flag(x, "latestOnly") && numbers.n ? numbers.n - 1 : 0;
    for (; i < numbers.n && *left; i++) {
        nk_subject_version v;
        if (*skip) {
            --*skip;
            continue;
        }
        NK_TRY(nk_subject_get(tx, &x->ctx, &s, numbers.v[i], true, &v, err));
        NK_TRY(put_version(x, w, &v, err));
        --*left;
    }
    return NK_OK;
}

static nk_code get_schemas(cf *x, nk_tx *tx, nk_err *err)
{
    nk_json_writer w = {.buf = x->out};
    nk_strs names;
    size_t from, to;
    NK_TRY(list_subjects(x, tx, &names, err));
    NK_TRY(page(x, SIZE_MAX / 2, &from, &to, err));
    size_t left = to - from;
    nk_jw_array(&w);
    for (size_t i = 0; i < names.n && left; i++)
        NK_TRY(put_versions_of(x, tx, &w, names.v[i], &from, &left, err));
    nk_jw_array_end(&w);
    return NK_OK;
}

static nk_code get_versions(cf *x, nk_tx *tx, nk_err *err)
{
    nk_json_writer w = {.buf = x->out};
    nk_i64s numbers;
    size_t from, to;
    NK_TRY(nk_subject_numbers(tx, &x->ctx, &x->subject, shown(x), &numbers, err));
    NK_TRY(page(x, numbers.n, &from, &to, err));
    put_numbers(&w, &numbers, from, to);
    return NK_OK;
}

static nk_code load_version(cf *x, nk_tx *tx, nk_subject_version *v, nk_err *err)
{
    int64_t number;
    NK_TRY(nk_subject_version_parse(x->version, &number, err));
    return nk_subject_get(tx, &x->ctx, &x->subject, number, flag(x, "deleted"), v, err);
}

static nk_code get_version(cf *x, nk_tx *tx, nk_err *err)
{
    nk_json_writer w = {.buf = x->out};
    nk_subject_version v;
    NK_TRY(load_version(x, tx, &v, err));
    NK_TRY(text_of(x, tx, &v, err));
    return put_version(x, &w, &v, err);
}

/* The latest version whose metadata has these properties: ?key=K&value=V, as often as wanted. */
static nk_code get_with_metadata(cf *x, nk_tx *tx, nk_err *err)
{
    nk_json_writer w = {.buf = x->out};
    nk_strs keys = {0}, values = {0};
    nk_i64s numbers;
    nk_subject_version v;
    bool deleted = flag(x, "deleted");
    NK_TRY(params(x, "key", &keys, err));
    NK_TRY(params(x, "value", &values, err));
    NK_TRY(nk_subject_numbers(tx, &x->ctx, &x->subject, deleted ? NK_WITH_DELETED : NK_LIVE,
                              &numbers, err));
    for (size_t i = numbers.n; i-- > 0;) {
        nk_contract c;
        NK_TRY(nk_subject_get(tx, &x->ctx, &x->subject, numbers.v[i], deleted, &v, err));
        NK_TRY(nk_contract_parse(x->req->arena, v.version.contract, &c, err));
        bool all = nk_json_get(c.metadata, "properties") != NULL;
        for (size_t k = 0; all && k < keys.n && k < values.n; k++) {
            nk_str p = nk_contract_property(&c, keys.v[k]);
            all = p.p && nk_str_eq(p, values.v[k]);
        }
        if (!all)
            continue;
        NK_TRY(text_of(x, tx, &v, err));
        return put_version(x, &w, &v, err);
    }
    return nk_cf_fail(err, NK_CF_SCHEMA_NOT_FOUND, "Schema not found");
}

static nk_code get_version_text(cf *x, nk_tx *tx, nk_err *err)
{
    nk_subject_version v;
    NK_TRY(load_version(x, tx, &v, err));
    NK_TRY(text_of(x, tx, &v, err));
    return nk_buf_str(x->out, v.version.text);
}

static nk_code get_referenced_by(cf *x, nk_tx *tx, nk_err *err)
{
    nk_json_writer w = {.buf = x->out};
    nk_subject_version v;
    nk_i64s numbers;
    size_t from, to;
    NK_TRY(load_version(x, tx, &v, err));
    NK_TRY(nk_subject_referenced_by(tx, &x->ctx, &v, &numbers, err));
    NK_TRY(page(x, numbers.n, &from, &to, err));
    put_numbers(&w, &numbers, from, to);
    return NK_OK;
}

static nk_code put_registered(cf *x)
{
    const nk_version_row *v = &x->registration.version;
    nk_json_writer w = {.buf = x->out};
    nk_buf_clear(x->out); /* a closure may run again */
    nk_jw_object(&w);
    nk_jw_ki64(&w, "id", v->number);
    nk_jw_ki64(&w, "version", v->version);
    nk_jw_kstr(&w, "guid", v->uuid); /* no schema: clients keep the text they sent */
    nk_jw_object_end(&w);
    return NK_OK;
}

static nk_code write_registered(nk_tx *tx, void *arg, nk_err *err)
{
    cf *x = arg;
    NK_TRY(nk_subject_write(tx, &x->ctx, &x->subject, &x->registration, err));
    return put_registered(x);
}

static nk_code post_version(cf *x, nk_tx *tx, nk_err *err)
{
    nk_registration *r = &x->registration;
    NK_TRY(nk_subject_parse(&x->ctx, x->subject_text, &x->subject, err));
    NK_TRY(read_schema(x, r, err));
    NK_TRY(nk_subject_prepare(&x->ctx, &x->subject, r, err));
    if (r->existed)
        return put_registered(x);
    x->last = (nk_last){write_registered, x};
    return NK_OK;
}

static nk_code post_lookup(cf *x, nk_tx *tx, nk_err *err)
{
    nk_json_writer w = {.buf = x->out};
    nk_registration r;
    nk_subject_version v = {0};
    NK_TRY(read_schema(x, &r, err));
    NK_TRY(nk_subject_lookup(tx, &x->ctx, &x->subject, flag(x, "deleted"), &r, err));
    v.schema = r.schema;
    v.version = r.version;
    NK_TRY(text_of(x, tx, &v, err));
    NK_TRY(nk_version_links_of(tx, &x->ctx, &v.version, &v.links, err));
    return put_version(x, &w, &v, err);
}

static nk_code delete_subject(cf *x, nk_tx *tx, nk_err *err)
{
    nk_json_writer w = {.buf = x->out};
    nk_i64s numbers;
    NK_TRY(nk_subject_delete(tx, &x->ctx, &x->subject, flag(x, "permanent"), &numbers, err));
    put_numbers(&w, &numbers, 0, numbers.n);
    return NK_OK;
}

static nk_code delete_version(cf *x, nk_tx *tx, nk_err *err)
{
    int64_t version;
    NK_TRY(nk_subject_version_parse(x->version, &version, err));
    NK_TRY(nk_subject_version_delete(tx, &x->ctx, &x->subject, version, flag(x, "permanent"),
                                     &version, err));
    return nk_buf_printf(x->out, "%lld", (long long)version);
}

/* ---- compatibility ---- */

static nk_code check(cf *x, nk_tx *tx, int64_t version, nk_err *err)
{
    nk_json_writer w = {.buf = x->out};
    nk_registration r;
    bool compatible;
    NK_TRY(read_schema(x, &r, err));
    NK_TRY(nk_subject_check(tx, &x->ctx, &x->subject, version, &r, &compatible, err));
    nk_jw_object(&w);
    nk_jw_kbool(&w, "is_compatible", compatible);
    if (flag(x, "verbose")) {
        nk_jw_key(&w, NK_STR("messages"));
        nk_jw_array(&w);
        for (size_t i = 0; i < r.conflicts.n; i++)
            nk_jw_str(&w, nk_conflict_confluent(&r.conflicts.v[i], x->req->arena));
        if (r.conflicts.n)
            nk_jw_str(&w, nk_str_printf(x->req->arena, "{oldSchemaVersion: %lld}",
                                        (long long)r.conflicts.v[0].version));
        nk_jw_array_end(&w);
    }
    nk_jw_object_end(&w);
    return NK_OK;
}

static nk_code check_version(cf *x, nk_tx *tx, nk_err *err)
{
    int64_t version;
    NK_TRY(nk_subject_version_parse(x->version, &version, err));
    return check(x, tx, version, err);
}

static nk_code check_all(cf *x, nk_tx *tx, nk_err *err)
{
    return check(x, tx, -1, err);
}

/* ---- settings ---- */

static const nk_subject *place(const cf *x)
{
    return x->subject_text.p ? &x->subject : NULL;
}

static nk_code put_one(cf *x, const char *key, nk_str value)
{
    nk_json_writer w = {.buf = x->out};
    nk_jw_object(&w);
    nk_jw_kstr(&w, key, value);
    nk_jw_object_end(&w);
    return NK_OK;
}

static nk_code get_config(cf *x, nk_tx *tx, nk_err *err)
{
    nk_json_writer w = {.buf = x->out};
    return nk_config_get(tx, &x->ctx, place(x), flag(x, "defaultToGlobal"), &w, err);
}

static nk_code put_config(cf *x, nk_tx *tx, nk_err *err)
{
    nk_json_writer w = {.buf = x->out};
    if (!x->body || x->body->kind != NK_JSON_OBJECT)
        return nk_fail(err, NK_E_SERIALIZATION, "The body must be a JSON object");
    return nk_config_put(tx, &x->ctx, place(x), x->body, &w, err);
}

static nk_code delete_config(cf *x, nk_tx *tx, nk_err *err)
{
    nk_json_writer w = {.buf = x->out};
    return nk_config_delete(tx, &x->ctx, place(x), &w, err);
}

static nk_code get_mode(cf *x, nk_tx *tx, nk_err *err)
{
    nk_str mode;
    NK_TRY(nk_mode_get(tx, &x->ctx, place(x), flag(x, "defaultToGlobal"), &mode, err));
    return put_one(x, "mode", mode);
}

static nk_code put_mode(cf *x, nk_tx *tx, nk_err *err)
{
    nk_str mode = nk_json_str(x->body, "mode");
    NK_TRY(nk_mode_put(tx, &x->ctx, place(x), mode, flag(x, "force"), err));
    return put_one(x, "mode", mode);
}

static nk_code delete_mode(cf *x, nk_tx *tx, nk_err *err)
{
    nk_str mode;
    NK_TRY(nk_mode_delete(tx, &x->ctx, place(x), &mode, err));
    return put_one(x, "mode", mode);
}

/* ---- the server ---- */

static nk_code get_contexts(cf *x, nk_tx *tx, nk_err *err)
{
    nk_json_writer w = {.buf = x->out};
    nk_strs names;
    nk_str last = NK_STR_NULL;
    size_t from, to;
    NK_TRY(nk_subjects_list(tx, &x->ctx, NK_STR_NULL, NK_STR(""), NK_WITH_DELETED, &names, err));
    nk_str prefix = param(x, "contextPrefix");
    /* subjects come registry by registry */
    nk_strs all = {0};
    nk_str *s = nk_strs_add(&all, x->req->arena);
    if (!s)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    *s = NK_STR(".");
    for (size_t i = 0; i < names.n; i++) {
        nk_subject sub;
        NK_TRY(nk_subject_parse(&x->ctx, names.v[i], &sub, err));
        if (nk_str_eq(sub.registry, NK_DEFAULT_REGISTRY) || nk_str_eq(sub.registry, last))
            continue;
        last = sub.registry;
        if (prefix.n && !nk_str_starts(sub.registry, nk_str_starts(prefix, NK_STR("."))
                                                         ? nk_str_sub(prefix, 1, prefix.n)
                                                         : prefix))
            continue;
        s = nk_strs_add(&all, x->req->arena);
        if (!s)
            return nk_fail(err, NK_E_NOMEM, "out of memory");
        *s = nk_str_printf(x->req->arena, ".%.*s", NK_STR_ARG(sub.registry));
    }
    NK_TRY(page(x, all.n, &from, &to, err));
    nk_jw_array(&w);
    for (size_t i = from; i < to; i++)
        nk_jw_str(&w, all.v[i]);
    nk_jw_array_end(&w);
    return NK_OK;
}

/* ".other" or "other": only one that has no subjects, soft-deleted ones included. */
static nk_code delete_context(cf *x, nk_tx *tx, nk_err *err)
{
    nk_str name = nk_str_starts(x->id, NK_STR(":")) ? nk_str_sub(x->id, 1, x->id.n) : x->id;
    if (nk_str_ends(name, NK_STR(":")))
        name.n--;
    if (nk_str_starts(name, NK_STR(".")))
        name = nk_str_sub(name, 1, name.n);
    x->status = 204;
    return nk_context_delete(tx, &x->ctx, name.n ? name : NK_DEFAULT_REGISTRY, err);
}

static nk_code get_root(cf *x, nk_tx *tx, nk_err *err)
{
    return nk_buf_puts(x->out, "{}");
}

static nk_code get_cluster(cf *x, nk_tx *tx, nk_err *err)
{
    nk_json_writer w = {.buf = x->out};
    nk_jw_object(&w);
    nk_jw_key(&w, NK_STR("scope"));
    nk_jw_object(&w);
    nk_jw_key(&w, NK_STR("path"));
    nk_jw_array(&w);
    nk_jw_array_end(&w);
    nk_jw_key(&w, NK_STR("clusters"));
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "schema-registry-cluster", "nikawa");
    nk_jw_object_end(&w);
    nk_jw_object_end(&w);
    nk_jw_object_end(&w);
    return NK_OK;
}

static nk_code get_release(cf *x, nk_tx *tx, nk_err *err)
{
    return put_one(x, "version", NK_STR(NK_VERSION));
}

static const route routes[] = {
    {"GET", "schemas/ids/{id}", CF_QUICK, schema_by_id},
    {"GET", "schemas/ids/{id}/schema", CF_READ, text_by_id},
    {"GET", "schemas/ids/{id}/subjects", CF_READ, subjects_of_id},
    {"GET", "schemas/ids/{id}/versions", CF_READ, versions_of_id},
    {"GET", "schemas/guids/{id}", CF_READ, schema_by_guid},
    {"GET", "schemas/guids/{id}/ids", CF_READ, ids_by_guid},
    {"GET", "schemas/types", CF_READ, schema_types},
    {"GET", "schemas", CF_SLOW, get_schemas},
    {"GET", "subjects", CF_SLOW, get_subjects},
    {"POST", "subjects/{subject}", CF_SLOW, post_lookup},
    {"DELETE", "subjects/{subject}", CF_WRITE, delete_subject},
    {"GET", "subjects/{subject}/metadata", CF_SLOW, get_with_metadata},
    {"GET", "subjects/{subject}/versions", CF_READ, get_versions},
    {"POST", "subjects/{subject}/versions", CF_QUICK, post_version},
    {"GET", "subjects/{subject}/versions/{version}", CF_READ, get_version},
    {"DELETE", "subjects/{subject}/versions/{version}", CF_WRITE, delete_version},
    {"GET", "subjects/{subject}/versions/{version}/schema", CF_READ, get_version_text},
    {"GET", "subjects/{subject}/versions/{version}/referencedby", CF_READ, get_referenced_by},
    {"POST", "compatibility/subjects/{subject}/versions", CF_SLOW, check_all},
    {"POST", "compatibility/subjects/{subject}/versions/{version}", CF_SLOW, check_version},
    {"GET", "config", CF_READ, get_config},
    {"PUT", "config", CF_WRITE, put_config},
    {"DELETE", "config", CF_WRITE, delete_config},
    {"GET", "config/{subject}", CF_READ, get_config},
    {"PUT", "config/{subject}", CF_WRITE, put_config},
    {"DELETE", "config/{subject}", CF_WRITE, delete_config},
    {"GET", "mode", CF_READ, get_mode},
    {"PUT", "mode", CF_WRITE, put_mode},
    {"DELETE", "mode", CF_WRITE, delete_mode},
    {"GET", "mode/{subject}", CF_READ, get_mode},
    {"PUT", "mode/{subject}", CF_WRITE, put_mode},
    {"DELETE", "mode/{subject}", CF_WRITE, delete_mode},
    {"GET", "contexts", CF_SLOW, get_contexts},
    {"DELETE", "contexts/{id}", CF_WRITE, delete_context},
    {"GET", "v1/metadata/id", CF_READ, get_cluster},
    {"GET", "v1/metadata/version", CF_READ, get_release},
    {"GET", "", CF_READ, get_root},
    {"POST", "", CF_READ, get_root},
};

/* ---- routing ---- */

static bool match(cf *x, const route *r, nk_str path)
{
    nk_str pattern = nk_str_c(r->path), want, have;
    for (;;) {
        bool more = nk_str_split(&pattern, '/', &want);
        if (nk_str_split(&path, '/', &have) != more)
            return false;
        if (!more)
            return true;
        if (!want.n || want.p[0] != '{') {
            if (!nk_str_eq(want, have))
                return false;
            continue;
        }
        nk_str v = nk_uri_unescape(x->req->arena, have, false);
        if (nk_str_is(want, "{subject}"))
            x->subject_text = v;
        else if (nk_str_is(want, "{version}"))
            x->version = v;
        else
            x->id = v;
    }
}

static nk_code find_route(cf *x, nk_str path)
{
    if (nk_str_ends(path, NK_STR("/")))
        path.n--;
    for (size_t i = 0; i < NK_COUNTOF(routes); i++) {
        x->subject_text = x->version = x->id = NK_STR_NULL;
        if (!nk_str_is(x->req->method, routes[i].method) || !match(x, &routes[i], path))
            continue;
        x->route = &routes[i];
        return x->subject_text.p ? nk_subject_parse(&x->ctx, x->subject_text, &x->subject, &x->err)
                                 : NK_OK;
    }
    return nk_fail(&x->err, NK_E_UNKNOWN_OPERATION, "HTTP 404 Not Found: %.*s %.*s",
                   NK_STR_ARG(x->req->method), NK_STR_ARG(x->req->path));
}

/* ---- who asks ---- */

static nk_code check_pair(cf *x, nk_str pair)
{
    char secret[NK_KEY_SECRET_MAX + 1];
    ptrdiff_t colon = nk_str_chr(pair, ':');
    if (colon > 0 &&
        nk_keys_secret(x->api->keys, nk_str_sub(pair, 0, (size_t)colon), secret, NULL) == NK_OK) {
        nk_str given = nk_str_sub(pair, (size_t)colon + 1, pair.n);
        if (given.n == strlen(secret) && nk_equal_ct(given.p, secret, given.n))
            return NK_OK;
    }
    return nk_fail(
        &x->err, NK_E_AUTH_UNKNOWN_KEY,
        "Unauthorized: user and password must be the id and secret of a key pair of this "
        "server");
}

static nk_code authenticate(cf *x)
{
    nk_str h = nk_http_header(x->req, "authorization"), pair;
    bool basic = h.n > 6 && nk_str_ieq(nk_str_sub(h, 0, 6), NK_STR("Basic "));
    bool bearer = h.n > 7 && nk_str_ieq(nk_str_sub(h, 0, 7), NK_STR("Bearer "));
    if (!basic && !bearer)
        return nk_fail(
            &x->err, NK_E_AUTH_MISSING,
            "Unauthorized: basic auth or a bearer token (ID:SECRET) of a key pair of this "
            "server is required");
    nk_str text = nk_str_trim(nk_str_sub(h, basic ? 6 : 7, h.n));
    if (bearer && nk_str_chr(text, ':') > 0)
        return check_pair(x, text);
    if (nk_base64_decode(x->req->arena, text, &pair) != NK_OK)
        pair = NK_STR("");
    return check_pair(x, pair);
}

static nk_code read_body(cf *x)
{
    nk_err why = NK_ERR_INIT;
    if (!x->req->body.n || nk_str_is(x->req->method, "GET"))
        return NK_OK;
    nk_code rc = nk_json_parse(x->req->body, x->req->arena, 0, &x->body, &why);
    if (rc == NK_OK || rc == NK_E_NOMEM)
        return rc == NK_OK ? rc : nk_fail(&x->err, rc, "out of memory");
    return nk_fail(&x->err, NK_E_SERIALIZATION, "Cannot parse the body: %s", why.msg);
}

/* ---- running ---- */

static nk_code run_in_tx(nk_tx *tx, void *arg, nk_err *err)
{
    cf *x = arg;
    nk_buf_clear(x->out); /* a closure may run again */
    x->err.aws[0] = 0;
    if (!err)
        err = &x->err;
    if (nk_str_starts(nk_str_c(x->route->path), NK_STR("subjects/"))) {
        NK_TRY(nk_subject_parse(&x->ctx, x->subject_text, &x->subject, err));
        NK_TRY(nk_subject_alias(tx, &x->ctx, &x->subject, err));
    }
    return x->route->run(x, tx, err);
}

static nk_code run_here(cf *x)
{
    nk_store *store = x->api->app->store;
    switch (x->route->mode) {
    case CF_QUICK:
        return x->route->run(x, NULL, &x->err);
    case CF_WRITE:
        return nk_store_write(store, run_in_tx, x, &x->err);
    default:
        return nk_store_read(store, run_in_tx, x, &x->err);
    }
}

static void run_task(nk_waiting *waiting)
{
    cf *x = (cf *)waiting;
    x->last = (nk_last){0};
    x->ctx.quick = false;
    x->code = run_here(x);
    nk_tasks_finish(x->api, waiting, &x->last);
}

static void run(cf *x)
{
    x->ctx.quick = x->route->mode == CF_QUICK;
    if (x->route->mode == CF_READ || x->ctx.quick) {
        x->code = run_here(x);
        if (x->code != NK_E_NOT_READY && !x->last.write) {
            respond(&x->waiting);
            return;
        }
    }
    nk_http_defer(x->req);
    if (x->last.write) {
        nk_tasks_finish(x->api, &x->waiting, &x->last);
        return;
    }
    nk_tasks_add(x->api->tasks, &x->waiting);
}

/* What Confluent's answers can be asked for and ours cannot is refused, not left out. */
static nk_code no_such_parameter(cf *x)
{
    static const char *const names[] = {"findTags", "referenceFormat", "aliases",
                                        "ruleType", "resourceType",    "recursive"};
    for (size_t i = 0; x->req->query.n && i < NK_COUNTOF(names); i++) {
        nk_str v = param(x, names[i]);
        if (v.n && !nk_str_ieq(v, NK_STR("false")))
            return nk_cf_fail(&x->err, NK_CF_INVALID_SCHEMA,
                              "The parameter '%s' is not supported here: leave it out", names[i]);
    }
    return NK_OK;
}

static nk_code prepare(cf *x)
{
    static const char root[] = "/confluent";
    nk_str path = nk_str_sub(x->req->path, sizeof root - 1, x->req->path.n);
    if (nk_str_starts(path, NK_STR("/")))
        path = nk_str_sub(path, 1, path.n);
    if (x->req->too_large)
        return nk_fail(&x->err, NK_E_TOO_LARGE, "The request is larger than %zu bytes.",
                       x->api->app->settings->body_max_bytes);
    NK_TRY(authenticate(x));
    NK_TRY(find_route(x, path));
    NK_TRY(no_such_parameter(x));
    return read_body(x);
}

void nk_api_confluent(nk_api *api, nk_http_req *req)
{
    cf *x = NK_NEW(req->arena, cf);
    if (!x) {
        nk_http_answer a = {
            .status = 503, .content_type = "text/plain", .body = NK_STR("out of memory\n")};
        nk_http_answer_now(req, &a);
        return;
    }
    req->user = x;
    x->waiting = (nk_waiting){
        .req = req, .respond = respond, .task = run_task, .code = &x->code, .err = &x->err};
    x->api = api;
    x->req = req;
    x->out = &req->out;
    x->ctx = (nk_reg_ctx){.app = api->app,
                          .arena = req->arena,
                          .region = nk_str_c(api->app->settings->region),
                          .account = nk_str_c(api->app->settings->account_id),
                          .door = NK_DOOR_CONFLUENT};
    nk_api_request_id(x->request_id);
    x->code = prepare(x);
    if (x->code == NK_OK)
        run(x);
    else
        respond(&x->waiting);
}
