/* Answers and refusals in the client's wire format. */
#include <stdio.h>

#include "api/api_int.h"

static const char *const content_types[] = {
    [NK_WIRE_JSON11] = "application/x-amz-json-1.1",
    [NK_WIRE_QUERY] = "text/xml",
};

static void answer(nk_exchange *x, unsigned status, const char *error)
{
    nk_header headers[2] = {{NK_STR("x-amzn-RequestId"), nk_str_n(x->call.request_id, 36)}};
    nk_http_answer a = {.status = status,
                        .content_type = content_types[x->wire],
                        .body = nk_buf_view(&x->req->out),
                        .headers = headers,
                        .nheaders = 1};
    if (error && x->wire == NK_WIRE_JSON11)
        headers[a.nheaders++] = (nk_header){NK_STR("x-amzn-ErrorType"), nk_str_c(error)};
    nk_http_answer_now(x->req, &a);
}

void nk_wire_result(nk_exchange *x)
{
    nk_buf *out = &x->req->out;
    nk_code rc = NK_OK;
    if (x->own) {
        answer(x, 200, NULL);
        return;
    }
    if (x->wire == NK_WIRE_QUERY)
        rc = nk_query_encode(x, out, &x->err);
    else if (x->op->output)
        rc = nk_model_encode(x->op->output, x->out, out, &x->err);
    else
        rc = nk_buf_puts(out, "{}");
    if (rc != NK_OK) {
        nk_buf_clear(out);
        x->code = rc;
        nk_wire_error(x);
        return;
    }
    answer(x, x->wire == NK_WIRE_JSON11 || !x->op->status ? 200 : x->op->status, NULL);
}

/* What every AWS service refuses alike carries "message"; what Glue itself raises "Message". */
static bool common(nk_code code)
{
    switch (code) {
    case NK_E_AUTH_MISSING:
    case NK_E_AUTH_INCOMPLETE:
    case NK_E_AUTH_SIGNATURE:
    case NK_E_AUTH_UNKNOWN_KEY:
    case NK_E_AUTH_EXPIRED:
    case NK_E_UNKNOWN_OPERATION:
    case NK_E_SERIALIZATION:
    case NK_E_TOO_LARGE:
    case NK_E_VALIDATION:
    case NK_E_THROTTLED:
        return true;
    default:
        return false;
    }
}

static bool declares(const nk_op *op, const char *name)
{
    for (size_t i = 0; i < op->n_errors; i++)
        if (!strcmp(op->errors[i]->name, name))
            return true;
    return false;
}

/* An operation gives the exceptions that its model declares; a refusal of its input that it has no
 * exception of its own for is InvalidInputException, and where it lacks that too, what AWS gives
 * before an operation is reached. */
static const char *declared(const nk_exchange *x, const char *name)
{
    static const nk_code refusals[] = {NK_E_INVALID, NK_E_PARSE, NK_E_NOT_FOUND, NK_E_EXISTS,
                                       NK_E_CONFLICT};
    const char *invalid = nk_code_aws(NK_E_INVALID);
    bool refusal = false;
    for (size_t i = 0; i < NK_COUNTOF(refusals); i++)
        refusal = refusal || x->code == refusals[i];
    if (!x->op || !refusal || x->err.aws[0] || declares(x->op, name))
        return name;
    return declares(x->op, invalid) ? invalid : nk_code_aws(NK_E_VALIDATION);
}

void nk_wire_error(nk_exchange *x)
{
    nk_buf *out = &x->req->out;
    unsigned status = (unsigned)nk_code_status(x->code);
    const char *name = declared(x, x->err.aws[0] ? x->err.aws : nk_code_aws(x->code));
    nk_str op = x->op ? x->op->name : NK_STR("-");
    if (status >= 500 && x->code != NK_E_UNAVAILABLE) {
        nk_error("api", "%.*s failed inside: %s request=%s code=%s%s%s", NK_STR_ARG(op), x->err.msg,
                 x->call.request_id, nk_code_name(x->code), x->err.hint[0] ? " hint=" : "",
                 x->err.hint);
        name = nk_code_aws(NK_E_INTERNAL);
        if (x->code == NK_E_FULL)
            snprintf(x->err.msg, sizeof x->err.msg, "The server's disk is full. Request %s",
                     x->call.request_id);
        else
            snprintf(x->err.msg, sizeof x->err.msg,
                     "Internal error. The server's log tells more of request %s",
                     x->call.request_id);
    } else {
        nk_debug("api", "%.*s refused: %s: %s request=%s", NK_STR_ARG(op), name, x->err.msg,
                 x->call.request_id);
    }
    nk_buf_clear(out);
    if (x->wire == NK_WIRE_QUERY) {
        if (nk_query_error(x, name, &status, out) != NK_OK)
            nk_buf_clear(out);
    } else {
        nk_json_writer w = {out, false};
        nk_jw_object(&w);
        nk_jw_kcstr(&w, "__type", name);
        nk_jw_kcstr(&w, common(x->code) ? "message" : "Message", x->err.msg);
        nk_jw_object_end(&w);
    }
    answer(x, status, name);
}
