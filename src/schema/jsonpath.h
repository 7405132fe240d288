/* JSON paths as Glue's JSON classifiers know them: $ * .name ['name'] [n] and [*]. */
#ifndef NK_JSONPATH_H
#define NK_JSONPATH_H

#include "schema/infer.h"

#define NK_JSONPATH_STEPS_MAX 64

typedef struct nk_jsonpath {
    struct {
        bool any;    /* every element or member */
        nk_str name; /* p NULL: an index (or any) */
        uint64_t index;
    } steps[NK_JSONPATH_STEPS_MAX];
    size_t n;
} nk_jsonpath;

/* Several paths may stand with commas between; the first is taken as AWS does. Names are in the
 * arena. NK_E_INVALID says what is wrong. */
nk_code nk_jsonpath_parse(nk_str text, nk_arena *a, nk_jsonpath *out, nk_err *err) NK_MUST;
/* Observes what the path leads to in a text of one or more documents, each hit a record. A text
 * that is cut (cut_ok) or breaks off gives what was there until then: NK_OK when something was.
 * *broken says whether it did. */
nk_code nk_jsonpath_observe(const nk_jsonpath *p, nk_infer *in, nk_str text, nk_arena *scratch,
                            uint64_t *hits, bool *broken, nk_err *err) NK_MUST;

#endif
