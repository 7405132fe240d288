/* The Protobuf row of the table of formats: files and their imports, message numbers, columns. */
#include <stdlib.h>

#include "registry/protobuf_compat_int.h"

enum { IMPORTS_DEEP = 60 };

static pb_file *loaded(const nk_protobuf *s, nk_str path)
{
    for (pb_file *f = s->files; f; f = f->next) {
        if (nk_str_eq(f->path, path))
            return f;
    }
    return NULL;
}

static nk_code load(pb_parser *p, nk_str path, nk_str text, int depth, pb_file **out);

static nk_code load_import(pb_parser *p, pb_import *i, pb_file *by, int depth)
{
    nk_str text = NK_STR_NULL;
    i->file = loaded(p->s, i->path);
    if (i->file && i->file->done)
        return NK_OK;
    p->path = by->path;
    if (i->file)
        return pb_bad(p, i->at, "'%.*s' imports itself in a circle", NK_STR_ARG(i->path));
    if (depth > IMPORTS_DEEP)
        return pb_bad(p, i->at, "imports more than %d deep", IMPORTS_DEEP);
    for (size_t k = 0; k < p->n_refs && !text.p; k++) {
        if (nk_str_eq(p->refs[k].name, i->path))
            text = p->refs[k].text;
    }
    if (!text.p)
        text = pb_known_file(i->path);
    if (!text.p)
        return pb_bad(p, i->at,
                      "'%.*s' is not among the references; register it and name it as a reference",
                      NK_STR_ARG(i->path));
    return load(p, i->path, text, depth + 1, &i->file);
}

static nk_code load(pb_parser *p, nk_str path, nk_str text, int depth, pb_file **out)
{
    pb_file *f = NK_NEW(p->a, pb_file);
    if (!f)
        return pb_no_memory(p);
    *f = (pb_file){.path = path, .next = p->s->files, .package = NK_STR("")};
    p->s->files = f;
    *out = f;
    NK_TRY(pb_read_file(p, text, f));
    for (size_t i = 0; i < f->imports.n; i++)
        NK_TRY(load_import(p, &f->imports.v[i], f, depth));
    NK_TRY(pb_link_file(p, f));
    f->done = true;
    return NK_OK;
}

static void free_map(void *map)
{
    nk_map_free(map);
}

nk_code nk_protobuf_parse(nk_str text, const nk_schema_ref *refs, size_t n_refs, nk_arena *a,
                          nk_protobuf **out, nk_err *err)
{
    nk_protobuf *s = NK_NEW(a, nk_protobuf);
    pb_parser p = {.s = s, .a = a, .err = err, .refs = refs, .n_refs = n_refs};
    if (!s)
        return pb_no_memory(&p);
    s->arena = a;
    nk_map_init(&s->symbols);
    if (nk_arena_defer(a, free_map, &s->symbols) != NK_OK)
        return pb_no_memory(&p);
    nk_code rc = load(&p, NK_STR(""), text, 0, &s->root);
    if (rc == NK_OK)
        *out = s;
    return rc;
}

/* -- messages by number -------------------------------------------------------------------------
 */

NK_LIST(pb_type_list, const pb_type *);

static bool collect(const pb_types *types, pb_type_list *out, nk_arena *a)
{
    for (size_t i = 0; i < types->n; i++) {
        if (types->v[i]->is_enum || types->v[i]->entry)
            continue; /* a map's entry counts with its field */
        const pb_type **slot = pb_type_list_add(out, a);
        if (!slot)
            return false;
        *slot = types->v[i];
        if (!collect(&types->v[i]->types, out, a))
            return false;
    }
    return true;
}

/* A map field stands for a message "FieldEntry" beside it, which counts too. */
static nk_str entry_name(nk_arena *a, const pb_type *t, const pb_field *f)
{
    nk_buf b;
    nk_buf_init(&b, 8192);
    nk_buf_printf(&b, "%.*s.", NK_STR_ARG(t->full));
    bool up = true;
    for (size_t i = 0; i < f->name.n; i++) {
        char c = f->name.p[i];
        if (c != '_')
            nk_buf_putc(&b, up && c >= 'a' && c <= 'z' ? (char)(c - 32) : c);
        up = c == '_';
    }
    nk_buf_puts(&b, "Entry");
    nk_str s = b.failed ? NK_STR_NULL : nk_buf_dup(&b, a);
    nk_buf_free(&b);
    return s;
}

static int by_name(const void *a, const void *b)
{
    return nk_str_cmp(*(const nk_str *)a, *(const nk_str *)b);
}

/* All names, sorted: a message's number is its place. */
static nk_code numbered(const nk_protobuf *s, nk_arena *a, nk_strs *names, pb_type_list *types,
                        nk_err *err)
{
    bool ok = collect(&s->root->types, types, a);
    for (size_t i = 0; ok && i < types->n; i++) {
        nk_str *slot = nk_strs_add(names, a);
        ok = slot != NULL;
        if (slot)
            *slot = types->v[i]->full;
        for (size_t k = 0; ok && k < types->v[i]->fields.n; k++) {
            if (!types->v[i]->fields.v[k].map)
                continue;
            slot = nk_strs_add(names, a);
            ok = slot != NULL;
            if (slot)
                *slot = entry_name(a, types->v[i], &types->v[i]->fields.v[k]);
            ok &= slot && slot->p;
        }
    }
    if (ok && names->n)
        qsort(names->v, names->n, sizeof *names->v, by_name);
    return ok ? NK_OK : nk_fail(err, NK_E_NOMEM, "no memory for the messages of a schema");
}

nk_code nk_protobuf_index(const nk_protobuf *s, nk_str name, uint32_t *index, nk_err *err)
{
    nk_strs names = {0};
    pb_type_list types = {0};
    size_t found = 0;
    nk_arena *a = nk_arena_create(64u << 20);
    nk_code rc = a ? numbered(s, a, &names, &types, err) : NK_E_NOMEM;
    for (size_t i = 0; rc == NK_OK && i < names.n && found != SIZE_MAX; i++) {
        if (nk_str_eq(names.v[i], name)) {
            *index = (uint32_t)i;
            found = SIZE_MAX;
        }
    }
    for (size_t i = 0; rc == NK_OK && i < names.n && found != SIZE_MAX; i++) {
        size_t n = names.v[i].n;
        if (n > name.n && names.v[i].p[n - name.n - 1] == '.' && nk_str_ends(names.v[i], name)) {
            *index = (uint32_t)i;
            found++;
        }
    }
    if (rc == NK_OK && found == 0)
        rc = nk_fail(err, NK_E_NOT_FOUND, "the schema has no message '%.*s'", NK_STR_ARG(name));
    else if (rc == NK_OK && found > 1 && found != SIZE_MAX)
        rc = nk_fail(err, NK_E_NOT_FOUND, "'%.*s' may be several messages: give its full name",
                     NK_STR_ARG(name));
    nk_arena_destroy(a);
    return rc;
}

static const pb_type *type_of(const nk_protobuf *s, uint32_t index, nk_arena *a, nk_str *name)
{
    nk_strs names = {0};
    pb_type_list types = {0};
    if (numbered(s, a, &names, &types, NULL) != NK_OK || index >= names.n)
        return NULL;
    *name = names.v[index];
    for (size_t i = 0; i < types.n; i++) {
        if (nk_str_eq(types.v[i]->full, *name)) {
            *name = types.v[i]->full; /* outlives a */
            return types.v[i];
        }
    }
    return NULL;
}

nk_str nk_protobuf_name(const nk_protobuf *s, uint32_t index)
{
    nk_str name = NK_STR_NULL;
    nk_arena *a = nk_arena_create(64u << 20);
    const pb_type *t = a ? type_of(s, index, a, &name) : NULL;
    nk_arena_destroy(a);
    return t ? name : NK_STR_NULL;
}

nk_str nk_protobuf_first(const nk_protobuf *s)
{
    for (size_t i = 0; i < s->root->types.n; i++) {
        if (!s->root->types.v[i]->is_enum)
            return s->root->types.v[i]->full;
    }
    return NK_STR_NULL;
}

/* -- messages on the wire -----------------------------------------------------------------------
 */

typedef struct wire {
    const uint8_t *p, *end;
    nk_err *err;
    int depth;
} wire;

static nk_code broken(wire *w, const pb_type *t, const char *why)
{
    return nk_fail(w->err, NK_E_INVALID, "not a message '%.*s': %s", t ? (int)t->full.n : 0,
                   t ? t->full.p : "", why);
}

static bool varint(wire *w, uint64_t *out)
{
    uint64_t v = 0;
    for (int shift = 0; shift < 70; shift += 7) {
        if (w->p == w->end)
            return false;
        uint8_t c = *w->p++;
        if (shift < 64)
            v |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80)) {
            *out = v;
            return true;
        }
    }
    return false;
}

static int wire_type(pb_kind k)
{
    switch (k) {
    case PB_DOUBLE:
    case PB_FIXED64:
    case PB_SFIXED64:
        return 1;
    case PB_FLOAT:
    case PB_FIXED32:
    case PB_SFIXED32:
        return 5;
    case PB_STRING:
    case PB_BYTES:
    case PB_MESSAGE:
        return 2;
    case PB_GROUP:
        return 3;
    default:
        return 0;
    }
}

static nk_code check_message(wire *w, const pb_type *t, int64_t end_group);

static nk_code skip(wire *w, const pb_type *t, int type, int64_t number)
{
    uint64_t n = 0;
    switch (type) {
    case 0:
        return varint(w, &n) ? NK_OK : broken(w, t, "the bytes end inside a number");
    case 1:
    case 5:
        n = type == 1 ? 8 : 4;
        break;
    case 2:
        if (!varint(w, &n))
            return broken(w, t, "the bytes end inside a length");
        break;
    case 3:
        return check_message(w, NULL, number);
    default:
        return broken(w, t, "a wire type that does not exist");
    }
    if (n > (uint64_t)(w->end - w->p))
        return broken(w, t, "the bytes end inside a field");
    w->p += n;
    return NK_OK;
}

static nk_code check_packed(wire *w, const pb_type *t, pb_kind kind, wire *in)
{
    while (in->p < in->end) {
        uint64_t v;
        int type = wire_type(kind);
        size_t n = type == 1 ? 8 : type == 5 ? 4 : 0;
        if (n ? (size_t)(in->end - in->p) < n : !varint(in, &v))
            return broken(w, t, "the bytes end inside a packed field");
        in->p += n;
    }
    return NK_OK;
}

static const pb_field *wire_field(const pb_type *t, int64_t number)
{
    for (size_t i = 0; t && i < t->fields.n; i++) {
        if (t->fields.v[i].number == number)
            return &t->fields.v[i];
    }
    return NULL;
}

static nk_code check_entry(wire *w, const pb_type *t, const pb_field *f)
{
    pb_field parts[2] = {{.number = 1, .kind = f->key, .name = NK_STR("key")},
                         {.number = 2, .kind = f->kind, .type = f->type, .name = NK_STR("value")}};
    pb_type entry = {.file = t->file, .full = t->full, .fields = {parts, 2, 2}};
    return check_message(w, &entry, -1);
}

static nk_code check_field(wire *w, const pb_type *t, const pb_field *f, int type)
{
    uint64_t n;
    if (type != 2)
        return type == 3 ? check_message(w, f->type, f->number) : skip(w, t, type, f->number);
    if (!varint(w, &n) || n > (uint64_t)(w->end - w->p))
        return broken(w, t, "the bytes end inside a field");
    wire in = {w->p, w->p + n, w->err, w->depth};
    w->p += n;
    if (f->map)
        return check_entry(&in, t, f);
    if (f->kind == PB_MESSAGE)
        return check_message(&in, f->type, -1);
    if (f->kind == PB_STRING && t->file->proto3 &&
        !nk_utf8_valid(nk_str_n((const char *)in.p, (size_t)n)))
        return nk_fail(w->err, NK_E_INVALID, "'%.*s.%.*s' is not UTF-8", NK_STR_ARG(t->full),
                       NK_STR_ARG(f->name));
    return f->kind == PB_STRING || f->kind == PB_BYTES ? NK_OK : check_packed(w, t, f->kind, &in);
}

static nk_code check_present(wire *w, const pb_type *t, const bool *met)
{
    for (size_t i = 0; t && i < t->fields.n; i++) {
        if (t->fields.v[i].label == PB_REQUIRED && !met[i < 256 ? i : 255])
            return nk_fail(w->err, NK_E_INVALID, "'%.*s.%.*s' is required and missing",
                           NK_STR_ARG(t->full), NK_STR_ARG(t->fields.v[i].name));
    }
    return NK_OK;
}

/* end_group: the number of the group that is open, -1 for a message that ends with its bytes. */
static nk_code check_message(wire *w, const pb_type *t, int64_t end_group)
{
    bool met[256] = {false};
    if (++w->depth > 100)
        return broken(w, t, "messages nested more than 100 deep");
    while (w->p < w->end) {
        uint64_t tag;
        if (!varint(w, &tag))
            return broken(w, t, "the bytes end inside a tag");
        int64_t number = (int64_t)(tag >> 3);
        int type = (int)(tag & 7);
        if (number < 1 || number > 536870911)
            return broken(w, t, "a field number that does not exist");
        if (type == 4) {
            w->depth--;
            return number == end_group ? check_present(w, t, met)
                                       : broken(w, t, "a group ends that did not begin");
        }
        const pb_field *f = wire_field(t, number);
        bool packed = f && type == 2 && f->label == PB_REPEATED && f->kind <= PB_ENUM && !f->map;
        if (f && type != (f->map ? 2 : wire_type(f->kind)) && !packed)
            return nk_fail(w->err, NK_E_INVALID,
                           "'%.*s.%.*s' is written as another type (wire type %d)",
                           NK_STR_ARG(t->full), NK_STR_ARG(f->name), type);
        if (f)
            met[(size_t)(f - t->fields.v) < 256 ? f - t->fields.v : 255] = true;
        NK_TRY(f ? check_field(w, t, f, type) : skip(w, t, type, number));
    }
    w->depth--;
    return end_group >= 0 ? broken(w, t, "the bytes end inside a group") : check_present(w, t, met);
}

nk_code nk_protobuf_validate(const nk_protobuf *s, uint32_t index, nk_str bytes, nk_err *err)
{
    nk_str name = NK_STR_NULL;
    nk_arena *a = nk_arena_create(64u << 20);
    const pb_type *t = a ? type_of(s, index, a, &name) : NULL;
    const uint8_t *p = (const uint8_t *)(bytes.p ? bytes.p : "");
    wire w = {p, p + bytes.n, err, 0};
    nk_arena_destroy(a);
    if (!t)
        return nk_fail(err, NK_E_INVALID, "the schema has no message with the number %u", index);
    return check_message(&w, t, -1);
}

/* -- the row ------------------------------------------------------------------------------------
 */

static nk_code proto_parse(nk_str text, const nk_schema_ref *refs, size_t n_refs, nk_arena *a,
                           nk_schema_doc **out, nk_err *err)
{
    nk_protobuf *s;
    NK_TRY(nk_protobuf_parse(text, refs, n_refs, a, &s, err));
    *out = (nk_schema_doc *)(void *)s;
    return NK_OK;
}

static nk_code proto_canonical(const nk_schema_doc *doc, nk_buf *out, nk_err *err)
{
    pb_print(((const nk_protobuf *)(const void *)doc)->root, out);
    return nk_buf_check(out, err);
}

static nk_code proto_compare(const nk_schema_doc *writer, const nk_schema_doc *reader, nk_arena *a,
                             nk_schema_diffs *out, nk_err *err)
{
    return pb_compare((const nk_protobuf *)(const void *)writer,
                      (const nk_protobuf *)(const void *)reader, a, out, err);
}

static nk_code proto_links(nk_str text, nk_arena *a, nk_strs *out, nk_err *err)
{
    nk_protobuf s = {.arena = a};
    pb_file f = {.path = NK_STR(""), .package = NK_STR("")};
    pb_parser p = {.s = &s, .a = a, .err = err};
    NK_TRY(pb_read_file(&p, text, &f));
    for (size_t i = 0; i < f.imports.n; i++) {
        if (pb_known_file(f.imports.v[i].path).p)
            continue;
        nk_str *slot = nk_strs_add(out, a);
        if (!slot)
            return pb_no_memory(&p);
        *slot = f.imports.v[i].path;
    }
    return NK_OK;
}

static const char *const hive_names[PB_SCALARS] = {
    "double", "float",         "int", "bigint", "bigint",  "decimal(20,0)", "int",   "bigint",
    "bigint", "decimal(20,0)", "int", "bigint", "boolean", "string",        "binary"};

/* Messages that are being written out: one inside itself cannot be, and becomes a string. */
typedef struct open_type {
    const pb_type *type;
    const struct open_type *up;
} open_type;

static void hive_type(const pb_field *f, pb_kind kind, nk_buf *b, const open_type *up);

static void hive_field(const pb_field *f, nk_buf *b, const open_type *up)
{
    if (f->map) {
        nk_buf_printf(b, "map<%s,", hive_names[f->key]);
        hive_type(f, f->kind, b, up);
        nk_buf_putc(b, '>');
    } else if (f->label == PB_REPEATED) {
        nk_buf_puts(b, "array<");
        hive_type(f, f->kind, b, up);
        nk_buf_putc(b, '>');
    } else {
        hive_type(f, f->kind, b, up);
    }
}

static void hive_type(const pb_field *f, pb_kind kind, nk_buf *b, const open_type *up)
{
    bool inside = false;
    int depth = 0;
    for (const open_type *o = up; o && kind > PB_ENUM; o = o->up, depth++)
        inside |= o->type == f->type;
    if (b->failed)
        return;
    if (kind < PB_SCALARS) {
        nk_buf_puts(b, hive_names[kind]);
    } else if (kind == PB_ENUM || inside || depth > 60 || f->type->fields.n == 0) {
        nk_buf_puts(b, "string");
    } else if (nk_str_is(f->type->full, "google.protobuf.Timestamp")) {
        nk_buf_puts(b, "timestamp");
    } else {
        open_type here = {f->type, up};
        nk_buf_puts(b, "struct<");
        for (size_t i = 0; i < f->type->fields.n && !b->failed; i++) {
            const pb_field *x = &f->type->fields.v[i];
            nk_buf_printf(b, "%s%.*s:", i ? "," : "", NK_STR_ARG(x->name));
            hive_field(x, b, &here);
        }
        nk_buf_putc(b, '>');
    }
}

static nk_code proto_columns(const nk_schema_doc *doc, nk_arena *a, nk_schema_columns *out,
                             nk_err *err)
{
    const pb_file *f = ((const nk_protobuf *)(const void *)doc)->root;
    const pb_type *t = NULL;
    for (size_t i = 0; i < f->types.n && !t; i++)
        t = f->types.v[i]->is_enum ? NULL : f->types.v[i];
    if (!t)
        return nk_fail(err, NK_E_INVALID, "the schema has no message, so it gives no columns");
    nk_buf b;
    nk_buf_init(&b, 131072);
    nk_code rc = NK_OK;
    for (size_t i = 0; i < t->fields.n && rc == NK_OK; i++) {
        nk_schema_column *c = nk_schema_columns_add(out, a);
        nk_buf_clear(&b);
        hive_field(&t->fields.v[i], &b, &(open_type){t, NULL});
        rc = nk_buf_check(&b, err);
        if (c)
            *c = (nk_schema_column){t->fields.v[i].name, nk_buf_dup(&b, a), NK_STR_NULL};
        if (rc == NK_OK && (!c || !c->type.p))
            rc = nk_fail(err, NK_E_NOMEM, "no memory for columns");
    }
    nk_buf_free(&b);
    return rc;
}

const nk_schema_format nk_schema_format_protobuf = {
    .name = {"PROTOBUF", 8},
    .rules = pb_rules,
    .n_rules = PBR_COUNT,
    .links = proto_links,
    .parse = proto_parse,
    .canonical = proto_canonical,
    .compare = proto_compare,
    .columns = proto_columns,
};
