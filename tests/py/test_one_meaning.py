"""A plan gives the same rows on the embedded engine, on Sail and, with NIKAWA_SPARK=1, on Apache Spark."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
pytest.importorskip("pyarrow")
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from meaning import differences, dump, key, write  # noqa: E402
from meaning_cases import all_cases  # noqa: E402
from test_engine import EXTENSION, glue  # noqa: E402, F401

CASES = all_cases()
DEPS = Path(os.environ.get("NIKAWA_DEPS") or Path.home() / ".cache/nikawa")
SPARK = DEPS / "venv/bench/bin/python"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    write(folder)
    return folder


class Native:
    def __init__(self, folder):
        from nikawa import runtime

        self.engine, self.folder, self.sources = runtime.engine(), folder, {}

    def source(self, name):
        if name not in self.sources:  # "x.json", or a table's name
            kind, file = ("S3JsonSource", name) if name.endswith(".json") else ("S3ParquetSource", name + ".parquet")
            self.sources[name] = self.engine.node(kind, name, json.dumps({"Paths": [str(self.folder / file)]}), [])
        return self.sources[name]

    def rows(self, case):
        nodes = []
        for kind, options, inputs in case.nodes:
            ins = [nodes[i] if isinstance(i, int) else self.source(i) for i in inputs]
            if kind == "Join":
                options = {"Inputs": ["0", "1"], **options}
            nodes.append(self.engine.node(kind, "", json.dumps(options), ins))
        return pa.RecordBatchReader.from_stream(nodes[-1].arrow()).read_all()


@pytest.fixture(scope="module")
def native(glue, folder):  # noqa: F811
    return Native(folder)


@pytest.fixture(scope="module")
def sail(glue, folder):  # noqa: F811
    from nikawa import spark

    session = spark.session()
    for path in folder.glob("*.parquet"):
        session.read.parquet("file://" + str(path)).createOrReplaceTempView(path.stem)
    return session


@pytest.fixture(scope="module")
def spark(folder, tmp_path_factory):
    """Case's name: its rows on Apache Spark."""
    if not os.environ.get("NIKAWA_SPARK"):
        pytest.skip("Apache Spark is asked with NIKAWA_SPARK=1 (SUITE=spark)")
    if not SPARK.exists():
        pytest.skip("Apache Spark is not installed: deps/install bench")
    kept = os.environ["NIKAWA_SPARK"]  # a folder keeps the answers, by what was asked: for work on the plan
    out = Path(kept) if os.sep in kept else tmp_path_factory.mktemp("spark")
    out.mkdir(exist_ok=True)
    cases = out / "cases.json"
    cases.write_text(dump(CASES))
    done = subprocess.run([str(SPARK), str(Path(__file__).with_name("spark_child.py")), str(folder), str(cases), str(out)], capture_output=True,
                          text=True, env={**{k: v for k, v in os.environ.items() if "SPARK" not in k and k != "PYTHONPATH"}, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": str(SPARK)})
    assert done.returncode == 0, done.stderr[-3000:]
    return {case.name: out / key(case) for case in CASES}


def judge(native, case, want, refusal=""):
    """want: the other engine's rows, or None when it refuses the question."""
    try:
        got = native.rows(case)
    except Exception as error:
        assert want is None and "cannot be compared" in str(error), (error, refusal)
        return
    if want is None:  # a cast that Spark has not: nulls, as Glue's mappings give
        assert case.name.startswith("cast ") and "CAST" in refusal.upper(), refusal
        assert got["r"].null_count == len(got), case.name
        return
    found = differences(got, want, case.reads_back)
    assert not found, "%s\n%s\n%s" % (case.name, case.spark, "\n".join(found))


DIFFERS = {line for line in Path(__file__).with_name("sail_differs.txt").read_text().splitlines() if line and line[0] != "#"}


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_as_on_sail(native, sail, case):
    try:
        judge(native, case, sail.sql(case.spark).toArrow())
    except Exception:
        if case.name not in DIFFERS:
            raise
    else:
        assert case.name not in DIFFERS, "Sail has become like Spark here: take it off the list"


def test_the_list_of_what_differs_on_sail_names_cases():
    assert not DIFFERS - {case.name for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_as_on_spark(native, spark, case):
    path = spark[case.name]
    error = Path(str(path) + ".error")
    if error.exists():
        return judge(native, case, None, error.read_text())
    table = pq.read_table(str(path) + ".parquet")
    judge(native, case, table.rename_columns(json.loads(Path(str(path) + ".names").read_text())))
