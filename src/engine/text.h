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
bool nk_spark_float(nk_str s, float *out);
/* The text as a decimal(precision, scale), rounded half up, written plainly; its length (cap ≥ 48),
 * 0 for null. */
size_t nk_spark_decimal_text(nk_str s, int precision, int scale, char *out, size_t cap);
/* A plain decimal's whole part times ten to the zeros, its low 64 bits: casts of decimals wrap. */
int64_t nk_spark_decimal_wrap(nk_str plain, int zeros);
/* A plain decimal as Java writes it: 0E-18, 1.5E-9; returns the length (cap ≥ 64). */
size_t nk_java_decimal_text(nk_str plain, char *out, size_t cap);
/* 2020-01-02, -0001-12-31, +10000-01-01; and with 03:04:05[.123456] (cap ≥ 48). */
size_t nk_spark_date_text(int64_t days, char *out, size_t cap);
size_t nk_spark_timestamp_text(int64_t us, char *out, size_t cap);
int64_t nk_spark_seconds(int64_t us); /* rounded down */
/* Java's text of a double or float; returns the length (cap ≥ 32). */
size_t nk_spark_double_text(double d, bool is_float, char *out, size_t cap);

#endif
