#include "schema/type.h"

#include <stdio.h>

#define TYPE_DEPTH_MAX 128

typedef struct kind_row {
    nk_type_kind kind;
    const char *hive; /* as the catalogue writes it */
    const char *glue; /* as a DynamicFrame names it */
} kind_row;

/* In the order of nk_type_kind. */
static const kind_row kinds[] = {
    {NK_T_NULL, "string", "null"},
    {NK_T_BOOLEAN, "boolean", "boolean"},
    {NK_T_BYTE, "tinyint", "byte"},
    {NK_T_SHORT, "smallint", "short"},
    {NK_T_INT, "int", "int"},
    {NK_T_LONG, "bigint", "long"},
    {NK_T_FLOAT, "float", "float"},
    {NK_T_DOUBLE, "double", "double"},
    {NK_T_DECIMAL, "decimal", "decimal"},
    {NK_T_STRING, "string", "string"},
    {NK_T_CHAR, "char", "char"},
    {NK_T_VARCHAR, "varchar", "varchar"},
    {NK_T_BINARY, "binary", "binary"},
    {NK_T_DATE, "date", "date"},
    {NK_T_TIMESTAMP, "timestamp", "timestamp"},
    {NK_T_ARRAY, "array", "array"},
    {NK_T_MAP, "map", "map"},
    {NK_T_STRUCT, "struct", "struct"},
    {NK_T_CHOICE, "choice", "choice"},
};

/* Other names that writers of catalogues use. */
static const struct {
    const char *name;
    nk_type_kind kind;
} aliases[] = {
    {"integer", NK_T_INT},
    {"long", NK_T_LONG},
    {"short", NK_T_SHORT},
    {"byte", NK_T_BYTE},
    {"bool", NK_T_BOOLEAN},
    {"real", NK_T_FLOAT},
    {"double precision", NK_T_DOUBLE},
    {"numeric", NK_T_DECIMAL},
    {"dec", NK_T_DECIMAL},
    {"text", NK_T_STRING},
    {"character varying", NK_T_VARCHAR},
    {"void", NK_T_NULL},
    {"null", NK_T_NULL},
    {"unknown", NK_T_NULL},
    {"bytes", NK_T_BINARY},
    {"row", NK_T_STRUCT},
    {"list", NK_T_ARRAY},
    {"timestamp_ntz", NK_T_TIMESTAMP},
    {"timestamp_ltz", NK_T_TIMESTAMP},
};

static const nk_type scalars[] = {
    {.kind = NK_T_NULL},
    {.kind = NK_T_BOOLEAN},
    {.kind = NK_T_BYTE},
    {.kind = NK_T_SHORT},
    {.kind = NK_T_INT},
    {.kind = NK_T_LONG},
    {.kind = NK_T_FLOAT},
    {.kind = NK_T_DOUBLE},
    {.kind = NK_T_DECIMAL, .precision = 38, .scale = 18},
    {.kind = NK_T_STRING},
    {.kind = NK_T_CHAR, .length = 1},
    {.kind = NK_T_VARCHAR, .length = 65535},
    {.kind = NK_T_BINARY},
    {.kind = NK_T_DATE},
    {.kind = NK_T_TIMESTAMP},
};

static const nk_type empty_struct = {.kind = NK_T_STRUCT};
static const nk_type string_array = {.kind = NK_T_ARRAY, .elem = &scalars[NK_T_STRING]};
static const nk_type string_map = {
    .kind = NK_T_MAP, .key = &scalars[NK_T_STRING], .elem = &scalars[NK_T_STRING]};

const nk_type *nk_type_scalar(nk_type_kind kind)
{
    if ((size_t)kind < NK_COUNTOF(scalars))
        return &scalars[kind];
    return kind == NK_T_ARRAY ? &string_array : kind == NK_T_MAP ? &string_map : &empty_struct;
}

const nk_type *nk_type_decimal(nk_arena *a, int precision, int scale)
{
    nk_type *t = NK_NEW(a, nk_type);
    if (t)
        *t = (nk_type){.kind = NK_T_DECIMAL, .precision = precision, .scale = scale};
    return t;
}

const nk_type *nk_type_array(nk_arena *a, const nk_type *elem)
{
    nk_type *t = NK_NEW(a, nk_type);
    if (t)
        *t = (nk_type){.kind = NK_T_ARRAY, .elem = elem};
    return t;
}

const nk_type *nk_type_map(nk_arena *a, const nk_type *key, const nk_type *value)
{
    nk_type *t = NK_NEW(a, nk_type);
    if (t)
        *t = (nk_type){.kind = NK_T_MAP, .key = key, .elem = value};
    return t;
}

static nk_type *type_with_fields(nk_arena *a, nk_type_kind kind, size_t n)
{
    nk_type *t = NK_NEW(a, nk_type);
    if (!t)
        return NULL;
    t->kind = kind;
    t->nfields = n;
    t->fields = NK_NEWN(a, nk_field, n ? n : 1);
    return t->fields ? t : NULL;
}

const nk_type *nk_type_struct(nk_arena *a, const nk_field *fields, size_t n)
{
    nk_type *t = type_with_fields(a, NK_T_STRUCT, n);
    if (t && n)
        memcpy(t->fields, fields, n * sizeof *fields);
    return t;
}

const char *nk_type_glue_name(const nk_type *t)
{
    return kinds[t->kind].glue;
}

const nk_type *nk_type_choice(nk_arena *a, const nk_type *const *alts, size_t n)
{
    nk_type *t = type_with_fields(a, NK_T_CHOICE, n);
    if (!t)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        t->fields[i].name = nk_str_c(nk_type_glue_name(alts[i]));
        t->fields[i].type = alts[i];
    }
    return t;
}

const nk_type *nk_type_copy(nk_arena *a, const nk_type *t)
{
    if ((size_t)t->kind < NK_COUNTOF(scalars) && t == &scalars[t->kind])
        return t;
    nk_type *out = type_with_fields(a, t->kind, t->nfields);
    if (!out)
        return NULL;
    nk_field *fields = out->fields;
    *out = *t;
    out->fields = fields;
    bool ok = true;
    if (t->key)
        ok &= (out->key = nk_type_copy(a, t->key)) != NULL;
    if (t->elem)
        ok &= (out->elem = nk_type_copy(a, t->elem)) != NULL;
    for (size_t i = 0; i < t->nfields && ok; i++) {
        fields[i].name = nk_str_dup(a, t->fields[i].name);
        fields[i].type = nk_type_copy(a, t->fields[i].type);
        if (t->fields[i].comment.p)
            fields[i].comment = nk_str_dup(a, t->fields[i].comment);
        ok = fields[i].type && fields[i].name.p;
    }
    return ok ? out : NULL;
}

bool nk_type_eq(const nk_type *a, const nk_type *b)
{
    if (a == b)
        return true;
    if (!a || !b || a->kind != b->kind)
        return false;
    switch (a->kind) {
    case NK_T_DECIMAL:
        return a->precision == b->precision && a->scale == b->scale;
    case NK_T_CHAR:
    case NK_T_VARCHAR:
        return a->length == b->length;
    case NK_T_ARRAY:
        return nk_type_eq(a->elem, b->elem);
    case NK_T_MAP:
        return nk_type_eq(a->key, b->key) && nk_type_eq(a->elem, b->elem);
    case NK_T_STRUCT:
    case NK_T_CHOICE:
        if (a->nfields != b->nfields)
            return false;
        for (size_t i = 0; i < a->nfields; i++) {
            if (!nk_str_eq(a->fields[i].name, b->fields[i].name) ||
                !nk_type_eq(a->fields[i].type, b->fields[i].type))
                return false;
        }
        return true;
    default:
        return true;
    }
}

const nk_field *nk_type_field(const nk_type *t, nk_str name)
{
    for (size_t i = 0; t && i < t->nfields; i++) {
        if (nk_str_eq(t->fields[i].name, name))
            return &t->fields[i];
    }
    return NULL;
}

/* ---- Text ---- */

typedef struct parser {
    const char *p, *end, *start;
    nk_arena *a;
    nk_err *err;
    int depth;
} parser;

static nk_code bad(parser *ps, const char *what)
{
    return nk_fail(ps->err, NK_E_PARSE, "Type string \"%.*s\": %s at character %zu",
                   (int)(ps->end - ps->start > 200 ? 200 : ps->end - ps->start), ps->start, what,
                   (size_t)(ps->p - ps->start) + 1);
}

static void blanks(parser *ps)
{
    while (ps->p < ps->end && (*ps->p == ' ' || *ps->p == '\t' || *ps->p == '\n' || *ps->p == '\r'))
        ps->p++;
}

static bool take(parser *ps, char c)
{
    blanks(ps);
    if (ps->p >= ps->end || *ps->p != c)
        return false;
    ps->p++;
    return true;
}

static nk_code number(parser *ps, int64_t *out)
{
    blanks(ps);
    const char *from = ps->p;
    while (ps->p < ps->end && *ps->p >= '0' && *ps->p <= '9')
        ps->p++;
    if (!nk_str_i64(nk_str_n(from, (size_t)(ps->p - from)), out))
        return bad(ps, "a number is expected");
    return NK_OK;
}

/* The text of a quoted name, with doubled back quotes undone; p stands after the opening one. */
static nk_code quoted_name(parser *ps, nk_str *out)
{
    char *text = nk_arena_bytes(ps->a, (size_t)(ps->end - ps->p) + 1);
    if (!text)
        return nk_fail(ps->err, NK_E_NOMEM, "Out of memory reading a type");
    size_t n = 0;
    while (ps->p < ps->end) {
        char c = *ps->p++;
        if (c == '`') {
            if (ps->p >= ps->end || *ps->p != '`') {
                *out = nk_str_n(text, n);
                return NK_OK;
            }
            ps->p++;
        }
        text[n++] = c;
    }
    return bad(ps, "a back quote is not closed");
}

static nk_code field_name(parser *ps, nk_str *out)
{
    blanks(ps);
    if (ps->p < ps->end && *ps->p == '`') {
        ps->p++;
        return quoted_name(ps, out);
    }
    const char *from = ps->p;
    while (ps->p < ps->end && *ps->p != ':' && *ps->p != '<' && *ps->p != '>' && *ps->p != ',')
        ps->p++;
    *out = nk_str_trim(nk_str_n(from, (size_t)(ps->p - from)));
    return out->n ? NK_OK : bad(ps, "a field name is expected");
}

static nk_code parse_type(parser *ps, const nk_type **out);

NK_LIST(field_list, nk_field);

static nk_code parse_struct(parser *ps, const nk_type **out)
{
    field_list fields = {0};
    if (!take(ps, '<')) {
        *out = &empty_struct;
        return NK_OK;
    }
    while (!take(ps, '>')) {
        if (fields.n && !take(ps, ','))
            return bad(ps, "',' or '>' is expected");
        nk_field *f = field_list_add(&fields, ps->a);
        if (!f)
            return nk_fail(ps->err, NK_E_NOMEM, "Out of memory reading a type");
        NK_TRY(field_name(ps, &f->name));
        if (!take(ps, ':'))
            return bad(ps, "':' is expected after the field name");
        NK_TRY(parse_type(ps, &f->type));
        blanks(ps);
        if (ps->end - ps->p > 8 && nk_str_ieq(nk_str_n(ps->p, 8), NK_STR("comment "))) {
            ps->p += 8;
            if (!take(ps, '\''))
                return bad(ps, "a quoted comment is expected");
            const char *from = ps->p;
            while (ps->p < ps->end && *ps->p != '\'')
                ps->p++;
            f->comment = nk_str_n(from, (size_t)(ps->p - from));
            if (!take(ps, '\''))
                return bad(ps, "the comment is not closed");
        }
    }
    *out = nk_type_struct(ps->a, fields.v, fields.n);
    return *out ? NK_OK : nk_fail(ps->err, NK_E_NOMEM, "Out of memory reading a type");
}

static nk_code parse_choice(parser *ps, const nk_type **out)
{
    const nk_type *alts[32];
    size_t n = 0;
    if (!take(ps, '<'))
        return bad(ps, "'<' is expected");
    do {
        if (n == NK_COUNTOF(alts))
            return bad(ps, "a choice has at most 32 alternatives");
        NK_TRY(parse_type(ps, &alts[n++]));
    } while (take(ps, ','));
    if (!take(ps, '>'))
        return bad(ps, "',' or '>' is expected");
    *out = nk_type_choice(ps->a, alts, n);
    return *out ? NK_OK : nk_fail(ps->err, NK_E_NOMEM, "Out of memory reading a type");
}

static nk_code parse_sized(parser *ps, nk_type_kind kind, const nk_type **out)
{
    int64_t a, b = 0;
    if (!take(ps, '(')) {
        *out = kind == NK_T_DECIMAL ? nk_type_decimal(ps->a, 10, 0) : nk_type_scalar(kind);
        return *out ? NK_OK : nk_fail(ps->err, NK_E_NOMEM, "Out of memory reading a type");
    }
    NK_TRY(number(ps, &a));
    if (kind == NK_T_DECIMAL && take(ps, ','))
        NK_TRY(number(ps, &b));
    if (!take(ps, ')'))
        return bad(ps, "')' is expected");
    if (kind == NK_T_DECIMAL && (a < 1 || a > 38 || b > a))
        return bad(ps, "decimal takes a precision from 1 to 38 and a scale not above it");
    if (kind != NK_T_DECIMAL && (a < 1 || a > 65535))
        return bad(ps, "a length from 1 to 65535 is expected");
    nk_type *t = NK_NEW(ps->a, nk_type);
    if (!t)
        return nk_fail(ps->err, NK_E_NOMEM, "Out of memory reading a type");
    *t = (nk_type){.kind = kind};
    if (kind == NK_T_DECIMAL) {
        t->precision = (int)a;
        t->scale = (int)b;
    } else {
        t->length = (int)a;
    }
    *out = t;
    return NK_OK;
}

static bool kind_named(nk_str name, nk_type_kind *out)
{
    for (size_t i = 1; i < NK_COUNTOF(kinds); i++) {
        if (nk_str_ieq(name, nk_str_c(kinds[i].hive))) {
            *out = kinds[i].kind;
            return true;
        }
    }
    for (size_t i = 0; i < NK_COUNTOF(aliases); i++) {
        if (nk_str_ieq(name, nk_str_c(aliases[i].name))) {
            *out = aliases[i].kind;
            return true;
        }
    }
    return false;
}

static nk_code parse_body(parser *ps, const nk_type **out)
{
    blanks(ps);
    const char *from = ps->p;
    while (ps->p < ps->end && *ps->p != '<' && *ps->p != '>' && *ps->p != '(' && *ps->p != ')' &&
           *ps->p != ',' && *ps->p != ':' && *ps->p != '\'')
        ps->p++;
    nk_str name = nk_str_trim(nk_str_n(from, (size_t)(ps->p - from)));
    /* "int comment 'x'" inside a struct: the type is the first word */
    ptrdiff_t cut = nk_str_find(name, NK_STR(" comment"));
    if (cut > 0) {
        ps->p = name.p + cut;
        name = nk_str_trim(nk_str_sub(name, 0, (size_t)cut));
    }
    nk_type_kind kind;
    if (!kind_named(name, &kind)) {
        ps->p = from;
        return bad(ps, name.n ? "an unknown type" : "a type is expected");
    }
    const nk_type *k = NULL, *v = NULL;
    switch (kind) {
    case NK_T_STRUCT:
        return parse_struct(ps, out);
    case NK_T_CHOICE:
        return parse_choice(ps, out);
    case NK_T_DECIMAL:
    case NK_T_CHAR:
    case NK_T_VARCHAR:
        return parse_sized(ps, kind, out);
    case NK_T_ARRAY:
    case NK_T_MAP:
        if (!take(ps, '<'))
            return bad(ps, "'<' is expected");
        if (kind == NK_T_MAP) {
            NK_TRY(parse_type(ps, &k));
            if (!take(ps, ','))
                return bad(ps, "',' is expected after the key type");
        }
        NK_TRY(parse_type(ps, &v));
        if (!take(ps, '>'))
            return bad(ps, "'>' is expected");
        *out = kind == NK_T_MAP ? nk_type_map(ps->a, k, v) : nk_type_array(ps->a, v);
        return *out ? NK_OK : nk_fail(ps->err, NK_E_NOMEM, "Out of memory reading a type");
    default:
        *out = nk_type_scalar(kind);
        return NK_OK;
    }
}

static nk_code parse_type(parser *ps, const nk_type **out)
{
    if (++ps->depth > TYPE_DEPTH_MAX)
        return bad(ps, "the type is nested too deep");
    nk_code rc = parse_body(ps, out);
    ps->depth--;
    return rc;
}

nk_code nk_type_parse(nk_str text, nk_arena *a, const nk_type **out, nk_err *err)
{
    parser ps = {.p = text.p ? text.p : "", .a = a, .err = err};
    ps.start = ps.p;
    ps.end = ps.p + text.n;
    NK_TRY(parse_type(&ps, out));
    blanks(&ps);
    return ps.p == ps.end ? NK_OK : bad(&ps, "text is left over");
}

static void print_name(nk_str name, nk_buf *out)
{
    bool plain = name.n > 0 && name.p[0] != ' ' && name.p[name.n - 1] != ' ';
    for (size_t i = 0; i < name.n && plain; i++)
        plain = !strchr(":<>,`\t\r\n", name.p[i]) && name.p[i];
    if (plain) {
        nk_buf_str(out, name);
        return;
    }
    nk_buf_putc(out, '`');
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '`')
            nk_buf_putc(out, '`');
        nk_buf_putc(out, name.p[i]);
    }
    nk_buf_putc(out, '`');
}

static void print_type(const nk_type *t, bool cat, nk_buf *out)
{
    switch (t->kind) {
    case NK_T_NULL:
        nk_buf_puts(out, cat ? "string" : "null");
        return;
    case NK_T_DECIMAL:
        nk_buf_printf(out, "decimal(%d,%d)", t->precision, t->scale);
        return;
    case NK_T_CHAR:
    case NK_T_VARCHAR:
        nk_buf_printf(out, "%s(%d)", kinds[t->kind].hive, t->length);
        return;
    case NK_T_ARRAY:
        nk_buf_puts(out, "array<");
        print_type(t->elem, cat, out);
        nk_buf_putc(out, '>');
        return;
    case NK_T_MAP:
        nk_buf_puts(out, "map<");
        print_type(t->key, cat, out);
        nk_buf_putc(out, ',');
        print_type(t->elem, cat, out);
        nk_buf_putc(out, '>');
        return;
    case NK_T_STRUCT:
    case NK_T_CHOICE:
        /* the catalogue has neither empty structs nor choices */
        if (cat && (t->kind == NK_T_CHOICE || !t->nfields)) {
            nk_buf_puts(out, "string");
            return;
        }
        nk_buf_puts(out, t->kind == NK_T_STRUCT ? "struct<" : "choice<");
        for (size_t i = 0; i < t->nfields; i++) {
            if (i)
                nk_buf_putc(out, ',');
            if (t->kind == NK_T_STRUCT) {
                print_name(t->fields[i].name, out);
                nk_buf_putc(out, ':');
            }
            print_type(t->fields[i].type, cat, out);
        }
        nk_buf_putc(out, '>');
        return;
    default:
        nk_buf_puts(out, kinds[t->kind].hive);
    }
}

nk_code nk_type_print(const nk_type *t, bool for_catalog, nk_buf *out)
{
    print_type(t, for_catalog, out);
    return out->failed ? out->why : NK_OK;
}

/* ---- Merging ---- */

static nk_code no_memory(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "Out of memory merging types");
}

static bool is_int(nk_type_kind k)
{
    return k >= NK_T_BYTE && k <= NK_T_LONG;
}

static nk_code merge_at(const nk_type *a, const nk_type *b, nk_merge_rule rule, nk_arena *arena,
                        int depth, const nk_type **out, nk_err *err);

/* a's fields in their order, then what only b has. */
static nk_code merge_structs(const nk_type *a, const nk_type *b, nk_merge_rule rule,
                             nk_arena *arena, int depth, const nk_type **out, nk_err *err)
{
    nk_map at;
    nk_map_init(&at);
    nk_code rc = NK_OK;
    nk_type *t = type_with_fields(arena, NK_T_STRUCT, a->nfields + b->nfields);
    if (!t)
        return no_memory(err);
    size_t n = a->nfields;
    bool changed = false;
    if (n)
        memcpy(t->fields, a->fields, n * sizeof *t->fields);
    for (size_t i = 0; i < n; i++) {
        if (nk_map_put(&at, t->fields[i].name, &t->fields[i], NULL) != NK_OK) {
            rc = no_memory(err);
            goto done;
        }
    }
    for (size_t i = 0; i < b->nfields; i++) {
        const nk_field *f = &b->fields[i];
        nk_field *mine = nk_map_get(&at, f->name);
        if (!mine) {
            t->fields[n++] = *f;
            changed = true;
            continue;
        }
        const nk_type *m;
        NK_TRY_GOTO(rc, merge_at(mine->type, f->type, rule, arena, depth + 1, &m, err), done);
        changed |= m != mine->type;
        mine->type = m;
        if (!mine->comment.p)
            mine->comment = f->comment;
    }
    t->nfields = n;
    *out = changed ? t : a;
done:
    nk_map_free(&at);
    return rc;
}

static nk_code merge_decimals(const nk_type *a, const nk_type *b, nk_arena *arena,
                              const nk_type **out, nk_err *err)
{
    int ia = a->precision - a->scale, ib = b->precision - b->scale;
    int whole = ia > ib ? ia : ib;
    int scale = a->scale > b->scale ? a->scale : b->scale;
    if (whole + scale > 38) {
        *out = nk_type_scalar(NK_T_STRING);
        return NK_OK;
    }
    *out = nk_type_decimal(arena, whole + scale, scale);
    return *out ? NK_OK : no_memory(err);
}

/* Same kind on both sides; the same under either rule. */
static nk_code merge_same(const nk_type *a, const nk_type *b, nk_merge_rule rule, nk_arena *arena,
                          int depth, const nk_type **out, nk_err *err)
{
    const nk_type *k, *v;
    switch (a->kind) {
    case NK_T_DECIMAL:
        if (nk_type_eq(a, b)) {
            *out = a;
            return NK_OK;
        }
        return merge_decimals(a, b, arena, out, err);
    case NK_T_CHAR:
    case NK_T_VARCHAR:
        *out = a->length >= b->length ? a : b;
        return NK_OK;
    case NK_T_ARRAY:
        NK_TRY(merge_at(a->elem, b->elem, rule, arena, depth + 1, &v, err));
        *out = v == a->elem ? a : nk_type_array(arena, v);
        return *out ? NK_OK : no_memory(err);
    case NK_T_MAP:
        NK_TRY(merge_at(a->key, b->key, rule, arena, depth + 1, &k, err));
        NK_TRY(merge_at(a->elem, b->elem, rule, arena, depth + 1, &v, err));
        *out = k == a->key && v == a->elem ? a : nk_type_map(arena, k, v);
        return *out ? NK_OK : no_memory(err);
    case NK_T_STRUCT:
        return merge_structs(a, b, rule, arena, depth, out, err);
    default:
        *out = a;
        return NK_OK;
    }
}

/* Different kinds, crawler's rule: a type that holds both, else text. */
static nk_code widen(const nk_type *a, const nk_type *b, nk_arena *arena, const nk_type **out,
                     nk_err *err)
{
    nk_type_kind ka = a->kind, kb = b->kind;
    nk_type_kind to = NK_T_STRING;
    if (is_int(ka) && is_int(kb)) {
        to = ka > kb ? ka : kb;
    } else if (nk_kind_is_number(ka) && nk_kind_is_number(kb)) {
        const nk_type *dec = ka == NK_T_DECIMAL ? a : b, *other = dec == a ? b : a;
        if (dec->kind == NK_T_DECIMAL && is_int(other->kind)) {
            static const int digits[] = {3, 5, 10, 19};
            nk_type whole = {.kind = NK_T_DECIMAL, .precision = digits[other->kind - NK_T_BYTE]};
            return merge_decimals(dec, &whole, arena, out, err);
        }
        to = NK_T_DOUBLE;
    } else if ((ka == NK_T_DATE && kb == NK_T_TIMESTAMP) ||
               (kb == NK_T_DATE && ka == NK_T_TIMESTAMP)) {
        to = NK_T_TIMESTAMP;
    }
    *out = ka == to ? a : kb == to ? b : nk_type_scalar(to);
    return NK_OK;
}

/* Alternatives of a, with those of b merged into the one of the same kind or put behind. */
static nk_code join_choice(const nk_type *a, const nk_type *b, nk_arena *arena, int depth,
                           const nk_type **out, nk_err *err)
{
    const nk_type *alts[NK_T_CHOICE + 1];
    size_t n = 0;
    for (int side = 0; side < 2; side++) {
        const nk_type *t = side ? b : a;
        size_t count = t->kind == NK_T_CHOICE ? t->nfields : 1;
        for (size_t i = 0; i < count; i++) {
            const nk_type *alt = t->kind == NK_T_CHOICE ? t->fields[i].type : t;
            size_t j = 0;
            while (j < n && alts[j]->kind != alt->kind)
                j++;
            if (j == n)
                alts[n++] = alt;
            else
                NK_TRY(merge_at(alts[j], alt, NK_MERGE_CHOICE, arena, depth + 1, &alts[j], err));
        }
    }
    if (a->kind == NK_T_CHOICE && n == a->nfields) {
        bool same = true;
        for (size_t i = 0; i < n; i++)
            same &= alts[i] == a->fields[i].type;
        if (same) {
            *out = a;
            return NK_OK;
        }
    }
    *out = n == 1 ? alts[0] : nk_type_choice(arena, alts, n);
    return *out ? NK_OK : no_memory(err);
}

/* A choice seen by a crawler: what holds all its alternatives. */
static nk_code flatten(const nk_type *t, nk_arena *arena, int depth, const nk_type **out,
                       nk_err *err)
{
    *out = t;
    if (t->kind != NK_T_CHOICE)
        return NK_OK;
    *out = nk_type_scalar(NK_T_NULL);
    for (size_t i = 0; i < t->nfields; i++)
        NK_TRY(merge_at(*out, t->fields[i].type, NK_MERGE_CRAWL, arena, depth + 1, out, err));
    return NK_OK;
}

static nk_code merge_at(const nk_type *a, const nk_type *b, nk_merge_rule rule, nk_arena *arena,
                        int depth, const nk_type **out, nk_err *err)
{
    if (depth > TYPE_DEPTH_MAX)
        return nk_fail(err, NK_E_LIMIT, "The type is nested deeper than %d levels", TYPE_DEPTH_MAX);
    if (rule == NK_MERGE_CRAWL) {
        NK_TRY(flatten(a, arena, depth, &a, err));
        NK_TRY(flatten(b, arena, depth, &b, err));
    }
    if (a == b || b->kind == NK_T_NULL) {
        *out = a;
        return NK_OK;
    }
    if (a->kind == NK_T_NULL) {
        *out = b;
        return NK_OK;
    }
    if (a->kind == NK_T_CHOICE || b->kind == NK_T_CHOICE)
        return join_choice(a, b, arena, depth, out, err);
    if (a->kind == b->kind)
        return merge_same(a, b, rule, arena, depth, out, err);
    return rule == NK_MERGE_CRAWL ? widen(a, b, arena, out, err)
                                  : join_choice(a, b, arena, depth, out, err);
}

nk_code nk_type_merge(const nk_type *a, const nk_type *b, nk_merge_rule rule, nk_arena *arena,
                      const nk_type **out, nk_err *err)
{
    return merge_at(a, b, rule, arena, 0, out, err);
}
