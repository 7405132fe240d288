/* Inside the crawl room: custom classifiers as records. */
#ifndef NK_CLASSIFIERS_H
#define NK_CLASSIFIERS_H

#include "crawl/crawlers_int.h"

extern const nk_kind nk_kind_classifier; /* body: glue_Classifier */

/* The document of a classifier, in the arena. NK_E_NOT_FOUND in AWS's words. */
nk_code nk_classifier_text(nk_tx *tx, nk_str region, nk_str name, nk_arena *a, nk_str *out,
                           nk_err *err) NK_MUST;
/* One document made ready; also to see whether it can be. Result in the arena. */
nk_code nk_custom_make(const glue_Classifier *c, nk_arena *a, nk_custom *out, nk_err *err) NK_MUST;

#endif
