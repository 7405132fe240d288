"""The cases of `test_one_meaning`: each asks the plan and Spark the same, the SQL being written by hand."""
from meaning import TYPES, Case, mapping, one, short

def casts():
    digits = {("float", "string"): "f", ("double", "string"): "d", **{(s, t): "d" for s in ("float", "double") for t in ("decimal(38,18)", "decimal(38,0)")}}
    for source in TYPES:
        for target in TYPES:
            yield one("cast %s to %s" % (source, target), "ApplyMapping",
                      mapping(("id", "bigint", "id", "bigint"), ("v", source, "r", target)), "cast_" + short(source),
                      "select id, cast(v as %s) r from cast_%s" % (target, short(source)), reads_back=digits.get((source, target)))


def fields():
    for t in ("wide1", "wide2", "empty"):
        yield one("SelectFields " + t, "SelectFields", {"Paths": [["id"], ["c_string"], ["s", "deep", "z"], ["m"]]}, t,
                  "select id, c_string, case when s is not null then named_struct('deep', case when s.deep is not null then "
                  "named_struct('z', s.deep.z) end) end s, m from " + t)
        yield one("DropFields " + t, "DropFields", {"Paths": [["s", "y"], ["l"], ["c_double"], ["m"], ["ls", "x"]] + [["c_" + short(n)] for n in TYPES]}, t,
                  "select id, k, town, case when s is not null then named_struct('x', s.x, 'deep', s.deep) end s, "
                  "transform(ls, e -> case when e is not null then named_struct('y', e.y, 'deep', e.deep) end) ls, none from " + t)
        for output, sql in ((0, "select town, k"), (1, "select id, s, l, none")):
            yield Case("SplitFields %d %s" % (output, t), [
                ("SelectFields", {"Paths": [["id"], ["town"], ["k"], ["s"], ["l"], ["none"]]}, [t]),
                ("SplitFields", {"Paths": [["town"], ["k"]], "output": output}, [0])],
                ("select k, town" if output == 0 else sql) + " from " + t)
        yield Case("RenameField " + t, [
            ("SelectFields", {"Paths": [["id"], ["s"]]}, [t]), ("RenameField", {"SourcePath": ["s", "x"], "TargetPath": ["s", "the x"]}, [0])],
            "select id, case when s is not null then named_struct('the x', s.x, 'y', s.y, 'deep', s.deep) end s from " + t)
        yield one("ApplyMapping " + t, "ApplyMapping", mapping(
            ("c_double", "double", "a.b", "int"), ("c_int", "int", "a.c", "string"), ("town", "string", "town", "string"),
            ("s.x", "int", "x", "bigint"), ("ls", "array<struct<x:int,y:string,deep:struct<z:double>>>", "ls", "array<struct<x:int,y:string,deep:struct<z:double>>>"), ("nowhere", "string", "n", "date")), t,
            "select named_struct('b', cast(c_double as int), 'c', cast(c_int as string)) a, town, cast(s.x as bigint) x, ls, "
            "cast(null as date) n from " + t)


AGGREGATES = {  # as a plan says it: as Spark SQL does
    "avg": "avg(%s)", "count": "count(%s)", "countDistinct": "count(distinct %s)", "max": "max(%s)", "min": "min(%s)", "sum": "sum(%s)",
    "sumDistinct": "sum(distinct %s)", "stddev_samp": "stddev_samp(%s)", "stddev_pop": "stddev_pop(%s)", "var_samp": "var_samp(%s)",
    "var_pop": "var_pop(%s)", "kurtosis": "kurtosis(%s)", "skewness": "skewness(%s)",
}
TAME = ["tinyint", "smallint", "int", "bigint", "float", "double", "decimal_7_2", "decimal_20_5", "decimal_38_18", "string", "date", "timestamp", "boolean"]
NUMBERS = TAME[:9]
LOOSE = ["count", "countDistinct", "max", "min"]


def titled(f, c):
    return {"countDistinct": "count(DISTINCT %s)", "sumDistinct": "sum(DISTINCT %s)"}.get(f, f + "(%s)") % c


def aggregate(name, t, pairs, groups=("g",)):
    sql = "select %s from %s" % (", ".join([*groups] + ["%s `%s`" % (AGGREGATES[f] % c, titled(f, c)) for c, f in pairs]), t)
    return one(name, "Aggregate", {"Groups": [[g] for g in groups], "Aggs": [{"Column": [c], "AggFunc": f} for c, f in pairs]}, t,
               sql + (" group by " + ", ".join(groups) if groups else ""))


def aggregates():
    for f in AGGREGATES:
        for t in ("tame1", "tame2", "tame3"):
            for c in TAME if f in LOOSE else NUMBERS + ["string"]:
                yield aggregate("%s(%s) %s" % (f, c, t), t, [(c, f)])
        yield aggregate("%s(same)" % f, "tame1", [("same", f)])
        yield aggregate("%s(wild)" % f, "tame1", [("wild", f)])
        yield aggregate("%s of nothing, one group" % f, "empty", [("c_double", f)], ())
        yield aggregate("%s of nothing" % f, "empty", [("c_int", f)], ("k",))
    for f in ("sum", "sumDistinct", "count", "max", "min"):
        yield aggregate("%s(huge)" % f, "tame1", [("huge", f)])
    yield aggregate("by two keys", "wide3", [("id", "count"), ("c_int", "max")], ("k", "town"))
    yield aggregate("by a double", "tame1", [("id", "count")], ("wild",))
    yield aggregate("no group", "tame1", [("int", "sum"), ("double", "avg"), ("g", "max")], ())


def joins():
    kinds = {"equijoin": "join", "left": "left join", "right": "right join", "outer": "full join"}
    sides = {"int": ("k", "k2"), "text": ("town", "town2"), "double": ("wild", "wild2"), "two": ("town", "town2")}
    for how, word in kinds.items():
        for what in sides:
            (a, b), (l, r) = sides[what], ("tame1", "tame2") if what == "double" else ("wide1", "wide2")
            keys = [([a], [b])] + ([(["k"], ["k2"])] if what == "two" else [])
            left = ["id", a] + (["k"] if what == "two" else [])
            right = [("id", "id2"), (a, b)] + ([("k", "k2")] if what == "two" else [])
            on = " and ".join("x.%s = y.%s" % (p[0], q[0]) for p, q in keys)
            yield Case("Join %s by %s" % (how, what), [
                ("SelectFields", {"Paths": [[c] for c in ["id", "k", "town"] if c in left] or [["id"]]}, [l]) if what != "double" else
                ("SelectFields", {"Paths": [["id"], ["wild"]]}, [l]),
                ("ApplyMapping", {"Mapping": [{"FromPath": [f], "ToKey": t} for f, t in right]}, [r]),
                ("Join", {"JoinType": how, "Columns": [{"From": "0", "Keys": [p for p, _ in keys]}, {"From": "1", "Keys": [q for _, q in keys]}]}, [0, 1])],
                "select %s from %s x %s (select %s from %s) y on %s" % (
                    ", ".join(["x." + c for c in (["id", "k", "town"] if what != "double" else ["id", "wild"]) if c in left] + ["y." + t for _, t in right]),
                    l, word, ", ".join("%s %s" % p for p in right), r, on))
    for how, word in (("leftsemi", "left semi join"), ("leftanti", "left anti join")):
        yield Case("Join " + how, [("SelectFields", {"Paths": [["id"], ["k"]]}, ["wide3"]), ("SelectFields", {"Paths": [["town"], ["k"]]}, ["wide2"]),
                                   ("Join", {"JoinType": how, "Columns": [{"From": "0", "Keys": [["k"]]}, {"From": "1", "Keys": [["k"]]}]}, [0, 1])],
                   "select x.id, x.k from wide3 x %s wide2 y on x.k = y.k" % word)
    # keys of two types: as Spark makes one of them
    names = ["tinyint", "int", "bigint", "float", "double", "decimal(7,2)", "decimal(38,18)", "string", "date", "timestamp", "boolean"]
    for a in names:
        for b in names:
            yield Case("Join %s and %s" % (a, b), [
                ("SelectFields", {"Paths": [["id"], ["v"]]}, ["cast_" + short(a)]),
                ("ApplyMapping", {"Mapping": [{"FromPath": ["id"], "ToKey": "id2"}, {"FromPath": ["v"], "ToKey": "w"}]}, ["cast_" + short(b)]),
                ("Join", {"JoinType": "equijoin", "Columns": [{"From": "0", "Keys": [["v"]]}, {"From": "1", "Keys": [["w"]]}]}, [0, 1]),
                ("SelectFields", {"Paths": [["id"], ["id2"]]}, [2])],
                "select x.id, y.id id2 from cast_%s x join cast_%s y on x.v = y.v" % (short(a), short(b)))


def rows():
    for t in ("wide1", "wide3", "empty"):
        yield Case("DropDuplicates " + t, [("SelectFields", {"Paths": [["k"], ["town"], ["s"], ["l"]]}, [t]), ("DropDuplicates", {}, [0])],
                   "select distinct k, town, s, l from " + t)
        yield Case("DropDuplicates by key " + t, [("SelectFields", {"Paths": [["k"], ["town"]]}, [t]), ("DropDuplicates", {"Columns": [["town"], ["k"]]}, [0])],
                   "select distinct k, town from " + t)
    yield Case("DropDuplicates of doubles", [("SelectFields", {"Paths": [["wild"]]}, ["tame1"]), ("DropDuplicates", {}, [0])], "select distinct wild from tame1")
    yield Case("DropNullFields", [("SelectFields", {"Paths": [["id"], ["town"], ["none"]]}, ["wide1"]), ("DropNullFields", {}, [0])], "select id, town from wide1")
    yield Case("SelectFromCollection", [("SelectFields", {"Paths": [["id"]]}, ["wide1"]), ("SelectFromCollection", {"Index": 0}, [0])], "select id from wide1")
    yield Case("ResolveChoice of no choice", [("SelectFields", {"Paths": [["id"], ["c_string"]]}, ["wide1"]),
                                              ("ResolveChoice", {"Specs": [{"Path": "c_string", "Action": "cast:int"}]}, [0])],
               "select id, cast(c_string as int) c_string from wide1")
    for how, word in (("ALL", "union all"), ("DISTINCT", "union")):
        for a, b in (("wide1", "wide2"), ("wide1", "empty"), ("empty", "wide2")):
            pick = ("SelectFields", {"Paths": [["k"], ["town"], ["c_double"], ["s"]]})
            cols = "k, town, c_double, s"
            yield Case("Union %s %s %s" % (how, a, b), [(*pick, [a]), (*pick, [b]), ("Union", {"UnionType": how}, [0, 1])],
                       "select %s from %s %s select %s from %s" % (cols, a, word, cols, b))


def all_cases():
    out = [case for make in (casts, fields, aggregates, joins, rows) for case in make()]
    names = [case.name for case in out]
    assert len(names) == len(set(names)), [n for n in names if names.count(n) > 1][:5]
    return out
