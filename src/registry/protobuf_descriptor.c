/* Definitions as some clients send and want them: a FileDescriptorProto, on the wire form of
 * descriptor.proto. Read into .proto text, which is what is stored and judged; written from it. The
 * order of nested messages, map entries among them, is kept: clients number messages by it. */
#include <stdio.h>
#include <stdlib.h>

#include "registry/protobuf_int.h"

enum { DEPTH_MAX = 32, TEXT_MAX = 1 << 20, STEPS_MAX = 2000000 };

/* descriptor.proto's FieldDescriptorProto.Type of our kinds. */
static const unsigned char type_numbers[PB_SCALARS] = {
    [PB_DOUBLE] = 1,  [PB_FLOAT] = 2,     [PB_INT64] = 3,     [PB_UINT64] = 4,  [PB_INT32] = 5,
    [PB_FIXED64] = 6, [PB_FIXED32] = 7,   [PB_BOOL] = 8,      [PB_STRING] = 9,  [PB_BYTES] = 12,
    [PB_UINT32] = 13, [PB_SFIXED32] = 15, [PB_SFIXED64] = 16, [PB_SINT32] = 17, [PB_SINT64] = 18,
};
enum { TYPE_GROUP = 10, TYPE_MESSAGE = 11, TYPE_ENUM = 14 };

/* Options of descriptor.proto itself; others are extensions, which data does not depend on. */
typedef enum { ON_FILE, ON_MESSAGE, ON_FIELD, ON_ENUM, ON_VALUE, ON_SERVICE, ON_METHOD } owner;
static const struct known_option {
    owner on;
    unsigned number;
    const char *name;
    char kind;          /* s text, b bool, e enum */
    const char *values; /* of an enum, from 0 (or 1, after a blank) */
} known_options[] = {
    {ON_FILE, 1, "java_package", 's', NULL},
    {ON_FILE, 8, "java_outer_classname", 's', NULL},
    {ON_FILE, 9, "optimize_for", 'e', " SPEED CODE_SIZE LITE_RUNTIME"},
    {ON_FILE, 10, "java_multiple_files", 'b', NULL},
    {ON_FILE, 11, "go_package", 's', NULL},
    {ON_FILE, 16, "cc_generic_services", 'b', NULL},
    {ON_FILE, 17, "java_generic_services", 'b', NULL},
    {ON_FILE, 18, "py_generic_services", 'b', NULL},
    {ON_FILE, 20, "java_generate_equals_and_hash", 'b', NULL},
    {ON_FILE, 23, "deprecated", 'b', NULL},
    {ON_FILE, 27, "java_string_check_utf8", 'b', NULL},
    {ON_FILE, 31, "cc_enable_arenas", 'b', NULL},
    {ON_FILE, 36, "objc_class_prefix", 's', NULL},
    {ON_FILE, 37, "csharp_namespace", 's', NULL},
    {ON_FILE, 39, "swift_prefix", 's', NULL},
    {ON_FILE, 40, "php_class_prefix", 's', NULL},
    {ON_FILE, 41, "php_namespace", 's', NULL},
    {ON_FILE, 44, "php_metadata_namespace", 's', NULL},
    {ON_FILE, 45, "ruby_package", 's', NULL},
    {ON_MESSAGE, 1, "message_set_wire_format", 'b', NULL},
    {ON_MESSAGE, 2, "no_standard_descriptor_accessor", 'b', NULL},
    {ON_MESSAGE, 3, "deprecated", 'b', NULL},
    {ON_FIELD, 1, "ctype", 'e', "STRING CORD STRING_PIECE"},
    {ON_FIELD, 2, "packed", 'b', NULL},
    {ON_FIELD, 3, "deprecated", 'b', NULL},
    {ON_FIELD, 5, "lazy", 'b', NULL},
    {ON_FIELD, 6, "jstype", 'e', "JS_NORMAL JS_STRING JS_NUMBER"},
    {ON_FIELD, 10, "weak", 'b', NULL},
    {ON_ENUM, 2, "allow_alias", 'b', NULL},
    {ON_ENUM, 3, "deprecated", 'b', NULL},
    {ON_VALUE, 1, "deprecated", 'b', NULL},
    {ON_SERVICE, 33, "deprecated", 'b', NULL},
    {ON_METHOD, 33, "deprecated", 'b', NULL},
    {ON_METHOD, 34, "idempotency_level", 'e', "IDEMPOTENCY_UNKNOWN NO_SIDE_EFFECTS IDEMPOTENT"},
};
enum { MESSAGE_MAP_ENTRY = 7 };

/* ---- reading the wire ---- */

typedef struct wire {
    const char *p, *end;
    bool broken;
    unsigned number;
    uint64_t value; /* varint */
    nk_str bytes;   /* length-delimited */
} wire;

static uint64_t varint(wire *w)
{
    uint64_t v = 0;
    for (unsigned shift = 0; w->p < w->end && shift < 64; shift += 7) {
        unsigned char c = (unsigned char)*w->p++;
        v |= (uint64_t)(c & 127) << shift;
        if (c < 128)
            return v;
    }
    w->broken = true;
    return 0;
}

/* The next field; false at the end or where it is broken. */
static bool next(wire *w)
{
    if (w->p >= w->end || w->broken)
        return false;
    uint64_t key = varint(w), n;
    w->number = (unsigned)(key >> 3);
    w->value = 0;
    w->bytes = NK_STR_NULL;
    switch (key & 7) {
    case 0:
        w->value = varint(w);
        break;
    case 2:
        n = varint(w);
        if (w->broken || n > (size_t)(w->end - w->p)) {
            w->broken = true;
            break;
        }
        w->bytes = nk_str_n(w->p, (size_t)n);
        w->p += n;
        break;
    case 1:
    case 5:
        n = (key & 7) == 1 ? 8 : 4;
        if (n > (size_t)(w->end - w->p))
            w->broken = true;
        else
            w->p += n;
        break;
    default:
        w->broken = true;
    }
    return !w->broken;
}

static wire over(nk_str s)
{
    const char *p = s.p ? s.p : "";
    return (wire){.p = p, .end = p + s.n};
}

static nk_str bytes_of(nk_str message, unsigned number)
{
    nk_str out = NK_STR_NULL;
    for (wire w = over(message); next(&w);)
        if (w.number == number && w.bytes.p)
            out = w.bytes;
    return out;
}

static uint64_t number_of(nk_str message, unsigned number, uint64_t otherwise)
{
    for (wire w = over(message); next(&w);)
        if (w.number == number && !w.bytes.p)
            otherwise = w.value;
    return otherwise;
}

/* ---- descriptor to text ---- */

typedef struct printer {
    nk_buf b;
    bool proto3;
    size_t steps; /* fields are looked for by walking */
    nk_err *err;
} printer;

static nk_code bad(printer *p, const char *what)
{
    return nk_fail(p->err, NK_E_INVALID, "the serialized definition %s", what);
}

static void quoted(nk_buf *b, nk_str s, bool escaped)
{
    nk_buf_putc(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || (c == '\\' && !escaped))
            nk_buf_printf(b, "\\%c", c);
        else if (c < ' ' || c == 127)
            nk_buf_printf(b, "\\%03o", c);
        else
            nk_buf_putc(b, (char)c);
    }
    nk_buf_putc(b, '"');
}

static void option_value(nk_buf *b, const struct known_option *o, const wire *w)
{
    nk_str list = nk_str_c(o->values ? o->values : ""), word;
    if (o->kind == 's') {
        quoted(b, w->bytes.p ? w->bytes : NK_STR(""), false);
    } else if (o->kind == 'b') {
        nk_buf_puts(b, w->value ? "true" : "false");
    } else {
        for (uint64_t i = 0; nk_str_split(&list, ' ', &word); i++)
            if (i == w->value)
                nk_buf_str(b, word);
    }
}

/* Each option as "BEFORE name = value AFTER". */
static nk_code put_options(printer *p, nk_str options, owner on, const char *before,
                           const char *after, bool *any)
{
    for (wire w = over(options); next(&w);) {
        const struct known_option *o = NULL;
        if (on == ON_MESSAGE && w.number == MESSAGE_MAP_ENTRY)
            continue;
        for (size_t i = 0; i < NK_COUNTOF(known_options); i++)
            if (known_options[i].on == on && known_options[i].number == w.number)
                o = &known_options[i];
        if (!o)
            return bad(p, "carries options that are not known here: register it as .proto text");
        nk_buf_puts(&p->b, any && *any ? ", " : before);
        nk_buf_printf(&p->b, "%s = ", o->name);
        option_value(&p->b, o, &w);
        nk_buf_puts(&p->b, after);
        if (any)
            *any = true;
    }
    return NK_OK;
}

static nk_code put_type_name(printer *p, nk_str field)
{
    uint64_t type = number_of(field, 5, 0);
    if (type == TYPE_MESSAGE || type == TYPE_ENUM)
        return nk_buf_str(&p->b, bytes_of(field, 6));
    for (size_t i = 0; i < PB_SCALARS; i++)
        if (type_numbers[i] == type)
            return nk_buf_puts(&p->b, pb_scalar_names[i]);
    return bad(p, type == TYPE_GROUP ? "has a group: register it as .proto text"
                                     : "has a field of an unknown type");
}

/* lower camel case, as protoc makes it */
static void json_name(nk_str name, nk_buf *out)
{
    bool up = false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (c == '_') {
            up = true;
            continue;
        }
        nk_buf_putc(out, up && c >= 'a' && c <= 'z' ? (char)(c - 32) : c);
        up = false;
    }
}

static nk_code put_field_options(printer *p, nk_str field)
{
    nk_str value = bytes_of(field, 7), json = bytes_of(field, 10);
    uint64_t type = number_of(field, 5, 0);
    bool any = false;
    nk_buf usual;
    if (value.p) {
        nk_buf_puts(&p->b, " [default = ");
        if (type == 9 || type == 12)
            quoted(&p->b, value, type == 12);
        else
            nk_buf_str(&p->b, value);
        any = true;
    }
    nk_buf_init(&usual, 4096);
    json_name(bytes_of(field, 1), &usual);
    if (json.p && !nk_str_eq(json, nk_buf_view(&usual))) {
        nk_buf_puts(&p->b, any ? ", json_name = " : " [json_name = ");
        quoted(&p->b, json, false);
        any = true;
    }
    nk_buf_free(&usual);
    NK_TRY(put_options(p, bytes_of(field, 8), ON_FIELD, " [", "", &any));
    return nk_buf_puts(&p->b, any ? "];\n" : ";\n");
}

/* The map entry among the nested messages that a field is of; its place, or -1. */
static int entry_of(printer *p, nk_str message, nk_str field, nk_str *entry)
{
    nk_str type = bytes_of(field, 6);
    int i = 0;
    ptrdiff_t dot = type.p ? nk_str_rchr(type, '.') : -1;
    if (number_of(field, 5, 0) != TYPE_MESSAGE || number_of(field, 4, 0) != 3)
        return -1;
    for (wire w = over(message); next(&w);) {
        if (++p->steps > STEPS_MAX) {
            p->b.failed = true;
            p->b.why = NK_E_LIMIT;
            return -1;
        }
        if (w.number != 3)
            continue;
        bool map = number_of(bytes_of(w.bytes, 7), MESSAGE_MAP_ENTRY, 0) != 0;
        if (map && nk_str_eq(bytes_of(w.bytes, 1), nk_str_sub(type, (size_t)(dot + 1), type.n))) {
            *entry = w.bytes;
            return i;
        }
        i++;
    }
    return -1;
}

static nk_code put_field(printer *p, nk_str message, nk_str field, bool in_oneof)
{
    nk_str entry, part;
    if (entry_of(p, message, field, &entry) >= 0) {
        nk_buf_puts(&p->b, "map<");
        for (unsigned n = 1; n <= 2; n++) {
            part = NK_STR_NULL;
            for (wire w = over(entry); next(&w);)
                if (w.number == 2 && number_of(w.bytes, 3, 0) == n)
                    part = w.bytes;
            NK_TRY(put_type_name(p, part));
            nk_buf_puts(&p->b, n == 1 ? ", " : "> ");
        }
    } else {
        uint64_t label = number_of(field, 4, 1);
        if (label == 3)
            nk_buf_puts(&p->b, "repeated ");
        else if (label == 2)
            nk_buf_puts(&p->b, "required ");
        else if (!in_oneof && (!p->proto3 || number_of(field, 17, 0)))
            nk_buf_puts(&p->b, "optional ");
        NK_TRY(put_type_name(p, field));
        nk_buf_putc(&p->b, ' ');
    }
    nk_buf_printf(&p->b, "%.*s = %lld", NK_STR_ARG(bytes_of(field, 1)),
                  (long long)(int32_t)number_of(field, 3, 0));
    return put_field_options(p, field);
}

static nk_code put_enum(printer *p, nk_str e)
{
    nk_buf_printf(&p->b, "enum %.*s {\n", NK_STR_ARG(bytes_of(e, 1)));
    NK_TRY(put_options(p, bytes_of(e, 3), ON_ENUM, "option ", ";\n", NULL));
    for (wire w = over(e); next(&w);) {
        bool any = false;
        if (w.number == 2) {
            nk_buf_printf(&p->b, "%.*s = %lld", NK_STR_ARG(bytes_of(w.bytes, 1)),
                          (long long)(int32_t)number_of(w.bytes, 2, 0));
            NK_TRY(put_options(p, bytes_of(w.bytes, 3), ON_VALUE, " [", "", &any));
            nk_buf_puts(&p->b, any ? "];\n" : ";\n");
        } else if (w.number == 4) { /* both ends included */
            nk_buf_printf(&p->b, "reserved %lld to %lld;\n",
                          (long long)(int32_t)number_of(w.bytes, 1, 0),
                          (long long)(int32_t)number_of(w.bytes, 2, 0));
        } else if (w.number == 5) {
            nk_buf_puts(&p->b, "reserved ");
            quoted(&p->b, w.bytes, false);
            nk_buf_puts(&p->b, ";\n");
        }
    }
    return nk_buf_puts(&p->b, "}\n");
}

static nk_code put_message(printer *p, nk_str m, int depth) NK_MUST;

/* Nested messages from *from up to the place `to`; map entries stand at their fields. */
static nk_code put_nested(printer *p, nk_str m, int *from, int to, int depth)
{
    int i = 0;
    for (wire w = over(m); next(&w);) {
        if (w.number != 3)
            continue;
        if (i >= *from && i < to && !number_of(bytes_of(w.bytes, 7), MESSAGE_MAP_ENTRY, 0))
            NK_TRY(put_message(p, w.bytes, depth + 1));
        i++;
    }
    if (to > *from)
        *from = to;
    return NK_OK;
}

static nk_code put_oneof(printer *p, nk_str m, uint64_t index)
{
    nk_str decl = NK_STR_NULL;
    uint64_t i = 0;
    for (wire w = over(m); next(&w);)
        if (w.number == 8 && i++ == index)
            decl = w.bytes;
    nk_buf_printf(&p->b, "oneof %.*s {\n", NK_STR_ARG(bytes_of(decl, 1)));
    for (wire w = over(m); next(&w);)
        if (++p->steps < STEPS_MAX && w.number == 2 && number_of(w.bytes, 9, UINT64_MAX) == index)
            NK_TRY(put_field(p, m, w.bytes, true));
    return nk_buf_puts(&p->b, "}\n");
}

static nk_code put_fields(printer *p, nk_str m, int *nested, int depth)
{
    bool *written = nk_calloc(m.n + 1, sizeof(bool)); /* oneofs */
    nk_code rc = written ? NK_OK : nk_fail(p->err, NK_E_NOMEM, "out of memory");
    for (wire w = over(m); rc == NK_OK && next(&w);) {
        nk_str entry;
        if (w.number != 2)
            continue;
        uint64_t oneof = number_of(w.bytes, 9, UINT64_MAX);
        if (oneof != UINT64_MAX && !number_of(w.bytes, 17, 0)) {
            if (oneof < m.n && !written[oneof]) {
                written[oneof] = true;
                rc = put_oneof(p, m, oneof);
            }
            continue;
        }
        int at = entry_of(p, m, w.bytes, &entry);
        if (at >= 0)
            rc = put_nested(p, m, nested, at, depth);
        if (rc == NK_OK)
            rc = put_field(p, m, w.bytes, false);
    }
    nk_free(written);
    return rc;
}

static nk_code put_extensions(printer *p, nk_str owner_, unsigned number)
{
    for (wire w = over(owner_); next(&w);) {
        if (w.number != number)
            continue;
        nk_buf_printf(&p->b, "extend %.*s {\n", NK_STR_ARG(bytes_of(w.bytes, 2)));
        NK_TRY(put_field(p, NK_STR(""), w.bytes, false));
        nk_buf_puts(&p->b, "}\n");
    }
    return NK_OK;
}

static nk_code put_message(printer *p, nk_str m, int depth)
{
    int nested = 0;
    if (depth > DEPTH_MAX || p->b.failed)
        return bad(p, "nests too deep or is too large");
    nk_buf_printf(&p->b, "message %.*s {\n", NK_STR_ARG(bytes_of(m, 1)));
    NK_TRY(put_options(p, bytes_of(m, 7), ON_MESSAGE, "option ", ";\n", NULL));
    for (wire w = over(m); next(&w);) {
        if (w.number == 9 || w.number == 5) { /* the end is not included */
            nk_buf_printf(&p->b, "%s %lld to %lld;\n", w.number == 9 ? "reserved" : "extensions",
                          (long long)number_of(w.bytes, 1, 0),
                          (long long)number_of(w.bytes, 2, 1) - 1);
        } else if (w.number == 10) {
            nk_buf_puts(&p->b, "reserved ");
            quoted(&p->b, w.bytes, false);
            nk_buf_puts(&p->b, ";\n");
        }
    }
    NK_TRY(put_fields(p, m, &nested, depth));
    NK_TRY(put_nested(p, m, &nested, INT32_MAX, depth));
    for (wire w = over(m); next(&w);)
        if (w.number == 4)
            NK_TRY(put_enum(p, w.bytes));
    NK_TRY(put_extensions(p, m, 6));
    return nk_buf_puts(&p->b, "}\n");
}

static nk_code put_service(printer *p, nk_str s)
{
    nk_buf_printf(&p->b, "service %.*s {\n", NK_STR_ARG(bytes_of(s, 1)));
    NK_TRY(put_options(p, bytes_of(s, 3), ON_SERVICE, "option ", ";\n", NULL));
    for (wire w = over(s); next(&w);) {
        if (w.number != 2)
            continue;
        nk_buf_printf(&p->b, "rpc %.*s (%s%.*s) returns (%s%.*s) {\n",
                      NK_STR_ARG(bytes_of(w.bytes, 1)), number_of(w.bytes, 5, 0) ? "stream " : "",
                      NK_STR_ARG(bytes_of(w.bytes, 2)), number_of(w.bytes, 6, 0) ? "stream " : "",
                      NK_STR_ARG(bytes_of(w.bytes, 3)));
        NK_TRY(put_options(p, bytes_of(w.bytes, 4), ON_METHOD, "option ", ";\n", NULL));
        nk_buf_puts(&p->b, "}\n");
    }
    return nk_buf_puts(&p->b, "}\n");
}

/* Is import number i among those listed under `number` (public, weak)? */
static bool listed(nk_str file, unsigned number, uint64_t i)
{
    for (wire w = over(file); next(&w);)
        if (w.number == number && !w.bytes.p && w.value == i)
            return true;
    return false;
}

static nk_code put_file(printer *p, nk_str file)
{
    nk_str syntax = bytes_of(file, 12), package = bytes_of(file, 2);
    uint64_t import = 0;
    p->proto3 = nk_str_is(syntax, "proto3");
    if (syntax.p && !p->proto3 && !nk_str_is(syntax, "proto2"))
        return bad(p, "has an unknown syntax");
    nk_buf_printf(&p->b, "syntax = \"%s\";\n", p->proto3 ? "proto3" : "proto2");
    if (package.n)
        nk_buf_printf(&p->b, "package %.*s;\n", NK_STR_ARG(package));
    for (wire w = over(file); next(&w);) {
        if (w.number != 3)
            continue;
        nk_buf_printf(&p->b, "import %s",
                      listed(file, 10, import)   ? "public "
                      : listed(file, 11, import) ? "weak "
                                                 : "");
        import++;
        quoted(&p->b, w.bytes, false);
        nk_buf_puts(&p->b, ";\n");
    }
    NK_TRY(put_options(p, bytes_of(file, 8), ON_FILE, "option ", ";\n", NULL));
    for (wire w = over(file); next(&w);) {
        if (w.number == 4)
            NK_TRY(put_message(p, w.bytes, 0));
        else if (w.number == 5)
            NK_TRY(put_enum(p, w.bytes));
        else if (w.number == 6)
            NK_TRY(put_service(p, w.bytes));
    }
    return put_extensions(p, file, 7);
}

/* Whether all of it can be walked: bytes_of and its like stop at what is broken. */
static bool whole(nk_str file)
{
    wire w = over(file);
    while (next(&w))
        ;
    return !w.broken && bytes_of(file, 1).p;
}

nk_code nk_protobuf_text_of(nk_str descriptor, nk_arena *a, nk_str *text, nk_err *err)
{
    printer p = {.err = err};
    nk_buf_init(&p.b, TEXT_MAX);
    nk_code rc =
        whole(descriptor) ? put_file(&p, descriptor) : bad(&p, "is no FileDescriptorProto");
    if (rc == NK_OK || rc == NK_E_LIMIT)
        rc = nk_buf_check(&p.b, NULL) == NK_OK ? NK_OK : bad(&p, "is too large");
    if (rc == NK_OK) {
        *text = nk_buf_dup(&p.b, a);
        rc = text->p ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
    }
    nk_buf_free(&p.b);
    return rc;
}

/* ---- text to descriptor ---- */

static void put_varint(nk_buf *b, uint64_t v)
{
    for (; v > 127; v >>= 7)
        nk_buf_putc(b, (char)(v | 128));
    nk_buf_putc(b, (char)v);
}

static void put_number(nk_buf *b, unsigned number, int64_t v)
{
    put_varint(b, number << 3);
    put_varint(b, (uint64_t)v);
}

static void put_bytes(nk_buf *b, unsigned number, nk_str s)
{
    put_varint(b, number << 3 | 2);
    put_varint(b, s.n);
    nk_buf_str(b, s);
}

/* A message of its own: begun, written into, then put with its length. */
static nk_buf *begin(nk_buf *inner)
{
    nk_buf_init(inner, TEXT_MAX);
    return inner;
}

static void end(nk_buf *b, unsigned number, nk_buf *inner)
{
    if (inner->failed) {
        b->failed = true;
        b->why = inner->why;
    }
    put_bytes(b, number, nk_buf_view(inner));
    nk_buf_free(inner);
}

/* What stands between the quotes. */
static nk_str unquoted(nk_buf *out, nk_str s)
{
    if (s.n < 2 || s.p[0] != '"')
        return s;
    for (size_t i = 1; i + 1 < s.n; i++) {
        char c = s.p[i];
        if (c == '\\' && i + 3 < s.n && s.p[i + 1] >= '0' && s.p[i + 1] <= '3') {
            c = (char)((s.p[i + 1] - '0') << 6 | (s.p[i + 2] - '0') << 3 | (s.p[i + 3] - '0'));
            i += 3;
        } else if (c == '\\' && i + 2 < s.n) {
            c = s.p[++i];
        }
        nk_buf_putc(out, c);
    }
    return nk_buf_view(out);
}

static void put_option(nk_buf *b, const struct known_option *k, nk_str value)
{
    nk_str list = nk_str_c(k->values ? k->values : ""), word;
    nk_buf plain;
    nk_buf_init(&plain, TEXT_MAX);
    if (k->kind == 's') {
        put_bytes(b, k->number, unquoted(&plain, value));
    } else if (k->kind == 'b') {
        put_number(b, k->number, nk_str_is(value, "true"));
    } else {
        for (int i = 0; nk_str_split(&list, ' ', &word); i++)
            if (nk_str_eq(word, value))
                put_number(b, k->number, i);
    }
    nk_buf_free(&plain);
}

static void put_known(nk_buf *b, unsigned number, const pb_options *o, owner on)
{
    nk_buf inner;
    begin(&inner);
    for (size_t i = 0; i < o->n; i++)
        for (size_t k = 0; k < NK_COUNTOF(known_options); k++)
            if (known_options[k].on == on && nk_str_is(o->v[i].name, known_options[k].name))
                put_option(&inner, &known_options[k], o->v[i].value);
    if (inner.n || inner.failed)
        end(b, number, &inner);
    else
        nk_buf_free(&inner);
}

static void put_type_ref(nk_buf *b, pb_kind kind, const pb_type *type)
{
    char name[1024];
    if (kind < PB_SCALARS) {
        put_number(b, 5, type_numbers[kind]);
        return;
    }
    put_number(b, 5, kind == PB_ENUM ? TYPE_ENUM : kind == PB_GROUP ? TYPE_GROUP : TYPE_MESSAGE);
    int n = snprintf(name, sizeof name, ".%.*s", type ? (int)type->full.n : 0,
                     type ? type->full.p : "");
    put_bytes(b, 6, nk_str_n(name, n < (int)sizeof name ? (size_t)n : sizeof name - 1));
}

static void entry_name(nk_str field, nk_buf *out)
{
    bool up = true;
    for (size_t i = 0; i < field.n; i++) {
        char c = field.p[i];
        if (c == '_') {
            up = true;
            continue;
        }
        nk_buf_putc(out, up && c >= 'a' && c <= 'z' ? (char)(c - 32) : c);
        up = false;
    }
    nk_buf_puts(out, "Entry");
}

static void write_default(nk_buf *b, const pb_field *f)
{
    const pb_option *d = pb_find_option(&f->options, "default");
    nk_buf plain;
    if (!d)
        return;
    nk_buf_init(&plain, TEXT_MAX);
    if (f->kind == PB_BYTES && d->value.n >= 2) /* stays escaped */
        put_bytes(b, 7, nk_str_sub(d->value, 1, d->value.n - 1));
    else
        put_bytes(b, 7, unquoted(&plain, d->value));
    nk_buf_free(&plain);
}

static void write_field(nk_buf *b, unsigned number, const pb_field *f, const pb_type *owner_,
                        nk_str extendee, int oneof, bool optional3)
{
    nk_buf inner, name;
    begin(&inner);
    put_bytes(&inner, 1, f->name);
    if (extendee.p)
        put_bytes(&inner, 2, extendee);
    put_number(&inner, 3, f->number);
    put_number(&inner, 4, f->map || f->label == PB_REPEATED ? 3 : f->label == PB_REQUIRED ? 2 : 1);
    nk_buf_init(&name, 4096);
    if (f->map) {
        put_number(&inner, 5, TYPE_MESSAGE);
        nk_buf_printf(&name, ".%.*s.", NK_STR_ARG(owner_->full));
        entry_name(f->name, &name);
        put_bytes(&inner, 6, nk_buf_view(&name));
    } else {
        put_type_ref(&inner, f->kind, f->type);
    }
    write_default(&inner, f);
    put_known(&inner, 8, &f->options, ON_FIELD);
    if (oneof >= 0)
        put_number(&inner, 9, oneof);
    nk_buf_clear(&name);
    const pb_option *json = pb_find_option(&f->options, "json_name");
    if (json)
        put_bytes(&inner, 10, unquoted(&name, json->value));
    nk_buf_free(&name);
    if (optional3)
        put_number(&inner, 17, 1);
    end(b, number, &inner);
}

static void write_entry(nk_buf *b, const pb_field *f)
{
    nk_buf inner, part, name, options;
    begin(&inner);
    nk_buf_init(&name, 4096);
    entry_name(f->name, &name);
    put_bytes(&inner, 1, nk_buf_view(&name));
    nk_buf_free(&name);
    for (int i = 1; i <= 2; i++) {
        begin(&part);
        put_bytes(&part, 1, i == 1 ? NK_STR("key") : NK_STR("value"));
        put_number(&part, 3, i);
        put_number(&part, 4, 1);
        put_type_ref(&part, i == 1 ? f->key : f->kind, i == 1 ? NULL : f->type);
        end(&inner, 2, &part);
    }
    begin(&options);
    put_number(&options, MESSAGE_MAP_ENTRY, 1);
    end(&inner, 7, &options);
    end(b, 3, &inner);
}

static void write_ranges(nk_buf *b, unsigned number, const pb_ranges *r, int past)
{
    for (size_t i = 0; i < r->n; i++) {
        nk_buf inner;
        begin(&inner);
        put_number(&inner, 1, r->v[i].from);
        put_number(&inner, 2, r->v[i].to + past);
        end(b, number, &inner);
    }
}

static void write_enum(nk_buf *b, unsigned number, const pb_type *t)
{
    nk_buf inner, value;
    begin(&inner);
    put_bytes(&inner, 1, t->name);
    for (size_t i = 0; i < t->values.n; i++) {
        begin(&value);
        put_bytes(&value, 1, t->values.v[i].name);
        put_number(&value, 2, t->values.v[i].number);
        put_known(&value, 3, &t->values.v[i].options, ON_VALUE);
        end(&inner, 2, &value);
    }
    put_known(&inner, 3, &t->options, ON_ENUM);
    write_ranges(&inner, 4, &t->reserved, 0);
    for (size_t i = 0; i < t->reserved_names.n; i++)
        put_bytes(&inner, 5, t->reserved_names.v[i]);
    end(b, number, &inner);
}

static bool before(pb_place a, pb_place b)
{
    return a.line < b.line || (a.line == b.line && a.column < b.column);
}

static void write_message(nk_buf *b, unsigned number, const pb_type *t);

/* Nested messages and map entries, in the order of the text. */
static void write_nested(nk_buf *b, const pb_type *t)
{
    size_t m = 0;
    for (size_t i = 0; i <= t->fields.n; i++) {
        const pb_field *f = i < t->fields.n ? &t->fields.v[i] : NULL;
        if (f && !f->map)
            continue;
        for (; m < t->types.n && (!f || before(t->types.v[m]->at, f->at)); m++)
            if (!t->types.v[m]->is_enum)
                write_message(b, 3, t->types.v[m]);
        if (f)
            write_entry(b, f);
    }
}

static void write_fields(nk_buf *b, const pb_type *t)
{
    int synthetic = (int)t->oneofs.n;
    bool proto3 = t->file && t->file->proto3;
    for (size_t i = 0; i < t->fields.n; i++) {
        const pb_field *f = &t->fields.v[i];
        bool optional3 = proto3 && f->label == PB_OPTIONAL && f->oneof < 0;
        write_field(b, 2, f, t, NK_STR_NULL, optional3 ? synthetic++ : f->oneof, optional3);
    }
    for (size_t i = 0; i < t->oneofs.n; i++) {
        nk_buf inner;
        begin(&inner);
        put_bytes(&inner, 1, t->oneofs.v[i].name);
        end(b, 8, &inner);
    }
    for (size_t i = 0; i < t->fields.n; i++) {
        const pb_field *f = &t->fields.v[i];
        nk_buf inner, name;
        if (!proto3 || f->label != PB_OPTIONAL || f->oneof >= 0)
            continue;
        begin(&inner);
        nk_buf_init(&name, 4096);
        nk_buf_printf(&name, "_%.*s", NK_STR_ARG(f->name));
        put_bytes(&inner, 1, nk_buf_view(&name));
        nk_buf_free(&name);
        end(b, 8, &inner);
    }
}

static void write_extends(nk_buf *b, unsigned number, const pb_extends *list)
{
    for (size_t i = 0; i < list->n; i++) {
        nk_buf name;
        nk_buf_init(&name, 4096);
        nk_buf_printf(&name, ".%.*s",
                      NK_STR_ARG(list->v[i].type ? list->v[i].type->full : list->v[i].type_name));
        for (size_t k = 0; k < list->v[i].fields.n; k++)
            write_field(b, number, &list->v[i].fields.v[k], list->v[i].type, nk_buf_view(&name), -1,
                        false);
        nk_buf_free(&name);
    }
}

static void write_message(nk_buf *b, unsigned number, const pb_type *t)
{
    nk_buf inner;
    begin(&inner);
    put_bytes(&inner, 1, t->name);
    write_fields(&inner, t);
    write_nested(&inner, t);
    for (size_t i = 0; i < t->types.n; i++)
        if (t->types.v[i]->is_enum)
            write_enum(&inner, 4, t->types.v[i]);
    write_ranges(&inner, 5, &t->extensions, 1);
    write_extends(&inner, 6, &t->extends);
    put_known(&inner, 7, &t->options, ON_MESSAGE);
    write_ranges(&inner, 9, &t->reserved, 1);
    for (size_t i = 0; i < t->reserved_names.n; i++)
        put_bytes(&inner, 10, t->reserved_names.v[i]);
    end(b, number, &inner);
}

static void write_service(nk_buf *b, const pb_service *s)
{
    nk_buf inner, method;
    begin(&inner);
    put_bytes(&inner, 1, s->name);
    for (size_t i = 0; i < s->methods.n; i++) {
        const pb_method *m = &s->methods.v[i];
        begin(&method);
        put_bytes(&method, 1, m->name);
        put_bytes(&method, 2, m->input);
        put_bytes(&method, 3, m->output);
        put_known(&method, 4, &m->options, ON_METHOD);
        if (m->input_stream)
            put_number(&method, 5, 1);
        if (m->output_stream)
            put_number(&method, 6, 1);
        end(&inner, 2, &method);
    }
    put_known(&inner, 3, &s->options, ON_SERVICE);
    end(b, 6, &inner);
}

nk_code nk_protobuf_descriptor(const nk_protobuf *s, nk_str name, nk_buf *out, nk_err *err)
{
    const pb_file *f = s->root;
    put_bytes(out, 1, name);
    if (f->package.n)
        put_bytes(out, 2, f->package);
    for (size_t i = 0; i < f->imports.n; i++)
        put_bytes(out, 3, f->imports.v[i].path);
    for (size_t i = 0; i < f->types.n; i++)
        if (!f->types.v[i]->is_enum)
            write_message(out, 4, f->types.v[i]);
    for (size_t i = 0; i < f->types.n; i++)
        if (f->types.v[i]->is_enum)
            write_enum(out, 5, f->types.v[i]);
    for (size_t i = 0; i < f->services.n; i++)
        write_service(out, &f->services.v[i]);
    write_extends(out, 7, &f->extends);
    put_known(out, 8, &f->options, ON_FILE);
    for (size_t i = 0; i < f->imports.n; i++)
        if (nk_str_is(f->imports.v[i].how, "public") || nk_str_is(f->imports.v[i].how, "weak"))
            put_number(out, f->imports.v[i].how.p[0] == 'p' ? 10 : 11, (int64_t)i);
    if (f->proto3)
        put_bytes(out, 12, NK_STR("proto3"));
    return nk_buf_check(out, err);
}
