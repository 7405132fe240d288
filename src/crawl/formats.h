/* Inside the crawl room: what a file may be. A format is one file (format_NAME.c) and one row of
 * the table in formats.c, which stands in AWS's order. No store, no network. */
#ifndef NK_FORMATS_H
#define NK_FORMATS_H

#include "schema/codec.h"
#include "schema/grok.h"
#include "schema/jsonpath.h"
#include "schema/sniff.h"

typedef struct nk_crawl_format nk_crawl_format;
typedef struct nk_custom nk_custom;

/* A file as a classifier sees it. */
typedef struct nk_sample {
    nk_str name;           /* last part of its key */
    uint64_t size;         /* as stored */
    nk_str head;           /* the unpacked beginning */
    bool whole;            /* head is all of it */
    const nk_codec *codec; /* NULL = not packed */
    /* Stored bytes [from, from + n); valid until the next read. */
    nk_code (*read)(void *arg, uint64_t from, uint64_t n, nk_str *out, nk_err *err);
    void *arg;
} nk_sample;

/* What came out. */
typedef struct nk_finding {
    const nk_crawl_format *format; /* NULL: not recognised, why says more */
    const nk_codec *codec;
    nk_str classification;               /* the format's, or the custom classifier's own */
    double certainty;                    /* 0: not this; 1: settled */
    bool claimed;                        /* it bears this format's mark, though it cannot be read */
    bool denied;                         /* the lake did not let us read it */
    bool more;                           /* its first record ends behind the sample */
    const nk_type *type;                 /* a struct; CSV columns bear their names already */
    uint64_t records;                    /* in the sample; all of them when exact */
    uint64_t record_bytes, sample_bytes; /* of the records; of the file, as stored */
    bool exact;
    nk_csv_dialect dialect; /* CSV */
    nk_json_layout layout;  /* JSON */
    nk_str path;            /* JSON path, XML row tag, grok pattern, Avro schema */
    nk_str patterns;        /* a grok classifier's custom patterns */
    const char *serde;      /* CSV: the one wanted by a custom classifier, else NULL */
    nk_str why;             /* for a human: what spoke for or against */
} nk_finding;

/* What a table or partition is made of, for the functions that describe it. */
typedef struct nk_facts {
    const nk_finding *sample;
    const nk_type *type;
    bool quoted, multiline;
    uint64_t files, bytes, records;
    double record_size;
    nk_str exclusions; /* the target's, as a JSON array; empty = none */
} nk_facts;

struct nk_crawl_format {
    const char *classification; /* AWS's name of the built-in classifier */
    const char *input, *output, *serde;
    const char
        *suffix; /* files named so are read from their end first; NULL = from the beginning */
    /* Sets out->certainty and, if > 0, the rest. c: a custom classifier of this format, or NULL. A
     * code other than NK_E_PARSE, NK_E_SERIALIZATION and NK_E_LIMIT is an error of the crawl. */
    nk_code (*classify)(const nk_crawl_format *f, const nk_custom *c, const nk_sample *s,
                        nk_arena *a, nk_finding *out, nk_err *err);
    const char *(*serde_of)(const nk_facts *f); /* instead of serde; NULL = always serde */
    /* Whether two files of it can be of one table, columns aside; NULL = yes. */
    bool (*same)(const nk_finding *a, const nk_finding *b);
    void (*properties)(nk_json_writer *w, const nk_facts *f); /* table parameters of its own */
    void (*serde_parameters)(nk_json_writer *w, const nk_facts *f);
    const char *doc;
    const char *pattern; /* grok formats */
};

/* In AWS's order; ends with a NULL. */
extern const nk_crawl_format *const nk_crawl_formats[];

extern const nk_crawl_format nk_crawl_format_avro, nk_crawl_format_orc, nk_crawl_format_parquet,
    nk_crawl_format_json, nk_crawl_format_bson, nk_crawl_format_xml, nk_crawl_format_ion,
    nk_crawl_format_csv;
extern const nk_crawl_format nk_crawl_format_grok; /* custom grok classifiers */
extern const nk_crawl_format nk_crawl_format_logs[8];

#define NK_TEXT_INPUT  "org.apache.hadoop.mapred.TextInputFormat"
#define NK_TEXT_OUTPUT "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
#define NK_OPEN_CSV    "org.apache.hadoop.hive.serde2.OpenCSVSerde"
#define NK_LAZY_CSV    "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"

/* A custom classifier, ready to be used by several threads. */
struct nk_custom {
    const nk_crawl_format *format;
    nk_str name, classification;
    nk_grok *grok;
    nk_str pattern, patterns; /* grok */
    nk_str row_tag;           /* XML */
    nk_str json_path;
    nk_jsonpath path;
    nk_csv_want csv;
    const char *serde; /* CSV; NULL = find out */
};
typedef struct nk_customs {
    nk_custom *v;
    size_t n;
} nk_customs;
/* classifiers: the JSON array of glue_Classifier documents; NULL = none. Everything lives in the
 * arena. NK_E_INVALID names the classifier that cannot be used. */
nk_code nk_customs_load(const nk_json *classifiers, nk_arena *a, nk_customs *out,
                        nk_err *err) NK_MUST;

/* Loads the sample's head when it is wanted. */
typedef nk_code (*nk_load_head)(nk_sample *s, nk_err *err);
/* The custom classifiers in their order, then the built-in ones in theirs: a certainty of 1 settles
 * it, else the highest above 0. Result in the arena. */
nk_code nk_classify(const nk_customs *customs, nk_sample *s, nk_load_head load, nk_arena *a,
                    nk_finding *out, nk_err *err) NK_MUST;

#endif
