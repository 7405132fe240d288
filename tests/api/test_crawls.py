"""Crawls of S3 through boto3: grouping into tables and partitions, policies, change between crawls, schedules and history."""
import datetime
import json
import random
import time
import urllib.parse
import uuid

import pyarrow as pa
import pytest
from botocore.exceptions import ClientError

from conftest import wait_for
from crawling import World, code_of, columns, parquet, query


@pytest.fixture(scope="module")
def world(glue, s3):
    return World(glue, s3)


def csv(*names, rows=3, seed=0):
    rng = random.Random(seed)
    return ",".join(names) + "\n" + "".join(",".join(str(rng.randrange(1000)) for _ in names) + "\n" for _ in range(rows))


# ---- folders to tables ----

def test_hive_partitions(world):
    rng = random.Random(8)
    want = {}
    files = {}
    for year in (2022, 2023):
        for month in range(1, 13):
            n = rng.randrange(2, 9)
            files[f"year={year}/month={month:02d}/f.csv"] = csv("a", "b", rows=n, seed=month)
            want[(str(year), f"{month:02d}")] = n
    name, tables = world.crawl(files)
    assert list(tables) == [name]
    t = tables[name]
    assert columns(t) == [("a", "bigint"), ("b", "bigint")]
    assert t["PartitionKeys"] == [{"Name": "year", "Type": "string"}, {"Name": "month", "Type": "string"}]
    assert t["Parameters"]["objectCount"] == "24" and t["Parameters"]["recordCount"] == str(sum(want.values()))
    parts = world.partitions(name, name)
    assert {k: int(p["Parameters"]["recordCount"]) for k, p in parts.items()} == want
    p = parts[("2023", "07")]
    assert p["StorageDescriptor"]["Location"] == f"s3://{world.bucket}/{name}/year=2023/month=07/"
    assert p["StorageDescriptor"]["Columns"] == t["StorageDescriptor"]["Columns"]
    assert p["StorageDescriptor"]["SerdeInfo"] == t["StorageDescriptor"]["SerdeInfo"]
    index = world.glue.get_partition_indexes(DatabaseName=name, TableName=name)["PartitionIndexDescriptorList"]
    assert [(i["IndexName"], [k["Name"] for k in i["Keys"]], i["IndexStatus"]) for i in index] == [("crawler_partition_index", ["year", "month"], "ACTIVE")]
    assert t["Parameters"]["partition_filtering.enabled"] == "true"
    assert world.glue.get_partitions(DatabaseName=name, TableName=name, Expression="year='2022' and month>'10'", ExcludeColumnSchema=True)["Partitions"]


def test_no_partition_index_when_not_wanted(world):
    name, tables = world.crawl({"k=1/f.csv": csv("a", "b")}, Configuration=json.dumps({"Version": 1.0, "CreatePartitionIndex": False}))
    assert world.glue.get_partition_indexes(DatabaseName=name, TableName=name)["PartitionIndexDescriptorList"] == []
    assert "partition_filtering.enabled" not in tables[name]["Parameters"]


def test_plain_folders_are_partitions_when_alike_and_tables_when_not(world):
    name, tables = world.crawl({"2022/01/f": csv("a", "b"), "2022/02/f": csv("a", "b"), "2023/01/f": csv("a", "b")})
    assert [k["Name"] for k in tables[name]["PartitionKeys"]] == ["partition_0", "partition_1"]
    assert set(world.partitions(name, name)) == {("2022", "01"), ("2022", "02"), ("2023", "01")}
    name, tables = world.crawl({"orders/f": csv("id", "total"), "people/f": json.dumps({"name": "x", "age": 3}), "log/f.parquet": parquet(pa.table({"q": [1]}))})
    assert sorted(tables) == ["log", "orders", "people"]
    assert {t["Parameters"]["classification"] for t in tables.values()} == {"csv", "json", "parquet"}


def test_odd_names_of_folders_and_tables(world):
    values = ["a b", "x=y", "50%", "ünï", "a+b", "c,d", "it's", "__HIVE_DEFAULT_PARTITION__"]
    files = {f"k={urllib.parse.quote(v, safe=' =+,ü')}/f.json": json.dumps({"v": i}) for i, v in enumerate(values)}
    name, tables = world.crawl(files)
    assert {k[0] for k in world.partitions(name, name)} == set(values)
    name, tables = world.crawl({"My Folder.v2/x/f": csv("a", "b"), "Ünder/y/f.json": "{\"q\":{\"r\":1}}"}, TablePrefix="Raw_")
    assert sorted(tables) == ["raw_my_folder_v2", "raw__nder"] or sorted(tables) == sorted(["raw_my_folder_v2", "raw__nder"])


def test_schema_merge_over_files_and_partitions(world):
    name, tables = world.crawl({"k=1/f.json": json.dumps({"a": 1, "b": "x"}), "k=2/f.json": json.dumps({"a": 2 ** 40, "b": "x", "c": [1]}),
                                "k=3/f.json": json.dumps({"a": 1.5, "b": 5, "c": [2.5], "d": {"e": 1}})})
    t = tables[name]
    assert columns(t) == [("a", "double"), ("b", "string"), ("c", "array<double>"), ("d", "struct<e:int>")]
    parts = world.partitions(name, name)
    assert columns(parts[("1",)]) == [("a", "int"), ("b", "string")]
    name, tables = world.crawl({"k=1/f.json": json.dumps({"a": 1}), "k=2/f.json": json.dumps({"a": 1, "c": 1})},
                               Configuration=json.dumps({"Version": 1.0, "CrawlerOutput": {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}}}))
    assert columns(world.partitions(name, name)[("1",)]) == columns(tables[name]) == [("a", "int"), ("c", "int")]


def test_exclusions(world):
    files = {"a/f.csv": csv("a", "b"), "a/skip.tmp": "x", "b/f.csv": csv("a", "b"), "c/deep/f.csv": csv("a", "b"), ".hidden/f": "x", "_tmp/f": "y"}
    name, tables = world.crawl(files, target={"Exclusions": ["**.tmp", "b/**", "c/*/[a-f].csv"]})
    assert list(tables) == [name] or list(tables) == ["a"]
    assert sum(int(t["Parameters"]["objectCount"]) for t in tables.values()) == 1


def test_several_targets_and_name_clashes(world):
    name = world.fresh()
    for side in ("left", "right"):
        world.put(f"{name}/{side}/data/f.csv", csv("a", side))
    world.glue.create_crawler(Name=name, Role="r", DatabaseName=name, Targets={"S3Targets": [
        {"Path": f"s3://{world.bucket}/{name}/{side}/data"} for side in ("left", "right")]})
    world.run(name)
    tables = world.tables(name)
    assert len(tables) == 2 and "data" in tables
    other = next(t for t in tables if t != "data")
    assert other.startswith("data_") and len(other) == len("data_") + 32
    assert {t["StorageDescriptor"]["Location"] for t in tables.values()} == {f"s3://{world.bucket}/{name}/{s}/data/" for s in ("left", "right")}
    world.run(name)  # the same names again
    assert sorted(world.tables(name)) == sorted(tables)


def test_a_file_and_the_whole_bucket_as_targets(world, s3):
    name = world.fresh()
    world.put(f"{name}/one.csv", csv("a", "b"))
    world.put(f"{name}/two.csv", csv("x", "y"))
    world.create(name, f"{name}/one.csv")
    world.run(name)
    tables = world.tables(name)
    assert list(tables) == ["one_csv"] and columns(tables["one_csv"]) == [("a", "bigint"), ("b", "bigint")]
    bucket = "whole-" + uuid.uuid4().hex[:10]
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="f.csv", Body=csv("a", "b").encode())
    name = world.fresh()
    world.create(name, f"s3://{bucket}")
    world.run(name)
    assert list(world.tables(name)) == [bucket.replace("-", "_")]


def test_grouping_configuration(world):
    files = {"a/2023/f.json": json.dumps({"x": 1}), "a/2024/f.json": json.dumps({"x": 1}), "b/2023/f.json": json.dumps({"p": 1, "q": 2})}
    level = json.dumps({"Version": 1.0, "Grouping": {"TableLevelConfiguration": 3}})
    name, tables = world.crawl(files, Configuration=level)
    assert sorted(tables) == ["a", "b"] and [k["Name"] for k in tables["a"]["PartitionKeys"]] == ["partition_0"]
    combine = json.dumps({"Version": 1.0, "Grouping": {"TableGroupingPolicy": "CombineCompatibleSchemas"}})
    name, tables = world.crawl(files, Configuration=combine)
    assert list(tables) == [name] and columns(tables[name]) == [("x", "int"), ("p", "int"), ("q", "int")]


@pytest.mark.parametrize("configuration", ["no json", "[]", '{"Version":2}', '{"Nope":1}', '{"Grouping":{"TableLevelConfiguration":0}}',
                                           '{"Grouping":{"TableGroupingPolicy":"x"}}', '{"CrawlerOutput":{"Tables":{"AddOrUpdateBehavior":"InheritFromTable"}}}',
                                           '{"CreatePartitionIndex":"yes"}'])
def test_a_wrong_configuration_is_refused(world, configuration):
    with pytest.raises(ClientError) as e:
        world.create("wrong-configuration", "x/", db="d", Configuration=configuration)
    assert e.value.response["Error"]["Code"] == "InvalidInputException"


def test_sample_size_looks_into_so_many_files_only(world):
    name = world.fresh()
    for i in range(6):
        world.put(f"{name}/f{i}.json", json.dumps({"a": i, "b": 1, "c": 1, "d": 1, f"k{i}": 1}))
    world.create(name, f"{name}/", target={"SampleSize": 2})
    world.run(name)
    t = world.tables(name)[name]
    assert columns(t) == [(c, "int") for c in ("a", "b", "c", "d", "k0", "k1")]
    assert t["Parameters"]["objectCount"] == "6"
    for size in (0, 250):
        with pytest.raises(ClientError):
            world.create("size", "x/", db="d", target={"SampleSize": size})


def test_table_threshold(world):
    name = world.fresh()
    for i in range(3):
        world.put(f"{name}/t{i}/f.json", json.dumps({f"only_here_{i}": 1, f"and_here_{i}": 2}))
    world.create(name, f"{name}/", Configuration=json.dumps({"Version": 1.0, "CrawlerOutput": {"Tables": {"TableThreshold": 2}}}))
    c = world.run(name, expect="FAILED")
    assert "TableThreshold" in c["LastCrawl"]["ErrorMessage"]
    assert code_of(world.glue.get_database, Name=name) == "EntityNotFoundException"


# ---- crawls under change ----

def test_update_policies(world):
    for policy, after in (("UPDATE_IN_DATABASE", [("a", "bigint"), ("c", "bigint")]), ("LOG", [("a", "bigint"), ("b", "bigint")])):
        name = world.fresh()
        world.put(f"{name}/f.csv", csv("a", "b"))
        world.create(name, f"{name}/", SchemaChangePolicy={"UpdateBehavior": policy, "DeleteBehavior": "LOG"})
        world.run(name)
        before = world.tables(name)[name]
        world.put(f"{name}/f.csv", csv("a", "c"))
        world.run(name)
        t = world.tables(name)[name]
        assert columns(t) == after
        assert t["CreateTime"] == before["CreateTime"]
        versions = world.glue.get_table_versions(DatabaseName=name, TableName=name)["TableVersions"]
        assert len(versions) == (2 if policy != "LOG" else 1)


def test_merge_new_columns_and_what_users_have_set(world):
    name = world.fresh()
    world.put(f"{name}/f.csv", csv("a", "b"))
    world.create(name, f"{name}/", Configuration=json.dumps({"Version": 1.0, "CrawlerOutput": {"Tables": {"AddOrUpdateBehavior": "MergeNewColumns"}}}))
    world.run(name)
    t = world.tables(name)[name]
    t["StorageDescriptor"]["Columns"][0]["Comment"] = "mine"
    t["StorageDescriptor"]["Columns"][1]["Type"] = "string"
    keep = {k: t[k] for k in ("Name", "Owner", "StorageDescriptor", "PartitionKeys", "TableType")}
    world.glue.update_table(DatabaseName=name, TableInput=dict(keep, Description="ours", Parameters=dict(t["Parameters"], team="x")))
    world.put(f"{name}/f.csv", csv("b", "c"))
    world.run(name)
    t = world.tables(name)[name]
    assert columns(t) == [("a", "bigint"), ("b", "string"), ("c", "bigint")]
    assert t["StorageDescriptor"]["Columns"][0]["Comment"] == "mine"
    assert t["Description"] == "ours" and t["Parameters"]["team"] == "x"


def test_merge_new_columns_does_not_change_a_tables_kind(world):
    """Files of another format: the table is marked as deprecated, nothing else of it changes, and it comes back with its format."""
    name = world.fresh()
    world.put(f"{name}/d=1/f.csv", csv("a", "b"))
    world.create(name, f"{name}/", Configuration=json.dumps({"Version": 1.0, "CrawlerOutput": {"Tables": {"AddOrUpdateBehavior": "MergeNewColumns"}}}),
                 SchemaChangePolicy={"DeleteBehavior": "DELETE_FROM_DATABASE"})
    world.run(name)
    before, parts = world.tables(name)[name], world.partitions(name, name)
    world.s3.delete_object(Bucket=world.bucket, Key=f"{name}/d=1/f.csv")
    world.put(f"{name}/d=1/f.json", json.dumps({"a": 1, "z": "x"}))
    world.put(f"{name}/d=2/f.json", json.dumps({"a": 1, "z": "x"}))
    for again in range(2):
        world.run(name)
        t = world.tables(name)[name]
        assert t["Parameters"].pop("DEPRECATED_BY_CRAWLER")
        assert t["StorageDescriptor"] == before["StorageDescriptor"] and t["Parameters"] == before["Parameters"] and int(t["VersionId"]) == int(before["VersionId"]) + 1
        assert {v: p["StorageDescriptor"] for v, p in world.partitions(name, name).items()} == {v: p["StorageDescriptor"] for v, p in parts.items()}
    for day in ("1", "2"):
        world.s3.delete_object(Bucket=world.bucket, Key=f"{name}/d={day}/f.json")
        world.put(f"{name}/d={day}/f.csv", csv("a", "c"))
    world.run(name)
    t = world.tables(name)[name]
    assert "DEPRECATED_BY_CRAWLER" not in t["Parameters"] and columns(t) == [("a", "bigint"), ("b", "bigint"), ("c", "bigint")]
    assert set(world.partitions(name, name)) == {("1",), ("2",)}


def test_nothing_changes_when_nothing_has_changed(world):
    name, tables = world.crawl({f"k={k}/f.csv": csv("a", "b", seed=k) for k in range(5)})
    parts = world.partitions(name, name)
    world.run(name)
    after = world.tables(name)[name]
    assert after["VersionId"] == tables[name]["VersionId"] and columns(after) == columns(tables[name])
    assert {k: p["CreationTime"] for k, p in world.partitions(name, name).items()} == {k: p["CreationTime"] for k, p in parts.items()}
    crawl = world.glue.list_crawls(CrawlerName=name)["Crawls"][0]
    assert json.loads(crawl.get("Summary") or "{}") == {}


@pytest.mark.parametrize("policy", ["LOG", "DEPRECATE_IN_DATABASE", "DELETE_FROM_DATABASE"])
def test_delete_policies(world, policy):
    name = world.fresh()
    for k in range(4):
        world.put(f"{name}/parts/k={k}/f.csv", csv("a", "b"))
    world.put(f"{name}/gone/f.json", json.dumps({"q": {"r": 1}}))
    world.put(f"{name}/gone-not/f.json", json.dumps({"z": [1], "w": 2}))
    world.create(name, f"{name}/", SchemaChangePolicy={"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": policy})
    world.run(name)
    assert sorted(world.tables(name)) == ["gone", "gone_not", "parts"]
    world.s3.delete_object(Bucket=world.bucket, Key=f"{name}/gone/f.json")
    world.s3.delete_object(Bucket=world.bucket, Key=f"{name}/parts/k=1/f.csv")
    world.put(f"{name}/parts/k=9/f.csv", csv("a", "b"))
    world.run(name)
    tables = world.tables(name)
    assert ("gone" in tables) == (policy != "DELETE_FROM_DATABASE") and "gone_not" in tables
    if policy == "DEPRECATE_IN_DATABASE":
        stamp = int(tables["gone"]["Parameters"]["DEPRECATED_BY_CRAWLER"])
        assert abs(stamp / 1000 - tables["gone"]["UpdateTime"].timestamp()) < 60
    else:
        assert not any("DEPRECATED_BY_CRAWLER" in t["Parameters"] for t in tables.values())
    want = {"0", "1", "2", "3", "9"} - ({"1"} if policy == "DELETE_FROM_DATABASE" else set())
    assert {k[0] for k in world.partitions(name, "parts")} == want
    # the data comes back: no longer deprecated
    world.put(f"{name}/gone/f.json", json.dumps({"q": {"r": 1}}))
    world.run(name)
    assert "DEPRECATED_BY_CRAWLER" not in world.tables(name)["gone"]["Parameters"]


def test_a_prefix_is_no_parent(world):
    """Two crawlers, one over data, one over data2: neither drops what is the other's."""
    name = world.fresh()
    world.put(f"{name}/data/f.csv", csv("a", "b"))
    world.put(f"{name}/data2/f.csv", csv("x", "y"))
    world.glue.create_crawler(Name=name, Role="r", DatabaseName=name, SchemaChangePolicy={"DeleteBehavior": "DELETE_FROM_DATABASE"},
                              Targets={"S3Targets": [{"Path": f"s3://{world.bucket}/{name}/data"}, {"Path": f"s3://{world.bucket}/{name}/data2"}]})
    world.run(name)
    assert sorted(world.tables(name)) == ["data", "data2"]
    world.glue.update_crawler(Name=name, Targets={"S3Targets": [{"Path": f"s3://{world.bucket}/{name}/data"}]})
    world.run(name)
    assert sorted(world.tables(name)) == ["data", "data2"]


def test_a_partition_elsewhere_is_not_gone(world):
    """A user's partition lies in a folder whose name begins as the table's does: no crawl of the table may drop it."""
    name = world.fresh()
    for k in (1, 2):
        world.put(f"{name}/data/k={k}/f.csv", csv("a", "b"))
    world.put(f"{name}/data-old/k=0/f.csv", csv("a", "b"))
    world.create(name, f"{name}/data/", SchemaChangePolicy={"DeleteBehavior": "DELETE_FROM_DATABASE"})
    world.run(name)
    old = dict(world.tables(name)["data"]["StorageDescriptor"], Location=f"s3://{world.bucket}/{name}/data-old/k=0/")
    world.glue.create_partition(DatabaseName=name, TableName="data", PartitionInput={"Values": ["0"], "StorageDescriptor": old})
    world.s3.delete_object(Bucket=world.bucket, Key=f"{name}/data/k=2/f.csv")
    world.run(name)
    assert set(world.partitions(name, "data")) == {("0",), ("1",)}


def test_partition_keys_that_change_replace_the_table(world):
    name, tables = world.crawl({"k=1/f.csv": csv("a", "b")})
    world.s3.delete_object(Bucket=world.bucket, Key=f"{name}/k=1/f.csv")
    world.put(f"{name}/j=1/m=2/f.csv", csv("a", "b"))
    world.run(name)
    t = world.tables(name)[name]
    assert [k["Name"] for k in t["PartitionKeys"]] == ["j", "m"]
    assert set(world.partitions(name, name)) == {("1", "2")}


def test_new_folders_only(world):
    policy = {"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"}
    name = world.fresh()
    for k in range(3):
        world.put(f"{name}/a/dt={k}/f.json", json.dumps({"x": 1}))
    world.put(f"{name}/b/f.json", json.dumps({"p": 1, "q": 1}))
    with pytest.raises(ClientError) as e:
        world.create(name, f"{name}/", RecrawlPolicy={"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"},
                     SchemaChangePolicy={"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "LOG"})
    assert "only LOG" in e.value.response["Error"]["Message"]
    world.create(name, f"{name}/", RecrawlPolicy={"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"}, SchemaChangePolicy=policy)
    world.run(name)
    assert sorted(world.tables(name)) == ["a", "b"] and len(world.partitions(name, "a")) == 3
    # a changed old folder is not looked at, a new one is; what goes away stays
    world.put(f"{name}/a/dt=0/f.json", json.dumps({"changed": "yes"}))
    world.put(f"{name}/a/dt=7/f.json", json.dumps({"x": 1, "y": 2}))
    world.put(f"{name}/c/f.json", json.dumps({"m": 1, "n": 1, "o": 1}))
    world.s3.delete_object(Bucket=world.bucket, Key=f"{name}/a/dt=1/f.json")
    world.run(name)
    tables = world.tables(name)
    assert sorted(tables) == ["a", "b", "c"]
    assert columns(tables["a"]) == [("x", "int")]
    parts = world.partitions(name, "a")
    assert set(parts) == {("0",), ("1",), ("2",), ("7",)} and columns(parts[("0",)]) == [("x", "int")]
    with pytest.raises(ClientError):
        world.glue.update_crawler(Name=name, Targets={"S3Targets": [{"Path": f"s3://{world.bucket}/elsewhere/"}]})


# ---- states, history, schedules ----

def test_a_crawlers_life(world, watch):
    g, name = world.glue, world.fresh()
    targets = {"S3Targets": [{"Path": f"s3://{world.bucket}/{name}/"}]}
    world.put(f"{name}/f.csv", csv("a", "b"))
    g.create_crawler(Name=name, Role="r", DatabaseName=name, Targets=targets, Description="first", Schedule="cron(0 0 1 1 ? 2199)",
                     Tags={"crawler-of": name})
    made = g.get_crawler(Name=name)["Crawler"]
    assert made["Description"] == "first" and made["Targets"]["S3Targets"][0]["Path"] == targets["S3Targets"][0]["Path"]
    assert g.list_crawlers(Tags={"crawler-of": name})["CrawlerNames"] == [name]
    assert g.batch_get_crawlers(CrawlerNames=[name, "nobody"]) | {"ResponseMetadata": 0} == {
        "Crawlers": [made], "CrawlersNotFound": ["nobody"], "ResponseMetadata": 0}
    assert made in [c for p in g.get_paginator("get_crawlers").paginate(PaginationConfig={"PageSize": 3}) for c in p["Crawlers"]]
    assert code_of(g.start_crawler_schedule, CrawlerName=name) == "SchedulerRunningException"
    g.stop_crawler_schedule(CrawlerName=name)
    assert g.get_crawler(Name=name)["Crawler"]["Schedule"]["State"] == "NOT_SCHEDULED"
    assert code_of(g.stop_crawler_schedule, CrawlerName=name) == "SchedulerNotRunningException"
    g.start_crawler_schedule(CrawlerName=name)
    assert g.get_crawler(Name=name)["Crawler"]["Schedule"]["State"] == "SCHEDULED"
    g.update_crawler(Name=name, Description="second")
    updated = g.get_crawler(Name=name)["Crawler"]
    assert updated["Description"] == "second" and updated["Version"] == 2 and updated["Schedule"]["State"] == "SCHEDULED"
    world.run(name)
    metrics = g.get_crawler_metrics(CrawlerNameList=[name])["CrawlerMetricsList"]
    assert [(m["CrawlerName"], m["TablesCreated"]) for m in metrics] == [(name, 1)]
    for operation in ("StartCrawlerSchedule", "StopCrawlerSchedule", "StartCrawler", "GetCrawlerMetrics", "GetCrawlers", "BatchGetCrawlers"):
        watch.proved(operation)
    for call in (g.get_crawlers, g.list_crawlers, g.get_crawler_metrics):
        assert code_of(call, MaxResults=1001) == "ValidationException"
    assert code_of(g.batch_get_crawlers, CrawlerNames=["x" * 256]) == "ValidationException"
    g.delete_crawler(Name=name)
    assert code_of(g.get_crawler, Name=name) == "EntityNotFoundException"
    for call, given in ((g.update_crawler, {"Name": name}), (g.delete_crawler, {"Name": name}), (g.start_crawler, {"Name": name}),
                        (g.stop_crawler, {"Name": name}), (g.start_crawler_schedule, {"CrawlerName": name}),
                        (g.stop_crawler_schedule, {"CrawlerName": name})):
        assert code_of(call, **given) == "EntityNotFoundException"


def test_stop_in_mid_crawl(world, watch):
    name = world.fresh()
    for i in range(400):
        world.put(f"{name}/k={i}/f.csv", csv("a", "b"))
    world.create(name, f"{name}/")
    assert code_of(world.glue.stop_crawler, Name=name) == "CrawlerNotRunningException"
    world.glue.start_crawler(Name=name)
    assert code_of(world.glue.start_crawler, Name=name) == "CrawlerRunningException"
    assert code_of(world.glue.update_crawler, Name=name, Description="x") == "CrawlerRunningException"
    assert code_of(world.glue.delete_crawler, Name=name) == "CrawlerRunningException"
    world.glue.stop_crawler(Name=name)
    c = wait_for(lambda: (lambda c: c if c["State"] == "READY" else None)(world.glue.get_crawler(Name=name)["Crawler"]), 60)
    assert c["LastCrawl"]["Status"] == "CANCELLED"
    watch.proved("StopCrawler")
    assert world.glue.list_crawls(CrawlerName=name)["Crawls"][0]["State"] == "STOPPED"
    assert code_of(world.glue.get_table, DatabaseName=name, Name=name) == "EntityNotFoundException"
    world.run(name)
    assert len(world.partitions(name, name)) == 400


def test_history_with_filters_and_pages(world):
    name = world.fresh()
    world.put(f"{name}/f.csv", csv("a", "b"))
    world.create(name, f"{name}/")
    began = time.time()
    world.run(name)
    world.put(f"{name}/f.csv", csv("a", "b", "c"))
    world.run(name)
    world.put(f"{name}/f.csv", b"\xff\xfe\0")
    world.run(name, expect="FAILED")
    crawls = world.glue.list_crawls(CrawlerName=name)["Crawls"]
    assert [c["State"] for c in crawls] == ["FAILED", "COMPLETED", "COMPLETED"]
    assert len({c["CrawlId"] for c in crawls}) == 3
    assert all(c["LogGroup"] == "/aws-glue/crawlers" and c["LogStream"] == name and c["MessagePrefix"] == c["CrawlId"] for c in crawls)
    assert all(c["DPUHour"] > 0 for c in crawls)
    assert all(c["EndTime"] > c["StartTime"] and c["StartTime"].timestamp() >= began - 2 for c in crawls)
    first, second = json.loads(crawls[2]["Summary"]), json.loads(crawls[1]["Summary"])
    assert json.loads(first["TABLE"]) == {"ADD": {"Count": 1, "Names": [name]}}
    assert json.loads(second["TABLE"]) == {"UPDATE": {"Count": 1, "Names": [name]}}
    assert "UTF-16" in crawls[0]["ErrorMessage"]

    def ids(*filters, **more):
        return [c["CrawlId"] for c in world.glue.list_crawls(CrawlerName=name, Filters=[
            {"FieldName": f, "FilterOperator": o, "FieldValue": v} for f, o, v in filters], **more)["Crawls"]]
    every = [c["CrawlId"] for c in crawls]
    assert ids(("STATE", "EQ", "FAILED")) == every[:1] and ids(("STATE", "NE", "FAILED")) == every[1:]
    assert ids(("CRAWL_ID", "EQ", every[1])) == [every[1]]
    middle = str(int(crawls[1]["StartTime"].timestamp() * 1000))
    at = crawls[1]["StartTime"]
    assert ids(("START_TIME", "GT", middle)) == [c["CrawlId"] for c in crawls if c["StartTime"] > at]
    assert ids(("START_TIME", "LT", middle), ("STATE", "EQ", "COMPLETED")) == every[2:]
    seen, token = [], None
    while True:
        page = world.glue.list_crawls(CrawlerName=name, MaxResults=2, **({"NextToken": token} if token else {}))
        seen += [c["CrawlId"] for c in page["Crawls"]]
        token = page.get("NextToken")
        if not token:
            break
    assert seen == every
    assert code_of(world.glue.list_crawls, CrawlerName="nobody") == "EntityNotFoundException"
    metrics = world.glue.get_crawler_metrics(CrawlerNameList=[name])["CrawlerMetricsList"][0]
    assert metrics["CrawlerName"] == name and metrics["TablesCreated"] == 0 and metrics["LastRuntimeSeconds"] > 0 and not metrics["StillEstimating"]
    seconds = sorted((c["EndTime"] - c["StartTime"]).total_seconds() for c in crawls)
    assert abs(metrics["MedianRuntimeSeconds"] - seconds[1]) < 0.01


def test_crawl_log_explains(world, server):
    name, _ = world.crawl({"k=1/f.csv": csv("a", "b"), "k=2/f.csv": csv("a", "b"), "k=2/bad.parquet": "PAR1 no"})
    text = (server.data / "logs" / "crawlers" / "us-east-1" / f"{name}.log").read_text()
    crawl = world.glue.list_crawls(CrawlerName=name)["Crawls"][0]["CrawlId"]
    lines = [l for l in text.splitlines() if f"[{crawl}]" in l]
    assert lines and "BENCHMARK : Running Start Crawl for Crawler" in lines[0]
    assert any("folders named key=value hold like files" in l and "csv by" in l and f"s3://{world.bucket}/{name}/" in l for l in lines)
    assert any("bad.parquet" in l and "WARN" in l for l in lines)
    assert any("1 created" in l for l in lines) and "READY" in lines[-1]


def test_missing_bucket_and_empty_prefix(world):
    name = world.fresh()
    world.create(name, "s3://no-such-bucket-" + uuid.uuid4().hex[:8] + "/x/")
    c = world.run(name, expect="FAILED")
    assert "does not exist" in c["LastCrawl"]["ErrorMessage"]
    name = world.fresh()
    world.create(name, f"{name}/nothing/")
    world.run(name)
    assert world.tables(name) == {}


@pytest.mark.parametrize("targets", [{"JdbcTargets": [{"ConnectionName": "c", "Path": "db/%"}]}, {"DynamoDBTargets": [{"Path": "t", "scanAll": True, "scanRate": 0.5}]},
                                     {"MongoDBTargets": [{"ConnectionName": "c", "Path": "db/c"}]}])
def test_targets_without_a_connector_are_kept_and_refused_at_the_start(world, targets):
    name = world.fresh()
    world.glue.create_crawler(Name=name, Role="r", DatabaseName=name, Targets=targets)
    got = world.glue.get_crawler(Name=name)["Crawler"]["Targets"]
    kind = next(iter(targets))
    assert {k: got[kind][0][k] for k in targets[kind][0]} == targets[kind][0]
    with pytest.raises(ClientError) as e:
        world.glue.start_crawler(Name=name)
    assert e.value.response["Error"]["Code"] == "OperationNotSupportedException" and kind in e.value.response["Error"]["Message"]
    assert world.glue.get_crawler(Name=name)["Crawler"]["State"] == "READY"


@pytest.mark.parametrize("targets", [{"JdbcTargets": [{"Path": "db/%"}]}, {"MongoDBTargets": [{"Path": "d/c"}]}, {"DynamoDBTargets": [{"scanAll": True}]},
                                     {"DynamoDBTargets": [{"Path": "t", "scanRate": 1.6}]}, {"DynamoDBTargets": [{"Path": "t", "scanRate": 0.05}]}])
def test_targets_that_say_too_little_are_refused(world, targets):
    assert code_of(world.glue.create_crawler, Name="wrong", Role="r", DatabaseName="d", Targets=targets) == "InvalidInputException"


def test_lineage_and_lake_formation_settings_are_kept(world):
    name = world.fresh()
    world.create(name, "x/", LineageConfiguration={"CrawlerLineageSettings": "ENABLE"},
                 LakeFormationConfiguration={"UseLakeFormationCredentials": True, "AccountId": "123456789012"})
    c = world.glue.get_crawler(Name=name)["Crawler"]
    assert c["LineageConfiguration"] == {"CrawlerLineageSettings": "ENABLE"}
    assert c["LakeFormationConfiguration"] == {"UseLakeFormationCredentials": True, "AccountId": "123456789012"}
    world.create(name + "d", "x/", db="d")
    c = world.glue.get_crawler(Name=name + "d")["Crawler"]
    assert c["LineageConfiguration"] == {"CrawlerLineageSettings": "DISABLE"}
    assert c["SchemaChangePolicy"] == {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DEPRECATE_IN_DATABASE"}
    assert c["RecrawlPolicy"] == {"RecrawlBehavior": "CRAWL_EVERYTHING"}


def test_a_schedule_fires(world):
    name = world.fresh()
    world.put(f"{name}/f.csv", csv("a", "b"))
    due = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=65)  # the next minute that is not just beginning
    cron = f"cron({due.minute} {due.hour} * * ? *)"
    world.create(name, f"{name}/", Schedule=cron)
    c = world.glue.get_crawler(Name=name)["Crawler"]
    assert c["Schedule"] == {"ScheduleExpression": cron, "State": "SCHEDULED"}
    crawl = wait_for(lambda: world.glue.list_crawls(CrawlerName=name)["Crawls"], 90, 0.5)[0]
    assert crawl["StartTime"].second < 10
    assert code_of(world.glue.start_crawler_schedule, CrawlerName=name) == "SchedulerRunningException"
    world.glue.stop_crawler_schedule(CrawlerName=name)
    assert code_of(world.glue.stop_crawler_schedule, CrawlerName=name) == "SchedulerNotRunningException"
    world.wait(name)
    world.glue.update_crawler_schedule(CrawlerName=name, Schedule="cron(15 12 1W * ? *)")
    assert world.glue.get_crawler(Name=name)["Crawler"]["Schedule"]["ScheduleExpression"] == "cron(15 12 1W * ? *)"
    for wrong in ("rate(5 minutes)", "cron(* * * * *)", "cron(0 0 * * * *)", "cron(60 0 * * ? *)", "cron(0 0 ? * ? *)",
                  "cron(* * * * ? *)", "cron(0/4 * * * ? *)", "cron(1,58 * * * ? *)"):
        with pytest.raises(ClientError) as e:
            world.glue.update_crawler_schedule(CrawlerName=name, Schedule=wrong)
        assert e.value.response["Error"]["Code"] == "InvalidInputException"


@pytest.mark.parametrize("wrong, says", [
    ({"Role": ""}, "role"), ({"Role": "arn:aws:iam::12:role/x"}, "ARN"), ({"Role": "arn:aws:iam::000000000000:user/x"}, "ARN"), ({"Role": "a b"}, "role"),
    ({"CatalogId": "111111111111"}, "CatalogId"), ({"CrawlerSecurityConfiguration": "there-is-none"}, "does not exist"),
    ({"Schedule": "cron(0/2 * * * ? *)"}, "5 minutes"),
    ({"RecrawlPolicy": {"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"}, "Targets": {"DeltaTargets": [{"DeltaTables": ["s3://lake/x"]}]},
      "SchemaChangePolicy": {"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"}}, "S3 targets"),
])
def test_definitions_that_are_refused(world, wrong, says):
    name = world.fresh()
    good = {"Name": name, "Role": "service-role/Me", "DatabaseName": name, "Targets": {"S3Targets": [{"Path": f"s3://{world.bucket}/x"}]}}
    with pytest.raises(ClientError) as e:
        world.glue.create_crawler(**{**good, **wrong})
    assert e.value.response["Error"]["Code"] == "InvalidInputException" and says in e.value.response["Error"]["Message"]
    world.glue.create_crawler(**good)
    with pytest.raises(ClientError) as e:
        world.glue.update_crawler(Name=name, **wrong)
    assert e.value.response["Error"]["Code"] == "InvalidInputException" and says in e.value.response["Error"]["Message"]
    c = world.glue.get_crawler(Name=name)["Crawler"]
    assert c["Version"] == 1 and c["Role"] == "service-role/Me"


def test_what_has_no_effect_is_told(world, server):
    name = world.fresh()
    world.glue.create_security_configuration(Name=name, EncryptionConfiguration={})
    world.put(f"{name}/f.csv", csv("a", "b"))
    world.create(name, f"{name}/", CrawlerSecurityConfiguration=name, LineageConfiguration={"CrawlerLineageSettings": "ENABLE"},
                 LakeFormationConfiguration={"UseLakeFormationCredentials": True})
    world.run(name)
    log = (server.data / "logs" / "crawlers" / "us-east-1" / f"{name}.log").read_text()
    assert "Lake Formation" in log and "lineage" in log and f"Security configuration {name}" in log


@pytest.mark.parametrize("filter", [("STATE", "EQ", "BOGUS"), ("STATE", "GT", "FAILED"), ("CRAWL_ID", "LT", "x"), ("START_TIME", "GT", "yesterday"), ("DPU_HOUR", "EQ", "")])
def test_filters_that_cannot_be_meant(world, filter):
    name = world.fresh()
    world.create(name, f"{name}/")
    assert code_of(world.glue.list_crawls, CrawlerName=name, Filters=[dict(zip(("FieldName", "FilterOperator", "FieldValue"), filter))]) == "InvalidInputException"


def test_exclusions_are_written_down_as_long_as_they_are_there(world):
    name, tables = world.crawl({"f.csv": csv("a", "b"), "x/f.tmp": csv("c", "d")}, target={"Exclusions": ["x/**", "*.{a,b}"]})
    path = f"s3://{world.bucket}/{name}/"
    assert json.loads(tables[name]["Parameters"]["exclusions"]) == [path + "x/**", path + "*.{a,b}"]
    world.glue.update_crawler(Name=name, Targets={"S3Targets": [{"Path": path + "f.csv"}]})
    world.glue.update_crawler(Name=name, Targets={"S3Targets": [{"Path": path, "Exclusions": ["x/*"]}]})
    world.run(name)
    assert json.loads(world.tables(name)[name]["Parameters"]["exclusions"]) == [path + "x/*"]
    world.s3.delete_object(Bucket=world.bucket, Key=f"{name}/x/f.tmp")
    world.glue.update_crawler(Name=name, Targets={"S3Targets": [{"Path": path}]})
    world.run(name)
    assert "exclusions" not in world.tables(name)[name]["Parameters"]


@pytest.mark.parametrize("policy", ["DELETE_FROM_DATABASE", "DEPRECATE_IN_DATABASE"])
def test_a_table_whose_neighbours_go_stays_a_table(world, policy):
    name = world.fresh()
    world.put(f"{name}/one/d=1/f.csv", csv("a", "b"))
    world.put(f"{name}/one/d=2/f.csv", csv("a", "b"))
    world.put(f"{name}/two/f.csv", csv("w", "x", "y", "z"))
    world.create(name, f"{name}/", SchemaChangePolicy={"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": policy})
    world.run(name)
    world.s3.delete_object(Bucket=world.bucket, Key=f"{name}/two/f.csv")
    world.run(name)
    tables = world.tables(name)
    stamp = tables.get("two", {"Parameters": {}})["Parameters"].get("DEPRECATED_BY_CRAWLER")
    assert sorted(tables) == (["one"] if policy == "DELETE_FROM_DATABASE" else ["one", "two"]) and bool(stamp) == ("two" in tables)
    assert [k["Name"] for k in tables["one"]["PartitionKeys"]] == ["d"] and set(world.partitions(name, "one")) == {("1",), ("2",)}
    # and one that comes back is a table again, which is told
    world.put(f"{name}/two/f.csv", csv("w", "x", "y", "z"))
    world.run(name)
    assert "DEPRECATED_BY_CRAWLER" not in world.tables(name)["two"]["Parameters"]
    summary = json.loads(json.loads(world.glue.list_crawls(CrawlerName=name, MaxResults=1)["Crawls"][0]["Summary"])["TABLE"])
    assert summary == {"ADD" if policy == "DELETE_FROM_DATABASE" else "UPDATE": {"Count": 1, "Names": ["two"]}}


def test_new_folders_of_a_table_whose_columns_a_user_has_renamed(world):
    name = world.fresh()
    rows = "1,2\n3,4\n5,6\n"
    world.put(f"{name}/d=1/f.csv", rows)
    world.create(name, f"{name}/", RecrawlPolicy={"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"}, SchemaChangePolicy={"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"})
    world.run(name)
    t = world.tables(name)[name]
    assert columns(t) == [("col0", "bigint"), ("col1", "bigint")]
    t["StorageDescriptor"]["Columns"] = [{"Name": "id", "Type": "bigint"}, {"Name": "price", "Type": "bigint"}]
    world.glue.update_table(DatabaseName=name, TableInput={k: t[k] for k in ("Name", "StorageDescriptor", "PartitionKeys", "TableType", "Parameters")})
    world.put(f"{name}/d=2/f.csv", rows)
    world.run(name)
    assert set(world.partitions(name, name)) == {("1",), ("2",)} and columns(world.tables(name)[name]) == [("id", "bigint"), ("price", "bigint")]


def test_new_folders_that_are_not_like_their_table_are_passed_over(world, server):
    name = world.fresh()
    policy = {"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"}
    world.put(f"{name}/d=1/f.csv", csv("a", "b", "c"))
    world.create(name, f"{name}/", RecrawlPolicy={"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"}, SchemaChangePolicy=policy)
    world.run(name)
    world.put(f"{name}/d=2/f.json", json.dumps({"a": 1, "b": 2, "c": 3}))
    world.run(name)
    assert set(world.partitions(name, name)) == {("1",)}
    world.put(f"{name}/d=3/f.csv", csv("p", "q", "r"))
    world.put(f"{name}/d=4/f.csv", csv("a", "b", "c", "d"))
    world.run(name)
    assert set(world.partitions(name, name)) == {("1",), ("4",)} and list(world.tables(name)) == [name]
    log = (server.data / "logs" / "crawlers" / "us-east-1" / f"{name}.log").read_text()
    assert "not like table" in log and f"{name}/d=3/" in log


# ---- what the crawler decided is what jobs read with ----

def test_jobs_read_what_was_crawled(world, server):
    name, tables = world.crawl({
        "quoted/f.csv": 'who,n\n"Smith, ""Joe""",1\n"x",2\n', "pipes/k=1/f": "a|b\n1|x\n0|x\n", "pipes/k=2/f": "a|b\n2|y\n0|y\n",
        "rows/f.json": json.dumps([{"q": {"r": 1}, "z": "x"}, {"q": {"r": 2}, "z": "y"}]),
        "pq/f.parquet": parquet(pa.table({"pn": [1, 2, 3], "here": [1, 2, 3], "today": [1, 2, 3]}))})
    assert sorted(tables) == ["pipes", "pq", "quoted", "rows"]
    assert query(server, f'select who from "{name}".quoted where n = 1') == ['"Smith, ""Joe"""']
    assert query(server, f'select sum(a), min(k) from "{name}".pipes') == ["3,1"]
    assert query(server, f'select sum(q.r) from "{name}".rows') == ["3"]
    assert query(server, f'select sum(pn) from "{name}".pq') == ["6"]
