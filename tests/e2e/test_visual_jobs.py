"""Visual jobs by CreateJob and StartJobRun, each kind of node: their rows against what Python makes of the
same data, as a plan and as the generated script."""
import collections
import datetime
import decimal
import math
import random
import re
import statistics
import sys
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

sys.path.insert(0, str(Path(__file__).resolve().parent))
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
from conftest import binary  # noqa: E402
from visual import Visual, same  # noqa: E402



@pytest.fixture(scope="module")
def lab(server):
    return Visual(server)


NAMES = ["Ada", "Béla", "Čeněk", "日本", "", "O'Hara", 'say "x"', "a,b", "Zoë", "🙂", None]
TOWNS = ["Kyōto", "Oslo", "Łódź", None]


def make_people(seed, n):
    r = random.Random(seed)

    def some(make, odds=0.12):
        return None if r.random() < odds else make()

    return [{
        "id": i, "name": r.choice(NAMES), "town": r.choice(TOWNS), "age": some(lambda: r.randrange(0, 90)),
        "score": some(lambda: r.choice([float("nan"), -0.0, round(r.gauss(50, 20), 3), float(r.randrange(100))])),
        "paid": some(lambda: decimal.Decimal(r.randrange(-10 ** 7, 10 ** 7)).scaleb(-2)),
        "ok": some(lambda: r.random() < 0.5), "born": some(lambda: datetime.date(1950, 1, 1) + datetime.timedelta(r.randrange(25000))),
        "home": some(lambda: {"zip": r.randrange(1000, 1010), "tags": [r.choice("abc") for _ in range(r.randrange(3))]}),
        "never": None,
    } for i in range(n)]


PEOPLE_TYPE = pa.schema([
    ("id", pa.int64()), ("name", pa.string()), ("town", pa.string()), ("age", pa.int32()), ("score", pa.float64()),
    ("paid", pa.decimal128(12, 2)), ("ok", pa.bool_()), ("born", pa.date32()),
    ("home", pa.struct([("zip", pa.int32()), ("tags", pa.list_(pa.string()))])), ("never", pa.string())])


@pytest.fixture(scope="module")
def people(lab):
    rows = make_people(5, 300)
    for i in range(3):
        lab.put_parquet(f"people/{i}.parquet", pa.Table.from_pylist(rows[i * 100:(i + 1) * 100], schema=PEOPLE_TYPE))
    return rows


@pytest.fixture(scope="module")
def towns(lab):
    rows = [{"town": t, "country": c, "id": k} for k, (t, c) in enumerate(
        [("Kyōto", "JP"), ("Oslo", "NO"), ("Oslo", "NO again"), ("Paris", "FR"), (None, "nowhere")])]
    lab.put_parquet("towns/0.parquet", pa.Table.from_pylist(rows, schema=pa.schema([
        ("town", pa.string()), ("country", pa.string()), ("id", pa.int64())])))
    return rows


def source(lab, what="people"):
    return {"S3ParquetSource": {"Name": what, "Paths": [lab.uri(what + "/")]}}


def job(lab, transforms, inputs=("people",), last=None):
    """Nodes of a job: the sources, the transforms, a Parquet target behind the last one; and its folder."""
    out = lab.fresh()
    nodes = {f"src{i}": source(lab, what) for i, what in enumerate(inputs)}
    nodes.update(transforms)
    nodes["out"] = {"S3DirectTarget": {"Name": "out", "Inputs": [last or list(transforms)[-1]], "Path": lab.uri(out), "Format": "parquet"}}
    return nodes, out


def one(kind, inputs=("src0",), **members):
    return {"t": {kind: {"Name": "the " + kind, "Inputs": list(inputs), **members}}}


def pick(rows, *names):
    return [{n: r[n] for n in names} for r in rows]


def condition(operation, column, *constant, negated=False, other=None):
    values = [{"Type": "COLUMNEXTRACTED", "Value": column if isinstance(column, list) else [column]}]
    values += [{"Type": "CONSTANT", "Value": [c]} for c in constant]
    values += [{"Type": "COLUMNEXTRACTED", "Value": [other]}] if other else []
    return {"Operation": operation, "Negated": negated, "Values": values}


def keeping(make):
    return lambda rows: [r for r in rows if make(r)]


def compare(r, column, test):
    v = r[column]
    return v is not None and test(v)


def mapped(rows):
    return [{"key": r["id"], "age": None if r["age"] is None else str(r["age"]), "nothing": None,
             "who": {"name": r["name"], "cents": None if r["paid"] is None else float(r["paid"])},
             "zip": r["home"] and r["home"]["zip"]} for r in rows]


def distinct(rows, *names):
    seen = {}
    for r in rows:
        seen.setdefault(repr([r[n] for n in names]), r)
    return pick(seen.values(), *names)


def filled_numbers(rows):
    have = [r["age"] for r in rows if r["age"] is not None]
    mean = round(sum(have) / len(have))
    return [{**r, "age_filled": r["age"] if r["age"] is not None else mean} for r in rows]


def filled_text(rows):
    most = collections.Counter(r["town"] for r in rows if r["town"])
    top = max(most.values())
    town = min(t for t, n in most.items() if n == top)
    return [{**r, "where": r["town"] or town} for r in rows]


CASES = {
    "ApplyMapping": (one("ApplyMapping", Mapping=[
        {"ToKey": "key", "FromPath": ["id"], "FromType": "bigint", "ToType": "bigint"},
        {"ToKey": "age", "FromPath": ["age"], "FromType": "int", "ToType": "string"},
        {"ToKey": "nothing", "FromPath": ["no_such"], "FromType": "string", "ToType": "string"},
        {"ToKey": "who.name", "FromPath": ["name"], "FromType": "string", "ToType": "string"},
        {"ToKey": "who.cents", "FromPath": ["paid"], "FromType": "decimal", "ToType": "double"},
        {"ToKey": "zip", "FromPath": ["home", "zip"], "FromType": "int", "ToType": "int"},
        {"ToKey": "gone", "FromPath": ["ok"], "FromType": "boolean", "ToType": "boolean", "Dropped": True}]), mapped),
    "SelectFields": (one("SelectFields", Paths=[["name"], ["home", "zip"], ["paid"]]), lambda rows: [
        {"name": r["name"], "paid": r["paid"], "home": r["home"] and {"zip": r["home"]["zip"]}} for r in rows]),
    "DropFields": (one("DropFields", Paths=[["home"], ["never"], ["score"], ["ok"]]),
                   lambda rows: pick(rows, "id", "name", "town", "age", "paid", "born")),
    "RenameField": (one("RenameField", SourcePath=["name"], TargetPath=["full name"]),
                    lambda rows: [{("full name" if k == "name" else k): v for k, v in r.items()} for r in rows]),
    "Filter GT": (one("Filter", LogicalOperator="AND", Filters=[condition("GT", "score", "42.5")]),
                  keeping(lambda r: compare(r, "score", lambda v: v > 42.5))),
    "Filter AND": (one("Filter", LogicalOperator="AND", Filters=[
        condition("LTE", "age", "40"), condition("EQ", "town", "Oslo", negated=True)]),
        keeping(lambda r: compare(r, "age", lambda v: v <= 40) and not compare(r, "town", lambda v: v == "Oslo"))),
    "Filter OR": (one("Filter", LogicalOperator="OR", Filters=[
        condition("ISNULL", "paid"), condition("REGEX", "name", "[A-Zé]+d?a"), condition("LT", "paid", "-90000")]),
        keeping(lambda r: r["paid"] is None or compare(r, "name", lambda v: bool(re.match("[A-Zé]+d?a", v)))
                or compare(r, "paid", lambda v: v < -90000))),
    "Filter columns": (one("Filter", LogicalOperator="AND", Filters=[condition("GTE", "score", other="age", negated=True)]),
                       keeping(lambda r: not (r["score"] is not None and r["age"] is not None and r["score"] >= r["age"]))),
    "DropDuplicates": (
        {"s": {"SelectFields": {"Name": "s", "Inputs": ["src0"], "Paths": [["name"], ["town"], ["ok"]]}},
         **one("DropDuplicates", ["s"])}, lambda rows: distinct(rows, "name", "town", "ok")),
    "DropDuplicates by key": (
        {"s": {"SelectFields": {"Name": "s", "Inputs": ["src0"], "Paths": [["town"], ["ok"]]}},
         **one("DropDuplicates", ["s"], Columns=[["town"], ["ok"]])}, lambda rows: distinct(rows, "town", "ok")),
    "FillMissingValues": (one("FillMissingValues", ImputedPath="age"), filled_numbers),
    "FillMissingValues of a text": (one("FillMissingValues", ImputedPath="town", FilledPath="where"), filled_text),
    "DropNullFields": (one("DropNullFields"), lambda rows: [{k: v for k, v in r.items() if k != "never"} for r in rows]),
    "SplitFields 0": (
        {"s": {"SplitFields": {"Name": "s", "Inputs": ["src0"], "Paths": [["id"], ["name"]]}},
         **one("SelectFromCollection", ["s"], Index=0)}, lambda rows: pick(rows, "id", "name")),
    "SplitFields 1": (
        {"s": {"SplitFields": {"Name": "s", "Inputs": ["src0"], "Paths": [["id"], ["name"], ["home"], ["never"]]}},
         **one("SelectFromCollection", ["s"], Index=1)},
        lambda rows: pick(rows, "town", "age", "score", "paid", "ok", "born")),
    "SparkSQL": (one("SparkSQL", SqlQuery="select town, count(*) as n, sum(paid) as total from people where age > 20 "
                                          "group by town having count(*) > 1",
                     SqlAliases=[{"From": "src0", "Alias": "people"}]),
                 lambda rows: [{"town": t, "n": len(g), "total": sum((r["paid"] for r in g if r["paid"] is not None), decimal.Decimal(0))}
                               for t in TOWNS for g in [[r for r in rows if r["town"] == t and (r["age"] or 0) > 20]] if len(g) > 1]),
}
# What the generated script does on Spark and what it does row by row in Python.
SCRIPTED = ["ApplyMapping", "Filter GT", "Filter OR", "Filter columns", "SplitFields 1", "DropNullFields", "DropDuplicates", "SparkSQL"]


@pytest.mark.parametrize("case", CASES)
def test_each_transform_as_a_plan(lab, people, case):
    transforms, expected = CASES[case]
    nodes, out = job(lab, transforms)
    name = lab.create(nodes)
    run, note = lab.succeed(name)
    want = expected(people)
    assert want
    same(lab.rows(out), want)
    assert note["result"]["targets"][0]["rows"] == len(want)
    assert f'S3DirectTarget "out" (out): {len(want)} row' in lab.log(run)
    assert 'S3ParquetSource "people" (src0): 3 files' in lab.log(run)


@pytest.mark.parametrize("case", SCRIPTED)
def test_a_script_that_says_the_same_gives_the_same(lab, people, case):
    transforms, expected = CASES[case]
    nodes, out = job(lab, transforms)
    name = lab.create(nodes)
    lab.succeed(name)
    as_plan = lab.rows(out)
    lab.clear(out)
    lab.edit(name, lab.script(name) + "\n# a word of the user's\n")
    run, note = lab.succeed(name, engine="script")
    assert "not the one generated" in note["why"] and "running the job's script" in lab.log(run)
    same(lab.rows(out), as_plan)
    same(as_plan, expected(people))


def joined(left, right, how, keys):
    def key(r):
        k = tuple(r[c] for c in keys)
        return None if None in k else k

    clash = {c: "." + c if c in left[0] else c for c in right[0]}
    empty_left, empty_right = dict.fromkeys(left[0]), dict.fromkeys(clash.values())
    out, hit = [], set()
    for l in left:  # noqa: E741
        found = [i for i, r in enumerate(right) if key(l) is not None and key(r) == key(l)]
        hit.update(found)
        if how in ("leftsemi", "leftanti"):
            if bool(found) == (how == "leftsemi"):
                out.append(l)
            continue
        out += [{**l, **{clash[c]: v for c, v in right[i].items()}} for i in found]
        if not found and how in ("left", "outer"):
            out.append({**l, **empty_right})
    if how in ("right", "outer"):
        out += [{**empty_left, **{clash[c]: v for c, v in r.items()}} for i, r in enumerate(right) if i not in hit]
    return out


@pytest.mark.parametrize("how", ["equijoin", "left", "right", "outer", "leftsemi", "leftanti"])
def test_joins(lab, people, towns, how):
    nodes, out = job(lab, one("Join", ["src0", "src1"], JoinType=how, Columns=[
        {"From": "src0", "Keys": [["town"]]}, {"From": "src1", "Keys": [["town"]]}]), ("people", "towns"))
    lab.succeed(lab.create(nodes))
    same(lab.rows(out), joined(people, towns, how, ["town"]))


def test_joins_by_two_keys_given_in_the_other_order(lab, people, towns):
    nodes, out = job(lab, one("Join", ["src0", "src1"], JoinType="equijoin", Columns=[
        {"From": "src1", "Keys": [["id"], ["town"]]}, {"From": "src0", "Keys": [["age"], ["town"]]}]), ("people", "towns"))
    lab.succeed(lab.create(nodes))
    want = [{**p, ".town": t["town"], "country": t["country"], ".id": t["id"]} for p in people for t in towns
            if p["age"] == t["id"] and p["town"] is not None and p["town"] == t["town"]]
    same(lab.rows(out), want)


def moments(values):
    n, mean = len(values), sum(values) / len(values)
    m = [sum((v - mean) ** k for v in values) / n for k in range(5)]
    return (m[3] / m[2] ** 1.5, m[4] / m[2] ** 2 - 3) if m[2] else (None, None)


def test_every_aggregate(lab, people):
    functions = ["avg", "countDistinct", "count", "kurtosis", "max", "min", "skewness", "stddev_samp", "stddev_pop", "sum",
                 "sumDistinct", "var_samp", "var_pop"]
    nodes, out = job(lab, one("Aggregate", Groups=[["town"]], Aggs=[{"Column": ["age"], "AggFunc": f} for f in functions]))
    lab.succeed(lab.create(nodes))
    want = []
    for town in TOWNS:
        v = [r["age"] for r in people if r["town"] == town and r["age"] is not None]
        skew, kurt = moments(v)
        want.append({"town": town, "avg(age)": sum(v) / len(v), "count(DISTINCT age)": len(set(v)), "count(age)": len(v),
                     "kurtosis(age)": kurt, "max(age)": max(v), "min(age)": min(v), "skewness(age)": skew,
                     "stddev_samp(age)": statistics.stdev(v), "stddev_pop(age)": statistics.pstdev(v), "sum(age)": sum(v),
                     "sum(DISTINCT age)": sum(set(v)), "var_samp(age)": statistics.variance(v), "var_pop(age)": statistics.pvariance(v)})
    got = lab.rows(out)
    if got and "count(DISTINCT age)" not in got[0]:
        raise AssertionError(sorted(got[0]))
    key = lambda rows: sorted(rows, key=lambda r: str(r["town"]))  # noqa: E731
    for g, w in zip(key(got), key(want)):
        assert set(g) == set(w)
        for c in w:
            assert g[c] == w[c] if not isinstance(w[c], float) else math.isclose(g[c], w[c], rel_tol=1e-9, abs_tol=1e-9), c
    assert len(got) == len(want)


def test_first_and_last_are_of_the_group(lab, people):
    nodes, out = job(lab, one("Aggregate", Groups=[["ok"]], Aggs=[
        {"Column": ["id"], "AggFunc": "first"}, {"Column": ["id"], "AggFunc": "last"}]))
    lab.succeed(lab.create(nodes))
    got = lab.rows(out)
    assert len(got) == 3
    for row in got:
        ids = {r["id"] for r in people if r["ok"] is row["ok"]}
        assert row["first(id)"] in ids and row["last(id)"] in ids


@pytest.mark.parametrize("how", ["ALL", "DISTINCT"])
def test_unions(lab, people, towns, how):
    side = {"a": {"SelectFields": {"Name": "a", "Inputs": ["src0"], "Paths": [["town"]]}},
            "b": {"SelectFields": {"Name": "b", "Inputs": ["src1"], "Paths": [["town"]]}}}
    nodes, out = job(lab, {**side, **one("Union", ["a", "b"], UnionType=how)}, ("people", "towns"))
    lab.succeed(lab.create(nodes))
    rows = pick(people, "town") + pick(towns, "town")
    same(lab.rows(out), rows if how == "ALL" else distinct(rows, "town"))


@pytest.mark.parametrize("engine", ["plan", "script"])
@pytest.mark.parametrize("options, least, most", [({"Topk": 7}, 7, 7), ({"Prob": 0.3}, 45, 150), ({"Topk": 5, "Prob": 0.5}, 5, 5), ({}, 10, 10), ({"Prob": 0.0}, 0, 0), ({"Topk": 0}, 0, 0)])
def test_a_spigot_writes_a_sample_and_lets_all_rows_on(lab, people, engine, options, least, most):
    sample = lab.fresh("sample")
    nodes, out = job(lab, {"f": {"SelectFields": {"Name": "f", "Inputs": ["src0"], "Paths": [["id"], ["town"]]}}, **one("Spigot", ["f"], Path=lab.uri(sample), **options)})
    name = lab.create(nodes)
    if engine == "script":
        lab.edit(name, lab.script(name) + "\n# a word of the user's\n")
    lab.succeed(name, engine=engine)
    same(lab.rows(out), pick(people, "id", "town"))
    assert all(k.endswith(".json") for k in lab.keys(sample))
    found, known = lab.rows(sample), {r["id"]: r["town"] for r in people}
    assert least <= len(found) <= most and len({r["id"] for r in found}) == len(found)
    assert all(known[r["id"]] == r.get("town") for r in found)


def test_values_that_stand_for_null(lab, people):
    """A field that holds nothing but nulls and what stands for them is left out, in either way."""
    rows = [{"id": i, "a": t, "b": n, "c": t, "d": "x", "e": float(n) if n else None} for i, (t, n) in enumerate([(" null ", -1), ("", None), (None, -1)])]
    lab.put_parquet("nulls/0.parquet", pa.Table.from_pylist(rows, schema=pa.schema([("id", pa.int64()), ("a", pa.string()), ("b", pa.int32()), ("c", pa.string()), ("d", pa.string()), ("e", pa.float64())])))
    text = {"Datatype": {"Id": "string", "Label": "String"}}
    for members, left in (({}, "abcde"), ({"NullCheckBoxList": {"IsEmpty": True}}, "abcde"), ({"NullCheckBoxList": {"IsEmpty": True, "IsNullString": True}}, "bde"),
                          ({"NullCheckBoxList": {"IsNegOne": True}}, "acd"), ({"NullCheckBoxList": {"IsEmpty": True}, "NullTextList": [{"Value": "null", **text}, {"Value": "x", **text}]}, "be")):
        nodes, out = job(lab, one("DropNullFields", **members), ("nulls",))
        name = lab.create(nodes)
        for engine in ("plan", "script"):
            if engine == "script":
                lab.edit(name, lab.script(name) + "\n# a word of the user's\n")
            lab.clear(out)
            lab.succeed(name, engine=engine)
            same(lab.rows(out), pick(rows, "id", *left))
    nodes, _ = job(lab, one("DropNullFields", NullTextList=[{"Value": "2020-01-01", "Datatype": {"Id": "date", "Label": "Date"}}]), ("nulls",))
    with pytest.raises(lab.glue.exceptions.InvalidInputException, match="cannot stand for null"):
        lab.create(nodes)


# ---- sources ----


def to(lab, node, out, format="parquet", **more):
    return {"S3DirectTarget": {"Name": "out", "Inputs": [node], "Path": lab.uri(out), "Format": format, **more}}


def read(lab, source_node, **more):
    out = lab.fresh()
    name = lab.create({"s": source_node, "o": to(lab, "s", out, **more)})
    run, _ = lab.succeed(name)
    return lab.rows(out), run


@pytest.mark.parametrize("separator, quote, escaper, sample", [
    ("comma", "quote", "", 'id,t\n1,"a,""b"""\n2,\n3,"x\ny"\n'),
    ("tab", "disabled", "", 'id\tt\n1\ta,"b"\n2\t\n3\tx y\n'),
    ("pipe", "single_quote", "\\", "id|t\n1|'a,\"b\"'\n2|\n3|'x|y'\n"),
    ("semicolon", "quote", "\\", 'id;t\n1;"a,\\"b\\""\n2;\n3;"x;y"\n'),
])
def test_csv_sources(lab, separator, quote, escaper, sample):
    prefix = lab.fresh("csv")
    lab.put(prefix + "a.csv", sample)
    members = {"Name": "c", "Paths": [lab.uri(prefix)], "Separator": separator, "QuoteChar": quote, "WithHeader": True, "Multiline": True}
    rows, _ = read(lab, {"S3CsvSource": {**members, **({"Escaper": escaper} if escaper else {})}})
    by = {r["id"]: r["t"] for r in rows}
    assert set(by) == {1, 2, 3} and by[2] in (None, "")
    assert by[1] == 'a,"b"'
    assert by[3] in ("x\ny", "x y", "x|y", "x;y")


def test_a_column_of_several_types_is_a_choice_until_it_is_settled(lab):
    prefix, out = lab.fresh("mixed"), lab.fresh()
    lab.put(prefix + "a.json", "".join('{"id": %d, "v": %s}\n' % (i, v) for i, v in enumerate(['1', '"two"', 'null', '3'])))
    nodes = {"s": {"S3JsonSource": {"Name": "j", "Paths": [lab.uri(prefix)]}}, "o": to(lab, "s", out)}
    lab.succeed(lab.create(nodes))
    got = {r["id"]: r["v"] for r in lab.rows(out)}
    kinds = set(got[0])
    assert len(kinds) == 2 and "string" in kinds
    number = (kinds - {"string"}).pop()
    assert got[0] == {number: 1, "string": None} and got[1] == {number: None, "string": "two"} and got[3][number] == 3
    assert got[2] is None or set(got[2].values()) == {None}
    out = lab.fresh()
    lab.succeed(lab.create({**nodes, "m": {"ApplyMapping": {"Name": "m", "Inputs": ["s"], "Mapping": [
        {"ToKey": "v", "FromPath": ["v"], "FromType": "choice", "ToType": "string"}]}}, "o": to(lab, "m", out)}))
    same(lab.rows(out), [{"v": v} for v in ("1", "two", None, "3")])
    out = lab.fresh()
    lab.succeed(lab.create({**nodes, "o": to(lab, "s", out, "json")}))
    got = {r["id"]: r.get("v") for r in lab.rows(out)}
    assert got == {0: 1, 1: "two", 2: None, 3: 3}


def test_json_documents_by_path_and_over_lines(lab):
    prefix = lab.fresh("json")
    lab.put(prefix + "a.json", '{"rows": [{"a": 1, "b": {"c": "é"}},\n {"a": 2}], "n": 2}')
    rows, _ = read(lab, {"S3JsonSource": {"Name": "j", "Paths": [lab.uri(prefix)], "JsonPath": "$.rows[*]", "Multiline": True}})
    same(rows, [{"a": 1, "b": {"c": "é"}}, {"a": 2, "b": None}])


def test_which_files_a_source_reads(lab):
    prefix = lab.fresh("files")
    for i, key in enumerate(["a.json", "b.json", "sub/c.json", "skip/d.json", "_hidden.json", "e.json"]):
        lab.put(prefix + key, '{"n": %d}\n' % i)
    lab.put(prefix + "empty.json", "")

    def numbers(**more):
        rows, run = read(lab, {"S3JsonSource": {"Name": "j", "Paths": [lab.uri(prefix)], **more}})
        return sorted(r["n"] for r in rows), run

    assert numbers()[0] == [0, 1, 2, 3, 5]
    assert numbers(Exclusions=["**/skip/**", "**e.json"])[0] == [0, 1, 2]
    assert numbers(Recurse=False)[0] == [0, 1, 5]
    assert len(numbers(AdditionalOptions={"BoundedFiles": 2})[0]) == 2
    assert len(numbers(AdditionalOptions={"BoundedSize": 9})[0]) == 1
    got, run = numbers(GroupFiles="inPartition", GroupSize="1000", MaxBand=900)
    assert got == [0, 1, 2, 3, 5]
    assert all(f"{m} has no effect here" in lab.log(run) for m in ("GroupFiles", "GroupSize", "MaxBand"))


@pytest.fixture(scope="module")
def sales(lab):
    """A partitioned CSV table of the catalogue, as a crawler makes one."""
    r = random.Random(3)
    rows = []
    serde = {"SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe", "Parameters": {"field.delim": ","}}
    columns = [{"Name": "id", "Type": "bigint"}, {"Name": "price", "Type": "double"}, {"Name": "item", "Type": "string"}]

    def descriptor(location):
        return {"Columns": columns, "Location": location, "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
                "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat", "SerdeInfo": serde}

    lab.glue.create_table(DatabaseName=lab.database, TableInput={
        "Name": "sales", "TableType": "EXTERNAL_TABLE", "StorageDescriptor": descriptor(lab.uri("sales/")),
        "PartitionKeys": [{"Name": "year", "Type": "int"}, {"Name": "town", "Type": "string"}],
        "Parameters": {"classification": "csv", "skip.header.line.count": "1"}})
    for year in (2022, 2023, 2024):
        for town in ("Kyōto", "a b/c", "Oslo"):
            key = f"sales/year={year}/t{len(rows)}/"
            some = [{"id": r.randrange(10 ** 12), "price": r.choice([None, r.randrange(1000) / 8]), "item": r.choice(["x", "ü", "y y"]),
                     "year": year, "town": town} for _ in range(20)]
            lab.put(key + "a.csv", "id,price,item\n" + "".join(
                "%d,%s,%s\n" % (x["id"], "" if x["price"] is None else x["price"], x["item"]) for x in some))
            lab.glue.create_partition(DatabaseName=lab.database, TableName="sales", PartitionInput={
                "Values": [str(year), town], "StorageDescriptor": descriptor(lab.uri(key))})
            rows += some
    return rows


@pytest.mark.parametrize("kind", ["CatalogSource", "S3CatalogSource"])
@pytest.mark.parametrize("predicate, keep", [
    ("", lambda r: True), ("year >= 2023 and town = 'Oslo'", lambda r: r["year"] >= 2023 and r["town"] == "Oslo"),
    ("town in ('Kyōto', 'a b/c')", lambda r: r["town"] != "Oslo"), ("year = 1999", lambda r: False)])
def test_catalogue_sources(lab, sales, kind, predicate, keep):
    members = {"Name": "c", "Database": lab.database, "Table": "sales", **({"PartitionPredicate": predicate} if predicate else {})}
    rows, run = read(lab, {kind: members})
    same(rows, [r for r in sales if keep(r)])
    assert f'{kind} "c" (s): {sum(map(keep, sales)) // 20} file' in lab.log(run)


# ---- targets ----


def as_csv(v):
    return "" if v is None else "true" if v is True else "false" if v is False else str(v)


@pytest.mark.parametrize("format, compression", [
    ("csv", ""), ("csv", "gzip"), ("csv", "none"), ("json", ""), ("json", "gzip"), ("json", "zstd"),
    ("parquet", ""), ("parquet", "gzip"), ("parquet", "zstd"), ("parquet", "uncompressed"), ("parquet", "snappy"), ("parquet", "brotli")])
def test_formats_and_compressions(lab, people, format, compression):
    out = lab.fresh()
    names = ["id", "name", "age", "paid", "ok", "born"]
    name = lab.create({"s": source(lab), "f": {"SelectFields": {"Name": "f", "Inputs": ["s"], "Paths": [[n] for n in names]}},
                       "o": to(lab, "f", out, format, **({"Compression": compression} if compression else {}))})
    _, note = lab.succeed(name)
    rows = pick(people, *names)
    got = lab.rows(out)
    if format == "csv":
        same(got, [{k: as_csv(v) for k, v in r.items()} for r in rows])
    elif format == "json":
        value = lambda v: v.isoformat() if isinstance(v, datetime.date) else v  # noqa: E731
        for g in got:
            g["paid"] = None if g.get("paid") is None else decimal.Decimal(str(g["paid"]))
        same([{n: g.get(n) for n in names} for g in got], [{k: value(v) for k, v in r.items()} for r in rows])
    else:
        same(got, rows)
        used = {"": "SNAPPY", "uncompressed": "UNCOMPRESSED"}.get(compression, compression.upper())
        import io
        for key in lab.keys(out):
            meta = pq.ParquetFile(io.BytesIO(lab.get(key))).metadata
            assert meta.row_group(0).column(0).compression == used
    target = note["result"]["targets"][0]
    assert target["bytes"] == sum(len(lab.get(k)) for k in lab.keys(out)) and target["file_count"] == len(lab.keys(out))


def test_the_number_of_files(lab, people):
    out = lab.fresh()
    lab.succeed(lab.create({"s": source(lab), "o": to(lab, "s", out, NumberTargetPartitions="7")}))
    assert len(lab.keys(out)) == 7
    same(lab.rows(out), people)


STRANGE = ["a=b", "x/y", "50%", "a b", "ünï", "q\"'q", "", None, "plain", "NULL", "c:d", "[1]", "*"]


def unescape(v):
    from urllib.parse import unquote
    return None if v == "__HIVE_DEFAULT_PARTITION__" else unquote(v)


@pytest.mark.parametrize("kind", ["parquet", "json", "csv", "glueparquet"])
def test_partitions_and_their_table(lab, kind):
    prefix, out, table = lab.fresh("strange"), lab.fresh(), f"by_{kind}_{lab.count}"
    rows = [{"id": i, "k": STRANGE[i % len(STRANGE)], "n": i % 3} for i in range(78)]
    lab.put_parquet(prefix + "0.parquet", pa.Table.from_pylist(rows, schema=pa.schema([("id", pa.int64()), ("k", pa.string()), ("n", pa.int32())])))
    target = {"Name": "out", "Inputs": ["s"], "Path": lab.uri(out), "PartitionKeys": [["k"], ["n"]],
              "SchemaChangePolicy": {"EnableUpdateCatalog": True, "UpdateBehavior": "UPDATE_IN_DATABASE", "Database": lab.database, "Table": table}}
    nodes = {"s": {"S3ParquetSource": {"Name": "p", "Paths": [lab.uri(prefix)]}},
             "o": {"S3GlueParquetTarget": target} if kind == "glueparquet" else {"S3DirectTarget": {**target, "Format": kind}}}
    name = lab.create(nodes)
    _, note = lab.succeed(name)
    assert note["result"]["targets"][0]["partition_count"] == 36
    want = [{"id": r["id"], "k": r["k"] or None, "n": str(r["n"])} for r in rows]
    got = [{"id": int(r["id"]), "k": unescape(r["k"]), "n": r["n"]} for r in lab.rows(out)]
    same(got, want)
    partitions = []
    for page in lab.glue.get_paginator("get_partitions").paginate(DatabaseName=lab.database, TableName=table):
        partitions += page["Partitions"]
    assert len({tuple(p["Values"]) for p in partitions}) == len(partitions) == 36
    assert {tuple(p["Values"]) for p in partitions} == {(r["k"] or "__HIVE_DEFAULT_PARTITION__", str(r["n"])) for r in rows}
    made = lab.glue.get_table(DatabaseName=lab.database, Name=table)["Table"]
    assert [(c["Name"], c["Type"]) for c in made["StorageDescriptor"]["Columns"]] == [("id", "bigint")]
    assert [(c["Name"], c["Type"]) for c in made["PartitionKeys"]] == [("k", "string"), ("n", "int")]
    # the table reads back as what was written, and a second run adds files but no partitions
    back, _ = read(lab, {"CatalogSource": {"Name": "back", "Database": lab.database, "Table": table}})
    same(back, [{"id": r["id"], "k": r["k"] or None, "n": r["n"]} for r in rows])
    lab.succeed(name)
    assert len(lab.rows(out)) == 2 * len(rows)
    again = lab.glue.get_paginator("get_partitions").paginate(DatabaseName=lab.database, TableName=table)
    assert sum(len(page["Partitions"]) for page in again) == 36


@pytest.mark.parametrize("behavior", ["UPDATE_IN_DATABASE", "LOG"])
def test_new_columns_of_an_existing_table(lab, behavior):
    out, table, first, second = lab.fresh(), "grow_" + behavior.lower(), lab.fresh("v"), lab.fresh("v")
    lab.put(first + "a.json", '{"a": 1}\n')
    lab.put(second + "a.json", '{"a": 2, "b": "new", "c": {"d": 1.5}}\n')

    def write(prefix):
        lab.succeed(lab.create({"s": {"S3JsonSource": {"Name": "j", "Paths": [lab.uri(prefix)]}}, "o": {"S3DirectTarget": {
            "Name": "o", "Inputs": ["s"], "Path": lab.uri(out), "Format": "json", "SchemaChangePolicy": {
                "EnableUpdateCatalog": True, "UpdateBehavior": behavior, "Database": lab.database, "Table": table}}}}))
        found = lab.glue.get_table(DatabaseName=lab.database, Name=table)["Table"]
        return [(c["Name"], c["Type"]) for c in found["StorageDescriptor"]["Columns"]]

    before = write(first)
    assert [c[0] for c in before] == ["a"]
    grown = before + [("b", "string"), ("c", "struct<d:double>")]
    assert write(second) == (grown if behavior == "UPDATE_IN_DATABASE" else before)


@pytest.mark.parametrize("kind", ["CatalogTarget", "S3CatalogTarget"])
def test_catalogue_targets(lab, kind):
    prefix, out, table = lab.fresh("src"), lab.fresh(), kind.lower()
    rows = [{"a": i, "day": "d%d" % (i % 4)} for i in range(20)]
    lab.put(prefix + "a.json", "".join('{"a": %d, "day": "%s"}\n' % (r["a"], r["day"]) for r in rows))
    lab.glue.create_table(DatabaseName=lab.database, TableInput={
        "Name": table, "TableType": "EXTERNAL_TABLE", "Parameters": {"classification": "json"},
        "PartitionKeys": [{"Name": "day", "Type": "string"}],
        "StorageDescriptor": {"Columns": [{"Name": "a", "Type": "bigint"}], "Location": lab.uri(out),
                              "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"}}})
    target = {"Name": "t", "Inputs": ["s"], "Database": lab.database, "Table": table, "PartitionKeys": [["day"]]}
    if kind == "S3CatalogTarget":
        target["SchemaChangePolicy"] = {"EnableUpdateCatalog": True, "UpdateBehavior": "UPDATE_IN_DATABASE"}
    lab.succeed(lab.create({"s": {"S3JsonSource": {"Name": "j", "Paths": [lab.uri(prefix)]}}, "o": {kind: target}}))
    same(lab.rows(out), rows)
    found = lab.glue.get_partitions(DatabaseName=lab.database, TableName=table)["Partitions"]
    # as in Glue: without a policy the catalogue stays as it is
    assert sorted(p["Values"][0] for p in found) == (["d0", "d1", "d2", "d3"] if kind == "S3CatalogTarget" else [])


def test_two_targets_of_one_source(lab, people):
    a, b = lab.fresh(), lab.fresh()
    name = lab.create({"s": source(lab), "x": to(lab, "s", a), "f": {"Filter": {
        "Name": "f", "Inputs": ["s"], "LogicalOperator": "AND", "Filters": [condition("GT", "age", "50")]}}, "y": to(lab, "f", b, "json")})
    _, note = lab.succeed(name)
    same(lab.rows(a), people)
    assert {t["node"]: t["rows"] for t in note["result"]["targets"]} == {"x": 300, "y": sum((p["age"] or 0) > 50 for p in people)}


# ---- plan or script ----


def test_the_script_is_what_runs(lab, people):
    """An edit that changes the result does; putting the generated text back brings the plan back."""
    nodes, out = job(lab, CASES["Filter GT"][0])
    name = lab.create(nodes)
    script = lab.script(name)
    assert script.count('gt, "42.5"') == 1
    lab.edit(name, script.replace('gt, "42.5"', 'gt, "60"'))
    lab.succeed(name, engine="script")
    same(lab.rows(out), [r for r in people if compare(r, "score", lambda v: v > 60)])
    lab.clear(out)
    lab.edit(name, script)
    lab.succeed(name)
    same(lab.rows(out), CASES["Filter GT"][1](people))


def test_an_update_of_the_nodes_is_a_new_script_and_a_new_plan(lab, people):
    nodes, out = job(lab, CASES["Filter GT"][0])
    name = lab.create(nodes)
    nodes["t"] = one("Filter", LogicalOperator="AND", Filters=[condition("LT", "age", "10")])["t"]
    job_now = lab.glue.get_job(JobName=name)["Job"]
    lab.glue.update_job(JobName=name, JobUpdate={"Role": "r", "Command": job_now["Command"], "GlueVersion": "5.0", "MaxRetries": 0,
                                                 "CodeGenConfigurationNodes": nodes})
    lab.succeed(name)
    same(lab.rows(out), [r for r in people if compare(r, "age", lambda v: v < 10)])


def test_logs_show_which_engine(lab, people):
    import subprocess

    nodes, _ = job(lab, CASES["Filter GT"][0])
    run, _ = lab.succeed(lab.create(nodes))
    r = subprocess.run([binary(), "logs", "--data", str(lab.server.data), run["Id"]], capture_output=True, text=True, timeout=60)
    assert "running the job's nodes on the embedded engine: the script is the one generated" in r.stdout, r


# ---- refusals and failures ----


@pytest.mark.parametrize("change, says", [
    (lambda n: n["s"]["S3CsvSource"].update(CompressionType="bzip2"), "CompressionType bzip2"),
    (lambda n: n["s"]["S3CsvSource"].update(QuoteChar="quillemet"), "QuoteChar quillemet"),
    (lambda n: n["o"]["S3DirectTarget"].update(AutoDataQuality={"IsEnabled": True}), "AutoDataQuality.IsEnabled true"),
    (lambda n: n["o"]["S3DirectTarget"].update(Format="orc"), "orc"),
    (lambda n: n["o"]["S3DirectTarget"].update(Inputs=["nobody"]), "nobody"),
    (lambda n: n.update(x={"SplitFields": {"Name": "x", "Inputs": ["s"], "Paths": [["a"]]}}) or n["o"]["S3DirectTarget"].update(Inputs=["x"]),
     "SelectFromCollection"),
    (lambda n: n.update(x={"SelectFromCollection": {"Name": "x", "Inputs": ["s"], "Index": 0}}), "one frame"),
    (lambda n: n.pop("o"), "no target"),
])
def test_what_cannot_be_run_is_refused_by_name(lab, change, says):
    nodes = {"s": {"S3CsvSource": {"Name": "c", "Paths": [lab.uri("x/")], "Separator": "comma", "QuoteChar": "quote"}},
             "o": to(lab, "s", "nowhere/")}
    change(nodes)
    with pytest.raises(ClientError) as refused:
        lab.create(nodes)
    assert refused.value.response["Error"]["Code"] == "InvalidInputException" and says in str(refused.value)


def csv_job(lab, path, **more):
    return {"src-1": {"S3CsvSource": {"Name": "read it", "Paths": [path], "Separator": "comma", "QuoteChar": "quote", "WithHeader": True, **more}},
            "out-1": to(lab, "src-1", lab.fresh())}


@pytest.mark.parametrize("nodes, says", [
    (lambda lab: csv_job(lab, "s3://no-such-bucket-here/x/"), ["read it", "no-such-bucket-here"]),
    (lambda lab: csv_job(lab, lab.uri("nothing/here/")), ["read it", "no files under", "nothing/here/"]),
    (lambda lab: {"s": {"CatalogSource": {"Name": "cat", "Database": lab.database, "Table": "no_such"}}, "o": to(lab, "s", lab.fresh())},
     ["cat", "no_such"]),
    (lambda lab: {"s": source(lab), "o": {"S3DirectTarget": {"Name": "t", "Inputs": ["s"], "Path": "s3://no-such-bucket-here/x/", "Format": "parquet"}}},
     ["node o", "no-such-bucket-here"]),
    (lambda lab: {"s": source(lab), "o": to(lab, "s", lab.fresh(), "parquet", Compression="wat")}, ["node o", "wat"]),
    (lambda lab: {"s": source(lab), "o": to(lab, "s", lab.fresh(), "parquet", PartitionKeys=[["nope"]])}, ["node o", "nope"]),
    (lambda lab: {"s": source(lab), "o": to(lab, "s", lab.fresh(), "csv")}, ["node o", "home", "CSV"]),
    (lambda lab: {"s": source(lab), **one("Filter", ["s"], LogicalOperator="AND", Filters=[condition("GT", "nope", "1")]),
                  "o": to(lab, "t", lab.fresh())}, ["the Filter", "nope"]),
])
def test_failures_name_the_node_and_what_is_wrong(lab, people, nodes, says):
    message = lab.fail(nodes(lab))
    assert all(s in message for s in says), message
