/* How DuckDB says things. Casts follow Spark with ANSI off, by the engine's spark_* functions where
 * its own casts differ (they round, raise or read other texts). */
#include "plan/plan_int.h"

static nk_code duck_ident(nk_buf *b, nk_str name)
{
    (void)nk_buf_putc(b, '"');
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '"')
            (void)nk_buf_putc(b, '"');
        (void)nk_buf_putc(b, name.p[i]);
    }
    return nk_buf_putc(b, '"');
}

static nk_code duck_literal(nk_buf *b, nk_str text)
{
    (void)nk_buf_putc(b, '\'');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\'')
            (void)nk_buf_putc(b, '\'');
        (void)nk_buf_putc(b, text.p[i]);
    }
    return nk_buf_putc(b, '\'');
}

static const char *const simple_types[] = {
    [NK_T_NULL] = "VARCHAR",   [NK_T_BOOLEAN] = "BOOLEAN",     [NK_T_BYTE] = "TINYINT",
    [NK_T_SHORT] = "SMALLINT", [NK_T_INT] = "INTEGER",         [NK_T_LONG] = "BIGINT",
    [NK_T_FLOAT] = "FLOAT",    [NK_T_DOUBLE] = "DOUBLE",       [NK_T_STRING] = "VARCHAR",
    [NK_T_CHAR] = "VARCHAR",   [NK_T_VARCHAR] = "VARCHAR",     [NK_T_BINARY] = "BLOB",
    [NK_T_DATE] = "DATE",      [NK_T_TIMESTAMP] = "TIMESTAMP",
};

static nk_code duck_type_with(nk_buf *b, const nk_type *t, const char *choice)
{
    switch (t->kind) {
    case NK_T_DECIMAL:
        return nk_buf_printf(b, "DECIMAL(%d,%d)", t->precision, t->scale);
    case NK_T_ARRAY:
        (void)duck_type_with(b, t->elem, choice);
        return nk_buf_puts(b, "[]");
    case NK_T_MAP:
        (void)nk_buf_puts(b, "MAP(");
        (void)duck_type_with(b, t->key, choice);
        (void)nk_buf_puts(b, ", ");
        (void)duck_type_with(b, t->elem, choice);
        return nk_buf_putc(b, ')');
    case NK_T_CHOICE:
        if (choice)
            return nk_buf_puts(b, choice);
        /* fall through */
    case NK_T_STRUCT:
        if (!t->nfields)
            return nk_buf_puts(b, "VARCHAR");
        (void)nk_buf_puts(b, "STRUCT(");
        for (size_t i = 0; i < t->nfields; i++) {
            (void)nk_buf_puts(b, i ? ", " : "");
            (void)duck_ident(b, t->fields[i].name);
            (void)nk_buf_putc(b, ' ');
            (void)duck_type_with(b, t->fields[i].type, choice);
        }
        return nk_buf_putc(b, ')');
    default:
        return nk_buf_puts(b, simple_types[t->kind]);
    }
}

static nk_code duck_type(nk_buf *b, const nk_type *t)
{
    return duck_type_with(b, t, NULL);
}

/* ---- casts ---- */

static bool is_int(nk_type_kind k)
{
    return k >= NK_T_BYTE && k <= NK_T_LONG;
}

static const char *kind_word(nk_type_kind k)
{
    return nk_type_glue_name(nk_type_scalar(k));
}

static nk_code decimal_from_text(nk_buf *b, nk_str x, const nk_type *to)
{
    return nk_buf_printf(b, "CAST(spark_text_to_decimal(%.*s, %d, %d) AS DECIMAL(%d,%d))",
                         NK_STR_ARG(x), to->precision, to->scale, to->precision, to->scale);
}

static nk_code from_text(nk_buf *b, nk_str x, const nk_type *to)
{
    switch (to->kind) {
    case NK_T_DECIMAL:
        return decimal_from_text(b, x, to);
    case NK_T_BINARY:
        return nk_buf_printf(b, "encode(%.*s)", NK_STR_ARG(x));
    default:
        return nk_buf_printf(b, "spark_text_to_%s(%.*s)", kind_word(to->kind), NK_STR_ARG(x));
    }
}

static nk_code to_text(nk_buf *b, nk_str x, const nk_type *from)
{
    switch (from->kind) {
    case NK_T_DOUBLE:
    case NK_T_FLOAT:
    case NK_T_DATE:
    case NK_T_TIMESTAMP:
        return nk_buf_printf(b, "spark_%s_to_text(%.*s)", kind_word(from->kind), NK_STR_ARG(x));
    case NK_T_DECIMAL: /* without an exponent, both write the same */
        return nk_buf_printf(b, "%s(CAST(%.*s AS VARCHAR))",
                             from->scale > 6 ? "spark_decimal_to_text" : "", NK_STR_ARG(x));
    case NK_T_BINARY:
        return nk_buf_printf(b, "decode(%.*s)", NK_STR_ARG(x));
    default:
        return nk_buf_printf(b, "CAST(%.*s AS VARCHAR)", NK_STR_ARG(x));
    }
}

static nk_code to_int(nk_buf *b, nk_str x, const nk_type *from, nk_type_kind to)
{
    const char *narrow = to == NK_T_LONG ? "" : "spark_long_to_";
    const char *word = to == NK_T_LONG ? "" : kind_word(to);
    switch (from->kind) {
    case NK_T_FLOAT:
    case NK_T_DOUBLE:
        return nk_buf_printf(b, "spark_double_to_%s(%.*s)", kind_word(to), NK_STR_ARG(x));
    case NK_T_DECIMAL: /* the low bits, as integers do */
        if (from->precision - from->scale <= 18)
            return nk_buf_printf(b, "%s%s(CAST(trunc(%.*s) AS BIGINT))", narrow, word,
                                 NK_STR_ARG(x));
        return nk_buf_printf(b, "%s%s(spark_decimal_to_long(CAST(%.*s AS VARCHAR)))", narrow, word,
                             NK_STR_ARG(x));
    case NK_T_TIMESTAMP: /* null when it does not fit, unlike integers */
        return nk_buf_printf(b, "TRY_CAST(spark_timestamp_to_long(%.*s) AS %s)", NK_STR_ARG(x),
                             simple_types[to]);
    case NK_T_DATE:
        return nk_buf_printf(b, "CAST(NULL AS %s)", simple_types[to]);
    default:
        if (is_int(from->kind) && from->kind > to)
            return nk_buf_printf(b, "spark_long_to_%s(%.*s)", kind_word(to), NK_STR_ARG(x));
        return nk_buf_printf(b, "CAST(%.*s AS %s)", NK_STR_ARG(x), simple_types[to]);
    }
}

static nk_code to_time(nk_buf *b, nk_str x, const nk_type *from, nk_type_kind to)
{
    const char *name = simple_types[to];
    if (from->kind == NK_T_DATE || from->kind == NK_T_TIMESTAMP)
        return nk_buf_printf(b, "CAST(%.*s AS %s)", NK_STR_ARG(x), name);
    if (to == NK_T_DATE) /* Spark refuses it, Glue's mappings give null */
        return nk_buf_printf(b, "CAST(NULL AS %s)", name);
    if (from->kind == NK_T_DECIMAL)
        return nk_buf_printf(b, "spark_decimal_to_timestamp(CAST(%.*s AS VARCHAR))", NK_STR_ARG(x));
    if (from->kind == NK_T_BOOLEAN)
        return nk_buf_printf(b, "spark_boolean_to_timestamp(%.*s)", NK_STR_ARG(x));
    return nk_buf_printf(b, "spark_%s_to_timestamp(%.*s)", is_int(from->kind) ? "long" : "double",
                         NK_STR_ARG(x));
}

static nk_code to_float(nk_buf *b, nk_str x, const nk_type *from)
{
    switch (from->kind) {
    case NK_T_DOUBLE:
        return nk_buf_printf(b, "spark_double_to_float(%.*s)", NK_STR_ARG(x));
    case NK_T_DECIMAL:
        return nk_buf_printf(b, "spark_text_to_float(CAST(%.*s AS VARCHAR))", NK_STR_ARG(x));
    case NK_T_TIMESTAMP:
        return nk_buf_printf(b, "spark_double_to_float(epoch_us(%.*s) / 1000000)", NK_STR_ARG(x));
    default:
        return nk_buf_printf(b, "CAST(%.*s AS FLOAT)", NK_STR_ARG(x));
    }
}

static nk_code to_decimal(nk_buf *b, nk_str x, const nk_type *from, const nk_type *to)
{
    nk_buf text;
    nk_buf_init(&text, NK_SQL_MAX);
    switch (from->kind) {
    case NK_T_FLOAT:
    case NK_T_DOUBLE: /* by its shortest digits, rounded half up */
        (void)nk_buf_printf(&text, "spark_double_to_text(CAST(%.*s AS DOUBLE))", NK_STR_ARG(x));
        (void)decimal_from_text(b, nk_buf_view(&text), to);
        break;
    case NK_T_TIMESTAMP:
        (void)nk_buf_printf(b,
                            "TRY_CAST(CAST(epoch_us(%.*s) AS DECIMAL(19,0)) * CAST(0.000001 AS "
                            "DECIMAL(7,6)) AS DECIMAL(%d,%d))",
                            NK_STR_ARG(x), to->precision, to->scale);
        break;
    default:
        (void)nk_buf_printf(b, "TRY_CAST(%.*s AS DECIMAL(%d,%d))", NK_STR_ARG(x), to->precision,
                            to->scale);
    }
    b->failed = b->failed || text.failed;
    nk_buf_free(&text);
    return NK_OK;
}

static nk_code duck_cast(nk_buf *b, nk_str x, const nk_type *from, const nk_type *to, nk_err *err)
{
    if (nk_type_is_text(from))
        return from_text(b, x, to);
    if (nk_type_is_text(to))
        return to_text(b, x, from);
    if (from->kind == NK_T_BINARY || to->kind == NK_T_BINARY)
        return nk_fail(err, NK_E_INVALID, "a %s cannot become a %s", nk_type_glue_name(from),
                       nk_type_glue_name(to));
    if (is_int(to->kind))
        return to_int(b, x, from, to->kind);
    if (to->kind == NK_T_DATE || to->kind == NK_T_TIMESTAMP)
        return to_time(b, x, from, to->kind);
    if (from->kind == NK_T_DATE) {
        (void)nk_buf_puts(b, "CAST(NULL AS ");
        (void)duck_type(b, to);
        return nk_buf_putc(b, ')');
    }
    if (to->kind == NK_T_BOOLEAN)
        return nk_buf_printf(b,
                             from->kind == NK_T_TIMESTAMP ? "(epoch_us(%.*s) <> 0)" : "(%.*s <> 0)",
                             NK_STR_ARG(x));
    if (to->kind == NK_T_FLOAT)
        return to_float(b, x, from);
    if (to->kind == NK_T_DECIMAL)
        return to_decimal(b, x, from, to);
    if (from->kind == NK_T_TIMESTAMP)
        return nk_buf_printf(b, "CAST(epoch_us(%.*s) / 1000000 AS DOUBLE)", NK_STR_ARG(x));
    if (from->kind == NK_T_DECIMAL && from->precision > 15) /* the engine rounds twice */
        return nk_buf_printf(b, "spark_text_to_double(CAST(%.*s AS VARCHAR))", NK_STR_ARG(x));
    return nk_buf_printf(b, "CAST(%.*s AS DOUBLE)", NK_STR_ARG(x));
}

/* ---- structs and lists ---- */

static nk_code duck_field(nk_buf *b, nk_str x, nk_str name)
{
    (void)nk_buf_printf(b, "struct_extract(%.*s, ", NK_STR_ARG(x));
    (void)duck_literal(b, name);
    return nk_buf_putc(b, ')');
}

static nk_code duck_struct_open(nk_buf *b)
{
    return nk_buf_puts(b, "struct_pack(");
}

static nk_code duck_struct_field(nk_buf *b, bool first, nk_str name, nk_str x)
{
    (void)nk_buf_puts(b, first ? "" : ", ");
    (void)duck_ident(b, name);
    return nk_buf_printf(b, " := %.*s", NK_STR_ARG(x));
}

static nk_code duck_struct_close(nk_buf *b)
{
    return nk_buf_putc(b, ')');
}

static nk_code duck_list_map(nk_buf *b, nk_str x, nk_str var, nk_str body)
{
    return nk_buf_printf(b, "list_transform(%.*s, lambda %.*s: %.*s)", NK_STR_ARG(x),
                         NK_STR_ARG(var), NK_STR_ARG(body));
}

static nk_code duck_map_values(nk_buf *b, nk_str x, nk_str var, nk_str body)
{
    return nk_buf_printf(b,
                         "map_from_entries(list_transform(map_entries(%.*s), lambda k%.*s: {'k': "
                         "k%.*s.key, 'v': list_transform([k%.*s.value], lambda %.*s: %.*s)[1]}))",
                         NK_STR_ARG(x), NK_STR_ARG(var), NK_STR_ARG(var), NK_STR_ARG(var),
                         NK_STR_ARG(var), NK_STR_ARG(body));
}

/* ---- scans: CSV ---- */

/* Names are names: what the engine would take for a pattern is escaped. */
static nk_code duck_file(nk_buf *b, nk_str uri)
{
    (void)nk_buf_putc(b, '\'');
    for (size_t i = 0; i < uri.n; i++) {
        char c = uri.p[i];
        if (c == '\'')
            (void)nk_buf_puts(b, "''");
        else if (c == '*' || c == '?' || c == '[')
            (void)nk_buf_printf(b, "[%c]", c);
        else
            (void)nk_buf_putc(b, c);
    }
    return nk_buf_putc(b, '\'');
}

static void file_list(nk_buf *b, const nk_str *files, size_t n)
{
    (void)nk_buf_putc(b, '[');
    for (size_t i = 0; i < n; i++) {
        (void)nk_buf_puts(b, i ? ", " : "");
        (void)duck_file(b, files[i]);
    }
    (void)nk_buf_putc(b, ']');
}

/* What a buffer holds, as a literal; frees the buffer. A text that was cut makes b fail too. */
static void literal_of(nk_buf *b, nk_buf *text)
{
    (void)duck_literal(b, nk_buf_view(text));
    nk_buf_fail(b, nk_buf_check(text, NULL));
    nk_buf_free(text);
}

static void char_option(nk_buf *b, const char *name, char c)
{
    char text[2] = {c, 0};
    (void)nk_buf_printf(b, ", %s=", name);
    (void)duck_literal(b, nk_str_c(text));
}

static void compression_option(nk_buf *b, const nk_scan *s)
{
    if (s->compression.n) {
        (void)nk_buf_puts(b, ", compression=");
        (void)duck_literal(b, s->compression);
    }
}

/* The engine takes k=v folders for columns, over those of the file, unless told not to. */
static void hive_option(nk_buf *b, bool hive)
{
    (void)nk_buf_puts(b, hive ? ", hive_partitioning=true, hive_types_autocast=false"
                              : ", hive_partitioning=false");
}

static void csv_call(nk_buf *b, const nk_scan *s, const nk_str *files, size_t n,
                     const nk_type *read, bool hive)
{
    (void)nk_buf_puts(b, "read_csv(");
    file_list(b, files, n);
    (void)nk_buf_puts(b, ", auto_detect=false, columns={");
    for (size_t i = 0; i < read->nfields; i++) {
        (void)nk_buf_puts(b, i ? ", " : "");
        (void)duck_literal(b, read->fields[i].name);
        (void)nk_buf_puts(b, ": 'VARCHAR'");
    }
    (void)nk_buf_putc(b, '}');
    char_option(b, "delim", s->separator);
    char_option(b, "quote", s->quote);
    char_option(b, "escape", s->escape ? s->escape : s->quote);
    (void)nk_buf_printf(b, ", header=%s", s->header ? "true" : "false");
    if (s->skip_first && !s->header)
        (void)nk_buf_puts(b, ", skip=1");
    if (s->null_text.n) {
        (void)nk_buf_puts(b, ", nullstr=");
        (void)duck_literal(b, s->null_text);
    }
    /* texts keep the difference between empty and missing; the rest has no empty values */
    bool first = true;
    for (size_t i = 0; i < read->nfields; i++) {
        const nk_field *f = nk_type_field(s->type, read->fields[i].name);
        if (!f || !nk_type_is_text(f->type))
            continue;
        (void)nk_buf_puts(b, first ? ", force_not_null=[" : ", ");
        first = false;
        (void)duck_literal(b, f->name);
    }
    if (!first)
        (void)nk_buf_putc(b, ']');
    if (s->lenient)
        (void)nk_buf_puts(b, ", strict_mode=false, null_padding=true, parallel=false");
    else if (s->escape && s->escape != s->quote) /* escapes outside of quotes, as Hive has them */
        (void)nk_buf_puts(b, ", strict_mode=false");
    (void)nk_buf_puts(b, ", max_line_size=16777216, buffer_size=33554432");
    hive_option(b, hive);
    compression_option(b, s);
    (void)nk_buf_putc(b, ')');
}

/* The alternatives of a choice over a text: each value goes to the first that takes it. */
static nk_str csv_choice(nk_compile *c, const nk_type *t, nk_str x)
{
    nk_columns l = {0};
    nk_str before = NK_STR_NULL;
    for (size_t i = 0; i < t->nfields; i++) {
        const nk_type *alt = t->fields[i].type;
        nk_str v = x;
        if (alt->kind == NK_T_DECIMAL)
            v = nk_x_printf(c, "TRY_CAST(%.*s AS DECIMAL(%d,%d))", NK_STR_ARG(x), alt->precision,
                            alt->scale);
        else if (!nk_type_is_text(alt))
            v = nk_x_printf(c, "cell_%s(%.*s)", nk_type_glue_name(alt), NK_STR_ARG(x));
        nk_str y = before.p ? nk_x_printf(c, "CASE WHEN %.*s THEN %.*s END", NK_STR_ARG(before),
                                          NK_STR_ARG(v))
                            : v;
        before = before.p
                     ? nk_x_printf(c, "%.*s AND %.*s IS NULL", NK_STR_ARG(before), NK_STR_ARG(v))
                     : nk_x_printf(c, "%.*s IS NULL", NK_STR_ARG(v));
        if (nk_columns_put(&l, c->arena, t->fields[i].name, alt, y, NULL) != NK_OK)
            return nk_x_failed(c);
    }
    return nk_x_struct(c, x, &l);
}

/* ---- scans: JSON ---- */

/* A value of raw JSON x as type t. */
static nk_str json_value(nk_compile *c, const nk_type *t, nk_str x);

static const char *json_kinds(const nk_type *t)
{
    switch (t->kind) {
    case NK_T_BOOLEAN:
        return "'BOOLEAN'";
    case NK_T_STRUCT:
    case NK_T_MAP:
        return "'OBJECT'";
    case NK_T_ARRAY:
        return "'ARRAY'";
    default:
        return nk_type_is_number(t) ? "'BIGINT', 'UBIGINT', 'HUGEINT', 'DOUBLE'" : "'VARCHAR'";
    }
}

static nk_str json_choice(nk_compile *c, const nk_type *t, nk_str x)
{
    nk_columns l = {0};
    for (size_t i = 0; i < t->nfields; i++) {
        const nk_type *alt = t->fields[i].type;
        nk_str v = json_value(c, alt, x);
        nk_str y = nk_x_printf(c, "CASE WHEN json_type(%.*s) IN (%s) THEN %.*s END", NK_STR_ARG(x),
                               json_kinds(alt), NK_STR_ARG(v));
        if (nk_columns_put(&l, c->arena, t->fields[i].name, alt, y, NULL) != NK_OK)
            return nk_x_failed(c);
    }
    nk_str s = nk_x_struct(c, NK_STR_NULL, &l);
    return nk_x_printf(c,
                       "CASE WHEN %.*s IS NULL OR json_type(%.*s) = 'NULL' THEN NULL ELSE %.*s END",
                       NK_STR_ARG(x), NK_STR_ARG(x), NK_STR_ARG(s));
}

/* {"a": "BIGINT", "b": ["VARCHAR"]}: the engine's way to describe JSON, choices as raw JSON. */
static void json_structure(nk_buf *b, const nk_type *t)
{
    nk_json_writer w = {.buf = b};
    switch (t->kind) {
    case NK_T_ARRAY:
        (void)nk_buf_putc(b, '[');
        json_structure(b, t->elem);
        (void)nk_buf_putc(b, ']');
        return;
    case NK_T_STRUCT:
        if (!t->nfields)
            break;
        (void)nk_buf_putc(b, '{');
        for (size_t i = 0; i < t->nfields; i++) {
            (void)nk_buf_puts(b, i ? "," : "");
            nk_jw_str(&w, t->fields[i].name);
            w.comma = false;
            (void)nk_buf_putc(b, ':');
            json_structure(b, t->fields[i].type);
        }
        (void)nk_buf_putc(b, '}');
        return;
    case NK_T_CHOICE:
        (void)nk_buf_puts(b, "\"JSON\"");
        return;
    default:
        break;
    }
    (void)nk_buf_putc(b, '"');
    (void)duck_type(b, t);
    (void)nk_buf_putc(b, '"');
}

/* x was read with choices as raw JSON: puts them in their places. */
static nk_str json_settle(nk_compile *c, const nk_type *t, nk_str x)
{
    if (!nk_type_has_choice(t))
        return x;
    if (t->kind == NK_T_CHOICE)
        return json_choice(c, t, x);
    if (t->kind == NK_T_ARRAY) {
        static _Thread_local unsigned count;
        nk_buf b;
        nk_str var = nk_x_printf(c, "j%u", count++ % 100000);
        nk_buf_init(&b, NK_SQL_MAX);
        (void)duck_list_map(&b, x, var, json_settle(c, t->elem, var));
        return nk_x_take(c, &b);
    }
    nk_columns l = {0};
    for (size_t i = 0; i < t->nfields; i++)
        if (nk_columns_put(&l, c->arena, t->fields[i].name, t->fields[i].type,
                           json_settle(c, t->fields[i].type, nk_x_field(c, x, t->fields[i].name)),
                           NULL) != NK_OK)
            return nk_x_failed(c);
    return nk_x_struct(c, x, &l);
}

static nk_str json_value(nk_compile *c, const nk_type *t, nk_str x)
{
    if (nk_type_is_text(t))
        return nk_x_printf(c, "(%.*s ->> '$')", NK_STR_ARG(x));
    if (nk_type_is_number(t) || t->kind == NK_T_BOOLEAN)
        return nk_x_printf(c, "CAST(%.*s AS %s)", NK_STR_ARG(x), simple_types[t->kind]);
    nk_buf b;
    nk_buf_init(&b, NK_SQL_MAX);
    json_structure(&b, t);
    nk_str lit = nk_x_literal(c, nk_buf_view(&b));
    nk_buf_free(&b);
    return json_settle(c, t,
                       nk_x_printf(c, "from_json(%.*s, %.*s)", NK_STR_ARG(x), NK_STR_ARG(lit)));
}

static void json_call(nk_compile *c, nk_buf *b, const nk_scan *s, const nk_str *files, size_t n,
                      const nk_type *read, bool hive)
{
    if (s->json_table.n) {
        nk_buf t;
        nk_buf_init(&t, NK_SQL_MAX);
        json_structure(&t, read);
        (void)nk_buf_puts(b, "(SELECT unnest(from_json(json, ");
        literal_of(b, &t);
        (void)nk_buf_printf(b, ")) FROM %.*s)", NK_STR_ARG(s->json_table));
        return;
    }
    if (s->json_path.p) {
        nk_buf t;
        nk_buf_init(&t, NK_SQL_MAX);
        json_structure(&t, read);
        (void)nk_buf_puts(b, "(SELECT unnest(from_json(doc, ");
        literal_of(b, &t);
        bool many = nk_str_chr(s->json_path, '*') >= 0; /* then it gives a list of itself */
        (void)nk_buf_puts(b, ")) FROM (SELECT unnest(json_extract(json, ");
        (void)nk_buf_puts(b, many ? "" : "[");
        (void)duck_literal(b, s->json_path);
        (void)nk_buf_puts(b, many ? ")) AS doc FROM read_json_objects("
                                  : "])) AS doc FROM read_json_objects(");
        file_list(b, files, n);
        compression_option(b, s);
        (void)nk_buf_puts(
            b,
            /* a path begins at the document: an array at the top must not be taken apart before */
            ", format='unstructured', maximum_object_size=268435456)) WHERE doc IS NOT NULL)");
        return;
    }
    (void)nk_buf_puts(b, "read_json(");
    file_list(b, files, n);
    (void)nk_buf_puts(b, ", format='auto', maximum_object_size=67108864, columns={");
    for (size_t i = 0; i < read->nfields; i++) {
        (void)nk_buf_puts(b, i ? ", " : "");
        (void)duck_literal(b, read->fields[i].name);
        nk_buf t;
        nk_buf_init(&t, NK_SQL_MAX);
        (void)duck_type_with(&t, read->fields[i].type, "JSON");
        (void)nk_buf_puts(b, ": ");
        literal_of(b, &t);
    }
    (void)nk_buf_putc(b, '}');
    hive_option(b, hive);
    compression_option(b, s);
    (void)nk_buf_putc(b, ')');
}

/* ---- scans: all ---- */

static bool has_time(const nk_type *t)
{
    if (t->kind == NK_T_TIMESTAMP)
        return true;
    if ((t->elem && has_time(t->elem)) || (t->key && has_time(t->key)))
        return true;
    for (size_t i = 0; i < t->nfields; i++)
        if (has_time(t->fields[i].type))
            return true;
    return false;
}

/* How a column as read becomes one of the node's. */
static nk_code scan_column(nk_compile *c, const nk_scan *s, size_t i, const nk_type *read,
                           nk_str *out, nk_err *err)
{
    const nk_field *f = &s->type->fields[i], *r = nk_field_find(read, f->name);
    if (!r) {
        nk_buf b;
        nk_buf_init(&b, NK_SQL_MAX);
        (void)duck_type(&b, f->type);
        *out = nk_x_printf(c, "CAST(NULL AS %.*s)", NK_STR_ARG(nk_buf_view(&b)));
        nk_buf_free(&b);
        return NK_OK;
    }
    nk_str x = nk_x_ident(c, r->name);
    *out = x;
    switch (s->format) {
    case NK_SCAN_CSV:
        if (f->type->kind == NK_T_CHOICE)
            *out = csv_choice(c, f->type, x);
        else if (!nk_type_is_text(f->type) && f->type->kind != NK_T_NULL)
            *out = nk_x_printf(c, "%.*s_c%zu(%.*s)", NK_STR_ARG(s->view), i, NK_STR_ARG(x));
        return NK_OK;
    case NK_SCAN_JSON:
        *out = json_settle(c, f->type, x);
        return NK_OK;
    case NK_SCAN_PARQUET:
        if (has_time(r->type)) { /* of other units and zones in the file */
            nk_buf b;
            nk_buf_init(&b, NK_SQL_MAX);
            (void)duck_type(&b, r->type);
            *out = x =
                nk_x_printf(c, "CAST(%.*s AS %.*s)", NK_STR_ARG(x), NK_STR_ARG(nk_buf_view(&b)));
            nk_buf_free(&b);
        }
        if (f->type->kind == NK_T_CHOICE && r->type->kind != NK_T_CHOICE) {
            nk_columns l = {0};
            for (size_t k = 0; k < f->type->nfields; k++) {
                const nk_field *alt = &f->type->fields[k];
                nk_str v = x;
                if (!nk_type_eq(alt->type, r->type)) {
                    nk_buf b;
                    nk_buf_init(&b, NK_SQL_MAX);
                    (void)duck_type(&b, alt->type);
                    v = nk_x_printf(c, "CAST(NULL AS %.*s)", NK_STR_ARG(nk_buf_view(&b)));
                    nk_buf_free(&b);
                }
                NK_TRY(nk_columns_put(&l, c->arena, alt->name, alt->type, v, err));
            }
            *out = nk_x_struct(c, x, &l);
        } else if (!nk_type_eq(f->type, r->type)) {
            NK_TRY(nk_x_cast(c, x, r->type, f->type, out, err));
        }
        return NK_OK;
    case NK_SCAN_TABLE:
    case NK_SCAN_ROWS:
        return NK_OK;
    }
    return NK_OK;
}

static void scan_call(nk_compile *c, nk_buf *b, const nk_scan *s, const nk_scan_part *p,
                      const nk_type *read, bool hive)
{
    switch (s->format) {
    case NK_SCAN_CSV:
        csv_call(b, s, p->files, p->nfiles, read, hive);
        return;
    case NK_SCAN_JSON:
        json_call(c, b, s, p->files, p->nfiles, read, hive);
        return;
    case NK_SCAN_PARQUET:
        (void)nk_buf_puts(b, "read_parquet(");
        file_list(b, p->files, p->nfiles);
        hive_option(b, hive);
        (void)nk_buf_puts(b, ", union_by_name=false)");
        return;
    case NK_SCAN_TABLE:
        (void)nk_buf_str(b, s->view);
        return;
    case NK_SCAN_ROWS:
        (void)nk_buf_printf(b, "%.*s(%zu)", NK_STR_ARG(s->view), (size_t)(p - s->parts));
        return;
    }
}

/* text NULL: the value is the column that the engine makes of the path. */
static nk_code partition_value(nk_compile *c, const nk_field *col, const nk_str *text, nk_str *out,
                               nk_err *err)
{
    const nk_type *string = nk_type_scalar(NK_T_STRING);
    if (text && !text->p)
        return nk_x_cast(c, NK_STR("NULL"), nk_type_scalar(NK_T_NULL), col->type, out, err);
    return nk_x_cast(c, text ? nk_x_literal(c, *text) : nk_x_ident(c, col->name), string, col->type,
                     out, err);
}

/* An empty relation of the scan's type. */
static nk_code scan_nothing(nk_compile *c, const nk_scan *s, nk_buf *b)
{
    (void)nk_buf_puts(b, "SELECT ");
    for (size_t i = 0; i < s->type->nfields; i++) {
        (void)nk_buf_puts(b, i ? ", CAST(NULL AS " : "CAST(NULL AS ");
        (void)duck_type(b, s->type->fields[i].type);
        (void)nk_buf_puts(b, ") AS ");
        (void)duck_ident(b, s->type->fields[i].name);
    }
    return nk_buf_puts(b, " WHERE false");
}

/* Whether a file's path says its partition's values as the engine reads them: key=value, each key
 * once. Escaped values and nulls are ours to read. */
static bool path_says(const nk_scan *s, nk_str path, const nk_str *values)
{
    size_t found = 0;
    nk_str part;
    ptrdiff_t slash = nk_str_rchr(path, '/');
    path = slash < 0 ? NK_STR("") : nk_str_sub(path, 0, (size_t)slash);
    while (nk_str_split(&path, '/', &part)) {
        ptrdiff_t eq = nk_str_chr(part, '=');
        nk_str key = eq > 0 ? nk_str_sub(part, 0, (size_t)eq) : NK_STR_NULL;
        for (size_t q = 0; key.p && q < s->npartition_columns; q++) {
            if (!nk_str_eq(key, s->partition_columns[q].name))
                continue;
            nk_str v = nk_str_sub(part, (size_t)eq + 1, part.n);
            if (!v.n || !nk_str_eq(v, values[q]) || nk_str_chr(v, '%') >= 0 ||
                nk_str_chr(v, '+') >= 0)
                return false;
            found++;
        }
    }
    return found == s->npartition_columns;
}

/* Many partitions in folders named k=v as one relation: the engine then reads their files side by
 * side, and leaves out those that a filter on the keys rules out. False when they are not such. */
static bool one_relation(nk_compile *c, const nk_scan *s, nk_scan_part *out)
{
    size_t files = 0;
    if (s->nparts < 2 || !s->npartition_columns || s->json_table.n || s->json_path.p ||
        s->format == NK_SCAN_ROWS)
        return false;
    for (size_t q = 0; q < s->npartition_columns; q++)
        if (nk_field_find(s->read, s->partition_columns[q].name))
            return false;
    for (size_t k = 0; k < s->nparts; k++) {
        const nk_scan_part *p = &s->parts[k];
        if ((p->read ? p->read : s->read) != (s->parts[0].read ? s->parts[0].read : s->read))
            return false;
        for (size_t i = 0; i < p->nfiles; i++)
            if (!path_says(s, p->files[i], p->values))
                return false;
        files += p->nfiles;
    }
    *out = (nk_scan_part){.files = NK_NEWN(c->arena, nk_str, files + 1), .read = s->parts[0].read};
    for (size_t k = 0; out->files && k < s->nparts; k++) {
        memcpy(out->files + out->nfiles, s->parts[k].files,
               s->parts[k].nfiles * sizeof(*out->files));
        out->nfiles += s->parts[k].nfiles;
    }
    return out->files && files;
}

static nk_code duck_scan(nk_compile *c, const nk_scan *s, nk_buf *b, nk_err *err)
{
    size_t parts = 0;
    nk_scan_part all;
    nk_scan one = *s;
    bool hive = one_relation(c, s, &all);
    if (hive) {
        one.parts = &all;
        one.nparts = 1;
        s = &one;
    }
    for (size_t k = 0; k < s->nparts; k++) {
        const nk_scan_part *p = &s->parts[k];
        const nk_type *read = p->read ? p->read : s->read;
        nk_columns l = {0};
        if (!p->nfiles && s->format != NK_SCAN_TABLE && !s->json_table.n)
            continue;
        for (size_t i = 0; i < s->type->nfields; i++) {
            const nk_field *f = &s->type->fields[i];
            nk_str x = NK_STR_NULL;
            for (size_t q = 0; q < s->npartition_columns && !x.p; q++)
                if (nk_str_eq(f->name, s->partition_columns[q].name))
                    NK_TRY(partition_value(c, &s->partition_columns[q], hive ? NULL : &p->values[q],
                                           &x, err));
            if (!x.p)
                NK_TRY(scan_column(c, s, i, read, &x, err));
            NK_TRY(nk_columns_put(&l, c->arena, f->name, f->type, x, err));
        }
        if (parts++)
            (void)nk_buf_puts(b, "\nUNION ALL\n");
        nk_columns_select(c, &l, b);
        (void)nk_buf_puts(b, "\nFROM ");
        scan_call(c, b, s, p, read, hive);
    }
    return parts ? NK_OK : scan_nothing(c, s, b);
}

static const nk_dialect duckdb = {
    .name = "duckdb",
    .ident = duck_ident,
    .literal = duck_literal,
    .file = duck_file,
    .type = duck_type,
    .cast = duck_cast,
    .field = duck_field,
    .struct_open = duck_struct_open,
    .struct_field = duck_struct_field,
    .struct_close = duck_struct_close,
    .list_map = duck_list_map,
    .map_values = duck_map_values,
    .scan = duck_scan,
    .null_safe_eq = "IS NOT DISTINCT FROM",
};

const nk_dialect *nk_dialect_duckdb(void)
{
    return &duckdb;
}

const nk_dialect *nk_dialect_find(nk_str name)
{
    return nk_str_is(name, "duckdb") ? &duckdb : NULL;
}
