"""Table optimizers: what they do to real tables, judged by other readers and by the files in the lake; their operations."""
import random
import time
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError
from conftest import wait_for

from iceberg_client import Rest

pytest.importorskip("pyiceberg")
from pyiceberg.catalog import load_catalog  # noqa: E402

ROLE = "arn:aws:iam::000000000000:role/optimizer"
CATALOG = "000000000000"


def name(prefix="n"):
    return prefix + uuid.uuid4().hex[:10]


def refused(code, call, says=None, **params):
    with pytest.raises(ClientError) as e:
        call(**params)
    error = e.value.response["Error"]
    assert error["Code"] == code and (not says or says in error["Message"]), error


@pytest.fixture(scope="module")
def bucket(s3):
    n = name("opt")
    s3.create_bucket(Bucket=n)
    return n


@pytest.fixture
def db(glue, bucket):
    n = name("db")
    glue.create_database(DatabaseInput={"Name": n, "LocationUri": f"s3://{bucket}/{n}"})
    return n


@pytest.fixture(scope="module")
def catalog(server):
    return load_catalog(name(), type="rest", uri=server.url + "/iceberg", credential=f"{server.access_key}:{server.secret_key}")


def kind(type_, **iceberg):
    member = {"compaction": "compactionConfiguration", "retention": "retentionConfiguration",
              "orphan_file_deletion": "orphanFileDeletionConfiguration"}[type_]
    return {"roleArn": ROLE, "enabled": True, **({member: {"icebergConfiguration": iceberg}} if iceberg else {})}


def create(glue, db, type_, table="t", **iceberg):
    glue.create_table_optimizer(CatalogId=CATALOG, DatabaseName=db, TableName=table, Type=type_, TableOptimizerConfiguration=kind(type_, **iceberg))


def ended(glue, db, type_, table="t", runs=1):
    """The newest run, once there are so many and it has ended."""
    def look():
        seen = glue.list_table_optimizer_runs(CatalogId=CATALOG, DatabaseName=db, TableName=table, Type=type_)["TableOptimizerRuns"]
        return len(seen) >= runs and seen[0]["eventType"] in ("completed", "failed") and seen[0]
    return wait_for(look, 60)


def completed(*args, **more):
    run = ended(*args, **more)
    assert run["eventType"] == "completed", run
    return run


def keys(s3, bucket, prefix):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {o["Key"] for p in pages for o in p.get("Contents", [])}


def rows(table, *columns):
    return sorted(zip(*[table.column(c).to_pylist() for c in columns]), key=repr)


def lake(server):
    from pyarrow import fs
    return fs.S3FileSystem(endpoint_override=server.s3_url, access_key=server.access_key, secret_key=server.secret_key, scheme="http")


NESTED = pa.struct([("x", pa.int64()), ("l", pa.list_(pa.string()))])


def batch(rng, start, n, key=None):
    return pa.table({
        "id": pa.array(range(start, start + n), pa.int64()), "k": [key or rng.choice("abc") for _ in range(n)],
        "v": [rng.choice([None, rng.random()]) for _ in range(n)],
        "s": pa.array([rng.choice([None, {"x": i, "l": ["p", None]}]) for i in range(n)], NESTED)})


@pytest.mark.parametrize("partitioned", [False, True])
def test_compaction_keeps_rows_and_leaves_few_files(glue, catalog, s3, server, db, bucket, partitioned):
    rng = random.Random(11 + partitioned)
    t = catalog.create_table(f"{db}.t", schema=batch(rng, 0, 1).schema)
    if partitioned:
        with t.update_spec() as spec:
            spec.add_identity("k")
    want = []
    for i in range(6):
        part = batch(rng, i * 50, 50)
        want.append(part)
        t.append(part)
    want = rows(pa.concat_tables(want), "id", "k", "v", "s")
    before = list(t.scan().plan_files())
    old = t.current_snapshot()
    create(glue, db, "compaction", minInputFiles=2)
    run = completed(glue, db, "compaction")
    metrics = run["compactionMetrics"]["IcebergMetrics"]
    assert metrics["NumberOfFilesCompacted"] == len(before) and metrics["NumberOfBytesCompacted"] == sum(f.file.file_size_in_bytes for f in before)
    assert run["metrics"]["NumberOfFilesCompacted"] == str(len(before)) and run["compactionStrategy"] == "binpack"
    assert run["endTimestamp"] >= run["startTimestamp"]
    now = catalog.load_table(f"{db}.t")
    after = list(now.scan().plan_files())
    assert len(after) == (3 if partitioned else 1) and now.current_snapshot().summary.operation.value == "replace"
    assert rows(now.scan().to_arrow(), "id", "k", "v", "s") == want
    assert rows(now.scan(snapshot_id=old.snapshot_id).to_arrow(), "id", "k", "v", "s") == want
    if partitioned:
        assert {f.file.partition[0] for f in after} == {"a", "b", "c"}
        assert rows(now.scan(row_filter="k == 'b'").to_arrow(), "id") == sorted(((i,) for i, k, _, _ in want if k == "b"), key=repr)
    # what the table says of the columns lets readers leave files out, and holds
    from pyiceberg.conversions import from_bytes
    from pyiceberg.types import DoubleType, LongType, StringType
    for f in after:
        mine = [r for r in want if not partitioned or r[1] == f.file.partition[0]]
        for id_, type_, column in ((1, LongType(), 0), (2, StringType(), 1), (3, DoubleType(), 2)):
            values = [r[column] for r in mine if r[column] is not None]
            assert from_bytes(type_, f.file.lower_bounds[id_]) == min(values) and from_bytes(type_, f.file.upper_bounds[id_]) == max(values)
            assert f.file.null_value_counts[id_] == len(mine) - len(values) and f.file.value_counts[id_] == len(mine)
    assert not list(now.scan(row_filter="id > 300").plan_files()) and len(list(now.scan(row_filter="id == 7").plan_files())) >= 1
    # the files themselves: rows, field ids, and what the table says of them
    read = []
    for f in after:
        file = pq.ParquetFile(f.file.file_path.removeprefix("s3://"), filesystem=lake(server))
        assert file.metadata.num_rows == f.file.record_count
        assert file.schema_arrow.field("id").metadata[b"PARQUET:field_id"] == b"1"
        assert s3.head_object(Bucket=bucket, Key=f.file.file_path.split("/", 3)[3])["ContentLength"] == f.file.file_size_in_bytes
        read.append(file.read(["id"]))
    assert sorted(pa.concat_tables(read).column("id").to_pylist()) == list(range(300))
    assert not [k for k in keys(s3, bucket, f"{db}/t/") if "compaction-" in k]
    # appended to afterwards by the writer that made it
    now.append(batch(rng, 1000, 5))
    assert catalog.load_table(f"{db}.t").scan().to_arrow().num_rows == 305


def test_compaction_follows_schemas_and_deletes(glue, catalog, server, db, bucket):
    import os
    duckdb = pytest.importorskip("duckdb")
    con = duckdb.connect()
    con.sql(f"set extension_directory='{os.environ['NIKAWA_DEPS']}/duckdb_extensions'")
    for extension in ("httpfs", "avro", "iceberg"):
        con.sql(f"load {extension}")
    con.sql(f"create secret (type iceberg, client_id '{server.access_key}', client_secret '{server.secret_key}', "
            f"oauth2_server_uri '{server.url}/iceberg/v1/oauth/tokens')")
    con.sql(f"attach '' as lake (type iceberg, endpoint '{server.url}/iceberg')")
    rng = random.Random(5)
    t = catalog.create_table(f"{db}.t", schema=pa.schema([("id", pa.int32()), ("old", pa.string()), ("gone", pa.int64())]))
    t.append(pa.table({"id": pa.array(range(100), pa.int32()), "old": [f"r{i}" for i in range(100)], "gone": pa.array(range(100), pa.int64())}))
    from pyiceberg.types import LongType, StringType
    with t.update_schema(allow_incompatible_changes=True) as change:
        change.rename_column("old", "new")
        change.delete_column("gone")
        change.update_column("id", LongType())
        change.add_column("more", StringType())
    t.append(pa.table({"id": pa.array(range(100, 200), pa.int64()), "new": [f"r{i}" for i in range(100, 200)], "more": ["m"] * 100}))
    dead = sorted(rng.sample(range(200), 40))
    con.sql(f"delete from lake.{db}.t where id in ({','.join(map(str, dead))})")
    assert any(f.delete_files for f in catalog.load_table(f"{db}.t").scan().plan_files())
    create(glue, db, "compaction", minInputFiles=2)
    completed(glue, db, "compaction")
    now = catalog.load_table(f"{db}.t")
    files = list(now.scan().plan_files())
    assert len(files) == 1 and not files[0].delete_files and files[0].file.record_count == 160
    want = sorted([(i, f"r{i}", "m" if i >= 100 else None) for i in range(200) if i not in dead], key=repr)
    assert files[0].file.lower_bounds[1] == (0).to_bytes(8, "little") and files[0].file.upper_bounds[1] == (199).to_bytes(8, "little")
    assert 4 not in files[0].file.lower_bounds and not files[0].file.value_counts  # one file knew nothing of it; rows are missing
    assert rows(now.scan().to_arrow(), "id", "new", "more") == want
    assert sorted(con.sql(f"select id, new, more from lake.{db}.t").fetchall(), key=repr) == want
    summary = now.current_snapshot().summary
    assert summary["total-delete-files"] == "0" and summary["total-records"] == "160" and summary["total-data-files"] == "1"


@pytest.mark.parametrize("strategy", ["sort", "z-order"])
def test_compaction_orders_rows(glue, catalog, rest, server, db, strategy):
    rng = random.Random(3)
    t = catalog.create_table(f"{db}.t", schema=pa.schema([("a", pa.int64()), ("b", pa.int64())]))
    values = [(rng.randrange(64), rng.randrange(64)) for _ in range(300)]
    for i in range(0, 300, 100):
        t.append(pa.table({"a": pa.array([v[0] for v in values[i:i + 100]], pa.int64()), "b": pa.array([v[1] for v in values[i:i + 100]], pa.int64())}))
    create(glue, db, "compaction", minInputFiles=2, strategy=strategy)
    run = ended(glue, db, "compaction")
    assert run["eventType"] == "failed" and "sort order" in run["error"]
    fields = [{"source-id": i, "transform": "identity", "direction": d, "null-order": "nulls-last"} for i, d in ((1, "asc"), (2, "desc"))]
    rest.post(f"namespaces/{db}/tables/t", {"updates": [{"action": "add-sort-order", "sort-order": {"order-id": 1, "fields": fields}},
                                                        {"action": "set-default-sort-order", "sort-order-id": -1}]})
    glue.update_table_optimizer(CatalogId=CATALOG, DatabaseName=db, TableName="t", Type="compaction",
                                TableOptimizerConfiguration=kind("compaction", minInputFiles=2, strategy=strategy))
    assert completed(glue, db, "compaction", runs=2)["compactionStrategy"] == strategy
    files = list(catalog.load_table(f"{db}.t").scan().plan_files())
    read = pq.read_table(files[0].file.file_path.removeprefix("s3://"), filesystem=lake(server))
    got = list(zip(read.column("a").to_pylist(), read.column("b").to_pylist()))
    assert len(files) == 1 and sorted(got) == sorted(values)
    if strategy == "sort":
        assert got == sorted(values, key=lambda v: (v[0], -v[1]))
    else:  # neighbours lie close in both columns: far closer than by either column alone, or by chance
        step = sum(abs(x[0] - y[0]) + abs(x[1] - y[1]) for x, y in zip(got, got[1:]))
        for other in (sorted(values), sorted(values, key=lambda v: v[::-1]), values):
            assert step < sum(abs(x[0] - y[0]) + abs(x[1] - y[1]) for x, y in zip(other, other[1:])) * 0.8


@pytest.fixture(scope="module")
def rest(server):
    return Rest(server)


def test_idle_compaction_commits_nothing(glue, catalog, db):
    t = catalog.create_table(f"{db}.t", schema=pa.schema([("a", pa.int64())]))
    create(glue, db, "compaction")
    assert completed(glue, db, "compaction")["compactionMetrics"]["IcebergMetrics"]["NumberOfFilesCompacted"] == 0
    for _ in range(3):
        t.append(pa.table({"a": pa.array([1], pa.int64())}))
    glue.update_table_optimizer(CatalogId=CATALOG, DatabaseName=db, TableName="t", Type="compaction", TableOptimizerConfiguration=kind("compaction"))
    assert completed(glue, db, "compaction", runs=2)["compactionMetrics"]["IcebergMetrics"]["NumberOfFilesCompacted"] == 0
    assert len(list(catalog.load_table(f"{db}.t").scan().plan_files())) == 3


def aged(monkeypatch, days):
    """PyIceberg writes its snapshots as if it were so many days ago."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - days * 86400)


def test_retention_expires_snapshots(glue, catalog, s3, db, bucket, monkeypatch):
    t = catalog.create_table(f"{db}.t", schema=pa.schema([("a", pa.int64())]))
    with monkeypatch.context() as m:
        aged(m, 10)
        for i in range(4):
            t.overwrite(pa.table({"a": pa.array([i], pa.int64())}))
        with t.manage_snapshots() as change:
            change.create_tag(t.metadata.snapshots[1].snapshot_id, "kept")
    for i in range(4, 6):
        t.append(pa.table({"a": pa.array([i], pa.int64())}))
    t = catalog.load_table(f"{db}.t")
    old = [s for s in t.metadata.snapshots if s.timestamp_ms < time.time() * 1000 - 5 * 86400000]
    young = [s.snapshot_id for s in t.metadata.snapshots if s not in old]
    tagged = t.refs()["kept"].snapshot_id
    assert len(old) >= 4 and len(young) == 2
    lists = {s.manifest_list for s in old if s.snapshot_id != tagged}
    create(glue, db, "retention", snapshotRetentionPeriodInDays=5, numberOfSnapshotsToRetain=1, cleanExpiredFiles=True)
    metrics = completed(glue, db, "retention")["retentionMetrics"]["IcebergMetrics"]
    now = catalog.load_table(f"{db}.t")
    assert {s.snapshot_id for s in now.metadata.snapshots} == {*young, tagged}
    assert sorted(now.scan().to_arrow().column("a").to_pylist()) == [3, 4, 5]
    kept_rows = now.scan(snapshot_id=tagged).to_arrow()
    assert kept_rows.num_rows <= 1
    left = {f"s3://{bucket}/{k}" for k in keys(s3, bucket, f"{db}/t/")}
    assert not lists & left and metrics["NumberOfManifestListsDeleted"] == len(lists) and metrics["NumberOfManifestFilesDeleted"] > 0
    reachable = {f.file.file_path for s in now.metadata.snapshots for f in now.scan(snapshot_id=s.snapshot_id).plan_files()}
    assert {k for k in left if k.endswith(".parquet")} == reachable


def test_retention_keeps_as_many_as_asked(glue, catalog, s3, db, bucket, monkeypatch):
    t = catalog.create_table(f"{db}.t", schema=pa.schema([("a", pa.int64())]))
    with monkeypatch.context() as m:
        aged(m, 10)
        for i in range(5):
            t.append(pa.table({"a": pa.array([i], pa.int64())}))
    before = keys(s3, bucket, f"{db}/t/")
    create(glue, db, "retention", snapshotRetentionPeriodInDays=1, numberOfSnapshotsToRetain=3)
    metrics = completed(glue, db, "retention")["retentionMetrics"]["IcebergMetrics"]
    now = catalog.load_table(f"{db}.t")
    assert [s.snapshot_id for s in now.metadata.snapshots] == [s.snapshot_id for s in t.metadata.snapshots[-3:]]
    assert before <= keys(s3, bucket, f"{db}/t/") and metrics["NumberOfDataFilesDeleted"] == 0
    assert sorted(now.scan().to_arrow().column("a").to_pylist()) == [0, 1, 2, 3, 4]


def test_orphan_files_go(glue, catalog, s3, db, bucket):
    t = catalog.create_table(f"{db}.t", schema=pa.schema([("a", pa.int64())]))
    for i in range(3):
        t.append(pa.table({"a": pa.array([i], pa.int64())}))
    good = keys(s3, bucket, f"{db}/t/")
    orphans = {f"{db}/t/data/lost-{i}.parquet" for i in range(5)} | {f"{db}/t/metadata/lost.avro"}
    for k in orphans:
        s3.put_object(Bucket=bucket, Key=k, Body=b"x")
    s3.put_object(Bucket=bucket, Key=f"{db}/t2/data/not-ours.parquet", Body=b"x")
    create(glue, db, "orphan_file_deletion", orphanFileRetentionPeriodInDays=1)
    assert completed(glue, db, "orphan_file_deletion")["orphanFileDeletionMetrics"]["IcebergMetrics"]["NumberOfOrphanFilesDeleted"] == 0
    assert keys(s3, bucket, f"{db}/t/") == good | orphans

    def again(runs, **more):
        glue.update_table_optimizer(CatalogId=CATALOG, DatabaseName=db, TableName="t", Type="orphan_file_deletion",
                                    TableOptimizerConfiguration=kind("orphan_file_deletion", orphanFileRetentionPeriodInDays=0, **more))
        return ended(glue, db, "orphan_file_deletion", runs=runs)

    assert "within" in again(2, location=f"s3://{bucket}/{db}")["error"]
    run = again(3, location=f"s3://{bucket}/{db}/t/data")
    assert run["orphanFileDeletionMetrics"]["IcebergMetrics"]["NumberOfOrphanFilesDeleted"] == 5
    glue.create_table(DatabaseName=db, TableInput={"Name": "lodger", "StorageDescriptor": {"Location": f"s3://{bucket}/{db}/t/"}})
    assert "lodger" in again(4)["error"] and f"{db}/t/metadata/lost.avro" in keys(s3, bucket, f"{db}/t/")
    glue.delete_table(DatabaseName=db, Name="lodger")
    assert again(5)["orphanFileDeletionMetrics"]["IcebergMetrics"]["NumberOfOrphanFilesDeleted"] == 1
    assert keys(s3, bucket, f"{db}/") == good | {f"{db}/t2/data/not-ours.parquet"}
    assert sorted(catalog.load_table(f"{db}.t").scan().to_arrow().column("a").to_pylist()) == [0, 1, 2]


def test_purge_takes_the_files_along(catalog, s3, db, bucket):
    for purge in (False, True):
        t = catalog.create_table(f"{db}.t", schema=pa.schema([("a", pa.int64())]))
        t.append(pa.table({"a": pa.array([1], pa.int64())}))
        t.overwrite(pa.table({"a": pa.array([2], pa.int64())}))
        mine = keys(s3, bucket, f"{db}/t/")
        (catalog.purge_table if purge else catalog.drop_table)(f"{db}.t")
        assert not catalog.table_exists(f"{db}.t")
        if not purge:
            assert keys(s3, bucket, f"{db}/t/") == mine
            left = mine
    wait_for(lambda: keys(s3, bucket, f"{db}/t/") == left, 60)


def test_operations(glue, catalog, db, watch):
    catalog.create_table(f"{db}.t", schema=pa.schema([("a", pa.int64())]))
    glue.create_table(DatabaseName=db, TableInput={"Name": "plain"})
    which = {"CatalogId": CATALOG, "DatabaseName": db, "TableName": "t", "Type": "compaction"}
    config = kind("compaction", strategy="binpack", minInputFiles=7, deleteFileThreshold=3)
    for call in (glue.get_table_optimizer, glue.delete_table_optimizer, glue.list_table_optimizer_runs):
        refused("EntityNotFoundException", call, **which)
    refused("EntityNotFoundException", glue.update_table_optimizer, **which, TableOptimizerConfiguration=config)
    refused("EntityNotFoundException", glue.create_table_optimizer, **{**which, "TableName": "none"}, TableOptimizerConfiguration=config)
    refused("EntityNotFoundException", glue.create_table_optimizer, **{**which, "CatalogId": "111111111111"}, TableOptimizerConfiguration=config)
    refused("InvalidInputException", glue.create_table_optimizer, "not an Iceberg", **{**which, "TableName": "plain"}, TableOptimizerConfiguration=config)
    for bad, says in [(kind("retention", numberOfSnapshotsToRetain=1), "does not go"), (kind("compaction", minInputFiles=1), "minInputFiles"),
                      (kind("compaction", deleteFileThreshold=0), "deleteFileThreshold"),
                      ({**config, "vpcConfiguration": {"glueConnectionName": "x"}}, "vpcConfiguration")]:
        refused("InvalidInputException", glue.create_table_optimizer, says, **which, TableOptimizerConfiguration=bad)
    glue.create_table_optimizer(**which, TableOptimizerConfiguration={**config, "enabled": False})
    refused("AlreadyExistsException", glue.create_table_optimizer, **which, TableOptimizerConfiguration=config)
    got = glue.get_table_optimizer(**which)
    assert got["TableOptimizer"]["configuration"] == {**config, "enabled": False} and got["TableOptimizer"]["type"] == "compaction"
    assert "lastRun" not in got["TableOptimizer"] and got["TableOptimizer"]["configurationSource"] == "table"
    batch_ = glue.batch_get_table_optimizer(Entries=[
        {"catalogId": CATALOG, "databaseName": db, "tableName": n, "type": t} for n, t in (("t", "compaction"), ("t", "retention"), ("none", "retention"))])
    assert [o["tableOptimizer"]["type"] for o in batch_["TableOptimizers"]] == ["compaction"]
    assert [(f["type"], f["error"]["ErrorCode"]) for f in batch_["Failures"]] == [("retention", "EntityNotFoundException")] * 2
    for n in range(3):
        glue.update_table_optimizer(**which, TableOptimizerConfiguration={"enabled": True, "compactionConfiguration": config["compactionConfiguration"]})
        ended(glue, db, "compaction", runs=n + 1)
    last = glue.get_table_optimizer(**which)["TableOptimizer"]
    watch.proved("UpdateTableOptimizer")
    refused("ValidationException", glue.batch_get_table_optimizer, Entries=[{"catalogId": "1" * 256}])
    assert last["configuration"]["roleArn"] == ROLE and last["lastRun"]["eventType"] == "completed"
    seen, token = [], None
    while True:
        page = glue.list_table_optimizer_runs(**which, MaxResults=2, **({"NextToken": token} if token else {}))
        seen += page["TableOptimizerRuns"]
        token = page.get("NextToken")
        if not token:
            break
    assert len(seen) == 3 and seen == sorted(seen, key=lambda r: r["startTimestamp"], reverse=True) and seen[0] == last["lastRun"]
    refused("InvalidInputException", glue.list_table_optimizer_runs, **which, NextToken="zzz")
    glue.delete_table_optimizer(**which)
    refused("EntityNotFoundException", glue.get_table_optimizer, **which)
    # a table of the same name made later is another table
    glue.create_table_optimizer(**which, TableOptimizerConfiguration={**config, "enabled": False})
    catalog.drop_table(f"{db}.t")
    refused("EntityNotFoundException", glue.get_table_optimizer, **which)
    catalog.create_table(f"{db}.t", schema=pa.schema([("a", pa.int64())]))
    refused("EntityNotFoundException", glue.get_table_optimizer, **which)
    glue.create_table_optimizer(**which, TableOptimizerConfiguration={**config, "enabled": False})


def test_a_renamed_table_keeps_versions_optimizers_and_statistics_settings(glue, catalog, server, db, bucket):
    from test_history import history, nikawa
    other = name("o")
    glue.create_database(DatabaseInput={"Name": other, "LocationUri": f"s3://{bucket}/{other}"})
    t = catalog.create_table(f"{db}.t", schema=pa.schema([("id", pa.int64())]))
    t.append(pa.table({"id": [1, 2]}))
    t.append(pa.table({"id": [3]}))
    create(glue, db, "compaction", minInputFiles=2)
    completed(glue, db, "compaction")
    create(glue, db, "retention")
    completed(glue, db, "retention")
    glue.create_column_statistics_task_settings(DatabaseName=db, TableName="t", Role=ROLE, Schedule="cron(0 1 ? * MON *)")
    glue.search_tables(SearchText="warm the index")
    # Glue's own UpdateTable keeps the version before
    table = glue.get_table(DatabaseName=db, Name="t")["Table"]
    glue.update_table(DatabaseName=db, TableInput={k: table[k] for k in ("Name", "StorageDescriptor", "TableType", "Parameters")} | {"Owner": "me"})
    of = dict(CatalogId=CATALOG, DatabaseName=db, TableName="t")
    to = dict(CatalogId=CATALOG, DatabaseName=other, TableName="u")
    runs = {k: glue.list_table_optimizer_runs(**of, Type=k)["TableOptimizerRuns"] for k in ("compaction", "retention")}
    before = {v["VersionId"]: v["Table"] for v in glue.get_table_versions(DatabaseName=db, TableName="t")["TableVersions"]}
    assert len(before) == 2 and all(runs.values())
    # another table had this name, and an optimizer
    catalog.create_table(f"{other}.u", schema=pa.schema([("x", pa.int64())]))
    create(glue, other, "compaction", table="u")
    catalog.drop_table(f"{other}.u")

    Rest(server).post("tables/rename", {"source": {"namespace": [db], "name": "t"}, "destination": {"namespace": [other], "name": "u"}})
    after = {v["VersionId"]: v["Table"] for v in glue.get_table_versions(DatabaseName=other, TableName="u")["TableVersions"]}
    assert {k: after[k] for k in before} == before and len(after) == 3
    now = glue.get_table(DatabaseName=other, Name="u")["Table"]
    assert (now["Name"], now["DatabaseName"], now["CreateTime"], now["Owner"]) == ("u", other, table["CreateTime"], "me")
    for k, want in runs.items():
        assert glue.list_table_optimizer_runs(**to, Type=k)["TableOptimizerRuns"] == want
        assert glue.get_table_optimizer(**to, Type=k)["TableOptimizer"]["lastRun"] == want[0]
        refused("EntityNotFoundException", glue.get_table_optimizer, **of, Type=k)
    settings = glue.get_column_statistics_task_settings(DatabaseName=other, TableName="u")["ColumnStatisticsTaskSettings"]
    assert (settings["DatabaseName"], settings["TableName"], settings["Schedule"]["ScheduleExpression"]) == (other, "u", "cron(0 1 ? * MON *)")
    found = glue.search_tables(Filters=[{"Key": "DatabaseName", "Value": other, "Comparator": "EQUALS"}])["TableList"]
    assert [f["Name"] for f in found] == ["u"]
    # they go on working under the new name
    u = catalog.load_table(f"{other}.u")
    u.append(pa.table({"id": [4]}))
    glue.update_table_optimizer(**to, Type="compaction", TableOptimizerConfiguration=kind("compaction", minInputFiles=2))
    wait_for(lambda: any(r["eventType"] == "completed" and r["compactionMetrics"]["IcebergMetrics"]["NumberOfFilesCompacted"] == 2
                         for r in glue.list_table_optimizer_runs(**to, Type="compaction")["TableOptimizerRuns"]), 60)
    assert sorted(catalog.load_table(f"{other}.u").scan().to_arrow()["id"].to_pylist()) == [1, 2, 3, 4]
    # and the history takes it back
    change = next(c for c in history(server, f"{db}.t") if c["What"] == "update")
    assert nikawa(server, "undo", str(change["Id"])).startswith(f"put table {db}.t back")
    assert glue.get_table(DatabaseName=db, Name="t")["Table"]["Parameters"]["metadata_location"] == table["Parameters"]["metadata_location"]
    refused("EntityNotFoundException", glue.get_table, DatabaseName=other, Name="u")


def test_renaming_ends_a_run_that_is_at_work(glue, catalog, server, db):
    """Whatever the run has come to when the table gets another name, it has an end and the table its rows."""
    rng = random.Random(5)
    t = catalog.create_table(f"{db}.t", schema=batch(rng, 0, 1).schema)
    for i in range(8):
        t.append(batch(rng, i * 100, 100))
    create(glue, db, "compaction", minInputFiles=2)
    wait_for(lambda: glue.list_table_optimizer_runs(CatalogId=CATALOG, DatabaseName=db, TableName="t", Type="compaction")["TableOptimizerRuns"], 60)
    Rest(server).post("tables/rename", {"source": {"namespace": [db], "name": "t"}, "destination": {"namespace": [db], "name": "u"}})

    def settled():
        seen = glue.list_table_optimizer_runs(CatalogId=CATALOG, DatabaseName=db, TableName="u", Type="compaction")["TableOptimizerRuns"]
        return all(r["eventType"] != "in_progress" for r in seen) and any(r["eventType"] == "completed" for r in seen)
    wait_for(settled, 60)
    now = catalog.load_table(f"{db}.u")
    assert sorted(now.scan().to_arrow()["id"].to_pylist()) == list(range(800)) and len(list(now.scan().plan_files())) == 1
