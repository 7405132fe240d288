/* The catalogue's records. Children are keyed by their parent's number, so that deleting a database
 * or a table is one record's deletion; what stood below it is purged afterwards, in bounds. */
#include "catalog/history_int.h"

static const nk_col database_cols[] = {
    {"region", NK_COL_TEXT},
    {"name", NK_COL_TEXT},
    {"id", NK_COL_I64},
    {"target", NK_COL_TEXT},
};
const nk_kind nk_kind_database = {.name = "glue_database",
                                  .version = 2,
                                  .nkey = 2,
                                  .cols = database_cols,
                                  .ncols = NK_COUNTOF(database_cols)};

static const nk_col table_cols[] = {
    {"db", NK_COL_I64},
    {"name", NK_COL_TEXT},
    {"id", NK_COL_I64},
    {"version", NK_COL_I64},
    {"partition_keys", NK_COL_TEXT},
    {"typed", NK_COL_I64},
    {"key_change", NK_COL_I64},
    {"partition_indexes", NK_COL_TEXT},
    {"target", NK_COL_TEXT},
};
static const nk_index table_indexes[] = {
    {.name = "by_id", .cols = {NK_TBL_ID}, .n = 1, .unique = true},
};
const nk_kind nk_kind_table = {.name = "glue_table",
                               .version = 2,
                               .nkey = 2,
                               .cols = table_cols,
                               .ncols = NK_COUNTOF(table_cols),
                               .indexes = table_indexes,
                               .nindexes = NK_COUNTOF(table_indexes)};

static const nk_col version_cols[] = {{"tbl", NK_COL_I64}, {"version", NK_COL_I64}};
const nk_kind nk_kind_table_version = {.name = "glue_table_version",
                                       .version = 1,
                                       .nkey = 2,
                                       .cols = version_cols,
                                       .ncols = NK_COUNTOF(version_cols)};

static const nk_col partition_cols[] = {
    {"tbl", NK_COL_I64},  {"vals", NK_COL_BYTES},         {"c0", NK_COL_BYTES},
    {"c1", NK_COL_BYTES}, {"c2", NK_COL_BYTES},           {"c3", NK_COL_BYTES},
    {"c4", NK_COL_BYTES}, {"c5", NK_COL_BYTES},           {"c6", NK_COL_BYTES},
    {"c7", NK_COL_BYTES}, {"columns_hash", NK_COL_BYTES}, {"rest_hash", NK_COL_BYTES},
};
/* Index i begins with key i and goes on with those after it: an equality on any key, with
 * equalities and a range on the following ones, is one seek. */
static const nk_index partition_indexes[NK_PART_TYPED_MAX] = {
    {.name = "from0", .cols = {0, 2, 3, 4, 5, 6, 7, 8, 9}, .n = 9},
    {.name = "from1", .cols = {0, 3, 4, 5, 6, 7, 8, 9}, .n = 8},
    {.name = "from2", .cols = {0, 4, 5, 6, 7, 8, 9}, .n = 7},
    {.name = "from3", .cols = {0, 5, 6, 7, 8, 9}, .n = 6},
    {.name = "from4", .cols = {0, 6, 7, 8, 9}, .n = 5},
    {.name = "from5", .cols = {0, 7, 8, 9}, .n = 4},
    {.name = "from6", .cols = {0, 8, 9}, .n = 3},
    {.name = "from7", .cols = {0, 9}, .n = 2},
};
const nk_kind nk_kind_partition = {.name = "glue_partition",
                                   .version = 1,
                                   .nkey = 2,
                                   .cols = partition_cols,
                                   .ncols = NK_COUNTOF(partition_cols),
                                   .indexes = partition_indexes,
                                   .nindexes = NK_PART_TYPED_MAX};

/* Texts that many partitions of one table share, by the hash of their content. */
static const nk_col piece_cols[] = {{"tbl", NK_COL_I64}, {"hash", NK_COL_BYTES}};
const nk_kind nk_kind_piece = {.name = "glue_partition_piece",
                               .version = 1,
                               .nkey = 2,
                               .cols = piece_cols,
                               .ncols = NK_COUNTOF(piece_cols)};

static const nk_col task_cols[] = {
    {"id", NK_COL_I64}, {"what", NK_COL_I64}, {"key_change", NK_COL_I64}};
const nk_kind nk_kind_task = {.name = "glue_catalog_task",
                              .version = 1,
                              .nkey = 3,
                              .cols = task_cols,
                              .ncols = NK_COUNTOF(task_cols)};

_Static_assert(NK_COUNTOF(database_cols) == NK_DB_NCOLS, "columns");
_Static_assert(NK_COUNTOF(table_cols) == NK_TBL_NCOLS, "columns");
_Static_assert(NK_COUNTOF(partition_cols) == NK_PART_NCOLS, "columns");

const nk_kind *const nk_catalog_kinds[] = {&nk_kind_database,
                                           &nk_kind_table,
                                           &nk_kind_table_version,
                                           &nk_kind_partition,
                                           &nk_kind_piece,
                                           &nk_kind_task,
                                           &nk_kind_catalog,
                                           &nk_kind_tags,
                                           &nk_kind_connection,
                                           &nk_kind_function,
                                           &nk_kind_policy,
                                           &nk_kind_catalog_settings,
                                           &nk_kind_security,
                                           &nk_kind_column_stats,
                                           &nk_kind_stats_run,
                                           &nk_kind_stats_settings,
                                           &nk_kind_history,
                                           &nk_kind_connection_type,
                                           NULL};
