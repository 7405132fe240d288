/* Definitions and their differences as people read them. */
#include <stdio.h>

#include "cmd/schema_int.h"

enum { AROUND = 3, CELLS_MAX = 25000000 };

#define RED   "\033[31m"
#define GREEN "\033[32m"
#define DIM   "\033[2m"
#define BOLD  "\033[1m"
#define PLAIN "\033[0m"

static void pretty(nk_buf *b, const nk_json *j, int level)
{
    nk_json_writer w = {.buf = b};
    bool object = j->kind == NK_JSON_OBJECT;
    if ((!object && j->kind != NK_JSON_ARRAY) || !j->first) {
        nk_jw_tree(&w, j);
        return;
    }
    nk_buf_putc(b, object ? '{' : '[');
    for (const nk_json *m = j->first; m; m = m->next) {
        nk_buf_printf(b, "%s\n%*s", m == j->first ? "" : ",", 2 * (level + 1), "");
        if (object) {
            nk_json_writer key = {.buf = b};
            nk_jw_str(&key, m->key);
            nk_buf_puts(b, ": ");
        }
        pretty(b, m, level + 1);
    }
    nk_buf_printf(b, "\n%*s%c", 2 * level, "", object ? '}' : ']');
}

nk_str nk_schema_pretty(nk_str text, nk_arena *a)
{
    nk_json *j;
    nk_buf b;
    if (nk_json_parse(text, a, 255, &j, NULL) != NK_OK)
        return text;
    nk_buf_init(&b, (size_t)64 << 20);
    pretty(&b, j, 0);
    nk_str out = b.failed ? text : nk_buf_dup(&b, a);
    nk_buf_free(&b);
    return out;
}

/* ---- lines ---- */

static nk_strs lines_of(nk_str text, nk_arena *a)
{
    nk_strs out = {0};
    nk_str line;
    while (nk_str_split(&text, '\n', &line)) {
        nk_str *s = nk_strs_add(&out, a);
        if (s)
            *s = line;
    }
    return out;
}

/* How many lines two tails have in common, for each pair of tails. */
static uint32_t *common(const nk_strs *x, const nk_strs *y, nk_arena *a)
{
    size_t w = y->n + 1;
    if ((x->n + 1) * w > CELLS_MAX)
        return NULL;
    uint32_t *t = NK_NEWN(a, uint32_t, (x->n + 1) * w);
    for (size_t i = x->n; t && i-- > 0;)
        for (size_t k = y->n; k-- > 0;)
            t[i * w + k] = nk_str_eq(x->v[i], y->v[k])              ? t[(i + 1) * w + k + 1] + 1
                           : t[(i + 1) * w + k] >= t[i * w + k + 1] ? t[(i + 1) * w + k]
                                                                    : t[i * w + k + 1];
    return t;
}

typedef struct edit {
    char mark; /* ' ' '-' '+' */
    nk_str line;
} edit;
NK_LIST(edits, edit);

static void add(edits *e, nk_arena *a, char mark, nk_str line)
{
    edit *x = edits_add(e, a);
    if (x)
        *x = (edit){mark, line};
}

static edits edits_of(const nk_strs *x, const nk_strs *y, nk_arena *a)
{
    edits e = {0};
    uint32_t *t = common(x, y, a);
    size_t i = 0, k = 0, w = y->n + 1;
    while (i < x->n || k < y->n) {
        if (i < x->n && k < y->n && nk_str_eq(x->v[i], y->v[k])) {
            add(&e, a, ' ', x->v[i]);
            i++, k++;
        } else if (i < x->n && (k == y->n || !t || t[(i + 1) * w + k] >= t[i * w + k + 1])) {
            add(&e, a, '-', x->v[i++]);
        } else {
            add(&e, a, '+', y->v[k++]);
        }
    }
    return e;
}

void nk_schema_print_lines(nk_str old_text, nk_str new_text, bool colour, nk_arena *a)
{
    nk_strs x = lines_of(old_text, a), y = lines_of(new_text, a);
    edits e = edits_of(&x, &y, a);
    size_t shown = 0; /* one past the last line printed */
    for (size_t i = 0; i < e.n; i++) {
        if (e.v[i].mark == ' ')
            continue;
        size_t from = i > AROUND ? i - AROUND : 0, to = i + AROUND + 1 < e.n ? i + AROUND + 1 : e.n;
        if (from < shown)
            from = shown;
        else if (shown && from > shown)
            printf("%s  ⋮%s\n", colour ? DIM : "", colour ? PLAIN : "");
        for (size_t k = from; k < to; k++) {
            const char *paint = e.v[k].mark == '-' ? RED : e.v[k].mark == '+' ? GREEN : DIM;
            printf("%s%c %.*s%s\n", colour ? paint : "", e.v[k].mark, NK_STR_ARG(e.v[k].line),
                   colour ? PLAIN : "");
        }
        shown = to > shown ? to : shown;
    }
}

/* ---- differences ---- */

static void print_one(const nk_schema_diff *d, const char *direction, bool breaks, bool colour)
{
    bool forward = direction[0] == 'f';
    nk_str old_path = forward ? d->reader_path : d->writer_path,
           new_path = forward ? d->writer_path : d->reader_path;
    printf("%s%s %s%s  %s\n    %.*s\n", colour ? (breaks ? RED BOLD : GREEN) : "",
           breaks ? "✗" : "✓", d->rule->id, colour ? PLAIN : "", direction, NK_STR_ARG(d->message));
    printf("%s    old %.*s  new %.*s%s\n", colour ? DIM : "",
           NK_STR_ARG(old_path.n ? old_path : NK_STR("/")),
           NK_STR_ARG(new_path.n ? new_path : NK_STR("/")), colour ? PLAIN : "");
    if (breaks && d->sample.p)
        printf("    %s version writes: %.*s\n", forward ? "the new" : "the old",
               NK_STR_ARG(d->sample));
    if (breaks)
        printf("%s    %s%s\n", colour ? DIM : "", d->rule->doc, colour ? PLAIN : "");
}

size_t nk_schema_print_diffs(const nk_schema_diffs *diffs, const char *direction, nk_door door,
                             bool all, bool colour)
{
    size_t n = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < diffs->n; i++) {
            bool breaks = diffs->v[i].rule->verdict[door] == NK_VERDICT_BREAKS;
            if (breaks != (pass == 0) || (!breaks && !all))
                continue;
            n += breaks;
            print_one(&diffs->v[i], direction, breaks, colour);
        }
    }
    return n;
}
