"""Open table formats through Glue's own API: Iceberg metadata written by CreateTable and UpdateTable, PyIceberg's Glue catalogue,
both doors to one table; Delta and Hudi entries kept as they are."""
import concurrent.futures
import json
import uuid

import pyarrow as pa
import pytest
from botocore.exceptions import ClientError

from iceberg_client import Rest, schema

pytest.importorskip("pyiceberg")
from pyiceberg.catalog import load_catalog  # noqa: E402
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, TableAlreadyExistsError  # noqa: E402
from pyiceberg.types import StringType  # noqa: E402


def name(prefix="n"):
    return prefix + uuid.uuid4().hex[:10]


def refused(code, call, says=None, **params):
    with pytest.raises(ClientError) as e:
        call(**params)
    error = e.value.response["Error"]
    assert error["Code"] == code and (not says or says in error["Message"]), error


@pytest.fixture(scope="module")
def bucket(s3):
    n = name("ice")
    s3.create_bucket(Bucket=n)
    return n


@pytest.fixture
def db(glue, bucket):
    n = name("db")
    glue.create_database(DatabaseInput={"Name": n, "LocationUri": f"s3://{bucket}/{n}"})
    return n


@pytest.fixture(scope="module")
def catalog(server):
    return load_catalog(name(), **{
        "type": "glue", "glue.endpoint": server.url, "glue.region": "us-east-1", "glue.access-key-id": server.access_key,
        "glue.secret-access-key": server.secret_key, "s3.endpoint": server.s3_url, "s3.access-key-id": server.access_key,
        "s3.secret-access-key": server.secret_key, "s3.region": "us-east-1"})


@pytest.fixture(scope="module")
def rest(server):
    return Rest(server)


def stored(s3, location):
    bucket, key = location.removeprefix("s3://").split("/", 1)
    return json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def field(id_, name_, type_, required=False, **more):
    return {"Id": id_, "Name": name_, "Type": type_, "Required": required, **more}


def iceberg(location, *fields, version="2", **more):
    return {"IcebergInput": {"MetadataOperation": "CREATE", "Version": version, "CreateIcebergTableInput": {
        "Location": location, "Schema": {"Type": "struct", "Fields": list(fields)}, **more}}}


def test_create_table_writes_metadata(glue, s3, db, bucket):
    nested = {"type": "list", "element-id": 5, "element": "string", "element-required": False}
    glue.create_table(DatabaseName=db, Name="T", OpenTableFormatInput=iceberg(
        f"s3://{bucket}/{db}/t", field(1, "id", "long", True), field(2, "at", "timestamptz", Doc="when"), field(4, "tags", nested),
        PartitionSpec={"SpecId": 0, "Fields": [{"SourceId": 2, "Transform": "day", "Name": "at_day", "FieldId": 1000}]},
        WriteOrder={"OrderId": 1, "Fields": [{"SourceId": 1, "Transform": "identity", "Direction": "asc", "NullOrder": "nulls-first"}]},
        Properties={"owner": "us"}))
    t = glue.get_table(DatabaseName=db, Name="t")["Table"]
    assert t["Parameters"]["table_type"] == "ICEBERG" and t["TableType"] == "EXTERNAL_TABLE" and t["Parameters"]["owner"] == "us"
    assert [(c["Name"], c["Type"], c.get("Comment")) for c in t["StorageDescriptor"]["Columns"]] == [
        ("id", "bigint", None), ("at", "timestamp", "when"), ("tags", "array<string>", None)]
    m = stored(s3, t["Parameters"]["metadata_location"])
    assert m["location"] == f"s3://{bucket}/{db}/t" == t["StorageDescriptor"]["Location"]
    assert m["schemas"][0]["fields"] == [
        {"id": 1, "name": "id", "required": True, "type": "long"}, {"id": 2, "name": "at", "required": False, "type": "timestamptz", "doc": "when"},
        {"id": 4, "name": "tags", "required": False, "type": nested}]
    assert m["last-column-id"] == 5 and m["format-version"] == 2 and m["properties"] == {"owner": "us"}
    assert m["partition-specs"] == [{"spec-id": 0, "fields": [{"source-id": 2, "transform": "day", "name": "at_day", "field-id": 1000}]}]
    assert m["sort-orders"][0]["fields"][0]["direction"] == "asc"
    refused("AlreadyExistsException", glue.create_table, DatabaseName=db, Name="t",
            OpenTableFormatInput=iceberg(f"s3://{bucket}/x", field(1, "id", "long")))


def test_create_table_from_hive_columns(glue, s3, db, bucket, catalog):
    glue.create_table(DatabaseName=db, TableInput={
        "Name": "h", "Description": "said", "Parameters": {"p": "q"},
        "StorageDescriptor": {"Location": f"s3://{bucket}/{db}/h/", "Columns": [
            {"Name": "a", "Type": "bigint", "Comment": "c"}, {"Name": "b", "Type": "struct<x:int,y:array<decimal(10,2)>>"}, {"Name": "m", "Type": "map<string,date>"}]},
        "PartitionKeys": [{"Name": "k", "Type": "string"}]}, OpenTableFormatInput={"IcebergInput": {"MetadataOperation": "CREATE", "Version": "1"}})
    t = glue.get_table(DatabaseName=db, Name="h")["Table"]
    m = stored(s3, t["Parameters"]["metadata_location"])
    assert m["format-version"] == 1 and t["Description"] == "said" and m["properties"] == {"p": "q", "comment": "said"}
    read = catalog.load_table((db, "h"))
    assert "decimal128(10, 2)" in str(read.schema().as_arrow().field("b").type)
    assert [f.name for f in read.spec().fields] == ["k"]
    read.append(pa.table({"a": pa.array([1], pa.int64()), "b": pa.array([{"x": 1, "y": None}], read.schema().as_arrow().field("b").type),
                          "m": pa.array([None], read.schema().as_arrow().field("m").type), "k": ["z"]}, schema=read.schema().as_arrow()))
    assert catalog.load_table((db, "h")).scan().to_arrow().column("k").to_pylist() == ["z"]


@pytest.mark.parametrize("change, says", [
    ({"OpenTableFormatInput": {}}, "IcebergInput"), ({"Name": None}, "Name"),
    ({"OpenTableFormatInput": {"IcebergInput": {"MetadataOperation": "CREATE"}}}, "TableInput"),
    ({"OpenTableFormatInput": iceberg("s3://b/x", field(1, "a", "whole"))}, "whole"),
    ({"OpenTableFormatInput": iceberg("nowhere", field(1, "a", "long"))}, "location"),
    ({"OpenTableFormatInput": iceberg("s3://b/x", field(1, "a", "long"), version="9")}, "Version 9"),
    ({"OpenTableFormatInput": iceberg("s3://b/x", field(1, "a", "long"), field(1, "b", "long"))}, "multiple fields for id 1"),
])
def test_create_table_refuses(glue, db, change, says):
    params = {"DatabaseName": db, "Name": "t", "OpenTableFormatInput": iceberg("s3://b/x", field(1, "a", "long")), **change}
    refused("InvalidInputException", glue.create_table, says, **{k: v for k, v in params.items() if v is not None})
    refused("EntityNotFoundException", glue.create_table, **{**{k: v for k, v in params.items() if v is not None}, "DatabaseName": "absent",
            "Name": "t", "OpenTableFormatInput": iceberg("s3://b/x", field(1, "a", "long"))})
    assert glue.get_tables(DatabaseName=db)["TableList"] == []


def test_a_server_without_a_lake_says_so(bare_glue):
    n = name("db")
    bare_glue.create_database(DatabaseInput={"Name": n})
    refused("ResourceNotReadyException", bare_glue.create_table, "lake", DatabaseName=n, Name="t",
            OpenTableFormatInput=iceberg("s3://bucket/x", field(1, "a", "long")))


def update(glue, db, *updates, **more):
    whole = {"Schema": {"Type": "struct", "Fields": [field(1, "a", "long")]}, "Location": ""}
    return glue.update_table(DatabaseName=db, Name="t", UpdateOpenTableFormatInput={"UpdateIcebergInput": {"UpdateIcebergTableInput": {
        "Updates": [{**whole, **u} for u in updates]}}}, **more)


def test_update_table_commits(glue, s3, db, bucket):
    glue.create_table(DatabaseName=db, Name="t", OpenTableFormatInput=iceberg(f"s3://{bucket}/{db}/t", field(1, "a", "long"), Properties={"x": "y", "z": "w"}))
    first = glue.get_table(DatabaseName=db, Name="t")["Table"]
    wider = {"Type": "struct", "Fields": [field(1, "a", "long"), field(2, "b", "string")]}
    update(glue, db, {"Schema": wider, "Location": f"s3://{bucket}/{db}/moved", "Properties": {"n": "m"},
                      "PartitionSpec": {"Fields": [{"SourceId": 2, "Transform": "truncate[2]", "Name": "b_two"}]},
                      "SortOrder": {"OrderId": 1, "Fields": [{"SourceId": 1, "Transform": "identity", "Direction": "desc", "NullOrder": "nulls-last"}]}})
    second = glue.get_table(DatabaseName=db, Name="t")["Table"]
    assert second["Parameters"]["previous_metadata_location"] == first["Parameters"]["metadata_location"]
    m = stored(s3, second["Parameters"]["metadata_location"])
    assert m["current-schema-id"] == 1 and m["location"] == f"s3://{bucket}/{db}/moved" and m["properties"] == {"x": "y", "z": "w", "n": "m"}
    assert m["default-spec-id"] == 1 and m["default-sort-order-id"] == 1 and m["table-uuid"] == stored(s3, first["Parameters"]["metadata_location"])["table-uuid"]
    assert [c["Name"] for c in second["StorageDescriptor"]["Columns"]] == ["a", "b"]
    assert second["VersionId"] == "1" and len(glue.get_table_versions(DatabaseName=db, TableName="t")["TableVersions"]) == 2
    refused("ConcurrentModificationException", lambda **k: update(glue, db, {"Action": "set-properties", "Properties": {"q": "r"}}, **k), VersionId="0")
    update(glue, db, {"Action": "set-properties", "Properties": {"q": "r"}}, {"Action": "remove-properties", "Properties": {"x": ""}},
           {"Action": "set-current-schema", "Schema": {"SchemaId": 0, "Fields": []}}, {"Action": "set-default-spec", "PartitionSpec": {"SpecId": 0, "Fields": []}},
           {"Action": "set-default-sort-order", "SortOrder": {"OrderId": 0, "Fields": []}}, {"Action": "set-location", "Location": f"s3://{bucket}/{db}/t"},
           VersionId="1", SkipArchive=True)
    m = stored(s3, glue.get_table(DatabaseName=db, Name="t")["Table"]["Parameters"]["metadata_location"])
    assert m["properties"] == {"z": "w", "n": "m", "q": "r"} and m["current-schema-id"] == 0 and m["default-spec-id"] == 0 and m["location"] == f"s3://{bucket}/{db}/t"
    assert [v["VersionId"] for v in glue.get_table_versions(DatabaseName=db, TableName="t")["TableVersions"]] == ["2", "0"]


def test_update_table_refuses(glue, db, bucket):
    glue.create_table(DatabaseName=db, Name="t", OpenTableFormatInput=iceberg(f"s3://{bucket}/{db}/t", field(1, "a", "long")))
    key = {"KeyId": "k", "EncryptedKeyMetadata": "bWV0YQ=="}
    for u, says in [({"Action": "add-encryption-key", "EncryptionKey": key}, "version 3"), ({"Action": "remove-encryption-key"}, "KeyId"),
                    ({"Action": "add-spec"}, "PartitionSpec"), ({"Action": "set-current-schema", "Schema": {"SchemaId": 7, "Fields": []}}, "7"),
                    ({"Action": "add-spec", "PartitionSpec": {"Fields": [{"SourceId": 4, "Transform": "identity", "Name": "n"}]}}, "source column")]:
        refused("InvalidInputException", lambda: update(glue, db, u), says)
    refused("EntityNotFoundException", lambda: update(glue, "absent", {"Action": "set-properties"}))
    glue.create_table(DatabaseName=db, TableInput={"Name": "plain"})
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.update_table(DatabaseName=db, Name="plain", UpdateOpenTableFormatInput={"UpdateIcebergInput": {"UpdateIcebergTableInput": {"Updates": []}}})


# ---- PyIceberg's Glue catalogue ----

def test_pyiceberg_glue_catalog(catalog, glue, db, bucket):
    data = pa.table({"id": pa.array(range(50), pa.int64()), "at": pa.array([i % 4 for i in range(50)], pa.date32())})
    t = catalog.create_table((db, "t"), schema=data.schema, location=f"s3://{bucket}/{db}/t")
    with t.update_spec() as spec:
        spec.add_identity("at")
    t.append(data)
    with t.update_schema() as change:
        change.add_column("s", StringType())
    t.append(pa.table({"id": pa.array([100], pa.int64()), "at": pa.array([0], pa.date32()), "s": ["x"]}))
    again = catalog.load_table((db, "t"))
    assert sorted(again.scan().to_arrow().column("id").to_pylist()) == [*range(50), 100]
    assert again.scan(snapshot_id=again.history()[0].snapshot_id).to_arrow().num_rows == 50
    row = glue.get_table(DatabaseName=db, Name="t")["Table"]
    assert row["Parameters"]["metadata_location"] == again.metadata_location
    assert row["Parameters"]["previous_metadata_location"] == again.metadata.metadata_log[-1].metadata_file
    again.overwrite(pa.table({"id": pa.array([7], pa.int64()), "at": pa.array([None], pa.date32()), "s": [None]}, schema=again.schema().as_arrow()))
    assert catalog.load_table((db, "t")).scan().to_arrow().column("id").to_pylist() == [7]
    with pytest.raises(TableAlreadyExistsError):
        catalog.create_table((db, "t"), schema=data.schema, location=f"s3://{bucket}/{db}/t")
    catalog.rename_table((db, "t"), (db, "u"))
    assert catalog.list_tables(db) == [(db, "u")]
    catalog.drop_table((db, "u"))
    with pytest.raises(NoSuchTableError):
        catalog.load_table((db, "u"))


def test_optimistic_locking_by_version_id(catalog, db, bucket):
    catalog.create_table((db, "t"), schema=pa.schema([("id", pa.int64())]), location=f"s3://{bucket}/{db}/t",
                         properties={"commit.retry.num-retries": "0"})
    mine, theirs = catalog.load_table((db, "t")), catalog.load_table((db, "t"))
    theirs.append(pa.table({"id": pa.array([1], pa.int64())}))
    with pytest.raises(CommitFailedException):
        mine.append(pa.table({"id": pa.array([2], pa.int64())}))

    def append(i):
        for _ in range(60):
            try:
                catalog.load_table((db, "t")).append(pa.table({"id": pa.array([i], pa.int64())}))
                return
            except CommitFailedException:
                continue
        raise AssertionError("never got in")

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        list(pool.map(append, range(10, 16)))
    assert sorted(catalog.load_table((db, "t")).scan().to_arrow().column("id").to_pylist()) == [1, *range(10, 16)]


def test_both_doors_open_to_one_table(catalog, rest, glue, db, bucket, server):
    made = rest.post(f"namespaces/{db}/tables", {"name": "t", "schema": schema((1, "id", "long")), "properties": {"p": "1"}})
    assert made["metadata"]["location"] == f"s3://{bucket}/{db}/t"
    catalog.load_table((db, "t")).append(pa.table({"id": pa.array([1], pa.int64())}))
    seen = rest.get(f"namespaces/{db}/tables/t")
    assert len(seen["metadata"]["snapshots"]) == 1
    rest.post(f"namespaces/{db}/tables/t", {"requirements": [], "updates": [{"action": "set-properties", "updates": {"p": "2", "q": "3"}}]})
    t = catalog.load_table((db, "t"))
    assert t.properties["p"] == "2" and t.scan().to_arrow().num_rows == 1
    update(glue, db, {"Action": "set-properties", "Properties": {"r": "4"}})
    assert rest.get(f"namespaces/{db}/tables/t")["metadata"]["properties"] == {"p": "2", "q": "3", "r": "4"}
    refs = rest.get(f"namespaces/{db}/tables/t?snapshots=refs")["metadata"]
    assert [s["snapshot-id"] for s in refs["snapshots"]] == [refs["current-snapshot-id"]]
    # both at once, each with its own lock: nothing is lost
    def by_rest(i):
        rest.post(f"namespaces/{db}/tables/t", {"requirements": [], "updates": [{"action": "set-properties", "updates": {f"rest{i}": "x"}}]})

    def by_glue(i):
        for _ in range(60):
            try:
                with catalog.load_table((db, "t")).transaction() as tx:
                    tx.set_properties(**{f"glue{i}": "x"})
                return
            except CommitFailedException:
                continue
        raise AssertionError("never got in")

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        done = [pool.submit(f, i) for i in range(5) for f in (by_rest, by_glue)]
        [d.result() for d in done]
    have = rest.get(f"namespaces/{db}/tables/t")["metadata"]["properties"]
    assert {k for k in have if k[:4] in ("rest", "glue")} == {f"{d}{i}" for d in ("rest", "glue") for i in range(5)}


# ---- Delta and Hudi ----

SYMLINK = {"InputFormat": "org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat", "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
           "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe", "Parameters": {"serialization.format": "1"}}}
DELTA = {"InputFormat": "org.apache.hadoop.mapred.SequenceFileInputFormat", "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat",
         "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe", "Parameters": {"serialization.format": "1", "path": "s3://b/delta"}}}
HUDI = {"InputFormat": "org.apache.hudi.hadoop.HoodieParquetInputFormat", "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
        "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe", "Parameters": {"hoodie.query.as.ro.table": "false", "path": "s3://b/hudi"}}}


@pytest.mark.parametrize("storage, parameters", [
    (SYMLINK, {"classification": "delta", "delta.lastUpdateVersion": "3", "delta.lastCommitTimestamp": "1700000000000", "exclusions": "[\"**_delta_log**\"]"}),
    (DELTA, {"classification": "delta", "spark.sql.sources.provider": "delta", "spark.sql.sources.schema.numParts": "1",
             "spark.sql.sources.schema.part.0": '{"type":"struct","fields":[{"name":"a","type":"long","nullable":true,"metadata":{}}]}'}),
    (HUDI, {"classification": "hudi", "spark.sql.sources.provider": "hudi", "last_commit_time_sync": "20240101000000000", "EXTERNAL": "TRUE"}),
])
def test_delta_and_hudi_entries_come_back_as_they_are(glue, rest, db, storage, parameters):
    wanted = {"Name": "t", "TableType": "EXTERNAL_TABLE", "Parameters": parameters,
              "PartitionKeys": [{"Name": "k", "Type": "string"}],
              "StorageDescriptor": {"Columns": [{"Name": "a", "Type": "bigint"}, {"Name": "_hoodie_commit_time", "Type": "string"}], "Location": "s3://b/t/_symlink_format_manifest",
                                    "Compressed": False, "NumberOfBuckets": -1, "SortColumns": [], "StoredAsSubDirectories": False, **storage}}
    glue.create_table(DatabaseName=db, TableInput=wanted)
    t = glue.get_table(DatabaseName=db, Name="t")["Table"]
    assert {k: t[k] for k in wanted} == wanted
    wanted["Parameters"] = {**parameters, "delta.lastUpdateVersion": "4"}
    glue.update_table(DatabaseName=db, TableInput=wanted, VersionId=t["VersionId"])
    assert glue.get_table(DatabaseName=db, Name="t")["Table"]["Parameters"] == wanted["Parameters"]
    assert rest.get(f"namespaces/{db}/tables")["identifiers"] == []


def test_latest_metadata_comes_with_the_table(glue, catalog, rest, s3, db, bucket):
    made = catalog.create_table(f"{db}.t", pa.schema([pa.field("id", pa.int64(), nullable=False), ("v", pa.struct([("x", pa.list_(pa.string()))])), ("d", pa.decimal128(9, 2))]),
                                properties={"format-version": "2", "a": "b"})
    with made.update_spec() as spec:
        spec.add_identity("id")
    with made.update_schema() as change:
        change.add_column("w", StringType(), doc="ü new")
    rest.post(f"namespaces/{db}/tables/t", {"requirements": [], "updates": [
        {"action": "add-sort-order", "sort-order": {"order-id": 1, "fields": [{"source-id": 1, "transform": "identity", "direction": "desc", "null-order": "nulls-last"}]}},
        {"action": "set-default-sort-order", "sort-order-id": -1}]})
    plain = glue.get_table(DatabaseName=db, Name="t")["Table"]
    want = stored(s3, plain["Parameters"]["metadata_location"])  # what the file says, put into Glue's names by hand
    both = glue.get_table(DatabaseName=db, Name="t", AttributesToGet=["DEFAULT", "LATEST_ICEBERG_METADATA"])["Table"]
    got = both.pop("IcebergTableMetadata")
    assert both == plain == glue.get_table(DatabaseName=db, Name="t", AttributesToGet=["DEFAULT"])["Table"]
    assert (got["FormatVersion"], got["TableUuid"], got["Location"], got["Properties"]) == ("2", want["table-uuid"], want["location"], want["properties"])
    assert [got[k] for k in ("CurrentSchemaId", "LastColumnId", "DefaultSpecId", "LastPartitionId", "DefaultSortOrderId")] == [
        want[k] for k in ("current-schema-id", "last-column-id", "default-spec-id", "last-partition-id", "default-sort-order-id")]
    assert len(got["Schemas"]) == 2 and [[(f["Id"], f["Name"], f["Type"], f["Required"], f.get("Doc")) for f in s["Fields"]] for s in got["Schemas"]] == [
        [(f["id"], f["name"], f["type"], f["required"], f.get("doc")) for f in s["fields"]] for s in want["schemas"]]
    assert [(s["SpecId"], [(f["SourceId"], f["Transform"], f["Name"], f["FieldId"]) for f in s["Fields"]]) for s in got["PartitionSpecs"]] == [
        (s["spec-id"], [(f["source-id"], f["transform"], f["name"], f["field-id"]) for f in s["fields"]]) for s in want["partition-specs"]]
    assert got["SortOrders"][-1] == {"OrderId": 1, "Fields": [{"SourceId": 1, "Transform": "identity", "Direction": "desc", "NullOrder": "nulls-last"}]}
    alone = glue.get_table(DatabaseName=db, Name="t", AttributesToGet=["LATEST_ICEBERG_METADATA"])["Table"]
    assert alone == {"Name": "t", "DatabaseName": db, "IcebergTableMetadata": got}
    # the newest, whoever changed it
    rest.post(f"namespaces/{db}/tables/t", {"requirements": [], "updates": [{"action": "set-properties", "updates": {"a": "c"}}]})
    assert glue.get_table(DatabaseName=db, Name="t", AttributesToGet=["LATEST_ICEBERG_METADATA"])["Table"]["IcebergTableMetadata"]["Properties"]["a"] == "c"
    # a table that has none; what cannot be asked for; a file that is gone
    glue.create_table(DatabaseName=db, TableInput={"Name": "hive", "StorageDescriptor": {"Location": f"s3://{bucket}/h"}})
    assert glue.get_table(DatabaseName=db, Name="hive", AttributesToGet=["LATEST_ICEBERG_METADATA"])["Table"] == {"Name": "hive", "DatabaseName": db}
    refused("InvalidInputException", glue.get_table, DatabaseName=db, Name="t", AttributesToGet=["NAME", "LATEST_ICEBERG_METADATA"])
    refused("InvalidInputException", glue.get_table, DatabaseName=db, Name="t", AttributesToGet=[])
    refused("InvalidInputException", glue.get_tables, "GetTable", DatabaseName=db, AttributesToGet=["NAME", "LATEST_ICEBERG_METADATA"])
    refused("EntityNotFoundException", glue.get_table, DatabaseName=db, Name="none", AttributesToGet=["LATEST_ICEBERG_METADATA"])
    glue.create_table(DatabaseName=db, TableInput={"Name": "lost", "Parameters": {"table_type": "ICEBERG", "metadata_location": f"s3://{bucket}/none.json"}})
    refused("InvalidInputException", glue.get_table, "none.json", DatabaseName=db, Name="lost", AttributesToGet=["LATEST_ICEBERG_METADATA"])
    assert glue.get_table(DatabaseName=db, Name="lost", AttributesToGet=["DEFAULT"])["Table"]["Name"] == "lost"


def test_the_audit_context_goes_to_the_log(glue, server, db):
    mark = name("who")
    glue.create_table(DatabaseName=db, TableInput={"Name": "t"})
    context = {"AdditionalAuditContext": mark, "RequestedColumns": ["a", "b"]}
    assert glue.get_table(DatabaseName=db, Name="t", AuditContext=context)["Table"]["Name"] == "t"
    assert glue.get_tables(DatabaseName=db, AuditContext={"AdditionalAuditContext": mark, "AllColumnsRequested": True})["TableList"]
    told = [line for line in server.log_text().splitlines() if mark in line]
    assert ["GetTable by" in told[0], "columns=a,b" in told[0], "GetTables by" in told[1], "columns=all" in told[1]] == [True] * 4, told
