/* Messages: the header, compression, and the payload of each format. */
#include <stdlib.h>
#include <zlib.h>

#include "serde/serde_int.h"

struct nks_arena {
    nk_arena *a;
};

nks_arena *nks_arena_new(void)
{
    nks_arena *a = nk_calloc(1, sizeof *a);
    if (a && !(a->a = nk_arena_create(0))) {
        nk_free(a);
        return NULL;
    }
    return a;
}
void nks_arena_reset(nks_arena *a)
{
    nk_arena_reset(a->a);
}
void nks_arena_free(nks_arena *a)
{
    if (a)
        nk_arena_destroy(a->a);
    nk_free(a);
}

void nks_buf_free(nks_buf *b)
{
    nk_free(b->p);
    *b = (nks_buf){0};
}

static bool reserve(nks_buf *b, size_t n)
{
    if (n <= b->cap)
        return true;
    size_t cap = b->cap * 2 > n ? b->cap * 2 : n + 64;
    char *p = nk_realloc(b->p, cap);
    if (!p)
        return false;
    b->p = p;
    b->cap = cap;
    return true;
}

bool nks_is_framed(const void *message, size_t n)
{
    const uint8_t *p = message;
    return n >= NKS_HEADER && p[0] == 3 && (p[1] == NKS_PLAIN || p[1] == NKS_ZLIB);
}

static void write_id(const uint8_t raw[16], char text[37])
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text[n++] = '-';
        text[n++] = hex[raw[i] >> 4];
        text[n++] = hex[raw[i] & 15];
    }
    text[n] = 0;
}

/* -- out ------------------------------------------------------------------------------------------
 */

static void put_header(char *p, const nks_schema *x, nks_compression how)
{
    p[0] = 3;
    p[1] = (char)how;
    memcpy(p + 2, x->raw, 16);
}

/* out holds room for a header and a payload behind it: compresses that if need be. */
static nks_code finish(const nks_schema *x, nks_compression how, nks_buf *out, nks_error *err)
{
    put_header(out->p, x, how);
    if (how == NKS_PLAIN)
        return NKS_OK;
    if (how != NKS_ZLIB)
        return nks_fail(err, NKS_INVALID, "there is no compression %d: 0 is none, 5 is zlib", how);
    uLong n = (uLong)(out->n - NKS_HEADER), bound = compressBound(n);
    char *packed = nk_malloc(NKS_HEADER + bound);
    if (!packed)
        return nks_fail(err, NKS_NOMEM, "no memory to compress a message");
    memcpy(packed, out->p, NKS_HEADER);
    if (compress2((Bytef *)packed + NKS_HEADER, &bound, (const Bytef *)out->p + NKS_HEADER, n,
                  Z_DEFAULT_COMPRESSION) != Z_OK) {
        nk_free(packed);
        return nks_fail(err, NKS_NOMEM, "no memory to compress a message");
    }
    nk_free(out->p);
    *out = (nks_buf){packed, NKS_HEADER + bound, NKS_HEADER + compressBound(n)};
    return NKS_OK;
}

static nks_code wrong_format(const nks_schema *x, nks_error *err)
{
    static const char *const names[] = {"Avro", "JSON", "Protobuf"};
    return nks_fail(err, NKS_INVALID, "the schema %s is one for %s", x->id, names[x->format]);
}

nks_code nks_encode_avro(nks_serde *s, const nks_schema *x, const nk_avro_value *value,
                         nks_compression how, nks_buf *out, nks_error *err)
{
    nk_err why;
    if (x->format != NKS_AVRO)
        return wrong_format(x, err);
    if (!reserve(out, NKS_HEADER + 256))
        return nks_fail(err, NKS_NOMEM, "no memory for a message");
    nk_buf b = {.p = out->p, .n = NKS_HEADER, .cap = out->cap, .max = s->message_max + NKS_HEADER};
    nk_code rc = nk_avro_encode(x->doc, value, &b, &why);
    *out = (nks_buf){b.p, b.n, b.cap};
    return rc == NK_OK ? finish(x, how, out, err) : nks_from(err, &why, NKS_INVALID);
}

static nks_code framed(nks_serde *s, const nks_schema *x, const char *head, size_t head_n,
                       const void *bytes, size_t n, nks_compression how, nks_buf *out,
                       nks_error *err)
{
    if (n > s->message_max)
        return nks_fail(err, NKS_LIMIT, "a message of %zu bytes; at most %zu are taken", n,
                        s->message_max);
    if (!reserve(out, NKS_HEADER + head_n + n))
        return nks_fail(err, NKS_NOMEM, "no memory for a message");
    if (head_n)
        memcpy(out->p + NKS_HEADER, head, head_n);
    if (n)
        memcpy(out->p + NKS_HEADER + head_n, bytes, n);
    out->n = NKS_HEADER + head_n + n;
    return finish(x, how, out, err);
}

nks_code nks_encode_json(nks_serde *s, const nks_schema *x, const char *json, size_t n,
                         nks_compression how, nks_buf *out, nks_error *err)
{
    nk_err why;
    if (x->format != NKS_JSON)
        return wrong_format(x, err);
    if (nk_jsonschema_validate((const nk_jsonschema *)(const void *)x->doc, nk_str_n(json, n),
                               &why) != NK_OK)
        return nks_from(err, &why, NKS_INVALID);
    return framed(s, x, NULL, 0, json, n, how, out, err);
}

nks_code nks_encode_protobuf(nks_serde *s, const nks_schema *x, const char *name, const void *bytes,
                             size_t n, nks_compression how, nks_buf *out, nks_error *err)
{
    nk_err why;
    char head[8];
    size_t head_n = 0;
    uint32_t index = 0;
    if (x->format != NKS_PROTOBUF)
        return wrong_format(x, err);
    const nk_protobuf *doc = (const nk_protobuf *)(const void *)x->doc;
    nk_str wanted = name ? nk_str_c(name) : nk_protobuf_first(doc);
    if (nk_protobuf_index(doc, wanted, &index, &why) != NK_OK ||
        nk_protobuf_validate(doc, index, nk_str_n(bytes, n), &why) != NK_OK)
        return nks_from(err, &why, NKS_INVALID);
    uint32_t v = index;
    for (; v >= 0x80; v >>= 7)
        head[head_n++] = (char)(v | 0x80);
    head[head_n++] = (char)v;
    return framed(s, x, head, head_n, bytes, n, how, out, err);
}

/* -- in -------------------------------------------------------------------------------------------
 */

static nks_code inflate_into(nks_serde *s, const char *p, size_t n, nks_buf *scratch,
                             nks_error *err)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)p, .avail_in = (uInt)n};
    if (n > UINT32_MAX)
        return nks_fail(err, NKS_LIMIT, "a message of %zu bytes", n);
    if (inflateInit(&z) != Z_OK)
        return nks_fail(err, NKS_NOMEM, "no memory to open a compressed message");
    nks_code rc = NKS_OK;
    int state = Z_OK;
    scratch->n = 0;
    while (rc == NKS_OK && state != Z_STREAM_END) {
        if (scratch->n >= s->message_max)
            rc = nks_fail(err, NKS_LIMIT, "the message is larger than %zu bytes when opened",
                          s->message_max);
        else if (scratch->cap == scratch->n && !reserve(scratch, scratch->n + n * 4 + 256))
            rc = nks_fail(err, NKS_NOMEM, "no memory to open a compressed message");
        if (rc != NKS_OK)
            break;
        size_t room = scratch->cap - scratch->n;
        if (room > s->message_max - scratch->n)
            room = s->message_max - scratch->n;
        z.next_out = (Bytef *)scratch->p + scratch->n;
        z.avail_out = (uInt)room;
        state = inflate(&z, Z_NO_FLUSH);
        scratch->n += room - z.avail_out;
        if (state != Z_OK && state != Z_STREAM_END)
            rc = nks_fail(err, NKS_FOREIGN, "the compressed message is cut or corrupt");
    }
    if (rc == NKS_OK && z.avail_in)
        rc = nks_fail(err, NKS_FOREIGN, "bytes behind the end of a compressed message");
    inflateEnd(&z);
    return rc;
}

/* The header, the schema, and the payload as it was before compression. */
static nks_code take_apart(nks_serde *s, const void *message, size_t n, nks_buf *scratch,
                           nks_message *out, nks_error *err)
{
    const char *p = message;
    char id[37];
    uint8_t raw[16];
    if (!nks_is_framed(message, n))
        return nks_fail(err, NKS_FOREIGN,
                        n < NKS_HEADER
                            ? "a message of %zu bytes: the header alone has 18"
                            : "not a message of the schema registry: its header is not 3, "
                              "then 0 or 5 (%zu bytes)",
                        n);
    memcpy(raw, p + 2, 16);
    *out = (nks_message){.payload = p + NKS_HEADER, .n = n - NKS_HEADER};
    out->schema = nks_cached(s, raw);
    if (!out->schema) {
        write_id(raw, id);
        nks_code rc = nks_ask_by_id(s, id, &out->schema, err);
        if (rc != NKS_OK)
            return rc;
    }
    if (p[1] == NKS_ZLIB) {
        nks_code rc = inflate_into(s, out->payload, out->n, scratch, err);
        if (rc != NKS_OK)
            return rc;
        out->payload = scratch->p ? scratch->p : "";
        out->n = scratch->n;
    }
    return out->n > s->message_max ? nks_fail(err, NKS_LIMIT, "a message of %zu bytes", out->n)
                                   : NKS_OK;
}

static nks_code open_protobuf(nks_message *m, nks_error *err)
{
    const nk_protobuf *doc = (const nk_protobuf *)(const void *)m->schema->doc;
    nk_err why;
    uint64_t v = 0;
    size_t i = 0;
    for (;; i++) {
        if (i == m->n || i == 5)
            return nks_fail(err, NKS_FOREIGN,
                            "the Protobuf payload does not begin with a message's "
                            "number");
        v |= (uint64_t)(m->payload[i] & 0x7f) << 7 * i;
        if (!(m->payload[i] & 0x80))
            break;
    }
    m->payload += i + 1;
    m->n -= i + 1;
    m->index = (uint32_t)v;
    nk_str name = v <= UINT32_MAX ? nk_protobuf_name(doc, m->index) : NK_STR_NULL;
    if (!name.p)
        return nks_fail(err, NKS_FOREIGN, "the schema %s has no message with the number %llu",
                        m->schema->id, (unsigned long long)v);
    m->name = name.p;
    m->name_n = name.n;
    return nk_protobuf_validate(doc, m->index, nk_str_n(m->payload, m->n), &why) == NK_OK
               ? NKS_OK
               : nks_from(err, &why, NKS_FOREIGN);
}

nks_code nks_open_message(nks_serde *s, const void *message, size_t n, nks_buf *scratch,
                          nks_message *out, nks_error *err)
{
    nk_err why;
    nks_code rc = take_apart(s, message, n, scratch, out, err);
    if (rc != NKS_OK)
        return rc;
    if (out->schema->format == NKS_PROTOBUF)
        return open_protobuf(out, err);
    if (out->schema->format == NKS_JSON &&
        nk_jsonschema_validate((const nk_jsonschema *)(const void *)out->schema->doc,
                               nk_str_n(out->payload, out->n), &why) != NK_OK)
        return nks_from(err, &why, NKS_FOREIGN);
    return NKS_OK;
}

nks_code nks_decode_avro(nks_serde *s, const void *message, size_t n, nks_buf *scratch,
                         nks_arena *a, nk_avro_value *out, const nks_schema **schema,
                         nks_error *err)
{
    nks_message m;
    nk_err why;
    nks_code rc = take_apart(s, message, n, scratch, &m, err);
    if (rc != NKS_OK)
        return rc;
    if (schema)
        *schema = m.schema;
    if (m.schema->format != NKS_AVRO)
        return wrong_format(m.schema, err);
    return nk_avro_decode(m.schema->doc, nk_str_n(m.payload, m.n), a->a, out, &why) == NK_OK
               ? NKS_OK
               : nks_from(err, &why, NKS_FOREIGN);
}

nks_code nks_decode_avro_as(nks_serde *s, const nks_schema *reader, const void *message, size_t n,
                            nks_buf *scratch, nks_arena *a, nk_avro_value *out,
                            const nks_schema **schema, nks_error *err)
{
    const nks_schema *writer;
    nk_avro_value written;
    nk_err why;
    if (reader->format != NKS_AVRO)
        return wrong_format(reader, err);
    nks_code rc = nks_decode_avro(s, message, n, scratch, a, &written, &writer, err);
    if (rc != NKS_OK)
        return rc;
    if (schema)
        *schema = writer;
    return nk_avro_resolve(writer->doc, reader->doc, &written, a->a, out, &why) == NK_OK
               ? NKS_OK
               : nks_from(err, &why, NKS_INVALID);
}
