/* The Iceberg REST catalogue below /iceberg: the Data Catalog's databases as namespaces, its
 * Iceberg tables and views. One row a route; what a route does is iceberg/iceberg.h. Requests are
 * signed (any of the services that clients sign for) or carry a bearer token of /v1/oauth/tokens.
 */
#include <stdio.h>

#include "api/iceberg_int.h"
#include "catalog/catalog.h"
#include "lake/lake.h"
#include "model/glue_handlers.h"

typedef struct rest rest;

/* QUICK: on the HTTP thread, reads what is in memory and in the store; one that finds it must ask
 * the lake returns NK_E_NOT_READY and is run again as LONG: on a task thread, may block. */
typedef struct route {
    const char *method, *path;
    enum { QUICK, LONG } mode;
    nk_code (*run)(rest *x);
    bool bare; /* a POST that says nothing */
} route;

struct rest {
    nk_waiting waiting;
    nk_call call;
    nk_err err;
    nk_api *api;
    nk_http_req *req;
    const route *route;
    nk_str namespace, name; /* of the path, unescaped */
    nk_json *body;          /* NULL: none */
    nk_buf *out;
    unsigned status; /* of a good answer */
    nk_code code;
    char etag[24];
    bool may_block;
    nk_lake_key key; /* to the lake, for who asked for one; absent: none */
    nk_strs places;  /* … and where it leads */
};

/* ---- answering ---- */

static void answer(rest *x, unsigned status, bool no_body)
{
    nk_header headers[2] = {{NK_STR("x-amzn-RequestId"), nk_str_n(x->call.request_id, 36)}};
    nk_http_answer a = {.status = status,
                        .content_type = "application/json",
                        .body = no_body ? NK_STR("") : nk_buf_view(x->out),
                        .headers = headers,
                        .nheaders = 1};
    if (x->etag[0])
        headers[a.nheaders++] = (nk_header){NK_STR("ETag"), nk_str_c(x->etag)};
    nk_http_answer_now(x->req, &a);
}

/* What the rooms below refuse without a type of the REST catalogue. */
static void classify(const rest *x, const char **type, unsigned *status)
{
    static const struct {
        nk_code code;
        nk_ice_error kind;
        const char *type;
        unsigned status;
    } rows[] = {
        {NK_E_AUTH_MISSING, 0, "NotAuthorizedException", 401},
        {NK_E_AUTH_INCOMPLETE, 0, "NotAuthorizedException", 401},
        {NK_E_AUTH_UNKNOWN_KEY, 0, "ForbiddenException", 403},
        {NK_E_AUTH_SIGNATURE, 0, "ForbiddenException", 403},
        {NK_E_AUTH_EXPIRED, 0, "AuthenticationTimeoutException", 419},
        {NK_E_TOO_LARGE, 0, "RequestEntityTooLargeException", 413},
        {NK_E_THROTTLED, 0, "SlowDownException", 503},
        {NK_E_UNAVAILABLE, 0, "ServiceUnavailableException", 503},
        {NK_E_CONFLICT, 0, "CommitFailedException", 409},
        {NK_E_EXISTS, 0, "AlreadyExistsException", 409},
        {NK_E_NOT_FOUND, 0, "NotFoundException", 404},
        {NK_E_UNSUPPORTED, 0, "UnsupportedOperationException", 406},
    };
    int known = nk_ice_status(x->err.aws);
    *type = x->err.aws;
    *status = (unsigned)known;
    if (known)
        return;
    for (size_t i = 0; i < NK_COUNTOF(rows); i++) {
        if (rows[i].code == x->code) {
            *type = rows[i].type;
            *status = rows[i].status;
            return;
        }
    }
    bool inside = nk_code_status(x->code) >= 500;
    *type = inside ? "InternalServerError" : "BadRequestException";
    *status = inside ? 500 : 400;
}

static void answer_error(rest *x)
{
    const char *type;
    unsigned status;
    nk_json_writer w = {.buf = x->out};
    classify(x, &type, &status);
    if (status == 500) {
        nk_error("api", "iceberg %.*s %.*s failed inside: %s request=%s code=%s",
                 NK_STR_ARG(x->req->method), NK_STR_ARG(x->req->path), x->err.msg,
                 x->call.request_id, nk_code_name(x->code));
        snprintf(x->err.msg, sizeof x->err.msg,
                 "Internal error. The server's log tells more of request %s", x->call.request_id);
    } else {
        nk_debug("api", "iceberg %.*s %.*s refused: %s: %s request=%s", NK_STR_ARG(x->req->method),
                 NK_STR_ARG(x->req->path), type, x->err.msg, x->call.request_id);
    }
    x->etag[0] = 0;
    nk_buf_clear(x->out);
    nk_jw_object(&w);
    nk_jw_key(&w, NK_STR("error"));
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "message", x->err.msg);
    nk_jw_kcstr(&w, "type", type);
    nk_jw_ki64(&w, "code", (int64_t)status);
    nk_jw_object_end(&w);
    nk_jw_object_end(&w);
    answer(x, status, nk_str_is(x->req->method, "HEAD"));
}

static void respond(nk_waiting *waiting)
{
    rest *x = (rest *)waiting;
    if (x->code == NK_OK && x->status != 204)
        x->code = nk_buf_check(x->out, &x->err);
    if (x->code == NK_OK)
        answer(x, x->status, x->status == 204 || x->status == 304);
    else
        answer_error(x);
}

/* ---- reading requests ---- */

static nk_code bad(rest *x, const char *what)
{
    return nk_ice_fail(&x->err, NK_ICE_BAD_REQUEST, "%s", what);
}

static nk_str param(rest *x, const char *name)
{
    return nk_query_param(x->req->query, name, x->req->arena);
}

/* One level is a database; more there are none of. */
static nk_code one_level(rest *x, nk_str namespace)
{
    if (namespace.n && nk_str_chr(namespace, 0x1f) < 0 && nk_str_chr(namespace, 0) < 0)
        return NK_OK;
    return nk_ice_fail(&x->err, NK_ICE_NO_SUCH_NAMESPACE, "Namespace does not exist: %.*s",
                       NK_STR_ARG(namespace));
}

/* Who asks for a table that cannot be is told so: Spark then looks for db.table's own tables. */
static nk_code check_names(rest *x)
{
    if (!x->namespace.p || one_level(x, x->namespace) == NK_OK)
        return NK_OK;
    if (!x->name.p)
        return NK_E_NOT_FOUND;
    bool view = nk_str_find(nk_str_c(x->route->path), NK_STR("{view}")) >= 0;
    return nk_ice_fail(&x->err, view ? NK_ICE_NO_SUCH_VIEW : NK_ICE_NO_SUCH_TABLE,
                       "%s does not exist: %.*s.%.*s", view ? "View" : "Table",
                       NK_STR_ARG(x->namespace), NK_STR_ARG(x->name));
}

/* The array of levels of a body. */
static nk_code body_namespace(rest *x, const nk_json *owner, nk_str *out)
{
    const nk_json *ns = nk_ice_array(owner, "namespace");
    if (!ns || !ns->first || ns->first->kind != NK_JSON_STRING || !ns->first->text.n)
        return bad(x, "Cannot parse request: namespace must be a list of names");
    if (ns->count > 1)
        return bad(x, "Nested namespaces are not supported: a namespace is one name");
    *out = ns->first->text;
    return NK_OK;
}

static nk_code body_identifier(rest *x, const nk_json *id, nk_str *namespace, nk_str *name)
{
    if (!id || id->kind != NK_JSON_OBJECT)
        return bad(x, "Cannot parse request: a table identifier is missing");
    NK_TRY(body_namespace(x, id, namespace));
    *name = nk_json_str(id, "name");
    return name->n ? NK_OK : bad(x, "Cannot parse request: a table identifier must have a name");
}

static nk_code need_name(rest *x, nk_str *name)
{
    *name = nk_json_str(x->body, "name");
    return name->n ? NK_OK : bad(x, "Invalid request: name must be given");
}

static nk_code page_size(rest *x, size_t *max)
{
    nk_str text = param(x, "pageSize"), token = param(x, "pageToken");
    int64_t v = 100;
    if (text.n && (!nk_str_i64(text, &v) || v < 1))
        return bad(x, "Invalid pageSize: it must be a whole number from 1 on");
    /* who names neither gets everything */
    *max = text.n || token.p ? (size_t)(v > 1000 ? 1000 : v) : 0;
    return NK_OK;
}

static void write_namespace(nk_json_writer *w, nk_str name)
{
    nk_jw_array(w);
    nk_jw_str(w, name);
    nk_jw_array_end(w);
}

/* ---- config ---- */

static const route routes[];
static size_t route_count(void);

static nk_code known_catalog(rest *x, nk_str id);

static nk_code get_config(rest *x)
{
    nk_json_writer w = {.buf = x->out};
    nk_str warehouse = param(x, "warehouse"), id = x->call.account_id;
    /* "s3://…" is where a client wants tables, which a database's location says here */
    if (warehouse.n && !nk_str_eq(warehouse, id) && nk_str_find(warehouse, NK_STR("://")) < 0) {
        x->call.catalog = id = warehouse;
        NK_TRY(known_catalog(x, id));
    }
    nk_jw_object(&w);
    nk_jw_key(&w, NK_STR("defaults"));
    nk_jw_object(&w);
    nk_jw_kstr(&w, "client.region", x->call.region);
    if (x->api->app->settings->s3_endpoint) {
        nk_jw_kcstr(&w, "s3.endpoint", x->api->app->settings->s3_endpoint);
        nk_jw_kcstr(&w, "s3.path-style-access", "true");
    }
    nk_jw_object_end(&w);
    nk_jw_key(&w, NK_STR("overrides"));
    nk_jw_object(&w);
    nk_jw_kstr(&w, "prefix", nk_str_printf(x->req->arena, "catalogs/%.*s", NK_STR_ARG(id)));
    nk_jw_object_end(&w);
    nk_jw_key(&w, NK_STR("endpoints"));
    nk_jw_array(&w);
    for (size_t i = 0; i < route_count(); i++)

        if (strcmp(routes[i].path, "config") != 0)
            nk_jw_str(&w, nk_str_printf(x->req->arena, "%s /v1/{prefix}/%s", routes[i].method,
                                        routes[i].path));
    nk_jw_array_end(&w);
    nk_jw_object_end(&w);
    return NK_OK;
}

/* ---- namespaces: Glue's own handlers ---- */

typedef struct in_tx {
    rest *x;
    nk_code (*fn)(rest *x, nk_call *call, void *arg);
    void *arg;
} in_tx;

static nk_code run_in_tx(nk_tx *tx, void *arg, nk_err *err)
{
    in_tx *t = arg;
    nk_call call = t->x->call;
    call.tx = tx;
    call.err = err ? err : &t->x->err;
    return t->fn(t->x, &call, t->arg);
}

static nk_code in_read(rest *x, nk_code (*fn)(rest *, nk_call *, void *), void *arg)
{
    in_tx t = {x, fn, arg};
    return nk_store_read(x->api->app->store, run_in_tx, &t, &x->err);
}

static nk_code in_write(rest *x, nk_code (*fn)(rest *, nk_call *, void *), void *arg)
{
    in_tx t = {x, fn, arg};
    return nk_store_write(x->api->app->store, run_in_tx, &t, &x->err);
}

static nk_code load_database(rest *x, nk_call *call, void *arg)
{
    nk_catalog_ctx ctx;
    NK_TRY(nk_ice_ctx(call, call->tx, &ctx, call->err));
    nk_code rc = nk_catalog_get_database(call->tx, &ctx, x->namespace, arg, call->err);
    if (rc == NK_E_NOT_FOUND)
        return nk_ice_fail(call->err, NK_ICE_NO_SUCH_NAMESPACE, "Namespace does not exist: %.*s",
                           NK_STR_ARG(x->namespace));
    return rc;
}

/* A description is the property "comment", a location is "location". */
static void write_properties(nk_json_writer *w, const glue_Database *db)
{
    nk_jw_key(w, NK_STR("properties"));
    nk_jw_object(w);
    for (size_t i = 0; i < db->Parameters.n; i++) {
        nk_jw_key(w, db->Parameters.v[i].key);
        nk_jw_str(w, db->Parameters.v[i].value);
    }
    if (db->LocationUri.p)
        nk_jw_kstr(w, "location", db->LocationUri);
    if (db->Description.p)
        nk_jw_kstr(w, "comment", db->Description);
    nk_jw_object_end(w);
}

static nk_code write_database(rest *x, const glue_Database *db)
{
    nk_json_writer w = {.buf = x->out};
    nk_jw_object(&w);
    nk_jw_key(&w, NK_STR("namespace"));
    write_namespace(&w, db->Name);
    write_properties(&w, db);
    nk_jw_object_end(&w);
    return NK_OK;
}

static nk_code get_namespace(rest *x)
{
    glue_Database *db;
    NK_TRY(in_read(x, load_database, &db));
    return write_database(x, db);
}

static nk_code head_namespace(rest *x)
{
    glue_Database *db;
    x->status = 204;
    return in_read(x, load_database, &db);
}

typedef struct ns_list {
    size_t max;
    nk_strs names;
    nk_str token, next;
} ns_list;

static nk_code list_databases(rest *x, nk_call *call, void *arg)
{
    ns_list *l = arg;
    return nk_ice_database_list(call, l->token, l->max, &l->names, &l->next);
}

static nk_code list_namespaces(rest *x)
{
    ns_list l = {.token = param(x, "pageToken")};
    nk_str parent = param(x, "parent");
    nk_json_writer w = {.buf = x->out};
    NK_TRY(page_size(x, &l.max));
    if (parent.n) {
        glue_Database *db;
        x->namespace = parent;
        NK_TRY(one_level(x, parent));
        NK_TRY(in_read(x, load_database, &db));
    } else {
        NK_TRY(in_read(x, list_databases, &l));
    }
    nk_jw_object(&w);
    nk_jw_key(&w, NK_STR("namespaces"));
    nk_jw_array(&w);
    for (size_t i = 0; i < l.names.n; i++)
        write_namespace(&w, l.names.v[i]);
    nk_jw_array_end(&w);
    if (l.next.p)
        nk_jw_kstr(&w, "next-page-token", l.next);
    nk_jw_object_end(&w);
    return NK_OK;
}

typedef struct ns_input {
    glue_DatabaseInput in;
    const nk_json *updates, *removals;
    nk_strs missing, removed;
} ns_input;

static nk_code set_property(rest *x, glue_DatabaseInput *in, const nk_json *m, size_t room)
{
    if (m->kind != NK_JSON_STRING)
        return nk_ice_fail(&x->err, NK_ICE_BAD_REQUEST, "Property %.*s must be a string.",
                           NK_STR_ARG(m->key));
    if (nk_str_is(m->key, "location")) {
        in->LocationUri = m->text;
        return NK_OK;
    }
    if (nk_str_is(m->key, "comment")) {
        in->Description = m->text;
        return NK_OK;
    }
    for (size_t i = 0; i < in->Parameters.n; i++) {
        if (nk_str_eq(in->Parameters.v[i].key, m->key)) {
            in->Parameters.v[i].value = m->text;
            return NK_OK;
        }
    }
    if (in->Parameters.n < room)
        in->Parameters.v[in->Parameters.n++] = (nk_pair){m->key, m->text};
    return NK_OK;
}

static nk_code create_database(rest *x, nk_call *call, void *arg)
{
    ns_input *n = arg;
    glue_CreateDatabaseRequest in = {.CatalogId = call->catalog, .DatabaseInput = &n->in};
    glue_CreateDatabaseResponse out = {0};
    nk_code rc = glue_CreateDatabase(call, &in, &out);
    if (rc == NK_E_EXISTS)
        return nk_ice_fail(call->err, NK_ICE_EXISTS, "Namespace already exists: %.*s",
                           NK_STR_ARG(n->in.Name));
    return rc;
}

static nk_code create_namespace(rest *x)
{
    ns_input n = {0};
    glue_Database *db;
    const nk_json *properties = nk_ice_object(x->body, "properties");
    size_t room = properties ? properties->count : 0;
    NK_TRY(body_namespace(x, x->body, &n.in.Name));
    if (n.in.Name.n > 255)
        return bad(x, "Invalid namespace: a name has at most 255 characters");
    n.in.Parameters.v = NK_NEWN(x->req->arena, nk_pair, room ? room : 1);
    n.in.Parameters.set = true;
    if (!n.in.Parameters.v)
        return nk_fail(&x->err, NK_E_NOMEM, "out of memory");
    NK_ICE_EACH(m, properties)
    {
        NK_TRY(set_property(x, &n.in, m, room));
    }
    NK_TRY(in_write(x, create_database, &n));
    x->namespace = n.in.Name;
    NK_TRY(in_read(x, load_database, &db));
    return write_database(x, db);
}

static bool take_property(glue_DatabaseInput *in, nk_str key)
{
    bool had = false;
    if (nk_str_is(key, "location")) {
        had = in->LocationUri.p;
        in->LocationUri = NK_STR_NULL;
    } else if (nk_str_is(key, "comment")) {
        had = in->Description.p;
        in->Description = NK_STR_NULL;
    } else {
        for (size_t i = 0; i < in->Parameters.n; i++) {
            if (nk_str_eq(in->Parameters.v[i].key, key)) {
                in->Parameters.v[i] = in->Parameters.v[--in->Parameters.n];
                return true;
            }
        }
    }
    return had;
}

static nk_code update_database(rest *x, nk_call *call, void *arg)
{
    ns_input *n = arg;
    glue_Database *db;
    NK_TRY(load_database(x, call, &db));
    size_t room = db->Parameters.n + (n->updates ? n->updates->count : 0);
    n->in = (glue_DatabaseInput){.Name = db->Name,
                                 .Description = db->Description,
                                 .LocationUri = db->LocationUri,
                                 .CreateTableDefaultPermissions = db->CreateTableDefaultPermissions,
                                 .TargetDatabase = db->TargetDatabase};
    n->in.Parameters = (nk_map_str){
        .v = NK_NEWN(call->arena, nk_pair, room ? room : 1), .n = db->Parameters.n, .set = true};
    n->missing.n = n->removed.n = 0;
    if (!n->in.Parameters.v)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    if (db->Parameters.n)
        memcpy(n->in.Parameters.v, db->Parameters.v, db->Parameters.n * sizeof(nk_pair));
    NK_ICE_EACH(m, n->removals)
    {
        nk_str *s =
            nk_strs_add(take_property(&n->in, m->text) ? &n->removed : &n->missing, call->arena);
        if (!s)
            return nk_fail(call->err, NK_E_NOMEM, "out of memory");
        *s = m->text;
    }
    NK_ICE_EACH(m, n->updates)
    {
        NK_TRY(set_property(x, &n->in, m, room));
    }
    glue_UpdateDatabaseRequest in = {
        .CatalogId = call->catalog, .Name = db->Name, .DatabaseInput = &n->in};
    glue_UpdateDatabaseResponse out = {0};
    return glue_UpdateDatabase(call, &in, &out);
}

static void write_strs(nk_json_writer *w, const char *key, const nk_strs *l)
{
    nk_jw_key(w, nk_str_c(key));
    nk_jw_array(w);
    for (size_t i = 0; i < l->n; i++)
        nk_jw_str(w, l->v[i]);
    nk_jw_array_end(w);
}

static nk_code update_namespace(rest *x)
{
    ns_input n = {.updates = nk_ice_object(x->body, "updates"),
                  .removals = nk_ice_array(x->body, "removals")};
    nk_json_writer w = {.buf = x->out};
    NK_ICE_EACH(m, n.removals)
    {
        if (m->kind != NK_JSON_STRING)
            return bad(x, "Cannot parse request: removals must be a list of names");
        if (nk_json_getn(n.updates, m->text))
            return nk_ice_fail(&x->err, NK_ICE_UNPROCESSABLE,
                               "Invalid namespace update, cannot simultaneously set and remove "
                               "key: %.*s",
                               NK_STR_ARG(m->text));
    }
    NK_TRY(in_write(x, update_database, &n));
    nk_jw_object(&w);
    nk_jw_key(&w, NK_STR("updated"));
    nk_jw_array(&w);
    NK_ICE_EACH(m, n.updates)
    {
        nk_jw_str(&w, m->key);
    }
    nk_jw_array_end(&w);
    write_strs(&w, "removed", &n.removed);
    write_strs(&w, "missing", &n.missing);
    nk_jw_object_end(&w);
    return NK_OK;
}

static nk_code drop_database(rest *x, nk_call *call, void *arg)
{
    glue_Database *db;
    NK_TRY(load_database(x, call, &db));
    glue_GetTablesRequest list = {
        .CatalogId = call->catalog, .DatabaseName = db->Name, .MaxResults = nk_some_i64(1)};
    glue_GetTablesResponse tables = {0};
    NK_TRY(glue_GetTables(call, &list, &tables));
    if (tables.TableList.n)
        return nk_ice_fail(call->err, NK_ICE_NOT_EMPTY, "Namespace %.*s is not empty",
                           NK_STR_ARG(db->Name));
    glue_DeleteDatabaseRequest in = {.CatalogId = call->catalog, .Name = db->Name};
    glue_DeleteDatabaseResponse out = {0};
    return glue_DeleteDatabase(call, &in, &out);
}

static nk_code drop_namespace(rest *x)
{
    x->status = 204;
    return in_write(x, drop_database, NULL);
}

/* ---- tables and views ---- */

static bool wants_credentials(rest *x)
{
    return nk_str_find(nk_http_header(x->req, "x-iceberg-access-delegation"),
                       NK_STR("vended-credentials")) >= 0;
}

static nk_code add_place(rest *x, nk_str place)
{
    while (place.n && place.p[place.n - 1] == '/')
        place.n--;
    for (size_t i = 0; i < x->places.n; i++) {
        nk_str had = x->places.v[i];
        if (nk_str_starts(place, had) && (place.n == had.n || place.p[had.n] == '/'))
            return NK_OK;
    }
    nk_str *p = place.n ? nk_strs_add(&x->places, x->req->arena) : NULL;
    if (p)
        *p = place;
    return p || !place.n ? NK_OK : nk_fail(&x->err, NK_E_NOMEM, "out of memory");
}

/* Where the metadata says that files are, and are to be. */
static nk_code find_places(rest *x, nk_str location, nk_str metadata)
{
    static const char *const paths[] = {"write.data.path", "write.metadata.path",
                                        "write.object-storage.path", "write.folder-storage.path"};
    nk_json *root;
    ptrdiff_t slash = nk_str_rchr(location, '/');
    NK_TRY(nk_json_parse(metadata, x->req->arena, NK_ICE_DEPTH_MAX, &root, &x->err));
    NK_TRY(add_place(x, nk_json_str(root, "location")));
    if (slash > 0)
        NK_TRY(add_place(x, nk_str_sub(location, 0, (size_t)slash)));
    for (size_t i = 0; i < NK_COUNTOF(paths); i++)
        NK_TRY(add_place(x, nk_json_str(nk_ice_object(root, "properties"), paths[i])));
    return NK_OK;
}

/* A key pair for this table's files alone. Of an S3 endpoint of others there is only the one that
 * this server has. */
static nk_code lend(rest *x, nk_str location, nk_str metadata)
{
    const nk_settings *s = x->api->app->settings;
    if (!s->s3_endpoint || !x->api->app->lake)
        return NK_OK;
    NK_TRY(find_places(x, location, metadata));
    nk_code rc = nk_lake_lend(x->api->app->lake, x->places.v, x->places.n, x->may_block,
                              x->req->arena, &x->key, &x->err);
    if (rc == NK_E_UNSUPPORTED)
        x->key = (nk_lake_key){.access_key = nk_str_c(s->access_key),
                               .secret_key = nk_str_c(s->secret_key)};
    /* of a place that keys cannot be limited to none are given */
    return rc == NK_E_UNSUPPORTED || rc == NK_E_INVALID ? NK_OK : rc;
}

static void write_credentials(rest *x, nk_json_writer *w)
{
    nk_jw_kstr(w, "s3.access-key-id", x->key.access_key);
    nk_jw_kstr(w, "s3.secret-access-key", x->key.secret_key);
    if (x->key.until_us)
        nk_jw_kstr(w, "s3.session-token-expires-at-ms",
                   nk_str_printf(x->req->arena, "%lld", (long long)(x->key.until_us / 1000)));
}

/* How to reach the lake; with its keys for those who ask for them. */
static void write_config(rest *x, nk_json_writer *w, bool keys)
{
    const nk_settings *s = x->api->app->settings;
    nk_jw_object(w);
    nk_jw_kstr(w, "client.region", x->call.region);
    if (s->s3_endpoint) {
        nk_jw_kcstr(w, "s3.endpoint", s->s3_endpoint);
        nk_jw_kcstr(w, "s3.path-style-access", "true");
        nk_jw_kstr(w, "s3.region", x->call.region);
        if (keys)
            write_credentials(x, w);
    }
    nk_jw_object_end(w);
}

static void write_storage_credentials(rest *x, nk_json_writer *w)
{
    nk_jw_key(w, NK_STR("storage-credentials"));
    nk_jw_array(w);
    for (size_t i = 0; x->key.access_key.p && i < x->places.n; i++) {
        nk_jw_object(w);
        nk_jw_kstr(w, "prefix", nk_str_printf(x->req->arena, "%.*s/", NK_STR_ARG(x->places.v[i])));
        nk_jw_key(w, NK_STR("config"));
        write_config(x, w, true);
        nk_jw_object_end(w);
    }
    nk_jw_array_end(w);
}

/* metadata: the text as it goes out. */
static nk_code write_loaded(rest *x, const nk_ice_entry *e, nk_str metadata, bool config)
{
    nk_json_writer w = {.buf = x->out};
    if (config && wants_credentials(x))
        NK_TRY(lend(x, e->location, metadata));
    bool keys = x->key.access_key.p;
    nk_jw_object(&w);
    if (e->location.p)
        nk_jw_kstr(&w, "metadata-location", e->location);
    nk_jw_key(&w, NK_STR("metadata"));
    nk_jw_raw(&w, metadata);
    if (config) {
        nk_jw_key(&w, NK_STR("config"));
        write_config(x, &w, keys);
    }
    if (keys)
        write_storage_credentials(x, &w);
    nk_jw_object_end(&w);
    return NK_OK;
}

static bool unreferenced(void *arg, const nk_json *snapshot)
{
    const nk_json *refs = arg;
    NK_ICE_EACH(r, refs)
    {
        if (nk_str_eq(nk_json_str(r, "snapshot-id"), nk_json_str(snapshot, "snapshot-id")))
            return false;
    }
    return true;
}

/* snapshots=refs: only those that a branch or tag points to. */
static nk_code only_refs(rest *x, nk_str text, nk_str *out)
{
    nk_json *root;
    nk_buf b;
    NK_TRY(nk_json_parse(text, x->req->arena, NK_ICE_DEPTH_MAX, &root, &x->err));
    nk_json *snapshots = nk_ice_array(root, "snapshots"), *refs = nk_ice_object(root, "refs");
    if (snapshots && refs)
        (void)nk_ice_drop(snapshots, unreferenced, refs);
    nk_buf_init(&b, 256u << 20);
    nk_jw_tree(&(nk_json_writer){.buf = &b}, root);
    nk_code rc = nk_buf_check(&b, &x->err);
    *out = nk_buf_dup(&b, x->req->arena);
    nk_buf_free(&b);
    return rc == NK_OK && !out->p ? nk_fail(&x->err, NK_E_NOMEM, "out of memory") : rc;
}

static void tag(rest *x, nk_str location, bool refs)
{
    snprintf(x->etag, sizeof x->etag, "\"%016llx\"",
             (unsigned long long)nk_hash64(location.p, location.n, refs ? 7 : 5));
}

static nk_code load(rest *x, bool view)
{
    nk_ice_entry e;
    bool refs = !view && nk_str_is(param(x, "snapshots"), "refs");
    NK_TRY(nk_ice_entry_find(&x->call, view, x->namespace, x->name, &e));
    tag(x, e.location, refs);
    if (nk_str_is(nk_http_header(x->req, "if-none-match"), x->etag) && !wants_credentials(x)) {
        x->status = 304;
        return NK_OK;
    }
    if (!nk_ice_entry_recall(&x->call, &e)) {
        if (!x->may_block)
            return NK_E_NOT_READY;
        NK_TRY(nk_ice_entry_read(&x->call, &e));
    }
    if (refs)
        NK_TRY(only_refs(x, e.text, &e.text));
    return write_loaded(x, &e, e.text, true);
}

static nk_code load_table(rest *x)
{
    return load(x, false);
}

static nk_code load_view(rest *x)
{
    return load(x, true);
}

static nk_code exists(rest *x, bool view)
{
    nk_ice_entry e;
    x->status = 204;
    return nk_ice_entry_find(&x->call, view, x->namespace, x->name, &e);
}

static nk_code head_table(rest *x)
{
    return exists(x, false);
}

static nk_code head_view(rest *x)
{
    return exists(x, true);
}

static nk_code load_credentials(rest *x)
{
    nk_ice_entry e;
    nk_json_writer w = {.buf = x->out};
    NK_TRY(nk_ice_entry_find(&x->call, false, x->namespace, x->name, &e));
    if (!x->may_block)
        return NK_E_NOT_READY;
    NK_TRY(nk_ice_entry_read(&x->call, &e));
    NK_TRY(lend(x, e.location, e.text));
    nk_jw_object(&w);
    write_storage_credentials(x, &w);
    nk_jw_object_end(&w);
    return NK_OK;
}

static nk_code list_entries(rest *x, bool view)
{
    size_t max;
    nk_strs names = {0};
    nk_str next;
    nk_json_writer w = {.buf = x->out};
    NK_TRY(page_size(x, &max));
    NK_TRY(
        nk_ice_entry_list(&x->call, view, x->namespace, param(x, "pageToken"), max, &names, &next));
    nk_str folded = nk_str_lower(x->req->arena, x->namespace);
    nk_jw_object(&w);
    nk_jw_key(&w, NK_STR("identifiers"));
    nk_jw_array(&w);
    for (size_t i = 0; i < names.n; i++) {
        nk_jw_object(&w);
        nk_jw_key(&w, NK_STR("namespace"));
        write_namespace(&w, folded);
        nk_jw_kstr(&w, "name", names.v[i]);
        nk_jw_object_end(&w);
    }
    nk_jw_array_end(&w);
    if (next.p)
        nk_jw_kstr(&w, "next-page-token", next);
    nk_jw_object_end(&w);
    return NK_OK;
}

static nk_code list_tables(rest *x)
{
    return list_entries(x, false);
}

static nk_code list_views(rest *x)
{
    return list_entries(x, true);
}

static nk_code create_table(rest *x)
{
    nk_ice_entry e;
    nk_str name;
    bool staged = nk_json_bool(x->body, "stage-create", false);
    nk_ice_create c = {.location = nk_json_str(x->body, "location"),
                       .schema = nk_json_get(x->body, "schema"),
                       .spec = nk_json_get(x->body, "partition-spec"),
                       .order = nk_json_get(x->body, "write-order"),
                       .properties = nk_ice_object(x->body, "properties")};
    NK_TRY(need_name(x, &name));
    if (!c.schema)
        return bad(x, "Invalid request: schema must be given");
    NK_TRY(nk_ice_entry_create(&x->call, false, x->namespace, name, &c, staged, &e));
    if (!staged)
        tag(x, e.location, false);
    return write_loaded(x, &e, e.text, true);
}

static nk_code create_view(rest *x)
{
    nk_ice_entry e;
    nk_str name;
    nk_ice_create c = {.location = nk_json_str(x->body, "location"),
                       .schema = nk_json_get(x->body, "schema"),
                       .view_version = nk_ice_object(x->body, "view-version"),
                       .properties = nk_ice_object(x->body, "properties")};
    NK_TRY(need_name(x, &name));
    if (!c.schema || !c.view_version)
        return bad(x, "Invalid request: schema and view-version must be given");
    NK_TRY(nk_ice_entry_create(&x->call, true, x->namespace, name, &c, false, &e));
    return write_loaded(x, &e, e.text, true);
}

static nk_code register_entry(rest *x, bool view)
{
    nk_ice_entry e;
    nk_str name, location = nk_json_str(x->body, "metadata-location");
    NK_TRY(need_name(x, &name));
    if (!location.n)
        return bad(x, "Invalid request: metadata-location must be given");
    NK_TRY(nk_ice_entry_register(&x->call, view, x->namespace, name, location,
                                 nk_json_bool(x->body, "overwrite", false), &e));
    return write_loaded(x, &e, e.text, true);
}

static nk_code register_table(rest *x)
{
    return register_entry(x, false);
}

static nk_code register_view(rest *x)
{
    return register_entry(x, true);
}

static nk_code commit_entry(rest *x, bool view)
{
    nk_ice_entry e;
    nk_ice_change c = {.view = view,
                       .database = x->namespace,
                       .name = x->name,
                       .requirements = nk_json_get(x->body, "requirements"),
                       .updates = nk_json_get(x->body, "updates")};
    if (!c.updates)
        return bad(x, "Cannot parse request: updates are missing");
    NK_TRY(nk_ice_commit(&x->call, &c, 1, &e));
    tag(x, e.location, false);
    return write_loaded(x, &e, e.text, view);
}

static nk_code commit_table(rest *x)
{
    return commit_entry(x, false);
}

static nk_code commit_view(rest *x)
{
    return commit_entry(x, true);
}

static nk_code commit_all(rest *x)
{
    const nk_json *changes = nk_ice_array(x->body, "table-changes");
    size_t n = 0;
    if (!changes)
        return bad(x, "Cannot parse request: table-changes are missing");
    nk_ice_change *c = NK_NEWN(x->req->arena, nk_ice_change, changes->count + 1);
    if (!c)
        return nk_fail(&x->err, NK_E_NOMEM, "out of memory");
    NK_ICE_EACH(m, changes)
    {
        NK_TRY(body_identifier(x, nk_json_get(m, "identifier"), &c[n].database, &c[n].name));
        c[n].requirements = nk_json_get(m, "requirements");
        c[n++].updates = nk_json_get(m, "updates");
    }
    x->status = 204;
    return nk_ice_commit(&x->call, c, n, NULL);
}

static nk_code drop_entry(rest *x, bool view)
{
    x->status = 204;
    return nk_ice_entry_drop(&x->call, view, x->namespace, x->name,
                             nk_str_ieq(param(x, "purgeRequested"), NK_STR("true")), NULL);
}

/* The table goes, its files stay; the answer is what it was. It is read before, so that what cannot
 * be told is not taken away either. */
static nk_code unregister_table(rest *x)
{
    nk_ice_entry e;
    NK_TRY(nk_ice_entry_find(&x->call, false, x->namespace, x->name, &e));
    NK_TRY(nk_ice_entry_read(&x->call, &e));
    NK_TRY(nk_ice_entry_drop(&x->call, false, x->namespace, x->name, false, &e));
    NK_TRY(nk_ice_entry_read(&x->call, &e));
    return write_loaded(x, &e, e.text, false);
}

static nk_code drop_table(rest *x)
{
    return drop_entry(x, false);
}

static nk_code drop_view(rest *x)
{
    return drop_entry(x, true);
}

static nk_code rename_entry(rest *x, bool view)
{
    nk_str db, name, to_db, to_name;
    NK_TRY(body_identifier(x, nk_json_get(x->body, "source"), &db, &name));
    NK_TRY(body_identifier(x, nk_json_get(x->body, "destination"), &to_db, &to_name));
    x->status = 204;
    return nk_ice_entry_rename(&x->call, view, db, name, to_db, to_name);
}

static nk_code rename_table(rest *x)
{
    return rename_entry(x, false);
}

static nk_code rename_view(rest *x)
{
    return rename_entry(x, true);
}

/* Clients tell what a scan or commit did; the table must be there and the report be one. */
static nk_code take_metrics(rest *x)
{
    if (!nk_json_str(x->body, "report-type").p)
        return bad(x, "Cannot parse report: report-type is missing");
    return exists(x, false);
}

static const route routes[] = {
    {"GET", "config", QUICK, get_config},
    {"GET", "namespaces", QUICK, list_namespaces},
    {"POST", "namespaces", LONG, create_namespace},
    {"GET", "namespaces/{namespace}", QUICK, get_namespace},
    {"HEAD", "namespaces/{namespace}", QUICK, head_namespace},
    {"DELETE", "namespaces/{namespace}", LONG, drop_namespace},
    {"POST", "namespaces/{namespace}/properties", LONG, update_namespace},
    {"GET", "namespaces/{namespace}/tables", QUICK, list_tables},
    {"POST", "namespaces/{namespace}/tables", LONG, create_table},
    {"GET", "namespaces/{namespace}/tables/{table}", QUICK, load_table},
    {"HEAD", "namespaces/{namespace}/tables/{table}", QUICK, head_table},
    {"POST", "namespaces/{namespace}/tables/{table}", LONG, commit_table},
    {"DELETE", "namespaces/{namespace}/tables/{table}", LONG, drop_table},
    {"GET", "namespaces/{namespace}/tables/{table}/credentials", QUICK, load_credentials},
    {"POST", "namespaces/{namespace}/tables/{table}/metrics", QUICK, take_metrics},
    {"POST", "namespaces/{namespace}/tables/{table}/unregister", LONG, unregister_table, true},
    {"POST", "namespaces/{namespace}/register", LONG, register_table},
    {"POST", "tables/rename", LONG, rename_table},
    {"POST", "transactions/commit", LONG, commit_all},
    {"GET", "namespaces/{namespace}/views", QUICK, list_views},
    {"POST", "namespaces/{namespace}/views", LONG, create_view},
    {"GET", "namespaces/{namespace}/views/{view}", QUICK, load_view},
    {"HEAD", "namespaces/{namespace}/views/{view}", QUICK, head_view},
    {"POST", "namespaces/{namespace}/views/{view}", LONG, commit_view},
    {"DELETE", "namespaces/{namespace}/views/{view}", LONG, drop_view},
    {"POST", "namespaces/{namespace}/register-view", LONG, register_view},
    {"POST", "views/rename", LONG, rename_view},
};

static size_t route_count(void)
{
    return NK_COUNTOF(routes);
}

/* ---- routing ---- */

static bool match(rest *x, const route *r, nk_str path)
{
    nk_str pattern = nk_str_c(r->path), want, have;
    for (;;) {
        bool more = nk_str_split(&pattern, '/', &want);
        if (nk_str_split(&path, '/', &have) != more)
            return false;
        if (!more)
            return true;
        if (want.p[0] != '{') {
            if (!nk_str_eq(want, have))
                return false;
        } else {
            nk_str v = nk_uri_unescape(x->req->arena, have, false);
            *(nk_str_is(want, "{namespace}") ? &x->namespace : &x->name) = v;
        }
    }
}

static nk_code known_catalog(rest *x, nk_str id)
{
    nk_catalog_ctx ctx;
    nk_code rc = nk_ice_ctx(&x->call, NULL, &ctx, &x->err);
    return rc == NK_E_NOT_FOUND ? nk_ice_fail(&x->err, NK_ICE_NO_SUCH_PATH,
                                              "Catalog %.*s not found.", NK_STR_ARG(id))
                                : rc;
}

/* Takes "catalogs/ID/" off, however it is escaped. */
static nk_code take_prefix(rest *x, nk_str *path)
{
    nk_str rest_ = *path, first, id;
    if (!nk_str_split(&rest_, '/', &first))
        return NK_OK;
    first = nk_uri_unescape(x->req->arena, first, false);
    if (nk_str_is(first, "catalogs")) {
        if (!nk_str_split(&rest_, '/', &id))
            return NK_OK;
        id = nk_uri_unescape(x->req->arena, id, false);
    } else if (nk_str_starts(first, NK_STR("catalogs/"))) {
        id = nk_str_sub(first, 9, first.n);
    } else {
        return NK_OK;
    }
    if (!nk_str_eq(id, x->call.account_id))
        x->call.catalog = id;
    NK_TRY(known_catalog(x, id));
    *path = rest_;
    return NK_OK;
}

static nk_code find_route(rest *x, nk_str path)
{
    NK_TRY(take_prefix(x, &path));
    for (size_t i = 0; i < NK_COUNTOF(routes); i++) {
        x->namespace = x->name = NK_STR_NULL;
        if (nk_str_is(x->req->method, routes[i].method) && match(x, &routes[i], path)) {
            x->route = &routes[i];
            return check_names(x);
        }
    }
    return nk_ice_fail(&x->err, NK_ICE_NO_SUCH_PATH, "No route for request: %.*s %.*s",
                       NK_STR_ARG(x->req->method), NK_STR_ARG(x->req->path));
}

/* ---- who asks ---- */

static nk_code authenticate(rest *x)
{
    static const char *const services[] = {"glue", "s3tables", "execute-api"};
    nk_str h = nk_http_header(x->req, "authorization");
    nk_sigv4_auth auth = {0};
    char scope[64];
    x->call.region = nk_str_c(x->api->app->settings->region);
    if (h.n > 7 && nk_str_ieq(nk_str_sub(h, 0, 7), NK_STR("Bearer ")))
        return nk_ice_token_check(x->api, nk_str_trim(nk_str_sub(h, 7, h.n)), x->req->arena,
                                  &x->call.access_key, &x->err);
    NK_TRY(nk_api_authenticate(x->api, x->req, NULL, &auth, scope, &x->err));
    for (size_t i = 0; i < NK_COUNTOF(services); i++) {
        if (nk_str_is(auth.service, services[i])) {
            x->call.region = auth.region;
            x->call.access_key = auth.access_key;
            return NK_OK;
        }
    }
    return nk_fail(&x->err, NK_E_AUTH_SIGNATURE,
                   "Credential should be scoped to correct service: 'glue'. ");
}

static nk_code read_body(rest *x)
{
    nk_err why = NK_ERR_INIT;
    if (!nk_str_is(x->req->method, "POST") || x->route->bare)
        return NK_OK;
    nk_code rc = nk_json_parse(x->req->body, x->req->arena, NK_ICE_DEPTH_MAX, &x->body, &why);
    if (rc == NK_E_NOMEM)
        return nk_fail(&x->err, rc, "out of memory");
    if (rc != NK_OK || !x->body || x->body->kind != NK_JSON_OBJECT)
        return nk_ice_fail(&x->err, NK_ICE_BAD_REQUEST, "Cannot parse request: %s",
                           rc != NK_OK ? why.msg : "it must be a JSON object");
    return NK_OK;
}

/* ---- running ---- */

static void run_long(nk_waiting *waiting)
{
    rest *x = (rest *)waiting;
    x->may_block = true;
    x->code = x->route->run(x);
    nk_http_wake(x->req);
}

static nk_code prepare(rest *x, nk_str path)
{
    if (x->req->too_large)
        return nk_ice_fail(&x->err, NK_ICE_TOO_LARGE, "The request is larger than %zu bytes.",
                           x->api->app->settings->body_max_bytes);
    NK_TRY(authenticate(x));
    NK_TRY(find_route(x, path));
    return read_body(x);
}

static void run(rest *x)
{
    if (x->route->mode == QUICK) {
        x->code = x->route->run(x);
        if (x->code != NK_E_NOT_READY) {
            respond(&x->waiting);
            return;
        }
        nk_buf_clear(x->out);
    }
    nk_http_defer(x->req);
    nk_tasks_add(x->api->tasks, &x->waiting);
}

void nk_api_iceberg(nk_api *api, nk_http_req *req)
{
    rest *x = NK_NEW(req->arena, rest);
    nk_str path = req->path.n > 9 ? nk_str_sub(req->path, 9, req->path.n) : NK_STR("");
    if (!x) {
        nk_http_answer a = {
            .status = 503, .content_type = "text/plain", .body = NK_STR("out of memory\n")};
        nk_http_answer_now(req, &a);
        return;
    }
    req->user = x;
    x->waiting = (nk_waiting){
        .req = req, .respond = respond, .task = run_long, .code = &x->code, .err = &x->err};
    x->api = api;
    x->req = req;
    x->out = &req->out;
    x->status = 200;
    nk_api_request_id(x->call.request_id);
    x->call.app = api->app;
    x->call.arena = req->arena;
    x->call.err = &x->err;
    x->call.account_id = nk_str_c(api->app->settings->account_id);
    x->call.operation = NK_STR("iceberg");
    if (nk_str_starts(path, NK_STR("v1/")))
        path = nk_str_sub(path, 3, path.n);
    else
        path = NK_STR("");
    if (nk_str_is(path, "oauth/tokens") && nk_str_is(req->method, "POST")) {
        nk_ice_token_give(api, req, &x->status);
        answer(x, x->status, false);
        return;
    }
    x->code = prepare(x, path);
    if (x->code == NK_OK)
        run(x);
    else
        respond(&x->waiting);
}
