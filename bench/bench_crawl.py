"""Crawls: 20,000 small files in 2,000 Hive partitions of each format, against the lake's own speed, awswrangler and Spark; 10 GB of text."""
import datetime
import hashlib
import hmac
import io
import json
import subprocess
import sys
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import lib

PARTITIONS, FILES = 2_000, 20_000
COLUMNS = {"csv": 6, "json": 7, "parquet": 5}  # with those of the partitions
BIG_FILES, BIG_BYTES = 80, 128 << 20


def bodies():
    import pyarrow as pa
    import pyarrow.parquet as pq

    csv = "id,name,amount,ok\n" + "".join(f"{i},name-{i},{i / 7:.3f},{'true' if i % 2 else 'false'}\n" for i in range(40))
    rows = "".join(json.dumps({"id": i, "name": f"name-{i}", "amount": i / 7, "tags": ["a", "b"], "in": {"x": i}}) + "\n" for i in range(30))
    out = io.BytesIO()
    pq.write_table(pa.table({"id": list(range(100)), "name": [f"n{i}" for i in range(100)], "amount": [i / 7 for i in range(100)]}), out)
    return {"csv": csv.encode(), "json": rows.encode(), "parquet": out.getvalue()}


def key(kind, i):
    return f"{kind}/day={i // 10 % 200:03d}/shop={i // 2000}/part-{i % 10}.{kind}"


class S3Signer:
    """GETs with the signature in the query, made in bulk."""

    def __init__(self, server):
        self.host = urllib.parse.urlsplit(server.s3_endpoint).netloc
        now = datetime.datetime.now(datetime.timezone.utc)
        self.time, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        self.scope = f"{day}/{lib.REGION}/s3/aws4_request"
        signing = ("AWS4" + server.secret).encode()
        for part in (day, lib.REGION, "s3", "aws4_request"):
            signing = hmac.digest(signing, part.encode(), "sha256")
        self.key = signing
        self.query = (f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={urllib.parse.quote(server.access + '/' + self.scope, safe='')}"
                      f"&X-Amz-Date={self.time}&X-Amz-Expires=3600&X-Amz-SignedHeaders=host")

    def get(self, path):
        path = urllib.parse.quote(path)
        canonical = f"GET\n{path}\n{self.query}\nhost:{self.host}\n\nhost\nUNSIGNED-PAYLOAD"
        text = f"AWS4-HMAC-SHA256\n{self.time}\n{self.scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self.key, text.encode(), "sha256").hex()
        return f"GET {path}?{self.query}&X-Amz-Signature={signature} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode()


def fill(server):
    s3 = server.client("s3")
    s3.create_bucket(Bucket="lake")
    data = bodies()
    clients = threading.local()

    def put(job):
        kind, i = job
        if not hasattr(clients, "s3"):
            clients.s3 = server.client("s3")
        clients.s3.put_object(Bucket="lake", Key=key(kind, i), Body=data[kind])
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(put, ((kind, i) for kind in data for i in range(FILES)), chunksize=500):
            pass


def raw_rate(server, kind):
    """GETs a second from the lake, by the load generator: whole files over eight connections."""
    signer, script = S3Signer(server), lib.Script()
    for i in range(FILES):
        script.add(i % 8, signer.get(f"/lake/{key(kind, i)}"))
    host, port = signer.host.split(":")
    return FILES / script.play(host, int(port))["seconds"]


def crawl(glue, name, path, **target):
    """Seconds that the crawl took, by its own history; and its database."""
    glue.create_crawler(Name=name, Role="r", DatabaseName=name, Targets={"S3Targets": [{"Path": path, **target}]})
    glue.start_crawler(Name=name)
    while glue.get_crawler(Name=name)["Crawler"]["State"] != "READY":
        time.sleep(0.05)
    c = glue.list_crawls(CrawlerName=name)["Crawls"][0]
    if c["State"] != "COMPLETED":
        raise RuntimeError(c.get("ErrorMessage"))
    return (c["EndTime"] - c["StartTime"]).total_seconds()


WRANGLER = """
import sys, time
import awswrangler as wr, boto3
endpoint, access, secret, path = sys.argv[1:]
wr.config.s3_endpoint_url = endpoint
boto3.setup_default_session(aws_access_key_id=access, aws_secret_access_key=secret, region_name="us-east-1")
began = time.time()
wr.s3.read_parquet_metadata(path=path, dataset=True, sampling=1.0)
print(time.time() - began)
"""


# The session and its first job come first: what is measured is the finding of files and the reading of their schemas.
SPARK = """
import sys, time
from pyspark.sql import SparkSession
endpoint, access, secret, jars, *paths = sys.argv[1:]
b = SparkSession.builder.master("local[2]").config("spark.jars", jars).config("spark.ui.enabled", "false").config("spark.driver.memory", "4g")
for k, v in {"endpoint": endpoint, "access.key": access, "secret.key": secret, "path.style.access": "true", "connection.ssl.enabled": "false",
             "endpoint.region": "us-east-1", "aws.credentials.provider": "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider"}.items():
    b = b.config("spark.hadoop.fs.s3a." + k, v)
spark = b.getOrCreate()
spark.range(10).count()
for path in paths:
    kind = path.rstrip("/").split("/")[-1]
    began = time.time()
    read = spark.read.option("mergeSchema", "true").option("header", "true").option("inferSchema", "true")
    fields = len(getattr(read, kind)(path).schema)
    print(fields, time.time() - began)
"""


def spark(server, paths):
    """Seconds that Spark takes for the schema of each path."""
    jars = ",".join(str(p) for p in sorted((lib.DEPS / "maven/s3a").glob("*.jar")))
    done = subprocess.run([str(lib.DEPS / "venv/bench/bin/python"), "-c", SPARK, server.s3_endpoint, server.access, server.secret, jars, *paths],
                          text=True, capture_output=True, env=server.env)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found = [line.split() for line in done.stdout.splitlines()]
    if [int(n) for n, _ in found] != [COLUMNS[path.rstrip("/").split("/")[-1]] for path in paths]:
        raise RuntimeError(f"Spark found other columns: {found}")
    return [float(s) for _, s in found]


def wrangler(server, path):
    done = subprocess.run([str(lib.DEPS / "venv/test/bin/python"), "-c", WRANGLER, server.s3_endpoint, server.access, server.secret, path],
                          text=True, capture_output=True, env=server.env)
    if done.returncode:
        raise RuntimeError(done.stderr[-500:])
    return float(done.stdout.split()[-1])


def small_files(table):
    ours = {}
    with lib.Server(lake=True) as server:
        glue = server.client("glue")
        fill(server)
        for kind in ("csv", "json", "parquet"):
            before = raw_rate(server, kind)
            seconds = ours[kind] = crawl(glue, kind, f"s3://lake/{kind}/")
            t = glue.get_table(DatabaseName=kind, Name=kind)["Table"]
            if t["Parameters"]["objectCount"] != str(FILES):
                raise RuntimeError(f"the crawl saw {t['Parameters']['objectCount']} files")
            rate, raw = FILES / seconds, (before + raw_rate(server, kind)) / 2
            table.add(f"crawl of 20,000 {kind} files, 2,000 partitions", "≥ 0.7 of the lake's GETs/s", f"{rate / raw:.2f} ({rate:,.0f} files/s of {raw:,.0f} GETs/s)",
                      "every file sampled, all partitions stored; GETs of the same files by the load generator, 8 connections, before and after", at_least=[(rate, 0.7 * raw)])
        peer = wrangler(server, "s3://lake/parquet/")
        for kind, theirs in zip(ours, spark(server, [f"s3a://lake/{kind}/" for kind in ours])):
            table.add(f"the same, {kind}, against Spark's schema discovery", "≥ 10 times", f"{theirs / ours[kind]:.1f} times ({ours[kind]:.1f} s and {theirs:.1f} s)",
                      "pyspark 4.1.2, local[2], S3A; mergeSchema, inferSchema, header; its start and first job not counted; it stores nothing",
                      at_least=[(theirs / ours[kind], 10)])
        table.add("the same, Parquet, against awswrangler's read_parquet_metadata", "≥ 10 times", f"{peer / seconds:.1f} times ({seconds:.1f} s and {peer:.1f} s)",
                  "awswrangler reads every footer, too, and stores nothing", at_least=[(peer / seconds, 10)])


def big_files(table):
    sys.path.insert(0, str(lib.ROOT / "tests/api"))
    from fake_s3 import FakeS3

    line = {"csv": b"1234567,some text,2024-01-02,3.25\n", "json": b'{"id": 1234567, "name": "some text", "day": "2024-01-02", "amount": 3.25}\n'}
    block = {k: v * ((4 << 20) // len(v) + 2) for k, v in line.items()}

    def slice_of(kind):
        n = len(line[kind])

        def read(start, end):
            out, at = bytearray(), start
            while at < end:
                part = block[kind][at % n:at % n + end - at]
                out += part
                at += len(part)
            return bytes(out)
        return read
    files = {f"{kind}/k={i % 8}/f{i}.{kind}": (BIG_BYTES, slice_of(kind)) for kind in line for i in range(BIG_FILES // 2)}
    with FakeS3({"big": files}) as fake:
        with lib.Server(args=["--s3-endpoint", fake.url]) as server:
            seconds = crawl(server.client("glue"), "big", "s3://big/")
        total = BIG_FILES * BIG_BYTES
        table.add("crawl of 10 GB of CSV and JSON in 80 files", "≤ 5 % of the bytes, ≤ 10 s", f"{100 * fake.bytes / total:.2f} %, {seconds:.1f} s",
                  "an S3 in Python that makes the bytes as they are asked for, and counts them", at_most=[(fake.bytes, 0.05 * total), (seconds, 10)])


def run(table):
    big_files(table)
    small_files(table)
