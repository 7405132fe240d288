#include "schema/json_stream.h"

#define DOCUMENT_MAX_DEFAULT ((size_t)64 << 20)

struct nk_json_stream {
    nk_json_doc_fn fn;
    void *arg;
    size_t max;
    nk_buf doc;
    uint64_t number, line, doc_line, last_end_line;
    uint64_t offset;
    size_t depth; /* open brackets of the document */
    bool in_doc, scalar, in_string, escaped;
    bool begun;  /* something but white space was seen */
    bool rows;   /* inside a top-level array */
    bool closed; /* that array has ended */
    bool want_comma, had_comma;
    bool spread; /* a document spans lines, or two share one */
};

nk_json_stream *nk_json_stream_open(size_t max_document, nk_json_doc_fn fn, void *arg)
{
    nk_json_stream *s = nk_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->fn = fn;
    s->arg = arg;
    s->max = max_document ? max_document : DOCUMENT_MAX_DEFAULT;
    s->line = 1;
    nk_buf_init(&s->doc, s->max);
    return s;
}

void nk_json_stream_close(nk_json_stream *s)
{
    if (!s)
        return;
    nk_buf_free(&s->doc);
    nk_free(s);
}

nk_json_layout nk_json_stream_layout(const nk_json_stream *s)
{
    return s->rows ? NK_JSON_ROWS : s->spread ? NK_JSON_CONCAT : NK_JSON_LINES;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static nk_code stray(nk_json_stream *s, unsigned char c, nk_err *err)
{
    if (c >= 0x20 && c < 0x7f)
        return nk_fail(err, NK_E_SERIALIZATION, "Not JSON: unexpected '%c' at line %llu", c,
                       (unsigned long long)s->line);
    return nk_fail(err, NK_E_SERIALIZATION, "Not JSON: unexpected byte 0x%02x at line %llu", c,
                   (unsigned long long)s->line);
}

static nk_code emit(nk_json_stream *s, nk_err *err)
{
    if (s->doc.failed)
        return nk_fail(err, NK_E_LIMIT,
                       "The JSON document that begins at line %llu is longer than %zu bytes",
                       (unsigned long long)s->doc_line, s->max);
    if (!s->rows && (s->line != s->doc_line || s->doc_line == s->last_end_line))
        s->spread = true;
    s->last_end_line = s->line;
    s->in_doc = s->scalar = false;
    s->want_comma = s->rows;
    s->had_comma = false;
    nk_code rc = s->fn(s->arg, nk_buf_view(&s->doc), ++s->number, s->doc_line, err);
    nk_buf_clear(&s->doc);
    return rc;
}

/* A byte between documents. */
static nk_code between(nk_json_stream *s, char c, nk_err *err)
{
    if (is_blank(c) || (c == 0x1e && !s->rows)) /* RFC 7464's separator */
        return NK_OK;
    if (s->closed)
        return stray(s, (unsigned char)c, err);
    if (!s->begun && c == '[') {
        s->begun = s->rows = true;
        return NK_OK;
    }
    s->begun = true;
    if (s->rows) {
        if (c == ']' && !s->had_comma) {
            s->closed = true;
            return NK_OK;
        }
        if (c == ',' && s->want_comma) {
            s->want_comma = false;
            s->had_comma = true;
            return NK_OK;
        }
        if (s->want_comma)
            return stray(s, (unsigned char)c, err);
    }
    if (c == '{' || c == '[') {
        s->depth = 1;
    } else if (c == '"') {
        s->depth = 0;
        s->in_string = true;
    } else if (c == '-' || (c >= '0' && c <= '9') || c == 't' || c == 'f' || c == 'n') {
        s->depth = 0;
        s->scalar = true;
    } else {
        return stray(s, (unsigned char)c, err);
    }
    s->in_doc = true;
    s->doc_line = s->line;
    nk_buf_putc(&s->doc, c);
    return NK_OK;
}

static nk_code inside(nk_json_stream *s, char c, nk_err *err)
{
    nk_buf_putc(&s->doc, c);
    if (s->in_string) {
        if (s->escaped)
            s->escaped = false;
        else if (c == '\\')
            s->escaped = true;
        else if (c == '"')
            s->in_string = false;
        return !s->in_string && !s->depth ? emit(s, err) : NK_OK;
    }
    if (c == '"') {
        s->in_string = true;
    } else if (c == '{' || c == '[') {
        s->depth++;
    } else if (c == '}' || c == ']') {
        if (--s->depth == 0)
            return emit(s, err);
    }
    return NK_OK;
}

/* Bytes that change nothing but the document's text. */
static size_t run_length(const nk_json_stream *s, const char *p, size_t n)
{
    size_t i = 0;
    if (s->in_string && !s->escaped) {
        while (i < n && p[i] != '"' && p[i] != '\\' && p[i] != '\n')
            i++;
    } else if (!s->in_string && !s->scalar) {
        while (i < n && p[i] != '"' && p[i] != '{' && p[i] != '}' && p[i] != '[' && p[i] != ']' &&
               p[i] != '\n')
            i++;
    }
    return i;
}

nk_code nk_json_stream_feed(nk_json_stream *s, nk_str bytes, nk_err *err)
{
    static const char bom[] = "\xef\xbb\xbf";
    for (size_t i = 0; i < bytes.n;) {
        char c = bytes.p[i];
        if (s->offset < 3 && c == bom[s->offset]) {
            s->offset++;
            i++;
            continue;
        }
        if (s->in_doc) {
            size_t run = run_length(s, bytes.p + i, bytes.n - i);
            if (run) {
                nk_buf_add(&s->doc, bytes.p + i, run);
                i += run;
                s->offset += run;
                if (s->doc.failed)
                    return emit(s, err);
                continue;
            }
        }
        if (s->scalar && (is_blank(c) || c == ',' || c == ']' || c == '{' || c == '[' || c == '"'))
            NK_TRY(emit(s, err)); /* and c is looked at as what follows */
        NK_TRY(s->in_doc ? inside(s, c, err) : between(s, c, err));
        if (c == '\n')
            s->line++;
        i++;
        s->offset++;
    }
    return NK_OK;
}

nk_code nk_json_stream_finish(nk_json_stream *s, nk_err *err)
{
    if (s->in_doc && s->scalar)
        NK_TRY(emit(s, err));
    if (s->in_doc)
        return nk_fail(err, NK_E_SERIALIZATION,
                       "The JSON document that begins at line %llu is cut short",
                       (unsigned long long)s->doc_line);
    if (s->rows && !s->closed)
        return nk_fail(err, NK_E_SERIALIZATION,
                       "The JSON array is cut short: its closing ']' is missing");
    return NK_OK;
}
