/* Paths into rows, and SQL expressions as text. */
#include <stdio.h>

#include "plan/plan_int.h"

/* ---- paths ---- */

nk_code nk_path_parse(nk_str text, nk_arena *a, nk_path *out, nk_err *err)
{
    nk_strs parts = {0};
    size_t i = 0;
    while (i <= text.n) {
        nk_buf b;
        nk_buf_init(&b, text.n + 1);
        bool quoted = false, more = false;
        for (; i < text.n; i++) {
            char ch = text.p[i];
            if (ch == '`' && quoted && i + 1 < text.n && text.p[i + 1] == '`') {
                (void)nk_buf_putc(&b, '`');
                i++;
            } else if (ch == '`') {
                quoted = !quoted;
            } else if (ch == '.' && !quoted) {
                more = true;
                break;
            } else {
                (void)nk_buf_putc(&b, ch);
            }
        }
        nk_str *s = nk_strs_add(&parts, a);
        if (s)
            *s = nk_str_dup(a, nk_buf_view(&b));
        bool empty = b.n == 0, cut = b.failed;
        nk_buf_free(&b);
        if (!s || !s->p || cut)
            return nk_oom(err);
        if (empty || quoted)
            return nk_fail(err, NK_E_INVALID,
                           "field path \"%.*s\" has an empty name or an open back quote",
                           NK_STR_ARG(text));
        i++;
        if (!more)
            break;
    }
    *out = (nk_path){parts.v, parts.n};
    return NK_OK;
}

nk_code nk_path_read(const nk_json *j, nk_arena *a, nk_path *out, nk_err *err)
{
    if (j && j->kind == NK_JSON_STRING)
        return nk_path_parse(j->text, a, out, err);
    if (!j || j->kind != NK_JSON_ARRAY || !j->count)
        return nk_fail(err, NK_E_INVALID, "a field path must be a list of names");
    out->n = 0;
    out->parts = NK_NEWN(a, nk_str, j->count);
    if (!out->parts)
        return nk_oom(err);
    for (const nk_json *p = j->first; p; p = p->next)
        out->parts[out->n++] = p->text;
    return NK_OK;
}

const nk_field *nk_field_find(const nk_type *t, nk_str name)
{
    if (t->kind != NK_T_STRUCT && t->kind != NK_T_CHOICE)
        return NULL;
    const nk_field *f = nk_type_field(t, name);
    for (size_t i = 0; !f && i < t->nfields; i++)
        if (nk_str_ieq(t->fields[i].name, name))
            f = &t->fields[i];
    return f;
}

static nk_str bare(nk_str part)
{
    return part.n > 2 && nk_str_ends(part, NK_STR("[]")) ? nk_str_sub(part, 0, part.n - 2) : part;
}

static const nk_type *walk(const nk_type *t, const nk_path *p)
{
    for (size_t i = 0; i < p->n; i++) {
        while (t->kind == NK_T_ARRAY)
            t = t->elem;
        const nk_field *f = nk_field_find(t, p->parts[i]);
        if (!f)
            f = nk_field_find(t, bare(p->parts[i]));
        if (!f)
            return NULL;
        t = f->type;
        if (f->name.n < p->parts[i].n)
            while (t->kind == NK_T_ARRAY)
                t = t->elem;
    }
    return t;
}

/* The type of what nk_x_path gives: arrays on the way stay arrays. */
static const nk_type *value_type(nk_arena *a, const nk_type *t, const nk_path *p, size_t from)
{
    if (from == p->n)
        return t;
    if (t->kind == NK_T_ARRAY) {
        const nk_type *e = value_type(a, t->elem, p, from);
        return e ? nk_type_array(a, e) : NULL;
    }
    const nk_field *f = nk_field_find(t, p->parts[from]);
    if (!f)
        f = nk_field_find(t, bare(p->parts[from]));
    return f ? value_type(a, f->type, p, from + 1) : NULL;
}

const nk_type *nk_path_type(nk_arena *a, const nk_type *t, nk_path *path)
{
    const nk_type *found = walk(t, path);
    if (!found && path->n == 1 && nk_str_chr(path->parts[0], '.') > 0) {
        nk_path other;
        if (nk_path_parse(path->parts[0], a, &other, NULL) == NK_OK && walk(t, &other))
            *path = other;
    } else if (!found && path->n > 1) { /* one name with dots in it */
        nk_buf b;
        nk_buf_init(&b, 1 << 16);
        for (size_t i = 0; i < path->n; i++)
            (void)nk_buf_printf(&b, "%s%.*s", i ? "." : "", NK_STR_ARG(path->parts[i]));
        nk_str *one = NK_NEW(a, nk_str);
        if (one && nk_field_find(t, nk_buf_view(&b))) {
            *one = nk_buf_dup(&b, a);
            *path = (nk_path){one, 1};
        }
        nk_buf_free(&b);
    }
    return value_type(a, t, path, 0);
}

const char *nk_path_text(nk_arena *a, const nk_path *p)
{
    nk_buf b;
    nk_buf_init(&b, 1 << 16);
    for (size_t i = 0; i < p->n; i++)
        (void)nk_buf_printf(&b, "%s%.*s", i ? "." : "", NK_STR_ARG(p->parts[i]));
    nk_str s = nk_buf_dup(&b, a);
    nk_buf_free(&b);
    return s.p ? s.p : "";
}

/* ---- texts ---- */

nk_str nk_x_take(nk_compile *c, nk_buf *b)
{
    nk_str s = nk_buf_dup(b, c->arena);
    c->failed = c->failed || b->failed || !s.p;
    nk_buf_free(b);
    return s.p ? s : NK_STR("NULL");
}

nk_str nk_x_failed(nk_compile *c)
{
    c->failed = true;
    return NK_STR("NULL");
}

nk_str nk_x_printf(nk_compile *c, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : nk_arena_bytes(c->arena, (size_t)n + 1);
    if (p)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    c->failed = c->failed || !p;
    return p ? nk_str_n(p, (size_t)n) : NK_STR("NULL");
}

nk_str nk_x_ident(nk_compile *c, nk_str name)
{
    nk_buf b;
    nk_buf_init(&b, NK_SQL_MAX);
    (void)c->dialect->ident(&b, name);
    return nk_x_take(c, &b);
}

nk_str nk_x_literal(nk_compile *c, nk_str text)
{
    nk_buf b;
    nk_buf_init(&b, NK_SQL_MAX);
    (void)c->dialect->literal(&b, text);
    return nk_x_take(c, &b);
}

nk_str nk_x_field(nk_compile *c, nk_str x, nk_str name)
{
    nk_buf b;
    nk_buf_init(&b, NK_SQL_MAX);
    (void)c->dialect->field(&b, x, name);
    return nk_x_take(c, &b);
}

static nk_str fresh_var(nk_compile *c)
{
    static _Thread_local unsigned count;
    return nk_x_printf(c, "e%u", count++ % 100000);
}

nk_str nk_x_path(nk_compile *c, const nk_type *t, const nk_path *p, size_t from, nk_str x)
{
    if (from == p->n)
        return x;
    if (t->kind == NK_T_ARRAY) {
        nk_buf b;
        nk_str var = fresh_var(c);
        nk_buf_init(&b, NK_SQL_MAX);
        (void)c->dialect->list_map(&b, x, var, nk_x_path(c, t->elem, p, from, var));
        return nk_x_take(c, &b);
    }
    const nk_field *f = nk_field_find(t, p->parts[from]);
    if (!f)
        f = nk_field_find(t, bare(p->parts[from]));
    if (!f)
        return NK_STR("NULL");
    return nk_x_path(c, f->type, p, from + 1,
                     x.p ? nk_x_field(c, x, f->name) : nk_x_ident(c, f->name));
}

nk_str nk_x_struct(nk_compile *c, nk_str x, const nk_columns *l)
{
    nk_buf b;
    nk_buf_init(&b, NK_SQL_MAX);
    if (x.p)
        (void)nk_buf_printf(&b, "CASE WHEN %.*s IS NULL THEN NULL ELSE ", NK_STR_ARG(x));
    (void)c->dialect->struct_open(&b);
    for (size_t i = 0; i < l->n; i++)
        (void)c->dialect->struct_field(&b, i == 0, l->v[i].name, l->v[i].x);
    (void)c->dialect->struct_close(&b);
    if (x.p)
        (void)nk_buf_puts(&b, " END");
    return nk_x_take(c, &b);
}

/* ---- types ---- */

bool nk_type_has_choice(const nk_type *t)
{
    if (t->kind == NK_T_CHOICE)
        return true;
    if ((t->elem && nk_type_has_choice(t->elem)) || (t->key && nk_type_has_choice(t->key)))
        return true;
    for (size_t i = 0; i < t->nfields; i++)
        if (nk_type_has_choice(t->fields[i].type))
            return true;
    return false;
}

static bool is_nested(const nk_type *t)
{
    return t->kind == NK_T_ARRAY || t->kind == NK_T_MAP || t->kind == NK_T_STRUCT;
}

/* ---- casts ---- */

static nk_code cast_choice(nk_compile *c, nk_str x, const nk_type *from, const nk_type *to,
                           nk_str *out, nk_err *err)
{
    nk_buf b;
    nk_buf_init(&b, NK_SQL_MAX);
    size_t n = 0;
    for (size_t i = 0; i < from->nfields; i++) {
        nk_str one;
        nk_str alt = nk_x_field(c, x, from->fields[i].name);
        if (nk_x_cast(c, alt, from->fields[i].type, to, &one, NULL) != NK_OK)
            continue; /* such values become null, as failed casts do */
        (void)nk_buf_printf(&b, "%s%.*s", n++ ? ", " : "COALESCE(", NK_STR_ARG(one));
    }
    if (!n) {
        nk_buf_free(&b);
        return nk_fail(err, NK_E_INVALID, "none of its types can become a %s",
                       nk_type_glue_name(to));
    }
    (void)nk_buf_putc(&b, ')');
    *out = nk_x_take(c, &b);
    return NK_OK;
}

static nk_code cast_struct(nk_compile *c, nk_str x, const nk_type *from, const nk_type *to,
                           nk_str *out, nk_err *err)
{
    nk_columns l = {0};
    for (size_t i = 0; i < to->nfields; i++) {
        const nk_field *f = nk_field_find(from, to->fields[i].name);
        nk_str v = NK_STR("NULL");
        if (f)
            NK_TRY(nk_x_cast(c, nk_x_field(c, x, f->name), f->type, to->fields[i].type, &v, err));
        else {
            nk_buf b;
            nk_buf_init(&b, NK_SQL_MAX);
            (void)c->dialect->type(&b, to->fields[i].type);
            nk_str t = nk_x_take(c, &b);
            v = nk_x_printf(c, "CAST(NULL AS %.*s)", NK_STR_ARG(t));
        }
        NK_TRY(nk_columns_put(&l, c->arena, to->fields[i].name, to->fields[i].type, v, err));
    }
    *out = nk_x_struct(c, x, &l);
    return NK_OK;
}

nk_code nk_x_cast(nk_compile *c, nk_str x, const nk_type *from, const nk_type *to, nk_str *out,
                  nk_err *err)
{
    nk_buf b;
    nk_str body, var;
    if (nk_type_eq(from, to) || (nk_type_is_text(from) && nk_type_is_text(to))) {
        *out = x;
        return NK_OK;
    }
    if (from->kind == NK_T_NULL) {
        nk_buf_init(&b, NK_SQL_MAX);
        (void)nk_buf_puts(&b, "CAST(NULL AS ");
        (void)c->dialect->type(&b, to);
        (void)nk_buf_putc(&b, ')');
        *out = nk_x_take(c, &b);
        return NK_OK;
    }
    if (from->kind == NK_T_CHOICE)
        return cast_choice(c, x, from, to, out, err);
    if (from->kind == NK_T_STRUCT && to->kind == NK_T_STRUCT)
        return cast_struct(c, x, from, to, out, err);
    if (from->kind == NK_T_ARRAY && to->kind == NK_T_ARRAY) {
        var = fresh_var(c);
        NK_TRY(nk_x_cast(c, var, from->elem, to->elem, &body, err));
        nk_buf_init(&b, NK_SQL_MAX);
        (void)c->dialect->list_map(&b, x, var, body);
        *out = nk_x_take(c, &b);
        return NK_OK;
    }
    if (from->kind == NK_T_MAP && to->kind == NK_T_MAP && nk_type_eq(from->key, to->key)) {
        var = fresh_var(c);
        NK_TRY(nk_x_cast(c, var, from->elem, to->elem, &body, err));
        nk_buf_init(&b, NK_SQL_MAX);
        (void)c->dialect->map_values(&b, x, var, body);
        *out = nk_x_take(c, &b);
        return NK_OK;
    }
    if (is_nested(from) || is_nested(to) || to->kind == NK_T_CHOICE || to->kind == NK_T_NULL)
        return nk_fail(err, NK_E_INVALID, "a %s cannot become a %s", nk_type_glue_name(from),
                       nk_type_glue_name(to));
    nk_buf_init(&b, NK_SQL_MAX);
    nk_code rc = c->dialect->cast(&b, x, from, to, err);
    *out = nk_x_take(c, &b);
    return rc;
}

/* ---- columns ---- */

nk_code nk_columns_put(nk_columns *l, nk_arena *a, nk_str name, const nk_type *type, nk_str x,
                       nk_err *err)
{
    nk_column *col = nk_columns_add(l, a);
    if (!col || !type)
        return nk_oom(err);
    *col = (nk_column){name, type, x};
    return NK_OK;
}

nk_code nk_columns_type(const nk_columns *l, nk_arena *a, const nk_type **out, nk_err *err)
{
    nk_field *f = NK_NEWN(a, nk_field, l->n + 1);
    if (!f)
        return nk_oom(err);
    for (size_t i = 0; i < l->n; i++)
        f[i] = (nk_field){.name = l->v[i].name, .type = l->v[i].type};
    *out = nk_type_struct(a, f, l->n);
    return *out ? NK_OK : nk_oom(err);
}

void nk_columns_select(nk_compile *c, const nk_columns *l, nk_buf *out)
{
    (void)nk_buf_puts(out, "SELECT ");
    for (size_t i = 0; i < l->n; i++) {
        (void)nk_buf_puts(out, i ? ",\n  " : "");
        nk_str name = nk_x_ident(c, l->v[i].name);
        (void)nk_buf_str(out, l->v[i].x);
        if (!nk_str_eq(name, l->v[i].x))
            (void)nk_buf_printf(out, " AS %.*s", NK_STR_ARG(name));
    }
}

nk_code nk_columns_schema(nk_columns_fn fn, const nk_node *n, nk_arena *a, const nk_type **out,
                          nk_err *err)
{
    nk_compile c = {.plan = n->plan, .dialect = nk_dialect_duckdb(), .arena = n->plan->arena};
    nk_columns l = {0};
    NK_TRY(fn(&c, n, &l, err));
    if (c.failed)
        return nk_oom(err);
    if (l.n == 0)
        return nk_node_fail(n, err, NK_E_INVALID, "no columns are left");
    return nk_columns_type(&l, a, out, err);
}

nk_code nk_columns_sql(nk_columns_fn fn, nk_compile *c, const nk_node *n, nk_buf *out, nk_err *err)
{
    nk_columns l = {0};
    NK_TRY(fn(c, n, &l, err));
    if (l.n == 0)
        return nk_node_fail(n, err, NK_E_INVALID, "no columns are left");
    nk_columns_select(c, &l, out);
    return nk_buf_printf(out, "\nFROM %.*s", NK_STR_ARG(nk_compile_input(c, n, 0)));
}

/* ---- edits at depth ---- */

static nk_code edit_value(nk_compile *c, const nk_edit *e, const nk_path *path, const nk_type *t,
                          nk_str x, const nk_type **type, nk_str *out, nk_err *err);

static nk_code edit_fields(nk_compile *c, const nk_edit *e, const nk_path *path, const nk_type *t,
                           nk_str x, nk_columns *out, nk_err *err)
{
    nk_path below = {.parts = NK_NEWN(c->arena, nk_str, path->n + 1), .n = path->n + 1};
    if (!below.parts)
        return nk_oom(err);
    if (path->n)
        memcpy(below.parts, path->parts, path->n * sizeof(nk_str));
    for (size_t i = 0; i < t->nfields; i++) {
        const nk_field *f = &t->fields[i];
        bool done = false;
        nk_str v = x.p ? nk_x_field(c, x, f->name) : nk_x_ident(c, f->name);
        below.parts[path->n] = f->name;
        NK_TRY(e->field(e->arg, c, &below, f, v, out, &done, err));
        if (done)
            continue;
        const nk_type *type = f->type;
        nk_str nx = v;
        if (e->inside(e->arg, &below, f->type))
            NK_TRY(edit_value(c, e, &below, f->type, v, &type, &nx, err));
        if (type)
            NK_TRY(nk_columns_put(out, c->arena, f->name, type, nx, err));
    }
    return NK_OK;
}

/* *type NULL: nothing is left of it. */
static nk_code edit_value(nk_compile *c, const nk_edit *e, const nk_path *path, const nk_type *t,
                          nk_str x, const nk_type **type, nk_str *out, nk_err *err)
{
    *type = t;
    *out = x;
    if (t->kind == NK_T_ARRAY) {
        const nk_type *et;
        nk_str body, var = fresh_var(c);
        NK_TRY(edit_value(c, e, path, t->elem, var, &et, &body, err));
        if (!et) {
            *type = NULL;
            return NK_OK;
        }
        if (et == t->elem)
            return NK_OK;
        nk_buf b;
        nk_buf_init(&b, NK_SQL_MAX);
        (void)c->dialect->list_map(&b, x, var, body);
        *out = nk_x_take(c, &b);
        *type = nk_type_array(c->arena, et);
        return *type ? NK_OK : nk_oom(err);
    }
    if (t->kind == NK_T_CHOICE) { /* elements of an array, settled as one field */
        nk_columns one = {0};
        bool done = false;
        nk_field f = {.name = path->parts[path->n - 1], .type = t};
        NK_TRY(e->field(e->arg, c, path, &f, x, &one, &done, err));
        if (done && one.n == 1) {
            *type = one.v[0].type;
            *out = one.v[0].x;
        }
        return NK_OK;
    }
    if (t->kind != NK_T_STRUCT)
        return NK_OK;
    nk_columns l = {0};
    NK_TRY(edit_fields(c, e, path, t, x, &l, err));
    if (!l.n) {
        *type = NULL;
        return NK_OK;
    }
    NK_TRY(nk_columns_type(&l, c->arena, type, err));
    *out = nk_x_struct(c, x, &l);
    return NK_OK;
}

nk_code nk_edit_columns(nk_compile *c, const nk_edit *e, const nk_type *t, nk_columns *out,
                        nk_err *err)
{
    nk_path top = {0};
    return edit_fields(c, e, &top, t, NK_STR_NULL, out, err);
}
