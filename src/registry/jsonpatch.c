/* The difference of two JSON values as a JSON Patch (RFC 6902): what, done in order to the first,
 * gives the second. Lists are matched from both ends, so that a field added to a record is one
 * operation; what stands between the ends is matched by position. */
#include "registry/jsonvalue_int.h"

/* A place, from its end to the root. */
typedef struct step {
    const struct step *up;
    nk_str key; /* of a member; p NULL: an element */
    size_t index;
} step;

static void put_pointer(nk_buf *b, const step *s)
{
    if (!s)
        return;
    put_pointer(b, s->up);
    nk_buf_putc(b, '/');
    if (!s->key.p)
        nk_buf_printf(b, "%zu", s->index);
    for (size_t i = 0; s->key.p && i < s->key.n; i++) {
        if (s->key.p[i] == '~' || s->key.p[i] == '/')
            nk_buf_puts(b, s->key.p[i] == '~' ? "~0" : "~1");
        else
            nk_buf_putc(b, s->key.p[i]);
    }
}

static void put(nk_json_writer *w, const char *op, const step *at, const nk_json *value)
{
    nk_buf pointer;
    nk_buf_init(&pointer, w->buf->max);
    put_pointer(&pointer, at);
    nk_jw_object(w);
    nk_jw_kcstr(w, "op", op);
    nk_jw_kstr(w, "path", pointer.n ? nk_buf_view(&pointer) : NK_STR(""));
    if (value) {
        nk_jw_key(w, NK_STR("value"));
        nk_jw_tree(w, value);
    }
    nk_jw_object_end(w);
    nk_buf_fail(w->buf, nk_buf_check(&pointer, NULL));
    nk_buf_free(&pointer);
}

static void objects(nk_json_writer *w, const step *up, const nk_json *a, const nk_json *b)
{
    for (const nk_json *x = a->first; x; x = x->next) {
        const nk_json *y = nk_json_getn(b, x->key);
        step s = {up, x->key, 0};
        if (y)
            jv_patch(w, &s, x, y);
        else
            put(w, "remove", &s, NULL);
    }
    for (const nk_json *y = b->first; y; y = y->next) {
        step s = {up, y->key, 0};
        if (!nk_json_getn(a, y->key))
            put(w, "add", &s, y);
    }
}

/* Elements at the end that both have, of at most `most`; va and vb hold all of them. */
static size_t common_end(const nk_json *const *va, size_t na, const nk_json *const *vb, size_t nb,
                         size_t most)
{
    size_t n = 0;
    while (n < most && jv_equal(va[na - 1 - n], vb[nb - 1 - n]))
        n++;
    return n;
}

static const nk_json **elements(const nk_json *list, size_t *n)
{
    const nk_json **v = nk_calloc(list->count + 1, sizeof *v);
    *n = 0;
    for (const nk_json *x = list->first; v && x; x = x->next)
        v[(*n)++] = x;
    return v;
}

static void arrays(nk_json_writer *w, const step *up, const nk_json *a, const nk_json *b)
{
    size_t na, nb, head = 0;
    const nk_json **va = elements(a, &na), **vb = elements(b, &nb);
    if (!va || !vb) {
        nk_buf_fail(w->buf, NK_E_NOMEM);
    } else {
        size_t fewer = na < nb ? na : nb;
        while (head < fewer && jv_equal(va[head], vb[head]))
            head++;
        size_t end = common_end(va, na, vb, nb, fewer - head), both = fewer - head - end;
        for (size_t i = head; i < head + both; i++)
            jv_patch(w, &(step){.up = up, .index = i}, va[i], vb[i]);
        for (size_t i = na - end; i-- > head + both;)
            put(w, "remove", &(step){.up = up, .index = i}, NULL);
        for (size_t i = head + both; i < nb - end; i++)
            put(w, "add", &(step){.up = up, .index = i}, vb[i]);
    }
    nk_free(va);
    nk_free(vb);
}

void jv_patch(nk_json_writer *w, const struct step *at, const nk_json *a, const nk_json *b)
{
    if (w->buf->failed || jv_equal(a, b))
        return;
    if (a->kind == NK_JSON_OBJECT && b->kind == NK_JSON_OBJECT)
        objects(w, at, a, b);
    else if (a->kind == NK_JSON_ARRAY && b->kind == NK_JSON_ARRAY)
        arrays(w, at, a, b);
    else
        put(w, "replace", at, b);
}
