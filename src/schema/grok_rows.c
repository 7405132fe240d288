/* Log lines as rows, by a grok pattern. */
#include "schema/rows.h"

#define LINE_MAX ((size_t)1 << 20)

struct nk_rows {
    nk_input *in;
    const nk_rows_options *o;
    nk_grok_line *line;
    nk_str *values;
    uint64_t number; /* of the line, from 1 on */
};

static void rows_close(nk_rows *r)
{
    if (!r)
        return;
    nk_grok_line_close(r->line);
    nk_free(r->values);
    nk_free(r);
}

static nk_code rows_open(nk_input *in, const nk_rows_options *o, nk_rows **out, nk_err *err)
{
    nk_rows *r = *out = nk_calloc(1, sizeof *r);
    if (r) {
        r->in = in;
        r->o = o;
        r->line = nk_grok_line_open(o->grok);
        r->values = nk_calloc(nk_grok_type(o->grok)->nfields + 1, sizeof *r->values);
    }
    if (r && r->line && r->values)
        return NK_OK;
    rows_close(r);
    *out = NULL;
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

/* The next line without its end; *used 0 when there is none. */
static nk_code next_line(nk_rows *r, nk_str *line, size_t *used, nk_err *err)
{
    ptrdiff_t end;
    NK_TRY(nk_input_need(r->in, 1, err));
    while ((end = nk_str_chr(r->in->view, '\n')) < 0 && !r->in->end) {
        if (r->in->view.n > 64 * LINE_MAX)
            return nk_fail(err, NK_E_PARSE, "a line has more than %zu MiB", 64 * LINE_MAX >> 20);
        NK_TRY(nk_input_more(r->in, err));
    }
    *used = end < 0 ? r->in->view.n : (size_t)end + 1;
    *line = nk_str_sub(r->in->view, 0, end < 0 ? r->in->view.n : (size_t)end);
    if (line->n && line->p[line->n - 1] == '\r')
        line->n--;
    return NK_OK;
}

static nk_code give(nk_rows *r, nk_sink *s, nk_err *err)
{
    const nk_type *t = nk_grok_type(r->o->grok);
    nk_str missing = r->o->missing.p ? r->o->missing : NK_STR("-");
    NK_TRY(nk_put_kind(s, s->root, NK_T_STRUCT, err));
    for (size_t i = 0; i < t->nfields; i++) {
        nk_place *at;
        NK_TRY(nk_at_field(s, s->root, t->fields[i].name, i, &at, err));
        nk_value v = {.kind = t->fields[i].type->kind, .text = true, .s = r->values[i]};
        if (!v.s.p || nk_str_eq(v.s, missing))
            v = (nk_value){.kind = NK_T_NULL};
        NK_TRY(nk_put(s, at, &v, err));
    }
    return s->row(s, err);
}

/* A line that does not match is left out, as Glue does, or is an error. */
static nk_code rows_next(nk_rows *r, nk_sink *s, size_t max, size_t *n, nk_err *err)
{
    for (*n = 0; *n < max;) {
        nk_str line;
        size_t used = 0;
        NK_TRY(next_line(r, &line, &used, err));
        if (!used)
            return NK_OK;
        r->number++;
        bool hit = line.n <= LINE_MAX && nk_utf8_valid(line) &&
                   nk_grok_line_read(r->line, line, r->values);
        if (hit) {
            NK_TRY(give(r, s, err));
            ++*n;
        } else if (r->o->strict && nk_str_trim(line).n) {
            return nk_fail(err, NK_E_PARSE, "line %llu does not match the pattern",
                           (unsigned long long)r->number);
        }
        nk_input_take(r->in, used);
    }
    return NK_OK;
}

const nk_rows_format nk_rows_grok = {.name = "grokLog",
                                     .open = rows_open,
                                     .next = rows_next,
                                     .close = rows_close,
                                     .doc = "lines that match a grok pattern"};
