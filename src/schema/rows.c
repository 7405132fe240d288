#include "schema/rows.h"

#include "schema/codec.h"

#define PIECE ((size_t)1 << 20)

const nk_rows_format *const nk_rows_formats[] = {
    &nk_rows_avro, &nk_rows_orc, &nk_rows_xml, &nk_rows_ion, &nk_rows_bson, &nk_rows_grok, NULL};

const nk_rows_format *nk_rows_format_of(nk_str name)
{
    for (const nk_rows_format *const *f = nk_rows_formats; *f; f++)
        if (nk_str_ieq(name, nk_str_c((*f)->name)))
            return *f;
    return NULL;
}

/* ---- observing ---- */

static nk_code infer_put(nk_sink *s, nk_place *at, const nk_value *v, nk_err *err)
{
    nk_seen_kind((nk_seen *)at, v->kind);
    return NK_OK;
}

static nk_code infer_field(nk_sink *s, nk_place *at, nk_str name, size_t hint, nk_place **out,
                           nk_err *err)
{
    return nk_seen_field(((nk_infer_sink *)s)->in, (nk_seen *)at, name, hint, (nk_seen **)out, err);
}

static nk_code infer_elem(nk_sink *s, nk_place *at, nk_place **out, nk_err *err)
{
    return nk_seen_elem(((nk_infer_sink *)s)->in, (nk_seen *)at, (nk_seen **)out, err);
}

static nk_code infer_entry(nk_sink *s, nk_place *at, nk_place **key, nk_place **value, nk_err *err)
{
    return nk_fail(err, NK_E_INTERNAL, "a map among values to be observed");
}

static nk_code infer_row(nk_sink *s, nk_err *err)
{
    nk_infer_record(((nk_infer_sink *)s)->in);
    return NK_OK;
}

void nk_infer_sink_init(nk_infer_sink *s, nk_infer *in)
{
    *s = (nk_infer_sink){.sink = {.root = (nk_place *)nk_infer_root(in),
                                  .put = infer_put,
                                  .field = infer_field,
                                  .elem = infer_elem,
                                  .entry = infer_entry,
                                  .row = infer_row},
                         .in = in};
}

/* ---- bytes ---- */

void nk_input_init(nk_input *in)
{
    nk_buf_init(&in->window, NK_RECORD_MAX + 4 * PIECE);
    nk_buf_init(&in->raw, 2 * PIECE);
    in->view = NK_STR("");
    in->used = 0;
    in->at = in->stored = 0;
    in->end = in->begun = false;
    in->unpack = NULL;
}

void nk_input_close(nk_input *in)
{
    nk_unpack_close(in->unpack);
    in->unpack = NULL;
    nk_buf_free(&in->window);
    nk_buf_free(&in->raw);
}

static nk_code too_long(nk_err *err)
{
    return nk_fail(err, NK_E_LIMIT, "a record is longer than %zu MiB", NK_RECORD_MAX >> 20);
}

static nk_code keep(void *arg, nk_str bytes, nk_err *err)
{
    nk_input *in = arg;
    if (nk_buf_str(&in->window, bytes) == NK_OK)
        return NK_OK;
    return in->window.why == NK_E_LIMIT ? too_long(err) : nk_fail(err, NK_E_NOMEM, "out of memory");
}

/* The next piece of the file, unpacked, behind the window. */
static nk_code read_piece(nk_input *in, nk_err *err)
{
    nk_buf_clear(&in->raw);
    NK_TRY(in->read(in->arg, in->stored, PIECE, &in->raw, err));
    nk_str raw = nk_buf_view(&in->raw);
    if (!in->begun) {
        const nk_codec *c = nk_codec_of(raw, in->name);
        in->begun = true;
        if (c)
            NK_TRY(nk_unpack_open(c, keep, in, &in->unpack, err));
    }
    in->stored += raw.n;
    if (raw.n)
        NK_TRY(in->unpack ? nk_unpack_feed(in->unpack, raw, err) : keep(in, raw, err));
    if (raw.n && in->stored < in->size)
        return NK_OK;
    in->end = true;
    if (in->stored < in->size)
        return nk_fail(err, NK_E_PARSE, "the file has become shorter while it was read");
    return in->unpack ? nk_unpack_finish(in->unpack, err) : NK_OK;
}

static void show(nk_input *in)
{
    in->view = nk_str_sub(nk_buf_view(&in->window), in->used, in->window.n);
}

nk_code nk_input_need(nk_input *in, size_t n, nk_err *err)
{
    nk_code rc = NK_OK;
    if (in->view.n >= n || in->end)
        return NK_OK;
    if (n > NK_RECORD_MAX)
        return too_long(err);
    if (in->used) {
        memmove(in->window.p, in->window.p + in->used, in->window.n - in->used);
        in->window.n -= in->used;
        in->used = 0;
    }
    while (rc == NK_OK && in->window.n < n && !in->end)
        rc = read_piece(in, err);
    show(in);
    return rc;
}

nk_code nk_input_more(nk_input *in, nk_err *err)
{
    return nk_input_need(in, in->view.n < PIECE / 2 ? PIECE / 2 : in->view.n * 2, err);
}

void nk_input_take(nk_input *in, size_t n)
{
    in->used += n;
    in->at += n;
    show(in);
}
