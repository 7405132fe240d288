"""Crawls whose worker or server dies: each table is as before or as after, never between; the next crawl mends all."""
import itertools
import json
import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import alive, children_of, wait_for
from crawling import World


def fill(world, name, tables=6, partitions=120, extra=False):
    rows = {t: json.dumps({f"a{t}": 1, f"b{t}": 2, **({f"c{t}": "new"} if extra else {})}) for t in range(tables)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda tk: world.put(f"{name}/t{tk[0]}/k={tk[1]}/f.json", rows[tk[0]]), itertools.product(range(tables), range(partitions))))


def crawl_worker(server):
    """The process that runs a crawl's worker, or None."""
    for pid in children_of(server.pid):
        try:
            argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"worker" in argv:
            return pid
    return None


def check(world, name, tables=6, partitions=120):
    """How many tables there are; each whole."""
    try:
        found = world.tables(name)
    except world.glue.exceptions.EntityNotFoundException:
        return 0
    for t, table in found.items():
        n = int(t[1:])
        names = [c["Name"] for c in table["StorageDescriptor"]["Columns"]]
        parts = world.partitions(name, t)
        assert len(parts) == partitions, (t, len(parts))
        # all old or all new
        assert names in ([f"a{n}", f"b{n}"], [f"a{n}", f"b{n}", f"c{n}"])
        assert all([c["Name"] for c in p["StorageDescriptor"]["Columns"]] == names for p in parts.values()), t
    return len(found)


def test_the_worker_is_killed(new_server):
    server = new_server()
    world = World(server.client("glue"), server.client("s3"))
    name = world.fresh()
    fill(world, name, tables=2, partitions=300)
    world.create(name, f"{name}/")
    world.glue.start_crawler(Name=name)
    pid = wait_for(lambda: crawl_worker(server), 30, 0.001)
    os.kill(pid, signal.SIGKILL)
    c = wait_for(lambda: (lambda c: c if c["State"] == "READY" else None)(world.glue.get_crawler(Name=name)["Crawler"]), 60)
    if c["LastCrawl"]["Status"] == "FAILED":  # it may have been done already
        assert "signal" in c["LastCrawl"]["ErrorMessage"] or "kill" in c["LastCrawl"]["ErrorMessage"].lower()
        assert check(world, name, 2, 300) == 0
    world.run(name)
    assert check(world, name, 2, 300) == 2


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_the_server_is_killed(new_server, seed):
    rng = random.Random(seed)
    server = new_server()
    world = World(server.client("glue"), server.client("s3"))
    name = world.fresh()
    fill(world, name)
    world.create(name, f"{name}/")
    if seed % 2:
        world.run(name)
        fill(world, name, extra=True)
    log = server.data / "logs" / "crawlers" / "us-east-1" / f"{name}.log"
    seen = log.read_text().count("Classification complete") if log.exists() else 0
    world.glue.start_crawler(Name=name)
    if seed > 2:  # while it is stored, else while it is read
        wait_for(lambda: log.exists() and log.read_text().count("Classification complete") > seen, 60, 0.0005)
    time.sleep(rng.random() * 0.02)
    server.kill()
    server.start()
    world.glue, world.s3 = server.client("glue"), server.client("s3")
    c = world.glue.get_crawler(Name=name)["Crawler"]
    assert c["State"] == "READY"
    check(world, name)
    world.run(name)
    assert check(world, name) == 6
    assert all([c["Name"] for c in t["StorageDescriptor"]["Columns"]][-1].startswith("c" if seed % 2 else "b") for t in world.tables(name).values())


def test_the_lake_goes_away(new_server):
    server = new_server()
    world = World(server.client("glue"), server.client("s3"))
    name = world.fresh()
    fill(world, name, tables=1, partitions=3)
    world.create(name, "s3://127.0.0.1/", db=name)  # a bucket that cannot be
    c = world.run(name, expect="FAILED")
    assert c["LastCrawl"]["ErrorMessage"]
    assert check(world, name) == 0
