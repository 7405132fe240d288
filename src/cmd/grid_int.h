/* Query results as a table for people: columns aligned by what a terminal shows. */
#ifndef NK_GRID_INT_H
#define NK_GRID_INT_H

#include "cmd/cmd.h"

typedef struct nk_grid nk_grid;

typedef struct nk_grid_options {
    bool colour;  /* nulls and rules dim, names bold */
    int cell_max; /* a cell's most columns; longer ones are cut; 0 = none */
} nk_grid_options;

/* Columns that a terminal gives to the text: wide characters take two, combining ones none. */
int nk_grid_width(nk_str s);

/* Rows are kept until the widths are settled: at the end, or by 10,000 rows; what comes later is
 * printed as it comes. NULL when memory is gone. */
nk_grid *nk_grid_create(const nk_grid_options *o, size_t columns);
/* Before the first row. right: numbers stand at the right. */
void nk_grid_column(nk_grid *t, size_t i, nk_str name, bool right);
/* One cell after the other, row by row; p NULL = null. Control characters are shown as escapes. */
nk_code nk_grid_cell(nk_grid *t, nk_str text, nk_err *err) NK_MUST;
/* Prints what is left; frees. */
nk_code nk_grid_end(nk_grid *t, nk_err *err) NK_MUST;
void nk_grid_destroy(nk_grid *t); /* NULL is fine */

#endif
