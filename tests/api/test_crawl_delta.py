"""Delta tables, through boto3: written by delta-rs, their logs cut and reshaped in the ways that Delta's protocol allows."""
import json
import os
import random
import subprocess
import sys
import uuid
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import binary
from crawling import World, code_of, columns, parquet

sys.path.append(str(Path(os.environ.get("NIKAWA_DEPS", Path.home() / ".cache/nikawa")) / "delta"))
from deltalake import DeltaTable, write_deltalake  # noqa: E402
from deltalake.schema import ArrayType, MapType, StructType  # noqa: E402

HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


@pytest.fixture(scope="module")
def world(glue, s3, server):
    return World(glue, s3)


def crawler(world, paths, **target):
    name = world.fresh()
    world.glue.create_crawler(Name=name, Role="r", DatabaseName=name, SchemaChangePolicy={"DeleteBehavior": "DELETE_FROM_DATABASE"},
                              Targets={"DeltaTargets": [{"DeltaTables": paths, **target}]})
    return name


def uri(world, prefix):
    return f"s3://{world.bucket}/{prefix}"


def log_of(server, name):
    return (server.data / "logs/crawlers/us-east-1" / f"{name}.log").read_text()


# ---- tables that delta-rs writes ----

NAMES = {"string": "string", "long": "bigint", "integer": "int", "short": "smallint", "byte": "tinyint", "float": "float", "double": "double", "boolean": "boolean",
         "binary": "binary", "date": "date", "timestamp": "timestamp", "timestamp_ntz": "timestamp"}


def hive(t):
    """Delta's types as Hive calls them, from the library's own reading of the log."""
    if isinstance(t, StructType):
        return "struct<" + ",".join(f"{f.name}:{hive(f.type)}" for f in t.fields) + ">"
    if isinstance(t, ArrayType):
        return f"array<{hive(t.element_type)}>"
    if isinstance(t, MapType):
        return f"map<{hive(t.key_type)},{hive(t.value_type)}>"
    return NAMES.get(t.type, t.type)


COLUMNS = {"n": pa.int64(), "i": pa.int32(), "s": pa.int16(), "b": pa.int8(), "f": pa.float32(), "d": pa.float64(), "Text": pa.string(), "ok": pa.bool_(),
           "money": pa.decimal128(11, 3), "day": pa.date32(), "at": pa.timestamp("us", "UTC"), "local": pa.timestamp("us"), "raw": pa.binary(),
           "xs": pa.list_(pa.int32()), "st": pa.struct([("a", pa.string()), ("bs", pa.list_(pa.float64()))]), "m": pa.map_(pa.string(), pa.int64())}
VALUES = ["1", "two words", "a=b", "a/b", "50%", "a:b", "ü-é", "x'y", "#", "{z}", None, "2024-01-01", "q?"]


class Table:
    """A Delta table in a local folder, with random commits."""

    def __init__(self, folder, rng, keys):
        self.folder, self.rng, self.keys = folder, rng, keys
        self.columns = ["n"] + rng.sample([c for c in COLUMNS if c != "n"], rng.randint(2, 8))
        self.append()

    @property
    def table(self):
        return DeltaTable(str(self.folder))

    def append(self):
        rows = self.rng.randint(1, 4)
        schema = [(k, pa.string()) for k in self.keys] + [(c, COLUMNS[c]) for c in self.columns]
        data = {k: pa.array([self.rng.choice(VALUES) for _ in range(rows)], pa.string()) for k in self.keys}
        data |= {c: pa.array([self.rng.randrange(100) if c == "n" else None for _ in range(rows)], COLUMNS[c]) for c in self.columns}
        write_deltalake(str(self.folder), pa.table(data, pa.schema(schema)), mode="append", partition_by=self.keys or None, schema_mode="merge")

    def delete(self):
        self.table.delete(f"n < {self.rng.randrange(100)}")

    def evolve(self):
        self.columns.append(self.rng.choice([c for c in COLUMNS if c not in self.columns]))
        self.append()

    def step(self):
        self.rng.choice([self.append, self.append, self.delete, self.evolve])()

    @property
    def log(self):
        return self.folder / "_delta_log"

    def commit_file(self, version):
        return self.log / f"{version:020d}.json"

    def clean(self):
        """Drops what the newest checkpoint makes needless, as log cleaning does."""
        hint = json.loads((self.log / "_last_checkpoint").read_text())["version"]
        for v in range(hint):
            self.commit_file(v).unlink(missing_ok=True)

    def upload(self, world, prefix):
        for f in sorted(self.folder.rglob("*")):
            if f.is_file():
                world.put(f"{prefix}/{f.relative_to(self.folder)}", f.read_bytes())

    def expected_columns(self):
        return [(f.name.lower(), hive(f.type)) for f in self.table.schema().fields]

    def live(self, root):
        """Partition's values → the URIs of its live files, as the library knows them."""
        out = {}
        actions = pa.table(self.table.get_add_actions(flatten=True)).to_pylist()
        for a in actions:
            values = tuple(a[f"partition.{k}"] or HIVE_NULL for k in self.keys)
            out.setdefault(values, []).append(f"{root}/{unquote(a['path'])}")
        return {k: sorted(v) for k, v in out.items()}


def manifests(world, prefix):
    out, folder = {}, f"{prefix}/_symlink_format_manifest/"
    for page in world.s3.get_paginator("list_objects_v2").paginate(Bucket=world.bucket, Prefix=folder):
        for o in page.get("Contents", []):
            out[o["Key"][len(folder):]] = world.s3.get_object(Bucket=world.bucket, Key=o["Key"])["Body"].read().decode().splitlines()
    return out


def hive_escaped(text):
    return "".join(c if ord(c) >= 32 and ord(c) != 127 and c not in "\"#%'*/:=?\\{[]^" else f"%{ord(c):02X}" for c in text)


def check_manifests(world, table, prefix, name):
    """The manifests, and the partitions that follow them, say what the library says is live."""
    live = table.live(uri(world, prefix))
    [t] = world.tables(name).values()
    assert [c for c in table.expected_columns() if c[0] not in table.keys] == columns(t)
    assert t["PartitionKeys"] == [{"Name": k, "Type": "string"} for k in table.keys]
    folder = {v: "".join(f"{k}={x if x == HIVE_NULL else hive_escaped(x)}/" for k, x in zip(table.keys, v)) for v in live}
    assert manifests(world, prefix) == {folder[v] + "manifest": files for v, files in live.items()}
    if table.keys:
        parts = world.partitions(name, t["Name"])
        assert {v: p["StorageDescriptor"]["Location"] for v, p in parts.items()} == {v: f"{uri(world, prefix)}/_symlink_format_manifest/{folder[v]}" for v in live}


@pytest.mark.parametrize("seed", range(5))
def test_random_tables(world, tmp_path, seed):
    rng = random.Random(f"delta {seed}")
    prefix, keys = world.fresh() + ["", "/My Table", "/t=1", "/ü%20"][seed % 4], [["k"], [], ["k", "two words"]][seed % 3]
    table = Table(tmp_path / "t", rng, keys)
    table.keys = keys
    for _ in range(rng.randint(1, 6)):
        table.step()
    table.table.create_checkpoint()
    if rng.random() < 0.8:
        table.clean()
    for _ in range(rng.randint(0, 3)):
        table.step()
    table.evolve()
    if not table.live(""):
        table.append()
    table.upload(world, prefix)
    native = crawler(world, [uri(world, prefix) + "/"], CreateNativeDeltaTable=True)
    world.run(native)
    [t] = world.tables(native).values()
    assert columns(t) == table.expected_columns() and t["PartitionKeys"] == []
    p = t["Parameters"]
    version, info = table.table.version(), table.table.history(1)[0]
    assert p["delta.lastUpdateVersion"] == str(version) and p["delta.lastCommitTimestamp"] == str(info["timestamp"]) and p["table_type"] == "delta"
    text = "".join(p[f"spark.sql.sources.schema.part.{i}"] for i in range(int(p["spark.sql.sources.schema.numParts"])))
    assert json.loads(text) == json.loads(table.table.schema().to_json())
    assert [p[f"spark.sql.sources.schema.partCol.{i}"] for i in range(len(keys))] == keys
    linked = crawler(world, [uri(world, prefix)], WriteManifest=True)
    world.run(linked)
    check_manifests(world, table, prefix, linked)
    # what is gone goes: its manifests and its partitions
    table.table.delete()
    table.append()
    table.upload(world, prefix)
    world.run(linked)
    check_manifests(world, table, prefix, linked)


# ---- checkpoints in every form ----

def pieces(table, n):
    """The rows of the table's classic checkpoint, in n parts of like size."""
    [path] = table.log.glob("*.checkpoint.parquet")
    rows = pq.read_table(path)
    cuts = [rows.num_rows * i // n for i in range(n + 1)]
    return path, rows, [rows.slice(a, b - a) for a, b in zip(cuts, cuts[1:])]


def multi_part(table, rng):
    n = rng.randint(2, 5)
    path, _, parts = pieces(table, n)
    path.unlink()
    stem = path.name.removesuffix(".parquet")
    for i, part in enumerate(parts, 1):
        pq.write_table(part, path.with_name(f"{stem}.{i:010d}.{n:010d}.parquet"))
    pq.write_table(parts[0], path.with_name(f"{stem}.{1:010d}.{n + 1:010d}.parquet"))  # one of another set, which is not whole


def v2(table, rng, kind):
    """A UUID-named checkpoint whose files stand in sidecars; beside it in Parquet or JSON what the table is."""
    n = rng.randint(1, 3)
    path, rows, parts = pieces(table, n)
    path.unlink()
    (table.log / "_sidecars").mkdir()
    version = int(path.name[:20])
    top = [{k: v for k, v in r.items() if v is not None} for r in rows.select(["metaData", "protocol"]).to_pylist()]
    top = [{k: json.loads(json.dumps(v, default=str)) for k, v in r.items()} for r in top if r]
    for r in top:
        if "metaData" in r:  # pyarrow gives maps as pairs
            r["metaData"]["configuration"] = dict(r["metaData"].get("configuration") or [])
    top.append({"checkpointMetadata": {"version": version}})
    for part in parts:
        name = f"{uuid.uuid4()}.parquet"
        pq.write_table(part.select([c for c in part.column_names if c in ("add", "remove")]), table.log / "_sidecars" / name)
        top.append({"sidecar": {"path": name, "sizeInBytes": (table.log / "_sidecars" / name).stat().st_size, "modificationTime": 1}})
    rng.shuffle(top)
    out = table.log / f"{version:020d}.checkpoint.{uuid.uuid4()}.{kind}"
    if kind == "json":
        out.write_text("\n".join(map(json.dumps, top)))
        return
    fields = [(c, rows.schema.field(c).type) for c in ("metaData", "protocol")] + [
        ("sidecar", pa.struct([("path", pa.string()), ("sizeInBytes", pa.int64()), ("modificationTime", pa.int64())])), ("checkpointMetadata", pa.struct([("version", pa.int64())]))]
    for r in top:
        if "metaData" in r:
            r["metaData"]["configuration"] = list(r["metaData"]["configuration"].items())
    pq.write_table(pa.Table.from_pylist(top, schema=pa.schema(fields)), out)


def no_hint(table, rng):
    (table.log / "_last_checkpoint").unlink()


def wrong_hint(table, rng):
    (table.log / "_last_checkpoint").write_text(rng.choice(["{", '{"version": 10000}', '{"version": "x"}', "", "[1]", '{"version": -7}']))


def compacted(table, rng):
    """The commits behind the checkpoint as one file; those themselves are gone, but for the newest."""
    first, last = json.loads((table.log / "_last_checkpoint").read_text())["version"] + 1, table.table.version()
    lines = {}  # the last word on each file, and the last of each other kind
    for v in range(first, last + 1):
        for line in table.commit_file(v).read_text().splitlines():
            action = json.loads(line)
            [(kind, body)] = action.items()
            lines[body["path"] if kind in ("add", "remove") else kind] = line
    for v in range(first, last):
        table.commit_file(v).unlink()
    (table.log / f"{first:020d}.{last:020d}.compacted.json").write_text("\n".join(lines.values()))
    (table.log / f"{first:020d}.{first:020d}.compacted.json").write_text("not one")


FORMS = {"classic": lambda table, rng: None, "multi-part": multi_part, "v2 parquet": lambda t, rng: v2(t, rng, "parquet"), "v2 json": lambda t, rng: v2(t, rng, "json"),
         "no hint": no_hint, "wrong hint": wrong_hint, "compacted": compacted}


@pytest.mark.parametrize("form,last", [(f, last) for f in FORMS for last in (False, True) if not (last and f == "compacted")])
def test_forms_of_checkpoints(world, tmp_path, form, last):
    """last: the checkpoint is of the newest version, no commit is left at all."""
    rng = random.Random(f"{form} {last}")
    table = Table(tmp_path / "t", rng, ["k"])
    for _ in range(rng.randint(2, 6)):
        table.step()
    table.append()
    table.table.create_checkpoint()
    table.clean()
    if not last:
        table.evolve()
        for _ in range(rng.randint(1, 3)):
            table.step()
        table.append()
    else:
        table.commit_file(table.table.version()).unlink()
    prefix = world.fresh()
    expected, live = table.expected_columns(), table.live(uri(world, prefix))
    FORMS[form](table, rng)
    table.upload(world, prefix)
    linked = crawler(world, [uri(world, prefix)], WriteManifest=True)
    world.run(linked)
    table.expected_columns, table.live = lambda: expected, lambda root: live
    check_manifests(world, table, prefix, linked)
    native = crawler(world, [uri(world, prefix)], CreateNativeDeltaTable=True)
    world.run(native)
    assert columns(world.tables(native)[prefix]) == expected


def test_a_damaged_checkpoint_is_passed_over(world, server, tmp_path):
    rng = random.Random(7)
    table = Table(tmp_path / "t", rng, [])
    table.append()
    table.table.create_checkpoint()
    table.evolve()
    first = next(table.log.glob("*.checkpoint.parquet"))
    table.table.create_checkpoint()
    [newest] = set(table.log.glob("*.checkpoint.parquet")) - {first}
    whole = newest.read_bytes()
    expected, live = table.expected_columns(), table.live("")[()]
    table.expected_columns = lambda: expected
    table.live = lambda root: {(): [root + path for path in live]}
    for damage in (whole[:-9], b"", whole[:200] + b"\xff" * 300 + whole[500:], parquet(pa.table({"metaData": [1]}))):
        newest.write_bytes(damage)
        prefix = world.fresh()
        table.upload(world, prefix)
        name = crawler(world, [uri(world, prefix)], WriteManifest=True)
        world.run(name)
        check_manifests(world, table, prefix, name)
        assert "is passed over" in log_of(server, name)
    # and with nothing left to go by
    first.unlink()
    table.commit_file(0).unlink()
    prefix = world.fresh()
    table.upload(world, prefix)
    name = crawler(world, [uri(world, prefix)], CreateNativeDeltaTable=True)
    c = world.run(name, expect="FAILED")
    assert "version 0 is not there" in c["LastCrawl"]["ErrorMessage"]


# ---- logs written by hand: what no library here writes ----

class Hand:
    def __init__(self, world, prefix, schema, keys=(), configuration=None, protocol=None):
        self.world, self.prefix, self.version = world, prefix, 0
        self.commit({"protocol": protocol or {"minReaderVersion": 1, "minWriterVersion": 2}}, self.metadata(schema, keys, configuration))

    @staticmethod
    def metadata(schema, keys=(), configuration=None):
        fields = [{"name": n, "type": t, "nullable": True, "metadata": {}} for n, t in schema]
        return {"metaData": {"id": str(uuid.uuid4()), "format": {"provider": "parquet", "options": {}}, "partitionColumns": list(keys),
                             "schemaString": json.dumps({"type": "struct", "fields": fields}), "configuration": configuration or {}}}

    def commit(self, *actions):
        self.world.put(f"{self.prefix}/_delta_log/{self.version:020d}.json", "\n".join(map(json.dumps, actions)))
        self.version += 1


def add(path, deletions=None, **values):
    a = {"path": path, "partitionValues": values, "size": 1, "modificationTime": 1, "dataChange": True}
    return {"add": a | ({"deletionVector": deletions} if deletions else {})}


def remove(path, deletions=None):
    r = {"path": path, "deletionTimestamp": 5, "dataChange": True}
    return {"remove": r | ({"deletionVector": deletions} if deletions else {})}


DELTA_SCHEMA = [("id", "long"), ("Amount", "decimal(9,2)"), ("tags", {"type": "array", "elementType": "string", "containsNull": True}),
                ("at", "timestamp"), ("who", {"type": "struct", "fields": [{"name": "n", "type": "integer", "nullable": True, "metadata": {}}]}),
                ("m", {"type": "map", "keyType": "string", "valueType": "double", "valueContainsNull": True}), ("day", "string")]
DELTA_COLUMNS = [("id", "bigint"), ("amount", "decimal(9,2)"), ("tags", "array<string>"), ("at", "timestamp"), ("who", "struct<n:int>"),
                 ("m", "map<string,double>"), ("day", "string")]


def test_native(world):
    prefix = world.fresh()
    d = Hand(world, f"{prefix}/orders", DELTA_SCHEMA, ["day"])
    d.commit(add("day=1/a.parquet", day="1"))
    name = crawler(world, [uri(world, f"{prefix}/orders/")], CreateNativeDeltaTable=True, WriteManifest=False)
    world.glue.update_crawler(Name=name, TablePrefix="d_")
    world.run(name)
    t = world.tables(name)["d_orders"]
    assert columns(t) == DELTA_COLUMNS and t["PartitionKeys"] == []
    assert t["Parameters"]["classification"] == "delta" and t["Parameters"]["spark.sql.sources.provider"] == "delta" and t["Parameters"]["delta.lastUpdateVersion"] == "1"
    assert t["StorageDescriptor"]["Location"] == t["StorageDescriptor"]["SerdeInfo"]["Parameters"]["path"] == uri(world, f"{prefix}/orders/")
    # the schema moves on
    d.commit(Hand.metadata([("only", "boolean")]))
    world.run(name)
    assert columns(world.tables(name)["d_orders"]) == [("only", "boolean")]
    # what the catalogue has no name for
    d.commit(Hand.metadata([("v", "variant"), ("none", "void"), ("ok", "timestamp_ntz")]))
    world.run(name)
    assert columns(world.tables(name)["d_orders"]) == [("v", "string"), ("none", "string"), ("ok", "timestamp")]
    # and manifests beside a native table
    both = crawler(world, [uri(world, f"{prefix}/orders")], CreateNativeDeltaTable=True, WriteManifest=True)
    world.run(both)
    assert world.tables(both)["orders"]["Parameters"]["table_type"] == "delta"
    assert manifests(world, f"{prefix}/orders") == {"manifest": [uri(world, f"{prefix}/orders/day=1/a.parquet")]}


def test_manifests_of_odd_paths(world):
    prefix = world.fresh()
    d = Hand(world, prefix, DELTA_SCHEMA, ["day"])
    d.commit(add("day=a%2520b/x%20y.parquet", day="a b"), add("s3a://elsewhere/t/day=1/%C3%BC.parquet", day="1"), add("/top/z.parquet", day="1"), add("n.parquet", day=None),
             add("e.parquet", day=""))
    name = crawler(world, [uri(world, prefix)], WriteManifest=True)
    world.run(name)
    assert manifests(world, prefix) == {"day=a b/manifest": [uri(world, f"{prefix}/day=a%20b/x y.parquet")],
                                        "day=1/manifest": [uri(world, "top/z.parquet"), "s3://elsewhere/t/day=1/ü.parquet"],
                                        f"day={HIVE_NULL}/manifest": [uri(world, f"{prefix}/e.parquet"), uri(world, f"{prefix}/n.parquet")]}
    # without WriteManifest nothing is written, and the table stands for what is there
    again = crawler(world, [uri(world, prefix)])
    d.commit(add("day=9/q.parquet", day="9"))
    world.run(again)
    assert "day=9/manifest" not in manifests(world, prefix) and ("9",) in world.partitions(again, prefix)
    d.commit(add("day=1/two%0Alines.parquet", day="1"))
    assert "holds a line's end" in world.run(name, expect="FAILED")["LastCrawl"]["ErrorMessage"]


def test_names_and_values_at_the_edges(world, server):
    prefix = world.fresh()
    d = Hand(world, f"{prefix}/names", [("A", "long"), ("a", "double"), ("n\nl", "long"), ("c" * 400, "long"), ("s", {"type": "struct", "fields": [{"name": "x:y,<`", "type": "long"}]})])
    keys = [f"k{i}" for i in range(30)] + ["dup", "DUP", "absent"]
    d = Hand(world, f"{prefix}/keys", [("id", "long")] + [(k, "string") for k in keys[:-1]], keys)
    d.commit(add("a.parquet", dup="1", DUP="2", k0="x"))
    d = Hand(world, f"{prefix}/values", [("id", "long"), ("k", "string")], ["k"])
    d.commit(add("a.parquet", k="v" * 5000), add("b.parquet", k="a\nb\x01"))
    name = crawler(world, [uri(world, f"{prefix}/{t}") for t in ("names", "keys", "values")])
    world.run(name)
    tables = world.tables(name)
    assert columns(tables["names"]) == [("a", "double"), ("n_l", "bigint"), ("c" * 255, "bigint"), ("s", "struct<`x:y,<``:`:bigint>".replace("``:`", "```"))]
    assert [k["Name"] for k in tables["keys"]["PartitionKeys"]] == keys[:30] + ["dup", "dup_1", "absent"] and columns(tables["keys"]) == [("id", "bigint")]
    assert set(world.partitions(name, "keys")) == {("x",) + (HIVE_NULL,) * 29 + ("1", "2", HIVE_NULL)}
    assert set(world.partitions(name, "values")) == {("a\nb\x01",)} and "is longer than 1024 characters" in log_of(server, name)


def test_an_empty_table_has_an_empty_manifest(world):
    prefix = world.fresh()
    Hand(world, prefix, DELTA_SCHEMA)
    name = crawler(world, [uri(world, prefix)], WriteManifest=True)
    world.run(name)
    assert manifests(world, prefix) == {"manifest": []}


def test_what_manifests_cannot_say(world, server):
    """Deletion vectors, column mapping and features of the future: native tables are made, manifests refused."""
    dv = {"storageType": "u", "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^", "offset": 4, "sizeInBytes": 40, "cardinality": 2}
    features = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["deletionVectors", "columnMapping"], "writerFeatures": []}
    for what, word in (("deletions", "deletion vectors"), ("mapping", "column mapping"), ("future", "timeTravel")):
        prefix = world.fresh()
        protocol = features if what != "future" else features | {"readerFeatures": ["deletionVectors", "timeTravel"]}
        d = Hand(world, prefix, DELTA_SCHEMA, configuration={"delta.columnMapping.mode": "name"} if what == "mapping" else {}, protocol=protocol)
        d.commit(add("a.parquet"), add("b.parquet"))
        if what == "deletions":
            d.commit(add("a.parquet", dv), remove("a.parquet"))  # in this order, too
        native = crawler(world, [uri(world, prefix)], CreateNativeDeltaTable=True)
        world.run(native)
        assert columns(world.tables(native)[prefix]) == DELTA_COLUMNS
        assert ("is not known here" in log_of(server, native)) == (what == "future")
        name = crawler(world, [uri(world, prefix)], WriteManifest=True)
        assert word in world.run(name, expect="FAILED")["LastCrawl"]["ErrorMessage"]
        assert manifests(world, prefix) == {}
        if what == "deletions":  # once the deletions are written out, there is nothing to refuse
            d.commit(remove("a.parquet", dv), add("c.parquet"))
            world.run(name)
            assert manifests(world, prefix) == {"manifest": [uri(world, f"{prefix}/b.parquet"), uri(world, f"{prefix}/c.parquet")]}


def test_logs_that_are_broken(world):
    prefix = world.fresh()
    world.put(f"{prefix}/plain/f.csv", "a,b\n1,2\n3,4\n")
    d = Hand(world, f"{prefix}/gap", DELTA_SCHEMA)
    d.version += 1
    d.commit(add("x.parquet"))
    d = Hand(world, f"{prefix}/future", DELTA_SCHEMA, protocol={"minReaderVersion": 9, "minWriterVersion": 9})
    world.put(f"{prefix}/text/_delta_log/{0:020d}.json", "{}\n{\"metaData\": ")
    world.put(f"{prefix}/nothing/_delta_log/{0:020d}.json", "")
    world.put(f"{prefix}/odd/_delta_log/{0:020d}.json", json.dumps({"metaData": {"schemaString": "[1]", "partitionColumns": {"a": 1}}}) + "\n" + json.dumps({"add": {"path": 5}}))
    d = Hand(world, f"{prefix}/fine", DELTA_SCHEMA)
    for table, word in (("plain", "no Delta table"), ("gap", "version 1 is not there"), ("future", "readers of version 9"), ("text", "Delta log"), ("nothing", "what the table's columns are"),
                        ("missing", "no Delta table")):
        name = crawler(world, [uri(world, f"{prefix}/{table}")], CreateNativeDeltaTable=True)
        assert word in world.run(name, expect="FAILED")["LastCrawl"]["ErrorMessage"], table
        # it does not stand in the way of others
        world.glue.update_crawler(Name=name, Targets={"DeltaTargets": [{"DeltaTables": [uri(world, f"{prefix}/{t}") for t in (table, "fine")], "CreateNativeDeltaTable": True}]})
        world.run(name)
        assert list(world.tables(name)) == ["fine"]
    odd = crawler(world, [uri(world, f"{prefix}/odd")], WriteManifest=True)
    world.run(odd, expect="FAILED")


def test_targets_that_are_refused(world):
    for wrong in ({"DeltaTargets": [{"DeltaTables": []}]}, {"DeltaTargets": [{"DeltaTables": ["hdfs://x"]}]}):
        assert code_of(world.glue.create_crawler, Name="wrong", Role="r", DatabaseName="d", Targets=wrong) == "InvalidInputException"


def test_jobs_refuse_them_by_name(world, server):
    """A job's source is not a lake's table yet: better no rows than those of files that are not live."""
    prefix = world.fresh()
    d = Hand(world, prefix, DELTA_SCHEMA)
    d.commit(add("a.parquet"))
    for target, word in (({"CreateNativeDeltaTable": True}, "delta"), ({"WriteManifest": True}, "symlink manifests")):
        name = crawler(world, [uri(world, prefix)], **target)
        world.run(name)
        done = subprocess.run([binary(), "sql", "--data", str(server.data), f'select * from "{name}"."{prefix}"'], text=True, capture_output=True)
        assert done.returncode != 0 and f'tables of the format "{word}" cannot be read yet' in done.stderr
