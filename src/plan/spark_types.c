/* Which type Spark makes of two. */
#include "plan/plan_int.h"

/* The type in which Spark compares two; NULL where it compares none. Numbers of two kinds meet in
 * the engine as in Spark, but for decimals and floats. */
const nk_type *nk_spark_compared(const nk_type *a, const nk_type *b)
{
    const nk_type *text = nk_type_is_text(a) ? a : b, *other = text == a ? b : a;
    if (nk_type_eq(a, b))
        return a;
    if (nk_type_is_text(a) && nk_type_is_text(b))
        return nk_type_scalar(NK_T_STRING);
    if (nk_type_is_text(text)) {
        if (other->kind == NK_T_DECIMAL)
            return nk_type_scalar(NK_T_DOUBLE);
        bool simple = nk_type_is_number(other) || other->kind == NK_T_BOOLEAN ||
                      other->kind == NK_T_DATE || other->kind == NK_T_TIMESTAMP;
        return simple ? other : NULL;
    }
    if (nk_type_is_number(a) && nk_type_is_number(b)) {
        bool decimal = a->kind == NK_T_DECIMAL || b->kind == NK_T_DECIMAL;
        bool real = a->kind == NK_T_FLOAT || b->kind == NK_T_FLOAT;
        return nk_type_scalar(decimal && real ? NK_T_DOUBLE : NK_T_NULL);
    }
    if (a->kind == NK_T_BOOLEAN && nk_type_is_number(b))
        return b;
    if (b->kind == NK_T_BOOLEAN && nk_type_is_number(a))
        return a;
    if ((a->kind == NK_T_DATE && b->kind == NK_T_TIMESTAMP) ||
        (a->kind == NK_T_TIMESTAMP && b->kind == NK_T_DATE))
        return nk_type_scalar(NK_T_TIMESTAMP);
    return NULL;
}

/* ---- the wider one ---- */

static const nk_type *as_decimal(nk_arena *a, const nk_type *t)
{
    static const int digits[] = {
        [NK_T_BYTE] = 3, [NK_T_SHORT] = 5, [NK_T_INT] = 10, [NK_T_LONG] = 20};
    return t->kind == NK_T_DECIMAL ? t : nk_type_decimal(a, digits[t->kind], 0);
}

static const nk_type *wider_number(nk_arena *a, const nk_type *x, const nk_type *y)
{
    if (x->kind != NK_T_DECIMAL && y->kind != NK_T_DECIMAL)
        return x->kind > y->kind ? x : y; /* byte … long, float, double */
    const nk_type *other = x->kind == NK_T_DECIMAL ? y : x;
    if (other->kind == NK_T_FLOAT || other->kind == NK_T_DOUBLE)
        return nk_type_scalar(NK_T_DOUBLE);
    x = as_decimal(a, x);
    y = as_decimal(a, y);
    if (!x || !y)
        return NULL;
    int scale = x->scale > y->scale ? x->scale : y->scale;
    int whole = x->precision - x->scale > y->precision - y->scale ? x->precision - x->scale
                                                                  : y->precision - y->scale;
    /* beyond 38 digits Spark's versions cut at different ends */
    return scale + whole > 38 ? NULL : nk_type_decimal(a, scale + whole, scale);
}

static const nk_type *wider_struct(nk_arena *a, const nk_type *x, const nk_type *y)
{
    if (x->nfields != y->nfields)
        return NULL;
    nk_field *f = NK_NEWN(a, nk_field, x->nfields + 1);
    for (size_t i = 0; f && i < x->nfields; i++) {
        f[i] = (nk_field){.name = x->fields[i].name,
                          .type = nk_spark_wider(a, x->fields[i].type, y->fields[i].type)};
        if (!f[i].type || !nk_str_ieq(f[i].name, y->fields[i].name))
            return NULL;
    }
    return f ? nk_type_struct(a, f, x->nfields) : NULL;
}

static bool simple(const nk_type *t)
{
    return nk_type_is_number(t) || t->kind == NK_T_DATE || t->kind == NK_T_TIMESTAMP;
}

const nk_type *nk_spark_wider(nk_arena *a, const nk_type *x, const nk_type *y)
{
    bool text = nk_type_is_text(x) || nk_type_is_text(y);
    if (nk_type_is_text(x) && nk_type_is_text(y))
        return nk_type_scalar(NK_T_STRING);
    if (nk_type_eq(x, y) || y->kind == NK_T_NULL)
        return x;
    if (x->kind == NK_T_NULL)
        return y;
    if (text)
        return simple(x) || simple(y) ? nk_type_scalar(NK_T_STRING) : NULL;
    if (nk_type_is_number(x) && nk_type_is_number(y))
        return wider_number(a, x, y);
    if (x->kind == NK_T_STRUCT && y->kind == NK_T_STRUCT)
        return wider_struct(a, x, y);
    if (x->kind == NK_T_ARRAY && y->kind == NK_T_ARRAY) {
        const nk_type *elem = nk_spark_wider(a, x->elem, y->elem);
        return elem ? nk_type_array(a, elem) : NULL;
    }
    bool times = (x->kind == NK_T_DATE || x->kind == NK_T_TIMESTAMP) &&
                 (y->kind == NK_T_DATE || y->kind == NK_T_TIMESTAMP);
    return times ? nk_type_scalar(NK_T_TIMESTAMP) : NULL;
}
