"""From StartJobRun sent to the first line of the user's script, as the script itself writes it down."""
import http.client
import json
import os
import subprocess
import tempfile
import time

import lib

FIRST_LINE = "import time, os, sys\nopen(sys.argv[sys.argv.index('--mark') + 1], 'w').write(repr(time.time()))\n"
HEADER = """import sys
from awsglue.transforms import *
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext
from awsglue.context import GlueContext
from awsglue.job import Job
args = getResolvedOptions(sys.argv, ["JOB_NAME", "mark"])
sc = SparkContext()
glueContext = GlueContext(sc)
spark = glueContext.spark_session
job = Job(glueContext)
job.init(args["JOB_NAME"], args)
import time
open(args["mark"], "w").write(repr(time.time()))
job.commit()
"""
TO_DF = HEADER.replace("import time\nopen", """import time
frame = glueContext.create_dynamic_frame.from_options("s3", {"paths": ["s3://bench/rows/"]}, "json")
frame.toDF().show()
open""")


def start(server, connection, job, mark):
    """Seconds from the request's first byte to the mark."""
    signer = lib.Signer(server.host, server.port, server.access, server.secret)
    raw = signer.request("StartJobRun", {"JobName": job, "Arguments": {"--mark": mark}})
    head, body = raw.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")[1:]
    headers = dict(line.split(": ", 1) for line in lines)
    sent = time.time()
    connection.request("POST", "/", body, headers)
    reply = connection.getresponse()
    text = reply.read()
    if reply.status != 200:
        raise RuntimeError(text.decode())
    return sent, json.loads(text)["JobRunId"]


def landed(mark, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if os.path.exists(mark) and os.path.getsize(mark):
            return float(open(mark).read())
        time.sleep(0.001)
    raise RuntimeError("the script did not write its mark")


def series(server, job, folder, count, pause):
    connection = http.client.HTTPConnection(server.host, server.port)
    times = []
    for i in range(count):
        mark = os.path.join(folder, f"{job}-{i}")
        sent, _ = start(server, connection, job, mark)
        times.append((landed(mark) - sent) * 1000)
        time.sleep(pause)
    return times


def burst(server, job, folder, count):
    connections = [http.client.HTTPConnection(server.host, server.port) for _ in range(count)]
    sent = [start(server, c, job, os.path.join(folder, f"burst-{i}"))[0] for i, c in enumerate(connections)]
    return [(landed(os.path.join(folder, f"burst-{i}")) - sent[i]) * 1000 for i in range(count)]


def spark_submit(folder):
    script = os.path.join(folder, "trivial.py")
    with open(script, "w") as out:
        out.write("import time\nprint('mark', time.time())\nfrom pyspark.sql import SparkSession\n"
                  "SparkSession.builder.getOrCreate().range(1).count()\nprint('done', time.time())\n")
    began = time.time()
    subprocess.run([str(lib.DEPS / "venv/bench/bin/spark-submit"), "--master", "local[2]", script], check=True, capture_output=True,
                   env=dict(os.environ, SPARK_LOCAL_IP="127.0.0.1", PYSPARK_PYTHON=str(lib.DEPS / "venv/bench/bin/python")))
    return (time.time() - began) * 1000


def run(table):
    with lib.Server(lake=True) as server, tempfile.TemporaryDirectory() as folder:
        s3, glue = server.client("s3"), server.client("glue")
        s3.create_bucket(Bucket="bench")
        s3.put_object(Bucket="bench", Key="rows/a.json", Body=b'{"n": 1, "s": "a"}\n{"n": 2, "s": "b"}\n')
        for name, text in (("first", FIRST_LINE), ("header", HEADER), ("todf", TO_DF)):
            s3.put_object(Bucket="bench", Key=f"{name}.py", Body=text.encode())
            glue.create_job(Name=name, Role="r", Command={"Name": "glueetl", "ScriptLocation": f"s3://bench/{name}.py"},
                            ExecutionProperty={"MaxConcurrentRuns": 50}, GlueVersion="5.0")
        series(server, "first", folder, 2, 1)
        first = series(server, "first", folder, 40, 1)
        table.add("StartJobRun → first line of the script, one a second", "p50 ≤ 50 ms, p99 ≤ 200 ms",
                  f"p50 {lib.median(first):.0f} ms, p99 {lib.percentile(first, 0.99):.0f} ms", "40 starts, warm; time written by the script",
                  at_most=[(lib.median(first), 50), (lib.percentile(first, 0.99), 200)])
        ten = burst(server, "first", folder, 10)
        table.add("the same, a burst of 10", "reported", f"median {lib.median(ten):.0f} ms, last {max(ten):.0f} ms", "10 at once")
        header = series(server, "header", folder, 20, 1)
        table.add("… after the standard Glue header", "p50 ≤ 80 ms", f"p50 {lib.median(header):.0f} ms", "GlueContext, Job.init", at_most=[(lib.median(header), 80)])
        todf = series(server, "todf", folder, 10, 3)
        table.add("… after the first `toDF().show()`", "p50 ≤ 700 ms", f"p50 {lib.median(todf):.0f} ms", "two JSON rows in S3, Spark by Sail", at_most=[(lib.median(todf), 700)])
        spark = lib.median([spark_submit(folder) for _ in range(3)])
        table.add("trivial spark-submit against it", "≥ 100×", f"{spark / lib.median(first):.0f}× ({spark / 1000:.1f} s)", "pyspark 4.1.2, local[2], median of 3", at_least=[(spark / lib.median(first), 100)])
