/* Is every value that the writer's schema takes also taken by the reader's? That question has no
 * algorithm in general; this proves what it can and refuses the rest. The writer's side is a
 * conjunction of schemas known to hold (leaving one out is sound); each keyword of the reader's
 * schema is a goal that must follow from it. */
#include <stdlib.h>

#include "registry/jsonschema_compat_int.h"

static bool prove(js_prover *p, const js_facts *w, const js_node *r);

int js_member_cmp(const void *a, const void *b)
{
    return nk_str_cmp(((const js_member *)a)->name, ((const js_member *)b)->name);
}

bool js_give_up(js_prover *p)
{
    if (p->steps == 0) {
        p->exhausted = true;
        return true;
    }
    p->steps--;
    return p->nomem || p->exhausted;
}

/* -- facts ---------------------------------------------------------------------------------- */

static bool add_node(js_prover *p, js_node_set *set, const js_node *n)
{
    for (size_t i = 0; i < set->n; i++) {
        if (set->v[i] == n)
            return false;
    }
    const js_node **slot = js_node_set_add(set, p->a);
    if (!slot) {
        p->nomem = true;
        return false;
    }
    *slot = n;
    return true;
}

static void add_split(js_prover *p, js_facts *f, const js_node *n, js_split_kind kind)
{
    js_split *s = js_split_list_add(&f->splits, p->a);
    if (!s)
        p->nomem = true;
    else
        *s = (js_split){n, kind};
}

/* Takes n and all that holds with it at the same place. */
void js_assume(js_prover *p, js_facts *f, const js_node *n)
{
    if (js_give_up(p) || n->is_true || !add_node(p, &f->nodes, n))
        return;
    if (n->is_false)
        f->none = true;
    f->types &= n->types;
    if (n->ref)
        js_assume(p, f, n->ref);
    if (n->closed)
        js_assume(p, f, n->closed);
    for (size_t i = 0; i < n->all_of.n; i++)
        js_assume(p, f, n->all_of.v[i]);
    if (n->any_of.n)
        add_split(p, f, n, JS_SPLIT_ANY);
    if (n->one_of.n)
        add_split(p, f, n, JS_SPLIT_ONE);
    if (n->when)
        add_split(p, f, n, JS_SPLIT_IF);
    if (n->no)
        (void)add_node(p, &f->nots, n->no);
}

js_facts js_copy_facts(js_prover *p, const js_facts *w)
{
    js_facts f = *w;
    f.nodes.v = NK_NEWN(p->a, const js_node *, w->nodes.n + 8);
    f.nodes.cap = w->nodes.n + 8;
    f.nots.v = NK_NEWN(p->a, const js_node *, w->nots.n + 4);
    f.nots.cap = w->nots.n + 4;
    f.splits.v = NK_NEWN(p->a, js_split, w->splits.n + 4);
    f.splits.cap = w->splits.n + 4;
    if (!f.nodes.v || !f.nots.v || !f.splits.v) {
        p->nomem = true;
        f.nodes = f.nots = (js_node_set){0};
        f.splits = (js_split_list){0};
        return f;
    }
    if (w->nodes.n)
        memcpy(f.nodes.v, w->nodes.v, w->nodes.n * sizeof *f.nodes.v);
    if (w->nots.n)
        memcpy(f.nots.v, w->nots.v, w->nots.n * sizeof *f.nots.v);
    if (w->splits.n)
        memcpy(f.splits.v, w->splits.v, w->splits.n * sizeof *f.splits.v);
    return f;
}

size_t js_cases(const js_split *s)
{
    return s->kind == JS_SPLIT_IF    ? 2
           : s->kind == JS_SPLIT_ANY ? s->node->any_of.n
                                     : s->node->one_of.n;
}

/* The facts in the i-th case of their last split. */
js_facts js_case(js_prover *p, const js_facts *w, size_t i)
{
    js_facts f = js_copy_facts(p, w);
    if (p->nomem)
        return f;
    js_split s = f.splits.v[--f.splits.n];
    if (s.kind == JS_SPLIT_ANY) {
        js_assume(p, &f, s.node->any_of.v[i]);
    } else if (s.kind == JS_SPLIT_ONE) {
        for (size_t k = 0; k < s.node->one_of.n; k++) {
            if (k != i)
                (void)add_node(p, &f.nots, s.node->one_of.v[k]);
        }
        js_assume(p, &f, s.node->one_of.v[i]);
    } else if (i == 0) {
        js_assume(p, &f, s.node->when);
        if (s.node->then)
            js_assume(p, &f, s.node->then);
    } else {
        (void)add_node(p, &f.nots, s.node->when);
        if (s.node->otherwise)
            js_assume(p, &f, s.node->otherwise);
    }
    return f;
}

/* What holds for the member `name`; only_rest: for a member that no keyword names. A pattern that
 * cannot be matched within the budget is not assumed. */
js_facts js_member_facts(js_prover *p, const js_facts *w, nk_str name)
{
    js_facts f = {.types = JV_ANY};
    for (size_t i = 0; i < w->nodes.n; i++) {
        const js_node *n = w->nodes.v[i];
        const js_member *m = js_find(n->properties, n->n_properties, name);
        bool known = m != NULL, sure = true;
        if (m)
            js_assume(p, &f, m->node);
        for (size_t k = 0; k < n->n_patterns; k++) {
            jv_truth t = js_match(&n->patterns[k].re, name);
            known |= t == JV_YES;
            sure &= t != JV_UNKNOWN;
            if (t == JV_YES)
                js_assume(p, &f, n->patterns[k].node);
        }
        if (!known && sure && n->additional)
            js_assume(p, &f, n->additional);
        if (n->names) {
            nk_json text = {.kind = NK_JSON_STRING, .text = name};
            js_checker c = {.arena = p->a, .steps = 10000};
            if (js_valid(&c, n->names, &text) == JV_NO)
                f.none = true;
        }
    }
    return f;
}

js_facts js_item_facts(js_prover *p, const js_facts *w, size_t i)
{
    js_facts f = {.types = JV_ANY};
    for (size_t k = 0; k < w->nodes.n; k++) {
        const js_node *n = w->nodes.v[k];
        const js_node *item = i < n->prefix.n ? n->prefix.v[i] : n->items;
        if (item)
            js_assume(p, &f, item);
    }
    return f;
}

int64_t js_least(const js_facts *w, js_count what)
{
    int64_t v = 0;
    for (size_t i = 0; i < w->nodes.n; i++)
        v = w->nodes.v[i]->least[what] > v ? w->nodes.v[i]->least[what] : v;
    return v;
}

/* -1: no bound */
int64_t js_most(const js_facts *w, js_count what)
{
    int64_t v = -1;
    for (size_t i = 0; i < w->nodes.n; i++) {
        int64_t m = w->nodes.v[i]->most[what];
        if (m >= 0 && (v < 0 || m < v))
            v = m;
    }
    return v;
}

js_bound js_limit(const js_facts *w, bool low)
{
    js_bound best = {NK_STR_NULL, false};
    for (size_t i = 0; i < w->nodes.n; i++) {
        const js_bound *b = low ? &w->nodes.v[i]->low : &w->nodes.v[i]->high;
        if (!b->text.p)
            continue;
        int c = best.text.p ? jv_num_cmp(b->text, best.text) : 0;
        if (!best.text.p || (low ? c > 0 : c < 0) || (c == 0 && b->exclusive))
            best = *b;
    }
    return best;
}

bool js_requires(const js_facts *w, nk_str name)
{
    for (size_t i = 0; i < w->nodes.n; i++) {
        if (js_has(w->nodes.v[i]->required, w->nodes.v[i]->n_required, name))
            return true;
    }
    return false;
}

static bool names_member(const js_facts *w, nk_str name)
{
    for (size_t i = 0; i < w->nodes.n; i++) {
        if (js_find(w->nodes.v[i]->properties, w->nodes.v[i]->n_properties, name))
            return true;
    }
    return false;
}

/* The schemas of all members that no keyword names, together. */
js_facts js_rest_facts(js_prover *p, const js_facts *w)
{
    js_facts f = {.types = JV_ANY};
    for (size_t i = 0; i < w->nodes.n; i++) {
        if (w->nodes.v[i]->additional)
            js_assume(p, &f, w->nodes.v[i]->additional);
    }
    return f;
}

/* -- emptiness ------------------------------------------------------------------------------ */

static bool same(const js_node *a, const js_node *b)
{
    if (a == b)
        return true;
    return a->hash == b->hash && !a->has_ref && !b->has_ref && a->dialect == b->dialect &&
           js_same_text(a->src, b->src);
}

static bool known_not(js_prover *p, const js_facts *w, const js_node *r)
{
    for (size_t i = 0; i < w->nots.n; i++) {
        if (same(w->nots.v[i], r))
            return true;
    }
    return false;
}

static bool empty_numbers(const js_facts *w)
{
    js_bound lo = js_limit(w, true), hi = js_limit(w, false);
    if (!lo.text.p || !hi.text.p)
        return false;
    int c = jv_num_cmp(lo.text, hi.text);
    return c > 0 || (c == 0 && (lo.exclusive || hi.exclusive));
}

static bool empty_members(js_prover *p, const js_facts *w, int depth)
{
    for (size_t i = 0; i < w->nodes.n; i++) {
        for (size_t k = 0; k < w->nodes.v[i]->n_required; k++) {
            js_facts f = js_member_facts(p, w, w->nodes.v[i]->required[k]);
            if (js_empty(p, &f, depth + 1))
                return true;
        }
    }
    return false;
}

static unsigned open_types(js_prover *p, const js_facts *w, int depth)
{
    unsigned t = w->types;
    if ((t & JV_NUMBER) && empty_numbers(w))
        t &= ~(unsigned)JV_NUMBER;
    static const struct {
        unsigned type;
        js_count count;
    } counts[] = {{JV_STRING, JS_LENGTH}, {JV_ARRAY, JS_ITEMS}, {JV_OBJECT, JS_PROPERTIES}};
    for (size_t i = 0; i < NK_COUNTOF(counts); i++) {
        int64_t most = js_most(w, counts[i].count);
        if (most >= 0 && js_least(w, counts[i].count) > most)
            t &= ~counts[i].type;
    }
    if ((t & JV_OBJECT) && depth < 8 && empty_members(p, w, depth))
        t &= ~(unsigned)JV_OBJECT;
    if (t & JV_ARRAY) {
        int64_t least = js_least(w, JS_ITEMS);
        for (int64_t i = 0; i < least && i < 4 && depth < 8 && (t & JV_ARRAY); i++) {
            js_facts f = js_item_facts(p, w, (size_t)i);
            if (js_empty(p, &f, depth + 1))
                t &= ~(unsigned)JV_ARRAY;
        }
    }
    return t;
}

/* The values of an enum or const among the facts, when there is one. NULL: not finite. */
static const nk_json *listed_values(const js_facts *w, bool *single)
{
    const nk_json *best = NULL;
    for (size_t i = 0; i < w->nodes.n; i++) {
        const js_node *n = w->nodes.v[i];
        if (n->constant) {
            *single = true;
            return n->constant;
        }
        if (n->enums && (!best || n->enums->count < best->count))
            best = n->enums;
    }
    *single = false;
    return best;
}

/* Does the value meet all facts? UNKNOWN counts as yes: leaving facts out is sound. */
static bool may_be(js_prover *p, const js_facts *w, const nk_json *v)
{
    if (!(jv_type(v) & w->types) || w->none)
        return false;
    for (size_t i = 0; i < w->nodes.n; i++) {
        js_checker c = {.arena = p->a, .steps = 20000, .lax = true};
        if (js_valid(&c, w->nodes.v[i], v) == JV_NO)
            return false;
    }
    for (size_t i = 0; i < w->nots.n; i++) {
        js_checker c = {.arena = p->a, .steps = 20000};
        if (js_valid(&c, w->nots.v[i], v) == JV_YES)
            return false;
    }
    return true;
}

bool js_empty(js_prover *p, const js_facts *w, int depth)
{
    bool single;
    if (w->none || w->types == 0)
        return true;
    if (js_give_up(p) || depth > 8)
        return false;
    for (size_t i = 0; i < w->nodes.n; i++) {
        if (known_not(p, w, w->nodes.v[i]))
            return true;
    }
    const nk_json *values = listed_values(w, &single);
    if (values && (single || values->count <= 1000)) {
        for (const nk_json *v = single ? values : values->first; v; v = single ? NULL : v->next) {
            if (js_give_up(p) || may_be(p, w, v))
                return false;
        }
        return true;
    }
    if (open_types(p, w, depth) == 0)
        return true;
    if (w->splits.n && w->splits.n < 6 && depth < 6) {
        size_t cases = js_cases(&w->splits.v[w->splits.n - 1]);
        for (size_t i = 0; i < cases; i++) {
            js_facts f = js_case(p, w, i);
            if (!js_empty(p, &f, depth + 1))
                return false;
        }
        return true;
    }
    return false;
}

/* -- refusals ------------------------------------------------------------------------------- */

/* keyword: where in the reader's schema; the facts at hand give the sample. Always false. */
static bool refuse(js_prover *p, const js_facts *w, const js_node *r, const char *keyword,
                   nk_str member, nk_jsonschema_rule rule)
{
    if (p->quiet || p->refused.n >= JS_REFUSALS_MAX)
        return false;
    for (size_t i = 0; i < p->refused.n; i++) {
        const js_refusal *x = &p->refused.v[i];
        if (x->rule == rule && x->reader == r && x->keyword == keyword && x->sample)
            return false;
    }
    js_refusal *x = js_refusal_list_add(&p->refused, p->a);
    if (!x) {
        p->nomem = true;
        return false;
    }
    *x = (js_refusal){.rule = rule, .reader = r, .keyword = keyword, .member = member};
    x->reader_path = js_path_of(p->a, r, keyword, member);
    const js_node *at = w->nodes.n ? w->nodes.v[0] : p->frame ? NULL : p->writer->root;
    if (at) {
        x->writer_path = js_path(p->a, at);
    } else { /* the writer says nothing there: the nearest place that it does speak of */
        const js_frame *f = p->frame;
        while (f->up && f->facts->nodes.n == 0)
            f = f->up;
        x->writer_path = js_path(p->a, f->facts->nodes.n ? f->facts->nodes.v[0] : p->writer->root);
    }
    js_find_sample(p, w, r, x);
    return false;
}

/* -- goals ---------------------------------------------------------------------------------- */

static bool quietly(js_prover *p, const js_facts *w, const js_node *r)
{
    p->quiet++;
    bool ok = prove(p, w, r);
    p->quiet--;
    return ok;
}

static bool prove_below(js_prover *p, const js_facts *w, const js_facts *below, const js_node *r,
                        js_frame frame)
{
    frame.facts = w;
    frame.up = p->frame;
    p->frame = &frame;
    p->down++;
    bool ok = prove(p, below, r);
    p->down--;
    p->frame = frame.up;
    return ok;
}

static bool goal_numbers(js_prover *p, const js_facts *w, const js_node *r)
{
    bool ok = true;
    for (int low = 0; low < 2; low++) {
        const js_bound *want = low ? &r->low : &r->high;
        js_bound have = js_limit(w, low);
        if (!want->text.p)
            continue;
        int c = have.text.p ? jv_num_cmp(have.text, want->text) : 0;
        if (have.text.p && (low ? c > 0 : c < 0))
            continue;
        if (have.text.p && c == 0 && (have.exclusive || !want->exclusive))
            continue;
        const char *k = low ? (want->exclusive ? "exclusiveMinimum" : "minimum")
                            : (want->exclusive ? "exclusiveMaximum" : "maximum");
        if (want->exclusive && !nk_json_get(r->src, k))
            k = low ? "minimum" : "maximum";
        ok = refuse(
            p, w, r, k, NK_STR_NULL,
            have.text.p
                ? (low ? (want->exclusive ? JSR_EXCLUSIVE_MINIMUM_INCREASED : JSR_MINIMUM_INCREASED)
                       : (want->exclusive ? JSR_EXCLUSIVE_MAXIMUM_DECREASED
                                          : JSR_MAXIMUM_DECREASED))
                : (low ? (want->exclusive ? JSR_EXCLUSIVE_MINIMUM_ADDED : JSR_MINIMUM_ADDED)
                       : (want->exclusive ? JSR_EXCLUSIVE_MAXIMUM_ADDED : JSR_MAXIMUM_ADDED)));
    }
    if (!r->multiple_of.p)
        return ok;
    nk_str have = NK_STR_NULL;
    for (size_t i = 0; i < w->nodes.n; i++) {
        nk_str m = w->nodes.v[i]->multiple_of;
        if (!m.p)
            continue;
        have = m;
        if (jv_num_cmp(m, r->multiple_of) == 0 || jv_multiple(m, r->multiple_of) == JV_YES)
            return ok;
    }
    if (!(w->types & JV_FRACTION) && jv_multiple(NK_STR("1"), r->multiple_of) == JV_YES)
        return ok;
    return refuse(p, w, r, "multipleOf", NK_STR_NULL,
                  !have.p                                       ? JSR_MULTIPLE_OF_ADDED
                  : jv_multiple(r->multiple_of, have) == JV_YES ? JSR_MULTIPLE_OF_EXPANDED
                                                                : JSR_MULTIPLE_OF_CHANGED);
}

static bool goal_count(js_prover *p, const js_facts *w, const js_node *r, js_count what,
                       int64_t least, int64_t most)
{
    static const struct {
        const char *min, *max;
        nk_jsonschema_rule rule[4];
    } names[JS_COUNTS] = {
        {"minLength",
         "maxLength",
         {JSR_MIN_LENGTH_ADDED, JSR_MIN_LENGTH_INCREASED, JSR_MAX_LENGTH_ADDED,
          JSR_MAX_LENGTH_DECREASED}},
        {"minItems",
         "maxItems",
         {JSR_MIN_ITEMS_ADDED, JSR_MIN_ITEMS_INCREASED, JSR_MAX_ITEMS_ADDED,
          JSR_MAX_ITEMS_DECREASED}},
        {"minProperties",
         "maxProperties",
         {JSR_MIN_PROPERTIES_ADDED, JSR_MIN_PROPERTIES_INCREASED, JSR_MAX_PROPERTIES_ADDED,
          JSR_MAX_PROPERTIES_DECREASED}},
        {"minContains",
         "maxContains",
         {JSR_MIN_CONTAINS_ADDED, JSR_MIN_CONTAINS_INCREASED, JSR_MAX_CONTAINS_ADDED,
          JSR_MAX_CONTAINS_DECREASED}},
    };
    bool ok = true;
    if (r->least[what] > least)
        ok = refuse(p, w, r, names[what].min, NK_STR_NULL,
                    names[what].rule[js_least(w, what) > 0 ? 1 : 0]);
    if (r->most[what] >= 0 && (most < 0 || most > r->most[what]))
        ok = refuse(p, w, r, names[what].max, NK_STR_NULL,
                    names[what].rule[js_most(w, what) >= 0 ? 3 : 2]);
    return ok;
}

static bool goal_strings(js_prover *p, const js_facts *w, const js_node *r)
{
    bool ok = goal_count(p, w, r, JS_LENGTH, js_least(w, JS_LENGTH), js_most(w, JS_LENGTH));
    bool pattern = !r->pattern.text.p || r->pattern.text.n == 0, format = !r->format.p;
    bool any_pattern = false, any_format = false;
    for (size_t i = 0; i < w->nodes.n; i++) {
        const js_node *n = w->nodes.v[i];
        pattern |= n->pattern.text.p && nk_str_eq(n->pattern.text, r->pattern.text);
        any_pattern |= n->pattern.text.p != NULL;
        /* a format that only tells proves nothing to one that is looked at */
        format |= n->format.p && nk_str_eq(n->format, r->format) &&
                  (n->dialect <= JS_DRAFT_07 || r->dialect > JS_DRAFT_07);
        any_format |= n->format.p != NULL;
    }
    if (!pattern)
        ok = refuse(p, w, r, "pattern", NK_STR_NULL,
                    any_pattern ? JSR_PATTERN_CHANGED : JSR_PATTERN_ADDED);
    if (!format)
        ok = refuse(p, w, r, "format", NK_STR_NULL,
                    any_format ? JSR_FORMAT_CHANGED : JSR_FORMAT_ADDED);
    return ok;
}

static bool goal_contains(js_prover *p, const js_facts *w, const js_node *r)
{
    int64_t need = r->least[JS_CONTAINS] < 0 ? 1 : r->least[JS_CONTAINS];
    bool met = need == 0, capped = r->most[JS_CONTAINS] < 0;
    int64_t most = js_most(w, JS_ITEMS);
    capped |= most >= 0 && most <= r->most[JS_CONTAINS];
    for (size_t i = 0; i < w->nodes.n && !(met && capped); i++) {
        const js_node *n = w->nodes.v[i];
        if (!n->contains)
            continue;
        js_facts f = {.types = JV_ANY};
        js_assume(p, &f, n->contains);
        int64_t have = n->least[JS_CONTAINS] < 0 ? 1 : n->least[JS_CONTAINS];
        met |= have >= need && quietly(p, &f, r->contains);
        if (n->most[JS_CONTAINS] >= 0 && n->most[JS_CONTAINS] <= r->most[JS_CONTAINS] && !capped)
            capped = same(n->contains, r->contains);
    }
    if (!met && js_least(w, JS_ITEMS) >= need) {
        met = true;
        for (int64_t i = 0; i < need && met; i++) {
            js_facts f = js_item_facts(p, w, (size_t)i);
            met = i < 64 && quietly(p, &f, r->contains);
        }
    }
    if (!met)
        return refuse(p, w, r, "contains", NK_STR_NULL, JSR_CONTAINS_CHANGED);
    return capped || refuse(p, w, r, "maxContains", NK_STR_NULL, JSR_MAX_CONTAINS_DECREASED);
}

static size_t prefix_max(const js_facts *w)
{
    size_t n = 0;
    for (size_t i = 0; i < w->nodes.n; i++)
        n = w->nodes.v[i]->prefix.n > n ? w->nodes.v[i]->prefix.n : n;
    return n;
}

static bool goal_items(js_prover *p, const js_facts *w, const js_node *r, const js_node *rest)
{
    int64_t most = js_most(w, JS_ITEMS);
    size_t n = prefix_max(w);
    n = (r->prefix.n > n ? r->prefix.n : n) + 1;
    bool ok = true;
    for (size_t i = 0; i < n && (most < 0 || (int64_t)i < most); i++) {
        const js_node *want = i < r->prefix.n ? r->prefix.v[i] : rest;
        if (!want || want->is_true)
            continue;
        js_facts f = js_item_facts(p, w, i);
        if (js_empty(p, &f, 0))
            break; /* and so no item behind it */
        ok &= prove_below(p, w, &f, want, (js_frame){.index = (int64_t)i});
    }
    return ok;
}

static bool goal_arrays(js_prover *p, const js_facts *w, const js_node *r)
{
    bool ok = goal_count(p, w, r, JS_ITEMS, js_least(w, JS_ITEMS), js_most(w, JS_ITEMS));
    if (r->items || r->prefix.n)
        ok &= goal_items(p, w, r, r->items);
    if (r->contains)
        ok &= goal_contains(p, w, r);
    if (r->unique) {
        int64_t most = js_most(w, JS_ITEMS);
        bool unique = most >= 0 && most <= 1;
        for (size_t i = 0; i < w->nodes.n; i++)
            unique |= w->nodes.v[i]->unique;
        if (!unique)
            ok = refuse(p, w, r, "uniqueItems", NK_STR_NULL, JSR_UNIQUE_ITEMS_ADDED);
    }
    return ok;
}

/* The rule's name when the writer's member does not fit the reader's schema of it. */
static nk_jsonschema_rule property_rule(js_prover *p, const js_facts *w, nk_str name,
                                        const js_node *r)
{
    bool open = true, required = js_has(r->required, r->n_required, name);
    for (size_t i = 0; i < w->nodes.n; i++) {
        const js_node *n = w->nodes.v[i];
        open &= n->n_patterns == 0 && (!n->additional || n->additional->is_true);
    }
    if (!open)
        return JSR_PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL;
    return required ? JSR_REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL
                    : JSR_OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL;
}

/* Member `name` against one schema of the reader's. */
static bool goal_member(js_prover *p, const js_facts *w, nk_str name, const js_node *want,
                        const js_node *r, const char *keyword, bool covered)
{
    if (want->is_true)
        return true;
    js_facts f = js_member_facts(p, w, name);
    if (js_empty(p, &f, 0))
        return true;
    js_frame frame = {.member = name, .index = -1};
    bool known = names_member(w, name);
    if (known && !want->is_false)
        return prove_below(p, w, &f, want, frame);
    /* one of the two sides does not know the member: say that, not what follows from it */
    p->quiet++;
    bool ok = prove_below(p, w, &f, want, frame);
    p->quiet--;
    if (ok)
        return true;
    nk_jsonschema_rule rule =
        covered          ? property_rule(p, w, name, r)
        : want->is_false ? JSR_PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL
                         : JSR_PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL;
    frame.facts = w;
    frame.up = p->frame;
    p->frame = &frame;
    refuse(p, &f, want, NULL, NK_STR_NULL, rule);
    p->frame = frame.up;
    return false;
}

static bool pattern_known(const js_node *n, nk_str re)
{
    for (size_t i = 0; i < n->n_patterns; i++) {
        if (nk_str_eq(n->patterns[i].re.text, re))
            return true;
    }
    return false;
}

/* Members that no `properties` of the writer names, one class of them: those that match `pattern`
 * (NULL: those that match none). */
static js_facts class_facts(js_prover *p, const js_facts *w, const js_pattern *pattern)
{
    js_facts f = {.types = JV_ANY};
    for (size_t i = 0; i < w->nodes.n; i++) {
        const js_node *n = w->nodes.v[i];
        bool listed = pattern && pattern_known(n, pattern->re.text);
        for (size_t k = 0; k < n->n_patterns && listed; k++) {
            if (nk_str_eq(n->patterns[k].re.text, pattern->re.text))
                js_assume(p, &f, n->patterns[k].node);
        }
        /* a name of the class matches none of this schema's patterns only if it has none, or for
         * the class of no pattern */
        if (!listed && n->additional && (!pattern || n->n_patterns == 0))
            js_assume(p, &f, n->additional);
    }
    return f;
}

/* A name of that class, for the sample. */
static nk_str class_name(js_prover *p, const js_pattern *pattern)
{
    nk_str name = pattern ? js_regex_sample(p->a, pattern->re.text, 0, 1) : NK_STR("extra");
    return name.p ? name : NK_STR("extra");
}

static bool goal_class(js_prover *p, const js_facts *w, const js_pattern *pattern,
                       const js_node *want, const js_node *r, nk_str name, nk_jsonschema_rule rule)
{
    if (want->is_true)
        return true;
    js_facts f = class_facts(p, w, pattern);
    if (js_empty(p, &f, 0))
        return true;
    js_frame frame = {.member = name, .index = -1};
    p->quiet++;
    bool ok = prove_below(p, w, &f, want, frame);
    p->quiet--;
    if (ok)
        return true;
    frame.facts = w;
    frame.up = p->frame;
    p->frame = &frame;
    refuse(p, &f, want, NULL, NK_STR_NULL, rule);
    p->frame = frame.up;
    return false;
}

/* Every class of names that the writer's patterns make, and the class of no pattern. skip: the
 * reader's schema does not apply to names that match these. */
static bool goal_classes(js_prover *p, const js_facts *w, const js_node *want, const js_node *r,
                         const js_pattern *only, nk_jsonschema_rule rule)
{
    bool ok = true;
    for (size_t i = 0; only && i < w->nodes.n; i++) {
        /* the writer has the same pattern: all these names are of that class */
        if (pattern_known(w->nodes.v[i], only->re.text))
            return goal_class(p, w, only, want, r, class_name(p, only), rule);
    }
    for (size_t i = 0; i < w->nodes.n && !js_give_up(p); i++) {
        const js_node *n = w->nodes.v[i];
        for (size_t k = 0; k < n->n_patterns; k++) {
            const js_pattern *q = &n->patterns[k];
            if (!only && pattern_known(r, q->re.text))
                continue; /* the reader's additionalProperties never meets these */
            ok &= goal_class(p, w, q, want, r, class_name(p, only ? only : q), rule);
        }
    }
    return ok & goal_class(p, w, NULL, want, r, only ? class_name(p, only) : NK_STR("extra"), rule);
}

/* All members that the writer names and the reader's `properties` does not. */
static bool goal_unnamed(js_prover *p, const js_facts *w, const js_node *r)
{
    bool ok = true;
    for (size_t i = 0; i < w->nodes.n; i++) {
        const js_node *n = w->nodes.v[i];
        for (size_t k = 0; k < n->n_properties; k++) {
            nk_str name = n->properties[k].name;
            bool taken = js_find(r->properties, r->n_properties, name) != NULL;
            for (size_t q = 0; q < r->n_patterns; q++) {
                jv_truth t = js_match(&r->patterns[q].re, name);
                if (t != JV_NO)
                    ok &=
                        goal_member(p, w, name, r->patterns[q].node, r, "patternProperties", true);
                taken |= t == JV_YES;
            }
            if (!taken && r->additional && !js_give_up(p))
                ok &= goal_member(p, w, name, r->additional, r, "additionalProperties", false);
        }
    }
    return ok;
}

static bool goal_properties(js_prover *p, const js_facts *w, const js_node *r)
{
    bool ok = true;
    for (size_t i = 0; i < r->n_properties && !js_give_up(p); i++)
        ok &=
            goal_member(p, w, r->properties[i].name, r->properties[i].node, r, "properties", true);
    if (r->n_patterns || (r->additional && !r->additional->is_true))
        ok &= goal_unnamed(p, w, r);
    for (size_t i = 0; i < r->n_patterns; i++)
        ok &= goal_classes(p, w, r->patterns[i].node, r, &r->patterns[i],
                           JSR_PATTERN_PROPERTY_NARROWED);
    if (r->additional && !r->additional->is_true) {
        js_facts rest = js_rest_facts(p, w);
        ok &= goal_classes(p, w, r->additional, r, NULL,
                           rest.nodes.n == 0 ? JSR_ADDITIONAL_PROPERTIES_REMOVED
                                             : JSR_ADDITIONAL_PROPERTIES_NARROWED);
    }
    return ok;
}

/* Can the writer's values hold no more members than these names? Their number, or -1. */
static int64_t closed_count(js_prover *p, const js_facts *w)
{
    int64_t best = -1;
    for (size_t i = 0; i < w->nodes.n; i++) {
        const js_node *n = w->nodes.v[i];
        if (n->additional && n->additional->is_false && n->n_patterns == 0 &&
            (best < 0 || (int64_t)n->n_properties < best))
            best = (int64_t)n->n_properties;
    }
    return best;
}

static bool goal_required(js_prover *p, const js_facts *w, const js_node *r)
{
    bool ok = true;
    for (size_t i = 0; i < r->n_required; i++) {
        nk_str name = r->required[i];
        if (js_requires(w, name))
            continue;
        const js_member *m = js_find(r->properties, r->n_properties, name);
        bool filled = m && nk_json_get(m->node->src, "default");
        bool known = names_member(w, name);
        nk_jsonschema_rule rule =
            known    ? (filled ? JSR_REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED
                               : JSR_REQUIRED_ATTRIBUTE_ADDED)
            : filled ? JSR_REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL
                     : JSR_REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL;
        if (!known && closed_count(p, w) < 0 && !filled)
            rule = JSR_REQUIRED_ATTRIBUTE_ADDED;
        ok = refuse(p, w, r, "required", NK_STR_NULL, rule);
    }
    return ok;
}

static bool goal_depends(js_prover *p, const js_facts *w, const js_node *r)
{
    bool ok = true;
    for (size_t i = 0; i < r->n_depends; i++) {
        const js_depend *d = &r->depends[i];
        js_facts f = js_member_facts(p, w, d->name);
        if (js_empty(p, &f, 0))
            continue;
        for (size_t k = 0; k < d->n; k++) {
            bool met = js_requires(w, d->names[k]);
            for (size_t q = 0; q < w->nodes.n && !met; q++) {
                const js_depend *have = js_depend_of(w->nodes.v[q], d->name);
                met = have && js_has(have->names, have->n, d->names[k]);
            }
            if (!met) {
                ok =
                    refuse(p, w, r, r->dialect >= JS_2019_09 ? "dependentRequired" : "dependencies",
                           d->name, JSR_DEPENDENCY_ARRAY_EXTENDED);
                break;
            }
        }
    }
    for (size_t i = 0; i < r->n_depend_schemas; i++) {
        nk_str name = r->depend_schemas[i].name;
        js_facts f = js_member_facts(p, w, name);
        if (js_empty(p, &f, 0))
            continue;
        f = js_copy_facts(p, w);
        for (size_t q = 0; q < w->nodes.n; q++) {
            const js_node *n = w->nodes.v[q];
            const js_member *m = js_find(n->depend_schemas, n->n_depend_schemas, name);
            if (m)
                js_assume(p, &f, m->node);
        }
        if (!quietly(p, &f, r->depend_schemas[i].node))
            ok = refuse(p, w, r, r->dialect >= JS_2019_09 ? "dependentSchemas" : "dependencies",
                        name, JSR_DEPENDENCY_SCHEMA_ADDED);
    }
    return ok;
}

static bool goal_names(js_prover *p, const js_facts *w, const js_node *r)
{
    js_facts f = {.types = JV_STRING};
    for (size_t i = 0; i < w->nodes.n; i++) {
        if (w->nodes.v[i]->names)
            js_assume(p, &f, w->nodes.v[i]->names);
    }
    if (quietly(p, &f, r->names))
        return true;
    for (size_t i = 0; i < w->nodes.n; i++) { /* a closed list of names: look at each */
        const js_node *n = w->nodes.v[i];
        if (!n->additional || !n->additional->is_false || n->n_patterns)
            continue;
        bool all = true;
        for (size_t k = 0; k < n->n_properties && all; k++) {
            nk_json text = {.kind = NK_JSON_STRING, .text = n->properties[k].name};
            js_checker c = {.arena = p->a, .steps = 10000};
            js_facts m = js_member_facts(p, w, n->properties[k].name);
            all = js_empty(p, &m, 0) || js_valid(&c, r->names, &text) == JV_YES;
        }
        if (all)
            return true;
    }
    return refuse(p, w, r, "propertyNames", NK_STR_NULL, JSR_PROPERTY_NAMES_CHANGED);
}

static bool goal_objects(js_prover *p, const js_facts *w, const js_node *r)
{
    int64_t least = js_least(w, JS_PROPERTIES), most = js_most(w, JS_PROPERTIES);
    int64_t closed = closed_count(p, w);
    for (size_t i = 0; i < w->nodes.n; i++) {
        if ((int64_t)w->nodes.v[i]->n_required > least)
            least = (int64_t)w->nodes.v[i]->n_required;
    }
    if (closed >= 0 && (most < 0 || closed < most))
        most = closed;
    bool ok = goal_count(p, w, r, JS_PROPERTIES, least, most);
    ok &= goal_required(p, w, r);
    ok &= goal_properties(p, w, r);
    ok &= goal_depends(p, w, r);
    if (r->names && !r->names->is_true)
        ok &= goal_names(p, w, r);
    return ok;
}

/* What the reader leaves unevaluated is at most what none of its own properties name. Without a
 * look into branches: whatever it asks there is asked of every such member. */
static bool goal_unevaluated(js_prover *p, const js_facts *w, const js_node *r)
{
    js_facts own = {.types = JV_ANY};
    bool ok = true;
    js_assume(p, &own, r); /* the schemas that always apply beside it */
    if ((w->types & JV_OBJECT) && r->unevaluated_properties &&
        !r->unevaluated_properties->is_true) {
        js_node all = {.src = r->src,
                       .parent = r->parent,
                       .keyword = r->keyword,
                       .member = r->member,
                       .resource = r->resource,
                       .types = JV_ANY,
                       .additional = r->unevaluated_properties};
        bool open = false;
        size_t n = 0;
        for (size_t i = 0; i < own.nodes.n; i++) {
            open |= own.nodes.v[i]->additional && !own.nodes.v[i]->made;
            n += own.nodes.v[i]->n_properties;
        }
        js_member *named = NK_NEWN(p->a, js_member, n + 1);
        if (!named) {
            p->nomem = true;
            return false;
        }
        /* named members are judged where they are named; here they only count as evaluated */
        js_node *anything = NK_NEW(p->a, js_node);
        if (!anything) {
            p->nomem = true;
            return false;
        }
        anything->is_true = true;
        anything->types = JV_ANY;
        for (size_t i = 0; i < own.nodes.n; i++) {
            for (size_t k = 0; !own.nodes.v[i]->made && k < own.nodes.v[i]->n_properties; k++)
                named[all.n_properties++] =
                    (js_member){own.nodes.v[i]->properties[k].name, anything};
        }
        qsort(named, all.n_properties, sizeof *named, js_member_cmp);
        all.properties = named;
        if (!open) {
            p->quiet++;
            ok = goal_properties(p, w, &all);
            p->quiet--;
            if (!ok)
                refuse(p, w, r, "unevaluatedProperties", NK_STR_NULL,
                       JSR_UNEVALUATED_PROPERTIES_NARROWED);
        }
    }
    if ((w->types & JV_ARRAY) && r->unevaluated_items && !r->unevaluated_items->is_true) {
        bool open = false;
        size_t prefix = prefix_max(&own);
        for (size_t i = 0; i < own.nodes.n; i++)
            open |= own.nodes.v[i]->items != NULL;
        int64_t most = js_most(w, JS_ITEMS);
        size_t upto = prefix_max(w) + 1;
        for (size_t i = prefix; !open && i <= (upto > prefix ? upto : prefix); i++) {
            if (most >= 0 && (int64_t)i >= most)
                break;
            js_facts f = js_item_facts(p, w, i);
            if (js_empty(p, &f, 0))
                break;
            if (!quietly(p, &f, r->unevaluated_items))
                return refuse(p, w, r, "unevaluatedItems", NK_STR_NULL,
                              JSR_UNEVALUATED_ITEMS_NARROWED);
        }
    }
    return ok;
}

/* -- combined goals ------------------------------------------------------------------------- */

static bool disjoint(js_prover *p, const js_facts *w, const js_node *r)
{
    if (r->is_false || known_not(p, w, r))
        return true;
    for (size_t i = 0; i < w->nots.n; i++) { /* r lies within something known not to hold */
        js_facts f = {.types = JV_ANY};
        js_assume(p, &f, r);
        if (!r->is_true && quietly(p, &f, w->nots.v[i]))
            return true;
    }
    js_facts f = js_copy_facts(p, w);
    js_assume(p, &f, r);
    return js_empty(p, &f, 0);
}

static bool one_branch(js_prover *p, const js_facts *w, const js_node *r, bool one)
{
    js_nodes b = one ? r->one_of : r->any_of;
    for (size_t i = 0; i < b.n && !js_give_up(p); i++) {
        if (!quietly(p, w, b.v[i]))
            continue;
        if (!one)
            return true;
        bool alone = true;
        for (size_t k = 0; k < b.n && alone; k++)
            alone = k == i || disjoint(p, w, b.v[k]);
        if (alone)
            return true;
    }
    return false;
}

/* A branch for all values, or one for each type of value, or for each case of the writer's. */
static bool some_branch(js_prover *p, const js_facts *w, const js_node *r, bool one, int depth)
{
    static const unsigned kinds[] = {JV_NULL,   JV_BOOL,  JV_INT | JV_IFLOAT, JV_FRACTION,
                                     JV_STRING, JV_ARRAY, JV_OBJECT};
    if (one_branch(p, w, r, one))
        return true;
    if (w->splits.n && depth < 6) {
        bool all = true;
        size_t cases = js_cases(&w->splits.v[w->splits.n - 1]);
        for (size_t i = 0; i < cases && all && !js_give_up(p); i++) {
            js_facts f = js_case(p, w, i);
            all = js_empty(p, &f, 0) || some_branch(p, &f, r, one, depth + 1);
        }
        return all && !p->exhausted;
    }
    size_t several = 0;
    for (size_t i = 0; i < NK_COUNTOF(kinds); i++)
        several += (w->types & kinds[i]) != 0;
    if (several < 2)
        return false;
    for (size_t i = 0; i < NK_COUNTOF(kinds); i++) {
        if (!(w->types & kinds[i]))
            continue;
        js_facts f = js_copy_facts(p, w);
        f.types = w->types & kinds[i];
        if (!js_empty(p, &f, 0) && !one_branch(p, &f, r, one))
            return false;
    }
    return !p->exhausted;
}

static bool has_same_sum(const js_facts *w, const js_node *r, bool one)
{
    for (size_t i = 0; i < w->nodes.n; i++) {
        js_nodes a = one ? w->nodes.v[i]->one_of : w->nodes.v[i]->any_of;
        js_nodes b = one ? r->one_of : r->any_of;
        bool equal = a.n == b.n;
        for (size_t k = 0; k < a.n && equal; k++)
            equal = same(a.v[k], b.v[k]);
        if (equal && a.n)
            return true;
    }
    return false;
}

static bool goal_combined(js_prover *p, const js_facts *w, const js_node *r)
{
    bool ok = true;
    for (size_t i = 0; i < r->all_of.n; i++)
        ok &= prove(p, w, r->all_of.v[i]);
    for (int one = 0; one < 2; one++) {
        js_nodes b = one ? r->one_of : r->any_of;
        if (b.n == 1)
            ok &= prove(p, w, b.v[0]);
        else if (b.n && !has_same_sum(w, r, one) && !some_branch(p, w, r, one, 0))
            ok = refuse(p, w, r, one ? "oneOf" : "anyOf", NK_STR_NULL, JSR_SUM_TYPE_NARROWED);
    }
    if (r->no && !disjoint(p, w, r->no))
        ok = refuse(p, w, r, "not", NK_STR_NULL, JSR_NOT_TYPE_EXTENDED);
    if (r->when) {
        bool held = true;
        if (r->then) {
            js_facts f = js_copy_facts(p, w);
            js_assume(p, &f, r->when);
            held = js_empty(p, &f, 0) || quietly(p, &f, r->then);
        }
        if (held && r->otherwise) {
            js_facts f = js_copy_facts(p, w);
            (void)add_node(p, &f.nots, r->when);
            held = js_empty(p, &f, 0) || quietly(p, &f, r->otherwise);
        }
        if (!held)
            ok = refuse(p, w, r, "if", NK_STR_NULL, JSR_CONDITIONAL_CHANGED);
    }
    return ok;
}

static bool goal_types(js_prover *p, const js_facts *w, const js_node *r)
{
    unsigned lost = w->types & ~r->types;
    if (!lost)
        return true;
    js_facts f = js_copy_facts(p, w);
    f.types = lost;
    if (js_empty(p, &f, 0))
        return true;
    return refuse(p, &f, r, r->types == JV_ANY ? NULL : "type", NK_STR_NULL,
                  w->types & r->types ? JSR_TYPE_NARROWED : JSR_TYPE_CHANGED);
}

/* An enum or const of the reader's, against facts that are not finite. */
static bool goal_values(js_prover *p, const js_facts *w, const js_node *r)
{
    if (!r->enums && !r->constant)
        return true;
    static nk_json plain[] = {
        {.kind = NK_JSON_NULL}, {.kind = NK_JSON_TRUE}, {.kind = NK_JSON_FALSE}};
    bool all = (w->types & ~(unsigned)(JV_NULL | JV_BOOL)) == 0;
    for (size_t i = 0; i < NK_COUNTOF(plain) && all; i++) {
        js_checker c = {.arena = p->a, .steps = 10000};
        all = !(jv_type(&plain[i]) & w->types) || js_valid(&c, r, &plain[i]) == JV_YES;
    }
    return all || refuse(p, w, r, r->enums ? "enum" : "const", NK_STR_NULL, JSR_ENUM_ARRAY_CHANGED);
}

static bool goals(js_prover *p, const js_facts *w, const js_node *r)
{
    bool ok = true;
    if (r->ref) {
        ok &= prove(p, w, r->ref);
    }
    if (!goal_types(p, w, r))
        return false;
    ok &= goal_values(p, w, r);
    if (w->types & JV_NUMBER)
        ok &= goal_numbers(p, w, r);
    if (w->types & JV_STRING)
        ok &= goal_strings(p, w, r);
    if (w->types & JV_ARRAY)
        ok &= goal_arrays(p, w, r);
    if (w->types & JV_OBJECT)
        ok &= goal_objects(p, w, r);
    ok &= goal_combined(p, w, r);
    if (r->unevaluated_items || r->unevaluated_properties)
        ok &= goal_unevaluated(p, w, r);
    return ok;
}

/* Finitely many values: judge each. */
static bool prove_finite(js_prover *p, const js_facts *w, const js_node *r, const nk_json *values,
                         bool single)
{
    for (const nk_json *v = single ? values : values->first; v; v = single ? NULL : v->next) {
        if (js_give_up(p))
            return false;
        if (!may_be(p, w, v))
            continue;
        js_checker c = {.arena = p->a, .steps = 100000, .schema = p->reader};
        p->candidate = v;
        bool taken = js_valid(&c, r, v) == JV_YES;
        if (taken && p->reader->dialect == JS_DRAFT_04) { /* 2 is written 2.0 too */
            p->candidate = jv_as_floats(p->a, v);
            taken = p->candidate && js_valid(&c, r, p->candidate) == JV_YES;
            if (p->candidate && !may_be(p, w, p->candidate))
                taken = true;
        }
        if (taken)
            continue;
        (void)refuse(p, w, r,
                     r->enums      ? "enum"
                     : r->constant ? "const"
                                   : NULL,
                     NK_STR_NULL,
                     r->enums || r->constant
                         ? JSR_ENUM_ARRAY_NARROWED
                         : (jv_type(v) & r->types ? JSR_COMBINED_TYPE_CHANGED : JSR_TYPE_CHANGED));
        p->candidate = NULL;
        return false;
    }
    p->candidate = NULL;
    return true;
}

/* With nothing decided yet: as it stands, then case by case. */
static bool prove_cases(js_prover *p, const js_facts *w, const js_node *r)
{
    bool single;
    if (js_give_up(p))
        return false;
    if (js_empty(p, w, 0))
        return true;
    if (r->is_false)
        return refuse(p, w, r, NULL, NK_STR_NULL, JSR_TYPE_CHANGED);
    const nk_json *values = listed_values(w, &single);
    if (values)
        return prove_finite(p, w, r, values, single);
    if (w->splits.n == 0)
        return goals(p, w, r);
    p->quiet++;
    bool ok = goals(p, w, r);
    p->quiet--;
    if (ok)
        return true;
    if (w->splits.n > 12)
        return refuse(p, w, r, NULL, NK_STR_NULL, JSR_NOT_PROVABLE);
    ok = true;
    size_t cases = js_cases(&w->splits.v[w->splits.n - 1]);
    for (size_t i = 0; i < cases && (ok || !p->quiet); i++) {
        js_facts f = js_case(p, w, i);
        ok &= prove_cases(p, &f, r);
        if (p->exhausted || p->nomem)
            return false;
    }
    return ok;
}

static bool known(js_prover *p, const js_facts *w, const js_node *r)
{
    if (r->is_true || w->none)
        return true;
    for (size_t i = 0; i < w->nodes.n; i++) {
        if (same(w->nodes.v[i], r))
            return true;
    }
    return false;
}

/* The pair's key: which facts, which types, which goal. */
static nk_str pair_key(js_prover *p, const js_facts *w, const js_node *r)
{
    size_t n = w->nodes.n + w->nots.n + w->splits.n + 3;
    uintptr_t *k = NK_NEWN(p->a, uintptr_t, n);
    if (!k)
        return NK_STR_NULL;
    size_t i = 0;
    k[i++] = (uintptr_t)r;
    k[i++] = w->types;
    k[i++] = w->nodes.n << 20 | w->nots.n;
    for (size_t j = 0; j < w->nodes.n; j++)
        k[i++] = (uintptr_t)w->nodes.v[j];
    for (size_t j = 0; j < w->nots.n; j++)
        k[i++] = (uintptr_t)w->nots.v[j];
    for (size_t j = 0; j < w->splits.n; j++)
        k[i++] = (uintptr_t)w->splits.v[j].node + w->splits.v[j].kind;
    return nk_str_n((const char *)k, n * sizeof *k);
}

static bool prove(js_prover *p, const js_facts *w, const js_node *r)
{
    if (known(p, w, r))
        return true;
    if (js_give_up(p) || p->depth > 1500) {
        p->exhausted = true;
        return false;
    }
    nk_str key = pair_key(p, w, r);
    js_pair *pair = key.p ? nk_map_get(&p->pairs, key) : NULL;
    if (pair && pair->state == JS_PAIR_OPEN) {
        /* values end, so an assumption further down is sound */
        if (p->down > pair->down && pair->level < p->lowest)
            p->lowest = pair->level;
        return p->down > pair->down;
    }
    if (pair && pair->state == JS_PAIR_HOLDS)
        return true;
    if (pair && pair->state == JS_PAIR_FAILS && (p->quiet || pair->told))
        return false;
    if (!pair)
        pair = NK_NEW(p->a, js_pair);
    if (!key.p || !pair || nk_map_put(&p->pairs, key, pair, NULL) != NK_OK) {
        p->nomem = true;
        return false;
    }
    size_t outer = p->lowest, level = (size_t)p->depth;
    *pair = (js_pair){.state = JS_PAIR_OPEN, .down = p->down, .level = level};
    p->lowest = SIZE_MAX;
    p->depth++;
    bool ok = prove_cases(p, w, r) && !p->exhausted && !p->nomem;
    p->depth--;
    /* what rests on an assumption further out holds only as long as that one does */
    pair->state = !ok ? JS_PAIR_FAILS : p->lowest < level ? JS_PAIR_AGAIN : JS_PAIR_HOLDS;
    pair->told = !p->quiet;
    if (p->lowest >= level)
        p->lowest = SIZE_MAX;
    p->lowest = p->lowest < outer ? p->lowest : outer;
    return ok;
}

/* The same text with the same references. */
static bool same_documents(const nk_jsonschema *a, const nk_jsonschema *b)
{
    if (!jv_equal(a->json, b->json) || a->n_refs != b->n_refs)
        return false;
    const js_resource *x = a->resources, *y = b->resources;
    for (; x && y; x = x->next, y = y->next) {
        if (!nk_str_eq(x->uri, y->uri) || !jv_equal(x->json, y->json))
            return false;
    }
    return !x && !y;
}

bool js_prove_root(js_prover *p)
{
    const nk_jsonschema *a = p->writer, *b = p->reader;
    if ((a->dynamic && a->resources->next) || (b->dynamic && b->resources->next)) {
        /* what such a reference means depends on the way to it */
        js_facts none = {.types = JV_ANY};
        return same_documents(a, b) ||
               refuse(p, &none, b->root, NULL, NK_STR_NULL, JSR_NOT_PROVABLE);
    }
    js_facts w = {.types = JV_ANY};
    if (same_documents(a, b))
        return true;
    js_assume(p, &w, p->writer->root);
    return prove(p, &w, p->reader->root);
}
