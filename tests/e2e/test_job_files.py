"""Which files a visual job reads of a table, and which it writes: against what S3 lists."""
import io
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
from visual import Visual  # noqa: E402


@pytest.fixture(scope="module")
def lab(server):
    return Visual(server)


def target(out, lab, node):
    return {"S3GlueParquetTarget": {"Name": "Out", "Inputs": [node], "Path": lab.uri(out), "Compression": "snappy"}}


def table(lab, name, partitions):
    """A Parquet table of (year, month); partitions: (values, key prefix)."""
    def sd(prefix):
        return {"Columns": [{"Name": "id", "Type": "bigint"}], "Location": lab.uri(prefix),
                "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"}}
    lab.glue.create_table(DatabaseName=lab.database, TableInput={
        "Name": name, "Parameters": {"classification": "parquet"}, "StorageDescriptor": sd(f"{name}/"),
        "PartitionKeys": [{"Name": "year", "Type": "int"}, {"Name": "month", "Type": "string"}]})
    for i in range(0, len(partitions), 100):
        lab.glue.batch_create_partition(DatabaseName=lab.database, TableName=name, PartitionInputList=[
            {"Values": list(values), "StorageDescriptor": sd(prefix)} for values, prefix in partitions[i:i + 100]])


def numbers(lab, key, ids):
    body = io.BytesIO()
    pq.write_table(pa.table({"id": pa.array(ids, pa.int64())}), body)
    lab.put(key, body.getvalue())


@pytest.mark.parametrize("seed, strays", [(1, 0), (2, 0), (3, 9000)])
def test_partitions_wherever_they_lie(lab, seed, strays):
    """Under the table, beside it, hidden, sharing a prefix, empty; with other files around, once far more of
    them than partitions have."""
    r = random.Random(seed)
    name, partitions, expected, following = f"places{seed}", [], set(), iter(range(10 ** 6))
    for k in range(14):
        values = (str(2000 + k % 5), f"m{k}")
        prefix = r.choice([f"{name}/year={values[0]}/month={values[1]}/", f"{name}/plain-{k}", f"{name}/plain-{k}-longer/",
                           f"elsewhere-{name}/{k}/", f"{name}/_hidden/{k}/", f"{name}/deep/{k}/er/"])
        partitions.append((values, prefix))
        for part in range(r.choice([0, 1, 1, 3])):
            ids = [next(following) for _ in range(r.randrange(1, 5))]
            numbers(lab, f"{prefix.rstrip('/')}/{r.choice(['', 'sub/'])}f{part}.parquet", ids)
            expected |= {(i, *values) for i in ids}
    numbers(lab, f"{name}/year=1999/month=nobody/x.parquet", [-1])
    numbers(lab, f"{name}/plain-1-longer-still/x.parquet", [-2])
    for k in range(strays):
        lab.put(f"{name}/aaa-strays/{k:05}.parquet", b"not Parquet")
    table(lab, name, partitions)
    out = lab.fresh()
    job = lab.create({"a": {"CatalogSource": {"Name": "In", "Database": lab.database, "Table": name}}, "z": target(out, lab, "a")})
    lab.succeed(job)
    assert {(row["id"], str(row["year"]), row["month"]) for row in lab.rows(out)} == expected


def test_many_partitions(lab):
    """More than a page of them, each a part of its own."""
    partitions = [((str(k // 100), f"m{k}"), f"many/{k}/") for k in range(1203)]
    for k in range(0, 1203, 7):
        numbers(lab, f"many/{k}/x.parquet", [k])
    table(lab, "many", partitions)
    out = lab.fresh()
    lab.succeed(lab.create({"a": {"CatalogSource": {"Name": "In", "Database": lab.database, "Table": "many"}}, "z": target(out, lab, "a")}))
    assert sorted((row["id"], row["year"], row["month"]) for row in lab.rows(out)) == [(k, k // 100, f"m{k}") for k in range(0, 1203, 7)]
    assert len(lab.keys(out)) < 10


@pytest.mark.parametrize("seed", [4, 5])
def test_order_is_kept_where_it_was_asked_for(lab, seed):
    """A query's order, in one file; without one, files as they come, and no row twice or lost."""
    n = 400_000
    ids = list(range(n))
    random.Random(seed).shuffle(ids)
    for k in range(4):
        numbers(lab, f"order{seed}/{k}.parquet", ids[k::4])
    source = {"S3ParquetSource": {"Name": "In", "Paths": [lab.uri(f"order{seed}/")]}}
    sql = {"SparkSQL": {"Name": "Sorted", "Inputs": ["a"], "SqlQuery": "select * from t order by id desc", "SqlAliases": [{"From": "a", "Alias": "t"}]}}
    out = lab.fresh()
    lab.succeed(lab.create({"a": source, "b": sql, "z": target(out, lab, "b")}))
    [key] = lab.keys(out)
    assert pq.read_table(io.BytesIO(lab.get(key)))["id"].to_pylist() == list(range(n - 1, -1, -1))
    out = lab.fresh()
    lab.succeed(lab.create({"a": source, "z": target(out, lab, "a")}))
    files = lab.keys(out)
    got = [i for key in files for i in pq.read_table(io.BytesIO(lab.get(key)))["id"].to_pylist()]
    assert 1 <= len(files) <= 16 and sorted(got) == list(range(n))


def test_no_rows_leave_a_file_that_has_the_columns(lab):
    numbers(lab, "few/x.parquet", [1, 2])
    out = lab.fresh()
    where = {"Filter": {"Name": "None", "Inputs": ["a"], "LogicalOperator": "AND", "Filters": [
        {"Operation": "GT", "Values": [{"Type": "COLUMNEXTRACTED", "Value": ["id"]}, {"Type": "CONSTANT", "Value": ["5"]}]}]}}
    lab.succeed(lab.create({"a": {"S3ParquetSource": {"Name": "In", "Paths": [lab.uri("few/")]}}, "b": where, "z": target(out, lab, "b")}))
    [key] = lab.keys(out)
    got = pq.read_table(io.BytesIO(lab.get(key)))
    assert got.num_rows == 0 and got.column_names == ["id"]
