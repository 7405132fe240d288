"""Visual jobs in tests: makes them, runs them as plan or as script, reads what they leave."""
import csv
import datetime
import decimal
import gzip
import io
import json
import math
import time
import uuid

import pyarrow.parquet as pq

ENDED = ("SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT", "ERROR")


class Visual:
    def __init__(self, server):
        self.server, self.s3, self.glue = server, server.client("s3"), server.client("glue")
        self.id = uuid.uuid4().hex[:8]
        self.bucket, self.database = "vis-" + self.id, "vis_" + self.id
        self.s3.create_bucket(Bucket=self.bucket)
        self.glue.create_database(DatabaseInput={"Name": self.database})
        self.count = 0

    def uri(self, key):
        return f"s3://{self.bucket}/{key}"

    def fresh(self, what="out"):
        self.count += 1
        return f"{what}/{self.count}/"

    def put(self, key, body):
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body if isinstance(body, bytes) else body.encode())

    def put_parquet(self, key, table):
        body = io.BytesIO()
        pq.write_table(table, body)
        self.put(key, body.getvalue())

    def keys(self, prefix):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [o["Key"] for page in pages for o in page.get("Contents", ())]

    def get(self, key):
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def clear(self, prefix):
        for key in self.keys(prefix):
            self.s3.delete_object(Bucket=self.bucket, Key=key)

    # ---- jobs ----

    def create(self, nodes, **more):
        self.count += 1
        name = f"v{self.count}-{self.id}"
        self.glue.create_job(**{
            "Name": name, "Role": "r", "GlueVersion": "5.0", "MaxRetries": 0, "CodeGenConfigurationNodes": nodes,
            "Command": {"Name": "glueetl", "ScriptLocation": self.uri(f"scripts/{name}.py")}, **more})
        return name

    def script(self, name):
        return self.get(f"scripts/{name}.py").decode()

    def edit(self, name, text):
        self.put(f"scripts/{name}.py", text)

    def start(self, name, **more):
        return self.glue.start_job_run(JobName=name, **more)["JobRunId"]

    def state(self, name, run):
        return self.glue.get_job_run(JobName=name, RunId=run)["JobRun"]

    def wait(self, name, run, seconds=180):
        until = time.monotonic() + seconds
        while True:
            state = self.state(name, run)
            if state["JobRunState"] in ENDED:
                return state
            assert time.monotonic() < until, state
            time.sleep(0.03)

    def run(self, name, **more):
        return self.wait(name, self.start(name, **more))

    def note(self, run):
        """What stands beside the run's logs; written a moment after its end is recorded."""
        path = self.server.data / "logs" / "jobs" / (run if isinstance(run, str) else run["Id"]) / "run.json"
        until = time.monotonic() + 30
        while True:
            note = json.loads(path.read_text())
            if note["state"]:
                return note
            assert time.monotonic() < until, note
            time.sleep(0.02)

    def log(self, run, which="output"):
        return (self.server.data / "logs" / "jobs" / run["Id"] / f"{which}.log").read_text()

    def succeed(self, name, engine="plan", **more):
        run = self.run(name, **more)
        assert run["JobRunState"] == "SUCCEEDED", (run.get("ErrorMessage"), self.log(run, "error")[-3000:])
        note = self.note(run)
        assert note["engine"] == engine, note
        return run, note

    def fail(self, nodes, **more):
        run = self.run(self.create(nodes, **more))
        assert run["JobRunState"] == "FAILED", run
        return run["ErrorMessage"]

    # ---- results ----

    def rows(self, prefix, columns=None):
        """All rows under a prefix, values of key=value folders included (as text)."""
        out = []
        for key in self.keys(prefix):
            body, name = self.get(key), key
            if name.endswith(".gz"):
                body, name = gzip.decompress(body), name[:-3]
            elif name.endswith(".zst"):
                import zstandard

                body, name = zstandard.ZstdDecompressor().decompressobj().decompress(body), name[:-4]
            more = dict(p.split("=", 1) for p in key.split("/")[:-1] if "=" in p)
            if name.endswith(".parquet"):
                found = pq.ParquetFile(io.BytesIO(body)).read().to_pylist()
            elif name.endswith(".json"):
                found = [json.loads(line, parse_float=decimal.Decimal) for line in body.decode().split("\n") if line]
            else:
                found = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
            out += [{**row, **more} for row in found]
        return out


def plain(v):
    """A value such that equal ones are equal: NaN, -0.0, doubles to 12 digits, decimals by value."""
    if isinstance(v, bool) or v is None or isinstance(v, str):
        return v
    if isinstance(v, float):
        return "NaN" if math.isnan(v) else v if math.isinf(v) or v == 0 else float("%.11e" % v)
    if isinstance(v, decimal.Decimal):
        return "decimal " + format(v.normalize(), "f")
    if isinstance(v, dict):
        return tuple(sorted((k, plain(x)) for k, x in v.items()))
    if isinstance(v, (list, tuple)):
        return tuple(plain(x) for x in v)
    if isinstance(v, datetime.datetime):
        return v.replace(tzinfo=None).isoformat()
    return v.isoformat() if isinstance(v, datetime.date) else v


def same(got, want):
    """The same multiset of rows."""
    key = lambda rows: sorted((repr(plain(r)) for r in rows))  # noqa: E731
    a, b = key(got), key(want)
    if a == b:
        return
    import collections

    left, right = collections.Counter(a), collections.Counter(b)
    raise AssertionError("%d rows, %d wanted\n  only got:    %s\n  only wanted: %s" % (
        len(a), len(b), "\n               ".join(list((left - right).elements())[:4]),
        "\n               ".join(list((right - left).elements())[:4])))
