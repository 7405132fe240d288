/* Values against schemas. A budget of steps bounds what a hostile schema may cost. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <pthread.h>

#include "registry/jsonschema_int.h"

/* Which children of a value some keyword has looked at: for unevaluated*. */
typedef struct seen {
    bool *mark;
    size_t n;
} seen;

static pthread_key_t block_key;
static pthread_once_t block_once = PTHREAD_ONCE_INIT;
static pcre2_match_context *limits;

static void free_block(void *block)
{
    pcre2_match_data_free(block);
}

static void once(void)
{
    pthread_key_create(&block_key, free_block);
    limits = pcre2_match_context_create(NULL);
    if (limits) {
        pcre2_set_match_limit(limits, 100000);
        pcre2_set_depth_limit(limits, 5000);
        pcre2_set_heap_limit(limits, 8192); /* KiB */
    }
}

jv_truth js_match(const js_regex *re, nk_str s)
{
    pthread_once(&block_once, once);
    pcre2_match_data *block = pthread_getspecific(block_key);
    if (!block) {
        block = pcre2_match_data_create(1, NULL);
        if (!block || pthread_setspecific(block_key, block) != 0) {
            pcre2_match_data_free(block);
            return JV_UNKNOWN;
        }
    }
    int rc = pcre2_match(re->code, (PCRE2_SPTR)(s.p ? s.p : ""), s.n, 0, PCRE2_NO_UTF_CHECK, block,
                         limits);
    return rc >= 0 ? JV_YES : rc == PCRE2_ERROR_NOMATCH ? JV_NO : JV_UNKNOWN;
}

static jv_truth no(js_checker *c, const js_node *n, const char *keyword, const nk_json *value)
{
    c->why = n;
    c->why_keyword = keyword;
    c->why_value = value;
    return JV_NO;
}

static jv_truth valid(js_checker *c, const js_node *n, const nk_json *v, seen *s);

static bool new_seen(js_checker *c, const nk_json *v, seen *out)
{
    out->n = v->count;
    out->mark = nk_arena_calloc(c->arena, v->count + 1, sizeof(bool));
    c->nomem |= !out->mark;
    return out->mark != NULL;
}

/* A schema at the same place: what it has seen counts only when the value is valid under it. */
static jv_truth in_place(js_checker *c, const js_node *n, const nk_json *v, seen *s)
{
    seen own;
    if (!s)
        return valid(c, n, v, NULL);
    if (!new_seen(c, v, &own))
        return JV_UNKNOWN;
    jv_truth t = valid(c, n, v, &own);
    for (size_t i = 0; t == JV_YES && i < own.n; i++)
        s->mark[i] |= own.mark[i];
    return t;
}

#define TRY(expr)                                                                                  \
    do {                                                                                           \
        jv_truth try_ = (expr);                                                                    \
        if (try_ != JV_YES)                                                                        \
            return try_;                                                                           \
    } while (0)

static jv_truth check_number(js_checker *c, const js_node *n, const nk_json *v)
{
    if (n->low.text.p) {
        int d = jv_num_cmp(v->text, n->low.text);
        if (d < 0 || (d == 0 && n->low.exclusive))
            return no(c, n, n->low.exclusive ? "exclusiveMinimum" : "minimum", v);
    }
    if (n->high.text.p) {
        int d = jv_num_cmp(v->text, n->high.text);
        if (d > 0 || (d == 0 && n->high.exclusive))
            return no(c, n, n->high.exclusive ? "exclusiveMaximum" : "maximum", v);
    }
    if (n->multiple_of.p) {
        jv_truth t = jv_multiple(v->text, n->multiple_of);
        return t == JV_NO ? no(c, n, "multipleOf", v) : t;
    }
    return JV_YES;
}

static bool within(const js_node *n, js_count what, size_t count)
{
    return (n->least[what] < 0 || count >= (size_t)n->least[what]) &&
           (n->most[what] < 0 || count <= (size_t)n->most[what]);
}

static jv_truth check_string(js_checker *c, const js_node *n, const nk_json *v)
{
    if ((n->least[JS_LENGTH] >= 0 || n->most[JS_LENGTH] >= 0) &&
        !within(n, JS_LENGTH, nk_utf8_len(v->text)))
        return no(c, n, n->most[JS_LENGTH] >= 0 ? "maxLength" : "minLength", v);
    if (n->pattern.code) {
        jv_truth t = js_match(&n->pattern, v->text);
        if (t != JV_YES)
            return t == JV_NO ? no(c, n, "pattern", v) : t;
    }
    /* from 2019-09 on, format only tells */
    if (n->format.p && !c->lax && n->dialect <= JS_DRAFT_07 && !js_format_ok(n->format, v->text))
        return no(c, n, "format", v);
    return JV_YES;
}

static jv_truth check_contains(js_checker *c, const js_node *n, const nk_json *v, seen *s)
{
    size_t found = 0, i = 0;
    for (const nk_json *x = v->first; x; x = x->next, i++) {
        jv_truth t = valid(c, n->contains, x, NULL);
        if (t == JV_UNKNOWN)
            return t;
        found += t == JV_YES;
        if (t == JV_YES && s && n->dialect == JS_2020_12)
            s->mark[i] = true;
    }
    size_t least = n->least[JS_CONTAINS] < 0 ? 1 : (size_t)n->least[JS_CONTAINS];
    if (found < least || (n->most[JS_CONTAINS] >= 0 && found > (size_t)n->most[JS_CONTAINS]))
        return no(c, n, "contains", v);
    return JV_YES;
}

static jv_truth check_unique(js_checker *c, const js_node *n, const nk_json *v)
{
    size_t count = 0;
    uint64_t *hashes = nk_arena_calloc(c->arena, v->count + 1, sizeof *hashes);
    if (!hashes) {
        c->nomem = true;
        return JV_UNKNOWN;
    }
    for (const nk_json *x = v->first; x; x = x->next) {
        uint64_t h = jv_hash(x);
        const nk_json *y = v->first;
        for (size_t i = 0; i < count; i++, y = y->next) {
            if (hashes[i] == h && jv_equal(x, y))
                return no(c, n, "uniqueItems", x);
        }
        if (c->steps < count)
            return JV_UNKNOWN;
        c->steps -= count / 8;
        hashes[count++] = h;
    }
    return JV_YES;
}

static jv_truth check_array(js_checker *c, const js_node *n, const nk_json *v, seen *s)
{
    if (!within(n, JS_ITEMS, v->count))
        return no(c, n, n->most[JS_ITEMS] >= 0 ? "maxItems" : "minItems", v);
    size_t i = 0;
    for (const nk_json *x = v->first; x; x = x->next, i++) {
        const js_node *item = i < n->prefix.n ? n->prefix.v[i] : n->items;
        if (!item)
            continue;
        if (s)
            s->mark[i] = true;
        TRY(valid(c, item, x, NULL));
    }
    if (n->contains)
        TRY(check_contains(c, n, v, s));
    return n->unique ? check_unique(c, n, v) : JV_YES;
}

static jv_truth check_member(js_checker *c, const js_node *n, const nk_json *m, bool *looked)
{
    bool known = false;
    const js_member *p = js_find(n->properties, n->n_properties, m->key);
    if (p) {
        known = true;
        TRY(valid(c, p->node, m, NULL));
    }
    for (size_t i = 0; i < n->n_patterns; i++) {
        jv_truth t = js_match(&n->patterns[i].re, m->key);
        if (t == JV_UNKNOWN)
            return t;
        if (t == JV_YES) {
            known = true;
            TRY(valid(c, n->patterns[i].node, m, NULL));
        }
    }
    if (!known && n->additional) {
        known = true;
        if (n->additional->is_false)
            return no(c, n, "additionalProperties", m);
        TRY(valid(c, n->additional, m, NULL));
    }
    *looked |= known;
    if (n->names) {
        nk_json name = {.kind = NK_JSON_STRING, .text = m->key};
        jv_truth t = valid(c, n->names, &name, NULL);
        if (t != JV_YES)
            return t == JV_NO ? no(c, n, "propertyNames", m) : t;
    }
    return JV_YES;
}

static jv_truth check_object(js_checker *c, const js_node *n, const nk_json *v, seen *s)
{
    if (!within(n, JS_PROPERTIES, v->count))
        return no(c, n, n->most[JS_PROPERTIES] >= 0 ? "maxProperties" : "minProperties", v);
    size_t i = 0, met = 0;
    for (const nk_json *m = v->first; m; m = m->next, i++) {
        bool looked = false;
        TRY(check_member(c, n, m, &looked));
        met += n->n_required && js_has(n->required, n->n_required, m->key);
        if (s)
            s->mark[i] |= looked;
    }
    if (met < n->n_required)
        return no(c, n, "required", v);
    for (size_t d = 0; d < n->n_depends; d++) {
        if (!nk_json_getn(v, n->depends[d].name))
            continue;
        for (size_t k = 0; k < n->depends[d].n; k++) {
            if (!nk_json_getn(v, n->depends[d].names[k]))
                return no(c, n, n->dialect >= JS_2019_09 ? "dependentRequired" : "dependencies", v);
        }
    }
    for (size_t d = 0; d < n->n_depend_schemas; d++) {
        if (nk_json_getn(v, n->depend_schemas[d].name))
            TRY(in_place(c, n->depend_schemas[d].node, v, s));
    }
    return JV_YES;
}

static jv_truth check_sum(js_checker *c, const js_node *n, const nk_json *v, seen *s)
{
    bool any = n->any_of.n == 0;
    for (size_t i = 0; i < n->any_of.n && (!any || s); i++) {
        jv_truth t = in_place(c, n->any_of.v[i], v, s);
        if (t == JV_UNKNOWN)
            return t;
        any |= t == JV_YES;
    }
    if (!any)
        return no(c, n, "anyOf", v);
    size_t met = 0;
    for (size_t i = 0; i < n->one_of.n && met < 2; i++) {
        jv_truth t = in_place(c, n->one_of.v[i], v, s);
        if (t == JV_UNKNOWN)
            return t;
        met += t == JV_YES;
    }
    return n->one_of.n && met != 1 ? no(c, n, "oneOf", v) : JV_YES;
}

static jv_truth check_combined(js_checker *c, const js_node *n, const nk_json *v, seen *s)
{
    for (size_t i = 0; i < n->all_of.n; i++)
        TRY(in_place(c, n->all_of.v[i], v, s));
    TRY(check_sum(c, n, v, s));
    if (n->no) {
        jv_truth t = valid(c, n->no, v, NULL);
        if (t != JV_NO)
            return t == JV_YES ? no(c, n, "not", v) : t;
    }
    if (n->when) {
        jv_truth t = in_place(c, n->when, v, s);
        if (t == JV_UNKNOWN)
            return t;
        const js_node *then = t == JV_YES ? n->then : n->otherwise;
        if (then)
            TRY(in_place(c, then, v, s));
    }
    return JV_YES;
}

static jv_truth check_unevaluated(js_checker *c, const js_node *n, const nk_json *v, seen *s)
{
    const js_node *rest = v->kind == NK_JSON_ARRAY    ? n->unevaluated_items
                          : v->kind == NK_JSON_OBJECT ? n->unevaluated_properties
                                                      : NULL;
    size_t i = 0;
    for (const nk_json *x = v->first; rest && x; x = x->next, i++) {
        if (s->mark[i])
            continue;
        s->mark[i] = true;
        jv_truth t = valid(c, rest, x, NULL);
        if (t != JV_YES)
            return t == JV_NO && rest->is_false
                       ? no(c, n,
                            v->kind == NK_JSON_ARRAY ? "unevaluatedItems" : "unevaluatedProperties",
                            x)
                       : t;
    }
    return JV_YES;
}

static bool one_of_enum(const js_node *n, const nk_json *v)
{
    for (const nk_json *x = n->enums->first; x; x = x->next) {
        if (jv_equal(x, v))
            return true;
    }
    return false;
}

static jv_truth check_all(js_checker *c, const js_node *n, const nk_json *v, seen *s)
{
    if (n->ref) {
        const js_node *to = n->dynamic ? js_dynamic(c->schema, n, c->scope, c->n_scope) : n->ref;
        TRY(in_place(c, to, v, s));
    }
    if (n->types != JV_ANY && !(jv_type(v) & n->types))
        return no(c, n, "type", v);
    if (n->enums && !one_of_enum(n, v))
        return no(c, n, "enum", v);
    if (n->constant && !jv_equal(n->constant, v))
        return no(c, n, "const", v);
    if (v->kind == NK_JSON_NUMBER)
        TRY(check_number(c, n, v));
    else if (v->kind == NK_JSON_STRING)
        TRY(check_string(c, n, v));
    else if (v->kind == NK_JSON_ARRAY)
        TRY(check_array(c, n, v, s));
    else if (v->kind == NK_JSON_OBJECT)
        TRY(check_object(c, n, v, s));
    TRY(check_combined(c, n, v, s));
    return n->unevaluated_items || n->unevaluated_properties ? check_unevaluated(c, n, v, s)
                                                             : JV_YES;
}

static jv_truth valid(js_checker *c, const js_node *n, const nk_json *v, seen *s)
{
    seen own;
    if (n->is_true)
        return JV_YES;
    if (n->is_false)
        return no(c, n, "", v);
    if (c->steps == 0 || c->depth > 2000)
        return JV_UNKNOWN;
    c->steps--;
    bool entered = c->schema && (c->n_scope == 0 || c->scope[c->n_scope - 1] != n->resource);
    if (entered) {
        if (c->n_scope == NK_COUNTOF(c->scope))
            entered = false;
        else
            c->scope[c->n_scope++] = n->resource;
    }
    if (!s && (n->unevaluated_items || n->unevaluated_properties)) {
        if (!new_seen(c, v, &own))
            return JV_UNKNOWN;
        s = &own;
    }
    c->depth++;
    jv_truth t = check_all(c, n, v, s);
    c->depth--;
    c->n_scope -= entered;
    return t;
}

jv_truth js_valid(js_checker *c, const js_node *node, const nk_json *value)
{
    return valid(c, node, value, NULL);
}

/* "/a/0/b": where in the document the value is. */
static bool value_path(const nk_json *at, const nk_json *wanted, nk_buf *b)
{
    size_t i = 0, mark = b->n;
    if (at == wanted)
        return true;
    for (const nk_json *x = at->first; x; x = x->next, i++) {
        if (at->kind == NK_JSON_OBJECT) {
            nk_buf_putc(b, '/');
            nk_buf_str(b, x->key);
        } else {
            nk_buf_printf(b, "/%zu", i);
        }
        if (value_path(x, wanted, b))
            return true;
        b->n = mark;
    }
    return false;
}

static nk_code explain(const js_checker *c, const nk_json *doc, nk_arena *a, nk_err *err)
{
    nk_buf at;
    nk_str path = js_path_of(a, c->why, c->why_keyword, NK_STR_NULL);
    nk_buf_init(&at, 1 << 16);
    bool found = value_path(doc, c->why_value, &at);
    nk_code rc = nk_fail(err, NK_E_INVALID, "the value at '%.*s' is not valid: %.*s refuses it",
                         found ? (int)(at.n < 400 ? at.n : 400) : 0, found && at.p ? at.p : "",
                         (int)(path.n < 600 ? path.n : 600), path.p);
    nk_buf_free(&at);
    return rc;
}

nk_code nk_jsonschema_validate(const nk_jsonschema *s, nk_str text, nk_err *err)
{
    nk_arena *a = nk_arena_create(256u << 20);
    nk_json *doc;
    js_checker c = {.arena = a, .steps = 5000000, .schema = s};
    if (!a)
        return nk_fail(err, NK_E_NOMEM, "no memory to judge a value");
    nk_code rc = nk_json_parse(text, a, 255, &doc, err);
    if (rc == NK_OK) {
        jv_truth t = js_valid(&c, s->root, doc);
        if (t == JV_NO)
            rc = explain(&c, doc, a, err);
        else if (t == JV_UNKNOWN)
            rc = c.nomem ? nk_fail(err, NK_E_NOMEM, "no memory to judge a value")
                         : nk_fail(err, NK_E_LIMIT, "judging this value costs too much");
    } else if (rc == NK_E_SERIALIZATION) {
        rc = nk_wrap(err, "the value is not JSON");
    }
    nk_arena_destroy(a);
    return rc;
}
