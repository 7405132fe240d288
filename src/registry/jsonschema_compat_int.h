/* The compatibility checker inside: what the prover and the maker of samples share. */
#ifndef NK_JSONSCHEMA_COMPAT_INT_H
#define NK_JSONSCHEMA_COMPAT_INT_H

#include "registry/jsonschema_int.h"

typedef enum {
#define NK_JSR(name, glue, confluent, doc) JSR_##name,
#include "registry/jsonschema_rules.def"
#undef NK_JSR
    JSR_COUNT
} nk_jsonschema_rule;
extern const nk_schema_rule js_rules[JSR_COUNT];

enum { JS_REFUSALS_MAX = NK_SCHEMA_DIFFS_MAX };

NK_LIST(js_node_set, const js_node *);
typedef enum { JS_SPLIT_ANY, JS_SPLIT_ONE, JS_SPLIT_IF } js_split_kind;
/* One of several cases holds; which, is not decided yet. */
typedef struct js_split {
    const js_node *node;
    js_split_kind kind;
} js_split;
NK_LIST(js_split_list, js_split);

/* What is known of a value that the writer may write: all of nodes hold, none of nots does. */
typedef struct js_facts {
    js_node_set nodes, nots;
    js_split_list splits;
    unsigned types;
    bool none; /* no such value */
} js_facts;

/* How a place was reached from the one above it. */
typedef struct js_frame js_frame;
struct js_frame {
    const js_facts *facts; /* of the value above */
    nk_str member;         /* p NULL: an item */
    int64_t index;
    js_frame *up;
};

typedef struct js_refusal {
    nk_jsonschema_rule rule;
    const js_node *reader;
    const char *keyword;
    nk_str member, reader_path, writer_path;
    nk_json *sample; /* a whole document; NULL when none was found */
} js_refusal;
NK_LIST(js_refusal_list, js_refusal);

typedef enum { JS_PAIR_OPEN, JS_PAIR_HOLDS, JS_PAIR_FAILS, JS_PAIR_AGAIN } js_pair_state;
typedef struct js_pair {
    js_pair_state state;
    size_t down, level;
    bool told;
} js_pair;

typedef struct js_prover {
    nk_arena *a;
    const nk_jsonschema *writer, *reader;
    js_frame *frame;
    js_refusal_list refused;
    nk_map pairs;
    size_t steps;  /* left */
    size_t down;   /* places descended so far: members and items */
    size_t lowest; /* level of the outermost open pair that was relied on */
    int quiet, depth;
    bool exhausted, nomem, many; /* many: several resources, so dynamic references are not static */
    const nk_json *candidate;    /* a value at this very place that breaks */
    size_t sample_steps, sample_left; /* for the sample being made, for all */
} js_prover;

bool js_give_up(js_prover *p);
void js_assume(js_prover *p, js_facts *f, const js_node *n);
js_facts js_copy_facts(js_prover *p, const js_facts *w);
size_t js_cases(const js_split *s);
js_facts js_case(js_prover *p, const js_facts *w, size_t i);
js_facts js_member_facts(js_prover *p, const js_facts *w, nk_str name);
js_facts js_item_facts(js_prover *p, const js_facts *w, size_t i);
int64_t js_least(const js_facts *w, js_count what);
int64_t js_most(const js_facts *w, js_count what);
js_bound js_limit(const js_facts *w, bool low);
bool js_requires(const js_facts *w, nk_str name);
js_facts js_rest_facts(js_prover *p, const js_facts *w);
bool js_empty(js_prover *p, const js_facts *w, int depth);
bool js_prove_root(js_prover *p);
int js_member_cmp(const void *a, const void *b);
/* Looks for a document that the writer's schema takes and the reader's does not, changing the value
 * at the current place; x->sample. */
void js_find_sample(js_prover *p, const js_facts *w, const js_node *r, js_refusal *x);

#endif
