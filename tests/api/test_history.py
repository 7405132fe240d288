"""The history and the way back: random changes, each undone, bring the whole catalogue back to what it was."""
import json
import random
import subprocess

import pytest
from conftest import binary, every, wait_for


def nikawa(server, *args, ok=True):
    done = subprocess.run([binary(), args[0], "--data", str(server.data), *args[1:]], capture_output=True, text=True)
    assert (done.returncode == 0) == ok, done.stderr + done.stdout
    return done.stdout if ok else done.stderr


def history(server, *args):
    return json.loads(nikawa(server, "history", "--json", "--limit", "100000", *args))["Changes"]


@pytest.fixture
def server(new_server):
    return new_server(lake=False)


@pytest.fixture
def g(server):
    return server.client("glue")


def snapshot(g):
    """All that the catalogue holds, but for what an undoing itself makes new."""
    def table(d, t):
        t = {k: v for k, v in t.items() if k not in ("VersionId", "UpdateTime")}
        parts = {tuple(p["Values"]): p for p in every(g.get_partitions, "Partitions", DatabaseName=d, TableName=t["Name"])}
        return t, parts

    out = {}
    for d in every(g.get_databases, "DatabaseList"):
        n = d["Name"]
        out[n] = (d, {t["Name"]: table(n, t) for t in every(g.get_tables, "TableList", DatabaseName=n)},
                  {f["FunctionName"]: f for f in every(g.get_user_defined_functions, "UserDefinedFunctions", DatabaseName=n, Pattern="*")})
    return out, extras(g), {c["Name"]: {k: v for k, v in c.items() if k != "LastUpdatedTime"} for c in every(g.get_connections, "ConnectionList")}


def there(call, key, **params):
    """What a reply holds under a key; None when nothing is there."""
    try:
        return call(**params)[key]
    except call.__self__.exceptions.EntityNotFoundException:
        return None


def extras(g):
    """What hangs on databases, tables and the region: statistics, indexes, policies, settings, tags, types."""
    region = "arn:aws:glue:us-east-1:000000000000:"
    out = {"policy": there(g.get_resource_policy, "PolicyInJson"), "settings": g.get_data_catalog_encryption_settings()["DataCatalogEncryptionSettings"],
           "export": there(g.get_data_catalog_export_configuration, "ExportSetting"),
           "security": {c["Name"]: c["EncryptionConfiguration"] for c in every(g.get_security_configurations, "SecurityConfigurations")},
           "types": {t["ConnectionType"]: t["Description"] for t in every(g.list_connection_types, "ConnectionTypes")}}
    for d in every(g.get_databases, "DatabaseList"):
        out[d["Name"]] = g.get_tags(ResourceArn=f"{region}database/{d['Name']}")["Tags"]
        for t in every(g.get_tables, "TableList", DatabaseName=d["Name"]):
            at = {"DatabaseName": d["Name"], "TableName": t["Name"]}
            out[d["Name"], t["Name"]] = (
                {i["IndexName"]: [k["Name"] for k in i["Keys"]] for i in every(g.get_partition_indexes, "PartitionIndexDescriptorList", **at)},
                g.get_column_statistics_for_table(ColumnNames=["y", "m"], **at)["ColumnStatisticsList"],
                {tuple(p["Values"]): g.get_column_statistics_for_partition(ColumnNames=["y", "m"], PartitionValues=p["Values"], **at)["ColumnStatisticsList"]
                 for p in every(g.get_partitions, "Partitions", **at)})
    return out


CHANGES = 60


def statistics(rng, column):
    return {"ColumnName": column, "ColumnType": "int", "AnalyzedTime": 1700000000, "StatisticsData": {
        "Type": "LONG", "LongColumnStatisticsData": {"NumberOfNulls": rng.randint(0, 99), "NumberOfDistinctValues": rng.randint(0, 99)}}}


def rest_type(rng, n):
    return {"ConnectionType": n, "IntegrationType": "REST", "Description": f"d{rng.random()}", "ConnectionProperties": {},
            "ConnectorAuthenticationConfiguration": {"AuthenticationTypes": ["BASIC"]}, "RestConfiguration": {}}


def random_extra(g, rng, d, at, values):
    """Changes of what extras() shows."""
    arn = f"arn:aws:glue:us-east-1:000000000000:database/{d}"
    policy = {"Version": "1", "Id": str(rng.random()), "Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}}
    kms = {"CatalogEncryptionMode": "SSE-KMS", "SseAwsKmsKeyId": str(rng.random())}
    columns = [statistics(rng, c) for c in rng.choice([["y"], ["m"], ["y", "m"]])]
    where, index, kind = {**at, "PartitionValues": values[0]}, rng.choice(["i1", "i2"]), rng.choice(["REST-a", "REST-b"])
    return [
        lambda: g.put_resource_policy(PolicyInJson=json.dumps(policy)), lambda: g.delete_resource_policy(),
        lambda: g.put_data_catalog_encryption_settings(DataCatalogEncryptionSettings={"EncryptionAtRest": kms}),
        lambda: g.put_data_catalog_export_configuration(ExportSetting=rng.choice(["ENABLED", "DISABLED"])),
        lambda: g.create_security_configuration(Name="s", EncryptionConfiguration={"S3Encryption": [{"S3EncryptionMode": "SSE-S3"}]}),
        lambda: g.delete_security_configuration(Name="s"),
        lambda: g.tag_resource(ResourceArn=arn, TagsToAdd={rng.choice("kl"): str(rng.random())}),
        lambda: g.untag_resource(ResourceArn=arn, TagsToRemove=[rng.choice("kl")]),
        lambda: g.register_connection_type(**rest_type(rng, kind)), lambda: g.delete_connection_type(ConnectionType=kind),
        lambda: g.create_partition_index(PartitionIndex={"IndexName": index, "Keys": rng.choice([["y"], ["m"], ["m", "y"]])}, **at),
        lambda: settled(g, at) and g.delete_partition_index(IndexName=index, **at),
        lambda: g.update_column_statistics_for_table(ColumnStatisticsList=columns, **at),
        lambda: g.delete_column_statistics_for_table(ColumnName=columns[0]["ColumnName"], **at),
        *[lambda: g.update_column_statistics_for_partition(ColumnStatisticsList=columns, **where)] * 2,
        lambda: g.delete_column_statistics_for_partition(ColumnName=columns[0]["ColumnName"], **where),
    ]


def settled(g, at):
    """Waits until no partition index is being created."""
    return wait_for(lambda: all(i["IndexStatus"] != "CREATING" for i in g.get_partition_indexes(**at)["PartitionIndexDescriptorList"]))


def table_input(rng, n):
    return {"Name": n, "Description": f"d{rng.random()}", "PartitionKeys": [{"Name": "y", "Type": "int"}, {"Name": "m", "Type": "string"}],
            "Parameters": {"k": str(rng.random())}, "StorageDescriptor": {"Columns": [{"Name": f"c{rng.randint(0, 9)}", "Type": "int"}], "Location": "s3://b/t"}}


def part_input(rng, values):
    return {"Values": values, "Parameters": {"k": str(rng.random())},
            "StorageDescriptor": {"Columns": [{"Name": f"c{rng.randint(0, 3)}", "Type": "int"}], "Location": f"s3://b/{rng.random()}"}}


def random_change(g, rng):
    """One random change; False when it was refused."""
    d, t, f, c = (rng.choice(x) for x in (["d1", "d2"], ["t1", "t2", "t3"], ["f1", "f2"], ["c1", "c2"]))
    values = [[str(rng.randint(0, 5)), rng.choice("ab")] for _ in range(rng.randint(1, 6))]
    at = {"DatabaseName": d, "TableName": t}
    ways = [
        lambda: g.create_database(DatabaseInput={"Name": d, "Description": str(rng.random())}),
        lambda: g.update_database(Name=d, DatabaseInput={"Name": d, "Description": str(rng.random())}),
        lambda: g.delete_database(Name=d),
        *[lambda: g.create_table(DatabaseName=d, TableInput=table_input(rng, t))] * 3,
        *[lambda: g.update_table(DatabaseName=d, TableInput=table_input(rng, t), SkipArchive=rng.random() < 0.5)] * 2,
        lambda: g.delete_table(DatabaseName=d, Name=t),
        *[lambda: g.batch_create_partition(PartitionInputList=[part_input(rng, v) for v in values], **at)] * 3,
        lambda: g.create_partition(PartitionInput=part_input(rng, values[0]), **at),
        lambda: g.update_partition(PartitionValueList=values[0], PartitionInput=part_input(rng, values[-1]), **at),
        lambda: g.batch_update_partition(Entries=[{"PartitionValueList": v, "PartitionInput": part_input(rng, v)} for v in values], **at),
        lambda: g.delete_partition(PartitionValues=values[0], **at),
        lambda: g.batch_delete_partition(PartitionsToDelete=[{"Values": v} for v in values], **at),
        lambda: g.create_user_defined_function(DatabaseName=d, FunctionInput={"FunctionName": f, "ClassName": str(rng.random())}),
        lambda: g.update_user_defined_function(DatabaseName=d, FunctionName=f, FunctionInput={"FunctionName": f, "ClassName": str(rng.random())}),
        lambda: g.delete_user_defined_function(DatabaseName=d, FunctionName=f),
        lambda: g.create_connection(ConnectionInput=connection(rng, c)),
        lambda: g.update_connection(Name=c, ConnectionInput=connection(rng, c)),
        lambda: g.delete_connection(ConnectionName=c),
    ]
    ways += random_extra(g, rng, d, at, values)
    try:
        rng.choice(ways)()
        return True
    except g.exceptions.ClientError as e:
        assert e.response["Error"]["Code"] in ("EntityNotFoundException", "AlreadyExistsException", "InvalidInputException"), e
        return False


def connection(rng, n):
    return {"Name": n, "ConnectionType": "JDBC", "ConnectionProperties": {"JDBC_CONNECTION_URL": f"jdbc:{rng.random()}", "USERNAME": "u", "PASSWORD": f"p{rng.random()}"}}


def test_every_change_can_be_undone(server, g):
    seed = random.randrange(10 ** 9)
    rng = random.Random(seed)
    states, marks = [snapshot(g)], [0]  # what it was after the change of that number
    while len(marks) < CHANGES:
        if not random_change(g, rng):
            continue
        newest = json.loads(nikawa(server, "history", "--json", "--limit", "1"))["Changes"]
        if newest and newest[0]["Id"] != marks[-1]:
            # there may be several: what goes takes its tags or statistics along, as a change before its own
            marks.append(newest[0]["Id"])
            states.append(snapshot(g))
    assert len({c["Kind"] for c in history(server)}) >= 8, seed
    for i in range(len(marks) - 1, 0, -1):
        for change in range(marks[i], marks[i - 1], -1):
            said = nikawa(server, "undo", str(change))
            assert said.strip()
        assert snapshot(g) == states[i - 1], (seed, marks[i], said)
    # and the undoings, undone from the newest on, give it all again
    undoings = [c["Id"] for c in history(server) if "Undoes" in c]
    done = 0
    for n in range(20):
        for _ in range(marks[n + 1] - marks[n]):
            nikawa(server, "undo", str(undoings[done]))
            done += 1
        assert snapshot(g) == states[n + 1], (seed, n)


def test_a_deleted_table_comes_back_whole(server, g):
    rng = random.Random()
    g.create_database(DatabaseInput={"Name": "d"})
    g.create_table(DatabaseName="d", TableInput=table_input(rng, "t"))
    for _ in range(3):
        g.update_table(DatabaseName="d", TableInput=table_input(rng, "t"))
    g.batch_create_partition(DatabaseName="d", TableName="t", PartitionInputList=[part_input(rng, [str(i), "a"]) for i in range(50)])
    before = snapshot(g), g.get_table(DatabaseName="d", Name="t")["Table"]["VersionId"], every(g.get_table_versions, "TableVersions", DatabaseName="d", TableName="t")
    g.delete_table(DatabaseName="d", Name="t")
    g.create_table(DatabaseName="d", TableInput={"Name": "t"})  # another one of that name
    deletion = next(c for c in history(server, "d.t") if c["What"] == "delete")
    assert "another d.t is there" in nikawa(server, "undo", str(deletion["Id"]), ok=False)
    g.delete_table(DatabaseName="d", Name="t")
    server.stop()
    server.start()  # what was deleted is still held
    g = server.client("glue")
    assert nikawa(server, "undo", str(deletion["Id"])) == "brought back table d.t with 50 partitions and 3 older versions\n"
    assert (snapshot(g), g.get_table(DatabaseName="d", Name="t")["Table"]["VersionId"], every(g.get_table_versions, "TableVersions", DatabaseName="d", TableName="t")) == before
    g.delete_database(Name="d")
    deletion = history(server, "d")[0]
    assert deletion["Kind"] == "database" and deletion["What"] == "delete"
    assert nikawa(server, "undo", str(deletion["Id"])) == "brought back database d with 1 tables\n"
    assert snapshot(g) == before[0]
    g.delete_table(DatabaseName="d", Name="t")
    lost = history(server, "d.t")[0]["Id"]
    g.delete_database(Name="d")
    assert "database" in nikawa(server, "undo", str(lost), ok=False)


def test_history_tells_who_and_what(server, g):
    g.create_database(DatabaseInput={"Name": "d"})
    g.create_table(DatabaseName="d", TableInput={"Name": "t", "Description": "one"})
    g.update_table(DatabaseName="d", TableInput={"Name": "t", "Description": "two"})
    g.update_table(DatabaseName="d", TableInput={"Name": "t", "Description": "three"})
    g.batch_create_partition(DatabaseName="d", TableName="t", PartitionInputList=[])
    changes = history(server)
    assert [(c["What"], c["Kind"], c["Object"], c["Who"]) for c in changes] == [
        ("update", "table", "d.t", server.access_key), ("update", "table", "d.t", server.access_key),
        ("create", "table", "d.t", server.access_key), ("create", "database", "d", server.access_key)]
    assert [c["Id"] for c in history(server, "d")] == [c["Id"] for c in changes]
    assert [c["Id"] for c in history(server, "D.T")] == [c["Id"] for c in changes[:3]]
    for change, before, after in ((changes[0], "two", "three"), (changes[1], "one", "two"), (changes[2], None, "one")):
        one = history(server, str(change["Id"]))[0]
        assert (one["Before"] or {}).get("Description") == before and one["After"]["Description"] == after
    text = nikawa(server, "history")
    assert "d.t" in text and server.access_key in text
    assert "not in the history" in nikawa(server, "history", "999", ok=False)
    assert "not in the history" in nikawa(server, "undo", "999", ok=False)
    # a region sees its own
    assert nikawa(server, "history", "--region", "eu-west-1") == "no change is kept\n"
    assert "not in the history" in nikawa(server, "undo", "--region", "eu-west-1", str(changes[0]["Id"]), ok=False)


def test_history_is_bounded_and_lets_go(new_server):
    s = new_server(lake=False, args=["--history", "5"])
    g = s.client("glue")
    g.create_database(DatabaseInput={"Name": "d"})
    g.create_table(DatabaseName="d", TableInput=table_input(random.Random(), "t"))
    g.batch_create_partition(DatabaseName="d", TableName="t", PartitionInputList=[part_input(random.Random(), [str(i), "a"]) for i in range(100)])
    g.delete_table(DatabaseName="d", Name="t")
    for i in range(5):
        g.create_table(DatabaseName="d", TableInput={"Name": f"x{i}"})
    kept = history(s)
    assert [c["Object"] for c in kept] == [f"d.x{i}" for i in (4, 3, 2, 1, 0)]
    import sqlite3

    def partitions():
        with sqlite3.connect(f"file:{next(s.data.glob('*.db'))}?mode=ro", uri=True) as db:
            return db.execute("SELECT count(*) FROM glue_partition").fetchone()[0]
    wait_for(lambda: partitions() == 0)
    none = new_server(lake=False, args=["--history", "0"])
    none.client("glue").create_database(DatabaseInput={"Name": "d"})
    assert history(none) == []


def test_what_hangs_on_a_table_comes_back(server, g):
    rng, at = random.Random(), {"DatabaseName": "d", "TableName": "t"}
    g.create_database(DatabaseInput={"Name": "d"}, Tags={"made": "with"})
    g.create_table(DatabaseName="d", TableInput=table_input(rng, "t"))
    g.create_partition(PartitionInput=part_input(rng, ["1", "a"]), **at)
    g.create_partition_index(PartitionIndex={"IndexName": "i", "Keys": ["y"]}, **at)
    settled(g, at)
    g.update_column_statistics_for_partition(PartitionValues=["1", "a"], ColumnStatisticsList=[statistics(rng, "y"), statistics(rng, "y"), statistics(rng, "m")], **at)
    before = snapshot(g)
    mark = history(server)[0]["Id"]
    g.batch_update_partition(Entries=[{"PartitionValueList": v, "PartitionInput": part_input(rng, w)} for v, w in (
        (["1", "a"], ["1", "a"]), (["1", "a"], ["2", "b"]), (["2", "b"], ["2", "b"]), (["2", "b"], ["1", "a"]))], **at)
    g.delete_partition_index(IndexName="i", **at)
    g.delete_database(Name="d")
    g.put_resource_policy(PolicyInJson='{"Statement": {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}}')
    changes = [c for c in history(server) if c["Id"] > mark]
    assert {c["Kind"] for c in changes} == {"partitions", "statistics", "indexes", "database", "tags", "policy"}
    tags = next(c for c in changes if c["Kind"] == "tags")
    assert "tags database/d is not there any more" in nikawa(server, "undo", str(tags["Id"]), ok=False)  # the database is not
    for c in changes:
        nikawa(server, "undo", str(c["Id"]))
    assert snapshot(g) == before
    assert settled(g, at)
    [index] = g.get_partition_indexes(**at)["PartitionIndexDescriptorList"]
    assert index["IndexStatus"] == "ACTIVE"  # it was checked anew
    shown = history(server, str(next(c["Id"] for c in changes if c["Kind"] == "statistics")))[0]
    assert [(c["Column"], c["Partition"]) for c in shown["Columns"]] == [("m", ["1", "a"]), ("y", ["1", "a"])] and shown["Columns"][0]["Before"]["ColumnName"] == "m"
    shown = history(server, str(next(c["Id"] for c in changes if c["Kind"] == "indexes")))[0]
    assert shown["Before"][0]["IndexName"] == "i" and shown["After"] == []


def test_names_that_are_not_folded(server, g):
    g.create_security_configuration(Name="Mine", EncryptionConfiguration={})
    g.register_connection_type(**rest_type(random.Random(), "REST-Mine"))
    g.create_connection(ConnectionInput={"Name": "Mine", "ConnectionType": "REST-Mine", "ConnectionProperties": {}, "AuthenticationConfiguration": {"AuthenticationType": "BASIC"}})
    for object_ in ("security configuration Mine", "connection type REST-Mine", "connection Mine"):
        assert [(c["Object"], c["What"]) for c in history(server, object_)] == [(object_, "create")]
    [registered] = history(server, "connection type REST-Mine")
    assert "connection Mine is of that type" in nikawa(server, "undo", str(registered["Id"]), ok=False)
    g.delete_connection(ConnectionName="Mine")
    assert nikawa(server, "undo", str(registered["Id"])) == "deleted connection type REST-Mine\n"
    with pytest.raises(g.exceptions.InvalidInputException):
        g.describe_connection_type(ConnectionType="REST-Mine")
