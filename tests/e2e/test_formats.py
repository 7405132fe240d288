"""Jobs read what crawlers find: files made by independent writers, crawled, read through the catalogue and by
from_options, written as Parquet, and compared with what Python holds."""
import bz2
import datetime as dt
import decimal
import gzip
import io
import random
import struct
import sys
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
fastavro = pytest.importorskip("fastavro")
bson = pytest.importorskip("bson")
ion = pytest.importorskip("amazon.ion.simpleion")
pa = pytest.importorskip("pyarrow")
orc = pytest.importorskip("pyarrow.orc")
from crawling import World  # noqa: E402
from visual import Visual, same  # noqa: E402

D = decimal.Decimal
UTC = dt.timezone.utc
TEXTS = ["", "żółw", 'a"b', "x" * 70, "1", "tab\tend", "line\nend", "😀", "a,b;c|d", "null"]
PACK = {"": lambda b: b, ".gz": gzip.compress, ".bz2": bz2.compress,
        ".lz4": lambda b: pytest.importorskip("lz4.frame").compress(b),
        ".zst": lambda b: pytest.importorskip("zstandard").compress(b),
        ".sz": lambda b: bytes(pytest.importorskip("cramjam").snappy.compress(b))}


def zipped(body):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("part", body)
    return out.getvalue()


PACK[".zip"] = zipped


@pytest.fixture(scope="module")
def lab(server):
    return Visual(server)


@pytest.fixture(scope="module")
def world(lab):
    return World(lab.glue, lab.s3)


def crawled(lab, world, files, **more):
    """Crawls files, runs a job over the one table, gives its rows and the table."""
    db, tables = world.crawl({"data/" + k: v for k, v in files.items()}, "data/", **more)
    assert len(tables) == 1, tables
    table = next(iter(tables.values()))
    return read(lab, {"s": {"CatalogSource": {"Name": "reader", "Database": db, "Table": table["Name"]}}}), table


def read(lab, nodes):
    out = lab.fresh()
    last = list(nodes)[-1]
    name = lab.create({**nodes, "o": {"S3DirectTarget": {"Name": "o", "Inputs": [last], "Path": lab.uri(out), "Format": "parquet"}}})
    lab.succeed(name)
    return lab.rows(out)


def options(lab, files, format, **format_options):
    """The same by a script: from_options on the files."""
    prefix, out = lab.fresh("direct"), lab.fresh()
    for k, v in files.items():
        lab.put(prefix + k, v)
    name = lab.create({"s": {"S3CsvSource": {"Name": "s", "Paths": [lab.uri(prefix)], "Separator": "comma", "QuoteChar": "quote"}},
                       "o": {"S3DirectTarget": {"Name": "o", "Inputs": ["s"], "Path": lab.uri(out), "Format": "parquet"}}})
    lab.edit(name, f"""
from awsglue.context import GlueContext
from pyspark.context import SparkContext
glue = GlueContext(SparkContext.getOrCreate())
frame = glue.create_dynamic_frame.from_options("s3", {{"paths": [{lab.uri(prefix)!r}]}}, {format!r}, {format_options!r})
glue.write_dynamic_frame.from_options(frame, "s3", {{"path": {lab.uri(out)!r}}}, format="parquet")
""")
    lab.succeed(name, engine="script")
    return lab.rows(out)


# ---- Avro ----

AVRO = {"type": "record", "name": "Row", "namespace": "a.b", "fields": [
    {"name": "id", "type": "long"}, {"name": "text", "type": ["null", "string"]},
    {"name": "price", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 3}]},
    {"name": "fixed", "type": {"type": "fixed", "name": "F", "size": 16, "logicalType": "decimal", "precision": 38, "scale": 0}},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "ms", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}]},
    {"name": "day", "type": {"type": "int", "logicalType": "date"}},
    {"name": "suit", "type": {"type": "enum", "name": "Suit", "symbols": ["UP", "DOWN"]}},
    {"name": "tags", "type": {"type": "array", "items": ["null", "string"]}},
    {"name": "scores", "type": {"type": "map", "values": "double"}},
    {"name": "inner", "type": ["null", {"type": "record", "name": "Inner", "fields": [
        {"name": "n", "type": "int"}, {"name": "f", "type": "float"}, {"name": "again", "type": ["null", "Suit"]}]}]},
    {"name": "others", "type": {"type": "array", "items": "Inner"}},
    {"name": "raw", "type": "bytes"}, {"name": "yes", "type": "boolean"}]}


def single(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def avro_rows(seed, n):
    r = random.Random(seed)

    def inner():
        return {"n": r.randrange(-2**31, 2**31), "f": single(r.uniform(-1e6, 1e6)), "again": r.choice([None, "UP", "DOWN"])}
    epoch = dt.datetime(1970, 1, 1, tzinfo=UTC)
    return [{
        "id": r.choice([r.randrange(-2**63, 2**63), i]), "text": r.choice([None, *TEXTS]),
        "price": r.choice([None, D(r.randrange(-10**18, 10**18)).scaleb(-3)]), "fixed": D(r.randrange(-10**37, 10**37)),
        "at": epoch + dt.timedelta(microseconds=r.randrange(-10**15, 4 * 10**15)),
        "ms": r.choice([None, epoch + dt.timedelta(milliseconds=r.randrange(-10**12, 10**12))]),
        "day": dt.date(1970, 1, 1) + dt.timedelta(days=r.randrange(-20000, 40000)), "suit": r.choice(["UP", "DOWN"]),
        "tags": [r.choice([None, *TEXTS]) for _ in range(r.randrange(4))],
        "scores": {t: r.uniform(-1, 1) for t in r.sample(TEXTS, r.randrange(3))}, "inner": r.choice([None, inner()]),
        "others": [inner() for _ in range(r.randrange(3))], "raw": r.randbytes(r.randrange(20)), "yes": r.random() < .5,
    } for i in range(n)]


def avro_file(rows, codec="null", schema=AVRO, **more):
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(schema), rows, codec=codec, **more)
    return out.getvalue()


def as_parquet(rows):
    """Maps are lists of pairs to pyarrow."""
    return [{k: list(v.items()) if k == "scores" else v for k, v in row.items()} for row in rows]


@pytest.mark.parametrize("seed,codec,interval", [(1, "null", 16000), (2, "deflate", 100), (3, "bzip2", 5000)])
def test_avro(lab, world, seed, codec, interval):
    rows = avro_rows(seed, 3000), avro_rows(seed + 100, 1)
    files = {"a.avro": avro_file(rows[0], codec, sync_interval=interval), "b.avro": avro_file(rows[1]), "c.avro": avro_file([])}
    got, table = crawled(lab, world, files)
    assert table["Parameters"]["classification"] == "avro"
    same(got, as_parquet(rows[0] + rows[1]))
    same(options(lab, files, "avro"), as_parquet(rows[0] + rows[1]))


def test_avro_snappy_and_zstandard_blocks(lab):
    """Put together by hand from fastavro's uncompressed blocks: it lacks these libraries here."""
    import zlib

    rows = avro_rows(9, 400)
    plain = avro_file(rows, sync_interval=10**9)
    snappy, zstandard = pytest.importorskip("cramjam").snappy, pytest.importorskip("zstandard")
    for codec, pack in (("snappy", lambda b: bytes(snappy.compress_raw(b)) + zlib.crc32(b).to_bytes(4, "big")),
                        ("zstandard", lambda b: zstandard.compress(b))):
        head = avro_file([], metadata={"avro.codec": "null"}).replace(b"\x14avro.codec\x08null", b"\x14avro.codec" +
                                                                      bytes([len(codec) * 2]) + codec.encode())
        sync = head[-16:]
        body = plain[len(avro_file([])):-16]
        count, at = varint(body, 0)
        size, at = varint(body, at)
        assert count == 400 and at + size == len(body)
        packed = pack(body[at:])
        file = head + zigzag(400) + zigzag(len(packed)) + packed + sync
        same(options(lab, {"a.avro": file}, "avro", version="1.8"), as_parquet(rows))


def zigzag(n):
    n, out = n << 1, b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def varint(b, at):
    n = shift = 0
    while True:
        n |= (b[at] & 127) << shift
        shift += 7
        at += 1
        if b[at - 1] < 128:
            return n >> 1, at


def test_avro_unions_are_choices_and_schemas_may_differ(lab):
    one = {"type": "record", "name": "R", "fields": [
        {"name": "v", "type": ["null", "int", "string", {"type": "record", "name": "S", "fields": [{"name": "x", "type": "int"}]}]},
        {"name": "n", "type": "int"}]}
    two = {"type": "record", "name": "R", "fields": [{"name": "n", "type": "double"}, {"name": "more", "type": "string"}]}
    files = {"a.avro": avro_file([{"v": 1, "n": 1}, {"v": "t", "n": 2}, {"v": {"x": 5}, "n": 3}, {"v": None, "n": 4}], schema=one),
             "b.avro": avro_file([{"n": 2.5, "more": "m"}], schema=two)}

    def choice(**v):
        return {"int": None, "string": None, "struct": None, **v}
    same(options(lab, files, "avro"), [
        {"v": choice(int=1), "n": 1.0, "more": None}, {"v": choice(string="t"), "n": 2.0, "more": None},
        {"v": choice(struct={"x": 5}), "n": 3.0, "more": None}, {"v": None, "n": 4.0, "more": None},
        {"v": None, "n": 2.5, "more": "m"}])


# ---- ORC ----

def orc_table(seed, n):
    r = random.Random(seed)
    epoch = dt.datetime(1970, 1, 1)

    def some(make, nulls=.2):
        return [None if r.random() < nulls else make(i) for i in range(n)]
    run = r.randrange(1, 200)
    return pa.table({
        "id": pa.array(range(n), pa.int64()), "steps": pa.array([i * 7 - 100 for i in range(n)], pa.int32()),
        "same": pa.array([i // run for i in range(n)], pa.int64()),
        "any": pa.array(some(lambda i: r.randrange(-2**63, 2**63)), pa.int64()),
        "spikes": pa.array(some(lambda i: r.randrange(100) if r.random() < .97 else r.randrange(2**40), 0), pa.int64()),
        "small": pa.array(some(lambda i: r.randrange(-32768, 32768)), pa.int16()), "tiny": pa.array(some(lambda i: r.randrange(-128, 128)), pa.int8()),
        "yes": pa.array(some(lambda i: r.random() < .5), pa.bool_()), "f": pa.array(some(lambda i: single(r.uniform(-9, 9))), pa.float32()),
        "d": pa.array(some(lambda i: r.uniform(-1e9, 1e9)), pa.float64()), "word": pa.array(some(lambda i: r.choice(TEXTS)), pa.string()),
        "text": pa.array(some(lambda i: r.choice(TEXTS) + str(i)), pa.string()), "raw": pa.array(some(lambda i: r.randbytes(r.randrange(30))), pa.binary()),
        "price": pa.array(some(lambda i: D(r.randrange(-10**17, 10**17)).scaleb(-2)), pa.decimal128(18, 2)),
        "big": pa.array(some(lambda i: D(r.randrange(-10**37, 10**37)).scaleb(-10)), pa.decimal128(38, 10)),
        "day": pa.array(some(lambda i: dt.date(1970, 1, 1) + dt.timedelta(days=r.randrange(-40000, 40000))), pa.date32()),
        "at": pa.array(some(lambda i: epoch + dt.timedelta(microseconds=r.randrange(-2 * 10**15, 4 * 10**15))), pa.timestamp("us")),
        "list": pa.array(some(lambda i: [r.choice([None, i, -i]) for _ in range(r.randrange(4))]), pa.list_(pa.int64())),
        "map": pa.array(some(lambda i: [(t, r.choice([None, 1.5])) for t in r.sample(TEXTS, r.randrange(3))]), pa.map_(pa.string(), pa.float64())),
        "s": pa.array(some(lambda i: {"x": r.choice([None, i]), "in": [{"t": r.choice(TEXTS)} for _ in range(r.randrange(3))]}),
                      pa.struct([("x", pa.int32()), ("in", pa.list_(pa.struct([("t", pa.string())])))])),
        "nothing": pa.array([None] * n, pa.string())})


def orc_file(table, **more):
    out = io.BytesIO()
    orc.write_table(table, out, **more)
    return out.getvalue()


@pytest.mark.parametrize("seed,more", [
    (1, {}), (2, {"compression": "zlib"}), (3, {"compression": "snappy", "stripe_size": 70000}), (4, {"compression": "lz4", "batch_size": 100}),
    (5, {"compression": "zstd", "file_version": "0.11"}), (6, {"dictionary_key_size_threshold": 1.0}),
    (7, {"dictionary_key_size_threshold": 1.0, "file_version": "0.11", "compression": "zlib", "compression_block_size": 65536})])
def test_orc(lab, world, seed, more):
    tables = orc_table(seed, 6000), orc_table(seed + 30, 1)
    files = {"a.orc": orc_file(tables[0], **more), "b.orc": orc_file(tables[1])}
    want = [row for t in tables for row in t.to_pylist()]
    got, table = crawled(lab, world, files)
    assert table["Parameters"]["classification"] == "orc"
    same(got, want)
    same(options(lab, files, "orc"), want)


# ---- BSON ----

def bson_rows(seed, n):
    r = random.Random(seed)
    return [{"_id": bson.ObjectId(r.randbytes(12)), "n": r.choice([None, i]), "big": r.choice([2**40 + i, i]), "text": r.choice([None, *TEXTS]),
             "price": bson.Decimal128(D(r.randrange(-10**12, 10**12)).scaleb(-r.randrange(5))),
             "at": dt.datetime(1970, 1, 1) + dt.timedelta(milliseconds=r.randrange(-10**11, 10**13)),
             "doc": {"x": r.uniform(-1e9, 1e9), "list": [{"k": i, "t": r.choice(TEXTS)} for i in range(r.randrange(3))]},
             "raw": r.randbytes(r.randrange(9)), "yes": r.random() < .5, "re": bson.Regex("^a/b", "i") if i % 2 else None,
             "mixed": [i, "t%d" % i, i / 3 + .1, None][i % 3 if i % 7 else 3]} for i in range(n)]


def bson_expected(rows):
    def mixed(v):
        return None if v is None else {"double": float(v) if not isinstance(v, str) else None, "string": v if isinstance(v, str) else None}
    return [{**row, "_id": str(row["_id"]), "price": row["price"].to_decimal(), "re": "/^a/b/i" if row["re"] else None,
             "mixed": mixed(row["mixed"])} for row in rows]


@pytest.mark.parametrize("seed,suffix", [(1, ""), (2, ".gz"), (3, ".bz2"), (4, ".zip")])
def test_bson(lab, world, seed, suffix):
    rows = bson_rows(seed, 2500), bson_rows(seed + 50, 40)
    files = {"k=1/a.bson" + suffix: PACK[suffix](b"".join(map(bson.encode, rows[0]))), "k=2/b.bson" + suffix: PACK[suffix](b"".join(map(bson.encode, rows[1])))}
    got, table = crawled(lab, world, files)
    assert table["Parameters"]["classification"] == "bson"
    want = [dict(r, k=k) for k, part in zip((1, 2), rows) for r in bson_expected(part)]
    same([dict(g, k=int(g["k"])) for g in got], want)
    same(options(lab, files, "bson"), [dict(w, k=str(w["k"])) for w in want])


# ---- Ion ----

def ion_rows(seed, n):
    r = random.Random(seed)
    return [{"id": r.choice([i, -i, 2**31 + i]), "text": r.choice([None, *TEXTS]), "price": D(r.randrange(-10**15, 10**15)).scaleb(-r.randrange(6)),
             "f": r.uniform(-1e300, 1e300), "at": dt.datetime(2001, 2, 3, tzinfo=UTC) + dt.timedelta(microseconds=r.randrange(10**15)),
             "list": [r.choice([None, *TEXTS]) for _ in range(r.randrange(4))], "s": {"x y": r.choice([True, False, None]), "n": i},
             "blob": r.randbytes(r.randrange(30))} for i in range(n)]


@pytest.mark.parametrize("seed,binary,suffix", [(1, True, ""), (2, False, ""), (3, True, ".lz4"), (4, False, ".zst"), (5, False, ".sz")])
def test_ion(lab, world, seed, binary, suffix):
    rows = ion_rows(seed, 1500), ion_rows(seed + 70, 300)
    files = {f"{name}.ion{suffix}": PACK[suffix](ion.dumps(part, binary=binary, sequence_as_stream=True) if binary else
                                                 ion.dumps(part, binary=False, sequence_as_stream=True).encode())
             for name, part in zip("ab", rows)}
    got, table = crawled(lab, world, files)
    assert table["Parameters"]["classification"] == "ion"
    same(got, rows[0] + rows[1])
    same(options(lab, files, "ion"), rows[0] + rows[1])


def test_ion_text_as_people_write_it(lab):
    text = r"""$ion_1_0 // a comment
    {a: 0x1F, b: 1_000, c: -2.50d1, d: 2007-02-23T12:14:33.079-08:00, e: "q\"\u00e9\x41\n", f: '''two ''' '''parts'''}
    note::{a: 0b101, /* c */ b: null.int, c: 1d-3, d: 2007-02T, e: 'a symbol', f: plain, }"""
    same(options(lab, {"a.ion": text.encode()}, "ion"), [
        {"a": 31, "b": 1000, "c": D("-25"), "d": dt.datetime(2007, 2, 23, 20, 14, 33, 79000), "e": 'q"éA\n', "f": "two parts"},
        {"a": 5, "b": None, "c": D("0.001"), "d": dt.datetime(2007, 2, 1), "e": "a symbol", "f": "plain"}])


# ---- XML ----

def xml_rows(seed, n):
    r = random.Random(seed)
    texts = [t for t in TEXTS if t.strip() and t.isprintable() and t != "1"]
    return [{"id": i, "kind": r.choice(texts), "names": [r.choice(texts) for _ in range(r.randrange(1, 4))] if i else [texts[0], texts[1]],
             "geo": {"lat": r.choice([1, -1]) * r.randrange(1, 1000) / 8, "unit": r.choice(["m", "km"])},
             "note": r.choice([None, r.choice(texts)]), "code": r.choice([i, "c%d" % i])} for i in range(n)]


def xml_file(rows):
    def row(x):
        note = "" if x["note"] is None else f"<note><![CDATA[{x['note']}]]></note>"
        names = "".join(f"<names>{escape(t)}</names>" for t in x["names"])
        return (f"<item id={quoteattr(str(x['id']))} kind={quoteattr(x['kind'])}>{names}{note}"
                f"<geo unit='{x['geo']['unit']}'>{x['geo']['lat']}</geo><code>{x['code']}</code></item>")
    return f"<?xml version='1.0' encoding='UTF-8'?><list>{''.join(map(row, rows))}</list>".encode()


def xml_expected(rows, prefix="_", value="_VALUE"):
    def code(v):
        return {"int": v if isinstance(v, int) else None, "string": v if isinstance(v, str) else None}
    return [{prefix + "id": x["id"], prefix + "kind": x["kind"], "names": x["names"], "note": x["note"],
             "geo": {prefix + "unit": x["geo"]["unit"], value: x["geo"]["lat"]}, "code": code(x["code"])} for x in rows]


@pytest.mark.parametrize("seed,suffix", [(1, ""), (2, ".zip"), (3, ".bz2")])
def test_xml(lab, world, seed, suffix):
    rows = xml_rows(seed, 2000), xml_rows(seed + 9, 30)
    files = {"a.xml" + suffix: PACK[suffix](xml_file(rows[0])), "b.xml" + suffix: PACK[suffix](xml_file(rows[1]))}
    got, table = crawled(lab, world, files)
    assert table["Parameters"]["rowTag"] == "item"
    same(got, xml_expected(rows[0] + rows[1]))
    same(options(lab, files, "xml", rowTag="item", attributePrefix="at_", valueTag="text"), xml_expected(rows[0] + rows[1], "at_", "text"))


def test_xml_empty_elements_and_attributes_left_out(lab):
    files = {"a.xml": b"<r><i a='1'><t/><n>1</n></i><i a='2'><t>x</t><n/></i></r>"}
    same(options(lab, files, "xml", rowTag="i", excludeAttribute=True), [{"t": "", "n": 1}, {"t": "x", "n": None}])
    same(options(lab, files, "xml", rowTag="i", treatEmptyValuesAsNulls=True), [{"_a": 1, "t": None, "n": 1}, {"_a": 2, "t": "x", "n": None}])


# ---- logs ----

def log_lines(seed, n):
    r = random.Random(seed)
    rows = [{"clientip": f"10.0.{i % 7}.{r.randrange(256)}", "ident": None, "auth": r.choice([None, "ann"]),
             "timestamp": f"10/Oct/2020:13:{i % 60:02d}:36 +0000", "verb": "GET", "request": f"/p{i}?q={r.randrange(9)}", "httpversion": "1.1",
             "rawrequest": None, "response": str(r.choice([200, 404])), "bytes": r.choice([None, str(i)])} for i in range(n)]
    return rows, "".join('{} {} {} [{}] "GET {} HTTP/1.1" {} {}\n'.format(*[x[k] or "-" for k in (
        "clientip", "ident", "auth", "timestamp", "request", "response", "bytes")]) for x in rows).encode()


@pytest.mark.parametrize("seed,suffix", [(1, ""), (2, ".lz4")])
def test_logs_by_the_built_in_pattern(lab, world, seed, suffix):
    rows, body = log_lines(seed, 3000)
    files = {"access.log" + suffix: PACK[suffix](body + b"not a line of it\r\n")}
    got, table = crawled(lab, world, files)
    assert table["Parameters"]["classification"] == "apache"
    same(got, rows)
    same(options(lab, files, "grokLog", logFormat="%{COMMONAPACHELOG}"), rows)


def test_logs_by_a_custom_classifier(lab, world):
    lab.glue.create_classifier(GrokClassifier={"Name": "mine" + lab.id, "Classification": "mylog", "CustomPatterns": "WHO (?:ann|bob)\nLEFT (a|b)+",
                                               "GrokPattern": "%{WHO:who} %{LEFT:l}=%{NUMBER:n:double} %{INT:i:int} ?%{GREEDYDATA:rest}"})
    r = random.Random(4)
    rows = [{"who": r.choice(["ann", "bob"]), "l": r.choice("ab") * 3, "n": r.randrange(100) / 4, "i": r.choice([None, i]), "rest": r.choice(["", "é w"])}
            for i in range(500)]
    rows[0]["i"] = 7
    body = "".join(f"{x['who']} {x['l']}={x['n']} {99999999999 if x['i'] is None else x['i']} {x['rest']}\n" for x in rows)
    got, table = crawled(lab, world, {"a.log": body.encode()}, Classifiers=["mine" + lab.id])
    assert table["Parameters"]["classification"] == "mylog"
    same(got, rows)
    same(options(lab, {"a.log": body.encode()}, "grokLog", logFormat="%{WHO:who} %{LEFT:l}=%{NUMBER:n:double} %{INT:i:int} ?%{GREEDYDATA:rest}",
                 customPatterns="WHO (?:ann|bob)\nLEFT (a|b)+"), rows)


# ---- what a plan does above it ----

def test_columns_and_partitions_are_chosen(lab, world):
    rows = [dict(r, k=k) for k in ("a", "b") for r in avro_rows(ord(k), 200)]
    schema = AVRO
    files = {f"k={k}/x.avro": avro_file([{n: v for n, v in r.items() if n != "k"} for r in rows if r["k"] == k], schema=schema) for k in "ab"}
    db, tables = world.crawl({"data/" + n: v for n, v in files.items()}, "data/")
    source = {"s": {"CatalogSource": {"Name": "s", "Database": db, "Table": next(iter(tables)), "PartitionPredicate": "k = 'b'"}}}
    got = read(lab, {**source, "f": {"SelectFields": {"Name": "f", "Inputs": ["s"], "Paths": [["id"], ["others"], ["k"]]}}})
    same(got, [{"id": r["id"], "others": r["others"], "k": "b"} for r in rows if r["k"] == "b"])
    got = read(lab, {"s": {"CatalogSource": {"Name": "s", "Database": db, "Table": next(iter(tables))}},
                     "a": {"Aggregate": {"Name": "a", "Inputs": ["s"], "Groups": [["k"]], "Aggs": [{"Column": ["yes"], "AggFunc": "count"}]}}})
    same(got, [{"k": "a", "count(yes)": 200}, {"k": "b", "count(yes)": 200}])


# ---- writing ----

def avro_out(lab, nodes, **target):
    out = lab.fresh()
    name = lab.create({**nodes, "o": {"S3DirectTarget": {"Name": "o", "Inputs": [list(nodes)[-1]], "Path": lab.uri(out), "Format": "avro", **target}}})
    run = lab.run(name)
    return run, [(k[len(out):], list(fastavro.reader(io.BytesIO(lab.get(k))))) for k in lab.keys(out)]


@pytest.mark.parametrize("keys", [[], [["tiny"]]])
def test_avro_is_written(lab, keys):
    """As fastavro reads it: 16-bit integers are ints, times are microseconds."""
    table = orc_table(11, 900).drop_columns(["map"] + (["nothing"] if keys else []))
    prefix = lab.fresh("written")
    lab.put_parquet(prefix + "a.parquet", table)
    run, files = avro_out(lab, {"s": {"S3ParquetSource": {"Name": "s", "Paths": [lab.uri(prefix)]}}}, **({"PartitionKeys": keys} if keys else {}))
    assert run["JobRunState"] == "SUCCEEDED" and files, run
    got = []
    for key, rows in files:
        folder = dict(p.split("=", 1) for p in key.split("/")[:-1])
        value = folder.get("tiny")
        got += [dict(r, **({"tiny": None if value == "__HIVE_DEFAULT_PARTITION__" else int(value)} if folder else {})) for r in rows]
    same(got, table.to_pylist())


def test_a_map_is_not_written_as_avro(lab):
    prefix = lab.fresh("written")
    lab.put_parquet(prefix + "a.parquet", orc_table(11, 9).select(["id", "map"]))
    run, files = avro_out(lab, {"s": {"S3ParquetSource": {"Name": "s", "Paths": [lab.uri(prefix)]}}})
    assert run["JobRunState"] == "FAILED" and "column map holds a map" in run["ErrorMessage"] and not files


# ---- damage ----

GOOD = {
    "avro": ("a.avro", lambda: avro_file(avro_rows(5, 800), sync_interval=2000), {}, "record"),
    "orc": ("a.orc", lambda: orc_file(orc_table(5, 3000), compression="zlib"), {}, ""),
    "bson": ("a.bson", lambda: b"".join(map(bson.encode, bson_rows(5, 800))), {}, "document at byte"),
    "ion": ("a.10n", lambda: ion.dumps(ion_rows(5, 800), sequence_as_stream=True), {}, "value at byte"),
    "xml": ("a.xml", lambda: xml_file(xml_rows(5, 800)), {"rowTag": "item"}, "line"),
}


def broken(lab, name, body, format, format_options):
    """The message of a run over a good file and a broken one."""
    prefix, out = lab.fresh("broken"), lab.fresh()
    lab.put(prefix + "good/" + name, GOOD[format][1]())
    lab.put(prefix + "z" + name, body)
    job = lab.create({"s": {"S3CsvSource": {"Name": "s", "Paths": [lab.uri(prefix)], "Separator": "comma", "QuoteChar": "quote"}},
                      "o": {"S3DirectTarget": {"Name": "o", "Inputs": ["s"], "Path": lab.uri(out), "Format": "parquet"}}})
    lab.edit(job, f"""
from awsglue.context import GlueContext
from pyspark.context import SparkContext
glue = GlueContext(SparkContext.getOrCreate())
frame = glue.create_dynamic_frame.from_options("s3", {{"paths": [{lab.uri(prefix)!r}]}}, {format!r}, {format_options!r})
glue.write_dynamic_frame.from_options(frame, "s3", {{"path": {lab.uri(out)!r}}}, format="parquet")
""")
    run = lab.run(job)
    assert run["JobRunState"] == "FAILED" and not lab.keys(out), run
    return run["ErrorMessage"]


@pytest.mark.parametrize("format", GOOD)
def test_a_file_cut_short_is_named_with_the_place(lab, format):
    name, make, more, place = GOOD[format]
    body = make()
    for part in (.3, .9):
        says = broken(lab, name, body[:int(len(body) * part)], format, more)
        assert "z" + name in says and place in says, says


@pytest.mark.parametrize("format", ["avro", "xml", "bson"])  # ORC has no checksums
def test_a_file_with_other_bytes_inside_is_named(lab, format):
    name, make, more, place = GOOD[format]
    body = make()
    at = len(body) // 2
    says = broken(lab, name, body[:at] + b"\xff<\x00\xfe" * 20 + body[at + 80:], format, more)
    assert "z" + name in says and place in says, says


def test_a_packed_one_too(lab):
    body = GOOD["bson"][1]()
    says = broken(lab, "a.bson.bz2", bz2.compress(body)[:-50], "bson", {})
    assert "za.bson.bz2" in says and "bzip2" in says, says


def test_a_strict_log_and_options_that_are_missing(lab):
    GOOD["grokLog"] = ("a.log", lambda: log_lines(3, 50)[1], {}, "line")
    says = broken(lab, "a.log", log_lines(3, 20)[1] + b"oops\n", "grokLog", {"logFormat": "%{COMMONAPACHELOG}", "StrictMode": True})
    assert "za.log" in says and "line 21" in says, says
    assert "logFormat" in broken(lab, "a.log", b"x\n", "grokLog", {})
    assert "NOSUCH" in broken(lab, "a.log", b"x\n", "grokLog", {"logFormat": "%{NOSUCH:x}"})
    assert "rowTag" in broken(lab, "a.xml", b"<a/>", "xml", {})
