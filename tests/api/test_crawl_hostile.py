"""Lakes that mean no good, or just are as lakes are: keys, sizes and contents at the edges. On a small S3 of our own where no real one holds such keys."""
import gzip
import io
import json
import random
import zipfile
import zlib

import pyarrow as pa
import pytest

from conftest import started, ended, wait_for
from crawling import World, columns, parquet
from fake_s3 import FakeS3

CSV = b"a,b\n1,2\n3,4\n"


class Lake:
    """A server on a fake S3; crawl(files) puts them into a bucket of their own and gives the tables."""

    def __init__(self):
        self.fake = FakeS3({})
        self.fake.__enter__()
        self.n = 0

    def start(self):
        self.server = started(args=["--s3-endpoint", self.fake.url])
        self.glue = self.server.client("glue")
        return self

    def stop(self):
        ended(self.server)
        self.fake.__exit__()

    def crawl(self, files, path="", expect="SUCCEEDED", seconds=120, **more):
        self.n += 1
        name = f"lake{self.n}"
        self.fake.buckets[name] = files
        target = {"Path": f"s3://{name}/{path}", **more.pop("target", {})}
        self.glue.create_crawler(Name=name, Role="r", DatabaseName=name, Targets={"S3Targets": [target]}, **more)
        return name, self.again(name, expect, seconds)

    def again(self, name, expect="SUCCEEDED", seconds=120):
        self.glue.start_crawler(Name=name)
        c = wait_for(lambda: (lambda c: c if c["State"] == "READY" else None)(self.glue.get_crawler(Name=name)["Crawler"]), seconds, 0.05)
        assert c["LastCrawl"]["Status"] == expect, c["LastCrawl"]
        self.last = c["LastCrawl"]
        tables = {}
        try:
            for page in self.glue.get_paginator("get_tables").paginate(DatabaseName=name):
                tables.update({t["Name"]: t for t in page["TableList"]})
        except self.glue.exceptions.EntityNotFoundException:
            pass
        return tables

    def partitions(self, db, table):
        out = {}
        for page in self.glue.get_paginator("get_partitions").paginate(DatabaseName=db, TableName=table):
            out.update({tuple(p["Values"]): p for p in page["Partitions"]})
        return out

    def log(self, name):
        return (self.server.data / "logs" / "crawlers" / "us-east-1" / f"{name}.log").read_text(errors="replace")


@pytest.fixture(scope="module")
def lake():
    lake = Lake().start()
    yield lake
    lake.stop()


# ---- keys ----

def test_keys_of_all_kinds(lake):
    odd = ["a b", "50%", "x=", "=y", "ünï/ço", "q?x", "amp&er", "plus+", "hash#", "star*", "br[ack]{et}", "quote'\"", "back\\slash", "semi;colon", "日本", "emoji-😀"]
    files = {f"k/{o}/f.csv": CSV for o in odd}
    name, tables = lake.crawl(files, "k/")
    got = sum(int(t["Parameters"]["objectCount"]) for t in tables.values())
    assert got == len(odd), tables.keys()


def test_slashes_and_twins(lake):
    """a//b, a beside a/b, a folder's mark, a key that is only slashes."""
    name, tables = lake.crawl({"t/a//b.csv": CSV, "t/a/b.csv": CSV, "t/a": CSV, "t/a/": b"", "t//": b"", "t///x.csv": CSV})
    assert sum(int(t["Parameters"]["objectCount"]) for t in tables.values()) == 4
    locations = [t["StorageDescriptor"]["Location"] for t in tables.values()]
    assert len(set(locations)) == len(locations)


def test_keys_of_1024_bytes(lake):
    deep = "/".join("d" * 40 for _ in range(24))
    long = "f" * 1000
    name, tables = lake.crawl({f"{deep}/x.csv": CSV, f"y/{long}.csv": CSV})
    assert len(tables) >= 1 and all(len(t) <= 255 for t in tables)
    assert sum(int(t["Parameters"]["objectCount"]) for t in tables.values()) == 2


def test_partition_keys_that_clash(lake):
    # the key is a column too; keys differ in case; keys differ from folder to folder
    name, tables = lake.crawl({"a=1/f.csv": CSV, "a=2/f.csv": CSV})
    t = tables[name]
    assert [k["Name"] for k in t["PartitionKeys"]] == ["a"] and columns(t) == [("a_1", "bigint"), ("b", "bigint")]
    name, tables = lake.crawl({"Year=1/f.csv": CSV, "year=2/f.csv": CSV})
    keys = {tuple(k["Name"] for k in t["PartitionKeys"]) for t in tables.values()}
    assert keys == {("year",)}
    name, tables = lake.crawl({"year=1/f.csv": CSV, "month=2/f.csv": CSV, "day=3/f.csv": CSV})
    assert sum(int(t["Parameters"]["objectCount"]) for t in tables.values()) == 3
    name, tables = lake.crawl({"k=1/k=2/f.csv": CSV, "k=1/k=3/f.csv": CSV})
    assert [k["Name"] for k in tables[name]["PartitionKeys"]] == ["k", "k_1"] and set(lake.partitions(name, name)) == {("1", "2"), ("1", "3")}


def test_names_of_columns(lake):
    """A text file's columns stay as many as they are, in their places; every name is one that the catalogue takes."""
    cases = {b"x,X,y\n1,2,3\n3,4,5\n": ["x", "x_1", "y"], b"x,x,x_1\n1,2,3\n3,4,5\n": ["x", "x_1", "x_1_1"]}
    for text, names in cases.items():
        name, tables = lake.crawl({"f.csv": text})
        assert columns(tables[name]) == [(n, "bigint") for n in names]
    name, tables = lake.crawl({"x=1/f.csv": b"x,x_1,y\n1,2,3\n3,4,5\n", "x=2/f.csv": b"x,x_1,y\n1,2,3\n3,4,5\n"})
    assert columns(tables[name]) == [("x_1", "bigint"), ("x_1_1", "bigint"), ("y", "bigint")]
    long = "é" * 300
    odd = {"a\nb": 1, "": 2, "\u0000z": 3, "A": 1, "a": 2.5, " ": 4, long + "1": 5, long + "2": 6, "x" * 400: 7}
    name, tables = lake.crawl({"f.json": json.dumps(odd).encode()})
    assert columns(tables[name]) == [("a_b", "int"), ("_", "int"), ("_z", "int"), ("a", "double"), (" ", "int"), ("é" * 127, "int"), ("x" * 255, "int")]
    key = "k" * 400
    name, tables = lake.crawl({f"{key}=1/f.csv": CSV, f"{key}=2/f.csv": CSV, f"{key}=2/\x01b=1/f.csv": CSV})
    for t in tables.values():
        assert all(1 <= len(k["Name"]) <= 255 and k["Name"].isprintable() for k in t["PartitionKeys"])


def test_xml_entities(lake):
    """No file of the server's is read, and nothing is unfolded without bound."""
    laughs = b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(12))
    bomb = b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaaaaaaaaaaaaaaaaaa">' + laughs + b"]><r><x><y>&m;</y></x><x><y>&m;</y></x></r>"
    outside = b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY f SYSTEM "file:///etc/passwd">]><r><x><y>&f;</y></x><x><y>1</y></x></r>'
    name, tables = lake.crawl({"bomb/a.xml": bomb, "outside/a.xml": outside, "f.csv": CSV})
    assert "bomb" not in tables and [columns(t) for t in tables.values() if t["Parameters"]["classification"] == "xml"] in ([], [[("y", "int")]])


def test_mixed_formats_in_one_folder(lake):
    files = {"m/a.csv": CSV, "m/b.json": b'{"x":1}', "m/c.parquet": parquet(pa.table({"y": [1]})), "m/d.txt": b"hello\n", "m/e.csv.gz": gzip.compress(CSV)}
    name, tables = lake.crawl(files)
    kinds = sorted((t["Parameters"]["classification"], t["Parameters"]["compressionType"]) for t in tables.values())
    assert kinds == [("csv", "gzip"), ("csv", "none"), ("json", "none"), ("parquet", "none")]
    assert "d.txt" in lake.log(name)


# ---- sizes ----

def test_a_million_files(lake):
    files = {f"k={i // 500:04d}/f{i % 500:03d}.csv": CSV for i in range(1_000_000)}
    before = lake.fake.requests
    name, tables = lake.crawl(files, target={"SampleSize": 1}, seconds=900)
    t = tables[name]
    assert t["Parameters"]["objectCount"] == "1000000" and t["Parameters"]["sizeKey"] == str(len(CSV) * 1_000_000)
    assert len(lake.partitions(name, name)) == 2000
    assert lake.fake.requests - before < 1000 + 2000 + 50
    del lake.fake.buckets[name], lake.fake.keys[name]


def test_a_zip_bomb(lake):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
        with z.open("bomb.csv", "w") as f:
            f.write(b"a,b\n")
            for _ in range(300):
                f.write(b"1,2\n" * 250_000)
    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    gz = bomb.compress(b"a,b\n") + b"".join(bomb.compress(b"0" * 10_000_000) for _ in range(60)) + bomb.flush()
    name, tables = lake.crawl({"zip/f.zip": out.getvalue(), "gz/f.csv.gz": gz})
    assert columns(tables[name]) == [("a", "bigint"), ("b", "bigint")]
    assert "gz/f.csv.gz" in lake.log(name)


def test_wide_and_deep(lake):
    wide = ",".join(f"c{i}" for i in range(10_000)) + "\n" + (",".join("1" for _ in range(10_000)) + "\n") * 3
    too_wide = ",".join(f"c{i}" for i in range(10_500)) + "\n" + (",".join("1" for _ in range(10_500)) + "\n") * 3
    deep = b'{"a":' * 99 + b"1" + b"}" * 99
    name, tables = lake.crawl({"wide/f.csv": wide.encode(), "deep/f.json": deep})
    assert len(columns(tables["wide"])) == 10_000 and columns(tables["wide"])[9_999] == ("c9999", "bigint")
    assert columns(tables["deep"])[0][1].count("struct<") == 98
    name, tables = lake.crawl({"deep/f.json": b'{"a":' * 5000 + b"1" + b"}" * 5000, "wide/f.csv": too_wide.encode(), "ok/f.csv": CSV})
    assert list(tables) in (["ok"], [name])
    assert "deep/f.json" in lake.log(name) and "wide/f.csv" in lake.log(name)


def test_lines_without_end(lake):
    name, tables = lake.crawl({"one/f.csv": b"x" * 5_000_000, "two/f.json": b'{"a":"' + b"y" * 5_000_000 + b'"}', "quote/f.csv": b'a,b\n"' + b"1,2\n" * 500_000,
                               "ok/f.csv": CSV})
    assert all(t["StorageDescriptor"]["Location"].startswith(f"s3://{name}/") for t in tables.values())
    assert any(columns(t) == [("a", "bigint"), ("b", "bigint")] for t in tables.values())
    log = lake.log(name)
    assert "one/f.csv" in log and "two/f.json" in log


def test_bytes_that_are_no_text(lake):
    rng = random.Random(4)
    noise = {f"noise/f{i}": rng.randbytes(rng.randrange(1, 5000)) for i in range(40)}
    marks = [b"PAR1", b"ORC", b"Obj\x01", b"\x1f\x8b\x08", b"BZh91AY&SY", b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"\xff\x06\0\0sNaPpY", b"<?xml ", b"\xe0\x01\x00\xea"]
    noise.update({f"noise/m{i}": m + rng.randbytes(500) for i, m in enumerate(marks)})
    noise.update({f"noise/p{i}.parquet": rng.randbytes(500) + b"PAR1" for i in range(10)})
    noise.update({f"noise/o{i}.orc": rng.randbytes(500) + b"ORC\x10" for i in range(10)})
    name, tables = lake.crawl({**noise, "ok/f.csv": b"n\0ame,b\n\xff\xfe1,2\n3,4\n5,\xc3\x28\n"})
    assert tables
    for t in tables.values():
        for c, _ in columns(t):
            c.encode()
    whole = parquet(pa.table({"a": [1, 2, 3]}))
    cut = {f"cut/f{i}.parquet": whole[:n] for i, n in enumerate((0, 1, 4, 8, 12, len(whole) // 2, len(whole) - 1, len(whole) - 4))}
    cut.update({f"cut/g{i}.csv.gz": gzip.compress(CSV * 100)[:n] for i, n in enumerate((1, 2, 3, 10, 18, 30))})
    cut["fine/f.parquet"] = whole
    name, tables = lake.crawl(cut)
    assert any(t["Parameters"]["classification"] == "parquet" and t["Parameters"]["recordCount"] == "3" for t in tables.values())
    assert "truncated" in lake.log(name) or "too short" in lake.log(name)


def test_types_that_are_too_long_for_the_catalogue(lake):
    doc = {"a": {f"a_rather_long_field_name_{i}": {"b": i} for i in range(9000)}}
    name, tables = lake.crawl({"f.json": json.dumps(doc).encode()}, expect="FAILED")
    assert "131072" in lake.last["ErrorMessage"] and not tables


def test_a_file_that_goes_while_it_is_crawled(lake):
    class Going(dict):
        def __getitem__(self, key):
            return super().__getitem__(key)

        def get(self, key, default=None):
            return None if key.startswith("gone") else super().get(key, default)
    name, tables = lake.crawl(Going({"gone1.csv": CSV, "stays.csv": CSV, "gone2.csv": CSV}))
    assert len(tables) == 1 and "gone1.csv" in lake.log(name)


def test_empty_prefix_and_missing_bucket(lake):
    name, tables = lake.crawl({"x/f.csv": CSV}, "y/")
    assert tables == {} and "holds no files" in lake.log(name)
    name, tables = lake.crawl({})
    assert tables == {}
    lake.glue.create_crawler(Name="nowhere", Role="r", DatabaseName="d", Targets={"S3Targets": [{"Path": "s3://there-is-none/x"}]})
    lake.again("nowhere", expect="FAILED")
    assert "there-is-none" in lake.last["ErrorMessage"] and "does not exist" in lake.last["ErrorMessage"]


def test_only_empty_and_unreadable_files(lake):
    name, tables = lake.crawl({"e/1": b"", "e/2": b"", "e/3": b"\n\n"}, expect="FAILED")
    assert "white space" in lake.last["ErrorMessage"]


def test_records_longer_than_a_sample(lake):
    """The first MiB holds no whole record: more is read, as AWS does, to 10 MiB."""
    long = {"json": lambda n: b'{"a":1,"pad":"' + b"x" * n + b'","z":[1,2]}\n{"a":2}\n', "array": lambda n: b'[{"a":1,"pad":"' + b"x" * n + b'","z":[1]}, {"a":2}]',
            "gz": lambda n: gzip.compress(b'{"a":1,"pad":"' + b"x" * n + b'","z":[3]}'),
            "csv": lambda n: b'a,pad,z\n1,"' + b"y\n" * (n // 2) + b'",3\n2,b,4\n3,c,5\n',
            "xml": lambda n: b'<?xml version="1.0"?><r><row><a>1</a><pad>' + b"q" * n + b"</pad><z>1</z></row><row><a>2</a><pad>x</pad><z>2</z></row></r>"}
    kinds = {"json": ["int", "string", "array<int>"], "array": ["int", "string", "array<int>"], "gz": ["int", "string", "array<int>"],
             "csv": ["bigint", "string", "bigint"], "xml": ["int", "string", "int"]}
    for n in (1_500_000, 5_000_000):
        name, tables = lake.crawl({f"{k}/f": make(n) for k, make in long.items()})
        assert {t: columns(x) for t, x in tables.items()} == {k: list(zip(["a", "pad", "z"], v)) for k, v in kinds.items()}
    name, tables = lake.crawl({"f.json": long["json"](11_000_000)}, expect="FAILED")
    assert "no complete JSON object" in lake.last["ErrorMessage"]


def test_other_kinds_of_files_are_no_csv(lake):
    import lzma

    rng = random.Random(11)
    noise = bytes(rng.choice(b"ab,\n;|\t0123\0\2\3\4\5") for _ in range(4000))  # delimiters and line ends among what no text has
    name, tables = lake.crawl({"a.xz": lzma.compress(CSV * 9), "b.bin": noise, "c.png": b"\x89PNG\r\n\x1a\n" + rng.randbytes(3000)}, expect="FAILED")
    assert "no text" in lake.last["ErrorMessage"] and not tables


# ---- the store ----

def test_access_denied_on_one_prefix(lake):
    """The rest is crawled; what is known of the denied folder stays, whatever the policy says of what is gone."""
    files = {"t/d=1/f.csv": CSV, "t/d=2/f.csv": CSV, "u/f.json": b'{"x":1}', "v/f.json": b'{"y":1,"z":2,"w":3}'}
    policy = {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DELETE_FROM_DATABASE"}
    name, tables = lake.crawl(dict(files), SchemaChangePolicy=policy)
    assert sorted(tables) == ["t", "u", "v"]
    try:
        lake.fake.deny = (f"{name}/t/d=2/", f"{name}/u/")
        del lake.fake.buckets[name]["v/f.json"]
        assert sorted(lake.again(name)) == ["t", "u"]  # what is gone goes
        assert set(lake.partitions(name, "t")) == {("1",), ("2",)}
        log = lake.log(name)
        assert "t/d=2/f.csv" in log and "u/f.json" in log and "AccessDenied" in log
        fresh, tables = lake.crawl(dict(files))
        lake.fake.deny = (f"{fresh}/",)
        lake.again(fresh, expect="FAILED")
        assert "denied" in lake.last["ErrorMessage"] and fresh in lake.last["ErrorMessage"]
    finally:
        lake.fake.deny = ()


def test_wrong_credentials(lake):
    lake.fake.credentials = "SOMEBODYELSE"
    try:
        name, tables = lake.crawl({"f.csv": CSV}, expect="FAILED")
        assert tables == {} and f'Access to the bucket "{name}"' in lake.last["ErrorMessage"] and "key" in lake.last["ErrorMessage"]
    finally:
        lake.fake.credentials = None
    assert list(lake.again(name)) == [name]


def test_the_lake_vanishes_in_mid_crawl(lake):
    rng = random.Random(5)
    files = {f"t{t}/k={k}/f.json": json.dumps({f"a{t}": 1, f"b{t}": 2}).encode() for t in range(5) for k in range(60)}
    policy = {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DELETE_FROM_DATABASE"}
    name, before = lake.crawl(files, SchemaChangePolicy=policy)
    assert len(before) == 5
    for _ in range(3):
        lake.fake.last = lake.fake.requests + rng.randrange(3, 250)
        try:
            after = lake.again(name, expect="FAILED")
        finally:
            lake.fake.last = None
        assert "no answer" in lake.last["ErrorMessage"] and lake.fake.url in lake.last["ErrorMessage"]
        assert {n: (columns(t), len(lake.partitions(name, n))) for n, t in after.items()} == {n: ([(f"a{n[1:]}", "int"), (f"b{n[1:]}", "int")], 60) for n in before}
    assert len(lake.again(name)) == 5


def test_many_files_of_middling_size(lake):
    """What is read stays a small part of what is there, whatever the files' size."""
    line = b"1234567,some text,3.25\n"

    def read(start, end):
        at = start % len(line)
        return (line * ((end - start + at) // len(line) + 2))[at:at + end - start]
    total = 2_000_000_000
    for size in (1_000_000, 8_000_000):
        before = lake.fake.bytes
        name, tables = lake.crawl({f"k={i % 10}/f{i}.csv": (size, read) for i in range(total // size)})
        t = tables[name]
        assert columns(t) == [("col0", "bigint"), ("col1", "string"), ("col2", "double")] and t["Parameters"]["objectCount"] == str(total // size)
        assert abs(int(t["Parameters"]["recordCount"]) / (total / len(line)) - 1) < 0.01
        read_on = lake.fake.bytes - before - (128 << 20) - (8 << 20)  # beyond the first part, of which all files are sampled well
        assert read_on < 0.04 * total, (size, read_on / total)
