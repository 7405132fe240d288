/* Avro's binary form. */
#include <zlib.h>

#include "iceberg/avro.h"

#define DEPTH_MAX   64
#define EMPTY_MAX   (1 << 20) /* elements that take no bytes */
#define BLOCK_BYTES (1 << 18)
#define PLAIN_MAX   ((size_t)1 << 30)

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

static nk_code bad(nk_err *err, const char *what)
{
    return nk_fail(err, NK_E_PARSE, "This is no Avro file as Iceberg has them: %s", what);
}

/* ---- types ---- */

static const char *const primitives[] = {"null",  "boolean", "int",   "long",
                                         "float", "double",  "bytes", "string"};

NK_LIST(type_list, nk_ocf_type *);

typedef struct typer {
    nk_arena *a;
    type_list named;
    int depth;
    nk_err *err;
} typer;

static nk_code read_type(typer *t, const nk_json *j, nk_ocf_type **out);

static nk_code name_type(typer *t, const nk_json *j, nk_ocf_type *type)
{
    nk_ocf_type **slot = type_list_add(&t->named, t->a);
    if (!slot)
        return nomem(t->err);
    *slot = type;
    type->name = nk_json_str(j, "name");
    return type->name.n ? NK_OK : bad(t->err, "a named type has no name");
}

static nk_code read_parts(typer *t, const nk_json *list, bool fields, nk_ocf_type *type)
{
    if (!list || list->kind != NK_JSON_ARRAY)
        return bad(t->err, "a list of a type's parts is missing");
    type->parts = NK_NEWN(t->a, nk_ocf_type *, list->count + 1);
    type->names = NK_NEWN(t->a, nk_str, list->count + 1);
    if (!type->parts || !type->names)
        return nomem(t->err);
    for (const nk_json *m = list->first; m; m = m->next) {
        if (fields) {
            type->names[type->n] = nk_json_str(m, "name");
            if (!type->names[type->n].n)
                return bad(t->err, "a field has no name");
        }
        NK_TRY(read_type(t, fields ? nk_json_get(m, "type") : m, &type->parts[type->n]));
        if (!fields && type->parts[type->n]->kind == NK_OCF_UNION)
            return bad(t->err, "a union in a union");
        type->n++;
    }
    return fields || type->n ? NK_OK : bad(t->err, "a union of nothing");
}

static nk_code read_one_part(typer *t, const nk_json *j, nk_ocf_type *type)
{
    type->parts = NK_NEWN(t->a, nk_ocf_type *, 1);
    type->n = 1;
    return type->parts ? read_type(t, j, &type->parts[0]) : nomem(t->err);
}

static nk_code read_complex(typer *t, const nk_json *j, nk_ocf_type *type)
{
    nk_str kind = nk_json_str(j, "type");
    if (nk_str_is(kind, "record")) {
        type->kind = NK_OCF_RECORD;
        NK_TRY(name_type(t, j, type));
        return read_parts(t, nk_json_get(j, "fields"), true, type);
    }
    if (nk_str_is(kind, "array")) {
        type->kind = NK_OCF_ARRAY;
        return read_one_part(t, nk_json_get(j, "items"), type);
    }
    if (nk_str_is(kind, "map")) {
        type->kind = NK_OCF_MAP;
        return read_one_part(t, nk_json_get(j, "values"), type);
    }
    if (nk_str_is(kind, "fixed")) {
        int64_t size = nk_json_i64(j, "size", -1);
        type->kind = NK_OCF_FIXED;
        type->size = (size_t)size;
        NK_TRY(name_type(t, j, type));
        return size >= 0 && size <= 1 << 20 ? NK_OK : bad(t->err, "a fixed type's size");
    }
    if (nk_str_is(kind, "enum")) {
        const nk_json *symbols = nk_json_get(j, "symbols");
        type->kind = NK_OCF_ENUM;
        type->size = symbols ? symbols->count : 0;
        return name_type(t, j, type);
    }
    return bad(t->err, "an unknown type");
}

static nk_code read_named(typer *t, nk_str name, nk_ocf_type **out)
{
    for (size_t i = 0; i < NK_COUNTOF(primitives); i++) {
        if (nk_str_is(name, primitives[i])) {
            (*out)->kind = (nk_ocf_kind)i;
            return NK_OK;
        }
    }
    ptrdiff_t dot = nk_str_rchr(name, '.');
    if (dot >= 0)
        name = nk_str_sub(name, (size_t)dot + 1, name.n);
    for (size_t i = 0; i < t->named.n; i++) {
        if (nk_str_eq(t->named.v[i]->name, name)) {
            *out = t->named.v[i];
            return NK_OK;
        }
    }
    return bad(t->err, "an unknown type's name");
}

static nk_code read_type(typer *t, const nk_json *j, nk_ocf_type **out)
{
    nk_ocf_type *type = *out = NK_NEW(t->a, nk_ocf_type);
    if (!type)
        return nomem(t->err);
    if (!j)
        return bad(t->err, "a type is missing");
    if (++t->depth > DEPTH_MAX)
        return bad(t->err, "its types are nested too deep");
    nk_code rc;
    if (j->kind == NK_JSON_STRING) {
        rc = read_named(t, j->text, out);
    } else if (j->kind == NK_JSON_ARRAY) {
        type->kind = NK_OCF_UNION;
        rc = read_parts(t, j, false, type);
    } else {
        const nk_json *inner = nk_json_get(j, "type");
        /* {"type": "long", "logicalType": …}, {"type": {…}} */
        nk_str word = inner && inner->kind == NK_JSON_STRING ? inner->text : NK_STR_NULL;
        static const char *const complex[] = {"record", "array", "map", "fixed", "enum"};
        bool is_complex = false;
        for (size_t i = 0; word.p && i < NK_COUNTOF(complex); i++)
            is_complex = is_complex || nk_str_is(word, complex[i]);
        rc = is_complex ? read_complex(t, j, type) : read_type(t, inner, out);
    }
    t->depth--;
    return rc;
}

nk_code nk_ocf_parse_type(nk_str json, nk_arena *a, nk_ocf_type **out, nk_err *err)
{
    typer t = {.a = a, .err = err};
    nk_json *j;
    nk_err why = NK_ERR_INIT;
    nk_code rc = nk_json_parse(json, a, 200, &j, &why);
    if (rc == NK_E_NOMEM)
        return nomem(err);
    if (rc != NK_OK)
        return bad(err, "its schema is no JSON");
    return read_type(&t, j, out);
}

/* ---- reading ---- */

typedef struct reader {
    const unsigned char *p, *end;
    nk_arena *a;
    int depth;
    nk_err *err;
} reader;

static nk_code read_long(reader *r, int64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (r->p == r->end)
            return bad(r->err, "it ends in the middle");
        uint64_t byte = *r->p++;
        v |= (byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *out = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
            return NK_OK;
        }
    }
    return bad(r->err, "a number is too long");
}

static nk_code read_run(reader *r, size_t n, nk_str *out)
{
    *out = NK_STR("");
    if ((size_t)(r->end - r->p) < n)
        return bad(r->err, "it ends in the middle");
    *out = nk_str_n((const char *)r->p, n);
    r->p += n;
    return NK_OK;
}

static nk_code read_bytes(reader *r, nk_str *out)
{
    int64_t n;
    NK_TRY(read_long(r, &n));
    if (n < 0)
        return bad(r->err, "a negative length");
    return read_run(r, (size_t)n, out);
}

static nk_code read_value(reader *r, const nk_ocf_type *type, nk_ocf *v);

NK_LIST(value_list, nk_ocf);

/* Blocks of elements; a negative count is followed by the block's length in bytes. */
static nk_code read_blocks(reader *r, const nk_ocf_type *type, nk_ocf *v)
{
    value_list items = {0};
    nk_strs keys = {0};
    bool map = type->kind == NK_OCF_MAP;
    for (;;) {
        int64_t n, bytes;
        NK_TRY(read_long(r, &n));
        if (n == 0)
            break;
        if (n < 0) {
            if (n == INT64_MIN)
                return bad(r->err, "a block's count");
            n = -n;
            NK_TRY(read_long(r, &bytes));
        }
        for (int64_t i = 0; i < n; i++) {
            const unsigned char *before = r->p;
            nk_str *key = map ? nk_strs_add(&keys, r->a) : NULL;
            if (map && !key)
                return nomem(r->err);
            if (map)
                NK_TRY(read_bytes(r, key));
            nk_ocf *item = value_list_add(&items, r->a);
            if (!item)
                return nomem(r->err);
            NK_TRY(read_value(r, type->parts[0], item));
            if (before == r->p && items.n > EMPTY_MAX)
                return bad(r->err, "too many elements of nothing");
        }
    }
    v->items = items.v;
    v->keys = keys.v;
    v->n = items.n;
    return NK_OK;
}

static nk_code read_record(reader *r, const nk_ocf_type *type, nk_ocf *v)
{
    v->items = NK_NEWN(r->a, nk_ocf, type->n + 1);
    v->n = type->n;
    if (!v->items)
        return nomem(r->err);
    for (size_t i = 0; i < type->n; i++)
        NK_TRY(read_value(r, type->parts[i], &v->items[i]));
    return NK_OK;
}

static nk_code read_float(reader *r, const nk_ocf_type *type, nk_ocf *v)
{
    nk_str raw;
    NK_TRY(read_run(r, type->kind == NK_OCF_FLOAT ? 4 : 8, &raw));
    if (type->kind == NK_OCF_FLOAT) {
        float f;
        memcpy(&f, raw.p, sizeof f);
        v->f = (double)f;
    } else {
        memcpy(&v->f, raw.p, sizeof v->f);
    }
    return NK_OK;
}

static nk_code read_scalar(reader *r, const nk_ocf_type *type, nk_ocf *v)
{
    switch (type->kind) {
    case NK_OCF_BOOLEAN: {
        nk_str raw;
        NK_TRY(read_run(r, 1, &raw));
        v->i = raw.p[0] != 0;
        return NK_OK;
    }
    case NK_OCF_ENUM:
    case NK_OCF_INT:
    case NK_OCF_LONG:
        return read_long(r, &v->i);
    case NK_OCF_FLOAT:
    case NK_OCF_DOUBLE:
        return read_float(r, type, v);
    case NK_OCF_BYTES:
    case NK_OCF_STRING:
        return read_bytes(r, &v->s);
    case NK_OCF_FIXED:
        return read_run(r, type->size, &v->s);
    default:
        return NK_OK;
    }
}

static nk_code read_value(reader *r, const nk_ocf_type *type, nk_ocf *v)
{
    if (type->kind == NK_OCF_UNION) {
        int64_t b;
        NK_TRY(read_long(r, &b));
        if (b < 0 || (size_t)b >= type->n)
            return bad(r->err, "a union's branch");
        v->branch = (size_t)b;
        type = type->parts[b];
    }
    v->type = type;
    if (type->kind != NK_OCF_RECORD && type->kind != NK_OCF_ARRAY && type->kind != NK_OCF_MAP)
        return read_scalar(r, type, v);
    if (++r->depth > DEPTH_MAX)
        return bad(r->err, "its values are nested too deep");
    nk_code rc = type->kind == NK_OCF_RECORD ? read_record(r, type, v) : read_blocks(r, type, v);
    r->depth--;
    return rc;
}

static nk_code read_header(reader *r, nk_str bytes, nk_ocf_file *out, nk_str *codec)
{
    nk_avro_metas metas = {0};
    nk_str schema = NK_STR_NULL;
    size_t size;
    nk_err why = NK_ERR_INIT;
    nk_code rc = nk_avro_container(bytes, r->a, &metas, &size, &why);
    if (rc != NK_OK)
        return rc == NK_E_NOMEM   ? nomem(r->err)
               : rc == NK_E_LIMIT ? bad(r->err, "it ends in the middle")
                                  : bad(r->err, why.msg);
    r->p += size;
    for (size_t i = 0; i < metas.n; i++) {
        if (nk_str_is(metas.v[i].key, "avro.codec")) {
            *codec = metas.v[i].value;
            continue;
        }
        if (nk_str_is(metas.v[i].key, "avro.schema"))
            schema = metas.v[i].value;
        nk_avro_meta *m = nk_avro_metas_add(&out->meta, r->a);
        if (!m)
            return nomem(r->err);
        *m = metas.v[i];
    }
    if (!schema.p)
        return bad(r->err, "it has no schema");
    return nk_ocf_parse_type(schema, r->a, &out->type, r->err);
}

/* A block's records, plain: the file's own bytes when they are not packed. */
static nk_code unpack(reader *r, nk_str codec, nk_str packed, nk_str *out)
{
    nk_buf b;
    nk_err why = NK_ERR_INIT;
    *out = packed;
    if (nk_str_is(codec, "null"))
        return NK_OK;
    nk_buf_init(&b, PLAIN_MAX);
    nk_code rc = nk_avro_unpack(codec, packed, &b, &why);
    *out = rc == NK_OK ? nk_buf_dup(&b, r->a) : NK_STR_NULL;
    nk_buf_free(&b);
    if (rc == NK_E_UNSUPPORTED)
        return nk_fail(r->err, rc, "%s", why.msg);
    if (rc == NK_E_NOMEM || (rc == NK_OK && !out->p))
        return nomem(r->err);
    return rc == NK_OK ? NK_OK : bad(r->err, why.msg);
}

static nk_code read_block(reader *r, nk_str raw, int64_t n, nk_ocf_file *out)
{
    reader in = {.p = (const unsigned char *)raw.p,
                 .end = (const unsigned char *)raw.p + raw.n,
                 .a = r->a,
                 .err = r->err};
    for (int64_t i = 0; i < n; i++) {
        const unsigned char *before = in.p;
        nk_ocf *v = nk_ocf_records_add(&out->records, r->a);
        if (!v)
            return nomem(r->err);
        NK_TRY(read_value(&in, out->type, v));
        if (before == in.p && out->records.n > EMPTY_MAX)
            return bad(r->err, "too many records of nothing");
    }
    return in.p == in.end ? NK_OK : bad(r->err, "a block is longer than its records");
}

nk_code nk_ocf_read(nk_str bytes, nk_arena *a, nk_ocf_file *out, nk_err *err)
{
    reader r = {.p = (const unsigned char *)bytes.p,
                .end = (const unsigned char *)bytes.p + bytes.n,
                .a = a,
                .err = err};
    nk_str codec = NK_STR("null"), sync, raw, mark;
    *out = (nk_ocf_file){0};
    NK_TRY(read_header(&r, bytes, out, &codec));
    NK_TRY(read_run(&r, NK_AVRO_SYNC, &sync));
    while (r.p < r.end) {
        int64_t n;
        size_t stored, own;
        if (nk_avro_block(nk_str_n((const char *)r.p, (size_t)(r.end - r.p)), &n, &stored, &own,
                          NULL) != NK_OK)
            return bad(err, "a block's count");
        r.p += own;
        NK_TRY(read_run(&r, stored, &raw));
        NK_TRY(unpack(&r, codec, raw, &raw));
        NK_TRY(read_block(&r, raw, n, out));
        NK_TRY(read_run(&r, NK_AVRO_SYNC, &mark));
        if (memcmp(mark.p, sync.p, NK_AVRO_SYNC) != 0)
            return bad(err, "a block's end mark");
    }
    return NK_OK;
}

/* ---- writing ---- */

static void put_long(nk_buf *b, int64_t v)
{
    uint64_t z = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
    while (z >= 0x80) {
        (void)nk_buf_putc(b, (char)(z | 0x80));
        z >>= 7;
    }
    (void)nk_buf_putc(b, (char)z);
}

static void put_bytes(nk_buf *b, nk_str s)
{
    put_long(b, (int64_t)s.n);
    (void)nk_buf_str(b, s);
}

void nk_ocf_put(nk_buf *b, const nk_ocf_type *declared, const nk_ocf *v)
{
    const nk_ocf_type *type = v->type;
    if (declared->kind == NK_OCF_UNION)
        put_long(b, (int64_t)v->branch);
    switch (type->kind) {
    case NK_OCF_BOOLEAN:
        (void)nk_buf_putc(b, (char)(v->i != 0));
        break;
    case NK_OCF_ENUM:
    case NK_OCF_INT:
    case NK_OCF_LONG:
        put_long(b, v->i);
        break;
    case NK_OCF_FLOAT: {
        float f = (float)v->f;
        (void)nk_buf_add(b, &f, sizeof f);
        break;
    }
    case NK_OCF_DOUBLE:
        (void)nk_buf_add(b, &v->f, sizeof v->f);
        break;
    case NK_OCF_BYTES:
    case NK_OCF_STRING:
        put_bytes(b, v->s);
        break;
    case NK_OCF_FIXED:
        (void)nk_buf_str(b, v->s);
        break;
    case NK_OCF_RECORD:
        for (size_t i = 0; i < v->n; i++)
            nk_ocf_put(b, type->parts[i], &v->items[i]);
        break;
    case NK_OCF_ARRAY:
    case NK_OCF_MAP:
        if (v->n)
            put_long(b, (int64_t)v->n);
        for (size_t i = 0; i < v->n; i++) {
            if (type->kind == NK_OCF_MAP)
                put_bytes(b, v->keys[i]);
            nk_ocf_put(b, type->parts[0], &v->items[i]);
        }
        put_long(b, 0);
        break;
    default:
        break;
    }
}

static nk_code deflate_raw(const nk_buf *plain, nk_buf *out, nk_err *err)
{
    z_stream z = {0};
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return nomem(err);
    nk_buf_clear(out);
    size_t bound = deflateBound(&z, plain->n);
    char *to = nk_buf_reserve(out, bound);
    nk_code rc = to ? NK_OK : nk_buf_check(out, err);
    if (to) {
        z.next_in = (Bytef *)plain->p;
        z.avail_in = (uInt)plain->n;
        z.next_out = (Bytef *)to;
        z.avail_out = (uInt)bound;
        if (deflate(&z, Z_FINISH) == Z_STREAM_END)
            out->n += z.total_out;
        else
            rc = nk_fail(err, NK_E_INTERNAL, "deflate failed");
    }
    deflateEnd(&z);
    return rc;
}

static void put_header(const nk_ocf_file *f, const char *sync, nk_buf *out)
{
    (void)nk_buf_add(out, "Obj\1", 4);
    put_long(out, (int64_t)f->meta.n + 1);
    for (size_t i = 0; i < f->meta.n; i++) {
        put_bytes(out, f->meta.v[i].key);
        put_bytes(out, f->meta.v[i].value);
    }
    put_bytes(out, NK_STR("avro.codec"));
    put_bytes(out, NK_STR("deflate"));
    put_long(out, 0);
    (void)nk_buf_add(out, sync, 16);
}

nk_code nk_ocf_write(const nk_ocf_file *f, const nk_env *env, nk_buf *out, nk_err *err)
{
    char sync[16];
    nk_buf plain, packed;
    NK_TRY(env->random(env->arg, sync, sizeof sync));
    nk_buf_init(&plain, PLAIN_MAX);
    nk_buf_init(&packed, PLAIN_MAX);
    put_header(f, sync, out);
    nk_code rc = NK_OK;
    for (size_t i = 0; i < f->records.n && rc == NK_OK;) {
        int64_t n = 0;
        nk_buf_clear(&plain);
        for (; i < f->records.n && plain.n < BLOCK_BYTES && !plain.failed; i++, n++)
            nk_ocf_put(&plain, f->type, &f->records.v[i]);
        rc = nk_buf_check(&plain, err);
        if (rc == NK_OK)
            rc = deflate_raw(&plain, &packed, err);
        put_long(out, n);
        put_bytes(out, nk_buf_view(&packed));
        (void)nk_buf_add(out, sync, 16);
    }
    nk_buf_free(&plain);
    nk_buf_free(&packed);
    return rc == NK_OK ? nk_buf_check(out, err) : rc;
}

/* ---- values ---- */

nk_ocf *nk_ocf_get(const nk_ocf *record, const char *name)
{
    if (!record || !record->type || record->type->kind != NK_OCF_RECORD)
        return NULL;
    for (size_t i = 0; i < record->type->n; i++)
        if (nk_str_is(record->type->names[i], name))
            return &record->items[i];
    return NULL;
}

int64_t nk_ocf_i64(const nk_ocf *record, const char *name, int64_t otherwise)
{
    const nk_ocf *v = nk_ocf_get(record, name);
    return v && (v->type->kind == NK_OCF_INT || v->type->kind == NK_OCF_LONG) ? v->i : otherwise;
}

nk_str nk_ocf_str(const nk_ocf *record, const char *name)
{
    const nk_ocf *v = nk_ocf_get(record, name);
    return v && v->type->kind == NK_OCF_STRING ? v->s : NK_STR_NULL;
}

/* Makes the member of one of the kinds, if its declared type allows. */
static nk_ocf *become(nk_ocf *record, const char *name, const nk_ocf_kind *kinds, size_t n)
{
    nk_ocf *v = nk_ocf_get(record, name);
    if (!v)
        return NULL;
    const nk_ocf_type *declared = record->type->parts[v - record->items];
    bool is_union = declared->kind == NK_OCF_UNION;
    for (size_t b = 0; b < (is_union ? declared->n : 1); b++) {
        const nk_ocf_type *t = is_union ? declared->parts[b] : declared;
        for (size_t k = 0; k < n; k++) {
            if (t->kind == kinds[k]) {
                *v = (nk_ocf){.type = t, .branch = b};
                return v;
            }
        }
    }
    return NULL;
}

void nk_ocf_set_i64(nk_ocf *record, const char *name, int64_t i)
{
    static const nk_ocf_kind kinds[] = {NK_OCF_LONG, NK_OCF_INT};
    nk_ocf *v = become(record, name, kinds, NK_COUNTOF(kinds));
    if (v)
        v->i = i;
}

void nk_ocf_set_str(nk_ocf *record, const char *name, nk_str s)
{
    static const nk_ocf_kind kinds[] = {NK_OCF_STRING};
    nk_ocf *v = become(record, name, kinds, NK_COUNTOF(kinds));
    if (v)
        v->s = s;
}

void nk_ocf_set_null(nk_ocf *record, const char *name)
{
    static const nk_ocf_kind kinds[] = {NK_OCF_NULL};
    (void)become(record, name, kinds, NK_COUNTOF(kinds));
}

nk_code nk_ocf_copy(const nk_ocf *v, nk_arena *a, nk_ocf *out)
{
    *out = *v;
    if (!v->n)
        return NK_OK;
    out->items = NK_NEWN(a, nk_ocf, v->n);
    if (!out->items)
        return NK_E_NOMEM;
    for (size_t i = 0; i < v->n; i++)
        NK_TRY(nk_ocf_copy(&v->items[i], a, &out->items[i]));
    return NK_OK;
}

bool nk_ocf_same(const nk_ocf *x, const nk_ocf *y)
{
    if (x->type->kind != y->type->kind || x->i != y->i || x->n != y->n || !nk_str_eq(x->s, y->s) ||
        memcmp(&x->f, &y->f, sizeof x->f) != 0)
        return false;
    for (size_t i = 0; i < x->n; i++)
        if (!nk_ocf_same(&x->items[i], &y->items[i]) ||
            (x->keys && y->keys && !nk_str_eq(x->keys[i], y->keys[i])))
            return false;
    return true;
}

nk_code nk_ocf_header(nk_ocf_file *f, nk_arena *a, const char *key, nk_str value)
{
    nk_avro_meta *m = NULL;
    for (size_t i = 0; i < f->meta.n && !m; i++)
        if (nk_str_is(f->meta.v[i].key, key))
            m = &f->meta.v[i];
    if (!m)
        m = nk_avro_metas_add(&f->meta, a);
    if (!m)
        return NK_E_NOMEM;
    *m = (nk_avro_meta){nk_str_c(key), value};
    return NK_OK;
}

nk_str nk_ocf_header_of(const nk_ocf_file *f, const char *key)
{
    for (size_t i = 0; i < f->meta.n; i++)
        if (nk_str_is(f->meta.v[i].key, key))
            return f->meta.v[i].value;
    return NK_STR_NULL;
}
