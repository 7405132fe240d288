/* Edits to JSON trees: Iceberg's metadata is kept as the tree it was read as, so that members that
 * we do not know survive a commit. Building functions take and give NULL when memory is gone and
 * mark the tree, so that a writer may check once at the end. Inside iceberg. */
#ifndef NK_ICE_TREE_H
#define NK_ICE_TREE_H

#include "base/base.h"

typedef struct nk_ice_tree {
    nk_arena *a;
    bool failed; /* memory gone: what was built is not whole */
} nk_ice_tree;

/* New values; NULL when memory is gone. Texts are borrowed. */
nk_json *nk_ice_new(nk_ice_tree *t, nk_json_token kind);
nk_json *nk_ice_text(nk_ice_tree *t, nk_str s);
nk_json *nk_ice_num(nk_ice_tree *t, int64_t v);
nk_json *nk_ice_bool(nk_ice_tree *t, bool v);
/* A whole copy; texts are shared. */
nk_json *nk_ice_copy(nk_ice_tree *t, const nk_json *j);
/* Sets a member (in its old place when there is one) or takes it away. key is borrowed. v must hang
 * nowhere else. */
void nk_ice_set(nk_ice_tree *t, nk_json *object, nk_str key, nk_json *v);
void nk_ice_del(nk_json *object, nk_str key);
void nk_ice_add(nk_ice_tree *t, nk_json *array, nk_json *v);
/* Takes the elements away for which gone says yes; returns how many. */
size_t nk_ice_drop(nk_json *list, bool (*gone)(void *arg, const nk_json *element), void *arg);
/* key + value in one go */
void nk_ice_kstr(nk_ice_tree *t, nk_json *object, const char *key, nk_str s);
void nk_ice_knum(nk_ice_tree *t, nk_json *object, const char *key, int64_t v);

/* The same value: members in any order, an absent one like null; but members named except (may be
 * NULL) are not looked at on the top level. */
bool nk_ice_same(const nk_json *x, const nk_json *y, const char *except);
/* A member of one kind, else NULL. */
nk_json *nk_ice_array(const nk_json *j, const char *key);
nk_json *nk_ice_object(const nk_json *j, const char *key);
/* Whether the member is a whole number; its value. */
bool nk_ice_get_i64(const nk_json *j, const char *key, int64_t *out);
/* The array's element whose member key is this number, else NULL. */
nk_json *nk_ice_find(const nk_json *array, const char *key, int64_t v);

#define NK_ICE_EACH(m, j) for (nk_json * (m) = (j) ? (j)->first : NULL; (m); (m) = (m)->next)

#endif
