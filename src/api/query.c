/* The query protocol (STS): a form in, XML out. */
#include "api/api_int.h"

nk_str nk_query_param(nk_str form, const char *name, nk_arena *a)
{
    nk_str rest = form, piece;
    while (nk_str_split(&rest, '&', &piece)) {
        ptrdiff_t eq = nk_str_chr(piece, '=');
        nk_str key = eq < 0 ? piece : nk_str_sub(piece, 0, (size_t)eq);
        if (nk_str_is(nk_uri_unescape(a, key, true), name))
            return eq < 0 ? NK_STR("")
                          : nk_uri_unescape(a, nk_str_sub(piece, (size_t)eq + 1, piece.n), true);
    }
    return NK_STR_NULL;
}

/* Members that are one value each; lists and structures of the protocol are of no operation that we
 * answer. */
nk_code nk_query_decode(const nk_shape *shape, nk_str form, nk_arena *a, void *out, nk_err *err)
{
    for (size_t i = 0; shape && i < shape->n_members; i++) {
        const nk_member *m = &shape->members[i];
        if (m->shape->kind == NK_KIND_STRUCT || m->shape->kind == NK_KIND_LIST ||
            m->shape->kind == NK_KIND_MAP)
            continue;
        nk_str text = nk_query_param(form, m->wire.p, a);
        if (text.p)
            NK_TRY(nk_model_set_text(shape, m, out, text, a, err));
    }
    return NK_OK;
}

static void xml_text(nk_buf *b, nk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        switch (s.p[i]) {
        case '<':
            nk_buf_puts(b, "&lt;");
            break;
        case '>':
            nk_buf_puts(b, "&gt;");
            break;
        case '&':
            nk_buf_puts(b, "&amp;");
            break;
        case '"':
            nk_buf_puts(b, "&quot;");
            break;
        default:
            nk_buf_putc(b, s.p[i]);
        }
    }
}

static const char *namespace_of(const nk_exchange *x)
{
    return "https://sts.amazonaws.com/doc/2011-06-15/";
}

nk_code nk_query_encode(const nk_exchange *x, nk_buf *b, nk_err *err)
{
    const nk_shape *shape = x->op->output;
    nk_str op = x->op->name;
    nk_buf_printf(b, "<%.*sResponse xmlns=\"%s\">\n  <%.*sResult>\n", NK_STR_ARG(op),
                  namespace_of(x), NK_STR_ARG(op));
    for (size_t i = 0; shape && i < shape->n_members; i++) {
        const nk_member *m = &shape->members[i];
        if (m->shape->kind != NK_KIND_STRING)
            return nk_fail(err, NK_E_INTERNAL, "the query protocol has no way for a member of %s",
                           shape->name);
        nk_str v = *(const nk_str *)(const void *)((const char *)x->out + m->offset);
        if (!v.p)
            continue;
        nk_buf_printf(b, "    <%.*s>", NK_STR_ARG(m->wire));
        xml_text(b, v);
        nk_buf_printf(b, "</%.*s>\n", NK_STR_ARG(m->wire));
    }
    nk_buf_printf(b,
                  "  </%.*sResult>\n  <ResponseMetadata>\n    <RequestId>%s</RequestId>\n"
                  "  </ResponseMetadata>\n</%.*sResponse>\n",
                  NK_STR_ARG(op), x->call.request_id, NK_STR_ARG(op));
    return nk_buf_check(b, err);
}

/* The protocol's own names and statuses for what all services refuse. */
static const struct {
    const char *name, *query;
    unsigned status;
} names[] = {
    {"MissingAuthenticationTokenException", "MissingAuthenticationToken", 403},
    {"IncompleteSignatureException", "IncompleteSignature", 400},
    {"InvalidSignatureException", "SignatureDoesNotMatch", 403},
    {"UnrecognizedClientException", "InvalidClientTokenId", 403},
    {"ExpiredTokenException", "ExpiredToken", 403},
    {"UnknownOperationException", "InvalidAction", 400},
    {"ValidationException", "ValidationError", 400},
    {"ThrottlingException", "Throttling", 400},
    {"AccessDeniedException", "AccessDenied", 403},
    {"InternalServiceException", "InternalFailure", 500},
};

nk_code nk_query_error(const nk_exchange *x, const char *name, unsigned *status, nk_buf *b)
{
    for (size_t i = 0; i < NK_COUNTOF(names); i++) {
        if (strcmp(name, names[i].name) == 0) {
            name = names[i].query;
            *status = names[i].status;
            break;
        }
    }
    nk_buf_printf(
        b,
        "<ErrorResponse xmlns=\"%s\">\n  <Error>\n    <Type>%s</Type>\n    <Code>%s</Code>\n"
        "    <Message>",
        namespace_of(x), *status >= 500 ? "Receiver" : "Sender", name);
    xml_text(b, nk_str_c(x->err.msg));
    nk_buf_printf(b, "</Message>\n  </Error>\n  <RequestId>%s</RequestId>\n</ErrorResponse>\n",
                  x->call.request_id);
    return nk_buf_check(b, NULL);
}
