"""GetPartitions' Expression against an evaluator of its own in Python: random tables, partitions and expressions.

The seed is printed by a failing test; NIKAWA_TEST_SEED repeats it."""
import datetime
import os
import random
import re
import uuid
from decimal import Decimal

import pytest
from botocore.exceptions import ClientError

HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
SEED = int(os.environ.get("NIKAWA_TEST_SEED") or random.SystemRandom().randrange(10**9))
INTS = {"tinyint", "smallint", "int", "bigint", "long"}
TEXTS = {"string", "char(9)", "varchar(40)"}
WORDS = ["", "a", "A", "ab", "abc", "a%", "a_c", "it's", "b\\c", "zz", "é", "日本", "😀", "10", "9", "2020", "x y", "null", "-", HIVE_NULL]
DAYS = ["1969-12-31", "1970-01-01", "2000-02-29", "2023-12-31", "2024-01-01", "2024-02-29", "9999-12-31"]
STAMPS = ["1969-12-31 23:59:59.5", "1970-01-01 00:00:00", "2024-02-29 12:00:00", "2024-02-29 12:00:00.000001",
          "2024-02-29 12:00:00.123456789", "2024-02-29 12:00:01"]
DECIMALS = ["-100", "-1.55", "-1.50", "-1.5", "-1", "-0.05", "0", "0.00", "0.05", "1.5", "01.50", "2", "10", "99.99", "123456789012345678901234.5"]


def value(chance, type):
    """A partition value as text; now and then one that is none of its type."""
    if type in TEXTS:
        return chance.choice(WORDS[1:])
    if chance.random() < 0.1:
        return chance.choice([HIVE_NULL, "x", "1x", "2024-02-30", " 1"])
    if type in INTS:
        return chance.choice([str(chance.randint(-30, 30)), "007", "+5", "9223372036854775807"])
    return chance.choice(DECIMALS if type.startswith("decimal") else DAYS if type == "date" else STAMPS)


def read(type, text):
    """The value as Python orders it; None when the text is none of the type."""
    if type in TEXTS:
        return text.encode()
    try:
        if type in INTS:
            return int(text) if re.fullmatch(r"[+-]?\d+", text) else None
        if type.startswith("decimal"):
            return Decimal(text) if re.fullmatch(r"[+-]?\d+(\.\d+)?", text) else None
        if type == "date":
            return datetime.date.fromisoformat(text).toordinal() if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
        m = re.fullmatch(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?)?", text)
        if not m:
            return None
        moment = datetime.datetime.fromisoformat(f"{m[1]} {m[2] or '00:00:00'}")
        whole = (moment - datetime.datetime(1970, 1, 1)) // datetime.timedelta(seconds=1)
        return whole * 10**9 + int((m[3] or "").ljust(9, "0"))
    except ValueError:
        return None


def quoted(s):
    return "'" + s.replace("'", "''") + "'"


def literal(chance, type):
    """(text in the expression, the value it stands for or None for NULL)"""
    if chance.random() < 0.03:
        return "NULL", None
    while True:
        text = value(chance, type)
        v = read(type, text)
        if v is not None:
            break
    number = re.fullmatch(r"-?\d+(\.\d+)?", text)
    if type in TEXTS:  # a bare number stands for its own text
        return (text if re.fullmatch(r"\d+", text) and chance.random() < 0.5 else quoted(text)), v
    if type in ("date", "timestamp") and chance.random() < 0.3:
        return f"{type} {quoted(text)}", v
    return (text if number and chance.random() < 0.6 else quoted(text)), v


def like(pattern, escape):
    out, i = "", 0
    while i < len(pattern):
        c = pattern[i]
        if escape and c == escape and i + 1 < len(pattern):
            i += 1
            out += re.escape(pattern[i])
        else:
            out += ".*" if c == "%" else "." if c == "_" else re.escape(c)
        i += 1
    return re.compile(out, re.S)


def no(x):
    return None if x is None else not x


def column(chance, name):
    return chance.choice([name, name.upper(), f'"{name}"', f"`{name}`"])


def leaf(chance, keys):
    """(text, function of a partition's values giving True, False or None)"""
    i = chance.randrange(len(keys))
    name, type = keys[i]
    col, text = column(chance, name), type in TEXTS
    get = lambda vals: read(type, vals[i])  # noqa: E731
    kind = chance.choice(["cmp", "cmp", "cmp", "in", "between", "null", "like" if text else "cmp"])
    negated = chance.random() < 0.3
    word = "NOT " if negated else ""
    if kind == "null":
        absent = lambda vals: get(vals) is None or (text and vals[i] == HIVE_NULL)  # noqa: E731
        return f"{col} IS {word}NULL", lambda vals: absent(vals) != negated
    if kind == "like":
        pattern = "".join(chance.choice(["%", "%", "_", "a", "b", "c", "\\", "é", "0", "2", "!"]) for _ in range(chance.randint(0, 4)))
        escape = chance.choice([None, None, "!", "\\"])
        # A lone escape at the end has no meaning worth fixing.
        if escape and pattern.endswith(escape):
            pattern += "a"
        match = like(pattern, escape)
        tail = f" ESCAPE {quoted(escape)}" if escape else ""
        return f"{col} {word}LIKE {quoted(pattern)}{tail}", lambda vals: (match.fullmatch(vals[i]) is not None) != negated
    if kind == "in":
        items = [literal(chance, type) for _ in range(chance.randint(1, 5))]

        def among(vals):
            v = get(vals)
            if v is None:
                return None
            if any(x is not None and v == x for _, x in items):
                return not negated
            return None if any(x is None for _, x in items) else negated

        return f"{col} {word}IN ({', '.join(t for t, _ in items)})", among
    if kind == "between":
        (lo_text, lo), (hi_text, hi) = literal(chance, type), literal(chance, type)

        def between(vals):
            v = get(vals)
            if v is None:
                return None
            low = None if lo is None else v >= lo
            high = None if hi is None else v <= hi
            both = False if low is False or high is False else None if low is None or high is None else True
            return no(both) if negated else both

        return f"{col} {word}BETWEEN {lo_text} AND {hi_text}", between
    sign, test = chance.choice([("=", lambda a, b: a == b), ("<>", lambda a, b: a != b), ("!=", lambda a, b: a != b), ("<", lambda a, b: a < b),
                                ("<=", lambda a, b: a <= b), (">", lambda a, b: a > b), (">=", lambda a, b: a >= b)])
    lit, x = literal(chance, type)
    if chance.random() < 0.1:
        mirror = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(sign, sign)
        shown = f"{lit} {mirror} {col}"
    else:
        shown = f"{col}{chance.choice(['', ' '])}{sign}{chance.choice(['', ' '])}{lit}"
    return shown, lambda vals: None if get(vals) is None or x is None else test(get(vals), x)


def expression(chance, keys, depth):
    if depth == 0 or chance.random() < 0.3:
        return leaf(chance, keys)
    kind = chance.choice(["and", "and", "or", "not"])
    if kind == "not":
        text, f = expression(chance, keys, depth - 1)
        return f"NOT ({text})", lambda vals: no(f(vals))
    parts = [expression(chance, keys, depth - 1) for _ in range(chance.randint(2, 3))]
    stop = kind == "or"

    def chain(vals):
        got = [f(vals) for _, f in parts]
        return stop if stop in got else None if None in got else not stop

    return chance.choice([" AND ", " and "] if kind == "and" else [" OR ", "\nOr "]).join(f"({t})" for t, _ in parts), chain


def table(g, chance, keys, partitions):
    db = "x" + uuid.uuid4().hex[:10]
    g.create_database(DatabaseInput={"Name": db})
    g.create_table(DatabaseName=db, TableInput={"Name": "t", "PartitionKeys": [{"Name": n, "Type": t} for n, t in keys],
                                                "StorageDescriptor": {"Columns": [{"Name": "a", "Type": "int"}]}})
    values = {tuple(value(chance, t) for _, t in keys) for _ in range(partitions)}
    rows = [{"Values": list(v)} for v in values]
    for i in range(0, len(rows), 100):
        assert g.batch_create_partition(DatabaseName=db, TableName="t", PartitionInputList=rows[i:i + 100])["Errors"] == []
    return db, sorted(values)


def listed(g, db, text, **more):
    out, token = [], {}
    while True:
        page = g.get_partitions(DatabaseName=db, TableName="t", Expression=text, **token, **more)
        out += [tuple(p["Values"]) for p in page["Partitions"]]
        if "NextToken" not in page:
            return out
        token = {"NextToken": page["NextToken"]}


KEYS = {
    "mixed": [("year", "int"), ("month", "string"), ("day", "date")],
    "texts": [("a", "string"), ("b", "varchar(40)"), ("c", "char(9)")],
    "numbers": [("d", "decimal(30,2)"), ("s", "smallint"), ("l", "bigint")],
    "times": [("date", "date"), ("timestamp", "timestamp")],
    "one": [("k", "long")],
    "ten": [(f"k{i}", t) for i, t in enumerate(["int", "string", "date", "tinyint", "decimal(5,1)", "string", "int", "string", "int", "string"])],
}


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
def test_random_expressions(bare_glue, keys):
    chance = random.Random(f"{SEED} {keys}")
    db, values = table(bare_glue, chance, keys, 400)
    asked = 0
    while asked < 120:
        text, f = expression(chance, keys, chance.randint(0, 3))
        if len(text) > 2048:
            continue
        asked += 1
        want = [v for v in values if f(v) is True]
        more = {"MaxResults": chance.choice([1, 7, 50])} if chance.random() < 0.2 and len(want) < 100 else {}
        got = listed(bare_glue, db, text, **more)
        assert len(got) == len(set(got)), (SEED, text)
        assert sorted(got) == want, (SEED, text, sorted(set(got) ^ set(want))[:5])
    bare_glue.delete_database(Name=db)


def test_refusals_are_awss(bare_glue):
    keys = [("y", "int"), ("s", "string"), ("d", "date"), ("n", "decimal(4,1)"), ("t", "timestamp"), ("f", "double")]
    db, _ = table(bare_glue, random.Random(1), keys[:5] + [("f", "string")], 1)
    bare_glue.update_table(DatabaseName=db, TableInput={"Name": "t", "PartitionKeys": [{"Name": n, "Type": t} for n, t in keys]})
    for text, says in {
        "x = 1": "Invalid partition expression!",
        "y = 'abc'": '"abc" is not an integer.',
        "y = 1.5": '"1.5" is not an integer.',
        "n = 'abc'": "abc is not a decimal.",
        "d = 'abc'": "abc is not a date.",
        "d > '2023-02-29'": "2023-02-29 is not a date.",
        "t = 'abc'": "Timestamp format must be yyyy-mm-dd hh:mm:ss[.fffffffff]",
        "f = 1": "Unknown type : 'double'",
        "y LIKE '1%'": "Integral data type doesn't support operation 'LIKE'",
        "d LIKE '1%'": "Date data type doesn't support operation 'LIKE'",
        "n LIKE '1%'": "Decimal data type doesn't support operation 'LIKE'",
        "t LIKE '1%'": "Timestamp data type doesn't support operation 'LIKE'",
        "y": "Unsupported expression 'y'",
        "y = s": "Unsupported expression 'y = s'",
        "1 = 1": "Unsupported expression",
        "y =": "Unsupported expression",
        "y = 1 AND": "Unsupported expression",
        "upper(s) = 'A'": "Unsupported expression",
        "y + 1 = 2": "Unsupported expression",
        "s = 'a": "not closed",
        "y IN (SELECT 1)": "Unsupported expression",
        "y = 1; DROP TABLE t": "Unsupported expression",
    }.items():
        with pytest.raises(ClientError) as e:
            bare_glue.get_partitions(DatabaseName=db, TableName="t", Expression=text)
        assert e.value.response["Error"]["Code"] == "InvalidInputException", text
        assert says in e.value.response["Error"]["Message"], (text, e.value.response["Error"])
    for empty in ("", "   "):
        assert len(listed(bare_glue, db, empty)) == 1
    with pytest.raises(ClientError):
        bare_glue.get_partitions(DatabaseName=db, TableName="t", Expression="y = 1" + " " * 2048)
    deep = "(" * 480 + "y = 1" + ")" * 480
    listed(bare_glue, db, deep)
    nested = "y=1"
    while len(nested) < 2000:
        nested = f"y=2or(y=3and({nested}))"
    listed(bare_glue, db, nested[:] if len(nested) <= 2048 else "y=1")
