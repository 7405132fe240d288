#include "registry/compat.h"

#define NAMES(glue, confluent)                                                                     \
    {                                                                                              \
        {(glue), sizeof(glue) - 1},                                                                \
        {                                                                                          \
            (confluent), sizeof(confluent) - 1                                                     \
        }                                                                                          \
    }

const nk_compat_mode nk_compat_modes[] = {
    {NAMES("NONE", "NONE"), false, false, false, false, "every new version is taken"},
    {{{"DISABLED", 8}, {NULL, 0}}, false, false, false, true, "no new version is taken"},
    {NAMES("BACKWARD", "BACKWARD"), true, false, false, false, "the new version reads one before"},
    {NAMES("BACKWARD_ALL", "BACKWARD_TRANSITIVE"), true, false, true, false,
     "the new version reads all before"},
    {NAMES("FORWARD", "FORWARD"), false, true, false, false, "one before reads the new version"},
    {NAMES("FORWARD_ALL", "FORWARD_TRANSITIVE"), false, true, true, false,
     "all before read the new version"},
    {NAMES("FULL", "FULL"), true, true, false, false, "both ways with one before"},
    {NAMES("FULL_ALL", "FULL_TRANSITIVE"), true, true, true, false, "both ways with all before"},
};
const size_t nk_compat_modes_count = NK_COUNTOF(nk_compat_modes);

int nk_compat_mode_find(nk_door door, nk_str name)
{
    for (size_t i = 0; i < nk_compat_modes_count; i++)
        if (nk_compat_modes[i].name[door].p && nk_str_eq(nk_compat_modes[i].name[door], name))
            return (int)i;
    return -1;
}

/* The rows' order is what is stored: only add. */
static const nk_schema_format *const formats[] = {&nk_schema_format_avro, &nk_schema_format_json,
                                                  &nk_schema_format_protobuf};

const nk_schema_format *nk_schema_format_find(nk_str name)
{
    for (size_t i = 0; i < NK_COUNTOF(formats); i++)
        if (nk_str_ieq(formats[i]->name, name))
            return formats[i];
    return NULL;
}

int nk_schema_format_number(const nk_schema_format *f)
{
    for (size_t i = 0; i < NK_COUNTOF(formats); i++)
        if (formats[i] == f)
            return (int)i;
    return -1;
}

const nk_schema_format *nk_schema_format_at(int64_t number)
{
    return number >= 0 && (size_t)number < NK_COUNTOF(formats) ? formats[number] : NULL;
}

static nk_code one_way(const nk_schema_format *format, nk_door door, const nk_schema_doc *writer,
                       const nk_schema_doc *reader, int64_t version, bool forward, nk_arena *a,
                       nk_conflicts *out, nk_err *err)
{
    nk_schema_diffs diffs = {0};
    NK_TRY(format->compare(writer, reader, a, &diffs, err));
    for (size_t i = 0; i < diffs.n; i++) {
        if (diffs.v[i].rule->verdict[door] != NK_VERDICT_BREAKS)
            continue;
        nk_conflict *c = nk_conflicts_add(out, a);
        if (!c)
            return nk_fail(err, NK_E_NOMEM, "out of memory");
        *c = (nk_conflict){version, forward, diffs.v[i]};
    }
    return NK_OK;
}

nk_code nk_compat_check(const nk_schema_format *format, const nk_compat_mode *mode, nk_door door,
                        const nk_schema_doc *schema, const nk_compat_base *bases, size_t n,
                        nk_arena *a, nk_conflicts *out, nk_err *err)
{
    *out = (nk_conflicts){0};
    /* the newest first: it is what people have just changed */
    for (size_t i = n; i-- > 0 && !out->n;) {
        if (mode->backward)
            NK_TRY(
                one_way(format, door, bases[i].doc, schema, bases[i].version, false, a, out, err));
        if (mode->forward)
            NK_TRY(
                one_way(format, door, schema, bases[i].doc, bases[i].version, true, a, out, err));
    }
    return NK_OK;
}

nk_str nk_conflict_text(const nk_conflict *c, nk_arena *a)
{
    const nk_schema_diff *d = &c->diff;
    nk_str w = d->writer_path.n ? d->writer_path : NK_STR("/"),
           r = d->reader_path.n ? d->reader_path : NK_STR("/");
    nk_str sample = NK_STR("");
    if (d->sample.p && d->sample.n <= 600)
        sample = nk_str_printf(a, "; a record that breaks: %.*s", NK_STR_ARG(d->sample));
    return nk_str_printf(
        a, "%s: %.*s (%s %lld at %.*s, %s at %.*s)%.*s", d->rule->id, NK_STR_ARG(d->message),
        c->forward ? "read by version" : "written by version", (long long)c->version,
        NK_STR_ARG(c->forward ? r : w), c->forward ? "written by this one" : "read by this one",
        NK_STR_ARG(c->forward ? w : r), NK_STR_ARG(sample));
}
