/* Formats whose rows are read by us, not by the engine: the one table of their readers, for
 * crawlers (what a file holds) and jobs (its rows). A reader walks records; what it meets goes to a
 * sink, which observes it (nk_infer) or keeps it as columns (engine/cols.h). */
#ifndef NK_ROWS_H
#define NK_ROWS_H

#include "schema/grok.h"
#include "schema/infer.h"

/* ---- values, and where they go ---- */

typedef struct nk_value {
    nk_type_kind kind; /* NULL; BOOLEAN, INT, LONG, DATE (days), TIMESTAMP (µs): i; FLOAT, DOUBLE:
                          d; DECIMAL: unscaled, scale; STRING, BINARY: s; ARRAY, MAP and STRUCT
                          begin one, empty */
    bool text;         /* s is the value as it was written, kind what it looks like; nothing else
                          is set */
    int scale;         /* of a DECIMAL: 10^-scale; may be negative */
    union {
        int64_t i;
        double d;
        __int128 unscaled;
    };
    nk_str s; /* borrowed for the call */
} nk_value;

typedef struct nk_place nk_place; /* where a value goes; the sink's own */
typedef struct nk_sink nk_sink;
struct nk_sink {
    nk_place *root;
    bool typed; /* its places have types: what is put at an array is one more element of it */
    nk_code (*put)(nk_sink *s, nk_place *at, const nk_value *v, nk_err *err);
    /* A field of the struct at `at`; hint: which, as a rule. *out NULL: nobody wants it. */
    nk_code (*field)(nk_sink *s, nk_place *at, nk_str name, size_t hint, nk_place **out,
                     nk_err *err);
    nk_code (*elem)(nk_sink *s, nk_place *at, nk_place **out, nk_err *err); /* one more */
    nk_code (*entry)(nk_sink *s, nk_place *at, nk_place **key, nk_place **value, nk_err *err);
    nk_code (*row)(nk_sink *s, nk_err *err); /* a record is whole; the next one may begin */
};

/* With at NULL (not wanted) all of these do nothing. */
static inline nk_code nk_put(nk_sink *s, nk_place *at, const nk_value *v, nk_err *err)
{
    return at ? s->put(s, at, v, err) : NK_OK;
}
static inline nk_code nk_put_kind(nk_sink *s, nk_place *at, nk_type_kind kind, nk_err *err)
{
    return at ? s->put(s, at, &(nk_value){.kind = kind}, err) : NK_OK;
}
static inline nk_code nk_put_i64(nk_sink *s, nk_place *at, nk_type_kind kind, int64_t i,
                                 nk_err *err)
{
    return at ? s->put(s, at, &(nk_value){.kind = kind, .i = i}, err) : NK_OK;
}
static inline nk_code nk_put_str(nk_sink *s, nk_place *at, nk_type_kind kind, nk_str v, nk_err *err)
{
    return at ? s->put(s, at, &(nk_value){.kind = kind, .s = v}, err) : NK_OK;
}
static inline nk_code nk_at_field(nk_sink *s, nk_place *at, nk_str name, size_t hint,
                                  nk_place **out, nk_err *err)
{
    *out = NULL;
    return at ? s->field(s, at, name, hint, out, err) : NK_OK;
}
static inline nk_code nk_at_elem(nk_sink *s, nk_place *at, nk_place **out, nk_err *err)
{
    *out = NULL;
    return at ? s->elem(s, at, out, err) : NK_OK;
}
static inline nk_code nk_at_entry(nk_sink *s, nk_place *at, nk_place **key, nk_place **value,
                                  nk_err *err)
{
    *key = *value = NULL;
    return at ? s->entry(s, at, key, value, err) : NK_OK;
}

/* A sink that observes types: put sees kinds alone. */
typedef struct nk_infer_sink {
    nk_sink sink;
    nk_infer *in;
} nk_infer_sink;
void nk_infer_sink_init(nk_infer_sink *s, nk_infer *in);

/* ---- bytes ---- */

/* A file's bytes, unpacked, as a window that moves forward. */
typedef struct nk_input {
    /* Stored bytes [at, at + n), fewer at the end, appended. */
    nk_code (*read)(void *arg, uint64_t at, size_t n, nk_buf *out, nk_err *err);
    void *arg;
    uint64_t size; /* as stored */
    nk_str name;   /* for packings without a mark */
    /* the window */
    nk_str view;
    uint64_t at; /* of the view's first byte among the unpacked ones */
    bool end;    /* behind the view is nothing */
    /* inside */
    nk_buf window, raw;
    size_t used;
    uint64_t stored;
    struct nk_unpack *unpack;
    bool begun;
} nk_input;

#define NK_RECORD_MAX ((size_t)256 << 20) /* bytes of one record, or of one Avro block */

void nk_input_init(nk_input *in);
/* At least n bytes in view, unless the file ends before. NK_E_LIMIT over NK_RECORD_MAX, NK_E_PARSE
 * when the file is packed and corrupt. The view moves: pointers into it are stale. */
nk_code nk_input_need(nk_input *in, size_t n, nk_err *err) NK_MUST;
/* More than is in view now, about twice as much. */
nk_code nk_input_more(nk_input *in, nk_err *err) NK_MUST;
void nk_input_take(nk_input *in, size_t n);
void nk_input_close(nk_input *in);

/* ---- readers ---- */

typedef struct nk_rows_options {
    nk_str row_tag;                         /* xml: which elements are rows */
    nk_str attribute_prefix, value_tag;     /* xml; p NULL = "_", "_VALUE" */
    bool exclude_attributes, empty_is_null; /* xml */
    const nk_grok *grok;                    /* grokLog */
    nk_str missing;                         /* grokLog: this value is null; p NULL = "-" */
    bool strict;                            /* grokLog: a line that does not match is an error */
} nk_rows_options;

typedef struct nk_rows nk_rows; /* a reader at work; each format's own */

typedef struct nk_rows_format {
    const char *name; /* as from_options calls it */
    /* What a file says of its own rows; NULL: its values must be observed. Unions are choices. */
    nk_code (*type)(nk_input *in, nk_arena *a, const nk_type **out, nk_err *err);
    /* From values observed one by one to columns; NULL = as it is. */
    nk_code (*settle)(const nk_type *seen, nk_arena *a, const nk_type **out, nk_err *err);
    /* in and options are borrowed until close. */
    nk_code (*open)(nk_input *in, const nk_rows_options *o, nk_rows **out, nk_err *err);
    /* Up to max rows into the sink; *n 0 at the end. NK_E_PARSE says what is wrong and where in the
     * file. */
    nk_code (*next)(nk_rows *r, nk_sink *s, size_t max, size_t *n, nk_err *err);
    void (*close)(nk_rows *r);
    const char *doc;
} nk_rows_format;

/* Ends with a row without name. */
extern const nk_rows_format *const nk_rows_formats[];
extern const nk_rows_format nk_rows_avro, nk_rows_bson, nk_rows_grok, nk_rows_ion, nk_rows_orc,
    nk_rows_xml;
const nk_rows_format *nk_rows_format_of(nk_str name); /* NULL when there is none */

#endif
