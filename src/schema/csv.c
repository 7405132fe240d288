#include "schema/csv.h"

#define RECORD_MAX_DEFAULT ((size_t)16 << 20)
#define CELLS_MAX          10000 /* columns a record may have */

typedef enum {
    AT_CELL,    /* nothing of the cell seen yet */
    IN_PLAIN,   /* inside an unquoted cell */
    IN_QUOTES,  /* inside quotes */
    QUOTE_SEEN, /* a quote inside quotes: the end, or the first of two */
    ESCAPED,    /* behind the escape character, inside quotes */
} csv_state;

struct nk_csv_reader {
    nk_csv_dialect d;
    nk_csv_fn fn;
    void *arg;
    size_t max_record;
    csv_state state;
    bool after_cr; /* a LF now belongs to the CR before it */
    bool any;      /* something of this record was seen */
    bool cell_quoted;
    unsigned bom;      /* bytes of the byte order mark matched; 3 = done or absent */
    nk_buf text;       /* all cells of the record, one behind the other */
    size_t cell_start; /* of the open cell in text */
    struct {
        size_t from, to;
        bool quoted;
    } * spans; /* owned */
    nk_str *cells;
    bool *quoted;
    size_t n, cap;
    uint64_t number, line, record_line, offset, record_offset;
};

nk_csv_reader *nk_csv_open(const nk_csv_dialect *d, size_t max_record, nk_csv_fn fn, void *arg)
{
    nk_csv_reader *r = nk_calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->d = *d;
    r->fn = fn;
    r->arg = arg;
    r->max_record = max_record ? max_record : RECORD_MAX_DEFAULT;
    r->line = r->record_line = 1;
    nk_buf_init(&r->text, r->max_record);
    return r;
}

void nk_csv_close(nk_csv_reader *r)
{
    if (!r)
        return;
    nk_buf_free(&r->text);
    nk_free(r->spans);
    nk_free(r->cells);
    nk_free(r->quoted);
    nk_free(r);
}

static nk_code grow(nk_csv_reader *r, nk_err *err)
{
    size_t cap = r->cap ? r->cap * 2 : 64;
    if (r->n >= CELLS_MAX)
        return nk_fail(err, NK_E_PARSE, "CSV line %llu has more than %d cells",
                       (unsigned long long)r->record_line, CELLS_MAX);
    void *spans = nk_realloc(r->spans, cap * sizeof *r->spans);
    if (spans)
        r->spans = spans;
    void *cells = nk_realloc(r->cells, cap * sizeof *r->cells);
    if (cells)
        r->cells = cells;
    void *quoted = nk_realloc(r->quoted, cap * sizeof *r->quoted);
    if (quoted)
        r->quoted = quoted;
    if (!spans || !cells || !quoted)
        return nk_fail(err, NK_E_NOMEM, "Out of memory reading CSV");
    r->cap = cap;
    return NK_OK;
}

static nk_code too_long(nk_csv_reader *r, nk_err *err)
{
    if (r->text.why == NK_E_NOMEM)
        return nk_fail(err, NK_E_NOMEM, "Out of memory reading CSV");
    bool open = r->state == IN_QUOTES || r->state == ESCAPED;
    return nk_fail(
        err, NK_E_PARSE, "The CSV record that begins at line %llu is longer than %zu bytes%s",
        (unsigned long long)r->record_line, r->max_record, open ? ": its quote is not closed" : "");
}

static nk_code end_cell(nk_csv_reader *r, nk_err *err)
{
    if (r->n == r->cap)
        NK_TRY(grow(r, err));
    r->spans[r->n].from = r->cell_start;
    r->spans[r->n].to = r->text.n;
    r->spans[r->n].quoted = r->cell_quoted;
    r->n++;
    r->cell_start = r->text.n;
    r->cell_quoted = false;
    r->state = AT_CELL;
    return NK_OK;
}

/* length: bytes of the record in the stream */
static nk_code end_record(nk_csv_reader *r, uint64_t end, nk_err *err)
{
    nk_code rc = NK_OK;
    if (r->any) {
        NK_TRY(end_cell(r, err));
        if (r->text.failed)
            return too_long(r, err);
        for (size_t i = 0; i < r->n; i++) {
            r->cells[i] = nk_str_n((r->text.p ? r->text.p : "") + r->spans[i].from,
                                   r->spans[i].to - r->spans[i].from);
            r->quoted[i] = r->spans[i].quoted;
        }
        nk_csv_record rec = {.cells = r->cells,
                             .quoted = r->quoted,
                             .n = r->n,
                             .number = ++r->number,
                             .line = r->record_line,
                             .offset = r->record_offset,
                             .length = end - r->record_offset};
        rc = r->fn(r->arg, &rec, err);
    }
    r->n = 0;
    r->any = false;
    r->state = AT_CELL;
    r->cell_start = 0;
    r->cell_quoted = false;
    nk_buf_clear(&r->text);
    return rc;
}

/* One byte outside quotes. at: its offset in the stream. */
static nk_code plain_byte(nk_csv_reader *r, char c, uint64_t at, nk_err *err)
{
    if (c == '\n' || c == '\r') {
        r->after_cr = c == '\r';
        r->line++;
        NK_TRY(end_record(r, at, err));
        r->record_line = r->line;
        r->record_offset = at + 1;
        return NK_OK;
    }
    r->any = true;
    if (c == r->d.delimiter)
        return end_cell(r, err);
    if (c == r->d.quote && r->d.quote && r->state == AT_CELL) {
        r->state = IN_QUOTES;
        r->cell_quoted = true;
        return NK_OK;
    }
    r->state = IN_PLAIN;
    nk_buf_putc(&r->text, c);
    return NK_OK;
}

static nk_code quoted_byte(nk_csv_reader *r, char c, uint64_t at, nk_err *err)
{
    switch (r->state) {
    case IN_QUOTES:
        if (c == r->d.escape && r->d.escape)
            r->state = ESCAPED;
        else if (c == r->d.quote)
            r->state = QUOTE_SEEN;
        else
            nk_buf_putc(&r->text, c);
        break;
    case ESCAPED:
        /* what is not a quote or the escape itself keeps its escape: it belongs to the text */
        if (c != r->d.quote && c != r->d.escape)
            nk_buf_putc(&r->text, r->d.escape);
        nk_buf_putc(&r->text, c);
        r->state = IN_QUOTES;
        break;
    default: /* QUOTE_SEEN */
        if (c == r->d.quote) {
            nk_buf_putc(&r->text, c);
            r->state = IN_QUOTES;
        } else {
            r->state = IN_PLAIN;
            return plain_byte(r, c, at, err);
        }
    }
    if (c == '\n')
        r->line++;
    return NK_OK;
}

/* Bytes from p that the state takes as they are. */
static size_t run_length(const nk_csv_reader *r, const char *p, size_t n)
{
    size_t i = 0;
    if (r->state == IN_QUOTES) {
        while (i < n && p[i] != r->d.quote && p[i] != '\n' && (!r->d.escape || p[i] != r->d.escape))
            i++;
    } else if (r->state == IN_PLAIN) {
        while (i < n && p[i] != r->d.delimiter && p[i] != '\n' && p[i] != '\r')
            i++;
    }
    return i;
}

nk_code nk_csv_feed(nk_csv_reader *r, nk_str bytes, nk_err *err)
{
    static const char bom[] = "\xef\xbb\xbf";
    for (size_t i = 0; i < bytes.n;) {
        char c = bytes.p[i];
        if (r->bom < 3) {
            if (r->offset == r->bom && c == bom[r->bom]) {
                r->bom++;
                r->offset++;
                i++;
                r->record_offset = r->bom == 3 ? 3 : 0;
                continue;
            }
            /* not one after all: what was held back is content */
            unsigned held = r->bom;
            r->bom = 3;
            for (unsigned k = 0; k < held; k++)
                NK_TRY(plain_byte(r, bom[k], k, err));
        }
        size_t run = run_length(r, bytes.p + i, bytes.n - i);
        if (run) {
            nk_buf_add(&r->text, bytes.p + i, run);
            i += run;
            r->offset += run;
        } else {
            uint64_t at = r->offset++;
            i++;
            if (r->after_cr) {
                r->after_cr = false;
                if (c == '\n') {
                    r->record_offset = at + 1;
                    continue;
                }
            }
            if (r->state == AT_CELL || r->state == IN_PLAIN)
                NK_TRY(plain_byte(r, c, at, err));
            else
                NK_TRY(quoted_byte(r, c, at, err));
        }
        if (r->text.failed)
            return too_long(r, err);
    }
    return NK_OK;
}

nk_code nk_csv_finish(nk_csv_reader *r, nk_err *err)
{
    if (r->bom < 3 && r->bom > 0) {
        for (unsigned k = 0; k < r->bom; k++)
            NK_TRY(plain_byte(r, "\xef\xbb\xbf"[k], k, err));
    }
    if (r->state == IN_QUOTES || r->state == ESCAPED)
        return nk_fail(err, NK_E_PARSE,
                       "A quote opened in the CSV record at line %llu is never closed",
                       (unsigned long long)r->record_line);
    return end_record(r, r->offset, err);
}
