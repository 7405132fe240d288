"""awsglue scripts as job runs: a server, its lake, its catalogue, and what the scripts leave there."""

import io
import json
import textwrap
import time
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
ENDED = ("SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT", "ERROR")


class Lab:
    """A bucket, a database and a way to run scripts."""

    def __init__(self, server):
        self.s3, self.glue = server.client("s3"), server.client("glue")
        self.id = uuid.uuid4().hex[:8]
        self.bucket, self.database = "lab-" + self.id, "lab_" + self.id
        self.s3.create_bucket(Bucket=self.bucket)
        self.glue.create_database(DatabaseInput={"Name": self.database})

    def uri(self, key):
        return "s3://%s/%s" % (self.bucket, key)

    def put(self, key, body):
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body if isinstance(body, bytes) else body.encode())

    def keys(self, prefix):
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", ())
        return [o["Key"] for o in found if o["Size"]]

    def get(self, key):
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def parquet(self, prefix):
        """All rows under a prefix; values of key=value folders included."""
        rows = []
        for key in self.keys(prefix):
            more = dict(p.split("=", 1) for p in key.split("/") if "=" in p)
            rows += [{**r, **more} for r in pq.ParquetFile(io.BytesIO(self.get(key))).read().to_pylist()]
        return rows

    def start(self, script, arguments=None, kind="glueetl", name=None, **more):
        name = name or "job-" + uuid.uuid4().hex[:8]
        self.put("scripts/%s.py" % name, textwrap.dedent(script))
        self.glue.create_job(
            Name=name, Role="r", GlueVersion="5.0", MaxRetries=0,
            Command={"Name": kind, "PythonVersion": "3.9" if kind == "pythonshell" else "3",
                     "ScriptLocation": self.uri("scripts/%s.py" % name)}, **more)
        return name, self.glue.start_job_run(JobName=name, Arguments=arguments or {})["JobRunId"]

    def wait(self, name, run, seconds=120):
        until = time.monotonic() + seconds
        while True:
            state = self.glue.get_job_run(JobName=name, RunId=run)["JobRun"]
            if state["JobRunState"] in ENDED:
                return state
            assert time.monotonic() < until, state
            time.sleep(0.05)

    def run(self, script, arguments=None, **more):
        return self.wait(*self.start(script, arguments, **more))

    def succeed(self, script, arguments=None, **more):
        run = self.run(script, arguments, **more)
        assert run["JobRunState"] == "SUCCEEDED", run.get("ErrorMessage")
        return run

    def csv_table(self, name, columns, location, keys=(), **parameters):
        """A table as a crawler writes it, over CSV files with a header."""
        self.glue.create_table(DatabaseName=self.database, TableInput={
            "Name": name, "TableType": "EXTERNAL_TABLE",
            "Parameters": {"classification": "csv", "delimiter": ",", "skip.header.line.count": "1"},
            "PartitionKeys": [{"Name": k, "Type": t} for k, t in keys],
            "StorageDescriptor": self.descriptor(columns, location)})

    def descriptor(self, columns, location):
        return {"Columns": [{"Name": n, "Type": t} for n, t in columns], "Location": location,
                "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
                "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
                              "Parameters": {"field.delim": ","}}}


@pytest.fixture(scope="module")
def lab(server):
    return Lab(server)


SALES = [("id", "bigint"), ("item", "string"), ("price", "double")]


@pytest.fixture(scope="module")
def sales(lab):
    """A table of three partitions: {month: rows}."""
    months = {}
    lab.csv_table("sales", SALES, lab.uri("sales/"), keys=[("month", "int")])
    for month in (1, 2, 3):
        months[month] = [(month * 100 + i, "it,em %d" % (i % 4), i / 4) for i in range(40)]
        lab.put("sales/month=%d/a.csv" % month, "id,item,price\n" + "".join(
            '%d,"%s",%s\n' % row for row in months[month]))
        lab.glue.create_partition(DatabaseName=lab.database, TableName="sales", PartitionInput={
            "Values": [str(month)],
            "StorageDescriptor": {**lab.descriptor(SALES, lab.uri("sales/month=%d/" % month)),
                                  "SerdeInfo": {
                                      "SerializationLibrary": "org.apache.hadoop.hive.serde2.OpenCSVSerde",
                                      "Parameters": {"separatorChar": ",", "quoteChar": '"'}}}})
    lab.csv_table("items", [("item", "string"), ("kind", "string")], lab.uri("items/"))
    table = lab.glue.get_table(DatabaseName=lab.database, Name="items")["Table"]
    descriptor = table["StorageDescriptor"]
    descriptor["SerdeInfo"] = {"SerializationLibrary": "org.apache.hadoop.hive.serde2.OpenCSVSerde",
                               "Parameters": {"separatorChar": ",", "quoteChar": '"'}}
    lab.glue.update_table(DatabaseName=lab.database, TableInput={
        "Name": "items", "TableType": "EXTERNAL_TABLE", "Parameters": table["Parameters"],
        "StorageDescriptor": descriptor})
    lab.put("items/a.csv", "item,kind\n" + "".join(
        '"it,em %d",%s\n' % (i, "odd" if i % 2 else "even") for i in range(4)))
    return months


HEADER = """
import sys
from awsglue.transforms import *
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext
from awsglue.context import GlueContext
from awsglue.dynamicframe import DynamicFrame
from awsglue.job import Job
args = getResolvedOptions(sys.argv, ["JOB_NAME", "db", "out"])
sc = SparkContext()
glueContext = GlueContext(sc)
spark = glueContext.spark_session
job = Job(glueContext)
job.init(args["JOB_NAME"], args)
"""


def test_catalogue_in_and_out(lab, sales):
    out = "out/cat/"
    lab.succeed(HEADER + """
sales = glueContext.create_dynamic_frame.from_catalog(
    database=args["db"], table_name="sales", push_down_predicate="month >= 2", transformation_ctx="s")
dear = Filter.apply(frame=sales, f=lambda row: row["price"] >= 2)
sink = glueContext.getSink(connection_type="s3", path=args["out"], enableUpdateCatalog=True,
                           updateBehavior="UPDATE_IN_DATABASE", partitionKeys=["month"])
sink.setCatalogInfo(catalogDatabase=args["db"], catalogTableName="dear")
sink.setFormat("glueparquet")
sink.writeFrame(dear)
job.commit()
""", {"--db": lab.database, "--out": lab.uri(out)})
    wanted = sorted((i, item, price, str(m)) for m in (2, 3) for i, item, price in sales[m] if price >= 2)
    got = sorted((r["id"], r["item"], r["price"], str(r["month"])) for r in lab.parquet(out))
    assert got == wanted
    table = lab.glue.get_table(DatabaseName=lab.database, Name="dear")["Table"]
    assert [(c["Name"], c["Type"]) for c in table["StorageDescriptor"]["Columns"]] == SALES
    assert [k["Name"] for k in table["PartitionKeys"]] == ["month"]
    found = lab.glue.get_partitions(DatabaseName=lab.database, TableName="dear")["Partitions"]
    assert sorted(p["Values"] for p in found) == [["2"], ["3"]]


def test_spark_reads_the_catalogue_and_the_lake(lab, sales):
    out = "out/spark/"
    lab.succeed(HEADER + """
from pyspark.sql import functions as F
@F.udf("string")
def shout(text):
    return text.upper() + "!"
rows = spark.sql("select item, count(*) n, sum(price) total from %s.sales where month = 1 group by item"
                 % args["db"]).withColumn("loud", shout("item"))
rows.write.mode("overwrite").parquet(args["out"] + "a/")
again = spark.read.parquet(args["out"] + "a/")
frame = DynamicFrame.fromDF(again, glueContext, "again").rename_field("n", "how_many")
glueContext.write_dynamic_frame.from_options(
    frame=frame, connection_type="s3", connection_options={"path": args["out"] + "b/"}, format="parquet")
job.commit()
""", {"--db": lab.database, "--out": lab.uri(out)})
    wanted = {}
    for _, item, price in sales[1]:
        n, total = wanted.get(item, (0, 0))
        wanted[item] = (n + 1, total + price)
    got = {r["item"]: (r["how_many"], r["total"], r["loud"]) for r in lab.parquet(out + "b/")}
    assert got == {k: (*v, k.upper() + "!") for k, v in wanted.items()}


def test_a_missing_table_is_named(lab):
    run = lab.run(HEADER + 'glueContext.create_dynamic_frame.from_catalog(args["db"], "nosuch").count()\n',
                  {"--db": lab.database, "--out": "x"})
    assert run["JobRunState"] == "FAILED" and "nosuch" in run["ErrorMessage"]


def test_an_argument_that_is_missing(lab):
    run = lab.run(HEADER, {"--db": lab.database})
    assert run["JobRunState"] == "FAILED"
    assert "GlueArgumentError" in run["ErrorMessage"] and "--out" in run["ErrorMessage"]


def test_an_unknown_option_is_named(lab):
    run = lab.run(HEADER + """
glueContext.create_dynamic_frame.from_options("s3", {"paths": [args["out"]]}, "csv", {"withHeaders": True})
""", {"--db": lab.database, "--out": lab.uri("x")})
    assert run["JobRunState"] == "FAILED" and "withHeaders" in run["ErrorMessage"]


def test_a_udf_that_kills_its_process_fails_its_run_only(lab):
    """A second run has its Spark query going when the first one's engine dies."""
    slow = lab.start(HEADER + """
import time
from pyspark.sql import functions as F
import boto3, urllib.parse
place = urllib.parse.urlparse(args["out"])
s3 = boto3.client("s3")
s3.put_object(Bucket=place.netloc, Key=place.path[1:] + "started", Body=b"1")
wait = F.udf(lambda x: time.sleep(0.05) or x, "long")
total = spark.range(60).select(wait("id").alias("x")).agg(F.sum("x")).collect()[0][0]
s3.put_object(Bucket=place.netloc, Key=place.path[1:] + "total", Body=str(total).encode())
""", {"--db": "x", "--out": lab.uri("out/slow/")})
    until = time.monotonic() + 60
    while "out/slow/started" not in lab.keys("out/slow/"):
        assert time.monotonic() < until
        time.sleep(0.05)
    killed = lab.run(HEADER + """
import os
from pyspark.sql import functions as F
spark.range(3).select(F.udf(lambda x: os.kill(os.getpid(), 9), "int")("id")).show()
""", {"--db": "x", "--out": "x"})
    assert killed["JobRunState"] == "FAILED"
    assert "SIGKILL" in killed["ErrorMessage"] and "Spark engine" in killed["ErrorMessage"]
    assert lab.wait(*slow)["JobRunState"] == "SUCCEEDED"
    assert lab.get("out/slow/total") == b"1770"


def test_boto3_in_a_script_reaches_this_server(lab, sales):
    lab.succeed("""
import json, sys, urllib.parse
import boto3
from awsglue.utils import getResolvedOptions
args = getResolvedOptions(sys.argv, ["db", "out"])
names = [t["Name"] for t in boto3.client("glue").get_tables(DatabaseName=args["db"])["TableList"]]
place = urllib.parse.urlparse(args["out"])
boto3.client("s3").put_object(Bucket=place.netloc, Key=place.path[1:], Body=json.dumps(names).encode())
""", {"--db": lab.database, "--out": lab.uri("out/names.json")}, kind="pythonshell")
    assert {"sales", "items"} <= set(json.loads(lab.get("out/names.json")))


# ---- the examples, as they stand ----


def example(name):
    return (ROOT / "examples" / name).read_text()


def test_example_orders(lab):
    lab.put("examples/orders/orders.json", example("data/orders.json"))
    lab.succeed(example("orders.py"), {"--source": lab.uri("examples/orders/"),
                                       "--target": lab.uri("out/orders/")})
    orders = [json.loads(line) for line in example("data/orders.json").splitlines()]
    wanted = sorted((o["order_id"], o["quantity"], o["day"]) for o in orders
                    if isinstance(o["quantity"], int) and o["amount"])
    got = sorted((r["id"], r["quantity"], r["day"]) for r in lab.parquet("out/orders/"))
    assert got == wanted


def test_example_visits(lab):
    lab.put("examples/visits/visits.json", example("data/visits.json"))
    lab.succeed(example("visits.py"), {"--source": lab.uri("examples/visits/"),
                                       "--target": lab.uri("out/visits/")})
    visits = [json.loads(line) for line in example("data/visits.json").splitlines()]
    people = [v for v in visits if "bot" not in v["user"]["agent"].lower()]
    lines = [line for key in lab.keys("out/visits/") for line in lab.get(key).decode().splitlines()]
    rows = [line.split(",") for line in lines if not line.startswith("browser")]
    assert sum(int(r[2]) for r in rows) == len(people)
    assert sum(int(r[3]) for r in rows) == sum(len(v["pages"]) for v in people)
    assert {r[0] for r in rows} == {"Firefox", "curl", "Safari"}


def test_example_catalog_join(lab, sales):
    lab.succeed(example("catalog_join.py"), {
        "--database": lab.database, "--left": "sales", "--right": "items", "--key": "item",
        "--target": lab.uri("out/joined/"), "--table": "joined"})
    got = sorted((r["id"], r["kind"]) for r in lab.parquet("out/joined/"))
    assert got == sorted((i, "odd" if int(item[-1]) % 2 else "even")
                         for rows in sales.values() for i, item, _ in rows)
    table = lab.glue.get_table(DatabaseName=lab.database, Name="joined")["Table"]
    assert {c["Name"] for c in table["StorageDescriptor"]["Columns"]} >= {"id", "item", "price", "kind"}


def test_example_shell_report(lab, sales):
    lab.succeed(example("shell_report.py"), {"--database": lab.database,
                                             "--report": lab.uri("out/report.csv")}, kind="pythonshell")
    lines = lab.get("out/report.csv").decode().split()
    sales_line = next(line for line in lines if line.startswith("sales,")).split(",")
    assert sales_line[1:4] == ["3", "1", "3"] and int(sales_line[4]) > 1000
