/* Values from and to text: the crawler's strictness for cells, Spark's leniency for casts. No
 * allocation. */
#ifndef NK_ENGINE_TEXT_H
#define NK_ENGINE_TEXT_H

#include "schema/type.h"

/* Cells (blanks at the ends aside): false when the text is not exactly that. */
bool nk_cell_long(nk_str s, int64_t *out);
bool nk_cell_double(nk_str s, double *out);
bool nk_cell_bool(nk_str s, bool *out);
bool nk_cell_date(nk_str s, int32_t *days);
bool nk_cell_timestamp(nk_str s, int64_t *us); /* a date is its midnight; a zone is applied */
bool nk_cell_decimal(nk_str s, int precision, int scale, __int128 *out); /* exactly, no rounding */
/* LONG, DOUBLE, BOOLEAN, DATE, TIMESTAMP, else STRING; NULL when empty. */
nk_type_kind nk_cell_kind(nk_str s);

/* Spark's CAST with ANSI off: false gives NULL. */
bool nk_spark_long(nk_str s, int64_t min, int64_t max, int64_t *out);
bool nk_spark_double(nk_str s, double *out);
bool nk_spark_bool(nk_str s, bool *out);
bool nk_spark_date(nk_str s, int32_t *days);
bool nk_spark_timestamp(nk_str s, int64_t *us);
int64_t nk_spark_double_to_long(double d, int64_t min, int64_t max);
/* Java's text of a double or float; returns the length (cap ≥ 32). */
size_t nk_spark_double_text(double d, bool is_float, char *out, size_t cap);

#endif
