/* Inside the crawl room: the server's half. */
#ifndef NK_CRAWLERS_INT_H
#define NK_CRAWLERS_INT_H

#include <pthread.h>

#include "base/cron.h"
#include "catalog/catalog.h"
#include "crawl/crawl.h"
#include "crawl/crawl_int.h"
#include "model/model.h"
#include "pool/pool.h"

/* ---- records ---- */
enum { CRAWLER_REGION, CRAWLER_NAME, CRAWLER_STATE, CRAWLER_CRON, CRAWLER_TAGS, CRAWLER_COLS };
extern const nk_kind nk_kind_crawler; /* body: glue_Crawler */
enum {
    CRAWL_REGION,
    CRAWL_CRAWLER,
    CRAWL_SEQ,
    CRAWL_STATE,
    CRAWL_START,
    CRAWL_END,
    CRAWL_CREATED,
    CRAWL_UPDATED,
    CRAWL_DELETED,
    CRAWL_COLS
};
extern const nk_kind nk_kind_crawl; /* body: glue_CrawlerHistory */
enum { MADE_REGION, MADE_CRAWLER, MADE_DATABASE, MADE_TABLE, MADE_LOCATION, MADE_SEQ, MADE_COLS };
extern const nk_kind nk_kind_made; /* tables a crawler has made or updated; body: {} */

/* A crawler as it stands in the store. NK_E_NOT_FOUND in AWS's words. */
typedef struct nk_crawler_row {
    glue_Crawler *c;
} nk_crawler_row;
nk_code nk_crawler_load(nk_tx *tx, nk_str region, nk_str name, nk_arena *a, nk_crawler_row *out,
                        nk_err *err) NK_MUST;
nk_code nk_crawler_save(nk_tx *tx, nk_str region, const nk_crawler_row *row, bool insert,
                        nk_arena *a, nk_err *err) NK_MUST;

/* Tells the catalogue's history of this room's records. */
void nk_crawl_history(void);

/* ---- config.c ---- */
typedef struct nk_crawl_config {
    bool merge_new_columns, inherit, combine;
    bool no_index; /* CreatePartitionIndex false: tables get no index over their partition keys */
    int table_level, table_threshold; /* 0 = not set */
} nk_crawl_config;
/* The Configuration text (may be absent). NK_E_INVALID names what is unknown or wrong. */
nk_code nk_crawl_config_parse(nk_str text, nk_arena *a, nk_crawl_config *out, nk_err *err) NK_MUST;
/* Whether a crawler's definition holds together; at creation and update. */
nk_code nk_crawl_check(const glue_Crawler *c, nk_arena *a, nk_err *err) NK_MUST;
/* What this release can run; NK_E_UNSUPPORTED names what it cannot. */
nk_code nk_crawl_runnable(const glue_Crawler *c, nk_err *err) NK_MUST;

/* ---- runs ---- */
typedef struct nk_crawl_run nk_crawl_run;

typedef struct nk_crawl_receipt {
    nk_str queue, url;
    nk_strs receipts;
} nk_crawl_receipt;
NK_LIST(nk_crawl_receipts, nk_crawl_receipt); /* one a queue */

struct nk_crawl_run {
    nk_crawlers *owner;
    nk_crawl_run *next;
    nk_arena *arena; /* all of the below; used by one thread at a time under owner->lock */
    nk_str region, name;
    char crawl_id[37];
    int64_t seq, started_us;
    glue_Crawler *def;
    nk_crawl_config config;
    nk_strs classifiers;      /* their documents, in the crawler's order */
    bool new_only, by_events; /* only a part of the targets is looked at */
    enum { NK_CRAWL_RUN, NK_CRAWL_PLAN, NK_CRAWL_APPLY } mode;
    bool dry;                   /* changes go into the plan, not into the catalogue */
    nk_str plan_id;             /* APPLY: the crawl that planned */
    nk_strs plan;               /* a document a table */
    nk_str targets;             /* for the worker, JSON */
    nk_strs found;              /* database, table, …: those that were found now */
    nk_strs notes;              /* what the worker sent besides, whence: */
    nk_strs empty;              /* events: folders that hold nothing any more */
    nk_strs unread;             /* folders that hold what could not be read */
    nk_str planned;             /* APPLY: what that crawl's plan was */
    nk_crawl_receipts receipts; /* events: what to delete from the queues when all is stored */
    uint64_t pool_run;
    int log_fd;
    nk_strs frames; /* tables and partitions, as the worker sent them */
    size_t frame_bytes;
    bool launching, exited; /* while nk_pool_start runs, on_exit leaves the run to it */
    bool finished;          /* the worker said so */
    bool stop;              /* StopCrawler */
    nk_err failure;
    nk_pool_exit exit;
    nk_catalog_counts counts;
    nk_strs created, updated, deleted; /* table names, for the summary */
};

struct nk_crawlers { /* app->crawlers */
    nk_app *app;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* for the thread: a run has ended; for destroy: a run is gone */
    pthread_t thread;
    nk_crawl_run *active; /* with a worker, or waiting for one */
    nk_crawl_run *ended;  /* for the thread */
    bool ending, started;
    int64_t last_minute;
};

/* "time [id] LEVEL : text" into the crawler's log. */
void nk_crawl_log(nk_crawl_run *run, const char *level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* What the worker sends of tables and partitions; all else is a note. */
bool nk_crawl_is_frame(nk_str json);
/* Puts a finished crawl's tables into the catalogue. */
nk_code nk_crawl_apply(nk_crawl_run *run, nk_err *err) NK_MUST;

#endif
