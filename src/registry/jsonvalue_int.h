/* JSON values compared as JSON Schema compares them: numbers by value, objects whatever the order
 * of their members. Exact: numbers are decimal text, never rounded. */
#ifndef NK_JSONVALUE_INT_H
#define NK_JSONVALUE_INT_H

#include "base/base.h"

/* What a value is; a schema's `type` is a set of these. 1.0 is an integer from draft-06 on and none
 * in draft-04, so it has a bit of its own. */
enum {
    JV_NULL = 1,
    JV_BOOL = 2,
    JV_INT = 4,    /* written without a fraction or exponent, or integral after its exponent */
    JV_IFLOAT = 8, /* integral, written as 1.0 or 1e2 */
    JV_FRACTION = 16,
    JV_STRING = 32,
    JV_ARRAY = 64,
    JV_OBJECT = 128,
    JV_NUMBER = JV_INT | JV_IFLOAT | JV_FRACTION,
    JV_ANY = 255,
};

typedef enum { JV_NO, JV_YES, JV_UNKNOWN } jv_truth;

unsigned jv_type(const nk_json *v);
/* Text of two JSON numbers: <0, 0, >0. */
int jv_num_cmp(nk_str a, nk_str b);
/* Is v a whole multiple of step (> 0)? UNKNOWN beyond the digits that are counted exactly (34). */
jv_truth jv_multiple(nk_str v, nk_str step);
bool jv_equal(const nk_json *a, const nk_json *b);
/* Equal values have equal hashes. */
uint64_t jv_hash(const nk_json *v);
/* Orders members by name, numbers by their shortest exact form: equal values give equal text. */
void jv_canonical(nk_buf *out, const nk_json *v);

/* jsonpatch.c: adds to an array that the writer has begun the operations of a JSON Patch (RFC 6902)
 * that make b of a; at: where both stand, NULL = the root. The buffer tells what failed. */
struct step;
void jv_patch(nk_json_writer *w, const struct step *at, const nk_json *a, const nk_json *b);

/* Building values in an arena; NULL when memory is gone. */
nk_json *jv_new(nk_arena *a, nk_json_token kind, nk_str text);
nk_json *jv_int(nk_arena *a, int64_t v);
/* A shallow copy that may stand in another array or object. */
nk_json *jv_copy(nk_arena *a, const nk_json *v);
/* The same value with every whole number written as 1.0; NULL when memory is gone. */
nk_json *jv_as_floats(nk_arena *a, const nk_json *v);
void jv_append(nk_json *array, nk_json *v);
/* Sets or replaces a member. */
bool jv_set(nk_arena *a, nk_json *object, nk_str key, nk_json *v);
void jv_unset(nk_json *object, nk_str key);
/* Sets all members of `from` (NULL: none). */
bool jv_set_all(nk_arena *a, nk_json *object, const nk_json *from);

#endif
