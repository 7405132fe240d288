/* Functions of ours inside the engine: cells, row functions, Spark's casts. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/duckdb_int.h"
#include "engine/text.h"

static nk_str text_at(const duckdb_string_t *s)
{
    if (s->value.inlined.length <= 12)
        return nk_str_n(s->value.inlined.inlined, s->value.inlined.length);
    return nk_str_n(s->value.pointer.ptr, s->value.pointer.length);
}

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

static void tell(duckdb_function_info info, nk_code code, const char *message)
{
    char text[NK_DUCK_TOLD];
    duckdb_scalar_function_set_error(info, nk_duck_tell(text, code, message));
}

/* Registers NAME(arg) → ret; takes both types. */
static nk_code define(duckdb_connection con, const char *name, duckdb_logical_type arg,
                      duckdb_logical_type ret, duckdb_scalar_function_t fn, void *extra,
                      bool is_volatile, nk_err *err)
{
    duckdb_scalar_function f = duckdb_create_scalar_function();
    duckdb_scalar_function_set_name(f, name);
    duckdb_scalar_function_add_parameter(f, arg);
    duckdb_scalar_function_set_return_type(f, ret);
    duckdb_scalar_function_set_function(f, fn);
    if (extra)
        duckdb_scalar_function_set_extra_info(f, extra, NULL);
    if (is_volatile) {
        duckdb_scalar_function_set_volatile(f);
        duckdb_scalar_function_set_special_handling(f);
    }
    duckdb_state st = duckdb_register_scalar_function(con, f);
    duckdb_destroy_scalar_function(&f);
    duckdb_destroy_logical_type(&arg);
    duckdb_destroy_logical_type(&ret);
    return st == DuckDBSuccess
               ? NK_OK
               : nk_fail(err, NK_E_INTERNAL, "function %s cannot be registered", name);
}

/* ---- cells ---- */

static bool cell_store(const nk_cells *c, nk_str s, void *data, size_t i)
{
    int64_t v;
    double d;
    bool b;
    int32_t day;
    __int128 dec;
    switch (c->kind) {
    case NK_T_LONG:
        return nk_cell_long(s, &((int64_t *)data)[i]);
    case NK_T_INT:
        if (!nk_cell_long(s, &v) || v < INT32_MIN || v > INT32_MAX)
            return false;
        ((int32_t *)data)[i] = (int32_t)v;
        return true;
    case NK_T_SHORT:
        if (!nk_cell_long(s, &v) || v < INT16_MIN || v > INT16_MAX)
            return false;
        ((int16_t *)data)[i] = (int16_t)v;
        return true;
    case NK_T_BYTE:
        if (!nk_cell_long(s, &v) || v < INT8_MIN || v > INT8_MAX)
            return false;
        ((int8_t *)data)[i] = (int8_t)v;
        return true;
    case NK_T_DOUBLE:
        return nk_cell_double(s, &((double *)data)[i]);
    case NK_T_FLOAT:
        if (!nk_cell_double(s, &d))
            return false;
        ((float *)data)[i] = (float)d;
        return true;
    case NK_T_BOOLEAN:
        if (!nk_cell_bool(s, &b))
            return false;
        ((bool *)data)[i] = b;
        return true;
    case NK_T_DATE:
        if (!nk_cell_date(s, &day))
            return false;
        ((int32_t *)data)[i] = day;
        return true;
    case NK_T_TIMESTAMP:
        return nk_cell_timestamp(s, &((int64_t *)data)[i]);
    case NK_T_DECIMAL:
        if (!nk_cell_decimal(s, c->type->precision, c->type->scale, &dec))
            return false;
        if (c->type->precision <= 4)
            ((int16_t *)data)[i] = (int16_t)dec;
        else if (c->type->precision <= 9)
            ((int32_t *)data)[i] = (int32_t)dec;
        else if (c->type->precision <= 18)
            ((int64_t *)data)[i] = (int64_t)dec;
        else
            ((duckdb_hugeint *)data)[i] =
                (duckdb_hugeint){(uint64_t)dec, (int64_t)((unsigned __int128)dec >> 64)};
        return true;
    default:
        return false;
    }
}

static bool all_blank(nk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != ' ' && !(s.p[i] >= '\t' && s.p[i] <= '\r'))
            return false;
    return true;
}

static void cells_run(duckdb_function_info info, duckdb_data_chunk in, duckdb_vector out)
{
    nk_cells *c = duckdb_scalar_function_get_extra_info(info);
    size_t n = duckdb_data_chunk_get_size(in);
    duckdb_vector v = duckdb_data_chunk_get_vector(in, 0);
    const duckdb_string_t *s = duckdb_vector_get_data(v);
    const uint64_t *ok = duckdb_vector_get_validity(v);
    void *data = duckdb_vector_get_data(out);
    uint64_t *mask = NULL;
    uint32_t kinds = 0;
    for (size_t i = 0; i < n; i++) {
        if (!valid_at(ok, i)) {
            set_null(out, &mask, i);
            continue;
        }
        nk_str t = text_at(&s[i]);
        if (cell_store(c, t, data, i)) {
            kinds |= 1u << c->kind;
            continue;
        }
        set_null(out, &mask, i);
        if (all_blank(t))
            continue;
        atomic_store_explicit(&c->misfit, 1, memory_order_relaxed);
        if (c->observe) {
            kinds |= 1u << nk_cell_kind(t);
            continue;
        }
        tell(info, NK_E_CONDITION, "a value does not fit its column's type");
        return;
    }
    if (c->observe)
        atomic_fetch_or_explicit(&c->kinds, kinds, memory_order_relaxed);
}

nk_code nk_engine_cells(nk_engine *e, nk_str name, nk_cells *cells, nk_err *err)
{
    char text[80];
    snprintf(text, sizeof(text), "%.*s", NK_STR_ARG(name));
    return define(e->con, text, duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR),
                  nk_duck_type_to(cells->type), cells_run, cells, true, err);
}

/* The same without a column behind it: what does not fit is null. */
static void try_cell_run(duckdb_function_info info, duckdb_data_chunk in, duckdb_vector out)
{
    const nk_cells *c = duckdb_scalar_function_get_extra_info(info);
    size_t n = duckdb_data_chunk_get_size(in);
    duckdb_vector v = duckdb_data_chunk_get_vector(in, 0);
    const duckdb_string_t *s = duckdb_vector_get_data(v);
    const uint64_t *ok = duckdb_vector_get_validity(v);
    void *data = duckdb_vector_get_data(out);
    uint64_t *mask = NULL;
    for (size_t i = 0; i < n; i++)
        if (!valid_at(ok, i) || !cell_store(c, text_at(&s[i]), data, i))
            set_null(out, &mask, i);
}

/* ---- observers ---- */

typedef struct observer {
    nk_document_fn fn;
    void *arg;
} observer;

static void observer_run(duckdb_function_info info, duckdb_data_chunk in, duckdb_vector out)
{
    observer *o = duckdb_scalar_function_get_extra_info(info);
    size_t n = duckdb_data_chunk_get_size(in);
    duckdb_vector v = duckdb_data_chunk_get_vector(in, 0);
    const duckdb_string_t *s = duckdb_vector_get_data(v);
    const uint64_t *ok = duckdb_vector_get_validity(v);
    bool *data = duckdb_vector_get_data(out);
    nk_err err = NK_ERR_INIT;
    for (size_t i = 0; i < n; i++) {
        data[i] = true;
        if (valid_at(ok, i) && o->fn(o->arg, text_at(&s[i]), &err) != NK_OK) {
            tell(info, err.code, err.msg);
            return;
        }
    }
}

static nk_code define_extra(nk_engine *e, nk_str name, duckdb_logical_type arg,
                            duckdb_logical_type ret, duckdb_scalar_function_t fn, const void *extra,
                            size_t size, nk_err *err)
{
    duckdb_scalar_function f = duckdb_create_scalar_function();
    char text[80];
    void *own = malloc(size);
    snprintf(text, sizeof(text), "%.*s", NK_STR_ARG(name));
    duckdb_state st = DuckDBError;
    if (own) {
        memcpy(own, extra, size);
        duckdb_scalar_function_set_name(f, text);
        duckdb_scalar_function_add_parameter(f, arg);
        duckdb_scalar_function_set_return_type(f, ret);
        duckdb_scalar_function_set_function(f, fn);
        duckdb_scalar_function_set_extra_info(f, own, free);
        duckdb_scalar_function_set_volatile(f);
        duckdb_scalar_function_set_special_handling(f);
        st = duckdb_register_scalar_function(e->con, f);
    }
    duckdb_destroy_scalar_function(&f);
    duckdb_destroy_logical_type(&arg);
    duckdb_destroy_logical_type(&ret);
    return st == DuckDBSuccess
               ? NK_OK
               : nk_fail(err, NK_E_INTERNAL, "function %s cannot be registered", text);
}

nk_code nk_engine_observer(nk_engine *e, nk_str name, nk_document_fn fn, void *arg, nk_err *err)
{
    observer o = {fn, arg};
    return define_extra(e, name, duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR),
                        duckdb_create_logical_type(DUCKDB_TYPE_BOOLEAN), observer_run, &o,
                        sizeof(o), err);
}

/* ---- row functions ---- */

typedef struct row_fn {
    nk_rows_bool_fn bools;
    nk_rows_text_fn texts;
    void *arg;
    const nk_type *type;
} row_fn;

struct nk_texts_out {
    duckdb_vector v;
    uint64_t *mask;
    size_t n;
};

void nk_texts_out_add(nk_texts_out *o, nk_str s)
{
    if (!s.p)
        set_null(o->v, &o->mask, o->n);
    else
        duckdb_vector_assign_string_element_len(o->v, o->n, s.p, s.n);
    o->n++;
}

static void rows_run(duckdb_function_info info, duckdb_data_chunk in, duckdb_vector out)
{
    row_fn *f = duckdb_scalar_function_get_extra_info(info);
    size_t n = duckdb_data_chunk_get_size(in);
    nk_err err = NK_ERR_INIT;
    nk_vec row;
    nk_arena *a = nk_arena_create(16 << 20);
    nk_code rc =
        a ? nk_duck_view(duckdb_data_chunk_get_vector(in, 0), f->type, a, &row) : NK_E_NOMEM;
    if (rc != NK_OK) {
        (void)nk_fail(&err, rc, "out of memory");
    } else if (f->bools) {
        rc = f->bools(f->arg, &row, n, duckdb_vector_get_data(out), &err);
    } else {
        nk_texts_out o = {.v = out};
        rc = f->texts(f->arg, &row, n, &o, &err);
    }
    nk_arena_destroy(a);
    if (rc != NK_OK)
        tell(info, rc, err.msg[0] ? err.msg : "the function failed");
}

nk_code nk_engine_rows_bool(nk_engine *e, nk_str name, const nk_type *type, nk_rows_bool_fn fn,
                            void *arg, nk_err *err)
{
    row_fn f = {.bools = fn, .arg = arg, .type = type};
    return define_extra(e, name, nk_duck_type_to(type),
                        duckdb_create_logical_type(DUCKDB_TYPE_BOOLEAN), rows_run, &f, sizeof(f),
                        err);
}

nk_code nk_engine_rows_text(nk_engine *e, nk_str name, const nk_type *type, nk_rows_text_fn fn,
                            void *arg, nk_err *err)
{
    row_fn f = {.texts = fn, .arg = arg, .type = type};
    return define_extra(e, name, nk_duck_type_to(type),
                        duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR), rows_run, &f, sizeof(f),
                        err);
}

/* ---- Spark's casts: from text ---- */

#define FROM_TEXT(name, ctype, call)                                                               \
    static void name(duckdb_function_info info, duckdb_data_chunk in, duckdb_vector out)           \
    {                                                                                              \
        size_t n = duckdb_data_chunk_get_size(in);                                                 \
        duckdb_vector v = duckdb_data_chunk_get_vector(in, 0);                                     \
        const duckdb_string_t *s = duckdb_vector_get_data(v);                                      \
        const uint64_t *ok = duckdb_vector_get_validity(v);                                        \
        ctype *data = duckdb_vector_get_data(out);                                                 \
        uint64_t *mask = NULL;                                                                     \
        for (size_t i = 0; i < n; i++) {                                                           \
            nk_str t;                                                                              \
            int64_t l = 0;                                                                         \
            double d = 0;                                                                          \
            bool b = false;                                                                        \
            int32_t day = 0;                                                                       \
            (void)l, (void)d, (void)b, (void)day;                                                  \
            if (!valid_at(ok, i) || (t = text_at(&s[i]), !(call)))                                 \
                set_null(out, &mask, i);                                                           \
        }                                                                                          \
    }
FROM_TEXT(text_to_byte, int8_t,
          nk_spark_long(t, INT8_MIN, INT8_MAX, &l) && (data[i] = (int8_t)l, 1))
FROM_TEXT(text_to_short, int16_t,
          nk_spark_long(t, INT16_MIN, INT16_MAX, &l) && (data[i] = (int16_t)l, 1))
FROM_TEXT(text_to_int, int32_t,
          nk_spark_long(t, INT32_MIN, INT32_MAX, &l) && (data[i] = (int32_t)l, 1))
FROM_TEXT(text_to_long, int64_t, nk_spark_long(t, INT64_MIN, INT64_MAX, &data[i]))
FROM_TEXT(text_to_float, float, nk_spark_float(t, &data[i]))
FROM_TEXT(text_to_double, double, nk_spark_double(t, &data[i]))
FROM_TEXT(text_to_bool, bool, nk_spark_bool(t, &b) && (data[i] = b, 1))
FROM_TEXT(text_to_date, int32_t, nk_spark_date(t, &day) && (data[i] = day, 1))
FROM_TEXT(text_to_timestamp, int64_t, nk_spark_timestamp(t, &data[i]))

/* ---- between numbers ---- */

#define FROM_NUMBER(name, from, to, expr)                                                          \
    static void name(duckdb_function_info info, duckdb_data_chunk in, duckdb_vector out)           \
    {                                                                                              \
        size_t n = duckdb_data_chunk_get_size(in);                                                 \
        const from *x = duckdb_vector_get_data(duckdb_data_chunk_get_vector(in, 0));               \
        const uint64_t *ok = duckdb_vector_get_validity(duckdb_data_chunk_get_vector(in, 0));      \
        to *y = duckdb_vector_get_data(out);                                                       \
        uint64_t *mask = NULL;                                                                     \
        for (size_t i = 0; i < n; i++) {                                                           \
            if (valid_at(ok, i))                                                                   \
                y[i] = (to)(expr);                                                                 \
            else                                                                                   \
                set_null(out, &mask, i);                                                           \
        }                                                                                          \
    }
FROM_NUMBER(long_to_int, int64_t, int32_t, (uint32_t)x[i])
FROM_NUMBER(long_to_short, int64_t, int16_t, (uint16_t)x[i])
FROM_NUMBER(long_to_byte, int64_t, int8_t, (uint8_t)x[i])
FROM_NUMBER(double_to_long, double, int64_t, nk_spark_double_to_long(x[i], INT64_MIN, INT64_MAX))
FROM_NUMBER(double_to_int, double, int32_t, nk_spark_double_to_long(x[i], INT32_MIN, INT32_MAX))
FROM_NUMBER(double_to_short, double, int16_t,
            (uint16_t)nk_spark_double_to_long(x[i], INT32_MIN, INT32_MAX))
FROM_NUMBER(double_to_byte, double, int8_t,
            (uint8_t)nk_spark_double_to_long(x[i], INT32_MIN, INT32_MAX))

#define NUMBER_TEXT(name, from, is_float)                                                          \
    static void name(duckdb_function_info info, duckdb_data_chunk in, duckdb_vector out)           \
    {                                                                                              \
        size_t n = duckdb_data_chunk_get_size(in);                                                 \
        const from *x = duckdb_vector_get_data(duckdb_data_chunk_get_vector(in, 0));               \
        const uint64_t *ok = duckdb_vector_get_validity(duckdb_data_chunk_get_vector(in, 0));      \
        uint64_t *mask = NULL;                                                                     \
        char text[48];                                                                             \
        for (size_t i = 0; i < n; i++) {                                                           \
            if (valid_at(ok, i))                                                                   \
                duckdb_vector_assign_string_element_len(                                           \
                    out, i, text,                                                                  \
                    nk_spark_double_text((double)x[i], is_float, text, sizeof(text)));             \
            else                                                                                   \
                set_null(out, &mask, i);                                                           \
        }                                                                                          \
    }
NUMBER_TEXT(double_to_text, double, false)
NUMBER_TEXT(float_to_text, float, true)

static const struct {
    const char *name;
    duckdb_type arg, ret;
    duckdb_scalar_function_t fn;
} functions[] = {
    {"spark_text_to_byte", DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_TINYINT, text_to_byte},
    {"spark_text_to_short", DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_SMALLINT, text_to_short},
    {"spark_text_to_int", DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_INTEGER, text_to_int},
    {"spark_text_to_long", DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_BIGINT, text_to_long},
    {"spark_text_to_float", DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_FLOAT, text_to_float},
    {"spark_text_to_double", DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_DOUBLE, text_to_double},
    {"spark_text_to_boolean", DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_BOOLEAN, text_to_bool},
    {"spark_text_to_date", DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_DATE, text_to_date},
    {"spark_text_to_timestamp", DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_TIMESTAMP, text_to_timestamp},
    {"spark_long_to_int", DUCKDB_TYPE_BIGINT, DUCKDB_TYPE_INTEGER, long_to_int},
    {"spark_long_to_short", DUCKDB_TYPE_BIGINT, DUCKDB_TYPE_SMALLINT, long_to_short},
    {"spark_long_to_byte", DUCKDB_TYPE_BIGINT, DUCKDB_TYPE_TINYINT, long_to_byte},
    {"spark_double_to_long", DUCKDB_TYPE_DOUBLE, DUCKDB_TYPE_BIGINT, double_to_long},
    {"spark_double_to_int", DUCKDB_TYPE_DOUBLE, DUCKDB_TYPE_INTEGER, double_to_int},
    {"spark_double_to_short", DUCKDB_TYPE_DOUBLE, DUCKDB_TYPE_SMALLINT, double_to_short},
    {"spark_double_to_byte", DUCKDB_TYPE_DOUBLE, DUCKDB_TYPE_TINYINT, double_to_byte},
    {"spark_double_to_text", DUCKDB_TYPE_DOUBLE, DUCKDB_TYPE_VARCHAR, double_to_text},
    {"spark_float_to_text", DUCKDB_TYPE_FLOAT, DUCKDB_TYPE_VARCHAR, float_to_text},
};

static nk_cells try_kinds[] = {
    {.kind = NK_T_LONG},    {.kind = NK_T_INT},    {.kind = NK_T_SHORT},
    {.kind = NK_T_BYTE},    {.kind = NK_T_DOUBLE}, {.kind = NK_T_FLOAT},
    {.kind = NK_T_BOOLEAN}, {.kind = NK_T_DATE},   {.kind = NK_T_TIMESTAMP},
};

nk_code nk_duck_functions(duckdb_connection con, nk_err *err)
{
    char name[64];
    for (size_t i = 0; i < NK_COUNTOF(functions); i++)
        NK_TRY(define(con, functions[i].name, duckdb_create_logical_type(functions[i].arg),
                      duckdb_create_logical_type(functions[i].ret), functions[i].fn, NULL, false,
                      err));
    for (size_t i = 0; i < NK_COUNTOF(try_kinds); i++) {
        const nk_type *t = nk_type_scalar(try_kinds[i].kind);
        snprintf(name, sizeof(name), "cell_%s", nk_type_glue_name(t));
        NK_TRY(define(con, name, duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR),
                      nk_duck_type_to(t), try_cell_run, &try_kinds[i], false, err));
    }
    return nk_duck_spark(con, err);
}
