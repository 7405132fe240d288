/* SQL text, generated from the tables of kinds. */
#include "store/sqlite_int.h"

const char *nk_sql_type(nk_col_type type)
{
    static const char *const names[] = {"INTEGER", "REAL", "TEXT", "BLOB"};
    return names[type];
}

void nk_sql_create_table(const nk_kind *k, nk_buf *b)
{
    nk_buf_printf(b, "CREATE TABLE %s(", k->name);
    for (unsigned i = 0; i < k->ncols; i++)
        nk_buf_printf(b, "%s %s%s, ", k->cols[i].name, nk_sql_type(k->cols[i].type),
                      i < k->nkey ? " NOT NULL" : "");
    nk_buf_puts(b, "v INTEGER NOT NULL, body TEXT)");
}

void nk_sql_create_index(const nk_kind *k, unsigned at, nk_buf *b)
{
    unsigned char order[NK_POS_MAX];
    const nk_index *x = at < k->nindexes ? &k->indexes[at] : NULL;
    /* A unique index must not be made looser by the key's columns. */
    unsigned n = x && x->unique ? x->n : nk_order_cols(k, x, order);
    const unsigned char *cols = x && x->unique ? x->cols : order;
    nk_buf_printf(b, "CREATE %sINDEX %s__%s ON %s(", !x || x->unique ? "UNIQUE " : "", k->name,
                  x ? x->name : "key", k->name);
    for (unsigned i = 0; i < n; i++)
        nk_buf_printf(b, "%s%s", i ? ", " : "", k->cols[cols[i]].name);
    nk_buf_putc(b, ')');
    int sparse = x ? nk_index_sparse_col(k, x) : -1;
    if (sparse >= 0)
        nk_buf_printf(b, " WHERE %s IS NOT NULL", k->cols[sparse].name);
}

static void key_where(const nk_kind *k, nk_buf *b)
{
    for (unsigned i = 0; i < k->nkey; i++)
        nk_buf_printf(b, "%s%s = ?", i ? " AND " : " WHERE ", k->cols[i].name);
}

static void insert_into(const nk_kind *k, nk_buf *b)
{
    nk_buf_printf(b, "INSERT INTO %s(", k->name);
    for (unsigned i = 0; i < k->ncols; i++)
        nk_buf_printf(b, "%s, ", k->cols[i].name);
    nk_buf_puts(b, "v, body) VALUES(");
    for (unsigned i = 0; i < k->ncols + 2; i++)
        nk_buf_puts(b, i ? ", ?" : "?");
    nk_buf_putc(b, ')');
}

static void fixed_text(const nk_kind *k, nk_stmt_id id, nk_buf *b)
{
    switch (id) {
    case NK_ST_GET:
        nk_buf_puts(b, "SELECT v, body");
        for (unsigned i = k->nkey; i < k->ncols; i++)
            nk_buf_printf(b, ", %s", k->cols[i].name);
        nk_buf_printf(b, " FROM %s", k->name);
        key_where(k, b);
        break;
    case NK_ST_HAS:
        nk_buf_printf(b, "SELECT 1 FROM %s", k->name);
        key_where(k, b);
        break;
    case NK_ST_INSERT:
        insert_into(k, b);
        break;
    case NK_ST_PUT:
        insert_into(k, b);
        nk_buf_puts(b, " ON CONFLICT(");
        for (unsigned i = 0; i < k->nkey; i++)
            nk_buf_printf(b, "%s%s", i ? ", " : "", k->cols[i].name);
        nk_buf_puts(b, ") DO UPDATE SET v = excluded.v, body = excluded.body");
        for (unsigned i = k->nkey; i < k->ncols; i++)
            nk_buf_printf(b, ", %s = excluded.%s", k->cols[i].name, k->cols[i].name);
        break;
    case NK_ST_DELETE:
        nk_buf_printf(b, "DELETE FROM %s", k->name);
        key_where(k, b);
        break;
    case NK_ST_COUNT:
        break;
    }
}

nk_code nk_sql_kind_init(nk_sql_kind *s, const nk_kind *k, nk_err *err)
{
    s->kind = k;
    for (int id = 0; id < NK_ST_COUNT; id++) {
        nk_buf b;
        nk_buf_init(&b, 16384);
        fixed_text(k, (nk_stmt_id)id, &b);
        if (nk_buf_check(&b, err) != NK_OK) {
            nk_buf_free(&b);
            return NK_E_NOMEM;
        }
        s->sql[id] = b.p;
    }
    return NK_OK;
}

void nk_sql_kind_free(nk_sql_kind *s)
{
    for (int id = 0; id < NK_ST_COUNT; id++)
        nk_free(s->sql[id]);
}

/* ---- scans ---- */

static void bind(nk_binds *b, const nk_val *v)
{
    if (b->n == b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 32;
        const nk_val **p = NK_NEWN(b->a, const nk_val *, cap);
        if (!p) {
            b->failed = true;
            return;
        }
        if (b->n)
            memcpy(p, b->v, b->n * sizeof(*p));
        b->v = p;
        b->cap = cap;
    }
    b->v[b->n++] = v;
}

/* Texts side by side; much quicker than printf, and a scan is written for each request. */
#define PUT(o, ...)                                                                                \
    put(o, (const char *const[]){__VA_ARGS__},                                                     \
        sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void put(nk_buf *o, const char *const *texts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        nk_buf_puts(o, texts[i]);
}

static void q_bind(nk_buf *o, nk_binds *b, const nk_val *v)
{
    nk_buf_putc(o, '?');
    bind(b, v);
}

/* The smallest string above every one that begins with s; false when there is none. */
static bool prefix_end(nk_binds *b, const nk_val *v, nk_val **out)
{
    size_t n = v->s.n;
    while (n && (unsigned char)v->s.p[n - 1] == 0xff)
        n--;
    if (!n)
        return false;
    nk_val *e = NK_NEW(b->a, nk_val);
    char *p = nk_arena_bytes(b->a, n);
    if (!e || !p) {
        b->failed = true;
        return false;
    }
    memcpy(p, v->s.p, n);
    p[n - 1] = (char)(unsigned char)((unsigned char)p[n - 1] + 1);
    *e = *v;
    e->s = nk_str_n(p, n);
    *out = e;
    return true;
}

static void cond_prefix(const char *col, const nk_cond *c, nk_buf *o, nk_binds *b)
{
    nk_val *end;
    nk_buf_printf(o, "(%s >= ", col);
    q_bind(o, b, &c->vals[0]);
    if (c->vals[0].kind != NK_V_NULL && prefix_end(b, &c->vals[0], &end)) {
        nk_buf_printf(o, " AND %s < ", col);
        q_bind(o, b, end);
    }
    nk_buf_putc(o, ')');
}

static void cond_in(const char *col, const nk_cond *c, nk_buf *o, nk_binds *b)
{
    /* Lists are padded to powers of two, so that few different texts are prepared. */
    size_t n = 1;
    while (n < c->nvals)
        n *= 2;
    nk_buf_printf(o, "%s IN (", col);
    for (size_t i = 0; i < n; i++) {
        if (i)
            nk_buf_putc(o, ',');
        q_bind(o, b, &c->vals[i < c->nvals ? i : c->nvals - 1]);
    }
    nk_buf_putc(o, ')');
}

static void cond_text(const nk_kind *k, const nk_cond *c, nk_buf *o, nk_binds *b)
{
    static const char *const op[] = {
        [NK_C_EQ] = "=",  [NK_C_NE] = "<>", [NK_C_LT] = "<",
        [NK_C_LE] = "<=", [NK_C_GT] = ">",  [NK_C_GE] = ">=",
    };
    const char *col = c->col < k->ncols ? k->cols[c->col].name : "";
    switch (c->op) {
    case NK_C_TRUE:
    case NK_C_FALSE:
        nk_buf_puts(o, c->op == NK_C_TRUE ? "1" : "0");
        break;
    case NK_C_NOT:
        nk_buf_puts(o, "NOT (");
        cond_text(k, c->args[0], o, b);
        nk_buf_putc(o, ')');
        break;
    case NK_C_AND:
    case NK_C_OR:
        nk_buf_putc(o, '(');
        for (size_t i = 0; i < c->nargs; i++) {
            if (i)
                nk_buf_puts(o, c->op == NK_C_AND ? " AND " : " OR ");
            cond_text(k, c->args[i], o, b);
        }
        nk_buf_putc(o, ')');
        break;
    case NK_C_BETWEEN:
        nk_buf_printf(o, "(%s BETWEEN ", col);
        q_bind(o, b, &c->vals[0]);
        nk_buf_puts(o, " AND ");
        q_bind(o, b, &c->vals[1]);
        nk_buf_putc(o, ')');
        break;
    case NK_C_IN:
        cond_in(col, c, o, b);
        break;
    case NK_C_PREFIX:
        cond_prefix(col, c, o, b);
        break;
    case NK_C_IS_NULL:
    case NK_C_NOT_NULL:
        nk_buf_printf(o, "%s IS %sNULL", col, c->op == NK_C_IS_NULL ? "" : "NOT ");
        break;
    default:
        PUT(o, col, " ", op[c->op], " ");
        q_bind(o, b, &c->vals[0]);
    }
}

/* Strictly after the place, from its i-th column on; NULL stands before every value. */
static void after_text(const nk_query *q, const unsigned char *order, unsigned i, unsigned n,
                       nk_buf *o, nk_binds *b)
{
    const char *col = q->kind->cols[order[i]].name;
    const nk_val *v = &q->after->v[i];
    bool last = i + 1 == n;
    if (v->kind == NK_V_NULL) {
        if (q->desc)
            nk_buf_printf(o, last ? "0" : "(%s IS NULL AND ", col);
        else
            nk_buf_printf(o, last ? "%s IS NOT NULL" : "(%s IS NOT NULL OR ", col);
    } else {
        PUT(o, "(", col, q->desc ? " < " : " > ");
        q_bind(o, b, v);
        if (q->desc && order[i] >= q->kind->nkey)
            nk_buf_printf(o, " OR %s IS NULL", col);
        if (last) {
            nk_buf_putc(o, ')');
        } else {
            PUT(o, " OR (", col, " = ");
            q_bind(o, b, v);
            nk_buf_puts(o, " AND ");
        }
    }
    if (last)
        return;
    after_text(q, order, i + 1, n, o, b);
    nk_buf_puts(o, v->kind == NK_V_NULL ? ")" : "))");
}

/* `after` as a row comparison that the index can seek to; the exact rule follows it when NULLs are
 * about. */
static void after_clause(const nk_query *q, const unsigned char *order, unsigned n, nk_buf *o,
                         nk_binds *b)
{
    unsigned from = q->nprefix, run = from;
    bool exact = true;
    while (run < n && q->after->v[run].kind != NK_V_NULL &&
           (!q->desc || order[run] < q->kind->nkey))
        run++;
    if (run < n)
        exact = false;
    if (from == n) { /* the prefix names one record, and the place is that record */
        nk_buf_puts(o, " AND 0");
        return;
    }
    if (run > from) {
        nk_buf_puts(o, " AND (");
        for (unsigned i = from; i < run; i++)
            PUT(o, i > from ? ", " : "", q->kind->cols[order[i]].name);
        PUT(o, ") ", q->desc ? "<" : ">", exact ? " (" : "= (");
        for (unsigned i = from; i < run; i++) {
            if (i > from)
                nk_buf_puts(o, ", ");
            q_bind(o, b, &q->after->v[i]);
        }
        nk_buf_putc(o, ')');
    }
    if (!exact) {
        nk_buf_puts(o, " AND ");
        after_text(q, order, from, n, o, b);
    }
}

nk_code nk_sql_scan(const nk_query *q, nk_scan_mode mode, nk_buf *o, nk_binds *b, nk_err *err)
{
    unsigned char order[NK_POS_MAX];
    const nk_kind *k = q->kind;
    unsigned n = nk_order_cols(k, q->index, order);
    NK_TRY(nk_query_check(q, err));
    nk_buf_puts(o, mode == NK_SCAN_COUNT ? "SELECT count(*)" : "SELECT ");
    for (unsigned i = 0; mode == NK_SCAN_ROWS && i < k->ncols; i++)
        PUT(o, i ? "," : "", k->cols[i].name);
    if (mode == NK_SCAN_ROWS && !q->no_body)
        nk_buf_puts(o, ",v,body");
    PUT(o, " FROM ", k->name, " INDEXED BY ", k->name, "__", q->index ? q->index->name : "key",
        " WHERE 1");
    int sparse = q->index ? nk_index_sparse_col(k, q->index) : -1;
    if (sparse >= 0)
        PUT(o, " AND ", k->cols[sparse].name, " IS NOT NULL");
    for (unsigned i = 0; i < q->nprefix; i++) {
        PUT(o, " AND ", k->cols[order[i]].name, " = ");
        q_bind(o, b, &q->prefix[i]);
    }
    if (q->after && q->after->n)
        after_clause(q, order, n, o, b);
    if (q->where) {
        nk_buf_puts(o, " AND ");
        cond_text(k, q->where, o, b);
    }
    if (mode == NK_SCAN_ROWS) {
        for (unsigned i = q->nprefix; i < n; i++)
            PUT(o, i > q->nprefix ? ", " : " ORDER BY ", k->cols[order[i]].name,
                q->desc ? " DESC" : "");
        nk_val *limit = NK_NEW(b->a, nk_val);
        if (!limit)
            return nk_fail(err, NK_E_NOMEM, "out of memory");
        *limit = nk_vi(q->limit ? (int64_t)q->limit : -1);
        nk_buf_puts(o, " LIMIT ");
        q_bind(o, b, limit);
    }
    if (b->failed)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    return nk_buf_check(o, err);
}
