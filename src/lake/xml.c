#include <libxml/parser.h>
#include <libxml/tree.h>
#include <pthread.h>

#include "lake/s3_int.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* No network, no entities; errors are ours to report. */
static xmlDoc *parse(nk_str xml)
{
    pthread_once(&once, xmlInitParser);
    if (xml.n == 0 || xml.n > (64u << 20))
        return NULL;
    return xmlReadMemory(xml.p, (int)xml.n, NULL, NULL,
                         XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                             XML_PARSE_NOBLANKS);
}

static bool is(const xmlNode *n, const char *name)
{
    return n->type == XML_ELEMENT_NODE && xmlStrEqual(n->name, (const xmlChar *)name);
}

static nk_str text(xmlNode *n, nk_arena *a)
{
    xmlChar *s = xmlNodeGetContent(n);
    nk_str out = s ? nk_str_dup(a, nk_str_c((const char *)s)) : NK_STR("");
    xmlFree(s);
    return out;
}

/* 2015-08-30T12:36:00.000Z */
static int64_t time_of(nk_str s)
{
    nk_civil c = {0};
    int64_t v[6];
    static const unsigned char at[] = {0, 5, 8, 11, 14, 17}, len[] = {4, 2, 2, 2, 2, 2};
    if (s.n < 19)
        return 0;
    for (int i = 0; i < 6; i++)
        if (!nk_str_i64(nk_str_sub(s, at[i], (size_t)at[i] + len[i]), &v[i]))
            return 0;
    c.year = (int)v[0];
    c.month = (int)v[1];
    c.day = (int)v[2];
    c.hour = (int)v[3];
    c.minute = (int)v[4];
    c.second = (int)v[5];
    int64_t us = nk_civil_to_us(&c), scale = 100000;
    for (size_t i = 20;
         s.n > 19 && s.p[19] == '.' && i < s.n && s.p[i] >= '0' && s.p[i] <= '9' && scale;
         i++, scale /= 10)
        us += (s.p[i] - '0') * scale;
    return us;
}

static nk_code take_object(xmlNode *n, bool escaped, nk_arena *a, nk_s3_page *out)
{
    nk_s3_object *o = nk_s3_objects_add(&out->objects, a);
    uint64_t size = 0;
    if (!o)
        return NK_E_NOMEM;
    for (xmlNode *c = n->children; c; c = c->next) {
        if (is(c, "Key")) {
            o->key = text(c, a);
            if (escaped)
                o->key = nk_uri_unescape(a, o->key, true);
        } else if (is(c, "Size")) {
            if (nk_str_u64(text(c, a), &size))
                o->size = size;
        } else if (is(c, "ETag")) {
            nk_str e = text(c, a);
            while (e.n && e.p[0] == '"')
                e = nk_str_sub(e, 1, e.n);
            while (e.n && e.p[e.n - 1] == '"')
                e.n--;
            o->etag = e;
        } else if (is(c, "LastModified")) {
            o->modified_us = time_of(text(c, a));
        }
    }
    return o->key.p ? NK_OK : NK_E_NOMEM;
}

static nk_code take_prefix(xmlNode *n, bool escaped, nk_arena *a, nk_s3_page *out)
{
    for (xmlNode *c = n->children; c; c = c->next) {
        if (!is(c, "Prefix"))
            continue;
        nk_str *p = nk_strs_add(&out->prefixes, a);
        if (!p)
            return NK_E_NOMEM;
        *p = text(c, a);
        if (escaped)
            *p = nk_uri_unescape(a, *p, true);
        if (!p->p)
            return NK_E_NOMEM;
    }
    return NK_OK;
}

nk_code nk_s3_xml_page(nk_str xml, nk_arena *a, nk_s3_page *out, nk_err *err)
{
    memset(out, 0, sizeof *out);
    xmlDoc *doc = parse(xml);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    bool escaped = false, truncated = false;
    nk_code rc = NK_OK;
    if (!root || !is(root, "ListBucketResult")) {
        xmlFreeDoc(doc);
        return nk_fail(err, NK_E_UNAVAILABLE, "the S3 endpoint's listing is not what S3 answers");
    }
    for (xmlNode *n = root->children; n; n = n->next) {
        if (is(n, "EncodingType"))
            escaped = nk_str_is(text(n, a), "url");
        else if (is(n, "IsTruncated"))
            truncated = nk_str_is(text(n, a), "true");
    }
    for (xmlNode *n = root->children; n && rc == NK_OK; n = n->next) {
        if (is(n, "Contents"))
            rc = take_object(n, escaped, a, out);
        else if (is(n, "CommonPrefixes"))
            rc = take_prefix(n, escaped, a, out);
        else if (is(n, "NextContinuationToken") && truncated)
            out->next_token = text(n, a);
    }
    xmlFreeDoc(doc);
    return rc == NK_OK ? NK_OK : nk_fail(err, rc, "no memory for a listing");
}

static xmlNode *find(xmlNode *n, const char *name)
{
    for (; n; n = n->next) {
        if (is(n, name))
            return n;
        xmlNode *below = find(n->children, name);
        if (below)
            return below;
    }
    return NULL;
}

nk_str nk_s3_xml_find(nk_str xml, const char *name, nk_arena *a)
{
    xmlDoc *doc = parse(xml);
    xmlNode *n = doc ? find(xmlDocGetRootElement(doc), name) : NULL;
    nk_str out = n ? text(n, a) : NK_STR_NULL;
    xmlFreeDoc(doc);
    return out;
}

size_t nk_s3_xml_delete_errors(nk_str xml, nk_arena *a, nk_str *key, nk_str *message)
{
    xmlDoc *doc = parse(xml);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    size_t count = 0;
    for (xmlNode *n = root ? root->children : NULL; n; n = n->next) {
        if (!is(n, "Error"))
            continue;
        for (xmlNode *c = n->children; !count && c; c = c->next) {
            if (is(c, "Key"))
                *key = text(c, a);
            else if (is(c, "Message"))
                *message = text(c, a);
        }
        count++;
    }
    xmlFreeDoc(doc);
    return count;
}

void nk_s3_xml_escape(nk_buf *b, nk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '<')
            nk_buf_puts(b, "&lt;");
        else if (c == '>')
            nk_buf_puts(b, "&gt;");
        else if (c == '&')
            nk_buf_puts(b, "&amp;");
        else if (c < 0x20)
            nk_buf_printf(b, "&#%u;", c);
        else
            nk_buf_putc(b, (char)c);
    }
}
