/* Schemas, partition specs and sort orders: what may stand in them. */
#include <stdio.h>

#include "iceberg/meta.h"

#define TYPE_DEPTH_MAX 64

nk_code nk_ice_fail(nk_err *err, nk_ice_error kind, const char *fmt, ...)
{
    static const struct {
        const char *type;
        nk_code code;
    } kinds[] = {
#define NK_ICE_ERR(kind, type, status, code) {type, code},
#include "iceberg/errors.def"
#undef NK_ICE_ERR
    };
    va_list ap;
    va_start(ap, fmt);
    (void)nk_vfail(err, kinds[kind].code, fmt, ap);
    va_end(ap);
    if (err)
        snprintf(err->aws, sizeof err->aws, "%s", kinds[kind].type);
    return kinds[kind].code;
}

int nk_ice_status(const char *type)
{
    static const struct {
        const char *type;
        int status;
    } kinds[] = {
#define NK_ICE_ERR(kind, type, status, code) {type, status},
#include "iceberg/errors.def"
#undef NK_ICE_ERR
    };
    for (size_t i = 0; i < NK_COUNTOF(kinds); i++)
        if (strcmp(kinds[i].type, type) == 0)
            return kinds[i].status;
    return 0;
}

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

static nk_code bad(nk_err *err, const char *what, nk_str which)
{
    return nk_ice_fail(err, NK_ICE_BAD_REQUEST, "%s: %.*s", what, NK_STR_ARG(which));
}

/* ---- primitive types ---- */

/* What a transform may be put on. */
enum { NUM = 1, DEC = 2, TXT = 4, BIN = 8, DAY = 16, TS = 32, TIM = 64, UUID = 128, OTHER = 256 };

/* name; the first format version that has it; its class; Hive's name of it. A type with arguments
 * ends with its bracket. */
static const struct primitive {
    const char *name;
    int since, class;
    const char *hive;
} primitives[] = {
    {"boolean", 1, OTHER, "boolean"},
    {"int", 1, NUM, "int"},
    {"long", 1, NUM, "bigint"},
    {"float", 1, OTHER, "float"},
    {"double", 1, OTHER, "double"},
    {"decimal(", 1, DEC, "decimal"},
    {"date", 1, DAY, "date"},
    {"time", 1, TIM, "string"},
    {"timestamp", 1, TS, "timestamp"},
    {"timestamptz", 1, TS, "timestamp"},
    {"timestamp_ns", 3, TS, "timestamp"},
    {"timestamptz_ns", 3, TS, "timestamp"},
    {"string", 1, TXT, "string"},
    {"uuid", 1, UUID, "string"},
    {"fixed[", 1, BIN, "binary"},
    {"binary", 1, BIN, "binary"},
    {"unknown", 3, OTHER, "string"},
    {"variant", 3, OTHER, "string"},
    {"geometry", 3, OTHER, "binary"},
    {"geometry(", 3, OTHER, "binary"},
    {"geography", 3, OTHER, "binary"},
    {"geography(", 3, OTHER, "binary"},
};

static bool decimal_args(nk_str type, int64_t *precision, int64_t *scale)
{
    nk_str rest = nk_str_sub(type, 8, type.n), p, s;
    if (!rest.n || rest.p[rest.n - 1] != ')')
        return false;
    rest.n--;
    return nk_str_split(&rest, ',', &p) && nk_str_split(&rest, ',', &s) &&
           nk_str_i64(nk_str_trim(p), precision) && nk_str_i64(nk_str_trim(s), scale) &&
           *precision >= 1 && *precision <= 38 && *scale >= 0 && *scale <= *precision;
}

static bool fixed_arg(nk_str type, int64_t *n)
{
    nk_str rest = nk_str_sub(type, 6, type.n);
    return rest.n > 1 && rest.p[rest.n - 1] == ']' &&
           nk_str_i64(nk_str_trim(nk_str_sub(rest, 0, rest.n - 1)), n) && *n > 0;
}

/* NULL when there is no such type. */
static const struct primitive *primitive_of(nk_str type)
{
    for (size_t i = 0; i < NK_COUNTOF(primitives); i++) {
        const struct primitive *p = &primitives[i];
        size_t n = strlen(p->name);
        char last = p->name[n - 1];
        int64_t x, y;
        if (last != '(' && last != '[') {
            if (nk_str_is(type, p->name))
                return p;
            continue;
        }
        if (!nk_str_starts(type, nk_str_n(p->name, n)))
            continue;
        if (p->class == DEC)
            return decimal_args(type, &x, &y) ? p : NULL;
        if (last == '[')
            return fixed_arg(type, &x) ? p : NULL;
        return type.p[type.n - 1] == ')' ? p : NULL;
    }
    return NULL;
}

/* ---- a walk over all fields ---- */

typedef struct walker {
    int64_t format;
    nk_err *err;
    /* each id once; names are full */
    nk_code (*field)(struct walker *w, nk_str name, const nk_json *owner, const char *id_key,
                     const char *type_key);
    int64_t highest;
    nk_map seen; /* ids by their text */
    /* looking for one */
    int64_t wanted;
    const nk_json *found;
    nk_str found_name;
    int depth;
} walker;

static nk_code walk_type(walker *w, const nk_json *type);

static nk_code walk_struct(walker *w, const nk_json *s)
{
    const nk_json *fields = nk_ice_array(s, "fields");
    if (!fields)
        return bad(w->err, "Cannot parse struct, it has no list of fields", NK_STR("fields"));
    NK_ICE_EACH(f, fields)
    {
        nk_str name = nk_json_str(f, "name");
        const nk_json *required = nk_json_get(f, "required");
        if (!name.p || nk_json_get(f, "name")->kind != NK_JSON_STRING)
            return bad(w->err, "Cannot parse field, it has no name", NK_STR("name"));
        if (!required || (required->kind != NK_JSON_TRUE && required->kind != NK_JSON_FALSE))
            return bad(w->err, "Cannot parse field, it does not say whether it is required", name);
        NK_TRY(w->field(w, name, f, "id", "type"));
    }
    NK_ICE_EACH(f, fields)
    {
        NK_TRY(walk_type(w, nk_json_get(f, "type")));
    }
    return NK_OK;
}

static nk_code walk_part(walker *w, const nk_json *type, const char *name, const char *id_key)
{
    return w->field(w, nk_str_c(name), type, id_key, name);
}

static nk_code walk_nested(walker *w, const nk_json *type)
{
    nk_str kind = nk_json_str(type, "type");
    if (nk_str_is(kind, "struct"))
        return walk_struct(w, type);
    if (nk_str_is(kind, "list")) {
        NK_TRY(walk_part(w, type, "element", "element-id"));
        return walk_type(w, nk_json_get(type, "element"));
    }
    if (nk_str_is(kind, "map")) {
        NK_TRY(walk_part(w, type, "key", "key-id"));
        NK_TRY(walk_part(w, type, "value", "value-id"));
        NK_TRY(walk_type(w, nk_json_get(type, "key")));
        return walk_type(w, nk_json_get(type, "value"));
    }
    return bad(w->err, "Cannot parse type", kind);
}

static nk_code walk_type(walker *w, const nk_json *type)
{
    if (!type)
        return bad(w->err, "Cannot parse field, it has no type", NK_STR("type"));
    if (type->kind == NK_JSON_OBJECT) {
        if (++w->depth > TYPE_DEPTH_MAX)
            return nk_ice_fail(w->err, NK_ICE_BAD_REQUEST, "The schema is nested too deep.");
        nk_code rc = walk_nested(w, type);
        w->depth--;
        return rc;
    }
    const struct primitive *p = type->kind == NK_JSON_STRING ? primitive_of(type->text) : NULL;
    if (!p)
        return bad(w->err, "Cannot parse type string to primitive", type->text);
    if (p->since > w->format)
        return nk_ice_fail(w->err, NK_ICE_BAD_REQUEST,
                           "Invalid type for format version %lld: %.*s is not supported until v%d",
                           (long long)w->format, NK_STR_ARG(type->text), p->since);
    return NK_OK;
}

/* ---- checking ---- */

static nk_code check_field(walker *w, nk_str name, const nk_json *owner, const char *id_key,
                           const char *type_key)
{
    int64_t id;
    void *old;
    if (!nk_ice_get_i64(owner, id_key, &id) || id < 0 || id > INT32_MAX)
        return bad(w->err, "Cannot parse field, it has no id", name);
    if (!name.n)
        return nk_ice_fail(w->err, NK_ICE_BAD_REQUEST, "A field's name must not be empty.");
    nk_str text = nk_json_str(owner, id_key);
    if (nk_map_has(&w->seen, text))
        return nk_ice_fail(w->err, NK_ICE_BAD_REQUEST,
                           "Invalid schema: multiple fields for id %lld", (long long)id);
    if (nk_map_put(&w->seen, text, (void *)(uintptr_t)owner, &old) != NK_OK)
        return nomem(w->err);
    if (id > w->highest)
        w->highest = id;
    const nk_json *initial = nk_json_get(owner, "initial-default"),
                  *write = nk_json_get(owner, "write-default");
    if (w->format < 3 && !nk_json_is_null(initial))
        return nk_ice_fail(
            w->err, NK_ICE_BAD_REQUEST,
            "Invalid initial default for %.*s: non-null default is not supported until v3",
            NK_STR_ARG(name));
    (void)write;
    (void)type_key;
    return NK_OK;
}

static nk_code unique_names(const nk_json *fields, nk_err *err)
{
    nk_map names;
    nk_code rc = NK_OK;
    nk_map_init(&names);
    NK_ICE_EACH(f, fields)
    {
        nk_str name = nk_json_str(f, "name");
        if (nk_map_has(&names, name))
            rc = nk_ice_fail(err, NK_ICE_BAD_REQUEST,
                             "Invalid schema: multiple fields for name %.*s", NK_STR_ARG(name));
        else
            rc = nk_map_put(&names, name, f, NULL) == NK_OK ? NK_OK : nomem(err);
        if (rc != NK_OK)
            break;
    }
    nk_map_free(&names);
    return rc;
}

static nk_code unique_names_deep(const nk_json *type, nk_err *err)
{
    if (!type || type->kind != NK_JSON_OBJECT)
        return NK_OK;
    const nk_json *fields = nk_ice_array(type, "fields");
    if (fields)
        NK_TRY(unique_names(fields, err));
    NK_ICE_EACH(f, fields)
    {
        NK_TRY(unique_names_deep(nk_json_get(f, "type"), err));
    }
    static const char *const parts[] = {"element", "key", "value"};
    for (size_t i = 0; i < NK_COUNTOF(parts); i++)
        NK_TRY(unique_names_deep(nk_json_get(type, parts[i]), err));
    return NK_OK;
}

static nk_code check_identifiers(const nk_json *schema, nk_err *err)
{
    const nk_json *ids = nk_json_get(schema, "identifier-field-ids");
    if (nk_json_is_null(ids))
        return NK_OK;
    if (ids->kind != NK_JSON_ARRAY)
        return bad(err, "Cannot parse schema", NK_STR("identifier-field-ids"));
    NK_ICE_EACH(m, ids)
    {
        int64_t id = 0;
        nk_str name;
        const nk_json *type = m->kind == NK_JSON_NUMBER && nk_str_i64(m->text, &id)
                                  ? nk_ice_schema_type(schema, id, &name)
                                  : NULL;
        if (!type)
            return nk_ice_fail(err, NK_ICE_BAD_REQUEST,
                               "Cannot add fieldId %.*s as an identifier field: field does not "
                               "exist",
                               NK_STR_ARG(m->text));
        const nk_json *f = nk_ice_find(nk_ice_array(schema, "fields"), "id", id);
        if (type->kind != NK_JSON_STRING || nk_str_is(type->text, "float") ||
            nk_str_is(type->text, "double") || (f && !nk_json_bool(f, "required", false)))
            return nk_ice_fail(err, NK_ICE_BAD_REQUEST,
                               "Cannot add field %.*s as an identifier field: it must be required, "
                               "primitive and no floating-point number",
                               NK_STR_ARG(name));
    }
    return NK_OK;
}

nk_code nk_ice_schema_check(const nk_json *schema, int64_t format, int64_t *highest, nk_err *err)
{
    walker w = {.format = format, .err = err, .field = check_field};
    if (!schema || schema->kind != NK_JSON_OBJECT)
        return bad(err, "Cannot parse schema, it must be an object", NK_STR("schema"));
    nk_str type = nk_json_str(schema, "type");
    if (type.p && !nk_str_is(type, "struct"))
        return bad(err, "Cannot create schema, not a struct type", type);
    nk_map_init(&w.seen);
    nk_code rc = walk_struct(&w, schema);
    nk_map_free(&w.seen);
    if (rc == NK_OK)
        rc = unique_names_deep(schema, err);
    if (rc == NK_OK)
        rc = check_identifiers(schema, err);
    if (highest)
        *highest = w.highest;
    return rc;
}

static nk_code match_field(walker *w, nk_str name, const nk_json *owner, const char *id_key,
                           const char *type_key)
{
    int64_t id;
    if (!nk_ice_get_i64(owner, id_key, &id) || id != w->wanted)
        return NK_OK;
    w->found = nk_json_get(owner, type_key);
    w->found_name = name;
    return NK_E_END;
}

const nk_json *nk_ice_schema_type(const nk_json *schema, int64_t id, nk_str *name)
{
    walker w = {.format = NK_ICE_FORMAT_MAX, .field = match_field, .wanted = id};
    if (walk_struct(&w, schema) != NK_OK && !w.found)
        return NULL;
    if (name)
        *name = w.found_name;
    return w.found;
}

/* ---- new ids ---- */

typedef struct fresh {
    nk_ice_tree *t;
    nk_ice_ids *map;
    int64_t next;
} fresh;

static void give_id(fresh *f, nk_json *owner, const char *key)
{
    nk_ice_id *id = nk_ice_ids_add(f->map, f->t->a);
    if (!id) {
        f->t->failed = true;
        return;
    }
    (void)nk_ice_get_i64(owner, key, &id->old);
    id->new = f->next++;
    nk_ice_knum(f->t, owner, key, id->new);
}

/* All fields of a struct first, then what is inside them. */
static void fresh_type(fresh *f, nk_json *type)
{
    if (!type || type->kind != NK_JSON_OBJECT)
        return;
    nk_json *fields = nk_ice_array(type, "fields");
    NK_ICE_EACH(m, fields)
    {
        give_id(f, m, "id");
    }
    NK_ICE_EACH(m, fields)
    {
        fresh_type(f, nk_json_get(m, "type"));
    }
    static const char *const parts[][2] = {
        {"element", "element-id"}, {"key", "key-id"}, {"value", "value-id"}};
    for (size_t i = 0; i < NK_COUNTOF(parts); i++)
        if (nk_json_get(type, parts[i][0]))
            give_id(f, type, parts[i][1]);
    for (size_t i = 0; i < NK_COUNTOF(parts); i++)
        fresh_type(f, nk_json_get(type, parts[i][0]));
}

nk_code nk_ice_schema_fresh(nk_ice_tree *t, nk_json *schema, nk_ice_ids *map, nk_err *err)
{
    fresh f = {t, map, 1};
    fresh_type(&f, schema);
    nk_json *ids = nk_ice_array(schema, "identifier-field-ids");
    NK_ICE_EACH(m, ids)
    {
        int64_t id;
        for (size_t i = 0; i < map->n && nk_str_i64(m->text, &id); i++) {
            if (map->v[i].old == id) {
                m->text = nk_str_printf(t->a, "%lld", (long long)map->v[i].new);
                break;
            }
        }
        t->failed = t->failed || !m->text.p;
    }
    return t->failed ? nomem(err) : NK_OK;
}

/* ---- Hive's names ---- */

static nk_code hive_struct(const nk_json *type, nk_buf *out)
{
    bool first = true;
    (void)nk_buf_puts(out, "struct<");
    NK_ICE_EACH(f, nk_ice_array(type, "fields"))
    {
        if (!first)
            (void)nk_buf_putc(out, ',');
        first = false;
        (void)nk_buf_str(out, nk_json_str(f, "name"));
        (void)nk_buf_putc(out, ':');
        NK_TRY(nk_ice_hive_type(nk_json_get(f, "type"), out));
    }
    return nk_buf_putc(out, '>');
}

nk_code nk_ice_hive_type(const nk_json *type, nk_buf *out)
{
    if (type && type->kind == NK_JSON_OBJECT) {
        nk_str kind = nk_json_str(type, "type");
        if (nk_str_is(kind, "struct"))
            return hive_struct(type, out);
        bool list = nk_str_is(kind, "list");
        (void)nk_buf_puts(out, list ? "array<" : "map<");
        NK_TRY(nk_ice_hive_type(nk_json_get(type, list ? "element" : "key"), out));
        if (!list) {
            (void)nk_buf_putc(out, ',');
            NK_TRY(nk_ice_hive_type(nk_json_get(type, "value"), out));
        }
        return nk_buf_putc(out, '>');
    }
    const struct primitive *p = type ? primitive_of(type->text) : NULL;
    int64_t precision, scale;
    if (p && p->class == DEC && decimal_args(type->text, &precision, &scale))
        return nk_buf_printf(out, "decimal(%lld,%lld)", (long long)precision, (long long)scale);
    return nk_buf_puts(out, p ? p->hive : "string");
}

/* ---- transforms ---- */

static const struct transform {
    const char *name;
    int classes;
} transforms[] = {
    {"identity", NUM | DEC | TXT | BIN | DAY | TS | TIM | UUID | OTHER},
    {"void", NUM | DEC | TXT | BIN | DAY | TS | TIM | UUID | OTHER},
    {"year", DAY | TS},
    {"month", DAY | TS},
    {"day", DAY | TS},
    {"hour", TS},
    {"bucket[", NUM | DEC | TXT | BIN | DAY | TS | TIM | UUID},
    {"truncate[", NUM | DEC | TXT | BIN},
};

static nk_code check_transform(nk_str name, const nk_json *type, nk_str field, nk_err *err)
{
    const struct transform *t = NULL;
    for (size_t i = 0; i < NK_COUNTOF(transforms) && !t; i++) {
        size_t n = strlen(transforms[i].name);
        int64_t arg;
        if (transforms[i].name[n - 1] == '[') {
            if (nk_str_starts(name, nk_str_n(transforms[i].name, n)) && name.n > n + 1 &&
                name.p[name.n - 1] == ']' && nk_str_i64(nk_str_sub(name, n, name.n - 1), &arg) &&
                arg > 0 && arg <= INT32_MAX)
                t = &transforms[i];
        } else if (nk_str_is(name, transforms[i].name)) {
            t = &transforms[i];
        }
    }
    if (!t)
        return nk_ice_fail(err, NK_ICE_BAD_REQUEST, "Unknown transform %.*s of field %.*s",
                           NK_STR_ARG(name), NK_STR_ARG(field));
    const struct primitive *p = type->kind == NK_JSON_STRING ? primitive_of(type->text) : NULL;
    if (p && (p->class & t->classes))
        return NK_OK;
    return nk_ice_fail(err, NK_ICE_VALIDATION,
                       "Invalid source type for transform %.*s of field "
                       "%.*s: %.*s",
                       NK_STR_ARG(name), NK_STR_ARG(field),
                       NK_STR_ARG(p ? type->text : NK_STR("a nested type")));
}

/* The source field's type; *gone: the field is none of the schema. */
static nk_code source_of(const nk_json *field, const nk_json *schema, const nk_json **type,
                         nk_str *name, nk_err *err)
{
    int64_t id;
    if (!nk_ice_get_i64(field, "source-id", &id)) {
        const nk_json *ids = nk_ice_array(field, "source-ids");
        if (!ids || ids->count != 1 || !nk_str_i64(ids->first->text, &id))
            return nk_ice_fail(err, NK_ICE_BAD_REQUEST, "A field must have one source-id.");
    }
    *type = nk_ice_schema_type(schema, id, name);
    return NK_OK;
}

static nk_code spec_field(const nk_json *f, const nk_json *schema, nk_err *err)
{
    nk_str transform = nk_json_str(f, "transform"), name = nk_json_str(f, "name"), column;
    const nk_json *type;
    if (!transform.p || !name.n)
        return bad(err, "A partition field must have a transform and a name", name);
    NK_TRY(source_of(f, schema, &type, &column, err));
    if (!type) {
        if (nk_str_is(transform, "void"))
            return NK_OK;
        return nk_ice_fail(err, NK_ICE_VALIDATION,
                           "Cannot find source column for partition field: %.*s", NK_STR_ARG(name));
    }
    NK_ICE_EACH(c, nk_ice_array(schema, "fields"))
    {
        if (!nk_str_eq(nk_json_str(c, "name"), name))
            continue;
        if ((nk_str_is(transform, "identity") || nk_str_is(transform, "void")) &&
            nk_json_i64(c, "id", -1) == nk_json_i64(f, "source-id", -2))
            continue;
        return nk_ice_fail(err, NK_ICE_VALIDATION,
                           "Cannot create partition from name that exists in schema: %.*s",
                           NK_STR_ARG(name));
    }
    return check_transform(transform, type, name, err);
}

nk_code nk_ice_spec_check(const nk_json *spec, const nk_json *schema, nk_err *err)
{
    const nk_json *fields = nk_ice_array(spec, "fields");
    if (!fields)
        return bad(err, "Cannot parse partition spec, it has no fields", NK_STR("fields"));
    NK_ICE_EACH(f, fields)
    {
        NK_TRY(spec_field(f, schema, err));
        NK_ICE_EACH(g, fields)
        {
            if (g == f)
                break;
            if (nk_str_eq(nk_json_str(g, "name"), nk_json_str(f, "name")))
                return bad(err, "Cannot use partition name more than once", nk_json_str(f, "name"));
        }
    }
    return NK_OK;
}

nk_code nk_ice_order_check(const nk_json *order, const nk_json *schema, nk_err *err)
{
    const nk_json *fields = nk_ice_array(order, "fields"), *type;
    if (!fields)
        return bad(err, "Cannot parse sort order, it has no fields", NK_STR("fields"));
    NK_ICE_EACH(f, fields)
    {
        nk_str transform = nk_json_str(f, "transform"), direction = nk_json_str(f, "direction"),
               nulls = nk_json_str(f, "null-order"), column = NK_STR("");
        if (!transform.p || (!nk_str_is(direction, "asc") && !nk_str_is(direction, "desc")) ||
            (!nk_str_is(nulls, "nulls-first") && !nk_str_is(nulls, "nulls-last")))
            return bad(err, "A sort field must have a transform, a direction and a null order",
                       transform);
        NK_TRY(source_of(f, schema, &type, &column, err));
        if (!type)
            return nk_ice_fail(err, NK_ICE_VALIDATION,
                               "Cannot find source column for sort field of transform %.*s",
                               NK_STR_ARG(transform));
        NK_TRY(check_transform(transform, type, column, err));
    }
    return NK_OK;
}
