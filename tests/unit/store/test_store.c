#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "store/store.h"

static const nk_col item_cols[] = {
    {"region", NK_COL_TEXT}, {"name", NK_COL_TEXT}, {"size", NK_COL_I64},
    {"score", NK_COL_F64},   {"tag", NK_COL_TEXT},  {"raw", NK_COL_BYTES},
};
static const nk_index item_indexes[] = {
    {.name = "by_size", .cols = {0, 2, 4}, .n = 3},
    {.name = "by_tag", .cols = {4, 2}, .n = 2},
};
static const nk_kind item = {
    .name = "item",
    .version = 1,
    .nkey = 2,
    .cols = item_cols,
    .ncols = 6,
    .indexes = item_indexes,
    .nindexes = 2,
};
static const nk_kind *const kinds1[] = {&item, NULL};
static const nk_kind *const *const lists1[] = {kinds1, NULL};

typedef struct fixture {
    char dir[64], path[96];
    nk_store *s;
    nk_arena *a;
    nk_err err;
} fixture;

static void open_store(fixture *f, const nk_kind *const *const *lists)
{
    nk_store_config c = {.path = f->path, .kinds = lists};
    nk_code rc = nk_store_open(&c, &f->s, &f->err);
    if (rc != NK_OK)
        fail_msg("open: %s", f->err.msg);
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    strcpy(f->dir, "/tmp/nk-store-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/store.db", f->dir);
    f->a = nk_arena_create(0);
    open_store(f, lists1);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    nk_store_close(f->s);
    nk_arena_destroy(f->a);
    assert_int_equal(nk_file_remove_tree(f->dir, NULL), NK_OK);
    free(f);
    return 0;
}

/* ---- small closures ---- */

typedef struct op {
    enum { PUT, INSERT, DELETE, FAIL_AFTER_PUT } what;
    const char *name, *body, *tag;
    int64_t size;
} op;

static nk_code do_op(nk_tx *tx, void *arg, nk_err *err)
{
    const op *o = arg;
    nk_val cols[6] = {nk_vc("r1"),          nk_vc(o->name), nk_vi(o->size),
                      nk_vf(o->size / 2.0), nk_vc(o->tag),  nk_vnull()};
    nk_row row = {.cols = cols, .body = nk_str_c(o->body)};
    switch (o->what) {
    case PUT:
        return nk_store_put(tx, &item, &row, err);
    case INSERT:
        return nk_store_insert(tx, &item, &row, err);
    case DELETE:
        return nk_store_delete(tx, &item, cols, err);
    case FAIL_AFTER_PUT:
        NK_TRY(nk_store_put(tx, &item, &row, err));
        return nk_fail(err, NK_E_CONFLICT, "changed my mind");
    }
    return NK_E_INTERNAL;
}

static nk_code write_op(fixture *f, op o)
{
    f->err = (nk_err)NK_ERR_INIT;
    return nk_store_write(f->s, do_op, &o, &f->err);
}

typedef struct get_arg {
    const char *name;
    nk_arena *a;
    nk_row row;
} get_arg;

static nk_code do_get(nk_tx *tx, void *arg, nk_err *err)
{
    get_arg *g = arg;
    return nk_store_get(tx, &item, NK_KEY(nk_vc("r1"), nk_vc(g->name)), g->a, &g->row, err);
}

static nk_code get(fixture *f, const char *name, nk_row *row)
{
    get_arg g = {.name = name, .a = f->a};
    f->err = (nk_err)NK_ERR_INIT;
    nk_code rc = nk_store_read(f->s, do_get, &g, &f->err);
    *row = g.row;
    return rc;
}

static void records_round_trip(void **state)
{
    fixture *f = *state;
    nk_row row;
    assert_int_equal(get(f, "a", &row), NK_E_NOT_FOUND);
    assert_int_equal(write_op(f, (op){PUT, "a", "{\"x\":1}", NULL, 7}), NK_OK);
    assert_int_equal(get(f, "a", &row), NK_OK);
    assert_true(nk_str_is(row.body, "{\"x\":1}"));
    assert_int_equal(row.cols[2].i, 7);
    assert_true(row.cols[3].f > 3.4 && row.cols[3].f < 3.6);
    assert_int_equal(row.cols[4].kind, NK_V_NULL);
    assert_int_equal(row.version, 1);
    assert_int_equal(write_op(f, (op){INSERT, "a", "{}", NULL, 8}), NK_E_EXISTS);
    assert_int_equal(write_op(f, (op){FAIL_AFTER_PUT, "a", "{}", NULL, 9}), NK_E_CONFLICT);
    assert_string_equal(f->err.msg, "changed my mind");
    assert_int_equal(get(f, "a", &row), NK_OK);
    assert_int_equal(row.cols[2].i, 7);
    assert_int_equal(write_op(f, (op){DELETE, "a", NULL, NULL, 0}), NK_OK);
    assert_int_equal(write_op(f, (op){DELETE, "a", NULL, NULL, 0}), NK_E_NOT_FOUND);
}

static void acknowledged_writes_survive_reopening(void **state)
{
    fixture *f = *state;
    nk_row row;
    assert_int_equal(write_op(f, (op){PUT, "k", "{\"long\":\"body\"}", "t", 1}), NK_OK);
    nk_store_close(f->s);
    open_store(f, lists1);
    assert_int_equal(get(f, "k", &row), NK_OK);
    assert_true(nk_str_is(row.body, "{\"long\":\"body\"}"));
}

static void a_second_process_is_refused(void **state)
{
    fixture *f = *state;
    nk_store *other;
    nk_store_config c = {.path = f->path, .kinds = lists1};
    assert_int_equal(nk_store_open(&c, &other, &f->err), NK_E_INVALID);
    assert_non_null(strstr(f->err.msg, "in use"));
    assert_true(f->err.hint[0]);
}

/* ---- scans against a plain evaluation in memory ---- */

#define N_ITEMS 400
typedef struct model_item {
    char name[16];
    nk_val cols[6];
    char tag[8], raw[8];
} model_item;
static model_item items[N_ITEMS];
static unsigned rnd_state;
static unsigned rnd(unsigned n)
{
    rnd_state = rnd_state * 1103515245u + 12345u;
    return (rnd_state >> 8) % n;
}

static nk_code fill(nk_tx *tx, void *arg, nk_err *err)
{
    for (int i = 0; i < N_ITEMS; i++) {
        model_item *m = &items[i];
        snprintf(m->name, sizeof(m->name), "n%03d", i);
        snprintf(m->tag, sizeof(m->tag), "%c%c", 'a' + (int)rnd(3), 'a' + (int)rnd(3));
        m->raw[0] = (char)rnd(256);
        m->raw[1] = (char)(rnd(2) ? 0 : 0xff);
        m->cols[0] = nk_vc(rnd(4) ? "r1" : "r2");
        m->cols[1] = nk_vc(m->name);
        m->cols[2] = rnd(5) ? nk_vi((int64_t)rnd(40) - 20) : nk_vnull();
        m->cols[3] = rnd(5) ? nk_vf((double)rnd(100) / 8) : nk_vnull();
        m->cols[4] = rnd(4) ? nk_vc(m->tag) : nk_vnull();
        m->cols[5] = rnd(6) ? nk_vb(nk_str_n(m->raw, 2)) : nk_vnull();
        nk_row row = {.cols = m->cols, .body = nk_str_c("{}")};
        NK_TRY(nk_store_put(tx, &item, &row, err));
    }
    return NK_OK;
}

static int val_cmp(const nk_val *x, const nk_val *y) /* NULL first */
{
    if (x->kind == NK_V_NULL || y->kind == NK_V_NULL)
        return (x->kind != NK_V_NULL) - (y->kind != NK_V_NULL);
    if (x->kind == NK_V_I64)
        return (x->i > y->i) - (x->i < y->i);
    if (x->kind == NK_V_F64)
        return (x->f > y->f) - (x->f < y->f);
    int c = memcmp(x->s.p, y->s.p, x->s.n < y->s.n ? x->s.n : y->s.n);
    return c ? c : (x->s.n > y->s.n) - (x->s.n < y->s.n);
}

static int eval(const nk_cond *c, const nk_val *cols) /* 0, 1, or 2 for unknown */
{
    int r;
    if (c->op == NK_C_TRUE || c->op == NK_C_FALSE)
        return c->op == NK_C_TRUE;
    if (c->op == NK_C_NOT)
        return (r = eval(c->args[0], cols)) == 2 ? 2 : !r;
    if (c->op == NK_C_AND || c->op == NK_C_OR) {
        int stop = c->op == NK_C_OR, out = !stop;
        for (size_t i = 0; i < c->nargs; i++) {
            r = eval(c->args[i], cols);
            if (r == stop)
                return stop;
            if (r == 2)
                out = 2;
        }
        return out;
    }
    const nk_val *v = &cols[c->col];
    if (c->op == NK_C_IS_NULL || c->op == NK_C_NOT_NULL)
        return (v->kind == NK_V_NULL) == (c->op == NK_C_IS_NULL);
    if (v->kind == NK_V_NULL)
        return 2;
    int k = val_cmp(v, &c->vals[0]);
    switch (c->op) {
    case NK_C_EQ:
        return k == 0;
    case NK_C_NE:
        return k != 0;
    case NK_C_LT:
        return k < 0;
    case NK_C_LE:
        return k <= 0;
    case NK_C_GT:
        return k > 0;
    case NK_C_GE:
        return k >= 0;
    case NK_C_BETWEEN:
        return k >= 0 && val_cmp(v, &c->vals[1]) <= 0;
    case NK_C_IN:
        for (size_t i = 0; i < c->nvals; i++)
            if (val_cmp(v, &c->vals[i]) == 0)
                return 1;
        return 0;
    case NK_C_PREFIX:
        return nk_str_starts(v->s, c->vals[0].s);
    default:
        fail();
        return 0;
    }
}

static nk_val random_val(nk_arena *a, unsigned col)
{
    const model_item *m = &items[rnd(N_ITEMS)];
    for (int i = 0; i < 20 && m->cols[col].kind == NK_V_NULL; i++)
        m = &items[rnd(N_ITEMS)];
    return m->cols[col].kind == NK_V_NULL ? nk_vi(0) : m->cols[col];
}

static nk_cond *random_cond(nk_arena *a, int depth)
{
    nk_cond *c = NK_NEW(a, nk_cond);
    if (depth > 0 && rnd(2)) {
        c->op = (nk_cond_op[]){NK_C_AND, NK_C_OR, NK_C_NOT}[rnd(3)];
        c->nargs = c->op == NK_C_NOT ? 1 : 1 + rnd(3);
        const nk_cond **args = NK_NEWN(a, const nk_cond *, c->nargs);
        for (size_t i = 0; i < c->nargs; i++)
            args[i] = random_cond(a, depth - 1);
        c->args = args;
        return c;
    }
    c->op = (nk_cond_op)(NK_C_EQ + (int)rnd(NK_C_NOT_NULL - NK_C_EQ + 1));
    c->col = rnd(6);
    if (c->op == NK_C_PREFIX)
        c->col = (unsigned[]){1, 4, 5}[rnd(3)];
    c->nvals = c->op == NK_C_IN        ? 1 + rnd(5)
               : c->op == NK_C_BETWEEN ? 2
               : c->op >= NK_C_IS_NULL ? 0
                                       : 1;
    nk_val *v = NK_NEWN(a, nk_val, c->nvals + 1);
    for (size_t i = 0; i < c->nvals; i++)
        v[i] = random_val(a, c->col);
    if (c->op == NK_C_PREFIX)
        v[0].s.n = rnd((unsigned)v[0].s.n + 1);
    c->vals = v;
    return c;
}

typedef struct seen {
    const nk_query *q;
    nk_arena *a;
    size_t n;
    char names[N_ITEMS][16];
    nk_pos last;
} seen;

static bool see(void *arg, const nk_row *row)
{
    seen *s = arg;
    snprintf(s->names[s->n++], 16, "%.*s", NK_STR_ARG(row->cols[1].s));
    assert_int_equal(nk_store_pos(s->q, row, s->a, &s->last), NK_OK);
    return true;
}

static const nk_index *sort_index;
static bool sort_desc;
static int by_order(const void *x, const void *y)
{
    const model_item *const *p = x, *const *q = y;
    int c = 0;
    for (unsigned i = 0; sort_index && !c && i < sort_index->n; i++)
        c = val_cmp(&(*p)->cols[sort_index->cols[i]], &(*q)->cols[sort_index->cols[i]]);
    for (unsigned i = 0; !c && i < 2; i++)
        c = val_cmp(&(*p)->cols[i], &(*q)->cols[i]);
    return sort_desc ? -c : c;
}

static size_t expected(const nk_query *q, const model_item *out[N_ITEMS])
{
    size_t n = 0;
    for (int i = 0; i < N_ITEMS; i++) {
        const model_item *m = &items[i];
        if (q->index == &item_indexes[0] && m->cols[2].kind == NK_V_NULL)
            continue;
        if (q->index == &item_indexes[1] && m->cols[4].kind == NK_V_NULL)
            continue;
        bool in = true;
        for (unsigned p = 0; p < q->nprefix; p++)
            in = in && val_cmp(&m->cols[q->index ? q->index->cols[p] : p], &q->prefix[p]) == 0;
        if (in && (!q->where || eval(q->where, m->cols) == 1))
            out[n++] = m;
    }
    sort_index = q->index;
    sort_desc = q->desc;
    qsort(out, n, sizeof(*out), by_order);
    return n;
}

static nk_code scan_pages(nk_tx *tx, void *arg, nk_err *err)
{
    nk_arena *a = nk_arena_create(0);
    for (int round = 0; round < 1500; round++) {
        nk_arena_reset(a);
        nk_val prefix[1];
        nk_query q = {.kind = &item, .desc = rnd(2), .no_body = rnd(2)};
        q.index = (const nk_index *[]){NULL, &item_indexes[0], &item_indexes[1]}[rnd(3)];
        if (rnd(2)) {
            prefix[0] = random_val(a, q.index ? q.index->cols[0] : 0);
            q.prefix = prefix;
            q.nprefix = prefix[0].kind == NK_V_NULL || prefix[0].kind == NK_V_I64 ? 0 : 1;
        }
        if (rnd(4))
            q.where = random_cond(a, 3);
        const model_item *want[N_ITEMS];
        size_t nwant = expected(&q, want);
        int64_t count;
        assert_int_equal(nk_store_count(tx, &q, &count, err), NK_OK);
        assert_int_equal(count, nwant);
        q.limit = 1 + rnd(N_ITEMS / 3);
        seen *s = NK_NEW(a, seen);
        s->q = &q;
        s->a = a;
        nk_pos after;
        for (size_t before = (size_t)-1; s->n != before;) {
            before = s->n;
            nk_code rc = nk_store_scan(tx, &q, see, s, err);
            if (rc != NK_OK)
                fail_msg("scan: %s", err->msg);
            if (s->n == before)
                break;
            assert_true(s->n - before <= q.limit);
            nk_buf b;
            nk_buf_init(&b, 4096);
            assert_int_equal(nk_store_pos_pack(&s->last, &b), NK_OK);
            assert_int_equal(nk_store_pos_unpack(&q, nk_buf_view(&b), a, &after), NK_OK);
            nk_buf_free(&b);
            q.after = &after;
        }
        assert_int_equal(s->n, nwant);
        for (size_t i = 0; i < nwant; i++)
            assert_string_equal(s->names[i], want[i]->name);
    }
    nk_arena_destroy(a);
    return NK_OK;
}

static void scans_agree_with_plain_evaluation(void **state)
{
    fixture *f = *state;
    rnd_state = (unsigned)time(NULL);
    print_message("# seed %u\n", rnd_state);
    assert_int_equal(nk_store_write(f->s, fill, NULL, &f->err), NK_OK);
    assert_int_equal(nk_store_read(f->s, scan_pages, NULL, &f->err), NK_OK);
}

static void tampered_places_are_refused(void **state)
{
    nk_query q = {.kind = &item};
    nk_arena *a = nk_arena_create(0);
    nk_pos pos = {.v = {nk_vc("r"), nk_vc("name")}, .n = 2}, back;
    nk_buf b;
    nk_buf_init(&b, 100);
    assert_int_equal(nk_store_pos_pack(&pos, &b), NK_OK);
    assert_int_equal(nk_store_pos_unpack(&q, nk_buf_view(&b), a, &back), NK_OK);
    for (size_t n = 0; n < b.n; n++)
        assert_int_equal(nk_store_pos_unpack(&q, nk_str_n(b.p, n), a, &back), NK_E_INVALID);
    for (size_t i = 0; i < b.n; i++)
        for (int v = 0; v < 256; v++) { /* must not crash, whatever it says */
            char old = b.p[i];
            b.p[i] = (char)v;
            nk_code rc = nk_store_pos_unpack(&q, nk_buf_view(&b), a, &back);
            assert_true(rc == NK_OK || rc == NK_E_INVALID);
            b.p[i] = old;
        }
    nk_buf_free(&b);
    nk_arena_destroy(a);
}

/* ---- sequences, ranges ---- */

static nk_code draw(nk_tx *tx, void *arg, nk_err *err)
{
    int64_t *v = arg;
    NK_TRY(nk_store_next(tx, "seq", v, err));
    return *v == 2 && v[1]++ == 0 ? nk_fail(err, NK_E_CONFLICT, "undo") : NK_OK;
}

static void sequences_have_no_gaps(void **state)
{
    fixture *f = *state;
    int64_t v[2] = {0};
    assert_int_equal(nk_store_write(f->s, draw, v, &f->err), NK_OK);
    assert_int_equal(v[0], 1);
    assert_int_equal(nk_store_write(f->s, draw, v, &f->err), NK_E_CONFLICT);
    assert_int_equal(nk_store_write(f->s, draw, v, &f->err), NK_OK);
    assert_int_equal(v[0], 2);
}

static nk_code delete_ranges(nk_tx *tx, void *arg, nk_err *err)
{
    size_t n;
    nk_query q = {.kind = &item, .prefix = NK_KEY(nk_vc("r1")), .nprefix = 1};
    int64_t before, after;
    assert_int_equal(nk_store_count(tx, &q, &before, err), NK_OK);
    assert_int_equal(nk_store_delete_range(tx, &item, NK_KEY(nk_vc("r1")), 1, 10, &n, err), NK_OK);
    assert_int_equal(n, 10);
    assert_int_equal(nk_store_count(tx, &q, &after, err), NK_OK);
    assert_int_equal(after, before - 10);
    assert_int_equal(nk_store_delete_range(tx, &item, NK_KEY(nk_vc("r1")), 1, 0, &n, err), NK_OK);
    assert_int_equal(n, before - 10);
    assert_int_equal(nk_store_count(tx, &(nk_query){.kind = &item}, &after, err), NK_OK);
    assert_int_equal(after, N_ITEMS - before);
    return NK_OK;
}

static void ranges_are_deleted_in_bounds(void **state)
{
    fixture *f = *state;
    rnd_state = 5;
    assert_int_equal(nk_store_write(f->s, fill, NULL, &f->err), NK_OK);
    assert_int_equal(nk_store_write(f->s, delete_ranges, NULL, &f->err), NK_OK);
}

/* ---- many threads ---- */

typedef struct worker {
    fixture *f;
    int id, wins;
} worker;

static void *work(void *arg)
{
    worker *w = arg;
    nk_arena *a = nk_arena_create(0);
    nk_err err = NK_ERR_INIT;
    for (int i = 0; i < 60; i++) {
        char name[32];
        snprintf(name, sizeof(name), "shared%d", i);
        op o = {INSERT, name, "{}", "t", w->id};
        nk_code rc = nk_store_write(w->f->s, do_op, &o, &err);
        assert_true(rc == NK_OK || rc == NK_E_EXISTS);
        w->wins += rc == NK_OK;
        /* Whoever won: it was acknowledged, so this read must see it. */
        get_arg g = {.name = name, .a = a};
        assert_int_equal(nk_store_read(w->f->s, do_get, &g, &err), NK_OK);
        if (rc == NK_OK)
            assert_int_equal(g.row.cols[2].i, w->id);
        nk_arena_reset(a);
    }
    nk_arena_destroy(a);
    return NULL;
}

static void exactly_one_of_many_threads_wins(void **state)
{
    fixture *f = *state;
    enum { T = 16 };
    pthread_t t[T];
    worker w[T];
    int wins = 0;
    for (int i = 0; i < T; i++) {
        w[i] = (worker){.f = f, .id = i};
        assert_int_equal(pthread_create(&t[i], NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < T; i++) {
        pthread_join(t[i], NULL);
        wins += w[i].wins;
    }
    assert_int_equal(wins, 60);
}

static void writing_on_the_writer_thread_is_refused(void **state);
static nk_code nested(nk_tx *tx, void *arg, nk_err *err)
{
    op o = {PUT, "x", "{}", NULL, 1};
    return nk_store_write(nk_tx_store(tx), do_op, &o, err);
}
static void writing_on_the_writer_thread_is_refused(void **state)
{
    fixture *f = *state;
    assert_int_equal(nk_store_write(f->s, nested, NULL, &f->err), NK_E_INTERNAL);
    op o = {PUT, "x", "{}", NULL, 1};
    assert_int_equal(nk_store_read(f->s, do_op, &o, &f->err), NK_E_INTERNAL);
}

/* ---- migrations ---- */

static const nk_col item2_cols[] = {
    {"region", NK_COL_TEXT}, {"name", NK_COL_TEXT}, {"size", NK_COL_I64},   {"score", NK_COL_F64},
    {"tag", NK_COL_TEXT},    {"raw", NK_COL_BYTES}, {"owner", NK_COL_TEXT},
};
static const nk_index item2_indexes[] = {
    {.name = "by_size", .cols = {0, 2}, .n = 2},
    {.name = "by_owner", .cols = {6}, .n = 1, .unique = true},
};
static nk_code upgrade2(int from, nk_str body, nk_arena *a, nk_str *out, nk_err *err)
{
    *out = nk_str_printf(a, "{\"from\":%d,\"old\":%.*s}", from, NK_STR_ARG(body));
    return NK_OK;
}
static const nk_kind item2 = {
    .name = "item",
    .version = 2,
    .nkey = 2,
    .cols = item2_cols,
    .ncols = 7,
    .indexes = item2_indexes,
    .nindexes = 2,
    .upgrade = upgrade2,
};
static const nk_kind *const kinds2[] = {&item2, NULL};
static const nk_kind *const *const lists2[] = {kinds2, NULL};

static nk_code use2(nk_tx *tx, void *arg, nk_err *err)
{
    nk_arena *a = arg;
    nk_row row;
    NK_TRY(nk_store_get(tx, &item2, NK_KEY(nk_vc("r1"), nk_vc("old")), a, &row, err));
    assert_true(nk_str_is(row.body, "{\"from\":1,\"old\":{\"v\":1}}"));
    assert_int_equal(row.cols[6].kind, NK_V_NULL);
    nk_val cols[7] = {nk_vc("r1"), nk_vc("new"), nk_vi(1),   nk_vnull(),
                      nk_vnull(),  nk_vnull(),   nk_vc("me")};
    nk_row put = {.cols = cols, .body = NK_STR("{}")};
    NK_TRY(nk_store_put(tx, &item2, &put, err));
    NK_TRY(nk_store_get(tx, &item2, cols, a, &row, err));
    assert_true(nk_str_is(row.body, "{}"));
    cols[1] = nk_vc("another");
    assert_int_equal(nk_store_put(tx, &item2, &put, err), NK_E_EXISTS); /* the unique index */
    nk_query q = {
        .kind = &item2, .index = &item2_indexes[1], .prefix = NK_KEY(nk_vc("me")), .nprefix = 1};
    int64_t n;
    NK_TRY(nk_store_count(tx, &q, &n, err));
    assert_int_equal(n, 1);
    return NK_OK;
}

static void stores_are_migrated_and_newer_ones_refused(void **state)
{
    fixture *f = *state;
    assert_int_equal(write_op(f, (op){PUT, "old", "{\"v\":1}", "t", 1}), NK_OK);
    nk_store_close(f->s);
    open_store(f, lists2);
    nk_code rc = nk_store_write(f->s, use2, f->a, &f->err);
    if (rc != NK_OK)
        fail_msg("%s", f->err.msg);
    nk_store_close(f->s);
    f->s = NULL;
    nk_store_config c = {.path = f->path, .kinds = lists1};
    assert_int_equal(nk_store_open(&c, &f->s, &f->err), NK_E_INVALID);
    assert_non_null(strstr(f->err.msg, "version 2"));
    assert_non_null(strstr(f->err.hint, "newer"));
    open_store(f, lists2);
}

static void foreign_files_are_refused(void **state)
{
    fixture *f = *state;
    char path[128];
    snprintf(path, sizeof(path), "%s/other.db", f->dir);
    assert_int_equal(nk_file_write(path, NK_STR("this is no database, it is a text of some length"),
                                   0600, &f->err),
                     NK_OK);
    nk_store *other;
    nk_store_config c = {.path = path, .kinds = lists1};
    assert_int_not_equal(nk_store_open(&c, &other, &f->err), NK_OK);
    assert_null(other);
}

static void backups_are_whole(void **state)
{
    fixture *f = *state;
    char path[128];
    nk_row row;
    snprintf(path, sizeof(path), "%s/copy.db", f->dir);
    assert_int_equal(write_op(f, (op){PUT, "a", "{\"x\":1}", NULL, 7}), NK_OK);
    assert_int_equal(nk_store_backup(f->s, path, &f->err), NK_OK);
    assert_int_equal(nk_store_backup(f->s, path, &f->err), NK_E_EXISTS);
    fixture copy = *f;
    strcpy(copy.path, path);
    open_store(&copy, lists1);
    assert_int_equal(get(&copy, "a", &row), NK_OK);
    nk_store_close(copy.s);
}

static void a_rows_copy_stands_alone(void **state)
{
    fixture *f = *state;
    char name[] = "a name", raw[] = "\0\1\2", body[] = "{\"x\":1}";
    nk_val cols[6] = {nk_vc("r1"), nk_vc(name), nk_vi(7),
                      nk_vf(1.5),  nk_vnull(),  nk_vb(nk_str_n(raw, 3))};
    nk_row row = {.cols = cols, .body = nk_str_c(body), .version = 4}, copy;
    assert_int_equal(nk_row_dup(&item, &row, f->a, &copy), NK_OK);
    memset(name, 'z', sizeof name - 1);
    memset(raw, 'z', sizeof raw);
    memset(body, 'z', sizeof body - 1);
    assert_true(nk_str_is(copy.body, "{\"x\":1}") && copy.version == 4);
    assert_true(nk_str_is(copy.cols[0].s, "r1") && nk_str_is(copy.cols[1].s, "a name"));
    assert_int_equal(copy.cols[2].i, 7);
    assert_true(copy.cols[3].f > 1.4 && copy.cols[3].f < 1.6);
    assert_int_equal(copy.cols[4].kind, NK_V_NULL);
    assert_true(copy.cols[5].kind == NK_V_BYTES && copy.cols[5].s.n == 3);
    assert_memory_equal(copy.cols[5].s.p, "\0\1\2", 3);
    row.body = NK_STR_NULL;
    assert_int_equal(nk_row_dup(&item, &row, f->a, &copy), NK_OK);
    assert_null(copy.body.p);
    nk_arena *none = nk_arena_create(16);
    assert_non_null(none);
    assert_int_equal(nk_row_dup(&item, &row, none, &copy), NK_E_NOMEM);
    nk_arena_destroy(none);
}

/* ---- allocation faults: every failed allocation is an error, none a crash or a leak ---- */

static nk_code scan_all(nk_tx *tx, void *arg, nk_err *err)
{
    nk_arena *a = nk_arena_create(0);
    if (!a)
        return NK_E_NOMEM;
    seen *s = NK_NEW(a, seen);
    nk_query q = {.kind = &item, .limit = 10};
    nk_code rc = NK_E_NOMEM;
    if (s) {
        s->q = &q;
        s->a = a;
        rc = nk_store_count(tx, &q, &(int64_t){0}, err);
    }
    nk_arena_destroy(a);
    return rc;
}

static void failed_allocations_are_errors(void **state)
{
    fixture *f = *state;
    int failed = 0;
    for (size_t n = 1; n < 400; n++) {
        nk_store_close(f->s);
        f->s = NULL;
        (void)nk_fault_alloc(n);
        nk_store_config c = {.path = f->path, .kinds = lists1};
        nk_code rc = nk_store_open(&c, &f->s, &f->err);
        if (rc == NK_OK) {
            op o = {PUT, "a", "{}", "t", 1};
            rc = nk_store_write(f->s, do_op, &o, &f->err);
            if (rc == NK_OK)
                rc = nk_store_read(f->s, scan_all, NULL, &f->err);
        }
        size_t count = nk_fault_alloc(0);
        failed += rc != NK_OK;
        if (rc == NK_OK && count < n)
            break;
    }
    assert_true(failed > 10);
    nk_store_close(f->s);
    open_store(f, lists1);
}

/* ---- closures that share a COMMIT ---- */

typedef struct shared {
    op o;
    nk_code code, want;
} shared;

static nk_code wait_for_the_rest(nk_tx *tx, void *arg, nk_err *err)
{
    sem_t *go = arg;
    while (sem_wait(go) != 0)
        ;
    sem_post(go); /* it may be run again */
    return NK_OK;
}

static void keep_code(void *arg, nk_code code, const nk_err *err)
{
    ((shared *)arg)->code = code;
}

static nk_code nothing(nk_tx *tx, void *arg, nk_err *err)
{
    return NK_OK;
}

/* size = -1: not there */
static nk_code plain_op(int64_t sizes[4], const op *o)
{
    int64_t *size = &sizes[o->name[0] - 'a'];
    bool there = *size >= 0;
    if (o->what == FAIL_AFTER_PUT)
        return NK_E_CONFLICT;
    if ((o->what == INSERT && there) || (o->what == DELETE && !there))
        return there ? NK_E_EXISTS : NK_E_NOT_FOUND;
    *size = o->what == DELETE ? -1 : o->size;
    return NK_OK;
}

/* What fails leaves nothing behind and takes nobody with it, wherever in a batch it stands. */
static void closures_that_share_a_commit_fail_alone(void **state)
{
    enum { ROUNDS = 40, OPS = 24 };
    static const char *const names[] = {"a", "b", "c", "d"};
    fixture *f = *state;
    int64_t sizes[4] = {-1, -1, -1, -1};
    uint64_t seed = 20260117;
    for (int round = 0; round < ROUNDS; round++) {
        shared all[OPS];
        sem_t go;
        assert_int_equal(sem_init(&go, 0, 0), 0);
        assert_int_equal(nk_store_submit(f->s, wait_for_the_rest, &go, NULL, NULL, &f->err), NK_OK);
        for (int i = 0; i < OPS; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            unsigned pick = (unsigned)(seed >> 33);
            unsigned what = pick % 8; /* half of the rounds fail rarely, half often */
            op o = {.what = what < 3                      ? PUT
                            : what < 5                    ? INSERT
                            : what < 7                    ? DELETE
                            : round % 2 || pick % 64 == 7 ? FAIL_AFTER_PUT
                                                          : PUT,
                    .name = names[pick / 8 % 4],
                    .body = "{}",
                    .size = round * OPS + i};
            all[i] = (shared){.o = o, .code = NK_E_INTERNAL, .want = plain_op(sizes, &o)};
            assert_int_equal(nk_store_submit(f->s, do_op, &all[i].o, keep_code, &all[i], &f->err),
                             NK_OK);
        }
        sem_post(&go);
        assert_int_equal(nk_store_write(f->s, nothing, NULL, &f->err), NK_OK);
        for (int i = 0; i < OPS; i++)
            assert_int_equal(all[i].code, all[i].want);
        for (int i = 0; i < 4; i++) {
            nk_row row;
            nk_code rc = get(f, names[i], &row);
            assert_int_equal(rc, sizes[i] < 0 ? NK_E_NOT_FOUND : NK_OK);
            if (rc == NK_OK)
                assert_int_equal(row.cols[2].i, sizes[i]);
        }
        sem_destroy(&go);
    }
}

/* ---- the log ---- */

typedef struct restless {
    nk_store *s;
    atomic_bool stop;
} restless;

static nk_code look(nk_tx *tx, void *arg, nk_err *err)
{
    int64_t n;
    nk_query q = {.kind = &item, .prefix = NK_KEY(nk_vc("r1")), .nprefix = 1};
    return nk_store_count(tx, &q, &n, err);
}

static void *keep_looking(void *arg)
{
    restless *r = arg;
    while (!atomic_load(&r->stop))
        if (nk_store_read(r->s, look, NULL, NULL) != NK_OK)
            return r;
    return NULL;
}

/* Readers rest on their last snapshot until they read again: they must neither keep the log from
 * being begun anew nor hold up the writer that waits for them. */
static void the_log_is_begun_anew_among_readers(void **state)
{
    enum { READERS = 3, WRITES = 400, SOFT = 64 };
    fixture *f = *state;
    char wal[112], body[8192];
    pthread_t t[READERS];
    nk_store_close(f->s);
    nk_store_config c = {.path = f->path, .kinds = lists1, .wal_pages = SOFT};
    assert_int_equal(nk_store_open(&c, &f->s, &f->err), NK_OK);
    restless r = {.s = f->s};
    memset(body, 'x', sizeof(body) - 1);
    body[0] = '"', body[sizeof(body) - 2] = '"', body[sizeof(body) - 1] = 0;
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, keep_looking, &r), 0);
    for (int i = 0; i < WRITES; i++) {
        op o = {PUT, i % 2 ? "a" : "b", body, NULL, i};
        assert_int_equal(nk_store_write(f->s, do_op, &o, &f->err), NK_OK);
    }
    atomic_store(&r.stop, true);
    for (int i = 0; i < READERS; i++) {
        void *failed;
        pthread_join(t[i], &failed);
        assert_null(failed);
    }
    struct stat st;
    snprintf(wal, sizeof wal, "%s-wal", f->path);
    assert_int_equal(stat(wal, &st), 0);
    /* the file never shrinks: this is the longest that it was, of some 2,000 pages written */
    assert_true(st.st_size < (off_t)4 * SOFT * 4200);
    nk_store_stats stats;
    nk_store_get_stats(f->s, &stats);
    assert_true(stats.checkpoints > WRITES * 2 / (4 * SOFT));
}

/* Its file grows ahead of what is written, by steps that become longer: few commits make it longer,
 * and the zeros behind it harm nobody who opens the store after a crash. */
static void the_log_grows_ahead(void **state)
{
    enum { WRITES = 300 };
    fixture *f = *state;
    char wal[112], body[6000];
    struct stat st;
    off_t size = 0;
    int grown = 0;
    snprintf(wal, sizeof wal, "%s-wal", f->path);
    memset(body, 'x', sizeof(body) - 1);
    body[0] = '"', body[sizeof(body) - 2] = '"', body[sizeof(body) - 1] = 0;
    for (int i = 0; i < WRITES; i++) {
        assert_int_equal(write_op(f, (op){PUT, i % 2 ? "a" : "b", body, NULL, i}), NK_OK);
        assert_int_equal(stat(wal, &st), 0);
        grown += st.st_size != size;
        size = st.st_size;
    }
    assert_true(grown < WRITES / 4); /* a step is seen more than once while it is written */
    /* at least three pages each of 4 KiB and 24 bytes */
    assert_true(size > (off_t)WRITES * 3 * 4120);
}

/* A reader keeps its map of the file over commits and must see what came behind its end, and what
 * has since been written anew: the log is copied every few commits while the file grows to many
 * times its first length. */
static void readers_follow_a_growing_file(void **state)
{
    enum { RECORDS = 250, ROUNDS = 3 };
    fixture *f = *state;
    char names[RECORDS][8], body[9000];
    struct stat before, after;
    nk_store_close(f->s);
    nk_store_config c = {.path = f->path, .kinds = lists1, .wal_pages = 24};
    assert_int_equal(nk_store_open(&c, &f->s, &f->err), NK_OK);
    assert_int_equal(stat(f->path, &before), 0);
    memset(body, 'x', sizeof(body) - 1);
    body[0] = '"', body[sizeof(body) - 2] = '"', body[sizeof(body) - 1] = 0;
    for (int i = 0; i < RECORDS * ROUNDS; i++) {
        int at = i % RECORDS, last = i < RECORDS ? i : RECORDS - 1;
        snprintf(names[at], sizeof names[at], "n%d", at);
        body[1 + i % 7000] = (char)('a' + i % 26);
        assert_int_equal(write_op(f, (op){PUT, names[at], body, NULL, i}), NK_OK);
        for (int k = 0; k < 4; k++) {
            int other = k ? (int)rnd((unsigned)last + 1) : at;
            int64_t want = other <= at ? i - at + other : i - at + other - RECORDS;
            nk_row row;
            assert_int_equal(get(f, names[other], &row), NK_OK);
            assert_int_equal(row.cols[2].i, want);
            assert_int_equal(row.body.n, strlen(body));
            assert_int_equal(row.body.p[1 + want % 7000], 'a' + want % 26);
        }
        nk_arena_reset(f->a);
    }
    assert_int_equal(stat(f->path, &after), 0);
    assert_true(after.st_size > 20 * before.st_size);
}

/* The process: writes i = first, first + 1, …, each as a value of one of NAMES records, and tells
 * each that was answered. */
enum { NAMES = 7 };
static void write_until_killed(const fixture *f, int first, int out)
{
    static const char *const names[NAMES] = {"a", "b", "c", "d", "e", "f", "g"};
    nk_store_config c = {.path = f->path, .kinds = lists1, .wal_pages = 24};
    nk_err err = NK_ERR_INIT;
    nk_store *s;
    char body[3000];
    memset(body, 'x', sizeof(body) - 1);
    body[0] = '"', body[sizeof(body) - 2] = '"', body[sizeof(body) - 1] = 0;
    if (nk_store_open(&c, &s, &err) != NK_OK)
        _exit(1);
    for (int i = first;; i++) {
        op o = {PUT, names[i % NAMES], body, NULL, i};
        if (nk_store_write(s, do_op, &o, &err) != NK_OK || write(out, &i, sizeof i) != sizeof i)
            _exit(1);
    }
}

static void what_was_answered_survives_kills(void **state)
{
    static const char *const names[NAMES] = {"a", "b", "c", "d", "e", "f", "g"};
    fixture *f = *state;
    int last = -1;
    for (int round = 0; round < 8; round++) {
        int ends[2], enough = last + 1 + (int)rnd(150), status, i;
        nk_store_close(f->s); /* and its threads, before a fork */
        f->s = NULL;
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (!pid)
            write_until_killed(f, last + 1, ends[1]);
        close(ends[1]);
        while (read(ends[0], &i, sizeof i) == sizeof i) {
            last = i;
            if (i == enough)
                kill(pid, SIGKILL);
        }
        close(ends[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_true(last >= enough);
        open_store(f, lists1);
        int newest = -1;
        for (int n = 0; n < NAMES; n++) {
            nk_row row;
            nk_code rc = get(f, names[n], &row);
            int want = last - ((last - n) % NAMES + NAMES) % NAMES; /* the last answered */
            if (want < 0 && rc == NK_E_NOT_FOUND)
                continue;
            assert_int_equal(rc, NK_OK);
            int64_t got = row.cols[2].i;
            assert_int_equal(got % NAMES, n);
            assert_true(got == want || got == last + 1);
            newest = got > newest ? (int)got : newest;
        }
        last = newest;
    }
}

/* ---- what was read and kept ---- */

static nk_code see_seq(nk_tx *tx, void *arg, nk_err *err)
{
    *(int64_t *)arg = nk_tx_seq(tx);
    return NK_OK;
}

static bool still_stands(fixture *f, int64_t seq)
{
    return seq >= nk_store_changed(f->s, &item);
}

static void what_was_kept_stands_until_a_record_changes(void **state)
{
    fixture *f = *state;
    int64_t seq, later;
    assert_int_equal(write_op(f, (op){INSERT, "a", "{}", NULL, 1}), NK_OK);
    assert_int_equal(nk_store_read(f->s, see_seq, &seq, NULL), NK_OK);
    assert_true(still_stands(f, seq));
    assert_int_equal(write_op(f, (op){INSERT, "b", "{}", NULL, 1}), NK_OK);
    assert_int_equal(write_op(f, (op){INSERT, "b", "{}", NULL, 1}), NK_E_EXISTS);
    assert_true(still_stands(f, seq));
    const op changes[] = {{PUT, "a", "{}", NULL, 2}, {DELETE, "b", "{}", NULL, 1}};
    for (size_t i = 0; i < NK_COUNTOF(changes); i++) {
        assert_int_equal(write_op(f, changes[i]), NK_OK);
        assert_false(still_stands(f, seq));
        assert_int_equal(nk_store_read(f->s, see_seq, &later, NULL), NK_OK);
        assert_true(later > seq && still_stands(f, later));
        seq = later;
    }
    assert_int_equal(nk_store_write(f->s, see_seq, &later, NULL), NK_OK);
    assert_int_equal(later, -1);
    nk_kind other = item;
    assert_int_equal(nk_store_changed(f->s, &other), INT64_MAX);
}

int main(void)
{
    nk_log_set_level(NK_LOG_ERROR);
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(records_round_trip),
        T(a_rows_copy_stands_alone),
        T(acknowledged_writes_survive_reopening),
        T(a_second_process_is_refused),
        T(scans_agree_with_plain_evaluation),
        T(tampered_places_are_refused),
        T(sequences_have_no_gaps),
        T(ranges_are_deleted_in_bounds),
        T(exactly_one_of_many_threads_wins),
        T(writing_on_the_writer_thread_is_refused),
        T(stores_are_migrated_and_newer_ones_refused),
        T(foreign_files_are_refused),
        T(backups_are_whole),
        T(failed_allocations_are_errors),
        T(closures_that_share_a_commit_fail_alone),
        T(the_log_is_begun_anew_among_readers),
        T(the_log_grows_ahead),
        T(readers_follow_a_growing_file),
        T(what_was_kept_stands_until_a_record_changes),
        T(what_was_answered_survives_kills),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
