/* Rows of a Delta checkpoint's Parquet file, each as the line that a commit would have. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "crawl/worker_int.h"
#include "engine/engine.h"

#define DOWNLOAD_PIECE ((uint64_t)16 << 20)
#define ENGINE_MEMORY  ((uint64_t)1 << 30)

/* The object as a file without a name; *fd is the caller's. */
static nk_code download(nk_crawl *c, nk_str bucket, nk_str key, uint64_t size, int *fd)
{
    char name[] = "checkpoint-XXXXXX";
    nk_buf piece;
    nk_code rc = NK_OK;
    *fd = mkstemp(name);
    if (*fd < 0 || unlink(name) != 0)
        return nk_fail(c->err, NK_E_IO, "A temporary file for a checkpoint cannot be made");
    nk_buf_init(&piece, DOWNLOAD_PIECE + 1);
    for (uint64_t at = 0; at < size && rc == NK_OK; at += piece.n) {
        nk_buf_clear(&piece);
        rc = nk_crawl_stopped(c);
        if (rc == NK_OK)
            rc = nk_s3_get_range(c->s3, bucket, key, at, DOWNLOAD_PIECE, &piece, c->err);
        if (rc == NK_OK && !piece.n)
            rc = nk_fail(c->err, NK_E_PARSE, "it has become shorter while it was read");
        if (rc == NK_OK)
            rc = nk_fd_write_all(*fd, piece.p, piece.n, c->err);
    }
    nk_buf_free(&piece);
    return rc;
}

/* What is wanted of each kind of action: NAME, the member that says whether a row is one, and what
 * of it. %s: members that not every writer has. */
static const struct part {
    const char *name, *witness, *of, *maybe;
    bool files; /* only for those who want files */
} parts[] = {
    {"metaData", "schemaString",
     "'schemaString': x.schemaString, 'partitionColumns': x.partitionColumns", "configuration",
     false},
    {"protocol", "minReaderVersion", "'minReaderVersion': x.minReaderVersion", "readerFeatures",
     false},
    {"add", "path", "'path': x.path, 'partitionValues': x.partitionValues", "deletionVector", true},
    {"sidecar", "path", "'path': x.path", NULL, true},
};

static nk_code question(const nk_type *columns, const char *file, bool files, nk_buf *sql)
{
    for (size_t i = 0; i < NK_COUNTOF(parts); i++) {
        const struct part *p = &parts[i];
        const nk_field *f = nk_type_field(columns, nk_str_c(p->name));
        if (!f || f->type->kind != NK_T_STRUCT || (p->files && !files))
            continue;
        bool more = p->maybe && nk_type_field(f->type, nk_str_c(p->maybe));
        (void)nk_buf_printf(sql, "%sSELECT CAST(to_json({'%s': {%s", sql->n ? " UNION ALL " : "",
                            p->name, p->of);
        if (more)
            (void)nk_buf_printf(sql, ", '%s': x.%s", p->maybe, p->maybe);
        (void)nk_buf_printf(sql,
                            "}}) AS VARCHAR) FROM (SELECT \"%s\" AS x FROM read_parquet('%s')) "
                            "WHERE x.%s IS NOT NULL",
                            p->name, file, p->witness);
    }
    return sql->failed ? sql->why : NK_OK;
}

static nk_code give_lines(nk_crawl *c, nk_engine *e, nk_str sql, nk_line_fn fn, void *arg)
{
    nk_result *r;
    const nk_vec *column;
    size_t n;
    NK_TRY(nk_engine_query(e, sql, &r, c->err));
    nk_code rc = nk_result_next(r, &column, &n, c->err);
    while (rc == NK_OK && n) {
        rc = nk_crawl_stopped(c);
        for (size_t i = 0; i < n && rc == NK_OK; i++)
            rc = nk_vec_valid(column, i) ? fn(arg, nk_vec_str(column, i)) : NK_OK;
        if (rc == NK_OK)
            rc = nk_result_next(r, &column, &n, c->err);
    }
    nk_result_close(r);
    return rc;
}

static nk_code ask(nk_crawl *c, int fd, bool files, nk_line_fn fn, void *arg)
{
    nk_engine_options o = {.memory_limit_bytes = ENGINE_MEMORY, .threads = 1, .temp_dir = "."};
    nk_engine *e;
    const nk_type *columns = NULL;
    char file[48];
    nk_buf sql;
    NK_TRY(nk_engine_open(&o, &e, c->err));
    nk_buf_init(&sql, 16 << 10);
    snprintf(file, sizeof file, "/proc/self/fd/%d", fd);
    (void)nk_buf_printf(&sql, "SELECT * FROM read_parquet('%s')", file);
    nk_code rc = nk_engine_describe(e, nk_buf_view(&sql), c->a, &columns, c->err);
    nk_buf_clear(&sql);
    if (rc == NK_OK)
        rc = question(columns, file, files, &sql);
    if (rc == NK_OK && sql.n)
        rc = give_lines(c, e, nk_buf_view(&sql), fn, arg);
    nk_buf_free(&sql);
    nk_engine_close(e);
    return rc;
}

nk_code nk_crawl_checkpoint(nk_crawl *c, nk_str bucket, nk_str key, uint64_t size, bool files,
                            nk_line_fn fn, void *arg)
{
    int fd = -1;
    nk_code rc = download(c, bucket, key, size, &fd);
    if (rc == NK_OK)
        rc = ask(c, fd, files, fn, arg);
    if (fd >= 0)
        close(fd);
    if (rc != NK_E_INVALID && rc != NK_E_UNSUPPORTED && rc != NK_E_PARSE)
        return rc;
    nk_err why = *c->err;
    return nk_fail(c->err, NK_E_PARSE, "s3://%.*s/%.*s cannot be read: %s", NK_STR_ARG(bucket),
                   NK_STR_ARG(key), why.msg);
}
