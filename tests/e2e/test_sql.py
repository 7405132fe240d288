"""`nikawa sql`: queries over the catalogue's tables, as a person or a shell script asks them."""
import csv
import datetime
import decimal
import fcntl
import io
import json
import os
import pty
import random
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unicodedata
import uuid

import pytest

from conftest import binary, wait_for

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


class Sql:
    def __init__(self, server):
        self.server, self.s3, self.glue = server, server.client("s3"), server.client("glue")
        self.id = uuid.uuid4().hex[:8]
        self.bucket, self.database = "sql-" + self.id, "sql_" + self.id
        self.s3.create_bucket(Bucket=self.bucket)
        self.glue.create_database(DatabaseInput={"Name": self.database})

    def parquet(self, table, rows, types, keys=(), files=1):
        """A Parquet table; returns nothing that the query could be compared with but its rows."""
        for i in range(files):
            body = io.BytesIO()
            pq.write_table(rows.slice(i * len(rows) // files, (i + 1) * len(rows) // files - i * len(rows) // files), body)
            self.s3.put_object(Bucket=self.bucket, Key=f"{table}/{i}.parquet", Body=body.getvalue())
        self.glue.create_table(DatabaseName=self.database, TableInput={
            "Name": table, "TableType": "EXTERNAL_TABLE", "Parameters": {"classification": "parquet"},
            "StorageDescriptor": {
                "Columns": [{"Name": n, "Type": t} for n, t in types], "Location": f"s3://{self.bucket}/{table}/",
                "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"}}})

    def env(self, **more):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "NIKAWA_"))}
        return {**env, "NIKAWA_DEPS": os.environ.get("NIKAWA_DEPS", ""), **more}

    def run(self, *args, stdin=None, env=None, data=True, code=0):
        command = [binary(), "sql", *(["--data", str(self.server.data)] if data else []), *args]
        r = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, env=env or self.env())
        assert r.returncode == code, (r.returncode, r.stdout[-500:], r.stderr[-2000:])
        return r

    def json(self, query, *args):
        return json.loads(self.run("--format", "json", *args, query).stdout, parse_float=decimal.Decimal)


@pytest.fixture(scope="module")
def sql(server):
    return Sql(server)


WORDS = ["", "plain", "NULL", "a,b", 'quo"te', "line\nbreak", "日本語", "é\u0301", "🙂", " sp ", "\t", "\x1b[31mred"]


@pytest.fixture(scope="module")
def things(sql):
    """A table with a column of each kind, and its rows as Python values."""
    r = random.Random(11)
    n = 500

    def some(make):
        return [None if r.random() < 0.15 else make() for _ in range(n)]

    def day():
        return datetime.date(1969, 12, 25) + datetime.timedelta(days=r.randrange(0, 40000))

    columns = {
        "id": (pa.int64(), list(range(n))),
        "small": (pa.int8(), some(lambda: r.randrange(-128, 128))),
        "big": (pa.int64(), some(lambda: r.choice([2 ** 63 - 1, -2 ** 63, r.randrange(-10 ** 15, 10 ** 15)]))),
        "ok": (pa.bool_(), some(lambda: r.random() < 0.5)),
        "ratio": (pa.float64(), some(lambda: r.choice([0.1, -0.0, 1e300, 5e-324, float("nan"), float("inf"), r.gauss(0, 9)]))),
        "price": (pa.decimal128(20, 3), some(lambda: decimal.Decimal(r.randrange(-10 ** 15, 10 ** 15)).scaleb(-3))),
        "word": (pa.string(), some(lambda: r.choice(WORDS))),
        "day": (pa.date32(), some(day)),
        "at": (pa.timestamp("us"), some(lambda: datetime.datetime(1960, 1, 1) + datetime.timedelta(microseconds=r.randrange(10 ** 16)))),
        "list": (pa.list_(pa.int32()), some(lambda: [r.choice([None, 1, 2]) for _ in range(r.randrange(4))])),
        "box": (pa.struct([("a", pa.int32()), ("b ü", pa.string())]), some(lambda: {"a": r.choice([None, 4]), "b ü": r.choice(WORDS)})),
    }
    table = pa.table({k: pa.array(v, t) for k, (t, v) in columns.items()})
    types = [("id", "bigint"), ("small", "tinyint"), ("big", "bigint"), ("ok", "boolean"), ("ratio", "double"),
             ("price", "decimal(20,3)"), ("word", "string"), ("day", "date"), ("at", "timestamp"), ("list", "array<int>"),
             ("box", "struct<a:int,b ü:string>")]
    sql.parquet("things", table, types, files=3)
    return table.to_pylist()


def as_json(value):
    """What the value is in our JSON, read with decimals for numbers."""
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
        return decimal.Decimal("4.9E-324" if value == 5e-324 else repr(value))  # as Java: two digits at least
    if isinstance(value, datetime.datetime):
        text = value.strftime("%Y-%m-%d %H:%M:%S")
        return text + (".%06d" % value.microsecond).rstrip("0") if value.microsecond else text
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, dict):
        return {k: as_json(v) for k, v in value.items()}
    return [as_json(v) for v in value] if isinstance(value, list) else value


def test_every_value_as_json(sql, things):
    got = sql.json(f"select * from {sql.database}.things order by id")
    assert got == [{k: as_json(v) for k, v in row.items()} for row in things]


def test_every_value_as_csv(sql, things):
    out = sql.run("--format", "csv", "--database", sql.database, "select id, word, price, ok from things order by id").stdout
    rows = list(csv.reader(io.StringIO(out, newline="")))
    assert rows[0] == ["id", "word", "price", "ok"]
    assert [r[1] for r in rows[1:]] == [t["word"] or "" for t in things]
    assert [r[2] for r in rows[1:]] == ["" if t["price"] is None else str(t["price"]) for t in things]
    # an empty text is told from a null
    for line, t in zip(re.split(r"\n(?=\d+,)", out.partition("\n")[2]), things):
        if t["word"] in (None, ""):
            assert line.startswith('%d,%s' % (t["id"], ',' if t["word"] is None else '"",')), line


def width(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def test_a_table_is_aligned(sql, things):
    out = sql.run("-D", sql.database, "select word, id, small from things order by id").stdout
    head, rule, *rows = out.splitlines()
    assert len(rows) == len(things)
    cells = [r.split(" | ") for r in rows]
    shown = {w: w.replace("\n", "\\n").replace("\t", "\\t").replace("\x1b", "\\x1B") for w in WORDS}
    shown["NULL"] = "'NULL'"
    for row, t in zip(cells, things):
        assert row[0].rstrip(" ") == (shown[t["word"]] if t["word"] is not None else "NULL").rstrip(" ")
        assert row[1].strip() == str(t["id"]) and row[1].endswith(str(t["id"]))
        assert row[2].strip() == ("NULL" if t["small"] is None else str(t["small"]))
    assert {width(r) for r in rows} == {width(rule)} and set(rule) == set("-+")


def test_aggregates_agree_with_python(sql, things):
    got = sql.json("select ok, count(*) n, sum(price) s, max(day) d from things group by ok order by ok nulls first", "-D", sql.database)
    want = []
    for ok in (None, False, True):
        rows = [t for t in things if t["ok"] is ok]
        want.append({"ok": ok, "n": len(rows), "s": sum(t["price"] for t in rows if t["price"] is not None),
                     "d": max(t["day"] for t in rows if t["day"]).isoformat()})
    assert got == want


def test_joins_subqueries_and_names_of_the_query_itself(sql, things):
    got = sql.json(f"""with things as (select id, small from {sql.database}.things where small > 0), -- from nowhere
        other as (select 'from x' as text, 7 as seven)
        select count(*) n, max(seven) m from things, other where id in (select id from "{sql.database}"."things" where ok)""")
    want = [t for t in things if (t["small"] or 0) > 0 and t["ok"]]
    assert got == [{"n": len(want), "m": 7}]


def test_two_columns_of_one_name(sql):
    out = sql.run("-f", "json", "select 1 a, 2 a, 3 b, 4 a").stdout
    assert [list(pairs) for pairs in json.loads(out, object_pairs_hook=lambda p: p)] == [
        [("a", 1), ("a_1", 2), ("b", 3), ("a_2", 4)]]


def test_limits(sql, things):
    r = sql.run("-D", sql.database, "-n", "7", "--format", "json", "select id from things order by id")
    assert json.loads(r.stdout) == [{"id": i} for i in range(7)]
    assert "only the first 7 rows" in r.stderr and "--limit 0" in r.stderr
    r = sql.run("-D", sql.database, "--limit", "500", "--format", "csv", "select id from things")
    assert len(r.stdout.splitlines()) == 501 and not r.stderr
    assert len(sql.run("--format", "csv", "select * from range(30000)").stdout.splitlines()) == 30001
    assert json.loads(sql.run("-f", "json", "select 1 where false").stdout) == []


def test_the_query_from_stdin_and_the_server_from_the_environment(sql, things):
    assert sql.run("-f", "csv", stdin=f"select count(*) from {sql.database}.things;\n").stdout.split() == ["count_star()", "500"]
    s = sql.server
    env = sql.env(AWS_ENDPOINT_URL_GLUE=s.url, AWS_ENDPOINT_URL_S3=s.s3_url, AWS_ACCESS_KEY_ID=s.access_key,
                  AWS_SECRET_ACCESS_KEY=s.secret_key, AWS_REGION="us-east-1")
    out = sql.run("-f", "csv", f"select count(*) from {sql.database}.things", env=env, data=False).stdout
    assert out.split() == ["count_star()", "500"]
    out = sql.run("-f", "csv", "select 1 one", env=sql.env(NIKAWA_DATA=str(s.data)), data=False).stdout
    assert out.split() == ["one", "1"]


@pytest.mark.parametrize("query, says", [
    ("select * from {d}.thing", "did you mean {d}.things?"),
    ("select * from {d}.zzzzzzzz", "things"),
    ("select * from {d}x.things", "did you mean {d}"),
    ("select * from nothing_of_this_name", "database.table"),
    ("select nope from {d}.things", "nope"),
    ("selec 1", "selec"),
    ("select * from {d}.things where", "syntax"),
])
def test_errors_say_what_to_do(sql, things, query, says):
    r = sql.run(query.format(d=sql.database), code=1)
    assert not r.stdout and says.format(d=sql.database) in r.stderr, r.stderr
    assert "Traceback" not in r.stderr and r.stderr.startswith("nikawa: ")


def test_near_names_with_a_default_database(sql, things):
    r = sql.run("-D", sql.database, "select * from thigns", code=1)
    assert f"did you mean {sql.database}.things?" in r.stderr


def test_wrong_calls(sql, tmp_path):
    assert "--format" in sql.run("--format", "xml", "select 1", code=2).stderr
    assert "one query" in sql.run("select", "1", code=2).stderr
    assert "no query" in sql.run("-", stdin="  \n", code=2).stderr
    r = sql.run("--data", str(tmp_path), "select 1", data=False, code=1)
    assert "no server runs" in r.stderr


class Terminal:
    """The command on a terminal of its own."""

    def __init__(self, args, env, columns=120):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.process = subprocess.Popen([binary(), "sql", *args], stdin=slave, stdout=slave, stderr=slave, env={**env, "TERM": "xterm"},
                                        start_new_session=True)
        os.close(slave)
        self.text = b""

    def read(self, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    piece = os.read(self.master, 65536)
                except OSError:
                    break
                if not piece:
                    break
                self.text += piece
            elif self.process.poll() is not None:
                break
        self.process.wait(10)
        os.close(self.master)
        return self.text.decode()


def test_on_a_terminal(sql, things):
    t = Terminal(["--data", str(sql.server.data), "select 1 a, null b, 'NULL' c, repeat('x', 200) long"], sql.env())
    text = t.read()
    assert t.process.returncode == 0
    assert "\x1b[1ma" in text and "\x1b[2;3mNULL\x1b[0m" in text and "'NULL'" in text and "…" in text and "1 row" in text
    t = Terminal(["--data", str(sql.server.data), "select * from range(10003)"], sql.env())
    text = t.read()
    assert "only the first 10000 rows" in text and re.search(r"\b9999\b", text) and not re.search(r"\b10000\r?\n", text)
    t = Terminal(["--data", str(sql.server.data), "select null b"], sql.env(NO_COLOR="1"))
    assert "\x1b" not in t.read()


def test_ctrl_c_ends_a_long_query(sql, things):
    command = [binary(), "sql", "--data", str(sql.server.data),
               f"select count(*) from {sql.database}.things a, range(100000000000) where hash(range) = id"]
    p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=sql.env())

    def burns():
        return int(open(f"/proc/{p.pid}/stat").read().rpartition(")")[2].split()[11]) > 20

    wait_for(burns)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=60)
    assert (p.returncode, out) == (130, "") and "stopped" in err
