/* Statements of Spark SQL: SELECT with joins, groups, unions, queries in FROM and WITH. Expressions
 * are read by expr_parse.c. */
#include "plan/sql_int.h"

#define QUERY_MAX (1u << 20)
#define DEPTH_MAX 30

typedef struct reader {
    nk_str text;
    size_t pos;
    nk_arena *a;
    nk_err *err;
    int depth;
} reader;

static nk_code read_query(reader *r, nk_sql_query **out);

/* ---- words ---- */

/* No aliases: they begin what follows a column or a table. */
static const char *const stops[] = {
    "from",    "where",   "group",      "having",      "order",  "limit",   "union",   "intersect",
    "except",  "minus",   "join",       "inner",       "left",   "right",   "full",    "cross",
    "on",      "using",   "lateral",    "window",      "as",     "with",    "qualify", "sort",
    "cluster", "natural", "distribute", "tablesample", "pivot",  "unpivot", "anti",    "semi",
    "offset",  "over",    "div",        "asc",         "desc",   "nulls",   "filter",  "rlike",
    "regexp",  "ilike",   "ignore",     "respect",     "within", "collate", "select",  "at",
};

static bool word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (unsigned char)c >= 0x80;
}

static void skip_blanks(reader *r)
{
    while (r->pos < r->text.n &&
           (r->text.p[r->pos] == ' ' || (r->text.p[r->pos] >= '\t' && r->text.p[r->pos] <= '\r')))
        r->pos++;
}

static nk_str peek_word(reader *r)
{
    skip_blanks(r);
    size_t i = r->pos;
    while (i < r->text.n && word_char(r->text.p[i]))
        i++;
    return nk_str_sub(r->text, r->pos, i);
}

static bool peek_char(reader *r, char c)
{
    skip_blanks(r);
    return r->pos < r->text.n && r->text.p[r->pos] == c;
}

static bool take_char(reader *r, char c)
{
    bool yes = peek_char(r, c);
    r->pos += yes;
    return yes;
}

static bool take(reader *r, const char *word)
{
    nk_str w = peek_word(r);
    bool yes = nk_str_ieq(w, nk_str_c(word));
    r->pos += yes ? w.n : 0;
    return yes;
}

/* "group by" and the like: both words or none. */
static bool take_two(reader *r, const char *one, const char *two)
{
    size_t at = r->pos;
    if (take(r, one) && take(r, two))
        return true;
    r->pos = at;
    return false;
}

static nk_code stuck(reader *r)
{
    skip_blanks(r);
    nk_str near = nk_str_sub(r->text, r->pos, r->pos + 30 < r->text.n ? r->pos + 30 : r->text.n);
    while (near.n && !nk_utf8_valid(near))
        near.n--;
    return nk_fail(r->err, NK_E_UNSUPPORTED,
                   near.n ? "\"%.*s\" is not among what the embedded engine knows of Spark SQL"
                          : "%.*sthe query ends too soon",
                   NK_STR_ARG(near));
}

/* A name, quoted or not a word that begins something else. */
static bool read_name(reader *r, nk_str *out)
{
    if (peek_char(r, '`')) {
        nk_str rest = nk_str_sub(r->text, r->pos + 1, r->text.n);
        ptrdiff_t end = nk_str_chr(rest, '`');
        bool doubled = end >= 0 && (size_t)end + 1 < rest.n && rest.p[end + 1] == '`';
        if (end <= 0 || doubled)
            return false;
        *out = nk_str_sub(rest, 0, (size_t)end);
        r->pos += (size_t)end + 2;
        return true;
    }
    nk_str w = peek_word(r);
    if (!w.n || (w.p[0] >= '0' && w.p[0] <= '9'))
        return false;
    for (size_t i = 0; i < NK_COUNTOF(stops); i++)
        if (nk_str_ieq(w, nk_str_c(stops[i])))
            return false;
    *out = w;
    r->pos += w.n;
    return true;
}

/* [AS] name; *out stays without one. A word that touches what is before it is no alias: 5L, 1.5F.
 */
static nk_code read_alias(reader *r, nk_str *out)
{
    bool touches = r->pos > 0 && r->pos < r->text.n && word_char(r->text.p[r->pos - 1]) &&
                   word_char(r->text.p[r->pos]);
    if (touches)
        return stuck(r);
    bool as = take(r, "as");
    return !read_name(r, out) && as ? stuck(r) : NK_OK;
}

static nk_code read_expr(reader *r, const nk_expr **out)
{
    nk_err own = NK_ERR_INIT;
    nk_str w = peek_word(r);
    for (size_t i = 0; w.n && i < NK_COUNTOF(stops); i++)
        if (nk_str_ieq(w, nk_str_c(stops[i])) && !nk_str_is(nk_str_c(stops[i]), "left") &&
            !nk_str_is(nk_str_c(stops[i]), "right"))
            return stuck(r);
    nk_code rc = nk_expr_parse_at(r->text, &r->pos, r->a, out, &own);
    if (rc == NK_E_NOMEM)
        return nk_oom(r->err);
    return rc == NK_OK ? NK_OK : nk_fail(r->err, NK_E_UNSUPPORTED, "%s", own.msg);
}

/* ---- clauses ---- */

static nk_code read_item(reader *r, nk_sql_items *items)
{
    nk_sql_item *it = nk_sql_items_add(items, r->a);
    if (!it)
        return nk_oom(r->err);
    *it = (nk_sql_item){0};
    if (take_char(r, '*')) {
        it->star = true;
        return NK_OK;
    }
    size_t at = r->pos;
    nk_str of;
    if (read_name(r, &of) && take_char(r, '.') && take_char(r, '*')) {
        it->star = true;
        it->of = of;
        return NK_OK;
    }
    r->pos = at;
    NK_TRY(read_expr(r, &it->x));
    return read_alias(r, &it->alias);
}

static nk_code read_relation(reader *r, nk_sql_rel *rel)
{
    if (take_char(r, '(')) {
        NK_TRY(read_query(r, &rel->query));
        if (!take_char(r, ')'))
            return stuck(r);
    } else if (!read_name(r, &rel->name) || peek_char(r, '.') || peek_char(r, '(')) {
        return stuck(r);
    }
    return read_alias(r, &rel->alias);
}

static bool read_join(reader *r, nk_sql_join *join)
{
    static const struct {
        const char *words[3];
        nk_sql_join join;
    } joins[] = {
        {{"join"}, NK_SQL_INNER},
        {{"inner", "join"}, NK_SQL_INNER},
        {{"cross", "join"}, NK_SQL_CROSS},
        {{"left", "join"}, NK_SQL_LEFT},
        {{"left", "outer", "join"}, NK_SQL_LEFT},
        {{"right", "join"}, NK_SQL_RIGHT},
        {{"right", "outer", "join"}, NK_SQL_RIGHT},
        {{"full", "join"}, NK_SQL_FULL},
        {{"full", "outer", "join"}, NK_SQL_FULL},
        {{"left", "semi", "join"}, NK_SQL_SEMI},
        {{"left", "anti", "join"}, NK_SQL_ANTI},
    };
    for (size_t i = 0; i < NK_COUNTOF(joins); i++) {
        size_t at = r->pos, k = 0;
        while (k < 3 && joins[i].words[k] && take(r, joins[i].words[k]))
            k++;
        *join = joins[i].join;
        if (k == 3 || !joins[i].words[k])
            return true;
        r->pos = at;
    }
    return false;
}

/* A comma joins all with all; it binds weaker than a word, which shows with RIGHT and FULL only. */
static nk_code read_from(reader *r, nk_sql_rels *rels)
{
    nk_sql_join join = NK_SQL_FIRST;
    bool commas = false, more;
    do {
        nk_sql_rel *rel = nk_sql_rels_add(rels, r->a);
        if (!rel)
            return nk_oom(r->err);
        *rel = (nk_sql_rel){.join = join};
        NK_TRY(read_relation(r, rel));
        if (join != NK_SQL_FIRST && join != NK_SQL_CROSS && take(r, "on"))
            NK_TRY(read_expr(r, &rel->on));
        else if (join != NK_SQL_FIRST && join != NK_SQL_CROSS)
            return stuck(r); /* USING, or a join without a condition */
        if (commas && (join == NK_SQL_RIGHT || join == NK_SQL_FULL))
            return nk_fail(r->err, NK_E_UNSUPPORTED, "a RIGHT or FULL JOIN behind a comma");
        more = read_join(r, &join);
        if (!more && take_char(r, ',')) {
            join = NK_SQL_CROSS;
            more = commas = true;
        }
    } while (more);
    return NK_OK;
}

static nk_code read_exprs(reader *r, nk_sql_exprs *list)
{
    do {
        const nk_expr *x, **slot;
        NK_TRY(read_expr(r, &x));
        slot = nk_sql_exprs_add(list, r->a);
        if (!slot)
            return nk_oom(r->err);
        *slot = x;
    } while (take_char(r, ','));
    return NK_OK;
}

static nk_code read_select(reader *r, nk_sql_select *s)
{
    if (!take(r, "select"))
        return stuck(r);
    s->distinct = take(r, "distinct");
    (void)(!s->distinct && take(r, "all"));
    do {
        NK_TRY(read_item(r, &s->items));
    } while (take_char(r, ','));
    if (!take(r, "from"))
        return stuck(r);
    NK_TRY(read_from(r, &s->rels));
    if (take(r, "where"))
        NK_TRY(read_expr(r, &s->where));
    if (take_two(r, "group", "by"))
        NK_TRY(read_exprs(r, &s->groups));
    if (take(r, "having"))
        NK_TRY(read_expr(r, &s->having));
    return NK_OK;
}

static nk_code read_order(reader *r, nk_sql_orders *orders)
{
    do {
        nk_sql_order *o = nk_sql_orders_add(orders, r->a);
        if (!o)
            return nk_oom(r->err);
        *o = (nk_sql_order){0};
        NK_TRY(read_expr(r, &o->x));
        o->descending = take(r, "desc");
        (void)(!o->descending && take(r, "asc"));
        o->nulls_last = o->descending; /* as Spark has it: null is the smallest */
        if (take_two(r, "nulls", "last"))
            o->nulls_last = true;
        else if (take_two(r, "nulls", "first"))
            o->nulls_last = false;
    } while (take_char(r, ','));
    return NK_OK;
}

static nk_code read_with(reader *r, nk_sql_rels *with)
{
    do {
        nk_sql_rel *rel = nk_sql_rels_add(with, r->a);
        if (!rel)
            return nk_oom(r->err);
        *rel = (nk_sql_rel){0};
        if (!read_name(r, &rel->alias) || !take(r, "as") || !take_char(r, '('))
            return stuck(r);
        NK_TRY(read_query(r, &rel->query));
        if (!take_char(r, ')'))
            return stuck(r);
    } while (take_char(r, ','));
    return NK_OK;
}

static nk_code read_selects(reader *r, nk_sql_selects *list)
{
    bool more, all = false;
    do {
        nk_sql_select *s = nk_sql_selects_add(list, r->a);
        if (!s)
            return nk_oom(r->err);
        *s = (nk_sql_select){.unites_all = all};
        bool inside = take_char(r, '('); /* (select …) union (select …) */
        NK_TRY(read_select(r, s));
        if (inside && !take_char(r, ')'))
            return stuck(r);
        more = take(r, "union");
        all = more && take(r, "all");
        if (more && !all)
            (void)take(r, "distinct");
    } while (more);
    return NK_OK;
}

static nk_code read_query(reader *r, nk_sql_query **out)
{
    nk_sql_query *q = NK_NEW(r->a, nk_sql_query);
    nk_str count;
    if (!q)
        return nk_oom(r->err);
    if (++r->depth > DEPTH_MAX)
        return nk_fail(r->err, NK_E_UNSUPPORTED, "queries are nested deeper than %d", DEPTH_MAX);
    q->limit = -1;
    q->text = r->text;
    if (take(r, "with"))
        NK_TRY(read_with(r, &q->with));
    NK_TRY(read_selects(r, &q->selects));
    if (take_two(r, "order", "by"))
        NK_TRY(read_order(r, &q->orders));
    if (take(r, "limit")) {
        count = peek_word(r);
        if (!nk_str_i64(count, &q->limit) || q->limit < 0)
            return stuck(r);
        r->pos += count.n;
    }
    r->depth--;
    *out = q;
    return NK_OK;
}

/* Comments become blanks. */
static nk_code without_comments(nk_str text, nk_arena *a, nk_str *out, nk_err *err)
{
    char *s = nk_arena_bytes(a, text.n + 1);
    char quote = 0;
    if (!s)
        return nk_oom(err);
    memcpy(s, text.p, text.n);
    for (size_t i = 0; i < text.n; i++) {
        if (quote) {
            if (s[i] == '\\' && quote != '`')
                i++;
            else if (s[i] == quote)
                quote = 0;
        } else if (s[i] == '\'' || s[i] == '"' || s[i] == '`') {
            quote = s[i];
        } else if (s[i] == '-' && i + 1 < text.n && s[i + 1] == '-') {
            while (i < text.n && s[i] != '\n')
                s[i++] = ' ';
        } else if (s[i] == '/' && i + 1 < text.n && s[i + 1] == '*') {
            return nk_fail(err, NK_E_UNSUPPORTED, "a comment in /* */, which may be a hint");
        }
    }
    *out = nk_str_n(s, text.n);
    return NK_OK;
}

nk_code nk_sql_parse(nk_str text, nk_arena *a, nk_sql_query **out, nk_err *err)
{
    reader r = {.a = a, .err = err};
    text = nk_str_trim(text);
    while (text.n && text.p[text.n - 1] == ';')
        text = nk_str_trim(nk_str_sub(text, 0, text.n - 1));
    if (text.n > QUERY_MAX || !nk_utf8_valid(text))
        return nk_fail(err, NK_E_UNSUPPORTED, "the query is too long, or not UTF-8");
    NK_TRY(without_comments(text, a, &r.text, err));
    NK_TRY(read_query(&r, out));
    skip_blanks(&r);
    return r.pos == r.text.n ? NK_OK : stuck(&r);
}
