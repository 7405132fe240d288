/* Functions of ours inside the engine: what Spark does with decimals, times and moments, where the
 * engine's own functions round, raise or lose digits. */
#include <math.h>
#include <stdio.h>

#include "engine/duckdb_int.h"
#include "engine/text.h"

static inline bool valid_at(const uint64_t *v, size_t i)
{
    return !v || (v[i / 64] >> (i % 64)) & 1;
}

static void set_null(duckdb_vector out, uint64_t **mask, size_t i)
{
    if (!*mask) {
        duckdb_vector_ensure_validity_writable(out);
        *mask = duckdb_vector_get_validity(out);
    }
    (*mask)[i / 64] &= ~(1ULL << (i % 64));
}

/* A scalar function: one function from row to row. false gives NULL. */
typedef struct row {
    const void *arg[3];
    size_t i;
    duckdb_vector out;
    void *data;
} row;
typedef bool (*row_fn)(const row *r);

struct spark_fn {
    const char *name;
    duckdb_type args[3], ret;
    row_fn fn;
};

static nk_str text_arg(const row *r)
{
    const duckdb_string_t *s = (const duckdb_string_t *)r->arg[0] + r->i;
    if (s->value.inlined.length <= 12)
        return nk_str_n(s->value.inlined.inlined, s->value.inlined.length);
    return nk_str_n(s->value.pointer.ptr, s->value.pointer.length);
}

static int64_t long_arg(const row *r)
{
    return ((const int64_t *)r->arg[0])[r->i];
}

static double double_arg(const row *r)
{
    return ((const double *)r->arg[0])[r->i];
}

static int int_arg(const row *r, size_t k)
{
    return ((const int32_t *)r->arg[k])[r->i];
}

static bool give_text(const row *r, const char *text, size_t n)
{
    duckdb_vector_assign_string_element_len(r->out, r->i, text, n);
    return true;
}

static bool give_long(const row *r, int64_t v)
{
    ((int64_t *)r->data)[r->i] = v;
    return true;
}

static bool text_to_decimal(const row *r)
{
    char text[64];
    size_t n = nk_spark_decimal_text(text_arg(r), int_arg(r, 1), int_arg(r, 2), text, sizeof(text));
    return n && give_text(r, text, n);
}

static bool decimal_to_text(const row *r)
{
    char text[96];
    return give_text(r, text, nk_java_decimal_text(text_arg(r), text, sizeof(text)));
}

static bool decimal_to_long(const row *r)
{
    return give_long(r, nk_spark_decimal_wrap(text_arg(r), 0));
}

static bool decimal_to_timestamp(const row *r)
{
    return give_long(r, nk_spark_decimal_wrap(text_arg(r), 6));
}

static bool double_to_float(const row *r)
{
    ((float *)r->data)[r->i] = (float)double_arg(r);
    return true;
}

/* Seconds; beyond 64 bits of microseconds it is the last or first moment. */
static bool long_to_timestamp(const row *r)
{
    int64_t v = long_arg(r), us;
    if (__builtin_mul_overflow(v, (int64_t)1000000, &us))
        us = v < 0 ? INT64_MIN : INT64_MAX;
    return give_long(r, us);
}

static bool double_to_timestamp(const row *r)
{
    double d = double_arg(r);
    return isfinite(d) && give_long(r, nk_spark_double_to_long(d * 1e6, INT64_MIN, INT64_MAX));
}

static bool boolean_to_timestamp(const row *r)
{
    return give_long(r, ((const bool *)r->arg[0])[r->i]); /* a microsecond, yes */
}

static bool timestamp_to_long(const row *r)
{
    return give_long(r, nk_spark_seconds(long_arg(r)));
}

static bool timestamp_to_text(const row *r)
{
    char text[64];
    return give_text(r, text, nk_spark_timestamp_text(long_arg(r), text, sizeof(text)));
}

static bool date_to_text(const row *r)
{
    char text[48];
    return give_text(r, text, nk_spark_date_text(int_arg(r, 0), text, sizeof(text)));
}

#define TEXT  DUCKDB_TYPE_VARCHAR
#define LONG  DUCKDB_TYPE_BIGINT
#define STAMP DUCKDB_TYPE_TIMESTAMP
static const struct spark_fn spark_fns[] = {
    /* a text as a decimal's digits, of a precision and a scale */
    {"spark_text_to_decimal",
     {TEXT, DUCKDB_TYPE_INTEGER, DUCKDB_TYPE_INTEGER},
     TEXT,
     text_to_decimal},
    /* these take a decimal as the engine writes it */
    {"spark_decimal_to_text", {TEXT}, TEXT, decimal_to_text},
    {"spark_decimal_to_long", {TEXT}, LONG, decimal_to_long},
    {"spark_decimal_to_timestamp", {TEXT}, STAMP, decimal_to_timestamp},
    {"spark_double_to_float", {DUCKDB_TYPE_DOUBLE}, DUCKDB_TYPE_FLOAT, double_to_float},
    {"spark_long_to_timestamp", {LONG}, STAMP, long_to_timestamp},
    {"spark_double_to_timestamp", {DUCKDB_TYPE_DOUBLE}, STAMP, double_to_timestamp},
    {"spark_boolean_to_timestamp", {DUCKDB_TYPE_BOOLEAN}, STAMP, boolean_to_timestamp},
    {"spark_timestamp_to_long", {STAMP}, LONG, timestamp_to_long},
    {"spark_timestamp_to_text", {STAMP}, TEXT, timestamp_to_text},
    {"spark_date_to_text", {DUCKDB_TYPE_DATE}, TEXT, date_to_text},
};

static void rows_run(duckdb_function_info info, duckdb_data_chunk in, duckdb_vector out)
{
    const struct spark_fn *f = duckdb_scalar_function_get_extra_info(info);
    size_t n = duckdb_data_chunk_get_size(in), columns = duckdb_data_chunk_get_column_count(in);
    const uint64_t *ok[3] = {NULL};
    uint64_t *mask = NULL;
    row r = {.out = out, .data = duckdb_vector_get_data(out)};
    for (size_t k = 0; k < columns && k < NK_COUNTOF(ok); k++) {
        duckdb_vector v = duckdb_data_chunk_get_vector(in, k);
        r.arg[k] = duckdb_vector_get_data(v);
        ok[k] = duckdb_vector_get_validity(v);
    }
    for (r.i = 0; r.i < n; r.i++)
        if (!valid_at(ok[0], r.i) || !f->fn(&r))
            set_null(out, &mask, r.i);
}

static nk_code define_rows(duckdb_connection con, const struct spark_fn *fn, nk_err *err)
{
    duckdb_scalar_function f = duckdb_create_scalar_function();
    duckdb_logical_type t;
    duckdb_scalar_function_set_name(f, fn->name);
    for (size_t k = 0; k < NK_COUNTOF(fn->args) && fn->args[k] != DUCKDB_TYPE_INVALID; k++) {
        t = duckdb_create_logical_type(fn->args[k]);
        duckdb_scalar_function_add_parameter(f, t);
        duckdb_destroy_logical_type(&t);
    }
    t = duckdb_create_logical_type(fn->ret);
    duckdb_scalar_function_set_return_type(f, t);
    duckdb_destroy_logical_type(&t);
    duckdb_scalar_function_set_function(f, rows_run);
    duckdb_scalar_function_set_extra_info(f, (void *)(uintptr_t)fn, NULL);
    duckdb_state st = duckdb_register_scalar_function(con, f);
    duckdb_destroy_scalar_function(&f);
    return st == DuckDBSuccess
               ? NK_OK
               : nk_fail(err, NK_E_INTERNAL, "function %s cannot be registered", fn->name);
}

/* ---- moments ---- */

/* Central moments, updated and merged as Spark does (by differences from the mean): sums of powers
 * would lose the digits. NaN and infinities make NaN. */
typedef struct moments {
    double n, mean, m2, m3, m4;
} moments;

static void moments_add(moments *m, double x)
{
    double n = m->n + 1, delta = x - m->mean, dn = delta / n, dn2 = dn * dn;
    double m2 = m->m2, m3 = m->m3;
    m->mean += dn;
    m->m2 = m2 + delta * (delta - dn);
    m->m3 = m3 - 3 * dn * m->m2 + delta * (delta * delta - dn2);
    m->m4 = m->m4 - 4 * dn * m->m3 - 6 * dn2 * m->m2 + delta * (delta * delta * delta - dn * dn2);
    m->n = n;
}

static void moments_merge(moments *a, const moments *b)
{
    double n = a->n + b->n, delta = b->mean - a->mean, dn = n == 0 ? 0 : delta / n;
    moments r = {.n = n, .mean = a->mean + dn * b->n};
    r.m2 = a->m2 + b->m2 + delta * dn * a->n * b->n;
    r.m3 = a->m3 + b->m3 + dn * dn * delta * a->n * b->n * (a->n - b->n) +
           3 * dn * (a->n * b->m2 - b->n * a->m2);
    r.m4 = a->m4 + b->m4 +
           dn * dn * dn * delta * a->n * b->n * (a->n * a->n - a->n * b->n + b->n * b->n) +
           6 * dn * dn * (a->n * a->n * b->m2 + b->n * b->n * a->m2) +
           4 * dn * (a->n * b->m3 - b->n * a->m3);
    *a = r;
}

static bool var_pop(const moments *m, double *out)
{
    *out = m->m2 / m->n;
    return m->n > 0;
}

static bool var_samp(const moments *m, double *out)
{
    *out = m->m2 / (m->n - 1);
    return m->n > 1;
}

static bool stddev_pop(const moments *m, double *out)
{
    *out = sqrt(m->m2 / m->n);
    return m->n > 0;
}

static bool stddev_samp(const moments *m, double *out)
{
    *out = sqrt(m->m2 / (m->n - 1));
    return m->n > 1;
}

static bool skewness(const moments *m, double *out)
{
    *out = sqrt(m->n) * m->m3 / sqrt(m->m2 * m->m2 * m->m2);
    return m->n > 0 && m->m2 != 0;
}

static bool kurtosis(const moments *m, double *out)
{
    *out = m->n * m->m4 / (m->m2 * m->m2) - 3;
    return m->n > 0 && m->m2 != 0;
}

static const struct moment_fn {
    const char *name;
    bool (*fn)(const moments *m, double *out); /* false gives NULL */
} moment_fns[] = {{"spark_var_pop", var_pop},       {"spark_var_samp", var_samp},
                  {"spark_stddev_pop", stddev_pop}, {"spark_stddev_samp", stddev_samp},
                  {"spark_skewness", skewness},     {"spark_kurtosis", kurtosis}};

static idx_t moments_size(duckdb_function_info info)
{
    return sizeof(moments);
}

static void moments_init(duckdb_function_info info, duckdb_aggregate_state state)
{
    *(moments *)(void *)state = (moments){0};
}

static void moments_update(duckdb_function_info info, duckdb_data_chunk in,
                           duckdb_aggregate_state *states)
{
    duckdb_vector v = duckdb_data_chunk_get_vector(in, 0);
    const double *x = duckdb_vector_get_data(v);
    const uint64_t *ok = duckdb_vector_get_validity(v);
    size_t n = duckdb_data_chunk_get_size(in);
    for (size_t i = 0; i < n; i++)
        if (valid_at(ok, i))
            moments_add((moments *)(void *)states[i], x[i]);
}

static void moments_combine(duckdb_function_info info, duckdb_aggregate_state *source,
                            duckdb_aggregate_state *target, idx_t count)
{
    for (idx_t i = 0; i < count; i++)
        moments_merge((moments *)(void *)target[i], (const moments *)(void *)source[i]);
}

static void moments_finalize(duckdb_function_info info, duckdb_aggregate_state *source,
                             duckdb_vector out, idx_t count, idx_t offset)
{
    const struct moment_fn *f = duckdb_aggregate_function_get_extra_info(info);
    double *data = duckdb_vector_get_data(out);
    uint64_t *mask = NULL;
    for (idx_t i = 0; i < count; i++)
        if (!f->fn((const moments *)(void *)source[i], &data[offset + i]))
            set_null(out, &mask, offset + i);
}

static nk_code define_moments(duckdb_connection con, const struct moment_fn *fn, nk_err *err)
{
    duckdb_aggregate_function f = duckdb_create_aggregate_function();
    duckdb_logical_type t = duckdb_create_logical_type(DUCKDB_TYPE_DOUBLE);
    duckdb_aggregate_function_set_name(f, fn->name);
    duckdb_aggregate_function_add_parameter(f, t);
    duckdb_aggregate_function_set_return_type(f, t);
    duckdb_aggregate_function_set_functions(f, moments_size, moments_init, moments_update,
                                            moments_combine, moments_finalize);
    duckdb_aggregate_function_set_extra_info(f, (void *)(uintptr_t)fn, NULL);
    duckdb_state st = duckdb_register_aggregate_function(con, f);
    duckdb_destroy_aggregate_function(&f);
    duckdb_destroy_logical_type(&t);
    return st == DuckDBSuccess
               ? NK_OK
               : nk_fail(err, NK_E_INTERNAL, "function %s cannot be registered", fn->name);
}

/* ---- decimals ---- */

/* Sums and means of decimal(38, scale), exact: null once 38 digits are passed, where the engine's
 * sums raise and its means are doubles. */
typedef struct decimal_sum {
    __int128 sum;
    int64_t n;
    bool over;
} decimal_sum;

static __int128 decimal_limit(void)
{
    __int128 v = 1;
    for (int i = 0; i < 38; i++)
        v *= 10;
    return v;
}

static idx_t decimal_size(duckdb_function_info info)
{
    return sizeof(decimal_sum);
}

static void decimal_load(duckdb_aggregate_state state, decimal_sum *out)
{
    memcpy(out, state, sizeof(*out)); /* the engine aligns states to 8 bytes */
}

static void decimal_save(duckdb_aggregate_state state, const decimal_sum *s)
{
    memcpy((void *)state, s, sizeof(*s));
}

static void decimal_init(duckdb_function_info info, duckdb_aggregate_state state)
{
    decimal_save(state, &(decimal_sum){0});
}

static void decimal_add(decimal_sum *s, __int128 v, int64_t n, bool over)
{
    __int128 limit = decimal_limit();
    s->n += n;
    s->over = s->over || over || __builtin_add_overflow(s->sum, v, &s->sum) || s->sum >= limit ||
              s->sum <= -limit;
}

static void decimal_update(duckdb_function_info info, duckdb_data_chunk in,
                           duckdb_aggregate_state *states)
{
    duckdb_vector v = duckdb_data_chunk_get_vector(in, 0);
    const duckdb_hugeint *x = duckdb_vector_get_data(v);
    const uint64_t *ok = duckdb_vector_get_validity(v);
    size_t n = duckdb_data_chunk_get_size(in);
    decimal_sum s;
    for (size_t i = 0; i < n; i++) {
        if (!valid_at(ok, i))
            continue;
        decimal_load(states[i], &s);
        unsigned __int128 bits = (unsigned __int128)(uint64_t)x[i].upper << 64 | x[i].lower;
        decimal_add(&s, (__int128)bits, 1, false);
        decimal_save(states[i], &s);
    }
}

static void decimal_combine(duckdb_function_info info, duckdb_aggregate_state *source,
                            duckdb_aggregate_state *target, idx_t count)
{
    decimal_sum a, b;
    for (idx_t i = 0; i < count; i++) {
        decimal_load(source[i], &a);
        decimal_load(target[i], &b);
        decimal_add(&b, a.sum, a.n, a.over);
        decimal_save(target[i], &b);
    }
}

static bool decimal_sum_of(const decimal_sum *s, int more, __int128 *out)
{
    *out = s->sum;
    return s->n && !s->over;
}

/* With more digits behind the point, rounded half up. */
static bool decimal_mean_of(const decimal_sum *s, int more, __int128 *out)
{
    if (!s->n || s->over)
        return false;
    __int128 ten = 1, whole = s->sum / s->n, rest = s->sum % s->n;
    for (int i = 0; i < more; i++)
        ten *= 10;
    bool neg = s->sum < 0;
    rest = (neg ? -rest : rest) * ten * 2 / s->n; /* in halves of the last digit */
    rest = (rest + 1) / 2;
    return !__builtin_mul_overflow(whole, ten, out) &&
           !__builtin_add_overflow(*out, neg ? -rest : rest, out) && *out < decimal_limit() &&
           *out > -decimal_limit();
}

typedef struct decimal_fn {
    int scale, more; /* of the argument; more digits of the result */
    bool (*fn)(const decimal_sum *s, int more, __int128 *out);
} decimal_fn;
static decimal_fn decimal_fns[2][39]; /* filled in once, the same each time */

static void decimal_finalize(duckdb_function_info info, duckdb_aggregate_state *source,
                             duckdb_vector out, idx_t count, idx_t offset)
{
    const decimal_fn *f = duckdb_aggregate_function_get_extra_info(info);
    duckdb_hugeint *data = duckdb_vector_get_data(out);
    uint64_t *mask = NULL;
    decimal_sum s;
    __int128 v;
    for (idx_t i = 0; i < count; i++) {
        decimal_load(source[i], &s);
        if (!f->fn(&s, f->more, &v))
            set_null(out, &mask, offset + i);
        else
            data[offset + i] = (duckdb_hugeint){(uint64_t)v, (int64_t)((unsigned __int128)v >> 64)};
    }
}

/* One function a scale, which the engine cannot choose by itself: spark_decimal_sum_2. */
static nk_code define_decimal(duckdb_connection con, const char *name, decimal_fn *fn, nk_err *err)
{
    char full[64];
    duckdb_aggregate_function f = duckdb_create_aggregate_function();
    duckdb_logical_type arg = duckdb_create_decimal_type(38, (uint8_t)fn->scale);
    duckdb_logical_type ret = duckdb_create_decimal_type(38, (uint8_t)(fn->scale + fn->more));
    snprintf(full, sizeof(full), "%s_%d", name, fn->scale);
    duckdb_aggregate_function_set_name(f, full);
    duckdb_aggregate_function_add_parameter(f, arg);
    duckdb_aggregate_function_set_return_type(f, ret);
    duckdb_aggregate_function_set_functions(f, decimal_size, decimal_init, decimal_update,
                                            decimal_combine, decimal_finalize);
    duckdb_aggregate_function_set_extra_info(f, fn, NULL);
    duckdb_state st = duckdb_register_aggregate_function(con, f);
    duckdb_destroy_aggregate_function(&f);
    duckdb_destroy_logical_type(&arg);
    duckdb_destroy_logical_type(&ret);
    return st == DuckDBSuccess
               ? NK_OK
               : nk_fail(err, NK_E_INTERNAL, "function %s cannot be registered", full);
}

nk_code nk_duck_spark(duckdb_connection con, nk_err *err)
{
    for (size_t i = 0; i < NK_COUNTOF(spark_fns); i++)
        NK_TRY(define_rows(con, &spark_fns[i], err));
    for (size_t i = 0; i < NK_COUNTOF(moment_fns); i++)
        NK_TRY(define_moments(con, &moment_fns[i], err));
    for (int scale = 0; scale <= 38; scale++) {
        int more = scale > 34 ? 38 - scale : 4;
        decimal_fns[0][scale] = (decimal_fn){scale, 0, decimal_sum_of};
        decimal_fns[1][scale] = (decimal_fn){scale, more, decimal_mean_of};
        NK_TRY(define_decimal(con, "spark_decimal_sum", &decimal_fns[0][scale], err));
        NK_TRY(define_decimal(con, "spark_decimal_avg", &decimal_fns[1][scale], err));
    }
    return NK_OK;
}
