#include "schema/infer.h"

#include <stdio.h>

#define NODES_MAX_DEFAULT 100000
#define COLUMNS_MAX       10000

/* What was seen at one place: the kinds in order of appearance, and below them fields and elements.
 */
typedef struct nk_seen node;
typedef struct member {
    nk_str name;
    node *at;
} member;

struct nk_seen {
    unsigned char order[NK_T_STRUCT + 1]; /* nk_type_kind */
    unsigned char nkinds;
    uint32_t seen;          /* bit per kind */
    uint64_t texts, others; /* CSV: cells of each sort */
    member *members;
    size_t n, cap;
    uint32_t *index; /* open addressing into members + 1; built past a few members */
    size_t index_cap;
    node *elem;
};

struct nk_infer {
    nk_arena *a;
    size_t nodes, max_nodes;
    uint64_t count;
    node root;
    bool csv;
};

nk_infer *nk_infer_create(nk_arena *a, size_t max_nodes)
{
    nk_infer *in = NK_NEW(a, nk_infer);
    if (!in)
        return NULL;
    in->a = a;
    in->max_nodes = max_nodes ? max_nodes : NODES_MAX_DEFAULT;
    return in;
}

uint64_t nk_infer_count(const nk_infer *in)
{
    return in->count;
}

static void saw(node *n, nk_type_kind kind)
{
    if (n->seen & 1u << kind)
        return;
    n->seen |= 1u << kind;
    n->order[n->nkinds++] = (unsigned char)kind;
}

static nk_code no_memory(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "Out of memory inferring a schema");
}

static node *new_node(nk_infer *in, nk_err *err)
{
    if (in->nodes >= in->max_nodes) {
        (void)nk_fail(err, NK_E_LIMIT, "The data has more than %zu different fields",
                      in->max_nodes);
        return NULL;
    }
    in->nodes++;
    node *n = NK_NEW(in->a, node);
    if (!n)
        (void)no_memory(err);
    return n;
}

/* ---- fields by name ---- */

static nk_code reindex(nk_infer *in, node *n, nk_err *err)
{
    size_t cap = 64;
    while (cap < n->n * 4)
        cap *= 2;
    uint32_t *index = NK_NEWN(in->a, uint32_t, cap);
    if (!index)
        return no_memory(err);
    for (size_t i = 0; i < n->n; i++) {
        size_t at = nk_hash64(n->members[i].name.p, n->members[i].name.n, 7) & (cap - 1);
        while (index[at])
            at = (at + 1) & (cap - 1);
        index[at] = (uint32_t)i + 1;
    }
    n->index = index;
    n->index_cap = cap;
    return NK_OK;
}

static node *find_member(const node *n, nk_str name, size_t hint)
{
    if (hint < n->n && nk_str_eq(n->members[hint].name, name))
        return n->members[hint].at;
    if (!n->index) {
        for (size_t i = 0; i < n->n; i++) {
            if (nk_str_eq(n->members[i].name, name))
                return n->members[i].at;
        }
        return NULL;
    }
    size_t at = nk_hash64(name.p, name.n, 7) & (n->index_cap - 1);
    for (; n->index[at]; at = (at + 1) & (n->index_cap - 1)) {
        const member *m = &n->members[n->index[at] - 1];
        if (nk_str_eq(m->name, name))
            return m->at;
    }
    return NULL;
}

/* hint: where the field stood in the document before, usually. */
static nk_code member_of(nk_infer *in, node *n, nk_str name, size_t hint, node **out, nk_err *err)
{
    *out = find_member(n, name, hint);
    if (*out)
        return NK_OK;
    node *at = new_node(in, err);
    if (!at)
        return in->nodes >= in->max_nodes ? NK_E_LIMIT : NK_E_NOMEM;
    if (n->n == n->cap) {
        size_t cap = n->cap ? n->cap * 2 : 8;
        member *m = NK_NEWN(in->a, member, cap);
        if (!m)
            return no_memory(err);
        if (n->n)
            memcpy(m, n->members, n->n * sizeof *m);
        n->members = m;
        n->cap = cap;
    }
    nk_str copy = nk_str_dup(in->a, name);
    if (!copy.p)
        return no_memory(err);
    n->members[n->n++] = (member){copy, at};
    *out = at;
    if (n->n > 12 && (!n->index || n->n * 2 > n->index_cap))
        return reindex(in, n, err);
    if (n->index) {
        size_t slot = nk_hash64(copy.p, copy.n, 7) & (n->index_cap - 1);
        while (n->index[slot])
            slot = (slot + 1) & (n->index_cap - 1);
        n->index[slot] = (uint32_t)n->n;
    }
    return NK_OK;
}

/* ---- JSON ---- */

static nk_type_kind number_kind(nk_str text)
{
    int64_t v;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '.' || text.p[i] == 'e' || text.p[i] == 'E')
            return NK_T_DOUBLE;
    }
    if (!nk_str_i64(text, &v))
        return NK_T_DOUBLE;
    return v >= INT32_MIN && v <= INT32_MAX ? NK_T_INT : NK_T_LONG;
}

static nk_code json_value(nk_infer *in, nk_json_reader *r, node *n, nk_err *err);

static nk_code json_object(nk_infer *in, nk_json_reader *r, node *n, nk_err *err)
{
    saw(n, NK_T_STRUCT);
    for (size_t at = 0;; at++) {
        NK_TRY(nk_json_next(r));
        if (r->token == NK_JSON_OBJECT_END)
            return NK_OK;
        node *m;
        NK_TRY(member_of(in, n, r->text, at, &m, err));
        NK_TRY(nk_json_next(r));
        NK_TRY(json_value(in, r, m, err));
    }
}

static nk_code json_array(nk_infer *in, nk_json_reader *r, node *n, nk_err *err)
{
    saw(n, NK_T_ARRAY);
    for (;;) {
        NK_TRY(nk_json_next(r));
        if (r->token == NK_JSON_ARRAY_END)
            return NK_OK;
        node *elem;
        NK_TRY(nk_seen_elem(in, n, &elem, err));
        NK_TRY(json_value(in, r, elem, err));
    }
}

static nk_code json_value(nk_infer *in, nk_json_reader *r, node *n, nk_err *err)
{
    switch (r->token) {
    case NK_JSON_OBJECT:
        return json_object(in, r, n, err);
    case NK_JSON_ARRAY:
        return json_array(in, r, n, err);
    case NK_JSON_TRUE:
    case NK_JSON_FALSE:
        saw(n, NK_T_BOOLEAN);
        return NK_OK;
    case NK_JSON_NUMBER:
        saw(n, number_kind(r->text));
        return NK_OK;
    case NK_JSON_STRING:
        saw(n, NK_T_STRING);
        return NK_OK;
    default:
        return NK_OK; /* null says nothing */
    }
}

/* ---- any format ---- */

nk_seen *nk_infer_root(nk_infer *in)
{
    return &in->root;
}

void nk_infer_record(nk_infer *in)
{
    in->count++;
}

void nk_seen_kind(nk_seen *at, nk_type_kind kind)
{
    if (kind != NK_T_NULL)
        saw(at, kind);
}

bool nk_seen_is(const nk_seen *at, nk_type_kind kind)
{
    return at->seen >> kind & 1;
}

nk_code nk_seen_field(nk_infer *in, nk_seen *at, nk_str name, size_t hint, nk_seen **out,
                      nk_err *err)
{
    return member_of(in, at, name, hint, out, err);
}

nk_code nk_seen_elem(nk_infer *in, nk_seen *at, nk_seen **out, nk_err *err)
{
    if (!at->elem && !(at->elem = new_node(in, err)))
        return in->nodes >= in->max_nodes ? NK_E_LIMIT : NK_E_NOMEM;
    *out = at->elem;
    return NK_OK;
}

nk_code nk_infer_value(nk_infer *in, nk_json_reader *r, nk_err *err)
{
    NK_TRY(json_value(in, r, &in->root, err));
    in->count++;
    return NK_OK;
}

nk_code nk_infer_json(nk_infer *in, nk_str document, nk_err *err)
{
    /* unescaped text is wanted only until it is copied: a document's own arena */
    nk_arena *scratch = nk_arena_create(0);
    if (!scratch)
        return no_memory(err);
    nk_json_reader r;
    nk_err local = NK_ERR_INIT;
    nk_json_begin(&r, document, scratch, 100, err ? err : &local);
    nk_code rc = nk_json_next(&r);
    if (rc == NK_OK)
        rc = json_value(in, &r, &in->root, err);
    if (rc == NK_OK)
        rc = nk_json_next(&r);
    if (rc == NK_OK && r.token != NK_JSON_END)
        rc = nk_fail(err, NK_E_SERIALIZATION, "Not JSON: text behind the document");
    if (rc == NK_OK)
        in->count++;
    nk_arena_destroy(scratch);
    return rc;
}

/* ---- CSV ---- */

static bool digits(nk_str s, size_t from, size_t n)
{
    if (from + n > s.n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s.p[from + i] < '0' || s.p[from + i] > '9')
            return false;
    }
    return true;
}

static int two(nk_str s, size_t from)
{
    return (s.p[from] - '0') * 10 + (s.p[from + 1] - '0');
}

/* yyyy-mm-dd at the start, a day that exists. */
static bool date_at(nk_str s)
{
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!digits(s, 0, 4) || s.n < 10 || s.p[4] != '-' || !digits(s, 5, 2) || s.p[7] != '-' ||
        !digits(s, 8, 2))
        return false;
    int year = two(s, 0) * 100 + two(s, 2), month = two(s, 5), day = two(s, 8);
    if (month < 1 || month > 12 || day < 1 || day > days[month - 1])
        return false;
    bool leap = (year % 4 == 0 && year % 100) || year % 400 == 0;
    return month != 2 || day < 29 || leap;
}

static nk_type_kind date_or_time(nk_str s)
{
    if (!date_at(s))
        return NK_T_STRING;
    if (s.n == 10)
        return NK_T_DATE;
    if ((s.p[10] != ' ' && s.p[10] != 'T') || s.n < 16 || !digits(s, 11, 2) || s.p[13] != ':' ||
        !digits(s, 14, 2) || two(s, 11) > 23 || two(s, 14) > 59)
        return NK_T_STRING;
    size_t i = 16;
    if (i < s.n && s.p[i] == ':') {
        if (!digits(s, 17, 2) || two(s, 17) > 59)
            return NK_T_STRING;
        i = 19;
        if (i < s.n && s.p[i] == '.') {
            size_t from = ++i;
            while (i < s.n && digits(s, i, 1))
                i++;
            if (i == from)
                return NK_T_STRING;
        }
    }
    if (i < s.n && s.p[i] == 'Z')
        i++;
    else if (i + 6 == s.n && (s.p[i] == '+' || s.p[i] == '-') && digits(s, i + 1, 2) &&
             s.p[i + 3] == ':' && digits(s, i + 4, 2))
        i += 6;
    return i == s.n ? NK_T_TIMESTAMP : NK_T_STRING;
}

nk_type_kind nk_infer_cell(nk_str cell)
{
    nk_str s = nk_str_trim(cell);
    if (!s.n)
        return NK_T_NULL;
    char c = s.p[0];
    if (c == 't' || c == 'T' || c == 'f' || c == 'F')
        return nk_str_ieq(s, NK_STR("true")) || nk_str_ieq(s, NK_STR("false")) ? NK_T_BOOLEAN
                                                                               : NK_T_STRING;
    if (c == 'N' || c == 'I' || c == '-' || c == '+') {
        nk_str t = c == '-' || c == '+' ? nk_str_sub(s, 1, s.n) : s;
        if (nk_str_is(t, "Infinity") || (t.n == s.n && nk_str_is(s, "NaN")))
            return NK_T_DOUBLE;
    }
    size_t i = c == '-' || c == '+', from = i, whole, frac = 0;
    while (i < s.n && digits(s, i, 1))
        i++;
    whole = i - from;
    if (i == s.n && whole) {
        int64_t v;
        return nk_str_i64(c == '+' ? nk_str_sub(s, 1, s.n) : s, &v) ? NK_T_LONG : NK_T_STRING;
    }
    if (whole == 4 && c != '-' && c != '+' && s.p[i] == '-')
        return date_or_time(s);
    if (i < s.n && s.p[i] == '.') {
        for (i++; i < s.n && digits(s, i, 1); i++)
            frac++;
    }
    if (!whole && !frac)
        return NK_T_STRING;
    if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
        i++;
        if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
            i++;
        size_t exp = i;
        while (i < s.n && digits(s, i, 1))
            i++;
        if (i == exp)
            return NK_T_STRING;
    }
    return i == s.n ? NK_T_DOUBLE : NK_T_STRING;
}

nk_code nk_infer_csv(nk_infer *in, const nk_str *cells, size_t n, nk_err *err)
{
    if (n > COLUMNS_MAX)
        return nk_fail(err, NK_E_LIMIT, "A CSV record has more than %d cells", COLUMNS_MAX);
    in->csv = true;
    for (size_t i = 0; i < n; i++) {
        if (i >= in->root.n) {
            node *m;
            char name[24];
            int len = snprintf(name, sizeof name, "col%zu", i);
            NK_TRY(member_of(in, &in->root, nk_str_n(name, (size_t)len), i, &m, err));
        }
        nk_type_kind k = nk_infer_cell(cells[i]);
        if (k == NK_T_NULL)
            continue;
        node *at = in->root.members[i].at;
        saw(at, k);
        if (k == NK_T_STRING)
            at->texts++;
        else
            at->others++;
    }
    saw(&in->root, NK_T_STRUCT);
    in->count++;
    return NK_OK;
}

/* ---- the type of it all ---- */

static nk_code node_type(const node *n, nk_merge_rule rule, nk_arena *a, const nk_type **out,
                         nk_err *err);

static nk_code kind_type(const node *n, nk_type_kind kind, nk_merge_rule rule, nk_arena *a,
                         const nk_type **out, nk_err *err)
{
    if (kind == NK_T_ARRAY) {
        const nk_type *elem = nk_type_scalar(NK_T_NULL);
        if (n->elem)
            NK_TRY(node_type(n->elem, rule, a, &elem, err));
        *out = nk_type_array(a, elem);
    } else if (kind == NK_T_STRUCT) {
        nk_field *fields = NK_NEWN(a, nk_field, n->n ? n->n : 1);
        if (!fields)
            return no_memory(err);
        for (size_t i = 0; i < n->n; i++) {
            fields[i].name = nk_str_dup(a, n->members[i].name);
            if (!fields[i].name.p)
                return no_memory(err);
            NK_TRY(node_type(n->members[i].at, rule, a, &fields[i].type, err));
        }
        *out = nk_type_struct(a, fields, n->n);
    } else {
        *out = nk_type_scalar(kind);
    }
    return *out ? NK_OK : no_memory(err);
}

static nk_code node_type(const node *n, nk_merge_rule rule, nk_arena *a, const nk_type **out,
                         nk_err *err)
{
    *out = nk_type_scalar(NK_T_NULL);
    for (size_t i = 0; i < n->nkinds; i++) {
        const nk_type *t;
        NK_TRY(kind_type(n, (nk_type_kind)n->order[i], rule, a, &t, err));
        NK_TRY(nk_type_merge(*out, t, rule, a, out, err));
    }
    return NK_OK;
}

nk_code nk_infer_type(const nk_infer *in, nk_merge_rule rule, size_t min_columns, nk_arena *a,
                      const nk_type **out, nk_err *err)
{
    NK_TRY(node_type(&in->root, rule, a, out, err));
    if (!in->csv && !min_columns)
        return NK_OK;
    if ((*out)->kind != NK_T_STRUCT)
        *out = nk_type_scalar(NK_T_STRUCT);
    size_t have = (*out)->nfields;
    if (have >= min_columns)
        return NK_OK;
    nk_field *fields = NK_NEWN(a, nk_field, min_columns);
    if (!fields)
        return no_memory(err);
    if (have)
        memcpy(fields, (*out)->fields, have * sizeof *fields);
    for (size_t i = have; i < min_columns; i++) {
        fields[i].name = nk_str_printf(a, "col%zu", i);
        fields[i].type = nk_type_scalar(NK_T_NULL);
    }
    *out = nk_type_struct(a, fields, min_columns);
    return *out ? NK_OK : no_memory(err);
}

/* The one kind that holds all values but texts; STRING when there is none. */
static nk_type_kind cells_kind(const node *n)
{
    uint32_t seen = n->seen & ~(1u << NK_T_STRING);
    if (seen == (1u << NK_T_LONG | 1u << NK_T_DOUBLE))
        return NK_T_DOUBLE;
    if (seen == (1u << NK_T_DATE | 1u << NK_T_TIMESTAMP))
        return NK_T_TIMESTAMP;
    for (size_t i = 0; i < n->nkinds; i++)
        if (seen == 1u << n->order[i])
            return (nk_type_kind)n->order[i];
    return NK_T_STRING;
}

nk_code nk_infer_cells(const nk_infer *in, size_t columns, nk_arena *a, const nk_type **out,
                       nk_err *err)
{
    size_t n = in->root.n > columns ? in->root.n : columns;
    nk_field *fields = NK_NEWN(a, nk_field, n + 1);
    if (!fields)
        return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        const node *c = i < in->root.n ? in->root.members[i].at : NULL;
        nk_type_kind k = c && c->others > c->texts ? cells_kind(c) : NK_T_STRING;
        const nk_type *alts[] = {nk_type_scalar(k), nk_type_scalar(NK_T_STRING)};
        fields[i].name = nk_str_printf(a, "col%zu", i);
        fields[i].type =
            k != NK_T_STRING && c->texts ? nk_type_choice(a, alts, 2) : nk_type_scalar(k);
        if (!fields[i].name.p || !fields[i].type)
            return no_memory(err);
    }
    *out = nk_type_struct(a, fields, n);
    return *out ? NK_OK : no_memory(err);
}
