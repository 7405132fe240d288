/* A reader's map of the database file, kept over commits.
 *
 * SQLite gives its map of the file back at each new snapshot, since another process might have cut
 * the file, and faults every page in again after it: about 0.4 ms in which every request waits.
 * Here only this process writes, a write changes the file through the same pages of the kernel, and
 * it grows seldom (when the log is copied) and never shrinks. So the map is given back only when it
 * could show more than it does. */
#include "store/sqlite_int.h"

struct nk_mapped {
    sqlite3_io_methods m; /* first: what the file's methods point to */
    const sqlite3_io_methods *own;
    sqlite3_int64 size; /* of the file, as far as it can be mapped, when it last was */
};

static int on_unfetch(sqlite3_file *f, sqlite3_int64 at, void *page)
{
    nk_mapped *map = (nk_mapped *)f->pMethods;
    sqlite3_int64 size;
    if (!page && map->own->xFileSize(f, &size) == SQLITE_OK) {
        size = size < NK_MAP_MAX ? size : NK_MAP_MAX;
        if (size == map->size)
            return SQLITE_OK;
        map->size = size;
    }
    return map->own->xUnfetch(f, at, page);
}

nk_code nk_map_keep(nk_conn *c, nk_err *err)
{
    sqlite3_file *f = NULL;
    int rc = sqlite3_file_control(c->db, NULL, SQLITE_FCNTL_FILE_POINTER, &f);
    if (rc != SQLITE_OK)
        return nk_sqlite_fail(c->db, rc, err, "finding its file");
    if (!f || !f->pMethods || f->pMethods->iVersion < 3)
        return NK_OK; /* it maps nothing */
    c->mapped = nk_calloc(1, sizeof(*c->mapped));
    if (!c->mapped)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    *c->mapped = (nk_mapped){.m = *f->pMethods, .own = f->pMethods};
    c->mapped->m.xUnfetch = on_unfetch;
    f->pMethods = &c->mapped->m;
    sqlite3_int64 most = NK_MAP_MAX;
    rc = sqlite3_file_control(c->db, NULL, SQLITE_FCNTL_MMAP_SIZE, &most);
    return rc == SQLITE_OK ? NK_OK : nk_sqlite_fail(c->db, rc, err, "mapping it");
}
