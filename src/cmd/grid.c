#include "cmd/grid_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

#define SETTLED_ROWS 10000

typedef struct cell {
    char *text; /* owned; NULL = null */
    int width;
} cell;

typedef struct column {
    cell name;
    int width;
    bool right;
} column;

struct nk_grid {
    nk_grid_options o;
    column *columns;
    size_t ncolumns;
    cell *cells; /* kept rows, row by row */
    size_t n, cap;
    size_t at; /* column of the next cell */
    bool settled, headed;
};

/* ---- text ---- */

int nk_grid_width(nk_str s)
{
    int w = 0;
    for (size_t i = 0; i < s.n;) {
        uint32_t cp;
        size_t n = nk_utf8_get(s.p + i, s.n - i, &cp);
        int one = n ? wcwidth((wchar_t)cp) : 1;
        w += one < 0 ? 1 : one;
        i += n ? n : 1;
    }
    return w;
}

static bool put_escaped(nk_buf *b, uint32_t cp)
{
    const char *named = cp == '\n' ? "\\n" : cp == '\r' ? "\\r" : cp == '\t' ? "\\t" : NULL;
    if (named)
        (void)nk_buf_puts(b, named);
    else if (cp < 32 || cp == 127)
        (void)nk_buf_printf(b, "\\x%02X", (unsigned)cp);
    else if ((cp >= 0x80 && cp < 0xA0) || cp == 0x2028 || cp == 0x2029 ||
             (cp >= 0x202A && cp <= 0x202E) || (cp >= 0x2066 && cp <= 0x2069))
        (void)nk_buf_printf(b, "\\u%04X", (unsigned)cp); /* would move what follows */
    else
        return false;
    return true;
}

/* What is shown of a text: escapes for what a terminal would act on, cut at max columns. */
static nk_code make_cell(nk_str s, int max, cell *out, nk_err *err)
{
    nk_buf b;
    int w = 0;
    bool null_text = nk_str_is(s, "NULL");
    nk_buf_init(&b, 64u << 20);
    if (null_text) /* is not a null */
        (void)nk_buf_puts(&b, "'NULL'");
    for (size_t i = 0; i < s.n && !null_text;) {
        uint32_t cp;
        size_t n = nk_utf8_get(s.p + i, s.n - i, &cp), before = b.n;
        if (!n) {
            (void)nk_buf_printf(&b, "\\x%02X", (unsigned char)s.p[i]);
            n = 1;
        } else if (!put_escaped(&b, cp)) {
            (void)nk_buf_add(&b, s.p + i, n);
        }
        int one = nk_grid_width(nk_str_n(b.p + before, b.n - before));
        if (max && w + one > max - (i + n < s.n)) {
            b.n = before;
            (void)nk_buf_puts(&b, "…");
            w++;
            break;
        }
        w += one;
        i += n;
    }
    (void)nk_buf_putc(&b, 0);
    nk_code rc = nk_buf_check(&b, err);
    if (rc == NK_OK && !(out->text = nk_malloc(b.n)))
        rc = nk_fail(err, NK_E_NOMEM, "out of memory");
    if (rc == NK_OK)
        memcpy(out->text, b.p, b.n);
    out->width = null_text ? 6 : w;
    nk_buf_free(&b);
    return rc;
}

/* ---- life ---- */

nk_grid *nk_grid_create(const nk_grid_options *o, size_t columns)
{
    nk_grid *t = nk_calloc(1, sizeof *t);
    if (t && !(t->columns = nk_calloc(columns + 1, sizeof *t->columns))) {
        nk_free(t);
        return NULL;
    }
    if (t) {
        t->o = *o;
        t->ncolumns = columns;
    }
    return t;
}

void nk_grid_destroy(nk_grid *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->ncolumns; i++)
        nk_free(t->columns[i].name.text);
    for (size_t i = 0; i < t->n; i++)
        nk_free(t->cells[i].text);
    nk_free(t->columns);
    nk_free(t->cells);
    nk_free(t);
}

void nk_grid_column(nk_grid *t, size_t i, nk_str name, bool right)
{
    column *c = &t->columns[i];
    if (make_cell(name, t->o.cell_max, &c->name, NULL) != NK_OK)
        c->name = (cell){0};
    c->width = c->name.width;
    c->right = right;
}

/* ---- printing ---- */

static void put_cell(const nk_grid *t, const column *c, const cell *x, bool last, bool bold)
{
    const char *text = x->text ? x->text : "NULL";
    int gap = c->width - (x->text ? x->width : 4);
    const char *on = !t->o.colour ? "" : !x->text ? "\033[2;3m" : bold ? "\033[1m" : "";
    if (gap < 0)
        gap = 0;
    if (c->right)
        printf("%*s", gap, "");
    printf("%s%s%s", on, text, *on ? "\033[0m" : "");
    if (!c->right && !last)
        printf("%*s", gap, "");
    fputs(last ? "\n" : t->o.colour ? "\033[2m │ \033[0m" : " | ", stdout);
}

static void put_row(const nk_grid *t, const cell *row)
{
    for (size_t i = 0; i < t->ncolumns; i++)
        put_cell(t, &t->columns[i], &row[i], i + 1 == t->ncolumns, false);
}

static void put_head(nk_grid *t)
{
    for (size_t i = 0; i < t->ncolumns; i++)
        put_cell(t, &t->columns[i], &t->columns[i].name, i + 1 == t->ncolumns, true);
    fputs(t->o.colour ? "\033[2m" : "", stdout);
    for (size_t i = 0; i < t->ncolumns; i++) {
        if (i)
            fputs(t->o.colour ? "─┼─" : "-+-", stdout);
        for (int k = 0; k < t->columns[i].width; k++)
            fputs(t->o.colour ? "─" : "-", stdout);
    }
    fputs(t->o.colour ? "\033[0m\n" : "\n", stdout);
}

/* Widths are known: out with what was kept. */
static void settle(nk_grid *t)
{
    if (!t->settled)
        put_head(t);
    t->settled = true;
    for (size_t i = 0; i + t->ncolumns <= t->n; i += t->ncolumns)
        put_row(t, t->cells + i);
    for (size_t i = 0; i < t->n; i++)
        nk_free(t->cells[i].text);
    t->n = 0;
}

static nk_code row_done(nk_grid *t, nk_err *err)
{
    if (t->settled || t->n >= SETTLED_ROWS * t->ncolumns)
        settle(t);
    return ferror(stdout) ? nk_fail(err, NK_E_IO, "cannot write") : NK_OK;
}

nk_code nk_grid_cell(nk_grid *t, nk_str text, nk_err *err)
{
    cell c = {.width = 4};
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 256;
        cell *v = nk_realloc(t->cells, cap * sizeof *v);
        if (!v)
            return nk_fail(err, NK_E_NOMEM, "out of memory");
        t->cells = v;
        t->cap = cap;
    }
    if (text.p)
        NK_TRY(make_cell(text, t->o.cell_max, &c, err));
    t->cells[t->n++] = c;
    if (!t->settled && c.width > t->columns[t->at].width)
        t->columns[t->at].width = c.width;
    if (++t->at < t->ncolumns)
        return NK_OK;
    t->at = 0;
    return row_done(t, err);
}

nk_code nk_grid_end(nk_grid *t, nk_err *err)
{
    settle(t);
    nk_grid_destroy(t);
    if (fflush(stdout) != 0)
        return nk_fail(err, NK_E_IO, "cannot write");
    return NK_OK;
}
