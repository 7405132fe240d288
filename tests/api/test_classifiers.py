"""Classifiers through boto3: their operations, and what files of every format become."""
import bz2
import datetime
import decimal
import gzip
import io
import json
import random
import struct
import zipfile

import pytest
from botocore.exceptions import ClientError

from crawling import World, code_of, columns, parquet, query


@pytest.fixture(scope="module")
def world(glue, s3):
    return World(glue, s3)


def avro(records, schema, codec="null"):
    import fastavro

    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(schema), records, codec=codec)
    return out.getvalue()


def orc(table, **options):
    from pyarrow import orc as paorc

    out = io.BytesIO()
    paorc.write_table(table, out, **options)
    return out.getvalue()


# ---- the operations ----

DEFINITIONS = {
    "GrokClassifier": {"Classification": "shop", "GrokPattern": "%{TIMESTAMP_ISO8601:at} %{ITEM:item} %{NUMBER:price:double}",
                       "CustomPatterns": "ITEM [a-z]+-\\d+"},
    "XMLClassifier": {"Classification": "books", "RowTag": "book"},
    "JsonClassifier": {"JsonPath": "$.rows[*]"},
    "CsvClassifier": {"Delimiter": "~", "QuoteSymbol": "'", "ContainsHeader": "PRESENT", "Header": ["a", "b"], "DisableValueTrimming": True,
                      "AllowSingleColumn": False, "CustomDatatypeConfigured": True, "CustomDatatypes": ["INT", "STRING"], "Serde": "OpenCSVSerDe"},
}


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_a_classifier_lives(glue, kind):
    name = f"life-{kind}"
    given = dict(DEFINITIONS[kind], Name=name)
    glue.create_classifier(**{kind: given})
    got = glue.get_classifier(Name=name)["Classifier"]
    assert list(got) == [kind]
    got = got[kind]
    assert {k: got[k] for k in given} == given
    assert got["Version"] == 1 and isinstance(got["CreationTime"], datetime.datetime) and got["LastUpdated"] >= got["CreationTime"]
    assert code_of(glue.create_classifier, **{kind: given}) == "AlreadyExistsException"
    change = {"GrokClassifier": {"Classification": "store"}, "XMLClassifier": {"Classification": "volumes"}, "JsonClassifier": {"JsonPath": "$[*]"},
              "CsvClassifier": {"ContainsHeader": "ABSENT", "Header": ["x"], "CustomDatatypes": ["LONG"]}}[kind]
    glue.update_classifier(**{kind: dict(change, Name=name)})
    after = glue.get_classifier(Name=name)["Classifier"][kind]
    assert {k: after[k] for k in given} == {**given, **change}
    assert after["Version"] == 2 and after["CreationTime"] == got["CreationTime"]
    other = next(k for k in DEFINITIONS if k != kind)
    assert code_of(glue.update_classifier, **{other: dict(DEFINITIONS[other], Name=name)}) == "InvalidInputException"
    glue.delete_classifier(Name=name)
    for call in (glue.get_classifier, glue.delete_classifier):
        assert code_of(call, Name=name) == "EntityNotFoundException"
    assert code_of(glue.update_classifier, **{kind: dict(change, Name=name)}) == "EntityNotFoundException"


@pytest.mark.parametrize("definition", [
    {"GrokClassifier": {"Classification": "x", "GrokPattern": "%{NOPE:a}"}},
    {"GrokClassifier": {"Classification": "x", "GrokPattern": "%{WORD}"}},
    {"GrokClassifier": {"Classification": "x", "GrokPattern": "%{A:a}", "CustomPatterns": "A %{B}\nB %{A}"}},
    {"GrokClassifier": {"Classification": "x", "GrokPattern": "%{A:a}", "CustomPatterns": "A ((("}},
    {"XMLClassifier": {"Classification": "x", "RowTag": "<row>"}},
    {"JsonClassifier": {"JsonPath": "rows"}},
    {"JsonClassifier": {"JsonPath": "$..deep"}},
    {"CsvClassifier": {"Delimiter": "'", "QuoteSymbol": "'"}},
    {"CsvClassifier": {"Header": ["a", "A"]}},
    {"CsvClassifier": {"CustomDatatypes": ["MONEY"]}},
    {"CsvClassifier": {"Delimiter": ","}, "JsonClassifier": {"JsonPath": "$"}},
    {},
])
def test_what_cannot_be_used_is_refused(glue, definition):
    for d in definition.values():
        d["Name"] = "refused"
    assert code_of(glue.create_classifier, **definition) == "InvalidInputException"
    assert code_of(glue.get_classifier, Name="refused") == "EntityNotFoundException"


def test_pages_of_classifiers(glue_in):
    glue = glue_in("ap-south-1")
    names = [f"page-{i:02d}" for i in range(23)]
    for name in random.Random(5).sample(names, len(names)):
        glue.create_classifier(JsonClassifier={"Name": name, "JsonPath": "$"})
    seen, token, sizes = [], None, []
    while True:
        page = glue.get_classifiers(MaxResults=7, **({"NextToken": token} if token else {}))
        seen += [c["JsonClassifier"]["Name"] for c in page["Classifiers"]]
        sizes.append(len(page["Classifiers"]))
        token = page.get("NextToken")
        if not token:
            break
    assert seen == names and sizes == [7, 7, 7, 2]
    with pytest.raises(ClientError) as e:
        glue_in("eu-north-1").get_classifiers(NextToken="nonsense")
    assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_crawler_names_only_classifiers_that_are_there(world):
    with pytest.raises(ClientError) as e:
        world.create("no-such-classifier", "x/", db="d", Classifiers=["nobody"])
    assert e.value.response["Error"]["Code"] == "InvalidInputException"


# ---- custom classifiers in crawls ----

def custom(world, files, kind, **definition):
    name = world.fresh()
    definition["Name"] = name
    world.glue.create_classifier(**{kind: definition})
    for key, data in files.items():
        world.put(f"{name}/{key}", data)
    world.create(name, f"{name}/", Classifiers=[name])
    world.run(name)
    return name, world.tables(name)


def test_custom_grok(world):
    rng = random.Random(3)
    lines = "".join(f"2024-01-{rng.randrange(1, 28):02d}T10:00:00Z pen-{i} {rng.random() * 9:.2f}\n" for i in range(200))
    name, tables = custom(world, {"log/a.txt": lines, "csv/b.csv": "a,b\n1,2\n3,4\n"}, "GrokClassifier", **DEFINITIONS["GrokClassifier"])
    t = tables["log"]
    assert columns(t) == [("at", "string"), ("item", "string"), ("price", "double")]
    assert t["Parameters"]["classification"] == "shop" and t["Parameters"]["recordCount"] == "200"
    assert t["Parameters"]["grokPattern"] == DEFINITIONS["GrokClassifier"]["GrokPattern"]
    assert t["StorageDescriptor"]["SerdeInfo"] == {
        "SerializationLibrary": "com.amazonaws.glue.serde.GrokSerDe",
        "Parameters": {"input.format": DEFINITIONS["GrokClassifier"]["GrokPattern"], "input.grokCustomPatterns": "ITEM [a-z]+-\\d+"}}
    assert tables["csv"]["Parameters"]["classification"] == "csv"  # the built-in ones come after


def test_custom_xml(world):
    xml = "<?xml version='1.0'?><lib><head><v>1</v><v>2</v><v>3</v></head>" + "".join(
        f"<shelf><book id='{i}'><title>T{i}</title><author>A</author>{'<author>B</author>' if i % 2 else ''}</book></shelf>" for i in range(9)) + "</lib>"
    name, tables = custom(world, {"f.xml": xml}, "XMLClassifier", **DEFINITIONS["XMLClassifier"])
    t = tables[name]
    assert columns(t) == [("_id", "int"), ("title", "string"), ("author", "array<string>")]
    assert t["Parameters"]["classification"] == "books" and t["Parameters"]["rowTag"] == "book" and t["Parameters"]["recordCount"] == "9"


def test_custom_json_path_is_what_jobs_read(world, server):
    doc = json.dumps({"meta": {"n": 3}, "rows": [{"id": i, "v": i / 2} for i in range(5)]})
    name, tables = custom(world, {"f.json": doc}, "JsonClassifier", JsonPath="$.rows[*]")
    t = tables[name]
    assert columns(t) == [("id", "int"), ("v", "double")]
    assert t["Parameters"]["classification"] == "json" and t["Parameters"]["jsonPath"] == "$.rows[*]" and t["Parameters"]["recordCount"] == "5"
    assert query(server, f'select sum(id), sum(v) from "{name}"."{name}"') == ["10,5.0"]


def test_custom_csv_members(world):
    body = "id~name\n1~'a~b'\n2~ c\n"
    name, tables = custom(world, {"f": body}, "CsvClassifier", Delimiter="~", QuoteSymbol="'", ContainsHeader="PRESENT")
    assert columns(tables[name]) == [("id", "bigint"), ("name", "string")]
    assert tables[name]["StorageDescriptor"]["SerdeInfo"]["Parameters"] == {"separatorChar": "~", "quoteChar": "'"}
    for quoted, serde in (("'b'", "OpenCSVSerde"), ("b", "LazySimpleSerDe")):  # nobody says which: the quotes do
        name, tables = custom(world, {"f": f"id~name\n1~{quoted}\n2~c\n"}, "CsvClassifier", Delimiter="~", QuoteSymbol="'", ContainsHeader="PRESENT", Serde="None")
        assert tables[name]["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"].endswith(serde)
    name, tables = custom(world, {"f": "id~name\n1~b\n2~ c\n"}, "CsvClassifier", Delimiter="~", ContainsHeader="ABSENT", Header=["x", "y"], Serde="LazySimpleSerDe")
    assert columns(tables[name]) == [("x", "string"), ("y", "string")]
    assert "skip.header.line.count" not in tables[name]["Parameters"]
    assert tables[name]["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"].endswith("LazySimpleSerDe")
    name, tables = custom(world, {"f": "1~2\n3~4\n"}, "CsvClassifier", Delimiter="~", Header=["n", "d"], CustomDatatypeConfigured=True,
                          CustomDatatypes=["INT", "DATE"], Serde="OpenCSVSerDe")
    assert columns(tables[name]) == [("n", "int"), ("d", "date")]
    assert tables[name]["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"].endswith("OpenCSVSerde")
    name, tables = custom(world, {"f": "one\ntwo\nthree\n"}, "CsvClassifier", Delimiter=",", AllowSingleColumn=True, ContainsHeader="ABSENT")
    assert columns(tables[name]) == [("col0", "string")]
    for trim, kind in ((False, "bigint"), (True, "string")):
        name, tables = custom(world, {"f": "a,b\n 1 ,x\n2,y\n"}, "CsvClassifier", Delimiter=",", ContainsHeader="PRESENT", DisableValueTrimming=trim)
        assert columns(tables[name])[0] == ("a", kind)


def test_a_classifier_that_does_not_match_says_so(world, server):
    """Silence is what users complain of: the log names the classifier, and how many lines it would have taken."""
    name = world.fresh()
    world.glue.create_classifier(GrokClassifier={"Name": f"c-{name}", "Classification": "mine", "GrokPattern": "%{INT:n:int} %{WORD:w}"})
    made = world.crawl({"f.log": "1 a\n" * 2 + "nothing of that kind\n" * 5}, Classifiers=[f"c-{name}"], expect="FAILED")[0]
    said = world.glue.get_crawler(Name=made)["Crawler"]["LastCrawl"]["ErrorMessage"]
    assert f"classifier c-{name}: 2 of 7 lines match" in said
    made, tables = world.crawl({"f.csv": "a,b\n1,2\n3,4\n"}, Classifiers=[f"c-{name}"])
    assert tables[made]["Parameters"]["classification"] == "csv"
    log = (server.data / "logs" / "crawlers" / "us-east-1" / f"{made}.log").read_text()
    assert f"delimited text with a header; classifier c-{name}: 0 of 3 lines match" in log


def test_classifiers_are_asked_in_order_and_old_tables_keep_theirs(world):
    first, second = world.fresh(), world.fresh()
    for name, field in ((first, "x"), (second, "y")):
        world.glue.create_classifier(GrokClassifier={"Name": name, "Classification": field, "GrokPattern": "%{WORD:" + field + "} %{INT:n:int}"})
    name = world.fresh()
    world.put(f"{name}/f", "a 1\nb 2\n")
    world.create(name, f"{name}/", Classifiers=[second, first])
    world.run(name)
    assert columns(world.tables(name)[name]) == [("y", "string"), ("n", "int")]
    world.glue.update_crawler(Name=name, Classifiers=[first, second])
    world.run(name)
    assert columns(world.tables(name)[name]) == [("x", "string"), ("n", "int")]
    world.glue.delete_classifier(Name=first)
    assert code_of(world.glue.start_crawler, Name=name) in ("EntityNotFoundException",)


# ---- built-in formats, files by other people's writers ----

def test_avro(world):
    schema = {"type": "record", "name": "R", "namespace": "n.s", "fields": [
        {"name": "id", "type": "int"}, {"name": "Big", "type": ["null", "long"]}, {"name": "f", "type": "float"}, {"name": "d", "type": "double"},
        {"name": "ok", "type": "boolean"}, {"name": "s", "type": ["string", "null"]}, {"name": "b", "type": "bytes"},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}}, {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "dec", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "tags", "type": {"type": "array", "items": "string"}}, {"name": "m", "type": {"type": "map", "values": "long"}},
        {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"]}}, {"name": "e2", "type": "E"},
        {"name": "in", "type": {"type": "record", "name": "In", "fields": [{"name": "x", "type": "int"}, {"name": "next", "type": ["null", "In"]}]}}]}
    row = {"id": 1, "Big": 5, "f": 1.5, "d": 2.5, "ok": True, "s": "x", "b": b"y", "day": datetime.date(2024, 1, 1),
           "ts": datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc), "dec": decimal.Decimal("1.25"), "tags": ["a"], "m": {"k": 1}, "e": "A", "e2": "B",
           "in": {"x": 1, "next": {"x": 2, "next": None}}}
    name, tables = world.crawl({"a.avro": avro([row] * 3, schema), "b": avro([row], schema, "deflate")})
    t = tables[name]
    assert columns(t) == [("id", "int"), ("big", "bigint"), ("f", "float"), ("d", "double"), ("ok", "boolean"), ("s", "string"), ("b", "binary"),
                          ("day", "date"), ("ts", "timestamp"), ("dec", "decimal(9,2)"), ("tags", "array<string>"), ("m", "map<string,bigint>"),
                          ("e", "string"), ("e2", "string"), ("in", "struct<x:int,next:string>")]
    assert t["Parameters"]["classification"] == "avro" and t["Parameters"]["objectCount"] == "2"
    serde = t["StorageDescriptor"]["SerdeInfo"]
    assert serde["SerializationLibrary"] == "org.apache.hadoop.hive.serde2.avro.AvroSerDe"
    assert [f["name"] for f in json.loads(serde["Parameters"]["avro.schema.literal"])["fields"]] == [f["name"] for f in schema["fields"]]
    assert t["StorageDescriptor"]["InputFormat"] == "org.apache.hadoop.hive.ql.io.avro.AvroContainerInputFormat"


@pytest.mark.parametrize("compression", ["uncompressed", "snappy", "zlib", "lz4", "zstd"])
def test_orc(world, compression):
    import pyarrow as pa

    table = pa.table({"Flag": pa.array([True, None]), "i8": pa.array([1, 2], pa.int8()), "i16": pa.array([1, 2], pa.int16()), "i": pa.array([1, 2], pa.int32()),
                      "l": pa.array([1, 2], pa.int64()), "f": pa.array([1, 2], pa.float32()), "d": [1.0, 2.0], "s": ["a", None], "b": [b"x", None],
                      "ts": pa.array([1, 2], pa.timestamp("ns")), "day": pa.array([1, 2], pa.date32()),
                      "dec": pa.array([decimal.Decimal("1.25"), None], pa.decimal128(9, 2)), "xs": [[1], []],
                      "m": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int32())), "st": [{"x": 1, "y": "q"}, None],
                      **{f"pad{i}": [i, i] for i in range(300)}})
    name, tables = world.crawl({"a.orc": orc(table, compression=compression), "b": orc(table, compression=compression)})
    t = tables[name]
    assert columns(t)[:16] == [("flag", "boolean"), ("i8", "tinyint"), ("i16", "smallint"), ("i", "int"), ("l", "bigint"), ("f", "float"), ("d", "double"),
                               ("s", "string"), ("b", "binary"), ("ts", "timestamp"), ("day", "date"), ("dec", "decimal(9,2)"), ("xs", "array<bigint>"),
                               ("m", "map<string,int>"), ("st", "struct<x:bigint,y:string>"), ("pad0", "bigint")]
    assert t["Parameters"]["classification"] == "orc" and t["Parameters"]["recordCount"] == "4" and len(columns(t)) == 315
    assert t["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"] == "org.apache.hadoop.hive.ql.io.orc.OrcSerde"


def test_bson(world):
    import bson

    doc = {"_id": bson.ObjectId(), "i": 1, "l": bson.Int64(2 ** 40), "d": 1.5, "s": "x", "b": b"y", "ok": True, "at": datetime.datetime(2024, 1, 1),
           "xs": [1, 2], "in": {"a": "b"}, "none": None, "dec": bson.Decimal128("1.5"), "re": bson.Regex("a", "i")}
    name, tables = world.crawl({"f.bson": bson.encode(doc) * 3 + bson.encode({"i": bson.Int64(5), "new": 1})})
    t = tables[name]
    assert columns(t) == [("_id", "string"), ("i", "bigint"), ("l", "bigint"), ("d", "double"), ("s", "string"), ("b", "binary"), ("ok", "boolean"),
                          ("at", "timestamp"), ("xs", "array<int>"), ("in", "struct<a:string>"), ("none", "string"), ("dec", "decimal(38,18)"),
                          ("re", "string"), ("new", "int")]
    assert t["Parameters"]["classification"] == "bson" and t["Parameters"]["recordCount"] == "4"


@pytest.mark.parametrize("binary", [True, False])
def test_ion(world, binary):
    from amazon.ion import simpleion

    rows = [{"id": i, "big": 2 ** 40, "d": 1.5, "dec": decimal.Decimal("1.25"), "s": f"x{i}", "b": b"y", "ok": True, "xs": [1, 2], "in": {"a": "b"},
             "none": None, "at": datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)} for i in range(50)]
    data = simpleion.dumps(rows, binary=binary, sequence_as_stream=True)
    name, tables = world.crawl({"f.ion": data})
    t = tables[name]
    assert columns(t) == [("id", "int"), ("big", "bigint"), ("d", "double"), ("dec", "decimal(38,18)"), ("s", "string"), ("b", "binary"),
                          ("ok", "boolean"), ("xs", "array<int>"), ("in", "struct<a:string>"), ("none", "string"), ("at", "timestamp")]
    assert t["Parameters"]["classification"] == "ion" and t["Parameters"]["recordCount"] == "50"
    assert t["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"] == "com.amazon.ionhiveserde.IonHiveSerDe"


def packed(kind, data):
    import cramjam
    import lz4.frame
    import zstandard

    if kind == "zip":
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
            z.writestr("inner.csv", data)
        return out.getvalue()
    if kind == "snappy-hadoop":
        blocks = b""
        for at in range(0, len(data), 5000):
            block = bytes(cramjam.snappy.compress_raw(data[at:at + 5000]))
            blocks += struct.pack(">II", len(data[at:at + 5000]), len(block)) + block
        return blocks
    return {"gzip": gzip.compress, "bzip2": bz2.compress, "lz4": lz4.frame.compress, "zstd": zstandard.compress,
            "snappy": lambda d: bytes(cramjam.snappy.compress(d)), "two-gzips": lambda d: gzip.compress(d[:100]) + gzip.compress(d[100:]),
            "two-bzip2s": lambda d: bz2.compress(d[:100]) + bz2.compress(d[100:])}[kind](data)


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "zip", "lz4", "zstd", "snappy", "snappy-hadoop", "two-gzips", "two-bzip2s"])
@pytest.mark.parametrize("rows", [20, 60000])
def test_compressed_csv(world, kind, rows):
    rng = random.Random(rows)
    body = "id,v,w\n" + "".join(f"{i},{rng.random()},{rng.choice('abc')}\n" for i in range(rows))
    ending = ".snappy" if "snappy" in kind else ""
    name, tables = world.crawl({"f.csv" + ending: packed(kind, body.encode())})
    t = tables[name]
    assert columns(t) == [("id", "bigint"), ("v", "double"), ("w", "string")]
    assert t["StorageDescriptor"]["Compressed"] is True
    assert t["Parameters"]["compressionType"] == {"two-gzips": "gzip", "two-bzip2s": "bzip2", "snappy-hadoop": "snappy"}.get(kind, kind)
    assert abs(int(t["Parameters"]["recordCount"]) - rows) <= rows * 0.25


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "zip", "lz4", "zstd", "snappy"])
def test_compressed_and_cut_short(world, kind):
    body = packed(kind, ("id,v\n" + "".join(f"{i},{i * 7 % 1000}\n" for i in range(500))).encode())
    name, _ = world.fresh(), None
    world.put(f"{name}/f.csv.{kind}", body[:-30])
    world.put(f"{name}/good.csv", "a,b\n1,2\n3,4\n")
    world.create(name, f"{name}/")
    world.run(name)
    tables = world.tables(name)
    assert all(columns(t) in ([("a", "bigint"), ("b", "bigint")],) for t in tables.values()), tables
