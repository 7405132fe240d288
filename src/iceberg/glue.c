/* Glue's own door to open tables: CreateTable with OpenTableFormatInput, UpdateTable with
 * UpdateOpenTableFormatInput, put into the words of the REST specification. */
#include "iceberg/iceberg_int.h"
#include "schema/type.h"

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

nk_code nk_ice_in_glue(nk_call *call, nk_code rc)
{
    if (rc == NK_OK)
        return rc;
    call->err->aws[0] = 0;
    char text[NK_ERR_MSG_MAX];
    memcpy(text, call->err->msg, sizeof text);
    if (rc == NK_E_UNAVAILABLE)
        return nk_fail(call->err, NK_E_NOT_READY, "%s", text);
    if (rc == NK_E_ACCESS_DENIED || rc == NK_E_UNSUPPORTED || rc == NK_E_PARSE)
        return nk_fail(call->err, NK_E_INVALID, "%s", text);
    return rc;
}

/* ---- the model's structs as trees ---- */

static nk_json *from_pairs(nk_ice_tree *t, const nk_map_str *m)
{
    nk_json *o = nk_ice_new(t, NK_JSON_OBJECT);
    for (size_t i = 0; i < m->n; i++)
        nk_ice_kstr(t, o, nk_arena_strndup(t->a, m->v[i].key.p, m->v[i].key.n), m->v[i].value);
    return o;
}

/* A document member: any JSON. */
static nk_code put_document(nk_ice_tree *t, nk_json *o, const char *key, nk_str raw, nk_err *err)
{
    nk_json *j;
    if (!raw.p)
        return NK_OK;
    NK_TRY(nk_json_parse(raw, t->a, NK_ICE_DEPTH_MAX, &j, err));
    nk_ice_set(t, o, nk_str_c(key), j);
    return NK_OK;
}

static void put_opt(nk_ice_tree *t, nk_json *o, const char *key, nk_opt_i64 v)
{
    if (v.set)
        nk_ice_knum(t, o, key, v.value);
}

static nk_code from_schema(nk_ice_tree *t, const glue_IcebergSchema *s, nk_json **out, nk_err *err)
{
    nk_json *schema = nk_ice_new(t, NK_JSON_OBJECT), *fields = nk_ice_new(t, NK_JSON_ARRAY);
    nk_ice_kstr(t, schema, "type", NK_STR("struct"));
    put_opt(t, schema, "schema-id", s->SchemaId);
    if (s->IdentifierFieldIds.n) {
        nk_json *ids = nk_ice_new(t, NK_JSON_ARRAY);
        for (size_t i = 0; i < s->IdentifierFieldIds.n; i++)
            nk_ice_add(t, ids, nk_ice_num(t, s->IdentifierFieldIds.v[i].value));
        nk_ice_set(t, schema, NK_STR("identifier-field-ids"), ids);
    }
    for (size_t i = 0; i < s->Fields.n; i++) {
        const glue_IcebergStructField *f = &s->Fields.v[i];
        nk_json *o = nk_ice_new(t, NK_JSON_OBJECT);
        put_opt(t, o, "id", f->Id);
        nk_ice_kstr(t, o, "name", f->Name);
        nk_ice_set(t, o, NK_STR("required"), nk_ice_bool(t, nk_bool_or(f->Required, false)));
        NK_TRY(put_document(t, o, "type", f->Type, err));
        if (f->Doc.p)
            nk_ice_kstr(t, o, "doc", f->Doc);
        NK_TRY(put_document(t, o, "initial-default", f->InitialDefault, err));
        NK_TRY(put_document(t, o, "write-default", f->WriteDefault, err));
        nk_ice_add(t, fields, o);
    }
    nk_ice_set(t, schema, NK_STR("fields"), fields);
    *out = schema;
    return NK_OK;
}

static nk_json *from_spec(nk_ice_tree *t, const glue_IcebergPartitionSpec *s)
{
    nk_json *spec = nk_ice_new(t, NK_JSON_OBJECT), *fields = nk_ice_new(t, NK_JSON_ARRAY);
    put_opt(t, spec, "spec-id", s->SpecId);
    for (size_t i = 0; i < s->Fields.n; i++) {
        const glue_IcebergPartitionField *f = &s->Fields.v[i];
        nk_json *o = nk_ice_new(t, NK_JSON_OBJECT);
        put_opt(t, o, "source-id", f->SourceId);
        nk_ice_kstr(t, o, "transform", f->Transform);
        nk_ice_kstr(t, o, "name", f->Name);
        put_opt(t, o, "field-id", f->FieldId);
        nk_ice_add(t, fields, o);
    }
    nk_ice_set(t, spec, NK_STR("fields"), fields);
    return spec;
}

static nk_json *from_order(nk_ice_tree *t, const glue_IcebergSortOrder *s)
{
    nk_json *order = nk_ice_new(t, NK_JSON_OBJECT), *fields = nk_ice_new(t, NK_JSON_ARRAY);
    put_opt(t, order, "order-id", s->OrderId);
    for (size_t i = 0; i < s->Fields.n; i++) {
        const glue_IcebergSortField *f = &s->Fields.v[i];
        nk_json *o = nk_ice_new(t, NK_JSON_OBJECT);
        put_opt(t, o, "source-id", f->SourceId);
        nk_ice_kstr(t, o, "transform", f->Transform);
        nk_ice_kstr(t, o, "direction", f->Direction);
        nk_ice_kstr(t, o, "null-order", f->NullOrder);
        nk_ice_add(t, fields, o);
    }
    nk_ice_set(t, order, NK_STR("fields"), fields);
    return order;
}

/* ---- from Hive's columns ---- */

/* Iceberg's name of a scalar of Hive's; small integers are int. */
static const char *const iceberg_names[] = {
    [NK_T_NULL] = "string",    [NK_T_BOOLEAN] = "boolean",
    [NK_T_BYTE] = "int",       [NK_T_SHORT] = "int",
    [NK_T_INT] = "int",        [NK_T_LONG] = "long",
    [NK_T_FLOAT] = "float",    [NK_T_DOUBLE] = "double",
    [NK_T_STRING] = "string",  [NK_T_CHAR] = "string",
    [NK_T_VARCHAR] = "string", [NK_T_BINARY] = "binary",
    [NK_T_DATE] = "date",      [NK_T_TIMESTAMP] = "timestamp",
};

typedef struct hive {
    nk_ice_tree *t;
    int64_t next; /* id */
    nk_err *err;
} hive;

static nk_json *from_type(hive *h, const nk_type *type)
{
    nk_ice_tree *t = h->t;
    if (type->kind == NK_T_DECIMAL)
        return nk_ice_text(t, nk_str_printf(t->a, "decimal(%d, %d)", type->precision, type->scale));
    if (type->kind < NK_T_ARRAY)
        return nk_ice_text(t, nk_str_c(iceberg_names[type->kind]));
    nk_json *o = nk_ice_new(t, NK_JSON_OBJECT);
    if (type->kind == NK_T_ARRAY) {
        nk_ice_kstr(t, o, "type", NK_STR("list"));
        nk_ice_knum(t, o, "element-id", h->next++);
        nk_ice_set(t, o, NK_STR("element"), from_type(h, type->elem));
        nk_ice_set(t, o, NK_STR("element-required"), nk_ice_bool(t, false));
        return o;
    }
    if (type->kind == NK_T_MAP) {
        nk_ice_kstr(t, o, "type", NK_STR("map"));
        nk_ice_knum(t, o, "key-id", h->next++);
        nk_ice_knum(t, o, "value-id", h->next++);
        nk_ice_set(t, o, NK_STR("key"), from_type(h, type->key));
        nk_ice_set(t, o, NK_STR("value"), from_type(h, type->elem));
        nk_ice_set(t, o, NK_STR("value-required"), nk_ice_bool(t, false));
        return o;
    }
    nk_json *fields = nk_ice_new(t, NK_JSON_ARRAY);
    nk_ice_kstr(t, o, "type", NK_STR("struct"));
    for (size_t i = 0; i < type->nfields; i++) {
        nk_json *f = nk_ice_new(t, NK_JSON_OBJECT);
        nk_ice_knum(t, f, "id", h->next++);
        nk_ice_kstr(t, f, "name", type->fields[i].name);
        nk_ice_set(t, f, NK_STR("required"), nk_ice_bool(t, false));
        nk_ice_set(t, f, NK_STR("type"), from_type(h, type->fields[i].type));
        nk_ice_add(t, fields, f);
    }
    nk_ice_set(t, o, NK_STR("fields"), fields);
    return o;
}

static nk_code put_columns(hive *h, nk_json *fields, const glue_Column_list *columns)
{
    for (size_t i = 0; i < columns->n; i++) {
        const glue_Column *c = &columns->v[i];
        const nk_type *type;
        nk_json *f = nk_ice_new(h->t, NK_JSON_OBJECT);
        nk_code rc = nk_type_parse(c->Type.p ? c->Type : NK_STR("string"), h->t->a, &type, h->err);
        if (rc != NK_OK)
            return nk_wrap(h->err, "Column %.*s", NK_STR_ARG(c->Name));
        nk_ice_knum(h->t, f, "id", h->next++);
        nk_ice_kstr(h->t, f, "name", c->Name);
        nk_ice_set(h->t, f, NK_STR("required"), nk_ice_bool(h->t, false));
        nk_ice_set(h->t, f, NK_STR("type"), from_type(h, type));
        if (c->Comment.p)
            nk_ice_kstr(h->t, f, "doc", c->Comment);
        nk_ice_add(h->t, fields, f);
    }
    return NK_OK;
}

/* A TableInput's columns as a schema, its partition keys as identity partitions. */
static nk_code from_input(nk_ice_tree *t, const glue_TableInput *in, nk_ice_create *what,
                          nk_err *err)
{
    hive h = {t, 1, err};
    const glue_StorageDescriptor *sd = in->StorageDescriptor;
    if (!sd || !sd->Columns.n || !sd->Location.n)
        return nk_fail(err, NK_E_INVALID,
                       "An Iceberg table needs columns and a location: give them in TableInput's "
                       "StorageDescriptor, or a CreateIcebergTableInput.");
    nk_json *schema = nk_ice_new(t, NK_JSON_OBJECT), *fields = nk_ice_new(t, NK_JSON_ARRAY),
            *spec = nk_ice_new(t, NK_JSON_OBJECT), *parts = nk_ice_new(t, NK_JSON_ARRAY);
    nk_ice_kstr(t, schema, "type", NK_STR("struct"));
    nk_ice_set(t, schema, NK_STR("fields"), fields);
    nk_ice_set(t, spec, NK_STR("fields"), parts);
    if (t->failed)
        return nomem(err);
    NK_TRY(put_columns(&h, fields, &sd->Columns));
    size_t first = fields->count;
    NK_TRY(put_columns(&h, fields, &in->PartitionKeys));
    for (size_t i = 0; i < in->PartitionKeys.n; i++) {
        nk_json *p = nk_ice_new(t, NK_JSON_OBJECT);
        nk_ice_knum(t, p, "source-id", nk_json_i64(nk_json_at(fields, first + i), "id", 0));
        nk_ice_kstr(t, p, "transform", NK_STR("identity"));
        nk_ice_kstr(t, p, "name", in->PartitionKeys.v[i].Name);
        nk_ice_add(t, parts, p);
    }
    what->schema = schema;
    what->spec = spec;
    what->location = sd->Location;
    return NK_OK;
}

/* ---- CreateTable ---- */

bool nk_iceberg_is_create(const void *request)
{
    return ((const glue_CreateTableRequest *)request)->OpenTableFormatInput != NULL;
}

static nk_code enter(nk_call *call, nk_str id)
{
    nk_catalog_ctx ctx;
    call->catalog = id.p && !nk_str_eq(id, call->account_id) ? id : NK_STR_NULL;
    return nk_ice_ctx(call, NULL, &ctx, call->err);
}

static nk_code put_version(nk_ice_tree *t, nk_json *properties, nk_str version, nk_err *err)
{
    int64_t v;
    if (!version.p)
        return NK_OK;
    if (!nk_str_i64(version, &v) || v < 1 || v > NK_ICE_FORMAT_MAX)
        return nk_fail(err, NK_E_INVALID, "Version %.*s of Iceberg's format is not one of 1 to %d.",
                       NK_STR_ARG(version), NK_ICE_FORMAT_MAX);
    nk_ice_kstr(t, properties, "format-version", version);
    return NK_OK;
}

static nk_code create(nk_call *call, const glue_CreateTableRequest *in)
{
    nk_ice_tree t = {.a = call->arena};
    nk_ice_create what = {.keep_ids = true};
    nk_ice_entry out;
    const glue_IcebergInput *ice = in->OpenTableFormatInput->IcebergInput;
    nk_str name = in->Name.p ? in->Name : in->TableInput ? in->TableInput->Name : NK_STR_NULL;
    nk_map_str none = {0};
    nk_json *schema, *properties;
    NK_TRY(enter(call, in->CatalogId));
    if (!ice)
        return nk_fail(call->err, NK_E_INVALID, "OpenTableFormatInput must hold IcebergInput.");
    if (!name.p)
        return nk_fail(call->err, NK_E_INVALID, "Name or TableInput must be given.");
    const glue_CreateIcebergTableInput *c = ice->CreateIcebergTableInput;
    if (c) {
        properties = from_pairs(&t, &c->Properties);
        NK_TRY(from_schema(&t, c->Schema, &schema, call->err));
        what.schema = schema;
        what.location = c->Location;
        what.spec = c->PartitionSpec ? from_spec(&t, c->PartitionSpec) : NULL;
        what.order = c->WriteOrder ? from_order(&t, c->WriteOrder) : NULL;
    } else {
        properties = from_pairs(&t, in->TableInput ? &in->TableInput->Parameters : &none);
        if (!in->TableInput)
            return nk_fail(call->err, NK_E_INVALID,
                           "CreateIcebergTableInput or TableInput must be given.");
        NK_TRY(from_input(&t, in->TableInput, &what, call->err));
        if (in->TableInput->Description.p && !nk_json_get(properties, "comment"))
            nk_ice_kstr(&t, properties, "comment", in->TableInput->Description);
    }
    NK_TRY(put_version(&t, properties, ice->Version, call->err));
    what.properties = properties;
    if (t.failed)
        return nomem(call->err);
    return nk_ice_entry_create(call, false, in->DatabaseName, name, &what, false, &out);
}

nk_code nk_iceberg_create(nk_call *call, const void *in, void *out)
{
    return nk_ice_in_glue(call, create(call, in));
}

/* ---- UpdateTable ---- */

bool nk_iceberg_is_update(const void *request)
{
    return ((const glue_UpdateTableRequest *)request)->UpdateOpenTableFormatInput != NULL;
}

static nk_json *action(nk_ice_tree *t, nk_json *updates, const char *name)
{
    nk_json *u = nk_ice_new(t, NK_JSON_OBJECT);
    nk_ice_kstr(t, u, "action", nk_str_c(name));
    nk_ice_add(t, updates, u);
    return u;
}

static nk_code need_member(nk_err *err, const void *member, const char *name, nk_str act)
{
    return member ? NK_OK
                  : nk_fail(err, NK_E_INVALID, "Action %.*s needs %s.", NK_STR_ARG(act), name);
}

typedef struct updater {
    nk_ice_tree t;
    nk_json *updates;
    const glue_IcebergTableUpdate *u;
    nk_str action;
    nk_err *err;
} updater;

static nk_code add_schema(updater *x)
{
    nk_json *schema;
    NK_TRY(need_member(x->err, x->u->Schema, "Schema", x->action));
    NK_TRY(from_schema(&x->t, x->u->Schema, &schema, x->err));
    nk_ice_set(&x->t, action(&x->t, x->updates, "add-schema"), NK_STR("schema"), schema);
    return NK_OK;
}

static nk_code set_schema(updater *x)
{
    NK_TRY(need_member(x->err, x->u->Schema, "Schema", x->action));
    nk_ice_knum(&x->t, action(&x->t, x->updates, "set-current-schema"), "schema-id",
                nk_i64_or(x->u->Schema->SchemaId, -1));
    return NK_OK;
}

static nk_code add_spec(updater *x)
{
    NK_TRY(need_member(x->err, x->u->PartitionSpec, "PartitionSpec", x->action));
    nk_ice_set(&x->t, action(&x->t, x->updates, "add-spec"), NK_STR("spec"),
               from_spec(&x->t, x->u->PartitionSpec));
    return NK_OK;
}

static nk_code set_spec(updater *x)
{
    NK_TRY(need_member(x->err, x->u->PartitionSpec, "PartitionSpec", x->action));
    nk_ice_knum(&x->t, action(&x->t, x->updates, "set-default-spec"), "spec-id",
                nk_i64_or(x->u->PartitionSpec->SpecId, -1));
    return NK_OK;
}

static nk_code add_order(updater *x)
{
    NK_TRY(need_member(x->err, x->u->SortOrder, "SortOrder", x->action));
    nk_ice_set(&x->t, action(&x->t, x->updates, "add-sort-order"), NK_STR("sort-order"),
               from_order(&x->t, x->u->SortOrder));
    return NK_OK;
}

static nk_code set_order(updater *x)
{
    NK_TRY(need_member(x->err, x->u->SortOrder, "SortOrder", x->action));
    nk_ice_knum(&x->t, action(&x->t, x->updates, "set-default-sort-order"), "sort-order-id",
                nk_i64_or(x->u->SortOrder->OrderId, -1));
    return NK_OK;
}

static nk_code set_location(updater *x)
{
    nk_ice_kstr(&x->t, action(&x->t, x->updates, "set-location"), "location", x->u->Location);
    return NK_OK;
}

static nk_code set_properties(updater *x)
{
    nk_ice_set(&x->t, action(&x->t, x->updates, "set-properties"), NK_STR("updates"),
               from_pairs(&x->t, &x->u->Properties));
    return NK_OK;
}

static nk_code remove_properties(updater *x)
{
    nk_json *keys = nk_ice_new(&x->t, NK_JSON_ARRAY);
    for (size_t i = 0; i < x->u->Properties.n; i++)
        nk_ice_add(&x->t, keys, nk_ice_text(&x->t, x->u->Properties.v[i].key));
    nk_ice_set(&x->t, action(&x->t, x->updates, "remove-properties"), NK_STR("removals"), keys);
    return NK_OK;
}

static nk_code add_key(updater *x)
{
    const glue_IcebergEncryptedKey *k = x->u->EncryptionKey;
    NK_TRY(need_member(x->err, k, "EncryptionKey", x->action));
    nk_json *o = nk_ice_new(&x->t, NK_JSON_OBJECT);
    nk_ice_kstr(&x->t, o, "key-id", k->KeyId);
    nk_ice_kstr(&x->t, o, "encrypted-key-metadata", k->EncryptedKeyMetadata);
    if (k->EncryptedById.p)
        nk_ice_kstr(&x->t, o, "encrypted-by-id", k->EncryptedById);
    if (k->Properties.n)
        nk_ice_set(&x->t, o, NK_STR("properties"), from_pairs(&x->t, &k->Properties));
    nk_ice_set(&x->t, action(&x->t, x->updates, "add-encryption-key"), NK_STR("encryption-key"), o);
    return NK_OK;
}

static nk_code remove_key(updater *x)
{
    NK_TRY(need_member(x->err, x->u->KeyId.p, "KeyId", x->action));
    nk_ice_kstr(&x->t, action(&x->t, x->updates, "remove-encryption-key"), "key-id", x->u->KeyId);
    return NK_OK;
}

static const struct glue_action {
    const char *name;
    nk_code (*run)(updater *x);
} actions[] = {
    {"add-schema", add_schema},
    {"set-current-schema", set_schema},
    {"add-spec", add_spec},
    {"set-default-spec", set_spec},
    {"add-sort-order", add_order},
    {"set-default-sort-order", set_order},
    {"set-location", set_location},
    {"set-properties", set_properties},
    {"remove-properties", remove_properties},
    {"add-encryption-key", add_key},
    {"remove-encryption-key", remove_key},
};

/* Without an action an update says how the table shall be: everything that it holds is put in
 * force. */
static nk_code whole(updater *x)
{
    const glue_IcebergTableUpdate *u = x->u;
    NK_TRY(add_schema(x));
    nk_ice_knum(&x->t, action(&x->t, x->updates, "set-current-schema"), "schema-id", -1);
    if (u->PartitionSpec) {
        NK_TRY(add_spec(x));
        nk_ice_knum(&x->t, action(&x->t, x->updates, "set-default-spec"), "spec-id", -1);
    }
    if (u->SortOrder) {
        NK_TRY(add_order(x));
        nk_ice_knum(&x->t, action(&x->t, x->updates, "set-default-sort-order"), "sort-order-id",
                    -1);
    }
    if (u->Location.n)
        NK_TRY(set_location(x));
    return u->Properties.n ? set_properties(x) : NK_OK;
}

static nk_code put_update(updater *x)
{
    x->action = x->u->Action;
    if (!x->u->Action.p)
        return whole(x);
    for (size_t i = 0; i < NK_COUNTOF(actions); i++)
        if (nk_str_is(x->u->Action, actions[i].name))
            return actions[i].run(x);
    return nk_fail(x->err, NK_E_INVALID, "Action %.*s is not known.", NK_STR_ARG(x->u->Action));
}

static nk_code update(nk_call *call, const glue_UpdateTableRequest *in)
{
    updater x = {.t = {.a = call->arena}, .err = call->err};
    const glue_UpdateIcebergInput *ice = in->UpdateOpenTableFormatInput->UpdateIcebergInput;
    nk_str name = in->Name.p ? in->Name : in->TableInput ? in->TableInput->Name : NK_STR_NULL;
    NK_TRY(enter(call, in->CatalogId));
    if (!ice || !ice->UpdateIcebergTableInput)
        return nk_fail(call->err, NK_E_INVALID,
                       "UpdateOpenTableFormatInput must hold UpdateIcebergInput.");
    if (!name.p)
        return nk_fail(call->err, NK_E_INVALID, "Name must be given.");
    x.updates = nk_ice_new(&x.t, NK_JSON_ARRAY);
    const glue_IcebergTableUpdate_list *list = &ice->UpdateIcebergTableInput->Updates;
    for (size_t i = 0; i < list->n; i++) {
        x.u = &list->v[i];
        NK_TRY(put_update(&x));
    }
    if (x.t.failed)
        return nomem(call->err);
    nk_ice_change c = {.database = in->DatabaseName,
                       .name = name,
                       .updates = x.updates,
                       .version = in->VersionId,
                       .archive = !nk_bool_or(in->SkipArchive, false)};
    return nk_ice_commit(call, &c, 1, NULL);
}

nk_code nk_iceberg_update(nk_call *call, const void *in, void *out)
{
    return nk_ice_in_glue(call, update(call, in));
}
