"""People who know AWS Glue and have not read our source: awswrangler with the catalogue, the AWS CLI, boto3's pagers
and waiters, each unmodified, with nothing but the profile that the server wrote."""
import json
import os
import random
import subprocess
import sys
import uuid
from pathlib import Path

import pandas as pd
import pytest

from conftest import binary

DEPS = Path(os.environ.get("NIKAWA_DEPS") or Path.home() / ".cache/nikawa")


def profile(server):
    env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    return dict(env, AWS_PROFILE="nikawa", AWS_CONFIG_FILE=str(server.data / "config"), AWS_PAGER="",
                AWS_SHARED_CREDENTIALS_FILE=str(server.data / "credentials"), PATH=f"{DEPS}/venv/test/bin:{os.environ['PATH']}")


def wrangler(server, code, *arguments):
    """Runs code in a process of its own, as a user would: awswrangler takes its settings from the environment."""
    done = subprocess.run([sys.executable, "-c", "import awswrangler as wr, pandas as pd, sys, json\n" + code, *arguments],
                          env=profile(server), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture
def place(server):
    name = "wr-" + uuid.uuid4().hex[:8]
    server.client("s3").create_bucket(Bucket=name)
    server.client("glue").create_database(DatabaseInput={"Name": name.replace("-", "_")})
    return f"s3://{name}/t/", name.replace("-", "_")


@pytest.mark.parametrize("seed", [1, 2])
def test_wrangler_parquet_datasets(server, place, seed, tmp_path):
    path, database = place
    r = random.Random(seed)
    rows = [{"id": i, "name": r.choice(["Ann", "日本", "", None]), "score": r.choice([None, r.random(), float(i)]),
             "ok": r.random() < 0.5, "at": pd.Timestamp("2024-01-01") + pd.Timedelta(seconds=r.randrange(10 ** 7)),
             "day": r.choice(["2024-01-01", "2024-01-02", "2024-02-01"]), "part": r.randrange(3)} for i in range(200)]
    source = tmp_path / "rows.json"
    source.write_text(json.dumps(rows, default=str))
    wrangler(server, """
path, database, source = sys.argv[1:]
rows = json.load(open(source))
frame = pd.DataFrame(rows).astype({"id": "int64"})
frame["at"] = pd.to_datetime(frame["at"])
half = len(frame) // 2
wr.s3.to_parquet(frame[:half], path=path, dataset=True, database=database, table="t", partition_cols=["day", "part"],
                 glue_table_settings={"columns_comments": {"id": "which one"}, "description": "a table"})
wr.s3.to_parquet(frame[half:], path=path, dataset=True, database=database, table="t", partition_cols=["day", "part"], mode="append")
""", path, database, str(source))
    glue = server.client("glue")
    table = glue.get_table(DatabaseName=database, Name="t")["Table"]
    assert {c["Name"]: c["Type"] for c in table["StorageDescriptor"]["Columns"]} == {
        "id": "bigint", "name": "string", "score": "double", "ok": "boolean", "at": "timestamp"}
    assert [(k["Name"], k["Type"]) for k in table["PartitionKeys"]] == [("day", "string"), ("part", "bigint")]
    found = glue.get_paginator("get_partitions").paginate(DatabaseName=database, TableName="t").build_full_result()
    assert {tuple(p["Values"]) for p in found["Partitions"]} == {(x["day"], str(x["part"])) for x in rows}
    out = json.loads(wrangler(server, """
path, database = sys.argv[1:]
whole = wr.s3.read_parquet_table(database=database, table="t")
some = wr.s3.read_parquet_table(database=database, table="t", partition_filter=lambda p: p["day"] == "2024-01-02")
print(json.dumps({
    "ids": sorted(int(i) for i in whole["id"]), "some": sorted(int(i) for i in some["id"]),
    "names": {int(r.id): None if pd.isna(r.name_) else r.name_ for r in whole.rename(columns={"name": "name_"}).itertuples()},
    "types": wr.catalog.get_table_types(database=database, table="t"),
    "comment": wr.catalog.get_columns_comments(database=database, table="t")["id"],
    "tables": list(wr.catalog.tables(database=database)["Table"]), "exists": wr.catalog.does_table_exist(database, "t"),
    "location": wr.catalog.get_table_location(database, "t"),
    "partitions": len(wr.catalog.get_parquet_partitions(database=database, table="t"))}))
""", path, database))
    assert out["ids"] == list(range(200)) and out["some"] == [x["id"] for x in rows if x["day"] == "2024-01-02"]
    assert {int(k): v for k, v in out["names"].items()} == {x["id"]: x["name"] for x in rows}
    assert out["types"]["day"] == "string" and out["comment"] == "which one" and out["tables"] == ["t"] and out["exists"]
    assert out["location"].rstrip("/") == path.rstrip("/") and out["partitions"] == len({(x["day"], x["part"]) for x in rows})
    # what a job reads is what awswrangler wrote
    wrangler(server, """
path, database = sys.argv[1:]
wr.s3.to_parquet(pd.DataFrame({"id": [7], "name": ["new"], "score": [1.5], "ok": [True], "at": [pd.Timestamp("2025-01-01")],
                 "day": ["2024-01-02"], "part": [0]}), path=path, dataset=True, database=database, table="t",
                 partition_cols=["day", "part"], mode="overwrite_partitions")
left = wr.s3.read_parquet_table(database=database, table="t")
assert sorted(left[(left.day == "2024-01-02") & (left.part == 0)]["id"]) == [7], left
wr.catalog.delete_table_if_exists(database=database, table="t")
assert not wr.catalog.does_table_exist(database, "t")
""", path, database)


def test_wrangler_csv_and_json_and_store_by_type(server, place):
    path, database = place
    wrangler(server, """
path, database = sys.argv[1:]
frame = pd.DataFrame({"a": [1, 2, None], "b": ["x", 'q"q', "ü,"]})
wr.s3.to_csv(frame, path=path + "csv/", dataset=True, database=database, table="c", index=False)
wr.s3.to_json(frame, path=path + "json/", dataset=True, database=database, table="j", orient="records", lines=True, index=False)
assert list(wr.catalog.get_table_types(database, "c")) == ["a", "b"]
assert list(wr.s3.read_csv(path + "csv/", header=None, names=["a", "b"], escapechar="\\\\", quoting=3)["b"]) == ["x", 'q"q', "ü,"]
assert sorted(wr.catalog.tables(database=database)["Table"]) == ["c", "j"]
assert len(wr.catalog.databases()) >= 1
""", path, database)
    ours = subprocess.run([binary(), "sql", "--data", str(server.data), "--format", "json", f"select b from {database}.c"],
                          capture_output=True, text=True, timeout=60)
    assert sorted(r["b"] for r in json.loads(ours.stdout)) == sorted(["x", 'q"q', "ü,"]), ours


def aws(server, *words, check=True):
    done = subprocess.run(["aws", *words], env=profile(server), capture_output=True, text=True, timeout=120)
    if check:
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip().startswith(("{", "[")) else done.stdout.strip()
    return done


def test_the_cli_pages_filters_and_tells_errors(server, place):
    _, database = place
    for i in range(23):
        aws(server, "glue", "create-table", "--database-name", database, "--table-input", json.dumps(
            {"Name": f"t{i:02}", "StorageDescriptor": {"Columns": [{"Name": "a", "Type": "int"}]}}))
    names = [f"t{i:02}" for i in range(23)]
    assert aws(server, "glue", "get-tables", "--database-name", database, "--page-size", "5", "--query", "TableList[].Name") == names
    first = aws(server, "glue", "get-tables", "--database-name", database, "--max-items", "7")
    assert [t["Name"] for t in first["TableList"]] == names[:7] and first["NextToken"]
    rest = aws(server, "glue", "get-tables", "--database-name", database, "--starting-token", first["NextToken"])
    assert [t["Name"] for t in rest["TableList"]] == names[7:]
    assert aws(server, "glue", "get-tables", "--database-name", database, "--expression", "t1.*", "--query",
               "length(TableList)") == "10"
    failed = aws(server, "glue", "get-table", "--database-name", database, "--name", "nosuch", check=False)
    assert failed.returncode == 255 and "EntityNotFoundException" in failed.stderr
    failed = aws(server, "glue", "create-table", "--database-name", database, "--table-input", "{}", check=False)
    assert failed.returncode == 255 and "Missing required parameter" in failed.stderr
    assert aws(server, "sts", "get-caller-identity", "--query", "Account", "--output", "text") == server.account
