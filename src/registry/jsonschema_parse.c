/* Definitions: text to js_node. Every keyword is a row of one table: in which dialects it means
 * something, and who reads it. References are resolved after all is read. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

#include "registry/jsonschema_int.h"

enum {
    D4 = 1 << JS_DRAFT_04,
    D6 = 1 << JS_DRAFT_06,
    D7 = 1 << JS_DRAFT_07,
    D19 = 1 << JS_2019_09,
    D20 = 1 << JS_2020_12,
    FROM6 = D6 | D7 | D19 | D20,
    FROM7 = D7 | D19 | D20,
    FROM19 = D19 | D20,
    ALL = D4 | FROM6,
};

static const struct {
    const char *uri, *name;
    js_dialect dialect;
} dialects[] = {
    {"http://json-schema.org/draft-04/schema", "draft-04", JS_DRAFT_04},
    {"http://json-schema.org/draft-06/schema", "draft-06", JS_DRAFT_06},
    {"http://json-schema.org/draft-07/schema", "draft-07", JS_DRAFT_07},
    {"http://json-schema.org/schema", "draft-07", JS_DRAFT_07},
    {"https://json-schema.org/draft/2019-09/schema", "2019-09", JS_2019_09},
    {"https://json-schema.org/draft/2020-12/schema", "2020-12", JS_2020_12},
};

NK_LIST(js_node_list, js_node *);

typedef struct js_anchor js_anchor;
struct js_anchor {
    nk_str name;
    js_resource *resource;
    js_node *node;
    bool dynamic;
    js_anchor *next;
};

typedef struct parser {
    nk_jsonschema *s;
    nk_arena *a;
    nk_err *err;
    js_node_list unevaluated; /* nodes with unevaluatedProperties */
    js_node_list refs;        /* nodes whose reference is still to be found */
    js_dialect dialect;       /* of the document being read */
    bool declared;            /* it says so itself */
} parser;

static nk_code compile(parser *p, const nk_json *json, js_node *parent, const char *keyword,
                       nk_str member, js_node **out);

static nk_code no_memory(parser *p)
{
    return nk_fail(p->err, NK_E_NOMEM, "no memory for the schema");
}

static void escape_put(nk_buf *b, nk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '~')
            nk_buf_puts(b, "~0");
        else if (s.p[i] == '/')
            nk_buf_puts(b, "~1");
        else
            nk_buf_putc(b, s.p[i]);
    }
}

static size_t path_put(const js_node *n, nk_buf *b)
{
    if (!n->parent) {
        nk_buf_str(b, n->resource ? n->resource->uri : NK_STR(""));
        nk_buf_putc(b, '#');
        return 0;
    }
    size_t depth = path_put(n->parent, b) + 1;
    if (n->keyword.n) {
        nk_buf_putc(b, '/');
        nk_buf_str(b, n->keyword);
    }
    if (n->member.p) {
        nk_buf_putc(b, '/');
        escape_put(b, n->member);
    }
    return depth;
}

nk_str js_path_of(nk_arena *a, const js_node *node, const char *keyword, nk_str member)
{
    nk_buf b;
    nk_buf_init(&b, 1 << 20);
    path_put(node, &b);
    if (keyword && *keyword) {
        nk_buf_putc(&b, '/');
        nk_buf_puts(&b, keyword);
    }
    if (member.p) {
        nk_buf_putc(&b, '/');
        escape_put(&b, member);
    }
    nk_str path = b.failed ? NK_STR("#") : nk_buf_dup(&b, a);
    nk_buf_free(&b);
    return path;
}

nk_str js_path(nk_arena *a, const js_node *node)
{
    return js_path_of(a, node, NULL, NK_STR_NULL);
}

static nk_code bad(parser *p, const js_node *n, const char *keyword, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static nk_code bad(parser *p, const js_node *n, const char *keyword, const char *fmt, ...)
{
    va_list ap;
    char why[512];
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    nk_str path = js_path_of(p->a, n, keyword, NK_STR_NULL);
    return nk_fail(p->err, NK_E_INVALID, "invalid JSON Schema at %.*s: %s",
                   (int)(path.n < 600 ? path.n : 600), path.p ? path.p : "#", why);
}

/* -- keywords ------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    unsigned types;
} type_names[] = {
    {"null", JV_NULL},     {"boolean", JV_BOOL},  {"integer", JV_INT | JV_IFLOAT},
    {"number", JV_NUMBER}, {"string", JV_STRING}, {"array", JV_ARRAY},
    {"object", JV_OBJECT},
};

static unsigned type_bits(const js_node *n, const nk_json *v)
{
    for (size_t i = 0; v->kind == NK_JSON_STRING && i < NK_COUNTOF(type_names); i++) {
        if (nk_str_is(v->text, type_names[i].name))
            return type_names[i].types == (JV_INT | JV_IFLOAT) && n->dialect == JS_DRAFT_04
                       ? JV_INT
                       : type_names[i].types;
    }
    return 0;
}

static nk_code read_type(parser *p, js_node *n, const char *k, const nk_json *v)
{
    static const char want[] = "a type is one of null, boolean, integer, number, string, array and "
                               "object, or an array of them";
    if (v->kind == NK_JSON_STRING) {
        n->types = type_bits(n, v);
        return n->types ? NK_OK : bad(p, n, k, "'%.*s' is no type; %s", NK_STR_ARG(v->text), want);
    }
    if (v->kind != NK_JSON_ARRAY || v->count == 0)
        return bad(p, n, k, "%s", want);
    n->types = 0;
    for (const nk_json *t = v->first; t; t = t->next) {
        unsigned bits = type_bits(n, t);
        if (!bits)
            return bad(p, n, k, "%s", want);
        if ((n->types & bits) == bits && bits != (JV_INT | JV_IFLOAT) && bits != JV_INT)
            return bad(p, n, k, "'%.*s' stands twice", NK_STR_ARG(t->text));
        n->types |= bits;
    }
    return NK_OK;
}

static nk_code read_enum(parser *p, js_node *n, const char *k, const nk_json *v)
{
    if (v->kind != NK_JSON_ARRAY || v->count == 0)
        return bad(p, n, k, "enum is an array with at least one value");
    n->enums = v;
    return NK_OK;
}

static nk_code read_const(parser *p, js_node *n, const char *k, const nk_json *v)
{
    n->constant = v;
    return NK_OK;
}

static nk_code read_limit(parser *p, js_node *n, const char *k, const nk_json *v)
{
    bool low = strstr(k, "inimum") != NULL, exclusive = k[0] == 'e';
    js_bound *b = low ? &n->low : &n->high;
    if (exclusive && (v->kind == NK_JSON_TRUE || v->kind == NK_JSON_FALSE)) {
        if (n->dialect != JS_DRAFT_04 && p->declared)
            return bad(p, n, k, "%s is a number in this dialect", k);
        const char *with = low ? "minimum" : "maximum";
        if (!nk_json_get(n->src, with))
            return bad(p, n, k, "%s stands beside %s", k, with);
        b->exclusive |= v->kind == NK_JSON_TRUE;
        return NK_OK;
    }
    if (v->kind != NK_JSON_NUMBER)
        return bad(p, n, k, "%s is a number", k);
    if (exclusive && n->dialect == JS_DRAFT_04)
        return bad(p, n, k, "%s is true or false in draft-04", k);
    int c = b->text.p ? jv_num_cmp(v->text, b->text) : 0;
    /* minimum and exclusiveMinimum may stand together: keep the tighter */
    if (b->text.p && (c == 0 ? !exclusive : low ? c < 0 : c > 0))
        return NK_OK;
    bool keep = b->exclusive && !b->text.p; /* draft-04's flag read first */
    *b = (js_bound){v->text, exclusive || keep};
    return NK_OK;
}

static nk_code read_multiple(parser *p, js_node *n, const char *k, const nk_json *v)
{
    if (v->kind != NK_JSON_NUMBER || jv_num_cmp(v->text, NK_STR("0")) <= 0)
        return bad(p, n, k, "multipleOf is a number above 0");
    n->multiple_of = v->text;
    return NK_OK;
}

static nk_code read_count(parser *p, js_node *n, const char *k, const nk_json *v)
{
    static const char *const what[JS_COUNTS] = {"Length", "Items", "Properties", "Contains"};
    double d;
    if (v->kind != NK_JSON_NUMBER || (jv_type(v) & JV_FRACTION) || !nk_str_f64(v->text, &d) ||
        d < 0)
        return bad(p, n, k, "%s is a whole number, 0 or more", k);
    for (int i = 0; i < JS_COUNTS; i++) {
        if (strcmp(k + 3, what[i]) == 0)
            (k[1] == 'i' ? n->least : n->most)[i] = d > 1e15 ? (int64_t)1e15 : (int64_t)d;
    }
    return NK_OK;
}

static void free_code(void *code)
{
    pcre2_code_free(code);
}

/* ECMA 262's expressions as PCRE2 reads them: \uXXXX, no end of line before the end. */
static nk_code read_regex(parser *p, js_node *n, const char *k, nk_str text, js_regex *out)
{
    int error = 0;
    PCRE2_SIZE at = 0;
    out->text = text;
    if (text.n > 32768)
        return bad(p, n, k, "a regular expression of %zu bytes; at most 32,768 are taken", text.n);
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)text.p, text.n,
                                     PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX |
                                         PCRE2_MATCH_UNSET_BACKREF | PCRE2_NEVER_BACKSLASH_C,
                                     &error, &at, NULL);
    if (!code) {
        PCRE2_UCHAR why[128];
        if (error == PCRE2_ERROR_NOMEMORY || error == 121)
            return no_memory(p);
        pcre2_get_error_message(error, why, sizeof why);
        return bad(p, n, k, "'%.*s' is no regular expression: %s (character %zu)",
                   (int)(text.n < 120 ? text.n : 120), text.p, (const char *)why, (size_t)at);
    }
    out->code = code;
    if (nk_arena_defer(p->a, free_code, code) != NK_OK)
        return no_memory(p);
    return NK_OK;
}

static nk_code read_pattern(parser *p, js_node *n, const char *k, const nk_json *v)
{
    if (v->kind != NK_JSON_STRING)
        return bad(p, n, k, "pattern is a string");
    return read_regex(p, n, k, v->text, &n->pattern);
}

static nk_code read_format(parser *p, js_node *n, const char *k, const nk_json *v)
{
    if (v->kind != NK_JSON_STRING)
        return bad(p, n, k, "format is a string");
    n->format = v->text;
    return NK_OK;
}

static nk_code read_unique(parser *p, js_node *n, const char *k, const nk_json *v)
{
    if (v->kind != NK_JSON_TRUE && v->kind != NK_JSON_FALSE)
        return bad(p, n, k, "uniqueItems is true or false");
    n->unique = v->kind == NK_JSON_TRUE;
    return NK_OK;
}

static nk_code read_nodes(parser *p, js_node *n, const char *k, const nk_json *v, js_nodes *out)
{
    if (v->kind != NK_JSON_ARRAY || v->count == 0)
        return bad(p, n, k, "%s is an array of at least one schema", k);
    out->v = NK_NEWN(p->a, js_node *, v->count);
    if (!out->v)
        return no_memory(p);
    for (const nk_json *x = v->first; x; x = x->next) {
        char *index = nk_arena_printf(p->a, "%zu", out->n);
        if (!index)
            return no_memory(p);
        NK_TRY(compile(p, x, n, k, nk_str_c(index), &out->v[out->n]));
        out->n++;
    }
    return NK_OK;
}

static nk_code read_combinator(parser *p, js_node *n, const char *k, const nk_json *v)
{
    return read_nodes(p, n, k, v,
                      k[0] == 'o'   ? &n->one_of
                      : k[1] == 'n' ? &n->any_of
                      : k[0] == 'a' ? &n->all_of
                                    : &n->prefix);
}

static nk_code read_items(parser *p, js_node *n, const char *k, const nk_json *v)
{
    if (v->kind == NK_JSON_ARRAY && n->dialect != JS_2020_12) {
        const nk_json *more = nk_json_get(n->src, "additionalItems");
        if (v->count)
            NK_TRY(read_nodes(p, n, k, v, &n->prefix));
        return more ? compile(p, more, n, "additionalItems", NK_STR_NULL, &n->items) : NK_OK;
    }
    return compile(p, v, n, k, NK_STR_NULL, &n->items);
}

/* Keywords whose value is one schema, and where it goes. */
static const struct {
    const char *keyword;
    size_t at;
} single[] = {
    {"contains", offsetof(js_node, contains)},
    {"unevaluatedItems", offsetof(js_node, unevaluated_items)},
    {"additionalProperties", offsetof(js_node, additional)},
    {"propertyNames", offsetof(js_node, names)},
    {"unevaluatedProperties", offsetof(js_node, unevaluated_properties)},
    {"not", offsetof(js_node, no)},
    {"if", offsetof(js_node, when)},
    {"then", offsetof(js_node, then)},
    {"else", offsetof(js_node, otherwise)},
};

static nk_code read_single(parser *p, js_node *n, const char *k, const nk_json *v)
{
    for (size_t i = 0; i < NK_COUNTOF(single); i++) {
        if (strcmp(single[i].keyword, k) == 0)
            return compile(p, v, n, k, NK_STR_NULL, (js_node **)(void *)((char *)n + single[i].at));
    }
    return NK_OK;
}

static int member_cmp(const void *a, const void *b)
{
    return nk_str_cmp(((const js_member *)a)->name, ((const js_member *)b)->name);
}
static int str_cmp(const void *a, const void *b)
{
    return nk_str_cmp(*(const nk_str *)a, *(const nk_str *)b);
}
static int depend_cmp(const void *a, const void *b)
{
    return nk_str_cmp(((const js_depend *)a)->name, ((const js_depend *)b)->name);
}

static nk_code read_members(parser *p, js_node *n, const char *k, const nk_json *v, js_member **out,
                            size_t *count)
{
    if (v->kind != NK_JSON_OBJECT)
        return bad(p, n, k, "%s is an object of schemas", k);
    *out = NK_NEWN(p->a, js_member, v->count + 1);
    if (!*out)
        return no_memory(p);
    for (const nk_json *x = v->first; x; x = x->next) {
        js_member *m = &(*out)[(*count)++];
        m->name = x->key;
        NK_TRY(compile(p, x, n, k, x->key, &m->node));
    }
    qsort(*out, *count, sizeof **out, member_cmp);
    return NK_OK;
}

static nk_code read_properties(parser *p, js_node *n, const char *k, const nk_json *v)
{
    return read_members(p, n, k, v, &n->properties, &n->n_properties);
}

static nk_code read_definitions(parser *p, js_node *n, const char *k, const nk_json *v)
{
    js_member *m;
    size_t count = 0;
    return read_members(p, n, k, v, &m, &count);
}

static nk_code read_patterns(parser *p, js_node *n, const char *k, const nk_json *v)
{
    if (v->kind != NK_JSON_OBJECT)
        return bad(p, n, k, "%s is an object of schemas", k);
    n->patterns = NK_NEWN(p->a, js_pattern, v->count + 1);
    if (!n->patterns)
        return no_memory(p);
    for (const nk_json *x = v->first; x; x = x->next) {
        js_pattern *m = &n->patterns[n->n_patterns++];
        NK_TRY(read_regex(p, n, k, x->key, &m->re));
        NK_TRY(compile(p, x, n, k, x->key, &m->node));
    }
    return NK_OK;
}

static nk_code read_names(parser *p, js_node *n, const char *k, const nk_json *v, nk_str **out,
                          size_t *count)
{
    if (v->kind != NK_JSON_ARRAY || (v->count == 0 && n->dialect == JS_DRAFT_04))
        return bad(p, n, k, "an array of property names is wanted%s",
                   n->dialect == JS_DRAFT_04 ? ", in draft-04 at least one" : "");
    *out = NK_NEWN(p->a, nk_str, v->count + 1);
    if (!*out)
        return no_memory(p);
    for (const nk_json *x = v->first; x; x = x->next) {
        if (x->kind != NK_JSON_STRING)
            return bad(p, n, k, "an array of property names holds only strings");
        (*out)[(*count)++] = x->text;
    }
    qsort(*out, *count, sizeof **out, str_cmp);
    for (size_t i = 1; i < *count; i++) {
        if (nk_str_eq((*out)[i - 1], (*out)[i]))
            return bad(p, n, k, "'%.*s' stands twice", NK_STR_ARG((*out)[i]));
    }
    return NK_OK;
}

static nk_code read_required(parser *p, js_node *n, const char *k, const nk_json *v)
{
    return read_names(p, n, k, v, &n->required, &n->n_required);
}

static nk_code read_depends(parser *p, js_node *n, const char *k, const nk_json *v)
{
    if (v->kind != NK_JSON_OBJECT)
        return bad(p, n, k, "%s is an object", k);
    bool arrays = strcmp(k, "dependentSchemas") != 0, schemas = strcmp(k, "dependentRequired") != 0;
    js_depend *d = NK_NEWN(p->a, js_depend, v->count + n->n_depends + 1);
    js_member *m = NK_NEWN(p->a, js_member, v->count + n->n_depend_schemas + 1);
    if (!d || !m)
        return no_memory(p);
    for (const nk_json *x = v->first; x; x = x->next) {
        if (arrays && x->kind == NK_JSON_ARRAY) {
            js_depend *one = &d[n->n_depends++];
            one->name = x->key;
            NK_TRY(read_names(p, n, k, x, &one->names, &one->n));
        } else if (schemas) {
            m[n->n_depend_schemas].name = x->key;
            NK_TRY(compile(p, x, n, k, x->key, &m[n->n_depend_schemas++].node));
        } else {
            return bad(p, n, k, "%s holds arrays of property names", k);
        }
    }
    /* the two keywords of later dialects are disjoint, so neither overwrites the other */
    if (n->n_depends && arrays) {
        qsort(d, n->n_depends, sizeof *d, depend_cmp);
        n->depends = d;
    }
    if (n->n_depend_schemas && schemas) {
        qsort(m, n->n_depend_schemas, sizeof *m, member_cmp);
        n->depend_schemas = m;
    }
    return NK_OK;
}

static nk_code read_ref(parser *p, js_node *n, const char *k, const nk_json *v)
{
    if (v->kind != NK_JSON_STRING)
        return bad(p, n, k, "%s is a string", k);
    if (n->ref_text.p)
        return bad(p, n, k, "only one of $ref, $dynamicRef and $recursiveRef is taken in a schema");
    n->ref_text = v->text;
    if (k[1] != 'r' || k[3] != 'f')
        n->dynamic = true;
    js_node **slot = js_node_list_add(&p->refs, p->a);
    if (!slot)
        return no_memory(p);
    *slot = n;
    return NK_OK;
}

static nk_code read_anchor(parser *p, js_node *n, const char *k, const nk_json *v)
{
    bool recursive = strcmp(k, "$recursiveAnchor") == 0;
    if (recursive ? v->kind != NK_JSON_TRUE && v->kind != NK_JSON_FALSE : v->kind != NK_JSON_STRING)
        return bad(p, n, k, recursive ? "%s is true or false" : "%s is a string", k);
    if (recursive && v->kind == NK_JSON_FALSE)
        return NK_OK;
    js_anchor *a = NK_NEW(p->a, js_anchor);
    if (!a)
        return no_memory(p);
    *a = (js_anchor){recursive ? NK_STR("") : v->text, n->resource, n,
                     recursive || strcmp(k, "$dynamicAnchor") == 0, p->s->anchors};
    p->s->anchors = a;
    return NK_OK;
}

typedef nk_code reader(parser *p, js_node *n, const char *k, const nk_json *v);
/* Sorted by name. asserts: a schema with this keyword no longer takes every value. */
static const struct keyword {
    const char *name;
    unsigned dialects;
    reader *read;
    bool asserts;
} keywords[] = {
    {"$anchor", FROM19, read_anchor, false},
    {"$defs", ALL, read_definitions, false},
    {"$dynamicAnchor", D20, read_anchor, false},
    {"$dynamicRef", D20, read_ref, true},
    {"$recursiveAnchor", D19, read_anchor, false},
    {"$recursiveRef", D19, read_ref, true},
    {"$ref", ALL, read_ref, true},
    {"additionalProperties", ALL, read_single, true},
    {"allOf", ALL, read_combinator, true},
    {"anyOf", ALL, read_combinator, true},
    {"const", FROM6, read_const, true},
    {"contains", FROM6, read_single, true},
    {"definitions", ALL, read_definitions, false},
    {"dependencies", D4 | D6 | D7, read_depends, true},
    {"dependentRequired", FROM19, read_depends, true},
    {"dependentSchemas", FROM19, read_depends, true},
    {"else", FROM7, read_single, false},
    {"enum", ALL, read_enum, true},
    {"exclusiveMaximum", ALL, read_limit, true},
    {"exclusiveMinimum", ALL, read_limit, true},
    {"format", ALL, read_format, true},
    {"if", FROM7, read_single, true},
    {"items", ALL, read_items, true},
    {"maxContains", FROM19, read_count, true},
    {"maxItems", ALL, read_count, true},
    {"maxLength", ALL, read_count, true},
    {"maxProperties", ALL, read_count, true},
    {"maximum", ALL, read_limit, true},
    {"minContains", FROM19, read_count, true},
    {"minItems", ALL, read_count, true},
    {"minLength", ALL, read_count, true},
    {"minProperties", ALL, read_count, true},
    {"minimum", ALL, read_limit, true},
    {"multipleOf", ALL, read_multiple, true},
    {"not", ALL, read_single, true},
    {"oneOf", ALL, read_combinator, true},
    {"pattern", ALL, read_pattern, true},
    {"patternProperties", ALL, read_patterns, true},
    {"prefixItems", D20, read_combinator, true},
    {"properties", ALL, read_properties, true},
    {"propertyNames", FROM6, read_single, true},
    {"required", ALL, read_required, true},
    {"then", FROM7, read_single, false},
    {"type", ALL, read_type, true},
    {"unevaluatedItems", FROM19, read_single, true},
    {"unevaluatedProperties", FROM19, read_single, true},
    {"uniqueItems", ALL, read_unique, true},
};

/* Keywords that say nothing about which values are valid: left out of the hash. */
static const char *const annotations[] = {"$comment",    "$defs",      "$schema",     "default",
                                          "definitions", "deprecated", "description", "examples",
                                          "readOnly",    "title",      "writeOnly"};

static const struct keyword *keyword_of(nk_str name)
{
    size_t lo = 0, hi = NK_COUNTOF(keywords);
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = nk_str_cmp(name, nk_str_c(keywords[mid].name));
        if (c == 0)
            return &keywords[mid];
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

/* -- addresses ------------------------------------------------------------------------------ */

static nk_str without_fragment(nk_str uri)
{
    ptrdiff_t at = nk_str_chr(uri, '#');
    return at < 0 ? uri : nk_str_sub(uri, 0, (size_t)at);
}

static size_t scheme_len(nk_str uri)
{
    size_t i = 0;
    while (i < uri.n && (((uri.p[i] | 32) >= 'a' && (uri.p[i] | 32) <= 'z') ||
                         (i && strchr("0123456789+-.", uri.p[i]))))
        i++;
    return i && i < uri.n && uri.p[i] == ':' ? i + 1 : 0;
}

/* RFC 3986 without queries: uri as seen from base. */
static nk_str resolve(nk_arena *a, nk_str base, nk_str uri)
{
    if (uri.n == 0)
        return base;
    if (scheme_len(uri) || base.n == 0)
        return uri;
    size_t scheme = scheme_len(base), root = scheme;
    if (base.n - root >= 2 && memcmp(base.p + root, "//", 2) == 0) {
        root += 2;
        while (root < base.n && base.p[root] != '/')
            root++;
    }
    if (uri.p[0] == '/')
        return nk_str_cat(a, nk_str_sub(base, 0, root), uri);
    size_t dir = base.n;
    while (dir > root && base.p[dir - 1] != '/')
        dir--;
    while (uri.n) {
        if (nk_str_starts(uri, NK_STR("./"))) {
            uri = nk_str_sub(uri, 2, uri.n);
        } else if (nk_str_starts(uri, NK_STR("../"))) {
            uri = nk_str_sub(uri, 3, uri.n);
            if (dir > root)
                dir--;
            while (dir > root && base.p[dir - 1] != '/')
                dir--;
        } else {
            break;
        }
    }
    return nk_str_cat(a, nk_str_sub(base, 0, dir), uri);
}

static nk_code new_resource(parser *p, nk_str uri, js_node *root, js_resource **out)
{
    js_resource *r = NK_NEW(p->a, js_resource);
    if (!r || (uri.n && !uri.p))
        return no_memory(p);
    *r = (js_resource){uri.p ? uri : NK_STR(""), root, root->src, NULL};
    js_resource **tail = &p->s->resources;
    while (*tail)
        tail = &(*tail)->next;
    *tail = r;
    *out = r;
    return NK_OK;
}

/* $id: a resource of its own, or in the older dialects ("#name") an anchor. */
static nk_code read_id(parser *p, js_node *n)
{
    const char *k = n->dialect == JS_DRAFT_04 ? "id" : "$id";
    const nk_json *id = nk_json_get(n->src, k);
    if (!id || (n->dialect <= JS_DRAFT_07 && nk_json_get(n->src, "$ref")))
        return NK_OK;
    if (id->kind != NK_JSON_STRING)
        return bad(p, n, k, "%s is a string", k);
    nk_str uri = without_fragment(id->text);
    if (uri.n < id->text.n && n->dialect <= JS_DRAFT_07 && id->text.n > uri.n + 1) {
        js_anchor *a = NK_NEW(p->a, js_anchor);
        if (!a)
            return no_memory(p);
        *a = (js_anchor){nk_str_sub(id->text, uri.n + 1, id->text.n), n->resource, n, false,
                         p->s->anchors};
        p->s->anchors = a;
    }
    if (uri.n == 0)
        return NK_OK;
    uri = resolve(p->a, n->resource->uri, uri);
    if (!n->parent && n->resource->root == n && n->resource->uri.n == 0) {
        n->resource->uri = uri;
        return NK_OK;
    }
    return new_resource(p, uri, n, &n->resource);
}

/* -- one schema ----------------------------------------------------------------------------- */

static uint64_t fold(uint64_t h, uint64_t x)
{
    h = (h ^ x) * 0xff51afd7ed558ccdu;
    return h ^ h >> 29;
}

static bool annotates(nk_str name)
{
    for (size_t i = 0; i < NK_COUNTOF(annotations); i++) {
        if (nk_str_is(name, annotations[i]))
            return true;
    }
    return false;
}

/* Of the text, annotations left out wherever a schema stands; good enough to find equals fast. */
static void hash_node(js_node *n)
{
    if (n->src->kind != NK_JSON_OBJECT) {
        n->hash = jv_hash(n->src);
        return;
    }
    uint64_t sum = (uint64_t)n->dialect;
    for (const nk_json *x = n->src->first; x; x = x->next) {
        if (!annotates(x->key))
            sum += fold(nk_hash64(x->key.p, x->key.n, 5), jv_hash(x));
    }
    n->hash = fold(sum, 77);
}

bool js_same_text(const nk_json *a, const nk_json *b)
{
    size_t n = 0;
    if (a->kind != NK_JSON_OBJECT || b->kind != NK_JSON_OBJECT)
        return jv_equal(a, b);
    for (const nk_json *x = a->first; x; x = x->next) {
        if (annotates(x->key))
            continue;
        const nk_json *y = nk_json_getn(b, x->key);
        if (!y || !jv_equal(x, y))
            return false;
        n++;
    }
    for (const nk_json *y = b->first; y; y = y->next)
        n -= !annotates(y->key);
    return n == 0;
}

static nk_code compile_object(parser *p, js_node *n)
{
    const nk_json *ref = nk_json_get(n->src, "$ref");
    bool only_ref = ref && n->dialect <= JS_DRAFT_07;
    bool constrained = false;
    for (const nk_json *x = n->src->first; x; x = x->next) {
        const struct keyword *k = keyword_of(x->key);
        if (!k || !(k->dialects & 1u << n->dialect))
            continue;
        if (only_ref && k->read != read_definitions && k->read != read_ref)
            continue;
        NK_TRY(k->read(p, n, k->name, x));
        constrained |= k->asserts;
    }
    n->is_true = !constrained;
    if (n->then == NULL && n->otherwise == NULL)
        n->when = NULL;
    return NK_OK;
}

static void mark_ref(js_node *n)
{
    for (; n && !n->has_ref; n = n->parent)
        n->has_ref = true;
}

static nk_code compile(parser *p, const nk_json *json, js_node *parent, const char *keyword,
                       nk_str member, js_node **out)
{
    js_node *n = NK_NEW(p->a, js_node);
    if (!n)
        return no_memory(p);
    *n = (js_node){.src = json,
                   .parent = parent,
                   .keyword = nk_str_c(keyword),
                   .member = member,
                   .resource = parent ? parent->resource : NULL,
                   .id = p->s->nodes++,
                   .dialect = p->dialect,
                   .types = JV_ANY};
    for (int i = 0; i < JS_COUNTS; i++)
        n->least[i] = n->most[i] = -1;
    *out = n;
    if (!n->resource)
        NK_TRY(new_resource(p, NK_STR(""), n, &n->resource));
    if (nk_map_put(&p->s->by_json, nk_str_n((const char *)&n->src, sizeof n->src), n, NULL) !=
        NK_OK)
        return no_memory(p);
    if ((json->kind == NK_JSON_TRUE || json->kind == NK_JSON_FALSE) && p->dialect != JS_DRAFT_04) {
        n->is_true = json->kind == NK_JSON_TRUE;
        n->is_false = !n->is_true;
    } else if ((json->kind == NK_JSON_TRUE || json->kind == NK_JSON_FALSE) &&
               (strcmp(keyword, "additionalProperties") == 0 ||
                strcmp(keyword, "additionalItems") == 0)) {
        n->is_true = json->kind == NK_JSON_TRUE;
        n->is_false = !n->is_true;
    } else if (json->kind == NK_JSON_OBJECT) {
        NK_TRY(read_id(p, n));
        NK_TRY(compile_object(p, n));
    } else {
        return bad(p, n, NULL, "a schema is an object%s",
                   p->dialect == JS_DRAFT_04 ? "" : ", true or false");
    }
    hash_node(n);
    if (n->ref_text.p)
        mark_ref(n);
    if (n->unevaluated_properties) {
        js_node **slot = js_node_list_add(&p->unevaluated, p->a);
        if (!slot)
            return no_memory(p);
        *slot = n;
    }
    return NK_OK;
}

/* -- references ----------------------------------------------------------------------------- */

/* "a~1b%25" -> "a/b%" */
static nk_str pointer_token(nk_arena *a, nk_str s)
{
    char *out = nk_arena_bytes(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < s.n; i++) {
        char c = s.p[i];
        if (c == '%' && i + 2 < s.n + 0 && strchr("0123456789abcdefABCDEF", s.p[i + 1]) &&
            strchr("0123456789abcdefABCDEF", s.p[i + 2])) {
            char hex[3] = {s.p[i + 1], s.p[i + 2], 0};
            c = (char)strtol(hex, NULL, 16);
            i += 2;
        }
        if (c == '~' && i + 1 < s.n && (s.p[i + 1] == '0' || s.p[i + 1] == '1'))
            c = s.p[++i] == '0' ? '~' : '/';
        out[n++] = c;
    }
    return nk_str_n(out, n);
}

static nk_code follow_pointer(parser *p, const js_node *from, js_resource *r, nk_str pointer,
                              js_node **out)
{
    const nk_json *at = r->json;
    js_node *above = r->root;
    nk_str rest = nk_str_sub(pointer, 1, pointer.n), raw;
    nk_str last = NK_STR_NULL;
    size_t left = rest.n + 1;
    while (at && left) {
        ptrdiff_t slash = nk_str_chr(rest, '/');
        raw = slash < 0 ? rest : nk_str_sub(rest, 0, (size_t)slash);
        rest = slash < 0 ? NK_STR("") : nk_str_sub(rest, (size_t)slash + 1, rest.n);
        left = slash < 0 ? 0 : rest.n + 1;
        nk_str token = pointer_token(p->a, raw);
        if (!token.p)
            return no_memory(p);
        int64_t index;
        if (at->kind == NK_JSON_OBJECT)
            at = nk_json_getn(at, token);
        else if (at->kind == NK_JSON_ARRAY && nk_str_i64(token, &index) && index >= 0)
            at = nk_json_at(at, (size_t)index);
        else
            at = NULL;
        js_node *known =
            at ? nk_map_get(&p->s->by_json, nk_str_n((const char *)&at, sizeof at)) : NULL;
        if (known)
            above = known;
        last = token;
    }
    if (!at)
        return bad(p, from, "$ref", "nothing lies at '%.*s'", NK_STR_ARG(from->ref_text));
    *out = nk_map_get(&p->s->by_json, nk_str_n((const char *)&at, sizeof at));
    if (*out)
        return NK_OK;
    /* a schema under a keyword of the writer's own */
    p->dialect = above->dialect;
    return compile(p, at, above, "", last, out);
}

static js_resource *find_resource(const nk_jsonschema *s, nk_str uri)
{
    for (js_resource *r = s->resources; r; r = r->next) {
        if (nk_str_eq(r->uri, uri))
            return r;
    }
    return NULL;
}

static nk_code resolve_ref(parser *p, js_node *n)
{
    nk_str uri = without_fragment(n->ref_text);
    nk_str fragment =
        uri.n < n->ref_text.n ? nk_str_sub(n->ref_text, uri.n + 1, n->ref_text.n) : NK_STR("");
    js_resource *r = n->resource;
    if (uri.n) {
        nk_str full = resolve(p->a, n->resource->uri, uri);
        if (!full.p)
            return no_memory(p);
        r = find_resource(p->s, full);
        if (!r)
            r = find_resource(p->s, uri);
        if (!r)
            return bad(p, n, "$ref",
                       "'%.*s' is neither in this definition nor among its references; register it "
                       "and name it as a reference",
                       NK_STR_ARG(uri));
    }
    if (fragment.n == 0) {
        n->ref = r->root;
    } else if (fragment.p[0] == '/') {
        NK_TRY(follow_pointer(p, n, r, fragment, &n->ref));
    } else {
        for (js_anchor *a = p->s->anchors; a && !n->ref; a = a->next) {
            if (a->resource == r && nk_str_eq(a->name, fragment))
                n->ref = a->node;
        }
    }
    if (!n->ref)
        return bad(p, n, "$ref", "no anchor '%.*s'", NK_STR_ARG(fragment));
    /* it stays dynamic only where a dynamic anchor of that name is what it leads to */
    bool dynamic = false;
    for (js_anchor *a = p->s->anchors; a && n->dynamic && !dynamic; a = a->next)
        dynamic = a->node == n->ref && a->dynamic &&
                  nk_str_eq(a->name, n->dialect == JS_2019_09 ? NK_STR("") : fragment);
    n->dynamic = dynamic;
    p->s->dynamic |= dynamic;
    n->anchor = n->dialect == JS_2019_09 ? NK_STR("") : fragment;
    return NK_OK;
}

/* Does a schema contain itself at the same place, so that no value could ever be judged? */
static bool loops(js_node *n, unsigned depth)
{
    if (!n || n->visited)
        return false;
    if (n->same_place || depth > 3000)
        return true;
    n->same_place = true;
    js_nodes groups[] = {n->all_of, n->any_of, n->one_of};
    js_node *one[] = {n->ref, n->no, n->when, n->then, n->otherwise};
    bool found = false;
    for (size_t g = 0; g < NK_COUNTOF(groups) && !found; g++) {
        for (size_t i = 0; i < groups[g].n && !found; i++)
            found = loops(groups[g].v[i], depth + 1);
    }
    for (size_t i = 0; i < NK_COUNTOF(one) && !found; i++)
        found = loops(one[i], depth + 1);
    for (size_t i = 0; i < n->n_depend_schemas && !found; i++)
        found = loops(n->depend_schemas[i].node, depth + 1);
    n->same_place = false;
    n->visited = !found;
    return found;
}

/* Every schema that may look at the members of the same value. */
static nk_code same_value(parser *p, js_node *n, js_node_list *out, bool *open)
{
    if (!n || *open)
        return NK_OK;
    for (size_t i = 0; i < out->n; i++) {
        if (out->v[i] == n)
            return NK_OK;
    }
    if (out->n > 500 || (out->n && (n->additional || n->unevaluated_properties)) || n->dynamic ||
        n->additional) {
        *open = true;
        return NK_OK;
    }
    js_node **slot = js_node_list_add(out, p->a);
    if (!slot)
        return no_memory(p);
    *slot = n;
    js_nodes groups[] = {n->all_of, n->any_of, n->one_of};
    js_node *one[] = {n->ref, n->when, n->then, n->otherwise};
    for (size_t g = 0; g < NK_COUNTOF(groups); g++) {
        for (size_t i = 0; i < groups[g].n; i++)
            NK_TRY(same_value(p, groups[g].v[i], out, open));
    }
    for (size_t i = 0; i < NK_COUNTOF(one); i++)
        NK_TRY(same_value(p, one[i], out, open));
    for (size_t i = 0; i < n->n_depend_schemas; i++)
        NK_TRY(same_value(p, n->depend_schemas[i].node, out, open));
    return NK_OK;
}

/* n->closed: see there. The names mentioned stay free in it; where they are mentioned says more. */
static nk_code close_node(parser *p, js_node *n)
{
    js_node_list all = {0};
    bool open = false;
    size_t names = 0, patterns = 0;
    NK_TRY(same_value(p, n, &all, &open));
    if (open)
        return NK_OK;
    for (size_t i = 0; i < all.n; i++) {
        names += all.v[i]->n_properties;
        patterns += all.v[i]->n_patterns;
    }
    js_node *c = NK_NEW(p->a, js_node), *anything = NK_NEW(p->a, js_node);
    if (!c || !anything)
        return no_memory(p);
    *c = (js_node){.src = n->src,
                   .parent = n->parent,
                   .keyword = n->keyword,
                   .member = n->member,
                   .resource = n->resource,
                   .dialect = n->dialect,
                   .types = JV_ANY,
                   .has_ref = true,
                   .made = true,
                   .additional = n->unevaluated_properties};
    *anything = (js_node){.src = n->src, .resource = n->resource, .is_true = true, .types = JV_ANY};
    for (int i = 0; i < JS_COUNTS; i++)
        c->least[i] = c->most[i] = -1;
    c->properties = NK_NEWN(p->a, js_member, names + 1);
    c->patterns = NK_NEWN(p->a, js_pattern, patterns + 1);
    if (!c->properties || !c->patterns)
        return no_memory(p);
    for (size_t i = 0; i < all.n; i++) {
        for (size_t k = 0; k < all.v[i]->n_properties; k++)
            c->properties[c->n_properties++] = (js_member){all.v[i]->properties[k].name, anything};
        for (size_t k = 0; k < all.v[i]->n_patterns; k++)
            c->patterns[c->n_patterns++] = (js_pattern){all.v[i]->patterns[k].re, anything};
    }
    qsort(c->properties, c->n_properties, sizeof *c->properties, member_cmp);
    n->closed = c;
    return NK_OK;
}

/* -- documents ------------------------------------------------------------------------------ */

static int key_cmp(const void *a, const void *b)
{
    return nk_str_cmp(*(const nk_str *)a, *(const nk_str *)b);
}

static nk_code refuse_twins(parser *p, const nk_json *v)
{
    if (v->kind == NK_JSON_OBJECT && v->count > 1) {
        nk_str *keys = nk_calloc(v->count, sizeof *keys);
        size_t n = 0, twin = 0;
        if (!keys)
            return no_memory(p);
        for (const nk_json *x = v->first; x; x = x->next)
            keys[n++] = x->key;
        qsort(keys, n, sizeof *keys, key_cmp);
        for (size_t i = 1; i < n && !twin; i++)
            twin = nk_str_eq(keys[i - 1], keys[i]) ? i : 0;
        nk_str name = twin ? keys[twin] : NK_STR_NULL;
        nk_free(keys);
        if (twin)
            return nk_fail(p->err, NK_E_INVALID,
                           "invalid JSON Schema: the member '%.*s' stands twice in an object",
                           (int)(name.n < 200 ? name.n : 200), name.p);
    }
    for (const nk_json *x = v->first; x; x = x->next)
        NK_TRY(refuse_twins(p, x));
    return NK_OK;
}

static nk_code read_dialect(parser *p, const nk_json *json)
{
    const nk_json *at = nk_json_get(json, "$schema");
    p->dialect = JS_DRAFT_07;
    p->declared = at != NULL;
    if (!at)
        return NK_OK;
    nk_str uri = at->kind == NK_JSON_STRING ? at->text : NK_STR("");
    if (uri.n && uri.p[uri.n - 1] == '#')
        uri.n--;
    for (size_t i = 0; i < NK_COUNTOF(dialects); i++) {
        nk_str known = nk_str_c(dialects[i].uri);
        /* http and https are both written for each */
        nk_str bare = nk_str_sub(known, (size_t)nk_str_chr(known, ':'), known.n);
        if (nk_str_ends(uri, bare) && nk_str_starts(uri, NK_STR("http"))) {
            p->dialect = dialects[i].dialect;
            return NK_OK;
        }
    }
    return nk_fail(p->err, NK_E_INVALID,
                   "invalid JSON Schema at #/$schema: '%.*s' is no dialect that is known; they are "
                   "draft-04, draft-06, draft-07, 2019-09 and 2020-12",
                   NK_STR_ARG(uri));
}

static nk_code read_document(parser *p, nk_str text, nk_str name, js_node **root)
{
    nk_json *json;
    nk_code rc = nk_json_parse(text, p->a, 255, &json, p->err);
    if (rc == NK_E_SERIALIZATION || rc == NK_E_LIMIT) {
        if (p->err)
            p->err->code = NK_E_INVALID;
        (void)nk_wrap(p->err, "invalid JSON Schema");
        return NK_E_INVALID;
    }
    if (rc != NK_OK)
        return rc;
    NK_TRY(refuse_twins(p, json));
    NK_TRY(read_dialect(p, json));
    NK_TRY(compile(p, json, NULL, "", NK_STR_NULL, root));
    if (name.n && !nk_str_eq((*root)->resource->uri, name)) {
        js_resource *alias;
        return new_resource(p, name, *root, &alias);
    }
    return NK_OK;
}

static void free_map(void *map)
{
    nk_map_free(map);
}

nk_code nk_jsonschema_parse(nk_str text, const nk_schema_ref *refs, size_t n_refs, nk_arena *a,
                            nk_jsonschema **out, nk_err *err)
{
    nk_jsonschema *s = NK_NEW(a, nk_jsonschema);
    parser p = {.s = s, .a = a, .err = err};
    if (!s)
        return no_memory(&p);
    s->arena = a;
    nk_map_init(&s->by_json);
    if (nk_arena_defer(a, free_map, &s->by_json) != NK_OK)
        return no_memory(&p);
    NK_TRY(read_document(&p, text, NK_STR(""), &s->root));
    s->json = s->root->src;
    s->dialect = s->root->dialect;
    for (size_t i = 0; i < n_refs; i++) {
        js_node *root;
        nk_code rc = read_document(&p, refs[i].text, refs[i].name, &root);
        if (rc != NK_OK)
            return nk_wrap(err, "reference '%.*s'", NK_STR_ARG(refs[i].name));
    }
    for (size_t i = 0; i < p.refs.n; i++) {
        NK_TRY(resolve_ref(&p, p.refs.v[i]));
        mark_ref(p.refs.v[i]);
    }
    for (size_t i = 0; i < p.refs.n; i++) {
        if (loops(p.refs.v[i], 0))
            return bad(&p, p.refs.v[i], "$ref", "the schema refers to itself without going down");
    }
    for (size_t i = 0; i < p.unevaluated.n; i++)
        NK_TRY(close_node(&p, p.unevaluated.v[i]));
    s->n_refs = n_refs;
    *out = s;
    return NK_OK;
}

const char *nk_jsonschema_dialect(const nk_jsonschema *s)
{
    for (size_t i = 0; i < NK_COUNTOF(dialects); i++) {
        if (dialects[i].dialect == s->dialect)
            return dialects[i].name;
    }
    return "";
}

nk_code nk_jsonschema_canonical(const nk_jsonschema *s, nk_buf *out, nk_err *err)
{
    jv_canonical(out, s->json);
    return nk_buf_check(out, err);
}

js_node *js_dynamic(const nk_jsonschema *s, const js_node *n, js_resource *const *scope,
                    size_t depth)
{
    for (size_t i = 0; i < depth; i++) {
        for (const js_anchor *a = s->anchors; a; a = a->next) {
            if (a->dynamic && a->resource == scope[i] && nk_str_eq(a->name, n->anchor))
                return a->node;
        }
    }
    return n->ref;
}

const js_member *js_find(const js_member *v, size_t n, nk_str name)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = nk_str_cmp(name, v[mid].name);
        if (c == 0)
            return &v[mid];
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

bool js_has(const nk_str *v, size_t n, nk_str name)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = nk_str_cmp(name, v[mid]);
        if (c == 0)
            return true;
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return false;
}

const js_depend *js_depend_of(const js_node *node, nk_str name)
{
    for (size_t i = 0; i < node->n_depends; i++) {
        if (nk_str_eq(node->depends[i].name, name))
            return &node->depends[i];
    }
    return NULL;
}
