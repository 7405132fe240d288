"""The run's Spark engine: started late, handed rows as Arrow, ended with the run, its death told."""

import datetime
import decimal
import os
import subprocess
import sys
import tempfile
import textwrap
import time

import pytest

pa = pytest.importorskip("pyarrow")
pytest.importorskip("pysail")

UTC = datetime.timezone.utc


class Rows:
    """A node that has rows."""

    def __init__(self, table):
        self.table = table

    def arrow(self):
        return self.table


@pytest.fixture(scope="module")
def run():
    from nikawa import runtime

    yield runtime.begin({"region": "us-east-1"})
    runtime.end()


def everything():
    """Values that get lost easily: nulls, NaN, extremes, other scripts, nesting, times before 1970."""
    return pa.table({
        "i": pa.array([1, None, -2**31], pa.int32()),
        "l": pa.array([2**63 - 1, None, -2**63], pa.int64()),
        "f": pa.array([1.5, float("nan"), None], pa.float32()),
        "d": pa.array([float("-inf"), float("nan"), None]),
        "s": pa.array(["ü𝄞\n\"", None, ""]),
        "ls": pa.array(["a", None, "b"], pa.large_string()),
        "bin": pa.array([b"\0\xff", None, b""]),
        "dec": pa.array([decimal.Decimal("9" * 34 + ".9999"), None, decimal.Decimal("-0.0001")],
                        pa.decimal128(38, 4)),
        "dt": pa.array([datetime.date(1, 1, 1), None, datetime.date(9999, 12, 31)]),
        "ts": pa.array([datetime.datetime(1969, 12, 31, 23, 59, 59, 999999), None,
                        datetime.datetime(2020, 2, 29)], pa.timestamp("us")),
        "tz": pa.array([datetime.datetime(2020, 3, 29, 1, tzinfo=UTC), None,
                        datetime.datetime(1900, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC")),
        "bo": pa.array([True, None, False]),
        "choice": pa.array([{"int": 1, "string": None}, {"int": None, "string": "x"}, None],
                           pa.struct([("int", pa.int32()), ("string", pa.string())])),
        "deep": pa.array([[{"x": 1, "y": ["a", None]}], [], None],
                         pa.list_(pa.struct([("x", pa.int64()), ("y", pa.list_(pa.string()))]))),
        "map": pa.array([[("k", 1.0)], [], None], pa.map_(pa.string(), pa.float64())),
        "nothing": pa.nulls(3),
    })


def same(a, b):
    """Equal, NaN being equal to NaN."""
    return repr(a) == repr(b)


@pytest.mark.parametrize("inline_max", [1 << 20, 0], ids=["inline", "by file"])
def test_round_trip(run, monkeypatch, inline_max):
    from nikawa import frames

    monkeypatch.setattr(frames, "INLINE_BYTES_MAX", inline_max)
    table = everything()
    dataframe = frames.to_spark(Rows(table))
    assert dict(dataframe.dtypes)["choice"] == "struct<int:int,string:string>"
    assert dict(dataframe.dtypes)["ts"] == "timestamp"
    back = pa.RecordBatchReader.from_stream(frames.from_spark(dataframe)).read_all()
    wanted = table.cast(pa.schema([frames._spark_field(f) for f in table.schema]))
    assert back.schema.names == table.schema.names
    for name in table.schema.names:
        assert same(back[name].to_pylist(), wanted[name].to_pylist()), name


def test_no_rows(run):
    from nikawa import frames

    dataframe = frames.to_spark(Rows(everything().slice(0, 0)))
    assert dataframe.count() == 0 and len(dataframe.columns) == 16
    back = pa.RecordBatchReader.from_stream(frames.from_spark(dataframe)).read_all()
    assert back.num_rows == 0 and back.schema.names == dataframe.columns


def test_many_rows_in_batches(run):
    from nikawa import frames

    n = 700_000
    table = pa.table({"a": pa.array(range(n)), "s": pa.array(["é%d" % i for i in range(n)])})
    dataframe = frames.to_spark(Rows(table)).filter("a % 7 = 3")
    stream = frames.from_spark(dataframe)
    wanted = sum(i for i in range(n) if i % 7 == 3)
    for _ in range(2):  # a stream may be asked for again
        total = batches = 0
        for batch in pa.RecordBatchReader.from_stream(stream):
            batches += 1
            total += sum(batch.column(0).to_pylist())
        assert total == wanted and batches > 1


def test_unsigned_numbers_widen(run):
    from nikawa import frames

    table = pa.table({"a": pa.array([255], pa.uint8()), "b": pa.array([2**32 - 1], pa.uint32()),
                      "c": pa.array([2**64 - 1], pa.uint64())})
    row = frames.to_spark(Rows(table)).collect()[0]
    assert (row.a, row.b, row.c) == (255, 2**32 - 1, 2**64 - 1)


def test_ansi_is_off_and_udfs_run(run):
    from nikawa import spark

    session = spark.lazy_session()
    row = session.sql("select cast('x' as int) a, 1/0 b").collect()[0]
    assert row.a is None and row.b is None
    from pyspark.sql import functions as F

    triple = F.udf(lambda x: None if x is None else x * 3, "long")
    rows = session.range(3).select(triple("id").alias("t")).collect()
    assert [r.t for r in rows] == [0, 3, 6]


def test_a_udf_error_names_the_error(run):
    from nikawa import spark
    from pyspark.sql import functions as F

    fail = F.udf(lambda x: {}["no such key"], "long")
    with pytest.raises(Exception, match="no such key"):
        spark.lazy_session().range(3).select(fail("id")).collect()


def test_a_path_that_is_not_there(run, tmp_path):
    from nikawa import spark
    from pyspark.errors import AnalysisException

    session = spark.lazy_session()
    for read in (lambda p: session.read.csv(p), lambda p: session.read.format("json").load(p),
                 lambda p: session.read.parquet("file://" + p)):
        with pytest.raises(AnalysisException, match="PATH_NOT_FOUND.*nothing"):
            read(str(tmp_path / "nothing"))
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    assert session.read.csv(str(tmp_path / "*.csv"), header=True).collect()[0].y == "2"
    assert session.read.option("header", "true").csv([str(tmp_path / "a.csv")]).count() == 1


def test_from_df_wants_a_dataframe(run):
    from nikawa import frames

    with pytest.raises(TypeError, match="list"):
        frames.from_spark([1, 2])


# ---- in processes of their own ----


def script(text, **env):
    """Runs a script as a worker would; gives (exit code, stdout, stderr)."""
    code = "from nikawa import runtime\nTEXT = %r\nruntime.begin({}, script=TEXT)\nexec(TEXT)\n" % (
        textwrap.dedent(text))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "script.py")
        with open(path, "w") as f:
            f.write(code)
        done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=120,
                              env={**os.environ, **env,
                                   "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}, cwd=folder)
    return done.returncode, done.stdout, done.stderr


def test_header_starts_nothing():
    code, out, err = script("""
        from pyspark.context import SparkContext
        from pyspark import SparkContext as Same
        from awsglue.context import GlueContext
        from awsglue.job import Job
        assert SparkContext is Same
        sc = SparkContext.getOrCreate()
        sc.setLogLevel("ERROR")
        glue = GlueContext(sc)
        spark = glue.spark_session
        spark.conf.set("a.b", "c")
        assert spark.conf.get("a.b") == "c" and spark.sparkContext is sc
        Job(glue).init("j")
        from nikawa import spark as side
        print(side.is_open(), side._sail)
    """)
    assert (code, out) == (0, "False None\n"), err


def test_builder_gives_the_runs_session():
    code, out, err = script("""
        from pyspark.sql import SparkSession
        spark = SparkSession.builder.appName("x").config("k.l", "m").getOrCreate()
        assert isinstance(spark, SparkSession)
        assert SparkSession.getActiveSession() is None
        print(spark.range(3).count(), spark.conf.get("k.l"))
        assert SparkSession.getActiveSession() is not None
    """)
    assert (code, out) == (0, "3 m\n"), err


def test_settings_of_the_job_reach_the_session():
    code, out, err = script("""
        import sys
        sys.argv += ["--conf", "spark.sql.a=1 --conf spark.sql.b=x=y --conf spark.executor.cores=2"]
        from pyspark import SparkConf, SparkContext
        from awsglue.context import GlueContext
        sc = SparkContext(conf=SparkConf().set("spark.sql.c", "3"))
        assert sc.getConf().get("spark.sql.c") == "3"
        conf = GlueContext(sc).spark_session.conf
        conf.set("spark.sql.b", "mine")
        print(conf.get("spark.sql.a"), conf.get("spark.sql.b"), conf.get("spark.sql.c"))
    """)
    assert (code, out) == (0, "1 mine 3\n"), err


@pytest.mark.parametrize("line,word", [
    ("sc.parallelize([1])", "SparkContext.parallelize"),
    ("sc.textFile('x')", "SparkContext.textFile"),
    ("sc._jsc.sc()", "_jsc.sc"),
    ("spark.range(1).rdd", "DataFrame.rdd"),
])
def test_what_needs_spark_itself_says_so(line, word):
    code, out, err = script("""
        from pyspark.context import SparkContext
        from awsglue.context import GlueContext
        sc = SparkContext.getOrCreate()
        spark = GlueContext(sc).spark_session
        %s
    """ % line)
    last = err.strip().splitlines()[-1]
    assert code == 1 and last.startswith("NotImplementedError") and word in last
    assert "--engine spark" in last


def test_tables_are_not_lost_silently():
    code, out, err = script("""
        from awsglue.context import GlueContext
        spark = GlueContext().spark_session
        for call in (lambda w: w.saveAsTable("a.b"), lambda w: w.mode("append").insertInto("a.b")):
            try:
                call(spark.range(1).write)
            except NotImplementedError as e:
                print("getSink" in str(e))
        print(spark.catalog.tableExists("a.b"), spark.catalog.listTables(), spark.sql("show tables").count())
    """)
    assert (code, out) == (0, "True\nTrue\nFalse [] 0\n"), err


def test_a_udf_that_kills_its_process():
    began = time.monotonic()
    code, out, err = script("""
        from pyspark.sql import SparkSession, functions as F
        import os
        spark = SparkSession.builder.getOrCreate()
        print(spark.range(2).count())
        spark.range(2).select(F.udf(lambda x: os.kill(os.getpid(), 9), "int")("id")).show()
    """)
    last = err.strip().splitlines()[-1]
    assert code == 1 and out == "2\n"
    assert "SparkEngineError" in last and "SIGKILL" in last
    assert time.monotonic() - began < 60  # the client alone would try for ten minutes


def test_a_udf_that_exits():
    code, out, err = script("""
        from pyspark.sql import SparkSession, functions as F
        import os
        spark = SparkSession.builder.getOrCreate()
        spark.range(2).select(F.udf(lambda x: os._exit(7), "int")("id")).collect()
    """)
    assert code == 1 and "exited with code 7" in err.strip().splitlines()[-1]


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("ending", ["", "import os; os.kill(os.getpid(), 9)", "import os; os._exit(3)"])
def test_the_engine_ends_with_the_run(ending):
    code, out, err = script("""
        from nikawa import spark
        spark.lazy_session().range(1).count()
        print(spark._sail.process.pid, flush=True)
        %s
    """ % ending)
    pid = int(out)
    until = time.monotonic() + 20
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive(pid)


def test_endless_udf_ends_with_the_run():
    code, out, err = script("""
        import os, threading, time
        from nikawa import spark
        from pyspark.sql import functions as F
        def forever(x):
            while True:
                pass
        session = spark.lazy_session()
        query = session.range(1).select(F.udf(forever, "int")("id"))
        threading.Thread(target=query.collect, daemon=True).start()
        time.sleep(1)
        print(spark._sail.process.pid, flush=True)
        os._exit(0)
    """)
    pid = int(out)
    until = time.monotonic() + 20
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive(pid)


def test_native_engine_refuses_spark():
    from nikawa import runtime, spark

    code, out, err = script("""
        from nikawa import runtime, spark
        runtime.begin({}, engine="native")
        spark.lazy_session().range(1)
    """)
    assert code == 1 and "native" in err.strip().splitlines()[-1]


def test_prewarm_guess():
    from nikawa.spark import _USES_SPARK

    for text in ("df = f.toDF()", "spark.sql('x')", "DynamicFrame.fromDF(x, g)",
                 "SparkSession.builder", "spark . read.csv('x')"):
        assert _USES_SPARK.search(text), text
    for text in ("spark = glueContext.spark_session", "from pyspark.context import SparkContext"):
        assert not _USES_SPARK.search(text), text


def test_forked_preload_has_one_thread():
    code, out, err = script("""
        import os
        from nikawa import runtime
        runtime.preload()
        print(len(os.listdir("/proc/self/task")))
    """)
    assert (code, out) == (0, "1\n"), err
