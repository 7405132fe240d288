"""Iceberg commits, purges and optimizers under kill -9 and without a lake."""
import json
import random
import threading
import uuid

import pytest
from conftest import Server, wait_for

from iceberg_client import Refused, Rest, schema  # noqa: E402


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def ended(server):
    server.stop()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_acknowledged_commit_is_lost(data, seed):
    """Committers work while the server is killed; after the restart each table holds what was acknowledged, and is whole."""
    chance = random.Random(seed)
    server = Server(data=data).start()
    rest = Rest(server)
    rest.post("namespaces", {"namespace": ["d"]})
    for i in range(4):
        rest.post("namespaces/d/tables", {"name": f"t{i}", "schema": schema((1, "a", "long"))})
    acknowledged = {i: {} for i in range(4)}
    tried = {i: {} for i in range(4)}
    stop = threading.Event()

    def commit(i, worker):
        mine, n = Rest(server, rest.token), 0
        while not stop.is_set():
            key, n = f"w{worker}-{n}", n + 1
            tried[i][key] = str(n)
            try:
                reply = mine.post(f"namespaces/d/tables/t{i}", {"requirements": [], "updates": [{"action": "set-properties", "updates": {key: str(n)}}]})
            except Exception:  # whatever a dying server gives
                return
            if reply:
                acknowledged[i][key] = str(n)

    threads = [threading.Thread(target=commit, args=(i, w)) for i in range(4) for w in range(2)]
    for t in threads:
        t.start()
    wait_for(lambda: sum(map(len, acknowledged.values())) > 20 + chance.randrange(40), 60)
    server.kill()
    stop.set()
    for t in threads:
        t.join()
    server = Server(data=data).start()
    try:
        rest = Rest(server)
        s3 = server.client("s3")
        for i in range(4):
            loaded = rest.get(f"namespaces/d/tables/t{i}")
            have = loaded["metadata"]["properties"]
            assert acknowledged[i].items() <= have.items() <= tried[i].items()
            files = [e["metadata-file"] for e in loaded["metadata"]["metadata-log"]] + [loaded["metadata-location"]]
            for f in files[-5:]:
                bucket, key = f.removeprefix("s3://").split("/", 1)
                assert json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())["table-uuid"] == loaded["metadata"]["table-uuid"]
            rest.post(f"namespaces/d/tables/t{i}", {"requirements": [{"type": "assert-table-uuid", "uuid": loaded["metadata"]["table-uuid"]}],
                                                    "updates": [{"action": "set-properties", "updates": {"after": "1"}}]})
    finally:
        ended(server)


def test_a_killed_purge_is_taken_up_again(data):
    pa = pytest.importorskip("pyarrow")
    catalogs = pytest.importorskip("pyiceberg.catalog")
    server = Server(data=data).start()

    def catalog():
        return catalogs.load_catalog(uuid.uuid4().hex, type="rest", uri=server.url + "/iceberg", credential=f"{server.access_key}:{server.secret_key}")

    c = catalog()
    c.create_namespace("d")
    tables = []
    for i in range(6):
        t = c.create_table(f"d.t{i}", schema=pa.schema([("a", pa.int64())]))
        t.append(pa.table({"a": pa.array([1], pa.int64())}))
        tables.append(t.location().removeprefix("s3://").split("/", 1))
    for i in range(6):
        c.purge_table(f"d.t{i}")
    server.kill()
    server = Server(data=data).start()
    try:
        s3 = server.client("s3")
        assert catalog().list_tables("d") == []

        def data_files():
            return [o for b, k in tables for o in s3.list_objects_v2(Bucket=b, Prefix=k + "/data/").get("Contents", [])]

        wait_for(lambda: not data_files(), 60)
    finally:
        ended(server)


def test_an_optimizer_that_was_running_is_failed_and_runs_again(data):
    server = Server(data=data).start()
    rest, glue = Rest(server), server.client("glue")
    rest.post("namespaces", {"namespace": ["d"]})
    rest.post("namespaces/d/tables", {"name": "t", "schema": schema((1, "a", "long"))})
    which = {"CatalogId": "000000000000", "DatabaseName": "d", "TableName": "t", "Type": "orphan_file_deletion"}
    glue.create_table_optimizer(**which, TableOptimizerConfiguration={"enabled": True})
    wait_for(lambda: glue.list_table_optimizer_runs(**which)["TableOptimizerRuns"], 30, every=0.002)
    server.kill()
    server = Server(data=data).start()
    try:
        glue = server.client("glue")
        wait_for(lambda: glue.get_table_optimizer(**which)["TableOptimizer"]["lastRun"]["eventType"] == "completed", 60)
        runs = glue.list_table_optimizer_runs(**which)["TableOptimizerRuns"]
        assert all(r["eventType"] in ("completed", "failed") and "endTimestamp" in r for r in runs)
        # the first was killed, unless it was quicker; one that met a lake which was not up yet is tried again
        assert runs[-1]["eventType"] == "completed" or "server ended" in runs[-1]["error"]
        assert len(runs) > 1 or runs[0]["eventType"] == "completed"
    finally:
        ended(server)


def test_without_a_lake_it_says_so(data):
    server = Server(data=data, lake=False).start()
    try:
        rest = Rest(server)
        rest.post("namespaces", {"namespace": ["d"]})
        with pytest.raises(Refused) as e:
            rest.post("namespaces/d/tables", {"name": "t", "schema": schema((1, "a", "long"))})
        assert (e.value.status, e.value.type) == (503, "ServiceUnavailableException") and "lake" in e.value.message
        assert rest.get("namespaces/d/tables")["identifiers"] == []
    finally:
        ended(server)
