"""What a catalog asks for all its Iceberg tables: its optimizers are inherited, run, are changed and taken away with it."""
import random

import pyarrow as pa
import pytest
from conftest import wait_for

pytest.importorskip("pyiceberg")
from pyiceberg.catalog import load_catalog  # noqa: E402
from test_iceberg_optimizers import (CATALOG, ROLE, completed, create, name, refused)  # noqa: E402

TYPES = ("compaction", "retention", "orphan_file_deletion")
OTHER = "arn:aws:iam::000000000000:role/other"


@pytest.fixture(scope="module")
def region():
    """A region of our own: the account's catalog is one for all."""
    return random.choice(["eu-north-1", "eu-west-3", "ap-south-1"])


@pytest.fixture(scope="module")
def glue(server, region):
    return server.client("glue", region)


@pytest.fixture(scope="module")
def bucket(s3):
    n = name("copt")
    s3.create_bucket(Bucket=n)
    return n


def open_catalog(server, region, **more):
    """PyIceberg's Glue catalogue: plain CreateTable and UpdateTable."""
    return load_catalog(name(), type="glue", **{
        "glue.endpoint": server.url, "glue.region": region, "glue.access-key-id": server.access_key, "glue.secret-access-key": server.secret_key,
        "s3.endpoint": server.s3_url, "s3.access-key-id": server.access_key, "s3.secret-access-key": server.secret_key, **more})


@pytest.fixture(scope="module")
def catalog(server, region):
    return open_catalog(server, region)


@pytest.fixture
def db(glue, bucket):
    n = name("db")
    glue.create_database(DatabaseInput={"Name": n, "LocationUri": f"s3://{bucket}/{n}"})
    return n


def ask(glue, catalog_id=CATALOG, role=ROLE, **maps):
    """ask(glue, Compaction={"enabled": "true"})"""
    glue.update_catalog(CatalogId=catalog_id, CatalogInput={"CatalogProperties": {"IcebergOptimizationProperties": {"RoleArn": role, **maps}}})


@pytest.fixture(autouse=True)
def nothing_asked(glue):
    yield
    glue.update_catalog(CatalogId=CATALOG, CatalogInput={})


def get(glue, db, type_, table="t", catalog_id=CATALOG):
    return glue.get_table_optimizer(CatalogId=catalog_id, DatabaseName=db, TableName=table, Type=type_)["TableOptimizer"]


def fill(catalog, db, table="t", n=4):
    t = catalog.create_table(f"{db}.{table}", schema=pa.schema([("id", pa.int64())]))
    for i in range(n):
        t.append(pa.table({"id": [i]}))
    return t


def test_what_is_given_is_told_again(glue, server):
    assert glue.get_catalog(CatalogId=CATALOG)["Catalog"]["ResourceArn"].endswith(":catalog")
    given = {"RoleArn": ROLE, "Compaction": {"enabled": "true", "strategy": "binpack", "minInputFiles": "7"},
             "Retention": {"enabled": "true", "snapshotRetentionPeriodInDays": "10", "numberOfSnapshotsToRetain": "5", "cleanExpiredFiles": "true"},
             "OrphanFileDeletion": {"enabled": "false", "orphanFileRetentionPeriodInDays": "3"}}
    glue.update_catalog(CatalogId=CATALOG, CatalogInput={"Description": "all of it", "Parameters": {"a": "b"}, "CatalogProperties": {
        "IcebergOptimizationProperties": given, "CustomProperties": {"x": "y"}}})
    got = glue.get_catalog(CatalogId=CATALOG)["Catalog"]
    told = got["CatalogProperties"]["IcebergOptimizationProperties"]
    assert told["LastUpdatedTime"] >= got["CreateTime"] and told == {**given, "LastUpdatedTime": told["LastUpdatedTime"]}
    assert (got["Name"], got["CatalogId"], got["Description"], got["Parameters"]) == (CATALOG, CATALOG, "all of it", {"a": "b"})
    assert got["CatalogProperties"]["CustomProperties"] == {"x": "y"}
    assert CATALOG not in [c["CatalogId"] for c in glue.get_catalogs()["CatalogList"]]
    assert glue.get_catalogs(IncludeRoot=True)["CatalogList"][0] == got
    refused("InvalidInputException", glue.delete_catalog, CatalogId=CATALOG)
    assert "CatalogProperties" not in server.client("glue", "us-west-2").get_catalog(CatalogId=CATALOG)["Catalog"]


@pytest.mark.parametrize("says,properties", [
    ("RoleArn", {"Compaction": {"enabled": "true"}}),
    ("true or false", {"RoleArn": ROLE, "Retention": {"enabled": "yes"}}),
    ("Compaction has no setting numberOfSnapshotsToRetain", {"RoleArn": ROLE, "Compaction": {"numberOfSnapshotsToRetain": "1"}}),
    ("whole number", {"RoleArn": ROLE, "Retention": {"numberOfSnapshotsToRetain": "many"}}),
    ("between 3 and 168", {"RoleArn": ROLE, "OrphanFileDeletion": {"runRateInHours": "2"}}),
    ("strategy", {"RoleArn": ROLE, "Compaction": {"strategy": "random"}}),
])
def test_what_makes_no_sense_is_refused(glue, says, properties):
    asked = {"CatalogProperties": {"IcebergOptimizationProperties": properties}}
    refused("InvalidInputException", glue.update_catalog, says, CatalogId=CATALOG, CatalogInput=asked)
    refused("InvalidInputException", glue.create_catalog, says, Name=name("c"), CatalogInput=asked)
    assert "CatalogProperties" not in glue.get_catalog(CatalogId=CATALOG)["Catalog"]


def test_tables_made_and_changed_inherit_and_are_compacted(glue, catalog, server, db, s3, bucket):
    before = fill(catalog, db, "before")
    untouched = fill(catalog, db, "untouched")
    ask(glue, Compaction={"enabled": "true", "minInputFiles": "2"}, Retention={"enabled": "true", "numberOfSnapshotsToRetain": "9"})
    t = fill(catalog, db)
    glue.create_table(DatabaseName=db, TableInput={"Name": "plain", "StorageDescriptor": {"Columns": [{"Name": "a", "Type": "int"}], "Location": f"s3://{bucket}/p"}})
    got = get(glue, db, "compaction")
    assert got["configurationSource"] == "catalog"
    assert got["configuration"] == {"roleArn": ROLE, "enabled": True, "compactionConfiguration": {"icebergConfiguration": {"minInputFiles": 2}}}
    assert get(glue, db, "retention")["configuration"]["retentionConfiguration"]["icebergConfiguration"] == {"numberOfSnapshotsToRetain": 9}
    refused("EntityNotFoundException", get, None, glue=glue, db=db, type_="orphan_file_deletion")
    for table in ("plain", "before", "untouched"):
        refused("EntityNotFoundException", get, None, glue=glue, db=db, type_="compaction", table=table)
    before.append(pa.table({"id": [99]}))  # an update
    assert get(glue, db, "compaction", "before")["configurationSource"] == "catalog"

    def one_file(table):
        return lambda: len(list(catalog.load_table(f"{db}.{table}").scan().plan_files())) == 1
    wait_for(one_file("before"), 60)
    # what was appended after the first look is looked at again once something asks for it
    glue.update_catalog(CatalogId=CATALOG, CatalogInput={"CatalogProperties": {"IcebergOptimizationProperties": {
        "RoleArn": OTHER, "Compaction": {"enabled": "true", "minInputFiles": "2"}}}})
    wait_for(one_file("t"), 60)
    assert sorted(catalog.load_table(f"{db}.t").scan().to_arrow()["id"].to_pylist()) == [0, 1, 2, 3]
    assert sorted(catalog.load_table(f"{db}.before").scan().to_arrow()["id"].to_pylist()) == [0, 1, 2, 3, 99]
    assert len(list(catalog.load_table(f"{db}.untouched").scan().plan_files())) == 4
    run = completed(glue, db, "compaction")
    assert get(glue, db, "compaction")["lastRun"]["eventType"] == "completed" and run["compactionStrategy"] == "binpack"
    batch_ = glue.batch_get_table_optimizer(Entries=[{"catalogId": CATALOG, "databaseName": db, "tableName": n, "type": "compaction"} for n in ("t", "before", "untouched")])
    assert [o["tableOptimizer"]["configurationSource"] for o in batch_["TableOptimizers"]] == ["catalog"] * 2
    assert [f["tableName"] for f in batch_["Failures"]] == ["untouched"]
    assert {o["tableOptimizer"]["configuration"]["roleArn"] for o in batch_["TableOptimizers"]} == {OTHER}
    # retention is not asked for any more: it is off, and says who says so
    assert get(glue, db, "retention")["configuration"] == {"roleArn": OTHER, "enabled": False}


def test_a_tables_own_settings_come_first(glue, catalog, db):
    t = fill(catalog, db, "own", 1)
    create(glue, db, "retention", table="own", numberOfSnapshotsToRetain=3)
    fill(catalog, db, "gone", 1)
    create(glue, db, "retention", table="gone")
    glue.delete_table_optimizer(CatalogId=CATALOG, DatabaseName=db, TableName="gone", Type="retention")
    ask(glue, Retention={"enabled": "true"}, OrphanFileDeletion={"enabled": "true"})
    for table in ("own", "gone"):
        catalog.load_table(f"{db}.{table}").append(pa.table({"id": [7]}))
    own = get(glue, db, "retention", "own")
    assert own["configurationSource"] == "table" and own["configuration"]["retentionConfiguration"]["icebergConfiguration"] == {"numberOfSnapshotsToRetain": 3}
    # deleted once, it stays so; the other types are inherited
    refused("EntityNotFoundException", get, None, glue=glue, db=db, type_="retention", table="gone")
    assert get(glue, db, "orphan_file_deletion", "gone")["configurationSource"] == "catalog"
    # an inherited one becomes the table's own by an update, or is made so
    glue.update_table_optimizer(CatalogId=CATALOG, DatabaseName=db, TableName="own", Type="orphan_file_deletion",
                                TableOptimizerConfiguration={"enabled": False})
    mine = get(glue, db, "orphan_file_deletion", "own")
    assert mine["configurationSource"] == "table" and mine["configuration"] == {"roleArn": ROLE, "enabled": False}
    create(glue, db, "orphan_file_deletion", table="gone", orphanFileRetentionPeriodInDays=9)
    assert get(glue, db, "orphan_file_deletion", "gone")["configurationSource"] == "table"
    refused("AlreadyExistsException", create, None, glue=glue, db=db, type_="orphan_file_deletion", table="gone")
    create(glue, db, "retention", table="gone")
    # switched off for the catalog: tables' own stay
    ask(glue, Retention={"enabled": "false"})
    assert get(glue, db, "retention", "own")["configuration"]["enabled"] and get(glue, db, "retention", "gone")["configuration"]["enabled"]
    glue.delete_table_optimizer(CatalogId=CATALOG, DatabaseName=db, TableName="own", Type="orphan_file_deletion")
    refused("EntityNotFoundException", glue.delete_table_optimizer, CatalogId=CATALOG, DatabaseName=db, TableName="own", Type="orphan_file_deletion")


def test_off_and_on_again_reaches_all_tables(glue, catalog, server, db):
    n = 6
    ask(glue, Compaction={"enabled": "false", "minInputFiles": "2"}, Retention={"enabled": "true"})
    tables = [fill(catalog, db, f"t{i}", 3) for i in range(n)]
    refused("EntityNotFoundException", get, None, glue=glue, db=db, type_="compaction", table="t0")
    for i in range(n):
        completed(glue, db, "retention", f"t{i}")
    ask(glue, Compaction={"enabled": "true", "minInputFiles": "2"}, Retention={"enabled": "false"})
    for i in range(n):
        assert get(glue, db, "retention", f"t{i}")["configuration"]["enabled"] is False
        catalog.load_table(f"{db}.t{i}").append(pa.table({"id": [i]}))
    for i in range(n):
        completed(glue, db, "compaction", f"t{i}")
    ask(glue, Compaction={"enabled": "true", "minInputFiles": "2"}, Retention={"enabled": "true", "numberOfSnapshotsToRetain": "2"})
    for i in range(n):
        completed(glue, db, "retention", f"t{i}", runs=2)
    assert all(get(glue, db, "retention", f"t{i}")["configuration"]["enabled"] for i in range(n))


def test_a_catalog_of_its_own(glue, server, region, bucket):
    c = name("cat")
    glue.create_catalog(Name=c, CatalogInput={"CatalogProperties": {"IcebergOptimizationProperties": {"RoleArn": ROLE, "Compaction": {
        "enabled": "true", "minInputFiles": "2"}}}})
    cid = f"{CATALOG}:{c}"
    assert glue.get_catalog(CatalogId=cid)["Catalog"]["CatalogProperties"]["IcebergOptimizationProperties"]["Compaction"]["minInputFiles"] == "2"
    glue.create_database(CatalogId=cid, DatabaseInput={"Name": "d", "LocationUri": f"s3://{bucket}/{c}"})
    glue.create_database(DatabaseInput={"Name": c, "LocationUri": f"s3://{bucket}/{c}x"})
    inner = open_catalog(server, region, **{"glue.id": cid})
    fill(inner, "d")
    fill(open_catalog(server, region), c)
    assert get(glue, "d", "compaction", catalog_id=cid)["configurationSource"] == "catalog"
    refused("EntityNotFoundException", get, None, glue=glue, db=c, type_="compaction")
    ask(glue, cid, OTHER, Compaction={"enabled": "true", "minInputFiles": "2"})
    wait_for(lambda: len(list(inner.load_table("d.t").scan().plan_files())) == 1, 60)
    runs = glue.list_table_optimizer_runs(CatalogId=cid, DatabaseName="d", TableName="t", Type="compaction")["TableOptimizerRuns"]
    assert runs and runs[0]["eventType"] in ("completed", "in_progress")
    glue.delete_catalog(CatalogId=cid)


def test_a_deleted_catalog_holds_up_nobody(glue, server, region, bucket, catalog, db):
    """What is due of its tables is due first, and nothing can be run of it."""
    c, tables = name("cat"), [f"t{i}" for i in range(5)]
    cid = f"{CATALOG}:{c}"
    glue.create_catalog(Name=c, CatalogInput={"CatalogProperties": {"IcebergOptimizationProperties": {"RoleArn": ROLE, "Compaction": {"enabled": "true"}}}})
    glue.create_database(CatalogId=cid, DatabaseInput={"Name": "d", "LocationUri": f"s3://{bucket}/{c}"})
    inner = open_catalog(server, region, **{"glue.id": cid})
    for table in tables:
        fill(inner, "d", table, 1)
    for table in tables:  # the server is at the first of them when the catalog goes
        glue.update_table_optimizer(CatalogId=cid, DatabaseName="d", TableName=table, Type="compaction", TableOptimizerConfiguration={"roleArn": OTHER, "enabled": True})
    glue.delete_catalog(CatalogId=cid)
    ask(glue, Compaction={"enabled": "true", "minInputFiles": "2"})
    fill(catalog, db)
    completed(glue, db, "compaction")


def test_a_change_survives_kill(new_server):
    """kill -9 right after the answer: what the catalog asks for reaches all tables after the next start."""
    server = new_server()
    glue, s3 = server.client("glue"), server.client("s3")
    s3.create_bucket(Bucket="lake")
    glue.create_database(DatabaseInput={"Name": "d", "LocationUri": "s3://lake/d"})
    catalog = open_catalog(server, "us-east-1")
    ask(glue, Retention={"enabled": "true"})
    for i in range(2):
        fill(catalog, "d", f"t{i}", 2)
    for i in range(2):
        completed(glue, "d", "retention", f"t{i}")
    ask(glue, Retention={"enabled": "true", "numberOfSnapshotsToRetain": "4"})
    server.kill()
    server.start()
    glue = server.client("glue")
    for i in range(2):
        of = dict(CatalogId=CATALOG, DatabaseName="d", TableName=f"t{i}", Type="retention")
        def runs():
            return glue.list_table_optimizer_runs(**of)["TableOptimizerRuns"]
        wait_for(lambda: [r["eventType"] for r in runs()].count("completed") >= 2, 60)
        # the lake was not up at first: what was due has waited for it; at most a run was killed with the server
        assert {r["error"] for r in runs() if r["eventType"] == "failed"} <= {"The server ended while the optimizer ran"}
        assert get(glue, "d", "retention", f"t{i}")["configuration"]["retentionConfiguration"]["icebergConfiguration"] == {"numberOfSnapshotsToRetain": 4}
