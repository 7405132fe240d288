/* Keeping and listing the history. A record holds the object's record as it was before; what it was
 * afterwards is what the object's next change found, or what stands in the catalogue now. */
#include <stdio.h>

#include "catalog/history_int.h"
#include "catalog/search_int.h"
#include "catalog/undo_int.h"

static const nk_col cols[] = {
    {"seq", NK_COL_I64}, {"space", NK_COL_TEXT}, {"object", NK_COL_TEXT}, {"kind", NK_COL_I64},
    {"op", NK_COL_I64},  {"at_us", NK_COL_I64},  {"purge", NK_COL_I64},   {"undoes", NK_COL_I64}};
static const nk_index indexes[] = {
    {.name = "by_space", .cols = {NK_HIST_SPACE, NK_HIST_SEQ}, .n = 2}};
const nk_kind nk_kind_history = {.name = "glue_history",
                                 .version = 1,
                                 .nkey = 1,
                                 .cols = cols,
                                 .ncols = NK_HIST_NCOLS,
                                 .indexes = indexes,
                                 .nindexes = NK_COUNTOF(indexes)};

enum { TRIM_AT_ONCE = 4 };

nk_str nk_table_object(nk_arena *a, nk_str database, nk_str table)
{
    return nk_str_printf(a, "%.*s.%.*s", NK_STR_ARG(database), NK_STR_ARG(table));
}

/* ---- keeping ---- */

/* A record's columns and body: {"cols":[…],"body":…}; bytes are written as {"b":base64}. */
static nk_code put_val(nk_json_writer *w, const nk_val *v, nk_arena *a)
{
    switch (v->kind) {
    case NK_V_I64:
        nk_jw_i64(w, v->i);
        break;
    case NK_V_F64:
        nk_jw_f64(w, v->f);
        break;
    case NK_V_TEXT:
        nk_jw_str(w, v->s);
        break;
    case NK_V_BYTES: {
        nk_str text = nk_base64_encode(a, v->s);
        if (!text.p)
            return NK_E_NOMEM;
        nk_jw_object(w);
        nk_jw_kstr(w, "b", text);
        nk_jw_object_end(w);
        break;
    }
    default:
        nk_jw_null(w);
    }
    return NK_OK;
}

enum { SEVERAL = 1 /* records in one change */ };
static const struct {
    const char *name;
    const nk_kind *record; /* NULL: another room's, see rooms */
    int flags;
} kinds[NK_HIST_KINDS] = {
    [NK_HIST_DATABASE] = {"database", &nk_kind_database, 0},
    [NK_HIST_TABLE] = {"table", &nk_kind_table, 0},
    [NK_HIST_PARTITION] = {"partitions", &nk_kind_partition, SEVERAL},
    [NK_HIST_FUNCTION] = {"function", &nk_kind_function, 0},
    [NK_HIST_CONNECTION] = {"connection", &nk_kind_connection, 0},
    [NK_HIST_STATISTICS] = {"statistics", &nk_kind_column_stats, SEVERAL},
    [NK_HIST_INDEXES] = {"indexes", &nk_kind_table, 0},
    [NK_HIST_POLICY] = {"policy", &nk_kind_policy, 0},
    [NK_HIST_SETTINGS] = {"settings", &nk_kind_catalog_settings, 0},
    [NK_HIST_SECURITY] = {"security", &nk_kind_security, 0},
    [NK_HIST_TAGS] = {"tags", &nk_kind_tags, 0},
    [NK_HIST_TYPE] = {"type", &nk_kind_connection_type, 0},
    [NK_HIST_CATALOG] = {"catalog", &nk_kind_catalog, 0},
    [NK_HIST_VERSIONS] = {"versions", &nk_kind_table_version, SEVERAL},
    [NK_HIST_STATS_SETTINGS] = {"task settings", &nk_kind_stats_settings, 0},
    [NK_HIST_CRAWLER] = {"crawler", NULL, 0},
    [NK_HIST_CRAWLED] = {"crawled tables", NULL, SEVERAL},
    [NK_HIST_CLASSIFIER] = {"classifier", NULL, 0},
    [NK_HIST_OPTIMIZER] = {"optimizer", NULL, 0},
};
static const nk_hist_room *rooms[NK_HIST_KINDS];

void nk_history_register(const nk_hist_room *room)
{
    rooms[room->kind] = room;
}

const nk_hist_room *nk_history_room(nk_hist_kind kind)
{
    return rooms[kind];
}

const nk_kind *nk_history_record_kind(nk_hist_kind kind)
{
    return rooms[kind] ? rooms[kind]->record : kinds[kind].record;
}

static nk_code encode(const nk_catalog_ctx *ctx, const nk_hist *h, nk_str *out, nk_err *err)
{
    nk_arena *a = ctx->arena;
    nk_buf b;
    nk_code rc = NK_OK;
    unsigned ncols = nk_history_record_kind(h->kind)->ncols;
    nk_buf_init(&b, 256 << 20);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    nk_jw_kstr(&w, "who", ctx->actor.p ? ctx->actor : ctx->created_by);
    nk_jw_ki64(&w, "id", h->id);
    nk_jw_key(&w, NK_STR("before"));
    nk_jw_array(&w);
    for (size_t i = 0; rc == NK_OK && i < h->nbefore; i++) {
        nk_jw_object(&w);
        nk_jw_key(&w, NK_STR("cols"));
        nk_jw_array(&w);
        for (unsigned k = 0; rc == NK_OK && k < ncols; k++)
            rc = put_val(&w, &h->before[i].cols[k], a);
        nk_jw_array_end(&w);
        nk_jw_key(&w, NK_STR("body"));
        nk_jw_raw(&w, h->before[i].body);
        nk_jw_object_end(&w);
    }
    nk_jw_array_end(&w);
    nk_jw_key(&w, NK_STR("keys"));
    nk_jw_array(&w);
    for (size_t i = 0; rc == NK_OK && i < h->nkeys; i++)
        rc = put_val(&w, &h->keys[i], a);
    nk_jw_array_end(&w);
    nk_jw_object_end(&w);
    if (rc == NK_OK)
        rc = nk_buf_check(&b, err);
    *out = nk_buf_dup(&b, a);
    nk_buf_free(&b);
    return rc == NK_OK && out->p ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
}

bool nk_history_kept(nk_tx *tx)
{
    struct nk_catalog *c = nk_catalog_of(nk_tx_store(tx));
    return c && nk_catalog_history_state(c)->max > 0;
}

typedef struct oldest {
    int64_t seq[TRIM_AT_ONCE], id[TRIM_AT_ONCE], kind[TRIM_AT_ONCE];
    bool purge[TRIM_AT_ONCE];
    size_t n;
} oldest;

static bool old_row(void *arg, const nk_row *row)
{
    oldest *o = arg;
    o->seq[o->n] = row->cols[NK_HIST_SEQ].i;
    o->kind[o->n] = row->cols[NK_HIST_KIND].i;
    o->purge[o->n] = row->cols[NK_HIST_PURGE].kind != NK_V_NULL;
    o->id[o->n] = row->cols[NK_HIST_PURGE].i; /* the number of what was deleted */
    o->n++;
    return true;
}

static nk_code count_all(nk_tx *tx, void *arg, nk_err *err)
{
    nk_query q = {.kind = &nk_kind_history};
    return nk_store_count(tx, &q, arg, err);
}

/* What must be purged when the deletion of such an object is no longer held; 0 = nothing. */
static const int purges[NK_HIST_KINDS] = {
    [NK_HIST_TABLE] = NK_TASK_PURGE_TABLE,
    [NK_HIST_DATABASE] = NK_TASK_PURGE_DATABASE,
    [NK_HIST_CATALOG] = NK_TASK_PURGE_CATALOG,
};

/* Lets the oldest go. */
static nk_code trim(nk_tx *tx, nk_history_state *s, nk_err *err)
{
    oldest o = {.n = 0};
    int64_t over = s->count - s->max;
    if (over <= 0)
        return NK_OK;
    nk_query q = {.kind = &nk_kind_history,
                  .no_body = true,
                  .limit = over < TRIM_AT_ONCE ? (size_t)over : TRIM_AT_ONCE};
    NK_TRY(nk_store_scan(tx, &q, old_row, &o, err));
    for (size_t i = 0; i < o.n; i++) {
        NK_TRY(nk_store_delete(tx, &nk_kind_history, NK_KEY(nk_vi(o.seq[i])), err));
        if (o.purge[i])
            NK_TRY(nk_task_add(tx, o.id[i], purges[o.kind[i]], 0, err));
    }
    s->count -= (int64_t)o.n;
    return NK_OK;
}

nk_code nk_history_add(nk_tx *tx, const nk_catalog_ctx *ctx, const nk_hist *h, bool *kept,
                       nk_err *err)
{
    struct nk_catalog *c = nk_catalog_of(nk_tx_store(tx));
    nk_history_state *s = c ? nk_catalog_history_state(c) : NULL;
    int64_t seq;
    nk_row row = {0};
    bool holds = h->op == NK_HIST_DELETE && purges[h->kind];
    if (kept)
        *kept = s && s->max > 0;
    if (!s || s->max <= 0)
        return NK_OK;
    if (!h->object.p)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    NK_TRY(encode(ctx, h, &row.body, err));
    NK_TRY(nk_store_next(tx, "glue.history", &seq, err));
    row.cols = NK_KEY(nk_vi(seq), nk_vs(h->space), nk_vs(h->object), nk_vi(h->kind), nk_vi(h->op),
                      nk_vi(ctx->now_us), holds ? nk_vi(h->id) : nk_vnull(),
                      ctx->undoes ? nk_vi(ctx->undoes) : nk_vnull());
    NK_TRY(nk_store_insert(tx, &nk_kind_history, &row, err));
    if (seq > s->last)
        s->count++;
    else
        NK_TRY(count_all(tx, &s->count, err));
    s->last = seq;
    return trim(tx, s, err);
}

nk_code nk_history_start(nk_app *app, nk_err *err)
{
    nk_history_state *s = nk_catalog_history_state(app->catalog);
    s->max = app->settings ? app->settings->history_max : 0;
    return nk_store_read(app->store, count_all, &s->count, err);
}

/* ---- listing ---- */

static const char *const op_names[] = {"create", "update", "delete"};

typedef struct lister {
    nk_call *call;
    const nk_catalog_ctx *ctx;
    nk_json_writer *w;
    bool whole; /* documents, too */
    int64_t last;
    size_t n, max;
    bool more;
    nk_code rc;
} lister;

static void put_time(nk_json_writer *w, int64_t us)
{
    char text[40];
    nk_civil t = nk_civil_from_us(us);
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", t.year, t.month, t.day,
             t.hour, t.minute, t.second, t.usec / 1000);
    nk_jw_kcstr(w, "At", text);
}

/* The body of the n-th record before the change. */
static nk_str before_body(nk_str body, nk_arena *a, size_t i)
{
    nk_json *j;
    nk_buf b;
    nk_str out = NK_STR_NULL;
    if (nk_json_parse(body, a, 0, &j, NULL) != NK_OK)
        return out;
    const nk_json *one = nk_json_get(nk_json_at(nk_json_get(j, "before"), i), "body");
    if (!one)
        return out;
    nk_buf_init(&b, 64 << 20);
    nk_json_writer w = {.buf = &b};
    nk_jw_tree(&w, one);
    out = nk_buf_dup(&b, a);
    nk_buf_free(&b);
    return out;
}

typedef struct finder {
    nk_arena *arena;
    nk_str body;
    bool found;
} finder;

static bool next_change(void *arg, const nk_row *row)
{
    finder *f = arg;
    f->found = true;
    f->body = nk_str_dup(f->arena, row->body);
    return false;
}

/* What the object was after the change: NULL text when it was no more. */
static nk_code after_change(nk_call *call, const nk_catalog_ctx *ctx, const nk_row *row,
                            nk_str *out)
{
    finder f = {.arena = call->arena};
    nk_pos after = {.v = {row->cols[NK_HIST_SPACE], row->cols[NK_HIST_SEQ]}, .n = 2};
    nk_cond kind = {.op = NK_C_EQ,
                    .col = NK_HIST_KIND,
                    .vals = &row->cols[NK_HIST_KIND],
                    .nvals = 1},
            object = {.op = NK_C_EQ,
                      .col = NK_HIST_OBJECT,
                      .vals = &row->cols[NK_HIST_OBJECT],
                      .nvals = 1};
    const nk_cond *const both[] = {&kind, &object};
    nk_cond same = {.op = NK_C_AND, .args = both, .nargs = 2};
    nk_query q = {.kind = &nk_kind_history,
                  .index = &indexes[0],
                  .prefix = row->cols + NK_HIST_SPACE,
                  .nprefix = 1,
                  .where = &same,
                  .after = &after,
                  .limit = 1};
    *out = NK_STR_NULL;
    if (row->cols[NK_HIST_OP].i == NK_HIST_DELETE)
        return NK_OK;
    NK_TRY(nk_store_scan(call->tx, &q, next_change, &f, call->err));
    if (f.found) {
        *out = before_body(f.body, call->arena, 0);
        return NK_OK;
    }
    return nk_history_current(call, ctx, row, out);
}

static nk_code put_documents(nk_call *call, const nk_catalog_ctx *ctx, nk_json_writer *w,
                             const nk_row *row)
{
    nk_str before = before_body(row->body, call->arena, 0), after;
    if (row->cols[NK_HIST_KIND].i == NK_HIST_CONNECTION)
        return NK_OK; /* sealed */
    if (row->cols[NK_HIST_KIND].i == NK_HIST_PARTITION) {
        nk_jw_key(w, NK_STR("Partitions"));
        return nk_history_partitions(call, row, w);
    }
    if (row->cols[NK_HIST_KIND].i == NK_HIST_STATISTICS) {
        nk_jw_key(w, NK_STR("Columns"));
        return nk_history_statistics(call, row, w);
    }
    if (kinds[row->cols[NK_HIST_KIND].i].flags & SEVERAL) {
        nk_jw_key(w, NK_STR("Before"));
        return nk_history_rows(call, row, w);
    }
    NK_TRY(after_change(call, ctx, row, &after));
    nk_jw_key(w, NK_STR("Before"));
    nk_jw_raw(w, before.p ? before : NK_STR("null"));
    nk_jw_key(w, NK_STR("After"));
    nk_jw_raw(w, after.p ? after : NK_STR("null"));
    return NK_OK;
}

static bool list_row(void *arg, const nk_row *row)
{
    lister *l = arg;
    nk_json *j;
    nk_arena *a = l->call->arena;
    if (l->n == l->max) {
        l->more = true;
        return false;
    }
    nk_row mine = *row;
    mine.body = nk_str_dup(a, row->body);
    if (!mine.body.p || nk_json_parse(mine.body, a, 0, &j, NULL) != NK_OK) {
        l->rc = nk_fail(l->call->err, NK_E_NOMEM, "out of memory");
        return false;
    }
    const nk_json *before = nk_json_get(j, "before"), *keys = nk_json_get(j, "keys");
    int64_t kind = row->cols[NK_HIST_KIND].i;
    bool several = kinds[kind].flags & SEVERAL;
    /* partitions' keys are their values alone */
    size_t key = several && kind != NK_HIST_PARTITION
                     ? nk_history_record_kind((nk_hist_kind)kind)->nkey
                     : 1,
           n = (before ? before->count : 0) + (keys ? keys->count : 0) / key;
    nk_jw_object(l->w);
    nk_jw_ki64(l->w, "Id", row->cols[NK_HIST_SEQ].i);
    put_time(l->w, row->cols[NK_HIST_AT].i);
    nk_jw_kstr(l->w, "Who", nk_json_str(j, "who"));
    nk_jw_kcstr(l->w, "What", op_names[row->cols[NK_HIST_OP].i]);
    nk_jw_kcstr(l->w, "Kind", kinds[kind].name);
    nk_jw_kstr(l->w, "Object", row->cols[NK_HIST_OBJECT].s);
    if (several)
        nk_jw_ki64(l->w, "Count", (int64_t)n);
    if (row->cols[NK_HIST_UNDOES].kind != NK_V_NULL)
        nk_jw_ki64(l->w, "Undoes", row->cols[NK_HIST_UNDOES].i);
    if (l->whole)
        l->rc = put_documents(l->call, l->ctx, l->w, &mine);
    nk_jw_object_end(l->w);
    l->n++;
    l->last = row->cols[NK_HIST_SEQ].i;
    return l->rc == NK_OK;
}

/* {"Object","Id","Max","Before","CatalogId"} → {"Changes":[…],"More"}: newest first; of an object
 * all that stands below it, too. With Id that change alone, with its documents. */
nk_code nk_catalog_history(nk_call *call, const nk_json *in, nk_buf *out)
{
    nk_json_writer w = {.buf = out};
    nk_catalog_ctx ctx;
    NK_TRY(nk_catalog_open(call, nk_json_str(in, "CatalogId"), &ctx));
    int64_t id = nk_json_i64(in, "Id", 0), max = nk_json_i64(in, "Max", 50),
            before = nk_json_i64(in, "Before", 0);
    lister l = {
        .call = call, .ctx = &ctx, .w = &w, .whole = id > 0, .max = (size_t)(max > 0 ? max : 1)};
    nk_str object = nk_str_lower(call->arena, nk_json_str(in, "Object"));
    nk_str below = nk_str_printf(call->arena, "%.*s.", NK_STR_ARG(object));
    nk_val values[] = {nk_vs(object), nk_vs(below), nk_vi(id), nk_vs(nk_json_str(in, "Object"))};
    nk_cond is = {.op = NK_C_EQ, .col = NK_HIST_OBJECT, .vals = &values[0], .nvals = 1},
            under = {.op = NK_C_PREFIX, .col = NK_HIST_OBJECT, .vals = &values[1], .nvals = 1},
            that = {.op = NK_C_EQ, .col = NK_HIST_SEQ, .vals = &values[2], .nvals = 1},
            exact = {.op = NK_C_EQ, .col = NK_HIST_OBJECT, .vals = &values[3], .nvals = 1};
    const nk_cond *const either[] = {&is, &under, &exact}; /* not all names are folded */
    nk_cond any = {.op = NK_C_OR, .args = either, .nargs = 3};
    nk_pos after = {.v = {nk_vs(ctx.region), nk_vi(before)}, .n = 2};
    nk_query q = {.kind = &nk_kind_history,
                  .index = &indexes[0],
                  .prefix = NK_KEY(nk_vs(ctx.region)),
                  .nprefix = 1,
                  .where = id         ? &that
                           : object.n ? &any
                                      : NULL,
                  .after = before ? &after : NULL,
                  .desc = true};
    if (!below.p || (nk_json_str(in, "Object").p && !object.p))
        return nk_fail(call->err, NK_E_NOMEM, "out of memory");
    nk_jw_object(&w);
    nk_jw_key(&w, NK_STR("Changes"));
    nk_jw_array(&w);
    NK_TRY(nk_store_scan(call->tx, &q, list_row, &l, call->err));
    NK_TRY(l.rc);
    if (id && !l.n)
        return nk_fail(call->err, NK_E_NOT_FOUND, "Change %lld is not in the history.",
                       (long long)id);
    nk_jw_array_end(&w);
    if (l.more)
        nk_jw_ki64(&w, "More", l.last);
    nk_jw_object_end(&w);
    return nk_buf_check(out, call->err);
}
