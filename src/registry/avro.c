/* Can data written with one Avro schema be read with another? After the specification's schema
 * resolution, as Apache Avro's SchemaCompatibility decides it. Each difference comes with a record
 * that shows it. */
#include <stdio.h>

#include "registry/avro_int.h"

enum {
    DEPTH_MAX = 400,
    STEPS_MAX = 4000000,
    SAMPLE_MAX = 16384,
    FINE_MAX = NK_SCHEMA_DIFFS_MAX / 2
};

#define BREAKS                                                                                     \
    {                                                                                              \
        NK_VERDICT_BREAKS, NK_VERDICT_BREAKS                                                       \
    }
#define FINE                                                                                       \
    {                                                                                              \
        NK_VERDICT_FINE, NK_VERDICT_FINE                                                           \
    }

/* Both doors judge as SchemaCompatibility does. */
enum {
    R_TYPE_MISMATCH,
    R_NAME_MISMATCH,
    R_FIXED_SIZE_MISMATCH,
    R_MISSING_ENUM_SYMBOLS,
    R_MISSING_UNION_BRANCH,
    R_FIELD_MISSING_DEFAULT,
    R_TYPE_PROMOTED,
    R_FIELD_ADDED,
    R_FIELD_REMOVED,
    R_FIELD_ALIASED,
    R_NAME_ALIASED,
    R_NAMESPACE_CHANGED,
    R_DEFAULT_CHANGED,
    R_SYMBOL_DEFAULTED,
    R_SYMBOL_ADDED,
    R_BRANCH_ADDED,
    R_LOGICAL_TYPE_CHANGED,
    R_DOC_CHANGED,
};
static const nk_schema_rule av_rules[] = {
    [R_TYPE_MISMATCH] = {"TYPE_MISMATCH",
                         "The reader's type is another one and the writer's is not promoted to it. "
                         "Keep the type, widen it, or make a union of both.",
                         BREAKS},
    [R_NAME_MISMATCH] = {"NAME_MISMATCH",
                         "A record, enum or fixed has another name. Keep the name, or give the "
                         "reader's the old full name as an alias.",
                         BREAKS},
    [R_FIXED_SIZE_MISMATCH] = {"FIXED_SIZE_MISMATCH",
                               "A fixed has another size. Make a new field for the new size.",
                               BREAKS},
    [R_MISSING_ENUM_SYMBOLS] =
        {"MISSING_ENUM_SYMBOLS",
         "The writer's enum has a symbol that the reader's has not. Keep the "
         "symbol, or give the reader's enum a default.",
         BREAKS},
    [R_MISSING_UNION_BRANCH] = {"MISSING_UNION_BRANCH",
                                "The reader's union takes no value of the writer's type. Keep the "
                                "branch.",
                                BREAKS},
    [R_FIELD_MISSING_DEFAULT] = {"READER_FIELD_MISSING_DEFAULT_VALUE",
                                 "The reader has a field that the writer does not write, and no "
                                 "default for it. Give it one.",
                                 BREAKS},
    [R_TYPE_PROMOTED] = {"TYPE_PROMOTED", "The writer's type is promoted to the reader's.", FINE},
    [R_FIELD_ADDED] =
        {"FIELD_ADDED",
         "The reader has a field that the writer does not write; it gets its default.", FINE},
    [R_FIELD_REMOVED] = {"FIELD_REMOVED", "The reader skips a field that the writer writes.", FINE},
    [R_FIELD_ALIASED] = {"FIELD_RENAMED", "The reader finds the field by an alias.", FINE},
    [R_NAME_ALIASED] = {"TYPE_RENAMED", "The reader takes the type by an alias.", FINE},
    [R_NAMESPACE_CHANGED] = {"NAMESPACE_CHANGED",
                             "The same name in another namespace: readers compare names without "
                             "namespace.",
                             FINE},
    [R_DEFAULT_CHANGED] = {"DEFAULT_CHANGED", "A field's default differs.", FINE},
    [R_SYMBOL_DEFAULTED] = {"ENUM_SYMBOL_READ_AS_DEFAULT",
                            "The writer's enum has a symbol that the reader's has not; the reader "
                            "takes its default instead.",
                            FINE},
    [R_SYMBOL_ADDED] = {"ENUM_SYMBOL_ADDED", "The reader's enum has a symbol more.", FINE},
    [R_BRANCH_ADDED] = {"UNION_BRANCH_ADDED", "The reader's union has a branch more.", FINE},
    [R_LOGICAL_TYPE_CHANGED] = {"LOGICAL_TYPE_CHANGED",
                                "Another logical type over the same data: decoding goes on, the "
                                "meaning of values changes.",
                                FINE},
    [R_DOC_CHANGED] = {"DOC_CHANGED", "A text for people differs.", FINE},
};

/* Where the walk stands: both places, and how a writer's record leads here. */
typedef struct spot {
    const struct spot *up;
    const av_type *type; /* the writer's, of which `field`/`branch` is the way down */
    size_t pick;         /* field of a record, branch of a union */
    const av_at *w, *r;
} spot;

typedef struct pair {
    const av_type *w, *r;
    uint8_t state; /* 0 = free, else one of below */
    bool listed;
} pair;
enum { P_FREE, P_UNKNOWN, P_YES, P_NO };

typedef struct checker {
    nk_arena *arena;
    nk_schema_diffs *out;
    size_t fine;
    pair *pairs; /* nk_calloc; open addressing */
    size_t n_pairs, cap;
    size_t *trail; /* pairs that were taken as readable, oldest first */
    size_t n_trail;
    size_t steps;
    nk_err *err;
} checker;

static nk_code too_large(checker *c)
{
    return nk_fail(c->err, NK_E_INVALID,
                   "The schemas are too large or nest too deep to be compared.");
}

static nk_code nomem(checker *c)
{
    return nk_fail(c->err, NK_E_NOMEM, "out of memory");
}

/* ---- pairs of records that were looked at ---- */

static size_t slot_of(const checker *c, const av_type *w, const av_type *r)
{
    uintptr_t key[2] = {(uintptr_t)w, (uintptr_t)r};
    size_t i = nk_hash64(key, sizeof key, 0) & (c->cap - 1);
    while (c->pairs[i].state != P_FREE && (c->pairs[i].w != w || c->pairs[i].r != r))
        i = (i + 1) & (c->cap - 1);
    return i;
}

static nk_code grow_pairs(checker *c)
{
    pair *old = c->pairs;
    size_t *trail, n = c->cap, cap = n ? n * 2 : 64;
    pair *pairs = nk_calloc(cap, sizeof(*pairs));
    trail = nk_calloc(cap, sizeof(*trail));
    if (!pairs || !trail) {
        nk_free(pairs);
        nk_free(trail);
        return nomem(c);
    }
    c->pairs = pairs;
    c->cap = cap;
    for (size_t i = 0; i < n; i++)
        if (old[i].state != P_FREE)
            c->pairs[slot_of(c, old[i].w, old[i].r)] = old[i];
    for (size_t i = 0; i < c->n_trail; i++)
        trail[i] = slot_of(c, old[c->trail[i]].w, old[c->trail[i]].r);
    nk_free(old);
    nk_free(c->trail);
    c->trail = trail;
    return NK_OK;
}

/* The pair's place; made when there was none. Places move when another one is made. */
static nk_code pair_at(checker *c, const av_type *w, const av_type *r, size_t *at)
{
    if (c->n_pairs * 2 >= c->cap)
        NK_TRY(grow_pairs(c));
    *at = slot_of(c, w, r);
    if (c->pairs[*at].state == P_FREE) {
        c->pairs[*at] = (pair){.w = w, .r = r, .state = P_UNKNOWN};
        c->n_pairs++;
    }
    return NK_OK;
}

/* ---- yes or no ---- */

static bool promoted(av_kind w, av_kind r)
{
    switch (r) {
    case AV_LONG:
        return w == AV_INT;
    case AV_FLOAT:
        return w == AV_INT || w == AV_LONG;
    case AV_DOUBLE:
        return w == AV_INT || w == AV_LONG || w == AV_FLOAT;
    case AV_BYTES:
        return w == AV_STRING;
    case AV_STRING:
        return w == AV_BYTES;
    default:
        return false;
    }
}

static bool has(const nk_strs *list, nk_str s)
{
    for (size_t i = 0; i < list->n; i++)
        if (nk_str_eq(list->v[i], s))
            return true;
    return false;
}

static bool names_fit(checker *c, const av_type *w, const av_type *r)
{
    c->steps += r->aliases.n;
    return nk_str_eq(w->name, r->name) || has(&r->aliases, w->full);
}

/* The writer's field that a reader's field is read from; AV_NONE. */
static size_t source_of(checker *c, const av_type *w, const av_field *f, bool *aliased)
{
    size_t i = av_field_find(w, f->name);
    c->steps += f->aliases.n;
    *aliased = i == AV_NONE;
    for (size_t a = 0; i == AV_NONE && a < f->aliases.n; a++)
        i = av_field_find(w, f->aliases.v[a]);
    return i;
}

static nk_code readable(checker *c, const av_type *w, const av_type *r, unsigned depth,
                        bool *yes) NK_MUST;

static nk_code records_readable(checker *c, const av_type *w, const av_type *r, unsigned depth,
                                bool *yes)
{
    *yes = true;
    for (size_t i = 0; *yes && i < r->fields.n; i++) {
        bool aliased;
        size_t from = source_of(c, w, &r->fields.v[i], &aliased);
        if (from == AV_NONE)
            *yes = r->fields.v[i].value != NULL;
        else
            NK_TRY(readable(c, w->fields.v[from].type, r->fields.v[i].type, depth, yes));
    }
    return NK_OK;
}

/* A pair in progress counts as readable (recursion adds no reason to refuse); when it turns out not
 * to be, all that was found readable meanwhile is forgotten, since it may have leant on it. */
static nk_code pair_readable(checker *c, const av_type *w, const av_type *r, unsigned depth,
                             bool *yes)
{
    size_t at, mark = c->n_trail;
    NK_TRY(pair_at(c, w, r, &at));
    if (c->pairs[at].state != P_UNKNOWN) {
        *yes = c->pairs[at].state == P_YES;
        return NK_OK;
    }
    c->pairs[at].state = P_YES;
    c->trail[c->n_trail++] = at;
    NK_TRY(records_readable(c, w, r, depth, yes));
    if (*yes)
        return NK_OK;
    while (c->n_trail > mark)
        c->pairs[c->trail[--c->n_trail]].state = P_UNKNOWN;
    c->pairs[slot_of(c, w, r)].state = P_NO;
    return NK_OK;
}

static nk_code symbols_readable(checker *c, const av_type *w, const av_type *r, bool *yes)
{
    size_t at;
    NK_TRY(pair_at(c, w, r, &at));
    if (c->pairs[at].state == P_UNKNOWN) {
        *yes = true;
        for (size_t i = 0; !r->enum_default.p && *yes && i < w->symbols.n; i++)
            *yes = av_symbol_find(r, w->symbols.v[i]) != AV_NONE;
        c->pairs[at].state = *yes ? P_YES : P_NO;
    }
    *yes = c->pairs[at].state == P_YES;
    return NK_OK;
}

static nk_code readable(checker *c, const av_type *w, const av_type *r, unsigned depth, bool *yes)
{
    if (++c->steps > STEPS_MAX || depth > DEPTH_MAX)
        return too_large(c);
    depth++;
    *yes = true;
    if (w->kind == AV_UNION) {
        for (size_t i = 0; *yes && i < w->branches.n; i++)
            NK_TRY(readable(c, w->branches.v[i], r, depth, yes));
        return NK_OK;
    }
    if (r->kind == AV_UNION) {
        *yes = false;
        for (size_t i = 0; !*yes && i < r->branches.n; i++)
            NK_TRY(readable(c, w, r->branches.v[i], depth, yes));
        return NK_OK;
    }
    if (w->kind != r->kind) {
        *yes = promoted(w->kind, r->kind);
        return NK_OK;
    }
    if (w == r)
        return NK_OK;
    if (w->items)
        return readable(c, w->items, r->items, depth, yes);
    if (av_named(w) && !names_fit(c, w, r))
        *yes = false;
    else if (w->kind == AV_FIXED)
        *yes = w->size == r->size;
    else if (w->kind == AV_ENUM)
        return symbols_readable(c, w, r, yes);
    else if (w->kind == AV_RECORD)
        return pair_readable(c, w, r, depth, yes);
    return NK_OK;
}

/* ---- samples ---- */

static void least_value(nk_json_writer *w, const av_type *t);

static void open_branch(nk_json_writer *w, const av_type *b)
{
    if (b->kind == AV_NULL)
        return;
    nk_jw_object(w);
    nk_jw_key(w, av_label(b));
}

static void close_branch(nk_json_writer *w, const av_type *b)
{
    if (b->kind != AV_NULL)
        nk_jw_object_end(w);
}

static void least_fixed(nk_json_writer *w, const av_type *t)
{
    char zeros[256] = {0};
    if (t->size <= (int64_t)sizeof zeros)
        nk_jw_str(w, nk_str_n(zeros, (size_t)t->size));
    else
        w->buf->failed = true, w->buf->why = NK_E_LIMIT;
}

static void least_value(nk_json_writer *w, const av_type *t)
{
    const av_type *b;
    if (w->buf->failed)
        return;
    switch (t->kind) {
    case AV_NULL:
        nk_jw_null(w);
        break;
    case AV_BOOLEAN:
        nk_jw_bool(w, false);
        break;
    case AV_INT:
    case AV_LONG:
        nk_jw_i64(w, 0);
        break;
    case AV_FLOAT:
    case AV_DOUBLE:
        nk_jw_raw(w, NK_STR("0.0"));
        break;
    case AV_BYTES:
    case AV_STRING:
        nk_jw_cstr(w, "");
        break;
    case AV_FIXED:
        least_fixed(w, t);
        break;
    case AV_ENUM:
        nk_jw_str(w, t->symbols.v[0]);
        break;
    case AV_RECORD:
        nk_jw_object(w);
        for (size_t i = 0; i < t->fields.n && !w->buf->failed; i++) {
            nk_jw_key(w, t->fields.v[i].name);
            least_value(w, t->fields.v[i].type);
        }
        nk_jw_object_end(w);
        break;
    case AV_ARRAY:
        nk_jw_array(w);
        nk_jw_array_end(w);
        break;
    case AV_MAP:
        nk_jw_object(w);
        nk_jw_object_end(w);
        break;
    case AV_UNION:
        b = t->branches.v[0];
        for (size_t i = 1; i < t->branches.n; i++)
            if (t->branches.v[i]->least < b->least)
                b = t->branches.v[i];
        open_branch(w, b);
        least_value(w, b);
        close_branch(w, b);
        break;
    }
}

/* Writes the value of chain[i]'s type that goes down the chain; at its end, `last` of `type`. */
static void chain_value(nk_json_writer *w, const spot *const *chain, size_t n, const av_type *type,
                        nk_str last)
{
    if (w->buf->failed)
        return;
    if (!n) {
        if (last.p)
            nk_jw_str(w, last);
        else if (type->least == AV_NONE)
            w->buf->failed = true, w->buf->why = NK_E_LIMIT;
        else
            least_value(w, type);
        return;
    }
    const av_type *t = chain[0]->type;
    const av_type *b;
    switch (t->kind) {
    case AV_RECORD:
        nk_jw_object(w);
        for (size_t i = 0; i < t->fields.n && !w->buf->failed; i++) {
            nk_jw_key(w, t->fields.v[i].name);
            if (i == chain[0]->pick)
                chain_value(w, chain + 1, n - 1, type, last);
            else
                chain_value(w, NULL, 0, t->fields.v[i].type, NK_STR_NULL);
        }
        nk_jw_object_end(w);
        break;
    case AV_ARRAY:
        nk_jw_array(w);
        chain_value(w, chain + 1, n - 1, type, last);
        nk_jw_array_end(w);
        break;
    case AV_MAP:
        nk_jw_object(w);
        nk_jw_key(w, NK_STR("key"));
        chain_value(w, chain + 1, n - 1, type, last);
        nk_jw_object_end(w);
        break;
    default:
        b = t->branches.v[chain[0]->pick];
        open_branch(w, b);
        chain_value(w, chain + 1, n - 1, type, last);
        close_branch(w, b);
        break;
    }
}

static nk_str sample_of(checker *c, const spot *at, const av_type *type, nk_str last)
{
    const spot *chain[2 * DEPTH_MAX + 8];
    size_t n = 0, i = NK_COUNTOF(chain);
    nk_str out = NK_STR_NULL;
    nk_buf b;
    for (const spot *s = at; s; s = s->up)
        if (s->type && i)
            chain[--i] = s, n++;
    nk_buf_init(&b, SAMPLE_MAX);
    nk_json_writer w = {.buf = &b};
    chain_value(&w, chain + i, n, type, last);
    if (!b.failed)
        out = nk_buf_dup(&b, c->arena);
    nk_buf_free(&b);
    return out;
}

/* ---- the list ---- */

static nk_code note(checker *c, unsigned rule, const spot *at, const av_type *w, nk_str last,
                    const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* w: the writer's type there, of which a value is the sample; last: that value, when it is a
 * string. */
static nk_code note(checker *c, unsigned rule, const spot *at, const av_type *w, nk_str last,
                    const char *fmt, ...)
{
    bool breaks = av_rules[rule].verdict[NK_DOOR_GLUE] == NK_VERDICT_BREAKS;
    char text[1024];
    va_list ap;
    if (c->out->n >= NK_SCHEMA_DIFFS_MAX || (!breaks && ++c->fine > FINE_MAX))
        return NK_OK;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    nk_schema_diff *d = nk_schema_diffs_add(c->out, c->arena);
    if (!d)
        return nomem(c);
    d->rule = &av_rules[rule];
    d->message = nk_str_c(nk_arena_strdup(c->arena, text));
    d->writer_path = av_pointer(c->arena, at->w);
    d->reader_path = av_pointer(c->arena, at->r);
    d->sample = breaks ? sample_of(c, at, w, last) : NK_STR_NULL;
    return d->message.p && d->writer_path.p && d->reader_path.p ? NK_OK : nomem(c);
}

static nk_code list(checker *c, const av_type *w, const av_type *r, const spot *at,
                    unsigned depth) NK_MUST;

/* The differences of a pair of named types are listed once, where they are met first. */
static nk_code listed_before(checker *c, const av_type *w, const av_type *r, bool *again)
{
    size_t place;
    NK_TRY(pair_at(c, w, r, &place));
    *again = c->pairs[place].listed;
    c->pairs[place].listed = true;
    return NK_OK;
}

static bool json_same(const nk_json *a, const nk_json *b)
{
    if (a->kind != b->kind || a->count != b->count)
        return false;
    if (a->kind == NK_JSON_NUMBER || a->kind == NK_JSON_STRING)
        return nk_str_eq(a->text, b->text);
    for (const nk_json *x = a->first, *y = b->first; x; x = x->next, y = y->next)
        if (!nk_str_eq(x->key, y->key) || !json_same(x, y))
            return false;
    return true;
}

static nk_code list_field(checker *c, const av_type *w, const av_field *f, const spot *at,
                          unsigned depth)
{
    bool aliased;
    size_t from = source_of(c, w, f, &aliased);
    if (from == AV_NONE) {
        spot here = {at, NULL, 0, w->at, f->at};
        if (f->value)
            return note(c, R_FIELD_ADDED, &here, w, NK_STR_NULL,
                        "field \"%.*s\" is new and has a default", NK_STR_ARG(f->name));
        return note(c, R_FIELD_MISSING_DEFAULT, &here, w, NK_STR_NULL,
                    "field \"%.*s\" is not written and has no default", NK_STR_ARG(f->name));
    }
    const av_field *o = &w->fields.v[from];
    spot here = {at, w, from, o->at, f->at};
    if (aliased)
        NK_TRY(note(c, R_FIELD_ALIASED, &here, w, NK_STR_NULL, "field \"%.*s\" is read as \"%.*s\"",
                    NK_STR_ARG(o->name), NK_STR_ARG(f->name)));
    if (!o->value != !f->value || (o->value && !json_same(o->value, f->value)))
        NK_TRY(note(c, R_DEFAULT_CHANGED, &here, w, NK_STR_NULL,
                    "field \"%.*s\" has another default", NK_STR_ARG(f->name)));
    if (!nk_str_eq(o->doc, f->doc))
        NK_TRY(note(c, R_DOC_CHANGED, &here, w, NK_STR_NULL, "field \"%.*s\" has another doc",
                    NK_STR_ARG(f->name)));
    spot inner = {at, w, from, o->type->at, f->type->at};
    return list(c, o->type, f->type, &inner, depth);
}

static nk_code list_record(checker *c, const av_type *w, const av_type *r, const spot *at,
                           unsigned depth)
{
    bool again;
    NK_TRY(listed_before(c, w, r, &again));
    if (again)
        return NK_OK;
    if (!nk_str_eq(w->doc, r->doc))
        NK_TRY(note(c, R_DOC_CHANGED, at, w, NK_STR_NULL, "\"%.*s\" has another doc",
                    NK_STR_ARG(r->full)));
    for (size_t i = 0; i < r->fields.n; i++)
        NK_TRY(list_field(c, w, &r->fields.v[i], at, depth));
    /* what nobody reads */
    bool *read = nk_calloc(w->fields.n + 1, sizeof(bool)), aliased;
    if (!read)
        return nomem(c);
    for (size_t i = 0; i < r->fields.n; i++) {
        size_t from = source_of(c, w, &r->fields.v[i], &aliased);
        if (from != AV_NONE)
            read[from] = true;
    }
    nk_code rc = NK_OK;
    for (size_t i = 0; rc == NK_OK && i < w->fields.n; i++) {
        spot here = {at, NULL, 0, w->fields.v[i].at, r->at};
        if (!read[i])
            rc = note(c, R_FIELD_REMOVED, &here, w, NK_STR_NULL, "field \"%.*s\" is gone",
                      NK_STR_ARG(w->fields.v[i].name));
    }
    nk_free(read);
    return rc;
}

static nk_code list_enum(checker *c, const av_type *w, const av_type *r, const spot *at)
{
    bool again;
    NK_TRY(listed_before(c, w, r, &again));
    if (again)
        return NK_OK;
    for (size_t i = 0; i < w->symbols.n; i++) {
        nk_str s = w->symbols.v[i];
        if (av_symbol_find(r, s) != AV_NONE)
            continue;
        if (r->enum_default.p)
            NK_TRY(note(c, R_SYMBOL_DEFAULTED, at, w, s, "symbol %.*s of \"%.*s\" is read as %.*s",
                        NK_STR_ARG(s), NK_STR_ARG(w->full), NK_STR_ARG(r->enum_default)));
        else
            NK_TRY(note(c, R_MISSING_ENUM_SYMBOLS, at, w, s,
                        "\"%.*s\" has no symbol %.*s and no default", NK_STR_ARG(r->full),
                        NK_STR_ARG(s)));
    }
    for (size_t i = 0; i < r->symbols.n; i++)
        if (av_symbol_find(w, r->symbols.v[i]) == AV_NONE)
            NK_TRY(note(c, R_SYMBOL_ADDED, at, w, NK_STR_NULL, "\"%.*s\" has the new symbol %.*s",
                        NK_STR_ARG(r->full), NK_STR_ARG(r->symbols.v[i])));
    return NK_OK;
}

static nk_code list_name(checker *c, const av_type *w, const av_type *r, const spot *at, bool *fits)
{
    *fits = names_fit(c, w, r);
    if (!*fits)
        return note(c, R_NAME_MISMATCH, at, w, NK_STR_NULL,
                    "%s \"%.*s\" is read as \"%.*s\", which has no such alias",
                    av_kind_name(w->kind), NK_STR_ARG(w->full), NK_STR_ARG(r->full));
    if (!nk_str_eq(w->name, r->name))
        return note(c, R_NAME_ALIASED, at, w, NK_STR_NULL, "\"%.*s\" is read as \"%.*s\"",
                    NK_STR_ARG(w->full), NK_STR_ARG(r->full));
    if (!nk_str_eq(w->full, r->full))
        return note(c, R_NAMESPACE_CHANGED, at, w, NK_STR_NULL, "\"%.*s\" has become \"%.*s\"",
                    NK_STR_ARG(w->full), NK_STR_ARG(r->full));
    return NK_OK;
}

/* The branch of a reader's union that says most of a writer's type: the one that reads it, in the
 * order of resolution; else one of its kind and name. AV_NONE. */
static nk_code pick_branch(checker *c, const av_type *w, const av_type *r, unsigned depth,
                           size_t *out, bool *yes)
{
    size_t near = AV_NONE;
    for (size_t i = 0; near == AV_NONE && i < r->branches.n; i++) {
        const av_type *b = r->branches.v[i];
        if (b->kind == w->kind && (!av_named(w) || nk_str_eq(b->full, w->full)))
            near = i;
    }
    for (size_t i = 0; near == AV_NONE && i < r->branches.n; i++)
        if (r->branches.v[i]->kind == w->kind && names_fit(c, w, r->branches.v[i]))
            near = i;
    *out = near;
    *yes = false;
    if (near != AV_NONE)
        NK_TRY(readable(c, w, r->branches.v[near], depth, yes));
    for (size_t i = 0; !*yes && i < r->branches.n; i++) {
        NK_TRY(readable(c, w, r->branches.v[i], depth, yes));
        if (*yes)
            *out = i;
    }
    return NK_OK;
}

static nk_code list_reader_union(checker *c, const av_type *w, const av_type *r, const spot *at,
                                 unsigned depth)
{
    size_t i;
    bool yes;
    NK_TRY(pick_branch(c, w, r, depth, &i, &yes));
    if (i == AV_NONE)
        return note(c, R_MISSING_UNION_BRANCH, at, w, NK_STR_NULL,
                    "the reader's union takes no %.*s", NK_STR_ARG(av_label(w)));
    spot here = {at, NULL, 0, at->w, r->branches.v[i]->at};
    return list(c, w, r->branches.v[i], &here, depth);
}

static nk_code list_writer_union(checker *c, const av_type *w, const av_type *r, const spot *at,
                                 unsigned depth)
{
    for (size_t i = 0; i < w->branches.n; i++) {
        spot here = {at, w, i, w->branches.v[i]->at, at->r};
        NK_TRY(list(c, w->branches.v[i], r, &here, depth));
    }
    if (r->kind != AV_UNION)
        return NK_OK;
    for (size_t i = 0; i < r->branches.n; i++) {
        const av_type *b = r->branches.v[i];
        bool known = false;
        for (size_t k = 0; !known && k < w->branches.n; k++, c->steps++)
            known = w->branches.v[k]->kind == b->kind &&
                    (!av_named(b) || names_fit(c, w->branches.v[k], b));
        spot here = {at, NULL, 0, w->at, b->at};
        if (!known)
            NK_TRY(note(c, R_BRANCH_ADDED, &here, w, NK_STR_NULL, "the union takes %.*s too",
                        NK_STR_ARG(av_label(b))));
    }
    return NK_OK;
}

static nk_code list_logical(checker *c, const av_type *w, const av_type *r, const spot *at)
{
    if (nk_str_eq(w->logical, r->logical) && w->precision == r->precision && w->scale == r->scale)
        return NK_OK;
    if (w->precision || r->precision)
        return note(c, R_LOGICAL_TYPE_CHANGED, at, w, NK_STR_NULL,
                    "%.*s(%lld,%lld) is read as %.*s(%lld,%lld)",
                    NK_STR_ARG(w->logical.p ? w->logical : av_label(w)), (long long)w->precision,
                    (long long)w->scale, NK_STR_ARG(r->logical.p ? r->logical : av_label(r)),
                    (long long)r->precision, (long long)r->scale);
    return note(c, R_LOGICAL_TYPE_CHANGED, at, w, NK_STR_NULL, "%.*s is read as %.*s",
                NK_STR_ARG(w->logical.p ? w->logical : av_label(w)),
                NK_STR_ARG(r->logical.p ? r->logical : av_label(r)));
}

static nk_code list_same_kind(checker *c, const av_type *w, const av_type *r, const spot *at,
                              unsigned depth)
{
    bool fits = true;
    NK_TRY(list_logical(c, w, r, at));
    if (w->items) {
        spot here = {at, w, 0, w->items->at, r->items->at};
        return list(c, w->items, r->items, &here, depth);
    }
    if (av_named(w))
        NK_TRY(list_name(c, w, r, at, &fits));
    if (!fits)
        return NK_OK;
    if (w->kind == AV_RECORD)
        return list_record(c, w, r, at, depth);
    if (w->kind == AV_ENUM)
        return list_enum(c, w, r, at);
    if (w->kind == AV_FIXED && w->size != r->size)
        return note(c, R_FIXED_SIZE_MISMATCH, at, w, NK_STR_NULL,
                    "\"%.*s\" has %lld bytes and is read as %lld", NK_STR_ARG(w->full),
                    (long long)w->size, (long long)r->size);
    return NK_OK;
}

static nk_code list(checker *c, const av_type *w, const av_type *r, const spot *at, unsigned depth)
{
    if (++c->steps > STEPS_MAX || depth > DEPTH_MAX)
        return too_large(c);
    depth++;
    if (w->kind == AV_UNION)
        return list_writer_union(c, w, r, at, depth);
    if (r->kind == AV_UNION)
        return list_reader_union(c, w, r, at, depth);
    if (w->kind == r->kind)
        return list_same_kind(c, w, r, at, depth);
    if (promoted(w->kind, r->kind)) {
        NK_TRY(note(c, R_TYPE_PROMOTED, at, w, NK_STR_NULL, "%s is read as %s",
                    av_kind_name(w->kind), av_kind_name(r->kind)));
        return list_logical(c, w, r, at);
    }
    return note(c, R_TYPE_MISMATCH, at, w, NK_STR_NULL, "%.*s cannot be read as %.*s",
                NK_STR_ARG(av_label(w)), NK_STR_ARG(av_label(r)));
}

static nk_code av_compare(const nk_schema_doc *writer, const nk_schema_doc *reader, nk_arena *a,
                          nk_schema_diffs *out, nk_err *err)
{
    checker c = {.arena = a, .out = out, .err = err};
    spot root = {NULL, NULL, 0, writer->root->at, reader->root->at};
    *out = (nk_schema_diffs){0};
    nk_code rc = list(&c, writer->root, reader->root, &root, 0);
    nk_free(c.pairs);
    nk_free(c.trail);
    return rc;
}

const nk_schema_format nk_schema_format_avro = {
    .name = {"AVRO", 4},
    .rules = av_rules,
    .n_rules = NK_COUNTOF(av_rules),
    .quick_max = 4096,
    .links = av_links,
    .parse = av_parse,
    .canonical = av_canonical,
    .compare = av_compare,
    .admit = av_admit,
    .columns = av_columns,
};
