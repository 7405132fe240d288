/* Named documents: what most of the catalogue's smaller resources are. A type says how its records
 * are keyed, what shape their bodies have and what they are called in messages. */
#ifndef NK_DOCS_INT_H
#define NK_DOCS_INT_H

#include "catalog/catalog_int.h"

typedef struct nk_doc_type {
    const nk_kind *kind;
    const nk_shape *shape; /* of the body */
    const char *noun;      /* "Connection": "Connection x not found." */
} nk_doc_type;

/* key: the kind's nkey values; name: for the message. value: a struct of the shape, in the arena;
 * NULL when it is not wanted. row may be NULL. NK_E_NOT_FOUND. */
nk_code nk_doc_load(nk_tx *tx, const nk_doc_type *type, const nk_val *key, nk_str name, nk_arena *a,
                    void **value, nk_row *row, nk_err *err) NK_MUST;
/* cols: all of the kind's columns. insert: NK_E_EXISTS when it is there; else it is replaced. */
nk_code nk_doc_save(nk_tx *tx, const nk_doc_type *type, const nk_val *cols, nk_str name,
                    const void *value, bool insert, nk_arena *a, nk_err *err) NK_MUST;
nk_code nk_doc_drop(nk_tx *tx, const nk_doc_type *type, const nk_val *key, nk_str name,
                    nk_err *err) NK_MUST;

/* ---- listings ---- */

typedef struct nk_docs_page {
    nk_call *call;
    nk_query query;
    nk_str request, token; /* what makes it this listing; the token that came with it */
    size_t max;            /* rows */
    bool (*want)(void *arg, const nk_row *row); /* NULL = all */
    void *arg;
    /* out */
    nk_row_list rows; /* copies in the arena */
    nk_str place;     /* of the token */
    /* inside */
    size_t bytes;
    bool more;
    nk_code rc;
} nk_docs_page;
/* Fills rows; *next: the token of the next page, p NULL when there is none. */
nk_code nk_docs_list(nk_docs_page *p, nk_str *next) NK_MUST;
/* The rows' bodies as a generated list of structs (elem bytes each). */
nk_code nk_docs_fill(const nk_docs_page *p, size_t elem, void *list) NK_MUST;
/* A catalogue's encryption settings, with AWS's defaults where nothing is set (policies.c). */
nk_code nk_encryption_settings(nk_tx *tx, const nk_catalog_ctx *ctx,
                               glue_DataCatalogEncryptionSettings **out, nk_err *err) NK_MUST;

#endif
