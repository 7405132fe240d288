"""Apache Spark with Iceberg's own runtime as a client, through Glue's API, through the REST catalogue with OAuth tokens and with
signatures; each table is read and committed to by PyIceberg through the other door. Rows are judged by a dict in Python."""
import concurrent.futures
import json
import os
import queue
import random
import subprocess
import threading
import uuid
from pathlib import Path

import pyarrow as pa
import pytest
from conftest import wait_for

DEPS = Path(os.environ.get("NIKAWA_DEPS") or Path.home() / ".cache/nikawa")
PYTHON, JARS = DEPS / "venv/bench/bin/python", DEPS / "maven/iceberg"
pytest.importorskip("pyiceberg")
from iceberg_client import Rest  # noqa: E402
from pyiceberg.catalog import load_catalog  # noqa: E402

if not PYTHON.exists() or not JARS.is_dir():
    pytest.skip("no Apache Spark, or no Iceberg for it: deps/install bench", allow_module_level=True)
DOORS = ["glue", "rest", "sig"]


class Spark:
    def __init__(self, server, work):
        env = dict(os.environ, AWS_ACCESS_KEY_ID=server.access_key, AWS_SECRET_ACCESS_KEY=server.secret_key, AWS_REGION="us-east-1",
                   SPARK_LOCAL_IP="127.0.0.1", SPARK_LOCAL_DIRS=str(work))
        env.pop("AWS_PROFILE", None)
        self.log = work / "stderr"
        with open(self.log, "wb") as log:
            self.child = subprocess.Popen([PYTHON, Path(__file__).parent / "spark_child.py", JARS, server.url, server.s3_url], cwd=work, env=env,
                                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=lambda: [self.lines.put(line) for line in self.child.stdout], daemon=True).start()
        assert self.answer() == "ready\n"

    def answer(self):
        try:
            return self.lines.get(timeout=240)
        except queue.Empty:
            raise AssertionError("Spark says nothing: " + self.log.read_text(errors="replace")[-3000:])

    def ask(self, sql):
        self.child.stdin.write(json.dumps(sql) + "\n")
        self.child.stdin.flush()
        return json.loads(self.answer())

    def __call__(self, sql):
        answer = self.ask(sql)
        assert "rows" in answer, (sql, answer["error"])
        return [tuple(row) for row in answer["rows"]]

    def refusal(self, sql):
        answer = self.ask(sql)
        assert "error" in answer, (sql, answer)
        return answer["error"]

    def end(self):
        self.child.stdin.close()
        try:
            self.child.wait(60)
        finally:
            self.child.kill()
            self.child.wait()
        assert self.child.returncode == 0


@pytest.fixture(scope="module")
def spark(server, tmp_path_factory):
    s = Spark(server, tmp_path_factory.mktemp("spark"))
    yield s
    s.end()


@pytest.fixture(scope="module")
def bucket(s3):
    s3.create_bucket(Bucket="spark")
    return "spark"


@pytest.fixture(scope="module")
def other(server):
    """PyIceberg through the door that Spark does not take."""
    s3 = {"s3.endpoint": server.s3_url, "s3.access-key-id": server.access_key, "s3.secret-access-key": server.secret_key}
    rest = load_catalog("r", type="rest", uri=server.url + "/iceberg", credential=f"{server.access_key}:{server.secret_key}")
    glue = load_catalog("g", type="glue", **{"glue.endpoint": server.url, "glue.region": "us-east-1", "glue.access-key-id": server.access_key,
                                             "glue.secret-access-key": server.secret_key, **s3})
    return {"glue": rest, "rest": glue, "sig": glue, "vended": glue}


@pytest.fixture
def ns(spark, glue, bucket, request):
    door = request.node.callspec.params["door"]
    n = f"{door}_{uuid.uuid4().hex[:8]}"
    spark(f"create namespace {door}.{n} comment 'Spark''s' location 's3://{bucket}/{n}' with dbproperties ('stage'='t')")
    got = glue.get_database(Name=n)["Database"]
    assert (got["Description"], got["LocationUri"], got["Parameters"]["stage"]) == ("Spark's", f"s3://{bucket}/{n}", "t")
    return n


def literal(v):
    return "null" if v is None else f"'{v}'" if isinstance(v, str) else repr(v)


def values(rows):
    return ", ".join("(" + ", ".join(map(literal, row)) + ")" for row in rows)


def stored(model):
    return sorted((k, *v) for k, v in model.items())


def seen(catalog, name, *columns, **scan):
    table = catalog.load_table(name).scan(**scan).to_arrow()
    return sorted(zip(*[table.column(c).to_pylist() for c in columns]))


@pytest.mark.parametrize("door", DOORS)
def test_rows_schemas_and_time(spark, other, glue, ns, door):
    seed = random.SystemRandom().randrange(1 << 30)
    print("seed", seed)
    r = random.Random(seed)
    t, name, iceberg = f"{door}.{ns}.t", f"{ns}.t", other[door]
    spark(f"create table {t} (id bigint not null, v string, d double) using iceberg partitioned by (v) "
          "tblproperties ('write.merge.mode'='merge-on-read')")
    assert "already exists" in spark.refusal(f"create table {t} (a int) using iceberg")
    model = {i: (r.choice(["a", "b", "it_s", ""]), r.random()) for i in r.sample(range(100), 20)}
    spark(f"insert into {t} values {values((k, *v) for k, v in model.items())}")
    first = stored(model)
    assert seen(iceberg, name, "id", "v", "d") == first and spark(f"select * from {t} order by id") == first
    start = iceberg.load_table(name).current_snapshot().snapshot_id
    assert spark(f"select snapshot_id, operation from {t}.snapshots") == [(start, "append")]

    # schema, partitions, order, properties
    for change in ("add column w int after id", "rename column v to vv", "alter column w type bigint", "set tblproperties ('a.b'='c')",
                   "write ordered by vv desc", "add partition field w", "alter column d comment 'a number'"):
        spark(f"alter table {t} {change}")
    now = iceberg.load_table(name)
    assert [(f.name, str(f.field_type)) for f in now.schema().fields] == [("id", "long"), ("w", "long"), ("vv", "string"), ("d", "double")]
    assert now.properties["a.b"] == "c" and now.schema().find_field("d").doc == "a number"
    assert [str(f.transform) for f in now.spec().fields] == ["identity", "identity"] and now.sort_order().fields[0].direction.value == "desc"
    columns = {c["Name"]: c for c in glue.get_table(DatabaseName=ns, Name="t")["Table"]["StorageDescriptor"]["Columns"]}
    assert columns["w"]["Type"] == "bigint" and columns["d"]["Comment"] == "a number" and columns["v"]["Parameters"]["iceberg.field.current"] == "false"

    # MERGE, UPDATE, DELETE, and a commit through the other door between
    model = {k: (None, *v) for k, v in model.items()}
    news = {i: (r.choice("xyz"), r.random()) for i in r.sample(range(120), 30)}
    spark(f"merge into {t} using (select * from values {values((k, *v) for k, v in news.items())} as s(id, v, d)) s on {t}.id = s.id "
          f"when matched then update set vv = s.v, w = 1 when not matched then insert (id, vv, d) values (s.id, s.v, s.d)")
    for k, (v, d) in news.items():
        model[k] = (1, v, model[k][2]) if k in model else (None, v, d)
    assert spark(f"select * from {t} order by id") == stored(model)
    iceberg.load_table(name).append(pa.table({"id": [1000], "w": [5], "vv": ["py"], "d": [0.5]}, schema=iceberg.load_table(name).schema().as_arrow()))
    model[1000] = (5, "py", 0.5)
    cut = r.randrange(20, 80)
    spark(f"update {t} set w = coalesce(w, 0) + 10 where id < {cut}")
    spark(f"delete from {t} where id % 3 = 0")
    model = {k: ((v[0] or 0) + 10, *v[1:]) if k < cut else v for k, v in model.items() if k % 3}
    assert spark(f"select * from {t} order by id") == stored(model)
    assert seen(iceberg, name, "id", "w", "vv", "d") == stored(model)

    # earlier states: by number, tag, branch; a branch of its own
    assert spark(f"select id, v, d from {t} version as of {start} order by id") == first
    assert seen(iceberg, name, "id", "v", "d", snapshot_id=start) == first
    spark(f"alter table {t} create tag first as of version {start}")
    spark(f"alter table {t} create branch side")
    spark(f"insert into {t}.branch_side values (5000, 1, 'side', 0.25)")
    assert spark(f"select count(*) from {t} version as of 'side'") == [(len(model) + 1,)]
    assert spark(f"select count(*) from {t} version as of 'first'") == [(len(first),)]
    assert spark(f"select count(*) from {t}") == [(len(model),)]
    assert {"first", "side", "main"} <= set(iceberg.load_table(name).refs())
    iceberg.load_table(name).append(pa.table({"id": [2000], "w": [5], "vv": ["py"], "d": [0.5]}, schema=iceberg.load_table(name).schema().as_arrow()))
    last = spark(f"select snapshot_id from {t}.history where is_current_ancestor order by made_current_at")[-2][0]
    spark(f"call {door}.system.rollback_to_snapshot('{name}', {last})")
    assert seen(iceberg, name, "id", "w", "vv", "d") == stored(model)
    spark(f"call {door}.system.rewrite_data_files(table => '{name}', options => map('min-input-files', '2', 'rewrite-all', 'true'))")
    assert seen(iceberg, name, "id", "w", "vv", "d") == stored(model) and spark(f"select * from {t} order by id") == stored(model)
    spark(f"drop table {t}")
    assert "TABLE_OR_VIEW_NOT_FOUND" in spark.refusal(f"select * from {t}")


@pytest.mark.parametrize("door", DOORS)
def test_names_come_and_go(spark, other, s3, bucket, ns, door):
    iceberg = other[door]
    spark(f"create table {door}.{ns}.a using iceberg partitioned by (bucket(2, id)) as select id, id * 2 as twice from range(5)")
    spark(f"create or replace table {door}.{ns}.a using iceberg as select id, id * 3 as thrice from range(7)")
    assert seen(iceberg, f"{ns}.a", "id", "thrice") == [(i, i * 3) for i in range(7)]
    assert spark(f"show tables in {door}.{ns}") == [(ns, "a", False)]
    spark(f"alter table {door}.{ns}.a rename to {ns}.b")
    assert [n[-1] for n in iceberg.list_tables(ns)] == ["b"] and spark(f"select count(*) from {door}.{ns}.b") == [(7,)]
    if door != "glue":  # Iceberg's Glue catalogue has no views
        spark(f"create view {door}.{ns}.v as select thrice from {door}.{ns}.b where id > 4")
        assert spark(f"select * from {door}.{ns}.v order by 1") == [(15,), (18,)] and [n[:2] for n in spark(f"show views in {door}.{ns}")] == [(ns, "v")]
        spark(f"drop view {door}.{ns}.v")
    assert spark.refusal(f"drop namespace {door}.{ns}")
    prefix = f"{ns}/"
    assert s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents")
    spark(f"drop table {door}.{ns}.b purge")
    wait_for(lambda: not [o for o in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", []) if o["Key"].endswith(".parquet") and "/b" in o["Key"]], 60)
    spark(f"alter namespace {door}.{ns} set dbproperties ('x'='y')")
    assert iceberg.load_namespace_properties(ns)["x"] == "y"
    spark(f"drop namespace {door}.{ns}")
    assert (ns,) not in iceberg.list_namespaces()


@pytest.mark.parametrize("door", ["vended"])
def test_keys_for_the_table_alone(spark, other, ns, door, server):
    """Spark with the keys that come with the table: it could not reach the files of another one with them."""
    t = f"{door}.{ns}.t"
    spark(f"create table {t} (id bigint, v string) using iceberg")
    spark(f"insert into {t} values (1, 'a'), (2, 'b')")
    spark(f"update {t} set v = 'c' where id = 2")
    assert spark(f"select * from {t} order by id") == [(1, "a"), (2, "c")] == seen(other[door], f"{ns}.t", "id", "v")
    lent = Rest(server).get(f"namespaces/{ns}/tables/t", X_Iceberg_Access_Delegation="vended-credentials")["config"]
    assert lent["s3.access-key-id"] != server.access_key


@pytest.mark.parametrize("door", DOORS)
def test_two_writers_at_once(spark, other, ns, door):
    """Both append through doors of their own: every commit that was acknowledged is there."""
    t, name, iceberg = f"{door}.{ns}.t", f"{ns}.t", other[door]
    spark(f"create table {t} (who string, n bigint) using iceberg tblproperties ('commit.retry.num-retries'='20', 'commit.retry.min-wait-ms'='10')")

    def python(n):
        from pyiceberg.exceptions import CommitFailedException
        while True:
            try:
                table = iceberg.load_table(name)
                return table.append(pa.table({"who": ["py"], "n": [n]}, schema=table.schema().as_arrow()))
            except CommitFailedException:
                pass

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        done = [pool.submit(python, n) for n in range(8)]
        for n in range(4):
            spark(f"insert into {t} values ('spark', {n})")
        for d in done:
            d.result()
    want = sorted([("py", n) for n in range(8)] + [("spark", n) for n in range(4)])
    assert spark(f"select * from {t} order by who, n") == want and seen(iceberg, name, "who", "n") == want
    assert len(iceberg.load_table(name).history()) == 12


LINEAGE = "_row_id, _last_updated_sequence_number"


def compact(glue, ns, table="t", strategy="binpack", runs=1):
    of = dict(CatalogId="000000000000", DatabaseName=ns, TableName=table, Type="compaction")
    config = {"roleArn": "arn:aws:iam::000000000000:role/o", "enabled": True,
              "compactionConfiguration": {"icebergConfiguration": {"minInputFiles": 2, "strategy": strategy}}}
    (glue.create_table_optimizer if runs == 1 else glue.update_table_optimizer)(**of, TableOptimizerConfiguration=config)

    def ended():
        seen = glue.list_table_optimizer_runs(**of)["TableOptimizerRuns"]
        return len(seen) >= runs and seen[0]["eventType"] in ("completed", "failed") and seen[0]
    return wait_for(ended, 90)


@pytest.mark.parametrize("door,partitioned", [("rest", False), ("sig", True)])
def test_compaction_keeps_row_lineage(spark, other, glue, server, ns, door, partitioned):
    """Format version 3: our compaction of Spark's table with deletion vectors and moved rows; Spark, PyIceberg and DuckDB read it after."""
    seed = random.SystemRandom().randrange(1 << 30)
    print("seed", seed)
    r = random.Random(seed)
    t = f"{door}.{ns}.t"
    spark(f"create table {t} (id bigint, v string) using iceberg {'partitioned by (v)' if partitioned else ''} tblproperties ('format-version'='3', "
          "'write.delete.mode'='merge-on-read', 'write.update.mode'='merge-on-read', 'write.merge.mode'='merge-on-read')")

    def step(i):
        spark(f"insert into {t} (id, v) values {values((i * 100 + k, r.choice('abc')) for k in range(r.randrange(1, 12)))}")

    def look():
        return spark(f"select {LINEAGE}, * from {t} order by id")
    for i in range(4):
        step(i)
    spark(f"delete from {t} where id % 5 = {r.randrange(5)}")
    spark(f"update {t} set v = 'b' where id % 4 = {r.randrange(4)}")
    spark(f"alter table {t} add column w int first")
    for i in range(4, 6):
        step(i)
    spark(f"delete from {t} where id % 7 = {r.randrange(7)}")
    before, snapshot = look(), spark(f"select snapshot_id from {t}.snapshots order by committed_at desc limit 1")[0][0]
    files = spark(f"select count(*) from {t}.files")[0][0]
    run = compact(glue, ns)
    assert run["eventType"] == "completed", run
    assert look() == before
    after = spark(f"select content, file_format, record_count from {t}.all_files")
    live = spark(f"select content, record_count from {t}.files")
    assert len(live) < files and (partitioned or live == [(0, len(before))]) and after
    assert spark(f"select operation from {t}.snapshots order by committed_at desc limit 1") == [("replace",)]
    assert spark(f"select count(*) from {t} version as of {snapshot}") == [(len(before),)]
    now = other[door].load_table(f"{ns}.t")
    assert seen(other[door], f"{ns}.t", "id", "v") == sorted(row[-2:] for row in before)
    columns = {row[2 + 1]: row[:2] for row in before}  # id: lineage
    assert {row[1]: row[:1] for row in duck(server, now.metadata_location, "_row_id, id")} == {k: (v[0],) for k, v in columns.items()}

    # life goes on: new rows get ids of their own, changed ones keep theirs
    step(7)
    spark(f"update {t} set w = 9 where id >= 700")
    spark(f"delete from {t} where id = {before[0][3]}")
    later = look()
    ids = [row[0] for row in later]
    assert len(set(ids)) == len(ids) and [row for row in later if row[3] < 700] == before[1:]
    assert min(row[0] for row in later if row[3] >= 700) > max(row[0] for row in before)
    run = compact(glue, ns, strategy="sort" if spark(f"alter table {t} write ordered by id desc") == [] else "", runs=2)
    assert run["eventType"] == "completed" and look() == later, run
    # the catalogue counts on: what Spark writes next gets the ids after all that were given
    metadata = json.loads(glue_metadata(server, glue, ns))
    assert metadata["next-row-id"] > max(ids) and all(s["first-row-id"] >= 0 and "added-rows" in s for s in metadata["snapshots"])


def glue_metadata(server, glue, ns):
    bucket, key = glue.get_table(DatabaseName=ns, Name="t")["Table"]["Parameters"]["metadata_location"].removeprefix("s3://").split("/", 1)
    return server.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()


def duck(server, location, what):
    import duckdb
    d = duckdb.connect()
    d.execute(f"set extension_directory='{DEPS}/duckdb_extensions'")
    for extension in ("httpfs", "avro", "iceberg"):
        d.execute("load " + extension)
    d.execute(f"create secret (type s3, key_id '{server.access_key}', secret '{server.secret_key}', endpoint '{server.s3_url[7:]}', use_ssl false, "
              "url_style 'path', region 'us-east-1')")
    return d.execute(f"select {what} from iceberg_scan('{location}')").fetchall()


@pytest.mark.parametrize("door", ["rest"])
def test_compaction_of_tables_that_became_version_3(spark, glue, ns, door):
    t = f"{door}.{ns}.t"
    spark(f"create table {t} (id bigint) using iceberg tblproperties ('format-version'='2')")
    for i in range(3):
        spark(f"insert into {t} values ({i})")
    spark(f"alter table {t} set tblproperties ('format-version'='3')")
    run = compact(glue, ns)
    assert run["eventType"] == "failed" and "no ids yet" in run["error"], run
    spark(f"insert into {t} values (3)")
    run = compact(glue, ns, runs=2)
    assert run["eventType"] == "failed" and "rewrite the manifests" in run["error"], run
    spark(f"call {door}.system.rewrite_manifests('{ns}.t')")
    before = spark(f"select {LINEAGE}, id from {t} order by id")
    run = compact(glue, ns, runs=3)
    assert run["eventType"] == "completed", run
    assert spark(f"select {LINEAGE}, id from {t} order by id") == before and spark(f"select count(*) from {t}.files") == [(1,)]


@pytest.mark.parametrize("door", ["rest"])
def test_compaction_and_defaults_of_columns(spark, glue, server, ns, door):
    t = f"{door}.{ns}.t"
    spark(f"create table {t} (id bigint) using iceberg tblproperties ('format-version'='3')")
    for i in range(3):
        spark(f"insert into {t} values ({i})")
    rest = Rest(server)
    path = f"namespaces/{ns}/tables/t"
    schema = rest.get(path)["metadata"]["schemas"][0]
    schema["fields"].append({"id": 2, "name": "w", "required": False, "type": "int", "initial-default": 5, "write-default": 6})
    rest.post(path, {"requirements": [], "updates": [{"action": "add-schema", "schema": schema}, {"action": "set-current-schema", "schema-id": -1}]})
    spark(f"insert into {t} values (9, 1)")
    before = spark(f"select {LINEAGE}, * from {t} order by id")
    assert [row[2:] for row in before] == [(0, 5), (1, 5), (2, 5), (9, 1)]
    run = compact(glue, ns)
    assert run["eventType"] == "completed", run
    assert spark(f"select {LINEAGE}, * from {t} order by id") == before
