/* Tables and views as entries of the catalogue. */
#include "iceberg/optimizers_int.h"
#include "model/glue_handlers.h"

#define TRIES_MAX 20

/* What an entry's parameters say of its kind. */
static const char *const kind_name[] = {"ICEBERG", "ICEBERG-VIEW"};

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

bool nk_ice_is_iceberg(const glue_Table *t)
{
    return nk_str_ieq(nk_map_str_get(&t->Parameters, "table_type"), nk_str_c(kind_name[false]));
}

static bool is_kind(const glue_Table *t, bool view)
{
    nk_str type = nk_map_str_get(&t->Parameters, "table_type");
    return nk_str_ieq(type, nk_str_c(kind_name[view])) &&
           nk_map_str_get(&t->Parameters, "metadata_location").p;
}

static nk_code no_such(nk_err *err, bool view, nk_str database, nk_str name)
{
    return nk_ice_fail(err, view ? NK_ICE_NO_SUCH_VIEW : NK_ICE_NO_SUCH_TABLE,
                       "%s does not exist: %.*s.%.*s", view ? "View" : "Table",
                       NK_STR_ARG(database), NK_STR_ARG(name));
}

static nk_code no_namespace(nk_err *err, nk_str database)
{
    return nk_ice_fail(err, NK_ICE_NO_SUCH_NAMESPACE, "Namespace does not exist: %.*s",
                       NK_STR_ARG(database));
}

nk_code nk_ice_ctx(const nk_call *call, nk_tx *tx, nk_catalog_ctx *out, nk_err *err)
{
    nk_call inner = *call;
    inner.tx = tx;
    inner.err = err;
    return nk_catalog_open(&inner, call->catalog, out);
}

/* ---- finding ---- */

/* NK_OK with *out NULL when the database is there and the table is not. */
static nk_code get_row(nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database, nk_str name,
                       glue_Table **out, nk_err *err)
{
    glue_Database *db;
    *out = NULL;
    nk_code rc = nk_catalog_get_table(tx, ctx, database, name, out, err);
    if (rc != NK_E_NOT_FOUND)
        return rc;
    *out = NULL;
    rc = nk_catalog_get_database(tx, ctx, database, &db, err);
    return rc == NK_E_NOT_FOUND ? no_namespace(err, database) : rc;
}

typedef struct finder {
    nk_call *call;
    nk_str database, name;
    glue_Table *row;
} finder;

static nk_code find_in_tx(nk_tx *tx, void *arg, nk_err *err)
{
    finder *f = arg;
    nk_catalog_ctx ctx;
    NK_TRY(nk_ice_ctx(f->call, tx, &ctx, err));
    return get_row(tx, &ctx, f->database, f->name, &f->row, err);
}

static nk_code find_row(nk_call *call, nk_str database, nk_str name, glue_Table **row)
{
    finder f = {.call = call, .database = database, .name = name};
    NK_TRY(nk_store_read(call->app->store, find_in_tx, &f, call->err));
    *row = f.row;
    return NK_OK;
}

static void fill(nk_ice_entry *out, glue_Table *row)
{
    *out = (nk_ice_entry){.database = row->DatabaseName,
                          .name = row->Name,
                          .location = nk_map_str_get(&row->Parameters, "metadata_location"),
                          .row = row};
}

nk_code nk_ice_entry_find(nk_call *call, bool view, nk_str database, nk_str name, nk_ice_entry *out)
{
    glue_Table *row = NULL;
    nk_code rc = find_row(call, database, name, &row);
    /* a client that is told of a namespace does not look for a metadata table then */
    if (rc == NK_E_NOT_FOUND || (rc == NK_OK && (!row || !is_kind(row, view))))
        return no_such(call->err, view, database, name);
    NK_TRY(rc);
    fill(out, row);
    return NK_OK;
}

bool nk_ice_entry_recall(nk_call *call, nk_ice_entry *entry)
{
    entry->text = nk_ice_cache_get(call->app->iceberg->cache, entry->location, call->arena);
    return entry->text.p != NULL;
}

nk_code nk_ice_entry_read(nk_call *call, nk_ice_entry *entry)
{
    return nk_ice_file_read(call, entry->location, &entry->text);
}

/* ---- the catalogue's entry of a state ---- */

static bool has_column(const glue_Column *v, size_t n, nk_str name)
{
    for (size_t i = 0; i < n; i++)
        if (nk_str_eq(v[i].Name, name))
            return true;
    return false;
}

static nk_code put_column(nk_call *call, const nk_json *field, bool current, glue_Column *c)
{
    nk_buf type;
    nk_str doc = nk_json_str(field, "doc");
    nk_buf_init(&type, 128 << 10);
    nk_code rc = nk_ice_hive_type(nk_json_get(field, "type"), &type);
    *c = (glue_Column){.Name = nk_json_str(field, "name"),
                       .Type = nk_buf_dup(&type, call->arena),
                       .Comment = doc.n > 255 ? nk_str_sub(doc, 0, 255) : doc};
    nk_buf_free(&type);
    nk_pair *p = NK_NEWN(call->arena, nk_pair, 3);
    if (rc != NK_OK || !p || !c->Type.p)
        return nomem(call->err);
    p[0] = (nk_pair){NK_STR("iceberg.field.current"), current ? NK_STR("true") : NK_STR("false")};
    p[1] = (nk_pair){NK_STR("iceberg.field.id"), nk_json_str(field, "id")};
    p[2] = (nk_pair){NK_STR("iceberg.field.optional"),
                     nk_json_bool(field, "required", false) ? NK_STR("false") : NK_STR("true")};
    c->Parameters = (nk_map_str){.v = p, .n = 3, .set = true};
    return NK_OK;
}

/* The current schema's columns, then those that only earlier schemas have. */
static nk_code put_columns(nk_call *call, const nk_json *root, glue_Column_list *out)
{
    const nk_json *schemas = nk_ice_array(root, "schemas"), *current = nk_ice_current_schema(root);
    size_t max = 0;
    if (!current && schemas) /* a view: its schemas are few, the last one counts */
        current = schemas->last;
    NK_ICE_EACH(s, schemas)
    {
        max += nk_ice_array(s, "fields") ? nk_ice_array(s, "fields")->count : 0;
    }
    out->v = NK_NEWN(call->arena, glue_Column, max ? max : 1);
    out->n = 0;
    out->set = true;
    if (!out->v)
        return nomem(call->err);
    NK_ICE_EACH(f, nk_ice_array(current, "fields"))
    {
        NK_TRY(put_column(call, f, true, &out->v[out->n++]));
    }
    NK_ICE_EACH(s, schemas)
    {
        if (s == current)
            continue;
        NK_ICE_EACH(f, nk_ice_array(s, "fields"))
        {
            if (!has_column(out->v, out->n, nk_json_str(f, "name")))
                NK_TRY(put_column(call, f, false, &out->v[out->n++]));
        }
    }
    return NK_OK;
}

typedef struct state {
    bool view;
    nk_str database, name;
    nk_json *root;             /* the metadata now */
    nk_json *old_properties;   /* of the metadata before; may be NULL */
    nk_str location, previous; /* of the metadata file now and before */
    nk_str version;            /* of the entry before; p NULL = any */
    bool archive;
    nk_str text;
} state;

static bool ours(const char *const *names, size_t n, nk_str key)
{
    for (size_t i = 0; i < n; i++)
        if (nk_str_is(key, names[i]))
            return true;
    return false;
}

/* What was there and is not the metadata's own, the metadata's properties, then where it lies. */
static nk_code put_parameters(nk_call *call, const state *s, const glue_Table *old, nk_map_str *out)
{
    static const char *const keys[] = {"table_type", "metadata_location",
                                       "previous_metadata_location"};
    const nk_json *now = nk_ice_object(s->root, "properties");
    size_t n = 0, max = (old ? old->Parameters.n : 0) + (now ? now->count : 0) + 3;
    nk_pair *p = NK_NEWN(call->arena, nk_pair, max);
    if (!p)
        return nomem(call->err);
    for (size_t i = 0; old && i < old->Parameters.n; i++) {
        nk_str key = old->Parameters.v[i].key;
        if (!ours(keys, NK_COUNTOF(keys), key) && !nk_json_getn(now, key) &&
            !nk_json_getn(s->old_properties, key))
            p[n++] = old->Parameters.v[i];
    }
    NK_ICE_EACH(m, now)
    {
        if (!ours(keys, NK_COUNTOF(keys), m->key) && m == nk_json_getn(now, m->key))
            p[n++] = (nk_pair){m->key, m->text};
    }
    p[n++] = (nk_pair){NK_STR("table_type"), nk_str_c(kind_name[s->view])};
    p[n++] = (nk_pair){NK_STR("metadata_location"), s->location};
    if (s->previous.p)
        p[n++] = (nk_pair){NK_STR("previous_metadata_location"), s->previous};
    *out = (nk_map_str){.v = p, .n = n, .set = true};
    return NK_OK;
}

static nk_str view_sql(const nk_json *root)
{
    const nk_json *v = nk_ice_find(nk_ice_array(root, "versions"), "version-id",
                                   nk_json_i64(root, "current-version-id", -1)),
                  *r = nk_ice_array(v, "representations");
    return r && r->first ? nk_json_str(r->first, "sql") : NK_STR_NULL;
}

/* old: the entry as it is, NULL when it is to be made. */
static nk_code put_input(nk_call *call, const state *s, const glue_Table *old, glue_TableInput *in)
{
    glue_StorageDescriptor *sd = NK_NEW(call->arena, glue_StorageDescriptor);
    if (!sd)
        return nomem(call->err);
    *in = (glue_TableInput){
        .Name = s->name,
        .TableType = s->view ? NK_STR("VIRTUAL_VIEW") : NK_STR("EXTERNAL_TABLE"),
        .ViewOriginalText = s->view ? view_sql(s->root) : NK_STR_NULL,
        .Description = nk_json_str(nk_ice_object(s->root, "properties"), "comment"),
        .StorageDescriptor = sd};
    if (old) {
        in->TableType = old->TableType.p ? old->TableType : in->TableType;
        in->Description = in->Description.p ? in->Description : old->Description;
        in->Owner = old->Owner;
        in->Retention = old->Retention;
        in->LastAccessTime = old->LastAccessTime;
        in->LastAnalyzedTime = old->LastAnalyzedTime;
        in->PartitionKeys = old->PartitionKeys;
        if (old->StorageDescriptor)
            *sd = *old->StorageDescriptor;
    }
    sd->Location = nk_json_str(s->root, "location");
    NK_TRY(put_columns(call, s->root, &sd->Columns));
    return put_parameters(call, s, old, &in->Parameters);
}

/* ---- swapping ---- */

typedef struct swap {
    nk_call *call;
    state *states;
    size_t n;
    bool overwrite; /* an entry that is there is replaced whatever it holds */
} swap;

static nk_code swap_one(nk_tx *tx, const nk_catalog_ctx *ctx, const swap *w, const state *s,
                        nk_err *err)
{
    glue_Table *old;
    glue_TableInput in;
    NK_TRY(get_row(tx, ctx, s->database, s->name, &old, err));
    if (s->previous.p || w->overwrite) {
        if (s->previous.p && (!old || !is_kind(old, s->view)))
            return no_such(err, s->view, s->database, s->name);
        if (s->previous.p &&
            !nk_str_eq(nk_map_str_get(&old->Parameters, "metadata_location"), s->previous))
            return nk_ice_fail(err, NK_ICE_COMMIT_FAILED,
                               "Cannot commit %.*s.%.*s: its metadata has been changed meanwhile",
                               NK_STR_ARG(s->database), NK_STR_ARG(s->name));
        if (s->version.p && !nk_str_eq(old->VersionId, s->version))
            return nk_ice_fail(err, NK_ICE_COMMIT_FAILED,
                               "Update table failed due to concurrent modifications.");
    } else if (old) {
        return nk_ice_fail(err, NK_ICE_EXISTS, "%s already exists: %.*s.%.*s",
                           is_kind(old, !s->view) ? (s->view ? "Table" : "View")
                                                  : (s->view ? "View" : "Table"),
                           NK_STR_ARG(s->database), NK_STR_ARG(s->name));
    }
    NK_TRY(put_input(w->call, s, old, &in));
    nk_catalog_change c = {.kind = old ? NK_CHANGE_UPDATE_TABLE : NK_CHANGE_CREATE_TABLE,
                           .database = s->database,
                           .table = s->name,
                           .table_input = &in,
                           .skip_archive = !s->archive};
    return nk_catalog_apply(tx, ctx, &c, 1, NULL, err);
}

static nk_code swap_in_tx(nk_tx *tx, void *arg, nk_err *err)
{
    swap *w = arg;
    nk_catalog_ctx ctx;
    NK_TRY(nk_ice_ctx(w->call, tx, &ctx, err));
    for (size_t i = 0; i < w->n; i++)
        if (w->states[i].text.p) /* a change that changes nothing has none */
            NK_TRY(swap_one(tx, &ctx, w, &w->states[i], err));
    return NK_OK;
}

static nk_code write_text(nk_call *call, state *s)
{
    nk_buf b;
    nk_ice_tree t = {.a = call->arena};
    nk_buf_init(&b, NK_ICE_FILE_MAX);
    nk_code rc = NK_OK;
    if (s->view)
        nk_jw_tree(&(nk_json_writer){.buf = &b}, s->root);
    else
        rc = nk_ice_table_write(&t, s->root, &b, call->err);
    if (rc == NK_OK)
        rc = nk_buf_check(&b, call->err);
    s->text = nk_buf_dup(&b, call->arena);
    nk_buf_free(&b);
    return rc == NK_OK && !s->text.p ? nomem(call->err) : rc;
}

/* Writes the new file, beside those that are there. */
static nk_code put_file(nk_call *call, state *s)
{
    NK_TRY(write_text(call, s));
    NK_TRY(nk_ice_file_next(call, s->root, s->previous, &s->location));
    return nk_ice_file_write(call, s->location, s->text);
}

static nk_code parse(nk_call *call, bool view, nk_str text, nk_json **root)
{
    return view ? nk_ice_view_parse(text, call->arena, root, call->err)
                : nk_ice_table_parse(text, call->arena, root, call->err);
}

static void hand_out(nk_ice_entry *out, const state *s)
{
    *out = (nk_ice_entry){
        .database = s->database, .name = s->name, .location = s->location, .text = s->text};
}

/* ---- creating ---- */

static nk_code strip_slashes(nk_str *s)
{
    while (s->n && s->p[s->n - 1] == '/')
        s->n--;
    return NK_OK;
}

typedef struct db_finder {
    nk_call *call;
    nk_str name;
    glue_Database *db;
} db_finder;

static nk_code find_db(nk_tx *tx, void *arg, nk_err *err)
{
    db_finder *f = arg;
    nk_catalog_ctx ctx;
    NK_TRY(nk_ice_ctx(f->call, tx, &ctx, err));
    nk_code rc = nk_catalog_get_database(tx, &ctx, f->name, &f->db, err);
    return rc == NK_E_NOT_FOUND ? no_namespace(err, f->name) : rc;
}

/* A folder below the database's place, or below our own bucket when it has none. */
static nk_code default_location(nk_call *call, const glue_Database *db, nk_str name, nk_str *out)
{
    nk_str base = db->LocationUri, bucket;
    (void)strip_slashes(&base);
    if (base.n) {
        *out = nk_str_printf(call->arena, "%.*s/%.*s", NK_STR_ARG(base), NK_STR_ARG(name));
    } else {
        if (!call->app->lake)
            return nk_ice_fail(call->err, NK_ICE_UNAVAILABLE,
                               "This server has no lake to keep tables in");
        NK_TRY(
            nk_lake_assets_bucket(call->app->lake, call->region, call->arena, &bucket, call->err));
        *out = nk_str_printf(call->arena, "s3://%.*s/warehouse/%.*s.db/%.*s", NK_STR_ARG(bucket),
                             NK_STR_ARG(db->Name), NK_STR_ARG(name));
    }
    return out->p ? NK_OK : nomem(call->err);
}

static nk_code check_name(nk_call *call, nk_str name)
{
    if (name.n > 0 && name.n <= 255 && nk_utf8_valid(name))
        return NK_OK;
    return nk_ice_fail(call->err, NK_ICE_BAD_REQUEST,
                       "Invalid name: it must have between 1 and 255 characters.");
}

nk_code nk_ice_entry_create(nk_call *call, bool view, nk_str database, nk_str name,
                            nk_ice_create *what, bool staged, nk_ice_entry *out)
{
    db_finder f = {.call = call, .name = database};
    glue_Table *there;
    nk_ice_edit e;
    char uuid[37];
    NK_TRY(check_name(call, name));
    NK_TRY(nk_store_read(call->app->store, find_db, &f, call->err));
    name = nk_str_lower(call->arena, name);
    if (!name.p)
        return nomem(call->err);
    NK_TRY(find_row(call, database, name, &there));
    if (there)
        return nk_ice_fail(call->err, NK_ICE_EXISTS, "%s already exists: %.*s.%.*s",
                           is_kind(there, true) ? "View" : "Table", NK_STR_ARG(f.db->Name),
                           NK_STR_ARG(name));
    (void)strip_slashes(&what->location);
    if (!what->location.n)
        NK_TRY(default_location(call, f.db, name, &what->location));
    NK_TRY(nk_uuid(call->app->env, uuid));
    nk_ice_edit_begin(&e, call->arena, view, NULL, nk_now_us(call->app->env) / 1000,
                      nk_str_dup(call->arena, nk_str_c(uuid)));
    NK_TRY(view ? nk_ice_view_create(&e, what, call->err)
                : nk_ice_table_create(&e, what, call->err));
    state s = {.view = view, .database = f.db->Name, .name = name, .root = e.root};
    if (staged) {
        NK_TRY(write_text(call, &s));
        hand_out(out, &s);
        return NK_OK;
    }
    NK_TRY(put_file(call, &s));
    swap w = {.call = call, .states = &s, .n = 1};
    nk_code rc = nk_store_write(call->app->store, swap_in_tx, &w, call->err);
    if (rc != NK_OK && nk_code_status(rc) < 500)
        nk_ice_file_delete(call, s.location);
    hand_out(out, &s);
    return rc;
}

nk_code nk_ice_entry_register(nk_call *call, bool view, nk_str database, nk_str name,
                              nk_str metadata_location, bool overwrite, nk_ice_entry *out)
{
    db_finder f = {.call = call, .name = database};
    state s = {.view = view, .location = metadata_location};
    NK_TRY(check_name(call, name));
    NK_TRY(nk_store_read(call->app->store, find_db, &f, call->err));
    s.database = f.db->Name;
    s.name = nk_str_lower(call->arena, name);
    if (!s.name.p)
        return nomem(call->err);
    NK_TRY(nk_ice_file_read(call, metadata_location, &s.text));
    nk_code rc = parse(call, view, s.text, &s.root);
    if (rc == NK_E_PARSE)
        return nk_ice_fail(call->err, NK_ICE_BAD_REQUEST, "Cannot register %.*s: %s",
                           NK_STR_ARG(metadata_location),
                           nk_arena_strdup(call->arena, call->err->msg));
    NK_TRY(rc);
    swap w = {.call = call, .states = &s, .n = 1, .overwrite = overwrite};
    NK_TRY(nk_store_write(call->app->store, swap_in_tx, &w, call->err));
    hand_out(out, &s);
    return NK_OK;
}

/* ---- committing ---- */

typedef struct prepared {
    nk_strs dropped; /* files that fell out of the log */
    bool delete_dropped;
} prepared;

/* The state that a change makes of what is there now. text stays absent when nothing changes. */
static nk_code prepare(nk_call *call, const nk_ice_change *c, state *s, prepared *p,
                       nk_ice_entry *out)
{
    glue_Table *row;
    nk_ice_entry now = {0};
    nk_json *base = NULL;
    nk_ice_edit e;
    char uuid[37];
    bool creates = false;
    NK_ICE_EACH(r, c->requirements)
    {
        creates = creates || nk_str_is(nk_json_str(r, "type"), "assert-create");
    }
    nk_code found = find_row(call, c->database, c->name, &row);
    if (found != NK_OK && (found != NK_E_NOT_FOUND || creates))
        return found;
    row = found == NK_OK ? row : NULL;
    if (row ? !is_kind(row, c->view) : !creates)
        return no_such(call->err, c->view, c->database, c->name);
    if (row && c->version.p && !nk_str_eq(row->VersionId, c->version))
        return nk_ice_fail(call->err, NK_ICE_COMMIT_FAILED,
                           "Update table failed due to concurrent modifications.");
    *s = (state){
        .view = c->view, .database = c->database, .version = c->version, .archive = c->archive};
    s->name = nk_str_lower(call->arena, c->name);
    if (row) {
        fill(&now, row);
        NK_TRY(nk_ice_entry_read(call, &now));
        nk_code rc = parse(call, c->view, now.text, &base);
        if (rc == NK_E_PARSE)
            return nk_ice_fail(call->err, NK_ICE_UNPROCESSABLE, "%.*s: %s",
                               NK_STR_ARG(now.location),
                               nk_arena_strdup(call->arena, call->err->msg));
        NK_TRY(rc);
        s->previous = now.location;
        nk_ice_tree t = {.a = call->arena};
        s->old_properties = nk_ice_copy(&t, nk_ice_object(base, "properties"));
    }
    NK_TRY(nk_ice_require(base, c->view, c->requirements, call->err));
    NK_TRY(nk_uuid(call->app->env, uuid));
    nk_ice_edit_begin(&e, call->arena, c->view, base, nk_now_us(call->app->env) / 1000,
                      nk_str_dup(call->arena, nk_str_c(uuid)));
    NK_TRY(nk_ice_edit_apply(&e, c->updates, call->err));
    NK_TRY(nk_ice_edit_finish(&e, now.location, &p->dropped, call->err));
    s->root = e.root;
    p->delete_dropped = nk_str_is(nk_json_str(nk_ice_object(e.root, "properties"),
                                              "write.metadata.delete-after-commit.enabled"),
                                  "true");
    if (!e.changed) {
        *out = now;
        return NK_OK;
    }
    return put_file(call, s);
}

static nk_code try_commit(nk_call *call, const nk_ice_change *changes, size_t n, nk_ice_entry *out,
                          bool *again)
{
    state *states = NK_NEWN(call->arena, state, n);
    prepared *p = NK_NEWN(call->arena, prepared, n);
    nk_code rc = states && p ? NK_OK : nomem(call->err);
    size_t ready = 0;
    *again = false;
    for (; rc == NK_OK && ready < n; ready++)
        rc = prepare(call, &changes[ready], &states[ready], &p[ready], &out[ready]);
    swap w = {.call = call, .states = states, .n = n};
    if (rc == NK_OK) {
        rc = nk_store_write(call->app->store, swap_in_tx, &w, call->err);
        *again = rc == NK_E_CONFLICT || rc == NK_E_EXISTS;
    }
    for (size_t i = 0; states && i < ready; i++) {
        if (rc == NK_OK && states[i].text.p) {
            hand_out(&out[i], &states[i]);
            for (size_t k = 0; p[i].delete_dropped && k < p[i].dropped.n; k++)
                nk_ice_file_delete(call, p[i].dropped.v[k]);
        } else if (rc != NK_OK && states[i].location.p && nk_code_status(rc) < 500) {
            nk_ice_file_delete(call, states[i].location);
        }
    }
    return rc;
}

nk_code nk_ice_commit(nk_call *call, const nk_ice_change *changes, size_t n, nk_ice_entry *out)
{
    bool again = true;
    nk_code rc = NK_OK;
    if (!out)
        out = NK_NEWN(call->arena, nk_ice_entry, n);
    if (!out)
        return nomem(call->err);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            if (nk_str_ieq(changes[i].name, changes[k].name) &&
                nk_str_ieq(changes[i].database, changes[k].database))
                return nk_ice_fail(call->err, NK_ICE_BAD_REQUEST,
                                   "Table %.*s is changed twice in one transaction",
                                   NK_STR_ARG(changes[i].name));
    for (int i = 0; again && i < TRIES_MAX; i++)
        rc = try_commit(call, changes, n, out, &again);
    return rc;
}

/* ---- dropping and renaming ---- */

typedef struct mover {
    nk_call *call;
    bool view, purge;
    nk_str database, name, to_database, to_name;
    glue_Table *last; /* what was dropped */
} mover;

static nk_code own_row(nk_tx *tx, const mover *m, const nk_catalog_ctx *ctx, glue_Table **row,
                       nk_err *err)
{
    nk_code rc = get_row(tx, ctx, m->database, m->name, row, err);
    if (rc == NK_E_NOT_FOUND || (rc == NK_OK && (!*row || !is_kind(*row, m->view))))
        return no_such(err, m->view, m->database, m->name);
    return rc;
}

/* The files go in the background; the note stays until they have. */
static nk_code note_purge(nk_tx *tx, const mover *m, nk_str location, nk_err *err)
{
    int64_t seq;
    nk_buf b;
    nk_json_writer w = {.buf = &b};
    NK_TRY(nk_store_next(tx, "glue.iceberg_purge", &seq, err));
    nk_buf_init(&b, 64 << 10);
    nk_jw_object(&w);
    nk_jw_kstr(&w, "region", m->call->region);
    nk_jw_kstr(&w, "location", location);
    nk_jw_object_end(&w);
    nk_row row = {.cols = NK_KEY(nk_vi(seq)), .body = nk_buf_view(&b)};
    nk_code rc = nk_buf_check(&b, err);
    if (rc == NK_OK)
        rc = nk_store_insert(tx, &nk_kind_purge, &row, err);
    nk_buf_free(&b);
    return rc;
}

static nk_code drop_in_tx(nk_tx *tx, void *arg, nk_err *err)
{
    mover *m = arg;
    nk_catalog_ctx ctx;
    NK_TRY(nk_ice_ctx(m->call, tx, &ctx, err));
    glue_Table *row;
    NK_TRY(own_row(tx, m, &ctx, &row, err));
    m->last = row;
    nk_catalog_change c = {
        .kind = NK_CHANGE_DELETE_TABLE, .database = m->database, .table = m->name};
    NK_TRY(nk_catalog_apply(tx, &ctx, &c, 1, NULL, err));
    return m->purge && !m->view
               ? note_purge(tx, m, nk_map_str_get(&row->Parameters, "metadata_location"), err)
               : NK_OK;
}

nk_code nk_ice_entry_drop(nk_call *call, bool view, nk_str database, nk_str name, bool purge,
                          nk_ice_entry *last)
{
    mover m = {.call = call, .view = view, .purge = purge, .database = database, .name = name};
    NK_TRY(nk_store_write(call->app->store, drop_in_tx, &m, call->err));
    if (last)
        fill(last, m.last);
    if (purge)
        nk_ice_optimizers_wake(call->app->iceberg->optimizers);
    return NK_OK;
}

static nk_code rename_in_tx(nk_tx *tx, void *arg, nk_err *err)
{
    const mover *m = arg;
    nk_catalog_ctx ctx;
    NK_TRY(nk_ice_ctx(m->call, tx, &ctx, err));
    glue_Table *row, *there;
    NK_TRY(own_row(tx, m, &ctx, &row, err));
    NK_TRY(get_row(tx, &ctx, m->to_database, m->to_name, &there, err));
    if (there)
        return nk_ice_fail(err, NK_ICE_EXISTS, "%s already exists: %.*s.%.*s",
                           is_kind(there, true) ? "View" : "Table", NK_STR_ARG(m->to_database),
                           NK_STR_ARG(m->to_name));
    NK_TRY(
        nk_catalog_rename_table(tx, &ctx, m->database, m->name, m->to_database, m->to_name, err));
    return nk_ice_optimizers_rename(tx, &ctx, row->DatabaseName, row->Name, m->to_database,
                                    m->to_name, err);
}

nk_code nk_ice_entry_rename(nk_call *call, bool view, nk_str database, nk_str name,
                            nk_str to_database, nk_str to_name)
{
    mover m = {.call = call,
               .view = view,
               .database = database,
               .name = name,
               .to_database = to_database,
               .to_name = to_name};
    NK_TRY(check_name(call, to_name));
    return nk_store_write(call->app->store, rename_in_tx, &m, call->err);
}

/* ---- listing ---- */

nk_code nk_ice_database_list(nk_call *call, nk_str token, size_t max, nk_strs *names, nk_str *next)
{
    nk_call inner = *call;
    inner.operation = NK_STR("GetDatabases");
    *next = token;
    do {
        size_t left = max ? max - names->n : 100;
        glue_GetDatabasesRequest in = {.CatalogId = call->catalog,
                                       .MaxResults = nk_some_i64(left > 100 ? 100 : (int64_t)left),
                                       .NextToken = *next};
        glue_GetDatabasesResponse out = {0};
        nk_code rc = glue_GetDatabases(&inner, &in, &out);
        if (rc == NK_E_INVALID)
            return nk_ice_fail(call->err, NK_ICE_BAD_REQUEST, "Invalid pageToken.");
        NK_TRY(rc);
        for (size_t i = 0; i < out.DatabaseList.n; i++) {
            glue_Database *db = &out.DatabaseList.v[i];
            nk_str *s = nk_strs_add(names, call->arena);
            if (!s)
                return nomem(call->err);
            if (db->raw_.p)
                NK_TRY(nk_model_decode(&glue_Database_shape, db->raw_, call->arena, (void **)&db,
                                       call->err));
            *s = db->Name;
        }
        *next = out.NextToken;
    } while (next->p && (!max || names->n < max));
    return NK_OK;
}

typedef struct lister {
    nk_call *call;
    const char *kind;
    bool view;
    nk_str database, token, next;
    size_t max;
    nk_strs *names;
} lister;

static nk_code take_page(lister *l, const glue_GetTablesResponse *page, nk_err *err)
{
    for (size_t i = 0; i < page->TableList.n; i++) {
        glue_Table *t = &page->TableList.v[i];
        if (t->raw_.p) {
            if (nk_str_find(t->raw_, NK_STR("\"metadata_location\"")) < 0)
                continue;
            NK_TRY(nk_model_decode(&glue_Table_shape, t->raw_, l->call->arena, (void **)&t, err));
        }
        if (!is_kind(t, l->view))
            continue;
        nk_str *name = nk_strs_add(l->names, l->call->arena);
        if (!name)
            return nomem(err);
        *name = t->Name;
    }
    return NK_OK;
}

/* Pages of Glue's own listing; a page of ours ends where one of them does, so that its token serves
 * as ours. */
static nk_code list_in_tx(nk_tx *tx, void *arg, nk_err *err)
{
    lister *l = arg;
    nk_call call = *l->call;
    call.tx = tx;
    call.err = err;
    call.operation = NK_STR("GetTables");
    l->next = l->token;
    do {
        size_t left = l->max ? l->max - l->names->n : 100;
        glue_GetTablesRequest in = {.CatalogId = l->call->catalog,
                                    .DatabaseName = l->database,
                                    .MaxResults = nk_some_i64(left > 100 ? 100 : (int64_t)left),
                                    .NextToken = l->next};
        glue_GetTablesResponse out = {0};
        nk_code rc = glue_GetTables(&call, &in, &out);
        if (rc == NK_E_NOT_FOUND)
            return no_namespace(err, l->database);
        if (rc == NK_E_INVALID && l->next.n)
            return nk_ice_fail(err, NK_ICE_BAD_REQUEST, "Invalid pageToken.");
        NK_TRY(rc);
        NK_TRY(take_page(l, &out, err));
        l->next = out.NextToken;
    } while (l->next.p && (!l->max || l->names->n < l->max));
    return NK_OK;
}

nk_code nk_ice_entry_list(nk_call *call, bool view, nk_str database, nk_str token, size_t max,
                          nk_strs *names, nk_str *next)
{
    lister l = {.call = call,
                .view = view,
                .database = database,
                .token = token,
                .max = max,
                .names = names};
    NK_TRY(nk_store_read(call->app->store, list_in_tx, &l, call->err));
    *next = l.next;
    return NK_OK;
}
