#include "schema/xml.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xmlreader.h>
#include <stdio.h>

#define DEPTH_MAX 100

typedef struct xml {
    nk_sink *sink;
    const nk_rows_options *o;
    nk_arena *a;
    nk_err *err;
    nk_map repeated; /* paths below a row that some row holds more than once */
    bool by_type;    /* the sink knows which fields are arrays */
} xml;

static nk_code no_memory(xml *x)
{
    return nk_fail(x->err, NK_E_NOMEM, "Out of memory reading XML");
}

static nk_str name_of(const xmlNode *n)
{
    return nk_str_c((const char *)n->name);
}

static const xmlNode *element(const xmlNode *n)
{
    while (n && n->type != XML_ELEMENT_NODE)
        n = n->next;
    return n;
}

/* ---- first: what is there more than once ---- */

static nk_code find_repeated(xml *x, const xmlNode *at, nk_str path, int depth)
{
    nk_map seen;
    nk_code rc = NK_OK;
    if (depth > DEPTH_MAX)
        return nk_fail(x->err, NK_E_LIMIT, "The XML elements are nested deeper than %d levels",
                       DEPTH_MAX);
    nk_map_init(&seen);
    for (const xmlNode *c = element(at->children); c && rc == NK_OK; c = element(c->next)) {
        nk_str below = nk_str_printf(x->a, "%.*s/%s", NK_STR_ARG(path), (const char *)c->name);
        if (!below.p)
            rc = no_memory(x);
        else if (nk_map_has(&seen, name_of(c)))
            rc = nk_map_put(&x->repeated, below, x, NULL);
        else
            rc = nk_map_put(&seen, name_of(c), x, NULL);
        if (rc == NK_OK)
            rc = find_repeated(x, c, below, depth + 1);
    }
    nk_map_free(&seen);
    return rc;
}

/* ---- then: observe ---- */

static nk_type_kind text_kind(nk_str text)
{
    nk_type_kind k = nk_infer_cell(text);
    int64_t v;
    nk_str s = nk_str_trim(text);
    if (k == NK_T_LONG && nk_str_i64(s.n && s.p[0] == '+' ? nk_str_sub(s, 1, s.n) : s, &v) &&
        v >= INT32_MIN && v <= INT32_MAX)
        return NK_T_INT;
    return k;
}

/* The text directly in an element, in the arena; empty when there is none. */
static nk_str own_text(xml *x, const xmlNode *at)
{
    nk_str out = NK_STR("");
    for (const xmlNode *c = at->children; c; c = c->next) {
        if ((c->type == XML_TEXT_NODE || c->type == XML_CDATA_SECTION_NODE) && c->content) {
            nk_str t = nk_str_c((const char *)c->content);
            out = out.n ? nk_str_cat(x->a, out, t) : t;
        }
    }
    return nk_str_trim(out);
}

static nk_code field(xml *x, nk_place *at, nk_str prefix, const char *name, size_t place,
                     nk_place **out)
{
    nk_str full =
        prefix.n ? nk_str_printf(x->a, "%.*s%s", NK_STR_ARG(prefix), name) : nk_str_c(name);
    return full.p ? nk_at_field(x->sink, at, full, place, out, x->err) : no_memory(x);
}

static nk_code put_text(xml *x, nk_place *at, nk_str text)
{
    /* an empty one says nothing of its type; where texts stand it is a text */
    nk_value v = {.kind = text_kind(text), .text = true, .s = text};
    if (!text.n && x->o->empty_is_null)
        v.text = false;
    return nk_put(x->sink, at, &v, x->err);
}

static nk_code walk(xml *x, nk_place *at, const xmlNode *n, nk_str path, bool row);

static nk_code attributes(xml *x, nk_place *at, const xmlNode *n, size_t *place)
{
    nk_str prefix = x->o->attribute_prefix.p ? x->o->attribute_prefix : NK_STR("_");
    for (const xmlAttr *p = x->o->exclude_attributes ? NULL : n->properties; p; p = p->next) {
        nk_place *f;
        nk_str value = p->children && p->children->content
                           ? nk_str_c((const char *)p->children->content)
                           : NK_STR("");
        NK_TRY(field(x, at, prefix, (const char *)p->name, (*place)++, &f));
        NK_TRY(put_text(x, f, value));
    }
    return NK_OK;
}

static nk_code child(xml *x, nk_place *at, const xmlNode *c, nk_str path, size_t place)
{
    nk_place *f;
    nk_str below = NK_STR("");
    NK_TRY(field(x, at, NK_STR(""), (const char *)c->name, place, &f));
    if (!x->by_type) {
        below = nk_str_printf(x->a, "%.*s/%s", NK_STR_ARG(path), (const char *)c->name);
        if (!below.p)
            return no_memory(x);
        if (nk_map_has(&x->repeated, below)) {
            NK_TRY(nk_put_kind(x->sink, f, NK_T_ARRAY, x->err));
            NK_TRY(nk_at_elem(x->sink, f, &f, x->err));
        }
    }
    return f ? walk(x, f, c, below, false) : NK_OK;
}

static nk_code walk(xml *x, nk_place *at, const xmlNode *n, nk_str path, bool row)
{
    size_t place = 0;
    nk_str text = own_text(x, n);
    bool attrs = n->properties && !x->o->exclude_attributes;
    if (!row && !attrs && !element(n->children))
        return put_text(x, at, text);
    NK_TRY(nk_put_kind(x->sink, at, NK_T_STRUCT, x->err));
    NK_TRY(attributes(x, at, n, &place));
    for (const xmlNode *c = element(n->children); c; c = element(c->next))
        NK_TRY(child(x, at, c, path, place++));
    if (!text.n)
        return NK_OK;
    nk_place *f;
    NK_TRY(nk_at_field(x->sink, at, x->o->value_tag.p ? x->o->value_tag : NK_STR("_VALUE"), place,
                       &f, x->err));
    return put_text(x, f, text);
}

/* ---- rows ---- */

/* The next element in document order, not looking into `over`. */
static const xmlNode *next_node(const xmlNode *n, const xmlNode *root, bool over)
{
    if (!over && n->children)
        return n->children;
    while (n && n != root && !n->next)
        n = n->parent;
    return n && n != root ? n->next : NULL;
}

static nk_code commonest(xml *x, const xmlNode *root, nk_str *out)
{
    nk_map counts;
    size_t best = 0;
    nk_map_init(&counts);
    *out = name_of(root);
    for (const xmlNode *c = element(root->children); c; c = element(c->next)) {
        uintptr_t n = (uintptr_t)nk_map_get(&counts, name_of(c)) + 1;
        if (nk_map_put(&counts, name_of(c), (void *)n, NULL) != NK_OK) {
            nk_map_free(&counts);
            return no_memory(x);
        }
        if (n > best) {
            best = n;
            *out = name_of(c);
        }
    }
    nk_map_free(&counts);
    if (best < 2) /* one record: the root itself */
        *out = name_of(root);
    return NK_OK;
}

static nk_code rows(xml *x, const xmlNode *root, bool whole, nk_xml_seen *out)
{
    const xmlNode *last = NULL, *n;
    size_t total = 0;
    for (n = root; n;
         n = next_node(n, root,
                       n->type == XML_ELEMENT_NODE && nk_str_eq(name_of(n), out->row_tag))) {
        if (n->type == XML_ELEMENT_NODE && nk_str_eq(name_of(n), out->row_tag)) {
            last = n;
            total++;
        }
    }
    /* of a cut file, the last row is cut, too, as a rule; the only one is better than none */
    out->cut = !whole && total < 2;
    if (whole || total < 2)
        last = NULL;
    for (int pass = 0; pass < 2; pass++) {
        for (n = root; n;
             n = next_node(n, root,
                           n->type == XML_ELEMENT_NODE && nk_str_eq(name_of(n), out->row_tag))) {
            if (n == last || n->type != XML_ELEMENT_NODE || !nk_str_eq(name_of(n), out->row_tag))
                continue;
            if (pass == 0) {
                NK_TRY(find_repeated(x, n, NK_STR(""), 0));
                continue;
            }
            NK_TRY(walk(x, x->sink->root, n, NK_STR(""), true));
            NK_TRY(x->sink->row(x->sink, x->err));
            out->records++;
        }
    }
    return NK_OK;
}

static void quiet(void *arg, const char *fmt, ...)
{
}

nk_code nk_xml_observe(nk_infer *in, nk_str sample, bool whole, nk_str row_tag, nk_arena *a,
                       nk_xml_seen *out, nk_err *err)
{
    static const nk_rows_options usual;
    nk_infer_sink sink;
    nk_infer_sink_init(&sink, in);
    xml x = {.sink = &sink.sink, .o = &usual, .a = a, .err = err};
    *out = (nk_xml_seen){.row_tag = row_tag};
    nk_str text = nk_str_trim(
        nk_str_starts(sample, NK_STR("\xef\xbb\xbf")) ? nk_str_sub(sample, 3, sample.n) : sample);
    if (!text.n || text.p[0] != '<')
        return nk_fail(err, NK_E_PARSE, "Not XML: it does not begin with '<'");
    out->declared = nk_str_starts(text, NK_STR("<?xml"));
    xmlParserCtxt *ctxt = xmlNewParserCtxt();
    if (!ctxt)
        return no_memory(&x);
    if (ctxt->sax)
        ctxt->sax->serror = NULL, ctxt->sax->error = quiet, ctxt->sax->warning = quiet;
    xmlDoc *doc = xmlCtxtReadMemory(ctxt, text.p, (int)text.n, NULL, NULL,
                                    XML_PARSE_RECOVER | XML_PARSE_NONET | XML_PARSE_NOERROR |
                                        XML_PARSE_NOWARNING | XML_PARSE_NOBLANKS);
    bool well_formed = ctxt->wellFormed;
    xmlFreeParserCtxt(ctxt);
    const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    nk_code rc = NK_OK;
    nk_map_init(&x.repeated);
    if (!root || (whole && !well_formed))
        rc = nk_fail(err, NK_E_PARSE, "Not well-formed XML");
    if (rc == NK_OK && !row_tag.n)
        rc = commonest(&x, root, &out->row_tag);
    if (rc == NK_OK)
        rc = rows(&x, root, whole, out);
    if (rc == NK_OK && !out->records)
        rc = nk_fail(err, NK_E_PARSE, "No XML element is named \"%.*s\"", NK_STR_ARG(out->row_tag));
    out->bytes = text.n;
    out->row_tag = nk_str_dup(a, out->row_tag);
    nk_map_free(&x.repeated);
    if (doc)
        xmlFreeDoc(doc);
    return rc;
}

/* ---- rows, one at a time ---- */

struct nk_rows {
    nk_input *in;
    const nk_rows_options *o;
    xmlTextReader *reader;
    xmlNode *row; /* not looked into any more */
    nk_code rc;   /* what reading the file gave */
    nk_err err;   /* of rc */
    nk_err parse; /* the parser's first complaint */
};

static int read_more(void *arg, char *out, int n)
{
    nk_rows *r = arg;
    r->rc = nk_input_need(r->in, 1, &r->err);
    if (r->rc != NK_OK)
        return -1;
    size_t got = r->in->view.n < (size_t)n ? r->in->view.n : (size_t)n;
    memcpy(out, r->in->view.p, got);
    nk_input_take(r->in, got);
    return (int)got;
}

static int read_nothing(void *arg)
{
    return 0;
}

static void complain(void *arg, xmlError *e)
{
    nk_rows *r = arg;
    if (r->parse.code != NK_OK || !e || e->level < XML_ERR_ERROR)
        return;
    const char *says = e->message ? e->message : "not well-formed";
    size_t n = strcspn(says, "\n");
    (void)nk_fail(&r->parse, NK_E_PARSE, "line %d: %.*s", e->line, (int)(n < 200 ? n : 200), says);
}

static void rows_close(nk_rows *r)
{
    if (!r)
        return;
    xmlFreeTextReader(r->reader);
    nk_free(r);
}

static nk_code rows_open(nk_input *in, const nk_rows_options *o, nk_rows **out, nk_err *err)
{
    nk_rows *r = *out = nk_calloc(1, sizeof *r);
    if (!r)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    *r = (nk_rows){.in = in, .o = o};
    r->reader = xmlReaderForIO(read_more, read_nothing, r, NULL, NULL,
                               XML_PARSE_NONET | XML_PARSE_NOBLANKS | XML_PARSE_NOCDATA);
    if (r->reader) {
        xmlTextReaderSetStructuredErrorHandler(r->reader, complain, r);
        return NK_OK;
    }
    nk_code rc = r->rc != NK_OK ? r->rc : NK_E_NOMEM;
    nk_fail(err, rc, "%s", r->rc != NK_OK ? r->err.msg : "out of memory");
    rows_close(r);
    *out = NULL;
    return rc;
}

static nk_code why(const nk_rows *r, nk_err *err)
{
    if (r->rc != NK_OK)
        return nk_fail(err, r->rc, "%s", r->err.msg);
    if (r->parse.code != NK_OK)
        return nk_fail(err, NK_E_PARSE, "%s", r->parse.msg);
    return nk_fail(err, NK_E_PARSE, "Not well-formed XML");
}

static nk_code one_row(nk_rows *r, nk_sink *s, const xmlNode *n, nk_err *err)
{
    nk_arena *a = nk_arena_create(0);
    if (!a)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    xml x = {.sink = s, .o = r->o, .a = a, .err = err, .by_type = s->typed};
    nk_map_init(&x.repeated);
    nk_code rc = x.by_type ? NK_OK : find_repeated(&x, n, NK_STR(""), 0);
    if (rc == NK_OK)
        rc = walk(&x, s->root, n, NK_STR(""), true);
    if (rc == NK_OK)
        rc = s->row(s, err);
    nk_map_free(&x.repeated);
    nk_arena_destroy(a);
    if (rc != NK_OK)
        (void)nk_wrap(err, "line %ld", xmlGetLineNo(n));
    return rc;
}

static nk_code rows_next(nk_rows *r, nk_sink *s, size_t max, size_t *n, nk_err *err)
{
    *n = 0;
    while (*n < max) {
        int got = r->row ? xmlTextReaderNext(r->reader) : xmlTextReaderRead(r->reader);
        r->row = NULL;
        if (got == 0 && r->rc == NK_OK && r->parse.code == NK_OK)
            return NK_OK;
        if (got != 1)
            return why(r, err);
        if (xmlTextReaderNodeType(r->reader) != XML_READER_TYPE_ELEMENT ||
            !nk_str_is(r->o->row_tag, (const char *)xmlTextReaderConstLocalName(r->reader)))
            continue;
        r->row = xmlTextReaderExpand(r->reader);
        if (!r->row)
            return why(r, err);
        NK_TRY(one_row(r, s, r->row, err));
        ++*n;
    }
    return NK_OK;
}

/* An element that is there once in some rows and several times in others is an array. */
static nk_code settle(const nk_type *t, nk_arena *a, const nk_type **out, nk_err *err)
{
    const nk_type *array = NULL, *elem, *x;
    *out = t->kind == NK_T_NULL ? nk_type_scalar(NK_T_STRING) : t; /* nothing but empty elements */
    if (t->kind == NK_T_ARRAY) {
        NK_TRY(settle(t->elem, a, &x, err));
        *out = nk_type_array(a, x);
        return *out ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
    }
    for (size_t i = 0; t->kind == NK_T_CHOICE && i < t->nfields; i++)
        if (t->fields[i].type->kind == NK_T_ARRAY)
            array = t->fields[i].type;
    if (array) {
        elem = array->elem;
        for (size_t i = 0; i < t->nfields; i++)
            if (t->fields[i].type != array)
                NK_TRY(nk_type_merge(elem, t->fields[i].type, NK_MERGE_CHOICE, a, &elem, err));
        NK_TRY(settle(elem, a, &elem, err));
        *out = nk_type_array(a, elem);
        return *out ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
    }
    if (t->kind != NK_T_STRUCT && t->kind != NK_T_CHOICE)
        return NK_OK;
    nk_field *f = NK_NEWN(a, nk_field, t->nfields + 1);
    const nk_type **alts = NK_NEWN(a, const nk_type *, t->nfields + 1);
    if (!f || !alts)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    for (size_t i = 0; i < t->nfields; i++) {
        f[i] = t->fields[i];
        NK_TRY(settle(t->fields[i].type, a, &f[i].type, err));
        alts[i] = f[i].type;
    }
    *out = t->kind == NK_T_STRUCT ? nk_type_struct(a, f, t->nfields)
                                  : nk_type_choice(a, alts, t->nfields);
    return *out ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
}

const nk_rows_format nk_rows_xml = {.name = "xml",
                                    .settle = settle,
                                    .open = rows_open,
                                    .next = rows_next,
                                    .close = rows_close,
                                    .doc = "XML; a row is an element named by rowTag"};
