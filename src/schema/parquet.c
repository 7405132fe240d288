#include "schema/parquet.h"

/* ---- Thrift's compact protocol, as much of it as footers use ---- */

typedef enum {
    C_STOP = 0,
    C_TRUE = 1,
    C_FALSE = 2,
    C_BYTE = 3,
    C_I16 = 4,
    C_I32 = 5,
    C_I64 = 6,
    C_DOUBLE = 7,
    C_BINARY = 8,
    C_LIST = 9,
    C_SET = 10,
    C_MAP = 11,
    C_STRUCT = 12,
} wire;

#define SKIP_DEPTH_MAX   32
#define SCHEMA_DEPTH_MAX 64
#define ELEMENTS_MAX     200000

typedef struct thrift {
    const unsigned char *p, *end;
    nk_arena *a;
    nk_err *err;
} thrift;

static nk_code corrupt(thrift *t, const char *what)
{
    return nk_fail(t->err, NK_E_PARSE, "The Parquet footer is corrupt: %s", what);
}

static nk_code get_varint(thrift *t, uint64_t *out)
{
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (t->p >= t->end)
            return corrupt(t, "it ends in a number");
        unsigned char c = *t->p++;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80)) {
            *out = v;
            return NK_OK;
        }
    }
    return corrupt(t, "a number is too long");
}

static nk_code get_int(thrift *t, int64_t *out)
{
    uint64_t v = 0;
    NK_TRY(get_varint(t, &v));
    *out = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
    return NK_OK;
}

static nk_code get_binary(thrift *t, nk_str *out)
{
    uint64_t n = 0;
    NK_TRY(get_varint(t, &n));
    if (n > (uint64_t)(t->end - t->p))
        return corrupt(t, "it ends in a text");
    *out = nk_str_n((const char *)t->p, (size_t)n);
    t->p += n;
    return NK_OK;
}

/* The next field of a struct; type C_STOP at its end. */
static nk_code get_field(thrift *t, int64_t *id, int *type)
{
    if (t->p >= t->end)
        return corrupt(t, "it ends in a structure");
    unsigned char c = *t->p++;
    *type = c & 0x0f;
    if (*type == C_STOP)
        return NK_OK;
    if (c >> 4) {
        *id += c >> 4;
        return NK_OK;
    }
    return get_int(t, id);
}

static nk_code get_list(thrift *t, int *type, uint64_t *n)
{
    if (t->p >= t->end)
        return corrupt(t, "it ends in a list");
    unsigned char c = *t->p++;
    *type = c & 0x0f;
    *n = c >> 4;
    if (*n == 15)
        NK_TRY(get_varint(t, n));
    if (*n > (uint64_t)(t->end - t->p))
        return corrupt(t, "a list is longer than the footer");
    return NK_OK;
}

static nk_code skip(thrift *t, int type, bool in_list, int depth)
{
    int64_t i, id = 0;
    uint64_t n = 0;
    nk_str s;
    int sub = C_STOP, key;
    if (depth > SKIP_DEPTH_MAX)
        return corrupt(t, "it is nested too deep");
    switch (type) {
    case C_TRUE:
    case C_FALSE:
        if (in_list && t->p++ >= t->end)
            return corrupt(t, "it ends in a list");
        return NK_OK;
    case C_BYTE:
        return t->p++ < t->end ? NK_OK : corrupt(t, "it ends in a byte");
    case C_I16:
    case C_I32:
    case C_I64:
        return get_int(t, &i);
    case C_DOUBLE:
        if (t->end - t->p < 8)
            return corrupt(t, "it ends in a number");
        t->p += 8;
        return NK_OK;
    case C_BINARY:
        return get_binary(t, &s);
    case C_LIST:
    case C_SET:
        NK_TRY(get_list(t, &sub, &n));
        while (n--)
            NK_TRY(skip(t, sub, true, depth + 1));
        return NK_OK;
    case C_MAP:
        NK_TRY(get_varint(t, &n));
        if (!n)
            return NK_OK;
        if (n > (uint64_t)(t->end - t->p) || t->p >= t->end)
            return corrupt(t, "a map is longer than the footer");
        key = *t->p >> 4;
        sub = *t->p++ & 0x0f;
        while (n--) {
            NK_TRY(skip(t, key, true, depth + 1));
            NK_TRY(skip(t, sub, true, depth + 1));
        }
        return NK_OK;
    case C_STRUCT:
        for (;;) {
            NK_TRY(get_field(t, &id, &sub));
            if (sub == C_STOP)
                return NK_OK;
            NK_TRY(skip(t, sub, false, depth + 1));
        }
    default:
        return corrupt(t, "an unknown wire type");
    }
}

/* ---- the footer's structures ---- */

typedef enum {
    P_BOOLEAN,
    P_INT32,
    P_INT64,
    P_INT96,
    P_FLOAT,
    P_DOUBLE,
    P_BYTE_ARRAY,
    P_FIXED,
} physical;

/* Converted types, by their numbers in the format. */
enum {
    CT_UTF8,
    CT_MAP,
    CT_MAP_KEY_VALUE,
    CT_LIST,
    CT_ENUM,
    CT_DECIMAL,
    CT_DATE,
    CT_TIME_MILLIS,
    CT_TIME_MICROS,
    CT_TIMESTAMP_MILLIS,
    CT_TIMESTAMP_MICROS,
    CT_UINT_8,
    CT_UINT_16,
    CT_UINT_32,
    CT_UINT_64,
    CT_INT_8,
    CT_INT_16,
    CT_INT_32,
    CT_INT_64,
    CT_JSON,
    CT_BSON,
    CT_INTERVAL,
    CT_UNKNOWN, /* ours, for logical types without an older name */
    CT_TIMESTAMP_NANOS,
    CT_TIME_NANOS,
};

typedef struct element {
    nk_str name;
    int64_t type, repetition, children, converted, scale, precision;
} element;

typedef struct footer {
    element *elements;
    uint64_t n, at;
} footer;

/* Members of a logical type that matter, read into e as the converted type that means the same. */
static nk_code logical_body(thrift *t, int64_t kind, element *e)
{
    int64_t id = 0, unit = 0, bits = 0;
    bool is_signed = true;
    int type = C_STOP;
    for (;;) {
        NK_TRY(get_field(t, &id, &type));
        if (type == C_STOP)
            break;
        if (kind == 5 && (id == 1 || id == 2) && type == C_I32) {
            NK_TRY(get_int(t, id == 1 ? &e->scale : &e->precision));
        } else if ((kind == 7 || kind == 8) && id == 2 && type == C_STRUCT) {
            int sub = C_STOP;
            NK_TRY(get_field(t, &unit, &sub));
            if (sub != C_STOP) {
                NK_TRY(skip(t, sub, false, 0));
                int64_t rest = unit;
                NK_TRY(get_field(t, &rest, &sub));
                if (sub != C_STOP)
                    return corrupt(t, "a time unit has two values");
            }
        } else if (kind == 10 && id == 1 && type == C_BYTE) {
            if (t->p >= t->end)
                return corrupt(t, "it ends in a byte");
            bits = *t->p++;
        } else if (kind == 10 && id == 2 && (type == C_TRUE || type == C_FALSE)) {
            is_signed = type == C_TRUE;
        } else {
            NK_TRY(skip(t, type, false, 0));
        }
    }
    static const int plain[] = {-1, CT_UTF8, CT_MAP, CT_LIST, CT_ENUM, CT_DECIMAL, CT_DATE};
    if (kind >= 1 && kind <= 6)
        e->converted = plain[kind];
    else if (kind == 7)
        e->converted = unit == 1 ? CT_TIME_MILLIS : unit == 2 ? CT_TIME_MICROS : CT_TIME_NANOS;
    else if (kind == 8)
        e->converted = unit == 1   ? CT_TIMESTAMP_MILLIS
                       : unit == 2 ? CT_TIMESTAMP_MICROS
                                   : CT_TIMESTAMP_NANOS;
    else if (kind == 10)
        e->converted = (is_signed ? CT_INT_8 : CT_UINT_8) + (bits <= 8    ? 0
                                                             : bits <= 16 ? 1
                                                             : bits <= 32 ? 2
                                                                          : 3);
    else if (kind == 11)
        e->converted = CT_UNKNOWN;
    else if (kind == 12)
        e->converted = CT_JSON;
    return NK_OK;
}

static nk_code read_logical(thrift *t, element *e)
{
    int64_t id = 0;
    int type = C_STOP;
    for (;;) {
        NK_TRY(get_field(t, &id, &type));
        if (type == C_STOP)
            return NK_OK;
        if (type == C_STRUCT)
            NK_TRY(logical_body(t, id, e));
        else
            NK_TRY(skip(t, type, false, 0));
    }
}

static nk_code read_element(thrift *t, element *e)
{
    int64_t id = 0, converted = -1;
    int type = C_STOP;
    *e = (element){.type = -1, .converted = -1};
    for (;;) {
        NK_TRY(get_field(t, &id, &type));
        if (type == C_STOP)
            break;
        int64_t *into = id == 1   ? &e->type
                        : id == 3 ? &e->repetition
                        : id == 5 ? &e->children
                        : id == 6 ? &converted
                        : id == 7 ? &e->scale
                        : id == 8 ? &e->precision
                                  : NULL;
        if (into && type == C_I32)
            NK_TRY(get_int(t, into));
        else if (id == 4 && type == C_BINARY)
            NK_TRY(get_binary(t, &e->name));
        else if (id == 10 && type == C_STRUCT)
            NK_TRY(read_logical(t, e));
        else
            NK_TRY(skip(t, type, false, 0));
    }
    if (e->converted < 0)
        e->converted = converted;
    return NK_OK;
}

static nk_code read_column(thrift *t, int64_t *codec)
{
    int64_t id = 0;
    int type = C_STOP;
    for (;;) {
        NK_TRY(get_field(t, &id, &type));
        if (type == C_STOP)
            return NK_OK;
        if (id != 3 || type != C_STRUCT) {
            NK_TRY(skip(t, type, false, 0));
            continue;
        }
        int64_t sub_id = 0;
        for (;;) {
            int sub = C_STOP;
            NK_TRY(get_field(t, &sub_id, &sub));
            if (sub == C_STOP)
                break;
            if (sub_id == 4 && sub == C_I32)
                NK_TRY(get_int(t, codec));
            else
                NK_TRY(skip(t, sub, false, 0));
        }
    }
}

static nk_code read_group(thrift *t, nk_parquet_meta *out, int64_t *codec)
{
    int64_t id = 0, v;
    int type = C_STOP, sub = C_STOP;
    uint64_t n = 0;
    for (;;) {
        NK_TRY(get_field(t, &id, &type));
        if (type == C_STOP)
            return NK_OK;
        if (id == 1 && type == C_LIST) {
            NK_TRY(get_list(t, &sub, &n));
            for (uint64_t i = 0; i < n; i++) {
                if (i == 0 && sub == C_STRUCT && *codec < 0)
                    NK_TRY(read_column(t, codec));
                else
                    NK_TRY(skip(t, sub, true, 0));
            }
        } else if (id == 2 && type == C_I64) {
            NK_TRY(get_int(t, &v));
            out->bytes += v > 0 ? (uint64_t)v : 0;
        } else {
            NK_TRY(skip(t, type, false, 0));
        }
    }
}

/* ---- schema to type ---- */

static nk_code no_memory(thrift *t)
{
    return nk_fail(t->err, NK_E_NOMEM, "Out of memory reading a Parquet footer");
}

static nk_code leaf_type(thrift *t, const element *e, const nk_type **out)
{
    static const nk_type_kind by_physical[] = {NK_T_BOOLEAN,   NK_T_INT,   NK_T_LONG,
                                               NK_T_TIMESTAMP, NK_T_FLOAT, NK_T_DOUBLE,
                                               NK_T_BINARY,    NK_T_BINARY};
    if (e->type < 0 || e->type > P_FIXED)
        return corrupt(t, "a column without a type");
    nk_type_kind kind = by_physical[e->type];
    bool number = e->type == P_INT32 || e->type == P_INT64;
    bool bytes = e->type == P_BYTE_ARRAY || e->type == P_FIXED;
    switch (e->converted) {
    case CT_UTF8:
    case CT_ENUM:
    case CT_JSON:
        kind = bytes ? NK_T_STRING : kind;
        break;
    case CT_DECIMAL:
        if (!number && !bytes)
            break;
        if (e->precision < 1 || e->precision > 38 || e->scale < 0 || e->scale > e->precision)
            return corrupt(t, "a decimal column with an impossible precision");
        *out = nk_type_decimal(t->a, (int)e->precision, (int)e->scale);
        return *out ? NK_OK : no_memory(t);
    case CT_DATE:
        kind = e->type == P_INT32 ? NK_T_DATE : kind;
        break;
    case CT_TIMESTAMP_MILLIS:
    case CT_TIMESTAMP_MICROS:
    case CT_TIMESTAMP_NANOS:
        kind = e->type == P_INT64 ? NK_T_TIMESTAMP : kind;
        break;
    case CT_INT_8:
        kind = number ? NK_T_BYTE : kind;
        break;
    case CT_INT_16:
    case CT_UINT_8:
        kind = number ? NK_T_SHORT : kind;
        break;
    case CT_UINT_16:
        kind = number ? NK_T_INT : kind;
        break;
    case CT_UINT_32:
        kind = number ? NK_T_LONG : kind;
        break;
    case CT_UINT_64:
        *out = nk_type_decimal(t->a, 20, 0);
        return *out ? NK_OK : no_memory(t);
    case CT_UNKNOWN:
        kind = NK_T_NULL;
        break;
    default:
        break;
    }
    *out = nk_type_scalar(kind);
    return NK_OK;
}

static nk_code element_type(thrift *t, footer *f, int depth, nk_str parent, nk_field *out);

/* The children of a group, as fields. */
static nk_code group_fields(thrift *t, footer *f, const element *e, int depth, nk_field **out)
{
    if (e->children < 0 || (uint64_t)e->children > f->n - f->at)
        return corrupt(t, "a group has more children than there are");
    nk_field *fields = NK_NEWN(t->a, nk_field, e->children ? (size_t)e->children : 1);
    if (!fields)
        return no_memory(t);
    for (int64_t i = 0; i < e->children; i++)
        NK_TRY(element_type(t, f, depth + 1, e->name, &fields[i]));
    *out = fields;
    return NK_OK;
}

/* A LIST's only child is repeated; by the format's rules for old writers it is the element itself
 * unless it is a group of one field with an ordinary name. */
static nk_code list_type(thrift *t, footer *f, const element *e, int depth, const nk_type **out)
{
    const element *rep = &f->elements[f->at];
    nk_str tuple = nk_str_printf(t->a, "%.*s_tuple", NK_STR_ARG(e->name));
    nk_field inner;
    bool wrapper =
        rep->children == 1 && !nk_str_is(rep->name, "array") && !nk_str_eq(rep->name, tuple);
    NK_TRY(element_type(t, f, depth + 1, e->name, &inner));
    /* the repetition has made an array of it already */
    *out = inner.type;
    if (wrapper && inner.type->kind == NK_T_ARRAY && inner.type->elem->kind == NK_T_STRUCT &&
        inner.type->elem->nfields == 1)
        *out = nk_type_array(t->a, inner.type->elem->fields[0].type);
    else if (inner.type->kind != NK_T_ARRAY)
        *out = nk_type_array(t->a, inner.type);
    return *out ? NK_OK : no_memory(t);
}

static nk_code map_type(thrift *t, footer *f, const element *e, int depth, const nk_type **out)
{
    nk_field inner;
    NK_TRY(element_type(t, f, depth + 1, e->name, &inner));
    const nk_type *pair = inner.type->kind == NK_T_ARRAY ? inner.type->elem : inner.type;
    if (pair->kind == NK_T_STRUCT && pair->nfields == 2)
        *out = nk_type_map(t->a, pair->fields[0].type, pair->fields[1].type);
    else if (pair->kind == NK_T_STRUCT && pair->nfields == 1)
        *out = nk_type_map(t->a, pair->fields[0].type, nk_type_scalar(NK_T_NULL));
    else
        return corrupt(t, "a map without keys and values");
    return *out ? NK_OK : no_memory(t);
}

static nk_code element_type(thrift *t, footer *f, int depth, nk_str parent, nk_field *out)
{
    if (depth > SCHEMA_DEPTH_MAX)
        return corrupt(t, "the schema is nested too deep");
    if (f->at >= f->n)
        return corrupt(t, "the schema is cut short");
    const element *e = &f->elements[f->at++];
    const nk_type *type = NULL;
    nk_field *fields = NULL;
    if (e->children <= 0 && e->type >= 0) {
        NK_TRY(leaf_type(t, e, &type));
    } else if (e->converted == CT_LIST && e->children == 1) {
        NK_TRY(list_type(t, f, e, depth, &type));
    } else if ((e->converted == CT_MAP || e->converted == CT_MAP_KEY_VALUE) && e->children == 1) {
        NK_TRY(map_type(t, f, e, depth, &type));
    } else {
        NK_TRY(group_fields(t, f, e, depth, &fields));
        type = nk_type_struct(t->a, fields, (size_t)e->children);
    }
    if (type && e->repetition == 2)
        type = nk_type_array(t->a, type);
    *out = (nk_field){.name = nk_str_dup(t->a, e->name), .type = type};
    return type && out->name.p ? NK_OK : no_memory(t);
}

/* ---- entry points ---- */

nk_code nk_parquet_footer_size(nk_str tail, uint64_t file_size, uint64_t *size, nk_err *err)
{
    if (file_size < 12 || tail.n != NK_PARQUET_TAIL)
        return nk_fail(err, NK_E_PARSE, "The file is too short to be Parquet (%llu bytes)",
                       (unsigned long long)file_size);
    if (memcmp(tail.p + 4, "PARE", 4) == 0)
        return nk_fail(err, NK_E_PARSE, "The Parquet file's footer is encrypted");
    if (memcmp(tail.p + 4, "PAR1", 4) != 0)
        return nk_fail(err, NK_E_PARSE,
                       "The Parquet file is truncated: it does not end with its mark \"PAR1\"");
    const unsigned char *b = (const unsigned char *)tail.p;
    uint64_t n = (uint64_t)b[0] | (uint64_t)b[1] << 8 | (uint64_t)b[2] << 16 | (uint64_t)b[3] << 24;
    if (n == 0 || n + 12 > file_size)
        return nk_fail(err, NK_E_PARSE,
                       "The Parquet file is corrupt: a footer of %llu bytes in a file of %llu",
                       (unsigned long long)n, (unsigned long long)file_size);
    *size = n;
    return NK_OK;
}

static nk_code read_schema(thrift *t, footer *f)
{
    int type = C_STOP;
    uint64_t n = 0;
    NK_TRY(get_list(t, &type, &n));
    if (type != C_STRUCT || n < 1 || n > ELEMENTS_MAX)
        return corrupt(t, "it has no schema");
    f->elements = NK_NEWN(t->a, element, (size_t)n);
    if (!f->elements)
        return no_memory(t);
    f->n = n;
    for (uint64_t i = 0; i < n; i++)
        NK_TRY(read_element(t, &f->elements[i]));
    return NK_OK;
}

static const char *codec_name(int64_t codec)
{
    static const char *const names[] = {"none",   "snappy", "gzip", "lzo",
                                        "brotli", "lz4",    "zstd", "lz4_raw"};
    return codec < 0 ? "none" : codec < (int64_t)NK_COUNTOF(names) ? names[codec] : "unknown";
}

nk_code nk_parquet_read_footer(nk_str bytes, nk_arena *a, nk_parquet_meta *out, nk_err *err)
{
    thrift t = {.p = (const unsigned char *)bytes.p, .a = a, .err = err};
    t.end = t.p + bytes.n;
    footer f = {0};
    int64_t id = 0, rows = 0, codec = -1;
    int type = C_STOP, sub = C_STOP;
    *out = (nk_parquet_meta){0};
    for (;;) {
        NK_TRY(get_field(&t, &id, &type));
        if (type == C_STOP)
            break;
        if (id == 2 && type == C_LIST && !f.elements) {
            NK_TRY(read_schema(&t, &f));
        } else if (id == 3 && type == C_I64) {
            NK_TRY(get_int(&t, &rows));
        } else if (id == 4 && type == C_LIST) {
            NK_TRY(get_list(&t, &sub, &out->row_groups));
            for (uint64_t i = 0; i < out->row_groups; i++) {
                if (sub == C_STRUCT)
                    NK_TRY(read_group(&t, out, &codec));
                else
                    NK_TRY(skip(&t, sub, true, 0));
            }
        } else if (id == 6 && type == C_BINARY) {
            nk_str by;
            NK_TRY(get_binary(&t, &by));
            out->created_by = nk_str_dup(a, by);
        } else {
            NK_TRY(skip(&t, type, false, 0));
        }
    }
    if (!f.elements || rows < 0)
        return corrupt(&t, "it has no schema");
    nk_field root;
    f.elements[0].repetition = 0;
    f.elements[0].converted = -1;
    if (f.elements[0].children <= 0) {
        root.type = nk_type_scalar(NK_T_STRUCT);
    } else {
        f.elements[0].type = -1;
        NK_TRY(element_type(&t, &f, 0, NK_STR(""), &root));
    }
    if (f.at < f.n && f.elements[0].children > 0)
        return corrupt(&t, "columns are left over");
    out->type = root.type;
    out->rows = (uint64_t)rows;
    out->codec = codec_name(codec);
    return NK_OK;
}
