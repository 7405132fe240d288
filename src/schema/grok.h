/* Grok: named regular expressions put together, as Glue's classifiers use them. One line at a time.
 */
#ifndef NK_GROK_H
#define NK_GROK_H

#include "schema/type.h"

typedef struct nk_grok nk_grok;

typedef struct nk_grok_pattern {
    const char *name, *regex; /* regex: PCRE2 with %{NAME} and %{NAME:field:type} in it */
} nk_grok_pattern;
/* The built-in ones, ending with a row without name. */
extern const nk_grok_pattern nk_grok_patterns[];

/* pattern: "%{IP:client} %{NUMBER:bytes:int}"; custom (may be empty): lines "NAME regex", which
 * come before the built-in ones. Fields are byte, boolean, double, short, int, long, float or
 * (without a type) string; the same field twice is one column; %{NAME} alone is matched, not kept.
 * NK_E_INVALID names what is unknown, too long or wrong. */
nk_code nk_grok_compile(nk_str pattern, nk_str custom, nk_grok **out, nk_err *err) NK_MUST;
void nk_grok_free(nk_grok *g); /* NULL is fine */
/* A struct of the fields; as long as the grok. */
const nk_type *nk_grok_type(const nk_grok *g);

/* Whether the whole line (blanks at its end aside) matches, within bounds of time and memory: a
 * pattern that would run for ever counts as not matching. Thread-safe. */
bool nk_grok_match(const nk_grok *g, nk_str line);

/* The values of a line's fields, one a field of the type (p NULL: it took no part). values point
 * into line. One thread a nk_grok_line; the grok may be shared. */
typedef struct nk_grok_line nk_grok_line;
nk_grok_line *nk_grok_line_open(const nk_grok *g); /* NULL when memory is gone */
bool nk_grok_line_read(nk_grok_line *l, nk_str line, nk_str *values);
void nk_grok_line_close(nk_grok_line *l); /* NULL is fine */

#endif
