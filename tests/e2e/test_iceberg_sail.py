"""Sail (Spark without a JVM) on the Iceberg REST catalogue and on Glue's own API; its rows against PyIceberg's."""
import json
import os
import subprocess
import uuid
from pathlib import Path

import pyarrow as pa
import pytest

HERE = Path(__file__).resolve().parent
from iceberg_client import Rest  # noqa: E402

pytest.importorskip("pyiceberg")
from pyiceberg.catalog import load_catalog  # noqa: E402


class Sail:
    def __init__(self, server, catalog):
        env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        env.update(SAIL_CATALOG__LIST=catalog, SAIL_CATALOG__DEFAULT_CATALOG="lake", AWS_REGION="us-east-1", AWS_ACCESS_KEY_ID=server.access_key,
                   AWS_SECRET_ACCESS_KEY=server.secret_key, AWS_ENDPOINT=server.s3_url, AWS_ENDPOINT_URL_S3=server.s3_url, AWS_ALLOW_HTTP="true",
                   AWS_VIRTUAL_HOSTED_STYLE_REQUEST="false")
        self.process = subprocess.Popen([os.environ["NIKAWA_DEPS"] + "/venv/run/bin/python", str(HERE / "sail_child.py")], env=env, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def __call__(self, sql):
        self.process.stdin.write(json.dumps(sql) + "\n")
        self.process.stdin.flush()
        reply = json.loads(self.process.stdout.readline())
        assert "rows" in reply, (sql, reply)
        return reply["rows"]

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(60)


@pytest.fixture(params=["rest", "glue"])
def sail(server, request):
    token = Rest(server).token
    s = Sail(server, {"rest": f'[{{type="iceberg-rest", name="lake", uri="{server.url}/iceberg", bearer_access_token="{token}"}}]',
                      "glue": f'[{{type="glue", name="lake", region="us-east-1", endpoint_url="{server.url}"}}]'}[request.param])
    yield s
    s.close()


def rows(table, *columns):
    return sorted(zip(*[table.column(c).to_pylist() for c in columns]))


def test_sail_reads_writes_and_creates(server, glue, s3, sail):
    name = "n" + uuid.uuid4().hex[:10]
    s3.create_bucket(Bucket=name)
    glue.create_database(DatabaseInput={"Name": name, "LocationUri": f"s3://{name}/{name}"})
    catalog = load_catalog(uuid.uuid4().hex, type="rest", uri=server.url + "/iceberg", credential=f"{server.access_key}:{server.secret_key}")
    t = catalog.create_table(f"{name}.py", schema=pa.schema([("a", pa.int64()), ("b", pa.string())]))
    t.append(pa.table({"a": pa.array(range(20), pa.int64()), "b": [f"v{i % 3}" for i in range(20)]}))
    assert [r[1] for r in sail(f"show tables in {name}")] == ["py"]
    assert sail(f"select b, count(*), sum(a) from {name}.py group by b order by b") == [[f"v{k}", len(range(k, 20, 3)), sum(range(k, 20, 3))] for k in range(3)]
    sail(f"insert into {name}.py values (100, 'sail')")
    assert (100, "sail") in rows(catalog.load_table(f"{name}.py").scan().to_arrow(), "a", "b")
    sail(f"create table {name}.made (i bigint, k string) using iceberg partitioned by (k) location 's3://{name}/{name}/made'")
    sail(f"insert into {name}.made select id, cast(id % 3 as string) from range(30)")
    made = catalog.load_table(f"{name}.made")
    assert rows(made.scan().to_arrow(), "i", "k") == [(i, str(i % 3)) for i in range(30)]
    assert [f.name for f in made.spec().fields] == ["k"]
    assert glue.get_table(DatabaseName=name, Name="made")["Table"]["Parameters"]["table_type"].upper() == "ICEBERG"
    made.append(pa.table({"i": pa.array([99], pa.int64()), "k": ["py"]}))
    assert sail(f"select i from {name}.made where k = 'py'") == [[99]]
