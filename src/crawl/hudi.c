#include "crawl/hudi.h"

#include "net/sigv4.h"

static nk_code no_memory(nk_err *err)
{
    return nk_fail(err, NK_E_NOMEM, "Out of memory reading a Hudi table's files");
}

/* ---- hoodie.properties: Java's way to write them ---- */

static bool hex4(nk_str s, uint32_t *out)
{
    *out = 0;
    for (size_t i = 0; i < 4; i++) {
        char c = i < s.n ? s.p[i] : 0;
        int v = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (v < 0)
            return false;
        *out = *out * 16 + (uint32_t)v;
    }
    return true;
}

static nk_str unescaped(nk_arena *a, nk_str s)
{
    static const char from[] = "tnrf", to[] = "\t\n\r\f";
    char *out = nk_arena_bytes(a, s.n + 1);
    size_t n = 0;
    uint32_t cp;
    if (!out)
        return NK_STR_NULL;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '\\' || i + 1 == s.n) {
            out[n++] = s.p[i];
            continue;
        }
        const char *known = strchr(from, s.p[++i]);
        if (s.p[i] == 'u' && hex4(nk_str_sub(s, i + 1, s.n), &cp)) {
            n += nk_utf8_put(out + n, cp < 0xd800 || cp > 0xdfff ? cp : 0xfffd);
            i += 4;
        } else {
            out[n++] = known && s.p[i] ? to[known - from] : s.p[i];
        }
    }
    return nk_str_n(out, n);
}

nk_str nk_hudi_property(nk_str properties, const char *name, nk_arena *a)
{
    nk_str rest = properties, line, found = NK_STR_NULL;
    while (nk_str_split(&rest, '\n', &line)) {
        line = nk_str_trim(line);
        ptrdiff_t eq = nk_str_chr(line, '=');
        if (eq > 0 && line.p[0] != '#' && line.p[0] != '!' &&
            nk_str_is(nk_str_trim(nk_str_sub(line, 0, (size_t)eq)), name))
            found = nk_str_trim(nk_str_sub(line, (size_t)eq + 1, line.n));
    }
    return found.p ? unescaped(a, found) : found;
}

nk_code nk_hudi_fields(nk_str property, nk_arena *a, nk_strs *out, nk_err *err)
{
    nk_str rest = property, field;
    while (nk_str_split(&rest, ',', &field)) {
        nk_str name = nk_str_trim(field), *slot;
        ptrdiff_t colon = nk_str_chr(name, ':');
        if (!name.n)
            continue;
        if (!(slot = nk_strs_add(out, a)))
            return no_memory(err);
        *slot = colon > 0 ? nk_str_sub(name, 0, (size_t)colon) : name;
    }
    return NK_OK;
}

/* ---- the timeline ---- */

static bool is_instant(nk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0;
}

bool nk_hudi_action(nk_str name, nk_str *instant)
{
    static const char *const actions[] = {"commit", "deltacommit", "replacecommit"};
    ptrdiff_t dot = nk_str_chr(name, '.');
    if (dot <= 0)
        return false;
    nk_str times = nk_str_sub(name, 0, (size_t)dot),
           action = nk_str_sub(name, (size_t)dot + 1, name.n);
    ptrdiff_t bar = nk_str_chr(times, '_'); /* 1.x: when it began and when it was done */
    *instant = bar < 0 ? times : nk_str_sub(times, 0, (size_t)bar);
    if (!is_instant(*instant) ||
        (bar >= 0 && !is_instant(nk_str_sub(times, (size_t)bar + 1, times.n))))
        return false;
    for (size_t i = 0; i < NK_COUNTOF(actions); i++)
        if (nk_str_is(action, actions[i]))
            return true;
    return false;
}

/* extraMetadata.schema of the JSON of 0.x. */
static nk_code json_schema(nk_str text, nk_arena *a, nk_str *out, nk_err *err)
{
    nk_json_reader r;
    bool inside = false;
    nk_json_begin(&r, text, a, 255, err);
    for (;;) {
        NK_TRY(nk_json_next(&r));
        if (r.token == NK_JSON_END)
            return NK_OK;
        if (r.token != NK_JSON_KEY)
            continue;
        bool extra = r.depth == 1 && nk_str_is(r.text, "extraMetadata");
        bool schema = r.depth == 2 && inside && nk_str_is(r.text, "schema");
        inside = inside && r.depth > 1;
        if (!extra && !schema) {
            NK_TRY(nk_json_skip(&r));
            continue;
        }
        NK_TRY(nk_json_next(&r));
        if (schema && r.token == NK_JSON_STRING && !(*out = nk_str_dup(a, r.text)).p)
            return no_memory(err);
        inside = inside || (extra && r.token == NK_JSON_OBJECT);
        if (!(extra && r.token == NK_JSON_OBJECT))
            NK_TRY(nk_json_skip(&r));
    }
}

/* The same of 1.x's Avro: a sink that wants no more than that. */
typedef struct schema_sink {
    nk_sink sink;
    nk_arena *a;
    bool wanted;
    nk_str schema;
} schema_sink;
static char root, extra, key, value; /* places: their addresses */

static nk_code sink_put(nk_sink *s, nk_place *at, const nk_value *v, nk_err *err)
{
    schema_sink *k = (schema_sink *)s;
    if (v->kind != NK_T_STRING)
        return NK_OK;
    if (at == (nk_place *)&key)
        k->wanted = nk_str_is(v->s, "schema");
    else if (at == (nk_place *)&value && k->wanted && !(k->schema = nk_str_dup(k->a, v->s)).p)
        return no_memory(err);
    return NK_OK;
}

static nk_code sink_field(nk_sink *s, nk_place *at, nk_str name, size_t hint, nk_place **out,
                          nk_err *err)
{
    bool is = at == (nk_place *)&root && nk_str_is(name, "extraMetadata");
    *out = is ? (nk_place *)&extra : NULL;
    return NK_OK;
}

static nk_code sink_elem(nk_sink *s, nk_place *at, nk_place **out, nk_err *err)
{
    *out = NULL;
    return NK_OK;
}

static nk_code sink_entry(nk_sink *s, nk_place *at, nk_place **k, nk_place **v, nk_err *err)
{
    bool is = at == (nk_place *)&extra;
    *k = is ? (nk_place *)&key : NULL;
    *v = is ? (nk_place *)&value : NULL;
    return NK_OK;
}

static nk_code sink_row(nk_sink *s, nk_err *err)
{
    return NK_OK;
}

static nk_code avro_schema(nk_input *in, nk_arena *a, nk_str *out, nk_err *err)
{
    nk_rows_options o = {0};
    schema_sink s = {.sink = {.root = (nk_place *)&root,
                              .put = sink_put,
                              .field = sink_field,
                              .elem = sink_elem,
                              .entry = sink_entry,
                              .row = sink_row},
                     .a = a};
    nk_rows *r;
    size_t n = 1;
    NK_TRY(nk_rows_avro.open(in, &o, &r, err));
    nk_code rc = NK_OK;
    while (rc == NK_OK && n)
        rc = nk_rows_avro.next(r, &s.sink, 1, &n, err);
    nk_rows_avro.close(r);
    *out = s.schema;
    return rc;
}

nk_code nk_hudi_action_schema(nk_input *in, nk_arena *a, nk_str *out, nk_err *err)
{
    *out = NK_STR_NULL;
    NK_TRY(nk_input_need(in, 4, err));
    if (nk_str_starts(in->view, NK_STR("Obj\x01")))
        return avro_schema(in, a, out, err);
    while (!in->end)
        NK_TRY(nk_input_more(in, err));
    nk_err why = NK_ERR_INIT;
    nk_code rc = json_schema(in->view, a, out, &why);
    if (rc == NK_E_NOMEM || rc == NK_OK)
        return rc == NK_OK ? NK_OK : no_memory(err);
    return nk_fail(err, NK_E_PARSE, "%s", why.msg);
}

/* ---- files of data ---- */

bool nk_hudi_data(nk_str name, bool *log, nk_str *instant)
{
    ptrdiff_t at = nk_str_find(name, NK_STR(".log."));
    nk_str stem = name;
    *log = at > 0;
    if (*log)
        stem = nk_str_sub(name, 0, (size_t)at);
    else if (nk_str_ends(name, NK_STR(".parquet")))
        stem = nk_str_sub(name, 0, name.n - 8);
    else
        return false;
    ptrdiff_t bar = nk_str_rchr(stem, '_');
    *instant = nk_str_sub(stem, (size_t)(bar + 1), stem.n);
    return bar > 0 && is_instant(*instant);
}

static bool be32(nk_str *s, uint32_t *out)
{
    const unsigned char *p = (const unsigned char *)s->p;
    if (s->n < 4)
        return false;
    *out = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    *s = nk_str_sub(*s, 4, s->n);
    return true;
}

/* A block: mark, its size, the format's version, its kind, and a header: how many entries, and each
 * one's number and text. */
nk_code nk_hudi_log_schema(nk_str head, nk_str *out, nk_err *err)
{
    enum { SCHEMA = 2, BEFORE = 6 + 8 };
    uint32_t version, kind, entries, number, n;
    nk_str in = nk_str_sub(head, BEFORE, head.n);
    *out = NK_STR_NULL;
    if (!nk_str_starts(head, NK_STR("#HUDI#")))
        return nk_fail(err, NK_E_PARSE, "The log does not begin with its mark \"#HUDI#\"");
    if (!be32(&in, &version) || !be32(&in, &kind) || !be32(&in, &entries))
        return nk_fail(err, NK_E_PARSE, "The log is cut short");
    if (version != 1)
        return nk_fail(err, NK_E_PARSE, "Logs of version %u are not known", version);
    for (uint32_t i = 0; i < entries; i++) {
        if (!be32(&in, &number) || !be32(&in, &n) || n > in.n)
            return nk_fail(err, NK_E_PARSE, "The log is cut short");
        if (number == SCHEMA)
            *out = nk_str_sub(in, 0, n);
        in = nk_str_sub(in, n, in.n);
    }
    return NK_OK;
}

/* ---- partitions ---- */

static bool begins_field(nk_str part, nk_str field)
{
    return part.n > field.n && part.p[field.n] == '=' &&
           nk_str_ieq(nk_str_sub(part, 0, field.n), field);
}

/* Where the value of field i begins, at or behind `from`: by its name, or where a part begins. A
 * value may hold slashes of its own, if names or its being the last say where it ends. */
bool nk_hudi_partition(const nk_strs *fields, nk_str path, bool decode, nk_arena *a, nk_str *values)
{
    nk_str all = path.n && path.p[path.n - 1] == '/' ? nk_str_sub(path, 0, path.n - 1) : path;
    nk_str rest = all, part;
    size_t n = 0, parts = 0;
    if (!fields->n)
        return !all.n;
    bool named = begins_field(all, fields->v[0]);
    while (nk_str_split(&rest, '/', &part)) {
        bool begins =
            named ? n < fields->n && begins_field(part, fields->v[n]) : fields->n > 1 || !parts;
        size_t skip = named ? fields->v[n < fields->n ? n : 0].n + 1 : 0;
        parts++;
        if (begins && n == fields->n)
            return false;
        if (begins)
            values[n++] = nk_str_sub(part, skip, part.n);
        else if (n)
            values[n - 1].n = (size_t)(part.p + part.n - values[n - 1].p);
        else
            return false;
    }
    if (n != fields->n)
        return false;
    for (size_t i = 0; i < n && decode; i++)
        if (!(values[i] = nk_uri_unescape(a, values[i], false)).p)
            return false;
    return true;
}
