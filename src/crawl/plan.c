#include "crawl/plan.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define VALUES_MAX 1000
#define PLAN_MAX   ((size_t)256 << 20)

/* ---- one table ---- */

static const char *action_of(const nk_catalog_change *changes, size_t n)
{
    bool deleted = false;
    for (size_t i = 0; i < n; i++) {
        switch (changes[i].kind) {
        case NK_CHANGE_DELETE_TABLE:
            deleted = true;
            break;
        case NK_CHANGE_CREATE_TABLE:
            return deleted ? "REPLACE" : "CREATE";
        case NK_CHANGE_UPDATE_TABLE:
            return nk_map_str_get(&changes[i].table_input->Parameters, "DEPRECATED_BY_CRAWLER").p
                       ? "DEPRECATE"
                   : changes[i].skip_archive ? "NONE" /* its statistics alone */
                                             : "UPDATE";
        default:
            break;
        }
    }
    return deleted ? "DELETE" : "NONE";
}

static const glue_Column *column(const glue_Column_list *l, nk_str name)
{
    for (size_t i = 0; l && i < l->n; i++) {
        if (nk_str_eq(l->v[i].Name, name))
            return &l->v[i];
    }
    return NULL;
}

static void put_column(nk_json_writer *w, nk_str name, const char *action, nk_str from, nk_str to)
{
    nk_jw_object(w);
    nk_jw_kstr(w, "Name", name);
    nk_jw_kcstr(w, "Action", action);
    if (from.p)
        nk_jw_kstr(w, "From", from);
    if (to.p)
        nk_jw_kstr(w, "To", to);
    nk_jw_object_end(w);
}

static void put_columns(nk_json_writer *w, const glue_Table *old, const glue_TableInput *in)
{
    const glue_Column_list *was =
        old && old->StorageDescriptor ? &old->StorageDescriptor->Columns : NULL;
    const glue_Column_list *now =
        in && in->StorageDescriptor ? &in->StorageDescriptor->Columns : NULL;
    nk_jw_key(w, NK_STR("Columns"));
    nk_jw_array(w);
    for (size_t i = 0; now && i < now->n; i++) {
        const glue_Column *o = column(was, now->v[i].Name);
        if (!o)
            put_column(w, now->v[i].Name, "ADD", NK_STR_NULL, now->v[i].Type);
        else if (!nk_str_eq(o->Type, now->v[i].Type))
            put_column(w, now->v[i].Name, "CHANGE", o->Type, now->v[i].Type);
    }
    for (size_t i = 0; now && was && i < was->n; i++) {
        if (!column(now, was->v[i].Name))
            put_column(w, was->v[i].Name, "DROP", was->v[i].Type, NK_STR_NULL);
    }
    nk_jw_array_end(w);
}

static void put_partitions(nk_json_writer *w, const char *key, nk_catalog_change_kind kind,
                           const nk_catalog_change *changes, size_t n)
{
    int64_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += changes[i].kind == kind;
    nk_jw_key(w, nk_str_c(key));
    nk_jw_object(w);
    nk_jw_ki64(w, "Count", count);
    nk_jw_key(w, NK_STR("Values"));
    nk_jw_array(w);
    count = 0;
    for (size_t i = 0; i < n && count < VALUES_MAX; i++) {
        if (changes[i].kind != kind)
            continue;
        const nk_list_str *v =
            changes[i].values ? changes[i].values : &changes[i].partition_input->Values;
        nk_jw_array(w);
        for (size_t k = 0; k < v->n; k++)
            nk_jw_str(w, v->v[k]);
        nk_jw_array_end(w);
        count++;
    }
    nk_jw_array_end(w);
    nk_jw_object_end(w);
}

nk_code nk_crawl_plan_table(nk_crawl_run *run, const nk_plan_table *t,
                            const nk_catalog_change *changes, size_t n, nk_err *err)
{
    const glue_TableInput *in = NULL;
    for (size_t i = 0; i < n; i++)
        in = changes[i].table_input ? changes[i].table_input : in;
    nk_buf b;
    nk_buf_init(&b, PLAN_MAX);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    nk_jw_kstr(&w, "Database", t->database);
    nk_jw_kstr(&w, "Table", t->name);
    nk_jw_kstr(&w, "Location", t->location);
    nk_jw_kstr(&w, "Why", t->why);
    nk_jw_kcstr(&w, "Action", action_of(changes, n));
    put_columns(&w, t->existing, in);
    nk_jw_key(&w, NK_STR("Partitions"));
    nk_jw_object(&w);
    put_partitions(&w, "Create", NK_CHANGE_ADD_PARTITION, changes, n);
    put_partitions(&w, "Update", NK_CHANGE_PUT_PARTITION, changes, n);
    put_partitions(&w, "Delete", NK_CHANGE_DELETE_PARTITION, changes, n);
    nk_jw_object_end(&w);
    nk_jw_object_end(&w);
    nk_code rc = nk_buf_check(&b, err);
    nk_str *slot = rc == NK_OK ? nk_strs_add(&run->plan, run->arena) : NULL;
    if (slot)
        *slot = nk_buf_dup(&b, run->arena);
    nk_buf_free(&b);
    if (rc == NK_OK && (!slot || !slot->p))
        return nk_fail(err, NK_E_NOMEM, "Out of memory planning a crawl");
    return rc;
}

nk_code nk_crawl_plan_text(nk_crawl_run *run, nk_str *out, nk_err *err)
{
    nk_buf b;
    nk_buf_init(&b, PLAN_MAX);
    nk_json_writer w = {.buf = &b};
    nk_jw_object(&w);
    nk_jw_kstr(&w, "Crawler", run->name);
    nk_jw_key(&w, NK_STR("Tables"));
    nk_jw_array(&w);
    for (size_t i = 0; i < run->plan.n; i++)
        nk_jw_raw(&w, run->plan.v[i]);
    nk_jw_array_end(&w);
    nk_jw_object_end(&w);
    nk_code rc = nk_buf_check(&b, err);
    if (rc == NK_OK && !(*out = nk_buf_dup(&b, run->arena)).p)
        rc = nk_fail(err, NK_E_NOMEM, "Out of memory planning a crawl");
    nk_buf_free(&b);
    return rc;
}

/* ---- kept: DIR/crawls/REGION/NAME.plan; lines: the crawl's id, the plan, the frames, the
 * notes ---- */

static nk_code plan_path(const nk_crawl_run *run, bool make, nk_str *out, nk_err *err)
{
    const char *dir = run->owner->app->settings->data_dir;
    nk_str folder = nk_str_printf(run->arena, "%s/crawls/%.*s", dir, NK_STR_ARG(run->region));
    if (!folder.p)
        return nk_fail(err, NK_E_NOMEM, "Out of memory");
    if (make)
        NK_TRY(nk_file_mkdirs(folder.p, 0700, err));
    char hex[65]; /* names hold what file names cannot */
    nk_sha256_hex(run->name.p, run->name.n, hex);
    *out = nk_str_printf(run->arena, "%s/%.40s.plan", folder.p, hex);
    return out->p ? NK_OK : nk_fail(err, NK_E_NOMEM, "Out of memory");
}

static nk_code write_lines(int fd, const nk_strs *lines, nk_err *err)
{
    for (size_t i = 0; i < lines->n; i++) {
        NK_TRY(nk_fd_write_all(fd, "\n", 1, err));
        NK_TRY(nk_fd_write_all(fd, lines->v[i].p, lines->v[i].n, err));
    }
    return NK_OK;
}

nk_code nk_crawl_plan_keep(nk_crawl_run *run, nk_err *err)
{
    nk_str path, plan;
    NK_TRY(nk_crawl_plan_text(run, &plan, err));
    NK_TRY(plan_path(run, true, &path, err));
    nk_str tmp = nk_str_printf(run->arena, "%s.new", path.p);
    int fd = tmp.p ? open(tmp.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return nk_fail(err, NK_E_IO, "The plan cannot be written to %s", path.p);
    nk_code rc = nk_fd_write_all(fd, run->crawl_id, 36, err);
    if (rc == NK_OK)
        rc = nk_fd_write_all(fd, "\n", 1, err);
    if (rc == NK_OK)
        rc = nk_fd_write_all(fd, plan.p, plan.n, err);
    if (rc == NK_OK)
        rc = write_lines(fd, &run->frames, err);
    if (rc == NK_OK)
        rc = write_lines(fd, &run->notes, err);
    close(fd);
    if (rc == NK_OK && rename(tmp.p, path.p) != 0)
        rc = nk_fail(err, NK_E_IO, "The plan cannot be written to %s", path.p);
    return rc;
}

nk_code nk_crawl_plan_load(nk_crawl_run *run, nk_str id, nk_str *plan, nk_err *err)
{
    nk_str path, text, line;
    NK_TRY(plan_path(run, false, &path, err));
    nk_code rc = nk_file_read(path.p, (size_t)2 << 30, run->arena, &text, NULL);
    if (rc != NK_OK || !nk_str_split(&text, '\n', &line) || !nk_str_eq(line, id) ||
        !nk_str_split(&text, '\n', plan))
        return nk_fail(err, NK_E_NOT_FOUND, "Crawler %.*s has no plan %.*s: plan again",
                       NK_STR_ARG(run->name), NK_STR_ARG(id));
    while (nk_str_split(&text, '\n', &line)) {
        nk_str *slot =
            nk_strs_add(nk_crawl_is_frame(line) ? &run->frames : &run->notes, run->arena);
        if (!slot)
            return nk_fail(err, NK_E_NOMEM, "Out of memory");
        *slot = line;
    }
    return NK_OK;
}
