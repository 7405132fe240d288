/* Records of Avro object container files. */
#include "schema/avro.h"
#include "schema/avro_file.h"
#include "schema/rows.h"

#define DEPTH_MAX   64
#define NOTHING_MAX (1 << 20) /* elements or records that take no bytes */

typedef enum {
    A_NULL,
    A_BOOLEAN,
    A_INT,
    A_LONG,
    A_FLOAT,
    A_DOUBLE,
    A_BYTES,
    A_STRING,
    A_FIXED,
    A_ENUM,
    A_ARRAY,
    A_MAP,
    A_RECORD,
    A_UNION,
} avro_kind;
static const char *const kinds[] = {"null",   "boolean", "int",    "long",  "float",
                                    "double", "bytes",   "string", "fixed", "enum",
                                    "array",  "map",     "record"};

typedef struct schema schema;
struct schema {
    avro_kind kind;
    nk_type_kind as;      /* what its values are put as */
    int64_t times, parts; /* TIMESTAMP: µs = value * times / parts */
    int scale;            /* DECIMAL */
    size_t size;          /* FIXED */
    schema **kids;
    nk_str *names; /* fields of a RECORD, symbols of an ENUM */
    size_t n, nnames;
};

typedef struct named {
    nk_str name;
    schema *type;
} named;
NK_LIST(named_list, named);

typedef struct parser {
    nk_arena *a;
    named_list all;
    nk_err *err;
} parser;

static nk_code no_memory(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "Out of memory reading an Avro file");
}

static nk_code bad(nk_err *err, const char *what)
{
    return nk_fail(err, NK_E_PARSE, "The Avro schema: %s", what);
}

/* ---- the schema ---- */

static nk_code parse(parser *p, const nk_json *j, nk_str space, int depth, schema **out);

static void set_kind(schema *t, avro_kind kind)
{
    static const nk_type_kind as[] = {
        NK_T_NULL,   NK_T_BOOLEAN, NK_T_INT,    NK_T_LONG,  NK_T_FLOAT, NK_T_DOUBLE, NK_T_BINARY,
        NK_T_STRING, NK_T_BINARY,  NK_T_STRING, NK_T_ARRAY, NK_T_MAP,   NK_T_STRUCT, NK_T_NULL};
    t->kind = kind;
    t->as = as[kind];
}

static nk_str full_name(parser *p, nk_str name, nk_str space)
{
    if (!space.n || nk_str_chr(name, '.') >= 0)
        return name;
    return nk_str_printf(p->a, "%.*s.%.*s", NK_STR_ARG(space), NK_STR_ARG(name));
}

static nk_code by_name(parser *p, nk_str name, nk_str space, schema *fresh, schema **out)
{
    for (size_t i = 0; i <= A_STRING; i++)
        if (nk_str_is(name, kinds[i])) {
            set_kind(fresh, (avro_kind)i);
            return NK_OK;
        }
    nk_str full = full_name(p, name, space);
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = p->all.n; i-- > 0;)
            if (nk_str_eq(p->all.v[i].name, pass ? name : full)) {
                *out = p->all.v[i].type;
                return NK_OK;
            }
    return nk_fail(p->err, NK_E_PARSE, "The Avro schema: unknown type \"%.*s\"", NK_STR_ARG(name));
}

static nk_code remember(parser *p, const nk_json *j, schema *t, nk_str *space)
{
    nk_str name = nk_json_str(j, "name"), own = nk_json_str(j, "namespace");
    ptrdiff_t dot = nk_str_rchr(name, '.');
    *space = dot >= 0 ? nk_str_sub(name, 0, (size_t)dot) : own.p ? own : *space;
    named *slot = named_list_add(&p->all, p->a);
    if (!slot)
        return no_memory(p->err);
    *slot = (named){full_name(p, name, *space), t};
    return slot->name.p ? NK_OK : no_memory(p->err);
}

static nk_code parse_list(parser *p, const nk_json *list, bool fields, nk_str space, int depth,
                          schema *t)
{
    if (!list || list->kind != NK_JSON_ARRAY)
        return bad(p->err, "a list is missing");
    t->kids = NK_NEWN(p->a, schema *, list->count + 1);
    t->names = NK_NEWN(p->a, nk_str, list->count + 1);
    if (!t->kids || !t->names)
        return no_memory(p->err);
    for (const nk_json *e = list->first; e; e = e->next, t->n++) {
        const nk_json *type = fields ? nk_json_get(e, "type") : e;
        if (!type)
            return bad(p->err, "a field without a type");
        if (fields)
            t->names[t->n] = nk_json_str(e, "name");
        NK_TRY(parse(p, type, space, depth + 1, &t->kids[t->n]));
    }
    t->nnames = fields ? t->n : 0;
    return NK_OK;
}

static nk_code parse_enum(parser *p, const nk_json *j, schema *t)
{
    const nk_json *symbols = nk_json_get(j, "symbols");
    t->names = NK_NEWN(p->a, nk_str, (symbols ? symbols->count : 0) + 1);
    if (!t->names)
        return no_memory(p->err);
    for (const nk_json *e = symbols ? symbols->first : NULL; e; e = e->next)
        t->names[t->nnames++] = e->text;
    return NK_OK;
}

static void logical(const nk_json *j, schema *t)
{
    static const struct {
        const char *name;
        avro_kind of;
        nk_type_kind as;
        int64_t times, parts;
    } all[] = {
        {"date", A_INT, NK_T_DATE, 1, 1},
        {"timestamp-millis", A_LONG, NK_T_TIMESTAMP, 1000, 1},
        {"timestamp-micros", A_LONG, NK_T_TIMESTAMP, 1, 1},
        {"timestamp-nanos", A_LONG, NK_T_TIMESTAMP, 1, 1000},
        {"local-timestamp-millis", A_LONG, NK_T_TIMESTAMP, 1000, 1},
        {"local-timestamp-micros", A_LONG, NK_T_TIMESTAMP, 1, 1},
        {"local-timestamp-nanos", A_LONG, NK_T_TIMESTAMP, 1, 1000},
        {"decimal", A_BYTES, NK_T_DECIMAL, 0, 0},
        {"decimal", A_FIXED, NK_T_DECIMAL, 0, 0},
    };
    nk_str name = nk_json_str(j, "logicalType");
    for (size_t i = 0; name.n && i < NK_COUNTOF(all); i++)
        if (nk_str_is(name, all[i].name) && t->kind == all[i].of) {
            t->as = all[i].as;
            t->times = all[i].times;
            t->parts = all[i].parts;
            t->scale = (int)nk_json_i64(j, "scale", 0);
        }
}

static nk_code parse_object(parser *p, const nk_json *j, nk_str space, int depth, schema *t,
                            schema **out)
{
    const nk_json *type = nk_json_get(j, "type");
    if (!type)
        return bad(p->err, "an object without a type");
    if (type->kind != NK_JSON_STRING)
        return parse(p, type, space, depth + 1, out);
    for (size_t i = A_FIXED; i <= A_RECORD; i++)
        if (nk_str_is(type->text, kinds[i]) || (i == A_RECORD && nk_str_is(type->text, "error")))
            set_kind(t, (avro_kind)i);
    if (t->kind < A_FIXED) {
        NK_TRY(by_name(p, type->text, space, t, out));
        if (*out == t)
            logical(j, t);
        return NK_OK;
    }
    if (t->kind == A_ARRAY || t->kind == A_MAP) {
        const nk_json *of = nk_json_get(j, t->kind == A_ARRAY ? "items" : "values");
        t->kids = NK_NEWN(p->a, schema *, 1);
        t->n = 1;
        if (!of || !t->kids)
            return of ? no_memory(p->err) : bad(p->err, "an array or map of nothing");
        return parse(p, of, space, depth + 1, &t->kids[0]);
    }
    NK_TRY(remember(p, j, t, &space));
    if (t->kind == A_ENUM)
        return parse_enum(p, j, t);
    if (t->kind == A_RECORD)
        return parse_list(p, nk_json_get(j, "fields"), true, space, depth, t);
    int64_t size = nk_json_i64(j, "size", -1);
    t->size = (size_t)size;
    logical(j, t);
    return size >= 0 && size <= (1 << 30) ? NK_OK : bad(p->err, "the size of a fixed type");
}

static nk_code parse(parser *p, const nk_json *j, nk_str space, int depth, schema **out)
{
    schema *t = *out = NK_NEW(p->a, schema);
    if (!t)
        return no_memory(p->err);
    if (depth > DEPTH_MAX)
        return bad(p->err, "nested too deep");
    if (j->kind == NK_JSON_STRING)
        return by_name(p, j->text, space, t, out);
    if (j->kind == NK_JSON_OBJECT)
        return parse_object(p, j, space, depth, t, out);
    set_kind(t, A_UNION);
    return parse_list(p, j, false, space, depth, t);
}

/* ---- values ---- */

typedef struct cursor {
    const unsigned char *p, *end;
    nk_sink *sink;
    nk_err *err;
    size_t nothing;
} cursor;

static nk_code corrupt(nk_err *err, const char *what)
{
    return nk_fail(err, NK_E_PARSE, "The Avro data is corrupt: %s", what);
}

static nk_code get_long(cursor *c, int64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (c->p == c->end)
            return corrupt(c->err, "a value is cut short");
        uint64_t byte = *c->p++;
        v |= (byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *out = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
            return NK_OK;
        }
    }
    return corrupt(c->err, "a number is too long");
}

static nk_code get_run(cursor *c, int64_t n, nk_str *out)
{
    if (n < 0 || (uint64_t)n > (uint64_t)(c->end - c->p))
        return corrupt(c->err, n < 0 ? "a negative length" : "a value is cut short");
    *out = nk_str_n((const char *)c->p, (size_t)n);
    c->p += n;
    return NK_OK;
}

static nk_code get_bytes(cursor *c, nk_str *out)
{
    int64_t n;
    NK_TRY(get_long(c, &n));
    return get_run(c, n, out);
}

/* Two's complement, the highest byte first. */
static nk_code unscaled(cursor *c, nk_str raw, __int128 *out)
{
    unsigned __int128 v = raw.n && (raw.p[0] & 0x80) ? ~(unsigned __int128)0 : 0;
    for (size_t i = 0; i < raw.n; i++) {
        unsigned char sign = v >> 127 ? 0xff : 0;
        if (raw.n - i > 16 && (unsigned char)raw.p[i] != sign)
            return corrupt(c->err, "a decimal of more than 38 digits");
        v = v << 8 | (unsigned char)raw.p[i];
    }
    *out = (__int128)v;
    return NK_OK;
}

static nk_code put_bytes(cursor *c, const schema *t, nk_place *at)
{
    nk_value v = {.kind = t->as};
    NK_TRY(t->kind == A_FIXED ? get_run(c, (int64_t)t->size, &v.s) : get_bytes(c, &v.s));
    if (t->as == NK_T_DECIMAL) {
        NK_TRY(unscaled(c, v.s, &v.unscaled));
        v.scale = t->scale;
    }
    if (t->as == NK_T_STRING && at && !nk_utf8_valid(v.s))
        return corrupt(c->err, "a text that is not UTF-8");
    return nk_put(c->sink, at, &v, c->err);
}

static nk_code put_number(cursor *c, const schema *t, nk_place *at)
{
    nk_value v = {.kind = t->as};
    nk_str raw = NK_STR("");
    float f;
    switch (t->kind) {
    case A_BOOLEAN:
        NK_TRY(get_run(c, 1, &raw));
        v.i = raw.p[0] != 0;
        break;
    case A_FLOAT:
        NK_TRY(get_run(c, 4, &raw));
        memcpy(&f, raw.p, 4);
        v.d = (double)f;
        break;
    case A_DOUBLE:
        NK_TRY(get_run(c, 8, &raw));
        memcpy(&v.d, raw.p, 8);
        break;
    default:
        NK_TRY(get_long(c, &v.i));
        if (t->as == NK_T_INT && (v.i < INT32_MIN || v.i > INT32_MAX))
            return corrupt(c->err, "an int beyond 32 bits");
        if (t->as == NK_T_TIMESTAMP) {
            if (__builtin_mul_overflow(v.i, t->times, &v.i))
                return corrupt(c->err, "a time beyond all years");
            int64_t rest = v.i % t->parts;
            v.i = v.i / t->parts - (rest < 0);
        }
    }
    return nk_put(c->sink, at, &v, c->err);
}

static nk_code put_value(cursor *c, const schema *t, nk_place *at, int depth);

/* Blocks of elements; a negative count is followed by the block's length in bytes. */
static nk_code put_blocks(cursor *c, const schema *t, nk_place *at, int depth)
{
    int64_t n, bytes;
    NK_TRY(nk_put_kind(c->sink, at, t->as, c->err));
    for (;;) {
        NK_TRY(get_long(c, &n));
        if (n == 0)
            return NK_OK;
        if (n < 0) {
            NK_TRY(get_long(c, &bytes));
            n = n == INT64_MIN ? INT64_MAX : -n;
        }
        for (; n > 0; n--) {
            const unsigned char *before = c->p;
            nk_place *key = NULL, *to;
            nk_str name;
            if (t->kind == A_MAP) {
                NK_TRY(get_bytes(c, &name));
                if (!nk_utf8_valid(name))
                    return corrupt(c->err, "a key that is not UTF-8");
                NK_TRY(nk_at_entry(c->sink, at, &key, &to, c->err));
                NK_TRY(nk_put_str(c->sink, key, NK_T_STRING, name, c->err));
            } else {
                NK_TRY(nk_at_elem(c->sink, at, &to, c->err));
            }
            NK_TRY(put_value(c, t->kids[0], to, depth + 1));
            if (before == c->p && ++c->nothing > NOTHING_MAX)
                return corrupt(c->err, "too many elements of nothing");
        }
    }
}

static nk_code put_record(cursor *c, const schema *t, nk_place *at, int depth)
{
    NK_TRY(nk_put_kind(c->sink, at, NK_T_STRUCT, c->err));
    for (size_t i = 0; i < t->n; i++) {
        nk_place *to;
        NK_TRY(nk_at_field(c->sink, at, t->names[i], i, &to, c->err));
        NK_TRY(put_value(c, t->kids[i], to, depth + 1));
    }
    return NK_OK;
}

static nk_code put_value(cursor *c, const schema *t, nk_place *at, int depth)
{
    int64_t n;
    if (depth > DEPTH_MAX)
        return nk_fail(c->err, NK_E_LIMIT, "The Avro values are nested deeper than %d levels",
                       DEPTH_MAX);
    switch (t->kind) {
    case A_NULL:
        return NK_OK;
    case A_UNION:
        NK_TRY(get_long(c, &n));
        if (n < 0 || (size_t)n >= t->n)
            return corrupt(c->err, "a union's branch");
        return put_value(c, t->kids[n], at, depth + 1);
    case A_ENUM:
        NK_TRY(get_long(c, &n));
        if (n < 0 || (size_t)n >= t->nnames)
            return corrupt(c->err, "an enum's value");
        return nk_put_str(c->sink, at, NK_T_STRING, t->names[n], c->err);
    case A_ARRAY:
    case A_MAP:
        return put_blocks(c, t, at, depth);
    case A_RECORD:
        return put_record(c, t, at, depth);
    case A_BYTES:
    case A_STRING:
    case A_FIXED:
        return put_bytes(c, t, at);
    default:
        return put_number(c, t, at);
    }
}

/* ---- the container ---- */

struct nk_rows {
    nk_input *in;
    nk_arena *a;
    nk_avro_header head;
    schema *schema;
    nk_buf block;    /* unpacked */
    cursor at;       /* in the block */
    int64_t left;    /* records of it */
    uint64_t from;   /* where in the file it begins */
    uint64_t number; /* records of the file so far */
    bool begun;
};

static nk_code read_header(nk_input *in, nk_arena *a, nk_avro_header *out, nk_err *err)
{
    NK_TRY(nk_input_need(in, 4096, err));
    for (;;) {
        nk_err local = NK_ERR_INIT;
        nk_code rc = nk_avro_read_header(in->view, a, out, &local);
        if (rc == NK_OK && out->size)
            return NK_OK;
        if (in->end || (rc != NK_OK && rc != NK_E_LIMIT))
            return rc == NK_OK || rc == NK_E_LIMIT
                       ? nk_fail(err, NK_E_PARSE, "The Avro file ends in its header")
                       : nk_fail(err, rc, "%s", local.msg);
        NK_TRY(nk_input_more(in, err));
    }
}

static nk_code type(nk_input *in, nk_arena *a, const nk_type **out, nk_err *err)
{
    nk_avro_header h;
    NK_TRY(read_header(in, a, &h, err));
    return nk_avro_row_type(h.schema, NK_MERGE_CHOICE, a, out, err);
}

static void rows_close(nk_rows *r)
{
    if (!r)
        return;
    nk_buf_free(&r->block);
    nk_arena_destroy(r->a);
    nk_free(r);
}

static nk_code rows_open(nk_input *in, const nk_rows_options *o, nk_rows **out, nk_err *err)
{
    nk_rows *r = *out = nk_calloc(1, sizeof *r);
    if (!r)
        return no_memory(err);
    r->in = in;
    nk_buf_init(&r->block, NK_RECORD_MAX);
    r->a = nk_arena_create(256 << 20);
    if (r->a)
        return NK_OK;
    rows_close(r);
    *out = NULL;
    return no_memory(err);
}

static nk_code begin(nk_rows *r, nk_err *err)
{
    nk_json *j;
    nk_err why = NK_ERR_INIT;
    parser p = {.a = r->a, .err = err};
    NK_TRY(read_header(r->in, r->a, &r->head, err));
    nk_input_take(r->in, r->head.size);
    if (nk_json_parse(r->head.schema, r->a, 0, &j, &why) != NK_OK)
        return nk_fail(err, why.code == NK_E_NOMEM ? NK_E_NOMEM : NK_E_PARSE, "The Avro schema: %s",
                       why.msg);
    NK_TRY(parse(&p, j, NK_STR(""), 0, &r->schema));
    r->begun = true;
    return NK_OK;
}

/* A codec that is not known makes the file one that cannot be read. */
static nk_code unpack(nk_rows *r, nk_str packed, nk_err *err)
{
    nk_buf_clear(&r->block);
    nk_code rc = nk_avro_unpack(r->head.codec, packed, &r->block, err);
    if (rc == NK_E_UNSUPPORTED && err)
        err->code = NK_E_PARSE;
    return rc == NK_E_UNSUPPORTED ? NK_E_PARSE : rc;
}

/* The next block; left 0 at the end of the file. */
static nk_code next_block(nk_rows *r, nk_err *err)
{
    size_t size, own;
    NK_TRY(nk_input_need(r->in, 20, err));
    r->left = 0;
    if (!r->in->view.n)
        return NK_OK;
    r->from = r->in->at;
    NK_TRY(nk_avro_block(r->in->view, &r->left, &size, &own, err));
    if (size > NK_RECORD_MAX)
        return corrupt(err, "the size of a block");
    nk_input_take(r->in, own);
    NK_TRY(nk_input_need(r->in, size + NK_AVRO_SYNC, err));
    if (r->in->view.n < size + NK_AVRO_SYNC)
        return corrupt(err, "the file ends in a block");
    if (memcmp(r->in->view.p + size, r->head.sync, NK_AVRO_SYNC) != 0)
        return corrupt(err, "a block does not end with the file's mark");
    NK_TRY(unpack(r, nk_str_sub(r->in->view, 0, size), err));
    nk_input_take(r->in, size + NK_AVRO_SYNC);
    nk_str block = nk_buf_view(&r->block);
    r->at = (cursor){.p = (const unsigned char *)block.p};
    r->at.end = r->at.p + block.n;
    return NK_OK;
}

static nk_code one_record(nk_rows *r, nk_sink *s, nk_err *err)
{
    nk_place *at = s->root;
    const unsigned char *before = r->at.p;
    r->at.sink = s;
    r->at.err = err;
    if (r->schema->kind != A_RECORD) {
        NK_TRY(nk_put_kind(s, s->root, NK_T_STRUCT, err));
        NK_TRY(nk_at_field(s, s->root, NK_STR(NK_AVRO_VALUE), 0, &at, err));
    }
    NK_TRY(put_value(&r->at, r->schema, at, 0));
    if (before == r->at.p && ++r->at.nothing > NOTHING_MAX)
        return corrupt(err, "too many records of nothing");
    r->left--;
    r->number++;
    if (!r->left && r->at.p != r->at.end)
        return corrupt(err, "a block is longer than its records");
    return s->row(s, err);
}

static nk_code rows_next(nk_rows *r, nk_sink *s, size_t max, size_t *n, nk_err *err)
{
    *n = 0;
    if (!r->begun)
        NK_TRY(begin(r, err));
    while (*n < max) {
        nk_code rc = NK_OK;
        while (rc == NK_OK && !r->left && (r->in->view.n || !r->in->end))
            rc = next_block(r, err);
        if (rc == NK_OK && !r->left)
            return NK_OK;
        if (rc == NK_OK)
            rc = one_record(r, s, err);
        if (rc != NK_OK)
            (void)nk_wrap(err, "record %llu, in the block at byte %llu",
                          (unsigned long long)r->number + 1, (unsigned long long)r->from);
        NK_TRY(rc);
        ++*n;
    }
    return NK_OK;
}

const nk_rows_format nk_rows_avro = {.name = "avro",
                                     .type = type,
                                     .open = rows_open,
                                     .next = rows_next,
                                     .close = rows_close,
                                     .doc = "Avro object container files, by their own schema"};
