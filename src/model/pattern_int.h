/* Patterns of the service models, as the generator writes them. */
#ifndef NK_PATTERN_INT_H
#define NK_PATTERN_INT_H

#include "base/base.h"

typedef struct nk_range {
    uint32_t lo, hi;
} nk_range;

struct nk_pattern {
    const char *java; /* as AWS prints it */
    const char *pcre; /* the same for PCRE2 */
    /* One class, repeated least…most times (0 = any): no regex needed. */
    bool plain;
    bool printable; /* every ASCII character from space up is in the class */
    uint64_t ascii[2];
    const nk_range *wide; /* members beyond ASCII */
    size_t n_wide, least, most;
    void *code; /* compiled at first use; atomic */
};

/* Does the whole of s match? s is valid UTF-8. NK_E_INTERNAL when the pattern is broken or costs
 * too much. */
nk_code nk_pattern_match(struct nk_pattern *p, nk_str s, bool *matches) NK_MUST;

#endif
