/* Inside plan: what the emitters of the node kinds share. */
#ifndef NK_CODEGEN_INT_H
#define NK_CODEGEN_INT_H

#include "plan/codegen.h"

/* Helper functions and imports a script needs; each is written once, before the first node. */
typedef enum {
    NK_PY_FILTER = 1u << 0,
    NK_PY_DYNAMIC_FRAME = 1u << 1,
    NK_PY_SQL_FUNCS = 1u << 2,
    NK_PY_AGGREGATE = 1u << 3,
    NK_PY_QUERY = 1u << 4,
    NK_PY_UNION = 1u << 5,
    NK_PY_FILL = 1u << 6,
    NK_PY_JOIN = 1u << 7,
    NK_PY_NULLS = 1u << 8,
} nk_py_need;

typedef struct nk_pygen {
    nk_buf body;
    unsigned needs;
    nk_arena *arena;
} nk_pygen;

/* var = callee( … ) with one argument a line. */
void nk_py_open(nk_pygen *g, nk_str var, const char *callee);
nk_buf *nk_py_arg(nk_pygen *g, const char *name); /* append the value, then nk_py_end_arg */
void nk_py_end_arg(nk_pygen *g);
void nk_py_arg_str(nk_pygen *g, const char *name, nk_str value);
void nk_py_arg_code(nk_pygen *g, const char *name, nk_str code);
void nk_py_close(nk_pygen *g, nk_str ctx); /* transformation_ctx unless ctx.p is NULL */
/* The variable that holds an input, also for "node.output". */
nk_str nk_py_input(nk_pygen *g, const nk_visual_node *n, size_t i);

typedef nk_code nk_py_emit(nk_pygen *g, const nk_visual_node *n, nk_err *err);
nk_py_emit nk_py_catalog_source, nk_py_csv_source, nk_py_json_source, nk_py_parquet_source,
    nk_py_apply_mapping, nk_py_select_fields, nk_py_drop_fields, nk_py_rename_field, nk_py_filter,
    nk_py_join, nk_py_aggregate, nk_py_drop_duplicates, nk_py_fill_missing, nk_py_drop_null_fields,
    nk_py_spark_sql, nk_py_union, nk_py_split_fields, nk_py_select_from_collection, nk_py_spigot,
    nk_py_s3_target, nk_py_catalog_target;

#endif
