/* Inside the crawl room: S3 events from a queue. Usable in the server and in workers. */
#ifndef NK_EVENTS_H
#define NK_EVENTS_H

#include "base/base.h"

typedef struct nk_queue_config {
    const char *endpoint; /* of SQS */
    const char *access_key, *secret_key;
} nk_queue_config;

typedef struct nk_queue_messages {
    nk_str url;      /* of the queue */
    nk_strs objects; /* "bucket/key" of each event about an object */
    nk_strs receipts;
    uint64_t messages, strange; /* strange: no S3 event; they go to the dead-letter queue, if any */
} nk_queue_messages;

/* Whether this is "arn:aws:sqs:REGION:ACCOUNT:NAME". */
bool nk_queue_arn_ok(nk_str arn);
/* Takes what is in the queue now (at most 100,000 messages); they stay hidden from others for ten
 * minutes. Adds to *out (arena). Understands S3's own notifications, plain and through SNS, and
 * EventBridge's. dlq may be empty. */
nk_code nk_queue_take(const nk_queue_config *config, nk_str arn, nk_str dlq, nk_arena *a,
                      nk_queue_messages *out, nk_err *err) NK_MUST;
/* Deletes messages that have been dealt with. */
nk_code nk_queue_done(const nk_queue_config *config, nk_str arn, nk_str url,
                      const nk_strs *receipts, nk_err *err) NK_MUST;

/* One message's body: adds the objects it is about. false: it is no S3 event. */
bool nk_event_objects(nk_str body, nk_arena *a, nk_strs *out);

#endif
