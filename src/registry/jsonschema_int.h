/* JSON Schema inside: the compiled form of a definition, shared by the parser, the validator and
 * the compatibility checker. */
#ifndef NK_JSONSCHEMA_INT_H
#define NK_JSONSCHEMA_INT_H

#include "registry/jsonschema.h"
#include "registry/jsonvalue_int.h"

typedef enum { JS_DRAFT_04, JS_DRAFT_06, JS_DRAFT_07, JS_2019_09, JS_2020_12 } js_dialect;

/* Pairs of keywords that bound a count. */
typedef enum { JS_LENGTH, JS_ITEMS, JS_PROPERTIES, JS_CONTAINS, JS_COUNTS } js_count;

typedef struct js_node js_node;
typedef struct js_resource js_resource;

typedef struct js_regex {
    nk_str text;
    void *code; /* pcre2_code, freed with the arena */
} js_regex;
typedef struct js_member {
    nk_str name;
    js_node *node;
} js_member;
typedef struct js_pattern {
    js_regex re;
    js_node *node;
} js_pattern;
typedef struct js_depend {
    nk_str name;
    nk_str *names; /* sorted */
    size_t n;
} js_depend;
typedef struct js_bound {
    nk_str text; /* p NULL: none */
    bool exclusive;
} js_bound;
typedef struct js_nodes {
    js_node **v;
    size_t n;
} js_nodes;

/* One (sub)schema. */
struct js_node {
    const nk_json *src;
    js_node *parent;
    nk_str keyword, member; /* where it stands in parent: #/keyword/member */
    js_resource *resource;
    size_t id;
    js_dialect dialect;
    bool is_true, is_false; /* every value, no value */
    bool made;              /* stands in no text: see closed */
    bool same_place;        /* refers to itself without going down: being visited */
    bool visited;
    bool has_ref; /* a $ref at or below */
    bool dynamic; /* ref goes to the outermost anchor of this name in scope ($dynamicRef) */
    nk_str anchor;
    unsigned types; /* of JV_*; JV_ANY when it does not say */
    const nk_json *enums, *constant;
    js_bound low, high;
    nk_str multiple_of, format;
    js_regex pattern;
    int64_t least[JS_COUNTS], most[JS_COUNTS]; /* -1: none */
    bool unique;
    js_nodes prefix;
    js_node *items, *contains, *unevaluated_items;
    js_member *properties; /* sorted by name */
    size_t n_properties;
    js_pattern *patterns;
    size_t n_patterns;
    js_node *additional, *names, *unevaluated_properties;
    nk_str *required; /* sorted */
    size_t n_required;
    js_depend *depends;
    size_t n_depends;
    js_member *depend_schemas;
    size_t n_depend_schemas;
    js_nodes all_of, any_of, one_of;
    js_node *no, *when, *then, *otherwise;
    nk_str ref_text;
    js_node *ref;
    js_node *closed; /* what unevaluatedProperties says as additionalProperties, where that is sound
                        to assume: of names that no schema at this place mentions */
    uint64_t hash;   /* of the text without annotations */
};

/* A schema with an address of its own: a document, or a part with an $id. */
struct js_resource {
    nk_str uri; /* without fragment; empty for a document that has none */
    js_node *root;
    const nk_json *json;
    js_resource *next;
};

struct nk_jsonschema {
    nk_arena *arena;
    js_node *root;
    js_dialect dialect;
    js_resource *resources;
    size_t nodes;
    const nk_json *json;
    nk_map by_json; /* address of an nk_json -> js_node */
    struct js_anchor *anchors;
    size_t n_refs; /* other documents it was read with */
    bool dynamic;  /* has dynamic references */
};

/* "#/properties/a/items" in the arena. */
nk_str js_path(nk_arena *a, const js_node *node);
/* That of a keyword of node, member may be absent. */
nk_str js_path_of(nk_arena *a, const js_node *node, const char *keyword, nk_str member);
const js_member *js_find(const js_member *v, size_t n, nk_str name);
bool js_has(const nk_str *v, size_t n, nk_str name);
const js_depend *js_depend_of(const js_node *node, nk_str name);
/* Where a dynamic reference leads with these resources entered, outermost first. */
js_node *js_dynamic(const nk_jsonschema *s, const js_node *n, js_resource *const *scope,
                    size_t depth);
/* UNKNOWN when the match costs too much. */
jv_truth js_match(const js_regex *re, nk_str s);
/* Equal but for title, description and the like at the top. */
bool js_same_text(const nk_json *a, const nk_json *b);
/* Known formats are looked at; others are taken as met (NULL name too). */
bool js_format_ok(nk_str format, nk_str s);
nk_str js_format_sample(nk_str format, unsigned variant);
/* A text that the expression matches, for the common constructs; p NULL when none was found. */
nk_str js_regex_sample(nk_arena *a, nk_str re, unsigned variant, size_t min_len);

/* Is the value valid under node? UNKNOWN when the budget of steps is used up. */
typedef struct js_checker {
    nk_arena *arena; /* for annotations */
    size_t steps;    /* left */
    bool nomem, lax; /* lax: every text meets every format, as where formats only tell */
    int depth;
    const nk_jsonschema *schema; /* for dynamic references; NULL: they are taken as static */
    js_resource *scope[64];      /* resources entered, outermost first */
    size_t n_scope;
    const js_node *why; /* where the last refusal came from, and by which keyword */
    const char *why_keyword;
    const nk_json *why_value;
} js_checker;
jv_truth js_valid(js_checker *c, const js_node *node, const nk_json *value);

#endif
