/* Documents made up: what a writer may write, so that a refusal can show one that breaks. Whatever
 * is made is judged by the validator before it is shown, so this may guess. */
#include <math.h>
#include <stdio.h>

#include "registry/jsonschema_compat_int.h"

enum { VARIANTS = 24, DEPTH = 10 };

static nk_json *make(js_prover *p, const js_facts *w, unsigned variant, int depth);

static nk_json *text_of(js_prover *p, nk_str s)
{
    return s.p ? jv_new(p->a, NK_JSON_STRING, s) : NULL;
}

static nk_json *number_of(js_prover *p, double d)
{
    char *s = fabs(d) < 1e15 && d == floor(d) ? nk_arena_printf(p->a, "%.0f", d)
                                              : nk_arena_printf(p->a, "%.15g", d);
    return s ? jv_new(p->a, NK_JSON_NUMBER, nk_str_c(strcmp(s, "-0") == 0 ? "0" : s)) : NULL;
}

static nk_json *make_number(js_prover *p, const js_facts *w, unsigned variant)
{
    static const double around[] = {0, 1, -1, 2, 7, -100, 1e6, 10, -1e9, 123456789};
    js_bound lo = js_limit(w, true), hi = js_limit(w, false);
    double a = -HUGE_VAL, b = HUGE_VAL, step = 0, v = around[variant % NK_COUNTOF(around)];
    bool whole = !(w->types & JV_FRACTION);
    if (lo.text.p && nk_str_f64(lo.text, &a) && lo.exclusive)
        a += whole ? 1 : 0.5;
    if (hi.text.p && nk_str_f64(hi.text, &b) && hi.exclusive)
        b -= whole ? 1 : 0.5;
    for (size_t i = 0; i < w->nodes.n; i++) {
        double m;
        if (w->nodes.v[i]->multiple_of.p && nk_str_f64(w->nodes.v[i]->multiple_of, &m) && m > step)
            step = m;
    }
    if (lo.text.p && (v < a || variant % 3 == 0))
        v = a;
    if (hi.text.p && (v > b || variant % 3 == 1))
        v = b;
    if (!whole && step == 0 && variant % 2 && v + 0.5 <= b)
        v += 0.5;
    if (!lo.text.p && hi.text.p && variant % 5 == 4)
        v = b - 1000;
    if (step > 0)
        v = ceil(v / step) * step;
    if (whole)
        v = ceil(v);
    return number_of(p, v);
}

static nk_json *make_string(js_prover *p, const js_facts *w, unsigned variant)
{
    int64_t least = js_least(w, JS_LENGTH), most = js_most(w, JS_LENGTH);
    for (size_t i = 0; i < w->nodes.n; i++) {
        const js_node *n = w->nodes.v[i];
        if (n->pattern.text.p)
            return text_of(p, js_regex_sample(p->a, n->pattern.text, variant, (size_t)least));
    }
    for (size_t i = 0; i < w->nodes.n; i++) {
        nk_str s = w->nodes.v[i]->format.p ? js_format_sample(w->nodes.v[i]->format, variant)
                                           : NK_STR_NULL;
        if (s.p)
            return text_of(p, s);
    }
    size_t n = (size_t)(variant % 2 || most < 0 ? least : most < least + 64 ? most : least + 64);
    if (n > 65536)
        return NULL;
    if (variant % 4 == 2 && most < 0)
        n += 40;
    char *s = nk_arena_bytes(p->a, n + 1);
    for (size_t i = 0; s && i < n; i++)
        s[i] = (char)('a' + (variant / 2 + i) % 26);
    return s ? text_of(p, nk_str_n(s, n)) : NULL;
}

static nk_json *make_array(js_prover *p, const js_facts *w, unsigned variant, int depth)
{
    int64_t least = js_least(w, JS_ITEMS), most = js_most(w, JS_ITEMS);
    nk_json *out = jv_new(p->a, NK_JSON_ARRAY, NK_STR_NULL);
    int64_t n = least + (variant % 3 == 1 ? 1 : variant % 3 == 2 ? 3 : 0);
    if (most >= 0 && n > most)
        n = most;
    if (n > 200 || !out)
        return NULL;
    int64_t made = 0;
    for (size_t i = 0; i < w->nodes.n && made < n; i++) {
        if (!w->nodes.v[i]->contains)
            continue;
        js_facts f = js_item_facts(p, w, (size_t)made);
        js_assume(p, &f, w->nodes.v[i]->contains);
        nk_json *v = make(p, &f, variant, depth + 1);
        if (!v)
            return NULL;
        jv_append(out, v);
        made++;
    }
    for (; made < n; made++) {
        js_facts f = js_item_facts(p, w, (size_t)made);
        nk_json *v = make(p, &f, variant + (variant % 2 ? 0 : (unsigned)made * 7), depth + 1);
        if (!v)
            return made >= least ? out : NULL;
        jv_append(out, v);
    }
    return out;
}

static bool make_member(js_prover *p, const js_facts *w, nk_json *out, nk_str name,
                        unsigned variant, int depth)
{
    if (nk_json_getn(out, name))
        return true;
    js_facts f = js_member_facts(p, w, name);
    nk_json *v = make(p, &f, variant, depth + 1);
    return v && jv_set(p->a, out, name, v);
}

/* but: a member that the caller sets himself; p NULL: none. */
static nk_json *make_object(js_prover *p, const js_facts *w, unsigned variant, int depth,
                            nk_str but)
{
    nk_json *out = jv_new(p->a, NK_JSON_OBJECT, NK_STR_NULL);
    for (size_t i = 0; out && i < w->nodes.n; i++) {
        const js_node *n = w->nodes.v[i];
        bool first = out->count == 0; /* then no name can be there already */
        for (size_t k = 0; k < n->n_required; k++) {
            nk_str name = n->required[k];
            if ((but.p && nk_str_eq(name, but)) || (!first && nk_json_getn(out, name)))
                continue;
            js_facts f = js_member_facts(p, w, name);
            nk_json *v = jv_copy(p->a, make(p, &f, variant, depth + 1));
            if (!v)
                return NULL;
            v->key = name;
            jv_append(out, v);
        }
    }
    for (size_t i = 0; out && variant % 2 && i < w->nodes.n; i++) {
        const js_node *n = w->nodes.v[i];
        for (size_t k = 0; k < n->n_properties && k < 40; k++)
            (void)make_member(p, w, out, n->properties[k].name, variant, depth);
        for (size_t k = 0; k < n->n_patterns && k < 4; k++) {
            nk_str name = js_regex_sample(p->a, n->patterns[k].re.text, variant, 1);
            if (name.p)
                (void)make_member(p, w, out, name, variant, depth);
        }
    }
    int64_t want = js_least(w, JS_PROPERTIES) + (variant % 4 == 3 ? 1 : 0);
    for (unsigned i = 0; out && (int64_t)out->count < want && i < 60; i++) {
        nk_str name = nk_str_printf(p->a, "x%u", i);
        if (!name.p || !make_member(p, w, out, name, variant, depth))
            break;
    }
    return out;
}

static nk_json *make_plain(js_prover *p, const js_facts *w, unsigned variant, int depth)
{
    static const unsigned order[][7] = {
        {JV_OBJECT, JV_STRING, JV_INT, JV_FRACTION, JV_ARRAY, JV_BOOL, JV_NULL},
        {JV_STRING, JV_FRACTION, JV_NULL, JV_BOOL, JV_ARRAY, JV_INT, JV_OBJECT},
        {JV_INT, JV_ARRAY, JV_BOOL, JV_NULL, JV_OBJECT, JV_FRACTION, JV_STRING},
    };
    unsigned type = 0, skip = variant / 3 % 3;
    if (depth > 6)
        skip = 0;
    for (int round = 0; round < 2 && !type; round++) {
        for (int i = 0; i < 7; i++) {
            unsigned t = order[(depth > 6 ? 1 : variant % 3)][i];
            if (!(w->types & t))
                continue;
            type = t;
            if (skip-- == 0)
                break;
        }
    }
    switch (type ? type : w->types) {
    case JV_OBJECT:
        return make_object(p, w, variant, depth, NK_STR_NULL);
    case JV_STRING:
        return make_string(p, w, variant);
    case JV_ARRAY:
        return make_array(p, w, variant, depth);
    case JV_BOOL:
        return jv_new(p->a, variant % 2 ? NK_JSON_FALSE : NK_JSON_TRUE, NK_STR_NULL);
    case JV_NULL:
        return jv_new(p->a, NK_JSON_NULL, NK_STR_NULL);
    case JV_IFLOAT:
        return jv_new(p->a, NK_JSON_NUMBER, NK_STR("1.0"));
    case JV_FRACTION: {
        js_facts f = *w;
        f.types = JV_NUMBER;
        return make_number(p, &f, variant | 1);
    }
    default:
        if (w->types & JV_INT) {
            js_facts f = *w;
            f.types = JV_INT;
            return make_number(p, &f, variant);
        }
        return NULL;
    }
}

static nk_json *make(js_prover *p, const js_facts *w, unsigned variant, int depth)
{
    if (depth > DEPTH || p->nomem || w->none || p->sample_steps == 0)
        return NULL;
    p->sample_steps--;
    if (w->splits.n) {
        js_facts f = js_case(p, w, variant % js_cases(&w->splits.v[w->splits.n - 1]));
        return make(p, &f, variant / 2 + variant % 2, depth + 1);
    }
    for (size_t i = 0; i < w->nodes.n; i++) {
        const js_node *n = w->nodes.v[i];
        if (n->constant)
            return jv_copy(p->a, n->constant);
        if (n->enums)
            return jv_copy(p->a, nk_json_at(n->enums, variant % n->enums->count));
    }
    return make_plain(p, w, variant, depth);
}

/* -- the value at the current place, in a whole document -----------------------------------------
 */

static nk_json *wrap(js_prover *p, nk_json *v, unsigned variant)
{
    for (const js_frame *f = p->frame; f && v; f = f->up) {
        nk_json *above;
        js_facts w = js_copy_facts(p, f->facts);
        w.types &= f->member.p ? JV_OBJECT : JV_ARRAY;
        while (w.splits.n)
            w = js_case(p, &w, variant % js_cases(&w.splits.v[w.splits.n - 1]));
        if (f->member.p) {
            above = make_object(p, &w, variant, 1, f->member);
            if (!above || !jv_set(p->a, above, f->member, v))
                return NULL;
        } else {
            above = jv_new(p->a, NK_JSON_ARRAY, NK_STR_NULL);
            int64_t least = js_least(&w, JS_ITEMS);
            for (int64_t i = 0; above && (i < least || i <= f->index) && i < 200; i++) {
                js_facts item = js_item_facts(p, &w, (size_t)i);
                nk_json *x = i == f->index ? jv_copy(p->a, v) : make(p, &item, variant, 2);
                if (!x)
                    return NULL;
                jv_append(above, x);
            }
        }
        v = above;
    }
    return v;
}

static bool breaks(js_prover *p, const nk_json *doc)
{
    js_checker w = {.arena = p->a, .steps = 20000, .schema = p->writer};
    js_checker r = {.arena = p->a, .steps = 20000, .schema = p->reader};
    return js_valid(&w, p->writer->root, doc) == JV_YES &&
           js_valid(&r, p->reader->root, doc) == JV_NO;
}

static bool try_value(js_prover *p, nk_json *v, js_refusal *x)
{
    for (unsigned k = 0; v && k < 4; k++) {
        nk_json *doc = wrap(p, v, k);
        if (doc && breaks(p, doc)) {
            x->sample = doc;
            return true;
        }
        if (!p->frame)
            break;
    }
    return false;
}

/* A number just beyond a bound of the reader's, a text just as long. */
static nk_json *beyond(js_prover *p, const js_node *r, unsigned k)
{
    double d;
    const js_bound *b = k % 2 ? &r->low : &r->high;
    if (k < 6 && b->text.p && nk_str_f64(b->text, &d))
        return number_of(p, b->exclusive && k < 2 ? d
                            : k % 2               ? d - (k < 4 ? 1 : 0.5)
                                                  : d + (k < 4 ? 1 : 0.5));
    int64_t length = k == 6   ? (r->most[JS_LENGTH] >= 0 ? r->most[JS_LENGTH] + 1 : -1)
                     : k == 7 ? (r->least[JS_LENGTH] > 0 ? r->least[JS_LENGTH] - 1 : -1)
                              : -1;
    if (length >= 0 && length < 65536) {
        char *s = nk_arena_bytes(p->a, (size_t)length + 1);
        if (s)
            memset(s, 'a', (size_t)length);
        return s ? text_of(p, nk_str_n(s, (size_t)length)) : NULL;
    }
    return NULL;
}

/* Arrays and objects shaped to the reader's keyword. */
static nk_json *shaped(js_prover *p, const js_facts *w, const js_node *r, unsigned k)
{
    js_facts f = js_copy_facts(p, w);
    while (f.splits.n && !p->nomem)
        f = js_case(p, &f, k % js_cases(&f.splits.v[f.splits.n - 1]));
    nk_json *v = NULL;
    if (k % 2 && (f.types & JV_ARRAY)) {
        v = make_array(p, &f, 0, 0);
        int64_t want = r->most[JS_ITEMS] >= 0 ? r->most[JS_ITEMS] + 1 : 2;
        while (v && (int64_t)v->count < want && want < 300) {
            js_facts item = js_item_facts(p, &f, v->count);
            nk_json *x = make(p, &item, k < 4 ? k : k + (unsigned)v->count * 7, 1);
            if (!x)
                break;
            jv_append(v, x);
        }
    } else if (f.types & JV_OBJECT) {
        v = make_object(p, &f, k & 2 ? 1 : 0, 0, NK_STR_NULL);
        for (size_t i = 0; v && i < r->n_required && (k & 2); i++) {
            if (!js_requires(&f, r->required[i]))
                jv_unset(v, r->required[i]);
        }
        for (size_t i = 0; v && i < r->n_depends; i++) {
            (void)make_member(p, &f, v, r->depends[i].name, k, 1);
            for (size_t j = 0; j < r->depends[i].n; j++) {
                if (!js_requires(&f, r->depends[i].names[j]))
                    jv_unset(v, r->depends[i].names[j]);
            }
        }
        int64_t want = r->most[JS_PROPERTIES] >= 0 ? r->most[JS_PROPERTIES] + 1 : 0;
        for (unsigned i = 0; v && (int64_t)v->count < want && i < 300; i++) {
            nk_str name = nk_str_printf(p->a, "x%u", i);
            if (!name.p || !make_member(p, &f, v, name, 0, 1))
                break;
        }
    }
    return v;
}

void js_find_sample(js_prover *p, const js_facts *w, const js_node *r, js_refusal *x)
{
    size_t steps = p->steps;
    /* much for one, bounded for all: a schema of thousands of members cannot buy hours */
    p->sample_steps = p->sample_left < 12000 ? p->sample_left : 12000;
    p->sample_left -= p->sample_steps;
    bool done = p->candidate && try_value(p, jv_copy(p->a, p->candidate), x);
    for (unsigned k = 0; k < 8 && !done; k++) {
        nk_json *v = beyond(p, r, k);
        done = v && try_value(p, v, x);
    }
    for (unsigned k = 0; k < 8 && !done && !p->nomem; k++)
        done = try_value(p, shaped(p, w, r, k), x);
    for (unsigned k = 0; k < VARIANTS && !done && !p->nomem && p->sample_steps; k++)
        done = try_value(p, make(p, w, k, 0), x);
    p->sample_left += p->sample_steps;
    /* making samples must not use up what proving needs */
    p->steps = steps;
    p->exhausted = steps == 0;
}
