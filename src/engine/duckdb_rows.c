/* A table function over our own readers: rows as data chunks, one file a thread. */
#include <stdatomic.h>
#include <stdio.h>

#include "engine/cols.h"
#include "engine/duckdb_int.h"

typedef struct bound {
    const nk_row_source *source;
    size_t part;
} bound;

typedef struct scanning {
    const nk_row_source *source;
    atomic_size_t next; /* file */
    size_t end;
    bool *wanted;
    idx_t *columns; /* which column each of the chunk's is */
    idx_t ncolumns;
} scanning;

typedef struct worker {
    nk_cols cols;
    nk_input in;
    nk_rows *rows; /* NULL: between files */
    const nk_row_file *file;
} worker;

static nk_code read_file(void *arg, uint64_t at, size_t n, nk_buf *out, nk_err *err);

typedef struct reading {
    const nk_row_source *source;
    const nk_row_file *file;
} reading;

void nk_row_input(const nk_row_source *source, const nk_row_file *file, nk_input *in)
{
    reading *r = nk_calloc(1, sizeof *r);
    *in = (nk_input){.read = read_file, .arg = r, .size = file->size, .name = file->uri};
    nk_input_init(in);
    if (r)
        *r = (reading){source, file};
}

static nk_code read_file(void *arg, uint64_t at, size_t n, nk_buf *out, nk_err *err)
{
    const reading *r = arg;
    if (!r)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    return r->source->read(r->source->arg, r->file->uri, at, n, out, err);
}

void nk_row_input_close(nk_input *in)
{
    nk_input_close(in);
    nk_free(in->arg);
    in->arg = NULL;
}

/* ---- columns into vectors ---- */

static bool fill(duckdb_vector out, const nk_col *c, size_t n);

static void fill_texts(duckdb_vector out, const nk_col *c, size_t n)
{
    const nk_span *s = c->data;
    for (size_t i = 0; i < n; i++)
        if (c->valid[i])
            duckdb_vector_assign_string_element_len(
                out, i, c->bytes.p ? c->bytes.p + s[i].offset : "", s[i].length);
}

static void fill_decimals(duckdb_vector out, const nk_col *c, size_t n)
{
    const __int128 *from = c->data;
    void *to = duckdb_vector_get_data(out);
    int p = c->type->precision;
    for (size_t i = 0; i < n; i++) {
        __int128 v = c->valid[i] ? from[i] : 0;
        if (p <= 4)
            ((int16_t *)to)[i] = (int16_t)v;
        else if (p <= 9)
            ((int32_t *)to)[i] = (int32_t)v;
        else if (p <= 18)
            ((int64_t *)to)[i] = (int64_t)v;
        else
            ((duckdb_hugeint *)to)[i] =
                (duckdb_hugeint){(uint64_t)v, (int64_t)((unsigned __int128)v >> 64)};
    }
}

static bool fill_lists(duckdb_vector out, const nk_col *c, size_t n)
{
    const nk_span *from = c->data;
    duckdb_list_entry *to = duckdb_vector_get_data(out);
    size_t kids = c->kids[0].n;
    for (size_t i = 0; i < n; i++)
        to[i] = (duckdb_list_entry){from[i].offset, c->valid[i] ? from[i].length : 0};
    if (duckdb_list_vector_reserve(out, kids) != DuckDBSuccess ||
        duckdb_list_vector_set_size(out, kids) != DuckDBSuccess)
        return false;
    duckdb_vector inner = duckdb_list_vector_get_child(out);
    if (c->type->kind == NK_T_ARRAY)
        return fill(inner, &c->kids[0], kids);
    return fill(duckdb_struct_vector_get_child(inner, 0), &c->kids[0], kids) &&
           fill(duckdb_struct_vector_get_child(inner, 1), &c->kids[1], kids);
}

static void fill_validity(duckdb_vector out, const nk_col *c, size_t n)
{
    size_t i = 0;
    while (i < n && c->valid[i])
        i++;
    if (i == n)
        return;
    duckdb_vector_ensure_validity_writable(out);
    uint64_t *mask = duckdb_vector_get_validity(out);
    for (; i < n; i++)
        if (!c->valid[i])
            mask[i / 64] &= ~(1ULL << (i % 64));
}

static bool fill(duckdb_vector out, const nk_col *c, size_t n)
{
    static const uint8_t widths[] = {
        [NK_T_BOOLEAN] = 1,   [NK_T_BYTE] = 1,  [NK_T_SHORT] = 2,  [NK_T_INT] = 4,
        [NK_T_LONG] = 8,      [NK_T_FLOAT] = 4, [NK_T_DOUBLE] = 8, [NK_T_DATE] = 4,
        [NK_T_TIMESTAMP] = 8, [NK_T_CHOICE] = 0};
    bool good = true;
    fill_validity(out, c, n);
    switch (c->type->kind) {
    case NK_T_NULL:
    case NK_T_STRING:
    case NK_T_CHAR:
    case NK_T_VARCHAR:
    case NK_T_BINARY:
        fill_texts(out, c, n);
        return true;
    case NK_T_DECIMAL:
        fill_decimals(out, c, n);
        return true;
    case NK_T_ARRAY:
    case NK_T_MAP:
        return fill_lists(out, c, n);
    case NK_T_STRUCT:
    case NK_T_CHOICE:
        for (size_t k = 0; k < c->nkids && good; k++)
            good = fill(duckdb_struct_vector_get_child(out, k), &c->kids[k], n);
        return good;
    default:
        if (n)
            memcpy(duckdb_vector_get_data(out), c->data, n * widths[c->type->kind]);
        return true;
    }
}

/* ---- the table function ---- */

static void bind(duckdb_bind_info info)
{
    char text[NK_DUCK_TOLD];
    const nk_row_source *s = duckdb_bind_get_extra_info(info);
    duckdb_value v = duckdb_bind_get_parameter(info, 0);
    int64_t part = duckdb_get_int64(v);
    duckdb_destroy_value(&v);
    bound *b = nk_calloc(1, sizeof *b);
    if (!b || part < 0 || (size_t)part >= s->nparts) {
        nk_free(b);
        duckdb_bind_set_error(info, b ? nk_duck_tell(text, NK_E_INTERNAL, "there is no such part")
                                      : nk_duck_tell(text, NK_E_NOMEM, "out of memory"));
        return;
    }
    *b = (bound){s, (size_t)part};
    duckdb_bind_set_bind_data(info, b, nk_free);
    for (size_t i = 0; i < s->type->nfields; i++) {
        char name[512];
        nk_str n = s->type->fields[i].name;
        snprintf(name, sizeof name, "%.*s", NK_STR_ARG(n));
        duckdb_logical_type t = nk_duck_type_to(s->type->fields[i].type);
        duckdb_bind_add_result_column(info, name, t);
        duckdb_destroy_logical_type(&t);
    }
}

static void scanning_free(void *arg)
{
    scanning *s = arg;
    nk_free(s->wanted);
    nk_free(s->columns);
    nk_free(s);
}

static void init(duckdb_init_info info)
{
    char text[NK_DUCK_TOLD];
    const bound *b = duckdb_init_get_bind_data(info);
    const nk_row_source *src = b->source;
    scanning *s = nk_calloc(1, sizeof *s);
    idx_t n = duckdb_init_get_column_count(info);
    if (s) {
        s->wanted = nk_calloc(src->type->nfields + 1, sizeof *s->wanted);
        s->columns = nk_calloc(n + 1, sizeof *s->columns);
    }
    if (!s || !s->wanted || !s->columns) {
        if (s)
            scanning_free(s);
        duckdb_init_set_error(info, nk_duck_tell(text, NK_E_NOMEM, "out of memory"));
        return;
    }
    s->source = src;
    s->ncolumns = n;
    s->next = src->starts[b->part];
    s->end = src->starts[b->part + 1];
    for (idx_t i = 0; i < n; i++) {
        s->columns[i] = duckdb_init_get_column_index(info, i);
        if (s->columns[i] < src->type->nfields)
            s->wanted[s->columns[i]] = true;
    }
    duckdb_init_set_max_threads(info, s->end > s->next ? s->end - s->next : 1);
    duckdb_init_set_init_data(info, s, scanning_free);
}

static void leave_file(worker *w, const nk_row_source *src)
{
    if (!w->rows)
        return;
    src->format->close(w->rows);
    nk_row_input_close(&w->in);
    w->rows = NULL;
}

typedef struct worker_data {
    worker w;
    const nk_row_source *source;
    bool ready;
} worker_data;

static void worker_free(void *arg)
{
    worker_data *d = arg;
    leave_file(&d->w, d->source);
    if (d->ready)
        nk_cols_free(&d->w.cols);
    nk_free(d);
}

static void local_init(duckdb_init_info info)
{
    char text[NK_DUCK_TOLD];
    const bound *b = duckdb_init_get_bind_data(info);
    worker_data *d = nk_calloc(1, sizeof *d);
    if (!d) {
        duckdb_init_set_error(info, nk_duck_tell(text, NK_E_NOMEM, "out of memory"));
        return;
    }
    d->source = b->source;
    duckdb_init_set_init_data(info, d, worker_free);
}

/* Rows of the next file that has some; none at the end. */
static nk_code next_rows(scanning *s, worker *w, size_t max, size_t *n, nk_err *err)
{
    const nk_rows_format *f = s->source->format;
    for (;;) {
        if (!w->rows) {
            size_t i = atomic_fetch_add(&s->next, 1);
            *n = 0;
            if (i >= s->end)
                return NK_OK;
            w->file = &s->source->files[i];
            nk_row_input(s->source, w->file, &w->in);
            nk_code rc = f->open(&w->in, s->source->options, &w->rows, err);
            if (rc != NK_OK)
                nk_row_input_close(&w->in);
            NK_TRY(rc);
        }
        nk_cols_clear(&w->cols);
        NK_TRY(f->next(w->rows, &w->cols.sink, max, n, err));
        if (*n)
            return NK_OK;
        leave_file(w, s->source);
    }
}

static void say(duckdb_function_info info, const worker *w, nk_code rc, const nk_err *err)
{
    char text[NK_DUCK_TOLD];
    nk_err e = *err;
    if (w->file)
        (void)nk_wrap(&e, "%.*s", NK_STR_ARG(w->file->uri));
    rc = rc == NK_E_PARSE || rc == NK_E_LIMIT ? NK_E_INVALID : rc;
    duckdb_function_set_error(info, nk_duck_tell(text, rc, e.msg));
}

static void run(duckdb_function_info info, duckdb_data_chunk out)
{
    scanning *s = duckdb_function_get_init_data(info);
    worker_data *d = duckdb_function_get_local_init_data(info);
    worker *w = &d->w;
    nk_err err = NK_ERR_INIT;
    size_t n = 0;
    nk_code rc = NK_OK;
    if (!d->ready) {
        rc = nk_cols_init(&w->cols, s->source->type, s->wanted, &err);
        d->ready = rc == NK_OK;
    }
    if (rc == NK_OK)
        rc = next_rows(s, w, duckdb_vector_size(), &n, &err);
    if (rc != NK_OK) {
        say(info, w, rc, &err);
        return;
    }
    for (idx_t i = 0; i < s->ncolumns && n; i++)
        if (s->columns[i] < s->source->type->nfields &&
            !fill(duckdb_data_chunk_get_vector(out, i), &w->cols.row.kids[s->columns[i]], n)) {
            say(info, w, NK_E_NOMEM, &(nk_err){.code = NK_E_NOMEM, .msg = "out of memory"});
            return;
        }
    duckdb_data_chunk_set_size(out, n);
}

nk_code nk_engine_row_source(nk_engine *e, nk_str name, const nk_row_source *source, nk_err *err)
{
    char text[80];
    snprintf(text, sizeof text, "%.*s", NK_STR_ARG(name));
    duckdb_table_function f = duckdb_create_table_function();
    duckdb_logical_type part = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    duckdb_table_function_set_name(f, text);
    duckdb_table_function_add_parameter(f, part);
    duckdb_table_function_set_extra_info(f, (void *)(uintptr_t)source, NULL);
    duckdb_table_function_set_bind(f, bind);
    duckdb_table_function_set_init(f, init);
    duckdb_table_function_set_local_init(f, local_init);
    duckdb_table_function_set_function(f, run);
    duckdb_table_function_supports_projection_pushdown(f, true);
    duckdb_state st = duckdb_register_table_function(e->con, f);
    duckdb_destroy_logical_type(&part);
    duckdb_destroy_table_function(&f);
    return st == DuckDBSuccess
               ? NK_OK
               : nk_fail(err, NK_E_INTERNAL, "the table function %s cannot be registered", text);
}
