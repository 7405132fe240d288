/* Schemas: parsed once, kept by their id for all threads; the registry is asked for those not seen
 * yet. */
#include <stdio.h>
#include <stdlib.h>

#include "serde/serde_int.h"

static const char *const format_names[] = {"AVRO", "JSON", "PROTOBUF"};
static const nk_schema_format *const formats[] = {&nk_schema_format_avro, &nk_schema_format_json,
                                                  &nk_schema_format_protobuf};

nks_code nks_fail(nks_error *err, nks_code code, const char *fmt, ...)
{
    va_list ap;
    if (!err)
        return code;
    err->code = code;
    va_start(ap, fmt);
    vsnprintf(err->message, sizeof err->message, fmt, ap);
    va_end(ap);
    return code;
}

nks_code nks_from(nks_error *err, const nk_err *from, nks_code invalid)
{
    nks_code code;
    switch (from->code) {
    case NK_E_NOT_FOUND:
        code = NKS_NOT_FOUND;
        break;
    case NK_E_NOMEM:
        code = NKS_NOMEM;
        break;
    case NK_E_LIMIT:
    case NK_E_TOO_LARGE:
        code = NKS_LIMIT;
        break;
    case NK_E_IO:
    case NK_E_TIMEOUT:
    case NK_E_UNAVAILABLE:
        code = NKS_UNREACHED;
        break;
    default:
        code = invalid;
    }
    return nks_fail(err, code, "%s%s%s", from->msg, from->hint[0] ? "; " : "", from->hint);
}

bool nks_parse_uuid(const char *text, uint8_t raw[16])
{
    size_t n = 0;
    for (int i = 0; i < 36; i++) {
        char c = text[i];
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (c != '-')
                return false;
            continue;
        }
        int v = c >= '0' && c <= '9'                 ? c - '0'
                : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                     : -1;
        if (v < 0)
            return false;
        raw[n / 2] = (uint8_t)(n % 2 ? raw[n / 2] | v : v << 4);
        n++;
    }
    return text[36] == 0;
}

nks_schema *nks_cached(nks_serde *s, const uint8_t raw[16])
{
    pthread_rwlock_rdlock(&s->lock);
    nks_schema *x = nk_map_get(&s->by_id, nk_str_n((const char *)raw, 16));
    pthread_rwlock_unlock(&s->lock);
    return x;
}

static void drop(nks_schema *x)
{
    if (x)
        nk_arena_destroy(x->arena);
    nk_free(x);
}

static nk_code parse(nks_schema *x, const nks_definition *d, nk_err *err)
{
    nk_schema_ref *refs = NK_NEWN(x->arena, nk_schema_ref, d->n_refs + 1);
    x->text = nk_str_dup(x->arena, d->n ? nk_str_n(d->definition, d->n) : nk_str_c(d->definition));
    if (!refs || !x->text.p)
        return nk_fail(err, NK_E_NOMEM, "no memory for a schema");
    for (size_t i = 0; i < d->n_refs; i++) {
        refs[i] = (nk_schema_ref){nk_str_dup(x->arena, nk_str_c(d->refs[i].name)),
                                  nk_str_dup(x->arena, nk_str_c(d->refs[i].definition))};
        if (!refs[i].name.p || !refs[i].text.p)
            return nk_fail(err, NK_E_NOMEM, "no memory for a schema");
    }
    return formats[x->format]->parse(x->text, refs, d->n_refs, x->arena, &x->doc, err);
}

nks_code nks_keep(nks_serde *s, const char *id, const nks_definition *d, const nks_schema **out,
                  nks_error *err)
{
    nk_err why = NK_ERR_INIT;
    nks_schema *x = nk_calloc(1, sizeof *x);
    if (!x || !(x->arena = nk_arena_create(256u << 20))) {
        nk_free(x);
        return nks_fail(err, NKS_NOMEM, "no memory for a schema");
    }
    if (!nks_parse_uuid(id, x->raw) || (unsigned)d->format > NKS_PROTOBUF || !d->definition) {
        drop(x);
        return nks_fail(err, NKS_INVALID, "a schema has a UUID, a format and a definition");
    }
    memcpy(x->id, id, 37);
    x->format = d->format;
    if (parse(x, d, &why) != NK_OK) {
        drop(x);
        return nks_from(err, &why, NKS_INVALID);
    }
    pthread_rwlock_wrlock(&s->lock);
    nks_schema *first = nk_map_get(&s->by_id, nk_str_n((const char *)x->raw, 16));
    nk_code rc = NK_OK;
    if (!first)
        rc = nk_map_put(&s->by_id, nk_str_n((const char *)x->raw, 16), x, NULL);
    if (!first && rc == NK_OK) {
        x->next = s->all;
        s->all = x;
    }
    pthread_rwlock_unlock(&s->lock);
    if (first || rc != NK_OK)
        drop(x);
    *out = first ? first : x;
    return rc == NK_OK ? NKS_OK : nks_fail(err, NKS_NOMEM, "no memory for a schema");
}

/* -- the registry -------------------------------------------------------------------------------
 */

static nks_code call(nks_serde *s, const char *op, nk_buf *body, nk_arena *a, nk_json **reply,
                     nk_err *why, nks_error *err)
{
    nk_str text;
    if (!s->client)
        return nks_fail(err, NKS_INVALID,
                        "this serde knows no registry: it was opened without an "
                        "endpoint");
    pthread_mutex_lock(&s->calling);
    nk_code rc = nk_buf_check(body, why);
    if (rc == NK_OK)
        rc = nk_aws_call(s->client, "glue", op, nk_buf_view(body), &text, a, why);
    pthread_mutex_unlock(&s->calling);
    if (rc == NK_OK)
        rc = nk_json_parse(text, a, 0, reply, why);
    return rc == NK_OK ? NKS_OK : nks_from(err, why, NKS_REFUSED);
}

static bool read_format(nk_str name, nks_format *out)
{
    for (int i = 0; i < 3; i++) {
        if (nk_str_is(name, format_names[i])) {
            *out = (nks_format)i;
            return true;
        }
    }
    return false;
}

static nks_code get_version(nks_serde *s, const char *uuid, nk_arena *a, nk_json **reply,
                            nks_error *err)
{
    nk_err why = NK_ERR_INIT;
    nk_buf body;
    nk_buf_init(&body, 4096);
    nk_json_writer w = {.buf = &body};
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "SchemaVersionId", uuid);
    nk_jw_object_end(&w);
    nks_code rc = call(s, "GetSchemaVersion", &body, a, reply, &why, err);
    nk_buf_free(&body);
    return rc;
}

/* What the definition of a version links to. AWS's registry knows no such thing and none of its
 * versions has any: there the answer is a refusal, and the definition has to do without. */
static nks_code get_links(nks_serde *s, const char *uuid, nk_arena *a, nks_definition *d,
                          nks_error *err)
{
    nk_strs names = {0};
    nk_err why = NK_ERR_INIT;
    nk_json *reply;
    nk_buf body;
    if (formats[d->format]->links(nk_str_n(d->definition, d->n), a, &names, &why) != NK_OK)
        return nks_from(err, &why, NKS_INVALID);
    if (!names.n)
        return NKS_OK;
    nk_buf_init(&body, 4096);
    nk_json_writer w = {.buf = &body};
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "SchemaVersionId", uuid);
    nk_jw_object_end(&w);
    nks_code rc = call(s, "Nikawa.SchemaLinks", &body, a, &reply, &why, err);
    nk_buf_free(&body);
    if (rc != NKS_OK)
        return rc == NKS_REFUSED ? NKS_OK : rc;
    const nk_json *list = nk_json_get(reply, "Links");
    nks_reference *refs = NK_NEWN(a, nks_reference, list ? list->count + 1 : 1);
    if (!refs)
        return nks_fail(err, NKS_NOMEM, "no memory for a schema's links");
    d->refs = refs;
    for (const nk_json *k = list ? list->first : NULL; k; k = k->next) {
        refs[d->n_refs] = (nks_reference){
            nk_arena_printf(a, "%.*s", NK_STR_ARG(nk_json_str(k, "Name"))),
            nk_arena_printf(a, "%.*s", NK_STR_ARG(nk_json_str(k, "SchemaDefinition")))};
        if (!refs[d->n_refs].name || !refs[d->n_refs].definition)
            return nks_fail(err, NKS_NOMEM, "no memory for a schema's links");
        d->n_refs++;
    }
    return NKS_OK;
}

/* Keeps a definition of the registry's, with what it links to. */
static nks_code keep_linked(nks_serde *s, const char *uuid, nks_definition *d, nk_arena *a,
                            const nks_schema **out, nks_error *err)
{
    nks_code rc = get_links(s, uuid, a, d, err);
    return rc == NKS_OK ? nks_keep(s, uuid, d, out, err) : rc;
}

nks_code nks_ask_by_id(nks_serde *s, const char *uuid, const nks_schema **out, nks_error *err)
{
    nks_definition d = {0};
    if (s->config.fetch) {
        nks_code rc = s->config.fetch(s->config.arg, uuid, &d, err);
        if (rc != NKS_OK)
            return rc;
        rc = nks_keep(s, uuid, &d, out, err);
        if (s->config.done)
            s->config.done(s->config.arg, &d);
        return rc;
    }
    nk_arena *a = nk_arena_create(64u << 20);
    nk_json *reply;
    nks_code rc = a ? get_version(s, uuid, a, &reply, err)
                    : nks_fail(err, NKS_NOMEM, "no memory to ask for a schema");
    if (rc == NKS_OK) {
        nk_str text = nk_json_str(reply, "SchemaDefinition"), status = nk_json_str(reply, "Status");
        d.definition = text.p;
        d.n = text.n;
        if (!read_format(nk_json_str(reply, "DataFormat"), &d.format) || text.n == 0)
            rc = nks_fail(err, NKS_REFUSED, "the registry's answer holds no schema");
        else if (!nk_str_is(status, "AVAILABLE"))
            rc = nks_fail(err, NKS_REFUSED, "the schema version %s is %.*s", uuid,
                          NK_STR_ARG(status));
        else
            rc = keep_linked(s, uuid, &d, a, out, err);
    }
    nk_arena_destroy(a);
    return rc;
}

nks_code nks_schema_by_id(nks_serde *s, const char *uuid, const nks_schema **out, nks_error *err)
{
    uint8_t raw[16];
    if (!uuid || strlen(uuid) != 36 || !nks_parse_uuid(uuid, raw))
        return nks_fail(err, NKS_INVALID, "'%.60s' is no UUID", uuid ? uuid : "");
    *out = nks_cached(s, raw);
    return *out ? NKS_OK : nks_ask_by_id(s, uuid, out, err);
}

nks_code nks_schema_add(nks_serde *s, const char *uuid, const nks_definition *definition,
                        const nks_schema **out, nks_error *err)
{
    if (!uuid || strlen(uuid) != 36)
        return nks_fail(err, NKS_INVALID, "'%.60s' is no UUID", uuid ? uuid : "");
    return nks_keep(s, uuid, definition, out, err);
}

typedef struct wanted {
    const char *registry, *schema, *definition, *compatibility;
    nks_format format;
} wanted;

static void put_schema_id(nk_json_writer *w, const wanted *x)
{
    nk_jw_key(w, NK_STR("SchemaId"));
    nk_jw_object(w);
    nk_jw_kcstr(w, "SchemaName", x->schema);
    nk_jw_kcstr(w, "RegistryName", x->registry);
    nk_jw_object_end(w);
}

/* step 0: is it there? 1: register a version. 2: create the schema with it. */
static nks_code ask_definition(nks_serde *s, const wanted *x, int step, nk_arena *a,
                               nk_json **reply, nks_error *err)
{
    static const char *const ops[] = {"GetSchemaByDefinition", "RegisterSchemaVersion",
                                      "CreateSchema"};
    nk_err why = NK_ERR_INIT;
    nk_buf body;
    nk_buf_init(&body, 2 << 20);
    nk_json_writer w = {.buf = &body};
    nk_jw_object(&w);
    if (step < 2) {
        put_schema_id(&w, x);
    } else {
        nk_jw_key(&w, NK_STR("RegistryId"));
        nk_jw_object(&w);
        nk_jw_kcstr(&w, "RegistryName", x->registry);
        nk_jw_object_end(&w);
        nk_jw_kcstr(&w, "SchemaName", x->schema);
        nk_jw_kcstr(&w, "DataFormat", format_names[x->format]);
        nk_jw_kcstr(&w, "Compatibility", x->compatibility ? x->compatibility : "BACKWARD");
    }
    nk_jw_kcstr(&w, "SchemaDefinition", x->definition);
    nk_jw_object_end(&w);
    nks_code rc = call(s, ops[step], &body, a, reply, &why, err);
    nk_buf_free(&body);
    return rc;
}

static nks_code find_or_register(nks_serde *s, const wanted *x, bool auto_register, nk_arena *a,
                                 nk_str *id, nks_error *err)
{
    nk_json *reply = NULL;
    nks_code rc = ask_definition(s, x, 0, a, &reply, err);
    if (rc == NKS_NOT_FOUND && auto_register)
        rc = ask_definition(s, x, 1, a, &reply, err);
    if (rc == NKS_NOT_FOUND && auto_register)
        rc = ask_definition(s, x, 2, a, &reply, err);
    if (rc != NKS_OK)
        return rc;
    nk_str status = nk_json_str(reply, "Status");
    if (!status.p)
        status = nk_json_str(reply, "SchemaVersionStatus");
    *id = nk_json_str(reply, "SchemaVersionId");
    if (id->n != 36 || nk_str_is(status, "FAILURE"))
        return nks_fail(err, NKS_REFUSED, "the registry keeps no version of this definition: %.*s",
                        NK_STR_ARG(status));
    return NKS_OK;
}

nks_code nks_schema_by_definition(nks_serde *s, const char *registry, const char *schema,
                                  nks_format format, const char *definition, bool auto_register,
                                  const char *compatibility, const nks_schema **out, nks_error *err)
{
    wanted x = {registry ? registry : "default-registry", schema, definition, compatibility,
                format};
    if (!schema || !definition || (unsigned)format > NKS_PROTOBUF)
        return nks_fail(err, NKS_INVALID, "a schema's name, format and definition are wanted");
    nk_arena *a = nk_arena_create(64u << 20);
    nk_str id = NK_STR_NULL;
    nk_str key = a ? nk_str_printf(a, "%s\n%s\n%d\n%s", x.registry, schema, format, definition)
                   : NK_STR_NULL;
    if (!key.p) {
        nk_arena_destroy(a);
        return nks_fail(err, NKS_NOMEM, "no memory for a schema");
    }
    pthread_rwlock_rdlock(&s->lock);
    *out = nk_map_get(&s->by_definition, key);
    pthread_rwlock_unlock(&s->lock);
    nks_code rc = *out ? NKS_OK : find_or_register(s, &x, auto_register, a, &id, err);
    if (rc == NKS_OK && !*out) {
        char uuid[37] = {0};
        nks_definition d = {.format = format, .definition = definition, .n = strlen(definition)};
        uint8_t raw[16];
        memcpy(uuid, id.p, 36);
        *out = nks_parse_uuid(uuid, raw) ? nks_cached(s, raw) : NULL;
        if (!*out)
            rc = keep_linked(s, uuid, &d, a, out, err);
        nks_schema *kept = rc == NKS_OK ? nks_cached(s, raw) : NULL;
        if (kept) { /* a failure to remember only costs the next call */
            pthread_rwlock_wrlock(&s->lock);
            nk_str own = nk_str_dup(kept->arena, key);
            if (own.p && nk_map_put(&s->by_definition, own, kept, NULL) != NK_OK)
                own.p = NULL;
            pthread_rwlock_unlock(&s->lock);
        }
    }
    nk_arena_destroy(a);
    return rc;
}

/* -- a serde's life -------------------------------------------------------------------------------
 */

nks_code nks_open(const nks_config *config, nks_serde **out, nks_error *err)
{
    nks_serde *s = nk_calloc(1, sizeof *s);
    nk_err why = NK_ERR_INIT;
    if (!s)
        return nks_fail(err, NKS_NOMEM, "no memory for a serde");
    s->config = *config;
    s->message_max = config->message_max ? config->message_max : 64u << 20;
    nk_map_init(&s->by_id);
    nk_map_init(&s->by_definition);
    pthread_rwlock_init(&s->lock, NULL);
    pthread_mutex_init(&s->calling, NULL);
    if (config->endpoint) {
        nk_aws_config c = {.endpoint = config->endpoint,
                           .region = config->region,
                           .access_key = config->access_key,
                           .secret_key = config->secret_key,
                           .session_token = config->session_token};
        if (nk_aws_client_create(&c, &s->client, &why) != NK_OK) {
            nks_close(s);
            return nks_from(err, &why, NKS_INVALID);
        }
    }
    s->config.endpoint = s->config.region = s->config.access_key = NULL;
    s->config.secret_key = s->config.session_token = NULL;
    *out = s;
    return NKS_OK;
}

void nks_close(nks_serde *s)
{
    if (!s)
        return;
    nk_map_free(&s->by_id);
    nk_map_free(&s->by_definition);
    while (s->all) {
        nks_schema *next = s->all->next;
        drop(s->all);
        s->all = next;
    }
    nk_aws_client_destroy(s->client);
    pthread_rwlock_destroy(&s->lock);
    pthread_mutex_destroy(&s->calling);
    nk_free(s);
}

const char *nks_schema_id(const nks_schema *x)
{
    return x->id;
}
nks_format nks_schema_format(const nks_schema *x)
{
    return x->format;
}
const char *nks_schema_definition(const nks_schema *x, size_t *n)
{
    if (n)
        *n = x->text.n;
    return x->text.p;
}

/* -- Avro schemas ---------------------------------------------------------------------------------
 */

static nk_avro_text text_of(nk_str s)
{
    return (nk_avro_text){s.p, s.n};
}
const nks_avro_type *nks_avro_root(const nks_schema *x)
{
    return x->format == NKS_AVRO ? nk_avro_root(x->doc) : NULL;
}
nk_avro_kind nks_avro_kind(const nks_avro_type *t)
{
    return nk_avro_type_kind(t);
}
nk_avro_text nks_avro_name(const nks_avro_type *t)
{
    return text_of(nk_avro_type_name(t));
}
nk_avro_text nks_avro_logical(const nks_avro_type *t)
{
    return text_of(nk_avro_type_logical(t));
}
int64_t nks_avro_scale(const nks_avro_type *t)
{
    return nk_avro_type_scale(t);
}
int64_t nks_avro_size(const nks_avro_type *t)
{
    return nk_avro_type_size(t);
}
size_t nks_avro_count(const nks_avro_type *t)
{
    return nk_avro_type_count(t);
}
nk_avro_text nks_avro_label(const nks_avro_type *t, size_t i)
{
    return text_of(nk_avro_type_label(t, i));
}
const nks_avro_type *nks_avro_part(const nks_avro_type *t, size_t i)
{
    return nk_avro_type_part(t, i);
}
bool nks_avro_has_default(const nks_avro_type *t, size_t i)
{
    return nk_avro_type_default(t, i) != NULL;
}
