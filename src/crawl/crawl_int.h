/* Inside the crawl room: files seen, folders grouped into tables. No store, no network. */
#ifndef NK_CRAWL_INT_H
#define NK_CRAWL_INT_H

#include "crawl/formats.h"

/* ---- glob.c ---- */

/* Glue's exclusion patterns over a path relative to the include path: * ? ** [a-z] [!x] {a,b} and
 * \ for the next character. A leading dot is an ordinary character. */
bool nk_glob_match(nk_str pattern, nk_str path);
/* NK_E_INVALID for an unclosed bracket or brace, or nested braces. */
nk_code nk_glob_check(nk_str pattern, nk_err *err) NK_MUST;

/* ---- group.c ---- */

/* One file, as far as it was looked at. */
typedef struct nk_crawl_file {
    nk_str path; /* relative to the bucket, no leading slash */
    uint64_t size;
    int64_t modified_us;
    bool sampled;   /* it is to be looked at */
    nk_finding *is; /* NULL: was not */
} nk_crawl_file;

typedef struct nk_crawl_partition {
    nk_strs values; /* one a partition key */
    nk_str path;    /* folder, with trailing slash */
    const nk_type *type;
    const nk_finding *sample; /* whose dialect and layout stand for all */
    uint64_t files, bytes, records;
    double record_size; /* average bytes of a record */
} nk_crawl_partition;
NK_LIST(nk_crawl_partitions, nk_crawl_partition);

typedef struct nk_crawl_table {
    nk_str path; /* a folder with trailing slash, or a file's key */
    nk_str base; /* what its name is made of: last part of the path, or the bucket */
    const nk_type *type;
    const nk_finding *sample;
    nk_str example;    /* the file whose finding `sample` is */
    const char *rule;  /* what made a table of these files; static */
    nk_str exclusions; /* of its target, as nk_facts has them */
    bool quoted, multiline, mixed_header;
    nk_strs keys;                   /* partition keys; empty = not partitioned */
    nk_crawl_partitions partitions; /* when keys is not empty */
    uint64_t files, bytes, records;
    double record_size;
} nk_crawl_table;
NK_LIST(nk_crawl_tables, nk_crawl_table);

typedef struct nk_crawl_grouping {
    nk_str bucket;
    nk_str root;         /* the include path: "" or "a/b/" , or a file's key */
    int table_level;     /* 0 = find out; the bucket is level 1 */
    bool combine;        /* CombineCompatibleSchemas: likeness of columns is not asked for */
    const nk_map *roots; /* folders that are tables for sure, whatever stands beside or above them;
                            may be NULL */
    const nk_map *standing; /* folders that are tables of this crawler's in the catalogue: one that
                               is left alone does not become a partition; may be NULL */
} nk_crawl_grouping;

/* Called for each remark worth a line in the crawl's log. */
typedef void (*nk_crawl_remark)(void *arg, const char *text);

/* files: in path order; those without a format are passed over. Tables are added in path order. All
 * in the arena. */
nk_code nk_crawl_group(const nk_crawl_grouping *g, nk_crawl_file *files, size_t n, nk_arena *a,
                       nk_crawl_tables *out, nk_crawl_remark remark, void *arg,
                       nk_err *err) NK_MUST;

/* 0 to 1: how much two schemas have in common. Columns are compared by name; those of CSV without
 * header by place and type. */
double nk_crawl_likeness(const nk_finding *a, const nk_type *ta, const nk_finding *b,
                         const nk_type *tb);

/* A table's name as AWS makes it: lower case, anything but letters, digits and _ becomes _. */
nk_str nk_crawl_table_name(nk_arena *a, nk_str prefix, nk_str base);
/* The same with a hash of the location behind it: for a name that is taken. */
nk_str nk_crawl_clash_name(nk_arena *a, nk_str name, nk_str location);

/* ---- describe.c ---- */

/* A name that the catalogue takes for a column: lower case, 255 bytes, no control characters. */
nk_str nk_crawl_column_name(nk_arena *a, nk_str raw);
/* The catalogue's columns of a struct, beside partition keys that are called as nk_crawl_key_names
 * has them; *clash (may be set): a column that bears a key's name. */
nk_code nk_crawl_columns(const nk_type *t, bool by_position, const nk_strs *keys, nk_arena *a,
                         const nk_type **out, nk_str *clash, nk_err *err) NK_MUST;
/* Names of partition keys, each another. */
nk_code nk_crawl_key_names(const nk_str *raw, size_t n, nk_arena *a, nk_strs *out,
                           nk_err *err) NK_MUST;

/* Glue's TableInput without its Name, as JSON text appended to out: storage descriptor, SerDe,
 * partition keys and parameters as AWS's crawler writes them. */
nk_code nk_crawl_table_json(const nk_crawl_table *t, nk_str bucket, nk_arena *a, nk_buf *out,
                            nk_crawl_remark remark, void *arg, nk_err *err) NK_MUST;
/* Glue's PartitionInput; its columns only if they are not the table's. inherit: they always are. */
nk_code nk_crawl_partition_json(const nk_crawl_table *t, const nk_crawl_partition *p, bool inherit,
                                nk_str bucket, nk_arena *a, nk_buf *out, nk_err *err) NK_MUST;

#endif
