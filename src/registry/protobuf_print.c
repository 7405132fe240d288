/* The canonical text: no comments, one statement a line, types by their full names, imports and
 * reserved numbers in order. Fields and messages keep the order that they have. */
#include <stdlib.h>

#include "registry/protobuf_int.h"

static void indent(nk_buf *b, int depth)
{
    while (depth--)
        nk_buf_putc(b, ' ');
}

static void options(nk_buf *b, const pb_options *o)
{
    for (size_t i = 0; i < o->n; i++)
        nk_buf_printf(b, "%s%.*s=%.*s", i ? "," : " [", NK_STR_ARG(o->v[i].name),
                      NK_STR_ARG(o->v[i].value));
    if (o->n)
        nk_buf_putc(b, ']');
}

static void option_lines(nk_buf *b, const pb_options *o, int depth)
{
    for (size_t i = 0; i < o->n; i++) {
        indent(b, depth);
        nk_buf_printf(b, "option %.*s = %.*s;\n", NK_STR_ARG(o->v[i].name),
                      NK_STR_ARG(o->v[i].value));
    }
}

static void quoted(nk_buf *b, nk_str s)
{
    nk_buf_putc(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\')
            nk_buf_printf(b, "\\%c", c);
        else if (c < ' ' || c == 127)
            nk_buf_printf(b, "\\%03o", c);
        else
            nk_buf_putc(b, (char)c);
    }
    nk_buf_putc(b, '"');
}

static int range_cmp(const void *a, const void *b)
{
    const pb_range *x = a, *y = b;
    return x->from < y->from ? -1 : x->from > y->from;
}
static int name_cmp(const void *a, const void *b)
{
    return nk_str_cmp(*(const nk_str *)a, *(const nk_str *)b);
}
static int import_cmp(const void *a, const void *b)
{
    return nk_str_cmp(((const pb_import *)a)->path, ((const pb_import *)b)->path);
}

/* A sorted copy of n things of a size; NULL (and the buffer failed) when memory is gone. */
static void *sorted(nk_buf *b, const void *v, size_t n, size_t size,
                    int (*cmp)(const void *, const void *))
{
    void *copy = nk_calloc(n ? n : 1, size);
    if (!copy) {
        nk_buf_fail(b, NK_E_NOMEM);
        return NULL;
    }
    if (n) {
        memcpy(copy, v, n * size);
        qsort(copy, n, size, cmp);
    }
    return copy;
}

static void ranges(nk_buf *b, const char *word, const pb_ranges *r, int64_t most, int depth)
{
    if (r->n == 0)
        return;
    pb_range *v = sorted(b, r->v, r->n, sizeof *v, range_cmp);
    indent(b, depth);
    for (size_t i = 0; v && i < r->n; i++) {
        nk_buf_printf(b, "%s %lld", i ? "," : word, (long long)v[i].from);
        if (v[i].to == most && v[i].from != most)
            nk_buf_puts(b, " to max");
        else if (v[i].to != v[i].from)
            nk_buf_printf(b, " to %lld", (long long)v[i].to);
    }
    nk_free(v);
}

static void reserved(nk_buf *b, const pb_type *t, int depth)
{
    ranges(b, "reserved", &t->reserved, t->is_enum ? INT32_MAX : 536870911, depth);
    if (t->reserved.n)
        nk_buf_puts(b, ";\n");
    if (t->reserved_names.n == 0)
        return;
    nk_str *v = sorted(b, t->reserved_names.v, t->reserved_names.n, sizeof *v, name_cmp);
    indent(b, depth);
    for (size_t i = 0; v && i < t->reserved_names.n; i++) {
        nk_buf_puts(b, i ? ", " : "reserved ");
        quoted(b, v[i]);
    }
    nk_buf_puts(b, ";\n");
    nk_free(v);
}

static void type_text(nk_buf *b, const pb_type *t, int depth);
static void body(nk_buf *b, const pb_type *t, int depth);

static void type_name(nk_buf *b, const pb_field *f)
{
    if (f->kind < PB_SCALARS)
        nk_buf_puts(b, pb_scalar_names[f->kind]);
    else if (f->type)
        nk_buf_printf(b, ".%.*s", NK_STR_ARG(f->type->full));
    else
        nk_buf_str(b, f->type_name);
}

static void field(nk_buf *b, const pb_field *f, int depth)
{
    static const char *const labels[] = {"", "optional ", "required ", "repeated "};
    indent(b, depth);
    if (!f->map)
        nk_buf_puts(b, labels[f->label]);
    if (f->kind == PB_GROUP) {
        nk_buf_printf(b, "group %.*s = %lld", NK_STR_ARG(f->type_name), (long long)f->number);
        options(b, &f->options);
        nk_buf_puts(b, " {\n");
        body(b, f->type, depth + 1);
        indent(b, depth);
        nk_buf_puts(b, "}\n");
        return;
    }
    if (f->map)
        nk_buf_printf(b, "map<%s, ", pb_scalar_names[f->key]);
    type_name(b, f);
    nk_buf_printf(b, "%s %.*s = %lld", f->map ? ">" : "", NK_STR_ARG(f->name),
                  (long long)f->number);
    options(b, &f->options);
    nk_buf_puts(b, ";\n");
}

static void extends(nk_buf *b, const pb_extends *list, int depth)
{
    for (size_t i = 0; i < list->n; i++) {
        const pb_extend *x = &list->v[i];
        indent(b, depth);
        if (x->type)
            nk_buf_printf(b, "extend .%.*s {\n", NK_STR_ARG(x->type->full));
        else
            nk_buf_printf(b, "extend %.*s {\n", NK_STR_ARG(x->type_name));
        for (size_t k = 0; k < x->fields.n; k++)
            field(b, &x->fields.v[k], depth + 1);
        indent(b, depth);
        nk_buf_puts(b, "}\n");
    }
}

static void fields(nk_buf *b, const pb_type *t, int depth)
{
    for (size_t i = 0; i < t->fields.n; i++) {
        const pb_field *f = &t->fields.v[i];
        if (f->oneof < 0) {
            field(b, f, depth);
            continue;
        }
        if (i && t->fields.v[i - 1].oneof == f->oneof)
            continue; /* with its first */
        indent(b, depth);
        nk_buf_printf(b, "oneof %.*s {\n", NK_STR_ARG(t->oneofs.v[f->oneof].name));
        option_lines(b, &t->oneofs.v[f->oneof].options, depth + 1);
        for (size_t k = i; k < t->fields.n && t->fields.v[k].oneof == f->oneof; k++)
            field(b, &t->fields.v[k], depth + 1);
        indent(b, depth);
        nk_buf_puts(b, "}\n");
    }
}

static void body(nk_buf *b, const pb_type *t, int depth)
{
    option_lines(b, &t->options, depth);
    reserved(b, t, depth);
    ranges(b, "extensions", &t->extensions, 536870911, depth);
    if (t->extensions.n) {
        options(b, &t->extension_options);
        nk_buf_puts(b, ";\n");
    }
    fields(b, t, depth);
    for (size_t i = 0; i < t->values.n; i++) {
        indent(b, depth);
        nk_buf_printf(b, "%.*s = %lld", NK_STR_ARG(t->values.v[i].name),
                      (long long)t->values.v[i].number);
        options(b, &t->values.v[i].options);
        nk_buf_puts(b, ";\n");
    }
    for (size_t i = 0; i < t->types.n; i++)
        type_text(b, t->types.v[i], depth);
    extends(b, &t->extends, depth);
}

static void type_text(nk_buf *b, const pb_type *t, int depth)
{
    if (t->group || t->entry)
        return; /* with its field */
    indent(b, depth);
    nk_buf_printf(b, "%s %.*s {\n", t->is_enum ? "enum" : "message", NK_STR_ARG(t->name));
    body(b, t, depth + 1);
    indent(b, depth);
    nk_buf_puts(b, "}\n");
}

static void service(nk_buf *b, const pb_service *s)
{
    nk_buf_printf(b, "service %.*s {\n", NK_STR_ARG(s->name));
    option_lines(b, &s->options, 1);
    for (size_t i = 0; i < s->methods.n; i++) {
        const pb_method *m = &s->methods.v[i];
        nk_buf_printf(b, " rpc %.*s (%s%.*s) returns (%s%.*s)", NK_STR_ARG(m->name),
                      m->input_stream ? "stream " : "", NK_STR_ARG(m->input),
                      m->output_stream ? "stream " : "", NK_STR_ARG(m->output));
        if (m->options.n) {
            nk_buf_puts(b, " {\n");
            option_lines(b, &m->options, 2);
            nk_buf_puts(b, " }\n");
        } else {
            nk_buf_puts(b, ";\n");
        }
    }
    nk_buf_puts(b, "}\n");
}

void pb_print(const pb_file *f, nk_buf *b)
{
    nk_buf_printf(b, "syntax = \"%s\";\n", f->proto3 ? "proto3" : "proto2");
    if (f->package.n)
        nk_buf_printf(b, "package %.*s;\n", NK_STR_ARG(f->package));
    pb_import *imports = sorted(b, f->imports.v, f->imports.n, sizeof *imports, import_cmp);
    for (size_t i = 0; imports && i < f->imports.n; i++) {
        nk_buf_printf(b, "import %.*s%s", NK_STR_ARG(imports[i].how), imports[i].how.n ? " " : "");
        quoted(b, imports[i].path);
        nk_buf_puts(b, ";\n");
    }
    nk_free(imports);
    option_lines(b, &f->options, 0);
    for (size_t i = 0; i < f->types.n; i++)
        type_text(b, f->types.v[i], 0);
    extends(b, &f->extends, 0);
    for (size_t i = 0; i < f->services.n; i++)
        service(b, &f->services.v[i]);
}
