"""Databases, tables, versions and partitions through boto3."""
import re
import threading
import uuid

import pytest
from botocore.exceptions import ClientError


def name(prefix="n"):
    return prefix + uuid.uuid4().hex[:10]


def refused(code, call, says=None, **params):
    with pytest.raises(ClientError) as e:
        call(**params)
    error = e.value.response["Error"]
    assert error["Code"] == code, error
    if says:
        assert says in error["Message"], error
    assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return error["Message"]


@pytest.fixture
def g(bare_glue):
    return bare_glue


@pytest.fixture
def db(g):
    n = name("db")
    g.create_database(DatabaseInput={"Name": n})
    yield n
    try:
        g.delete_database(Name=n)
    except g.exceptions.EntityNotFoundException:
        pass


SD = {
    "Columns": [{"Name": "a", "Type": "int", "Comment": "erste Spalte é"}, {"Name": "b", "Type": "struct<x:string,y:array<int>>"}],
    "Location": "s3://lake/t/", "AdditionalLocations": ["s3://lake/u/"],
    "InputFormat": "org.apache.hadoop.mapred.TextInputFormat", "OutputFormat": "out.Format",
    "Compressed": True, "NumberOfBuckets": -1,
    "SerdeInfo": {"Name": "s", "SerializationLibrary": "lib", "Parameters": {"separatorChar": ","}},
    "BucketColumns": ["a"], "SortColumns": [{"Column": "a", "SortOrder": 1}],
    "Parameters": {"k": "v", "quote": '"}}'}, "StoredAsSubDirectories": False,
    "SkewedInfo": {"SkewedColumnNames": ["a"], "SkewedColumnValues": ["1"], "SkewedColumnValueLocationMaps": {"1": "s3://x"}},
}


def table_input(n, **more):
    return {"Name": n, "Description": "d", "Owner": "o", "Retention": 3, "StorageDescriptor": SD, "TableType": "EXTERNAL_TABLE",
            "PartitionKeys": [{"Name": "y", "Type": "int"}, {"Name": "m", "Type": "string", "Comment": "month"}],
            "Parameters": {"classification": "csv", "empty": ""}, "ViewOriginalText": "o", "ViewExpandedText": "e", **more}


def holds(got, want):
    """want's members are in got, whole."""
    for k, v in want.items():
        assert got[k] == v, (k, got.get(k), v)


# ---- databases ----

def test_database_round_trip(g):
    n = name("Db")
    given = {"Name": n, "Description": "über\nalles", "LocationUri": "s3://x/y", "Parameters": {"a": "1", "b": ""},
             "CreateTableDefaultPermissions": [{"Principal": {"DataLakePrincipalIdentifier": "me"}, "Permissions": ["SELECT", "ALTER"]}],
             "TargetDatabase": {"CatalogId": "123456789012", "DatabaseName": "far"}}
    g.create_database(DatabaseInput=given)
    got = g.get_database(Name=n.upper())["Database"]
    holds(got, {**given, "Name": n.lower(), "CatalogId": "000000000000"})
    refused("AlreadyExistsException", g.create_database, "Database already exists.", DatabaseInput={"Name": n.lower()})
    g.update_database(Name=n, DatabaseInput={"Name": n, "Description": "new"})
    after = g.get_database(Name=n, CatalogId="000000000000")["Database"]
    assert after["Description"] == "new" and after["CreateTime"] == got["CreateTime"] and "LocationUri" not in after
    refused("InvalidInputException", g.update_database, "cannot be changed", Name=n, DatabaseInput={"Name": name()})
    g.delete_database(Name=n)
    for call in (g.get_database, g.delete_database):
        refused("EntityNotFoundException", call, f"Database {n} not found.", Name=n)
    refused("EntityNotFoundException", g.update_database, Name=n, DatabaseInput={"Name": n})


def test_default_permissions_are_awss(g, db):
    assert g.get_database(Name=db)["Database"]["CreateTableDefaultPermissions"] == [
        {"Principal": {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"}, "Permissions": ["ALL"]}]


def test_other_catalogs_are_not_found(g, db):
    refused("InvalidInputException", g.create_database, "Catalog 999999999999", CatalogId="999999999999", DatabaseInput={"Name": name()})
    for call, params in ((g.get_database, {"Name": db}), (g.get_databases, {}), (g.get_tables, {"DatabaseName": db})):
        refused("EntityNotFoundException", call, "Catalog 999999999999", CatalogId="999999999999", **params)


def test_databases_page_while_others_go(bare_glue_in):
    g = bare_glue_in("ap-south-1")
    names = sorted(name("p") for _ in range(25))
    for n in names:
        g.create_database(DatabaseInput={"Name": n})
    seen, token = [], None
    while True:
        page = g.get_databases(MaxResults=4, **({"NextToken": token} if token else {}))
        seen += [d["Name"] for d in page["DatabaseList"]]
        token = page.get("NextToken")
        if not token:
            break
        assert len(page["DatabaseList"]) == 4
        gone = seen[-1]  # the very record that the token names
        g.delete_database(Name=gone)
    assert seen == names
    assert set(d["Name"] for d in g.get_databases(AttributesToGet=["NAME"])["DatabaseList"]) <= set(names)
    refused("InvalidInputException", g.get_databases, "NAME", AttributesToGet=["TARGET_DATABASE"])


def test_regions_are_namespaces(bare_glue_in):
    here, there = bare_glue_in("eu-central-1"), bare_glue_in("eu-west-3")
    n = name("r")
    here.create_database(DatabaseInput={"Name": n, "Description": "here"})
    refused("EntityNotFoundException", there.get_database, Name=n)
    there.create_database(DatabaseInput={"Name": n, "Description": "there"})
    here.create_table(DatabaseName=n, TableInput={"Name": "t"})
    refused("EntityNotFoundException", there.get_table, DatabaseName=n, Name="t")
    there.delete_database(Name=n)
    assert here.get_database(Name=n)["Database"]["Description"] == "here"
    assert here.get_table(DatabaseName=n, Name="t")["Table"]["Name"] == "t"


def test_a_deleted_database_gives_back_nothing(g):
    n = name("del")
    g.create_database(DatabaseInput={"Name": n})
    g.create_table(DatabaseName=n, TableInput=table_input("t"))
    g.batch_create_partition(DatabaseName=n, TableName="t", PartitionInputList=[{"Values": [str(i), "x"]} for i in range(100)])
    g.delete_database(Name=n)
    g.create_database(DatabaseInput={"Name": n})
    assert g.get_tables(DatabaseName=n)["TableList"] == []
    g.create_table(DatabaseName=n, TableInput=table_input("t"))
    assert g.get_partitions(DatabaseName=n, TableName="t")["Partitions"] == []
    assert [v["VersionId"] for v in g.get_table_versions(DatabaseName=n, TableName="t")["TableVersions"]] == ["0"]


# ---- tables ----

def test_table_round_trip(g, db):
    given = table_input("My_Table")
    g.create_table(DatabaseName=db.upper(), TableInput=given)
    got = g.get_table(DatabaseName=db, Name="MY_TABLE")["Table"]
    holds(got, {**given, "Name": "my_table", "DatabaseName": db, "VersionId": "0", "CatalogId": "000000000000",
                "IsRegisteredWithLakeFormation": False})
    assert got["CreatedBy"].startswith("arn:aws:") and got["CreateTime"] == got["UpdateTime"]
    assert g.get_tables(DatabaseName=db)["TableList"] == [got]
    refused("AlreadyExistsException", g.create_table, "Table already exists.", DatabaseName=db, TableInput={"Name": "my_table"})
    g.delete_table(DatabaseName=db, Name="My_Table")
    refused("EntityNotFoundException", g.get_table, "Entity Not Found", DatabaseName=db, Name="my_table")
    refused("EntityNotFoundException", g.delete_table, "Table my_table not found.", DatabaseName=db, Name="my_table")


def test_what_storage_says_unasked(g, db):
    """Four members come back even where nobody gave them, from tables and from partitions; what was given stays."""
    unasked = {"Compressed": False, "NumberOfBuckets": 0, "SortColumns": [], "StoredAsSubDirectories": False}
    given = {"Compressed": True, "NumberOfBuckets": -1, "SortColumns": [{"Column": "a", "SortOrder": 1}], "StoredAsSubDirectories": True}
    for name, storage, wanted in (("bare", {}, unasked), ("full", given, given)):
        storage = {"Columns": [{"Name": "a", "Type": "int"}], **storage}
        g.create_table(DatabaseName=db, TableInput={"Name": name, "StorageDescriptor": storage, "PartitionKeys": [{"Name": "k", "Type": "int"}]})
        assert g.get_table(DatabaseName=db, Name=name)["Table"]["StorageDescriptor"] == {**storage, **wanted}
        g.create_partition(DatabaseName=db, TableName=name, PartitionInput={"Values": ["1"], "StorageDescriptor": storage})
        p = g.get_partition(DatabaseName=db, TableName=name, PartitionValues=["1"])["Partition"]
        assert p["StorageDescriptor"] == {**storage, **wanted}
    g.create_table(DatabaseName=db, TableInput={"Name": "none"})
    assert "StorageDescriptor" not in g.get_table(DatabaseName=db, Name="none")["Table"]


def test_tables_in_no_database(g):
    for call, params in ((g.create_table, {"TableInput": {"Name": "t"}}), (g.get_table, {"Name": "t"}), (g.get_tables, {}),
                         (g.update_table, {"TableInput": {"Name": "t"}}), (g.delete_table, {"Name": "t"}),
                         (g.batch_delete_table, {"TablesToDelete": ["t"]}), (g.get_table_versions, {"TableName": "t"}),
                         (g.get_partitions, {"TableName": "t"})):
        refused("EntityNotFoundException", call, "Database nowhere not found.", DatabaseName="nowhere", **params)


def test_what_is_not_there_says_so(g, db):
    refused("InvalidInputException", g.create_table, "columns and a location", DatabaseName=db, TableInput={"Name": "t"},
            OpenTableFormatInput={"IcebergInput": {"MetadataOperation": "CREATE"}})
    refused("InvalidInputException", g.create_table, "TableInput", DatabaseName=db)
    refused("InvalidInputException", g.create_table, "twice", DatabaseName=db, TableInput={
        "Name": "t", "PartitionKeys": [{"Name": "k", "Type": "int"}, {"Name": "K", "Type": "int"}]})
    refused("InvalidInputException", g.create_table, "no partition key", DatabaseName=db, TableInput=table_input("t"),
            PartitionIndexes=[{"IndexName": "i", "Keys": ["nope"]}])
    assert g.get_tables(DatabaseName=db)["TableList"] == []


def test_update_and_versions(g, db):
    g.create_table(DatabaseName=db, TableInput=table_input("t", Description="v0"))
    created = g.get_table(DatabaseName=db, Name="t")["Table"]
    for i in range(1, 6):
        g.update_table(DatabaseName=db, TableInput=table_input("t", Description=f"v{i}"), SkipArchive=i == 3)
    now = g.get_table(DatabaseName=db, Name="t")["Table"]
    assert now["VersionId"] == "5" and now["Description"] == "v5" and now["CreateTime"] == created["CreateTime"]
    versions = [v for p in g.get_paginator("get_table_versions").paginate(DatabaseName=db, TableName="t", PaginationConfig={"PageSize": 2})
                for v in p["TableVersions"]]
    # Each update keeps what it replaces; the third did not, so version 2 is gone.
    assert [v["VersionId"] for v in versions] == ["5", "4", "3", "1", "0"]
    for v in versions:
        assert v["Table"]["Description"] == "v" + v["VersionId"] and v["Table"]["VersionId"] == v["VersionId"]
        one = g.get_table_version(DatabaseName=db, TableName="t", VersionId=v["VersionId"])["TableVersion"]
        assert one == v
    assert g.get_table_version(DatabaseName=db, TableName="t")["TableVersion"]["VersionId"] == "5"
    refused("EntityNotFoundException", g.get_table_version, "Version not found.", DatabaseName=db, TableName="t", VersionId="2")
    refused("InvalidInputException", g.get_table_version, 'For input string: "x"', DatabaseName=db, TableName="t", VersionId="x")
    g.delete_table_version(DatabaseName=db, TableName="t", VersionId="0")
    refused("EntityNotFoundException", g.delete_table_version, DatabaseName=db, TableName="t", VersionId="0")
    errors = g.batch_delete_table_version(DatabaseName=db, TableName="t", VersionIds=["1", "2", "x", "5"])["Errors"]
    assert [(e["VersionId"], e["ErrorDetail"]["ErrorCode"]) for e in errors] == [
        ("2", "EntityNotFoundException"), ("x", "InvalidInputException"), ("5", "InvalidInputException")]
    assert [v["VersionId"] for v in g.get_table_versions(DatabaseName=db, TableName="t")["TableVersions"]] == ["5", "4", "3"]
    refused("EntityNotFoundException", g.update_table, "Table x not found.", DatabaseName=db, TableInput={"Name": "x"})


def test_version_id_guards_against_lost_updates(g, db, bare_server, watch):
    g.create_table(DatabaseName=db, TableInput={"Name": "c", "Parameters": {"n": "0"}})
    each, threads, lost = 10, 6, []

    def add():
        mine = bare_server.client("glue")
        for _ in range(each):
            while True:
                t = mine.get_table(DatabaseName=db, Name="c")["Table"]
                try:
                    mine.update_table(DatabaseName=db, VersionId=t["VersionId"], SkipArchive=True,
                                      TableInput={"Name": "c", "Parameters": {"n": str(int(t["Parameters"]["n"]) + 1)}})
                    break
                except mine.exceptions.ConcurrentModificationException:
                    lost.append(1)

    work = [threading.Thread(target=add) for _ in range(threads)]
    [w.start() for w in work]
    [w.join() for w in work]
    got = g.get_table(DatabaseName=db, Name="c")["Table"]
    assert got["Parameters"]["n"] == str(each * threads) and got["VersionId"] == str(each * threads)


def test_exactly_one_of_64_clients_creates(bare_server, db):
    client = bare_server.client("glue", config=__import__("botocore.config").config.Config(max_pool_connections=64))
    wins, others, gate = [], [], threading.Barrier(64)

    def create(i):
        gate.wait()
        try:
            client.create_table(DatabaseName=db, TableInput={"Name": "one", "Description": str(i)})
            wins.append(str(i))
        except client.exceptions.AlreadyExistsException:
            others.append(i)

    work = [threading.Thread(target=create, args=(i,)) for i in range(64)]
    [w.start() for w in work]
    [w.join() for w in work]
    assert len(wins) == 1 and len(others) == 63
    assert client.get_table(DatabaseName=db, Name="one")["Table"]["Description"] == wins[0]


def test_get_tables_by_pattern_and_page(g, db):
    names = sorted(["sales_2020", "sales_2021", "sale", "costs", "a.b", "été", "x" * 255] + [f"bulk{i:03d}" for i in range(120)])
    for n in names:
        g.create_table(DatabaseName=db, TableInput={"Name": n, "TableType": "VIRTUAL_VIEW"})

    def listed(**more):
        return [t["Name"] for p in g.get_paginator("get_tables").paginate(DatabaseName=db, **more) for t in p["TableList"]]

    assert listed() == sorted(names, key=lambda n: n.encode())
    assert listed(PaginationConfig={"PageSize": 7}) == sorted(names, key=lambda n: n.encode())
    for pattern in ("sales_.*", "sale", ".*_202[01]", "bulk00[0-4]", "(costs|sale)", "a.b", r"a\.b", "nothing", ".*t.*", "é.é"):
        assert listed(Expression=pattern, PaginationConfig={"PageSize": 3}) == [
            n for n in sorted(names, key=lambda n: n.encode()) if re.fullmatch(pattern, n)], pattern
    refused("InvalidInputException", g.get_tables, "Invalid Expression", DatabaseName=db, Expression="a(b")
    assert len(g.get_tables(DatabaseName=db)["TableList"]) == 100  # the most that one page holds
    only = g.get_tables(DatabaseName=db, Expression="sale", AttributesToGet=["NAME", "TABLE_TYPE"])["TableList"]
    assert only == [{"Name": "sale", "TableType": "VIRTUAL_VIEW"}]
    refused("InvalidInputException", g.get_tables, "NAME", DatabaseName=db, AttributesToGet=["TABLE_TYPE"])
    refused("InvalidInputException", g.get_tables, "too long", DatabaseName=db, Expression="(x+x+)+[yz]")


def test_batch_delete_table(g, db):
    for n in ("a", "b", "c"):
        g.create_table(DatabaseName=db, TableInput={"Name": n})
    errors = g.batch_delete_table(DatabaseName=db, TablesToDelete=["a", "Nope", "C", "a"])["Errors"]
    assert [(e["TableName"], e["ErrorDetail"]["ErrorCode"]) for e in errors] == [
        ("Nope", "EntityNotFoundException"), ("a", "EntityNotFoundException")]
    assert [t["Name"] for t in g.get_tables(DatabaseName=db)["TableList"]] == ["b"]
    refused("EntityNotFoundException", g.get_table, DatabaseName=db, Name="C")
    refused("EntityNotFoundException", g.batch_delete_table, DatabaseName="nowhere", TablesToDelete=["b"])


def test_page_tokens_are_bound_to_their_request(g, db):
    for i in range(5):
        g.create_table(DatabaseName=db, TableInput=table_input(f"t{i}"))
    token = g.get_tables(DatabaseName=db, MaxResults=2)["NextToken"]
    assert [t["Name"] for t in g.get_tables(DatabaseName=db, MaxResults=3, NextToken=token)["TableList"]] == ["t2", "t3", "t4"]
    flipped = token[:10] + ("A" if token[10] != "A" else "B") + token[11:]
    for bad in (flipped, token[:-4], "x", "!!!!", "A" * 100000):
        refused("InvalidInputException", g.get_tables, "NextToken", DatabaseName=db, NextToken=bad)
    refused("InvalidInputException", g.get_tables, DatabaseName=db, Expression="t.*", NextToken=token)
    refused("InvalidInputException", g.get_databases, NextToken=token)


# ---- partitions ----

def test_partition_round_trip(g, db):
    g.create_table(DatabaseName=db, TableInput=table_input("t"))
    where = {"DatabaseName": db, "TableName": "t"}
    given = {"Values": ["2024", "Mä/rz=%2F"], "StorageDescriptor": SD, "Parameters": {"rows": "7", "x": '}},"StorageDescriptor":{'}}
    g.create_partition(**where, PartitionInput=given)
    got = g.get_partition(**where, PartitionValues=given["Values"])["Partition"]
    holds(got, {**given, "DatabaseName": db, "TableName": "t", "CatalogId": "000000000000"})
    assert g.get_partitions(**where)["Partitions"] == [got]
    assert g.batch_get_partition(**where, PartitionsToGet=[{"Values": given["Values"]}, {"Values": ["1", "2"]}])["Partitions"] == [got]
    slim = g.get_partitions(**where, ExcludeColumnSchema=True)["Partitions"][0]
    assert "Columns" not in slim["StorageDescriptor"]
    slim["StorageDescriptor"]["Columns"] = SD["Columns"]
    assert slim == got
    refused("AlreadyExistsException", g.create_partition, "Partition already exists.", **where, PartitionInput=given)
    g.update_partition(**where, PartitionValueList=given["Values"], PartitionInput={"Values": given["Values"], "Parameters": {"rows": "8"}})
    after = g.get_partition(**where, PartitionValues=given["Values"])["Partition"]
    assert after["Parameters"] == {"rows": "8"} and "StorageDescriptor" not in after and after["CreationTime"] == got["CreationTime"]
    g.update_partition(**where, PartitionValueList=given["Values"], PartitionInput={"Values": ["1", "new"]})
    refused("EntityNotFoundException", g.get_partition, "Cannot find partition.", **where, PartitionValues=given["Values"])
    assert g.get_partition(**where, PartitionValues=["1", "new"])["Partition"]["CreationTime"] == got["CreationTime"]
    g.delete_partition(**where, PartitionValues=["1", "new"])
    refused("EntityNotFoundException", g.delete_partition, "Cannot find partition.", **where, PartitionValues=["1", "new"])


def test_partition_errors(g, db):
    g.create_table(DatabaseName=db, TableInput=table_input("t"))
    g.create_table(DatabaseName=db, TableInput={"Name": "flat"})
    where = {"DatabaseName": db, "TableName": "t"}
    wrong = "The number of partition keys do not match the number of partition values"
    refused("InvalidInputException", g.create_partition, wrong, **where, PartitionInput={"Values": ["1"]})
    refused("InvalidInputException", g.create_partition, wrong, **where, PartitionInput={})
    refused("InvalidInputException", g.get_partition, wrong, **where, PartitionValues=["1", "2", "3"])
    refused("InvalidInputException", g.batch_get_partition, wrong, **where, PartitionsToGet=[{"Values": ["1"]}])
    refused("InvalidInputException", g.create_partition, "not partitioned", DatabaseName=db, TableName="flat", PartitionInput={"Values": ["1"]})
    refused("EntityNotFoundException", g.create_partition, "Table none not found.", DatabaseName=db, TableName="none", PartitionInput={"Values": ["1"]})
    refused("EntityNotFoundException", g.update_partition, **where, PartitionValueList=["1", "2"], PartitionInput={"Values": ["1", "2"]})
    g.create_partition(**where, PartitionInput={"Values": ["1", "a"]})
    g.create_partition(**where, PartitionInput={"Values": ["2", "a"]})
    refused("InvalidInputException", g.update_partition, "already exists", **where, PartitionValueList=["1", "a"], PartitionInput={"Values": ["2", "a"]})
    assert len(g.get_partitions(**where)["Partitions"]) == 2
    refused("InvalidInputException", g.update_table, "number of partition keys", DatabaseName=db,
            TableInput=table_input("t", PartitionKeys=[{"Name": "y", "Type": "int"}]))


def test_batches_say_what_failed(g, db):
    g.create_table(DatabaseName=db, TableInput=table_input("t"))
    where = {"DatabaseName": db, "TableName": "t"}
    g.create_partition(**where, PartitionInput={"Values": ["1", "a"]})
    errors = g.batch_create_partition(**where, PartitionInputList=[
        {"Values": v} for v in (["2", "a"], ["1", "a"], ["3"], ["2", "a"], ["4", "b"])])["Errors"]
    assert [(e["PartitionValues"], e["ErrorDetail"]["ErrorCode"]) for e in errors] == [
        (["1", "a"], "AlreadyExistsException"), (["3"], "InvalidInputException"), (["2", "a"], "AlreadyExistsException")]
    errors = g.batch_update_partition(**where, Entries=[
        {"PartitionValueList": ["1", "a"], "PartitionInput": {"Values": ["9", "z"]}},
        {"PartitionValueList": ["7", "a"], "PartitionInput": {"Values": ["7", "a"]}},
        {"PartitionValueList": ["2", "a"], "PartitionInput": {"Values": ["4", "b"]}},
        {"PartitionValueList": ["2", "a"], "PartitionInput": {"Values": ["2", "a"], "Parameters": {"batch": "updated"}}}])["Errors"]
    assert [(e["PartitionValueList"], e["ErrorDetail"]["ErrorCode"]) for e in errors] == [
        (["7", "a"], "EntityNotFoundException"), (["2", "a"], "AlreadyExistsException")]
    assert g.get_partition(**where, PartitionValues=["2", "a"])["Partition"]["Parameters"] == {"batch": "updated"}
    errors = g.batch_delete_partition(**where, PartitionsToDelete=[{"Values": v} for v in (["9", "z"], ["9", "z"], ["x"])])["Errors"]
    assert [(e["PartitionValues"], e["ErrorDetail"]["ErrorCode"]) for e in errors] == [
        (["9", "z"], "EntityNotFoundException"), (["x"], "InvalidInputException")]
    assert sorted(p["Values"] for p in g.get_partitions(**where)["Partitions"]) == [["2", "a"], ["4", "b"]]
    many = [{"Values": [str(i), "m"]} for i in range(101)]
    with pytest.raises(ClientError):
        g.batch_create_partition(**where, PartitionInputList=many)


def fill(g, where, values):
    for i in range(0, len(values), 100):
        assert g.batch_create_partition(**where, PartitionInputList=[{"Values": v} for v in values[i:i + 100]])["Errors"] == []


def test_segments_are_disjoint_and_cover(g, db):
    g.create_table(DatabaseName=db, TableInput=table_input("t"))
    where = {"DatabaseName": db, "TableName": "t"}
    values = [[str(i % 40), f"m{i}"] for i in range(700)]
    fill(g, where, values)
    for total in (1, 2, 3, 10):
        for expression in (None, "y < 20"):
            seen = []
            for number in range(total):
                more = {"Segment": {"SegmentNumber": number, "TotalSegments": total}}
                if expression:
                    more["Expression"] = expression
                for page in g.get_paginator("get_partitions").paginate(**where, **more, PaginationConfig={"PageSize": 37}):
                    seen += [p["Values"] for p in page["Partitions"]]
            assert sorted(seen) == sorted(v for v in values if not expression or int(v[0]) < 20)
    refused("InvalidInputException", g.get_partitions, "less than", **where, Segment={"SegmentNumber": 2, "TotalSegments": 2})


def test_partitions_page_while_others_go(g, db):
    g.create_table(DatabaseName=db, TableInput=table_input("t"))
    where = {"DatabaseName": db, "TableName": "t"}
    fill(g, where, [[str(i), "x"] for i in range(300)])
    for expression in ("", "y >= 0", "m = 'x'", "m like '%x'"):
        seen, gone, token = [], set(), None
        while True:
            page = g.get_partitions(**where, Expression=expression, MaxResults=50, **({"NextToken": token} if token else {}))
            seen += [int(p["Values"][0]) for p in page["Partitions"]]
            token = page.get("NextToken")
            if not token:
                break
            ahead = [i for i in range(300) if i not in seen and i not in gone][:3]
            for i in (seen[-1], *ahead):
                if i not in gone:
                    g.delete_partition(**where, PartitionValues=[str(i), "x"])
                    gone.add(i)
        assert len(seen) == len(set(seen)) and set(range(300)) - gone <= set(seen)
        fill(g, where, [[str(i), "x"] for i in gone])


def test_key_types_may_change_under_partitions(g, db):
    keys = [{"Name": "k", "Type": "string"}]
    g.create_table(DatabaseName=db, TableInput=table_input("t", PartitionKeys=keys))
    where = {"DatabaseName": db, "TableName": "t"}
    fill(g, where, [[str(i)] for i in range(1200)])

    def count(expression):
        return sum(len(p["Partitions"]) for p in g.get_paginator("get_partitions").paginate(**where, Expression=expression))

    assert count("k < '2'") == len([i for i in range(1200) if str(i) < "2"])
    g.update_table(DatabaseName=db, TableInput=table_input("t", PartitionKeys=[{"Name": "k", "Type": "int"}]))
    assert count("k < 2") == 2  # whether or not the index has been made anew
    for _ in range(20):  # before, while and after that happens
        assert count("k between 5 and 700") == 696
    g.update_table(DatabaseName=db, TableInput=table_input("t", PartitionKeys=keys))
    assert count("k < '2'") == len([i for i in range(1200) if str(i) < "2"])


def test_pages_survive_a_restart(new_server):
    s = new_server(lake=False)
    g = s.client("glue")
    g.create_database(DatabaseInput={"Name": "d"})
    g.create_table(DatabaseName="d", TableInput=table_input("t"))
    where = {"DatabaseName": "d", "TableName": "t"}
    fill(g, where, [[str(i), f"{i % 7}"] for i in range(500)])
    whole = {e: [p["Values"] for p in g.get_partitions(**where, Expression=e)["Partitions"]] for e in ("", "m = '3'", "y > 100")}
    firsts = {e: g.get_partitions(**where, Expression=e, MaxResults=20) for e in whole}
    s.stop()
    s.start()
    g = s.client("glue")
    for e, first in firsts.items():
        rest = g.get_partitions(**where, Expression=e, NextToken=first["NextToken"])
        assert [p["Values"] for p in first["Partitions"] + rest["Partitions"]] == whole[e]
