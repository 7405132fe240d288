"""Tests of the Python side. For the façade the engine is a recorder; Spark tests use a real Sail."""

import glob
import json
import os
import sys
import types

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PYTHON = os.path.join(ROOT, "python")
if PYTHON not in sys.path:
    sys.path.insert(0, PYTHON)
# The script worker's packages (pyspark, pysail), which pytest's own environment does not have.
DEPS = os.environ.get("NIKAWA_DEPS") or os.path.expanduser("~/.cache/nikawa")
sys.path.extend(p for p in glob.glob(os.path.join(DEPS, "venv/run/lib/python3.*/site-packages"))
                if p not in sys.path)


class RecordedNode:
    """What the façade asked the engine for."""

    def __init__(self, session, kind, name, options, inputs):
        self.session, self.kind, self.name, self.inputs = session, kind, name, inputs
        self.options = json.loads(options)
        self.rows = None
        self.type = {"type": "struct", "fields": []}
        self.runs = 0

    def _all_rows(self):
        """Rows as a stand-in engine would give them: only what the façade's own logic needs."""
        if self.rows is not None:
            return self.rows
        before = self.inputs[0]._all_rows() if self.inputs else []
        if self.kind == "PyFilter":
            keep = self.session.callables[self.options["callable"]](before)
            return [r for r, k in zip(before, keep) if k]
        if self.kind == "PyMap":
            made = self.session.callables[self.options["callable"]](before)
            self.rows = [r for r in made if r is not None]  # kept, as the engine does
            return self.rows
        return before

    def schema(self):
        return json.dumps(self.type)

    def count(self):
        return len(self._all_rows())

    def fetch(self, limit):
        return self._all_rows()[:limit]

    def run(self):
        self.runs += 1
        self.session.written.append(self)
        return json.dumps({"rows": self.count()})


class RecordingSession:
    def __init__(self, settings):
        self.settings = json.loads(settings)
        self.nodes, self.callables, self.streams, self.written = [], [], [], []

    def node(self, kind, name, options, inputs):
        node = RecordedNode(self, kind, name, options, list(inputs))
        self.nodes.append(node)
        return node

    def callable(self, function):
        self.callables.append(function)
        return len(self.callables) - 1

    def arrow(self, stream):
        self.streams.append(stream)
        return len(self.streams) - 1


@pytest.fixture
def recorder(monkeypatch):
    """The run's engine session, recording."""
    fake = types.ModuleType("_nikawa")
    fake.Session = RecordingSession
    fake.Error = type("Error", (Exception,), {})
    monkeypatch.setitem(sys.modules, "_nikawa", fake)
    from nikawa import runtime

    runtime.begin({"region": "us-east-1"})
    yield runtime.engine()
    runtime.end()


@pytest.fixture
def glue(recorder):
    from awsglue.context import GlueContext
    from pyspark.context import SparkContext

    return GlueContext(SparkContext.getOrCreate())


@pytest.fixture
def frame(glue, recorder):
    """A frame of given rows (list of dicts), of the recording engine."""
    from awsglue.dynamicframe import DynamicFrame

    def make(rows=(), name="f", type=None):
        node = recorder.node("Rows", name, "{}", [])
        node.rows = [dict(r) for r in rows]
        if type is not None:
            node.type = type
        return DynamicFrame(node, glue, name)

    return make
