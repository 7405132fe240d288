#include "engine/show.h"

#include <math.h>
#include <stdio.h>

#include "engine/text.h"

static void show_decimal(const nk_vec *v, size_t i, nk_buf *out)
{
    char digits[48];
    size_t n = 0;
    __int128 x = nk_vec_decimal(v, i);
    unsigned __int128 u = x < 0 ? -(unsigned __int128)x : (unsigned __int128)x;
    size_t scale = v->type->scale > 0 ? (size_t)v->type->scale : 0;
    do {
        digits[n++] = (char)('0' + (int)(u % 10));
        u /= 10;
    } while (u || n <= scale);
    if (x < 0)
        (void)nk_buf_putc(out, '-');
    while (n) {
        (void)nk_buf_putc(out, digits[--n]);
        if (n == scale && scale)
            (void)nk_buf_putc(out, '.');
    }
}

static void show_day(int64_t days, nk_buf *out)
{
    if (days == INT32_MAX || days == -(int64_t)INT32_MAX) {
        (void)nk_buf_puts(out, days < 0 ? "-infinity" : "infinity");
        return;
    }
    nk_civil c = nk_civil_from_us(days * 86400000000);
    (void)nk_buf_printf(out, "%04d-%02d-%02d", (int)c.year, (int)c.month, (int)c.day);
}

static void show_time(int64_t us, nk_buf *out)
{
    if (us == INT64_MAX || us == -INT64_MAX) {
        (void)nk_buf_puts(out, us < 0 ? "-infinity" : "infinity");
        return;
    }
    nk_civil c = nk_civil_from_us(us);
    (void)nk_buf_printf(out, "%04d-%02d-%02d %02d:%02d:%02d", (int)c.year, (int)c.month, (int)c.day,
                        (int)c.hour, (int)c.minute, (int)c.second);
    int part = (int)(us % 1000000), digits = 6;
    if (part < 0)
        part += 1000000;
    if (!part)
        return;
    for (; part % 10 == 0; digits--)
        part /= 10;
    (void)nk_buf_printf(out, ".%0*d", digits, part);
}

static void show_double(double d, bool is_float, nk_buf *out)
{
    char text[64];
    size_t n = nk_spark_double_text(d, is_float, text, sizeof text);
    (void)nk_buf_add(out, text, n);
}

static void show_hex(nk_str s, nk_buf *out)
{
    (void)nk_buf_puts(out, "\\x");
    for (size_t i = 0; i < s.n; i++)
        (void)nk_buf_printf(out, "%02X", (unsigned char)s.p[i]);
}

/* Plain values; false for nested ones. */
static bool show_plain(const nk_vec *v, size_t i, nk_buf *out)
{
    switch (v->type->kind) {
    case NK_T_BOOLEAN:
        (void)nk_buf_puts(out, ((const bool *)v->data)[i] ? "true" : "false");
        return true;
    case NK_T_BYTE:
        (void)nk_buf_printf(out, "%d", ((const int8_t *)v->data)[i]);
        return true;
    case NK_T_SHORT:
        (void)nk_buf_printf(out, "%d", ((const int16_t *)v->data)[i]);
        return true;
    case NK_T_INT:
        (void)nk_buf_printf(out, "%d", ((const int32_t *)v->data)[i]);
        return true;
    case NK_T_LONG:
        (void)nk_buf_printf(out, "%lld", (long long)((const int64_t *)v->data)[i]);
        return true;
    case NK_T_FLOAT:
        show_double((double)((const float *)v->data)[i], true, out);
        return true;
    case NK_T_DOUBLE:
        show_double(((const double *)v->data)[i], false, out);
        return true;
    case NK_T_DECIMAL:
        show_decimal(v, i, out);
        return true;
    case NK_T_DATE:
        show_day(((const int32_t *)v->data)[i], out);
        return true;
    case NK_T_TIMESTAMP:
        show_time(((const int64_t *)v->data)[i], out);
        return true;
    case NK_T_NULL:
    case NK_T_STRING:
    case NK_T_CHAR:
    case NK_T_VARCHAR:
        (void)nk_buf_str(out, nk_vec_str(v, i));
        return true;
    case NK_T_BINARY:
        show_hex(nk_vec_str(v, i), out);
        return true;
    default:
        return false;
    }
}

static void json_string(nk_str s, nk_buf *out)
{
    nk_json_writer w = {.buf = out};
    nk_jw_str(&w, s);
}

/* The text of a value in quotes; memory that ends meanwhile ends the whole. */
static void json_quoted(const nk_vec *v, size_t i, nk_buf *out)
{
    nk_buf b;
    nk_buf_init(&b, 256u << 20);
    nk_show_text(v, i, &b);
    nk_buf_fail(out, nk_buf_check(&b, NULL));
    json_string(nk_buf_view(&b), out);
    nk_buf_free(&b);
}

/* A key of a map is always text in JSON. */
static void json_key(const nk_vec *v, size_t i, nk_buf *out)
{
    if (nk_vec_valid(v, i))
        json_quoted(v, i, out);
    else
        json_string(NK_STR(""), out);
    (void)nk_buf_putc(out, ':');
}

static void json_list(const nk_vec *v, size_t i, bool map, nk_buf *out)
{
    nk_list_entry e = ((const nk_list_entry *)v->data)[i];
    (void)nk_buf_putc(out, map ? '{' : '[');
    for (uint64_t k = e.offset; k < e.offset + e.length; k++) {
        if (k > e.offset)
            (void)nk_buf_putc(out, ',');
        if (map)
            json_key(&v->children[0], k, out);
        nk_show_json(&v->children[map], k, out);
    }
    (void)nk_buf_putc(out, map ? '}' : ']');
}

static void json_struct(const nk_vec *v, size_t i, nk_buf *out)
{
    (void)nk_buf_putc(out, '{');
    for (size_t k = 0; k < v->nchildren; k++) {
        if (k)
            (void)nk_buf_putc(out, ',');
        json_string(v->type->fields[k].name, out);
        (void)nk_buf_putc(out, ':');
        nk_show_json(&v->children[k], i, out);
    }
    (void)nk_buf_putc(out, '}');
}

static void json_base64(nk_str s, nk_buf *out)
{
    nk_arena *a = nk_arena_create(0);
    nk_str text = a ? nk_base64_encode(a, s) : NK_STR_NULL;
    if (!text.p)
        nk_buf_fail(out, NK_E_NOMEM);
    json_string(text, out);
    nk_arena_destroy(a);
}

void nk_show_json(const nk_vec *v, size_t i, nk_buf *out)
{
    nk_type_kind k = v->type->kind;
    if (!nk_vec_valid(v, i)) {
        (void)nk_buf_puts(out, "null");
    } else if (k == NK_T_ARRAY || k == NK_T_MAP) {
        json_list(v, i, k == NK_T_MAP, out);
    } else if (k == NK_T_STRUCT || k == NK_T_CHOICE) {
        json_struct(v, i, out);
    } else if (k == NK_T_BINARY) {
        json_base64(nk_vec_str(v, i), out);
    } else {
        double d = k == NK_T_DOUBLE  ? ((const double *)v->data)[i]
                   : k == NK_T_FLOAT ? (double)((const float *)v->data)[i]
                                     : 0;
        bool bare = (k >= NK_T_BOOLEAN && k <= NK_T_DECIMAL) && isfinite(d);
        if (bare)
            (void)show_plain(v, i, out);
        else
            json_quoted(v, i, out);
    }
}

void nk_show_text(const nk_vec *v, size_t i, nk_buf *out)
{
    if (!show_plain(v, i, out))
        nk_show_json(v, i, out);
}
