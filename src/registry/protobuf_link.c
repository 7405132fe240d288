/* What a file's names mean: symbols, scopes, types, and the rules that protoc holds to. */
#include <stdio.h>
#include <stdlib.h>

#include "registry/protobuf_int.h"

/* -- symbols -------------------------------------------------------------------------------- */

static nk_str join(pb_parser *p, nk_str scope, nk_str name)
{
    return scope.n ? nk_str_printf(p->a, "%.*s.%.*s", NK_STR_ARG(scope), NK_STR_ARG(name)) : name;
}

static nk_code define(pb_parser *p, nk_str full, pb_symbol_kind kind, pb_type *type, pb_place at)
{
    pb_symbol *old = nk_map_get(&p->s->symbols, full);
    if (!full.p)
        return pb_no_memory(p);
    if (old && (old->kind != PB_SYM_PACKAGE || kind != PB_SYM_PACKAGE))
        return pb_bad(p, at, "'%.*s' is already defined%s%.*s", NK_STR_ARG(full),
                      old->file && old->file->path.n ? " in " : "",
                      old->file ? (int)old->file->path.n : 0, old->file ? old->file->path.p : "");
    if (old)
        return NK_OK;
    pb_symbol *s = NK_NEW(p->a, pb_symbol);
    if (!s)
        return pb_no_memory(p);
    *s = (pb_symbol){kind, type, kind == PB_SYM_PACKAGE ? NULL : p->file};
    return nk_map_put(&p->s->symbols, full, s, NULL) == NK_OK ? NK_OK : pb_no_memory(p);
}

static nk_code define_fields(pb_parser *p, nk_str scope, const pb_fields *fields)
{
    for (size_t i = 0; i < fields->n; i++)
        NK_TRY(define(p, join(p, scope, fields->v[i].name), PB_SYM_OTHER, NULL, fields->v[i].at));
    return NK_OK;
}

static nk_code define_extends(pb_parser *p, nk_str scope, const pb_extends *x)
{
    for (size_t i = 0; i < x->n; i++)
        NK_TRY(define_fields(p, scope, &x->v[i].fields));
    return NK_OK;
}

static nk_code define_type(pb_parser *p, nk_str scope, pb_type *t)
{
    t->full = join(p, scope, t->name);
    NK_TRY(define(p, t->full, t->is_enum ? PB_SYM_ENUM : PB_SYM_MESSAGE, t, t->at));
    /* an enum's values stand beside it, as in C++ */
    for (size_t i = 0; i < t->values.n; i++)
        NK_TRY(
            define(p, join(p, scope, t->values.v[i].name), PB_SYM_OTHER, NULL, t->values.v[i].at));
    for (size_t i = 0; i < t->types.n; i++)
        NK_TRY(define_type(p, t->full, t->types.v[i]));
    for (size_t i = 0; i < t->oneofs.n; i++)
        NK_TRY(define(p, join(p, t->full, t->oneofs.v[i].name), PB_SYM_OTHER, NULL,
                      t->oneofs.v[i].at));
    NK_TRY(define_extends(p, t->full, &t->extends));
    return define_fields(p, t->full, &t->fields);
}

static nk_code define_file(pb_parser *p, pb_file *f)
{
    for (size_t i = 0; i <= f->package.n; i++) {
        if (f->package.n && (i == f->package.n || f->package.p[i] == '.'))
            NK_TRY(define(p, nk_str_sub(f->package, 0, i), PB_SYM_PACKAGE, NULL, (pb_place){1, 1}));
    }
    for (size_t i = 0; i < f->types.n; i++)
        NK_TRY(define_type(p, f->package, f->types.v[i]));
    NK_TRY(define_extends(p, f->package, &f->extends));
    for (size_t i = 0; i < f->services.n; i++)
        NK_TRY(define(p, join(p, f->package, f->services.v[i].name), PB_SYM_OTHER, NULL,
                      f->services.v[i].at));
    return NK_OK;
}

/* May the file being linked use what `from` defines? Its own, its imports', and what those import
 * publicly. */
static bool visible(const pb_file *user, const pb_file *from, int depth)
{
    if (user == from)
        return true;
    for (size_t i = 0; i < user->imports.n && depth < 60; i++) {
        const pb_import *x = &user->imports.v[i];
        if (depth == 0 || nk_str_is(x->how, "public")) {
            if (x->file == from || visible(x->file, from, depth + 1))
                return true;
        }
    }
    return false;
}

static pb_symbol *seen_symbol(pb_parser *p, nk_str full)
{
    pb_symbol *s = nk_map_get(&p->s->symbols, full);
    return s && (!s->file || visible(p->file, s->file, 0)) ? s : NULL;
}

/* protoc's rule: the innermost scope that knows the first part decides. */
static nk_code resolve(pb_parser *p, nk_str scope, nk_str name, pb_place at, const char *what,
                       pb_type **out)
{
    pb_symbol *s = NULL;
    if (name.p[0] == '.') {
        s = seen_symbol(p, nk_str_sub(name, 1, name.n));
    } else {
        ptrdiff_t dot = nk_str_chr(name, '.');
        nk_str first = dot < 0 ? name : nk_str_sub(name, 0, (size_t)dot);
        for (;;) {
            nk_str full = join(p, scope, first);
            pb_symbol *f = full.p ? seen_symbol(p, full) : NULL;
            if (!full.p)
                return pb_no_memory(p);
            if (f && dot >= 0 && f->kind != PB_SYM_OTHER) {
                nk_str whole = join(p, scope, name);
                s = whole.p ? seen_symbol(p, whole) : NULL;
                break;
            } else if (f && dot < 0 && (f->kind == PB_SYM_MESSAGE || f->kind == PB_SYM_ENUM)) {
                s = f;
                break;
            }
            if (scope.n == 0)
                break;
            ptrdiff_t up = nk_str_rchr(scope, '.');
            scope = up < 0 ? NK_STR("") : nk_str_sub(scope, 0, (size_t)up);
        }
    }
    if (!s || !s->type)
        return pb_bad(p, at, "%s '%.*s' is not defined%s", what, NK_STR_ARG(name),
                      s ? " as a type" : " here or in an imported file");
    *out = s->type;
    return NK_OK;
}

/* -- options -------------------------------------------------------------------------------- */

enum {
    IN_FILE = 1,
    IN_MESSAGE = 2,
    IN_FIELD = 4,
    IN_ONEOF = 8,
    IN_ENUM = 16,
    IN_VALUE = 32,
    IN_SERVICE = 64,
    IN_METHOD = 128,
    IN_RANGE = 256,
};
/* The options that need no definition: where they stand and what their value is: a bool ("b"), a
 * string
 * ("s"), anything ("*"), or one of several words. */
static const struct {
    const char *name, *value;
    unsigned where;
} standard[] = {
    {"cc_enable_arenas", "b", IN_FILE},
    {"cc_generic_services", "b", IN_FILE},
    {"csharp_namespace", "s", IN_FILE},
    {"go_package", "s", IN_FILE},
    {"java_generate_equals_and_hash", "b", IN_FILE},
    {"java_generic_services", "b", IN_FILE},
    {"java_multiple_files", "b", IN_FILE},
    {"java_outer_classname", "s", IN_FILE},
    {"java_package", "s", IN_FILE},
    {"java_string_check_utf8", "b", IN_FILE},
    {"objc_class_prefix", "s", IN_FILE},
    {"optimize_for", " SPEED CODE_SIZE LITE_RUNTIME ", IN_FILE},
    {"php_class_prefix", "s", IN_FILE},
    {"php_metadata_namespace", "s", IN_FILE},
    {"php_namespace", "s", IN_FILE},
    {"py_generic_services", "b", IN_FILE},
    {"ruby_package", "s", IN_FILE},
    {"swift_prefix", "s", IN_FILE},
    {"deprecated", "b",
     IN_FILE | IN_MESSAGE | IN_FIELD | IN_ENUM | IN_VALUE | IN_SERVICE | IN_METHOD},
    {"deprecated_legacy_json_field_conflicts", "b", IN_MESSAGE | IN_ENUM},
    {"map_entry", "b", IN_MESSAGE},
    {"message_set_wire_format", "b", IN_MESSAGE},
    {"no_standard_descriptor_accessor", "b", IN_MESSAGE},
    {"ctype", " STRING CORD STRING_PIECE ", IN_FIELD},
    {"debug_redact", "b", IN_FIELD | IN_VALUE},
    {"default", "*", IN_FIELD},
    {"json_name", "s", IN_FIELD},
    {"jstype", " JS_NORMAL JS_STRING JS_NUMBER ", IN_FIELD},
    {"lazy", "b", IN_FIELD},
    {"packed", "b", IN_FIELD},
    {"retention", " RETENTION_UNKNOWN RETENTION_RUNTIME RETENTION_SOURCE ", IN_FIELD},
    {"unverified_lazy", "b", IN_FIELD},
    {"weak", "b", IN_FIELD},
    {"allow_alias", "b", IN_ENUM},
    {"idempotency_level", " IDEMPOTENCY_UNKNOWN NO_SIDE_EFFECTS IDEMPOTENT ", IN_METHOD},
    {"verification", " DECLARATION UNVERIFIED ", IN_RANGE},
};

static nk_code check_standard(pb_parser *p, const pb_options *list, unsigned where, pb_place at)
{
    for (size_t i = 0; i < list->n; i++) {
        const pb_option *o = &list->v[i];
        const char *want = NULL;
        if (o->name.p[0] == '(')
            continue;
        for (size_t k = 0; k < NK_COUNTOF(standard); k++) {
            if ((standard[k].where & where) && nk_str_is(o->name, standard[k].name))
                want = standard[k].value;
        }
        if (!want)
            return pb_bad(p, at, "there is no option '%.*s' here", NK_STR_ARG(o->name));
        char word[64];
        bool text = o->value.n && o->value.p[0] == '"';
        snprintf(word, sizeof word, " %.*s ", (int)(o->value.n < 60 ? o->value.n : 60), o->value.p);
        bool ok = want[0] == '*'   ? true
                  : want[0] == 's' ? text
                  : want[0] == 'b' ? nk_str_is(o->value, "true") || nk_str_is(o->value, "false")
                                   : strstr(want, word) != NULL;
        if (!ok)
            return pb_bad(p, at, "'%.*s' is no value of the option '%.*s'",
                          (int)(o->value.n < 60 ? o->value.n : 60), o->value.p,
                          NK_STR_ARG(o->name));
    }
    return NK_OK;
}

/* -- fields --------------------------------------------------------------------------------- */

static nk_code check_number(pb_parser *p, const pb_field *f)
{
    if (f->number < 1 || f->number > 536870911)
        return pb_bad(p, f->at, "field numbers go from 1 to 536,870,911");
    if (f->number >= 19000 && f->number <= 19999)
        return pb_bad(p, f->at, "the field numbers 19000 to 19999 belong to Protobuf itself");
    return NK_OK;
}

static nk_code check_default(pb_parser *p, const pb_field *f, nk_str v)
{
    bool minus = v.n && v.p[0] == '-';
    bool word = v.n && ((v.p[0] | 32) >= 'a' && (v.p[0] | 32) <= 'z') && v.p[0] != '"';
    bool text = v.n && v.p[0] == '"';
    bool ok = true, whole = !text && !word && !memchr(v.p, '.', v.n) &&
                            ((v.n > 1 && (v.p[1] | 32) == 'x') ||
                             (!memchr(v.p, 'e', v.n) && !memchr(v.p, 'E', v.n)));
    if (p->file->proto3)
        return pb_bad(p, f->at, "proto3 has no default values");
    if (f->label == PB_REPEATED || f->kind == PB_MESSAGE || f->kind == PB_GROUP)
        return pb_bad(p, f->at, "a %s field has no default",
                      f->label == PB_REPEATED ? "repeated" : "message");
    switch (f->kind) {
    case PB_STRING:
    case PB_BYTES:
        ok = text;
        break;
    case PB_BOOL:
        ok = nk_str_is(v, "true") || nk_str_is(v, "false");
        break;
    case PB_DOUBLE:
    case PB_FLOAT:
        ok = !text && (!word || nk_str_is(v, "inf") || nk_str_is(v, "nan"));
        break;
    case PB_ENUM:
        ok = false;
        for (size_t i = 0; i < f->type->values.n && !ok; i++)
            ok = nk_str_eq(f->type->values.v[i].name, v);
        break;
    default: {
        bool is_unsigned = f->kind == PB_UINT32 || f->kind == PB_UINT64 || f->kind == PB_FIXED32 ||
                           f->kind == PB_FIXED64;
        ok = whole && !(minus && is_unsigned);
    }
    }
    return ok ? NK_OK
              : pb_bad(p, f->at, "'%.*s' is no default for this field's type", NK_STR_ARG(v));
}

static nk_code check_options(pb_parser *p, const pb_field *f)
{
    const pb_option *o = pb_find_option(&f->options, "default");
    NK_TRY(check_standard(p, &f->options, IN_FIELD, f->at));
    if (o)
        NK_TRY(check_default(p, f, o->value));
    o = pb_find_option(&f->options, "packed");
    if (o && nk_str_is(o->value, "true") &&
        (f->label != PB_REPEATED || f->map || f->kind == PB_STRING || f->kind == PB_BYTES ||
         f->kind >= PB_MESSAGE))
        return pb_bad(p, f->at, "only repeated fields of numbers are packed");
    o = pb_find_option(&f->options, "json_name");
    if (o && (o->value.n < 2 || o->value.p[0] != '"'))
        return pb_bad(p, f->at, "json_name is a string");
    return NK_OK;
}

/* A repeated field of a written-out map entry is a map field. */
static nk_code link_entry(pb_parser *p, pb_field *f)
{
    const pb_type *t = f->type;
    const pb_field *key = NULL, *value = NULL;
    for (size_t i = 0; i < t->fields.n; i++) {
        key = t->fields.v[i].number == 1 ? &t->fields.v[i] : key;
        value = t->fields.v[i].number == 2 ? &t->fields.v[i] : value;
    }
    if (!key || !value || t->fields.n != 2 || f->label != PB_REPEATED || key->kind >= PB_SCALARS ||
        key->kind == PB_DOUBLE || key->kind == PB_FLOAT || key->kind == PB_BYTES ||
        value->label == PB_REPEATED || value->kind >= PB_GROUP)
        return pb_bad(p, f->at, "'%.*s' is no entry of a map", NK_STR_ARG(t->full));
    f->map = true;
    f->key = key->kind;
    f->kind = value->kind;
    f->type = value->type;
    f->type_name = value->type_name;
    return NK_OK;
}

static nk_code link_field(pb_parser *p, nk_str scope, pb_field *f)
{
    if (f->kind == PB_NAMED) {
        NK_TRY(resolve(p, scope, f->type_name, f->at, "the type", &f->type));
        f->kind = f->type->is_enum ? PB_ENUM : PB_MESSAGE;
        if (f->type->entry)
            NK_TRY(link_entry(p, f));
        if (f->type && f->type->is_enum && p->file->proto3 && !f->type->file->proto3 &&
            f->type->values.n)
            return pb_bad(p, f->at, "a proto3 message cannot use the proto2 enum '%.*s'",
                          NK_STR_ARG(f->type->full));
    }
    if (f->map && f->kind == PB_ENUM && f->type->values.n && f->type->values.v[0].number != 0)
        return pb_bad(p, f->at, "an enum as a map's value begins with 0");
    NK_TRY(check_number(p, f));
    return check_options(p, f);
}

static int by_number(const void *a, const void *b)
{
    const pb_field *const *x = a, *const *y = b;
    return (*x)->number < (*y)->number ? -1 : (*x)->number > (*y)->number;
}

static bool in_ranges(const pb_ranges *r, int64_t n)
{
    for (size_t i = 0; i < r->n; i++) {
        if (n >= r->v[i].from && n <= r->v[i].to)
            return true;
    }
    return false;
}

static nk_code check_twins(pb_parser *p, const pb_type *t)
{
    const pb_field **by = NK_NEWN(p->a, const pb_field *, t->fields.n + 1);
    if (!by)
        return pb_no_memory(p);
    for (size_t i = 0; i < t->fields.n; i++)
        by[i] = &t->fields.v[i];
    qsort(by, t->fields.n, sizeof *by, by_number);
    for (size_t i = 1; i < t->fields.n; i++) {
        if (by[i]->number == by[i - 1]->number) {
            const pb_field *f =
                by[i]->at.line > by[i - 1]->at.line || (by[i]->at.line == by[i - 1]->at.line &&
                                                        by[i]->at.column > by[i - 1]->at.column)
                    ? by[i]
                    : by[i - 1];
            return pb_bad(p, f->at, "the field number %lld is used twice in '%.*s'",
                          (long long)f->number, NK_STR_ARG(t->full));
        }
    }
    for (size_t i = 0; i < t->fields.n; i++) {
        const pb_field *f = &t->fields.v[i];
        if (in_ranges(&t->reserved, f->number) || in_ranges(&t->extensions, f->number))
            return pb_bad(p, f->at, "the field number %lld is %s", (long long)f->number,
                          in_ranges(&t->reserved, f->number) ? "reserved"
                                                             : "within an extension range");
        for (size_t k = 0; k < t->reserved_names.n; k++) {
            if (nk_str_eq(t->reserved_names.v[k], f->name))
                return pb_bad(p, f->at, "the field name '%.*s' is reserved", NK_STR_ARG(f->name));
        }
    }
    return NK_OK;
}

/* "foo_bar" -> "fooBar", in the arena. */
static nk_str json_name(pb_parser *p, nk_str s)
{
    char *out = nk_arena_bytes(p->a, s.n + 1);
    size_t n = 0;
    bool up = false;
    for (size_t i = 0; out && i < s.n; i++) {
        char c = s.p[i];
        if (c == '_') {
            up = true;
        } else {
            out[n++] = up && c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
            up = false;
        }
    }
    return nk_str_n(out, n);
}

static nk_code check_json_names(pb_parser *p, const pb_type *t)
{
    nk_map names;
    nk_code rc = NK_OK;
    if (!p->file->proto3)
        return NK_OK;
    nk_map_init(&names);
    for (size_t i = 0; i < t->fields.n && rc == NK_OK; i++) {
        const pb_field *f = &t->fields.v[i];
        const pb_option *o = pb_find_option(&f->options, "json_name");
        nk_str name = o ? nk_str_sub(o->value, 1, o->value.n - 1) : json_name(p, f->name);
        void *old = NULL;
        if (!name.p || nk_map_put(&names, name, (void *)f, &old) != NK_OK)
            rc = pb_no_memory(p);
        else if (old)
            rc = pb_bad(p, f->at, "'%.*s' and '%.*s' have the same JSON name, '%.*s'",
                        NK_STR_ARG(((pb_field *)old)->name), NK_STR_ARG(f->name), NK_STR_ARG(name));
    }
    nk_map_free(&names);
    return rc;
}

static nk_code check_enum(pb_parser *p, const pb_type *t)
{
    const pb_option *alias = pb_find_option(&t->options, "allow_alias");
    NK_TRY(check_standard(p, &t->options, IN_ENUM, t->at));
    for (size_t i = 0; i < t->values.n; i++)
        NK_TRY(check_standard(p, &t->values.v[i].options, IN_VALUE, t->values.v[i].at));
    if (t->values.n == 0)
        return pb_bad(p, t->at, "the enum '%.*s' has no value", NK_STR_ARG(t->full));
    if (p->file->proto3 && t->values.v[0].number != 0)
        return pb_bad(p, t->values.v[0].at, "in proto3 an enum's first value is 0");
    for (size_t i = 0; i < t->values.n; i++) {
        const pb_value *v = &t->values.v[i];
        if (in_ranges(&t->reserved, v->number))
            return pb_bad(p, v->at, "the number %lld is reserved", (long long)v->number);
        for (size_t k = 0; k < t->reserved_names.n; k++) {
            if (nk_str_eq(t->reserved_names.v[k], v->name))
                return pb_bad(p, v->at, "the name '%.*s' is reserved", NK_STR_ARG(v->name));
        }
    }
    if (alias && nk_str_is(alias->value, "true"))
        return NK_OK;
    int64_t *numbers = NK_NEWN(p->a, int64_t, t->values.n);
    nk_map seen;
    nk_code rc = numbers ? NK_OK : pb_no_memory(p);
    nk_map_init(&seen);
    for (size_t i = 0; i < t->values.n && rc == NK_OK; i++) {
        void *old = NULL;
        numbers[i] = t->values.v[i].number;
        if (nk_map_put(&seen, nk_str_n((char *)&numbers[i], sizeof *numbers), &numbers[i], &old) !=
            NK_OK)
            rc = pb_no_memory(p);
        else if (old)
            rc = pb_bad(p, t->values.v[i].at,
                        "the number %lld is used twice; set allow_alias if that is meant",
                        (long long)numbers[i]);
    }
    nk_map_free(&seen);
    return rc;
}

static bool is_options_message(nk_str full)
{
    return nk_str_starts(full, NK_STR("google.protobuf.")) && nk_str_ends(full, NK_STR("Options"));
}

static nk_code link_extends(pb_parser *p, nk_str scope, pb_extends *list)
{
    for (size_t i = 0; i < list->n; i++) {
        pb_extend *x = &list->v[i];
        NK_TRY(resolve(p, scope, x->type_name, x->at, "the message", &x->type));
        if (x->type->is_enum)
            return pb_bad(p, x->at, "'%.*s' is an enum", NK_STR_ARG(x->type->full));
        if (p->file->proto3 && !is_options_message(x->type->full))
            return pb_bad(p, x->at, "proto3 extends only options, to define new ones");
        for (size_t k = 0; k < x->fields.n; k++) {
            pb_field *f = &x->fields.v[k];
            NK_TRY(link_field(p, scope, f));
            if (f->label == PB_REQUIRED)
                return pb_bad(p, f->at, "an extension is never required");
            if (!in_ranges(&x->type->extensions, f->number))
                return pb_bad(p, f->at, "'%.*s' does not declare %lld as an extension number",
                              NK_STR_ARG(x->type->full), (long long)f->number);
        }
    }
    return NK_OK;
}

static nk_code link_type(pb_parser *p, pb_type *t)
{
    if (t->is_enum)
        return check_enum(p, t);
    NK_TRY(check_standard(p, &t->options, IN_MESSAGE, t->at));
    const pb_option *entry = pb_find_option(&t->options, "map_entry");
    t->entry = entry && nk_str_is(entry->value, "true");
    NK_TRY(check_standard(p, &t->extension_options, IN_RANGE, t->at));
    for (size_t i = 0; i < t->oneofs.n; i++)
        NK_TRY(check_standard(p, &t->oneofs.v[i].options, IN_ONEOF, t->oneofs.v[i].at));
    for (size_t i = 0; i < t->types.n; i++)
        NK_TRY(link_type(p, t->types.v[i]));
    for (size_t i = 0; i < t->fields.n; i++)
        NK_TRY(link_field(p, t->full, &t->fields.v[i]));
    for (size_t i = 0; i < t->reserved.n; i++) {
        for (size_t k = 0; k < t->extensions.n; k++) {
            if (t->reserved.v[i].from <= t->extensions.v[k].to &&
                t->extensions.v[k].from <= t->reserved.v[i].to)
                return pb_bad(p, t->at, "'%.*s' reserves numbers of an extension range",
                              NK_STR_ARG(t->full));
        }
    }
    NK_TRY(link_extends(p, t->full, &t->extends));
    NK_TRY(check_twins(p, t));
    return check_json_names(p, t);
}

nk_code pb_link_file(pb_parser *p, pb_file *f)
{
    p->file = f;
    p->path = f->path;
    NK_TRY(define_file(p, f));
    NK_TRY(check_standard(p, &f->options, IN_FILE, (pb_place){1, 1}));
    for (size_t i = 0; i < f->types.n; i++)
        NK_TRY(link_type(p, f->types.v[i]));
    NK_TRY(link_extends(p, f->package, &f->extends));
    for (size_t i = 0; i < f->services.n; i++) {
        pb_service *s = &f->services.v[i];
        NK_TRY(check_standard(p, &s->options, IN_SERVICE, s->at));
        for (size_t k = 0; k < s->methods.n; k++) {
            pb_method *m = &s->methods.v[k];
            pb_type *t;
            NK_TRY(check_standard(p, &m->options, IN_METHOD, m->at));
            NK_TRY(resolve(p, f->package, m->input, m->at, "the message", &t));
            if (t->is_enum)
                return pb_bad(p, m->at, "'%.*s' is an enum", NK_STR_ARG(m->input));
            m->input = nk_str_cat(p->a, NK_STR("."), t->full);
            NK_TRY(resolve(p, f->package, m->output, m->at, "the message", &t));
            if (t->is_enum)
                return pb_bad(p, m->at, "'%.*s' is an enum", NK_STR_ARG(m->output));
            m->output = nk_str_cat(p->a, NK_STR("."), t->full);
            if (!m->input.p || !m->output.p)
                return pb_no_memory(p);
            for (size_t q = 0; q < k; q++) {
                if (nk_str_eq(s->methods.v[q].name, m->name))
                    return pb_bad(p, m->at, "the method '%.*s' is defined twice",
                                  NK_STR_ARG(m->name));
            }
        }
    }
    return NK_OK;
}

bool pb_packed(const pb_file *file, const pb_field *f)
{
    const pb_option *o = pb_find_option(&f->options, "packed");
    if (f->label != PB_REPEATED || f->map || f->kind == PB_STRING || f->kind == PB_BYTES ||
        f->kind >= PB_MESSAGE)
        return false;
    return o ? nk_str_is(o->value, "true") : file->proto3;
}
