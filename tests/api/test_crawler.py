"""Crawlers through boto3: what they find in S3 and what they write into the catalogue."""
import gzip
import json
import time

import pyarrow as pa
import pytest

from conftest import wait_for
from crawling import World, code_of, columns, parquet, query


@pytest.fixture(scope="module")
def world(glue, s3):
    return World(glue, s3)


def test_csv_with_header(world):
    files = {"a.csv": "id,Score,name,ok\n1,2.5,x,true\n2,3,y,false\n",
             "b.csv": "id,Score,name,ok\n3,4,z,true\n4,,w,true\n"}
    name, tables = world.crawl(files)
    assert list(tables) == [name]
    t = tables[name]
    assert columns(t) == [("id", "bigint"), ("score", "double"), ("name", "string"), ("ok", "boolean")]
    sd, p = t["StorageDescriptor"], t["Parameters"]
    assert sd["Location"] == f"s3://{world.bucket}/{name}/"
    assert sd["InputFormat"] == "org.apache.hadoop.mapred.TextInputFormat"
    assert sd["OutputFormat"] == "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
    assert sd["SerdeInfo"] == {"SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
                               "Parameters": {"field.delim": ","}}
    assert sd["Compressed"] is False and sd["NumberOfBuckets"] == -1
    assert t["TableType"] == "EXTERNAL_TABLE" and t["PartitionKeys"] == []
    assert p["classification"] == "csv" and p["delimiter"] == "," and p["skip.header.line.count"] == "1"
    assert p["UPDATED_BY_CRAWLER"] == name and p["typeOfData"] == "file" and p["compressionType"] == "none"
    assert p["objectCount"] == "2" and p["recordCount"] == "4" and p["areColumnsQuoted"] == "false"
    assert p["columnsOrdered"] == "true" and int(p["sizeKey"]) == sum(map(len, files.values())) and p["CrawlerSchemaSerializerVersion"] == "1.0"
    assert sd["Parameters"]["classification"] == "csv"


@pytest.mark.parametrize("delimiter", ["|", ";", "\t", "\x01"])
def test_csv_delimiters(world, delimiter):
    rows = [["city", "pop"], ["Köln", "1"], ["Paris, France", "2"]]
    name, tables = world.crawl({"f": "\r\n".join(delimiter.join(r) for r in rows)})
    t = tables[name]
    assert columns(t) == [("city", "string"), ("pop", "bigint")]
    assert t["Parameters"]["delimiter"] == delimiter
    assert t["StorageDescriptor"]["SerdeInfo"]["Parameters"]["field.delim"] == delimiter


def test_csv_without_header_and_quotes(world):
    name, tables = world.crawl({
        "text/f.csv": "alpha,beta\ngamma,delta\n",
        "quoted/f.csv": 'who,n\n"Smith, ""Joe""",1\n"new\nline",2\n',
        "escaped/f.csv": 'who,n\n"Smith \\"Joe\\", Jr",1\n"x",2\n',
    })
    assert columns(tables["text"]) == [("col0", "string"), ("col1", "string")]
    assert "skip.header.line.count" not in tables["text"]["Parameters"]
    # the built-in classifier names LazySimpleSerDe whatever is quoted; a custom one without a SerDe of its own follows the quotes
    for table, escape in (("quoted", {}), ("escaped", {"escape.delim": "\\"})):
        assert columns(tables[table]) == [("who", "string"), ("n", "bigint")]
        assert tables[table]["Parameters"]["areColumnsQuoted"] == "true"
        serde = tables[table]["StorageDescriptor"]["SerdeInfo"]
        assert serde["SerializationLibrary"] == "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
        assert serde["Parameters"] == {"field.delim": ",", **escape}
    assert tables["quoted"]["Parameters"]["recordCount"] == "2"


def test_dates_in_text_are_text(world, server):
    """As AWS has it: no type is guessed from how a text looks; and a date alone makes no header."""
    name, tables = world.crawl({"dated/f.csv": "id,day,at\n" + "".join(f"{i},2024-02-{i:02d},2024-02-{i:02d} 10:1{i % 10}:00\n" for i in range(1, 20)),
                                "texts/f.csv": "who,born\nann,1980-01-02\nbob,1990-03-04\n",
                                "docs/f.json": '{"day": "2024-01-02", "at": "2024-01-02T10:00:00Z"}\n'})
    assert columns(tables["dated"]) == [("id", "bigint"), ("day", "string"), ("at", "string")]
    assert columns(tables["texts"]) == [("col0", "string"), ("col1", "string")]
    assert columns(tables["docs"]) == [("day", "string"), ("at", "string")]
    assert query(server, f"select count(*), max(day) from {name}.dated") == ["19,2024-02-19"]


def test_quotes_are_read_by_jobs_whatever_the_serde(world, server):
    name, tables = world.crawl({"f.csv": 'id,who\n1,"a, ""b"""\n2,"c"\n3,d\n'})
    assert query(server, f"select who from {name}.{name} order by id") == ['"a, ""b"""', "c", "d"]


def test_csv_that_is_damaged(world):
    name, tables = world.crawl({
        "ragged/f.csv": "a,b,c\n" + "1,2,3\n" * 20 + "4\n5,6,7,8,9\n",
        "nul/f.csv": b"a,b\n1,x\0y\n2,z\n",
        "latin/f.csv": b"name,n\nK\xf6ln,1\nM\xfcnchen,2\n",
        "names/f.csv": ",id,id, Spa ced \nx,1,2,3\ny,1,2,3\n",
    })
    assert columns(tables["ragged"]) == [("a", "bigint"), ("b", "bigint"), ("c", "bigint")]
    assert columns(tables["nul"]) == [("a", "bigint"), ("b", "string")]
    assert columns(tables["latin"]) == [("name", "string"), ("n", "bigint")]
    assert columns(tables["names"]) == [("col0", "string"), ("id", "bigint"), ("id_1", "bigint"), ("spa ced", "bigint")]


def test_json_lines_nested_and_mixed(world):
    docs = [{"id": 1, "big": 2 ** 40, "x": 1.5, "ok": True, "tags": ["a"], "who": {"First": "A", "n": [1, 2]}, "mix": 1, "nil": None},
            {"id": 2, "big": 1, "x": 2, "ok": False, "tags": [], "who": {"First": "B", "age": 3}, "mix": "two", "Extra": [{"k": 1}, {"j": 2.0}]}]
    name, tables = world.crawl({"f.json": "\n".join(map(json.dumps, docs))})
    t = tables[name]
    assert columns(t) == [
        ("id", "int"), ("big", "bigint"), ("x", "double"), ("ok", "boolean"), ("tags", "array<string>"),
        ("who", "struct<First:string,n:array<int>,age:int>"), ("mix", "string"), ("nil", "string"),
        ("extra", "array<struct<k:int,j:double>>")]
    serde = t["StorageDescriptor"]["SerdeInfo"]
    assert serde["SerializationLibrary"] == "org.openx.data.jsonserde.JsonSerDe"
    assert serde["Parameters"] == {"paths": "Extra,big,id,mix,nil,ok,tags,who,x"}
    assert t["Parameters"]["classification"] == "json" and t["Parameters"]["recordCount"] == "2"


def test_json_arrays_and_documents_over_lines(world):
    name, tables = world.crawl({
        "rows/f": json.dumps([{"a": 1}, {"a": 2, "b": "x"}], indent=1),
        "multi/f": json.dumps({"a": {"b": [1, 2]}}, indent=2) + "\n" + json.dumps({"a": {"b": [3]}}, indent=2),
    })
    assert columns(tables["rows"]) == [("a", "int"), ("b", "string")]
    assert tables["rows"]["Parameters"]["jsonPath"] == "$[*]"
    assert columns(tables["multi"]) == [("a", "struct<b:array<int>>")]
    assert tables["multi"]["Parameters"]["multiline"] == "true"


def test_parquet_types_and_counts(world):
    import datetime
    import decimal

    table = pa.table({
        "i": pa.array([1, 2, 3], pa.int32()), "L": pa.array([1, 2, 3], pa.int64()), "f": pa.array([1, 2, 3], pa.float32()),
        "d": [1.0, 2.0, None], "s": ["a", "b", None], "b": [b"x", None, b"z"], "ok": [True, None, False],
        "day": [datetime.date(2024, 1, 1), None, None], "ts": pa.array([1, 2, 3], pa.timestamp("us")),
        "dec": pa.array([decimal.Decimal("1.25"), None, None], pa.decimal128(9, 2)),
        "ints": [[1], [], None], "m": pa.array([[("k", 1)], None, None], pa.map_(pa.string(), pa.int32())),
        "st": [{"x": 1, "y": "q"}, None, None]})
    name, tables = world.crawl({"part-0.parquet": parquet(table), "part-1": parquet(table, compression="zstd"),
                                "_SUCCESS": "x", ".hidden/x": "y", "empty": ""})
    t = tables[name]
    assert columns(t) == [
        ("i", "int"), ("l", "bigint"), ("f", "float"), ("d", "double"), ("s", "string"), ("b", "binary"), ("ok", "boolean"),
        ("day", "date"), ("ts", "timestamp"), ("dec", "decimal(9,2)"),
        ("ints", "array<bigint>"), ("m", "map<string,int>"), ("st", "struct<x:bigint,y:string>")]
    assert t["Parameters"]["recordCount"] == "6" and t["Parameters"]["objectCount"] == "2"
    assert t["StorageDescriptor"]["SerdeInfo"] == {
        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        "Parameters": {"serialization.format": "1"}}
    assert t["StorageDescriptor"]["InputFormat"] == "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
