/* Partitions as records. A partition's document holds what is its own; its columns and the rest of
 * its storage descriptor are pieces that it shares with its table's other partitions, named by the
 * hash of their content. A reply is put together from the three by splicing text. */
#include "catalog/column_stats_int.h"
#include "catalog/history_int.h"
#include "catalog/schema_ref.h"

static nk_code nomem(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "out of memory");
}

nk_code nk_part_begin(nk_part_ctx *p, nk_tx *tx, const nk_catalog_ctx *ctx, nk_str database,
                      nk_str table, nk_err *err)
{
    *p = (nk_part_ctx){.tx = tx, .ctx = ctx, .err = err};
    NK_TRY(nk_table_follow(tx, ctx, database, table, &p->table, err));
    glue_Partition names = {.DatabaseName = p->table.database,
                            .TableName = p->table.name,
                            .CatalogId = p->table.catalog_id};
    return nk_model_encode_str(&glue_Partition_shape, &names, ctx->arena, &p->tail, err);
}

nk_code nk_part_check(const nk_part_ctx *p, const nk_list_str *values, nk_err *err)
{
    if (!p->table.keys.n)
        return nk_fail(err, NK_E_INVALID, "Table %.*s is not partitioned.",
                       NK_STR_ARG(p->table.name));
    if (values->n != p->table.keys.n)
        return nk_fail(err, NK_E_INVALID,
                       "The number of partition keys do not match the number of partition values");
    return NK_OK;
}

/* ---- pieces ---- */

/* The hash of a piece, which is stored when the table has none like it. Text p NULL: none, NULL. */
static nk_code intern(nk_part_ctx *p, nk_str text, nk_val *hash, nk_err *err)
{
    uint8_t sha[32];
    bool found;
    *hash = nk_vnull();
    if (!text.n)
        return NK_OK;
    for (size_t i = 0; i < p->pieces.n; i++)
        if (nk_str_eq(p->pieces.v[i].text, text)) {
            *hash = nk_vb(nk_str_n(p->pieces.v[i].hash, 16));
            return NK_OK;
        }
    nk_sha256(text.p, text.n, sha);
    nk_piece *piece = p->pieces.n < 64 ? nk_pieces_add(&p->pieces, p->ctx->arena)
                                       : NK_NEW(p->ctx->arena, nk_piece);
    if (!piece)
        return nomem(err);
    memcpy(piece->hash, sha, 16);
    piece->text = text;
    /* The list may move when it grows, so the value has its own copy. */
    nk_str copy = nk_str_dup(p->ctx->arena, nk_str_n((const char *)sha, 16));
    if (!copy.p)
        return nomem(err);
    *hash = nk_vb(copy);
    nk_val key[2] = {nk_vi(p->table.id), *hash};
    NK_TRY(nk_store_has(p->tx, &nk_kind_piece, key, &found, err));
    if (found)
        return NK_OK;
    nk_row row = {.cols = key, .body = text};
    return nk_store_put(p->tx, &nk_kind_piece, &row, err);
}

static nk_code piece_text(nk_part_ctx *p, const nk_val *hash, nk_str *text)
{
    nk_row row;
    *text = NK_STR_NULL;
    if (hash->kind == NK_V_NULL)
        return NK_OK;
    for (size_t i = 0; i < p->pieces.n; i++)
        if (hash->s.n == 16 && !memcmp(p->pieces.v[i].hash, hash->s.p, 16)) {
            *text = p->pieces.v[i].text;
            return NK_OK;
        }
    NK_TRY(nk_store_get(p->tx, &nk_kind_piece, NK_KEY(nk_vi(p->table.id), *hash), p->ctx->arena,
                        &row, p->err));
    *text = row.body;
    if (p->pieces.n >= 64)
        return NK_OK;
    nk_piece *piece = nk_pieces_add(&p->pieces, p->ctx->arena);
    if (!piece)
        return nomem(p->err);
    memcpy(piece->hash, hash->s.p, 16);
    piece->text = row.body;
    return NK_OK;
}

/* The members of an object, without its braces. */
static nk_str members(nk_str object)
{
    return nk_str_n(object.p + 1, object.n - 2);
}

static nk_code encode_members(nk_part_ctx *p, const glue_StorageDescriptor *sd, nk_str *out,
                              nk_err *err)
{
    nk_str whole;
    NK_TRY(nk_model_encode_str(&glue_StorageDescriptor_shape, sd, p->ctx->arena, &whole, err));
    *out = members(whole);
    return NK_OK;
}

/* Splits a storage descriptor: its own text is returned, the shared pieces are interned. */
static nk_code split(nk_part_ctx *p, const glue_StorageDescriptor *sd, nk_str *own, nk_val *cols,
                     nk_val *rest, nk_err *err)
{
    nk_str text;
    *own = NK_STR_NULL;
    *cols = *rest = nk_vnull();
    if (!sd)
        return NK_OK;
    glue_StorageDescriptor mine = {.Location = sd->Location,
                                   .AdditionalLocations = sd->AdditionalLocations,
                                   .Parameters = sd->Parameters};
    glue_StorageDescriptor columns = {.Columns = sd->Columns};
    glue_StorageDescriptor others = *sd;
    others.Location = NK_STR_NULL;
    others.AdditionalLocations = (nk_list_str){0};
    others.Parameters = (nk_map_str){0};
    others.Columns = (glue_Column_list){0};
    NK_TRY(encode_members(p, &columns, &text, err));
    NK_TRY(intern(p, text, cols, err));
    NK_TRY(encode_members(p, &others, &text, err));
    NK_TRY(intern(p, text, rest, err));
    return encode_members(p, &mine, own, err);
}

/* ---- what is kept of changes ---- */

enum { CHANGES_AT_ONCE = 500 };

struct nk_part_changes {
    nk_hist_op op;
    nk_row before[CHANGES_AT_ONCE];
    nk_val keys[CHANGES_AT_ONCE];
    size_t nbefore, nkeys;
    nk_stats_writer stats; /* of partitions that went */
};

static struct nk_part_changes *changes_of(nk_part_ctx *p)
{
    struct nk_part_changes *c = p->changes;
    if (!c && (c = p->changes = NK_NEW(p->ctx->arena, struct nk_part_changes)))
        c->stats = (nk_stats_writer){
            .tx = p->tx,
            .ctx = p->ctx,
            .table = p->table.id,
            .space = p->table.space,
            .object = nk_table_object(p->ctx->arena, p->table.database, p->table.name)};
    return c;
}

nk_code nk_part_end(nk_part_ctx *p)
{
    struct nk_part_changes *c = p->changes;
    if (!c)
        return NK_OK;
    /* First: undoing goes from the last change on, and statistics need their partition. */
    NK_TRY(nk_column_stats_end(&c->stats, p->err));
    if (c->nbefore + c->nkeys == 0)
        return NK_OK;
    nk_hist h = {.kind = NK_HIST_PARTITION,
                 .op = c->op,
                 .space = p->table.space,
                 .object = nk_table_object(p->ctx->arena, p->table.database, p->table.name),
                 .before = c->before,
                 .nbefore = c->nbefore,
                 .keys = c->keys,
                 .nkeys = c->nkeys,
                 .id = p->table.id};
    c->nbefore = c->nkeys = 0;
    return nk_history_add(p->tx, p->ctx, &h, NULL, p->err);
}

/* Has this change met the partition before? Then what it was before the change is known. */
static bool met(const struct nk_part_changes *c, nk_str vals)
{
    for (size_t i = 0; i < c->nbefore; i++)
        if (nk_str_eq(c->before[i].cols[NK_PART_VALS].s, vals))
            return true;
    for (size_t i = 0; i < c->nkeys; i++)
        if (nk_str_eq(c->keys[i].s, vals))
            return true;
    return false;
}

/* before: the record as it was, NULL when there was none; key: of the one that is there now, NULL
 * when that is none or the same. Both must live until nk_part_end. */
static nk_code remember(nk_part_ctx *p, nk_hist_op op, const nk_row *before, const nk_val *key,
                        nk_err *err)
{
    if (!nk_history_kept(p->tx))
        return NK_OK;
    struct nk_part_changes *c = changes_of(p);
    if (!c)
        return nomem(err);
    if (c->op != op || c->nbefore == CHANGES_AT_ONCE || c->nkeys == CHANGES_AT_ONCE)
        NK_TRY(nk_part_end(p));
    c->op = op;
    if (before && !met(c, before->cols[NK_PART_VALS].s))
        c->before[c->nbefore++] = *before;
    if (key && !met(c, key->s))
        c->keys[c->nkeys++] = *key;
    return NK_OK;
}

/* ---- writing ---- */

static void typed_columns(const nk_part_ctx *p, const nk_list_str *values, nk_val *cols)
{
    for (size_t i = 0; i < NK_PART_TYPED_MAX; i++) {
        nk_str b;
        bool ok = i < p->table.keys.n &&
                  nk_key_encode(p->table.keys.v[i].class, values->v[i], p->ctx->arena, &b);
        cols[NK_PART_C0 + i] = ok ? nk_vb(b) : nk_vnull();
    }
}

static nk_code existing(nk_part_ctx *p, const nk_val *key, bool *there, nk_row *row,
                        int64_t *created_us, nk_err *err)
{
    glue_Partition *old;
    nk_code rc = nk_store_get(p->tx, &nk_kind_partition, key, p->ctx->arena, row, NULL);
    *there = rc == NK_OK;
    if (rc == NK_E_NOT_FOUND)
        return NK_OK;
    if (rc != NK_OK)
        return nk_fail(err, rc, "The store cannot be read.");
    NK_TRY(nk_model_decode(&glue_Partition_shape, row->body, p->ctx->arena, (void **)&old, err));
    if (old->CreationTime.set)
        *created_us = old->CreationTime.us;
    return NK_OK;
}

static nk_code put(nk_part_ctx *p, const glue_PartitionInput *in, nk_str vals, int64_t created_us,
                   bool insert, nk_err *err)
{
    nk_val cols[NK_PART_NCOLS];
    nk_str head, own;
    glue_Partition doc = {
        .Values = in->Values,
        .CreationTime = nk_some_time(created_us),
        .LastAccessTime = in->LastAccessTime,
        .Parameters = in->Parameters,
        .LastAnalyzedTime = in->LastAnalyzedTime,
    };
    NK_TRY(nk_model_encode_str(&glue_Partition_shape, &doc, p->ctx->arena, &head, err));
    cols[NK_PART_TABLE] = nk_vi(p->table.id);
    cols[NK_PART_VALS] = nk_vb(vals);
    typed_columns(p, &in->Values, cols);
    glue_StorageDescriptor *sd;
    NK_TRY(nk_sd_resolve(p->tx, p->ctx, p->table.database, NK_STR_NULL, in->StorageDescriptor, &sd,
                         err));
    NK_TRY(split(p, sd, &own, &cols[NK_PART_COLS], &cols[NK_PART_REST], err));
    nk_row row = {.cols = cols, .body = head};
    if (in->StorageDescriptor) {
        row.body = nk_str_printf(p->ctx->arena, "{%.*s,\"StorageDescriptor\":{%.*s}}",
                                 NK_STR_ARG(members(head)), NK_STR_ARG(own));
        if (!row.body.p)
            return nomem(err);
    }
    nk_code rc = insert ? nk_store_insert(p->tx, &nk_kind_partition, &row, err)
                        : nk_store_put(p->tx, &nk_kind_partition, &row, err);
    return rc == NK_E_EXISTS ? nk_fail(err, rc, "Partition already exists.") : rc;
}

nk_code nk_part_write(nk_part_ctx *p, const glue_PartitionInput *in, nk_part_mode mode,
                      bool *existed, nk_err *err)
{
    int64_t created = p->ctx->now_us;
    bool there = false;
    nk_row old;
    NK_TRY(nk_part_check(p, &in->Values, err));
    nk_str vals = nk_vals_pack(&in->Values, p->ctx->arena);
    if (!vals.p)
        return nomem(err);
    if (mode != NK_PART_CREATE)
        NK_TRY(existing(p, NK_KEY(nk_vi(p->table.id), nk_vb(vals)), &there, &old, &created, err));
    if (mode == NK_PART_REPLACE && !there)
        return nk_fail(err, NK_E_NOT_FOUND, "Cannot find partition.");
    if (existed)
        *existed = there;
    NK_TRY(put(p, in, vals, created, !there, err));
    nk_val key = nk_vb(vals);
    return there ? remember(p, NK_HIST_UPDATE, &old, NULL, err)
                 : remember(p, NK_HIST_CREATE, NULL, &key, err);
}

static nk_code drop_statistics(nk_part_ctx *p, nk_str vals, nk_err *err)
{
    struct nk_part_changes *c = changes_of(p);
    return c ? nk_column_stats_forget(&c->stats, vals, err) : nomem(err);
}

nk_code nk_part_rename(nk_part_ctx *p, const nk_list_str *from, const glue_PartitionInput *in,
                       nk_err *err)
{
    int64_t created = p->ctx->now_us;
    bool there;
    nk_row was;
    glue_PartitionInput input = *in;
    if (!input.Values.set) /* left out: the values stay */
        input.Values = *from;
    NK_TRY(nk_part_check(p, from, err));
    NK_TRY(nk_part_check(p, &input.Values, err));
    nk_str old = nk_vals_pack(from, p->ctx->arena),
           new = nk_vals_pack(&input.Values, p->ctx->arena);
    if (!old.p || !new.p)
        return nomem(err);
    nk_val key[2] = {nk_vi(p->table.id), nk_vb(old)}, renamed = nk_vb(new);
    NK_TRY(existing(p, key, &there, &was, &created, err));
    if (!there)
        return nk_fail(err, NK_E_NOT_FOUND, "Cannot find partition.");
    if (nk_str_eq(old, new)) {
        NK_TRY(put(p, &input, new, created, false, err));
        return remember(p, NK_HIST_UPDATE, &was, NULL, err);
    }
    NK_TRY(put(p, &input, new, created, true, err));
    NK_TRY(drop_statistics(p, old, err));
    NK_TRY(nk_store_delete(p->tx, &nk_kind_partition, key, err));
    return remember(p, NK_HIST_UPDATE, &was, &renamed, err);
}

nk_code nk_part_delete(nk_part_ctx *p, const nk_list_str *values, nk_err *err)
{
    nk_row was;
    NK_TRY(nk_part_check(p, values, err));
    nk_str vals = nk_vals_pack(values, p->ctx->arena);
    if (!vals.p)
        return nomem(err);
    nk_val key[2] = {nk_vi(p->table.id), nk_vb(vals)};
    bool kept = nk_history_kept(p->tx);
    nk_code rc =
        kept ? nk_store_get(p->tx, &nk_kind_partition, key, p->ctx->arena, &was, err) : NK_OK;
    if (rc == NK_OK)
        rc = nk_store_delete(p->tx, &nk_kind_partition, key, err);
    if (rc == NK_E_NOT_FOUND)
        return nk_fail(err, rc, "Cannot find partition.");
    NK_TRY(rc);
    NK_TRY(drop_statistics(p, vals, err));
    return kept ? remember(p, NK_HIST_DELETE, &was, NULL, err) : NK_OK;
}

nk_code nk_part_restore(nk_part_ctx *p, const nk_row *row, nk_err *err)
{
    nk_list_str values;
    nk_val cols[NK_PART_NCOLS];
    nk_row now;
    memcpy(cols, row->cols, sizeof cols);
    NK_TRY(nk_vals_unpack(cols[NK_PART_VALS].s, p->ctx->arena, &values));
    NK_TRY(nk_part_check(p, &values, err));
    typed_columns(p, &values, cols);
    nk_row back = {.cols = cols, .body = row->body};
    nk_code rc = nk_store_get(p->tx, &nk_kind_partition, cols, p->ctx->arena, &now, err);
    if (rc != NK_OK && rc != NK_E_NOT_FOUND)
        return rc;
    NK_TRY(nk_store_put(p->tx, &nk_kind_partition, &back, err));
    return rc == NK_OK ? remember(p, NK_HIST_UPDATE, &now, NULL, err)
                       : remember(p, NK_HIST_CREATE, NULL, &row->cols[NK_PART_VALS], err);
}

/* ---- reading ---- */

static char *append(char *to, nk_str s)
{
    if (s.n)
        memcpy(to, s.p, s.n);
    return to + s.n;
}

nk_code nk_part_reply(nk_part_ctx *p, const nk_row *row, bool without_columns, nk_str *json)
{
    nk_str cols = NK_STR_NULL, rest, body = row->body, tail = members(p->tail);
    if (!without_columns)
        NK_TRY(piece_text(p, &row->cols[NK_PART_COLS], &cols));
    NK_TRY(piece_text(p, &row->cols[NK_PART_REST], &rest));
    char *out = nk_arena_bytes(p->ctx->arena, body.n + cols.n + rest.n + tail.n + 4), *w = out;
    if (!out || body.n < 2)
        return out ? nk_fail(p->err, NK_E_INTERNAL, "a partition's record is damaged")
                   : nomem(p->err);
    bool sd = nk_str_ends(body, NK_STR("}}")) &&
              nk_str_find(body, NK_STR(",\"StorageDescriptor\":{")) >= 0;
    w = append(w, nk_str_n(body.p, body.n - (sd ? 2 : 1)));
    if (sd) {
        bool comma = w[-1] != '{';
        for (int i = 0; i < 2; i++) {
            nk_str piece = i ? rest : cols;
            if (piece.n && comma)
                *w++ = ',';
            comma = comma || piece.n;
            w = append(w, piece);
        }
        *w++ = '}';
    }
    *w++ = ',';
    w = append(w, tail);
    *w++ = '}';
    *json = nk_str_n(out, (size_t)(w - out));
    return NK_OK;
}

/* ---- listing ---- */

enum { SCAN_MAX = 250000 }; /* rows looked at for one page */

typedef struct walker {
    nk_part_ctx *p;
    nk_part_scan *s;
    const nk_filter *filter;
    const nk_query *q;
    const nk_filter_plan *plan;
    nk_arena *scratch;
    size_t n, bytes, scanned;
    bool placed;
    nk_code rc;
} walker;

/* The row's values as the filter wants them: the typed columns, or made from the texts where those
 * do not hold. */
static bool row_passes(walker *w, const nk_row *row)
{
    const nk_part_keys *keys = &w->p->table.keys;
    nk_list_str texts;
    if (w->plan->exact)
        return true;
    if (w->p->table.typed && keys->n <= NK_PART_TYPED_MAX)
        return nk_filter_eval(w->filter, row->cols + NK_PART_C0);
    nk_arena_reset(w->scratch);
    nk_val *v = NK_NEWN(w->scratch, nk_val, keys->n);
    if (!v || nk_vals_unpack(row->cols[NK_PART_VALS].s, w->scratch, &texts) != NK_OK) {
        w->rc = nomem(w->p->err);
        return false;
    }
    for (size_t i = 0; i < keys->n; i++) {
        nk_str b;
        bool ok = i < texts.n && nk_key_encode(keys->v[i].class, texts.v[i], w->scratch, &b);
        v[i] = ok ? nk_vb(b) : nk_vnull();
    }
    return nk_filter_eval(w->filter, v);
}

static bool in_segment(const glue_Segment *s, nk_str vals)
{
    return !s || nk_hash64(vals.p, vals.n, 0x5e9) % (uint64_t)s->TotalSegments.value ==
                     (uint64_t)s->SegmentNumber.value;
}

static bool walk(void *arg, const nk_row *row)
{
    walker *w = arg;
    nk_part_scan *s = w->s;
    bool hit = in_segment(s->segment, row->cols[NK_PART_VALS].s) && row_passes(w, row);
    if (w->rc != NK_OK)
        return false;
    if (w->placed && hit) { /* the page is full, and this one is for the next */
        s->more = true;
        return false;
    }
    if (hit) {
        nk_str json;
        w->rc = nk_part_reply(w->p, row, s->without_columns, &json);
        if (w->rc != NK_OK)
            return false;
        w->n++;
        w->bytes += json.n;
        if (!s->fn(s->arg, json))
            return false;
    }
    bool tired = ++w->scanned >= SCAN_MAX;
    if (!w->placed && (w->n == s->max || w->bytes >= s->bytes_max || tired)) {
        w->placed = true;
        w->rc = nk_store_pos(w->q, row, w->p->ctx->arena, &s->last);
        s->more = tired;
        return w->rc == NK_OK && !tired;
    }
    return !tired || (s->more = true, false);
}

nk_code nk_part_list(nk_part_ctx *p, nk_part_scan *s)
{
    const nk_filter *f;
    nk_filter_plan plan;
    nk_arena *a = p->ctx->arena;
    NK_TRY(nk_filter_compile(s->expression, &p->table.keys, a, &f, p->err));
    if (nk_filter_plan_make(f, p->table.keys.n, p->table.id, p->table.typed, a, &plan) != NK_OK)
        return nomem(p->err);
    s->more = false;
    s->number = plan.number;
    if (plan.nothing)
        return NK_OK;
    if (s->after && s->after_number != plan.number)
        return nk_fail(p->err, NK_E_INVALID,
                       "The NextToken has expired: the table's partition keys have changed.");
    nk_query q = {.kind = &nk_kind_partition,
                  .index = plan.index,
                  .prefix = plan.prefix,
                  .nprefix = plan.nprefix,
                  .where = plan.where,
                  .after = s->after};
    if (plan.exact && !s->segment)
        q.limit = s->max < SIZE_MAX ? s->max + 1 : 0;
    walker w = {.p = p, .s = s, .filter = f, .q = &q, .plan = &plan, .scratch = nk_arena_create(0)};
    if (!w.scratch)
        return nomem(p->err);
    nk_code rc = nk_store_scan(p->tx, &q, walk, &w, p->err);
    nk_arena_destroy(w.scratch);
    return rc == NK_OK ? w.rc : rc;
}
