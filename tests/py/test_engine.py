"""Transforms on local files through the native engine, each against a computation in plain Python."""

import csv
import datetime
import decimal
import gzip
import json
import math
import os
import random
import re

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

def _extension():
    """The folder of the built extension."""
    for build in (os.environ.get("NIKAWA_BUILD"), "build"):
        if build:
            folder = os.path.join(ROOT, build)
            for base, _, files in os.walk(folder):
                if any(f.startswith("_nikawa") and f.endswith(".so") for f in files):
                    return base
    raise FileNotFoundError("no _nikawa is built: make build")


EXTENSION = _extension()


@pytest.fixture(scope="module")
def glue():
    import sys

    if EXTENSION not in sys.path:
        sys.path.insert(0, EXTENSION)
    sys.modules.pop("_nikawa", None)
    from awsglue.context import GlueContext
    from nikawa import runtime

    runtime.begin({"region": "us-east-1", "threads": 2})
    yield GlueContext()
    runtime.end()


def rows_of(frame, limit=1_000_000):
    return frame._jdf.fetch(limit)


def bag(rows):
    """Rows as a multiset that can be compared, whatever their order."""
    def key(v):
        if isinstance(v, dict):
            return tuple((k, key(x)) for k, x in v.items())
        if isinstance(v, (list, tuple)):
            return tuple(key(x) for x in v)
        if isinstance(v, float):
            return "nan" if math.isnan(v) else repr(round(v, 9))
        return repr(v)

    return sorted(str(key(r)) for r in rows)


def write_csv(path, header, rows, **how):
    with open(path, "w", newline="", encoding="utf-8") as f:
        writer = csv.writer(f, **how)
        writer.writerow(header)
        writer.writerows(rows)


def write_json(path, rows):
    with open(path, "w", encoding="utf-8") as f:
        for row in rows:
            f.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_csv(glue, path, **options):
    return glue.create_dynamic_frame.from_options(
        "s3", {"paths": [str(path)]}, "csv", {"withHeader": True, **options})


def read_json(glue, path, **options):
    return glue.create_dynamic_frame.from_options("s3", {"paths": [str(path)]}, "json", options)


@pytest.fixture
def people(tmp_path):
    """Records with nesting, nulls and several scripts: (path, rows)."""
    rng = random.Random(5)
    rows = []
    for i in range(500):
        rows.append({
            "id": i, "name": rng.choice(["Ann", "Bö", "Ćir", "𝄞", "d'or", 'q"q']),
            "age": rng.choice([None, rng.randrange(0, 90)]), "score": round(rng.uniform(-5, 5), 3),
            "ok": rng.random() < 0.5,
            "home": {"town": rng.choice(["Rome", "Oslo"]), "zip": rng.randrange(10000, 99999)},
            "tags": [rng.choice("abc") for _ in range(rng.randrange(0, 4))]})
    path = tmp_path / "people"
    path.mkdir()
    write_json(path / "1.json", rows[:300])
    write_json(path / "2.json", rows[300:])
    return path, rows


# ---- reading ----


def test_json_rows(glue, people):
    path, rows = people
    frame = read_json(glue, path)
    assert frame.count() == 500
    assert bag(rows_of(frame)) == bag(rows)
    types = {f.name: f.dataType.simpleString() for f in frame.schema()}
    assert list(types) == ["id", "name", "age", "score", "ok", "home", "tags"]
    assert types["id"] in ("int", "long") and types["score"] == "double" and types["ok"] == "boolean"
    assert types["tags"] == "array<string>" and types["home"].startswith("struct<town:string,zip:")


def test_csv_rows(glue, tmp_path):
    rows = [[1, "a,b", "x"], [2, 'q"q', ""], [3, "two\nlines", "ü"]]
    write_csv(tmp_path / "a.csv", ["n", "t", "u"], rows)
    got = rows_of(read_csv(glue, tmp_path / "a.csv", multiLine=True))
    assert [(int(r["n"]), r["t"]) for r in got] == [(r[0], r[1]) for r in rows]
    assert [r["u"] for r in got] in (["x", "", "ü"], ["x", None, "ü"])


def test_csv_other_dialect(glue, tmp_path):
    write_csv(tmp_path / "a.csv", ["n", "t"], [[1, "a;b"], [2, "c"]], delimiter=";", quotechar="'")
    got = rows_of(read_csv(glue, tmp_path / "a.csv", separator=";", quoteChar="'"))
    assert [(int(r["n"]), r["t"]) for r in got] == [(1, "a;b"), (2, "c")]


def test_csv_without_header_and_gzip(glue, tmp_path):
    with gzip.open(tmp_path / "a.csv.gz", "wt") as f:
        f.write("1,x\n2,y\n")
    frame = glue.create_dynamic_frame.from_options("s3", {"paths": [str(tmp_path)]}, "csv")
    assert [f.name for f in frame.schema()] == ["col0", "col1"]
    assert [(int(r["col0"]), r["col1"]) for r in rows_of(frame)] == [(1, "x"), (2, "y")]


def test_parquet_rows(glue, tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    table = pa.table({
        "i": pa.array([1, None, -3], pa.int32()), "d": [0.5, float("nan"), None],
        "dec": pa.array([decimal.Decimal("1.25"), None, decimal.Decimal("-9.99")], pa.decimal128(9, 2)),
        "ts": pa.array([datetime.datetime(2020, 2, 29, 1, 2, 3, 456789), None,
                        datetime.datetime(1960, 1, 1)], pa.timestamp("us")),
        "day": pa.array([datetime.date(2020, 2, 29), None, datetime.date(1900, 3, 1)]),
        "l": pa.array([[1, None], [], None], pa.list_(pa.int64())),
        "s": pa.array([{"a": "ü"}, {"a": None}, None], pa.struct([("a", pa.string())]))})
    pq.write_table(table, tmp_path / "a.parquet")
    frame = glue.create_dynamic_frame.from_options("s3", {"paths": [str(tmp_path)]}, "parquet")
    assert bag(rows_of(frame)) == bag(table.to_pylist())
    names = {f.name: f.dataType.simpleString() for f in frame.schema()}
    assert names == {"i": "int", "d": "double", "dec": "decimal(9,2)", "ts": "timestamp", "day": "date",
                     "l": "array<long>", "s": "struct<a:string>"}


def test_what_is_not_there_says_so(glue, tmp_path):
    for paths in ([str(tmp_path / "none")], [str(tmp_path / "none.json")]):
        frame = glue.create_dynamic_frame.from_options("s3", {"paths": paths}, "json")
        try:
            assert frame.count() == 0
        except Exception as error:
            assert "none" in str(error)


# ---- fields ----


def test_select_drop_rename(glue, people):
    path, rows = people
    frame = read_json(glue, path)
    got = rows_of(frame.select_fields(["name", "home.town"]))
    assert bag(got) == bag([{"name": r["name"], "home": {"town": r["home"]["town"]}} for r in rows])
    got = rows_of(frame.drop_fields(["tags", "home.zip", "ok", "score"]))
    assert bag(got) == bag([{"id": r["id"], "name": r["name"], "age": r["age"],
                             "home": {"town": r["home"]["town"]}} for r in rows])
    got = rows_of(frame.select_fields(["id", "name"]).rename_field("name", "who is"))
    assert bag(got) == bag([{"id": r["id"], "who is": r["name"]} for r in rows])


def test_apply_mapping(glue, people):
    path, rows = people
    frame = read_json(glue, path).apply_mapping([
        ("score", "double", "points", "int"), ("home.town", "string", "town", "string"),
        ("id", "int", "key.number", "string"), ("age", "int", "age", "double")])
    wanted = [{"points": int(r["score"]), "town": r["home"]["town"], "key": {"number": str(r["id"])},
               "age": None if r["age"] is None else float(r["age"])} for r in rows]
    assert bag(rows_of(frame)) == bag(wanted)


def test_cast_that_fails_is_null(glue, tmp_path):
    write_json(tmp_path / "a.json", [{"v": "12"}, {"v": "x1"}, {"v": " 7 "}, {"v": None}, {"v": "3.9"},
                                     {"v": "99999999999"}])
    got = rows_of(read_json(glue, tmp_path).apply_mapping([("v", "string", "v", "int")]))
    assert [r["v"] for r in got] == [12, None, 7, None, 3, None]


def test_split_fields(glue, people):
    path, rows = people
    both = read_json(glue, path).split_fields(["id", "name"], "a", "b")
    assert bag(rows_of(both["a"])) == bag([{"id": r["id"], "name": r["name"]} for r in rows])
    assert [f.name for f in both["b"].schema()] == ["age", "score", "ok", "home", "tags"]
    assert both["b"].count() == 500


def test_drop_null_fields(glue, tmp_path):
    write_json(tmp_path / "a.json", [{"a": 1, "b": None, "c": None}, {"a": None, "b": None, "c": "x"}])
    frame = read_json(glue, tmp_path).dropNullFields()
    assert [f.name for f in frame.schema()] == ["a", "c"] and frame.count() == 2


def test_missing_field_is_told(glue, people):
    with pytest.raises(Exception, match="nosuch"):
        read_json(glue, people[0]).rename_field("nosuch", "x").count()


# ---- rows ----


def test_filter(glue, people):
    path, rows = people
    got = rows_of(read_json(glue, path).filter(
        lambda r: r["age"] is not None and r["age"] > 40 and r["home"]["town"] == "Oslo"
        and "a" in r["tags"] and re.match("[A-Z]", r["name"])))
    assert bag(got) == bag([r for r in rows if r["age"] is not None and r["age"] > 40
                            and r["home"]["town"] == "Oslo" and "a" in r["tags"]
                            and re.match("[A-Z]", r["name"])])


def test_map(glue, people):
    path, rows = people

    def change(r):
        r["n"] = len(r["tags"])
        r["full"] = {"who": r["name"] + "!", "zip": str(r["home"]["zip"])}
        for name in ("tags", "home", "name", "score", "ok"):
            del r[name]
        return r

    wanted = [{"id": r["id"], "age": r["age"], "n": len(r["tags"]),
               "full": {"who": r["name"] + "!", "zip": str(r["home"]["zip"])}} for r in rows]
    assert bag(rows_of(read_json(glue, path).map(change))) == bag(wanted)


def test_map_may_make_choices(glue, tmp_path):
    write_json(tmp_path / "a.json", [{"a": i} for i in range(10)])
    frame = read_json(glue, tmp_path).map(lambda r: {"v": r["a"] if r["a"] % 2 else "t%d" % r["a"]})
    assert frame.schema()["v"].dataType.typeName() == "choice"
    assert sorted(str(r["v"]) for r in rows_of(frame.resolveChoice(specs=[("v", "cast:string")]))) == sorted(
        str(i) if i % 2 else "t%d" % i for i in range(10))


def test_failing_rows(glue, tmp_path, capfd):
    write_json(tmp_path / "a.json", [{"a": i} for i in range(100)])
    frame = read_json(glue, tmp_path).map(lambda r: {"b": 1 / (r["a"] % 10)})
    assert frame.count() == 90
    assert frame.errorsCount() == 10
    assert "ZeroDivisionError" in capfd.readouterr().err
    with pytest.raises(Exception, match="stageThreshold"):
        read_json(glue, tmp_path).filter(lambda r: 1 / r["a"], stageThreshold=1).count()


def test_split_rows(glue, people):
    path, rows = people
    both = read_json(glue, path).split_rows({"age": {">": 20, "<=": 60}}, "in", "out")
    inside = [r for r in rows if r["age"] is not None and 20 < r["age"] <= 60]
    assert bag(rows_of(both["in"])) == bag(inside)
    assert both["out"].count() == 500 - len(inside)


def test_union(glue, people, tmp_path):
    path, rows = people
    frame = read_json(glue, path)
    assert frame.union(frame).count() == 1000


def test_join(glue, tmp_path):
    rng = random.Random(9)
    left = [{"k": rng.randrange(20), "a": i} for i in range(60)] + [{"k": None, "a": 99}]
    right = [{"k2": rng.randrange(20), "b": "x%d" % i} for i in range(40)] + [{"k2": None, "b": "n"}]
    for name, rows in (("l", left), ("r", right)):
        (tmp_path / name).mkdir()
        write_json(tmp_path / name / "1.json", rows)
    joined = read_json(glue, tmp_path / "l").join(["k"], ["k2"], read_json(glue, tmp_path / "r"))
    wanted = [{**x, **y} for x in left for y in right if x["k"] is not None and x["k"] == y["k2"]]
    assert bag(rows_of(joined)) == bag(wanted)


def test_join_with_the_same_name(glue, tmp_path):
    for name, rows in (("l", [{"k": 1, "v": "a"}, {"k": 2, "v": "b"}]), ("r", [{"k": 2, "v": "c"}])):
        (tmp_path / name).mkdir()
        write_json(tmp_path / name / "1.json", rows)
    joined = read_json(glue, tmp_path / "l").join(["k"], ["k"], read_json(glue, tmp_path / "r"))
    (row,) = rows_of(joined)
    assert row["k"] == 2 and row["v"] == "b" and row[".v"] == "c"


def test_merge(glue, tmp_path):
    old = [{"k": i, "v": "old"} for i in range(10)] + [{"k": 3, "v": "old too"}]
    new = [{"k": 3, "v": "new"}, {"k": 50, "v": "new"}]
    for name, rows in (("o", old), ("n", new)):
        (tmp_path / name).mkdir()
        write_json(tmp_path / name / "1.json", rows)
    merged = read_json(glue, tmp_path / "o").mergeDynamicFrame(read_json(glue, tmp_path / "n"), ["k"])
    assert bag(rows_of(merged)) == bag(new + [r for r in old if r["k"] not in (3, 50)])


def test_fill_missing_values(glue, tmp_path):
    from awsglueml.transforms import FillMissingValues

    write_json(tmp_path / "a.json", [{"a": 1.0}, {"a": 3.0}, {"a": None}])
    frame = FillMissingValues.apply(frame=read_json(glue, tmp_path), missing_values_column="a")
    assert [r["a_filled"] for r in rows_of(frame)] == [1.0, 3.0, 2.0]


# ---- choices ----


@pytest.fixture
def mixed(glue, tmp_path):
    """A column of integers but for one text, which is the last of many rows; and one inside an array."""
    rows = [{"v": i, "n": [{"x": i}]} for i in range(30_000)]
    rows.append({"v": "last", "n": [{"x": "deep"}, {"x": 5}]})
    write_json(tmp_path / "a.json", rows)
    return read_json(glue, tmp_path), rows


def test_the_last_value_makes_a_choice(mixed):
    frame, rows = mixed
    assert frame.schema()["v"].dataType.typeName() == "choice"
    assert set(frame.schema()["v"].dataType.choices) in ({"int", "string"}, {"long", "string"})
    inner = frame.schema()["n"].dataType.elementType["x"].dataType
    assert inner.typeName() == "choice"
    assert frame.count() == len(rows)


@pytest.mark.parametrize("action,convert", [
    ("cast:string", str),
    ("project:string", str),
    ("cast:long", lambda v: v if isinstance(v, int) else None),
    ("project:double", lambda v: float(v) if isinstance(v, int) else None)])
def test_resolve_cast_and_project(mixed, action, convert):
    frame, rows = mixed
    got = rows_of(frame.resolveChoice(specs=[("v", action)]).select_fields(["v"]))
    assert bag(got) == bag([{"v": convert(r["v"])} for r in rows])


def test_resolve_make_cols(mixed):
    frame, rows = mixed
    out = frame.resolveChoice(specs=[("v", "make_cols")])
    names = [f.name for f in out.schema()]
    number = "v_int" if "v_int" in names else "v_long"
    assert "v_string" in names and number in names and "v" not in names
    got = rows_of(out.select_fields([number, "v_string"]))
    assert sum(r[number] for r in got if r[number] is not None) == sum(range(30_000))
    assert [r["v_string"] for r in got if r["v_string"] is not None] == ["last"]


def test_resolve_make_struct(mixed):
    frame, rows = mixed
    out = frame.resolveChoice(choice="make_struct")
    assert out.schema()["v"].dataType.typeName() == "struct"
    got = rows_of(out.select_fields(["v"]))
    assert [r["v"]["string"] for r in got if r["v"]["string"] is not None] == ["last"]


def test_resolve_inside_an_array(mixed):
    frame, rows = mixed
    out = frame.resolveChoice(specs=[("n[].x", "cast:string"), ("v", "cast:string")])
    assert out.schema()["n"].dataType.elementType["x"].dataType.typeName() == "string"
    assert {"n": [{"x": "deep"}, {"x": "5"}], "v": "last"} in [
        {"n": r["n"], "v": r["v"]} for r in rows_of(out)[-10:]] or any(
        r["v"] == "last" and [e["x"] for e in r["n"]] == ["deep", "5"] for r in rows_of(out))


def test_choice_in_csv(glue, tmp_path):
    write_csv(tmp_path / "a.csv", ["id", "v"], [[i, i] for i in range(2000)] + [[2000, "n/a"]])
    frame = read_csv(glue, tmp_path)
    assert frame.schema()["v"].dataType.typeName() == "choice"
    assert frame.schema()["id"].dataType.typeName() in ("int", "long")
    got = rows_of(frame.resolveChoice(specs=[("v", "cast:int")]))
    assert sum(r["v"] for r in got if r["v"] is not None) == sum(range(2000)) and len(got) == 2001


def test_a_filter_sees_both_types(mixed):
    frame, rows = mixed
    assert frame.filter(lambda r: isinstance(r["v"], str)).count() == 1


# ---- writing ----


@pytest.mark.parametrize("format,options", [
    ("json", {}), ("csv", {}), ("csv", {"separator": "|"}), ("parquet", {}),
    ("glueparquet", {"compression": "gzip"})])
def test_write_and_read_again(glue, people, tmp_path, format, options):
    path, rows = people
    frame = read_json(glue, path).select_fields(["id", "name", "age", "score"])
    out = tmp_path / "out"
    glue.write_dynamic_frame.from_options(frame, "s3", {"path": str(out)}, format, options)
    reading = {"csv": {"withHeader": True, **options}}.get(format, {})
    again = glue.create_dynamic_frame.from_options(
        "s3", {"paths": [str(out)]}, "parquet" if "parquet" in format else format, reading)
    wanted = [{k: r[k] for k in ("id", "name", "age", "score")} for r in rows]
    assert bag(rows_of(again)) == bag(wanted)


def test_write_partitions(glue, people, tmp_path):
    path, rows = people
    out = tmp_path / "out"
    frame = read_json(glue, path).apply_mapping([("id", "int", "id", "int"),
                                                 ("home.town", "string", "town", "string")])
    glue.write_dynamic_frame.from_options(frame, "s3", {"path": str(out), "partitionKeys": ["town"]},
                                          "json")
    assert sorted(os.listdir(out)) == ["town=Oslo", "town=Rome"]
    for town in ("Oslo", "Rome"):
        found = []
        for name in os.listdir(out / ("town=" + town)):
            with open(out / ("town=" + town) / name) as f:
                found += [json.loads(line) for line in f]
        assert sorted(r["id"] for r in found) == [r["id"] for r in rows if r["home"]["town"] == town]
        assert all("town" not in r for r in found)


def test_repartition_makes_files(glue, people, tmp_path):
    out = tmp_path / "out"
    frame = read_json(glue, people[0]).select_fields(["id"])
    glue.write_dynamic_frame.from_options(frame.repartition(1), "s3", {"path": str(out)}, "json")
    assert len([n for n in os.listdir(out) if not n.startswith(("_", "."))]) == 1


# ---- Spark ----


def test_to_df_and_back(glue, people):
    path, rows = people
    frame = read_json(glue, path)
    dataframe = frame.toDF()
    assert dataframe.where("home.town = 'Oslo' and age > 30").count() == len(
        [r for r in rows if r["home"]["town"] == "Oslo" and (r["age"] or 0) > 30])
    from awsglue.dynamicframe import DynamicFrame
    from pyspark.sql import functions as F

    dataframe = dataframe.withColumn("twice", F.udf(lambda x: x * 2, "double")("score"))
    back = DynamicFrame.fromDF(dataframe.select("id", "twice"), glue, "back")
    assert bag(rows_of(back)) == bag([{"id": r["id"], "twice": r["score"] * 2} for r in rows])
    assert back.filter(lambda r: r["id"] < 10).count() == 10


def test_choices_are_structs_in_spark(glue, mixed):
    frame, rows = mixed
    dataframe = frame.toDF()
    kinds = dict(dataframe.dtypes)
    assert kinds["v"] in ("struct<int:int,string:string>", "struct<long:bigint,string:string>")
    assert dataframe.where("v.string is not null").count() == 1


def test_to_df_options(glue, mixed):
    from awsglue.dynamicframe import ResolveOption
    from awsglue.gluetypes import StringType

    frame, rows = mixed
    dataframe = frame.toDF([ResolveOption("v", "Project", StringType())])
    assert dict(dataframe.dtypes)["v"] == "string"
    assert dataframe.where("v = 'last'").count() == 1


def test_sql_over_views(glue, people):
    path, rows = people
    read_json(glue, path).toDF().createOrReplaceTempView("people")
    got = glue.spark_session.sql(
        "select home.town, count(*) n, avg(score) s from people group by 1 order by 1").collect()
    for row in got:
        mine = [r["score"] for r in rows if r["home"]["town"] == row.town]
        assert row.n == len(mine) and math.isclose(row.s, sum(mine) / len(mine), rel_tol=1e-12)
