"""Plans: what a crawl would do, shown without doing it, and then done to the letter."""
import json
import subprocess
from pathlib import Path

import pytest

from conftest import binary
from crawling import World, columns


@pytest.fixture(scope="module")
def world(glue, s3):
    return World(glue, s3)


def ask(world, name, mode):
    """StartCrawler as boto3 sends it, with the header that says how."""
    def add(params, **_):
        params["headers"]["X-Nikawa-Mode"] = mode
    world.glue.meta.events.register("before-call.glue.StartCrawler", add)
    try:
        world.glue.start_crawler(Name=name)
    finally:
        world.glue.meta.events.unregister("before-call.glue.StartCrawler", add)
    from conftest import wait_for
    wait_for(lambda: world.glue.get_crawler(Name=name)["Crawler"]["State"] == "READY", 60)
    return world.glue.list_crawls(CrawlerName=name, MaxResults=1)["Crawls"][0]


def plan(world, name):
    crawl = ask(world, name, "plan")
    assert crawl["State"] == "COMPLETED", crawl
    return crawl["CrawlId"], {t["Table"]: t for t in json.loads(crawl["Summary"])["Tables"]}


def snapshot(world, db):
    """All that the catalogue holds of a database, but for when and by which crawl."""
    try:
        tables = world.tables(db)
    except world.glue.exceptions.EntityNotFoundException:
        return None
    out = {}
    for name, t in tables.items():
        for p in (t["Parameters"], t["StorageDescriptor"]["Parameters"]):
            p.pop("CRAWL_RUN_ID")
        parts = {}
        for k, v in world.partitions(db, name).items():
            parts[k] = {x: v[x] for x in ("StorageDescriptor", "Parameters") if x in v}
        out[name] = ({k: t[k] for k in ("StorageDescriptor", "Parameters", "PartitionKeys")}, parts)
    return out


def test_plan_then_apply(world):
    name = world.fresh()
    for k in (1, 2):
        world.put(f"{name}/parts/k={k}/f.json", json.dumps({"a": 1, "b": 1}))
    world.put(f"{name}/lone/f.json", json.dumps({"only": 1, "here": 2}))
    policy = {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DELETE_FROM_DATABASE"}
    world.create(name, f"{name}/", SchemaChangePolicy=policy)
    crawl, tables = plan(world, name)
    assert snapshot(world, name) is None  # nothing was made, not even the database
    assert "LastCrawl" not in world.glue.get_crawler(Name=name)["Crawler"]
    assert {t: v["Action"] for t, v in tables.items()} == {"parts": "CREATE", "lone": "CREATE"}
    assert tables["parts"]["Partitions"]["Create"] == {"Count": 2, "Values": [["1"], ["2"]]}
    assert [(c["Name"], c["Action"], c["To"]) for c in tables["parts"]["Columns"]] == [("a", "ADD", "int"), ("b", "ADD", "int")]
    assert "key=value" in tables["parts"]["Why"] and f"{name}/parts/k=1/f.json" in tables["parts"]["Why"]
    assert ask(world, name, f"apply {crawl}")["State"] == "COMPLETED"
    first = snapshot(world, name)
    assert sorted(first) == ["lone", "parts"] and set(first["parts"][1]) == {("1",), ("2",)}
    # change everything; the plan tells each change; applying gives what a crawl gives
    world.put(f"{name}/parts/k=2/f.json", json.dumps({"a": 2 ** 40, "c": "x"}))
    world.put(f"{name}/parts/k=3/f.json", json.dumps({"a": 1, "c": "x"}))
    for gone in ("parts/k=1/f.json", "lone/f.json"):
        world.s3.delete_object(Bucket=world.bucket, Key=f"{name}/{gone}")
    world.put(f"{name}/fresh/f.json", json.dumps({"p": 1, "q": 2}))
    crawl, tables = plan(world, name)
    assert snapshot(world, name) == first
    assert {t: v["Action"] for t, v in tables.items()} == {"parts": "UPDATE", "lone": "DELETE", "fresh": "CREATE"}
    assert tables["parts"]["Partitions"] == {"Create": {"Count": 1, "Values": [["3"]]}, "Update": {"Count": 1, "Values": [["2"]]}, "Delete": {"Count": 1, "Values": [["1"]]}}
    assert {(c["Name"], c["Action"], c.get("From"), c.get("To")) for c in tables["parts"]["Columns"]} == {
        ("a", "CHANGE", "int", "bigint"), ("b", "DROP", "int", None), ("c", "ADD", None, "string")}
    world.put(f"{name}/late/f.json", json.dumps({"too": 1, "late": 2}))  # after the plan: not part of it
    assert ask(world, name, f"apply {crawl}")["State"] == "COMPLETED"
    after = snapshot(world, name)
    assert sorted(after) == ["fresh", "parts"] and set(after["parts"][1]) == {("2",), ("3",)}
    world.s3.delete_object(Bucket=world.bucket, Key=f"{name}/late/f.json")
    world.run(name)
    assert snapshot(world, name) == after


def test_a_plan_is_refused_when_the_catalogue_has_changed(world):
    name = world.fresh()
    world.put(f"{name}/f.json", json.dumps({"a": 1}))
    world.create(name, f"{name}/")
    world.run(name)
    world.put(f"{name}/f.json", json.dumps({"a": 1, "b": 1}))
    old, _ = plan(world, name)
    t = world.tables(name)[name]
    t["StorageDescriptor"]["Columns"].append({"Name": "b", "Type": "string"})
    world.glue.update_table(DatabaseName=name, TableInput={k: t[k] for k in ("Name", "StorageDescriptor", "PartitionKeys", "TableType", "Parameters")})
    crawl = ask(world, name, f"apply {old}")
    assert crawl["State"] == "FAILED" and "plan again" in crawl["ErrorMessage"]
    assert columns(world.tables(name)[name]) == [("a", "int"), ("b", "string")]
    new, _ = plan(world, name)
    with pytest.raises(world.glue.exceptions.EntityNotFoundException):
        ask(world, name, f"apply {old}")  # there is a newer one
    assert ask(world, name, f"apply {new}")["State"] == "COMPLETED"
    assert columns(world.tables(name)[name]) == [("a", "int"), ("b", "int")]
    with pytest.raises(world.glue.exceptions.ClientError) as e:
        ask(world, name, "dance")
    assert "X-Nikawa-Mode" in str(e.value)


def test_the_command(world, server):
    def nikawa(*args, code=0):
        done = subprocess.run([binary(), "crawl", "--data", str(server.data), *args], text=True, capture_output=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr
    name = world.fresh()
    for k in range(14):
        world.put(f"{name}/k={k}/f.json", json.dumps({"a": 1, "b": 1}))
    world.create(name, f"{name}/")
    text = nikawa("--plan", name)
    assert f"CREATE    {name}.{name}" in text and "create 14 partitions: 0 1 10" in text and "because: folders named key=value" in text
    apply = text.strip().splitlines()[-1].split("nikawa crawl ")[1].split()
    assert snapshot(world, name) is None
    assert nikawa(*apply).split() == ["created", "1", "table:", name, "created", "14", "partitions"]
    assert len(world.partitions(name, name)) == 14
    assert "keep" in nikawa("--plan", name)
    tables = json.loads(nikawa("--plan", "--json", name))["Tables"]
    assert [t["Action"] for t in tables] == ["NONE"]
    assert nikawa("--json", name).strip() == "{}" and nikawa(name).strip() == "nothing has changed"
    world.put(f"{name}/k=0/f.json", json.dumps({"a": 1, "b": 1, "c": 1}))
    assert nikawa(name).split() == ["updated", "1", "table:", name, "updated", "1", "partition"]
    world.create(name + "x", "s3://there-is-none-of-this-name/", db=name)
    said = nikawa(name + "x", code=1)
    assert "does not exist" in said and Path(said.strip().splitlines()[-1].split(": ")[1]).exists()
    assert "does not exist" in nikawa("--plan", "nobody", code=1)
    assert "exclude" in nikawa("--plan", "--apply", "x", name, code=2)
