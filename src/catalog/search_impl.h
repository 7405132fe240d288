/* What search.c and search_index.c share. */
#ifndef NK_SEARCH_IMPL_H
#define NK_SEARCH_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "catalog/search_int.h"

typedef struct nk_search_doc nk_search_doc;
struct nk_search_doc {
    int64_t id, db;
    nk_search_doc *other; /* of the same table, when it had another name */
    int64_t times[3];     /* UpdateTime, CreateTime, LastAccessTime; 0 = none */
    uint32_t number;
    uint16_t space_n, name_n, database_n;
    char text[]; /* space, name, database */
};

typedef struct nk_search_word {
    uint32_t *docs, n, cap;
    bool unsorted;
    size_t text_n;
    char text[];
} nk_search_word;

struct nk_search {
    pthread_rwlock_t lock;
    atomic_bool wanted;     /* a search has been asked for: changes are noted from now on */
    atomic_bool ready;      /* … and what was not noted is committed */
    pthread_mutex_t making; /* over one making of it; taken before the lock */
    pthread_t thread;       /* makes it at the server's start */
    bool started;
    atomic_bool ending;
    uint64_t generation; /* counts how often all was forgotten */
    bool made;
    bool ordered; /* documents stand in the order of their tables' numbers */
    nk_map words, by_id;
    nk_search_doc **docs;
    size_t ndocs, cap, entries, entries_made;
};

static inline nk_str nk_doc_space(const nk_search_doc *d)
{
    return nk_str_n(d->text, d->space_n);
}
static inline nk_str nk_doc_name(const nk_search_doc *d)
{
    return nk_str_n(d->text + d->space_n, d->name_n);
}
static inline nk_str nk_doc_database(const nk_search_doc *d)
{
    return nk_str_n(d->text + d->space_n + d->name_n, d->database_n);
}

nk_code nk_search_add(nk_search *s, nk_str space, int64_t db, int64_t table, const glue_Table *old,
                      const glue_Table *new, nk_arena *a) NK_MUST;
/* Makes it from the store, if it is not there. Changes go on meanwhile. */
nk_code nk_search_make(nk_search *s, nk_tx *tx, nk_err *err) NK_MUST;
/* The next search makes it anew. */
void nk_search_stale(nk_search *s);
/* Seconds or milliseconds since 1970, or "2024-05-06T07:08:09Z" as far as it is given. */
bool nk_search_time(nk_str s, int64_t *us);
void nk_words_of_table(const glue_Table *t, nk_arena *a, nk_word_fn fn, void *arg);

#endif
