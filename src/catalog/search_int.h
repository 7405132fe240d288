/* The index of SearchTables, inside the catalogue: words of tables' documents in memory, made by
 * the first search and kept up by every change of a table. A catalogue that was searched once has
 * it from the server's start on, made in the background.
 *
 * It only ever promises too much: a change adds its words before it is committed, and nothing is
 * taken away, so what a search finds is always looked up and compared once more. */
#ifndef NK_SEARCH_INT_H
#define NK_SEARCH_INT_H

#include "catalog/catalog_int.h"

typedef struct nk_search nk_search;
nk_code nk_search_create(nk_search **out, nk_err *err) NK_MUST;
void nk_search_destroy(nk_search *s); /* NULL is fine */
/* Makes it, on a thread of its own, when there has been a search; before requests come. */
nk_code nk_search_start(nk_search *s, nk_app *app, nk_err *err) NK_MUST;
/* At the first search: keeps that there was one. */
nk_code nk_search_remember(nk_tx *tx, void *arg, nk_err *err) NK_MUST;

/* A table is created, or changed (old not NULL). Does nothing before the first search. */
void nk_search_note(nk_tx *tx, nk_str space, int64_t db, int64_t table, const glue_Table *old,
                    const glue_Table *new);
/* The same with documents. */
void nk_search_note_json(nk_tx *tx, nk_str space, int64_t db, int64_t table, nk_str old, nk_str new,
                         nk_arena *a);
/* The catalogue that a store belongs to; NULL when it has none. */
struct nk_catalog *nk_catalog_of(nk_store *store);
nk_search *nk_catalog_search(struct nk_catalog *c);

/* ---- words ---- */

/* Folded to lower case; runs of letters, digits and '_', and the parts between '_' too. */
typedef void (*nk_word_fn)(void *arg, nk_str word);
void nk_words(nk_str text, nk_arena *a, nk_word_fn fn, void *arg);

#endif
