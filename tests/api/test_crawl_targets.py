"""Targets that are no plain folders, through boto3: catalogue tables, Iceberg tables, events from a queue."""
import json
import os
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import boto3
import pyarrow as pa
import pytest
from botocore.exceptions import ClientError

from conftest import wait_for
from crawling import World, code_of, columns, parquet, query


@pytest.fixture(scope="module")
def world(glue, s3, server):
    w = World(glue, s3)
    w.server = server
    return w


def create(world, targets, **more):
    name = world.fresh()
    world.glue.create_crawler(Name=name, Role="r", Targets=targets, **{"DatabaseName": name, **more})
    return name


def make_table(world, db, name, location, columns_, keys=(), **parameters):
    world.glue.create_table(DatabaseName=db, TableInput={
        "Name": name, "PartitionKeys": [{"Name": k, "Type": "string"} for k in keys], "Parameters": parameters, "TableType": "EXTERNAL_TABLE",
        "StorageDescriptor": {"Columns": [{"Name": c, "Type": t} for c, t in columns_], "Location": location, "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
                              "OutputFormat": "x", "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe", "Parameters": {"paths": "a"}}}})


# ---- tables of the catalogue ----

def test_catalogue_targets(world):
    db = world.fresh()
    world.glue.create_database(DatabaseInput={"Name": db})
    for day in ("1", "2"):
        world.put(f"{db}/sales/{day}/f.json", json.dumps({"a": 1, "b": "x"}))
    world.put(f"{db}/flat/f.json", json.dumps({"q": 1.5}))
    world.put(f"{db}/flat/deeper/g.json", json.dumps({"q": 1.5, "r": True}))
    make_table(world, db, "money", f"s3://{world.bucket}/{db}/sales/", [("a", "int")], keys=["day"], team="x")
    make_table(world, db, "flat", f"s3://{world.bucket}/{db}/flat", [("q", "double")])
    make_table(world, db, "apart", f"s3://{world.bucket}/{db}/nothing/", [("z", "int")])
    targets = {"CatalogTargets": [{"DatabaseName": db, "Tables": ["money", "flat"]}]}
    name = create(world, targets, SchemaChangePolicy={"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "LOG"})
    world.run(name)
    tables = world.tables(db)
    assert sorted(tables) == ["apart", "flat", "money"]  # none is new
    t = tables["money"]
    assert columns(t) == [("a", "int"), ("b", "string")] and t["PartitionKeys"] == [{"Name": "day", "Type": "string"}]
    assert t["Parameters"]["team"] == "x" and t["Parameters"]["UPDATED_BY_CRAWLER"] == name
    assert set(world.partitions(db, "money")) == {("1",), ("2",)}
    assert columns(tables["flat"]) == [("q", "double"), ("r", "boolean")] and tables["flat"]["PartitionKeys"] == []
    assert columns(tables["apart"]) == [("z", "int")]
    assert query(world.server, f'select count(*) from "{db}".money where day = \'2\'') == ["1"]
    # only LOG for what is gone; not beside other kinds of targets; the table must be there
    for wrong in ({"SchemaChangePolicy": {"DeleteBehavior": "DELETE_FROM_DATABASE"}}, {"Targets": dict(targets, S3Targets=[{"Path": "s3://b/x"}])}):
        assert code_of(world.glue.update_crawler, Name=name, **wrong) == "InvalidInputException"
    world.glue.delete_table(DatabaseName=db, Name="flat")
    assert code_of(world.glue.start_crawler, Name=name) == "EntityNotFoundException"
    assert world.glue.get_crawler(Name=name)["Crawler"]["LastCrawl"]["Status"] == "FAILED"


def test_catalogue_target_logs_a_change(world):
    db = world.fresh()
    world.glue.create_database(DatabaseInput={"Name": db})
    world.put(f"{db}/t/f.json", json.dumps({"a": 1, "b": "x"}))
    make_table(world, db, "t", f"s3://{world.bucket}/{db}/t/", [("a", "int")])
    name = create(world, {"CatalogTargets": [{"DatabaseName": db, "Tables": ["t"]}]}, SchemaChangePolicy={"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"})
    world.run(name)
    assert columns(world.tables(db)["t"]) == [("a", "int")]


def test_targets_that_are_refused(world):
    for wrong in ({"IcebergTargets": [{"Paths": ["s3://b"], "MaximumTraversalDepth": 99}]}, {"IcebergTargets": [{"Paths": []}]}):
        assert code_of(world.glue.create_crawler, Name="wrong", Role="r", DatabaseName="d", Targets=wrong) == "InvalidInputException"


# ---- Iceberg, written by PyIceberg ----

def test_iceberg(world, server):
    from pyiceberg.catalog.glue import GlueCatalog

    prefix = world.fresh()
    glue = catalog = GlueCatalog("g", **{"glue.endpoint": server.url, "glue.access-key-id": server.access_key, "glue.secret-access-key": server.secret_key,
                                         "glue.region": "us-east-1", "s3.endpoint": server.s3_url, "s3.access-key-id": server.access_key,
                                         "s3.secret-access-key": server.secret_key, "s3.region": "us-east-1"})
    catalog.create_namespace(prefix)  # its own tables; the crawler finds them by their files alone
    data = pa.table({"id": pa.array([1, 2], pa.int64()), "Name": ["a", "b"], "xs": [[1], [2]], "in": [{"y": 1.5}, {"y": 2.5}]})
    t = catalog.create_table(f"{prefix}.first", schema=data.schema, location=f"s3://{world.bucket}/{prefix}/deep/first")
    t.append(data)
    catalog.create_table(f"{prefix}.second", schema=pa.schema([("q", pa.date32())]), location=f"s3://{world.bucket}/{prefix}/deep/er/second")
    catalog.create_table(f"{prefix}.hidden", schema=pa.schema([("q", pa.date32())]), location=f"s3://{world.bucket}/{prefix}/skip/hidden")
    target = {"Paths": [f"s3://{world.bucket}/{prefix}/"], "Exclusions": ["skip/**"], "MaximumTraversalDepth": 5}
    name = create(world, {"IcebergTargets": [target]})
    world.run(name)
    tables = world.tables(name)
    assert sorted(tables) == ["first", "second"]
    first = tables["first"]
    assert columns(first) == [("id", "bigint"), ("name", "string"), ("xs", "array<bigint>"), ("in", "struct<y:double>")]
    assert first["Parameters"]["table_type"] == "ICEBERG" and first["Parameters"]["metadata_location"] == t.metadata_location
    assert first["StorageDescriptor"]["Columns"][0]["Parameters"]["iceberg.field.id"] == "1"
    # another client opens it by what the crawler wrote
    assert glue.load_table(f"{name}.first").scan().to_arrow().to_pydict()["id"] == [1, 2]
    # a new snapshot is a new metadata file
    t.append(data)
    world.run(name)
    assert world.tables(name)["first"]["Parameters"]["metadata_location"] == t.metadata_location
    assert glue.load_table(f"{name}.first").scan().to_arrow().num_rows == 4
    shallow = create(world, {"IcebergTargets": [dict(target, MaximumTraversalDepth=2)]})
    world.run(shallow)
    assert sorted(world.tables(shallow)) == ["first"]


# ---- events ----

@pytest.fixture(scope="module")
def moto():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    process = subprocess.Popen([str(Path(sys.executable).parent / "moto_server"), "-H", "127.0.0.1", "-p", str(port)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def listens():
        assert process.poll() is None
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0
    wait_for(listens, 60)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(20)


def record(event, bucket, key):
    from urllib.parse import quote_plus

    return {"eventSource": "aws:s3", "eventName": event, "s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/")}}}


@pytest.fixture
def lake_of_events(moto, new_server):
    """A server with queues to read, what is in its lake, and a client of the queues."""
    server = new_server(env={"AWS_ENDPOINT_URL_SQS": moto})
    sqs = boto3.client("sqs", endpoint_url=moto, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y")
    return server, World(server.client("glue"), server.client("s3")), sqs


class Queue:
    def __init__(self, sqs, name, **attributes):
        self.sqs, self.url = sqs, sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.arn = sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def left(self):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        return sum(map(int, self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"].values()))

    def put(self, body):
        self.sqs.send_message(QueueUrl=self.url, MessageBody=body if isinstance(body, str) else json.dumps(body))

    def send(self, *records, wrap=None):
        body = {"Records": list(records)}
        self.put({"Type": "Notification", "Message": json.dumps(body)} if wrap == "sns" else body)


def test_event_mode(lake_of_events):
    server, world, sqs = lake_of_events
    queue, dead = Queue(sqs, "lake-events", VisibilityTimeout="30"), Queue(sqs, "dead")
    name = world.fresh()
    path = f"{name}/sales data"
    for day in range(3):
        world.put(f"{path}/day={day}/f.json", json.dumps({"a": 1}))
    queue.put({"Service": "Amazon S3", "Event": "s3:TestEvent"})
    policy = {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DELETE_FROM_DATABASE"}
    with pytest.raises(ClientError) as e:
        world.create(name, f"{path}/", RecrawlPolicy={"RecrawlBehavior": "CRAWL_EVENT_MODE"}, SchemaChangePolicy=policy)
    assert e.value.response["Error"]["Code"] == "InvalidInputException"
    world.create(name, f"{path}/", RecrawlPolicy={"RecrawlBehavior": "CRAWL_EVENT_MODE"}, SchemaChangePolicy=policy,
                 target={"EventQueueArn": queue.arn, "DlqEventQueueArn": dead.arn})
    world.run(name)  # the first one looks at everything
    table = "sales_data"
    assert set(world.partitions(name, table)) == {("0",), ("1",), ("2",)} and queue.left() == 0
    # what no event tells of is not looked at
    world.put(f"{path}/day=5/f.json", json.dumps({"a": 1, "b": "x"}))
    world.put(f"{path}/day=6/f.json", json.dumps({"a": 1}))
    world.s3.delete_object(Bucket=world.bucket, Key=f"{path}/day=1/f.json")
    queue.send(record("ObjectCreated:Put", world.bucket, f"{path}/day=5/f.json"), record("ObjectCreated:Put", "another-bucket", f"{path}/day=9/f.json"))
    queue.send(record("ObjectRemoved:Delete", world.bucket, f"{path}/day=1/f.json"), wrap="sns")
    queue.put("what is this")
    world.run(name)
    assert set(world.partitions(name, table)) == {("0",), ("2",), ("5",)}
    t = world.tables(name)[table]
    assert columns(t) == [("a", "int"), ("b", "string")]
    assert queue.left() == 0 and dead.left() == 1
    assert sqs.receive_message(QueueUrl=dead.url)["Messages"][0]["Body"] == "what is this"
    # nothing happened: nothing is done, and EventBridge's form is understood
    world.run(name)
    assert list(world.tables(name)) == [table]
    queue.put({"source": "aws.s3", "detail": {"bucket": {"name": world.bucket}, "object": {"key": f"{path}/day=6/f.json"}}})
    world.run(name)
    assert ("6",) in world.partitions(name, table)
    # a queue that is gone
    sqs.delete_queue(QueueUrl=queue.url)
    c = world.run(name, expect="FAILED")
    assert "lake-events" in c["LastCrawl"]["ErrorMessage"]


def test_queues_of_several_targets_and_plans_of_events(lake_of_events):
    """A queue is read once a crawl, whichever targets share it; a plan keeps what its messages were about, and applying it deletes them."""
    server, world, sqs = lake_of_events
    queues = [Queue(sqs, f"several-{i}") for i in range(2)]
    name = world.fresh()
    for t in range(3):
        for k in range(3):
            world.put(f"{name}/t{t}/k={k}/f.json", json.dumps({f"a{t}": 1}))
    world.glue.create_crawler(Name=name, Role="r", DatabaseName=name, RecrawlPolicy={"RecrawlBehavior": "CRAWL_EVENT_MODE"},
                              SchemaChangePolicy={"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DELETE_FROM_DATABASE"},
                              Targets={"S3Targets": [{"Path": f"s3://{world.bucket}/{name}/t{t}/", "EventQueueArn": queues[t % 2].arn} for t in range(3)]})
    world.run(name)
    assert sorted(world.tables(name)) == ["t0", "t1", "t2"]
    for t in range(3):
        world.put(f"{name}/t{t}/k=new/f.json", json.dumps({f"a{t}": 1}))
        world.s3.delete_object(Bucket=world.bucket, Key=f"{name}/t{t}/k=0/f.json")
        for event, key in (("ObjectCreated:Put", f"{name}/t{t}/k=new/f.json"), ("ObjectRemoved:Delete", f"{name}/t{t}/k=0/f.json")):
            queues[t % 2].send(record(event, world.bucket, key))
    before = {t: world.partitions(name, t) for t in world.tables(name)}

    def in_mode(mode):
        glue = server.client("glue")
        glue.meta.events.register("before-call.glue.StartCrawler", lambda params, **_: params["headers"].update({"X-Nikawa-Mode": mode}))
        glue.start_crawler(Name=name)
        world.wait(name)
        return world.glue.list_crawls(CrawlerName=name, MaxResults=1)["Crawls"][0]
    planned = in_mode("plan")
    assert {t: world.partitions(name, t) for t in world.tables(name)} == before and [q.left() for q in queues] == [4, 2]
    counts = {}
    for t in json.loads(planned["Summary"])["Tables"]:
        for what in ("Create", "Delete"):
            counts[t["Table"], what] = counts.get((t["Table"], what), 0) + t["Partitions"][what]["Count"]
    assert counts == {(f"t{t}", what): 1 for t in range(3) for what in ("Create", "Delete")}
    assert in_mode(f"apply {planned['CrawlId']}")["State"] == "COMPLETED"
    for t in range(3):
        assert set(world.partitions(name, f"t{t}")) == {("1",), ("2",), ("new",)}
    assert [q.left() for q in queues] == [0, 0]


def test_events_of_what_is_not_like_its_table(lake_of_events):
    server, world, sqs = lake_of_events
    queue = Queue(sqs, "unlike")
    name = world.fresh()
    world.put(f"{name}/k=0/f.csv", "a,b,c\n1,2,3\n4,5,6\n")
    world.create(name, f"{name}/", RecrawlPolicy={"RecrawlBehavior": "CRAWL_EVENT_MODE"}, target={"EventQueueArn": queue.arn})
    world.run(name)
    was = world.tables(name)[name]["StorageDescriptor"]
    for k, (key, body) in enumerate([("f.json", '{"a":1}'), ("f.csv", "p,q,r\n1,2,3\n4,5,6\n")], 1):
        world.put(f"{name}/k={k}/{key}", body)
        queue.send(record("ObjectCreated:Put", world.bucket, f"{name}/k={k}/{key}"))
        world.run(name)
        now = world.tables(name)[name]["StorageDescriptor"]
        assert (now["SerdeInfo"], now["Columns"]) == (was["SerdeInfo"], was["Columns"]) and set(world.partitions(name, name)) == {("0",)}


def test_events_of_a_users_own_table(lake_of_events):
    """A catalogue target's columns bear its owner's names, and nothing says its format: what events tell of is taken all the same."""
    server, world, sqs = lake_of_events
    queue = Queue(sqs, "own")
    name = world.fresh()
    world.glue.create_database(DatabaseInput={"Name": name})
    world.glue.create_table(DatabaseName=name, TableInput={"Name": "own", "PartitionKeys": [{"Name": "month", "Type": "string"}], "StorageDescriptor": {
        "Columns": [{"Name": "mine", "Type": "bigint"}, {"Name": "yours", "Type": "bigint"}], "Location": f"s3://{world.bucket}/{name}/"}})
    world.glue.create_crawler(Name=name, Role="r", RecrawlPolicy={"RecrawlBehavior": "CRAWL_EVENT_MODE"}, SchemaChangePolicy={"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"},
                              Targets={"CatalogTargets": [{"DatabaseName": name, "Tables": ["own"], "EventQueueArn": queue.arn}]})
    world.put(f"{name}/m=1/f.csv", "1,2\n3,4\n5,6\n")
    queue.send(record("ObjectCreated:Put", world.bucket, f"{name}/m=1/f.csv"))
    world.run(name)
    assert set(world.partitions(name, "own")) == {("1",)}
    assert columns(world.tables(name)["own"]) == [("mine", "bigint"), ("yours", "bigint")]
