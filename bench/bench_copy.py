"""A native job, CSV to Parquet through s3://, against raw DuckDB doing the same copy from the same endpoint."""
import os
import random
import subprocess
import sys
import tempfile
import time

import lib

ROWS, FILES = 16_000_000, 12
JOB = """import sys
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext
from awsglue.context import GlueContext
from awsglue.job import Job
args = getResolvedOptions(sys.argv, ["JOB_NAME", "target"])
glueContext = GlueContext(SparkContext())
job = Job(glueContext)
job.init(args["JOB_NAME"], args)
frame = glueContext.create_dynamic_frame.from_options("s3", {"paths": ["s3://bench/csv/"]}, "csv", {"withHeader": True})
glueContext.write_dynamic_frame.from_options(frame, "s3", {"path": args["target"]}, "glueparquet", {"compression": "snappy"})
job.commit()
"""


def data(server):
    """Made by DuckDB, seeded: integers, doubles, text, dates."""
    import duckdb
    db = duckdb.connect()
    s3 = server.client("s3")
    s3.create_bucket(Bucket="bench")
    size = 0
    for k in range(FILES):
        with tempfile.NamedTemporaryFile(suffix=".csv") as out:
            db.execute(f"""copy (select i + {k * ROWS // FILES} as id, hash(i * 31 + {k}) % 100000 as customer, (hash(i) % 1000000) / 100.0 as price,
                'item-' || (hash(i * 7) % 5000) as item, date '2020-01-01' + (i % 1500)::int as day, hash(i * 13) % 2 = 0 as paid
                from range({ROWS // FILES}) t(i)) to '{out.name}' (header)""")
            s3.upload_file(out.name, "bench", f"csv/part-{k:02d}.csv")
            size += os.path.getsize(out.name)
    return size


RAW = """
import duckdb, sys
endpoint, key, secret, target, ext = sys.argv[1:]
db = duckdb.connect(config={"extension_directory": ext})
db.execute("set enable_progress_bar=false")
db.execute("load httpfs")
db.execute(f"create secret (type s3, key_id '{key}', secret '{secret}', endpoint '{endpoint}', url_style 'path', use_ssl false, region 'us-east-1')")
db.execute(f"copy (from read_csv('s3://bench/csv/*.csv')) to '{target}' (format parquet, compression snappy, per_thread_output true)")
"""


def raw(server, target):
    began = time.time()
    done = subprocess.run([str(lib.DEPS / "venv/test/bin/python"), "-c", RAW, server.s3_endpoint.split("//")[1], server.access, server.secret,
                           target, str(lib.DEPS / "duckdb_extensions")], text=True, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-500:])
    return time.time() - began


def ours(glue, target):
    began = time.time()
    run = glue.start_job_run(JobName="copy", Arguments={"--target": target})["JobRunId"]
    while True:
        state = glue.get_job_run(JobName="copy", RunId=run)["JobRun"]
        if state["JobRunState"] not in ("STARTING", "RUNNING", "WAITING"):
            break
        time.sleep(0.1)  # each question costs the client some milliseconds of the same processors
    if state["JobRunState"] != "SUCCEEDED":
        raise RuntimeError(str(state.get("ErrorMessage")))
    return time.time() - began


def run(table):
    with lib.Server(lake=True) as server:
        size = data(server)
        s3, glue = server.client("s3"), server.client("glue")
        s3.put_object(Bucket="bench", Key="copy.py", Body=JOB.encode())
        glue.create_job(Name="copy", Role="r", Command={"Name": "glueetl", "ScriptLocation": "s3://bench/copy.py"}, GlueVersion="5.0", WorkerType="G.2X", NumberOfWorkers=2)
        mine, theirs = [], []
        for k in range(3):
            theirs.append(raw(server, f"s3://bench/raw-{k}"))
            mine.append(ours(glue, f"s3://bench/ours-{k}/"))
        ratio = lib.median([t / m for t, m in zip(theirs, mine)])
        table.add("native job, CSV → Parquet by s3://, choice detection on", "≥ 0.9 of raw DuckDB", f"{ratio:.2f} ({lib.median(mine):.1f} s against {lib.median(theirs):.1f} s)",
                  f"{ROWS:,} rows, {size / 1e6:.0f} MB of CSV in {FILES} files; 3 alternating runs, start-up of both counted", at_least=[(ratio, 0.9)])
