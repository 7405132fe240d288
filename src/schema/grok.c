#include "schema/grok.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>

#define DEPTH_MAX   32
#define REGEX_MAX   ((size_t)256 << 10)
#define FIELDS_MAX  1000
#define MATCH_LIMIT 100000 /* steps a line may take */
#define HEAP_LIMIT  8192   /* KiB a line may take */

const nk_grok_pattern nk_grok_patterns[] = {
#define NK_GROK(name, regex) {#name, regex},
#include "schema/grok_patterns.def"
#undef NK_GROK
    {NULL, NULL},
};

static const struct {
    const char *name;
    nk_type_kind kind;
} types[] = {
    {"byte", NK_T_BYTE},   {"boolean", NK_T_BOOLEAN}, {"double", NK_T_DOUBLE},
    {"short", NK_T_SHORT}, {"int", NK_T_INT},         {"long", NK_T_LONG},
    {"float", NK_T_FLOAT}, {"string", NK_T_STRING},
};

typedef struct field_group {
    size_t field;
    int number; /* of the group in the expression */
} field_group;
NK_LIST(group_list, field_group);

struct nk_grok {
    nk_arena *a;
    group_list groups;
    pcre2_code *code;
    pcre2_match_context *limits;
    const nk_type *type;
};

NK_LIST(fields_list, nk_field);

typedef struct build {
    nk_arena *a;
    nk_str custom;
    nk_buf regex;
    fields_list fields;
    group_list groups;
    nk_err *err;
} build;

/* The definition among the custom lines, the last of a name counting; else the built-in one. */
static nk_str definition(const build *b, nk_str name)
{
    nk_str rest = b->custom, line, found = NK_STR_NULL;
    while (nk_str_split(&rest, '\n', &line)) {
        line = nk_str_trim(line);
        size_t n = 0;
        while (n < line.n && line.p[n] != ' ' && line.p[n] != '\t')
            n++;
        if (n < line.n && nk_str_eq(nk_str_sub(line, 0, n), name))
            found = nk_str_trim(nk_str_sub(line, n, line.n));
    }
    for (const nk_grok_pattern *p = nk_grok_patterns; !found.p && p->name; p++) {
        if (nk_str_is(name, p->name))
            found = nk_str_c(p->regex);
    }
    return found;
}

static nk_code add_group(build *b, size_t field)
{
    field_group *g = group_list_add(&b->groups, b->a);
    if (!g)
        return nk_fail(b->err, NK_E_NOMEM, "Out of memory compiling a pattern");
    *g = (field_group){.field = field};
    return NK_OK;
}

/* *kept: whether what matches is wanted. */
static nk_code add_field(build *b, nk_str name, nk_str type, bool *kept)
{
    nk_type_kind kind = NK_T_STRING;
    bool known = !type.n;
    for (size_t i = 0; i < NK_COUNTOF(types); i++) {
        if (nk_str_ieq(type, nk_str_c(types[i].name))) {
            kind = types[i].kind;
            known = true;
        }
    }
    if (!known)
        return nk_fail(
            b->err, NK_E_INVALID,
            "Grok pattern: \"%.*s\" is no type of a field; byte, boolean, double, short, "
            "int, long, float and string are",
            NK_STR_ARG(type));
    if (nk_str_is(name, "UNWANTED"))
        return NK_OK;
    *kept = true;
    for (size_t i = 0; i < b->fields.n; i++) {
        if (nk_str_eq(b->fields.v[i].name, name)) {
            if (type.n)
                b->fields.v[i].type = nk_type_scalar(kind);
            return add_group(b, i);
        }
    }
    nk_field *f = b->fields.n < FIELDS_MAX ? fields_list_add(&b->fields, b->a) : NULL;
    if (!f)
        return nk_fail(b->err, NK_E_INVALID, "Grok pattern: more than %d fields", FIELDS_MAX);
    *f = (nk_field){.name = nk_str_dup(b->a, name), .type = nk_type_scalar(kind)};
    return f->name.p ? add_group(b, b->fields.n - 1)
                     : nk_fail(b->err, NK_E_NOMEM, "Out of memory compiling a pattern");
}

static nk_code expand(build *b, nk_str text, int depth);

/* What stands between %{ and }. */
static nk_code reference(build *b, nk_str ref, int depth)
{
    nk_str rest = ref, name = NK_STR_NULL, field = NK_STR_NULL, type = NK_STR_NULL;
    (void)nk_str_split(&rest, ':', &name);
    if (rest.p)
        (void)nk_str_split(&rest, ':', &field);
    if (rest.p)
        (void)nk_str_split(&rest, ':', &type);
    if (rest.p && rest.n)
        return nk_fail(b->err, NK_E_INVALID,
                       "Grok pattern: \"%%{%.*s}\": %%{PATTERN:field:type} is the form",
                       NK_STR_ARG(ref));
    nk_str regex = definition(b, name);
    if (!regex.p)
        return nk_fail(b->err, NK_E_INVALID, "Grok pattern: there is no pattern named \"%.*s\"",
                       NK_STR_ARG(name));
    bool kept = false;
    if (field.n)
        NK_TRY(add_field(b, nk_str_trim(field), nk_str_trim(type), &kept));
    if (kept) /* named, since a pattern may have groups of its own */
        nk_buf_printf(&b->regex, "(?<nk%zu>", b->groups.n - 1);
    else
        nk_buf_puts(&b->regex, "(?:");
    NK_TRY(expand(b, regex, depth + 1));
    nk_buf_putc(&b->regex, ')');
    return NK_OK;
}

static nk_code expand(build *b, nk_str text, int depth)
{
    if (depth > DEPTH_MAX)
        return nk_fail(b->err, NK_E_INVALID,
                       "Grok pattern: patterns lead to one another more than %d deep", DEPTH_MAX);
    for (size_t i = 0; i < text.n;) {
        if (i + 2 < text.n && text.p[i] == '%' && text.p[i + 1] == '{') {
            nk_str rest = nk_str_sub(text, i + 2, text.n);
            ptrdiff_t end = nk_str_chr(rest, '}');
            if (end < 0)
                return nk_fail(b->err, NK_E_INVALID, "Grok pattern: \"%%{\" is not closed");
            NK_TRY(reference(b, nk_str_sub(rest, 0, (size_t)end), depth));
            i += (size_t)end + 3;
        } else {
            nk_buf_putc(&b->regex, text.p[i++]);
        }
        if (b->regex.failed)
            return nk_fail(b->err, NK_E_INVALID, "Grok pattern: it is too long when put together");
    }
    return NK_OK;
}

static nk_code compile(build *b, nk_grok *g)
{
    int code;
    PCRE2_SIZE at;
    nk_str regex = nk_buf_view(&b->regex);
    pcre2_compile_context *how = pcre2_compile_context_create(NULL);
    g->limits = pcre2_match_context_create(NULL);
    if (!how || !g->limits) {
        pcre2_compile_context_free(how);
        return nk_fail(b->err, NK_E_NOMEM, "Out of memory compiling a pattern");
    }
    pcre2_set_parens_nest_limit(how, 500);
    pcre2_set_match_limit(g->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(g->limits, 10000);
    pcre2_set_heap_limit(g->limits, HEAP_LIMIT);
    g->code = pcre2_compile((PCRE2_SPTR)regex.p, regex.n, PCRE2_NEVER_BACKSLASH_C, &code, &at, how);
    pcre2_compile_context_free(how);
    for (size_t i = 0; g->code && i < b->groups.n; i++) {
        char name[32];
        snprintf(name, sizeof name, "nk%zu", i);
        b->groups.v[i].number = pcre2_substring_number_from_name(g->code, (PCRE2_SPTR)name);
    }
    g->groups = b->groups;
    if (g->code)
        return NK_OK;
    PCRE2_UCHAR text[200];
    pcre2_get_error_message(code, text, sizeof text);
    return nk_fail(b->err, NK_E_INVALID, "Grok pattern: not a regular expression: %s near \"%.*s\"",
                   (const char *)text, NK_STR_ARG(nk_str_sub(regex, at > 20 ? at - 20 : 0, at)));
}

nk_code nk_grok_compile(nk_str pattern, nk_str custom, nk_grok **out, nk_err *err)
{
    nk_arena *a = nk_arena_create(64 << 20);
    nk_grok *g = a ? nk_calloc(1, sizeof *g) : NULL;
    if (!g) {
        nk_arena_destroy(a);
        return nk_fail(err, NK_E_NOMEM, "Out of memory compiling a pattern");
    }
    g->a = a;
    build b = {.a = a, .custom = custom, .err = err};
    nk_buf_init(&b.regex, REGEX_MAX);
    nk_buf_puts(&b.regex, "\\A(?:");
    nk_code rc = expand(&b, nk_str_trim(pattern), 0);
    nk_buf_puts(&b.regex, ")\\s*\\z");
    if (rc == NK_OK && b.regex.failed)
        rc = nk_fail(err, NK_E_INVALID, "Grok pattern: it is too long when put together");
    if (rc == NK_OK && !b.fields.n)
        rc = nk_fail(err, NK_E_INVALID, "Grok pattern: it names no field: %%{PATTERN:field}");
    if (rc == NK_OK)
        rc = compile(&b, g);
    if (rc == NK_OK && !(g->type = nk_type_struct(a, b.fields.v, b.fields.n)))
        rc = nk_fail(err, NK_E_NOMEM, "Out of memory compiling a pattern");
    nk_buf_free(&b.regex);
    if (rc != NK_OK) {
        nk_grok_free(g);
        return rc;
    }
    *out = g;
    return NK_OK;
}

void nk_grok_free(nk_grok *g)
{
    if (!g)
        return;
    pcre2_code_free(g->code);
    pcre2_match_context_free(g->limits);
    nk_arena_destroy(g->a);
    nk_free(g);
}

const nk_type *nk_grok_type(const nk_grok *g)
{
    return g->type;
}

bool nk_grok_match(const nk_grok *g, nk_str line)
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    if (!data)
        return false;
    int rc = pcre2_match(g->code, (PCRE2_SPTR)line.p, line.n, 0, 0, data, g->limits);
    pcre2_match_data_free(data);
    return rc >= 0;
}

/* ---- fields of a line ---- */

struct nk_grok_line {
    const nk_grok *grok;
    pcre2_match_data *data;
};

nk_grok_line *nk_grok_line_open(const nk_grok *g)
{
    nk_grok_line *l = nk_calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->grok = g;
    l->data = pcre2_match_data_create_from_pattern(g->code, NULL);
    if (l->data)
        return l;
    nk_free(l);
    return NULL;
}

void nk_grok_line_close(nk_grok_line *l)
{
    if (!l)
        return;
    pcre2_match_data_free(l->data);
    nk_free(l);
}

bool nk_grok_line_read(nk_grok_line *l, nk_str line, nk_str *values)
{
    const nk_grok *g = l->grok;
    int rc = pcre2_match(g->code, (PCRE2_SPTR)line.p, line.n, 0, 0, l->data, g->limits);
    if (rc < 0)
        return false;
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(l->data);
    for (size_t i = 0; i < g->type->nfields; i++)
        values[i] = NK_STR_NULL;
    for (size_t k = 0; k < g->groups.n; k++) {
        int number = g->groups.v[k].number;
        if (number <= 0 || number >= rc)
            continue;
        size_t from = at[2 * number], to = at[2 * number + 1];
        if (from != PCRE2_UNSET && to >= from && to <= line.n)
            values[g->groups.v[k].field] = nk_str_sub(line, from, to);
    }
    return true;
}
