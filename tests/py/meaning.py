"""One meaning: the same question to the plan (DuckDB) and to Spark, as data.

A case is a plan over Parquet tables and a Spark SQL text written by hand that asks the same. The text is run by Sail
beside the tests, and by Apache Spark in `spark_child.py`. Rows are compared as multisets.
"""
import ast
import datetime
import decimal
import functools
import hashlib
import json
import math
import random
import struct
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq

UTC = datetime.timezone.utc
D = decimal.Decimal

# name in a plan, name in Spark SQL, Arrow type
TYPES = {
    "tinyint": pa.int8(), "smallint": pa.int16(), "int": pa.int32(), "bigint": pa.int64(), "float": pa.float32(),
    "double": pa.float64(), "decimal(7,2)": pa.decimal128(7, 2), "decimal(20,5)": pa.decimal128(20, 5),
    "decimal(38,18)": pa.decimal128(38, 18), "decimal(38,0)": pa.decimal128(38, 0), "string": pa.string(),
    "date": pa.date32(), "timestamp": pa.timestamp("us", "UTC"), "boolean": pa.bool_(),
}

TEXTS = [
    "", " ", "0", "-0", "+7", " 12 ", "007", "1.9", "-1.9", ".5", "5.", ".", "-", "+", "1e3", "1E-3", "1e400", "0x10",
    "127", "128", "-128", "-129", "32767", "32768", "2147483647", "2147483648", "-2147483649", "9223372036854775807",
    "9223372036854775808", "-9223372036854775808", "99999999999999999999", "123456789012345678901234567890.12345",
    "99999999999999999999999999999999999999", "100000000000000000000000000000000000000", "0.005", "0.004999", "2.675",
    "-0.005", "1.005", "NaN", "nan", "inf", "-inf", "Infinity", "-Infinity", "+Infinity", "1d", "1f", "1D", "2.5F",
    "true", "TRUE", "t", "yes", "y", "1", "false", "f", "no", "n", "tRuE", "on", "off", " true ", "abc", "1a", "1 2", "1,000",
    "2020", "2020-1", "2020-01", "2020-1-2", "2020-02-29", "2019-02-29", "2020-13-01", "2020-00-01", "2020-01-32",
    "1582-10-10", "1969-12-31", "0001-01-01", "9999-12-31", "10000-01-01", "-0001-01-01", "2020-01-02T03:04:05",
    "2020-01-02 03:04:05.123456", "2020-01-02 03:04:05.1234567", "2020-01-02 3:4:5", "2020-01-02 24:00:00",
    "2020-01-02 03:04", "2020-01-02 03:04:60", "2020-01-02 03:04:05Z", "2020-01-02 03:04:05+01:00", "2020-01-02 03:04:05 UTC",
    "2020-01-02 03:04:05-08", "2020-01-02T", "2020-01-02 ", "2020/01/02", "01.02.2020", "20200102", "epoch", "now",
    "ß", "𝄞", "e\u0301", "日本", "\t9\n", "\u00a09", "٣", "a\0b", "1\0", "0x1p3", "\x7f5", "1e", "e5", "-.", "..", "1_0", "１２", "1E+5", "12e-1", "1e38", "-9.995", "1e-40", "0e99",
    "000000000000000000000000000000000000000000000001.5", "1.99999999999999999999999999999999999999999999",
]
FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.1, 1e-3, 9.99e-4, 1e7, 9999999.0, 12345678.9, 1e20, -1e20, 1e38,
          1e39, 1e308, -1e308, 5e-324, 1.17e-38, 127.5, 128.0, 2147483647.0, 2147483648.0, -2147483649.0, 9.2e18, 9.3e18,
          9007199254740993.0, 1 / 3, math.pi, 123456.789, 1e16, 1e15, 123456789012345680.0, float("nan"), float("inf"), float("-inf"),
          2.0 ** 63, 99999.995, 0.005, 1.005, 2e-3, 1.1754943508222875e-38, 4.35, 1e22, 1e23]
DAYS = [datetime.date(1, 1, 1), datetime.date(1500, 2, 28), datetime.date(1582, 10, 4), datetime.date(1582, 10, 15), datetime.date(1899, 12, 31),
        datetime.date(1969, 12, 31), datetime.date(1970, 1, 1), datetime.date(2000, 2, 29), datetime.date(2024, 12, 31), datetime.date(9999, 12, 31)]
TIMES = [datetime.time(0), datetime.time(23, 59, 59, 999999), datetime.time(1, 2, 3), datetime.time(12, 0, 0, 1), datetime.time(6, 7, 8, 120000)]


def edges(name):
    """The values of a type that go wrong easily."""
    t = TYPES[name]
    if pa.types.is_integer(t):
        top = 2 ** (t.bit_width - 1)
        return sorted({v for v in (0, 1, -1, 7, -100, 127, -128, 128, 255, 256, 32767, 32768, 65536, 2 ** 31 - 1, -2 ** 31, 2 ** 31, 2 ** 32 + 5,
                                   2 ** 53 + 1, 99999, 100000, 253402300799, -62135596800, top - 1, -top) if -top <= v < top})
    if name == "float":
        return [struct.unpack("f", struct.pack("f", v))[0] if abs(v) < 3e38 or v != v or math.isinf(v) else v for v in FLOATS if not 3.4e38 < abs(v) < 1e309]
    if name == "double":
        return FLOATS
    if pa.types.is_decimal(t):
        p, s = t.precision, t.scale
        whole = ["0", "1", "-1", "0.5", "-0.5", "1.5", "2.5", "0.01", "-0.01", "127.99", "128", "-129", "99999.99", "-99999.99", "2147483648", "9223372036854775807.5", "1e20"]
        exact = [D(w) for w in whole]
        exact.append(D((0, (9,) * p, -s)))
        exact.append(D((1, (9,) * p, -s)))
        exact.append(D((0, (1,), -s)))
        out = []
        for v in exact:
            with decimal.localcontext() as c:
                c.prec = 80
                q = v.quantize(D(1).scaleb(-s))
                if q == v and len(q.as_tuple().digits) <= p:
                    out.append(q)
        return out
    if name == "string":
        return TEXTS
    if name == "date":
        return DAYS
    if name == "timestamp":
        return [datetime.datetime.combine(d, x, UTC) for d in DAYS for x in TIMES]
    return [True, False]


def some(name, r):
    """A value of a type, mostly an ordinary one."""
    t = TYPES[name]
    if r.random() < 0.3:
        return r.choice(edges(name))
    if pa.types.is_integer(t):
        top = 2 ** r.randrange(1, t.bit_width - 1)
        return r.randrange(-top, top)
    if name in ("float", "double"):
        v = r.choice([r.gauss(0, 1), r.gauss(0, 1e6), r.uniform(-1, 1) * 10.0 ** r.randrange(-30, 30), float(r.randrange(-1000, 1000))])
        return struct.unpack("f", struct.pack("f", v))[0] if name == "float" else v
    if pa.types.is_decimal(t):
        return D(r.randrange(-10 ** r.randrange(1, t.precision), 10 ** r.randrange(1, t.precision))).scaleb(-t.scale)
    if name == "string":
        return "".join(r.choice("aAbBß𝄞é \u0301İıſ0123456789.-'\"\\%_日") for _ in range(r.randrange(0, 9)))
    if name == "date":
        return datetime.date.fromordinal(r.randrange(1, 3652059))
    if name == "timestamp":
        return datetime.datetime(1, 1, 1, tzinfo=UTC) + datetime.timedelta(microseconds=r.randrange(0, 315537897599999999))
    return r.random() < 0.5


def column(name, seed, n, nulls=0.1):
    r = random.Random("%s %s" % (name, seed))
    return [None if r.random() < nulls else some(name, r) for _ in range(n)]


def short(name):
    return name.replace("(", "_").replace(",", "_").replace(")", "")


def cast_table(name, seed=1, n=120):
    """id and one column v: all edges, a null, ordinary values."""
    values = edges(name) + [None] + column(name, seed, n)
    return pa.table({"id": pa.array(range(len(values)), pa.int64()), "v": pa.array(values, TYPES[name])})


def wide_table(seed, n):
    """A column of each type called c_TYPE, a small key, a struct and arrays."""
    r = random.Random(seed)
    columns = {"id": pa.array(range(n), pa.int64()), "k": pa.array([r.choice([None, 0, 1, 2, 3]) for _ in range(n)], pa.int32()),
               "town": pa.array([r.choice([None, "", "Oslo", "oslo", "Łódź", "Kyōto", "ß", "ss", "𝄞", "e\u0301", "é"]) for _ in range(n)], pa.string())}
    for name in TYPES:
        columns["c_" + short(name)] = pa.array(column(name, seed, n), TYPES[name])
    point = pa.struct([("x", pa.int32()), ("y", pa.string()), ("deep", pa.struct([("z", pa.float64())]))])
    columns["s"] = pa.array([r.choice([None, {"x": r.randrange(3), "y": r.choice("ab"), "deep": r.choice([None, {"z": 0.5}])}]) for _ in range(n)], point)
    columns["l"] = pa.array([r.choice([None, [], [r.randrange(3), None]]) for _ in range(n)], pa.list_(pa.int64()))
    columns["ls"] = pa.array([r.choice([None, [], [{"x": r.randrange(3), "y": None, "deep": None}, None]]) for _ in range(n)], pa.list_(point))
    columns["m"] = pa.array([r.choice([None, [], [("a", r.randrange(3))]]) for _ in range(n)], pa.map_(pa.string(), pa.int32()))
    columns["none"] = pa.array([None] * n, pa.string())
    return pa.table(columns)


def tame_table(seed, n):
    """Numbers whose sums neither overflow nor cancel, so that the order of adding does not matter."""
    r = random.Random(seed)

    def maybe(v):
        return None if r.random() < 0.1 else v

    return pa.table({
        "id": pa.array(range(n), pa.int64()), "g": pa.array([maybe(r.choice(["a", "b", "c", "d ", "ß"])) for _ in range(n)]),
        "tinyint": pa.array([maybe(r.randrange(1, 100)) for _ in range(n)], pa.int8()),
        "smallint": pa.array([maybe(r.randrange(1, 30000)) for _ in range(n)], pa.int16()),
        "int": pa.array([maybe(r.randrange(1, 2 ** 31)) for _ in range(n)], pa.int32()),
        "bigint": pa.array([maybe(r.randrange(1, 2 ** 50)) for _ in range(n)], pa.int64()),
        "float": pa.array([maybe(float(r.randrange(1, 1 << 20)) / 8) for _ in range(n)], pa.float32()),
        "double": pa.array([maybe(r.uniform(1, 1000)) for _ in range(n)], pa.float64()),
        "decimal_7_2": pa.array([maybe(D(r.randrange(-9999999, 9999999)).scaleb(-2)) for _ in range(n)], pa.decimal128(7, 2)),
        "decimal_20_5": pa.array([maybe(D(r.randrange(-10 ** 20 + 1, 10 ** 20)).scaleb(-5)) for _ in range(n)], pa.decimal128(20, 5)),
        "decimal_38_18": pa.array([maybe(D(r.randrange(-10 ** 30, 10 ** 30)).scaleb(-18)) for _ in range(n)], pa.decimal128(38, 18)),
        "string": pa.array([maybe(r.choice(["1", "2.5", "x", "", "ß", "é", "Z"])) for _ in range(n)]),
        "date": pa.array([maybe(r.choice(DAYS)) for _ in range(n)], pa.date32()),
        "timestamp": pa.array([maybe(datetime.datetime.combine(r.choice(DAYS), r.choice(TIMES), UTC)) for _ in range(n)], pa.timestamp("us", "UTC")),
        "boolean": pa.array([maybe(r.random() < 0.5) for _ in range(n)]),
        "wild": pa.array([maybe(r.choice([1.0, 2.0, float("nan"), float("inf"), -0.0, 0.0])) for _ in range(n)], pa.float64()),
        "same": pa.array([7] * n, pa.int32()),
        "huge": pa.array([maybe(r.choice([2 ** 63 - 1, 2 ** 62, -2 ** 63, 5])) for _ in range(n)], pa.int64()),
    })


def tables():
    """name: table. Made anew for each run, the same each time."""
    out = {"cast_" + short(n): cast_table(n) for n in TYPES}
    for seed, n in ((1, 300), (2, 7), (3, 2500)):
        out["wide%d" % seed] = wide_table(seed, n)
        out["tame%d" % seed] = tame_table(seed, n)
    out["wide4"] = wide_table(4, 60)
    out["empty"] = wide_table(1, 0)
    return out


def mixed():
    """Values of two types: (id, number, text), one of the two or neither."""
    r = random.Random(7)
    texts = ["a", "", "12", " 7 ", "1.5", "true", "2020-02-29", "99999999999", "-0", "ß"]
    return [(i, *r.choice([(r.randrange(-2 ** 31, 2 ** 31), None), (None, r.choice(texts)), (None, None)])) for i in range(200)]


def write(folder):
    for name, table in tables().items():
        pq.write_table(table, folder / (name + ".parquet"))
    rows = mixed()
    pq.write_table(pa.table({"id": pa.array([r[0] for r in rows], pa.int64()), "n": pa.array([r[1] for r in rows], pa.int32()), "t": pa.array([r[2] for r in rows], pa.string())}),
                   folder / "mixed.parquet")
    lines = [{"id": i, "v": n if n is not None else t, "s": {"w": t if t is not None else n}} for i, n, t in rows]
    (folder / "mixed.json").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


# ---- cases ----


class Case:
    """nodes: [(kind, options, [input, …])], inputs being tables' names or positions of earlier nodes; the last one is
    asked. reads_back: digits of floats, which Java 17 writes longer than needed, are compared by what they read back as, of
    this type."""

    def __init__(self, name, nodes, spark, reads_back=None):
        self.name, self.nodes, self.spark, self.reads_back = name, nodes, spark, reads_back


def one(name, kind, options, source, spark, **more):
    return Case(name, [(kind, options, [source] if isinstance(source, str) else list(source))], spark, **more)


def mapping(*rows):
    return {"Mapping": [{"FromPath": f.split("."), "FromType": ft, "ToKey": t, "ToType": tt} for f, ft, t, tt in rows]}


# ---- comparing ----


def plain(v):
    """Such that equal values are equal: NaN is NaN, -0.0 is 0.0, doubles to twelve digits, a map is its pairs."""
    if isinstance(v, float):
        if math.isnan(v):
            return "NaN"
        return str(v) if math.isinf(v) else 0.0 if v == 0 else float("%.11e" % v)
    if isinstance(v, D):
        text = format(v, "f")
        return "decimal " + (text.rstrip("0").rstrip(".") if "." in text else text) if v else "decimal 0"
    if isinstance(v, dict):
        return tuple((k, plain(x)) for k, x in v.items())
    if isinstance(v, (list, tuple)):
        return tuple(plain(x) for x in v)
    if isinstance(v, datetime.datetime):
        return v.replace(tzinfo=None).isoformat()
    return v.isoformat() if isinstance(v, datetime.date) else v


def kind(t):
    """An Arrow type as Spark sees it."""
    if pa.types.is_timestamp(t):
        return "timestamp"
    if pa.types.is_large_string(t) or pa.types.is_null(t):
        return "string"
    if pa.types.is_large_binary(t):
        return "binary"
    if pa.types.is_struct(t):
        return "struct<%s>" % ",".join("%s:%s" % (t.field(i).name, kind(t.field(i).type)) for i in range(t.num_fields))
    if pa.types.is_map(t):
        return "map<%s,%s>" % (kind(t.key_type), kind(t.item_type))
    if pa.types.is_list(t) or pa.types.is_large_list(t):
        return "list<%s>" % kind(t.value_type)
    return str(t)


def values(column):
    """A column's values; times as numbers, since Python's end in the year 9999."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
    elif pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    return column.to_pylist()


def bag(table, reads_back):
    rows = zip(*[values(c) for c in table.columns])
    if reads_back:
        rows = ((i, v if v is None else struct.unpack(reads_back, struct.pack(reads_back, float(v)))) for i, v in rows)
    return Counter(repr(tuple(plain(v) for v in row)) for row in rows)


def differences(got, want, reads_back=None):
    """Lines that say how two tables differ as multisets of rows; none when they do not."""
    out = []
    left, right = ["%s %s" % (f.name, kind(f.type)) for f in got.schema], ["%s %s" % (f.name, kind(f.type)) for f in want.schema]
    if left != right:
        out.append("columns %s, wanted %s" % ([x for x in left if x not in right] or left, [x for x in right if x not in left] or right))
    a, b = bag(got, reads_back), bag(want, reads_back)
    here, there = sorted((a - b).elements()), sorted((b - a).elements())
    if len(here) == len(there):  # a double may have been rounded to either side of the twelfth digit
        pairs = [(x, y) for x, y in zip(here, there) if not close(ast.literal_eval(x), ast.literal_eval(y))]
        here, there = [x for x, _ in pairs], [y for _, y in pairs]
    for word, rows in (("only here: ", here), ("only Spark:", there)):
        out += ["%s %s" % (word, row) for row in rows[:40]]
    return out


def close(a, b):
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-11)  # both have been cut to twelve digits
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(close, a, b))
    return a == b


@functools.cache
def _data():
    return hashlib.sha1(repr([(n, t.to_pylist()) for n, t in tables().items()]).encode()).digest()


def key(case):
    """A name for the question and the data it is asked of."""
    return hashlib.sha1(_data() + case.spark.encode()).hexdigest()


def dump(cases):
    return json.dumps({key(c): c.spark for c in cases})
