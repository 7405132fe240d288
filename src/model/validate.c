/* Constraints of the model, in AWS's words. The quick walk only asks whether all is well; when it
 * is not, a second walk writes the explanation. */
#include <inttypes.h>
#include <stdio.h>

#include "model/model_int.h"
#include "model/pattern_int.h"

#define VALUE_SHOWN    400 /* bytes of a value repeated in a message */
#define ELEMENTS_SHOWN 20

/* ---- one value against its own shape ---- */

typedef enum { OK, TOO_LONG, TOO_SHORT, TOO_LARGE, TOO_SMALL, NO_MATCH, NOT_IN_ENUM } fault;

static bool in_enum(const nk_shape *s, nk_str v)
{
    if (s->flags & NK_SHAPE_OPEN && nk_str_starts(v, s->open))
        return true;
    for (size_t i = 0; i < s->n_enums; i++) {
        if (nk_str_eq(s->enums[i], v))
            return true;
    }
    return false;
}

static bool matches(const nk_shape *s, nk_str v)
{
    bool yes = false;
    return nk_pattern_match(s->pattern, v, &yes) == NK_OK && yes;
}

static fault length_fault(const nk_shape *s, double n)
{
    if (s->flags & NK_SHAPE_MAX && n > s->max)
        return TOO_LONG;
    if (s->flags & NK_SHAPE_MIN && n < s->min)
        return TOO_SHORT;
    return OK;
}

/* The length in characters, but without counting where the bytes decide. */
static fault text_fault(const nk_shape *s, nk_str v)
{
    if (!(s->flags & (NK_SHAPE_MIN | NK_SHAPE_MAX)))
        return OK;
    double bytes = (double)v.n;
    bool surely_long_enough = !(s->flags & NK_SHAPE_MIN) || bytes >= 4 * s->min;
    bool surely_short_enough = !(s->flags & NK_SHAPE_MAX) || bytes <= s->max;
    if (surely_long_enough && surely_short_enough)
        return OK;
    return length_fault(s, (double)nk_utf8_len(v));
}

static fault number_fault(const nk_shape *s, double v)
{
    if (s->flags & NK_SHAPE_MAX && !(v <= s->max))
        return TOO_LARGE;
    if (s->flags & NK_SHAPE_MIN && !(v >= s->min))
        return TOO_SMALL;
    return OK;
}

/* ---- quick walk ---- */

static bool good(const nk_shape *s, const void *v);

static bool good_struct(const nk_shape *s, const void *v)
{
    for (const nk_member *m = s->members, *end = m + s->n_members; m < end; m++) {
        bool checked = m->shape->flags & NK_SHAPE_CHECKED;
        if (!checked && !(m->flags & NK_MEMBER_REQUIRED))
            continue;
        const void *value = nk_member_value(m, v);
        if (!value ? (m->flags & NK_MEMBER_REQUIRED) != 0 : checked && !good(m->shape, value))
            return false;
    }
    return true;
}

static bool good_seq(const nk_shape *s, const nk_seq *seq)
{
    size_t head = s->kind == NK_KIND_MAP ? sizeof(nk_str) : 0, size = head + s->elem->size;
    if (length_fault(s, (double)seq->n) != OK)
        return false;
    bool keys = head && s->key->flags & NK_SHAPE_CHECKED;
    bool values = s->elem->flags & NK_SHAPE_CHECKED;
    for (size_t i = 0; i < seq->n; i++) {
        const char *e = seq->v + i * size;
        if (keys && !good(s->key, e))
            return false;
        if (!nk_present(s->elem, e + head) || (values && !good(s->elem, e + head)))
            return false;
    }
    return true;
}

static bool good(const nk_shape *s, const void *v)
{
    switch (s->kind) {
    case NK_KIND_STRUCT:
        return good_struct(s, v);
    case NK_KIND_LIST:
    case NK_KIND_MAP:
        return good_seq(s, v);
    case NK_KIND_STRING: {
        nk_str text = *(const nk_str *)v;
        return text_fault(s, text) == OK && (!s->n_enums || in_enum(s, text)) &&
               (!s->pattern || matches(s, text));
    }
    case NK_KIND_INT:
    case NK_KIND_LONG:
        return number_fault(s, (double)((const nk_opt_i64 *)v)->value) == OK;
    case NK_KIND_DOUBLE:
        return number_fault(s, ((const nk_opt_f64 *)v)->value) == OK;
    default:
        return true;
    }
}

/* ---- explanation ---- */

typedef struct reporter {
    nk_buf text;
    size_t n; /* errors found */
    char path[1024];
    size_t path_n;
} reporter;

/* Appends to the path and returns what it was long before. */
static size_t descend(reporter *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static size_t descend(reporter *r, const char *fmt, ...)
{
    size_t was = r->path_n, room = sizeof r->path - was;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(r->path + was, room, fmt, ap);
    va_end(ap);
    r->path_n += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
    return was;
}

static void ascend(reporter *r, size_t was)
{
    r->path_n = was;
    r->path[was] = 0;
}

static void show(nk_buf *b, const nk_shape *s, const void *v, int depth);

static void show_struct(nk_buf *b, const nk_shape *s, const void *v, int depth)
{
    (void)nk_buf_printf(b, "%s(", s->name);
    for (size_t i = 0; i < s->n_members && !b->failed; i++) {
        const nk_member *m = &s->members[i];
        const void *value = nk_member_value(m, v);
        (void)nk_buf_printf(b, "%s%c%.*s=", i ? ", " : "", m->name.p[0] | 32, (int)m->name.n - 1,
                            m->name.p + 1);
        if (value)
            show(b, m->shape, value, depth + 1);
        else
            (void)nk_buf_puts(b, "null");
    }
    (void)nk_buf_putc(b, ')');
}

/* A value as Java prints it; the buffer's limit cuts it. */
static void show(nk_buf *b, const nk_shape *s, const void *v, int depth)
{
    if (b->failed || depth > 8)
        return;
    if (s->flags & NK_SHAPE_SENSITIVE) {
        (void)nk_buf_puts(b, "***");
        return;
    }
    const nk_seq *seq = v;
    bool map = s->kind == NK_KIND_MAP;
    switch (s->kind) {
    case NK_KIND_STRUCT:
        show_struct(b, s, v, depth);
        break;
    case NK_KIND_LIST:
    case NK_KIND_MAP:
        (void)nk_buf_putc(b, map ? '{' : '[');
        for (size_t i = 0; i < seq->n && i < ELEMENTS_SHOWN && !b->failed; i++) {
            const char *e = seq->v + i * (map ? nk_entry_size(s) : s->elem->size);
            if (i)
                (void)nk_buf_puts(b, ", ");
            if (map) {
                (void)nk_buf_str(b, *(const nk_str *)(const void *)e);
                (void)nk_buf_putc(b, '=');
                e += sizeof(nk_str);
            }
            if (nk_present(s->elem, e))
                show(b, s->elem, e, depth + 1);
            else
                (void)nk_buf_puts(b, "null");
        }
        (void)nk_buf_puts(b, seq->n > ELEMENTS_SHOWN ? ", ..." : "");
        (void)nk_buf_putc(b, map ? '}' : ']');
        break;
    case NK_KIND_BLOB:
        (void)nk_buf_printf(b, "%zu bytes", ((const nk_str *)v)->n);
        break;
    case NK_KIND_STRING:
    case NK_KIND_DOC:
        (void)nk_buf_str(b, nk_str_sub(*(const nk_str *)v, 0, VALUE_SHOWN + 1));
        break;
    default:
        if (nk_model_encode(s, v, b, NULL) != NK_OK)
            return;
    }
}

/* "Value 'x' at 'path' failed to satisfy constraint: " */
static void begin(reporter *r, const nk_shape *s, const void *v)
{
    r->n++;
    if (r->n > 1)
        (void)nk_buf_puts(&r->text, "; ");
    if (!v) {
        (void)nk_buf_puts(&r->text, "Value null");
    } else if (s->flags & NK_SHAPE_SENSITIVE) {
        (void)nk_buf_puts(&r->text, "Value");
    } else {
        nk_buf value;
        nk_buf_init(&value, VALUE_SHOWN + 256);
        show(&value, s, v, 0);
        nk_str text = nk_buf_view(&value);
        bool cut = value.failed || text.n > VALUE_SHOWN;
        size_t n = text.n < VALUE_SHOWN ? text.n : VALUE_SHOWN;
        while (cut && n && ((unsigned char)text.p[n - 1] & 0xc0) == 0x80)
            n--; /* whole characters only */
        if (cut && n && (unsigned char)text.p[n - 1] >= 0xc0)
            n--;
        (void)nk_buf_printf(&r->text, "Value '%.*s%s'", (int)n, text.p, cut ? "..." : "");
        nk_buf_free(&value);
    }
    (void)nk_buf_printf(&r->text, " at '%s' failed to satisfy constraint: ", r->path);
}

static void put_number(nk_buf *b, double v)
{
    nk_json_writer w = {.buf = b};
    if (v == (double)(int64_t)v)
        nk_jw_i64(&w, (int64_t)v);
    else
        nk_jw_f64(&w, v);
}

static void put_fault(nk_buf *b, const nk_shape *s, fault f)
{
    static const char *const words[] = {
        [TOO_LONG] = "Member must have length less than or equal to ",
        [TOO_SHORT] = "Member must have length greater than or equal to ",
        [TOO_LARGE] = "Member must have value less than or equal to ",
        [TOO_SMALL] = "Member must have value greater than or equal to ",
        [NO_MATCH] = "Member must satisfy regular expression pattern: ",
        [NOT_IN_ENUM] = "Member must satisfy enum value set: [",
    };
    (void)nk_buf_puts(b, words[f]);
    if (f == NO_MATCH) {
        (void)nk_buf_puts(b, s->pattern->java);
    } else if (f == NOT_IN_ENUM) {
        for (size_t i = 0; i < s->n_enums; i++)
            (void)nk_buf_printf(b, "%s%.*s", i ? ", " : "", NK_STR_ARG(s->enums[i]));
        (void)nk_buf_putc(b, ']');
    } else {
        put_number(b, f == TOO_LONG || f == TOO_LARGE ? s->max : s->min);
    }
}

/* All that an element must satisfy: AWS lists it whole when an element of a plain list fails. */
static void put_all(nk_buf *b, const nk_shape *s)
{
    bool number = s->kind == NK_KIND_INT || s->kind == NK_KIND_LONG || s->kind == NK_KIND_DOUBLE;
    const struct {
        bool has;
        fault f;
    } all[] = {
        {s->flags & NK_SHAPE_MAX, number ? TOO_LARGE : TOO_LONG},
        {s->flags & NK_SHAPE_MIN, number ? TOO_SMALL : TOO_SHORT},
        {s->n_enums != 0, NOT_IN_ENUM},
        {s->pattern != NULL, NO_MATCH},
    };
    bool comma = false;
    for (size_t i = 0; i < NK_COUNTOF(all); i++) {
        if (!all[i].has)
            continue;
        (void)nk_buf_puts(b, comma ? ", " : "");
        put_fault(b, s, all[i].f);
        comma = true;
    }
}

static void raise_fault(reporter *r, const nk_shape *s, const void *v, fault f)
{
    if (f == OK)
        return;
    begin(r, s, v);
    put_fault(&r->text, s, f);
}

static void explain(reporter *r, const nk_shape *s, const void *v);

static void explain_struct(reporter *r, const nk_shape *s, const void *v)
{
    for (const nk_member *m = s->members, *end = m + s->n_members; m < end; m++) {
        const void *value = nk_member_value(m, v);
        if (!value && !(m->flags & NK_MEMBER_REQUIRED))
            continue;
        /* the first letter in lower case, as in Java */
        char first = m->name.p[0];
        size_t was = descend(r, "%s%c%.*s", r->path_n ? "." : "",
                             first >= 'A' && first <= 'Z' ? first + 32 : first, (int)m->name.n - 1,
                             m->name.p + 1);
        if (!value) {
            begin(r, m->shape, NULL);
            (void)nk_buf_puts(&r->text, "Member must not be null");
        } else if (m->shape->flags & NK_SHAPE_CHECKED) {
            explain(r, m->shape, value);
        }
        ascend(r, was);
    }
}

static bool composite(const nk_shape *s)
{
    return s->kind == NK_KIND_STRUCT || s->kind == NK_KIND_LIST || s->kind == NK_KIND_MAP;
}

/* Elements that are plain values: one error for the whole list or map. */
static void explain_plain(reporter *r, const nk_shape *s, const nk_seq *seq, bool keys)
{
    const nk_shape *of = keys ? s->key : s->elem;
    bool map = s->kind == NK_KIND_MAP;
    size_t size = map ? nk_entry_size(s) : s->elem->size;
    bool bad = false;
    for (size_t i = 0; i < seq->n && !bad; i++) {
        const char *e = seq->v + i * size + (map && !keys ? sizeof(nk_str) : 0);
        bad = nk_present(of, e) && !good(of, e);
    }
    if (!bad)
        return;
    begin(r, s, seq);
    (void)nk_buf_puts(&r->text, keys  ? "Map keys must satisfy constraint: ["
                                : map ? "Map value must satisfy constraint: ["
                                      : "Member must satisfy constraint: [");
    put_all(&r->text, of);
    (void)nk_buf_putc(&r->text, ']');
}

static void explain_seq(reporter *r, const nk_shape *s, const nk_seq *seq)
{
    bool map = s->kind == NK_KIND_MAP;
    raise_fault(r, s, seq, length_fault(s, (double)seq->n));
    if (map)
        explain_plain(r, s, seq, true);
    if (!composite(s->elem))
        explain_plain(r, s, seq, false);
    for (size_t i = 0; i < seq->n && r->n < 1000; i++) {
        const char *e = seq->v + i * (map ? nk_entry_size(s) : s->elem->size);
        size_t was;
        if (map)
            was = descend(r, ".%.*s.member", NK_STR_ARG(*(const nk_str *)(const void *)e));
        else
            was = descend(r, ".%zu.member", i + 1);
        e += map ? sizeof(nk_str) : 0;
        if (!nk_present(s->elem, e)) {
            begin(r, s->elem, NULL);
            (void)nk_buf_puts(&r->text, "Member must not be null");
        } else if (composite(s->elem)) {
            explain(r, s->elem, e);
        }
        ascend(r, was);
    }
}

static void explain(reporter *r, const nk_shape *s, const void *v)
{
    nk_str text;
    switch (s->kind) {
    case NK_KIND_STRUCT:
        explain_struct(r, s, v);
        break;
    case NK_KIND_LIST:
    case NK_KIND_MAP:
        explain_seq(r, s, v);
        break;
    case NK_KIND_STRING:
        text = *(const nk_str *)v;
        raise_fault(r, s, v, text_fault(s, text));
        raise_fault(r, s, v, s->n_enums && !in_enum(s, text) ? NOT_IN_ENUM : OK);
        raise_fault(r, s, v, s->pattern && !matches(s, text) ? NO_MATCH : OK);
        break;
    case NK_KIND_INT:
    case NK_KIND_LONG:
        raise_fault(r, s, v, number_fault(s, (double)((const nk_opt_i64 *)v)->value));
        break;
    case NK_KIND_DOUBLE:
        raise_fault(r, s, v, number_fault(s, ((const nk_opt_f64 *)v)->value));
        break;
    default:
        break;
    }
}

nk_code nk_model_validate(const nk_shape *shape, const void *value, nk_err *err)
{
    if (!(shape->flags & NK_SHAPE_CHECKED) || good(shape, value))
        return NK_OK;
    if (!err)
        return NK_E_VALIDATION;
    reporter r = {0};
    nk_buf_init(&r.text, NK_ERR_MSG_MAX - 64);
    explain(&r, shape, value);
    nk_str text = nk_buf_view(&r.text);
    nk_code rc = nk_fail(err, NK_E_VALIDATION, "%zu validation error%s detected: %.*s%s", r.n,
                         r.n == 1 ? "" : "s", NK_STR_ARG(text), r.text.failed ? "..." : "");
    nk_buf_free(&r.text);
    return rc;
}
