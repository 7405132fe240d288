"""Hudi tables, through boto3. Their files are as Hudi 0.15, 1.0 and 1.1 write them: some are files that these have written (the seeds of the fuzz target)."""
import io
import json
import random
from pathlib import Path

import fastavro
import pyarrow as pa
import pytest

from crawling import World, code_of, columns, parquet

SEEDS = Path(__file__).resolve().parent.parent / "fuzz/seeds/hudi"
OWN = [(c, "string") for c in ("_hoodie_commit_time", "_hoodie_commit_seqno", "_hoodie_record_key", "_hoodie_partition_path", "_hoodie_file_name")]
with open(SEEDS / "commit-1.1", "rb") as f:
    COMMIT = fastavro.parse_schema(json.loads(fastavro.reader(f).metadata["avro.schema"]))


@pytest.fixture(scope="module")
def world(glue, s3, server):
    return World(glue, s3)


TYPES = {"long": "bigint", "int": "int", "string": "string", "double": "double", "float": "float", "boolean": "boolean", "bytes": "binary"}


def avro_schema(fields):
    return json.dumps({"type": "record", "name": "r", "namespace": "hoodie.t", "fields": [{"name": n, "type": ["null", t], "default": None} for n, t in fields]})


class Hudi:
    """A Hudi table: layout 1 is that of 0.x (JSON in .hoodie), 2 that of 1.x (Avro in .hoodie/timeline)."""

    def __init__(self, world, prefix, layout=2, kind="COPY_ON_WRITE", keys="", **properties):
        self.world, self.prefix, self.layout, self.clock = world, prefix, layout, 20240101000000000
        lines = {"hoodie.table.name": prefix.rsplit("/", 1)[-1], "hoodie.table.type": kind, "hoodie.table.partition.fields": keys, "hoodie.timeline.layout.version": layout,
                 "hoodie.table.version": 9 if layout == 2 else 6} | {k.replace("__", "."): v for k, v in properties.items()}
        self.put(".hoodie/hoodie.properties", "#Updated at some time\n" + "".join(f"{k}={str(v).replace(':', chr(92) + ':')}\n" for k, v in lines.items() if v != ""))
        self.timeline = properties.get("hoodie__timeline__path", "timeline")

    def put(self, name, data):
        self.world.put(f"{self.prefix}/{name}", data)

    def action(self, schema, action="commit", **extra):
        """A completed action; schema None: it tells of none."""
        self.clock += 1000
        began, done = self.clock, self.clock + 500
        metadata = extra | ({} if schema is None else {"schema": schema})
        where = ".hoodie" if self.layout == 1 else f".hoodie/{self.timeline}"
        self.put(f"{where}/{began}.{action}.requested", b"")
        if self.layout == 1:
            body = json.dumps({"partitionToWriteStats": {"p": [{"fileId": "x", "schema": "no"}]}, "compacted": False, "extraMetadata": metadata, "operationType": "UPSERT"}).encode()
            self.put(f"{where}/{began}.{action}", body)
        else:
            out = io.BytesIO()
            fastavro.writer(out, COMMIT, [{"partitionToWriteStats": {}, "compacted": False, "extraMetadata": metadata, "version": None, "operationType": "UPSERT"}], codec="deflate")
            self.put(f"{where}/{began}_{done}.{action}", out.getvalue())
        return began

    def partition(self, path, rows=1):
        self.put(f"{path}/.hoodie_partition_metadata", f"commitTime={self.clock}\npartitionDepth={path.count('/') + 1}\n")
        self.put(f"{path}/f-0_0-1-2_{self.clock}.parquet", parquet(pa.table({"id": list(range(rows))})))


def crawl(world, prefix, **target):
    name = world.fresh()
    world.glue.create_crawler(Name=name, Role="r", DatabaseName=name, Targets={"HudiTargets": [{"Paths": [f"s3://{world.bucket}/{prefix}"], **target}]})
    world.run(name)
    return name, world.tables(name)


def log_of(server, name):
    return (server.data / "logs/crawlers/us-east-1" / f"{name}.log").read_text()


@pytest.mark.parametrize("seed", range(6))
def test_random_tables(world, seed):
    rng = random.Random(f"hudi {seed}")
    prefix, layout, kind = f"{world.fresh()}/t{seed}", 1 + seed % 2, ["COPY_ON_WRITE", "MERGE_ON_READ"][seed // 2 % 2]
    keys = rng.sample(["day", "Region", "x"], rng.randint(0, 2))
    hive, encoded = rng.random() < 0.5, rng.random() < 0.5
    h = Hudi(world, prefix, layout, kind, ",".join(k + rng.choice(["", ":SIMPLE"]) for k in keys), hoodie__datasource__write__hive_style_partitioning=str(hive).lower(),
             hoodie__datasource__write__partitionpath__urlencode=str(encoded).lower(), **({"hoodie__timeline__path": "line"} if rng.random() < 0.3 else {}))
    fields = [("id", "long")] + [(k, "string") for k in keys]
    names = iter("abcdefghij")
    for _ in range(rng.randint(1, 4)):
        fields.insert(rng.randint(0, len(fields)), (next(names), rng.choice(list(TYPES))))
        with_own = [(c, "string") for c, _ in OWN] if rng.random() < 0.5 else []
        h.action(avro_schema(with_own + fields), rng.choice(["commit", "deltacommit", "replacecommit"]))
    for _ in range(rng.randint(0, 2)):  # a partition's deletion, say
        h.action(rng.choice([None, ""]), "replacecommit")
    if layout == 2:
        h.put(f".hoodie/{h.timeline}/{h.clock + 5000}.commit.requested", "")
        h.put(f".hoodie/{h.timeline}/{h.clock + 5000}.inflight", "{}")
        h.put(f".hoodie/{h.clock + 9000}.commit", json.dumps({"extraMetadata": {"schema": avro_schema([("old", "int")])}}))  # the timeline that was left behind
    expected = {}
    for i in range(4 if keys else 0):
        values = tuple(rng.choice(["1", "a b", "50%", "ü", "2024-01-01"] + (["a/b", "k=v"] if encoded else [])) + str(i) for _ in keys)
        parts = [v.replace("%", "%25").replace("/", "%2F").replace("=", "%3D") if encoded else v for v in values]
        path = "/".join(f"{k}={v}" if hive else v for k, v in zip(keys, parts))
        h.partition(path)
        expected[values] = f"s3://{world.bucket}/{prefix}/{path}/"
    name, tables = crawl(world, prefix)
    assert sorted(tables) == ([f"t{seed}"] if kind == "COPY_ON_WRITE" else [f"t{seed}_ro", f"t{seed}_rt"])
    for table, t in tables.items():
        assert columns(t) == OWN + [(n, TYPES[ty]) for n, ty in fields if n not in keys]
        assert t["PartitionKeys"] == [{"Name": k.lower(), "Type": "string"} for k in keys] and t["Parameters"]["hoodie.table.type"] == kind
        realtime = "realtime.HoodieParquetRealtimeInputFormat" if table.endswith("_rt") else "HoodieParquetInputFormat"
        assert t["StorageDescriptor"]["InputFormat"] == "org.apache.hudi.hadoop." + realtime
        if keys:
            assert {v: p["StorageDescriptor"]["Location"] for v, p in world.partitions(name, table).items()} == expected


REAL = [("id", "bigint"), ("name", "string"), ("v", "double"), ("region", "string"), ("day", "string")]


@pytest.mark.parametrize("seed,where", [("commit-0.15", ".hoodie/20240101000000000.commit"), ("deltacommit-1.0", ".hoodie/timeline/20240101000000000_20240101000000500.deltacommit"),
                                        ("commit-1.1", ".hoodie/timeline/20240101000000000_20240101000000500.commit")])
def test_what_hudi_has_written(world, seed, where):
    prefix = f"{world.fresh()}/t"
    h = Hudi(world, prefix, 1 if "0.15" in seed else 2, keys="region,day")
    h.put(where, (SEEDS / seed).read_bytes())
    _, tables = crawl(world, prefix)
    assert columns(tables["t"]) == OWN + REAL[:3]


def test_without_a_schema_in_the_timeline(world, server):
    """hoodie.properties, then the newest file of data: a base file's own columns, or a log's head."""
    prefix = world.fresh()
    Hudi(world, f"{prefix}/created", hoodie__table__create__schema=avro_schema([("id", "long"), ("at", {"type": "long", "logicalType": "timestamp-micros"})]))
    h = Hudi(world, f"{prefix}/base")
    h.action(None)
    h.put("f-0_0-1-2_20230101000000000.parquet", parquet(pa.table({"old": [1]})))
    h.put("f-0_0-1-2_20240101000000000.parquet", parquet(pa.table({"_hoodie_file_name": ["x"], "n": [1], "tags": [["a"]], "_hoodie_commit_time": ["1"]})))
    for layout, seed in ((1, "log-0.15"), (2, "log-1.1")):
        h = Hudi(world, f"{prefix}/log{layout}", layout, "MERGE_ON_READ")
        h.put("f-0_0-1-2_20230101000000000.parquet", parquet(pa.table({"old": [1]})))
        h.put(".f-0_20240101000000000.log.1_0-1-2", (SEEDS / seed).read_bytes())
    Hudi(world, f"{prefix}/empty")
    h = Hudi(world, f"{prefix}/damaged")
    h.action(avro_schema([("good", "int")]))
    h.put(f".hoodie/timeline/{h.clock + 1}_{h.clock + 2}.commit", b"Obj\x01 and nothing more")
    h.put(f".hoodie/timeline/{h.clock + 3}_{h.clock + 4}.commit", b"{")
    h = Hudi(world, f"{prefix}/worse")
    h.put(".f-0_20240101000000000.log.1_0-1-2", (SEEDS / "log-1.1").read_bytes()[:60])
    name, tables = crawl(world, prefix)
    assert {t: columns(x) for t, x in tables.items()} == {
        "created": OWN + [("id", "bigint"), ("at", "timestamp")], "base": OWN + [("n", "bigint"), ("tags", "array<string>")], "damaged": OWN + [("good", "int")],
        **{f"log{n}_{s}": OWN + REAL for n in (1, 2) for s in ("ro", "rt")}}
    text = log_of(server, name)
    assert "there is no file of data" in text and "The log is cut short" in text and text.count("is passed over") == 2


def test_partitions_that_do_not_fit(world, server):
    prefix = f"{world.fresh()}/t"
    h = Hudi(world, prefix, keys="region,day")
    h.action(avro_schema([("id", "long")]))
    for path in ("eu/1", "region=us/day=2024/01/02", "odd", "a/b/c"):
        h.partition(path)
    name, _ = crawl(world, prefix)
    assert set(world.partitions(name, "t")) == {("eu", "1"), ("us", "2024/01/02")}
    assert log_of(server, name).count("has not 2 parts") == 2


def test_names_at_the_edges(world):
    prefix = world.fresh()
    odd = ["x" * 300, "../../etc", "a/b", "%s%n", ".", "Ünï"]
    for i, table in enumerate(odd):
        Hudi(world, f"{prefix}/n/{i}", hoodie__table__name=table, hoodie__table__create__schema=avro_schema([("a", "long"), ("A", "double")]))
    h = Hudi(world, f"{prefix}/n/keys", keys="a,a,A", hoodie__table__create__schema=avro_schema([("a", "long"), ("b", "long")]))
    h.partition("1/2/3")
    name, tables = crawl(world, f"{prefix}/n")
    assert sorted(tables) == sorted(["x" * 255, "______etc", "a_b", "_s_n", "_", "_n_", "keys"])
    assert all(columns(t) == OWN + [("a", "double")] for n, t in tables.items() if n != "keys")
    assert columns(tables["keys"]) == OWN + [("b", "bigint")] and [k["Name"] for k in tables["keys"]["PartitionKeys"]] == ["a", "a_1", "a_2"]
    assert set(world.partitions(name, "keys")) == {("1", "2", "3")}


def test_depth_exclusions_and_refusals(world):
    prefix = world.fresh()
    for path in ("a/one", "a/b/c/two", "skip/three"):
        Hudi(world, f"{prefix}/{path}", hoodie__table__create__schema=avro_schema([("id", "long")]))
    assert sorted(crawl(world, prefix)[1]) == ["one", "three", "two"]
    assert sorted(crawl(world, prefix, MaximumTraversalDepth=2, Exclusions=["skip/**"])[1]) == ["one"]
    for wrong in ({"Paths": []}, {"Paths": ["hdfs://x"]}, {"Paths": ["s3://b/"], "MaximumTraversalDepth": 99}):
        assert code_of(world.glue.create_crawler, Name="wrong", Role="r", DatabaseName="d", Targets={"HudiTargets": [wrong]}) == "InvalidInputException"
