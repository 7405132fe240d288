/* Types and vectors of DuckDB as ours. */
#include <stdlib.h>

#include "engine/duckdb_int.h"

nk_str nk_vec_str(const nk_vec *v, size_t i)
{
    const duckdb_string_t *s = (const duckdb_string_t *)v->data + i;
    if (s->value.inlined.length <= 12)
        return nk_str_n(s->value.inlined.inlined, s->value.inlined.length);
    return nk_str_n(s->value.pointer.ptr, s->value.pointer.length);
}

__int128 nk_vec_decimal(const nk_vec *v, size_t i)
{
    switch (v->width) {
    case 2:
        return ((const int16_t *)v->data)[i];
    case 4:
        return ((const int32_t *)v->data)[i];
    case 8:
        return ((const int64_t *)v->data)[i];
    default: {
        const duckdb_hugeint *h = (const duckdb_hugeint *)v->data + i;
        return (__int128)((unsigned __int128)(uint64_t)h->upper << 64 | h->lower);
    }
    }
}

static nk_code child_type(duckdb_logical_type lt, nk_arena *a, const nk_type **out, bool *exact,
                          nk_err *err)
{
    nk_code rc = nk_duck_type_from(lt, a, out, exact, err);
    duckdb_destroy_logical_type(&lt);
    return rc;
}

static nk_code struct_from(duckdb_logical_type lt, nk_arena *a, const nk_type **out, bool *exact,
                           nk_err *err)
{
    size_t n = duckdb_struct_type_child_count(lt);
    nk_field *f = NK_NEWN(a, nk_field, n + 1);
    if (!f)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        char *name = duckdb_struct_type_child_name(lt, i);
        f[i].name = nk_str_dup(a, nk_str_c(name));
        duckdb_free(name);
        NK_TRY(child_type(duckdb_struct_type_child_type(lt, i), a, &f[i].type, exact, err));
    }
    *out = nk_type_struct(a, f, n);
    return *out ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
}

nk_code nk_duck_type_from(duckdb_logical_type lt, nk_arena *a, const nk_type **out, bool *exact,
                          nk_err *err)
{
    const nk_type *x = NULL, *y = NULL;
    switch (duckdb_get_type_id(lt)) {
    case DUCKDB_TYPE_BOOLEAN:
        *out = nk_type_scalar(NK_T_BOOLEAN);
        return NK_OK;
    case DUCKDB_TYPE_TINYINT:
        *out = nk_type_scalar(NK_T_BYTE);
        return NK_OK;
    case DUCKDB_TYPE_UTINYINT:
        *exact = false;
        *out = nk_type_scalar(NK_T_SHORT);
        return NK_OK;
    case DUCKDB_TYPE_SMALLINT:
        *out = nk_type_scalar(NK_T_SHORT);
        return NK_OK;
    case DUCKDB_TYPE_USMALLINT:
        *exact = false;
        *out = nk_type_scalar(NK_T_INT);
        return NK_OK;
    case DUCKDB_TYPE_INTEGER:
        *out = nk_type_scalar(NK_T_INT);
        return NK_OK;
    case DUCKDB_TYPE_UINTEGER:
        *exact = false;
        *out = nk_type_scalar(NK_T_LONG);
        return NK_OK;
    case DUCKDB_TYPE_BIGINT:
        *out = nk_type_scalar(NK_T_LONG);
        return NK_OK;
    case DUCKDB_TYPE_UBIGINT:
        *exact = false;
        *out = nk_type_decimal(a, 20, 0);
        return *out ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
    case DUCKDB_TYPE_HUGEINT: /* the same 16 bytes */
        *exact = false;
        *out = nk_type_decimal(a, 38, 0);
        return *out ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
    case DUCKDB_TYPE_FLOAT:
        *out = nk_type_scalar(NK_T_FLOAT);
        return NK_OK;
    case DUCKDB_TYPE_DOUBLE:
        *out = nk_type_scalar(NK_T_DOUBLE);
        return NK_OK;
    case DUCKDB_TYPE_DECIMAL:
        *out = nk_type_decimal(a, duckdb_decimal_width(lt), duckdb_decimal_scale(lt));
        return *out ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
    case DUCKDB_TYPE_VARCHAR:
        *out = nk_type_scalar(NK_T_STRING);
        return NK_OK;
    case DUCKDB_TYPE_BLOB:
        *out = nk_type_scalar(NK_T_BINARY);
        return NK_OK;
    case DUCKDB_TYPE_DATE:
        *out = nk_type_scalar(NK_T_DATE);
        return NK_OK;
    case DUCKDB_TYPE_TIMESTAMP:
        *out = nk_type_scalar(NK_T_TIMESTAMP);
        return NK_OK;
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS:
    case DUCKDB_TYPE_TIMESTAMP_NS:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
        *exact = false;
        *out = nk_type_scalar(NK_T_TIMESTAMP);
        return NK_OK;
    case DUCKDB_TYPE_LIST:
        NK_TRY(child_type(duckdb_list_type_child_type(lt), a, &x, exact, err));
        *out = nk_type_array(a, x);
        return *out ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
    case DUCKDB_TYPE_ARRAY:
        *exact = false;
        NK_TRY(child_type(duckdb_array_type_child_type(lt), a, &x, exact, err));
        *out = nk_type_array(a, x);
        return *out ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
    case DUCKDB_TYPE_MAP:
        NK_TRY(child_type(duckdb_map_type_key_type(lt), a, &x, exact, err));
        NK_TRY(child_type(duckdb_map_type_value_type(lt), a, &y, exact, err));
        *out = nk_type_map(a, x, y);
        return *out ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
    case DUCKDB_TYPE_STRUCT:
        return struct_from(lt, a, out, exact, err);
    default: /* times, intervals, enums, UUIDs …: as their text */
        *exact = false;
        *out = nk_type_scalar(NK_T_STRING);
        return NK_OK;
    }
}

duckdb_logical_type nk_duck_type_to(const nk_type *t)
{
    static const duckdb_type simple[] = {
        [NK_T_NULL] = DUCKDB_TYPE_VARCHAR,    [NK_T_BOOLEAN] = DUCKDB_TYPE_BOOLEAN,
        [NK_T_BYTE] = DUCKDB_TYPE_TINYINT,    [NK_T_SHORT] = DUCKDB_TYPE_SMALLINT,
        [NK_T_INT] = DUCKDB_TYPE_INTEGER,     [NK_T_LONG] = DUCKDB_TYPE_BIGINT,
        [NK_T_FLOAT] = DUCKDB_TYPE_FLOAT,     [NK_T_DOUBLE] = DUCKDB_TYPE_DOUBLE,
        [NK_T_STRING] = DUCKDB_TYPE_VARCHAR,  [NK_T_CHAR] = DUCKDB_TYPE_VARCHAR,
        [NK_T_VARCHAR] = DUCKDB_TYPE_VARCHAR, [NK_T_BINARY] = DUCKDB_TYPE_BLOB,
        [NK_T_DATE] = DUCKDB_TYPE_DATE,       [NK_T_TIMESTAMP] = DUCKDB_TYPE_TIMESTAMP,
    };
    duckdb_logical_type x, y, out;
    switch (t->kind) {
    case NK_T_DECIMAL:
        return duckdb_create_decimal_type((uint8_t)t->precision, (uint8_t)t->scale);
    case NK_T_ARRAY:
        x = nk_duck_type_to(t->elem);
        out = duckdb_create_list_type(x);
        duckdb_destroy_logical_type(&x);
        return out;
    case NK_T_MAP:
        x = nk_duck_type_to(t->key);
        y = nk_duck_type_to(t->elem);
        out = duckdb_create_map_type(x, y);
        duckdb_destroy_logical_type(&x);
        duckdb_destroy_logical_type(&y);
        return out;
    case NK_T_STRUCT:
    case NK_T_CHOICE: {
        if (t->nfields == 0)
            return duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
        duckdb_logical_type *types = calloc(t->nfields, sizeof(*types));
        char **names = calloc(t->nfields, sizeof(*names));
        for (size_t i = 0; types && names && i < t->nfields; i++) {
            types[i] = nk_duck_type_to(t->fields[i].type);
            names[i] = strndup(t->fields[i].name.p, t->fields[i].name.n);
        }
        out = types && names
                  ? duckdb_create_struct_type(types, (const char **)(void *)names, t->nfields)
                  : NULL;
        for (size_t i = 0; types && names && i < t->nfields; i++) {
            duckdb_destroy_logical_type(&types[i]);
            free(names[i]);
        }
        free(types);
        free(names);
        return out;
    }
    default:
        return duckdb_create_logical_type(simple[t->kind]);
    }
}

static nk_code name_fields(const nk_type *t, nk_buf *out)
{
    if (t->nfields == 0)
        return nk_buf_puts(out, "VARCHAR");
    (void)nk_buf_puts(out, "STRUCT(");
    for (size_t i = 0; i < t->nfields; i++) {
        if (i)
            (void)nk_buf_puts(out, ", ");
        (void)nk_buf_putc(out, '"');
        for (size_t j = 0; j < t->fields[i].name.n; j++) {
            if (t->fields[i].name.p[j] == '"')
                (void)nk_buf_putc(out, '"');
            (void)nk_buf_putc(out, t->fields[i].name.p[j]);
        }
        (void)nk_buf_puts(out, "\" ");
        (void)nk_engine_type_name(t->fields[i].type, out);
    }
    return nk_buf_putc(out, ')');
}

nk_code nk_engine_type_name(const nk_type *t, nk_buf *out)
{
    static const char *const simple[] = {
        [NK_T_NULL] = "VARCHAR",   [NK_T_BOOLEAN] = "BOOLEAN",     [NK_T_BYTE] = "TINYINT",
        [NK_T_SHORT] = "SMALLINT", [NK_T_INT] = "INTEGER",         [NK_T_LONG] = "BIGINT",
        [NK_T_FLOAT] = "FLOAT",    [NK_T_DOUBLE] = "DOUBLE",       [NK_T_STRING] = "VARCHAR",
        [NK_T_CHAR] = "VARCHAR",   [NK_T_VARCHAR] = "VARCHAR",     [NK_T_BINARY] = "BLOB",
        [NK_T_DATE] = "DATE",      [NK_T_TIMESTAMP] = "TIMESTAMP",
    };
    switch (t->kind) {
    case NK_T_DECIMAL:
        return nk_buf_printf(out, "DECIMAL(%d,%d)", t->precision, t->scale);
    case NK_T_ARRAY:
        (void)nk_engine_type_name(t->elem, out);
        return nk_buf_puts(out, "[]");
    case NK_T_MAP:
        (void)nk_buf_puts(out, "MAP(");
        (void)nk_engine_type_name(t->key, out);
        (void)nk_buf_puts(out, ", ");
        (void)nk_engine_type_name(t->elem, out);
        return nk_buf_putc(out, ')');
    case NK_T_STRUCT:
    case NK_T_CHOICE:
        return name_fields(t, out);
    default:
        return nk_buf_puts(out, simple[t->kind]);
    }
}

nk_code nk_duck_view(duckdb_vector v, const nk_type *type, nk_arena *a, nk_vec *out)
{
    *out = (nk_vec){
        .type = type, .validity = duckdb_vector_get_validity(v), .data = duckdb_vector_get_data(v)};
    switch (type->kind) {
    case NK_T_DECIMAL:
        out->width = type->precision <= 4    ? 2
                     : type->precision <= 9  ? 4
                     : type->precision <= 18 ? 8
                                             : 16;
        return NK_OK;
    case NK_T_ARRAY:
        out->nchildren = 1;
        out->children = NK_NEWN(a, nk_vec, 1);
        if (!out->children)
            return NK_E_NOMEM;
        return nk_duck_view(duckdb_list_vector_get_child(v), type->elem, a, out->children);
    case NK_T_MAP: {
        duckdb_vector pairs = duckdb_list_vector_get_child(v);
        out->nchildren = 2;
        out->children = NK_NEWN(a, nk_vec, 2);
        if (!out->children)
            return NK_E_NOMEM;
        NK_TRY(nk_duck_view(duckdb_struct_vector_get_child(pairs, 0), type->key, a, out->children));
        return nk_duck_view(duckdb_struct_vector_get_child(pairs, 1), type->elem, a,
                            out->children + 1);
    }
    case NK_T_STRUCT:
    case NK_T_CHOICE:
        out->nchildren = type->nfields;
        out->children = NK_NEWN(a, nk_vec, type->nfields + 1);
        if (!out->children)
            return NK_E_NOMEM;
        for (size_t i = 0; i < type->nfields; i++)
            NK_TRY(nk_duck_view(duckdb_struct_vector_get_child(v, i), type->fields[i].type, a,
                                out->children + i));
        return NK_OK;
    default:
        return NK_OK;
    }
}
