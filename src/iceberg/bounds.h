/* Bounds and counts of columns over several data files. Inside iceberg. */
#ifndef NK_ICE_BOUNDS_H
#define NK_ICE_BOUNDS_H

#include "iceberg/avro.h"
#include "iceberg/meta.h"

/* files: n "data_file" records; out: a copy of the first, whose value_counts, null_value_counts,
 * nan_value_counts, lower_bounds and upper_bounds become those of all n by the schema's types (what
 * one of them does not say is not said). counts false: rows are missing, so counts are dropped. */
nk_code nk_ice_merge_bounds(nk_arena *a, const nk_json *schema, const nk_ocf *const *files,
                            size_t n, bool counts, nk_ocf *out, nk_err *err) NK_MUST;

#endif
