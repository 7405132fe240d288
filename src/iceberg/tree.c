#include "iceberg/tree.h"

nk_json *nk_ice_new(nk_ice_tree *t, nk_json_token kind)
{
    nk_json *j = NK_NEW(t->a, nk_json);
    if (j)
        j->kind = kind;
    else
        t->failed = true;
    return j;
}

nk_json *nk_ice_text(nk_ice_tree *t, nk_str s)
{
    nk_json *j = nk_ice_new(t, NK_JSON_STRING);
    if (j)
        j->text = s.p ? s : NK_STR("");
    return j;
}

nk_json *nk_ice_num(nk_ice_tree *t, int64_t v)
{
    nk_json *j = nk_ice_new(t, NK_JSON_NUMBER);
    if (!j)
        return NULL;
    j->text = nk_str_printf(t->a, "%lld", (long long)v);
    t->failed = t->failed || !j->text.p;
    return j->text.p ? j : NULL;
}

nk_json *nk_ice_bool(nk_ice_tree *t, bool v)
{
    return nk_ice_new(t, v ? NK_JSON_TRUE : NK_JSON_FALSE);
}

nk_json *nk_ice_copy(nk_ice_tree *t, const nk_json *j)
{
    nk_json *c = j ? nk_ice_new(t, j->kind) : NULL;
    if (!c)
        return NULL;
    c->text = j->text;
    c->key = j->key;
    NK_ICE_EACH(m, j)
    {
        nk_json *n = nk_ice_copy(t, m);
        if (!n)
            return NULL;
        if (c->last)
            c->last->next = n;
        else
            c->first = n;
        c->last = n;
        c->count++;
    }
    return c;
}

static void append(nk_json *list, nk_json *v)
{
    v->next = NULL;
    if (list->last)
        list->last->next = v;
    else
        list->first = v;
    list->last = v;
    list->count++;
}

void nk_ice_set(nk_ice_tree *t, nk_json *object, nk_str key, nk_json *v)
{
    if (!object || !v) {
        t->failed = true;
        return;
    }
    nk_json *before = NULL, *old = object->first;
    while (old && !nk_str_eq(old->key, key)) {
        before = old;
        old = old->next;
    }
    v->key = key;
    if (!old) {
        append(object, v);
        return;
    }
    v->next = old->next;
    if (before)
        before->next = v;
    else
        object->first = v;
    if (object->last == old)
        object->last = v;
    /* a second member of the same name would win over this one */
    nk_json *p = v;
    while (p->next) {
        if (nk_str_eq(p->next->key, key)) {
            if (object->last == p->next)
                object->last = p;
            p->next = p->next->next;
            object->count--;
        } else {
            p = p->next;
        }
    }
}

static bool named(void *arg, const nk_json *j)
{
    return nk_str_eq(j->key, *(nk_str *)arg);
}

void nk_ice_del(nk_json *object, nk_str key)
{
    if (object)
        (void)nk_ice_drop(object, named, &key);
}

void nk_ice_add(nk_ice_tree *t, nk_json *array, nk_json *v)
{
    if (!array || !v) {
        t->failed = true;
        return;
    }
    v->key = NK_STR_NULL;
    append(array, v);
}

size_t nk_ice_drop(nk_json *list, bool (*gone)(void *arg, const nk_json *element), void *arg)
{
    nk_json *m = list->first;
    size_t n = list->count;
    list->first = list->last = NULL;
    list->count = 0;
    while (m) {
        nk_json *next = m->next;
        if (!gone(arg, m))
            append(list, m);
        m = next;
    }
    return n - list->count;
}

void nk_ice_kstr(nk_ice_tree *t, nk_json *object, const char *key, nk_str s)
{
    nk_ice_set(t, object, nk_str_c(key), nk_ice_text(t, s));
}

void nk_ice_knum(nk_ice_tree *t, nk_json *object, const char *key, int64_t v)
{
    nk_ice_set(t, object, nk_str_c(key), nk_ice_num(t, v));
}

static bool members_in(const nk_json *x, const nk_json *y, const char *except)
{
    NK_ICE_EACH(m, x)
    {
        if (m->kind == NK_JSON_NULL || (except && nk_str_is(m->key, except)))
            continue;
        const nk_json *o = nk_json_getn(y, m->key);
        if (!o || !nk_ice_same(m, o, NULL))
            return false;
    }
    return true;
}

bool nk_ice_same(const nk_json *x, const nk_json *y, const char *except)
{
    if (!x || !y)
        return nk_json_is_null(x) && nk_json_is_null(y);
    if (x->kind != y->kind)
        return false;
    if (x->kind == NK_JSON_OBJECT)
        return members_in(x, y, except) && members_in(y, x, except);
    if (x->kind == NK_JSON_ARRAY) {
        const nk_json *a = x->first, *b = y->first;
        for (; a && b; a = a->next, b = b->next)
            if (!nk_ice_same(a, b, NULL))
                return false;
        return !a && !b;
    }
    return nk_str_eq(x->text, y->text);
}

static nk_json *of_kind(const nk_json *j, const char *key, nk_json_token kind)
{
    nk_json *m = nk_json_get(j, key);
    return m && m->kind == kind ? m : NULL;
}

nk_json *nk_ice_array(const nk_json *j, const char *key)
{
    return of_kind(j, key, NK_JSON_ARRAY);
}

nk_json *nk_ice_object(const nk_json *j, const char *key)
{
    return of_kind(j, key, NK_JSON_OBJECT);
}

bool nk_ice_get_i64(const nk_json *j, const char *key, int64_t *out)
{
    const nk_json *m = of_kind(j, key, NK_JSON_NUMBER);
    return m && nk_str_i64(m->text, out);
}

nk_json *nk_ice_find(const nk_json *array, const char *key, int64_t v)
{
    NK_ICE_EACH(m, array)
    {
        int64_t x;
        if (nk_ice_get_i64(m, key, &x) && x == v)
            return m;
    }
    return NULL;
}
