#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "crawl/crawlers_int.h"

static void configurations(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_crawl_config c;
    assert_int_equal(nk_crawl_config_parse(NK_STR_NULL, a, &c, NULL), NK_OK);
    assert_int_equal(
        nk_crawl_config_parse(
            NK_STR("{\"Version\":1.0,\"CrawlerOutput\":{\"Tables\":{\"AddOrUpdateBehavior\":"
                   "\"MergeNewColumns\","
                   "\"TableThreshold\":5},\"Partitions\":{\"AddOrUpdateBehavior\":"
                   "\"InheritFromTable\"}},"
                   "\"Grouping\":{\"TableGroupingPolicy\":\"CombineCompatibleSchemas\","
                   "\"TableLevelConfiguration\":3},\"CreatePartitionIndex\":true}"),
            a, &c, NULL),
        NK_OK);
    assert_true(c.merge_new_columns && c.inherit && c.combine);
    assert_int_equal(c.table_level, 3);
    assert_int_equal(c.table_threshold, 5);
    static const char *const wrong[] = {
        "[]",
        "{",
        "{\"Versions\":1}",
        "{\"Version\":2}",
        "{\"CrawlerOutput\":1}",
        "{\"CrawlerOutput\":{\"Tables\":{\"AddOrUpdateBehavior\":\"Other\"}}}",
        "{\"CrawlerOutput\":{\"Views\":{}}}",
        "{\"Grouping\":{\"TableLevelConfiguration\":0}}",
        "{\"Grouping\":{\"TableLevelConfiguration\":\"x\"}}",
        "{\"CreatePartitionIndex\":\"yes\"}",
    };
    for (size_t i = 0; i < NK_COUNTOF(wrong); i++)
        assert_int_equal(nk_crawl_config_parse(nk_str_c(wrong[i]), a, &c, NULL), NK_E_INVALID);
    nk_arena_destroy(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(configurations)};
    return cmocka_run_group_tests_name("crawl_config", tests, NULL, NULL);
}
