"""What Trino's and Hive's Glue clients ask of a catalogue, with their parameters, in their order."""
import concurrent.futures
import random
import uuid

import pytest
from botocore.exceptions import ClientError
from conftest import every

ACCOUNT = "000000000000"
SERDE = {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe", "Parameters": {}}


def name(prefix="n"):
    return prefix + uuid.uuid4().hex[:10]


def refused(code, call, **params):
    with pytest.raises(ClientError) as e:
        call(**params)
    assert e.value.response["Error"]["Code"] == code, e.value.response["Error"]


def descriptor(location, columns=(("v", "bigint"), ("s", "string"))):
    return {"Columns": [{"Name": n, "Type": t, "Parameters": {}} for n, t in columns], "Location": location, "Compressed": False, "NumberOfBuckets": 0,
            "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat", "BucketColumns": [], "SortColumns": [], "Parameters": {},
            "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat", "SerdeInfo": SERDE, "StoredAsSubDirectories": False}


@pytest.fixture
def db(bare_glue):
    n = name("trino")
    bare_glue.create_database(DatabaseInput={"Name": n, "LocationUri": f"s3://lake/{n}", "Parameters": {}})
    yield n
    for t in bare_glue.get_tables(DatabaseName=n)["TableList"]:
        bare_glue.delete_table(DatabaseName=n, Name=t["Name"])
    bare_glue.delete_database(CatalogId=ACCOUNT, Name=n)


def test_a_hive_table_of_trinos(bare_glue, db):
    g, r = bare_glue, random.Random(7)
    table = {"Name": "t", "Owner": "trino", "TableType": "EXTERNAL_TABLE", "StorageDescriptor": descriptor(f"s3://lake/{db}/t"),
             "PartitionKeys": [{"Name": "d", "Type": "string"}, {"Name": "i", "Type": "int"}],
             "Parameters": {"EXTERNAL": "TRUE", "presto_version": "476", "trino_query_id": name(), "numRows": "-1"}}
    refused("EntityNotFoundException", g.get_table, CatalogId=ACCOUNT, DatabaseName=db, Name="t")
    g.create_table(CatalogId=ACCOUNT, DatabaseName=db, TableInput=table)
    refused("AlreadyExistsException", g.create_table, CatalogId=ACCOUNT, DatabaseName=db, TableInput=table)
    got = g.get_table(CatalogId=ACCOUNT, DatabaseName=db, Name="t")["Table"]
    assert got["Parameters"] == table["Parameters"] and got["StorageDescriptor"] == table["StorageDescriptor"]
    assert [t["Name"] for t in every(g.get_tables, "TableList", CatalogId=ACCOUNT, DatabaseName=db, MaxResults=100)] == ["t"]

    # partitions: written a hundred at once, read by five segments at once, values only, then by value a thousand at once
    values = [[f"2024-01-{d:02}", str(i)] for d in range(1, 29) for i in range(12)]
    inputs = [{"Values": v, "StorageDescriptor": descriptor(f"s3://lake/{db}/t/d={v[0]}/i={v[1]}"), "Parameters": {"trino_query_id": "q"}} for v in values]
    for i in range(0, len(inputs), 100):
        assert g.batch_create_partition(CatalogId=ACCOUNT, DatabaseName=db, TableName="t", PartitionInputList=inputs[i:i + 100]).get("Errors", []) == []
    again = g.batch_create_partition(CatalogId=ACCOUNT, DatabaseName=db, TableName="t", PartitionInputList=inputs[:3])["Errors"]
    assert [(e["PartitionValues"], e["ErrorDetail"]["ErrorCode"]) for e in again] == [(v, "AlreadyExistsException") for v in values[:3]]

    def by_segments(expression):
        def one(number):
            return every(g.get_partitions, "Partitions", CatalogId=ACCOUNT, DatabaseName=db, TableName="t", Expression=expression, ExcludeColumnSchema=True,
                             MaxResults=1000, Segment={"SegmentNumber": number, "TotalSegments": 5})
        with concurrent.futures.ThreadPoolExecutor(5) as pool:
            parts = [p for page in pool.map(one, range(5)) for p in page]
        assert all("Columns" not in p["StorageDescriptor"] or not p["StorageDescriptor"]["Columns"] for p in parts)
        return sorted(p["Values"] for p in parts)
    assert by_segments("") == sorted(values)
    for expression, holds in (
            ("((d = '2024-01-05'))", lambda d, i: d == "2024-01-05"),
            ("((d in ('2024-01-02', '2024-01-09')) OR (d = '2024-01-11')) AND ((i >= 3) AND (i < 7))",
             lambda d, i: d in ("2024-01-02", "2024-01-09", "2024-01-11") and 3 <= i < 7),
            ("((i in (1, 2, 5)))", lambda d, i: i in (1, 2, 5)),
            ("(((d > '2024-01-20') AND (d <= '2024-01-22')))", lambda d, i: "2024-01-20" < d <= "2024-01-22")):
        assert by_segments(expression) == sorted(v for v in values if holds(v[0], int(v[1]))), expression
    some = r.sample(values, 200)
    batch = g.batch_get_partition(CatalogId=ACCOUNT, DatabaseName=db, TableName="t", PartitionsToGet=[{"Values": v} for v in some + [["none", "0"]]])
    assert sorted(p["Values"] for p in batch["Partitions"]) == sorted(some) and batch["UnprocessedKeys"] == []

    # statistics of columns, of the table and of partitions
    stats = [{"ColumnName": "v", "ColumnType": "bigint", "AnalyzedTime": 0, "StatisticsData": {"Type": "LONG", "LongColumnStatisticsData": {
        "MinimumValue": 1, "MaximumValue": 9, "NumberOfNulls": 0, "NumberOfDistinctValues": 9}}}]
    assert g.update_column_statistics_for_table(CatalogId=ACCOUNT, DatabaseName=db, TableName="t", ColumnStatisticsList=stats).get("Errors", []) == []
    assert g.update_column_statistics_for_partition(CatalogId=ACCOUNT, DatabaseName=db, TableName="t", PartitionValues=values[0],
                                                    ColumnStatisticsList=stats).get("Errors", []) == []
    found = g.get_column_statistics_for_table(CatalogId=ACCOUNT, DatabaseName=db, TableName="t", ColumnNames=["v", "s"])
    assert [s["ColumnName"] for s in found["ColumnStatisticsList"]] == ["v"] and [e["ColumnName"] for e in found["Errors"]] == ["s"]
    found = g.get_column_statistics_for_partition(CatalogId=ACCOUNT, DatabaseName=db, TableName="t", PartitionValues=values[0], ColumnNames=["v"])
    assert found["ColumnStatisticsList"][0]["StatisticsData"]["LongColumnStatisticsData"]["MaximumValue"] == 9
    g.delete_column_statistics_for_partition(CatalogId=ACCOUNT, DatabaseName=db, TableName="t", PartitionValues=values[0], ColumnName="v")
    g.delete_column_statistics_for_table(CatalogId=ACCOUNT, DatabaseName=db, TableName="t", ColumnName="v")

    # a partition's new parameters, one by one and many; the table's, without a version; the end
    changed = {**inputs[0], "Parameters": {"numRows": "5"}}
    g.update_partition(CatalogId=ACCOUNT, DatabaseName=db, TableName="t", PartitionValueList=values[0], PartitionInput=changed)
    entries = [{"PartitionValueList": v, "PartitionInput": {**i, "Parameters": {"numRows": "6"}}} for v, i in zip(values[1:101], inputs[1:101])]
    assert g.batch_update_partition(CatalogId=ACCOUNT, DatabaseName=db, TableName="t", Entries=entries).get("Errors", []) == []
    assert [g.get_partition(CatalogId=ACCOUNT, DatabaseName=db, TableName="t", PartitionValues=v)["Partition"]["Parameters"]["numRows"]
            for v in values[:2]] == ["5", "6"]
    g.update_table(CatalogId=ACCOUNT, DatabaseName=db, SkipArchive=True, TableInput={**table, "Parameters": {**table["Parameters"], "numRows": "12"}})
    assert len(g.get_table_versions(DatabaseName=db, TableName="t")["TableVersions"]) == 1
    g.delete_partition(CatalogId=ACCOUNT, DatabaseName=db, TableName="t", PartitionValues=values[0])
    refused("EntityNotFoundException", g.get_partition, CatalogId=ACCOUNT, DatabaseName=db, TableName="t", PartitionValues=values[0])
    g.delete_table(CatalogId=ACCOUNT, DatabaseName=db, Name="t")
    refused("EntityNotFoundException", g.delete_table, CatalogId=ACCOUNT, DatabaseName=db, Name="t")


def test_an_iceberg_table_of_trinos(bare_glue, db):
    """TrinoGlueCatalog commits by UpdateTable with the version that it read and without archiving; a lost race is told apart."""
    g = bare_glue

    def commit(n, **more):
        return {"Name": "ice", "Owner": "trino", "TableType": "EXTERNAL_TABLE", "StorageDescriptor": {
            "Location": f"s3://lake/{db}/ice", "Columns": [{"Name": "a", "Type": "bigint", "Comment": "c", "Parameters": {"trino_type": "bigint"}}]},
            "Parameters": {"table_type": "ICEBERG", "metadata_location": f"s3://lake/{db}/ice/metadata/{n:05}.metadata.json",
                           "previous_metadata_location": f"s3://lake/{db}/ice/metadata/{n - 1:05}.metadata.json", "trino_query_id": name()}, **more}
    g.create_table(DatabaseName=db, TableInput=commit(0))
    for n in range(1, 4):
        version = g.get_table(DatabaseName=db, Name="ice")["Table"]["VersionId"]
        g.update_table(DatabaseName=db, TableInput=commit(n), SkipArchive=True, VersionId=version)
        refused("ConcurrentModificationException", g.update_table, DatabaseName=db, TableInput=commit(99), SkipArchive=True, VersionId=version)
    now = g.get_table(DatabaseName=db, Name="ice")["Table"]
    assert now["Parameters"]["metadata_location"].endswith("00003.metadata.json") and now["StorageDescriptor"]["Columns"][0]["Parameters"] == {"trino_type": "bigint"}
    # views, and what lists tell apart
    g.create_table(DatabaseName=db, TableInput={"Name": "v", "TableType": "VIRTUAL_VIEW", "ViewOriginalText": "/* Presto View: e30= */", "ViewExpandedText": "/* Presto View */",
                                                "Parameters": {"presto_view": "true", "comment": "Presto View"}, "StorageDescriptor": {"Columns": [{"Name": "dummy", "Type": "string"}]}})
    brief = every(g.get_tables, "TableList", DatabaseName=db, AttributesToGet=["NAME", "TABLE_TYPE"])
    assert brief == [{"Name": "ice", "TableType": "EXTERNAL_TABLE"}, {"Name": "v", "TableType": "VIRTUAL_VIEW"}]


def test_what_hives_client_asks(bare_glue, db):
    """The metastore client of AWS for Hive and Spark: databases by pattern, tables by pattern and in batches, functions."""
    g = bare_glue
    assert g.get_database(Name=db)["Database"]["LocationUri"] == f"s3://lake/{db}"
    assert db in [d["Name"] for d in every(g.get_databases, "DatabaseList", CatalogId=ACCOUNT)]
    for n in ("orders_2023", "orders_2024", "people"):
        g.create_table(DatabaseName=db, TableInput={"Name": n, "Owner": "hive", "Retention": 0, "TableType": "MANAGED_TABLE", "LastAccessTime": 1700000000,
                                                    "StorageDescriptor": descriptor(f"s3://lake/{db}/{n}"), "PartitionKeys": [], "Parameters": {"transient_lastDdlTime": "1"}})
    assert [t["Name"] for t in g.get_tables(DatabaseName=db, Expression="orders_.*")["TableList"]] == ["orders_2023", "orders_2024"]
    assert [t["Name"] for t in g.get_tables(DatabaseName=db, Expression="orders_2024|people")["TableList"]] == ["orders_2024", "people"]
    g.update_database(CatalogId=ACCOUNT, Name=db, DatabaseInput={"Name": db, "LocationUri": f"s3://lake/{db}", "Description": "new", "Parameters": {"k": "v"}})
    assert g.get_database(Name=db)["Database"]["Description"] == "new"
    f = {"FunctionName": "f", "ClassName": "a.B", "OwnerName": "me", "OwnerType": "USER", "ResourceUris": [{"ResourceType": "JAR", "Uri": "s3://lake/f.jar"}]}
    g.create_user_defined_function(DatabaseName=db, FunctionInput=f)
    assert g.get_user_defined_function(DatabaseName=db, FunctionName="f")["UserDefinedFunction"]["ResourceUris"] == f["ResourceUris"]
    assert [x["FunctionName"] for x in g.get_user_defined_functions(DatabaseName=db, Pattern=".*")["UserDefinedFunctions"]] == ["f"]
    g.update_user_defined_function(DatabaseName=db, FunctionName="f", FunctionInput={**f, "ClassName": "a.C"})
    g.delete_user_defined_function(DatabaseName=db, FunctionName="f")
    errors = g.batch_delete_table(DatabaseName=db, TablesToDelete=["people", "none"])["Errors"]
    assert [(e["TableName"], e["ErrorDetail"]["ErrorCode"]) for e in errors] == [("none", "EntityNotFoundException")]
