/* Can one definition's messages be read with another? Field by field of the messages that both
 * have, by number; messages that fields name are compared where they are used. */
#include <stdlib.h>

#include "registry/protobuf_compat_int.h"

const nk_schema_rule pb_rules[PBR_COUNT] = {
#define NK_PBR(name, glue, confluent, doc)                                                         \
    {#name, doc, {NK_VERDICT_##glue, NK_VERDICT_##confluent}},
#include "registry/protobuf_rules.def"
#undef NK_PBR
};

typedef struct differ {
    nk_arena *a;
    nk_schema_diffs *out;
    nk_err *err;
    const nk_protobuf *writer, *reader;
    nk_map pairs;    /* of messages compared by use */
    size_t breaking; /* found so far, by Confluent's rules */
    int depth;
} differ;

static nk_code compare_messages(differ *d, const pb_type *w, const pb_type *r);
static nk_code compare_types(differ *d, const pb_types *w, const pb_types *r);

static nk_str place(differ *d, const pb_type *t, const pb_field *f)
{
    if (!t)
        return NK_STR("");
    return f ? nk_str_printf(d->a, "%.*s.%.*s", NK_STR_ARG(t->full), NK_STR_ARG(f->name)) : t->full;
}

static nk_code tell(differ *d, nk_protobuf_rule rule, nk_str writer, nk_str reader, nk_str sample,
                    const char *fmt, ...) __attribute__((format(printf, 6, 7)));
static nk_code tell(differ *d, nk_protobuf_rule rule, nk_str writer, nk_str reader, nk_str sample,
                    const char *fmt, ...)
{
    char text[512];
    va_list ap;
    bool breaks = pb_rules[rule].verdict[NK_DOOR_GLUE] == NK_VERDICT_BREAKS ||
                  pb_rules[rule].verdict[NK_DOOR_CONFLUENT] == NK_VERDICT_BREAKS;
    d->breaking += pb_rules[rule].verdict[NK_DOOR_CONFLUENT] == NK_VERDICT_BREAKS;
    if (d->out->n >= NK_SCHEMA_DIFFS_MAX) {
        if (!breaks)
            return NK_OK;
        /* one that breaks must not be hidden by many that do not */
        nk_schema_diff *last = &d->out->v[d->out->n - 1];
        if (last->rule->verdict[NK_DOOR_GLUE] == NK_VERDICT_BREAKS &&
            last->rule->verdict[NK_DOOR_CONFLUENT] == NK_VERDICT_BREAKS)
            return NK_OK;
        d->out->n--;
    }
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    nk_schema_diff *x = nk_schema_diffs_add(d->out, d->a);
    nk_str message = nk_str_dup(d->a, nk_str_c(text));
    if (!x || !message.p || !writer.p || !reader.p)
        return nk_fail(d->err, NK_E_NOMEM, "no memory for the differences");
    *x = (nk_schema_diff){.rule = &pb_rules[rule],
                          .writer_path = writer,
                          .reader_path = reader,
                          .message = message,
                          .sample = breaks ? sample : NK_STR_NULL};
    return NK_OK;
}

/* -- samples: the message that holds the field, as Protobuf's JSON -------------------------------
 */

static void put_plain(nk_json_writer *w, const pb_field *f, pb_kind kind, int depth);

static void put_required(nk_json_writer *w, const pb_type *t, const pb_field *but, int depth)
{
    for (size_t i = 0; i < t->fields.n; i++) {
        const pb_field *f = &t->fields.v[i];
        if (f->label != PB_REQUIRED || f == but)
            continue;
        if (depth > 12) { /* requires itself: there is no such message */
            w->buf->failed = true;
            return;
        }
        nk_jw_key(w, f->name);
        put_plain(w, f, f->kind, depth);
    }
}

static void put_plain(nk_json_writer *w, const pb_field *f, pb_kind kind, int depth)
{
    switch (kind) {
    case PB_BOOL:
        nk_jw_bool(w, true);
        break;
    case PB_STRING:
        nk_jw_cstr(w, "a");
        break;
    case PB_BYTES:
        nk_jw_cstr(w, "YQ==");
        break;
    case PB_ENUM: {
        const pb_values *v = &f->type->values; /* 0 may not be written at all */
        size_t k = 0;
        while (k < v->n && v->v[k].number == 0)
            k++;
        if (k == v->n && f->type->file->proto3)
            nk_jw_raw(w, NK_STR("77"));
        else
            nk_jw_str(w, v->n ? v->v[k < v->n ? k : 0].name : NK_STR(""));
        break;
    }
    case PB_MESSAGE:
    case PB_GROUP:
        nk_jw_object(w);
        if (f->type)
            put_required(w, f->type, NULL, depth + 1);
        nk_jw_object_end(w);
        break;
    case PB_INT64:
    case PB_UINT64:
    case PB_SINT64:
    case PB_FIXED64:
    case PB_SFIXED64:
        nk_jw_cstr(w, "1");
        break;
    default:
        nk_jw_raw(w, NK_STR("1"));
    }
}

/* raw: JSON text of the value; p NULL for any; skip: leave the field out. */
static nk_str record(differ *d, const pb_type *t, const pb_field *f, nk_str raw,
                     const pb_field *also, bool skip)
{
    nk_buf b;
    nk_buf_init(&b, 65536);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    put_required(&w, t, f, 0);
    for (int second = 0; second < 2 && !skip; second++) {
        const pb_field *x = second ? also : f;
        if (!x)
            continue;
        nk_jw_key(&w, x->name);
        if (raw.p && !second) {
            nk_jw_raw(&w, raw);
        } else if (x->map) {
            nk_jw_object(&w);
            nk_jw_key(&w, x->key == PB_STRING ? NK_STR("a")
                          : x->key == PB_BOOL ? NK_STR("true")
                                              : NK_STR("1"));
            put_plain(&w, x, x->kind, 0);
            nk_jw_object_end(&w);
        } else if (x->label == PB_REPEATED) {
            nk_jw_array(&w);
            put_plain(&w, x, x->kind, 0);
            put_plain(&w, x, x->kind, 0);
            nk_jw_array_end(&w);
        } else {
            put_plain(&w, x, x->kind, 0);
        }
    }
    nk_jw_object_end(&w);
    nk_str out = b.failed ? NK_STR_NULL : nk_buf_dup(&b, d->a);
    nk_buf_free(&b);
    return out;
}

static nk_str record_of(differ *d, const pb_type *t, const pb_field *f, const char *value)
{
    if (f->map || f->label == PB_REPEATED) {
        const char *key = f->key == PB_STRING ? "a" : f->key == PB_BOOL ? "true" : "1";
        char *raw = f->map ? nk_arena_printf(d->a, "{\"%s\":%s}", key, value)
                           : nk_arena_printf(d->a, "[%s]", value);
        return raw ? record(d, t, f, nk_str_c(raw), NULL, false) : NK_STR_NULL;
    }
    return record(d, t, f, nk_str_c(value), NULL, false);
}

/* A value of the writer's enum that a reader's type cuts or turns, as JSON; p NULL: it has none. */
static nk_str enum_beyond(differ *d, const pb_field *w, bool negative)
{
    if (w->type->file->proto3)
        return negative ? NK_STR("-1") : NK_STR("77");
    for (size_t i = 0; i < w->type->values.n; i++) {
        int64_t n = w->type->values.v[i].number;
        if (negative ? n < 0 : n < 0 || n > 1)
            return nk_str_printf(d->a, "%lld", (long long)n);
    }
    return NK_STR_NULL;
}

/* -- fields -------------------------------------------------------------------------------------
 */

/* How scalars are written: types of one class read each other's bytes. */
typedef enum { W_VARINT, W_ZIGZAG, W_TEXT, W_FIXED32, W_FIXED64, W_FLOAT, W_DOUBLE } wire_class;

static const struct {
    wire_class wire;
    int bits; /* 1: bool */
    bool is_signed;
    const char *beyond; /* JSON of a value that only wide or signed types hold */
} scalars[PB_SCALARS + 1] = {
    [PB_DOUBLE] = {W_DOUBLE, 64, true, "1.5"},
    [PB_FLOAT] = {W_FLOAT, 32, true, "1.5"},
    [PB_INT32] = {W_VARINT, 32, true, "-1"},
    [PB_INT64] = {W_VARINT, 64, true, "\"-4294967298\""},
    [PB_UINT32] = {W_VARINT, 32, false, "4294967295"},
    [PB_UINT64] = {W_VARINT, 64, false, "\"18446744073709551615\""},
    [PB_SINT32] = {W_ZIGZAG, 32, true, "-2"},
    [PB_SINT64] = {W_ZIGZAG, 64, true, "\"-4294967298\""},
    [PB_FIXED32] = {W_FIXED32, 32, false, "4294967295"},
    [PB_FIXED64] = {W_FIXED64, 64, false, "\"18446744073709551615\""},
    [PB_SFIXED32] = {W_FIXED32, 32, true, "-1"},
    [PB_SFIXED64] = {W_FIXED64, 64, true, "\"-1\""},
    [PB_BOOL] = {W_VARINT, 1, false, "true"},
    [PB_STRING] = {W_TEXT, 0, false, "\"a\""},
    [PB_BYTES] = {W_TEXT, 0, false, "\"/w==\""},
    [PB_ENUM] = {W_VARINT, 32, true, NULL},
};

static const char *kind_name(const pb_field *f, pb_kind kind)
{
    return kind < PB_SCALARS    ? pb_scalar_names[kind]
           : kind == PB_ENUM    ? "enum"
           : kind == PB_MESSAGE ? "message"
                                : "group";
}

static bool has_number(const pb_type *e, int64_t n)
{
    for (size_t i = 0; i < e->values.n; i++) {
        if (e->values.v[i].number == n)
            return true;
    }
    return false;
}

/* A value that the writer's enum has and the reader's closed one lacks. */
static nk_code compare_closed(differ *d, const pb_type *wt, const pb_type *rt, const pb_field *w,
                              const pb_field *r)
{
    for (size_t i = 0; w->kind == PB_ENUM && i < w->type->values.n; i++) {
        const pb_value *v = &w->type->values.v[i];
        char raw[32];
        if (has_number(r->type, v->number))
            continue;
        snprintf(raw, sizeof raw, "%lld", (long long)v->number);
        return tell(d, PBR_CLOSED_ENUM_CONST_REMOVED, place(d, wt, w), place(d, rt, r),
                    record_of(d, wt, w, raw),
                    "'%.*s' (%lld) is no value of the reader's enum '%.*s'", NK_STR_ARG(v->name),
                    (long long)v->number, NK_STR_ARG(r->type->full));
    }
    if ((w->kind == PB_ENUM && !w->type->file->proto3) ||
        (w->kind == PB_BOOL && has_number(r->type, 0) && has_number(r->type, 1)))
        return NK_OK;
    return tell(d, PBR_CLOSED_ENUM_CONST_REMOVED, place(d, wt, w), place(d, rt, r),
                record_of(d, wt, w, w->kind == PB_BOOL ? "true" : "123456"),
                "the writer may write numbers that are no value of the reader's closed enum '%.*s'",
                NK_STR_ARG(r->type->full));
}

static nk_code compare_scalars(differ *d, const pb_type *wt, const pb_type *rt, const pb_field *w,
                               const pb_field *r, pb_kind a, pb_kind b)
{
    nk_str sample = scalars[a].beyond ? record_of(d, wt, w, scalars[a].beyond)
                                      : record(d, wt, w, NK_STR_NULL, NULL, false);
    nk_protobuf_rule rule = PBR_COUNT;
    if (scalars[a].wire != scalars[b].wire)
        rule = PBR_FIELD_SCALAR_KIND_CHANGED;
    else if (a == PB_BYTES && b == PB_STRING)
        rule = PBR_FIELD_BYTES_READ_AS_STRING;
    else if (scalars[a].bits > scalars[b].bits)
        rule = PBR_FIELD_NUMBER_NARROWED;
    else if (scalars[a].is_signed != scalars[b].is_signed && a != PB_BOOL &&
             !(!scalars[a].is_signed && scalars[b].bits > scalars[a].bits) && scalars[a].bits)
        rule = PBR_FIELD_NUMBER_SIGN_CHANGED;
    if (b == PB_ENUM && a == PB_ENUM && !r->type->file->proto3)
        return compare_closed(d, wt, rt, w, r);
    if (b == PB_ENUM && a != PB_ENUM && rule == PBR_COUNT && !r->type->file->proto3)
        return compare_closed(d, wt, rt, w, r);
    if (b == PB_UINT32 && a == PB_ENUM)
        rule = PBR_FIELD_NUMBER_SIGN_CHANGED;
    if (a == PB_ENUM &&
        (rule == PBR_FIELD_NUMBER_SIGN_CHANGED || rule == PBR_FIELD_NUMBER_NARROWED)) {
        nk_str raw = enum_beyond(d, w, rule == PBR_FIELD_NUMBER_SIGN_CHANGED);
        if (!raw.p)
            return NK_OK;
        sample = record_of(d, wt, w, raw.p);
    }
    if (rule == PBR_COUNT)
        return NK_OK;
    /* 0 is 0 in both ways of writing, and this enum has nothing else: no message shows it */
    if (a == PB_ENUM && (b == PB_SINT32 || b == PB_SINT64) && !w->type->file->proto3 &&
        w->type->values.n == 1 && w->type->values.v[0].number == 0)
        sample = NK_STR_NULL;
    return tell(d, rule, place(d, wt, w), place(d, rt, r), sample,
                "the field %lld was %s and is %s", (long long)w->number, kind_name(w, a),
                kind_name(r, b));
}

/* The name within its package: packages may change. */
static nk_str local_name(const pb_type *t)
{
    size_t n = t->file->package.n;
    return n && t->full.n > n ? nk_str_sub(t->full, n + 1, t->full.n) : t->full;
}

static nk_code compare_named(differ *d, const pb_type *wt, const pb_type *rt, const pb_field *w,
                             const pb_field *r)
{
    if (!nk_str_eq(local_name(w->type), local_name(r->type)))
        return tell(d, PBR_FIELD_NAMED_TYPE_CHANGED, place(d, wt, w), place(d, rt, r),
                    record(d, wt, w, NK_STR_NULL, NULL, false),
                    "the field %lld was the message %.*s and is %.*s", (long long)w->number,
                    NK_STR_ARG(w->type->full), NK_STR_ARG(r->type->full));
    /* those of the two files themselves are compared as such */
    if (w->type->file == d->writer->root && r->type->file == d->reader->root && w->kind != PB_GROUP)
        return NK_OK;
    return compare_messages(d, w->type, r->type);
}

static int kind_group(const pb_field *f, pb_kind kind)
{
    return kind <= PB_ENUM ? 0 : kind == PB_MESSAGE ? 1 : 2;
}

static nk_code compare_labels(differ *d, const pb_type *wt, const pb_type *rt, const pb_field *w,
                              const pb_field *r)
{
    bool many = w->label == PB_REPEATED, now = r->label == PB_REPEATED;
    bool text = w->kind == PB_STRING || w->kind == PB_BYTES || w->kind >= PB_MESSAGE;
    if (r->label == PB_REQUIRED && w->label != PB_REQUIRED && !many)
        return tell(d, PBR_REQUIRED_FIELD_ADDED, place(d, wt, w), place(d, rt, r),
                    record(d, wt, w, NK_STR_NULL, NULL, true),
                    "the field %lld was optional and is required", (long long)w->number);
    if (many == now)
        return NK_OK;
    nk_protobuf_rule rule = !text  ? PBR_FIELD_NUMERIC_LABEL_CHANGED
                            : many ? PBR_REPEATED_READ_AS_SINGULAR
                                   : PBR_FIELD_STRING_OR_BYTES_LABEL_CHANGED;
    return tell(d, rule, place(d, wt, w), place(d, rt, r),
                record(d, wt, w, NK_STR_NULL, NULL, false), "the field %lld was %s and is %s",
                (long long)w->number, many ? "repeated" : "single", now ? "repeated" : "single");
}

static nk_code compare_fields(differ *d, const pb_type *wt, const pb_type *rt, const pb_field *w,
                              const pb_field *r)
{
    if (!nk_str_eq(w->name, r->name))
        NK_TRY(tell(d, PBR_FIELD_NAME_CHANGED, place(d, wt, w), place(d, rt, r), NK_STR_NULL,
                    "the field %lld was '%.*s' and is '%.*s'", (long long)w->number,
                    NK_STR_ARG(w->name), NK_STR_ARG(r->name)));
    int a = w->map ? 3 : kind_group(w, w->kind), b = r->map ? 3 : kind_group(r, r->kind);
    if (a != b)
        return tell(d, PBR_FIELD_KIND_CHANGED, place(d, wt, w), place(d, rt, r),
                    record(d, wt, w, NK_STR_NULL, NULL, false),
                    "the field %lld was a %s and is a %s", (long long)w->number,
                    w->map ? "map" : kind_name(w, w->kind), r->map ? "map" : kind_name(r, r->kind));
    if (!w->map)
        NK_TRY(compare_labels(d, wt, rt, w, r));
    if (w->map) {
        if (kind_group(w, w->kind) != kind_group(r, r->kind))
            return tell(d, PBR_FIELD_KIND_CHANGED, place(d, wt, w), place(d, rt, r),
                        record(d, wt, w, NK_STR_NULL, NULL, false),
                        "the map's values were %s and are %s", kind_name(w, w->kind),
                        kind_name(r, r->kind));
        if (w->key != r->key)
            NK_TRY(compare_scalars(d, wt, rt, w, r, w->key, r->key));
    }
    return w->kind <= PB_ENUM ? compare_scalars(d, wt, rt, w, r, w->kind, r->kind)
                              : compare_named(d, wt, rt, w, r);
}

/* -- messages -----------------------------------------------------------------------------------
 */

static const pb_field *by_number(const pb_fields *f, int64_t n)
{
    for (size_t i = 0; i < f->n; i++) {
        if (f->v[i].number == n)
            return &f->v[i];
    }
    return NULL;
}

static const pb_oneof *oneof_of(const pb_type *t, const pb_field *f)
{
    return f->oneof >= 0 ? &t->oneofs.v[f->oneof] : NULL;
}

static const pb_oneof *oneof_named(const pb_type *t, nk_str name)
{
    for (size_t i = 0; i < t->oneofs.n; i++) {
        if (nk_str_eq(t->oneofs.v[i].name, name))
            return &t->oneofs.v[i];
    }
    return NULL;
}

/* Fields of one reader's oneof that the writer may set together. */
static nk_code compare_oneof(differ *d, const pb_type *wt, const pb_type *rt, int index)
{
    const pb_field *moved[2] = {NULL, NULL}, *member = NULL;
    const pb_oneof *o = &rt->oneofs.v[index];
    size_t n = 0;
    if (!oneof_named(wt, o->name))
        NK_TRY(tell(d, PBR_ONEOF_ADDED, wt->full, rt->full, NK_STR_NULL,
                    "the oneof '%.*s' was added", NK_STR_ARG(o->name)));
    for (size_t i = 0; i < rt->fields.n; i++) {
        const pb_field *r = &rt->fields.v[i];
        const pb_field *w = r->oneof == index ? by_number(&wt->fields, r->number) : NULL;
        if (r->oneof != index)
            continue;
        if (!w && oneof_named(wt, o->name))
            NK_TRY(tell(d, PBR_ONEOF_FIELD_ADDED, wt->full, place(d, rt, r), NK_STR_NULL,
                        "the oneof '%.*s' has the new field '%.*s'", NK_STR_ARG(o->name),
                        NK_STR_ARG(r->name)));
        if (w && w->oneof < 0 && n++ < 2)
            moved[n - 1] = w;
        /* two oneofs of the writer's in one of the reader's can be set together too */
        if (w && w->oneof >= 0 && member && member->oneof != w->oneof && n++ < 2)
            moved[n - 1] = w;
        if (w && w->oneof >= 0 && !member)
            member = w;
    }
    if (n > 1)
        return tell(d, PBR_MULTIPLE_FIELDS_MOVED_TO_ONEOF, place(d, wt, moved[0]), rt->full,
                    record(d, wt, moved[0], NK_STR_NULL, moved[1], false),
                    "'%.*s' and '%.*s' moved into the oneof '%.*s'", NK_STR_ARG(moved[0]->name),
                    NK_STR_ARG(moved[1]->name), NK_STR_ARG(o->name));
    if (n == 1 && member)
        return tell(d, PBR_FIELD_MOVED_TO_EXISTING_ONEOF, place(d, wt, moved[0]), rt->full,
                    record(d, wt, moved[0], NK_STR_NULL, member, false),
                    "'%.*s' moved into the oneof '%.*s' of '%.*s'", NK_STR_ARG(moved[0]->name),
                    NK_STR_ARG(o->name), NK_STR_ARG(member->name));
    return NK_OK;
}

static nk_code lost_field(differ *d, const pb_type *wt, const pb_type *rt, const pb_field *w)
{
    const pb_oneof *o = oneof_of(wt, w);
    nk_protobuf_rule rule = o && oneof_named(rt, o->name) ? PBR_ONEOF_FIELD_REMOVED
                            : w->label == PB_REQUIRED     ? PBR_REQUIRED_FIELD_REMOVED
                                                          : PBR_FIELD_REMOVED;
    return tell(d, rule, place(d, wt, w), rt->full, record(d, wt, w, NK_STR_NULL, NULL, false),
                "the field '%.*s' = %lld was removed", NK_STR_ARG(w->name), (long long)w->number);
}

static nk_code new_field(differ *d, const pb_type *wt, const pb_type *rt, const pb_field *r)
{
    bool required = r->label == PB_REQUIRED;
    if (r->oneof >= 0)
        return NK_OK; /* told with its oneof */
    return tell(d, required ? PBR_REQUIRED_FIELD_ADDED : PBR_FIELD_ADDED, wt->full, place(d, rt, r),
                required ? record(d, wt, NULL, NK_STR_NULL, NULL, true) : NK_STR_NULL,
                "the %sfield '%.*s' = %lld was added", required ? "required " : "",
                NK_STR_ARG(r->name), (long long)r->number);
}

static int by_field_number(const void *a, const void *b)
{
    const pb_field *const *x = a, *const *y = b;
    return (*x)->number < (*y)->number ? -1 : (*x)->number > (*y)->number;
}

static const pb_field **sorted(differ *d, const pb_fields *f)
{
    const pb_field **v = NK_NEWN(d->a, const pb_field *, f->n + 1);
    for (size_t i = 0; v && i < f->n; i++)
        v[i] = &f->v[i];
    if (v)
        qsort(v, f->n, sizeof *v, by_field_number);
    return v;
}

static nk_code compare_messages(differ *d, const pb_type *w, const pb_type *r)
{
    const void **key = NK_NEWN(d->a, const void *, 2);
    const pb_field **a = sorted(d, &w->fields), **b = sorted(d, &r->fields);
    if (!key || !a || !b)
        return nk_fail(d->err, NK_E_NOMEM, "no memory to compare schemas");
    key[0] = w;
    key[1] = r;
    nk_str pair = nk_str_n((const char *)key, 2 * sizeof *key);
    if (nk_map_has(&d->pairs, pair) || d->depth > 500)
        return NK_OK;
    if (nk_map_put(&d->pairs, pair, key, NULL) != NK_OK)
        return nk_fail(d->err, NK_E_NOMEM, "no memory to compare schemas");
    d->depth++;
    nk_code rc = NK_OK;
    for (size_t i = 0, k = 0; rc == NK_OK && (i < w->fields.n || k < r->fields.n);) {
        if (k == r->fields.n || (i < w->fields.n && a[i]->number < b[k]->number))
            rc = lost_field(d, w, r, a[i++]);
        else if (i == w->fields.n || b[k]->number < a[i]->number)
            rc = new_field(d, w, r, b[k++]);
        else
            rc = compare_fields(d, w, r, a[i++], b[k++]);
    }
    for (size_t i = 0; rc == NK_OK && i < r->oneofs.n; i++)
        rc = compare_oneof(d, w, r, (int)i);
    for (size_t i = 0; rc == NK_OK && i < w->oneofs.n; i++) {
        if (!oneof_named(r, w->oneofs.v[i].name))
            rc = tell(d, PBR_ONEOF_REMOVED, w->full, r->full, NK_STR_NULL,
                      "the oneof '%.*s' was removed", NK_STR_ARG(w->oneofs.v[i].name));
    }
    if (rc == NK_OK)
        rc = compare_types(d, &w->types, &r->types);
    d->depth--;
    return rc;
}

static nk_code compare_enums(differ *d, const pb_type *w, const pb_type *r)
{
    for (int back = 0; back < 2; back++) {
        const pb_type *from = back ? r : w, *to = back ? w : r;
        for (size_t i = 0; i < from->values.n; i++) {
            const pb_value *v = &from->values.v[i], *twin = NULL;
            for (size_t k = 0; k < to->values.n && !twin; k++) {
                if (to->values.v[k].number == v->number)
                    twin = &to->values.v[k];
            }
            if (!twin)
                NK_TRY(tell(d, back ? PBR_ENUM_CONST_ADDED : PBR_ENUM_CONST_REMOVED, w->full,
                            r->full, NK_STR_NULL, "'%.*s' = %lld was %s", NK_STR_ARG(v->name),
                            (long long)v->number, back ? "added" : "removed"));
            else if (!back && !nk_str_eq(twin->name, v->name))
                NK_TRY(tell(d, PBR_ENUM_CONST_CHANGED, w->full, r->full, NK_STR_NULL,
                            "%lld was '%.*s' and is '%.*s'", (long long)v->number,
                            NK_STR_ARG(v->name), NK_STR_ARG(twin->name)));
        }
    }
    return NK_OK;
}

static const pb_type *type_named(const pb_types *list, nk_str name, bool is_enum)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->v[i]->is_enum == is_enum && nk_str_eq(list->v[i]->name, name))
            return list->v[i];
    }
    return NULL;
}

static nk_code compare_types(differ *d, const pb_types *w, const pb_types *r)
{
    size_t place_w = 0;
    for (size_t i = 0; i < w->n; i++) {
        const pb_type *a = w->v[i], *b = type_named(r, a->name, a->is_enum);
        if (a->group || a->entry)
            continue;
        if (!b && a->is_enum)
            NK_TRY(tell(d, PBR_ENUM_REMOVED, a->full, NK_STR(""), NK_STR_NULL,
                        "the enum %.*s was removed", NK_STR_ARG(a->full)));
        else if (!b)
            NK_TRY(tell(d, PBR_MESSAGE_REMOVED, a->full, NK_STR(""),
                        record(d, a, NULL, NK_STR_NULL, NULL, true), "the message %.*s was removed",
                        NK_STR_ARG(a->full)));
        else if (a->is_enum)
            NK_TRY(compare_enums(d, a, b));
        else
            NK_TRY(compare_messages(d, a, b));
        if (b && !a->is_enum) {
            size_t k = 0, at = 0;
            for (; k < r->n && r->v[k] != b; k++)
                at += !r->v[k]->is_enum && !r->v[k]->group && !r->v[k]->entry;
            if (at != place_w)
                NK_TRY(tell(d, PBR_MESSAGE_MOVED, a->full, b->full, NK_STR_NULL,
                            "the message %.*s stands at another place", NK_STR_ARG(a->full)));
        }
        place_w += !a->is_enum;
    }
    for (size_t i = 0; i < r->n; i++) {
        const pb_type *b = r->v[i];
        if (!b->group && !b->entry && !type_named(w, b->name, b->is_enum))
            NK_TRY(tell(d, b->is_enum ? PBR_ENUM_ADDED : PBR_MESSAGE_ADDED, NK_STR(""), b->full,
                        NK_STR_NULL, "the %s %.*s was added", b->is_enum ? "enum" : "message",
                        NK_STR_ARG(b->full)));
    }
    return NK_OK;
}

/* Extensions of one message in both files: fields of it, as if they stood there. */
static nk_code compare_extends(differ *d, const pb_extends *w, const pb_extends *r)
{
    for (size_t i = 0; i < w->n; i++) {
        for (size_t k = 0; k < w->v[i].fields.n; k++) {
            const pb_field *f = &w->v[i].fields.v[k];
            for (size_t q = 0; q < r->n; q++) {
                const pb_field *twin = nk_str_eq(w->v[i].type->full, r->v[q].type->full)
                                           ? by_number(&r->v[q].fields, f->number)
                                           : NULL;
                if (twin)
                    NK_TRY(compare_fields(d, w->v[i].type, r->v[q].type, f, twin));
            }
        }
    }
    return NK_OK;
}

nk_code pb_compare(const nk_protobuf *writer, const nk_protobuf *reader, nk_arena *a,
                   nk_schema_diffs *out, nk_err *err)
{
    differ d = {.a = a, .out = out, .err = err, .writer = writer, .reader = reader};
    nk_code rc = NK_OK;
    nk_map_init(&d.pairs);
    if (!nk_str_eq(writer->root->package, reader->root->package))
        rc = tell(&d, PBR_PACKAGE_CHANGED, NK_STR(""), NK_STR(""), NK_STR_NULL,
                  "the package was '%.*s' and is '%.*s'", NK_STR_ARG(writer->root->package),
                  NK_STR_ARG(reader->root->package));
    if (rc == NK_OK)
        rc = compare_types(&d, &writer->root->types, &reader->root->types);
    if (rc == NK_OK)
        rc = compare_extends(&d, &writer->root->extends, &reader->root->extends);
    nk_map_free(&d.pairs);
    return rc;
}
