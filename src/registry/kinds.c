/* The registry's records. A schema is keyed by its registry's number, a version by its schema's:
 * deleting marks the parent and then purges what stands below it. */
#include "registry/registry_int.h"

static const nk_col registry_cols[] = {
    {"region", NK_COL_TEXT},
    {"name", NK_COL_TEXT},
    {"id", NK_COL_I64},
    {"deleting", NK_COL_I64}, /* NULL, or 1 */
};
static const nk_index registry_indexes[] = {
    {.name = "being_deleted", .cols = {NK_REG_DELETING}, .n = 1},
    {.name = "by_id", .cols = {NK_REG_ID}, .n = 1, .unique = true},
};
const nk_kind nk_kind_registry = {.name = "glue_registry",
                                  .version = 1,
                                  .nkey = 2,
                                  .cols = registry_cols,
                                  .ncols = NK_COUNTOF(registry_cols),
                                  .indexes = registry_indexes,
                                  .nindexes = NK_COUNTOF(registry_indexes)};

static const nk_col schema_cols[] = {
    {"registry", NK_COL_I64},       {"name", NK_COL_TEXT},      {"id", NK_COL_I64},
    {"region", NK_COL_TEXT},        {"format", NK_COL_I64},     {"next", NK_COL_I64},
    {"latest", NK_COL_I64},         {"checkpoint", NK_COL_I64}, {"change", NK_COL_I64},
    {"compat", NK_COL_I64},         {"follows", NK_COL_I64},    {"mode", NK_COL_I64},
    {"deleting", NK_COL_I64}, /* NULL, or 1 */
    {"registry_name", NK_COL_TEXT},
};
static const nk_index schema_indexes[] = {
    {.name = "by_id", .cols = {NK_SCH_ID}, .n = 1, .unique = true},
    {.name = "by_region", .cols = {NK_SCH_REGION, NK_SCH_REGISTRY, NK_SCH_NAME}, .n = 3},
    {.name = "being_deleted", .cols = {NK_SCH_DELETING}, .n = 1},
};
const nk_kind nk_kind_schema = {.name = "glue_schema",
                                .version = 1,
                                .nkey = 2,
                                .cols = schema_cols,
                                .ncols = NK_COUNTOF(schema_cols),
                                .indexes = schema_indexes,
                                .nindexes = NK_COUNTOF(schema_indexes)};

static const nk_col version_cols[] = {
    {"schema", NK_COL_I64},    {"version", NK_COL_I64},  {"uuid", NK_COL_TEXT},
    {"region", NK_COL_TEXT},   {"number", NK_COL_I64},   {"hash", NK_COL_BYTES},
    {"state", NK_COL_I64},     {"created", NK_COL_TEXT}, {"links", NK_COL_I64},
    {"contract", NK_COL_TEXT},
};
static const nk_index version_indexes[] = {
    {.name = "by_uuid", .cols = {NK_VER_UUID}, .n = 1, .unique = true},
    {.name = "by_number",
     .cols = {NK_VER_REGION, NK_VER_NUMBER, NK_VER_SCHEMA, NK_VER_VERSION},
     .n = 4},
    {.name = "by_hash", .cols = {NK_VER_REGION, NK_VER_HASH}, .n = 2},
    {.name = "by_definition", .cols = {NK_VER_SCHEMA, NK_VER_HASH, NK_VER_VERSION}, .n = 3},
};
const nk_kind nk_kind_schema_version = {.name = "glue_schema_version",
                                        .version = 2,
                                        .nkey = 2,
                                        .cols = version_cols,
                                        .ncols = NK_COUNTOF(version_cols),
                                        .indexes = version_indexes,
                                        .nindexes = NK_COUNTOF(version_indexes)};

static const nk_col link_cols[] = {
    {"schema", NK_COL_I64},   {"version", NK_COL_I64},     {"seq", NK_COL_I64},
    {"name", NK_COL_TEXT},    {"to_schema", NK_COL_I64},   {"to_version", NK_COL_I64},
    {"registry", NK_COL_I64}, {"to_registry", NK_COL_I64},
};
static const nk_index link_indexes[] = {
    {.name = "by_target", .cols = {NK_LNK_TO_SCHEMA, NK_LNK_TO_VERSION}, .n = 2},
    {.name = "by_registry", .cols = {NK_LNK_TO_REGISTRY, NK_LNK_REGISTRY}, .n = 2},
};
const nk_kind nk_kind_schema_link = {.name = "glue_schema_link",
                                     .version = 1,
                                     .nkey = 3,
                                     .cols = link_cols,
                                     .ncols = NK_COUNTOF(link_cols),
                                     .indexes = link_indexes,
                                     .nindexes = NK_COUNTOF(link_indexes)};

static const nk_col metadata_cols[] = {
    {"schema", NK_COL_I64}, {"version", NK_COL_I64},  {"pair_key", NK_COL_TEXT},
    {"value", NK_COL_TEXT}, {"created", NK_COL_TEXT}, {"seq", NK_COL_I64},
};
const nk_kind nk_kind_schema_metadata = {.name = "glue_schema_metadata",
                                         .version = 1,
                                         .nkey = 4,
                                         .cols = metadata_cols,
                                         .ncols = NK_COUNTOF(metadata_cols)};

static const nk_col config_cols[] = {
    {"region", NK_COL_TEXT}, {"registry", NK_COL_TEXT}, {"subject", NK_COL_TEXT},
    {"compat", NK_COL_I64},  {"mode", NK_COL_I64},
};
const nk_kind nk_kind_schema_config = {.name = "glue_schema_config",
                                       .version = 1,
                                       .nkey = 3,
                                       .cols = config_cols,
                                       .ncols = NK_COUNTOF(config_cols)};

/* Tables that follow a schema's latest version; looked at again before they are changed. */
static const nk_col follower_cols[] = {
    {"schema", NK_COL_I64}, {"database", NK_COL_TEXT}, {"tbl", NK_COL_TEXT}};
const nk_kind nk_kind_schema_follower = {.name = "glue_schema_follower",
                                         .version = 1,
                                         .nkey = 3,
                                         .cols = follower_cols,
                                         .ncols = NK_COUNTOF(follower_cols)};

_Static_assert(NK_COUNTOF(registry_cols) == NK_REG_NCOLS, "columns");
_Static_assert(NK_COUNTOF(schema_cols) == NK_SCH_NCOLS, "columns");
_Static_assert(NK_COUNTOF(version_cols) == NK_VER_NCOLS, "columns");
_Static_assert(NK_COUNTOF(link_cols) == NK_LNK_NCOLS, "columns");
_Static_assert(NK_COUNTOF(metadata_cols) == NK_META_NCOLS, "columns");
_Static_assert(NK_COUNTOF(config_cols) == NK_CFG_NCOLS, "columns");

const nk_kind *const nk_registry_kinds[] = {&nk_kind_registry,        &nk_kind_schema,
                                            &nk_kind_schema_version,  &nk_kind_schema_link,
                                            &nk_kind_schema_metadata, &nk_kind_schema_config,
                                            &nk_kind_schema_follower, NULL};
