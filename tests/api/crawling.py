"""What tests of crawlers share: a bucket and a database of their own, short hands to fill and crawl them."""
import io
import itertools
import subprocess
import uuid

import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from conftest import binary, wait_for


numbers = itertools.count(1)


class World:
    """A bucket and a database of this module's, and short hands to fill and crawl them."""

    def __init__(self, glue, s3):
        self.glue, self.s3 = glue, s3
        self.bucket = "crawl-" + uuid.uuid4().hex[:12]
        s3.create_bucket(Bucket=self.bucket)

    def fresh(self):
        return f"t{next(numbers)}"

    def put(self, key, data):
        if isinstance(data, str):
            data = data.encode()
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=data)

    def create(self, name, path, **more):
        target = {"Path": path if path.startswith("s3://") else f"s3://{self.bucket}/{path}"}
        target.update(more.pop("target", {}))
        self.glue.create_crawler(Name=name, Role="arn:aws:iam::000000000000:role/crawl", DatabaseName=more.pop("db", name),
                                 Targets={"S3Targets": [target]}, **more)

    def run(self, name, expect="SUCCEEDED"):
        self.glue.start_crawler(Name=name)
        return self.wait(name, expect)

    def wait(self, name, expect="SUCCEEDED"):
        def done():
            c = self.glue.get_crawler(Name=name)["Crawler"]
            return c if c["State"] == "READY" else None
        c = wait_for(done, 60)
        assert c["LastCrawl"]["Status"] == expect, c["LastCrawl"]
        return c

    def tables(self, db):
        out = {}
        for page in self.glue.get_paginator("get_tables").paginate(DatabaseName=db):
            out.update({t["Name"]: t for t in page["TableList"]})
        return out

    def partitions(self, db, table):
        out = {}
        for page in self.glue.get_paginator("get_partitions").paginate(DatabaseName=db, TableName=table):
            out.update({tuple(p["Values"]): p for p in page["Partitions"]})
        return out

    def crawl(self, files, path=None, expect="SUCCEEDED", **more):
        """Puts files (relative to a folder of their own), crawls the folder, gives the tables."""
        name = self.fresh()
        for key, data in files.items():
            self.put(f"{name}/{key}", data)
        self.create(name, f"{name}/" if path is None else f"{name}/{path}", **more)
        self.run(name, expect)
        return name, self.tables(name) if expect == "SUCCEEDED" else {}


def columns(table):
    return [(c["Name"], c["Type"]) for c in table["StorageDescriptor"]["Columns"]]


def code_of(call, **args):
    with pytest.raises(ClientError) as e:
        call(**args)
    return e.value.response["Error"]["Code"]


def parquet(table, **options):
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def query(server, sql):
    """The rows that `nikawa sql` gives, as lines of CSV: what a job reads of a crawled table."""
    done = subprocess.run([binary(), "sql", "--data", str(server.data), "--format", "csv", sql], text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[1:]
