/* The words of all tables' documents: which table holds which. */
#include <pthread.h>
#include <stdatomic.h>

#include "catalog/search_impl.h"

enum { WORD_MAX = 64, VALUE_MAX = 128, GROWTH_MAX = 1000000 };

/* ---- words ---- */

static bool in_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || (unsigned char)c >= 0x80;
}

static void give(nk_str w, nk_word_fn fn, void *arg)
{
    if (w.n && w.n <= WORD_MAX)
        fn(arg, w);
}

static void give_parts(nk_str w, nk_word_fn fn, void *arg)
{
    nk_str rest = w, part;
    if (nk_str_chr(w, '_') < 0)
        return;
    while (nk_str_split(&rest, '_', &part))
        give(part, fn, arg);
}

void nk_words(nk_str text, nk_arena *a, nk_word_fn fn, void *arg)
{
    nk_str s = text.n ? nk_str_lower(a, text) : text;
    for (size_t i = 0; i < s.n;) {
        size_t from = i;
        while (i < s.n && in_word(s.p[i]))
            i++;
        if (i == from) {
            i++;
            continue;
        }
        nk_str w = nk_str_sub(s, from, i);
        give(w, fn, arg);
        give_parts(w, fn, arg);
    }
}

static void words_of_columns(const glue_Column_list *l, nk_arena *a, nk_word_fn fn, void *arg)
{
    for (size_t i = 0; i < l->n; i++) {
        nk_words(l->v[i].Name, a, fn, arg);
        nk_words(l->v[i].Comment, a, fn, arg);
    }
}

void nk_words_of_table(const glue_Table *t, nk_arena *a, nk_word_fn fn, void *arg)
{
    const nk_str texts[] = {t->Name, t->DatabaseName, t->Description, t->Owner, t->TableType};
    for (size_t i = 0; i < NK_COUNTOF(texts); i++)
        nk_words(texts[i], a, fn, arg);
    if (t->StorageDescriptor)
        words_of_columns(&t->StorageDescriptor->Columns, a, fn, arg);
    words_of_columns(&t->PartitionKeys, a, fn, arg);
    for (size_t i = 0; i < t->Parameters.n; i++) {
        nk_words(t->Parameters.v[i].key, a, fn, arg);
        if (t->Parameters.v[i].value.n <= VALUE_MAX)
            nk_words(t->Parameters.v[i].value, a, fn, arg);
    }
}

/* ---- the index ---- */

nk_code nk_search_create(nk_search **out, nk_err *err)
{
    nk_search *s = nk_calloc(1, sizeof *s);
    if (!s)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    pthread_rwlock_init(&s->lock, NULL);
    pthread_mutex_init(&s->making, NULL);
    nk_map_init(&s->words);
    nk_map_init(&s->by_id);
    *out = s;
    return NK_OK;
}

/* Everything; the lock is held for writing. */
static void forget(nk_search *s)
{
    nk_map_slot *slot;
    for (size_t i = 0; nk_map_next(&s->words, &i, &slot);) {
        nk_search_word *w = slot->value;
        nk_free(w->docs);
        nk_free(w);
    }
    nk_map_free(&s->words);
    nk_map_free(&s->by_id);
    nk_map_init(&s->words);
    nk_map_init(&s->by_id);
    for (size_t i = 0; i < s->ndocs; i++)
        nk_free(s->docs[i]);
    nk_free(s->docs);
    s->docs = NULL;
    s->ndocs = s->cap = 0;
    s->entries = 0;
    s->made = false;
    s->generation++;
}

void nk_search_destroy(nk_search *s)
{
    if (!s)
        return;
    atomic_store(&s->ending, true);
    if (s->started)
        pthread_join(s->thread, NULL);
    forget(s);
    pthread_mutex_destroy(&s->making);
    pthread_rwlock_destroy(&s->lock);
    nk_free(s);
}

/* *fresh: it has no words yet. A table that is renamed has one more: the change may be undone. */
static nk_search_doc *doc_of(nk_search *s, nk_str space, int64_t db, int64_t table,
                             const glue_Table *t, bool *fresh)
{
    nk_search_doc *known = nk_map_get(&s->by_id, nk_str_n((const char *)&table, sizeof table)), *d;
    for (d = known; d; d = d->other)
        if (d->db == db && nk_str_eq(nk_doc_name(d), t->Name))
            return d;
    *fresh = true;
    if (s->ndocs == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 1024;
        nk_search_doc **v = nk_realloc(s->docs, cap * sizeof *v);
        if (!v)
            return NULL;
        s->docs = v;
        s->cap = cap;
    }
    d = nk_calloc(1, sizeof *d + space.n + t->Name.n + t->DatabaseName.n);
    if (!d)
        return NULL;
    d->id = table;
    d->db = db;
    d->number = (uint32_t)s->ndocs;
    d->space_n = (uint16_t)space.n;
    d->name_n = (uint16_t)t->Name.n;
    d->database_n = (uint16_t)t->DatabaseName.n;
    memcpy(d->text, space.p, space.n);
    memcpy(d->text + space.n, t->Name.p, t->Name.n);
    if (t->DatabaseName.n)
        memcpy(d->text + space.n + t->Name.n, t->DatabaseName.p, t->DatabaseName.n);
    if (known) {
        d->other = known->other;
        known->other = d;
    } else if (nk_map_put(&s->by_id, nk_str_n((const char *)&d->id, sizeof d->id), d, NULL) !=
               NK_OK) {
        nk_free(d);
        return NULL;
    }
    s->ordered = (!s->ndocs || s->ordered) && (!s->ndocs || s->docs[s->ndocs - 1]->id < table);
    s->docs[s->ndocs++] = d;
    return d;
}

typedef struct adder {
    nk_search *s;
    nk_search_doc *d;
    const nk_map *old; /* words that are there already; NULL: none */
    bool failed;
} adder;

static void add_word(void *arg, nk_str word)
{
    adder *a = arg;
    nk_search *s = a->s;
    if (a->failed || (a->old && nk_map_has(a->old, word)))
        return;
    nk_search_word *w = nk_map_get(&s->words, word);
    if (!w) {
        w = nk_calloc(1, sizeof *w + word.n);
        if (w) {
            memcpy(w->text, word.p, word.n);
            w->text_n = word.n;
        }
        if (!w || nk_map_put(&s->words, nk_str_n(w->text, w->text_n), w, NULL) != NK_OK) {
            nk_free(w);
            a->failed = true;
            return;
        }
    }
    if (w->n && w->docs[w->n - 1] == a->d->number)
        return;
    if (w->n == w->cap) {
        uint32_t cap = w->cap ? w->cap * 2 : 2;
        uint32_t *v = nk_realloc(w->docs, cap * sizeof *v);
        if (!v) {
            a->failed = true;
            return;
        }
        w->docs = v;
        w->cap = cap;
    }
    w->unsorted = w->unsorted || (w->n && w->docs[w->n - 1] > a->d->number);
    w->docs[w->n++] = a->d->number;
    s->entries++;
}

static void collect_word(void *arg, nk_str word)
{
    nk_map *m = arg;
    if (nk_map_put(m, word, m, NULL) != NK_OK)
        return; /* a word too many in the index, no harm */
}

/* The lock is held for writing. */
nk_code nk_search_add(nk_search *s, nk_str space, int64_t db, int64_t table, const glue_Table *old,
                      const glue_Table *new, nk_arena *a)
{
    nk_map before;
    bool fresh = false;
    adder add = {.s = s, .d = doc_of(s, space, db, table, new, &fresh)};
    if (!add.d)
        return NK_E_NOMEM;
    add.d->times[0] = new->UpdateTime.us;
    add.d->times[1] = new->CreateTime.us;
    add.d->times[2] = new->LastAccessTime.us;
    nk_map_init(&before);
    if (old && !fresh) {
        nk_words_of_table(old, a, collect_word, &before);
        add.old = &before;
    }
    nk_words_of_table(new, a, add_word, &add);
    nk_map_free(&before);
    return add.failed ? NK_E_NOMEM : NK_OK;
}

void nk_search_note(nk_tx *tx, nk_str space, int64_t db, int64_t table, const glue_Table *old,
                    const glue_Table *new)
{
    struct nk_catalog *c = nk_catalog_of(nk_tx_store(tx));
    nk_search *s = c ? nk_catalog_search(c) : NULL;
    if (!s || !atomic_load(&s->wanted))
        return;
    nk_arena *a = nk_arena_create(0);
    pthread_rwlock_wrlock(&s->lock);
    /* Without memory, or with more stale words than live ones: the next search makes it anew. */
    if (!a || nk_search_add(s, space, db, table, old, new, a) != NK_OK ||
        s->entries > 2 * s->entries_made + GROWTH_MAX)
        forget(s);
    pthread_rwlock_unlock(&s->lock);
    nk_arena_destroy(a);
}

void nk_search_note_json(nk_tx *tx, nk_str space, int64_t db, int64_t table, nk_str old, nk_str new,
                         nk_arena *a)
{
    glue_Table *o = NULL, *n;
    struct nk_catalog *c = nk_catalog_of(nk_tx_store(tx));
    nk_search *s = c ? nk_catalog_search(c) : NULL;
    if (!s || !atomic_load(&s->wanted))
        return;
    if ((old.p && nk_model_decode(&glue_Table_shape, old, a, (void **)&o, NULL) != NK_OK) ||
        nk_model_decode(&glue_Table_shape, new, a, (void **)&n, NULL) != NK_OK) {
        nk_search_stale(s);
        return;
    }
    nk_search_note(tx, space, db, table, o, n);
}

void nk_search_stale(nk_search *s)
{
    pthread_rwlock_wrlock(&s->lock);
    forget(s);
    pthread_rwlock_unlock(&s->lock);
}

/* ---- making it ---- */

typedef struct maker {
    nk_search *s;
    nk_arena *arena, *scratch;
    nk_map spaces; /* a database's number (8 bytes) → its space */
    uint64_t generation;
    nk_code rc;
} maker;

typedef struct space_of {
    int64_t db;
    nk_str space;
} space_of;

static bool make_database(void *arg, const nk_row *row)
{
    maker *m = arg;
    space_of *x = NK_NEW(m->arena, space_of);
    if (x) {
        x->db = row->cols[NK_DB_ID].i;
        x->space = nk_str_dup(m->arena, row->cols[NK_DB_REGION].s);
    }
    if (!x || !x->space.p ||
        nk_map_put(&m->spaces, nk_str_n((const char *)&x->db, sizeof x->db), x, NULL) != NK_OK)
        m->rc = NK_E_NOMEM;
    return m->rc == NK_OK;
}

/* One table of the snapshot. A change that was noted meanwhile is newer than it: its times stand.
 */
static nk_code add_made(maker *m, nk_str space, int64_t db, int64_t id, const glue_Table *t)
{
    nk_search *s = m->s;
    int64_t times[3];
    nk_code rc = NK_E_END; /* forgotten meanwhile */
    pthread_rwlock_wrlock(&s->lock);
    if (s->generation == m->generation) {
        nk_search_doc *d = nk_map_get(&s->by_id, nk_str_n((const char *)&id, sizeof id));
        if (d)
            memcpy(times, d->times, sizeof times);
        rc = nk_search_add(s, space, db, id, NULL, t, m->scratch);
        if (d)
            memcpy(d->times, times, sizeof times);
    }
    pthread_rwlock_unlock(&s->lock);
    return rc;
}

static bool make_table(void *arg, const nk_row *row)
{
    maker *m = arg;
    glue_Table *t;
    int64_t db = row->cols[NK_TBL_DB].i;
    const space_of *x = nk_map_get(&m->spaces, nk_str_n((const char *)&db, sizeof db));
    if (!x) /* of a deleted database */
        return true;
    nk_arena_reset(m->scratch);
    m->rc = atomic_load(&m->s->ending) ? NK_E_CANCELLED
            : nk_model_decode(&glue_Table_shape, row->body, m->scratch, (void **)&t, NULL) != NK_OK
                ? NK_E_NOMEM
                : add_made(m, x->space, db, row->cols[NK_TBL_ID].i, t);
    return m->rc == NK_OK;
}

/* The lock is taken for a table at a time, so that writers go on. NK_E_END: begin again. */
static nk_code make_once(maker *m, nk_tx *tx, nk_err *err)
{
    nk_search *s = m->s;
    nk_query databases = {.kind = &nk_kind_database, .no_body = true},
             tables = {.kind = &nk_kind_table, .index = &nk_kind_table.indexes[0]};
    NK_TRY(nk_store_scan(tx, &databases, make_database, m, err));
    if (m->rc == NK_OK)
        NK_TRY(nk_store_scan(tx, &tables, make_table, m, err));
    if (m->rc != NK_OK)
        return m->rc;
    pthread_rwlock_wrlock(&s->lock);
    bool whole = s->generation == m->generation;
    s->made = whole;
    s->entries_made = s->entries;
    pthread_rwlock_unlock(&s->lock);
    return whole ? NK_OK : NK_E_END;
}

static bool begin(maker *m, nk_search *s)
{
    pthread_rwlock_rdlock(&s->lock);
    bool made = s->made;
    *m = (maker){.s = s, .generation = s->generation};
    pthread_rwlock_unlock(&s->lock);
    if (made)
        return false;
    m->arena = nk_arena_create(0);
    m->scratch = nk_arena_create(0);
    nk_map_init(&m->spaces);
    return true;
}

nk_code nk_search_make(nk_search *s, nk_tx *tx, nk_err *err)
{
    maker m;
    nk_code rc = NK_E_END;
    pthread_mutex_lock(&s->making);
    while (rc == NK_E_END && begin(&m, s)) {
        rc = m.arena && m.scratch ? make_once(&m, tx, err) : NK_E_NOMEM;
        nk_map_free(&m.spaces);
        nk_arena_destroy(m.arena);
        nk_arena_destroy(m.scratch);
    }
    if (rc == NK_E_END) /* it was there */
        rc = NK_OK;
    else if (rc != NK_OK)
        nk_search_stale(s);
    pthread_mutex_unlock(&s->making);
    return rc == NK_E_NOMEM       ? nk_fail(err, rc, "out of memory for the index of SearchTables")
           : rc == NK_E_CANCELLED ? nk_fail(err, rc, "The server is stopping.")
                                  : rc;
}

/* ---- at the server's start ---- */

#define SEARCHED NK_KEY(nk_vc(""), nk_vc("searched"))

nk_code nk_search_remember(nk_tx *tx, void *arg, nk_err *err)
{
    nk_row row = {.cols = SEARCHED, .body = NK_STR("{}")};
    return nk_store_put(tx, &nk_kind_catalog_settings, &row, err);
}

static nk_code was_searched(nk_tx *tx, void *arg, nk_err *err)
{
    return nk_store_has(tx, &nk_kind_catalog_settings, SEARCHED, arg, err);
}

static nk_code make_in_tx(nk_tx *tx, void *arg, nk_err *err)
{
    return nk_search_make(arg, tx, err);
}

static void *make_thread(void *arg)
{
    nk_app *app = arg;
    nk_err err = NK_ERR_INIT;
    nk_code rc = nk_store_read(app->store, make_in_tx, nk_catalog_search(app->catalog), &err);
    if (rc != NK_OK && rc != NK_E_CANCELLED)
        nk_warn("catalog", "the index of SearchTables waits for the first search: %s", err.msg);
    return NULL;
}

nk_code nk_search_start(nk_search *s, nk_app *app, nk_err *err)
{
    bool searched;
    NK_TRY(nk_store_read(app->store, was_searched, &searched, err));
    if (!searched)
        return NK_OK;
    atomic_store(&s->wanted, true);
    atomic_store(&s->ready, true); /* nothing is being written yet */
    s->started = pthread_create(&s->thread, NULL, make_thread, app) == 0;
    return NK_OK; /* without a thread the first search makes it */
}
