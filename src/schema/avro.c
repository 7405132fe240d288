#include "schema/avro.h"

#include "schema/avro_file.h"

#define DEPTH_MAX  64
#define NAMED_MAX  10000
#define EXPAND_MAX 100000 /* types in all: a name may be used many times */

typedef struct reader {
    nk_arena *a;
    nk_err *err;
    nk_map named; /* full and short names → const nk_json *; their namespace stands in `spaces` */
    size_t types;
    nk_merge_rule rule;
} reader;

static nk_code bad(reader *r, const char *what)
{
    return nk_fail(r->err, NK_E_PARSE, "Avro schema: %s", what);
}

static nk_code no_memory(reader *r)
{
    return nk_fail(r->err, NK_E_NOMEM, "Out of memory reading an Avro schema");
}

static const struct {
    const char *name;
    nk_type_kind kind;
} primitives[] = {
    {"null", NK_T_NULL},    {"boolean", NK_T_BOOLEAN}, {"int", NK_T_INT},
    {"long", NK_T_LONG},    {"float", NK_T_FLOAT},     {"double", NK_T_DOUBLE},
    {"bytes", NK_T_BINARY}, {"string", NK_T_STRING},
};

static const struct {
    const char *name;
    nk_type_kind kind;
} logicals[] = {
    {"date", NK_T_DATE},
    {"timestamp-millis", NK_T_TIMESTAMP},
    {"timestamp-micros", NK_T_TIMESTAMP},
    {"timestamp-nanos", NK_T_TIMESTAMP},
    {"local-timestamp-millis", NK_T_TIMESTAMP},
    {"local-timestamp-micros", NK_T_TIMESTAMP},
    {"local-timestamp-nanos", NK_T_TIMESTAMP},
    {"uuid", NK_T_STRING},
};

/* What the names above this place mean: the chain of records being read. */
typedef struct scope {
    const struct scope *up;
    const nk_json *record;
    nk_str space;
} scope;

static nk_code schema_type(reader *r, const nk_json *j, const scope *in, int depth,
                           const nk_type **out);

static nk_str full_name(reader *r, nk_str name, nk_str space)
{
    if (!space.n || nk_str_chr(name, '.') >= 0)
        return name;
    return nk_str_printf(r->a, "%.*s.%.*s", NK_STR_ARG(space), NK_STR_ARG(name));
}

static nk_code remember(reader *r, const nk_json *j, nk_str space, nk_str *inner)
{
    nk_str name = nk_json_str(j, "name"), own = nk_json_str(j, "namespace");
    ptrdiff_t dot = nk_str_rchr(name, '.');
    *inner = dot >= 0 ? nk_str_sub(name, 0, (size_t)dot) : own.p ? own : space;
    if (!name.n)
        return bad(r, "a record, enum or fixed without a name");
    if (r->named.n >= NAMED_MAX)
        return bad(r, "too many named types");
    nk_str full = full_name(r, name, *inner);
    if (!full.p || nk_map_put(&r->named, full, (void *)(uintptr_t)j, NULL) != NK_OK)
        return no_memory(r);
    return NK_OK;
}

static nk_code named_type(reader *r, nk_str name, const scope *in, int depth, const nk_type **out)
{
    nk_str full = full_name(r, name, in ? in->space : NK_STR(""));
    const nk_json *j = nk_map_get(&r->named, full);
    if (!j)
        j = nk_map_get(&r->named, name);
    if (!j)
        return nk_fail(r->err, NK_E_PARSE, "Avro schema: unknown type \"%.*s\"", NK_STR_ARG(name));
    for (const scope *s = in; s; s = s->up) {
        if (s->record == j) { /* a record in itself: a table's columns cannot say that */
            *out = nk_type_scalar(NK_T_STRING);
            return NK_OK;
        }
    }
    return schema_type(r, j, in, depth + 1, out);
}

static nk_code primitive(reader *r, nk_str name, const scope *in, int depth, const nk_type **out)
{
    for (size_t i = 0; i < NK_COUNTOF(primitives); i++) {
        if (nk_str_is(name, primitives[i].name)) {
            *out = nk_type_scalar(primitives[i].kind);
            return NK_OK;
        }
    }
    return named_type(r, name, in, depth, out);
}

static nk_code record_type(reader *r, const nk_json *j, const scope *in, int depth,
                           const nk_type **out)
{
    const nk_json *fields = nk_json_get(j, "fields");
    scope mine = {in, j, NK_STR_NULL};
    NK_TRY(remember(r, j, in ? in->space : NK_STR(""), &mine.space));
    if (!fields || fields->kind != NK_JSON_ARRAY)
        return bad(r, "a record without fields");
    nk_field *f = NK_NEWN(r->a, nk_field, fields->count + 1);
    size_t n = 0;
    if (!f)
        return no_memory(r);
    for (const nk_json *e = fields->first; e; e = e->next) {
        nk_str name = nk_json_str(e, "name");
        const nk_json *type = nk_json_get(e, "type");
        if (!name.n || !type)
            return bad(r, "a field without name or type");
        f[n].name = nk_str_dup(r->a, name);
        f[n].comment = NK_STR_NULL;
        nk_str doc = nk_json_str(e, "doc");
        if (doc.n)
            f[n].comment = nk_str_dup(r->a, doc);
        if (!f[n].name.p || (doc.n && !f[n].comment.p))
            return no_memory(r);
        NK_TRY(schema_type(r, type, &mine, depth + 1, &f[n].type));
        n++;
    }
    *out = nk_type_struct(r->a, f, n);
    return *out ? NK_OK : no_memory(r);
}

static nk_code union_type(reader *r, const nk_json *j, const scope *in, int depth,
                          const nk_type **out)
{
    *out = nk_type_scalar(NK_T_NULL);
    for (const nk_json *e = j->first; e; e = e->next) {
        const nk_type *t;
        NK_TRY(schema_type(r, e, in, depth + 1, &t));
        if (t->kind != NK_T_NULL)
            NK_TRY(nk_type_merge(*out, t, r->rule, r->a, out, r->err));
    }
    return NK_OK;
}

static nk_code decimal_type(reader *r, const nk_json *j, const nk_type **out)
{
    int64_t p = nk_json_i64(j, "precision", 0), s = nk_json_i64(j, "scale", 0);
    if (p < 1 || p > 38 || s < 0 || s > p)
        return bad(r, "a decimal's precision must be from 1 to 38 and its scale not above it");
    *out = nk_type_decimal(r->a, (int)p, (int)s);
    return *out ? NK_OK : no_memory(r);
}

static nk_code object_type(reader *r, const nk_json *j, const scope *in, int depth,
                           const nk_type **out)
{
    const nk_json *type = nk_json_get(j, "type");
    nk_str logical = nk_json_str(j, "logicalType"), space;
    const nk_type *inner = NULL;
    if (!type)
        return bad(r, "an object without a type");
    if (type->kind != NK_JSON_STRING)
        return schema_type(r, type, in, depth + 1, out);
    if (nk_str_is(type->text, "record") || nk_str_is(type->text, "error"))
        return record_type(r, j, in, depth, out);
    if (nk_str_is(type->text, "enum") || nk_str_is(type->text, "fixed")) {
        NK_TRY(remember(r, j, in ? in->space : NK_STR(""), &space));
        if (nk_str_is(type->text, "fixed") && nk_str_is(logical, "decimal"))
            return decimal_type(r, j, out);
        *out = nk_type_scalar(nk_str_is(type->text, "enum") ? NK_T_STRING : NK_T_BINARY);
        return NK_OK;
    }
    bool array = nk_str_is(type->text, "array");
    if (array || nk_str_is(type->text, "map")) {
        const nk_json *of = nk_json_get(j, array ? "items" : "values");
        if (!of)
            return bad(r, array ? "an array without items" : "a map without values");
        NK_TRY(schema_type(r, of, in, depth + 1, &inner));
        *out = array ? nk_type_array(r->a, inner)
                     : nk_type_map(r->a, nk_type_scalar(NK_T_STRING), inner);
        return *out ? NK_OK : no_memory(r);
    }
    if (nk_str_is(logical, "decimal") && nk_str_is(type->text, "bytes"))
        return decimal_type(r, j, out);
    for (size_t i = 0; logical.n && i < NK_COUNTOF(logicals); i++) {
        if (nk_str_is(logical, logicals[i].name)) {
            *out = nk_type_scalar(logicals[i].kind);
            return NK_OK;
        }
    }
    return primitive(r, type->text, in, depth, out);
}

static nk_code schema_type(reader *r, const nk_json *j, const scope *in, int depth,
                           const nk_type **out)
{
    if (depth > DEPTH_MAX || ++r->types > EXPAND_MAX)
        return bad(r, depth > DEPTH_MAX ? "nested too deep" : "too many types");
    switch (j->kind) {
    case NK_JSON_STRING:
        return primitive(r, j->text, in, depth, out);
    case NK_JSON_OBJECT:
        return object_type(r, j, in, depth, out);
    case NK_JSON_ARRAY:
        return union_type(r, j, in, depth, out);
    default:
        return bad(r, "a type is a name, an object or a list");
    }
}

nk_code nk_avro_schema_type(nk_str schema, nk_merge_rule rule, nk_arena *a, const nk_type **out,
                            nk_err *err)
{
    reader r = {.a = a, .err = err, .rule = rule};
    nk_json *j;
    nk_err why = NK_ERR_INIT;
    if (nk_json_parse(schema, a, 0, &j, &why) != NK_OK)
        return nk_fail(err, why.code == NK_E_NOMEM ? NK_E_NOMEM : NK_E_PARSE, "Avro schema: %s",
                       why.msg);
    nk_map_init(&r.named);
    nk_code rc = schema_type(&r, j, NULL, 0, out);
    nk_map_free(&r.named);
    return rc;
}

/* ---- the container's header ---- */

nk_code nk_avro_read_header(nk_str head, nk_arena *a, nk_avro_header *out, nk_err *err)
{
    nk_avro_metas metas = {0};
    size_t size;
    *out = (nk_avro_header){.codec = NK_STR("null")};
    NK_TRY(nk_avro_container(head, a, &metas, &size, err));
    for (size_t i = 0; i < metas.n; i++) {
        nk_str *to = nk_str_is(metas.v[i].key, "avro.schema")  ? &out->schema
                     : nk_str_is(metas.v[i].key, "avro.codec") ? &out->codec
                                                               : NULL;
        if (to && !(*to = nk_str_dup(a, metas.v[i].value)).p)
            return nk_fail(err, NK_E_NOMEM, "Out of memory reading an Avro header");
    }
    if (!out->schema.p)
        return nk_fail(err, NK_E_PARSE, "The Avro header holds no schema");
    if (head.n - size >= NK_AVRO_SYNC) {
        memcpy(out->sync, head.p + size, NK_AVRO_SYNC);
        out->size = size + NK_AVRO_SYNC;
    }
    return nk_avro_row_type(out->schema, NK_MERGE_CRAWL, a, &out->type, err);
}

nk_code nk_avro_row_type(nk_str schema, nk_merge_rule rule, nk_arena *a, const nk_type **out,
                         nk_err *err)
{
    NK_TRY(nk_avro_schema_type(schema, rule, a, out, err));
    if ((*out)->kind == NK_T_STRUCT)
        return NK_OK;
    /* values without names: one column, as Hive calls it */
    nk_field only = {.name = NK_STR(NK_AVRO_VALUE), .type = *out};
    *out = nk_type_struct(a, &only, 1);
    return *out ? NK_OK : nk_fail(err, NK_E_NOMEM, "Out of memory reading an Avro header");
}
