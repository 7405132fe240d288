/* SearchTables. Words of the text and of string filters pick candidates from the index; the page's
 * are taken in order, loaded, and compared with everything that was asked. */
#include <stdlib.h>

#include "catalog/search_impl.h"

enum { REPLY_MAX = 6 << 20, MISSES_MAX = 2000 };

/* ---- what is asked ---- */

typedef enum { SORT_ID, SORT_NAME, SORT_DATABASE, SORT_TIME } sort_by;

typedef struct bound { /* of a time */
    int which;         /* of nk_search_doc.times; 3: LastAnalyzedTime */
    nk_str comparator;
    int64_t us;
} bound;

typedef struct request {
    nk_call *call;
    const nk_catalog_ctx *ctx;
    const glue_SearchTablesRequest *in;
    nk_strs words; /* all must be there */
    nk_str exact;  /* of a quoted text, folded */
    bound bounds[32];
    size_t nbounds;
    sort_by sort;
    int time; /* SORT_TIME: which */
    bool desc, failed;
} request;

static int time_named(nk_str key)
{
    static const char *const names[] = {"UpdateTime", "CreateTime", "LastAccessTime",
                                        "LastAnalyzedTime"};
    for (int i = 0; i < 4; i++)
        if (nk_str_ieq(key, nk_str_c(names[i])))
            return i;
    return -1;
}

static void want_word(void *arg, nk_str word)
{
    request *r = arg;
    for (size_t i = 0; i < r->words.n; i++)
        if (nk_str_eq(r->words.v[i], word))
            return;
    nk_str *w = nk_strs_add(&r->words, r->call->arena);
    if (w)
        *w = word;
    r->failed = r->failed || !w;
}

bool nk_search_time(nk_str s, int64_t *us)
{
    double number;
    nk_civil c = {.month = 1, .day = 1};
    int *const parts[] = {&c.year, &c.month, &c.day, &c.hour, &c.minute, &c.second};
    static const int widths[] = {4, 2, 2, 2, 2, 2};
    if (nk_str_f64(s, &number) && number > 3000) {
        *us = (int64_t)(number > 1e11 ? number * 1e3 : number * 1e6);
        return true;
    }
    size_t at = 0;
    for (size_t i = 0; i < NK_COUNTOF(parts) && at < s.n; i++) {
        int64_t v;
        if (!nk_str_i64(nk_str_sub(s, at, at + (size_t)widths[i]), &v))
            return i > 0 && (s.p[at] == 'Z' || s.p[at] == '.') ? (*us = nk_civil_to_us(&c), true)
                                                               : false;
        *parts[i] = (int)v;
        at += (size_t)widths[i];
        if (at < s.n && strchr("-T: Z.+", s.p[at]))
            at++;
    }
    *us = nk_civil_to_us(&c);
    return s.n >= 4;
}

static nk_code take_filter(request *r, const glue_PropertyPredicate *f)
{
    nk_err *err = r->call->err;
    if (!f->Key.p || !f->Value.p)
        return nk_fail(err, NK_E_INVALID, "A filter must have a Key and a Value.");
    int which = time_named(f->Key);
    if (which < 0) {
        if (f->Comparator.p && !nk_str_is(f->Comparator, "EQUALS"))
            return nk_fail(err, NK_E_INVALID, "The comparator %.*s is for times; '%.*s' is none.",
                           NK_STR_ARG(f->Comparator), NK_STR_ARG(f->Key));
        nk_words(f->Value, r->call->arena, want_word, r);
        return NK_OK;
    }
    if (r->nbounds == NK_COUNTOF(r->bounds))
        return nk_fail(err, NK_E_INVALID, "At most %zu filters of times can be given.",
                       NK_COUNTOF(r->bounds));
    bound *b = &r->bounds[r->nbounds++];
    b->which = which;
    b->comparator = f->Comparator.p ? f->Comparator : NK_STR("EQUALS");
    return nk_search_time(f->Value, &b->us)
               ? NK_OK
               : nk_fail(err, NK_E_INVALID, "'%.*s' is no time: give 2024-05-06T07:08:09Z.",
                         NK_STR_ARG(f->Value));
}

static nk_code take_sort(request *r, const glue_SortCriterion *c)
{
    r->desc = nk_str_is(c->Sort, "DESC");
    if (!c->FieldName.p)
        return nk_fail(r->call->err, NK_E_INVALID, "A sort criterion must have a FieldName.");
    r->time = time_named(c->FieldName);
    if (r->time >= 0 && r->time < 3)
        r->sort = SORT_TIME;
    else if (nk_str_ieq(c->FieldName, NK_STR("Name")) ||
             nk_str_ieq(c->FieldName, NK_STR("TableName")))
        r->sort = SORT_NAME;
    else if (nk_str_ieq(c->FieldName, NK_STR("DatabaseName")))
        r->sort = SORT_DATABASE;
    else
        return nk_fail(r->call->err, NK_E_INVALID,
                       "Tables cannot be sorted by '%.*s': give Name, DatabaseName, UpdateTime, "
                       "CreateTime or LastAccessTime.",
                       NK_STR_ARG(c->FieldName));
    return NK_OK;
}

static nk_code read_request(request *r)
{
    const glue_SearchTablesRequest *in = r->in;
    nk_str text = nk_str_trim(in->SearchText);
    for (size_t i = 0; i < in->Filters.n; i++)
        NK_TRY(take_filter(r, &in->Filters.v[i]));
    if (in->SortCriteria.n)
        NK_TRY(take_sort(r, &in->SortCriteria.v[0]));
    if (text.n > 1 && text.p[0] == '"' && text.p[text.n - 1] == '"') {
        text = nk_str_sub(text, 1, text.n - 1);
        r->exact = nk_str_lower(r->call->arena, text);
        r->failed = r->failed || !r->exact.p;
    }
    nk_words(text, r->call->arena, want_word, r);
    return r->failed ? nk_fail(r->call->err, NK_E_NOMEM, "out of memory") : NK_OK;
}

/* ---- candidates ---- */

typedef struct place {
    bool set;
    int64_t id, number; /* number: of SORT_TIME */
    nk_str text;
} place;

static place place_of(const request *r, const nk_search_doc *d)
{
    place p = {.set = true, .id = d->id};
    if (r->sort == SORT_TIME)
        p.number = d->times[r->time];
    else if (r->sort == SORT_NAME)
        p.text = nk_doc_name(d);
    else if (r->sort == SORT_DATABASE)
        p.text = nk_doc_database(d);
    return p;
}

static int compare_places(const request *r, const place *x, const place *y)
{
    int c = 0;
    if (r->sort == SORT_TIME)
        c = (x->number > y->number) - (x->number < y->number);
    else if (r->sort != SORT_ID)
        c = nk_str_cmp(x->text, y->text);
    if (!c)
        c = (x->id > y->id) - (x->id < y->id);
    return r->desc ? -c : c;
}

/* The best k after a place, as a heap with the worst on top. */
typedef struct best {
    const request *r;
    const place *after;
    const nk_search_doc **v;
    size_t n, max;
    place worst; /* of v[0], when it is full */
} best;

static int compare_docs(const request *r, const nk_search_doc *x, const nk_search_doc *y)
{
    place a = place_of(r, x), b = place_of(r, y);
    return compare_places(r, &a, &b);
}

static void sink(best *b, size_t i)
{
    for (;;) {
        size_t worst = i;
        for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < b->n; k++)
            if (compare_docs(b->r, b->v[k], b->v[worst]) > 0)
                worst = k;
        if (worst == i)
            return;
        const nk_search_doc *t = b->v[i];
        b->v[i] = b->v[worst];
        b->v[worst] = t;
        i = worst;
    }
}

static bool time_passes(const bound *b, int64_t t)
{
    if (!t)
        return false;
    if (nk_str_is(b->comparator, "GREATER_THAN"))
        return t > b->us;
    if (nk_str_is(b->comparator, "LESS_THAN"))
        return t < b->us;
    if (nk_str_is(b->comparator, "GREATER_THAN_EQUALS"))
        return t >= b->us;
    if (nk_str_is(b->comparator, "LESS_THAN_EQUALS"))
        return t <= b->us;
    return t / 1000000 == b->us / 1000000;
}

static void consider(best *b, const nk_search_doc *d)
{
    const request *r = b->r;
    place p = place_of(r, d);
    /* first what rejects most */
    if (b->n == b->max && compare_places(r, &p, &b->worst) >= 0)
        return;
    if (!nk_str_eq(nk_doc_space(d), r->ctx->region))
        return;
    if (b->after->set && compare_places(r, &p, b->after) <= 0)
        return;
    if (b->n == b->max) {
        b->v[0] = d;
        sink(b, 0);
        b->worst = place_of(r, b->v[0]);
        return;
    }
    size_t i = b->n++;
    b->v[i] = d;
    for (; i && compare_docs(r, b->v[i], b->v[(i - 1) / 2]) > 0; i = (i - 1) / 2) {
        b->v[i] = b->v[(i - 1) / 2];
        b->v[(i - 1) / 2] = d;
    }
    if (b->n == b->max)
        b->worst = place_of(r, b->v[0]);
}

static int compare_numbers(const void *x, const void *y)
{
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return (a > b) - (a < b);
}

/* A word's documents, sorted; the index's own list where that is sorted. */
static const uint32_t *sorted(const nk_search_word *w, nk_arena *a)
{
    if (!w->unsorted)
        return w->docs;
    uint32_t *copy = (uint32_t *)nk_arena_alloc(a, w->n * sizeof *copy);
    if (copy) {
        memcpy(copy, w->docs, w->n * sizeof *copy);
        qsort(copy, w->n, sizeof *copy, compare_numbers);
    }
    return copy;
}

/* The first place from `at` on whose number is not less than x: doubling steps, then halving. */
static uint32_t seek(const uint32_t *v, uint32_t n, uint32_t at, uint32_t x)
{
    uint32_t step = 1, hi = at;
    while (hi < n && v[hi] < x) {
        at = hi + 1;
        hi += step;
        step *= 2;
    }
    if (hi > n)
        hi = n;
    while (at < hi) {
        uint32_t mid = at + (hi - at) / 2;
        if (v[mid] < x)
            at = mid + 1;
        else
            hi = mid;
    }
    return at;
}

/* Nothing that comes later can be better. */
static bool enough(const nk_search *s, const best *b)
{
    return s->ordered && b->r->sort == SORT_ID && !b->r->desc && b->n == b->max;
}

/* Documents lie anywhere, and waiting for memory is most of the work: those that come up soon are
 * fetched ahead. */
#define AHEAD 12

static void fetch(const nk_search_doc *d)
{
    __builtin_prefetch(d);
    __builtin_prefetch((const char *)d + 64); /* its text goes on there */
}

/* Documents (which = NULL: all), every SAMPLE-th first. Tables are often made in the order of their
 * names and always in that of their times: taken one after the other, each may be better than all
 * before it and go through the heap. After the sample few do, whatever their order. */
#define SAMPLE 64

static void consider_many(const nk_search *s, best *b, const uint32_t *which, size_t n)
{
    for (size_t i = 0; i < n; i += SAMPLE)
        consider(b, s->docs[which ? which[i] : i]);
    for (size_t i = 0; i < n; i++) {
        if (i + AHEAD < n)
            fetch(s->docs[which ? which[i + AHEAD] : i + AHEAD]);
        if (i % SAMPLE)
            consider(b, s->docs[which ? which[i] : i]);
    }
}

/* The lock is held for reading. */
static nk_code pick_all(const nk_search *s, best *b)
{
    if (b->r->sort != SORT_ID)
        consider_many(s, b, NULL, s->ndocs);
    else
        for (size_t i = 0; i < s->ndocs && !enough(s, b); i++)
            consider(b, s->docs[b->r->desc ? s->ndocs - 1 - i : i]);
    return NK_OK;
}

typedef struct cursor {
    const uint32_t *v;
    uint32_t n, at;
} cursor;

/* Documents that hold every word. The lock is held for reading. */
static nk_code pick(const nk_search *s, best *b, nk_arena *a)
{
    const request *r = b->r;
    cursor *c = NK_NEWN(a, cursor, r->words.n + 1);
    if (!c)
        return NK_E_NOMEM;
    if (!r->words.n)
        return pick_all(s, b);
    for (size_t i = 0; i < r->words.n; i++) {
        const nk_search_word *w = nk_map_get(&s->words, r->words.v[i]);
        if (!w)
            return NK_OK; /* in no table */
        c[i] = (cursor){.v = sorted(w, a), .n = w->n};
        if (!c[i].v)
            return NK_E_NOMEM;
        if (c[i].n < c[0].n) {
            cursor t = c[0];
            c[0] = c[i];
            c[i] = t;
        }
    }
    uint32_t *found = (uint32_t *)nk_arena_alloc(a, c[0].n * sizeof *found), n = 0;
    if (!found)
        return NK_E_NOMEM;
    while (c[0].at < c[0].n && !enough(s, b)) {
        uint32_t x = c[0].v[c[0].at];
        bool all = true;
        for (size_t i = 1; all && i < r->words.n; i++) {
            c[i].at = seek(c[i].v, c[i].n, c[i].at, x);
            if (c[i].at == c[i].n)
                goto whole;
            all = c[i].v[c[i].at] == x;
            if (!all) /* go on at what this one has */
                x = c[i].v[c[i].at];
        }
        if (all) {
            if (r->sort == SORT_ID && !r->desc)
                consider(b, s->docs[x]); /* it may be enough */
            else
                found[n++] = x;
            x++;
        }
        c[0].at = seek(c[0].v, c[0].n, c[0].at, x);
    }
whole:
    consider_many(s, b, found, n);
    return NK_OK;
}

/* ---- comparing a loaded table ---- */

typedef struct words_in {
    nk_map have;
    bool failed;
} words_in;

static void have_word(void *arg, nk_str word)
{
    words_in *w = arg;
    w->failed = w->failed || nk_map_put(&w->have, word, w, NULL) != NK_OK;
}

typedef struct checker {
    const nk_map *have;
    bool all;
} checker;

static void check_word(void *arg, nk_str word)
{
    checker *c = arg;
    c->all = c->all && nk_map_has(c->have, word);
}

/* Whether the words of want are among those of field. */
static bool words_within(nk_str want, nk_str field, nk_arena *a)
{
    words_in w = {0};
    nk_map_init(&w.have);
    nk_words(field, a, have_word, &w);
    checker c = {&w.have, true};
    nk_words(want, a, check_word, &c);
    nk_map_free(&w.have);
    return c.all;
}

/* Any of the columns' names. */
static bool column_matches(const glue_Column_list *l, nk_str value, nk_arena *a)
{
    for (size_t i = 0; i < l->n; i++)
        if (words_within(value, l->v[i].Name, a))
            return true;
    return false;
}

static bool filter_passes(const glue_PropertyPredicate *f, const glue_Table *t, nk_arena *a)
{
    const struct {
        const char *key;
        nk_str value;
    } fields[] = {{"Name", t->Name},
                  {"TableName", t->Name},
                  {"DatabaseName", t->DatabaseName},
                  {"Description", t->Description},
                  {"Owner", t->Owner},
                  {"TableType", t->TableType},
                  {"CatalogId", t->CatalogId}};
    for (size_t i = 0; i < NK_COUNTOF(fields); i++)
        if (nk_str_ieq(f->Key, nk_str_c(fields[i].key)))
            return words_within(f->Value, fields[i].value, a);
    if (nk_str_ieq(f->Key, NK_STR("Columns")) || nk_str_ieq(f->Key, NK_STR("ColumnName")))
        return (t->StorageDescriptor &&
                column_matches(&t->StorageDescriptor->Columns, f->Value, a)) ||
               column_matches(&t->PartitionKeys, f->Value, a);
    for (size_t i = 0; i < t->Parameters.n; i++)
        if (nk_str_ieq(t->Parameters.v[i].key, f->Key))
            return words_within(f->Value, t->Parameters.v[i].value, a);
    return false;
}

static bool is_exact(nk_str want, nk_str field, nk_arena *a)
{
    nk_str f = field.n ? nk_str_lower(a, field) : field;
    return f.p && nk_str_eq(f, want);
}

static bool exact_in_columns(nk_str want, const glue_Column_list *l, nk_arena *a)
{
    for (size_t i = 0; i < l->n; i++)
        if (is_exact(want, l->v[i].Name, a) || is_exact(want, l->v[i].Comment, a))
            return true;
    return false;
}

static bool exact_passes(nk_str want, const glue_Table *t, nk_arena *a)
{
    if (!want.p || is_exact(want, t->Name, a) || is_exact(want, t->DatabaseName, a) ||
        is_exact(want, t->Description, a) || is_exact(want, t->Owner, a) ||
        exact_in_columns(want, &t->PartitionKeys, a) ||
        (t->StorageDescriptor && exact_in_columns(want, &t->StorageDescriptor->Columns, a)))
        return true;
    for (size_t i = 0; i < t->Parameters.n; i++)
        if (is_exact(want, t->Parameters.v[i].key, a) ||
            is_exact(want, t->Parameters.v[i].value, a))
            return true;
    return false;
}

static bool passes(const request *r, const glue_Table *t, nk_arena *a)
{
    words_in w = {0};
    bool all = true;
    const int64_t times[] = {t->UpdateTime.us, t->CreateTime.us, t->LastAccessTime.us,
                             t->LastAnalyzedTime.us};
    for (size_t i = 0; i < r->nbounds; i++)
        if (!time_passes(&r->bounds[i], times[r->bounds[i].which]))
            return false;
    nk_map_init(&w.have);
    if (r->words.n)
        nk_words_of_table(t, a, have_word, &w);
    for (size_t i = 0; all && i < r->words.n; i++)
        all = nk_map_has(&w.have, r->words.v[i]);
    nk_map_free(&w.have);
    for (size_t i = 0; all && i < r->in->Filters.n; i++)
        if (time_named(r->in->Filters.v[i].Key) < 0)
            all = filter_passes(&r->in->Filters.v[i], t, a);
    return all && exact_passes(r->exact, t, a);
}

/* ---- pages ---- */

typedef struct candidate { /* copied out of the index */
    int64_t id, db;
    nk_str name, database;
    place at;
} candidate;

typedef struct searcher {
    request *r;
    nk_arena *scratch;
    glue_Table_list found;
    size_t bytes, misses;
    place last;
    int64_t seen_db; /* the last database looked up, and whether it lives */
    bool lives;
} searcher;

static nk_code database_lives(searcher *s, const candidate *c, bool *yes)
{
    nk_row row;
    nk_call *call = s->r->call;
    if (s->seen_db != c->db) {
        nk_code rc = nk_store_get(call->tx, &nk_kind_database,
                                  NK_KEY(nk_vs(s->r->ctx->region), nk_vs(c->database)), s->scratch,
                                  &row, call->err);
        if (rc != NK_OK && rc != NK_E_NOT_FOUND)
            return rc;
        s->seen_db = c->db;
        s->lives = rc == NK_OK && row.cols[NK_DB_ID].i == c->db;
    }
    *yes = s->lives;
    return NK_OK;
}

static nk_code try_one(searcher *s, const candidate *c)
{
    nk_call *call = s->r->call;
    nk_row row;
    glue_Table *t;
    bool lives;
    NK_TRY(database_lives(s, c, &lives));
    nk_code rc = !lives
                     ? NK_E_NOT_FOUND
                     : nk_store_get(call->tx, &nk_kind_table, NK_KEY(nk_vi(c->db), nk_vs(c->name)),
                                    s->scratch, &row, call->err);
    if (rc == NK_E_NOT_FOUND || (rc == NK_OK && row.cols[NK_TBL_ID].i != c->id)) {
        s->misses++;
        return NK_OK;
    }
    NK_TRY(rc);
    NK_TRY(nk_model_decode(&glue_Table_shape, row.body, s->scratch, (void **)&t, call->err));
    if (!passes(s->r, t, s->scratch))
        return NK_OK;
    nk_str body = nk_str_dup(call->arena, row.body);
    if (!body.p)
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    s->found.v[s->found.n++].raw_ = body;
    s->bytes += body.n;
    return NK_OK;
}

/* The next candidates in order, copied; the index may change afterwards. */
static nk_code next_candidates(searcher *s, nk_search *index, size_t max, candidate **out,
                               size_t *n)
{
    nk_arena *a = s->r->call->arena;
    best b = {
        .r = s->r, .after = &s->last, .max = max, .v = NK_NEWN(a, const nk_search_doc *, max)};
    *out = NK_NEWN(a, candidate, max);
    if (!b.v || !*out)
        return nk_fail(s->r->call->err, NK_E_NOMEM, "out of memory");
    for (;;) {
        NK_TRY(nk_search_make(index, s->r->call->tx, s->r->call->err));
        pthread_rwlock_rdlock(&index->lock);
        if (index->made)
            break;
        pthread_rwlock_unlock(&index->lock); /* forgotten in between */
    }
    nk_code rc = pick(index, &b, s->scratch);
    for (size_t size = b.n; rc == NK_OK && b.n; b.n--) { /* the worst goes last */
        const nk_search_doc *d = b.v[0];
        candidate *c = &(*out)[b.n - 1];
        *c = (candidate){.id = d->id,
                         .db = d->db,
                         .name = nk_str_dup(a, nk_doc_name(d)),
                         .database = nk_str_dup(a, nk_doc_database(d)),
                         .at = place_of(s->r, d)};
        if (c->at.text.p)
            c->at.text = nk_str_dup(a, c->at.text);
        if (!c->name.p || !c->database.p)
            rc = NK_E_NOMEM;
        b.v[0] = b.v[b.n - 1];
        size_t left = b.n - 1;
        b.n = left;
        sink(&b, 0);
        b.n = left + 1;
        *n = size;
    }
    pthread_rwlock_unlock(&index->lock);
    return rc == NK_OK ? rc : nk_fail(s->r->call->err, rc, "out of memory");
}

static nk_str pack_place(const place *p, nk_arena *a)
{
    return nk_str_printf(a, "%lld %lld %.*s", (long long)p->id, (long long)p->number,
                         NK_STR_ARG(p->text));
}

static bool unpack_place(nk_str s, place *p)
{
    nk_str id, number;
    p->set = true;
    if (!nk_str_split(&s, ' ', &id) || !nk_str_i64(id, &p->id))
        return false;
    ptrdiff_t blank = nk_str_chr(s, ' ');
    number = blank < 0 ? s : nk_str_sub(s, 0, (size_t)blank);
    p->text = blank < 0 ? NK_STR("") : nk_str_sub(s, (size_t)blank + 1, s.n);
    return nk_str_i64(number, &p->number);
}

static nk_code search(searcher *s, nk_search *index, size_t max, bool *more)
{
    *more = false;
    for (;;) {
        candidate *c;
        size_t n = 0, want = max + 16;
        NK_TRY(next_candidates(s, index, want, &c, &n));
        for (size_t i = 0; i < n; i++) {
            size_t before = s->found.n;
            if (before == max || s->bytes > REPLY_MAX) {
                *more = true;
                return NK_OK;
            }
            NK_TRY(try_one(s, &c[i]));
            s->last = c[i].at;
            nk_arena_reset(s->scratch);
        }
        if (n < want)
            return NK_OK;
    }
}

static nk_code bind(const request *r, nk_str *out)
{
    nk_str json;
    glue_SearchTablesRequest same = *r->in;
    same.NextToken = NK_STR_NULL;
    same.MaxResults = (nk_opt_i64){0};
    NK_TRY(nk_model_encode_str(&glue_SearchTablesRequest_shape, &same, r->call->arena, &json,
                               r->call->err));
    *out = nk_str_printf(r->call->arena, "%.*s %.*s", NK_STR_ARG(r->ctx->region), NK_STR_ARG(json));
    return out->p ? NK_OK : nk_fail(r->call->err, NK_E_NOMEM, "out of memory");
}

/* From the first search on changes are noted. What was changed before, but is not committed yet,
 * must be in the snapshot that the index is made from: our closure waits for it. */
static nk_code begin_noting(nk_call *call, nk_search *index)
{
    nk_code rc = NK_OK;
    if (atomic_load(&index->ready))
        return NK_OK;
    atomic_store(&index->wanted, true);
    rc = nk_store_write(call->app->store, nk_search_remember, NULL, call->err);
    if (rc == NK_OK)
        atomic_store(&index->ready, true);
    return rc;
}

typedef struct search_call {
    nk_call *call;
    const glue_SearchTablesRequest *in;
    glue_SearchTablesResponse *out;
} search_call;

static nk_code search_tables(nk_call *call, const glue_SearchTablesRequest *in,
                             glue_SearchTablesResponse *out);

static nk_code search_in_tx(nk_tx *tx, void *arg, nk_err *err)
{
    search_call *c = arg;
    c->call->tx = tx;
    return search_tables(c->call, c->in, c->out);
}

nk_code glue_SearchTables(nk_call *call, const glue_SearchTablesRequest *in,
                          glue_SearchTablesResponse *out)
{
    search_call c = {call, in, out};
    NK_TRY(begin_noting(call, nk_catalog_search(call->app->catalog)));
    return nk_store_read(call->app->store, search_in_tx, &c, call->err);
}

static nk_code search_tables(nk_call *call, const glue_SearchTablesRequest *in,
                             glue_SearchTablesResponse *out)
{
    nk_catalog_ctx ctx;
    nk_str request_text, token;
    bool more;
    size_t max = (size_t)nk_i64_or(in->MaxResults, 100);
    request r = {.call = call, .ctx = &ctx, .in = in};
    searcher s = {.r = &r, .seen_db = -1};
    nk_search *index = nk_catalog_search(call->app->catalog);
    out->TableList.set = true;
    NK_TRY(nk_catalog_open(call, in->CatalogId, &ctx));
    NK_TRY(read_request(&r));
    NK_TRY(bind(&r, &request_text));
    NK_TRY(nk_page_open(call, request_text, in->NextToken, &token));
    if (token.p && !unpack_place(token, &s.last))
        return nk_fail(call->err, NK_E_INVALID, "Invalid NextToken.");
    if (nk_str_is(in->ResourceShareType, "FOREIGN") ||
        nk_str_is(in->ResourceShareType, "FEDERATED"))
        return NK_OK; /* there are none */
    s.found = (glue_Table_list){.v = NK_NEWN(call->arena, glue_Table, max + 1), .set = true};
    s.scratch = nk_arena_create(0);
    if (!s.found.v || !s.scratch) {
        nk_arena_destroy(s.scratch);
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    }
    nk_code rc = search(&s, index, max, &more);
    nk_arena_destroy(s.scratch);
    if (s.misses > MISSES_MAX)
        nk_search_stale(index);
    NK_TRY(rc);
    out->TableList = s.found;
    if (!more)
        return NK_OK;
    nk_str at = pack_place(&s.last, call->arena);
    return at.p ? nk_page_token(call, request_text, at, &out->NextToken)
                : nk_fail(call->err, NK_E_NOMEM, "out of memory");
}
