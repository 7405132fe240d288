#include "schema/xml.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdio.h>

#define DEPTH_MAX 100

typedef struct xml {
    nk_infer *in;
    nk_arena *a;
    nk_err *err;
    nk_map repeated; /* paths below a row that some row holds more than once */
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

static nk_code field(xml *x, nk_seen *at, const char *prefix, const char *name, size_t place,
                     nk_seen **out)
{
    nk_str full = nk_str_printf(x->a, "%s%s", prefix, name);
    return full.p ? nk_seen_field(x->in, at, full, place, out, x->err) : no_memory(x);
}

static nk_code observe(xml *x, nk_seen *at, const xmlNode *n, nk_str path, bool row)
{
    nk_seen *f;
    size_t place = 0;
    nk_str text = own_text(x, n);
    if (!row && !n->properties && !element(n->children)) {
        nk_seen_kind(at, text_kind(text));
        return NK_OK;
    }
    nk_seen_kind(at, NK_T_STRUCT);
    for (const xmlAttr *p = n->properties; p; p = p->next) {
        nk_str value = p->children && p->children->content
                           ? nk_str_c((const char *)p->children->content)
                           : NK_STR("");
        NK_TRY(field(x, at, "_", (const char *)p->name, place++, &f));
        nk_seen_kind(f, text_kind(value));
    }
    for (const xmlNode *c = element(n->children); c; c = element(c->next)) {
        nk_str below = nk_str_printf(x->a, "%.*s/%s", NK_STR_ARG(path), (const char *)c->name);
        NK_TRY(field(x, at, "", (const char *)c->name, place++, &f));
        if (!below.p)
            return no_memory(x);
        if (nk_map_has(&x->repeated, below)) {
            nk_seen_kind(f, NK_T_ARRAY);
            NK_TRY(nk_seen_elem(x->in, f, &f, x->err));
        }
        NK_TRY(observe(x, f, c, below, false));
    }
    if (text.n) {
        NK_TRY(field(x, at, "", "_VALUE", place, &f));
        nk_seen_kind(f, text_kind(text));
    }
    return NK_OK;
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
            NK_TRY(observe(x, nk_infer_root(x->in), n, NK_STR(""), true));
            nk_infer_record(x->in);
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
    xml x = {.in = in, .a = a, .err = err};
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
