/* Visual jobs: the node graph of CodeGenConfigurationNodes, read, checked and put in order.
 * Both ways out of it start here: the readable script (codegen.h) and the plan. */
#ifndef NK_VISUAL_H
#define NK_VISUAL_H

#include "base/base.h"

typedef enum { NK_VISUAL_SOURCE, NK_VISUAL_TRANSFORM, NK_VISUAL_TARGET } nk_visual_role;

struct nk_pygen;
struct nk_visual_node;

/* One row a node kind that Nikawa can generate and run (visual.c holds the table). */
typedef struct nk_visual_kind {
    const char *name; /* the member of CodeGenConfigurationNode */
    nk_visual_role role;
    size_t inputs_min, inputs_max;
    /* Members without which the node means nothing, NULL-terminated. */
    const char *required[6];
    /* Writes the statements that define the node's variable. */
    nk_code (*emit)(struct nk_pygen *g, const struct nk_visual_node *n, nk_err *err);
    const char *doc;
} nk_visual_kind;

typedef struct nk_visual_input {
    struct nk_visual_node *node;
    nk_str output; /* "name" of "node.name" for nodes with several outputs; p NULL = the only one */
} nk_visual_input;

typedef struct nk_visual_node {
    nk_str id; /* the key in the map */
    nk_str name;
    nk_str var; /* a Python identifier, unique in the job */
    const nk_visual_kind *kind;
    const nk_json *body;
    nk_visual_input *inputs;
    size_t ninputs;
    int mark; /* of the depth-first walk */
} nk_visual_node;

typedef struct nk_visual {
    nk_visual_node **nodes; /* every input stands before its users */
    size_t n;
} nk_visual;

/* doc: the map's JSON object as the API carries it. NK_E_INVALID names the node and what is wrong
 * with it: unknown or not yet supported kind, missing member, dangling or wrong number of inputs, a
 * cycle. */
nk_code nk_visual_parse(const nk_json *doc, nk_arena *a, nk_visual **out, nk_err *err) NK_MUST;

/* The table of kinds, for documentation and tests. */
const nk_visual_kind *nk_visual_kinds(size_t *n);
const nk_visual_kind *nk_visual_kind_find(nk_str name);

/* What DropNullFields takes for null beside null: of texts (blanks around them do not count) and of
 * numbers. */
typedef struct nk_visual_nulls {
    nk_strs texts, numbers; /* numbers are such in Python, in SQL and in JSON */
} nk_visual_nulls;
nk_code nk_visual_nulls_read(const nk_json *body, nk_arena *a, nk_visual_nulls *out,
                             nk_err *err) NK_MUST;

/* ["a","b"] (or "a.b" written as one string) as a dotted path; a name that holds a dot is put in
 * back-ticks. */
nk_code nk_visual_path(const nk_json *path, nk_buf *out) NK_MUST;

#endif
