/* Scripts as graphs: the annotated form that CreateScript, GetPlan and GetDataflowGraph speak. Each
 * statement of such a script is preceded by comments that say what it is:
 *
 *     ## @type: ApplyMapping
 *     ## @args: [mappings = [("a", "int", "a", "long")], transformation_ctx = "applymapping1"]
 *     ## @return: applymapping1
 *     ## @inputs: [frame = datasource0]
 *
 * so that a graph can be read back from the text. */
#ifndef NK_DAG_H
#define NK_DAG_H

#include "base/base.h"

typedef struct nk_dag_arg {
    nk_str name, value; /* value: Python source */
    bool param;         /* value names a job parameter */
} nk_dag_arg;

typedef struct nk_dag_node {
    nk_str id, type;
    nk_dag_arg *args;
    size_t nargs;
    int64_t line; /* of the statement, from 1; 0 = unknown */
} nk_dag_node;

typedef struct nk_dag_edge {
    nk_str source, target, parameter; /* parameter p NULL = "frame" */
} nk_dag_edge;

typedef struct nk_dag {
    nk_dag_node *nodes;
    size_t nnodes;
    nk_dag_edge *edges;
    size_t nedges;
} nk_dag;

/* NK_E_INVALID names the node or edge and what is wrong. The script is in the arena. */
nk_code nk_dag_script(const nk_dag *dag, nk_arena *a, nk_str *script, nk_err *err) NK_MUST;
/* Reads the annotations of a script; one without any gives an empty graph. */
nk_code nk_dag_parse(nk_str script, nk_arena *a, nk_dag *out, nk_err *err) NK_MUST;

#endif
