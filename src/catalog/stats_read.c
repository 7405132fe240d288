/* From what a worker has counted to Glue's statistics. */
#include "catalog/stats_int.h"
#include "schema/type.h"

const char *nk_stats_type(nk_str hive_type, nk_arena *a)
{
    static const struct {
        nk_type_kind kind;
        const char *type;
    } rows[] = {{NK_T_BOOLEAN, "BOOLEAN"}, {NK_T_BYTE, "LONG"},
                {NK_T_SHORT, "LONG"},      {NK_T_INT, "LONG"},
                {NK_T_LONG, "LONG"},       {NK_T_FLOAT, "DOUBLE"},
                {NK_T_DOUBLE, "DOUBLE"},   {NK_T_DECIMAL, "DECIMAL"},
                {NK_T_DATE, "DATE"},       {NK_T_TIMESTAMP, "TIMESTAMP"},
                {NK_T_STRING, "STRING"},   {NK_T_CHAR, "STRING"},
                {NK_T_VARCHAR, "STRING"},  {NK_T_BINARY, "BINARY"}};
    const nk_type *t;
    if (nk_type_parse(hive_type, a, &t, NULL) != NK_OK)
        return NULL;
    for (size_t i = 0; i < NK_COUNTOF(rows); i++)
        if (rows[i].kind == t->kind)
            return rows[i].type;
    return NULL;
}

typedef struct counted {
    int64_t rows, present, distinct;
    nk_str v[2]; /* p NULL: nothing was there */
    nk_arena *arena;
} counted;

static nk_opt_i64 whole(nk_str s)
{
    int64_t v;
    return s.p && nk_str_i64(s, &v) ? nk_some_i64(v) : (nk_opt_i64){0};
}

static nk_opt_f64 real(nk_str s)
{
    double v;
    return s.p && nk_str_f64(s, &v) ? nk_some_f64(v) : (nk_opt_f64){0};
}

/* "-12.30" as unscaled big-endian two's complement and a scale. */
static glue_DecimalNumber *decimal(nk_str s, nk_arena *a)
{
    glue_DecimalNumber *out = NK_NEW(a, glue_DecimalNumber);
    char *bytes = nk_arena_bytes(a, 16);
    unsigned __int128 u = 0;
    int64_t scale = 0;
    bool negative = s.n && s.p[0] == '-', point = false;
    if (!s.p || !out || !bytes)
        return NULL;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.')
            point = true;
        if (s.p[i] < '0' || s.p[i] > '9')
            continue;
        u = u * 10 + (unsigned)(s.p[i] - '0');
        scale += point;
    }
    __int128 v = negative ? -(__int128)u : (__int128)u;
    size_t n = 16;
    for (size_t i = 0; i < 16; i++)
        bytes[i] = (char)(v >> (8 * (15 - i)));
    /* the shortest that still has its sign */
    while (n > 1 && ((bytes[16 - n] == 0 && !(bytes[17 - n] & 0x80)) ||
                     ((unsigned char)bytes[16 - n] == 0xff && (bytes[17 - n] & 0x80))))
        n--;
    out->UnscaledValue = nk_str_n(bytes + 16 - n, n);
    out->Scale = nk_some_i64(scale);
    return out;
}

/* "2024-05-06" at midnight. */
static nk_opt_time day(nk_str s)
{
    nk_str rest = s, y, m, d;
    int64_t v[3];
    bool before = s.n && s.p[0] == '-';
    if (!s.p || before || !nk_str_split(&rest, '-', &y) || !nk_str_split(&rest, '-', &m) ||
        !nk_str_split(&rest, '-', &d) || !nk_str_i64(y, &v[0]) || !nk_str_i64(m, &v[1]) ||
        !nk_str_i64(nk_str_sub(d, 0, 2), &v[2]) || v[0] > 9999)
        return (nk_opt_time){0};
    nk_civil c = {.year = (int)v[0], .month = (int)v[1], .day = (int)v[2]};
    return nk_some_time(nk_civil_to_us(&c));
}

#define DATA(T, ...)                                                                               \
    glue_##T##ColumnStatisticsData *x = NK_NEW(c->arena, glue_##T##ColumnStatisticsData);          \
    if (!x)                                                                                        \
        return false;                                                                              \
    *x = (glue_##T##ColumnStatisticsData){__VA_ARGS__};                                            \
    out->T##ColumnStatisticsData = x;                                                              \
    return true

static bool of_boolean(const counted *c, glue_ColumnStatisticsData *out)
{
    DATA(Boolean, .NumberOfTrues = whole(c->v[0]), .NumberOfFalses = whole(c->v[1]),
         .NumberOfNulls = nk_some_i64(c->rows - c->present));
}

#define LEAST_GREATEST(of)                                                                         \
    .MinimumValue = of(c->v[0]), .MaximumValue = of(c->v[1]),                                      \
    .NumberOfNulls = nk_some_i64(c->rows - c->present),                                            \
    .NumberOfDistinctValues = nk_some_i64(c->distinct)

static bool of_long(const counted *c, glue_ColumnStatisticsData *out)
{
    DATA(Long, LEAST_GREATEST(whole));
}

static bool of_double(const counted *c, glue_ColumnStatisticsData *out)
{
    DATA(Double, LEAST_GREATEST(real));
}

static bool of_date(const counted *c, glue_ColumnStatisticsData *out)
{
    DATA(Date, LEAST_GREATEST(day));
}

static bool of_decimal(const counted *c, glue_ColumnStatisticsData *out)
{
    DATA(Decimal, .MinimumValue = decimal(c->v[0], c->arena),
         .MaximumValue = decimal(c->v[1], c->arena),
         .NumberOfNulls = nk_some_i64(c->rows - c->present),
         .NumberOfDistinctValues = nk_some_i64(c->distinct));
}

static bool of_string(const counted *c, glue_ColumnStatisticsData *out)
{
    DATA(String, .MaximumLength = nk_some_i64(nk_i64_or(whole(c->v[0]), 0)),
         .AverageLength = nk_some_f64(nk_f64_or(real(c->v[1]), 0)),
         .NumberOfNulls = nk_some_i64(c->rows - c->present),
         .NumberOfDistinctValues = nk_some_i64(c->distinct));
}

static bool of_binary(const counted *c, glue_ColumnStatisticsData *out)
{
    DATA(Binary, .MaximumLength = nk_some_i64(nk_i64_or(whole(c->v[0]), 0)),
         .AverageLength = nk_some_f64(nk_f64_or(real(c->v[1]), 0)),
         .NumberOfNulls = nk_some_i64(c->rows - c->present));
}

/* Timestamps are given as seconds since 1970, as Hive gives them. */
static const struct {
    const char *asked, *type;
    bool (*make)(const counted *c, glue_ColumnStatisticsData *out);
} makers[] = {
    {"BOOLEAN", "BOOLEAN", of_boolean}, {"LONG", "LONG", of_long},
    {"TIMESTAMP", "LONG", of_long},     {"DOUBLE", "DOUBLE", of_double},
    {"DECIMAL", "DECIMAL", of_decimal}, {"DATE", "DATE", of_date},
    {"STRING", "STRING", of_string},    {"BINARY", "BINARY", of_binary},
};

static nk_str cell(const nk_json *list, size_t i)
{
    const nk_json *j = nk_json_at(list, i);
    return nk_json_is_null(j) ? NK_STR_NULL : j->text;
}

nk_code nk_stats_read(const nk_json *frame, nk_str type, nk_str hive_type, int64_t now_us,
                      nk_arena *a, glue_ColumnStatistics *out, nk_err *err)
{
    counted c = {.arena = a};
    glue_ColumnStatisticsData *data = NK_NEW(a, glue_ColumnStatisticsData);
    const nk_json *values = nk_json_get(frame, "values");
    if (!nk_str_i64(nk_json_str(frame, "rows"), &c.rows) ||
        !nk_str_i64(nk_json_str(frame, "present"), &c.present) ||
        !nk_str_i64(nk_json_str(frame, "distinct"), &c.distinct) || !values)
        return nk_fail(err, NK_E_INTERNAL, "a worker's statistics cannot be read");
    for (size_t i = 0; i < 2; i++)
        c.v[i] = cell(values, i);
    for (size_t i = 0; data && i < NK_COUNTOF(makers); i++) {
        if (!nk_str_is(type, makers[i].asked))
            continue;
        data->Type = nk_str_c(makers[i].type);
        if (!makers[i].make(&c, data))
            break;
        *out = (glue_ColumnStatistics){.ColumnName = nk_json_str(frame, "name"),
                                       .ColumnType = hive_type,
                                       .AnalyzedTime = nk_some_time(now_us),
                                       .StatisticsData = data};
        return NK_OK;
    }
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}
