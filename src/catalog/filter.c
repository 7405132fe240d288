/* Partition expressions: bound to the table's keys, brought to a form without NOT, turned into the
 * store's conditions as far as those go, and evaluated over a row's typed values for the rest.
 *
 * A NOT is pushed down to the comparisons, which is valid in SQL's three-valued logic; without NOT,
 * "unknown" may be taken for "false" everywhere, so evaluation is plain two-valued. */
#include "catalog/catalog_int.h"

typedef enum {
    F_TRUE,
    F_FALSE,
    F_AND,
    F_OR,
    F_EQ,
    F_NE,
    F_LT,
    F_LE,
    F_GT,
    F_GE,
    F_IN,
    F_NOT_IN,
    F_BETWEEN,
    F_LIKE,
    F_NOT_LIKE,
    F_IS_NULL,
    F_NOT_NULL,
} filter_op;

struct nk_filter {
    filter_op op;
    unsigned key;
    nk_key_class class;
    const nk_val *vals; /* BYTES, as nk_key_encode makes them */
    size_t nvals;
    nk_str pattern; /* LIKE */
    char escape;
    const nk_filter *const *args;
    size_t nargs;
};

typedef struct binder {
    nk_str text;
    const nk_part_keys *keys;
    nk_arena *a;
    nk_err *err;
} binder;

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

static nk_code unsupported(binder *b)
{
    return nk_fail(b->err, NK_E_INVALID, "Unsupported expression '%.*s'", NK_STR_ARG(b->text));
}

static nk_code leaf(binder *b, filter_op op, unsigned key, size_t nvals, nk_val **vals,
                    nk_filter **out)
{
    nk_filter *f = NK_NEW(b->a, nk_filter);
    nk_val *v = NK_NEWN(b->a, nk_val, nvals);
    if (!f || !v)
        return nomem(b->err);
    f->op = op;
    f->key = key;
    f->class = op <= F_OR ? NK_KEY_NONE : b->keys->v[key].class;
    f->vals = v;
    f->nvals = nvals;
    if (vals)
        *vals = v;
    *out = f;
    return NK_OK;
}

/* ---- binding ---- */

static nk_code bind_column(binder *b, const nk_expr *x, unsigned *key)
{
    nk_str name = x->path[x->npath - 1];
    for (size_t i = 0; i < b->keys->n; i++)
        if (nk_str_ieq(b->keys->v[i].name, name)) {
            if (b->keys->v[i].class == NK_KEY_NONE)
                return nk_fail(b->err, NK_E_INVALID, "Unknown type : '%.*s'",
                               NK_STR_ARG(b->keys->v[i].type));
            *key = (unsigned)i;
            return NK_OK;
        }
    nk_code rc =
        nk_fail(b->err, NK_E_INVALID, "Invalid partition expression! '%.*s' is no partition key.",
                NK_STR_ARG(name));
    (void)nk_hint(b->err, "An expression may name the partition keys of the table only.");
    return rc;
}

static nk_code bad_literal(binder *b, nk_key_class class, nk_str s)
{
    switch (class) {
    case NK_KEY_INT:
        return nk_fail(b->err, NK_E_INVALID, "\"%.*s\" is not an integer.", NK_STR_ARG(s));
    case NK_KEY_DECIMAL:
        return nk_fail(b->err, NK_E_INVALID, "%.*s is not a decimal.", NK_STR_ARG(s));
    case NK_KEY_DATE:
        return nk_fail(b->err, NK_E_INVALID, "%.*s is not a date.", NK_STR_ARG(s));
    default:
        return nk_fail(
            b->err, NK_E_INVALID,
            "Timestamp format must be yyyy-mm-dd hh:mm:ss[.fffffffff] %.*s is not a timestamp.",
            NK_STR_ARG(s));
    }
}

/* A literal as the key's type; its text counts, as in Glue: 2020 equals the text '2020' of a string
 * key. */
static nk_code bind_literal(binder *b, unsigned key, const nk_expr *x, nk_val *out)
{
    nk_key_class class = b->keys->v[key].class;
    if (x->kind != NK_X_LITERAL)
        return unsupported(b);
    nk_str text = x->s;
    if (x->type->kind == NK_T_NULL) {
        *out = nk_vnull();
        return NK_OK;
    }
    if (x->type->kind == NK_T_BOOLEAN)
        text = x->i ? NK_STR("true") : NK_STR("false");
    if (!nk_key_encode(class, text, b->a, &out->s))
        return out->s.n == SIZE_MAX ? nomem(b->err) : bad_literal(b, class, text);
    out->kind = NK_V_BYTES;
    return NK_OK;
}

static nk_code bind_compare(binder *b, const nk_expr *x, bool not, nk_filter **out)
{
    static const filter_op plain[] = {F_EQ, F_NE, F_LT, F_LE, F_GT, F_GE};
    static const filter_op negated[] = {F_NE, F_EQ, F_GE, F_GT, F_LE, F_LT};
    static const filter_op mirrored[] = {F_EQ, F_NE, F_GT, F_GE, F_LT, F_LE};
    const nk_expr *col = x->args[0], *lit = x->args[1];
    filter_op op = plain[x->kind - NK_X_EQ];
    if (col->kind == NK_X_LITERAL) { /* 1 < a is a > 1 */
        op = mirrored[x->kind - NK_X_EQ];
        col = x->args[1];
        lit = x->args[0];
    }
    if (col->kind != NK_X_COLUMN)
        return unsupported(b);
    unsigned key;
    nk_val *v;
    NK_TRY(bind_column(b, col, &key));
    if (not )
        op = negated[op - F_EQ];
    NK_TRY(leaf(b, op, key, 1, &v, out));
    NK_TRY(bind_literal(b, key, lit, v));
    if (v->kind == NK_V_NULL)
        (*out)->op = F_FALSE; /* a comparison with NULL is never true, nor is its negation */
    return NK_OK;
}

static nk_code bind_in(binder *b, const nk_expr *x, bool not, nk_filter **out)
{
    unsigned key;
    nk_val *v;
    size_t n = 0;
    bool null = false;
    if (x->args[0]->kind != NK_X_COLUMN)
        return unsupported(b);
    NK_TRY(bind_column(b, x->args[0], &key));
    NK_TRY(leaf(b, not ? F_NOT_IN : F_IN, key, x->nargs - 1, &v, out));
    for (size_t i = 1; i < x->nargs; i++) {
        NK_TRY(bind_literal(b, key, x->args[i], &v[n]));
        if (v[n].kind == NK_V_NULL)
            null = true;
        else
            n++;
    }
    (*out)->nvals = n;
    if (n == 0 || (null && not ))
        (*out)->op = F_FALSE;
    return NK_OK;
}

static nk_code join(binder *b, filter_op op, const nk_filter *x, const nk_filter *y,
                    nk_filter **out)
{
    const nk_filter **args = NK_NEWN(b->a, const nk_filter *, 2);
    NK_TRY(leaf(b, op, 0, 0, NULL, out));
    if (!args)
        return nomem(b->err);
    args[0] = x;
    args[1] = y;
    (*out)->args = args;
    (*out)->nargs = 2;
    return NK_OK;
}

/* x BETWEEN a AND b is x >= a AND x <= b; its negation x < a OR x > b. */
static nk_code bind_between(binder *b, const nk_expr *x, bool not, nk_filter **out)
{
    nk_filter *lo, *hi;
    nk_expr low = {.kind = not ? NK_X_LT : NK_X_GE,
                   .args = (const nk_expr *const[]){x->args[0], x->args[1]},
                   .nargs = 2};
    nk_expr high = {.kind = not ? NK_X_GT : NK_X_LE,
                    .args = (const nk_expr *const[]){x->args[0], x->args[2]},
                    .nargs = 2};
    if (x->args[0]->kind != NK_X_COLUMN)
        return unsupported(b);
    NK_TRY(bind_compare(b, &low, false, &lo));
    NK_TRY(bind_compare(b, &high, false, &hi));
    if (!not &&lo->op == F_GE && hi->op == F_LE) {
        nk_val *v;
        NK_TRY(leaf(b, F_BETWEEN, lo->key, 2, &v, out));
        v[0] = lo->vals[0];
        v[1] = hi->vals[0];
        return NK_OK;
    }
    return join(b, not ? F_OR : F_AND, lo, hi, out);
}

static nk_code bind_like(binder *b, const nk_expr *x, bool not, nk_filter **out)
{
    static const char *const names[] = {"", "Integral", "Decimal", "", "Date", "Timestamp"};
    unsigned key;
    if (x->args[0]->kind != NK_X_COLUMN || x->args[1]->kind != NK_X_LITERAL)
        return unsupported(b);
    NK_TRY(bind_column(b, x->args[0], &key));
    if (b->keys->v[key].class != NK_KEY_TEXT)
        return nk_fail(b->err, NK_E_INVALID, "%s data type doesn't support operation 'LIKE'",
                       names[b->keys->v[key].class]);
    NK_TRY(leaf(b, not ? F_NOT_LIKE : F_LIKE, key, 0, NULL, out));
    if (x->args[1]->type->kind == NK_T_NULL)
        (*out)->op = F_FALSE;
    (*out)->pattern = x->args[1]->s;
    (*out)->escape = x->escape;
    return NK_OK;
}

static nk_code bind(binder *b, const nk_expr *x, bool not, nk_filter **out);

static nk_code bind_chain(binder *b, const nk_expr *x, bool not, nk_filter **out)
{
    const nk_filter **args = NK_NEWN(b->a, const nk_filter *, x->nargs);
    bool and = (x->kind == NK_X_AND) != not ;
    NK_TRY(leaf(b, and? F_AND : F_OR, 0, 0, NULL, out));
    if (!args)
        return nomem(b->err);
    for (size_t i = 0; i < x->nargs; i++) {
        nk_filter *arg;
        NK_TRY(bind(b, x->args[i], not, &arg));
        args[i] = arg;
    }
    (*out)->args = args;
    (*out)->nargs = x->nargs;
    return NK_OK;
}

static nk_code bind_null(binder *b, const nk_expr *x, bool not, nk_filter **out)
{
    unsigned key;
    if (x->args[0]->kind != NK_X_COLUMN)
        return unsupported(b);
    NK_TRY(bind_column(b, x->args[0], &key));
    return leaf(b, not ? F_NOT_NULL : F_IS_NULL, key, 0, NULL, out);
}

static nk_code bind(binder *b, const nk_expr *x, bool not, nk_filter **out)
{
    bool flip = not != x->negated;
    switch (x->kind) {
    case NK_X_AND:
    case NK_X_OR:
        return bind_chain(b, x, not, out);
    case NK_X_NOT:
        return bind(b, x->args[0], !not, out);
    case NK_X_EQ:
    case NK_X_NE:
    case NK_X_LT:
    case NK_X_LE:
    case NK_X_GT:
    case NK_X_GE:
        return bind_compare(b, x, not, out);
    case NK_X_IN:
        return bind_in(b, x, flip, out);
    case NK_X_BETWEEN:
        return bind_between(b, x, flip, out);
    case NK_X_LIKE:
        return bind_like(b, x, flip, out);
    case NK_X_IS_NULL:
        return bind_null(b, x, flip, out);
    case NK_X_LITERAL:
        if (x->type->kind == NK_T_BOOLEAN || x->type->kind == NK_T_NULL)
            return leaf(b, x->type->kind == NK_T_BOOLEAN && (x->i != 0) != not ? F_TRUE : F_FALSE,
                        0, 0, NULL, out);
        return unsupported(b);
    default:
        return unsupported(b);
    }
}

nk_code nk_filter_compile(nk_str expression, const nk_part_keys *keys, nk_arena *a,
                          const nk_filter **out, nk_err *err)
{
    binder b = {.text = nk_str_trim(expression), .keys = keys, .a = a, .err = err};
    nk_err why = NK_ERR_INIT;
    const nk_expr *x;
    nk_filter *f;
    *out = NULL;
    if (!b.text.n)
        return NK_OK;
    nk_code rc = nk_expr_parse(b.text, NK_EXPR_PARTITION, a, &x, &why);
    if (rc == NK_E_NOMEM)
        return nomem(err);
    if (rc != NK_OK)
        return nk_fail(err, NK_E_INVALID, "Unsupported expression '%.*s': %s", NK_STR_ARG(b.text),
                       why.msg);
    NK_TRY(bind(&b, x, false, &f));
    *out = f;
    return NK_OK;
}

/* ---- evaluation ---- */

static int compare(nk_str x, nk_str y)
{
    int c = memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);
    return c ? c : (x.n > y.n) - (x.n < y.n);
}

static bool among(const nk_filter *f, nk_str s)
{
    for (size_t i = 0; i < f->nvals; i++)
        if (nk_str_eq(f->vals[i].s, s))
            return true;
    return false;
}

/* Glue keeps text keys as they are written, so Hive's mark of a missing value can be asked for by
 * its text and by IS NULL. */
static bool is_null(const nk_filter *f, const nk_val *v)
{
    return v->kind == NK_V_NULL || (f->class == NK_KEY_TEXT && nk_str_eq(v->s, NK_HIVE_NULL));
}

static bool eval_leaf(const nk_filter *f, const nk_val *v)
{
    if (f->op == F_IS_NULL || f->op == F_NOT_NULL)
        return is_null(f, v) == (f->op == F_IS_NULL);
    if (v->kind == NK_V_NULL)
        return false;
    switch (f->op) {
    case F_EQ:
        return nk_str_eq(v->s, f->vals[0].s);
    case F_NE:
        return !nk_str_eq(v->s, f->vals[0].s);
    case F_LT:
        return compare(v->s, f->vals[0].s) < 0;
    case F_LE:
        return compare(v->s, f->vals[0].s) <= 0;
    case F_GT:
        return compare(v->s, f->vals[0].s) > 0;
    case F_GE:
        return compare(v->s, f->vals[0].s) >= 0;
    case F_BETWEEN:
        return compare(v->s, f->vals[0].s) >= 0 && compare(v->s, f->vals[1].s) <= 0;
    case F_IN:
    case F_NOT_IN:
        return among(f, v->s) == (f->op == F_IN);
    case F_LIKE:
    case F_NOT_LIKE:
        return nk_like_match(v->s, f->pattern, f->escape) == (f->op == F_LIKE);
    default:
        return false;
    }
}

bool nk_filter_eval(const nk_filter *f, const nk_val *c)
{
    if (!f || f->op == F_TRUE)
        return true;
    if (f->op == F_FALSE)
        return false;
    if (f->op != F_AND && f->op != F_OR)
        return eval_leaf(f, &c[f->key]);
    for (size_t i = 0; i < f->nargs; i++)
        if (nk_filter_eval(f->args[i], c) == (f->op == F_OR))
            return f->op == F_OR;
    return f->op == F_AND;
}

/* ---- conditions of the store ---- */

typedef struct lowering {
    nk_arena *a;
    bool exact;
} lowering;

static nk_cond *cond(nk_arena *a, nk_cond_op op, unsigned key, const nk_val *vals, size_t n)
{
    nk_cond *c = NK_NEW(a, nk_cond);
    if (c)
        *c = (nk_cond){.op = op, .col = NK_PART_C0 + key, .vals = vals, .nvals = n};
    return c;
}

static nk_cond *cond_of(nk_arena *a, nk_cond_op op, const nk_cond *x, const nk_cond *y)
{
    nk_cond *c = NK_NEW(a, nk_cond);
    const nk_cond **args = NK_NEWN(a, const nk_cond *, 2);
    if (!c || !args || !x)
        return NULL;
    args[0] = x;
    args[1] = y;
    *c = (nk_cond){.op = op, .args = args, .nargs = y ? 2 : 1};
    return c;
}

/* The text that every match of a pattern begins with. *whole: the pattern is that text and a %, or
 * only that text when *percent is false. */
static nk_str like_prefix(const nk_filter *f, nk_arena *a, bool *whole, bool *percent)
{
    char *p = nk_arena_bytes(a, f->pattern.n + 1);
    size_t n = 0, i = 0;
    *whole = *percent = false;
    if (!p)
        return NK_STR_NULL;
    for (; i < f->pattern.n; i++) {
        char c = f->pattern.p[i];
        if (f->escape && c == f->escape && i + 1 < f->pattern.n)
            c = f->pattern.p[++i];
        else if (c == '%' || c == '_')
            break;
        p[n++] = c;
    }
    *percent = i + 1 == f->pattern.n && f->pattern.p[i] == '%';
    *whole = i == f->pattern.n || *percent;
    return nk_str_n(p, n);
}

static nk_cond *lower_like(lowering *l, const nk_filter *f)
{
    bool whole, percent;
    nk_str prefix = like_prefix(f, l->a, &whole, &percent);
    nk_val *v = NK_NEW(l->a, nk_val);
    if (!prefix.p || !v)
        return NULL;
    *v = nk_vb(prefix);
    if (f->op == F_NOT_LIKE) {
        l->exact = false;
        return cond(l->a, NK_C_NOT_NULL, f->key, NULL, 0);
    }
    l->exact = l->exact && whole;
    if (whole && !percent)
        return cond(l->a, NK_C_EQ, f->key, v, 1);
    return cond(l->a, NK_C_PREFIX, f->key, v, 1);
}

static nk_cond *lower_null(lowering *l, const nk_filter *f)
{
    bool null = f->op == F_IS_NULL;
    nk_cond *c = cond(l->a, null ? NK_C_IS_NULL : NK_C_NOT_NULL, f->key, NULL, 0);
    if (!c || f->class != NK_KEY_TEXT)
        return c;
    nk_val *v = NK_NEW(l->a, nk_val);
    if (!v)
        return NULL;
    *v = nk_vb(NK_HIVE_NULL);
    const nk_cond *mark = cond(l->a, null ? NK_C_EQ : NK_C_NE, f->key, v, 1);
    return mark ? cond_of(l->a, null ? NK_C_OR : NK_C_AND, c, mark) : NULL;
}

/* A condition that every row the filter accepts fulfils; l->exact falls when it accepts others too.
 */
static nk_cond *lower(lowering *l, const nk_filter *f)
{
    static const nk_cond_op ops[] = {
        [F_TRUE] = NK_C_TRUE, [F_FALSE] = NK_C_FALSE, [F_AND] = NK_C_AND,         [F_OR] = NK_C_OR,
        [F_EQ] = NK_C_EQ,     [F_NE] = NK_C_NE,       [F_LT] = NK_C_LT,           [F_LE] = NK_C_LE,
        [F_GT] = NK_C_GT,     [F_GE] = NK_C_GE,       [F_BETWEEN] = NK_C_BETWEEN, [F_IN] = NK_C_IN,
    };
    if (f->op == F_AND || f->op == F_OR) {
        nk_cond *c = NK_NEW(l->a, nk_cond);
        const nk_cond **args = NK_NEWN(l->a, const nk_cond *, f->nargs);
        if (!c || !args)
            return NULL;
        for (size_t i = 0; i < f->nargs; i++)
            if (!(args[i] = lower(l, f->args[i])))
                return NULL;
        *c = (nk_cond){.op = ops[f->op], .args = args, .nargs = f->nargs};
        return c;
    }
    if (f->op == F_TRUE || f->op == F_FALSE)
        return cond(l->a, ops[f->op], 0, NULL, 0);
    if (f->key >= NK_PART_TYPED_MAX || f->nvals > 500) {
        l->exact = false;
        return cond(l->a, NK_C_TRUE, 0, NULL, 0);
    }
    if (f->op == F_LIKE || f->op == F_NOT_LIKE)
        return lower_like(l, f);
    if (f->op == F_IS_NULL || f->op == F_NOT_NULL)
        return lower_null(l, f);
    if (f->op == F_NOT_IN)
        return cond_of(l->a, NK_C_NOT, cond(l->a, NK_C_IN, f->key, f->vals, f->nvals), NULL);
    return cond(l->a, ops[f->op], f->key, f->vals, f->nvals);
}

/* ---- the hull of a key: an interval that every accepted row's value lies in ---- */

typedef struct hull {
    bool none;     /* nothing is accepted */
    nk_str lo, hi; /* both included; p NULL = open */
} hull;

static hull hull_values(const nk_filter *f)
{
    hull h = {.lo = f->vals[0].s, .hi = f->vals[0].s};
    for (size_t i = 1; i < f->nvals; i++) {
        if (compare(f->vals[i].s, h.lo) < 0)
            h.lo = f->vals[i].s;
        if (compare(f->vals[i].s, h.hi) > 0)
            h.hi = f->vals[i].s;
    }
    return h;
}

static hull hull_like(const nk_filter *f, nk_arena *a)
{
    bool whole, percent;
    hull h = {0};
    nk_str p = like_prefix(f, a, &whole, &percent);
    if (!p.p || !p.n)
        return h;
    h.lo = p;
    if (whole && !percent) {
        h.hi = p;
        return h;
    }
    char *end = nk_arena_bytes(a, p.n);
    size_t n = p.n;
    while (n && (unsigned char)p.p[n - 1] == 0xff)
        n--;
    if (end && n) {
        memcpy(end, p.p, n);
        end[n - 1] = (char)((unsigned char)end[n - 1] + 1);
        h.hi = nk_str_n(end, n);
    }
    return h;
}

static hull hull_of(const nk_filter *f, unsigned key, nk_arena *a)
{
    hull h = {0};
    if (f->op == F_AND) {
        for (size_t i = 0; i < f->nargs; i++) {
            hull x = hull_of(f->args[i], key, a);
            h.none = h.none || x.none;
            if (x.lo.p && (!h.lo.p || compare(x.lo, h.lo) > 0))
                h.lo = x.lo;
            if (x.hi.p && (!h.hi.p || compare(x.hi, h.hi) < 0))
                h.hi = x.hi;
        }
        h.none = h.none || (h.lo.p && h.hi.p && compare(h.lo, h.hi) > 0);
        return h;
    }
    if (f->op == F_OR) {
        bool first = true;
        for (size_t i = 0; i < f->nargs; i++) {
            hull x = hull_of(f->args[i], key, a);
            if (x.none)
                continue;
            if (!x.lo.p || (!first && !h.lo.p))
                h.lo = NK_STR_NULL;
            else if (first || compare(x.lo, h.lo) < 0)
                h.lo = x.lo;
            if (!x.hi.p || (!first && !h.hi.p))
                h.hi = NK_STR_NULL;
            else if (first || compare(x.hi, h.hi) > 0)
                h.hi = x.hi;
            first = false;
        }
        h.none = first;
        return h;
    }
    if (f->op == F_FALSE)
        h.none = true;
    if (f->op <= F_OR || f->key != key)
        return h;
    switch (f->op) {
    case F_EQ:
    case F_IN:
        return hull_values(f);
    case F_BETWEEN:
        return (hull){.none = compare(f->vals[0].s, f->vals[1].s) > 0,
                      .lo = f->vals[0].s,
                      .hi = f->vals[1].s};
    case F_LT:
    case F_LE:
        return (hull){.hi = f->vals[0].s};
    case F_GT:
    case F_GE:
        return (hull){.lo = f->vals[0].s};
    case F_LIKE:
        return hull_like(f, a);
    default:
        return h;
    }
}

static unsigned depth(const nk_filter *f)
{
    unsigned most = 0;
    for (size_t i = 0; i < f->nargs; i++) {
        unsigned d = depth(f->args[i]);
        most = d > most ? d : most;
    }
    return most + 1;
}

static bool fixed(const hull *h)
{
    return h->lo.p && h->hi.p && nk_str_eq(h->lo, h->hi);
}

/* Adds the hull's bounds, so that the index is entered and left at the right places. */
static nk_code add_range(nk_filter_plan *p, const hull *h, unsigned key, nk_arena *a)
{
    nk_val *v = NK_NEWN(a, nk_val, 2);
    if (!v)
        return NK_E_NOMEM;
    v[0] = nk_vb(h->lo);
    v[1] = nk_vb(h->hi);
    const nk_cond *c = h->lo.p && h->hi.p ? cond(a, NK_C_BETWEEN, key, v, 2)
                       : h->lo.p          ? cond(a, NK_C_GE, key, &v[0], 1)
                                          : cond(a, NK_C_LE, key, &v[1], 1);
    p->where = c ? cond_of(a, NK_C_AND, c, p->where) : NULL;
    return p->where ? NK_OK : NK_E_NOMEM;
}

nk_code nk_filter_plan_make(const nk_filter *f, size_t nkeys, int64_t table, bool typed,
                            nk_arena *a, nk_filter_plan *p)
{
    hull h[NK_PART_TYPED_MAX] = {{0}};
    *p = (nk_filter_plan){.prefix = {nk_vi(table)}, .nprefix = 1, .exact = true};
    if (!f)
        return NK_OK;
    if (!typed) {
        p->exact = false;
        return NK_OK;
    }
    lowering l = {.a = a, .exact = true};
    if (depth(f) > 30) { /* deeper than databases like their conditions: only the hull is theirs */
        l.exact = false;
        p->where = cond(a, NK_C_TRUE, 0, NULL, 0);
    } else {
        p->where = lower(&l, f);
    }
    if (!p->where)
        return NK_E_NOMEM;
    p->exact = l.exact;
    unsigned n = nkeys < NK_PART_TYPED_MAX ? (unsigned)nkeys : NK_PART_TYPED_MAX, best = 0,
             score = 0;
    for (unsigned i = 0; i < n; i++) {
        h[i] = hull_of(f, i, a);
        p->nothing = p->nothing || h[i].none;
    }
    for (unsigned i = 0; i < n; i++) {
        unsigned run = 0;
        while (i + run < n && fixed(&h[i + run]))
            run++;
        unsigned s = run * 2 + (i + run < n && (h[i + run].lo.p || h[i + run].hi.p));
        if (s > score) {
            score = s;
            best = i;
        }
    }
    if (!score)
        return NK_OK;
    p->index = &nk_kind_partition.indexes[best];
    p->number = best + 1;
    unsigned k = best;
    for (; k < n && fixed(&h[k]); k++)
        p->prefix[p->nprefix++] = nk_vb(h[k].lo);
    if (k < n && (h[k].lo.p || h[k].hi.p))
        return add_range(p, &h[k], k, a);
    return NK_OK;
}
