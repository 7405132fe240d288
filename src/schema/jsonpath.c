#include "schema/jsonpath.h"

static nk_code bad(nk_str text, const char *what, nk_err *err)
{
    return nk_fail(err, NK_E_INVALID, "JsonPath \"%.*s\": %s", NK_STR_ARG(text), what);
}

static nk_code bracket(nk_str text, size_t *i, nk_arena *a, nk_jsonpath *out, nk_err *err)
{
    size_t at = *i + 1;
    nk_str rest = nk_str_sub(text, at, text.n);
    if (nk_str_starts(rest, NK_STR("*]"))) {
        out->steps[out->n].any = true;
        *i = at + 2;
        return NK_OK;
    }
    if (rest.n && (rest.p[0] == '\'' || rest.p[0] == '"')) {
        nk_str name = nk_str_sub(rest, 1, rest.n);
        ptrdiff_t end = nk_str_chr(name, rest.p[0]);
        if (end < 0 || (size_t)end + 1 >= name.n || name.p[end + 1] != ']')
            return bad(text, "a name in brackets is not closed", err);
        out->steps[out->n].name = nk_str_dup(a, nk_str_sub(name, 0, (size_t)end));
        *i = at + 1 + (size_t)end + 2;
        return out->steps[out->n].name.p ? NK_OK : nk_fail(err, NK_E_NOMEM, "Out of memory");
    }
    ptrdiff_t end = nk_str_chr(rest, ']');
    if (end < 0 || !nk_str_u64(nk_str_sub(rest, 0, (size_t)end), &out->steps[out->n].index))
        return bad(text, "brackets take a number, a quoted name or *", err);
    *i = at + (size_t)end + 1;
    return NK_OK;
}

nk_code nk_jsonpath_parse(nk_str all, nk_arena *a, nk_jsonpath *out, nk_err *err)
{
    nk_str text = nk_str_trim(all);
    *out = (nk_jsonpath){.n = 0};
    if (!text.n || text.p[0] != '$')
        return bad(text, "it begins with $", err);
    for (size_t i = 1; i < text.n;) {
        if (out->n == NK_JSONPATH_STEPS_MAX)
            return bad(text, "it has too many steps", err);
        if (text.p[i] == '[') {
            NK_TRY(bracket(text, &i, a, out, err));
        } else if (text.p[i] == '.') {
            size_t from = ++i;
            while (i < text.n && text.p[i] != '.' && text.p[i] != '[' && text.p[i] != ',')
                i++;
            nk_str name = nk_str_sub(text, from, i);
            if (!name.n)
                return bad(text, "a name is expected behind the dot", err);
            if (nk_str_is(name, "*"))
                out->steps[out->n].any = true;
            else
                out->steps[out->n].name = nk_str_dup(a, name);
        } else if (text.p[i] == ',') {
            break;
        } else {
            return bad(text, "only $ * .name ['name'] and [n] are understood", err);
        }
        out->n++;
    }
    return NK_OK;
}

typedef struct walk {
    const nk_jsonpath *p;
    nk_infer *in;
    nk_json_reader *r;
    nk_err *err;
    uint64_t hits;
} walk;

/* The reader has read the value's first token. */
static nk_code step(walk *w, size_t at)
{
    nk_json_reader *r = w->r;
    if (at == w->p->n) {
        NK_TRY(nk_infer_value(w->in, r, w->err));
        w->hits++;
        return NK_OK;
    }
    bool object = r->token == NK_JSON_OBJECT;
    if (!object && r->token != NK_JSON_ARRAY)
        return NK_OK; /* a scalar, read already */
    nk_json_token end = object ? NK_JSON_OBJECT_END : NK_JSON_ARRAY_END;
    for (uint64_t i = 0;; i++) {
        NK_TRY(nk_json_next(r));
        if (r->token == end)
            return NK_OK;
        bool hit = w->p->steps[at].any;
        if (object) {
            hit |= w->p->steps[at].name.p && nk_str_eq(r->text, w->p->steps[at].name);
            NK_TRY(nk_json_next(r));
        } else {
            hit |= !w->p->steps[at].name.p && !w->p->steps[at].any && w->p->steps[at].index == i;
        }
        if (hit)
            NK_TRY(step(w, at + 1));
        else
            NK_TRY(nk_json_skip(r));
    }
}

nk_code nk_jsonpath_observe(const nk_jsonpath *p, nk_infer *in, nk_str text, nk_arena *scratch,
                            uint64_t *hits, bool *broken, nk_err *err)
{
    nk_err why = NK_ERR_INIT;
    nk_json_reader r;
    walk w = {.p = p, .in = in, .r = &r, .err = &why};
    nk_code rc = NK_OK;
    *broken = false;
    while (rc == NK_OK) {
        text = nk_str_trim(text);
        if (!text.n)
            break;
        nk_json_begin(&r, text, scratch, 110, &why);
        rc = nk_json_next(&r);
        if (rc == NK_OK)
            rc = step(&w, 0);
        if (rc == NK_OK)
            text = nk_str_sub(text, (size_t)(r.p - r.start), text.n);
    }
    *hits = w.hits;
    *broken = rc != NK_OK;
    if (rc == NK_E_NOMEM || rc == NK_E_LIMIT || (rc != NK_OK && !w.hits))
        return nk_fail(err, rc, "%s", why.msg);
    return NK_OK;
}
