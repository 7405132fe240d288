/* Tables of what a contract may hold; copies without nulls; merging by name. */
#include <stdio.h>

#include "registry/contract.h"
#include "registry/jsonvalue_int.h"
#include "registry/subjects.h"

enum { RULE_NAME_MAX = 64, ITEMS_MAX = 1000 };

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

/* ---- what may stand where ---- */

typedef enum { TEXT, FLAG, ONE_OF, TEXTS, MAP_OF_TEXT, MAP_OF_TEXTS, RULES } shape;

typedef struct member {
    const char *name;
    shape shape;
    const char *values; /* ONE_OF: with a space on both sides of each */
} member;

static const member metadata_members[] = {
    {"tags", MAP_OF_TEXTS, NULL},
    {"properties", MAP_OF_TEXT, NULL},
    {"sensitive", TEXTS, NULL},
    {NULL, TEXT, NULL},
};
static const member rule_set_members[] = {
    {"migrationRules", RULES, " UPGRADE DOWNGRADE UPDOWN "},
    {"domainRules", RULES, " WRITE READ WRITEREAD "},
    {"encodingRules", RULES, " WRITE READ WRITEREAD "},
    {"enableAt", ONE_OF, " ALL CLIENT GATEWAY SERVER NONE "},
    {NULL, TEXT, NULL},
};
static const member rule_members[] = {
    {"name", TEXT, NULL},
    {"doc", TEXT, NULL},
    {"kind", ONE_OF, " TRANSFORM CONDITION "},
    {"mode", ONE_OF, " UPGRADE DOWNGRADE UPDOWN WRITE READ WRITEREAD "},
    {"type", TEXT, NULL},
    {"tags", TEXTS, NULL},
    {"params", MAP_OF_TEXT, NULL},
    {"expr", TEXT, NULL},
    {"onSuccess", TEXT, NULL},
    {"onFailure", TEXT, NULL},
    {"disabled", FLAG, NULL},
    {NULL, TEXT, NULL},
};

typedef struct cleaner {
    nk_arena *arena;
    nk_cf_error code;
    const char *what; /* "metadata" */
    nk_err *err;
} cleaner;

static nk_code wrong(const cleaner *c, nk_str at, const char *wants)
{
    return nk_cf_fail(c->err, c->code, "Invalid %s: '%.*s' must be %s", c->what, NK_STR_ARG(at),
                      wants);
}

static bool one_of(const char *values, nk_str s)
{
    char word[32];
    if (s.n + 2 >= sizeof word || nk_str_chr(s, ' ') >= 0)
        return false;
    snprintf(word, sizeof word, " %.*s ", NK_STR_ARG(s));
    return strstr(values, word) != NULL;
}

static nk_code clean_texts(const cleaner *c, const nk_json *in, nk_str at, nk_json *out)
{
    if (in->kind != NK_JSON_ARRAY || in->count > ITEMS_MAX)
        return wrong(c, at, "a list of at most 1000 strings");
    for (const nk_json *x = in->first; x; x = x->next) {
        nk_json *copy = jv_copy(c->arena, x);
        if (x->kind != NK_JSON_STRING)
            return wrong(c, at, "a list of strings");
        if (!copy)
            return nomem(c->err);
        jv_append(out, copy);
    }
    return NK_OK;
}

static nk_code clean_map(const cleaner *c, const nk_json *in, nk_str at, bool texts, nk_json *out)
{
    const char *wants =
        texts ? "an object of at most 1000 lists of strings" : "an object of at most 1000 strings";
    if (in->kind != NK_JSON_OBJECT || in->count > ITEMS_MAX)
        return wrong(c, at, wants);
    for (const nk_json *x = in->first; x; x = x->next) {
        if (x->kind == NK_JSON_NULL)
            continue;
        if (x->kind != (texts ? NK_JSON_ARRAY : NK_JSON_STRING))
            return wrong(c, at, wants);
        nk_json *v = texts ? jv_new(c->arena, NK_JSON_ARRAY, NK_STR_NULL) : jv_copy(c->arena, x);
        if (!v)
            return nomem(c->err);
        if (texts)
            NK_TRY(clean_texts(c, x, at, v));
        if (!jv_set(c->arena, out, x->key, v))
            return nomem(c->err);
    }
    return NK_OK;
}

static nk_code clean_object(const cleaner *c, const member *members, const nk_json *in,
                            nk_json **out);

/* ---- rules ---- */

static bool name_ok(nk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        bool letter =
            (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_' || (ch & 0x80);
        if (!letter && (i == 0 || !((ch >= '0' && ch <= '9') || ch == '-')))
            return false;
    }
    return s.n && s.n <= RULE_NAME_MAX;
}

static nk_code check_rule(const cleaner *c, const nk_json *rule, const char *modes)
{
    nk_str name = nk_json_str(rule, "name"), mode = nk_json_str(rule, "mode");
    if (!name_ok(name))
        return nk_cf_fail(c->err, c->code,
                          "Invalid rule set: a rule's name must be 1 to %d letters, digits, '_', "
                          "'-', not '%.*s'",
                          RULE_NAME_MAX, NK_STR_ARG(name));
    if (!nk_json_str(rule, "type").p)
        return nk_cf_fail(c->err, c->code, "Invalid rule set: rule '%.*s' has no type",
                          NK_STR_ARG(name));
    if (!one_of(modes, mode))
        return nk_cf_fail(c->err, c->code,
                          "Invalid rule set: the mode of rule '%.*s' must be one of%snot '%.*s'",
                          NK_STR_ARG(name), modes, NK_STR_ARG(mode));
    bool both = nk_str_is(mode, "WRITEREAD") || nk_str_is(mode, "UPDOWN");
    if (!both && (nk_str_chr(nk_json_str(rule, "onSuccess"), ',') >= 0 ||
                  nk_str_chr(nk_json_str(rule, "onFailure"), ',') >= 0))
        return nk_cf_fail(c->err, c->code,
                          "Invalid rule set: rule '%.*s' has several actions, which only WRITEREAD "
                          "and UPDOWN may have",
                          NK_STR_ARG(name));
    return NK_OK;
}

static nk_code clean_rules(const cleaner *c, const member *m, const nk_json *in, nk_json *out)
{
    if (in->kind != NK_JSON_ARRAY || in->count > ITEMS_MAX)
        return wrong(c, nk_str_c(m->name), "a list of at most 1000 rules");
    for (const nk_json *x = in->first; x; x = x->next) {
        nk_json *rule;
        if (x->kind != NK_JSON_OBJECT)
            return wrong(c, nk_str_c(m->name), "a list of rules");
        NK_TRY(clean_object(c, rule_members, x, &rule));
        NK_TRY(check_rule(c, rule, m->values));
        jv_append(out, rule);
    }
    return NK_OK;
}

/* A name stands once in all of a rule set's lists. */
static nk_code names_differ(const cleaner *c, const nk_json *set)
{
    nk_map seen;
    nk_code rc = NK_OK;
    nk_map_init(&seen);
    for (const nk_json *list = set->first; list && rc == NK_OK; list = list->next)
        for (const nk_json *r = list->kind == NK_JSON_ARRAY ? list->first : NULL; r && rc == NK_OK;
             r = r->next) {
            nk_str name = nk_json_str(r, "name");
            if (nk_map_has(&seen, name))
                rc = nk_cf_fail(c->err, c->code,
                                "Invalid rule set: found rule with duplicate name '%.*s'",
                                NK_STR_ARG(name));
            else if (nk_map_put(&seen, name, (void *)r, NULL) != NK_OK)
                rc = nomem(c->err);
        }
    nk_map_free(&seen);
    return rc;
}

/* ---- objects ---- */

static nk_code clean_member(const cleaner *c, const member *m, const nk_json *in, nk_json **out)
{
    bool list = m->shape == TEXTS || m->shape == RULES;
    bool map = m->shape == MAP_OF_TEXT || m->shape == MAP_OF_TEXTS;
    *out = list || map ? jv_new(c->arena, list ? NK_JSON_ARRAY : NK_JSON_OBJECT, NK_STR_NULL)
                       : jv_copy(c->arena, in);
    if (!*out)
        return nomem(c->err);
    switch (m->shape) {
    case TEXT:
        return in->kind == NK_JSON_STRING ? NK_OK : wrong(c, nk_str_c(m->name), "a string");
    case FLAG:
        return in->kind == NK_JSON_TRUE || in->kind == NK_JSON_FALSE
                   ? NK_OK
                   : wrong(c, nk_str_c(m->name), "true or false");
    case ONE_OF:
        return in->kind == NK_JSON_STRING && one_of(m->values, in->text)
                   ? NK_OK
                   : wrong(c, nk_str_c(m->name), m->values);
    case TEXTS:
        return clean_texts(c, in, nk_str_c(m->name), *out);
    case MAP_OF_TEXT:
    case MAP_OF_TEXTS:
        return clean_map(c, in, nk_str_c(m->name), m->shape == MAP_OF_TEXTS, *out);
    case RULES:
        return clean_rules(c, m, in, *out);
    }
    return NK_E_INTERNAL;
}

static nk_code clean_object(const cleaner *c, const member *members, const nk_json *in,
                            nk_json **out)
{
    *out = jv_new(c->arena, NK_JSON_OBJECT, NK_STR_NULL);
    if (!*out)
        return nomem(c->err);
    for (const nk_json *x = in->first; x; x = x->next) {
        const member *m = members;
        nk_json *v;
        while (m->name && !nk_str_is(x->key, m->name))
            m++;
        if (!m->name)
            return nk_cf_fail(c->err, c->code, "Invalid %s: '%.*s' is not known", c->what,
                              NK_STR_ARG(x->key));
        if (x->kind == NK_JSON_NULL || (m->shape == FLAG && x->kind == NK_JSON_FALSE))
            continue;
        NK_TRY(clean_member(c, m, x, &v));
        if ((v->kind == NK_JSON_ARRAY || v->kind == NK_JSON_OBJECT) && !v->first)
            continue; /* empty says nothing */
        if (!jv_set(c->arena, *out, x->key, v))
            return nomem(c->err);
    }
    return NK_OK;
}

nk_code nk_contract_metadata(nk_arena *a, const nk_json *in, nk_json **out, nk_err *err)
{
    const cleaner c = {a, NK_CF_INVALID_SCHEMA, "metadata", err};
    *out = NULL;
    if (nk_json_is_null(in))
        return NK_OK;
    return in->kind == NK_JSON_OBJECT ? clean_object(&c, metadata_members, in, out)
                                      : wrong(&c, NK_STR("metadata"), "an object");
}

nk_code nk_contract_rules(nk_arena *a, const nk_json *in, nk_json **out, nk_err *err)
{
    const cleaner c = {a, NK_CF_INVALID_RULE_SET, "rule set", err};
    *out = NULL;
    if (nk_json_is_null(in))
        return NK_OK;
    if (in->kind != NK_JSON_OBJECT)
        return wrong(&c, NK_STR("ruleSet"), "an object");
    NK_TRY(clean_object(&c, rule_set_members, in, out));
    return names_differ(&c, *out);
}

/* ---- merging ---- */

static bool has_text(const nk_json *list, nk_str text)
{
    for (const nk_json *x = list ? list->first : NULL; x; x = x->next)
        if (nk_str_eq(x->text, text))
            return true;
    return false;
}

static const nk_json *rule_named(const nk_json *list, nk_str name)
{
    for (const nk_json *x = list ? list->first : NULL; x; x = x->next)
        if (nk_str_eq(nk_json_str(x, "name"), name))
            return x;
    return NULL;
}

/* Adds what of `from` has no place in `over`, which comes after it. */
static bool add_elements(nk_arena *a, nk_json *out, const nk_json *from, const nk_json *over)
{
    for (const nk_json *x = from ? from->first : NULL; x; x = x->next) {
        if (x->kind == NK_JSON_STRING ? has_text(over, x->text)
                                      : rule_named(over, nk_json_str(x, "name")) != NULL)
            continue;
        nk_json *copy = jv_copy(a, x);
        if (!copy)
            return false;
        jv_append(out, copy);
    }
    return true;
}

/* Two objects of lists, maps and scalars. */
static nk_code merge(nk_arena *a, const nk_json *under, const nk_json *over, const nk_json **out,
                     nk_err *err)
{
    *out = under ? under : over;
    if (!under || !over)
        return NK_OK;
    nk_json *all = jv_new(a, NK_JSON_OBJECT, NK_STR_NULL);
    bool ok = all && jv_set_all(a, all, under);
    for (const nk_json *x = over->first; ok && x; x = x->next) {
        const nk_json *old = nk_json_getn(under, x->key);
        nk_json *v = jv_copy(a, x);
        if (old && (x->kind == NK_JSON_ARRAY || x->kind == NK_JSON_OBJECT))
            v = jv_new(a, x->kind, NK_STR_NULL);
        ok = v != NULL;
        if (ok && old && x->kind == NK_JSON_ARRAY)
            ok = add_elements(a, v, old, x) && add_elements(a, v, x, NULL);
        else if (ok && old && x->kind == NK_JSON_OBJECT)
            ok = jv_set_all(a, v, old) && jv_set_all(a, v, x);
        ok = ok && jv_set(a, all, x->key, v);
    }
    *out = all;
    return ok ? NK_OK : nomem(err);
}

nk_code nk_contract_merge(nk_arena *a, const nk_contract *under, const nk_contract *over,
                          nk_contract *out, nk_err *err)
{
    nk_contract merged;
    NK_TRY(merge(a, under->metadata, over->metadata, &merged.metadata, err));
    NK_TRY(merge(a, under->rules, over->rules, &merged.rules, err));
    *out = merged;
    return NK_OK;
}

/* ---- text ---- */

nk_code nk_contract_text(nk_arena *a, const nk_contract *c, nk_str *out, nk_err *err)
{
    const nk_json *parts[2] = {c->metadata, c->rules};
    static const char *const names[2] = {"metadata", "ruleSet"};
    nk_json *all = jv_new(a, NK_JSON_OBJECT, NK_STR_NULL);
    *out = NK_STR_NULL;
    for (int i = 0; all && i < 2; i++) {
        nk_json *copy = parts[i] && parts[i]->first ? jv_copy(a, parts[i]) : NULL;
        if (parts[i] && parts[i]->first && (!copy || !jv_set(a, all, nk_str_c(names[i]), copy)))
            all = NULL;
    }
    if (!all)
        return nomem(err);
    if (!all->first)
        return NK_OK;
    nk_buf b;
    nk_buf_init(&b, NK_CONTRACT_MAX);
    jv_canonical(&b, all);
    nk_code rc = nk_buf_check(&b, NULL);
    if (rc == NK_E_LIMIT)
        rc = nk_cf_fail(err, NK_CF_INVALID_SCHEMA,
                        "Invalid schema: metadata and rules are longer than %d bytes",
                        NK_CONTRACT_MAX);
    else if (rc == NK_OK)
        *out = nk_buf_dup(&b, a);
    nk_buf_free(&b);
    return rc == NK_OK && !out->p ? nomem(err) : rc;
}

nk_code nk_contract_parse(nk_arena *a, nk_str text, nk_contract *out, nk_err *err)
{
    nk_json *all;
    *out = (nk_contract){NULL, NULL};
    if (!text.p)
        return NK_OK;
    NK_TRY(nk_json_parse(text, a, 0, &all, err));
    *out = (nk_contract){nk_json_get(all, "metadata"), nk_json_get(all, "ruleSet")};
    return NK_OK;
}

nk_str nk_contract_property(const nk_contract *c, nk_str name)
{
    const nk_json *p = nk_json_getn(nk_json_get(c->metadata, "properties"), name);
    return p ? p->text : NK_STR_NULL;
}
