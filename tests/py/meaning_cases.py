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


def sql(name, text, *sources):
    return one("SparkSQL " + name, "SparkSQL", {"SqlQuery": text, "Inputs": list(sources), "SqlAliases": [{"From": t, "Alias": t} for t in sources]}, sources, text)


OPERATORS = ["+", "-", "*", "/", "%"]
COMPARISONS = ["=", "<>", "<", ">=", "<=>"]
SCALARS = ["tinyint", "smallint", "int", "bigint", "float", "double", "decimal_7_2", "string"]


def queries():
    for a in SCALARS:
        for b in ("int", "bigint", "double", "decimal_7_2", "string"):
            decimal = "decimal" in a + b and not {"double", "string", "float"} & {a, b}
            for op in OPERATORS[:3] if decimal else OPERATORS:
                yield sql("%s %s %s" % (a, op, b), "select id, c_%s %s c_%s as r from wide1" % (a, op, b), "wide1")
    for a in ("int", "double", "string", "date", "timestamp", "boolean", "decimal_7_2"):
        for op in COMPARISONS:
            for b in {"string": ["'1'", "12", "c_int", "''"], "date": ["'1970-01-01'", "date '2000-02-29'", "c_timestamp", "'x'"], "timestamp": ["'1970-01-01'", "timestamp '2000-02-29 12:00:00'"],
                      "boolean": ["true", "'true'", "'y'"]}.get(a, ["1", "1.5", "1e0", "'1'", "'x'", "null", "c_bigint", "128"]):
                yield sql("%s %s %s" % (a, op, b), "select id from wide1 where c_%s %s %s" % (a, op, b), "wide1")
    expressions = [
        "c_int + 1", "c_int * 2147483647", "c_bigint + 9223372036854775807", "c_bigint * c_bigint", "c_tinyint * c_tinyint", "- c_int", "-c_bigint", "- c_tinyint", "- c_double", "1 / 0", "c_int / 0", "c_int % 0",
        "c_double % 0", "c_double / 0", "c_int % -1", "c_bigint % -1", "7 % -3", "-7 % 3", "c_decimal_7_2 + 1", "c_decimal_7_2 * 2.50", "c_decimal_7_2 - c_decimal_20_5", "c_int + 1L", "c_int + 1.5", "c_int + 1e0",
        "1.5 * 2", "2147483647 + 1", "2147483648 + 1", "concat(town, '-', k)", "concat(town)", "town || '!' || c_int", "concat(c_decimal_20_5, '')", "coalesce(k, 7)", "coalesce(town, k)", "coalesce(c_int, c_double, 1)",
        "nvl(c_int, 'x')", "ifnull(town, '')", "nullif(k, 1)", "nullif(town, 'Oslo')", "if(k > 1, 'more', 'less')", "if(k is null, c_int, c_double)", "case when k = 1 then 'one' when k = 2 then town end",
        "case k when 1 then 1 when 2 then 2.5 else c_int end", "greatest(c_int, k, 3)", "least(c_double, k)", "greatest(town, 'M')", "abs(c_int)", "abs(c_double)", "abs(c_decimal_7_2)", "abs(c_tinyint)",
        "floor(c_double)", "ceil(c_double)", "floor(c_int)", "floor(c_float)", "sqrt(c_double)", "sqrt(k)", "length(town)", "length(c_int)", "trim(c_string)", "ltrim(c_string)", "rtrim('  x  ')", "substring(town, 2, 3)",
        "substr(c_string, 3)", "replace(c_string, 'a', 'bb')", "startswith(town, 'O')", "endswith(town, 'o')", "contains(c_string, 'a')", "isnull(k)", "isnotnull(town)", "isnan(c_double)", "isnan(c_float)",
        "year(c_date)", "month(c_date)", "day(c_timestamp)", "quarter(c_date)", "dayofyear(c_date)", "hour(c_timestamp)", "minute(c_timestamp)", "second(c_timestamp)", "year(c_string)", "hour('2020-01-02 03:04:05')",
        "datediff(c_date, date '2000-01-01')", "datediff(c_timestamp, '2000-01-01')", "to_date(c_string)", "to_date(c_timestamp)", "cast(c_double as int)", "cast(c_string as date)", "cast(c_bigint as tinyint)",
        "cast(k as string)", "cast(c_timestamp as bigint)", "cast(c_decimal_20_5 as int)", "s.x", "s.deep.z", "S.Y", "K", "wide1.k", "k in (1, 2)", "k not in (1, null)", "town in ('Oslo', 'ß')", "c_int in ('1', 2)",
        "k between 1 and 2", "town between 'M' and 'Z'", "k not between 0 and 1.5", "town like 'O%'", "c_string like '_a%'", "c_string not like '%\\_%'", "c_int like '1%'", "not k > 1", "k > 1 and town = 'Oslo'",
        "k > 1 or town is null", "k is null and null", "c_double = c_float", "c_date < c_timestamp", "'it\\'s'", "\"double\"", "true", "date '2024-02-29'", "timestamp '2024-02-29 01:02:03.5'", "c_int = 1 = true",
        "c_double + c_float", "c_float * c_int", "c_bigint + c_float", "c_smallint % c_tinyint", "length('e\u0301')", "c_int <=> null", "1D / 3", "cast('1e3' as double) + 1",
    ]
    for x in expressions:
        yield sql(x, "select id, %s as r from wide1" % x, "wide1")
    statements = [
        ("select * from wide2",), ("select w.* from wide2 as w where W.ID > 2",), ("SELECT ID, Town FROM wide2 -- a comment\n;",), ("select distinct town, k from wide1",),
        ("select k, count(*), count(town), sum(c_int), avg(c_int), min(town), max(c_date) from wide1 group by k",), ("select town as t, count(distinct k) n from wide1 group by town having count(*) > 20",),
        ("select count(*) from wide1 where k = 9",), ("select sum(c_int) s, avg(c_double) a from empty",), ("select k + 1 as kk, count(*) n from wide1 group by k + 1",), ("select k as kk, count(*) n from wide1 group by kk",),
        ("select town, k, count(1) n from wide1 group by 1, 2",), ("select id from wide1 order by k, id limit 20",), ("select id, k from wide1 order by k desc, id desc limit 20",), ("select id from wide1 order by k nulls last, 1 limit 20",),
        ("select id from wide1 order by town desc nulls first, id limit 20",), ("select k from wide1 union select k from wide2",), ("select id, k from wide1 union all select c_bigint, c_double from wide2",),
        ("select c_date d from wide1 union all select town from wide2 order by d limit 5",), ("select x.id, y.town from wide2 x join wide1 y on x.k = y.k and x.id < y.id",),
        ("select x.id, y.id as yid from wide2 x left join wide1 y on x.town = y.town and y.k > 1",), ("select x.id, y.id as yid from wide2 x right outer join wide1 y on x.town = y.c_string",),
        ("select x.id a, y.id b from wide2 x full join wide2 y on x.id = y.k",), ("select x.id from wide1 x left semi join wide2 y on x.k = y.k",), ("select id from wide1 x left anti join wide2 y on x.k = y.k",),
        ("select count(*) n from wide2 x cross join wide2 y",), ("select x.id, y.id yid from wide1 x, wide2 y where x.k = y.k",),
        ("select x.id, z.id zid from wide2 x, wide2 y left join wide1 z on y.id = z.id and z.k = 1 where x.id = y.id",), ("select t, n * 2 as m from (select town t, count(*) n from wide1 group by town) q where n > 3",),
        ("with big as (select id, k from wide1 where k > 1), some as (select * from big where id < 100) select k, count(*) n from some group by k",),
        ("select avg(c_decimal_7_2) a, sum(c_decimal_7_2) s, sum(c_bigint) b, stddev(c_tinyint) d, variance(k) v, mean(k) m from wide1",), ("select sum(k * 2) s, max(k) - min(k) as r from wide1 group by town",),
        ("select `id` as `the id`, 'x' as `select` from wide2",), ("select case when count(*) > 10 then 'many' else 'few' end c, k from wide1 group by k",), ("select id from wide1 where town = 'oslo' or Town = 'OSLO'",),
        ("select count(distinct c_double) n, sum(distinct k) s from wide1",),
    ]
    for text, in statements:
        yield sql(text, text, *[t for t in ("wide1", "wide2", "empty") if t in text.replace("wide1", "wide1 ")])


def comparison(op, column, constant=None, other=None, negated=False):
    return {"LogicalOperator": "AND", "Filters": [{"Operation": op, "Negated": negated, "Values": [{"Type": "COLUMNEXTRACTED", "Value": column.split(".")}] + (
        [{"Type": "CONSTANT", "Value": [constant]}] if constant is not None else []) + ([{"Type": "COLUMNEXTRACTED", "Value": other.split(".")}] if other else [])}]}


def filters():
    """Conditions, each as Spark SQL says it: a constant of the column's type, nothing compares with NaN."""
    words = {"EQ": "=", "LT": "<", "GT": ">", "LTE": "<=", "GTE": ">="}
    constants = {
        "tinyint": ["0", "127", "128", "1.5", "-129"], "int": ["7", "-1.5", "2147483648"], "bigint": ["9223372036854775807", "9223372036854775808", "0.5"],
        "double": ["0.5", "0.1", "1e20", "-2.5"], "float": ["0.1", "0.5", "1e39"], "decimal_7_2": ["1.50", "0.005", "-0.015", "100000"], "decimal_38_18": ["0", "0.5", "1e19"],
        "string": ["", "a", "12", "ß"], "date": ["1970-01-01", "2000-02-29"], "timestamp": ["1970-01-01 12:00:00", "2000-02-29"], "boolean": ["true", "false"]}
    for name, values in constants.items():
        c = "c_" + name
        number = name not in ("string", "date", "timestamp", "boolean")
        for value in values:
            x = "cast('%s' as %s)" % (value, "double" if name in ("double", "float") else "decimal(38,19)" if name != "decimal_38_18" else "decimal(38,18)") if number else "cast('%s' as %s)" % (value, name)
            left = "cast(%s as double)" % c if name == "float" else "cast(%s as decimal(38,18))" % c if number and name not in ("double", "decimal_38_18") else c
            x = x.replace("decimal(38,19)", "decimal(38,18)")
            for op, word in words.items():
                yield one("Filter %s %s %s" % (name, op, value), "Filter", comparison(op, c, value), "wide1",
                          "select * from wide1 where %s %s %s%s" % (left, word, x, " and not isnan(%s)" % c if name in ("double", "float") else ""))
        yield one("Filter not %s EQ %s" % (name, values[0]), "Filter", comparison("EQ", c, values[0], negated=True), "wide1",
                  "select * from wide1 where not coalesce(%s = %s%s, false)" % (left, x if values[0] == value else x.replace("'%s'" % value, "'%s'" % values[0]), " and not isnan(%s)" % c if name in ("double", "float") else ""))
    pairs = [("tinyint", "bigint"), ("int", "double"), ("float", "double"), ("decimal_7_2", "int"), ("decimal_7_2", "decimal_20_5"), ("date", "timestamp"), ("boolean", "boolean"), ("string", "string")]
    for a, b in pairs:
        for op, word in words.items():
            real = {"float", "double"} & {a, b}
            x, y = ["cast(c_%s as double)" % n if real else "c_" + n for n in (a, b)]
            guard = "".join(" and not isnan(c_%s)" % n for n in (a, b) if n in ("float", "double"))
            yield one("Filter %s %s %s" % (a, op, b), "Filter", comparison(op, "c_" + a, other="c_" + b), "wide1", "select * from wide1 where %s %s %s%s" % (x, word, y, guard))
    yield one("Filter a text with a number", "Filter", comparison("EQ", "c_string", other="c_int"), "wide1", "select * from wide1 where false")
    yield one("Filter inside", "Filter", comparison("GTE", "s.deep.z", "0.5"), "wide1", "select * from wide1 where s.deep.z >= 0.5")
    yield one("Filter null inside", "Filter", comparison("ISNULL", "s.deep"), "wide1", "select * from wide1 where s.deep is null")
    yield one("Filter no number", "Filter", comparison("LT", "c_int", "many"), "wide1", "select * from wide1 where false")
    yield one("Filter REGEX", "Filter", comparison("REGEX", "town", "[A-Z]"), "wide1", "select * from wide1 where town rlike '^[A-Z]'")
    both = {"LogicalOperator": "OR", "Filters": comparison("EQ", "k", "1")["Filters"] + comparison("ISNULL", "town")["Filters"]}
    yield one("Filter OR", "Filter", both, "wide1", "select * from wide1 where k = 1 or town is null")


def filled():
    for t in ("tame1", "tame3"):
        for c in ("tinyint", "smallint", "int"):
            yield Case("FillMissingValues %s %s" % (c, t), [("SelectFields", {"Paths": [["id"], [c]]}, [t]), ("FillMissingValues", {"ImputedPath": c}, [0])],
                       "select id, `{0}`, coalesce(`{0}`, (select cast(round(avg(`{0}`)) as {0}) from {1})) {0}_filled from {1}".format(c, t))
        yield Case("FillMissingValues double " + t, [("SelectFields", {"Paths": [["id"], ["double"]]}, [t]), ("FillMissingValues", {"ImputedPath": "double", "FilledPath": "d"}, [0])],
                   "select id, `double`, coalesce(`double`, (select avg(`double`) from {0})) d from {0}".format(t))
        yield Case("FillMissingValues string " + t, [("SelectFields", {"Paths": [["id"], ["g"]]}, [t]), ("FillMissingValues", {"ImputedPath": "g"}, [0])],
                   "select id, g, coalesce(nullif(g, ''), (select g from {0} where g <> '' group by g order by count(*) desc, g limit 1)) g_filled from {0}".format(t))
    for boxes, texts in (({"IsEmpty": True}, []), ({}, ["d"])):
        yield Case("DropNullFields %s %s" % (boxes, texts), [
            ("SelectFields", {"Paths": [["id"], ["g"], ["same"]]}, ["tame1"]),
            ("DropNullFields", {"NullCheckBoxList": boxes, "NullTextList": [{"Value": v, "Datatype": {"Id": "string", "Label": "String"}} for v in texts] + [{"Value": "7", "Datatype": {"Id": "int", "Label": "Int"}}]}, [0])],
            "select id, g from tame1")


def choices():
    """A column that holds numbers and texts, from JSON; Spark's side has them in two columns."""
    for t in ("string", "int", "bigint", "double", "boolean", "date", "decimal(7,2)", "tinyint"):
        casts = "cast(null as date)" if t == "date" else "cast(n as %s)" % t
        yield Case("ResolveChoice cast:" + t, [("ResolveChoice", {"Specs": [{"Path": "v", "Action": "cast:" + t}]}, ["mixed.json"]), ("SelectFields", {"Paths": [["id"], ["v"]]}, [0])],
                   "select cast(id as int) id, coalesce(%s, cast(t as %s)) v from mixed" % (casts, t))
    yield Case("ResolveChoice project:string", [("ResolveChoice", {"Specs": [{"Path": "v", "Action": "project:string"}]}, ["mixed.json"]), ("SelectFields", {"Paths": [["id"], ["v"]]}, [0])],
               "select cast(id as int) id, coalesce(cast(n as string), t) v from mixed")
    yield Case("ResolveChoice make_cols", [("ResolveChoice", {"Choice": "make_cols"}, ["mixed.json"]), ("SelectFields", {"Paths": [["id"], ["v_int"], ["v_string"]]}, [0])],
               "select cast(id as int) id, n v_int, t v_string from mixed")
    yield Case("ResolveChoice make_struct", [("ResolveChoice", {"Choice": "make_struct"}, ["mixed.json"]), ("SelectFields", {"Paths": [["id"], ["v"]]}, [0])],
               "select cast(id as int) id, case when n is not null or t is not null then named_struct('int', n, 'string', t) end v from mixed")
    yield Case("ResolveChoice inside", [("ResolveChoice", {"Specs": [{"Path": "s.w", "Action": "cast:int"}]}, ["mixed.json"]), ("SelectFields", {"Paths": [["id"], ["s"]]}, [0])],
               "select cast(id as int) id, named_struct('w', coalesce(n, cast(t as int))) s from mixed")
    yield Case("Filter a choice", [("Filter", comparison("GT", "v", "12"), ["mixed.json"]), ("SelectFields", {"Paths": [["id"]]}, [0])], "select cast(id as int) id from mixed where n > 12 or t > '12'")
    yield Case("Filter a choice with itself", [("Filter", comparison("EQ", "v", other="s.w"), ["mixed.json"]), ("SelectFields", {"Paths": [["id"]]}, [0])], "select cast(id as int) id from mixed where n is not null or t is not null")


def all_cases():
    out = [case for make in (casts, fields, aggregates, joins, rows, queries, filters, filled, choices) for case in make()]
    names = [case.name for case in out]
    assert len(names) == len(set(names)), [n for n in names if names.count(n) > 1][:5]
    return out
