/* Reads bytes by a format twice, as a job does: types first, then columns of these types. */
#ifndef ROWS_WALK_H
#define ROWS_WALK_H

#include "engine/cols.h"

typedef struct walked {
    nk_code rc;
    size_t seen, kept; /* rows of each reading */
    char type[4096];   /* as it prints */
    uint64_t sum;      /* over all values kept */
    nk_err err;
} walked;

typedef struct pieces {
    nk_str bytes;
    size_t most; /* that one read gives */
} pieces;

static nk_code piece_read(void *arg, uint64_t at, size_t n, nk_buf *out, nk_err *err)
{
    const pieces *p = arg;
    size_t left = at < p->bytes.n ? p->bytes.n - (size_t)at : 0;
    n = n < p->most ? n : p->most;
    return nk_buf_add(out, p->bytes.p + p->bytes.n - left, n < left ? n : left) == NK_OK
               ? NK_OK
               : nk_fail(err, NK_E_NOMEM, "out of memory");
}

static uint64_t col_sum(const nk_col *c, size_t n)
{
    static const uint8_t widths[] = {
        [NK_T_BOOLEAN] = 1, [NK_T_BYTE] = 1,      [NK_T_SHORT] = 2,  [NK_T_INT] = 4,
        [NK_T_LONG] = 8,    [NK_T_FLOAT] = 4,     [NK_T_DOUBLE] = 8, [NK_T_DECIMAL] = 16,
        [NK_T_DATE] = 4,    [NK_T_TIMESTAMP] = 8, [NK_T_CHOICE] = 0};
    uint64_t sum = 0;
    bool lists = c->type->kind == NK_T_ARRAY || c->type->kind == NK_T_MAP;
    bool texts = c->bytes.p && !lists;
    size_t width = widths[c->type->kind];
    for (size_t i = 0; i < n; i++) {
        if (!c->valid[i])
            continue;
        const nk_span *s = (const nk_span *)c->data + i;
        sum = sum * 31 + 1;
        if (lists || texts)
            sum += s->length;
        if (texts)
            sum += nk_hash64(c->bytes.p + s->offset, s->length, 1);
        if (width)
            sum += nk_hash64((const char *)c->data + i * width, width, 1);
    }
    for (size_t k = 0; k < c->nkids; k++)
        sum = sum * 37 + col_sum(&c->kids[k], lists ? c->kids[k].n : n);
    return sum;
}

static nk_code walk_once(const nk_rows_format *f, const nk_rows_options *o, pieces *p, nk_sink *s,
                         nk_cols *cols, size_t *rows, uint64_t *sum, nk_err *err)
{
    nk_input in = {.read = piece_read, .arg = p, .size = p->bytes.n, .name = NK_STR("")};
    nk_rows *r;
    size_t n = 1;
    nk_input_init(&in);
    nk_code rc = f->open(&in, o, &r, err);
    while (rc == NK_OK && n) {
        if (cols)
            nk_cols_clear(cols);
        rc = f->next(r, s, 100, &n, err);
        *rows += rc == NK_OK ? n : 0;
        if (rc == NK_OK && cols)
            *sum = *sum * 41 + col_sum(&cols->row, n);
        if (*rows > 200000)
            break;
    }
    if (r)
        f->close(r);
    nk_input_close(&in);
    return rc;
}

static nk_code walk_type(const nk_rows_format *f, const nk_rows_options *o, pieces *p, nk_arena *a,
                         const nk_type **out, walked *w)
{
    nk_infer_sink sink;
    if (o->grok) {
        *out = nk_grok_type(o->grok);
        return NK_OK;
    }
    if (f->type) {
        nk_input in = {.read = piece_read, .arg = p, .size = p->bytes.n, .name = NK_STR("")};
        nk_input_init(&in);
        nk_code rc = f->type(&in, a, out, &w->err);
        nk_input_close(&in);
        return rc;
    }
    nk_infer *in = nk_infer_create(a, 0);
    if (!in)
        return nk_fail(&w->err, NK_E_NOMEM, "out of memory");
    nk_infer_sink_init(&sink, in);
    NK_TRY(walk_once(f, o, p, &sink.sink, NULL, &w->seen, NULL, &w->err));
    if (!w->seen)
        return nk_fail(&w->err, NK_E_PARSE, "no rows");
    NK_TRY(nk_infer_type(in, NK_MERGE_CHOICE, 0, a, out, &w->err));
    return f->settle ? f->settle(*out, a, out, &w->err) : NK_OK;
}

static void walk_rows(const nk_rows_format *f, const nk_rows_options *o, nk_str bytes, size_t most,
                      walked *w)
{
    pieces p = {bytes, f == &nk_rows_orc ? SIZE_MAX : most}; /* ORC is read here and there */
    const nk_type *type = NULL;
    nk_cols cols;
    *w = (walked){.err = NK_ERR_INIT};
    nk_arena *a = nk_arena_create(0);
    w->rc = a ? walk_type(f, o, &p, a, &type, w) : nk_fail(&w->err, NK_E_NOMEM, "out of memory");
    if (w->rc == NK_OK) {
        nk_buf b;
        nk_buf_init(&b, 1 << 20);
        (void)!nk_type_print(type, false, &b);
        w->rc = nk_buf_check(&b, &w->err);
        nk_str text = nk_buf_view(&b);
        size_t n = text.n < sizeof w->type - 1 ? text.n : sizeof w->type - 1;
        memcpy(w->type, text.p, n);
        nk_buf_free(&b);
    }
    if (w->rc == NK_OK)
        w->rc = nk_cols_init(&cols, type, NULL, &w->err);
    if (w->rc == NK_OK) {
        w->rc = walk_once(f, o, &p, &cols.sink, &cols, &w->kept, &w->sum, &w->err);
        nk_cols_free(&cols);
    }
    nk_arena_destroy(a);
}

#endif
