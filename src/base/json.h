/* JSON (RFC 8259): a strict pull reader over a whole text, a small tree for where a tree is
 * handier, and a writer into nk_buf. Numbers keep their text, so that nothing is rounded on the
 * way. */
#ifndef NK_JSON_H
#define NK_JSON_H

#include "base/buf.h"

#define NK_JSON_DEPTH_MAX 64 /* default nesting limit */

typedef enum {
    NK_JSON_END, /* whole text read */
    NK_JSON_NULL,
    NK_JSON_TRUE,
    NK_JSON_FALSE,
    NK_JSON_NUMBER, /* text: as written */
    NK_JSON_STRING, /* text: unescaped (arena) or borrowed from the input when it held no escape */
    NK_JSON_ARRAY,
    NK_JSON_ARRAY_END,
    NK_JSON_OBJECT,
    NK_JSON_OBJECT_END,
    NK_JSON_KEY, /* text: the member's name */
} nk_json_token;

typedef struct nk_json_reader {
    const char *start, *p, *end;
    nk_arena *arena; /* for unescaped text */
    size_t depth, depth_max;
    nk_json_token token; /* the token last read */
    nk_str text;
    unsigned char stack[256]; /* what each open level is and waits for */
    nk_err *err;
    const char *value; /* first byte of the value last begun */
    bool skipping;     /* inside nk_json_skip: text is checked, not unescaped */
} nk_json_reader;

/* depth_max 0 = NK_JSON_DEPTH_MAX, at most 255. The text is borrowed. err may be NULL. */
void nk_json_begin(nk_json_reader *r, nk_str text, nk_arena *arena, size_t depth_max, nk_err *err);
/* Reads the next token into r->token/r->text. NK_E_SERIALIZATION with the place on a malformed
 * text, NK_E_LIMIT when nested too deep, NK_E_NOMEM. Duplicate keys are passed on as they come. */
nk_code nk_json_next(nk_json_reader *r) NK_MUST;
/* With r->token a value's first token (or its KEY): reads past that whole value (scalars: nothing
 * to do). */
nk_code nk_json_skip(nk_json_reader *r) NK_MUST;
/* As skip, and gives the value's raw text (borrowed from the input). */
nk_code nk_json_raw(nk_json_reader *r, nk_str *raw) NK_MUST;

/* The tree: for options, settings and documents that have no model. */
typedef struct nk_json nk_json;
struct nk_json {
    nk_json_token kind; /* NULL TRUE FALSE NUMBER STRING ARRAY OBJECT */
    nk_str text;        /* NUMBER, STRING */
    nk_str key;         /* when a member of an object */
    nk_json *first, *last, *next;
    size_t count;
};
nk_code nk_json_parse(nk_str text, nk_arena *a, size_t depth_max, nk_json **out,
                      nk_err *err) NK_MUST;
/* NULL when absent, when j is NULL or not an object. The last of duplicate keys wins. */
nk_json *nk_json_get(const nk_json *j, const char *key);
nk_json *nk_json_getn(const nk_json *j, nk_str key);
nk_json *nk_json_at(const nk_json *j, size_t i);
/* Text of a string (or number) member; NK_STR_NULL when absent or another kind. */
nk_str nk_json_str(const nk_json *j, const char *key);
bool nk_json_bool(const nk_json *j, const char *key, bool otherwise);
int64_t nk_json_i64(const nk_json *j, const char *key, int64_t otherwise);
double nk_json_f64(const nk_json *j, const char *key, double otherwise);
bool nk_json_is_null(const nk_json *j); /* NULL pointer or null */

/* The writer puts commas itself. Begin with a zeroed nk_json_writer and a buf. */
typedef struct nk_json_writer {
    nk_buf *buf;
    bool comma;
} nk_json_writer;
void nk_jw_object(nk_json_writer *w);
void nk_jw_object_end(nk_json_writer *w);
void nk_jw_array(nk_json_writer *w);
void nk_jw_array_end(nk_json_writer *w);
void nk_jw_key(nk_json_writer *w, nk_str key);
void nk_jw_str(nk_json_writer *w, nk_str s); /* invalid UTF-8 becomes U+FFFD */
void nk_jw_cstr(nk_json_writer *w, const char *s);
void nk_jw_i64(nk_json_writer *w, int64_t v);
void nk_jw_f64(
    nk_json_writer *w,
    double v); /* shortest that reads back; NaN and infinities as strings, as AWS writes them */
void nk_jw_bool(nk_json_writer *w, bool v);
void nk_jw_null(nk_json_writer *w);
void nk_jw_raw(nk_json_writer *w, nk_str json); /* spliced as it stands */
void nk_jw_tree(nk_json_writer *w, const nk_json *j);
/* key + value in one go */
void nk_jw_kstr(nk_json_writer *w, const char *key, nk_str s);
void nk_jw_kcstr(nk_json_writer *w, const char *key, const char *s);
void nk_jw_ki64(nk_json_writer *w, const char *key, int64_t v);
void nk_jw_kf64(nk_json_writer *w, const char *key, double v);
void nk_jw_kbool(nk_json_writer *w, const char *key, bool v);

#endif
