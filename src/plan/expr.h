/* The one expression tree. Partition expressions, push-down predicates, filters, recipe formulas
 * and quality rules are all parsed into it; compilers (store conditions, DuckDB's and Spark's SQL)
 * walk it.
 *
 * Nodes live in an arena and are never changed once built: passes make new nodes. */
#ifndef NK_EXPR_H
#define NK_EXPR_H

#include "base/base.h"
#include "schema/type.h"

typedef enum {
    NK_X_LITERAL, /* type and the value; type NK_T_NULL is NULL */
    NK_X_COLUMN,  /* path */
    NK_X_AND,     /* args, at least two */
    NK_X_OR,
    NK_X_NOT, /* args[0] */
    NK_X_EQ,  /* args[0], args[1] */
    NK_X_NE,
    NK_X_LT,
    NK_X_LE,
    NK_X_GT,
    NK_X_GE,
    NK_X_EQ_NULLSAFE, /* <=> */
    NK_X_IN,          /* args[0] among args[1…]; negated */
    NK_X_BETWEEN,     /* args[0] between args[1] and args[2], both included; negated */
    NK_X_LIKE,        /* args[0] like args[1]; escape; negated */
    NK_X_RLIKE,       /* Java's regular expressions; negated */
    NK_X_IS_NULL,     /* negated */
    NK_X_ADD,
    NK_X_SUB,
    NK_X_MUL,
    NK_X_DIV,
    NK_X_MOD,
    NK_X_NEG,    /* args[0] */
    NK_X_CONCAT, /* || */
    NK_X_CALL, /* name(args…), name in lower case; distinct for aggregates; count(*) has no args */
    NK_X_CAST, /* args[0] as type; negated = TRY_CAST */
    NK_X_CASE, /* when, then, when, then, … and, if nargs is odd, else; searched form only */
    NK_X_KIND_COUNT
} nk_expr_kind;

typedef struct nk_expr nk_expr;
struct nk_expr {
    nk_expr_kind kind;
    bool negated;        /* NOT IN, NOT BETWEEN, NOT LIKE, IS NOT NULL */
    bool distinct;       /* CALL */
    char escape;         /* LIKE; 0 = none */
    unsigned at;         /* offset in the text it was parsed from, for messages */
    unsigned depth;      /* 1 for a leaf; builders keep it */
    const nk_type *type; /* LITERAL, CAST: always; others: NULL until a pass has resolved it */
    /* LITERAL: BOOLEAN i; LONG i; DOUBLE f; DECIMAL s (exact text); STRING s; DATE i = days since
     * 1970; TIMESTAMP i = microseconds since 1970, no zone. When parsed, numbers, dates and
     * timestamps keep their text in s as well. */
    int64_t i;
    double f;
    nk_str s;
    nk_str name;        /* CALL */
    const nk_str *path; /* COLUMN: a.b.c is three; as written, case kept */
    size_t npath;
    const nk_expr *const *args;
    size_t nargs;
};

/* ---- builders: NULL only when the arena is exhausted, or when an argument is NULL (so calls may
 * nest) ---- */
nk_expr *nk_expr_null(nk_arena *a);
nk_expr *nk_expr_bool(nk_arena *a, bool v);
nk_expr *nk_expr_long(nk_arena *a, int64_t v);
nk_expr *nk_expr_double(nk_arena *a, double v);
nk_expr *nk_expr_decimal(nk_arena *a, nk_str text); /* text is borrowed */
nk_expr *nk_expr_string(nk_arena *a, nk_str s);     /* borrowed */
nk_expr *nk_expr_date(nk_arena *a, int64_t days);
nk_expr *nk_expr_timestamp(nk_arena *a, int64_t us);
nk_expr *nk_expr_column(nk_arena *a,
                        nk_str name); /* one step, dots are part of the name; borrowed */
nk_expr *nk_expr_path(nk_arena *a, const nk_str *path, size_t n); /* copied */
nk_expr *nk_expr_unary(nk_arena *a, nk_expr_kind kind, const nk_expr *x);
nk_expr *nk_expr_binary(nk_arena *a, nk_expr_kind kind, const nk_expr *x, const nk_expr *y);
nk_expr *nk_expr_nary(nk_arena *a, nk_expr_kind kind, const nk_expr *const *args,
                      size_t n); /* copied */
nk_expr *nk_expr_call(nk_arena *a, nk_str name, const nk_expr *const *args, size_t n);
nk_expr *nk_expr_cast(nk_arena *a, const nk_expr *x, const nk_type *type);

/* "NK_X_LIKE" is "LIKE" (static). */
const char *nk_expr_kind_name(nk_expr_kind kind);
bool nk_expr_eq(const nk_expr *x, const nk_expr *y);
/* Canonical text, fully parenthesised, for logs, tests and request hashes; NK_EXPR_SPARK reads it
 * back as the same tree. */
nk_code nk_expr_print(const nk_expr *x, nk_buf *out);
/* fn for each node, parents first; false stops. */
bool nk_expr_walk(const nk_expr *x, bool (*fn)(void *arg, const nk_expr *x), void *arg);

typedef enum {
    /* GetPartitions' Expression: columns against literals; = <> != < > <= >= AND OR NOT IN BETWEEN
       LIKE IS NULL. */
    NK_EXPR_PARTITION,
    /* Spark SQL's scalar expressions: the above, <=> RLIKE arithmetic || functions CAST CASE,
       paths. */
    NK_EXPR_SPARK,
} nk_expr_dialect;

#define NK_EXPR_DEPTH_MAX 500

/* Parses the whole text. NK_E_PARSE says what was met, what was expected and where; NK_E_LIMIT when
 * nested deeper than NK_EXPR_DEPTH_MAX. Strings are copied into the arena where they hold escapes,
 * else borrowed from text. */
nk_code nk_expr_parse(nk_str text, nk_expr_dialect dialect, nk_arena *a, const nk_expr **out,
                      nk_err *err) NK_MUST;

/* The longest expression of Spark's at *pos, which is moved to the first token behind it. text is
 * UTF-8, at most 1 MiB. */
nk_code nk_expr_parse_at(nk_str text, size_t *pos, nk_arena *a, const nk_expr **out,
                         nk_err *err) NK_MUST;

/* Text of dates and timestamps as Hive writes them: "2024-02-29", "2024-02-29 12:00:00[.123456789]"
 * ('T' too; a date alone is its midnight). False when it is not one. */
bool nk_date_parse(nk_str s, int64_t *days);
bool nk_timestamp_parse(nk_str s, int64_t *us);
bool nk_timestamp_parse_ns(nk_str s, int64_t *us, int *ns_rest); /* ns_rest 0-999 */
/* % and _ over code points; escape 0 = none. */
bool nk_like_match(nk_str s, nk_str pattern, char escape);

#endif
