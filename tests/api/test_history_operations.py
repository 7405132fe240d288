"""Every operation that changes the catalogue or a crawler leaves changes in the history that bring all back. The operations are
read from src/api/ops.def; those that leave none stand, with the reason, in docs/catalog.md."""
import json
import re

import pytest
from conftest import ROOT, every, wait_for
from test_history import history, nikawa, snapshot, there

FAMILIES = ("catalog", "iceberg", "crawl")
REGION = "arn:aws:glue:us-east-1:000000000000:"
AT = {"DatabaseName": "d", "TableName": "t"}
KEYS = [{"Name": "y", "Type": "int"}, {"Name": "m", "Type": "string"}]
CSV = {"Name": "csv", "Delimiter": ","}
TARGETS = {"S3Targets": [{"Path": "s3://b/t"}]}
OPTIMIZER = {"CatalogId": "000000000000", "DatabaseName": "d", "TableName": "ice", "Type": "compaction"}


def changing():
    """The operations of the families that may change something, as ops.def has them."""
    found, family = [], None
    for line in (ROOT / "src/api/ops.def").read_text().splitlines():
        if title := re.fullmatch(r"/\* (\w+) \*/", line):
            family = title[1]
        elif (op := re.match(r"NK_OP(?:_OR_SLOW)?\(glue, (\w+), (\w+)", line)) and family in FAMILIES and op[2] != "READ":
            found.append(op[1])
    return found


def not_kept():
    """Operation → reason, of the table in docs/catalog.md."""
    section = (ROOT / "docs/catalog.md").read_text().split("## What the history leaves out")[1].split("\n## ")[0]
    return {op: row[2] for row in re.finditer(r"^\| (.+?) \| (.+?) \|$", section, re.M) for op in re.findall(r"`(\w+)`", row[1])}


def table(text, **more):
    return {"Name": "t", "Description": text, "PartitionKeys": KEYS, "StorageDescriptor": {"Columns": [{"Name": "a", "Type": "int"}], "Location": "s3://b/t"}, **more}


def part(values, text="p"):
    return {"Values": values, "Parameters": {"text": text}, "StorageDescriptor": {"Columns": [{"Name": "a", "Type": "int"}], "Location": "s3://b/t/" + "/".join(values)}}


def statistics(n, column="y"):
    return {"ColumnName": column, "ColumnType": "int", "AnalyzedTime": 1700000000, "StatisticsData": {
        "Type": "LONG", "LongColumnStatisticsData": {"NumberOfNulls": n, "NumberOfDistinctValues": n}}}


def connection(text):
    return {"Name": "c", "ConnectionType": "JDBC", "Description": text, "ConnectionProperties": {"JDBC_CONNECTION_URL": "jdbc:x", "USERNAME": "u", "PASSWORD": text}}


def rest_type(name):
    return {"ConnectionType": name, "IntegrationType": "REST", "Description": "mine", "ConnectionProperties": {},
            "ConnectorAuthenticationConfiguration": {"AuthenticationTypes": ["BASIC"]}, "RestConfiguration": {}}


def policy(text):
    return json.dumps({"Version": "1", "Id": text, "Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}})


def off(**more):
    return {"TableOptimizerConfiguration": {"roleArn": "arn:aws:iam::000000000000:role/r", "enabled": False, **more}}


def function(text):
    return {"FunctionName": "f", "ClassName": text}


def settled(g, **at):
    return wait_for(lambda: all(i["IndexStatus"] != "CREATING" for i in g.get_partition_indexes(**at)["PartitionIndexDescriptorList"]))


def build(g):
    """A world in which every operation has something to change."""
    g.create_catalog(Name="cat", CatalogInput={"Description": "one"}, Tags={"of": "cat"})
    g.create_database(CatalogId="cat", DatabaseInput={"Name": "inside"})
    g.create_database(DatabaseInput={"Name": "d", "Description": "one"}, Tags={"k": "v"})
    g.create_table(DatabaseName="d", TableInput=table("0"))
    g.create_table(DatabaseName="d", TableInput={"Name": "ice", "Parameters": {"table_type": "ICEBERG", "metadata_location": "s3://b/m.json"}})
    for i in range(1, 4):
        g.update_table(DatabaseName="d", TableInput=table(str(i)))
    g.batch_create_partition(PartitionInputList=[part([str(i), "a"]) for i in range(5)], **AT)
    g.create_partition_index(PartitionIndex={"IndexName": "i", "Keys": ["y"]}, **AT)
    g.update_column_statistics_for_table(ColumnStatisticsList=[statistics(1)], **AT)
    g.update_column_statistics_for_partition(PartitionValues=["1", "a"], ColumnStatisticsList=[statistics(2)], **AT)
    g.create_column_statistics_task_settings(Role="r", ColumnNameList=["a"], Schedule="cron(0 0 1 1 ? 2199)", **AT)
    g.create_user_defined_function(DatabaseName="d", FunctionInput=function("one"))
    g.create_connection(ConnectionInput=connection("one"))
    g.register_connection_type(**rest_type("REST-mine"))
    g.put_resource_policy(PolicyInJson=policy("one"))
    g.create_security_configuration(Name="s", EncryptionConfiguration={})
    g.create_classifier(CsvClassifier=CSV)
    g.create_crawler(Name="k", Role="r", DatabaseName="d", Targets=TARGETS, Schedule="cron(0 0 1 1 ? 2199)", Tags={"of": "k"})
    g.create_crawler(Name="still", Role="r", DatabaseName="d", Targets=TARGETS, Schedule="cron(0 0 1 1 ? 2199)")
    g.stop_crawler_schedule(CrawlerName="still")
    g.create_table_optimizer(**OPTIMIZER, **off())
    settled(g, **AT)


def whole(g):
    """All that there is, but for what an undoing itself makes new."""
    crawlers = {c["Name"]: {k: v for k, v in c.items() if k not in ("Version", "LastUpdated")} for c in every(g.get_crawlers, "Crawlers")}
    catalogs = {c["Name"]: (c, [d["Name"] for d in g.get_databases(CatalogId=c["CatalogId"])["DatabaseList"]]) for c in every(g.get_catalogs, "CatalogList")}
    tags = {a: g.get_tags(ResourceArn=REGION + a)["Tags"] for a in [f"crawler/{c}" for c in crawlers] + [f"catalog/{c}" for c in catalogs]}
    databases = [d["Name"] for d in every(g.get_databases, "DatabaseList")]
    # of a version's document all but its number: an undone update is one more version
    versions = {v["Table"]["Description"] for v in every(g.get_table_versions, "TableVersions", **AT)} if there(g.get_table, "Table", DatabaseName="d", Name="t") else None
    return (snapshot(g), crawlers, catalogs, tags, versions, every(g.get_classifiers, "Classifiers"),
            there(g.get_column_statistics_task_settings, "ColumnStatisticsTaskSettings", **AT) if "d" in databases else None,
            there(g.get_table_optimizer, "TableOptimizer", **OPTIMIZER), g.get_catalog_import_status()["ImportStatus"])


# operation → what it is called with; several calls are made one after the other
CALLS = {
    "CreateDatabase": {"DatabaseInput": {"Name": "other"}},
    "UpdateDatabase": {"Name": "d", "DatabaseInput": {"Name": "d", "Description": "two"}},
    "DeleteDatabase": {"Name": "d"},
    "CreateTable": {"DatabaseName": "d", "TableInput": {"Name": "other"}},
    "UpdateTable": {"DatabaseName": "d", "TableInput": table("2")},
    "DeleteTable": {"DatabaseName": "d", "Name": "t"},
    "BatchDeleteTable": {"DatabaseName": "d", "TablesToDelete": ["t", "ice", "none"]},
    "DeleteTableVersion": {"VersionId": "1", **AT},
    "BatchDeleteTableVersion": {"VersionIds": ["0", "2", "77", "2"], **AT},
    "CreatePartition": {"PartitionInput": part(["9", "z"]), **AT},
    "BatchCreatePartition": {"PartitionInputList": [part([str(i), "b"]) for i in range(3)], **AT},
    "UpdatePartition": {"PartitionValueList": ["1", "a"], "PartitionInput": part(["7", "x"]), **AT},
    "BatchUpdatePartition": {"Entries": [{"PartitionValueList": ["1", "a"], "PartitionInput": part(["1", "a"], "new")},
                                         {"PartitionValueList": ["2", "a"], "PartitionInput": part(["8", "q"])}], **AT},
    "DeletePartition": {"PartitionValues": ["1", "a"], **AT},
    "BatchDeletePartition": {"PartitionsToDelete": [{"Values": ["0", "a"]}, {"Values": ["1", "a"]}], **AT},
    "CreateCatalog": {"Name": "other", "CatalogInput": {}, "Tags": {"a": "b"}},
    "UpdateCatalog": {"CatalogId": "cat", "CatalogInput": {"Description": "two", "Parameters": {"a": "b"}}},
    "DeleteCatalog": {"CatalogId": "cat"},
    "CreatePartitionIndex": {"PartitionIndex": {"IndexName": "other", "Keys": ["m"]}, **AT},
    "DeletePartitionIndex": {"IndexName": "i", **AT},
    "UpdateColumnStatisticsForTable": {"ColumnStatisticsList": [statistics(5), statistics(6, "m")], **AT},
    "DeleteColumnStatisticsForTable": {"ColumnName": "y", **AT},
    "UpdateColumnStatisticsForPartition": {"PartitionValues": ["1", "a"], "ColumnStatisticsList": [statistics(5), statistics(6, "m")], **AT},
    "DeleteColumnStatisticsForPartition": {"PartitionValues": ["1", "a"], "ColumnName": "y", **AT},
    "CreateColumnStatisticsTaskSettings": [("DeleteColumnStatisticsTaskSettings", AT), {"Role": "other", **AT}],
    "UpdateColumnStatisticsTaskSettings": {"Role": "other", "SampleSize": 5.0, **AT},
    "DeleteColumnStatisticsTaskSettings": AT,
    "StartColumnStatisticsTaskRunSchedule": [("StopColumnStatisticsTaskRunSchedule", AT), AT],
    "StopColumnStatisticsTaskRunSchedule": AT,
    "CreateUserDefinedFunction": {"DatabaseName": "d", "FunctionInput": {"FunctionName": "other"}},
    "UpdateUserDefinedFunction": {"DatabaseName": "d", "FunctionName": "f", "FunctionInput": function("two")},
    "DeleteUserDefinedFunction": {"DatabaseName": "d", "FunctionName": "f"},
    "CreateConnection": {"ConnectionInput": {**connection("x"), "Name": "other"}},
    "UpdateConnection": {"Name": "c", "ConnectionInput": connection("two")},
    "DeleteConnection": {"ConnectionName": "c"},
    "BatchDeleteConnection": {"ConnectionNameList": ["c", "none"]},
    "RegisterConnectionType": rest_type("REST-other"),
    "DeleteConnectionType": {"ConnectionType": "REST-mine"},
    "PutResourcePolicy": {"PolicyInJson": policy("two")},
    "DeleteResourcePolicy": {},
    "PutDataCatalogEncryptionSettings": {"DataCatalogEncryptionSettings": {"EncryptionAtRest": {"CatalogEncryptionMode": "SSE-KMS", "SseAwsKmsKeyId": "k"}}},
    "PutDataCatalogExportConfiguration": {"ExportSetting": "ENABLED"},
    "CreateSecurityConfiguration": {"Name": "other", "EncryptionConfiguration": {}},
    "DeleteSecurityConfiguration": {"Name": "s"},
    "TagResource": {"ResourceArn": REGION + "database/d", "TagsToAdd": {"k": "other", "new": "one"}},
    "UntagResource": {"ResourceArn": REGION + "crawler/k", "TagsToRemove": ["of"]},
    "ImportCatalogToGlue": {},
    "CreateTableOptimizer": [("DeleteTableOptimizer", OPTIMIZER), {**OPTIMIZER, **off(compactionConfiguration={"icebergConfiguration": {"strategy": "sort"}})}],
    "UpdateTableOptimizer": {**OPTIMIZER, **off(compactionConfiguration={"icebergConfiguration": {"strategy": "sort"}})},
    "DeleteTableOptimizer": OPTIMIZER,
    "CreateCrawler": {"Name": "other", "Role": "r", "DatabaseName": "d", "Targets": TARGETS, "Tags": {"a": "b"}},
    "UpdateCrawler": {"Name": "k", "Description": "two", "Targets": {"S3Targets": [{"Path": "s3://b/u"}]}},
    "DeleteCrawler": {"Name": "k"},
    "UpdateCrawlerSchedule": {"CrawlerName": "k", "Schedule": "cron(0 0 2 1 ? 2199)"},
    "StartCrawlerSchedule": {"CrawlerName": "still"},
    "StopCrawlerSchedule": {"CrawlerName": "k"},
    "CreateClassifier": {"JsonClassifier": {"Name": "json", "JsonPath": "$.a"}},
    "UpdateClassifier": {"CsvClassifier": {**CSV, "Delimiter": ";"}},
    "DeleteClassifier": {"Name": "csv"},
}


@pytest.fixture(scope="module")
def world():
    from conftest import ended, started

    server = started(lake=False)
    g = server.client("glue")
    build(g)
    yield server, g, whole(g)
    ended(server)


def test_every_operation_is_one_or_the_other():
    ops, left = changing(), not_kept()
    assert len(ops) > 50 and set(left) | set(CALLS) == set(ops) and not set(left) & set(CALLS)
    assert all(len(reason) > 10 for reason in left.values())


def call(g, op, params):
    method = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", op).lower()
    return getattr(g, method)(**params)


def newest(server):
    return json.loads(nikawa(server, "history", "--json", "--limit", "1"))["Changes"][0]["Id"]


def undo(server, g, after, upto):
    """Undoes the changes of these numbers, the newest first."""
    for change in range(upto, after, -1):
        assert nikawa(server, "undo", str(change)).strip()
    if there(g.get_table, "Table", DatabaseName="d", Name="t"):
        settled(g, **AT)


@pytest.mark.parametrize("op", changing())
def test_is_kept_and_undone(world, op):
    server, g, before = world
    calls = CALLS.get(op)
    if calls is None:
        assert op in not_kept()
        return
    mark = newest(server)
    *first, last = calls if isinstance(calls, list) else [calls]
    for other, params in first:
        call(g, other, params)
    start, earlier = newest(server), whole(g)
    call(g, op, last)
    if op == "CreatePartitionIndex":
        settled(g, **AT)
    done, later = newest(server), whole(g)
    kept = json.loads(nikawa(server, "history", "--json", "--limit", str(done - start)))["Changes"]
    assert kept and all(c["Who"] == server.access_key for c in kept) and later != earlier
    for change in kept:
        shown = history(server, str(change["Id"]))[0]
        assert {"Before", "Partitions", "Columns"} & set(shown) or change["Kind"] == "connection"
    undo(server, g, start, done)
    undone = newest(server)
    assert whole(g) == earlier
    undo(server, g, done, undone)  # the undoings, undone
    again = newest(server)
    assert whole(g) == later
    undo(server, g, undone, again)
    assert whole(g) == earlier
    undo(server, g, mark, start)
    assert whole(g) == before
