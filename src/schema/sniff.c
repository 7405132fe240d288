/* Recognising a file's format and dialect from its beginning. */
#include "schema/sniff.h"

#include <stdio.h>

#define SNIFF_RECORDS   1000 /* looked at when choosing a dialect */
#define HEADER_CELL_MAX 150

typedef struct survey {
    size_t widths[64]; /* how many records have this many cells; the last counts all wider */
    size_t records, quoted;
} survey;

static nk_code survey_record(void *arg, const nk_csv_record *rec, nk_err *err)
{
    survey *s = arg;
    size_t w = rec->n < NK_COUNTOF(s->widths) ? rec->n : NK_COUNTOF(s->widths) - 1;
    s->widths[w]++;
    for (size_t i = 0; i < rec->n; i++)
        s->quoted += rec->quoted[i];
    return ++s->records >= SNIFF_RECORDS ? NK_E_END : NK_OK;
}

/* The sample without its last, cut record (quotes in mind), or all of it. */
static nk_str whole_records(nk_str sample, bool whole, const nk_csv_dialect *d)
{
    if (whole)
        return sample;
    bool in = false;
    size_t end = 0;
    for (size_t i = 0; i < sample.n; i++) {
        char c = sample.p[i];
        if (d->escape && c == d->escape && in)
            i++;
        else if (c == d->quote && d->quote)
            in = !in;
        else if (c == '\n' && !in)
            end = i + 1;
    }
    return nk_str_sub(sample, 0, end ? end : sample.n);
}

static bool run(nk_str sample, bool whole, const nk_csv_dialect *d, nk_csv_fn fn, void *arg)
{
    nk_str text = whole_records(sample, whole, d);
    nk_csv_reader *r = nk_csv_open(d, 16 << 20, fn, arg);
    if (!r)
        return false;
    nk_code rc = nk_csv_feed(r, text, NULL);
    if (rc == NK_OK)
        rc = nk_csv_finish(r, NULL);
    nk_csv_close(r);
    return rc == NK_OK || rc == NK_E_END;
}

/* How well a dialect fits: share of the records that have the commonest width, 0 when that is one
 * column. */
static double fit(nk_str sample, bool whole, nk_csv_dialect *d, bool single)
{
    survey s = {0};
    if (!run(sample, whole, d, survey_record, &s) || !s.records)
        return 0;
    size_t best = 0;
    for (size_t w = 1; w < NK_COUNTOF(s.widths); w++) {
        if (s.widths[w] > s.widths[best])
            best = w;
    }
    d->columns = best;
    d->quoted = s.quoted > 0;
    return best < (single ? 1 : 2) ? 0 : (double)s.widths[best] / (double)s.records;
}

typedef struct first_rows {
    nk_arena *a;
    nk_strs head;
    size_t columns, records, wide, widest;
    size_t texts, values; /* of the data records: cells of text, cells of anything else */
    bool head_text;       /* the first record could be a header */
} first_rows;

/* A name of a column: text, no control characters, not too long unless the last. */
static bool names_column(nk_str cell, bool last)
{
    nk_str s = nk_str_trim(cell);
    if (!last && s.n >= HEADER_CELL_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    }
    return nk_infer_cell(s) == NK_T_STRING || !s.n;
}

static nk_code look(void *arg, const nk_csv_record *rec, nk_err *err)
{
    first_rows *f = arg;
    if (rec->n > f->widest)
        f->widest = rec->n;
    if (rec->number == 1) {
        size_t named = 0;
        f->head_text = rec->n >= f->columns;
        for (size_t i = 0; i < rec->n; i++) {
            f->head_text &= names_column(rec->cells[i], i + 1 == rec->n);
            named += nk_str_trim(rec->cells[i]).n > 0;
            nk_str *cell = nk_strs_add(&f->head, f->a);
            if (!cell)
                return nk_fail(err, NK_E_NOMEM, "Out of memory");
            *cell = nk_str_dup(f->a, rec->cells[i]);
        }
        f->head_text &= named > 0;
        return NK_OK;
    }
    f->records++;
    for (size_t i = 0; i < rec->n && i < f->columns; i++) {
        nk_type_kind k = nk_infer_cell(rec->cells[i]);
        if (k == NK_T_STRING || k == NK_T_DATE || k == NK_T_TIMESTAMP)
            f->texts++;
        else if (k != NK_T_NULL)
            f->values++;
    }
    return f->records >= SNIFF_RECORDS ? NK_E_END : NK_OK;
}

/* Whether the first record is these names. */
static bool heads(const first_rows *f, const nk_strs *names)
{
    for (size_t i = 0; i < names->n; i++) {
        if (i >= f->head.n || !nk_str_ieq(nk_str_trim(f->head.v[i]), nk_str_trim(names->v[i])))
            return false;
    }
    return true;
}

/* Valid UTF-8, no control characters: what may stand in a catalogue. */
static nk_str clean_name(nk_arena *a, nk_str s)
{
    s = nk_str_trim(s);
    char *out = nk_arena_bytes(a, s.n * 3 + 1);
    size_t n = 0;
    if (!out)
        return NK_STR_NULL;
    for (size_t i = 0; i < s.n;) {
        uint32_t cp;
        size_t len = nk_utf8_get(s.p + i, s.n - i, &cp);
        if (!len)
            n += nk_utf8_put(out + n, 0xfffd);
        else if (cp >= 0x20 && cp != 0x7f)
            n += nk_utf8_put(out + n, cp);
        i += len ? len : 1;
    }
    return nk_str_n(out, n);
}

/* The dialect that fits best: share of the records that have its commonest width. */
static double best_dialect(nk_str sample, bool whole, const nk_csv_want *want, nk_csv_dialect *out)
{
    static const char delimiters[] = {',', '|', '\t', ';', 0x01};
    double best = 0;
    bool backslash = nk_str_find(sample, NK_STR("\\\"")) >= 0, given = want && want->delimiter;
    for (size_t i = 0; i < (given ? 1 : sizeof delimiters); i++) {
        for (int escape = 0; escape <= (backslash ? 1 : 0); escape++) {
            nk_csv_dialect d = NK_CSV_DEFAULT;
            d.delimiter = given ? want->delimiter : delimiters[i];
            if (want && want->quote)
                d.quote = want->quote;
            d.escape = escape ? '\\' : 0;
            double share = fit(sample, whole, &d, want && want->single_column);
            /* ties go to more columns: "a,b;c,d" is a file of four commas' cells or two of
             * semicolons' */
            if (share > best + 0.01 ||
                (share > best - 0.01 && share > 0 && d.columns > out->columns)) {
                best = share;
                *out = d;
            }
        }
    }
    return best;
}

bool nk_csv_sniff(nk_str sample, bool whole, const nk_csv_want *want, nk_arena *a,
                  nk_csv_dialect *out, nk_str *why)
{
    double best = best_dialect(sample, whole, want, out);
    if (best < 0.7) {
        *why = best > 0 ? NK_STR("too few lines have the same number of cells to be CSV")
                        : NK_STR("no delimiter gives two columns or more");
        return false;
    }
    first_rows f = {.a = a, .columns = out->columns};
    (void)run(sample, whole, out, look, &f);
    out->header = want && want->header == NK_HEADER_PRESENT  ? true
                  : want && want->header == NK_HEADER_ABSENT ? false
                                                             : f.head_text && f.values > 0;
    if (want && want->header == NK_HEADER_UNKNOWN && want->names.n && !out->header)
        out->header = heads(&f, &want->names);
    if (f.records + (out->header ? 0 : 1) < (want ? 1 : 2)) {
        *why = NK_STR("fewer than two data records: not taken for CSV");
        return false;
    }
    if (out->columns >= 63 && f.widest > out->columns)
        out->columns = f.head.n > out->columns ? f.head.n : f.widest;
    if (want && want->names.n > out->columns)
        out->columns = want->names.n;
    for (size_t i = 0; i < f.head.n; i++) {
        nk_str *name = nk_strs_add(&out->first, a);
        if (name)
            *name = clean_name(a, f.head.v[i]);
    }
    if (out->header)
        out->names = out->first;
    *why = out->header ? NK_STR("delimited text with a header")
                       : NK_STR("delimited text without a header");
    return true;
}

/* ---- JSON ---- */

typedef struct json_sample {
    nk_infer *in;
    uint64_t bytes, objects, others;
} json_sample;

static nk_code json_doc(void *arg, nk_str doc, uint64_t number, uint64_t line, nk_err *err)
{
    json_sample *s = arg;
    if (doc.p[0] == '{')
        s->objects++;
    else
        s->others++;
    s->bytes += doc.n + 1;
    return nk_infer_json(s->in, doc, err);
}

nk_code nk_sniff_json(nk_str sample, bool whole, nk_arena *a, nk_sniffed *out, nk_err *err)
{
    *out = (nk_sniffed){0};
    nk_str text = nk_str_trim(
        nk_str_starts(sample, NK_STR("\xef\xbb\xbf")) ? nk_str_sub(sample, 3, sample.n) : sample);
    if (!text.n || (text.p[0] != '{' && text.p[0] != '['))
        return NK_OK;
    json_sample s = {.in = nk_infer_create(a, 0)};
    nk_json_stream *st = s.in ? nk_json_stream_open(0, json_doc, &s) : NULL;
    if (!st)
        return nk_fail(err, NK_E_NOMEM, "Out of memory");
    nk_err bad = NK_ERR_INIT;
    nk_code rc = nk_json_stream_feed(st, sample, &bad);
    bool cut = rc == NK_OK && whole && nk_json_stream_finish(st, &bad) != NK_OK;
    out->layout = nk_json_stream_layout(st);
    nk_json_stream_close(st);
    if (rc == NK_E_NOMEM)
        return nk_fail(err, rc, "%s", bad.msg);
    if (rc != NK_OK || !s.objects || s.others) {
        out->more = rc == NK_OK && !s.objects && !s.others && !whole;
        out->why = rc != NK_OK ? nk_str_printf(a, "%s", bad.msg)
                   : s.others  ? NK_STR("JSON whose documents are not objects")
                               : NK_STR("no complete JSON object in the sample");
        return NK_OK;
    }
    out->certainty = cut ? 0.9 : 1.0;
    out->records = s.objects;
    out->record_bytes = s.bytes;
    out->why = cut ? nk_str_printf(a, "%s", bad.msg)
                   : NK_STR("every document in the sample is a JSON object");
    return nk_infer_type(s.in, NK_MERGE_CRAWL, 0, a, &out->type, err);
}

/* ---- CSV ---- */

typedef struct csv_sample {
    nk_infer *in;
    const nk_csv_dialect *d;
    const nk_csv_want *want;
    uint64_t records, bytes;
} csv_sample;

/* Untrimmed values that have blanks around them are text: each becomes one for sure. */
static nk_code untrimmed(csv_sample *s, const nk_csv_record *rec, size_t n, nk_err *err)
{
    for (size_t i = 0; i < n; i++) {
        nk_seen *at;
        nk_str cell = rec->cells[i];
        if (nk_str_trim(cell).n == cell.n || !cell.n)
            continue;
        char name[24];
        int len = snprintf(name, sizeof name, "col%zu", i);
        NK_TRY(
            nk_seen_field(s->in, nk_infer_root(s->in), nk_str_n(name, (size_t)len), i, &at, err));
        nk_seen_kind(at, NK_T_STRING);
    }
    return NK_OK;
}

static nk_code csv_record(void *arg, const nk_csv_record *rec, nk_err *err)
{
    csv_sample *s = arg;
    if (s->d->header && rec->number == 1)
        return NK_OK;
    s->records++;
    s->bytes += rec->length + 1;
    size_t n = rec->n < s->d->columns ? rec->n : s->d->columns;
    NK_TRY(nk_infer_csv(s->in, rec->cells, n, err));
    return s->want && s->want->no_trim ? untrimmed(s, rec, n, err) : NK_OK;
}

#define LOOKED_AT 65536 /* bytes that tell text from other things */

/* Control characters of which text has none: a few are damage, many are another kind of file. */
static bool no_text(nk_str sample)
{
    size_t n = sample.n < LOOKED_AT ? sample.n : LOOKED_AT, odd = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)sample.p[i];
        odd += (c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != '\v' &&
                c != 0x01 && c != 0x1b) ||
               c == 0x7f;
    }
    return odd > 3 && odd * 50 > n;
}

/* A sample that holds less than CSV needs, a header and two records: its first ones are long, or a
 * quote of one is not closed in it. */
static bool few_lines(nk_str sample)
{
    bool in = false;
    size_t lines = 0;
    for (size_t i = 0; i < sample.n && lines < 4; i++) {
        in ^= sample.p[i] == '"';
        lines += sample.p[i] == '\n' && !in;
    }
    return lines < 4;
}

nk_code nk_sniff_csv(nk_str sample, bool whole, const nk_csv_want *want, nk_arena *a,
                     nk_sniffed *out, nk_err *err)
{
    *out = (nk_sniffed){0};
    if (no_text(sample)) {
        out->why = NK_STR("bytes that are no text");
        return NK_OK;
    }
    if (!nk_csv_sniff(sample, whole, want, a, &out->dialect, &out->why)) {
        out->more = !whole && few_lines(sample);
        return NK_OK;
    }
    csv_sample s = {.in = nk_infer_create(a, 0), .d = &out->dialect, .want = want};
    if (!s.in)
        return nk_fail(err, NK_E_NOMEM, "Out of memory");
    if (!run(sample, whole, &out->dialect, csv_record, &s)) {
        out->why = NK_STR("its CSV records cannot be read");
        return NK_OK;
    }
    out->certainty = 0.9;
    out->records = s.records;
    out->record_bytes = s.bytes;
    return nk_infer_type(s.in, NK_MERGE_CRAWL, out->dialect.columns, a, &out->type, err);
}
