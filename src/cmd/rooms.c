#include "cmd/rooms.h"

#include "catalog/catalog.h"
#include "crawl/crawl.h"
#include "iceberg/iceberg.h"
#include "job/job.h"
#include "registry/registry.h"

const nk_room nk_rooms[] = {
    {"catalog", nk_catalog_kinds, nk_catalog_start, nk_catalog_stop},
    {"registry", nk_registry_kinds, nk_registry_room_start, nk_registry_room_stop},
    {"job", nk_job_kinds, nk_job_room_start, nk_job_room_stop},
    {"crawl", nk_crawl_kinds, nk_crawl_room_start,
     nk_crawl_room_stop}, /* after job, which makes the pool */
    {"iceberg", nk_iceberg_kinds, nk_iceberg_room_start, nk_iceberg_room_stop},
    {"statistics", NULL, nk_catalog_stats_start, nk_catalog_stats_stop}, /* after job, too */
};
const size_t nk_rooms_count = NK_COUNTOF(nk_rooms);

const nk_kind *const *const *nk_rooms_kinds(void)
{
    static const nk_kind *const *kinds[NK_COUNTOF(nk_rooms) + 1];
    size_t n = 0;
    for (size_t i = 0; i < NK_COUNTOF(nk_rooms); i++)
        if (nk_rooms[i].kinds)
            kinds[n++] = nk_rooms[i].kinds;
    kinds[n] = NULL;
    return kinds;
}
