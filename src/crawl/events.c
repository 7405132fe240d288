#include "crawl/events.h"

#include <stdio.h>

#include "net/client.h"

#define MESSAGES_MAX 100000
#define HIDDEN_S     600

/* ---- a message ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Keys of S3's own notifications are written as in forms: %XX, and + for a blank. */
static nk_str form_decoded(nk_arena *a, nk_str s)
{
    char *out = nk_arena_bytes(a, s.n + 1);
    size_t n = 0;
    if (!out)
        return NK_STR_NULL;
    for (size_t i = 0; i < s.n; i++) {
        int hi = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1, lo = hi < 0 ? -1 : hex_digit(s.p[i + 2]);
        if (s.p[i] == '%' && lo >= 0) {
            out[n++] = (char)(hi * 16 + lo);
            i += 2;
        } else {
            out[n++] = s.p[i] == '+' ? ' ' : s.p[i];
        }
    }
    return nk_str_n(out, n);
}

static bool add_object(const nk_json *about, bool decode, nk_arena *a, nk_strs *out)
{
    nk_str bucket = nk_json_str(nk_json_get(about, "bucket"), "name"),
           key = nk_json_str(nk_json_get(about, "object"), "key");
    nk_str *slot = bucket.n && key.n ? nk_strs_add(out, a) : NULL;
    if (!slot)
        return false;
    if (decode)
        key = form_decoded(a, key);
    *slot = nk_str_printf(a, "%.*s/%.*s", NK_STR_ARG(bucket), NK_STR_ARG(key));
    return slot->p != NULL;
}

bool nk_event_objects(nk_str body, nk_arena *a, nk_strs *out)
{
    nk_json *j;
    if (nk_json_parse(nk_str_dup(a, body), a, 0, &j, NULL) != NK_OK)
        return false;
    const nk_json *records = nk_json_get(j, "Records"), *detail = nk_json_get(j, "detail");
    nk_str inner = nk_json_str(j, "Message");
    if (!records && !detail && nk_str_is(nk_json_str(j, "Type"), "Notification") && inner.n) {
        if (nk_json_parse(inner, a, 0, &j, NULL) != NK_OK)
            return false;
        records = nk_json_get(j, "Records");
        detail = nk_json_get(j, "detail");
    }
    if (nk_str_is(nk_json_str(j, "Event"), "s3:TestEvent"))
        return true;
    if (detail)
        return add_object(detail, false, a, out);
    bool any = false;
    for (const nk_json *r = records ? records->first : NULL; r; r = r->next)
        any |= add_object(nk_json_get(r, "s3"), true, a, out);
    return any;
}

/* ---- the queue ---- */

/* The part of an ARN, from 0: arn aws sqs REGION ACCOUNT NAME. */
static nk_str arn_part(nk_str arn, int at)
{
    nk_str part = NK_STR("");
    for (int i = 0; i <= at; i++) {
        if (!nk_str_split(&arn, ':', &part))
            return NK_STR("");
    }
    return part;
}

bool nk_queue_arn_ok(nk_str arn)
{
    return nk_str_is(arn_part(arn, 0), "arn") && nk_str_is(arn_part(arn, 2), "sqs") &&
           arn_part(arn, 3).n && arn_part(arn, 4).n == 12 && arn_part(arn, 5).n;
}

static nk_code connect_to(const nk_queue_config *q, nk_str arn, nk_arena *a, nk_aws_client **out,
                          nk_err *err)
{
    nk_str region = nk_str_dup(a, arn_part(arn, 3));
    nk_aws_config c = {.endpoint = q->endpoint,
                       .region = region.p,
                       .access_key = q->access_key,
                       .secret_key = q->secret_key,
                       .json_version = "1.0"};
    if (!q->endpoint || !*q->endpoint)
        return nk_fail(err, NK_E_UNSUPPORTED,
                       "The queue %.*s cannot be read: the server knows no SQS endpoint "
                       "(set AWS_ENDPOINT_URL_SQS for it)",
                       NK_STR_ARG(arn));
    return nk_aws_client_create(&c, out, err);
}

static nk_code call(nk_aws_client *c, const char *op, const nk_buf *body, nk_arena *a,
                    nk_json **out, nk_err *err)
{
    nk_str reply;
    NK_TRY(nk_buf_check(body, err));
    NK_TRY(nk_aws_call(c, "sqs", op, nk_buf_view(body), &reply, a, err));
    *out = NULL;
    return reply.n ? nk_json_parse(reply, a, 0, out, err) : NK_OK;
}

static nk_code queue_url(nk_aws_client *c, nk_str arn, nk_arena *a, nk_str *out, nk_err *err)
{
    nk_buf b;
    nk_json *j;
    nk_buf_init(&b, 4096);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    nk_jw_kstr(&w, "QueueName", arn_part(arn, 5));
    nk_jw_kstr(&w, "QueueOwnerAWSAccountId", arn_part(arn, 4));
    nk_jw_object_end(&w);
    nk_code rc = call(c, "AmazonSQS.GetQueueUrl", &b, a, &j, err);
    nk_buf_free(&b);
    if (rc != NK_OK)
        return nk_wrap(err, "Queue %.*s", NK_STR_ARG(arn));
    *out = nk_json_str(j, "QueueUrl");
    return out->n ? NK_OK : nk_fail(err, NK_E_INVALID, "Queue %.*s has no URL", NK_STR_ARG(arn));
}

static nk_code to_dead_letters(nk_aws_client *c, nk_str dlq, nk_str body, nk_arena *a, nk_err *err)
{
    nk_str url;
    nk_buf b;
    nk_json *j;
    NK_TRY(queue_url(c, dlq, a, &url, err));
    nk_buf_init(&b, 1 << 20);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    nk_jw_kstr(&w, "QueueUrl", url);
    nk_jw_kstr(&w, "MessageBody", body);
    nk_jw_object_end(&w);
    nk_code rc = call(c, "AmazonSQS.SendMessage", &b, a, &j, err);
    nk_buf_free(&b);
    return rc;
}

static nk_code receive(nk_aws_client *c, nk_str dlq, nk_arena *a, nk_queue_messages *out,
                       bool *empty, nk_err *err)
{
    nk_buf b;
    nk_json *j;
    nk_buf_init(&b, 4096);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    nk_jw_kstr(&w, "QueueUrl", out->url);
    nk_jw_ki64(&w, "MaxNumberOfMessages", 10);
    nk_jw_ki64(&w, "VisibilityTimeout", HIDDEN_S);
    nk_jw_ki64(&w, "WaitTimeSeconds", 0);
    nk_jw_object_end(&w);
    nk_code rc = call(c, "AmazonSQS.ReceiveMessage", &b, a, &j, err);
    nk_buf_free(&b);
    NK_TRY(rc);
    const nk_json *list = nk_json_get(j, "Messages");
    *empty = !list || !list->count;
    for (const nk_json *m = list ? list->first : NULL; m; m = m->next) {
        nk_str *slot = nk_strs_add(&out->receipts, a);
        if (!slot)
            return nk_fail(err, NK_E_NOMEM, "Out of memory reading a queue");
        *slot = nk_json_str(m, "ReceiptHandle");
        out->messages++;
        if (nk_event_objects(nk_json_str(m, "Body"), a, &out->objects))
            continue;
        out->strange++;
        if (dlq.n)
            NK_TRY(to_dead_letters(c, dlq, nk_json_str(m, "Body"), a, err));
    }
    return NK_OK;
}

nk_code nk_queue_take(const nk_queue_config *config, nk_str arn, nk_str dlq, nk_arena *a,
                      nk_queue_messages *out, nk_err *err)
{
    nk_aws_client *c = NULL;
    bool empty = false;
    *out = (nk_queue_messages){0};
    NK_TRY(connect_to(config, arn, a, &c, err));
    nk_code rc = queue_url(c, arn, a, &out->url, err);
    while (rc == NK_OK && !empty && out->messages < MESSAGES_MAX)
        rc = receive(c, dlq, a, out, &empty, err);
    nk_aws_client_destroy(c);
    return rc;
}

static nk_code delete_some(nk_aws_client *c, nk_str url, const nk_strs *receipts, size_t from,
                           size_t to, nk_arena *a, nk_err *err)
{
    nk_buf b;
    nk_json *j;
    char id[24];
    nk_buf_init(&b, 1 << 20);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    nk_jw_kstr(&w, "QueueUrl", url);
    nk_jw_key(&w, NK_STR("Entries"));
    nk_jw_array(&w);
    for (size_t i = from; i < to; i++) {
        snprintf(id, sizeof id, "m%zu", i - from);
        nk_jw_object(&w);
        nk_jw_kcstr(&w, "Id", id);
        nk_jw_kstr(&w, "ReceiptHandle", receipts->v[i]);
        nk_jw_object_end(&w);
    }
    nk_jw_array_end(&w);
    nk_jw_object_end(&w);
    nk_code rc = call(c, "AmazonSQS.DeleteMessageBatch", &b, a, &j, err);
    nk_buf_free(&b);
    return rc;
}

nk_code nk_queue_done(const nk_queue_config *config, nk_str arn, nk_str url,
                      const nk_strs *receipts, nk_err *err)
{
    nk_aws_client *c = NULL;
    nk_arena *a = nk_arena_create(0);
    nk_code rc =
        a ? connect_to(config, arn, a, &c, err) : nk_fail(err, NK_E_NOMEM, "Out of memory");
    for (size_t i = 0; i < receipts->n && rc == NK_OK; i += 10)
        rc = delete_some(c, url, receipts, i, i + 10 < receipts->n ? i + 10 : receipts->n, a, err);
    nk_aws_client_destroy(c);
    nk_arena_destroy(a);
    return rc;
}
