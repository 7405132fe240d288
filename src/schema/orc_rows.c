/* Rows of ORC files, stripe by stripe. A column is read when its first value is wanted. */
#include "schema/orc_int.h"
#include "schema/rows.h"

#define DEPTH_MAX  100
#define RUN_MAX    512
#define TAIL_BYTES ((size_t)64 << 10)
#define WHOLE_MAX  ((uint64_t)16 << 20) /* stripes of so many bytes are read at once */
#define EPOCH_2015 1420070400           /* seconds: what times are counted from */

static nk_code corrupt(nk_err *err, const char *what)
{
    return nk_fail(err, NK_E_PARSE, "The ORC file is corrupt: %s", what);
}

static nk_code no_memory(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "Out of memory reading an ORC file");
}

typedef struct bytes {
    const unsigned char *p, *end;
} bytes;

static nk_code cut(nk_err *err)
{
    return corrupt(err, "a column is shorter than its stripe");
}

/* ---- runs of bytes and of bits ---- */

typedef struct byte_runs {
    bytes in;
    unsigned left;
    bool literal;
    unsigned char value;
} byte_runs;

static nk_code next_byte(byte_runs *r, unsigned char *out, nk_err *err)
{
    if (!r->left) {
        if (r->in.p == r->in.end)
            return cut(err);
        unsigned char h = *r->in.p++;
        r->literal = h >= 128;
        r->left = r->literal ? 256u - h : h + 3u;
        if (!r->literal) {
            if (r->in.p == r->in.end)
                return cut(err);
            r->value = *r->in.p++;
        }
    }
    if (r->literal) {
        if (r->in.p == r->in.end)
            return cut(err);
        r->value = *r->in.p++;
    }
    r->left--;
    *out = r->value;
    return NK_OK;
}

typedef struct bit_runs {
    byte_runs bytes;
    unsigned char current;
    unsigned left;
} bit_runs;

static nk_code next_bit(bit_runs *r, bool *out, nk_err *err)
{
    if (!r->left) {
        NK_TRY(next_byte(&r->bytes, &r->current, err));
        r->left = 8;
    }
    *out = r->current >> --r->left & 1;
    return NK_OK;
}

/* ---- runs of integers, both versions ---- */

typedef struct int_runs {
    bytes in;
    bool v2, is_signed;
    int64_t run[RUN_MAX];
    unsigned n, at;
} int_runs;

static nk_code varuint(bytes *in, uint64_t *out, nk_err *err)
{
    *out = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (in->p == in->end)
            return cut(err);
        uint64_t c = *in->p++;
        *out |= (c & 0x7f) << shift;
        if (!(c & 0x80))
            return NK_OK;
    }
    return corrupt(err, "a number is too long");
}

static int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static nk_code var_number(bytes *in, bool is_signed, int64_t *out, nk_err *err)
{
    uint64_t v;
    NK_TRY(varuint(in, &v, err));
    *out = is_signed ? unzigzag(v) : (int64_t)v;
    return NK_OK;
}

static nk_code run_v1(int_runs *r, nk_err *err)
{
    if (r->in.p == r->in.end)
        return cut(err);
    unsigned char h = *r->in.p++;
    r->at = 0;
    if (h >= 128) {
        r->n = 256u - h;
        for (unsigned i = 0; i < r->n; i++)
            NK_TRY(var_number(&r->in, r->is_signed, &r->run[i], err));
        return NK_OK;
    }
    r->n = h + 3u;
    if (r->in.p == r->in.end)
        return cut(err);
    int64_t delta = (signed char)*r->in.p++, base;
    NK_TRY(var_number(&r->in, r->is_signed, &base, err));
    for (unsigned i = 0; i < r->n; i++)
        r->run[i] = (int64_t)((uint64_t)base + (uint64_t)delta * i);
    return NK_OK;
}

static unsigned width_of(unsigned code)
{
    static const unsigned char wide[] = {26, 28, 30, 32, 40, 48, 56, 64};
    return code < 24 ? code + 1 : wide[code - 24];
}

static unsigned closest_width(unsigned bits)
{
    for (unsigned code = 0; code < 32; code++)
        if (width_of(code) >= bits)
            return width_of(code);
    return 64;
}

/* n numbers of so many bits, the highest first. */
static nk_code unpack_bits(bytes *in, unsigned width, unsigned n, uint64_t *out, nk_err *err)
{
    size_t need = ((size_t)width * n + 7) / 8;
    if ((size_t)(in->end - in->p) < need)
        return cut(err);
    const unsigned char *p = in->p;
    unsigned left = 8;
    for (unsigned i = 0; i < n; i++) {
        uint64_t v = 0;
        for (unsigned want = width; want;) {
            unsigned take = want < left ? want : left;
            v = v << take | (*p >> (left - take) & ((1u << take) - 1));
            want -= take;
            left -= take;
            if (!left) {
                p++;
                left = 8;
            }
        }
        out[i] = v;
    }
    in->p += need;
    return NK_OK;
}

static nk_code big_endian(bytes *in, unsigned n, uint64_t *out, nk_err *err)
{
    *out = 0;
    if ((size_t)(in->end - in->p) < n)
        return cut(err);
    while (n--)
        *out = *out << 8 | *in->p++;
    return NK_OK;
}

static void keep_numbers(int_runs *r, const uint64_t *v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        r->run[i] = r->is_signed ? unzigzag(v[i]) : (int64_t)v[i];
    r->n = n;
}

static nk_code run_patched(int_runs *r, unsigned width, unsigned n, nk_err *err)
{
    uint64_t head, base, values[RUN_MAX], patches[32];
    NK_TRY(big_endian(&r->in, 2, &head, err));
    unsigned base_bytes = (unsigned)(head >> 13) + 1, patch_width = width_of(head >> 8 & 31);
    unsigned gap_width = (unsigned)(head >> 5 & 7) + 1, npatches = head & 31;
    NK_TRY(big_endian(&r->in, base_bytes, &base, err));
    uint64_t sign = 1ULL << (base_bytes * 8 - 1);
    int64_t from = base & sign ? -(int64_t)(base & ~sign) : (int64_t)base;
    NK_TRY(unpack_bits(&r->in, width, n, values, err));
    if (patch_width + gap_width > 64)
        return corrupt(err, "the width of a patch");
    NK_TRY(unpack_bits(&r->in, closest_width(patch_width + gap_width), npatches, patches, err));
    unsigned at = 0;
    for (unsigned i = 0; i < npatches; i++) {
        at += (unsigned)(patches[i] >> patch_width & ((1u << gap_width) - 1));
        uint64_t patch = patch_width < 64 ? patches[i] & ((1ULL << patch_width) - 1) : patches[i];
        if (at >= n)
            return corrupt(err, "the place of a patch");
        if (width < 64)
            values[at] |= patch << width;
    }
    for (unsigned i = 0; i < n; i++)
        r->run[i] = (int64_t)((uint64_t)from + values[i]);
    r->n = n;
    return NK_OK;
}

static nk_code run_delta(int_runs *r, unsigned width, unsigned n, nk_err *err)
{
    int64_t base, delta;
    uint64_t deltas[RUN_MAX];
    NK_TRY(var_number(&r->in, r->is_signed, &base, err));
    NK_TRY(var_number(&r->in, true, &delta, err));
    r->run[0] = base;
    r->n = n;
    if (n > 1)
        r->run[1] = (int64_t)((uint64_t)base + (uint64_t)delta);
    if (width && n > 2)
        NK_TRY(unpack_bits(&r->in, width, n - 2, deltas, err));
    for (unsigned i = 2; i < n; i++) {
        uint64_t d = !width ? (uint64_t)delta : delta < 0 ? -deltas[i - 2] : deltas[i - 2];
        r->run[i] = (int64_t)((uint64_t)r->run[i - 1] + d);
    }
    return NK_OK;
}

static nk_code run_v2(int_runs *r, nk_err *err)
{
    uint64_t v, values[RUN_MAX];
    r->at = r->n = 0;
    if (r->in.p == r->in.end)
        return cut(err);
    unsigned h = *r->in.p++;
    if (h >> 6 == 0) { /* one value again and again */
        NK_TRY(big_endian(&r->in, (h >> 3 & 7) + 1, &v, err));
        r->n = (h & 7) + 3;
        for (unsigned i = 0; i < r->n; i++)
            r->run[i] = r->is_signed ? unzigzag(v) : (int64_t)v;
        return NK_OK;
    }
    if (r->in.p == r->in.end)
        return cut(err);
    unsigned code = h >> 1 & 31, n = ((h & 1) << 8 | *r->in.p++) + 1;
    if (h >> 6 == 2)
        return run_patched(r, width_of(code), n, err);
    if (h >> 6 == 3)
        return run_delta(r, code ? width_of(code) : 0, n, err);
    NK_TRY(unpack_bits(&r->in, width_of(code), n, values, err));
    keep_numbers(r, values, n);
    return NK_OK;
}

static nk_code next_int(int_runs *r, int64_t *out, nk_err *err)
{
    if (r->at == r->n)
        NK_TRY(r->v2 ? run_v2(r, err) : run_v1(r, err));
    *out = r->run[r->at++];
    return NK_OK;
}

/* ---- columns ---- */

enum { S_PRESENT, S_DATA, S_LENGTH, S_DICTIONARY, S_UNUSED, S_SECONDARY, S_KINDS };
enum { E_DIRECT, E_DICTIONARY, E_DIRECT_V2, E_DICTIONARY_V2 };

typedef struct column {
    const nk_orc_type *type;
    bool loaded, has_present;
    bit_runs present, bits;
    byte_runs bytes;
    bytes raw;           /* texts, floats, decimals */
    int_runs data, more; /* more: lengths, nanoseconds, scales */
    nk_buf streams[S_KINDS];
    nk_str *words; /* of the dictionary; in the stripe's arena */
    size_t nwords;
    unsigned encoding;
    size_t dictionary;
} column;

typedef struct stream {
    unsigned kind;
    uint32_t column;
    uint64_t at, n;
} stream;
NK_LIST(stream_list, stream);

struct nk_rows {
    nk_input *in;
    nk_arena *a, *stripe_arena;
    nk_orc_file file;
    column *columns; /* one a type */
    stream_list streams;
    nk_buf whole; /* the stripe, when it is small */
    uint64_t whole_at;
    size_t stripe;      /* the next one */
    uint64_t left, row; /* rows of the current one; of the file, so far */
    bool begun;
    bool odd_zone; /* its times are counted in a zone that is not UTC */
    nk_str zone;
    nk_sink *sink;
    nk_err *err;
};

static nk_code read_tail(nk_input *in, nk_arena *a, nk_orc_file *out, nk_err *err)
{
    nk_buf b;
    uint64_t want = 0;
    size_t n = in->size < TAIL_BYTES ? (size_t)in->size : TAIL_BYTES;
    nk_buf_init(&b, (size_t)512 << 20);
    nk_code rc = in->read(in->arg, in->size - n, n, &b, err);
    if (rc == NK_OK)
        rc = nk_orc_tail_size(nk_buf_view(&b), in->size, &want, err);
    if (rc == NK_OK && want > b.n) {
        nk_buf_clear(&b);
        rc = in->read(in->arg, in->size - want, (size_t)want, &b, err);
    }
    if (rc == NK_OK)
        rc = nk_orc_file_read(nk_buf_view(&b), NK_MERGE_CHOICE, a, out, err);
    nk_buf_free(&b);
    return rc;
}

static nk_code type(nk_input *in, nk_arena *a, const nk_type **out, nk_err *err)
{
    nk_orc_file f;
    NK_TRY(read_tail(in, a, &f, err));
    *out = f.type;
    return NK_OK;
}

/* Stored bytes of the file, unpacked. */
static nk_code fetch(nk_rows *r, uint64_t at, uint64_t n, nk_buf *out, nk_err *err)
{
    nk_buf raw;
    nk_str packed;
    nk_buf_clear(out);
    if (at > r->in->size || n > r->in->size - at || n > NK_RECORD_MAX)
        return corrupt(err, "a stream lies outside the file");
    nk_buf_init(&raw, (size_t)n + (1 << 20));
    nk_code rc = NK_OK;
    if (r->whole.n && at >= r->whole_at && at + n <= r->whole_at + r->whole.n) {
        packed = nk_str_n(r->whole.p + (at - r->whole_at), (size_t)n);
    } else {
        rc = r->in->read(r->in->arg, at, n, &raw, err);
        packed = nk_buf_view(&raw);
    }
    if (rc == NK_OK && packed.n != n)
        rc = corrupt(err, "the file is shorter than it says");
    if (rc == NK_OK)
        rc = nk_orc_unpack(packed, r->file.compression, out, err);
    nk_buf_free(&raw);
    return rc;
}

static bytes view(const nk_buf *b)
{
    nk_str v = nk_buf_view(b);
    return (bytes){(const unsigned char *)v.p, (const unsigned char *)v.p + v.n};
}

static nk_code load_words(nk_rows *r, column *c)
{
    int_runs lengths = {.in = view(&c->streams[S_LENGTH]), .v2 = c->encoding >= E_DIRECT_V2};
    bytes text = view(&c->streams[S_DICTIONARY]);
    if (c->dictionary > NK_RECORD_MAX / sizeof(nk_str))
        return corrupt(r->err, "the size of a dictionary");
    c->words = NK_NEWN(r->stripe_arena, nk_str, c->dictionary + 1);
    c->nwords = c->dictionary;
    if (!c->words)
        return no_memory(r->err);
    for (size_t i = 0; i < c->dictionary; i++) {
        int64_t n;
        NK_TRY(next_int(&lengths, &n, r->err));
        if (n < 0 || n > text.end - text.p)
            return corrupt(r->err, "a word of a dictionary");
        c->words[i] = nk_str_n((const char *)text.p, (size_t)n);
        text.p += n;
    }
    return NK_OK;
}

static nk_code load(nk_rows *r, column *c)
{
    uint32_t id = (uint32_t)(c - r->columns);
    bool v2 = c->encoding >= E_DIRECT_V2, words;
    uint64_t kind = c->type->kind;
    c->has_present = false;
    for (size_t i = 0; i < S_KINDS; i++)
        nk_buf_clear(&c->streams[i]);
    for (size_t i = 0; i < r->streams.n; i++) {
        const stream *s = &r->streams.v[i];
        if (s->column != id || s->kind >= S_KINDS)
            continue;
        NK_TRY(fetch(r, s->at, s->n, &c->streams[s->kind], r->err));
        c->has_present = c->has_present || s->kind == S_PRESENT;
    }
    bytes data = view(&c->streams[S_DATA]);
    words = c->encoding == E_DICTIONARY || c->encoding == E_DICTIONARY_V2;
    c->present = (bit_runs){.bytes.in = view(&c->streams[S_PRESENT])};
    c->bits = (bit_runs){.bytes.in = data};
    c->bytes = (byte_runs){.in = data};
    c->raw = data;
    c->data.in = data;
    c->more.in = view(
        &c->streams[kind == NK_ORC_TIMESTAMP || kind == NK_ORC_INSTANT || kind == NK_ORC_DECIMAL
                        ? S_SECONDARY
                        : S_LENGTH]);
    c->data.n = c->data.at = c->more.n = c->more.at = 0;
    c->data.v2 = c->more.v2 = v2;
    c->data.is_signed = !words;
    c->more.is_signed = kind == NK_ORC_DECIMAL;
    c->loaded = true;
    return words ? load_words(r, c) : NK_OK;
}

/* ---- values ---- */

static nk_code value(nk_rows *r, uint32_t id, nk_place *at, int depth);

static nk_code text(nk_rows *r, column *c, nk_place *at)
{
    nk_value v = {.kind = c->type->kind == NK_ORC_BINARY ? NK_T_BINARY : NK_T_STRING};
    int64_t n;
    if (c->encoding == E_DICTIONARY || c->encoding == E_DICTIONARY_V2) {
        NK_TRY(next_int(&c->data, &n, r->err));
        if (n < 0 || (uint64_t)n >= c->nwords)
            return corrupt(r->err, "a word that its dictionary lacks");
        v.s = c->words[n];
    } else {
        NK_TRY(next_int(&c->more, &n, r->err));
        if (n < 0 || n > c->raw.end - c->raw.p)
            return cut(r->err);
        v.s = nk_str_n((const char *)c->raw.p, (size_t)n);
        c->raw.p += n;
    }
    if (v.kind == NK_T_STRING && !nk_utf8_valid(v.s))
        return corrupt(r->err, "a text that is not UTF-8");
    return nk_put(r->sink, at, &v, r->err);
}

static nk_code real(nk_rows *r, column *c, nk_place *at)
{
    bool is_float = c->type->kind == NK_ORC_FLOAT;
    nk_value v = {.kind = is_float ? NK_T_FLOAT : NK_T_DOUBLE};
    float f;
    if (c->raw.end - c->raw.p < (is_float ? 4 : 8))
        return cut(r->err);
    if (is_float) {
        memcpy(&f, c->raw.p, 4);
        v.d = (double)f;
    } else {
        memcpy(&v.d, c->raw.p, 8);
    }
    c->raw.p += is_float ? 4 : 8;
    return nk_put(r->sink, at, &v, r->err);
}

static nk_code decimal(nk_rows *r, column *c, nk_place *at)
{
    nk_value v = {.kind = NK_T_DECIMAL};
    unsigned __int128 u = 0;
    int64_t scale;
    for (unsigned shift = 0;; shift += 7) {
        if (c->raw.p == c->raw.end || shift > 126)
            return shift > 126 ? corrupt(r->err, "a decimal of more than 38 digits") : cut(r->err);
        unsigned char b = *c->raw.p++;
        u |= (unsigned __int128)(b & 0x7f) << shift;
        if (!(b & 0x80))
            break;
    }
    NK_TRY(next_int(&c->more, &scale, r->err));
    if (scale < -1000 || scale > 1000)
        return corrupt(r->err, "the scale of a decimal");
    v.unscaled = (__int128)(u >> 1) ^ -(__int128)(u & 1);
    v.scale = (int)scale;
    return nk_put(r->sink, at, &v, r->err);
}

static nk_code moment(nk_rows *r, column *c, nk_place *at)
{
    int64_t seconds, nanos;
    NK_TRY(next_int(&c->data, &seconds, r->err));
    NK_TRY(next_int(&c->more, &nanos, r->err));
    if (r->odd_zone && c->type->kind == NK_ORC_TIMESTAMP)
        return nk_fail(r->err, NK_E_UNSUPPORTED,
                       "times were written in the zone %.*s; those in UTC can be read",
                       NK_STR_ARG(r->zone));
    int64_t n = nanos >> 3; /* some writers' are negative before 1970 */
    if (n > 999999999 || n < -999999999)
        return corrupt(r->err, "a time that is none");
    for (int zeros = (nanos & 7) ? (int)(nanos & 7) + 1 : 0; zeros > 0; zeros--)
        n *= 10;
    if (n > 999999999 || n < -999999999 || __builtin_add_overflow(seconds, EPOCH_2015, &seconds))
        return corrupt(r->err, "a time that is none");
    if (seconds < 0 && n > 999999) /* Java's writer rounds towards zero */
        seconds--;
    int64_t us;
    if (__builtin_mul_overflow(seconds, (int64_t)1000000, &us) || us > INT64_MAX - 1000000 ||
        us < INT64_MIN + 2000000)
        return corrupt(r->err, "a time beyond all years");
    return nk_put_i64(r->sink, at, NK_T_TIMESTAMP, us + n / 1000 - (n % 1000 < 0), r->err);
}

static nk_code list(nk_rows *r, column *c, nk_place *at, int depth)
{
    int64_t n;
    bool map = c->type->kind == NK_ORC_MAP;
    NK_TRY(next_int(&c->more, &n, r->err));
    if (n < 0 || n > (1 << 30))
        return corrupt(r->err, "the length of a list");
    NK_TRY(nk_put_kind(r->sink, at, map ? NK_T_MAP : NK_T_ARRAY, r->err));
    for (; n > 0; n--) {
        nk_place *key = NULL, *to;
        if (map)
            NK_TRY(nk_at_entry(r->sink, at, &key, &to, r->err));
        else
            NK_TRY(nk_at_elem(r->sink, at, &to, r->err));
        if (map)
            NK_TRY(value(r, c->type->kids.v[0], key, depth + 1));
        NK_TRY(value(r, c->type->kids.v[map], to, depth + 1));
    }
    return NK_OK;
}

static nk_code fields(nk_rows *r, column *c, nk_place *at, int depth)
{
    NK_TRY(nk_put_kind(r->sink, at, NK_T_STRUCT, r->err));
    for (size_t i = 0; i < c->type->kids.n; i++) {
        nk_place *to;
        NK_TRY(nk_at_field(r->sink, at, c->type->names.v[i], i, &to, r->err));
        NK_TRY(value(r, c->type->kids.v[i], to, depth + 1));
    }
    return NK_OK;
}

static nk_code whole_number(nk_rows *r, column *c, nk_place *at)
{
    static const struct {
        nk_type_kind kind;
        int64_t least, most;
    } of[] = {[NK_ORC_SHORT] = {NK_T_SHORT, INT16_MIN, INT16_MAX},
              [NK_ORC_INT] = {NK_T_INT, INT32_MIN, INT32_MAX},
              [NK_ORC_LONG] = {NK_T_LONG, INT64_MIN, INT64_MAX},
              [NK_ORC_DATE] = {NK_T_DATE, INT32_MIN, INT32_MAX}};
    uint64_t k = c->type->kind;
    int64_t i;
    NK_TRY(next_int(&c->data, &i, r->err));
    if (i < of[k].least || i > of[k].most)
        return corrupt(r->err, "a number beyond its type");
    return nk_put_i64(r->sink, at, of[k].kind, i, r->err);
}

static nk_code present_value(nk_rows *r, column *c, nk_place *at, int depth)
{
    bool bit;
    unsigned char byte;
    switch (c->type->kind) {
    case NK_ORC_BOOLEAN:
        NK_TRY(next_bit(&c->bits, &bit, r->err));
        return nk_put_i64(r->sink, at, NK_T_BOOLEAN, bit, r->err);
    case NK_ORC_BYTE:
        NK_TRY(next_byte(&c->bytes, &byte, r->err));
        return nk_put_i64(r->sink, at, NK_T_BYTE, (signed char)byte, r->err);
    case NK_ORC_SHORT:
    case NK_ORC_INT:
    case NK_ORC_LONG:
    case NK_ORC_DATE:
        return whole_number(r, c, at);
    case NK_ORC_FLOAT:
    case NK_ORC_DOUBLE:
        return real(r, c, at);
    case NK_ORC_TIMESTAMP:
    case NK_ORC_INSTANT:
        return moment(r, c, at);
    case NK_ORC_DECIMAL:
        return decimal(r, c, at);
    case NK_ORC_LIST:
    case NK_ORC_MAP:
        return list(r, c, at, depth);
    case NK_ORC_STRUCT:
        return fields(r, c, at, depth);
    case NK_ORC_UNION:
        NK_TRY(next_byte(&c->bytes, &byte, r->err));
        if (byte >= c->type->kids.n)
            return corrupt(r->err, "a union's branch");
        return value(r, c->type->kids.v[byte], at, depth + 1);
    default:
        return text(r, c, at);
    }
}

/* What nobody wants is never read: a place that is not there is not there in any row. */
static nk_code value(nk_rows *r, uint32_t id, nk_place *at, int depth)
{
    column *c = &r->columns[id];
    bool there = true;
    if (!at)
        return NK_OK;
    if (depth > DEPTH_MAX)
        return corrupt(r->err, "its types are nested too deep");
    if (!c->loaded)
        NK_TRY(load(r, c));
    if (c->has_present)
        NK_TRY(next_bit(&c->present, &there, r->err));
    return there ? present_value(r, c, at, depth) : NK_OK;
}

/* ---- stripes ---- */

static nk_code read_stream(nk_rows *r, nk_str message, uint64_t *at)
{
    nk_proto p = {.in = message, .err = r->err};
    stream *s = stream_list_add(&r->streams, r->stripe_arena);
    nk_code rc;
    if (!s)
        return no_memory(r->err);
    *s = (stream){.at = *at};
    while ((rc = nk_proto_next(&p)) == NK_OK) {
        if (p.number == 1)
            s->kind = p.value > 99 ? 99 : (unsigned)p.value;
        else if (p.number == 2)
            s->column = (uint32_t)p.value;
        else if (p.number == 3)
            s->n = p.value;
    }
    if (__builtin_add_overflow(*at, s->n, at))
        return corrupt(r->err, "the size of a stream");
    return rc == NK_E_END ? NK_OK : rc;
}

static nk_code read_encoding(nk_rows *r, nk_str message, size_t id)
{
    nk_proto p = {.in = message, .err = r->err};
    nk_code rc;
    column none, *c = id < r->file.types.n ? &r->columns[id] : &none;
    c->encoding = 0;
    c->dictionary = 0;
    while ((rc = nk_proto_next(&p)) == NK_OK) {
        if (p.number == 1 && p.value <= E_DICTIONARY_V2)
            c->encoding = (unsigned)p.value;
        else if (p.number == 1)
            return corrupt(r->err, "an encoding that is not known");
        else if (p.number == 2)
            c->dictionary = (size_t)p.value;
    }
    return rc == NK_E_END ? NK_OK : rc;
}

static nk_code read_stripe_footer(nk_rows *r, const nk_orc_stripe *s, nk_str footer)
{
    nk_proto p = {.in = footer, .err = r->err};
    uint64_t at = s->at;
    size_t id = 0;
    nk_code rc;
    r->odd_zone = false;
    while ((rc = nk_proto_next(&p)) == NK_OK) {
        if (p.kind != 2)
            continue;
        if (p.number == 1)
            NK_TRY(read_stream(r, p.bytes, &at));
        else if (p.number == 2)
            NK_TRY(read_encoding(r, p.bytes, id++));
        else if (p.number == 3 && p.bytes.n) {
            r->zone = nk_str_dup(r->stripe_arena, p.bytes);
            if (!r->zone.p)
                return no_memory(r->err);
            r->odd_zone = !nk_str_is(r->zone, "UTC") && !nk_str_is(r->zone, "GMT") &&
                          !nk_str_is(r->zone, "Etc/UTC") && !nk_str_is(r->zone, "Etc/GMT") &&
                          !nk_str_is(r->zone, "Z");
        }
    }
    return rc == NK_E_END ? NK_OK : rc;
}

static nk_code begin_stripe(nk_rows *r)
{
    const nk_orc_stripe *s = &r->file.stripes.v[r->stripe++];
    nk_buf footer;
    nk_arena_reset(r->stripe_arena);
    r->streams = (stream_list){0};
    for (size_t i = 0; i < r->file.types.n; i++)
        r->columns[i].loaded = false;
    nk_buf_clear(&r->whole);
    uint64_t n = s->index + s->data, all = n + s->footer;
    if (s->index > r->in->size || s->data > r->in->size || s->footer > r->in->size ||
        s->at > r->in->size || all > r->in->size - s->at)
        return corrupt(r->err, "a stripe lies outside the file");
    if (all <= WHOLE_MAX) {
        r->whole_at = s->at;
        NK_TRY(r->in->read(r->in->arg, s->at, all, &r->whole, r->err));
    }
    nk_buf_init(&footer, NK_RECORD_MAX);
    nk_code rc = fetch(r, s->at + n, s->footer, &footer, r->err);
    if (rc == NK_OK)
        rc = read_stripe_footer(r, s, nk_buf_view(&footer));
    nk_buf_free(&footer);
    r->left = s->rows;
    return rc;
}

static void rows_close(nk_rows *r)
{
    if (!r)
        return;
    for (size_t i = 0; r->columns && i < r->file.types.n; i++)
        for (size_t k = 0; k < S_KINDS; k++)
            nk_buf_free(&r->columns[i].streams[k]);
    nk_free(r->columns);
    nk_buf_free(&r->whole);
    nk_arena_destroy(r->a);
    nk_arena_destroy(r->stripe_arena);
    nk_free(r);
}

static nk_code rows_open(nk_input *in, const nk_rows_options *o, nk_rows **out, nk_err *err)
{
    nk_rows *r = *out = nk_calloc(1, sizeof *r);
    if (r) {
        r->in = in;
        nk_buf_init(&r->whole, WHOLE_MAX + (1 << 20));
        r->a = nk_arena_create(0);
        r->stripe_arena = nk_arena_create(0);
    }
    if (r && r->a && r->stripe_arena)
        return NK_OK;
    rows_close(r);
    *out = NULL;
    return no_memory(err);
}

static nk_code begin(nk_rows *r)
{
    NK_TRY(read_tail(r->in, r->a, &r->file, r->err));
    r->columns = nk_calloc(r->file.types.n + 1, sizeof *r->columns);
    if (!r->columns)
        return no_memory(r->err);
    for (size_t i = 0; i < r->file.types.n; i++) {
        r->columns[i].type = &r->file.types.v[i];
        for (size_t k = 0; k < S_KINDS; k++)
            nk_buf_init(&r->columns[i].streams[k], NK_RECORD_MAX);
    }
    r->begun = true;
    return NK_OK;
}

static nk_code one_row(nk_rows *r)
{
    nk_place *at = r->sink->root;
    if (r->file.types.v[0].kind != NK_ORC_STRUCT) {
        NK_TRY(nk_put_kind(r->sink, at, NK_T_STRUCT, r->err));
        NK_TRY(nk_at_field(r->sink, at, NK_STR("_col0"), 0, &at, r->err));
    }
    NK_TRY(value(r, 0, at, 0));
    r->left--;
    r->row++;
    return r->sink->row(r->sink, r->err);
}

static nk_code rows_next(nk_rows *r, nk_sink *s, size_t max, size_t *n, nk_err *err)
{
    nk_err local = NK_ERR_INIT;
    r->sink = s;
    r->err = err ? err : &local;
    *n = 0;
    if (!r->begun)
        NK_TRY(begin(r));
    while (*n < max) {
        nk_code rc = NK_OK;
        while (rc == NK_OK && !r->left && r->stripe < r->file.stripes.n)
            rc = begin_stripe(r);
        if (rc == NK_OK && !r->left)
            return NK_OK;
        if (rc == NK_OK)
            rc = one_row(r);
        if (rc != NK_OK)
            (void)nk_wrap(err, "row %llu, in stripe %zu", (unsigned long long)r->row + 1,
                          r->stripe);
        NK_TRY(rc);
        ++*n;
    }
    return NK_OK;
}

const nk_rows_format nk_rows_orc = {.name = "orc",
                                    .type = type,
                                    .open = rows_open,
                                    .next = rows_next,
                                    .close = rows_close,
                                    .doc = "Apache ORC files, by their own schema"};
