/* Judges schemas for tests that are not written in C. Each line of input is a JSON object
 * {"format": "JSON", "writer": TEXT, "reader": TEXT, "value": TEXT, "refs": [{"name", "text"}]};
 * each line of output is {"error": …} or {"diffs": [{rule, glue, confluent, writer, reader,
 * message, sample}], "canonical": TEXT, "value_error": …}. */
#include <stdio.h>
#include <stdlib.h>

#include "registry/compat.h"
#include "registry/jsonschema.h"
#include "registry/protobuf.h"

static void put_diffs(nk_json_writer *w, const nk_schema_diffs *diffs)
{
    nk_jw_key(w, NK_STR("diffs"));
    nk_jw_array(w);
    for (size_t i = 0; i < diffs->n; i++) {
        const nk_schema_diff *d = &diffs->v[i];
        nk_jw_object(w);
        nk_jw_kcstr(w, "rule", d->rule->id);
        nk_jw_kbool(w, "glue", d->rule->verdict[NK_DOOR_GLUE] == NK_VERDICT_FINE);
        nk_jw_kbool(w, "confluent", d->rule->verdict[NK_DOOR_CONFLUENT] == NK_VERDICT_FINE);
        nk_jw_kstr(w, "writer", d->writer_path);
        nk_jw_kstr(w, "reader", d->reader_path);
        nk_jw_kstr(w, "message", d->message);
        if (d->sample.p)
            nk_jw_kstr(w, "sample", d->sample);
        nk_jw_object_end(w);
    }
    nk_jw_array_end(w);
}

static nk_code judge(const nk_schema_format *f, const nk_json *in, nk_json_writer *w, nk_arena *a,
                     nk_err *err)
{
    nk_schema_doc *writer, *reader;
    nk_schema_diffs diffs = {0};
    nk_schema_ref refs[16];
    size_t n = 0;
    nk_json *list = nk_json_get(in, "refs");
    for (nk_json *r = list ? list->first : NULL; r && n < NK_COUNTOF(refs); r = r->next)
        refs[n++] = (nk_schema_ref){nk_json_str(r, "name"), nk_json_str(r, "text")};
    NK_TRY(f->parse(nk_json_str(in, "writer"), refs, n, a, &writer, err));
    if (nk_json_get(in, "value")) {
        nk_err why = NK_ERR_INIT;
        nk_str value = nk_json_str(in, "value"), bytes;
        nk_code rc;
        if (f == &nk_schema_format_json) {
            rc = nk_jsonschema_validate((nk_jsonschema *)(void *)writer, value, &why);
        } else { /* base64, and the message's name */
            uint32_t index;
            nk_protobuf *s = (nk_protobuf *)(void *)writer;
            NK_TRY(nk_protobuf_index(s, nk_json_str(in, "message"), &index, err));
            nk_jw_ki64(w, "index", index);
            NK_TRY(nk_base64_decode(a, value, &bytes));
            rc = nk_protobuf_validate(s, index, bytes, &why);
        }
        nk_jw_kcstr(w, "value_error", rc == NK_OK ? "" : why.msg);
    }
    if (nk_json_get(in, "reader")) {
        NK_TRY(f->parse(nk_json_str(in, "reader"), refs, n, a, &reader, err));
        NK_TRY(f->compare(writer, reader, a, &diffs, err));
        put_diffs(w, &diffs);
    }
    nk_buf canonical;
    nk_buf_init(&canonical, 4 << 20);
    nk_code rc = f->canonical(writer, &canonical, err);
    if (rc == NK_OK)
        nk_jw_kstr(w, "canonical", nk_buf_view(&canonical));
    nk_buf_free(&canonical);
    return rc;
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t got;
    while ((got = getline(&line, &cap, stdin)) > 0) {
        nk_arena *a = nk_arena_create(512u << 20);
        nk_err err = NK_ERR_INIT;
        nk_json *in;
        nk_buf out;
        nk_buf_init(&out, 64 << 20);
        nk_json_writer w = {.buf = &out};
        nk_jw_object(&w);
        nk_code rc = nk_json_parse(nk_str_n(line, (size_t)got), a, 0, &in, &err);
        const nk_schema_format *f = NULL;
        if (rc == NK_OK)
            f = nk_schema_format_find(nk_json_str(in, "format"));
        if (f)
            rc = judge(f, in, &w, a, &err);
        if (rc != NK_OK)
            nk_jw_kcstr(&w, "error", err.msg);
        nk_jw_object_end(&w);
        nk_buf_putc(&out, '\n');
        fwrite(out.p, 1, out.n, stdout);
        fflush(stdout);
        nk_buf_free(&out);
        nk_arena_destroy(a);
    }
    free(line);
    return 0;
}
