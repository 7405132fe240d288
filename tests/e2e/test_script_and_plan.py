"""A visual job means the same as a plan and as the script generated from it: random jobs over the same odd data, both ways.

Each job has many transforms, one target each; it runs as it is (the plan), and with a comment appended (the script).
"""
import datetime
import decimal
import json
import os
import random
import sys
from pathlib import Path

import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from visual import Visual, plain  # noqa: E402

D = decimal.Decimal
SEEDS = [int(s) for s in os.environ.get("NIKAWA_SEEDS", "1,2,3").split(",")]
TEXTS = ["", " ", "a", "A", "ab\n", "ab", "12", "007", "1.50", "-3", "true", "null", " null ", "-1", "é", "É", "日本", "i", "İ", "ı", "ß", "x-y", "٣", "a\u00a0b",
         "2020-02-29", "2020-02-29 12:00:00", "0", "o'c", 'q"q', "\\", "a.b", "ſ"]
FLOATS = [0.0, -0.0, 1.5, -1.5, 0.1, 1e20, 1e-7, float("nan"), float("inf"), float("-inf"), 3.0, 9007199254740993.0]
DATES = [datetime.date(2020, 2, 29), datetime.date(1970, 1, 1), datetime.date(1969, 12, 31), datetime.date(9999, 12, 31), datetime.date(1000, 1, 1)]
TIMES = [datetime.datetime.combine(d, t) for d in DATES for t in (datetime.time(0), datetime.time(12), datetime.time(23, 59, 59, 999999))]
MAKE = {
    "id": (pa.int64(), None), "town": (pa.string(), TEXTS), "n8": (pa.int8(), [-128, 127, 0, 1, -1, 12, 7]),
    "n32": (pa.int32(), [-2 ** 31, 2 ** 31 - 1, 0, 1, -1, 12, 7, 150]), "n64": (pa.int64(), [-2 ** 63, 2 ** 63 - 1, 0, 1, -1, 12, 2 ** 53 + 1]),
    "f32": (pa.float32(), [0.0, -0.0, 1.5, 0.1, 3.0, 1e20, float("nan"), float("inf")]), "f64": (pa.float64(), FLOATS),
    "d2": (pa.decimal128(7, 2), [D("0.00"), D("1.50"), D("-1.50"), D("99999.99"), D("12.00"), D("-0.01")]),
    "d18": (pa.decimal128(38, 18), [D(0), D("1.5"), D("1e-18"), D("12"), D("99999999999999999999.999999999999999999")]),
    "day": (pa.date32(), DATES), "at": (pa.timestamp("us"), TIMES), "ok": (pa.bool_(), [True, False]), "Mixed": (pa.string(), TEXTS),
    "never": (pa.string(), [None]), "blank": (pa.string(), ["", "null", None, " null "]), "minus": (pa.int32(), [-1, None]), "minus_f": (pa.float64(), [-1.0, None]),
}
HOME = pa.struct([("zip", pa.int32()), ("street", pa.string()), ("deep", pa.struct([("x", pa.float64())]))])
CONSTANTS = TEXTS + ["1", "1.5", " 1.5 ", "-0.5", "+3", "1e2", "1E400", "1e-400", "0.1", ".5", "5.", "abc", "NaN", "inf", "1_0", "99999.994999", "9223372036854775807", "-9223372036854775808",
                     "9223372036854775808", "9007199254740992", "9007199254740993.0", "0.000000000000000001", "12.000000000000000000001", "TRUE", "False", "yes", "1970-01-01", "1970-1-1",
                     "2020-02-30", "2020-02-29T12:00:00", "2020-02-29 23:59:59.999999", "9999-12-31 23:59:59.999999", "2020-02-29 12:00", "2020-02-29 12:00:00Z", "0000-01-01", "10000-01-01",
                     "127.5", "128", "-129", "2147483647.0", "20200229"]
PATTERNS = ["", "a", "^a$", "[a-z]+", "(?i)[a-z]$", "(?i)i", "\\d+", "\\w*$", "a\\s", ".*\\.", "a|\\d{2}", "(?s)ab.", "ab.", "ab$", "[^a-z]", "(?i)É", "\\x61b?", "(a|A){1,2}b", "o'c", "\\\\",
            "(?=a)a", "\\bab\\b", "-?[0-9]+(\\.[0-9]+)?$", "n{,3}ull", "(?P<x>n)u", "[\\w-]+$", "{", "(?i:A)b"]


def rows_of(seed, n):
    r = random.Random(seed)
    out = []
    for i in range(n):
        row = {name: i if values is None else None if r.random() < 0.15 else r.choice(values) for name, (_, values) in MAKE.items()}
        row["home"] = None if r.random() < 0.2 else {"zip": r.choice([None, 12, 150]), "street": r.choice(TEXTS + [None]), "deep": r.choice([None, {"x": r.choice(FLOATS)}])}
        out.append(row)
    return out


SCHEMA = pa.schema([(n, t) for n, (t, _) in MAKE.items()] + [("home", HOME)])
OTHER = pa.schema([("id", pa.int64()), ("TOWN", pa.string()), ("n32", pa.int64()), ("f64", pa.float64()), (".id", pa.int32())])
FIELDS = [[n] for n in MAKE] + [["home", "zip"], ["home", "street"], ["home", "deep", "x"], ["MIXED"], ["home.zip"]]
COMPARED = ["EQ", "LT", "GT", "LTE", "GTE"]


def column(path):
    return {"Type": "COLUMNEXTRACTED", "Value": path}


def condition(r):
    path, negated = r.choice(FIELDS), r.random() < 0.3
    what = r.random()
    if what < 0.1:
        return {"Operation": "ISNULL", "Negated": negated, "Values": [column(r.choice(FIELDS + [["home"], ["home", "deep"]]))]}
    if what < 0.25:
        return {"Operation": "REGEX", "Negated": negated, "Values": [column(r.choice([["town"], ["Mixed"], ["home", "street"], ["n32"]])),
                                                                    {"Type": "CONSTANT", "Value": [r.choice(PATTERNS)]}]}
    if what < 0.5:
        return {"Operation": r.choice(COMPARED), "Negated": negated, "Values": [column(path), column(r.choice(FIELDS))]}
    return {"Operation": r.choice(COMPARED), "Negated": negated, "Values": [column(path), {"Type": "CONSTANT", "Value": [r.choice(CONSTANTS)]}]}


def a_filter(r, source):
    return {"Filter": {"Name": "f", "Inputs": [source], "LogicalOperator": r.choice(["AND", "OR"]), "Filters": [condition(r) for _ in range(r.choice([1, 1, 2, 3]))]}}


def a_join(r, left, right):
    how = r.choice(["equijoin", "left", "right", "outer", "leftsemi", "leftanti"])
    keys = r.choice([[(["town"], ["TOWN"])], [(["id"], ["id"])], [(["n32"], ["n32"])], [(["home", "zip"], ["n32"]), (["town"], ["TOWN"])], [(["n32"], [".id"])]])
    return {"Join": {"Name": "j", "Inputs": [left, right], "JoinType": how,
                     "Columns": [{"From": left, "Keys": [a for a, _ in keys]}, {"From": right, "Keys": [b for _, b in keys]}]}}


def unions(r):
    """Two selections of as many columns, in an order of their own."""
    a, b = r.choice([(["id", "town"], ["id", "TOWN"]), (["n8", "f32"], ["n32", "f64"]), (["d2", "day"], ["id", "TOWN"]), (["n32", "f64"], ["n32", "f64"])])
    return a, b


NULLS = [{}, {"NullCheckBoxList": {"IsEmpty": True, "IsNullString": True}}, {"NullCheckBoxList": {"IsNegOne": True}},
         {"NullCheckBoxList": {"IsEmpty": True, "IsNegOne": True}, "NullTextList": [{"Value": "null", "Datatype": {"Id": "string", "Label": "String"}}]},
         {"NullTextList": [{"Value": "-1", "Datatype": {"Id": "double", "Label": "Double"}}, {"Value": "null", "Datatype": {"Id": "string", "Label": "String"}}]}]


def transforms(r):
    nodes = {}
    for i in range(8):
        nodes[f"f{i}"] = a_filter(r, "rows")
    for i in range(2):
        nodes[f"j{i}"] = a_join(r, "rows", "other")
    a, b = unions(r)
    nodes["s1"] = {"SelectFields": {"Name": "s1", "Inputs": ["rows"], "Paths": [[c] for c in a]}}
    nodes["s2"] = {"SelectFields": {"Name": "s2", "Inputs": ["other"], "Paths": [[c] for c in b]}}
    nodes["u"] = {"Union": {"Name": "u", "Inputs": ["s1", "s2"], "UnionType": r.choice(["ALL", "DISTINCT"])}}
    nodes["n"] = {"DropNullFields": {"Name": "n", "Inputs": ["rows"], **r.choice(NULLS)}}
    nodes["v"] = {"FillMissingValues": {"Name": "v", "Inputs": ["rows"], "ImputedPath": r.choice(["town", "n32", "blank"])}}
    nodes["r"] = {"RenameField": {"Name": "r", "Inputs": ["rows"], "SourcePath": ["home", "zip"], "TargetPath": ["home", "post code"]}}
    nodes["x"] = {"DropFields": {"Name": "x", "Inputs": ["rows"], "Paths": [["home", "deep"], ["at"], [r.choice(list(MAKE))]]}}
    group = r.choice(["town", "n8", "ok", "day"])
    nodes["g"] = {"Aggregate": {"Name": "g", "Inputs": ["rows"], "Groups": [[group]], "Aggs": [
        {"Column": [c], "AggFunc": f} for c, f in (("id", "count"), ("n32", "max"), ("n8", "sum"), ("d2", "sum"), ("town", "countDistinct"))]}}
    nodes["q"] = {"DropDuplicates": {"Name": "q", "Inputs": ["s1"]}}
    return nodes


@pytest.fixture(scope="module")
def lab(server):
    return Visual(server)


def run_both(lab, nodes, sources):
    """{target: rows} as a plan and as a script. A node that needs the script makes the job one: it must say why."""
    outs = {name: lab.fresh() for name in nodes}
    targets = {"o_" + name: {"S3DirectTarget": {"Name": "o", "Inputs": [name], "Path": lab.uri(out), "Format": "parquet"}} for name, out in outs.items()}
    job = lab.create({**sources, **nodes, **targets})
    found = []
    for engine in ("plan", "script"):
        if engine == "script":
            lab.edit(job, lab.script(job) + "\n# a word of the user's\n")
        run = lab.run(job)
        assert run["JobRunState"] == "SUCCEEDED", (engine, run.get("ErrorMessage"), lab.log(run, "error")[-3000:])
        errors = lab.log(run, "error")
        assert "a row failed" not in errors, (errors[-3000:], json.dumps(nodes))
        note = lab.note(run)
        if note["engine"] != engine:
            assert "needs Python" in note["why"] or "digits together" in note["why"], note["why"]
        found.append(({name: lab.rows(out) for name, out in outs.items()}, note))
        for out in outs.values():
            lab.clear(out)
    return found


def same_zero(v):
    """-0.0 and 0.0 are equal, and Spark may give either."""
    return [same_zero(x) for x in v] if isinstance(v, tuple) else 0.0 if isinstance(v, float) and v == 0 else v


def differences(a, b):
    keys = [sorted(repr(same_zero(plain(r))) for r in rows) for rows in (a, b)]
    return [sorted(set(x) - set(y))[:3] for x, y in (keys, keys[::-1])] if keys[0] != keys[1] else None


def put_sources(lab, seed):
    r = random.Random(seed)
    lab.put_parquet(f"rows{seed}/0.parquet", pa.Table.from_pylist(rows_of(seed, 160), schema=SCHEMA))
    other = [{"id": r.randrange(200), "TOWN": r.choice(TEXTS + [None]), "n32": r.choice([None, 0, 1, 12, 150]), "f64": r.choice([None, *FLOATS]), ".id": r.randrange(9)} for _ in range(25)]
    lab.put_parquet(f"other{seed}/0.parquet", pa.Table.from_pylist(other, schema=OTHER))
    return {what: {"S3ParquetSource": {"Name": what, "Paths": [lab.uri(f"{what}{seed}/")]}} for what in ("rows", "other")}


@pytest.mark.parametrize("seed", SEEDS)
def test_random_jobs(lab, seed):
    sources = put_sources(lab, seed)
    nodes = transforms(random.Random(seed))
    needs_python = [n for n, body in nodes.items() if "REGEX" in json.dumps(body) and any(p in json.dumps(body) for p in ("(?=a)a", "bab"))]
    for name in needs_python:  # those would take the whole job to the script
        del nodes[name]
    (plan, note), (script, _) = run_both(lab, nodes, sources)
    assert note["engine"] == "plan", note["why"]
    wrong = {name: (nodes[name], found) for name in nodes for found in [differences(plan[name], script[name])] if found}
    for name, (node, found) in wrong.items():
        print(json.dumps(node, ensure_ascii=False), *found, sep="\n")
    assert not wrong, list(wrong)
    assert sum(map(len, plan.values())) > 500


def test_a_pattern_that_only_python_has_takes_the_job_to_its_script(lab):
    sources = put_sources(lab, 1)
    nodes = {"f": {"Filter": {"Name": "f", "Inputs": ["rows"], "LogicalOperator": "AND", "Filters": [
        {"Operation": "REGEX", "Values": [column(["town"]), {"Type": "CONSTANT", "Value": ["(?=a)ab"]}]}]}}}
    (rows, note), _ = run_both(lab, nodes, sources)
    assert note["engine"] == "script" and "a look-ahead" in note["why"]
    assert {r["town"] for r in rows["f"]} == {"ab", "ab\n"}


def test_a_pattern_that_is_none_is_refused_with_the_job(lab):
    nodes = {"f": {"Filter": {"Name": "f", "Inputs": ["rows"], "LogicalOperator": "AND", "Filters": [
        {"Operation": "REGEX", "Values": [column(["town"]), {"Type": "CONSTANT", "Value": ["a)"]}]}]}}}
    with pytest.raises(lab.glue.exceptions.InvalidInputException, match="not a regular expression"):
        run_both(lab, nodes, put_sources(lab, 1))
