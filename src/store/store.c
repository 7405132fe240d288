/* The half of the store that knows no database: orders, places in them, checks of tables. */
#include "store/store_int.h"

unsigned nk_order_cols(const nk_kind *kind, const nk_index *index, unsigned char out[NK_POS_MAX])
{
    unsigned n = 0;
    bool seen[NK_COLS_MAX] = {false};
    for (unsigned i = 0; index && i < index->n; i++) {
        out[n++] = index->cols[i];
        seen[index->cols[i]] = true;
    }
    for (unsigned i = 0; i < kind->nkey; i++)
        if (!seen[i])
            out[n++] = (unsigned char)i;
    return n;
}

int nk_index_sparse_col(const nk_kind *kind, const nk_index *index)
{
    for (unsigned i = 0; i < index->n; i++)
        if (index->cols[i] >= kind->nkey)
            return index->cols[i];
    return -1;
}

bool nk_val_fits(const nk_kind *kind, unsigned col, const nk_val *v)
{
    switch (v->kind) {
    case NK_V_NULL:
        return col >= kind->nkey;
    case NK_V_I64:
        return kind->cols[col].type == NK_COL_I64;
    case NK_V_F64:
        return kind->cols[col].type == NK_COL_F64;
    case NK_V_TEXT:
        return kind->cols[col].type == NK_COL_TEXT;
    case NK_V_BYTES:
        return kind->cols[col].type == NK_COL_BYTES;
    }
    return false;
}

nk_code nk_row_dup(const nk_kind *kind, const nk_row *row, nk_arena *a, nk_row *out)
{
    nk_val *cols = NK_NEWN(a, nk_val, kind->ncols);
    if (!cols)
        return NK_E_NOMEM;
    *out = (nk_row){.cols = cols, .version = row->version};
    if (row->body.p && !(out->body = nk_str_dup(a, row->body)).p)
        return NK_E_NOMEM;
    for (unsigned i = 0; i < kind->ncols; i++) {
        cols[i] = row->cols[i];
        if (cols[i].kind != NK_V_TEXT && cols[i].kind != NK_V_BYTES)
            continue;
        if (!(cols[i].s = nk_str_dup(a, cols[i].s)).p)
            return NK_E_NOMEM;
    }
    return NK_OK;
}

typedef struct collector {
    const nk_kind *kind;
    nk_arena *arena;
    nk_row_list *out;
    nk_code rc;
} collector;

static bool collect(void *arg, const nk_row *row)
{
    collector *c = arg;
    nk_row *copy = nk_row_list_add(c->out, c->arena);
    c->rc = copy ? nk_row_dup(c->kind, row, c->arena, copy) : NK_E_NOMEM;
    return c->rc == NK_OK;
}

nk_code nk_store_rows(nk_tx *tx, const nk_query *q, nk_arena *a, nk_row_list *out, nk_err *err)
{
    collector c = {.kind = q->kind, .arena = a, .out = out};
    NK_TRY(nk_store_scan(tx, q, collect, &c, err));
    return c.rc == NK_OK ? NK_OK : nk_fail(err, c.rc, "out of memory");
}

static bool name_ok(const char *s)
{
    if (!s || *s < 'a' || *s > 'z')
        return false;
    for (; *s; s++)
        if (!((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') || *s == '_'))
            return false;
    return true;
}

nk_code nk_kind_check(const nk_kind *k, nk_err *err)
{
    if (!name_ok(k->name) || k->version < 1)
        return nk_fail(err, NK_E_INTERNAL,
                       "a kind of record needs a plain name and a version from 1");
    if (k->nkey < 1 || k->nkey > 8 || k->ncols < k->nkey || k->ncols > NK_COLS_MAX)
        return nk_fail(err, NK_E_INTERNAL, "kind %s: 1-8 key columns among at most %d columns",
                       k->name, NK_COLS_MAX);
    for (unsigned i = 0; i < k->ncols; i++)
        if (!name_ok(k->cols[i].name) || !strcmp(k->cols[i].name, "body") ||
            !strcmp(k->cols[i].name, "v"))
            return nk_fail(err, NK_E_INTERNAL, "kind %s: column %u has no usable name", k->name, i);
    for (unsigned i = 0; i < k->nindexes; i++) {
        const nk_index *x = &k->indexes[i];
        if (!name_ok(x->name) || x->n < 1 || x->n > NK_INDEX_COLS_MAX)
            return nk_fail(err, NK_E_INTERNAL, "kind %s: index %u is malformed", k->name, i);
        for (unsigned j = 0; j < x->n; j++)
            if (x->cols[j] >= k->ncols)
                return nk_fail(err, NK_E_INTERNAL, "kind %s: index %s names column %u", k->name,
                               x->name, x->cols[j]);
    }
    return NK_OK;
}

static nk_code cond_check(const nk_kind *k, const nk_cond *c, unsigned depth, nk_err *err)
{
    if (depth > 600)
        return nk_fail(err, NK_E_LIMIT, "the condition is nested too deep");
    if (c->op == NK_C_AND || c->op == NK_C_OR || c->op == NK_C_NOT) {
        if (c->nargs < 1 || (c->op == NK_C_NOT && c->nargs != 1))
            return nk_fail(err, NK_E_INTERNAL, "a condition lacks its parts");
        for (size_t i = 0; i < c->nargs; i++)
            NK_TRY(cond_check(k, c->args[i], depth + 1, err));
        return NK_OK;
    }
    if (c->op == NK_C_TRUE || c->op == NK_C_FALSE)
        return NK_OK;
    size_t want = c->op == NK_C_IS_NULL || c->op == NK_C_NOT_NULL ? 0
                  : c->op == NK_C_BETWEEN                         ? 2
                                                                  : 1;
    if (c->col >= k->ncols ||
        (c->op == NK_C_IN ? c->nvals < 1 || c->nvals > 500 : c->nvals != want))
        return nk_fail(err, NK_E_INTERNAL, "a condition on %s is malformed", k->name);
    for (size_t i = 0; i < c->nvals; i++)
        if (c->vals[i].kind != NK_V_NULL && !nk_val_fits(k, c->col, &c->vals[i]))
            return nk_fail(err, NK_E_INTERNAL, "a condition compares %s.%s with another type",
                           k->name, k->cols[c->col].name);
    return NK_OK;
}

nk_code nk_query_check(const nk_query *q, nk_err *err)
{
    unsigned char order[NK_POS_MAX];
    if (q->index &&
        (q->index < q->kind->indexes || q->index >= q->kind->indexes + q->kind->nindexes))
        return nk_fail(err, NK_E_INTERNAL, "the index is none of %s's", q->kind->name);
    unsigned n = nk_order_cols(q->kind, q->index, order);
    if (q->nprefix > n || (q->after && q->after->n && q->after->n != n))
        return nk_fail(err, NK_E_INTERNAL, "a scan of %s has a prefix or place of the wrong length",
                       q->kind->name);
    for (unsigned i = 0; i < q->nprefix; i++)
        if (q->prefix[i].kind == NK_V_NULL || !nk_val_fits(q->kind, order[i], &q->prefix[i]))
            return nk_fail(err, NK_E_INTERNAL, "a scan of %s: prefix value %u is of another type",
                           q->kind->name, i);
    for (unsigned i = 0; q->after && i < q->after->n; i++)
        if (!nk_val_fits(q->kind, order[i], &q->after->v[i]))
            return nk_fail(err, NK_E_INTERNAL, "a scan of %s: place value %u is of another type",
                           q->kind->name, i);
    return q->where ? cond_check(q->kind, q->where, 0, err) : NK_OK;
}

nk_code nk_store_pos(const nk_query *q, const nk_row *row, nk_arena *a, nk_pos *out)
{
    unsigned char order[NK_POS_MAX];
    out->n = nk_order_cols(q->kind, q->index, order);
    for (unsigned i = 0; i < out->n; i++) {
        out->v[i] = row->cols[order[i]];
        if (out->v[i].kind == NK_V_TEXT || out->v[i].kind == NK_V_BYTES) {
            out->v[i].s = nk_str_dup(a, out->v[i].s);
            if (!out->v[i].s.p)
                return NK_E_NOMEM;
        }
    }
    return NK_OK;
}

/* One byte of kind, then 8 bytes little-endian, or a 4-byte length and the bytes. */
nk_code nk_store_pos_pack(const nk_pos *pos, nk_buf *out)
{
    for (unsigned i = 0; i < pos->n; i++) {
        const nk_val *v = &pos->v[i];
        unsigned char k = (unsigned char)v->kind;
        NK_TRY(nk_buf_add(out, &k, 1));
        if (v->kind == NK_V_I64) {
            NK_TRY(nk_buf_add(out, &v->i, 8));
        } else if (v->kind == NK_V_F64) {
            NK_TRY(nk_buf_add(out, &v->f, 8));
        } else if (v->kind != NK_V_NULL) {
            uint32_t n = (uint32_t)v->s.n;
            NK_TRY(nk_buf_add(out, &n, 4));
            NK_TRY(nk_buf_add(out, v->s.p, v->s.n));
        }
    }
    return NK_OK;
}

static bool unpack_val(nk_str *rest, nk_arena *a, nk_val *v)
{
    if (rest->n < 1 || (unsigned char)rest->p[0] > NK_V_BYTES)
        return false;
    *v = (nk_val){.kind = (nk_val_kind)rest->p[0]};
    *rest = nk_str_n(rest->p + 1, rest->n - 1);
    if (v->kind == NK_V_NULL)
        return true;
    if (v->kind == NK_V_I64 || v->kind == NK_V_F64) {
        if (rest->n < 8)
            return false;
        memcpy(v->kind == NK_V_I64 ? (void *)&v->i : (void *)&v->f, rest->p, 8);
        *rest = nk_str_n(rest->p + 8, rest->n - 8);
        return true;
    }
    uint32_t n;
    if (rest->n < 4)
        return false;
    memcpy(&n, rest->p, 4);
    if (n > rest->n - 4)
        return false;
    v->s = nk_str_dup(a, nk_str_n(rest->p + 4, n));
    *rest = nk_str_n(rest->p + 4 + n, rest->n - 4 - n);
    return v->s.p != NULL;
}

nk_code nk_store_pos_unpack(const nk_query *q, nk_str bytes, nk_arena *a, nk_pos *out)
{
    unsigned char order[NK_POS_MAX];
    unsigned n = nk_order_cols(q->kind, q->index, order);
    out->n = 0;
    for (unsigned i = 0; i < n; i++)
        if (!unpack_val(&bytes, a, &out->v[i]) || !nk_val_fits(q->kind, order[i], &out->v[i]))
            return NK_E_INVALID;
    if (bytes.n)
        return NK_E_INVALID;
    out->n = n;
    return NK_OK;
}
