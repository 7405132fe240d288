"""Connections and their types through boto3: what is shown, what is kept, what lies on disk."""
import os
import re
import stat
from pathlib import Path

import pytest
from test_catalog import g, holds, name, refused  # noqa: F401 (fixtures)
from test_catalog_resources import pages

SECRET = "S3cret-é-" + os.urandom(6).hex()


def jdbc(n, **more):
    return {"Name": n, "ConnectionType": "JDBC", "Description": "d", "MatchCriteria": ["x", "y"],
            "ConnectionProperties": {"JDBC_CONNECTION_URL": f"jdbc:postgresql://h/db?token={SECRET}", "USERNAME": "u", "PASSWORD": SECRET},
            "PhysicalConnectionRequirements": {"SubnetId": "s-1", "SecurityGroupIdList": ["sg"], "AvailabilityZone": "z"}, **more}


def test_connection_round_trip(g):
    n = name("Conn")
    assert g.create_connection(ConnectionInput=jdbc(n))["CreateConnectionStatus"] == "READY"
    got = g.get_connection(Name=n)["Connection"]
    holds(got, {**jdbc(n), "Status": "READY", "ConnectionSchemaVersion": 1})
    hidden = g.get_connection(Name=n, HidePassword=True)["Connection"]
    assert hidden["ConnectionProperties"] == {k: v for k, v in jdbc(n)["ConnectionProperties"].items() if k != "PASSWORD"}
    refused("AlreadyExistsException", g.create_connection, ConnectionInput=jdbc(n))
    changed = jdbc(n, Description="new", MatchCriteria=[])
    g.update_connection(Name=n, ConnectionInput=changed)
    after = g.get_connection(Name=n)["Connection"]
    assert after["Description"] == "new" and after["CreationTime"] == got["CreationTime"] and after["LastUpdatedTime"] >= got["LastUpdatedTime"]
    refused("InvalidInputException", g.update_connection, "cannot be changed", Name=n, ConnectionInput=jdbc(name()))
    g.delete_connection(ConnectionName=n)
    refused("EntityNotFoundException", g.get_connection, f"Connection {n} not found.", Name=n)
    refused("EntityNotFoundException", g.delete_connection, ConnectionName=n)
    refused("EntityNotFoundException", g.update_connection, Name=n, ConnectionInput=jdbc(n))


@pytest.mark.parametrize("properties, lacks", [
    ({"USERNAME": "u", "PASSWORD": "p"}, "JDBC_CONNECTION_URL"), ({"JDBC_CONNECTION_URL": "jdbc:x"}, "SECRET_ID"),
    ({"JDBC_CONNECTION_URL": "jdbc:x", "USERNAME": "u"}, "PASSWORD"), ({"HOST": "h", "PORT": "1", "SECRET_ID": "s"}, "JDBC_ENGINE")])
def test_what_a_connection_must_have(g, properties, lacks):
    message = refused("InvalidInputException", g.create_connection, "Validation for connection properties failed", ConnectionInput={
        "Name": name(), "ConnectionType": "JDBC", "ConnectionProperties": properties})
    assert lacks in message


@pytest.mark.parametrize("kind, properties, more", [
    ("JDBC", {"HOST": "h", "PORT": "1", "JDBC_ENGINE": "mysql", "SECRET_ID": "s"}, {}),
    ("KAFKA", {"KAFKA_BOOTSTRAP_SERVERS": "b:1", "KAFKA_SASL_SCRAM_PASSWORD": "x", "KAFKA_CLIENT_KEY_PASSWORD": "y"}, {}),
    ("MONGODB", {"CONNECTION_URL": "mongodb://h/d", "USERNAME": "u", "PASSWORD": "p"}, {}),
    ("NETWORK", {}, {"PhysicalConnectionRequirements": {"SubnetId": "s"}}),
    ("CUSTOM", {"CONNECTOR_TYPE": "Jdbc", "CONNECTOR_URL": "s3://b/j.jar", "CONNECTOR_CLASS_NAME": "x.Y"}, {}),
    ("POSTGRESQL", {"HOST": "h"}, {"SparkProperties": {"HOST": "spark-host", "a": "b"}}),
    ("SALESFORCE", {"ROLE_ARN": "r"}, {"AuthenticationConfiguration": {
        "AuthenticationType": "OAUTH2", "SecretArn": "arn:aws:secretsmanager:us-east-1:000000000000:secret:x",
        "OAuth2Properties": {"OAuth2GrantType": "CLIENT_CREDENTIALS", "TokenUrl": "https://x.example/token",
                             "OAuth2Credentials": {"AccessToken": "not-to-be-shown"}}}})])
def test_connections_of_many_types(g, kind, properties, more):
    n = name()
    g.create_connection(ConnectionInput={"Name": n, "ConnectionType": kind, "ConnectionProperties": properties, **more})
    got = g.get_connection(Name=n)["Connection"]
    assert got["ConnectionType"] == kind and got["ConnectionProperties"] == properties
    assert got["ConnectionSchemaVersion"] == (2 if kind in ("POSTGRESQL", "SALESFORCE") else 1)
    assert "not-to-be-shown" not in str(got)
    hidden = g.get_connection(Name=n, HidePassword=True)["Connection"]["ConnectionProperties"]
    assert hidden == {k: v for k, v in properties.items() if "PASSWORD" not in k}
    if kind == "POSTGRESQL":
        assert g.get_connection(Name=n, ApplyOverrideForComputeEnvironment="SPARK")["Connection"]["ConnectionProperties"] == {"HOST": "spark-host"}
    # what has no connector says so
    message = refused("InvalidInputException", g.test_connection, "no connector", ConnectionName=n)
    assert kind in message
    g.delete_connection(ConnectionName=n)


def test_connections_are_listed_and_filtered(bare_glue_in):
    g = bare_glue_in("me-south-1")
    names = sorted(name() for _ in range(9))
    for i, n in enumerate(names):
        kind = {"ConnectionType": "KAFKA", "ConnectionProperties": {"KAFKA_BOOTSTRAP_SERVERS": "b:1"}} if i % 3 == 0 else {}
        g.create_connection(ConnectionInput={**jdbc(n, MatchCriteria=["even"] if i % 2 == 0 else ["odd", "more"]), **kind})
    found = pages(g.get_connections, "ConnectionList", MaxResults=4, HidePassword=True)
    assert [c["Name"] for p in found for c in p] == names and [len(p) for p in found] == [4, 4, 1]
    assert "PASSWORD" not in str([c["ConnectionProperties"].keys() for p in found for c in p])
    for want, picked in (({"ConnectionType": "KAFKA"}, names[::3]), ({"MatchCriteria": ["odd"]}, names[1::2]),
                         ({"MatchCriteria": ["odd", "even"]}, []), ({"ConnectionSchemaVersion": 2}, [])):
        got = [c["Name"] for p in pages(g.get_connections, "ConnectionList", Filter=want, MaxResults=2) for c in p]
        assert got == picked, want
    done = g.batch_delete_connection(ConnectionNameList=[names[0], "none", names[1]])
    assert done["Succeeded"] == names[:2] and done["Errors"]["none"]["ErrorCode"] == "EntityNotFoundException"
    assert len(g.get_connections()["ConnectionList"]) == 7
    refused("InvalidInputException", g.get_connections, NextToken="x")


def test_passwords_can_be_returned_encrypted(bare_glue_in):
    g = bare_glue_in("af-south-1")
    n = name()
    g.create_connection(ConnectionInput=jdbc(n))
    g.put_data_catalog_encryption_settings(DataCatalogEncryptionSettings={
        "ConnectionPasswordEncryption": {"ReturnConnectionPasswordEncrypted": True, "AwsKmsKeyId": "k"}})
    got = g.get_connection(Name=n)["Connection"]["ConnectionProperties"]
    assert "PASSWORD" not in got and got["ENCRYPTED_PASSWORD"] and SECRET not in got["ENCRYPTED_PASSWORD"]
    assert g.get_connection(Name=n)["Connection"]["ConnectionProperties"]["ENCRYPTED_PASSWORD"] != got["ENCRYPTED_PASSWORD"]


def test_secrets_lie_sealed_and_are_never_told(new_server):
    s = new_server(lake=False, args=["--log", "debug"])
    g = s.client("glue")
    g.create_connection(ConnectionInput=jdbc("c"))
    for broken in (jdbc("c"), jdbc("d", ConnectionProperties={"PASSWORD": SECRET * 60}),
                   jdbc("d", ConnectionProperties={"JDBC_CONNECTION_URL": "x", "PASSWORD": SECRET}),
                   jdbc("d", ConnectionProperties={"NO_SUCH_KEY": SECRET})):
        with pytest.raises(g.exceptions.ClientError) as e:
            g.create_connection(ConnectionInput=broken)
        assert SECRET not in str(e.value.response)
    assert g.get_connection(Name="c")["Connection"]["ConnectionProperties"]["PASSWORD"] == SECRET
    key = s.data / "catalog.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600 and key.stat().st_size == 32
    s.stop()
    seen = 0
    for path in [*s.data.rglob("*"), s.log]:
        if path.is_file():
            content = path.read_bytes()
            seen += 1
            assert SECRET.encode() not in content, path
            assert re.search(rb"jdbc:postgresql://h", content) is None, path
    assert seen > 2
    s.start()
    assert s.client("glue").get_connection(Name="c")["Connection"]["ConnectionProperties"]["PASSWORD"] == SECRET


def test_connection_types_are_described(g, watch):
    found = pages(g.list_connection_types, "ConnectionTypes", MaxResults=40)
    types = {t["ConnectionType"]: t for p in found for t in p}
    model = g.meta.service_model.shape_for("ConnectionType").enum
    assert set(types) == set(model) and len(found) == 3
    assert types["JDBC"]["Capabilities"]["SupportedDataOperations"] == ["READ", "WRITE"]
    got = g.describe_connection_type(ConnectionType="KAFKA")
    assert got["ConnectionType"] == "KAFKA" and got["Capabilities"] == types["KAFKA"]["Capabilities"]
    assert got["ConnectionProperties"]["KAFKA_BOOTSTRAP_SERVERS"]["Required"] is True
    assert got["ConnectionProperties"]["KAFKA_SASL_PLAIN_PASSWORD"]["PropertyTypes"] == ["SECRET"]
    refused("InvalidInputException", g.describe_connection_type, ConnectionType="WHEEL")
    watch.proved("DescribeConnectionType")
    for t in model:
        assert g.describe_connection_type(ConnectionType=t)["ConnectionType"] == t
