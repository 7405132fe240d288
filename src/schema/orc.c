#include "schema/orc_int.h"

#include "schema/codec.h"

#define TYPES_MAX  100000
#define DEPTH_MAX  100
#define FOOTER_MAX ((size_t)256 << 20)

/* ---- protocol buffers ---- */

static nk_code corrupt(nk_err *err, const char *what)
{
    return nk_fail(err, NK_E_PARSE, "The ORC file is corrupt: %s", what);
}

static nk_code get_varint(nk_proto *p, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (!p->in.n)
            return corrupt(p->err, "a message is cut short");
        unsigned char c = (unsigned char)*p->in.p;
        p->in = nk_str_sub(p->in, 1, p->in.n);
        *out |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80))
            return NK_OK;
    }
    return corrupt(p->err, "a number is too long");
}

nk_code nk_proto_next(nk_proto *p)
{
    uint64_t key, n;
    if (!p->in.n)
        return NK_E_END;
    NK_TRY(get_varint(p, &key));
    p->number = key >> 3;
    p->kind = (int)(key & 7);
    switch (p->kind) {
    case 0:
        return get_varint(p, &p->value);
    case 1:
    case 5:
        n = p->kind == 1 ? 8 : 4;
        break;
    case 2:
        NK_TRY(get_varint(p, &n));
        break;
    default:
        return corrupt(p->err, "a field of an unknown kind");
    }
    if (n > p->in.n)
        return corrupt(p->err, "a field is cut short");
    p->bytes = nk_str_sub(p->in, 0, (size_t)n);
    p->in = nk_str_sub(p->in, (size_t)n, p->in.n);
    return NK_OK;
}

/* ---- postscript ---- */

typedef struct postscript {
    uint64_t footer, compression, length; /* length: of the postscript itself, its size byte too */
} postscript;

static nk_code read_postscript(nk_str tail, postscript *out, nk_err *err)
{
    if (tail.n < 4)
        return nk_fail(err, NK_E_PARSE, "The file is too short to be ORC");
    size_t n = (unsigned char)tail.p[tail.n - 1];
    if (n + 1 > tail.n || n < 3)
        return corrupt(err, "its last byte");
    nk_proto p = {.in = nk_str_sub(tail, tail.n - 1 - n, tail.n - 1), .err = err};
    bool magic = false;
    nk_code rc;
    *out = (postscript){.length = n + 1};
    while ((rc = nk_proto_next(&p)) == NK_OK) {
        if (p.number == 1 && p.kind == 0)
            out->footer = p.value;
        else if (p.number == 2 && p.kind == 0)
            out->compression = p.value;
        else if (p.number == 8000 && p.kind == 2)
            magic = nk_str_is(p.bytes, "ORC");
    }
    if (rc != NK_E_END)
        return rc;
    return magic ? NK_OK
                 : nk_fail(err, NK_E_PARSE,
                           "The ORC file is truncated: it does not end with a postscript");
}

nk_code nk_orc_tail_size(nk_str tail, uint64_t file_size, uint64_t *want, nk_err *err)
{
    postscript ps;
    NK_TRY(read_postscript(tail, &ps, err));
    if (!ps.footer || ps.footer > file_size || ps.footer + ps.length > file_size)
        return corrupt(err, "the size of its footer");
    if (ps.footer > FOOTER_MAX)
        return nk_fail(err, NK_E_PARSE, "The ORC footer has %llu bytes",
                       (unsigned long long)ps.footer);
    *want = ps.footer + ps.length;
    return NK_OK;
}

/* ---- footer ---- */

static const struct {
    const char *name;
    nk_code (*unpack)(nk_str in, nk_buf *out, nk_err *err);
} codecs[] = {
    {"none", NULL}, {"zlib", nk_block_deflate}, {"snappy", nk_block_snappy},
    {"lzo", NULL},  {"lz4", nk_block_lz4},      {"zstd", nk_block_zstd},
};

nk_code nk_orc_unpack(nk_str in, uint64_t compression, nk_buf *out, nk_err *err)
{
    if (!compression)
        return nk_buf_str(out, in) == NK_OK ? NK_OK : nk_buf_check(out, err);
    while (in.n) {
        if (in.n < 3)
            return corrupt(err, "a compressed chunk is cut short");
        const unsigned char *h = (const unsigned char *)in.p;
        size_t n = (size_t)(h[0] | (uint32_t)h[1] << 8 | (uint32_t)h[2] << 16);
        bool plain = n & 1;
        n >>= 1;
        if (3 + n > in.n)
            return corrupt(err, "a compressed chunk is cut short");
        nk_str chunk = nk_str_n(in.p + 3, n);
        if (plain)
            nk_buf_str(out, chunk);
        else
            NK_TRY(codecs[compression].unpack(chunk, out, err));
        NK_TRY(nk_buf_check(out, err));
        in = nk_str_sub(in, 3 + n, in.n);
    }
    return NK_OK;
}

typedef struct footer {
    nk_orc_file *out;
    uint64_t rows, built;
    nk_merge_rule rule;
    nk_arena *a;
    nk_err *err;
} footer;

static nk_code no_memory(footer *f)
{
    return nk_fail(f->err, NK_E_NOMEM, "Out of memory reading an ORC footer");
}

static nk_code add_kid(footer *f, nk_orc_type *t, uint64_t v)
{
    uint32_t *kid = v < TYPES_MAX ? nk_orc_ids_add(&t->kids, f->a) : NULL;
    if (!kid)
        return v < TYPES_MAX ? no_memory(f) : corrupt(f->err, "the number of a type");
    *kid = (uint32_t)v;
    return NK_OK;
}

static nk_code read_type(footer *f, nk_str bytes, nk_orc_type *t)
{
    nk_proto p = {.in = bytes, .err = f->err};
    nk_code rc;
    t->kind = 0;
    while ((rc = nk_proto_next(&p)) == NK_OK) {
        if (p.number == 1 && p.kind == 0) {
            t->kind = p.value;
        } else if (p.number == 2 && p.kind == 0) {
            NK_TRY(add_kid(f, t, p.value));
        } else if (p.number == 2 && p.kind == 2) { /* packed */
            nk_proto q = {.in = p.bytes, .err = f->err};
            uint64_t v;
            while (q.in.n) {
                NK_TRY(get_varint(&q, &v));
                NK_TRY(add_kid(f, t, v));
            }
        } else if (p.number == 3 && p.kind == 2) {
            nk_str *name = nk_strs_add(&t->names, f->a);
            if (!name)
                return no_memory(f);
            *name = nk_str_dup(f->a, p.bytes);
            if (!name->p)
                return no_memory(f);
        } else if (p.kind == 0 && p.number >= 4 && p.number <= 6) {
            *(p.number == 4 ? &t->length : p.number == 5 ? &t->precision : &t->scale) = p.value;
        }
    }
    return rc == NK_E_END ? NK_OK : rc;
}

static nk_code read_stripe(footer *f, nk_str bytes)
{
    nk_proto p = {.in = bytes, .err = f->err};
    nk_orc_stripe *s = nk_orc_stripes_add(&f->out->stripes, f->a);
    nk_code rc;
    if (!s)
        return no_memory(f);
    *s = (nk_orc_stripe){0};
    while ((rc = nk_proto_next(&p)) == NK_OK) {
        uint64_t *to[] = {&s->at, &s->index, &s->data, &s->footer, &s->rows};
        if (p.kind == 0 && p.number >= 1 && p.number <= NK_COUNTOF(to))
            *to[p.number - 1] = p.value;
    }
    return rc == NK_E_END ? NK_OK : rc;
}

static nk_code read_footer(footer *f, nk_str bytes)
{
    nk_proto p = {.in = bytes, .err = f->err};
    nk_code rc;
    while ((rc = nk_proto_next(&p)) == NK_OK) {
        if (p.number == 4 && p.kind == 2) {
            nk_orc_type *t =
                f->out->types.n < TYPES_MAX ? nk_orc_types_add(&f->out->types, f->a) : NULL;
            if (!t)
                return f->out->types.n < TYPES_MAX ? no_memory(f)
                                                   : corrupt(f->err, "too many types");
            NK_TRY(read_type(f, p.bytes, t));
        } else if (p.number == 3 && p.kind == 2) {
            NK_TRY(read_stripe(f, p.bytes));
        } else if (p.number == 6 && p.kind == 0) {
            f->rows = p.value;
        }
    }
    return rc == NK_E_END ? NK_OK : rc;
}

static nk_code build(footer *f, uint32_t at, int depth, const nk_type **out);

static nk_code build_struct(footer *f, const nk_orc_type *t, int depth, const nk_type **out)
{
    nk_field *fields = NK_NEWN(f->a, nk_field, t->kids.n + 1);
    if (!fields)
        return no_memory(f);
    if (t->names.n != t->kids.n)
        return corrupt(f->err, "a struct's fields and their names differ in number");
    for (size_t i = 0; i < t->kids.n; i++) {
        fields[i].name = t->names.v[i];
        NK_TRY(build(f, t->kids.v[i], depth + 1, &fields[i].type));
    }
    *out = nk_type_struct(f->a, fields, t->kids.n);
    return *out ? NK_OK : no_memory(f);
}

static nk_code build_sized(footer *f, const nk_orc_type *t, const nk_type **out)
{
    if (t->kind == NK_ORC_DECIMAL) {
        /* files of early writers do not say */
        uint64_t p = t->precision ? t->precision : 38, s = t->precision ? t->scale : 18;
        if (p > 38 || s > p)
            return corrupt(f->err, "a decimal column with an impossible precision");
        *out = nk_type_decimal(f->a, (int)p, (int)s);
        return *out ? NK_OK : no_memory(f);
    }
    nk_type *sized = NK_NEW(f->a, nk_type);
    if (!sized)
        return no_memory(f);
    *sized = (nk_type){.kind = t->kind == NK_ORC_CHAR ? NK_T_CHAR : NK_T_VARCHAR,
                       .length = t->length >= 1 && t->length <= 65535 ? (int)t->length : 65535};
    *out = sized;
    return NK_OK;
}

static nk_code build(footer *f, uint32_t at, int depth, const nk_type **out)
{
    static const nk_type_kind scalars[] = {NK_T_BOOLEAN, NK_T_BYTE,     NK_T_SHORT,  NK_T_INT,
                                           NK_T_LONG,    NK_T_FLOAT,    NK_T_DOUBLE, NK_T_STRING,
                                           NK_T_BINARY,  NK_T_TIMESTAMP};
    if (at >= f->out->types.n || depth > DEPTH_MAX || ++f->built > TYPES_MAX)
        return corrupt(f->err, "its types");
    const nk_orc_type *t = &f->out->types.v[at];
    const nk_type *x = NULL, *y = NULL;
    if (t->kind < NK_COUNTOF(scalars)) {
        *out = nk_type_scalar(scalars[t->kind]);
        return NK_OK;
    }
    switch (t->kind) {
    case NK_ORC_LIST:
        if (t->kids.n != 1)
            return corrupt(f->err, "a list without an element");
        NK_TRY(build(f, t->kids.v[0], depth + 1, &x));
        *out = nk_type_array(f->a, x);
        return *out ? NK_OK : no_memory(f);
    case NK_ORC_MAP:
        if (t->kids.n != 2)
            return corrupt(f->err, "a map without key and value");
        NK_TRY(build(f, t->kids.v[0], depth + 1, &x));
        NK_TRY(build(f, t->kids.v[1], depth + 1, &y));
        *out = nk_type_map(f->a, x, y);
        return *out ? NK_OK : no_memory(f);
    case NK_ORC_STRUCT:
        return build_struct(f, t, depth, out);
    case NK_ORC_UNION:
        *out = nk_type_scalar(NK_T_NULL);
        for (size_t i = 0; i < t->kids.n; i++) {
            NK_TRY(build(f, t->kids.v[i], depth + 1, &x));
            NK_TRY(nk_type_merge(*out, x, f->rule, f->a, out, f->err));
        }
        return NK_OK;
    case NK_ORC_DECIMAL:
    case NK_ORC_VARCHAR:
    case NK_ORC_CHAR:
        return build_sized(f, t, out);
    case NK_ORC_DATE:
        *out = nk_type_scalar(NK_T_DATE);
        return NK_OK;
    case NK_ORC_INSTANT:
        *out = nk_type_scalar(NK_T_TIMESTAMP);
        return NK_OK;
    default:
        return corrupt(f->err, "a type that is not known");
    }
}

nk_code nk_orc_file_read(nk_str tail, nk_merge_rule rule, nk_arena *a, nk_orc_file *out,
                         nk_err *err)
{
    postscript ps;
    *out = (nk_orc_file){0};
    NK_TRY(read_postscript(tail, &ps, err));
    if (ps.footer + ps.length > tail.n || ps.footer > tail.n)
        return corrupt(err, "its footer is cut short");
    if (ps.compression >= NK_COUNTOF(codecs) || (ps.compression && !codecs[ps.compression].unpack))
        return nk_fail(err, NK_E_PARSE, "The ORC file's compression %llu cannot be read",
                       (unsigned long long)ps.compression);
    nk_str packed =
        nk_str_sub(tail, tail.n - (size_t)(ps.footer + ps.length), tail.n - (size_t)ps.length);
    nk_buf plain;
    nk_buf_init(&plain, FOOTER_MAX);
    footer f = {.out = out, .rule = rule, .a = a, .err = err};
    nk_code rc = nk_orc_unpack(packed, ps.compression, &plain, err);
    if (rc == NK_OK)
        rc = read_footer(&f, nk_buf_view(&plain));
    if (rc == NK_OK && !out->types.n)
        rc = corrupt(err, "it has no schema");
    if (rc == NK_OK)
        rc = build(&f, 0, 0, &out->type);
    nk_buf_free(&plain);
    NK_TRY(rc);
    out->compression = ps.compression;
    out->rows = f.rows;
    if (out->type->kind == NK_T_STRUCT)
        return NK_OK;
    nk_field only = {.name = NK_STR("_col0"), .type = out->type};
    out->type = nk_type_struct(a, &only, 1);
    return out->type ? NK_OK : no_memory(&f);
}

nk_code nk_orc_read_tail(nk_str tail, nk_arena *a, nk_orc_meta *out, nk_err *err)
{
    nk_orc_file f;
    *out = (nk_orc_meta){.codec = "none"};
    NK_TRY(nk_orc_file_read(tail, NK_MERGE_CRAWL, a, &f, err));
    *out = (nk_orc_meta){.type = f.type, .rows = f.rows, .codec = codecs[f.compression].name};
    return NK_OK;
}
